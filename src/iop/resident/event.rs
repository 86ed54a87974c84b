//! What happens while a resident IOP runs, as plain data: a front end makes a line of each.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::iop::active::{LossCause, TargetReport};

/// Something that happens while a resident IOP runs. It is told when it happens, so the time is that of the telling.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum IopEvent {
    /// The first re-IPL is done and jobs are taken.
    Ready {
        /// The process of the IOP.
        pid: u32,
        /// How many targets are connected.
        connected: usize,
        /// How many there are.
        targets: usize,
    },
    /// A re-IPL begins.
    ReIplBegun {
        /// Who asked for it.
        reason: ReIplReason,
    },
    /// A re-IPL is done; `active.json` has its report.
    ReIplEnded {
        /// The number of the re-IPL.
        ipl_count: u64,
        /// How many targets are connected.
        connected: usize,
        /// How many there are.
        targets: usize,
    },
    /// A re-IPL was refused since jobs were running, or the state could not be had. The sessions are as before.
    ReIplRefused {
        /// Who asked for it.
        reason: ReIplReason,
        /// The jobs that did not end in time; none when the state was the reason.
        jobs: Vec<super::status::JobStatus>,
        /// What is wrong with the state; none when jobs were the reason.
        detail: Option<String>,
    },
    /// A target failed at a re-IPL.
    Failed {
        /// The target, with its failure.
        target: Box<TargetReport>,
    },
    /// A session is open: after a re-IPL.
    Connected {
        /// The target.
        target_name: String,
        /// Address and port.
        portal: String,
    },
    /// A session has ended without being asked to.
    Lost {
        /// The target.
        target_name: String,
        /// Why.
        cause: LossCause,
    },
    /// A session that was lost, or a target that failed, is there again (`--reconnect`).
    Recovered {
        /// The target.
        target_name: String,
        /// Address and port.
        portal: String,
    },
    /// An attempt to have a session again came to nothing.
    RecoveryFailed {
        /// The target, with the failure of this attempt.
        target: Box<TargetReport>,
        /// How long until the next attempt.
        next: Duration,
    },
    /// A session was closed by a logout of this side.
    LoggedOut {
        /// The target.
        target_name: String,
    },
    /// The target asked for a logout (RFC 7143 11.9.1, event 1).
    LogoutRequested {
        /// The target.
        target_name: String,
        /// How long it gave, in seconds.
        seconds: u16,
    },
    /// The target asked for a negotiation (11.9.1, event 4).
    NegotiationRequested {
        /// The target.
        target_name: String,
        /// How long it gave, in seconds.
        seconds: u16,
    },
    /// The target drops the connection or the session (11.9.1, events 2 and 3).
    Dropped {
        /// The target.
        target_name: String,
        /// The AsyncEvent code, 2 or 3.
        code: u8,
        /// How long to wait before the next login, in seconds.
        time2wait: u16,
    },
    /// Another asynchronous message (11.9): a SCSI event without sense data that is listed here, or a vendor's.
    AsyncMessage {
        /// The target.
        target_name: String,
        /// The AsyncEvent code.
        code: u8,
        /// The AsyncVCode.
        vendor_code: u8,
    },
    /// A unit attention, in an asynchronous message or in the answer to a job's command.
    UnitAttention {
        /// The target.
        target_name: String,
        /// The device that has that LUN; none when it is no named device.
        device: Option<String>,
        /// ADDITIONAL SENSE CODE: 29h reset, 28h another medium, 3Fh other devices (3F/0E).
        asc: u8,
        /// ADDITIONAL SENSE CODE QUALIFIER.
        ascq: u8,
    },
    /// The target keeps its command window closed, so that commands wait.
    WindowClosed {
        /// The target.
        target_name: String,
        /// For how long by now.
        seconds: u64,
    },
    /// A job uses a device from now on.
    JobBegun {
        /// The target.
        target_name: String,
        /// The device.
        device: String,
        /// The process.
        pid: u32,
        /// What it does, `tape write TAPMLB01 VOL001`.
        purpose: String,
    },
    /// A job uses a device no longer.
    JobEnded {
        /// The target.
        target_name: String,
        /// The device.
        device: String,
        /// The process.
        pid: u32,
        /// What it did.
        purpose: String,
        /// How it ended.
        end: JobEnd,
    },
    /// A peer of another user was turned away from the socket.
    PeerRefused {
        /// The user id of the peer.
        uid: u32,
    },
    /// A record could not be written: the state directory was removed, or is read-only. The IOP goes on.
    StateFailed {
        /// What is wrong.
        detail: String,
    },
    /// The IOP has begun to stop: jobs have `lock_timeout` to end.
    Stopping {
        /// Why.
        reason: StopReason,
    },
    /// The IOP is alive, at every interval of the watchdog. No line is printed for it.
    Alive,
}

