//! The login phase of a connection: who may come in.

use std::rc::Rc;
use std::time::SystemTime;

use bytes::Bytes;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use super::connection::{FaultyConnection, ServedConnectionError};
use super::crowd::{ConnectionStage, CrowdPlace};
use super::guesses::Telling;
use super::registry::{COMMAND_WINDOW, Membership, OUT_OF_RESOURCES, SessionRegistry};
use super::{LoginAttempt, LoginOutcome, Notice};
use crate::iscsi::chap::{CHALLENGE_LENGTH, ChapChallenge};
use crate::iscsi::ids::{LoginStatus, Tsih};
use crate::iscsi::pdu::{LoginResponse, Pdu, Stage};
use crate::iscsi::target::{
    Accepted, Candidate, Decision, LoginFailure, LoginStep, Question, Refusal, TargetLogin,
};
use crate::transport::ByteStream;

const TARGET_ERROR: LoginStatus = LoginStatus::new(3, 0);

/// Lets an initiator log in, and tells of it. Returns the connection with its membership, or nothing when it came to no
/// session; the connection is closed then.
pub(super) async fn log_in<S: ByteStream>(
    mut connection: FaultyConnection<S>,
    registry: &Rc<SessionRegistry>,
    place: &CrowdPlace<AbortHandle>,
) -> Option<(FaultyConnection<S>, Membership)> {
    let mut candidate = None;
    let talk = talk(&mut connection, registry, place, &mut candidate);
    let login_time = registry.login_time();
    let outcome = match timeout(login_time, talk).await {
        Ok(ended) => ended,
        Err(_) => Ended::Abandoned(Abandonment::TooSlow),
    };
    let tell = |candidate: Option<&Candidate>, outcome| {
        let begins_burst = match registry.note_proof(connection.peer.ip(), candidate, &outcome) {
            Telling::Told => false,
            Telling::BeginsBurst => true,
            Telling::Counted => return,
        };
        registry.observe(Notice::Login(&LoginAttempt {
            time: SystemTime::now(),
            peer: connection.peer,
            initiator_name: candidate.map(|candidate| candidate.initiator_name.clone()),
            target_name: candidate.and_then(|candidate| candidate.target_name.clone()),
            session_type: candidate.map(|candidate| candidate.session_type),
            outcome,
            begins_burst,
        }));
    };
    match outcome {
        Ended::LoggedIn(membership, outcome) => {
            tell(candidate.as_ref(), outcome);
            Some((connection, *membership))
        }
        Ended::Refused(refusal) => {
            let status = refusal.response.as_ref().map(|response| response.status);
            let outcome = LoginOutcome::Refused {
                status,
                failure: refusal.failure.clone(),
            };
            tell(refusal.candidate.as_ref(), outcome);
            place.becomes(ConnectionStage::Closing);
            connection.close().await;
            None
        }
        Ended::NoRoom(candidate) => {
            let failure = LoginFailure::Refused(OUT_OF_RESOURCES);
            let outcome = LoginOutcome::Refused {
                status: Some(OUT_OF_RESOURCES),
                failure,
            };
            tell(Some(&candidate), outcome);
            place.becomes(ConnectionStage::Closing);
            connection.close().await;
            None
        }
        // A probe whether the port is open is no login attempt.
        Ended::Abandoned(Abandonment::Silent) => None,
        Ended::Abandoned(Abandonment::TooSlow) => {
            tell(candidate.as_ref(), LoginOutcome::TimedOut(login_time));
            None
        }
        Ended::Abandoned(Abandonment::Lost(error)) => {
            tell(candidate.as_ref(), LoginOutcome::Abandoned(error));
            None
        }
        Ended::Abandoned(Abandonment::Disbelieved) => {
            tell(candidate.as_ref(), LoginOutcome::Disbelieved);
            None
        }
    }
}

/// How a login ended.
enum Ended {
    LoggedIn(Box<Membership>, LoginOutcome),
    Refused(Box<Refusal>),
    NoRoom(Box<Candidate>),
    Abandoned(Abandonment),
}

enum Abandonment {
    Silent,
    TooSlow,
    Lost(ServedConnectionError),
    /// The initiator hung up on the proof that it had asked for.
    Disbelieved,
}

