//! `mtx` beside the real mtx 1.3.12, which sends its commands to the same library by libiscsi; and under Bacula's mtx-changer.

use std::fs;
use std::path::Path;

use super::preload;
use crate::common::TestEnvironment;
use crate::peers::vtl::{NAME, Vtl};

const LIBRARY: [&str; 4] = ["--cartridges", "3", "--slots", "4"];

/// A library, and an environment that has re-IPLed with it.
fn attached() -> (TestEnvironment, Vtl) {
    let environment = TestEnvironment::new();
    let vtl = Vtl::start(&environment, &LIBRARY);
    environment.add(NAME, "127.0.0.1", vtl.port());
    environment.run(&["-reipliscsiop"]).assert_status(0);
    (environment, vtl)
}

/// Calls whose output is compared. Each library has what the calls before made of it.
const CALLS: &[&str] = &[
    "status",
    "inventory",
    "load 2 1",
    "status",
    "load 1 1",
    "unload 3 1",
    "unload 99 1",
    "unload 1",
    "unload 99",
    "unload",
    "unload 1 9",
    "load",
    "load 0",
    "load x",
    "load 9",
    "load 1 2",
    "load 4",
    "transfer",
    "transfer 1",
    "transfer 0 1",
    "transfer 9 1",
    "transfer 1 9",
    "transfer 4 1",
    "transfer 1 3",
    "transfer 1 5",
    "status",
    "load 5",
    "status",
    "unload",
    "unload 4 1",
    "status",
    "load 4 0",
    "load 3 1",
    "transfer 1 2",
    "status",
    "unload 2 0",
    "unload 4 0",
    "unload 3 1",
    "frobnicate",
    "status",
];

#[test]
fn every_call_prints_and_ends_as_the_real_one_does() {
    let (environment, _ours) = attached();
    let theirs = Vtl::start(&environment, &LIBRARY);
    // The name of the device, as a file: what the real mtx opens it prints.
    fs::write(environment.home().join("TAPMLB01"), "").unwrap();
    let url = format!("iscsi://127.0.0.1:{}/{NAME}/0", theirs.port());
    for call in CALLS {
        let mut real = environment.command_of(Path::new("/usr/sbin/mtx"));
        real.env("LD_PRELOAD", preload("sg")).env("SG_URL", &url);
        real.args(["-f", "TAPMLB01"]).args(call.split(' '));
        let real = environment.finish(real);
        let ours = environment.run_line(&format!("mtx -f TAPMLB01 {call}"));
        let ours = ours.assert_status(real.status.code().unwrap());
        assert_eq!(ours.stdout, real.stdout, "mtx {call}");
        // Its usage tells commands that ours does not have.
        let line = real.stderr.lines().next().unwrap_or_default();
        assert!(
            ours.stderr.contains(line),
            "mtx {call}: {}, {line}",
            ours.stderr
        );
    }
}

/// Returns the script that README has for `MTX=`.
fn wrapper() -> String {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = fs::read_to_string(readme).unwrap();
    let first = "    #!/bin/sh\n    exec iscsiswiconfig mtx";
    let start = text.find(first).expect("README has the script");
    let lines = text[start..]
        .lines()
        .take_while(|line| line.starts_with("    "));
    lines.map(|line| format!("{}\n", &line[4..])).collect()
}

#[test]
fn bacula_mtx_changer_lists_loads_and_unloads() {
    let (environment, _vtl) = attached();
    let home = environment.home();
    // The script of the package and its settings, with the places and the two words that README tells to change.
    let changed = |name: &str, changes: &[(&str, &str)]| {
        let installed = Path::new("/etc/bacula/scripts").join(name);
        let mut text = fs::read_to_string(installed).expect("Debian package bacula-sd");
        for (from, to) in changes {
            assert!(text.contains(from), "{name}: {from}");
            text = text.replace(from, to);
        }
        fs::write(home.join(name), text).unwrap();
    };
    let home_name = home.to_str().unwrap();
    let mtx = format!("MTX={home_name}/mtx-iscsi");
    changed(
        "mtx-changer",
        &[
            ("MTX=/usr/sbin/mtx", &mtx),
            ("/etc/bacula/scripts", home_name),
            ("/var/lib/bacula", home_name),
        ],
    );
    changed(
        "mtx-changer.conf",
        &[
            ("ready=\"ONLINE\"", "ready=\"\""),
            ("ready=\"drive status\"", "ready=\"\""),
        ],
    );
    fs::write(home.join("mtx-iscsi"), wrapper()).unwrap();
    let changer = |words: &str, status: i32| {
        let mut command = environment.command_of(Path::new("/bin/sh"));
        // Written by this process, the wrapper cannot always be executed at once; the shell's copy can.
        let line = format!(
            "cp mtx-iscsi copy && chmod +x copy && mv copy mtx-iscsi && sh mtx-changer TAPMLB01 {words}"
        );
        command.args(["-c", &line]);
        let output = environment.finish(command).assert_status(status);
        output.stdout.clone()
    };
    assert_eq!(changer("slots", 0), "8\n");
    let listed = changer("list", 0);
    let trimmed: Vec<&str> = listed.lines().map(str::trim_end).collect();
    assert_eq!(trimmed, ["1:VOL001L8", "2:VOL002L8", "3:VOL003L8"]);
    assert_eq!(changer("loaded 0 /dev/nst0 0", 0), "0\n");
    changer("load 2 /dev/nst0 0", 0);
    assert_eq!(changer("loaded 2 /dev/nst0 0", 0), "2\n");
    let listed = changer("listall", 0);
    let trimmed: Vec<&str> = listed.lines().map(str::trim_end).collect();
    assert_eq!(
        trimmed,
        [
            "D:0:F:2:VOL002L8",
            "D:1:E",
            "S:1:F:VOL001L8",
            "S:2:E",
            "S:3:F:VOL003L8",
            "S:4:E",
            "I:5:E",
            "I:6:E",
            "I:7:E",
            "I:8:E",
        ]
    );
    // What cannot be done is said and fails at once.
    let said = changer("load 1 /dev/nst0 0", 1);
    assert!(
        said.contains("Drive 0 Full (Storage Element 2 loaded)"),
        "{said}"
    );
    changer("unload 2 /dev/nst0 0", 0);
    changer("transfer 3 4", 0);
    let listed = changer("list", 0);
    let trimmed: Vec<&str> = listed.lines().map(str::trim_end).collect();
    assert_eq!(trimmed, ["1:VOL001L8", "2:VOL002L8", "4:VOL003L8"]);
}
