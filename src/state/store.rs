//! Reading, locking and replacing the records.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::active::ActiveConfiguration;
use super::disk::{Contents, Disk, SystemDisk};
use super::writer::PieceWriter;
use crate::config::Configuration;
use crate::devices::names::DeviceNames;

/// The schema of every record that this version writes, and the newest that it reads.
const SCHEMA: u32 = 1;

const CONFIGURATION: &str = "config.json";
const CONFIGURATION_LOCK: &str = "config.lock";
const ACTIVE: &str = "active.json";
const DEVICES: &str = "devices.json";
const RE_IPL_LOCK: &str = "reipl.lock";

/// The pause between two attempts at a lock that somebody else holds: long enough to leave the holder the processor, short
/// against the fsync that it waits for.
const LOCK_PAUSE: Duration = Duration::from_millis(1);

/// The state directory.
pub struct Store {
    directory: PathBuf,
    lock_timeout: Duration,
    disk: Box<dyn Disk>,
}

/// Why the state cannot be locked, read or written. No text holds what a file held.
#[derive(Debug, Error)]
pub enum StateError {
    /// An operation on the disk failed.
    #[error("cannot {operation} {}", path.display())]
    Io {
        /// What was tried, as a verb.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A record gives group or others any permission.
    #[error("{} is open to group or others (mode {permissions:04o})", path.display())]
    OpenRecord {
        /// The record.
        path: PathBuf,
        /// Its permission bits.
        permissions: u32,
    },
    /// A record is a symbolic link.
    #[error("{} is a symbolic link", path.display())]
    SymbolicLink {
        /// The link.
        path: PathBuf,
    },
    /// Group or others can write the state directory.
    #[error("the state directory {} can be written by group or others (mode {permissions:04o})", path.display())]
    OpenDirectory {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        permissions: u32,
    },
    /// The state directory is somebody else's.
    #[error("the state directory {} belongs to user id {owner}", path.display())]
    ForeignDirectory {
        /// The directory.
        path: PathBuf,
        /// The owner's user id.
        owner: u32,
    },
    /// A record is not what this version writes.
    #[error("{} does not parse (line {line}, column {column})", path.display())]
    Malformed {
        /// The record.
        path: PathBuf,
        /// Line of the first fault, from 1.
        line: usize,
        /// Column of the first fault, from 1.
        column: usize,
    },
    /// A record was written by a newer version.
    #[error("{} has schema {schema}, and this version knows {SCHEMA}", path.display())]
    NewerSchema {
        /// The record.
        path: PathBuf,
        /// Its schema number.
        schema: u64,
    },
    /// Somebody else holds a lock.
    #[error("{} is locked{}", path.display(), holder(*pid))]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// The process that holds it, as it noted itself.
        pid: Option<u32>,
        /// How long was waited.
        waited: Duration,
    },
}

fn holder(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" by process {pid}"))
        .unwrap_or_default()
}

/// The envelope of a record.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<T> {
    schema: u32,
    record: T,
}

impl Store {
    /// Opens the state in a directory of this machine; nothing is read or created yet.
    pub fn new(directory: PathBuf, lock_timeout: Duration) -> Self {
        Self::on(Box::new(SystemDisk), directory, lock_timeout)
    }

    /// Opens the state in a directory of another disk.
    pub fn on(disk: Box<dyn Disk>, directory: PathBuf, lock_timeout: Duration) -> Self {
        Self {
            directory,
            lock_timeout,
            disk,
        }
    }

