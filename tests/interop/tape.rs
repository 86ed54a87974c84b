//! The `tape` and `library` commands against tgtd's tapes, and libiscsi reading what they wrote and writing what they read.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::{NAME, small};
use crate::common::{Output, TestEnvironment};
use crate::peers::tgtd::{
    DRIVE_ADDRESS, IMPORT_EXPORT_ADDRESS, STORAGE_ADDRESS, TRANSPORT_ADDRESS, Target, Tgtd,
};
use crate::vtl_peers::program;

const FIRST: &str = "VTA001L5";
const SECOND: &str = "VTA002L5";

struct Attached {
    environment: TestEnvironment,
    tgtd: Tgtd,
}

impl Attached {
    fn new() -> Self {
        let environment = TestEnvironment::new();
        let tgtd = Tgtd::serving(small(NAME).barcodes(&[FIRST, SECOND]));
        environment.add(NAME, "127.0.0.1", tgtd.port());
        environment
            .run_line("--timeout 10 -reipliscsiop")
            .assert_status(0);
        Self { environment, tgtd }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.environment.home().join(name)
    }

    fn run(&self, line: &str) -> Output {
        self.environment.run_line(&format!("--json {line}"))
    }

    #[track_caller]
    fn done(&self, line: &str) -> Value {
        self.run(line).assert_status(0).json()
    }

    /// Sends commands to the first drive by libiscsi, and returns a line for each.
    #[track_caller]
    fn by_libiscsi(&self, commands: &[&str]) -> Vec<String> {
        let mut command = self.environment.command_of(&program("command"));
        command.args([&format!("127.0.0.1:{}", self.tgtd.port()), NAME, "none"]);
        command.args(commands.iter().map(|command| format!("1:{command}")));
        let output = self.environment.finish(command).assert_status(0).silent();
        let lines = output.stdout.lines();
        lines.map(|line| line.trim_end().to_owned()).collect()
    }
}

