//! The listener with a backend whose answers come late.

use std::future::ready;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use iscsiswiconfig::iscsi::ids::Lun;
use iscsiswiconfig::iscsi::nexus::{InitiatorPort, NexusId};
use iscsiswiconfig::iscsi::pdu::{TaskManagementFunction, TaskManagementOutcome};
use iscsiswiconfig::iscsi::target::{ReceivedCommand, ScsiReply};
use iscsiswiconfig::transport::initiator::DataDirection;
use iscsiswiconfig::transport::listener::{
    Backend, BackendAnswer, Listener, ListenerSettings, Stopped, Stopper,
};
use tokio::sync::watch;

use crate::peers::tape_initiator::TapeInitiator;

const NAME: &str = "iqn.2026-11.test:late";
const PROMPT: u16 = 0;
/// The logical unit whose commands are answered when the gate is open.
const LATE: u16 = 1;
const INQUIRY: [u8; 6] = [0x12, 0, 0, 0, 36, 0];

struct Late {
    gate: watch::Receiver<bool>,
    begun: mpsc::Sender<()>,
}

impl Backend for Late {
    fn nexus_added(&self, _: NexusId, _: InitiatorPort) {}

    fn nexus_lost(&self, _: NexusId) {}

    fn has_logical_unit(&self, lun: Lun) -> bool {
        lun.number() <= LATE.into()
    }

    fn execute(&self, _: NexusId, command: ReceivedCommand) -> BackendAnswer<ScsiReply> {
        let reply = ScsiReply::data_in(Bytes::from_static(b"who"));
        if command.lun.number() != u64::from(LATE) {
            return Box::pin(ready(reply));
        }
        self.begun.send(()).unwrap();
        let mut gate = self.gate.clone();
        Box::pin(async move {
            gate.wait_for(|open| *open).await.unwrap();
            reply
        })
    }

    fn manage(
        &self,
        _: NexusId,
        _: TaskManagementFunction,
        _: Lun,
    ) -> BackendAnswer<TaskManagementOutcome> {
        Box::pin(ready(TaskManagementOutcome::FUNCTION_COMPLETE))
    }

    fn settle(&self) -> BackendAnswer<()> {
        Box::pin(ready(()))
    }
}

struct Served {
    portal: SocketAddr,
    stopper: Stopper,
    thread: JoinHandle<Stopped>,
    gate: watch::Sender<bool>,
    begun: mpsc::Receiver<()>,
}

fn serve() -> Served {
    let listener = Listener::bind(ListenerSettings::new(
        "127.0.0.1:0".parse().unwrap(),
        NAME.parse().unwrap(),
    ))
    .unwrap();
    let (portal, stopper) = (listener.portal(), listener.stopper());
    let (gate, is_open) = watch::channel(false);
    let (begin, begun) = mpsc::channel();
    let thread = thread::spawn(move || {
        let backend = Late {
            gate: is_open,
            begun: begin,
        };
        listener.serve(Rc::new(backend), Rc::new(|_| {}))
    });
    Served {
        portal,
        stopper,
        thread,
        gate,
        begun,
    }
}

#[test]
fn sessions_are_served_while_an_answer_is_outstanding() {
    let served = serve();
    let portal = served.portal;
    let late = thread::spawn(move || {
        let mut initiator = TapeInitiator::login(portal, NAME, 1);
        let data = initiator.good(LATE, &INQUIRY, DataDirection::In(36));
        initiator.logout();
        data
    });
    served.begun.recv().unwrap();
    let mut other = TapeInitiator::login(portal, NAME, 2);
    let data = other.good(PROMPT, &INQUIRY, DataDirection::In(36));
    assert_eq!(data, "who");
    other.logout();
    assert!(!late.is_finished());
    served.gate.send(true).unwrap();
    assert_eq!(late.join().unwrap(), "who");
    served.stopper.stop();
    assert_eq!(served.thread.join().unwrap(), Stopped::Asked);
}

#[test]
fn a_reset_ends_the_commands_whose_answers_are_outstanding() {
    let served = serve();
    let portal = served.portal;
    let late = thread::spawn(move || {
        let mut initiator = TapeInitiator::login(portal, NAME, 1);
        // It is never answered: the session ends first.
        initiator.try_execute(LATE, &INQUIRY, DataDirection::In(36))
    });
    served.begun.recv().unwrap();
    let mut other = TapeInitiator::login(portal, NAME, 2);
    other.reset(LATE);
    served.gate.send(true).unwrap();
    // Nobody waits for the answer any more, and other commands are answered.
    let _ = other.good(LATE, &INQUIRY, DataDirection::In(36));
    served.stopper.stop();
    assert_eq!(served.thread.join().unwrap(), Stopped::Asked);
    assert!(late.join().unwrap().is_none());
}
