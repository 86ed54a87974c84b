//! The target's full feature phase: one session with one connection at ErrorRecoveryLevel 0 (RFC 7143 4.2 and 11).
//!
//! Sans-IO. Received PDUs go in by [`TargetSession::handle`]; after every call, what is to be done comes out of
//! [`TargetSession::poll_event`] and what is to be sent out of [`TargetSession::poll_transmit`], each until it
//! returns `None`. A caller that sends everything before it reads on keeps what waits to be sent bounded.
//!
//! ```text
//! Open --Logout Request, drop_connection(), malformed PDU--> Ending --last PDU polled--> Ended
//!   \________________________________ ping timeout, end() ________________________________^
//! ```

mod data_out;
mod error;
mod event;
mod manage;
mod numbers;
mod outgoing;
mod settings;
mod task;
mod text_exchange;
mod transfer;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Instant;

use bytes::Bytes;

pub use self::error::TargetSessionError;
pub use self::event::{Event, ManagementId, ReceivedCommand, ScsiReply, TaskId, TaskManagement};
use self::manage::Management;
use self::numbers::Numbers;
use self::outgoing::Outgoing;
pub use self::settings::{PingSettings, TargetSettings};
use self::task::{Task, TaskPhase};
use self::text_exchange::TextExchange;
use crate::iscsi::codec::{CodecError, Encoder};
use crate::iscsi::ids::{CmdSn, DataSn, InitiatorTaskTag, StatSn, TargetTransferTag};
use crate::iscsi::operational::SessionType;
use crate::iscsi::pdu::{
    AsyncEvent, LogoutOutcome, LogoutReason, LogoutRequest, NopOut, Pdu, RejectReason, ScsiCommand,
    TextRequest,
};

/// The most immediate commands and task management requests at a time; more are rejected (4.2.2.1).
const MAX_IMMEDIATE: usize = 16;

/// The target's side of a session in its full feature phase.
#[derive(Debug)]
pub struct TargetSession {
    settings: TargetSettings,
    state: SessionState,
    numbers: Numbers,
    next_id: u64,
    next_transfer_tag: TargetTransferTag,
    tasks: BTreeMap<TaskId, Task>,
    /// The tasks of the initiator's tags.
    tags: HashMap<InitiatorTaskTag, TaskId>,
    /// Tasks that have not been delivered, in the order of their CmdSN.
    undelivered: VecDeque<TaskId>,
    /// What came before its CmdSN was due.
    held: HashMap<CmdSn, HeldRequest>,
    managements: BTreeMap<ManagementId, Management>,
    text: Option<TextExchange>,
    /// Bytes reserved for Data-Out.
    buffered: u64,
    outgoing: VecDeque<Outgoing>,
    events: VecDeque<Event>,
    last_heard: Instant,
    /// When the ping was sent that waits for an answer.
    pinged: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SessionState {
    Open,
    Ending,
    Ended,
}

#[derive(Debug)]
enum HeldRequest {
    Task(TaskId),
    Request(Pdu),
    /// The command was aborted before it came: its number counts as received (11.6.1).
    Plugged,
}

/// What the numbering needs to know of a request.
#[derive(Clone, Copy)]
struct RequestHeader {
    immediate: bool,
    cmd_sn: CmdSn,
    exp_stat_sn: StatSn,
    initiator_task_tag: InitiatorTaskTag,
}

impl TargetSession {
    /// Returns a session that has just logged in.
    #[must_use]
    pub fn new(mut settings: TargetSettings, now: Instant) -> Self {
        settings.command_window = settings.command_window.max(1);
        settings.max_data_out_length = settings
            .max_data_out_length
            .max(settings.parameters.first_burst_length);
        Self {
            state: SessionState::Open,
            numbers: Numbers::new(settings.cmd_sn, settings.stat_sn, settings.command_window),
            next_id: 0,
            next_transfer_tag: TargetTransferTag(1),
            tasks: BTreeMap::new(),
            tags: HashMap::new(),
            undelivered: VecDeque::new(),
            held: HashMap::new(),
            managements: BTreeMap::new(),
            text: None,
            buffered: 0,
            outgoing: VecDeque::new(),
            events: VecDeque::new(),
            last_heard: now,
            pinged: None,
            settings,
        }
    }

