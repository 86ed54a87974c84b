//! What a library is made of, and what is wrong with such a wish.

use std::path::PathBuf;

use thiserror::Error;

use super::barcode::Barcode;
use super::fault::LibraryFaults;
use crate::storage::{StorageError, quoted};

/// What a library is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LibraryConfiguration {
    /// Serial number: 1 to 12 letters and digits, filled up with zeros on the left. The serial numbers of the drives
    /// are its last six characters and four digits, so that two libraries of one host must differ in those six.
    pub serial: String,
    /// Number of drives, 1 to [`LibraryConfiguration::MAX_DRIVES`].
    pub drives: u16,
    /// What the drives are; all are the same, as IBM i demands.
    pub drive_type: DriveType,
    /// Number of storage elements, 1 to [`LibraryConfiguration::MAX_SLOTS`].
    pub slots: u16,
    /// Number of import/export elements, at most [`LibraryConfiguration::MAX_IMPORT_EXPORT`].
    pub import_export: u16,
    /// The cartridges that the library has at least. One that a media directory does not have yet is made, blank.
    pub cartridges: Vec<Barcode>,
    /// Capacity of every cartridge in bytes. Each block costs its length and [`super::media::RECORD_COST`] bytes,
    /// each filemark that cost alone.
    pub cartridge_size: u64,
    /// Cartridges whose write-protect tab is set.
    pub write_protected: Vec<Barcode>,
    /// Where the recorded data is kept.
    pub media: Media,
    /// What the library does wrong.
    pub faults: LibraryFaults,
}

impl LibraryConfiguration {
    /// The most drives that fit between the first drive's address and the first import/export element's.
    pub const MAX_DRIVES: u16 = 512;
    /// The most import/export elements that fit below the first storage element.
    pub const MAX_IMPORT_EXPORT: u16 = 255;
    /// The most storage elements.
    pub const MAX_SLOTS: u16 = 60_000;

    /// Returns `count` barcodes as tape librarians print them: `VOL001L8` and so on, the suffix that of the drive
    /// type's own generation.
    pub fn barcodes(drive_type: DriveType, count: u16) -> Vec<Barcode> {
        (1..=count)
            .map(|number| Barcode::numbered(number, drive_type.generation()))
            .collect()
    }

    pub(super) fn validate(&self) -> Result<(), LibraryError> {
        let within = |item, asked: u16, smallest, largest| {
            if (smallest..=largest).contains(&asked) {
                return Ok(());
            }
            Err(LibraryError::Count {
                item,
                asked,
                smallest,
                largest,
            })
        };
        within("drives", self.drives, 1, Self::MAX_DRIVES)?;
        within("storage elements", self.slots, 1, Self::MAX_SLOTS)?;
        within(
            "import/export elements",
            self.import_export,
            0,
            Self::MAX_IMPORT_EXPORT,
        )?;
        let is_serial = (1..=12).contains(&self.serial.len())
            && self.serial.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !is_serial {
            return Err(LibraryError::Serial {
                serial: self.serial.clone(),
            });
        }
        Ok(())
    }
}

impl Default for LibraryConfiguration {
    /// Two LTO-8 drives, 20 slots, 4 import/export elements, 10 cartridges of 1 GiB, 4 GiB of memory at most.
    fn default() -> Self {
        Self {
            serial: "78A1234".to_owned(),
            drives: 2,
            drive_type: DriveType::Lto8,
            slots: 20,
            import_export: 4,
            cartridges: Self::barcodes(DriveType::Lto8, 10),
            cartridge_size: 1 << 30,
            write_protected: Vec::new(),
            media: Media::InMemory { limit: 4 << 30 },
            faults: LibraryFaults::default(),
        }
    }
}

/// Where the recorded data is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Media {
    /// In memory, gone when the library is dropped.
    InMemory {
        /// The most that all cartridges together may hold, in bytes, counted as for a cartridge's capacity. A write
        /// beyond it meets the end of the medium.
        limit: u64,
    },
    /// As SIMH .tap files in this directory, which is made when it is not there. Nothing else may write there while the
    /// library exists.
    Directory(PathBuf),
}

/// The type of a drive: an IBM Ultrium generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DriveType {
    /// ULT3580-TD5.
    Lto5,
    /// ULT3580-TD6.
    Lto6,
    /// ULT3580-TD7.
    Lto7,
    /// ULT3580-TD8.
    Lto8,
    /// ULT3580-TD9.
    Lto9,
}

impl DriveType {
    /// All types, the oldest first.
    pub const ALL: [Self; 5] = [Self::Lto5, Self::Lto6, Self::Lto7, Self::Lto8, Self::Lto9];

