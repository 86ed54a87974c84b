//! What waits to be sent, in order; numbers are put on it when it goes, so that they are those of that moment.

use bytes::{BufMut, Bytes, BytesMut};

use super::event::TaskId;
use super::numbers::Numbers;
use crate::iscsi::ids::{DataSn, InitiatorTaskTag, Lun, R2tSn, TargetTransferTag};
use crate::iscsi::operational::OperationalParameters;
use crate::iscsi::pdu::{
    AsyncEvent, AsyncMessage, DataIn, DataInStatus, LogoutOutcome, LogoutResponse, NopIn, Pdu, R2t,
    Reject, RejectReason, Residual, ScsiResponse, ServiceResponse, TaskManagementOutcome,
    TaskManagementResponse, TextResponse,
};

/// The SCSI status GOOD.
const GOOD: u8 = 0;

/// A PDU to be sent, or, for an answer to a command, several.
#[derive(Debug)]
pub(super) enum Outgoing {
    Reply(OutgoingReply),
    R2t {
        task: TaskId,
        lun: Lun,
        initiator_task_tag: InitiatorTaskTag,
        target_transfer_tag: TargetTransferTag,
        r2t_sn: R2tSn,
        buffer_offset: u32,
        length: u32,
    },
    /// Answers a NOP-Out.
    Pong {
        initiator_task_tag: InitiatorTaskTag,
        data: Bytes,
    },
    Ping {
        target_transfer_tag: TargetTransferTag,
    },
    Text {
        initiator_task_tag: InitiatorTaskTag,
        target_transfer_tag: TargetTransferTag,
        final_bit: bool,
        continues: bool,
        data: Bytes,
    },
    TaskManagement {
        initiator_task_tag: InitiatorTaskTag,
        outcome: TaskManagementOutcome,
    },
    Logout {
        initiator_task_tag: InitiatorTaskTag,
        outcome: LogoutOutcome,
    },
    Reject {
        reason: RejectReason,
        header: Bytes,
    },
    Async {
        event: AsyncEvent,
        parameters: [u16; 3],
    },
}

impl Outgoing {
    /// Returns the task that the PDU is about, when it goes with that task.
    pub(super) const fn task(&self) -> Option<TaskId> {
        match self {
            Self::Reply(OutgoingReply { task, .. }) | Self::R2t { task, .. } => Some(*task),
            _ => None,
        }
    }

    /// Returns the PDU of anything but an answer to a command.
    pub(super) fn into_pdu(self, numbers: &mut Numbers) -> Option<Pdu> {
        Some(match self {
            Self::Reply(_) => return None,
            Self::R2t {
                task: _,
                lun,
                initiator_task_tag,
                target_transfer_tag,
                r2t_sn,
                buffer_offset,
                length,
            } => {
                let stamp = numbers.stamp();
                Pdu::R2t(R2t {
                    lun,
                    initiator_task_tag,
                    target_transfer_tag,
                    stat_sn: stamp.stat_sn,
                    exp_cmd_sn: stamp.exp_cmd_sn,
                    max_cmd_sn: stamp.max_cmd_sn,
                    r2t_sn,
                    buffer_offset,
                    desired_data_transfer_length: length,
                })
            }
            Self::Pong {
                initiator_task_tag,
                data,
            } => {
                let stamp = numbers.stamp_status();
                Pdu::NopIn(NopIn {
                    lun: Lun::default(),
                    initiator_task_tag,
                    target_transfer_tag: TargetTransferTag::RESERVED,
                    stat_sn: stamp.stat_sn,
                    exp_cmd_sn: stamp.exp_cmd_sn,
                    max_cmd_sn: stamp.max_cmd_sn,
                    data,
                })
            }
            Self::Ping {
                target_transfer_tag,
            } => {
                let stamp = numbers.stamp();
                Pdu::NopIn(NopIn {
                    lun: Lun::default(),
                    initiator_task_tag: InitiatorTaskTag::RESERVED,
                    target_transfer_tag,
                    stat_sn: stamp.stat_sn,
                    exp_cmd_sn: stamp.exp_cmd_sn,
                    max_cmd_sn: stamp.max_cmd_sn,
                    data: Bytes::new(),
                })
            }
            Self::Text {
                initiator_task_tag,
                target_transfer_tag,
                final_bit,
                continues,
                data,
            } => {
                let stamp = numbers.stamp_status();
                Pdu::TextResponse(TextResponse {
                    final_bit,
                    continues,
                    lun: Lun::default(),
                    initiator_task_tag,
                    target_transfer_tag,
                    stat_sn: stamp.stat_sn,
                    exp_cmd_sn: stamp.exp_cmd_sn,
                    max_cmd_sn: stamp.max_cmd_sn,
                    data,
                })
            }
            Self::TaskManagement {
                initiator_task_tag,
                outcome,
            } => {
                let stamp = numbers.stamp_status();
                Pdu::TaskManagementResponse(TaskManagementResponse {
                    response: outcome,
                    initiator_task_tag,
                    stat_sn: stamp.stat_sn,
                    exp_cmd_sn: stamp.exp_cmd_sn,
                    max_cmd_sn: stamp.max_cmd_sn,
                })
            }
            Self::Logout {
                initiator_task_tag,
                outcome,
            } => {
                let stamp = numbers.stamp_status();
                Pdu::LogoutResponse(LogoutResponse {
                    response: outcome,
                    initiator_task_tag,
                    stat_sn: stamp.stat_sn,
                    exp_cmd_sn: stamp.exp_cmd_sn,
                    max_cmd_sn: stamp.max_cmd_sn,
                    time2wait: 0,
                    time2retain: 0,
                })
            }
            Self::Reject { reason, header } => {
                let stamp = numbers.stamp_status();
                Pdu::Reject(Reject {
                    reason,
                    stat_sn: stamp.stat_sn,
                    exp_cmd_sn: stamp.exp_cmd_sn,
                    max_cmd_sn: stamp.max_cmd_sn,
                    data_sn: 0,
                    data: header,
                })
            }
            Self::Async {
                event,
                parameters: [parameter1, parameter2, parameter3],
            } => {
                let stamp = numbers.stamp_status();
                Pdu::AsyncMessage(AsyncMessage {
                    lun: Lun::default(),
                    stat_sn: stamp.stat_sn,
                    exp_cmd_sn: stamp.exp_cmd_sn,
                    max_cmd_sn: stamp.max_cmd_sn,
                    async_event: event,
                    async_vcode: 0,
                    parameter1,
                    parameter2,
                    parameter3,
                    data: Bytes::new(),
                })
            }
        })
    }
}

