//! Departures of a target from RFC 7143 where no data and no security is at stake: tolerated, and reported.
//!
//! What could hide wrong data or a wrong peer is an error instead, of [`LoginError`](super::login::LoginError) or
//! [`SessionError`](super::initiator::SessionError).

use serde::{Deserialize, Serialize};

use super::ids::StatSn;
use super::text::ReceivedText;

/// The most departures that are kept of one target, so that it cannot make the list grow without end.
pub const MAX_DEPARTURES: usize = 32;

/// One departure of a target from the letter of RFC 7143; [`section`](Self::section) names the rule.
///
/// Key names have passed the form of 6.1, so they are printable ASCII of at most 63 bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "kebab-case")]
pub enum Departure {
    /// The target brought up a key that the standard has obsoleted (13.25).
    ObsoleteKey {
        /// IFMarker, OFMarker, IFMarkInt or OFMarkInt.
        key: String,
    },
    /// A response that leaves its stage has a key that needs an answer, which can no longer be given (6.3).
    ProposalAtTransit {
        /// The key: X- or unknown, TaskReporting, iSCSIProtocolLevel, or one of no meaning in this type of session.
        key: String,
    },
    /// A key was answered Reject, Irrelevant or NotUnderstood that was never proposed (6.2).
    AnswerWithoutProposal {
        /// The key.
        key: String,
    },
    /// A key came twice with the same value (6.3).
    RepeatedKey {
        /// The key.
        key: String,
    },
    /// The target sent one of the initiator's own keys back, as the initiator had sent it (13.4, 13.5, 13.21).
    EchoedKey {
        /// InitiatorName, TargetName or SessionType.
        key: String,
    },
    /// A value is followed by blanks (6.1).
    TrailingBlanks {
        /// The key.
        key: String,
    },
    /// The last pair is not followed by a NUL (6.1).
    MissingLastNul,
    /// Two NULs follow each other before the last pair (6.1).
    DoubledNul,
    /// TargetAlias is not UTF-8 (13.6).
    AliasNotUtf8,
    /// TargetAlias is longer than a value may be; it was cut (6.1).
    AliasTooLong {
        /// The length received, in bytes.
        received: u64,
    },
    /// A response before the last has a TSIH (11.13.3).
    EarlyTsih {
        /// The TSIH.
        received: u16,
    },
    /// StatSN did not advance between two Login Responses (11.13.4).
    ConstantStatSn,
    /// The target did not declare TargetPortalGroupTag (13.9).
    MissingPortalGroupTag,
    /// TargetPortalGroupTag is not a number from 0 to 65535 (13.9).
    InvalidPortalGroupTag {
        /// The value.
        received: ReceivedText,
    },
    /// DefaultTime2Wait or DefaultTime2Retain does not follow from the offer (13.15, 13.16). At ErrorRecoveryLevel 0 no
    /// task outlives its connection, so nothing depends on it.
    OutsideOffer {
        /// The key.
        key: String,
        /// What was offered, in seconds.
        offered: u32,
        /// What the target selected, in seconds.
        received: u32,
    },
    /// Responses came out of the order of their StatSN (4.2.2.2).
    StatSnOutOfOrder {
        /// The number that was due.
        expected: StatSn,
        /// The number that came.
        received: StatSn,
    },
    /// A TargetAddress holds an IPv6 address without brackets (13.8).
    BareIpv6Address {
        /// The address.
        received: String,
    },
    /// The Residual Count of a response contradicts the transfer; what was transferred counts (11.4.5).
    ResidualMismatch {
        /// The residual that follows from the transfer, in bytes: what was expected and did not come.
        expected: u32,
        /// The Residual Count received, in bytes.
        received: u32,
    },
    /// Sense data is not preceded by SenseLength (11.4.7).
    SenseWithoutLength,
    /// A PDU of a task came behind the answer to its abort; it is discarded (4.2.3.4).
    ResponseAfterAbort,
}

