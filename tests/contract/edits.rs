//! Editing configured targets, and the identity of a target.

use serde_json::{Value, json};

use super::add;
use crate::common::TestEnvironment;

/// The words that name a target by its identity.
fn identity<'a>(
    initiator: &'a str,
    host: &'a str,
    target: &'a str,
    port: Option<&'a str>,
) -> Vec<&'a str> {
    let mut words = vec![
        "-initiatorname",
        initiator,
        "-targethostname",
        host,
        "-targetname",
        target,
    ];
    if let Some(port) = port {
        words.extend(["-targetport", port]);
    }
    words
}

fn option<'a>(option: &'a str, identity: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [&[option][..], identity, more].concat()
}

/// Runs an edit with `--json`, expects it to work, and returns its target.
#[track_caller]
fn edit(environment: &TestEnvironment, words: &[&str]) -> Value {
    let document = environment
        .run(&[&["--json"][..], words].concat())
        .assert_status(0)
        .json();
    document["target"].clone()
}

const CHAP: [&str; 4] = [
    "-initiatorchapname",
    "NAME",
    "-initiatorchapsecret",
    "SECRET123456",
];

/// Pairs of identities that mean the same target.
fn same_targets(default: &str) -> Vec<(Vec<&str>, Vec<&str>)> {
    vec![
        (
            identity("*GENERATE", "vtl", "iqn.2026-01.a:b", None),
            identity("*GENERATE", "vtl", "iqn.2026-01.a:b", None),
        ),
        (
            identity("*GENERATE", "vtl", "iqn.2026-01.a:b", None),
            identity("*GENERATE", "vtl", "iqn.2026-01.a:b", Some("3260")),
        ),
        (
            identity("*GENERATE", "vtl", "iqn.2026-01.a:b", None),
            identity("*GENERATE", "VTL", "IQN.2026-01.A:b", None),
        ),
        (
            identity("iqn.x:i0", "vtl", "iqn.2026-01.a:b", None),
            identity("IQN.X:I0", "vtl", "iqn.2026-01.a:b", None),
        ),
        (
            identity("*GENERATE", "vtl", "iqn.2026-01.a:b", None),
            identity(default, "vtl", "iqn.2026-01.a:b", None),
        ),
        (
            identity(default, "vtl", "iqn.2026-01.a:b", Some("860")),
            identity("*GENERATE", "vtl", "iqn.2026-01.a:b", Some("860")),
        ),
        (
            identity("*GENERATE", "::1", "iqn.2026-01.a:b", None),
            identity("*GENERATE", "0:0:0:0:0:0:0:1", "iqn.2026-01.a:b", None),
        ),
        (
            identity("*GENERATE", "FD00::A", "iqn.2026-01.a:b", None),
            identity("*GENERATE", "fd00:0::000a", "iqn.2026-01.a:b", None),
        ),
    ]
}

#[test]
fn the_same_target_is_found_however_it_is_written() {
    let environment = TestEnvironment::new();
    let default = environment.default_initiator();
    for (first, second) in same_targets(&default) {
        let target = edit(&environment, &option("-addtarget", &first, &[]));
        assert_eq!(target["target_name"], first[5], "names are kept as typed");
        let before = environment.snapshot();
        environment
            .run(&option("-addtarget", &second, &[]))
            .assert_status(1);
        assert_eq!(
            environment.snapshot(),
            before,
            "{second:?} changed the state"
        );
        edit(&environment, &option("-changetarget", &second, &CHAP));
        environment
            .run(&option("-removetarget", &second, &[]))
            .assert_status(0);
        assert_eq!(environment.configured_targets(), [""; 0]);
    }
}

#[test]
fn another_port_host_initiator_or_name_is_no_such_target() {
    let environment = TestEnvironment::new();
    let exists = identity("*GENERATE", "10.1.1.5", "iqn.2026-01.a:b", Some("860"));
    environment
        .run(&option("-addtarget", &exists, &[]))
        .assert_status(0);
    let before = environment.snapshot();
    for wrong in [
        identity("*GENERATE", "10.1.1.5", "iqn.2026-01.a:b", None),
        identity("*GENERATE", "10.1.1.6", "iqn.2026-01.a:b", Some("860")),
        identity("*GENERATE", "vtl", "iqn.2026-01.a:b", Some("860")),
        identity("iqn.x:i0", "10.1.1.5", "iqn.2026-01.a:b", Some("860")),
    ] {
        // The message lists what is configured under that target name.
        environment
            .run(&option("-removetarget", &wrong, &[]))
            .assert_status(1)
            .says(&["10.1.1.5", "860"]);
        environment
            .run(&option("-changetarget", &wrong, &CHAP))
            .assert_status(1);
        assert_eq!(
            environment.snapshot(),
            before,
            "{wrong:?} changed the state"
        );
    }
    let unknown = identity("*GENERATE", "10.1.1.5", "iqn.2026-01.a:c", Some("860"));
    environment
        .run(&option("-removetarget", &unknown, &[]))
        .assert_status(1);
    environment
        .run(&option("-changetarget", &unknown, &CHAP))
        .assert_status(1);
    assert_eq!(environment.snapshot(), before);
}

