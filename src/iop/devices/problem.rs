//! What IBM i would stumble over, or what could not be learnt: the wording of every problem in a report.

use thiserror::Error;

use super::enumerate::NoReply;
use crate::scsi::{DecodeError, SenseData, SenseKey, Status};

/// A problem of a device or of its target; it does not fail the target. Prints as a sentence.
///
/// All text in it that came from a device is escaped already.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Problem {
    /// The target has more logical units than came, or than are looked at.
    #[error(
        "The target has {announced} logical units, and only {looked_at} of them were looked at."
    )]
    LogicalUnitsLeftOut {
        /// As REPORT LUNS says.
        announced: usize,
        /// Looked at.
        looked_at: usize,
    },
    /// INQUIRY failed, and not because the logical unit is not there.
    #[error("LUN {lun} did not say what kind of device it is: {failure}.")]
    Unidentified {
        /// Logical unit number.
        lun: u64,
        /// What came instead.
        failure: CommandFailure,
    },
    /// Something about a device could not be read.
    #[error("The {what} of LUN {lun} could not be read: {failure}.")]
    Unread {
        /// Logical unit number.
        lun: u64,
        /// What was asked for.
        what: &'static str,
        /// What came instead.
        failure: CommandFailure,
    },
    /// READ ELEMENT STATUS announced more drives than it described.
    #[error(
        "The library has {announced} drive elements, and its element status describes only {described} of them."
    )]
    DriveElementsLeftOut {
        /// NUMBER OF ELEMENTS AVAILABLE.
        announced: usize,
        /// Descriptors that came and were kept.
        described: usize,
    },
    /// IBM i takes a virtual tape library for a 3584 only.
    #[error("IBM i expects a 3584, and this library is a {type_model}.")]
    Not3584 {
        /// What it is.
        type_model: String,
    },
    /// IBM i wants one drive type per library.
    #[error("The library has more than one drive type: {}.", products.join(", "))]
    MixedDrives {
        /// The product identifications, each once.
        products: Vec<String>,
    },
    /// IBM i wants LTO3 or newer.
    #[error("Drive {device} ({product}) is older than LTO3.")]
    OldDrive {
        /// Its device name.
        device: String,
        /// PRODUCT IDENTIFICATION.
        product: String,
    },
    /// The library names a drive that the target has not as a logical unit.
    #[error("The drive at element {address} ({identifier}) is not a LUN of this target.")]
    DriveIsNoLun {
        /// ELEMENT ADDRESS.
        address: u16,
        /// The identifier that the library gives.
        identifier: String,
    },
    /// The library does not say which drive is in an element.
    #[error("The library does not say which drive is at element {address}.")]
    DriveUnnamed {
        /// ELEMENT ADDRESS.
        address: u16,
    },
    /// Two elements name the same drive.
    #[error("Element {address} names drive {device} too, which is at element {other}.")]
    DriveNamedTwice {
        /// ELEMENT ADDRESS that comes second.
        address: u16,
        /// Device name of the drive.
        device: String,
        /// ELEMENT ADDRESS that comes first, of this library or of another one of the target.
        other: u16,
    },
    /// An identifier was cut short, and fits exactly one drive.
    #[error(
        "The library's identifier of the drive at element {address} is cut short ({identifier}); \
         {device} was taken for it."
    )]
    DriveByPrefix {
        /// ELEMENT ADDRESS.
        address: u16,
        /// As much of the identifier as came.
        identifier: String,
        /// Device name of the drive that was taken.
        device: String,
    },
    /// An identifier is not the serial number of a drive, and is like that of exactly one.
    #[error(
        "The library's identifier of the drive at element {address} ({identifier}) is not its serial number; \
         {device} was taken for it."
    )]
    DriveByLikeness {
        /// ELEMENT ADDRESS.
        address: u16,
        /// The identifier that the library gives.
        identifier: String,
        /// Device name of the drive that was taken.
        device: String,
    },
    /// A drive that no library on its target names.
    #[error("Drive {device} (LUN {lun}) is in no library of this target.")]
    DriveUnclaimed {
        /// Its device name.
        device: String,
        /// Logical unit number.
        lun: u64,
    },
    /// A device that was seen before in the same re-IPL.
    #[error(
        "{device} is seen twice: LUN {lun} here and LUN {other_lun} of target {other_target} have the same {identity}."
    )]
    SeenTwice {
        /// The name that both have.
        device: String,
        /// What they share: `serial number 0123456789`.
        identity: String,
        /// Logical unit number.
        lun: u64,
        /// Logical unit number of the first.
        other_lun: u64,
        /// Target of the first.
        other_target: String,
    },
}

/// Why a command gave no data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CommandFailure {
    /// CHECK CONDITION with sense data.
    #[error("{0}")]
    Sense(SenseData),
    /// CHECK CONDITION, and no sense data that can be read.
    #[error("CHECK CONDITION without sense data")]
    NoSense,
    /// Another status.
    #[error("{0}")]
    Status(Status),
    /// The reply makes no sense.
    #[error("{0}")]
    Malformed(DecodeError),
    /// There was no reply; the command was not sent again.
    #[error("{}", match .0 {
        NoReply::ConnectionLost => "the connection was lost when it was asked for",
        NoReply::Timeout => "the device did not answer",
        NoReply::Rejected => "the target rejected the command",
    })]
    NoReply(NoReply),
}

impl CommandFailure {
    /// Returns whether the device does not know what it was asked for.
    pub fn is_illegal_request(&self) -> bool {
        matches!(self, Self::Sense(sense) if sense.key == SenseKey::ILLEGAL_REQUEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_a_sentence_with_the_sense_in_words() {
        let sense = SenseData::decode(&[0x70, 0, 2, 0, 0, 0, 0, 10, 0, 0, 0, 0, 4, 1]).unwrap();
        let problem = Problem::Unread {
            lun: 5,
            what: "element status",
            failure: CommandFailure::Sense(sense),
        };
        assert_eq!(
            problem.to_string(),
            "The element status of LUN 5 could not be read: \
             NOT READY 04/01 (logical unit is in process of becoming ready)."
        );
        let problem = Problem::MixedDrives {
            products: vec!["ULT3580-TD5".to_owned(), "ULT3580-TD6".to_owned()],
        };
        assert_eq!(
            problem.to_string(),
            "The library has more than one drive type: ULT3580-TD5, ULT3580-TD6."
        );
    }
}