    /// Returns the settings, with the parameters in force.
    #[must_use]
    pub const fn settings(&self) -> &TargetSettings {
        &self.settings
    }

    /// Takes a PDU from the initiator.
    ///
    /// What breaks the protocol is answered with a Reject or ends its task with CHECK CONDITION (11.4.7.2, 11.17);
    /// the session goes on.
    ///
    /// # Errors
    /// [`TargetSessionError::Ended`] after the end of the session. While it is ending, PDUs are passed over.
    pub fn handle(&mut self, pdu: Pdu, now: Instant) -> Result<(), TargetSessionError> {
        match self.state {
            SessionState::Open => {}
            SessionState::Ending => return Ok(()),
            SessionState::Ended => {
                return Err(TargetSessionError::Ended {
                    opcode: pdu.opcode(),
                });
            }
        }
        // Any PDU shows that the initiator is alive, not only the answer to a ping.
        self.last_heard = now;
        self.pinged = None;
        match RequestHeader::of(&pdu) {
            Some(header) => self.handle_request(pdu, header, now),
            None => match pdu {
                Pdu::DataOut(pdu) => {
                    // Only the end of a sequence can complete a task: the scan of all tasks is left out between.
                    let mid_sequence = !pdu.final_bit;
                    self.handle_data_out(pdu);
                    if mid_sequence {
                        return Ok(());
                    }
                }
                Pdu::SnackRequest(_) => self.reject(&pdu, RejectReason::SNACK_REJECT),
                _ => self.reject(&pdu, RejectReason::PROTOCOL_ERROR),
            },
        }
        self.proceed(now);
        Ok(())
    }

    /// Takes note of bytes that are no PDU: rejects them where the standard asks for it (7.7, 7.8, 11.17), and ends
    /// the session, for the stream cannot be followed further. `header` is the Basic Header Segment as it came.
    pub fn handle_malformed(&mut self, header: &[u8], error: &CodecError) {
        let reason = match error {
            // With a wrong header digest the header itself cannot be trusted: there is nothing to reject (7.7).
            CodecError::HeaderDigest { .. } => return self.end(),
            CodecError::DataDigest { .. } => RejectReason::DATA_DIGEST_ERROR,
            CodecError::UnknownOpcode { .. } => RejectReason::COMMAND_NOT_SUPPORTED,
            CodecError::DataSegmentTooLong { .. }
            | CodecError::UnexpectedData { .. }
            | CodecError::UnexpectedAhs { .. }
            | CodecError::TruncatedAhs { .. }
            | CodecError::MalformedAhs { .. }
            | CodecError::ReservedStage { .. }
            | CodecError::ConflictingResidual => RejectReason::PROTOCOL_ERROR,
        };
        if self.state == SessionState::Open {
            self.give_up_tasks();
            self.state = SessionState::Ending;
            self.outgoing.push_back(Outgoing::Reject {
                reason,
                header: Bytes::copy_from_slice(header),
            });
        }
    }

    /// Answers a command. The answer to a command that was aborted meanwhile is dropped; returns whether it was not.
    pub fn respond(&mut self, id: TaskId, reply: ScsiReply) -> bool {
        let Some(task) = self.tasks.get_mut(&id) else {
            return false;
        };
        if task.phase != TaskPhase::Delivered {
            return false;
        }
        // The backend has used the data: its room is free for the R2Ts of other tasks.
        self.buffered = self.buffered.saturating_sub(task.reserved);
        task.reserved = 0;
        let reply = task.reply(id, reply);
        self.outgoing.push_back(Outgoing::Reply(reply));
        self.request_data();
        true
    }

