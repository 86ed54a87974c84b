//! What `partition` and its commands print: a document and text.

use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;

use super::json::SCHEMA;
use super::text::Page;
use crate::iop::config::Release;
use crate::iop::operation::{HeldTarget, PartitionDone, PartitionOutcome};
use crate::iop::store::UuidSource;
use crate::storage::quoted;

/// The partition, and what was done to it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Partition")]
pub struct PartitionDocument<'a> {
    /// Number of the schema.
    #[schemars(extend("const" = 1))]
    schema: u32,
    /// What was done.
    #[serde(flatten)]
    done: DoneDocument<'a>,
    /// Its settings.
    partition: SettingsDocument<'a>,
    /// Its Platform KeyStore.
    keystore: KeystoreDocument<'a>,
}

/// What was done to the partition.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PartitionDone")]
#[serde(tag = "action", rename_all = "kebab-case")]
enum DoneDocument<'a> {
    /// `partition`: nothing was done.
    Shown,
    /// `partition set`.
    Set {
        /// Whether anything is different now.
        changed: bool,
        /// Number of credentials that went from the KeyStore to disk, in plain text.
        moved_to_disk: usize,
        /// The names of the devices that were forgotten.
        forgotten_devices: &'a [String],
    },
    /// `partition export`.
    Exported {
        /// Number of credentials in the file.
        credentials: usize,
        /// The file that was written.
        file: String,
    },
    /// `partition import`.
    Imported {
        /// Number of credentials in the file.
        credentials: usize,
        /// How many of them no configured target refers to.
        without_target: usize,
        /// The file that was read.
        file: String,
    },
}

/// The settings of the partition.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PartitionSettings")]
struct SettingsDocument<'a> {
    /// The UUID, 32 lower-case hexadecimal digits; null when the partition was set to have none.
    uuid: Option<&'a str>,
    /// Where the UUID comes from.
    uuid_source: UuidSource,
    /// The release of IBM i.
    release: Release,
    /// The system generated initiator name; null without a UUID.
    default_initiator_name: Option<&'a str>,
}

/// The Platform KeyStore, without its secrets.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Keystore")]
struct KeystoreDocument<'a> {
    /// The directory that it is kept in; null where there is none to keep it in.
    directory: Option<String>,
    /// Whether it is enabled.
    enabled: bool,
    /// Its capacity in bytes; 0 while it is not enabled.
    size: u64,
    /// What is used of it, in bytes.
    used: u64,
    /// The targets whose credentials it holds, or is meant to hold.
    targets: &'a [HeldTarget],
}

impl<'a> PartitionDocument<'a> {
    /// Makes the document; `file` is where the sealed partition is.
    pub fn new(outcome: &'a PartitionOutcome, file: &Path) -> Self {
        let file = file.to_string_lossy().into_owned();
        let keystore = &outcome.keystore;
        let directory = keystore.directory.as_ref();
        let name = outcome.identity.generated_name.as_ref();
        Self {
            schema: SCHEMA,
            done: match &outcome.done {
                PartitionDone::Shown => DoneDocument::Shown,
                PartitionDone::Set {
                    changed,
                    moved_to_disk,
                    forgotten,
                } => DoneDocument::Set {
                    changed: *changed,
                    moved_to_disk: *moved_to_disk,
                    forgotten_devices: forgotten.as_deref().unwrap_or_default(),
                },
                PartitionDone::Exported { credentials, .. } => DoneDocument::Exported {
                    credentials: *credentials,
                    file,
                },
                PartitionDone::Imported {
                    credentials,
                    without_target,
                } => DoneDocument::Imported {
                    credentials: *credentials,
                    without_target: *without_target,
                    file,
                },
            },
            partition: SettingsDocument {
                uuid: outcome.identity.uuid.as_deref(),
                uuid_source: outcome.identity.source,
                release: outcome.release,
                default_initiator_name: name.map(|name| name.as_str()),
            },
            keystore: KeystoreDocument {
                directory: directory.map(|path| path.to_string_lossy().into_owned()),
                enabled: keystore.size > 0,
                size: keystore.size,
                used: keystore.used,
                targets: &keystore.targets,
            },
        }
    }
}

/// Returns the partition in the manner of a 5250 display, behind what was done to it.
pub fn text(outcome: &PartitionOutcome, file: &Path) -> String {
    let mut page = Page::default();
    if let Some(done) = done(&outcome.done, file) {
        page.title(&done);
    }
    page.part("Partition");
    page.line("UUID", outcome.identity.uuid.as_deref().unwrap_or("*NONE"));
    let source = match outcome.identity.source {
        UuidSource::Set => "partition set",
        UuidSource::Hypervisor => "hypervisor",
        UuidSource::MachineId => "derived from the machine id",
        UuidSource::Random => "made for this state directory",
    };
    page.line("Source of the UUID", source);
    let name = outcome.identity.generated_name.as_ref();
    let name = name.map_or("*NONE", |name| name.as_str());
    page.line("Default initiator name", name);
    page.line("Release", outcome.release);
    page.heading("Platform KeyStore");
    let keystore = &outcome.keystore;
    page.line(
        "Enabled",
        match (keystore.size > 0, keystore.in_use) {
            (false, _) => "No",
            (true, true) => "Yes",
            (true, false) => "Yes, not used for CHAP before 7.6",
        },
    );
    match &keystore.directory {
        Some(directory) => page.line("Directory", quoted(directory)),
        None => page.line("Directory", "*NONE"),
    }
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

/// Returns what was done, and what comes next.
fn done(done: &PartitionDone, file: &Path) -> Option<String> {
    let file = quoted(file);
    match done {
        PartitionDone::Shown => None,
        PartitionDone::Set {
            changed,
            moved_to_disk,
            forgotten,
        } => {
            let mut text = match changed {
                true => "Changed the partition.".to_owned(),
                false => "The partition is so already: nothing changed.".to_owned(),
            };
            if *moved_to_disk > 0 {
                let moved = credentials(*moved_to_disk);
                text += &format!(" Moved {moved} from the KeyStore to disk.");
            }
            if let Some(names) = forgotten {
                let names = match names.is_empty() {
                    true => "none".to_owned(),
                    false => names.join(", "),
                };
                text += &format!(" Devices forgotten: {names}.");
            }
            Some(text)
        }
        PartitionDone::Exported {
            credentials: count, ..
        } => Some(format!(
            "Exported the partition with {} to {file}. Take the file to the other machine, and run there: iscsiswiconfig \
             partition import FILE",
            credentials(*count),
        )),
        PartitionDone::Imported {
            credentials: count, ..
        } => Some(format!(
            "Imported the partition with {} from {file}. The next -reipliscsiop uses it.",
            credentials(*count),
        )),
    }
}

fn credentials(count: usize) -> String {
    match count {
        1 => "1 CHAP credential".to_owned(),
        count => format!("{count} CHAP credentials"),
    }
}
