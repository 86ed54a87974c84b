//! A tape written and read back through libiscsi, on the wire and on the medium.

use std::fs;
use std::path::Path;

use super::{FIRST_DRIVE, FIRST_SLOT, Served, TARGET, program};
use crate::common::TestEnvironment;
use crate::peers::judge;
use crate::peers::relay::{Conduct, Relay};

/// What is written: short blocks, blocks of odd lengths, blocks around the sizes of PDUs and bursts, the longest one; a
/// lone filemark, and two in a row.
const RECORDS: [&str; 19] = [
    "1", "2", "3", "4", "511", "512", "F", "8191", "8192", "8193", "65535", "F", "F", "65536",
    "262143", "262145", "1048575", "F", "80",
];

/// A record of a SIMH magnetic tape.
#[derive(Debug, PartialEq, Eq)]
enum Record {
    Block(Vec<u8>),
    Filemark,
}

#[test]
fn a_tape_is_written_and_read_back() {
    write_and_read_back("none", &[]);
}

#[test]
fn a_tape_is_written_and_read_back_under_header_digests() {
    write_and_read_back("crc32c", &["--header-digest", "CRC32C"]);
}

/// Writes and reads a tape through a relay; then has tshark judge the session, and reads the medium.
#[track_caller]
fn write_and_read_back(digest: &str, arguments: &[&str]) {
    let environment = TestEnvironment::new();
    let media = environment.home().join("media");
    let in_media = ["--media-dir", media.to_str().unwrap()];
    let served = Served::start(&environment, &[&in_media[..], arguments].concat());
    let relay = Relay::start(served.port, Conduct::default());

    let portal = format!("127.0.0.1:{}", relay.port());
    let (slot, drive) = (FIRST_SLOT.to_string(), FIRST_DRIVE.to_string());
    let mut command = environment.command_of(&program("tape"));
    command
        .args([portal.as_str(), TARGET, digest, &slot, &drive])
        .args(RECORDS);
    let output = environment.finish(command).assert_status(0).silent();
    assert!(output.stdout.ends_with("logged out\n"), "{}", output.stdout);
    judge::assert_wholly_well_formed(&relay.connection(), environment.home());

    // The tape was unloaded, so that everything is on the disk while the library still runs.
    let found = read_simh(&media.join("VOL001L8.tap"));
    let lengths: Vec<String> = found
        .iter()
        .map(|record| match record {
            Record::Block(data) => data.len().to_string(),
            Record::Filemark => "F".to_owned(),
        })
        .collect();
    assert_eq!(lengths, RECORDS);
    for (index, record) in found.iter().enumerate() {
        if let Record::Block(data) = record {
            let written = (0..data.len()).map(|j| (31 * index + 7 * j + j / 256) as u8);
            assert!(data.iter().copied().eq(written), "block {index} differs");
        }
    }
}

/// Reads a .tap file after the SIMH specification ("SIMH Magtape Representation and Handling"): each block between
/// two copies of its length in little endian, filled up to an even number of bytes; a filemark is a zero; ends with
/// the file or at an end-of-medium mark.
fn read_simh(file: &Path) -> Vec<Record> {
    let bytes = fs::read(file).expect("the file of the cartridge");
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let mut records = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let length = word(at);
        at += 4;
        match length {
            0 => records.push(Record::Filemark),
            0xffff_ffff => break,
            _ => {
                assert_eq!(length >> 24, 0, "class and flags of a good data record");
                let length = length as usize;
                records.push(Record::Block(bytes[at..at + length].to_vec()));
                at += length + length % 2;
                assert_eq!(word(at) as usize, length, "the length behind the block");
                at += 4;
            }
        }
    }
    records
}
