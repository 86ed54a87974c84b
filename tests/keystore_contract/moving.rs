//! Enabling, disabling, shrinking, moving, and what a size holds.

use super::system::{SECRETS, System, USUAL_SIZE, add_words, vtl, words};
use crate::common::{Running, text};

#[test]
fn enabling_moves_what_is_avail_and_leaves_what_is_none() {
    let system = System::new();
    let portal = vtl(&[("iqn.lab:avail", SECRETS[0]), ("iqn.lab:none", SECRETS[1])]);
    let port = portal.port();
    assert_eq!(
        system.add_at(port, "iqn.lab:avail", SECRETS[0], "AVAIL"),
        "disk"
    );
    assert_eq!(
        system.add_at(port, "iqn.lab:none", SECRETS[1], "NONE"),
        "disk"
    );
    assert_eq!(system.files_with(SECRETS[0]).len(), 1);

    system.seal(SECRETS[0]);
    system.resize(USUAL_SIZE, 0);
    let document = system.partition();
    assert_eq!(document["keystore"]["enabled"], true);
    assert_eq!(document["keystore"]["size"], 4096);
    assert!(system.used() > 0);
    assert!(system.holds("iqn.lab:avail"));
    assert!(!system.holds("iqn.lab:none"));
    assert_eq!(system.files_with(SECRETS[1]).len(), 1);
    system.assert_connects();
    system.run(&["-vv", "-reipliscsiop"]).assert_status(0);
    for target in system.environment().dump()["targets"].as_array().unwrap() {
        let expected = match text(&target["target_name"]) {
            "iqn.lab:none" => "disk",
            _ => "platform",
        };
        assert_eq!(target["chap"]["stored_in"], expected, "{target:#}");
    }
}

#[test]
fn while_it_is_enabled_new_credentials_go_there() {
    let system = System::enabled();
    let portal = vtl(&[
        ("iqn.lab:avail", SECRETS[0]),
        ("iqn.lab:platform", SECRETS[1]),
    ]);
    system.seal(SECRETS[0]);
    system.seal(SECRETS[1]);
    for (name, secret, keystore) in [
        ("iqn.lab:avail", SECRETS[0], "AVAIL"),
        ("iqn.lab:platform", SECRETS[1], "PLATFORM"),
    ] {
        let stored = system.add_at(portal.port(), name, secret, keystore);
        assert_eq!(stored, "platform", "{keystore}");
        assert!(system.holds(name));
    }
    system.assert_connects();
}

#[test]
fn the_staged_set_rests_sealed_and_commits() {
    let system = System::enabled();
    let portal = vtl(&[("iqn.lab:staged", SECRETS[0])]);
    let port = portal.port().to_string();
    let (front, back) = SECRETS[0].split_at(8);
    system.seal(SECRETS[0]);
    for line in [
        ["-newname", "-initiatorchapsecret", front],
        ["-newname", "-targetname", "iqn.lab:staged"],
        ["-newname", "-targethostname", "127.0.0.1"],
        ["-newname", "-initiatorchapname", "IQN.LAB:STAGED"],
        ["-appendname", "-initiatorchapsecret", back],
        ["-setport", "-targetport", &port],
        ["-setkeystore", "-chapkeystore", "PLATFORM"],
    ] {
        system.run(&line).assert_status(0);
    }
    system.run(&["-commit"]).assert_status(0);
    assert!(system.holds("iqn.lab:staged"));
    system.assert_connects();
}

#[test]
fn enabling_seals_what_was_staged_before() {
    let system = System::new();
    let portal = vtl(&[("iqn.lab:staged", SECRETS[0])]);
    let port = portal.port().to_string();
    for line in [
        ["-newname", "-initiatorchapsecret", SECRETS[0]],
        ["-newname", "-targetname", "iqn.lab:staged"],
        ["-newname", "-targethostname", "127.0.0.1"],
        ["-newname", "-initiatorchapname", "IQN.LAB:STAGED"],
        ["-setport", "-targetport", &port],
    ] {
        system.run(&line).assert_status(0);
    }
    assert_eq!(system.files_with(SECRETS[0]).len(), 1);
    system.seal(SECRETS[0]);
    system.resize(USUAL_SIZE, 0);
    system.run(&["-commit"]).assert_status(0);
    system.assert_connects();
}

#[test]
fn disabling_with_a_staged_secret_loses_nothing() {
    let system = System::enabled();
    let portal = vtl(&[("iqn.lab:staged", SECRETS[0])]);
    let port = portal.port().to_string();
    system.seal(SECRETS[0]);
    for line in [
        ["-newname", "-initiatorchapsecret", SECRETS[0]],
        ["-newname", "-targetname", "iqn.lab:staged"],
        ["-newname", "-targethostname", "127.0.0.1"],
        ["-newname", "-initiatorchapname", "IQN.LAB:STAGED"],
        ["-setport", "-targetport", &port],
    ] {
        system.run(&line).assert_status(0);
    }
    system.resize("0", 1);
    system.unseal(SECRETS[0]);
    system.resize_moving("0", 0);
    system.run(&["-commit"]).assert_status(0);
    system.assert_connects();
}

