//! The partition that the configuration belongs to, as plain data, and the rules for changing it.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::credentials::belongs;
use super::{Configuration, TargetIdentity, is_default};
use crate::iop::keystore::{self, EntryId};
use crate::values::KeystoreChoice;

/// A release of IBM i. The Platform KeyStore holds CHAP credentials from 7.6 on.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum Release {
    /// IBM i 7.2.
    #[serde(rename = "7.2")]
    V7R2,
    /// IBM i 7.3.
    #[serde(rename = "7.3")]
    V7R3,
    /// IBM i 7.4.
    #[serde(rename = "7.4")]
    V7R4,
    /// IBM i 7.5.
    #[serde(rename = "7.5")]
    V7R5,
    /// IBM i 7.6.
    #[default]
    #[serde(rename = "7.6")]
    V7R6,
}

/// A text that is no release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a release from 7.2 to 7.6")]
pub struct WrongRelease;

impl Release {
    const ALL: [(Self, &'static str); 5] = [
        (Self::V7R2, "7.2"),
        (Self::V7R3, "7.3"),
        (Self::V7R4, "7.4"),
        (Self::V7R5, "7.5"),
        (Self::V7R6, "7.6"),
    ];

    /// Returns the release as it is typed.
    pub fn word(self) -> &'static str {
        Self::ALL
            .into_iter()
            .find(|(release, _)| *release == self)
            .map_or("7.6", |(_, word)| word)
    }
}

impl fmt::Display for Release {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.word())
    }
}

impl FromStr for Release {
    type Err = WrongRelease;

    fn from_str(typed: &str) -> Result<Self, WrongRelease> {
        Self::ALL
            .into_iter()
            .find(|(_, word)| *word == typed)
            .map(|(release, _)| release)
            .ok_or(WrongRelease)
    }
}

/// The partition's UUID, when it is not to be the machine's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum UuidChoice {
    /// None, as on POWER7 and before: there is no system generated initiator name.
    None,
    /// 32 lower-case hex digits.
    Given(String),
}

/// A text that is no UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a UUID of 32 hex digits, with or without hyphens, nor none")]
pub struct WrongUuid;

impl FromStr for UuidChoice {
    type Err = WrongUuid;

    fn from_str(typed: &str) -> Result<Self, WrongUuid> {
        match typed {
            "none" => Ok(Self::None),
            typed => plain_uuid(typed).map(Self::Given).ok_or(WrongUuid),
        }
    }
}

impl TryFrom<String> for UuidChoice {
    type Error = WrongUuid;

    fn try_from(text: String) -> Result<Self, WrongUuid> {
        text.parse()
    }
}

impl From<UuidChoice> for String {
    fn from(choice: UuidChoice) -> Self {
        match choice {
            UuidChoice::None => "none".to_owned(),
            UuidChoice::Given(uuid) => uuid,
        }
    }
}

/// Returns the 32 digits of a UUID in lower case, with hyphens in their four places (RFC 9562 section 4) or without any;
/// none for what is no UUID.
pub fn plain_uuid(text: &str) -> Option<String> {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    if !matches!(lengths.as_slice(), [32] | [8, 4, 4, 4, 12]) {
        return None;
    }
    let digits = groups.concat().to_ascii_lowercase();
    (digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(digits)
}

/// What is set of the partition: `partition.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartitionRecord {
    /// The UUID, when it is not the machine's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<UuidChoice>,
    /// The release of the operating system.
    #[serde(default)]
    pub release: Release,
    /// The capacity of the Platform KeyStore in bytes, 0 while it is not enabled.
    #[serde(default, skip_serializing_if = "is_default")]
    pub keystore_size: u64,
    /// Which KeyStore is this partition's; given when it is first enabled, and kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keystore: Option<EntryId>,
}

/// Whether CHAP credentials can go to the Platform KeyStore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeystoreUse {
    /// They can.
    Enabled,
    /// There is no KeyStore.
    NotEnabled,
    /// There may be one, and the release does not use it for CHAP.
    NotUsed(Release),
}

