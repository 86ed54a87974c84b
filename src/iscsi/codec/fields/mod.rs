//! Every field of every PDU at its place in the Basic Header Segment (RFC 7143 section 11).

mod control;
mod login;
mod task;

use bytes::Bytes;

use super::CodecError;
use super::header::BasicHeaderSegment;
use crate::iscsi::ids::{CmdSn, InitiatorTaskTag, Lun, StatSn, TargetTransferTag};
use crate::iscsi::pdu::{
    AsyncMessage, DataIn, DataOut, LoginRequest, LoginResponse, LogoutRequest, LogoutResponse,
    NopIn, NopOut, Opcode, Pdu, R2t, Reject, ScsiCommand, ScsiResponse, SnackRequest,
    TaskManagementRequest, TaskManagementResponse, TextRequest, TextResponse,
};

/// I, byte 0: immediate delivery.
const IMMEDIATE: u8 = 0x40;
/// F or T, byte 1.
const FINAL: u8 = 0x80;
/// C of text and login PDUs, byte 1.
const CONTINUE: u8 = 0x40;

/// Returns the PDU's header, its two length fields still zero.
pub(super) fn encode(pdu: &Pdu) -> BasicHeaderSegment {
    match pdu {
        Pdu::NopOut(pdu) => pdu.to_bhs(),
        Pdu::ScsiCommand(pdu) => pdu.to_bhs(),
        Pdu::TaskManagementRequest(pdu) => pdu.to_bhs(),
        Pdu::LoginRequest(pdu) => pdu.to_bhs(),
        Pdu::TextRequest(pdu) => pdu.to_bhs(),
        Pdu::DataOut(pdu) => pdu.to_bhs(),
        Pdu::LogoutRequest(pdu) => pdu.to_bhs(),
        Pdu::SnackRequest(pdu) => pdu.to_bhs(),
        Pdu::NopIn(pdu) => pdu.to_bhs(),
        Pdu::ScsiResponse(pdu) => pdu.to_bhs(),
        Pdu::TaskManagementResponse(pdu) => pdu.to_bhs(),
        Pdu::LoginResponse(pdu) => pdu.to_bhs(),
        Pdu::TextResponse(pdu) => pdu.to_bhs(),
        Pdu::DataIn(pdu) => pdu.to_bhs(),
        Pdu::LogoutResponse(pdu) => pdu.to_bhs(),
        Pdu::R2t(pdu) => pdu.to_bhs(),
        Pdu::AsyncMessage(pdu) => pdu.to_bhs(),
        Pdu::Reject(pdu) => pdu.to_bhs(),
    }
}

/// Returns the PDU of a header, its additional segments and its data.
pub(super) fn decode(bhs: &BasicHeaderSegment, ahs: &[u8], data: Bytes) -> Result<Pdu, CodecError> {
    if bhs.opcode() != Opcode::SCSI_COMMAND && !ahs.is_empty() {
        return Err(CodecError::UnexpectedAhs {
            opcode: bhs.opcode(),
            received: ahs.len(),
        });
    }
    let no_data = match data.len() {
        0 => Ok(()),
        received => Err(CodecError::UnexpectedData {
            opcode: bhs.opcode(),
            received,
        }),
    };
    Ok(match bhs.opcode() {
        Opcode::NOP_OUT => Pdu::NopOut(NopOut::from_bhs(bhs, data)),
        Opcode::SCSI_COMMAND => Pdu::ScsiCommand(ScsiCommand::from_bhs(bhs, ahs, data)?),
        Opcode::TASK_MANAGEMENT_REQUEST => {
            no_data?;
            Pdu::TaskManagementRequest(TaskManagementRequest::from_bhs(bhs))
        }
        Opcode::LOGIN_REQUEST => Pdu::LoginRequest(LoginRequest::from_bhs(bhs, data)?),
        Opcode::TEXT_REQUEST => Pdu::TextRequest(TextRequest::from_bhs(bhs, data)),
        Opcode::DATA_OUT => Pdu::DataOut(DataOut::from_bhs(bhs, data)),
        Opcode::LOGOUT_REQUEST => {
            no_data?;
            Pdu::LogoutRequest(LogoutRequest::from_bhs(bhs))
        }
        Opcode::SNACK_REQUEST => {
            no_data?;
            Pdu::SnackRequest(SnackRequest::from_bhs(bhs))
        }
        Opcode::NOP_IN => Pdu::NopIn(NopIn::from_bhs(bhs, data)),
        Opcode::SCSI_RESPONSE => Pdu::ScsiResponse(ScsiResponse::from_bhs(bhs, data)?),
        Opcode::TASK_MANAGEMENT_RESPONSE => {
            no_data?;
            Pdu::TaskManagementResponse(TaskManagementResponse::from_bhs(bhs))
        }
        Opcode::LOGIN_RESPONSE => Pdu::LoginResponse(LoginResponse::from_bhs(bhs, data)?),
        Opcode::TEXT_RESPONSE => Pdu::TextResponse(TextResponse::from_bhs(bhs, data)),
        Opcode::DATA_IN => Pdu::DataIn(DataIn::from_bhs(bhs, data)?),
        Opcode::LOGOUT_RESPONSE => {
            no_data?;
            Pdu::LogoutResponse(LogoutResponse::from_bhs(bhs))
        }
        Opcode::R2T => {
            no_data?;
            Pdu::R2t(R2t::from_bhs(bhs))
        }
        Opcode::ASYNC_MESSAGE => Pdu::AsyncMessage(AsyncMessage::from_bhs(bhs, data)),
        Opcode::REJECT => Pdu::Reject(Reject::from_bhs(bhs, data)),
        opcode => return Err(CodecError::UnknownOpcode { opcode }),
    })
}

