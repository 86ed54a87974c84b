//! Errors word for word that no golden transcript can have: they take a fault of a device, or a target that has changed.

use std::fs;

use iscsiswiconfig::scsi::AdditionalSenseCode;
use iscsiswiconfig::vtl::{CommandFault, DriveType, InjectedFailure, LibraryFaults};
use serde_json::Value;

use crate::common::TestEnvironment;
use crate::peers::embedded::{Portal, Target};
use crate::peers::vtl::{self, Vtl};

const NAME: &str = "iqn.2026-11.test:words";

/// Serves a library with two drives and two cartridges, and re-IPLs with it.
fn attached(faults: LibraryFaults) -> (TestEnvironment, Portal) {
    let target = Target::new(NAME).library(DriveType::Lto8, 2, 4, 2);
    let portal = Portal::serving([target.faults(faults)]);
    let environment = TestEnvironment::new();
    environment.add(NAME, "127.0.0.1", portal.port());
    environment.run(&["-reipliscsiop"]).assert_status(0);
    fs::write(environment.home().join("in"), [7; 5000]).unwrap();
    (environment, portal)
}

/// Expects what stderr says, and returns the document.
#[track_caller]
fn says(environment: &TestEnvironment, line: &str, status: i32, stderr: &str) -> Value {
    let words = format!("--json {line}");
    let output = environment.run_line(&words).assert_status(status);
    assert_eq!(output.stderr, stderr);
    output.json()
}

/// A fault of the third WRITE or READ.
fn at_third(operation_code: u8, failure: InjectedFailure) -> LibraryFaults {
    LibraryFaults {
        commands: vec![CommandFault {
            operation_code: Some(operation_code),
            after: 2,
            times: 1,
            failure,
        }],
        ..LibraryFaults::default()
    }
}

const CHANGED: &str = "iscsiswiconfig: VOL001L8 in TAP01: another cartridge is in the drive\n  hint: see who else uses the library\n";

const MEDIUM_CHANGED: InjectedFailure =
    InjectedFailure::UnitAttention(AdditionalSenseCode::MEDIUM_MAY_HAVE_CHANGED);

#[test]
fn a_cartridge_that_is_changed_while_it_is_written() {
    let (environment, _portal) = attached(at_third(0x0a, MEDIUM_CHANGED));
    let line = "tape write TAPMLB01 VOL001 in --block-size 1000";
    let document = says(&environment, line, 4, CHANGED);
    assert_eq!(document["error"]["code"], "medium-changed", "{document:#}");
    assert_eq!(document["proven"], 0, "{document:#}");
}

#[test]
fn a_cartridge_that_is_changed_while_it_is_read() {
    let (environment, _portal) = attached(at_third(0x08, MEDIUM_CHANGED));
    let line = "tape write TAPMLB01 VOL001 in --block-size 1000";
    environment.run_line(line).assert_status(0);
    let line = "tape read TAPMLB01 VOL001 out";
    let document = says(&environment, line, 4, CHANGED);
    assert_eq!(document["error"]["code"], "medium-changed", "{document:#}");
}

#[test]
fn blocks_that_were_acknowledged_and_are_lost() {
    let (environment, _portal) =
        attached(at_third(0x0a, InjectedFailure::DeferredError { blocks: 2 }));
    let line = "tape write TAPMLB01 VOL001 in --block-size 1000";
    let lost = "iscsiswiconfig: VOL001L8 in TAP01: the drive reports that an earlier write failed: MEDIUM ERROR 0C/00 (write error), of an \
                earlier command\n  hint: what is proven to be on the tape is said; write it again, on another cartridge\n";
    let document = says(&environment, line, 4, lost);
    assert_eq!(document["error"]["code"], "blocks-lost", "{document:#}");
}

#[test]
fn another_device_where_the_re_ipl_found_this_one() {
    let environment = TestEnvironment::new();
    let vtl = Vtl::start(&environment, &["--listen", "127.0.0.2:0"]);
    let portal = vtl.portal();
    environment.add(vtl::NAME, "127.0.0.2", portal.port());
    environment.run(&["-reipliscsiop"]).assert_status(0);
    vtl.stop();
    // Another library takes over.
    let listen = portal.to_string();
    let other = Vtl::start(&environment, &["--listen", &listen, "--serial", "78A9999"]);
    for (line, device, found, expected) in [
        ("tape status TAP01", "TAP01", "8A99990001", "8A12340001"),
        (
            "tape list TAPMLB01 VOL001",
            "TAPMLB01",
            "0000078A99990401",
            "0000078A12340401",
        ),
        (
            "library TAPMLB01",
            "TAPMLB01",
            "0000078A99990401",
            "0000078A12340401",
        ),
    ] {
        let told = format!(
            "iscsiswiconfig: the device at the LUN of {device} has serial number {found}, expected {expected}
  hint: it is another device now; re-IPL: iscsiswiconfig -reipliscsiop
"
        );
        let document = says(&environment, line, 1, &told);
        assert_eq!(document["error"]["code"], "other-device", "{document:#}");
    }
    other.stop();
}

#[test]
fn devices_that_need_a_re_ipl() {
    let (environment, portal) = attached(LibraryFaults::default());
    let port = portal.port().to_string();
    let target = [
        "-removetarget",
        "-initiatorname",
        "*GENERATE",
        "-targethostname",
        "127.0.0.1",
        "-targetname",
        NAME,
        "-targetport",
        &port,
    ];
    // Removed since the re-IPL, which attached it.
    environment.run(&target).assert_status(0);
    let removed = format!(
        "iscsiswiconfig: target {NAME} of TAP01 was changed or removed since the last re-IPL\n  hint: re-IPL: iscsiswiconfig -reipliscsiop\n"
    );
    let document = says(&environment, "tape status TAP01", 1, &removed);
    assert_eq!(document["error"]["code"], "re-ipl-needed", "{document:#}");
    // It did not answer at the last re-IPL.
    environment.add(NAME, "127.0.0.1", portal.port());
    drop(portal);
    environment.run(&["-reipliscsiop"]).assert_status(4);
    let failed = format!(
        "iscsiswiconfig: TAPMLB01 was not found by the last re-IPL, in which a target failed that may have it: {NAME}\n  hint: re-IPL: iscsiswiconfig -reipliscsiop\n"
    );
    let document = says(&environment, "library TAPMLB01", 1, &failed);
    assert_eq!(document["error"]["code"], "re-ipl-needed", "{document:#}");
}
