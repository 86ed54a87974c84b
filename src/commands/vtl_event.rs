//! The lines of `vtl --json`: one JSON document for each event.

use std::net::SocketAddr;
use std::time::SystemTime;

use schemars::JsonSchema;
use serde::Serialize;

use crate::iop::ipl::rfc_3339;
use crate::iscsi::ids::LoginStatus;
use crate::iscsi::name::IscsiName;
use crate::iscsi::target::LoginFailure;
use crate::render::library::ElementTypeDocument;
use crate::transport::listener::{CountedFailures, LoginAttempt, LoginOutcome, SessionEnd};
use crate::vtl::{CartridgeMovement, ElementLocation};

/// An event. A field that has no meaning for it is null; those that only one kind of event has are left out then.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "VtlEvent")]
pub(super) struct VtlEvent {
    /// Number of the schema.
    #[schemars(extend("const" = 1))]
    schema: u32,
    /// What happened.
    event: VtlEventKind,
    /// When it happened, RFC 3339, UTC.
    time: String,
    /// Name of the target, as the initiator asked for it; null when it named none.
    target_name: Option<String>,
    /// Name of the initiator; null when it sent none, and for an event of the library itself.
    initiator_name: Option<String>,
    /// Address of the initiator, with its port for one connection; null for an event that is not one of a connection.
    address: Option<String>,
    /// What came of a login; null for another event.
    result: Option<VtlLoginResult>,
    /// Class and detail of the last login response, as `0x0201`; null when there was none.
    login_status: Option<String>,
    /// Why there is no session, or none any more; null where there is no more to say.
    reason: Option<VtlReason>,
    /// What happened, in words; null where the event says it.
    message: Option<String>,
    /// How many logins were refused, where they are told together; absent for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    /// Address and port that the library listens on; absent but in `ready`.
    #[serde(skip_serializing_if = "Option::is_none")]
    portal: Option<String>,
    /// Barcode of the cartridge that was moved; absent but in `moved`.
    #[serde(skip_serializing_if = "Option::is_none")]
    volume: Option<String>,
    /// Where the cartridge was; absent but in `moved`.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<ElementLocationDocument>,
    /// Where the cartridge is now; absent but in `moved`.
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<ElementLocationDocument>,
}

/// The kinds of events of `vtl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum VtlEventKind {
    /// Initiators can connect.
    Ready,
    /// A login was attempted, or several were refused and are told together.
    Login,
    /// An initiator has ended its session.
    Logout,
    /// A session has ended in another way.
    Lost,
    /// An initiator had the changer move a cartridge.
    Moved,
    /// The library was told to stop, and ends its sessions.
    Stopping,
}

/// What came of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum VtlLoginResult {
    /// There is a session.
    Accepted,
    /// There is none.
    Refused,
}

/// Why there is no session with the library, or none any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum VtlReason {
    /// Login: the name of the initiator is not among those of `--allow`.
    InitiatorNotAllowed,
    /// Login: the target name that was asked for is not this library's.
    NoSuchTarget,
    /// Login: the session that the login is to be part of does not exist.
    NoSuchSession,
    /// Login: there are as many sessions as `--max-sessions` allows.
    OutOfResources,
    /// Login: refused with the status of `login_status`, as `--fault` demands.
    Refused,
    /// Login: the initiator was sent to another address.
    Redirected,
    /// Login: CHAP name or secret are not those of the library.
    ChapFailed,
    /// Login: the initiator offered no CHAP, and the library wants it.
    ChapRequired,
    /// Login: none of the authentication methods that the initiator offered is one of the library's.
    NoCommonAuthMethod,
    /// Login: what the initiator sent is not as RFC 7143 has it.
    ProtocolError,
    /// Login: it was not done within `--timeout`.
    Timeout,
    /// Login or session: the connection was closed or broke.
    ConnectionLost,
    /// Login: the initiator did not take the library's own CHAP answer, and closed the connection.
    TargetNotBelieved,
    /// Session: the library ended it, as it is stopped or reset, or cannot read what the initiator sends.
    ClosedByTarget,
    /// Session: the same initiator logged in again in its place.
    Reinstated,
    /// Session: the initiator does not answer.
    NoAnswer,
    /// Session: ended as `--fault` demands.
    Fault,
}

/// An element of the library that is served.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[schemars(rename = "ElementLocation")]
struct ElementLocationDocument {
    /// Element address.
    address: u16,
    /// What kind of element it is.
    #[serde(rename = "type")]
    element_type: ElementTypeDocument,
}

impl From<ElementLocation> for ElementLocationDocument {
    fn from(location: ElementLocation) -> Self {
        Self {
            address: location.address,
            element_type: location.element_type.into(),
        }
    }
}

