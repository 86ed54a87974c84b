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

use super::departure::{Departure, Departures};
use super::keys::TextKey;

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
    // A replacement character is longer than the byte that it stands for.
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
        write!(f, "{}={}", self.key, self.value.escape_debug())
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
        write!(f, "\"{}{cut}\"", shown.escape_default())
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
/// A hex-constant of n digits stands for (n + 1) / 2 bytes, so an odd one has an implied leading zero digit. Base64 is
/// taken with and without its padding.
///
/// # Errors
/// [`BinaryError`] when the text is neither, or when it stands for more than `limit` bytes.
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
    /// The value stands for more bytes than its key allows.
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pairs(bytes: &[u8]) -> Vec<(String, String)> {
        TextPairs::decode(bytes)
            .unwrap()
            .iter()
            .map(|pair| (pair.key.clone(), pair.value.clone()))
            .collect()
    }

    fn error(bytes: &[u8]) -> TextError {
        TextPairs::decode(bytes).unwrap_err()
    }

    #[test]
    fn encodes_each_pair_with_its_nul() {
        let mut text = TextPairs::new();
        text.push("InitialR2T", "No");
        text.push("TargetAlias", "");
        assert_eq!(&text.encode()[..], b"InitialR2T=No\0TargetAlias=\0");
    }

    #[test]
    fn splits_at_the_first_equals_sign_only() {
        assert_eq!(
            pairs(b"X-a.b=c=d\0CHAP_N=\0"),
            [
                ("X-a.b".to_owned(), "c=d".to_owned()),
                ("CHAP_N".to_owned(), String::new())
            ]
        );
    }

    #[test]
    fn accepts_empty_text_and_padding_counted_as_data() {
        assert!(TextPairs::decode(b"").unwrap().is_empty());
        assert!(TextPairs::decode(b"\0\0\0").unwrap().is_empty());
        assert_eq!(pairs(b"A=b\0\0\0").len(), 1);
    }

    #[test]
    fn rejects_a_last_pair_without_nul() {
        assert_eq!(error(b"A=b\0C=d"), TextError::Unterminated);
        assert_eq!(error(b"A"), TextError::Unterminated);
    }

    #[test]
    fn rejects_an_empty_pair_between_pairs() {
        assert_eq!(error(b"A=b\0\0C=d\0"), TextError::EmptyPair);
        assert_eq!(error(b"\0A=b\0"), TextError::EmptyPair);
    }

    #[test]
    fn rejects_a_pair_without_equals_sign() {
        assert!(matches!(
            error(b"AuthMethod\0"),
            TextError::NoEqualsSign { .. }
        ));
    }

    #[test]
    fn rejects_what_is_no_key_name() {
        let long = [vec![b'A'; MAX_KEY_LENGTH + 1], b"=1\0".to_vec()].concat();
        for bytes in [&b"=x\0"[..], b"1A=x\0", b"A B=x\0", b"A\x1b=x\0", &long] {
            assert!(
                matches!(error(bytes), TextError::IllegalKey { .. }),
                "{bytes:?}"
            );
        }
        let longest = [vec![b'A'; MAX_KEY_LENGTH], b"=1\0".to_vec()].concat();
        assert_eq!(pairs(&longest).len(), 1);
        assert_eq!(
            pairs(b"iSCSIProtocolLevel=1\0X#NodeArchitecture=a\0").len(),
            2
        );
    }

    #[test]
    fn limits_a_value_to_255_bytes_unless_its_key_is_long() {
        let text =
            |key: &str, length: usize| format!("{key}={}\0", "v".repeat(length)).into_bytes();
        assert_eq!(pairs(&text("TargetAlias", 255)).len(), 1);
        assert_eq!(
            error(&text("TargetAlias", 256)),
            TextError::ValueTooLong {
                key: "TargetAlias".to_owned(),
                limit: 255,
                received: 256
            }
        );
        assert_eq!(pairs(&text("CHAP_C", 8192)).len(), 1);
        assert!(matches!(
            error(&text("CHAP_C", 8193)),
            TextError::ValueTooLong { .. }
        ));
    }

    #[test]
    fn rejects_a_key_twice_but_for_the_records_of_send_targets() {
        assert_eq!(
            error(b"MaxBurstLength=512\0MaxBurstLength=512\0"),
            TextError::Duplicate {
                key: ReceivedText("MaxBurstLength".to_owned())
            }
        );
        assert_eq!(pairs(b"TargetAddress=a\0TargetAddress=b\0").len(), 2);
    }

    #[test]
    fn bounds_the_text_and_the_number_of_pairs() {
        let many: Vec<u8> = (0..=MAX_PAIRS)
            .flat_map(|n| format!("K{n}=\0").into_bytes())
            .collect();
        assert_eq!(error(&many), TextError::TooManyPairs { limit: MAX_PAIRS });
        assert!(matches!(
            error(&vec![0; MAX_TEXT_LENGTH + 1]),
            TextError::TooLong { .. }
        ));
    }

    #[test]
    fn escapes_received_text_and_cuts_it() {
        let shown = ReceivedText(format!("\x1b[31m\u{e9}\"{}", "a".repeat(100))).to_string();
        assert!(shown.is_ascii() && !shown.contains('\x1b'));
        assert!(shown.ends_with("...\"") && shown.contains("\\u{1b}"));
    }

    #[test]
    fn masks_chap_r_in_debug() {
        let mut text = TextPairs::new();
        text.push("CHAP_R", "0x1234");
        assert_eq!(format!("{text:?}"), "[CHAP_R=********]");
    }

    #[test]
    fn reads_numbers_as_the_standard_writes_them() {
        assert_eq!(numerical("0"), Some(0));
        assert_eq!(numerical("262144"), Some(262_144));
        assert_eq!(numerical("0x40000"), Some(262_144));
        assert_eq!(numerical("0XfF"), Some(255));
        assert_eq!(numerical("18446744073709551615"), Some(u64::MAX));
        for wrong in [
            "",
            "00",
            "01",
            "+1",
            "-1",
            "1 ",
            "0x",
            "0xg",
            "1e3",
            "18446744073709551616",
        ] {
            assert_eq!(numerical(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn reads_ranges_with_the_lower_bound_first() {
        assert_eq!(numerical_range("1~0x10"), Some((1, 16)));
        assert_eq!(numerical_range("2~2"), Some((2, 2)));
        assert_eq!(numerical_range("3~2"), None);
        assert_eq!(numerical_range("3"), None);
    }

    #[test]
    fn reads_booleans_with_their_case() {
        assert_eq!(boolean("Yes"), Some(true));
        assert_eq!(boolean("No"), Some(false));
        assert_eq!(boolean("yes"), None);
        assert_eq!(boolean("1"), None);
    }

    #[test]
    fn reads_binary_values_in_hex_of_any_case_and_in_base64() {
        let bytes = vec![0x0a, 0xbc, 0xde];
        for text in ["0x0abcde", "0X0ABCDE", "0xabcde", "0bCrze", "0BCrze"] {
            assert_eq!(binary(text, 3), Ok(bytes.clone()), "{text}");
        }
        assert_eq!(binary("0bCg==", 1), Ok(vec![0x0a]));
        assert_eq!(binary("0bCg", 1), Ok(vec![0x0a]));
    }

    #[test]
    fn rejects_what_is_no_binary_value_or_too_long() {
        for wrong in ["", "0x", "0b", "12", "0xzz", "0b!!!!", "abcd", "0b="] {
            assert_eq!(binary(wrong, 10), Err(BinaryError::Malformed), "{wrong:?}");
        }
        let too_long = BinaryError::TooLong {
            limit: 2,
            received: 3,
        };
        assert_eq!(binary("0x0abcde", 2), Err(too_long));
        assert_eq!(binary("0bCrze", 2), Err(too_long));
    }

    #[test]
    fn writes_hex_constants_in_lower_case() {
        assert_eq!(hex_constant(&[0x00, 0xab, 0x0f]), "0x00ab0f");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            if let Ok(text) = TextPairs::decode(&bytes) {
                prop_assert_eq!(TextPairs::decode(&text.encode()), Ok(text));
            }
        }

        #[test]
        fn text_like_bytes_never_panic(bytes in "[A-C=\\x00,~0x]{0,60}") {
            if let Ok(text) = TextPairs::decode(bytes.as_bytes()) {
                prop_assert_eq!(TextPairs::decode(&text.encode()), Ok(text));
            }
        }

        #[test]
        fn what_is_right_is_read_from_a_target_as_from_anyone(bytes in "([ABX]=[a-c =]{0,3}[a-c]\\x00){0,5}|[A-C=\\x00 ]{0,60}") {
            let mut departures = Departures::default();
            let tolerant = TextPairs::decode_from_target(bytes.as_bytes(), &mut departures);
            if let Ok(text) = TextPairs::decode(bytes.as_bytes()) {
                prop_assert_eq!(tolerant, Ok(text));
                prop_assert_eq!(departures, Departures::default());
            }
        }

        #[test]
        fn what_is_encoded_is_decoded(values in prop::collection::vec("[^\\x00]{0,60}", 0..20)) {
            let mut text = TextPairs::new();
            for (n, value) in values.into_iter().enumerate() {
                text.push(&format!("Key{n}"), value);
            }
            prop_assert_eq!(TextPairs::decode(&text.encode()), Ok(text));
        }

        #[test]
        fn arbitrary_values_never_panic(text in "(0[xXbB])?\\PC{0,40}") {
            let _ = (numerical(&text), numerical_range(&text), boolean(&text), list(&text).count());
            let _ = binary(&text, 8);
        }

        #[test]
        fn binary_values_round_trip(bytes in prop::collection::vec(any::<u8>(), 1..200)) {
            prop_assert_eq!(binary(&hex_constant(&bytes), 200), Ok(bytes));
        }
    }
}
