//! The tape drive (SSC-4): what it is, the cartridge in it, and every command that moves no tape.

use std::collections::BTreeSet;
use std::io;

use super::auxiliary_memory::MediumUsage;
use super::barcode::Barcode;
use super::configuration::{DriveType, LibraryError};
use super::density;
use super::logical_unit::{CommandContext, Identity, LogicalUnit};
use super::media::{Cartridge, CartridgeStore, Tape};
use super::mode::{ModeHeader, ModePages};
use super::reply::{CommandRefusal, CommandResult, done, up_to};
use super::work::Work;
use crate::scsi::command::{LoadUnload, ReportDensitySupport};
use crate::scsi::data::block_limits::BlockLimits;
use crate::scsi::data::density::density_support;
use crate::scsi::data::inquiry::PeripheralDeviceType;
use crate::scsi::{AdditionalSenseCode, SenseKey};
use crate::storage::StorageError;

/// The longest block, and the most that one command may transfer in blocks of fixed length.
pub(super) const LONGEST_BLOCK: u32 = 8 << 20;
pub(super) const LONGEST_TRANSFER: u32 = 16 << 20;

/// A drive, with or without a cartridge.
#[derive(Debug)]
pub(super) struct Drive {
    pub(super) unit: LogicalUnit,
    pub(super) drive_type: DriveType,
    pub(super) cartridge: Option<Cartridge>,
    /// The cartridge is loaded, not just there.
    loaded: bool,
    /// Logical object identifier of the position.
    pub(super) position: u64,
    /// Capacity of every cartridge.
    pub(super) capacity: u64,
    /// Data that passed since the drive was made.
    pub(super) written: MediumUsage,
    pub(super) read: MediumUsage,
    /// TapeAlert flags that are raised.
    pub(super) alerts: BTreeSet<u8>,
    /// Early warning comes when so many bytes are used, whatever the capacity is; a fault.
    pub(super) early_warning_after: Option<u64>,
    /// How many commands are warned so; `None` for all.
    pub(super) early_warning_times: Option<u32>,
    /// Blocks that were written in a row up to the position, and that no filemark follows and no movement of the tape.
    pub(super) unsynchronized: u32,
    /// The command that was done ends when everything written is on the disk.
    pub(super) sync_wanted: bool,
}

impl Drive {
    pub(super) fn new(
        library_serial: &str,
        number: u16,
        drive_type: DriveType,
        capacity: u64,
    ) -> Self {
        // The last six characters, of a serial number of twelve.
        let tail = library_serial.get(6..).unwrap_or_default();
        let identity = Identity {
            device_type: PeripheralDeviceType::SEQUENTIAL_ACCESS,
            product: drive_type.product(),
            serial: format!("{tail}{number:04}"),
            vendor_specific: [0; 20],
            type_model: None,
        };
        Self {
            unit: LogicalUnit::new(identity, mode_pages(capacity)),
            drive_type,
            cartridge: None,
            loaded: false,
            position: 0,
            capacity,
            written: MediumUsage::default(),
            read: MediumUsage::default(),
            alerts: BTreeSet::new(),
            early_warning_after: None,
            early_warning_times: None,
            unsynchronized: 0,
            sync_wanted: false,
        }
    }

    /// Takes a cartridge and loads it. Unit attention 28/00 is pending for every I_T nexus then.
    ///
    /// # Errors
    /// The cartridge comes back when the drive cannot use it or its file cannot be read.
    pub(super) fn insert(
        &mut self,
        mut cartridge: Cartridge,
        cartridge_store: &CartridgeStore,
    ) -> Result<(), (Cartridge, CommandRefusal)> {
        if density::use_of(&cartridge.volume, self.drive_type).is_none() {
            let refusal = CommandRefusal::illegal(AdditionalSenseCode::INCOMPATIBLE_MEDIUM);
            return Err((cartridge, refusal));
        }
        if cartridge.open(cartridge_store).is_err() {
            let code = AdditionalSenseCode::LOAD_OR_EJECT_FAILED;
            return Err((
                cartridge,
                CommandRefusal::check(SenseKey::MEDIUM_ERROR, code),
            ));
        }
        cartridge.memory.loaded_by(&self.unit.identity.serial);
        self.alerts.clear();
        self.hold(cartridge);
        self.loaded = true;
        self.unit
            .attentions
            .raise_for_all(AdditionalSenseCode::MEDIUM_MAY_HAVE_CHANGED);
        Ok(())
    }

