//! The Data-Out of one command: immediate data, one unsolicited sequence, and the sequences that R2Ts ask for
//! (RFC 7143 4.2.5.2, 11.7 and 11.8).

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::error::Failure;
use crate::iscsi::ids::{DataSn, TargetTransferTag};
use crate::iscsi::operational::OperationalParameters;
use crate::iscsi::pdu::{DataOut, ScsiCommand};

/// What of a command's Data-Out has come, and what is outstanding.
#[derive(Debug)]
pub(super) struct Collector {
    /// Expected Data Transfer Length, in bytes.
    expected: u32,
    /// How much of it is collected, in bytes.
    wanted: u32,
    /// FirstBurstLength, in bytes.
    first_burst_length: u32,
    /// Bytes that came: with DataSequenceInOrder=Yes, the Buffer Offset of the next.
    received: u32,
    /// Bytes that came or were asked for.
    requested: u32,
    /// Whether non-immediate unsolicited data was announced and its end has not come.
    unsolicited: Option<Sequence>,
    /// Sequences that were asked for, in order.
    solicited: VecDeque<Sequence>,
    data: Assembly,
    failure: Option<Failure>,
}

#[derive(Debug)]
struct Sequence {
    target_transfer_tag: TargetTransferTag,
    next_data_sn: DataSn,
    /// Buffer Offset behind the sequence.
    end: u32,
}

/// What an R2T is to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) buffer_offset: u32,
    pub(super) length: u32,
}

impl Collector {
    /// Starts with what the command brings. `limit` is the most that is collected, at least FirstBurstLength.
    pub(super) fn new(
        command: &ScsiCommand,
        parameters: &OperationalParameters,
        limit: u32,
    ) -> Self {
        let expected = if command.write {
            command.expected_data_transfer_length
        } else {
            0
        };
        let first_burst_length = parameters.first_burst_length;
        let unsolicited_end = expected.min(first_burst_length);
        let immediate = length(&command.data);
        let follows = command.write && !command.final_bit;
        let failure = if immediate > unsolicited_end
            || immediate > 0 && !parameters.immediate_data
            || follows && parameters.initial_r2t
        {
            Some(Failure::UnexpectedUnsolicitedData)
        } else {
            None
        };
        let mut collector = Self {
            expected,
            wanted: expected.min(limit),
            first_burst_length,
            received: 0,
            requested: 0,
            unsolicited: follows.then_some(Sequence {
                target_transfer_tag: TargetTransferTag::RESERVED,
                next_data_sn: DataSn(0),
                end: unsolicited_end,
            }),
            solicited: VecDeque::new(),
            data: Assembly::Empty,
            failure,
        };
        if failure.is_none() {
            collector.push(command.data.clone());
            collector.requested = if follows { unsolicited_end } else { immediate };
        }
        collector
    }

    /// Returns Expected Data Transfer Length, in bytes.
    pub(super) const fn expected(&self) -> u32 {
        self.expected
    }

    /// Returns how many bytes came or are on their way, which is what has to be buffered.
    pub(super) const fn requested(&self) -> u32 {
        self.requested
    }

    /// Gives up the data, for that reason unless there is one already; what is on its way is still taken, and dropped.
    pub(super) fn fail(&mut self, failure: Failure) {
        self.failure.get_or_insert(failure);
        self.data = Assembly::Empty;
    }

    pub(super) const fn failure(&self) -> Option<Failure> {
        self.failure
    }

    /// Returns whether a sequence is outstanding: announced or asked for, and not ended by its F bit.
    pub(super) fn is_open(&self) -> bool {
        self.unsolicited.is_some() || !self.solicited.is_empty()
    }

    /// Returns whether all has come, or all that will come of a transfer that failed.
    pub(super) fn is_complete(&self) -> bool {
        !self.is_open() && (self.failure.is_some() || self.received >= self.wanted)
    }

    /// Returns what the next R2T has to ask for; `None` when nothing is left or as much as allowed is outstanding.
    ///
    /// An R2T waits for the end of the unsolicited data, as only then it is known where it has to begin.
    pub(super) fn next_wanted(&self, parameters: &OperationalParameters) -> Option<Wanted> {
        let outstanding = u32::try_from(self.solicited.len()).unwrap_or(u32::MAX);
        if self.failure.is_some()
            || self.unsolicited.is_some()
            || self.requested >= self.wanted
            || outstanding >= parameters.max_outstanding_r2t
        {
            return None;
        }
        let rest = self.wanted.saturating_sub(self.requested);
        Some(Wanted {
            buffer_offset: self.requested,
            length: rest.min(parameters.max_burst_length),
        })
    }

