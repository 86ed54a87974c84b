//! Arbitrary PDUs for property tests: every field that the wire keeps takes every value.

use bytes::Bytes;
use proptest::prelude::*;

use crate::iscsi::ids::{
    Cid, CmdSn, DataSn, InitiatorTaskTag, Isid, LoginStatus, Lun, R2tSn, StatSn, TargetTransferTag,
    Tsih,
};
use crate::iscsi::pdu::{
    AsyncEvent, AsyncMessage, DataIn, DataInStatus, DataOut, LoginRequest, LoginResponse,
    LogoutOutcome, LogoutReason, LogoutRequest, LogoutResponse, NopIn, NopOut, Pdu, R2t, Reject,
    RejectReason, Residual, ScsiCommand, ScsiResponse, ServiceResponse, SnackRequest, SnackType,
    Stage, TaskAttribute, TaskManagementFunction, TaskManagementOutcome, TaskManagementRequest,
    TaskManagementResponse, TextRequest, TextResponse,
};

/// What a PDU is built from: more raw material than any one PDU takes.
#[derive(Clone, Debug)]
struct Raw {
    flags: [bool; 4],
    bytes: [u8; 4],
    halves: [u16; 3],
    words: [u32; 7],
    lun: Lun,
    cdb: [u8; 16],
    stages: [Stage; 2],
    residuals: [Residual; 2],
    data: Bytes,
    extended_cdb: Bytes,
}

fn raw() -> impl Strategy<Value = Raw> {
    (
        any::<[bool; 4]>(),
        any::<[u8; 4]>(),
        any::<[u16; 3]>(),
        any::<[u32; 7]>(),
        any::<[u8; 8]>(),
        any::<[u8; 16]>(),
        [stage(), stage()],
        [residual(), residual()],
        prop::collection::vec(any::<u8>(), 0..40),
        prop::collection::vec(any::<u8>(), 0..20),
    )
        .prop_map(
            |(flags, bytes, halves, words, lun, cdb, stages, residuals, data, extended_cdb)| Raw {
                flags,
                bytes,
                halves,
                words,
                lun: Lun(lun),
                cdb,
                stages,
                residuals,
                data: Bytes::from(data),
                extended_cdb: Bytes::from(extended_cdb),
            },
        )
}

fn stage() -> impl Strategy<Value = Stage> {
    prop::sample::select(
        &[
            Stage::SecurityNegotiation,
            Stage::LoginOperationalNegotiation,
            Stage::FullFeaturePhase,
        ][..],
    )
}

fn residual() -> impl Strategy<Value = Residual> {
    prop_oneof![
        Just(Residual::None),
        any::<u32>().prop_map(Residual::Underflow),
        any::<u32>().prop_map(Residual::Overflow),
    ]
}

/// Returns any PDU.
pub(in crate::iscsi) fn pdu() -> impl Strategy<Value = Pdu> {
    (0..18usize, raw()).prop_map(|(kind, raw)| build(kind, raw))
}

