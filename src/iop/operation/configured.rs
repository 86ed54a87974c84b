//! The configured targets as a whole: what they are, what the next re-IPL would change, and making them what a document says.

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    EditedTarget, OperationError, Outcome, Performed, chap_warnings, edit, missing_secrets,
    warnings_of,
};
use crate::iop::config::{
    Action, AppliedTarget, Configuration, ConfigurationError, Partition, StagedTarget,
    TargetIdentity, WantedTarget,
};
use crate::iop::store::{ActiveTarget, StateError, Store};
use crate::iop::warning::Warning;
use crate::values::{InitiatorName, KeystoreChoice, Subject};

/// What is configured and staged.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Configured {
    /// The configured targets, in the order in which they were added.
    pub targets: Vec<ConfiguredTarget>,
    /// The targets that the last re-IPL used and that are no longer configured.
    pub removed: Vec<EditedTarget>,
    /// The staged target; none when nothing is staged.
    pub staged: Option<Staged>,
    /// Whether the configured targets are no longer those that the last re-IPL used.
    pub changed: bool,
}

/// A configured target with what the next re-IPL makes of it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ConfiguredTarget {
    /// The target.
    #[serde(flatten)]
    pub target: EditedTarget,
    /// How it differs from what the last re-IPL used; null when it does not.
    pub change: Option<PendingChange>,
}

/// How a configured target differs from what the last re-IPL used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PendingChange {
    /// It was not used.
    New,
    /// It was used, and has been changed or made anew since.
    Changed,
}

/// What is staged, as joined so far; what was not given is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Staged {
    /// The initiator name.
    pub initiator_name: Option<String>,
    /// The target name.
    pub target_name: Option<String>,
    /// The target host name.
    pub target_host_name: Option<String>,
    /// The port.
    pub target_port: Option<u16>,
    /// The CHAP name, upper-cased.
    pub chap_name: Option<String>,
    /// Whether a CHAP secret is staged.
    pub chap_secret: bool,
    /// The keystore.
    pub keystore: Option<KeystoreChoice>,
    /// What a commit misses.
    pub missing: Vec<Subject>,
}

/// What became of the targets of a document.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Applied {
    /// The targets in the order of the document, then those that were removed.
    pub changes: Vec<Change>,
    /// Whether nothing was written: the changes are those that would be made.
    pub dry_run: bool,
}

/// A target with what was done to it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Change {
    /// What was done.
    pub action: Action,
    /// The target as it is now; one that was removed as it was.
    pub target: EditedTarget,
}

impl Applied {
    /// Returns whether any target was, or would be, added, changed or removed.
    pub fn changed(&self) -> bool {
        self.changes
            .iter()
            .any(|change| change.action != Action::Unchanged)
    }
}

/// Returns what is configured and staged.
pub(super) fn configured(store: &Store) -> Result<Performed, OperationError> {
    let generated_name = store.generated_name()?;
    let active = store.active()?;
    let record = store.partition()?;
    let configuration = store.revealed_configuration()?;
    let on = Partition {
        generated_name: generated_name.as_ref(),
        keystore: record.keystore_use(),
    };
    let used: Vec<(&ActiveTarget, Option<TargetIdentity>)> = active
        .targets
        .iter()
        .map(|target| (target, identity_of(target)))
        .collect();
    let is_same = |of: &Option<TargetIdentity>, identity: &TargetIdentity| {
        of.as_ref()
            .is_some_and(|of| of.same(identity, on.generated_name))
    };
    let targets = configuration
        .targets
        .iter()
        .map(|target| ConfiguredTarget {
            change: if used
                .iter()
                .any(|(used, _)| used.revision == target.revision)
            {
                None
            } else if used.iter().any(|(_, of)| is_same(of, &target.identity)) {
                Some(PendingChange::Changed)
            } else {
                Some(PendingChange::New)
            },
            target: EditedTarget::new(target, on),
        })
        .collect();
    let removed = used
        .iter()
        .filter(|(used, of)| {
            !configuration
                .targets
                .iter()
                .any(|target| target.revision == used.revision || is_same(of, &target.identity))
        })
        .map(|(used, _)| EditedTarget {
            target_name: used.report.target_name.clone(),
            target_host_name: used.report.target_host_name.clone(),
            target_port: used.report.target_port,
            initiator_name: used.report.initiator_name.clone(),
            chap: used.report.chap.clone(),
        })
        .collect();
    Ok(Performed {
        outcome: Outcome::Configured(Configured {
            targets,
            removed,
            staged: staged(&configuration.staged),
            changed: active.differs_from(&configuration),
        }),
        warnings: missing_secrets(&configuration).into_iter().collect(),
    })
}

