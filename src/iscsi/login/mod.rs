//! The initiator's login phase (RFC 7143, sections 6.3, 11.12 and 11.13) for the leading connection of a session.
//!
//! ```text
//!                 chap                                            no chap
//!                  |                                                |
//!                  v                                                |
//!          AuthMethodOffered --None--> SecurityDone                 |
//!                  |                       ^    |                   |
//!                 CHAP                     |    |                   |
//!                  v                       |    |                   v
//!          AlgorithmsOffered          T=0, proven \--- T=1 ---> Operational --> LoginResult
//!                  |                       |                        ^
//!           CHAP_A,I,C                     |                        |
//!                  v                       |                        |
//!             Responded -------------------+--------- T=1 ----------+
//! ```
//!
//! Every state may also repeat itself: a target may answer with no key, or with its own proposals, as often as
//! [`MAX_EXCHANGES`] allows. Any response may end the login with a refusal or a redirection.

use bytes::Bytes;

use super::chap::{ChapAlgorithm, ChapCredentials, ChapInitiator, MutualChap};
use super::departure::{Departure, Departures};
use super::ids::{Cid, CmdSn, InitiatorTaskTag, Isid, StatSn, Tsih};
use super::initiator::SessionParameters;
use super::keys::{Key, TextKey, ValueType};
use super::name::IscsiName;
use super::negotiation::{Answer, Negotiation, Role};
use super::operational::{OperationalOffer, OperationalParameters, SessionType};
use super::pdu::{LoginRequest, LoginResponse, Stage};
use super::text::{MAX_TEXT_LENGTH, TextError, TextPair, TextPairs};

mod address;
mod error;
mod states;

pub use address::{DEFAULT_PORT, ParseTargetAddressError, TargetAddress};
pub use error::{ChapProgress, LoginError, ProtocolFault};

use states::{AUTH_METHOD, AuthMethodOffered, LoginState, Operational};

/// The most Login Requests that one login sends; the standard asks for six at least (6.2).
pub const MAX_EXCHANGES: u32 = 32;

/// The longest data segment of a Login Request, in bytes: the default MaxRecvDataSegmentLength is in force (6.3).
pub const MAX_LOGIN_DATA: usize = 8192;

/// The only iSCSI version there is (11.12.4).
const VERSION: u8 = 0;

/// The whole login is one task with one tag (6.3).
const LOGIN_TASK_TAG: InitiatorTaskTag = InitiatorTaskTag(0);

/// What an initiator logs in with.
#[derive(Clone, Debug)]
pub struct LoginParameters {
    /// InitiatorName (13.5).
    pub initiator_name: IscsiName,
    /// TargetName (13.4): required in a normal session, optional in a discovery session.
    pub target_name: Option<IscsiName>,
    /// SessionType (13.21).
    pub session_type: SessionType,
    /// ISID: the same one again reinstates the session (11.12.5, 6.3.5).
    pub isid: Isid,
    /// CID (11.12.7).
    pub cid: Cid,
    /// The CmdSN that the session starts with (11.12.8).
    pub cmd_sn: CmdSn,
    /// CHAP; `None` skips the security stage.
    pub chap: Option<LoginChap>,
    /// The operational keys to offer.
    pub offer: OperationalOffer,
}

/// The CHAP part of [`LoginParameters`].
#[derive(Clone, Debug)]
pub struct LoginChap {
    /// The initiator's name and secret.
    pub credentials: ChapCredentials,
    /// The algorithms to offer, in order of preference; none means MD5.
    pub algorithms: Vec<ChapAlgorithm>,
    /// What the target has to prove; `None` for one-way CHAP.
    pub mutual: Option<MutualChap>,
}

