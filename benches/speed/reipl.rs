//! The re-IPL.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::home::{Address, Home};
use crate::measure::{self, in_turn, output};
use crate::peers::tgtd::{Target, Tgtd};
use crate::slow_portal;
use crate::table;

const DRIVES: usize = 4;
const ROUNDS: usize = 31;

const TARGETS: usize = 64;
const SLOW_ROUNDS: usize = 5;
const SLOW_ANSWER: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_millis(1100);

/// A library with four drives: what iscsi-ls and an iscsi-inq per LUN tell of it, and the whole re-IPL.
pub fn against_libiscsi(home: &Home) {
    let name = "iqn.2012-01.lab.vtl:ibm3584";
    let tgtd = Tgtd::serving(Target::library(
        name,
        "0000078A12340401",
        DRIVES,
        16,
        1_000_000_001,
    ));
    home.configure([at(tgtd.port(), name)].into_iter());
    let report = re_ipl(home);
    let drives = report["targets"][0]["libraries"][0]["drives"].as_array();
    assert_eq!(drives.map(Vec::len), Some(DRIVES), "drives of {report}");

    // LUN 0 is tgtd's own controller, which iscsi-ls shows as well.
    let portal = format!("iscsi://127.0.0.1:{}", tgtd.port());
    let mut commands = vec![Command::new("iscsi-ls")];
    commands[0].args(["-s", &portal]);
    let shown = output(&mut commands[0]);
    let luns = 0..=DRIVES + 1;
    assert_eq!(
        shown.matches("Lun:").count(),
        luns.clone().count(),
        "{shown}"
    );
    for lun in luns.clone() {
        let mut inquiry = Command::new("iscsi-inq");
        inquiry.arg(format!("{portal}/{name}/{lun}"));
        commands.push(inquiry);
    }

    let mut command = home.command(&["-reipliscsiop"]);
    let mut ours = || {
        home.settle();
        measure::run(&mut command).wall
    };
    let mut theirs = || {
        commands
            .iter_mut()
            .map(|peer| measure::run(peer).wall)
            .sum()
    };
    let [ours, theirs] = in_turn(ROUNDS, [&mut ours, &mut theirs]);
    table::ratio(
        &format!("-reipliscsiop, {DRIVES} drives, {}", home.file_system),
        &ours.to_string(),
        &format!("iscsi-ls -s, {} iscsi-inq {theirs}", luns.count()),
        ours.ratio(theirs),
        0.25,
    );
}

/// Many targets, one of which answers late: the others must not add to what it takes.
pub fn with_a_slow_target(home: &Home) {
    let mut tgtd = Tgtd::start();
    let mut addresses = Vec::new();
    for number in 0..TARGETS {
        let name = format!("iqn.2012-01.lab.vtl:t{number:02}");
        let serial = (2_000_000_000 + number).to_string();
        tgtd.add(Target::empty(&name).lone_drive(1, "ULT3580-TD5", &serial));
        addresses.push(at(tgtd.port(), &name));
    }
    addresses[TARGETS / 2].port = slow_portal::start(tgtd.port(), SLOW_ANSWER).to_string();
    home.configure(addresses.into_iter());
    let report = re_ipl(home);
    let targets = report["targets"].as_array().expect("targets");
    let found = |target: &&Value| target["drives"].as_array().map(Vec::len) == Some(1);
    assert_eq!(targets.iter().filter(found).count(), TARGETS, "{report}");

    let mut command = home.command(&["-reipliscsiop"]);
    let mut ours = || measure::run(&mut command).wall;
    let [ours] = in_turn(SLOW_ROUNDS, [&mut ours]);
    table::limit(
        &format!("-reipliscsiop, {TARGETS} targets, one answers after 1 s"),
        &ours.to_string(),
        "<= 1100 ms",
        ours.median <= LONGEST,
    );
}

fn at(port: u16, name: &str) -> Address {
    Address {
        host: "127.0.0.1".to_owned(),
        port: port.to_string(),
        name: name.to_owned(),
    }
}

/// Runs a re-IPL in which every target connects, and returns what it reports.
fn re_ipl(home: &Home) -> Value {
    let mut command = home.command(&["--json", "-reipliscsiop"]);
    serde_json::from_str(&output(&mut command)).expect("a report")
}
