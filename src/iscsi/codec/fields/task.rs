//! The fields of SCSI tasks (RFC 7143 11.3 to 11.8).

use bytes::Bytes;

use super::super::CodecError;
use super::super::header::{AdditionalHeaderSegments, BasicHeaderSegment};
use super::{FINAL, flag};
use crate::iscsi::ids::{CmdSn, DataSn, InitiatorTaskTag, R2tSn};
use crate::iscsi::pdu::{
    DataIn, DataInStatus, DataOut, Opcode, R2t, Residual, ScsiCommand, ScsiResponse,
    ServiceResponse, TaskAttribute, TaskManagementFunction, TaskManagementOutcome,
    TaskManagementRequest, TaskManagementResponse,
};

/// R of a SCSI Command, byte 1.
const READ: u8 = 0x40;
/// W of a SCSI Command, byte 1.
const WRITE: u8 = 0x20;
/// A of a Data-In, byte 1.
const ACKNOWLEDGE: u8 = 0x40;
/// S of a Data-In, byte 1.
const STATUS: u8 = 0x01;
/// O and U of a SCSI Response or Data-In, byte 1.
const RESIDUAL: ResidualBits = ResidualBits {
    overflow: 0x04,
    underflow: 0x02,
};
/// o and u of a SCSI Response, byte 1.
const BIDIRECTIONAL_RESIDUAL: ResidualBits = ResidualBits {
    overflow: 0x10,
    underflow: 0x08,
};

impl ScsiCommand {
    pub(super) fn to_bhs(&self) -> BasicHeaderSegment {
        BasicHeaderSegment::request(Opcode::SCSI_COMMAND, self.immediate)
            .set_u8::<1>(
                flag(self.final_bit, FINAL)
                    | flag(self.read, READ)
                    | flag(self.write, WRITE)
                    | self.attribute.0 & 0x07,
            )
            .set_lun(self.lun)
            .set_initiator_task_tag(self.initiator_task_tag)
            .set_u32::<20>(self.expected_data_transfer_length)
            .set_cmd_sn(self.cmd_sn)
            .set_exp_stat_sn(self.exp_stat_sn)
            .set::<32, 16>(self.cdb)
    }

    pub(super) fn from_bhs(
        bhs: &BasicHeaderSegment,
        ahs: &[u8],
        data: Bytes,
    ) -> Result<Self, CodecError> {
        let ahs = AdditionalHeaderSegments::decode(ahs)?;
        Ok(Self {
            immediate: bhs.immediate(),
            final_bit: bhs.flag(FINAL),
            read: bhs.flag(READ),
            write: bhs.flag(WRITE),
            attribute: TaskAttribute(bhs.u8_at::<1>() & 0x07),
            lun: bhs.lun(),
            initiator_task_tag: bhs.initiator_task_tag(),
            expected_data_transfer_length: bhs.u32_at::<20>(),
            cmd_sn: bhs.cmd_sn(),
            exp_stat_sn: bhs.exp_stat_sn(),
            cdb: bhs.array_at::<32, 16>(),
            extended_cdb: ahs.extended_cdb,
            bidirectional_read_expected_data_transfer_length: ahs.bidirectional_read,
            data,
        })
    }
}

impl ScsiResponse {
    pub(super) fn to_bhs(&self) -> BasicHeaderSegment {
        let bhs = BasicHeaderSegment::response(
            Opcode::SCSI_RESPONSE,
            self.stat_sn,
            self.exp_cmd_sn,
            self.max_cmd_sn,
        )
        .set_u8::<2>(self.response.0)
        .set_u8::<3>(self.status)
        .set_initiator_task_tag(self.initiator_task_tag)
        .set_target_transfer_tag(self.snack_tag)
        .set_u32::<36>(self.exp_data_sn.0);
        if self.response != ServiceResponse::COMMAND_COMPLETED {
            return bhs;
        }
        let (bidirectional_bit, bidirectional_count) =
            BIDIRECTIONAL_RESIDUAL.encode(self.bidirectional_read_residual);
        let (bit, count) = RESIDUAL.encode(self.residual);
        bhs.set_u8::<1>(FINAL | bidirectional_bit | bit)
            .set_u32::<40>(bidirectional_count)
            .set_u32::<44>(count)
    }

