//! A directory of files that belong to this program: who may touch it, its locks, and how a file in it is read and replaced.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::error::StorageError;
use super::file_system::{DirectoryHandle, FileSystem, Links, MAX_LENGTH, without_trailing_slash};
use super::lock::{Lock, Sharing};
use super::wait::WaitObserver;

/// What the name of a temporary file ends with.
pub const TEMPORARY_SUFFIX: &str = ".new";

/// A directory, and the rules for it. Nothing is opened or made yet.
#[derive(Clone)]
pub struct Directory {
    /// Where it is.
    pub path: PathBuf,
    /// What an error calls it: state, keystore or media.
    pub what: &'static str,
    /// The permission bits of the directory that must not be set.
    pub forbidden: u32,
    /// The permission bits of a file that must not be set.
    pub forbidden_of_files: u32,
    /// Whether the directory itself may be a symbolic link.
    pub links: Links,
    /// Whether the path comes from HOME. Root does not make such a directory in another user's, as under sudo: that user could
    /// not use it.
    pub from_home: bool,
    /// How long a lock that another process holds is waited for.
    pub lock_timeout: Duration,
    /// Who is told meanwhile.
    pub wait_observer: WaitObserver,
    /// The disk that it is on.
    pub disk: Arc<dyn FileSystem>,
}

/// The process that holds a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockHolder {
    /// The name of the lock's file.
    pub lock: String,
    /// Its id, where the lock's file names a process.
    pub pid: Option<u32>,
    /// What it holds the lock for, where it says so.
    pub purpose: Option<String>,
}

/// A directory that is open and was found to keep the rules.
pub struct OpenDirectory {
    directory: Directory,
    handle: DirectoryHandle,
}

impl Directory {
    /// Opens the directory, and refuses one in which others could have put files; none when it does not exist.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn open(&self) -> Result<Option<OpenDirectory>, StorageError> {
        self.open_with(self.links)
    }

    /// Opens the directory, which is made when it does not exist.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn prepare(&self) -> Result<OpenDirectory, StorageError> {
        if let Some(open) = self.open()? {
            return Ok(open);
        }
        if self.from_home
            && rustix::process::geteuid().is_root()
            && let Some(owner) = owner_of_parent(&self.path)
            && owner != 0
        {
            return Err(StorageError::ForeignHome {
                what: self.what,
                path: self.path.clone(),
                owner,
            });
        }
        self.disk
            .make_directory(&self.path)
            .map_err(failed("create", &self.path))?;
        // What was just made is no symbolic link, unless another user is at work in the parent directory.
        self.open_with(Links::Refused)?
            .ok_or_else(|| failed("open", &self.path)(io::ErrorKind::NotFound.into()))
    }

    fn open_with(&self, links: Links) -> Result<Option<OpenDirectory>, StorageError> {
        let path = || self.path.clone();
        let opened = self.disk.open_directory(&self.path, links);
        let Some(handle) = opened.map_err(|error| {
            let is_link = links == Links::Refused
                && error.kind() == io::ErrorKind::NotADirectory
                && without_trailing_slash(&self.path).is_symlink();
            match is_link {
                true => StorageError::SymbolicLink { path: path() },
                false => failed("open", &self.path)(error),
            }
        })?
        else {
            return Ok(None);
        };
        let ownership = handle.ownership;
        if ownership.permissions & self.forbidden != 0 {
            return Err(StorageError::SharedDirectory {
                what: self.what,
                path: path(),
                permissions: ownership.permissions,
            });
        }
        if is_foreign(ownership.owner) {
            return Err(StorageError::ForeignDirectory {
                what: self.what,
                path: path(),
                owner: ownership.owner,
            });
        }
        Ok(Some(OpenDirectory {
            directory: self.clone(),
            handle,
        }))
    }
}

impl OpenDirectory {
    /// Returns the path of a file in the directory.
    pub fn path_of(&self, name: &str) -> PathBuf {
        self.directory.path.join(name)
    }

    /// Returns what tells the directory from a copy of it.
    pub fn identity(&self) -> &str {
        &self.handle.identity
    }

    /// Takes a lock. Its file is never removed.
    ///
    /// # Errors
    /// [`StorageError`]; [`StorageError::Locked`] when it is not free in time.
    pub fn lock(&self, name: &str) -> Result<Lock, StorageError> {
        self.lock_for(name, "")
    }

    /// Takes a lock, and tells others what for: one line of ASCII, of which the first 64 characters count.
    ///
    /// # Errors
    /// As [`OpenDirectory::lock`].
    pub fn lock_for(&self, name: &str, purpose: &str) -> Result<Lock, StorageError> {
        self.lock_from(name, purpose, || None)
    }

