//! Why a session ends, and how the standard has a single task fail.

use std::time::Duration;

use bytes::Bytes;

use crate::iscsi::pdu::Opcode;

/// Why a session cannot go on; the connection is to be closed (RFC 7143 7.1.4.4, ErrorRecoveryLevel 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetSessionError {
    /// A PDU came after the session had ended.
    #[error("the initiator sent a {opcode} PDU after the session had ended")]
    Ended {
        /// What was received.
        opcode: Opcode,
    },
    /// The initiator does not answer a ping (7.5).
    #[error("the initiator has not answered a ping for {} s", .after.as_secs())]
    PingTimeout {
        /// How long it was waited for.
        after: Duration,
    },
}

/// An iSCSI condition that ends a SCSI task with CHECK CONDITION (RFC 7143 11.4.7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CommandFailed {
    /// Unsolicited data where none, or less, is allowed.
    UnexpectedUnsolicitedData,
    /// A sequence is shorter, longer or elsewhere than it has to be.
    IncorrectAmountOfData,
    /// A Data-Out is missing in its sequence (7.9).
    ProtocolServiceCrcError,
}

impl CommandFailed {
    /// Returns the sense data in fixed format (SPC-4 4.5.3), sense key ABORTED COMMAND.
    pub(super) const fn sense(self) -> Bytes {
        static UNEXPECTED_UNSOLICITED_DATA: [u8; 18] = sense(0x0c, 0x0c);
        static INCORRECT_AMOUNT_OF_DATA: [u8; 18] = sense(0x0c, 0x0d);
        static PROTOCOL_SERVICE_CRC_ERROR: [u8; 18] = sense(0x47, 0x05);

        match self {
            Self::UnexpectedUnsolicitedData => Bytes::from_static(&UNEXPECTED_UNSOLICITED_DATA),
            Self::IncorrectAmountOfData => Bytes::from_static(&INCORRECT_AMOUNT_OF_DATA),
            Self::ProtocolServiceCrcError => Bytes::from_static(&PROTOCOL_SERVICE_CRC_ERROR),
        }
    }
}

/// Returns response code 70h, key ABORTED COMMAND, ten additional bytes with ASC and ASCQ.
#[rustfmt::skip]
const fn sense(asc: u8, ascq: u8) -> [u8; 18] {
    [0x70, 0, 0x0b, 0, 0, 0, 0, 10, 0, 0, 0, 0, asc, ascq, 0, 0, 0, 0]
}
