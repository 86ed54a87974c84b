//! What a session asks of its owner, and what the owner answers.

use bytes::Bytes;

use crate::iscsi::ids::{InitiatorTaskTag, Lun};
use crate::iscsi::pdu::{LogoutReason, TaskAttribute, TaskManagementFunction};

/// Names one command of a session; never used twice, unlike an Initiator Task Tag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(pub(super) u64);

/// Names one task management request of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ManagementId(pub(super) u64);

/// Something that a session's owner has to act on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Execute a command, and answer it with [`TargetSession::respond`](super::TargetSession::respond).
    Command(ReceivedCommand),
    /// Perform a task management function, and answer it with
    /// [`TargetSession::respond_to_management`](super::TargetSession::respond_to_management).
    TaskManagement(TaskManagement),
    /// The initiator logs out; the connection is to be closed as soon as everything is sent.
    LoggedOut {
        /// What it closes.
        reason: LogoutReason,
        /// Commands that it gave up: no answer of theirs is sent.
        ended: Vec<TaskId>,
    },
}

/// A SCSI command, all its data included.
///
/// Commands of one logical unit come in the order of their CmdSN; those of different ones may overtake each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedCommand {
    /// What to answer it by.
    pub id: TaskId,
    /// Initiator Task Tag, for a log.
    pub initiator_task_tag: InitiatorTaskTag,
    /// Logical unit that it addresses; there may be none.
    pub lun: Lun,
    /// Its CDB, padded with zeros.
    pub cdb: [u8; 16],
    /// The CDB from its 17th byte on; mostly empty.
    pub extended_cdb: Bytes,
    /// Its place in the task set of the logical unit.
    pub attribute: TaskAttribute,
    /// Whether it was sent for immediate delivery.
    pub immediate: bool,
    /// How many bytes the initiator takes; a longer answer is cut, and the residual count says so (RFC 7143 11.4.5).
    pub expected_data_in_length: u32,
    /// How many bytes the initiator has to give.
    pub expected_data_out_length: u32,
    /// What it gave: as many bytes as that, but never more than
    /// [`max_data_out_length`](super::TargetSettings::max_data_out_length).
    pub data_out: Bytes,
}

/// How a command ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScsiReply {
    /// SCSI status (SAM-5 5.3).
    pub status: u8,
    /// Sense data; autosense, so any status may have it.
    pub sense: Bytes,
    /// What the command read, whole: it is cut to the length that the initiator expects, with a residual count.
    pub data_in: Bytes,
    /// How many bytes the command wants of its Data-Out, for the residual count; `None` when it is what came.
    pub data_out_length: Option<u32>,
}

impl ScsiReply {
    const CHECK_CONDITION: u8 = 0x02;

    /// Returns status GOOD without data.
    #[must_use]
    pub fn good() -> Self {
        Self::default()
    }

    /// Returns status GOOD with what the command read.
    #[must_use]
    pub fn data_in(data_in: Bytes) -> Self {
        Self {
            data_in,
            ..Self::default()
        }
    }

    /// Returns status CHECK CONDITION with its sense data.
    #[must_use]
    pub fn check_condition(sense: Bytes) -> Self {
        Self {
            status: Self::CHECK_CONDITION,
            sense,
            ..Self::default()
        }
    }
}

/// A task management function (RFC 7143 11.5), already carried out on the commands of this very session.
///
/// What it means for the commands of other sessions is up to the owner, who may call
/// [`TargetSession::abort_tasks`](super::TargetSession::abort_tasks) on them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskManagement {
    /// What to answer it by.
    pub id: ManagementId,
    /// The function: ABORT TASK, ABORT TASK SET, CLEAR TASK SET, LOGICAL UNIT RESET or one of the target resets.
    pub function: TaskManagementFunction,
    /// The logical unit, unless the function is a target reset.
    pub lun: Lun,
    /// The commands that ended by it: no answer of theirs is sent. Some may never have been an event.
    pub ended: Vec<TaskId>,
}
