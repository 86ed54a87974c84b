//! The records of the state, and the edits of the configuration.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::active::ActiveConfiguration;
use super::error::StateError;
use super::identity::Machine;
use super::keystore::Standing;
use super::record::{self, ACTIVE};
use crate::iop::config::{Configuration, PartitionRecord};
use crate::iop::devices::names::DeviceNames;
use crate::iop::keystore::Keystore;
use crate::storage::{
    Directory, FileSystem, Links, Lock, LockHolder, OpenDirectory, StorageError, SystemFileSystem,
    WaitObserver,
};

const CONFIGURATION: &str = "config.json";
const CONFIGURATION_LOCK: &str = "config.lock";
const PARTITION: &str = "partition.json";
const DEVICES: &str = "devices.json";
const RE_IPL_LOCK: &str = "reipl.lock";
const RESIDENT_LOCK: &str = "iop.lock";

/// Shared by jobs, and held alone by a re-IPL: whatever the number of its targets, it is one open file.
const JOBS_LOCK: &str = "jobs.lock";

/// What a lock in the state or keystore directory is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockKind {
    /// The configuration and the records beside it.
    Configuration,
    /// The re-IPL: one at a time.
    ReIpl,
    /// The resident IOP: one at a time.
    Resident,
    /// All targets: a re-IPL waits for those who use them, and they for a re-IPL.
    Targets,
    /// A target: one session at a time.
    Target,
    /// The Platform KeyStore.
    Keystore,
}

impl LockKind {
    /// Returns what a lock is about, by the name of its file.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Some(match name {
            CONFIGURATION_LOCK => Self::Configuration,
            RE_IPL_LOCK => Self::ReIpl,
            RESIDENT_LOCK => Self::Resident,
            JOBS_LOCK => Self::Targets,
            super::keystore::LOCK => Self::Keystore,
            name if name.starts_with(TARGET_LOCK) => Self::Target,
            _ => return None,
        })
    }
}

/// How often a reader begins again because a writer has moved credentials meanwhile.
const READ_ATTEMPTS: usize = 100;

