//! The initiator's full feature phase: one session with one connection at ErrorRecoveryLevel 0 (RFC 7143 4.2.5).
//!
//! Sans-IO. Received PDUs go in by [`Session::handle`]; after every call, what is to be sent comes out of
//! [`Session::poll_transmit`] and what happened out of [`Session::poll_event`], each until it returns `None`. When the time of
//! [`Session::poll_timeout`] has come, [`Session::handle_timeout`] is due. Time is an argument, so tests have their own.
//!
//! ```text
//! Open --logout()--> LoggingOut --Logout Request sent--> LogoutSent --Logout Response--> Ended
//!   \_____________________\_______________________________\____ violation, drop _________^
//! ```

mod error;
mod event;
mod receive;
mod sequence;
mod task;
mod text;
mod timers;
mod transmit;

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use bytes::Bytes;

pub use self::error::{SessionError, SubmitError};
pub use self::event::{Completion, Event};
use self::sequence::{CommandWindow, StatusSequence};
use self::task::{ActiveTask, Burst};
pub use self::task::{Task, TaskTransfer};
use self::text::TextExchange;
pub use self::timers::TimerSettings;
use self::timers::Timers;
use super::buffers::Buffers;
use super::ids::{CmdSn, InitiatorTaskTag, Lun, StatSn, TargetTransferTag};
use super::pdu::{Opcode, Pdu, TaskManagementOutcome};

/// What the login settled for the full feature phase (RFC 7143 section 13).
///
/// DataPDUInOrder and DataSequenceInOrder are not among them: an initiator that offers Yes gets Yes (13.18 and 13.19).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionParameters {
    /// InitialR2T: only R2Ts bring data beyond the immediate data to the target (13.10).
    pub initial_r2t: bool,
    /// ImmediateData: a command may carry data (13.11).
    pub immediate_data: bool,
    /// MaxRecvDataSegmentLength that the target declared, in bytes: the most that a PDU to it may carry (13.12).
    pub target_max_recv_data_segment_length: u32,
    /// MaxBurstLength in bytes: the most that one R2T may ask for (13.13).
    pub max_burst_length: u32,
    /// FirstBurstLength in bytes: the most that goes to the target unasked, immediate data included (13.14).
    pub first_burst_length: u32,
    /// MaxOutstandingR2T: the most R2Ts of a task at a time (13.17).
    pub max_outstanding_r2t: u32,
}

/// How many buffers are remembered that hold the data of reads until its reader has taken it.
const BUFFERS: usize = 16;

/// The initiator's side of a session in its full feature phase.
#[derive(Debug)]
pub struct Session {
    parameters: SessionParameters,
    state: State,
    window: CommandWindow,
    status: StatusSequence,
    next_tag: InitiatorTaskTag,
    /// Every request that has a tag, from its submission to its end.
    requests: BTreeMap<InitiatorTaskTag, OutstandingRequest>,
    /// The last tasks that task management ended. What a target sends of them behind its answer is discarded (RFC 7143 4.2.3.4);
    /// tgt does so where the command ends while the abort is on its way.
    aborted: VecDeque<InitiatorTaskTag>,
    /// Tasks that wait for the window; a tag without a request was aborted.
    waiting: VecDeque<InitiatorTaskTag>,
    /// Immediate requests to be sent: they need no window.
    immediate: VecDeque<Immediate>,
    /// Data to be sent, unsolicited bursts in the order of their commands, the others in the order of their R2Ts (11.8).
    bursts: VecDeque<Burst>,
    events: VecDeque<Event>,
    /// Those that Data-In was put together in.
    buffers: Buffers,
    timers: Timers,
    /// Codes of the departures that were told.
    told: Vec<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    LoggingOut,
    LogoutSent,
    Ended,
}

