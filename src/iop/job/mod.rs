//! Using a device in a session of its own: what library and tape jobs have in common.
//!
//! ```text
//!  names -> resolve in the active configuration -> lock each target -> log in -> take unit attentions -> prove the serial number
//! ```
//!
//! A partition has one connection to a target, so a job holds the target's lock from before the connect until after the
//! logout. Several targets are locked in the order of their names, so that two jobs never wait for each other.
//!
//! | module | what it holds |
//! |---|---|
//! | `link` | the connection to a resident IOP, and why it was cut off |
//! | [`mod@locate`] | finds devices by their names in the active configuration |
//! | [`mod@open`] | the devices of a job: their targets' locks and sessions |
//! | [`mod@session`] | a session with a target, which is had again when it is lost |
//! | [`mod@unit`] | a logical unit of an open session, and what its commands come to |

mod held;
mod link;
pub mod locate;
pub mod open;
pub mod session;
pub mod unit;

use std::time::Duration;

use thiserror::Error;

use crate::iop::active::TargetReport;
use crate::iop::devices::names::DeviceKind;
use crate::iop::devices::resolve::ResolveError;
use crate::iop::ipl;
use crate::iop::resident::ControlError;
use crate::iop::store::StateError;
use crate::iscsi::chap::ChapAlgorithm;
use crate::transport::{AttachError, Step};
use unit::{AnswerDeadlines, UnitError};

pub(in crate::iop) use held::Sessions;
pub use locate::{Device, locate};
pub use open::Job;
#[cfg(test)]
pub(in crate::iop) use session::offer_to_resident;
pub use session::{Again, JobSession};

/// Settings of the sessions of a job.
#[derive(Clone, Debug)]
pub struct JobSettings {
    /// The longest that one phase of reaching a target, or the answer to a command that moves nothing, may take.
    pub timeout: Duration,
    /// The longest that a command may take that moves a medium or winds a tape.
    pub motion_timeout: Duration,
    /// The CHAP algorithms to offer, in the order of preference.
    pub chap_algorithms: Vec<ChapAlgorithm>,
}

impl JobSettings {
    fn answer_deadlines(&self) -> AnswerDeadlines {
        AnswerDeadlines {
            answer: self.timeout,
            motion: self.motion_timeout,
        }
    }
}

/// Is told every step of the session with a target, by the target's name.
pub type JobObserver = dyn Fn(&str, Step<'_>);

/// Why a job did not get to its devices.
#[derive(Debug, Error)]
pub enum JobError {
    /// The name leads to no device.
    #[error("{0:?}")]
    Resolve(ResolveError),
    /// The device is not of the kind that the job needs.
    #[error("{device} is not of that kind")]
    WrongKind {
        /// The device name.
        device: String,
        /// The kind that is needed.
        wanted: DeviceKind,
    },
    /// The state could not be locked, read or written.
    #[error(transparent)]
    State(#[from] StateError),
    /// The resident IOP did not grant a device.
    #[error(transparent)]
    Resident(#[from] ControlError),
    /// The target cannot be logged in to with what is configured: its report says why.
    #[error("target {} cannot be logged in to", .0.target_name)]
    Login(Box<TargetReport>),
    /// There is no session with the target.
    #[error("{target}: {cause}")]
    Attach {
        /// The target's name.
        target: String,
        /// How it is configured, for what is to be said of it.
        configured: Box<TargetReport>,
        /// What happened.
        #[source]
        cause: AttachError,
    },
    /// Another device answers at that LUN.
    #[error("the device at the LUN of {device} has serial number {found}, expected {expected}")]
    OtherDevice {
        /// The device name.
        device: String,
        /// The serial number of the device of that name.
        expected: String,
        /// The one that is there.
        found: String,
    },
    /// A device does not answer as it has to.
    #[error("{device}: {cause}")]
    Device {
        /// The device name.
        device: String,
        /// What it answered.
        #[source]
        cause: UnitError,
    },
}

impl JobError {
    /// Returns the target that there is no session with, and why in its failure.
    #[must_use]
    pub fn failed_target(&self) -> Option<TargetReport> {
        match self {
            Self::Login(report) => Some((**report).clone()),
            Self::Attach {
                configured, cause, ..
            } => Some(TargetReport {
                failure: Some(ipl::failure_of(cause, configured)),
                ..(**configured).clone()
            }),
            _ => None,
        }
    }
}
