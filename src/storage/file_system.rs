//! The one seam to the disk: every operation on the state, keystore and media directories goes through [`FileSystem`], so
//! that a test can count the operations and fail, or die at, each in turn.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use fs2::FileExt as _;
use rustix::fs::{AtFlags, Dir, Mode, OFlags};

/// Owner and permissions of a file or directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ownership {
    /// Numeric user id of the owner.
    pub owner: u32,
    /// Permission bits, the lowest nine of `st_mode`.
    pub permissions: u32,
}

impl Ownership {
    fn of(metadata: &fs::Metadata) -> Self {
        Self {
            owner: metadata.uid(),
            permissions: metadata.mode() & 0o777,
        }
    }
}

/// Whether the last component of a directory's path may be a symbolic link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    /// It may.
    Followed,
    /// It may not.
    Refused,
}

/// An open directory. Files in it are named relative to its descriptor, so another directory at its path is never taken for it.
#[derive(Debug)]
pub struct DirectoryHandle {
    /// Where it was opened.
    pub path: PathBuf,
    /// Owner and permissions of the descriptor.
    pub ownership: Ownership,
    /// What tells it from a copy: inode number and, where the file system has it, the time at which it was made.
    pub identity: String,
    /// The descriptor.
    pub file: File,
}

/// A file that is open for reading.
#[derive(Debug)]
pub struct OpenFile {
    /// Owner and permissions at the moment of opening.
    pub ownership: Ownership,
    /// How many bytes it holds. A record is replaced, never written to, so its length stands.
    pub length: u64,
    /// The file.
    pub file: File,
}

/// The longest file that is read or written, in bytes: many times what the largest record takes.
pub const MAX_LENGTH: usize = 64 * 1024 * 1024;

/// The operations on directories and the files in them. Each is one step: after a failure or a kill it has happened or it has
/// not, except for [`FileSystem::write`], to a file that is not read before it is renamed.
pub trait FileSystem: Send + Sync {
    /// Makes a directory, mode 0700 whatever the umask, and the parents that it needs; the parent of each is synced. One that
    /// exists by now stays as it is.
    ///
    /// # Errors
    /// Those of mkdir(2), open(2) and fsync(2).
    fn make_directory(&self, path: &Path) -> io::Result<()>;

    /// Opens a directory, or returns none when it does not exist.
    ///
    /// # Errors
    /// Those of open(2): `NotADirectory` for something else, and for a symbolic link that is not to be followed.
    fn open_directory(&self, path: &Path, links: Links) -> io::Result<Option<DirectoryHandle>>;

    /// Returns the names of the files in a directory, those that are not UTF-8 left out.
    ///
    /// # Errors
    /// Those of getdents(2).
    fn names(&self, directory: &DirectoryHandle) -> io::Result<Vec<String>>;

    /// Opens a file for reading, or returns none when it does not exist; a symbolic link is not followed.
    ///
    /// # Errors
    /// Those of open(2); `ELOOP` for a symbolic link, `InvalidInput` for anything but a regular file, `FileTooLarge` for one
    /// beyond [`MAX_LENGTH`].
    fn open(&self, directory: &DirectoryHandle, name: &str) -> io::Result<Option<OpenFile>>;

    /// Reads from the beginning of a file until the buffer is full.
    ///
    /// # Errors
    /// Those of read(2); `UnexpectedEof` for a file that ends before.
    fn read(&self, file: &File, bytes: &mut [u8]) -> io::Result<()>;

    /// Returns a file of the machine, in none of the directories, as text; symbolic links are followed.
    ///
    /// # Errors
    /// Those of open(2) and read(2); `InvalidData` for what is not UTF-8.
    fn read_machine_file(&self, path: &Path) -> io::Result<String>;

    /// Opens a lock file, creating it with mode 0600 whatever the umask.
    ///
    /// # Errors
    /// Those of open(2).
    fn open_lock(&self, directory: &DirectoryHandle, name: &str) -> io::Result<File>;

    /// Takes the exclusive lock, and returns false when another process holds it.
    ///
    /// # Errors
    /// Those of flock(2).
    fn try_lock(&self, lock: &File) -> io::Result<bool>;

    /// Takes a lock together with others that share it; false while it is held exclusively.
    ///
    /// # Errors
    /// Those of flock(2).
    fn try_lock_shared(&self, lock: &File) -> io::Result<bool> {
        contended(fs2::FileExt::try_lock_shared(lock))
    }

