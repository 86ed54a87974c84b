//! What a target does wrong on purpose, and what the initiator makes of it.

use std::rc::Rc;
use std::thread::{self, JoinHandle};

use iscsiswiconfig::iscsi::operational::{Digest, OperationalOffer};
use iscsiswiconfig::transport::initiator::{Completed, DataDirection};
use iscsiswiconfig::transport::listener::fault::{
    DigestKind, LoginRefusal, TransportFaults, WrongDigest,
};
use iscsiswiconfig::transport::listener::{Listener, ListenerSettings, Stopped, Stopper};
use iscsiswiconfig::vtl::{Library, LibraryConfiguration, serve};
use serde_json::Value;

use super::tape::{DRIVE, REWIND, WRITE_A_FILEMARK, load, variable};
use super::{INITIATOR, NAME, configured};
use crate::common::{TestEnvironment, targets, text};
use crate::peers::tape_initiator::TapeInitiator;
use crate::peers::vtl::Vtl;

/// The seconds for one phase that a target lets pass in silence.
const SILENCE: &str = "2";

/// A library inside this process; stopped when it is dropped.
struct Faulty {
    environment: TestEnvironment,
    stopper: Stopper,
    thread: Option<JoinHandle<Stopped>>,
}

impl Faulty {
    fn start(change: impl FnOnce(&mut ListenerSettings)) -> Self {
        let anywhere = "127.0.0.1:0".parse().unwrap();
        let mut settings = ListenerSettings::new(anywhere, NAME.parse().unwrap());
        change(&mut settings);
        let listener = Listener::bind(settings).unwrap();
        let environment = configured(listener.portal(), INITIATOR, None);
        let stopper = listener.stopper();
        let thread = thread::spawn(move || {
            let library = Library::new(LibraryConfiguration::default()).unwrap();
            serve(listener, library, Rc::new(|_| {})).unwrap()
        });
        Self {
            environment,
            stopper,
            thread: Some(thread),
        }
    }

    fn with(faults: TransportFaults) -> Self {
        Self::start(|settings| settings.faults = faults)
    }

    /// Re-IPLs and returns the target of the report.
    #[track_caller]
    fn reipl(&self, status: i32) -> Value {
        let document = self.environment.reipl(status);
        targets(&document)[0].clone()
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.stopper.stop();
        let stopped = self.thread.take().unwrap().join();
        if !thread::panicking() {
            assert_eq!(stopped.unwrap(), Stopped::Asked);
        }
    }
}

#[test]
fn a_library_without_faults_is_attached() {
    let target = Faulty::with(TransportFaults::default()).reipl(0);
    assert_eq!(target["libraries"].as_array().unwrap().len(), 1);
}

#[test]
fn a_refused_login_is_reported_with_its_status() {
    let faulty = Faulty::with(TransportFaults {
        refuse_login: Some(
            LoginRefusal {
                class: 3,
                detail: 1,
            }
            .into(),
        ),
        ..TransportFaults::default()
    });
    let target = faulty.reipl(4);
    assert_eq!(target["failure"]["phase"], "login");
    assert_eq!(target["failure"]["login_status"], "0x0301");
}

#[test]
fn a_target_that_falls_silent_is_given_up() {
    for after in [0, 3] {
        let faulty = Faulty::with(TransportFaults {
            stall_after: Some(after),
            ..TransportFaults::default()
        });
        let document = faulty.environment.reipl_within(SILENCE, 4);
        let target = &targets(&document)[0];
        assert_eq!(target["failure"]["phase"], "enumerate", "{target:#}");
    }
}

#[test]
fn a_connection_that_is_dropped_is_reported() {
    for after in [0, 5] {
        let faulty = Faulty::with(TransportFaults {
            drop_after: Some(after.into()),
            ..TransportFaults::default()
        });
        let target = faulty.reipl(4);
        assert_eq!(target["failure"]["phase"], "enumerate", "{target:#}");
        let message = text(&target["failure"]["message"]);
        assert!(message.contains("closed the connection"), "{message}");
    }
}

#[test]
fn a_wrong_digest_is_noticed() {
    for (kind, said) in [
        (DigestKind::Header, "header digest"),
        (DigestKind::Data, "data digest"),
    ] {
        let faulty = Faulty::start(|settings| {
            settings.offer.header_digest = vec![Digest::Crc32c];
            settings.offer.data_digest = vec![Digest::Crc32c];
            let wrong = WrongDigest {
                after: 2,
                digest: kind,
            };
            settings.faults.wrong_digests = vec![wrong.into()];
        });
        let target = faulty.reipl(4);
        let message = text(&target["failure"]["message"]);
        assert!(message.contains(said), "{message}");
    }
}

// What follows is asked for by `--fault`, of the library that the binary serves.

const CHANGER: u16 = 0;
const TEST_UNIT_READY: [u8; 6] = [0; 6];
const BUSY: u8 = 0x08;
const CHECK_CONDITION: u8 = 0x02;

fn faulty(fault: &str) -> (TestEnvironment, Vtl) {
    let home = TestEnvironment::new();
    let vtl = Vtl::start(&home, &["--fault", fault]);
    (home, vtl)
}

/// Asks whether the changer is ready until the session ends or ten answers have come, and returns their number.
fn answers(initiator: &mut TapeInitiator) -> usize {
    let ask = || initiator.try_execute(CHANGER, &TEST_UNIT_READY, DataDirection::None);
    std::iter::from_fn(ask).take(10).count()
}

