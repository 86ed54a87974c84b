//! The configuration as plain data, and the rules for editing it: what each front end's add, change, remove, stage, commit
//! and clear mean. No I/O: the state layer reads and writes the record, the caller says what the partition's own
//! initiator name is and whether there is a Platform KeyStore.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::iscsi::name::IscsiName;
use crate::values::{
    ChapName, ChapSecret, GENERATE, HostName, InitiatorName, KeystoreChoice, Port, Subject,
    ValueError,
};

mod apply;
mod credentials;
mod partition;
mod staged;

pub use apply::{Action, AppliedTarget, WantedTarget};
pub use credentials::{MisplacedReference, StoredCredentials, StoredSecret};
pub use partition::{
    KeystoreUse, PartitionChange, PartitionError, PartitionRecord, Release, UuidChoice,
    WrongRelease, WrongUuid, plain_uuid,
};
pub use staged::{StagedParameter, StagedTarget};

/// What an edit has to know of the partition that it is made on.
#[derive(Clone, Copy, Debug)]
pub struct Partition<'a> {
    /// The system generated initiator name; none on a partition without a UUID.
    pub generated_name: Option<&'a IscsiName>,
    /// Whether CHAP credentials can go to the Platform KeyStore.
    pub keystore: KeystoreUse,
}

/// What tells one target from another: the four together. A record leaves out what is the default.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetIdentity {
    /// The initiator to log in as.
    #[serde(default, skip_serializing_if = "InitiatorName::is_generated")]
    pub initiator_name: InitiatorName,
    /// The target to log in to.
    pub target_name: IscsiName,
    /// The host to connect to.
    pub target_host_name: HostName,
    /// The port to connect to.
    #[serde(default, skip_serializing_if = "is_default")]
    pub target_port: Port,
}

impl TargetIdentity {
    /// Returns true when both mean the same target: `*GENERATE` equals the generated name spelled out, names are compared
    /// lower-cased and addresses by value.
    pub fn same(&self, other: &Self, generated: Option<&IscsiName>) -> bool {
        self.target_port == other.target_port
            && self.same_nexus(other, generated)
            && self.target_host_name == other.target_host_name
    }

    /// Returns true when both join the same initiator to the same target, by whatever portal.
    fn same_nexus(&self, other: &Self, generated: Option<&IscsiName>) -> bool {
        self.target_name == other.target_name
            && self.initiator_name.resolve(generated) == other.initiator_name.resolve(generated)
    }
}

/// A target as it is named where its host may be left out.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetSelector {
    /// The initiator that logs in to it.
    pub initiator_name: InitiatorName,
    /// Its name.
    pub target_name: IscsiName,
    /// Its port.
    pub target_port: Port,
}

impl fmt::Display for TargetSelector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} port {}", self.target_name, self.target_port)
    }
}

impl fmt::Display for TargetIdentity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} at {} port {}",
            self.target_name, self.target_host_name, self.target_port
        )
    }
}

/// A configured target.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Which target it is.
    pub identity: TargetIdentity,
    /// Grows with every edit of the configuration, so that a target that was changed or made anew can be told from the one
    /// that the last re-IPL used without looking at its secret.
    #[serde(default)]
    pub revision: u64,
    /// Where the credentials may be kept; held for later while there are none.
    #[serde(default, skip_serializing_if = "is_default")]
    pub keystore: KeystoreChoice,
    /// The credentials, when the target is to be logged in to with CHAP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chap: Option<StoredCredentials>,
}

/// The CHAP parameters of one command line: what is not given is none.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChapParameters {
    /// The value of `-initiatorchapname`.
    pub name: Option<ChapName>,
    /// The value of `-initiatorchapsecret`.
    pub secret: Option<ChapSecret>,
    /// The value of `-chapkeystore`.
    pub keystore: Option<KeystoreChoice>,
}

impl ChapParameters {
    /// Returns the name or the secret when the other one is given without it.
    pub fn missing_half(&self) -> Option<Subject> {
        match (&self.name, &self.secret) {
            (Some(_), None) => Some(Subject::ChapSecret),
            (None, Some(_)) => Some(Subject::ChapName),
            _ => None,
        }
    }

    /// Returns the credentials, none when neither name nor secret is given.
    fn credentials(self) -> Result<Option<StoredCredentials>, ConfigurationError> {
        match self.missing_half() {
            Some(half) => Err(ConfigurationError::HalfChap(half)),
            None => Ok(self
                .name
                .zip(self.secret)
                .map(|(name, secret)| StoredCredentials {
                    name,
                    secret: StoredSecret::Plain(secret),
                })),
        }
    }
}

