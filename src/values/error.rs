//! What can be wrong with a value, and what is only unwise about it: plain data, with what was expected and what was
//! received. What to do about it is said by the front end.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{KeystoreChoice, characters, host_name};
use crate::iscsi::name::IscsiName;

/// The value that is spoken of, named as on IBM's panels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// The value of `-initiatorname`.
    InitiatorName,
    /// The value of `-targethostname`.
    TargetHostName,
    /// The value of `-targetname`.
    TargetName,
    /// The value of `-targetport`.
    TargetPort,
    /// The value of `-initiatorchapname`.
    ChapName,
    /// The value of `-initiatorchapsecret`.
    ChapSecret,
    /// The value of `-chapkeystore`.
    ChapKeystore,
}

impl Subject {
    /// Returns the longest value, in bytes.
    pub fn limit(self) -> usize {
        match self {
            Self::InitiatorName | Self::TargetName => IscsiName::MAX_LENGTH,
            Self::TargetHostName => host_name::MAX_LENGTH,
            Self::ChapName | Self::ChapSecret => 255,
            Self::TargetPort => 5,
            Self::ChapKeystore => 8,
        }
    }

    /// Checks the characters and the length of what has been joined so far of a value that is given in pieces.
    ///
    /// # Errors
    /// [`ValueError`] when a character can never be part of the value, or the limit is passed.
    pub fn check_piece(self, joined: &str) -> Result<(), ValueError> {
        self.check_characters(joined)?;
        if matches!(self, Self::ChapName | Self::ChapSecret) && joined.eq_ignore_ascii_case(NONE) {
            return Err(ValueError::NoneForChap(self));
        }
        Ok(())
    }

    /// Checks the characters and the length alone: all that a value of a record is held to, which was accepted once.
    pub(super) fn check_characters(self, joined: &str) -> Result<(), ValueError> {
        if let Some(character) = joined.chars().find(|&character| !self.allows(character)) {
            return Err(match (self, host_name::telling(joined)) {
                (Self::TargetHostName, Some(form)) => ValueError::form(self, form, joined),
                _ => ValueError::character(self, character, joined),
            });
        }
        if joined.len() > self.limit() {
            return Err(ValueError::TooLong {
                subject: self,
                length: joined.len(),
            });
        }
        Ok(())
    }

    fn allows(self, character: char) -> bool {
        match self {
            Self::InitiatorName | Self::TargetName => IscsiName::allows(character),
            Self::TargetHostName => {
                character.is_ascii_alphanumeric() || matches!(character, '.' | ':' | '-')
            }
            Self::ChapName | Self::ChapSecret => matches!(character, ' '..='~'),
            Self::TargetPort => character.is_ascii_digit(),
            Self::ChapKeystore => character.is_ascii_uppercase(),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::InitiatorName => "initiator name",
            Self::TargetHostName => "target host name",
            Self::TargetName => "target name",
            Self::TargetPort => "target port",
            Self::ChapName => "CHAP name",
            Self::ChapSecret => "CHAP secret",
            Self::ChapKeystore => "CHAP keystore",
        })
    }
}

/// Why a value is refused. None of the texts holds a CHAP secret.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ValueError {
    /// Nothing between the quotes.
    #[error("the {0} is empty")]
    Empty(Subject),
    /// Longer than [`Subject::limit`].
    #[error("the {subject} is {length} bytes long; the limit is {limit}", limit = subject.limit())]
    TooLong {
        /// The value spoken of.
        subject: Subject,
        /// Its length in bytes.
        length: usize,
    },
    /// A character that the value cannot hold.
    #[error("the {subject} cannot hold {}", shown(*subject, *character))]
    Character {
        /// The value spoken of.
        subject: Subject,
        /// The first such character.
        character: char,
        /// The value with look-alikes replaced by ASCII; never for a secret.
        corrected: Option<String>,
    },
    /// `*NONE`, in any letter case, as a CHAP name or secret: other IBM i commands have that special value, this macro has not.
    #[error("the {0} cannot be {NONE}")]
    NoneForChap(Subject),
    /// Well-spelled, but not a value of its kind.
    #[error("the {subject} '{}' {form}", characters::escape(typed))]
    Form {
        /// The value spoken of; never a secret.
        subject: Subject,
        /// What is wrong with it.
        form: Form,
        /// What was typed, or put together of pieces.
        typed: String,
    },
}