    /// Takes a cartridge without loading it.
    pub(super) fn hold(&mut self, cartridge: Cartridge) {
        self.cartridge = Some(cartridge);
        self.loaded = false;
        self.position = 0;
    }

    /// Gives the cartridge out, unloading it before, as a 3584 does.
    ///
    /// # Errors
    /// Removal prevented, or what was written cannot be made safe; the cartridge stays.
    pub(super) fn eject(
        &mut self,
        cartridge_store: &CartridgeStore,
    ) -> Result<Cartridge, CommandRefusal> {
        if !self.unit.preventing.is_empty() {
            return Err(CommandRefusal::illegal(
                AdditionalSenseCode::REMOVAL_PREVENTED,
            ));
        }
        let cartridge = self.cartridge.as_mut().ok_or_else(not_present)?;
        cartridge
            .close(cartridge_store)
            .map_err(|_| write_error())?;
        self.loaded = false;
        self.position = 0;
        self.cartridge.take().ok_or_else(not_present)
    }

    /// Loads and rewinds the cartridge that is there. What was not synced may be lost, as with any power failure. A tape
    /// whose sync has failed stays unloaded: LOAD UNLOAD scans its file, while other sessions are served.
    pub(super) fn power_on(&mut self) {
        let cartridge = self.cartridge.as_ref();
        self.loaded = cartridge.is_some_and(|cartridge| !cartridge.needs_opening());
        self.position = 0;
    }

    /// Returns the cartridge whose tape has to be opened before a LOAD UNLOAD.
    pub(super) fn to_open_before(&self, command: LoadUnload) -> Option<&Barcode> {
        let cartridge = self.cartridge.as_ref()?;
        (command.load && !self.loaded && cartridge.needs_opening()).then_some(&cartridge.volume)
    }

    pub(super) fn sync(&mut self) -> Result<(), LibraryError> {
        match &mut self.cartridge {
            None => Ok(()),
            Some(cartridge) => cartridge.sync().map_err(|source| {
                LibraryError::from(StorageError::Io {
                    operation: "sync",
                    path: format!("{}.tap", cartridge.volume).into(),
                    source,
                })
            }),
        }
    }

    /// Returns the block length in force, in bytes; 0 for blocks of any length.
    pub(super) fn block_length(&self) -> u32 {
        self.unit.mode.block_length
    }

    /// READ BLOCK LIMITS (SSC-4 7.6).
    pub(super) fn read_block_limits(&self) -> CommandResult {
        let limits = BlockLimits {
            granularity: 0,
            longest: LONGEST_BLOCK,
            shortest: 1,
        };
        Ok(limits.encode().into())
    }

    /// Returns the tape, when a cartridge is loaded.
    pub(super) fn ready(&self) -> Result<&Tape, CommandRefusal> {
        match (self.tape(), &self.cartridge) {
            (Some(tape), _) if self.loaded => Ok(tape),
            (_, Some(_)) => Err(CommandRefusal::check(
                SenseKey::NOT_READY,
                AdditionalSenseCode::INITIALIZING_COMMAND_REQUIRED,
            )),
            (_, None) => Err(not_present()),
        }
    }

    pub(super) fn ready_mut(&mut self) -> Result<&mut Tape, CommandRefusal> {
        self.ready()?;
        self.cartridge
            .as_mut()
            .and_then(Cartridge::tape_mut)
            .ok_or_else(not_present)
    }

