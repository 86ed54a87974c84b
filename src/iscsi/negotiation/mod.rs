//! Text negotiation of RFC 7143, section 6.2: offers, answers and result functions, for initiator and target alike.
//!
//! Every rule is read from the row of the key in [`KEYS`]; what is known here about single keys is which field of an offer
//! or a result they stand for, and which departures of a target an initiator tolerates.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::iscsi::departure::{Departure, Departures};
use crate::iscsi::keys::{BooleanFunction, KEYS, Key, Senders, TextKey, Value, ValueType};
use crate::iscsi::operational::{Digest, OperationalOffer, OperationalParameters, SessionType};
use crate::iscsi::pdu::Stage;
use crate::iscsi::text::{self, ReceivedText, TextPair, TextPairs};

mod error;

pub use error::NegotiationError;

/// Which side of the connection negotiates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The side that offers (6.2).
    Initiator,
    /// The side that answers.
    Target,
}

/// What a received pair asks this side to send (6.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing: the pair was an answer or a declaration.
    None,
    /// An answer that may be left out, because the received boolean settled the result (6.2.2).
    Optional(TextPair),
    /// An answer.
    Required(TextPair),
}

/// What a negotiation came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// The operational parameters in force.
    pub parameters: OperationalParameters,
    /// TargetPortalGroupTag, when the target declared it (13.9).
    pub target_portal_group_tag: Option<u16>,
    /// TargetAlias, when the target declared it (13.6): any UTF-8, to be escaped before it is shown.
    pub target_alias: Option<String>,
    /// What an initiator tolerated of its target.
    pub departures: Departures,
}

/// The negotiation and declaration of operational and any-stage keys over one login (6.2, 6.3).
#[derive(Clone, Debug)]
pub struct Negotiation {
    role: Role,
    session_type: SessionType,
    offer: OperationalOffer,
    /// The keys that this side proposed or declared.
    proposed: BTreeSet<Key>,
    /// The keys that the peer answered, proposed or declared; `None` where the default stays in force.
    concluded: BTreeMap<Key, Option<Value>>,
    /// The values that the peer sent, to tell a key that is sent again from one that is changed.
    received: BTreeMap<Key, String>,
    target_alias: Option<String>,
    departures: Departures,
}

impl Negotiation {
    /// Starts a negotiation in which nothing has been said.
    pub fn new(role: Role, session_type: SessionType, offer: OperationalOffer) -> Self {
        Self {
            role,
            session_type,
            offer,
            proposed: BTreeSet::new(),
            concluded: BTreeMap::new(),
            received: BTreeMap::new(),
            target_alias: None,
            departures: Departures::default(),
        }
    }

    /// Returns what this side proposes or declares: an initiator proposes every key that is relevant to the session
    /// type and not yet settled, a target declares its MaxRecvDataSegmentLength.
    ///
    /// Keys that peers of an earlier standard may not understand are not proposed, but answered.
    pub fn proposals(&mut self) -> TextPairs {
        let mut pairs = TextPairs::new();
        for row in KEYS {
            let unsaid = row.declarative || !self.concluded.contains_key(&row.key);
            let proposes = row.declarative || self.role == Role::Initiator;
            if row.later || !unsaid || !proposes || !self.is_relevant(row) {
                continue;
            }
            if let Some(preference) = self.preference(row)
                && self.proposed.insert(row.key)
            {
                pairs.push(row.name, preference.to_string());
            }
        }
        pairs
    }

