//! The library as a whole.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::barcode::Barcode;
use super::changer::{CartridgeMovement, Changer, Elements, PlannedMovement, drives_among};
use super::configuration::{LibraryConfiguration, LibraryError};
use super::dispatch::{DeviceServer, logical_units, report_luns};
use super::drive::{Drive, write_error};
use super::fault::{InjectedFailure, LibraryFaults};
use super::logical_unit::{CommandContext, LogicalUnit};
use super::media::{Cartridge, CartridgeStore, Tape};
use super::operation::{Access, CommandDescriptor, passes_unit_attention};
use super::persistent_reservation::PersistentReservations;
use super::reply::{CommandRefusal, CommandResult, LogicalUnitReply, up_to};
use super::work::{Work, WorkDone};
use crate::iscsi::name::IscsiName;
use crate::iscsi::nexus::{InitiatorPort, NexusId};
use crate::scsi::command::ParseError;
use crate::scsi::data::inquiry::PeripheralDeviceType;
use crate::scsi::{AdditionalSenseCode, Command, Lun, SenseData, SenseKey, Status, Transfer};

/// A library: a changer at LUN 0 and drives from LUN 1.
///
/// Announce every session with [`Library::nexus_added`] before its first command. Commands are executed in the order of
/// the calls, each in full; a library is not shared between threads.
#[derive(Debug)]
pub struct Library {
    changer: Changer,
    drives: Vec<Drive>,
    nexuses: BTreeMap<NexusId, InitiatorPort>,
    cartridge_store: CartridgeStore,
    faults: LibraryFaults,
    /// How many commands of a session end with BUSY, as a fault demands.
    busy: BTreeMap<NexusId, u32>,
    /// How often the library lost power: what a command waited for meanwhile is not gone on with.
    power_cycles: u32,
}

impl Library {
    /// Returns the library, all cartridges where they were, those in drives loaded and rewound.
    ///
    /// # Errors
    /// [`LibraryError`] when there can be no such library, and when its media directory is in use or cannot be read or
    /// written.
    pub fn new(configuration: LibraryConfiguration) -> Result<Self, LibraryError> {
        configuration.validate()?;
        let serial = format!("{:0>12}", configuration.serial);
        let drives = (1..=configuration.drives)
            .map(|number| {
                Drive::new(
                    &serial,
                    number,
                    configuration.drive_type,
                    configuration.cartridge_size,
                )
            })
            .collect();
        let mut library = Self {
            changer: Changer::new(&serial, &configuration),
            drives,
            nexuses: BTreeMap::new(),
            cartridge_store: CartridgeStore::open(&configuration.media)?,
            faults: LibraryFaults::default(),
            busy: BTreeMap::new(),
            power_cycles: 0,
        };
        library.set_faults(configuration.faults.clone());
        library.stock(&configuration)?;
        Ok(library)
    }

    /// Returns the logical units, the changer first.
    pub fn logical_units(&self) -> Vec<Lun> {
        logical_units(self.drives.len())
    }

    /// Adds an I_T nexus. Its first command at each logical unit gets unit attention 29/00.
    pub fn nexus_added(&mut self, nexus: NexusId, port: InitiatorPort) {
        self.nexuses.insert(nexus, port);
        if let Some(busy) = &mut self.faults.busy_at_first
            && let Some(commands) = busy.take()
        {
            self.busy.insert(nexus, commands);
        }
        for unit in self.units() {
            unit.attentions.add_nexus(nexus);
        }
    }

    /// Takes note that a session is gone: what it reserved and prevented is free again. Persistent reservations stay.
    pub fn nexus_lost(&mut self, nexus: NexusId) {
        self.nexuses.remove(&nexus);
        self.busy.remove(&nexus);
        for unit in self.units() {
            unit.nexus_lost(nexus);
        }
    }

