//! Login policy as plain data: the targets of a portal, its secrets, its limits, and the faults that it
//! plays.

use super::login::{Admission, Candidate, RequiredChap};
use crate::iscsi::chap::{ChapAlgorithm, ChapChallenge, ChapCredentials};
use crate::iscsi::ids::{Isid, LoginStatus, Tsih};
use crate::iscsi::login::TargetAddress;
use crate::iscsi::name::IscsiName;
use crate::iscsi::operational::{OperationalOffer, SessionType};

/// A target and where it can be reached (RFC 7143 Appendix C).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetRecord {
    /// TargetName (13.4).
    pub name: IscsiName,
    /// TargetAlias (13.6).
    pub alias: Option<String>,
    /// The portals of the target with their portal group tags, for SendTargets; a tag that is missing is sent as 1.
    pub addresses: Vec<TargetAddress>,
}

/// What decides about a login.
#[derive(Clone, Debug)]
pub struct LoginPolicy {
    /// The targets that can be logged in to.
    pub targets: Vec<TargetRecord>,
    /// TargetPortalGroupTag of the portal that serves (13.9).
    pub portal_group_tag: u16,
    /// The initiators that may log in; `None` lets everybody in.
    pub allowed_initiators: Option<Vec<IscsiName>>,
    /// The credentials that an initiator has to prove; `None` asks for no authentication.
    pub chap: Option<ChapCredentials>,
    /// The target's own credentials, for mutual CHAP.
    pub own_chap: Option<ChapCredentials>,
    /// The CHAP algorithms allowed.
    pub algorithms: Vec<ChapAlgorithm>,
    /// The most normal sessions at a time; one more is refused with status 0302.
    pub max_sessions: usize,
    /// What is answered to every login instead of the above.
    pub forced: Option<ForcedOutcome>,
    /// The operational keys as the target prefers them.
    pub offer: OperationalOffer,
}

/// An outcome for every login, of whatever initiator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ForcedOutcome {
    /// Refuses with this status.
    Refuse(LoginStatus),
    /// Sends the initiator elsewhere.
    Redirect {
        /// Where to.
        address: TargetAddress,
        /// Whether for good.
        permanent: bool,
    },
}

/// A session that is logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveSession {
    /// InitiatorName.
    pub initiator_name: IscsiName,
    /// TargetName; `None` in a discovery session that names none.
    pub target_name: Option<IscsiName>,
    /// Its type.
    pub session_type: SessionType,
    /// ISID.
    pub isid: Isid,
    /// Its handle.
    pub tsih: Tsih,
}

/// What is to be answered to a candidate.
#[derive(Clone, Debug)]
#[must_use]
pub enum Decision {
    /// Pass it to [`Question::admit`](super::Question::admit).
    Admit(Box<Admission>),
    /// Pass it to [`Question::refuse`](super::Question::refuse).
    Refuse(LoginStatus),
    /// Pass it to [`Question::redirect`](super::Question::redirect).
    Redirect {
        /// Where to.
        address: TargetAddress,
        /// Whether for good.
        permanent: bool,
    },
}

impl LoginPolicy {
    /// Decides about a candidate, given the sessions there are, a TSIH that is free, and a challenge that is fresh.
    ///
    /// Two logins that are under way at the same time may both be admitted to the last free session: a caller that
    /// counts strictly asks again, or holds a place, before it starts the session.
    pub fn decide(
        &self,
        candidate: &Candidate,
        sessions: &[LiveSession],
        tsih: Tsih,
        challenge: ChapChallenge,
    ) -> Decision {
        match &self.forced {
            Some(ForcedOutcome::Refuse(status)) => return Decision::Refuse(*status),
            Some(ForcedOutcome::Redirect { address, permanent }) => {
                return Decision::Redirect {
                    address: address.clone(),
                    permanent: *permanent,
                };
            }
            None => {}
        }
        match self.refusal(candidate, sessions) {
            Some(status) => Decision::Refuse(status),
            None => Decision::Admit(Box::new(self.admission(candidate, tsih, challenge))),
        }
    }

