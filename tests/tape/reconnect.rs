//! A session that the library's changer and its drive share is lost during a job, and both go on in the one that takes its place.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use serde_json::Value;

use crate::common::{TestEnvironment, text};
use crate::peers::vtl::{NAME, Vtl};

/// Length of what is written, in blocks of 1000 bytes.
const LENGTH: usize = 200_000;

/// The PDUs of the target behind which the connection is lost: during the mount, the first blocks, the last ones, and the way back
/// to the slot.
const LOST_BEHIND: [u32; 4] = [14, 40, 180, 222];

#[test]
fn a_lost_session_is_replaced_for_the_library_and_for_the_drive() {
    let environment = TestEnvironment::new();
    let media = environment.home().join("media");
    let bytes: Vec<u8> = (0..LENGTH).map(|index| (index * 7 / 3) as u8).collect();
    fs::write(environment.home().join("in"), &bytes).unwrap();
    let serve = |listen: &str, more: &[&str]| {
        let media = media.to_str().unwrap();
        let words = ["--listen", listen, "--media-dir", media];
        Vtl::start(&environment, &[&words[..], more].concat())
    };
    let vtl = serve("127.0.0.3:0", &[]);
    let listen = vtl.portal().to_string();
    environment.add(NAME, "127.0.0.3", vtl.port());
    environment.run(&["-reipliscsiop"]).assert_status(0);
    vtl.stop();
    let mut resumed = 0;
    for pdus in LOST_BEHIND {
        let fault = format!("drop-after={pdus},times=1");
        let vtl = serve(&listen, &["--fault", &fault]);
        let line = "--json tape write TAPMLB01 VOL001 in --overwrite --block-size 1000";
        let written = environment.run_line(line);
        let status = written.status.code().unwrap();
        match status {
            0 => {
                let document = written.json();
                assert_eq!(document["blocks"], LENGTH / 1000, "{pdus}: {document:#}");
                assert_eq!(
                    document["proven"], document["blocks"],
                    "{pdus}: {document:#}"
                );
                resumed += 1;
            }
            // What changes the state of the library is not sent again.
            4 => {
                let told = written.stderr.matches("the target closed the connection");
                assert_eq!(told.count(), 1, "{pdus}: {}", written.stderr);
            }
            status => panic!("{pdus}: status {status}: {}", written.stderr),
        }
        if status == 4 {
            let line = "tape write TAPMLB01 VOL001 in --overwrite --block-size 1000";
            environment.run_line(line).assert_status(0);
            environment
                .run_line("library unmount TAPMLB01 VOL001")
                .assert_status(0);
        }
        environment
            .run_line("tape read TAPMLB01 VOL001 out")
            .assert_status(0);
        assert!(
            fs::read(environment.home().join("out")).unwrap() == bytes,
            "{pdus}"
        );
        // The cartridge was put back.
        let library = environment
            .run_line("--json library TAPMLB01")
            .assert_status(0)
            .json();
        let elements = library["libraries"][0]["elements"].as_array().unwrap();
        let place = elements
            .iter()
            .find(|element| element["volume"] == "VOL001L8");
        assert_eq!(place.unwrap()["address"], 1025, "{pdus}");
        vtl.stop();
    }
    assert_eq!(resumed, 3, "jobs that went on");
}

#[test]
fn a_target_that_does_not_come_back_is_named_with_the_cause() {
    let environment = TestEnvironment::new();
    let vtl = Vtl::start(&environment, &[]);
    let port = vtl.port();
    environment.add(NAME, "127.0.0.1", port);
    environment.run(&["-reipliscsiop"]).assert_status(0);
    let mut command = environment.command();
    command
        .args(["--json", "tape", "write", "TAPMLB01", "VOL001", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut writing = command.spawn().unwrap();
    let mut input = writing.stdin.take().unwrap();
    // More than waits on its way to the drive.
    input.write_all(&vec![7; 40 << 20]).unwrap();
    vtl.stop();
    // The job ends without taking all of it.
    let _ = input.write_all(&vec![7; 40 << 20]);
    drop(input);
    let output = writing.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let error = &document["error"];
    assert_eq!(error["code"], "target-unreachable", "{document:#}");
    let message = text(&error["message"]);
    let words = format!(
        "the session was lost, and there is no new one: target {NAME} at 127.0.0.1 port {port}: "
    );
    assert!(message.contains(&words), "{message}");
}
