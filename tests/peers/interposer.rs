//! A relay that knows PDUs, between an initiator and a target: it withholds answers to commands, refuses task management in the
//! target's place, and sends asynchronous messages. It renumbers what it passes on, so that neither side notices (RFC 7143 4.2.2).
//!
//! Only for sessions without digests.

use std::collections::{HashMap, HashSet};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

/// Length of a Basic Header Segment (RFC 7143 11.2.1).
const HEADER_LENGTH: usize = 48;

/// Nothing is waited for any longer.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Task management functions (11.5.1).
pub const ABORT_TASK: u8 = 1;
pub const LOGICAL_UNIT_RESET: u8 = 5;

/// Opcodes (11.2.1.2).
pub const LOGOUT_REQUEST: u8 = 0x06;
const SCSI_COMMAND: u8 = 0x01;
const TASK_MANAGEMENT_REQUEST: u8 = 0x02;
const LOGIN_REQUEST: u8 = 0x03;
const DATA_OUT: u8 = 0x05;
const NOP_IN: u8 = 0x20;
const SCSI_RESPONSE: u8 = 0x21;
const TASK_MANAGEMENT_RESPONSE: u8 = 0x22;
const DATA_IN: u8 = 0x25;
const R2T: u8 = 0x31;
const ASYNC_MESSAGE: u8 = 0x32;
const REJECT: u8 = 0x3f;

/// A reason of a Reject (11.17.1).
const PROTOCOL_ERROR: u8 = 4;

/// How a task management function is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// By a Task Management Function Response with this code (11.6.1).
    Response(u8),
    /// By a Reject with this reason (11.17.1).
    Reject(u8),
}

/// An asynchronous message (11.9).
#[derive(Clone, Debug, Default)]
pub struct Message {
    pub event: u8,
    pub vendor_code: u8,
    pub lun: u16,
    pub parameters: [u16; 3],
    pub data: Vec<u8>,
}

/// The commands whose answers are withheld.
#[derive(Clone, Debug)]
pub struct Withheld {
    /// The logical unit; none for all.
    pub lun: Option<u16>,
    pub operation_code: u8,
    /// So many such commands are answered before.
    pub after: usize,
}

/// A relay on its own port of 127.0.0.1. Its threads end with its connections, and the test process.
#[derive(Clone, Debug)]
pub struct Interposer {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    withheld: Option<Withheld>,
    refusals: HashMap<u8, Refusal>,
    /// The operation code of commands that are rejected.
    rejected: Option<u8>,
    /// Headers of what the initiator sent since the last [`Interposer::forget`], login and data aside.
    seen: Vec<[u8; HEADER_LENGTH]>,
    connected: Vec<Instant>,
    /// The last connection.
    link: Link,
}

#[derive(Debug, Default)]
struct Link {
    number: usize,
    to_initiator: Option<Arc<Mutex<TcpStream>>>,
    /// How far the StatSN that the initiator sees is ahead of the target's.
    shift: i32,
    next_stat_sn: u32,
    /// ExpCmdSN and MaxCmdSN, as passed on last.
    window: [u8; 8],
    /// The MaxCmdSN beyond which the window is not opened.
    last_cmd_sn: Option<u32>,
    withheld_tags: HashSet<u32>,
    withheld: Vec<Vec<u8>>,
    managements: HashMap<u32, [u8; HEADER_LENGTH]>,
    /// Commands whose answers become a Reject.
    rejected: HashMap<u32, [u8; HEADER_LENGTH]>,
}

impl Interposer {
    /// Starts a relay to a port of this machine.
    #[must_use]
    pub fn start(target: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let shared = Arc::<Shared>::default();
        let of_connections = Arc::clone(&shared);
        thread::spawn(move || {
            for (number, initiator) in listener.incoming().enumerate() {
                let target = SocketAddr::from((Ipv4Addr::LOCALHOST, target));
                let (Ok(initiator), Ok(target)) = (initiator, TcpStream::connect(target)) else {
                    continue;
                };
                relay(&of_connections, number, initiator, target);
            }
        });
        Self { port, shared }
    }

