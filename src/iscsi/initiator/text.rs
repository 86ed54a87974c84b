//! A Text Request and its answer, which may take several responses (RFC 7143 11.10 and 11.11).

use bytes::{Bytes, BytesMut};

use super::error::SessionError;
use crate::iscsi::ids::{CmdSn, InitiatorTaskTag, Lun, StatSn, TargetTransferTag};
use crate::iscsi::pdu::{Opcode, TextRequest, TextResponse};
use crate::iscsi::text::MAX_TEXT_LENGTH;

/// The longest text that is put together, in bytes: what can be decoded.
const MAX_LENGTH: usize = MAX_TEXT_LENGTH;

/// The most responses of one answer.
const MAX_RESPONSES: u32 = 1 << 12;

/// A text exchange under way: what is still to be sent, what has come.
#[derive(Debug)]
pub(super) struct TextExchange {
    unsent: Bytes,
    received: BytesMut,
    responses: u32,
    lun: Lun,
    target_transfer_tag: TargetTransferTag,
}

impl TextExchange {
    pub(super) fn new(text: Bytes) -> Self {
        Self {
            unsent: text,
            received: BytesMut::new(),
            responses: 0,
            lun: Lun::default(),
            target_transfer_tag: TargetTransferTag::RESERVED,
        }
    }

    /// Returns the next request: what fits of the text, or none to ask for the rest of the answer.
    pub(super) fn request(
        &mut self,
        tag: InitiatorTaskTag,
        cmd_sn: CmdSn,
        exp_stat_sn: StatSn,
        limit: u32,
    ) -> TextRequest {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let data = self.unsent.split_to(limit.min(self.unsent.len()));
        let continues = !self.unsent.is_empty();
        TextRequest {
            immediate: true,
            final_bit: !continues,
            continues,
            lun: self.lun,
            initiator_task_tag: tag,
            target_transfer_tag: self.target_transfer_tag,
            cmd_sn,
            exp_stat_sn,
            data,
        }
    }

    /// Takes a response; returns the whole text behind the last one.
    pub(super) fn receive(&mut self, pdu: &TextResponse) -> Result<Option<Bytes>, SessionError> {
        self.responses = self.responses.saturating_add(1);
        let length = self.received.len().saturating_add(pdu.data.len());
        if length > MAX_LENGTH || self.responses > MAX_RESPONSES {
            return Err(SessionError::TextTooLong { limit: MAX_LENGTH });
        }
        self.received.extend_from_slice(&pdu.data);
        if pdu.final_bit && !pdu.continues && self.unsent.is_empty() {
            return Ok(Some(std::mem::take(&mut self.received).freeze()));
        }
        if pdu.target_transfer_tag == TargetTransferTag::RESERVED {
            return Err(SessionError::UnexpectedPdu {
                opcode: Opcode::TEXT_RESPONSE,
            });
        }
        self.lun = pdu.lun;
        self.target_transfer_tag = pdu.target_transfer_tag;
        Ok(None)
    }
}
