//! Failures of targets in words.

use std::time::Duration;

use super::login_status::{LoginContext, login_status};
use super::problem::command_failure;
use super::{Code, REMEDIES, Words, seconds};
use crate::iop::active::{Failure, Phase, TargetReport};
use crate::iop::cause::Cause;
use crate::iscsi::ids::LoginStatus;
use crate::values::AddressKind;
use crate::values::amount;

/// Returns why a target failed in words; none for one that did not.
pub fn failure(target: &TargetReport) -> Option<Words> {
    let failure = target.failure.as_ref()?;
    let mut words = cause(failure, target);
    if let Some(to) = &failure.redirected_to {
        words.message = format!("The target redirected the login to {to}: {}", words.message);
        if !matches!(failure.cause, Cause::LoginRefused { .. }) {
            words.next_step = Some(REDIRECTION.to_owned());
        }
    }
    Some(words)
}

/// Returns the status of the login response, `0x0201`, when the target refused the login with one.
pub fn refusal(failure: &Failure) -> Option<LoginStatus> {
    match failure.cause {
        Cause::LoginRefused { class, detail, .. } => Some(LoginStatus::new(class, detail)),
        _ => None,
    }
}

const REDIRECTION: &str =
    "Check on the VTL to which address it sends initiators, and that this host can reach it.";
const AGAIN: &str = "Re-IPL again; if it fails again, -vv shows the exchange.";
const MORE_TIME: &str = "Give it more time with --timeout, or look at the state of the VTL.";
const STATE_OF_VTL: &str = "Look at the state and the log of the VTL, and re-IPL again.";

