//! The fields of text, logout, NOP, SNACK, asynchronous message and reject (RFC 7143 11.9 to 11.11 and 11.14 to 11.19).

use bytes::Bytes;

use super::super::header::BasicHeaderSegment;
use super::{CONTINUE, FINAL, flag};
use crate::iscsi::ids::{Cid, InitiatorTaskTag};
use crate::iscsi::pdu::{
    AsyncEvent, AsyncMessage, LogoutOutcome, LogoutReason, LogoutRequest, LogoutResponse, NopIn,
    NopOut, Opcode, Reject, RejectReason, SnackRequest, SnackType, TextRequest, TextResponse,
};

impl AsyncMessage {
    pub(super) fn to_bhs(&self) -> BasicHeaderSegment {
        BasicHeaderSegment::response(
            Opcode::ASYNC_MESSAGE,
            self.stat_sn,
            self.exp_cmd_sn,
            self.max_cmd_sn,
        )
        .set_lun(self.lun)
        .set_initiator_task_tag(InitiatorTaskTag::RESERVED)
        .set_u8::<36>(self.async_event.0)
        .set_u8::<37>(self.async_vcode)
        .set_u16::<38>(self.parameter1)
        .set_u16::<40>(self.parameter2)
        .set_u16::<42>(self.parameter3)
    }

    pub(super) fn from_bhs(bhs: &BasicHeaderSegment, data: Bytes) -> Self {
        Self {
            lun: bhs.lun(),
            stat_sn: bhs.stat_sn(),
            exp_cmd_sn: bhs.exp_cmd_sn(),
            max_cmd_sn: bhs.max_cmd_sn(),
            async_event: AsyncEvent(bhs.u8_at::<36>()),
            async_vcode: bhs.u8_at::<37>(),
            parameter1: bhs.u16_at::<38>(),
            parameter2: bhs.u16_at::<40>(),
            parameter3: bhs.u16_at::<42>(),
            data,
        }
    }
}

impl TextRequest {
    pub(super) fn to_bhs(&self) -> BasicHeaderSegment {
        BasicHeaderSegment::request(Opcode::TEXT_REQUEST, self.immediate)
            .set_u8::<1>(flag(self.final_bit, FINAL) | flag(self.continues, CONTINUE))
            .set_lun(self.lun)
            .set_initiator_task_tag(self.initiator_task_tag)
            .set_target_transfer_tag(self.target_transfer_tag)
            .set_cmd_sn(self.cmd_sn)
            .set_exp_stat_sn(self.exp_stat_sn)
    }

    pub(super) fn from_bhs(bhs: &BasicHeaderSegment, data: Bytes) -> Self {
        Self {
            immediate: bhs.immediate(),
            final_bit: bhs.flag(FINAL),
            continues: bhs.flag(CONTINUE),
            lun: bhs.lun(),
            initiator_task_tag: bhs.initiator_task_tag(),
            target_transfer_tag: bhs.target_transfer_tag(),
            cmd_sn: bhs.cmd_sn(),
            exp_stat_sn: bhs.exp_stat_sn(),
            data,
        }
    }
}

impl TextResponse {
    pub(super) fn to_bhs(&self) -> BasicHeaderSegment {
        BasicHeaderSegment::response(
            Opcode::TEXT_RESPONSE,
            self.stat_sn,
            self.exp_cmd_sn,
            self.max_cmd_sn,
        )
        .set_u8::<1>(flag(self.final_bit, FINAL) | flag(self.continues, CONTINUE))
        .set_lun(self.lun)
        .set_initiator_task_tag(self.initiator_task_tag)
        .set_target_transfer_tag(self.target_transfer_tag)
    }

    pub(super) fn from_bhs(bhs: &BasicHeaderSegment, data: Bytes) -> Self {
        Self {
            final_bit: bhs.flag(FINAL),
            continues: bhs.flag(CONTINUE),
            lun: bhs.lun(),
            initiator_task_tag: bhs.initiator_task_tag(),
            target_transfer_tag: bhs.target_transfer_tag(),
            stat_sn: bhs.stat_sn(),
            exp_cmd_sn: bhs.exp_cmd_sn(),
            max_cmd_sn: bhs.max_cmd_sn(),
            data,
        }
    }
}

impl LogoutRequest {
    pub(super) fn to_bhs(&self) -> BasicHeaderSegment {
        BasicHeaderSegment::request(Opcode::LOGOUT_REQUEST, self.immediate)
            .set_u8::<1>(FINAL | self.reason.0 & 0x7f)
            .set_initiator_task_tag(self.initiator_task_tag)
            .set_u16::<20>(self.cid.0)
            .set_cmd_sn(self.cmd_sn)
            .set_exp_stat_sn(self.exp_stat_sn)
    }

    pub(super) fn from_bhs(bhs: &BasicHeaderSegment) -> Self {
        Self {
            immediate: bhs.immediate(),
            reason: LogoutReason(bhs.u8_at::<1>() & 0x7f),
            initiator_task_tag: bhs.initiator_task_tag(),
            cid: Cid(bhs.u16_at::<20>()),
            cmd_sn: bhs.cmd_sn(),
            exp_stat_sn: bhs.exp_stat_sn(),
        }
    }
}

