//! What is on disk, and what is refused rather than overwritten.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use serde_json::Value;

use super::add;
use crate::common::TestEnvironment;

const FILES: [&str; 3] = ["config.json", "active.json", "devices.json"];

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .mode()
        & 0o7777
}

pub(super) fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// An environment with one target, re-IPLed once; devices.json is made if the binary did not.
pub(super) fn used_environment() -> TestEnvironment {
    let environment = TestEnvironment::new();
    environment
        .run(&add("iqn.2026-01.a:b", &[]))
        .assert_status(0);
    let _ = environment.reipl(4);
    environment
}

/// A command that needs the file, and so must report what is wrong with it.
fn reader_of(file: &str) -> &'static [&'static str] {
    match file {
        "config.json" => &["-setport", "-targetport", "5"],
        "active.json" => &["-dumptargets"],
        _ => &["--timeout", "1", "-reipliscsiop"],
    }
}

#[test]
fn the_directory_and_the_files_are_private_whatever_the_umask() {
    for umask in ["000", "022", "027", "077", "277"] {
        let environment = TestEnvironment::new();
        let script = format!(
            "umask {umask}; iscsiswiconfig {}; iscsiswiconfig --timeout 1 -reipliscsiop",
            add("iqn.2026-01.a:b", &[]).join(" ").replace('*', "'*'")
        );
        let mut shell = environment.command_of(Path::new("/bin/sh"));
        shell.args(["-c", &script]);
        environment.finish(shell).assert_status(4);
        assert_eq!(mode(&environment.state()), 0o700, "umask {umask}");
        for name in environment.state_listing() {
            assert_eq!(
                mode(&environment.state_file(&name)),
                0o600,
                "{name}, umask {umask}"
            );
        }
    }
}

#[test]
fn each_file_has_a_schema_number() {
    let environment = used_environment();
    for name in ["config.json", "active.json"] {
        let document: Value =
            serde_json::from_slice(&fs::read(environment.state_file(name)).unwrap()).unwrap();
        assert!(document["schema"].is_u64(), "{name}: {document:#}");
    }
}

#[test]
fn an_active_configuration_of_schema_1_is_shown_with_its_sentences() {
    let environment = used_environment();
    let path = environment.state_file("active.json");
    let mut document: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(document["schema"], 2);
    document["schema"] = Value::from(1);
    document["record"]["targets"] = serde_json::json!([{"revision": 1, "generated": true, "report": {
        "target_name": "iqn.a:b", "target_host_name": "10.1.1.5", "target_port": 3260,
        "initiator_name": "iqn.i", "chap": null, "status": "FAILED",
        "failure": {
            "phase": "connect", "login_status": null, "message": "As it was said.", "hint": "Do this."
        },
        "session": null, "libraries": [], "drives": []
    }}]);
    fs::write(&path, document.to_string()).unwrap();
    let failure = &environment.dump()["targets"][0]["failure"];
    assert_eq!(failure["code"], "unknown-failure", "{failure:#}");
    assert_eq!(failure["message"], "As it was said.");
    assert_eq!(failure["hint"], "Do this.");
    // The next re-IPL replaces it by a record of today's form.
    let _ = environment.run(&["-q", "-reipliscsiop"]);
    let document: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(document["schema"], 2);
}

#[test]
fn a_file_of_a_newer_schema_is_refused_and_kept() {
    for name in FILES {
        let environment = used_environment();
        let path = environment.state_file(name);
        let mut document: Value = if path.exists() {
            serde_json::from_slice(&fs::read(&path).unwrap()).unwrap()
        } else {
            serde_json::json!({})
        };
        document["schema"] = Value::from(1_000_000);
        assert_refused_and_kept(&environment, name, document.to_string().as_bytes());
    }
}

#[test]
fn a_file_that_does_not_parse_is_refused_and_kept() {
    let intact = used_environment();
    for name in FILES {
        let whole =
            fs::read(intact.state_file(name)).unwrap_or_else(|_| b"{\"schema\": 1}".to_vec());
        let cut = &whole[..whole.len() / 2];
        let longer = [&whole[..], b"}"].concat();
        for garbage in [
            &b""[..],
            b"not JSON",
            b"[]",
            b"null",
            b"{\"schema\": \"1\"}",
            b"\xff\xfe",
            cut,
            &longer,
        ] {
            let environment = used_environment();
            assert_refused_and_kept(&environment, name, garbage);
        }
    }
}

#[track_caller]
fn assert_refused_and_kept(environment: &TestEnvironment, name: &str, bytes: &[u8]) {
    let path = environment.state_file(name);
    fs::write(&path, bytes).unwrap();
    set_mode(&path, 0o600);
    let shown = String::from_utf8_lossy(bytes);
    let output = environment.run(reader_of(name));
    assert_eq!(
        output.status.code(),
        Some(3),
        "{name} holding {shown:?}:\n{output}"
    );
    let output = output.assert_status(3).says(&[name]);
    assert!(!output.stderr.contains("panicked"), "{}", *output);
    // No option overwrites what it does not understand.
    for words in [
        &add("iqn.2026-01.a:c", &[])[..],
        &["--timeout", "1", "-reipliscsiop"],
        &["-clearconfig"],
    ] {
        let _ = environment.run(words);
        assert_eq!(
            fs::read(&path).unwrap(),
            bytes,
            "{words:?} overwrote {name} holding {shown:?}"
        );
    }
}

