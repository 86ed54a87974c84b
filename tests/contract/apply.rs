//! `apply`: what a transcript cannot show.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::common::TestEnvironment;

fn write(environment: &TestEnvironment, name: &str, text: &str, mode: u32) {
    let path = environment.home().join(name);
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).unwrap();
    }
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
}

/// Returns a document of targets `iqn.2026-01.a:1` and so on.
fn document(chaps: &[Value]) -> String {
    let targets: Vec<Value> = chaps
        .iter()
        .enumerate()
        .map(|(index, chap)| {
            json!({
                "target_name": format!("iqn.2026-01.a:{index}"),
                "target_host_name": format!("10.1.1.{index}"),
                "chap": chap,
            })
        })
        .collect();
    json!({"schema": 1, "targets": targets}).to_string()
}

/// Returns revisions and secrets as they are on disk.
fn recorded(environment: &TestEnvironment) -> Vec<(Value, Value)> {
    let text = fs::read(environment.state_file("config.json")).unwrap();
    let record: Value = serde_json::from_slice(&text).unwrap();
    let targets = record["record"]["targets"].as_array().unwrap();
    targets
        .iter()
        .map(|target| (target["revision"].clone(), target["chap"]["secret"].clone()))
        .collect()
}

fn actions(document: &Value) -> Vec<&str> {
    let changes = document["changes"].as_array().unwrap();
    changes
        .iter()
        .map(|change| change["action"].as_str().unwrap())
        .collect()
}

#[test]
fn a_relative_secret_file_is_beside_the_document() {
    let environment = TestEnvironment::new();
    let chap = json!({"name": "N", "secret_file": "secrets/a"});
    write(&environment, "vtl/targets.json", &document(&[chap]), 0o644);
    write(&environment, "vtl/secrets/a", "FROMTHEFILE12\n", 0o600);
    write(&environment, "secrets/a", "NOTTHISONE123\n", 0o600);
    environment
        .run(&["apply", "vtl/targets.json"])
        .assert_status(0);
    assert_eq!(recorded(&environment), [(json!(1), json!("FROMTHEFILE12"))]);

    // From standard input, the current directory.
    let mut command = environment.command();
    let text = fs::read(environment.home().join("vtl/targets.json")).unwrap();
    let mut child = command
        .args(["--json", "apply", "-"])
        .current_dir(environment.home())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&text).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(actions(&document), ["changed"]);
    assert_eq!(recorded(&environment), [(json!(2), json!("NOTTHISONE123"))]);
}

#[test]
fn a_secret_file_that_others_can_read_is_status_3_and_changes_nothing() {
    let environment = TestEnvironment::new();
    let chaps = [Value::Null, json!({"name": "N", "secret_file": "a"})];
    write(&environment, "targets.json", &document(&chaps), 0o600);
    write(&environment, "a", "FROMTHEFILE12", 0o644);
    environment
        .run(&["apply", "targets.json"])
        .assert_status(3)
        .says(&["mode 0644"]);
    assert!(environment.configured_targets().is_empty());
}

