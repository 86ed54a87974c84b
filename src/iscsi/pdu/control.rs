//! The PDUs that look after connection and session: text, logout, NOP, SNACK, asynchronous message, reject.

use bytes::Bytes;

use super::codes::{AsyncEvent, LogoutOutcome, LogoutReason, Opcode, RejectReason, SnackType};
use crate::iscsi::ids::{Cid, CmdSn, InitiatorTaskTag, Lun, StatSn, TargetTransferTag};

/// Asynchronous Message, opcode 0x32 (RFC 7143 11.9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AsyncMessage {
    /// LUN, for a SCSI event; reserved otherwise. Bytes 8-15 (11.9.3).
    pub lun: Lun,
    /// StatSN. Bytes 24-27 (11.4.9).
    pub stat_sn: StatSn,
    /// ExpCmdSN. Bytes 28-31 (11.4.10).
    pub exp_cmd_sn: CmdSn,
    /// MaxCmdSN. Bytes 32-35 (11.4.11).
    pub max_cmd_sn: CmdSn,
    /// AsyncEvent. Byte 36 (11.9.1).
    pub async_event: AsyncEvent,
    /// AsyncVCode, for a vendor-specific event. Byte 37 (11.9.2).
    pub async_vcode: u8,
    /// Parameter1: the CID for a dropped connection. Bytes 38-39 (11.9.1).
    pub parameter1: u16,
    /// Parameter2: Time2Wait in seconds for dropped connections. Bytes 40-41 (11.9.1).
    pub parameter2: u16,
    /// Parameter3: Time2Retain in seconds, or the seconds left to log out or negotiate. Bytes 42-43 (11.9.1).
    pub parameter3: u16,
    /// SenseLength, sense data and event data (11.9.4).
    pub data: Bytes,
}

/// Text Request, opcode 0x04 (RFC 7143 11.10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextRequest {
    /// I: delivered immediately, outside the numbering. Byte 0, bit 1 (11.2.1.1).
    pub immediate: bool,
    /// F: the initiator has no more to say. Byte 1, bit 0 (11.10.1).
    pub final_bit: bool,
    /// C: the text goes on in the next Text Request. Byte 1, bit 1 (11.10.2).
    pub continues: bool,
    /// LUN, copied with the Target Transfer Tag. Bytes 8-15 (11.10.4).
    pub lun: Lun,
    /// Initiator Task Tag. Bytes 16-19 (11.10.3).
    pub initiator_task_tag: InitiatorTaskTag,
    /// Target Transfer Tag, copied from the response that this continues. Bytes 20-23 (11.10.4).
    pub target_transfer_tag: TargetTransferTag,
    /// CmdSN. Bytes 24-27 (11.3.2).
    pub cmd_sn: CmdSn,
    /// ExpStatSN. Bytes 28-31 (11.3.3).
    pub exp_stat_sn: StatSn,
    /// Text keys (11.10.5).
    pub data: Bytes,
}

/// Text Response, opcode 0x24 (RFC 7143 11.11).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextResponse {
    /// F: the target has no more to say. Byte 1, bit 0 (11.11.1).
    pub final_bit: bool,
    /// C: the text goes on in the next Text Response. Byte 1, bit 1 (11.11.2).
    pub continues: bool,
    /// LUN, to be copied with the Target Transfer Tag. Bytes 8-15 (11.11.4).
    pub lun: Lun,
    /// Initiator Task Tag. Bytes 16-19 (11.11.3).
    pub initiator_task_tag: InitiatorTaskTag,
    /// Target Transfer Tag to be copied to the next request; reserved at the end. Bytes 20-23 (11.11.4).
    pub target_transfer_tag: TargetTransferTag,
    /// StatSN. Bytes 24-27 (11.11.5).
    pub stat_sn: StatSn,
    /// ExpCmdSN. Bytes 28-31 (11.4.10).
    pub exp_cmd_sn: CmdSn,
    /// MaxCmdSN. Bytes 32-35 (11.4.11).
    pub max_cmd_sn: CmdSn,
    /// Text keys (11.11.6).
    pub data: Bytes,
}

/// Logout Request, opcode 0x06 (RFC 7143 11.14).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutRequest {
    /// I: delivered immediately, outside the numbering. Byte 0, bit 1 (11.2.1.1).
    pub immediate: bool,
    /// Reason Code. Byte 1, bits 1-7 (11.14.1).
    pub reason: LogoutReason,
    /// Initiator Task Tag. Bytes 16-19 (11.2.1.8).
    pub initiator_task_tag: InitiatorTaskTag,
    /// CID, reserved when the session is closed. Bytes 20-21 (11.14.3).
    pub cid: Cid,
    /// CmdSN. Bytes 24-27 (11.3.2).
    pub cmd_sn: CmdSn,
    /// ExpStatSN. Bytes 28-31 (11.14.4).
    pub exp_stat_sn: StatSn,
}

/// Logout Response, opcode 0x26 (RFC 7143 11.15).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutResponse {
    /// Response. Byte 2 (11.15.1).
    pub response: LogoutOutcome,
    /// Initiator Task Tag. Bytes 16-19 (11.2.1.8).
    pub initiator_task_tag: InitiatorTaskTag,
    /// StatSN. Bytes 24-27 (11.4.9).
    pub stat_sn: StatSn,
    /// ExpCmdSN. Bytes 28-31 (11.4.10).
    pub exp_cmd_sn: CmdSn,
    /// MaxCmdSN. Bytes 32-35 (11.4.11).
    pub max_cmd_sn: CmdSn,
    /// Time2Wait in seconds. Bytes 40-41 (11.15.3).
    pub time2wait: u16,
    /// Time2Retain in seconds. Bytes 42-43 (11.15.4).
    pub time2retain: u16,
}