    /// Resets a logical unit (SAM-5 7.7): unit attention 29/03 for every nexus. Returns false when there is no such
    /// unit.
    pub fn logical_unit_reset(&mut self, lun: Lun) -> bool {
        let unit = match self.find(lun) {
            Some(AddressedUnit::Changer) => Some(&mut self.changer.unit),
            Some(AddressedUnit::Drive(index)) => {
                self.drives.get_mut(index).map(|drive| &mut drive.unit)
            }
            None => None,
        };
        let found = unit.map(|unit| unit.reset(AdditionalSenseCode::BUS_DEVICE_RESET));
        found.is_some()
    }

    /// Resets every logical unit, as TARGET WARM RESET does: unit attention 29/02 for every nexus.
    pub fn target_reset(&mut self) {
        for unit in self.units() {
            unit.reset(AdditionalSenseCode::BUS_RESET);
        }
    }

    /// Turns the library off and on: cartridges stay where they are, those in drives are rewound and loaded again,
    /// persistent reservations are gone; unit attention 29/00 for every nexus. The caller ends the sessions.
    pub fn power_cycle(&mut self) {
        self.power_cycles = self.power_cycles.wrapping_add(1);
        for unit in self.units() {
            unit.reset(AdditionalSenseCode::POWER_ON_OR_RESET);
            unit.persistent = PersistentReservations::default();
        }
        for drive in &mut self.drives {
            drive.power_on();
        }
    }

    /// Replaces what the library does wrong from here on.
    pub fn set_faults(&mut self, faults: LibraryFaults) {
        for drive in &mut self.drives {
            drive.early_warning_after = faults.early_warning_after;
            drive.early_warning_times = faults.early_warning_times;
        }
        self.faults = faults;
    }

    /// Waits until everything written is on the disk.
    ///
    /// # Errors
    /// [`LibraryError`].
    pub fn sync(&mut self) -> Result<(), LibraryError> {
        for drive in &mut self.drives {
            drive.sync()?;
        }
        Ok(())
    }

    /// Executes a command.
    ///
    /// `data_out` is what came from the initiator: [`LogicalUnitReply::data_out_length`] bytes for a command that is well
    /// formed; a cartridge in memory keeps a large block as this very buffer. `allocation` is the most that may go
    /// back, the transport's expected data transfer length for reading; the CDB's own bound holds as well.
    pub fn execute(
        &mut self,
        nexus: NexusId,
        lun: Lun,
        cdb: &[u8; 16],
        data_out: &Bytes,
        allocation: u32,
    ) -> LogicalUnitReply {
        let mut progress = self.begin(nexus, lun, cdb, data_out, allocation);
        loop {
            match progress {
                Progress::Done { reply, .. } => return reply,
                Progress::Waits(work, waiting) => progress = self.resume(waiting, work.run()),
            }
        }
    }

    /// Begins a command as [`Library::execute`] does, as far as it goes without waiting for a file.
    pub(super) fn begin(
        &mut self,
        nexus: NexusId,
        lun: Lun,
        cdb: &[u8; 16],
        data_out: &Bytes,
        allocation: u32,
    ) -> Progress {
        // The fault counts commands as they come, refused ones too.
        self.count_down_to_power_cycle();
        let unit = self.find(lun);
        let parsed = Command::parse(device_type(unit), cdb);
        // What a WRITE takes depends on the block length of this very moment.
        let block_length = match unit {
            Some(AddressedUnit::Drive(index)) => self.drives.get(index).map(Drive::block_length),
            Some(AddressedUnit::Changer) | None => None,
        };
        let transfer = parsed.map(|command| command.transfer(block_length.unwrap_or(0)));
        let [code, ..] = *cdb;
        let passes = parsed.is_ok_and(|command| passes_unit_attention(&command));
        let failure = self.faults.take_command_failure(code, passes);
        if failure == Some(InjectedFailure::PowerCycle) {
            self.power_cycle();
        }
        let data_out_length = transfer.map_or(0, Transfer::data_out);
        let outcome = match unit {
            Some(unit) => match self.admit(unit, nexus, cdb, parsed, failure) {
                Ok(_) if let Some(answer) = self.faults.answer(lun, cdb) => answer,
                Ok(command) => {
                    let initiator = match moves(&command).is_empty() {
                        true => None,
                        // Now, as the session may end before the movement does.
                        false => self.nexuses.get(&nexus).map(|port| port.name.clone()),
                    };
                    return self.go_on(Waiting {
                        nexus,
                        initiator,
                        unit,
                        command,
                        data_out: data_out.clone(),
                        allocation,
                        data_out_length,
                        power_cycles: self.power_cycles,
                        done: None,
                    });
                }
                Err(refusal) => Err(refusal),
            },
            None => self.execute_nowhere(parsed),
        };
        Progress::Done {
            reply: LogicalUnitReply::new(outcome, allocation, data_out_length),
            moved: Vec::new(),
        }
    }