/// What a Login Response leads to.
#[derive(Debug)]
#[must_use]
pub enum LoginStep {
    /// The login goes on: send the request and wait for its response.
    Send(Box<Login>, LoginRequest),
    /// The session is in the full feature phase.
    Done(Box<LoginResult>),
    /// The target is at another address: close the connection and log in there (11.13.5).
    Redirect {
        /// The addresses that the target gave, in its order: one at least. Each may be tried.
        addresses: Vec<TargetAddress>,
        /// Where the target departed from the form of an address.
        departures: Vec<Departure>,
        /// Whether the target has moved for good (0102) or for now.
        permanent: bool,
    },
}

/// A session as the login leaves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginResult {
    /// The operational parameters in force.
    pub parameters: OperationalParameters,
    /// The authentication method that the target selected; None without CHAP.
    pub auth_method: AuthMethod,
    /// The CHAP algorithm in use; `None` when the method is not CHAP.
    pub chap_algorithm: Option<ChapAlgorithm>,
    /// Whether the target has authenticated itself as well.
    pub target_authenticated: bool,
    /// The session's handle at the target, never zero (11.13.3).
    pub tsih: Tsih,
    /// TargetPortalGroupTag, when the target declared it (13.9).
    pub target_portal_group_tag: Option<u16>,
    /// TargetAlias, when the target declared it (13.6): any UTF-8, to be escaped before it is shown.
    pub target_alias: Option<String>,
    /// CmdSN of the first command that is not immediate (11.12.8).
    pub cmd_sn: CmdSn,
    /// The StatSN that the next response has to carry (11.13.4).
    pub exp_stat_sn: StatSn,
    /// ExpCmdSN of the final response.
    pub exp_cmd_sn: CmdSn,
    /// MaxCmdSN of the final response.
    pub max_cmd_sn: CmdSn,
    /// The keys of sections 12 and 13 that the two sides exchanged, in the order of their first appearance; of CHAP only
    /// CHAP_A.
    pub keys: Vec<ExchangedKey>,
    /// What was tolerated of the target.
    pub departures: Vec<Departure>,
}

/// A key of a login, as either side sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExchangedKey {
    /// The key-name.
    pub key: &'static str,
    /// What the initiator proposed or declared; none when the target brought the key up.
    pub offered: Option<String>,
    /// What the target answered, proposed or declared; none without an answer. To be escaped before it is shown.
    pub answered: Option<String>,
}

impl LoginResult {
    /// Returns the parameters of the full feature phase.
    pub fn session_parameters(&self) -> SessionParameters {
        let parameters = &self.parameters;
        SessionParameters {
            initial_r2t: parameters.initial_r2t,
            immediate_data: parameters.immediate_data,
            target_max_recv_data_segment_length: parameters.peer_max_recv_data_segment_length,
            max_burst_length: parameters.max_burst_length,
            first_burst_length: parameters.first_burst_length,
            max_outstanding_r2t: parameters.max_outstanding_r2t,
        }
    }
}

/// An authentication method that this implementation offers (12.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthMethod {
    /// No authentication.
    None,
    /// CHAP.
    Chap,
}

impl std::fmt::Display for AuthMethod {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Chap => "CHAP",
        })
    }
}

/// A login that waits for the target's next response.
#[derive(Debug)]
#[must_use]
pub struct Login {
    exchange: Exchange,
    state: LoginState,
}

