//! The text format of RFC 7143, section 6.1: key=value pairs of Login and Text PDUs, and the forms that a value takes.
//!
//! This module reads the form of a pair. Which keys exist, who may send them and how they are negotiated is in
//! [`keys`](super::keys).

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use thiserror::Error;

mod escaped;

use super::departure::{Departure, Departures};
use super::keys::TextKey;
pub use escaped::Escaped;

/// The longest key-name, in bytes (6.1, standard-label).
pub const MAX_KEY_LENGTH: usize = 63;

/// The longest value of a key that sets no other limit, in bytes (6.1).
pub const MAX_VALUE_LENGTH: usize = 255;

/// The longest value of a list, of a binary value and of a private key, in bytes.
///
/// The encoded form of a 1024-byte binary value (12.1.3) fits in a quarter of it.
pub const MAX_LONG_VALUE_LENGTH: usize = 8192;

/// The longest logical text data segment that is accepted, in bytes (6.1 asks for no more than 64 KiB).
pub const MAX_TEXT_LENGTH: usize = 65_536;

/// The most pairs that one logical text data segment may hold.
pub const MAX_PAIRS: usize = 2048;

/// One key=value pair (6.1).
#[derive(Clone, PartialEq, Eq)]
pub struct TextPair {
    /// The key-name: what precedes the first `=`.
    pub key: String,
    /// The value: what follows the first `=`; it may be empty and may hold further `=`.
    pub value: String,
}

/// The pairs of one logical text data segment (6.1), in the order of the wire.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct TextPairs(Vec<TextPair>);

impl TextPairs {
    /// Returns an empty segment.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a pair.
    pub fn push(&mut self, key: &str, value: impl Into<String>) {
        self.0.push(TextPair {
            key: key.to_owned(),
            value: value.into(),
        });
    }

    /// Appends the pairs of another segment.
    pub fn extend(&mut self, pairs: Self) {
        self.0.extend(pairs.0);
    }

    /// Returns the pairs in the order of the wire.
    pub fn iter(&self) -> std::slice::Iter<'_, TextPair> {
        self.0.iter()
    }

    /// Returns the value of the first pair with this key.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.iter()
            .find(|pair| pair.key == key)
            .map(|pair| pair.value.as_str())
    }

    /// Returns whether there is no pair.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the bytes of the data segment: each pair followed by one NUL (6.1).
    pub fn encode(&self) -> Bytes {
        let mut bytes = Vec::new();
        for pair in self {
            bytes.extend_from_slice(pair.key.as_bytes());
            bytes.push(b'=');
            bytes.extend_from_slice(pair.value.as_bytes());
            bytes.push(0);
        }
        bytes.into()
    }

    /// Parses the joined data segments of a logical text data segment (6.1).
    ///
    /// NULs behind the last pair's delimiter are ignored, because some peers count their padding as data. Everything
    /// else is strict; [`decode_from_target`](Self::decode_from_target) is the tolerant form.
    ///
    /// # Errors
    /// [`TextError`] when the segment is not a sequence of key=value pairs within the limits of this module, or when a
    /// key other than TargetName and TargetAddress (which SendTargets and a redirection repeat) comes twice.
    pub fn decode(bytes: &[u8]) -> Result<Self, TextError> {
        Self::read(bytes, None)
    }

    /// Parses the joined data segments of a target's login text, and notes what it tolerates: a missing last NUL, two
    /// NULs between pairs, a TargetAlias that is not UTF-8 or too long, blanks behind a value, and a key that comes
    /// twice with the same value.
    ///
    /// Blanks stay where they may belong to the value: in aliases and in the keys of CHAP.
    ///
    /// # Errors
    /// As for [`decode`](Self::decode).
    pub fn decode_from_target(
        bytes: &[u8],
        departures: &mut Departures,
    ) -> Result<Self, TextError> {
        Self::read(bytes, Some(departures))
    }

    /// Reads the pairs; without a list of departures there are none to be tolerated.
    fn read(bytes: &[u8], mut departures: Option<&mut Departures>) -> Result<Self, TextError> {
        if bytes.len() > MAX_TEXT_LENGTH {
            return Err(TextError::TooLong {
                limit: MAX_TEXT_LENGTH,
                received: bytes.len(),
            });
        }
        let Some(end) = bytes.iter().rposition(|byte| *byte != 0) else {
            return Ok(Self::new());
        };
        let (text, rest) = bytes.split_at(end.saturating_add(1));
        if rest.is_empty() {
            tolerate(
                &mut departures,
                Departure::MissingLastNul,
                TextError::Unterminated,
            )?;
        }

        let mut pairs: Vec<TextPair> = Vec::new();
        let mut seen: HashMap<String, usize> = HashMap::new();
        for piece in text.split(|byte| *byte == 0) {
            if piece.is_empty() {
                tolerate(&mut departures, Departure::DoubledNul, TextError::EmptyPair)?;
                continue;
            }
            if pairs.len() == MAX_PAIRS {
                return Err(TextError::TooManyPairs { limit: MAX_PAIRS });
            }
            let pair = match &mut departures {
                None => TextPair::decode(piece)?,
                Some(departures) => TextPair::decode_from_target(piece, departures)?,
            };
            if !REPEATABLE_KEYS.contains(&pair.key.as_str()) {
                if let Some(first) = seen.get(&pair.key) {
                    let error = TextError::Duplicate {
                        key: ReceivedText(pair.key.clone()),
                    };
                    // Two values leave open which one the target means.
                    if pairs.get(*first) != Some(&pair) {
                        return Err(error);
                    }
                    tolerate(
                        &mut departures,
                        Departure::RepeatedKey { key: pair.key },
                        error,
                    )?;
                    continue;
                }
                seen.insert(pair.key.clone(), pairs.len());
            }
            pairs.push(pair);
        }
        Ok(Self(pairs))
    }
}