    /// Goes on with a command when what it waited for has been done.
    pub(super) fn resume(&mut self, mut waiting: Waiting, done: WorkDone) -> Progress {
        match done {
            WorkDone::Opened { volume, tape } => self.cartridge_store.offer(volume, tape),
            WorkDone::Read { drive, blocks } => {
                if let Some(tape) = self.tape_of(drive) {
                    tape.take_read_ahead(blocks);
                }
            }
            WorkDone::Appended { drive, appended } => {
                if let Some(tape) = self.tape_of(drive) {
                    tape.take_appended(appended);
                }
            }
            WorkDone::Synced { drive, result } => {
                if let Some(drive) = self.drives.get_mut(drive) {
                    drive.end_sync(&result);
                    if result.is_err() {
                        let lost = Err(write_error());
                        let lost = match waiting.done {
                            // An unloading that cannot be done.
                            None => lost,
                            Some(_) => drive.noted_write(lost),
                        };
                        return self.end(&waiting, lost, None);
                    }
                }
            }
            WorkDone::Recorded(result) => {
                if let (
                    Err(_),
                    Some(Done {
                        movement: Some(movement),
                        ..
                    }),
                ) = (result, &waiting.done)
                {
                    let refusal = self.elements().undo(*movement);
                    return self.end(&waiting, Err(refusal), None);
                }
            }
        }
        match waiting.done.take() {
            Some(Done { outcome, movement }) => self.end(&waiting, outcome, movement),
            None if waiting.power_cycles != self.power_cycles => self.end(
                &waiting,
                Err(CommandRefusal::Status(Status::TASK_ABORTED)),
                None,
            ),
            None => self.go_on(waiting),
        }
    }

    /// Does a command once there is nothing to wait for before it; its end may have to wait for more.
    fn go_on(&mut self, mut waiting: Waiting) -> Progress {
        if let Some(work) = self.work_before(&waiting) {
            return Progress::Waits(work, waiting);
        }
        let outcome = self.perform(&waiting);
        // Status GOOD is a promise: what was written is on the disk before the command ends, and so is where a cartridge was moved.
        let (work, movement) = match waiting.unit {
            AddressedUnit::Changer => {
                let mut elements = self.elements();
                let movement = elements.take_movement();
                (movement.and_then(|_| elements.work_after()), movement)
            }
            AddressedUnit::Drive(index) => {
                let drive = self.drives.get_mut(index);
                (drive.and_then(|drive| drive.sync_after(index)), None)
            }
        };
        match work {
            Some(work) => {
                waiting.done = Some(Done { outcome, movement });
                Progress::Waits(work, waiting)
            }
            None => self.end(&waiting, outcome, movement),
        }
    }

    fn end(
        &mut self,
        waiting: &Waiting,
        outcome: CommandResult,
        movement: Option<PlannedMovement>,
    ) -> Progress {
        self.cartridge_store.forget_offers();
        if let AddressedUnit::Drive(index) = waiting.unit
            && let Some(tape) = self.tape_of(index)
        {
            tape.forget_prepared();
        }
        let moved = movement
            .map(|movement| self.elements().moved(movement, waiting.initiator.as_ref()))
            .unwrap_or_default();
        let Waiting {
            allocation,
            data_out_length,
            ..
        } = *waiting;
        Progress::Done {
            reply: LogicalUnitReply::new(outcome, allocation, data_out_length),
            moved,
        }
    }

