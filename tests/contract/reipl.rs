//! -reipliscsiop and the dumps: the active configuration, and whether the configured one has changed since.

use std::fs;

use serde_json::{Value, json};

use super::add;
use crate::common::{TestEnvironment, keys, targets, text};
#[cfg(feature = "peers")]
use crate::peers::namespace::Namespace;

const REMOVE: [&str; 9] = [
    "-removetarget",
    "-initiatorname",
    "*GENERATE",
    "-targethostname",
    "127.0.0.1",
    "-targetport",
    "1",
    "-targetname",
    "iqn.2026-01.a:b",
];

fn changed(environment: &TestEnvironment) -> bool {
    let dump = environment
        .run(&["--json", "-dumptargets"])
        .assert_status(0);
    let document = dump.json();
    let changed = document["iop"]["configuration_changed"].as_bool().unwrap();
    // The text form says it on stderr, for both dumps.
    for option in ["-dumptargets", "-dumpinitiators"] {
        let output = environment.run(&[option]).assert_status(0);
        assert_eq!(!output.stderr.is_empty(), changed, "{option}:\n{}", *output);
    }
    changed
}

#[test]
fn before_any_re_ipl_the_dumps_show_the_default_name_and_no_target() {
    let environment = TestEnvironment::new();
    let name = environment.default_initiator();
    let initiators = environment
        .run(&["-dumpinitiators"])
        .assert_status(0)
        .silent();
    assert!(initiators.stdout.contains(&name), "{}", *initiators);
    let targets = environment.run(&["-dumptargets"]).assert_status(0).silent();
    assert!(!targets.stdout.is_empty());
    let expected = json!({
        "schema": 1,
        "iop": {"type_model": "298A-001", "ipl_time": null, "ipl_count": 0, "configuration_changed": false, "resident": false},
        "initiators": [{"index": 0, "name": name, "generated": true}],
        "targets": [],
        "warnings": [],
    });
    assert_eq!(environment.dump(), expected);
    let initiators = environment
        .run(&["--json", "-dumpinitiators"])
        .assert_status(0)
        .json();
    assert_eq!(initiators, expected);
}

#[test]
fn the_default_name_is_made_of_a_uuid_that_is_not_the_machines_id() {
    let environment = TestEnvironment::new();
    let name = environment.default_initiator();
    let uuid = name
        .strip_prefix("iqn.1924-02.com.ibm:ibmi.")
        .and_then(|rest| rest.strip_suffix("-i0"))
        .unwrap_or_else(|| panic!("{name} is not of the documented form"));
    assert_eq!(uuid.len(), 32, "{name}");
    assert!(
        uuid.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f')),
        "{name}"
    );
    if let Ok(machine_id) = fs::read_to_string("/etc/machine-id") {
        assert_ne!(uuid, machine_id.trim());
    }
    // The same for ever, and the same for every configured target.
    environment.run(&["-clearconfig"]).assert_status(0);
    environment
        .run(&add("iqn.2026-01.a:b", &[]))
        .assert_status(0);
    assert_eq!(
        environment.reipl(4)["targets"][0]["initiator_name"],
        name.as_str()
    );
    assert_eq!(environment.default_initiator(), name);
}

#[test]
fn a_configured_target_is_not_shown_before_the_re_ipl() {
    let environment = TestEnvironment::new();
    environment
        .run(&add("iqn.2026-01.a:b", &[]))
        .assert_status(0);
    assert_eq!(environment.dump()["targets"], json!([]));
    let _ = environment.reipl(4);
    assert_eq!(targets(&environment.dump()).len(), 1);
    environment.run(&REMOVE).assert_status(0);
    assert_eq!(targets(&environment.dump()).len(), 1);
    let _ = environment.reipl(0);
    assert_eq!(environment.dump()["targets"], json!([]));
}

#[test]
fn a_re_ipl_without_targets_succeeds() {
    let environment = TestEnvironment::new();
    let first = environment.reipl(0);
    assert_eq!(first["targets"], json!([]));
    assert_eq!(first["iop"]["ipl_count"], 1);
    assert_eq!(first["iop"]["configuration_changed"], false);
    let time = text(&first["iop"]["ipl_time"]);
    assert_eq!(time.len(), "2026-11-22T05:31:00Z".len(), "{time}");
    assert!(
        time.starts_with("20") && time.ends_with('Z') && time.as_bytes()[10] == b'T',
        "{time}"
    );
    assert_eq!(environment.reipl(0)["iop"]["ipl_count"], 2);
    assert_eq!(environment.dump()["iop"]["ipl_count"], 2);
}

