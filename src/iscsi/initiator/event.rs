//! What a session tells its owner.

use std::time::Duration;

use bytes::Bytes;

use crate::iscsi::departure::Departure;
use crate::iscsi::ids::InitiatorTaskTag;
use crate::iscsi::pdu::{
    AsyncMessage, LogoutOutcome, Opcode, RejectReason, RejectedHeader, Residual, ServiceResponse,
    TaskManagementOutcome,
};

/// Something that happened in a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A task ended with a status.
    Completed(Completion),
    /// A task management function was answered (RFC 7143 11.6).
    TaskManagement {
        /// Tag of the request.
        initiator_task_tag: InitiatorTaskTag,
        /// What the target said.
        outcome: TaskManagementOutcome,
        /// Tasks that ended by it: no status of theirs will come.
        ended: Vec<InitiatorTaskTag>,
    },
    /// The target answered a ping (11.19).
    PingAnswered {
        /// Tag of the ping.
        initiator_task_tag: InitiatorTaskTag,
    },
    /// The target answered a Text Request; this is the whole text.
    TextAnswered {
        /// Tag of the request.
        initiator_task_tag: InitiatorTaskTag,
        /// The text of all its responses.
        text: Bytes,
    },
    /// A task was not answered within its timeout, or the command window was closed to it for that long. When it was sent, the
    /// target is asked to abort it, and whatever still comes of it is reported as for any other task.
    TimedOut {
        /// Tag that submitting the task returned.
        initiator_task_tag: InitiatorTaskTag,
        /// Its timeout.
        after: Duration,
        /// What the target sent last; `None` when nothing since the login.
        last_received: Option<Opcode>,
    },
    /// The target has kept its command window closed to tasks that wait for it, for [`TimerSettings::stall_notice`]; told once
    /// until it opens.
    ///
    /// [`TimerSettings::stall_notice`]: super::TimerSettings::stall_notice
    WindowClosed {
        /// For how long.
        since: Duration,
    },
    /// The target departed from the letter of the standard, and nothing was lost by it.
    Departure(Departure),
    /// The target rejected a PDU (11.17).
    ///
    /// When that PDU was a request, nothing else answers it and its CmdSN stays open, which holds up every later command
    /// (7.3): it is time to log out. When it was another, its task still ends by a response of its own.
    Rejected {
        /// Why.
        reason: RejectReason,
        /// Which PDU, when the target sent its header back.
        header: Option<RejectedHeader>,
    },
    /// The target asks for a logout, or for a negotiation, which a logout answers as well (11.9.1, events 1 and 4).
    LogoutRequested {
        /// Seconds left for it.
        parameter3: u16,
    },
    /// The target drops the connection or the session (11.9.1, events 2 and 3); nothing more can be sent.
    Dropped {
        /// Time2Wait: the least number of seconds before connecting anew.
        time2wait: u16,
    },
    /// Any other asynchronous message, SCSI events among them (11.9).
    AsyncMessage(AsyncMessage),
    /// The target answered the logout (11.15); the session has ended.
    LoggedOut {
        /// What the target said.
        outcome: LogoutOutcome,
    },
}

/// How a task ended (RFC 7143 11.4 and 11.7.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// Tag that submitting the task returned.
    pub initiator_task_tag: InitiatorTaskTag,
    /// iSCSI service response; `status` is valid only when the command completed at the target.
    pub response: ServiceResponse,
    /// SCSI status.
    pub status: u8,
    /// By how many bytes the transfer missed the expected length, as the target says.
    pub residual: Residual,
    /// How many bytes were transferred in whichever direction, as the connection saw it.
    pub transferred: u32,
    /// Sense data, empty without any.
    pub sense: Bytes,
    /// Data read, as far as it came: at most the expected length.
    pub data: Bytes,
}
