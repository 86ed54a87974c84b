//! The fixture itself is what the tests take it for, as an initiator that is not ours sees it.

use std::process::Command;

use super::judge;
use super::raw_initiator::RawInitiator;
use super::relay::{Conduct, Direction, Relay};
use super::tgtd::{Access, Target, Tgtd};

const NAME: &str = "iqn.2012-01.lab.vtl:proof";

fn libiscsi(program: &str, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("{program} (Debian package libiscsi-bin): {error}"));
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

#[test]
fn tgtd_serves_the_library_that_was_asked_for() {
    let tgtd = Tgtd::serving(Target::library(
        NAME,
        "0000078A12340401",
        2,
        8,
        1_000_000_001,
    ));
    let portal = format!("iscsi://127.0.0.1:{}", tgtd.port());

    let (_, listed) = libiscsi("iscsi-ls", &["-s", &portal]);
    assert!(listed.contains(NAME), "{listed}");
    assert_eq!(listed.matches("SEQUENTIAL_ACCESS").count(), 2, "{listed}");
    assert_eq!(listed.matches("MEDIA_CHANGER").count(), 1, "{listed}");

    let (ok, drive) = libiscsi("iscsi-inq", &[&format!("{portal}/{NAME}/2")]);
    assert!(
        ok && drive.contains("ULT3580-TD5") && drive.contains("E4J1"),
        "{drive}"
    );
    let serial = ["-e", "1", "-c", "128", &format!("{portal}/{NAME}/2")];
    let (ok, serial) = libiscsi("iscsi-inq", &serial);
    assert!(ok && serial.contains("1000000002"), "{serial}");
    let (ok, changer) = libiscsi("iscsi-inq", &[&format!("{portal}/{NAME}/3")]);
    assert!(
        ok && changer.contains("03584L32") && changer.contains("IBM"),
        "{changer}"
    );
}

#[test]
fn tgtd_lets_in_only_whom_it_was_told_to() {
    let mut tgtd = Tgtd::serving(Target::empty(NAME).access(Access::Nobody));
    tgtd.add(Target::empty("iqn.lab:secret").account("VTLUSER", "SECRET1234567890"));
    let shut = format!("iscsi://127.0.0.1:{}/{NAME}/0", tgtd.port());
    let (ok, said) = libiscsi("iscsi-inq", &[&shut]);
    assert!(!ok, "{said}");
    tgtd.allow(NAME, &Access::Address("127.0.0.1".to_owned()));
    let (ok, said) = libiscsi("iscsi-inq", &[&shut]);
    assert!(ok, "{said}");

    let without = format!("iscsi://127.0.0.1:{}/iqn.lab:secret/0", tgtd.port());
    let (ok, said) = libiscsi("iscsi-inq", &[&without]);
    assert!(!ok, "{said}");
    let with = format!(
        "iscsi://VTLUSER%SECRET1234567890@127.0.0.1:{}/iqn.lab:secret/0",
        tgtd.port()
    );
    let (ok, said) = libiscsi("iscsi-inq", &[&with]);
    assert!(ok, "{said}");
}

#[test]
fn tgtd_is_gone_when_killed_and_back_when_restarted() {
    let mut tgtd = Tgtd::serving(Target::empty(NAME));
    let url = format!("iscsi://127.0.0.1:{}/{NAME}/0", tgtd.port());
    assert!(libiscsi("iscsi-inq", &[&url]).0);
    tgtd.kill();
    assert!(!libiscsi("iscsi-inq", &[&url]).0);
    tgtd.restart();
    tgtd.add(Target::empty(NAME));
    assert!(libiscsi("iscsi-inq", &[&url]).0);
}

#[test]
fn the_relay_counts_the_exchanges_of_a_serial_initiator() {
    let target = Target::library(NAME, "0000078A12340401", 1, 4, 1_000_000_001)
        .barcodes(&["VTA001L5", "VTA002L5"]);
    let tgtd = Tgtd::serving(target);
    let relay = Relay::counting_flights(tgtd.port());
    let mut initiator = RawInitiator::login(relay.port(), NAME);
    initiator.move_medium(2, 1025, 257);
    initiator.logout();
    // Login, TEST UNIT READY, MOVE MEDIUM, Logout.
    assert_eq!(
        relay.connection().flights(),
        [[0x03], [0x01], [0x01], [0x06]]
    );
    let directory = tempfile::tempdir().unwrap();
    judge::assert_well_formed(&relay.connection(), directory.path());
}

#[test]
fn the_relay_cuts_where_it_was_told_to() {
    let tgtd = Tgtd::serving(Target::empty(NAME));
    let relay = Relay::start(
        tgtd.port(),
        Conduct {
            drop_after: Some(10),
            ..Conduct::default()
        },
    );
    let url = format!("iscsi://127.0.0.1:{}/{NAME}/0", relay.port());
    let (ok, said) = libiscsi("timeout", &["5", "iscsi-inq", &url]);
    assert!(!ok, "{said}");
    assert_eq!(
        relay.connections()[0].bytes(Direction::FromTarget).len(),
        10
    );
}