    /// As [`OpenDirectory::lock_for`]. `users` finds the lock that says who has this one: those who share a lock are not named
    /// in its file.
    ///
    /// # Errors
    /// As [`OpenDirectory::lock`]; [`StorageError::Locked`] has the path of the lock that was found.
    pub fn lock_from(
        &self,
        name: &str,
        purpose: &str,
        users: impl Fn() -> Option<LockHolder>,
    ) -> Result<Lock, StorageError> {
        let timeout = self.directory.lock_timeout;
        Lock::take(self, name, purpose, Sharing::Exclusive, timeout, users)
    }

    /// Takes a lock together with others that share it.
    ///
    /// # Errors
    /// As [`OpenDirectory::lock`], while it is held exclusively.
    pub fn lock_shared(&self, name: &str) -> Result<Lock, StorageError> {
        let timeout = self.directory.lock_timeout;
        Lock::take(self, name, "", Sharing::Shared, timeout, || None)
    }

    /// Takes a lock when it is free now.
    ///
    /// # Errors
    /// As [`OpenDirectory::lock`].
    pub fn lock_now(&self, name: &str) -> Result<Lock, StorageError> {
        Lock::take(self, name, "", Sharing::Exclusive, Duration::ZERO, || None)
    }

    /// Returns the names of the files in the directory.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn names(&self) -> Result<Vec<String>, StorageError> {
        self.disk()
            .names(&self.handle)
            .map_err(failed("read", &self.directory.path))
    }

    /// Reads a file, and refuses one that others could have read or put there; none when it does not exist. What it held is
    /// wiped when dropped.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn read(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, StorageError> {
        let path = self.path_of(name);
        let opened = self.disk().open(&self.handle, name);
        let Some(file) = opened.map_err(|error| not_opened("read", &path, error))? else {
            return Ok(None);
        };
        if file.ownership.permissions & self.directory.forbidden_of_files != 0 {
            return Err(StorageError::SharedFile {
                path,
                permissions: file.ownership.permissions,
            });
        }
        if is_foreign(file.ownership.owner) {
            return Err(StorageError::ForeignFile {
                path,
                owner: file.ownership.owner,
            });
        }
        // No longer than `FileSystem::open` allows.
        let mut contents = Zeroizing::new(vec![0; usize::try_from(file.length).unwrap_or(0)]);
        self.disk()
            .read(&file.file, &mut contents)
            .map_err(failed("read", &path))?;
        Ok(Some(contents))
    }

    /// Replaces a file. The lock that its writers share must be held.
    ///
    /// # Errors
    /// [`StorageError`]. After [`StorageError::NotDurable`] the file is the new one, after any other it is the old one.
    pub fn replace(&self, name: &str, contents: &[u8]) -> Result<(), StorageError> {
        let path = self.path_of(name);
        if contents.len() > MAX_LENGTH {
            return Err(StorageError::TooLong {
                path,
                length: contents.len(),
                limit: MAX_LENGTH,
            });
        }
        let temporary = format!("{name}{TEMPORARY_SUFFIX}");
        let temporary_path = self.path_of(&temporary);
        let disk = self.disk();
        let file = match disk.create_new(&self.handle, &temporary) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                // What a killed writer left behind; the lock is held, so no process is writing it.
                disk.remove(&self.handle, &temporary)
                    .map_err(failed("remove", &temporary_path))?;
                disk.create_new(&self.handle, &temporary)
            }
            created => created,
        };
        let written = file
            .and_then(|file| {
                disk.write(&file, contents)?;
                disk.sync(&file)
            })
            .map_err(failed("write", &temporary_path))
            .and_then(|()| {
                disk.rename(&self.handle, &temporary, name)
                    .map_err(failed("replace", &path))
            });
        if written.is_err() {
            // Best effort: the failure that led here is the one to report.
            let _ = disk.remove(&self.handle, &temporary);
            return written;
        }
        disk.sync_directory(&self.handle)
            .map_err(|source| StorageError::NotDurable { path, source })
    }

    /// Creates an empty file that does not exist yet.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn create(&self, name: &str) -> Result<(), StorageError> {
        self.disk()
            .create_new(&self.handle, name)
            .map(|_| ())
            .map_err(failed("create", &self.path_of(name)))
    }

    /// Makes the names in the directory survive a power failure.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn sync(&self) -> Result<(), StorageError> {
        self.disk()
            .sync_directory(&self.handle)
            .map_err(failed("sync", &self.directory.path))
    }

    /// Removes the temporary files that killed writers left behind, unless a writer holds its lock: they may hold secrets.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn sweep(&self, lock: &str, is_ours: impl Fn(&str) -> bool) -> Result<(), StorageError> {
        let left = || -> Result<Vec<String>, StorageError> {
            let mut names = self.names()?;
            names.retain(|name| name.strip_suffix(TEMPORARY_SUFFIX).is_some_and(&is_ours));
            Ok(names)
        };
        if left()?.is_empty() {
            return Ok(());
        }
        let _lock = match self.lock_now(lock) {
            Ok(lock) => lock,
            // A writer holds the lock, and the file may be its temporary file.
            Err(StorageError::Locked { .. }) => return Ok(()),
            Err(error) => return Err(error),
        };
        for name in left()? {
            self.disk()
                .remove(&self.handle, &name)
                .map_err(failed("remove", &self.path_of(&name)))?;
        }
        Ok(())
    }

    /// Returns a descriptor of the directory, for what is no file in it, such as a local socket.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn descriptor(&self) -> Result<File, StorageError> {
        let cloned = self.handle.file.try_clone();
        cloned.map_err(failed("open", &self.directory.path))
    }

    /// Returns who owns the directory.
    #[must_use]
    pub const fn owner(&self) -> u32 {
        self.handle.ownership.owner
    }

    /// Returns whether a process holds a lock now, and its id where its file names it. Neither makes the file nor takes the lock
    /// from who waits for it: it is shared for a moment.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn holder(&self, name: &str) -> Result<Option<LockHolder>, StorageError> {
        let path = self.path_of(name);
        let opened = self.disk().open(&self.handle, name);
        let Some(file) = opened.map_err(|error| not_opened("open", &path, error))? else {
            return Ok(None);
        };
        match self.disk().try_lock_shared(&file.file) {
            Ok(true) => Ok(None),
            Ok(false) => {
                let (pid, purpose) = super::lock::holder(&file.file).unzip();
                Ok(Some(LockHolder {
                    lock: name.to_owned(),
                    pid,
                    purpose: purpose.flatten(),
                }))
            }
            Err(error) => Err(failed("lock", &path)(error)),
        }
    }

    pub(super) const fn wait_observer(&self) -> &WaitObserver {
        &self.directory.wait_observer
    }

    pub(super) fn open_lock(&self, name: &str) -> Result<File, StorageError> {
        self.disk()
            .open_lock(&self.handle, name)
            .map_err(|error| not_opened("open", &self.path_of(name), error))
    }

    pub(super) fn try_lock(
        &self,
        lock: &File,
        name: &str,
        sharing: Sharing,
    ) -> Result<bool, StorageError> {
        match sharing {
            Sharing::Exclusive => self.disk().try_lock(lock),
            Sharing::Shared => self.disk().try_lock_shared(lock),
        }
        .map_err(failed("lock", &self.path_of(name)))
    }

    /// Writes this process's id and purpose into a lock file, at a fixed length, so that a longer one before it leaves nothing
    /// over.
    pub(super) fn note_holder(
        &self,
        lock: &File,
        name: &str,
        purpose: &str,
    ) -> Result<(), StorageError> {
        let id = format!("{:<10}\n{purpose:<64.64}\n", std::process::id());
        self.disk()
            .write_over(lock, id.as_bytes())
            .map_err(failed("write", &self.path_of(name)))
    }

    fn disk(&self) -> &dyn FileSystem {
        self.directory.disk.as_ref()
    }
}

impl fmt::Debug for OpenDirectory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("OpenDirectory")
            .field(&self.directory.path)
            .finish()
    }
}

/// Returns who owns the directory in which this one would be made, or the first of its parents.
fn owner_of_parent(path: &Path) -> Option<u32> {
    let mut parents = path.ancestors().skip(1);
    parents.find_map(|parent| parent.metadata().ok().map(|metadata| metadata.uid()))
}

/// Returns whether a file is neither root's nor the user's. To root, another user's is foreign.
fn is_foreign(owner: u32) -> bool {
    owner != 0 && owner != rustix::process::geteuid().as_raw()
}

/// Tells a symbolic link from other reasons why a file cannot be opened.
fn not_opened(operation: &'static str, path: &Path, error: io::Error) -> StorageError {
    if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) {
        return StorageError::SymbolicLink {
            path: path.to_owned(),
        };
    }
    failed(operation, path)(error)
}

fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StorageError + use<> {
    let path = path.to_owned();
    move |source| StorageError::Io {
        operation,
        path,
        source,
    }
}
