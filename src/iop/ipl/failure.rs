//! Why a target failed, and what to do next, in words.

use std::error::Error;
use std::io;

use rustix::io::Errno;

use crate::iop::active::{Failure, Phase, TargetReport};
use crate::iop::devices::enumerate::EnumerationError;
use crate::iscsi::chap::ChapError;
use crate::iscsi::login::LoginError;
use crate::iscsi::status::LoginContext;
use crate::transport::{self, AttachError, ConnectionError};

/// Describes a target that could not be attached, or was lost.
pub(super) fn of_attach(error: &AttachError, target: &TargetReport) -> Failure {
    let cause = match error {
        AttachError::Redirected { source, .. } => source,
        error => error,
    };
    let mut failure = Failure {
        phase: phase(error.phase()),
        login_status: None,
        message: sentence(error),
        hint: Some(next_step(error, target)),
    };
    if let AttachError::Login(LoginError::Refused(status)) = cause {
        let advice = status.advice(&LoginContext {
            chap_configured: target.chap.is_some(),
            initiator_name: &target.initiator_name,
            target_name: Some(&target.target_name),
        });
        failure.login_status = Some(status.to_string());
        failure.message = match error {
            AttachError::Redirected { to, .. } => {
                format!("Redirected to {to}: {}", advice.cause)
            }
            _ => advice.cause,
        };
        failure.hint = Some(advice.hint);
    }
    failure
}

/// Describes a target that did not say what it has.
pub(super) fn of_enumeration(error: &EnumerationError) -> Failure {
    Failure {
        phase: Phase::Enumerate,
        login_status: None,
        message: sentence(error),
        hint: Some("Look at the state and the log of the VTL, and re-IPL again.".to_owned()),
    }
}

/// The steps that IBM's document gives where replicated storage has CHAP configurations without their credentials.
pub const REMEDIES: &str = "Recreate the CHAP configuration here with -changetarget -initiatorchapsecret, or store \
     it as plain text by adding -chapkeystore NONE, or remove CHAP with -removetarget and -addtarget without it.";

/// Describes a target that was not tried because its secret is not here.
pub(super) fn no_secret() -> Failure {
    Failure {
        phase: Phase::Login,
        login_status: None,
        message: "Not tried: its CHAP secret is not in this machine's Platform KeyStore, which storage replication does not \
                  copy."
            .to_owned(),
        hint: Some(REMEDIES.to_owned()),
    }
}

/// Describes a target that was not tried because there is no name to log in with.
pub(super) fn no_initiator_name() -> Failure {
    Failure {
        phase: Phase::Login,
        login_status: None,
        message: "Not tried: the initiator name is *GENERATE, and this partition has no UUID to make it of.".to_owned(),
        hint: Some(
            "Give the partition a UUID with partition set --uuid, or configure the target with an initiator name of your own."
                .to_owned(),
        ),
    }
}

fn phase(phase: transport::Phase) -> Phase {
    match phase {
        transport::Phase::Resolve => Phase::Resolve,
        transport::Phase::Connect => Phase::Connect,
        transport::Phase::Login => Phase::Login,
        transport::Phase::Ask => Phase::Enumerate,
    }
}

fn next_step(error: &AttachError, target: &TargetReport) -> String {
    let host = &target.target_host_name;
    let port = target.target_port;
    match error {
        AttachError::Resolve { .. } => {
            format!("Check the host name {host}, or configure the target by its address.")
        }
        AttachError::ResolveTimeout { .. } => {
            "Check the name service of this host, or configure the target by its address."
                .to_owned()
        }
        AttachError::Connect { source, .. }
            if source.kind() == io::ErrorKind::ConnectionRefused =>
        {
            format!(
                "The host is there, but nothing listens on port {port}: check that the VTL is running, and its port."
            )
        }
        AttachError::Connect { source, .. } if lacks_files(source) => {
            "Raise the limit of open files (ulimit -n), and re-IPL again.".to_owned()
        }
        AttachError::Connect { .. } => format!(
            "Check that the VTL is running, that {host} is its address, and the network between."
        ),
        AttachError::ConnectTimeout { .. } => format!(
            "Check that {host} is the VTL's address, that it is running, and that no firewall drops port {port}."
        ),
        AttachError::LoginConnection(
            ConnectionError::Closed | ConnectionError::ClosedUnanswered,
        ) => format!(
            "Check that port {port} is the iSCSI port of the VTL, and look for this login in its log."
        ),
        AttachError::Redirected { .. } | AttachError::TooManyRedirections(_) => {
            "Check on the VTL to which address it sends initiators, and that this host can reach it."
                .to_owned()
        }
        AttachError::Login(LoginError::Chap(
            ChapError::NoCommonAlgorithm { .. } | ChapError::AlgorithmNotOffered { .. },
        )) => "Offer the CHAP algorithm that the VTL wants with --chap-algorithms.".to_owned(),
        AttachError::Login(
            LoginError::NoCommonAuthMethod { .. } | LoginError::AuthMethodNotOffered { .. },
        ) => format!(
            "Check on the VTL which authentication it wants of {}: CHAP or none are possible.",
            target.initiator_name
        ),
        AttachError::Login(_)
        | AttachError::NotALoginResponse(_)
        | AttachError::LoginConnection(_)
        | AttachError::LoginTimeout { .. } => format!(
            "Check that port {port} of {host} is the VTL's iSCSI port; -vv shows the exchange."
        ),
        AttachError::GivenUp { .. } | AttachError::AnswerTimeout { .. } => {
            "Give it more time with --timeout, or look at the state of the VTL.".to_owned()
        }
        AttachError::Defect => {
            "Report this defect with what -vv shows, and re-IPL again.".to_owned()
        }
        AttachError::Connection(_)
        | AttachError::Session(_)
        | AttachError::Submit(_)
        | AttachError::LogoutRequested
        | AttachError::SessionEnded
        | AttachError::TargetFailure(_)
        | AttachError::Rejected(_) => {
            "Re-IPL again; if it fails again, -vv shows the exchange.".to_owned()
        }
    }
}

/// Returns whether this process, or the system, had no file left.
fn lacks_files(error: &io::Error) -> bool {
    [Errno::MFILE, Errno::NFILE]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// Returns an error with its causes as one sentence.
fn sentence(error: &dyn Error) -> String {
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
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    let mut sentence: String = first.into_iter().chain(letters).collect();
    if !sentence.ends_with('.') {
        sentence.push('.');
    }
    printable(&sentence)
}

/// Returns text that may come from a target with control and non-ASCII characters escaped.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            ' '..='~' => character.to_string(),
            _ => character.escape_unicode().to_string(),
        })
        .collect()
}