impl Departure {
    /// Returns the stable code of the departure, as in its serialized form.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::ObsoleteKey { .. } => "obsolete-key",
            Self::ProposalAtTransit { .. } => "proposal-at-transit",
            Self::AnswerWithoutProposal { .. } => "answer-without-proposal",
            Self::RepeatedKey { .. } => "repeated-key",
            Self::EchoedKey { .. } => "echoed-key",
            Self::TrailingBlanks { .. } => "trailing-blanks",
            Self::MissingLastNul => "missing-last-nul",
            Self::DoubledNul => "doubled-nul",
            Self::AliasNotUtf8 => "alias-not-utf8",
            Self::AliasTooLong { .. } => "alias-too-long",
            Self::EarlyTsih { .. } => "early-tsih",
            Self::ConstantStatSn => "constant-stat-sn",
            Self::MissingPortalGroupTag => "missing-portal-group-tag",
            Self::InvalidPortalGroupTag { .. } => "invalid-portal-group-tag",
            Self::OutsideOffer { .. } => "outside-offer",
            Self::StatSnOutOfOrder { .. } => "stat-sn-out-of-order",
            Self::BareIpv6Address { .. } => "bare-ipv6-address",
            Self::ResidualMismatch { .. } => "residual-mismatch",
            Self::SenseWithoutLength => "sense-without-length",
            Self::ResponseAfterAbort => "response-after-abort",
        }
    }

    /// Returns the section of RFC 7143 that the target departs from.
    pub fn section(&self) -> &'static str {
        match self {
            Self::ObsoleteKey { .. } => "13.25",
            Self::ProposalAtTransit { .. } | Self::RepeatedKey { .. } => "6.3",
            Self::AnswerWithoutProposal { .. } => "6.2",
            Self::EchoedKey { key } if key == "InitiatorName" => "13.5",
            Self::EchoedKey { key } if key == "TargetName" => "13.4",
            Self::EchoedKey { .. } => "13.21",
            Self::TrailingBlanks { .. }
            | Self::MissingLastNul
            | Self::DoubledNul
            | Self::AliasTooLong { .. } => "6.1",
            Self::AliasNotUtf8 => "13.6",
            Self::EarlyTsih { .. } => "11.13.3",
            Self::ConstantStatSn => "11.13.4",
            Self::MissingPortalGroupTag | Self::InvalidPortalGroupTag { .. } => "13.9",
            Self::OutsideOffer { key, .. } if key == "DefaultTime2Wait" => "13.15",
            Self::OutsideOffer { .. } => "13.16",
            Self::StatSnOutOfOrder { .. } => "4.2.2.2",
            Self::BareIpv6Address { .. } => "13.8",
            Self::ResidualMismatch { .. } => "11.4.5",
            Self::SenseWithoutLength => "11.4.7",
            Self::ResponseAfterAbort => "4.2.3.4",
        }
    }

    /// Returns the key that the departure is in; none when it is in no single key.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::ObsoleteKey { key }
            | Self::ProposalAtTransit { key }
            | Self::AnswerWithoutProposal { key }
            | Self::RepeatedKey { key }
            | Self::EchoedKey { key }
            | Self::TrailingBlanks { key }
            | Self::OutsideOffer { key, .. } => Some(key),
            Self::AliasNotUtf8 | Self::AliasTooLong { .. } => Some("TargetAlias"),
            Self::MissingPortalGroupTag | Self::InvalidPortalGroupTag { .. } => {
                Some("TargetPortalGroupTag")
            }
            Self::BareIpv6Address { .. } => Some("TargetAddress"),
            Self::MissingLastNul
            | Self::DoubledNul
            | Self::EarlyTsih { .. }
            | Self::ConstantStatSn
            | Self::StatSnOutOfOrder { .. }
            | Self::ResidualMismatch { .. }
            | Self::SenseWithoutLength
            | Self::ResponseAfterAbort => None,
        }
    }
}

/// The departures of one login in the order in which they were first seen, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Departures(Vec<Departure>);

impl Departures {
    /// Adds a departure, unless it is there or the list is full.
    pub fn note(&mut self, departure: Departure) {
        if self.0.len() < MAX_DEPARTURES && !self.0.contains(&departure) {
            self.0.push(departure);
        }
    }

    /// Adds the departures of another list.
    pub fn extend(&mut self, other: Self) {
        for departure in other.0 {
            self.note(departure);
        }
    }

    /// Returns the list.
    pub fn into_vec(self) -> Vec<Departure> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> String {
        "DefaultTime2Wait".to_owned()
    }

    fn all() -> Vec<Departure> {
        vec![
            Departure::ObsoleteKey { key: key() },
            Departure::ProposalAtTransit { key: key() },
            Departure::AnswerWithoutProposal { key: key() },
            Departure::RepeatedKey { key: key() },
            Departure::EchoedKey { key: key() },
            Departure::TrailingBlanks { key: key() },
            Departure::MissingLastNul,
            Departure::DoubledNul,
            Departure::AliasNotUtf8,
            Departure::AliasTooLong { received: 300 },
            Departure::EarlyTsih { received: 1 },
            Departure::ConstantStatSn,
            Departure::MissingPortalGroupTag,
            Departure::InvalidPortalGroupTag {
                received: "x".to_owned().into(),
            },
            Departure::OutsideOffer {
                key: key(),
                offered: 2,
                received: 1,
            },
            Departure::StatSnOutOfOrder {
                expected: StatSn(1),
                received: StatSn(2),
            },
            Departure::BareIpv6Address {
                received: "::1".to_owned(),
            },
            Departure::ResidualMismatch {
                expected: 1,
                received: 2,
            },
            Departure::SenseWithoutLength,
            Departure::ResponseAfterAbort,
        ]
    }

    #[test]
    fn a_departure_is_serialized_with_its_code_and_read_back() {
        for departure in all() {
            let json = serde_json::to_value(&departure).unwrap();
            assert_eq!(json["code"], departure.code());
            assert_eq!(
                serde_json::from_value::<Departure>(json).unwrap(),
                departure
            );
        }
    }

    #[test]
    fn each_departure_is_kept_once_and_the_list_is_bounded() {
        let mut departures = Departures::default();
        for n in 0..2 * MAX_DEPARTURES {
            let key = format!("X-{n}");
            departures.note(Departure::ProposalAtTransit { key: key.clone() });
            departures.note(Departure::ProposalAtTransit { key });
        }
        assert_eq!(departures.into_vec().len(), MAX_DEPARTURES);
    }
}