    /// Takes a pair from the peer: the answer to a proposal of this side, else a proposal or declaration of the peer.
    ///
    /// The keys of the authentication methods are not negotiated here, so they are errors in every stage. An initiator
    /// tolerates and notes what [`Departure`] lists.
    ///
    /// # Errors
    /// [`NegotiationError`] when the peer may not say this here, or when its selection does not follow from the offer.
    pub fn receive(&mut self, stage: Stage, pair: &TextPair) -> Result<Answer, NegotiationError> {
        let Some(row) = TextKey::named(&pair.key) else {
            return self.answer_unknown(pair);
        };
        self.check_sender(row, stage)?;
        if row.key == Key::NodeArchitecture {
            // A node may discard it without an answer (13.26.2).
            return Ok(Answer::None);
        }
        if self.concluded.contains_key(&row.key) && row.key != Key::TargetAddress {
            if self.tolerates() && self.received.get(&row.key) == Some(&pair.value) {
                self.departures.note(Departure::RepeatedKey {
                    key: pair.key.clone(),
                });
                return Ok(Answer::None);
            }
            return Err(NegotiationError::Repeated {
                key: row.name,
                received: ReceivedText(pair.value.clone()),
            });
        }
        self.received.insert(row.key, pair.value.clone());

        if row.declarative {
            let value = self.read_declaration(row, &pair.value)?;
            self.concluded.insert(row.key, value);
            return Ok(Answer::None);
        }
        if self.proposed.contains(&row.key)
            && let Some(offered) = self.preference(row)
        {
            let value = match self.outside_offer(row, &offered, &pair.value) {
                Some(value) => Some(value),
                None => read_answer(row, &offered, &pair.value)?,
            };
            self.concluded.insert(row.key, value);
            return Ok(Answer::None);
        }
        if self.tolerates() {
            if is_reserved(&pair.value) {
                self.note_unasked_answer(pair);
                return Ok(Answer::None);
            }
            if row.values == ValueType::Obsolete {
                self.departures.note(Departure::ObsoleteKey {
                    key: pair.key.clone(),
                });
            }
        }
        let (value, answer) = self.answer_proposal(row, &pair.value)?;
        self.concluded.insert(row.key, value);
        Ok(answer)
    }

    /// Ends the negotiation and returns its result, after the rules that join several keys were checked.
    ///
    /// A key that the peer did not answer, or answered with Reject or Irrelevant, keeps its default (6.2).
    ///
    /// # Errors
    /// [`NegotiationError::NoCommonValue`] when the default of a list key that was not agreed on was not offered, and
    /// [`NegotiationError::FirstBurstExceedsMaxBurst`] (13.14).
    pub fn finish(mut self) -> Result<Negotiated, NegotiationError> {
        // The key is due in the first response of a login that names a target (13.9).
        if self.tolerates()
            && self.session_type == SessionType::Normal
            && !self.concluded.contains_key(&Key::TargetPortalGroupTag)
        {
            self.departures.note(Departure::MissingPortalGroupTag);
        }
        let mut parameters = OperationalParameters {
            max_recv_data_segment_length: self.in_range(
                Key::MaxRecvDataSegmentLength,
                self.offer.max_recv_data_segment_length,
            ),
            ..OperationalParameters::default()
        };
        for row in KEYS {
            let Some(value) = self.value_in_force(row) else {
                continue;
            };
            if let (Some(Preference::List(offered)), Value::Text(name)) =
                (self.preference(row), value)
                && !offered.contains(&name)
                && self.is_relevant(row)
            {
                return Err(NegotiationError::NoCommonValue {
                    key: row.name,
                    offered: offered.join(","),
                });
            }
            parameters.set(row.key, value);
        }
        self.settle_first_burst(&mut parameters)?;

        let target_portal_group_tag = match self.concluded.get(&Key::TargetPortalGroupTag) {
            Some(Some(Value::Number(tag))) => u16::try_from(*tag).ok(),
            _ => None,
        };
        Ok(Negotiated {
            parameters,
            target_portal_group_tag,
            target_alias: self.target_alias,
            departures: self.departures,
        })
    }

    /// Returns whether departures of the peer are tolerated: an initiator reports them of its target.
    fn tolerates(&self) -> bool {
        self.role == Role::Initiator
    }

