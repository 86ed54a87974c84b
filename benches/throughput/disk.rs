//! tgtd's disk, which keeps nothing: written by the initiator of this bench, read by libiscsi's iscsi-perf.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use iscsiswiconfig::transport::initiator::DataDirection;

use crate::IN_FLIGHT;
use crate::initiator::{Initiator, task};
use crate::measure::output;
use crate::peers::tgtd::{Target, Tgtd};

const NAME: &str = "iqn.2012-01.lab:disk";
const LUN: u16 = 1;
const SECTOR: usize = 512;

/// A disk that tgtd serves, with what makes it fast.
pub struct FileSystem {
    tgtd: Tgtd,
    initiator: Initiator,
}

impl FileSystem {
    /// Starts tgtd with a disk whose backing store is null: what is written is dropped, what is read is whatever there is.
    pub fn start() -> Self {
        let settings = [
            ("MaxRecvDataSegmentLength", "262144"),
            ("InitialR2T", "No"),
            ("FirstBurstLength", "262144"),
            ("MaxBurstLength", "1048576"),
        ];
        let target = settings
            .into_iter()
            .fold(Target::empty(NAME), |target, (name, value)| {
                target.setting(name, value)
            });
        let tgtd = Tgtd::serving(target);
        tgtd.admin(&[
            "--op",
            "new",
            "--mode",
            "logicalunit",
            "--tid",
            "1",
            "--lun",
            "1",
            "--bstype=null",
            "--backing-store=null",
        ]);
        let portal = SocketAddr::from((Ipv4Addr::LOCALHOST, tgtd.port()));
        let mut initiator = Initiator::log_in(portal, NAME);
        initiator.execute(LUN, &[0; 6]);
        Self { tgtd, initiator }
    }

    /// Writes so many blocks from the beginning of the disk.
    pub fn write(&mut self, count: usize, block: &Bytes) -> Duration {
        let sectors = u32::try_from(block.len() / SECTOR).expect("32 bits");
        let tasks = (0..count).map(|index| {
            let address = u32::try_from(index).expect("32 bits") * sectors;
            let [a, b, c, d] = address.to_be_bytes();
            let [_, _, e, f] = sectors.to_be_bytes();
            let cdb = [0x2a, 0, a, b, c, d, 0, e, f, 0];
            task(LUN, &cdb, DataDirection::Out(block.clone()))
        });
        self.initiator.stream(IN_FLIGHT, tasks, |_| {})
    }

    /// Reads for a second, blocks of that length, and returns how long so many bytes would have taken.
    pub fn read(&self, bytes: usize, length: usize) -> Duration {
        let report = output(
            Command::new("iscsi-perf")
                .args(["-m", "8", "-t", "1", "-b"])
                .arg((length / SECTOR).to_string())
                .arg(format!(
                    "iscsi://127.0.0.1:{}/{NAME}/{LUN}",
                    self.tgtd.port()
                ))
                .stderr(Stdio::null()),
        );
        let per_second = report
            .split_once("iops average")
            .and_then(|(_, rest)| rest.split_whitespace().next())
            .and_then(|number| number.parse::<f64>().ok())
            .unwrap_or_else(|| panic!("no number of reads per second: {report}"));
        Duration::from_secs_f64(bytes as f64 / length as f64 / per_second)
    }
}