    /// Returns the port to connect to.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Withholds the answers to such commands from now on.
    pub fn withhold(&self, withheld: Withheld) {
        self.state().withheld = Some(withheld);
    }

    /// Refuses a task management function from now on.
    pub fn refuse(&self, function: u8, refusal: Refusal) {
        self.state().refusals.insert(function, refusal);
    }

    /// Answers commands with that operation code by a Reject from now on.
    pub fn reject(&self, operation_code: u8) {
        self.state().rejected = Some(operation_code);
    }

    /// Passes everything on from now on, but what belongs to commands whose answers have been withheld.
    pub fn pass_all(&self) {
        let mut state = self.state();
        state.withheld = None;
        state.refusals.clear();
        state.rejected = None;
        state.link.withheld.clear();
    }

    /// Passes everything on from now on, and what was withheld first.
    pub fn release(&self) {
        let withheld = std::mem::take(&mut self.state().link.withheld);
        self.pass_all();
        let mut state = self.state();
        let link = &mut state.link;
        link.withheld_tags.clear();
        let mut bytes = Vec::new();
        for mut pdu in withheld {
            if carries_status(&pdu) {
                put(&mut pdu, 24, link.next_stat_sn);
                link.next_stat_sn = link.next_stat_sn.wrapping_add(1);
                link.shift += 1;
            }
            pdu[28..36].copy_from_slice(&link.window);
            bytes.extend_from_slice(&pdu);
        }
        send(state, &bytes);
    }

    /// Lets the command window go no further, or as far as the target lets it.
    pub fn hold_window(&self, is_held: bool) {
        let link = &mut self.state().link;
        link.last_cmd_sn = is_held.then(|| get(&link.window, 4));
    }

    /// Sends an asynchronous message in the target's place.
    pub fn send(&self, message: &Message) {
        let mut state = self.state();
        let link = &mut state.link;
        let mut pdu = vec![0; HEADER_LENGTH];
        (pdu[0], pdu[1]) = (ASYNC_MESSAGE, 0x80);
        pdu[8..10].copy_from_slice(&message.lun.to_be_bytes());
        pdu[16..20].fill(0xff);
        put(&mut pdu, 24, link.next_stat_sn);
        pdu[28..36].copy_from_slice(&link.window);
        (pdu[36], pdu[37]) = (message.event, message.vendor_code);
        for (place, parameter) in pdu[38..44].chunks_mut(2).zip(message.parameters) {
            place.copy_from_slice(&parameter.to_be_bytes());
        }
        append(&mut pdu, &message.data);
        link.next_stat_sn = link.next_stat_sn.wrapping_add(1);
        link.shift += 1;
        send(state, &pdu);
    }

    /// Forgets what the initiator has sent.
    pub fn forget(&self) {
        self.state().seen.clear();
    }

    /// Returns the commands that the initiator has sent: logical unit and operation code.
    #[must_use]
    pub fn commands(&self) -> Vec<(u16, u8)> {
        let state = self.state();
        let commands = state
            .seen
            .iter()
            .filter(|header| opcode(*header) == SCSI_COMMAND);
        commands
            .map(|header| (u16::from_be_bytes([header[8], header[9]]), header[32]))
            .collect()
    }

    /// Returns the task management functions that the initiator has asked for.
    #[must_use]
    pub fn functions(&self) -> Vec<u8> {
        functions(&self.state())
    }

    /// Waits until the initiator has asked for so many task management functions of a kind.
    #[track_caller]
    pub fn wait_for_functions(&self, function: u8, count: usize) {
        self.wait(|state| {
            let asked = functions(state);
            asked.iter().filter(|asked| **asked == function).count() >= count
        });
    }

    /// Waits until the initiator has sent a PDU of that opcode.
    #[track_caller]
    pub fn wait_for_opcode(&self, wanted: u8) {
        self.wait(|state| state.seen.iter().any(|header| opcode(header) == wanted));
    }

    /// Waits until so many answers are withheld.
    #[track_caller]
    pub fn wait_for_withheld(&self, count: usize) {
        self.wait(|state| {
            let withheld = state.link.withheld.iter();
            withheld.filter(|pdu| carries_status(pdu)).count() >= count
        });
    }

