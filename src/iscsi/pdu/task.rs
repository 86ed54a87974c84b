//! The PDUs that carry SCSI tasks: command, data, response and task management.

use bytes::Bytes;

use super::codes::{ServiceResponse, TaskAttribute, TaskManagementFunction, TaskManagementOutcome};
use crate::iscsi::ids::{CmdSn, DataSn, InitiatorTaskTag, Lun, R2tSn, StatSn, TargetTransferTag};

/// By how many bytes a transfer missed the length that the initiator expected (RFC 7143 11.4.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Residual {
    /// Neither O nor U: exactly the expected length.
    #[default]
    None,
    /// U: so many bytes of the expected length were not transferred.
    Underflow(u32),
    /// O: so many bytes beyond the expected length were not transferred.
    Overflow(u32),
}

/// SCSI Command, opcode 0x01 (RFC 7143 11.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScsiCommand {
    /// I: delivered immediately, outside the numbering. Byte 0, bit 1 (11.2.1.1).
    pub immediate: bool,
    /// F: no unsolicited Data-Out follows. Byte 1, bit 0 (11.3.1).
    pub final_bit: bool,
    /// R: the command is expected to input data. Byte 1, bit 1 (11.3.1).
    pub read: bool,
    /// W: the command is expected to output data. Byte 1, bit 2 (11.3.1).
    pub write: bool,
    /// ATTR. Byte 1, bits 5-7 (11.3.1).
    pub attribute: TaskAttribute,
    /// LUN. Bytes 8-15 (11.2.1.7).
    pub lun: Lun,
    /// Initiator Task Tag. Bytes 16-19 (11.2.1.8).
    pub initiator_task_tag: InitiatorTaskTag,
    /// Expected Data Transfer Length in bytes; of the write for a bidirectional command. Bytes 20-23 (11.3.4).
    pub expected_data_transfer_length: u32,
    /// CmdSN. Bytes 24-27 (11.3.2).
    pub cmd_sn: CmdSn,
    /// ExpStatSN. Bytes 28-31 (11.3.3).
    pub exp_stat_sn: StatSn,
    /// CDB, padded with zeros. Bytes 32-47 (11.3.5).
    pub cdb: [u8; 16],
    /// The CDB from its 17th byte on, in an Extended CDB AHS; empty without one (11.2.2.3).
    pub extended_cdb: Bytes,
    /// Bidirectional Read Expected Data Transfer Length in bytes, in its AHS (11.2.2.4).
    pub bidirectional_read_expected_data_transfer_length: Option<u32>,
    /// Immediate data (11.3.6).
    pub data: Bytes,
}

/// SCSI Response, opcode 0x21 (RFC 7143 11.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScsiResponse {
    /// o and u with the Bidirectional Read Residual Count. Byte 1, bits 3-4; bytes 40-43 (11.4.6).
    pub bidirectional_read_residual: Residual,
    /// O and U with the Residual Count. Byte 1, bits 5-6; bytes 44-47 (11.4.5).
    pub residual: Residual,
    /// Response. Byte 2 (11.4.3).
    pub response: ServiceResponse,
    /// SCSI status, valid when the command completed at the target. Byte 3 (11.4.2).
    pub status: u8,
    /// Initiator Task Tag. Bytes 16-19 (11.2.1.8).
    pub initiator_task_tag: InitiatorTaskTag,
    /// SNACK Tag, else 0. Bytes 20-23 (11.4.4).
    pub snack_tag: TargetTransferTag,
    /// StatSN. Bytes 24-27 (11.4.9).
    pub stat_sn: StatSn,
    /// ExpCmdSN. Bytes 28-31 (11.4.10).
    pub exp_cmd_sn: CmdSn,
    /// MaxCmdSN. Bytes 32-35 (11.4.11).
    pub max_cmd_sn: CmdSn,
    /// ExpDataSN: how many Data-In PDUs the target sent for the command. Bytes 36-39 (11.4.8).
    pub exp_data_sn: DataSn,
    /// SenseLength, sense data and response data (11.4.7).
    pub data: Bytes,
}

