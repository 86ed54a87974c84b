//! The states of a login at the target: each knows what it waits for, and is consumed by the request.

use super::{Accepted, Candidate, Exchange, LoginFailure, LoginStep, Question};
use crate::iscsi::chap::{ChapChallenge, ChapChallenged, ChapOutcome, ChapTarget};
use crate::iscsi::ids::Tsih;
use crate::iscsi::login::MAX_LOGIN_DATA;
use crate::iscsi::negotiation::{Answer, Negotiation};
use crate::iscsi::pdu::{LoginRequest, Stage};
use crate::iscsi::text::{self, ReceivedText, TextPairs};

const AUTH_METHOD: &str = "AuthMethod";
const CHAP_KEYS: [&str; 5] = ["CHAP_A", "CHAP_I", "CHAP_C", "CHAP_N", "CHAP_R"];

/// The parameters of an admitted login.
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) negotiation: Negotiation,
    pub(super) tsih: Tsih,
    pub(super) candidate: Candidate,
}

#[derive(Debug)]
pub(super) enum TargetLoginState {
    /// Waits for the names.
    First,
    /// Waits for the offer of authentication methods.
    AuthMethod {
        terms: Terms,
        chap: Option<(ChapTarget, ChapChallenge)>,
    },
    /// Waits for the offer of CHAP algorithms.
    Algorithms {
        terms: Terms,
        chap: ChapTarget,
        challenge: ChapChallenge,
    },
    /// Waits for the initiator's response to the challenge.
    Challenged { terms: Terms, chap: ChapChallenged },
    /// Waits for the initiator to leave the security stage, in which nothing is left to do.
    SecurityDone {
        terms: Terms,
        outcome: Option<ChapOutcome>,
    },
    /// Waits for operational keys.
    Operational {
        terms: Terms,
        outcome: Option<ChapOutcome>,
    },
}

impl TargetLoginState {
    pub(super) const fn auth_method(
        terms: Terms,
        chap: Option<(ChapTarget, ChapChallenge)>,
    ) -> Self {
        Self::AuthMethod { terms, chap }
    }

    pub(super) const fn operational(terms: Terms, outcome: Option<ChapOutcome>) -> Self {
        Self::Operational { terms, outcome }
    }

    pub(super) fn handle(
        self,
        mut exchange: Exchange,
        request: LoginRequest,
        pairs: TextPairs,
    ) -> LoginStep {
        if !matches!(self, Self::First) {
            return self.start(exchange, &request, &pairs, TextPairs::new());
        }
        match exchange.identify(&request, &pairs) {
            Ok(candidate) => {
                exchange.candidate = Some(candidate.clone());
                LoginStep::Ask(Box::new(Question {
                    exchange,
                    candidate,
                    request,
                    pairs,
                }))
            }
            Err(failure) => exchange.refuse(failure),
        }
    }

    /// Answers a request; `declared` is what this side declares in the same response.
    pub(super) fn start(
        self,
        exchange: Exchange,
        request: &LoginRequest,
        pairs: &TextPairs,
        declared: TextPairs,
    ) -> LoginStep {
        match self.step(exchange.stage, request, pairs) {
            Ok(mut reply) => {
                let mut said = declared;
                said.extend(std::mem::take(&mut reply.pairs));
                reply.pairs = said;
                reply.send(exchange, request)
            }
            Err(failure) => exchange.refuse(failure),
        }
    }