    /// Returns when each connection was made.
    #[must_use]
    pub fn connected(&self) -> Vec<Instant> {
        self.state().connected.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap()
    }

    #[track_caller]
    fn wait(&self, mut look: impl FnMut(&State) -> bool) {
        let waits = |state: &mut State| !look(state);
        let waited = self
            .shared
            .changed
            .wait_timeout_while(self.state(), TIMEOUT, waits)
            .unwrap();
        assert!(!waited.1.timed_out(), "it did not come: {:#?}", waited.0);
    }
}

fn functions(state: &State) -> Vec<u8> {
    let requests = state
        .seen
        .iter()
        .filter(|header| opcode(*header) == TASK_MANAGEMENT_REQUEST);
    requests.map(|header| header[1] & 0x7f).collect()
}

/// Sends to the initiator, behind what is being sent; the state is free meanwhile.
fn send(state: MutexGuard<'_, State>, bytes: &[u8]) {
    let to_initiator = state.link.to_initiator.clone().expect("a connection");
    let mut to_initiator = to_initiator.lock().unwrap();
    drop(state);
    // An initiator that has gone gets no more.
    let _ = to_initiator.write_all(bytes);
}

fn relay(shared: &Arc<Shared>, number: usize, initiator: TcpStream, target: TcpStream) {
    initiator.set_nodelay(true).unwrap();
    target.set_nodelay(true).unwrap();
    let to_initiator = Arc::new(Mutex::new(initiator.try_clone().unwrap()));
    {
        let mut state = shared.state.lock().unwrap();
        state.connected.push(Instant::now());
        state.link = Link {
            number,
            to_initiator: Some(to_initiator),
            ..Link::default()
        };
    }
    let (from_initiator, to_target) = (initiator.try_clone().unwrap(), target.try_clone().unwrap());
    let of_initiator = Arc::clone(shared);
    thread::spawn(move || {
        let _ = from_the_initiator(&of_initiator, number, &from_initiator, &to_target);
        let _ = from_initiator.shutdown(Shutdown::Both);
        let _ = to_target.shutdown(Shutdown::Both);
    });
    let of_target = Arc::clone(shared);
    thread::spawn(move || {
        let _ = from_the_target(&of_target, number, &target);
        let _ = initiator.shutdown(Shutdown::Both);
        let _ = target.shutdown(Shutdown::Both);
    });
}

fn from_the_initiator(
    shared: &Shared,
    number: usize,
    mut from: &TcpStream,
    mut to: &TcpStream,
) -> io::Result<()> {
    loop {
        let mut pdu = read(&mut from)?;
        let mut state = shared.state.lock().unwrap();
        if state.link.number != number {
            return Ok(());
        }
        let kind = opcode(&pdu);
        if kind != LOGIN_REQUEST {
            let acknowledged = get(&pdu, 28).wrapping_add_signed(-state.link.shift);
            put(&mut pdu, 28, acknowledged);
        }
        let header = *pdu.first_chunk().expect("a header");
        if !matches!(kind, LOGIN_REQUEST | DATA_OUT) {
            state.seen.push(header);
        }
        let tag = get(&pdu, 16);
        if kind == SCSI_COMMAND {
            let lun = u16::from_be_bytes([pdu[8], pdu[9]]);
            let mut is_withheld = false;
            if let Some(withheld) = &mut state.withheld
                && withheld.operation_code == pdu[32]
                && withheld.lun.is_none_or(|withheld| withheld == lun)
            {
                is_withheld = withheld.after == 0;
                withheld.after = withheld.after.saturating_sub(1);
            }
            if is_withheld {
                state.link.withheld_tags.insert(tag);
            }
            if state.rejected == Some(pdu[32]) {
                state.link.rejected.insert(tag, header);
            }
        }
        if kind == TASK_MANAGEMENT_REQUEST {
            state.link.managements.insert(tag, header);
        }
        drop(state);
        shared.changed.notify_all();
        to.write_all(&pdu)?;
    }
}

