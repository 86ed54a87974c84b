//! One SCSI task from its command on: Data-In put together, R2Ts turned into bursts of Data-Out.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use super::SessionParameters;
use super::error::SessionError;
use crate::iscsi::buffers::Buffers;
use crate::iscsi::departure::Departure;
use crate::iscsi::ids::{CmdSn, DataSn, InitiatorTaskTag, Lun, R2tSn, StatSn, TargetTransferTag};
use crate::iscsi::pdu::{DataIn, DataOut, Opcode, R2t, Residual, TaskAttribute};

/// A SCSI command to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Logical unit that it addresses.
    pub lun: Lun,
    /// Its CDB, padded with zeros.
    pub cdb: [u8; 16],
    /// The data that goes with it.
    pub transfer: TaskTransfer,
    /// Its place in the task set of the logical unit.
    pub attribute: TaskAttribute,
    /// How long the target may be silent about it once it is sent, and how long the command window may be closed before that;
    /// `None` for no limit. Any PDU of the task restarts it, and so
    /// does the end of another task of the same logical unit, which may have been in its way.
    pub timeout: Option<Duration>,
    /// Whether the target is not pinged while this task is outstanding: a tape in motion may keep a target from answering.
    pub suppresses_pings: bool,
}

impl Task {
    /// Returns a simple task without a timeout.
    #[must_use]
    pub const fn new(lun: Lun, cdb: [u8; 16], transfer: TaskTransfer) -> Self {
        Self {
            lun,
            cdb,
            transfer,
            attribute: TaskAttribute::SIMPLE,
            timeout: None,
            suppresses_pings: false,
        }
    }
}

/// The data of a SCSI command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskTransfer {
    /// None.
    None,
    /// At most so many bytes from the target.
    Read(u32),
    /// These bytes to the target.
    Write(Bytes),
}

/// A task whose command has been sent and whose status has not come.
#[derive(Debug)]
pub(super) struct ActiveTask {
    pub(super) tag: InitiatorTaskTag,
    pub(super) lun: Lun,
    pub(super) cmd_sn: CmdSn,
    pub(super) transfer: ActiveTransfer,
    /// As [`Task::timeout`]; none once it has passed.
    pub(super) timeout: Option<Duration>,
    /// When it was sent, or when the last sign of progress came.
    pub(super) progress: Instant,
    pub(super) suppresses_pings: bool,
}

#[derive(Debug)]
pub(super) enum ActiveTransfer {
    None,
    Read(ReadTransfer),
    Write(WriteTransfer),
}

impl ActiveTask {
    /// Takes one Data-In (RFC 7143 11.7).
    pub(super) fn receive(
        &mut self,
        pdu: &DataIn,
        now: Instant,
        buffers: &mut Buffers,
    ) -> Result<(), SessionError> {
        self.progress = now;
        match &mut self.transfer {
            ActiveTransfer::Read(read) => read.receive(pdu, buffers),
            ActiveTransfer::None | ActiveTransfer::Write(_) => Err(SessionError::UnknownTask {
                opcode: Opcode::DATA_IN,
                received: self.tag,
            }),
        }
    }

    /// Returns the burst that an R2T asks for (RFC 7143 11.8).
    pub(super) fn burst(
        &mut self,
        pdu: &R2t,
        parameters: &SessionParameters,
        now: Instant,
    ) -> Result<Burst, SessionError> {
        self.progress = now;
        match &mut self.transfer {
            ActiveTransfer::Write(write) => write.burst(self.lun, pdu, parameters),
            ActiveTransfer::None | ActiveTransfer::Read(_) => Err(SessionError::UnknownTask {
                opcode: Opcode::R2T,
                received: self.tag,
            }),
        }
    }

    /// Notes that a burst that an R2T asked for has been sent whole.
    pub(super) fn burst_sent(&mut self) {
        if let ActiveTransfer::Write(write) = &mut self.transfer {
            write.outstanding_r2ts = write.outstanding_r2ts.saturating_sub(1);
        }
    }