    /// Returns whether a command that was an event still waits for [`TargetSession::respond`]; one that was aborted does not.
    #[must_use]
    pub fn awaits_reply(&self, id: TaskId) -> bool {
        self.tasks
            .get(&id)
            .is_some_and(|task| task.phase == TaskPhase::Delivered)
    }

    /// Asks the initiator to log out within so many seconds (11.9.1, event 1). The caller drops the connection
    /// after that.
    pub fn request_logout(&mut self, seconds: u16) {
        if self.state == SessionState::Open {
            self.outgoing.push_back(Outgoing::Async {
                event: AsyncEvent::LOGOUT_REQUEST,
                parameters: [0, 0, seconds],
            });
        }
    }

    /// Announces that the connection, and with it the session, is dropped (11.9.1, event 2), and ends the session.
    /// `time2wait` is the least number of seconds before the initiator may connect anew.
    pub fn drop_connection(&mut self, time2wait: u16) {
        if self.state != SessionState::Open {
            return;
        }
        self.give_up_tasks();
        self.state = SessionState::Ending;
        // In a discovery session a target just drops the connection (7.4.3).
        if self.settings.session_type == SessionType::Normal {
            self.outgoing.push_back(Outgoing::Async {
                event: AsyncEvent::DROP_CONNECTION,
                parameters: [self.settings.cid.0, time2wait, 0],
            });
        }
    }

    /// Ends the session at once: nothing more is sent.
    pub fn end(&mut self) {
        self.state = SessionState::Ended;
        self.outgoing.clear();
        self.forget_tasks();
    }

    /// Returns whether the session has ended and everything is sent: the connection is to be closed.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.state == SessionState::Ended
            || self.state == SessionState::Ending && self.outgoing.is_empty()
    }

    /// Returns when the initiator was heard last.
    #[must_use]
    pub const fn last_heard(&self) -> Instant {
        self.last_heard
    }

