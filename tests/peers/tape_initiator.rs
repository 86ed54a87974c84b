//! The product's own initiator for a test that waits: for commands that the binary never sends, such as WRITE.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use iscsiswiconfig::iscsi::chap::{ChapAlgorithm, ChapCredentials};
use iscsiswiconfig::iscsi::ids::{Cid, CmdSn, Isid, LoginStatus, Lun};
use iscsiswiconfig::iscsi::login::{LoginChap, LoginError, LoginParameters};
use iscsiswiconfig::iscsi::operational::{OperationalOffer, SessionType};
use iscsiswiconfig::iscsi::pdu::TaskManagementOutcome;
use iscsiswiconfig::transport::initiator::{Completed, DataDirection, Execute, Initiator, open};
use iscsiswiconfig::transport::{AttachError, Deadlines};
use tokio::runtime::{Builder, Runtime};

/// How long an answer may take.
const DEADLINE: Duration = Duration::from_secs(120);

/// One session.
pub struct TapeInitiator {
    runtime: Runtime,
    initiator: Initiator,
}

impl TapeInitiator {
    /// Logs in with ISID qualifier `port`.
    #[must_use]
    pub fn login(portal: SocketAddr, target_name: &str, port: u8) -> Self {
        Self::login_with(portal, target_name, port, OperationalOffer::default())
    }

    /// Logs in with these operational keys.
    #[must_use]
    pub fn login_with(
        portal: SocketAddr,
        target_name: &str,
        port: u8,
        offer: OperationalOffer,
    ) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let parameters = parameters(target_name, port, offer);
        let host = portal.ip().to_string();
        let deadlines = Deadlines::of_phase(DEADLINE);
        let opened = runtime.block_on(open(&host, portal.port(), &parameters, deadlines, |_| {}));
        let opened = opened.expect("a login");
        runtime.spawn(opened.driver.run());
        Self {
            runtime,
            initiator: opened.initiator,
        }
    }

    /// Logs in with a CHAP secret that is wrong, and returns the status; none when the target does not answer.
    #[must_use]
    pub fn guess(
        portal: SocketAddr,
        target_name: &str,
        initiator_name: &str,
        chap_name: &str,
    ) -> Option<LoginStatus> {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let parameters = LoginParameters {
            initiator_name: initiator_name.parse().unwrap(),
            chap: Some(LoginChap {
                credentials: ChapCredentials {
                    name: chap_name.to_owned(),
                    secret: b"WRONGSECRET1234".to_vec().into(),
                },
                algorithms: ChapAlgorithm::ALL.to_vec(),
                mutual: None,
            }),
            ..parameters(target_name, 1, OperationalOffer::default())
        };
        let host = portal.ip().to_string();
        let deadlines = Deadlines::of_phase(DEADLINE);
        let opened = runtime.block_on(open(&host, portal.port(), &parameters, deadlines, |_| {}));
        match opened.err().expect("a secret that is not accepted") {
            AttachError::Login(LoginError::Refused { status, .. }) => Some(status),
            AttachError::LoginConnection(_) => None,
            error => panic!("{error}"),
        }
    }

    /// Sends commands, all at once, and returns how they ended, in their order.
    pub fn execute_all(
        &mut self,
        lun: u16,
        commands: Vec<(Vec<u8>, DataDirection)>,
    ) -> Vec<Completed> {
        let lun = Lun::from_number(lun).unwrap();
        self.runtime.block_on(async {
            let mut outstanding = Vec::new();
            for (cdb, data) in commands {
                let execute = Execute::new(lun, &cdb, data).within(DEADLINE);
                outstanding.push(self.initiator.submit(execute).await.expect("a session"));
            }
            let mut completed = Vec::new();
            for command in outstanding {
                completed.push(command.await.expect("an answer"));
            }
            completed
        })
    }

    /// Sends one command and returns how it ended.
    pub fn execute(&mut self, lun: u16, cdb: &[u8], data: DataDirection) -> Completed {
        self.execute_all(lun, vec![(cdb.to_vec(), data)]).remove(0)
    }

    /// Sends one command and returns how it ended; none when the session ended first.
    pub fn try_execute(&mut self, lun: u16, cdb: &[u8], data: DataDirection) -> Option<Completed> {
        let lun = Lun::from_number(lun).unwrap();
        self.runtime.block_on(async {
            let execute = Execute::new(lun, cdb, data).within(DEADLINE);
            self.initiator.submit(execute).await.ok()?.await.ok()
        })
    }

    /// Sends one command that has to end with status GOOD, and returns what it read.
    #[track_caller]
    pub fn good(&mut self, lun: u16, cdb: &[u8], data: DataDirection) -> Bytes {
        let completed = self.execute(lun, cdb, data);
        assert_eq!(completed.status, 0, "{cdb:x?}: {completed:?}");
        completed.data
    }

    /// Resets a logical unit.
    pub fn reset(&mut self, lun: u16) {
        let lun = Lun::from_number(lun).unwrap();
        let outcome = self
            .runtime
            .block_on(self.initiator.reset_logical_unit(lun));
        assert_eq!(
            outcome.expect("an answer"),
            TaskManagementOutcome::FUNCTION_COMPLETE
        );
    }

    /// Logs out and closes.
    pub fn logout(self) {
        self.runtime
            .block_on(self.initiator.logout())
            .expect("a logout");
    }
}

fn parameters(target_name: &str, port: u8, offer: OperationalOffer) -> LoginParameters {
    LoginParameters {
        initiator_name: "iqn.2026-11.test.fixture:tape".parse().unwrap(),
        target_name: Some(target_name.parse().unwrap()),
        session_type: SessionType::Normal,
        isid: Isid([0x80, 0, 0, 0x7f, 1, port]),
        cid: Cid(0),
        cmd_sn: CmdSn(1),
        chap: None,
        offer,
    }
}