#[test]
fn what_is_equal_keeps_its_revision_and_three_targets_are_one_edit() {
    let environment = TestEnvironment::new();
    let chap = |secret: &str| json!({"name": "N", "secret": secret, "keystore": "NONE"});
    let first = [Value::Null, chap("FIRSTSECRET12"), chap("OTHERSECRET12")];
    write(&environment, "targets.json", &document(&first), 0o600);
    let apply = |more: &[&str]| {
        let words = [&["--json", "apply", "targets.json"], more].concat();
        environment.run(&words).assert_status(0).json()
    };
    assert_eq!(actions(&apply(&["--dry-run"])), ["added"; 3]);
    assert!(environment.configured_targets().is_empty());
    assert_eq!(actions(&apply(&[])), ["added"; 3]);
    let before = recorded(&environment);

    let again = apply(&[]);
    assert_eq!(actions(&again), ["unchanged"; 3]);
    assert_eq!(again["changed"], json!(false));
    assert_eq!(recorded(&environment), before);

    let second = [Value::Null, chap("FIRSTSECRET12"), Value::Null];
    write(&environment, "targets.json", &document(&second), 0o600);
    assert_eq!(actions(&apply(&[])), ["unchanged", "unchanged", "changed"]);
    let after = recorded(&environment);
    assert_eq!(after[..2], before[..2]);
    assert_eq!(after[2], (json!(4), Value::Null));

    // Without the second and third, and the first by another portal.
    let moved = document(&[Value::Null]).replace("10.1.1.0", "10.1.1.9");
    write(&environment, "targets.json", &moved, 0o600);
    environment.run(&["apply", "targets.json"]).assert_status(1);
    assert_eq!(recorded(&environment), after);
    let pruned = apply(&["--prune"]);
    assert_eq!(actions(&pruned), ["added", "removed", "removed", "removed"]);
    assert_eq!(recorded(&environment).len(), 1);
}

#[test]
fn a_full_keystore_refuses_the_document_and_its_dry_run() {
    let environment = TestEnvironment::new();
    environment
        .run(&["partition", "set", "--keystore-size", "64"])
        .assert_status(0);
    let chap = json!({"name": "N", "secret": "ASECRETOF20CHARACTER"});
    let chaps = [chap.clone(), chap];
    write(&environment, "targets.json", &document(&chaps), 0o600);
    for words in [
        &["apply", "--dry-run", "targets.json"][..],
        &["apply", "targets.json"],
    ] {
        environment.run(words).assert_status(1).says(&["KeyStore"]);
    }
    assert!(environment.configured_targets().is_empty());
}

#[test]
fn the_schema_takes_the_documents_that_apply_takes_and_no_others() {
    let schema = iscsiswiconfig::commands::schema::schema();
    let of_document = json!({
        "$schema": schema["$schema"],
        "$ref": "#/$defs/WantedTargets",
        "$defs": schema["$defs"],
    });
    let validator = jsonschema::validator_for(&of_document).unwrap();
    let whole = json!({
        "target_name": "iqn.2026-01.a:1",
        "target_host_name": "10.1.1.1",
        "target_port": 860,
        "initiator_name": "*GENERATE",
        "chap": {"name": "N", "secret": "SECRET123456", "keystore": "NONE"},
    });
    let with = |field: &str, value: Value| {
        let mut target = whole.clone();
        target[field] = value;
        json!({"schema": 1, "targets": [target]})
    };
    let without = |field: &str| {
        let mut target = whole.clone();
        target.as_object_mut().unwrap().remove(field);
        json!({"schema": 1, "targets": [target]})
    };
    for (document, is_taken) in [
        (json!({"schema": 1, "targets": []}), true),
        (json!({"schema": 1, "targets": [whole]}), true),
        (without("target_port"), true),
        (without("initiator_name"), true),
        (without("chap"), true),
        (with("chap", Value::Null), true),
        (json!({"schema": 2, "targets": []}), false),
        (json!({"schema": 1}), false),
        (json!({"schema": 1, "targets": [], "prune": true}), false),
        (without("target_name"), false),
        (without("target_host_name"), false),
        (with("target_port", json!(0)), false),
        (with("target_port", json!("860")), false),
        (with("port", json!(860)), false),
        (with("chap", json!({"secret": "SECRET123456"})), false),
        (
            with(
                "chap",
                json!({"name": "N", "secret": "SECRET123456", "keystore": "none"}),
            ),
            false,
        ),
    ] {
        let environment = TestEnvironment::new();
        write(&environment, "targets.json", &document.to_string(), 0o644);
        let status = if is_taken { 0 } else { 2 };
        environment
            .run(&["apply", "targets.json"])
            .assert_status(status);
        assert_eq!(validator.is_valid(&document), is_taken, "{document:#}");
    }
}
