//! Golden bytes: every field of every PDU at its place, in both directions.
//!
//! Hex is spelled as the rows of the standard's diagrams, four bytes each; every field has a value of its own.

use bytes::{Bytes, BytesMut};

use super::{CodecError, Decoder, Encoder};
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

const LUN: Lun = Lun([0x40, 0x01, 2, 3, 4, 5, 6, 7]);
const ITT: InitiatorTaskTag = InitiatorTaskTag(0x1112_1314);
const TTT: TargetTransferTag = TargetTransferTag(0x2122_2324);
const STAT_SN: StatSn = StatSn(0x3132_3334);
const EXP_CMD_SN: CmdSn = CmdSn(0x4142_4344);
const MAX_CMD_SN: CmdSn = CmdSn(0x5152_5354);
const CMD_SN: CmdSn = CmdSn(0x3132_3334);
const EXP_STAT_SN: StatSn = StatSn(0x4142_4344);

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16).unwrap() as u8)
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

fn decode(hex: &str) -> Result<Option<Pdu>, CodecError> {
    Decoder::new(64).decode(&mut BytesMut::from(&bytes(hex)[..]))
}

#[track_caller]
fn golden(pdu: &Pdu, hex: &str) {
    let mut encoded = BytesMut::new();
    Encoder::new().encode(pdu, &mut encoded).unwrap();
    assert_eq!(
        format!("{:02x?}", &encoded[..]),
        format!("{:02x?}", &bytes(hex)[..])
    );
    assert_eq!(decode(hex).unwrap().as_ref(), Some(pdu));
}

#[test]
fn nop_out_11_18() {
    golden(
        &Pdu::NopOut(NopOut {
            immediate: true,
            lun: LUN,
            initiator_task_tag: ITT,
            target_transfer_tag: TTT,
            cmd_sn: CMD_SN,
            exp_stat_sn: EXP_STAT_SN,
            data: Bytes::from_static(b"ping!"),
        }),
        "40800000 00000005 40010203 04050607 11121314 21222324 31323334 41424344
         00000000 00000000 00000000 00000000 70696e67 21000000",
    );
}

#[test]
fn scsi_command_11_3() {
    golden(
        &Pdu::ScsiCommand(ScsiCommand {
            immediate: false,
            final_bit: true,
            read: true,
            write: false,
            attribute: TaskAttribute::SIMPLE,
            lun: LUN,
            initiator_task_tag: ITT,
            expected_data_transfer_length: 0x2122_2324,
            cmd_sn: CMD_SN,
            exp_stat_sn: EXP_STAT_SN,
            cdb: *b"\x12\x01\x80\x00\xff\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f",
            extended_cdb: Bytes::new(),
            bidirectional_read_expected_data_transfer_length: None,
            data: Bytes::new(),
        }),
        "01c10000 00000000 40010203 04050607 11121314 21222324 31323334 41424344
         12018000 ff050607 08090a0b 0c0d0e0f",
    );
}

#[test]
fn scsi_command_with_both_additional_segments_and_immediate_data_11_2_2() {
    golden(
        &Pdu::ScsiCommand(ScsiCommand {
            immediate: true,
            final_bit: false,
            read: true,
            write: true,
            attribute: TaskAttribute(7),
            lun: LUN,
            initiator_task_tag: ITT,
            expected_data_transfer_length: 6,
            cmd_sn: CMD_SN,
            exp_stat_sn: EXP_STAT_SN,
            cdb: [0x7f; 16],
            extended_cdb: Bytes::from_static(&[0xe0, 0xe1]),
            bidirectional_read_expected_data_transfer_length: Some(0x6162_6364),
            data: Bytes::from_static(b"abcd"),
        }),
        "41670000 04000004 40010203 04050607 11121314 00000006 31323334 41424344
         7f7f7f7f 7f7f7f7f 7f7f7f7f 7f7f7f7f
         00030100 e0e10000 00050200 61626364 61626364",
    );
}

