//! What does not fit a tape, a drive or a file, and what is there then.

use std::fs;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{Attached, files_of, pattern};
use crate::common::{binary, text};

#[test]
fn the_end_of_the_medium_says_what_is_on_the_tape() {
    let attached = Attached::new(&["--cartridge-size", "8MiB"]);
    let bytes = pattern(10 << 20);
    attached.file("in", &bytes);
    let document = attached.tape("write TAPMLB01 VOL001 in --block-size 4KiB", 1);
    assert_eq!(document["end_of_medium"], true, "{document:#}");
    assert_eq!(document["error"]["code"], "end-of-medium");
    assert_eq!(document["blocks"], document["proven"]);
    let written = document["bytes"].as_u64().unwrap();
    assert!(written > 0 && written.is_multiple_of(4096), "{document:#}");
    let read = attached.tape("read TAPMLB01 VOL001 out", 0);
    assert_eq!(read["bytes"], written, "with a filemark behind it");
    let length = usize::try_from(written).unwrap();
    assert!(fs::read(attached.path("out")).unwrap() == bytes[..length]);
}

#[test]
fn the_end_of_the_medium_before_the_first_block_says_so() {
    let attached = Attached::new(&["--cartridge-size", "1MiB"]);
    attached.file("in", &pattern(3 << 20));
    for line in [
        "tape write TAPMLB01 VOL001 in --block-size 2MiB",
        "tape copy in.tap TAPMLB01:VOL002",
    ] {
        let block = pattern(2 << 20);
        let word = (2_u32 << 20).to_le_bytes();
        attached.file("in.tap", &[&word[..], &block, &word].concat());
        let output = attached.environment.run_line(line).assert_status(1);
        assert!(output.stdout.contains(" 0 blocks, "), "{}", *output);
        assert!(output.stdout.contains("proven: 0 blocks"), "{}", *output);
    }
}

#[test]
fn a_copy_meets_the_end_of_the_medium() {
    let attached = Attached::new(&["--cartridge-size", "8MiB"]);
    let block = 40_000_u32;
    let framed = [
        &block.to_le_bytes()[..],
        &pattern(40_000),
        &block.to_le_bytes(),
    ]
    .concat();
    attached.file("long.tap", &framed.repeat(300));
    let document = attached.tape("copy long.tap TAPMLB01:VOL001", 1);
    assert_eq!(document["error"]["code"], "end-of-medium", "{document:#}");
    assert_eq!(document["end_of_medium"], true, "{document:#}");
    let blocks = document["blocks"].as_u64().unwrap();
    assert!((150..300).contains(&blocks), "{document:#}");
    assert_eq!(document["proven"], blocks, "{document:#}");
    let files = files_of(&attached, "TAPMLB01 VOL001");
    assert_eq!(files[0]["blocks"], blocks, "{files:#}");
    assert_eq!(files[0]["filemark"], true, "{files:#}");
}

#[test]
fn a_block_that_no_drive_takes_is_refused_before_anything_is_written() {
    let attached = Attached::new(&[]);
    attached.file("in", b"what the tape holds");
    attached.tape("write TAPMLB01 VOL001 in --block-size 8MiB", 0);
    for line in [
        "write TAPMLB01 VOL001 in --block-size 8388609 --overwrite",
        "test TAPMLB01 VOL001 --block-size 16777215 --size 1MB --overwrite",
    ] {
        let document = attached.tape(line, 1);
        assert_eq!(document["error"]["code"], "block-length", "{document:#}");
        let message = text(&document["error"]["message"]);
        assert!(message.contains("8388608 bytes at most"), "{message}");
        let hint = text(&document["error"]["hints"][0]);
        assert!(hint.contains("--block-size 8388608, or less"), "{hint}");
    }
    attached.tape("read TAPMLB01 VOL001 out --block-size 8MiB", 0);
    let read = fs::read(attached.path("out")).unwrap();
    assert_eq!(read, b"what the tape holds");
}

#[test]
fn a_test_that_writes_nothing_has_no_verdict_and_no_limit() {
    let attached = Attached::new(&["--write-protected", "VOL003L8"]);
    let document = attached.tape("test TAPMLB01 VOL003 --size 1MB --overwrite", 1);
    assert_eq!(document["error"]["code"], "write-protected");
    assert_eq!(document["verdict"], "not-tested", "{document:#}");
    assert_eq!(document["write"]["limited_by"], Value::Null);
}

#[test]
fn a_copy_to_a_file_that_cannot_be_written_says_what_it_has() {
    let attached = Attached::new(&[]);
    attached.file("in", &pattern(200_000));
    attached.tape("write TAPMLB01 VOL001 in --block-size 1000", 0);
    // 32 KiB, in units of 512 bytes.
    let line =
        "trap '' XFSZ; ulimit -f 64; exec iscsiswiconfig --json tape copy TAPMLB01:VOL001 cut.tap";
    let mut command = attached.environment.command_of("/bin/sh".as_ref());
    command.args(["-c", line]);
    let document = attached.environment.finish(command).assert_status(3).json();
    assert_eq!(document["error"]["code"], "output-failed", "{document:#}");
    assert!(text(&document["error"]["message"]).starts_with("cut.tap: "));
    let there = fs::read(attached.path("cut.tap")).unwrap().len() / 1008;
    assert_eq!(document["blocks"], there, "{document:#}");
    assert_eq!(document["bytes"], there * 1000, "{document:#}");
    assert_eq!(document["proven"], 0, "{document:#}");

    std::os::unix::fs::symlink("/dev/full", attached.path("full.tap")).unwrap();
    for line in [
        "copy TAPMLB01:VOL001 full.tap --overwrite",
        "read TAPMLB01 VOL001 full.tap",
    ] {
        let document = attached.tape(line, 3);
        let message = text(&document["error"]["message"]);
        let words = "full.tap: cannot write the output: No space left on device";
        assert!(message.starts_with(words), "{message}");
    }
}

#[test]
fn what_a_signal_ends_is_found_on_the_tape_and_the_cartridge_in_its_drive() {
    let attached = Attached::new(&[]);
    let mut command = attached.environment.command_heeding_signals(binary());
    command
        .args(["tape", "write", "TAPMLB01", "VOL001", "-"])
        .args(["--block-size", "64KiB"])
        .stdin(Stdio::piped());
    let mut writing = command.spawn().unwrap();
    let mut input = writing.stdin.take().unwrap();
    // More than waits on its way to the drive.
    input.write_all(&pattern(40 << 20)).unwrap();
    let process = Pid::from_child(&writing);
    kill_process(process, Signal::INT).unwrap();
    let ended = writing.wait().unwrap();
    assert_eq!(ended.signal(), Some(Signal::INT.as_raw()), "{ended}");

    let files = files_of(&attached, "TAPMLB01 VOL001");
    assert_eq!(files[0]["filemark"], false, "{files:#}");
    assert!(files[0]["blocks"].as_u64().unwrap() > 0, "{files:#}");
    let line = "library unmount TAPMLB01 VOL001";
    attached.prints(line, &["VOL001"]);
}