    /// Returns the LTO generation, 5 to 9.
    pub fn generation(self) -> u8 {
        match self {
            Self::Lto5 => 5,
            Self::Lto6 => 6,
            Self::Lto7 => 7,
            Self::Lto8 => 8,
            Self::Lto9 => 9,
        }
    }

    /// Returns the type with this name, `LTO5` to `LTO9`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|drive_type| drive_type.name() == name)
    }

    /// Returns the name, `LTO5` to `LTO9`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lto5 => "LTO5",
            Self::Lto6 => "LTO6",
            Self::Lto7 => "LTO7",
            Self::Lto8 => "LTO8",
            Self::Lto9 => "LTO9",
        }
    }

    /// Returns the PRODUCT IDENTIFICATION, blank padded.
    pub(super) fn product(self) -> [u8; 16] {
        let mut product = *b"ULT3580-TD0     ";
        if let Some(digit) = product.get_mut(10) {
            *digit = b'0'.saturating_add(self.generation());
        }
        product
    }
}

/// Why a library cannot be made of a configuration.
#[derive(Debug, Error)]
pub enum LibraryError {
    /// A number of elements is out of bounds.
    #[error("a library has {smallest} to {largest} {item}, not {asked}")]
    Count {
        /// What is counted.
        item: &'static str,
        /// The number asked for.
        asked: u16,
        /// The smallest number.
        smallest: u16,
        /// The largest number.
        largest: u16,
    },
    /// The serial number is not 1 to 12 letters and digits.
    #[error("a serial number is 1 to 12 letters and digits, not `{serial}`")]
    Serial {
        /// The one given.
        serial: String,
    },
    /// A barcode was given twice.
    #[error("cartridge {volume} is listed twice")]
    DuplicateVolume {
        /// Its barcode.
        volume: Barcode,
    },
    /// A volume to be write protected is not there.
    #[error("cartridge {volume}, to be write protected, is not in the library")]
    UnknownVolume {
        /// Its barcode.
        volume: Barcode,
    },
    /// More cartridges than elements.
    #[error("no element is free for cartridge {volume}")]
    NoRoom {
        /// The first one without a place.
        volume: Barcode,
    },
    /// Another library has the media directory.
    #[error("the media directory {} is in use{}", quoted(path), by(*pid))]
    InUse {
        /// The directory.
        path: PathBuf,
        /// The process that has it, where its lock file says so.
        pid: Option<u32>,
    },
    /// The media directory could not be read or written, or others can write it.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// library.json is not what this program writes.
    #[error(
        "{} is not a library's contents: line {line}, column {column}",
        quoted(path)
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where it goes wrong, from 1.
        line: usize,
        /// Where in the line, from 1.
        column: usize,
    },
    /// library.json is of a later version.
    #[error(
        "{} has schema {schema}, which is newer than this program",
        quoted(path)
    )]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// Its schema.
        schema: u64,
    },
}

fn by(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" by process {pid}"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn barcodes_carry_the_suffix_of_their_generation() {
        let barcodes = LibraryConfiguration::barcodes(DriveType::Lto8, 2);
        let texts: Vec<_> = barcodes.iter().map(Barcode::as_str).collect();
        assert_eq!(texts, ["VOL001L8", "VOL002L8"]);
        let last = Barcode::numbered(1234, DriveType::Lto5.generation());
        assert_eq!(last.as_str(), "VO1234L5");
    }

    #[test]
    fn drive_types_have_names_and_products() {
        for drive_type in DriveType::ALL {
            assert_eq!(DriveType::from_name(drive_type.name()), Some(drive_type));
        }
        assert_eq!(DriveType::from_name("LTO4"), None);
        assert_eq!(&DriveType::Lto9.product(), b"ULT3580-TD9     ");
    }

    #[test]
    fn a_library_that_cannot_be_is_refused() {
        let with = |change: fn(&mut LibraryConfiguration)| {
            let mut configuration = LibraryConfiguration::default();
            change(&mut configuration);
            configuration.validate().map_err(|error| error.to_string())
        };
        assert_eq!(with(|_| ()), Ok(()));
        assert_eq!(
            with(|wish| wish.drives = 0).unwrap_err(),
            "a library has 1 to 512 drives, not 0"
        );
        assert!(with(|wish| wish.slots = 60_001).is_err());
        assert!(with(|wish| wish.import_export = 256).is_err());
        assert!(with(|wish| wish.serial = "A-1".to_owned()).is_err());
        assert!(with(|wish| wish.serial = "A".repeat(13)).is_err());
    }
}
