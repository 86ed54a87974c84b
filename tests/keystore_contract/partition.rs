//! The partition: UUID, release, default initiator name.

use serde_json::Value;

use super::system::{SECRETS, System, USUAL_SIZE, words};
use crate::common::{keys, text};

const UUID: &str = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";

fn plain(uuid: &str) -> String {
    uuid.replace('-', "").to_ascii_lowercase()
}

#[test]
fn a_new_system_is_a_partition_of_release_7_6_without_a_keystore() {
    let system = System::new();
    let document = system.partition();
    assert_eq!(
        keys(&document),
        ["action", "keystore", "partition", "schema", "warnings"]
    );
    assert_eq!(document["action"], "shown");
    let partition = &document["partition"];
    assert_eq!(
        keys(partition),
        ["default_initiator_name", "release", "uuid", "uuid_source"]
    );
    assert_eq!(partition["release"], "7.6", "{document:#}");
    let uuid = plain(text(&partition["uuid"]));
    assert_eq!(uuid.len(), 32, "{document:#}");
    assert_eq!(
        partition["default_initiator_name"],
        format!("iqn.1924-02.com.ibm:ibmi.{uuid}-i0")
    );
    assert!(!text(&partition["uuid_source"]).is_empty());

    let keystore = &document["keystore"];
    assert_eq!(
        keys(keystore),
        ["directory", "enabled", "size", "targets", "used"]
    );
    assert_eq!(keystore["enabled"], false);
    assert_eq!(keystore["size"], 0);
    assert_eq!(keystore["used"], 0);
    assert_eq!(keystore["targets"], Value::Array(Vec::new()));
    assert!(!system.keystore().exists(), "a look creates nothing");
    assert!(!system.state().exists(), "a look creates nothing");
}

#[test]
fn the_text_shows_what_the_document_shows() {
    let system = System::enabled();
    system.seal(SECRETS[0]);
    system.add("iqn.lab:a", SECRETS[0], "AVAIL");
    let document = system.partition();
    let shown = system.run(&["partition"]).assert_status(0);
    for value in [
        text(&document["partition"]["default_initiator_name"]).to_owned(),
        text(&document["partition"]["release"]).to_owned(),
        document["keystore"]["size"].to_string(),
        document["keystore"]["used"].to_string(),
        "iqn.lab:a".to_owned(),
    ] {
        assert!(shown.stdout.contains(&value), "{value} in\n{}", *shown);
    }
    assert_eq!(
        system.run(&["partition", "--json"]).assert_status(0).stdout,
        system.run(&["--json", "partition"]).assert_status(0).stdout
    );
}

#[test]
fn the_uuid_makes_the_default_initiator_name() {
    let system = System::new();
    let before = system.partition();
    for uuid in [UUID, &plain(UUID), &UUID.to_ascii_uppercase()] {
        system
            .run(&["partition", "set", "--uuid", uuid])
            .assert_status(0);
        let document = system.partition();
        let partition = &document["partition"];
        assert_eq!(plain(text(&partition["uuid"])), plain(UUID));
        assert_ne!(
            partition["uuid_source"], before["partition"]["uuid_source"],
            "{document:#}"
        );
        let name = format!("iqn.1924-02.com.ibm:ibmi.{}-i0", plain(UUID));
        assert_eq!(partition["default_initiator_name"], name);
        assert_eq!(system.environment().default_initiator(), name);
    }
}

#[test]
fn a_uuid_that_is_none_is_a_usage_error() {
    let system = System::new();
    for wrong in [
        "",
        "NONE ",
        "0f1e2d3c",
        "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f",
        "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f00",
        "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1fg",
        "0-f1e2d3c4b5a69788796a5b4c3d2e1f-0",
    ] {
        let output = system.run(&["partition", "set", "--uuid", wrong]);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}:\n{output}");
    }
    system.run(&["partition", "set"]).assert_status(2);
    assert!(!system.state().exists());
    system
        .run(&["partition", "set", "--uuid", UUID])
        .assert_status(0);
}

#[test]
fn without_a_uuid_the_generated_name_is_refused_with_the_reason() {
    let system = System::new();
    system
        .run(&["partition", "set", "--uuid", "none"])
        .assert_status(0);
    let document = system.partition();
    assert_eq!(document["partition"]["uuid"], Value::Null);
    assert_eq!(document["partition"]["default_initiator_name"], Value::Null);
    system.run(&["partition"]).assert_status(0);

    let add = words("-addtarget", "1", "iqn.lab:a");
    system.run(&add).assert_status(1).says(&["uuid", "POWER7"]);
    // A staged target without an initiator name means the generated one.
    for line in [
        ["-newname", "-targetname", "iqn.lab:a"],
        ["-newname", "-targethostname", "127.0.0.1"],
    ] {
        system.run(&line).assert_status(0);
    }
    system.run(&["-commit"]).assert_status(1).says(&["uuid"]);
    assert_eq!(system.environment().configured_targets(), [""; 0]);
    for dump in ["-dumpinitiators", "-dumptargets"] {
        system.run(&[dump]).assert_status(0);
        system.run(&["--json", dump]).assert_status(0);
    }

    // A name of one's own is still a name, and what is staged is not lost.
    system
        .run(&["-newname", "-initiatorname", "iqn.2000-01.lab:mine"])
        .assert_status(0);
    system.run(&["-commit"]).assert_status(0);
}

