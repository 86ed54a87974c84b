//! How a command ends.

use bytes::Bytes;

use crate::scsi::command::ParseError;
use crate::scsi::{AdditionalSenseCode, FieldPointer, SenseData, SenseKey, Status};

/// What goes back to the initiator for a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogicalUnitReply {
    /// SCSI status.
    pub status: Status,
    /// Fixed format sense data, with CHECK CONDITION only (SPC-4 4.5.3).
    pub sense: Bytes,
    /// Data for the initiator, never more than was allowed; may come with CHECK CONDITION too.
    pub data_in: Bytes,
    /// How many bytes of data the command took from the initiator, by its CDB; 0 for one that is not understood.
    pub data_out_length: u32,
}

impl LogicalUnitReply {
    /// Returns the reply for an outcome; data beyond `allocation` bytes is left out.
    pub(super) fn new(outcome: CommandResult, allocation: u32, data_out_length: u32) -> Self {
        let (status, sense, mut data_in) = match outcome {
            Ok(data) => (Status::GOOD, Bytes::new(), data),
            Err(CommandRefusal::Status(status)) => (status, Bytes::new(), Bytes::new()),
            Err(CommandRefusal::Check { sense, data }) => (
                Status::CHECK_CONDITION,
                Bytes::copy_from_slice(&sense.encode()),
                data,
            ),
        };
        data_in.truncate(usize::try_from(allocation).unwrap_or(usize::MAX));
        Self {
            status,
            sense,
            data_in,
            data_out_length,
        }
    }
}

/// The data of a command that was done, or why it was not simply done.
pub(super) type CommandResult = Result<Bytes, CommandRefusal>;

/// Why a command ends with another status than GOOD.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CommandRefusal {
    /// A status without sense data.
    Status(Status),
    /// CHECK CONDITION.
    Check {
        /// Why.
        sense: SenseData,
        /// What goes to the initiator all the same.
        data: Bytes,
    },
}

impl CommandRefusal {
    pub(super) fn check(key: SenseKey, code: AdditionalSenseCode) -> Self {
        SenseData::new(key, code).into()
    }

    pub(super) fn illegal(code: AdditionalSenseCode) -> Self {
        Self::check(SenseKey::ILLEGAL_REQUEST, code)
    }

    /// INVALID FIELD IN CDB, 24/00: the field whose most significant bit is `bit` of `byte`.
    pub(super) fn field(byte: u16, bit: u8) -> Self {
        FieldPointer::in_cdb(byte, Some(bit)).into()
    }

    /// INVALID FIELD IN PARAMETER LIST, 26/00: the field that begins with this byte.
    pub(super) fn parameter(byte: usize) -> Self {
        FieldPointer::in_parameters(u16::try_from(byte).unwrap_or(u16::MAX)).into()
    }

    pub(super) fn parameter_list_length() -> Self {
        Self::illegal(AdditionalSenseCode::PARAMETER_LIST_LENGTH_ERROR)
    }
}

impl From<FieldPointer> for CommandRefusal {
    fn from(pointer: FieldPointer) -> Self {
        let code = match pointer.in_cdb {
            true => AdditionalSenseCode::INVALID_FIELD_IN_CDB,
            false => AdditionalSenseCode::INVALID_FIELD_IN_PARAMETER_LIST,
        };
        let mut sense = SenseData::new(SenseKey::ILLEGAL_REQUEST, code);
        sense.field_pointer = Some(pointer);
        sense.into()
    }
}

impl From<ParseError> for CommandRefusal {
    fn from(error: ParseError) -> Self {
        match error {
            ParseError::OperationCode => Self::illegal(AdditionalSenseCode::INVALID_OPERATION_CODE),
            ParseError::Field(pointer) => pointer.into(),
        }
    }
}

impl From<SenseData> for CommandRefusal {
    fn from(sense: SenseData) -> Self {
        Self::Check {
            sense,
            data: Bytes::new(),
        }
    }
}

/// Returns the first `length` bytes of reply data.
pub(super) fn up_to(data: impl Into<Bytes>, length: impl Into<u64>) -> Bytes {
    let mut data = data.into();
    data.truncate(usize::try_from(length.into()).unwrap_or(usize::MAX));
    data
}

/// Returns the outcome of a command that was done and returns no data.
pub(super) fn done() -> CommandResult {
    Ok(Bytes::new())
}
