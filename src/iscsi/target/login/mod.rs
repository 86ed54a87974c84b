//! The target's login phase (RFC 7143, sections 6.3, 11.12 and 11.13).
//!
//! ```text
//!              CSG=0                                               CSG=1
//! First --Ask--------> AuthMethod --None--> SecurityDone        (not when CHAP is required)
//!                          |                    |    ^               |
//!                         CHAP                 T=1   | T=0           |
//!                          v                    |    |               v
//!                      Algorithms               \----|-------> Operational --T=1, NSG=3--> Accepted
//!                          |                         |               ^
//!                     CHAP_A --> CHAP_A,I,C          |               |
//!                          v                         |               |
//!                      Challenged --CHAP_N,R right---+----- T=1 -----/
//! ```
//!
//! Every state may also repeat itself, as often as [`MAX_EXCHANGES`] allows. Anything wrong ends in a [`Refusal`].

use bytes::Bytes;

use crate::iscsi::chap::{ChapAlgorithm, ChapChallenge, ChapCredentials, ChapOutcome, ChapTarget};
use crate::iscsi::ids::{Cid, CmdSn, InitiatorTaskTag, Isid, LoginStatus, StatSn, Tsih};
use crate::iscsi::login::{MAX_LOGIN_DATA, TargetAddress};
use crate::iscsi::name::{IscsiName, IscsiNameError};
use crate::iscsi::negotiation::{Negotiation, Role};
use crate::iscsi::operational::{OperationalOffer, OperationalParameters, SessionType};
use crate::iscsi::pdu::{LoginRequest, LoginResponse, Pdu, Stage};
use crate::iscsi::text::{MAX_TEXT_LENGTH, ReceivedText, TextError, TextPairs};

mod failure;
mod states;

pub use failure::LoginFailure;
use states::TargetLoginState;

/// The most Login Requests that one login may take.
pub const MAX_EXCHANGES: u32 = 64;

/// The only iSCSI version there is (11.12.4).
const VERSION: u8 = 0;

/// The StatSN of the first response; any value is valid (4.2.2.2), and some initiators take 0 for "not known".
const FIRST_STAT_SN: StatSn = StatSn(1);

/// The names and identifiers of a login, as the first request declares them (6.3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// InitiatorName (13.5).
    pub initiator_name: IscsiName,
    /// TargetName (13.4); in a discovery session it may be missing.
    pub target_name: Option<IscsiName>,
    /// InitiatorAlias (13.7), when the first request has it: any UTF-8, to be escaped before it is shown.
    pub initiator_alias: Option<String>,
    /// SessionType (13.21).
    pub session_type: SessionType,
    /// ISID (11.12.5).
    pub isid: Isid,
    /// TSIH: zero asks for a new session (11.12.6).
    pub tsih: Tsih,
    /// CID (11.12.7).
    pub cid: Cid,
}

/// The terms on which a candidate may log in.
#[derive(Clone, Debug)]
pub struct Admission {
    /// The handle of the session to be, not zero and not in use (11.13.3).
    pub tsih: Tsih,
    /// TargetPortalGroupTag of the portal that serves the connection (13.9).
    pub portal_group_tag: u16,
    /// TargetAlias (13.6).
    pub target_alias: Option<String>,
    /// What the initiator has to prove; `None` when it need not.
    pub chap: Option<RequiredChap>,
    /// The operational keys as this target prefers them.
    pub offer: OperationalOffer,
}

/// The CHAP that a login has to pass (12.1.3).
#[derive(Clone, Debug)]
pub struct RequiredChap {
    /// The initiator's name and secret.
    pub initiator: ChapCredentials,
    /// The target's own, for an initiator that asks for a proof.
    pub own: Option<ChapCredentials>,
    /// The algorithms allowed; the first of the initiator's list that is among them is taken.
    pub algorithms: Vec<ChapAlgorithm>,
    /// An unpredictable challenge that is used for this login only (9.2.1).
    pub challenge: ChapChallenge,
}

/// What a request leads to.
#[derive(Debug)]
#[must_use]
pub enum LoginStep {
    /// The login goes on: send the response and wait for the next request.
    Send(Box<TargetLogin>, LoginResponse),
    /// The names are known: say whether and on what terms the candidate may log in.
    Ask(Box<Question>),
    /// Send the response of [`Accepted`]; digests and the full feature phase begin behind it.
    Done(Box<Accepted>),
    /// Send the response, if there is one, and close the connection.
    Refused(Box<Refusal>),
}

