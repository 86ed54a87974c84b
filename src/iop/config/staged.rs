//! The one target that `-newname`, `-appendname`, `-setport` and `-setkeystore` put together, piece by piece.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{ChapParameters, ConfigurationError, TargetIdentity};
use crate::iop::keystore::EntryId;
use crate::iscsi::secret::Secret;
use crate::values::{
    ChapName, ChapSecret, Form, GENERATE, InitiatorName, KeystoreChoice, Port, Subject, ValueError,
    is_generate_without_asterisk,
};

/// A parameter that can be given in pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StagedParameter {
    /// `-initiatorname`.
    InitiatorName,
    /// `-targethostname`.
    TargetHostName,
    /// `-targetname`.
    TargetName,
    /// `-initiatorchapname`, upper-cased piece by piece.
    ChapName,
    /// `-initiatorchapsecret`, upper-cased piece by piece.
    ChapSecret,
}

impl StagedParameter {
    /// Returns the value that the pieces make.
    pub fn subject(self) -> Subject {
        match self {
            Self::InitiatorName => Subject::InitiatorName,
            Self::TargetHostName => Subject::TargetHostName,
            Self::TargetName => Subject::TargetName,
            Self::ChapName => Subject::ChapName,
            Self::ChapSecret => Subject::ChapSecret,
        }
    }
}

/// The staged set: text as it was joined so far. A piece such as `10.1.` is not yet a value, so only
/// characters and lengths has been checked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StagedTarget {
    #[serde(skip_serializing_if = "Option::is_none")]
    initiator_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_host_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_port: Option<Port>,
    #[serde(skip_serializing_if = "Option::is_none")]
    chap_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) chap_secret: Option<Secret<String>>,
    /// The entry of the Platform KeyStore that holds the secret; `chap_secret` has it then in memory only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) chap_secret_sealed: Option<EntryId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) keystore: Option<KeystoreChoice>,
}

impl StagedTarget {
    /// Returns true when nothing is staged.
    pub fn is_empty(&self) -> bool {
        self.initiator_name.is_none()
            && self.target_host_name.is_none()
            && self.target_name.is_none()
            && self.target_port.is_none()
            && self.chap_name.is_none()
            && self.chap_secret.is_none()
            && self.chap_secret_sealed.is_none()
            && self.keystore.is_none()
    }

    /// Returns the initiator name as joined so far.
    pub fn initiator_name(&self) -> Option<&str> {
        self.initiator_name.as_deref()
    }

    /// Returns whether the initiator name as joined so far is the word `GENERATE` without its asterisk.
    pub fn is_generate_without_asterisk(&self) -> bool {
        let staged = self.initiator_name();
        staged.is_some_and(is_generate_without_asterisk)
    }

    /// Returns the port.
    pub fn target_port(&self) -> Option<Port> {
        self.target_port
    }

    /// Returns the CHAP name as joined so far, upper-cased.
    pub fn chap_name(&self) -> Option<&str> {
        self.chap_name.as_deref()
    }

    /// Returns whether a CHAP secret is staged, wherever it rests.
    pub fn has_chap_secret(&self) -> bool {
        self.chap_secret.is_some() || self.chap_secret_sealed.is_some()
    }

    /// Returns the keystore.
    pub fn keystore(&self) -> Option<KeystoreChoice> {
        self.keystore
    }

    /// Returns the parameters that a commit misses: a name, or half of CHAP.
    pub fn missing(&self) -> Vec<Subject> {
        let has_name = self.chap_name.is_some();
        [
            (Subject::TargetName, self.target_name.is_none()),
            (Subject::TargetHostName, self.target_host_name.is_none()),
            (Subject::ChapName, self.has_chap_secret() && !has_name),
            (Subject::ChapSecret, has_name && !self.has_chap_secret()),
        ]
        .into_iter()
        .filter(|(_, is_missing)| *is_missing)
        .map(|(subject, _)| subject)
        .collect()
    }

    /// Returns the target host name as joined so far.
    pub fn target_host_name(&self) -> Option<&str> {
        self.target_host_name.as_deref()
    }

    /// Returns the target name as joined so far.
    pub fn target_name(&self) -> Option<&str> {
        self.target_name.as_deref()
    }

    /// Replaces a parameter by a first piece.
    ///
    /// # Errors
    /// [`ConfigurationError::Value`] when the piece is empty, has characters or a length that no value can have, or is
    /// `*GENERATE` in another letter case.
    pub fn replace(
        &mut self,
        parameter: StagedParameter,
        piece: &str,
    ) -> Result<(), ConfigurationError> {
        if parameter == StagedParameter::InitiatorName && is_miswritten_generate(piece) {
            let subject = Subject::InitiatorName;
            return Err(ValueError::form(subject, Form::GenerateCase, piece).into());
        }
        self.store(parameter, "", piece)
    }

