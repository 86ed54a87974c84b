use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;

use super::target::{NAME, Peer, Target};
use super::{assert_failed, attached, configure, re_ipl, re_ipl_within};
use crate::common::{TestEnvironment, targets};

fn conforming() -> Target {
    Target::start(|peer| peer.run(|_| None))
}

#[test]
fn a_good_target_is_reported_beside_64_silent_ones() {
    let (silent, good) = (Target::start(Peer::stay_silent), conforming());
    let mut configured: Vec<_> = (0..64)
        .map(|number| (format!("{NAME}-{number}"), silent.port))
        .collect();
    configured.insert(32, (NAME.to_owned(), good.port));
    let environment = TestEnvironment::new();
    configure(&environment, &configured);
    let output = re_ipl_within(&environment, "3").assert_status(4);
    for (index, target) in targets(&output.json()).iter().enumerate() {
        if index == 32 {
            assert_eq!(target["status"], "CONNECTED", "{target:#}");
            assert_eq!(target["libraries"][0]["device"], "TAPMLB01");
        } else {
            assert_failed(target, "login");
        }
    }
}

#[test]
fn a_re_ipl_after_a_killed_one_has_the_same_isid() {
    let isids = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&isids);
    let target = Target::start(move |peer| {
        let request = peer.log_in()?;
        seen.lock().unwrap().push(request.isid);
        if peer.number == 0 {
            return peer.stay_silent();
        }
        peer.serve(super::target::library)
    });
    let environment = attached(&target);
    let mut killed = environment.start(&["--timeout", "60", "-reipliscsiop"]);
    while isids.lock().unwrap().is_empty() {
        thread::sleep(Duration::from_millis(5));
    }
    killed.kill();
    let _ = killed.wait();
    let _ = re_ipl(&environment).assert_status(0);
    let isids = isids.lock().unwrap();
    assert_eq!(isids.len(), 2);
    assert_eq!(isids[0], isids[1]);
}

#[test]
fn more_targets_than_open_files_are_all_attached() {
    let good = conforming();
    let configured: Vec<_> = (0..150)
        .map(|number| (format!("{NAME}-{number}"), good.port))
        .collect();
    let environment = TestEnvironment::new();
    configure(&environment, &configured);
    let mut command = environment.command_of(Path::new("/bin/sh"));
    let line = "ulimit -n 64 && exec iscsiswiconfig --json --timeout 60 -reipliscsiop";
    command.args(["-c", line]);
    let output = environment.finish(command).assert_status(0);
    assert_eq!(targets(&output.json()).len(), 150);
}

#[test]
fn targets_that_never_stop_talking_hold_up_no_other() {
    let flood = Target::start(|peer| {
        peer.log_in()?;
        let ping = peer.encoded(&peer.ping()).repeat(1000);
        loop {
            peer.stream.write_all(&ping)?;
        }
    });
    let good = conforming();
    let mut configured: Vec<_> = (0..4)
        .map(|number| (format!("{NAME}-{number}"), flood.port))
        .collect();
    configured.push((NAME.to_owned(), good.port));
    let environment = TestEnvironment::new();
    configure(&environment, &configured);
    let output = re_ipl_within(&environment, "3").assert_status(4);
    let document = output.json();
    let (floods, good) = targets(&document).split_at(4);
    floods
        .iter()
        .for_each(|target| assert_failed(target, "enumerate"));
    assert_eq!(good[0]["status"], "CONNECTED", "{:#}", good[0]);
}

#[test]
fn all_targets_are_contacted_at_the_same_time() {
    const COUNT: usize = 8;
    // A target answers once every one of them is connected.
    let together = Arc::new(Barrier::new(COUNT));
    let target = Target::start(move |peer| {
        together.wait();
        peer.run(|_| None)
    });
    let configured: Vec<_> = (0..COUNT)
        .map(|number| (format!("{NAME}-{number}"), target.port))
        .collect();
    let environment = TestEnvironment::new();
    configure(&environment, &configured);
    environment
        .run(&["--timeout", "60", "-reipliscsiop"])
        .assert_status(0);
}
