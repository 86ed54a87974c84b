//! A record as a file: JSON in an envelope that carries the schema number.

use std::io::{self, Write};
use std::path::PathBuf;

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::error::StateError;
use crate::storage::{OpenDirectory, StorageError};

/// The schema of every record that this version writes, but for the active configuration, and the newest that it reads.
const SCHEMA: u32 = 1;
/// The schema of the active configuration: 2 has causes where 1 had sentences. Both are read.
const ACTIVE_SCHEMA: u32 = 2;
/// The record of the active configuration.
pub(super) const ACTIVE: &str = "active.json";

/// Returns the schema that a record is written in, and the newest that is read.
fn schema_of(name: &str) -> u32 {
    match name {
        ACTIVE => ACTIVE_SCHEMA,
        _ => SCHEMA,
    }
}

/// The envelope of a record.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<T> {
    schema: u32,
    record: T,
    /// A checksum of the text, which versions before 0.2.0 wrote into config.json; it is read and ignored.
    #[serde(default, rename = "xxh3", alias = "crc32c", skip_serializing)]
    _checksum: Option<IgnoredAny>,
}

/// Reads a record; none when its file or the directory does not exist.
pub(super) fn read<T: DeserializeOwned>(
    directory: Option<&OpenDirectory>,
    name: &str,
) -> Result<Option<T>, StateError> {
    let Some(directory) = directory else {
        return Ok(None);
    };
    match directory.read(name)? {
        Some(contents) => parse(directory.path_of(name), &contents, schema_of(name)).map(Some),
        None => Ok(None),
    }
}

/// Replaces a record. Its lock must be held.
pub(super) fn replace<T: Serialize>(
    directory: &OpenDirectory,
    name: &str,
    record: &T,
) -> Result<(), StateError> {
    let envelope = Envelope {
        schema: schema_of(name),
        record,
        _checksum: None,
    };
    let mut text = WipedText::default();
    serde_json::to_writer(&mut text, &envelope)
        .map_err(io::Error::from)
        .and_then(|()| text.write_all(b"\n"))
        .map_err(|source| StorageError::Io {
            operation: "write",
            path: directory.path_of(name),
            source,
        })?;
    Ok(directory.replace(name, &text.0)?)
}

/// Serde's messages quote the offending value, which may be a secret: only line and column are kept.
fn parse<T: DeserializeOwned>(
    path: PathBuf,
    contents: &[u8],
    newest: u32,
) -> Result<T, StateError> {
    #[derive(Deserialize)]
    struct SchemaOnly {
        schema: u64,
    }

    let error = match serde_json::from_slice::<Envelope<T>>(contents) {
        Ok(envelope) if (1..=newest).contains(&envelope.schema) => return Ok(envelope.record),
        Ok(_) => None,
        Err(error) => Some(error),
    };
    match serde_json::from_slice::<SchemaOnly>(contents) {
        Ok(SchemaOnly { schema }) if schema > u64::from(newest) => Err(StateError::NewerSchema {
            path,
            schema,
            known: newest,
        }),
        _ => Err(StateError::Malformed {
            path,
            line: error.as_ref().map_or(1, serde_json::Error::line),
            column: error.as_ref().map_or(1, serde_json::Error::column),
        }),
    }
}

/// The text of a record that is about to be written. It may hold secrets: each buffer that it outgrows is wiped.
#[derive(Default)]
struct WipedText(Zeroizing<Vec<u8>>);

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