fn write(initiator: &mut TapeInitiator, length: usize) -> Completed {
    let block = DataDirection::Out(vec![7; length].into());
    initiator.execute(DRIVE, &variable(0x0a, length), block)
}

#[test]
fn fault_login_status_refuses_so_many_logins() {
    let (_home, vtl) = faulty("login-status=0x0203,times=1");
    let environment = configured(vtl.portal(), INITIATOR, None);
    let target = targets(&environment.reipl(4))[0].clone();
    assert_eq!(target["failure"]["login_status"], "0x0203");
    environment.run(&["-reipliscsiop"]).assert_status(0);
    vtl.stop();
}

#[test]
fn fault_delay_outlasts_the_patience_of_an_initiator() {
    let (_home, vtl) = faulty("delay=60s");
    let environment = configured(vtl.portal(), INITIATOR, None);
    let target = targets(&environment.reipl_within(SILENCE, 4))[0].clone();
    assert_eq!(target["failure"]["phase"], "enumerate", "{target:#}");
    vtl.stop();
}

#[test]
fn fault_drop_after_ends_so_many_sessions_behind_so_many_answers() {
    let (_home, vtl) = faulty("drop-after=3,times=2");
    for expected in [3, 3, 10] {
        let mut initiator = TapeInitiator::login(vtl.portal(), NAME, 1);
        assert_eq!(answers(&mut initiator), expected);
    }
    vtl.stop();
}

#[test]
fn fault_corrupt_digest_spoils_that_pdu_of_so_many_sessions() {
    let offer = || OperationalOffer {
        header_digest: vec![Digest::Crc32c],
        data_digest: vec![Digest::Crc32c],
        ..OperationalOffer::default()
    };
    let (_home, vtl) = faulty("corrupt-header-digest=3,times=2");
    for expected in [2, 2, 10] {
        let mut initiator = TapeInitiator::login_with(vtl.portal(), NAME, 1, offer());
        assert_eq!(answers(&mut initiator), expected);
    }
    vtl.stop();
    let (_home, vtl) = faulty("corrupt-data-digest=2,times=1");
    let inquiry = [0x12, 0, 0, 0, 36, 0];
    for is_spoiled in [true, false] {
        let mut initiator = TapeInitiator::login_with(vtl.portal(), NAME, 1, offer());
        let inquire = || initiator.try_execute(CHANGER, &inquiry, DataDirection::In(36));
        // One PDU has the data, and the next the status, unless one has both.
        let answered = std::iter::from_fn(inquire).take(5).count();
        assert_eq!(answered < 5, is_spoiled, "{answered}");
    }
    vtl.stop();
}

#[test]
fn fault_busy_begins_so_many_sessions() {
    let (_home, vtl) = faulty("busy=2,times=1");
    for expected in [[BUSY, BUSY, CHECK_CONDITION, 0], [CHECK_CONDITION, 0, 0, 0]] {
        let mut initiator = TapeInitiator::login(vtl.portal(), NAME, 1);
        let statuses = [(); 4].map(|()| {
            let answer = initiator.execute(CHANGER, &TEST_UNIT_READY, DataDirection::None);
            answer.status
        });
        assert_eq!(statuses, expected);
        initiator.logout();
    }
    vtl.stop();
}

#[test]
fn fault_power_cycle_ends_one_session_after_the_other() {
    let (_home, vtl) = faulty("power-cycle=1");
    for _ in 0..2 {
        let mut initiator = TapeInitiator::login(vtl.portal(), NAME, 1);
        let mut ask = || initiator.try_execute(CHANGER, &TEST_UNIT_READY, DataDirection::None);
        while ask().is_some() {}
    }
    vtl.stop();
}

#[test]
fn fault_early_warning_comes_at_that_size_so_many_times() {
    let (_home, vtl) = faulty("early-warning=1000B,times=2");
    let mut initiator = TapeInitiator::login(vtl.portal(), NAME, 1);
    load(&mut initiator);
    for is_warned in [false, true, true, false] {
        let answer = write(&mut initiator, 512);
        // EOM in sense data of fixed format.
        let has_eom = answer.sense.get(2).is_some_and(|byte| byte & 0x40 != 0);
        assert_eq!(has_eom, is_warned, "{answer:?}");
    }
    vtl.stop();
}

#[test]
fn fault_deferred_error_loses_so_many_blocks_so_many_times() {
    let (_home, vtl) = faulty("deferred-error=2,times=1");
    let mut initiator = TapeInitiator::login(vtl.portal(), NAME, 1);
    load(&mut initiator);
    for _ in 0..2 {
        assert_eq!(write(&mut initiator, 512).status, 0);
    }
    let deferred = write(&mut initiator, 512);
    // Deferred, MEDIUM ERROR.
    assert_eq!((deferred.sense[0] & 0x7f, deferred.sense[2]), (0x71, 3));
    let position = initiator.good(DRIVE, &[0x34, 0, 0, 0, 0, 0], DataDirection::In(20));
    assert_eq!(position[0] & 0x80, 0x80, "both are lost");
    for _ in 0..4 {
        assert_eq!(write(&mut initiator, 512).status, 0);
    }
    initiator.good(DRIVE, &WRITE_A_FILEMARK, DataDirection::None);
    initiator.good(DRIVE, &REWIND, DataDirection::None);
    for _ in 0..4 {
        initiator.good(DRIVE, &variable(0x08, 512), DataDirection::In(512));
    }
    vtl.stop();
}