    /// Notes that an R2T asked for that.
    pub(super) fn request(&mut self, wanted: Wanted, target_transfer_tag: TargetTransferTag) {
        self.requested = wanted.buffer_offset.saturating_add(wanted.length);
        self.solicited.push_back(Sequence {
            target_transfer_tag,
            next_data_sn: DataSn(0),
            end: self.requested,
        });
    }

    /// Returns whether a Data-Out with this tag belongs to an outstanding sequence.
    pub(super) fn expects(&self, tag: TargetTransferTag) -> bool {
        let mut open = self.unsolicited.iter().chain(&self.solicited);
        open.any(|sequence| sequence.target_transfer_tag == tag)
    }

    /// Takes a Data-Out of an outstanding sequence.
    pub(super) fn receive(&mut self, pdu: &DataOut) {
        if self.failure.is_none()
            && let Err(failure) = self.take(pdu)
        {
            self.fail(failure);
        }
        if pdu.final_bit {
            self.close(pdu.target_transfer_tag);
        }
    }

    /// Returns the data, which must be complete.
    pub(super) fn take_data(&mut self) -> Bytes {
        std::mem::replace(&mut self.data, Assembly::Empty).into_bytes()
    }

    fn take(&mut self, pdu: &DataOut) -> Result<(), Failure> {
        let unsolicited = pdu.target_transfer_tag == TargetTransferTag::RESERVED;
        // Of several R2Ts the first is answered first: DataSequenceInOrder=Yes (13.19).
        let sequence = if unsolicited {
            self.unsolicited.as_mut()
        } else {
            self.solicited.front_mut()
        };
        let sequence = sequence
            .filter(|sequence| sequence.target_transfer_tag == pdu.target_transfer_tag)
            .ok_or(Failure::IncorrectAmountOfData)?;
        if pdu.data_sn != sequence.next_data_sn {
            return Err(Failure::ProtocolServiceCrcError);
        }
        sequence.next_data_sn = sequence.next_data_sn.next();
        if pdu.buffer_offset != self.received && !pdu.data.is_empty() {
            return Err(Failure::IncorrectAmountOfData);
        }
        let end = self.received.saturating_add(length(&pdu.data));
        if end > sequence.end {
            return Err(if unsolicited {
                Failure::UnexpectedUnsolicitedData
            } else {
                Failure::IncorrectAmountOfData
            });
        }
        let short = end < sequence.end;
        if pdu.final_bit && short {
            // Less than all is let pass only where less than FirstBurstLength was expected anyway (11.4.7.2).
            if !unsolicited || self.expected > self.first_burst_length {
                return Err(Failure::IncorrectAmountOfData);
            }
            self.requested = end;
        }
        self.push(pdu.data.clone());
        Ok(())
    }

    fn push(&mut self, data: Bytes) {
        self.received = self.received.saturating_add(length(&data));
        self.data.push(data, self.wanted);
    }

    fn close(&mut self, tag: TargetTransferTag) {
        if tag == TargetTransferTag::RESERVED {
            self.unsolicited = None;
        } else {
            self.solicited
                .retain(|sequence| sequence.target_transfer_tag != tag);
        }
    }
}

/// Data put together: one piece is kept as it came, several are copied once into memory for all.
#[derive(Debug)]
enum Assembly {
    Empty,
    One(Bytes),
    Many(BytesMut),
}

impl Assembly {
    fn push(&mut self, piece: Bytes, total: u32) {
        if piece.is_empty() {
            return;
        }
        match self {
            Self::Empty => *self = Self::One(piece),
            Self::One(first) => {
                let total = usize::try_from(total).unwrap_or(usize::MAX);
                let length = first.len().saturating_add(piece.len());
                let mut data = BytesMut::with_capacity(total.max(length));
                data.extend_from_slice(first);
                data.extend_from_slice(&piece);
                *self = Self::Many(data);
            }
            Self::Many(data) => data.extend_from_slice(&piece),
        }
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::Empty => Bytes::new(),
            Self::One(data) => data,
            Self::Many(data) => data.freeze(),
        }
    }
}

fn length(data: &Bytes) -> u32 {
    u32::try_from(data.len()).unwrap_or(u32::MAX)
}
