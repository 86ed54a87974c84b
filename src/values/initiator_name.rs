//! iSCSI names as they are typed, and the keyword for the system generated one.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};

use super::{Form, Subject, ValueError, ValueWarning};
use crate::iscsi::name::{IscsiName, IscsiNameError};

/// The keyword for the system generated initiator name.
pub const GENERATE: &str = "*GENERATE";

/// Returns whether a name is the word `GENERATE`, in any letter case, without the asterisk that makes it the keyword.
pub fn is_generate_without_asterisk(name: &str) -> bool {
    name.eq_ignore_ascii_case(GENERATE.trim_start_matches('*'))
}

impl Subject {
    /// Parses an iSCSI name, named as this subject in an error.
    ///
    /// # Errors
    /// [`ValueError`] when it is empty, too long, or has a space, a control or a non-ASCII character.
    pub fn iscsi_name(self, typed: &str) -> Result<IscsiName, ValueError> {
        typed.parse().map_err(|error| match error {
            IscsiNameError::Empty => ValueError::Empty(self),
            IscsiNameError::TooLong { received } => ValueError::TooLong {
                subject: self,
                length: received,
            },
            IscsiNameError::Character { received } => ValueError::character(self, received, typed),
        })
    }

    /// Returns what a VTL may object to in an iSCSI name.
    pub fn warnings_of(self, name: &IscsiName) -> Vec<ValueWarning> {
        let name = name.as_str();
        let formatted = ["iqn.", "eui.", "naa."].iter().any(|format| {
            name.get(..format.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(format))
        });
        let plain = name.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".:-".contains(&byte)
        });
        let mut warnings = Vec::new();
        if !formatted {
            warnings.push(ValueWarning::NotIqn(self));
        }
        if has_iqn_format(name) && !has_iqn_date(name) {
            warnings.push(ValueWarning::IqnDate(self));
        }
        if !plain {
            warnings.push(ValueWarning::ConsoleCharacters(self));
        }
        warnings
    }
}

fn has_iqn_format(name: &str) -> bool {
    name.get(..4)
        .is_some_and(|start| start.eq_ignore_ascii_case("iqn."))
}

/// Returns whether `yyyy-mm.` stands behind `iqn.` (RFC 7143 section 4.2.7.4).
fn has_iqn_date(name: &str) -> bool {
    let date = name.as_bytes().get(4..12).unwrap_or_default();
    let [y1, y2, y3, y4, b'-', m1, m2, b'.'] = date else {
        return false;
    };
    [y1, y2, y3, y4].iter().all(|byte| byte.is_ascii_digit())
        && matches!((m1, m2), (b'0', b'1'..=b'9') | (b'1', b'0'..=b'2'))
}

/// The value of `-initiatorname`: a name, or `*GENERATE`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(try_from = "String")]
pub enum InitiatorName {
    /// The system generated name, whatever it is when it is used.
    #[default]
    Generated,
    /// A name of the user's own.
    Named(IscsiName),
}

impl InitiatorName {
    /// Returns true for `*GENERATE`. The generated name spelled out is a name of its own here: [`InitiatorName::resolve`] tells
    /// whether the two mean the same.
    pub fn is_generated(&self) -> bool {
        matches!(self, Self::Generated)
    }

    /// Returns what was typed.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Generated => GENERATE,
            Self::Named(name) => name.as_str(),
        }
    }

    /// Returns the name to log in with, `generated` being the system generated one; none where there is no generated name.
    pub fn resolve<'a>(&'a self, generated: Option<&'a IscsiName>) -> Option<&'a IscsiName> {
        match self {
            Self::Generated => generated,
            Self::Named(name) => Some(name),
        }
    }

    /// Returns the name to show: `*GENERATE` where there is no system generated one.
    pub fn resolved<'a>(&'a self, generated: Option<&'a IscsiName>) -> &'a str {
        self.resolve(generated).map_or(GENERATE, IscsiName::as_str)
    }

    /// Returns what a VTL may object to.
    pub fn warnings(&self) -> Vec<ValueWarning> {
        match self {
            Self::Generated => Vec::new(),
            Self::Named(name) if is_generate_without_asterisk(name.as_str()) => {
                vec![ValueWarning::GenerateWithoutAsterisk]
            }
            Self::Named(name) => Subject::InitiatorName.warnings_of(name),
        }
    }
}

