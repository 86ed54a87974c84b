//! The states of a login: each knows what it waits for, and is consumed by the response.

use super::{AuthMethod, ChapProgress, Exchange, LoginError, LoginResult, LoginStep};
use crate::iscsi::chap::{ChapAnswered, ChapInitiator, ChapOutcome};
use crate::iscsi::pdu::{LoginResponse, Stage};
use crate::iscsi::text::{ReceivedText, TextPairs};

pub(super) const AUTH_METHOD: &str = "AuthMethod";
const CHAP_KEYS: [&str; 5] = ["CHAP_A", "CHAP_I", "CHAP_C", "CHAP_N", "CHAP_R"];

#[derive(Debug)]
pub(super) enum LoginState {
    AuthMethodOffered(AuthMethodOffered),
    AlgorithmsOffered(AlgorithmsOffered),
    Responded(Responded),
    SecurityDone(SecurityDone),
    Operational(Operational),
}

impl LoginState {
    /// Returns how far CHAP has come with the requests sent.
    pub(super) fn chap_progress(&self) -> ChapProgress {
        match self {
            Self::AuthMethodOffered(_) => ChapProgress::MethodOffered,
            Self::AlgorithmsOffered(_) => ChapProgress::AlgorithmsOffered,
            Self::Responded(state) => ChapProgress::ResponseSent {
                mutual: state.chap.is_mutual(),
            },
            Self::SecurityDone(SecurityDone { outcome })
            | Self::Operational(Operational { outcome }) => match outcome {
                Some(outcome) => ChapProgress::ResponseSent {
                    mutual: outcome.mutual,
                },
                None => ChapProgress::NotUsed,
            },
        }
    }

    pub(super) fn handle(
        self,
        exchange: Exchange,
        response: &LoginResponse,
        pairs: &TextPairs,
    ) -> Result<LoginStep, LoginError> {
        match self {
            Self::AuthMethodOffered(state) => state.handle(exchange, response, pairs),
            Self::AlgorithmsOffered(state) => state.handle(exchange, response, pairs),
            Self::Responded(state) => state.handle(exchange, response, pairs),
            Self::SecurityDone(state) => state.handle(exchange, response, pairs),
            Self::Operational(state) => state.handle(exchange, response, pairs),
        }
    }
}

/// Waits for the target's choice of an authentication method.
#[derive(Debug)]
pub(super) struct AuthMethodOffered {
    pub(super) chap: ChapInitiator,
    pub(super) mutual: bool,
}

impl AuthMethodOffered {
    /// Returns the offered list: None is no choice when the target has to authenticate itself.
    pub(super) fn methods(&self) -> &'static str {
        if self.mutual { "CHAP" } else { "CHAP,None" }
    }

    fn handle(
        self,
        mut exchange: Exchange,
        response: &LoginResponse,
        pairs: &TextPairs,
    ) -> Result<LoginStep, LoginError> {
        let mut answers = exchange.negotiate(response, pairs, &[AUTH_METHOD])?;
        exchange.auth_method = pairs.value(AUTH_METHOD).map(str::to_owned);
        match pairs.value(AUTH_METHOD) {
            None => exchange.send(LoginState::AuthMethodOffered(self), answers),
            Some("CHAP") => {
                let algorithms = self.chap.offer();
                exchange.offer(&algorithms);
                answers.extend(algorithms);
                let state = AlgorithmsOffered { chap: self.chap };
                exchange.send(LoginState::AlgorithmsOffered(state), answers)
            }
            Some("None") if !self.mutual => {
                exchange.transit_to = Some(Stage::LoginOperationalNegotiation);
                let state = SecurityDone { outcome: None };
                exchange.send(LoginState::SecurityDone(state), answers)
            }
            Some("Reject") => Err(LoginError::NoCommonAuthMethod {
                offered: self.methods(),
            }),
            Some(other) => Err(LoginError::AuthMethodNotOffered {
                offered: self.methods(),
                received: ReceivedText(other.to_owned()),
            }),
        }
    }
}

/// Waits for the target's challenge.
#[derive(Debug)]
pub(super) struct AlgorithmsOffered {
    chap: ChapInitiator,
}

