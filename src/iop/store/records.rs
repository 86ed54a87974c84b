//! The records of the state, and the edits of the configuration.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::active::ActiveConfiguration;
use super::directory::Directory;
use super::error::StateError;
use super::file_system::{FileSystem, SystemFileSystem};
use crate::iop::config::{Configuration, PartitionRecord};
use crate::iop::devices::names::DeviceNames;
use crate::iop::keystore::Keystore;

const CONFIGURATION: &str = "config.json";
const CONFIGURATION_LOCK: &str = "config.lock";
const PARTITION: &str = "partition.json";
const ACTIVE: &str = "active.json";
const DEVICES: &str = "devices.json";
const RE_IPL_LOCK: &str = "reipl.lock";

/// How often a reader begins again because a writer has moved credentials meanwhile.
const READ_ATTEMPTS: usize = 100;

/// The state directory, and the keystore directory beside it.
pub struct Store {
    pub(super) state: Directory,
    pub(super) keystore: Option<Directory>,
}

impl Store {
    /// Opens the state in a directory of this machine; nothing is read or created yet.
    pub fn new(directory: PathBuf, lock_timeout: Duration) -> Self {
        Self::on(Box::new(SystemFileSystem), directory, lock_timeout)
    }

    /// Opens the state in a directory of another disk.
    pub fn on(disk: Box<dyn FileSystem>, directory: PathBuf, lock_timeout: Duration) -> Self {
        Self {
            state: Directory {
                path: directory,
                what: "state",
                forbidden: 0o022,
                lock_timeout,
                disk: Rc::from(disk),
            },
            keystore: None,
        }
    }

    /// Returns the state with a directory for its Platform KeyStore, which may have no permission for anybody but its owner.
    #[must_use]
    pub fn with_keystore(self, directory: PathBuf) -> Self {
        let keystore = Directory {
            path: directory,
            what: "keystore",
            forbidden: 0o077,
            lock_timeout: self.state.lock_timeout,
            disk: Rc::clone(&self.state.disk),
        };
        Self {
            keystore: Some(keystore),
            ..self
        }
    }

    /// Returns the state directory.
    pub fn directory(&self) -> &Path {
        &self.state.path
    }