/// Notes a departure where departures are tolerated; elsewhere it is the error.
fn tolerate(
    departures: &mut Option<&mut Departures>,
    departure: Departure,
    error: TextError,
) -> Result<(), TextError> {
    departures
        .as_mut()
        .ok_or(error)
        .map(|departures| departures.note(departure))
}

impl<'a> IntoIterator for &'a TextPairs {
    type Item = &'a TextPair;
    type IntoIter = std::slice::Iter<'a, TextPair>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Debug for TextPairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl TextPair {
    fn decode(piece: &[u8]) -> Result<Self, TextError> {
        if piece.is_empty() {
            return Err(TextError::EmptyPair);
        }
        let piece = std::str::from_utf8(piece).map_err(|_| TextError::NotUtf8 {
            received: ReceivedText(String::from_utf8_lossy(piece).into_owned()),
        })?;
        let (key, value) = piece
            .split_once('=')
            .ok_or_else(|| TextError::NoEqualsSign {
                received: ReceivedText(piece.to_owned()),
            })?;
        if !is_key_name(key) {
            return Err(TextError::IllegalKey {
                received: ReceivedText(key.to_owned()),
            });
        }
        let limit = value_limit(key);
        if value.len() > limit {
            return Err(TextError::ValueTooLong {
                key: key.to_owned(),
                limit,
                received: value.len(),
            });
        }
        Ok(Self {
            key: key.to_owned(),
            value: value.to_owned(),
        })
    }
}

impl TextPair {
    /// Reads a pair of a target, with what is tolerated in it.
    fn decode_from_target(piece: &[u8], departures: &mut Departures) -> Result<Self, TextError> {
        if let Some(alias) = piece.strip_prefix(b"TargetAlias=") {
            return Ok(Self {
                key: "TargetAlias".to_owned(),
                value: read_alias(alias, departures),
            });
        }
        let mut pair = Self::decode(piece)?;
        if !blanks_may_belong_to(&pair.key) {
            let length = pair.value.trim_end_matches([' ', '\t']).len();
            if length < pair.value.len() {
                pair.value.truncate(length);
                departures.note(Departure::TrailingBlanks {
                    key: pair.key.clone(),
                });
            }
        }
        Ok(pair)
    }
}

/// Returns an alias as far as it can be read: it is for people only (13.6).
fn read_alias(alias: &[u8], departures: &mut Departures) -> String {
    let text = String::from_utf8_lossy(alias);
    if let Cow::Owned(_) = text {
        departures.note(Departure::AliasNotUtf8);
    }
    if alias.len() > MAX_VALUE_LENGTH {
        departures.note(Departure::AliasTooLong {
            received: u64::try_from(alias.len()).unwrap_or(u64::MAX),
        });
    }
    // A replacement character is longer than the byte that it replaces.
    let mut kept = String::new();
    for character in text.chars() {
        if kept.len().saturating_add(character.len_utf8()) > MAX_VALUE_LENGTH {
            break;
        }
        kept.push(character);
    }
    kept
}

