//! The resident IOP against tgtd, which we did not write.

use rustix::process::{Pid, kill_process};

use super::*;
use crate::peers::tgtd::{Target, Tgtd};

const VOLUMES: [&str; 3] = ["VTA001L5", "VTA002L5", "VTA003L5"];

fn target() -> Target {
    Target::library(NAME, "0000078A12340401", 3, 6, 1_000_000_001).barcodes(&VOLUMES)
}

/// A tgtd, and an IOP that holds a session with it.
fn held(of_iop: &[&str]) -> (Held, Tgtd) {
    let environment = TestEnvironment::new();
    let tgtd = Tgtd::serving(target());
    environment.add(NAME, "127.0.0.1", tgtd.port());
    let iop = Iop::start(&environment, of_iop);
    let held = Held {
        environment,
        vtl: None,
        iop: Some(iop),
    };
    (held, tgtd)
}

/// Returns how many sessions tgtd has.
fn sessions(tgtd: &Tgtd) -> usize {
    let shown = tgtd.admin(&["--op", "show", "--mode", "target"]);
    shown.matches("I_T nexus:").count()
}

#[test]
fn two_drives_are_written_and_one_read_at_once_by_one_session() {
    let (mut held, tgtd) = held(&[]);
    let [first, second, third] = [1, 2, 3].map(|seed| pattern(seed, 3_000_001));
    held.file("third", &third);
    let third_volume = VOLUMES[2];
    held.run(&format!(
        "tape write TAPMLB01 {third_volume} third --drive TAP03"
    ))
    .assert_status(0);
    let mut one = held.writer(&[VOLUMES[0], "--drive", "TAP01"]);
    let mut other = held.writer(&[VOLUMES[1], "--drive", "TAP02"]);
    for (one_part, other_part) in first.chunks(1 << 20).zip(second.chunks(1 << 20)) {
        one.give(one_part);
        other.give(other_part);
    }
    held.run(&format!(
        "tape read TAPMLB01 {third_volume} out --drive TAP03"
    ))
    .assert_status(0);
    assert!(held.read("out") == third);
    assert_eq!(sessions(&tgtd), 1);
    for writer in [one, other] {
        let output = writer.finish();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }
    for (volume, bytes) in [(VOLUMES[0], &first), (VOLUMES[1], &second)] {
        held.run(&format!("tape read TAPMLB01 {volume} {volume}"))
            .assert_status(0);
        assert!(held.read(volume) == *bytes, "{volume}");
    }
    held.iop.take().unwrap().stop();
    assert_eq!(sessions(&tgtd), 0, "it logged out");
}

#[test]
fn a_job_that_is_killed_leaves_the_session_and_the_drive() {
    let (mut held, tgtd) = held(&[]);
    let since = held.status()["since"].clone();
    for given in [0, 1, 300_000, 2_000_000] {
        let mut writer = held.writer(&[VOLUMES[0], "--block-size", "64KiB", "--overwrite"]);
        writer.give(&pattern(7, given));
        held.iop().event("job-begun");
        writer.kill();
        held.iop().event("job-ended");
    }
    held.assert_usable(VOLUMES[0], &since);
    assert_eq!(sessions(&tgtd), 1);
}

#[test]
fn it_is_lost_with_the_target_and_had_again_by_a_re_ipl() {
    let (mut held, mut tgtd) = held(&[]);
    tgtd.kill();
    held.iop().event("lost");
    assert_eq!(held.dump()["status"], "LOST");
    held.run("--timeout 2 tape status TAPMLB01")
        .assert_status(4);
    tgtd.restart();
    tgtd.add(target());
    let report = held.environment.reipl(0);
    assert_eq!(report["targets"][0]["status"], "CONNECTED");
    assert_eq!(report["targets"][0]["libraries"][0]["device"], "TAPMLB01");
    held.run("tape status TAPMLB01").assert_status(0);
}

#[test]
fn it_is_had_again_by_itself_where_that_is_wanted() {
    let (mut held, mut tgtd) = held(&["--reconnect", "--timeout", "3"]);
    tgtd.kill();
    held.iop().event("lost");
    tgtd.restart();
    tgtd.add(target());
    held.iop().event("recovered");
    assert_eq!(held.dump()["status"], "CONNECTED");
    held.run("tape status TAPMLB01").assert_status(0);
}

#[test]
fn it_is_lost_when_the_target_is_stopped() {
    let (mut held, tgtd) = held(&["--timeout", "1"]);
    let pid = i32::try_from(tgtd.id()).unwrap();
    let pid = Pid::from_raw(pid).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    let lost = held.iop().event("lost");
    kill_process(pid, Signal::CONT).unwrap();
    assert_eq!(lost["target_name"], NAME, "{lost:#}");
    assert_eq!(held.dump()["status"], "LOST");
    let report = held.environment.reipl(0);
    assert_eq!(report["targets"][0]["status"], "CONNECTED");
}