    /// Returns the configured targets and the staged one, as they rest on disk: a secret in the Platform KeyStore is a
    /// reference. Takes no lock.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn configuration(&self) -> Result<Configuration, StateError> {
        self.state.inspect()?;
        self.read_configuration()
    }

    /// Returns the configuration with the secrets of the Platform KeyStore in their places, as far as it holds them. Takes
    /// no lock.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn revealed_configuration(&self) -> Result<Configuration, StateError> {
        let mut attempts = READ_ATTEMPTS;
        loop {
            let mut configuration = self.configuration()?;
            let references = configuration.references();
            if references.is_empty() {
                return Ok(configuration);
            }
            configuration.reveal(&self.open_keystore(&self.partition()?)?);
            attempts -= 1;
            // A writer drops an entry only after it has replaced the configuration that refers to it.
            if configuration.references().is_empty()
                || attempts == 0
                || references == self.configuration()?.references()
            {
                return Ok(configuration);
            }
        }
    }

    /// Returns what is set of the partition. Takes no lock.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn partition(&self) -> Result<PartitionRecord, StateError> {
        self.state.inspect()?;
        Ok(self.state.read(PARTITION)?.unwrap_or_default())
    }

    /// Returns the active configuration, empty before the first re-IPL. Takes no lock.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn active(&self) -> Result<ActiveConfiguration, StateError> {
        self.state.inspect()?;
        Ok(self.state.read(ACTIVE)?.unwrap_or_default())
    }

    /// Changes the configuration under its lock; when `change` fails, nothing is written. `change` sees the secrets of the
    /// Platform KeyStore in their places, as far as it holds them, and what is set of the partition.
    ///
    /// # Errors
    /// [`StateError`], as the caller's error type, or what `change` returned.
    pub fn edit<T, E: From<StateError>>(
        &self,
        change: impl FnOnce(&mut Configuration, &PartitionRecord) -> Result<T, E>,
    ) -> Result<T, E> {
        self.edit_partition(|configuration, partition, _| change(configuration, partition))
    }

    /// Changes the configuration and the partition, and brings entries into its Platform KeyStore; when `change` fails,
    /// nothing is written. What the KeyStore held and the configuration does not refer to is dropped.
    ///
    /// # Errors
    /// [`StateError`], as the caller's error type, or what `change` returned.
    pub fn edit_partition<T, E: From<StateError>>(
        &self,
        change: impl FnOnce(&mut Configuration, &mut PartitionRecord, &mut Keystore) -> Result<T, E>,
    ) -> Result<T, E> {
        self.state.prepare()?;
        let _lock = self.state.lock(CONFIGURATION_LOCK)?;
        let old_partition: PartitionRecord = self.state.read(PARTITION)?.unwrap_or_default();
        let _keystore_lock = match old_partition.keystore {
            Some(_) => Some(self.lock_keystore()?),
            None => None,
        };
        let mut configuration = self.read_configuration()?;
        let on_disk = self.open_keystore(&old_partition)?;
        let mut partition = old_partition.clone();
        configuration.reveal(&on_disk);
        let before = configuration.keystore_used(&partition);
        let mut brought = Keystore::default();
        let result = change(&mut configuration, &mut partition, &mut brought)?;
        configuration.reveal(&brought);

        let used = configuration.keystore_used(&partition);
        if partition.keystore_use().is_enabled() && used > partition.keystore_size && used > before
        {
            return Err(StateError::KeystoreFull {
                size: partition.keystore_size,
                used: before,
                needed: used,
            }
            .into());
        }
        let new = configuration.seal(&partition, || self.random_id())?;
        // What was brought here and nothing refers to may wait for its configuration until the next edit.
        let new = brought.joined(&new);
        if partition.keystore.is_none() && partition.keystore_size > 0 {
            partition.keystore = Some(self.random_id()?);
        }
        let _new_keystore_lock = match (old_partition.keystore, partition.keystore) {
            (None, Some(_)) => Some(self.lock_keystore()?),
            _ => None,
        };

        // Each step leaves every secret readable: it is in its new place before the configuration looks for it there, and
        // leaves the old one only afterwards. What a kill leaves behind, the next edit finishes.
        if partition != old_partition {
            self.state.replace(PARTITION, &partition)?;
        }
        let both = on_disk.joined(&new);
        if both != on_disk {
            self.write_keystore(&partition, &both)?;
        }
        self.state.replace(CONFIGURATION, &configuration)?;
        if both != new {
            self.write_keystore(&partition, &new)?;
        }
        Ok(result)
    }

    /// Takes the lock of the re-IPL: one at a time.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn begin_re_ipl(&self) -> Result<ReIpl<'_>, StateError> {
        self.state.prepare()?;
        let lock = self.state.lock(RE_IPL_LOCK)?;
        Ok(ReIpl {
            active: self.state.read(ACTIVE)?.unwrap_or_default(),
            device_names: self.state.read(DEVICES)?.unwrap_or_default(),
            store: self,
            _lock: lock,
        })
    }

    /// Returns a record of the state that is made when it is not there yet.
    pub(super) fn read_or_make<T: DeserializeOwned + Serialize>(
        &self,
        name: &str,
        make: impl FnOnce() -> Result<T, StateError>,
    ) -> Result<T, StateError> {
        self.state.read_or_make(name, CONFIGURATION_LOCK, make)
    }

    fn read_configuration(&self) -> Result<Configuration, StateError> {
        match self.state.read::<Configuration>(CONFIGURATION)? {
            Some(configuration) => Ok(configuration.with_last_revision()),
            None => self.next_configuration(),
        }
    }

    /// Returns the configuration of a system that has none yet, or whose own has gone.
    fn next_configuration(&self) -> Result<Configuration, StateError> {
        let active: ActiveConfiguration = match self.state.read(ACTIVE) {
            Ok(active) => active.unwrap_or_default(),
            Err(error @ StateError::Io { .. }) => return Err(error),
            // A record that is refused is the affair of who asks for it: the configuration does without.
            Err(_) => ActiveConfiguration::default(),
        };
        Ok(active.next_configuration())
    }

    /// Reads a file of the machine, not of the state; none when it is not there or not readable as text.
    pub(super) fn read_machine_file(&self, path: &Path) -> Option<String> {
        self.state.disk.read_machine_file(path).ok()
    }
}

/// A re-IPL under its lock: what the last one left, and the place to record this one.
pub struct ReIpl<'a> {
    /// The active configuration as the last re-IPL left it.
    pub active: ActiveConfiguration,
    /// The device names given so far.
    pub device_names: DeviceNames,
    store: &'a Store,
    _lock: File,
}

impl ReIpl<'_> {
    /// Records what the re-IPL found. The names come first, unless they are the old ones: a kill between the two leaves names
    /// that no report shows yet, never a report with a name that another device could be given.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn record(
        &self,
        active: &ActiveConfiguration,
        device_names: &DeviceNames,
    ) -> Result<(), StateError> {
        if *device_names != self.device_names {
            self.store.state.replace(DEVICES, device_names)?;
        }
        self.store.state.replace(ACTIVE, active)
    }
}
