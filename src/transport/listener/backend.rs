//! What a listener serves: where SCSI commands and task management functions go.

use std::future::Future;
use std::pin::Pin;

use crate::iscsi::ids::Lun;
use crate::iscsi::nexus::{InitiatorPort, NexusId};
use crate::iscsi::pdu::{TaskManagementFunction, TaskManagementOutcome};
use crate::iscsi::target::{ReceivedCommand, ScsiReply};

/// An answer that may come later. Dropping it cancels it: a command that has not begun is not
/// done then.
pub type BackendAnswer<T> = Pin<Box<dyn Future<Output = T>>>;

/// What serves the logical units behind a listener: a library, or a program that forwards commands to another target.
///
/// Every method is called on the listener's thread and must return at once; whatever waits does so in the answer. An
/// answer is polled once before anything else is asked of the backend, so commands arrive in the order of the calls.
pub trait Backend: 'static {
    /// Takes note of a normal session: from now on `nexus` sends commands. No number is used twice.
    fn nexus_added(&self, nexus: NexusId, port: InitiatorPort);

    /// Takes note that the session is gone.
    fn nexus_lost(&self, nexus: NexusId);

    /// Returns whether there is such a logical unit.
    fn has_logical_unit(&self, lun: Lun) -> bool;

    /// Executes a command. Those of one nexus come in the order of their CmdSN for each logical unit, and the backend keeps
    /// it; a command for a logical unit that is not there is answered too. The session cuts what the initiator does not
    /// take of the answer, and tells how much that is.
    fn execute(&self, nexus: NexusId, command: ReceivedCommand) -> BackendAnswer<ScsiReply>;

    /// Performs a task management function (SAM-5 clause 7). The listener has dropped the answers of the commands that it
    /// ends, in all sessions, and asks for a logical unit that is there only; the answer comes when none of the commands
    /// has an effect any more.
    fn manage(
        &self,
        nexus: NexusId,
        function: TaskManagementFunction,
        lun: Lun,
    ) -> BackendAnswer<TaskManagementOutcome>;

    /// Returns when no command has an effect any more, whether its answer is awaited or not.
    fn settle(&self) -> BackendAnswer<()>;
}
