//! Signals at each phase: during the login, during a job, many of them.

use std::io::Read;
use std::net::{TcpListener, TcpStream};

use super::jobs::BLOCK;
use super::*;

/// A target that takes connections and answers nothing, and its port.
fn silent_target(environment: &TestEnvironment) -> TcpListener {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    environment.add(NAME, "127.0.0.1", port);
    listener
}

/// Waits for a Login Request.
fn login_request(listener: &TcpListener) -> TcpStream {
    let (mut stream, _) = listener.accept().unwrap();
    let mut header = [0; 48];
    stream.read_exact(&mut header).unwrap();
    assert_eq!(header[0] & 0x3f, 0x03);
    stream
}

#[test]
fn a_stop_ends_a_login_that_is_not_answered() {
    for signal in [Signal::TERM, Signal::INT] {
        let environment = TestEnvironment::new();
        let target = silent_target(&environment);
        // The login alone would take longer than any test waits.
        let arguments = ["--timeout", "600"];
        let iop = Iop::spawn(environment.command(), &arguments);
        let _login = login_request(&target);
        environment.run_line("iop status").assert_status(0);
        iop.signal(signal);
        let (status, stderr) = iop.wait();
        assert_eq!(status.code(), Some(0), "{stderr}");
        environment.run_line("iop status").assert_status(1);
    }
    // The same by request.
    let environment = TestEnvironment::new();
    let target = silent_target(&environment);
    let iop = Iop::spawn(environment.command(), &["--timeout", "600"]);
    let _login = login_request(&target);
    environment.run_line("iop stop").assert_status(0);
    assert_eq!(iop.wait().0.code(), Some(0));
}

#[test]
fn a_hangup_during_the_login_is_another_re_ipl_behind_it() {
    let environment = TestEnvironment::new();
    let target = silent_target(&environment);
    let iop = Iop::spawn(environment.command(), &["--timeout", "600"]);
    let first = login_request(&target);
    iop.signal(Signal::HUP);
    iop.signal(Signal::HUP);
    environment.run_line("iop status").assert_status(0);
    drop(first);
    drop(login_request(&target));
    // The second one is done when another can be had.
    let vtl = Vtl::start(&environment, &[]);
    environment.run_line("-clearconfig").assert_status(0);
    environment.add(NAME, "127.0.0.1", vtl.port());
    let report = environment.reipl(0);
    assert_eq!(report["iop"]["ipl_count"], 3, "{report:#}");
    let events = iop.stop_and_read();
    let begun: Vec<&Value> = events
        .iter()
        .filter(|event| event["event"] == "re-ipl-begun")
        .map(|event| &event["reason"])
        .collect();
    assert_eq!(begun, ["start", "hangup", "asked"]);
}

#[test]
fn a_hangup_during_a_job_waits_for_it_and_many_are_one() {
    let mut held = Held::new(&[], &["--lock-timeout", "60"]);
    let mut writer = held.job_at_work(&["VOL001"]);
    for _ in 0..5 {
        held.iop().signal(Signal::HUP);
        let _ = held.status();
    }
    // New jobs wait behind it.
    held.run("--lock-timeout 0 tape status TAP02")
        .assert_status(3)
        .says(&["re-IPL"]);
    writer.give(&pattern(2, BLOCK));
    let output = writer.finish();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    // The first one was that of the start.
    let is_later = |ended: &Value| ended["ipl_count"] != 1;
    let ended = held.iop().event_where("re-ipl-ended", is_later);
    assert_eq!(ended["ipl_count"], 2);
    held.run("tape status TAP02").assert_status(0);
    let events = held.iop.take().unwrap().stop_and_read();
    let mut more = events
        .iter()
        .filter(|event| event["event"] == "re-ipl-begun");
    assert_eq!(more.next(), None, "five hangups are one re-IPL");
}

#[test]
fn a_hangup_that_cannot_wait_is_refused_and_names_the_job() {
    let mut held = Held::new(&[], &["--lock-timeout", "0"]);
    let mut writer = held.job_at_work(&["VOL001"]);
    held.iop().signal(Signal::HUP);
    let refused = held.iop().event("re-ipl-refused");
    assert_eq!(refused["reason"], "device-in-use", "{refused:#}");
    let jobs = refused["jobs"].as_array().unwrap();
    assert!(jobs.iter().any(|job| job["pid"] == writer.id()));
    writer.give(&pattern(2, BLOCK));
    assert_eq!(writer.finish().status.code(), Some(0));
    held.iop().signal(Signal::HUP);
    assert_eq!(held.iop().event("re-ipl-ended")["connected"], 1);
}

#[test]
fn a_second_signal_to_stop_waits_for_no_job() {
    let mut held = Held::new(&[], &["--lock-timeout", "600"]);
    let writer = held.job_at_work(&["VOL001"]);
    held.iop().signal(Signal::INT);
    assert_eq!(held.iop().event("stopping")["reason"], "interrupted");
    // What there is is told, and nothing more begins.
    let _ = held.status();
    held.run("tape status TAP02").assert_status(3);
    held.run("-reipliscsiop").assert_status(3);
    held.iop().signal(Signal::INT);
    let (status, stderr) = held.iop.take().unwrap().wait();
    assert_eq!(status.code(), Some(0), "{stderr}");
    let output = writer.finish();
    assert_eq!(output.status.code(), Some(4), "{output:?}");
}
