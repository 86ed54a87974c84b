//! Tapes written and read back over the network, and the bytes on the medium.

use std::fs;

use bytes::Bytes;
use iscsiswiconfig::iscsi::operational::{Digest, OperationalOffer};
use iscsiswiconfig::transport::initiator::DataDirection;

use super::NAME;
use crate::common::TestEnvironment;
use crate::peers::tape_initiator::TapeInitiator;
use crate::peers::vtl::Vtl;

const CHANGER: u16 = 0;
pub(super) const DRIVE: u16 = 1;
const SLOT_1: u16 = 1025;
const DRIVE_1: u16 = 257;

const TEST_UNIT_READY: [u8; 6] = [0; 6];
pub(super) const REWIND: [u8; 6] = [0x01, 0, 0, 0, 0, 0];
pub(super) const WRITE_A_FILEMARK: [u8; 6] = [0x10, 0, 0, 0, 1, 0];

/// READ(6) or WRITE(6) of one block of variable length.
pub(super) fn variable(code: u8, length: usize) -> Vec<u8> {
    let [_, a, b, c] = u32::try_from(length).unwrap().to_be_bytes();
    vec![code, 0, a, b, c, 0]
}

/// Returns bytes that differ from block to block and within a block.
fn block(number: usize, length: usize) -> Bytes {
    // Of no length that divides a block's or a PDU's.
    let pattern: Vec<u8> = (0..4099_usize)
        .map(|index| (index.wrapping_mul(31) ^ (index >> 8) ^ number.wrapping_mul(97)) as u8)
        .collect();
    let mut block = pattern.repeat(length.div_ceil(pattern.len()));
    block.truncate(length);
    block.into()
}

/// Loads the cartridge of the first slot into the first drive, past all unit attentions.
pub(super) fn load(initiator: &mut TapeInitiator) {
    for lun in [CHANGER, DRIVE] {
        let _ = initiator.execute(lun, &TEST_UNIT_READY, DataDirection::None);
    }
    let mut move_medium = [0; 12];
    move_medium[0] = 0xa5;
    move_medium[4..6].copy_from_slice(&SLOT_1.to_be_bytes());
    move_medium[6..8].copy_from_slice(&DRIVE_1.to_be_bytes());
    initiator.good(CHANGER, &move_medium, DataDirection::None);
    // The medium has changed: a unit attention, once.
    let _ = initiator.execute(DRIVE, &TEST_UNIT_READY, DataDirection::None);
    initiator.good(DRIVE, &TEST_UNIT_READY, DataDirection::None);
}

fn write_and_read_back(initiator: &mut TapeInitiator, blocks: &[Bytes]) {
    let writes = blocks
        .iter()
        .map(|block| {
            let cdb = variable(0x0a, block.len());
            (cdb, DataDirection::Out(block.clone()))
        })
        .collect();
    for completion in initiator.execute_all(DRIVE, writes) {
        assert_eq!(completion.status, 0, "{completion:?}");
    }
    initiator.good(DRIVE, &WRITE_A_FILEMARK, DataDirection::None);
    initiator.good(DRIVE, &REWIND, DataDirection::None);
    let reads = blocks
        .iter()
        .map(|block| {
            let length = u32::try_from(block.len()).unwrap();
            (variable(0x08, block.len()), DataDirection::In(length))
        })
        .collect();
    for (completion, block) in initiator.execute_all(DRIVE, reads).iter().zip(blocks) {
        assert_eq!(completion.status, 0, "{completion:?}");
        assert!(
            completion.data == *block,
            "what was read is what was written"
        );
    }
    // Behind the last block stands the filemark.
    let end = initiator.execute(DRIVE, &variable(0x08, 512), DataDirection::In(512));
    assert_eq!((end.status, end.sense[2]), (2, 0x80), "{end:?}");
}

/// Blocks of every sort of length: odd, below and above each limit of the transport, and a mebibyte, many at once.
fn blocks() -> Vec<Bytes> {
    let lengths = [
        1, 3, 512, 8191, 8192, 8193, 65_536, 262_143, 262_144, 262_145, 524_289, 1_048_576,
    ];
    let many = std::iter::repeat_n(1_048_576, 24);
    lengths
        .into_iter()
        .chain(many)
        .enumerate()
        .map(|(number, length)| block(number, length))
        .collect()
}

