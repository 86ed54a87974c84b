//! The partition's export and import, and a configuration whose KeyStore stayed behind.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::search;
use super::system::{SECRETS, System, mode, vtl, words};
use crate::common::{Output, binary, text};
use crate::peers::embedded::{Portal, Target};

const PASSPHRASE: &[u8] = b"correct horse battery staple\n";

/// A system with one credential in the KeyStore and one on disk, and the VTL that proves them.
fn original() -> (System, Portal) {
    let system = System::enabled();
    let portal = vtl(&[
        ("iqn.lab:platform", SECRETS[0]),
        ("iqn.lab:none", SECRETS[1]),
    ]);
    system.seal(SECRETS[0]);
    system.add_at(portal.port(), "iqn.lab:platform", SECRETS[0], "PLATFORM");
    system.add_at(portal.port(), "iqn.lab:none", SECRETS[1], "NONE");
    (system, portal)
}

/// Fails unless the target and the three remedies are named: the credential given again, NONE, and no CHAP at all.
#[track_caller]
fn assert_remedies(output: &Output) {
    let said = output.stderr.clone() + &output.stdout;
    assert!(
        said.contains("iqn.lab:platform"),
        "no target named:\n{output}"
    );
    for remedy in [
        "-changetarget",
        "-initiatorchapsecret",
        "NONE",
        "-removetarget",
    ] {
        assert!(said.contains(remedy), "{remedy} is not told:\n{output}");
    }
}

#[test]
fn a_replica_loads_and_names_the_targets_and_the_remedies() {
    assert_replica_names_the_remedies("this", |replica| replica);
}

#[test]
#[cfg(feature = "peers")]
fn a_replica_on_another_machine_names_them_as_well() {
    assert_replica_names_the_remedies("another", System::on_another_machine);
}

fn assert_replica_names_the_remedies(machine: &str, moved: fn(System) -> System) {
    let (system, _portal) = original();
    system.assert_connects();
    let replica = moved(system.replica(false));
    for line in [&["-dumptargets"][..], &["--json", "-dumptargets"]] {
        let output = replica.run(line);
        assert_eq!(output.status.code(), Some(0), "{machine}:\n{output}");
        assert_remedies(&output);
    }
    let output = replica.run(&["-reipliscsiop"]);
    assert_eq!(output.status.code(), Some(4), "{machine}:\n{output}");
    assert_remedies(&output);
    let output = replica.run(&["--json", "-reipliscsiop"]);
    assert_eq!(output.status.code(), Some(4), "{machine}:\n{output}");
    assert_remedies(&output);
    let document = output.json();
    for target in document["targets"].as_array().unwrap() {
        let expected = match text(&target["target_name"]) {
            "iqn.lab:platform" => "FAILED",
            _ => "CONNECTED",
        };
        assert_eq!(target["status"], expected, "{machine}: {document:#}");
    }
    // The configuration itself can be shown and edited.
    replica.run(&["partition"]).assert_status(0);
    replica
        .run(&words("-addtarget", "1", "iqn.lab:other"))
        .assert_status(0);
}

#[test]
fn a_replica_that_was_never_re_ipled_names_them_too() {
    let (system, _portal) = original();
    let replica = system.replica(false);
    let output = replica.run(&["-dumptargets"]);
    assert_eq!(output.status.code(), Some(0), "{output}");
    assert_remedies(&output);
}

#[test]
fn a_system_that_has_its_keystore_says_nothing_of_remedies() {
    let (system, _portal) = original();
    system.assert_connects();
    system.run(&["-dumptargets"]).assert_status(0).silent();
    let output = system.run(&["-reipliscsiop"]).assert_status(0);
    assert!(!output.stderr.contains("-removetarget"), "{}", *output);
}