#[test]
fn task_management_request_11_5() {
    golden(
        &Pdu::TaskManagementRequest(TaskManagementRequest {
            immediate: true,
            function: TaskManagementFunction::ABORT_TASK,
            lun: LUN,
            initiator_task_tag: ITT,
            referenced_task_tag: InitiatorTaskTag(0x2122_2324),
            cmd_sn: CMD_SN,
            exp_stat_sn: EXP_STAT_SN,
            ref_cmd_sn: CmdSn(0x5152_5354),
            exp_data_sn: DataSn(0x6162_6364),
        }),
        "42810000 00000000 40010203 04050607 11121314 21222324 31323334 41424344
         51525354 61626364 00000000 00000000",
    );
}

#[test]
fn login_request_11_12() {
    golden(
        &Pdu::LoginRequest(LoginRequest {
            transit: true,
            continues: false,
            current_stage: Stage::LoginOperationalNegotiation,
            next_stage: Stage::FullFeaturePhase,
            version_max: 0x0a,
            version_min: 0x0b,
            isid: Isid([0x80, 1, 2, 3, 4, 5]),
            tsih: Tsih(0x6768),
            initiator_task_tag: ITT,
            cid: Cid(0x2122),
            cmd_sn: CMD_SN,
            exp_stat_sn: EXP_STAT_SN,
            data: Bytes::from_static(b"A=b\0"),
        }),
        "43870a0b 00000004 80010203 04056768 11121314 21220000 31323334 41424344
         00000000 00000000 00000000 00000000 413d6200",
    );
}

#[test]
fn a_login_request_that_continues_has_no_next_stage_11_12_3() {
    golden(
        &Pdu::LoginRequest(LoginRequest {
            transit: false,
            continues: true,
            current_stage: Stage::LoginOperationalNegotiation,
            next_stage: Stage::SecurityNegotiation,
            version_max: 0,
            version_min: 0,
            isid: Isid([0x80, 1, 2, 3, 4, 5]),
            tsih: Tsih(0),
            initiator_task_tag: ITT,
            cid: Cid(0),
            cmd_sn: CMD_SN,
            exp_stat_sn: EXP_STAT_SN,
            data: Bytes::new(),
        }),
        "43440000 00000000 80010203 04050000 11121314 00000000 31323334 41424344
         00000000 00000000 00000000 00000000",
    );
}

#[test]
fn text_request_11_10() {
    golden(
        &Pdu::TextRequest(TextRequest {
            immediate: true,
            final_bit: false,
            continues: true,
            lun: LUN,
            initiator_task_tag: ITT,
            target_transfer_tag: TTT,
            cmd_sn: CMD_SN,
            exp_stat_sn: EXP_STAT_SN,
            data: Bytes::from_static(b"A=b\0"),
        }),
        "44400000 00000004 40010203 04050607 11121314 21222324 31323334 41424344
         00000000 00000000 00000000 00000000 413d6200",
    );
}

#[test]
fn data_out_11_7() {
    golden(
        &Pdu::DataOut(DataOut {
            final_bit: true,
            lun: LUN,
            initiator_task_tag: ITT,
            target_transfer_tag: TTT,
            exp_stat_sn: EXP_STAT_SN,
            data_sn: DataSn(0x6162_6364),
            buffer_offset: 0x7172_7374,
            data: Bytes::from_static(b"abc"),
        }),
        "05800000 00000003 40010203 04050607 11121314 21222324 00000000 41424344
         00000000 61626364 71727374 00000000 61626300",
    );
}

#[test]
fn logout_request_11_14() {
    golden(
        &Pdu::LogoutRequest(LogoutRequest {
            immediate: true,
            reason: LogoutReason::CLOSE_CONNECTION,
            initiator_task_tag: ITT,
            cid: Cid(0x2122),
            cmd_sn: CMD_SN,
            exp_stat_sn: EXP_STAT_SN,
        }),
        "46810000 00000000 00000000 00000000 11121314 21220000 31323334 41424344
         00000000 00000000 00000000 00000000",
    );
}