impl Login {
    /// Starts a login and returns the first request, the only one with InitiatorName, TargetName and SessionType.
    ///
    /// Without CHAP it carries every operational key, so that one exchange is enough.
    pub fn start(parameters: LoginParameters) -> (Self, LoginRequest) {
        let mut identity = TextPairs::new();
        identity.push("InitiatorName", parameters.initiator_name.as_str());
        if let Some(target_name) = &parameters.target_name {
            identity.push("TargetName", target_name.as_str());
        }
        identity.push("SessionType", parameters.session_type.to_string());
        let mut pairs = identity.clone();

        let mut exchange = Exchange {
            isid: parameters.isid,
            cid: parameters.cid,
            cmd_sn: parameters.cmd_sn,
            negotiation: Negotiation::new(
                Role::Initiator,
                parameters.session_type,
                parameters.offer,
            ),
            received: Vec::new(),
            stage: Stage::SecurityNegotiation,
            transit_to: None,
            exp_stat_sn: None,
            version_max: None,
            requests: 0,
            identity,
            auth_method: None,
            keys: Vec::new(),
            departures: Departures::default(),
        };
        let state = match parameters.chap {
            Some(chap) => {
                let offered = AuthMethodOffered {
                    mutual: chap.mutual.is_some(),
                    chap: ChapInitiator::new(chap.credentials, chap.algorithms, chap.mutual),
                };
                pairs.push(AUTH_METHOD, offered.methods());
                exchange.offer(&pairs);
                LoginState::AuthMethodOffered(offered)
            }
            None => {
                exchange.stage = Stage::LoginOperationalNegotiation;
                exchange.transit_to = Some(Stage::FullFeaturePhase);
                pairs.extend(exchange.negotiation.proposals());
                exchange.offer(&pairs);
                LoginState::Operational(Operational::unauthenticated())
            }
        };
        let request = exchange.request(pairs.encode());
        (Self { exchange, state }, request)
    }

    /// Takes the response to the last request.
    ///
    /// # Errors
    /// [`LoginError`] when the target refuses the login, breaks a rule of the standard, does not prove its name, or
    /// wants what this side does not offer. The connection has to be closed then (6.3, 11.13.5).
    pub fn handle(mut self, response: LoginResponse) -> Result<LoginStep, LoginError> {
        match response.status.class {
            0 => {}
            1 => return self.exchange.redirect(&response),
            _ => {
                return Err(LoginError::Refused {
                    status: response.status,
                    chap: self.state.chap_progress(),
                });
            }
        }
        self.exchange.check(&response)?;
        self.exchange.append(&response.data)?;
        if response.continues {
            // The rest is asked for with an empty request (6.2); T stays as it was, for the last part may settle all.
            return self.exchange.send(self.state, TextPairs::new());
        }
        let text = std::mem::take(&mut self.exchange.received);
        let pairs = TextPairs::decode_from_target(&text, &mut self.exchange.departures)?;
        self.state.handle(self.exchange, &response, &pairs)
    }
}

/// What all states of a login share: the header fields of its PDUs and the negotiation of its keys.
#[derive(Debug)]
struct Exchange {
    isid: Isid,
    cid: Cid,
    cmd_sn: CmdSn,
    negotiation: Negotiation,
    /// The text of the responses so far that said that it goes on (C bit).
    received: Vec<u8>,
    /// CSG of the last request.
    stage: Stage,
    /// NSG of the last request, when its T bit was set.
    transit_to: Option<Stage>,
    /// The StatSN that the next response has to carry; `None` before the first, which chooses it.
    exp_stat_sn: Option<StatSn>,
    /// Version-max of the first response.
    version_max: Option<u8>,
    requests: u32,
    /// InitiatorName, TargetName and SessionType as sent.
    identity: TextPairs,
    /// The target's choice of AuthMethod.
    auth_method: Option<String>,
    keys: Vec<ExchangedKey>,
    departures: Departures,
}

impl Exchange {
    /// Goes on in a state with the given pairs.
    fn send(mut self, state: LoginState, pairs: TextPairs) -> Result<LoginStep, LoginError> {
        if self.requests >= MAX_EXCHANGES {
            return Err(LoginError::TooManyExchanges {
                limit: MAX_EXCHANGES,
            });
        }
        let data = pairs.encode();
        if data.len() > MAX_LOGIN_DATA {
            return Err(LoginError::TooMuchToAnswer {
                limit: MAX_LOGIN_DATA,
                needed: data.len(),
            });
        }
        let request = self.request(data);
        let login = Login {
            exchange: self,
            state,
        };
        Ok(LoginStep::Send(Box::new(login), request))
    }