/// The fields that stand at the same place in every PDU that has them.
impl BasicHeaderSegment {
    /// Starts the header of a request that may be immediate.
    fn request(opcode: Opcode, immediate: bool) -> Self {
        Self::new(opcode).set_u8::<0>(opcode.0 | flag(immediate, IMMEDIATE))
    }

    /// Starts the header of a target's PDU with its three sequence numbers.
    fn response(opcode: Opcode, stat_sn: StatSn, exp_cmd_sn: CmdSn, max_cmd_sn: CmdSn) -> Self {
        Self::new(opcode)
            .set_u8::<1>(FINAL)
            .set_u32::<24>(stat_sn.0)
            .set_u32::<28>(exp_cmd_sn.0)
            .set_u32::<32>(max_cmd_sn.0)
    }

    fn set_lun(self, lun: Lun) -> Self {
        self.set::<8, 8>(lun.0)
    }

    fn set_initiator_task_tag(self, tag: InitiatorTaskTag) -> Self {
        self.set_u32::<16>(tag.0)
    }

    fn set_target_transfer_tag(self, tag: TargetTransferTag) -> Self {
        self.set_u32::<20>(tag.0)
    }

    fn set_cmd_sn(self, cmd_sn: CmdSn) -> Self {
        self.set_u32::<24>(cmd_sn.0)
    }

    fn set_exp_stat_sn(self, exp_stat_sn: StatSn) -> Self {
        self.set_u32::<28>(exp_stat_sn.0)
    }

    fn immediate(&self) -> bool {
        self.u8_at::<0>() & IMMEDIATE != 0
    }

    /// Returns whether any bit of `mask` is set in byte 1.
    fn flag(&self, mask: u8) -> bool {
        self.u8_at::<1>() & mask != 0
    }

    fn lun(&self) -> Lun {
        Lun(self.array_at::<8, 8>())
    }

    fn initiator_task_tag(&self) -> InitiatorTaskTag {
        InitiatorTaskTag(self.u32_at::<16>())
    }

    fn target_transfer_tag(&self) -> TargetTransferTag {
        TargetTransferTag(self.u32_at::<20>())
    }

    fn cmd_sn(&self) -> CmdSn {
        CmdSn(self.u32_at::<24>())
    }

    fn stat_sn(&self) -> StatSn {
        StatSn(self.u32_at::<24>())
    }

    fn exp_stat_sn(&self) -> StatSn {
        StatSn(self.u32_at::<28>())
    }

    fn exp_cmd_sn(&self) -> CmdSn {
        CmdSn(self.u32_at::<28>())
    }

    fn max_cmd_sn(&self) -> CmdSn {
        CmdSn(self.u32_at::<32>())
    }
}

const fn flag(set: bool, mask: u8) -> u8 {
    if set { mask } else { 0 }
}