/// Returns the identity of a target that the last re-IPL used; none for a record that a later version wrote by other rules.
fn identity_of(active: &ActiveTarget) -> Option<TargetIdentity> {
    let report = &active.report;
    Some(TargetIdentity {
        initiator_name: match active.generated {
            true => InitiatorName::Generated,
            false => report.initiator_name.parse().ok()?,
        },
        target_name: Subject::TargetName.iscsi_name(&report.target_name).ok()?,
        target_host_name: report.target_host_name.parse().ok()?,
        target_port: report.target_port.try_into().ok()?,
    })
}

fn staged(staged: &StagedTarget) -> Option<Staged> {
    (!staged.is_empty()).then(|| Staged {
        initiator_name: staged.initiator_name().map(str::to_owned),
        target_name: staged.target_name().map(str::to_owned),
        target_host_name: staged.target_host_name().map(str::to_owned),
        target_port: staged.target_port().map(|port| port.number()),
        chap_name: staged.chap_name().map(str::to_owned),
        chap_secret: staged.has_chap_secret(),
        keystore: staged.keystore(),
        missing: staged.missing(),
    })
}

/// Makes the configured targets what is wanted, in one edit.
pub(super) fn apply(
    wanted: &[WantedTarget],
    prune: bool,
    dry_run: bool,
    store: &Store,
) -> Result<Performed, OperationError> {
    for target in wanted {
        if let Some(half) = target.chap.missing_half() {
            return Err(OperationError::HalfChap(half));
        }
    }
    let rule = |configuration: &mut Configuration, on: Partition<'_>| {
        let applied = configuration.apply(wanted, prune, on)?;
        Ok::<_, ConfigurationError>(performed(wanted, applied, dry_run, on))
    };
    if !dry_run {
        return edit(store, rule);
    }
    let generated_name = store.generated_name()?;
    let record = store.partition()?;
    let mut configuration = store.revealed_configuration()?;
    let before = configuration.keystore_used(&record);
    let on = Partition {
        generated_name: generated_name.as_ref(),
        keystore: record.keystore_use(),
    };
    let performed = rule(&mut configuration, on)?;
    let used = configuration.keystore_used(&record);
    // As the store refuses it when the edit is made.
    if on.keystore.is_enabled() && used > record.keystore_size && used > before {
        return Err(StateError::KeystoreFull {
            size: record.keystore_size,
            used: before,
            needed: used,
        }
        .into());
    }
    Ok(performed)
}

fn performed(
    wanted: &[WantedTarget],
    applied: Vec<AppliedTarget>,
    dry_run: bool,
    on: Partition<'_>,
) -> Performed {
    let mut warnings: Vec<Warning> = Vec::new();
    for (wanted, applied) in wanted.iter().zip(&applied) {
        let of_values = match applied.action {
            Action::Added => warnings_of(&applied.target, applied.warnings.clone(), on),
            Action::Changed => {
                let chap = &wanted.chap;
                chap_warnings(chap.name.as_ref(), chap.secret.as_ref())
            }
            Action::Removed | Action::Unchanged => continue,
        };
        let upper_cased = [
            (wanted.upper_cased_name, Subject::ChapName),
            (wanted.upper_cased_secret, Subject::ChapSecret),
        ]
        .into_iter()
        .filter(|(is_changed, _)| *is_changed)
        .map(|(_, subject)| Warning::ChangedToUpperCase { subject });
        for warning in upper_cased.chain(of_values) {
            // What holds of many targets is said once.
            if !warnings.contains(&warning) {
                warnings.push(warning);
            }
        }
    }
    let changes = applied
        .iter()
        .map(|applied| Change {
            action: applied.action,
            target: EditedTarget::new(&applied.target, on),
        })
        .collect();
    Performed {
        outcome: Outcome::Applied(Applied { changes, dry_run }),
        warnings,
    }
}