    /// Checks ExpDataSN of the response: the target must not have sent more than what came.
    ///
    /// Fewer is let pass: some targets leave the field zero, and nothing is lost by it.
    pub(super) fn check_exp_data_sn(&self, received: DataSn) -> Result<(), SessionError> {
        match &self.transfer {
            ActiveTransfer::Read(read) if read.next_data_sn.precedes(received) => {
                Err(SessionError::MissingData {
                    task: self.tag,
                    expected: read.next_data_sn,
                    received,
                })
            }
            _ => Ok(()),
        }
    }

    /// Returns how many bytes were transferred, of which `unsent` had been claimed by a burst and were not sent.
    pub(super) fn transferred(&self, unsent: u32) -> u32 {
        match &self.transfer {
            ActiveTransfer::None => 0,
            ActiveTransfer::Read(read) => u32::try_from(read.data.len()).unwrap_or(u32::MAX),
            ActiveTransfer::Write(write) => {
                let unclaimed = u32::try_from(write.unclaimed.len()).unwrap_or(u32::MAX);
                write
                    .length
                    .saturating_sub(unclaimed)
                    .saturating_sub(unsent)
            }
        }
    }

    /// Returns the departure that a Residual Count is which contradicts the transfer (11.4.5).
    ///
    /// A target has to announce a residual of a command that succeeds, and may leave it out of one that does not. Data that was
    /// sent unasked need not have been taken by the target's SCSI layer, so a write may miss more than what was not sent.
    pub(super) fn residual_mismatch(
        &self,
        status: u8,
        residual: Residual,
        transferred: u32,
    ) -> Option<Departure> {
        const GOOD: u8 = 0;

        let (expected, is_write) = match &self.transfer {
            ActiveTransfer::None => (0, false),
            ActiveTransfer::Read(read) => (read.expected, false),
            ActiveTransfer::Write(write) => (write.length, true),
        };
        let missing = expected.saturating_sub(transferred);
        let received = match residual {
            Residual::None if status != GOOD => return None,
            Residual::None | Residual::Overflow(_) => 0,
            Residual::Underflow(count) => count,
        };
        let most = if is_write { expected } else { missing };
        (!(missing..=most).contains(&received)).then_some(Departure::ResidualMismatch {
            expected: missing,
            received,
        })
    }

    /// Ends the task and returns the data that was read.
    pub(super) fn into_data(self, buffers: &mut Buffers) -> Bytes {
        match self.transfer {
            ActiveTransfer::Read(read) => read.data.into_bytes(buffers),
            ActiveTransfer::None | ActiveTransfer::Write(_) => Bytes::new(),
        }
    }
}

/// A read under way.
#[derive(Debug)]
pub(super) struct ReadTransfer {
    expected: u32,
    next_data_sn: DataSn,
    /// What came so far; never longer than `expected`.
    data: Received,
}

impl ReadTransfer {
    pub(super) fn new(expected: u32) -> Self {
        Self {
            expected,
            next_data_sn: DataSn(0),
            data: Received::Copied(BytesMut::new()),
        }
    }

    /// Takes the next piece. A sequence longer than MaxBurstLength is let pass: some targets set the F bit only at the
    /// end, and nothing here depends on it. The A bit has no meaning at ErrorRecoveryLevel 0 (11.7.2).
    fn receive(&mut self, pdu: &DataIn, buffers: &mut Buffers) -> Result<(), SessionError> {
        let task = pdu.initiator_task_tag;
        if pdu.data_sn != self.next_data_sn {
            return Err(SessionError::DataSn {
                task,
                expected: self.next_data_sn,
                received: pdu.data_sn,
            });
        }
        let length = u64::try_from(pdu.data.len()).unwrap_or(u64::MAX);
        let end = u64::from(pdu.buffer_offset).saturating_add(length);
        if end > u64::from(self.expected) {
            return Err(SessionError::TransferTooLong {
                task,
                limit: self.expected,
                received: end,
            });
        }
        // An empty PDU, which may only bring the status, overlays nothing wherever it points.
        let offset = u32::try_from(self.data.len()).unwrap_or(u32::MAX);
        if pdu.buffer_offset != offset && !pdu.data.is_empty() {
            return Err(SessionError::BufferOffset {
                task,
                expected: offset,
                received: pdu.buffer_offset,
            });
        }
        self.next_data_sn = self.next_data_sn.next();
        self.data.push(&pdu.data, self.expected, buffers);
        Ok(())
    }
}