async fn talk<S: ByteStream>(
    connection: &mut FaultyConnection<S>,
    registry: &Rc<SessionRegistry>,
    place: &CrowdPlace<AbortHandle>,
    asked: &mut Option<Candidate>,
) -> Ended {
    let mut acceptor = TargetLogin::new(COMMAND_WINDOW);
    let mut is_first = true;
    loop {
        let pdu = match connection.receive().await {
            Ok(pdu) => pdu,
            Err(ServedConnectionError::Closed | ServedConnectionError::Io(_))
                if is_first && connection.has_received_nothing() =>
            {
                return Ended::Abandoned(Abandonment::Silent);
            }
            Err(ServedConnectionError::Closed)
                if acceptor.chap().is_some_and(|chap| chap.mutual) =>
            {
                return Ended::Abandoned(Abandonment::Disbelieved);
            }
            Err(error) => return Ended::Abandoned(Abandonment::Lost(error)),
        };
        is_first = false;
        place.becomes(ConnectionStage::LoggingIn);
        if acceptor.is_challenged()
            && let Some(candidate) = asked
        {
            // A guess is not looked at before its time; nor is a right one, lest the time tells them apart.
            let name = &candidate.initiator_name;
            sleep(registry.delay_of_proof(connection.peer.ip(), name)).await;
        }
        let mut step = acceptor.handle(pdu);
        if let LoginStep::Ask(question) = step {
            *asked = Some(question.candidate().clone());
            step = answer(*question, connection, registry);
        }
        let (response, ended) = match step {
            LoginStep::Send(next, response) => {
                acceptor = *next;
                match connection.send(&Pdu::LoginResponse(response)) {
                    Ok(()) => continue,
                    Err(error) => return Ended::Abandoned(Abandonment::Lost(error.into())),
                }
            }
            LoginStep::Refused(refusal) => match refusal.response.clone() {
                Some(response) => (response, Ended::Refused(refusal)),
                None => return Ended::Refused(refusal),
            },
            LoginStep::Done(accepted) => finish(*accepted, connection, registry),
            // A question is asked once, and has been answered.
            LoginStep::Ask(_) => return Ended::Abandoned(Abandonment::Silent),
        };
        if let Err(error) = connection.send(&Pdu::LoginResponse(response)) {
            return Ended::Abandoned(Abandonment::Lost(error.into()));
        }
        if let Ended::LoggedIn(membership, _) = &ended {
            connection.begin_full_feature_phase(&membership.session().settings().parameters);
        }
        return ended;
    }
}

/// Decides about a candidate.
fn answer<S: ByteStream>(
    question: Question,
    connection: &FaultyConnection<S>,
    registry: &SessionRegistry,
) -> LoginStep {
    let (Some(challenge), Some(portal)) = (challenge(), connection.local_address()) else {
        return question.refuse(TARGET_ERROR);
    };
    let decision = registry.decide(question.candidate(), portal, challenge);
    match decision {
        Decision::Admit(admission) => question.admit(*admission),
        Decision::Refuse(status) => question.refuse(status),
        Decision::Redirect { address, permanent } => question.redirect(&address, permanent),
    }
}

/// Makes a session of a login that has succeeded, unless the last place has gone to another one meanwhile.
fn finish<S: ByteStream>(
    accepted: Accepted,
    connection: &FaultyConnection<S>,
    registry: &Rc<SessionRegistry>,
) -> (LoginResponse, Ended) {
    let joined = connection
        .local_address()
        .and_then(|portal| registry.join(&accepted, portal));
    let chap = accepted.chap;
    match joined {
        Some((membership, reinstated)) => {
            let outcome = LoginOutcome::LoggedIn { chap, reinstated };
            let ended = Ended::LoggedIn(Box::new(membership), outcome);
            (accepted.response, ended)
        }
        None => {
            let response = LoginResponse {
                status: OUT_OF_RESOURCES,
                transit: false,
                next_stage: Stage::SecurityNegotiation,
                tsih: Tsih::default(),
                data: Bytes::new(),
                ..accepted.response
            };
            (response, Ended::NoRoom(Box::new(accepted.candidate)))
        }
    }
}

/// Returns a fresh challenge; `None` when the system has no random numbers.
fn challenge() -> Option<ChapChallenge> {
    let mut identifier = [0];
    let mut challenge = [0; CHALLENGE_LENGTH];
    getrandom::fill(&mut identifier).ok()?;
    getrandom::fill(&mut challenge).ok()?;
    let [identifier] = identifier;
    Some(ChapChallenge {
        identifier,
        challenge,
    })
}
