//! A directory of records: who may touch it, its locks, and how a record is read and replaced. The state directory and the
//! keystore directory are both kept this way.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::error::StateError;
use super::file_system::{FileSystem, OpenFile};
use super::holder::holder_of;

/// The schema of every record that this version writes, and the newest that it reads.
pub(super) const SCHEMA: u32 = 1;

/// The pause between two attempts at a lock that somebody else holds: long enough to leave the holder the processor, short
/// against the fsync that it waits for.
const LOCK_PAUSE: Duration = Duration::from_millis(1);

/// A directory of records.
pub(super) struct Directory {
    pub(super) path: PathBuf,
    /// What an error calls it.
    pub(super) what: &'static str,
    /// The permission bits that nobody may have.
    pub(super) forbidden: u32,
    pub(super) lock_timeout: Duration,
    pub(super) disk: Rc<dyn FileSystem>,
}

/// The envelope of a record.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Envelope<T> {
    pub(super) schema: u32,
    pub(super) record: T,
    /// A checksum of the text, which versions before 0.2.0 wrote into config.json; it is read and ignored.
    #[serde(default, rename = "xxh3", alias = "crc32c", skip_serializing)]
    _checksum: Option<IgnoredAny>,
}

impl Directory {
    /// Returns a record that is made, under the lock, when it is not there yet; every caller gets the one made first.
    pub(super) fn read_or_make<T: DeserializeOwned + Serialize>(
        &self,
        name: &str,
        lock: &str,
        make: impl FnOnce() -> Result<T, StateError>,
    ) -> Result<T, StateError> {
        self.inspect()?;
        if let Some(record) = self.read(name)? {
            return Ok(record);
        }
        self.prepare()?;
        let _lock = self.lock(lock)?;
        if let Some(record) = self.read(name)? {
            return Ok(record);
        }
        let record = make()?;
        self.replace(name, &record)?;
        Ok(record)
    }

    /// Creates the directory if it does not exist.
    pub(super) fn prepare(&self) -> Result<(), StateError> {
        if self.inspect()? {
            return Ok(());
        }
        self.disk
            .create_directory(&self.path)
            .map_err(self.failed("create", &self.path))?;
        self.inspect().map(|_| ())
    }

    /// Returns whether the directory exists, and refuses one that others could have put files in.
    pub(super) fn inspect(&self) -> Result<bool, StateError> {
        let path = || self.path.clone();
        let Some(ownership) = self
            .disk
            .inspect_directory(&self.path)
            .map_err(self.failed("open", &self.path))?
        else {
            return Ok(false);
        };
        if ownership.permissions & self.forbidden != 0 {
            return Err(StateError::OpenDirectory {
                what: self.what,
                path: path(),
                permissions: ownership.permissions,
            });
        }
        if ownership.owner != 0 && ownership.owner != rustix::process::geteuid().as_raw() {
            return Err(StateError::ForeignDirectory {
                what: self.what,
                path: path(),
                owner: ownership.owner,
            });
        }
        Ok(true)
    }

    pub(super) fn lock(&self, name: &str) -> Result<File, StateError> {
        let path = self.path.join(name);
        let lock = self
            .disk
            .open_lock(&path)
            .map_err(|error| self.not_opened("open", &path, error))?;
        let started = Instant::now();
        while !self
            .disk
            .try_lock(&lock)
            .map_err(self.failed("lock", &path))?
        {
            let waited = started.elapsed();
            if waited >= self.lock_timeout {
                return Err(StateError::Locked {
                    pid: holder_of(&lock),
                    path,
                    waited,
                });
            }
            std::thread::sleep(LOCK_PAUSE.min(self.lock_timeout - waited));
        }
        Ok(lock)
    }

    pub(super) fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StateError> {
        match self.open(name)? {
            Some(file) => self.parse(name, &file).map(Some),
            None => Ok(None),
        }
    }

