//! Peers of the local socket that mean harm: garbage, half requests, many connections, slow writers.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::*;

fn connect(environment: &TestEnvironment) -> UnixStream {
    let stream = UnixStream::connect(environment.state_file("iop.sock")).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(120)))
        .unwrap();
    stream
}

fn request(content: &Value) -> String {
    json!({"version": env!("CARGO_PKG_VERSION"), "content": content}).to_string() + "\n"
}

/// Returns the next answer that is not a sign of life; none when the IOP has closed the connection.
fn answer(stream: &UnixStream) -> Option<Value> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        match reader.read_line(&mut line) {
            Ok(0) => return None,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
            Err(error) => panic!("{error}"),
        }
        let answer: Value = serde_json::from_str(&line).unwrap();
        if answer["content"]["answer"] != "working" {
            return Some(answer["content"]["answer"].clone());
        }
    }
}

fn assert_holds(held: &Held, since: &Value) {
    let status = held.status();
    assert_eq!(status["status"], "CONNECTED");
    assert_eq!(status["since"], *since);
    assert_eq!(status["jobs"], json!([]), "{status:#}");
}

/// Returns the request for a device of the held target.
fn attach(held: &Held, device: &str, purpose: &str) -> String {
    let bytes = fs::read(held.environment.state_file("active.json")).unwrap();
    let record: Value = serde_json::from_slice(&bytes).unwrap();
    let revision = record["record"]["targets"][0]["revision"].clone();
    assert!(revision.is_u64(), "{record:#}");
    request(&json!({
        "request": "attach", "revision": revision, "device": device, "purpose": purpose,
        "lock_timeout": {"secs": 0, "nanos": 0},
    }))
}

#[test]
fn what_is_no_request_is_refused_or_cut_off() {
    let held = Held::new(&[], &["--timeout", "2"]);
    let since = held.status()["since"].clone();
    let huge = json!({"secs": u64::MAX, "nanos": 999_999_999});
    let deep = "[".repeat(60_000);
    let garbage: Vec<Vec<u8>> = vec![
        b"\n".to_vec(),
        b"\0\0\0\0\n".to_vec(),
        b"\xff\xfe{}\n".to_vec(),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        pattern(3, 5000),
        [pattern(4, 3000), b"\n".to_vec()].concat(),
        format!("{deep}\n").into_bytes(),
        format!("{{\"version\":{deep}\n").into_bytes(),
        b"{\"version\":\"".to_vec(),
        vec![b'a'; 70_000],
    ];
    for line in garbage {
        let mut stream = connect(&held.environment);
        // A peer that is cut off in the middle cannot send the rest.
        let _ = stream.write_all(&line);
        let shown = String::from_utf8_lossy(&line[..line.len().min(60)]).into_owned();
        let answered = answer(&stream);
        assert!(
            answered.is_none() || answered == Some("not-understood".into()),
            "{shown}: {answered:?}"
        );
    }
    let too_long = json!({
        "request": "re-ipl", "timeout": {"secs": u64::MAX, "nanos": u32::MAX}, "chap_algorithms": [5],
        "lock_timeout": {"secs": 0, "nanos": 0},
    });
    let of_no_target = json!({
        "request": "attach", "revision": u64::MAX, "device": "TAP01", "purpose": "", "lock_timeout": huge,
    });
    for (line, expected) in [
        (request(&json!({"request": "sing"})), "not-understood"),
        (request(&json!({"request": "re-ipl"})), "not-understood"),
        (request(&too_long), "not-understood"),
        (request(&of_no_target), "no-such-device"),
        (attach(&held, "", ""), "no-such-device"),
        (attach(&held, "TAP99", ""), "no-such-device"),
    ] {
        let mut stream = connect(&held.environment);
        stream.write_all(line.as_bytes()).unwrap();
        assert_eq!(answer(&stream), Some(expected.into()), "{line}");
    }
    assert_holds(&held, &since);
}

