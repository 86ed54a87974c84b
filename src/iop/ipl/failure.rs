//! From the error of an attachment or an enumeration to the cause that the report keeps.

use std::io;
use std::net::{IpAddr, SocketAddr};

use rustix::io::Errno;

use crate::iop::active::{Failure, Phase, TargetReport};
use crate::iop::cause::{Authentication, Cause};
use crate::iop::devices::enumerate::EnumerationError;
use crate::iscsi::chap::ChapError;
use crate::iscsi::login::{ChapProgress, LoginError};
use crate::iscsi::text::Escaped;
use crate::storage::without_error_number;
use crate::transport::{self, AttachError, ConnectionError};
use crate::values::AddressKind;

/// Returns why a target could not be attached, or was lost.
pub(in crate::iop) fn of_attach(error: &AttachError, target: &TargetReport) -> Failure {
    let (redirected_to, error) = match error {
        AttachError::Redirected { to, source } => (Some(escaped(&to.to_string())), &**source),
        error => (None, error),
    };
    Failure {
        phase: phase(error.phase()),
        redirected_to,
        cause: cause(error, target),
    }
}

/// Returns why a target did not say what it has.
pub(in crate::iop) fn of_enumeration(error: EnumerationError) -> Failure {
    Failure {
        phase: Phase::Enumerate,
        redirected_to: None,
        cause: match error {
            EnumerationError::ReportLunsRefused(failure) => Cause::ReportLunsRefused { failure },
            EnumerationError::ReportLunsMalformed(error) => Cause::ReportLunsMalformed {
                detail: error.to_string(),
            },
            EnumerationError::Unfinished { unanswered } => {
                Cause::CommandsUnanswered { count: unanswered }
            }
        },
    }
}

/// Returns why a host name has no address, by what the name service said; none when it was silent or found nothing.
pub(in crate::iop) fn of_resolve(
    error: Option<&io::Error>,
    timeout: std::time::Duration,
) -> Failure {
    let cause = match error {
        Some(error) if error.kind() == io::ErrorKind::TimedOut => {
            Cause::NameServiceTimeout { after: timeout }
        }
        error => Cause::HostNotFound {
            detail: error.map(system_words),
        },
    };
    Failure {
        phase: Phase::Resolve,
        redirected_to: None,
        cause,
    }
}

/// Returns the failure of a target that was not tried.
pub(super) fn not_tried(cause: Cause) -> Failure {
    Failure {
        phase: Phase::Login,
        redirected_to: None,
        cause,
    }
}

fn phase(phase: transport::AttachPhase) -> Phase {
    match phase {
        transport::AttachPhase::Resolve => Phase::Resolve,
        transport::AttachPhase::Connect => Phase::Connect,
        transport::AttachPhase::Login => Phase::Login,
        transport::AttachPhase::Ask => Phase::Enumerate,
    }
}

fn cause(error: &AttachError, target: &TargetReport) -> Cause {
    match error {
        AttachError::Resolve { source, .. } => Cause::HostNotFound {
            detail: source.as_ref().map(system_words),
        },
        AttachError::ResolveTimeout { after, .. } => Cause::NameServiceTimeout { after: *after },
        AttachError::Connect { portal, source } => not_connected(*portal, source),
        AttachError::ConnectTimeout { portal, after } => match unusable(*portal) {
            Some(cause) => cause,
            None => Cause::ConnectTimeout {
                portal: portal.to_string(),
                after: *after,
            },
        },
        AttachError::Login(error) => login_cause(error, target),
        AttachError::NotALoginResponse(opcode) => Cause::TargetProtocolError {
            subject: Some(opcode.to_string()),
            detail: detail(error),
        },
        AttachError::LoginConnection(error) => match error {
            ConnectionError::ClosedUnanswered => Cause::ClosedAfterConnect,
            ConnectionError::NotIscsi { received } => Cause::NotIscsi {
                first_bytes: first_bytes(received),
            },
            ConnectionError::Closed => Cause::LoginConnectionLost {
                detail: "the target closed the connection".to_owned(),
            },
            ConnectionError::Io(error) => Cause::LoginConnectionLost {
                detail: system_words(error),
            },
            error => target_error(error),
        },
        AttachError::Connection(error) => match &**error {
            ConnectionError::Closed | ConnectionError::ClosedUnanswered => {
                Cause::ConnectionLost { detail: None }
            }
            ConnectionError::Io(error) => Cause::ConnectionLost {
                detail: Some(system_words(error)),
            },
            error => target_error(error),
        },
        AttachError::LoginTimeout { after, .. } => Cause::LoginTimeout { after: *after },
        AttachError::TooManyRedirections(count) => Cause::TooManyRedirections { count: *count },
        // A redirection is taken off before its cause is evaluated; no target redirects within one.
        AttachError::Redirected { source, .. } => cause(source, target),
        AttachError::Session(error) => Cause::TargetProtocolError {
            subject: None,
            detail: detail(error),
        },
        AttachError::Submit(error) => Cause::Defect {
            detail: detail(error),
        },
        AttachError::LogoutRequested => Cause::LogoutRequested,
        AttachError::SessionEnded => Cause::SessionEnded,
        AttachError::Rejected(reason) => Cause::PduRejected {
            reason: escaped(&reason.to_string()),
        },
        AttachError::TargetFailure(response) => Cause::TargetFailure {
            response: escaped(&response.to_string()),
        },
        AttachError::AnswerTimeout { after, .. } => Cause::AnswerTimeout { after: *after },
        AttachError::GivenUp { during, after } => Cause::GivenUp {
            during: phase(*during),
            after: *after,
        },
        AttachError::Defect => Cause::Defect {
            detail: detail(error),
        },
    }
}