    /// Returns whether no command is outstanding and nothing waits to be sent.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.tasks.is_empty() && self.managements.is_empty() && self.outgoing.is_empty()
    }

    /// Returns how many bytes are reserved for Data-Out that has come, or was asked for, and is not answered.
    #[must_use]
    pub const fn buffered(&self) -> u64 {
        self.buffered
    }

    /// Returns how many bytes of data are held that no event has handed on: of commands that are not complete, and of commands
    /// and requests whose CmdSN is not due.
    #[must_use]
    pub fn incomplete_data(&self) -> u64 {
        if self.state != SessionState::Open {
            return 0;
        }
        let tasks = self.tasks.values().map(Task::received);
        let requests = self.held.values().map(|held| match held {
            HeldRequest::Request(pdu) => pdu.data().map_or(0, Bytes::len),
            HeldRequest::Task(_) | HeldRequest::Plugged => 0,
        });
        let requests = requests.map(|length| u64::try_from(length).unwrap_or(u64::MAX));
        tasks.chain(requests).fold(0, u64::saturating_add)
    }

    /// Returns how many bytes of data are held of commands and requests whose CmdSN is not due.
    #[must_use]
    pub fn data_ahead(&self) -> u64 {
        let held = self.held.values().map(|held| match held {
            HeldRequest::Task(id) => self.tasks.get(id).map_or(0, Task::received),
            HeldRequest::Request(pdu) => {
                let length = pdu.data().map_or(0, Bytes::len);
                u64::try_from(length).unwrap_or(u64::MAX)
            }
            HeldRequest::Plugged => 0,
        });
        held.fold(0, u64::saturating_add)
    }

    /// Returns how many statuses the initiator has not acknowledged by ExpStatSN (4.2.2.2).
    #[must_use]
    pub const fn unacknowledged_statuses(&self) -> u32 {
        self.numbers.unacknowledged()
    }

    /// Returns the next PDU to be sent.
    #[must_use]
    pub fn poll_transmit(&mut self) -> Option<Pdu> {
        if self.state == SessionState::Ended {
            return None;
        }
        let parameters = &self.settings.parameters;
        let pdu = match self.outgoing.front_mut() {
            Some(Outgoing::Reply(reply)) if reply.is_last(parameters) => {
                let id = reply.task;
                // The task ends first, so that its last PDU opens the window again.
                if let Some(task) = self.tasks.remove(&id) {
                    self.tags.remove(&task.initiator_task_tag);
                    if task.counted {
                        self.numbers.finish();
                    }
                }
                let pdu = reply.next_pdu(parameters, &mut self.numbers);
                self.outgoing.pop_front();
                Some(pdu)
            }
            Some(Outgoing::Reply(reply)) => Some(reply.next_pdu(parameters, &mut self.numbers)),
            Some(_) => self
                .outgoing
                .pop_front()
                .and_then(|outgoing| outgoing.into_pdu(&mut self.numbers)),
            None => None,
        };
        if self.state == SessionState::Ending && self.outgoing.is_empty() {
            self.state = SessionState::Ended;
            self.forget_tasks();
        }
        pdu
    }

    /// Returns the next thing to act on.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Returns when [`Self::handle_timeout`] is due; `None` when nothing is waited for.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.state != SessionState::Open {
            return None;
        }
        let ping = self.settings.ping.and_then(|ping| match self.pinged {
            Some(pinged) => pinged.checked_add(ping.timeout),
            None => self.last_heard.checked_add(ping.interval),
        });
        let draining = self.managements.values().filter_map(Management::deadline);
        draining.chain(ping).min()
    }

    /// Sends a ping when the initiator has been silent for long, and gives up on data of aborted tasks that does
    /// not come.
    ///
    /// # Errors
    /// [`TargetSessionError::PingTimeout`] when a ping was not answered; the session has ended then.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), TargetSessionError> {
        if self.state != SessionState::Open {
            return Ok(());
        }
        self.proceed(now);
        let Some(ping) = self.settings.ping else {
            return Ok(());
        };
        let waited = now.saturating_duration_since(self.pinged.unwrap_or(self.last_heard));
        if self.pinged.is_some() {
            if waited >= ping.timeout {
                self.end();
                return Err(TargetSessionError::PingTimeout { after: waited });
            }
        } else if waited >= ping.interval {
            let target_transfer_tag = self.take_transfer_tag();
            self.pinged = Some(now);
            self.outgoing.push_back(Outgoing::Ping {
                target_transfer_tag,
            });
        }
        Ok(())
    }

    fn handle_request(&mut self, pdu: Pdu, header: RequestHeader, now: Instant) {
        self.numbers.acknowledge(header.exp_stat_sn);
        // An Initiator Task Tag in use is checked before anything else (4.2.2.1).
        match self.holder(header, &pdu) {
            Holder::None => {}
            Holder::Itself => return,
            Holder::Other => return self.reject(&pdu, RejectReason::INVALID_PDU_FIELD),
        }
        // A discovery session has Text Requests and a logout that closes it, and no other request (4.3).
        let in_discovery = match &pdu {
            Pdu::TextRequest(_) => true,
            Pdu::LogoutRequest(logout) => logout.reason == LogoutReason::CLOSE_SESSION,
            _ => false,
        };
        if self.settings.session_type == SessionType::Discovery && !in_discovery {
            return self.reject(&pdu, RejectReason::PROTOCOL_ERROR);
        }
        if header.immediate {
            if let Err(reason) = self.execute(&pdu, now) {
                self.reject(&pdu, reason);
            }
            return;
        }
        let cmd_sn = header.cmd_sn;
        if !self.numbers.in_window(cmd_sn) || self.held.contains_key(&cmd_sn) {
            return; // Silently, as 4.2.2.1 demands.
        }
        if cmd_sn == self.numbers.expected() {
            match self.execute(&pdu, now) {
                Ok(()) => self.advance(now),
                // A rejected command is not received: its CmdSN stays due (7.3).
                Err(reason) => self.reject(&pdu, reason),
            }
            return;
        }
        // A command ahead of its turn becomes a task at once: its immediate and unsolicited data may follow before the
        // missing CmdSN does. Other requests are held whole.
        let held = match pdu {
            Pdu::ScsiCommand(command) => match self.start(command.clone()) {
                Ok(id) => HeldRequest::Task(id),
                Err(reason) => return self.reject(&Pdu::ScsiCommand(command), reason),
            },
            pdu => HeldRequest::Request(pdu),
        };
        self.held.insert(cmd_sn, held);
    }

    /// Counts the command that was due as received.
    fn advance(&mut self, now: Instant) {
        self.numbers.advance();
        self.catch_up(now);
    }

    /// Goes on with what was held until its CmdSN is due.
    fn catch_up(&mut self, now: Instant) {
        while let Some(held) = self.held.remove(&self.numbers.expected()) {
            match held {
                HeldRequest::Task(id) => self.accept(id),
                // The task was aborted while it was held; its CmdSN counts as received all the same.
                HeldRequest::Plugged => {}
                HeldRequest::Request(pdu) => {
                    if let Err(reason) = self.execute(&pdu, now) {
                        return self.reject(&pdu, reason);
                    }
                }
            }
            self.numbers.advance();
        }
    }

    /// Executes a request that is immediate or due.
    fn execute(&mut self, pdu: &Pdu, now: Instant) -> Result<(), RejectReason> {
        match pdu {
            Pdu::ScsiCommand(command) => {
                if command.immediate && self.immediates() >= MAX_IMMEDIATE {
                    return Err(RejectReason::IMMEDIATE_COMMAND_REJECT);
                }
                let id = self.start(command.clone())?;
                self.accept(id);
                Ok(())
            }
            Pdu::TaskManagementRequest(request) => {
                if request.immediate && self.immediates() >= MAX_IMMEDIATE {
                    return Err(RejectReason::IMMEDIATE_COMMAND_REJECT);
                }
                self.manage(request, now);
                Ok(())
            }
            Pdu::TextRequest(request) => self.handle_text(request),
            Pdu::LogoutRequest(request) => {
                self.handle_logout(request);
                Ok(())
            }
            Pdu::NopOut(request) => {
                self.handle_nop_out(request);
                Ok(())
            }
            _ => Err(RejectReason::PROTOCOL_ERROR),
        }
    }

    /// Makes a task of a command; its data is taken from now on.
    fn start(&mut self, command: ScsiCommand) -> Result<TaskId, RejectReason> {
        let parameters = &self.settings.parameters;
        let mut task = Task::new(command, parameters, self.settings.max_data_out_length)?;
        task.reserved = u64::from(task.collector.requested());
        self.buffered = self.buffered.saturating_add(task.reserved);
        let id = TaskId(self.take_id());
        self.tags.insert(task.initiator_task_tag, id);
        self.tasks.insert(id, task);
        Ok(id)
    }

    /// Puts a task whose CmdSN is due, or that is immediate, in line.
    fn accept(&mut self, id: TaskId) {
        if let Some(task) = self.tasks.get_mut(&id) {
            task.phase = TaskPhase::Collecting;
            if !task.immediate {
                task.counted = true;
                self.numbers.begin();
            }
            self.undelivered.push_back(id);
        }
    }

    fn handle_text(&mut self, request: &TextRequest) -> Result<(), RejectReason> {
        if request.initiator_task_tag == InitiatorTaskTag::RESERVED {
            return Err(RejectReason::INVALID_PDU_FIELD);
        }
        // The reserved Target Transfer Tag begins an exchange anew and resets one that was under way (11.10.4).
        let mut exchange = match self.text.take() {
            _ if request.target_transfer_tag == TargetTransferTag::RESERVED => {
                TextExchange::new(request, self.settings.session_type)
            }
            Some(exchange) if exchange.is_continued_by(request) => exchange,
            other => {
                self.text = other;
                return Err(RejectReason::INVALID_PDU_FIELD);
            }
        };
        let limit = self.settings.parameters.peer_max_recv_data_segment_length;
        let reply = exchange.handle(request, &self.settings, limit)?;
        let mut target_transfer_tag = TargetTransferTag::RESERVED;
        if !reply.final_bit {
            target_transfer_tag = self.take_transfer_tag();
            exchange.continue_by(target_transfer_tag);
            self.text = Some(exchange);
        }
        // The length holds from the next PDU on: this response still keeps to the old one.
        if let Some(length) = reply.declared_length {
            self.settings.parameters.peer_max_recv_data_segment_length = length;
        }
        self.outgoing.push_back(Outgoing::Text {
            initiator_task_tag: request.initiator_task_tag,
            target_transfer_tag,
            final_bit: reply.final_bit,
            continues: reply.continues,
            data: reply.data,
        });
        Ok(())
    }

    fn handle_logout(&mut self, request: &LogoutRequest) {
        let outcome = match request.reason {
            LogoutReason::CLOSE_SESSION => LogoutOutcome::CLOSED,
            LogoutReason::CLOSE_CONNECTION if request.cid == self.settings.cid => {
                LogoutOutcome::CLOSED
            }
            LogoutReason::CLOSE_CONNECTION => LogoutOutcome::CID_NOT_FOUND,
            _ => LogoutOutcome::RECOVERY_NOT_SUPPORTED,
        };
        if outcome == LogoutOutcome::CLOSED {
            let ended = self.give_up_tasks();
            self.state = SessionState::Ending;
            self.events.push_back(Event::LoggedOut {
                reason: request.reason,
                ended,
            });
        }
        self.outgoing.push_back(Outgoing::Logout {
            initiator_task_tag: request.initiator_task_tag,
            outcome,
        });
    }

    fn handle_nop_out(&mut self, request: &NopOut) {
        if request.initiator_task_tag == InitiatorTaskTag::RESERVED {
            return; // It answers a ping, or only brings ExpStatSN.
        }
        let limit = self.settings.parameters.peer_max_recv_data_segment_length;
        let mut data = request.data.clone();
        // An initiator may send more ping data than it receives in one PDU: what fits is returned (11.19).
        data.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        self.outgoing.push_back(Outgoing::Pong {
            initiator_task_tag: request.initiator_task_tag,
            data,
        });
    }

    /// Delivers what is complete, ends what failed, asks for more data, and takes task management as far as it can
    /// go.
    fn proceed(&mut self, now: Instant) {
        self.catch_up(now);
        self.finish_drained(now);
        if self.state == SessionState::Open {
            self.deliver();
            self.request_data();
        }
    }

    fn reject(&mut self, pdu: &Pdu, reason: RejectReason) {
        let header = Encoder::new()
            .encode_parts(pdu)
            .map_or_else(|_| Bytes::new(), |parts| parts.header);
        self.outgoing.push_back(Outgoing::Reject { reason, header });
    }

    /// Returns who uses the Initiator Task Tag of a request that has just come.
    fn holder(&self, header: RequestHeader, pdu: &Pdu) -> Holder {
        let tag = header.initiator_task_tag;
        if let Some(task) = self.tags.get(&tag).and_then(|id| self.tasks.get(id)) {
            // The same tag under the same CmdSN is a retry of a command that was received (7.2.1); any other use of the
            // tag is an error of the initiator.
            let retry = !header.immediate && !task.immediate && task.cmd_sn == header.cmd_sn;
            return if retry { Holder::Itself } else { Holder::Other };
        }
        let managing = self
            .managements
            .values()
            .any(|management| management.initiator_task_tag == tag);
        let in_text_exchange = self
            .text
            .as_ref()
            .is_some_and(|text| text.initiator_task_tag == tag);
        if managing || in_text_exchange && !matches!(pdu, Pdu::TextRequest(_)) {
            Holder::Other
        } else {
            Holder::None
        }
    }

    /// Returns how many immediate requests are under way.
    fn immediates(&self) -> usize {
        let tasks = self.tasks.values().filter(|task| task.immediate).count();
        tasks.saturating_add(self.managements.len())
    }

    /// Ends what has no answer yet, as the session ends (7.6), and returns the tasks.
    fn give_up_tasks(&mut self) -> Vec<TaskId> {
        self.managements.clear();
        let ended = self.remove_tasks(|task| task.phase != TaskPhase::Responding);
        self.held.clear();
        ended
    }

    /// Ends tasks without an answer and returns them.
    fn remove_tasks(&mut self, ends: impl Fn(&Task) -> bool) -> Vec<TaskId> {
        let ended: Vec<TaskId> = self
            .tasks
            .iter()
            .filter(|(_, task)| ends(task))
            .map(|(id, _)| *id)
            .collect();
        for id in &ended {
            self.remove_task(*id);
        }
        ended
    }

    /// Forgets a task, its data and whatever of it waits to be sent or to be delivered.
    fn remove_task(&mut self, id: TaskId) {
        let Some(task) = self.tasks.remove(&id) else {
            return;
        };
        self.tags.remove(&task.initiator_task_tag);
        self.buffered = self.buffered.saturating_sub(task.reserved);
        // The CmdSN of a held task is still to come: it must not hold up the commands behind it.
        if task.phase == TaskPhase::Held {
            self.held.insert(task.cmd_sn, HeldRequest::Plugged);
        } else if task.counted {
            self.numbers.finish();
        }
        self.withdraw(id);
    }

    /// Takes back what of a task waits to be sent or to be acted on.
    fn withdraw(&mut self, id: TaskId) {
        if let Some(task) = self.tasks.get_mut(&id) {
            for outgoing in &self.outgoing {
                if let Outgoing::R2t {
                    task: of,
                    target_transfer_tag,
                    ..
                } = outgoing
                    && *of == id
                {
                    task.collector.close(*target_transfer_tag);
                }
            }
        }
        self.outgoing.retain(|outgoing| outgoing.task() != Some(id));
        self.undelivered.retain(|other| *other != id);
        self.events
            .retain(|event| !matches!(event, Event::Command(command) if command.id == id));
    }

    fn forget_tasks(&mut self) {
        self.tasks.clear();
        self.tags.clear();
        self.undelivered.clear();
        self.held.clear();
        self.managements.clear();
        self.text = None;
        self.buffered = 0;
    }

    fn take_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id = id.wrapping_add(1);
        id
    }

    fn take_transfer_tag(&mut self) -> TargetTransferTag {
        let tag = self.next_transfer_tag;
        self.next_transfer_tag = next_transfer_tag(tag);
        tag
    }

    /// Returns whether a tag was given out once, so that data under it may be late rather than wrong.
    const fn was_issued(&self, tag: TargetTransferTag) -> bool {
        DataSn(tag.0).precedes(DataSn(self.next_transfer_tag.0)) && tag.0 != 0
    }
}