/// The sense data of a [`ScsiResponse`] (RFC 7143 11.4.7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedSense {
    /// The sense data, empty without any.
    pub data: Bytes,
    /// Whether SenseLength precedes it, as it has to. Without it, all of the data segment is taken for sense data.
    pub has_length: bool,
}

/// Sense data that is shorter than its SenseLength says (11.4.7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenseCutShort {
    /// SenseLength; 2 when even that field is cut short.
    pub expected: usize,
    /// Bytes there.
    pub received: usize,
}

impl ScsiResponse {
    /// Returns the sense data that the response brings.
    ///
    /// SenseLength, a number of two bytes, precedes it. Where that would run past the data segment and the segment begins with
    /// a response code of SPC-4 4.5.1, 70h to 73h, the target has left SenseLength out.
    ///
    /// # Errors
    /// [`SenseCutShort`] when neither holds.
    pub fn sense(&self) -> Result<ReceivedSense, SenseCutShort> {
        let received = |data: Bytes, has_length| Ok(ReceivedSense { data, has_length });
        let Some(first) = self.data.first() else {
            return received(Bytes::new(), true);
        };
        let available = self.data.len().saturating_sub(2);
        let length = self.data.first_chunk();
        let length = length.map(|length| usize::from(u16::from_be_bytes(*length)));
        match length {
            Some(length) if length <= available => {
                let end = length.saturating_add(2);
                received(self.data.slice(2..end), true)
            }
            _ if matches!(first & 0x7f, 0x70..=0x73) => received(self.data.clone(), false),
            Some(expected) => Err(SenseCutShort {
                expected,
                received: available,
            }),
            None => Err(SenseCutShort {
                expected: 2,
                received: self.data.len(),
            }),
        }
    }
}

/// Task Management Function Request, opcode 0x02 (RFC 7143 11.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskManagementRequest {
    /// I: delivered immediately, outside the numbering. Byte 0, bit 1 (11.2.1.1).
    pub immediate: bool,
    /// Function. Byte 1, bits 1-7 (11.5.1).
    pub function: TaskManagementFunction,
    /// LUN. Bytes 8-15 (11.5.3).
    pub lun: Lun,
    /// Initiator Task Tag of the request itself. Bytes 16-19 (11.2.1.8).
    pub initiator_task_tag: InitiatorTaskTag,
    /// Referenced Task Tag, reserved unless a task is named. Bytes 20-23 (11.5.4).
    pub referenced_task_tag: InitiatorTaskTag,
    /// CmdSN. Bytes 24-27 (11.3.2).
    pub cmd_sn: CmdSn,
    /// ExpStatSN. Bytes 28-31 (11.3.3).
    pub exp_stat_sn: StatSn,
    /// RefCmdSN: CmdSN of the task to be aborted. Bytes 32-35 (11.5.5).
    pub ref_cmd_sn: CmdSn,
    /// ExpDataSN, for TASK REASSIGN. Bytes 36-39 (11.5.6).
    pub exp_data_sn: DataSn,
}

/// Task Management Function Response, opcode 0x22 (RFC 7143 11.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskManagementResponse {
    /// Response. Byte 2 (11.6.1).
    pub response: TaskManagementOutcome,
    /// Initiator Task Tag of the request. Bytes 16-19 (11.2.1.8).
    pub initiator_task_tag: InitiatorTaskTag,
    /// StatSN. Bytes 24-27 (11.4.9).
    pub stat_sn: StatSn,
    /// ExpCmdSN. Bytes 28-31 (11.4.10).
    pub exp_cmd_sn: CmdSn,
    /// MaxCmdSN. Bytes 32-35 (11.4.11).
    pub max_cmd_sn: CmdSn,
}

