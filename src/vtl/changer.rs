//! The medium changer (SMC-3).

use std::collections::BTreeSet;
use std::sync::Arc;

use super::barcode::Barcode;
use super::configuration::LibraryConfiguration;
use super::drive::Drive;
use super::log;
use super::logical_unit::{Identity, LogicalUnit};
use super::media::{Cartridge, CartridgeStore, Placed};
use super::mode::ModePages;
use super::reply::{CommandRefusal, CommandResult, done, up_to};
use super::work::Work;
use crate::iscsi::name::IscsiName;
use crate::scsi::command::{
    ExchangeMedium, LogSense, MoveMedium, PositionToElement, ReadElementStatus,
};
use crate::scsi::data::element_status::{ElementReport, ElementType, element_status};
use crate::scsi::data::inquiry::PeripheralDeviceType;
use crate::scsi::data::mode::ElementAddressAssignment;
use crate::scsi::data::vpd::MachineTypeModel;
use crate::scsi::{AdditionalSenseCode, SenseKey};

/// Element addresses as a 3584 has them.
const PICKER: u16 = 0x0001;
const FIRST_DRIVE: u16 = 0x0101;
const FIRST_IMPORT_EXPORT: u16 = 0x0301;
const FIRST_STORAGE: u16 = 0x0401;

/// The changer, with the cartridges that are not in drives.
#[derive(Debug)]
pub(super) struct Changer {
    pub(super) unit: LogicalUnit,
    import_export: Vec<Option<Cartridge>>,
    storage: Vec<Option<Cartridge>>,
    /// The movement that was done; its command does not end before it is recorded.
    unrecorded: Option<PlannedMovement>,
}

/// What MOVE MEDIUM or EXCHANGE MEDIUM did.
#[derive(Clone, Copy, Debug)]
pub(super) enum PlannedMovement {
    Move {
        source: u16,
        destination: u16,
    },
    Exchange {
        source: u16,
        first: u16,
        second: u16,
    },
}

impl PlannedMovement {
    /// Returns from where to where, a pair for each cartridge.
    fn ways(self) -> Vec<(u16, u16)> {
        match self {
            Self::Move {
                source,
                destination,
            } => vec![(source, destination)],
            Self::Exchange {
                source,
                first,
                second,
            } => vec![(source, first), (first, second)],
        }
    }
}

/// A cartridge that an initiator had the changer move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CartridgeMovement {
    /// The cartridge.
    pub volume: Barcode,
    /// Where it was.
    pub source: ElementLocation,
    /// Where it is now.
    pub destination: ElementLocation,
    /// InitiatorName of the session that asked for it; none when the session was not known to the library.
    pub initiator: Option<IscsiName>,
}

/// An element that a cartridge can be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ElementLocation {
    /// Element address (SMC-3).
    pub address: u16,
    /// What kind of element it is.
    pub element_type: ElementType,
}

impl Changer {
    pub(super) fn new(serial: &str, configuration: &LibraryConfiguration) -> Self {
        let identity = Identity {
            device_type: PeripheralDeviceType::MEDIUM_CHANGER,
            product: *b"03584L32        ",
            // A 3584 appends the address of its first storage element.
            serial: format!("{serial}{FIRST_STORAGE:04X}"),
            vendor_specific: vendor_specific(serial),
            type_model: Some(MachineTypeModel {
                machine_type: 3584,
                model: 403,
            }),
        };
        let elements = |count| {
            std::iter::repeat_with(|| None)
                .take(usize::from(count))
                .collect()
        };
        let addresses = [
            (PICKER, 1),
            (FIRST_STORAGE, configuration.slots),
            (FIRST_IMPORT_EXPORT, configuration.import_export),
            (FIRST_DRIVE, configuration.drives),
        ];
        let mut assignment: Vec<u8> = addresses
            .iter()
            .flat_map(|(first, count)| [first.to_be_bytes(), count.to_be_bytes()])
            .flatten()
            .collect();
        assignment.extend([0, 0]);
        let mode = ModePages::new([
            (0x0a, &[0; 10][..], &[][..]),
            (0x1c, &[0x08, 0, 0, 0, 0, 0, 0, 0, 0, 0], &[0x08, 0x0f]),
            (ElementAddressAssignment::PAGE_CODE, &assignment, &[]),
            // Transport geometry: one picker, which does not rotate.
            (0x1e, &[0, 0], &[]),
            (0x1f, &DEVICE_CAPABILITIES, &[]),
        ]);
        Self {
            unit: LogicalUnit::new(identity, mode),
            import_export: elements(configuration.import_export),
            storage: elements(configuration.slots),
            unrecorded: None,
        }
    }
}