impl LogoutResponse {
    pub(super) fn to_bhs(&self) -> BasicHeaderSegment {
        BasicHeaderSegment::response(
            Opcode::LOGOUT_RESPONSE,
            self.stat_sn,
            self.exp_cmd_sn,
            self.max_cmd_sn,
        )
        .set_u8::<2>(self.response.0)
        .set_initiator_task_tag(self.initiator_task_tag)
        .set_u16::<40>(self.time2wait)
        .set_u16::<42>(self.time2retain)
    }

    pub(super) fn from_bhs(bhs: &BasicHeaderSegment) -> Self {
        Self {
            response: LogoutOutcome(bhs.u8_at::<2>()),
            initiator_task_tag: bhs.initiator_task_tag(),
            stat_sn: bhs.stat_sn(),
            exp_cmd_sn: bhs.exp_cmd_sn(),
            max_cmd_sn: bhs.max_cmd_sn(),
            time2wait: bhs.u16_at::<40>(),
            time2retain: bhs.u16_at::<42>(),
        }
    }
}

impl SnackRequest {
    pub(super) fn to_bhs(&self) -> BasicHeaderSegment {
        BasicHeaderSegment::new(Opcode::SNACK_REQUEST)
            .set_u8::<1>(FINAL | self.snack_type.0 & 0x0f)
            .set_lun(self.lun)
            .set_initiator_task_tag(self.initiator_task_tag)
            .set_target_transfer_tag(self.target_transfer_tag)
            .set_exp_stat_sn(self.exp_stat_sn)
            .set_u32::<40>(self.beg_run)
            .set_u32::<44>(self.run_length)
    }

    pub(super) fn from_bhs(bhs: &BasicHeaderSegment) -> Self {
        Self {
            snack_type: SnackType(bhs.u8_at::<1>() & 0x0f),
            lun: bhs.lun(),
            initiator_task_tag: bhs.initiator_task_tag(),
            target_transfer_tag: bhs.target_transfer_tag(),
            exp_stat_sn: bhs.exp_stat_sn(),
            beg_run: bhs.u32_at::<40>(),
            run_length: bhs.u32_at::<44>(),
        }
    }
}

impl Reject {
    pub(super) fn to_bhs(&self) -> BasicHeaderSegment {
        BasicHeaderSegment::response(
            Opcode::REJECT,
            self.stat_sn,
            self.exp_cmd_sn,
            self.max_cmd_sn,
        )
        .set_u8::<2>(self.reason.0)
        .set_initiator_task_tag(InitiatorTaskTag::RESERVED)
        .set_u32::<36>(self.data_sn)
    }

    pub(super) fn from_bhs(bhs: &BasicHeaderSegment, data: Bytes) -> Self {
        Self {
            reason: RejectReason(bhs.u8_at::<2>()),
            stat_sn: bhs.stat_sn(),
            exp_cmd_sn: bhs.exp_cmd_sn(),
            max_cmd_sn: bhs.max_cmd_sn(),
            data_sn: bhs.u32_at::<36>(),
            data,
        }
    }
}

impl NopOut {
    pub(super) fn to_bhs(&self) -> BasicHeaderSegment {
        BasicHeaderSegment::request(Opcode::NOP_OUT, self.immediate)
            .set_u8::<1>(FINAL)
            .set_lun(self.lun)
            .set_initiator_task_tag(self.initiator_task_tag)
            .set_target_transfer_tag(self.target_transfer_tag)
            .set_cmd_sn(self.cmd_sn)
            .set_exp_stat_sn(self.exp_stat_sn)
    }

    pub(super) fn from_bhs(bhs: &BasicHeaderSegment, data: Bytes) -> Self {
        Self {
            immediate: bhs.immediate(),
            lun: bhs.lun(),
            initiator_task_tag: bhs.initiator_task_tag(),
            target_transfer_tag: bhs.target_transfer_tag(),
            cmd_sn: bhs.cmd_sn(),
            exp_stat_sn: bhs.exp_stat_sn(),
            data,
        }
    }
}

impl NopIn {
    pub(super) fn to_bhs(&self) -> BasicHeaderSegment {
        BasicHeaderSegment::response(
            Opcode::NOP_IN,
            self.stat_sn,
            self.exp_cmd_sn,
            self.max_cmd_sn,
        )
        .set_lun(self.lun)
        .set_initiator_task_tag(self.initiator_task_tag)
        .set_target_transfer_tag(self.target_transfer_tag)
    }

    pub(super) fn from_bhs(bhs: &BasicHeaderSegment, data: Bytes) -> Self {
        Self {
            lun: bhs.lun(),
            initiator_task_tag: bhs.initiator_task_tag(),
            target_transfer_tag: bhs.target_transfer_tag(),
            stat_sn: bhs.stat_sn(),
            exp_cmd_sn: bhs.exp_cmd_sn(),
            max_cmd_sn: bhs.max_cmd_sn(),
            data,
        }
    }
}
