//! Asynchronous messages (RFC 7143 11.9) of a target whose session is held, and a command window that it keeps closed: as event
//! lines, in `iop status`, in the dumps.

use std::time::{Duration, Instant};

use super::*;
use crate::peers::interposer::{LOGOUT_REQUEST, Message};

/// AsyncEvent (11.9.1).
const SCSI_EVENT: u8 = 0;
const ASKS_FOR_LOGOUT: u8 = 1;
const DROPS_CONNECTION: u8 = 2;
const DROPS_ALL_CONNECTIONS: u8 = 3;
const ASKS_FOR_NEGOTIATION: u8 = 4;
const OF_THE_VENDOR: u8 = 255;

/// Returns the names of the events that the status has, with their devices.
fn noted(held: &Held) -> Vec<(String, Value)> {
    let status = held.status();
    let events = status["events"].as_array().unwrap().iter();
    events
        .map(|event| {
            let name = event["event"].as_str().unwrap().to_owned();
            (name, event["device"].clone())
        })
        .collect()
}

/// Sense data in fixed format behind its length (11.9.4): UNIT ATTENTION with that code.
fn sense(asc: u8, ascq: u8) -> Vec<u8> {
    let mut data = vec![0, 18, 0x70, 0, 6];
    data.resize(20, 0);
    data[2 + 7] = 10;
    (data[2 + 12], data[2 + 13]) = (asc, ascq);
    data
}

#[test]
fn what_ends_nothing_is_an_event_and_the_session_goes_on() {
    let (mut held, interposer) = Held::behind_interposer(&[], &[]);
    let since = held.status()["since"].clone();
    for (lun, data, told, name, device) in [
        (
            1,
            sense(0x28, 0),
            "28/00",
            "medium-may-have-changed",
            "TAP01",
        ),
        (
            0,
            sense(0x3f, 0x0e),
            "3F/0E",
            "reported-luns-changed",
            "TAPMLB01",
        ),
        (2, sense(0x29, 0), "29/00", "power-on-or-reset", "TAP02"),
        (2, sense(0x2a, 1), "2A/01", "unit-attention-2A-01", "TAP02"),
    ] {
        interposer.send(&Message {
            event: SCSI_EVENT,
            lun,
            data,
            ..Message::default()
        });
        let event = held.iop().event("unit-attention");
        assert_eq!(event["sense"], told, "{event:#}");
        assert_eq!(event["device"], device, "{event:#}");
        assert_eq!(
            noted(&held).pop(),
            Some((name.to_owned(), Value::from(device)))
        );
    }
    // A device without a name, and sense data that is none.
    for (lun, data, told) in [
        (9, sense(0x29, 0), "unit-attention"),
        (1, Vec::new(), "async-message"),
        (1, vec![0, 200, 0x70], "async-message"),
    ] {
        interposer.send(&Message {
            event: SCSI_EVENT,
            lun,
            data,
            ..Message::default()
        });
        assert_eq!(held.iop().event(told)["device"], Value::Null);
    }
    interposer.send(&Message {
        event: OF_THE_VENDOR,
        vendor_code: 9,
        parameters: [1, 2, 3],
        data: b"anything".to_vec(),
        ..Message::default()
    });
    let event = held.iop().event("async-message");
    assert_eq!(
        (&event["async_event"], &event["async_vcode"]),
        (&Value::from(255), &Value::from(9)),
        "{event:#}"
    );
    assert_eq!(
        noted(&held).pop(),
        Some(("async-message".to_owned(), Value::Null))
    );
    let target = held.dump();
    assert_eq!(target["status"], "CONNECTED", "{target:#}");
    held.run("tape status TAPMLB01").assert_status(0);
    assert_eq!(held.status()["since"], since);
}

