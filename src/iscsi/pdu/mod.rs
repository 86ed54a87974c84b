//! Every PDU of RFC 7143 section 11 as plain data; [`Pdu`] is their sum.
//!
//! A field is named as in the standard and says where it stands: byte, bit (0 is the high-order bit) and section. Fields
//! that the standard declares reserved are not kept; a field that is valid only under a condition is inside an `Option`
//! or an enum where that says it best. `data` is the data segment without its padding.

use bytes::Bytes;

mod codes;
mod control;
mod login;
mod task;

pub use codes::{
    AsyncEvent, LogoutOutcome, LogoutReason, Opcode, RejectReason, ServiceResponse, SnackType,
    TaskAttribute, TaskManagementFunction, TaskManagementOutcome,
};
pub use control::{
    AsyncMessage, LogoutRequest, LogoutResponse, NopIn, NopOut, Reject, RejectedHeader,
    SnackRequest, TextRequest, TextResponse,
};
pub use login::{LoginRequest, LoginResponse, Stage};
pub use task::{
    DataIn, DataInStatus, DataOut, R2t, ReceivedSense, Residual, ScsiCommand, ScsiResponse,
    SenseCutShort, TaskManagementRequest, TaskManagementResponse,
};

/// One PDU, either direction (RFC 7143 11.2.1.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pdu {
    /// 0x00, from the initiator.
    NopOut(NopOut),
    /// 0x01, from the initiator.
    ScsiCommand(ScsiCommand),
    /// 0x02, from the initiator.
    TaskManagementRequest(TaskManagementRequest),
    /// 0x03, from the initiator.
    LoginRequest(LoginRequest),
    /// 0x04, from the initiator.
    TextRequest(TextRequest),
    /// 0x05, from the initiator.
    DataOut(DataOut),
    /// 0x06, from the initiator.
    LogoutRequest(LogoutRequest),
    /// 0x10, from the initiator.
    SnackRequest(SnackRequest),
    /// 0x20, from the target.
    NopIn(NopIn),
    /// 0x21, from the target.
    ScsiResponse(ScsiResponse),
    /// 0x22, from the target.
    TaskManagementResponse(TaskManagementResponse),
    /// 0x23, from the target.
    LoginResponse(LoginResponse),
    /// 0x24, from the target.
    TextResponse(TextResponse),
    /// 0x25, from the target.
    DataIn(DataIn),
    /// 0x26, from the target.
    LogoutResponse(LogoutResponse),
    /// 0x31, from the target.
    R2t(R2t),
    /// 0x32, from the target.
    AsyncMessage(AsyncMessage),
    /// 0x3f, from the target.
    Reject(Reject),
}

impl Pdu {
    /// Returns the PDU's opcode, which prints as the PDU's name.
    #[must_use]
    pub const fn opcode(&self) -> Opcode {
        match self {
            Self::NopOut(_) => Opcode::NOP_OUT,
            Self::ScsiCommand(_) => Opcode::SCSI_COMMAND,
            Self::TaskManagementRequest(_) => Opcode::TASK_MANAGEMENT_REQUEST,
            Self::LoginRequest(_) => Opcode::LOGIN_REQUEST,
            Self::TextRequest(_) => Opcode::TEXT_REQUEST,
            Self::DataOut(_) => Opcode::DATA_OUT,
            Self::LogoutRequest(_) => Opcode::LOGOUT_REQUEST,
            Self::SnackRequest(_) => Opcode::SNACK_REQUEST,
            Self::NopIn(_) => Opcode::NOP_IN,
            Self::ScsiResponse(_) => Opcode::SCSI_RESPONSE,
            Self::TaskManagementResponse(_) => Opcode::TASK_MANAGEMENT_RESPONSE,
            Self::LoginResponse(_) => Opcode::LOGIN_RESPONSE,
            Self::TextResponse(_) => Opcode::TEXT_RESPONSE,
            Self::DataIn(_) => Opcode::DATA_IN,
            Self::LogoutResponse(_) => Opcode::LOGOUT_RESPONSE,
            Self::R2t(_) => Opcode::R2T,
            Self::AsyncMessage(_) => Opcode::ASYNC_MESSAGE,
            Self::Reject(_) => Opcode::REJECT,
        }
    }

    /// Returns the data segment without its padding; `None` for a PDU that never has one.
    #[must_use]
    pub const fn data(&self) -> Option<&Bytes> {
        match self {
            Self::NopOut(pdu) => Some(&pdu.data),
            Self::ScsiCommand(pdu) => Some(&pdu.data),
            Self::LoginRequest(pdu) => Some(&pdu.data),
            Self::TextRequest(pdu) => Some(&pdu.data),
            Self::DataOut(pdu) => Some(&pdu.data),
            Self::NopIn(pdu) => Some(&pdu.data),
            Self::ScsiResponse(pdu) => Some(&pdu.data),
            Self::LoginResponse(pdu) => Some(&pdu.data),
            Self::TextResponse(pdu) => Some(&pdu.data),
            Self::DataIn(pdu) => Some(&pdu.data),
            Self::AsyncMessage(pdu) => Some(&pdu.data),
            Self::Reject(pdu) => Some(&pdu.data),
            Self::TaskManagementRequest(_)
            | Self::TaskManagementResponse(_)
            | Self::LogoutRequest(_)
            | Self::LogoutResponse(_)
            | Self::R2t(_)
            | Self::SnackRequest(_) => None,
        }
    }
}
