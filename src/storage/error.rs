//! Why a directory or a file in it cannot be locked, read or written.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use super::path::quoted;

/// Why a directory or a file in it cannot be locked, read or written. No text holds what a file held.
#[derive(Debug, Error)]
pub enum StorageError {
    /// An operation on the disk failed.
    #[error("cannot {operation} {}", quoted(path))]
    Io {
        /// What was tried, as a verb.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file was replaced, and its directory could not be synced: the change is made, and a power failure may undo it.
    #[error(
        "{} is written, and cannot be made to survive a power failure",
        quoted(path)
    )]
    NotDurable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file would be longer than what is read again. Nothing has changed then.
    #[error("{} would take {length} bytes, and {limit} is the limit", quoted(path))]
    TooLong {
        /// The file.
        path: PathBuf,
        /// How long it would be, in bytes.
        length: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// A file gives group or others a permission that they must not have.
    #[error("{} is open to group or others (mode {permissions:04o})", quoted(path))]
    SharedFile {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        permissions: u32,
    },
    /// A file belongs neither to root nor to the user.
    #[error("{} belongs to user id {owner}", quoted(path))]
    ForeignFile {
        /// The file.
        path: PathBuf,
        /// The owner's user id.
        owner: u32,
    },
    /// A file, or a directory that may not be one, is a symbolic link.
    #[error("{} is a symbolic link", quoted(path))]
    SymbolicLink {
        /// The link.
        path: PathBuf,
    },
    /// Group or others have a permission that they must not have.
    #[error("the {what} directory {} can be {} group or others (mode {permissions:04o})", quoted(path), if *what == "keystore" { "used by" } else { "written by" })]
    SharedDirectory {
        /// Which directory: state, keystore or media.
        what: &'static str,
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        permissions: u32,
    },
    /// A directory belongs neither to root nor to the user.
    #[error("the {what} directory {} belongs to user id {owner}", quoted(path))]
    ForeignDirectory {
        /// Which directory: state, keystore or media.
        what: &'static str,
        /// The directory.
        path: PathBuf,
        /// The owner's user id.
        owner: u32,
    },
    /// Root would make a directory in the home of another user.
    #[error(
        "the {what} directory {} would be made in a directory of user id {owner}",
        quoted(path)
    )]
    ForeignHome {
        /// Which directory: state, keystore or media.
        what: &'static str,
        /// The directory.
        path: PathBuf,
        /// The owner's user id.
        owner: u32,
    },
    /// Another process holds a lock.
    #[error("{} is locked{}", quoted(path), holder(*pid, purpose.as_deref()))]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// The process that holds it, where the lock file names one that exists.
        pid: Option<u32>,
        /// What that process holds it for, where it says so.
        purpose: Option<String>,
        /// How long was waited.
        waited: Duration,
    },
}

fn holder(pid: Option<u32>, purpose: Option<&str>) -> String {
    let Some(pid) = pid else {
        return String::new();
    };
    match purpose {
        Some(purpose) => format!(" by process {pid} ({purpose})"),
        None => format!(" by process {pid}"),
    }
}

/// Returns what the system says of an error without the number that the standard library adds: the words of strerror(3) alone.
#[must_use]
pub fn without_error_number(text: &str) -> &str {
    match text.rsplit_once(" (os error ") {
        Some((words, number)) if number.trim_end_matches(')').parse::<i32>().is_ok() => words,
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_is_named_where_it_is_known() {
        let locked = |pid, purpose: Option<&str>| {
            let path = PathBuf::from("config.lock");
            let waited = Duration::ZERO;
            let purpose = purpose.map(str::to_owned);
            StorageError::Locked {
                path,
                pid,
                purpose,
                waited,
            }
            .to_string()
        };
        assert_eq!(
            locked(Some(47), None),
            "config.lock is locked by process 47"
        );
        assert_eq!(
            locked(Some(47), Some("re-IPL")),
            "config.lock is locked by process 47 (re-IPL)"
        );
        assert_eq!(locked(None, None), "config.lock is locked");
    }
}
