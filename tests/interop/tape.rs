//! The `tape` commands against tgtd's tapes, and libiscsi reading what they wrote and writing what they read.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::{NAME, small};
use crate::common::{Output, TestEnvironment};
use crate::peers::tgtd::Tgtd;
use crate::vtl_peers::program;

const FIRST: &str = "VTA001L5";

struct Attached {
    environment: TestEnvironment,
    tgtd: Tgtd,
}

impl Attached {
    fn new() -> Self {
        let environment = TestEnvironment::new();
        let tgtd = Tgtd::serving(small(NAME).barcodes(&[FIRST]));
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
