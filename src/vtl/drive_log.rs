//! What a tape drive counts and reports of its use: log pages, TapeAlert and the cartridge's memory.

use super::auxiliary_memory::LoadedMedium;
use super::density;
use super::drive::Drive;
use super::log;
use super::logical_unit::CommandContext;
use super::reply::{CommandRefusal, CommandResult, done, up_to};
use crate::scsi::SenseKey;
use crate::scsi::command::{LogSense, ReadAttribute, ReadAttributeAction, WriteAttribute};
use crate::scsi::data::attribute;
use crate::scsi::data::log::{LogPage, TAPE_ALERT};

/// TapeAlert flags (SSC-4 annex A): the drive, its medium, or what was asked of it failed.
const HARD_ERROR: u8 = 3;
const READ_FAILURE: u8 = 5;
const WRITE_FAILURE: u8 = 6;
const WRITE_PROTECT: u8 = 9;

impl Drive {
    /// Counts bytes that were written on the cartridge.
    pub(super) fn count_written(&mut self, bytes: u64) {
        self.written.add(bytes);
        if let Some(cartridge) = &mut self.cartridge {
            cartridge.memory.written.add(bytes);
        }
    }

    /// Counts bytes that were read from the cartridge.
    pub(super) fn count_read(&mut self, bytes: u64) {
        self.read.add(bytes);
        if let Some(cartridge) = &mut self.cartridge {
            cartridge.memory.read.add(bytes);
        }
    }

    /// Counts the error, if it is one, that a command which writes ended with.
    pub(super) fn noted_write(&mut self, outcome: CommandResult) -> CommandResult {
        match failed_with(&outcome) {
            Some(SenseKey::MEDIUM_ERROR) => {
                self.alerts.extend([HARD_ERROR, WRITE_FAILURE]);
                self.written.add_error();
                if let Some(cartridge) = &mut self.cartridge {
                    cartridge.memory.written.add_error();
                }
            }
            Some(SenseKey::DATA_PROTECT) => {
                self.alerts.insert(WRITE_PROTECT);
            }
            _ => {}
        }
        outcome
    }

    /// Counts the error, if it is one, that a command which reads ended with.
    pub(super) fn noted_read(&mut self, outcome: CommandResult) -> CommandResult {
        if failed_with(&outcome) == Some(SenseKey::MEDIUM_ERROR) {
            self.alerts.extend([HARD_ERROR, READ_FAILURE]);
            self.read.add_error();
            if let Some(cartridge) = &mut self.cartridge {
                cartridge.memory.read.add_error();
            }
        }
        outcome
    }

    /// LOG SENSE (SPC-4 6.7). Reporting the TapeAlert page clears its flags (SSC-4 4.2.20).
    pub(super) fn log_sense(&mut self, command: LogSense) -> CommandResult {
        let outcome = log::sense(command, &self.log_pages());
        if outcome.is_ok() && command.page_code == TAPE_ALERT {
            self.alerts.clear();
        }
        outcome
    }

    fn log_pages(&self) -> Vec<LogPage> {
        let (remaining, maximum) = self.capacity_left().unwrap_or_default();
        let status = log::DeviceStatus {
            write_protected: self.is_write_protected(),
            medium_present: self.cartridge.is_some(),
            mounted: self.ready().is_ok(),
            tape_alert: !self.alerts.is_empty(),
        };
        let cartridge = self.cartridge.as_ref().filter(|_| self.ready().is_ok());
        vec![
            log::error_counters(crate::scsi::data::log::WRITE_ERROR_COUNTERS, self.written),
            log::error_counters(crate::scsi::data::log::READ_ERROR_COUNTERS, self.read),
            log::sequential_access(self.written.bytes, self.read.bytes),
            log::device_status(status),
            log::volume_statistics(cartridge, remaining, maximum),
            log::tape_alert(&self.alerts),
            log::tape_capacity(remaining, maximum),
        ]
    }

    /// Returns how many bytes the loaded cartridge has left behind the end of its data, and how many it has; what is left
    /// counts the space behind early warning.
    fn capacity_left(&self) -> Option<(u64, u64)> {
        let used = self.ready().ok()?.used();
        Some((self.capacity.saturating_sub(used), self.capacity))
    }

    /// READ ATTRIBUTE (SPC-4 6.18) of the loaded cartridge.
    pub(super) fn read_attribute(&self, command: ReadAttribute) -> CommandResult {
        self.ready()?;
        check_place(command.logical_volume, command.partition)?;
        let cartridge = self.cartridge.as_ref();
        let (remaining, capacity) = self.capacity_left().unwrap_or_default();
        let cartridge = cartridge.ok_or_else(|| CommandRefusal::field(1, 4))?;
        let loaded = LoadedMedium {
            volume: &cartridge.volume,
            remaining,
            capacity,
            generation: self.generation(),
            density: density::code(self.generation()),
        };
        let first = command.first_attribute;
        let data = match command.action {
            ReadAttributeAction::Values => {
                let mut attributes = cartridge.memory.attributes(&loaded);
                attributes.retain(|attribute| attribute.identifier >= first);
                if attributes.is_empty() {
                    return Err(CommandRefusal::field(8, 7));
                }
                attribute::encode(&attributes)
            }
            ReadAttributeAction::List => {
                let attributes = cartridge.memory.attributes(&loaded);
                let identifiers = attributes.iter().map(|attribute| attribute.identifier);
                attribute::encode_identifiers(identifiers.filter(|own| *own >= first))
            }
            ReadAttributeAction::Supported => {
                let identifiers = cartridge.memory.supported(&loaded);
                let wanted = identifiers.into_iter().filter(|own| *own >= first);
                attribute::encode_identifiers(wanted)
            }
            // One logical volume, one partition, both number 0.
            ReadAttributeAction::LogicalVolumeList | ReadAttributeAction::PartitionList => {
                vec![0, 2, 0, 1]
            }
        };
        Ok(up_to(data, command.allocation_length))
    }

    /// WRITE ATTRIBUTE (SPC-4 6.46) of the loaded cartridge.
    pub(super) fn write_attribute(
        &mut self,
        command: WriteAttribute,
        call: &CommandContext<'_>,
    ) -> CommandResult {
        self.ready()?;
        check_place(command.logical_volume, command.partition)?;
        let list = call.parameter_list(command.parameter_list_length)?;
        if list.is_empty() {
            return done();
        }
        let attributes =
            attribute::decode_list(list).map_err(|_| CommandRefusal::parameter_list_length())?;
        if let Some(cartridge) = &mut self.cartridge {
            cartridge.memory.write(attributes)?;
        }
        done()
    }
}

/// There is one logical volume and one partition.
fn check_place(logical_volume: u8, partition: u8) -> Result<(), CommandRefusal> {
    match (logical_volume, partition) {
        (0, 0) => Ok(()),
        (0, _) => Err(CommandRefusal::field(7, 7)),
        _ => Err(CommandRefusal::field(5, 7)),
    }
}

/// Returns the sense key of a command that was not simply done.
fn failed_with(outcome: &CommandResult) -> Option<SenseKey> {
    match outcome {
        Err(CommandRefusal::Check { sense, .. }) if !sense.deferred => Some(sense.key),
        _ => None,
    }
}