#[test]
fn each_remedy_heals_a_replica() {
    let (system, portal) = original();
    let port = portal.port().to_string();
    let secret = ["-initiatorchapsecret", SECRETS[0]];
    let name = "iqn.lab:platform";

    // The credential given again, in the KeyStore of the replica.
    let replica = system.replica(false);
    replica
        .change_at(portal.port(), name, &secret)
        .assert_status(0);
    replica.assert_connects();
    assert!(replica.holds(name));

    // On disk; without the secret there is nothing to put there.
    let replica = system.replica(false);
    let none = ["-chapkeystore", "NONE"];
    replica
        .change_at(portal.port(), name, &none)
        .assert_status(1);
    replica.unseal(SECRETS[0]);
    replica
        .change_at(portal.port(), name, &[&none[..], &secret].concat())
        .assert_status(0);
    replica.assert_connects();
    assert_eq!(replica.files_with(SECRETS[0]).len(), 1);

    // Without CHAP.
    let replica = system.replica(false);
    let open = Portal::serving([Target::new(name)]);
    replica
        .run(&words("-removetarget", &port, name))
        .assert_status(0);
    let open_port = open.port().to_string();
    replica
        .run(&words("-addtarget", &open_port, name))
        .assert_status(0);
    replica.run(&["-reipliscsiop"]).assert_status(0);
}

#[test]
fn a_replica_is_not_disabled_behind_the_back_of_what_it_demands() {
    let (system, portal) = original();
    let replica = system.replica(false);
    let output = replica.run(&["partition", "set", "--keystore-size", "0", "--move-to-disk"]);
    assert_eq!(output.status.code(), Some(1), "{output}");
    assert!(output.stderr.contains("iqn.lab:platform"), "{output}");
    // The original's KeyStore is still the answer when it comes back.
    if replica.keystore().exists() {
        fs::remove_dir_all(replica.keystore()).unwrap();
    }
    super::system::copy(&system.keystore(), &replica.keystore());
    drop(system);
    let _ = portal.port();
    replica.assert_connects();
}

/// Exports the partition of a system and returns the file and the words that say where the passphrase is.
fn export(system: &System) -> (String, String) {
    let passphrase = system.private_file("passphrase", PASSPHRASE);
    let file = system.home().join("moved.age");
    let file = file.to_str().unwrap().to_owned();
    system
        .run(&[
            "partition",
            "export",
            &file,
            "--passphrase-file",
            &passphrase,
        ])
        .assert_status(0);
    (file, passphrase)
}

#[test]
fn an_export_is_an_age_file_of_the_owner_alone_without_a_secret_to_be_seen() {
    let (system, _portal) = original();
    let (file, _) = export(&system);
    let path = Path::new(&file);
    assert_eq!(mode(path), 0o600);
    let bytes = fs::read(path).unwrap();
    let starts = [
        &b"age-encryption.org/v1\n-> scrypt "[..],
        b"-----BEGIN AGE ENCRYPTED FILE-----",
    ];
    assert!(
        starts.iter().any(|start| bytes.starts_with(start)),
        "{:?}",
        String::from_utf8_lossy(&bytes[..bytes.len().min(60)])
    );
    for secret in &SECRETS[..2] {
        assert_eq!(search::form_of(secret, &bytes), None);
    }
}

#[test]
#[cfg(feature = "peers")]
fn an_import_carries_partition_and_keystore_to_another_machine() {
    let (system, _portal) = original();
    let uuid = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";
    let set = [
        "partition",
        "set",
        "--uuid",
        uuid,
        "--keystore-size",
        "6000",
    ];
    system.run(&set).assert_status(0);
    let (file, passphrase) = export(&system);
    let before = system.partition();
    let other = system.replica(false).on_another_machine();
    other
        .run(&[
            "partition",
            "import",
            &file,
            "--passphrase-file",
            &passphrase,
        ])
        .assert_status(0);
    let after = other.partition();
    for key in ["uuid", "release", "default_initiator_name"] {
        assert_eq!(after["partition"][key], before["partition"][key], "{key}");
    }
    assert_eq!(after["keystore"], before["keystore"]);
    other.assert_connects();
    // What was imported is sealed for the machine that it came to.
    let back = other.on_this_machine();
    let output = back.run(&["-reipliscsiop"]);
    assert_ne!(output.status.code(), Some(0), "{output}");
}

