//! How a command ends.

use bytes::Bytes;

use crate::scsi::{AdditionalSenseCode, SenseData, SenseKey, Status};

/// What goes back to the initiator for a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScsiReply {
    /// SCSI status.
    pub status: Status,
    /// Fixed format sense data, with CHECK CONDITION only (SPC-4 4.5.3).
    pub sense: Bytes,
    /// Data for the initiator, never more than was allowed; may come with CHECK CONDITION too.
    pub data_in: Bytes,
}

impl ScsiReply {
    /// Returns the reply for an outcome; data beyond `allocation` bytes is left out.
    pub(super) fn new(outcome: Outcome, allocation: u32) -> Self {
        let (status, sense, mut data_in) = match outcome {
            Ok(data) => (Status::GOOD, Bytes::new(), data),
            Err(Refusal::Status(status)) => (status, Bytes::new(), Bytes::new()),
            Err(Refusal::Check { sense, data }) => (
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
        }
    }
}

/// The data of a command that was done, or why it was not simply done.
pub(super) type Outcome = Result<Bytes, Refusal>;

/// Why a command ends with another status than GOOD.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
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

impl Refusal {
    pub(super) fn check(key: SenseKey, code: AdditionalSenseCode) -> Self {
        SenseData::new(key, code).into()
    }

    pub(super) fn illegal(code: AdditionalSenseCode) -> Self {
        Self::check(SenseKey::ILLEGAL_REQUEST, code)
    }

    pub(super) fn invalid_field() -> Self {
        Self::illegal(AdditionalSenseCode::INVALID_FIELD_IN_CDB)
    }

    pub(super) fn invalid_parameter() -> Self {
        Self::illegal(AdditionalSenseCode::INVALID_FIELD_IN_PARAMETER_LIST)
    }

    pub(super) fn parameter_list_length() -> Self {
        Self::illegal(AdditionalSenseCode::PARAMETER_LIST_LENGTH_ERROR)
    }
}

impl From<SenseData> for Refusal {
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
