//! Whose the state directory is: changing an owner needs root.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;

use super::add;
use super::state::{set_mode, used_environment};
use crate::common::TestEnvironment;

#[test]
fn a_directory_of_another_user_is_refused() {
    let environment = used_environment();
    chown(environment.state(), Some(65534), Some(65534)).expect("chown: run the tests as root");
    let before = environment.snapshot();
    environment
        .run(&add("iqn.2026-01.a:c", &[]))
        .assert_status(3)
        .says(&["state"]);
    environment.run(&["-dumptargets"]).assert_status(3);
    assert_eq!(environment.snapshot(), before);
}

#[test]
fn a_user_who_is_not_root_uses_his_own_state_and_roots_but_no_third_ones() {
    const NOBODY: u32 = 65534;
    for (owner, status) in [(NOBODY, 0), (65533, 3)] {
        let environment = TestEnvironment::new();
        let copy = environment.copy_of_binary();
        fs::create_dir(environment.state()).unwrap();
        set_mode(&environment.state(), 0o755);
        chown(environment.home(), Some(NOBODY), Some(NOBODY))
            .expect("chown: run the tests as root");
        chown(environment.state(), Some(owner), Some(owner)).unwrap();
        for words in [&["-dumptargets"][..], &["-setport", "-targetport", "5"]] {
            let mut command = environment.command_of(&copy);
            command.args(words).uid(NOBODY).gid(NOBODY);
            environment.finish(command).assert_status(status);
        }
    }
}

#[test]
fn a_record_of_another_user_is_refused_by_root_too() {
    let environment = TestEnvironment::new();
    environment.run(&add("iqn.a:b", &[])).assert_status(0);
    let _ = environment.reipl(4);
    for (name, reader) in [
        ("config.json", &["-setport", "-targetport", "5"][..]),
        ("active.json", &["-dumptargets"]),
    ] {
        let path = environment.state_file(name);
        chown(&path, Some(65534), Some(65534)).expect("chown: run the tests as root");
        let output = environment.run(&[&["--json"], reader].concat());
        let output = output.assert_status(3).says(&[name, "65534"]);
        assert_eq!(output.json()["error"]["code"], "foreign-owner");
        chown(&path, Some(0), Some(0)).unwrap();
    }
    environment.run(&["-dumptargets"]).assert_status(0);
}

#[test]
fn a_user_without_a_home_names_a_directory() {
    // No user of the machine has this number.
    const STRANGER: u32 = 64_999;
    let environment = TestEnvironment::new();
    let copy = environment.copy_of_binary();
    chown(environment.home(), Some(STRANGER), Some(STRANGER))
        .expect("chown: run the tests as root");
    let mut command = environment.command_of(&copy);
    command.args(["--json", "show"]).uid(STRANGER).gid(STRANGER);
    for variable in [
        "HOME",
        "XDG_STATE_HOME",
        "XDG_DATA_HOME",
        "ISCSISWICONFIG_STATE_DIR",
    ] {
        command.env_remove(variable);
    }
    let output = environment.finish(command).assert_status(3);
    assert_eq!(output.json()["error"]["code"], "no-state-directory");
}

#[test]
fn root_makes_nothing_in_the_home_of_another_user() {
    let environment = TestEnvironment::new();
    chown(environment.home(), Some(65534), Some(65534)).expect("chown: run the tests as root");
    let run = |words: &[&str], state: bool| {
        let mut command = environment.command();
        command
            .env_remove("ISCSISWICONFIG_KEYSTORE_DIR")
            .args(words);
        if !state {
            command.env_remove("ISCSISWICONFIG_STATE_DIR");
        }
        environment.finish(command)
    };
    run(&["-setport", "-targetport", "5"], false)
        .assert_status(3)
        .hints(&["sudo -H", "--state-dir"]);
    assert_eq!(fs::read_dir(environment.home()).unwrap().count(), 0);
    // One that was named is made where it was named; the keystore directory still comes from HOME.
    run(&["-setport", "-targetport", "5"], true).assert_status(0);
    run(&["partition", "set", "--keystore-size", "4096"], true)
        .assert_status(3)
        .hints(&["--keystore-dir"]);
    assert_eq!(fs::read_dir(environment.home()).unwrap().count(), 1);
}
