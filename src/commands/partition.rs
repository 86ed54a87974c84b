//! `partition`: shows and changes the partition and its Platform KeyStore, and carries them to another machine.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::host::open_store;
use super::terminal::Terminal;
use super::{prompt, secret_file};
use crate::cli::{HostOptions, PartitionCommand, PartitionFile, PartitionSettings};
use crate::error::{CommandError, ErrorKind};
use crate::iop::config::{Configuration, PartitionChange, PartitionRecord, Release, UuidChoice};
use crate::iop::keystore::{
    Binding, EntryId, MAX_CAPACITY, PassphraseError, Salts, WORK_FACTOR, cost, open_export,
    seal_export,
};
use crate::iop::store::{PartitionIdentity, StateError, Store, UuidSource};
use crate::iop::warning::Warning;
use crate::render::text::Page;
use crate::render::words::Code;
use crate::render::words::error::file_code;
use crate::storage::{StorageError, quoted};
use crate::values::{Size, Subject};

/// The most bytes that are read of an exported file: more than the largest KeyStore takes.
const EXPORT_LIMIT: u64 = 16 << 20;

/// `partition`
pub(super) fn run(
    command: &PartitionCommand,
    host: &HostOptions,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let store = open_store(host)?;
    match command {
        PartitionCommand::Show => {}
        PartitionCommand::Set(settings) => set(settings, &store, terminal)?,
        PartitionCommand::Export(to) => export(to, &store)?,
        PartitionCommand::Import(from) => import(from, &store)?,
    }
    show(&store, terminal)
}

fn usage(message: &str, command: &str) -> CommandError {
    CommandError::usage(
        message,
        vec![format!("see iscsiswiconfig partition {command} --help")],
    )
}

fn set(
    options: &PartitionSettings,
    store: &Store,
    terminal: &Terminal,
) -> Result<(), CommandError> {
    if *options == PartitionSettings::default() {
        return Err(usage(
            "partition set changes something, and nothing is given",
            "set",
        ));
    }
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
    let change = PartitionChange {
        uuid: uuid.map_err(|error| invalid("uuid", &error))?,
        release: release.map_err(|error| invalid("release", &error))?,
        keystore_size: options.keystore_size.map(Size::bytes),
        move_to_disk: options.move_to_disk,
    };
    let moved = store.edit_partition(|configuration, partition, _| {
        Ok::<_, CommandError>(configuration.repartition(partition, change)?)
    })?;
    if moved > 0 {
        terminal.warn(&Warning::CredentialsOnDisk { count: moved });
    }
    if options.uuid.is_some() {
        warn_of_new_name(store, terminal)?;
    }
    if let Some(count) = options.forget_devices {
        let forgotten = store.forget_devices(count)?;
        let names = match forgotten.is_empty() {
            true => "none".to_owned(),
            false => forgotten.join(", "),
        };
        terminal
            .notes()
            .line(&format!("devices that were forgotten: {names}"));
    }
    Ok(())
}

/// Warns of what another UUID means for the targets that are configured.
fn warn_of_new_name(store: &Store, terminal: &Terminal) -> Result<(), CommandError> {
    let generated = store.generated_name()?;
    let configuration = store.configuration()?;
    for identity in configuration.joined_twice(generated.as_ref()) {
        terminal.warn(&Warning::SameInitiatorTwice {
            target: identity.to_string(),
        });
    }
    let mut initiators = configuration.targets.iter();
    if generated.is_none() && initiators.any(|target| target.identity.initiator_name.is_generated())
    {
        terminal.warn(&Warning::NoGeneratedName);
    }
    Ok(())
}

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    partition: PartitionDocument<'a>,
    keystore: KeystoreDocument<'a>,
}

#[derive(Serialize)]
struct PartitionDocument<'a> {
    uuid: Option<&'a str>,
    uuid_source: UuidSource,
    release: Release,
    default_initiator_name: Option<&'a str>,
}

#[derive(Serialize)]
struct KeystoreDocument<'a> {
    enabled: bool,
    size: u64,
    used: u64,
    targets: Vec<HeldTarget<'a>>,
}

/// A target whose credentials are in the KeyStore, or are meant to be and are not here.
#[derive(Serialize)]
struct HeldTarget<'a> {
    target_name: &'a str,
    target_host_name: &'a str,
    target_port: u16,
    initiator_name: &'a str,
    /// Bytes; none when the KeyStore does not hold it.
    used: Option<u64>,
}