/// SNACK Request, opcode 0x10 (RFC 7143 11.16).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnackRequest {
    /// Type. Byte 1, bits 4-7 (11.16.1).
    pub snack_type: SnackType,
    /// LUN. Bytes 8-15 (11.2.1.7).
    pub lun: Lun,
    /// Initiator Task Tag; reserved for a Status SNACK or DataACK. Bytes 16-19 (11.16.4).
    pub initiator_task_tag: InitiatorTaskTag,
    /// Target Transfer Tag or SNACK Tag. Bytes 20-23 (11.16.5).
    pub target_transfer_tag: TargetTransferTag,
    /// ExpStatSN. Bytes 28-31 (11.3.3).
    pub exp_stat_sn: StatSn,
    /// BegRun: the first DataSN, R2TSN or StatSN asked for. Bytes 40-43 (11.16.6).
    pub beg_run: u32,
    /// RunLength; 0 asks for all. Bytes 44-47 (11.16.7).
    pub run_length: u32,
}

/// Reject, opcode 0x3f (RFC 7143 11.17).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// Reason. Byte 2 (11.17.1).
    pub reason: RejectReason,
    /// StatSN. Bytes 24-27 (11.17.3).
    pub stat_sn: StatSn,
    /// ExpCmdSN. Bytes 28-31 (11.17.3).
    pub exp_cmd_sn: CmdSn,
    /// MaxCmdSN. Bytes 32-35 (11.17.3).
    pub max_cmd_sn: CmdSn,
    /// DataSN/R2TSN: the next one to come for a rejected DataACK or SNACK. Bytes 36-39 (11.17.2).
    pub data_sn: u32,
    /// Complete header of the bad PDU, with nothing to say where its AHS ends (11.17.4).
    pub data: Bytes,
}

impl Reject {
    /// Returns which PDU was rejected, `None` when the target did not send its header back.
    #[must_use]
    pub fn rejected_header(&self) -> Option<RejectedHeader> {
        let (&[first, ..], rest) = self.data.split_first_chunk::<16>()?;
        let tag = rest.first_chunk()?;
        Some(RejectedHeader {
            opcode: Opcode(first & 0x3f),
            initiator_task_tag: InitiatorTaskTag(u32::from_be_bytes(*tag)),
        })
    }
}

/// What a Reject contains of the PDU that it rejects (RFC 7143 11.17.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RejectedHeader {
    /// Its opcode.
    pub opcode: Opcode,
    /// Its Initiator Task Tag.
    pub initiator_task_tag: InitiatorTaskTag,
}

/// NOP-Out, opcode 0x00 (RFC 7143 11.18).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NopOut {
    /// I: delivered immediately, outside the numbering. Byte 0, bit 1 (11.2.1.1).
    pub immediate: bool,
    /// LUN, copied from the NOP-In that this answers. Bytes 8-15 (11.18.2).
    pub lun: Lun,
    /// Initiator Task Tag, reserved unless a NOP-In is wanted in answer. Bytes 16-19 (11.18.1).
    pub initiator_task_tag: InitiatorTaskTag,
    /// Target Transfer Tag of the NOP-In that this answers, else reserved. Bytes 20-23 (11.18.2).
    pub target_transfer_tag: TargetTransferTag,
    /// CmdSN. Bytes 24-27 (11.3.2).
    pub cmd_sn: CmdSn,
    /// ExpStatSN. Bytes 28-31 (11.3.3).
    pub exp_stat_sn: StatSn,
    /// Ping data (11.18.3).
    pub data: Bytes,
}

/// NOP-In, opcode 0x20 (RFC 7143 11.19).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NopIn {
    /// LUN, to be copied with the Target Transfer Tag. Bytes 8-15 (11.19.3).
    pub lun: Lun,
    /// Initiator Task Tag of the NOP-Out that this answers, else reserved. Bytes 16-19 (11.2.1.8).
    pub initiator_task_tag: InitiatorTaskTag,
    /// Target Transfer Tag to be copied to the answer; reserved when none is wanted. Bytes 20-23 (11.19.1).
    pub target_transfer_tag: TargetTransferTag,
    /// StatSN; the next to come when the Initiator Task Tag is reserved. Bytes 24-27 (11.19.2).
    pub stat_sn: StatSn,
    /// ExpCmdSN. Bytes 28-31 (11.4.10).
    pub exp_cmd_sn: CmdSn,
    /// MaxCmdSN. Bytes 32-35 (11.4.11).
    pub max_cmd_sn: CmdSn,
    /// Ping data returned (11.18.3).
    pub data: Bytes,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iscsi::ids::CmdSn;

    fn reject(data: &[u8]) -> Reject {
        Reject {
            reason: RejectReason::PROTOCOL_ERROR,
            stat_sn: StatSn(0),
            exp_cmd_sn: CmdSn(0),
            max_cmd_sn: CmdSn(0),
            data_sn: 0,
            data: Bytes::copy_from_slice(data),
        }
    }

    #[test]
    fn a_reject_names_the_pdu_whose_header_it_carries() {
        let mut header = [0; 48];
        header[0] = 0x41;
        header[16..20].copy_from_slice(&[0, 0, 1, 2]);
        assert_eq!(
            reject(&header).rejected_header(),
            Some(RejectedHeader {
                opcode: Opcode::SCSI_COMMAND,
                initiator_task_tag: InitiatorTaskTag(0x102)
            })
        );
    }

    #[test]
    fn a_reject_without_a_whole_header_names_nothing() {
        assert_eq!(reject(&[0x41; 19]).rejected_header(), None);
    }
}