#[test]
fn what_ends_the_session_is_obeyed_and_the_dumps_say_why() {
    let (mut held, interposer) = Held::behind_interposer(&[], &[]);
    for (code, told, seconds, lost) in [
        (ASKS_FOR_LOGOUT, "logout-requested", 7.0, "logout-requested"),
        (
            ASKS_FOR_NEGOTIATION,
            "negotiation-requested",
            7.0,
            "logout-requested",
        ),
        (DROPS_CONNECTION, "dropped", 4.0, "session-dropped"),
        (DROPS_ALL_CONNECTIONS, "dropped", 4.0, "session-dropped"),
    ] {
        interposer.forget();
        interposer.send(&Message {
            event: code,
            // Time2Wait and Time2Retain of a drop are Parameter2 and Parameter3; a request has its time in Parameter3.
            parameters: [0, 4, 7],
            ..Message::default()
        });
        let event = held.iop().event(told);
        assert_eq!(event["seconds"], seconds, "{event:#}");
        if told == "dropped" {
            assert_eq!(event["async_event"], code, "{event:#}");
        } else {
            interposer.wait_for_opcode(LOGOUT_REQUEST);
        }
        let event = held.iop().event("lost");
        assert_eq!(event["reason"], lost, "{told}: {event:#}");
        let target = held.dump();
        assert_eq!(target["status"], "LOST", "{told}");
        assert_eq!(target["lost"]["code"], lost, "{told}");
        assert!(target["session"].is_object() && target["lost"]["time"].is_string());
        let events = noted(&held);
        let names: Vec<&str> = events.iter().map(|(name, _)| name.as_str()).collect();
        assert!(names.ends_with(&[told, "lost"]), "{names:?}");
        held.run("--timeout 2 tape status TAPMLB01")
            .assert_status(4);
        let report = held.environment.reipl(0);
        assert_eq!(report["targets"][0]["status"], "CONNECTED");
        held.run("tape status TAPMLB01").assert_status(0);
    }
}

#[test]
fn a_job_of_a_session_that_the_target_ends_is_told_so() {
    let (mut held, interposer) = Held::behind_interposer(&[], &[]);
    for code in [ASKS_FOR_LOGOUT, DROPS_ALL_CONNECTIONS] {
        let mut writer = held.writer(&["VOL001", "--block-size", "64KiB", "--overwrite"]);
        writer.give(&pattern(1, 2 * jobs::BLOCK));
        held.iop()
            .event_where("job-begun", |begun| begun["device"] == "TAP01");
        interposer.send(&Message {
            event: code,
            parameters: [0, 0, 5],
            ..Message::default()
        });
        held.iop().event("lost");
        let output = writer.finish();
        assert_eq!(output.status.code(), Some(4), "{output:?}");
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(document["proven"].as_u64().unwrap() <= 2, "{document:#}");
        let _ = held.environment.reipl(0);
    }
}

#[test]
fn time2wait_of_a_drop_is_kept_before_the_next_login() {
    let (mut held, interposer) = Held::behind_interposer(&[], &["--reconnect"]);
    let sent = Instant::now();
    interposer.send(&Message {
        event: DROPS_ALL_CONNECTIONS,
        parameters: [0, 3, 20],
        ..Message::default()
    });
    held.iop().event("lost");
    held.iop().event("recovered");
    let connected = interposer.connected();
    assert_eq!(connected.len(), 2);
    // Without it the first attempt comes after a second.
    assert!(connected[1] - sent >= Duration::from_secs(3));
    assert_eq!(held.dump()["status"], "CONNECTED");
}

#[test]
fn a_command_window_that_stays_closed_is_told_and_costs_no_block() {
    let (mut held, interposer) = Held::behind_interposer(&[], &["--timeout", "2"]);
    let bytes = pattern(1, 300 * 1024);
    held.file("in", &bytes);
    interposer.hold_window(true);
    let line = "tape write TAPMLB01 VOL001 in --block-size 1KiB --timeout 60";
    let mut writer = held.environment.start(&line.split(' ').collect::<Vec<_>>());
    let closed = held.iop().event("window-closed");
    assert!(closed["seconds"].as_f64().unwrap() >= 1.0, "{closed:#}");
    let events = noted(&held);
    assert!(events.iter().any(|(name, _)| name == "window-closed"));
    assert_eq!(held.dump()["status"], "CONNECTED");
    interposer.hold_window(false);
    writer.wait().unwrap().assert_status(0);
    held.run("tape read TAPMLB01 VOL001 out").assert_status(0);
    assert!(held.read("out") == bytes);
}

#[test]
fn a_command_that_is_rejected_ends_the_session_with_that_cause() {
    // Its CmdSN stays open, so that no later command of the session could be executed.
    let (mut held, interposer) = Held::behind_interposer(&[], &[]);
    held.file("in", &pattern(1, 100_000));
    // WRITE(6).
    interposer.reject(0x0a);
    let failed = held
        .run("--json tape write TAPMLB01 VOL001 in")
        .assert_status(4);
    assert_eq!(failed.json()["error"]["status"], 4);
    let lost = held.iop().event("lost");
    assert_eq!(lost["reason"], "pdu-rejected", "{lost:#}");
    let target = held.dump();
    assert_eq!(target["status"], "LOST");
    assert_eq!(target["lost"]["code"], "pdu-rejected", "{target:#}");
    interposer.pass_all();
    let report = held.environment.reipl(0);
    assert_eq!(report["targets"][0]["status"], "CONNECTED");
    held.run("tape write TAPMLB01 VOL001 in --overwrite")
        .assert_status(0);
}