impl IopEvent {
    /// Returns its stable name: words with hyphens, the same as in JSON.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Ready { .. } => "ready",
            Self::ReIplBegun { .. } => "re-ipl-begun",
            Self::ReIplEnded { .. } => "re-ipl-ended",
            Self::ReIplRefused { .. } => "re-ipl-refused",
            Self::Failed { .. } => "failed",
            Self::Connected { .. } => "connected",
            Self::Lost { .. } => "lost",
            Self::Recovered { .. } => "recovered",
            Self::RecoveryFailed { .. } => "recovery-failed",
            Self::LoggedOut { .. } => "logged-out",
            Self::LogoutRequested { .. } => "logout-requested",
            Self::NegotiationRequested { .. } => "negotiation-requested",
            Self::Dropped { .. } => "dropped",
            Self::AsyncMessage { .. } => "async-message",
            Self::UnitAttention { .. } => "unit-attention",
            Self::WindowClosed { .. } => "window-closed",
            Self::JobBegun { .. } => "job-begun",
            Self::JobEnded { .. } => "job-ended",
            Self::PeerRefused { .. } => "peer-refused",
            Self::StateFailed { .. } => "state-failed",
            Self::Stopping { .. } => "stopping",
            Self::Alive => "alive",
        }
    }

    /// Returns the target that it is about.
    #[must_use]
    pub fn target_name(&self) -> Option<&str> {
        match self {
            Self::Failed { target } | Self::RecoveryFailed { target, .. } => {
                Some(&target.target_name)
            }
            Self::Connected { target_name, .. }
            | Self::Lost { target_name, .. }
            | Self::Recovered { target_name, .. }
            | Self::LoggedOut { target_name }
            | Self::LogoutRequested { target_name, .. }
            | Self::NegotiationRequested { target_name, .. }
            | Self::Dropped { target_name, .. }
            | Self::AsyncMessage { target_name, .. }
            | Self::UnitAttention { target_name, .. }
            | Self::WindowClosed { target_name, .. }
            | Self::JobBegun { target_name, .. }
            | Self::JobEnded { target_name, .. } => Some(target_name),
            Self::Ready { .. }
            | Self::ReIplBegun { .. }
            | Self::ReIplEnded { .. }
            | Self::ReIplRefused { .. }
            | Self::PeerRefused { .. }
            | Self::StateFailed { .. }
            | Self::Stopping { .. }
            | Self::Alive => None,
        }
    }

    /// Returns the device that it is about.
    #[must_use]
    pub fn device(&self) -> Option<&str> {
        match self {
            Self::UnitAttention { device, .. } => device.as_deref(),
            Self::JobBegun { device, .. } | Self::JobEnded { device, .. } => Some(device),
            _ => None,
        }
    }
}

/// Who asked for a re-IPL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReIplReason {
    /// The start of the IOP.
    Start,
    /// SIGHUP.
    Hangup,
    /// A -reipliscsiop.
    Asked {
        /// Its process.
        pid: u32,
    },
}

/// Why an IOP stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopReason {
    /// SIGTERM.
    Terminated,
    /// SIGINT.
    Interrupted,
    /// [`ControlHandle::stop`](super::ControlHandle::stop).
    Asked,
}

/// How a job's use of a device ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobEnd {
    /// It logged out.
    Done,
    /// Its connection ended without a logout: it was killed, or failed. Its outstanding commands were aborted.
    Died,
    /// It was cut off: the IOP stops, or the session with the target is lost.
    Cut,
}
