//! The events of a resident IOP in words.

use super::failure::failure;
use super::loss::loss;
use super::{Code, seconds};
use crate::iop::active::TargetReport;
use crate::iop::resident::event::JobEnd;
use crate::iop::resident::status::JobStatus;
use crate::iop::resident::{IopEvent, ReIplReason, StopReason};
use crate::scsi::sense::AdditionalSenseCode;

/// The names of the events that a line is printed for, each with its meaning, a sentence.
pub const EVENTS: &[(&str, &str)] = &[
    (
        "ready",
        "The first re-IPL is done, and jobs are taken. It is the first line; what the re-IPL came to follows.",
    ),
    (
        "re-ipl-begun",
        "A re-IPL begins; reason says who asked for it.",
    ),
    ("re-ipl-ended", "A re-IPL is done."),
    (
        "re-ipl-refused",
        "There was no re-IPL: jobs did not end in time, or the state could not be had.",
    ),
    ("connected", "A session with the target is open."),
    (
        "failed",
        "The target failed at a re-IPL; reason is the code of the failure.",
    ),
    (
        "lost",
        "The session with the target has ended; reason is the code of the loss.",
    ),
    (
        "recovered",
        "A session with a target that was lost, or that failed, is open again.",
    ),
    (
        "recovery-failed",
        "An attempt to have a session again came to nothing; seconds says when the next one is.",
    ),
    (
        "logged-out",
        "The session was closed by a logout of the IOP.",
    ),
    (
        "logout-requested",
        "The target asks the initiator to log out within seconds.",
    ),
    (
        "negotiation-requested",
        "The target asks to negotiate within seconds.",
    ),
    (
        "dropped",
        "The target drops the connection (async_event 2) or the session (3); it takes a login again after seconds.",
    ),
    (
        "async-message",
        "The target sent another asynchronous message.",
    ),
    (
        "unit-attention",
        "A device reports a condition; sense says which: 29/00 a reset, 28/00 another medium, 3F/0E other devices.",
    ),
    (
        "window-closed",
        "The target takes no command since seconds.",
    ),
    ("job-begun", "A job uses a device from now on."),
    (
        "job-ended",
        "A job uses a device no longer; reason says how it ended.",
    ),
    ("peer-refused", "A process of another user was turned away."),
    (
        "state-failed",
        "A record of the state could not be written; the sessions are held on.",
    ),
    ("stopping", "The IOP has begun to stop; reason says why."),
];

/// What a line says of an event beside its fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventWords {
    /// Why it happened, words with hyphens; none where there is no more to say.
    pub reason: Option<&'static str>,
    /// What happened.
    pub message: String,
    /// What to do next, where that is known, a sentence.
    pub hint: Option<String>,
}

/// Returns an event in words.
#[must_use]
pub fn event(event: &IopEvent) -> EventWords {
    let (reason, hint) = match event {
        IopEvent::Failed { target } | IopEvent::RecoveryFailed { target, .. } => {
            let told = failure(target);
            let reason = told.as_ref().map(|told| told.code.as_str());
            (reason, told.and_then(|told| told.next_step))
        }
        IopEvent::Lost { cause, .. } => {
            let told = loss(cause);
            (Some(told.code.as_str()), told.next_step)
        }
        IopEvent::ReIplBegun { reason } => (Some(re_ipl_reason(*reason)), None),
        IopEvent::ReIplRefused { jobs, .. } => {
            let code = match jobs.is_empty() {
                true => Code::StateUnusable,
                false => Code::DeviceInUse,
            };
            (Some(code.as_str()), None)
        }
        IopEvent::JobEnded { end, .. } => (Some(job_end(*end)), None),
        IopEvent::Stopping { reason } => (Some(stop_reason(*reason)), None),
        _ => (None, None),
    };
    EventWords {
        reason,
        message: message(event),
        hint,
    }
}

