//! iscsi-test-cu, the conformance suite of libiscsi, on the changer and on a drive with a cartridge in it.
//!
//! The suite is made for disks. Whatever it has is run all the same, and everything passes but what is listed here
//! with a reason; a listed test that ends another way fails this one, so that the list cannot grow old. That a test
//! was skipped is told from what it printed: the suite itself counts it as passed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::sync::Mutex;
use std::thread;

use super::{CHANGER, FIRST_DRIVE, FIRST_SLOT, Served, TARGET, preload};
use crate::common::TestEnvironment;
use crate::peers::raw_initiator::RawInitiator;

const DRIVE: u16 = 1;

/// Suites that wait for resets and for answers that must not come: their tests are run side by side, and first.
const SLOW: [&str; 3] = ["Reserve6", "PreventAllow", "iSCSIcmdsn"];

/// Suites that are about every logical unit, or every one with a removable medium, but are run on disks only. The
/// preload lets a logical unit pass for one.
const FOR_DISKS_ONLY: [&str; 2] = ["PreventAllow", "iSCSITMF"];

/// The sessions of the suite that are under way at a time.
const WORKERS: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Passed,
    Skipped,
    Failed,
}
use Outcome::{Failed, Passed, Skipped};

/// Tests that do not apply: where, which (a whole suite, or one test of it), how they end, and why.
type Exceptions = &'static [(
    &'static [u16],
    &'static [&'static str],
    Outcome,
    &'static str,
)];

const BOTH: &[u16] = &[CHANGER, DRIVE];

#[rustfmt::skip]
const NOT_APPLICABLE: Exceptions = &[
    (BOTH, &[
        "CompareAndWrite", "GetLBAStatus", "Mandatory.MandatorySBC", "NoMedia.NoMediaSBC", "OrWrite", "Prefetch16",
        "Read10", "Read12", "Read16", "ReadCapacity16", "ReadDefectData12", "Unmap", "Verify10", "Verify12", "Verify16",
        "Write10", "Write12", "Write16", "WriteAtomic16", "WriteSame10", "WriteSame16", "WriteVerify10", "WriteVerify12",
        "WriteVerify16", "Inquiry.BlockLimits", "Inquiry.MandatoryVPDSBC",
    ], Skipped, "commands and pages of block devices (SBC-3)"),
    (BOTH, &["ReadCapacity10"], Passed, "the preload answers it"),
    (BOTH, &["Sanitize"], Skipped, "SANITIZE is a command of block devices (SBC-3)"),
    (BOTH, &["ReadOnly", "ModeSense6.Control-SWP"], Skipped, "write protection is tried with disk writes"),
    (BOTH, &["ModeSense6.Control-D_SENSE"], Skipped, "descriptor format sense is tried with READ(16)"),
    (BOTH, &["ExtendedCopy", "ReceiveCopyResults"], Skipped, "third party copy is optional, and no tape library has it"),
    (BOTH, &["MultipathIO"], Skipped, "multipath is tried with disk writes, and refused for anything else"),
    (BOTH, &[
        "iSCSIResiduals.Read12Residuals", "iSCSIResiduals.Read16Residuals", "iSCSIResiduals.Write10Residuals",
        "iSCSIResiduals.Write12Residuals", "iSCSIResiduals.Write16Residuals", "iSCSIResiduals.WriteVerify10Residuals",
        "iSCSIResiduals.WriteVerify12Residuals", "iSCSIResiduals.WriteVerify16Residuals",
    ], Skipped, "residual counts are tried with disk commands; the tape program counts them with READ(6)"),
    (BOTH, &["iSCSIResiduals.Read10Invalid", "iSCSIResiduals.Read10Residuals"], Failed,
        "residual counts are tried with READ(10), without asking whether there is one"),
    (BOTH, &[
        "ProutReserve.AccessEA", "ProutReserve.AccessWE", "ProutReserve.AccessEARO", "ProutReserve.AccessWERO",
        "ProutReserve.AccessEAAR", "ProutReserve.AccessWEAR",
    ], Failed, "access under a persistent reservation is tried with READ(10) and WRITE(10)"),
    (BOTH, &["iSCSITMF.AbortTaskSimpleAsync"], Failed, "the task to be aborted is a WRITE(10)"),
    (&[CHANGER], &[
        "StartStopUnit.PwrCnd", "StartStopUnit.NoLoej", "PreventAllow.Eject", "PreventAllow.ITNexusLoss",
        "PreventAllow.Logout", "PreventAllow.WarmReset", "PreventAllow.ColdReset", "PreventAllow.LUNReset",
        "PreventAllow.2ITNexuses",
    ], Skipped, "1Bh is no command of a changer"),
    (&[CHANGER], &["StartStopUnit.Simple"], Failed, "1Bh is no command of a changer"),
    (&[CHANGER], &["Prefetch10", "Read6"], Skipped, "commands of block devices (SBC-3)"),
    (&[CHANGER], &["ReadDefectData10"], Failed, "37h is INITIALIZE ELEMENT STATUS WITH RANGE (SMC-3)"),
    (&[DRIVE], &["ReadDefectData10"], Skipped, "a command of block devices (SBC-3)"),
    (&[DRIVE], &["Prefetch10"], Failed, "34h is READ POSITION (SSC-4 7.7)"),
    (&[DRIVE], &["Read6"], Failed, "08h reads the next block, not the one asked for (SSC-4)"),
    (&[DRIVE], &["StartStopUnit"], Failed, "1Bh is LOAD UNLOAD: no power conditions, and 04/02 when unloaded"),
    (&[DRIVE], &["PreventAllow.Eject"], Failed, "demands that loading be prevented, which is not removal (SSC-4 7.3)"),
];

