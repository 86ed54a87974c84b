//! The configured targets, of which an edit looks at few.

use std::ops::Range;

use serde::{Deserialize, Deserializer};

use super::Target;
use crate::values::{InitiatorName, IscsiName};

/// The configured targets in the order in which they were added.
///
/// With thousands of them an edit would spend its time on targets that it neither asks for nor changes. A configuration
/// that is read in a [`Scope`] has [`Run`]s in their places, and what it is written to gets their text as it was.
#[derive(Clone, Debug, Default)]
pub struct Targets(Vec<Slot>);

/// Which of the configured targets an edit looks at.
#[derive(Clone, Copy, Debug)]
pub enum Scope<'a> {
    /// All of them.
    All,
    /// None, but what is staged.
    Staged,
    /// Those of this name, compared as names are.
    Named(&'a IscsiName),
    /// Those of the name that is staged.
    StagedName,
}

/// A place among the configured targets.
#[derive(Clone, Debug)]
pub enum Slot {
    /// A target that was looked at, or is new.
    Target(Box<Target>),
    /// Targets that were not looked at.
    Unread(Run),
}

/// Targets side by side that an edit does not look at. They log in as `*GENERATE`, are out of its scope, and none of their
/// secrets moves to or from the Platform KeyStore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Where their text stands in the record that they were read from, in bytes.
    pub text: Range<u64>,
    /// The sum of the checksums of their lines.
    pub checksum: u64,
    /// How many they are, never none.
    pub count: usize,
}

impl Targets {
    /// Returns how many targets are configured, those unread included.
    pub fn len(&self) -> usize {
        self.0
            .iter()
            .map(|slot| match slot {
                Slot::Target(_) => 1,
                Slot::Unread(run) => run.count,
            })
            .sum()
    }

    /// Returns true when no target is configured.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the targets in scope.
    pub fn iter(&self) -> impl Iterator<Item = &Target> {
        self.0.iter().filter_map(|slot| match slot {
            Slot::Target(target) => Some(&**target),
            Slot::Unread(_) => None,
        })
    }

    /// Returns the targets in scope, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Target> {
        self.0.iter_mut().filter_map(|slot| match slot {
            Slot::Target(target) => Some(&mut **target),
            Slot::Unread(_) => None,
        })
    }

    /// Returns all places in their order.
    pub fn slots(&self) -> &[Slot] {
        &self.0
    }

    /// Returns what the targets log in as, in their order, those unread included.
    pub(super) fn initiator_names(&self) -> impl Iterator<Item = &InitiatorName> {
        self.0.iter().map(|slot| match slot {
            Slot::Target(target) => &target.identity.initiator_name,
            Slot::Unread(_) => &InitiatorName::Generated,
        })
    }

    pub(super) fn push(&mut self, target: Target) {
        self.0.push(Slot::Target(Box::new(target)));
    }

    /// Removes the first target in scope that is meant, and returns it.
    pub(super) fn remove(&mut self, is_meant: impl Fn(&Target) -> bool) -> Option<Target> {
        let index = self
            .0
            .iter()
            .position(|slot| matches!(slot, Slot::Target(target) if is_meant(target)))?;
        match self.0.remove(index) {
            Slot::Target(target) => Some(*target),
            Slot::Unread(_) => None,
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

impl FromIterator<Slot> for Targets {
    fn from_iter<I: IntoIterator<Item = Slot>>(slots: I) -> Self {
        Self(slots.into_iter().collect())
    }
}

impl<'de> Deserialize<'de> for Targets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let targets = Vec::<Box<Target>>::deserialize(deserializer)?;
        Ok(targets.into_iter().map(Slot::Target).collect())
    }
}
