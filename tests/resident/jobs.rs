//! Jobs by way of the IOP: several at a time, and how they end.

use super::*;
use crate::peers::interposer::Withheld;

/// Length of the blocks of a writer.
pub(super) const BLOCK: usize = 64 << 10;

#[test]
fn three_drives_are_used_at_once_by_one_session() {
    let mut held = Held::new(&["--drives", "3"], &[]);
    let [first, second, third] = [1, 2, 3].map(|seed| pattern(seed, 9_000_001));
    held.file("third", &third);
    held.run("tape write TAPMLB01 VOL003 third --drive TAP03")
        .assert_status(0);
    // Both writers have their drives before either is done.
    let mut one = held.writer(&["VOL001", "--drive", "TAP01"]);
    let mut other = held.writer(&["VOL002", "--drive", "TAP02"]);
    for (one_part, other_part) in first.chunks(1 << 20).zip(second.chunks(1 << 20)) {
        one.give(one_part);
        other.give(other_part);
    }
    let status = held.status();
    assert_eq!(status["jobs"].as_array().unwrap().len(), 4, "{status:#}");
    held.run("tape read TAPMLB01 VOL003 out --drive TAP03")
        .assert_status(0);
    assert!(held.read("out") == third);
    for writer in [one, other] {
        let output = writer.finish();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }
    for (volume, bytes) in [("VOL001", &first), ("VOL002", &second)] {
        held.run(&format!("tape read TAPMLB01 {volume} {volume}"))
            .assert_status(0);
        assert!(held.read(volume) == *bytes, "{volume}");
    }
    let status = held.status();
    assert_eq!(status["jobs"].as_array().unwrap().len(), 0);
    assert!(
        status["bytes_sent"].as_u64().unwrap() > 27_000_000,
        "{status:#}"
    );
    assert!(status["bytes_received"].as_u64().unwrap() > 27_000_000);
    held.iop.take().unwrap().stop();
    let (_, lines) = held.vtl.take().unwrap().stop_and_read();
    let logins = lines.iter().filter(|line| line.contains("logged in"));
    assert_eq!(logins.count(), 1, "{lines:#?}");
}

#[test]
fn a_drive_is_one_jobs_and_the_others_are_told_whose() {
    let held = Held::new(&["--drives", "2"], &[]);
    let writer = held.job_at_work(&["VOL001", "--drive", "TAP01"]);
    let pid = writer.id().to_string();
    held.run("--lock-timeout 0 tape status TAP01")
        .assert_status(3)
        .says(&["TAP01", &pid, "tape write"]);
    held.run("--lock-timeout 0 tape write TAPMLB01 VOL002 --drive TAP01")
        .assert_status(3)
        .says(&[&pid]);
    // Without a name, the free one is taken.
    held.file("in", b"beside it");
    held.run("--lock-timeout 0 tape write TAPMLB01 VOL002 in")
        .assert_status(0);
    let refused = held
        .run("--json --lock-timeout 0 -reipliscsiop")
        .assert_status(3)
        .says(&[&pid, "TAP01"]);
    assert_eq!(refused.json()["error"]["status"], 3);
    assert_eq!(writer.finish().status.code(), Some(0));
    let _ = held.environment.reipl(0);
}

impl Held {
    /// Starts a `tape write` with blocks of [`BLOCK`] bytes, and returns it while it has TAP01 and waits for more than two of them.
    #[track_caller]
    pub(super) fn job_at_work(&self, arguments: &[&str]) -> Writer {
        let mut writer = self.writer(&[arguments, &["--block-size", "64KiB"]].concat());
        writer.give(&pattern(1, 2 * BLOCK));
        wait_for_job(self, "TAP01");
        writer
    }
}