    fn request(&mut self, data: Bytes) -> LoginRequest {
        self.requests = self.requests.saturating_add(1);
        LoginRequest {
            transit: self.transit_to.is_some(),
            continues: false,
            current_stage: self.stage,
            next_stage: self.transit_to.unwrap_or_default(),
            version_max: VERSION,
            version_min: VERSION,
            isid: self.isid,
            // A login of the leading connection keeps zero to its end (11.12.6).
            tsih: Tsih(0),
            initiator_task_tag: LOGIN_TASK_TAG,
            cid: self.cid,
            cmd_sn: self.cmd_sn,
            exp_stat_sn: self.exp_stat_sn.unwrap_or_default(),
            data,
        }
    }

    /// Checks the header of a response that accepts the request (11.13).
    fn check(&mut self, response: &LoginResponse) -> Result<(), LoginError> {
        expect(
            "Initiator Task Tag",
            LOGIN_TASK_TAG.0,
            response.initiator_task_tag.0,
        )?;
        expect("ISID", isid_number(self.isid), isid_number(response.isid))?;
        expect("Version-active", VERSION, response.version_active)?;
        // Version-max may be any in the first response, and has to stay the same after it (11.13.1).
        let version_max = *self.version_max.get_or_insert(response.version_max);
        expect("Version-max", version_max, response.version_max)?;
        expect("CSG", self.stage.code(), response.current_stage.code())?;

        // One request is outstanding at a time, so no response can be missing behind a number that stands still.
        match self.exp_stat_sn {
            Some(expected) if response.stat_sn.next() == expected => {
                self.departures.note(Departure::ConstantStatSn);
            }
            Some(expected) => expect("StatSN", expected.0, response.stat_sn.0)?,
            None => {}
        }
        self.exp_stat_sn = Some(response.stat_sn.next());

        if response.transit {
            if response.continues {
                return Err(LoginError::TransitWithContinue);
            }
            let Some(requested) = self.transit_to else {
                return Err(LoginError::TransitNotRequested);
            };
            expect("NSG", requested.code(), response.next_stage.code())?;
        }
        // The target assigns the TSIH in the response that enters the full feature phase (11.13.3).
        let is_final = response.transit && response.next_stage == Stage::FullFeaturePhase;
        match (is_final, response.tsih) {
            (true, Tsih(0)) => Err(LoginError::NoTsih),
            (false, Tsih(received)) if received != 0 => {
                self.departures.note(Departure::EarlyTsih { received });
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn append(&mut self, data: &[u8]) -> Result<(), TextError> {
        let received = self.received.len().saturating_add(data.len());
        if received > MAX_TEXT_LENGTH {
            return Err(TextError::TooLong {
                limit: MAX_TEXT_LENGTH,
                received,
            });
        }
        self.received.extend_from_slice(data);
        Ok(())
    }

    /// Records what this side proposes or declares.
    fn offer(&mut self, pairs: &TextPairs) {
        for pair in pairs {
            if let Some(row) = TextKey::named(&pair.key).filter(|row| is_told(row)) {
                self.record(row.name, |key| key.offered = Some(pair.value.clone()));
            }
        }
    }

    fn record(&mut self, key: &'static str, set: impl FnOnce(&mut ExchangedKey)) {
        if let Some(exchanged) = self.keys.iter_mut().find(|exchanged| exchanged.key == key) {
            return set(exchanged);
        }
        let mut exchanged = ExchangedKey {
            key,
            offered: None,
            answered: None,
        };
        set(&mut exchanged);
        self.keys.push(exchanged);
    }

    /// Takes the pairs that the state does not take itself and returns the answers to them.
    ///
    /// A response that ends the stage may not need an answer (11.13.6). One that does is tolerated: all keys with a
    /// meaning for the session were proposed by this side, so the key is one that this side does not use.
    fn negotiate(
        &mut self,
        response: &LoginResponse,
        pairs: &TextPairs,
        taken_by_state: &[&str],
    ) -> Result<TextPairs, LoginError> {
        let mut answers = TextPairs::new();
        for pair in pairs {
            let row = TextKey::named(&pair.key);
            if let Some(row) = row.filter(|row| is_told(row)) {
                self.record(row.name, |key| {
                    key.answered.get_or_insert_with(|| pair.value.clone());
                });
            }
            if taken_by_state.contains(&pair.key.as_str()) {
                continue;
            }
            // Before the negotiation, which takes a key that it did not ask for as a proposal.
            if let Some(departure) = self.repetition(pair) {
                self.departures.note(departure);
                continue;
            }
            match self.negotiation.receive(self.stage, pair)? {
                Answer::None => {}
                Answer::Optional(_) if response.transit => {}
                Answer::Required(answer) if response.transit => {
                    // An obsolete key is a departure of its own.
                    if row.is_none_or(|row| row.values != ValueType::Obsolete) {
                        self.departures
                            .note(Departure::ProposalAtTransit { key: answer.key });
                    }
                }
                Answer::Optional(answer) | Answer::Required(answer) => {
                    answers.push(&answer.key, answer.value);
                }
            }
        }
        Ok(answers)
    }

    /// Returns the departure of a pair that only says again what was said: the initiator's own names or session type
    /// (names compared as in 4.2.7), or the selected AuthMethod.
    fn repetition(&self, pair: &TextPair) -> Option<Departure> {
        let key = pair.key.clone();
        if key == AUTH_METHOD {
            let again = self.stage == Stage::SecurityNegotiation
                && self.auth_method.as_deref() == Some(pair.value.as_str());
            return again.then_some(Departure::RepeatedKey { key });
        }
        let own = self.identity.value(&key)?;
        own.eq_ignore_ascii_case(&pair.value)
            .then_some(Departure::EchoedKey { key })
    }

    /// Ends the login with the addresses of a redirection. Its sequence numbers have no meaning, and the target closes the
    /// connection (11.13.5).
    fn redirect(mut self, response: &LoginResponse) -> Result<LoginStep, LoginError> {
        self.append(&response.data)?;
        let pairs = TextPairs::decode_from_target(&self.received, &mut self.departures)?;
        let mut addresses = Vec::new();
        let mut unreadable = None;
        for pair in pairs.iter().filter(|pair| pair.key == "TargetAddress") {
            match TargetAddress::read(&pair.value) {
                Ok((address, departure)) => {
                    addresses.push(address);
                    departure
                        .into_iter()
                        .for_each(|departure| self.departures.note(departure));
                }
                Err(error) => unreadable = Some(error),
            }
        }
        if addresses.is_empty() {
            return Err(match unreadable {
                Some(error) => error.into(),
                None => LoginError::RedirectWithoutAddress {
                    status: response.status,
                },
            });
        }
        Ok(LoginStep::Redirect {
            addresses,
            departures: self.departures.into_vec(),
            permanent: response.status.detail == 2,
        })
    }
}

/// Returns whether the list of exchanged keys has the key: names are in the report elsewhere, and what CHAP exchanges
/// beside its algorithm lets a weak secret be guessed.
fn is_told(row: &TextKey) -> bool {
    !matches!(
        row.key,
        Key::ChapI
            | Key::ChapC
            | Key::ChapN
            | Key::ChapR
            | Key::InitiatorName
            | Key::TargetName
            | Key::SessionType
    )
}

fn expect<N: Into<u64> + Copy + PartialEq>(
    field: &'static str,
    expected: N,
    received: N,
) -> Result<(), LoginError> {
    if expected == received {
        return Ok(());
    }
    Err(LoginError::Field {
        field,
        expected: expected.into(),
        received: received.into(),
    })
}

fn isid_number(isid: Isid) -> u64 {
    isid.0
        .iter()
        .fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests;
