//! The drive of the embedded library, written and read.

use std::time::Duration;

use bytes::Bytes;
use iscsiswiconfig::transport::initiator::DataDirection;

use crate::IN_FLIGHT;
use crate::initiator::{Initiator, task};
use crate::served::Served;

/// LUN of the drive.
const DRIVE: u16 = 1;

/// A library in memory, and a session with it.
pub struct Library {
    initiator: Initiator,
    _served: Served,
}

impl Library {
    /// Starts a library with a loaded drive.
    pub fn start() -> Self {
        let served = Served::start();
        let mut initiator = Initiator::log_in(served.portal(), served.name());
        initiator.execute(DRIVE, &[0; 6]);
        Self {
            initiator,
            _served: served,
        }
    }

    /// Writes so many blocks on the tape, which is blank when the time begins: giving back the memory of what was recorded
    /// before is no part of writing.
    pub fn write(&mut self, count: usize, block: &Bytes) -> Duration {
        self.rewind();
        self.initiator.execute(DRIVE, &[0x19, 0, 0, 0, 0, 0]);
        let cdb = read_or_write(0x0a, block.len());
        let tasks = (0..count).map(|_| task(DRIVE, &cdb, DataDirection::Out(block.clone())));
        self.initiator.stream(IN_FLIGHT, tasks, |_| {})
    }

    /// Reads so many blocks from the beginning of the tape. `take` gets each.
    pub fn read(&mut self, count: usize, length: usize, take: impl FnMut(Bytes)) -> Duration {
        self.rewind();
        let cdb = read_or_write(0x08, length);
        let expected = u32::try_from(length).expect("24 bits");
        let tasks = (0..count).map(|_| task(DRIVE, &cdb, DataDirection::In(expected)));
        self.initiator.stream(IN_FLIGHT, tasks, take)
    }

    fn rewind(&mut self) {
        self.initiator.execute(DRIVE, &[0x01, 0, 0, 0, 0, 0]);
    }
}

/// Returns READ(6) or WRITE(6) of one variable block (SSC-4).
fn read_or_write(operation_code: u8, length: usize) -> [u8; 6] {
    let [_, a, b, c] = u32::try_from(length).expect("24 bits").to_be_bytes();
    [operation_code, 0, a, b, c, 0]
}