/// Data-In put together, memory taken only as it comes: a long piece that is all there is stays as it came.
#[derive(Debug)]
enum Received {
    Whole(Bytes),
    Copied(BytesMut),
}

/// A piece below this length is copied, so that it does not keep a whole receive buffer alive.
const KEPT_AS_IT_CAME: usize = 16 * 1024;

/// The most memory that is made room for at once.
const MOST_AT_ONCE: usize = 16 << 20;

impl Received {
    fn len(&self) -> usize {
        match self {
            Self::Whole(data) => data.len(),
            Self::Copied(data) => data.len(),
        }
    }

    /// Takes the next piece. The second one makes room for all that was asked for: it is taken from the system only as far as
    /// it is filled, and what has come is copied once.
    fn push(&mut self, piece: &Bytes, expected: u32, buffers: &mut Buffers) {
        match self {
            Self::Copied(data) if data.is_empty() && piece.len() >= KEPT_AS_IT_CAME => {
                *self = Self::Whole(piece.clone());
            }
            Self::Copied(data) => data.extend_from_slice(piece),
            Self::Whole(_) if piece.is_empty() => {}
            Self::Whole(first) => {
                let expected = usize::try_from(expected).unwrap_or(usize::MAX);
                let mut data = buffers.take(expected.min(MOST_AT_ONCE));
                data.extend_from_slice(first);
                data.extend_from_slice(piece);
                *self = Self::Copied(data);
            }
        }
    }

    fn into_bytes(self, buffers: &mut Buffers) -> Bytes {
        match self {
            Self::Whole(data) => data,
            Self::Copied(mut data) => {
                let whole = data.split().freeze();
                if whole.len() >= KEPT_AS_IT_CAME {
                    buffers.lend(data);
                }
                whole
            }
        }
    }
}

/// A write under way.
#[derive(Debug)]
pub(super) struct WriteTransfer {
    /// Expected Data Transfer Length.
    length: u32,
    /// What no command, unsolicited burst or R2T has claimed yet: the end of the data.
    unclaimed: Bytes,
    next_r2t_sn: R2tSn,
    outstanding_r2ts: u32,
}

/// How a write starts: what goes with the command, and what follows it unasked.
#[derive(Debug)]
pub(super) struct WriteStart {
    pub(super) immediate: Bytes,
    pub(super) unsolicited: Option<Burst>,
    pub(super) transfer: WriteTransfer,
}

impl WriteTransfer {
    /// Divides the data by InitialR2T, ImmediateData and FirstBurstLength (RFC 7143 4.2.5.2 and 11.3.4): as much unsolicited
    /// data as the target takes.
    pub(super) fn start(
        tag: InitiatorTaskTag,
        length: u32,
        mut data: Bytes,
        parameters: &SessionParameters,
    ) -> WriteStart {
        let immediate = if parameters.immediate_data {
            let limit = parameters
                .first_burst_length
                .min(parameters.target_max_recv_data_segment_length);
            split_to(&mut data, limit)
        } else {
            Bytes::new()
        };
        let offset = u32::try_from(immediate.len()).unwrap_or(u32::MAX);
        let unsolicited = if parameters.initial_r2t {
            Bytes::new()
        } else {
            let limit = parameters.first_burst_length.saturating_sub(offset);
            split_to(&mut data, limit)
        };
        WriteStart {
            immediate,
            unsolicited: (!unsolicited.is_empty()).then(|| Burst {
                initiator_task_tag: tag,
                target_transfer_tag: TargetTransferTag::RESERVED,
                lun: Lun::default(),
                data_sn: DataSn(0),
                buffer_offset: offset,
                data: unsolicited,
            }),
            transfer: Self {
                length,
                unclaimed: data,
                next_r2t_sn: R2tSn(0),
                outstanding_r2ts: 0,
            },
        }
    }

