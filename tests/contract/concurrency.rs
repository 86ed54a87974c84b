//! Locks, many writers, and processes killed at any moment.

use std::fs::{self, File, OpenOptions};
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use fs2::FileExt;

use super::add;
use crate::common::{Running, TestEnvironment, binary};
use crate::peers::embedded::{Portal, Target};

const SHORT: [&str; 2] = ["--lock-timeout", "0.2"];

/// The files in the state directory that are there to be locked.
fn lock_files(environment: &TestEnvironment) -> Vec<String> {
    environment
        .state_listing()
        .into_iter()
        .filter(|name| name.contains("lock"))
        .collect()
}

/// A lock that the test holds.
struct Held(File);

impl Drop for Held {
    /// Closing is not enough: a child that another test has forked and that has not yet become its program still has
    /// the file open, and the lock with it.
    fn drop(&mut self) {
        FileExt::unlock(&self.0).expect("unlock");
    }
}

fn lock(environment: &TestEnvironment, name: &str) -> Held {
    let path = environment.state_file(name);
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    file.lock_exclusive().unwrap();
    Held(file)
}

fn with<'a>(options: &[&'a str], words: &[&'a str]) -> Vec<&'a str> {
    [options, words].concat()
}

/// The lock file that stops an edit.
fn configuration_lock(environment: &TestEnvironment) -> String {
    environment
        .run(&["-setport", "-targetport", "5"])
        .assert_status(0);
    let names = lock_files(environment);
    let stops = |name: &&String| {
        let _held = lock(environment, name);
        let output = environment.run(&with(&["--lock-timeout", "0.05"], &["-commit"]));
        output.status.code() == Some(3)
    };
    names
        .iter()
        .find(stops)
        .unwrap_or_else(|| panic!("none of {names:?} is the lock of a writer"))
        .clone()
}

#[test]
fn a_lock_that_is_not_free_in_time_is_an_error_and_nothing_is_written() {
    let environment = TestEnvironment::new();
    environment
        .run(&add("iqn.2026-01.a:b", &[]))
        .assert_status(0);
    let name = configuration_lock(&environment);
    let held = lock(&environment, &name);
    let before = environment.snapshot();
    for words in [
        &add("iqn.2026-01.a:c", &[])[..],
        &["-newname", "-targetname", "iqn.2026-01.a:c"],
        &["-appendname", "-targetname", "c"],
        &["-setport", "-targetport", "7"],
        &["-setkeystore", "-chapkeystore", "NONE"],
        &["-commit"],
        &["-clearconfig"],
    ] {
        let output = environment.run(&with(&SHORT, words));
        output.assert_status(3).says(&["lock"]);
        assert_eq!(environment.snapshot(), before, "{words:?}");
    }
    drop(held);
    environment
        .run(&add("iqn.2026-01.a:c", &[]))
        .assert_status(0);
    assert!(
        environment.state_listing().contains(&name),
        "the lock file is never removed"
    );
}

#[test]
fn readers_take_no_lock() {
    let environment = TestEnvironment::new();
    environment
        .run(&add("iqn.2026-01.a:b", &[]))
        .assert_status(0);
    let _ = environment.reipl(4);
    let _held: Vec<_> = lock_files(&environment)
        .iter()
        .map(|name| lock(&environment, name))
        .collect();
    for words in [
        &["-dumptargets"][..],
        &["-dumpinitiators"],
        &["--json", "-dumptargets"],
        &["-help"],
    ] {
        let output = environment.run(&with(&SHORT, words));
        output.assert_status(0);
    }
}

#[test]
fn a_writer_waits_for_the_lock_as_long_as_it_was_told_to() {
    let environment = TestEnvironment::new();
    environment
        .run(&add("iqn.2026-01.a:b", &[]))
        .assert_status(0);
    let held = lock(&environment, &configuration_lock(&environment));
    let mut waiting = environment.start(&with(
        &["--lock-timeout", "20"],
        &add("iqn.2026-01.a:c", &[]),
    ));
    thread::sleep(Duration::from_millis(300));
    drop(held);
    waiting.wait().expect("the lock is free").assert_status(0);
    assert_eq!(
        environment.configured_targets(),
        ["iqn.2026-01.a:b", "iqn.2026-01.a:c"]
    );
}

/// A second process that was stopped while it held the lock of a writer.
struct Stopped(Running);

impl Drop for Stopped {
    fn drop(&mut self) {
        self.0.kill();
    }
}

/// Stops an edit while it holds the lock, which /proc/locks tells, and has written its id there.
fn stop_while_locked(environment: &TestEnvironment) -> Stopped {
    let locked = |id: u32| {
        let id = id.to_string();
        let noted = fs::read_to_string(environment.state_file("config.lock"));
        if noted.map_or(true, |noted| noted.trim() != id) {
            return false;
        }
        let locks = fs::read_to_string("/proc/locks").unwrap();
        // A line with an arrow is a process that waits.
        locks.lines().any(|line| {
            line.contains("FLOCK")
                && !line.contains("->")
                && line.split_whitespace().any(|word| word == id)
        })
    };
    for attempt in 0..300 {
        let port = (attempt + 1).to_string();
        let running = environment.start(&["-setport", "-targetport", &port]);
        let id = running.id();
        let started = Instant::now();
        while started.elapsed() < Duration::from_millis(200) {
            if !locked(id) {
                continue;
            }
            let process = rustix::process::Pid::from_raw(i32::try_from(id).unwrap()).unwrap();
            let _ = rustix::process::kill_process(process, rustix::process::Signal::STOP);
            thread::sleep(Duration::from_millis(20));
            if locked(id) {
                return Stopped(running);
            }
            break;
        }
        let _ = rustix::process::Pid::from_raw(i32::try_from(id).unwrap())
            .map(|process| rustix::process::kill_process(process, rustix::process::Signal::CONT));
    }
    panic!("no edit could be stopped while it held its lock");
}

#[test]
fn the_holder_of_the_configuration_lock_is_named_by_its_pid() {
    let environment = TestEnvironment::new();
    let holder = stop_while_locked(&environment);
    let refused = environment
        .run(&with(&SHORT, &add("iqn.2026-01.a:b", &[])))
        .assert_status(3);
    let named = format!("is locked by process {}", holder.0.id());
    assert!(refused.stderr.contains(&named), "{}", refused.stderr);
    drop(holder);
    // A holder that died holds nothing.
    environment
        .run(&with(&SHORT, &add("iqn.2026-01.a:b", &[])))
        .assert_status(0);
}

fn port(listener: &TcpListener) -> u16 {
    listener.local_addr().unwrap().port()
}

#[test]
fn one_re_ipl_at_a_time_and_edits_go_on_meanwhile() {
    let stalled = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let environment = TestEnvironment::new();
    environment.add("iqn.lab:slow", "127.0.0.1", port(&stalled));

    let mut first = environment.start(&["--timeout", "60", "-reipliscsiop"]);
    let pid = first.id().to_string();
    let unanswered = stalled.accept().unwrap();
    environment
        .run(&with(&SHORT, &["-reipliscsiop"]))
        .assert_status(3)
        .says(&[&pid]);
    // Nothing holds the configuration's lock during network input and output.
    environment
        .run(&with(&SHORT, &add("iqn.2026-01.a:new", &[])))
        .assert_status(0);
    environment
        .run(&with(&SHORT, &["-dumptargets"]))
        .assert_status(0);
    // Its target goes, and so it ends.
    drop((unanswered, stalled));
    first.wait().expect("a re-IPL gives up").assert_status(4);

    let dump = environment.dump();
    assert_eq!(dump["targets"].as_array().unwrap().len(), 1, "{dump:#}");
    // What was added while the re-IPL ran is not in it.
    assert_eq!(dump["iop"]["configuration_changed"], true, "{dump:#}");
}

#[test]
fn a_re_ipl_that_is_interrupted_leaves_the_active_configuration_as_it_was() {
    let portal = Portal::serving([Target::new("iqn.lab:slow")]);
    let environment = TestEnvironment::new();
    environment.add("iqn.lab:slow", "127.0.0.1", portal.port());
    let before = environment.reipl(0);

    let stalled = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    environment.add("iqn.lab:stalled", "127.0.0.1", port(&stalled));
    for signal in [
        rustix::process::Signal::INT,
        rustix::process::Signal::TERM,
        rustix::process::Signal::HUP,
    ] {
        let mut command = environment.command_heeding_signals(binary());
        command.args(["--timeout", "60", "-reipliscsiop"]);
        let mut running = environment.start_command(command);
        let _unanswered = stalled.accept().unwrap();
        let process = rustix::process::Pid::from_raw(i32::try_from(running.id()).unwrap()).unwrap();
        rustix::process::kill_process(process, signal).unwrap();
        let output = running.wait().expect("a signal ends a re-IPL");
        assert!(!output.status.success(), "{output}");
        let dump = environment.dump();
        assert_eq!(dump["targets"], before["targets"], "{signal:?}");
        assert_eq!(dump["iop"]["ipl_count"], 1, "{signal:?}");
    }
    drop(stalled);
    assert_eq!(environment.reipl(4)["iop"]["ipl_count"], 2);
}

#[test]
fn eight_writers_that_add_ten_targets_each_lose_none() {
    let environment = TestEnvironment::new();
    thread::scope(|scope| {
        for writer in 0..8 {
            let environment = &environment;
            scope.spawn(move || {
                for target in 0..10 {
                    let name = format!("iqn.2026-01.a:{writer:02}-{target:02}");
                    let words = with(&["--lock-timeout", "55"], &add(&name, &[]));
                    environment.run(&words).assert_status(0);
                }
            });
        }
    });
    let mut names = environment.configured_targets();
    names.sort();
    let expected: Vec<_> = (0..8)
        .flat_map(|writer| {
            (0..10).map(move |target| format!("iqn.2026-01.a:{writer:02}-{target:02}"))
        })
        .collect();
    assert_eq!(names, expected);
}
