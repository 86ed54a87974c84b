//! The Data-Out of one command: immediate data, one unsolicited sequence, and the sequences that R2Ts ask for
//! (RFC 7143 4.2.5.2, 11.7 and 11.8).

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::error::CommandFailed;
use crate::iscsi::ids::{DataSn, TargetTransferTag};
use crate::iscsi::operational::OperationalParameters;
use crate::iscsi::pdu::{DataOut, ScsiCommand};

/// How much memory a transfer may take on the initiator's word, in bytes: the block of a tape, so that its pieces are
/// copied once only.
const PREALLOCATED: u32 = 1 << 20;

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
    failure: Option<CommandFailed>,
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
            Some(CommandFailed::UnexpectedUnsolicitedData)
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

    /// Returns how many bytes of data are held.
    pub(super) fn held(&self) -> u64 {
        u64::try_from(self.data.len()).unwrap_or(u64::MAX)
    }

    /// Returns Expected Data Transfer Length, in bytes.
    pub(super) const fn expected(&self) -> u32 {
        self.expected
    }

    /// Returns how many bytes came or are on their way, which is what has to be buffered.
    pub(super) const fn requested(&self) -> u32 {
        self.requested
    }

    /// Gives up the data, for that reason unless there is one already; what is on its way is still taken, and
    /// dropped.
    pub(super) fn fail(&mut self, failure: CommandFailed) {
        self.failure.get_or_insert(failure);
        self.data = Assembly::Empty;
    }

    pub(super) const fn failure(&self) -> Option<CommandFailed> {
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

    /// Ends a sequence: its last Data-Out has come, or its R2T is not sent after all.
    pub(super) fn close(&mut self, tag: TargetTransferTag) {
        if tag == TargetTransferTag::RESERVED {
            self.unsolicited = None;
        } else {
            self.solicited
                .retain(|sequence| sequence.target_transfer_tag != tag);
        }
    }

    /// Returns the data, which must be complete.
    pub(super) fn take_data(&mut self) -> Bytes {
        std::mem::replace(&mut self.data, Assembly::Empty).into_bytes()
    }

    fn take(&mut self, pdu: &DataOut) -> Result<(), CommandFailed> {
        let unsolicited = pdu.target_transfer_tag == TargetTransferTag::RESERVED;
        // Of several R2Ts the first is answered first: DataSequenceInOrder=Yes (13.19).
        let sequence = if unsolicited {
            self.unsolicited.as_mut()
        } else {
            self.solicited.front_mut()
        };
        let sequence = sequence
            .filter(|sequence| sequence.target_transfer_tag == pdu.target_transfer_tag)
            .ok_or(CommandFailed::IncorrectAmountOfData)?;
        if pdu.data_sn != sequence.next_data_sn {
            return Err(CommandFailed::ProtocolServiceCrcError);
        }
        sequence.next_data_sn = sequence.next_data_sn.next();
        if pdu.buffer_offset != self.received && !pdu.data.is_empty() {
            return Err(CommandFailed::IncorrectAmountOfData);
        }
        let end = self.received.saturating_add(length(&pdu.data));
        if end > sequence.end {
            return Err(if unsolicited {
                CommandFailed::UnexpectedUnsolicitedData
            } else {
                CommandFailed::IncorrectAmountOfData
            });
        }
        let short = end < sequence.end;
        if pdu.final_bit && short {
            // Less than all is let pass only where less than FirstBurstLength was expected anyway (11.4.7.2).
            if !unsolicited || self.expected > self.first_burst_length {
                return Err(CommandFailed::IncorrectAmountOfData);
            }
            self.requested = end;
        }
        self.push(pdu.data.clone());
        Ok(())
    }

    fn push(&mut self, data: Bytes) {
        self.received = self.received.saturating_add(length(&data));
        // Memory for what the command announces is taken before it has come only as far as this.
        let expected = self.wanted.min(self.requested.max(PREALLOCATED));
        self.data.push(data, expected);
    }
}

/// Pieces up to this length are copied.
const SMALL_PIECE: usize = 8192;

/// Data put together: one piece is kept as it came, several are copied once into memory for all.
#[derive(Debug)]
enum Assembly {
    Empty,
    One(Bytes),
    Many(BytesMut),
}