    /// Opens a record, and refuses one that others could have read or put there.
    pub(super) fn open(&self, name: &str) -> Result<Option<OpenFile>, StateError> {
        let path = self.path.join(name);
        let opened = self.disk.open(&path);
        let Some(file) = opened.map_err(|error| self.not_opened("read", &path, error))? else {
            return Ok(None);
        };
        if file.ownership.permissions & 0o077 != 0 {
            return Err(StateError::OpenRecord {
                path,
                permissions: file.ownership.permissions,
            });
        }
        Ok(Some(file))
    }

    /// Reads a record that was opened.
    pub(super) fn parse<T: DeserializeOwned>(
        &self,
        name: &str,
        file: &OpenFile,
    ) -> Result<T, StateError> {
        let path = self.path.join(name);
        // No longer than `FileSystem::open` allows. It may hold secrets, so it is wiped when dropped.
        let mut contents = Zeroizing::new(vec![0; usize::try_from(file.length).unwrap_or(0)]);
        self.disk
            .read(&file.file, &mut contents)
            .map_err(self.failed("read", &path))?;
        parse(path, &contents)
    }

    /// Replaces a record. Its lock must be held.
    pub(super) fn replace<T: Serialize>(&self, name: &str, record: &T) -> Result<(), StateError> {
        let path = self.path.join(name);
        let envelope = Envelope {
            schema: SCHEMA,
            record,
            _checksum: None,
        };
        let mut text = WipedText::default();
        serde_json::to_writer(&mut text, &envelope)
            .map_err(io::Error::from)
            .and_then(|()| text.write_all(b"\n"))
            .map_err(self.failed("write", &path))?;

        let temporary = self.path.join(format!("{name}.new"));
        let disk = self.disk.as_ref();
        let file = match disk.create_new(&temporary) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                // What a killed writer left behind; the lock is held, so nobody is writing it.
                disk.remove(&temporary)
                    .map_err(self.failed("remove", &temporary))?;
                disk.create_new(&temporary)
            }
            created => created,
        };
        let written = file
            .and_then(|file| {
                disk.write(&file, text.bytes())?;
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
        disk.sync_directory(&self.path)
            .map_err(self.failed("sync", &self.path))
    }

    /// Tells a symbolic link from other reasons why a file cannot be opened.
    fn not_opened(&self, operation: &'static str, path: &Path, error: io::Error) -> StateError {
        if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) {
            return StateError::SymbolicLink {
                path: path.to_owned(),
            };
        }
        self.failed(operation, path)(error)
    }

    pub(super) fn failed(
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

/// The text of a record that is about to be written. It may hold secrets: each buffer that it outgrows is wiped.
#[derive(Default)]
struct WipedText(Zeroizing<Vec<u8>>);

impl WipedText {
    fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Write for WipedText {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let needed = self.0.len().saturating_add(bytes.len());
        if needed > self.0.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity(needed.max(1024).saturating_mul(2)));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Serde's own messages quote what they stumble over, which may be a secret: only the place is told.
fn parse<T: DeserializeOwned>(path: PathBuf, contents: &[u8]) -> Result<T, StateError> {
    #[derive(Deserialize)]
    struct SchemaOnly {
        schema: u64,
    }

    // Text that is known to be UTF-8 is not checked again string by string.
    let parsed = match std::str::from_utf8(contents) {
        Ok(text) => serde_json::from_str::<Envelope<T>>(text),
        Err(_) => serde_json::from_slice(contents),
    };
    let error = match parsed {
        Ok(envelope) if envelope.schema == SCHEMA => return Ok(envelope.record),
        Ok(_) => None,
        Err(error) => Some(error),
    };
    match serde_json::from_slice::<SchemaOnly>(contents) {
        Ok(SchemaOnly { schema }) if schema > u64::from(SCHEMA) => Err(StateError::NewerSchema {
            path,
            schema,
            known: SCHEMA,
        }),
        _ => Err(StateError::Malformed {
            path,
            line: error.as_ref().map_or(1, serde_json::Error::line),
            column: error.as_ref().map_or(1, serde_json::Error::column),
        }),
    }
}
