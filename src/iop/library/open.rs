//! A library in use: its elements, and moving cartridges between them.

use std::time::Duration;

use super::LibraryFailure;
use super::inventory::{Inventory, KnownDrive, ask};
use super::plan::{Mounted, Movement};
use crate::iop::devices::names::DeviceKind;
use crate::iop::job::unit::{Unit, UnitError};
use crate::iop::job::{Job, JobError};
use crate::iop::resident::ControlError;
use crate::iop::store::Store;
use crate::scsi::command::{LoadUnload, MoveMedium};
use crate::scsi::data::element_status::ElementType;
use crate::scsi::{AdditionalSenseCode, Command};

/// A library that a job uses.
pub struct OpenLibrary<'j, 'a> {
    job: &'j mut Job<'a>,
    name: String,
    unit: Unit,
    known_drives: Vec<KnownDrive>,
}

impl<'j, 'a> OpenLibrary<'j, 'a> {
    /// Returns a library of a job.
    ///
    /// # Errors
    /// [`LibraryFailure::Job`].
    pub async fn new(job: &'j mut Job<'a>, library: &str) -> Result<Self, LibraryFailure> {
        let device = job.device(library)?;
        if device.kind != DeviceKind::Library {
            return Err(JobError::WrongKind {
                device: device.name.clone(),
                wanted: DeviceKind::Library,
            }
            .into());
        }
        let name = device.name.clone();
        let unit = job.unit(&name).await?;
        let known_drives = known_drives(job.store())?;
        Ok(Self {
            job,
            name,
            unit,
            known_drives,
        })
    }

    /// Returns the library's device name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the job that it is used by.
    #[must_use]
    pub const fn job(&self) -> &Job<'a> {
        self.job
    }

    /// Reads what is in the elements, and names the drives.
    ///
    /// # Errors
    /// [`LibraryFailure::Device`].
    pub async fn inventory(&self) -> Result<Inventory, LibraryFailure> {
        let failed = |cause| self.failed(cause);
        let mut inventory = Inventory::read(self.name(), &self.unit)
            .await
            .map_err(failed)?;
        inventory
            .name_drives(&self.unit, &self.known_drives)
            .await
            .map_err(failed)?;
        inventory.in_use = self.job.used_by_others().await;
        Ok(inventory)
    }

    /// Has the library look into its elements: INITIALIZE ELEMENT STATUS.
    ///
    /// # Errors
    /// [`LibraryFailure::Device`].
    pub async fn initialize(&self) -> Result<(), LibraryFailure> {
        ask(&self.unit, &Command::InitializeElementStatus)
            .await
            .map_err(|cause| self.failed(cause))?;
        Ok(())
    }

    /// Gets hold of a drive's target; see [`Job::reach`]. Returns whether everything was released for that.
    ///
    /// # Errors
    /// [`LibraryFailure::Job`].
    pub async fn reach(&mut self, drive: &str) -> Result<bool, LibraryFailure> {
        let released = self.job.reach(drive).await?;
        if released {
            self.unit = self.job.unit(&self.name).await?;
        }
        Ok(released)
    }

    /// As [`OpenLibrary::reach`], for a drive that others could stand in for: false when another job uses it, which is not waited
    /// for.
    ///
    /// # Errors
    /// [`LibraryFailure::Job`].
    pub async fn reach_now(&mut self, drive: &str) -> Result<Option<bool>, LibraryFailure> {
        let released = match self.job.reach_within(drive, Duration::ZERO).await {
            Ok(released) => released,
            Err(JobError::Resident(ControlError::DeviceInUse { .. })) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if released {
            self.unit = self.job.unit(&self.name).await?;
        }
        Ok(Some(released))
    }

    /// Gets hold of the targets of every drive of the library that has a name, and returns the elements.
    ///
    /// # Errors
    /// [`LibraryFailure`].
    pub async fn reach_drives(&mut self) -> Result<Inventory, LibraryFailure> {
        loop {
            let inventory = self.inventory().await?;
            let mut released = false;
            for drive in inventory.of_type(ElementType::DataTransfer) {
                if let Some(device) = &drive.device {
                    released |= self.reach(device).await?;
                }
            }
            if !released {
                return Ok(inventory);
            }
        }
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
            self.reach(drive).await?;
            let unit = self.job.unit(drive).await?;
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
        match ask(&self.unit, &command).await {
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
