//! What a target does wrong on purpose, and what the initiator makes of it.

use std::rc::Rc;
use std::thread::{self, JoinHandle};

use iscsiswiconfig::transport::listener::fault::{
    DigestKind, LoginRefusal, TransportFaults, WrongDigest,
};
use iscsiswiconfig::transport::listener::{Listener, ListenerSettings, Stopped, Stopper};
use iscsiswiconfig::vtl::{Library, LibraryConfiguration, serve};
use serde_json::Value;

use super::{INITIATOR, NAME, configured};
use crate::common::{TestEnvironment, targets, text};

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

    /// Re-IPLs with --timeout 1 and returns the target of the report.
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
        refuse_login: Some(LoginRefusal {
            class: 3,
            detail: 1,
        }),
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
        let target = faulty.reipl(4);
        assert_eq!(target["failure"]["phase"], "enumerate", "{target:#}");
    }
}

#[test]
fn a_connection_that_is_dropped_is_reported() {
    for after in [0, 5] {
        let faulty = Faulty::with(TransportFaults {
            drop_after: Some(after),
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
    use iscsiswiconfig::iscsi::operational::Digest;

    for (kind, said) in [
        (DigestKind::Header, "header digest"),
        (DigestKind::Data, "data digest"),
    ] {
        let faulty = Faulty::start(|settings| {
            settings.offer.header_digest = vec![Digest::Crc32c];
            settings.offer.data_digest = vec![Digest::Crc32c];
            settings.faults.wrong_digest = Some(WrongDigest {
                after: 2,
                digest: kind,
            });
        });
        let target = faulty.reipl(4);
        let message = text(&target["failure"]["message"]);
        assert!(message.contains(said), "{message}");
    }
}
