//! A library in use: its target's lock and session, and those of the drives that a job needs.

use std::rc::Rc;

use super::LibraryFailure;
use super::inventory::{Inventory, KnownDrive, ask};
use super::plan::{Mounted, Movement};
use crate::iop::devices::names::DeviceKind;
use crate::iop::devices::resolve::ResolveError;
use crate::iop::job::unit::{Unit, UnitError};
use crate::iop::job::{Device, JobError, JobObserver, JobSettings, Located, Session, locate};
use crate::iop::store::{Store, TargetLock};
use crate::scsi::command::{LoadUnload, MoveMedium};
use crate::scsi::data::element_status::ElementType;
use crate::scsi::{AdditionalSenseCode, Command};

/// A library that a job uses.
pub struct OpenLibrary<'a> {
    store: &'a Store,
    settings: &'a JobSettings,
    observer: Rc<JobObserver>,
    purpose: String,
    /// The library's name, then those of the drives that the job needs.
    names: Vec<String>,
    known_drives: Vec<KnownDrive>,
    held: Option<Held>,
}

/// What is held while the library is open. The sessions end before the locks are released.
struct Held {
    located: Located,
    /// One for each target of `located`.
    sessions: Vec<Session>,
    unit: Unit,
    _locks: Vec<TargetLock>,
}

impl<'a> OpenLibrary<'a> {
    /// Opens a library, with drives that the job is known to need: the locks of their targets are taken, then the sessions
    /// begin. `purpose` is what others are told that wait for the locks.
    ///
    /// # Errors
    /// [`LibraryFailure::Job`].
    pub async fn open(
        store: &'a Store,
        library: &str,
        drives: &[&str],
        purpose: &str,
        settings: &'a JobSettings,
        observer: Rc<JobObserver>,
    ) -> Result<Self, LibraryFailure> {
        let mut open = Self {
            store,
            settings,
            observer,
            purpose: purpose.to_owned(),
            names: std::iter::once(&library)
                .chain(drives)
                .map(|name| (*name).to_owned())
                .collect(),
            known_drives: known_drives(store)?,
            held: None,
        };
        let located = open.locate()?;
        open.hold(located).await?;
        Ok(open)
    }

