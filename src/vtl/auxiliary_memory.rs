//! Medium auxiliary memory: what a cartridge remembers of itself (SPC-4 7.4), beside what is recorded on its tape.
//!
//! It is kept as long as the library exists, and moves with the cartridge from drive to drive.

use std::collections::BTreeMap;

use super::barcode::Barcode;
use super::reply::CommandRefusal;
use crate::scsi::AdditionalSenseCode;
use crate::scsi::data::attribute::{Attribute, AttributeFormat};

/// Bytes that the host's attributes may take together: the memory of an LTO cartridge has 1 KiB for them.
const HOST_SPACE: usize = 1024;

/// Attributes that a host may write, with format and length (SPC-4 table 352).
const HOST_ATTRIBUTES: &[(u16, AttributeFormat, usize)] = &[
    (0x0800, AttributeFormat::Ascii, 8),
    (0x0801, AttributeFormat::Ascii, 32),
    (0x0802, AttributeFormat::Ascii, 8),
    (0x0803, AttributeFormat::Text, 160),
    (0x0804, AttributeFormat::Ascii, 12),
    (0x0805, AttributeFormat::Binary, 1),
    (0x0806, AttributeFormat::Ascii, 32),
    (0x0807, AttributeFormat::Text, 80),
    (0x0808, AttributeFormat::Text, 160),
    (0x080b, AttributeFormat::Ascii, 16),
];

/// What a cartridge remembers.
#[derive(Clone, Debug, Default)]
pub(super) struct AuxiliaryMemory {
    /// How often it was loaded.
    pub(super) loads: u64,
    /// Bytes over its whole life, and since it was loaded last.
    pub(super) written: MediumUsage,
    pub(super) read: MediumUsage,
    /// Vendor and serial number of the drives that loaded it, the last one first, at most four.
    drives: Vec<String>,
    host: BTreeMap<u16, Attribute>,
}

/// Bytes and errors of one direction.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MediumUsage {
    pub(super) bytes: u64,
    pub(super) errors: u64,
    pub(super) bytes_this_load: u64,
    pub(super) errors_this_load: u64,
}

impl MediumUsage {
    pub(super) fn add(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
        self.bytes_this_load = self.bytes_this_load.saturating_add(bytes);
    }

    pub(super) fn add_error(&mut self) {
        self.errors = self.errors.saturating_add(1);
        self.errors_this_load = self.errors_this_load.saturating_add(1);
    }

    fn loaded(&mut self) {
        self.bytes_this_load = 0;
        self.errors_this_load = 0;
    }
}

/// What the drive knows of the cartridge that is loaded.
pub(super) struct LoadedMedium<'a> {
    pub(super) volume: &'a Barcode,
    /// Bytes that are left, and all.
    pub(super) remaining: u64,
    pub(super) capacity: u64,
    pub(super) generation: u8,
    pub(super) density: u8,
}

impl AuxiliaryMemory {
    /// Takes note that a drive has loaded the cartridge.
    pub(super) fn loaded_by(&mut self, drive_serial: &str) {
        self.loads = self.loads.saturating_add(1);
        self.written.loaded();
        self.read.loaded();
        self.drives.insert(0, format!("{:<8}{drive_serial}", "IBM"));
        self.drives.truncate(4);
    }

    /// Returns all attributes, in the order of their identifiers.
    pub(super) fn attributes(&self, loaded: &LoadedMedium<'_>) -> Vec<Attribute> {
        let number = |identifier, value: u64| Attribute::number(identifier, value.to_be_bytes());
        let mut attributes = vec![
            number(0x0000, loaded.remaining >> 20),
            number(0x0001, loaded.capacity >> 20),
            number(0x0003, self.loads),
            number(0x0004, u64::try_from(self.space_left()).unwrap_or(0)),
            Attribute::ascii(0x0005, "LTO-CVE", 8),
            Attribute::number(0x0006, [loaded.density]),
        ];
        for (identifier, drive) in (0x020a..).zip(&self.drives) {
            attributes.push(Attribute::ascii(identifier, drive, 40));
        }
        attributes.extend([
            number(0x0220, self.written.bytes >> 20),
            number(0x0221, self.read.bytes >> 20),
            number(0x0222, self.written.bytes_this_load >> 20),
            number(0x0223, self.read.bytes_this_load >> 20),
            Attribute::ascii(0x0400, "IBM", 8),
            Attribute::ascii(0x0401, &serial_number(loaded.volume), 32),
            Attribute::number(0x0402, length_in_metres(loaded.generation).to_be_bytes()),
            // MEDIUM WIDTH in tenths of a millimetre.
            Attribute::number(0x0403, 127u32.to_be_bytes()),
            Attribute::ascii(0x0404, "LTO-CVE", 8),
            Attribute::number(0x0405, [loaded.density]),
            number(0x0407, u64::try_from(HOST_SPACE).unwrap_or(0)),
            // A data medium.
            Attribute::number(0x0408, [0]),
        ]);
        attributes.extend(self.host.values().cloned());
        attributes
    }

    /// Returns the identifiers of all attributes that can be there.
    pub(super) fn supported(&self, loaded: &LoadedMedium<'_>) -> Vec<u16> {
        let own = self.attributes(loaded);
        let own = own.iter().filter(|attribute| attribute.read_only);
        own.map(|attribute| attribute.identifier)
            .chain(HOST_ATTRIBUTES.iter().map(|(identifier, ..)| *identifier))
            .collect()
    }

    /// WRITE ATTRIBUTE (SPC-4 6.46): all or nothing.
    pub(super) fn write(&mut self, list: Vec<Attribute>) -> Result<(), CommandRefusal> {
        let mut host = self.host.clone();
        // The list begins behind its length.
        let mut at = 4usize;
        for attribute in list {
            let is_known = HOST_ATTRIBUTES.iter().any(|(identifier, format, length)| {
                *identifier == attribute.identifier
                    && *format == attribute.format
                    && (attribute.value.is_empty() || attribute.value.len() == *length)
            });
            if !is_known {
                return Err(CommandRefusal::parameter(at));
            }
            at = at.saturating_add(5).saturating_add(attribute.value.len());
            if attribute.value.is_empty() {
                host.remove(&attribute.identifier);
            } else {
                let attribute = Attribute {
                    read_only: false,
                    ..attribute
                };
                host.insert(attribute.identifier, attribute);
            }
        }
        if space_of(&host) > HOST_SPACE {
            return Err(CommandRefusal::illegal(
                AdditionalSenseCode::AUXILIARY_MEMORY_OUT_OF_SPACE,
            ));
        }
        self.host = host;
        Ok(())
    }

    fn space_left(&self) -> usize {
        HOST_SPACE.saturating_sub(space_of(&self.host))
    }
}

fn space_of(host: &BTreeMap<u16, Attribute>) -> usize {
    host.values().fold(0, |sum, attribute| {
        sum.saturating_add(5).saturating_add(attribute.value.len())
    })
}

/// Returns the MEDIUM SERIAL NUMBER: the same for a barcode always, and another for another one.
pub(super) fn serial_number(volume: &Barcode) -> String {
    format!("V{volume}")
}

/// Returns MEDIUM LENGTH of a data cartridge of a generation, in metres.
fn length_in_metres(generation: u8) -> u32 {
    match generation {
        ..=2 => 609,
        3 => 680,
        4 => 820,
        5 | 6 => 846,
        7 | 8 => 960,
        _ => 1035,
    }
}