#[test]
fn a_second_connection_to_the_same_target_is_refused() {
    let environment = TestEnvironment::new();
    let first = identity("*GENERATE", "10.1.1.5", "iqn.2026-01.a:b", None);
    environment
        .run(&option("-addtarget", &first, &[]))
        .assert_status(0);
    let default = environment.default_initiator();
    let before = environment.snapshot();
    for second in [
        identity("*GENERATE", "10.1.1.6", "iqn.2026-01.a:b", None),
        identity("*GENERATE", "10.1.1.5", "iqn.2026-01.a:b", Some("860")),
        identity("*GENERATE", "10.1.1.6", "IQN.2026-01.a:B", Some("860")),
        identity(&default, "vtl", "iqn.2026-01.a:b", None),
    ] {
        environment
            .run(&option("-addtarget", &second, &[]))
            .assert_status(1);
        assert_eq!(
            environment.snapshot(),
            before,
            "{second:?} changed the state"
        );
    }
    let other_target = identity("*GENERATE", "10.1.1.5", "iqn.2026-01.a:c", None);
    environment
        .run(&option("-addtarget", &other_target, &[]))
        .assert_status(0)
        .silent();
}

#[test]
fn a_second_initiator_name_is_accepted_with_a_warning() {
    let environment = TestEnvironment::new();
    let first = identity("*GENERATE", "127.0.0.1", "iqn.2026-01.a:b", Some("1"));
    environment
        .run(&option("-addtarget", &first, &[]))
        .assert_status(0)
        .silent();
    let second = identity("iqn.x:i0", "127.0.0.1", "iqn.2026-01.a:b", Some("1"));
    environment
        .run(&option("-addtarget", &second, &[]))
        .assert_status(0)
        .warns(&["initiator"]);
    let dump = environment.reipl(4);
    assert_eq!(dump["initiators"].as_array().unwrap().len(), 2, "{dump:#}");
    assert!(
        dump["initiators"]
            .as_array()
            .unwrap()
            .iter()
            .all(|initiator| initiator["index"] == 0)
    );
}

#[test]
fn chap_name_and_secret_come_together_at_addtarget() {
    let environment = TestEnvironment::new();
    environment
        .run(&add("iqn.2026-01.a:b", &CHAP[..2]))
        .assert_status(2)
        .says(&["-initiatorchapsecret"]);
    environment
        .run(&add("iqn.2026-01.a:b", &CHAP[2..]))
        .assert_status(2)
        .says(&["-initiatorchapname"]);
    assert_eq!(environment.snapshot(), []);
}

#[test]
fn changetarget_replaces_what_is_given_and_keeps_the_rest() {
    let environment = TestEnvironment::new();
    let target = identity("*GENERATE", "127.0.0.1", "iqn.2026-01.a:b", Some("1"));
    let keystore = ["-chapkeystore", "NONE"];
    edit(
        &environment,
        &option("-addtarget", &target, &[&CHAP[..], &keystore].concat()),
    );

    let renamed = edit(
        &environment,
        &option("-changetarget", &target, &["-initiatorchapname", "OTHER"]),
    );
    assert_eq!(
        renamed["chap"],
        json!({"name": "OTHER", "keystore": "NONE", "stored_in": "disk"})
    );
    let secret = ["-initiatorchapsecret", "OTHERSECRET12"];
    let secret = edit(&environment, &option("-changetarget", &target, &secret));
    assert_eq!(secret["chap"], renamed["chap"]);
    let moved = edit(
        &environment,
        &option("-changetarget", &target, &["-chapkeystore", "AVAIL"]),
    );
    assert_eq!(
        moved["chap"],
        json!({"name": "OTHER", "keystore": "AVAIL", "stored_in": "disk"})
    );
}

#[test]
fn changetarget_with_nothing_to_change_says_how_to_drop_chap() {
    let environment = TestEnvironment::new();
    let target = identity("*GENERATE", "127.0.0.1", "iqn.2026-01.a:b", Some("1"));
    edit(&environment, &option("-addtarget", &target, &CHAP));
    let before = environment.snapshot();
    environment
        .run(&option("-changetarget", &target, &[]))
        .assert_status(2)
        .says(&["-removetarget", "-addtarget"]);
    assert_eq!(environment.snapshot(), before);
}

#[test]
fn changetarget_never_leaves_half_of_the_credentials() {
    let environment = TestEnvironment::new();
    let target = identity("*GENERATE", "127.0.0.1", "iqn.2026-01.a:b", Some("1"));
    edit(&environment, &option("-addtarget", &target, &[]));
    let before = environment.snapshot();
    environment
        .run(&option("-changetarget", &target, &CHAP[..2]))
        .assert_status(1);
    environment
        .run(&option("-changetarget", &target, &CHAP[2..]))
        .assert_status(1);
    assert_eq!(environment.snapshot(), before);
}

