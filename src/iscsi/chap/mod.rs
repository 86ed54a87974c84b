//! The Challenge Handshake Authentication Protocol in a login (RFC 7143, sections 9.2.1 and 12.1.3; RFC 1994).
//!
//! ```text
//! initiator                              target
//! CHAP_A=<A1,A2..>                  -->                             ChapInitiator::offer
//!                                   <--  CHAP_A CHAP_I CHAP_C       ChapTarget::challenge
//! CHAP_N CHAP_R [CHAP_I CHAP_C]     -->                             ChapInitiator::answer
//!                                   <--  [CHAP_N CHAP_R]            ChapChallenged::verify
//!                                                                   ChapAnswered::finish
//! ```
//!
//! A step consumes its state, so none can be taken twice, and a side has authenticated its peer only when its last step
//! has returned an outcome.

use std::fmt;
use std::str::FromStr;

use md5::Md5;
use sha1::Sha1;
use sha2::Sha256;
use sha3::Sha3_256;
use sha3::digest::Digest;
use thiserror::Error;

use super::secret::Secret;
use super::text::{self, BinaryError, ReceivedText, TextPairs};

mod initiator;
mod target;

pub use initiator::{ChapAnswered, ChapInitiator, MutualChap};
pub use target::{ChapChallenged, ChapTarget};

/// The most bytes that a challenge or a response may have (12.1.3).
pub const MAX_BINARY_LENGTH: usize = 1024;

/// The bytes of a challenge that this implementation makes: as many as the longest digest has.
pub const CHALLENGE_LENGTH: usize = 32;

/// A CHAP algorithm, by its number in the IANA registry of PPP authentication algorithms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChapAlgorithm {
    /// 5: MD5, which every initiator offers and every target implements (12.1.3).
    Md5,
    /// 6: SHA-1.
    Sha1,
    /// 7: SHA-256.
    Sha256,
    /// 8: SHA3-256.
    Sha3_256,
}

impl ChapAlgorithm {
    /// Every algorithm, by number.
    pub const ALL: [Self; 4] = [Self::Md5, Self::Sha1, Self::Sha256, Self::Sha3_256];

    /// Returns the number of the algorithm.
    pub const fn number(self) -> u8 {
        match self {
            Self::Md5 => 5,
            Self::Sha1 => 6,
            Self::Sha256 => 7,
            Self::Sha3_256 => 8,
        }
    }

    /// Returns the name of the algorithm.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA-256",
            Self::Sha3_256 => "SHA3-256",
        }
    }

    /// Returns the length of a response, in bytes.
    pub const fn response_length(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 | Self::Sha3_256 => 32,
        }
    }

    /// Returns the response to a challenge: the digest of identifier, secret and challenge (RFC 1994 4.1).
    pub fn response(self, identifier: u8, secret: &[u8], challenge: &[u8]) -> Vec<u8> {
        match self {
            Self::Md5 => respond::<Md5>(identifier, secret, challenge),
            Self::Sha1 => respond::<Sha1>(identifier, secret, challenge),
            Self::Sha256 => respond::<Sha256>(identifier, secret, challenge),
            Self::Sha3_256 => respond::<Sha3_256>(identifier, secret, challenge),
        }
    }
}

impl fmt::Display for ChapAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ChapAlgorithm {
    type Err = ParseChapAlgorithmError;

    /// Parses the number or the name of an algorithm, the name in this exact case.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|algorithm| text == algorithm.name() || text == algorithm.number().to_string())
            .ok_or(ParseChapAlgorithmError)
    }
}

/// The text names no CHAP algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("expected 5, 6, 7, 8 or MD5, SHA1, SHA-256, SHA3-256")]
pub struct ParseChapAlgorithmError;

/// A CHAP name and its secret.
#[derive(Clone, Debug)]
pub struct ChapCredentials {
    /// The name, as CHAP_N sends it.
    pub name: String,
    /// The secret: any bytes, 12 or more by 9.2.1.
    pub secret: Secret<Vec<u8>>,
}

/// A challenge of this side, made from random bytes that the caller gives.
#[derive(Clone)]
pub struct ChapChallenge {
    /// CHAP_I: changes from challenge to challenge.
    pub identifier: u8,
    /// CHAP_C: unpredictable and never used twice (9.2.1).
    pub challenge: [u8; CHALLENGE_LENGTH],
}