    /// Returns the targets that a session may be told of by SendTargets: all in a discovery session, else its own.
    pub fn visible_targets(&self, candidate: &Candidate) -> Vec<TargetRecord> {
        match candidate.session_type {
            SessionType::Discovery => self.targets.clone(),
            SessionType::Normal => self.target(candidate).cloned().into_iter().collect(),
        }
    }

    fn refusal(&self, candidate: &Candidate, sessions: &[LiveSession]) -> Option<LoginStatus> {
        const NOT_ALLOWED: LoginStatus = LoginStatus::new(2, 2);
        const NOT_FOUND: LoginStatus = LoginStatus::new(2, 3);
        const TOO_MANY_CONNECTIONS: LoginStatus = LoginStatus::new(2, 6);
        const NO_SUCH_SESSION: LoginStatus = LoginStatus::new(2, 0x0a);
        const OUT_OF_RESOURCES: LoginStatus = LoginStatus::new(3, 2);

        if candidate.target_name.is_some() && self.target(candidate).is_none() {
            return Some(NOT_FOUND);
        }
        if let Some(allowed) = &self.allowed_initiators
            && !allowed.contains(&candidate.initiator_name)
        {
            return Some(NOT_ALLOWED);
        }
        if candidate.tsih != Tsih::default() {
            // A second connection, or the reinstatement of the only one, which would leave nothing to join (6.3.1).
            let exists = sessions
                .iter()
                .any(|session| session.tsih == candidate.tsih && candidate.is_port_of(session));
            return Some(if exists {
                TOO_MANY_CONNECTIONS
            } else {
                NO_SUCH_SESSION
            });
        }
        let others = sessions
            .iter()
            .filter(|session| session.session_type == SessionType::Normal)
            .filter(|session| !candidate.reinstates(session))
            .count();
        (candidate.session_type == SessionType::Normal && others >= self.max_sessions)
            .then_some(OUT_OF_RESOURCES)
    }

    fn admission(&self, candidate: &Candidate, tsih: Tsih, challenge: ChapChallenge) -> Admission {
        Admission {
            tsih,
            portal_group_tag: self.portal_group_tag,
            target_alias: self
                .target(candidate)
                .and_then(|target| target.alias.clone()),
            chap: self.chap.clone().map(|initiator| RequiredChap {
                initiator,
                own: self.own_chap.clone(),
                algorithms: self.algorithms.clone(),
                challenge,
            }),
            offer: self.offer.clone(),
        }
    }

    fn target(&self, candidate: &Candidate) -> Option<&TargetRecord> {
        let name = candidate.target_name.as_ref()?;
        self.targets.iter().find(|target| target.name == *name)
    }
}

impl Candidate {
    /// Returns whether the login, once it has succeeded, ends that session: same initiator port, same target, TSIH 0
    /// (RFC 7143 6.3.5 and 7.4.2).
    #[must_use]
    pub fn reinstates(&self, session: &LiveSession) -> bool {
        self.tsih == Tsih::default() && self.is_port_of(session)
    }

