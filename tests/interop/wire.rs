//! The wire itself: flights, digests, printed PDUs, a judge's view, peers that misbehave.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::{CHAP_NAME, NAME, SECRET, add_with_chap, attach, reipl_one, small};
use crate::common::{TestEnvironment, text};
use crate::peers::judge;
use crate::peers::relay::{Conduct, Connection, Direction, Relay};
use crate::peers::tgtd::{Target, Tgtd};

const NOP_OUT: u8 = 0x00;
const SCSI_COMMAND: u8 = 0x01;
const LOGIN_REQUEST: u8 = 0x03;
const LOGOUT_REQUEST: u8 = 0x06;
const NOP_IN: u8 = 0x20;

/// The flights of one re-IPL, without the Logout that ends it.
fn flights(tgtd: &Tgtd, chap: bool) -> Vec<Vec<u8>> {
    let relay = Relay::counting_flights(tgtd.port());
    let environment = TestEnvironment::new();
    if chap {
        add_with_chap(&environment, NAME, relay.port(), CHAP_NAME, SECRET);
    } else {
        environment.add(NAME, "127.0.0.1", relay.port());
    }
    let target = reipl_one(&environment, 0);
    assert_eq!(
        target["libraries"][0]["drives"].as_array().unwrap().len(),
        4,
        "{target:#}"
    );
    let mut flights = relay.connection().flights();
    assert_eq!(
        flights.pop(),
        Some(vec![LOGOUT_REQUEST]),
        "a session ends with a Logout"
    );
    flights
}

#[test]
fn a_re_ipl_takes_four_flights_without_chap_and_seven_with() {
    let target = || Target::library(NAME, "0000078A12340401", 4, 16, 1_000_000_001);
    let without = flights(&Tgtd::serving(target()), false);
    assert!(
        without.len() <= 4,
        "{} flights: {without:x?}",
        without.len()
    );
    assert_eq!(without[0], [LOGIN_REQUEST]);
    assert!(
        without[1..]
            .iter()
            .flatten()
            .all(|opcode| *opcode == SCSI_COMMAND),
        "{without:x?}"
    );

    let with = flights(&Tgtd::serving(target().account(CHAP_NAME, SECRET)), true);
    assert!(with.len() <= 7, "{} flights: {with:x?}", with.len());
    let logins = with
        .iter()
        .filter(|flight| **flight == [LOGIN_REQUEST])
        .count();
    assert!(logins <= 4, "{with:x?}");
}

#[test]
fn a_judge_finds_a_session_without_and_with_chap_well_formed() {
    let plain = small(NAME).barcodes(&["VTA001L5"]).loaded(0, 0);
    let environment = TestEnvironment::new();
    for (target, chap) in [
        (plain, false),
        (small(NAME).account(CHAP_NAME, SECRET), true),
    ] {
        let tgtd = Tgtd::serving(target);
        let relay = Relay::start(tgtd.port(), Conduct::default());
        let environment = TestEnvironment::new();
        if chap {
            add_with_chap(&environment, NAME, relay.port(), CHAP_NAME, SECRET);
        } else {
            environment.add(NAME, "127.0.0.1", relay.port());
        }
        let _ = reipl_one(&environment, 0);
        judge::assert_well_formed(&relay.connection(), environment.home());
    }
    drop(environment);
}

#[test]
fn no_command_changes_the_state_of_a_device() {
    let tgtd = Tgtd::serving(small(NAME).barcodes(&["VTA001L5"]).loaded(0, 0));
    let relay = Relay::start(tgtd.port(), Conduct::default());
    let environment = TestEnvironment::new();
    environment.add(NAME, "127.0.0.1", relay.port());
    let _ = reipl_one(&environment, 0);
    let pdus = relay.connection().pdus(Direction::FromInitiator);
    let mut commands = 0;
    for pdu in pdus.iter().filter(|pdu| pdu.opcode() == SCSI_COMMAND) {
        let cdb = &pdu.header[32..48];
        let lun = u16::from_be_bytes([pdu.header[8], pdu.header[9]]);
        commands += 1;
        // TEST UNIT READY, REQUEST SENSE, INQUIRY, MODE SENSE, READ ELEMENT STATUS, REPORT LUNS.
        let harmless = [0x00, 0x03, 0x12, 0x1a, 0x5a, 0xb8, 0xa0];
        assert!(harmless.contains(&cdb[0]), "CDB {cdb:x?} to LUN {lun}");
        if cdb[0] == 0xb8 {
            assert_eq!(lun, 3, "READ ELEMENT STATUS to what is no changer");
            assert_ne!(cdb[1] & 0x0f, 0, "all element types at once");
        }
    }
    assert!(commands > 6, "{commands} commands");
}

