//! What a front end can ask the IOP for, and what came of it: plain data both ways, and one entry.
//!
//! Front ends translate: the macro's command line, and every other front end of the same partition. None of them has rules of
//! its own, and nothing here has sentences for people. Files that a user names are read and written by the front end: what is in
//! them comes and goes as data.
//!
//! An operation reads or changes the state, or re-IPLs. What does neither is none: `generate` renders tables of the program,
//! `vtl` serves [`crate::vtl`], which has no state of the partition, and `demo` runs both as a user would. What uses a device
//! moves data that is no value to return, so [`super::job`] has its entry.

use std::rc::Rc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

mod configured;
mod partition;

pub use configured::{Applied, Change, Configured, ConfiguredTarget, PendingChange, Staged};
pub use partition::{
    ExportError, ExportFault, HeldTarget, KeystoreReport, PartitionDone, PartitionOutcome,
};

use super::active::ChapReport;
use super::config::{
    ChapParameters, Configuration, ConfigurationError, EditWarning, KeystoreUse, Partition,
    PartitionChange, PartitionError, PartitionRecord, StagedParameter, StagedTarget, Target,
    TargetIdentity, TargetSelector, WantedTarget,
};
use super::ipl::{self, ReIplError, Settings, chap_report};
use super::resident::{self, ControlError};
use super::store::{ActiveConfiguration, StateError, Store};
use super::warning::Warning;
use crate::iscsi::name::IscsiName;
use crate::iscsi::secret::Secret;
use crate::transport::Observer;
use crate::values::{
    ChapName, ChapSecret, Form, HostName, KeystoreChoice, Port, Subject, ValueError, ValueWarning,
};

/// What can be asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "operation", rename_all = "kebab-case")]
pub enum Operation {
    /// What the IOP runs since the last re-IPL.
    Show,
    /// What is configured and staged, and what the next re-IPL would change.
    Configured,
    /// The configured targets as a whole, in one edit.
    Apply {
        /// The targets as they are to be.
        targets: Vec<WantedTarget>,
        /// Whether the others are removed.
        prune: bool,
        /// Whether nothing is written.
        dry_run: bool,
    },
    /// A new target.
    Add {
        /// Which one.
        identity: TargetIdentity,
        /// Its CHAP parameters.
        chap: ChapParameters,
    },
    /// Other CHAP parameters for a target; those not given stay.
    Change {
        /// Which one.
        identity: TargetIdentity,
        /// What is to change.
        chap: ChapParameters,
    },
    /// A target less, and its credentials.
    Remove {
        /// Which one.
        identity: TargetIdentity,
    },
    /// A target less that is named without its host, where only one fits.
    RemoveSelected {
        /// What is known of it.
        selector: TargetSelector,
    },
    /// The configuration of a new system.
    Clear,
    /// First pieces of parameters of the staged target.
    Replace {
        /// The parameters and their pieces.
        pieces: Vec<Piece>,
    },
    /// Further pieces of parameters of the staged target.
    Append {
        /// The parameters and their pieces.
        pieces: Vec<Piece>,
    },
    /// The port of the staged target.
    SetPort {
        /// The port.
        port: Port,
    },
    /// The keystore of the staged target.
    SetKeystore {
        /// The choice.
        keystore: KeystoreChoice,
    },
    /// The staged target among the configured ones.
    Commit,
    /// A re-IPL of the IOP.
    ReIpl,
    /// The partition and its Platform KeyStore.
    ShowPartition,
    /// Other settings of the partition.
    SetPartition {
        /// What is to change.
        change: PartitionChange,
        /// How many re-IPLs in a row must not have seen a device that is to be forgotten; none to forget none.
        forget_devices: Option<u64>,
    },
    /// The partition and the credentials of its KeyStore, sealed.
    ExportPartition {
        /// What they are sealed under.
        passphrase: Secret<String>,
    },
    /// The partition and the credentials of its KeyStore, from what an export sealed.
    ImportPartition {
        /// What was sealed.
        sealed: Vec<u8>,
        /// What it was sealed under.
        passphrase: Secret<String>,
    },
}

/// A piece of a staged parameter. It may be one of a CHAP secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Piece {
    /// Which parameter.
    pub parameter: StagedParameter,
    /// The piece, as typed.
    pub text: Secret<String>,
}

