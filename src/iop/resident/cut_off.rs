//! Why the connection of a job to the resident IOP has ended.

use crate::iop::active::Loss;

/// Why the connection of a job to the resident IOP has ended before the job did. Its words are those of `render`, as for every
/// cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CutOff {
    /// The IOP has ended: it was stopped or killed.
    Ended {
        /// Its process, where the lock named it.
        pid: Option<u32>,
    },
    /// The IOP is stopping, and the job did not end in time.
    Stopping {
        /// Its process, where the lock named it.
        pid: Option<u32>,
    },
    /// The session of the IOP with the target was lost.
    TargetLost {
        /// The target's name.
        target: String,
        /// When and why.
        lost: Loss,
        /// Whether the IOP has logged in to it again since.
        is_back: bool,
    },
    /// The IOP runs, and knows of no loss: a re-IPL has come between, or it ended the connection for a reason of its own.
    Closed {
        /// Its process, where the lock named it.
        pid: Option<u32>,
    },
    /// The IOP does not say: it does not answer.
    Unresponsive {
        /// Its process, where the lock named it.
        pid: Option<u32>,
    },
}
