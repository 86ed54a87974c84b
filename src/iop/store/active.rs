//! What the IOP runs since the last re-IPL. The dumps show this and nothing else.

use serde::{Deserialize, Serialize};

use crate::iop::active::TargetReport;
use crate::iop::config::Configuration;

/// The active configuration: `active.json`. It never holds a secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ActiveConfiguration {
    /// When the last re-IPL began, UTC, RFC 3339; none before the first.
    pub ipl_time: Option<String>,
    /// How many re-IPLs there have been.
    pub ipl_count: u64,
    /// The targets that the last re-IPL used, in the order of the configuration.
    pub targets: Vec<ActiveTarget>,
}

/// A target that the last re-IPL used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ActiveTarget {
    /// The revision of the configured target.
    pub revision: u64,
    /// Whether its initiator name was `*GENERATE`.
    pub generated: bool,
    /// What became of it.
    pub report: TargetReport,
}

impl ActiveConfiguration {
    /// Returns an empty configuration for a system whose configuration was removed: its revisions continue after those of the last re-IPL,
    /// so that no target of it is taken for one that the re-IPL used.
    pub(super) fn next_configuration(&self) -> Configuration {
        let revisions = self.targets.iter().map(|target| target.revision);
        Configuration {
            last_revision: revisions.max().unwrap_or_default(),
            ..Configuration::default()
        }
    }

    /// Returns true when the configured targets are not those that the last re-IPL used. Order does not matter, and neither
    /// does what is staged; a target that was changed, or removed and added again, is another one.
    pub fn differs_from(&self, configuration: &Configuration) -> bool {
        let mut active: Vec<u64> = self.targets.iter().map(|target| target.revision).collect();
        let mut configured: Vec<u64> = configuration
            .targets
            .iter()
            .map(|target| target.revision)
            .collect();
        active.sort_unstable();
        configured.sort_unstable();
        active != configured
    }
}