impl KeystoreUse {
    /// Returns true when they can.
    pub fn is_enabled(self) -> bool {
        self == Self::Enabled
    }
}

impl PartitionRecord {
    /// Returns whether CHAP credentials can go to the Platform KeyStore.
    pub fn keystore_use(&self) -> KeystoreUse {
        if self.release < Release::V7R6 {
            KeystoreUse::NotUsed(self.release)
        } else if self.keystore_size == 0 {
            KeystoreUse::NotEnabled
        } else {
            KeystoreUse::Enabled
        }
    }
}

/// What is to change of the partition; what is none stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PartitionChange {
    /// Another UUID.
    pub uuid: Option<UuidChoice>,
    /// Another release.
    pub release: Option<Release>,
    /// Another capacity of the KeyStore in bytes; 0 disables it.
    pub keystore_size: Option<u64>,
    /// Whether credentials that have no place in the KeyStore then may go to disk in plain text.
    pub move_to_disk: bool,
}

/// Why the partition cannot be changed so. Nothing has changed then.
#[derive(Debug, Error)]
pub enum PartitionError {
    /// Credentials would lose their place.
    #[error("the Platform KeyStore holds {used} bytes of CHAP credentials, and {size} are to remain: {}", list(targets, *staged))]
    InUse {
        /// What is used, in bytes.
        used: u64,
        /// The capacity that was asked for, in bytes.
        size: u64,
        /// The targets whose credentials they are.
        targets: Vec<TargetIdentity>,
        /// Whether the staged set is among them.
        staged: bool,
    },
    /// Credentials that are to move are not in this machine's KeyStore.
    #[error(
        "the CHAP secret is not in this machine's Platform KeyStore, so it cannot move: {}",
        list(_0, false)
    )]
    NotHere(Vec<TargetIdentity>),
    /// Targets demand `PLATFORM`, and the KeyStore would go.
    #[error("PLATFORM demands the Platform KeyStore for {}", list(targets, *staged))]
    Demanded {
        /// The targets.
        targets: Vec<TargetIdentity>,
        /// Whether the staged set is in the way as well.
        staged: bool,
    },
}

fn list(targets: &[TargetIdentity], staged: bool) -> String {
    let mut names: Vec<String> = targets.iter().map(ToString::to_string).collect();
    if staged {
        names.push("what is staged".to_owned());
    }
    names.join(", ")
}

impl Configuration {
    /// Changes the partition by the rules of the Platform KeyStore, and returns how many credentials are to leave it for the
    /// disk. The configuration must be revealed.
    ///
    /// When the KeyStore is disabled, AVAIL stays, and goes back when it is enabled again. When it shrinks below what is
    /// used, AVAIL becomes NONE: while a KeyStore is enabled, only NONE rests in plain text.
    ///
    /// # Errors
    /// [`PartitionError`].
    pub fn repartition(
        &mut self,
        partition: &mut PartitionRecord,
        change: PartitionChange,
    ) -> Result<usize, PartitionError> {
        let new = PartitionRecord {
            uuid: change.uuid.or(partition.uuid.clone()),
            release: change.release.unwrap_or(partition.release),
            keystore_size: change.keystore_size.unwrap_or(partition.keystore_size),
            keystore: partition.keystore,
        };
        let old = std::mem::replace(partition, new);
        if !old.keystore_use().is_enabled() {
            return Ok(0);
        }
        let outcome = self.make_room(&old, partition, change.move_to_disk);
        if outcome.is_err() {
            *partition = old;
        }
        outcome
    }