    /// Returns what has to be done before a command, one thing at a time.
    fn work_before(&mut self, waiting: &Waiting) -> Option<Work> {
        match (waiting.unit, waiting.command) {
            (AddressedUnit::Changer, command) => self.elements().work_before(&moves(&command)),
            (AddressedUnit::Drive(index), Command::LoadUnload(command)) => {
                let drive = self.drives.get_mut(index)?;
                if let Some(sync) = drive.sync_before_unload(index) {
                    return Some(sync);
                }
                let directory = self.cartridge_store.directory()?;
                let volume = drive.to_open_before(command)?.clone();
                let is_wanted = !self.cartridge_store.has_offer(&volume);
                is_wanted.then_some(Work::Open { directory, volume })
            }
            (AddressedUnit::Drive(drive), command) => {
                // What was read or written before is not again.
                if self.tape_of(drive)?.is_prepared() {
                    return None;
                }
                let Self { drives, faults, .. } = self;
                let at = drives.get_mut(drive)?;
                if let Command::Read(read) = command {
                    let reads = at.reads_before(read);
                    return (!reads.is_empty()).then_some(Work::Read { drive, reads });
                }
                let append = at.append_before(&command, &waiting.data_out, faults)?;
                Some(Work::Append { drive, append })
            }
        }
    }

    fn tape_of(&mut self, drive: usize) -> Option<&mut Tape> {
        let cartridge = self.drives.get_mut(drive)?.cartridge.as_mut();
        cartridge.and_then(Cartridge::tape_mut)
    }

    /// Has a drive take note of a failed sync.
    #[cfg(test)]
    pub(super) fn fail_sync(&mut self, drive: usize, result: &std::io::Result<()>) {
        if let Some(drive) = self.drives.get_mut(drive) {
            drive.end_sync(result);
        }
    }

