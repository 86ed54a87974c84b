//! What a library says of its elements: READ ELEMENT STATUS of every element type (SMC-3).
//!
//! Element type 0h, all types at once, is never asked for: tgt dies of it. Elements are asked for 1,000 at a time, from the
//! addresses of mode page 1Dh, with volume tags and without DVCID: a 3584 takes one of the two. Devices answer in many ways,
//! and every one is used: the volume tags refused, more elements than were asked for, a report that ends early.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;

use super::LibraryFailure;
use crate::iop::devices::enumerate::{ELEMENTS_AT_A_TIME, STATUS_ALLOCATION, STATUS_LIMIT};
use crate::iop::devices::text::printable;
use crate::iop::job::unit::{Unit, UnitError};
use crate::scsi::command::{ModeSense, ReadElementStatus};
use crate::scsi::data::element_status::{ElementDescriptor, ElementStatus, ElementType};
use crate::scsi::data::mode::{ElementAddressAssignment, ElementRange};
use crate::scsi::{AdditionalSenseCode, Command, SenseKey};
use crate::transport;

/// An element of a library: where a cartridge can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    /// ELEMENT TYPE CODE.
    pub element_type: ElementType,
    /// ELEMENT ADDRESS.
    pub address: u16,
    /// FULL: a cartridge is in it.
    pub full: bool,
    /// The cartridge's barcode, escaped and trimmed; none when the element is empty or the cartridge has none.
    pub volume: Option<String>,
    /// VOLUME IDENTIFICATION of the primary volume tag as it came, blank padded; whether the element is full or not.
    pub volume_tag: Option<[u8; 32]>,
    /// SOURCE STORAGE ELEMENT ADDRESS, where SVALID says that it is valid: where the cartridge came from.
    pub source: Option<u16>,
    /// ACCESS: the transport element reaches it.
    pub accessible: bool,
    /// ADDITIONAL SENSE CODE that explains EXCEPT: the element is in an abnormal state.
    pub exception: Option<AdditionalSenseCode>,
    /// For a data transfer element: the drive's device name, where the active configuration has it.
    pub device: Option<String>,
}

/// The elements of a library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inventory {
    /// The library's device name.
    pub library: String,
    /// Drives, then import/export elements, storage elements and transport elements, each by address.
    pub elements: Vec<Element>,
    /// The drives that other jobs of the resident IOP use, by their device names.
    pub in_use: BTreeSet<String>,
}

/// A drive of the active configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownDrive {
    /// Its device name.
    pub device: String,
    /// Its unit serial number, escaped and trimmed.
    pub serial: String,
    /// The library that names it, and its element address there; none for a drive that no library of its target has.
    pub place: Option<(String, u16)>,
}

/// The element types, in the order in which they are shown.
const TYPES: [ElementType; 4] = [
    ElementType::DataTransfer,
    ElementType::ImportExport,
    ElementType::Storage,
    ElementType::MediumTransport,
];