/// Device capabilities page (SMC-3): cartridges are kept in drives, import/export and storage elements, and moved and
/// exchanged between all of those.
const DEVICE_CAPABILITIES: [u8; 18] = [
    0x0e, 0, 0, 0x0e, 0x0e, 0x0e, 0, 0, 0, 0, 0, 0x0e, 0x0e, 0x0e, 0, 0, 0, 0,
];

/// Bytes 36 to 55 of a 3584's standard INQUIRY data: its serial number from byte 38.
fn vendor_specific(serial: &str) -> [u8; 20] {
    let mut bytes = [0; 20];
    for (to, from) in bytes.iter_mut().skip(2).zip(serial.bytes().take(12)) {
        *to = from;
    }
    bytes
}

/// Returns the drives among these elements, as indexes.
pub(super) fn drives_among(addresses: &[u16], drives: usize) -> Vec<usize> {
    let index = |address: &u16| address.checked_sub(FIRST_DRIVE).map(usize::from);
    let indexes = addresses.iter().filter_map(index);
    indexes.filter(|index| *index < drives).collect()
}

/// All elements of a library.
pub(super) struct Elements<'a> {
    pub(super) changer: &'a mut Changer,
    pub(super) drives: &'a mut [Drive],
    pub(super) cartridge_store: &'a CartridgeStore,
}

/// Where an address leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ElementPlace {
    Picker,
    Drive(usize),
    ImportExport(usize),
    Storage(usize),
}

impl ElementPlace {
    fn element_type(self) -> ElementType {
        match self {
            Self::Picker => ElementType::MediumTransport,
            Self::Drive(_) => ElementType::DataTransfer,
            Self::ImportExport(_) => ElementType::ImportExport,
            Self::Storage(_) => ElementType::Storage,
        }
    }
}