/// A login that has succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The initiator and the target that it logged in to.
    pub candidate: Candidate,
    /// The handle of the session.
    pub tsih: Tsih,
    /// The operational parameters in force; `peer_max_recv_data_segment_length` is the initiator's.
    pub parameters: OperationalParameters,
    /// What CHAP came to; `None` without authentication.
    pub chap: Option<ChapOutcome>,
    /// CmdSN of the first command that is not immediate.
    pub cmd_sn: CmdSn,
    /// StatSN of the first response of the full feature phase.
    pub stat_sn: StatSn,
    /// How many commands the window that was announced holds.
    pub command_window: u32,
    /// The final response, to be sent without digests.
    pub response: LoginResponse,
}

/// A login that has failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The response with the status; `None` when the connection began with anything but a Login Request, for which
    /// it is closed without a word (4.2.3).
    pub response: Option<LoginResponse>,
    /// Why.
    pub failure: LoginFailure,
    /// The initiator, as far as the requests declared it.
    pub candidate: Option<Candidate>,
}

/// A connection that waits for the initiator's next Login Request.
#[derive(Debug)]
#[must_use]
pub struct TargetLogin {
    exchange: Exchange,
    state: TargetLoginState,
}

impl TargetLogin {
    /// Waits for the first request of a connection. `command_window` is the number of commands that the session
    /// will take at a time, at least 1.
    pub fn new(command_window: u32) -> Self {
        Self {
            exchange: Exchange {
                command_window: command_window.max(1),
                first: None,
                candidate: None,
                stage: Stage::SecurityNegotiation,
                received: Vec::new(),
                unsent: Bytes::new(),
                stat_sn: FIRST_STAT_SN,
                requests: 0,
            },
            state: TargetLoginState::First,
        }
    }

    /// Returns what CHAP came to, once it has: the initiator has proved itself, and when mutual this side has sent its proof.
    pub const fn chap(&self) -> Option<ChapOutcome> {
        match &self.state {
            TargetLoginState::SecurityDone { outcome, .. }
            | TargetLoginState::Operational { outcome, .. } => *outcome,
            _ => None,
        }
    }

    /// Returns whether the next request has to bring the initiator's proof.
    pub const fn is_challenged(&self) -> bool {
        matches!(self.state, TargetLoginState::Challenged { .. })
    }

    /// Takes a PDU of the initiator.
    pub fn handle(mut self, pdu: Pdu) -> LoginStep {
        let request = match pdu {
            Pdu::LoginRequest(request) => request,
            pdu => {
                let opcode = pdu.opcode();
                return self.exchange.refuse(LoginFailure::UnexpectedPdu { opcode });
            }
        };
        match self.exchange.receive(&request) {
            Ok(Some(pairs)) => self.state.handle(self.exchange, request, pairs),
            Ok(None) => self.exchange.send_text(self.state, Bytes::new()),
            Err(failure) => self.exchange.refuse(failure),
        }
    }
}

/// A login that waits for the caller's decision.
#[derive(Debug)]
#[must_use]
pub struct Question {
    exchange: Exchange,
    candidate: Candidate,
    request: LoginRequest,
    pairs: TextPairs,
}

impl Question {
    /// Returns who wants to log in to what.
    pub const fn candidate(&self) -> &Candidate {
        &self.candidate
    }

    /// Goes on with the login on these terms.
    pub fn admit(self, admission: Admission) -> LoginStep {
        let negotiation = Negotiation::new(
            Role::Target,
            self.candidate.session_type,
            admission.offer.clone(),
        );
        // Any-stage keys, which the first response has to carry (6.3.1).
        let mut declared = TextPairs::new();
        declared.push(
            "TargetPortalGroupTag",
            admission.portal_group_tag.to_string(),
        );
        if let Some(alias) = admission.target_alias {
            declared.push("TargetAlias", alias);
        }
        let terms = states::Terms {
            negotiation,
            tsih: admission.tsih,
            candidate: self.candidate,
        };
        let chap = admission.chap.map(|chap| {
            let target = ChapTarget::new(chap.initiator, chap.own, chap.algorithms);
            (target, chap.challenge)
        });
        let state = match (self.request.current_stage, chap) {
            (Stage::SecurityNegotiation, chap) => TargetLoginState::auth_method(terms, chap),
            (_, None) => TargetLoginState::operational(terms, None),
            (_, Some(_)) => {
                return self.exchange.refuse(LoginFailure::AuthenticationRequired);
            }
        };
        state.start(self.exchange, &self.request, &self.pairs, declared)
    }

