//! The connection of a job to the resident IOP, and why it was cut off.

use std::cell::OnceCell;
use std::rc::Rc;

use super::unit::UnitError;
use crate::iop::resident::{ControlHandle, CutOff};
use crate::transport::initiator::{ExecuteError, SessionLost};

/// The connection by which a job uses a device that the resident IOP has granted.
#[derive(Debug)]
pub(super) struct ResidentLink {
    handle: Rc<ControlHandle>,
    /// The revision of the configured target.
    revision: u64,
    target: String,
    /// Why it has ended, once that was asked: every command that was outstanding ends with it.
    cut_off: OnceCell<CutOff>,
}

impl ResidentLink {
    pub(super) const fn new(handle: Rc<ControlHandle>, revision: u64, target: String) -> Self {
        Self {
            handle,
            revision,
            target,
            cut_off: OnceCell::new(),
        }
    }

    /// Returns why the connection, which is over, has ended.
    pub(super) async fn cut_off(&self) -> CutOff {
        if let Some(known) = self.cut_off.get() {
            return known.clone();
        }
        let found = self.handle.cut_off(self.revision, &self.target).await;
        self.cut_off.get_or_init(|| found).clone()
    }

    /// Returns the error of a command that was sent by this connection, or by one with the target where there is none.
    pub(super) async fn failure_of(link: Option<&Self>, error: ExecuteError) -> UnitError {
        match (link, error) {
            // This side has logged out: there is nothing to ask.
            (
                _,
                error @ ExecuteError::Lost {
                    cause: SessionLost::LoggedOut,
                    ..
                },
            ) => error.into(),
            (Some(link), ExecuteError::Lost { .. }) => UnitError::CutOff(link.cut_off().await),
            (_, error) => error.into(),
        }
    }
}