    fn elements(&mut self) -> Elements<'_> {
        Elements {
            changer: &mut self.changer,
            drives: &mut self.drives,
            cartridge_store: &self.cartridge_store,
        }
    }

    /// Returns the number of the logical units whose turn a command has to take, the changer being number 0: all that it
    /// changes or that it may have to wait for. Empty for one that waits for nothing.
    pub(super) fn units_of(&self, lun: Lun, cdb: &[u8; 16]) -> Vec<usize> {
        let unit = self.find(lun);
        let Ok(command) = Command::parse(device_type(unit), cdb) else {
            return Vec::new();
        };
        // These are answered while a cartridge is mounted: initiators poll a library with them meanwhile.
        let waits_for_nothing = Access::of(&command) == Access::Free
            || matches!(
                command,
                Command::ModeSense(_)
                    | Command::ReadAttribute(_)
                    | Command::ReadElementStatus(_)
                    | Command::PersistentReserveIn(_)
                    | Command::PersistentReserveOut(_)
            );
        match unit {
            _ if self.cartridge_store.directory().is_none() || waits_for_nothing => Vec::new(),
            None => Vec::new(),
            Some(AddressedUnit::Drive(index)) => vec![index.saturating_add(1)],
            Some(AddressedUnit::Changer) => {
                let ends: Vec<u16> = moves(&command)
                    .into_iter()
                    .flat_map(|(source, destination)| [source, destination])
                    .collect();
                let drives = drives_among(&ends, self.drives.len());
                let mut units: BTreeSet<usize> = drives
                    .into_iter()
                    .map(|index| index.saturating_add(1))
                    .collect();
                units.insert(0);
                units.into_iter().collect()
            }
        }
    }

    /// Returns the number of a logical unit, the changer's being 0.
    pub(super) fn unit_number(&self, lun: Lun) -> Option<usize> {
        self.find(lun).map(|unit| match unit {
            AddressedUnit::Changer => 0,
            AddressedUnit::Drive(index) => index.saturating_add(1),
        })
    }

    /// Returns what a command is when nothing stands against it: unit attentions, faults, reservations.
    fn admit(
        &mut self,
        unit: AddressedUnit,
        nexus: NexusId,
        cdb: &[u8; 16],
        parsed: Result<Command, ParseError>,
        failure: Option<InjectedFailure>,
    ) -> Result<Command, CommandRefusal> {
        // BUSY takes no unit attention away: the command was not looked at (SAM-5 5.3.1).
        if !parsed.is_ok_and(|command| passes_unit_attention(&command)) {
            if let Some(left @ 1..) = self.busy.get_mut(&nexus) {
                *left = left.saturating_sub(1);
                return Err(CommandRefusal::Status(Status::BUSY));
            }
            self.faults.hold_up()?;
        }
        let none = Bytes::new();
        let (mut server, call) = self.server(unit, nexus, &none)?;
        match failure {
            Some(InjectedFailure::Status(status)) => return Err(CommandRefusal::Status(status)),
            Some(InjectedFailure::CheckCondition(sense)) => return Err(sense.into()),
            Some(InjectedFailure::UnitAttention(code)) => {
                server.unit().attentions.raise_for_all(code);
            }
            Some(InjectedFailure::DeferredError { blocks }) => {
                if let DeviceServer::Drive(drive) = &mut server {
                    return Err(drive.lose(blocks));
                }
            }
            Some(InjectedFailure::PowerCycle) | None => {}
        }
        let common = server.unit();
        if !parsed.is_ok_and(|command| passes_unit_attention(&command))
            && let Some(code) = common.attentions.take(nexus)
        {
            return Err(CommandRefusal::check(SenseKey::UNIT_ATTENTION, code));
        }
        let command = parsed?;
        let operation = CommandDescriptor::find(common.identity.device_type, cdb);
        if let Some(pointer) = operation.and_then(|operation| operation.undefined_bit(cdb)) {
            return Err(pointer.into());
        }
        if common.conflicts(&call, Access::of(&command)) {
            return Err(CommandRefusal::Status(Status::RESERVATION_CONFLICT));
        }
        if let AddressedUnit::Drive(index) = unit {
            self.defer_error(index, &command)?;
        }
        Ok(command)
    }

    /// Has a drive lose what it has written without synchronizing it, when a fault says so and the command writes.
    fn defer_error(&mut self, drive: usize, command: &Command) -> Result<(), CommandRefusal> {
        let (Some(fault), Some(drive)) = (
            &mut self.faults.deferred_error_after,
            self.drives.get_mut(drive),
        ) else {
            return Ok(());
        };
        let blocks = fault.what;
        match command {
            Command::Write(_) | Command::WriteFilemarks(_)
                if drive.unsynchronized >= blocks && fault.take().is_some() =>
            {
                Err(drive.lose(blocks))
            }
            _ => Ok(()),
        }
    }

    /// Does a command.
    fn perform(&mut self, waiting: &Waiting) -> CommandResult {
        let (server, call) = self.server(waiting.unit, waiting.nexus, &waiting.data_out)?;
        server.execute(waiting.command, &call)
    }

    fn server<'a>(
        &'a mut self,
        unit: AddressedUnit,
        nexus: NexusId,
        data_out: &'a Bytes,
    ) -> Result<(DeviceServer<'a>, CommandContext<'a>), CommandRefusal> {
        let Self {
            changer,
            drives,
            nexuses,
            cartridge_store,
            faults,
            ..
        } = self;
        let call = CommandContext {
            nexus,
            nexuses,
            data_out,
            faults,
            cartridge_store,
            drives: drives.len(),
        };
        let server = match unit {
            AddressedUnit::Changer => DeviceServer::Changer(Elements {
                changer,
                drives,
                cartridge_store,
            }),
            AddressedUnit::Drive(index) => {
                DeviceServer::Drive(drives.get_mut(index).ok_or_else(no_such_unit)?)
            }
        };
        Ok((server, call))
    }

    /// A logical unit that is not there answers three commands (SPC-4 6.6, 6.33, 6.39).
    fn execute_nowhere(&self, parsed: Result<Command, ParseError>) -> CommandResult {
        match parsed {
            Ok(Command::Inquiry(command)) => match command.page_code {
                // It has no pages.
                Some(_) => Err(CommandRefusal::field(1, 0)),
                // PERIPHERAL QUALIFIER 011b, PERIPHERAL DEVICE TYPE 1Fh.
                None => {
                    let mut data = vec![0x7f, 0, 0x06, 2, 31];
                    data.resize(36, 0);
                    Ok(up_to(data, command.allocation_length))
                }
            },
            Ok(Command::RequestSense(command)) => {
                let sense = SenseData::new(
                    SenseKey::ILLEGAL_REQUEST,
                    AdditionalSenseCode::LOGICAL_UNIT_NOT_SUPPORTED,
                );
                Ok(up_to(sense.encode().to_vec(), command.allocation_length))
            }
            Ok(Command::ReportLuns(command)) => report_luns(command, self.drives.len()),
            Ok(_) | Err(_) => Err(no_such_unit()),
        }
    }

    /// Puts every cartridge where it was; new ones go to free storage elements.
    fn stock(&mut self, configuration: &LibraryConfiguration) -> Result<(), LibraryError> {
        let mut wanted = BTreeSet::new();
        for volume in &configuration.cartridges {
            if !wanted.insert(volume) {
                return Err(LibraryError::DuplicateVolume {
                    volume: volume.clone(),
                });
            }
        }
        let filed = self.cartridge_store.volumes()?;
        let missing: Vec<Barcode> = configuration
            .cartridges
            .iter()
            .filter(|volume| !filed.contains(volume))
            .cloned()
            .collect();
        let known: BTreeSet<&Barcode> = filed.iter().chain(&missing).collect();
        for volume in &configuration.write_protected {
            if !known.contains(volume) {
                return Err(LibraryError::UnknownVolume {
                    volume: volume.clone(),
                });
            }
        }
        self.cartridge_store.create(&missing)?;
        let places = self.cartridge_store.contents()?;
        let mut elements = Elements {
            changer: &mut self.changer,
            drives: &mut self.drives,
            cartridge_store: &self.cartridge_store,
        };
        let mut homeless: Vec<&Barcode> = Vec::new();
        let mut placed = BTreeSet::new();
        // Those with a place first, so that no newcomer takes it.
        for place in &places {
            if known.contains(&place.volume) && placed.insert(&place.volume) {
                let mut cartridge = cartridge(&place.volume, configuration);
                cartridge.source = place.source;
                if elements.put(place.element, cartridge).is_err() {
                    homeless.push(&place.volume);
                }
            }
        }
        let newcomers = configuration.cartridges.iter().chain(&filed);
        for volume in newcomers {
            if placed.insert(volume) {
                homeless.push(volume);
            }
        }
        for volume in homeless {
            let no_room = || LibraryError::NoRoom {
                volume: volume.clone(),
            };
            let slot = elements.free_slot().ok_or_else(no_room)?;
            elements
                .put(slot, cartridge(volume, configuration))
                .map_err(|_| no_room())?;
        }
        self.cartridge_store.record(elements.contents())
    }

    fn count_down_to_power_cycle(&mut self) {
        match self.faults.power_cycle_after {
            Some(0) => {
                self.faults.power_cycle_after = None;
                self.power_cycle();
            }
            Some(left) => self.faults.power_cycle_after = Some(left.saturating_sub(1)),
            None => {}
        }
    }

    fn units(&mut self) -> impl Iterator<Item = &mut LogicalUnit> {
        let drives = self.drives.iter_mut().map(|drive| &mut drive.unit);
        std::iter::once(&mut self.changer.unit).chain(drives)
    }

    fn find(&self, lun: Lun) -> Option<AddressedUnit> {
        match usize::try_from(lun.number()).ok()? {
            0 => Some(AddressedUnit::Changer),
            number => {
                let index = number.checked_sub(1)?;
                (index < self.drives.len()).then_some(AddressedUnit::Drive(index))
            }
        }
    }
}