/// What came of an operation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Performed {
    /// The result.
    pub outcome: Outcome,
    /// What is to be said beside it.
    pub warnings: Vec<Warning>,
}

/// The result of an operation.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// What the IOP runs: after a re-IPL, or as asked for.
    Active(Active),
    /// What is configured and staged.
    Configured(Configured),
    /// What became of the targets of a document.
    Applied(Applied),
    /// What an edit did.
    Edited(Edited),
    /// The partition, and what was done to it.
    Partition(Box<PartitionOutcome>),
}

/// What the IOP runs since the last re-IPL.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Active {
    /// The record of the last re-IPL.
    pub configuration: ActiveConfiguration,
    /// The system generated initiator name; none on a partition without a UUID.
    pub generated_name: Option<IscsiName>,
    /// Whether the configured targets are no longer those that the last re-IPL used.
    pub changed: bool,
    /// How many targets are configured.
    pub configured: usize,
    /// Whether a resident IOP holds the sessions, so that the status of a target is that of now.
    pub resident: bool,
}

/// What an edit did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Edited {
    /// What it was asked to do.
    pub edit: Edit,
    /// Whether that changed anything.
    pub changed: bool,
}

/// What an edit was asked to do, and to what.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Edit {
    /// A target was configured.
    Added(EditedTarget),
    /// The staged target was configured.
    Committed(EditedTarget),
    /// The CHAP parameters of a target were changed.
    Changed(EditedTarget),
    /// A target was removed.
    Removed(EditedTarget),
    /// Everything was removed.
    Cleared {
        /// How many targets were configured.
        targets: usize,
        /// Whether a target was staged.
        staged: bool,
    },
    /// Parameters of the staged target were set.
    Staged {
        /// Which ones.
        subjects: Vec<Subject>,
    },
    /// Pieces were appended to parameters of the staged target.
    Appended {
        /// To which ones.
        subjects: Vec<Subject>,
    },
}

impl Edit {
    /// Returns the target that was edited; none for one that is staged, or for all.
    pub fn target(&self) -> Option<&EditedTarget> {
        match self {
            Self::Added(target)
            | Self::Committed(target)
            | Self::Changed(target)
            | Self::Removed(target) => Some(target),
            Self::Cleared { .. } | Self::Staged { .. } | Self::Appended { .. } => None,
        }
    }
}

/// A configured target as an edit shows it: without a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct EditedTarget {
    /// The target, as typed.
    pub target_name: String,
    /// Its host, as typed.
    pub target_host_name: String,
    /// Its port.
    pub target_port: u16,
    /// The initiator name, `*GENERATE` resolved.
    pub initiator_name: String,
    /// How it is to be logged in to; null without CHAP.
    pub chap: Option<ChapReport>,
}

impl EditedTarget {
    fn new(target: &Target, on: Partition<'_>) -> Self {
        let identity = &target.identity;
        Self {
            target_name: identity.target_name.to_string(),
            target_host_name: identity.target_host_name.to_string(),
            target_port: identity.target_port.number(),
            initiator_name: identity
                .initiator_name
                .resolved(on.generated_name)
                .to_owned(),
            chap: chap_report(target, target.will_be_sealed(on.keystore)),
        }
    }
}

