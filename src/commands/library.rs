//! `library`: shows what is in the elements of tape libraries, and moves cartridges.

use std::rc::Rc;

use super::descriptors;
use super::host::{chap_algorithms, open_store};
use super::narrator::Narrator;
use super::terminal::Terminal;
use crate::cli::{HostOptions, LibraryAction, LibraryOptions, Unmounted};
use crate::error::CommandError;
use crate::iop::devices::names::DeviceKind;
use crate::iop::job::{Job, JobError, JobObserver, JobSettings};
use crate::iop::library::plan::Mounted;
use crate::iop::library::{Inventory, LibraryFailure, Movement, OpenLibrary};
use crate::iop::store::{ActiveConfiguration, Store};
use crate::render::library::{LibrariesDocument, LibraryElements, MovementDocument, moved, page};
use crate::transport;

/// Settings of a command's sessions with its devices.
pub(super) struct Talk {
    pub(super) store: Store,
    pub(super) settings: JobSettings,
    pub(super) observer: Rc<JobObserver>,
}

impl Talk {
    pub(super) fn new(
        host: &HostOptions,
        motion_timeout: std::time::Duration,
        terminal: &Terminal,
    ) -> Result<Self, CommandError> {
        Ok(Self {
            store: open_store(host, terminal)?,
            settings: JobSettings {
                timeout: host.timeout,
                motion_timeout,
                chap_algorithms: chap_algorithms(host)?,
            },
            observer: Narrator::new(host, terminal).observe_job(),
        })
    }

    /// Opens devices for a command, which others are told that wait for their targets.
    pub(super) async fn open(
        &self,
        names: &[(&str, Option<DeviceKind>)],
        purpose: &str,
    ) -> Result<Job<'_>, JobError> {
        let observer = Rc::clone(&self.observer);
        Job::open(&self.store, &self.settings, observer, names, purpose).await
    }

    /// Opens a library, and drives of it that are known to be needed.
    pub(super) async fn open_library(
        &self,
        library: &str,
        drive: Option<&str>,
        command: &str,
    ) -> Result<Job<'_>, JobError> {
        let drive = drive.map(|drive| (drive, Some(DeviceKind::Drive)));
        let names: Vec<_> = std::iter::once((library, Some(DeviceKind::Library)))
            .chain(drive)
            .collect();
        self.open(&names, &format!("{command} {library}")).await
    }
}

/// Runs a job on a runtime of its own.
pub(super) fn run_job<T>(
    job: impl Future<Output = Result<T, LibraryFailure>>,
) -> Result<T, CommandError> {
    descriptors::require(descriptors::RE_IPL)?;
    transport::block_on(job)
        .map_err(CommandError::no_runtime)?
        .map_err(CommandError::from)
}

/// `library`
pub(super) fn run(
    options: &LibraryOptions,
    host: &HostOptions,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let talk = Talk::new(host, options.motion_timeout, terminal)?;
    let active = talk.store.active()?;
    let (inventories, movements) = match &options.action {
        LibraryAction::Show { library } => (show(&talk, &active, library.as_deref())?, None),
        LibraryAction::Inventory { library } => (run_job(inventory(&talk, library))?, None),
        action => {
            let (inventory, movements) = run_job(change(&talk, action))?;
            (vec![inventory], Some(movements))
        }
    };
    let reports: Vec<LibraryElements<'_>> = inventories
        .iter()
        .map(|inventory| LibraryElements::new(inventory, &active))
        .collect();
    if terminal.json {
        let movements = movements
            .as_ref()
            .map(|movements| movements.iter().map(MovementDocument::from).collect());
        return terminal.print_document(&LibrariesDocument::new(&reports, movements));
    }
    let text: String = match &movements {
        None if reports.is_empty() => "No tape library is active.\n".to_owned(),
        None => reports.iter().map(page).collect::<Vec<_>>().join("\n"),
        Some(movements) => moved(movements, inventories.first()),
    };
    terminal.print(&text)
}