fn build(kind: usize, raw: Raw) -> Pdu {
    let Raw {
        flags,
        bytes,
        halves,
        words,
        lun,
        cdb,
        stages,
        residuals,
        data,
        extended_cdb,
    } = raw;
    let [flag0, flag1, flag2, flag3] = flags;
    let [byte0, byte1, ..] = bytes;
    let [half0, half1, half2] = halves;
    let [itt, ttt, sn, exp, max, word5, word6] = words;
    let initiator_task_tag = InitiatorTaskTag(itt);
    let target_transfer_tag = TargetTransferTag(ttt);
    let (stat_sn, exp_cmd_sn, max_cmd_sn) = (StatSn(sn), CmdSn(exp), CmdSn(max));
    let (cmd_sn, exp_stat_sn) = (CmdSn(sn), StatSn(exp));
    let next_stage = if flag0 { stages[1] } else { Stage::default() };
    match kind {
        0 => Pdu::NopOut(NopOut {
            immediate: flag0,
            lun,
            initiator_task_tag,
            target_transfer_tag,
            cmd_sn,
            exp_stat_sn,
            data,
        }),
        1 => Pdu::ScsiCommand(ScsiCommand {
            immediate: flag0,
            final_bit: flag1,
            read: flag2,
            write: flag3,
            attribute: TaskAttribute(byte0 & 7),
            lun,
            initiator_task_tag,
            expected_data_transfer_length: word5,
            cmd_sn,
            exp_stat_sn,
            cdb,
            extended_cdb,
            bidirectional_read_expected_data_transfer_length: flag0.then_some(word6),
            data,
        }),
        2 => Pdu::TaskManagementRequest(TaskManagementRequest {
            immediate: flag0,
            function: TaskManagementFunction(byte0 & 0x7f),
            lun,
            initiator_task_tag,
            referenced_task_tag: InitiatorTaskTag(ttt),
            cmd_sn,
            exp_stat_sn,
            ref_cmd_sn: CmdSn(word5),
            exp_data_sn: DataSn(word6),
        }),
        3 => Pdu::LoginRequest(LoginRequest {
            transit: flag0,
            continues: flag1,
            current_stage: stages[0],
            next_stage,
            version_max: byte0,
            version_min: byte1,
            isid: isid(lun),
            tsih: Tsih(half0),
            initiator_task_tag,
            cid: Cid(half1),
            cmd_sn,
            exp_stat_sn,
            data,
        }),
        4 => Pdu::TextRequest(TextRequest {
            immediate: flag0,
            final_bit: flag1,
            continues: flag2,
            lun,
            initiator_task_tag,
            target_transfer_tag,
            cmd_sn,
            exp_stat_sn,
            data,
        }),
        5 => Pdu::DataOut(DataOut {
            final_bit: flag0,
            lun,
            initiator_task_tag,
            target_transfer_tag,
            exp_stat_sn,
            data_sn: DataSn(word5),
            buffer_offset: word6,
            data,
        }),
        6 => Pdu::LogoutRequest(LogoutRequest {
            immediate: flag0,
            reason: LogoutReason(byte0 & 0x7f),
            initiator_task_tag,
            cid: Cid(half0),
            cmd_sn,
            exp_stat_sn,
        }),
        7 => Pdu::SnackRequest(SnackRequest {
            snack_type: SnackType(byte0 & 0x0f),
            lun,
            initiator_task_tag,
            target_transfer_tag,
            exp_stat_sn,
            beg_run: word5,
            run_length: word6,
        }),
        8 => Pdu::NopIn(NopIn {
            lun,
            initiator_task_tag,
            target_transfer_tag,
            stat_sn,
            exp_cmd_sn,
            max_cmd_sn,
            data,
        }),
        9 => {
            let completed = flag0;
            Pdu::ScsiResponse(ScsiResponse {
                bidirectional_read_residual: if completed {
                    residuals[0]
                } else {
                    Residual::None
                },
                residual: if completed {
                    residuals[1]
                } else {
                    Residual::None
                },
                response: ServiceResponse(if completed { 0 } else { byte0.max(1) }),
                status: byte1,
                initiator_task_tag,
                snack_tag: target_transfer_tag,
                stat_sn,
                exp_cmd_sn,
                max_cmd_sn,
                exp_data_sn: DataSn(word5),
                data,
            })
        }
        10 => Pdu::TaskManagementResponse(TaskManagementResponse {
            response: TaskManagementOutcome(byte0),
            initiator_task_tag,
            stat_sn,
            exp_cmd_sn,
            max_cmd_sn,
        }),
        11 => Pdu::LoginResponse(LoginResponse {
            transit: flag0,
            continues: flag1,
            current_stage: stages[0],
            next_stage,
            version_max: byte0,
            version_active: byte1,
            isid: isid(lun),
            tsih: Tsih(half0),
            initiator_task_tag,
            stat_sn,
            exp_cmd_sn,
            max_cmd_sn,
            status: LoginStatus::new(bytes[2], bytes[3]),
            data,
        }),
        12 => Pdu::TextResponse(TextResponse {
            final_bit: flag0,
            continues: flag1,
            lun,
            initiator_task_tag,
            target_transfer_tag,
            stat_sn,
            exp_cmd_sn,
            max_cmd_sn,
            data,
        }),
        13 => Pdu::DataIn(DataIn {
            final_bit: flag0,
            acknowledge: flag1,
            status: flag2.then_some(DataInStatus {
                residual: residuals[0],
                status: byte0,
                stat_sn,
            }),
            lun,
            initiator_task_tag,
            target_transfer_tag,
            exp_cmd_sn,
            max_cmd_sn,
            data_sn: DataSn(word5),
            buffer_offset: word6,
            data,
        }),
        14 => Pdu::LogoutResponse(LogoutResponse {
            response: LogoutOutcome(byte0),
            initiator_task_tag,
            stat_sn,
            exp_cmd_sn,
            max_cmd_sn,
            time2wait: half0,
            time2retain: half1,
        }),
        15 => Pdu::R2t(R2t {
            lun,
            initiator_task_tag,
            target_transfer_tag,
            stat_sn,
            exp_cmd_sn,
            max_cmd_sn,
            r2t_sn: R2tSn(word5),
            buffer_offset: word6,
            desired_data_transfer_length: itt,
        }),
        16 => Pdu::AsyncMessage(AsyncMessage {
            lun,
            stat_sn,
            exp_cmd_sn,
            max_cmd_sn,
            async_event: AsyncEvent(byte0),
            async_vcode: byte1,
            parameter1: half0,
            parameter2: half1,
            parameter3: half2,
            data,
        }),
        _ => Pdu::Reject(Reject {
            reason: RejectReason(byte0),
            stat_sn,
            exp_cmd_sn,
            max_cmd_sn,
            data_sn: word5,
            data,
        }),
    }
}

fn isid(lun: Lun) -> Isid {
    let [a, b, c, d, e, f, _, _] = lun.0;
    Isid([a, b, c, d, e, f])
}