impl VtlEvent {
    fn new(event: VtlEventKind, time: SystemTime) -> Self {
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
            volume: None,
            from: None,
            to: None,
        }
    }

    /// Initiators can connect.
    pub(super) fn ready(target_name: &IscsiName, portal: SocketAddr, time: SystemTime) -> Self {
        Self {
            target_name: Some(target_name.to_string()),
            portal: Some(portal.to_string()),
            ..Self::new(VtlEventKind::Ready, time)
        }
    }

    /// The library ends its sessions and stops.
    pub(super) fn stopping(target_name: &IscsiName, time: SystemTime) -> Self {
        Self {
            target_name: Some(target_name.to_string()),
            ..Self::new(VtlEventKind::Stopping, time)
        }
    }

    /// A login was attempted; `message` says in words what came of it.
    pub(super) fn login(attempt: &LoginAttempt, message: String) -> Self {
        let (result, login_status) = match &attempt.outcome {
            LoginOutcome::LoggedIn { .. } => {
                (VtlLoginResult::Accepted, Some(LoginStatus::new(0, 0)))
            }
            LoginOutcome::Refused { status, .. } => (VtlLoginResult::Refused, *status),
            _ => (VtlLoginResult::Refused, None),
        };
        Self {
            target_name: attempt.target_name.as_ref().map(IscsiName::to_string),
            initiator_name: attempt.initiator_name.as_ref().map(IscsiName::to_string),
            address: Some(attempt.peer.to_string()),
            result: Some(result),
            login_status: login_status.map(|status| status.to_string()),
            reason: login_reason(&attempt.outcome),
            message: Some(message),
            ..Self::new(VtlEventKind::Login, attempt.time)
        }
    }

    /// Logins were refused that had no event of their own.
    pub(super) fn counted(counted: &CountedFailures, message: String, time: SystemTime) -> Self {
        Self {
            initiator_name: Some(counted.initiator_name.to_string()),
            address: Some(counted.address.to_string()),
            result: Some(VtlLoginResult::Refused),
            login_status: Some(LoginStatus::new(2, 1).to_string()),
            reason: Some(VtlReason::ChapFailed),
            message: Some(message),
            count: Some(counted.count),
            ..Self::new(VtlEventKind::Login, time)
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
            SessionEnd::LoggedOut => (VtlEventKind::Logout, None),
            SessionEnd::Closed => (VtlEventKind::Lost, Some(VtlReason::ClosedByTarget)),
            SessionEnd::Reinstated => (VtlEventKind::Lost, Some(VtlReason::Reinstated)),
            SessionEnd::Silent(_) => (VtlEventKind::Lost, Some(VtlReason::NoAnswer)),
            SessionEnd::Lost(_) => (VtlEventKind::Lost, Some(VtlReason::ConnectionLost)),
            SessionEnd::Fault => (VtlEventKind::Lost, Some(VtlReason::Fault)),
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

    /// A cartridge was moved; `message` says so in words.
    pub(super) fn moved(
        target_name: &IscsiName,
        movement: &CartridgeMovement,
        message: String,
        time: SystemTime,
    ) -> Self {
        Self {
            target_name: Some(target_name.to_string()),
            initiator_name: movement.initiator.as_ref().map(IscsiName::to_string),
            message: Some(message),
            volume: Some(movement.volume.to_string()),
            from: Some(movement.source.into()),
            to: Some(movement.destination.into()),
            ..Self::new(VtlEventKind::Moved, time)
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
fn login_reason(outcome: &LoginOutcome) -> Option<VtlReason> {
    Some(match outcome {
        LoginOutcome::LoggedIn { .. } => return None,
        LoginOutcome::Refused { failure, .. } => match failure {
            LoginFailure::Refused(status) => match (status.class, status.detail) {
                (2, 2) => VtlReason::InitiatorNotAllowed,
                (2, 3) => VtlReason::NoSuchTarget,
                (2, 6) | (2, 0x0a) => VtlReason::NoSuchSession,
                (3, 2) => VtlReason::OutOfResources,
                _ => VtlReason::Refused,
            },
            LoginFailure::Redirected { .. } => VtlReason::Redirected,
            LoginFailure::Chap(_) => VtlReason::ChapFailed,
            LoginFailure::AuthenticationRequired => VtlReason::ChapRequired,
            LoginFailure::NoCommonAuthMethod { .. } => VtlReason::NoCommonAuthMethod,
            _ => VtlReason::ProtocolError,
        },
        LoginOutcome::TimedOut(_) => VtlReason::Timeout,
        LoginOutcome::Abandoned(_) => VtlReason::ConnectionLost,
        LoginOutcome::Disbelieved => VtlReason::TargetNotBelieved,
    })
}