#[test]
fn a_staged_none_may_rest_on_disk_and_commits() {
    let system = System::enabled();
    let portal = vtl(&[("iqn.lab:staged", SECRETS[0])]);
    let port = portal.port().to_string();
    for line in [
        ["-setkeystore", "-chapkeystore", "NONE"],
        ["-newname", "-initiatorchapsecret", SECRETS[0]],
        ["-newname", "-targetname", "iqn.lab:staged"],
        ["-newname", "-targethostname", "127.0.0.1"],
        ["-newname", "-initiatorchapname", "IQN.LAB:STAGED"],
        ["-setport", "-targetport", &port],
    ] {
        system.run(&line).assert_status(0);
    }
    // Thought better of it: from now on plain text is not what was asked for.
    system.seal(SECRETS[0]);
    system
        .run(&["-setkeystore", "-chapkeystore", "AVAIL"])
        .assert_status(0);
    system.unseal(SECRETS[0]);
    system
        .run(&["-setkeystore", "-chapkeystore", "NONE"])
        .assert_status(0);
    system.run(&["-commit"]).assert_status(0);
    assert!(!system.holds("iqn.lab:staged"));
    assert_eq!(system.files_with(SECRETS[0]).len(), 1);
    system.assert_connects();
}

#[test]
fn disabling_is_refused_until_the_credentials_may_move_to_disk() {
    let system = System::enabled();
    let portal = vtl(&[
        ("iqn.lab:avail", SECRETS[0]),
        ("iqn.lab:platform", SECRETS[1]),
    ]);
    let port = portal.port();
    system.seal(SECRETS[0]);
    system.seal(SECRETS[1]);
    system.add_at(port, "iqn.lab:avail", SECRETS[0], "AVAIL");
    system.resize("0", 1).says(&["move-to-disk"]);
    system.add_at(port, "iqn.lab:platform", SECRETS[1], "PLATFORM");
    let before = system.snapshot();
    system.resize("0", 1);
    let refused = system.resize_moving("0", 1);
    let refused = refused.says(&["iqn.lab:platform", "PLATFORM"]);
    assert!(
        !refused.stderr.contains("iqn.lab:avail"),
        "only the targets that keep it refused are named:\n{}",
        *refused
    );
    assert_eq!(system.snapshot(), before, "a refusal changes nothing");
    system.assert_connects();

    system
        .change_at(port, "iqn.lab:platform", &["-chapkeystore", "AVAIL"])
        .assert_status(0);
    system.unseal(SECRETS[0]);
    system.unseal(SECRETS[1]);
    system.resize_moving("0", 0);
    let document = system.partition();
    assert_eq!(document["keystore"]["enabled"], false);
    assert_eq!(document["keystore"]["used"], 0);
    assert_eq!(system.files_with(SECRETS[0]).len(), 1);
    assert_eq!(system.files_with(SECRETS[1]).len(), 1);
    system.assert_connects();

    // And back.
    system.seal(SECRETS[0]);
    system.seal(SECRETS[1]);
    system.resize(USUAL_SIZE, 0);
    system.assert_connects();
}

#[test]
fn an_empty_keystore_is_disabled_without_a_word() {
    let system = System::enabled();
    system.resize("0", 0);
    assert_eq!(system.partition()["keystore"]["enabled"], false);
    let refused = add_words("1", "iqn.lab:a", SECRETS[0], "PLATFORM");
    system.run(&refused).assert_status(1);
    assert_eq!(system.add("iqn.lab:a", SECRETS[0], "AVAIL"), "disk");
}

#[test]
fn shrinking_stops_at_what_is_used() {
    let system = System::enabled();
    system.seal(SECRETS[0]);
    system.seal(SECRETS[1]);
    system.add("iqn.lab:avail", SECRETS[0], "AVAIL");
    system.add("iqn.lab:platform", SECRETS[1], "PLATFORM");
    let used = system.used();
    let before = system.snapshot();
    let below = (used - 1).to_string();
    system.resize(&below, 1).says(&[&used.to_string()]);
    assert_eq!(system.snapshot(), before, "a refusal changes nothing");
    system.resize(&used.to_string(), 0);
    assert_eq!(system.used(), used);

    system.unseal(SECRETS[0]);
    system.resize_moving(&below, 0);
    let document = system.partition();
    assert_eq!(document["keystore"]["enabled"], true);
    assert!(system.used() < used, "{document:#}");
    assert!(system.holds("iqn.lab:platform"));
    assert!(!system.holds("iqn.lab:avail"));
    assert_eq!(system.files_with(SECRETS[0]).len(), 1);

    // Even what may move does not make room for what may not.
    system.resize_moving("1", 1).says(&["iqn.lab:platform"]);
}

