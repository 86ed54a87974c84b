//! What a session makes of each PDU that comes.

use std::time::Instant;

use bytes::Bytes;

use super::error::SessionError;
use super::event::{Completion, Event};
use super::{Immediate, MAX_ABORTED, OutstandingRequest, Session, State, TaskScope, unknown};
use crate::iscsi::departure::Departure;
use crate::iscsi::ids::{CmdSn, InitiatorTaskTag, Lun, StatSn, TargetTransferTag};
use crate::iscsi::pdu::{
    AsyncEvent, AsyncMessage, DataIn, LogoutResponse, NopIn, Opcode, R2t, Reject, ScsiResponse,
    ServiceResponse, TaskManagementOutcome, TaskManagementResponse, TextResponse,
};

impl Session {
    pub(super) fn handle_scsi_response(
        &mut self,
        pdu: &ScsiResponse,
        now: Instant,
    ) -> Result<(), SessionError> {
        let opcode = Opcode::SCSI_RESPONSE;
        self.window.update(pdu.exp_cmd_sn, pdu.max_cmd_sn);
        self.accept_status(opcode, pdu.stat_sn)?;
        let tag = pdu.initiator_task_tag;
        if self.is_after_abort(tag) {
            return Ok(());
        }
        let unsent = self.unsent(tag);
        let task = self.end_task(opcode, tag)?;
        let transferred = task.transferred(unsent);
        if pdu.response == ServiceResponse::COMMAND_COMPLETED {
            task.check_exp_data_sn(pdu.exp_data_sn)?;
            self.tell(task.residual_mismatch(pdu.status, pdu.residual, transferred));
        }
        self.progress_of(task.lun, now);
        let sense = pdu.sense().map_err(|cut| SessionError::SenseLength {
            task: tag,
            expected: cut.expected,
            received: cut.received,
        })?;
        self.tell((!sense.has_length).then_some(Departure::SenseWithoutLength));
        self.events.push_back(Event::Completed(Completion {
            initiator_task_tag: tag,
            response: pdu.response,
            status: pdu.status,
            residual: pdu.residual,
            transferred,
            sense: sense.data,
            data: task.into_data(&mut self.buffers),
        }));
        Ok(())
    }

    pub(super) fn handle_data_in(
        &mut self,
        pdu: &DataIn,
        now: Instant,
    ) -> Result<(), SessionError> {
        let opcode = Opcode::DATA_IN;
        let tag = pdu.initiator_task_tag;
        self.window.update(pdu.exp_cmd_sn, pdu.max_cmd_sn);
        if let Some(status) = pdu.status {
            self.accept_status(opcode, status.stat_sn)?;
        }
        if self.is_after_abort(tag) {
            return Ok(());
        }
        match self.requests.get_mut(&tag) {
            Some(OutstandingRequest::Active(task)) => task.receive(pdu, now, &mut self.buffers)?,
            _ => return Err(unknown(opcode, tag)),
        }
        if let Some(status) = pdu.status {
            let task = self.end_task(opcode, tag)?;
            let transferred = task.transferred(0);
            self.tell(task.residual_mismatch(status.status, status.residual, transferred));
            self.progress_of(task.lun, now);
            self.events.push_back(Event::Completed(Completion {
                initiator_task_tag: tag,
                response: ServiceResponse::COMMAND_COMPLETED,
                status: status.status,
                residual: status.residual,
                transferred,
                sense: Bytes::new(),
                data: task.into_data(&mut self.buffers),
            }));
        }
        Ok(())
    }

    pub(super) fn handle_r2t(&mut self, pdu: &R2t, now: Instant) -> Result<(), SessionError> {
        self.window.update(pdu.exp_cmd_sn, pdu.max_cmd_sn);
        if self.is_after_abort(pdu.initiator_task_tag) {
            return Ok(());
        }
        let parameters = self.parameters;
        let burst =
            self.active(Opcode::R2T, pdu.initiator_task_tag)?
                .burst(pdu, &parameters, now)?;
        self.bursts.push_back(burst);
        Ok(())
    }

    pub(super) fn handle_task_management_response(
        &mut self,
        pdu: &TaskManagementResponse,
    ) -> Result<(), SessionError> {
        let opcode = Opcode::TASK_MANAGEMENT_RESPONSE;
        self.window.update(pdu.exp_cmd_sn, pdu.max_cmd_sn);
        self.accept_status(opcode, pdu.stat_sn)?;
        let tag = pdu.initiator_task_tag;
        let Some(OutstandingRequest::TaskManagement {
            scope,
            cmd_sn: Some(cmd_sn),
            ..
        }) = self.requests.get(&tag)
        else {
            return Err(unknown(opcode, tag));
        };
        let ended = self.tasks_ended_by(*scope, *cmd_sn, pdu.response);
        self.requests.remove(&tag);
        for task in &ended {
            self.forget_task(*task);
            if self.aborted.len() == MAX_ABORTED {
                self.aborted.pop_front();
            }
            self.aborted.push_back(*task);
        }
        self.events.push_back(Event::TaskManagement {
            initiator_task_tag: tag,
            outcome: pdu.response,
            ended,
        });
        Ok(())
    }

