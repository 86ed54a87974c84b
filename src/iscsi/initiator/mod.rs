//! The initiator's full feature phase: one session with one connection at ErrorRecoveryLevel 0 (RFC 7143 4.2.5).
//!
//! Sans-IO. Received PDUs go in by [`Session::handle`]; after every call, what is to be sent comes out of
//! [`Session::poll_transmit`] and what happened out of [`Session::poll_event`], each until it returns `None`.
//!
//! ```text
//! Open --logout()--> LoggingOut --Logout Request sent--> LogoutSent --Logout Response--> Ended
//!   \_____________________\_______________________________\____ violation, drop _________^
//! ```

mod error;
mod event;
mod sequence;
mod task;

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

pub use self::error::{SessionError, SubmitError};
pub use self::event::{Completion, Event};
use self::sequence::{CommandWindow, StatusSequence};
use self::task::{ActiveTask, ActiveTransfer, Burst, ReadTransfer, WriteTransfer};
pub use self::task::{Task, Transfer};
use super::ids::{Cid, CmdSn, DataSn, InitiatorTaskTag, Lun, StatSn, TargetTransferTag};
use super::pdu::{
    AsyncEvent, AsyncMessage, DataIn, LogoutReason, LogoutRequest, LogoutResponse, NopIn, NopOut,
    Opcode, Pdu, R2t, Reject, ScsiCommand, ScsiResponse, ServiceResponse, TaskManagementFunction,
    TaskManagementOutcome, TaskManagementRequest, TaskManagementResponse,
};

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

/// The initiator's side of a session in its full feature phase.
#[derive(Debug)]
pub struct Session {
    parameters: SessionParameters,
    state: State,
    window: CommandWindow,
    status: StatusSequence,
    next_tag: InitiatorTaskTag,
    /// Every request that has a tag, from its submission to its end.
    requests: BTreeMap<InitiatorTaskTag, Request>,
    /// Tasks that wait for the window; a tag without a request was aborted.
    waiting: VecDeque<InitiatorTaskTag>,
    /// Immediate requests to be sent: they need no window.
    immediate: VecDeque<Immediate>,
    /// Data to be sent, unsolicited bursts in the order of their commands, the others in the order of their R2Ts (11.8).
    bursts: VecDeque<Burst>,
    events: VecDeque<Event>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    LoggingOut,
    LogoutSent,
    Ended,
}

#[derive(Debug)]
enum Request {
    Waiting(Task),
    Active(ActiveTask),
    TaskManagement {
        scope: Scope,
        /// CmdSN that the request carried: it covers only commands before it. `None` until it is sent.
        cmd_sn: Option<CmdSn>,
    },
    Ping,
    Logout,
}

/// Which tasks a task management function ends.
#[derive(Clone, Copy, Debug)]
enum Scope {
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
    Logout(InitiatorTaskTag),
}