/// How far a command has come.
#[derive(Debug)]
pub(super) enum Progress {
    /// It has ended.
    Done {
        reply: LogicalUnitReply,
        /// The cartridges that it has moved.
        moved: Vec<CartridgeMovement>,
    },
    /// This has to be done; then [`Library::resume`] goes on.
    Waits(Work, Waiting),
}

/// A command that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    nexus: NexusId,
    /// Who sent it, where it moves cartridges.
    initiator: Option<IscsiName>,
    unit: AddressedUnit,
    command: Command,
    data_out: Bytes,
    allocation: u32,
    data_out_length: u32,
    /// How often the library had lost power when the command began.
    power_cycles: u32,
    /// What came of it, when only its end has to wait.
    done: Option<Done>,
}

#[derive(Debug)]
struct Done {
    outcome: CommandResult,
    movement: Option<PlannedMovement>,
}

/// Returns the movements that a command asks for: from where to where.
fn moves(command: &Command) -> Vec<(u16, u16)> {
    match command {
        Command::MoveMedium(command) => vec![(command.source, command.destination)],
        Command::ExchangeMedium(command) => vec![
            (command.source, command.first_destination),
            (command.first_destination, command.second_destination),
        ],
        _ => Vec::new(),
    }
}

fn device_type(unit: Option<AddressedUnit>) -> PeripheralDeviceType {
    match unit {
        Some(AddressedUnit::Changer) => PeripheralDeviceType::MEDIUM_CHANGER,
        Some(AddressedUnit::Drive(_)) => PeripheralDeviceType::SEQUENTIAL_ACCESS,
        None => PeripheralDeviceType::UNKNOWN,
    }
}

