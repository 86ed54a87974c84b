//! The login statuses of RFC 7143 section 11.13.5, each with its cause and its next step.
//!
//! The sentences are for an administrator who attaches a virtual tape library (VTL) to an IBM i partition. They say what
//! the target said and no more: targets differ in which status they choose, so a status with two usual causes names both.

use super::{Code, Words};
use crate::iop::cause::Authentication;
use crate::iscsi::ids::LoginStatus;

/// What the sentences about a status depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginContext<'a> {
    /// How far the authentication had come.
    pub authentication: Authentication,
    /// InitiatorName of the login.
    pub initiator_name: &'a str,
    /// TargetName of the login; `None` in a discovery session.
    pub target_name: Option<&'a str>,
}

/// Returns what a status means and what to do next.
pub fn login_status(status: LoginStatus, context: &LoginContext<'_>) -> Words {
    let (message, next_step) = sentences(status, context);
    Words::new(code(status, context.authentication), message, next_step)
}

fn code(status: LoginStatus, authentication: Authentication) -> Code {
    match (status.class, status.detail) {
        (2, 1) => match authentication {
            Authentication::NotConfigured => Code::ChapRequired,
            Authentication::Offered => Code::ChapAlgorithmRefused,
            Authentication::Answered => Code::ChapRefused,
        },
        (2, 2) => Code::NotAuthorized,
        (2, 3) => Code::TargetNotFound,
        (3, 0) => Code::TargetError,
        (3, 1) => Code::TargetUnavailable,
        (3, 2) => Code::TargetOutOfResources,
        _ => Code::LoginRefused,
    }
}

