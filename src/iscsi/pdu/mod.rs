//! Every PDU of RFC 7143 section 11 as plain data; [`Pdu`] is their sum.
//!
//! A field is named as in the standard and says where it stands: byte, bit (0 is the high-order bit) and section. Fields
//! that the standard declares reserved are not kept; a field that is valid only under a condition is inside an `Option`
//! or an enum where that says it best. `data` is the data segment without its padding.

mod codes;
mod control;
mod login;
mod task;

pub use codes::{
    AsyncEvent, LogoutOutcome, LogoutReason, RejectReason, ServiceResponse, SnackType,
    TaskAttribute, TaskManagementFunction, TaskManagementOutcome,
};
pub use control::{
    AsyncMessage, LogoutRequest, LogoutResponse, NopIn, NopOut, Reject, SnackRequest, TextRequest,
    TextResponse,
};
pub use login::{LoginRequest, LoginResponse, Stage};
pub use task::{
    DataIn, DataInStatus, DataOut, R2t, Residual, ScsiCommand, ScsiResponse, TaskManagementRequest,
    TaskManagementResponse,
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
    /// Returns the PDU's name as in the standard's section titles.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::NopOut(_) => "NOP-Out",
            Self::ScsiCommand(_) => "SCSI Command",
            Self::TaskManagementRequest(_) => "Task Management Function Request",
            Self::LoginRequest(_) => "Login Request",
            Self::TextRequest(_) => "Text Request",
            Self::DataOut(_) => "SCSI Data-Out",
            Self::LogoutRequest(_) => "Logout Request",
            Self::SnackRequest(_) => "SNACK Request",
            Self::NopIn(_) => "NOP-In",
            Self::ScsiResponse(_) => "SCSI Response",
            Self::TaskManagementResponse(_) => "Task Management Function Response",
            Self::LoginResponse(_) => "Login Response",
            Self::TextResponse(_) => "Text Response",
            Self::DataIn(_) => "SCSI Data-In",
            Self::LogoutResponse(_) => "Logout Response",
            Self::R2t(_) => "Ready To Transfer",
            Self::AsyncMessage(_) => "Asynchronous Message",
            Self::Reject(_) => "Reject",
        }
    }
}