#[test]
#[cfg(feature = "peers")]
fn a_machine_derived_uuid_moves_with_the_partition() {
    let (system, _portal) = original();
    let (file, passphrase) = export(&system);
    let before = system.partition();
    let other = system.replica(false).on_another_machine();
    other
        .run(&[
            "partition",
            "import",
            &file,
            "--passphrase-file",
            &passphrase,
        ])
        .assert_status(0);
    assert_eq!(
        other.partition()["partition"]["default_initiator_name"],
        before["partition"]["default_initiator_name"]
    );
    other.assert_connects();
}

#[test]
fn an_import_into_a_new_system_keeps_the_entries_for_the_targets_to_come() {
    let (system, _portal) = original();
    let (file, passphrase) = export(&system);
    let other = System::new();
    other.seal(SECRETS[0]);
    other
        .run(&[
            "partition",
            "import",
            &file,
            "--passphrase-file",
            &passphrase,
        ])
        .assert_status(0);
    let document = other.partition();
    assert_eq!(document["keystore"]["enabled"], true, "{document:#}");
    assert_eq!(document["keystore"]["size"], 4096, "{document:#}");
}

#[test]
fn a_wrong_passphrase_or_a_damaged_file_imports_nothing() {
    let (system, _portal) = original();
    let (file, passphrase) = export(&system);
    let other = system.replica(false);
    let before = other.snapshot();
    let wrong = other.private_file("wrong", b"correct horse battery stapler\n");
    let output = other.run(&["partition", "import", &file, "--passphrase-file", &wrong]);
    assert!(matches!(output.status.code(), Some(1..=3)), "{output}");
    assert!(
        output.stderr.to_lowercase().contains("passphrase"),
        "{output}"
    );
    assert!(!output.stderr.contains("battery"), "{output}");

    let bytes = fs::read(&file).unwrap();
    let length = bytes.len();
    for at in [0, 30, length / 2, length - 20, length - 1] {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        let damaged = other.private_file("damaged", &damaged);
        let output = other.run(&[
            "partition",
            "import",
            &damaged,
            "--passphrase-file",
            &passphrase,
        ]);
        assert!(
            matches!(output.status.code(), Some(1..=3)),
            "byte {at}: {output}"
        );
    }
    for content in [&b""[..], b"{}", &bytes[..length / 2], &bytes[..length - 1]] {
        let damaged = other.private_file("damaged", content);
        let output = other.run(&[
            "partition",
            "import",
            &damaged,
            "--passphrase-file",
            &passphrase,
        ]);
        assert!(
            matches!(output.status.code(), Some(1..=3)),
            "{} bytes: {output}",
            content.len()
        );
    }
    let output = other.run(&[
        "partition",
        "import",
        "/nonexistent",
        "--passphrase-file",
        &passphrase,
    ]);
    assert!(matches!(output.status.code(), Some(1..=3)), "{output}");
    assert_eq!(other.snapshot(), before, "nothing was imported");
}

/// A file says how much work and memory its passphrase takes: 1 KiB times two to the power of it.
#[test]
fn a_file_that_demands_too_much_work_is_refused_at_once() {
    let (system, _portal) = original();
    let passphrase = system.private_file("passphrase", PASSPHRASE);
    let (salt, body) = ("A".repeat(22), "A".repeat(43));
    for work in [
        "30",
        "40",
        "63",
        "64",
        "255",
        "999999999999999999999",
        "-1",
        "+10",
        "010",
        "",
    ] {
        let header =
            format!("age-encryption.org/v1\n-> scrypt {salt} {work}\n{body}\n--- {body}\n");
        let content = [header.as_bytes(), &[0; 64]].concat();
        let file = system.private_file("demanding", &content);
        let output = system.run(&[
            "partition",
            "import",
            &file,
            "--passphrase-file",
            &passphrase,
        ]);
        assert!(
            matches!(output.status.code(), Some(1..=3)),
            "{work}: {output}"
        );
    }
    system.assert_connects();
}