/// SCSI Data-Out, opcode 0x05 (RFC 7143 11.7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataOut {
    /// F: the last PDU of unsolicited data or of a sequence that answers an R2T. Byte 1, bit 0 (11.7.1).
    pub final_bit: bool,
    /// LUN, reserved unless the Target Transfer Tag is given. Bytes 8-15 (11.7.4).
    pub lun: Lun,
    /// Initiator Task Tag. Bytes 16-19 (11.2.1.8).
    pub initiator_task_tag: InitiatorTaskTag,
    /// Target Transfer Tag of the R2T answered; reserved for unsolicited data. Bytes 20-23 (11.7.4).
    pub target_transfer_tag: TargetTransferTag,
    /// ExpStatSN. Bytes 28-31 (11.3.3).
    pub exp_stat_sn: StatSn,
    /// DataSN within the sequence. Bytes 36-39 (11.7.5).
    pub data_sn: DataSn,
    /// Buffer Offset in bytes. Bytes 40-43 (11.7.6).
    pub buffer_offset: u32,
    /// Data.
    pub data: Bytes,
}

/// SCSI Data-In, opcode 0x25 (RFC 7143 11.7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataIn {
    /// F: the last PDU of a sequence. Byte 1, bit 0 (11.7.1).
    pub final_bit: bool,
    /// A: the target asks for a DataACK SNACK, at ErrorRecoveryLevel 1 and above. Byte 1, bit 1 (11.7.2).
    pub acknowledge: bool,
    /// S and what is valid with it. Byte 1, bit 7 (11.7.3).
    pub status: Option<DataInStatus>,
    /// LUN, reserved unless A is set. Bytes 8-15 (11.7.4).
    pub lun: Lun,
    /// Initiator Task Tag. Bytes 16-19 (11.2.1.8).
    pub initiator_task_tag: InitiatorTaskTag,
    /// Target Transfer Tag, reserved unless A is set. Bytes 20-23 (11.7.4).
    pub target_transfer_tag: TargetTransferTag,
    /// ExpCmdSN. Bytes 28-31 (11.4.10).
    pub exp_cmd_sn: CmdSn,
    /// MaxCmdSN. Bytes 32-35 (11.4.11).
    pub max_cmd_sn: CmdSn,
    /// DataSN within the command. Bytes 36-39 (11.7.5).
    pub data_sn: DataSn,
    /// Buffer Offset in bytes. Bytes 40-43 (11.7.6).
    pub buffer_offset: u32,
    /// Data.
    pub data: Bytes,
}

/// The end of a command in its last Data-In, in place of a SCSI Response (RFC 7143 11.7.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataInStatus {
    /// O and U with the Residual Count. Byte 1, bits 5-6; bytes 44-47 (11.4.5).
    pub residual: Residual,
    /// SCSI status. Byte 3 (11.4.2).
    pub status: u8,
    /// StatSN. Bytes 24-27 (11.4.9).
    pub stat_sn: StatSn,
}

/// Ready To Transfer, opcode 0x31 (RFC 7143 11.8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct R2t {
    /// LUN. Bytes 8-15 (11.2.1.7).
    pub lun: Lun,
    /// Initiator Task Tag. Bytes 16-19 (11.2.1.8).
    pub initiator_task_tag: InitiatorTaskTag,
    /// Target Transfer Tag to be copied to the Data-Out PDUs. Bytes 20-23 (11.8.5).
    pub target_transfer_tag: TargetTransferTag,
    /// StatSN: the next to come, not advanced by the R2T. Bytes 24-27 (11.8.3).
    pub stat_sn: StatSn,
    /// ExpCmdSN. Bytes 28-31 (11.4.10).
    pub exp_cmd_sn: CmdSn,
    /// MaxCmdSN. Bytes 32-35 (11.4.11).
    pub max_cmd_sn: CmdSn,
    /// R2TSN within the command. Bytes 36-39 (11.8.2).
    pub r2t_sn: R2tSn,
    /// Buffer Offset in bytes. Bytes 40-43 (11.8.4).
    pub buffer_offset: u32,
    /// Desired Data Transfer Length in bytes: at least 1, at most MaxBurstLength. Bytes 44-47 (11.8.4).
    pub desired_data_transfer_length: u32,
}