    /// Returns the value in force of DefaultTime2Wait or DefaultTime2Retain when the target selected one that does not
    /// follow from the offer; none for any other key or answer.
    ///
    /// Only ErrorRecoveryLevel 0 is offered: no task outlives its connection, so nothing depends on the value.
    fn outside_offer(
        &mut self,
        row: &TextKey,
        offered: &Preference,
        received: &str,
    ) -> Option<Value> {
        let (ValueType::Number { min, max, function }, Preference::Number(offered)) =
            (row.values, offered)
        else {
            return None;
        };
        let timer = matches!(row.key, Key::DefaultTime2Wait | Key::DefaultTime2Retain);
        if !timer || !self.tolerates() {
            return None;
        }
        let selected = read_number(row, min, max, received).ok()?;
        if function.selectable(*offered, selected) {
            return None;
        }
        self.departures.note(Departure::OutsideOffer {
            key: row.name.to_owned(),
            offered: *offered,
            received: selected,
        });
        Some(Value::Number(function.apply(*offered, selected)))
    }

    fn note_unasked_answer(&mut self, pair: &TextPair) {
        self.departures.note(Departure::AnswerWithoutProposal {
            key: pair.key.clone(),
        });
    }

    /// Answers a key that this implementation does not understand (6.2).
    fn answer_unknown(&mut self, pair: &TextPair) -> Result<Answer, NegotiationError> {
        if !is_reserved(&pair.value) {
            return Ok(Answer::Required(TextPair {
                key: pair.key.clone(),
                value: NOT_UNDERSTOOD.to_owned(),
            }));
        }
        if !self.tolerates() {
            return Err(NegotiationError::AnswerWithoutProposal {
                key: ReceivedText(pair.key.clone()),
                received: ReceivedText(pair.value.clone()),
            });
        }
        self.note_unasked_answer(pair);
        Ok(Answer::None)
    }

    fn check_sender(&self, row: &TextKey, stage: Stage) -> Result<(), NegotiationError> {
        let peer_may_send = match row.senders {
            Senders::Both => true,
            Senders::Initiator => self.role == Role::Target,
            Senders::Target => self.role == Role::Initiator,
        };
        if !peer_may_send {
            return Err(NegotiationError::WrongSender { key: row.name });
        }
        let negotiated_elsewhere = matches!(
            row.key,
            Key::AuthMethod | Key::ChapA | Key::ChapI | Key::ChapC | Key::ChapN | Key::ChapR
        );
        if negotiated_elsewhere || !row.allowed_in(stage) {
            return Err(NegotiationError::OutOfPlace {
                key: row.name,
                stage,
            });
        }
        Ok(())
    }

    fn read_declaration(
        &mut self,
        row: &TextKey,
        received: &str,
    ) -> Result<Option<Value>, NegotiationError> {
        if received == NOT_UNDERSTOOD && self.proposed.contains(&row.key) {
            return Err(NegotiationError::NotUnderstood { key: row.name });
        }
        if let ValueType::Number { min, max, .. } = row.values {
            let number = read_number(row, min, max, received);
            // The tag matters only for further connections of the session, and there is one.
            if number.is_err() && row.key == Key::TargetPortalGroupTag && self.tolerates() {
                self.departures.note(Departure::InvalidPortalGroupTag {
                    received: ReceivedText(received.to_owned()),
                });
                return Ok(None);
            }
            return number.map(|number| Some(Value::Number(number)));
        }
        if row.key == Key::TargetAlias {
            self.target_alias = Some(received.to_owned());
        }
        Ok(None)
    }

