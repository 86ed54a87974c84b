//! Every fault that a library can be told to have, and what the initiator makes of it.

use std::rc::Rc;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use serde_json::{Value, json};

use iscsiswiconfig::iscsi::operational::Digest;
use iscsiswiconfig::transport::listener::fault::{
    DigestKind, LoginRefusal, TransportFaults, WrongDigest,
};
use iscsiswiconfig::transport::listener::{Listener, ListenerSettings, Stopper};
use iscsiswiconfig::vtl::fault::BlockFault;
use iscsiswiconfig::vtl::{Barcode, Library, LibraryConfiguration, LibraryFaults, serve};

use super::{FIRST_DRIVE, FIRST_SLOT, TARGET, program};
use crate::common::{Output, TestEnvironment, targets, text};
use crate::peers::judge;
use crate::peers::relay::{Conduct, Connection, Direction, Relay};

/// What goes wrong, in the library and on the way to it.
#[derive(Default)]
struct Faults {
    library: LibraryFaults,
    transport: TransportFaults,
}

/// A library in this process, served on a thread of its own until this value is dropped.
#[derive(Debug)]
struct Faulty {
    port: u16,
    stopper: Stopper,
    thread: Option<JoinHandle<()>>,
}

impl Faulty {
    fn start(faults: Faults, digests: &[Digest]) -> Self {
        let mut settings =
            ListenerSettings::new("127.0.0.1:0".parse().unwrap(), TARGET.parse().unwrap());
        settings.faults = faults.transport;
        settings.offer.header_digest = digests.to_vec();
        settings.offer.data_digest = digests.to_vec();
        let configuration = LibraryConfiguration {
            faults: faults.library,
            ..LibraryConfiguration::default()
        };
        let (send, receive) = mpsc::channel();
        let thread = thread::spawn(move || {
            let library = Library::new(configuration).expect("a library");
            let listener = Listener::bind(settings).expect("a free port");
            let stopper = listener.stopper();
            send.send((listener.portal().port(), stopper)).unwrap();
            serve(listener, library, Rc::new(|_| ())).expect("synced");
        });
        let (port, stopper) = receive.recv().expect("a listener");
        Self {
            port,
            stopper,
            thread: Some(thread),
        }
    }

    fn of_library(faults: LibraryFaults) -> Self {
        let faults = Faults {
            library: faults,
            ..Faults::default()
        };
        Self::start(faults, &[Digest::None])
    }

    fn of_transport(faults: TransportFaults) -> Self {
        let faults = Faults {
            transport: faults,
            ..Faults::default()
        };
        Self::start(faults, &[Digest::None])
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.stopper.stop();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(
                ended.is_ok() || thread::panicking(),
                "the listener panicked"
            );
        }
    }
}

/// Attaches the target on the port in an environment of its own, and returns what is reported of it.
fn attach(port: u16) -> (Value, Output) {
    attach_with(port, "10")
}

/// The same with this --timeout, in seconds.
fn attach_with(port: u16, timeout: &str) -> (Value, Output) {
    let environment = TestEnvironment::new();
    environment.add(TARGET, "127.0.0.1", port);
    let output = environment.run(&["--json", "--timeout", timeout, "-reipliscsiop"]);
    let document = output.json();
    let target = targets(&document)[0].clone();
    let expected = match text(&target["status"]) {
        "CONNECTED" => 0,
        _ => 4,
    };
    assert_eq!(output.status.code(), Some(expected), "{output}");
    (target, output)
}

/// Attaches with --timeout 1, and expects that to fail in this phase and in time.
#[track_caller]
fn fails(port: u16, phase: &str) -> Value {
    let (target, _) = attach_with(port, "1");
    assert_eq!(target["status"], "FAILED", "{target:#}");
    assert_eq!(target["failure"]["phase"], phase, "{target:#}");
    target["failure"].clone()
}

/// Attaches and expects the whole library.
#[track_caller]
fn finds_everything(port: u16) {
    let (target, _) = attach(port);
    assert_whole(&target);
}

#[track_caller]
fn assert_whole(target: &Value) {
    assert_eq!(target["status"], "CONNECTED", "{target:#}");
    let library = &target["libraries"][0];
    assert_eq!(library["type_model"], "3584-403", "{target:#}");
    let drives = library["drives"].as_array().map(Vec::len);
    assert_eq!(drives, Some(2), "{target:#}");
    assert_eq!(library["problems"], json!([]), "{target:#}");
}

