//! The operations on the partition and its Platform KeyStore.

use std::collections::BTreeSet;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

use super::{OperationError, Outcome, Performed};
use crate::iop::config::{
    Configuration, PartitionChange, PartitionRecord, Release, TargetIdentity, UuidChoice,
};
use crate::iop::keystore::{
    Binding, EntryId, MAX_CAPACITY, PassphraseError, WORK_FACTOR, cost, open_export, seal_export,
};
use crate::iop::store::{PartitionIdentity, StateError, Store};
use crate::iop::warning::Warning;
use crate::iscsi::secret::Secret;
use crate::values::Subject;

/// The schema number of an exported document.
const EXPORT_SCHEMA: u32 = 1;

/// The partition, and what was done to it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PartitionOutcome {
    /// What was done.
    pub done: PartitionDone,
    /// The partition's UUID, where it comes from, and the initiator name made of it.
    pub identity: PartitionIdentity,
    /// The release of IBM i.
    pub release: Release,
    /// Its Platform KeyStore.
    pub keystore: KeystoreReport,
}

/// What was done to the partition.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartitionDone {
    /// Nothing.
    Shown,
    /// Settings were changed.
    Set {
        /// Whether anything is different now.
        changed: bool,
        /// How many credentials went from the KeyStore to disk, in plain text.
        moved_to_disk: usize,
        /// The names of the devices that were forgotten; none when that was not asked for.
        forgotten: Option<Vec<String>>,
    },
    /// It was sealed under a passphrase.
    Exported {
        /// How many credentials are in it.
        credentials: usize,
        /// The sealed document, a file of age-encryption.org/v1.
        sealed: Vec<u8>,
    },
    /// It was taken from a sealed document.
    Imported {
        /// How many credentials were in it.
        credentials: usize,
        /// How many of them no configured target refers to.
        without_target: usize,
    },
}

/// The Platform KeyStore without its secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeystoreReport {
    /// The directory that it is kept in; none where there is none to keep it in.
    pub directory: Option<PathBuf>,
    /// Its capacity in bytes, 0 while it is not enabled.
    pub size: u64,
    /// What is used of it, in bytes.
    pub used: u64,
    /// Whether the release uses it for CHAP, and it is enabled.
    pub in_use: bool,
    /// The targets whose credentials it holds, or is meant to hold.
    pub targets: Vec<HeldTarget>,
}

/// A target whose credentials are in the KeyStore, or are meant to be and are not here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HeldTarget {
    /// The target, as typed.
    pub target_name: String,
    /// Its host, as typed.
    pub target_host_name: String,
    /// Its port.
    pub target_port: u16,
    /// The initiator name, `*GENERATE` resolved.
    pub initiator_name: String,
    /// What its credentials take of the KeyStore, in bytes; null when it does not hold them.
    pub used: Option<u64>,
}

/// Why a partition was not exported or imported. Nothing has changed then.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ExportError {
    /// It cannot be sealed under a passphrase, or does not open with it.
    #[error(transparent)]
    Passphrase(#[from] PassphraseError),
    /// It opens, and what it holds cannot be taken.
    #[error(transparent)]
    Content(#[from] ExportFault),
}

/// What is wrong with a document that opens. No text holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ExportFault {
    /// Its KeyStore is larger than one may be.
    #[error("its KeyStore has {0} bytes, and {MAX_CAPACITY} is the limit")]
    Size(u64),
    /// An entry is none that could have been given.
    #[error("entry {0} is no CHAP secret")]
    NoSecret(EntryId),
    /// Two entries have one id.
    #[error("entry {0} is there twice")]
    Twice(EntryId),
    /// The entries are larger than the KeyStore.
    #[error("its entries take {used} bytes, and its KeyStore has {size}")]
    Full {
        /// What they take, in bytes.
        used: u64,
        /// The capacity, in bytes.
        size: u64,
    },
}

/// What an exported document holds. The entries' secrets are text, so that the file opens by other means too.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Export {
    schema: u32,
    partition: PartitionRecord,
    entries: Vec<ExportedEntry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExportedEntry {
    id: EntryId,
    secret: Zeroizing<String>,
    /// What the entry belongs to; none in a file of a version before 0.2.0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    belongs_to: Option<Binding>,
}

/// Shows the partition.
pub(super) fn show(store: &Store) -> Result<Performed, OperationError> {
    performed(store, PartitionDone::Shown, Vec::new())
}

