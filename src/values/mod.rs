//! The values that a command line carries, each parsed once into a type that cannot hold a malformed one.
//!
//! A value is an error only when no target could take it; what a VTL console is likely to refuse is a [`ValueWarning`].
//! Staged values come in pieces: [`Subject::check_piece`] looks at the characters and the length of what was joined so far,
//! and the form is checked when the whole value is parsed.

mod amount;
mod chap;
pub mod characters;
mod error;
mod host_name;
mod initiator_name;
mod quote;
mod size;

pub use amount::amount;
pub use chap::{ChapName, ChapSecret};
pub use error::{AddressKind, Form, HMC_CHAP_LIMIT, Subject, ValueError, ValueWarning};
pub use host_name::HostName;
pub use initiator_name::{GENERATE, InitiatorName, is_generate_without_asterisk};
pub use quote::quote_bytes;
pub use size::{Size, SizeError};

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::iscsi::login::DEFAULT_PORT;

/// A TCP port, 1 to 65535.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct Port(u16);

impl Port {
    /// [`DEFAULT_PORT`], used when none is given.
    pub const DEFAULT: Self = Self(DEFAULT_PORT);

    /// Returns the port as a number.
    pub fn number(self) -> u16 {
        self.0
    }
}

impl Default for Port {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl TryFrom<u16> for Port {
    type Error = ValueError;

    fn try_from(number: u16) -> Result<Self, ValueError> {
        match number {
            0 => Err(ValueError::form(Subject::TargetPort, Form::NotAPort, "0")),
            number => Ok(Self(number)),
        }
    }
}

impl From<Port> for u16 {
    fn from(port: Port) -> Self {
        port.0
    }
}

impl FromStr for Port {
    type Err = ValueError;

    fn from_str(typed: &str) -> Result<Self, ValueError> {
        let subject = Subject::TargetPort;
        if typed.is_empty() {
            return Err(ValueError::Empty(subject));
        }
        if let Some(character) = typed.chars().find(|&c| characters::name(c).is_some()) {
            return Err(ValueError::character(subject, character, typed));
        }
        // u16's own parser would take a sign.
        if !typed.bytes().all(|byte| byte.is_ascii_digit()) || typed.starts_with('0') {
            return Err(ValueError::form(subject, Form::NotAPort, typed));
        }
        match typed.parse() {
            Ok(number) => Ok(Self(number)),
            Err(_) => Err(ValueError::form(subject, Form::NotAPort, typed)),
        }
    }
}

impl fmt::Display for Port {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Where the CHAP credentials of a target may be kept: the value of `-chapkeystore`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum KeystoreChoice {
    /// In the Platform KeyStore where it is enabled, else as plain text on disk.
    #[default]
    Avail,
    /// Always as plain text on disk.
    None,
    /// In the Platform KeyStore or not at all.
    Platform,
}

impl KeystoreChoice {
    /// All choices, in the order of the documentation.
    pub const ALL: [Self; 3] = [Self::Avail, Self::None, Self::Platform];

    /// Returns the word as it is typed.
    pub fn word(self) -> &'static str {
        match self {
            Self::Avail => "AVAIL",
            Self::None => "NONE",
            Self::Platform => "PLATFORM",
        }
    }
}

impl FromStr for KeystoreChoice {
    type Err = ValueError;

    fn from_str(typed: &str) -> Result<Self, ValueError> {
        let subject = Subject::ChapKeystore;
        if typed.is_empty() {
            return Err(ValueError::Empty(subject));
        }
        if let Some(choice) = Self::ALL.into_iter().find(|choice| choice.word() == typed) {
            return Ok(choice);
        }
        if let Some(character) = typed.chars().find(|&c| characters::name(c).is_some()) {
            return Err(ValueError::character(subject, character, typed));
        }
        let upper = typed.trim_start_matches('*').to_ascii_uppercase();
        let meant = Self::ALL.into_iter().find(|choice| choice.word() == upper);
        Err(ValueError::form(
            subject,
            Form::NotAKeystore { meant },
            typed,
        ))
    }
}

impl fmt::Display for KeystoreChoice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_plain_decimal_digits_from_1_to_65535() {
        for good in ["1", "860", "3260", "65535"] {
            assert_eq!(good.parse::<Port>().unwrap().to_string(), good);
        }
        for bad in [
            "", "0", "03260", "+3260", "-1", "65536", "3260 ", "0x1", "3260\r", "\u{664}",
        ] {
            assert!(bad.parse::<Port>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_keystore_in_another_letter_case_is_an_error_that_knows_what_was_meant() {
        assert_eq!("PLATFORM".parse(), Ok(KeystoreChoice::Platform));
        for typed in ["none", "None", "*NONE"] {
            let meant = Some(KeystoreChoice::None);
            assert_eq!(
                typed.parse::<KeystoreChoice>(),
                Err(ValueError::form(
                    Subject::ChapKeystore,
                    Form::NotAKeystore { meant },
                    typed
                ))
            );
        }
        assert!(matches!(
            "DISK".parse::<KeystoreChoice>(),
            Err(ValueError::Form {
                form: Form::NotAKeystore { meant: None },
                ..
            })
        ));
    }
}