/// Attaches a library without faults, has tshark judge the session when there are digests, and returns the number of
/// PDUs that the target sent when there are none.
fn without_faults(digest: Digest) -> u64 {
    let faulty = Faulty::start(Faults::default(), &[digest]);
    let relay = Relay::start(faulty.port, Conduct::default());
    let (target, _) = attach(relay.port());
    assert_whole(&target);
    assert_eq!(target["session"]["header_digest"], digest.name());
    assert_eq!(target["session"]["data_digest"], digest.name());
    match digest {
        Digest::None => pdus_sent(&relay.connection()),
        Digest::Crc32c => {
            let directory = tempfile::tempdir().unwrap();
            judge::assert_wholly_well_formed(&relay.connection(), directory.path());
            0
        }
    }
}

#[test]
fn without_faults_everything_is_found() {
    assert!(without_faults(Digest::None) > 10);
    without_faults(Digest::Crc32c);
}

#[test]
fn a_refused_login_is_told_by_its_status() {
    let statuses = [(2, 0), (2, 1), (2, 2), (2, 3), (3, 0), (3, 1), (3, 2)];
    for (class, detail) in statuses {
        let faulty = Faulty::of_transport(TransportFaults {
            refuse_login: Some(LoginRefusal { class, detail }.into()),
            ..TransportFaults::default()
        });
        let failure = fails(faulty.port, "login");
        assert_eq!(
            failure["login_status"],
            format!("0x{class:02x}{detail:02x}")
        );
        assert!(failure["hint"].is_string(), "{failure:#}");
    }
}

#[test]
fn a_target_that_falls_silent_is_given_up() {
    for pdus in [0, 1, 7] {
        let faulty = Faulty::of_transport(TransportFaults {
            stall_after: Some(pdus),
            ..TransportFaults::default()
        });
        let relay = Relay::start(faulty.port, Conduct::default());
        fails(relay.port(), "enumerate");
        assert_eq!(pdus_sent(&relay.connection()), pdus);
    }
}

#[test]
fn a_connection_may_be_lost_behind_any_pdu() {
    let all = without_faults(Digest::None);
    for pdus in 0..=all {
        let faulty = Faulty::of_transport(TransportFaults {
            drop_after: Some(pdus.into()),
            ..TransportFaults::default()
        });
        let relay = Relay::start(faulty.port, Conduct::default());
        let (target, _) = attach(relay.port());
        // Where a question may have been the reason, the initiator logs in once more; the target drops that session alike.
        let connections = relay.connections();
        assert!(matches!(connections.len(), 1 | 2), "{}", connections.len());
        assert_eq!(pdus_sent(&connections[0]), pdus, "{target:#}");
        if pdus < all - 1 && target["failure"].is_null() {
            // The second session asked less, and was over before its end.
            assert_eq!(connections.len(), 2, "{target:#}");
        } else if pdus < all - 1 {
            assert_eq!(target["failure"]["phase"], "enumerate", "{target:#}");
        } else {
            // Nothing is missing but the answer to the logout.
            assert_whole(&target);
        }
    }
}

#[test]
fn a_wrong_digest_ends_the_session() {
    for digest in [DigestKind::Header, DigestKind::Data] {
        for after in [0, 2, 5] {
            let faults = TransportFaults {
                wrong_digests: vec![WrongDigest { after, digest }.into()],
                ..TransportFaults::default()
            };
            let faults = Faults {
                transport: faults,
                ..Faults::default()
            };
            let faulty = Faulty::start(faults, &[Digest::Crc32c]);
            let failure = fails(faulty.port, "enumerate");
            let message = text(&failure["message"]).to_lowercase();
            let name = match digest {
                DigestKind::Header => "header",
                DigestKind::Data => "data",
            };
            assert!(
                message.contains("digest") && message.contains(name),
                "{failure:#}"
            );
        }
    }
}

#[test]
fn a_digest_that_was_not_agreed_on_cannot_be_wrong() {
    let faulty = Faulty::of_transport(TransportFaults {
        wrong_digests: vec![
            WrongDigest {
                after: 0,
                digest: DigestKind::Header,
            }
            .into(),
        ],
        ..TransportFaults::default()
    });
    finds_everything(faulty.port);
}

#[test]
fn a_library_may_lose_power_before_any_command() {
    let all = without_faults(Digest::None);
    let mut more = 0;
    for commands in 0..u32::try_from(all).unwrap() {
        let faulty = Faulty::of_library(LibraryFaults {
            power_cycle_after: Some(commands),
            ..LibraryFaults::default()
        });
        let relay = Relay::start(faulty.port, Conduct::default());
        let (target, _) = attach(relay.port());
        assert_whole(&target);
        more += pdus_sent(&relay.connection()) - all;
    }
    assert!(more > 0, "no command met the unit attention");
}

