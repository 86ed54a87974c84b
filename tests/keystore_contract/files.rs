//! Copies, flipped bytes, permissions, links: what the files of the KeyStore give away, and what they resist.

use std::fs;
#[cfg(feature = "peers")]
use std::os::unix::fs::chown;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::search;
use super::system::{SECRETS, System, USUAL_SIZE, add_words, copy, mode, set_mode, vtl, words};
use crate::common::TestEnvironment;
use crate::peers::embedded::Portal;

/// A system with one credential in the KeyStore, and the VTL that proves it.
fn sealed() -> (System, Portal) {
    let system = System::enabled();
    let portal = vtl(&[("iqn.lab:a", SECRETS[0])]);
    system.seal(SECRETS[0]);
    system.add_at(portal.port(), "iqn.lab:a", SECRETS[0], "PLATFORM");
    system.assert_connects();
    (system, portal)
}

/// Fails unless the file is refused by what reads a secret, by what writes one and by what shows the KeyStore,
/// and stays as it is.
#[track_caller]
fn assert_refused(system: &System, portal: &Portal, path: &Path, context: &str) {
    let before = fs::read(path).ok();
    let port = portal.port().to_string();
    let change = words("-changetarget", &port, "iqn.lab:a");
    let add = add_words("1", "iqn.lab:b", SECRETS[1], "PLATFORM");
    for line in [
        &["--timeout", "60", "-reipliscsiop"][..],
        &["partition"],
        &add,
        &["partition", "set", "--keystore-size", "0", "--move-to-disk"],
        &[&change[..], &["-chapkeystore", "NONE"]].concat(),
    ] {
        let output = system.run(line);
        let status = output.status.code();
        assert_eq!(status, Some(3), "{context}, {line:?}:\n{output}");
        let said = output.stderr.to_lowercase();
        assert!(said.contains("keystore"), "{context}, {line:?}:\n{output}");
    }
    assert_eq!(fs::read(path).ok(), before, "{context}: overwritten");
}

#[test]
fn each_flipped_byte_is_an_error_and_never_a_wrong_secret() {
    let (system, _portal) = sealed();
    let state = system.snapshot();
    for (path, bytes) in system.keystore_files() {
        for at in 0..bytes.len() {
            let mut wrong = bytes.clone();
            // Every bit is tried somewhere, and the letter case of a letter too.
            wrong[at] ^= 1 << (at % 8);
            fs::write(&path, &wrong).unwrap();
            let context = format!("byte {at} of {} in {}", bytes.len(), path.display());
            let output = system.run(&["--timeout", "60", "-reipliscsiop"]);
            assert_eq!(output.status.code(), Some(3), "{context}:\n{output}");
            let said = output.stderr.to_lowercase();
            assert!(said.contains("keystore"), "{context}:\n{output}");
            assert_eq!(fs::read(&path).unwrap(), wrong, "{context}: overwritten");
        }
        fs::write(&path, &bytes).unwrap();
    }
    assert_eq!(system.snapshot(), state);
    system.assert_connects();
}

#[test]
fn a_letter_in_another_case_is_an_error_as_well() {
    let (system, _portal) = sealed();
    for (path, bytes) in system.keystore_files() {
        for at in (0..bytes.len()).filter(|at| bytes[*at].is_ascii_alphabetic()) {
            let mut wrong = bytes.clone();
            wrong[at] ^= 0x20;
            fs::write(&path, &wrong).unwrap();
            let output = system.run(&["--timeout", "60", "-reipliscsiop"]);
            let context = format!("byte {at} of {} in {}", bytes.len(), path.display());
            assert_eq!(output.status.code(), Some(3), "{context}:\n{output}");
        }
        fs::write(&path, &bytes).unwrap();
    }
    system.assert_connects();
}