/// The configured targets and the staged one: `config.json`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Configuration {
    /// The revision that was given last; never reset, so that no two targets ever share one.
    pub last_revision: u64,
    /// The one target that is being put together across command lines.
    #[serde(skip_serializing_if = "StagedTarget::is_empty")]
    pub staged: StagedTarget,
    /// The configured targets in the order in which they were added.
    pub targets: Vec<Target>,
}

/// Why an edit is refused. Nothing has changed then.
#[derive(Debug, Error)]
pub enum ConfigurationError {
    /// `-addtarget` or `-commit` of an identity that exists.
    #[error("target {0} is configured already")]
    Exists(TargetIdentity),
    /// A second portal for the same initiator and target.
    #[error("this initiator is configured for that target already: {0}")]
    SecondPortal(TargetIdentity),
    /// `-changetarget` or `-removetarget` of an identity that does not exist.
    #[error("no target {asked} is configured for initiator {}", asked.initiator_name)]
    NoSuchTarget {
        /// What was asked for.
        asked: Box<TargetIdentity>,
        /// What is configured under that target name.
        namesakes: Vec<TargetIdentity>,
    },
    /// No target fits what is known of it.
    #[error("no target {selector} is configured for initiator {}", selector.initiator_name)]
    NoneSelected {
        /// What was asked for.
        selector: Box<TargetSelector>,
        /// What is configured under that target name.
        namesakes: Vec<TargetIdentity>,
    },
    /// More than one target fits what is known of it.
    #[error("more than one target is configured that fits")]
    SeveralSelected {
        /// Those that fit.
        found: Vec<TargetIdentity>,
    },
    /// A CHAP name without a secret, or a secret without a name, as `-addtarget` or `-changetarget` would leave it.
    #[error("CHAP name and secret come together, and the {0} is missing")]
    HalfChap(Subject),
    /// `PLATFORM` while there is no Platform KeyStore.
    #[error("the Platform KeyStore is not enabled, and PLATFORM accepts nothing else")]
    KeystoreNotEnabled {
        /// Whether `-commit` found it staged.
        staged: bool,
    },
    /// `PLATFORM` at a release that does not use the Platform KeyStore for CHAP.
    #[error(
        "release {release} does not use the Platform KeyStore for CHAP, and PLATFORM accepts nothing else"
    )]
    KeystoreNotUsed {
        /// The release of the partition.
        release: Release,
        /// Whether `-commit` found it staged.
        staged: bool,
    },
    /// `*GENERATE` on a partition without a UUID.
    #[error(
        "this partition has no UUID to generate an initiator name from, as on POWER7 and before"
    )]
    NoGeneratedName,
    /// A CHAP secret that is to move to disk is in a Platform KeyStore that is not here.
    #[error(
        "the CHAP secret of {0} is not in this machine's Platform KeyStore, so it cannot move to disk"
    )]
    SecretNotHere(TargetIdentity),
    /// The staged CHAP secret is in a Platform KeyStore that is not here.
    #[error("the staged CHAP secret is not in this machine's Platform KeyStore")]
    StagedSecretNotHere,
    /// `-commit` with nothing staged.
    #[error("nothing is staged")]
    NothingStaged,
    /// `-commit` without what a target needs at least, or with half of CHAP.
    #[error("the staged target is not complete: {} missing", list_missing(missing))]
    Incomplete {
        /// The parameters that are missing.
        missing: Vec<Subject>,
    },
    /// `-commit` of staged pieces that do not make a value.
    #[error("the staged target cannot be configured: {0}")]
    StagedForm(ValueError),
    /// A document wants one target twice.
    #[error("the document names target {0} twice")]
    WantedTwice(TargetIdentity),
    /// `-appendname` behind `*GENERATE`.
    #[error("the staged initiator name is {GENERATE}, and nothing can be appended to that")]
    AppendToGenerate,
    /// A piece with characters or a length that no value can have.
    #[error(transparent)]
    Value(#[from] ValueError),
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn list_missing(missing: &[Subject]) -> String {
    let names: Vec<String> = missing.iter().map(|name| format!("the {name}")).collect();
    let verb = if names.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", names.join(" and "))
}

/// What an accepted edit is still to be warned of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EditWarning {
    /// Another configured target logs in under another initiator name; IBM i has one initiator.
    SecondInitiator {
        /// The other name.
        other: IscsiName,
    },
}