#[test]
fn a_keystore_given_to_a_target_without_chap_is_kept_for_later() {
    let environment = TestEnvironment::new();
    let target = identity("*GENERATE", "127.0.0.1", "iqn.2026-01.a:b", Some("1"));
    edit(&environment, &option("-addtarget", &target, &[]));
    let changed = edit(
        &environment,
        &option("-changetarget", &target, &["-chapkeystore", "NONE"]),
    );
    assert_eq!(changed["chap"], Value::Null);
    let changed = edit(&environment, &option("-changetarget", &target, &CHAP));
    assert_eq!(
        changed["chap"],
        json!({"name": "NAME", "keystore": "NONE", "stored_in": "disk"})
    );
}

#[test]
fn the_platform_keystore_is_refused_while_it_is_not_enabled() {
    let environment = TestEnvironment::new();
    let platform = ["-chapkeystore", "PLATFORM"];
    let words = add("iqn.2026-01.a:b", &[&CHAP[..], &platform].concat());
    environment.run(&words).assert_status(1).says(&["keystore"]);
    assert_eq!(environment.configured_targets(), [""; 0]);
    assert!(
        environment
            .snapshot()
            .iter()
            .all(|file| !contains(&file.1, "SECRET123456"))
    );

    let target = identity("*GENERATE", "127.0.0.1", "iqn.2026-01.a:b", Some("1"));
    edit(&environment, &option("-addtarget", &target, &CHAP));
    let before = environment.snapshot();
    environment
        .run(&option("-changetarget", &target, &platform))
        .assert_status(1)
        .says(&["keystore"]);
    assert_eq!(environment.snapshot(), before);
}

#[test]
fn a_secret_leaves_the_disk_with_its_target() {
    let environment = TestEnvironment::new();
    let config = || std::fs::read(environment.state_file("config.json")).unwrap();
    let target = identity("*GENERATE", "127.0.0.1", "iqn.2026-01.a:b", Some("1"));
    edit(&environment, &option("-addtarget", &target, &CHAP));
    assert!(
        contains(&config(), "SECRET123456"),
        "AVAIL without a keystore is plain text"
    );
    edit(
        &environment,
        &option(
            "-changetarget",
            &target,
            &["-initiatorchapsecret", "SECONDSECRET1"],
        ),
    );
    assert!(!contains(&config(), "SECRET123456") && contains(&config(), "SECONDSECRET1"));
    environment
        .run(&option("-removetarget", &target, &[]))
        .assert_status(0);
    assert!(!contains(&config(), "SECONDSECRET1"));

    edit(&environment, &option("-addtarget", &target, &CHAP));
    environment
        .run_line("-newname -initiatorchapsecret STAGEDSECRET1")
        .assert_status(0);
    assert!(contains(&config(), "STAGEDSECRET1"));
    environment.run(&["-clearconfig"]).assert_status(0);
    assert!(!contains(&config(), "SECRET"));
    // Nothing else that was left behind holds one either: no copy, no temporary file.
    for name in environment.state_listing() {
        let bytes = std::fs::read(environment.state_file(&name)).unwrap();
        assert!(!contains(&bytes, "SECRET"), "{name} holds a secret");
    }
}

#[test]
fn clearconfig_takes_the_system_back_to_new() {
    let environment = TestEnvironment::new();
    environment.run(&["-clearconfig"]).assert_status(0);
    let default = environment.default_initiator();
    environment
        .run(&add("iqn.2026-01.a:b", &CHAP))
        .assert_status(0);
    environment
        .run_line("-newname -targetname iqn.2026-01.a:c -targethostname 127.0.0.1")
        .assert_status(0);
    let active = environment.reipl(4);
    environment.run(&["-clearconfig"]).assert_status(0);

    assert_eq!(environment.configured_targets(), [""; 0]);
    environment.run(&["-commit"]).assert_status(1);
    // The active configuration stays until the next re-IPL.
    let dump = environment.dump();
    assert_eq!(dump["targets"], active["targets"]);
    assert_eq!(dump["iop"]["configuration_changed"], true);
    assert_eq!(environment.default_initiator(), default);
    assert_eq!(environment.reipl(0)["targets"], json!([]));
}

#[test]
fn a_removed_target_is_gone_and_the_others_stay_in_order() {
    let environment = TestEnvironment::new();
    for name in ["iqn.2026-01.a:1", "iqn.2026-01.a:2", "iqn.2026-01.a:3"] {
        environment.run(&add(name, &[])).assert_status(0);
    }
    let second = identity("*GENERATE", "127.0.0.1", "iqn.2026-01.a:2", Some("1"));
    environment
        .run(&option("-removetarget", &second, &[]))
        .assert_status(0);
    assert_eq!(
        environment.configured_targets(),
        ["iqn.2026-01.a:1", "iqn.2026-01.a:3"]
    );
    environment
        .run(&option("-removetarget", &second, &[]))
        .assert_status(1);
}

fn contains(bytes: &[u8], word: &str) -> bool {
    String::from_utf8_lossy(bytes).contains(word)
}