/// Returns the tag after a tag, never the reserved one.
const fn next_transfer_tag(tag: TargetTransferTag) -> TargetTransferTag {
    let next = TargetTransferTag(tag.0.wrapping_add(1));
    if next.0 == TargetTransferTag::RESERVED.0 {
        return TargetTransferTag(1);
    }
    next
}

/// What an Initiator Task Tag is in use for.
enum Holder {
    None,
    /// The very command, which was sent again (7.2.1).
    Itself,
    Other,
}

impl RequestHeader {
    /// Returns the header of a request that has a CmdSN; `None` for any other PDU.
    const fn of(pdu: &Pdu) -> Option<Self> {
        macro_rules! header {
            ($pdu:expr) => {
                Self {
                    immediate: $pdu.immediate,
                    cmd_sn: $pdu.cmd_sn,
                    exp_stat_sn: $pdu.exp_stat_sn,
                    initiator_task_tag: $pdu.initiator_task_tag,
                }
            };
        }
        Some(match pdu {
            Pdu::ScsiCommand(pdu) => header!(pdu),
            Pdu::TaskManagementRequest(pdu) => header!(pdu),
            Pdu::TextRequest(pdu) => header!(pdu),
            Pdu::LogoutRequest(pdu) => header!(pdu),
            Pdu::NopOut(pdu) => header!(pdu),
            _ => return None,
        })
    }
}
