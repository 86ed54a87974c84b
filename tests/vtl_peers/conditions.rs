//! Conditions that a drive and the changer tell of, as libiscsi gets them: fixed blocks, the end of the medium, write
//! protection, removal prevented, elements that are full or empty.

use super::{Served, send};
use crate::common::TestEnvironment;

/// Commands, and the line that each has to come to.
#[derive(Debug)]
struct Session {
    asked: Vec<String>,
    expected: Vec<String>,
}

impl Session {
    fn new() -> Self {
        Self {
            asked: Vec::new(),
            expected: Vec::new(),
        }
    }

    /// A session that begins with a cartridge moved into the drive.
    fn loaded() -> Self {
        Self::new().expect(MOVE_IN, "good ")
    }

    /// Sends a command and expects its line.
    fn expect(mut self, command: impl Into<String>, line: impl Into<String>) -> Self {
        self.asked.push(command.into());
        self.expected.push(line.into());
        self
    }

    /// Runs all of it against a library made with these arguments.
    #[track_caller]
    fn run(&self, arguments: &[&str]) {
        let environment = TestEnvironment::new();
        let served = Served::start(&environment, arguments);
        let lines = send(&environment, served.port, "none", &self.asked);
        for ((asked, expected), found) in self.asked.iter().zip(&self.expected).zip(&lines) {
            assert_eq!(found, expected, "{asked}\n{lines:#?}");
        }
        assert_eq!(lines.len(), self.asked.len());
    }
}

/// MOVE MEDIUM from the first slot into the first drive, and back.
const MOVE_IN: &str = "0:a50000000401010100000000:0";
const MOVE_OUT: &str = "0:a50000000101040100000000:0";
const REWIND: &str = "1:010000000000:0";
const FILEMARK: &str = "1:100000000100:0";

/// READ POSITION, short form, as far as the object number.
const POSITION: &str = "1:34000000000000000000:8";

/// WRITE(6) of one block in variable block mode.
fn write(data: &[u8]) -> String {
    format!("1:0a00{:06x}00:>{}", data.len(), hex(data))
}

/// READ(6) of one block in variable block mode.
fn read(length: usize) -> String {
    format!("1:0800{length:06x}00:{length}")
}

fn good(data: &[u8]) -> String {
    format!("good {}", hex(data))
}