    /// Selects this side's answer to a proposal of the peer by the result function of the key (6.2.1, 6.2.2).
    fn answer_proposal(
        &self,
        row: &TextKey,
        received: &str,
    ) -> Result<(Option<Value>, Answer), NegotiationError> {
        if is_reserved(received) {
            return Err(NegotiationError::AnswerWithoutProposal {
                key: ReceivedText(row.name.to_owned()),
                received: ReceivedText(received.to_owned()),
            });
        }
        let reply = |text: String| TextPair {
            key: row.name.to_owned(),
            value: text,
        };
        if !self.is_relevant(row) {
            return Ok((None, Answer::Required(reply(IRRELEVANT.to_owned()))));
        }
        let selected = match (row.values, self.preference(row)) {
            (ValueType::Boolean(function), Some(Preference::Boolean(own))) => {
                text::boolean(received).map(|theirs| match function {
                    BooleanFunction::And => (Value::Boolean(theirs && own), !theirs),
                    BooleanFunction::Or => (Value::Boolean(theirs || own), theirs),
                })
            }
            (ValueType::Number { min, max, function }, Some(Preference::Number(own))) => {
                // A value out of range may be answered with Reject (6.2.2).
                read_number(row, min, max, received)
                    .ok()
                    .map(|theirs| (Value::Number(function.apply(own, theirs)), false))
            }
            (ValueType::List, Some(Preference::List(own))) => text::list(received)
                .find_map(|theirs| own.iter().find(|name| **name == theirs))
                .map(|name| (Value::Text(name), false)),
            _ => None,
        };
        Ok(match selected {
            Some((value, settled_by_peer)) => {
                let reply = reply(value.to_string());
                let answer = if settled_by_peer {
                    Answer::Optional(reply)
                } else {
                    Answer::Required(reply)
                };
                (Some(value), answer)
            }
            None => (None, Answer::Required(reply(REJECT.to_owned()))),
        })
    }

    fn value_in_force(&self, row: &TextKey) -> Option<Value> {
        match self.concluded.get(&row.key) {
            Some(Some(value)) => return Some(*value),
            Some(None) => return row.default,
            None => {}
        }
        // An offered boolean that settles the result needs no answer (6.2.2).
        match (row.values, self.preference(row)) {
            (ValueType::Boolean(function), Some(Preference::Boolean(offered)))
                if self.proposed.contains(&row.key)
                    && offered == matches!(function, BooleanFunction::Or) =>
            {
                Some(Value::Boolean(offered))
            }
            _ => row.default,
        }
    }

    /// Checks FirstBurstLength against MaxBurstLength (13.14).
    ///
    /// Only a FirstBurstLength that was agreed on and matters can break the rule; a default that stayed in force beside
    /// a smaller MaxBurstLength, or one without unsolicited data, is brought down to it.
    fn settle_first_burst(
        &self,
        parameters: &mut OperationalParameters,
    ) -> Result<(), NegotiationError> {
        let (first, max) = (parameters.first_burst_length, parameters.max_burst_length);
        if first <= max {
            return Ok(());
        }
        let agreed = matches!(self.concluded.get(&Key::FirstBurstLength), Some(Some(_)));
        let matters = !parameters.initial_r2t || parameters.immediate_data;
        if agreed && matters {
            return Err(NegotiationError::FirstBurstExceedsMaxBurst {
                first_burst_length: first,
                max_burst_length: max,
            });
        }
        parameters.first_burst_length = max;
        Ok(())
    }

    fn is_relevant(&self, row: &TextKey) -> bool {
        !row.normal_session_only || self.session_type == SessionType::Normal
    }

    /// Returns what this side offers, or would have offered, for a key; `None` for keys that it has no wish for.
    fn preference(&self, row: &TextKey) -> Option<Preference> {
        let offer = &self.offer;
        let number = |value| Some(Preference::Number(self.in_range(row.key, value)));
        match row.key {
            Key::HeaderDigest => Some(Preference::digests(&offer.header_digest)),
            Key::DataDigest => Some(Preference::digests(&offer.data_digest)),
            Key::MaxConnections | Key::IscsiProtocolLevel => number(1),
            Key::InitialR2T => Some(Preference::Boolean(offer.initial_r2t)),
            Key::ImmediateData => Some(Preference::Boolean(offer.immediate_data)),
            Key::MaxRecvDataSegmentLength => number(offer.max_recv_data_segment_length),
            Key::MaxBurstLength => number(offer.max_burst_length),
            Key::FirstBurstLength => number(offer.first_burst_length.min(offer.max_burst_length)),
            Key::DefaultTime2Wait => number(offer.default_time2wait),
            Key::DefaultTime2Retain => number(offer.default_time2retain),
            Key::MaxOutstandingR2T => number(offer.max_outstanding_r2t),
            // What this implementation supports.
            Key::DataPduInOrder | Key::DataSequenceInOrder => Some(Preference::Boolean(true)),
            Key::ErrorRecoveryLevel => number(0),
            Key::TaskReporting => Some(Preference::List(vec!["RFC3720"])),
            _ => None,
        }
    }