    pub(super) fn from_bhs(bhs: &BasicHeaderSegment, data: Bytes) -> Result<Self, CodecError> {
        let response = ServiceResponse(bhs.u8_at::<2>());
        // The flags are undefined unless the command completed at the target (11.4.3).
        let flags = match response {
            ServiceResponse::COMMAND_COMPLETED => bhs.u8_at::<1>(),
            _ => 0,
        };
        Ok(Self {
            bidirectional_read_residual: BIDIRECTIONAL_RESIDUAL
                .decode(flags, bhs.u32_at::<40>())?,
            residual: RESIDUAL.decode(flags, bhs.u32_at::<44>())?,
            response,
            status: bhs.u8_at::<3>(),
            initiator_task_tag: bhs.initiator_task_tag(),
            snack_tag: bhs.target_transfer_tag(),
            stat_sn: bhs.stat_sn(),
            exp_cmd_sn: bhs.exp_cmd_sn(),
            max_cmd_sn: bhs.max_cmd_sn(),
            exp_data_sn: DataSn(bhs.u32_at::<36>()),
            data,
        })
    }
}

impl TaskManagementRequest {
    pub(super) fn to_bhs(&self) -> BasicHeaderSegment {
        BasicHeaderSegment::request(Opcode::TASK_MANAGEMENT_REQUEST, self.immediate)
            .set_u8::<1>(FINAL | self.function.0 & 0x7f)
            .set_lun(self.lun)
            .set_initiator_task_tag(self.initiator_task_tag)
            .set_u32::<20>(self.referenced_task_tag.0)
            .set_cmd_sn(self.cmd_sn)
            .set_exp_stat_sn(self.exp_stat_sn)
            .set_u32::<32>(self.ref_cmd_sn.0)
            .set_u32::<36>(self.exp_data_sn.0)
    }

    pub(super) fn from_bhs(bhs: &BasicHeaderSegment) -> Self {
        Self {
            immediate: bhs.immediate(),
            function: TaskManagementFunction(bhs.u8_at::<1>() & 0x7f),
            lun: bhs.lun(),
            initiator_task_tag: bhs.initiator_task_tag(),
            referenced_task_tag: InitiatorTaskTag(bhs.u32_at::<20>()),
            cmd_sn: bhs.cmd_sn(),
            exp_stat_sn: bhs.exp_stat_sn(),
            ref_cmd_sn: CmdSn(bhs.u32_at::<32>()),
            exp_data_sn: DataSn(bhs.u32_at::<36>()),
        }
    }
}

impl TaskManagementResponse {
    pub(super) fn to_bhs(&self) -> BasicHeaderSegment {
        BasicHeaderSegment::response(
            Opcode::TASK_MANAGEMENT_RESPONSE,
            self.stat_sn,
            self.exp_cmd_sn,
            self.max_cmd_sn,
        )
        .set_u8::<2>(self.response.0)
        .set_initiator_task_tag(self.initiator_task_tag)
    }

    pub(super) fn from_bhs(bhs: &BasicHeaderSegment) -> Self {
        Self {
            response: TaskManagementOutcome(bhs.u8_at::<2>()),
            initiator_task_tag: bhs.initiator_task_tag(),
            stat_sn: bhs.stat_sn(),
            exp_cmd_sn: bhs.exp_cmd_sn(),
            max_cmd_sn: bhs.max_cmd_sn(),
        }
    }
}

impl DataOut {
    pub(super) fn to_bhs(&self) -> BasicHeaderSegment {
        BasicHeaderSegment::new(Opcode::DATA_OUT)
            .set_u8::<1>(flag(self.final_bit, FINAL))
            .set_lun(self.lun)
            .set_initiator_task_tag(self.initiator_task_tag)
            .set_target_transfer_tag(self.target_transfer_tag)
            .set_exp_stat_sn(self.exp_stat_sn)
            .set_u32::<36>(self.data_sn.0)
            .set_u32::<40>(self.buffer_offset)
    }

    pub(super) fn from_bhs(bhs: &BasicHeaderSegment, data: Bytes) -> Self {
        Self {
            final_bit: bhs.flag(FINAL),
            lun: bhs.lun(),
            initiator_task_tag: bhs.initiator_task_tag(),
            target_transfer_tag: bhs.target_transfer_tag(),
            exp_stat_sn: bhs.exp_stat_sn(),
            data_sn: DataSn(bhs.u32_at::<36>()),
            buffer_offset: bhs.u32_at::<40>(),
            data,
        }
    }
}