/// The state directory, and the keystore directory beside it.
pub struct Store {
    pub(super) state: Directory,
    pub(super) keystore: Option<Directory>,
    pub(super) machine: OnceCell<Machine>,
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
                forbidden_of_files: 0o077,
                from_home: false,
                lock_timeout,
                wait_observer: WaitObserver::default(),
                links: Links::Followed,
                disk: Arc::from(disk),
            },
            keystore: None,
            machine: OnceCell::new(),
        }
    }

    /// Returns the state with a directory for its Platform KeyStore, which may have no permission for others than its owner.
    #[must_use]
    pub fn with_keystore(self, directory: PathBuf) -> Self {
        let keystore = Directory {
            path: directory,
            what: "keystore",
            forbidden: 0o077,
            forbidden_of_files: 0o077,
            from_home: false,
            lock_timeout: self.state.lock_timeout,
            wait_observer: self.state.wait_observer.clone(),
            links: Links::Followed,
            disk: Arc::clone(&self.state.disk),
        };
        Self {
            keystore: Some(keystore),
            ..self
        }
    }

    /// Returns the state with what is known of where its directories' paths come from: root makes none from HOME in the home of
    /// another user.
    #[must_use]
    pub fn from_home(mut self, state: bool, keystore: bool) -> Self {
        self.state.from_home = state;
        if let Some(directory) = &mut self.keystore {
            directory.from_home = keystore;
        }
        self
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
        self.read_configuration(self.open_state()?.as_ref())
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
            configuration.reveal(&self.open_keystore(&self.partition()?)?)?;
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
        Ok(record::read(self.open_state()?.as_ref(), PARTITION)?.unwrap_or_default())
    }

    /// Returns the active configuration, empty before the first re-IPL. Takes no lock.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn active(&self) -> Result<ActiveConfiguration, StateError> {
        Ok(record::read(self.open_state()?.as_ref(), ACTIVE)?.unwrap_or_default())
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
        let state = self.prepare_state()?;
        let _lock = state.lock(CONFIGURATION_LOCK).map_err(StateError::from)?;
        let old_partition: PartitionRecord =
            record::read(Some(&state), PARTITION)?.unwrap_or_default();
        let _keystore_lock = match old_partition.keystore {
            Some(_) => Some(self.lock_keystore()?),
            None => None,
        };
        let mut configuration = self.read_configuration(Some(&state))?;
        let (on_disk, standing) = self.find_keystore(&old_partition, Some(state.identity()))?;
        let mut partition = old_partition.clone();
        configuration.reveal(&on_disk).map_err(StateError::from)?;
        let before = configuration.keystore_used(&partition);
        let mut brought = Keystore::default();
        let result = change(&mut configuration, &mut partition, &mut brought)?;
        configuration.reveal(&brought).map_err(StateError::from)?;

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
        if partition.keystore_size > 0 {
            // What a KeyStore is sealed with is known before anything is written.
            self.machine().map_err(StateError::from)?;
        }
        // What was brought here and nothing refers to may wait for its configuration until the next edit.
        let new = brought.joined(&new);
        if !brought.is_empty() && new.used() > partition.keystore_size {
            return Err(StateError::KeystoreFull {
                size: partition.keystore_size,
                used: before,
                needed: new.used(),
            }
            .into());
        }
        // Only the state directory that a KeyStore belongs to drops entries of it: a copy of that directory gets one of its
        // own, with what it refers to, and so does one that has come to another machine, where the old one stays as it is.
        let leaves_the_old_one = match standing {
            Standing::Own => false,
            Standing::OfAnotherDirectory => true,
            Standing::OfAnotherMachine => !new.is_empty(),
        };
        if leaves_the_old_one || (partition.keystore.is_none() && partition.keystore_size > 0) {
            partition.keystore = Some(self.random_id()?);
        }
        let _new_keystore_lock = match (old_partition.keystore, partition.keystore) {
            (None, Some(_)) => Some(self.lock_keystore()?),
            _ => None,
        };

        // Each step leaves every secret readable: it is in its new place before the configuration looks for it there, and
        // leaves the old one only afterwards. What a kill leaves behind, the next edit finishes.
        let write = |held: &Keystore| {
            self.write_keystore(&partition, held, state.identity())
                .map_err(StateError::before_the_end)
        };
        if leaves_the_old_one && !new.is_empty() {
            write(&new)?;
        }
        if partition != old_partition {
            record::replace(&state, PARTITION, &partition).map_err(StateError::before_the_end)?;
        }
        let both = on_disk.joined(&new);
        if !leaves_the_old_one && both != on_disk {
            write(&both)?;
        }
        record::replace(&state, CONFIGURATION, &configuration)?;
        if !leaves_the_old_one && both != new {
            write(&new)?;
        }
        Ok(result)
    }

    /// Forgets the devices that the last `count` re-IPLs did not see, and returns their names.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn forget_devices(&self, count: u64) -> Result<Vec<String>, StateError> {
        let re_ipl = self.begin_re_ipl()?;
        let mut device_names = re_ipl.device_names.clone();
        let forgotten = device_names.forget(count, re_ipl.active.ipl_count);
        if !forgotten.is_empty() {
            record::replace(&re_ipl.state, DEVICES, &device_names)?;
        }
        Ok(forgotten)
    }

    /// Returns the device names. Takes no lock.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn device_names(&self) -> Result<DeviceNames, StateError> {
        Ok(record::read(self.open_state()?.as_ref(), DEVICES)?.unwrap_or_default())
    }

    /// Locks every target for a re-IPL.
    ///
    /// # Errors
    /// [`StateError`], which names a job that holds a target where there is one.
    pub fn lock_all_targets(&self) -> Result<TargetLock, StateError> {
        let state = self.prepare_state()?;
        let job = || {
            let mut names = state.names().ok()?.into_iter();
            names.find_map(|name| match name.starts_with(TARGET_LOCK) {
                true => state.holder(&name).ok()?,
                false => None,
            })
        };
        Ok(TargetLock(state.lock_from(JOBS_LOCK, "re-IPL", job)?))
    }

    /// Returns the state with who is told of waits for its locks, and for the resident IOP.
    #[must_use]
    pub fn with_wait_observer(mut self, observer: WaitObserver) -> Self {
        if let Some(directory) = &mut self.keystore {
            directory.wait_observer = observer.clone();
        }
        self.state.wait_observer = observer;
        self
    }

    /// Returns who is told of waits.
    pub(in crate::iop) const fn wait_observer(&self) -> &WaitObserver {
        &self.state.wait_observer
    }

    /// Returns the state with another time that locks are waited for.
    #[must_use]
    pub fn with_lock_timeout(mut self, lock_timeout: Duration) -> Self {
        self.state.lock_timeout = lock_timeout;
        if let Some(directory) = &mut self.keystore {
            directory.lock_timeout = lock_timeout;
        }
        self
    }

    /// Returns how long locks are waited for.
    #[must_use]
    pub const fn lock_timeout(&self) -> Duration {
        self.state.lock_timeout
    }

    /// Takes the lock of the resident IOP, and shuts out jobs and re-IPLs of other processes: those that it does not do itself.
    ///
    /// # Errors
    /// [`StateError`], which names the IOP, or the job, that holds the lock.
    pub fn lock_resident(&self) -> Result<ResidentLock, StateError> {
        let state = self.prepare_state()?;
        let lock = state.lock_for(RESIDENT_LOCK, "resident IOP")?;
        Ok(ResidentLock {
            directory: state.descriptor()?,
            owner: state.owner(),
            _jobs: self.lock_all_targets()?,
            _lock: lock,
        })
    }

    /// Returns the resident IOP; none when no process holds its lock.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn resident(&self) -> Result<Option<FoundResident>, StateError> {
        let Some(state) = self.state.open()? else {
            return Ok(None);
        };
        let holder = state.holder(RESIDENT_LOCK)?;
        Ok(holder.map(|holder| FoundResident { holder, state }))
    }

    /// Locks targets for a job, each once, in the order of their names: a partition has one connection to a target. Others are
    /// told `purpose` while they wait.
    ///
    /// # Errors
    /// [`StateError`]; no lock is held then.
    pub fn lock_targets<'a>(
        &self,
        names: impl Iterator<Item = &'a str>,
        purpose: &str,
    ) -> Result<Vec<TargetLock>, StateError> {
        let mut names = names.peekable();
        if names.peek().is_none() {
            return Ok(Vec::new());
        }
        let state = self.prepare_state()?;
        let mut locks = vec![TargetLock(state.lock_shared(JOBS_LOCK)?)];
        locks.extend(lock_each(&state, names, purpose)?);
        Ok(locks)
    }

    /// As [`Store::lock_targets`], for targets that the resident IOP holds no session with: its re-IPLs do not wait for these locks.
    ///
    /// # Errors
    /// [`StateError`]; no lock is held then.
    pub fn lock_targets_beside_resident<'a>(
        &self,
        names: impl Iterator<Item = &'a str>,
        purpose: &str,
    ) -> Result<Vec<TargetLock>, StateError> {
        lock_each(&self.prepare_state()?, names, purpose)
    }

    /// Takes the lock of the re-IPL: one at a time.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn begin_re_ipl(&self) -> Result<ReIpl, StateError> {
        Self::re_ipl_in(self.prepare_state()?)
    }

    /// As [`Store::begin_re_ipl`], in a state directory that is there: one that was removed is not made anew.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn begin_existing_re_ipl(&self) -> Result<ReIpl, StateError> {
        let Some(state) = self.open_state()? else {
            return Err(StorageError::Io {
                operation: "open",
                path: self.state.path.clone(),
                source: std::io::ErrorKind::NotFound.into(),
            }
            .into());
        };
        Self::re_ipl_in(state)
    }

    fn re_ipl_in(state: OpenDirectory) -> Result<ReIpl, StateError> {
        let lock = state.lock(RE_IPL_LOCK)?;
        Ok(ReIpl {
            active: record::read(Some(&state), ACTIVE)?.unwrap_or_default(),
            device_names: record::read(Some(&state), DEVICES)?.unwrap_or_default(),
            state,
            _lock: lock,
        })
    }

    /// Returns a record of the state that is made, under the lock, when it is not there yet; every caller gets the one made
    /// first.
    pub(super) fn read_or_make<T: DeserializeOwned + Serialize>(
        &self,
        name: &str,
        make: impl FnOnce() -> Result<T, StateError>,
    ) -> Result<T, StateError> {
        if let Some(record) = record::read(self.open_state()?.as_ref(), name)? {
            return Ok(record);
        }
        let state = self.prepare_state()?;
        let _lock = state.lock(CONFIGURATION_LOCK)?;
        if let Some(record) = record::read(Some(&state), name)? {
            return Ok(record);
        }
        let record = make()?;
        record::replace(&state, name, &record)?;
        Ok(record)
    }

    /// Opens the state directory, and removes what a writer of a secret that was killed left in it.
    fn open_state(&self) -> Result<Option<OpenDirectory>, StateError> {
        let state = self.state.open()?;
        if let Some(state) = &state {
            sweep(state)?;
        }
        Ok(state)
    }

    /// Opens the state directory, which is made when it does not exist.
    fn prepare_state(&self) -> Result<OpenDirectory, StateError> {
        let state = self.state.prepare()?;
        sweep(&state)?;
        Ok(state)
    }

    fn read_configuration(
        &self,
        state: Option<&OpenDirectory>,
    ) -> Result<Configuration, StateError> {
        match record::read::<Configuration>(state, CONFIGURATION)? {
            Some(configuration) => Ok(configuration.with_last_revision()),
            None => next_configuration(state),
        }
    }
}