#[test]
fn snack_request_11_16() {
    golden(
        &Pdu::SnackRequest(SnackRequest {
            snack_type: SnackType::RESEGMENTED_DATA,
            lun: LUN,
            initiator_task_tag: ITT,
            target_transfer_tag: TTT,
            exp_stat_sn: EXP_STAT_SN,
            beg_run: 0x7172_7374,
            run_length: 0x8182_8384,
        }),
        "10830000 00000000 40010203 04050607 11121314 21222324 00000000 41424344
         00000000 00000000 71727374 81828384",
    );
}

#[test]
fn nop_in_11_19() {
    golden(
        &Pdu::NopIn(NopIn {
            lun: LUN,
            initiator_task_tag: ITT,
            target_transfer_tag: TTT,
            stat_sn: STAT_SN,
            exp_cmd_sn: EXP_CMD_SN,
            max_cmd_sn: MAX_CMD_SN,
            data: Bytes::from_static(b"pong"),
        }),
        "20800000 00000004 40010203 04050607 11121314 21222324 31323334 41424344
         51525354 00000000 00000000 00000000 706f6e67",
    );
}

#[test]
fn scsi_response_11_4() {
    golden(
        &Pdu::ScsiResponse(ScsiResponse {
            bidirectional_read_residual: Residual::Overflow(0x7172_7374),
            residual: Residual::Underflow(0x8182_8384),
            response: ServiceResponse::COMMAND_COMPLETED,
            status: 0x02,
            initiator_task_tag: ITT,
            snack_tag: TTT,
            stat_sn: STAT_SN,
            exp_cmd_sn: EXP_CMD_SN,
            max_cmd_sn: MAX_CMD_SN,
            exp_data_sn: DataSn(0x6162_6364),
            data: Bytes::from_static(&[0, 2, 0x70, 0]),
        }),
        "21920002 00000004 00000000 00000000 11121314 21222324 31323334 41424344
         51525354 61626364 71727374 81828384 00027000",
    );
}

#[test]
fn the_other_residual_bits_of_a_scsi_response_11_4_1() {
    golden(
        &Pdu::ScsiResponse(ScsiResponse {
            bidirectional_read_residual: Residual::Underflow(1),
            residual: Residual::Overflow(2),
            response: ServiceResponse::COMMAND_COMPLETED,
            status: 0,
            initiator_task_tag: ITT,
            snack_tag: TargetTransferTag(0),
            stat_sn: STAT_SN,
            exp_cmd_sn: EXP_CMD_SN,
            max_cmd_sn: MAX_CMD_SN,
            exp_data_sn: DataSn(0),
            data: Bytes::new(),
        }),
        "218c0000 00000000 00000000 00000000 11121314 00000000 31323334 41424344
         51525354 00000000 00000001 00000002",
    );
}

#[test]
fn the_flags_of_a_failed_service_are_ignored_11_4_3() {
    let hex = "219e0100 00000000 00000000 00000000 11121314 00000000 31323334 41424344
               51525354 00000000 71727374 81828384";
    let Ok(Some(Pdu::ScsiResponse(response))) = decode(hex) else {
        panic!()
    };
    assert_eq!(response.response, ServiceResponse::TARGET_FAILURE);
    assert_eq!(response.residual, Residual::None);
    assert_eq!(response.bidirectional_read_residual, Residual::None);
}

#[test]
fn overflow_and_underflow_at_once_are_refused_11_4_1() {
    for flags in ["86", "98"] {
        let hex = format!("21{flags}0000{}", "00000000".repeat(11));
        assert_eq!(decode(&hex), Err(CodecError::ConflictingResidual));
    }
    let hex = format!("25870000{}", "00000000".repeat(11));
    assert_eq!(decode(&hex), Err(CodecError::ConflictingResidual));
}

