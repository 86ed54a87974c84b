//! Ends of sessions that a resident IOP held, in words.

use super::{Code, Words, seconds};
use crate::iop::active::LossCause;

const BACK: &str = "Look at the state and the log of the VTL, then re-IPL: the IOP connects again at -reipliscsiop, and by itself only \
     with iop run --reconnect.";

/// Returns why a session has ended in words.
#[must_use]
pub fn loss(cause: &LossCause) -> Words {
    match cause {
        LossCause::NoAnswer { request, after } => Words::new(
            Code::NoAnswer,
            format!(
                "The target did not answer {request} within {} s.",
                seconds(*after)
            ),
            BACK,
        ),
        LossCause::ConnectionClosed => Words::new(
            Code::ConnectionClosed,
            "The target closed the connection, as a VTL does that is restarted.",
            BACK,
        ),
        LossCause::ConnectionFailed { detail } => Words::new(
            Code::ConnectionFailed,
            format!("The connection was lost: {detail}."),
            BACK,
        ),
        LossCause::LogoutRequested => Words::new(
            Code::LogoutWasRequested,
            "The target asked the initiator to log out, and the IOP did.",
            BACK,
        ),
        LossCause::Dropped => {
            Words::new(Code::SessionDropped, "The target ended the session.", BACK)
        }
        LossCause::PduRejected { reason } => Words::new(
            Code::RequestRejected,
            format!("The target rejected a request: {reason}."),
            BACK,
        ),
        LossCause::TargetProtocolError { detail } => Words::new(
            Code::ProtocolBroken,
            format!("The target broke the iSCSI protocol: {detail}."),
            "Report this to the vendor of the VTL with the exchange that iop run --trace writes; -reipliscsiop connects again.",
        ),
        LossCause::GivenUp => Words::new(
            Code::HolderEnded,
            "The IOP that held the session was killed, and the next one did not get to the target again.",
            BACK,
        ),
        LossCause::Unknown => Words::new(
            Code::UnknownLoss,
            "A cause that this version of iscsiswiconfig does not know.",
            BACK,
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::super::{CodeKind, assert_sentences};
    use super::*;

    #[test]
    fn every_loss_is_told_in_sentences_with_a_next_step_and_every_code_is_one() {
        let causes = [
            LossCause::NoAnswer {
                request: "NOP-Out".to_owned(),
                after: Duration::from_millis(15_040),
            },
            LossCause::ConnectionClosed,
            LossCause::ConnectionFailed {
                detail: "Connection reset by peer".to_owned(),
            },
            LossCause::LogoutRequested,
            LossCause::Dropped,
            LossCause::PduRejected {
                reason: "Protocol Error".to_owned(),
            },
            LossCause::TargetProtocolError {
                detail: "StatSN 5, expected 4".to_owned(),
            },
            LossCause::GivenUp,
            LossCause::Unknown,
        ];
        let mut used = BTreeSet::new();
        for cause in &causes {
            let words = loss(cause);
            assert_sentences(&words);
            assert!(words.next_step.is_some(), "{words:?}");
            used.insert(words.code);
        }
        let listed: BTreeSet<Code> = Code::ALL
            .iter()
            .copied()
            .filter(|code| code.kind() == CodeKind::Loss)
            .collect();
        assert_eq!(used, listed);
        assert_eq!(
            loss(&causes[0]).message,
            "The target did not answer NOP-Out within 15 s."
        );
    }
}
