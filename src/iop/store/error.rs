//! Why the state cannot be locked, read or written.

use std::path::PathBuf;

use thiserror::Error;

use crate::iop::config::MisplacedReference;
use crate::iop::keystore::UnsealError;
use crate::storage::{StorageError, quoted};

/// Why the state cannot be locked, read or written. No text holds what a file held.
#[derive(Debug, Error)]
pub enum StateError {
    /// A directory or a file in it could not be locked, read or written.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A record is not what this version writes.
    #[error("{} does not parse (line {line}, column {column})", quoted(path))]
    Malformed {
        /// The record.
        path: PathBuf,
        /// Line of the first fault, from 1.
        line: usize,
        /// Column of the first fault, from 1.
        column: usize,
    },
    /// A record was written by a newer version.
    #[error("{} has schema {schema}, and this version knows {known}", quoted(path))]
    NewerSchema {
        /// The record.
        path: PathBuf,
        /// Its schema number.
        schema: u64,
        /// The newest schema number that this version reads.
        known: u32,
    },
    /// A sealed KeyStore does not open.
    #[error("the Platform KeyStore {} cannot be opened", quoted(path))]
    Sealed {
        /// The sealed KeyStore.
        path: PathBuf,
        /// Why.
        source: UnsealError,
    },
    /// The configuration refers to an entry of the KeyStore that belongs to something else.
    #[error(transparent)]
    Misplaced(#[from] MisplacedReference),
    /// The keystore directory is the state directory, or in it.
    #[error(
        "the keystore directory {} is inside the state directory {}",
        quoted(keystore),
        quoted(state)
    )]
    KeystoreInState {
        /// The keystore directory.
        keystore: PathBuf,
        /// The state directory.
        state: PathBuf,
    },
    /// The secret that a KeyStore was sealed with is gone.
    #[error(
        "the Platform KeyStore {} cannot be opened: {} is not there",
        quoted(path),
        quoted(secret)
    )]
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
}

impl StateError {
    /// Returns the error for a step that another one was to follow: what was written then is not yet the edit.
    pub(super) fn before_the_end(self) -> Self {
        match self {
            Self::Storage(StorageError::NotDurable { path, source }) => {
                Self::Storage(StorageError::Io {
                    operation: "sync",
                    path,
                    source,
                })
            }
            error => error,
        }
    }
}
