//! Getting a cartridge into a drive for a job, and back to where it was.

use std::time::Duration;

use super::drive::TapeDrive;
use crate::iop::job::unit::{Unit, UnitError};
use crate::iop::job::{Again, Job, JobError};
use crate::iop::library::{Inventory, LibraryFailure, Movement, OpenLibrary};
use crate::scsi::command::LoadUnload;
use crate::scsi::{AdditionalSenseCode, Command, SenseKey};
use crate::transport::sleep;

/// How long a drive is given before it is asked again whether it is ready.
const PAUSE: Duration = Duration::from_millis(200);

/// A cartridge in a drive.
pub struct Loaded {
    /// The library's device name.
    pub library: String,
    /// The drive's device name.
    pub device: String,
    /// Its tape.
    pub drive: TapeDrive<Again>,
    /// The cartridge: its barcode, else the element address that it was found at.
    pub volume: String,
    home: Option<Home>,
}

/// Where a cartridge came from.
struct Home {
    inventory: Inventory,
    movement: Movement,
}

/// Brings a cartridge of a library of the job into a drive: the one where it is already, else `wanted`, else the first free
/// one, which is taken into the job. Returns when the drive is ready.
///
/// # Errors
/// [`LibraryFailure`].
pub async fn mount(
    job: &mut Job<'_>,
    library: &str,
    volume: &str,
    wanted: Option<&str>,
) -> Result<Loaded, LibraryFailure> {
    let mut open = OpenLibrary::new(job, library).await?;
    let library = open.name().to_owned();
    let (movement, inventory, device) = loop {
        let mut inventory = open.inventory().await?;
        let movement = inventory.plan_mount(volume, wanted)?;
        let Some(device) = movement.destination_drive.clone() else {
            return Err(match movement.is_in_place() {
                true => LibraryFailure::UnknownDrive {
                    volume: movement.volume,
                    address: movement.source,
                },
                // Those that this partition has are all full: they are taken before the others.
                false => LibraryFailure::NoneFree {
                    library,
                    what: "drive",
                },
            });
        };
        let released = match wanted.is_none() && !inventory.in_use.contains(&device) {
            // Another job was faster, and the next inventory knows that.
            true => match open.reach_now(&device).await? {
                Some(released) => released,
                None => continue,
            },
            false => open.reach(&device).await?,
        };
        if released {
            // The locks were released: another job may have moved the cartridge meanwhile.
            continue;
        }
        open.carry_out(&mut inventory, &movement).await?;
        break (movement, inventory, device);
    };
    let mut loaded = Loaded {
        library,
        drive: job.drive(&device).await?,
        device,
        volume: movement.volume.clone(),
        home: None,
    };
    if !movement.is_in_place() {
        loaded.home = Some(Home {
            inventory,
            movement,
        });
    }
    match ready(loaded.drive.unit()).await {
        Ok(()) => Ok(loaded),
        Err(cause) => {
            let device = loaded.device.clone();
            // The first failure is the one to report.
            let _ = put_back(job, loaded).await;
            Err(JobError::Device { device, cause }.into())
        }
    }
}

/// Puts a cartridge back where [`mount`] took it from. One that was in its drive before stays there.
///
/// # Errors
/// [`LibraryFailure`] when it stays in the drive.
pub async fn put_back(job: &mut Job<'_>, loaded: Loaded) -> Result<(), LibraryFailure> {
    let Some(Home {
        mut inventory,
        movement,
    }) = loaded.home
    else {
        return Ok(());
    };
    if let Ok(drive) = job.unit(&loaded.device).await {
        // The library reports whether the drive releases the cartridge.
        let _ = drive
            .execute(&Command::LoadUnload(LoadUnload::UNLOAD))
            .await;
    }
    let mut open = OpenLibrary::new(job, &loaded.library).await?;
    open.move_medium(&mut inventory, movement.destination, movement.source)
        .await
}

/// Waits until a drive is ready with the cartridge that was put into it.
async fn ready(unit: &Unit) -> Result<(), UnitError> {
    let mut waited = Duration::ZERO;
    let mut loaded = false;
    loop {
        unit.take_unit_attentions(false).await?;
        let error = match unit.execute(&Command::TestUnitReady).await {
            Ok(_) => return Ok(()),
            Err(error) if error.has_key(SenseKey::NOT_READY) => error,
            Err(error) if error.has_key(SenseKey::UNIT_ATTENTION) => continue,
            Err(error) => return Err(error),
        };
        let needs_load = error.has_code(AdditionalSenseCode::INITIALIZING_COMMAND_REQUIRED)
            || error.has_code(AdditionalSenseCode::MEDIUM_NOT_PRESENT);
        if needs_load && !loaded {
            loaded = true;
            // A cartridge that was unloaded and not moved since is loaded by command (SSC-4 7.2).
            match unit.execute(&Command::LoadUnload(LoadUnload::LOAD)).await {
                Err(error) if !error.has_key(SenseKey::UNIT_ATTENTION) => return Err(error),
                _ => continue,
            }
        }
        if needs_load || waited >= unit.motion_timeout() {
            return Err(error);
        }
        sleep(PAUSE).await;
        waited = waited.saturating_add(PAUSE);
    }
}
