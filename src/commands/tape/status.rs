//! `tape status` and `tape rewind`: what the drives hold, and where their tapes stand.

use anyhow::anyhow;
use schemars::JsonSchema;
use serde::Serialize;

use crate::commands::library::{Talk, run_job};
use crate::commands::schema::Documents;
use crate::commands::terminal::Terminal;
use crate::error::{CommandError, ErrorKind};
use crate::iop::devices::names::DeviceKind;
use crate::iop::job::unit::UnitError;
use crate::iop::job::{Again, Job, JobError};
use crate::iop::library::{ElementType, Inventory, LibraryFailure, OpenLibrary};
use crate::iop::tape::drive::TapeDrive;
use crate::render::text::Page;
use crate::render::words::{Code, next_step};

/// Adds what is printed here to the schema.
pub(super) fn describe(documents: &mut Documents) {
    documents.document::<StatusDocument>();
}

/// What `tape status` and `tape rewind` print.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TapeStatus")]
struct StatusDocument {
    /// Number of the schema.
    #[schemars(extend("const" = 1))]
    schema: u32,
    /// The drives that were asked for; of a library, those that are loaded.
    drives: Vec<DriveStatusDocument>,
}

/// A drive, and where its tape stands.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DriveStatus")]
struct DriveStatusDocument {
    /// Device name.
    drive: String,
    /// Whether a tape is loaded; false also for a cartridge that was unloaded and not moved since.
    loaded: bool,
    /// The cartridge in the drive, loaded or not: its barcode; null when it has none, or no library of the job says.
    volume: Option<String>,
    /// Whether the cartridge is write-protected; null for an empty drive, and when the drive does not say.
    write_protected: Option<bool>,
    /// The tape is at its beginning; null when the drive does not say.
    beginning: Option<bool>,
    /// Blocks and filemarks before the position; null when the drive does not say.
    object: Option<u64>,
}

/// Says what a drive holds, or every loaded drive of a library; rewinds their tapes first where that is asked for.
pub(super) fn status(
    device: &str,
    rewind: bool,
    talk: &Talk,
    terminal: &mut Terminal,
) -> Result<u8, CommandError> {
    let command = if rewind { "rewind" } else { "status" };
    let purpose = format!("tape {command} {device}");
    let drives = run_job(async {
        let mut job = talk.open(&[(device, None)], &purpose).await?;
        let outcome = statuses(&mut job, device, rewind).await;
        job.close().await;
        outcome
    })?;
    if rewind && let Some(empty) = drives.iter().find(|drive| !drive.loaded) {
        let (error, hint) = match &empty.volume {
            Some(volume) => (
                anyhow!("{volume} in {} is not loaded", empty.drive),
                next_step::LOAD_AGAIN,
            ),
            None => (
                anyhow!("{} is empty", empty.drive),
                "there is no tape to rewind",
            ),
        };
        return Err(CommandError {
            kind: ErrorKind::Refused,
            code: Code::ElementEmpty,
            error,
            hints: vec![hint.to_owned()],
        });
    }
    if terminal.json {
        terminal.print_document(&StatusDocument { schema: 1, drives })?;
        return Ok(0);
    }
    terminal.print(&page(&drives))?;
    Ok(0)
}

fn page(drives: &[DriveStatusDocument]) -> String {
    let mut page = Page::default();
    if drives.is_empty() {
        page.title("No drive is loaded.");
    }
    for drive in drives {
        page.title(&format!("Drive {}", drive.drive));
        page.line("Loaded", if drive.loaded { "Yes" } else { "No" });
        if drive.loaded || drive.volume.is_some() {
            page.line("Volume", drive.volume.as_deref().unwrap_or("*NOBARCODE"));
        }
        if drive.loaded {
            page.line(
                "Write-protected",
                match drive.write_protected {
                    Some(true) => "Yes",
                    Some(false) => "No",
                    None => "not told by the drive",
                },
            );
            let position = match (drive.beginning, drive.object) {
                (Some(true), _) => "beginning of the tape".to_owned(),
                (_, Some(object)) => {
                    format!("behind {}", crate::values::amount(object, "logical object"))
                }
                _ => "not told by the drive".to_owned(),
            };
            page.line("Position", position);
        }
    }
    page.into_text()
}

async fn statuses(
    job: &mut Job<'_>,
    named: &str,
    rewind: bool,
) -> Result<Vec<DriveStatusDocument>, LibraryFailure> {
    let device = job.device(named)?.clone();
    let is_library = device.kind == DeviceKind::Library;
    let volumes: Vec<(String, Option<String>)> = match (is_library, &device.place) {
        (true, _) => {
            let inventory = OpenLibrary::new(job, named).await?.reach_drives().await?;
            let drives = inventory.of_type(ElementType::DataTransfer);
            drives
                .filter_map(|drive| Some((drive.device.clone()?, drive.volume.clone())))
                .collect()
        }
        (false, Some((library, address))) => {
            // The drive is asked for all the same when its library does not say what is in it.
            let volume = inventory(job, library)
                .await
                .ok()
                .and_then(|inventory| inventory.element(*address)?.volume.clone());
            vec![(device.name, volume)]
        }
        (false, None) => vec![(device.name, None)],
    };
    let mut found = Vec::new();
    for (name, volume) in volumes {
        let mut drive = job.drive(&name).await?;
        let status = status_of(&mut drive, &name, volume, rewind)
            .await
            .map_err(|cause| JobError::Device {
                device: name.clone(),
                cause,
            })?;
        if status.loaded || !is_library {
            found.push(status);
        }
    }
    Ok(found)
}

async fn inventory(job: &mut Job<'_>, library: &str) -> Result<Inventory, LibraryFailure> {
    job.reach(library).await?;
    OpenLibrary::new(job, library).await?.inventory().await
}

async fn status_of(
    drive: &mut TapeDrive<Again>,
    name: &str,
    volume: Option<String>,
    rewind: bool,
) -> Result<DriveStatusDocument, UnitError> {
    let mut status = DriveStatusDocument {
        drive: name.to_owned(),
        loaded: drive.is_loaded().await?,
        volume,
        write_protected: None,
        beginning: None,
        object: None,
    };
    if !status.loaded {
        return Ok(status);
    }
    status.write_protected = drive.is_write_protected().await;
    if rewind {
        drive.rewind().await?;
    }
    if let Ok(position) = drive.read_position().await {
        status.object = position
            .object
            .filter(|object| position.beginning || *object > 0);
        // Without BOP and an object number the tape can be anywhere: tgt says neither, even behind REWIND.
        status.beginning =
            (position.beginning || status.object.is_some()).then_some(position.beginning);
    }
    Ok(status)
}
