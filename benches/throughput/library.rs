//! The embedded library as a process of its own, its only drive loaded.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use iscsiswiconfig::transport::initiator::DataDirection;

use crate::initiator::{Initiator, task};

/// LUNs.
const CHANGER: u16 = 0;
const DRIVE: u16 = 1;

/// First addresses of the elements of a 3584.
const DRIVE_ADDRESS: u16 = 257;
const STORAGE_ADDRESS: u16 = 1025;

/// A library in memory.
pub struct Library {
    process: Child,
    initiator: Initiator,
}

impl Library {
    /// Starts a library with cartridges of that size, and loads one.
    pub fn start(cartridge_size: &str) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_iscsiswiconfig"))
            .args(["vtl", "--listen", "127.0.0.1:0", "--drives", "1"])
            .args(["--cartridges", "1", "--cartridge-size", cartridge_size])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start the library");
        let mut ready = String::new();
        let stdout = process.stdout.as_mut().expect("a pipe");
        BufReader::new(stdout)
            .read_line(&mut ready)
            .expect("a line");
        let (target_name, portal) = ready
            .trim()
            .strip_prefix("ready: ")
            .and_then(|rest| rest.split_once(" at "))
            .unwrap_or_else(|| panic!("not ready: {ready:?}"));
        let portal: SocketAddr = portal.parse().expect("an address and a port");
        let mut initiator = Initiator::log_in(portal, target_name);
        let [s, t] = STORAGE_ADDRESS.to_be_bytes();
        let [d, e] = DRIVE_ADDRESS.to_be_bytes();
        initiator.execute(CHANGER, &[0xa5, 0, 0, 0, s, t, d, e, 0, 0, 0, 0]);
        initiator.execute(DRIVE, &[0; 6]);
        Self { process, initiator }
    }

    /// Writes so many blocks on the tape, which is blank when the time begins: giving back the memory of what was recorded
    /// before is no part of writing.
    pub fn write(&mut self, count: usize, block: &Bytes) -> Duration {
        self.rewind();
        self.initiator.execute(DRIVE, &[0x19, 0, 0, 0, 0, 0]);
        let cdb = read_or_write(0x0a, block.len());
        let tasks = (0..count).map(|_| task(DRIVE, &cdb, DataDirection::Out(block.clone())));
        self.initiator.stream(tasks, |_| {})
    }

    /// Reads so many blocks from the beginning of the tape. `take` gets each.
    pub fn read(&mut self, count: usize, length: usize, take: impl FnMut(Bytes)) -> Duration {
        self.rewind();
        let cdb = read_or_write(0x08, length);
        let expected = u32::try_from(length).expect("24 bits");
        let tasks = (0..count).map(|_| task(DRIVE, &cdb, DataDirection::In(expected)));
        self.initiator.stream(tasks, take)
    }

    fn rewind(&mut self) {
        self.initiator.execute(DRIVE, &[0x01, 0, 0, 0, 0, 0]);
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        // Nothing of it is to be kept.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Returns READ(6) or WRITE(6) of one variable block (SSC-4).
fn read_or_write(operation_code: u8, length: usize) -> [u8; 6] {
    let [_, a, b, c] = u32::try_from(length).expect("24 bits").to_be_bytes();
    [operation_code, 0, a, b, c, 0]
}
