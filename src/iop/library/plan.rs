//! From what is asked for to the move that does it.

use super::LibraryFailure;
use super::inventory::{Element, Inventory, parse_address};
use crate::scsi::data::element_status::ElementType;

/// A cartridge's way from one element to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Movement {
    /// The cartridge: its barcode, or its element address.
    pub volume: String,
    /// Where it is, or was: an element address.
    pub source: u16,
    /// Where it is to go, or went: an element address; the source when it is in place already.
    pub destination: u16,
    /// The drive at the source, where the active configuration has it.
    pub source_drive: Option<String>,
    /// The drive at the destination, where the active configuration has it.
    pub destination_drive: Option<String>,
}

impl Movement {
    /// Returns the way from one element to another.
    #[must_use]
    pub fn between(source: &Element, destination: &Element) -> Self {
        Self {
            volume: source.volume_name(),
            source: source.address,
            destination: destination.address,
            source_drive: source.device.clone(),
            destination_drive: destination.device.clone(),
        }
    }

    /// Returns whether the cartridge is where it is to go already.
    #[must_use]
    pub const fn is_in_place(&self) -> bool {
        self.source == self.destination
    }
}

/// The cartridge that is to be taken out of a drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mounted {
    /// A volume, as typed.
    Volume(String),
    /// The one in a drive, by its device name as typed.
    Drive(String),
}

impl Inventory {
    /// Plans to bring a volume into a drive: the one of that name, else a free one.
    ///
    /// # Errors
    /// [`LibraryFailure`].
    pub fn plan_mount(
        &self,
        volume: &str,
        drive: Option<&str>,
    ) -> Result<Movement, LibraryFailure> {
        let cartridge = self.find_volume(volume)?;
        let wanted = drive.map(|drive| self.its_drive(drive)).transpose()?;
        if cartridge.element_type == ElementType::DataTransfer {
            return match wanted {
                Some(wanted) if wanted.address != cartridge.address => {
                    Err(LibraryFailure::InAnotherDrive {
                        volume: cartridge.volume_name(),
                        drive: drive_name(cartridge),
                    })
                }
                _ => Ok(Movement::between(cartridge, cartridge)),
            };
        }
        let destination = match wanted {
            Some(drive) if drive.full => {
                return Err(LibraryFailure::DriveFull {
                    drive: drive_name(drive),
                    volume: drive.volume_name(),
                });
            }
            Some(drive) => drive,
            None => self.free_drive()?,
        };
        Ok(Movement::between(cartridge, destination))
    }

    /// Plans to bring a cartridge from its drive to the slot that it came from, else to the first free one.
    ///
    /// # Errors
    /// [`LibraryFailure`].
    pub fn plan_unmount(&self, mounted: &Mounted) -> Result<Movement, LibraryFailure> {
        let cartridge = match mounted {
            Mounted::Volume(volume) => self.find_volume(volume)?,
            Mounted::Drive(drive) => {
                let element = self.its_drive(drive)?;
                if !element.full {
                    return Err(LibraryFailure::DriveEmpty {
                        drive: drive_name(element),
                    });
                }
                element
            }
        };
        if cartridge.element_type != ElementType::DataTransfer {
            return Ok(Movement::between(cartridge, cartridge));
        }
        let came_from = cartridge
            .source
            .and_then(|address| self.element(address))
            .filter(|element| {
                !element.full
                    && matches!(
                        element.element_type,
                        ElementType::Storage | ElementType::ImportExport
                    )
            });
        let destination = match came_from {
            Some(element) => element,
            None => self.free(ElementType::Storage)?,
        };
        Ok(Movement::between(cartridge, destination))
    }

