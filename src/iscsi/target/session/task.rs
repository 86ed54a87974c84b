//! A command from its arrival to its status.

use bytes::Bytes;

use super::data_out::Collector;
use super::event::{ReceivedCommand, ScsiReply, TaskId};
use super::outgoing::OutgoingReply;
use crate::iscsi::ids::{CmdSn, DataSn, InitiatorTaskTag, Lun, R2tSn};
use crate::iscsi::operational::OperationalParameters;
use crate::iscsi::pdu::{RejectReason, Residual, ScsiCommand};

/// Where a command is.
///
/// ```text
/// Held --CmdSN is due--> Collecting --data complete, first of its unit--> Delivered --respond--> Responding
///   \_______________________\__________________ aborted _________________________\_> Draining, until the
///                                                                                   data on its way has come
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TaskPhase {
    /// A command with a lower CmdSN is missing.
    Held,
    /// Waits for its data, or for earlier commands of the same logical unit.
    Collecting,
    /// The owner has it.
    Delivered,
    /// Its answer is being sent.
    Responding,
    /// It was aborted, and only its outstanding data is waited for.
    Draining,
}

#[derive(Debug)]
pub(super) struct Task {
    pub(super) phase: TaskPhase,
    pub(super) collector: Collector,
    /// Bytes reserved for its data.
    pub(super) reserved: u64,
    pub(super) next_r2t_sn: R2tSn,
    pub(super) initiator_task_tag: InitiatorTaskTag,
    pub(super) lun: Lun,
    pub(super) cmd_sn: CmdSn,
    pub(super) immediate: bool,
    /// Whether it takes a place in the command window.
    pub(super) counted: bool,
    expected_data_in: u32,
    bidirectional: bool,
    command: ScsiCommand,
}

impl Task {
    /// Starts a task; the reason of a Reject when the header is not consistent (11.3).
    pub(super) fn new(
        mut command: ScsiCommand,
        parameters: &OperationalParameters,
        max_data_out_length: u32,
    ) -> Result<Self, RejectReason> {
        let bidirectional = command.read && command.write;
        let expected_data_in = match command.bidirectional_read_expected_data_transfer_length {
            Some(length) if bidirectional => length,
            None if bidirectional => return Err(RejectReason::INVALID_PDU_FIELD),
            _ if command.read => command.expected_data_transfer_length,
            _ => 0,
        };
        if command.initiator_task_tag == InitiatorTaskTag::RESERVED
            || !command.write && !command.data.is_empty()
        {
            return Err(RejectReason::INVALID_PDU_FIELD);
        }
        let collector = Collector::new(&command, parameters, max_data_out_length);
        command.data = Bytes::new();
        Ok(Self {
            phase: TaskPhase::Held,
            collector,
            reserved: 0,
            next_r2t_sn: R2tSn(0),
            initiator_task_tag: command.initiator_task_tag,
            lun: command.lun,
            cmd_sn: command.cmd_sn,
            immediate: command.immediate,
            counted: false,
            expected_data_in,
            bidirectional,
            command,
        })
    }

    /// Returns how many bytes of its data have come and are held here.
    pub(super) fn received(&self) -> u64 {
        self.collector.held()
    }

    /// Returns what the owner is to execute, its data included.
    pub(super) fn deliver(&mut self, id: TaskId) -> ReceivedCommand {
        self.phase = TaskPhase::Delivered;
        ReceivedCommand {
            id,
            initiator_task_tag: self.initiator_task_tag,
            lun: self.lun,
            cdb: self.command.cdb,
            extended_cdb: self.command.extended_cdb.clone(),
            attribute: self.command.attribute,
            immediate: self.immediate,
            expected_data_in_length: self.expected_data_in,
            expected_data_out_length: self.collector.expected(),
            data_out: self.collector.take_data(),
        }
    }

    /// Returns the answer to be sent, cut to what the initiator takes, with residual counts (11.4.5).
    pub(super) fn reply(&mut self, id: TaskId, reply: ScsiReply) -> OutgoingReply {
        self.phase = TaskPhase::Responding;
        let ScsiReply {
            status,
            sense,
            data_in: mut data,
            data_out_length,
        } = reply;
        let read = residual(self.expected_data_in, data.len());
        data.truncate(usize::try_from(self.expected_data_in).unwrap_or(usize::MAX));
        let expected_data_out = self.collector.expected();
        let wanted = data_out_length.unwrap_or(expected_data_out);
        let written = residual(
            expected_data_out,
            usize::try_from(wanted).unwrap_or(usize::MAX),
        );
        let (residual, bidirectional_read_residual) = if self.bidirectional {
            (written, read)
        } else if self.command.write {
            (written, Residual::None)
        } else {
            (read, Residual::None)
        };
        OutgoingReply {
            task: id,
            initiator_task_tag: self.initiator_task_tag,
            status,
            sense,
            residual,
            bidirectional_read_residual,
            bidirectional: self.bidirectional,
            data,
            buffer_offset: 0,
            data_sn: DataSn(self.next_r2t_sn.0),
            sent: 0,
            burst: 0,
        }
    }

    /// Returns whether its data may still come.
    pub(super) fn is_collecting(&self) -> bool {
        matches!(self.phase, TaskPhase::Held | TaskPhase::Collecting)
    }

    /// Returns whether the command addresses a logical unit, in whatever form its number is written.
    pub(super) fn addresses(&self, lun: Lun) -> bool {
        same_unit(self.lun, lun)
    }
}

/// Returns whether two LUNs are the same, in whatever form (SAM-5 4.7).
pub(super) fn same_unit(one: Lun, other: Lun) -> bool {
    one == other || one.single_level().is_some() && one.single_level() == other.single_level()
}

fn residual(expected: u32, actual: usize) -> Residual {
    let actual = u32::try_from(actual).unwrap_or(u32::MAX);
    if actual > expected {
        Residual::Overflow(actual.saturating_sub(expected))
    } else if actual < expected {
        Residual::Underflow(expected.saturating_sub(actual))
    } else {
        Residual::None
    }
}