#[test]
fn a_file_that_others_may_touch_is_refused() {
    for name in ["config.json", "active.json"] {
        for wrong in [0o640, 0o604, 0o620, 0o602, 0o610, 0o644, 0o666] {
            let environment = used_environment();
            let path = environment.state_file(name);
            set_mode(&path, wrong);
            let before = fs::read(&path).unwrap();
            environment
                .run(reader_of(name))
                .assert_status(3)
                .says(&[name]);
            assert_eq!(fs::read(&path).unwrap(), before);
            assert_eq!(mode(&path), wrong);
        }
    }
}

#[test]
fn a_symbolic_link_in_place_of_a_file_is_refused() {
    for name in FILES {
        let environment = used_environment();
        let path = environment.state_file(name);
        let elsewhere = environment.home().join("elsewhere");
        let before = fs::read(&path).unwrap_or_else(|_| b"{\"schema\": 1}".to_vec());
        fs::write(&elsewhere, &before).unwrap();
        set_mode(&elsewhere, 0o600);
        let _ = fs::remove_file(&path);
        symlink(&elsewhere, &path).unwrap();
        environment
            .run(reader_of(name))
            .assert_status(3)
            .says(&[name]);
        let _ = environment.run(&["-clearconfig"]);
        assert!(
            fs::symlink_metadata(&path).unwrap().is_symlink(),
            "{name} was replaced"
        );
        assert_eq!(
            fs::read(&elsewhere).unwrap(),
            before,
            "{name} was written through"
        );
    }
}

#[test]
fn a_dangling_link_is_refused_and_nothing_is_created_behind_it() {
    let environment = used_environment();
    let path = environment.state_file("config.json");
    let elsewhere = environment.home().join("elsewhere");
    fs::remove_file(&path).unwrap();
    symlink(&elsewhere, &path).unwrap();
    environment
        .run(&add("iqn.2026-01.a:c", &[]))
        .assert_status(3)
        .says(&["config.json"]);
    assert!(!elsewhere.exists());
}

#[test]
fn a_directory_that_others_can_write_is_refused() {
    for (wrong, status) in [
        (0o770, 3),
        (0o707, 3),
        (0o720, 3),
        (0o702, 3),
        (0o1777, 3),
        (0o755, 0),
        (0o750, 0),
    ] {
        let environment = used_environment();
        set_mode(&environment.state(), wrong);
        let before = environment.snapshot();
        environment
            .run(&["-setport", "-targetport", "5"])
            .assert_status(status);
        environment.run(&["-dumptargets"]).assert_status(status);
        assert_eq!(
            environment.snapshot() == before,
            status == 3,
            "mode {wrong:o}"
        );
    }
}

#[test]
fn the_directory_itself_may_be_a_symbolic_link() {
    let environment = TestEnvironment::new();
    let real = environment.home().join("real");
    fs::create_dir(&real).unwrap();
    set_mode(&real, 0o700);
    symlink(&real, environment.state()).unwrap();
    environment
        .run(&add("iqn.2026-01.a:b", &[]))
        .assert_status(0);
    assert!(real.join("config.json").exists());
    assert_eq!(environment.configured_targets(), ["iqn.2026-01.a:b"]);
}

#[test]
fn a_state_directory_that_is_a_file_or_cannot_be_made_is_an_error_of_the_state() {
    let environment = TestEnvironment::new();
    fs::write(environment.state(), b"").unwrap();
    environment
        .run(&add("iqn.2026-01.a:b", &[]))
        .assert_status(3);
    environment
        .run(
            &[
                &["--state-dir", "/proc/nowhere"][..],
                &add("iqn.2026-01.a:b", &[]),
            ]
            .concat(),
        )
        .assert_status(3)
        .says(&["/proc/nowhere"]);
}

#[test]
fn a_directory_in_place_of_a_file_is_refused() {
    for name in ["config.json", "active.json"] {
        let environment = used_environment();
        fs::remove_file(environment.state_file(name)).unwrap();
        fs::create_dir(environment.state_file(name)).unwrap();
        environment
            .run(reader_of(name))
            .assert_status(3)
            .says(&[name]);
    }
}

#[test]
fn nothing_is_left_over_beside_the_files() {
    let environment = used_environment();
    environment
        .run(&["-setport", "-targetport", "5"])
        .assert_status(0);
    environment.run(&["-clearconfig"]).assert_status(0);
    let listing = environment.state_listing();
    let strange: Vec<_> = listing
        .iter()
        .filter(|name| {
            !FILES.contains(&name.as_str()) && !name.contains("lock") && !name.contains("initiator")
        })
        .collect();
    assert!(strange.is_empty(), "left over: {strange:?}");
}