#[test]
fn task_management_response_11_6() {
    golden(
        &Pdu::TaskManagementResponse(TaskManagementResponse {
            response: TaskManagementOutcome::FUNCTION_REJECTED,
            initiator_task_tag: ITT,
            stat_sn: STAT_SN,
            exp_cmd_sn: EXP_CMD_SN,
            max_cmd_sn: MAX_CMD_SN,
        }),
        "2280ff00 00000000 00000000 00000000 11121314 00000000 31323334 41424344
         51525354 00000000 00000000 00000000",
    );
}

#[test]
fn login_response_11_13() {
    golden(
        &Pdu::LoginResponse(LoginResponse {
            transit: true,
            continues: false,
            current_stage: Stage::SecurityNegotiation,
            next_stage: Stage::LoginOperationalNegotiation,
            version_max: 0x0a,
            version_active: 0x0b,
            isid: Isid([0x80, 1, 2, 3, 4, 5]),
            tsih: Tsih(0x6768),
            initiator_task_tag: ITT,
            stat_sn: STAT_SN,
            exp_cmd_sn: EXP_CMD_SN,
            max_cmd_sn: MAX_CMD_SN,
            status: LoginStatus::new(2, 1),
            data: Bytes::from_static(b"A=b\0"),
        }),
        "23810a0b 00000004 80010203 04056768 11121314 00000000 31323334 41424344
         51525354 02010000 00000000 00000000 413d6200",
    );
}

#[test]
fn a_reserved_stage_is_refused_unless_the_login_is_11_12_3() {
    let hex = |flags: &str, status: &str| {
        format!(
            "23{flags}0000{}{status}0000{}",
            "00000000".repeat(8),
            "00000000".repeat(2)
        )
    };
    assert_eq!(
        decode(&hex("08", "0000")),
        Err(CodecError::ReservedStage { received: 2 })
    );
    assert_eq!(
        decode(&hex("86", "0000")),
        Err(CodecError::ReservedStage { received: 2 })
    );
    assert!(
        decode(&hex("06", "0000")).is_ok(),
        "NSG is reserved without T"
    );
    assert!(decode(&hex("8a", "0201")).is_ok());
}

#[test]
fn text_response_11_11() {
    golden(
        &Pdu::TextResponse(TextResponse {
            final_bit: true,
            continues: false,
            lun: LUN,
            initiator_task_tag: ITT,
            target_transfer_tag: TTT,
            stat_sn: STAT_SN,
            exp_cmd_sn: EXP_CMD_SN,
            max_cmd_sn: MAX_CMD_SN,
            data: Bytes::from_static(b"A=b\0"),
        }),
        "24800000 00000004 40010203 04050607 11121314 21222324 31323334 41424344
         51525354 00000000 00000000 00000000 413d6200",
    );
}

#[test]
fn data_in_with_status_11_7() {
    golden(
        &Pdu::DataIn(DataIn {
            final_bit: true,
            acknowledge: false,
            status: Some(DataInStatus {
                residual: Residual::Underflow(0x8182_8384),
                status: 0x04,
                stat_sn: STAT_SN,
            }),
            lun: LUN,
            initiator_task_tag: ITT,
            target_transfer_tag: TTT,
            exp_cmd_sn: EXP_CMD_SN,
            max_cmd_sn: MAX_CMD_SN,
            data_sn: DataSn(0x6162_6364),
            buffer_offset: 0x7172_7374,
            data: Bytes::from_static(b"abc"),
        }),
        "25830004 00000003 40010203 04050607 11121314 21222324 31323334 41424344
         51525354 61626364 71727374 81828384 61626300",
    );
}