/// The answer to a command under way: Data-In, then the status, in the last Data-In where that is allowed (11.7.3).
#[derive(Debug)]
pub(super) struct OutgoingReply {
    pub(super) task: TaskId,
    pub(super) initiator_task_tag: InitiatorTaskTag,
    pub(super) status: u8,
    pub(super) sense: Bytes,
    pub(super) residual: Residual,
    pub(super) bidirectional_read_residual: Residual,
    /// Whether the command is bidirectional: its status has to be in a SCSI Response.
    pub(super) bidirectional: bool,
    /// Data not sent yet.
    pub(super) data: Bytes,
    pub(super) buffer_offset: u32,
    /// DataSN of the next Data-In, which R2Ts of a bidirectional command have a share in (4.2.2.4).
    pub(super) data_sn: DataSn,
    /// Data-In PDUs sent.
    pub(super) sent: u32,
    /// Bytes of the current sequence sent, which MaxBurstLength limits.
    pub(super) burst: u32,
}

impl OutgoingReply {
    /// Returns whether the next PDU is the last one: the task ends with it.
    pub(super) fn is_last(&self, parameters: &OperationalParameters) -> bool {
        self.data.is_empty() || self.collapses() && self.data.len() <= self.next_length(parameters)
    }

    /// Returns the next PDU.
    pub(super) fn next_pdu(
        &mut self,
        parameters: &OperationalParameters,
        numbers: &mut Numbers,
    ) -> Pdu {
        if self.data.is_empty() {
            return Pdu::ScsiResponse(self.response(numbers));
        }
        let length = self.next_length(parameters);
        let data = self.data.split_to(length);
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        let buffer_offset = self.buffer_offset;
        let data_sn = self.data_sn;
        self.buffer_offset = buffer_offset.saturating_add(length);
        self.data_sn = data_sn.next();
        self.sent = self.sent.saturating_add(1);
        self.burst = self.burst.saturating_add(length);
        let ends = self.data.is_empty();
        let final_bit = ends || self.burst >= parameters.max_burst_length;
        if final_bit {
            self.burst = 0;
        }
        let (status, stamp) = if ends && self.collapses() {
            let stamp = numbers.stamp_status();
            let status = DataInStatus {
                residual: self.residual,
                status: self.status,
                stat_sn: stamp.stat_sn,
            };
            (Some(status), stamp)
        } else {
            (None, numbers.stamp())
        };
        Pdu::DataIn(DataIn {
            final_bit,
            acknowledge: false,
            status,
            lun: Lun::default(),
            initiator_task_tag: self.initiator_task_tag,
            target_transfer_tag: TargetTransferTag::RESERVED,
            exp_cmd_sn: stamp.exp_cmd_sn,
            max_cmd_sn: stamp.max_cmd_sn,
            data_sn,
            buffer_offset,
            data,
        })
    }

    fn collapses(&self) -> bool {
        self.status == GOOD && self.sense.is_empty() && !self.bidirectional
    }

    fn next_length(&self, parameters: &OperationalParameters) -> usize {
        let burst = parameters.max_burst_length.saturating_sub(self.burst);
        let limit = burst.min(parameters.peer_max_recv_data_segment_length);
        usize::try_from(limit)
            .unwrap_or(usize::MAX)
            .min(self.data.len())
    }

    fn response(&self, numbers: &mut Numbers) -> ScsiResponse {
        let stamp = numbers.stamp_status();
        let mut data = BytesMut::new();
        if let Ok(length) = u16::try_from(self.sense.len())
            && length > 0
        {
            data.put_u16(length);
            data.put_slice(&self.sense);
        }
        ScsiResponse {
            bidirectional_read_residual: self.bidirectional_read_residual,
            residual: self.residual,
            response: ServiceResponse::COMMAND_COMPLETED,
            status: self.status,
            initiator_task_tag: self.initiator_task_tag,
            snack_tag: TargetTransferTag(0),
            stat_sn: stamp.stat_sn,
            exp_cmd_sn: stamp.exp_cmd_sn,
            max_cmd_sn: stamp.max_cmd_sn,
            exp_data_sn: DataSn(self.sent),
            data: data.freeze(),
        }
    }
}
