//! Where a peer departs from the letter of RFC 7143 and no data and no security is at stake: it is understood, and told.

use super::ids::StatSn;

/// A departure from the standard that was tolerated. Plain data: the words are the reader's.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Departure {
    /// Responses came out of the order of their StatSN.
    StatSnOutOfOrder {
        /// The number that was due.
        expected: StatSn,
        /// The number that came.
        received: StatSn,
    },
    /// A TargetAddress holds an IPv6 address without brackets.
    BareIpv6Address {
        /// The address as sent.
        received: String,
    },
}

impl Departure {
    /// Returns the section of RFC 7143 that it departs from.
    #[must_use]
    pub const fn section(&self) -> &'static str {
        match self {
            Self::StatSnOutOfOrder { .. } => "4.2.2.2",
            Self::BareIpv6Address { .. } => "13.8",
        }
    }
}