impl Session {
    /// Returns a session that has just logged in, with the numbers as the login left them.
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
            immediate: VecDeque::new(),
            bursts: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// Takes a task, to be sent as soon as the target's command window allows; returns its tag.
    ///
    /// # Errors
    /// [`SubmitError::NotOpen`] after a logout or the end of the session, [`SubmitError::TransferTooLong`] for a write that
    /// 32 bits cannot count.
    pub fn submit(&mut self, task: Task) -> Result<InitiatorTaskTag, SubmitError> {
        self.check_open()?;
        if let Transfer::Write(data) = &task.transfer
            && u32::try_from(data.len()).is_err()
        {
            return Err(SubmitError::TransferTooLong { length: data.len() });
        }
        let tag = self.add(Request::Waiting(task));
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
            Some(Request::Active(_)) => Ok(self.manage(Scope::Task(task))),
            Some(Request::Waiting(_)) => {
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
        Ok(self.manage(Scope::LogicalUnit(lun)))
    }

    /// Asks the target for a sign of life; returns the tag of the ping (RFC 7143 11.18).
    ///
    /// # Errors
    /// [`SubmitError::NotOpen`] as for [`Self::submit`].
    pub fn ping(&mut self) -> Result<InitiatorTaskTag, SubmitError> {
        self.check_open()?;
        let tag = self.add(Request::Ping);
        self.immediate.push_back(Immediate::Ping(tag));
        Ok(tag)
    }

    /// Closes the session (RFC 7143 11.14, reason 0). Tasks that have not been sent never will be; the target ends the rest.
    ///
    /// # Errors
    /// [`SubmitError::NotOpen`] as for [`Self::submit`].
    pub fn logout(&mut self) -> Result<InitiatorTaskTag, SubmitError> {
        self.check_open()?;
        let tag = self.add(Request::Logout);
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

    /// Takes a PDU from the target.
    ///
    /// # Errors
    /// [`SessionError`] when it breaks the protocol; the session has ended then.
    pub fn handle(&mut self, pdu: Pdu) -> Result<(), SessionError> {
        let handled = match pdu {
            _ if self.state == State::Ended => Err(unexpected(pdu.opcode())),
            Pdu::ScsiResponse(pdu) => self.handle_scsi_response(&pdu),
            Pdu::DataIn(pdu) => self.handle_data_in(&pdu),
            Pdu::R2t(pdu) => self.handle_r2t(&pdu),
            Pdu::TaskManagementResponse(pdu) => self.handle_task_management_response(&pdu),
            Pdu::NopIn(pdu) => self.handle_nop_in(&pdu),
            Pdu::AsyncMessage(pdu) => self.handle_async_message(pdu),
            Pdu::Reject(pdu) => self.handle_reject(&pdu),
            Pdu::LogoutResponse(pdu) => self.handle_logout_response(&pdu),
            pdu => Err(unexpected(pdu.opcode())),
        };
        if handled.is_err() {
            self.end();
        }
        handled
    }

    /// Returns the next PDU to be sent: immediate requests first, then data, then as many commands as the window allows.
    #[must_use]
    pub fn poll_transmit(&mut self) -> Option<Pdu> {
        if matches!(self.state, State::LogoutSent | State::Ended) {
            return None;
        }
        if let Some(pdu) = self.next_immediate() {
            return Some(pdu);
        }
        if let Some(pdu) = self.next_data_out() {
            return Some(pdu);
        }
        self.next_command()
    }

    /// Returns the next thing that happened.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn handle_scsi_response(&mut self, pdu: &ScsiResponse) -> Result<(), SessionError> {
        let opcode = Opcode::SCSI_RESPONSE;
        self.window.update(pdu.exp_cmd_sn, pdu.max_cmd_sn);
        self.status.accept(opcode, pdu.stat_sn)?;
        let task = self.end_task(opcode, pdu.initiator_task_tag)?;
        if pdu.response == ServiceResponse::COMMAND_COMPLETED {
            task.check_exp_data_sn(pdu.exp_data_sn)?;
            task.check_residual(pdu.residual)?;
        }
        let completion = Completion::of_response(pdu, task.into_data())?;
        self.events.push_back(Event::Completed(completion));
        Ok(())
    }

    fn handle_data_in(&mut self, pdu: &DataIn) -> Result<(), SessionError> {
        let opcode = Opcode::DATA_IN;
        let tag = pdu.initiator_task_tag;
        self.window.update(pdu.exp_cmd_sn, pdu.max_cmd_sn);
        if let Some(status) = pdu.status {
            self.status.accept(opcode, status.stat_sn)?;
        }
        self.active(opcode, tag)?.receive(pdu)?;
        if let Some(status) = pdu.status {
            let task = self.end_task(opcode, tag)?;
            task.check_residual(status.residual)?;
            self.events.push_back(Event::Completed(Completion {
                initiator_task_tag: tag,
                response: ServiceResponse::COMMAND_COMPLETED,
                status: status.status,
                residual: status.residual,
                sense: Bytes::new(),
                data: task.into_data(),
            }));
        }
        Ok(())
    }

    fn handle_r2t(&mut self, pdu: &R2t) -> Result<(), SessionError> {
        self.window.update(pdu.exp_cmd_sn, pdu.max_cmd_sn);
        let parameters = self.parameters;
        let burst = self
            .active(Opcode::R2T, pdu.initiator_task_tag)?
            .burst(pdu, &parameters)?;
        self.bursts.push_back(burst);
        Ok(())
    }

    fn handle_task_management_response(
        &mut self,
        pdu: &TaskManagementResponse,
    ) -> Result<(), SessionError> {
        let opcode = Opcode::TASK_MANAGEMENT_RESPONSE;
        self.window.update(pdu.exp_cmd_sn, pdu.max_cmd_sn);
        self.status.accept(opcode, pdu.stat_sn)?;
        let tag = pdu.initiator_task_tag;
        let Some(Request::TaskManagement {
            scope,
            cmd_sn: Some(cmd_sn),
        }) = self.requests.get(&tag)
        else {
            return Err(unknown(opcode, tag));
        };
        let ended = self.tasks_ended_by(*scope, *cmd_sn, pdu.response);
        self.requests.remove(&tag);
        for task in &ended {
            self.forget_task(*task);
        }
        self.events.push_back(Event::TaskManagement {
            initiator_task_tag: tag,
            outcome: pdu.response,
            ended,
        });
        Ok(())
    }

    fn handle_nop_in(&mut self, pdu: &NopIn) -> Result<(), SessionError> {
        self.window.update(pdu.exp_cmd_sn, pdu.max_cmd_sn);
        let tag = pdu.initiator_task_tag;
        if tag != InitiatorTaskTag::RESERVED {
            self.status.accept(Opcode::NOP_IN, pdu.stat_sn)?;
            let Some(Request::Ping) = self.requests.get(&tag) else {
                return Err(unknown(Opcode::NOP_IN, tag));
            };
            self.requests.remove(&tag);
            self.events.push_back(Event::PingAnswered {
                initiator_task_tag: tag,
            });
        }
        // Behind a Logout Request nothing is sent any more, so nothing may pile up for it.
        let answers = matches!(self.state, State::Open | State::LoggingOut);
        if answers && pdu.target_transfer_tag != TargetTransferTag::RESERVED {
            self.immediate.push_back(Immediate::Pong {
                lun: pdu.lun,
                target_transfer_tag: pdu.target_transfer_tag,
            });
        }
        Ok(())
    }

    fn handle_async_message(&mut self, pdu: AsyncMessage) -> Result<(), SessionError> {
        self.window.update(pdu.exp_cmd_sn, pdu.max_cmd_sn);
        self.status.accept(Opcode::ASYNC_MESSAGE, pdu.stat_sn)?;
        let event = match pdu.async_event {
            AsyncEvent::LOGOUT_REQUEST | AsyncEvent::NEGOTIATION_REQUEST => {
                Event::LogoutRequested {
                    parameter3: pdu.parameter3,
                }
            }
            AsyncEvent::DROP_CONNECTION | AsyncEvent::DROP_ALL_CONNECTIONS => {
                self.end();
                Event::Dropped {
                    time2wait: pdu.parameter2,
                }
            }
            _ => Event::AsyncMessage(pdu),
        };
        self.events.push_back(event);
        Ok(())
    }

    fn handle_reject(&mut self, pdu: &Reject) -> Result<(), SessionError> {
        self.window.update(pdu.exp_cmd_sn, pdu.max_cmd_sn);
        self.status.accept(Opcode::REJECT, pdu.stat_sn)?;
        self.events.push_back(Event::Rejected {
            reason: pdu.reason,
            header: pdu.rejected_header(),
        });
        Ok(())
    }

    fn handle_logout_response(&mut self, pdu: &LogoutResponse) -> Result<(), SessionError> {
        let opcode = Opcode::LOGOUT_RESPONSE;
        self.status.accept(opcode, pdu.stat_sn)?;
        let Some(Request::Logout) = self.requests.get(&pdu.initiator_task_tag) else {
            return Err(unknown(opcode, pdu.initiator_task_tag));
        };
        self.end();
        self.events.push_back(Event::LoggedOut {
            outcome: pdu.response,
        });
        Ok(())
    }

    fn next_immediate(&mut self) -> Option<Pdu> {
        let cmd_sn = self.window.next();
        let exp_stat_sn = self.status.expected();
        Some(match self.immediate.pop_front()? {
            Immediate::Ping(tag) => Pdu::NopOut(NopOut {
                immediate: true,
                lun: Lun::default(),
                initiator_task_tag: tag,
                target_transfer_tag: TargetTransferTag::RESERVED,
                cmd_sn,
                exp_stat_sn,
                data: Bytes::new(),
            }),
            Immediate::Pong {
                lun,
                target_transfer_tag,
            } => Pdu::NopOut(NopOut {
                immediate: true,
                lun,
                initiator_task_tag: InitiatorTaskTag::RESERVED,
                target_transfer_tag,
                cmd_sn,
                exp_stat_sn,
                data: Bytes::new(),
            }),
            Immediate::TaskManagement(tag) => {
                Pdu::TaskManagementRequest(self.task_management_request(tag)?)
            }
            Immediate::Logout(tag) => {
                self.state = State::LogoutSent;
                Pdu::LogoutRequest(LogoutRequest {
                    immediate: true,
                    reason: LogoutReason::CLOSE_SESSION,
                    initiator_task_tag: tag,
                    cid: Cid(0),
                    cmd_sn,
                    exp_stat_sn,
                })
            }
        })
    }

    fn task_management_request(&mut self, tag: InitiatorTaskTag) -> Option<TaskManagementRequest> {
        let now = self.window.next();
        let Some(Request::TaskManagement { scope, cmd_sn }) = self.requests.get_mut(&tag) else {
            return None;
        };
        *cmd_sn = Some(now);
        let (function, lun, referenced_task_tag, ref_cmd_sn) = match *scope {
            Scope::LogicalUnit(lun) => (
                TaskManagementFunction::LOGICAL_UNIT_RESET,
                lun,
                InitiatorTaskTag::RESERVED,
                CmdSn(0),
            ),
            Scope::Task(task) => {
                // A task that ended meanwhile is named all the same: the target answers that it does not exist.
                let (lun, ref_cmd_sn) = match self.requests.get(&task) {
                    Some(Request::Active(active)) => (active.lun, active.cmd_sn),
                    _ => (Lun::default(), now),
                };
                (TaskManagementFunction::ABORT_TASK, lun, task, ref_cmd_sn)
            }
        };
        Some(TaskManagementRequest {
            immediate: true,
            function,
            lun,
            initiator_task_tag: tag,
            referenced_task_tag,
            cmd_sn: now,
            exp_stat_sn: self.status.expected(),
            ref_cmd_sn,
            exp_data_sn: DataSn(0),
        })
    }

    fn next_data_out(&mut self) -> Option<Pdu> {
        let burst = self.bursts.front_mut()?;
        let pdu = burst.next_pdu(
            self.status.expected(),
            self.parameters.target_max_recv_data_segment_length,
        );
        if pdu.final_bit
            && let Some(burst) = self.bursts.pop_front()
            && burst.is_solicited()
            && let Some(Request::Active(task)) = self.requests.get_mut(&burst.initiator_task_tag)
        {
            task.burst_sent();
        }
        Some(Pdu::DataOut(pdu))
    }

    fn next_command(&mut self) -> Option<Pdu> {
        if self.state != State::Open {
            return None;
        }
        while let Some(tag) = self.waiting.front()
            && !self.requests.contains_key(tag)
        {
            self.waiting.pop_front();
        }
        let tag = *self.waiting.front()?;
        let cmd_sn = self.window.take()?;
        self.waiting.pop_front();
        let Some(Request::Waiting(task)) = self.requests.remove(&tag) else {
            return None;
        };
        Some(Pdu::ScsiCommand(self.start(tag, cmd_sn, task)))
    }

    /// Makes a waiting task active and returns its command; an unsolicited burst is queued behind it.
    fn start(&mut self, tag: InitiatorTaskTag, cmd_sn: CmdSn, task: Task) -> ScsiCommand {
        let mut command = ScsiCommand {
            immediate: false,
            final_bit: true,
            read: false,
            write: false,
            attribute: task.attribute,
            lun: task.lun,
            initiator_task_tag: tag,
            expected_data_transfer_length: 0,
            cmd_sn,
            exp_stat_sn: self.status.expected(),
            cdb: task.cdb,
            extended_cdb: Bytes::new(),
            bidirectional_read_expected_data_transfer_length: None,
            data: Bytes::new(),
        };
        let transfer = match task.transfer {
            Transfer::None => ActiveTransfer::None,
            Transfer::Read(expected) => {
                command.read = true;
                command.expected_data_transfer_length = expected;
                ActiveTransfer::Read(ReadTransfer::new(expected))
            }
            Transfer::Write(data) => {
                let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
                let start = WriteTransfer::start(tag, length, data, &self.parameters);
                command.write = true;
                command.expected_data_transfer_length = length;
                command.final_bit = start.unsolicited.is_none();
                command.data = start.immediate;
                self.bursts.extend(start.unsolicited);
                ActiveTransfer::Write(start.transfer)
            }
        };
        let active = ActiveTask {
            tag,
            lun: task.lun,
            cmd_sn,
            transfer,
        };
        self.requests.insert(tag, Request::Active(active));
        command
    }

    fn manage(&mut self, scope: Scope) -> InitiatorTaskTag {
        let tag = self.add(Request::TaskManagement {
            scope,
            cmd_sn: None,
        });
        self.immediate.push_back(Immediate::TaskManagement(tag));
        tag
    }

    /// Returns the tasks that a task management function ended: those sent before it, if it was performed.
    ///
    /// A task that the target does not know while it has no status here will never get one either (11.6.1).
    fn tasks_ended_by(
        &self,
        scope: Scope,
        cmd_sn: CmdSn,
        outcome: TaskManagementOutcome,
    ) -> Vec<InitiatorTaskTag> {
        let performed = outcome == TaskManagementOutcome::FUNCTION_COMPLETE;
        let unknown = outcome == TaskManagementOutcome::TASK_DOES_NOT_EXIST;
        self.requests
            .values()
            .filter_map(|request| match request {
                Request::Active(task) => Some(task),
                _ => None,
            })
            .filter(|task| match scope {
                Scope::Task(tag) => task.tag == tag && (performed || unknown),
                Scope::LogicalUnit(lun) => {
                    performed && task.lun == lun && task.cmd_sn.precedes(cmd_sn)
                }
            })
            .map(|task| task.tag)
            .collect()
    }

    fn active(
        &mut self,
        opcode: Opcode,
        tag: InitiatorTaskTag,
    ) -> Result<&mut ActiveTask, SessionError> {
        match self.requests.get_mut(&tag) {
            Some(Request::Active(task)) => Ok(task),
            _ => Err(unknown(opcode, tag)),
        }
    }

    fn end_task(
        &mut self,
        opcode: Opcode,
        tag: InitiatorTaskTag,
    ) -> Result<ActiveTask, SessionError> {
        match self.forget_task(tag) {
            Some(Request::Active(task)) => Ok(task),
            _ => Err(unknown(opcode, tag)),
        }
    }

    /// Forgets a task and the data that it still had to send.
    fn forget_task(&mut self, tag: InitiatorTaskTag) -> Option<Request> {
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

    fn add(&mut self, request: Request) -> InitiatorTaskTag {
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

const fn unexpected(opcode: Opcode) -> SessionError {
    SessionError::UnexpectedPdu { opcode }
}

const fn unknown(opcode: Opcode, received: InitiatorTaskTag) -> SessionError {
    SessionError::UnknownTask { opcode, received }
}
