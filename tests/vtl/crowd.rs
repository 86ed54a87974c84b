//! Many connections at once, and initiators that guess secrets or hold data back.

use std::fs;
use std::io::Read;
use std::net::TcpStream;

use iscsiswiconfig::iscsi::ids::LoginStatus;
use iscsiswiconfig::transport::initiator::DataDirection;

use super::tape::{DRIVE, REWIND, WRITE_A_FILEMARK, load, variable};
use super::{CHAP_NAME, INITIATOR, NAME, SECRET, configured, reipl, start_with_chap};
use crate::common::TestEnvironment;
use crate::peers::raw_initiator::RawInitiator;
use crate::peers::tape_initiator::TapeInitiator;
use crate::peers::vtl::Vtl;

/// So long that no login of these tests is given up.
const FOR_EVER: [&str; 2] = ["--timeout", "600"];

fn silent(vtl: &Vtl, count: usize) -> Vec<TcpStream> {
    (0..count)
        .map(|_| TcpStream::connect(vtl.portal()).unwrap())
        .collect()
}

#[test]
fn connections_that_say_nothing_keep_no_login_out_and_the_oldest_go_first() {
    let environment = TestEnvironment::new();
    let vtl = Vtl::start(&environment, &FOR_EVER);
    let mut connections = silent(&vtl, 300);
    let initiator = TapeInitiator::login(vtl.portal(), NAME, 1);
    // It made room for itself: the first one is closed.
    assert_eq!(connections[0].read(&mut [0]).unwrap_or(0), 0);
    // The session stays, whatever comes.
    connections.extend(silent(&vtl, 300));
    initiator.logout();
    vtl.stop();
}

#[test]
fn a_crowd_leaves_the_files_for_the_cartridges() {
    let environment = TestEnvironment::new();
    let media = environment.home().join("media");
    let mut options = FOR_EVER.to_vec();
    options.extend(["--media-dir", media.to_str().unwrap()]);
    let vtl = Vtl::start_with_open_files(&environment, 48, &options);
    let mut crowd = silent(&vtl, 100);
    let mut initiator = TapeInitiator::login(vtl.portal(), NAME, 1);
    crowd.extend(silent(&vtl, 100));
    load(&mut initiator);
    let block = DataDirection::Out(vec![7; 512].into());
    initiator.good(DRIVE, &variable(0x0a, 512), block);
    initiator.good(DRIVE, &WRITE_A_FILEMARK, DataDirection::None);
    crowd.extend(silent(&vtl, 100));
    initiator.good(DRIVE, &REWIND, DataDirection::None);
    let read = initiator.good(DRIVE, &variable(0x08, 512), DataDirection::In(512));
    assert_eq!(read, vec![7; 512]);
    initiator.logout();
    vtl.stop();
}

#[test]
fn guesses_are_told_once_and_wait_longer_each_time() {
    let environment = TestEnvironment::new();
    let vtl = start_with_chap(&environment, SECRET, &["--timeout", "1.9"]);
    let guess = || TapeInitiator::guess(vtl.portal(), NAME, INITIATOR, CHAP_NAME);
    for number in 1..=4 {
        assert_eq!(guess(), Some(LoginStatus::new(2, 1)));
        let line = vtl.login_line();
        let is_last = line.ends_with("; more of these are counted, and told when they end");
        assert_eq!(is_last, number == 4, "{line}");
    }
    // Those that wait a quarter, a half and a whole second.
    for _ in 0..3 {
        assert_eq!(guess(), Some(LoginStatus::new(2, 1)));
    }
    // This one would have to wait for two seconds, and a login may not take as long.
    assert_eq!(guess(), None);
    let line = vtl.login_line();
    assert!(line.ends_with("given up: no login within 1.9 s"), "{line}");
    // Another initiator does not wait, and what was counted is told at the end.
    let other = configured(vtl.portal(), "iqn.test:other", Some(SECRET));
    reipl(&other, &[], 0);
    assert!(vtl.login_line().contains("iqn.test:other"));
    let (status, lines) = vtl.stop_and_read();
    assert!(status.success());
    let counted = format!(
        "{INITIATOR} 127.0.0.1 refused, status 0x0201 (Authentication failure): 3 more logins"
    );
    assert!(
        lines.iter().any(|line| line.ends_with(&counted)),
        "{lines:?}"
    );
}

#[test]
fn data_that_is_held_for_missing_commands_is_bounded_over_all_sessions() {
    let environment = TestEnvironment::new();
    let vtl = Vtl::start(&environment, &FOR_EVER);
    let block = vec![7; 256 * 1024];
    let mut sessions: Vec<_> = (1..=16)
        .map(|port| RawInitiator::login_as(vtl.port(), NAME, port))
        .collect();
    // 16 times 5 mebibytes: more than twice what is held.
    for session in &mut sessions {
        for ahead in 1..=20 {
            if !session.write_ahead(ahead, &block) {
                break;
            }
        }
    }
    let dropped = sessions.iter_mut().map(RawInitiator::is_dropped);
    let dropped = dropped.filter(|dropped| *dropped).count();
    assert!(dropped >= 9, "{dropped} sessions were dropped");
    assert!(dropped < 16, "what is within the bound is held");
    let status = fs::read_to_string(format!("/proc/{}/status", vtl.id())).unwrap();
    let peak = super::memory::kibibytes(&status, "VmHWM:");
    assert!(peak < 64 * 1024, "{peak} KiB");
    drop(sessions);
    vtl.stop();
}

#[test]
fn data_that_one_session_holds_for_a_missing_command_is_bounded_too() {
    let environment = TestEnvironment::new();
    let vtl = Vtl::start(&environment, &FOR_EVER);
    let block = vec![7; 256 * 1024];
    let mut greedy = RawInitiator::login_as(vtl.port(), NAME, 1);
    let mut modest = RawInitiator::login_as(vtl.port(), NAME, 2);
    for ahead in 1..=24 {
        assert!(modest.write_ahead(ahead, &block));
    }
    // A block more than six mebibytes, and all sessions together hold less than they may.
    for ahead in 1..=25 {
        if !greedy.write_ahead(ahead, &block) {
            break;
        }
    }
    assert!(greedy.is_dropped());
    assert!(!modest.is_dropped());
    vtl.stop();
}