/// Changes settings, and forgets devices that the last `forget_devices` re-IPLs did not see.
pub(super) fn set(
    store: &Store,
    change: PartitionChange,
    forget_devices: Option<u64>,
) -> Result<Performed, OperationError> {
    if change == PartitionChange::default() && forget_devices.is_none() {
        return Err(OperationError::NoSetting);
    }
    let other_uuid = change.uuid.is_some();
    let (moved_to_disk, mut changed) = store.edit_partition(|configuration, partition, _| {
        let before = partition.clone();
        let moved = configuration.repartition(partition, change)?;
        Ok::<_, OperationError>((moved, moved > 0 || *partition != before))
    })?;
    let mut warnings = Vec::new();
    if moved_to_disk > 0 {
        warnings.push(Warning::CredentialsOnDisk {
            count: moved_to_disk,
        });
    }
    if other_uuid {
        warnings.extend(name_warnings(store)?);
    }
    let forgotten = forget_devices
        .map(|count| store.forget_devices(count))
        .transpose()?;
    changed |= forgotten.as_ref().is_some_and(|names| !names.is_empty());
    let done = PartitionDone::Set {
        changed,
        moved_to_disk,
        forgotten,
    };
    performed(store, done, warnings)
}

/// Seals the partition and what its KeyStore holds under a passphrase.
pub(super) fn export(
    store: &Store,
    passphrase: &Secret<String>,
) -> Result<Performed, OperationError> {
    let mut partition = store.partition()?;
    // The name that the VTLs know must go with the partition.
    let uuid = store.identity()?.uuid;
    partition.uuid = Some(uuid.map_or(UuidChoice::None, UuidChoice::Given));
    let entries: Vec<ExportedEntry> = store
        .open_keystore(&partition)?
        .iter()
        .map(|(id, entry)| ExportedEntry {
            id,
            secret: entry.secret.clone(),
            belongs_to: entry.belongs_to,
        })
        .collect();
    let credentials = entries.len();
    // Escaping doubles a secret at most; a buffer that grew would leave unwiped copies behind.
    let length: usize = entries
        .iter()
        .map(|entry| 100 + 2 * entry.secret.len())
        .sum();
    let mut document = Zeroizing::new(Vec::with_capacity(1000 + length));
    let export = Export {
        schema: EXPORT_SCHEMA,
        partition,
        entries,
    };
    serde_json::to_writer(&mut *document, &export)
        .map_err(|_| ExportError::Passphrase(PassphraseError::Format))?;
    let salts = store.salts()?;
    let sealed = seal_export(&document, passphrase.reveal(), WORK_FACTOR, &salts)
        .map_err(ExportError::Passphrase)?;
    let done = PartitionDone::Exported {
        credentials,
        sealed,
    };
    performed(store, done, Vec::new())
}

/// Takes the partition and the entries of its KeyStore from a sealed document, all of it or nothing.
pub(super) fn import(
    store: &Store,
    sealed: &[u8],
    passphrase: &Secret<String>,
) -> Result<Performed, OperationError> {
    let document = open_export(sealed, passphrase.reveal()).map_err(ExportError::Passphrase)?;
    let export: Export = serde_json::from_slice(&document)
        .ok()
        .filter(|export: &Export| export.schema == EXPORT_SCHEMA)
        .ok_or(ExportError::Passphrase(PassphraseError::Format))?;
    validate(&export).map_err(ExportError::Content)?;
    let without_target = store.edit_partition(|configuration, partition, brought| {
        for entry in &export.entries {
            brought.insert(entry.id, &entry.secret, entry.belongs_to);
        }
        // The entries that were here count before the partition may shrink around them.
        configuration.reveal(brought).map_err(StateError::from)?;
        let change = PartitionChange {
            uuid: export.partition.uuid.clone(),
            release: Some(export.partition.release),
            keystore_size: Some(export.partition.keystore_size),
            move_to_disk: false,
        };
        // The KeyStore's id stays where it is: here it would be that of another state directory.
        configuration.repartition(partition, change)?;
        let referred = configuration.entry_ids();
        let waiting = export
            .entries
            .iter()
            .filter(|entry| !referred.contains(&entry.id));
        Ok::<_, OperationError>(waiting.count())
    })?;
    let mut warnings = Vec::new();
    if without_target > 0 {
        warnings.push(Warning::CredentialsWithoutTarget {
            count: without_target,
        });
    }
    warnings.extend(name_warnings(store)?);
    let done = PartitionDone::Imported {
        credentials: export.entries.len(),
        without_target,
    };
    performed(store, done, warnings)
}

/// Holds what an export says against the limits that `partition set` and the configuration have.
fn validate(export: &Export) -> Result<(), ExportFault> {
    let size = export.partition.keystore_size;
    if size > MAX_CAPACITY {
        return Err(ExportFault::Size(size));
    }
    let mut ids = BTreeSet::new();
    let mut used = 0_u64;
    for entry in &export.entries {
        if entry.secret.is_empty() || Subject::ChapSecret.check_piece(&entry.secret).is_err() {
            return Err(ExportFault::NoSecret(entry.id));
        }
        if !ids.insert(entry.id) {
            return Err(ExportFault::Twice(entry.id));
        }
        used = used.saturating_add(cost(&entry.secret));
    }
    match used > size {
        true => Err(ExportFault::Full { used, size }),
        false => Ok(()),
    }
}

