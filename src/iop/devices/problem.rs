//! What IBM i would stumble over, or what could not be learnt, as plain data; `render::words` has the sentences.

use serde::{Deserialize, Serialize};

use super::enumerate::NoReply;
use crate::iop::active::Recorded;
use crate::iscsi::departure::Departure;
use crate::scsi::{DecodeError, SenseData, SenseKey, Status};

/// A problem of a device or of its target; it does not fail the target.
///
/// All text in it that came from a device is escaped already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "problem", rename_all = "kebab-case")]
pub enum Problem {
    /// The target has more logical units than came, or than are asked.
    LogicalUnitsLeftOut {
        /// As REPORT LUNS says.
        announced: usize,
        /// How many were asked.
        looked_at: usize,
    },
    /// INQUIRY failed, and not because the logical unit is not there.
    Unidentified {
        /// Logical unit number.
        lun: u64,
        /// What came instead.
        failure: CommandFailure,
    },
    /// Something about a device could not be read.
    Unread {
        /// Logical unit number.
        lun: u64,
        /// What was asked for, by its name in the standard.
        what: String,
        /// What came instead.
        failure: CommandFailure,
    },
    /// READ ELEMENT STATUS announced more drives than it described.
    DriveElementsLeftOut {
        /// NUMBER OF ELEMENTS AVAILABLE.
        announced: usize,
        /// Descriptors that came and were kept.
        described: usize,
    },
    /// IBM i takes a virtual tape library for a 3584 only.
    Not3584 {
        /// What it is.
        type_model: String,
    },
    /// IBM i wants one drive type per library.
    MixedDrives {
        /// The product identifications, each once.
        products: Vec<String>,
    },
    /// IBM i wants LTO3 or newer.
    OldDrive {
        /// Its device name.
        device: String,
        /// PRODUCT IDENTIFICATION.
        product: String,
    },
    /// The library names a drive that the target has not as a logical unit.
    DriveIsNoLun {
        /// ELEMENT ADDRESS.
        address: u16,
        /// The identifier that the library gives.
        identifier: String,
    },
    /// The library does not say which drive is in an element.
    DriveUnnamed {
        /// ELEMENT ADDRESS.
        address: u16,
    },
    /// Two elements name the same drive.
    DriveNamedTwice {
        /// ELEMENT ADDRESS that comes second.
        address: u16,
        /// Device name of the drive.
        device: String,
        /// ELEMENT ADDRESS that comes first, of this library or of another one of the target.
        other: u16,
    },
    /// An identifier was cut short, and fits exactly one drive.
    DriveByPrefix {
        /// ELEMENT ADDRESS.
        address: u16,
        /// As much of the identifier as came.
        identifier: String,
        /// Device name of the drive that was taken.
        device: String,
    },
    /// An identifier is not the serial number of a drive, and is like that of exactly one.
    DriveByLikeness {
        /// ELEMENT ADDRESS.
        address: u16,
        /// The identifier that the library gives.
        identifier: String,
        /// Device name of the drive that was taken.
        device: String,
    },
    /// A drive that no library on its target names.
    DriveUnclaimed {
        /// Its device name.
        device: String,
        /// Logical unit number.
        lun: u64,
    },
    /// A device that was seen before in the same re-IPL.
    SeenTwice {
        /// The name that both have.
        device: String,
        /// What they share.
        identity: SharedIdentity,
        /// Logical unit number.
        lun: u64,
        /// Logical unit number of the first.
        other_lun: u64,
        /// Target of the first.
        other_target: String,
    },
    /// The target shows this initiator neither a medium changer nor a tape drive.
    NoTapeDevice {
        /// The initiator name of the session.
        initiator_name: String,
    },
    /// CHAP is configured, and the target asked for no authentication (RFC 7143 section 13.1).
    NotAuthenticated,
    /// The target departed from RFC 7143 where nothing is at stake; it was tolerated.
    Departure {
        /// How, and from which section.
        departure: Departure,
    },
    /// A problem of a record that this version cannot read, or that was kept as a sentence.
    Unknown {
        /// The sentence, where the record has one.
        message: Option<String>,
    },
}

impl Recorded for Problem {
    fn unknown(message: Option<String>) -> Self {
        Self::Unknown { message }
    }
}

/// What two devices share that are taken for one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum SharedIdentity {
    /// The unit serial number (VPD page 80h).
    SerialNumber {
        /// The number, escaped.
        serial: String,
    },
    /// A designator of the logical unit (VPD page 83h).
    Designator {
        /// Its type and its bytes in hex: `3:5000000000000001`.
        designator: String,
    },
    /// Neither is there: the target name and the logical unit number.
    Place,
}