/// A well-spelled text that is not a value of its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// Not 1 to 65535 in plain digits.
    NotAPort,
    /// None of AVAIL, NONE and PLATFORM; `meant` when only the case or a star is wrong.
    NotAKeystore {
        /// What was probably meant.
        meant: Option<KeystoreChoice>,
    },
    /// `*generate` in another letter case than upper.
    GenerateCase,
    /// `*GENERATE` as a piece to append.
    GenerateAppended,
    /// Neither an address nor an RFC 1123 name.
    NotAHostName,
    /// The last label is all digits, so it could only be an IPv4 address, and is none.
    NotAnAddress,
    /// An absolute DNS name with its trailing dot.
    TrailingDot,
    /// An IPv6 address with a zone: `fe80::1%eth0`.
    ZoneId,
    /// `host:port`.
    WithPort {
        /// The part before the colon.
        host: String,
        /// The part behind it.
        port: String,
    },
    /// `[v6]`, with or without a port.
    Brackets {
        /// What stands between the brackets.
        address: String,
        /// What stands behind them and a colon; none when nothing does.
        port: Option<String>,
    },
    /// `scheme://...`.
    Url,
}

impl fmt::Display for Form {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NotAPort => "is not a number from 1 to 65535 in plain decimal digits",
            Self::NotAKeystore { .. } => "is not AVAIL, NONE or PLATFORM",
            Self::GenerateCase => "is *GENERATE in another letter case",
            Self::GenerateAppended => "is a whole name and cannot be appended",
            Self::NotAHostName => "is neither an IP address nor a host name (RFC 1123)",
            Self::NotAnAddress => {
                "ends in a label of digits like an IPv4 address, but is not a valid one"
            }
            Self::TrailingDot => "ends with a dot",
            Self::ZoneId => "has a zone id (%)",
            Self::WithPort { .. } => "has a port in it",
            Self::Brackets { .. } => "has brackets around the address",
            Self::Url => "is a URL",
        })
    }
}

impl ValueError {
    /// Makes the error of a text that is not a value of its kind.
    pub fn form(subject: Subject, form: Form, typed: &str) -> Self {
        Self::Form {
            subject,
            form,
            typed: typed.to_owned(),
        }
    }

    pub(super) fn character(subject: Subject, character: char, typed: &str) -> Self {
        // A space within a name may be in the place of a lost character: no correction is suggested then.
        let plain = characters::plain(typed);
        let plain = plain.trim();
        let corrected = (subject != Subject::ChapSecret && plain != typed && !plain.is_empty())
            .then(|| plain.to_owned())
            .filter(|plain| plain.chars().all(|character| subject.allows(character)));
        Self::Character {
            subject,
            character,
            corrected,
        }
    }
}

/// The special value of other IBM i commands for "no value".
const NONE: &str = "*NONE";

/// A character of a secret is shown only when it is one that cannot be part of a secret in any console.
fn shown(subject: Subject, character: char) -> String {
    match subject {
        Subject::ChapSecret if characters::name(character).is_none() => {
            "a character other than printable ASCII (20h to 7Eh)".to_owned()
        }
        _ => characters::describe(character),
    }
}

/// What is accepted, but will probably not work with a VTL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ValueWarning {
    /// The name is of none of the formats of RFC 7143 section 4.2.7.
    NotIqn(Subject),
    /// A character outside `a-z 0-9 . : -`, which VTL consoles refuse.
    ConsoleCharacters(Subject),
    /// An `iqn.` name whose date is not `yyyy-mm` (RFC 7143 section 4.2.7.4).
    IqnDate(Subject),
    /// `GENERATE` without its asterisk as an initiator name.
    GenerateWithoutAsterisk,
    /// An address that no target can be reached at.
    Unreachable {
        /// The address as typed.
        address: String,
        /// What sort of address it is.
        kind: AddressKind,
    },
    /// The CHAP name is longer than the HMC takes for a D-mode IPL.
    ChapNameLength {
        /// Its length in characters.
        length: usize,
    },
    /// The CHAP secret is shorter than RFC 7143 section 9.2.1 wants, or longer than the HMC takes for a D-mode IPL.
    SecretLength {
        /// Its length in characters.
        length: usize,
    },
}

/// The longest CHAP name and secret in characters that the HMC takes for a D-mode IPL.
pub const HMC_CHAP_LIMIT: usize = 32;

/// An address of no single host, or of a host on a link that only a zone identifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AddressKind {
    /// `0.0.0.0` or `::` (RFC 4291 section 2.5.2).
    Unspecified,
    /// `224.0.0.0/4` or `ff00::/8`.
    Multicast,
    /// `255.255.255.255`.
    Broadcast,
    /// `fe80::/10`: reached only with a zone, and a target's address has none (RFC 4007 section 6).
    LinkLocal,
}