    fn in_range(&self, key: Key, value: u32) -> u32 {
        match KEYS.iter().find(|row| row.key == key).map(|row| row.values) {
            Some(ValueType::Number { min, max, .. }) => value.clamp(min, max),
            _ => value,
        }
    }
}

const REJECT: &str = "Reject";
const IRRELEVANT: &str = "Irrelevant";
const NOT_UNDERSTOOD: &str = "NotUnderstood";

/// What one side wants of one key; displayed as on the wire.
#[derive(Clone, Debug)]
enum Preference {
    Boolean(bool),
    Number(u32),
    List(Vec<&'static str>),
}

impl Preference {
    fn digests(digests: &[Digest]) -> Self {
        if digests.is_empty() {
            return Self::List(vec![Digest::None.name()]);
        }
        Self::List(digests.iter().copied().map(Digest::name).collect())
    }
}

impl fmt::Display for Preference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(value) => f.write_str(text::boolean_text(*value)),
            Self::Number(value) => write!(f, "{value}"),
            Self::List(values) => f.write_str(&values.join(",")),
        }
    }
}

/// Returns whether a value is an answer and never a proposal (6.2).
fn is_reserved(value: &str) -> bool {
    [REJECT, IRRELEVANT, NOT_UNDERSTOOD].contains(&value)
}

/// Reads the peer's answer to a proposal; `None` when the default stays in force (6.2).
fn read_answer(
    row: &TextKey,
    offered: &Preference,
    received: &str,
) -> Result<Option<Value>, NegotiationError> {
    match received {
        NOT_UNDERSTOOD if !row.later => {
            return Err(NegotiationError::NotUnderstood { key: row.name });
        }
        NOT_UNDERSTOOD | REJECT | IRRELEVANT => return Ok(None),
        _ => {}
    }
    let not_selectable = || NegotiationError::NotSelectable {
        key: row.name,
        offered: offered.to_string(),
        received: ReceivedText(received.to_owned()),
    };
    match (row.values, offered) {
        (ValueType::Boolean(function), Preference::Boolean(offered)) => {
            let selected = text::boolean(received).ok_or_else(|| NegotiationError::Malformed {
                key: row.name,
                expected: "Yes or No",
                received: ReceivedText(received.to_owned()),
            })?;
            let selectable = match function {
                BooleanFunction::And => *offered || !selected,
                BooleanFunction::Or => !*offered || selected,
            };
            selectable
                .then_some(Some(Value::Boolean(selected)))
                .ok_or_else(not_selectable)
        }
        (ValueType::Number { min, max, function }, Preference::Number(offered)) => {
            let selected = read_number(row, min, max, received)?;
            function
                .selectable(*offered, selected)
                .then_some(Some(Value::Number(selected)))
                .ok_or_else(not_selectable)
        }
        (_, Preference::List(offered)) => offered
            .iter()
            .find(|name| **name == received)
            .map(|name| Some(Value::Text(name)))
            .ok_or_else(not_selectable),
        _ => Err(not_selectable()),
    }
}

fn read_number(row: &TextKey, min: u32, max: u32, received: &str) -> Result<u32, NegotiationError> {
    let number = text::numerical(received).ok_or_else(|| NegotiationError::Malformed {
        key: row.name,
        expected: "a number",
        received: ReceivedText(received.to_owned()),
    })?;
    u32::try_from(number)
        .ok()
        .filter(|number| (min..=max).contains(number))
        .ok_or(NegotiationError::OutOfRange {
            key: row.name,
            min,
            max,
            received: number,
        })
}

#[cfg(test)]
mod tests;
