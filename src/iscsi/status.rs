//! The login statuses of RFC 7143, section 11.13.5, each with its cause and its next step in plain words.
//!
//! The words are for an administrator who attaches a virtual tape library (VTL) to an IBM i partition. They say what
//! the target said and no more: targets differ in which status they choose, so a status with two usual causes names both.

use super::ids::LoginStatus;

/// A login status of the standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginStatusName {
    /// Status-Class and Status-Detail.
    pub status: LoginStatus,
    /// The name in the table of 11.13.5.
    pub name: &'static str,
}

/// The login statuses of 11.13.5, in the order of its table.
pub const LOGIN_STATUSES: &[LoginStatusName] = &[
    named(0x00, 0x00, "Success"),
    named(0x01, 0x01, "Target moved temporarily"),
    named(0x01, 0x02, "Target moved permanently"),
    named(0x02, 0x00, "Initiator error"),
    named(0x02, 0x01, "Authentication failure"),
    named(0x02, 0x02, "Authorization failure"),
    named(0x02, 0x03, "Not found"),
    named(0x02, 0x04, "Target removed"),
    named(0x02, 0x05, "Unsupported version"),
    named(0x02, 0x06, "Too many connections"),
    named(0x02, 0x07, "Missing parameter"),
    named(0x02, 0x08, "Can't include in session"),
    named(0x02, 0x09, "Session type not supported"),
    named(0x02, 0x0a, "Session does not exist"),
    named(0x02, 0x0b, "Invalid during login"),
    named(0x03, 0x00, "Target error"),
    named(0x03, 0x01, "Service unavailable"),
    named(0x03, 0x02, "Out of resources"),
];

/// What the words about a status depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginContext<'a> {
    /// Whether a CHAP name and secret are configured for the target.
    pub chap_configured: bool,
    /// InitiatorName of the login.
    pub initiator_name: &'a str,
    /// TargetName of the login; `None` in a discovery session.
    pub target_name: Option<&'a str>,
}

/// A login status in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginStatusAdvice {
    /// The name in the standard; `None` when the standard does not define the status.
    pub name: Option<&'static str>,
    /// What the target said, one sentence.
    pub cause: String,
    /// The one next step.
    pub hint: String,
}

impl LoginStatus {
    /// Returns the name in the table of 11.13.5; `None` when the standard does not define the status.
    pub fn name(self) -> Option<&'static str> {
        LOGIN_STATUSES
            .iter()
            .find(|entry| entry.status == self)
            .map(|entry| entry.name)
    }

    /// Returns what the status means and what to do next.
    pub fn advice(self, context: &LoginContext<'_>) -> LoginStatusAdvice {
        let (cause, hint) = words(self, context);
        LoginStatusAdvice {
            name: self.name(),
            cause,
            hint,
        }
    }
}

const fn named(class: u8, detail: u8, name: &'static str) -> LoginStatusName {
    LoginStatusName {
        status: LoginStatus::new(class, detail),
        name,
    }
}

fn words(status: LoginStatus, context: &LoginContext<'_>) -> (String, String) {
    let initiator = context.initiator_name;
    let target = context.target_name.unwrap_or("the target");
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
        (2, 0) if context.chap_configured => (
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
        (2, 1) if context.chap_configured => (
            "The target did not accept the CHAP name and secret.".to_owned(),
            format!(
                "Compare the CHAP name and secret with those that the VTL holds for {initiator}: \
                 the VTL must hold both in upper case."
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
            "The iSCSI service of the VTL or the target is not in operation.".to_owned(),
            format!("Bring {target} online on the VTL and re-IPL again."),
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

    use super::*;

    const CONTEXT: LoginContext<'_> = LoginContext {
        chap_configured: true,
        initiator_name: "iqn.1924-02.com.ibm:ibmi.1-i0",
        target_name: Some("iqn.2020-01.com.example:vtl"),
    };

    fn advice(class: u8, detail: u8) -> LoginStatusAdvice {
        LoginStatus::new(class, detail).advice(&CONTEXT)
    }

    #[test]
    fn every_status_of_the_standard_has_its_own_cause() {
        let causes: HashSet<String> = LOGIN_STATUSES
            .iter()
            .map(|entry| entry.status.advice(&CONTEXT).cause)
            .collect();
        assert_eq!((causes.len(), LOGIN_STATUSES.len()), (18, 18));
        assert!(!causes.iter().any(|cause| cause.contains("unknown status")));
    }

    #[test]
    fn every_sentence_is_plain_ascii_and_ends() {
        for class in 0..=4 {
            for detail in 0..=0x0c {
                for chap_configured in [false, true] {
                    let context = LoginContext {
                        chap_configured,
                        ..CONTEXT
                    };
                    let advice = LoginStatus::new(class, detail).advice(&context);
                    for sentence in [advice.cause, advice.hint] {
                        assert!(sentence.is_ascii() && sentence.ends_with('.'), "{sentence}");
                        assert!(!sentence.contains("  "), "{sentence}");
                    }
                }
            }
        }
    }

    #[test]
    fn authentication_failure_depends_on_what_is_configured() {
        assert!(
            advice(2, 1)
                .hint
                .contains("the VTL must hold both in upper case")
        );
        let without = LoginContext {
            chap_configured: false,
            ..CONTEXT
        };
        let advice = LoginStatus::new(2, 1).advice(&without);
        assert!(advice.cause.contains("wants the initiator to authenticate"));
        assert!(advice.hint.contains("-initiatorchapsecret"));
    }

    #[test]
    fn not_found_and_authorization_name_both_causes() {
        for detail in [2, 3] {
            let LoginStatusAdvice { cause, hint, .. } = advice(2, detail);
            assert!(
                cause.contains("allowed") && cause.contains("target name"),
                "{cause}"
            );
            assert!(hint.contains(CONTEXT.initiator_name) && hint.contains("re-IPL again"));
        }
    }

    #[test]
    fn out_of_resources_is_not_called_authentication() {
        let LoginStatusAdvice { name, cause, hint } = advice(3, 2);
        assert_eq!(name, Some("Out of resources"));
        let words = format!("{cause} {hint}").to_lowercase();
        assert!(!words.contains("authentic") && !words.contains("chap"));
    }

    #[test]
    fn an_unknown_status_keeps_its_numbers() {
        for (class, detail, hex) in [(2, 0x7f, "0x027f"), (3, 3, "0x0303"), (9, 1, "0x0901")] {
            let advice = advice(class, detail);
            assert_eq!(advice.name, None);
            assert!(advice.cause.contains(hex), "{}", advice.cause);
        }
    }

    #[test]
    fn a_discovery_session_names_no_target() {
        let context = LoginContext {
            target_name: None,
            ..CONTEXT
        };
        let advice = LoginStatus::new(2, 2).advice(&context);
        assert!(advice.cause.contains("at the target"));
    }
}
