//! `generate systemd`: the unit against systemd-analyze, which needs no running systemd.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::TestEnvironment;

/// The exposure that systemd-analyze calls OK ends at 4.9; a service that listens to nobody has no need of that much.
const MOST_EXPOSED: f64 = 2.0;

/// Writes the unit to a file of its own, and returns where.
fn unit(environment: &TestEnvironment, arguments: &[&str]) -> PathBuf {
    let unit = environment
        .run(&[&["generate", "systemd"], arguments].concat())
        .assert_status(0)
        .silent();
    let path = environment.home().join("iscsiswiconfig-iop.service");
    // The output has the name of the environment in place of its path.
    let home = environment.home().display().to_string();
    fs::write(&path, unit.stdout.replace("$TEST_ENV", &home)).unwrap();
    path
}

fn analyze(arguments: &[&str], unit: &Path) -> (bool, String) {
    let output = Command::new("systemd-analyze")
        .args(arguments)
        // Where the manager of a user who is logged in has its files.
        .env("XDG_RUNTIME_DIR", unit.parent().expect("its directory"))
        .arg(unit)
        .output()
        .expect("systemd-analyze");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    (output.status.success(), said)
}

#[test]
fn the_unit_is_one_of_systemd_and_exposes_little() {
    let environment = TestEnvironment::new();
    // A path that takes quotes, a percent sign and a dollar sign.
    let state = environment.home().join("the state of 100% $HOME");
    let state = state.to_str().unwrap();
    let path = unit(&environment, &["--state-dir", state, "--timeout", "60"]);
    let (accepted, said) = analyze(&["verify", "--man=no"], &path);
    assert!(accepted && said.is_empty(), "{said}");
    let (_, said) = analyze(&["security", "--offline=true", "--no-pager"], &path);
    let exposure = said
        .rsplit_once("Overall exposure level for iscsiswiconfig-iop.service: ")
        .and_then(|(_, level)| level.split_whitespace().next())
        .and_then(|level| level.parse::<f64>().ok())
        .unwrap_or_else(|| panic!("{said}"));
    assert!(exposure < MOST_EXPOSED, "{said}");
}

#[test]
fn the_unit_of_the_users_manager_is_one_too() {
    let environment = TestEnvironment::new();
    let path = unit(&environment, &["--user"]);
    let (accepted, said) = analyze(&["--user", "verify", "--man=no"], &path);
    assert!(accepted && said.is_empty(), "{said}");
}

#[test]
fn the_unit_is_that_of_the_user_who_asks() {
    const NOBODY: u32 = 65534;
    let environment = TestEnvironment::new();
    let copy = environment.copy_of_binary();
    chown(environment.home(), Some(NOBODY), Some(NOBODY)).expect("chown: run the tests as root");
    let mut command = environment.command_of(&copy);
    command
        .env_remove("ISCSISWICONFIG_STATE_DIR")
        .args(["generate", "systemd"])
        .uid(NOBODY)
        .gid(NOBODY);
    let unit = environment.finish(command).assert_status(0);
    for line in [
        "User=nobody",
        "ReadWritePaths=$TEST_ENV/.local/state/iscsiswiconfig",
        "Type=notify",
        "ExecReload=/bin/kill -HUP $MAINPID",
    ] {
        assert!(
            unit.stdout.lines().any(|of| of == line),
            "{line}: {}",
            *unit
        );
    }
    let start =
        "ExecStart=$TEST_ENV/iscsiswiconfig --state-dir=$TEST_ENV/.local/state/iscsiswiconfig ";
    assert!(unit.stdout.contains(start), "{}", *unit);
}
