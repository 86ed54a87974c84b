//! The lines of `vtl --json`: one JSON document for each event.

use std::net::SocketAddr;
use std::time::SystemTime;

use schemars::JsonSchema;
use serde::Serialize;

use crate::iop::ipl::rfc_3339;
use crate::iscsi::ids::LoginStatus;
use crate::iscsi::name::IscsiName;
use crate::iscsi::target::LoginFailure;
use crate::transport::listener::{CountedFailures, LoginAttempt, LoginOutcome, SessionEnd};

/// An event. A field that has no meaning for it is null; `portal` and `count` are left out then.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "VtlEvent")]
pub(super) struct VtlEvent {
    /// Number of the schema.
    #[schemars(extend("const" = 1))]
    schema: u32,
    /// `ready`, `login`, `logout`, `lost` or `stopping`.
    event: &'static str,
    /// When it happened, RFC 3339, UTC.
    time: String,
    /// Name of the target, as the initiator asked for it; null when it named none.
    target_name: Option<String>,
    /// Name of the initiator; null when it sent none, and for an event of the library.
    initiator_name: Option<String>,
    /// Address of the initiator, with its port for one connection; null for an event of the library.
    address: Option<String>,
    /// `accepted` or `refused` for a login; null for another event.
    result: Option<&'static str>,
    /// Class and detail of the last login response, as `0x0201`; null when there was none.
    login_status: Option<String>,
    /// Why there is no session, or none any more, words with hyphens; null where there is no more to say.
    reason: Option<&'static str>,
    /// What happened, in words; null where the event says it.
    message: Option<String>,
    /// How many logins were refused, where they are told together; absent for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    /// Address and port that the library listens on; absent but in `ready`.
    #[serde(skip_serializing_if = "Option::is_none")]
    portal: Option<String>,
}

impl VtlEvent {
    fn new(event: &'static str, time: SystemTime) -> Self {
        Self {
            schema: 1,
            event,
            time: rfc_3339(time),
            target_name: None,
            initiator_name: None,
            address: None,
            result: None,
            login_status: None,
            reason: None,
            message: None,
            count: None,
            portal: None,
        }
    }

    /// Initiators can connect.
    pub(super) fn ready(target_name: &IscsiName, portal: SocketAddr, time: SystemTime) -> Self {
        Self {
            target_name: Some(target_name.to_string()),
            portal: Some(portal.to_string()),
            ..Self::new("ready", time)
        }
    }

    /// The library ends its sessions and stops.
    pub(super) fn stopping(target_name: &IscsiName, time: SystemTime) -> Self {
        Self {
            target_name: Some(target_name.to_string()),
            ..Self::new("stopping", time)
        }
    }

    /// A login was attempted; `message` says in words what came of it.
    pub(super) fn login(attempt: &LoginAttempt, message: String) -> Self {
        let (result, login_status) = match &attempt.outcome {
            LoginOutcome::LoggedIn { .. } => ("accepted", Some(LoginStatus::new(0, 0))),
            LoginOutcome::Refused { status, .. } => ("refused", *status),
            _ => ("refused", None),
        };
        Self {
            target_name: attempt.target_name.as_ref().map(IscsiName::to_string),
            initiator_name: attempt.initiator_name.as_ref().map(IscsiName::to_string),
            address: Some(attempt.peer.to_string()),
            result: Some(result),
            login_status: login_status.map(|status| status.to_string()),
            reason: login_reason(&attempt.outcome),
            message: Some(message),
            ..Self::new("login", attempt.time)
        }
    }

    /// Logins were refused that had no event of their own.
    pub(super) fn counted(counted: &CountedFailures, message: String, time: SystemTime) -> Self {
        Self {
            initiator_name: Some(counted.initiator_name.to_string()),
            address: Some(counted.address.to_string()),
            result: Some("refused"),
            login_status: Some(LoginStatus::new(2, 1).to_string()),
            reason: Some("chap-failed"),
            message: Some(message),
            count: Some(counted.count),
            ..Self::new("login", time)
        }
    }

    /// A session has ended; `message` says how in words.
    pub(super) fn ended(
        target_name: Option<&IscsiName>,
        initiator_name: &IscsiName,
        peer: SocketAddr,
        end: &SessionEnd,
        message: String,
        time: SystemTime,
    ) -> Self {
        let (event, reason) = match end {
            SessionEnd::LoggedOut => ("logout", None),
            SessionEnd::Closed => ("lost", Some("closed-by-target")),
            SessionEnd::Reinstated => ("lost", Some("reinstated")),
            SessionEnd::Silent(_) => ("lost", Some("no-answer")),
            SessionEnd::Lost(_) => ("lost", Some("connection-lost")),
            SessionEnd::Fault => ("lost", Some("fault")),
        };
        Self {
            target_name: target_name.map(IscsiName::to_string),
            initiator_name: Some(initiator_name.to_string()),
            address: Some(peer.to_string()),
            reason,
            message: Some(message),
            ..Self::new(event, time)
        }
    }

    /// Returns the event on one line.
    pub(super) fn line(&self) -> String {
        // Plain data with text keys always has a form in JSON.
        let mut line = serde_json::to_string(self).unwrap_or_default();
        line.push('\n');
        line
    }
}

/// Returns why there is no session.
fn login_reason(outcome: &LoginOutcome) -> Option<&'static str> {
    Some(match outcome {
        LoginOutcome::LoggedIn { .. } => return None,
        LoginOutcome::Refused { failure, .. } => match failure {
            LoginFailure::Refused(status) => match (status.class, status.detail) {
                (2, 2) => "initiator-not-allowed",
                (2, 3) => "no-such-target",
                (2, 6) | (2, 0x0a) => "no-such-session",
                (3, 2) => "out-of-resources",
                _ => "refused",
            },
            LoginFailure::Redirected { .. } => "redirected",
            LoginFailure::Chap(_) => "chap-failed",
            LoginFailure::AuthenticationRequired => "chap-required",
            LoginFailure::NoCommonAuthMethod { .. } => "no-common-auth-method",
            _ => "protocol-error",
        },
        LoginOutcome::TimedOut(_) => "timeout",
        LoginOutcome::Abandoned(_) => "connection-lost",
        LoginOutcome::Disbelieved => "target-not-believed",
    })
}
