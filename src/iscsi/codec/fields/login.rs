//! The fields of the Login Phase (RFC 7143 11.12 and 11.13).

use bytes::Bytes;

use super::super::CodecError;
use super::super::header::BasicHeaderSegment;
use super::{CONTINUE, FINAL, flag};
use crate::iscsi::ids::{Cid, Isid, LoginStatus, Tsih};
use crate::iscsi::pdu::{LoginRequest, LoginResponse, Opcode, Stage};

impl LoginRequest {
    pub(super) fn to_bhs(&self) -> BasicHeaderSegment {
        BasicHeaderSegment::request(Opcode::LOGIN_REQUEST, true)
            .set_u8::<1>(stage_flags(
                self.transit,
                self.continues,
                self.current_stage,
                self.next_stage,
            ))
            .set_u8::<2>(self.version_max)
            .set_u8::<3>(self.version_min)
            .set::<8, 6>(self.isid.0)
            .set_u16::<14>(self.tsih.0)
            .set_initiator_task_tag(self.initiator_task_tag)
            .set_u16::<20>(self.cid.0)
            .set_cmd_sn(self.cmd_sn)
            .set_exp_stat_sn(self.exp_stat_sn)
    }

    pub(super) fn from_bhs(bhs: &BasicHeaderSegment, data: Bytes) -> Result<Self, CodecError> {
        Ok(Self {
            transit: bhs.flag(FINAL),
            continues: bhs.flag(CONTINUE),
            current_stage: current_stage(bhs)?,
            next_stage: next_stage(bhs)?,
            version_max: bhs.u8_at::<2>(),
            version_min: bhs.u8_at::<3>(),
            isid: Isid(bhs.array_at::<8, 6>()),
            tsih: Tsih(bhs.u16_at::<14>()),
            initiator_task_tag: bhs.initiator_task_tag(),
            cid: Cid(bhs.u16_at::<20>()),
            cmd_sn: bhs.cmd_sn(),
            exp_stat_sn: bhs.exp_stat_sn(),
            data,
        })
    }
}

impl LoginResponse {
    pub(super) fn to_bhs(&self) -> BasicHeaderSegment {
        BasicHeaderSegment::response(
            Opcode::LOGIN_RESPONSE,
            self.stat_sn,
            self.exp_cmd_sn,
            self.max_cmd_sn,
        )
        .set_u8::<1>(stage_flags(
            self.transit,
            self.continues,
            self.current_stage,
            self.next_stage,
        ))
        .set_u8::<2>(self.version_max)
        .set_u8::<3>(self.version_active)
        .set::<8, 6>(self.isid.0)
        .set_u16::<14>(self.tsih.0)
        .set_initiator_task_tag(self.initiator_task_tag)
        .set_u8::<36>(self.status.class)
        .set_u8::<37>(self.status.detail)
    }

    pub(super) fn from_bhs(bhs: &BasicHeaderSegment, data: Bytes) -> Result<Self, CodecError> {
        let status = LoginStatus::new(bhs.u8_at::<36>(), bhs.u8_at::<37>());
        // A refusal must reach the caller whatever its stages hold.
        let or_refused = |stage: Result<Stage, CodecError>| match stage {
            Err(_) if status.class != 0 => Ok(Stage::default()),
            stage => stage,
        };
        Ok(Self {
            transit: bhs.flag(FINAL),
            continues: bhs.flag(CONTINUE),
            current_stage: or_refused(current_stage(bhs))?,
            next_stage: or_refused(next_stage(bhs))?,
            version_max: bhs.u8_at::<2>(),
            version_active: bhs.u8_at::<3>(),
            isid: Isid(bhs.array_at::<8, 6>()),
            tsih: Tsih(bhs.u16_at::<14>()),
            initiator_task_tag: bhs.initiator_task_tag(),
            stat_sn: bhs.stat_sn(),
            exp_cmd_sn: bhs.exp_cmd_sn(),
            max_cmd_sn: bhs.max_cmd_sn(),
            status,
            data,
        })
    }
}

fn stage_flags(transit: bool, continues: bool, current: Stage, next: Stage) -> u8 {
    let next = if transit { next.code() } else { 0 };
    flag(transit, FINAL) | flag(continues, CONTINUE) | current.code() << 2 | next
}

fn current_stage(bhs: &BasicHeaderSegment) -> Result<Stage, CodecError> {
    stage(bhs.u8_at::<1>() >> 2 & 0x03)
}

/// Returns NSG, which is reserved without the T bit.
fn next_stage(bhs: &BasicHeaderSegment) -> Result<Stage, CodecError> {
    if bhs.flag(FINAL) {
        stage(bhs.u8_at::<1>() & 0x03)
    } else {
        Ok(Stage::default())
    }
}

fn stage(code: u8) -> Result<Stage, CodecError> {
    Stage::from_code(code).ok_or(CodecError::ReservedStage { received: code })
}
