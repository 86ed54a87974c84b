//! The configured targets as a whole: what is missing is added, what differs is changed, all or nothing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    ChapParameters, Configuration, ConfigurationError, EditWarning, Partition, Target,
    TargetIdentity,
};
use crate::values::KeystoreChoice;

/// A target as it is to be configured.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WantedTarget {
    /// Which one.
    pub identity: TargetIdentity,
    /// Name and secret, or neither: it has no CHAP then. No keystore means AVAIL.
    #[serde(default)]
    pub chap: ChapParameters,
    /// Whether upper-casing changed the CHAP name.
    #[serde(default)]
    pub upper_cased_name: bool,
    /// Whether upper-casing changed the CHAP secret.
    #[serde(default)]
    pub upper_cased_secret: bool,
}

/// What was done to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It was not configured, and is now.
    Added,
    /// Its CHAP parameters were changed or dropped.
    Changed,
    /// It is not wanted, and is no longer configured.
    Removed,
    /// It was left alone, and keeps its revision.
    Unchanged,
}

/// A target with what was done to it.
#[derive(Clone, Debug)]
pub struct AppliedTarget {
    /// What was done.
    pub action: Action,
    /// The target as it is now; one that was removed as it was.
    pub target: Target,
    /// What is to be warned of.
    pub warnings: Vec<EditWarning>,
}

impl Configuration {
    /// Makes the targets what is wanted: in the order of `wanted`, then those that were removed because `prune` is given and
    /// they are not wanted. Others stay as they are.
    ///
    /// # Errors
    /// [`ConfigurationError`] as of [`Configuration::add`] and [`Configuration::change`], and when a target is wanted twice.
    /// The configuration is half done then and must be dropped.
    pub fn apply(
        &mut self,
        wanted: &[WantedTarget],
        prune: bool,
        partition: Partition<'_>,
    ) -> Result<Vec<AppliedTarget>, ConfigurationError> {
        let generated = partition.generated_name;
        for (index, target) in wanted.iter().enumerate() {
            let mut before = wanted.iter().take(index);
            if before.any(|other| target.identity.same(&other.identity, generated)) {
                return Err(ConfigurationError::WantedTwice(target.identity.clone()));
            }
        }
        // First, so that a target can move to another portal.
        let mut removed = Vec::new();
        if prune {
            let is_wanted = |target: &Target| {
                let mut wanted = wanted.iter();
                wanted.any(|wanted| wanted.identity.same(&target.identity, generated))
            };
            let (kept, dropped) = self.targets.drain(..).partition(is_wanted);
            self.targets = kept;
            removed = dropped;
        }
        let mut applied = Vec::with_capacity(wanted.len() + removed.len());
        for target in wanted {
            applied.push(self.apply_one(target, partition)?);
        }
        applied.extend(removed.into_iter().map(|target| AppliedTarget {
            action: Action::Removed,
            target,
            warnings: Vec::new(),
        }));
        Ok(applied)
    }

    fn apply_one(
        &mut self,
        wanted: &WantedTarget,
        partition: Partition<'_>,
    ) -> Result<AppliedTarget, ConfigurationError> {
        if let Some(half) = wanted.chap.missing_half() {
            return Err(ConfigurationError::HalfChap(half));
        }
        let generated = partition.generated_name;
        let revision = self.last_revision.saturating_add(1);
        let found = self
            .targets
            .iter_mut()
            .find(|target| wanted.identity.same(&target.identity, generated));
        let Some(target) = found else {
            let (target, warnings) =
                self.add(wanted.identity.clone(), wanted.chap.clone(), partition)?;
            return Ok(AppliedTarget {
                action: Action::Added,
                target,
                warnings,
            });
        };
        let (target, is_changed) = if wanted.chap.name.is_none() {
            let had_chap = target.chap.take().is_some();
            if had_chap {
                target.keystore = KeystoreChoice::default();
                target.revision = revision;
                self.last_revision = revision;
            }
            (target.clone(), had_chap)
        } else {
            let mut chap = wanted.chap.clone();
            chap.keystore = Some(chap.keystore.unwrap_or_default());
            self.change(&wanted.identity, chap, partition)?
        };
        Ok(AppliedTarget {
            action: if is_changed {
                Action::Changed
            } else {
                Action::Unchanged
            },
            target,
            warnings: Vec::new(),
        })
    }
}