#[test]
fn before_any_re_ipl_any_target_is_a_change() {
    let environment = TestEnvironment::new();
    assert!(!changed(&environment));
    environment
        .run(&add("iqn.2026-01.a:b", &[]))
        .assert_status(0);
    assert!(changed(&environment));
    environment.run(&REMOVE).assert_status(0);
    assert!(!changed(&environment));
}

#[test]
fn a_re_ipl_makes_the_configured_targets_the_active_ones_even_when_they_fail() {
    let environment = TestEnvironment::new();
    environment
        .run(&add("iqn.2026-01.a:b", &[]))
        .assert_status(0);
    assert_eq!(environment.reipl(4)["iop"]["configuration_changed"], false);
    assert!(!changed(&environment));
}

#[test]
fn adding_removing_and_changing_are_changes() {
    let environment = TestEnvironment::new();
    environment
        .run(&add("iqn.2026-01.a:b", &[]))
        .assert_status(0);
    let _ = environment.reipl(4);

    environment
        .run(&add("iqn.2026-01.a:c", &[]))
        .assert_status(0);
    assert!(changed(&environment), "added");
    let _ = environment.reipl(4);
    assert!(!changed(&environment));

    environment.run(&REMOVE).assert_status(0);
    assert!(changed(&environment), "removed");
    let _ = environment.reipl(4);

    let change = [
        "-changetarget",
        "-initiatorname",
        "*GENERATE",
        "-targethostname",
        "127.0.0.1",
        "-targetport",
        "1",
        "-targetname",
        "iqn.2026-01.a:c",
        "-initiatorchapname",
        "NAME",
        "-initiatorchapsecret",
        "SECRET123456",
    ];
    environment.run(&change).assert_status(0);
    assert!(changed(&environment), "changed");
    let _ = environment.reipl(4);
    // A secret made new is a change even if it might be the same: it is told by a revision, not by the secret.
    environment
        .run(&[&change[..9], &["-initiatorchapsecret", "SECRET7890123"]].concat())
        .assert_status(0);
    assert!(changed(&environment), "another secret");
    let _ = environment.reipl(4);
    assert!(!changed(&environment));
    environment.run(&["-clearconfig"]).assert_status(0);
    assert!(changed(&environment), "cleared");
}

#[test]
fn a_target_made_anew_is_a_change() {
    let environment = TestEnvironment::new();
    environment
        .run(&add("iqn.2026-01.a:b", &[]))
        .assert_status(0);
    let _ = environment.reipl(4);
    environment.run(&REMOVE).assert_status(0);
    environment
        .run(&add("iqn.2026-01.a:b", &[]))
        .assert_status(0);
    assert!(changed(&environment));
}

#[test]
fn a_configuration_that_is_begun_anew_is_a_change() {
    let environment = TestEnvironment::new();
    environment
        .run(&add("iqn.2026-01.a:b", &[]))
        .assert_status(0);
    let _ = environment.reipl(4);
    fs::remove_file(environment.state_file("config.json")).unwrap();
    assert!(changed(&environment));
    environment
        .run(&add("iqn.2026-01.a:c", &[]))
        .assert_status(0);
    assert!(changed(&environment));
    let _ = environment.reipl(4);
    assert!(!changed(&environment));
}

#[test]
fn staging_is_no_change_and_neither_is_adding_and_removing_again() {
    let environment = TestEnvironment::new();
    environment
        .run(&add("iqn.2026-01.a:b", &[]))
        .assert_status(0);
    let _ = environment.reipl(4);
    environment
        .run_line("-newname -targetname iqn.2026-01.a:c")
        .assert_status(0);
    environment
        .run_line("-setport -targetport 5")
        .assert_status(0);
    assert!(!changed(&environment), "staging alone");

    environment
        .run(&add("iqn.2026-01.a:c", &[]))
        .assert_status(0);
    let mut remove = REMOVE;
    remove[8] = "iqn.2026-01.a:c";
    environment.run(&remove).assert_status(0);
    assert!(!changed(&environment), "added and removed again");
    // A refused edit is none.
    environment
        .run(&add("iqn.2026-01.a:b", &[]))
        .assert_status(1);
    assert!(!changed(&environment), "a refused edit");
}