    /// Has the command end when everything written is on the disk.
    pub(super) fn want_sync(&mut self) -> Result<(), CommandRefusal> {
        if self.ready()?.has_failed() {
            return Err(write_error());
        }
        self.sync_wanted = true;
        Ok(())
    }

    /// Returns the sync that is to be done before the cartridge is unloaded; none when everything written is on the disk, or
    /// will not come there, for a sync has failed.
    pub(super) fn sync_before_unload(&mut self, drive: usize) -> Option<Work> {
        let cartridge = self.cartridge.as_mut()?;
        let file = cartridge.tape_mut()?.begin_sync().ok()??;
        Some(Work::Sync { drive, file })
    }

    /// Returns the sync that the command which was done ends with.
    pub(super) fn sync_after(&mut self, drive: usize) -> Option<Work> {
        match std::mem::take(&mut self.sync_wanted) {
            true => self.sync_before_unload(drive),
            false => None,
        }
    }

    /// Takes note of what fdatasync(2) reported.
    pub(super) fn end_sync(&mut self, result: &io::Result<()>) {
        if let Some(tape) = self.cartridge.as_mut().and_then(Cartridge::tape_mut) {
            tape.end_sync(result);
        }
    }

    fn tape(&self) -> Option<&Tape> {
        self.cartridge.as_ref().and_then(Cartridge::tape)
    }

    /// Returns whether the loaded cartridge cannot be written: its tab, its generation, or software write protection.
    pub(super) fn is_write_protected(&self) -> bool {
        let by_software = self
            .unit
            .mode
            .current(DEVICE_CONFIGURATION)
            .get(SWP_BYTE)
            .is_some_and(|byte| byte & SWP != 0);
        self.cartridge.as_ref().is_some_and(|cartridge| {
            by_software
                || cartridge.write_protected
                || density::use_of(&cartridge.volume, self.drive_type)
                    != Some(density::Use::ReadAndWrite)
        })
    }

    pub(super) fn generation(&self) -> u8 {
        self.cartridge
            .as_ref()
            .filter(|_| self.loaded)
            .and_then(|cartridge| cartridge.volume.generation())
            .unwrap_or(self.drive_type.generation())
    }

    pub(super) fn mode_header(&self) -> ModeHeader {
        let [_, a, b, c] = self.unit.mode.block_length.to_be_bytes();
        let density = density::code(self.generation());
        let medium_type = match self.loaded {
            true => density::medium_type(self.generation()),
            false => 0,
        };
        // BUFFERED MODE 1h.
        let protected = u8::from(self.loaded && self.is_write_protected()) << 7;
        ModeHeader {
            medium_type,
            device_specific_parameter: protected | 0x10,
            block_descriptor: Some([density, 0, 0, 0, 0, a, b, c]),
        }
    }

    /// Takes the block descriptor of a MODE SELECT: the block length from here on.
    pub(super) fn select_block_length(
        &mut self,
        descriptor: [u8; 8],
    ) -> Result<(), CommandRefusal> {
        let [density, _, _, _, _, a, b, c] = descriptor;
        let length = u32::from_be_bytes([0, a, b, c]);
        // 00h is the default density, 7Fh the present one.
        let known = density == 0 || density == 0x7f || density == density::code(self.generation());
        if !known || length > LONGEST_BLOCK {
            return Err(CommandRefusal::parameter(4));
        }
        self.unit.mode.block_length = length;
        Ok(())
    }

    /// REPORT DENSITY SUPPORT (SSC-4 7.8).
    pub(super) fn report_density(&self, command: ReportDensitySupport) -> CommandResult {
        let medium = if command.media {
            self.ready()?;
            Some(self.generation())
        } else {
            None
        };
        let densities = density::supported(self.drive_type, medium);
        Ok(up_to(
            density_support(&densities),
            command.allocation_length,
        ))
    }

