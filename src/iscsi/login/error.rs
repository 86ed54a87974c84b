//! How a login fails.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::address::ParseTargetAddressError;
use crate::iscsi::chap::ChapError;
use crate::iscsi::ids::LoginStatus;
use crate::iscsi::negotiation::NegotiationError;
use crate::iscsi::text::{ReceivedText, TextError};

/// Why a login failed. [`Refused`](Self::Refused) is the target's decision; the `NoCommon` variants and
/// [`Chap`](Self::Chap) may be a matter of configuration; every other variant is a rule that the target broke.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LoginError {
    /// The target refused the login (11.13.5).
    #[error("the target refused the login with status {status}{name}", name = status_name(*.status))]
    Refused {
        /// The status.
        status: LoginStatus,
        /// How far CHAP had come: 0201 concerns the name and the secret only once a response was sent.
        chap: ChapProgress,
    },
    /// The target redirects the login and does not say where to (11.13.5).
    #[error("the target redirects the login with status {status}, but gives no TargetAddress")]
    RedirectWithoutAddress {
        /// The status.
        status: LoginStatus,
    },
    /// The target redirects the login to an address that cannot be read (13.8).
    #[error("the target redirects the login to an address that cannot be read: {0}")]
    RedirectAddress(#[from] ParseTargetAddressError),
    /// A header field does not have the value that it has to have (11.13).
    #[error("the login response has {field} {received:#x}, expected {expected:#x}")]
    Field {
        /// The field, by its name in 11.13.
        field: &'static str,
        /// The value that was expected.
        expected: u64,
        /// The value received.
        received: u64,
    },
    /// The T bit is set, and the request did not have it set (11.13.6).
    #[error("the target leaves the stage of the login without being asked to")]
    TransitNotRequested,
    /// T and C bit are both set (11.13.7).
    #[error("the login response leaves its stage while its text is not complete")]
    TransitWithContinue,
    /// The final response has no TSIH (11.13.3).
    #[error("the final login response has TSIH 0")]
    NoTsih,
    /// The text of a response is malformed.
    #[error("the text of the login response is malformed: {0}")]
    Text(#[from] TextError),
    /// A key was used against the rules of negotiation.
    #[error("the login negotiation failed: {0}")]
    Negotiation(#[from] NegotiationError),
    /// The target selected an authentication method that was not offered (12.1).
    #[error("AuthMethod: {offered} was offered, but the target selected {received}")]
    AuthMethodNotOffered {
        /// The offered list.
        offered: &'static str,
        /// The method selected.
        received: ReceivedText,
    },
    /// The target accepts none of the offered authentication methods.
    #[error("AuthMethod: {offered} was offered, and the target accepts none of it")]
    NoCommonAuthMethod {
        /// The offered list.
        offered: &'static str,
    },
    /// CHAP failed on this side; a secret that the target does not accept is [`Refused`](Self::Refused) instead.
    #[error("CHAP failed: {0}")]
    Chap(#[from] ChapError),
    /// The target does not come to an end.
    #[error("the login did not end within {limit} requests")]
    TooManyExchanges {
        /// The limit.
        limit: u32,
    },
    /// The target proposes so many keys that the answers do not fit in one request.
    #[error("the answers to the target's keys take {needed} bytes, a login request holds {limit}")]
    TooMuchToAnswer {
        /// The limit, in bytes.
        limit: usize,
        /// The length of the answers, in bytes.
        needed: usize,
    },
}

/// How far CHAP had come when a login ended (12.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum ChapProgress {
    /// CHAP was not offered, or the target did not select it.
    NotUsed,
    /// AuthMethod was sent with CHAP in it, and not answered.
    MethodOffered,
    /// CHAP_A was sent, and not answered: no name and no response has left this side.
    AlgorithmsOffered,
    /// CHAP_N and CHAP_R were sent.
    ResponseSent {
        /// Whether the target was challenged as well.
        mutual: bool,
    },
}

/// A rule of RFC 7143 that the target broke in a login, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProtocolFault {
    /// The key; none when the fault is in no single key. To be escaped before it is shown.
    pub key: Option<String>,
}

impl LoginError {
    /// Returns the rule that the target broke; none when the error is its decision or a matter of configuration.
    pub fn protocol_fault(&self) -> Option<ProtocolFault> {
        let key = match self {
            Self::Refused { .. } | Self::NoCommonAuthMethod { .. } => return None,
            Self::Negotiation(NegotiationError::NoCommonValue { .. }) => return None,
            Self::Chap(error) => Some(error.broken_key()?),
            Self::Negotiation(error) => Some(error.key()),
            Self::Text(error) => error.key(),
            Self::RedirectWithoutAddress { .. } | Self::RedirectAddress(_) => Some("TargetAddress"),
            Self::AuthMethodNotOffered { .. } => Some("AuthMethod"),
            Self::Field { .. }
            | Self::TransitNotRequested
            | Self::TransitWithContinue
            | Self::NoTsih
            | Self::TooManyExchanges { .. }
            | Self::TooMuchToAnswer { .. } => None,
        };
        Some(ProtocolFault {
            key: key.map(str::to_owned),
        })
    }
}

fn status_name(status: LoginStatus) -> String {
    status
        .name()
        .map_or_else(String::new, |name| format!(" ({name})"))
}