/// One run of the suite: a suite, or one test of a slow one.
#[derive(Clone, Debug)]
struct Run {
    suite: String,
    /// What is behind the suite's name.
    test: String,
}

#[test]
fn the_changer_conforms() {
    conforms(CHANGER, 39);
}

#[test]
fn a_drive_conforms() {
    conforms(DRIVE, 45);
}

#[track_caller]
fn conforms(lun: u16, applicable: u32) {
    let listed = list();
    let outcomes = run_all(lun, &listed);
    let ran: BTreeSet<&String> = outcomes.keys().collect();
    assert_eq!(
        ran,
        listed.iter().collect(),
        "tests that ran and tests there are"
    );

    let mut surprises = Vec::new();
    let mut apply = 0;
    for (test, (outcome, printed)) in &outcomes {
        let (expected, reason) = expected(lun, test);
        if *outcome != expected {
            let reason = reason.unwrap_or("it applies");
            surprises.push(format!(
                "{test}: {outcome:?}, expected {expected:?}: {reason}\n{printed}"
            ));
        }
        apply += u32::from(reason.is_none());
    }
    assert!(surprises.is_empty(), "LUN {lun}:\n{}", surprises.join("\n"));
    // What is listed cannot grow unnoticed.
    assert_eq!(apply, applicable, "tests that apply to LUN {lun}");
}

/// Returns how a test has to end, and why where it does not apply.
fn expected(lun: u16, test: &str) -> (Outcome, Option<&'static str>) {
    let (suite, _) = test.split_once('.').expect("SUITE.TEST");
    NOT_APPLICABLE
        .iter()
        .find(|(luns, names, _, _)| {
            luns.contains(&lun) && (names.contains(&suite) || names.contains(&test))
        })
        .map_or((Passed, None), |(_, _, outcome, reason)| {
            (*outcome, Some(*reason))
        })
}

#[test]
fn what_does_not_apply_is_in_the_suite_and_listed_once() {
    let listed = list();
    for lun in BOTH {
        let mut names = BTreeSet::new();
        for (luns, entries, _, reason) in NOT_APPLICABLE {
            assert!(!reason.is_empty());
            for entry in entries.iter().filter(|_| luns.contains(lun)) {
                let suite = format!("{entry}.");
                let found = listed
                    .iter()
                    .any(|test| test == entry || test.starts_with(&suite));
                assert!(found, "{entry} is no test of the suite");
                assert!(names.insert(entry), "{entry} is listed twice");
            }
        }
    }
}

/// Returns the names of all tests, SUITE.TEST.
fn list() -> Vec<String> {
    let environment = TestEnvironment::new();
    let mut command = environment.command_of(Path::new("/usr/bin/iscsi-test-cu"));
    command.arg("--list");
    // The list is what it prints; its status is of no use.
    let output = environment.finish(command);
    let tests: Vec<String> = output
        .stdout
        .lines()
        .filter_map(|line| line.trim().strip_prefix("ALL."))
        .filter(|name| name.contains('.'))
        .map(str::to_owned)
        .collect();
    assert!(
        tests.len() > 200,
        "iscsi-test-cu (Debian package libiscsi-bin) lists {} tests",
        tests.len()
    );
    tests
}