impl Inventory {
    /// Asks a library for its elements. Drives have no names yet: [`Inventory::name_drives`].
    ///
    /// # Errors
    /// [`UnitError`] when READ ELEMENT STATUS has no usable answer.
    pub async fn read(library: &str, unit: &Unit) -> Result<Self, UnitError> {
        let assignment = assignment(unit).await?;
        let mut elements = Vec::new();
        let mut refusal = None;
        for element_type in TYPES {
            let range = assignment.map(|page| range_of(&page, element_type));
            if range.is_some_and(|range| range.count == 0) {
                continue;
            }
            match read_type(unit, element_type, range, Facts::VolumeTags).await {
                Ok(found) => elements.extend(found.into_values().map(|(element, _)| element)),
                // Without mode page 1Dh, a type that there is none of cannot be told from one that is refused.
                Err(error) if range.is_none() && error.has_key(SenseKey::ILLEGAL_REQUEST) => {
                    refusal.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        match refusal {
            Some(error) if elements.is_empty() => Err(error),
            _ => Ok(Self {
                library: library.to_owned(),
                elements,
                in_use: BTreeSet::new(),
            }),
        }
    }

    /// Gives the drives their device names: those that the re-IPL found at their element addresses, and those of other
    /// targets by the identifier that the library gives (DVCID).
    ///
    /// # Errors
    /// [`UnitError`] when the session has ended. A library that gives no identifiers leaves the drives without names.
    pub async fn name_drives(
        &mut self,
        unit: &Unit,
        drives: &[KnownDrive],
    ) -> Result<(), UnitError> {
        let library = self.library.clone();
        for element in self.drives_mut() {
            let here = (library.clone(), element.address);
            element.device = drives
                .iter()
                .find(|drive| drive.place.as_ref() == Some(&here))
                .map(|drive| drive.device.clone());
        }
        let elsewhere: Vec<&KnownDrive> = drives
            .iter()
            .filter(|drive| drive.place.is_none() && !drive.serial.is_empty())
            .collect();
        if elsewhere.is_empty() || self.drives_mut().all(|drive| drive.device.is_some()) {
            return Ok(());
        }
        let identifiers =
            match read_type(unit, ElementType::DataTransfer, None, Facts::Identifiers).await {
                Ok(found) => found,
                Err(error) if error.is_without_status() => return Err(error),
                Err(_) => return Ok(()),
            };
        for element in self.drives_mut().filter(|drive| drive.device.is_none()) {
            let Some((_, Some(identifier))) = identifiers.get(&element.address) else {
                continue;
            };
            let mut fitting = elsewhere
                .iter()
                .filter(|drive| identifier.ends_with(&drive.serial));
            if let (Some(drive), None) = (fitting.next(), fitting.next()) {
                element.device = Some(drive.device.clone());
            }
        }
        Ok(())
    }

    fn drives_mut(&mut self) -> impl Iterator<Item = &mut Element> {
        self.elements
            .iter_mut()
            .filter(|element| element.element_type == ElementType::DataTransfer)
    }

    /// Returns the elements of a type, by address.
    pub fn of_type(&self, element_type: ElementType) -> impl Iterator<Item = &Element> {
        self.elements
            .iter()
            .filter(move |element| element.element_type == element_type)
    }

    /// Returns the element at an address.
    #[must_use]
    pub fn element(&self, address: u16) -> Option<&Element> {
        self.elements
            .iter()
            .find(|element| element.address == address)
    }

    /// Returns the element that a drive is in, by its device name, letter case aside.
    #[must_use]
    pub fn drive(&self, device: &str) -> Option<&Element> {
        self.elements.iter().find(|element| {
            element
                .device
                .as_deref()
                .is_some_and(|name| name.eq_ignore_ascii_case(device))
        })
    }

    /// Returns the element that holds a cartridge, by its barcode or the first six characters of it, letter case aside; a
    /// whole barcode wins over a beginning. A cartridge without a barcode is named by its element address.
    ///
    /// # Errors
    /// [`LibraryFailure::NoVolume`], [`LibraryFailure::AmbiguousVolume`].
    pub fn find_volume(&self, typed: &str) -> Result<&Element, LibraryFailure> {
        let with_barcode = |fits: fn(&str, &str) -> bool| -> Vec<&Element> {
            self.elements
                .iter()
                .filter(|element| {
                    element
                        .volume
                        .as_deref()
                        .is_some_and(|volume| fits(volume, typed))
                })
                .collect()
        };
        let whole = with_barcode(|volume, typed| volume.eq_ignore_ascii_case(typed));
        let found = match whole.is_empty() {
            true => with_barcode(|volume, typed| {
                volume
                    .get(..VOLUME_LENGTH)
                    .is_some_and(|beginning| beginning.eq_ignore_ascii_case(typed))
            }),
            false => whole,
        };
        match found.as_slice() {
            [element] => Ok(element),
            [] => parse_address(typed)
                .and_then(|address| self.element(address))
                .filter(|element| element.full && element.volume.is_none())
                .ok_or_else(|| LibraryFailure::NoVolume {
                    library: self.library.clone(),
                    volume: typed.to_owned(),
                }),
            several => Err(LibraryFailure::AmbiguousVolume {
                library: self.library.clone(),
                volume: typed.to_owned(),
                found: several
                    .iter()
                    .map(|element| (element.volume_name(), element.address))
                    .collect(),
            }),
        }
    }

    /// Takes note that a cartridge was moved.
    pub(super) fn take_move(&mut self, source: u16, destination: u16) {
        let mut moved = None;
        for element in &mut self.elements {
            if element.address == source {
                element.full = false;
                moved = Some((element.volume.take(), element.volume_tag.take()));
            }
        }
        for element in &mut self.elements {
            if element.address == destination {
                element.full = true;
                element.source = Some(source);
                (element.volume, element.volume_tag) = moved.take().unwrap_or_default();
            }
        }
    }
}

impl Element {
    fn new(element_type: ElementType, descriptor: &ElementDescriptor<'_>) -> Self {
        let volume_tag = descriptor.primary_volume_tag.map(|tag| tag.identification);
        Self {
            element_type,
            address: descriptor.address,
            full: descriptor.full,
            volume: volume_tag
                .filter(|_| descriptor.full)
                .map(|tag| printable(&tag))
                .filter(|volume| !volume.is_empty()),
            volume_tag,
            source: descriptor.source,
            accessible: descriptor.accessible,
            exception: descriptor.exception.then_some(descriptor.exception_code),
            device: None,
        }
    }

    /// Returns the name of the cartridge in the element: its barcode, or the element address.
    #[must_use]
    pub fn volume_name(&self) -> String {
        self.volume
            .clone()
            .unwrap_or_else(|| self.address.to_string())
    }
}

/// A volume's name on IBM i has six characters; the barcode appends the media type.
const VOLUME_LENGTH: usize = 6;

/// Reads an element address: decimal, or hexadecimal behind `0x`.
#[must_use]
pub fn parse_address(typed: &str) -> Option<u16> {
    let digits = |text: &str, radix| match text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        true => u16::from_str_radix(text, radix).ok(),
        false => None,
    };
    match typed
        .strip_prefix("0x")
        .or_else(|| typed.strip_prefix("0X"))
    {
        Some(hexadecimal) => digits(hexadecimal, 16),
        None => digits(typed, 10),
    }
}

/// What READ ELEMENT STATUS is to say beside addresses and flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Facts {
    /// VOLTAG = 1, DVCID = 0.
    VolumeTags,
    /// VOLTAG = 0, DVCID = 1.
    Identifiers,
    /// VOLTAG = 0, DVCID = 0.
    Nothing,
}

/// Mode page 1Dh, where the device has it.
async fn assignment(unit: &Unit) -> Result<Option<ElementAddressAssignment>, UnitError> {
    let command = ModeSense::page6(ElementAddressAssignment::PAGE_CODE, u8::MAX);
    match ask(unit, &Command::ModeSense(command)).await {
        Ok(data) => Ok(ElementAddressAssignment::decode(&data).ok()),
        Err(error) if error.is_without_status() => Err(error),
        Err(_) => Ok(None),
    }
}

fn range_of(page: &ElementAddressAssignment, element_type: ElementType) -> ElementRange {
    match element_type {
        ElementType::MediumTransport => page.medium_transport,
        ElementType::Storage => page.storage,
        ElementType::ImportExport => page.import_export,
        ElementType::DataTransfer => page.data_transfer,
    }
}

/// The elements of a type by address, each with the identifier of its drive.
type ElementsByAddress = BTreeMap<u16, (Element, Option<String>)>;

/// Reads the elements of a type piece by piece, to the end of `range`; without one, until no more come.
async fn read_type(
    unit: &Unit,
    element_type: ElementType,
    range: Option<ElementRange>,
    mut facts: Facts,
) -> Result<ElementsByAddress, UnitError> {
    let mut first = range.map_or(0, |range| range.first);
    let end = range.map(|range| u32::from(range.first) + u32::from(range.count));
    let mut allocation_length = STATUS_ALLOCATION;
    let mut limit = STATUS_LIMIT;
    let mut found = ElementsByAddress::new();
    loop {
        let left = end.map_or(u32::MAX, |end| end.saturating_sub(first.into()));
        let count = u16::try_from(left)
            .unwrap_or(u16::MAX)
            .min(ELEMENTS_AT_A_TIME);
        let command = ReadElementStatus {
            first,
            count,
            volume_tag: facts == Facts::VolumeTags,
            device_id: facts == Facts::Identifiers,
            ..ReadElementStatus::all_of(element_type, allocation_length)
        };
        let data = match ask(unit, &Command::ReadElementStatus(command)).await {
            Ok(data) => data,
            Err(error) if error.has_code(AdditionalSenseCode::INVALID_FIELD_IN_CDB) => {
                if allocation_length > STATUS_ALLOCATION {
                    // More than 65,535 bytes at a time are not for every library.
                    (allocation_length, limit) = (STATUS_ALLOCATION, STATUS_ALLOCATION);
                } else if facts == Facts::VolumeTags && found.is_empty() {
                    facts = Facts::Nothing;
                } else if found.is_empty() {
                    return Err(error);
                } else {
                    break;
                }
                continue;
            }
            // Behind the last element there is no address to start at.
            Err(error) if !found.is_empty() && error.has_key(SenseKey::ILLEGAL_REQUEST) => break,
            Err(error) => return Err(error),
        };
        let status = ElementStatus::decode(&data)?;
        let needed = status.needed_length();
        if needed > allocation_length && allocation_length < limit {
            allocation_length = needed.min(limit);
            continue;
        }
        let is_cut = needed > allocation_length;
        let descriptors: Vec<_> = status.descriptors(element_type).collect();
        // The last one may lack its volume tag: it is asked for again.
        let whole = match is_cut && descriptors.len() > 1 {
            true => descriptors.len().saturating_sub(1),
            false => descriptors.len(),
        };
        let before = found.len();
        for descriptor in descriptors.iter().take(whole) {
            let identifier = descriptor
                .device_identifier
                .map(|identifier| printable(identifier.bytes));
            let element = Element::new(element_type, descriptor);
            found
                .entry(descriptor.address)
                .or_insert((element, identifier));
        }
        let next = found
            .last_key_value()
            .and_then(|(last, _)| last.checked_add(1));
        let is_last = !is_cut && descriptors.len() < usize::from(count);
        match next {
            Some(next)
                if !is_last
                    && found.len() > before
                    && end.is_none_or(|end| u32::from(next) < end) =>
            {
                first = next;
            }
            _ => break,
        }
    }
    Ok(found)
}

/// How often a command is sent again that a device did not carry out for a reason that has passed.
const MAX_RESENDS: u8 = 8;
/// How long a device may be busy, all pauses together.
const LONGEST_BUSY: Duration = Duration::from_secs(30);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Has a command carried out that can be sent again as long as the device has done nothing of it: after a unit attention,
/// and while the device is busy or becoming ready.
pub(super) async fn ask(unit: &Unit, command: &Command) -> Result<Bytes, UnitError> {
    let mut resends = 0;
    let mut waited = Duration::ZERO;
    let mut pause = FIRST_PAUSE;
    loop {
        match unit.execute(command).await {
            Err(UnitError::Check { sense, data })
                if !sense.deferred
                    && matches!(sense.key, SenseKey::NO_SENSE | SenseKey::RECOVERED_ERROR) =>
            {
                return Ok(data);
            }
            Err(error) if resends < MAX_RESENDS && error.has_key(SenseKey::UNIT_ATTENTION) => {
                resends = resends.saturating_add(1);
            }
            Err(error) if waited < LONGEST_BUSY && passes(&error) => {
                transport::sleep(pause).await;
                waited = waited.saturating_add(pause);
                pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
            }
            outcome => return outcome,
        }
    }
}

/// Returns whether a device did nothing, and will be able to by itself.
fn passes(error: &UnitError) -> bool {
    error.is_busy()
        || error.has_key(SenseKey::NOT_READY)
            && (error.has_code(AdditionalSenseCode::BECOMING_READY)
                || error.has_code(AdditionalSenseCode::OPERATION_IN_PROGRESS)
                || error.has_code(AdditionalSenseCode::NOT_READY_CAUSE_NOT_REPORTABLE))
}