#[derive(Debug)]
enum OutstandingRequest {
    Waiting(Task),
    Active(ActiveTask),
    TaskManagement {
        scope: TaskScope,
        /// CmdSN that the request carried: it covers only commands before it. `None` until it is sent.
        cmd_sn: Option<CmdSn>,
        /// When it was sent; `None` until then. So for the requests below.
        sent: Option<Instant>,
    },
    Ping {
        sent: Option<Instant>,
    },
    Text {
        exchange: TextExchange,
        sent: Option<Instant>,
    },
    Logout {
        sent: Option<Instant>,
    },
}

/// Which tasks a task management function ends.
#[derive(Clone, Copy, Debug)]
enum TaskScope {
    Task(InitiatorTaskTag),
    LogicalUnit(Lun),
}

#[derive(Debug)]
enum Immediate {
    Ping(InitiatorTaskTag),
    /// Answers a NOP-In.
    Pong {
        lun: Lun,
        target_transfer_tag: TargetTransferTag,
    },
    TaskManagement(InitiatorTaskTag),
    Text(InitiatorTaskTag),
    Logout(InitiatorTaskTag),
}

impl Session {
    /// Returns a session that has just logged in, with the numbers as the login left them, and without timers.
    ///
    /// `cmd_sn` numbers the first command; `exp_stat_sn` is the StatSN of the last Login Response plus one; `exp_cmd_sn` and
    /// `max_cmd_sn` are as that response had them.
    #[must_use]
    pub fn new(
        parameters: SessionParameters,
        cmd_sn: CmdSn,
        exp_stat_sn: StatSn,
        exp_cmd_sn: CmdSn,
        max_cmd_sn: CmdSn,
    ) -> Self {
        Self {
            parameters,
            state: State::Open,
            window: CommandWindow::new(cmd_sn, exp_cmd_sn, max_cmd_sn),
            status: StatusSequence::new(exp_stat_sn),
            next_tag: InitiatorTaskTag(1),
            requests: BTreeMap::new(),
            waiting: VecDeque::new(),
            aborted: VecDeque::new(),
            immediate: VecDeque::new(),
            bursts: VecDeque::new(),
            events: VecDeque::new(),
            buffers: Buffers::up_to(BUFFERS),
            timers: Timers::default(),
            told: Vec::new(),
        }
    }

    /// Has the session keep these timers from now on.
    #[must_use]
    pub fn with_timers(mut self, settings: TimerSettings, now: Instant) -> Self {
        self.timers = Timers::new(settings, now);
        self
    }

    /// Takes a task, to be sent as soon as the target's command window allows; returns its tag.
    ///
    /// # Errors
    /// [`SubmitError::NotOpen`] after a logout or the end of the session, [`SubmitError::TransferTooLong`] for a write that
    /// 32 bits cannot count.
    pub fn submit(&mut self, task: Task) -> Result<InitiatorTaskTag, SubmitError> {
        self.check_open()?;
        if let TaskTransfer::Write(data) = &task.transfer
            && u32::try_from(data.len()).is_err()
        {
            return Err(SubmitError::TransferTooLong { length: data.len() });
        }
        let tag = self.add(OutstandingRequest::Waiting(task));
        self.waiting.push_back(tag);
        Ok(tag)
    }

    /// Asks the target to abort a task; returns the tag of the request (RFC 7143 11.5.1).
    ///
    /// A task that has not been sent yet ends at once.
    ///
    /// # Errors
    /// [`SubmitError::UnknownTask`] when no such task is outstanding, [`SubmitError::NotOpen`] as for [`Self::submit`].
    pub fn abort_task(&mut self, task: InitiatorTaskTag) -> Result<InitiatorTaskTag, SubmitError> {
        self.check_open()?;
        match self.requests.get(&task) {
            Some(OutstandingRequest::Active(_)) => Ok(self.manage(TaskScope::Task(task))),
            Some(OutstandingRequest::Waiting(_)) => {
                self.requests.remove(&task);
                let tag = self.unused_tag();
                self.events.push_back(Event::TaskManagement {
                    initiator_task_tag: tag,
                    outcome: TaskManagementOutcome::FUNCTION_COMPLETE,
                    ended: vec![task],
                });
                Ok(tag)
            }
            _ => Err(SubmitError::UnknownTask { task }),
        }
    }