    /// Plans to bring a cartridge, named by volume or element address, to an element.
    ///
    /// # Errors
    /// [`LibraryFailure`].
    pub fn plan_move(&self, cartridge: &str, to: &str) -> Result<Movement, LibraryFailure> {
        let source = match self.find_volume(cartridge) {
            Ok(element) => element,
            Err(error @ LibraryFailure::NoVolume { .. }) => {
                let element = parse_address(cartridge).and_then(|address| self.element(address));
                match element {
                    Some(element) if element.full => element,
                    Some(element) => {
                        return Err(LibraryFailure::ElementEmpty {
                            library: self.library.clone(),
                            address: element.address,
                        });
                    }
                    None => return Err(error),
                }
            }
            Err(error) => return Err(error),
        };
        let destination = parse_address(to)
            .and_then(|address| self.element(address))
            .filter(|element| element.element_type != ElementType::MediumTransport)
            .ok_or_else(|| LibraryFailure::NoElement {
                library: self.library.clone(),
                address: to.to_owned(),
            })?;
        if destination.full && destination.address != source.address {
            return Err(LibraryFailure::ElementFull {
                library: self.library.clone(),
                address: destination.address,
            });
        }
        Ok(Movement::between(source, destination))
    }

    /// Plans to bring a volume to the first free import/export element.
    ///
    /// # Errors
    /// [`LibraryFailure`].
    pub fn plan_export(&self, volume: &str) -> Result<Movement, LibraryFailure> {
        let cartridge = self.find_volume(volume)?;
        let destination = match cartridge.element_type {
            ElementType::ImportExport => cartridge,
            _ => self.free(ElementType::ImportExport)?,
        };
        Ok(Movement::between(cartridge, destination))
    }

    /// Plans to bring a volume from its import/export element to the first free storage element. One that is in a slot or a
    /// drive is in the library already.
    ///
    /// # Errors
    /// [`LibraryFailure`].
    pub fn plan_import(&self, volume: &str) -> Result<Movement, LibraryFailure> {
        self.plan_import_of(self.find_volume(volume)?)
    }

    /// Plans the next import, when every cartridge is to be imported; none when no import/export element is full.
    ///
    /// # Errors
    /// [`LibraryFailure`].
    pub fn plan_next_import(&self) -> Result<Option<Movement>, LibraryFailure> {
        self.of_type(ElementType::ImportExport)
            .find(|element| element.full)
            .map(|cartridge| self.plan_import_of(cartridge))
            .transpose()
    }

    fn plan_import_of(&self, cartridge: &Element) -> Result<Movement, LibraryFailure> {
        let destination = match cartridge.element_type {
            ElementType::ImportExport => self.free(ElementType::Storage)?,
            _ => cartridge,
        };
        Ok(Movement::between(cartridge, destination))
    }

    /// Returns the element of a drive of this library.
    fn its_drive(&self, drive: &str) -> Result<&Element, LibraryFailure> {
        self.drive(drive)
            .ok_or_else(|| LibraryFailure::NotItsDrive {
                library: self.library.clone(),
                drive: drive.to_owned(),
                drives: self
                    .of_type(ElementType::DataTransfer)
                    .filter_map(|element| element.device.clone())
                    .collect(),
            })
    }

    /// Returns the free drive to mount in: rather one that this partition has, that no other job
    /// uses, and that has no problem.
    fn free_drive(&self) -> Result<&Element, LibraryFailure> {
        self.of_type(ElementType::DataTransfer)
            .filter(|element| !element.full)
            .min_by_key(|element| {
                (
                    element.device.is_none(),
                    self.is_in_use(element),
                    element.exception.is_some(),
                    element.address,
                )
            })
            .ok_or_else(|| self.none_free("drive"))
    }

    fn is_in_use(&self, drive: &Element) -> bool {
        let device = drive.device.as_ref();
        device.is_some_and(|device| self.in_use.contains(device))
    }

    fn free(&self, element_type: ElementType) -> Result<&Element, LibraryFailure> {
        let what = match element_type {
            ElementType::ImportExport => "import/export element",
            _ => "storage element",
        };
        self.of_type(element_type)
            .filter(|element| !element.full)
            .min_by_key(|element| (element.exception.is_some(), element.address))
            .ok_or_else(|| self.none_free(what))
    }

    fn none_free(&self, what: &'static str) -> LibraryFailure {
        LibraryFailure::NoneFree {
            library: self.library.clone(),
            what,
        }
    }
}

/// Returns the name of a drive: its device name, or its element.
fn drive_name(element: &Element) -> String {
    element
        .device
        .clone()
        .unwrap_or_else(|| format!("the drive at element {}", element.address))
}