#[test]
fn a_full_keystore_refuses_with_what_is_used_and_needed() {
    let measured = System::enabled();
    measured.add("iqn.lab:a", SECRETS[0], "AVAIL");
    let one = measured.used();
    measured.add("iqn.lab:b", SECRETS[1], "AVAIL");
    let two = measured.used();

    let system = System::new();
    system.seal(SECRETS[0]);
    system.seal(SECRETS[1]);
    system.resize(&(two - 1).to_string(), 0);
    assert_eq!(system.add("iqn.lab:a", SECRETS[0], "AVAIL"), "platform");
    assert_eq!(system.used(), one);
    for keystore in ["AVAIL", "PLATFORM"] {
        let before = system.snapshot();
        let refused = system
            .run(&add_words("1", "iqn.lab:b", SECRETS[1], keystore))
            .assert_status(1)
            .says(&["keystore", &one.to_string()]);
        let said = &refused.stderr;
        assert!(
            said.contains(&two.to_string()) || said.contains(&(two - one).to_string()),
            "what is needed ({two}, {} more) is told:\n{said}",
            two - one
        );
        assert_eq!(system.snapshot(), before, "a refusal changes nothing");
    }
    // A credential on disk does not fit either.
    system.unseal(SECRETS[1]);
    system.add("iqn.lab:b", SECRETS[1], "NONE");
    system
        .change_at(1, "iqn.lab:b", &["-chapkeystore", "AVAIL"])
        .assert_status(1);
    system.resize(&two.to_string(), 0);
    system.seal(SECRETS[1]);
    system
        .change_at(1, "iqn.lab:b", &["-chapkeystore", "AVAIL"])
        .assert_status(0);
    assert_eq!(system.used(), two);
}

#[test]
fn enabling_with_less_than_is_needed_is_refused() {
    let system = System::new();
    system.add("iqn.lab:a", SECRETS[0], "AVAIL");
    let before = system.snapshot();
    let output = system.run(&["partition", "set", "--keystore-size", "1"]);
    assert!(matches!(output.status.code(), Some(1 | 2)), "{output}");
    assert_eq!(system.snapshot(), before, "a refusal changes nothing");
    assert_eq!(system.partition()["keystore"]["enabled"], false);
}

#[test]
fn the_usual_size_holds_a_usual_configuration() {
    let system = System::enabled();
    for number in 1..=16 {
        let name = format!("iqn.2000-03.com.xyz:vtl.vtltest.datacenter-{number}");
        let secret = format!("{}{number:02}", &SECRETS[0][..14]);
        assert_eq!(system.add(&name, &secret, "AVAIL"), "platform", "{number}");
    }
    assert!(system.used() <= 4096);
}

#[test]
fn changetarget_moves_a_credential_there_and_back() {
    let system = System::enabled();
    let portal = vtl(&[("iqn.lab:a", SECRETS[0])]);
    let port = portal.port();
    system.seal(SECRETS[0]);
    assert_eq!(
        system.add_at(port, "iqn.lab:a", SECRETS[0], "AVAIL"),
        "platform"
    );
    for (keystore, stored) in [
        ("NONE", "disk"),
        ("PLATFORM", "platform"),
        ("NONE", "disk"),
        ("AVAIL", "platform"),
        ("PLATFORM", "platform"),
        ("AVAIL", "platform"),
    ] {
        if stored == "disk" {
            system.unseal(SECRETS[0]);
        } else {
            system.seal(SECRETS[0]);
        }
        let document = system
            .change_at(port, "iqn.lab:a", &["-chapkeystore", keystore])
            .assert_status(0)
            .json();
        assert_eq!(document["target"]["chap"]["keystore"], keystore);
        assert_eq!(document["target"]["chap"]["stored_in"], stored);
        assert_eq!(system.holds("iqn.lab:a"), stored == "platform");
        assert_eq!(system.used() > 0, stored == "platform");
        assert_eq!(
            system.files_with(SECRETS[0]).len(),
            usize::from(stored == "disk")
        );
        system.assert_connects();
    }
}

#[test]
fn a_secret_that_is_replaced_or_removed_leaves_the_keystore() {
    let system = System::enabled();
    system.seal(SECRETS[0]);
    system.seal(SECRETS[1]);
    let portal = vtl(&[("iqn.lab:a", SECRETS[1])]);
    system.add_at(portal.port(), "iqn.lab:a", SECRETS[0], "PLATFORM");
    let used = system.used();
    system
        .change_at(
            portal.port(),
            "iqn.lab:a",
            &["-initiatorchapsecret", SECRETS[1]],
        )
        .assert_status(0);
    assert_eq!(system.used(), used);
    system.assert_connects();

    let port = portal.port().to_string();
    system
        .run(&words("-removetarget", &port, "iqn.lab:a"))
        .assert_status(0);
    assert_eq!(system.used(), 0);
    assert!(!system.holds("iqn.lab:a"));
    system.resize("0", 0);
}