    pub(super) fn handle_nop_in(&mut self, pdu: &NopIn) -> Result<(), SessionError> {
        // A ping comes when nothing else does.
        self.buffers.clear();
        self.window.update(pdu.exp_cmd_sn, pdu.max_cmd_sn);
        let tag = pdu.initiator_task_tag;
        if tag != InitiatorTaskTag::RESERVED {
            self.accept_status(Opcode::NOP_IN, pdu.stat_sn)?;
            let Some(OutstandingRequest::Ping { .. }) = self.requests.get(&tag) else {
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

    pub(super) fn handle_async_message(&mut self, pdu: AsyncMessage) -> Result<(), SessionError> {
        self.window.update(pdu.exp_cmd_sn, pdu.max_cmd_sn);
        self.accept_status(Opcode::ASYNC_MESSAGE, pdu.stat_sn)?;
        let event = match pdu.async_event {
            AsyncEvent::LOGOUT_REQUEST | AsyncEvent::NEGOTIATION_REQUEST => {
                Event::LogoutRequested {
                    parameter3: pdu.parameter3,
                }
            }
            AsyncEvent::DROP_CONNECTION | AsyncEvent::DROP_ALL_CONNECTIONS => {
                self.end();
                self.timers.set_time2wait(pdu.parameter2);
                Event::Dropped {
                    time2wait: pdu.parameter2,
                }
            }
            _ => Event::AsyncMessage(pdu),
        };
        self.events.push_back(event);
        Ok(())
    }

    pub(super) fn handle_reject(&mut self, pdu: &Reject) -> Result<(), SessionError> {
        self.window.update(pdu.exp_cmd_sn, pdu.max_cmd_sn);
        self.accept_status(Opcode::REJECT, pdu.stat_sn)?;
        self.events.push_back(Event::Rejected {
            reason: pdu.reason,
            header: pdu.rejected_header(),
        });
        Ok(())
    }

    pub(super) fn handle_logout_response(
        &mut self,
        pdu: &LogoutResponse,
    ) -> Result<(), SessionError> {
        let opcode = Opcode::LOGOUT_RESPONSE;
        self.accept_status(opcode, pdu.stat_sn)?;
        let Some(OutstandingRequest::Logout { .. }) = self.requests.get(&pdu.initiator_task_tag)
        else {
            return Err(unknown(opcode, pdu.initiator_task_tag));
        };
        self.end();
        self.timers.set_time2wait(pdu.time2wait);
        self.events.push_back(Event::LoggedOut {
            outcome: pdu.response,
        });
        Ok(())
    }

    pub(super) fn handle_text_response(&mut self, pdu: &TextResponse) -> Result<(), SessionError> {
        let opcode = Opcode::TEXT_RESPONSE;
        let tag = pdu.initiator_task_tag;
        self.window.update(pdu.exp_cmd_sn, pdu.max_cmd_sn);
        self.accept_status(opcode, pdu.stat_sn)?;
        let Some(OutstandingRequest::Text { exchange, sent }) = self.requests.get_mut(&tag) else {
            return Err(unknown(opcode, tag));
        };
        match exchange.receive(pdu)? {
            None => {
                *sent = None;
                self.immediate.push_back(Immediate::Text(tag));
            }
            Some(text) => {
                self.requests.remove(&tag);
                self.events.push_back(Event::TextAnswered {
                    initiator_task_tag: tag,
                    text,
                });
            }
        }
        Ok(())
    }

    /// Returns whether a PDU that came of a task is to be discarded, since task management has ended it.
    fn is_after_abort(&mut self, tag: InitiatorTaskTag) -> bool {
        let is_aborted = self.aborted.contains(&tag);
        self.tell(is_aborted.then_some(Departure::ResponseAfterAbort));
        is_aborted
    }

    /// Tells a departure, unless one of its kind has been told: a target departs in the same way in every command.
    fn tell(&mut self, departure: Option<Departure>) {
        if let Some(departure) = departure
            && !self.told.contains(&departure.code())
        {
            self.told.push(departure.code());
            self.events.push_back(Event::Departure(departure));
        }
    }

    /// Takes the StatSN of a response; numbers out of order are told once each time that they begin.
    fn accept_status(&mut self, opcode: Opcode, received: StatSn) -> Result<(), SessionError> {
        if let Some(departure) = self.status.accept(opcode, received)? {
            self.events.push_back(Event::Departure(departure));
        }
        Ok(())
    }

    /// A logical unit that has answered one task is at work: the others of its task set wait from now on.
    fn progress_of(&mut self, lun: Lun, now: Instant) {
        self.timers.stalled = None;
        for request in self.requests.values_mut() {
            if let OutstandingRequest::Active(task) = request
                && task.lun == lun
            {
                task.progress = now;
            }
        }
    }

    /// Returns the tasks that a task management function ended: those sent before it, if it was performed.
    ///
    /// A task that the target does not know while it has no status here will never get one either (11.6.1).
    fn tasks_ended_by(
        &self,
        scope: TaskScope,
        cmd_sn: CmdSn,
        outcome: TaskManagementOutcome,
    ) -> Vec<InitiatorTaskTag> {
        let performed = outcome == TaskManagementOutcome::FUNCTION_COMPLETE;
        let unknown = outcome == TaskManagementOutcome::TASK_DOES_NOT_EXIST;
        self.requests
            .values()
            .filter_map(|request| match request {
                OutstandingRequest::Active(task) => Some(task),
                _ => None,
            })
            .filter(|task| match scope {
                TaskScope::Task(tag) => task.tag == tag && (performed || unknown),
                TaskScope::LogicalUnit(lun) => {
                    performed && task.lun == lun && task.cmd_sn.precedes(cmd_sn)
                }
            })
            .map(|task| task.tag)
            .collect()
    }
}
