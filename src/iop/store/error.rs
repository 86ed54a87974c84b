//! Why the state cannot be locked, read or written.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::iop::keystore::UnsealError;

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
    /// Group or others can write the state directory, or do anything with the keystore directory.
    #[error("the {what} directory {} can be {} group or others (mode {permissions:04o})", path.display(), if *what == "state" { "written by" } else { "used by" })]
    OpenDirectory {
        /// Which directory: state or keystore.
        what: &'static str,
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        permissions: u32,
    },
    /// A directory is somebody else's.
    #[error("the {what} directory {} belongs to user id {owner}", path.display())]
    ForeignDirectory {
        /// Which directory: state or keystore.
        what: &'static str,
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
    #[error("{} has schema {schema}, and this version knows {known}", path.display())]
    NewerSchema {
        /// The record.
        path: PathBuf,
        /// Its schema number.
        schema: u64,
        /// The newest schema number that this version reads.
        known: u32,
    },
    /// A sealed KeyStore does not open.
    #[error("the Platform KeyStore {} cannot be opened", path.display())]
    Sealed {
        /// The sealed KeyStore.
        path: PathBuf,
        /// Why.
        source: UnsealError,
    },
    /// The secret that a KeyStore was sealed with is gone.
    #[error("the Platform KeyStore {} cannot be opened: {} is not there", path.display(), secret.display())]
    SecretMissing {
        /// The sealed KeyStore.
        path: PathBuf,
        /// The file with the secret.
        secret: PathBuf,
    },
    /// The credentials do not fit into the KeyStore. Nothing has changed then.
    #[error(
        "the Platform KeyStore is full: {used} of {size} bytes are used, and {needed} are needed"
    )]
    KeystoreFull {
        /// The capacity, in bytes.
        size: u64,
        /// What is used of it, in bytes.
        used: u64,
        /// What would be used, in bytes.
        needed: u64,
    },
    /// Somebody else holds a lock.
    #[error("{} is locked{}", path.display(), holder(*pid))]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// The process that holds it, where the kernel tells.
        pid: Option<u32>,
        /// How long was waited.
        waited: Duration,
    },
}

fn holder(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" by process {pid}"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_is_named_where_it_is_known() {
        let locked = |pid| {
            let path = PathBuf::from("config.lock");
            let waited = Duration::ZERO;
            StateError::Locked { path, pid, waited }.to_string()
        };
        assert_eq!(locked(Some(47)), "config.lock is locked by process 47");
        assert_eq!(locked(None), "config.lock is locked");
    }
}