    /// Returns the library's device name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.names.first().map_or("", String::as_str)
    }

    fn locate(&mut self) -> Result<Located, LibraryFailure> {
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        let located = locate(self.store, &names)?;
        for (index, device) in located.devices.iter().enumerate() {
            let wanted = match index {
                0 => DeviceKind::Library,
                _ => DeviceKind::Drive,
            };
            if device.kind != wanted {
                return Err(JobError::WrongKind {
                    device: device.name.clone(),
                    wanted,
                }
                .into());
            }
        }
        self.names = located
            .devices
            .iter()
            .map(|device| device.name.clone())
            .collect();
        Ok(located)
    }

    async fn hold(&mut self, located: Located) -> Result<(), LibraryFailure> {
        let locks = located.lock(self.store, &self.purpose)?;
        let mut sessions = Vec::with_capacity(located.targets.len());
        for target in 0..located.targets.len() {
            let observer = Rc::clone(&self.observer);
            let session = located
                .log_in(target, self.store, self.settings, observer)
                .await?;
            sessions.push(session);
        }
        let unit = match located.devices.first() {
            Some(library) => unit_of(&sessions, library).await?,
            None => return Err(self.unknown()),
        };
        self.held = Some(Held {
            located,
            sessions,
            unit,
            _locks: locks,
        });
        Ok(())
    }

    fn unknown(&self) -> LibraryFailure {
        unknown(self.name())
    }

    fn held(&self) -> Result<&Held, LibraryFailure> {
        self.held.as_ref().ok_or_else(|| self.unknown())
    }

    /// Reads what is in the elements, and names the drives.
    ///
    /// # Errors
    /// [`LibraryFailure::Device`].
    pub async fn inventory(&self) -> Result<Inventory, LibraryFailure> {
        let unit = &self.held()?.unit;
        let failed = |cause| self.failed(cause);
        let mut inventory = Inventory::read(self.name(), unit).await.map_err(failed)?;
        inventory
            .name_drives(unit, &self.known_drives)
            .await
            .map_err(failed)?;
        Ok(inventory)
    }

    /// Has the library look into its elements: INITIALIZE ELEMENT STATUS.
    ///
    /// # Errors
    /// [`LibraryFailure::Device`].
    pub async fn initialize(&self) -> Result<(), LibraryFailure> {
        ask(&self.held()?.unit, &Command::InitializeElementStatus)
            .await
            .map_err(|cause| self.failed(cause))?;
        Ok(())
    }

    /// Returns a drive, its unit attentions taken and its serial number proven. When it is on a target that is not held yet,
    /// everything is released first and acquired anew in the order of target names: what was read of the library before may have
    /// changed then.
    ///
    /// # Errors
    /// [`LibraryFailure::Job`].
    pub async fn drive(&mut self, drive: &str) -> Result<Unit, LibraryFailure> {
        self.reach(drive).await?;
        let held = self.held()?;
        let device = held
            .located
            .devices
            .iter()
            .find(|device| device.name.eq_ignore_ascii_case(drive))
            .ok_or_else(|| self.unknown())?;
        unit_of(&held.sessions, device).await
    }

    /// Gets hold of a drive's target; returns whether everything was released for that.
    ///
    /// # Errors
    /// [`LibraryFailure::Job`].
    pub async fn reach(&mut self, drive: &str) -> Result<bool, LibraryFailure> {
        let is_known = |name: &String| name.eq_ignore_ascii_case(drive);
        if self.names.iter().any(is_known) {
            return Ok(false);
        }
        self.names.push(drive.to_owned());
        let located = self.locate()?;
        let targets = |located: &Located| -> Vec<u64> {
            located
                .targets
                .iter()
                .map(|target| target.revision)
                .collect()
        };
        match &mut self.held {
            Some(held) if targets(&held.located) == targets(&located) => {
                held.located = located;
                Ok(false)
            }
            _ => {
                self.let_go().await;
                self.hold(located).await?;
                Ok(true)
            }
        }
    }

    async fn let_go(&mut self) {
        if let Some(held) = self.held.take() {
            for session in held.sessions {
                session.log_out().await;
            }
        }
    }

    /// Logs out and releases the locks.
    pub async fn close(mut self) {
        self.let_go().await;
    }

    /// Brings a volume into a drive; see [`Inventory::plan_mount`].
    ///
    /// # Errors
    /// [`LibraryFailure`].
    pub async fn mount(
        &mut self,
        volume: &str,
        drive: Option<&str>,
    ) -> Result<Movement, LibraryFailure> {
        self.perform(|inventory| inventory.plan_mount(volume, drive))
            .await
    }

    /// Brings a cartridge from its drive to a slot; see [`Inventory::plan_unmount`].
    ///
    /// # Errors
    /// [`LibraryFailure`].
    pub async fn unmount(&mut self, mounted: &Mounted) -> Result<Movement, LibraryFailure> {
        self.perform(|inventory| inventory.plan_unmount(mounted))
            .await
    }

    /// Reads the inventory, plans a move and carries it out.
    ///
    /// # Errors
    /// [`LibraryFailure`].
    pub async fn perform(
        &mut self,
        plan: impl Fn(&Inventory) -> Result<Movement, LibraryFailure>,
    ) -> Result<Movement, LibraryFailure> {
        loop {
            let mut inventory = self.inventory().await?;
            let movement = plan(&inventory)?;
            if let Some(drive) = movement
                .source_drive
                .as_deref()
                .filter(|_| !movement.is_in_place())
                && self.reach(drive).await?
            {
                // The locks were released: another job may have moved the cartridge meanwhile.
                continue;
            }
            self.carry_out(&mut inventory, &movement).await?;
            return Ok(movement);
        }
    }

    /// Carries out a move that was planned with this inventory, which takes note of it: the drive at the source, if it is
    /// one, is unloaded first.
    ///
    /// # Errors
    /// [`LibraryFailure::Device`]; [`LibraryFailure::ElementFull`] and [`LibraryFailure::ElementEmpty`] when the library says
    /// so now.
    pub async fn carry_out(
        &mut self,
        inventory: &mut Inventory,
        movement: &Movement,
    ) -> Result<(), LibraryFailure> {
        if movement.is_in_place() {
            return Ok(());
        }
        if let Some(drive) = &movement.source_drive {
            let unit = self.drive(drive).await?;
            match ask(&unit, &Command::LoadUnload(LoadUnload::UNLOAD)).await {
                // It was unloaded before: the cartridge is in its throat.
                Err(error) if error.has_code(AdditionalSenseCode::MEDIUM_NOT_PRESENT) => {}
                outcome => {
                    outcome.map_err(|cause| LibraryFailure::Device {
                        device: drive.clone(),
                        cause,
                    })?;
                }
            }
        }
        self.move_medium(inventory, movement.source, movement.destination)
            .await
    }

    /// Moves a cartridge, without unloading anything: MOVE MEDIUM.
    ///
    /// # Errors
    /// As [`OpenLibrary::carry_out`].
    pub async fn move_medium(
        &mut self,
        inventory: &mut Inventory,
        source: u16,
        destination: u16,
    ) -> Result<(), LibraryFailure> {
        let transport = inventory
            .of_type(ElementType::MediumTransport)
            .next()
            .map_or(0, |element| element.address);
        let command = Command::MoveMedium(MoveMedium {
            transport,
            source,
            destination,
        });
        let library = || self.name().to_owned();
        match ask(&self.held()?.unit, &command).await {
            Ok(_) => {
                inventory.take_move(source, destination);
                Ok(())
            }
            Err(error) if error.has_code(AdditionalSenseCode::DESTINATION_FULL) => {
                Err(LibraryFailure::ElementFull {
                    library: library(),
                    address: destination,
                })
            }
            Err(error) if error.has_code(AdditionalSenseCode::SOURCE_EMPTY) => {
                Err(LibraryFailure::ElementEmpty {
                    library: library(),
                    address: source,
                })
            }
            Err(cause) => Err(self.failed(cause)),
        }
    }

    fn failed(&self, cause: UnitError) -> LibraryFailure {
        LibraryFailure::Device {
            device: self.name().to_owned(),
            cause,
        }
    }
}

async fn unit_of(sessions: &[Session], device: &Device) -> Result<Unit, LibraryFailure> {
    match sessions.get(device.target) {
        Some(session) => Ok(session.unit(device).await?),
        None => Err(unknown(&device.name)),
    }
}

fn unknown(device: &str) -> LibraryFailure {
    JobError::Resolve(ResolveError::Unknown {
        name: device.to_owned(),
        known: Vec::new(),
    })
    .into()
}

/// Returns the drives of the active configuration.
fn known_drives(store: &Store) -> Result<Vec<KnownDrive>, LibraryFailure> {
    let active = store.active().map_err(JobError::from)?;
    let mut known = Vec::new();
    for target in &active.targets {
        let report = &target.report;
        for library in &report.libraries {
            known.extend(library.drives.iter().map(|drive| {
                KnownDrive {
                    device: drive.device.clone(),
                    serial: drive.serial.clone(),
                    place: drive
                        .element_address
                        .map(|address| (library.device.clone(), address)),
                }
            }));
        }
        known.extend(report.drives.iter().map(|drive| KnownDrive {
            device: drive.device.clone(),
            serial: drive.serial.clone(),
            place: None,
        }));
    }
    Ok(known)
}