fn cause(failure: &Failure, target: &TargetReport) -> Words {
    let host = &target.target_host_name;
    let port = target.target_port;
    match &failure.cause {
        Cause::HostNotFound { detail } => Words::new(
            Code::HostNotFound,
            match detail {
                Some(detail) => format!("The host name {host} cannot be resolved: {detail}."),
                None => format!("The host name {host} cannot be resolved."),
            },
            format!("Check the host name {host}, or configure the target by its address."),
        ),
        Cause::NameServiceTimeout { after } => Words::new(
            Code::NameServiceTimeout,
            within(
                &format!("No answer from the name service for {host}"),
                *after,
            ),
            "Check the name service of this host, or configure the target by its address.",
        ),
        Cause::AddressUnusable { portal, kind } => address_unusable(portal, *kind),
        Cause::ConnectionRefused { portal } => Words::new(
            Code::ConnectionRefused,
            format!("Cannot connect to {portal}: Connection refused."),
            format!(
                "The host is there, but nothing listens on port {port}: check that the VTL is running, and its port."
            ),
        ),
        Cause::Unreachable { portal, detail } => Words::new(
            Code::Unreachable,
            format!("Cannot connect to {portal}: {detail}."),
            format!("Check that {host} is the VTL's address, and the route from this host to it."),
        ),
        Cause::OpenFilesExhausted { portal } => Words::new(
            Code::OpenFilesExhausted,
            format!("Cannot connect to {portal}: Too many open files."),
            "Raise the limit of open files (ulimit -n), and re-IPL again.",
        ),
        Cause::ConnectFailed { portal, detail } => Words::new(
            Code::ConnectFailed,
            format!("Cannot connect to {portal}: {detail}."),
            format!(
                "Check that the VTL is running, that {host} is its address, and the network between."
            ),
        ),
        Cause::ConnectTimeout { portal, after } => Words::new(
            Code::ConnectTimeout,
            within(&format!("No answer from {portal}"), *after),
            format!(
                "Check that {host} is the VTL's address, that it is running, and that no firewall drops port {port}."
            ),
        ),
        Cause::ClosedAfterConnect => Words::new(
            Code::ClosedAfterConnect,
            "The target took the connection and closed it without an answer to the login.",
            format!(
                "Check that port {port} is the iSCSI port of the VTL, that the VTL allows connections from this host, and \
                 look for this login in its log."
            ),
        ),
        Cause::NotIscsi { first_bytes } => Words::new(
            Code::NotIscsi,
            format!("Port {port} of {host} answered {first_bytes}, which is not iSCSI."),
            format!(
                "Give the iSCSI port of the VTL, usually 3260: another service listens on port {port}."
            ),
        ),
        Cause::LoginConnectionLost { detail } => Words::new(
            Code::LoginConnectionLost,
            format!("The connection was lost during the login: {detail}."),
            is_it_iscsi(target),
        ),
        Cause::LoginTimeout { after } => Words::new(
            Code::LoginTimeout,
            within("The login was not answered", *after),
            is_it_iscsi(target),
        ),
        Cause::LoginRefused {
            class,
            detail,
            authentication,
        } => login_status(
            LoginStatus::new(*class, *detail),
            &LoginContext {
                authentication: *authentication,
                initiator_name: &target.initiator_name,
                target_name: Some(&target.target_name),
            },
        ),
        Cause::TooManyRedirections { count } => Words::new(
            Code::TooManyRedirections,
            format!(
                "The target redirected the login {}.",
                amount(*count, "time")
            ),
            REDIRECTION,
        ),
        Cause::RedirectionUnusable { detail } => {
            Words::new(Code::RedirectionUnusable, sentence(detail), REDIRECTION)
        }
        Cause::AuthMethodRefused { offered } => Words::new(
            Code::AuthMethodRefused,
            format!("The target accepts none of the authentication methods offered ({offered})."),
            format!(
                "Check on the VTL which authentication it wants of {}: CHAP or none are possible.",
                target.initiator_name
            ),
        ),
        Cause::ChapAlgorithmRefused { offered } => Words::new(
            Code::ChapAlgorithmRefused,
            format!("The target accepts none of the CHAP algorithms offered ({offered})."),
            "Offer the CHAP algorithm that the VTL wants with --chap-algorithms.",
        ),
        Cause::AuthMethodNotOffered { offered, selected } => Words::new(
            Code::AuthMethodNotOffered,
            format!(
                "The target selected the authentication method {selected}, and {offered} was offered."
            ),
            format!(
                "Check on the VTL which authentication it wants of {}: CHAP or none are possible.",
                target.initiator_name
            ),
        ),
        Cause::ChapAlgorithmNotOffered { offered, selected } => Words::new(
            Code::ChapAlgorithmNotOffered,
            format!(
                "The target selected the CHAP algorithm {selected}, and {offered} was offered."
            ),
            "Offer the CHAP algorithm that the VTL wants with --chap-algorithms.",
        ),
        Cause::MutualChapDemanded => Words::new(
            Code::MutualChapDemanded,
            "The target wants to be authenticated itself (mutual CHAP), which IBM i does not do.",
            format!(
                "Turn mutual CHAP off for {} on the VTL, and re-IPL again.",
                target.initiator_name
            ),
        ),
        Cause::TargetProtocolError { subject, detail } => Words::new(
            Code::TargetProtocolError,
            match subject {
                Some(subject) => {
                    format!("The target broke the iSCSI protocol with {subject}: {detail}.")
                }
                None => format!("The target broke the iSCSI protocol: {detail}."),
            },
            "Report this to the vendor of the VTL with the exchange that -vv shows.",
        ),
        Cause::SecretNotHere => Words::new(
            Code::SecretNotHere,
            "Not tried: its CHAP secret is not in this machine's Platform KeyStore, which storage replication does not \
             copy.",
            REMEDIES,
        ),
        Cause::NoInitiatorName => Words::new(
            Code::NoInitiatorName,
            "Not tried: the initiator name is *GENERATE, and this partition has no UUID to make it of.",
            "Give the partition a UUID with partition set --uuid, or configure the target with an initiator name of your \
             own.",
        ),
        Cause::ConnectionLost { detail } => Words::new(
            Code::ConnectionLost,
            format!(
                "The connection was lost while the devices were asked: {}.",
                detail
                    .as_deref()
                    .unwrap_or("the target closed the connection")
            ),
            AGAIN,
        ),
        Cause::LogoutRequested => Words::new(
            Code::LogoutRequested,
            "The target asked the initiator to log out.",
            AGAIN,
        ),
        Cause::SessionEnded => {
            Words::new(Code::SessionEnded, "The target ended the session.", AGAIN)
        }
        Cause::PduRejected { reason } => Words::new(
            Code::PduRejected,
            format!("The target rejected a request: {reason}."),
            AGAIN,
        ),
        Cause::TargetFailure { response } => Words::new(
            Code::TargetFailure,
            format!("The target failed to carry out a command: {response}."),
            AGAIN,
        ),
        Cause::AnswerTimeout { after } => Words::new(
            Code::AnswerTimeout,
            within("A command was not answered", *after),
            MORE_TIME,
        ),
        Cause::GivenUp { during, after } => Words::new(
            Code::GivenUp,
            format!(
                "The target was given up after {} s, while {}.",
                seconds(*after),
                match during {
                    Phase::Resolve => "the host name was resolved",
                    Phase::Connect => "the connection was opened",
                    Phase::Login => "logging in",
                    Phase::Enumerate => "the devices were asked",
                }
            ),
            MORE_TIME,
        ),
        Cause::ReportLunsRefused { failure } => Words::new(
            Code::ReportLunsRefused,
            format!(
                "The target refused to list its logical units (REPORT LUNS): {}.",
                command_failure(failure)
            ),
            STATE_OF_VTL,
        ),
        Cause::ReportLunsMalformed { detail } => Words::new(
            Code::ReportLunsMalformed,
            format!(
                "The target's list of its logical units (REPORT LUNS) cannot be read: {detail}."
            ),
            STATE_OF_VTL,
        ),
        Cause::CommandsUnanswered { count } => Words::new(
            Code::CommandsUnanswered,
            format!("The target left {} unanswered.", amount(*count, "command")),
            STATE_OF_VTL,
        ),
        Cause::Defect { detail } => Words::new(
            Code::Defect,
            sentence(detail),
            "Report this defect with what -vv shows, and re-IPL again.",
        ),
        Cause::Unknown { message, hint } => Words {
            code: Code::UnknownFailure,
            message: message.clone().unwrap_or_else(|| {
                "A cause that this version of iscsiswiconfig does not know.".to_owned()
            }),
            next_step: hint.clone().or_else(|| {
                Some("Re-IPL again, and this version finds the cause itself.".to_owned())
            }),
        },
    }
}