fn from_the_target(shared: &Shared, number: usize, mut from: &TcpStream) -> io::Result<()> {
    loop {
        let mut pdu = read(&mut from)?;
        let mut state = shared.state.lock().unwrap();
        if state.link.number != number {
            return Ok(());
        }
        let tag = get(&pdu, 16);
        let State { link, refusals, .. } = &mut *state;
        let kind = opcode(&pdu);
        if matches!(kind, SCSI_RESPONSE | DATA_IN) && link.withheld_tags.contains(&tag) {
            if carries_status(&pdu) {
                link.shift -= 1;
            }
            link.withheld.push(pdu);
            drop(state);
            shared.changed.notify_all();
            continue;
        }
        let stat_sn = get(&pdu, 24).wrapping_add_signed(link.shift);
        if let Some(last) = link.last_cmd_sn
            && last.wrapping_sub(get(&pdu, 32)).cast_signed() < 0
        {
            put(&mut pdu, 32, last);
        }
        link.window.copy_from_slice(&pdu[28..36]);
        if carries_status(&pdu) {
            put(&mut pdu, 24, stat_sn);
            link.next_stat_sn = stat_sn.wrapping_add(1);
        } else if matches!(kind, R2T | NOP_IN) {
            put(&mut pdu, 24, stat_sn);
        }
        if kind == TASK_MANAGEMENT_RESPONSE
            && let Some(request) = link.managements.remove(&tag)
        {
            match refusals.get(&(request[1] & 0x7f)) {
                Some(Refusal::Response(code)) => pdu[2] = *code,
                Some(Refusal::Reject(reason)) => become_reject(&mut pdu, *reason, &request),
                None => {}
            }
        }
        if kind == SCSI_RESPONSE
            && let Some(command) = link.rejected.remove(&tag)
        {
            become_reject(&mut pdu, PROTOCOL_ERROR, &command);
        }
        send(state, &pdu);
    }
}

/// Makes a Reject (11.17) of an answer.
fn become_reject(pdu: &mut Vec<u8>, reason: u8, rejected: &[u8; HEADER_LENGTH]) {
    pdu.truncate(HEADER_LENGTH);
    (pdu[0], pdu[1], pdu[2], pdu[3]) = (REJECT, 0x80, reason, 0);
    pdu[8..20].fill(0);
    pdu[16..20].fill(0xff);
    pdu[36..48].fill(0);
    append(pdu, rejected);
}

/// Returns whether a PDU of a target has a StatSN of its own (RFC 7143 4.2.2.2).
fn carries_status(pdu: &[u8]) -> bool {
    match opcode(pdu) {
        DATA_IN => pdu[1] & 1 != 0,
        NOP_IN => get(pdu, 16) != u32::MAX,
        R2T => false,
        _ => true,
    }
}

fn opcode(pdu: &[u8]) -> u8 {
    pdu[0] & 0x3f
}

fn get(pdu: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(pdu[at..at + 4].try_into().unwrap())
}

fn put(pdu: &mut [u8], at: usize, number: u32) {
    pdu[at..at + 4].copy_from_slice(&number.to_be_bytes());
}

/// Appends a data segment to a header.
fn append(pdu: &mut Vec<u8>, data: &[u8]) {
    let length = u32::try_from(data.len()).unwrap().to_be_bytes();
    pdu[5..8].copy_from_slice(&length[1..]);
    pdu.extend_from_slice(data);
    pdu.resize(pdu.len().next_multiple_of(4), 0);
}

fn read(from: &mut &TcpStream) -> io::Result<Vec<u8>> {
    let mut pdu = vec![0; HEADER_LENGTH];
    from.read_exact(&mut pdu)?;
    let length = u32::from_be_bytes([0, pdu[5], pdu[6], pdu[7]]) as usize;
    let more = usize::from(pdu[4]) * 4 + length.next_multiple_of(4);
    pdu.resize(HEADER_LENGTH + more, 0);
    from.read_exact(&mut pdu[HEADER_LENGTH..])?;
    Ok(pdu)
}