impl Assembly {
    /// Appends a piece of data that is expected to be so long in all.
    fn push(&mut self, piece: Bytes, expected: u32) {
        if piece.is_empty() {
            return;
        }
        match self {
            // What is kept of a receive buffer keeps all of it.
            Self::Empty if piece.len() <= SMALL_PIECE => {
                *self = Self::One(Bytes::copy_from_slice(&piece));
            }
            Self::Empty => *self = Self::One(piece),
            Self::One(first) => {
                let expected = usize::try_from(expected).unwrap_or(usize::MAX);
                let length = first.len().saturating_add(piece.len());
                let mut data = BytesMut::with_capacity(expected.max(length));
                data.extend_from_slice(first);
                data.extend_from_slice(&piece);
                *self = Self::Many(data);
            }
            Self::Many(data) => data.extend_from_slice(&piece),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::One(data) => data.len(),
            Self::Many(data) => data.len(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iscsi::ids::{CmdSn, InitiatorTaskTag, Lun, StatSn};
    use crate::iscsi::pdu::TaskAttribute;

    fn command(expected: u32, data: &Bytes) -> ScsiCommand {
        ScsiCommand {
            immediate: false,
            final_bit: true,
            read: false,
            write: true,
            attribute: TaskAttribute::SIMPLE,
            lun: Lun::default(),
            initiator_task_tag: InitiatorTaskTag(1),
            expected_data_transfer_length: expected,
            cmd_sn: CmdSn(1),
            exp_stat_sn: StatSn(1),
            cdb: [0; 16],
            extended_cdb: Bytes::new(),
            bidirectional_read_expected_data_transfer_length: None,
            data: data.clone(),
        }
    }

    fn piece(
        tag: TargetTransferTag,
        sn: u32,
        offset: u32,
        data: Bytes,
        final_bit: bool,
    ) -> DataOut {
        DataOut {
            final_bit,
            lun: Lun::default(),
            initiator_task_tag: InitiatorTaskTag(1),
            target_transfer_tag: tag,
            exp_stat_sn: StatSn(1),
            data_sn: DataSn(sn),
            buffer_offset: offset,
            data,
        }
    }

    #[test]
    fn data_in_one_piece_is_not_copied() {
        let data = Bytes::from(vec![7; 16_384]);
        let parameters = OperationalParameters::default();
        let mut collector = Collector::new(&command(16_384, &data), &parameters, 1 << 24);
        assert!(collector.is_complete());
        assert_eq!(collector.take_data().as_ptr(), data.as_ptr());

        let mut collector = Collector::new(&command(16_384, &Bytes::new()), &parameters, 1 << 24);
        let wanted = collector.next_wanted(&parameters).unwrap();
        let tag = TargetTransferTag(9);
        collector.request(wanted, tag);
        collector.receive(&piece(tag, 0, 0, data.clone(), true));
        assert!(collector.is_complete());
        assert_eq!(collector.take_data().as_ptr(), data.as_ptr());
    }

    #[test]
    fn pieces_are_copied_into_the_place_where_they_stay() {
        let half = Bytes::from(vec![7; 128 * 1024]);
        let parameters = OperationalParameters::default();
        let mut collector =
            Collector::new(&command(512 * 1024, &Bytes::new()), &parameters, 1 << 24);
        let mut place = None;
        for burst in 0..2 {
            let wanted = collector.next_wanted(&parameters).unwrap();
            let tag = TargetTransferTag(burst);
            collector.request(wanted, tag);
            let offset = wanted.buffer_offset;
            collector.receive(&piece(tag, 0, offset, half.clone(), false));
            let offset = offset + 128 * 1024;
            collector.receive(&piece(tag, 1, offset, half.clone(), true));
            if let Assembly::Many(data) = &collector.data {
                assert_eq!(*place.get_or_insert(data.as_ptr()), data.as_ptr());
            }
        }
        assert_eq!(Some(collector.take_data().as_ptr()), place);
    }

    #[test]
    fn memory_is_not_taken_on_a_word_alone() {
        let parameters = OperationalParameters {
            initial_r2t: false,
            ..OperationalParameters::default()
        };
        let mut announced = command(u32::MAX, &Bytes::from_static(b"first"));
        announced.final_bit = false;
        let mut collector = Collector::new(&announced, &parameters, u32::MAX);
        let second = Bytes::from_static(b"second");
        collector.receive(&piece(TargetTransferTag::RESERVED, 0, 5, second, false));
        let Assembly::Many(data) = &collector.data else {
            panic!("{collector:?}")
        };
        assert!(data.capacity() < 2 << 20);
    }
}