    /// Refuses the login with a status of class 2 or 3 (11.13.5).
    pub fn refuse(self, status: LoginStatus) -> LoginStep {
        self.exchange.refuse(LoginFailure::Refused(status))
    }

    /// Sends the initiator to another address, for good or for now (11.13.5).
    pub fn redirect(self, address: &TargetAddress, permanent: bool) -> LoginStep {
        let mut pairs = TextPairs::new();
        pairs.push("TargetAddress", address.to_string());
        self.exchange
            .end(LoginFailure::Redirected { permanent }, pairs.encode())
    }
}

/// What all states of a login share: the header fields of its PDUs and the text under way.
#[derive(Debug)]
struct Exchange {
    command_window: u32,
    /// The header of the first request: later ones have to agree with it.
    first: Option<FirstHeader>,
    candidate: Option<Candidate>,
    stage: Stage,
    /// The text of requests that said that it goes on (C bit).
    received: Vec<u8>,
    /// The rest of a response that did not fit one PDU.
    unsent: Bytes,
    stat_sn: StatSn,
    requests: u32,
}

#[derive(Clone, Copy, Debug)]
struct FirstHeader {
    isid: Isid,
    tsih: Tsih,
    cid: Cid,
    initiator_task_tag: InitiatorTaskTag,
    cmd_sn: CmdSn,
}

impl Exchange {
    /// Checks the header of a request and collects its text; `None` when the text goes on or when more of the
    /// response is to be fetched.
    fn receive(&mut self, request: &LoginRequest) -> Result<Option<TextPairs>, LoginFailure> {
        self.check(request)?;
        if !self.unsent.is_empty() {
            return match request.data.is_empty() {
                true => Ok(None),
                false => Err(LoginFailure::TextWhileFetching),
            };
        }
        let received = self.received.len().saturating_add(request.data.len());
        if received > MAX_TEXT_LENGTH {
            return Err(LoginFailure::Text(TextError::TooLong {
                limit: MAX_TEXT_LENGTH,
                received,
            }));
        }
        self.received.extend_from_slice(&request.data);
        if request.continues {
            return Ok(None);
        }
        let text = std::mem::take(&mut self.received);
        Ok(Some(TextPairs::decode(&text)?))
    }

    fn check(&mut self, request: &LoginRequest) -> Result<(), LoginFailure> {
        let first = *self.first.get_or_insert_with(|| {
            self.stage = request.current_stage;
            FirstHeader {
                isid: request.isid,
                tsih: request.tsih,
                cid: request.cid,
                initiator_task_tag: request.initiator_task_tag,
                cmd_sn: request.cmd_sn,
            }
        });
        if request.version_min > VERSION {
            return Err(LoginFailure::Version {
                min: request.version_min,
            });
        }
        expect("ISID", isid_number(first.isid), isid_number(request.isid))?;
        expect("TSIH", first.tsih.0, request.tsih.0)?;
        expect("CID", first.cid.0, request.cid.0)?;
        expect(
            "Initiator Task Tag",
            first.initiator_task_tag.0,
            request.initiator_task_tag.0,
        )?;
        expect("CSG", self.stage.code(), request.current_stage.code())?;
        if request.current_stage == Stage::FullFeaturePhase
            || request.transit && request.next_stage.code() <= request.current_stage.code()
        {
            return Err(LoginFailure::Transition {
                from: request.current_stage,
                to: request.next_stage,
            });
        }
        if request.transit && request.continues {
            return Err(LoginFailure::TransitWithContinue);
        }
        self.requests = self.requests.saturating_add(1);
        if self.requests > MAX_EXCHANGES {
            return Err(LoginFailure::TooManyExchanges {
                limit: MAX_EXCHANGES,
            });
        }
        Ok(())
    }

