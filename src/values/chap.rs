//! CHAP credentials as IBM i keeps them: letters in upper case.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};

use super::error::HMC_CHAP_LIMIT;
use super::{Subject, ValueError, ValueWarning};
use crate::iscsi::secret::Secret;

/// A CHAP name: 1 to 255 characters from 20h to 7Eh, without a lower-case letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ChapName(String);

impl ChapName {
    /// Parses a CHAP name and upper-cases it.
    ///
    /// # Errors
    /// [`ValueError`] when it is empty, too long, or has another character.
    pub fn parse(typed: &str) -> Result<Self, ValueError> {
        check(Subject::ChapName, typed)?;
        Ok(Self(typed.to_ascii_uppercase()))
    }

    /// Returns what a VTL or the HMC may object to.
    pub fn warnings(&self) -> Vec<ValueWarning> {
        match self.0.len() {
            length if length > HMC_CHAP_LIMIT => vec![ValueWarning::ChapNameLength { length }],
            _ => Vec::new(),
        }
    }

    /// Returns the name in upper case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ChapName {
    type Error = ValueError;

    fn try_from(text: String) -> Result<Self, ValueError> {
        recorded(Subject::ChapName, &text)?;
        Ok(Self(text.to_ascii_uppercase()))
    }
}

impl From<ChapName> for String {
    fn from(name: ChapName) -> Self {
        name.0
    }
}

impl fmt::Display for ChapName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

/// A CHAP secret: 1 to 255 characters from 20h to 7Eh, without a lower-case letter.
///
/// Held as a [`Secret`]: wiped when dropped and masked in `Debug`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChapSecret(Secret<String>);

impl ChapSecret {
    /// Parses a CHAP secret and upper-cases it.
    ///
    /// # Errors
    /// [`ValueError`] when it is empty, too long, or has another character; the error does not show the secret.
    pub fn parse(typed: &str) -> Result<Self, ValueError> {
        check(Subject::ChapSecret, typed)?;
        Ok(Self(typed.to_ascii_uppercase().into()))
    }

    /// Returns the secret in upper case, for the computation of a response or for the file that keeps it.
    pub fn reveal(&self) -> &str {
        self.0.reveal()
    }

    /// Returns what a VTL or the HMC may object to.
    pub fn warnings(&self) -> Vec<ValueWarning> {
        match self.reveal().len() {
            12..=HMC_CHAP_LIMIT => Vec::new(),
            length => vec![ValueWarning::SecretLength { length }],
        }
    }
}

impl<'de> Deserialize<'de> for ChapSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = ChapSecret;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a CHAP secret")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<ChapSecret, E> {
                recorded(Subject::ChapSecret, text).map_err(E::custom)?;
                Ok(ChapSecret(text.to_ascii_uppercase().into()))
            }
        }
        // visit_str borrows: no copy of the secret is left behind unwiped.
        deserializer.deserialize_str(Visitor)
    }
}

fn check(subject: Subject, typed: &str) -> Result<(), ValueError> {
    if typed.is_empty() {
        return Err(ValueError::Empty(subject));
    }
    subject.check_piece(typed)
}

/// Checks a value of a record, which an earlier version may have accepted by other rules for special values.
fn recorded(subject: Subject, text: &str) -> Result<(), ValueError> {
    if text.is_empty() {
        return Err(ValueError::Empty(subject));
    }
    subject.check_characters(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_folded_and_nothing_else_is() {
        assert_eq!(
            ChapName::parse("some name_1~").unwrap().as_str(),
            "SOME NAME_1~"
        );
        assert_eq!(
            ChapSecret::parse("Secret-123 x").unwrap().reveal(),
            "SECRET-123 X"
        );
    }

    #[test]
    fn no_error_and_no_debug_text_shows_a_secret() {
        let bad = ChapSecret::parse("geheim\u{e9}").unwrap_err();
        assert_eq!(
            bad.to_string(),
            "the CHAP secret cannot hold a character other than printable ASCII (20h to 7Eh)"
        );
        let pasted = ChapSecret::parse("\u{201c}geheim\u{201d}").unwrap_err();
        assert!(
            pasted
                .to_string()
                .contains("U+201C LEFT DOUBLE QUOTATION MARK")
        );
        assert!(matches!(
            pasted,
            ValueError::Character {
                corrected: None,
                ..
            }
        ));
        let secret = ChapSecret::parse("GEHEIMGEHEIM").unwrap();
        assert!(
            !format!("{secret:?} {bad:?} {pasted:?}")
                .to_lowercase()
                .contains("geheim")
        );
    }

    #[test]
    fn the_limits_are_1_and_255() {
        assert!(ChapName::parse("").is_err());
        assert!(ChapSecret::parse(&"x".repeat(255)).is_ok());
        assert!(ChapSecret::parse(&"x".repeat(256)).is_err());
    }

    #[test]
    fn a_secret_outside_12_to_32_characters_and_a_name_over_32_are_warned_of() {
        for (length, secret_warned, name_warned) in [
            (11, true, false),
            (12, false, false),
            (32, false, false),
            (33, true, true),
        ] {
            let secret = ChapSecret::parse(&"x".repeat(length)).unwrap();
            assert_eq!(!secret.warnings().is_empty(), secret_warned, "{length}");
            let name = ChapName::parse(&"x".repeat(length)).unwrap();
            assert_eq!(!name.warnings().is_empty(), name_warned, "{length}");
        }
    }

    #[test]
    fn none_is_no_name_and_no_secret_but_a_record_that_has_it_is_read() {
        for typed in ["*NONE", "*none", "*None"] {
            let error = ChapName::parse(typed).unwrap_err();
            assert_eq!(error.to_string(), "the CHAP name cannot be *NONE");
            let error = ChapSecret::parse(typed).unwrap_err();
            assert_eq!(error, ValueError::NoneForChap(Subject::ChapSecret));
        }
        assert!(ChapName::parse("NONE").is_ok());
        assert!(serde_json::from_str::<ChapName>("\"*NONE\"").is_ok());
        assert!(serde_json::from_str::<ChapSecret>("\"*NONE\"").is_ok());
    }
}