impl DataIn {
    pub(super) fn to_bhs(&self) -> BasicHeaderSegment {
        let bhs = BasicHeaderSegment::new(Opcode::DATA_IN)
            .set_lun(self.lun)
            .set_initiator_task_tag(self.initiator_task_tag)
            .set_target_transfer_tag(self.target_transfer_tag)
            .set_u32::<28>(self.exp_cmd_sn.0)
            .set_u32::<32>(self.max_cmd_sn.0)
            .set_u32::<36>(self.data_sn.0)
            .set_u32::<40>(self.buffer_offset);
        let flags = flag(self.final_bit, FINAL) | flag(self.acknowledge, ACKNOWLEDGE);
        let Some(status) = self.status else {
            return bhs.set_u8::<1>(flags);
        };
        let (bit, count) = RESIDUAL.encode(status.residual);
        bhs.set_u8::<1>(flags | STATUS | bit)
            .set_u8::<3>(status.status)
            .set_u32::<24>(status.stat_sn.0)
            .set_u32::<44>(count)
    }

    pub(super) fn from_bhs(bhs: &BasicHeaderSegment, data: Bytes) -> Result<Self, CodecError> {
        let status = if bhs.flag(STATUS) {
            Some(DataInStatus {
                residual: RESIDUAL.decode(bhs.u8_at::<1>(), bhs.u32_at::<44>())?,
                status: bhs.u8_at::<3>(),
                stat_sn: bhs.stat_sn(),
            })
        } else {
            None
        };
        Ok(Self {
            final_bit: bhs.flag(FINAL),
            acknowledge: bhs.flag(ACKNOWLEDGE),
            status,
            lun: bhs.lun(),
            initiator_task_tag: bhs.initiator_task_tag(),
            target_transfer_tag: bhs.target_transfer_tag(),
            exp_cmd_sn: bhs.exp_cmd_sn(),
            max_cmd_sn: bhs.max_cmd_sn(),
            data_sn: DataSn(bhs.u32_at::<36>()),
            buffer_offset: bhs.u32_at::<40>(),
            data,
        })
    }
}

impl R2t {
    pub(super) fn to_bhs(&self) -> BasicHeaderSegment {
        BasicHeaderSegment::response(Opcode::R2T, self.stat_sn, self.exp_cmd_sn, self.max_cmd_sn)
            .set_lun(self.lun)
            .set_initiator_task_tag(self.initiator_task_tag)
            .set_target_transfer_tag(self.target_transfer_tag)
            .set_u32::<36>(self.r2t_sn.0)
            .set_u32::<40>(self.buffer_offset)
            .set_u32::<44>(self.desired_data_transfer_length)
    }

    pub(super) fn from_bhs(bhs: &BasicHeaderSegment) -> Self {
        Self {
            lun: bhs.lun(),
            initiator_task_tag: bhs.initiator_task_tag(),
            target_transfer_tag: bhs.target_transfer_tag(),
            stat_sn: bhs.stat_sn(),
            exp_cmd_sn: bhs.exp_cmd_sn(),
            max_cmd_sn: bhs.max_cmd_sn(),
            r2t_sn: R2tSn(bhs.u32_at::<36>()),
            buffer_offset: bhs.u32_at::<40>(),
            desired_data_transfer_length: bhs.u32_at::<44>(),
        }
    }
}

/// Which bits of byte 1 say that a residual count is an overflow or an underflow.
struct ResidualBits {
    overflow: u8,
    underflow: u8,
}

impl ResidualBits {
    const fn encode(&self, residual: Residual) -> (u8, u32) {
        match residual {
            Residual::None => (0, 0),
            Residual::Overflow(count) => (self.overflow, count),
            Residual::Underflow(count) => (self.underflow, count),
        }
    }

    const fn decode(&self, flags: u8, count: u32) -> Result<Residual, CodecError> {
        match (flags & self.overflow != 0, flags & self.underflow != 0) {
            (false, false) => Ok(Residual::None),
            (true, false) => Ok(Residual::Overflow(count)),
            (false, true) => Ok(Residual::Underflow(count)),
            (true, true) => Err(CodecError::ConflictingResidual),
        }
    }
}