    /// Reads the names of the first request (6.3).
    fn identify(
        &self,
        request: &LoginRequest,
        pairs: &TextPairs,
    ) -> Result<Candidate, LoginFailure> {
        let session_type = match pairs.value("SessionType") {
            None | Some("Normal") => SessionType::Normal,
            Some("Discovery") => SessionType::Discovery,
            Some(other) => {
                return Err(LoginFailure::SessionType {
                    received: ReceivedText(other.to_owned()),
                });
            }
        };
        let target_name = name(pairs, "TargetName")?;
        if target_name.is_none() && session_type == SessionType::Normal {
            return Err(LoginFailure::MissingName { key: "TargetName" });
        }
        Ok(Candidate {
            initiator_name: name(pairs, "InitiatorName")?.ok_or(LoginFailure::MissingName {
                key: "InitiatorName",
            })?,
            target_name,
            initiator_alias: pairs.value("InitiatorAlias").map(str::to_owned),
            session_type,
            isid: request.isid,
            tsih: request.tsih,
            cid: request.cid,
        })
    }

    /// Stays in a stage with the given text; what does not fit one response is sent as the initiator fetches it
    /// (6.2).
    fn send_text(mut self, state: TargetLoginState, text: Bytes) -> LoginStep {
        let mut chunk = if self.unsent.is_empty() {
            text
        } else {
            std::mem::take(&mut self.unsent)
        };
        if chunk.len() > MAX_LOGIN_DATA {
            self.unsent = chunk.split_off(MAX_LOGIN_DATA);
        }
        let mut response = self.response(chunk);
        response.continues = !self.unsent.is_empty();
        let acceptor = TargetLogin {
            exchange: self,
            state,
        };
        LoginStep::Send(Box::new(acceptor), response)
    }

    fn refuse(self, failure: LoginFailure) -> LoginStep {
        self.end(failure, Bytes::new())
    }

    fn end(mut self, failure: LoginFailure, data: Bytes) -> LoginStep {
        let begun = self.first.is_some();
        let response = begun.then(|| {
            let mut response = self.response(data);
            // Stages are reserved in a refusal (6.3.1).
            response.current_stage = Stage::SecurityNegotiation;
            response.status = failure.status();
            response
        });
        LoginStep::Refused(Box::new(Refusal {
            response,
            failure,
            candidate: self.candidate,
        }))
    }

    /// Returns the next response of this stage, with the T bit clear.
    fn response(&mut self, data: Bytes) -> LoginResponse {
        let stat_sn = self.stat_sn;
        self.stat_sn = stat_sn.next();
        let first = self.first.unwrap_or(FirstHeader {
            isid: Isid::default(),
            tsih: Tsih::default(),
            cid: Cid::default(),
            initiator_task_tag: InitiatorTaskTag(0),
            cmd_sn: CmdSn(0),
        });
        LoginResponse {
            transit: false,
            continues: false,
            current_stage: self.stage,
            next_stage: Stage::default(),
            version_max: VERSION,
            version_active: VERSION,
            isid: first.isid,
            tsih: first.tsih,
            initiator_task_tag: first.initiator_task_tag,
            stat_sn,
            exp_cmd_sn: first.cmd_sn,
            max_cmd_sn: first.cmd_sn.plus(self.command_window.saturating_sub(1)),
            status: LoginStatus::SUCCESS,
            data,
        }
    }
}

fn name(pairs: &TextPairs, key: &'static str) -> Result<Option<IscsiName>, LoginFailure> {
    let name = pairs.value(key).map(str::parse).transpose();
    name.map_err(|error| match error {
        IscsiNameError::Empty => LoginFailure::MissingName { key },
        error => LoginFailure::InvalidName { key, error },
    })
}

fn expect<T: Into<u64>>(field: &'static str, expected: T, received: T) -> Result<(), LoginFailure> {
    let (expected, received) = (expected.into(), received.into());
    if expected == received {
        return Ok(());
    }
    Err(LoginFailure::Field {
        field,
        expected,
        received,
    })
}

fn isid_number(Isid([a, b, c, d, e, f]): Isid) -> u64 {
    u64::from_be_bytes([0, 0, a, b, c, d, e, f])
}