fn sweep(state: &OpenDirectory) -> Result<(), StateError> {
    // The other records hold no secret, and their writers another lock.
    Ok(state.sweep(CONFIGURATION_LOCK, |name| {
        name == CONFIGURATION || name == PARTITION
    })?)
}

/// Returns the configuration of a system without a configuration file.
fn next_configuration(state: Option<&OpenDirectory>) -> Result<Configuration, StateError> {
    let active: ActiveConfiguration = match record::read(state, ACTIVE) {
        Ok(active) => active.unwrap_or_default(),
        Err(error @ StateError::Storage(StorageError::Io { .. })) => return Err(error),
        // Commands that need the record report that it is refused; a new configuration does not need it.
        Err(_) => ActiveConfiguration::default(),
    };
    Ok(active.next_configuration())
}

/// The lock of a resident IOP, held until this is dropped.
#[derive(Debug)]
pub struct ResidentLock {
    /// The state directory.
    pub directory: File,
    /// The numeric user id of its owner.
    pub owner: u32,
    _jobs: TargetLock,
    _lock: Lock,
}

/// A process that holds the lock of the resident IOP, and the directory that its socket is in.
#[derive(Debug)]
pub struct FoundResident {
    holder: LockHolder,
    state: OpenDirectory,
}

impl FoundResident {
    /// Returns the process, where the lock's file names it.
    #[must_use]
    pub const fn pid(&self) -> Option<u32> {
        self.holder.pid
    }

