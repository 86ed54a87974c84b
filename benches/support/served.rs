//! The embedded library as a process of its own, its only drive loaded.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use crate::initiator::Initiator;

/// A library in memory.
pub struct Served {
    process: Child,
    name: String,
    portal: SocketAddr,
}

impl Served {
    /// Starts a library that takes any digest, with one cartridge of 1 GiB, and loads it.
    pub fn start() -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_iscsiswiconfig"))
            .args(["vtl", "--listen", "127.0.0.1:0", "--drives", "1"])
            .args(["--cartridges", "1", "--cartridge-size", "1GiB"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start the library");
        let mut ready = String::new();
        let stdout = process.stdout.as_mut().expect("a pipe");
        BufReader::new(stdout)
            .read_line(&mut ready)
            .expect("a line");
        let (name, portal) = ready
            .trim()
            .strip_prefix("ready: ")
            .and_then(|rest| rest.split_once(" at "))
            .unwrap_or_else(|| panic!("not ready: {ready:?}"));
        let (name, portal) = (
            name.to_owned(),
            portal.parse().expect("an address and a port"),
        );
        // MOVE MEDIUM from the first storage element to the drive of a 3584.
        let mut initiator = Initiator::log_in(portal, &name);
        initiator.execute(0, &[0xa5, 0, 0, 0, 4, 1, 1, 1, 0, 0, 0, 0]);
        Self {
            process,
            name,
            portal,
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn portal(&self) -> SocketAddr {
        self.portal
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // Nothing of it is to be kept.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