fn show(store: &Store, terminal: &mut Terminal) -> Result<(), CommandError> {
    let record = store.partition()?;
    let identity = store.identity()?;
    let configuration = store.revealed_configuration()?;
    let document = document(&record, &identity, &configuration);
    if terminal.json {
        terminal.print_document(&document)
    } else {
        terminal.print(&text(&document, record.keystore_use().is_enabled()))
    }
}

fn document<'a>(
    record: &PartitionRecord,
    identity: &'a PartitionIdentity,
    configuration: &'a Configuration,
) -> Document<'a> {
    let generated = identity.generated_name.as_ref();
    Document {
        schema: 1,
        partition: PartitionDocument {
            uuid: identity.uuid.as_deref(),
            uuid_source: identity.source,
            release: record.release,
            default_initiator_name: generated.map(|name| name.as_str()),
        },
        keystore: KeystoreDocument {
            enabled: record.keystore_size > 0,
            size: record.keystore_size,
            used: configuration.keystore_used(record),
            targets: configuration
                .targets
                .iter()
                .filter_map(|target| {
                    let chap = target.chap.as_ref().filter(|chap| chap.is_sealed())?;
                    Some(HeldTarget {
                        target_name: target.identity.target_name.as_str(),
                        target_host_name: target.identity.target_host_name.as_str(),
                        target_port: target.identity.target_port.number(),
                        initiator_name: target.identity.initiator_name.resolved(generated),
                        used: chap.secret().map(|secret| cost(secret.reveal())),
                    })
                })
                .collect(),
        },
    }
}

fn text(document: &Document<'_>, in_use: bool) -> String {
    let mut page = Page::default();
    page.title("Partition");
    let partition = &document.partition;
    page.line("UUID", partition.uuid.unwrap_or("*NONE"));
    let source = match partition.uuid_source {
        UuidSource::Set => "partition set",
        UuidSource::Hypervisor => "hypervisor",
        UuidSource::MachineId => "derived from the machine id",
        UuidSource::Random => "made for this state directory",
    };
    page.line("Source of the UUID", source);
    let name = partition.default_initiator_name.unwrap_or("*NONE");
    page.line("Default initiator name", name);
    page.line("Release", partition.release);
    page.heading("Platform KeyStore");
    let keystore = &document.keystore;
    page.line(
        "Enabled",
        match (keystore.enabled, in_use) {
            (false, _) => "No",
            (true, true) => "Yes",
            (true, false) => "Yes, not used for CHAP before 7.6",
        },
    );
    page.line("Size in bytes", keystore.size);
    page.line("Used", keystore.used);
    for target in &keystore.targets {
        let used = match target.used {
            Some(used) => used.to_string(),
            None => "not here".to_owned(),
        };
        page.line("Used by", format!("{} ({used})", target.target_name));
    }
    page.into_text()
}

/// What an exported file holds. The entries' secrets are text, so that the file opens by other means too.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Export {
    schema: u32,
    partition: PartitionRecord,
    entries: Vec<ExportedEntry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExportedEntry {
    id: EntryId,
    secret: Zeroizing<String>,
    /// What the entry belongs to; none in a file of a version before 0.2.0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    belongs_to: Option<Binding>,
}