#[test]
fn a_file_that_is_cut_or_grown_is_an_error_everywhere() {
    let (system, portal) = sealed();
    for (path, bytes) in system.keystore_files() {
        for wrong in [
            Vec::new(),
            bytes[..1].to_vec(),
            bytes[..bytes.len() / 2].to_vec(),
            // The line end is no part of the document.
            bytes.trim_ascii_end()[1..].to_vec(),
            bytes[..bytes.trim_ascii_end().len() - 1].to_vec(),
            [&bytes[..], b"\0"].concat(),
            [&bytes[..], b"x"].concat(),
            [&bytes[..], &bytes].concat(),
            vec![0; bytes.len()],
            b"{}".to_vec(),
            b"null".to_vec(),
        ] {
            fs::write(&path, &wrong).unwrap();
            let context = format!("{} bytes in {}", wrong.len(), path.display());
            assert_refused(&system, &portal, &path, &context);
        }
        fs::write(&path, &bytes).unwrap();
    }
    system.assert_connects();
}

#[test]
fn the_files_of_another_keystore_of_this_machine_give_no_wrong_secret() {
    let (system, _portal) = sealed();
    let other = System::enabled();
    other.seal(SECRETS[1]);
    other.add("iqn.lab:a", SECRETS[1], "PLATFORM");
    let own = system.keystore_files();
    let foreign = other.keystore_files();
    // One file at a time, and all of them.
    for (path, bytes) in &own {
        let same = foreign
            .iter()
            .find(|(foreign, _)| foreign.file_name() == path.file_name());
        let Some((_, wrong)) = same else { continue };
        fs::write(path, wrong).unwrap();
        let output = system.run(&["-reipliscsiop"]);
        assert_ne!(
            output.status.code(),
            Some(0),
            "{}:\n{output}",
            path.display()
        );
        fs::write(path, bytes).unwrap();
    }
    system.assert_connects();
}

#[test]
fn an_older_file_of_the_same_keystore_gives_no_wrong_secret_for_another_target() {
    let system = System::enabled();
    let portal = vtl(&[("iqn.lab:a", SECRETS[0]), ("iqn.lab:b", SECRETS[1])]);
    system.seal(SECRETS[0]);
    system.seal(SECRETS[1]);
    system.add_at(portal.port(), "iqn.lab:a", SECRETS[0], "PLATFORM");
    let old = system.home().join("old");
    copy(&system.keystore(), &old);
    system.add_at(portal.port(), "iqn.lab:b", SECRETS[1], "PLATFORM");
    system.assert_connects();
    fs::remove_dir_all(system.keystore()).unwrap();
    copy(&old, &system.keystore());
    // What is there still works, and what is missing is named.
    let output = system.run(&["-reipliscsiop"]);
    assert_ne!(output.status.code(), Some(0), "{output}");
    let output = output.to_string();
    assert!(output.contains("iqn.lab:b"), "{output}");
}

#[test]
#[cfg(feature = "peers")]
fn a_copy_of_both_directories_on_another_machine_yields_no_secret() {
    let (system, portal) = sealed();
    let copied = system.replica(true);
    // The copy is whole: on this machine it works.
    copied.assert_connects();
    let before = copied.keystore_files();
    let copied = copied.on_another_machine();
    let output = copied.run(&["--timeout", "60", "-reipliscsiop"]);
    assert!(matches!(output.status.code(), Some(3 | 4)), "{output}");
    let said = output.to_string().to_lowercase();
    assert!(
        said.contains("keystore") && said.contains("machine"),
        "{output}"
    );
    let moving = ["partition", "set", "--keystore-size", "0", "--move-to-disk"];
    let output = copied.run(&moving);
    assert_ne!(output.status.code(), Some(0), "{output}");
    let port = portal.port().to_string();
    let to_disk = [
        &words("-changetarget", &port, "iqn.lab:a")[..],
        &["-chapkeystore", "NONE"],
    ]
    .concat();
    let output = copied.run(&to_disk);
    assert_ne!(output.status.code(), Some(0), "{output}");
    let copied = copied.on_this_machine();
    assert_eq!(copied.keystore_files(), before, "nothing was destroyed");
    copied.assert_connects();
}

#[test]
fn a_copy_of_the_state_directory_alone_holds_no_secret_at_all() {
    let (system, _portal) = sealed();
    let replica = system.replica(false);
    assert!(!replica.keystore().exists());
    assert!(replica.files_with(SECRETS[0]).is_empty());
}

