//! `check`: each finding of the table is produced by a target that is wrong in just that way, and cleared by one that is right.

mod right;
#[cfg(feature = "peers")]
mod tgtd;
mod wrong;

use std::collections::{BTreeMap, BTreeSet};

use iscsiswiconfig::iop::check::TABLE;
use serde_json::Value;

use crate::common::{TestEnvironment, targets, text};
use crate::peers::embedded::Target;

/// The name of every target here.
const NAME: &str = "iqn.2020-01.com.example:vtl";
const CHAP_NAME: &str = "NAME";
const SECRET: &str = "SECRETSECRET12";

/// What was found about a target, by id.
type Findings = BTreeMap<String, Value>;

/// Runs `check` for the only configured target, and returns its findings.
#[track_caller]
fn check(environment: &TestEnvironment, more: &[&str]) -> Findings {
    let timeout: &[&str] = match more.contains(&"--timeout") {
        true => &[],
        false => &["--timeout", "60"],
    };
    let words = [&["check", "--json"], timeout, more].concat();
    let output = environment.run(&words);
    let status = output.status.code();
    assert!(!output.stdout.contains(SECRET) && !output.stderr.contains(SECRET));
    let document = output.json();
    let targets = targets(&document);
    assert_eq!(targets.len(), 1, "{document:#}");
    let findings = targets[0]["findings"].as_array().expect("findings");
    let has_failed = findings
        .iter()
        .any(|finding| finding["result"] == "failure");
    assert_eq!(status, Some(if has_failed { 4 } else { 0 }), "{document:#}");
    findings
        .iter()
        .map(|finding| (text(&finding["id"]).to_owned(), finding.clone()))
        .collect()
}

/// Configures the target at a port of 127.0.0.1 without CHAP.
fn add(environment: &TestEnvironment, port: u16) {
    environment.add(NAME, "127.0.0.1", port);
}

/// Configures the target with the CHAP name and secret.
fn add_with_chap(environment: &TestEnvironment, host: &str, port: u16) {
    let chap = [
        "-initiatorchapname",
        CHAP_NAME,
        "-initiatorchapsecret",
        SECRET,
    ];
    environment.add_with(NAME, host, port, &chap);
}

/// A library that lets everybody in.
fn open_target() -> Target {
    Target::new(NAME)
}

#[test]
fn every_finding_of_the_table_is_produced_and_cleared() {
    let table: BTreeSet<&str> = TABLE.iter().map(|row| row.id).collect();
    let produced: BTreeSet<&str> = wrong::CASES.iter().map(|case| case.id).collect();
    let missing: Vec<_> = table.difference(&produced).collect();
    assert!(missing.is_empty(), "nothing produces {missing:?}");
    assert_eq!(produced.len(), wrong::CASES.len(), "an id stands twice");

    let cleared = right::cleared();
    let left: Vec<_> = table.iter().filter(|id| !cleared.contains(**id)).collect();
    assert!(left.is_empty(), "nothing clears {left:?}");
}

#[test]
fn nothing_is_changed_but_lock_files() {
    let environment = TestEnvironment::new();
    let portal = crate::peers::embedded::Portal::serving([open_target()]);
    add(&environment, portal.port());
    let before = environment.snapshot();
    let _ = check(&environment, &["--tape-alert"]);
    assert_eq!(environment.snapshot(), before);
    // A job that has the target's lock is waited for, and named.
    let names: Vec<String> = environment.state_listing();
    assert!(
        names.iter().any(|name| name.ends_with(".lock")),
        "{names:?}"
    );
}