fn sentences(status: LoginStatus, context: &LoginContext<'_>) -> (String, String) {
    let initiator = context.initiator_name;
    let target = context.target_name.unwrap_or("the target");
    let chap_configured = context.authentication != Authentication::NotConfigured;
    match (status.class, status.detail) {
        (0, 0) => (
            "The target accepts the login.".to_owned(),
            "Nothing is left to do.".to_owned(),
        ),
        (1, 1) => (
            "The target has moved to another address for now.".to_owned(),
            "Use the address that the target gives until it has moved back.".to_owned(),
        ),
        (1, 2) => (
            "The target has moved to another address for good.".to_owned(),
            "Remove the target with -removetarget and add it at its new address with -addtarget."
                .to_owned(),
        ),
        (2, 0) if chap_configured => (
            "The target refused the login and gave no closer reason.".to_owned(),
            format!(
                "Look for this login of {initiator} in the log of the VTL; where --chap-algorithms \
                 was given, try again without it first."
            ),
        ),
        (2, 0) => (
            "The target refused the login and gave no closer reason.".to_owned(),
            format!("Look for this login of {initiator} in the log of the VTL."),
        ),
        (2, 1) if context.authentication == Authentication::Offered => (
            "The target refused the CHAP algorithms that were offered; no name and no secret were sent."
                .to_owned(),
            "Offer the algorithm that the VTL wants with --chap-algorithms, or leave --chap-algorithms out where it \
             was given."
                .to_owned(),
        ),
        (2, 1) if chap_configured => (
            "The target did not accept the CHAP name and secret.".to_owned(),
            format!(
                "Compare the CHAP name and secret with those that the VTL holds for {initiator}: the VTL must hold both \
                 in upper case. A VTL that demands mutual CHAP of {initiator} refuses with the same status: IBM i does \
                 not authenticate the target, so turn mutual CHAP off there."
            ),
        ),
        (2, 1) => (
            "The target wants the initiator to authenticate itself with CHAP, and no CHAP name and \
             secret are configured for it."
                .to_owned(),
            "Give the CHAP name and secret of the VTL with -changetarget -initiatorchapname and \
             -initiatorchapsecret."
                .to_owned(),
        ),
        (2, 2) => (
            format!(
                "The initiator name {initiator} is not allowed at {target}, or the target name is \
                 not one of this address."
            ),
            format!(
                "Allow {initiator} for {target} on the VTL and re-IPL again: many consoles list an \
                 initiator only after its first attempt."
            ),
        ),
        (2, 3) => (
            format!(
                "The target name {target} is not known at this address, or {initiator} is not \
                 allowed to see it."
            ),
            format!(
                "Compare the target name with the VTL's, letter case included, allow {initiator} \
                 there, and re-IPL again: many consoles list an initiator only after its first \
                 attempt."
            ),
        ),
        (2, 4) => (
            "The target was removed, and the VTL gives no new address for it.".to_owned(),
            "Ask the administrator of the VTL for the target's present name and address.".to_owned(),
        ),
        (2, 5) => (
            "The target does not support this version of iSCSI.".to_owned(),
            "Ask the vendor of the VTL which release supports RFC 7143.".to_owned(),
        ),
        (2, 6) => (
            "The target has too many connections in this session.".to_owned(),
            format!("End the old sessions of {initiator} on the VTL and re-IPL again."),
        ),
        (2, 7) => (
            "The target misses a parameter in the login, such as the initiator or target name."
                .to_owned(),
            "Compare the initiator and target names with those on the VTL.".to_owned(),
        ),
        (2, 8) => (
            "The target cannot take this connection into the session.".to_owned(),
            format!("End the old sessions of {initiator} on the VTL and re-IPL again."),
        ),
        (2, 9) => (
            "The target does not support this type of session, or not for this initiator."
                .to_owned(),
            format!("Check on the VTL what {initiator} is allowed to do at {target}."),
        ),
        (2, 10) => (
            "The target does not know the session that the login wants to join.".to_owned(),
            "Re-IPL again, which starts a new session.".to_owned(),
        ),
        (2, 11) => (
            "The target received a request that it does not take during login.".to_owned(),
            "Repeat the re-IPL with -vv, and compare the exchange with the log of the VTL."
                .to_owned(),
        ),
        (3, 0) => (
            "The target has a hardware or software error.".to_owned(),
            "Look at the state and the log of the VTL.".to_owned(),
        ),
        (3, 1) => (
            format!(
                "The iSCSI service of the VTL or the target is not in operation, or {target} is not the name of one of \
                 its targets."
            ),
            format!(
                "Compare the target name with the VTL's: a VTL built on LIO answers a mistyped name like this. Else bring \
                 {target} online on the VTL. Then re-IPL again."
            ),
        ),
        (3, 2) => (
            "The target is out of resources, such as sessions, connections or memory; the name and \
             the secret are not in question."
                .to_owned(),
            "End sessions on the VTL that are no longer used, and re-IPL again.".to_owned(),
        ),
        (1, _) => (
            format!("The target refers to another address with the unknown status {status}."),
            "Ask the administrator of the VTL for the target's present address.".to_owned(),
        ),
        (2, _) => (
            format!("The target refused the login with the unknown status {status}."),
            format!("Look for this login of {initiator} in the log of the VTL."),
        ),
        (3, _) => (
            format!("The target cannot take the login now, with the unknown status {status}."),
            "Look at the state and the log of the VTL, and re-IPL again.".to_owned(),
        ),
        _ => (
            format!("The target answered with the unknown status {status}."),
            "Look at the log of the VTL.".to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::assert_sentences;
    use super::*;
    use crate::iscsi::status::LOGIN_STATUSES;

    const CONTEXT: LoginContext<'_> = LoginContext {
        authentication: Authentication::Answered,
        initiator_name: "iqn.1924-02.com.ibm:ibmi.1-i0",
        target_name: Some("iqn.2020-01.com.example:vtl"),
    };

    fn words(class: u8, detail: u8) -> Words {
        login_status(LoginStatus::new(class, detail), &CONTEXT)
    }

    fn at(authentication: Authentication) -> Words {
        let context = LoginContext {
            authentication,
            ..CONTEXT
        };
        login_status(LoginStatus::new(2, 1), &context)
    }

    fn hint(words: &Words) -> &str {
        words.next_step.as_deref().unwrap()
    }

    #[test]
    fn every_status_of_the_standard_has_its_own_cause() {
        let causes: HashSet<String> = LOGIN_STATUSES
            .iter()
            .map(|entry| login_status(entry.status, &CONTEXT).message)
            .collect();
        assert_eq!((causes.len(), LOGIN_STATUSES.len()), (18, 18));
        assert!(!causes.iter().any(|cause| cause.contains("unknown status")));
    }

    #[test]
    fn every_sentence_is_plain_ascii_and_ends() {
        for class in 0..=4 {
            for detail in 0..=0x0c {
                for authentication in [
                    Authentication::NotConfigured,
                    Authentication::Offered,
                    Authentication::Answered,
                ] {
                    let context = LoginContext {
                        authentication,
                        ..CONTEXT
                    };
                    assert_sentences(&login_status(LoginStatus::new(class, detail), &context));
                }
            }
        }
    }

    #[test]
    fn authentication_failure_depends_on_how_far_it_had_come() {
        let answered = at(Authentication::Answered);
        assert_eq!(answered.code, Code::ChapRefused);
        assert!(hint(&answered).contains("the VTL must hold both in upper case"));
        assert!(hint(&answered).contains("mutual CHAP"));

        let offered = at(Authentication::Offered);
        assert_eq!(offered.code, Code::ChapAlgorithmRefused);
        assert!(offered.message.contains("no name and no secret were sent"));
        assert!(hint(&offered).contains("--chap-algorithms"));

        let without = at(Authentication::NotConfigured);
        assert_eq!(without.code, Code::ChapRequired);
        assert!(
            without
                .message
                .contains("wants the initiator to authenticate")
        );
        assert!(hint(&without).contains("-initiatorchapsecret"));
    }

    #[test]
    fn not_found_and_authorization_name_both_causes() {
        for detail in [2, 3] {
            let words = words(2, detail);
            let cause = &words.message;
            assert!(
                cause.contains("allowed") && cause.contains("target name"),
                "{cause}"
            );
            assert!(
                hint(&words).contains(CONTEXT.initiator_name)
                    && hint(&words).contains("re-IPL again")
            );
        }
    }

    #[test]
    fn service_unavailable_may_be_a_mistyped_name() {
        let words = words(3, 1);
        assert_eq!(words.code, Code::TargetUnavailable);
        assert!(hint(&words).contains("mistyped name") && hint(&words).contains("online"));
    }

    #[test]
    fn out_of_resources_is_not_called_authentication() {
        let words = words(3, 2);
        assert_eq!(words.code, Code::TargetOutOfResources);
        let text = format!("{} {}", words.message, hint(&words)).to_lowercase();
        assert!(!text.contains("authentic") && !text.contains("chap"));
    }

    #[test]
    fn an_unknown_status_keeps_its_numbers() {
        for (class, detail, hex) in [(2, 0x7f, "0x027f"), (3, 3, "0x0303"), (9, 1, "0x0901")] {
            let words = words(class, detail);
            assert!(words.message.contains(hex), "{}", words.message);
        }
    }

    #[test]
    fn a_discovery_session_names_no_target() {
        let context = LoginContext {
            target_name: None,
            ..CONTEXT
        };
        let words = login_status(LoginStatus::new(2, 2), &context);
        assert!(words.message.contains("at the target"));
    }
}