#[test]
fn an_export_never_overwrites_a_file() {
    let (system, _portal) = original();
    let passphrase = system.private_file("passphrase", PASSPHRASE);
    let existing = system.private_file("existing", b"precious");
    let link = system.home().join("link");
    symlink(&existing, &link).unwrap();
    let dangling = system.home().join("dangling");
    symlink(system.home().join("nowhere"), &dangling).unwrap();
    let listed = || {
        let mut names: Vec<_> = fs::read_dir(system.home())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        names
    };
    let before = listed();
    for target in [
        existing.as_str(),
        link.to_str().unwrap(),
        dangling.to_str().unwrap(),
        system.home().to_str().unwrap(),
    ] {
        let output = system.run(&[
            "partition",
            "export",
            target,
            "--passphrase-file",
            &passphrase,
        ]);
        assert!(
            matches!(output.status.code(), Some(1 | 3)),
            "{target}: {output}"
        );
    }
    assert_eq!(fs::read(&existing).unwrap(), b"precious");
    assert!(!system.home().join("nowhere").exists());
    assert_eq!(listed(), before, "nothing is left over");
}

#[test]
fn an_export_that_there_is_no_room_for_leaves_no_file() {
    let (system, _portal) = original();
    let passphrase = system.private_file("passphrase", PASSPHRASE);
    let file = system.home().join("moved.age");
    let mut command = system.environment().command_of(Path::new("sh"));
    command
        .env("ISCSISWICONFIG_KEYSTORE_DIR", system.keystore())
        .args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$@\"", "sh"])
        .arg(binary())
        .args(["partition", "export", file.to_str().unwrap()])
        .args(["--passphrase-file", &passphrase]);
    let output = system.finish(command);
    output.assert_status(3);
    assert!(!file.exists());
}

#[test]
fn a_passphrase_is_needed_and_one_line_end_at_its_end_does_not_count() {
    let (system, _portal) = original();
    let file = system.home().join("moved.age");
    let file = file.to_str().unwrap();
    // Standard input is no terminal here, and there is no other one.
    let mut command = system.environment().command_of(Path::new("setsid"));
    command
        .env("ISCSISWICONFIG_KEYSTORE_DIR", system.keystore())
        .arg("--wait")
        .arg(binary())
        .args(["partition", "export", file]);
    let output = system.finish(command);
    assert!(matches!(output.status.code(), Some(1..=3)), "{output}");
    assert!(output.stderr.contains("--passphrase-file"), "{output}");
    for content in [&b""[..], b"\n"] {
        let empty = system.private_file("empty", content);
        let output = system.run(&["partition", "export", file, "--passphrase-file", &empty]);
        assert!(matches!(output.status.code(), Some(1..=3)), "{output}");
    }
    assert!(!Path::new(file).exists());

    let (file, _) = export(&system);
    let without = system.private_file("without", PASSPHRASE.trim_ascii_end());
    let other = system.replica(false);
    other
        .run(&["partition", "import", &file, "--passphrase-file", &without])
        .assert_status(0);
    other.assert_connects();
}

#[test]
fn an_import_does_not_lose_the_credentials_that_are_already_here() {
    let (system, _portal) = original();
    let (file, passphrase) = export(&system);
    let other = System::enabled();
    let portal = vtl(&[("iqn.lab:mine", SECRETS[2])]);
    other.seal(SECRETS[0]);
    other.seal(SECRETS[2]);
    other.add_at(portal.port(), "iqn.lab:mine", SECRETS[2], "PLATFORM");
    let output = other.run(&[
        "partition",
        "import",
        &file,
        "--passphrase-file",
        &passphrase,
    ]);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{output}");
    other.assert_connects();
}

