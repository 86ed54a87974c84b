//! The product's initiator, with several commands in flight.
#![allow(dead_code, reason = "not every bench has commands in flight")]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use iscsiswiconfig::iscsi::ids::{Cid, CmdSn, Isid, Lun};
use iscsiswiconfig::iscsi::login::LoginParameters;
use iscsiswiconfig::iscsi::operational::{OperationalOffer, SessionType};
use iscsiswiconfig::transport::Deadlines;
use iscsiswiconfig::transport::initiator::{
    self as transport, Completed, DataDirection, Execute, open,
};
use tokio::runtime::{Builder, Runtime};

/// The most that one PDU brings: a block of the largest size that is measured.
const MAX_DATA_SEGMENT: u32 = 1 << 20;

/// How long an answer may take.
const DEADLINE: Duration = Duration::from_secs(60);

const GOOD: u8 = 0x00;
const CHECK_CONDITION: u8 = 0x02;

/// An initiator that has logged in.
pub struct Initiator {
    runtime: Runtime,
    session: transport::Initiator,
}

impl Initiator {
    /// Logs in without authentication.
    pub fn log_in(portal: SocketAddr, target_name: &str) -> Self {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let parameters = LoginParameters {
            initiator_name: "iqn.2026-11.internal.iscsiswiconfig:bench"
                .parse()
                .expect("a name"),
            target_name: Some(target_name.parse().expect("a name")),
            session_type: SessionType::Normal,
            isid: Isid::random([1, 2, 3, 4, 5]),
            cid: Cid(0),
            cmd_sn: CmdSn(1),
            chap: None,
            offer: OperationalOffer {
                max_recv_data_segment_length: MAX_DATA_SEGMENT,
                first_burst_length: MAX_DATA_SEGMENT,
                ..OperationalOffer::default()
            },
        };
        let host = portal.ip().to_string();
        let deadlines = Deadlines::of_phase(DEADLINE);
        let opened = runtime.block_on(open(&host, portal.port(), &parameters, deadlines, |_| {}));
        let opened = opened.expect("a login");
        runtime.spawn(opened.driver.run());
        Self {
            runtime,
            session: opened.initiator,
        }
    }

    /// Executes a command that has no data, again as long as it meets a unit attention.
    pub fn execute(&mut self, lun: u16, cdb: &[u8]) {
        loop {
            let execute = task(lun, cdb, DataDirection::None);
            let completed = self.runtime.block_on(self.session.execute(execute));
            let Completed { status, sense, .. } = completed.expect("an answer");
            let sense_key = sense.get(2).map(|byte| byte & 0x0f);
            match (status, sense_key) {
                (GOOD, _) => return,
                (CHECK_CONDITION, Some(6)) => {}
                _ => panic!("{cdb:02x?}: status {status:#04x}, sense {sense:02x?}"),
            }
        }
    }

    /// Executes commands, `depth` of them under way at a time and each of them with status GOOD, and returns how long all of them
    /// took. `take` gets the data that was read, in the order of the commands.
    pub fn stream(
        &mut self,
        depth: usize,
        mut tasks: impl Iterator<Item = Execute>,
        mut take: impl FnMut(Bytes),
    ) -> Duration {
        let started = Instant::now();
        self.runtime.block_on(async {
            let mut outstanding = VecDeque::new();
            loop {
                while outstanding.len() < depth
                    && let Some(task) = tasks.next()
                {
                    let submitted = self.session.submit(task).await;
                    outstanding.push_back(submitted.expect("a session"));
                }
                let Some(oldest) = outstanding.pop_front() else {
                    return;
                };
                let completed: Completed = oldest.await.expect("an answer");
                assert_eq!(completed.status, GOOD, "{:02x?}", completed.sense);
                take(completed.data);
            }
        });
        started.elapsed()
    }
}

/// Returns a command for a logical unit.
pub fn task(lun: u16, cdb: &[u8], data: DataDirection) -> Execute {
    let lun = Lun::from_number(lun).expect("a LUN");
    Execute::new(lun, cdb, data).within(DEADLINE)
}