fn address_unusable(portal: &str, kind: AddressKind) -> Words {
    let (what, next_step) = match kind {
        AddressKind::LinkLocal => (
            "a link-local address, which means nothing without its zone",
            "Configure the target by an address that is not link-local: a zone cannot be configured.",
        ),
        AddressKind::Multicast => (
            "a multicast address, which takes no TCP connection",
            "Configure the target by the address of one host, the VTL's.",
        ),
        AddressKind::Broadcast => (
            "the broadcast address, which takes no TCP connection",
            "Configure the target by the address of one host, the VTL's.",
        ),
        AddressKind::Unspecified => (
            "the address of no host",
            "Configure the target by the address of the VTL; the one that a VTL listens on may be 0.0.0.0 or ::.",
        ),
    };
    Words::new(
        Code::AddressUnusable,
        format!("Cannot connect to {portal}: it is {what}."),
        next_step,
    )
}

fn is_it_iscsi(target: &TargetReport) -> String {
    format!(
        "Check that port {} of {} is the VTL's iSCSI port; -vv shows the exchange.",
        target.target_port, target.target_host_name
    )
}

fn within(what: &str, after: Duration) -> String {
    format!("{what} within {} s.", seconds(after))
}

/// Returns words as a sentence.
fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    let mut sentence: String = first.into_iter().chain(letters).collect();
    if !sentence.ends_with('.') {
        sentence.push('.');
    }
    sentence
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::problem::tests::every_problem;
    use super::super::{CodeKind, assert_sentences, problem};
    use super::*;
    use crate::iop::cause::Authentication;
    use crate::iop::devices::problem::CommandFailure;

    fn target(cause: Cause) -> TargetReport {
        TargetReport {
            target_name: "iqn.2020-01.com.example:vtl".to_owned(),
            target_host_name: "vtl.example".to_owned(),
            target_port: 3260,
            initiator_name: "iqn.1924-02.com.ibm:ibmi.1-i0".to_owned(),
            failure: Some(Failure {
                phase: Phase::Login,
                redirected_to: None,
                cause,
            }),
            ..TargetReport::default()
        }
    }

    fn words(cause: Cause) -> Words {
        failure(&target(cause)).unwrap()
    }

    fn refused(class: u8, detail: u8, authentication: Authentication) -> Cause {
        Cause::LoginRefused {
            class,
            detail,
            authentication,
        }
    }

    /// Returns a cause of every variant, and of every status with a code of its own.
    fn every_cause() -> Vec<Cause> {
        let portal = || "10.1.1.5:3260".to_owned();
        let detail = || "No route to host".to_owned();
        let after = Duration::from_secs(15);
        let mut causes = vec![
            Cause::HostNotFound {
                detail: Some("Name or service not known".to_owned()),
            },
            Cause::HostNotFound { detail: None },
            Cause::NameServiceTimeout { after },
            Cause::ConnectionRefused { portal: portal() },
            Cause::Unreachable {
                portal: portal(),
                detail: detail(),
            },
            Cause::OpenFilesExhausted { portal: portal() },
            Cause::ConnectFailed {
                portal: portal(),
                detail: detail(),
            },
            Cause::ConnectTimeout {
                portal: portal(),
                after,
            },
            Cause::ClosedAfterConnect,
            Cause::NotIscsi {
                first_bytes: "SSH-2.0-OpenSSH_9.6".to_owned(),
            },
            Cause::LoginConnectionLost { detail: detail() },
            Cause::LoginTimeout { after },
            Cause::TooManyRedirections { count: 4 },
            Cause::RedirectionUnusable { detail: detail() },
            Cause::AuthMethodRefused {
                offered: "CHAP,None".to_owned(),
            },
            Cause::ChapAlgorithmRefused {
                offered: "5".to_owned(),
            },
            Cause::AuthMethodNotOffered {
                offered: "CHAP,None".to_owned(),
                selected: "KRB5".to_owned(),
            },
            Cause::ChapAlgorithmNotOffered {
                offered: "5".to_owned(),
                selected: "7".to_owned(),
            },
            Cause::MutualChapDemanded,
            Cause::TargetProtocolError {
                subject: Some("MaxBurstLength".to_owned()),
                detail: "0 is out of range".to_owned(),
            },
            Cause::TargetProtocolError {
                subject: None,
                detail: "a duplicate".to_owned(),
            },
            Cause::SecretNotHere,
            Cause::NoInitiatorName,
            Cause::ConnectionLost { detail: None },
            Cause::ConnectionLost {
                detail: Some(detail()),
            },
            Cause::LogoutRequested,
            Cause::SessionEnded,
            Cause::PduRejected {
                reason: "Protocol Error".to_owned(),
            },
            Cause::TargetFailure {
                response: "Target Failure".to_owned(),
            },
            Cause::AnswerTimeout { after },
            Cause::ReportLunsRefused {
                failure: CommandFailure::NoSense,
            },
            Cause::ReportLunsMalformed { detail: detail() },
            Cause::CommandsUnanswered { count: 3 },
            Cause::Defect { detail: detail() },
            Cause::Unknown {
                message: None,
                hint: None,
            },
            refused(2, 0, Authentication::Answered),
            refused(2, 1, Authentication::NotConfigured),
            refused(2, 1, Authentication::Offered),
            refused(2, 1, Authentication::Answered),
            refused(2, 2, Authentication::Answered),
            refused(2, 3, Authentication::Answered),
            refused(3, 0, Authentication::Answered),
            refused(3, 1, Authentication::Answered),
            refused(3, 2, Authentication::Answered),
        ];
        let phases = [
            Phase::Resolve,
            Phase::Connect,
            Phase::Login,
            Phase::Enumerate,
        ];
        causes.extend(phases.map(|during| Cause::GivenUp { during, after }));
        let kinds = [
            AddressKind::LinkLocal,
            AddressKind::Multicast,
            AddressKind::Broadcast,
            AddressKind::Unspecified,
        ];
        causes.extend(kinds.map(|kind| Cause::AddressUnusable {
            portal: portal(),
            kind,
        }));
        causes
    }

    #[test]
    fn every_cause_is_told_in_sentences_with_a_next_step() {
        for cause in every_cause() {
            let words = words(cause);
            assert_sentences(&words);
            assert!(words.next_step.is_some(), "{words:?}");
            assert!(!words.message.contains("os error"), "{words:?}");
        }
    }

    #[test]
    fn every_code_of_a_failure_and_a_problem_is_one_that_a_cause_has() {
        let used: BTreeSet<Code> = every_cause()
            .into_iter()
            .map(|cause| words(cause).code)
            .chain(
                every_problem()
                    .iter()
                    .map(|(of, _)| problem::problem(of).code),
            )
            .collect();
        let listed: BTreeSet<Code> = Code::ALL
            .iter()
            .copied()
            .filter(|code| matches!(code.kind(), CodeKind::Failure | CodeKind::Problem))
            .collect();
        assert_eq!(used, listed);
    }

    #[test]
    fn a_cause_and_its_record_say_the_same() {
        for cause in every_cause() {
            let record = serde_json::to_string(&target(cause.clone())).unwrap();
            let read: TargetReport = serde_json::from_str(&record).unwrap();
            assert_eq!(read.failure.unwrap().cause, cause, "{record}");
        }
    }

    #[test]
    fn a_redirection_is_told_before_what_happened_there() {
        let redirected = |cause| {
            let mut target = target(cause);
            if let Some(failure) = &mut target.failure {
                failure.redirected_to = Some("10.9.9.9:3260,1".to_owned());
            }
            failure(&target).unwrap()
        };
        let refused = redirected(Cause::ConnectionRefused {
            portal: "10.9.9.9:3260".to_owned(),
        });
        assert_eq!(
            refused.message,
            "The target redirected the login to 10.9.9.9:3260,1: Cannot connect to 10.9.9.9:3260: Connection refused."
        );
        assert_eq!(refused.next_step.as_deref(), Some(REDIRECTION));
        let status = redirected(super::tests::refused(2, 2, Authentication::Answered));
        assert!(status.next_step.unwrap().contains("Allow"));
    }

    #[test]
    fn a_protocol_error_names_the_key_and_does_not_ask_for_the_port() {
        let words = words(Cause::TargetProtocolError {
            subject: Some("MaxBurstLength".to_owned()),
            detail: "0 is out of range".to_owned(),
        });
        assert_eq!(
            words.message,
            "The target broke the iSCSI protocol with MaxBurstLength: 0 is out of range."
        );
        assert!(!words.next_step.unwrap().contains("iSCSI port"));
    }
}