#[test]
fn digests_are_used_when_the_target_asks_for_them() {
    for (header, data) in [("CRC32C", "None"), ("None", "CRC32C"), ("CRC32C", "CRC32C")] {
        let target = small(NAME)
            .setting("HeaderDigest", header)
            .setting("DataDigest", data);
        let tgtd = Tgtd::serving(target.barcodes(&["VTA001L5"]).loaded(0, 1));
        let target = attach(&tgtd, NAME);
        assert_eq!(target["session"]["header_digest"], header, "{target:#}");
        assert_eq!(target["session"]["data_digest"], data, "{target:#}");
        assert_eq!(
            target["libraries"][0]["drives"][1]["volume"], "VTA001L5",
            "{target:#}"
        );
    }
}

#[test]
fn a_judge_finds_a_session_with_digests_well_formed() {
    let target = small(NAME)
        .setting("HeaderDigest", "CRC32C")
        .setting("DataDigest", "CRC32C");
    let tgtd = Tgtd::serving(target);
    let relay = Relay::start(tgtd.port(), Conduct::default());
    let environment = TestEnvironment::new();
    environment.add(NAME, "127.0.0.1", relay.port());
    let target = reipl_one(&environment, 0);
    assert_eq!(target["session"]["header_digest"], "CRC32C");
    judge::assert_well_formed(&relay.connection(), environment.home());
}

#[test]
fn what_the_login_offers_is_what_was_configured() {
    // Current stage 1, next stage 3, transit: one exchange.
    const ONE_EXCHANGE: u8 = 0x87;
    let tgtd = Tgtd::serving(small(NAME));
    let relay = Relay::start(tgtd.port(), Conduct::default());
    let environment = TestEnvironment::new();
    environment.add(NAME, "127.0.0.1", relay.port());
    let _ = reipl_one(&environment, 0);
    let connection = relay.connection();
    let pdus = connection.pdus(Direction::FromInitiator);
    let logins: Vec<_> = pdus
        .iter()
        .filter(|pdu| pdu.opcode() == LOGIN_REQUEST)
        .collect();
    assert_eq!(logins.len(), 1);
    assert_eq!(logins[0].header[1], ONE_EXCHANGE);
    let key = |connection: &Connection, key| connection.login_key(Direction::FromInitiator, key);
    assert_eq!(
        key(&connection, "InitiatorName"),
        Some(environment.default_initiator())
    );
    assert_eq!(key(&connection, "TargetName").as_deref(), Some(NAME));
    assert_eq!(key(&connection, "AuthMethod"), None);
    assert_eq!(
        key(&connection, "ErrorRecoveryLevel")
            .as_deref()
            .unwrap_or("0"),
        "0"
    );

    let tgtd = Tgtd::serving(small(NAME).account(CHAP_NAME, SECRET));
    for (options, algorithms) in [
        (&[][..], "5"),
        (&["--chap-algorithms", "SHA3-256,MD5"], "8,5"),
        (&["--chap-algorithms", "6,5,7,8"], "6,5,7,8"),
    ] {
        let relay = Relay::start(tgtd.port(), Conduct::default());
        let environment = TestEnvironment::new();
        add_with_chap(&environment, NAME, relay.port(), CHAP_NAME, SECRET);
        environment
            .run(&[options, &["-reipliscsiop"]].concat())
            .assert_status(0);
        let connection = relay.connection();
        assert_eq!(key(&connection, "AuthMethod").as_deref(), Some("CHAP,None"));
        assert_eq!(key(&connection, "CHAP_A").as_deref(), Some(algorithms));
        assert_eq!(key(&connection, "CHAP_N").as_deref(), Some(CHAP_NAME));
        assert_eq!(
            connection
                .login_key(Direction::FromTarget, "CHAP_A")
                .as_deref(),
            Some("5")
        );
    }
}