/// Why a command gave no data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "RecordedCommandFailure", try_from = "RecordedCommandFailure")]
pub enum CommandFailure {
    /// CHECK CONDITION with sense data.
    Sense(SenseData),
    /// CHECK CONDITION, and no sense data that can be read.
    NoSense,
    /// Another status.
    Status(Status),
    /// The reply makes no sense.
    Malformed {
        /// What is wrong with it.
        detail: String,
    },
    /// There was no reply; the command was not sent again.
    NoReply(NoReply),
}

impl CommandFailure {
    /// Returns whether the device does not know what it was asked for.
    pub fn is_illegal_request(&self) -> bool {
        matches!(self, Self::Sense(sense) if sense.key == SenseKey::ILLEGAL_REQUEST)
    }
}

impl From<DecodeError> for CommandFailure {
    fn from(error: DecodeError) -> Self {
        Self::Malformed {
            detail: error.to_string(),
        }
    }
}

/// A [`CommandFailure`] as a record has it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "failure", rename_all = "kebab-case")]
enum RecordedCommandFailure {
    Sense {
        #[serde(default)]
        deferred: bool,
        sense_key: u8,
        asc: u8,
        ascq: u8,
    },
    NoSense,
    Status {
        status: u8,
    },
    Malformed {
        detail: String,
    },
    NoReply {
        reason: NoReply,
    },
}

impl From<CommandFailure> for RecordedCommandFailure {
    fn from(failure: CommandFailure) -> Self {
        match failure {
            CommandFailure::Sense(sense) => Self::Sense {
                deferred: sense.deferred,
                sense_key: sense.key.0,
                asc: sense.code.asc,
                ascq: sense.code.ascq,
            },
            CommandFailure::NoSense => Self::NoSense,
            CommandFailure::Status(status) => Self::Status { status: status.0 },
            CommandFailure::Malformed { detail } => Self::Malformed { detail },
            CommandFailure::NoReply(reason) => Self::NoReply { reason },
        }
    }
}

impl TryFrom<RecordedCommandFailure> for CommandFailure {
    type Error = DecodeError;

    fn try_from(failure: RecordedCommandFailure) -> Result<Self, DecodeError> {
        Ok(match failure {
            RecordedCommandFailure::Sense {
                deferred,
                sense_key,
                asc,
                ascq,
            } => {
                // Fixed format (SPC-4 4.5.3): response code, sense key and additional sense code.
                let response_code = if deferred { 0x71 } else { 0x70 };
                let fixed = [
                    response_code,
                    0,
                    sense_key,
                    0,
                    0,
                    0,
                    0,
                    10,
                    0,
                    0,
                    0,
                    0,
                    asc,
                    ascq,
                    0,
                    0,
                    0,
                    0,
                ];
                Self::Sense(SenseData::decode(&fixed)?)
            }
            RecordedCommandFailure::NoSense => Self::NoSense,
            RecordedCommandFailure::Status { status } => Self::Status(Status(status)),
            RecordedCommandFailure::Malformed { detail } => Self::Malformed { detail },
            RecordedCommandFailure::NoReply { reason } => Self::NoReply(reason),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_recorded_with_the_numbers_of_its_sense() {
        let sense = SenseData::decode(&[0x70, 0, 2, 0, 0, 0, 0, 10, 0, 0, 0, 0, 4, 1]).unwrap();
        for failure in [
            CommandFailure::Sense(sense),
            CommandFailure::NoSense,
            CommandFailure::Status(Status::BUSY),
            CommandFailure::NoReply(NoReply::Timeout),
            CommandFailure::Malformed {
                detail: "too short".to_owned(),
            },
        ] {
            let problem = Problem::Unread {
                lun: 5,
                what: "element status".to_owned(),
                failure,
            };
            let text = serde_json::to_string(&problem).unwrap();
            assert_eq!(serde_json::from_str::<Problem>(&text).unwrap(), problem);
        }
        let problem = Problem::Unidentified {
            lun: 0,
            failure: CommandFailure::Sense(sense),
        };
        assert_eq!(
            serde_json::to_value(problem).unwrap(),
            serde_json::json!({
                "problem": "unidentified", "lun": 0,
                "failure": {"failure": "sense", "deferred": false, "sense_key": 2, "asc": 4, "ascq": 1}
            })
        );
    }
}