impl AlgorithmsOffered {
    fn handle(
        self,
        mut exchange: Exchange,
        response: &LoginResponse,
        pairs: &TextPairs,
    ) -> Result<LoginStep, LoginError> {
        let mut answers = exchange.negotiate(response, pairs, &CHAP_KEYS)?;
        if !has_chap_keys(pairs) {
            return exchange.send(LoginState::AlgorithmsOffered(self), answers);
        }
        let (chap, sent) = self.chap.answer(pairs)?;
        answers.extend(sent);
        exchange.transit_to = Some(Stage::LoginOperationalNegotiation);
        exchange.send(LoginState::Responded(Responded { chap }), answers)
    }
}

/// Waits for the target's verdict, and for its own proof when CHAP is mutual.
#[derive(Debug)]
pub(super) struct Responded {
    chap: ChapAnswered,
}

impl Responded {
    fn handle(
        self,
        mut exchange: Exchange,
        response: &LoginResponse,
        pairs: &TextPairs,
    ) -> Result<LoginStep, LoginError> {
        let answers = exchange.negotiate(response, pairs, &CHAP_KEYS)?;
        if !response.transit && !has_chap_keys(pairs) {
            return exchange.send(LoginState::Responded(self), answers);
        }
        let outcome = Some(self.chap.finish(pairs)?);
        if response.transit {
            return Operational { outcome }.enter(exchange);
        }
        exchange.send(LoginState::SecurityDone(SecurityDone { outcome }), answers)
    }
}

/// Waits for the target's consent to leave the security stage, in which nothing is left to do.
#[derive(Debug)]
pub(super) struct SecurityDone {
    outcome: Option<ChapOutcome>,
}

impl SecurityDone {
    fn handle(
        self,
        mut exchange: Exchange,
        response: &LoginResponse,
        pairs: &TextPairs,
    ) -> Result<LoginStep, LoginError> {
        let answers = exchange.negotiate(response, pairs, &[])?;
        if !response.transit {
            return exchange.send(LoginState::SecurityDone(self), answers);
        }
        Operational {
            outcome: self.outcome,
        }
        .enter(exchange)
    }
}

/// Waits for the answers to the operational keys and for the final response.
#[derive(Debug)]
pub(super) struct Operational {
    outcome: Option<ChapOutcome>,
}

impl Operational {
    pub(super) fn unauthenticated() -> Self {
        Self { outcome: None }
    }

    fn enter(self, mut exchange: Exchange) -> Result<LoginStep, LoginError> {
        exchange.stage = Stage::LoginOperationalNegotiation;
        exchange.transit_to = Some(Stage::FullFeaturePhase);
        let proposals = exchange.negotiation.proposals();
        exchange.offer(&proposals);
        exchange.send(LoginState::Operational(self), proposals)
    }

    fn handle(
        self,
        mut exchange: Exchange,
        response: &LoginResponse,
        pairs: &TextPairs,
    ) -> Result<LoginStep, LoginError> {
        let answers = exchange.negotiate(response, pairs, &[])?;
        if !response.transit {
            return exchange.send(LoginState::Operational(self), answers);
        }
        let negotiated = exchange.negotiation.finish()?;
        exchange.departures.extend(negotiated.departures);
        Ok(LoginStep::Done(Box::new(LoginResult {
            parameters: negotiated.parameters,
            auth_method: self.outcome.map_or(AuthMethod::None, |_| AuthMethod::Chap),
            chap_algorithm: self.outcome.map(|outcome| outcome.algorithm),
            target_authenticated: self.outcome.is_some_and(|outcome| outcome.mutual),
            tsih: response.tsih,
            target_portal_group_tag: negotiated.target_portal_group_tag,
            target_alias: negotiated.target_alias,
            cmd_sn: exchange.cmd_sn,
            exp_stat_sn: response.stat_sn.next(),
            exp_cmd_sn: response.exp_cmd_sn,
            max_cmd_sn: response.max_cmd_sn,
            keys: exchange.keys,
            departures: exchange.departures.into_vec(),
        })))
    }
}

fn has_chap_keys(pairs: &TextPairs) -> bool {
    CHAP_KEYS.iter().any(|key| pairs.value(key).is_some())
}