fn show(
    talk: &Talk,
    active: &ActiveConfiguration,
    library: Option<&str>,
) -> Result<Vec<Inventory>, CommandError> {
    let names: Vec<&str> = match library {
        Some(library) => vec![library],
        None => {
            let mut names = Vec::new();
            for target in &active.targets {
                for library in &target.report.libraries {
                    // One that two targets show has one name.
                    if !names.contains(&library.device.as_str()) {
                        names.push(&library.device);
                    }
                }
            }
            names
        }
    };
    run_job(async {
        let mut inventories = Vec::with_capacity(names.len());
        for name in names {
            let mut job = talk.open_library(name, None, "library").await?;
            let outcome = async { OpenLibrary::new(&mut job, name).await?.inventory().await }.await;
            job.close().await;
            inventories.push(outcome?);
        }
        Ok(inventories)
    })
}

async fn inventory(talk: &Talk, library: &str) -> Result<Vec<Inventory>, LibraryFailure> {
    let mut job = talk
        .open_library(library, None, "library inventory")
        .await?;
    let outcome = async {
        let open = OpenLibrary::new(&mut job, library).await?;
        open.initialize().await?;
        open.inventory().await
    }
    .await;
    job.close().await;
    Ok(vec![outcome?])
}

async fn change(
    talk: &Talk,
    action: &LibraryAction,
) -> Result<(Inventory, Vec<Movement>), LibraryFailure> {
    let (library, drive, command) = match action {
        LibraryAction::Mount { library, drive, .. } => (library, drive.as_deref(), "library mount"),
        LibraryAction::Unmount { library, cartridge } => match cartridge {
            Unmounted::Drive(drive) => (library, Some(drive.as_str()), "library unmount"),
            Unmounted::Volume(_) => (library, None, "library unmount"),
        },
        LibraryAction::Move { library, .. } => (library, None, "library move"),
        LibraryAction::Export { library, .. } => (library, None, "library export"),
        LibraryAction::Import { library, .. } => (library, None, "library import"),
        LibraryAction::Inventory { library } => (library, None, "library inventory"),
        LibraryAction::Show { library } => match library {
            Some(library) => (library, None, "library"),
            None => return Err(unnamed()),
        },
    };
    let mut job = talk.open_library(library, drive, command).await?;
    let outcome = async {
        let mut open = OpenLibrary::new(&mut job, library).await?;
        let movements = perform(&mut open, action).await?;
        Ok((open.inventory().await?, movements))
    }
    .await;
    job.close().await;
    outcome
}

fn unnamed() -> LibraryFailure {
    LibraryFailure::NoVolume {
        library: String::new(),
        volume: String::new(),
    }
}

async fn perform(
    open: &mut OpenLibrary<'_, '_>,
    action: &LibraryAction,
) -> Result<Vec<Movement>, LibraryFailure> {
    let movement = match action {
        LibraryAction::Mount { volume, drive, .. } => open.mount(volume, drive.as_deref()).await?,
        LibraryAction::Unmount { cartridge, .. } => {
            let mounted = match cartridge {
                Unmounted::Volume(volume) => Mounted::Volume(volume.clone()),
                Unmounted::Drive(drive) => Mounted::Drive(drive.clone()),
            };
            open.unmount(&mounted).await?
        }
        LibraryAction::Move {
            cartridge,
            destination,
            ..
        } => {
            open.perform(|inventory| inventory.plan_move(cartridge, destination))
                .await?
        }
        LibraryAction::Export { volume, .. } => {
            open.perform(|inventory| inventory.plan_export(volume))
                .await?
        }
        LibraryAction::Import {
            volume: Some(volume),
            ..
        } => {
            open.perform(|inventory| inventory.plan_import(volume))
                .await?
        }
        LibraryAction::Import { volume: None, .. } => {
            let mut inventory = open.inventory().await?;
            let mut movements = Vec::new();
            while let Some(movement) = inventory.plan_next_import()? {
                open.carry_out(&mut inventory, &movement).await?;
                movements.push(movement);
            }
            return Ok(movements);
        }
        LibraryAction::Show { .. } | LibraryAction::Inventory { .. } => return Ok(Vec::new()),
    };
    Ok(vec![movement])
}