#[test]
fn a_tape_in_memory_is_read_back_as_it_was_written() {
    let offers = [
        OperationalOffer::default(),
        OperationalOffer {
            initial_r2t: true,
            immediate_data: false,
            max_outstanding_r2t: 1,
            max_burst_length: 65_536,
            max_recv_data_segment_length: 8192,
            ..OperationalOffer::default()
        },
        OperationalOffer {
            initial_r2t: true,
            immediate_data: true,
            first_burst_length: 512,
            ..OperationalOffer::default()
        },
        OperationalOffer {
            header_digest: vec![Digest::Crc32c],
            data_digest: vec![Digest::Crc32c],
            immediate_data: false,
            ..OperationalOffer::default()
        },
    ];
    let environment = TestEnvironment::new();
    for offer in offers {
        let vtl = Vtl::start(&environment, &[]);
        let mut initiator = TapeInitiator::login_with(vtl.portal(), NAME, 1, offer);
        load(&mut initiator);
        write_and_read_back(&mut initiator, &blocks());
        initiator.logout();
        vtl.stop();
    }
}

#[test]
fn a_tape_on_disk_holds_the_bytes_in_the_simh_format_and_survives_a_kill() {
    let environment = TestEnvironment::new();
    let media = environment.home().join("media");
    let options = ["--media-dir", media.to_str().unwrap()];
    let vtl = Vtl::start(&environment, &options);
    let mut initiator = TapeInitiator::login(vtl.portal(), NAME, 1);
    load(&mut initiator);
    let blocks = blocks();
    write_and_read_back(&mut initiator, &blocks);
    vtl.signal(rustix::process::Signal::KILL);
    let _ = vtl.wait();

    let mut expected = Vec::new();
    for block in &blocks {
        let length = u32::try_from(block.len()).unwrap().to_le_bytes();
        expected.extend_from_slice(&length);
        expected.extend_from_slice(block);
        if block.len() % 2 == 1 {
            expected.push(0);
        }
        expected.extend_from_slice(&length);
    }
    expected.extend_from_slice(&[0; 4]);
    let written = fs::read(media.join("VOL001L8.tap")).unwrap();
    assert!(
        written.starts_with(&expected),
        "the medium holds the blocks and the filemark"
    );

    let vtl = Vtl::start(&environment, &options);
    let mut initiator = TapeInitiator::login(vtl.portal(), NAME, 1);
    for lun in [CHANGER, DRIVE] {
        let _ = initiator.execute(lun, &TEST_UNIT_READY, DataDirection::None);
    }
    for block in &blocks {
        let length = u32::try_from(block.len()).unwrap();
        let read = initiator.good(
            DRIVE,
            &variable(0x08, block.len()),
            DataDirection::In(length),
        );
        assert!(read == *block, "it is still in the drive, rewound");
    }
    initiator.logout();
    vtl.stop();
}

#[test]
fn a_reset_by_one_initiator_is_told_to_the_other() {
    let environment = TestEnvironment::new();
    let vtl = Vtl::start(&environment, &[]);
    let mut one = TapeInitiator::login(vtl.portal(), NAME, 1);
    let mut other = TapeInitiator::login(vtl.portal(), NAME, 2);
    for initiator in [&mut one, &mut other] {
        let _ = initiator.execute(CHANGER, &TEST_UNIT_READY, DataDirection::None);
        initiator.good(CHANGER, &TEST_UNIT_READY, DataDirection::None);
    }
    one.reset(CHANGER);
    let told = other.execute(CHANGER, &TEST_UNIT_READY, DataDirection::None);
    // UNIT ATTENTION, BUS DEVICE RESET FUNCTION OCCURRED.
    assert_eq!((told.status, told.sense[2] & 0xf), (2, 6), "{told:?}");
    assert_eq!(told.sense[12..14], [0x29, 0x03], "{told:?}");
}
