//! Getting a cartridge into a drive for a job, and back to where it was.
//!
//! ```text
//!  library and its drives -> located, locked, logged in -> inventory -> the volume's element -> MOVE MEDIUM -> ready
//! ```

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use thiserror::Error;

use super::drive::{Drive, Reopen as _};
use crate::iop::devices::names::DeviceKind;
use crate::iop::devices::text::printable;
use crate::iop::job::unit::{Unit, UnitError};
use crate::iop::job::{
    Again, Device, JobError, JobObserver, JobSettings, Located, Session, locate,
};
use crate::iop::store::{Store, TargetLock};
use crate::scsi::command::{LoadUnload, ModeSense, MoveMedium, ReadElementStatus};
use crate::scsi::data::element_status::{ElementStatus, ElementType};
use crate::scsi::data::mode::{ElementAddressAssignment, ElementRange};
use crate::scsi::{AdditionalSenseCode, Command, SenseKey};
use crate::transport::sleep;

/// The most elements that are asked for at a time.
const ELEMENTS_AT_ONCE: u16 = 1000;

/// Room for a descriptor with both volume tags and what a vendor adds.
const BYTES_OF_AN_ELEMENT: u32 = 96;

/// How long a drive is given before it is asked again whether it is ready.
const PAUSE: Duration = Duration::from_millis(200);

