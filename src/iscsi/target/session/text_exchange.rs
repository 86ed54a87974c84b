//! Text Requests of the full feature phase: SendTargets, and the keys that may be declared there (RFC 7143 11.10,
//! 11.11, 13 and Appendix C).

use bytes::Bytes;

use super::TargetSettings;
use crate::iscsi::ids::{InitiatorTaskTag, TargetTransferTag};
use crate::iscsi::name::IscsiName;
use crate::iscsi::negotiation::{Answer, Negotiation, Role};
use crate::iscsi::operational::{OperationalOffer, SessionType};
use crate::iscsi::pdu::{RejectReason, Stage, TextRequest};
use crate::iscsi::target::policy::TargetRecord;
use crate::iscsi::text::{self, MAX_TEXT_LENGTH, TextPairs};

const SEND_TARGETS: &str = "SendTargets";
const MAX_RECV_DATA_SEGMENT_LENGTH: &str = "MaxRecvDataSegmentLength";

/// A sequence of Text Requests and Responses that goes on.
#[derive(Debug)]
pub(super) struct TextExchange {
    pub(super) initiator_task_tag: InitiatorTaskTag,
    target_transfer_tag: TargetTransferTag,
    received: Vec<u8>,
    negotiation: Negotiation,
    /// The rest of an answer that did not fit one response.
    unsent: Bytes,
}

/// A Text Response to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TextReply {
    pub(super) final_bit: bool,
    pub(super) continues: bool,
    pub(super) data: Bytes,
    /// MaxRecvDataSegmentLength that the initiator has declared, in force behind this response.
    pub(super) declared_length: Option<u32>,
}

impl TextExchange {
    /// Starts a sequence; whatever was under way is forgotten (11.10.4).
    pub(super) fn new(request: &TextRequest, session_type: SessionType) -> Self {
        Self {
            initiator_task_tag: request.initiator_task_tag,
            target_transfer_tag: TargetTransferTag::RESERVED,
            received: Vec::new(),
            negotiation: Negotiation::new(Role::Target, session_type, OperationalOffer::default()),
            unsent: Bytes::new(),
        }
    }

    /// Returns whether a request goes on with this sequence.
    pub(super) fn is_continued_by(&self, request: &TextRequest) -> bool {
        self.initiator_task_tag == request.initiator_task_tag
            && self.target_transfer_tag == request.target_transfer_tag
    }

    /// Says by which tag the next request continues the sequence.
    pub(super) const fn continue_by(&mut self, tag: TargetTransferTag) {
        self.target_transfer_tag = tag;
    }

    /// Takes a request of the sequence; `limit` is the most that a response may carry.
    pub(super) fn handle(
        &mut self,
        request: &TextRequest,
        settings: &TargetSettings,
        limit: u32,
    ) -> Result<TextReply, RejectReason> {
        if request.continues && request.final_bit
            || !self.unsent.is_empty() && !request.data.is_empty()
        {
            return Err(RejectReason::PROTOCOL_ERROR);
        }
        if !self.unsent.is_empty() {
            let text = std::mem::take(&mut self.unsent);
            return Ok(self.reply(request, text, None, limit));
        }
        if self.received.len().saturating_add(request.data.len()) > MAX_TEXT_LENGTH {
            return Err(RejectReason::PROTOCOL_ERROR);
        }
        self.received.extend_from_slice(&request.data);
        if request.continues {
            return Ok(TextReply {
                final_bit: false,
                continues: false,
                data: Bytes::new(),
                declared_length: None,
            });
        }
        let received = std::mem::take(&mut self.received);
        let pairs = TextPairs::decode(&received).map_err(|_| RejectReason::PROTOCOL_ERROR)?;
        if let Some(wanted) = pairs.value(SEND_TARGETS) {
            // A SendTargets command holds exactly one pair (Appendix C).
            if pairs.iter().count() != 1 {
                return Err(RejectReason::PROTOCOL_ERROR);
            }
            let answer = send_targets(wanted, settings)?;
            return Ok(self.reply(request, answer.encode(), None, limit));
        }
        if settings.session_type == SessionType::Discovery && !pairs.is_empty() {
            return Err(RejectReason::PROTOCOL_ERROR);
        }
        let answer = self.negotiate(&pairs)?;
        let declared = pairs
            .value(MAX_RECV_DATA_SEGMENT_LENGTH)
            .and_then(text::numerical)
            .and_then(|length| u32::try_from(length).ok());
        Ok(self.reply(request, answer.encode(), declared, limit))
    }

    fn negotiate(&mut self, pairs: &TextPairs) -> Result<TextPairs, RejectReason> {
        let mut answers = TextPairs::new();
        for pair in pairs {
            let answer = self
                .negotiation
                .receive(Stage::FullFeaturePhase, pair)
                .map_err(|_| RejectReason::PROTOCOL_ERROR)?;
            match answer {
                Answer::None => {}
                Answer::Optional(answer) | Answer::Required(answer) => {
                    answers.push(&answer.key, answer.value);
                }
            }
        }
        Ok(answers)
    }

    fn reply(
        &mut self,
        request: &TextRequest,
        mut text: Bytes,
        declared_length: Option<u32>,
        limit: u32,
    ) -> TextReply {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        if text.len() > limit {
            self.unsent = text.split_off(limit);
        }
        let continues = !self.unsent.is_empty();
        TextReply {
            final_bit: request.final_bit && !continues,
            continues,
            data: text,
            declared_length,
        }
    }
}

/// Returns the target records that a SendTargets asks for (Appendix C).
fn send_targets(wanted: &str, settings: &TargetSettings) -> Result<TextPairs, RejectReason> {
    let is_own = |target: &&TargetRecord| settings.target_name.as_ref() == Some(&target.name);
    let visible = settings.targets.iter();
    let targets: Vec<&TargetRecord> = match (wanted, settings.session_type) {
        ("All", SessionType::Discovery) => visible.collect(),
        ("All", SessionType::Normal) => return Err(RejectReason::PROTOCOL_ERROR),
        ("", _) => visible.filter(is_own).collect(),
        (name, session_type) => visible
            .filter(|target| {
                name.parse()
                    .is_ok_and(|name: IscsiName| target.name == name)
            })
            .filter(|target| session_type == SessionType::Discovery || is_own(target))
            .collect(),
    };
    let mut pairs = TextPairs::new();
    for target in targets {
        pairs.push("TargetName", target.name.as_str());
        for address in &target.addresses {
            let tag = address.portal_group_tag.unwrap_or(1);
            pairs.push("TargetAddress", format!("{address},{tag}"));
        }
    }
    Ok(pairs)
}
