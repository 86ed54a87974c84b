//! The library behind a listener: every session is a nexus of it.

use std::cell::{RefCell, RefMut};
use std::future::ready;
use std::rc::Rc;

use super::configuration::LibraryError;
use super::library::Library;
use crate::iscsi::ids::Lun;
use crate::iscsi::nexus::{InitiatorPort, NexusId};
use crate::iscsi::pdu::{TaskManagementFunction, TaskManagementOutcome};
use crate::iscsi::target::{Command, ScsiReply};
use crate::transport::listener::{Answer, Backend, Listener, Observer, Stopped};

/// A library that a listener serves.
#[derive(Debug)]
pub struct LibraryBackend {
    library: RefCell<Library>,
}

/// Serves a library until the listener is stopped, and waits until everything written is on the disk.
///
/// # Errors
/// [`LibraryError`] when the media cannot be synced.
pub fn serve(
    listener: Listener,
    library: Library,
    observer: Rc<Observer>,
) -> Result<Stopped, LibraryError> {
    let backend = Rc::new(LibraryBackend::new(library));
    let served = Rc::clone(&backend);
    let stopped = listener.serve(served, observer);
    backend.library().sync().map(|()| stopped)
}

impl LibraryBackend {
    /// Takes a library that no initiator knows yet.
    #[must_use]
    pub fn new(library: Library) -> Self {
        Self {
            library: RefCell::new(library),
        }
    }

    fn library(&self) -> RefMut<'_, Library> {
        self.library.borrow_mut()
    }
}

impl Backend for LibraryBackend {
    fn nexus_added(&self, nexus: NexusId, port: InitiatorPort) {
        self.library().nexus_added(nexus, port);
    }

    fn nexus_lost(&self, nexus: NexusId) {
        self.library().nexus_lost(nexus);
    }

    fn has_logical_unit(&self, lun: Lun) -> bool {
        self.library().logical_units().contains(&lun)
    }

    fn execute(&self, nexus: NexusId, command: Command) -> Answer<ScsiReply> {
        let reply = self.library().execute(
            nexus,
            command.lun,
            &command.cdb,
            &command.data_out,
            // The session cuts what the initiator does not take; the library has bounds of its own for what it reads.
            u32::MAX,
        );
        Box::pin(ready(ScsiReply {
            status: reply.status.0,
            sense: reply.sense,
            data_in: reply.data_in,
            data_out_length: Some(reply.data_out_length),
        }))
    }

    fn manage(
        &self,
        _nexus: NexusId,
        function: TaskManagementFunction,
        lun: Lun,
    ) -> Answer<TaskManagementOutcome> {
        let mut library = self.library();
        match function {
            TaskManagementFunction::LOGICAL_UNIT_RESET => {
                library.logical_unit_reset(lun);
            }
            TaskManagementFunction::TARGET_WARM_RESET => library.target_reset(),
            TaskManagementFunction::TARGET_COLD_RESET => library.power_cycle(),
            _ => {}
        }
        Box::pin(ready(TaskManagementOutcome::FUNCTION_COMPLETE))
    }

    fn settle(&self) -> Answer<()> {
        Box::pin(ready(()))
    }
}
