//! The one seam to the disk: every operation that the state makes goes through [`FileSystem`], so that a test can count the
//! operations and fail, or die at, each in turn.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use fs2::FileExt as _;
use rustix::fs::OFlags;

/// Who owns a file or directory, and what it allows whom.
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

/// The operations that the state makes on the disk. Each is one step: after a failure or a kill it has happened or it has
/// not, except for [`FileSystem::write`], to a file that nobody reads before it is renamed.
pub trait FileSystem {
    /// Creates a directory, mode 0700 whatever the umask, and the parents that it needs.
    ///
    /// # Errors
    /// Those of mkdir(2).
    fn create_directory(&self, path: &Path) -> io::Result<()>;

    /// Returns who owns a directory, symbolic links followed, or none when it does not exist.
    ///
    /// # Errors
    /// Those of stat(2); `NotADirectory` for something else.
    fn inspect_directory(&self, path: &Path) -> io::Result<Option<Ownership>>;

    /// Opens a file for reading, or returns none when it does not exist; a symbolic link is not followed.
    ///
    /// # Errors
    /// Those of open(2); `ELOOP` for a symbolic link, `InvalidInput` for anything but a regular file, `FileTooLarge` for one
    /// beyond 64 MiB.
    fn open(&self, path: &Path) -> io::Result<Option<OpenFile>>;

    /// Reads from the beginning of a file until the buffer is full.
    ///
    /// # Errors
    /// Those of read(2); `UnexpectedEof` for a file that ends before.
    fn read(&self, file: &File, bytes: &mut [u8]) -> io::Result<()>;

    /// Returns a file of the machine, not of the state, as text; symbolic links are followed.
    ///
    /// # Errors
    /// Those of open(2) and read(2); `InvalidData` for what is not UTF-8.
    fn read_machine_file(&self, path: &Path) -> io::Result<String>;

    /// Opens a lock file, creating it with mode 0600 whatever the umask.
    ///
    /// # Errors
    /// Those of open(2).
    fn open_lock(&self, path: &Path) -> io::Result<File>;

    /// Takes the exclusive lock, and returns false when somebody else holds it.
    ///
    /// # Errors
    /// Those of flock(2).
    fn try_lock(&self, lock: &File) -> io::Result<bool>;

    /// Creates a file that does not exist yet, mode 0600 whatever the umask.
    ///
    /// # Errors
    /// Those of open(2).
    fn create_new(&self, path: &Path) -> io::Result<File>;

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
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Waits until a directory's entries are on the medium.
    ///
    /// # Errors
    /// Those of open(2) and fsync(2).
    fn sync_directory(&self, path: &Path) -> io::Result<()>;

    /// Removes a file if it is there.
    ///
    /// # Errors
    /// Those of unlink(2), except that it does not exist.
    fn remove(&self, path: &Path) -> io::Result<()>;
}

/// The longest file that is read, in bytes: many times what the largest record takes.
const MAX_LENGTH: u64 = 64 * 1024 * 1024;

/// The disk of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemFileSystem;

impl FileSystem for SystemFileSystem {
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        // The umask may have taken away more than others' permissions.
        fs::set_permissions(path, Permissions::from_mode(0o700))
    }

    fn inspect_directory(&self, path: &Path) -> io::Result<Option<Ownership>> {
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => Ok(Some(Ownership::of(&metadata))),
            Ok(_) => Err(io::ErrorKind::NotADirectory.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn open(&self, path: &Path) -> io::Result<Option<OpenFile>> {
        // NONBLOCK: a named pipe in the file's place must not hang the open.
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
        let file = match OpenOptions::new()
            .read(true)
            .custom_flags(flags.cast_signed())
            .open(path)
        {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not a regular file",
            ));
        }
        if metadata.len() > MAX_LENGTH {
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

    fn open_lock(&self, path: &Path) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .mode(0o600)
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
        match options.open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let file = options.create(true).open(path)?;
                file.set_permissions(Permissions::from_mode(0o600))?;
                Ok(file)
            }
            opened => opened,
        }
    }

    fn try_lock(&self, lock: &File) -> io::Result<bool> {
        match lock.try_lock_exclusive() {
            Ok(()) => Ok(true),
            Err(error) if error.raw_os_error() == fs2::lock_contended_error().raw_os_error() => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    fn create_new(&self, path: &Path) -> io::Result<File> {
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        if Ownership::of(&file.metadata()?).permissions != 0o600 {
            file.set_permissions(Permissions::from_mode(0o600))?;
        }
        Ok(file)
    }

    fn write(&self, mut file: &File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}
