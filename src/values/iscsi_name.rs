//! iSCSI names (RFC 7143 section 4.2.7) as IBM i takes them: any printable ASCII, kept as typed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};

use super::{Form, Subject, ValueError, ValueWarning};

/// The longest iSCSI name in bytes (RFC 7143 section 4.2.7.1).
pub(super) const MAX_LENGTH: usize = 223;

/// The keyword that stands for the system generated initiator name.
pub const GENERATE: &str = "*GENERATE";

/// An iSCSI name: 1 to 223 bytes of printable ASCII without a space.
///
/// Kept and sent as typed; equality is that of RFC 7143 section 4.2.7: after lower-casing.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct IscsiName(String);

impl IscsiName {
    /// Parses a name, `subject` being the one that an error speaks of.
    ///
    /// # Errors
    /// [`ValueError`] when it is empty, too long, or has a space, a control or a non-ASCII character.
    pub fn parse(subject: Subject, typed: &str) -> Result<Self, ValueError> {
        if typed.is_empty() {
            return Err(ValueError::Empty(subject));
        }
        subject.check_piece(typed)?;
        Ok(Self(typed.to_owned()))
    }

    /// Returns the name as typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns what a VTL may object to.
    pub fn warnings(&self, subject: Subject) -> Vec<ValueWarning> {
        let formatted = ["iqn.", "eui.", "naa."].iter().any(|format| {
            self.0
                .get(..format.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(format))
        });
        let plain = self.0.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".:-".contains(&byte)
        });
        let mut warnings = Vec::new();
        if !formatted {
            warnings.push(ValueWarning::NotIqn(subject));
        }
        if self.has_iqn_format() && !self.has_iqn_date() {
            warnings.push(ValueWarning::IqnDate(subject));
        }
        if !plain {
            warnings.push(ValueWarning::ConsoleCharacters(subject));
        }
        warnings
    }

    fn has_iqn_format(&self) -> bool {
        self.0
            .get(..4)
            .is_some_and(|start| start.eq_ignore_ascii_case("iqn."))
    }

    /// Returns whether `yyyy-mm.` stands behind `iqn.` (RFC 7143 section 4.2.7.4).
    fn has_iqn_date(&self) -> bool {
        let date = self.0.as_bytes().get(4..12).unwrap_or_default();
        let [y1, y2, y3, y4, b'-', m1, m2, b'.'] = date else {
            return false;
        };
        [y1, y2, y3, y4].iter().all(|byte| byte.is_ascii_digit())
            && matches!((m1, m2), (b'0', b'1'..=b'9') | (b'1', b'0'..=b'2'))
    }
}

impl PartialEq for IscsiName {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for IscsiName {}

impl fmt::Display for IscsiName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

impl TryFrom<String> for IscsiName {
    type Error = ValueError;

    fn try_from(text: String) -> Result<Self, ValueError> {
        if text.is_empty() {
            return Err(ValueError::Empty(Subject::TargetName));
        }
        Subject::TargetName.check_piece(&text)?;
        Ok(Self(text))
    }
}

impl Serialize for IscsiName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
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

    /// Returns the name to log in with, `generated` being the system generated one; none where there is no such.
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
            Self::Named(name)
                if name
                    .as_str()
                    .eq_ignore_ascii_case(GENERATE.trim_start_matches('*')) =>
            {
                vec![ValueWarning::GenerateWithoutAsterisk]
            }
            Self::Named(name) => name.warnings(Subject::InitiatorName),
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
        IscsiName::parse(Subject::InitiatorName, typed).map(Self::Named)
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
        IscsiName::parse(Subject::TargetName, typed)
    }

    #[test]
    fn a_name_is_kept_as_typed_and_compared_without_letter_case() {
        let typed = target("iqn.2000-03.com.XYZ:vtl.ABC-XYB-ROCH.demo-1").unwrap();
        assert_eq!(
            typed.as_str(),
            "iqn.2000-03.com.XYZ:vtl.ABC-XYB-ROCH.demo-1"
        );
        assert_eq!(
            typed,
            target("iqn.2000-03.com.xyz:vtl.abc-xyb-roch.DEMO-1").unwrap()
        );
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
        assert_eq!(
            target("iqn\u{2013}x\r").unwrap_err().hints(),
            ["write iqn-x"]
        );
    }

    #[test]
    fn a_bare_or_mixed_case_name_is_only_warned_of() {
        assert!(
            target("iqn.2000-03.com.xyz:vtl")
                .unwrap()
                .warnings(Subject::TargetName)
                .is_empty()
        );
        assert_eq!(
            target("inftst22").unwrap().warnings(Subject::TargetName),
            [ValueWarning::NotIqn(Subject::TargetName)]
        );
        assert_eq!(
            target("IQN.2000-03.com.XYZ")
                .unwrap()
                .warnings(Subject::TargetName),
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
            let warnings = target(typed).unwrap().warnings(subject);
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
            let warnings = target(typed).unwrap().warnings(subject);
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
        assert!(error.hints()[0].contains("'*GENERATE'"));
    }
}