fn message(event: &IopEvent) -> String {
    match event {
        IopEvent::Ready {
            connected, targets, ..
        } => connected_words(*connected, *targets),
        IopEvent::ReIplBegun { reason } => match reason {
            ReIplReason::Start => "re-IPL at the start".to_owned(),
            ReIplReason::Hangup => "re-IPL, asked for by SIGHUP".to_owned(),
            ReIplReason::Asked { pid } => format!("re-IPL, asked for by process {pid}"),
        },
        IopEvent::ReIplEnded {
            connected, targets, ..
        } => format!("re-IPL done, {}", connected_words(*connected, *targets)),
        IopEvent::ReIplRefused { jobs, detail, .. } => match detail {
            Some(detail) => format!("no re-IPL: {detail}"),
            None => format!("no re-IPL: {}", jobs_in_use(jobs)),
        },
        IopEvent::Failed { target } => format!("failed: {}", failure_words(target)),
        IopEvent::Connected { portal, .. } => format!("connected at {portal}"),
        IopEvent::Lost { cause, .. } => format!("lost: {}", loss(cause).message),
        IopEvent::Recovered { portal, .. } => format!("connected again at {portal}"),
        IopEvent::RecoveryFailed { target, next } => format!(
            "not connected again, next attempt in {} s: {}",
            seconds(*next),
            failure_words(target)
        ),
        IopEvent::LoggedOut { .. } => "logged out".to_owned(),
        IopEvent::LogoutRequested { seconds, .. } => {
            format!("the target asks for a logout within {seconds} s")
        }
        IopEvent::NegotiationRequested { seconds, .. } => {
            format!("the target asks for a negotiation within {seconds} s")
        }
        IopEvent::Dropped {
            code, time2wait, ..
        } => {
            let what = if *code == 3 { "session" } else { "connection" };
            format!("the target drops the {what}, and takes a login after {time2wait} s")
        }
        IopEvent::AsyncMessage {
            code, vendor_code, ..
        } => format!(
            "the target sent an asynchronous message, AsyncEvent {code}, AsyncVCode {vendor_code}"
        ),
        IopEvent::UnitAttention {
            device, asc, ascq, ..
        } => {
            let sense = AdditionalSenseCode {
                asc: *asc,
                ascq: *ascq,
            };
            let device = device.as_deref().unwrap_or("a device without a name");
            format!("unit attention of {device}: {sense}")
        }
        IopEvent::WindowClosed { seconds, .. } => {
            format!("the target has taken no command for {seconds} s")
        }
        IopEvent::JobBegun {
            device,
            pid,
            purpose,
            ..
        } => format!("process {pid} uses {device} ({purpose})"),
        IopEvent::JobEnded {
            device,
            pid,
            purpose,
            end,
            ..
        } => {
            let how = match end {
                JobEnd::Done => "has ended",
                JobEnd::Died => "ended without a logout",
                JobEnd::Cut => "was cut off",
            };
            format!("process {pid} {how}, {device} is free ({purpose})")
        }
        IopEvent::PeerRefused { uid } => {
            format!("a process of the user with the number {uid} was turned away")
        }
        IopEvent::StateFailed { detail } => format!("the state cannot be written: {detail}"),
        IopEvent::Stopping { reason } => match reason {
            StopReason::Terminated => "stopping on SIGTERM".to_owned(),
            StopReason::Interrupted => "stopping on SIGINT".to_owned(),
            StopReason::Asked => "stopping, as iop stop asked".to_owned(),
        },
        IopEvent::Alive => "works".to_owned(),
    }
}

/// Returns how many of how many targets are connected.
#[must_use]
pub fn connected_words(connected: usize, targets: usize) -> String {
    format!("iSCSI targets connected: {connected} of {targets}")
}

/// Returns which jobs use which devices.
#[must_use]
pub fn jobs_in_use(jobs: &[JobStatus]) -> String {
    let jobs: Vec<String> = jobs
        .iter()
        .map(|job| format!("process {} uses {} ({})", job.pid, job.device, job.purpose))
        .collect();
    jobs.join(", ")
}

fn failure_words(target: &TargetReport) -> String {
    failure(target).map_or_else(String::new, |told| told.message)
}

fn re_ipl_reason(reason: ReIplReason) -> &'static str {
    match reason {
        ReIplReason::Start => "start",
        ReIplReason::Hangup => "hangup",
        ReIplReason::Asked { .. } => "asked",
    }
}

fn job_end(end: JobEnd) -> &'static str {
    match end {
        JobEnd::Done => "done",
        JobEnd::Died => "died",
        JobEnd::Cut => "cut",
    }
}

fn stop_reason(reason: StopReason) -> &'static str {
    match reason {
        StopReason::Terminated => "terminated",
        StopReason::Interrupted => "interrupted",
        StopReason::Asked => "asked",
    }
}