    /// Asks the target to reset a logical unit; returns the tag of the request (RFC 7143 11.5.1).
    ///
    /// # Errors
    /// [`SubmitError::NotOpen`] as for [`Self::submit`].
    pub fn reset_logical_unit(&mut self, lun: Lun) -> Result<InitiatorTaskTag, SubmitError> {
        self.check_open()?;
        Ok(self.manage(TaskScope::LogicalUnit(lun)))
    }

    /// Asks the target for a sign of life; returns the tag of the ping (RFC 7143 11.18).
    ///
    /// # Errors
    /// [`SubmitError::NotOpen`] as for [`Self::submit`].
    pub fn ping(&mut self) -> Result<InitiatorTaskTag, SubmitError> {
        self.check_open()?;
        let tag = self.add(OutstandingRequest::Ping { sent: None });
        self.immediate.push_back(Immediate::Ping(tag));
        Ok(tag)
    }

    /// Sends a Text Request and puts the answer together, over as many Text Responses as it takes (RFC 7143 11.10, 11.11).
    ///
    /// # Errors
    /// [`SubmitError::NotOpen`] as for [`Self::submit`].
    pub fn text(&mut self, text: Bytes) -> Result<InitiatorTaskTag, SubmitError> {
        self.check_open()?;
        let tag = self.add(OutstandingRequest::Text {
            exchange: TextExchange::new(text),
            sent: None,
        });
        self.immediate.push_back(Immediate::Text(tag));
        Ok(tag)
    }

    /// Closes the session (RFC 7143 11.14, reason 0). Tasks that have not been sent never will be; the target ends the rest.
    ///
    /// # Errors
    /// [`SubmitError::NotOpen`] as for [`Self::submit`].
    pub fn logout(&mut self) -> Result<InitiatorTaskTag, SubmitError> {
        self.check_open()?;
        let tag = self.add(OutstandingRequest::Logout { sent: None });
        self.immediate.push_back(Immediate::Logout(tag));
        self.state = State::LoggingOut;
        Ok(tag)
    }