#[test]
fn the_same_secret_is_sealed_differently_each_time() {
    let (system, portal) = sealed();
    let mut seen = vec![system.keystore_files()];
    for _ in 0..4 {
        for secret in [SECRETS[1], SECRETS[0]] {
            system.seal(secret);
            system
                .change_at(
                    portal.port(),
                    "iqn.lab:a",
                    &["-initiatorchapsecret", secret],
                )
                .assert_status(0);
            let files = system.keystore_files();
            assert!(!seen.contains(&files), "the same bytes again");
            seen.push(files);
        }
    }
    system.assert_connects();
}

#[test]
fn the_directory_and_its_files_are_private_whatever_the_umask() {
    for umask in ["000", "022", "077", "277"] {
        let system = System::new();
        system.seal(SECRETS[0]);
        let add = add_words("1", "iqn.lab:a", SECRETS[0], "PLATFORM")
            .join(" ")
            .replace('*', "'*'");
        let script = format!(
            "umask {umask}; iscsiswiconfig partition set --keystore-size 4096 && iscsiswiconfig {add}"
        );
        let mut shell = system.environment().command_of(Path::new("/bin/sh"));
        shell
            .env("ISCSISWICONFIG_KEYSTORE_DIR", system.keystore())
            .args(["-c", &script]);
        system.finish(shell).assert_status(0);
        assert_eq!(mode(&system.keystore()), 0o700, "umask {umask}");
        let files = search::files(&system.keystore());
        assert!(!files.is_empty());
        for (path, _) in files {
            assert_eq!(mode(&path), 0o600, "{}, umask {umask}", path.display());
        }
        for name in system.environment().state_listing() {
            assert_eq!(mode(&system.environment().state_file(&name)), 0o600);
        }
    }
}

#[test]
fn a_file_that_others_may_touch_is_refused() {
    let (system, portal) = sealed();
    for (path, _) in system.keystore_files() {
        for wrong in [0o640, 0o604, 0o620, 0o602, 0o644, 0o666] {
            set_mode(&path, wrong);
            let context = format!("mode {wrong:o} of {}", path.display());
            assert_refused(&system, &portal, &path, &context);
            assert_eq!(mode(&path), wrong, "{context}");
        }
        set_mode(&path, 0o600);
    }
    system.assert_connects();
}

#[test]
fn a_directory_that_others_can_write_is_refused() {
    let (system, portal) = sealed();
    let file = system.keystore_files()[0].0.clone();
    for wrong in [0o770, 0o707, 0o720, 0o702, 0o1777] {
        set_mode(&system.keystore(), wrong);
        assert_refused(
            &system,
            &portal,
            &file,
            &format!("directory of mode {wrong:o}"),
        );
    }
    set_mode(&system.keystore(), 0o700);
    system.assert_connects();
}

#[test]
#[cfg(feature = "peers")]
fn a_directory_of_another_user_is_refused() {
    let (system, portal) = sealed();
    let file = system.keystore_files()[0].0.clone();
    chown(system.keystore(), Some(65534), Some(65534)).expect("chown, which needs root");
    assert_refused(&system, &portal, &file, "directory of another user");
    chown(system.keystore(), Some(0), Some(0)).unwrap();
    system.assert_connects();
}

#[test]
fn what_is_no_file_in_place_of_a_file_is_refused() {
    let (system, portal) = sealed();
    for (path, bytes) in system.keystore_files() {
        let elsewhere = system.home().join("elsewhere");
        fs::rename(&path, &elsewhere).unwrap();
        symlink(&elsewhere, &path).unwrap();
        assert_refused(
            &system,
            &portal,
            &path,
            &format!("{} is a link", path.display()),
        );
        assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
        assert_eq!(fs::read(&elsewhere).unwrap(), bytes, "written through");
        fs::remove_file(&path).unwrap();

        symlink(system.home().join("nowhere"), &path).unwrap();
        assert_refused(
            &system,
            &portal,
            &path,
            &format!("{} dangles", path.display()),
        );
        assert!(!system.home().join("nowhere").exists());
        fs::remove_file(&path).unwrap();

        fs::create_dir(&path).unwrap();
        assert_refused(
            &system,
            &portal,
            &path,
            &format!("{} is a directory", path.display()),
        );
        fs::remove_dir(&path).unwrap();

        // A pipe would let a careless reader wait for ever.
        let made = Command::new("mkfifo")
            .args(["-m", "600"])
            .arg(&path)
            .status();
        assert!(made.unwrap().success());
        let output = system.run(&["-reipliscsiop"]);
        assert_eq!(output.status.code(), Some(3), "a pipe:\n{output}");
        fs::remove_file(&path).unwrap();
        fs::rename(&elsewhere, &path).unwrap();
    }
    system.assert_connects();
}