/// Runs every test on a library of its own suite, and returns how it ended and what it printed.
fn run_all(lun: u16, listed: &[String]) -> BTreeMap<String, (Outcome, String)> {
    let preload = preload("read_capacity");
    let runs = Mutex::new(runs(listed));
    let outcomes = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let run = runs.lock().unwrap().pop_front();
                    let Some(run) = run else { break };
                    let found = run.execute(lun, &preload);
                    outcomes.lock().unwrap().extend(found);
                }
            });
        }
    });
    outcomes.into_inner().unwrap()
}

fn runs(listed: &[String]) -> VecDeque<Run> {
    let mut runs = VecDeque::new();
    let mut suites = BTreeSet::new();
    for name in listed {
        let (suite, test) = name.split_once('.').expect("SUITE.TEST");
        let run = |test: &str| Run {
            suite: suite.to_owned(),
            test: test.to_owned(),
        };
        if SLOW.contains(&suite) {
            runs.push_front(run(test));
        } else if suites.insert(suite) {
            runs.push_back(run("*"));
        }
    }
    runs
}

impl Run {
    fn execute(&self, lun: u16, preload: &Path) -> Vec<(String, (Outcome, String))> {
        let environment = TestEnvironment::new();
        let served = Served::start(&environment, &[]);
        if lun == DRIVE {
            let mut initiator = RawInitiator::login(served.port, TARGET);
            initiator.move_medium(CHANGER, FIRST_SLOT, FIRST_DRIVE);
            initiator.logout();
        }
        let mut command = environment.command_of(Path::new("/usr/bin/iscsi-test-cu"));
        command
            .env("LD_PRELOAD", preload)
            .args(["--dataloss", "--test"])
            .arg(format!("ALL.{}.{}", self.suite, self.test))
            .arg(format!("iscsi://{}/{TARGET}/{lun}", served.portal()));
        if FOR_DISKS_ONLY.contains(&self.suite.as_str()) {
            command.env("AS_DISK", "1");
        }
        let output = environment.finish(command);
        let found = parse(&output.stdout);
        assert!(!found.is_empty(), "no test was run: {self:?}\n{output}");
        found
    }
}

/// Returns the tests of a report of CUnit in verbose mode, each with what was printed for it.
fn parse(report: &str) -> Vec<(String, (Outcome, String))> {
    let mut suite = "";
    let mut found: Vec<(String, (Outcome, String))> = Vec::new();
    // Whether the outcome of the last test was not printed yet.
    let mut open = false;
    for line in report.lines() {
        if let Some(name) = line.strip_prefix("Suite: ") {
            suite = name.trim();
            open = false;
            continue;
        }
        let mut rest = line;
        let begins = line.strip_prefix("  Test: ");
        if let Some((test, printed)) = begins.and_then(|line| line.split_once(" ...")) {
            found.push((format!("{suite}.{test}"), (Passed, String::new())));
            open = true;
            rest = printed;
        }
        let Some((_, (outcome, printed))) = found.last_mut() else {
            continue;
        };
        if !open {
            // The asserts that failed come behind the outcome.
            let number = rest.trim_start().split_once(". ").map(|(number, _)| number);
            if *outcome == Failed && number.is_some_and(|number| number.parse::<u32>().is_ok()) {
                printed.push_str(rest);
                printed.push('\n');
            }
            continue;
        }
        if rest.starts_with("passed") || rest.starts_with("FAILED") {
            open = false;
            if rest.starts_with("FAILED") {
                *outcome = Failed;
            }
        } else {
            if rest.contains("[SKIPPED]") {
                *outcome = Skipped;
            }
            printed.push_str(rest);
            printed.push('\n');
        }
    }
    assert!(!open, "the report ends in the middle of a test:\n{report}");
    found
}

#[test]
fn a_report_tells_passed_from_skipped_and_failed() {
    let report = "noise\nSuite: One\n  Test: A ...passed    [SKIPPED] behind it.\n\
        \x20 Test: B ...    [SKIPPED] not here.\npassed\n  Test: C ...    [FAILED] bad\nFAILED\n    1. c.c:3  - CU_FAIL\n\
        Suite: Two\n  Test: A-b ...FAILED\n    1. a.c:1  - x\n    2. a.c:2  - y\n\nRun Summary: \n  tests 1. 2\n";
    let outcomes: Vec<(String, Outcome)> = parse(report)
        .into_iter()
        .map(|(name, (outcome, _))| (name, outcome))
        .collect();
    let expected = [
        ("One.A", Passed),
        ("One.B", Skipped),
        ("One.C", Failed),
        ("Two.A-b", Failed),
    ];
    assert_eq!(
        outcomes,
        expected.map(|(name, outcome)| (name.to_owned(), outcome))
    );
    assert!(parse(report)[3].1.1.contains("a.c:2"));
}
