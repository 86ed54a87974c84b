//! What a session sends: immediate requests, data, commands.

use std::time::Instant;

use bytes::Bytes;

use super::task::{ActiveTask, ActiveTransfer, ReadTransfer, Task, TaskTransfer, WriteTransfer};
use super::{Immediate, OutstandingRequest, Session, State, TaskScope};
use crate::iscsi::ids::{Cid, CmdSn, DataSn, InitiatorTaskTag, Lun, TargetTransferTag};
use crate::iscsi::pdu::{
    LogoutReason, LogoutRequest, NopOut, Pdu, ScsiCommand, TaskManagementFunction,
    TaskManagementRequest,
};

impl Session {
    pub(super) fn next_immediate(&mut self, now: Instant) -> Option<Pdu> {
        let cmd_sn = self.window.next();
        let exp_stat_sn = self.status.expected();
        let immediate = self.immediate.pop_front()?;
        if let Immediate::Ping(tag)
        | Immediate::TaskManagement(tag)
        | Immediate::Text(tag)
        | Immediate::Logout(tag) = immediate
            && let Some(
                OutstandingRequest::TaskManagement { sent, .. }
                | OutstandingRequest::Ping { sent }
                | OutstandingRequest::Text { sent, .. }
                | OutstandingRequest::Logout { sent },
            ) = self.requests.get_mut(&tag)
        {
            *sent = Some(now);
        }
        Some(match immediate {
            Immediate::Text(tag) => {
                let Some(OutstandingRequest::Text { exchange, .. }) = self.requests.get_mut(&tag)
                else {
                    return None;
                };
                let limit = self.parameters.target_max_recv_data_segment_length;
                Pdu::TextRequest(exchange.request(tag, cmd_sn, exp_stat_sn, limit))
            }
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
        let Some(OutstandingRequest::TaskManagement { scope, cmd_sn, .. }) =
            self.requests.get_mut(&tag)
        else {
            return None;
        };
        *cmd_sn = Some(now);
        let (function, lun, referenced_task_tag, ref_cmd_sn) = match *scope {
            TaskScope::LogicalUnit(lun) => (
                TaskManagementFunction::LOGICAL_UNIT_RESET,
                lun,
                InitiatorTaskTag::RESERVED,
                CmdSn(0),
            ),
            TaskScope::Task(task) => {
                // A task that ended meanwhile is named all the same: the target answers that it does not exist.
                let (lun, ref_cmd_sn) = match self.requests.get(&task) {
                    Some(OutstandingRequest::Active(active)) => (active.lun, active.cmd_sn),
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

    pub(super) fn next_data_out(&mut self, now: Instant) -> Option<Pdu> {
        let burst = self.bursts.front_mut()?;
        if let Some(OutstandingRequest::Active(task)) =
            self.requests.get_mut(&burst.initiator_task_tag)
        {
            task.progress = now;
        }
        let pdu = burst.next_pdu(
            self.status.expected(),
            self.parameters.target_max_recv_data_segment_length,
        );
        if pdu.final_bit
            && let Some(burst) = self.bursts.pop_front()
            && burst.is_solicited()
            && let Some(OutstandingRequest::Active(task)) =
                self.requests.get_mut(&burst.initiator_task_tag)
        {
            task.burst_sent();
        }
        Some(Pdu::DataOut(pdu))
    }

    pub(super) fn next_command(&mut self, now: Instant) -> Option<Pdu> {
        if self.state != State::Open {
            return None;
        }
        while let Some(tag) = self.waiting.front()
            && !self.requests.contains_key(tag)
        {
            self.waiting.pop_front();
        }
        let tag = *self.waiting.front()?;
        let Some(cmd_sn) = self.window.take() else {
            self.timers.stalled.get_or_insert(now);
            return None;
        };
        self.timers.stalled = None;
        self.waiting.pop_front();
        let Some(OutstandingRequest::Waiting(task)) = self.requests.remove(&tag) else {
            return None;
        };
        Some(Pdu::ScsiCommand(self.start(tag, cmd_sn, task, now)))
    }

    /// Makes a waiting task active and returns its command; an unsolicited burst is queued behind it.
    fn start(
        &mut self,
        tag: InitiatorTaskTag,
        cmd_sn: CmdSn,
        task: Task,
        now: Instant,
    ) -> ScsiCommand {
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
            TaskTransfer::None => ActiveTransfer::None,
            TaskTransfer::Read(expected) => {
                command.read = true;
                command.expected_data_transfer_length = expected;
                ActiveTransfer::Read(ReadTransfer::new(expected))
            }
            TaskTransfer::Write(data) => {
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
            timeout: task.timeout,
            progress: now,
            suppresses_pings: task.suppresses_pings,
        };
        self.requests
            .insert(tag, OutstandingRequest::Active(active));
        command
    }
}