impl Configuration {
    /// Adds a target, and returns it with what is to be warned of.
    ///
    /// # Errors
    /// [`ConfigurationError`] when the identity exists, the target has another portal for this initiator, CHAP is only half
    /// given, or `PLATFORM` is asked without a Platform KeyStore.
    pub fn add(
        &mut self,
        identity: TargetIdentity,
        chap: ChapParameters,
        partition: Partition<'_>,
    ) -> Result<(Target, Vec<EditWarning>), ConfigurationError> {
        if identity.initiator_name.is_generated() && partition.generated_name.is_none() {
            return Err(ConfigurationError::NoGeneratedName);
        }
        self.admit(&identity, partition)?;
        let keystore = chap.keystore.unwrap_or_default();
        require_keystore(keystore, partition)?;
        let target = Target {
            chap: chap.credentials()?,
            keystore,
            revision: self.last_revision.saturating_add(1),
            identity,
        };
        self.last_revision = target.revision;
        let warnings = self.second_initiator(&target.identity, partition);
        self.targets.push(target.clone());
        Ok((target, warnings.into_iter().collect()))
    }

    /// Changes the CHAP parameters of a target: those given replace the old ones, the others stay. Returns the target, and
    /// whether anything changed: with equal values the target keeps its revision.
    ///
    /// # Errors
    /// [`ConfigurationError`] when there is no such target, the result would have only half of CHAP, or `PLATFORM` is asked
    /// without a Platform KeyStore.
    pub fn change(
        &mut self,
        identity: &TargetIdentity,
        chap: ChapParameters,
        partition: Partition<'_>,
    ) -> Result<(Target, bool), ConfigurationError> {
        let revision = self.last_revision.saturating_add(1);
        let generated = partition.generated_name;
        let Some(target) = self
            .targets
            .iter_mut()
            .find(|target| identity.same(&target.identity, generated))
        else {
            return Err(self.no_such_target(identity));
        };
        let keystore = chap.keystore.unwrap_or(target.keystore);
        require_keystore(keystore, partition)?;
        let (old_name, old_secret) = target
            .chap
            .clone()
            .map(|old| (old.name, old.secret))
            .unzip();
        let secret = chap.secret.map(StoredSecret::Plain).or(old_secret);
        if keystore == KeystoreChoice::None && matches!(secret, Some(StoredSecret::Sealed(_))) {
            return Err(ConfigurationError::SecretNotHere(identity.clone()));
        }
        let is_same_secret = match (
            &secret,
            target.chap.as_ref().and_then(StoredCredentials::secret),
        ) {
            (Some(StoredSecret::Plain(new)), Some(old)) => new == old,
            (Some(StoredSecret::Plain(_)), None) => false,
            // The old one, or none.
            _ => true,
        };
        let chap = match (chap.name.or(old_name.clone()), secret) {
            (Some(name), Some(secret)) => Some(StoredCredentials { name, secret }),
            (None, None) => None,
            (None, Some(_)) => return Err(ConfigurationError::HalfChap(Subject::ChapName)),
            (Some(_), None) => return Err(ConfigurationError::HalfChap(Subject::ChapSecret)),
        };
        let is_same_name = chap.as_ref().map(|chap| &chap.name) == old_name.as_ref();
        if keystore == target.keystore && is_same_name && is_same_secret {
            return Ok((target.clone(), false));
        }
        target.chap = chap;
        target.keystore = keystore;
        target.revision = revision;
        self.last_revision = revision;
        Ok((target.clone(), true))
    }

    /// Removes a target with its credentials, and returns it.
    ///
    /// # Errors
    /// [`ConfigurationError::NoSuchTarget`].
    pub fn remove(
        &mut self,
        identity: &TargetIdentity,
        partition: Partition<'_>,
    ) -> Result<Target, ConfigurationError> {
        let generated = partition.generated_name;
        self.targets
            .iter()
            .position(|target| identity.same(&target.identity, generated))
            .map(|index| self.targets.remove(index))
            .ok_or_else(|| self.no_such_target(identity))
    }

    /// Removes the one target that fits, whatever its host, and returns it.
    ///
    /// # Errors
    /// [`ConfigurationError::NoneSelected`]; [`ConfigurationError::SeveralSelected`], as another UUID of the partition can make it.
    pub fn remove_selected(
        &mut self,
        selector: &TargetSelector,
        partition: Partition<'_>,
    ) -> Result<Target, ConfigurationError> {
        let generated = partition.generated_name;
        let fits = |target: &Target| {
            let identity = &target.identity;
            identity.target_port == selector.target_port
                && identity.target_name == selector.target_name
                && identity.initiator_name.resolve(generated)
                    == selector.initiator_name.resolve(generated)
        };
        let found: Vec<usize> = (0..self.targets.len())
            .filter(|index| self.targets.get(*index).is_some_and(fits))
            .collect();
        let identities = |fits: &dyn Fn(&Target) -> bool| -> Vec<TargetIdentity> {
            let targets = self.targets.iter().filter(|target| fits(target));
            targets.map(|target| target.identity.clone()).collect()
        };
        match found.as_slice() {
            [index] => Ok(self.targets.remove(*index)),
            [] => Err(ConfigurationError::NoneSelected {
                selector: Box::new(selector.clone()),
                namesakes: identities(&|target| {
                    target.identity.target_name == selector.target_name
                }),
            }),
            _ => Err(ConfigurationError::SeveralSelected {
                found: identities(&fits),
            }),
        }
    }