    /// Returns whether nothing is outstanding: no task, no request of any other kind.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.requests.is_empty()
    }

    /// Returns how many numbered commands were sent that the target has not acknowledged by ExpCmdSN (RFC 7143 4.2.2.1).
    #[must_use]
    pub fn unacknowledged_commands(&self) -> u32 {
        self.window.unacknowledged()
    }

    /// Returns how many numbered commands the target lets this side have under way at a time, as it said last (RFC 7143 4.2.2.1).
    #[must_use]
    pub fn command_window(&self) -> u32 {
        self.window.width()
    }

    /// Takes a PDU from the target.
    ///
    /// # Errors
    /// [`SessionError`] when it breaks the protocol; the session has ended then.
    pub fn handle(&mut self, pdu: Pdu, now: Instant) -> Result<(), SessionError> {
        self.timers.heard(pdu.opcode(), now);
        let handled = match pdu {
            _ if self.state == State::Ended => Err(unexpected(pdu.opcode())),
            Pdu::ScsiResponse(pdu) => self.handle_scsi_response(&pdu, now),
            Pdu::DataIn(pdu) => self.handle_data_in(&pdu, now),
            Pdu::R2t(pdu) => self.handle_r2t(&pdu, now),
            Pdu::TaskManagementResponse(pdu) => self.handle_task_management_response(&pdu),
            Pdu::NopIn(pdu) => self.handle_nop_in(&pdu),
            Pdu::AsyncMessage(pdu) => self.handle_async_message(pdu),
            Pdu::Reject(pdu) => self.handle_reject(&pdu),
            Pdu::TextResponse(pdu) => self.handle_text_response(&pdu),
            Pdu::LogoutResponse(pdu) => self.handle_logout_response(&pdu),
            pdu => Err(unexpected(pdu.opcode())),
        };
        // Where every request is answered, no response can still be on its way that would fill a gap.
        let handled = handled.and_then(|()| match self.requests.is_empty() {
            true => self.status.check_complete(),
            false => Ok(()),
        });
        if handled.is_err() {
            self.end();
        }
        handled
    }

    /// Returns the next PDU to be sent: immediate requests first, then data, then as many commands as the window allows.
    #[must_use]
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Pdu> {
        if matches!(self.state, State::LogoutSent | State::Ended) {
            return None;
        }
        if let Some(pdu) = self.next_immediate(now) {
            return Some(pdu);
        }
        if let Some(pdu) = self.next_data_out(now) {
            return Some(pdu);
        }
        self.next_command(now)
    }

    /// Returns the next thing that happened.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn manage(&mut self, scope: TaskScope) -> InitiatorTaskTag {
        let tag = self.add(OutstandingRequest::TaskManagement {
            scope,
            cmd_sn: None,
            sent: None,
        });
        self.immediate.push_back(Immediate::TaskManagement(tag));
        tag
    }

    fn active(
        &mut self,
        opcode: Opcode,
        tag: InitiatorTaskTag,
    ) -> Result<&mut ActiveTask, SessionError> {
        match self.requests.get_mut(&tag) {
            Some(OutstandingRequest::Active(task)) => Ok(task),
            _ => Err(unknown(opcode, tag)),
        }
    }

    /// Returns how many bytes of a task a burst has claimed that are not sent yet.
    fn unsent(&self, tag: InitiatorTaskTag) -> u32 {
        self.bursts
            .iter()
            .filter(|burst| burst.initiator_task_tag == tag)
            .fold(0, |unsent, burst| unsent.saturating_add(burst.unsent()))
    }

    fn end_task(
        &mut self,
        opcode: Opcode,
        tag: InitiatorTaskTag,
    ) -> Result<ActiveTask, SessionError> {
        match self.forget_task(tag) {
            Some(OutstandingRequest::Active(task)) => Ok(task),
            _ => Err(unknown(opcode, tag)),
        }
    }

    /// Forgets a task and the data that it still had to send.
    fn forget_task(&mut self, tag: InitiatorTaskTag) -> Option<OutstandingRequest> {
        self.bursts.retain(|burst| burst.initiator_task_tag != tag);
        self.requests.remove(&tag)
    }

    fn end(&mut self) {
        self.state = State::Ended;
        self.requests.clear();
        self.waiting.clear();
        self.immediate.clear();
        self.bursts.clear();
    }

    fn check_open(&self) -> Result<(), SubmitError> {
        match self.state {
            State::Open => Ok(()),
            _ => Err(SubmitError::NotOpen),
        }
    }

    fn add(&mut self, request: OutstandingRequest) -> InitiatorTaskTag {
        let tag = self.unused_tag();
        self.requests.insert(tag, request);
        tag
    }

    fn unused_tag(&mut self) -> InitiatorTaskTag {
        loop {
            let tag = self.next_tag;
            self.next_tag = InitiatorTaskTag(tag.0.wrapping_add(1));
            if tag != InitiatorTaskTag::RESERVED && !self.requests.contains_key(&tag) {
                return tag;
            }
        }
    }
}

impl OutstandingRequest {
    /// Returns the opcode of its PDU.
    const fn opcode(&self) -> Opcode {
        match self {
            Self::Waiting(_) | Self::Active(_) => Opcode::SCSI_COMMAND,
            Self::TaskManagement { .. } => Opcode::TASK_MANAGEMENT_REQUEST,
            Self::Ping { .. } => Opcode::NOP_OUT,
            Self::Text { .. } => Opcode::TEXT_REQUEST,
            Self::Logout { .. } => Opcode::LOGOUT_REQUEST,
        }
    }
}

/// How many tasks that task management has ended are known.
const MAX_ABORTED: usize = 64;

const fn unexpected(opcode: Opcode) -> SessionError {
    SessionError::UnexpectedPdu { opcode }
}

const fn unknown(opcode: Opcode, received: InitiatorTaskTag) -> SessionError {
    SessionError::UnknownTask { opcode, received }
}