impl fmt::Debug for ChapChallenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChapChallenge")
            .field("identifier", &self.identifier)
            .finish_non_exhaustive()
    }
}

/// What an authentication came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChapOutcome {
    /// The algorithm that both sides used.
    pub algorithm: ChapAlgorithm,
    /// Whether the initiator authenticated the target as well.
    pub mutual: bool,
}

/// Why an authentication failed. No variant holds a secret, a challenge or a response.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ChapError {
    /// A key of the step is missing; the peer's fault.
    #[error("{key} is missing")]
    Missing {
        /// The key.
        key: &'static str,
    },
    /// A key came in a step that it does not belong to; the peer's fault.
    #[error("{key} came out of order")]
    Unexpected {
        /// The key.
        key: &'static str,
    },
    /// A value is not of the form of its key; the peer's fault.
    #[error("{key}: expected {expected}, received {received}")]
    Malformed {
        /// The key.
        key: &'static str,
        /// The form that was expected.
        expected: &'static str,
        /// The value.
        received: ReceivedText,
    },
    /// CHAP_C or CHAP_R is not a binary-value or too long; the peer's fault.
    #[error("{key}: {source}")]
    Binary {
        /// The key.
        key: &'static str,
        /// What is wrong with the value.
        source: BinaryError,
    },
    /// CHAP_C is empty, or CHAP_R is not as long as the algorithm's digest; the peer's fault.
    #[error("{key}: expected {expected} bytes, received {received}")]
    Length {
        /// The key.
        key: &'static str,
        /// The expected length, in bytes; for CHAP_C the least.
        expected: usize,
        /// The length received, in bytes.
        received: usize,
    },
    /// The selected algorithm was not offered; the peer's fault.
    #[error("CHAP_A: {offered} was offered, but {received} was selected")]
    AlgorithmNotOffered {
        /// The offered list.
        offered: String,
        /// The selected value.
        received: ReceivedText,
    },
    /// The two sides have no algorithm in common, which breaks no rule.
    #[error("CHAP_A: none of {offered} is acceptable to the other side")]
    NoCommonAlgorithm {
        /// The offered list.
        offered: String,
    },
    /// The peer sent this side's own challenge back (9.2.1): an attack, or a broken peer.
    #[error("CHAP_C is this side's own challenge")]
    ChallengeReflected,
    /// The peer's response is one that this side made or would make (9.2.1): an attack, or one secret for both.
    #[error(
        "CHAP_R is made with this side's own secret: the secrets are swapped or the same, or it was sent back"
    )]
    ResponseReflected,
    /// One secret is configured for both directions, which 9.2.1 forbids; this side's fault.
    #[error("the same CHAP secret is configured for initiator and target")]
    SameSecret,
    /// The peer's CHAP name is not the expected one.
    #[error("CHAP_N: expected {expected}, received {received}")]
    WrongName {
        /// The expected name.
        expected: ReceivedText,
        /// The name received.
        received: ReceivedText,
    },
    /// The peer's response does not follow from the secret that is configured for it.
    #[error("CHAP_R does not match the secret that is configured for the other side")]
    WrongResponse,
    /// The target proves itself to an initiator that did not ask for it: it does mutual CHAP only (12.1.3).
    #[error("the target demands mutual CHAP: it sent CHAP_N and CHAP_R without being challenged")]
    MutualDemanded,
    /// The initiator asks for authentication of the target, which has no credentials.
    #[error(
        "the initiator asks for mutual CHAP, and the target has no CHAP name and secret of its own"
    )]
    NoOwnCredentials,
}

impl ChapError {
    /// Returns the key in which the peer broke a rule of 12.1.3 or 9.2.1; none when the error is a matter of
    /// configuration.
    pub const fn broken_key(&self) -> Option<&'static str> {
        match self {
            Self::Missing { key }
            | Self::Unexpected { key }
            | Self::Malformed { key, .. }
            | Self::Binary { key, .. }
            | Self::Length { key, .. } => Some(key),
            Self::AlgorithmNotOffered { .. } => Some(ALGORITHM),
            Self::ChallengeReflected => Some(CHALLENGE),
            Self::MutualDemanded
            | Self::ResponseReflected
            | Self::NoCommonAlgorithm { .. }
            | Self::SameSecret
            | Self::WrongName { .. }
            | Self::WrongResponse
            | Self::NoOwnCredentials => None,
        }
    }
}

