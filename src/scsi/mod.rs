//! SCSI without I/O: what tape libraries are asked, and what their answers mean.
//!
//! | module | what it holds |
//! |---|---|
//! | [`reader`] | the one bounded reader through which every byte of a reply is read |
//! | [`sense`] | sense data, sense keys and additional sense codes, in words (SPC-4 4.5) |
//! | [`spc`] | commands of every device (SPC-4): INQUIRY, REPORT LUNS, MODE SENSE and the like |
//! | [`vpd`] | vital product data pages 00h, 80h, 83h and IBM's D0h (SPC-4 7.8) |
//! | [`smc`] | commands of medium changers: element addresses and element status (SMC-3) |
//! | [`ssc`] | commands of tape drives: blocks, filemarks and positions (SSC-4) |
//!
//! A function that builds a command returns a [`Request`]: the CDB and the number of bytes that its reply may have.
//! A reply is decoded from whatever bytes came: what the allocation length (or a device) has cut off is used as far
//! as it goes where the standard allows that, and is a [`DecodeError`] otherwise. Nothing here panics, whatever a
//! device sends.

pub mod reader;
pub mod sense;
pub mod smc;
pub mod spc;
pub mod ssc;
pub mod vpd;

use std::fmt;

pub use sense::{AdditionalSenseCode, SenseData, SenseKey};
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

/// A command and the room for its reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// The command descriptor block.
    pub cdb: Cdb,
    /// ALLOCATION LENGTH of the CDB, in bytes: the most that the device may return. 0 for a command without a reply.
    ///
    /// The expected data transfer length of the transport must be the same: tgt refuses an allocation length beyond
    /// it.
    pub allocation_length: u32,
}

/// A status code as the device server returned it (SAM-5 5.3.1). Unknown codes are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Status(pub u8);

impl Status {
    /// The command was done.
    pub const GOOD: Self = Self(0x00);
    /// Sense data says what happened.
    pub const CHECK_CONDITION: Self = Self(0x02);
    /// The condition of the command is met (PRE-FETCH and the like).
    pub const CONDITION_MET: Self = Self(0x04);
    /// The logical unit is busy; the command may be sent again later.
    pub const BUSY: Self = Self(0x08);
    /// Another initiator holds a reservation.
    pub const RESERVATION_CONFLICT: Self = Self(0x18);
    /// The logical unit cannot queue one more command; it may be sent again later.
    pub const TASK_SET_FULL: Self = Self(0x28);
    /// An auto contingent allegiance stands.
    pub const ACA_ACTIVE: Self = Self(0x30);
    /// Another initiator aborted the command.
    pub const TASK_ABORTED: Self = Self(0x40);
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match *self {
            Self::GOOD => "GOOD",
            Self::CHECK_CONDITION => "CHECK CONDITION",
            Self::CONDITION_MET => "CONDITION MET",
            Self::BUSY => "BUSY",
            Self::RESERVATION_CONFLICT => "RESERVATION CONFLICT",
            Self::TASK_SET_FULL => "TASK SET FULL",
            Self::ACA_ACTIVE => "ACA ACTIVE",
            Self::TASK_ABORTED => "TASK ABORTED",
            Self(code) => return write!(f, "status {code:02X}h"),
        };
        f.write_str(name)
    }
}

/// What is wrong with bytes that a device sent: always the device's fault, or of what lies between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The reply ends before a field that it cannot do without.
    #[error(
        "the device's {item} is too short: expected at least {expected} bytes, received {received}"
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

    #[test]
    fn a_status_prints_its_name_and_an_unknown_one_its_code() {
        assert_eq!(
            Status::RESERVATION_CONFLICT.to_string(),
            "RESERVATION CONFLICT"
        );
        assert_eq!(Status(0x22).to_string(), "status 22h");
    }
}