#[test]
fn times_without_bounds_end_nothing() {
    let held = Held::new(&[], &[]);
    let huge = json!({"secs": u64::MAX, "nanos": 999_999_999});
    let none = json!({"secs": 0, "nanos": 0});
    for (timeout, lock_timeout) in [(&huge, &huge), (&none, &none)] {
        let mut stream = connect(&held.environment);
        let asked = request(&json!({
            "request": "re-ipl", "timeout": timeout, "chap_algorithms": [0, 5, 255], "lock_timeout": lock_timeout,
        }));
        stream.write_all(asked.as_bytes()).unwrap();
        assert_eq!(answer(&stream), Some("active".into()), "{timeout}");
    }
    let report = held.environment.reipl(0);
    assert_eq!(report["targets"][0]["status"], "CONNECTED");
    held.run("tape status TAPMLB01").assert_status(0);
}

#[test]
fn a_job_that_speaks_no_iscsi_is_cut_off_and_its_device_is_free() {
    let mut held = Held::new(&[], &["--timeout", "2"]);
    let since = held.status()["since"].clone();
    let attached = attach(&held, "TAP01", "escape \u{1b}[2J\nforged line");
    for behind in [
        &b""[..],
        &b"\x43\x87"[..],
        &[0xff; 48][..],
        &[0x43; 48][..],
        &pattern(5, 100_000)[..],
    ] {
        let mut stream = connect(&held.environment);
        stream.write_all(attached.as_bytes()).unwrap();
        assert_eq!(answer(&stream), Some("attached".into()));
        let begun = held.iop().event("job-begun");
        for text in [&begun["message"], &begun["purpose"]] {
            let text = text.as_str().unwrap();
            assert!(!text.contains(['\u{1b}', '\n']), "{text:?}");
        }
        let _ = stream.write_all(behind);
        let page = held.run("iop status").assert_status(0);
        assert!(!page.stdout.contains("\u{1b}") && !page.stdout.contains("\nforged"));
        if behind.is_empty() {
            drop(stream);
        } else {
            // It is cut off within the time that a login may take.
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest);
        }
        assert_eq!(held.iop().event("job-ended")["device"], "TAP01");
        held.run("tape status TAP01").assert_status(0);
        held.iop().event("job-ended");
    }
    assert_holds(&held, &since);
}

#[test]
fn a_slow_writer_is_served_and_one_that_stops_is_cut_off() {
    let held = Held::new(&[], &["--timeout", "3"]);
    let mut slow = connect(&held.environment);
    for byte in request(&json!({"request": "status"})).bytes() {
        slow.write_all(&[byte]).unwrap();
    }
    assert_eq!(answer(&slow), Some("status".into()));
    let mut stopped = connect(&held.environment);
    stopped.write_all(b"{\"version\"").unwrap();
    assert_eq!(answer(&stopped), None);
    // One that takes no answer keeps nobody else from his.
    let mut deaf: Vec<UnixStream> = (0..20).map(|_| connect(&held.environment)).collect();
    for stream in &mut deaf {
        let line = request(&json!({"request": "active"}));
        stream.write_all(line.as_bytes()).unwrap();
    }
    held.run("iop status").assert_status(0);
}

#[test]
fn many_connections_leave_files_for_the_records_and_are_served_in_turn() {
    let environment = TestEnvironment::new();
    let vtl = Vtl::start(&environment, &[]);
    environment.add(NAME, "127.0.0.1", vtl.port());
    let mut command = environment.command_of(Path::new("/bin/sh"));
    command.args(["-c", "ulimit -n 64 && exec iscsiswiconfig \"$@\"", "sh"]);
    let iop = Iop::start_by(command, &["--timeout", "600"]);
    let mut held = Held {
        environment,
        vtl: Some(vtl),
        iop: Some(iop),
    };
    let mut idle: Vec<UnixStream> = (0..100).map(|_| connect(&held.environment)).collect();
    for stream in &mut idle {
        stream.write_all(b"{").unwrap();
    }
    // A loss is told and recorded all the same.
    held.vtl().signal(Signal::KILL);
    held.iop().event("lost");
    drop(idle);
    assert_eq!(held.status()["status"], "LOST");
    held.kill_iop();
    assert_eq!(held.dump()["status"], "LOST");
}