fn respond<D: Digest>(identifier: u8, secret: &[u8], challenge: &[u8]) -> Vec<u8> {
    D::new()
        .chain_update([identifier])
        .chain_update(secret)
        .chain_update(challenge)
        .finalize()
        .to_vec()
}

const ALGORITHM: &str = "CHAP_A";
const IDENTIFIER: &str = "CHAP_I";
const CHALLENGE: &str = "CHAP_C";
const NAME: &str = "CHAP_N";
const RESPONSE: &str = "CHAP_R";

fn offered(algorithms: &[ChapAlgorithm]) -> String {
    let numbers: Vec<String> = algorithms
        .iter()
        .map(|algorithm| algorithm.number().to_string())
        .collect();
    numbers.join(",")
}

fn forbid(received: &TextPairs, keys: &[&'static str]) -> Result<(), ChapError> {
    match keys.iter().find(|key| received.value(key).is_some()) {
        Some(key) => Err(ChapError::Unexpected { key }),
        None => Ok(()),
    }
}

fn require<'a>(received: &'a TextPairs, key: &'static str) -> Result<&'a str, ChapError> {
    received.value(key).ok_or(ChapError::Missing { key })
}

fn read_identifier(received: &TextPairs) -> Result<u8, ChapError> {
    let value = require(received, IDENTIFIER)?;
    text::numerical(value)
        .and_then(|number| u8::try_from(number).ok())
        .ok_or_else(|| ChapError::Malformed {
            key: IDENTIFIER,
            expected: "a number from 0 to 255",
            received: ReceivedText(value.to_owned()),
        })
}

fn read_challenge(received: &TextPairs) -> Result<Vec<u8>, ChapError> {
    let challenge = read_binary(received, CHALLENGE)?;
    if challenge.is_empty() {
        return Err(ChapError::Length {
            key: CHALLENGE,
            expected: 1,
            received: 0,
        });
    }
    Ok(challenge)
}

fn read_response(received: &TextPairs, algorithm: ChapAlgorithm) -> Result<Vec<u8>, ChapError> {
    let response = read_binary(received, RESPONSE)?;
    if response.len() != algorithm.response_length() {
        return Err(ChapError::Length {
            key: RESPONSE,
            expected: algorithm.response_length(),
            received: response.len(),
        });
    }
    Ok(response)
}

fn read_binary(received: &TextPairs, key: &'static str) -> Result<Vec<u8>, ChapError> {
    text::binary(require(received, key)?, MAX_BINARY_LENGTH)
        .map_err(|source| ChapError::Binary { key, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        text::hex_constant(bytes)
    }

    #[test]
    fn each_algorithm_answers_as_computed_independently() {
        let challenge: Vec<u8> = (0..16).collect();
        for (algorithm, response) in [
            (ChapAlgorithm::Md5, "0x84f795bd59e3a565447d85f5e3b4be58"),
            (
                ChapAlgorithm::Sha1,
                "0xeb9f24de65fbb8821aa9ed7405299e0083177f93",
            ),
            (
                ChapAlgorithm::Sha256,
                "0x492abb71aeb295119e5de6228f6018f3a9e160e3e296e387d88be25c755ae9c9",
            ),
            (
                ChapAlgorithm::Sha3_256,
                "0xf5652990b9ef855c80adab56379390d67c2b46fb81a4d6002a5df43294df74cd",
            ),
        ] {
            let computed = algorithm.response(0x2a, b"SECRETFORVTL1", &challenge);
            assert_eq!(computed.len(), algorithm.response_length());
            assert_eq!(hex(&computed), response);
        }
    }

    #[test]
    fn algorithms_are_named_by_number_or_exact_name() {
        for algorithm in ChapAlgorithm::ALL {
            assert_eq!(algorithm.name().parse(), Ok(algorithm));
            assert_eq!(algorithm.number().to_string().parse(), Ok(algorithm));
        }
        for wrong in ["", "4", "9", "05", "md5", "SHA-1", "SHA256", " 5"] {
            assert_eq!(wrong.parse::<ChapAlgorithm>(), Err(ParseChapAlgorithmError));
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let credentials = ChapCredentials {
            name: "VTLUSER".to_owned(),
            secret: b"SECRETFORVTL1".to_vec().into(),
        };
        let shown = format!("{credentials:?}");
        assert!(
            shown.contains("VTLUSER") && !shown.contains("SECRET") && !shown.contains("83, 69")
        );
    }
}
