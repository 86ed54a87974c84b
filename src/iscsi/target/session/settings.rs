//! Session settings: negotiated parameters and local limits.

use std::time::Duration;

use crate::iscsi::ids::{Cid, CmdSn, StatSn};
use crate::iscsi::name::IscsiName;
use crate::iscsi::operational::{OperationalParameters, SessionType};
use crate::iscsi::target::login::Accepted;
use crate::iscsi::target::policy::TargetRecord;

/// Session settings: what the login negotiated, and the limits that the owner of the session sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetSettings {
    /// SessionType.
    pub session_type: SessionType,
    /// TargetName, when the login named one.
    pub target_name: Option<IscsiName>,
    /// The targets that the initiator may learn of by SendTargets.
    pub targets: Vec<TargetRecord>,
    /// CID of the connection.
    pub cid: Cid,
    /// The operational parameters in force.
    pub parameters: OperationalParameters,
    /// CmdSN of the first command.
    pub cmd_sn: CmdSn,
    /// StatSN of the first response.
    pub stat_sn: StatSn,
    /// How many numbered commands may be under way at a time, at least 1: as the login announced.
    pub command_window: u32,
    /// The most Data-Out that one command may bring, in bytes, at least FirstBurstLength; of a longer transfer only
    /// the beginning is asked for.
    pub max_data_out_length: u32,
    /// How much Data-Out, in bytes, there may be before no more is asked for. What comes unasked cannot be put off,
    /// and the oldest command is not, so the bound is `write_buffer`, `max_data_out_length`, and FirstBurstLength
    /// for each command of the window, taken together.
    pub write_buffer: u64,
    /// When to ping; `None` for never, as an initiator may have good reasons to be slow.
    pub ping: Option<PingSettings>,
    /// How long the answer to a task management function waits for outstanding data of the tasks that it aborts
    /// (4.2.3.3). Initiators that abort fast never send it.
    pub drain_timeout: Duration,
}

/// When to ask the initiator for a sign of life, and when to give it up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PingSettings {
    /// How long it may be silent before it is pinged.
    pub interval: Duration,
    /// How long it may take to answer.
    pub timeout: Duration,
}

impl TargetSettings {
    /// Returns the settings for a login that has succeeded: a command brings at most 16 MiB, all at a time 64 MiB,
    /// no pings.
    #[must_use]
    pub fn new(accepted: &Accepted, targets: Vec<TargetRecord>) -> Self {
        Self {
            session_type: accepted.candidate.session_type,
            target_name: accepted.candidate.target_name.clone(),
            targets,
            cid: accepted.candidate.cid,
            parameters: accepted.parameters.clone(),
            cmd_sn: accepted.cmd_sn,
            stat_sn: accepted.stat_sn,
            command_window: accepted.command_window,
            max_data_out_length: 16 << 20,
            write_buffer: 64 << 20,
            ping: None,
            drain_timeout: Duration::from_secs(2),
        }
    }
}
