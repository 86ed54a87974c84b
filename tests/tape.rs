//! The `tape` commands against the embedded library, over the network.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::Value;

use crate::common::{Output, TestEnvironment, text};
use crate::peers::vtl::{NAME, Vtl};

/// A library that is served, and an environment that has re-IPLed with it.
struct Attached {
    environment: TestEnvironment,
    _vtl: Vtl,
}

impl Attached {
    fn new(arguments: &[&str]) -> Self {
        let environment = TestEnvironment::new();
        let vtl = Vtl::start(&environment, arguments);
        environment.add(NAME, "127.0.0.1", vtl.port());
        environment
            .run(&["--timeout", "10", "-reipliscsiop"])
            .assert_status(0);
        Self {
            environment,
            _vtl: vtl,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.environment.home().join(name)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> String {
        fs::write(self.path(name), bytes).unwrap();
        name.to_owned()
    }

    /// Runs a `tape` command with `--json`, expects the status, and returns the document.
    #[track_caller]
    fn tape(&self, line: &str, status: i32) -> Value {
        self.run(line).assert_status(status).json()
    }

    fn run(&self, line: &str) -> Output {
        self.environment.run_line(&format!("--json tape {line}"))
    }
}

/// Bytes that repeat nowhere near: a linear congruential sequence.
fn pattern(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u8
    };
    (0..length).map(|_| next()).collect()
}

#[test]
fn files_come_back_whatever_the_length_of_their_blocks() {
    let attached = Attached::new(&[]);
    for (block, length) in [
        ("1", 300),
        ("7", 5000),
        ("511", 100_000),
        ("64KiB", 1_000_001),
        ("262145", 3_000_000),
        ("1MiB", 5 << 20),
    ] {
        let bytes = pattern(length);
        attached.file("in", &bytes);
        let document = attached.tape(
            &format!("write TAPMLB01 VOL001 in --overwrite --block-size {block}"),
            0,
        );
        assert_eq!(document["bytes"], length, "{document:#}");
        assert_eq!(document["blocks"], document["proven"], "{document:#}");
        let document = attached.tape(
            &format!("read TAPMLB01 VOL001L8 out --block-size {block}"),
            0,
        );
        assert_eq!(document["bytes"], length, "{document:#}");
        assert!(fs::read(attached.path("out")).unwrap() == bytes, "{block}");
    }
    let drives = attached.tape("status TAPMLB01", 0);
    assert_eq!(
        drives["drives"].as_array().unwrap().len(),
        0,
        "the cartridge was put back: {drives:#}"
    );
}

#[test]
fn a_pipe_is_written_and_read() {
    let attached = Attached::new(&[]);
    let bytes = pattern(600_000);
    attached.file("in", &bytes);
    let mut command = attached.environment.command();
    command
        .args(["tape", "write", "TAPMLB01", "VOL001"])
        .stdin(File::open(attached.path("in")).unwrap());
    attached.environment.finish(command).assert_status(0);
    let read = attached
        .environment
        .command()
        .args(["--json", "tape", "read", "TAPMLB01", "VOL001"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(read.status.code(), Some(0));
    assert!(read.stdout == bytes);
    let document: Value = serde_json::from_slice(&read.stderr).unwrap();
    assert_eq!(
        (&document["blocks"], &document["file"]),
        (&3.into(), &1.into()),
        "two of 256 KiB and a short one: {document:#}"
    );
}

#[test]
fn tape_files_are_appended_replaced_and_listed() {
    let attached = Attached::new(&[]);
    for (number, length) in [(1, 1000), (2, 2000), (3, 3000)] {
        attached.file("in", &pattern(length));
        let document = attached.tape("write TAPMLB01 VOL001 in --append --block-size 1000", 0);
        assert_eq!(document["file"], number);
    }
    let list = attached.tape("list TAPMLB01 VOL001", 0);
    let blocks: Vec<_> = list["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| (file["blocks"].as_u64(), file["filemark"].as_bool()))
        .collect();
    let expected = [1, 2, 3].map(|blocks| (Some(blocks), Some(true)));
    assert_eq!(blocks, expected, "{list:#}");

    let refused = attached.tape("write TAPMLB01 VOL001 in --file 2", 1);
    assert_eq!(refused["error"]["code"], "holds-data", "{refused:#}");
    attached.file("in", b"second");
    attached.tape("write TAPMLB01 VOL001 in --file 2 --overwrite", 0);
    let list = attached.tape("list TAPMLB01 VOL001", 0);
    assert_eq!(list["files"].as_array().unwrap().len(), 2, "{list:#}");
    attached.tape("read TAPMLB01 VOL001 out --file 2", 0);
    assert_eq!(fs::read(attached.path("out")).unwrap(), b"second");

    let missing = attached.tape("read TAPMLB01 VOL001 missing --file 3", 1);
    assert_eq!(missing["error"]["code"], "no-such-tape-file", "{missing:#}");
    assert!(!attached.path("missing").exists(), "nothing was written");
    let missing = attached.tape("write TAPMLB01 VOL001 in --file 9 --overwrite", 1);
    assert_eq!(missing["error"]["code"], "no-such-tape-file", "{missing:#}");
}

#[test]
fn data_goes_only_with_overwrite_and_a_volume_label_stays() {
    let attached = Attached::new(&[]);
    attached.file("in", b"some data");
    attached.tape("initialize TAPMLB01 VOL002 --volume-id ABC123", 0);
    let list = attached.tape("list TAPMLB01 VOL002", 0);
    let blocks: Vec<_> = (0..2)
        .map(|file| list["files"][file]["blocks"].clone())
        .collect();
    assert_eq!(blocks, [1, 0], "a label and two filemarks: {list:#}");
    attached.tape("write TAPMLB01 VOL002 in", 0);
    for line in [
        "write TAPMLB01 VOL002 in",
        "initialize TAPMLB01 VOL002 --volume-id X",
        "erase TAPMLB01 VOL002",
    ] {
        let refused = attached.tape(line, 1);
        assert_eq!(refused["error"]["code"], "holds-data", "{refused:#}");
        assert!(
            text(&refused["error"]["hints"][0]).contains("--overwrite"),
            "{refused:#}"
        );
    }
    let read = attached.tape("read TAPMLB01 VOL002 out", 0);
    assert_eq!(read["blocks"], 1, "the label is no part of file 1");
    assert_eq!(fs::read(attached.path("out")).unwrap(), b"some data");
    let list = attached.tape("list TAPMLB01 VOL002", 0);
    assert_eq!(
        list["files"][0]["labels"][0]["volume"], "ABC123",
        "{list:#}"
    );
    attached.tape("erase TAPMLB01 VOL002 --overwrite", 0);
    let list = attached.tape("list TAPMLB01 VOL002", 0);
    assert_eq!(list["files"], serde_json::json!([]), "{list:#}");
    let usage = attached.tape("initialize TAPMLB01 VOL002 --volume-id abc", 2);
    assert_eq!(usage["error"]["code"], "invalid-value", "{usage:#}");
}

#[test]
fn a_block_that_is_too_long_is_an_error_that_names_its_length() {
    let attached = Attached::new(&[]);
    attached.file("in", &pattern(5000));
    attached.tape("write TAPMLB01 VOL001 in --block-size 2500", 0);
    let document = attached.tape("read TAPMLB01 VOL001 out --block-size 2499", 4);
    assert_eq!(document["error"]["code"], "block-too-long");
    assert!(text(&document["error"]["message"]).contains("2500"));
    assert_eq!(document["blocks"], 0);
}

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
fn what_does_not_fit_the_library_is_refused() {
    let attached = Attached::new(&["--write-protected", "VOL003L8", "--drives", "1"]);
    attached.file("in", b"x");
    for (line, code) in [
        ("write TAPMLB01 VOL003 in", "write-protected"),
        ("write TAPMLB01 NOSUCH in", "no-such-volume"),
        ("write TAPMLB07 VOL001 in", "no-such-device"),
        ("write TAP01 VOL001 in", "no-such-device"),
        ("write TAPMLB01 VOL001 in --drive TAP09", "no-such-device"),
        ("rewind TAP01", "element-empty"),
        ("read TAPMLB01 VOL001 out", "no-such-tape-file"),
    ] {
        let document = attached.tape(line, 1);
        assert_eq!(document["error"]["code"], code, "{line}: {document:#}");
        assert_ne!(document["error"]["hints"], serde_json::json!([]), "{line}");
    }
    let empty = attached.tape("status TAP01", 0);
    assert_eq!(empty["drives"][0]["loaded"], false, "{empty:#}");
    let input = attached.tape("write TAPMLB01 VOL001 nothing-there", 3);
    assert_eq!(input["error"]["code"], "file-unusable");
}

#[test]
fn a_target_that_is_not_there_is_status_4() {
    let environment = TestEnvironment::new();
    let vtl = Vtl::start(&environment, &[]);
    environment.add(NAME, "127.0.0.1", vtl.port());
    environment
        .run(&["--timeout", "10", "-reipliscsiop"])
        .assert_status(0);
    vtl.stop();
    let document = environment
        .run_line("--json tape list TAPMLB01 VOL001")
        .assert_status(4)
        .json();
    assert_eq!(document["error"]["code"], "target-unreachable");
}

#[test]
fn status_tells_the_volume_its_write_protection_and_the_position() {
    let attached = Attached::new(&["--write-protected", "VOL003L8"]);
    attached.file("in", &pattern(3000));
    attached
        .environment
        .run_line("library mount TAPMLB01 VOL001")
        .assert_status(0);
    attached
        .environment
        .run_line("library mount TAPMLB01 VOL003")
        .assert_status(0);
    attached.tape("write TAPMLB01 VOL001 in --block-size 1000", 0);
    let library = attached.tape("status TAPMLB01", 0);
    let drives = library["drives"].as_array().unwrap();
    assert_eq!(drives.len(), 2, "{library:#}");
    for (drive, (name, volume, is_protected, object)) in drives.iter().zip([
        ("TAP01", "VOL001L8", false, 4),
        ("TAP02", "VOL003L8", true, 0),
    ]) {
        assert_eq!(drive["drive"], name, "{library:#}");
        assert_eq!(drive["volume"], volume, "{library:#}");
        assert_eq!(drive["write_protected"], is_protected, "{library:#}");
        assert_eq!(drive["object"], object, "{library:#}");
        assert_eq!(drive["beginning"], object == 0, "{library:#}");
    }
    let alone = attached.tape("status tap01", 0);
    assert_eq!(alone["drives"][0], drives[0], "{alone:#}");
    let rewound = attached.tape("rewind TAPMLB01", 0);
    assert_eq!(rewound["drives"][0]["beginning"], true, "{rewound:#}");
    attached
        .environment
        .run_line("tape status TAP02")
        .assert_status(0)
        .says(&["VOL003L8", "Write-protected", "beginning of the tape"]);
}