    fn is_port_of(&self, session: &LiveSession) -> bool {
        self.target_name == session.target_name
            && self.isid == session.isid
            && self.initiator_name == session.initiator_name
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::iscsi::chap::CHALLENGE_LENGTH;
    use crate::iscsi::ids::Cid;

    fn policy() -> LoginPolicy {
        LoginPolicy {
            targets: vec![TargetRecord {
                name: "iqn.2026-11.test:vtl".parse().unwrap(),
                alias: Some("VTL".to_owned()),
                addresses: Vec::new(),
            }],
            portal_group_tag: 1,
            allowed_initiators: Some(vec!["iqn.2026-11.test:I0".parse().unwrap()]),
            chap: None,
            own_chap: None,
            algorithms: ChapAlgorithm::ALL.to_vec(),
            max_sessions: 1,
            forced: None,
            offer: OperationalOffer::default(),
        }
    }

    fn candidate() -> Candidate {
        Candidate {
            initiator_name: "iqn.2026-11.test:i0".parse().unwrap(),
            target_name: Some("IQN.2026-11.test:VTL".parse().unwrap()),
            initiator_alias: None,
            session_type: SessionType::Normal,
            isid: Isid([0x80, 1, 2, 3, 4, 5]),
            tsih: Tsih(0),
            cid: Cid(0),
        }
    }

    fn session(isid: u8) -> LiveSession {
        LiveSession {
            initiator_name: "iqn.2026-11.TEST:i0".parse().unwrap(),
            target_name: Some("iqn.2026-11.test:vtl".parse().unwrap()),
            session_type: SessionType::Normal,
            isid: Isid([0x80, 1, 2, 3, 4, isid]),
            tsih: Tsih(7),
        }
    }

    fn status(
        policy: &LoginPolicy,
        candidate: &Candidate,
        sessions: &[LiveSession],
    ) -> Option<String> {
        let challenge = ChapChallenge {
            identifier: 1,
            challenge: [1; CHALLENGE_LENGTH],
        };
        match policy.decide(candidate, sessions, Tsih(9), challenge) {
            Decision::Admit(_) => None,
            Decision::Refuse(status) => Some(status.to_string()),
            Decision::Redirect { permanent, .. } => Some(format!("redirect {permanent}")),
        }
    }

    #[test]
    fn names_are_compared_without_letter_case() {
        assert_eq!(status(&policy(), &candidate(), &[]), None);
    }

    #[test]
    fn unknown_targets_and_initiators_are_told_apart() {
        let mut unknown = candidate();
        unknown.target_name = Some("iqn.2026-11.test:other".parse().unwrap());
        assert_eq!(status(&policy(), &unknown, &[]).unwrap(), "0x0203");
        let mut stranger = candidate();
        stranger.initiator_name = "iqn.2026-11.test:i1".parse().unwrap();
        assert_eq!(status(&policy(), &stranger, &[]).unwrap(), "0x0202");
        let open = LoginPolicy {
            allowed_initiators: None,
            ..policy()
        };
        assert_eq!(status(&open, &stranger, &[]), None);
    }

    #[test]
    fn one_session_too_many_is_out_of_resources_unless_it_reinstates_one() {
        assert_eq!(
            status(&policy(), &candidate(), &[session(9)]).unwrap(),
            "0x0302"
        );
        assert!(candidate().reinstates(&session(5)));
        assert_eq!(status(&policy(), &candidate(), &[session(5)]), None);
        let mut discovery = candidate();
        discovery.session_type = SessionType::Discovery;
        assert_eq!(status(&policy(), &discovery, &[session(9)]), None);
    }

    #[test]
    fn a_tsih_joins_no_session() {
        let mut joining = candidate();
        joining.tsih = Tsih(7);
        assert_eq!(status(&policy(), &joining, &[]).unwrap(), "0x020a");
        assert_eq!(
            status(&policy(), &joining, &[session(5)]).unwrap(),
            "0x0206"
        );
        assert_eq!(
            status(&policy(), &joining, &[session(9)]).unwrap(),
            "0x020a"
        );
        assert!(!joining.reinstates(&session(5)));
    }

    #[test]
    fn a_forced_outcome_comes_before_everything_else() {
        let refusing = LoginPolicy {
            forced: Some(ForcedOutcome::Refuse(LoginStatus::new(3, 1))),
            ..policy()
        };
        assert_eq!(status(&refusing, &candidate(), &[]).unwrap(), "0x0301");
        let moved = LoginPolicy {
            forced: Some(ForcedOutcome::Redirect {
                address: "10.1.1.6:3260".parse().unwrap(),
                permanent: true,
            }),
            ..policy()
        };
        assert_eq!(status(&moved, &candidate(), &[]).unwrap(), "redirect true");
    }

    #[test]
    fn secrets_are_not_shown() {
        let with_chap = LoginPolicy {
            chap: Some(ChapCredentials {
                name: "VTLUSER".to_owned(),
                secret: b"SECRETFORVTL1".to_vec().into(),
            }),
            ..policy()
        };
        assert!(!format!("{with_chap:?}").contains("SECRET"));
    }
}
