//! iSCSI names (RFC 7143 section 4.2.7).

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};
use thiserror::Error;

/// An iSCSI name: 1 to 223 bytes (4.2.7.1) of printable ASCII without a space.
///
/// Kept and sent as given; equality, order and hash are those of 4.2.7: after lower-casing. The standard also has names in
/// UTF-8, prepared by stringprep: IBM i takes none of them, and neither does this implementation.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct IscsiName(String);

impl IscsiName {
    /// The longest name, in bytes (4.2.7.1).
    pub const MAX_LENGTH: usize = 223;

    /// Returns whether a name may hold the character.
    pub const fn allows(character: char) -> bool {
        character.is_ascii_graphic()
    }

    /// Returns the name as given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text is not an iSCSI name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum IscsiNameError {
    /// It is empty.
    #[error("the name is empty")]
    Empty,
    /// It is longer than [`IscsiName::MAX_LENGTH`].
    #[error(
        "the name is {received} bytes long, expected at most {}",
        IscsiName::MAX_LENGTH
    )]
    TooLong {
        /// The length, in bytes.
        received: usize,
    },
    /// It holds a space, a control or a non-ASCII character.
    #[error("the name holds {}, expected printable ASCII without a space", received.escape_default())]
    Character {
        /// The first such character.
        received: char,
    },
}

impl FromStr for IscsiName {
    type Err = IscsiNameError;

    fn from_str(text: &str) -> Result<Self, IscsiNameError> {
        Self::try_from(text.to_owned())
    }
}

impl TryFrom<String> for IscsiName {
    type Error = IscsiNameError;

    fn try_from(text: String) -> Result<Self, IscsiNameError> {
        if text.is_empty() {
            return Err(IscsiNameError::Empty);
        }
        if let Some(received) = text.chars().find(|character| !Self::allows(*character)) {
            return Err(IscsiNameError::Character { received });
        }
        if text.len() > Self::MAX_LENGTH {
            return Err(IscsiNameError::TooLong {
                received: text.len(),
            });
        }
        Ok(Self(text))
    }
}

impl PartialEq for IscsiName {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for IscsiName {}

impl PartialOrd for IscsiName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for IscsiName {
    fn cmp(&self, other: &Self) -> Ordering {
        let lower = |byte: u8| byte.to_ascii_lowercase();
        self.0.bytes().map(lower).cmp(other.0.bytes().map(lower))
    }
}

impl Hash for IscsiName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for byte in self.0.bytes() {
            state.write_u8(byte.to_ascii_lowercase());
        }
        state.write_u8(0);
    }
}

impl fmt::Display for IscsiName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

impl Serialize for IscsiName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_name_is_kept_as_given_and_compared_without_letter_case() {
        let given = "iqn.2000-03.com.XYZ:vtl.ABC-XYB-ROCH.demo-1";
        let name: IscsiName = given.parse().unwrap();
        let other: IscsiName = "iqn.2000-03.com.xyz:vtl.abc-xyb-roch.DEMO-1"
            .parse()
            .unwrap();
        assert_eq!(name.as_str(), given);
        assert_eq!(name, other);
        assert_eq!(name.cmp(&other), Ordering::Equal);
        assert_eq!(HashSet::from([name, other]).len(), 1);
    }

    #[test]
    fn a_name_has_1_to_223_bytes_of_printable_ascii() {
        assert!("a".repeat(223).parse::<IscsiName>().is_ok());
        for (text, error) in [
            (String::new(), IscsiNameError::Empty),
            ("a".repeat(224), IscsiNameError::TooLong { received: 224 }),
            (
                "a b".to_owned(),
                IscsiNameError::Character { received: ' ' },
            ),
            (
                "a\u{1b}".to_owned(),
                IscsiNameError::Character { received: '\u{1b}' },
            ),
            (
                "\u{e9}".to_owned(),
                IscsiNameError::Character { received: '\u{e9}' },
            ),
        ] {
            let refused = text.parse::<IscsiName>().unwrap_err();
            assert_eq!(refused, error);
            assert!(refused.to_string().is_ascii());
        }
    }

    #[test]
    fn a_serialized_name_is_checked_when_it_is_read() {
        let name: IscsiName = serde_json::from_str("\"iqn.x\"").unwrap();
        assert_eq!(serde_json::to_string(&name).unwrap(), "\"iqn.x\"");
        assert!(serde_json::from_str::<IscsiName>("\"iqn x\"").is_err());
    }
}