fn blanks_may_belong_to(key: &str) -> bool {
    key.starts_with("CHAP_") || key.ends_with("Alias") || TextKey::named(key).is_none()
}

impl fmt::Debug for TextPair {
    /// CHAP_R is masked: with its challenge it lets a weak secret be guessed off line (9.2.1).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key == "CHAP_R" {
            return f.write_str("CHAP_R=********");
        }
        write!(f, "{}={}", self.key, Escaped(&self.value))
    }
}

/// What is wrong with a logical text data segment; always the sender's fault.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TextError {
    /// The joined data segments pass [`MAX_TEXT_LENGTH`].
    #[error("the text is longer than {limit} bytes (received {received})")]
    TooLong {
        /// The limit, in bytes.
        limit: usize,
        /// The bytes received so far.
        received: usize,
    },
    /// There are more than [`MAX_PAIRS`] pairs.
    #[error("the text holds more than {limit} key=value pairs")]
    TooManyPairs {
        /// The limit.
        limit: usize,
    },
    /// The last pair is not followed by a NUL (6.1).
    #[error("the last key=value pair is not followed by a NUL byte")]
    Unterminated,
    /// Two NULs follow each other before the last pair (6.1).
    #[error("there is an empty key=value pair (two NUL bytes in a row)")]
    EmptyPair,
    /// A pair is not UTF-8 (6.1).
    #[error("a key=value pair is not UTF-8: {received}")]
    NotUtf8 {
        /// The pair, with what is not UTF-8 replaced.
        received: ReceivedText,
    },
    /// A pair has no `=` (6.1).
    #[error("expected key=value, received {received}")]
    NoEqualsSign {
        /// The pair.
        received: ReceivedText,
    },
    /// A key-name is empty, longer than [`MAX_KEY_LENGTH`] or has a character that no key-name has (6.1).
    #[error("expected a key name of letters, digits and .-+@_ up to 63 bytes, received {received}")]
    IllegalKey {
        /// The key-name.
        received: ReceivedText,
    },
    /// A value is longer than its key allows (6.1).
    #[error("the value of {key} is {received} bytes long, the limit is {limit}")]
    ValueTooLong {
        /// The key-name.
        key: String,
        /// The limit, in bytes.
        limit: usize,
        /// The length received, in bytes.
        received: usize,
    },
    /// A key that may not be repeated comes twice (6.3).
    #[error("the key {key} comes twice")]
    Duplicate {
        /// The key-name.
        key: ReceivedText,
    },
}

/// Text that a peer sent, for an error or a report: displayed in quotes, escaped to ASCII and cut after 80 characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReceivedText(pub String);

impl TextError {
    /// Returns the key that the error is in; none when it is in no single key.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::ValueTooLong { key, .. } => Some(key),
            Self::Duplicate { key } => Some(&key.0),
            _ => None,
        }
    }
}

impl From<String> for ReceivedText {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for ReceivedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 80;
        let shown: String = self.0.chars().take(SHOWN).collect();
        let cut = if shown.len() < self.0.len() {
            "..."
        } else {
            ""
        };
        write!(f, "\"{}{cut}\"", Escaped(&shown))
    }
}

/// Returns the boolean-value `Yes` or `No` (6.1); `None` for anything else, as the case matters.
pub fn boolean(text: &str) -> Option<bool> {
    match text {
        "Yes" => Some(true),
        "No" => Some(false),
        _ => None,
    }
}

/// Returns the boolean-value for the wire (6.1).
pub fn boolean_text(value: bool) -> &'static str {
    if value { "Yes" } else { "No" }
}

/// Returns a numerical-value (6.1): a decimal-constant without leading zeros or a hex-constant, below 2**64.
pub fn numerical(text: &str) -> Option<u64> {
    if let Some(digits) = hex_digits(text) {
        return u64::from_str_radix(digits, 16).ok();
    }
    let canonical = text == "0" || !text.starts_with('0');
    if !canonical || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// Returns the bounds of a numerical-range `low~high` (6.1); `None` also when `high` is lower than `low`.
pub fn numerical_range(text: &str) -> Option<(u64, u64)> {
    let (low, high) = text.split_once('~')?;
    let (low, high) = (numerical(low)?, numerical(high)?);
    (low <= high).then_some((low, high))
}

/// Returns the elements of a list-of-values (6.1), in the sender's order of preference.
///
/// An empty element is not a value, but it is returned, so that the caller decides what to make of it.
pub fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
}

