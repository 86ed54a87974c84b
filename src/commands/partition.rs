//! `partition`: from words, files and a passphrase to operations on the partition and its Platform KeyStore.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::host::{self, open_store};
use super::terminal::Terminal;
use super::{prompt, secret_file};
use crate::cli::{HostOptions, PartitionCommand, PartitionFile, PartitionSettings};
use crate::error::{CommandError, ErrorKind};
use crate::iop::config::{PartitionChange, Release, UuidChoice};
use crate::iop::operation::{Operation, OperationError, Outcome, PartitionDone, PartitionOutcome};
use crate::iop::store::StateError;
use crate::iscsi::secret::Secret;
use crate::render::partition::{PartitionDocument, text};
use crate::render::words::error::file_code;
use crate::storage::{StorageError, quoted};
use crate::values::Size;

/// The most bytes that are read of an exported file: more than the largest KeyStore takes.
const EXPORT_LIMIT: u64 = 16 << 20;

/// `partition`
pub(super) fn run(
    command: &PartitionCommand,
    host: &HostOptions,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let partition = PartitionRun { host, terminal };
    let (outcome, file) = match command {
        PartitionCommand::Show => (partition.perform(Operation::ShowPartition, None)?, None),
        PartitionCommand::Set(settings) => (partition.perform(set(settings)?, None)?, None),
        PartitionCommand::Export(to) => (partition.export(to)?, Some(&*to.file)),
        PartitionCommand::Import(from) => (partition.import(from)?, Some(&*from.file)),
    };
    let file = file.unwrap_or(Path::new(""));
    match terminal.json {
        true => terminal.print_document(&PartitionDocument::new(&outcome, file)),
        false => terminal.print(&text(&outcome, file)),
    }
}

fn usage(message: &str, command: &str) -> CommandError {
    CommandError::usage(
        message,
        vec![format!("see iscsiswiconfig partition {command} --help")],
    )
}

fn set(options: &PartitionSettings) -> Result<Operation, CommandError> {
    let invalid = |option: &str, error: &dyn std::fmt::Display| {
        usage(&format!("the value of --{option} is {error}"), "set")
    };
    let uuid = options
        .uuid
        .as_deref()
        .map(str::parse::<UuidChoice>)
        .transpose();
    let release = options
        .release
        .as_deref()
        .map(str::parse::<Release>)
        .transpose();
    Ok(Operation::SetPartition {
        change: PartitionChange {
            uuid: uuid.map_err(|error| invalid("uuid", &error))?,
            release: release.map_err(|error| invalid("release", &error))?,
            keystore_size: options.keystore_size.map(Size::bytes),
            move_to_disk: options.move_to_disk,
        },
        forget_devices: options.forget_devices,
    })
}

struct PartitionRun<'a> {
    host: &'a HostOptions,
    terminal: &'a Terminal,
}

impl PartitionRun<'_> {
    /// Performs an operation on the partition and tells its warnings; `file` is what an export or import is about.
    fn perform(
        &self,
        operation: Operation,
        file: Option<&Path>,
    ) -> Result<PartitionOutcome, CommandError> {
        let store = open_store(self.host, self.terminal)?;
        let performed = host::perform(operation, &store, self.host, self.terminal)?;
        let performed = performed.map_err(|error| {
            let is_of_file = matches!(error, OperationError::Export(_));
            let error = CommandError::from(error);
            match file.filter(|_| is_of_file) {
                Some(file) => error.with_context(format!("cannot use {}", quoted(file))),
                None => error,
            }
        })?;
        for warning in &performed.warnings {
            self.terminal.warn(warning);
        }
        match performed.outcome {
            Outcome::Partition(outcome) => Ok(*outcome),
            // The operations on the partition have no other outcome.
            Outcome::Active(_)
            | Outcome::Configured(_)
            | Outcome::Applied(_)
            | Outcome::Edited(_) => Err(usage("this is no operation on the partition", "show")),
        }
    }

    fn export(&self, to: &PartitionFile) -> Result<PartitionOutcome, CommandError> {
        let file = &*to.file;
        // What cannot be read or made is refused before a passphrase is asked for. No secret is kept meanwhile, and the file
        // is there for good only when all of it is.
        self.perform(Operation::ShowPartition, None)?;
        make(file)
            .and_then(|_| fs::remove_file(file))
            .map_err(|error| file_failure(error, "write", file))?;
        let passphrase = passphrase(to, true)?;
        let outcome = self.perform(Operation::ExportPartition { passphrase }, Some(file))?;
        if let PartitionDone::Exported { sealed, .. } = &outcome.done {
            write(file, sealed)?;
        }
        Ok(outcome)
    }

    fn import(&self, from: &PartitionFile) -> Result<PartitionOutcome, CommandError> {
        let file = &*from.file;
        let mut sealed = Vec::new();
        File::open(file)
            .and_then(|input| input.take(EXPORT_LIMIT + 1).read_to_end(&mut sealed))
            .and_then(|length| match length as u64 > EXPORT_LIMIT {
                true => Err(io::ErrorKind::FileTooLarge.into()),
                false => Ok(()),
            })
            .map_err(|error| file_failure(error, "read", file))?;
        let passphrase = passphrase(from, false)?;
        self.perform(
            Operation::ImportPartition { sealed, passphrase },
            Some(file),
        )
    }
}

/// Writes an export to a file that must not be there yet, so that it outlasts a power failure.
fn write(file: &Path, sealed: &[u8]) -> Result<(), CommandError> {
    let mut output = make(file).map_err(|error| file_failure(error, "write", file))?;
    let written = output.write_all(sealed).and_then(|()| output.sync_all());
    written.map_err(|error| {
        // Best effort: the failure that led here is the one to report.
        let _ = fs::remove_file(file);
        file_failure(error, "write", file)
    })?;
    let parent = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(parent)
        .and_then(|directory| directory.sync_all())
        .map_err(|source| {
            let path = file.to_owned();
            StateError::from(StorageError::NotDurable { path, source }).into()
        })
}

/// Makes the file of an export, which must not be there yet.
fn make(file: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
}

fn passphrase(options: &PartitionFile, new: bool) -> Result<Secret<String>, CommandError> {
    let passphrase = match &options.passphrase_file {
        Some(path) if path.as_os_str() == "-" => prompt::from_stdin(prompt::Asked::Passphrase)?,
        Some(path) => secret_file::read(path, "the passphrase")?,
        None => prompt::ask_passphrase(new)?,
    };
    if passphrase.is_empty() {
        let command = if new { "export" } else { "import" };
        return Err(usage("the passphrase is empty", command));
    }
    Ok(passphrase.into())
}

fn file_failure(error: io::Error, operation: &str, file: &Path) -> CommandError {
    let hint = match error.kind() {
        io::ErrorKind::AlreadyExists => "an export never overwrites a file: name another one",
        _ => "name another file, or put right what the message says",
    };
    CommandError {
        kind: ErrorKind::State,
        code: file_code(&error),
        error: anyhow::Error::new(error).context(format!("cannot {operation} {}", quoted(file))),
        hints: vec![hint.to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_releases_on_the_command_line_are_those_of_the_partition() {
        for release in crate::cli::host::RELEASES {
            assert_eq!(release.parse::<Release>().unwrap().to_string(), release);
        }
    }
}