/// Returns what another UUID means for the targets that are configured.
fn name_warnings(store: &Store) -> Result<Vec<Warning>, StateError> {
    let generated = store.generated_name()?;
    let configuration = store.configuration()?;
    let twice = configuration.joined_twice(generated.as_ref());
    let mut warnings: Vec<Warning> = twice
        .into_iter()
        .map(|identity: &TargetIdentity| Warning::SameInitiatorTwice {
            target: identity.to_string(),
        })
        .collect();
    let mut initiators = configuration.targets.iter();
    if generated.is_none() && initiators.any(|target| target.identity.initiator_name.is_generated())
    {
        warnings.push(Warning::NoGeneratedName);
    }
    Ok(warnings)
}

fn performed(
    store: &Store,
    done: PartitionDone,
    warnings: Vec<Warning>,
) -> Result<Performed, OperationError> {
    let record = store.partition()?;
    let identity = store.identity()?;
    let configuration = store.revealed_configuration()?;
    // A KeyStore that cannot be opened is told even where nothing refers to it.
    store.open_keystore(&record)?;
    let keystore = keystore_report(store, &record, &identity, &configuration);
    Ok(Performed {
        outcome: Outcome::Partition(Box::new(PartitionOutcome {
            done,
            identity,
            release: record.release,
            keystore,
        })),
        warnings,
    })
}

fn keystore_report(
    store: &Store,
    record: &PartitionRecord,
    identity: &PartitionIdentity,
    configuration: &Configuration,
) -> KeystoreReport {
    let generated = identity.generated_name.as_ref();
    let targets = configuration.targets.iter().filter_map(|target| {
        let chap = target.chap.as_ref().filter(|chap| chap.is_sealed())?;
        let identity = &target.identity;
        Some(HeldTarget {
            target_name: identity.target_name.to_string(),
            target_host_name: identity.target_host_name.to_string(),
            target_port: identity.target_port.number(),
            initiator_name: identity.initiator_name.resolved(generated).to_owned(),
            used: chap.secret().map(|secret| cost(secret.reveal())),
        })
    });
    KeystoreReport {
        directory: store.keystore_path().map(PathBuf::from),
        size: record.keystore_size,
        used: configuration.keystore_used(record),
        in_use: record.keystore_use().is_enabled(),
        targets: targets.collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::iop::ipl::Settings;
    use crate::iop::operation::{Operation, perform};

    fn run(operation: Operation, home: &Path) -> Result<PartitionOutcome, OperationError> {
        let store = Store::new(home.join("state"), Duration::from_secs(5))
            .with_keystore(home.join("keystore"));
        let settings = Settings {
            timeout: Duration::from_secs(1),
            chap_algorithms: Vec::new(),
        };
        let performed = perform(operation, &store, &settings, |_| panic!("no re-IPL"))?;
        match performed.outcome {
            Outcome::Partition(partition) => Ok(*partition),
            other => panic!("{other:?}"),
        }
    }

    fn size(bytes: u64) -> Operation {
        Operation::SetPartition {
            change: PartitionChange {
                keystore_size: Some(bytes),
                ..PartitionChange::default()
            },
            forget_devices: None,
        }
    }

    #[test]
    fn a_setting_that_is_there_already_changes_nothing() {
        let home = tempfile::tempdir().unwrap();
        for changed in [true, false] {
            let set = PartitionDone::Set {
                changed,
                moved_to_disk: 0,
                forgotten: None,
            };
            let outcome = run(size(4096), home.path()).unwrap();
            assert_eq!(outcome.done, set);
            assert_eq!(outcome.keystore.size, 4096);
            let directory = outcome.keystore.directory;
            assert_eq!(directory, Some(home.path().join("keystore")));
        }
        let nothing = Operation::SetPartition {
            change: PartitionChange::default(),
            forget_devices: None,
        };
        let refused = run(nothing, home.path());
        assert!(matches!(refused, Err(OperationError::NoSetting)));
    }

    #[test]
    fn an_operation_is_plain_data_and_its_debug_text_shows_no_passphrase() {
        let operation = Operation::ImportPartition {
            sealed: vec![1, 2, 3],
            passphrase: "not to be seen".to_owned().into(),
        };
        let text = serde_json::to_string(&operation).unwrap();
        let read: Operation = serde_json::from_str(&text).unwrap();
        let shown = format!("{operation:?} {read:?}");
        assert!(!shown.contains("not to be seen"), "{shown}");
        match read {
            Operation::ImportPartition { sealed, passphrase } => {
                assert_eq!(sealed, [1, 2, 3]);
                assert_eq!(passphrase.reveal(), "not to be seen");
            }
            other => panic!("{other:?}"),
        }
    }
}