    /// Returns whether no process holds the lock any more.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        matches!(self.state.holder(RESIDENT_LOCK), Ok(None))
    }

    /// Returns a descriptor of the directory.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn directory(&self) -> Result<File, StateError> {
        Ok(self.state.descriptor()?)
    }
}

/// How the names of the targets' lock files begin.
const TARGET_LOCK: &str = "target-";

/// Locks each of the targets, in the order of their names.
fn lock_each<'a>(
    state: &OpenDirectory,
    names: impl Iterator<Item = &'a str>,
    purpose: &str,
) -> Result<Vec<TargetLock>, StateError> {
    let names: BTreeSet<String> = names.map(str::to_ascii_lowercase).collect();
    let lock = |name: &String| Ok(TargetLock(state.lock_for(&target_lock(name), purpose)?));
    names.iter().map(lock).collect()
}

/// Returns the name of a target's lock file. A target name may be longer than the name of a file, and its letter case does not
/// count.
fn target_lock(name: &str) -> String {
    let mut file = String::from(TARGET_LOCK);
    for byte in Sha256::digest(name).iter().take(8) {
        // Writing to a String cannot fail.
        let _ = write!(file, "{byte:02x}");
    }
    file + ".lock"
}

/// The lock of a target, held until this is dropped.
#[derive(Debug)]
pub struct TargetLock(#[expect(dead_code, reason = "held for its drop")] Lock);

/// A re-IPL under its lock: what the last one left, and the place to record this one.
pub struct ReIpl {
    /// The active configuration as the last re-IPL left it.
    pub active: ActiveConfiguration,
    /// The device names given so far.
    pub device_names: DeviceNames,
    state: OpenDirectory,
    _lock: Lock,
}

impl ReIpl {
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
            record::replace(&self.state, DEVICES, device_names)
                .map_err(StateError::before_the_end)?;
        }
        record::replace(&self.state, ACTIVE, active)
    }
}