#[test]
fn a_busy_library_is_asked_again() {
    for busy in [1, 2, 5] {
        let faulty = Faulty::of_library(LibraryFaults {
            busy,
            ..LibraryFaults::default()
        });
        finds_everything(faulty.port);
    }
}

#[test]
fn a_library_that_becomes_ready_is_asked_again() {
    for becoming_ready in [1, 2, 5] {
        let faulty = Faulty::of_library(LibraryFaults {
            becoming_ready,
            ..LibraryFaults::default()
        });
        finds_everything(faulty.port);
    }
}

#[test]
fn a_library_that_stays_busy_is_reported_with_what_is_known() {
    let busy = LibraryFaults {
        busy: u32::MAX,
        ..LibraryFaults::default()
    };
    let becoming_ready = LibraryFaults {
        becoming_ready: u32::MAX,
        ..LibraryFaults::default()
    };
    for (faults, said) in [(busy, "BUSY"), (becoming_ready, "NOT READY 04/01")] {
        let faulty = Faulty::of_library(faults);
        let (target, _) = attach_with(faulty.port, "1");
        // INQUIRY is answered at any time, element status is not.
        let library = &target["libraries"][0];
        assert_eq!(library["serial"], "0000078A12340401", "{target:#}");
        assert_eq!(
            target["drives"].as_array().map(Vec::len),
            Some(2),
            "{target:#}"
        );
        let problems = library["problems"].as_array().expect("problems");
        assert!(
            problems
                .iter()
                .any(|problem| text(&problem["message"]).contains(said)),
            "{target:#}"
        );
    }
}

#[test]
fn bad_blocks_are_medium_errors_where_they_are() {
    let bad = |object| {
        vec![BlockFault {
            volume: Barcode::parse("VOL001L8").unwrap(),
            object,
        }]
    };
    let unwritable = LibraryFaults {
        unwritable: bad(2),
        ..LibraryFaults::default()
    };
    let (said, why) = tape(unwritable);
    assert_eq!(why, "WRITE: status 02, sense 3/0c00\n");
    assert!(
        said.ends_with("wrote 10 bytes\nwrote a filemark\n"),
        "{said}"
    );

    let unreadable = LibraryFaults {
        unreadable: bad(2),
        ..LibraryFaults::default()
    };
    let (said, why) = tape(unreadable);
    assert_eq!(
        why,
        "READ of another length: status 02, sense 3/1100 instead of 0/0000\n"
    );
    assert!(said.contains("wrote 30 bytes"), "{said}");
}

/// Writes blocks of 10, 20 and 30 bytes, a filemark behind the first; returns what the tape program said and why it
/// failed.
fn tape(faults: LibraryFaults) -> (String, String) {
    let faulty = Faulty::of_library(faults);
    let environment = TestEnvironment::new();
    let mut command = environment.command_of(&program("tape"));
    command
        .args([&format!("127.0.0.1:{}", faulty.port), TARGET, "none"])
        .args([FIRST_SLOT.to_string(), FIRST_DRIVE.to_string()])
        .args(["10", "F", "20", "30"]);
    let output = environment.finish(command);
    assert_eq!(output.status.code(), Some(1), "{output}");
    (output.stdout, output.stderr)
}

/// Returns how many PDUs the target sent in the full feature phase of a session without digests.
fn pdus_sent(connection: &Connection) -> u64 {
    const LOGIN_RESPONSE: u8 = 0x23;
    let sent: Vec<u8> = connection
        .chunks
        .iter()
        .filter(|(direction, _)| *direction == Direction::FromTarget)
        .flat_map(|(_, bytes)| bytes.iter().copied())
        .collect();
    let mut pdus = 0;
    let mut rest = &sent[..];
    while !rest.is_empty() {
        assert!(rest.len() >= 48, "a header of {} bytes", rest.len());
        let length = u32::from_be_bytes([0, rest[5], rest[6], rest[7]]) as usize;
        let whole = 48 + usize::from(rest[4]) * 4 + length.next_multiple_of(4);
        assert!(
            rest.len() >= whole,
            "a PDU cut at {} of {whole} bytes",
            rest.len()
        );
        pdus += u64::from(rest[0] & 0x3f != LOGIN_RESPONSE);
        rest = &rest[whole..];
    }
    pdus
}