#[test]
fn small_segments_and_bursts_of_the_target_are_respected() {
    let target = Target::library(NAME, "0000078A12340401", 40, 200, 1_000_000_001)
        .setting("MaxRecvDataSegmentLength", "512")
        .setting("MaxBurstLength", "512")
        .setting("FirstBurstLength", "512");
    let target = attach(&Tgtd::serving(target), NAME);
    assert_eq!(target["session"]["max_burst_length"], 512, "{target:#}");
    assert_eq!(
        target["libraries"][0]["drives"].as_array().unwrap().len(),
        40
    );
}

#[test]
fn a_ping_of_the_target_is_answered() {
    let tgtd = Tgtd::serving(
        small(NAME)
            .setting("nop_interval", "1")
            .setting("nop_count", "20"),
    );
    let slow = Conduct {
        delay: Duration::from_millis(900),
        ..Conduct::default()
    };
    let relay = Relay::start(tgtd.port(), slow);
    let environment = TestEnvironment::new();
    environment.add(NAME, "127.0.0.1", relay.port());
    let _ = reipl_one(&environment, 0);
    let connection = relay.connection();
    let pings: Vec<_> = connection
        .pdus(Direction::FromTarget)
        .into_iter()
        .filter(|pdu| pdu.opcode() == NOP_IN)
        .collect();
    assert!(
        !pings.is_empty(),
        "tgtd sent no NOP-In, so nothing was tested"
    );
    let answers: Vec<_> = connection
        .pdus(Direction::FromInitiator)
        .into_iter()
        .filter(|pdu| pdu.opcode() == NOP_OUT)
        .collect();
    // The target transfer tag comes back.
    assert!(
        answers
            .iter()
            .any(|answer| answer.header[20..24] == pings[0].header[20..24]),
        "no NOP-Out has the tag of the NOP-In: {answers:x?}"
    );
}

#[test]
fn the_isid_stays_so_that_a_session_left_behind_is_reinstated() {
    let tgtd = Tgtd::serving(Target::empty(NAME));
    let relay = Relay::start(tgtd.port(), Conduct::default());
    let environment = TestEnvironment::new();
    environment.add(NAME, "127.0.0.1", relay.port());
    for _ in 0..2 {
        let _ = reipl_one(&environment, 0);
    }
    let isids: Vec<_> = relay
        .connections()
        .iter()
        .map(|connection| connection.pdus(Direction::FromInitiator)[0].header[8..14].to_vec())
        .collect();
    assert_eq!(isids.len(), 2);
    assert_eq!(isids[0], isids[1]);
}

#[test]
fn the_pdus_are_printed_decoded_and_without_secrets() {
    let tgtd = Tgtd::serving(small(NAME).account(CHAP_NAME, SECRET));
    let relay = Relay::start(tgtd.port(), Conduct::default());
    let environment = TestEnvironment::new();
    add_with_chap(&environment, NAME, relay.port(), CHAP_NAME, SECRET);
    let output = environment
        .run(&["-vv", "--json", "-reipliscsiop"])
        .assert_status(0);
    assert_eq!(output.json()["targets"][0]["status"], "CONNECTED");
    let told = output.stderr.to_lowercase().replace([' ', '_', '-'], "");
    for word in [
        "loginrequest",
        "loginresponse",
        "scsicommand",
        "scsiresponse",
        "datain",
        "logoutrequest",
        "logoutresponse",
    ] {
        assert!(told.contains(word), "no {word}:\n{}", output.stderr);
    }
    assert!(
        output.stderr.contains(NAME) && output.stderr.contains("CHAP_N"),
        "{}",
        output.stderr
    );

    let response = relay
        .connection()
        .login_key(Direction::FromInitiator, "CHAP_R");
    let response = response.expect("a CHAP_R was sent").to_lowercase();
    assert!(response.len() > 20, "{response}");
    let told = output.stderr.to_lowercase();
    let digits = response.trim_start_matches("0x").trim_start_matches("0b");
    assert!(
        !told.contains(digits),
        "CHAP_R was printed:\n{}",
        output.stderr
    );
    assert!(
        !told.contains(&SECRET.to_lowercase()),
        "the secret was printed:\n{}",
        output.stderr
    );
    // What is printed without -vv is less.
    let quiet = environment
        .run(&["--json", "-reipliscsiop"])
        .assert_status(0);
    assert!(!quiet.stderr.contains("CHAP_N"), "{}", quiet.stderr);
}

