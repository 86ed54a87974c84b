//! What tgtd can be set up for, wrong and right.

use std::collections::BTreeSet;

use super::{CHAP_NAME, Findings, NAME, SECRET, add, add_with_chap, check};
use crate::common::{TestEnvironment, text};
use crate::peers::tgtd::{Target, Tgtd};

/// What tgtd does wrong as it is: it has no VPD page D0h, and does not know the commands.
const OF_TGTD: [&str; 5] = [
    "library.type-model",
    "drives.reservation-capabilities",
    "drives.reservation-full-status",
    "drives.log-pages",
    "security.digests-off",
];

/// A library with two drives, two cartridges in its slots.
fn library() -> Target {
    Target::library(NAME, "0000078A12340401", 2, 8, 1_000_000_001)
        .barcodes(&["VTA001L5", "VTA002L5"])
}

fn without_chap(target: Target) -> Findings {
    let tgtd = Tgtd::serving(target);
    let environment = TestEnvironment::new();
    add(&environment, tgtd.port());
    check(&environment, &[])
}

fn with_chap(target: Target) -> Findings {
    let tgtd = Tgtd::serving(target);
    let environment = TestEnvironment::new();
    add_with_chap(&environment, "127.0.0.1", tgtd.port());
    check(&environment, &[])
}

#[track_caller]
fn assert_found(findings: &Findings, id: &str, result: &str) {
    assert_eq!(findings[id]["result"], result, "{:#}", findings[id]);
}

#[test]
fn tgtd_as_it_is_fails_by_what_it_does_not_have() {
    let findings = with_chap(library().account(CHAP_NAME, SECRET));
    for id in OF_TGTD {
        assert_ne!(findings[id]["result"], "pass", "{:#}", findings[id]);
    }
    for id in [
        "login.accepted",
        "login.chap-credentials",
        "login.chap-secret-case",
        "login.chap-name-case",
        "library.one-library",
        "library.one-drive-type",
        "library.drive-generation",
        "library.ready",
        "library.barcodes",
        "drives.ready",
        "drives.block-limits",
        "drives.reserved",
    ] {
        assert_found(&findings, id, "pass");
    }
    // What a target does not know is told by its sense data, and the others are still asked.
    let seen = text(&findings["drives.log-pages"]["seen"]);
    assert!(seen.contains("ILLEGAL REQUEST"), "{seen}");
}

#[test]
fn letter_case_is_found_by_two_logins_more() {
    let secret = SECRET.to_ascii_lowercase();
    let findings = with_chap(library().account(CHAP_NAME, &secret));
    assert_found(&findings, "login.chap-secret-case", "failure");
    // The devices were asked over the login that was accepted.
    assert_found(&findings, "library.one-library", "pass");
    let name = CHAP_NAME.to_ascii_lowercase();
    let findings = with_chap(library().account(&name, SECRET));
    assert_found(&findings, "login.chap-name-case", "failure");
    let findings = with_chap(library().account(&name, &secret));
    assert_found(&findings, "login.chap-secret-case", "failure");
    assert_found(&findings, "login.chap-name-case", "failure");
}

#[test]
fn what_the_login_and_the_library_lack_is_found() {
    let found: Vec<(&str, &str, Findings)> = vec![
        (
            "login.chap-required",
            "failure",
            without_chap(library().account(CHAP_NAME, SECRET)),
        ),
        (
            "login.target-unknown",
            "failure",
            without_chap(Target::empty("iqn.2012-01.lab.vtl:other")),
        ),
        (
            "library.one-library",
            "failure",
            without_chap(Target::empty(NAME)),
        ),
        (
            "library.type-model",
            "failure",
            without_chap(library().product("3573-TL")),
        ),
        (
            "library.one-drive-type",
            "failure",
            without_chap(library().drive_product(0, "ULT3580-TD6")),
        ),
        (
            "library.drive-generation",
            "failure",
            without_chap(library().drive_product(0, "ULT3580-TD2")),
        ),
        (
            "library.drive-elements",
            "failure",
            without_chap(library().lone_drive(9, "ULT3580-TD5", "1000000009")),
        ),
        (
            "library.barcodes",
            "warning",
            without_chap(library().barcodes(&["VTA01"])),
        ),
        ("security.chap-absent", "warning", without_chap(library())),
    ];
    let ids: BTreeSet<&str> = found.iter().map(|(id, ..)| *id).collect();
    assert_eq!(ids.len(), found.len());
    for (id, result, findings) in found {
        assert_found(&findings, id, result);
    }
}