/// Bytes that repeat nowhere near.
fn pattern(length: usize, seed: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64 ^ seed as u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u8
    };
    (0..length).map(|_| next()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn files_of_every_block_size_come_back() {
    let attached = Attached::new();
    for (block, length) in [
        (1, 100),
        (3, 500),
        (511, 50_000),
        (4096, 40_960),
        (65_537, 700_000),
        (262_144, 1_000_001),
        (1_048_576, 3 << 20),
    ] {
        let bytes = pattern(length, block);
        fs::write(attached.path("in"), &bytes).unwrap();
        let written = attached.done(&format!(
            "tape write TAPMLB01 {FIRST} in --overwrite --block-size {block}"
        ));
        assert_eq!(written["blocks"], length.div_ceil(block), "{written:#}");
        assert_eq!(written["bytes"], length, "{written:#}");
        // Blocks that are shorter than what is asked for come whole as well, though tgt sends a wrong part of them.
        for asked in [block, 1 << 20] {
            let read = attached.done(&format!(
                "tape read TAPMLB01 {FIRST} out --block-size {asked}"
            ));
            assert_eq!(read["bytes"], length, "{read:#}");
            assert_eq!(read["blocks"], length.div_ceil(block), "{read:#}");
            let out = fs::read(attached.path("out")).unwrap();
            assert!(out == bytes, "{block} {asked}");
        }
    }
}

#[test]
fn several_files_append_and_replace() {
    let attached = Attached::new();
    let file = |number: usize| pattern(30_000 + number * 777, number);
    for number in 1..=3 {
        fs::write(attached.path("in"), file(number)).unwrap();
        let append = if number == 1 { "" } else { "--append" };
        let written = attached.done(&format!(
            "tape write TAPMLB01 {FIRST} in --block-size 8192 {append}"
        ));
        assert_eq!(written["file"], number, "{written:#}");
    }
    let read = |number: usize| {
        attached.done(&format!("tape read TAPMLB01 {FIRST} out --file {number}"));
        fs::read(attached.path("out")).unwrap()
    };
    for number in 1..=3 {
        assert!(read(number) == file(number), "{number}");
    }
    let listed = attached.done(&format!("tape list TAPMLB01 {FIRST}"));
    let files = listed["files"].as_array().unwrap();
    assert_eq!(files.len(), 3, "{listed:#}");
    assert_eq!(files[0]["longest_block"], 8192, "{listed:#}");
    attached
        .run(&format!("tape read TAPMLB01 {FIRST} out --file 4"))
        .assert_status(1);
    attached
        .run(&format!("tape write TAPMLB01 {FIRST} in"))
        .assert_status(1);
    fs::write(attached.path("in"), file(9)).unwrap();
    attached.done(&format!(
        "tape write TAPMLB01 {FIRST} in --file 2 --overwrite"
    ));
    assert!(read(1) == file(1) && read(2) == file(9));
}

#[test]
fn libiscsi_reads_what_was_written_and_the_reverse() {
    let attached = Attached::new();
    let bytes = pattern(2 * 700 + 33, 1);
    fs::write(attached.path("in"), &bytes).unwrap();
    attached.done(&format!("library mount TAPMLB01 {FIRST} --drive TAP01"));
    attached.done(&format!("tape write TAPMLB01 {FIRST} in --block-size 700"));
    // REWIND, READ(6) of each block by its length, and of the filemark.
    let read = |length: usize| format!("080000{length:04x}00:{length}");
    let (whole, last) = (read(700), read(33));
    let lines = attached.by_libiscsi(&["010000000000:0", &whole, &whole, &last, &whole]);
    assert_eq!(lines[1], format!("good {}", hex(&bytes[..700])));
    assert_eq!(lines[2], format!("good {}", hex(&bytes[700..1400])));
    assert_eq!(lines[3], format!("good {}", hex(&bytes[1400..])));
    assert!(
        lines[4].starts_with("check 0/0001 filemark"),
        "{}",
        lines[4]
    );
    // REWIND, WRITE(6) of an odd and a short block, WRITE FILEMARKS(6).
    let (odd, short) = (pattern(501, 2), pattern(5, 3));
    let lines = attached.by_libiscsi(&[
        "010000000000:0",
        &format!("0a000001f500:>{}", hex(&odd)),
        &format!("0a0000000500:>{}", hex(&short)),
        "100000000100:0",
    ]);
    assert!(lines.iter().all(|line| line == "good"), "{lines:?}");
    let read = attached.done(&format!("tape read TAPMLB01 {FIRST} out"));
    assert_eq!((&read["blocks"], &read["bytes"]), (&2.into(), &506.into()));
    let out = fs::read(attached.path("out")).unwrap();
    assert!(out == [odd, short].concat());
}

/// Where each cartridge is: element address and barcode.
fn places(libraries: &Value) -> Vec<(u64, String)> {
    let elements = libraries["libraries"][0]["elements"].as_array().unwrap();
    let full = elements.iter().filter(|element| element["full"] == true);
    full.map(|element| {
        let volume = element["volume"].as_str().unwrap().to_owned();
        (element["address"].as_u64().unwrap(), volume)
    })
    .collect()
}

impl Attached {
    #[track_caller]
    fn stands(&self, expected: [(u16, &str); 2]) {
        let expected = expected.map(|(address, volume)| (u64::from(address), volume.to_owned()));
        assert_eq!(places(&self.done("library TAPMLB01")), expected);
    }

    /// Runs a line that is refused with status 1, and returns the code of its error.
    #[track_caller]
    fn refused(&self, line: &str) -> String {
        let document = self.run(line).assert_status(1).json();
        document["error"]["code"].as_str().unwrap().to_owned()
    }

    /// Has tgtd refuse or allow writing to a drive, by its LUN.
    fn protect(&self, lun: &str, is_protected: bool) {
        let readonly = format!("readonly={}", u8::from(is_protected));
        let unit = ["--mode", "logicalunit", "--op", "update", "--tid", "1"];
        self.tgtd
            .admin(&[&unit[..], &["--lun", lun, "--params", &readonly]].concat());
    }
}

#[test]
fn a_write_protected_cartridge_is_refused_and_kept() {
    let attached = Attached::new();
    let bytes = pattern(10_000, 1);
    fs::write(attached.path("in"), &bytes).unwrap();
    attached.done(&format!("library mount TAPMLB01 {FIRST} --drive TAP01"));
    for _ in 0..2 {
        attached.done(&format!("tape write TAPMLB01 {FIRST} in --append"));
    }
    attached.done(&format!("tape copy TAPMLB01:{FIRST} whole.tap"));
    attached.protect("1", true);
    for line in [
        format!("tape write TAPMLB01 {FIRST} in --append"),
        format!("tape write TAPMLB01 {FIRST} in --overwrite"),
        format!("tape write TAPMLB01 {FIRST} in --file 2 --overwrite"),
        format!("tape initialize TAPMLB01 {FIRST} --volume-id VTA001 --overwrite"),
        format!("tape erase TAPMLB01 {FIRST} --overwrite"),
        format!("tape test TAPMLB01 {FIRST} --size 1MB --overwrite"),
        format!("tape copy whole.tap TAPMLB01:{FIRST} --overwrite"),
    ] {
        assert_eq!(attached.refused(&line), "write-protected", "{line}");
    }
    let status = attached.done("tape status TAP01");
    assert_eq!(status["drives"][0]["write_protected"], true, "{status:#}");
    for file in 1..=2 {
        attached.done(&format!("tape read TAPMLB01 {FIRST} out --file {file}"));
        assert!(fs::read(attached.path("out")).unwrap() == bytes);
    }
    let listed = attached.done(&format!("tape list TAPMLB01 {FIRST}"));
    assert_eq!(listed["files"].as_array().unwrap().len(), 2, "{listed:#}");
    attached.protect("1", false);
    let written = attached.done(&format!("tape write TAPMLB01 {FIRST} in --append"));
    assert_eq!(written["file"], 3, "{written:#}");
    // tgt has no ERASE.
    let erased = attached.run(&format!("tape erase TAPMLB01 {FIRST} --overwrite"));
    let erased = erased.assert_status(4).says(&["ILLEGAL REQUEST 20/00"]);
    assert_eq!(erased.json()["error"]["code"], "device-error");
    attached.done(&format!(
        "tape test TAPMLB01 {FIRST} --size 1MB --overwrite"
    ));
}

#[test]
fn an_empty_drive_has_a_status_and_nothing_to_rewind() {
    let attached = Attached::new();
    let status = attached.done("tape status TAP01");
    assert_eq!(status["drives"][0]["loaded"], false, "{status:#}");
    let status = attached.done("tape status TAPMLB01");
    assert_eq!(status["drives"].as_array().unwrap().len(), 0, "{status:#}");
    assert_eq!(attached.refused("tape rewind TAP01"), "element-empty");
    attached.done(&format!("library mount TAPMLB01 {FIRST} --drive TAP02"));
    for device in ["TAP02", "TAPMLB01"] {
        for command in ["status", "rewind"] {
            let status = attached.done(&format!("tape {command} {device}"));
            let drives = status["drives"].as_array().unwrap();
            let [drive] = drives.as_slice() else {
                panic!("{status:#}");
            };
            assert_eq!(drive["drive"], "TAP02");
            assert_eq!(
                (&drive["loaded"], &drive["volume"]),
                (&true.into(), &FIRST.into())
            );
            // READ POSITION of tgt has nothing but zeros.
            assert_eq!(
                (&drive["beginning"], &drive["object"]),
                (&Value::Null, &Value::Null)
            );
        }
    }
}

#[test]
fn a_cartridge_is_used_where_it_is_and_put_back() {
    let attached = Attached::new();
    fs::write(attached.path("in"), pattern(10_000, 1)).unwrap();
    attached.done(&format!("library mount TAPMLB01 {FIRST} --drive TAP01"));
    for (line, code) in [
        (format!("{FIRST} in --drive TAP02"), "in-another-drive"),
        (format!("{SECOND} in --drive TAP01"), "element-full"),
        ("VTA009 in".to_owned(), "no-such-volume"),
        (format!("{SECOND} in --drive TAP03"), "no-such-device"),
    ] {
        let refused = attached.refused(&format!("tape write TAPMLB01 {line}"));
        assert_eq!(refused, code, "{line}");
    }
    let written = attached.done(&format!("tape write TAPMLB01 {FIRST} in"));
    assert_eq!(written["drive"], "TAP01");
    // The other drive is taken, and is empty again.
    let written = attached.done(&format!("tape write TAPMLB01 {SECOND} in"));
    assert_eq!(written["drive"], "TAP02");
    attached.stands([(DRIVE_ADDRESS, FIRST), (STORAGE_ADDRESS + 1, SECOND)]);
    // So it is with a cartridge in an import/export element.
    attached.done(&format!("library export TAPMLB01 {SECOND}"));
    attached.done(&format!("tape read TAPMLB01 {SECOND} out"));
    assert!(fs::read(attached.path("out")).unwrap() == pattern(10_000, 1));
    attached.stands([(DRIVE_ADDRESS, FIRST), (IMPORT_EXPORT_ADDRESS, SECOND)]);
    // Without a free drive nothing moves.
    attached.done(&format!("library mount TAPMLB01 {SECOND}"));
    attached.done(&format!("library unmount TAPMLB01 {FIRST}"));
    attached.done(&format!(
        "tape copy TAPMLB01:{FIRST} TAPMLB01:{SECOND} --overwrite"
    ));
    attached.stands([(DRIVE_ADDRESS + 1, SECOND), (STORAGE_ADDRESS, FIRST)]);
}

#[test]
fn cartridges_are_mounted_moved_and_counted() {
    let attached = Attached::new();
    let [first, second] = [STORAGE_ADDRESS, STORAGE_ADDRESS + 1];
    attached.stands([(first, FIRST), (second, SECOND)]);
    for _ in 0..2 {
        attached.done("library mount TAPMLB01 vta001 --drive TAP02");
        attached.stands([(DRIVE_ADDRESS + 1, FIRST), (second, SECOND)]);
    }
    let shown = attached.done("library");
    let elements = shown["libraries"][0]["elements"].as_array().unwrap();
    let of = |address: u16| {
        let mut found = elements.iter();
        found.find(|element| element["address"] == address).unwrap()
    };
    assert_eq!(elements.len(), 1 + 2 + 4 + 8, "{shown:#}");
    let drive = of(DRIVE_ADDRESS + 1);
    assert_eq!(
        (&drive["type"], &drive["device"]),
        (&"drive".into(), &"TAP02".into())
    );
    assert_eq!(drive["source_address"], first, "{shown:#}");
    assert_eq!(of(DRIVE_ADDRESS)["device"], "TAP01", "{shown:#}");
    assert_eq!(of(TRANSPORT_ADDRESS)["type"], "transport");
    assert_eq!(of(IMPORT_EXPORT_ADDRESS + 3)["type"], "import_export");
    for (line, code) in [
        (format!("move TAPMLB01 {FIRST} {second}"), "element-full"),
        (format!("move TAPMLB01 {first} 1030"), "element-empty"),
        (format!("move TAPMLB01 {SECOND} 2000"), "no-such-element"),
        ("unmount TAPMLB01 --drive TAP01".to_owned(), "element-empty"),
        (
            format!("mount TAPMLB01 {FIRST} --drive TAP01"),
            "in-another-drive",
        ),
        (
            format!("mount TAPMLB01 {SECOND} --drive TAP02"),
            "element-full",
        ),
    ] {
        assert_eq!(attached.refused(&format!("library {line}")), code, "{line}");
    }
    for _ in 0..2 {
        attached.done(&format!("library unmount TAPMLB01 {FIRST}"));
        attached.stands([(first, FIRST), (second, SECOND)]);
    }
    attached.done(&format!("library move TAPMLB01 {FIRST} {}", first + 5));
    attached.stands([(second, SECOND), (first + 5, FIRST)]);
    attached.done(&format!("library export TAPMLB01 {FIRST}"));
    attached.stands([(IMPORT_EXPORT_ADDRESS, FIRST), (second, SECOND)]);
    attached.done("library import TAPMLB01");
    attached.stands([(first, FIRST), (second, SECOND)]);
    let counted = attached.done("library inventory TAPMLB01");
    assert_eq!(places(&counted), places(&attached.done("library")));
}

/// 40 MiB of which no piece is like another one.
fn long_pattern() -> Vec<u8> {
    let piece = pattern(1 << 20, 1);
    let mut bytes = Vec::with_capacity(40 << 20);
    for number in 0..40 {
        bytes.extend(piece.iter().map(|byte| byte ^ number));
    }
    bytes
}

/// Writes 40 MiB on a cartridge that holds four, more than may be on its way at once, and returns what was told of it and what was to be written.
fn overfill(attached: &Attached, line: &str) -> (Value, Vec<u8>) {
    let bytes = long_pattern();
    fs::write(attached.path("in"), &bytes).unwrap();
    let told = attached.run(line).assert_status(1).json();
    assert_eq!(told["error"]["code"], "end-of-medium", "{told:#}");
    assert_eq!(told["end_of_medium"], true, "{told:#}");
    (told, bytes)
}

#[test]
fn the_end_of_the_medium_is_heeded_though_the_drive_writes_on() {
    let attached = Attached::new();
    for block in [32 << 10, 65_537, 1 << 20] {
        let line = format!("tape write TAPMLB01 {FIRST} in --overwrite --block-size {block}");
        let (told, bytes) = overfill(&attached, &line);
        let count = told["bytes"].as_u64().unwrap() as usize;
        assert_eq!(told["blocks"], count / block, "{told:#}");
        assert_eq!(
            (count % block, told["proven"].as_u64()),
            (0, told["blocks"].as_u64())
        );
        // What the drive warned of, and what was on its way then, is on the tape.
        assert!((3 << 20..bytes.len()).contains(&count), "{told:#}");
        let read = attached.done(&format!("tape read TAPMLB01 {FIRST} out --block-size 1MiB"));
        assert_eq!(read["blocks"], told["blocks"], "{read:#}");
        assert!(fs::read(attached.path("out")).unwrap() == bytes[..count]);
        let listed = attached.done(&format!("tape list TAPMLB01 {FIRST}"));
        let files = listed["files"].as_array().unwrap();
        assert_eq!(
            (files.len(), &files[0]["filemark"]),
            (1, &true.into()),
            "{listed:#}"
        );
        // A script goes on with another cartridge.
        let rest = &bytes[count..][..3 << 20];
        fs::write(attached.path("rest"), rest).unwrap();
        attached.done(&format!("tape write TAPMLB01 {SECOND} rest --overwrite"));
        attached.done(&format!("tape read TAPMLB01 {SECOND} rest.out"));
        assert!(
            fs::read(attached.path("rest.out")).unwrap() == rest,
            "{block}"
        );
    }
}

#[test]
fn a_copy_and_a_test_meet_the_end_of_the_medium() {
    let attached = Attached::new();
    let block = 64 << 10;
    let bytes = long_pattern();
    // A .tap file of more than the cartridge holds.
    let mut tap = Vec::new();
    for block in bytes.chunks(block) {
        let length = u32::try_from(block.len()).unwrap().to_le_bytes();
        tap.extend([&length, block, &length].concat());
    }
    tap.extend([0; 4]);
    fs::write(attached.path("long.tap"), tap).unwrap();
    let line = format!("tape copy long.tap TAPMLB01:{SECOND}");
    let copied = attached.run(&line).assert_status(1).json();
    assert_eq!(copied["error"]["code"], "end-of-medium", "{copied:#}");
    assert_eq!(
        (&copied["end_of_medium"], &copied["filemarks"]),
        (&true.into(), &1.into())
    );
    let read = attached.done(&format!("tape read TAPMLB01 {SECOND} out"));
    assert_eq!(read["blocks"], copied["blocks"], "{read:#}");
    let out = fs::read(attached.path("out")).unwrap();
    assert!(out.len() > 3 << 20 && bytes.starts_with(&out));
    let line = format!("tape test TAPMLB01 {SECOND} --size 40MiB --overwrite");
    let tested = attached.run(&line).assert_status(1).json();
    assert_eq!(tested["error"]["code"], "end-of-medium", "{tested:#}");
}

#[test]
fn data_without_a_filemark_is_told_by_a_drive_that_knows_no_position() {
    let attached = Attached::new();
    fs::write(attached.path("in"), pattern(5000, 1)).unwrap();
    attached.done(&format!("library mount TAPMLB01 {FIRST} --drive TAP01"));
    // REWIND, and WRITE(6) of two blocks that no filemark follows.
    let lines = attached.by_libiscsi(&[
        "010000000000:0",
        &format!("0a0000000500:>{}", hex(b"first")),
        &format!("0a0000000600:>{}", hex(b"second")),
    ]);
    assert!(lines.iter().all(|line| line == "good"), "{lines:?}");
    let line = format!("tape write TAPMLB01 {FIRST} in --append");
    let refused = attached.run(&line).assert_status(1).json();
    assert_eq!(refused["error"]["code"], "no-filemark", "{refused:#}");
    let hint = "nothing was written; --file 1 --overwrite writes in its place";
    assert_eq!(refused["error"]["hints"][0], hint, "{refused:#}");
    let line = format!("tape read TAPMLB01 {FIRST} out");
    let failed = attached.run(&line).assert_status(4).json();
    assert_eq!(failed["error"]["code"], "no-filemark", "{failed:#}");
    assert_eq!(fs::read(attached.path("out")).unwrap(), b"firstsecond");
    // The hint does what it says.
    attached.done(&format!(
        "tape write TAPMLB01 {FIRST} in --file 1 --overwrite"
    ));
    attached.done(&format!("tape write TAPMLB01 {FIRST} in --append"));
    let listed = attached.done(&format!("tape list TAPMLB01 {FIRST}"));
    assert_eq!(listed["files"].as_array().unwrap().len(), 2, "{listed:#}");
}

#[test]
fn rmt_spaces_over_a_protected_tape_though_the_drive_refuses_to() {
    let attached = Attached::new();
    attached.done(&format!("library mount TAPMLB01 {FIRST} --drive TAP01"));
    for number in 1..=3 {
        fs::write(attached.path("in"), [b'a' + number; 3000]).unwrap();
        let line = format!("tape write TAPMLB01 {FIRST} in --append --block-size 1000");
        attached.done(&line);
    }
    attached.protect("1", true);
    // rewind; a file on; two blocks on and read; a file on and read; to the end of the data.
    let requests = "OTAP01\n0\nI6\n1\nI1\n1\nI3\n2\nR1000\nI1\n1\nR1000\nI12\n1\nR1000\nC\n";
    fs::write(attached.path("requests"), requests).unwrap();
    let mut command = attached.environment.command();
    let input = fs::File::open(attached.path("requests")).unwrap();
    command.arg("rmt").stdin(input);
    let output = attached.environment.finish(command).assert_status(0);
    let data = |number: u8| String::from_utf8(vec![b'a' + number; 1000]).unwrap();
    let expected = format!(
        "A0\nA0\nA0\nA0\nA1000\n{}A0\nA1000\n{}A0\nE5\nthe end of the data is reached\nA0\n",
        data(2),
        data(3)
    );
    assert_eq!(output.stdout, expected);
    // Writing is refused as st(4) refuses it.
    fs::write(attached.path("requests"), "OTAP01\n1\n").unwrap();
    let mut command = attached.environment.command();
    let input = fs::File::open(attached.path("requests")).unwrap();
    command.arg("rmt").stdin(input);
    let output = attached.environment.finish(command);
    assert!(output.stdout.starts_with("E30\n"), "{}", output.stdout);
}

#[test]
fn a_drive_of_another_target_serves_the_library() {
    const DRIVES: &str = "iqn.2012-01.lab.vtl:drives";
    let environment = TestEnvironment::new();
    let mut tgtd = Tgtd::start();
    tgtd.add(Target::empty(DRIVES).lone_drive(1, "ULT3580-TD5", "2000000007"));
    let library = Target::library(NAME, "0000078A12340401", 1, 4, 1_000_000_001);
    tgtd.add(library.barcodes(&[FIRST, SECOND]).borrowed_drive(DRIVES, 1));
    for name in [NAME, DRIVES] {
        environment.add(name, "127.0.0.1", tgtd.port());
    }
    environment
        .run_line("--timeout 10 -reipliscsiop")
        .assert_status(0);
    let attached = Attached { environment, tgtd };
    let shown = attached.done("library TAPMLB01");
    let elements = shown["libraries"][0]["elements"].as_array().unwrap();
    let device = |address: u16| {
        let element = elements
            .iter()
            .find(|element| element["address"] == address);
        element.unwrap()["device"].as_str().unwrap().to_owned()
    };
    let (other, own) = (device(DRIVE_ADDRESS), device(DRIVE_ADDRESS + 1));
    assert_ne!(own, other);
    let bytes = pattern(700_000, 3);
    fs::write(attached.path("in"), &bytes).unwrap();
    // It mounts into the drive of the other target, writes there, and puts the cartridge back.
    let line = format!("tape write TAPMLB01 {FIRST} in --drive {other}");
    assert_eq!(attached.done(&line)["drive"], other.as_str());
    attached.stands([(STORAGE_ADDRESS, FIRST), (STORAGE_ADDRESS + 1, SECOND)]);
    let line = format!("tape read TAPMLB01 {FIRST} out --drive {own}");
    assert_eq!(attached.done(&line)["drive"], own.as_str());
    assert!(fs::read(attached.path("out")).unwrap() == bytes);
    // Two drives behind two sessions.
    let line = format!("tape copy TAPMLB01:{FIRST} TAPMLB01:{SECOND}");
    let copied = attached.done(&line);
    assert_ne!(copied["from"]["drive"], copied["to"]["drive"], "{copied:#}");
    attached.done(&format!("library mount TAPMLB01 {SECOND} --drive {other}"));
    let status = attached.done("tape status TAPMLB01");
    let loaded = &status["drives"][0];
    assert_eq!(
        (&loaded["drive"], &loaded["volume"]),
        (&other.as_str().into(), &SECOND.into())
    );
    attached.done(&format!("tape read TAPMLB01 {SECOND} out"));
    assert!(fs::read(attached.path("out")).unwrap() == bytes);
    attached.done(&format!("library unmount TAPMLB01 --drive {other}"));
    attached.stands([(STORAGE_ADDRESS, FIRST), (STORAGE_ADDRESS + 1, SECOND)]);
}