    /// Appends a piece to a parameter, and returns false when there was nothing to append to.
    ///
    /// # Errors
    /// [`ConfigurationError::Value`] when the piece is empty, or the joined text has characters or a length that no value
    /// can have; [`ConfigurationError::AppendToGenerate`].
    pub fn append(
        &mut self,
        parameter: StagedParameter,
        piece: &str,
    ) -> Result<bool, ConfigurationError> {
        if parameter == StagedParameter::InitiatorName && piece.eq_ignore_ascii_case(GENERATE) {
            let subject = Subject::InitiatorName;
            return Err(ValueError::form(subject, Form::GenerateAppended, piece).into());
        }
        if parameter == StagedParameter::ChapSecret && self.lacks_secret() {
            return Err(ConfigurationError::StagedSecretNotHere);
        }
        let staged = self
            .text(parameter)
            .map(|text| Zeroizing::new(text.to_owned()));
        if parameter == StagedParameter::InitiatorName
            && staged.as_deref().is_some_and(|text| text == GENERATE)
        {
            return Err(ConfigurationError::AppendToGenerate);
        }
        let before = staged.as_deref().map_or("", String::as_str);
        self.store(parameter, before, piece)?;
        Ok(staged.is_some())
    }

    /// Sets the port.
    pub fn set_port(&mut self, port: Port) {
        self.target_port = Some(port);
    }

    /// Sets the keystore; whether it can be used is known at the commit.
    pub fn set_keystore(&mut self, keystore: KeystoreChoice) {
        self.keystore = Some(keystore);
    }

    /// Returns the target that the pieces make, the parameters left out filled in.
    pub(super) fn complete(&self) -> Result<(TargetIdentity, ChapParameters), ConfigurationError> {
        if self.is_empty() {
            return Err(ConfigurationError::NothingStaged);
        }
        let (Some(target_name), Some(target_host_name)) =
            (&self.target_name, &self.target_host_name)
        else {
            let missing = [
                (Subject::TargetName, &self.target_name),
                (Subject::TargetHostName, &self.target_host_name),
            ]
            .into_iter()
            .filter(|(_, text)| text.is_none())
            .map(|(subject, _)| subject)
            .collect();
            return Err(ConfigurationError::Incomplete { missing });
        };
        if self.lacks_secret() {
            return Err(ConfigurationError::StagedSecretNotHere);
        }
        let form = ConfigurationError::StagedForm;
        let identity = TargetIdentity {
            initiator_name: match &self.initiator_name {
                None => InitiatorName::Generated,
                Some(name) => name.parse().map_err(form)?,
            },
            target_host_name: target_host_name.parse().map_err(form)?,
            target_name: Subject::TargetName.iscsi_name(target_name).map_err(form)?,
            target_port: self.target_port.unwrap_or(Port::DEFAULT),
        };
        let chap = ChapParameters {
            name: parse_if_given(self.chap_name.as_deref(), ChapName::parse)?,
            secret: parse_if_given(
                self.chap_secret
                    .as_ref()
                    .map(|secret| secret.reveal().as_str()),
                ChapSecret::parse,
            )?,
            keystore: self.keystore,
        };
        match chap.missing_half() {
            Some(half) => Err(ConfigurationError::Incomplete {
                missing: vec![half],
            }),
            None => Ok((identity, chap)),
        }
    }

    /// Returns true when the secret is in a Platform KeyStore that does not hold it.
    fn lacks_secret(&self) -> bool {
        self.chap_secret.is_none() && self.chap_secret_sealed.is_some()
    }

    fn text(&self, parameter: StagedParameter) -> Option<&str> {
        match parameter {
            StagedParameter::InitiatorName => self.initiator_name.as_deref(),
            StagedParameter::TargetHostName => self.target_host_name.as_deref(),
            StagedParameter::TargetName => self.target_name.as_deref(),
            StagedParameter::ChapName => self.chap_name.as_deref(),
            StagedParameter::ChapSecret => {
                self.chap_secret.as_ref().map(|text| text.reveal().as_str())
            }
        }
    }

    fn store(
        &mut self,
        parameter: StagedParameter,
        before: &str,
        piece: &str,
    ) -> Result<(), ConfigurationError> {
        let subject = parameter.subject();
        if piece.is_empty() {
            return Err(ValueError::Empty(subject).into());
        }
        // Sized beforehand: a buffer that grew would leave an unwiped piece of a secret behind.
        let mut joined = Zeroizing::new(String::with_capacity(before.len() + piece.len()));
        joined.push_str(before);
        joined.push_str(piece);
        subject.check_piece(&joined)?;
        match parameter {
            StagedParameter::InitiatorName => self.initiator_name = Some(joined.to_string()),
            StagedParameter::TargetHostName => self.target_host_name = Some(joined.to_string()),
            StagedParameter::TargetName => self.target_name = Some(joined.to_string()),
            StagedParameter::ChapName => self.chap_name = Some(joined.to_ascii_uppercase()),
            StagedParameter::ChapSecret => {
                joined.make_ascii_uppercase();
                self.chap_secret = Some(joined.into());
                self.chap_secret_sealed = None;
            }
        }
        Ok(())
    }
}

fn is_miswritten_generate(piece: &str) -> bool {
    piece.eq_ignore_ascii_case(GENERATE) && piece != GENERATE
}

fn parse_if_given<T>(
    text: Option<&str>,
    parse: impl FnOnce(&str) -> Result<T, ValueError>,
) -> Result<Option<T>, ConfigurationError> {
    text.map(parse)
        .transpose()
        .map_err(ConfigurationError::StagedForm)
}