#[test]
fn data_in_without_status_ignores_what_needs_it_11_7_3() {
    let pdu = Pdu::DataIn(DataIn {
        final_bit: false,
        acknowledge: true,
        status: None,
        lun: LUN,
        initiator_task_tag: ITT,
        target_transfer_tag: TTT,
        exp_cmd_sn: EXP_CMD_SN,
        max_cmd_sn: MAX_CMD_SN,
        data_sn: DataSn(0x6162_6364),
        buffer_offset: 0x7172_7374,
        data: Bytes::new(),
    });
    golden(
        &pdu,
        "25400000 00000000 40010203 04050607 11121314 21222324 00000000 41424344
         51525354 61626364 71727374 00000000",
    );
    let with_leftovers = "25460004 00000000 40010203 04050607 11121314 21222324 31323334 41424344
                          51525354 61626364 71727374 81828384";
    assert_eq!(decode(with_leftovers), Ok(Some(pdu)));
}

#[test]
fn logout_response_11_15() {
    golden(
        &Pdu::LogoutResponse(LogoutResponse {
            response: LogoutOutcome::CLEANUP_FAILED,
            initiator_task_tag: ITT,
            stat_sn: STAT_SN,
            exp_cmd_sn: EXP_CMD_SN,
            max_cmd_sn: MAX_CMD_SN,
            time2wait: 0x7172,
            time2retain: 0x7374,
        }),
        "26800300 00000000 00000000 00000000 11121314 00000000 31323334 41424344
         51525354 00000000 71727374 00000000",
    );
}

#[test]
fn r2t_11_8() {
    golden(
        &Pdu::R2t(R2t {
            lun: LUN,
            initiator_task_tag: ITT,
            target_transfer_tag: TTT,
            stat_sn: STAT_SN,
            exp_cmd_sn: EXP_CMD_SN,
            max_cmd_sn: MAX_CMD_SN,
            r2t_sn: R2tSn(0x6162_6364),
            buffer_offset: 0x7172_7374,
            desired_data_transfer_length: 0x8182_8384,
        }),
        "31800000 00000000 40010203 04050607 11121314 21222324 31323334 41424344
         51525354 61626364 71727374 81828384",
    );
}

#[test]
fn async_message_11_9() {
    golden(
        &Pdu::AsyncMessage(AsyncMessage {
            lun: LUN,
            stat_sn: STAT_SN,
            exp_cmd_sn: EXP_CMD_SN,
            max_cmd_sn: MAX_CMD_SN,
            async_event: AsyncEvent::DROP_CONNECTION,
            async_vcode: 0x61,
            parameter1: 0x6364,
            parameter2: 0x7172,
            parameter3: 0x7374,
            data: Bytes::from_static(&[0, 0]),
        }),
        "32800000 00000002 40010203 04050607 ffffffff 00000000 31323334 41424344
         51525354 02616364 71727374 00000000 00000000",
    );
}

#[test]
fn reject_11_17() {
    golden(
        &Pdu::Reject(Reject {
            reason: RejectReason::INVALID_PDU_FIELD,
            stat_sn: STAT_SN,
            exp_cmd_sn: EXP_CMD_SN,
            max_cmd_sn: MAX_CMD_SN,
            data_sn: 0x6162_6364,
            data: Bytes::from_static(&[0x10, 0x80, 0, 0]),
        }),
        "3f800900 00000004 00000000 00000000 ffffffff 00000000 31323334 41424344
         51525354 61626364 00000000 00000000 10800000",
    );
}

#[test]
fn reserved_bits_are_ignored() {
    let with_reserved = "f1ff0000 00000000 ffffffff ffffffff 11121314 21222324 31323334 41424344
                         51525354 61626364 71727374 81828384";
    let Ok(Some(Pdu::R2t(r2t))) = decode(with_reserved) else {
        panic!()
    };
    assert_eq!(r2t.initiator_task_tag, ITT);
    assert_eq!(r2t.target_transfer_tag, TTT);
}
