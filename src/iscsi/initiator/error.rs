//! Why a session cannot go on, and why a request is not accepted.

use std::time::Duration;

use crate::iscsi::ids::{DataSn, InitiatorTaskTag, R2tSn, StatSn};
use crate::iscsi::pdu::Opcode;

/// How the target broke RFC 7143; the session has ended and the connection is to be closed (7.5, ErrorRecoveryLevel 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// A PDU that a target must not send in the full feature phase, or anything after the session has ended.
    #[error("the target sent a {opcode} PDU, which has no place here")]
    UnexpectedPdu {
        /// What was received.
        opcode: Opcode,
    },
    /// The Initiator Task Tag names no request that such a PDU could answer (11.2.1.8).
    #[error("the target sent a {opcode} PDU for task {received}, which expects none")]
    UnknownTask {
        /// What was received.
        opcode: Opcode,
        /// Tag received.
        received: InitiatorTaskTag,
    },
    /// StatSN came twice, or is far from the number that is due (4.2.2.2).
    #[error("the target sent StatSN {received} in a {opcode} PDU, expected {expected}")]
    StatSn {
        /// PDU that carried it.
        opcode: Opcode,
        /// Number that was due.
        expected: StatSn,
        /// Number received.
        received: StatSn,
    },
    /// Every request is answered, and this StatSN has not come: a response is missing (4.2.2.2).
    #[error("the target left out StatSN {expected}")]
    StatSnMissing {
        /// Number that has not come.
        expected: StatSn,
    },
    /// The text of the answer to a Text Request is too long, or does not end (11.11).
    #[error("the target's answer to a text request does not end within {limit} bytes")]
    TextTooLong {
        /// Most bytes accepted.
        limit: usize,
    },
    /// A ping, a logout, a text or a task management request was not answered in time.
    #[error("the target did not answer a {request} within {} s", after.as_secs())]
    NoAnswer {
        /// What was sent.
        request: Opcode,
        /// How long was waited.
        after: Duration,
        /// What the target sent last; `None` when nothing since the login.
        last_received: Option<Opcode>,
    },
    /// DataSN of a Data-In is not the next one (11.7.5).
    #[error("the target sent DataSN {received} for task {task}, expected {expected}")]
    DataSn {
        /// Task concerned.
        task: InitiatorTaskTag,
        /// Number that was due.
        expected: DataSn,
        /// Number received.
        received: DataSn,
    },
    /// R2TSN is not the next one (11.8.2).
    #[error("the target sent R2TSN {received} for task {task}, expected {expected}")]
    R2tSn {
        /// Task concerned.
        task: InitiatorTaskTag,
        /// Number that was due.
        expected: R2tSn,
        /// Number received.
        received: R2tSn,
    },
    /// Buffer Offset does not follow the data before it, although DataPDUInOrder and DataSequenceInOrder are Yes (11.7.6).
    #[error("the target sent buffer offset {received} for task {task}, expected {expected}")]
    BufferOffset {
        /// Task concerned.
        task: InitiatorTaskTag,
        /// Offset that was due.
        expected: u32,
        /// Offset received.
        received: u32,
    },
    /// Data, or a demand for data, goes beyond the Expected Data Transfer Length (11.7.6).
    #[error("the target's transfer for task {task} ends at {received}, expected at most {limit}")]
    TransferTooLong {
        /// Task concerned.
        task: InitiatorTaskTag,
        /// Expected Data Transfer Length in bytes.
        limit: u32,
        /// Where the transfer would end, in bytes.
        received: u64,
    },
    /// Desired Data Transfer Length is 0 or above MaxBurstLength (11.8.4).
    #[error(
        "the target's R2T for task {task} has Desired Data Transfer Length {received}, expected 1 to {limit}"
    )]
    R2tLength {
        /// Task concerned.
        task: InitiatorTaskTag,
        /// MaxBurstLength in bytes.
        limit: u32,
        /// Length received.
        received: u32,
    },
    /// More R2Ts are outstanding than MaxOutstandingR2T allows (13.17).
    #[error("the target has more than {limit} R2Ts outstanding for task {task}")]
    TooManyR2ts {
        /// Task concerned.
        task: InitiatorTaskTag,
        /// MaxOutstandingR2T.
        limit: u32,
    },
    /// The Target Transfer Tag of an R2T is the reserved value (11.8.5).
    #[error("the target sent an R2T with the reserved Target Transfer Tag for task {task}")]
    ReservedTransferTag {
        /// Task concerned.
        task: InitiatorTaskTag,
    },
    /// ExpDataSN of the response counts Data-In PDUs that did not come (11.4.8).
    #[error("the target counts {received} Data-In PDUs for task {task}, {expected} came")]
    MissingData {
        /// Task concerned.
        task: InitiatorTaskTag,
        /// Data-In PDUs that came.
        expected: DataSn,
        /// Data-In PDUs that the target says it sent.
        received: DataSn,
    },
    /// SenseLength runs past the data segment (11.4.7.1).
    #[error("the target announces SenseLength {expected} for task {task}, sent {received}")]
    SenseLength {
        /// Task concerned.
        task: InitiatorTaskTag,
        /// SenseLength received; 2 when even that field is cut short.
        expected: usize,
        /// Bytes there.
        received: usize,
    },
}

/// Why a session does not accept a request: the fault of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// The data does not fit the 32 bits of Expected Data Transfer Length.
    #[error("a write of {length} bytes is more than a SCSI Command can announce")]
    TransferTooLong {
        /// Bytes given.
        length: usize,
    },
    /// A logout was asked for, or the session has ended.
    #[error("the session takes no more requests")]
    NotOpen,
    /// There is no such task to abort.
    #[error("task {task} is not outstanding")]
    UnknownTask {
        /// Tag given.
        task: InitiatorTaskTag,
    },
}