    /// Writes to the beginning of a file that is not replaced: what a lock file says of its holder.
    ///
    /// # Errors
    /// Those of write(2).
    fn write_over(&self, file: &File, bytes: &[u8]) -> io::Result<()>;

    /// Creates a file that does not exist yet, mode 0600 whatever the umask.
    ///
    /// # Errors
    /// Those of open(2).
    fn create_new(&self, directory: &DirectoryHandle, name: &str) -> io::Result<File>;

    /// Writes behind what was written to a file before.
    ///
    /// # Errors
    /// Those of write(2).
    fn write(&self, file: &File, bytes: &[u8]) -> io::Result<()>;

    /// Waits until a file's bytes are on the medium.
    ///
    /// # Errors
    /// Those of fsync(2).
    fn sync(&self, file: &File) -> io::Result<()>;

    /// Puts one file in the place of another, in one step.
    ///
    /// # Errors
    /// Those of rename(2).
    fn rename(&self, directory: &DirectoryHandle, from: &str, to: &str) -> io::Result<()>;

    /// Waits until a directory's entries are on the medium.
    ///
    /// # Errors
    /// Those of fsync(2).
    fn sync_directory(&self, directory: &DirectoryHandle) -> io::Result<()>;

    /// Removes a file if it is there.
    ///
    /// # Errors
    /// Those of unlink(2), except that it does not exist.
    fn remove(&self, directory: &DirectoryHandle, name: &str) -> io::Result<()>;
}

/// The disk of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemFileSystem;

const PRIVATE_FILE: Mode = Mode::from_raw_mode(0o600);
const PRIVATE_DIRECTORY: Mode = Mode::from_raw_mode(0o700);

impl FileSystem for SystemFileSystem {
    fn make_directory(&self, path: &Path) -> io::Result<()> {
        let path = without_trailing_slash(path);
        let parent = match path.parent() {
            Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
            Some(parent) => parent,
            None => return Ok(()),
        };
        match rustix::fs::mkdir(&path, PRIVATE_DIRECTORY) {
            Ok(()) => {}
            Err(rustix::io::Errno::EXIST) => return Ok(()),
            Err(rustix::io::Errno::NOENT) => {
                self.make_directory(parent)?;
                match rustix::fs::mkdir(&path, PRIVATE_DIRECTORY) {
                    Err(rustix::io::Errno::EXIST) => return Ok(()),
                    made => made?,
                }
            }
            Err(error) => return Err(error.into()),
        }
        // The umask may have taken away more than others' permissions.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = rustix::fs::open(&path, flags, Mode::empty())?;
        let status = rustix::fs::fstat(&made)?;
        if status.st_uid != rustix::process::geteuid().as_raw() {
            return Err(io::Error::other("another user has put a directory there"));
        }
        if Mode::from_raw_mode(status.st_mode) & Mode::RWXU != PRIVATE_DIRECTORY {
            rustix::fs::fchmod(&made, PRIVATE_DIRECTORY)?;
        }
        File::open(parent)?.sync_all()
    }

