//! The script of the README: targets are provisioned as often as one likes.

use std::fs;
use std::path::Path;

use iscsiswiconfig::vtl::DriveType;
use serde_json::{Value, json};

use crate::common::TestEnvironment;
use crate::peers::embedded::{Portal, Target};

/// Returns the script as README has it.
fn script() -> String {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = fs::read_to_string(readme).unwrap();
    let start = text.find("    #!/bin/sh\n").expect("README has a script");
    text[start..]
        .lines()
        .take_while(|line| line.starts_with("    "))
        .map(|line| format!("{}\n", &line[4..]))
        .collect()
}

#[test]
fn a_script_provisions_three_targets_and_changes_nothing_when_it_is_run_again() {
    let names = ["a", "b", "c"].map(|last| format!("iqn.2000-03.com.xyz:vtl.{last}"));
    let serials = ["78A0001", "78A0002", "78A0003"];
    let library = |(name, serial): (&String, &str)| {
        Target::new(name)
            .library(DriveType::Lto5, 1, 4, 1)
            .serial(serial)
    };
    let portal = Portal::serving(names.iter().zip(serials).map(library));
    let environment = TestEnvironment::new();
    let targets: Vec<Value> = names
        .iter()
        .map(|name| {
            json!({"target_name": name, "target_host_name": "127.0.0.1", "target_port": portal.port()})
        })
        .collect();
    let document = json!({"schema": 1, "targets": targets}).to_string();
    fs::write(environment.home().join("targets.json"), document).unwrap();
    fs::write(environment.home().join("attach"), script()).unwrap();
    let run = || {
        let mut command = environment.command_of(Path::new("sh"));
        command.args(["attach", "targets.json"]);
        environment.finish(command).assert_status(0).stdout.clone()
    };

    let connected: String = names
        .iter()
        .zip(["TAPMLB01", "TAPMLB02", "TAPMLB03"])
        .map(|(name, device)| format!("{name} CONNECTED {device}\n"))
        .collect();
    assert_eq!(run(), format!("{{\n  \"changed\": true\n}}\n{connected}"));
    let again = "{\n  \"changed\": false\n}\nno re-IPL needed\n";
    assert_eq!(run(), again);
    assert_eq!(environment.dump()["iop"]["ipl_count"], 1);

    // A target that does not connect is told with its code, and the script goes on to its end.
    drop(portal);
    environment.run(&["-clearconfig"]).assert_status(0);
    let failed: String = names
        .iter()
        .map(|name| format!("{name} FAILED connection-refused\n"))
        .collect();
    assert_eq!(run(), format!("{{\n  \"changed\": true\n}}\n{failed}"));
}