#[test]
fn an_export_without_a_keystore_carries_the_partition() {
    let system = System::new();
    let uuid = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";
    let set = ["partition", "set", "--uuid", uuid, "--release", "7.4"];
    system.run(&set).assert_status(0);
    let (file, passphrase) = export(&system);
    let other = System::new();
    other
        .run(&[
            "partition",
            "import",
            &file,
            "--passphrase-file",
            &passphrase,
        ])
        .assert_status(0);
    let (before, after) = (system.partition(), other.partition());
    for key in ["uuid", "release", "default_initiator_name"] {
        assert_eq!(after["partition"][key], before["partition"][key], "{key}");
    }
}

#[test]
fn an_import_that_enables_the_keystore_moves_what_is_avail() {
    let (system, _portal) = original();
    let (file, passphrase) = export(&system);
    let other = System::new();
    let portal = vtl(&[("iqn.lab:mine", SECRETS[2])]);
    assert_eq!(
        other.add_at(portal.port(), "iqn.lab:mine", SECRETS[2], "AVAIL"),
        "disk"
    );
    other.seal(SECRETS[0]);
    other.seal(SECRETS[2]);
    other
        .run(&[
            "partition",
            "import",
            &file,
            "--passphrase-file",
            &passphrase,
        ])
        .assert_status(0);
    assert!(other.holds("iqn.lab:mine"));
    other.assert_connects();
}

#[test]
fn an_import_disables_no_keystore_that_is_used() {
    for set in [["--keystore-size", "0"], ["--release", "7.4"]] {
        let system = System::new();
        system
            .run(&[&["partition", "set"], &set[..]].concat())
            .assert_status(0);
        let (file, passphrase) = export(&system);
        for keystore in ["PLATFORM", "AVAIL"] {
            let other = System::enabled();
            let portal = vtl(&[("iqn.lab:mine", SECRETS[2])]);
            other.seal(SECRETS[2]);
            other.add_at(portal.port(), "iqn.lab:mine", SECRETS[2], keystore);
            let before = other.snapshot();
            other
                .run(&[
                    "partition",
                    "import",
                    &file,
                    "--passphrase-file",
                    &passphrase,
                ])
                .assert_status(1)
                .says(&["iqn.lab:mine"]);
            assert_eq!(other.snapshot(), before, "a refusal changes nothing");
            other.assert_connects();
        }
    }
}

#[test]
fn a_credential_that_is_not_here_is_not_said_to_have_moved() {
    let system = System::enabled();
    let portal = vtl(&[("iqn.lab:platform", SECRETS[0])]);
    system.seal(SECRETS[0]);
    system.add_at(portal.port(), "iqn.lab:platform", SECRETS[0], "AVAIL");
    for set in [["--keystore-size", "0"], ["--release", "7.5"]] {
        let replica = system.replica(false);
        let set = [&["partition", "set", "--move-to-disk"], &set[..]].concat();
        let output = replica.run(&set);
        let said = output.stderr.to_lowercase();
        assert!(!said.contains("went to disk"), "nothing moved:\n{output}");
        // Done or refused: the target is named, and nothing is lost when the KeyStore comes back.
        let named = output.to_string().contains("iqn.lab:platform");
        assert!(named, "the target is not named:\n{output}");
        if replica.keystore().exists() {
            fs::remove_dir_all(replica.keystore()).unwrap();
        }
        super::system::copy(&system.keystore(), &replica.keystore());
        let back = ["--release", "7.6", "--keystore-size", "4096"];
        replica
            .run(&[&["partition", "set"], &back[..]].concat())
            .assert_status(0);
        replica.assert_connects();
    }
}