#[derive(Clone, Copy, Debug)]
enum AddressedUnit {
    Changer,
    /// Index of the drive.
    Drive(usize),
}

fn cartridge(volume: &Barcode, configuration: &LibraryConfiguration) -> Cartridge {
    Cartridge::new(
        volume.clone(),
        configuration.write_protected.contains(volume),
    )
}

fn no_such_unit() -> CommandRefusal {
    CommandRefusal::illegal(AdditionalSenseCode::LOGICAL_UNIT_NOT_SUPPORTED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_can_be_handed_to_another_thread() {
        fn is_send<T: Send>() {}
        is_send::<Library>();
    }

    #[test]
    fn a_library_has_room_for_its_cartridges_and_knows_them() {
        let refused = |change: fn(&mut LibraryConfiguration)| {
            let mut configuration = LibraryConfiguration::default();
            change(&mut configuration);
            Library::new(configuration).unwrap_err().to_string()
        };
        assert_eq!(
            refused(|wish| wish.slots = 9),
            "no element is free for cartridge VOL010L8"
        );
        assert_eq!(
            refused(|wish| wish.cartridges.extend_from_within(..1)),
            "cartridge VOL001L8 is listed twice"
        );
        assert_eq!(
            refused(|wish| {
                wish.write_protected = LibraryConfiguration::barcodes(wish.drive_type, 11);
            }),
            "cartridge VOL011L8, to be write protected, is not in the library"
        );
    }

    #[test]
    fn the_length_of_parameter_lists_is_in_the_cdb() {
        let mut library = Library::new(LibraryConfiguration::default()).unwrap();
        let mut wanted = |lun, bytes: &[u8]| {
            let mut cdb = [0; 16];
            cdb[..bytes.len()].copy_from_slice(bytes);
            let lun = Lun::from_number(lun).unwrap();
            let reply = library.execute(NexusId(1), lun, &cdb, &Bytes::new(), 0);
            reply.data_out_length
        };
        assert_eq!(wanted(0, &[0x15, 0, 0, 0, 12]), 12);
        assert_eq!(wanted(1, &[0x55, 0, 0, 0, 0, 0, 0, 1, 2]), 0x0102);
        assert_eq!(wanted(1, &[0x5f, 0, 0, 0, 0, 0, 0, 0, 24]), 24);
        assert_eq!(wanted(1, &[0x0a, 0, 1, 0, 0]), 0x1_0000);
        assert_eq!(wanted(0, &[0x0a, 0, 1, 0, 0]), 0, "a changer takes no data");
        assert_eq!(wanted(3, &[0x0a, 0, 1, 0, 0]), 0, "no logical unit");
    }
}