#[test]
fn a_keystore_directory_that_cannot_be_one_is_an_error_of_the_state() {
    let system = System::new();
    fs::write(system.keystore(), b"").unwrap();
    system.resize(USUAL_SIZE, 3);
    let nowhere = "/proc/nowhere";
    let set = [
        "--keystore-dir",
        nowhere,
        "partition",
        "set",
        "--keystore-size",
        "4096",
    ];
    system.run(&set).assert_status(3).says(&[nowhere]);
}

/// Returns every file below the home directory that is not in the state directory.
fn outside(environment: &TestEnvironment) -> Vec<PathBuf> {
    search::files(environment.home())
        .into_iter()
        .map(|(path, _)| path)
        .filter(|path| !path.starts_with(environment.state()))
        .collect()
}

#[test]
fn the_directory_is_outside_the_state_directory_and_can_be_named() {
    let environment = TestEnvironment::new();
    environment
        .run(&["partition", "set", "--keystore-size", "4096"])
        .assert_status(0);
    environment
        .run(&add_words("1", "iqn.lab:a", SECRETS[0], "PLATFORM"))
        .assert_status(0);
    let files = outside(&environment);
    assert!(!files.is_empty(), "no file outside the state directory");
    for file in &files {
        assert_eq!(mode(file), 0o600, "{}", file.display());
        assert_eq!(mode(file.parent().unwrap()), 0o700, "{}", file.display());
    }

    // The option goes before the variable, before or behind the words of a host command.
    let system = System::new();
    let named = system.home().join("named");
    let option = ["--keystore-dir", named.to_str().unwrap()];
    let set = ["partition", "set", "--keystore-size", "4096"];
    system.run(&[&option[..], &set].concat()).assert_status(0);
    let add = add_words("1", "iqn.lab:a", SECRETS[0], "PLATFORM");
    system.run(&[&option[..], &add].concat()).assert_status(0);
    system
        .run(&[&["partition"], &option[..]].concat())
        .assert_status(0);
    assert!(named.exists());
    assert!(search::files(&system.keystore()).is_empty());
}

#[test]
fn two_state_directories_do_not_get_each_others_secrets() {
    let portal = vtl(&[("iqn.lab:a", SECRETS[0])]);
    let other_vtl = vtl(&[("iqn.lab:a", SECRETS[1])]);
    for keystore in [None, Some("shared")] {
        let environment = TestEnvironment::new();
        let run = |state: &str, words: &[&str]| {
            let state = environment.home().join(state);
            let mut command = environment.command();
            command.arg("--state-dir").arg(state);
            if let Some(name) = keystore {
                command
                    .arg("--keystore-dir")
                    .arg(environment.home().join(name));
            }
            command.args(words);
            environment.finish(command)
        };
        let port = portal.port().to_string();
        let other_port = other_vtl.port().to_string();
        let set = ["partition", "set", "--keystore-size", "4096"];
        run("one", &set).assert_status(0);
        let add = add_words(&port, "iqn.lab:a", SECRETS[0], "PLATFORM");
        run("one", &add).assert_status(0);
        run("one", &["-reipliscsiop"]).assert_status(0);

        // The second one gets its own, or is told that it cannot share; the first one is none the worse.
        let mut second = run("two", &set).status.code() == Some(0);
        let add = add_words(&other_port, "iqn.lab:a", SECRETS[1], "PLATFORM");
        second = second && run("two", &add).status.code() == Some(0);
        run("one", &["-reipliscsiop"]).assert_status(0);
        if second {
            run("two", &["-reipliscsiop"]).assert_status(0);
            run("two", &["-clearconfig"]).assert_status(0);
        }
        run("one", &["-reipliscsiop"]).assert_status(0);
        assert!(
            second || keystore.is_some(),
            "the default is no place for two"
        );
    }
}