/// Waits until a job has a device and its drive has been written to.
#[track_caller]
fn wait_for_job(held: &Held, device: &str) {
    for _ in 0..2000 {
        let status = held.status();
        let mut jobs = status["jobs"].as_array().unwrap().iter();
        if jobs.any(|job| job["device"] == device)
            && status["bytes_sent"].as_u64().unwrap() >= BLOCK as u64
        {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    panic!("no job has {device}");
}

/// Fails unless the error of a job names the IOP that cut it off, and says how to go on; the target has no part in it.
#[track_caller]
pub(super) fn assert_cut_off_by(document: &Value, pid: u32) {
    let error = &document["error"];
    assert_eq!(error["code"], "job-cut-off", "{document:#}");
    let message = error["message"].as_str().unwrap();
    let named = format!("the resident IOP, process {pid}, ");
    assert!(message.contains(&named), "{document:#}");
    let hints = error["hints"].to_string();
    assert!(
        hints.contains("iop run") && hints.contains("iop status"),
        "{document:#}"
    );
    assert!(
        !hints.contains("VTL") && !message.contains("target"),
        "{document:#}"
    );
}

#[test]
fn a_reader_and_a_mount_that_a_stop_cuts_off_name_the_iop() {
    let (mut held, interposer) = Held::behind_interposer(
        &["--drives", "1"],
        &["--lock-timeout", "0", "--timeout", "2"],
    );
    held.file("in", &pattern(1, 3 * BLOCK));
    held.run("tape write TAPMLB01 VOL001 in --block-size 64KiB")
        .assert_status(0);
    for (operation_code, words) in [
        (MOVE_MEDIUM, ["library", "mount", "TAPMLB01", "VOL001"]),
        (READ, ["tape", "read", "TAPMLB01", "VOL001"]),
    ] {
        interposer.withhold(Withheld {
            lun: None,
            operation_code,
            after: 0,
        });
        let mut running = held.environment.start(&[&["--json"], &words[..]].concat());
        interposer.wait_for_withheld(1);
        let pid = held.iop().id();
        held.run("--timeout 60 iop stop").assert_status(0);
        let output = running
            .wait()
            .expect("a job ends with its IOP")
            .assert_status(4);
        interposer.pass_all();
        // The document of a reader is where its data is not.
        let document = match words[0] {
            "tape" => document_on_stderr(&output.stderr),
            _ => output.json(),
        };
        assert_cut_off_by(&document, pid);
        held.iop.take().unwrap().wait();
        held.iop = Some(Iop::start(
            &held.environment,
            &["--lock-timeout", "0", "--timeout", "2"],
        ));
    }
}

#[test]
fn a_client_of_rmt_is_told_of_the_iop_that_ended() {
    use std::io::{BufRead, BufReader};
    let mut held = Held::new(&["--drives", "1"], &[]);
    held.run("library mount TAPMLB01 VOL001").assert_status(0);
    let mut command = held.environment.command();
    command
        .arg("rmt")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut replies = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut reply = || replies.next().unwrap().unwrap();
    input.write_all(b"OTAP01\n0\n").unwrap();
    assert_eq!(reply(), "A0");
    let pid = held.iop().id();
    held.kill_iop();
    // MTREW.
    input.write_all(b"I6\n1\n").unwrap();
    assert_eq!(reply(), "E5");
    let told = reply();
    let expected = format!(
        "the resident IOP, process {pid}, has ended, and with it the connection of the job"
    );
    assert_eq!(told, expected);
    drop(input);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("hint: ") && said.contains("iop run"),
        "{said}"
    );
}

/// READ(6).
const READ: u8 = 0x08;
const MOVE_MEDIUM: u8 = 0xa5;

/// Returns the document behind the lines of an error.
#[track_caller]
fn document_on_stderr(said: &str) -> Value {
    let at = said.find("\n{").expect("a document");
    serde_json::from_str(&said[at..]).unwrap()
}

#[test]
fn a_job_that_is_killed_frees_its_device_and_leaves_the_session() {
    let mut held = Held::new(&["--drives", "1"], &[]);
    let since = held.status()["since"].clone();
    for (given, volume) in [
        (0, "VOL001"),
        (1, "VOL001"),
        (3 * BLOCK, "VOL001"),
        (9 * BLOCK + 5, "VOL001"),
    ] {
        let mut writer = held.writer(&[volume, "--block-size", "64KiB", "--overwrite"]);
        writer.give(&pattern(7, given));
        let begun = held.iop().event("job-begun");
        assert_eq!(begun["pid"], writer.id(), "{begun:#}");
        writer.kill();
        held.iop().event("job-ended");
    }
    held.assert_usable("VOL001", &since);
}

#[test]
fn an_iop_that_is_killed_ends_a_job_with_what_is_proven() {
    for given in [1, 2, 12] {
        let mut held = Held::new(&[], &[]);
        let bytes = pattern(given, usize::try_from(given).unwrap() * BLOCK);
        let mut writer = held.writer(&["VOL001", "--block-size", "64KiB"]);
        writer.give(&bytes);
        wait_for_job(&held, "TAP01");
        let pid = held.iop().id();
        held.kill_iop();
        let output = writer.finish();
        assert_eq!(output.status.code(), Some(4), "{output:?}");
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_cut_off_by(&document, pid);
        let proven = document["proven"].as_u64().unwrap();
        assert!(proven <= given, "{document:#}");

        held.iop = Some(Iop::start(&held.environment, &[]));
        let read = held.run("tape read TAPMLB01 VOL001 out --block-size 64KiB");
        let on_tape = held.read("out");
        let proven = usize::try_from(proven).unwrap() * BLOCK;
        assert!(on_tape.len() >= proven, "{read:?}");
        assert!(on_tape[..proven] == bytes[..proven]);
    }
}

#[test]
fn a_stop_waits_for_jobs_and_cuts_them_off_then() {
    let mut held = Held::new(&[], &["--lock-timeout", "0"]);
    let writer = held.job_at_work(&["VOL001"]);
    let pid = held.iop().id();
    held.run("iop stop").assert_status(0);
    let (status, stderr) = held.iop.take().unwrap().wait();
    assert_eq!(status.code(), Some(0), "{stderr}");
    let output = writer.finish();
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(document["proven"].as_u64().unwrap() <= 2, "{document:#}");
    assert_cut_off_by(&document, pid);

    held.iop = Some(Iop::start(&held.environment, &[]));
    // The cartridge of the job that was cut off is where that left it.
    let mut writer = held.job_at_work(&["VOL001", "--overwrite"]);
    held.iop().signal(Signal::TERM);
    held.iop().event("stopping");
    writer.give(&pattern(2, BLOCK));
    let output = writer.finish();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let (status, stderr) = held.iop.take().unwrap().wait();
    assert_eq!(status.code(), Some(0), "{stderr}");
}

#[test]
fn every_command_that_uses_a_device_goes_by_the_iop() {
    let held = Held::new(&[], &[]);
    held.file("in", b"data");
    for line in [
        "library TAPMLB01",
        "library mount TAPMLB01 VOL001",
        "tape status TAPMLB01",
        "library unmount TAPMLB01 VOL001",
        "library inventory TAPMLB01",
        "mtx -f TAPMLB01 status",
        "tape write TAPMLB01 VOL001 in",
        "tape list TAPMLB01 VOL001",
        "tape copy TAPMLB01:VOL001 TAPMLB01:VOL002",
    ] {
        held.run(line).assert_status(0);
    }
    let mut command = held.environment.command();
    let requests = held.file("requests", b"OTAP01\n0\nS\nC\n");
    command.arg("rmt").stdin(File::open(requests).unwrap());
    held.environment.finish(command).assert_status(0);
    let events = held.status()["events"].as_array().unwrap().clone();
    let begun = events.iter().filter(|event| event["event"] == "job-begun");
    assert!(begun.count() >= 8, "{events:#?}");
}