    fn step(
        self,
        stage: Stage,
        request: &LoginRequest,
        pairs: &TextPairs,
    ) -> Result<LoginReply, LoginFailure> {
        match self {
            // The first request is answered by a question and never comes here.
            Self::First => Ok(LoginReply::stay(Self::First, TextPairs::new())),
            Self::AuthMethod { mut terms, chap } => {
                let mut answers = terms.negotiate(stage, pairs, &[AUTH_METHOD])?;
                let Some(offered) = pairs.value(AUTH_METHOD) else {
                    return match chap {
                        Some(_) if request.transit => Err(LoginFailure::AuthenticationRequired),
                        Some(chap) => {
                            let chap = Some(chap);
                            Ok(LoginReply::stay(Self::AuthMethod { terms, chap }, answers))
                        }
                        None if request.transit => {
                            Ok(LoginReply::security_done(terms, None, answers, request))
                        }
                        None => Ok(LoginReply::stay(Self::AuthMethod { terms, chap }, answers)),
                    };
                };
                let offers = |method| text::list(offered).any(|offer| offer == method);
                match chap {
                    Some((chap, challenge)) if offers("CHAP") => {
                        answers.push(AUTH_METHOD, "CHAP");
                        let state = Self::Algorithms {
                            terms,
                            chap,
                            challenge,
                        };
                        Ok(LoginReply::stay(state, answers))
                    }
                    Some(_) => Err(LoginFailure::AuthenticationRequired),
                    None if offers("None") => {
                        answers.push(AUTH_METHOD, "None");
                        Ok(LoginReply::security_done(terms, None, answers, request))
                    }
                    None => Err(LoginFailure::NoCommonAuthMethod {
                        offered: ReceivedText(offered.to_owned()),
                    }),
                }
            }
            Self::Algorithms {
                mut terms,
                chap,
                challenge,
            } => {
                let mut answers = terms.negotiate(stage, pairs, &CHAP_KEYS)?;
                if !has_chap_keys(pairs) {
                    let state = Self::Algorithms {
                        terms,
                        chap,
                        challenge,
                    };
                    return Ok(LoginReply::stay(state, answers));
                }
                let (chap, sent) = chap.challenge(pairs, challenge)?;
                answers.extend(sent);
                Ok(LoginReply::stay(Self::Challenged { terms, chap }, answers))
            }
            Self::Challenged { mut terms, chap } => {
                let mut answers = terms.negotiate(stage, pairs, &CHAP_KEYS)?;
                if !has_chap_keys(pairs) {
                    return Ok(LoginReply::stay(Self::Challenged { terms, chap }, answers));
                }
                let (outcome, sent) = chap.verify(pairs)?;
                answers.extend(sent);
                Ok(LoginReply::security_done(
                    terms,
                    Some(outcome),
                    answers,
                    request,
                ))
            }
            Self::SecurityDone { mut terms, outcome } => {
                let answers = terms.negotiate(stage, pairs, &[])?;
                Ok(LoginReply::security_done(terms, outcome, answers, request))
            }
            Self::Operational { mut terms, outcome } => {
                let mut answers = terms.negotiate(stage, pairs, &[])?;
                answers.extend(terms.negotiation.proposals());
                Ok(LoginReply {
                    pairs: answers,
                    state: Self::Operational { terms, outcome },
                    leave: request.transit,
                })
            }
        }
    }
}

impl Terms {
    /// Takes the pairs that the state does not take itself and returns the answers to them.
    fn negotiate(
        &mut self,
        stage: Stage,
        pairs: &TextPairs,
        taken_by_state: &[&str],
    ) -> Result<TextPairs, LoginFailure> {
        let mut answers = TextPairs::new();
        for pair in pairs {
            if taken_by_state.contains(&pair.key.as_str()) {
                continue;
            }
            match self.negotiation.receive(stage, pair)? {
                Answer::None => {}
                Answer::Optional(answer) | Answer::Required(answer) => {
                    answers.push(&answer.key, answer.value);
                }
            }
        }
        Ok(answers)
    }
}

/// The answer to a request, and where it leads.
struct LoginReply {
    pairs: TextPairs,
    /// The state in this stage; when `leave` can be granted, the state that ends it.
    state: TargetLoginState,
    leave: bool,
}

impl LoginReply {
    const fn stay(state: TargetLoginState, pairs: TextPairs) -> Self {
        Self {
            pairs,
            state,
            leave: false,
        }
    }

    fn security_done(
        terms: Terms,
        outcome: Option<ChapOutcome>,
        pairs: TextPairs,
        request: &LoginRequest,
    ) -> Self {
        Self {
            pairs,
            state: TargetLoginState::SecurityDone { terms, outcome },
            leave: request.transit,
        }
    }

    /// Leaves the stage when it is wanted and when the text fits one response, for T and C exclude each other
    /// (11.13.7).
    fn send(self, mut exchange: Exchange, request: &LoginRequest) -> LoginStep {
        let data = self.pairs.encode();
        if !self.leave || data.len() > MAX_LOGIN_DATA {
            return exchange.send_text(self.state, data);
        }
        match self.state {
            // From the security stage the operational one is always next: the selected stage may be lower than the
            // one asked for (6.3), and this target has a MaxRecvDataSegmentLength to declare.
            TargetLoginState::SecurityDone { terms, outcome } => {
                let mut response = exchange.response(data);
                response.transit = true;
                response.next_stage = Stage::LoginOperationalNegotiation;
                exchange.stage = Stage::LoginOperationalNegotiation;
                let acceptor = super::TargetLogin {
                    exchange,
                    state: TargetLoginState::operational(terms, outcome),
                };
                LoginStep::Send(Box::new(acceptor), response)
            }
            TargetLoginState::Operational { terms, outcome } => {
                let parameters = match terms.negotiation.finish() {
                    Ok(negotiated) => negotiated.parameters,
                    Err(error) => return exchange.refuse(error.into()),
                };
                let mut response = exchange.response(data);
                response.transit = true;
                response.next_stage = Stage::FullFeaturePhase;
                response.tsih = terms.tsih;
                LoginStep::Done(Box::new(Accepted {
                    candidate: terms.candidate,
                    tsih: terms.tsih,
                    parameters,
                    chap: outcome,
                    cmd_sn: request.cmd_sn,
                    stat_sn: exchange.stat_sn,
                    command_window: exchange.command_window,
                    response,
                }))
            }
            state => exchange.send_text(state, data),
        }
    }
}

fn has_chap_keys(pairs: &TextPairs) -> bool {
    CHAP_KEYS.iter().any(|key| pairs.value(key).is_some())
}