/// Attaches through a relay with a conduct and expects a failure within the time that a target is given.
#[track_caller]
fn attach_badly(tgtd: &Tgtd, conduct: Conduct) -> Value {
    let relay = Relay::start(tgtd.port(), conduct);
    fail(relay.port())
}

/// Re-IPLs with a timeout of half a second, expects a failure, and returns it.
#[track_caller]
fn fail(port: u16) -> Value {
    let environment = TestEnvironment::new();
    environment.add(NAME, "127.0.0.1", port);
    let output = environment.run(&["--json", "--timeout", "0.5", "-reipliscsiop"]);
    let output = output.assert_status(4);
    assert!(!output.stderr.contains("panicked"), "{}", *output);
    let target = output.json()["targets"][0].clone();
    assert_eq!(target["status"], "FAILED", "{target:#}");
    assert!(!text(&target["failure"]["message"]).is_empty());
    target["failure"].clone()
}

#[test]
fn a_connection_that_breaks_is_reported_in_its_phase() {
    let tgtd = Tgtd::serving(small(NAME));
    for (bytes, phase) in [
        (1, "login"),
        (47, "login"),
        (60, "login"),
        (700, "enumerate"),
    ] {
        let conduct = Conduct {
            drop_after: Some(bytes),
            ..Conduct::default()
        };
        assert_eq!(
            attach_badly(&tgtd, conduct)["phase"],
            phase,
            "dropped after {bytes}"
        );
    }
}

#[test]
fn a_target_that_falls_silent_is_given_up() {
    let tgtd = Tgtd::serving(small(NAME));
    for (bytes, phase) in [(0, "login"), (48, "login"), (700, "enumerate")] {
        let conduct = Conduct {
            stall_after: Some(bytes),
            ..Conduct::default()
        };
        assert_eq!(
            attach_badly(&tgtd, conduct)["phase"],
            phase,
            "stalled after {bytes}"
        );
    }
}

#[test]
fn a_target_that_only_trickles_is_given_up() {
    let tgtd = Tgtd::serving(small(NAME));
    let conduct = Conduct {
        trickle: Some(Duration::from_millis(20)),
        ..Conduct::default()
    };
    let _ = attach_badly(&tgtd, conduct);
}

/// Listens, and answers every connection with the bytes.
fn answering(bytes: Vec<u8>) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let bytes = bytes.clone();
            thread::spawn(move || {
                let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(&bytes);
                let _ = stream.read(&mut [0; 4096]);
            });
        }
    });
    port
}

#[test]
fn a_peer_that_is_no_target_is_reported_as_one() {
    let mut huge = vec![0; 48];
    // A Login Response that announces a data segment of 16 MiB less one.
    huge[..8].copy_from_slice(&[0x23, 0x87, 0, 0, 0, 0xff, 0xff, 0xff]);
    let mut unknown = vec![0; 48];
    unknown[0] = 0x3e;
    let mut early = vec![0; 48];
    // A SCSI Response before the login is done.
    early[0] = 0x21;
    early[1] = 0x80;
    for bytes in [
        b"HTTP/1.1 400 Bad Request\r\nServer: x\r\nContent-Length: 0\r\n\r\n".to_vec(),
        b"SSH-2.0-OpenSSH_9.6\r\n".to_vec(),
        vec![0xff; 4096],
        vec![0; 4096],
        huge,
        unknown,
        early,
    ] {
        let failure = fail(answering(bytes.clone()));
        assert_eq!(
            failure["phase"],
            "login",
            "{failure:#} after {:x?}",
            &bytes[..8]
        );
    }
}

#[test]
fn a_peer_that_closes_at_once_is_reported() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            drop(stream)
        }
    });
    let _ = fail(port);
}