    fn burst(
        &mut self,
        lun: Lun,
        pdu: &R2t,
        parameters: &SessionParameters,
    ) -> Result<Burst, SessionError> {
        let task = pdu.initiator_task_tag;
        if pdu.target_transfer_tag == TargetTransferTag::RESERVED {
            return Err(SessionError::ReservedTransferTag { task });
        }
        if pdu.r2t_sn != self.next_r2t_sn {
            return Err(SessionError::R2tSn {
                task,
                expected: self.next_r2t_sn,
                received: pdu.r2t_sn,
            });
        }
        let desired = pdu.desired_data_transfer_length;
        if desired == 0 || desired > parameters.max_burst_length {
            return Err(SessionError::R2tLength {
                task,
                limit: parameters.max_burst_length,
                received: desired,
            });
        }
        let end = u64::from(pdu.buffer_offset).saturating_add(u64::from(desired));
        if end > u64::from(self.length) {
            return Err(SessionError::TransferTooLong {
                task,
                limit: self.length,
                received: end,
            });
        }
        let unclaimed = u32::try_from(self.unclaimed.len()).unwrap_or(u32::MAX);
        let expected = self.length.saturating_sub(unclaimed);
        if pdu.buffer_offset != expected {
            return Err(SessionError::BufferOffset {
                task,
                expected,
                received: pdu.buffer_offset,
            });
        }
        if self.outstanding_r2ts >= parameters.max_outstanding_r2t {
            return Err(SessionError::TooManyR2ts {
                task,
                limit: parameters.max_outstanding_r2t,
            });
        }
        self.outstanding_r2ts = self.outstanding_r2ts.saturating_add(1);
        self.next_r2t_sn = self.next_r2t_sn.next();
        Ok(Burst {
            initiator_task_tag: task,
            target_transfer_tag: pdu.target_transfer_tag,
            lun,
            data_sn: DataSn(0),
            buffer_offset: pdu.buffer_offset,
            data: split_to(&mut self.unclaimed, desired),
        })
    }
}

/// A sequence of Data-Out PDUs that is still to be sent: unsolicited, or what one R2T asked for.
#[derive(Debug)]
pub(super) struct Burst {
    pub(super) initiator_task_tag: InitiatorTaskTag,
    pub(super) target_transfer_tag: TargetTransferTag,
    /// Reserved in an unsolicited burst (11.7.4).
    lun: Lun,
    data_sn: DataSn,
    buffer_offset: u32,
    data: Bytes,
}

impl Burst {
    /// Returns the next PDU, with the F bit when it is the last of the burst.
    ///
    /// All but the last are filled to whole words (11.7.7).
    pub(super) fn next_pdu(&mut self, exp_stat_sn: StatSn, max_length: u32) -> DataOut {
        let max_length = (max_length & !3).max(4);
        let data = split_to(&mut self.data, max_length);
        let pdu = DataOut {
            final_bit: self.data.is_empty(),
            lun: self.lun,
            initiator_task_tag: self.initiator_task_tag,
            target_transfer_tag: self.target_transfer_tag,
            exp_stat_sn,
            data_sn: self.data_sn,
            buffer_offset: self.buffer_offset,
            data,
        };
        self.data_sn = self.data_sn.next();
        let length = u32::try_from(pdu.data.len()).unwrap_or(u32::MAX);
        self.buffer_offset = self.buffer_offset.saturating_add(length);
        pdu
    }

    /// Returns how many bytes are still to be sent.
    pub(super) fn unsent(&self) -> u32 {
        u32::try_from(self.data.len()).unwrap_or(u32::MAX)
    }

    /// Returns whether an R2T asked for it.
    pub(super) fn is_solicited(&self) -> bool {
        self.target_transfer_tag != TargetTransferTag::RESERVED
    }
}

/// Takes at most `limit` bytes off the front.
fn split_to(data: &mut Bytes, limit: u32) -> Bytes {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    data.split_to(limit.min(data.len()))
}