#[test]
fn a_target_of_the_generated_name_does_not_connect_once_the_uuid_is_gone() {
    let system = System::new();
    system
        .run(&words("-addtarget", "1", "iqn.lab:a"))
        .assert_status(0);
    let set = system.run(&["partition", "set", "--uuid", "none"]);
    if set.status.code() == Some(0) {
        let output = system.run(&["--timeout", "1", "-reipliscsiop"]);
        assert!(matches!(output.status.code(), Some(1 | 4)), "{output}");
        assert!(
            output.to_string().to_lowercase().contains("uuid"),
            "{output}"
        );
    } else {
        set.assert_status(1).says(&["iqn.lab:a"]);
    }
}

#[test]
fn each_release_can_be_set_and_nothing_else() {
    let system = System::new();
    for release in ["7.2", "7.3", "7.4", "7.5", "7.6"] {
        system
            .run(&["partition", "set", "--release", release])
            .assert_status(0);
        assert_eq!(system.partition()["partition"]["release"], release);
    }
    for wrong in ["7.1", "7.7", "7", "7.60", "07.6", "V7R6", "8.0", "", "none"] {
        let output = system.run(&["partition", "set", "--release", wrong]);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}:\n{output}");
    }
    for wrong in [
        "-1",
        "4k",
        "",
        "1e3",
        "none",
        "4096.0",
        "99999999999999999999999",
    ] {
        let output = system.run(&["partition", "set", "--keystore-size", wrong]);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}:\n{output}");
    }
    assert_eq!(system.partition()["partition"]["release"], "7.6");
}

#[test]
fn before_7_6_the_keystore_is_not_used_for_chap() {
    let system = System::new();
    let set = ["partition", "set", "--release", "7.5", "--keystore-size"];
    system
        .run(&[&set[..], &[USUAL_SIZE]].concat())
        .assert_status(0);
    assert_eq!(system.add("iqn.lab:a", SECRETS[0], "AVAIL"), "disk");
    assert_eq!(system.used(), 0);
    let refused = super::system::add_words("1", "iqn.lab:b", SECRETS[1], "PLATFORM");
    system.run(&refused).assert_status(1).says(&["7.6"]);
    system
        .change_at(1, "iqn.lab:a", &["-chapkeystore", "PLATFORM"])
        .assert_status(1)
        .says(&["7.6"]);

    // The upgrade moves what was stored before it.
    system.seal(SECRETS[0]);
    system
        .run(&["partition", "set", "--release", "7.6"])
        .assert_status(0);
    assert!(system.holds("iqn.lab:a"));
    assert!(system.used() > 0);
}

#[test]
fn lowering_the_release_with_entries_is_refused_as_disabling_is() {
    let system = System::enabled();
    let lower = ["partition", "set", "--release", "7.5"];
    let moving = [&lower[..], &["--move-to-disk"]].concat();
    system.seal(SECRETS[0]);
    system.seal(SECRETS[1]);
    system.add("iqn.lab:avail", SECRETS[0], "AVAIL");
    system.add("iqn.lab:platform", SECRETS[1], "PLATFORM");
    let before = system.snapshot();
    system.run(&lower).assert_status(1);
    system
        .run(&moving)
        .assert_status(1)
        .says(&["iqn.lab:platform"]);
    assert_eq!(system.snapshot(), before, "a refusal changes nothing");

    system
        .run(&words("-removetarget", "1", "iqn.lab:platform"))
        .assert_status(0);
    system.run(&lower).assert_status(1).says(&["move-to-disk"]);
    system.unseal(SECRETS[0]);
    system.run(&moving).assert_status(0);
    assert!(!system.holds("iqn.lab:avail"));
    assert_eq!(system.files_with(SECRETS[0]).len(), 1);
}

#[test]
fn a_refused_set_sets_nothing_of_what_it_was_given() {
    let system = System::enabled();
    system.seal(SECRETS[0]);
    system.add("iqn.lab:a", SECRETS[0], "PLATFORM");
    let before = system.snapshot();
    system
        .run(&["partition", "set", "--uuid", UUID, "--keystore-size", "0"])
        .assert_status(1);
    assert_eq!(system.snapshot(), before);
}
