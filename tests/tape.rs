//! The `tape` commands against the embedded library, over the network.

use std::fs::{self, File};
use std::io::{Seek as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::Value;

/// The documents of jobs that came to no drive, and where they go.
#[path = "tape/documents.rs"]
mod documents;
/// What does not fit a tape, a drive or a file.
#[path = "tape/limits.rs"]
mod limits;
/// A session that is lost during a job.
#[path = "tape/reconnect.rs"]
mod reconnect;
/// The errors that take a fault of a device or a change of the configuration, word for word.
#[path = "tape/words.rs"]
mod words;

use crate::common::{Output, TestEnvironment, text};
use crate::peers::vtl::{NAME, Vtl};

/// A library that is served, and an environment that has re-IPLed with it.
struct Attached {
    environment: TestEnvironment,
    _vtl: Vtl,
}

impl Attached {
    fn new(arguments: &[&str]) -> Self {
        Self::of(TestEnvironment::new(), arguments)
    }

    fn of(environment: TestEnvironment, arguments: &[&str]) -> Self {
        let vtl = Vtl::start(&environment, arguments);
        environment.add(NAME, "127.0.0.1", vtl.port());
        environment
            .run(&["--timeout", "60", "-reipliscsiop"])
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

    /// Runs a command, and expects words on stdout.
    #[track_caller]
    fn prints(&self, line: &str, words: &[&str]) {
        let output = self.environment.run_line(line).assert_status(0);
        for word in words {
            assert!(output.stdout.contains(word), "{word}: {}", output.stdout);
        }
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
    let erased = attached.tape("erase TAPMLB01 VOL002 --overwrite", 0);
    assert_eq!(erased.get("file"), Some(&Value::Null), "{erased:#}");
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
    // Less than a volume label has is asked for by the length of a label, and named as it was given.
    attached.tape("write TAPMLB01 VOL002 in --block-size 70", 0);
    for (volume, length) in [("VOL001", 2500), ("VOL002", 70)] {
        attached.file("out", b"before");
        let document = attached.tape(&format!("read TAPMLB01 {volume} out --block-size 7"), 4);
        let message = text(&document["error"]["message"]);
        let words = format!("block 0 of file 1 has {length} bytes, expected at most 7");
        assert!(message.ends_with(&words), "{message}");
        assert_eq!(fs::read(attached.path("out")).unwrap(), b"before");
    }
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
fn a_directory_is_no_input_and_leaves_the_cartridge_as_it_is() {
    let attached = Attached::new(&[]);
    attached.file("in", &pattern(3000));
    attached.tape("write TAPMLB01 VOL001 in", 0);
    for more in ["--append", "--overwrite"] {
        let document = attached.tape(&format!("write TAPMLB01 VOL001 . {more}"), 3);
        assert_eq!(document["error"]["code"], "file-unusable", "{document:#}");
    }
    let listed = attached.tape("list TAPMLB01 VOL001", 0);
    assert_eq!(listed["files"].as_array().unwrap().len(), 1, "{listed:#}");
    assert_eq!(listed["files"][0]["bytes"], 3000, "{listed:#}");
}

#[test]
fn a_target_that_is_not_there_is_status_4() {
    let environment = TestEnvironment::new();
    let vtl = Vtl::start(&environment, &[]);
    environment.add(NAME, "127.0.0.1", vtl.port());
    environment
        .run(&["--timeout", "60", "-reipliscsiop"])
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
    attached.prints(
        "tape status TAP02",
        &["VOL003L8", "Write-protected", "beginning of the tape"],
    );
}

#[test]
fn volumes_with_one_name_and_tapes_without_a_filemark_are_told() {
    let environment = TestEnvironment::new();
    let media = environment.home().join("media");
    fs::create_dir(&media).unwrap();
    fs::set_permissions(&media, fs::Permissions::from_mode(0o700)).unwrap();
    for (name, bytes) in [
        ("VOL001L7.tap", &b""[..]),
        ("VOL002L8.tap", b"\x02\0\0\0ab\x02\0\0\0"),
    ] {
        fs::write(media.join(name), bytes).unwrap();
        fs::set_permissions(media.join(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
    let attached = Attached::of(environment, &["--media-dir", "media"]);
    attached.file("in", b"x");
    let refused = attached.tape("list TAPMLB01 vol001", 1);
    assert_eq!(refused["error"]["code"], "ambiguous-volume", "{refused:#}");
    let hint = text(&refused["error"]["hints"][0]);
    assert!(
        hint.contains("VOL001L7") && hint.contains("VOL001L8"),
        "{hint}"
    );
    attached.tape("write TAPMLB01 VOL001L8 in", 0);

    let refused = attached.tape("write TAPMLB01 VOL002 in --append", 1);
    assert_eq!(refused["error"]["code"], "no-filemark", "{refused:#}");
    let failed = attached.tape("read TAPMLB01 VOL002 out", 4);
    assert_eq!(failed["error"]["code"], "no-filemark", "{failed:#}");
    assert_eq!(fs::read(attached.path("out")).unwrap(), b"ab");
}

#[test]
fn a_command_that_finds_its_target_in_use_names_the_process_and_what_it_does() {
    let attached = Attached::new(&[]);
    let mut command = attached.environment.command();
    command
        .args(["tape", "write", "TAPMLB01", "VOL001"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null());
    let mut writer = command.spawn().unwrap();
    let mut stdin = writer.stdin.take().unwrap();
    // More than a pipe holds: it is taken when the tape is ready, and so the lock is held.
    stdin.write_all(&pattern(1 << 20)).unwrap();
    let refused = attached
        .environment
        .run_line("--lock-timeout 0 --json tape status TAPMLB01")
        .assert_status(3)
        .json();
    assert_eq!(refused["error"]["code"], "lock-held", "{refused:#}");
    let message = text(&refused["error"]["message"]);
    let holder = format!("process {} (tape write TAPMLB01 VOL001)", writer.id());
    assert!(message.contains(&holder), "{message}");
    drop(stdin);
    assert!(writer.wait().unwrap().success());
    attached.tape("status TAPMLB01", 0);
}

/// A tape of several files with blocks of many lengths, the longest more than a copy asks for at first.
fn write_a_mixed_tape(attached: &Attached) {
    attached.tape("initialize TAPMLB01 VOL001 --volume-id MIXED", 0);
    for (length, block) in [
        (3000, "700"),
        (20_000, "20000"),
        (5 << 20, "2MiB"),
        (9, "1"),
    ] {
        attached.file("in", &pattern(length));
        attached.tape(
            &format!("write TAPMLB01 VOL001 in --append --block-size {block}"),
            0,
        );
    }
}

fn files_of(attached: &Attached, cartridge: &str) -> Value {
    attached.tape(&format!("list {cartridge}"), 0)["files"].clone()
}

#[test]
fn a_copy_has_every_block_and_filemark() {
    let attached = Attached::new(&[]);
    write_a_mixed_tape(&attached);
    let document = attached.tape("copy TAPMLB01:VOL001 TAPMLB01:VOL002", 0);
    let expected = files_of(&attached, "TAPMLB01 VOL001");
    assert_eq!(expected.as_array().unwrap().len(), 4, "{expected:#}");
    assert_eq!(files_of(&attached, "TAPMLB01 VOL002"), expected);
    let blocks = 1 + 5 + 1 + 3 + 9;
    for (field, value) in [
        ("device", Value::from("TAPMLB01")),
        ("drive", "TAP02".into()),
        ("volume", "VOL002L8".into()),
        ("blocks", blocks.into()),
        ("proven", blocks.into()),
        ("filemarks", 4.into()),
        ("bytes", (80 + 3000 + 20_000 + (5 << 20) + 9).into()),
        ("end_of_medium", false.into()),
    ] {
        assert_eq!(document[field], value, "{field}: {document:#}");
    }
    for side in ["from", "to"] {
        assert_eq!(document[side]["blocks"], blocks, "counted: {document:#}");
        assert_eq!(document[side]["filemarks"], 4, "counted: {document:#}");
    }

    let refused = attached.tape("copy TAPMLB01:VOL001 TAPMLB01:VOL002", 1);
    assert_eq!(refused["error"]["code"], "holds-data", "{refused:#}");
    let refused = attached.tape("copy TAPMLB01:VOL001 tapmlb01:vol001l8 --overwrite", 1);
    assert_eq!(refused["error"]["code"], "same-cartridge", "{refused:#}");
    attached.file("in", b"one block");
    attached.tape("write TAPMLB01 VOL003 in", 0);
    attached.tape("copy TAPMLB01:VOL003 TAPMLB01:VOL002 --overwrite", 0);
    assert_eq!(
        files_of(&attached, "TAPMLB01 VOL002"),
        files_of(&attached, "TAPMLB01 VOL003")
    );
    // A tape without data takes the data of the other one with it, as any other tape does.
    let document = attached.tape("copy TAPMLB01:VOL004 TAPMLB01:VOL002 --overwrite", 0);
    assert_eq!(document["to"]["blocks"], 0, "counted: {document:#}");
    assert_eq!(
        files_of(&attached, "TAPMLB01 VOL002"),
        serde_json::json!([])
    );
    let status = attached.tape("status TAPMLB01", 0);
    assert_eq!(
        status["drives"],
        serde_json::json!([]),
        "both were put back"
    );
}

#[test]
fn a_tape_goes_to_a_tap_file_and_comes_back() {
    let attached = Attached::new(&[]);
    write_a_mixed_tape(&attached);
    let document = attached.tape("copy TAPMLB01:VOL001 t.tap", 0);
    assert_eq!(document["device"], Value::Null, "{document:#}");
    assert_eq!(document["to"]["path"], "t.tap", "{document:#}");
    assert_eq!(document["to"]["blocks"], 19, "{document:#}");
    let metadata = fs::metadata(attached.path("t.tap")).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    let bytes = fs::read(attached.path("t.tap")).unwrap();
    assert_eq!(bytes[..4], 80_u32.to_le_bytes(), "VOL1 comes first");
    assert_eq!(bytes[84..88], 80_u32.to_le_bytes());

    let refused = attached.tape("copy TAPMLB01:VOL002 t.tap", 1);
    assert_eq!(refused["error"]["code"], "file-exists", "{refused:#}");
    assert_eq!(fs::read(attached.path("t.tap")).unwrap(), bytes);
    attached.tape("copy t.tap TAPMLB01:VOL002", 0);
    assert_eq!(
        files_of(&attached, "TAPMLB01 VOL002"),
        files_of(&attached, "TAPMLB01 VOL001")
    );
    attached.tape("copy TAPMLB01:VOL003 t.tap --overwrite", 0);
    assert_eq!(fs::read(attached.path("t.tap")).unwrap(), b"");

    let usage = attached.tape("copy t.tap u.tap", 2);
    assert!(text(&usage["error"]["message"]).contains("both files"));
    let usage = attached.tape("copy t.tap TAPMLB01:VOL003 --via x", 2);
    assert!(text(&usage["error"]["message"]).contains("--via"));
    let missing = attached.tape("copy nothing.tap TAPMLB01:VOL003", 3);
    assert_eq!(missing["error"]["code"], "file-unusable", "{missing:#}");
}

#[test]
fn a_copy_takes_the_same_memory_however_long_the_tape_is() {
    const BLOCK: usize = 1 << 20;
    const BLOCKS: usize = 160;
    let attached = Attached::new(&[]);
    // Blocks of zeros, which take no room on the disk.
    let mut file = File::create(attached.path("long.tap")).unwrap();
    for _ in 0..BLOCKS {
        let length = u32::try_from(BLOCK).unwrap().to_le_bytes();
        file.write_all(&length).unwrap();
        file.seek_relative(BLOCK as i64).unwrap();
        file.write_all(&length).unwrap();
    }
    file.write_all(&[0; 4]).unwrap();
    for copy in [
        "long.tap TAPMLB01:VOL001",
        "TAPMLB01:VOL001 TAPMLB01:VOL002",
        "TAPMLB01:VOL001 out.tap",
    ] {
        // Less than half of what is copied, in KiB: without memory the program ends with a signal.
        let line = format!("ulimit -d 65536; exec iscsiswiconfig --json tape copy {copy}");
        let mut command = attached.environment.command_of("/bin/sh".as_ref());
        // A thread has no heap of its own, which would be set apart in pieces of 64 MiB.
        command.args(["-c", &line]).env("MALLOC_ARENA_MAX", "1");
        let document = attached.environment.finish(command).assert_status(0).json();
        assert_eq!(document["bytes"], BLOCKS * BLOCK, "{document:#}");
    }
}

#[test]
fn a_tap_file_that_is_not_whole_is_told_with_what_arrived() {
    let attached = Attached::new(&[]);
    let block = [&3_u32.to_le_bytes()[..], b"abc\0", &3_u32.to_le_bytes()].concat();
    for (name, end, words) in [
        (
            "torn.tap",
            &b"\x09\0\0\0tor"[..],
            "ends inside of the block of 9 bytes at byte 16",
        ),
        (
            "bad.tap",
            b"\x02\0\0\x80ab\x02\0\0\x80",
            "could not be read from its tape",
        ),
        ("none.tap", b"\x02\0\0\x10abcdef", "is no SIMH .tap file"),
    ] {
        attached.file(name, &[&block[..], &[0; 4], end].concat());
        let document = attached.tape(&format!("copy {name} TAPMLB01:VOL001 --overwrite"), 3);
        assert_eq!(document["error"]["code"], "file-unusable", "{document:#}");
        let message = text(&document["error"]["message"]);
        assert!(message.contains(words), "{message}");
        assert_eq!(document["blocks"], 1, "{document:#}");
        assert_eq!(document["proven"], 1, "{document:#}");
        let hint = text(&document["error"]["hints"][0]);
        assert_eq!(hint, "what was read before that is on the tape");
        let files = files_of(&attached, "TAPMLB01 VOL001");
        assert_eq!(files[0]["bytes"], 3, "{files:#}");
    }
    // From the first byte on there is nothing to copy, and the cartridge keeps what it holds.
    attached.file("junk.tap", b"\x02\0\0\x10abcdef");
    let document = attached.tape("copy junk.tap TAPMLB01:VOL001 --overwrite", 3);
    assert_eq!(document["error"]["code"], "file-unusable", "{document:#}");
    let hint = text(&document["error"]["hints"][0]);
    assert!(hint.starts_with("nothing was written; "), "{hint}");
    let files = files_of(&attached, "TAPMLB01 VOL001");
    assert_eq!(files[0]["bytes"], 3, "{files:#}");
}

#[test]
fn one_drive_copies_through_a_file() {
    let attached = Attached::new(&["--drives", "1"]);
    write_a_mixed_tape(&attached);
    let refused = attached.tape("copy TAPMLB01:VOL001 TAPMLB01:VOL002", 1);
    assert_eq!(refused["error"]["code"], "none-free", "{refused:#}");
    let hint = text(&refused["error"]["hints"][0]);
    assert!(hint.contains("--via FILE"), "{hint}");

    attached.file("taken", b"kept");
    let refused = attached.tape("copy TAPMLB01:VOL001 TAPMLB01:VOL002 --via taken", 1);
    assert_eq!(refused["error"]["code"], "file-exists", "{refused:#}");
    assert_eq!(fs::read(attached.path("taken")).unwrap(), b"kept");

    let document = attached.tape("copy TAPMLB01:VOL001 TAPMLB01:VOL002 --via between", 0);
    assert_eq!(document["from"]["volume"], "VOL001L8", "{document:#}");
    assert_eq!(document["to"]["volume"], "VOL002L8", "{document:#}");
    assert_eq!(document["blocks"], 19, "{document:#}");
    assert!(!attached.path("between").exists(), "it was removed");
    assert_eq!(
        files_of(&attached, "TAPMLB01 VOL002"),
        files_of(&attached, "TAPMLB01 VOL001")
    );
    let refused = attached.tape("copy TAPMLB01:VOL001 TAPMLB01:VOL002 --via between", 1);
    assert_eq!(refused["error"]["code"], "holds-data", "{refused:#}");
    assert!(!attached.path("between").exists(), "it was not begun");
}

#[test]
fn a_copy_that_ends_early_says_what_is_there_and_keeps_the_file_between() {
    let attached = Attached::new(&["--drives", "1", "--write-protected", "VOL002L8"]);
    attached.file("in", &pattern(10_000));
    attached.tape("write TAPMLB01 VOL001 in --block-size 1000", 0);
    let document = attached.tape("copy TAPMLB01:VOL001 TAPMLB01:VOL002 --via between", 1);
    assert_eq!(document["error"]["code"], "write-protected", "{document:#}");
    assert_eq!(document["blocks"], 0, "{document:#}");
    let hints = document["error"]["hints"].to_string();
    assert!(hints.contains("between"), "{hints}");
    fs::rename(attached.path("between"), attached.path("between.tap")).unwrap();
    attached.tape("copy between.tap TAPMLB01:VOL003", 0);
    assert_eq!(
        files_of(&attached, "TAPMLB01 VOL003"),
        files_of(&attached, "TAPMLB01 VOL001")
    );
}

#[test]
fn a_tape_goes_from_one_target_to_another() {
    let environment = TestEnvironment::new();
    let other = "iqn.2026-11.internal.iscsiswiconfig:another";
    let first = Vtl::start(&environment, &[]);
    let second = Vtl::start(
        &environment,
        &["--target-name", other, "--serial", "78B4321"],
    );
    environment.add(NAME, "127.0.0.1", first.port());
    environment.add(other, "127.0.0.1", second.port());
    environment
        .run(&["--timeout", "60", "-reipliscsiop"])
        .assert_status(0);
    let attached = Attached {
        environment,
        _vtl: first,
    };
    write_a_mixed_tape(&attached);
    let document = attached.tape("copy TAPMLB01:VOL001 TAPMLB02:VOL001", 0);
    assert_eq!(document["from"]["device"], "TAPMLB01", "{document:#}");
    assert_eq!(document["to"]["device"], "TAPMLB02", "{document:#}");
    assert_eq!(
        files_of(&attached, "TAPMLB02 VOL001"),
        files_of(&attached, "TAPMLB01 VOL001")
    );
    // Both targets are told of: each session ends with a logout.
    attached.tape("copy TAPMLB02:VOL001 TAPMLB01:VOL005", 0);
    second.stop();
    let failed = attached.tape("copy TAPMLB01:VOL001 TAPMLB02:VOL002", 4);
    assert_eq!(failed["error"]["code"], "target-unreachable", "{failed:#}");
}

#[test]
fn a_test_writes_reads_compares_and_measures() {
    let attached = Attached::new(&["--cartridge-size", "64MiB"]);
    attached.tape("initialize TAPMLB01 VOL001 --volume-id KEEP", 0);
    let document = attached.tape(
        "test TAPMLB01 VOL001 --size 10MB --block-size 64KiB --overwrite",
        0,
    );
    assert_eq!(document["verdict"], "passed", "{document:#}");
    assert_eq!(document["bytes"], 10_000_000, "{document:#}");
    assert_eq!(document["blocks"], 10_000_000_u64.div_ceil(65_536));
    assert_eq!(document["differing_blocks"], 0);
    assert!(
        document["round_trip"].as_f64().unwrap() > 0.0,
        "{document:#}"
    );
    for direction in ["write", "read"] {
        let pass = &document[direction];
        assert_eq!(pass["bytes"], 10_000_000, "{document:#}");
        let latency =
            ["p50", "p90", "p99", "p100"].map(|name| pass["latency"][name].as_f64().unwrap());
        assert!(latency[0] > 0.0 && latency.is_sorted(), "{document:#}");
        assert!(
            pass["bytes_per_second"].as_u64().unwrap() > 0,
            "{document:#}"
        );
        assert!(pass["outstanding"].as_u64().unwrap() > 1, "{document:#}");
        let limits = ["window", "round-trip", "target"];
        assert!(limits.contains(&text(&pass["limited_by"])), "{document:#}");
    }
    let files = files_of(&attached, "TAPMLB01 VOL001");
    assert_eq!(files[0]["labels"][0]["volume"], "KEEP", "{files:#}");
    assert_eq!(files[0]["bytes"], 10_000_080, "{files:#}");

    let refused = attached.tape("test TAPMLB01 VOL001 --size 1MB", 1);
    assert_eq!(refused["error"]["code"], "holds-data", "{refused:#}");
    assert_eq!(refused["verdict"], "not-tested", "{refused:#}");
    let full = attached.tape("test TAPMLB01 VOL002 --size 100MB", 1);
    assert_eq!(full["error"]["code"], "end-of-medium", "{full:#}");
    assert_eq!(full["verdict"], "failed", "{full:#}");
    attached.prints(
        "tape test TAPMLB01 VOL001 --size 1MB --overwrite",
        &[
            "passed",
            "Throughput",
            "Latency, 99 %",
            "Limited by",
            "Round trip",
        ],
    );
}