#[test]
fn a_credential_belongs_to_the_identity_however_it_is_spelled() {
    let system = System::enabled();
    system.seal(SECRETS[0]);
    system.seal(SECRETS[1]);
    let portal = vtl(&[("iqn.lab:a", SECRETS[1])]);
    let port = portal.port().to_string();
    system.add_at(portal.port(), "iqn.lab:a", SECRETS[0], "PLATFORM");
    let used = system.used();
    let generated = system.environment().default_initiator();
    let change = [
        "-changetarget",
        "-initiatorname",
        &generated,
        "-targethostname",
        "127.0.0.1",
        "-targetname",
        "IQN.Lab:A",
        "-targetport",
        &port,
        "-initiatorchapsecret",
        SECRETS[1],
    ];
    system.run(&change).assert_status(0);
    assert_eq!(system.used(), used);
    system.assert_connects();
}

#[test]
fn another_uuid_loses_no_credential() {
    let system = System::enabled();
    system.seal(SECRETS[0]);
    let portal = vtl(&[("iqn.lab:a", SECRETS[0])]);
    system.add_at(portal.port(), "iqn.lab:a", SECRETS[0], "PLATFORM");
    let uuid = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";
    system
        .run(&["partition", "set", "--uuid", uuid])
        .assert_status(0);
    assert!(system.holds("iqn.lab:a"));
    system.assert_connects();
}

#[test]
fn clearconfig_empties_the_keystore() {
    let system = System::enabled();
    for secret in &SECRETS[..3] {
        system.seal(secret);
    }
    system.add("iqn.lab:a", SECRETS[0], "AVAIL");
    system.add("iqn.lab:b", SECRETS[1], "PLATFORM");
    system
        .run(&["-newname", "-initiatorchapsecret", SECRETS[2]])
        .assert_status(0);
    system.run(&["-clearconfig"]).assert_status(0);
    let document = system.partition();
    assert_eq!(document["keystore"]["used"], 0, "{document:#}");
    assert_eq!(document["keystore"]["targets"], serde_json::json!([]));
}

#[test]
fn writers_at_the_same_time_lose_nothing_and_leave_nothing_in_plain_text() {
    let system = System::enabled();
    system.seal(SECRETS[0]);
    let ports: Vec<_> = (1..=8).map(|number| number.to_string()).collect();
    let names: Vec<_> = (1..=8).map(|number| format!("iqn.lab:{number}")).collect();
    let mut running: Vec<Running> = Vec::new();
    for (port, name) in ports.iter().zip(&names) {
        let words = add_words(port, name, SECRETS[0], "PLATFORM");
        let keystore = system.keystore();
        let mut more = vec!["--keystore-dir", keystore.to_str().unwrap()];
        more.extend(words);
        running.push(system.environment().start(&more));
    }
    for mut writer in running {
        writer.wait().unwrap().assert_status(0);
    }
    for name in &names {
        assert!(system.holds(name), "{name}");
    }
    assert!(system.found().is_empty(), "{:?}", system.found());
}

#[test]
fn enabling_and_disabling_beside_changes_ends_sealed() {
    let system = System::enabled();
    let portal = vtl(&[("iqn.lab:a", SECRETS[0])]);
    system.add_at(portal.port(), "iqn.lab:a", SECRETS[0], "AVAIL");
    let keystore = system.keystore();
    let port = portal.port().to_string();
    let directory = ["--keystore-dir", keystore.to_str().unwrap()];
    let change = words("-changetarget", &port, "iqn.lab:a");
    let secret = [&change[..], &["-initiatorchapsecret", SECRETS[0]]].concat();
    let disable = &["partition", "set", "--keystore-size", "0", "--move-to-disk"][..];
    let enable = &["partition", "set", "--keystore-size", USUAL_SIZE][..];
    for _ in 0..10 {
        let writers: Vec<Running> = [disable, &secret, enable, &secret, disable, enable]
            .iter()
            .map(|words| {
                system
                    .environment()
                    .start(&[&directory[..], words].concat())
            })
            .collect();
        for mut writer in writers {
            writer.wait().unwrap().assert_status(0);
        }
        system.assert_connects();
    }
    system.resize(USUAL_SIZE, 0);
    system.seal(SECRETS[0]);
    assert!(system.found().is_empty(), "{:?}", system.found());
    system.assert_connects();
}