    fn make_room(
        &mut self,
        old: &PartitionRecord,
        new: &PartitionRecord,
        move_to_disk: bool,
    ) -> Result<usize, PartitionError> {
        let size = match new.keystore_use() {
            KeystoreUse::Enabled => new.keystore_size,
            _ => 0,
        };
        let kept: Vec<_> = self
            .targets
            .iter()
            .filter(|target| target.chap.is_some() && belongs(target.keystore, old))
            .collect();
        let staged = self.staged_cost(old);
        let used = self.keystore_used(old);
        let mut demanding: Vec<_> = self
            .targets
            .iter()
            .filter(|target| target.keystore == KeystoreChoice::Platform)
            .collect();
        let identities = |targets: Vec<&super::Target>| -> Vec<TargetIdentity> {
            targets
                .iter()
                .map(|target| target.identity.clone())
                .collect()
        };
        if size == 0 {
            if !demanding.is_empty() {
                return Err(PartitionError::Demanded {
                    targets: identities(demanding),
                    staged: false,
                });
            }
        } else if size >= used {
            return Ok(0);
        }
        if kept.is_empty() && staged == 0 {
            return Ok(0);
        }
        let absent: Vec<_> = kept
            .iter()
            .copied()
            .filter(|target| target.lacks_secret())
            .collect();
        if !absent.is_empty() {
            return Err(PartitionError::NotHere(identities(absent)));
        }
        if !move_to_disk {
            return Err(PartitionError::InUse {
                used,
                size,
                targets: identities(kept),
                staged: staged > 0,
            });
        }
        if size == 0 {
            return Ok(kept.len());
        }
        demanding.retain(|target| target.chap.is_some());
        let remain = demanding
            .iter()
            .filter_map(|target| target.chap.as_ref()?.secret())
            .map(|secret| keystore::cost(secret.reveal()))
            .fold(staged, u64::saturating_add);
        if remain > size {
            return Err(PartitionError::Demanded {
                targets: identities(demanding),
                staged: staged > 0,
            });
        }
        let mut moved = 0;
        for target in self.targets.iter_mut() {
            if target.chap.is_some() && target.keystore == KeystoreChoice::Avail {
                target.keystore = KeystoreChoice::None;
                moved += 1;
            }
        }
        Ok(moved)
    }

    /// Returns what the revealed secrets take of a partition's KeyStore, in bytes.
    pub fn keystore_used(&self, partition: &PartitionRecord) -> u64 {
        self.targets
            .iter()
            .filter(|target| belongs(target.keystore, partition))
            .filter_map(|target| target.chap.as_ref()?.secret())
            .map(|secret| keystore::cost(secret.reveal()))
            .fold(self.staged_cost(partition), u64::saturating_add)
    }

    /// Returns what the staged secret takes of a partition's KeyStore, in bytes.
    pub fn staged_cost(&self, partition: &PartitionRecord) -> u64 {
        match &self.staged.chap_secret {
            Some(secret) if belongs(self.staged.keystore.unwrap_or_default(), partition) => {
                keystore::cost(secret.reveal())
            }
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_one_of_five_words() {
        for word in ["7.2", "7.3", "7.4", "7.5", "7.6"] {
            assert_eq!(word.parse::<Release>().unwrap().to_string(), word);
        }
        for word in ["7.1", "7.7", "7", "V7R6", ""] {
            assert!(word.parse::<Release>().is_err(), "{word}");
        }
        assert!(Release::V7R5 < Release::default());
    }

    #[test]
    fn a_uuid_may_have_hyphens_and_be_none() {
        let digits = "4520920efdc3454db06b96a56d912aa5";
        let given = UuidChoice::Given(digits.to_owned());
        assert_eq!("4520920E-FDC3-454D-B06B-96A56D912AA5".parse(), Ok(given));
        assert_eq!("none".parse(), Ok(UuidChoice::None));
        for wrong in [
            "",
            "None",
            &digits[1..],
            "x520920efdc3454db06b96a56d912aa5",
            "4-520920efdc3454db06b96a56d912aa5",
            "4520920e-fdc3-454db06b-96a5-6d912aa5",
        ] {
            assert_eq!(wrong.parse::<UuidChoice>(), Err(WrongUuid), "{wrong}");
        }
    }

    #[test]
    fn the_keystore_is_used_from_7_6_on() {
        let mut partition = PartitionRecord::default();
        assert_eq!(partition.keystore_use(), KeystoreUse::NotEnabled);
        partition.keystore_size = 4096;
        assert_eq!(partition.keystore_use(), KeystoreUse::Enabled);
        partition.release = Release::V7R5;
        assert_eq!(
            partition.keystore_use(),
            KeystoreUse::NotUsed(Release::V7R5)
        );
    }
}
