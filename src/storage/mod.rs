//! Files that are kept whole and private: the state, keystore and media directories share this.
//!
//! | file | what it holds |
//! |---|---|
//! | `file_system` | the seam to the disk: every operation is a method of [`FileSystem`] |
//! | `directory` | a directory whose owner and mode are checked on its descriptor; durable replacement of a file in it |
//! | `lock` | an exclusive lock whose file names the process that holds it |
//! | `wait` | who is told what another process keeps this one waiting for |
//! | `path` | a path as a message shows it |
//! | [`tap`] | SIMH .tap files: the objects of a tape in a file |
//!
//! A replacement is a temporary file, fsync, rename, fsync of the directory: a reader takes no lock, and a crash leaves the
//! old file or the new one. A lock file is never removed, because a second process could lock the removed one.
#![allow(
    clippy::disallowed_methods,
    reason = "the storage is where files are read, replaced and locked"
)]

mod directory;
mod error;
mod file_system;
mod lock;
mod path;
pub mod tap;
mod wait;

pub use directory::{Directory, LockHolder, OpenDirectory, TEMPORARY_SUFFIX};
pub use error::{StorageError, without_error_number};
pub use file_system::{
    DirectoryHandle, FileSystem, Links, MAX_LENGTH, OpenFile, Ownership, SystemFileSystem,
};
pub use lock::Lock;
pub use path::quoted;
pub use wait::{ObservedWait, Wait, WaitObserver, WaitSubject};