#[test]
fn a_target_that_cannot_be_reached_is_reported_and_loses_nothing() {
    let environment = TestEnvironment::new();
    environment
        .run(&add("iqn.2026-01.a:b", &[]))
        .assert_status(0);
    let first = environment.reipl(4);
    let target = &targets(&first)[0];
    assert_eq!(target["status"], "FAILED");
    assert_eq!(target["failure"]["phase"], "connect");
    assert_eq!(target["failure"]["login_status"], Value::Null);
    assert_eq!(target["session"], Value::Null);
    assert!(
        text(&target["failure"]["message"])
            .to_lowercase()
            .contains("refused"),
        "{target:#}"
    );
    assert_eq!(environment.configured_targets(), ["iqn.2026-01.a:b"]);
    let second = environment.reipl(4);
    assert_eq!(second["targets"], first["targets"]);
}

#[test]
#[cfg(feature = "peers")]
fn a_host_name_that_does_not_resolve_fails_in_that_phase() {
    let environment = TestEnvironment::new();
    environment.add("iqn.2026-01.a:b", "no-such-host.invalid", 3260);
    // No name server of this machine is asked.
    let namespace = Namespace::with_addresses(&[]);
    let document = environment
        .run_behind(&namespace.prefix(), &["--json", "-reipliscsiop"])
        .assert_status(4)
        .json();
    let target = &targets(&document)[0];
    assert_eq!(target["failure"]["phase"], "resolve", "{target:#}");
    assert!(
        text(&target["failure"]["message"]).contains("no-such-host.invalid"),
        "{target:#}"
    );
    assert_ne!(target["failure"]["hint"], Value::Null, "{target:#}");
}

#[test]
fn a_host_name_is_resolved() {
    let environment = TestEnvironment::new();
    environment.add("iqn.2026-01.a:b", "localhost", 1);
    let target = &environment.reipl(4)["targets"][0];
    assert_eq!(target["failure"]["phase"], "connect", "{target:#}");
    assert_eq!(target["target_host_name"], "localhost");
}

#[test]
fn targets_are_reported_in_the_order_of_the_configuration() {
    let environment = TestEnvironment::new();
    let names: Vec<_> = (0..12)
        .map(|index| format!("iqn.2026-01.a:{}", 100 - index))
        .collect();
    for name in &names {
        environment.run(&add(name, &[])).assert_status(0);
    }
    let document = environment.reipl(4);
    let reported: Vec<_> = targets(&document)
        .iter()
        .map(|target| text(&target["target_name"]))
        .collect();
    assert_eq!(reported, names);
}

#[test]
fn the_dumps_show_the_same_document_as_the_re_ipl() {
    let environment = TestEnvironment::new();
    environment
        .run(&add("iqn.2026-01.a:b", &[]))
        .assert_status(0);
    let reipl = environment.reipl(4);
    assert_eq!(environment.dump(), reipl);
    let initiators = environment
        .run(&["--json", "-dumpinitiators"])
        .assert_status(0)
        .json();
    assert_eq!(initiators, reipl);
    assert_eq!(
        keys(&reipl),
        ["initiators", "iop", "schema", "targets", "warnings"]
    );
}

#[test]
fn the_text_reports_name_the_target_and_its_status() {
    let environment = TestEnvironment::new();
    environment
        .run(&add("iqn.2026-01.a:b", &[]))
        .assert_status(0);
    let report = environment
        .run(&["--timeout", "1", "-reipliscsiop"])
        .assert_status(4);
    let dump = environment.run(&["-dumptargets"]).assert_status(0);
    for output in [&report, &dump] {
        for word in [
            "iqn.2026-01.a:b",
            "127.0.0.1",
            "FAILED",
            "Status at last IPL",
        ] {
            assert!(output.stdout.contains(word), "no {word:?}:\n{}", **output);
        }
        assert!(
            output.stdout.contains(" . ") || output.stdout.contains(". ."),
            "dot leaders:\n{}",
            **output
        );
    }
}