impl fmt::Display for InitiatorName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl FromStr for InitiatorName {
    type Err = ValueError;

    fn from_str(typed: &str) -> Result<Self, ValueError> {
        if typed == GENERATE {
            return Ok(Self::Generated);
        }
        if typed.eq_ignore_ascii_case(GENERATE) {
            let subject = Subject::InitiatorName;
            return Err(ValueError::form(subject, Form::GenerateCase, typed));
        }
        Subject::InitiatorName.iscsi_name(typed).map(Self::Named)
    }
}

impl TryFrom<String> for InitiatorName {
    type Error = ValueError;

    fn try_from(text: String) -> Result<Self, ValueError> {
        text.parse()
    }
}

impl Serialize for InitiatorName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(typed: &str) -> Result<IscsiName, ValueError> {
        Subject::TargetName.iscsi_name(typed)
    }

    fn warnings(typed: &str) -> Vec<ValueWarning> {
        Subject::TargetName.warnings_of(&target(typed).unwrap())
    }

    #[test]
    fn the_limit_is_223_bytes() {
        assert!(target(&"a".repeat(223)).is_ok());
        assert_eq!(
            target(&"a".repeat(224)).unwrap_err().to_string(),
            "the target name is 224 bytes long; the limit is 223"
        );
    }

    #[test]
    fn spaces_controls_and_non_ascii_are_refused_by_name() {
        for (typed, named) in [
            ("iqn x", "U+0020 SPACE"),
            ("iqn\u{2013}x", "U+2013 EN DASH"),
            ("iqn.x\r", "U+000D CARRIAGE RETURN"),
            ("iqn.x\u{7f}", "U+007F"),
            ("iqn.\u{e9}", "U+00E9"),
        ] {
            let error = target(typed).unwrap_err();
            assert!(error.to_string().contains(named), "{error}");
        }
        assert!(matches!(
            target("iqn\u{2013}x\r"),
            Err(ValueError::Character { corrected: Some(corrected), .. }) if corrected == "iqn-x"
        ));
    }

    #[test]
    fn a_bare_or_mixed_case_name_is_only_warned_of() {
        assert!(warnings("iqn.2000-03.com.xyz:vtl").is_empty());
        assert_eq!(
            warnings("inftst22"),
            [ValueWarning::NotIqn(Subject::TargetName)]
        );
        assert_eq!(
            warnings("IQN.2000-03.com.XYZ"),
            [ValueWarning::ConsoleCharacters(Subject::TargetName)]
        );
    }

    #[test]
    fn the_date_of_an_iqn_is_yyyy_mm() {
        let subject = Subject::TargetName;
        for typed in [
            "iqn.2000-03.com.x:v",
            "iqn.2000-12.c",
            "eui.02004567A425678D",
        ] {
            let warnings = subject.warnings_of(&target(typed).unwrap());
            assert!(
                !warnings.contains(&ValueWarning::IqnDate(subject)),
                "{typed}"
            );
        }
        for typed in [
            "iqn.2000-13.com",
            "iqn.2000-00.com",
            "iqn.200-03.com",
            "iqn.com.x",
            "IQN.2000-3.com",
            "iqn.2000-03",
            "iqn.",
        ] {
            let warnings = subject.warnings_of(&target(typed).unwrap());
            assert!(
                warnings.contains(&ValueWarning::IqnDate(subject)),
                "{typed}"
            );
        }
    }

    #[test]
    fn generate_without_its_asterisk_is_a_name_with_a_warning() {
        for typed in ["GENERATE", "generate"] {
            let name: InitiatorName = typed.parse().unwrap();
            assert!(!name.is_generated());
            assert_eq!(name.warnings(), [ValueWarning::GenerateWithoutAsterisk]);
        }
    }

    #[test]
    fn generate_is_a_keyword_in_upper_case_only() {
        assert!(matches!("*GENERATE".parse(), Ok(InitiatorName::Generated)));
        let error = "*Generate".parse::<InitiatorName>().unwrap_err();
        assert!(matches!(
            error,
            ValueError::Form {
                form: Form::GenerateCase,
                ..
            }
        ));
    }
}