impl Elements<'_> {
    /// LOG SENSE (SPC-4 6.7).
    pub(super) fn log_sense(&self, command: LogSense) -> CommandResult {
        log::sense(command, &[log::tape_alert(&BTreeSet::new())])
    }

    /// POSITION TO ELEMENT (SMC-3).
    pub(super) fn position_to_element(&self, command: PositionToElement) -> CommandResult {
        transport(command.transport)?;
        self.place(command.destination)?;
        done()
    }

    /// MOVE MEDIUM (SMC-3).
    pub(super) fn move_medium(&mut self, command: MoveMedium) -> CommandResult {
        let MoveMedium {
            source,
            destination,
            ..
        } = command;
        transport(command.transport)?;
        self.place(source)?;
        if self.place(destination)? == ElementPlace::Picker {
            return Err(CommandRefusal::illegal(
                AdditionalSenseCode::INVALID_ELEMENT_ADDRESS,
            ));
        }
        self.full(source)?;
        // A full destination is in the way only when it is another element.
        if destination == source {
            return done();
        }
        if self.cartridge(destination)?.is_some() {
            return Err(CommandRefusal::illegal(
                AdditionalSenseCode::DESTINATION_FULL,
            ));
        }
        self.carry(source, destination)?;
        self.changer.unrecorded = Some(PlannedMovement::Move {
            source,
            destination,
        });
        done()
    }

    /// EXCHANGE MEDIUM (SMC-3).
    pub(super) fn exchange(&mut self, command: ExchangeMedium) -> CommandResult {
        let ExchangeMedium {
            source,
            first_destination: first,
            second_destination: second,
            ..
        } = command;
        transport(command.transport)?;
        for address in [source, first, second] {
            if self.place(address)? == ElementPlace::Picker {
                return Err(CommandRefusal::illegal(
                    AdditionalSenseCode::INVALID_ELEMENT_ADDRESS,
                ));
            }
        }
        self.full(source)?;
        self.full(first)?;
        if first == source || second == first {
            return Err(CommandRefusal::illegal(
                AdditionalSenseCode::DESTINATION_FULL,
            ));
        }
        if second != source && self.cartridge(second)?.is_some() {
            return Err(CommandRefusal::illegal(
                AdditionalSenseCode::DESTINATION_FULL,
            ));
        }
        // The picker takes one cartridge while the other moves.
        let taken = self.take(source)?;
        if let Err(refusal) = self.carry(first, second) {
            self.put_back(source, taken);
            return Err(refusal);
        }
        if let Err((taken, refusal)) = self.put_from(source, first, taken) {
            if let Ok(other) = self.take(second) {
                self.put_back(first, other);
            }
            self.put_back(source, taken);
            return Err(refusal);
        }
        self.changer.unrecorded = Some(PlannedMovement::Exchange {
            source,
            first,
            second,
        });
        done()
    }

    /// Returns what has to be done before cartridges are moved, one thing at a time: what was written to them synced, and the
    /// tapes of those that come into drives opened.
    pub(super) fn work_before(&mut self, moves: &[(u16, u16)]) -> Option<Work> {
        let mut moves: Vec<_> = moves.to_vec();
        moves.retain(|(source, destination)| source != destination);
        for (source, _) in &moves {
            if let Ok(ElementPlace::Drive(index)) = self.place(*source)
                && let Some(drive) = self.drives.get_mut(index)
                // Otherwise the movement is refused, and nothing has to be safe.
                && drive.unit.preventing.is_empty()
                && let Some(work) = drive.sync_before_unload(index)
            {
                return Some(work);
            }
        }
        let directory = self.cartridge_store.directory()?;
        moves.iter().find_map(|(source, destination)| {
            let Ok(ElementPlace::Drive(_)) = self.place(*destination) else {
                return None;
            };
            let cartridge = self.cartridge(*source).ok()??;
            // The drive that it leaves closes its tape.
            let leaves_drive = matches!(self.place(*source), Ok(ElementPlace::Drive(_)));
            let is_wanted = leaves_drive || cartridge.tape().is_none();
            (is_wanted && !self.cartridge_store.has_offer(&cartridge.volume)).then(|| Work::Open {
                directory: Arc::clone(&directory),
                volume: cartridge.volume.clone(),
            })
        })
    }

    /// Returns the movement that was done since the last call, if there was one.
    pub(super) fn take_movement(&mut self) -> Option<PlannedMovement> {
        self.changer.unrecorded.take()
    }

    /// Returns what records where the cartridges are; none when they are in memory.
    pub(super) fn work_after(&self) -> Option<Work> {
        Some(Work::Record {
            directory: self.cartridge_store.directory()?,
            cartridges: self.contents(),
        })
    }

    /// Returns which cartridges a movement has brought from where to where; it is the last that was done.
    pub(super) fn moved(
        &self,
        movement: PlannedMovement,
        initiator: Option<&IscsiName>,
    ) -> Vec<CartridgeMovement> {
        let location = |address| {
            let element_type = self.place(address).ok()?.element_type();
            Some(ElementLocation {
                address,
                element_type,
            })
        };
        let moved = |(source, destination): (u16, u16)| {
            Some(CartridgeMovement {
                volume: self.cartridge(destination).ok()??.volume.clone(),
                source: location(source)?,
                destination: location(destination)?,
                initiator: initiator.cloned(),
            })
        };
        movement.ways().into_iter().filter_map(moved).collect()
    }

    /// Takes back a movement that cannot be recorded, and returns how its command ends.
    pub(super) fn undo(&mut self, movement: PlannedMovement) -> CommandRefusal {
        match movement {
            PlannedMovement::Move {
                source,
                destination,
            } => {
                if let Ok(cartridge) = self.take(destination) {
                    self.put_back(source, cartridge);
                }
            }
            PlannedMovement::Exchange {
                source,
                first,
                second,
            } => {
                let taken = self.take(first);
                // The second one first: its place may be the first one's.
                if let Ok(other) = self.take(second) {
                    self.put_back(first, other);
                }
                if let Ok(taken) = taken {
                    self.put_back(source, taken);
                }
            }
        }
        CommandRefusal::check(
            SenseKey::HARDWARE_ERROR,
            AdditionalSenseCode::INTERNAL_TARGET_FAILURE,
        )
    }

    /// Carries the cartridge of one element to another; where that fails, it is back.
    fn carry(&mut self, source: u16, destination: u16) -> Result<(), CommandRefusal> {
        let cartridge = self.take(source)?;
        self.put_from(source, destination, cartridge)
            .map_err(|(cartridge, refusal)| {
                self.put_back(source, cartridge);
                refusal
            })
    }

    /// Puts a cartridge that was taken from `source` into an empty element.
    fn put_from(
        &mut self,
        source: u16,
        destination: u16,
        mut cartridge: Cartridge,
    ) -> Result<(), (Cartridge, CommandRefusal)> {
        let before = cartridge.source;
        if matches!(
            self.place(source),
            Ok(ElementPlace::Storage(_) | ElementPlace::ImportExport(_))
        ) {
            cartridge.source = Some(source);
        }
        self.put(destination, cartridge)
            .map_err(|(mut cartridge, refusal)| {
                cartridge.source = before;
                (cartridge, refusal)
            })
    }

    fn take(&mut self, address: u16) -> Result<Cartridge, CommandRefusal> {
        let taken = match self.place(address)? {
            ElementPlace::Picker => None,
            ElementPlace::Drive(index) => match self.drives.get_mut(index) {
                Some(drive) => return drive.eject(self.cartridge_store),
                None => None,
            },
            ElementPlace::ImportExport(index) => self
                .changer
                .import_export
                .get_mut(index)
                .and_then(Option::take),
            ElementPlace::Storage(index) => {
                self.changer.storage.get_mut(index).and_then(Option::take)
            }
        };
        taken.ok_or_else(|| CommandRefusal::illegal(AdditionalSenseCode::SOURCE_EMPTY))
    }

    /// Puts a cartridge into an empty element.
    pub(super) fn put(
        &mut self,
        address: u16,
        cartridge: Cartridge,
    ) -> Result<(), (Cartridge, CommandRefusal)> {
        let slot = match self.place(address) {
            Ok(ElementPlace::Drive(index)) => match self.drives.get_mut(index) {
                Some(drive) if drive.cartridge.is_none() => {
                    return drive.insert(cartridge, self.cartridge_store);
                }
                _ => None,
            },
            Ok(ElementPlace::ImportExport(index)) => self.changer.import_export.get_mut(index),
            Ok(ElementPlace::Storage(index)) => self.changer.storage.get_mut(index),
            Ok(ElementPlace::Picker) | Err(_) => None,
        };
        match slot {
            Some(slot @ None) => {
                *slot = Some(cartridge);
                Ok(())
            }
            _ => {
                let code = AdditionalSenseCode::DESTINATION_FULL;
                Err((cartridge, CommandRefusal::illegal(code)))
            }
        }
    }

    /// Puts a cartridge back where it was: that cannot fail, though a drive may not be able to load it again. One whose file
    /// would have to be scanned waits for LOAD UNLOAD.
    fn put_back(&mut self, address: u16, cartridge: Cartridge) {
        let is_drive = matches!(self.place(address), Ok(ElementPlace::Drive(_)));
        let put = match is_drive && !self.cartridge_store.opens_at_once(&cartridge.volume) {
            true => Err(cartridge),
            false => self
                .put(address, cartridge)
                .map_err(|(cartridge, _)| cartridge),
        };
        if let Err(cartridge) = put
            && let Ok(ElementPlace::Drive(index)) = self.place(address)
            && let Some(drive) = self.drives.get_mut(index)
        {
            drive.hold(cartridge);
        }
    }

    /// READ ELEMENT STATUS (SMC-3).
    pub(super) fn status(&self, query: ReadElementStatus) -> CommandResult {
        // A 3584 takes DVCID with VOLTAG 0 only.
        if query.volume_tag && query.device_id {
            return Err(CommandRefusal::field(6, 0));
        }
        let reports: Vec<ElementReport> = self
            .addresses()
            .filter(|(address, element_type)| {
                *address >= query.first
                    && query
                        .element_type
                        .is_none_or(|wanted| wanted == *element_type)
            })
            .take(query.count.into())
            .map(|(address, element_type)| self.report(address, element_type))
            .collect();
        let data = element_status(&reports, query.volume_tag, query.device_id);
        Ok(up_to(data, query.allocation_length))
    }

    fn report(&self, address: u16, element_type: ElementType) -> ElementReport {
        let cartridge = self.cartridge(address).ok().flatten();
        let identifier = match self.place(address) {
            Ok(ElementPlace::Drive(index)) => self
                .drives
                .get(index)
                .map(|drive| drive.unit.identity.designator()),
            _ => None,
        };
        ElementReport {
            address,
            element_type,
            volume: cartridge.map(|cartridge| cartridge.volume.to_string()),
            full: cartridge.is_some(),
            source: cartridge.and_then(|cartridge| cartridge.source),
            identifier,
        }
    }

    /// Returns every cartridge and its place.
    pub(super) fn contents(&self) -> Vec<Placed> {
        self.addresses()
            .filter_map(|(element, _)| {
                let cartridge = self.cartridge(element).ok().flatten()?;
                Some(Placed {
                    volume: cartridge.volume.clone(),
                    element,
                    source: cartridge.source,
                })
            })
            .collect()
    }

    /// Returns the first storage element that is empty.
    pub(super) fn free_slot(&self) -> Option<u16> {
        (FIRST_STORAGE..)
            .zip(&self.changer.storage)
            .find(|(_, slot)| slot.is_none())
            .map(|(address, _)| address)
    }

    /// Returns all element addresses in their order.
    fn addresses(&self) -> impl Iterator<Item = (u16, ElementType)> {
        let range = |first: u16, count: usize, element_type| {
            (first..)
                .take(count)
                .map(move |address| (address, element_type))
        };
        range(PICKER, 1, ElementType::MediumTransport)
            .chain(range(
                FIRST_DRIVE,
                self.drives.len(),
                ElementType::DataTransfer,
            ))
            .chain(range(
                FIRST_IMPORT_EXPORT,
                self.changer.import_export.len(),
                ElementType::ImportExport,
            ))
            .chain(range(
                FIRST_STORAGE,
                self.changer.storage.len(),
                ElementType::Storage,
            ))
    }

    fn full(&self, address: u16) -> Result<(), CommandRefusal> {
        match self.cartridge(address)? {
            Some(_) => Ok(()),
            None => Err(CommandRefusal::illegal(AdditionalSenseCode::SOURCE_EMPTY)),
        }
    }

    fn cartridge(&self, address: u16) -> Result<Option<&Cartridge>, CommandRefusal> {
        Ok(match self.place(address)? {
            ElementPlace::Picker => None,
            ElementPlace::Drive(index) => self
                .drives
                .get(index)
                .and_then(|drive| drive.cartridge.as_ref()),
            ElementPlace::ImportExport(index) => self
                .changer
                .import_export
                .get(index)
                .and_then(Option::as_ref),
            ElementPlace::Storage(index) => {
                self.changer.storage.get(index).and_then(Option::as_ref)
            }
        })
    }

    fn place(&self, address: u16) -> Result<ElementPlace, CommandRefusal> {
        let within = |first: u16, count: usize| {
            address
                .checked_sub(first)
                .map(usize::from)
                .filter(|index| *index < count)
        };
        let drive = within(FIRST_DRIVE, self.drives.len()).map(ElementPlace::Drive);
        let import_export = within(FIRST_IMPORT_EXPORT, self.changer.import_export.len())
            .map(ElementPlace::ImportExport);
        let storage = within(FIRST_STORAGE, self.changer.storage.len()).map(ElementPlace::Storage);
        let picker = within(PICKER, 1).map(|_| ElementPlace::Picker);
        drive
            .or(import_export)
            .or(storage)
            .or(picker)
            .ok_or_else(|| CommandRefusal::illegal(AdditionalSenseCode::INVALID_ELEMENT_ADDRESS))
    }
}

/// 0 is the default medium transport element.
fn transport(address: u16) -> Result<(), CommandRefusal> {
    match address {
        0 | PICKER => Ok(()),
        _ => Err(CommandRefusal::illegal(
            AdditionalSenseCode::INVALID_ELEMENT_ADDRESS,
        )),
    }
}
