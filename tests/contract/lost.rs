//! A target whose session was lost, in the record that the resident IOP leaves: what the dumps and the SQL services say.

use std::fs;

use serde_json::{Value, json};

use crate::common::{TestEnvironment, targets, text};
use crate::peers::embedded::{Portal, Target};

const NAME: &str = "iqn.2026-11.test:vtl";

/// Returns an environment whose last re-IPL connected to a library that was lost afterwards for a cause.
fn lost(cause: &Value) -> (TestEnvironment, Portal) {
    let environment = TestEnvironment::new();
    let portal = Portal::serving([Target::new(NAME)]);
    environment.add(NAME, "127.0.0.1", portal.port());
    let _ = environment.reipl(0);
    let path = environment.state_file("active.json");
    let mut record: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let report = &mut record["record"]["targets"][0]["report"];
    report["status"] = json!("LOST");
    report["lost"] = json!({"time": "2026-11-22T05:31:00Z", "cause": cause});
    fs::write(&path, record.to_string()).unwrap();
    (environment, portal)
}

#[test]
fn a_dump_shows_when_and_why_and_keeps_session_and_devices() {
    let (environment, portal) = lost(&json!({"cause": "connection-closed"}));
    let document = environment.dump();
    assert_eq!(document["iop"]["resident"], false);
    let target = &targets(&document)[0];
    assert_eq!(
        (&target["status"], &target["failure"]),
        (&json!("LOST"), &Value::Null)
    );
    assert_eq!(target["lost"]["time"], "2026-11-22T05:31:00Z");
    assert_eq!(target["lost"]["code"], "connection-closed");
    assert!(text(&target["lost"]["hint"]).contains("-reipliscsiop"));
    let served = format!("127.0.0.1:{}", portal.port());
    assert_eq!(target["session"]["portal"], served);
    assert_eq!(target["libraries"][0]["device"], "TAPMLB01");

    let dump = environment.run(&["-dumptargets"]).assert_status(0);
    let row = |label: &str| {
        let line = dump
            .stdout
            .lines()
            .find(|line| line.trim_start().starts_with(label));
        let (_, value) = line
            .unwrap_or_else(|| panic!("{label}: {}", *dump))
            .split_once(":  ")
            .unwrap();
        value.to_owned()
    };
    assert_eq!(row("Status  ."), "LOST");
    assert_eq!(row("Time of loss"), "2026-11-22T05:31:00Z");
    assert_eq!(row("Cause"), text(&target["lost"]["message"]));
    assert!(!dump.stdout.contains("at last IPL"), "{}", *dump);
    assert!(
        dump.stdout
            .contains("iSCSI targets connected: 0 of 1. Not connected: iqn.2026-11.test:vtl")
    );

    let sql = "SELECT TARGET_STATUS FROM ISCSI_INFO; SELECT DEVICE_STATUS, RESOURCE_NAME, RESOURCE_STATUS FROM MEDIA_LIBRARY_INFO";
    let results = environment
        .run(&["--json", "sql", sql])
        .assert_status(0)
        .json();
    assert_eq!(results["results"][0]["rows"], json!([["LOST"]]));
    assert_eq!(
        results["results"][1]["rows"],
        json!([["VARIED ON", "TAP01", null]])
    );

    // A re-IPL finds it again.
    let document = environment.reipl(0);
    let target = &targets(&document)[0];
    assert_eq!(
        (&target["status"], &target["lost"]),
        (&json!("CONNECTED"), &Value::Null)
    );
}

#[test]
fn a_cause_of_another_version_is_told_as_that() {
    let (environment, _portal) = lost(&json!({"cause": "eclipse", "of": "the moon"}));
    let document = environment.dump();
    assert_eq!(targets(&document)[0]["lost"]["code"], "unknown-loss");
}

#[test]
fn a_record_without_losses_is_read_as_it_was() {
    let (environment, _portal) = lost(&json!({"cause": "connection-closed"}));
    let path = environment.state_file("active.json");
    let mut record: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let report = record["record"]["targets"][0]["report"]
        .as_object_mut()
        .unwrap();
    report.remove("lost");
    report["status"] = json!("CONNECTED");
    fs::write(&path, record.to_string()).unwrap();
    let document = environment.dump();
    let target = &targets(&document)[0];
    assert_eq!(
        (&target["status"], &target["lost"]),
        (&json!("CONNECTED"), &Value::Null)
    );
}
