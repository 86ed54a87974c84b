//! The binary against tgtd: login, failures, devices, and what is on the wire.

use serde_json::Value;

use crate::common::{TestEnvironment, targets};
use crate::peers::tgtd::{Target, Tgtd};

/// What a re-IPL finds and names, compared with what tgtd was told to be.
#[path = "interop/devices.rs"]
mod devices;
/// Every way in which a login ends, and what the report says about it.
#[path = "interop/login.rs"]
mod login;
/// `tape` against tgtd's tapes, which libiscsi reads and writes as well.
#[path = "interop/tape.rs"]
mod tape;
/// The wire itself: flights, digests, PDUs printed, a judge's view, peers that misbehave.
#[path = "interop/wire.rs"]
mod wire;

const NAME: &str = "iqn.2012-01.lab.vtl:ibm3584";
const CHAP_NAME: &str = "VTLUSER";
const SECRET: &str = "SECRET1234567890";

/// A library with two drives and eight slots.
fn small(name: &str) -> Target {
    Target::library(name, "0000078A12340401", 2, 8, 1_000_000_001)
}

/// Adds a target with CHAP.
fn add_with_chap(environment: &TestEnvironment, name: &str, port: u16, user: &str, secret: &str) {
    let chap = ["-initiatorchapname", user, "-initiatorchapsecret", secret];
    environment.add_with(name, "127.0.0.1", port, &chap);
}

/// Re-IPLs with the default timeout, expects the status and returns the only target of the report.
#[track_caller]
fn reipl_one(environment: &TestEnvironment, status: i32) -> Value {
    let document = environment.run(&["--json", "--timeout", "60", "-reipliscsiop"]);
    let document = document.assert_status(status).json();
    let targets = targets(&document);
    assert_eq!(targets.len(), 1, "{document:#}");
    targets[0].clone()
}

/// Returns what a re-IPL found at a target, without how long each phase of it took.
fn without_timings(mut target: Value) -> Value {
    target["session"]["timings"] = Value::Null;
    target
}

/// Attaches one target without CHAP, expects it to connect, and returns it.
#[track_caller]
fn attach(tgtd: &Tgtd, name: &str) -> Value {
    let environment = TestEnvironment::new();
    environment.add(name, "127.0.0.1", tgtd.port());
    let target = reipl_one(&environment, 0);
    assert_eq!(target["status"], "CONNECTED", "{target:#}");
    target
}