/// Why an operation was not carried out. Nothing has changed then.
#[derive(Debug, Error)]
pub enum OperationError {
    /// A target was to be added with a CHAP name and no secret, or the reverse.
    #[error("CHAP name and secret come together, and the {0} is missing")]
    HalfChap(Subject),
    /// The request does not fit the configuration.
    #[error(transparent)]
    Refused(#[from] ConfigurationError),
    /// The state could not be locked, read or written.
    #[error(transparent)]
    State(#[from] StateError),
    /// The re-IPL did not begin.
    #[error(transparent)]
    ReIpl(#[from] ReIplError),
    /// The partition was to be changed, and no setting was given.
    #[error("no setting of the partition is given to change")]
    NoSetting,
    /// The change does not fit what the KeyStore holds.
    #[error(transparent)]
    Partition(#[from] PartitionError),
    /// The resident IOP did not carry it out.
    #[error(transparent)]
    Resident(#[from] ControlError),
    /// The partition cannot be sealed, or what was sealed cannot be taken.
    #[error(transparent)]
    Export(#[from] ExportError),
}

/// Carries out an operation. `observe` is asked, before a re-IPL connects to anything, who is to be told each step.
///
/// # Errors
/// [`OperationError`]. A target that fails at a re-IPL is no error: its report has the cause.
pub fn perform(
    operation: Operation,
    store: &Store,
    settings: &Settings,
    observe: impl FnOnce(&[&Target]) -> Rc<Observer>,
) -> Result<Performed, OperationError> {
    match operation {
        Operation::Show => show(store, settings),
        Operation::Configured => configured::configured(store),
        Operation::Apply {
            targets,
            prune,
            dry_run,
        } => configured::apply(&targets, prune, dry_run, store),
        Operation::Add { identity, chap } => add(identity, chap, store),
        Operation::Change { identity, chap } => change(&identity, chap, store),
        Operation::Remove { identity } => edit(store, |configuration, on| {
            let target = configuration.remove(&identity, on)?;
            Ok(changed(Edit::Removed(EditedTarget::new(&target, on))))
        }),
        Operation::RemoveSelected { selector } => edit(store, |configuration, on| {
            let target = configuration.remove_selected(&selector, on)?;
            Ok(changed(Edit::Removed(EditedTarget::new(&target, on))))
        }),
        Operation::Clear => edit(store, |configuration, _| {
            let targets = configuration.targets.len();
            let staged = !configuration.staged.is_empty();
            configuration.clear();
            Ok(Performed {
                outcome: Outcome::Edited(Edited {
                    edit: Edit::Cleared { targets, staged },
                    changed: targets > 0 || staged,
                }),
                warnings: Vec::new(),
            })
        }),
        Operation::Replace { pieces } => replace(&pieces, store),
        Operation::Append { pieces } => append(&pieces, store),
        Operation::SetPort { port } => stage(store, vec![Subject::TargetPort], |staged| {
            staged.set_port(port);
            Ok(Vec::new())
        }),
        Operation::SetKeystore { keystore } => {
            stage(store, vec![Subject::ChapKeystore], |staged| {
                staged.set_keystore(keystore);
                Ok(Vec::new())
            })
        }
        Operation::Commit => edit(store, |configuration, on| {
            let (target, warnings) = configuration.commit(on)?;
            let mut performed = changed(Edit::Committed(EditedTarget::new(&target, on)));
            performed.warnings = warnings_of(&target, warnings, on);
            Ok(performed)
        }),
        Operation::ReIpl => re_ipl(store, settings, observe),
        Operation::ShowPartition => partition::show(store),
        Operation::SetPartition {
            change,
            forget_devices,
        } => partition::set(store, change, forget_devices),
        Operation::ExportPartition { passphrase } => partition::export(store, &passphrase),
        Operation::ImportPartition { sealed, passphrase } => {
            partition::import(store, &sealed, &passphrase)
        }
    }
}

/// Returns what is to be said of a CHAP name and secret as they were typed: the VTL must hold them in upper case.
pub fn folding_warnings(name: Option<&str>, secret: Option<&str>) -> Vec<Warning> {
    [(name, Subject::ChapName), (secret, Subject::ChapSecret)]
        .into_iter()
        .filter(|(typed, _)| {
            typed.is_some_and(|typed| typed.bytes().any(|byte| byte.is_ascii_lowercase()))
        })
        .map(|(_, subject)| Warning::ChangedToUpperCase { subject })
        .collect()
}

fn show(store: &Store, settings: &Settings) -> Result<Performed, OperationError> {
    let (generated_name, configuration, resident) = match resident_active(store, settings)? {
        Some((active, generated_name)) => (generated_name, active, true),
        None => (store.generated_name()?, store.active()?, false),
    };
    let configured = store.revealed_configuration()?;
    let active = Active {
        changed: configuration.differs_from(&configured),
        configured: configured.targets.len(),
        resident,
        configuration,
        generated_name,
    };
    let mut warnings = Vec::new();
    if active.changed {
        warnings.push(Warning::ConfigurationChanged);
    }
    warnings.extend(missing_secrets(&configured));
    Ok(Performed {
        outcome: Outcome::Active(active),
        warnings,
    })
}

/// Returns what the resident IOP runs now, and the generated initiator name that it uses; none where there is no IOP.
fn resident_active(
    store: &Store,
    settings: &Settings,
) -> Result<Option<(ActiveConfiguration, Option<IscsiName>)>, ControlError> {
    let mut attempts = 3;
    while let Some(iop) = resident::connect(store, settings.timeout)? {
        match iop.active() {
            // It has ended meanwhile.
            Err(ControlError::Gone { .. }) if attempts > 0 => attempts -= 1,
            answer => return answer.map(Some),
        }
    }
    Ok(None)
}

fn re_ipl(
    store: &Store,
    settings: &Settings,
    observe: impl FnOnce(&[&Target]) -> Rc<Observer>,
) -> Result<Performed, OperationError> {
    let mut resident = true;
    let done = match resident::connect(store, settings.timeout)? {
        Some(iop) => iop.re_ipl(settings, store.lock_timeout())?,
        None => {
            resident = false;
            ipl::run(store, settings, observe)?
        }
    };
    let configured = store.revealed_configuration()?;
    let mut warnings = done.warnings;
    warnings.extend(missing_secrets(&configured));
    Ok(Performed {
        outcome: Outcome::Active(Active {
            changed: done.active.differs_from(&configured),
            configured: configured.targets.len(),
            resident,
            configuration: done.active,
            generated_name: done.generated_name,
        }),
        warnings,
    })
}

fn add(
    identity: TargetIdentity,
    chap: ChapParameters,
    store: &Store,
) -> Result<Performed, OperationError> {
    if let Some(half) = chap.missing_half() {
        // The request itself is at fault, whatever is configured.
        return Err(OperationError::HalfChap(half));
    }
    edit(store, |configuration, on| {
        let (target, warnings) = configuration.add(identity, chap, on)?;
        let mut performed = changed(Edit::Added(EditedTarget::new(&target, on)));
        performed.warnings = warnings_of(&target, warnings, on);
        Ok(performed)
    })
}

fn change(
    identity: &TargetIdentity,
    chap: ChapParameters,
    store: &Store,
) -> Result<Performed, OperationError> {
    let warnings = chap_warnings(chap.name.as_ref(), chap.secret.as_ref());
    edit(store, |configuration, on| {
        let (target, changed) = configuration.change(identity, chap, on)?;
        Ok(Performed {
            outcome: Outcome::Edited(Edited {
                edit: Edit::Changed(EditedTarget::new(&target, on)),
                changed,
            }),
            warnings,
        })
    })
}

fn replace(pieces: &[Piece], store: &Store) -> Result<Performed, OperationError> {
    let mut performed = stage(store, subjects(pieces), |staged| {
        // A request with one bad piece stages none: nothing is written then.
        for piece in pieces {
            staged.replace(piece.parameter, piece.text.reveal())?;
        }
        Ok(staged_warnings(staged, pieces))
    })?;
    let mut warnings = piece_folding(pieces);
    if pieces.len() > 1 {
        warnings.push(Warning::SeveralParameters);
    }
    performed.warnings.splice(0..0, warnings);
    Ok(performed)
}

fn append(pieces: &[Piece], store: &Store) -> Result<Performed, OperationError> {
    let mut performed = stage(store, Vec::new(), |staged| {
        let mut warnings = Vec::new();
        for piece in pieces {
            if !staged.append(piece.parameter, piece.text.reveal())? {
                let subject = piece.parameter.subject();
                warnings.push(Warning::FirstPiece { subject });
            }
        }
        warnings.splice(0..0, staged_warnings(staged, pieces));
        Ok(warnings)
    })?;
    performed.warnings.splice(0..0, piece_folding(pieces));
    performed.outcome = Outcome::Edited(Edited {
        edit: Edit::Appended {
            subjects: subjects(pieces),
        },
        // An empty piece is refused.
        changed: true,
    });
    Ok(performed)
}

/// Returns what is plainly not meant in a name to which a piece was just given.
fn staged_warnings(staged: &StagedTarget, pieces: &[Piece]) -> Vec<Warning> {
    let is_given = |parameter| pieces.iter().any(|piece| piece.parameter == parameter);
    let mut warnings = Vec::new();
    if is_given(StagedParameter::InitiatorName) && staged.is_generate_without_asterisk() {
        warnings.push(Warning::Value(ValueWarning::GenerateWithoutAsterisk));
    }
    if is_given(StagedParameter::TargetHostName) {
        warnings.extend(staged.target_host_name().and_then(staged_port));
    }
    warnings
}

/// Returns the warning that a staged host name holds a port: -commit refuses it.
fn staged_port(host_name: &str) -> Option<Warning> {
    match HostName::with_port(host_name)? {
        ValueError::Form {
            form: Form::WithPort { host, port },
            ..
        } => Some(Warning::HostNameWithPort { host, port }),
        _ => None,
    }
}

fn subjects(pieces: &[Piece]) -> Vec<Subject> {
    let subjects = pieces.iter().map(|piece| piece.parameter.subject());
    subjects.collect()
}

fn piece_folding(pieces: &[Piece]) -> Vec<Warning> {
    let typed = |parameter| {
        pieces
            .iter()
            .find(|piece| piece.parameter == parameter)
            .map(|piece| piece.text.reveal().as_str())
    };
    folding_warnings(
        typed(StagedParameter::ChapName),
        typed(StagedParameter::ChapSecret),
    )
}

/// Edits what is staged, and nothing else.
fn stage(
    store: &Store,
    subjects: Vec<Subject>,
    rule: impl FnOnce(&mut StagedTarget) -> Result<Vec<Warning>, ConfigurationError>,
) -> Result<Performed, OperationError> {
    edit(store, |configuration, _| {
        let before = configuration.staged.clone();
        let warnings = rule(&mut configuration.staged)?;
        Ok(Performed {
            outcome: Outcome::Edited(Edited {
                edit: Edit::Staged { subjects },
                changed: configuration.staged != before,
            }),
            warnings,
        })
    })
}

/// Edits the configuration by a rule that needs to know the partition.
fn edit(
    store: &Store,
    rule: impl FnOnce(&mut Configuration, Partition<'_>) -> Result<Performed, ConfigurationError>,
) -> Result<Performed, OperationError> {
    let generated_name = store.generated_name()?;
    store.edit(
        |configuration: &mut Configuration, record: &PartitionRecord| {
            let keystore: KeystoreUse = record.keystore_use();
            let on = Partition {
                generated_name: generated_name.as_ref(),
                keystore,
            };
            Ok(rule(configuration, on)?)
        },
    )
}

fn changed(edit: Edit) -> Performed {
    Performed {
        outcome: Outcome::Edited(Edited {
            edit,
            changed: true,
        }),
        warnings: Vec::new(),
    }
}

/// Returns what a VTL, or IBM i, may object to in a target that was just configured.
fn warnings_of(target: &Target, edit: Vec<EditWarning>, on: Partition<'_>) -> Vec<Warning> {
    let identity = &target.identity;
    let mut warnings: Vec<Warning> = identity
        .initiator_name
        .warnings()
        .into_iter()
        .chain(identity.target_host_name.warnings())
        .chain(Subject::TargetName.warnings_of(&identity.target_name))
        .map(Warning::Value)
        .collect();
    let chap = target.chap.as_ref();
    warnings.extend(chap_warnings(
        chap.map(|chap| &chap.name),
        chap.and_then(|chap| chap.secret()),
    ));
    warnings.extend(
        edit.into_iter().map(
            |EditWarning::SecondInitiator { other }| Warning::SecondInitiator {
                used: identity
                    .initiator_name
                    .resolved(on.generated_name)
                    .to_owned(),
                other: other.to_string(),
            },
        ),
    );
    warnings
}

fn chap_warnings(name: Option<&ChapName>, secret: Option<&ChapSecret>) -> Vec<Warning> {
    name.into_iter()
        .flat_map(ChapName::warnings)
        .chain(secret.into_iter().flat_map(ChapSecret::warnings))
        .map(Warning::Value)
        .collect()
}

/// Names the targets whose secrets are in a Platform KeyStore that is not here.
fn missing_secrets(configuration: &Configuration) -> Option<Warning> {
    let targets: Vec<String> = configuration
        .targets
        .iter()
        .filter(|target| target.lacks_secret())
        .map(|target| target.identity.to_string())
        .collect();
    (!targets.is_empty()).then_some(Warning::SecretsNotHere { targets })
}