    /// Returns the state directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Returns the configured targets and the staged one. Takes no lock.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn configuration(&self) -> Result<Configuration, StateError> {
        self.inspect_directory()?;
        Ok(self.read(CONFIGURATION)?.unwrap_or_default())
    }

    /// Returns the active configuration, empty before the first re-IPL. Takes no lock.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn active(&self) -> Result<ActiveConfiguration, StateError> {
        self.inspect_directory()?;
        Ok(self.read(ACTIVE)?.unwrap_or_default())
    }

    /// Changes the configuration under its lock; when `change` fails, nothing is written.
    ///
    /// # Errors
    /// [`StateError`], as the caller's error type, or what `change` returned.
    pub fn edit<T, E: From<StateError>>(
        &self,
        change: impl FnOnce(&mut Configuration) -> Result<T, E>,
    ) -> Result<T, E> {
        self.prepare_directory()?;
        let _lock = self.lock(CONFIGURATION_LOCK)?;
        let mut configuration = match self.read(CONFIGURATION)? {
            Some(configuration) => configuration,
            None => self.active()?.next_configuration(),
        };
        let result = change(&mut configuration)?;
        self.replace(CONFIGURATION, &configuration)?;
        Ok(result)
    }

    /// Takes the lock of the re-IPL: one at a time.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn begin_re_ipl(&self) -> Result<ReIpl<'_>, StateError> {
        self.prepare_directory()?;
        let lock = self.lock(RE_IPL_LOCK)?;
        Ok(ReIpl {
            active: self.read(ACTIVE)?.unwrap_or_default(),
            device_names: self.read(DEVICES)?.unwrap_or_default(),
            store: self,
            _lock: lock,
        })
    }

    /// Returns a record that is made when it is not there yet; every caller gets the one that was made first.
    pub(super) fn read_or_make<T: DeserializeOwned + Serialize>(
        &self,
        name: &str,
        make: impl FnOnce() -> Result<T, StateError>,
    ) -> Result<T, StateError> {
        self.inspect_directory()?;
        if let Some(record) = self.read(name)? {
            return Ok(record);
        }
        self.prepare_directory()?;
        let _lock = self.lock(CONFIGURATION_LOCK)?;
        if let Some(record) = self.read(name)? {
            return Ok(record);
        }
        let record = make()?;
        self.replace(name, &record)?;
        Ok(record)
    }

    /// Reads a file of the machine, not of the state; none when it is not there or not readable as text.
    pub(super) fn read_machine_file(&self, path: &Path) -> Option<String> {
        self.disk.read_machine_file(path).ok()
    }

    fn prepare_directory(&self) -> Result<(), StateError> {
        if self.inspect_directory()? {
            return Ok(());
        }
        self.disk
            .create_directory(&self.directory)
            .map_err(self.failed("create", &self.directory))?;
        self.inspect_directory().map(|_| ())
    }

    /// Returns whether the directory exists, and refuses one that others could have put files in.
    fn inspect_directory(&self) -> Result<bool, StateError> {
        let path = || self.directory.clone();
        let Some(ownership) = self
            .disk
            .inspect_directory(&self.directory)
            .map_err(self.failed("open", &self.directory))?
        else {
            return Ok(false);
        };
        if ownership.permissions & 0o022 != 0 {
            return Err(StateError::OpenDirectory {
                path: path(),
                permissions: ownership.permissions,
            });
        }
        if ownership.owner != 0 && ownership.owner != rustix::process::geteuid().as_raw() {
            return Err(StateError::ForeignDirectory {
                path: path(),
                owner: ownership.owner,
            });
        }
        Ok(true)
    }

    fn lock(&self, name: &str) -> Result<File, StateError> {
        let path = self.directory.join(name);
        let lock = self
            .disk
            .open_lock(&path)
            .map_err(self.failed("open", &path))?;
        let started = Instant::now();
        while !self
            .disk
            .try_lock(&lock)
            .map_err(self.failed("lock", &path))?
        {
            let waited = started.elapsed();
            if waited >= self.lock_timeout {
                return Err(StateError::Locked {
                    pid: self.holder_of(&path),
                    path,
                    waited,
                });
            }
            std::thread::sleep(LOCK_PAUSE.min(self.lock_timeout - waited));
        }
        self.disk
            .note_holder(&lock, std::process::id())
            .map_err(self.failed("write", &path))?;
        Ok(lock)
    }

    fn holder_of(&self, lock: &Path) -> Option<u32> {
        let contents = self.disk.read(lock).ok()??;
        std::str::from_utf8(&contents.bytes)
            .ok()?
            .trim()
            .parse()
            .ok()
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StateError> {
        let path = self.directory.join(name);
        let contents = match self.disk.read(&path) {
            Ok(Some(contents)) => contents,
            Ok(None) => return Ok(None),
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
                return Err(StateError::SymbolicLink { path });
            }
            Err(source) => return Err(self.failed("read", &path)(source)),
        };
        if contents.ownership.permissions & 0o077 != 0 {
            return Err(StateError::OpenRecord {
                path,
                permissions: contents.ownership.permissions,
            });
        }
        parse(path, &contents).map(Some)
    }

    fn replace<T: Serialize>(&self, name: &str, record: &T) -> Result<(), StateError> {
        let path = self.directory.join(name);
        let temporary = self.directory.join(format!("{name}.new"));
        let envelope = Envelope {
            schema: SCHEMA,
            record,
        };

        let disk = self.disk.as_ref();
        // What a killed writer left behind; nobody else can be writing it, the lock is ours.
        disk.remove(&temporary)
            .map_err(self.failed("remove", &temporary))?;
        let written = disk
            .create_new(&temporary)
            .and_then(|file| {
                let mut writer = PieceWriter::new(disk, &file);
                serde_json::to_writer(&mut writer, &envelope)?;
                writer.write_all(b"\n")?;
                writer.flush()?;
                disk.sync(&file)
            })
            .map_err(self.failed("write", &temporary))
            .and_then(|()| {
                disk.rename(&temporary, &path)
                    .map_err(self.failed("replace", &path))
            });
        if written.is_err() {
            // Best effort: the failure that led here is the one to report.
            let _ = disk.remove(&temporary);
            return written;
        }
        disk.sync_directory(&self.directory)
            .map_err(self.failed("sync", &self.directory))
    }

    fn failed(
        &self,
        operation: &'static str,
        path: &Path,
    ) -> impl FnOnce(io::Error) -> StateError + use<> {
        let path = path.to_owned();
        move |source| StateError::Io {
            operation,
            path,
            source,
        }
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
            self.store.replace(DEVICES, device_names)?;
        }
        self.store.replace(ACTIVE, active)
    }
}

/// Serde's own messages quote what they stumble over, which may be a secret: only the place is told.
fn parse<T: DeserializeOwned>(path: PathBuf, contents: &Contents) -> Result<T, StateError> {
    #[derive(Deserialize)]
    struct SchemaOnly {
        schema: u64,
    }

    // Text that is known to be UTF-8 is not checked again string by string.
    let parsed = match std::str::from_utf8(&contents.bytes) {
        Ok(text) => serde_json::from_str::<Envelope<T>>(text),
        Err(_) => serde_json::from_slice(&contents.bytes),
    };
    let error = match parsed {
        Ok(envelope) if envelope.schema == SCHEMA => return Ok(envelope.record),
        Ok(_) => None,
        Err(error) => Some(error),
    };
    match serde_json::from_slice::<SchemaOnly>(&contents.bytes) {
        Ok(SchemaOnly { schema }) if schema > u64::from(SCHEMA) => {
            Err(StateError::NewerSchema { path, schema })
        }
        _ => Err(StateError::Malformed {
            path,
            line: error.as_ref().map_or(1, serde_json::Error::line),
            column: error.as_ref().map_or(1, serde_json::Error::column),
        }),
    }
}