fn export(to: &PartitionFile, store: &Store) -> Result<(), CommandError> {
    let file = &*to.file;
    let mut partition = store.partition()?;
    let identity = store.identity()?;
    // The name that the VTLs know must go with the partition.
    partition.uuid = Some(identity.uuid.map_or(UuidChoice::None, UuidChoice::Given));
    // What cannot be read or made is refused before a passphrase is asked for. No secret is kept meanwhile, and the file is
    // there for good only when all of it is.
    store.open_keystore(&partition)?;
    make(file)
        .and_then(|_| fs::remove_file(file))
        .map_err(|error| file_failure(error, "write", file))?;
    let passphrase = passphrase(to, true)?;

    let entries: Vec<ExportedEntry> = store
        .open_keystore(&partition)?
        .iter()
        .map(|(id, entry)| ExportedEntry {
            id,
            secret: entry.secret.clone(),
            belongs_to: entry.belongs_to,
        })
        .collect();
    // Escaping doubles a secret at most; a buffer that grew would leave unwiped copies behind.
    let length: usize = entries
        .iter()
        .map(|entry| 100 + 2 * entry.secret.len())
        .sum();
    let mut document = Zeroizing::new(Vec::with_capacity(1000 + length));
    let export = Export {
        schema: 1,
        partition,
        entries,
    };
    serde_json::to_writer(&mut *document, &export)
        .map_err(|error| CommandError::output(error.into()))?;
    let sealed = seal_export(&document, &passphrase, WORK_FACTOR, &salts()?)
        .map_err(|error| export_failure(error, file))?;

    let mut output = make(file).map_err(|error| file_failure(error, "write", file))?;
    let written = output.write_all(&sealed).and_then(|()| output.sync_all());
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

fn import(from: &PartitionFile, store: &Store) -> Result<(), CommandError> {
    let file = &*from.file;
    let mut sealed = Vec::new();
    File::open(file)
        .and_then(|input| input.take(EXPORT_LIMIT + 1).read_to_end(&mut sealed))
        .and_then(|length| match length as u64 > EXPORT_LIMIT {
            true => Err(io::ErrorKind::FileTooLarge.into()),
            false => Ok(()),
        })
        .map_err(|error| file_failure(error, "read", file))?;
    let document = open_export(&sealed, &passphrase(from, false)?)
        .map_err(|error| export_failure(error, file))?;
    let export: Export = serde_json::from_slice(&document)
        .ok()
        .filter(|export: &Export| export.schema == 1)
        .ok_or_else(|| export_failure(PassphraseError::Format, file))?;
    validate(&export).map_err(|fault| CommandError {
        kind: ErrorKind::State,
        code: Code::ExportUnusable,
        error: anyhow::anyhow!("cannot use {}: {fault}", quoted(file)),
        hints: vec!["nothing has changed: make the export anew".to_owned()],
    })?;
    store.edit_partition(|configuration, partition, brought| {
        for entry in &export.entries {
            brought.insert(entry.id, &entry.secret, entry.belongs_to);
        }
        // The entries that were here count before the partition may shrink around them.
        configuration.reveal(brought).map_err(StateError::from)?;
        let change = PartitionChange {
            uuid: export.partition.uuid,
            release: Some(export.partition.release),
            keystore_size: Some(export.partition.keystore_size),
            move_to_disk: false,
        };
        // The KeyStore's id stays where it is: here it would be that of another state directory.
        configuration.repartition(partition, change)?;
        Ok::<_, CommandError>(())
    })
}

/// Holds what an export says against the limits that `partition set` and the configuration have.
fn validate(export: &Export) -> Result<(), String> {
    let size = export.partition.keystore_size;
    if size > MAX_CAPACITY {
        return Err(format!(
            "its KeyStore has {size} bytes, and {MAX_CAPACITY} is the limit"
        ));
    }
    let mut ids = BTreeSet::new();
    let mut used = 0_u64;
    for entry in &export.entries {
        // No text of an error holds a secret, so the value's own error is not shown.
        if entry.secret.is_empty() || Subject::ChapSecret.check_piece(&entry.secret).is_err() {
            return Err(format!("entry {} is no CHAP secret", entry.id));
        }
        if !ids.insert(entry.id) {
            return Err(format!("entry {} is there twice", entry.id));
        }
        used = used.saturating_add(cost(&entry.secret));
    }
    match used > size {
        true => Err(format!(
            "its entries take {used} bytes, and its KeyStore has {size}"
        )),
        false => Ok(()),
    }
}

fn passphrase(options: &PartitionFile, new: bool) -> Result<Zeroizing<String>, CommandError> {
    let passphrase = match &options.passphrase_file {
        Some(path) if path.as_os_str() == "-" => prompt::from_stdin(prompt::Asked::Passphrase)?,
        Some(path) => secret_file::read(path, "the passphrase")?,
        None => prompt::ask_passphrase(new)?,
    };
    if passphrase.is_empty() {
        let command = if new { "export" } else { "import" };
        return Err(usage("the passphrase is empty", command));
    }
    Ok(passphrase)
}

fn salts() -> Result<Salts, CommandError> {
    let mut salts = Salts {
        file_key: Zeroizing::new([0; 16]),
        scrypt: [0; 16],
        payload: [0; 16],
    };
    for salt in [&mut *salts.file_key, &mut salts.scrypt, &mut salts.payload] {
        getrandom::fill(salt).map_err(|error| CommandError {
            kind: ErrorKind::State,
            code: Code::NoResources,
            error: anyhow::Error::new(error).context("cannot draw random numbers"),
            hints: Vec::new(),
        })?;
    }
    Ok(salts)
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

fn export_failure(error: PassphraseError, file: &Path) -> CommandError {
    CommandError {
        kind: ErrorKind::State,
        code: Code::ExportUnusable,
        error: anyhow::Error::new(error).context(format!("cannot use {}", quoted(file))),
        hints: vec![
            "nothing has changed: give the file and the passphrase of partition export".to_owned(),
        ],
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
