//! What the process takes of the memory: no more than twice what is recorded, and 64 MiB.

use std::fs;

use bytes::Bytes;
use iscsiswiconfig::transport::initiator::DataDirection;

use super::NAME;
use super::tape::{DRIVE, REWIND, load, variable};
use crate::common::TestEnvironment;
use crate::peers::tape_initiator::TapeInitiator;
use crate::peers::vtl::Vtl;

const MIB: u64 = 1 << 20;

/// Returns a size in /proc/PID/status, in KiB.
pub(super) fn kibibytes(status: &str, name: &str) -> u64 {
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Expects that no more memory is resident than so many recorded bytes may take.
#[track_caller]
fn assert_bounded(vtl: &Vtl, recorded: u64) {
    let status = fs::read_to_string(format!("/proc/{}/status", vtl.id())).unwrap();
    let resident = kibibytes(&status, "VmRSS:") * 1024;
    let limit = 2 * recorded + 64 * MIB;
    assert!(resident < limit, "{resident} bytes for {recorded} recorded");
}

fn write(initiator: &mut TapeInitiator, lengths: &[usize]) -> u64 {
    for lengths in lengths.chunks(256) {
        let writes = lengths
            .iter()
            .map(|length| {
                let data = DataDirection::Out(Bytes::from(vec![0xa5; *length]));
                (variable(0x0a, *length), data)
            })
            .collect();
        for completed in initiator.execute_all(DRIVE, writes) {
            assert_eq!(completed.status, 0, "{completed:?}");
        }
    }
    lengths.iter().map(|length| *length as u64).sum()
}

/// Returns lengths of blocks that look random, below a limit.
fn lengths(count: usize, limit: u32) -> Vec<usize> {
    let mut state = 12345_u32;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) % limit + 1
    })
    .take(count)
    .map(|length| length as usize)
    .collect()
}

#[test]
fn memory_is_bounded_by_what_is_recorded_and_given_back_by_truncation() {
    let environment = TestEnvironment::new();
    let vtl = Vtl::start(&environment, &[]);
    let mut initiator = TapeInitiator::login(vtl.portal(), NAME, 1);
    load(&mut initiator);
    // Short blocks, each in a receive buffer that is many times as long.
    let mut recorded = write(&mut initiator, &lengths(20_000, 64));
    assert_bounded(&vtl, recorded);
    recorded += write(&mut initiator, &lengths(600, 512 * 1024));
    assert_bounded(&vtl, recorded);
    // Runs of filemarks, some two and a half million in all.
    for count in [0x0f_ffff_u32, 0x07_ffff, 1, 0x0f_ffff] {
        let [_, a, b, c] = count.to_be_bytes();
        let marks = [0x10, 0, a, b, c, 0];
        initiator.good(DRIVE, &marks, DataDirection::None);
    }
    assert_bounded(&vtl, recorded);
    initiator.good(DRIVE, &REWIND, DataDirection::None);
    let recorded = write(&mut initiator, &[1024]);
    assert_bounded(&vtl, recorded);
    initiator.logout();
    vtl.stop();
}