    /// LOAD UNLOAD (SSC-4 7.3).
    pub(super) fn load_unload(
        &mut self,
        command: LoadUnload,
        call: &CommandContext<'_>,
    ) -> CommandResult {
        let LoadUnload { load, at_end, .. } = command;
        if load && at_end {
            return Err(CommandRefusal::field(4, 2));
        }
        let was_loaded = self.loaded;
        let prevented = !self.unit.preventing.is_empty();
        let cartridge = self.cartridge.as_mut().ok_or_else(not_present)?;
        if !load && prevented {
            return Err(CommandRefusal::illegal(
                AdditionalSenseCode::REMOVAL_PREVENTED,
            ));
        }
        // A failed sync is reported once; unloading and loading the cartridge clears it.
        if !cartridge.has_failed() {
            cartridge.sync().map_err(|_| write_error())?;
        }
        if load && !was_loaded {
            cartridge
                .reopen(call.cartridge_store)
                .map_err(|_| write_error())?;
        }
        self.loaded = load;
        self.position = 0;
        if load && !was_loaded {
            self.unit
                .attentions
                .raise_for_others(call.nexus, AdditionalSenseCode::MEDIUM_MAY_HAVE_CHANGED);
        }
        done()
    }
}

pub(super) fn write_error() -> CommandRefusal {
    CommandRefusal::check(SenseKey::MEDIUM_ERROR, AdditionalSenseCode::WRITE_ERROR)
}

fn not_present() -> CommandRefusal {
    CommandRefusal::check(SenseKey::NOT_READY, AdditionalSenseCode::MEDIUM_NOT_PRESENT)
}

const DEVICE_CONFIGURATION: u8 = 0x10;
/// Byte 10 of the device configuration page, behind the two of its header.
const SWP_BYTE: usize = 8;
/// SWP: software write protection.
const SWP: u8 = 0x04;

/// Returns the mode pages of a drive whose cartridges have this capacity in bytes.
fn mode_pages(capacity: u64) -> ModePages {
    let partition = medium_partition(capacity);
    let fixed = MODE_PAGES.iter().copied();
    ModePages::new(fixed.chain([(0x11, &partition[..], &[][..])]))
}

/// Medium partition page (SSC-4 8.4.4), behind its header: no additional partition; PSUM 11b, sizes are in units of 10 to the
/// power of PARTITION UNITS; the format is recognized; the size of the one partition, as exact as 16 bits can say it.
fn medium_partition(capacity: u64) -> [u8; 8] {
    let (units, size) = (0..16u8)
        .zip(std::iter::successors(Some(capacity), |size| {
            Some(size / 10)
        }))
        .find_map(|(units, size)| Some((units, u16::try_from(size).ok()?)))
        .unwrap_or((15, u16::MAX));
    let [high, low] = size.to_be_bytes();
    [0, 0, 0x18, 3, units, 0, high, low]
}

/// The other mode pages of an LTO drive: code, default values behind the page header, changeable bits.
const MODE_PAGES: &[(u8, &[u8], &[u8])] = &[
    // Read-write error recovery: no retries.
    (0x01, &[0; 10], &[]),
    // Disconnect-reconnect: the transport decides.
    (0x02, &[0; 14], &[]),
    // Control: one task set, no descriptor format sense.
    (0x0a, &[0; 10], &[]),
    // Data compression: DCE, DCC, DDE; the algorithm of LTO. Nothing is compressed here, whatever DCE says.
    (
        0x0f,
        &[0xc0, 0x80, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0],
        &[0x80],
    ),
    // Device configuration: LOIS; EEG, SEW; compression selected.
    (
        DEVICE_CONFIGURATION,
        &[0, 0, 0, 0, 0, 0, 0x40, 0, 0x18, 0, 0, 0, 1, 0],
        &[0, 0, 0, 0, 0, 0, 0, 0, SWP, 0, 0, 0, 1],
    ),
    // Informational exceptions control: DEXCPT, MRIE.
    (0x1c, &[0x08, 0, 0, 0, 0, 0, 0, 0, 0, 0], &[0x08, 0x0f]),
];