/// Returns the bytes of a binary-value (6.1): a hex-constant or a base64-constant of at most `limit` bytes.
///
/// A hex-constant of n digits encodes (n + 1) / 2 bytes, so an odd one has an implied leading zero digit. Base64 is
/// taken with and without its padding.
///
/// # Errors
/// [`BinaryError`] when the text is neither, or when it encodes more than `limit` bytes.
pub fn binary(text: &str, limit: usize) -> Result<Vec<u8>, BinaryError> {
    if let Some(digits) = hex_digits(text) {
        let length = digits.len().div_ceil(2);
        if length > limit {
            return Err(BinaryError::TooLong {
                limit,
                received: length,
            });
        }
        return decode_hex(digits).ok_or(BinaryError::Malformed);
    }
    let digits = text
        .strip_prefix("0b")
        .or_else(|| text.strip_prefix("0B"))
        .filter(|digits| !digits.is_empty())
        .ok_or(BinaryError::Malformed)?;
    let bytes = BASE64.decode(digits).map_err(|_| BinaryError::Malformed)?;
    if bytes.len() > limit {
        return Err(BinaryError::TooLong {
            limit,
            received: bytes.len(),
        });
    }
    Ok(bytes)
}

/// Returns the hex-constant of a binary value for the wire (6.1), in lower case.
pub fn hex_constant(bytes: &[u8]) -> String {
    use fmt::Write as _;

    let mut text = String::from("0x");
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Why a text is not a binary-value; always the sender's fault. It never holds the text, which may be a CHAP_R.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BinaryError {
    /// The text is neither a hex-constant nor a base64-constant (6.1).
    #[error("expected a hex-constant (0x..) or a base64-constant (0b..)")]
    Malformed,
    /// The value encodes more bytes than its key allows.
    #[error("expected at most {limit} bytes, received {received}")]
    TooLong {
        /// The limit, in bytes.
        limit: usize,
        /// The length received, in bytes.
        received: usize,
    },
}

/// Keys that one segment may repeat: the records of a SendTargets response (Appendix C) and of a redirection (11.13.5).
const REPEATABLE_KEYS: [&str; 2] = ["TargetName", "TargetAddress"];

/// Keys whose value is a list or a large-binary-value.
const LONG_VALUE_KEYS: [&str; 7] = [
    "AuthMethod",
    "CHAP_A",
    "CHAP_C",
    "CHAP_R",
    "DataDigest",
    "HeaderDigest",
    "TaskReporting",
];

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

fn value_limit(key: &str) -> usize {
    if LONG_VALUE_KEYS.contains(&key) || key.starts_with("X-") {
        MAX_LONG_VALUE_LENGTH
    } else {
        MAX_VALUE_LENGTH
    }
}

/// A standard-label begins with a capital letter, but the standard's own iSCSIProtocolLevel (13.24) does not, and its
/// X#NodeArchitecture (13.26) has a number sign: both are let through.
fn is_key_name(key: &str) -> bool {
    key.len() <= MAX_KEY_LENGTH
        && key.starts_with(|first: char| first.is_ascii_alphabetic())
        && key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-+@_#".contains(&byte))
}

/// Returns the digits of a hex-constant; `None` when there is none or when another character is among them.
fn hex_digits(text: &str) -> Option<&str> {
    text.strip_prefix("0x")
        .or_else(|| text.strip_prefix("0X"))
        .filter(|digits| {
            !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
        })
}

fn decode_hex(digits: &str) -> Option<Vec<u8>> {
    let nibbles: Vec<u8> = digits
        .chars()
        .map(|digit| {
            digit
                .to_digit(16)
                .and_then(|nibble| u8::try_from(nibble).ok())
        })
        .collect::<Option<_>>()?;
    let (odd, pairs) = nibbles.split_at_checked(nibbles.len() % 2)?;
    let paired = pairs.as_chunks::<2>().0.iter();
    Some(
        odd.iter()
            .copied()
            .chain(paired.map(|[high, low]| (high << 4) | low))
            .collect(),
    )
}

#[cfg(test)]
mod tests;
