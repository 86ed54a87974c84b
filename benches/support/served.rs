//! Targets as processes of their own, their only drive loaded: the embedded library, and tgtd.
#![allow(dead_code, reason = "not every bench has all of them")]

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use crate::initiator::Initiator;
use crate::peers::tgtd::{Target, Tgtd};

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

/// Returns tgtd with a library whose only drive is loaded, and the name of the target; with the parameters that make it fast where
/// it `is_tuned`, else with its own.
pub fn by_tgtd(is_tuned: bool) -> (Tgtd, &'static str) {
    const NAME: &str = "iqn.2012-01.lab.vtl:bench";
    let mut target = Target::library(NAME, "0000078A12340401", 1, 2, 1_000_000_001)
        .barcodes(&["VTA001L5"])
        .cartridge_size(4096)
        .loaded(0, 0);
    if is_tuned {
        for (name, value) in [
            ("MaxRecvDataSegmentLength", "262144"),
            ("InitialR2T", "No"),
            ("FirstBurstLength", "262144"),
            ("MaxBurstLength", "1048576"),
        ] {
            target = target.setting(name, value);
        }
    }
    (Tgtd::serving(target), NAME)
}
