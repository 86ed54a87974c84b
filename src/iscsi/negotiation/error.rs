//! How a negotiation fails.

use thiserror::Error;

use crate::iscsi::pdu::Stage;
use crate::iscsi::text::ReceivedText;

/// What the peer did against the rules of a negotiation, or what the two sides cannot agree on.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NegotiationError {
    /// The key may not be used in this stage (6.3), or its exchange is not under way (12.1).
    #[error("{key} may not be sent in the {stage:?} stage at this point")]
    OutOfPlace {
        /// The key.
        key: &'static str,
        /// The stage.
        stage: Stage,
    },
    /// The key is not for this sender (13).
    #[error("{key} may only be sent by the other side")]
    WrongSender {
        /// The key.
        key: &'static str,
    },
    /// The key was settled before (6.3).
    #[error("{key} was settled before and came again as {received}")]
    Repeated {
        /// The key.
        key: &'static str,
        /// The later value.
        received: ReceivedText,
    },
    /// Reject, Irrelevant or NotUnderstood came for a key that was never proposed (6.2).
    #[error("{key} was answered with {received}, but it was not proposed")]
    AnswerWithoutProposal {
        /// The key.
        key: ReceivedText,
        /// The value.
        received: ReceivedText,
    },
    /// NotUnderstood came for a key that everybody has to understand (6.2).
    #[error("{key} was answered with NotUnderstood, but every iSCSI node has to understand it")]
    NotUnderstood {
        /// The key.
        key: &'static str,
    },
    /// The value is not of the form of its key (6.1).
    #[error("{key}: expected {expected}, received {received}")]
    Malformed {
        /// The key.
        key: &'static str,
        /// The form that was expected.
        expected: &'static str,
        /// The value.
        received: ReceivedText,
    },
    /// The number is outside of the range of its key (13).
    #[error("{key}: expected a number from {min} to {max}, received {received}")]
    OutOfRange {
        /// The key.
        key: &'static str,
        /// The smallest legal value.
        min: u32,
        /// The largest legal value.
        max: u32,
        /// The value.
        received: u64,
    },
    /// The selected value does not follow from the offer by the result function of the key (6.2.1, 6.2.2).
    #[error("{key}: {offered} was offered, and {received} cannot be selected from that")]
    NotSelectable {
        /// The key.
        key: &'static str,
        /// What this side offered.
        offered: String,
        /// What the peer selected.
        received: ReceivedText,
    },
    /// Nothing that this side offered is in force; neither side broke a rule.
    #[error("{key}: {offered} was offered, and no value of it was agreed on")]
    NoCommonValue {
        /// The key.
        key: &'static str,
        /// What this side offered.
        offered: String,
    },
    /// The agreed FirstBurstLength exceeds the agreed MaxBurstLength (13.14).
    #[error(
        "FirstBurstLength {first_burst_length} was selected, which exceeds MaxBurstLength {max_burst_length}"
    )]
    FirstBurstExceedsMaxBurst {
        /// FirstBurstLength, in bytes.
        first_burst_length: u32,
        /// MaxBurstLength, in bytes.
        max_burst_length: u32,
    },
}

impl NegotiationError {
    /// Returns the key that the error is in.
    pub fn key(&self) -> &str {
        match self {
            Self::OutOfPlace { key, .. }
            | Self::WrongSender { key }
            | Self::Repeated { key, .. }
            | Self::NotUnderstood { key }
            | Self::Malformed { key, .. }
            | Self::OutOfRange { key, .. }
            | Self::NotSelectable { key, .. }
            | Self::NoCommonValue { key, .. } => key,
            Self::AnswerWithoutProposal { key, .. } => &key.0,
            Self::FirstBurstExceedsMaxBurst { .. } => "FirstBurstLength",
        }
    }
}