/// Why a cartridge is not in a drive.
#[derive(Debug, Error)]
pub enum MountError {
    /// The job did not get to its devices, or one of them reports an error.
    #[error(transparent)]
    Job(#[from] JobError),
    /// No cartridge of the library has that name.
    #[error("{library} has no volume {volume}")]
    NoSuchVolume {
        /// The library.
        library: String,
        /// The name as typed, in upper case.
        volume: String,
        /// The barcodes that it has.
        known: Vec<String>,
    },
    /// More than one cartridge begins so.
    #[error("{volume} is more than one volume of {library}: {}", found.join(", "))]
    Ambiguous {
        /// The library.
        library: String,
        /// The name as typed, in upper case.
        volume: String,
        /// The barcodes that begin so.
        found: Vec<String>,
    },
    /// The cartridge is in another drive than the one that was asked for.
    #[error("{volume} is in {drive}")]
    InAnotherDrive {
        /// The cartridge.
        volume: String,
        /// Where it is.
        drive: String,
    },
    /// The drive is not one of this library.
    #[error("{drive} is no drive of {library}")]
    NotItsDrive {
        /// The library.
        library: String,
        /// The drive.
        drive: String,
    },
    /// The cartridge is in a drive that is no device of this partition.
    #[error("{volume} is in the drive at element address {address}, which is no device here")]
    UnknownDrive {
        /// The cartridge.
        volume: String,
        /// Where it is.
        address: u16,
    },
    /// The drive that was asked for holds a cartridge.
    #[error("{drive} holds {holds}")]
    DriveFull {
        /// The drive.
        drive: String,
        /// The cartridge.
        holds: String,
    },
    /// Every drive holds a cartridge.
    #[error("{library} has no free drive")]
    NoFreeDrive {
        /// The library.
        library: String,
    },
    /// The drive is empty.
    #[error("{drive} is empty")]
    DriveEmpty {
        /// The drive.
        drive: String,
    },
}

/// An element of a library.
#[derive(Clone, Debug)]
struct Element {
    address: u16,
    is_drive: bool,
    full: bool,
    volume: Option<String>,
}

impl Element {
    /// Returns what the cartridge is called: its barcode, else its element address.
    fn name(&self) -> String {
        self.volume
            .clone()
            .unwrap_or_else(|| self.address.to_string())
    }
}

/// Devices of a job with their sessions. The targets' locks are held until it is dropped.
pub struct Job {
    located: Located,
    sessions: Vec<Session>,
    _locks: Vec<TargetLock>,
}

/// A cartridge in a drive.
pub struct Mounted {
    /// The drive.
    pub device: Device,
    /// Its tape.
    pub drive: Drive<Again>,
    /// The cartridge: its barcode, else the element address that it was found at.
    pub volume: String,
    home: Option<Home>,
}

/// Where a cartridge came from.
struct Home {
    changer: Device,
    movement: MoveMedium,
}

impl Job {
    /// Finds devices by name, locks their targets and logs in to each. For a library its drives are found as well.
    ///
    /// # Errors
    /// [`JobError`].
    pub async fn open(
        store: &Store,
        settings: &JobSettings,
        observer: Rc<JobObserver>,
        name: &str,
        purpose: &str,
    ) -> Result<Self, JobError> {
        let alone = locate(store, &[name])?;
        let library = alone
            .devices
            .first()
            .filter(|device| device.kind == DeviceKind::Library)
            .map(|device| device.name.clone());
        let mut names = vec![name.to_owned()];
        if let Some(library) = library {
            let active = store.active()?;
            let libraries = active
                .targets
                .iter()
                .flat_map(|target| &target.report.libraries);
            let drives = libraries
                .filter(|listed| listed.device == library)
                .flat_map(|library| &library.drives);
            names.extend(drives.map(|drive| drive.device.clone()));
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let located = locate(store, &names)?;
        let locks = located.lock(store, purpose)?;
        let mut sessions = Vec::with_capacity(located.targets.len());
        for target in 0..located.targets.len() {
            let session = located
                .log_in(target, store, settings, Rc::clone(&observer))
                .await?;
            sessions.push(session);
        }
        Ok(Self {
            located,
            sessions,
            _locks: locks,
        })
    }

    /// Logs out.
    pub async fn close(self) {
        for session in self.sessions {
            session.log_out().await;
        }
    }

    /// Returns the device that was named, of this kind.
    ///
    /// # Errors
    /// [`JobError::WrongKind`].
    pub fn named(&self, wanted: DeviceKind) -> Result<Device, JobError> {
        let device = self.located.devices.first();
        match device {
            Some(device) if device.kind == wanted => Ok(device.clone()),
            device => Err(JobError::WrongKind {
                device: device.map(|device| device.name.clone()).unwrap_or_default(),
                wanted,
            }),
        }
    }

    /// Returns the drives: the one that was named, or those of the library that was.
    pub fn drives(&self) -> Vec<Device> {
        let is_drive = |device: &&Device| device.kind == DeviceKind::Drive;
        self.located
            .devices
            .iter()
            .filter(is_drive)
            .cloned()
            .collect()
    }

    async fn unit(&self, device: &Device) -> Result<Unit, JobError> {
        match self.sessions.get(device.target) {
            Some(session) => session.unit(device).await,
            None => Err(failed(device, UnitError::NotReopened)),
        }
    }

    /// Returns a drive with whatever is in it.
    ///
    /// # Errors
    /// [`JobError`].
    pub async fn drive(&self, device: &Device) -> Result<Drive<Again>, JobError> {
        let unit = self.unit(device).await?;
        match self.sessions.get(device.target) {
            Some(session) => Ok(Drive::new(unit, session.again(device))),
            None => Err(failed(device, UnitError::NotReopened)),
        }
    }

    /// Returns a cartridge of the library in a drive: where it is already, else in `wanted`, else in the first free drive.
    ///
    /// # Errors
    /// [`MountError`].
    pub async fn mount(&self, volume: &str, wanted: Option<&str>) -> Result<Mounted, MountError> {
        let library = self.named(DeviceKind::Library)?;
        let drives = self.drives();
        let wanted = match wanted {
            None => None,
            Some(name) => Some(
                drives
                    .iter()
                    .find(|drive| drive.name.eq_ignore_ascii_case(name))
                    .ok_or_else(|| MountError::NotItsDrive {
                        library: library.name.clone(),
                        drive: name.to_ascii_uppercase(),
                    })?,
            ),
        };
        let changer = self.unit(&library).await?;
        let of_library = |cause| failed(&library, cause);
        let assignment = assignment(&changer).await.map_err(of_library)?;
        let elements = elements(&changer, &assignment).await.map_err(of_library)?;
        let found = find(&elements, volume, &library.name)?;
        let name = found.name();
        let at = |address: u16| {
            drives
                .iter()
                .find(|drive| drive.place.as_ref().is_some_and(|place| place.1 == address))
        };
        if found.is_drive {
            let device = at(found.address).ok_or(MountError::UnknownDrive {
                volume: name.clone(),
                address: found.address,
            })?;
            if wanted.is_some_and(|wanted| wanted.name != device.name) {
                return Err(MountError::InAnotherDrive {
                    volume: name,
                    drive: device.name.clone(),
                });
            }
            return self.loaded(device, name, None).await;
        }
        let holder = |device: &Device| {
            let address = device.place.as_ref().map(|place| place.1)?;
            elements.get(&address)
        };
        let (device, element) = match wanted {
            Some(device) => match holder(device) {
                Some(element) if element.full => {
                    return Err(MountError::DriveFull {
                        drive: device.name.clone(),
                        holds: element
                            .volume
                            .clone()
                            .unwrap_or_else(|| "a cartridge".to_owned()),
                    });
                }
                element => Some((device, element)),
            },
            None => elements
                .values()
                .filter(|element| element.is_drive && !element.full)
                .find_map(|element| Some((at(element.address)?, Some(element)))),
        }
        .and_then(|(device, element)| Some((device, element?)))
        .ok_or_else(|| MountError::NoFreeDrive {
            library: library.name.clone(),
        })?;
        let movement = MoveMedium {
            transport: assignment.medium_transport.first,
            source: found.address,
            destination: element.address,
        };
        changer
            .execute(&Command::MoveMedium(movement))
            .await
            .map_err(of_library)?;
        let home = Home {
            changer: library.clone(),
            movement: MoveMedium {
                source: movement.destination,
                destination: movement.source,
                ..movement
            },
        };
        self.loaded(device, name, Some(home)).await
    }

    async fn loaded(
        &self,
        device: &Device,
        volume: String,
        home: Option<Home>,
    ) -> Result<Mounted, MountError> {
        let drive = self.drive(device).await?;
        let mounted = Mounted {
            device: device.clone(),
            drive,
            volume,
            home,
        };
        match ready(mounted.drive.unit()).await {
            Ok(()) => Ok(mounted),
            Err(cause) => {
                // The first failure is the one to report.
                let _ = self.put_back(mounted).await;
                Err(failed(device, cause).into())
            }
        }
    }

    /// Puts a cartridge back where [`Job::mount`] took it from. One that was in its drive before stays there, rewound.
    ///
    /// # Errors
    /// [`JobError`] when it stays in the drive.
    pub async fn put_back(&self, mounted: Mounted) -> Result<(), JobError> {
        let Some(home) = mounted.home else {
            return Ok(());
        };
        let unload = Command::LoadUnload(LoadUnload::UNLOAD);
        // The library reports whether the drive releases the cartridge.
        let _ = mounted.drive.unit().execute(&unload).await;
        let changer = self.unit(&home.changer).await;
        let changer = match changer {
            Err(JobError::Device { cause, .. }) if cause.is_lost() => {
                let Some(session) = self.sessions.get(home.changer.target) else {
                    return Err(failed(&home.changer, cause));
                };
                let reopened = session.again(&home.changer).reopen().await;
                reopened.map_err(|cause| failed(&home.changer, cause))?
            }
            changer => changer?,
        };
        changer
            .execute(&Command::MoveMedium(home.movement))
            .await
            .map(|_| ())
            .map_err(|cause| failed(&home.changer, cause))
    }
}

fn failed(device: &Device, cause: UnitError) -> JobError {
    JobError::Device {
        device: device.name.clone(),
        cause,
    }
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

async fn assignment(changer: &Unit) -> Result<ElementAddressAssignment, UnitError> {
    let page = ModeSense::page6(ElementAddressAssignment::PAGE_CODE, u8::MAX);
    let data = changer.execute(&Command::ModeSense(page)).await?;
    Ok(ElementAddressAssignment::decode(&data)?)
}

async fn elements(
    changer: &Unit,
    assignment: &ElementAddressAssignment,
) -> Result<BTreeMap<u16, Element>, UnitError> {
    let mut elements = BTreeMap::new();
    for (element_type, range) in [
        (ElementType::Storage, assignment.storage),
        (ElementType::ImportExport, assignment.import_export),
        (ElementType::DataTransfer, assignment.data_transfer),
    ] {
        let mut first = range.first;
        let mut left = range.count;
        while left > 0 {
            let piece = ElementRange {
                first,
                count: left.min(ELEMENTS_AT_ONCE),
            };
            piece_of_elements(changer, element_type, piece, &mut elements).await?;
            first = first.saturating_add(piece.count);
            left = left.saturating_sub(piece.count);
        }
    }
    Ok(elements)
}

async fn piece_of_elements(
    changer: &Unit,
    element_type: ElementType,
    piece: ElementRange,
    elements: &mut BTreeMap<u16, Element>,
) -> Result<(), UnitError> {
    let wanted = u32::from(piece.count).saturating_add(1);
    let mut command = ReadElementStatus {
        volume_tag: true,
        first: piece.first,
        count: piece.count,
        ..ReadElementStatus::all_of(element_type, BYTES_OF_AN_ELEMENT.saturating_mul(wanted))
    };
    let mut data = changer
        .execute(&Command::ReadElementStatus(command))
        .await?;
    let needed = ElementStatus::decode(&data)?.needed_length();
    if needed > command.allocation_length {
        command.allocation_length = needed.min(ReadElementStatus::MAX_ALLOCATION_LENGTH);
        data = changer
            .execute(&Command::ReadElementStatus(command))
            .await?;
    }
    let status = ElementStatus::decode(&data)?;
    for descriptor in status.descriptors(element_type) {
        let volume = descriptor
            .primary_volume_tag
            .filter(|_| descriptor.full)
            .map(|tag| printable(&tag.identification))
            .filter(|volume| !volume.is_empty());
        elements.insert(
            descriptor.address,
            Element {
                address: descriptor.address,
                is_drive: element_type == ElementType::DataTransfer,
                full: descriptor.full,
                volume,
            },
        );
    }
    Ok(())
}

/// Finds a cartridge by its barcode, the first six characters of it, or, where it has none, its element address.
fn find<'a>(
    elements: &'a BTreeMap<u16, Element>,
    typed: &str,
    library: &str,
) -> Result<&'a Element, MountError> {
    let full = || elements.values().filter(|element| element.full);
    let is_named = |element: &&Element| match &element.volume {
        Some(volume) => volume.eq_ignore_ascii_case(typed),
        None => typed.parse() == Ok(element.address),
    };
    if let Some(element) = full().find(is_named) {
        return Ok(element);
    }
    let begins_so = |element: &&Element| {
        let volume = element.volume.as_deref().unwrap_or_default();
        typed.len() == 6
            && volume
                .get(..6)
                .is_some_and(|beginning| beginning.eq_ignore_ascii_case(typed))
    };
    let mut beginnings = full().filter(begins_so);
    match (beginnings.next(), beginnings.next()) {
        (Some(element), None) => Ok(element),
        (Some(_), Some(_)) => Err(MountError::Ambiguous {
            library: library.to_owned(),
            volume: typed.to_ascii_uppercase(),
            found: full().filter(begins_so).map(Element::name).collect(),
        }),
        (None, _) => Err(MountError::NoSuchVolume {
            library: library.to_owned(),
            volume: typed.to_ascii_uppercase(),
            known: full().map(Element::name).collect(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elements(volumes: &[(u16, Option<&str>)]) -> BTreeMap<u16, Element> {
        let element = |&(address, volume): &(u16, Option<&str>)| {
            let volume = volume.map(str::to_owned);
            (
                address,
                Element {
                    address,
                    is_drive: false,
                    full: true,
                    volume,
                },
            )
        };
        volumes.iter().map(element).collect()
    }

    #[test]
    fn a_volume_is_found_by_its_barcode_its_beginning_or_its_address() {
        let elements = elements(&[
            (1025, Some("AB0001L8")),
            (1026, Some("AB0002L7")),
            (1027, Some("AB0002L8")),
            (1028, Some("AB0001")),
            (1029, None),
        ]);
        let address = |typed| find(&elements, typed, "TAPMLB01").map(|element| element.address);
        assert_eq!(address("ab0002l8").unwrap(), 1027);
        assert_eq!(address("AB0001").unwrap(), 1028, "a whole barcode wins");
        assert_eq!(address("1029").unwrap(), 1029);
        assert!(matches!(
            address("ab0002"),
            Err(MountError::Ambiguous { found, .. }) if found == ["AB0002L7", "AB0002L8"]
        ));
        for typed in ["AB", "AB0003", "1025", "", "AB0001L"] {
            assert!(
                matches!(address(typed), Err(MountError::NoSuchVolume { .. })),
                "{typed}"
            );
        }
    }
}