    /// Configures the staged target by the rules of [`Configuration::add`]; the staged set is gone then.
    ///
    /// # Errors
    /// [`ConfigurationError`] when nothing or not enough is staged, a piece is not a value, or for a reason of
    /// [`Configuration::add`]; the staged set stays.
    pub fn commit(
        &mut self,
        partition: Partition<'_>,
    ) -> Result<(Target, Vec<EditWarning>), ConfigurationError> {
        let (identity, chap) = self.staged.complete()?;
        let added = self
            .add(identity, chap, partition)
            .map_err(|error| match error {
                ConfigurationError::KeystoreNotEnabled { .. } => {
                    ConfigurationError::KeystoreNotEnabled { staged: true }
                }
                ConfigurationError::KeystoreNotUsed { release, .. } => {
                    ConfigurationError::KeystoreNotUsed {
                        release,
                        staged: true,
                    }
                }
                error => error,
            })?;
        self.staged = StagedTarget::default();
        Ok(added)
    }

    /// Removes every target, every credential and what is staged: the state of a new system.
    pub fn clear(&mut self) {
        self.targets.clear();
        self.staged = StagedTarget::default();
    }

    /// Returns the configuration with a last revision that no target is ahead of, whatever an editor made of it: two targets
    /// never share a revision.
    #[must_use]
    pub fn with_last_revision(mut self) -> Self {
        let revisions = self.targets.iter().map(|target| target.revision);
        self.last_revision = revisions.fold(self.last_revision, u64::max);
        self
    }

    /// Refuses an identity that exists, and a second portal for an initiator and target that are joined already.
    fn admit(
        &self,
        identity: &TargetIdentity,
        partition: Partition<'_>,
    ) -> Result<(), ConfigurationError> {
        let generated = partition.generated_name;
        let Some(joined) = self
            .targets
            .iter()
            .map(|target| &target.identity)
            .find(|other| identity.same_nexus(other, generated))
        else {
            return Ok(());
        };
        Err(if identity.same(joined, generated) {
            ConfigurationError::Exists(joined.clone())
        } else {
            ConfigurationError::SecondPortal(joined.clone())
        })
    }

    /// Returns the targets that another one before them joins to the same initiator already. No edit lets that happen, but
    /// another UUID of the partition does: a name spelled out may be the generated one then.
    pub fn joined_twice(&self, generated: Option<&IscsiName>) -> Vec<&TargetIdentity> {
        let identities: Vec<_> = self.targets.iter().map(|target| &target.identity).collect();
        let is_joined = |(index, identity): &(usize, &&TargetIdentity)| {
            let mut before = identities.iter().take(*index);
            before.any(|other| identity.same_nexus(other, generated))
        };
        let joined = identities.iter().enumerate().filter(is_joined);
        joined.map(|(_, identity)| *identity).collect()
    }

    fn second_initiator(
        &self,
        identity: &TargetIdentity,
        partition: Partition<'_>,
    ) -> Option<EditWarning> {
        let generated = partition.generated_name;
        let name = identity.initiator_name.resolve(generated)?;
        self.targets
            .iter()
            .filter_map(|other| other.identity.initiator_name.resolve(generated))
            .find(|other| *other != name)
            .map(|other| EditWarning::SecondInitiator {
                other: other.clone(),
            })
    }

    fn no_such_target(&self, identity: &TargetIdentity) -> ConfigurationError {
        let namesakes = self
            .targets
            .iter()
            .map(|target| &target.identity)
            .filter(|other| other.target_name == identity.target_name)
            .cloned()
            .collect();
        ConfigurationError::NoSuchTarget {
            asked: Box::new(identity.clone()),
            namesakes,
        }
    }
}

fn require_keystore(
    keystore: KeystoreChoice,
    partition: Partition<'_>,
) -> Result<(), ConfigurationError> {
    let staged = false;
    match (keystore, partition.keystore) {
        (KeystoreChoice::Platform, KeystoreUse::NotEnabled) => {
            Err(ConfigurationError::KeystoreNotEnabled { staged })
        }
        (KeystoreChoice::Platform, KeystoreUse::NotUsed(release)) => {
            Err(ConfigurationError::KeystoreNotUsed { release, staged })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