fn hex(data: &[u8]) -> String {
    data.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn fixed_blocks_are_counted_and_stop_at_marks() {
    let blocks = |first: u8, count: usize| -> Vec<u8> {
        (0..count)
            .flat_map(|block| [first + block as u8; 16])
            .collect()
    };
    // MODE SELECT(6) with a block descriptor: buffered mode 1, block length 16.
    let select = |length: u8| format!("1:151000000c00:>00001008000000000000{length:04x}");
    Session::loaded()
        .expect(select(16), "good ")
        // The block length is in the descriptor from now on: bytes 9 to 11.
        // LTO-8: medium type 88h, density 5Eh; the block length is in the descriptor from now on.
        .expect("1:1a0000000c00:12", "good 0b8810085e00000000000010")
        .expect(format!("1:0a0100000300:>{}", hex(&blocks(1, 3))), "good ")
        .expect(FILEMARK, "good ")
        .expect(format!("1:0a0100000200:>{}", hex(&blocks(4, 2))), "good ")
        .expect(REWIND, "good ")
        .expect("1:080100000200:32", good(&blocks(1, 2)))
        // One block is left before the filemark: five were asked for, four are missing.
        .expect(
            "1:080100000500:80",
            format!("check 0/0001 filemark 4 {}", hex(&blocks(3, 1))),
        )
        .expect(
            "1:080100000500:80",
            format!("check 8/0005 3 {}", hex(&blocks(4, 2))),
        )
        // A block of another length than the descriptor's is incorrect: it is passed, and not counted.
        .expect(REWIND, "good ")
        .expect(select(8), "good ")
        .expect("1:080100000200:16", "check 0/0000 ili 2 ")
        .expect(POSITION, "good 0000000000000001")
        // Nothing tells how long the blocks are, and SILI has no meaning with FIXED.
        .expect("1:080300000100:16", "check 5/2400 ")
        .expect(select(0), "good ")
        .expect("1:080100000100:16", "check 5/2400 ")
        .expect("1:0a0100000100:>00", "check 5/2400 ")
        .run(&[]);
}

#[test]
fn the_end_of_the_medium_is_announced_then_met() {
    let environment = TestEnvironment::new();
    let served = Served::start(&environment, &["--cartridge-size", "64KiB"]);
    let block = [0xa5; 1000];
    let mut asked = vec![MOVE_IN.to_owned()];
    asked.extend((0..70).map(|_| write(&block)));
    asked.push(FILEMARK.to_owned());
    asked.push(REWIND.to_owned());
    asked.extend((0..70).map(|_| read(1000)));
    let lines = send(&environment, served.port, "none", &asked);
    let written = &lines[1..71];
    let count = |line: &str| written.iter().filter(|found| *found == line).count();
    let before = count("good ");
    let behind = count("check 0/0002 eom 0 ");
    let beyond = count("check d/0002 eom 1000 ");
    assert_eq!(before + behind + beyond, 70, "{written:#?}");
    assert!(
        before > 50 && behind > 2 && beyond > 2,
        "{before} {behind} {beyond}"
    );
    assert!(written[..before].iter().all(|line| line == "good "));
    assert!(
        written[before + behind..]
            .iter()
            .all(|line| line.starts_with("check d/"))
    );
    // A filemark still has its place behind early warning, and what was written all reads back.
    let read_back = &lines[73..];
    let there = before + behind;
    assert!(
        read_back[..there].iter().all(|line| *line == good(&block)),
        "{read_back:#?}"
    );
    let behind_all = &read_back[there];
    let filemark = match lines[71].as_str() {
        "check 0/0002 eom 0 " => "check 0/0001 filemark 1000 ",
        "check d/0002 eom 1 " => "check 8/0005 1000 ",
        other => panic!("WRITE FILEMARKS at the end: {other}"),
    };
    assert_eq!(behind_all, filemark);
}

#[test]
fn a_write_protected_cartridge_takes_nothing() {
    let protected = "check 7/2700 ";
    Session::loaded()
        .expect("1:1a0000000400:4", "good 0b889008")
        .expect(write(b"abc"), protected)
        .expect(FILEMARK, protected)
        .expect("1:190000000000:0", protected)
        .expect(read(10), "check 8/0005 10 ")
        .run(&["--write-protected", "VOL001L8"]);
}

#[test]
fn writing_in_the_middle_ends_the_tape_there() {
    Session::loaded()
        .expect(write(b"one"), "good ")
        .expect(write(b"two"), "good ")
        .expect(FILEMARK, "good ")
        .expect(write(b"three"), "good ")
        // LOCATE(16) to the second block.
        .expect("1:92000000000000000000000100000000:0", "good ")
        .expect(write(b"2"), "good ")
        .expect(POSITION, "good 0000000000000002")
        .expect(read(5), "check 8/0005 5 ")
        .expect(REWIND, "good ")
        .expect(read(3), good(b"one"))
        // SILI: a shorter block is no news.
        .expect("1:080200000500:5", good(b"2"))
        // ERASE from the beginning, the short way.
        .expect(REWIND, "good ")
        .expect("1:190000000000:0", "good ")
        .expect(read(3), "check 8/0005 3 ")
        // LOCATE(10) beyond the end of data.
        .expect("1:2b000000000009000000:0", "check 8/0005 ")
        .run(&[]);
}

#[test]
fn removal_is_prevented_until_it_is_allowed() {
    Session::loaded()
        .expect("1:1e0000000100:0", "good ")
        .expect("1:1b0000000000:0", "check 5/5302 ")
        .expect(MOVE_OUT, "check 5/5302 ")
        .expect("1:1e0000000000:0", "good ")
        .expect(MOVE_OUT, "good ")
        .expect("1:000000000000:0", "check 2/3a00 ")
        .run(&[]);
}

#[test]
fn the_changer_tells_what_is_wrong_with_a_move() {
    let move_medium = |source: u16, destination: u16| {
        format!("0:a5000000{source:04x}{destination:04x}00000000:0")
    };
    Session::new()
        .expect(move_medium(0x0403, 0x0101), "check 5/3b0e ")
        .expect(move_medium(0x0401, 0x0402), "check 5/3b0d ")
        .expect(move_medium(0x0401, 0x0401), "good ")
        .expect(move_medium(0x0401, 0x0101), "good ")
        .expect(move_medium(0x0402, 0x0101), "check 5/3b0d ")
        .expect(move_medium(0x0402, 0x0900), "check 5/2101 ")
        .expect(move_medium(0x0000, 0x0102), "check 5/2101 ")
        // No such picker; then upside down, which this one cannot.
        .expect("0:a50000020402040300000000:0", "check 5/2101 ")
        .expect("0:a50000000402040300000100:0", "check 5/2400 ")
        // EXCHANGE MEDIUM: the second slot's into the drive, the drive's into the third slot.
        .expect("0:a600000004020101040300 00:0".replace(' ', ""), "good ")
        .expect(move_medium(0x0402, 0x0403), "check 5/3b0e ")
        .expect(move_medium(0x0403, 0x0402), "good ")
        // POSITION TO ELEMENT, and to one that is not there.
        .expect("0:2b000000040100000000:0", "good ")
        .expect("0:2b000000090000000000:0", "check 5/2101 ")
        .run(&["--slots", "3", "--cartridges", "2"]);
}
