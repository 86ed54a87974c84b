//! SCSI without I/O, both sides of every command: what tape libraries and their drives are asked, and what they answer.
//!
//! | module | what it holds |
//! |---|---|
//! | [`command`] | [`Command`]: parsed from a CDB once, encoded from the same type; knows direction and length of its transfer |
//! | [`data`] | parameter data, encoded and decoded side by side: INQUIRY and VPD, mode and log pages, element status, positions, reservations |
//! | [`lun`] | logical unit numbers |
//! | [`sense`] | sense data, sense keys and additional sense codes, in words (SPC-4 4.5) |
//! | [`names`] | names of operation codes and pages, for a trace |
//! | [`status`] | status codes (SAM-5 5.3.1) |
//! | [`reader`] | the one bounded reader through which every byte of a reply is read |
//!
//! Parameter data is decoded from whatever bytes came: what the allocation length (or a device) has cut off is used as
//! far as it goes where the standard allows that, and is a [`DecodeError`] otherwise. Nothing here panics, whatever a
//! peer sends.

pub mod command;
pub mod data;
pub mod lun;
pub mod names;
pub mod reader;
pub mod sense;
pub mod status;

use std::fmt;

pub use command::{Command, Transfer};
pub use lun::Lun;
pub use sense::{AdditionalSenseCode, FieldPointer, SenseData, SenseKey};
pub use status::Status;
use thiserror::Error;

/// A command descriptor block of 6, 10, 12 or 16 bytes (SPC-4 4.3).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Cdb {
    bytes: [u8; 16],
    length: usize,
}

impl Cdb {
    /// Returns the bytes as they go on the wire, without padding.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&self.bytes)
    }

    fn padded<const N: usize>(block: [u8; N]) -> Self {
        let mut bytes = [0; 16];
        for (to, from) in bytes.iter_mut().zip(block) {
            *to = from;
        }
        Self { bytes, length: N }
    }
}

impl From<[u8; 6]> for Cdb {
    fn from(block: [u8; 6]) -> Self {
        Self::padded(block)
    }
}

impl From<[u8; 10]> for Cdb {
    fn from(block: [u8; 10]) -> Self {
        Self::padded(block)
    }
}

impl From<[u8; 12]> for Cdb {
    fn from(block: [u8; 12]) -> Self {
        Self::padded(block)
    }
}

impl From<[u8; 16]> for Cdb {
    fn from(block: [u8; 16]) -> Self {
        Self::padded(block)
    }
}

impl fmt::Debug for Cdb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cdb(")?;
        for (index, byte) in self.as_bytes().iter().enumerate() {
            let gap = if index == 0 { "" } else { " " };
            write!(f, "{gap}{byte:02x}")?;
        }
        f.write_str(")")
    }
}

/// What is wrong with bytes that a device sent: always the device's fault, or of what lies between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The reply ends before a field that it cannot do without.
    #[error(
        "the device's {item} is too short: expected a length of at least {expected}, received {received}"
    )]
    Truncated {
        /// What was being read.
        item: &'static str,
        /// Bytes that the field needs, from the start of the item.
        expected: usize,
        /// Bytes that came.
        received: usize,
    },
    /// A code is not the one that was asked for, or none that the standard defines here.
    #[error("the device's {item} has {field} {received:02X}h, expected {expected:02X}h")]
    UnexpectedCode {
        /// What was being read.
        item: &'static str,
        /// The field's name in the standard.
        field: &'static str,
        /// The code that was asked for.
        expected: u8,
        /// The code that came.
        received: u8,
    },
    /// A length that the rest of the item contradicts.
    #[error("the device's {item} has {field} {received}, expected at least {expected}")]
    LengthTooSmall {
        /// What was being read.
        item: &'static str,
        /// The field's name in the standard.
        field: &'static str,
        /// The smallest length that the standard allows.
        expected: usize,
        /// The length that came.
        received: usize,
    },
    /// More parts than any device has; a bound on memory.
    #[error("the device's {item} has more than {limit} parts")]
    TooMany {
        /// What was being read.
        item: &'static str,
        /// The most that are read.
        limit: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cdb_goes_out_without_padding() {
        let cdb = Cdb::from([0x12, 0x01, 0x80, 0x00, 0xff, 0x00]);
        assert_eq!(cdb.as_bytes(), [0x12, 0x01, 0x80, 0x00, 0xff, 0x00]);
        assert_eq!(format!("{cdb:?}"), "Cdb(12 01 80 00 ff 00)");
        assert_eq!(Cdb::from([0xa0; 12]).as_bytes().len(), 12);
        assert_eq!(Cdb::from([0x5a; 10]).as_bytes().len(), 10);
        assert_eq!(Cdb::from([0x91; 16]).as_bytes().len(), 16);
    }
}
