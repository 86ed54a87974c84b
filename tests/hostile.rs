//! Targets that are broken, or mean harm, against the binary. Whatever a target does, a re-IPL ends in time, says which
//! phase failed and what to do next, and never panics.

/// Any command line, any bytes in the state directory, any damage on the wire.
mod arbitrary;
/// Many targets at once, few file descriptors, a re-IPL that is killed.
mod crowd;
/// Sessions that are up, and SCSI replies that make no sense or no end.
mod devices;
/// What can go wrong before the session is up.
mod login;
/// A name service that does not answer.
#[cfg(feature = "peers")]
mod name_service;
/// Hosts that do not answer.
mod reach;
/// The full feature phase: silence, floods, damage, requests to leave.
mod session;
/// The scripted target.
pub mod target;

use std::fs;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::common::{Output, Running, TestEnvironment, targets, text};
use target::Target;

/// The longest that one phase may take; no answer of a target here comes near it.
const TIMEOUT: &str = "60";

/// As [`TIMEOUT`], for a target that does not answer, or not to the end. A target as a whole has four times as long.
const SILENCE: &str = "1";

/// Configures targets at 127.0.0.1, as many as there are pairs of name and port, in one write.
fn configure(environment: &TestEnvironment, configured: &[(String, u16)]) {
    environment.add("iqn.2020-01.com.example:first", "127.0.0.1", 9);
    let file = environment.state_file("config.json");
    let mut document: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let first = document["record"]["targets"][0].clone();
    let entries = configured
        .iter()
        .enumerate()
        .map(|(index, (name, port))| {
            let mut entry = first.clone();
            entry["identity"]["target_name"] = json!(name);
            entry["identity"]["target_port"] = json!(port);
            entry["revision"] = json!(index + 1);
            entry
        })
        .collect();
    document["record"]["targets"] = Value::Array(entries);
    document["record"]["last_revision"] = json!(configured.len());
    fs::write(&file, document.to_string()).unwrap();
}

/// Returns an environment in which the target is configured, without CHAP.
fn attached(target: &Target) -> TestEnvironment {
    let environment = TestEnvironment::new();
    environment.add(target::NAME, "127.0.0.1", target.port);
    environment
}

/// Returns an environment in which the target is configured, with CHAP.
fn attached_with_chap(target: &Target) -> TestEnvironment {
    let environment = TestEnvironment::new();
    let chap = [
        "-initiatorchapname",
        "SOMECHAPNAME",
        "-initiatorchapsecret",
        SECRET,
    ];
    environment.add_with(target::NAME, "127.0.0.1", target.port, &chap);
    environment
}

const SECRET: &str = "SOMECHAPSECRET";

/// Re-IPLs; whatever the outcome is, it comes in time, without a panic and without the secret.
fn re_ipl(environment: &TestEnvironment) -> Output {
    re_ipl_within(environment, TIMEOUT)
}

/// As [`re_ipl`], with a time for one phase.
fn re_ipl_within(environment: &TestEnvironment, timeout: &str) -> Output {
    outcome(environment.start(&["--json", "--timeout", timeout, "-reipliscsiop"]))
}

fn outcome(mut running: Running) -> Output {
    let output = running.wait().expect("a re-IPL ends");
    for stream in [&output.stdout, &output.stderr] {
        assert!(!stream.contains("panicked"), "{output}");
        assert!(!stream.contains(SECRET), "{output}");
        let is_plain = |byte: u8| byte == b'\n' || (0x20..0x7f).contains(&byte);
        assert!(stream.bytes().all(is_plain), "{output}");
    }
    output
}

/// Re-IPLs the one target, which has to fail in the phase, and returns its report.
fn failed(environment: &TestEnvironment, phase: &str) -> Value {
    failed_within(environment, phase, TIMEOUT)
}

fn failed_within(environment: &TestEnvironment, phase: &str, timeout: &str) -> Value {
    let output = re_ipl_within(environment, timeout).assert_status(4);
    let target = targets(&output.json())[0].clone();
    assert_failed(&target, phase);
    target
}

fn assert_failed(target: &Value, phase: &str) {
    assert_eq!(target["status"], "FAILED", "{target:#}");
    let failure = &target["failure"];
    assert_eq!(failure["phase"], phase, "{target:#}");
    assert!(text(&failure["message"]).ends_with('.'), "{target:#}");
    assert!(!text(&failure["hint"]).is_empty(), "{target:#}");
    let logged_in = phase == "enumerate";
    assert_eq!(target["session"].is_object(), logged_in, "{target:#}");
}

/// Re-IPLs the one target, which has to connect, and returns its report.
fn connected(environment: &TestEnvironment) -> Value {
    connected_within(environment, TIMEOUT)
}

fn connected_within(environment: &TestEnvironment, timeout: &str) -> Value {
    let output = re_ipl_within(environment, timeout).assert_status(0);
    let target = targets(&output.json())[0].clone();
    assert_eq!(target["status"], "CONNECTED", "{target:#}");
    assert_eq!(target["failure"], Value::Null, "{target:#}");
    target
}

/// Returns the message and the hint of a failed target as one text.
fn words(target: &Value) -> String {
    let failure = &target["failure"];
    format!("{} {}", text(&failure["message"]), text(&failure["hint"]))
}

/// Watches a process to its end and returns the most memory that it held, in KiB, without the pages of the program itself: of
/// those a build with debug information has some 20 MiB.
fn peak_memory(process: u32) -> thread::JoinHandle<u64> {
    let read = move |status: &str, field: &str| -> Option<u64> {
        let line = status.lines().find(|line| line.starts_with(field))?;
        line.split_whitespace().nth(1)?.parse().ok()
    };
    thread::spawn(move || {
        let mut peak = 0;
        while let Ok(status) = fs::read_to_string(format!("/proc/{process}/status")) {
            let fields = [read(&status, "VmHWM:"), read(&status, "RssFile:")];
            let [Some(resident), Some(program)] = fields else {
                break;
            };
            peak = peak.max(resident.saturating_sub(program));
            thread::sleep(Duration::from_millis(5));
        }
        peak
    })
}
