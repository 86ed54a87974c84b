//! How a login fails at the target, and the status that the Login Response carries.

use crate::iscsi::chap::ChapError;
use crate::iscsi::ids::LoginStatus;
use crate::iscsi::name::IscsiNameError;
use crate::iscsi::negotiation::NegotiationError;
use crate::iscsi::pdu::{Opcode, Stage};
use crate::iscsi::text::{ReceivedText, TextError};

/// Why a login is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginFailure {
    /// The caller refuses it.
    #[error("the login is refused with status {0}{name}", name = status_name(*.0))]
    Refused(LoginStatus),
    /// The caller sends the initiator to another address (11.13.5).
    #[error("the initiator is sent to another address")]
    Redirected {
        /// Whether the target has moved for good.
        permanent: bool,
    },
    /// Anything but a Login Request (11.13.5).
    #[error("expected a Login Request, received a {opcode} PDU")]
    UnexpectedPdu {
        /// What was received.
        opcode: Opcode,
    },
    /// No version in the initiator's range is supported (11.12.4).
    #[error("expected a range of versions with 0 in it, received {min} as the lowest")]
    Version {
        /// Version-min received.
        min: u8,
    },
    /// A name that the first request has to carry is missing or empty (6.3).
    #[error("the first login request has no {key}")]
    MissingName {
        /// The key.
        key: &'static str,
    },
    /// A name is none that an iSCSI node can have (4.2.7).
    #[error("{key}: {error}")]
    InvalidName {
        /// The key.
        key: &'static str,
        /// What is wrong with it.
        error: IscsiNameError,
    },
    /// SessionType is neither Normal nor Discovery (13.21).
    #[error("SessionType: expected Normal or Discovery, received {received}")]
    SessionType {
        /// The value.
        received: ReceivedText,
    },
    /// A header field differs from the one of the first request (11.12).
    #[error("the login request has {field} {received:#x}, expected {expected:#x}")]
    Field {
        /// The field, by its name in 11.12.
        field: &'static str,
        /// The value of the first request.
        expected: u64,
        /// The value received.
        received: u64,
    },
    /// NSG does not lie behind CSG (6.3).
    #[error("the login request asks to go from stage {from:?} to {to:?}")]
    Transition {
        /// CSG.
        from: Stage,
        /// NSG.
        to: Stage,
    },
    /// T and C bit are both set (11.12.2).
    #[error("the login request leaves its stage while its text is not complete")]
    TransitWithContinue,
    /// Text came while the rest of the last response was still to be fetched (6.2).
    #[error("the login request brings text before the response was fetched to its end")]
    TextWhileFetching,
    /// The text of a request is malformed.
    #[error("the text of the login request is malformed: {0}")]
    Text(#[from] TextError),
    /// A key was used against the rules of negotiation.
    #[error("the login negotiation failed: {0}")]
    Negotiation(#[from] NegotiationError),
    /// The initiator skips the authentication that is required.
    #[error("CHAP is required, and the initiator does not offer it")]
    AuthenticationRequired,
    /// The initiator insists on an authentication for which there is no secret.
    #[error("AuthMethod: {offered} was offered, and no authentication is set up")]
    NoCommonAuthMethod {
        /// The offered list.
        offered: ReceivedText,
    },
    /// CHAP failed.
    #[error("CHAP failed: {0}")]
    Chap(#[from] ChapError),
    /// The initiator does not come to an end.
    #[error("the login did not end within {limit} requests")]
    TooManyExchanges {
        /// The limit.
        limit: u32,
    },
}

impl LoginFailure {
    /// Returns the status that the Login Response carries (11.13.5).
    #[must_use]
    pub const fn status(&self) -> LoginStatus {
        match self {
            Self::Refused(status) => *status,
            Self::Redirected { permanent: false } => LoginStatus::new(1, 1),
            Self::Redirected { permanent: true } => LoginStatus::new(1, 2),
            Self::AuthenticationRequired | Self::NoCommonAuthMethod { .. } | Self::Chap(_) => {
                LoginStatus::new(2, 1)
            }
            Self::Version { .. } => LoginStatus::new(2, 5),
            Self::MissingName { .. } => LoginStatus::new(2, 7),
            Self::SessionType { .. } => LoginStatus::new(2, 9),
            Self::UnexpectedPdu { .. } => LoginStatus::new(2, 0x0b),
            Self::InvalidName { .. }
            | Self::Field { .. }
            | Self::Transition { .. }
            | Self::TransitWithContinue
            | Self::TextWhileFetching
            | Self::Text(_)
            | Self::Negotiation(_)
            | Self::TooManyExchanges { .. } => LoginStatus::new(2, 0),
        }
    }
}

fn status_name(status: LoginStatus) -> String {
    status
        .name()
        .map_or_else(String::new, |name| format!(" ({name})"))
}
