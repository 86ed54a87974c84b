//! What a resident IOP says of itself: the document of `iop status`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::iop::active::TargetStatus;

/// What a resident IOP says of itself. All times are UTC, RFC 3339, to the second.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IopStatus {
    /// Its process.
    pub pid: u32,
    /// When it started.
    pub started: String,
    /// The targets of the active configuration, in its order.
    pub targets: Vec<HeldTargetStatus>,
}

/// A target, and the session that is held with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "IopTarget")]
pub struct HeldTargetStatus {
    /// The target, as typed.
    pub target_name: String,
    /// What it is now.
    pub status: TargetStatus,
    /// Since when.
    pub since: String,
    /// The address and port of the session; null without one.
    pub portal: Option<String>,
    /// How many SCSI commands jobs have had executed in the session.
    pub commands: u64,
    /// How many bytes of data went to the target with them.
    pub bytes_sent: u64,
    /// How many bytes of data came from it.
    pub bytes_received: u64,
    /// How long the last ping took to its answer, in seconds. The first one follows the re-IPL; null where none was answered.
    pub round_trip: Option<f64>,
    /// The jobs that use its devices now.
    pub jobs: Vec<JobStatus>,
    /// The last events, oldest first.
    pub events: Vec<EventStatus>,
}

/// A job, and the device that it uses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "IopJob")]
pub struct JobStatus {
    /// Its process.
    pub pid: u32,
    /// What it does, `tape write TAPMLB01 VOL001`.
    pub purpose: String,
    /// The device.
    pub device: String,
    /// Since when.
    pub since: String,
}

/// An event of a target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "IopEventRecord")]
pub struct EventStatus {
    /// When.
    pub time: String,
    /// What: the name of an event as `iop run` prints it, or of a unit attention: `power-on-or-reset` (29/xx),
    /// `medium-may-have-changed` (28/00), `reported-luns-changed` (3F/0E), else `unit-attention-2A-01`.
    pub event: String,
    /// The device that it is about.
    pub device: Option<String>,
}