fn target_error(error: &ConnectionError) -> Cause {
    Cause::TargetProtocolError {
        subject: None,
        detail: detail(error),
    }
}

/// Returns the first line of what a peer sent, escaped.
fn first_bytes(received: &[u8]) -> String {
    let line = received
        .split(|byte| matches!(byte, b'\r' | b'\n'))
        .next()
        .unwrap_or_default();
    let line = if line.is_empty() { received } else { line };
    line.iter()
        .map(|byte| byte.escape_ascii().to_string())
        .collect()
}

fn not_connected(portal: SocketAddr, error: &io::Error) -> Cause {
    if let Some(cause) = unusable(portal) {
        return cause;
    }
    let portal = portal.to_string();
    let is = |errnos: &[Errno]| {
        errnos
            .iter()
            .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
    };
    if is(&[Errno::CONNREFUSED]) {
        Cause::ConnectionRefused { portal }
    } else if is(&[Errno::MFILE, Errno::NFILE]) {
        Cause::OpenFilesExhausted { portal }
    } else if is(&[Errno::NETUNREACH, Errno::HOSTUNREACH]) {
        Cause::Unreachable {
            portal,
            detail: system_words(error),
        }
    } else {
        Cause::ConnectFailed {
            portal,
            detail: system_words(error),
        }
    }
}

/// Returns the cause of a failed connection that is the address itself.
fn unusable(portal: SocketAddr) -> Option<Cause> {
    let kind = match portal.ip() {
        IpAddr::V6(address) if address.is_unicast_link_local() => AddressKind::LinkLocal,
        IpAddr::V4(address) if address.is_broadcast() => AddressKind::Broadcast,
        address if address.is_multicast() => AddressKind::Multicast,
        address if address.is_unspecified() => AddressKind::Unspecified,
        _ => return None,
    };
    Some(Cause::AddressUnusable {
        portal: portal.to_string(),
        kind,
    })
}

fn login_cause(error: &LoginError, target: &TargetReport) -> Cause {
    let protocol_error = |subject: Option<&str>| Cause::TargetProtocolError {
        subject: subject.map(str::to_owned),
        detail: detail(error),
    };
    match error {
        LoginError::Refused { status, chap } => Cause::LoginRefused {
            class: status.class,
            detail: status.detail,
            authentication: match (&target.chap, chap) {
                (None, _) => Authentication::NotConfigured,
                (Some(_), ChapProgress::ResponseSent { .. }) => Authentication::Answered,
                (Some(_), _) => Authentication::Offered,
            },
        },
        LoginError::RedirectWithoutAddress { .. } | LoginError::RedirectAddress(_) => {
            Cause::RedirectionUnusable {
                detail: detail(error),
            }
        }
        LoginError::NoCommonAuthMethod { offered } => Cause::AuthMethodRefused {
            offered: (*offered).to_owned(),
        },
        LoginError::AuthMethodNotOffered { offered, received } => Cause::AuthMethodNotOffered {
            offered: (*offered).to_owned(),
            selected: escaped(&received.to_string()),
        },
        LoginError::Chap(ChapError::AlgorithmNotOffered { offered, received }) => {
            Cause::ChapAlgorithmNotOffered {
                offered: offered.clone(),
                selected: escaped(&received.to_string()),
            }
        }
        LoginError::Chap(ChapError::NoCommonAlgorithm { offered }) => Cause::ChapAlgorithmRefused {
            offered: offered.clone(),
        },
        LoginError::Chap(ChapError::MutualDemanded) => Cause::MutualChapDemanded,
        LoginError::Chap(error) => protocol_error(error.broken_key()),
        LoginError::Negotiation(error) => protocol_error(Some(&escaped(error.key()))),
        LoginError::Text(error) => match error.key() {
            Some(key) => protocol_error(Some(&escaped(key))),
            None => protocol_error(Some("Login Response")),
        },
        LoginError::Field { field, .. } => protocol_error(Some(field)),
        LoginError::NoTsih => protocol_error(Some("TSIH")),
        LoginError::TransitNotRequested
        | LoginError::TransitWithContinue
        | LoginError::TooManyExchanges { .. }
        | LoginError::TooMuchToAnswer { .. } => protocol_error(Some("Login Response")),
    }
}

/// Returns text that may hold text of the target, escaped.
fn escaped(text: &str) -> String {
    Escaped(text).to_string()
}

/// Returns what the system says of an error.
fn system_words(error: &io::Error) -> String {
    escaped(without_error_number(&error.to_string()))
}

/// Returns an error with its causes.
pub(in crate::iop) fn detail(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        // A transparent error says what its cause says.
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = error.source();
    }
    escaped(without_error_number(&text))
}
