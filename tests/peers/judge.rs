//! tshark as the judge of a captured session: the capture is written as a pcap file with made-up IP and TCP headers.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::relay::{Connection, Direction};

const ISCSI_PORT: u16 = 3260;
const CLIENT_PORT: u16 = 50000;

/// Link type of packets that begin with the IP header.
const LINKTYPE_RAW: u32 = 101;

/// Payload bytes of one made-up packet, far below the 65535 that IP allows.
const SEGMENT: usize = 32768;

/// Decodes a session and fails unless it holds iSCSI frames and every one of them is well formed.
#[track_caller]
pub fn assert_well_formed(connection: &Connection, directory: &Path) {
    // tgtd cuts the last descriptor of READ ELEMENT STATUS, for which the initiator is not to blame.
    judge(
        connection,
        directory,
        "scsi_smc.opcode == 0xb8 && tcp.srcport == 3260",
    );
}

/// The same, and both sides are to blame for whatever is wrong.
#[track_caller]
pub fn assert_wholly_well_formed(connection: &Connection, directory: &Path) {
    judge(connection, directory, "frame.number == 0");
}

/// Judges all frames but those that are excused.
#[track_caller]
fn judge(connection: &Connection, directory: &Path, excused: &str) {
    let file = directory.join("session.pcap");
    fs::write(&file, pcap(connection)).expect("write the capture");
    let frames = tshark(&file, "iscsi");
    assert!(
        frames.lines().count() > 4,
        "tshark saw no iSCSI session:\n{frames}"
    );
    let bad = format!("(_ws.malformed || _ws.expert.severity == error) && !({excused})");
    let bad = tshark(&file, &bad);
    assert!(bad.is_empty(), "tshark found bad frames:\n{bad}");
}

fn tshark(file: &Path, filter: &str) -> String {
    let output = Command::new("tshark")
        .arg("-r")
        .arg(file)
        .args(["-d", &format!("tcp.port=={ISCSI_PORT},iscsi"), "-Y", filter])
        .output()
        .expect("run tshark (Debian package tshark)");
    assert!(
        output.status.success(),
        "tshark: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn pcap(connection: &Connection) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65535, LINKTYPE_RAW] {
        file.extend_from_slice(&u32::to_le_bytes(word));
    }
    let mut sequence = [1000_u32, 2000];
    let mut time = 0_u32;
    let mut packet = |direction: Direction, flags: u8, data: &[u8], sequence: &mut [u32; 2]| {
        let (own, peer) = match direction {
            Direction::FromInitiator => (0, 1),
            Direction::FromTarget => (1, 0),
        };
        let ports = [CLIENT_PORT, ISCSI_PORT];
        let length = 40 + data.len();
        let mut bytes = Vec::with_capacity(length);
        bytes.extend_from_slice(&[0x45, 0]);
        bytes.extend_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
        bytes.extend_from_slice(&[0, 0, 0x40, 0, 64, 6, 0, 0]);
        bytes.extend_from_slice(&[10, 0, 0, 1 + own as u8]);
        bytes.extend_from_slice(&[10, 0, 0, 1 + peer as u8]);
        bytes.extend_from_slice(&ports[own].to_be_bytes());
        bytes.extend_from_slice(&ports[peer].to_be_bytes());
        bytes.extend_from_slice(&sequence[own].to_be_bytes());
        bytes.extend_from_slice(&sequence[peer].to_be_bytes());
        bytes.extend_from_slice(&[0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        bytes.extend_from_slice(data);
        let advance = data.len() + usize::from(flags & 0x02 != 0);
        sequence[own] = sequence[own].wrapping_add(u32::try_from(advance).unwrap());
        time += 100;
        for word in [
            time / 1_000_000,
            time % 1_000_000,
            length as u32,
            length as u32,
        ] {
            file.extend_from_slice(&word.to_le_bytes());
        }
        file.extend_from_slice(&bytes);
    };
    packet(Direction::FromInitiator, 0x02, &[], &mut sequence);
    packet(Direction::FromTarget, 0x12, &[], &mut sequence);
    packet(Direction::FromInitiator, 0x10, &[], &mut sequence);
    for (direction, chunk) in &connection.chunks {
        for segment in chunk.chunks(SEGMENT) {
            packet(*direction, 0x18, segment, &mut sequence);
        }
    }
    file
}

/// A judge that never finds fault proves nothing.
#[test]
#[should_panic(expected = "tshark found bad frames")]
fn the_judge_finds_a_malformed_frame() {
    let directory = tempfile::tempdir().unwrap();
    let mut chunks = Vec::new();
    for _ in 0..8 {
        // A SCSI Response that carries 255 bytes of sense in a data segment of eight.
        let mut bytes = vec![0; 56];
        bytes[0] = 0x21;
        bytes[1] = 0x80;
        bytes[3] = 0x02;
        bytes[7] = 8;
        bytes[48..56].copy_from_slice(&[0, 255, 0x70, 0, 0, 0, 0, 200]);
        chunks.push((Direction::FromTarget, bytes));
    }
    assert_well_formed(&Connection { chunks }, directory.path());
}