    fn open_directory(&self, path: &Path, links: Links) -> io::Result<Option<DirectoryHandle>> {
        let mut flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        if links == Links::Refused {
            flags |= OFlags::NOFOLLOW;
        }
        let file = match rustix::fs::open(without_trailing_slash(path), flags, Mode::empty()) {
            Ok(descriptor) => File::from(descriptor),
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let metadata = file.metadata()?;
        let made = metadata
            .created()
            .ok()
            .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
            .map_or(0, |time| time.as_nanos());
        Ok(Some(DirectoryHandle {
            path: path.to_owned(),
            ownership: Ownership::of(&metadata),
            identity: format!("{:x}-{made:x}", metadata.ino()),
            file,
        }))
    }

    fn names(&self, directory: &DirectoryHandle) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&directory.file)? {
            let entry = entry?;
            names.extend(entry.file_name().to_str().ok().map(str::to_owned));
        }
        Ok(names)
    }

    fn open(&self, directory: &DirectoryHandle, name: &str) -> io::Result<Option<OpenFile>> {
        // NONBLOCK: a named pipe in the file's place must not hang the open.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&directory.file, name, flags, Mode::empty()) {
            Ok(descriptor) => File::from(descriptor),
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not a regular file",
            ));
        }
        if metadata.len() > MAX_LENGTH as u64 {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(Some(OpenFile {
            ownership: Ownership::of(&metadata),
            length: metadata.len(),
            file,
        }))
    }

    fn read(&self, file: &File, bytes: &mut [u8]) -> io::Result<()> {
        file.read_exact_at(bytes, 0)
    }

    fn read_machine_file(&self, path: &Path) -> io::Result<String> {
        fs::read_to_string(path)
    }

    fn open_lock(&self, directory: &DirectoryHandle, name: &str) -> io::Result<File> {
        // NONBLOCK as above; a regular file is not affected.
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        match rustix::fs::openat(&directory.file, name, flags, Mode::empty()) {
            Err(rustix::io::Errno::NOENT) => {
                let flags = flags | OFlags::CREATE;
                let file = rustix::fs::openat(&directory.file, name, flags, PRIVATE_FILE)?;
                rustix::fs::fchmod(&file, PRIVATE_FILE)?;
                Ok(file.into())
            }
            opened => Ok(opened?.into()),
        }
    }

    fn try_lock(&self, lock: &File) -> io::Result<bool> {
        contended(lock.try_lock_exclusive())
    }

    fn write_over(&self, file: &File, bytes: &[u8]) -> io::Result<()> {
        file.write_all_at(bytes, 0)
    }

    fn create_new(&self, directory: &DirectoryHandle, name: &str) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&directory.file, name, flags, PRIVATE_FILE)?;
        let mode = Mode::from_raw_mode(rustix::fs::fstat(&file)?.st_mode);
        if mode != PRIVATE_FILE {
            rustix::fs::fchmod(&file, PRIVATE_FILE)?;
        }
        Ok(file.into())
    }

    fn write(&self, mut file: &File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    fn rename(&self, directory: &DirectoryHandle, from: &str, to: &str) -> io::Result<()> {
        let file = &directory.file;
        Ok(rustix::fs::renameat(file, from, file, to)?)
    }

    fn sync_directory(&self, directory: &DirectoryHandle) -> io::Result<()> {
        directory.file.sync_all()
    }

    fn remove(&self, directory: &DirectoryHandle, name: &str) -> io::Result<()> {
        match rustix::fs::unlinkat(&directory.file, name, AtFlags::empty()) {
            Err(rustix::io::Errno::NOENT) => Ok(()),
            removed => Ok(removed?),
        }
    }
}

/// A trailing slash would have a symbolic link followed.
/// Returns whether a lock was taken: that it is held elsewhere is no error.
fn contended(taken: io::Result<()>) -> io::Result<bool> {
    match taken {
        Ok(()) => Ok(true),
        Err(error) if error.raw_os_error() == fs2::lock_contended_error().raw_os_error() => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

pub(super) fn without_trailing_slash(path: &Path) -> PathBuf {
    path.components().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_directory_is_private_and_so_are_the_parents_that_it_needs() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a/b");
        SystemFileSystem.make_directory(&path).unwrap();
        SystemFileSystem.make_directory(&path).unwrap();
        for made in [path.parent().unwrap(), &path] {
            let mode = fs::metadata(made).unwrap().mode();
            assert_eq!(mode & 0o7777, 0o700, "{}", made.display());
        }
    }

    #[test]
    fn a_link_is_no_directory_where_links_are_refused_whatever_stands_behind_it() {
        let root = tempfile::tempdir().unwrap();
        let link = root.path().join("link");
        std::os::unix::fs::symlink(root.path(), &link).unwrap();
        for path in [link.clone(), root.path().join("link/")] {
            let refused = SystemFileSystem.open_directory(&path, Links::Refused);
            assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::NotADirectory);
            let followed = SystemFileSystem.open_directory(&path, Links::Followed);
            assert!(followed.unwrap().is_some());
        }
    }

    #[test]
    fn a_copy_of_a_directory_has_another_identity() {
        let root = tempfile::tempdir().unwrap();
        let identity = |name: &str| {
            let path = root.path().join(name);
            SystemFileSystem.make_directory(&path).unwrap();
            let opened = SystemFileSystem.open_directory(&path, Links::Refused);
            opened.unwrap().unwrap().identity
        };
        assert_eq!(identity("one"), identity("one"));
        assert_ne!(identity("one"), identity("two"));
    }
}
