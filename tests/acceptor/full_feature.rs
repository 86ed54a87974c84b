//! Commands, their numbers and their answers.

use bytes::{Bytes, BytesMut};
use iscsiswiconfig::iscsi::codec::{CodecError, Decoder};
use iscsiswiconfig::iscsi::ids::{CmdSn, InitiatorTaskTag, Lun, StatSn, TargetTransferTag};
use iscsiswiconfig::iscsi::pdu::{Opcode, Pdu, RejectReason, ScsiCommand, SnackRequest, SnackType};
use iscsiswiconfig::iscsi::target::{ScsiReply, TargetSessionError};

use super::peer::{CDB, Peer, TWENTY, lun, settings};

fn twenty() -> Bytes {
    Bytes::from_static(TWENTY)
}

#[test]
fn a_command_without_data_is_answered_by_a_response() {
    // 11.4, 4.2.2.1: the response acknowledges the command, and opens the window by it
    let mut peer = Peer::new(settings());
    let command = peer.bare(0x11);
    peer.give_command(command);
    let command = peer.command();
    assert_eq!((command.cdb, command.lun), (CDB, lun(1)));
    assert_eq!(command.initiator_task_tag, InitiatorTaskTag(0x11));
    peer.good(command.id);
    assert_eq!(
        peer.sent_one(),
        "SCSI Response itt=0x11 status=0x00 statsn=10 expcmdsn=2 maxcmdsn=5 expdatasn=0"
    );
    assert!(peer.session.is_idle());
}

#[test]
fn data_in_keeps_to_segments_and_bursts_and_brings_a_good_status() {
    // 11.7.1, 11.7.3, 11.7.5, 11.7.6, 13.12, 13.13
    let mut peer = Peer::new(settings());
    let read = peer.read(1, 20);
    peer.give_command(read);
    let id = peer.command().id;
    assert!(peer.session.respond(id, ScsiReply::data_in(twenty())));
    let sent = peer.sent_pdus();
    let data: Vec<u8> = sent
        .iter()
        .flat_map(|pdu| pdu.data().unwrap().to_vec())
        .collect();
    assert_eq!(data, TWENTY);
    let lines: Vec<String> = sent
        .iter()
        .map(|pdu| iscsiswiconfig::iscsi::describe::describe(pdu).to_string())
        .collect();
    assert_eq!(
        lines,
        [
            "SCSI Data-In itt=0x1 expcmdsn=2 maxcmdsn=4 datasn=0 offset=0 data=8 bytes",
            "SCSI Data-In F itt=0x1 expcmdsn=2 maxcmdsn=4 datasn=1 offset=8 data=4 bytes",
            "SCSI Data-In F S itt=0x1 status=0x00 statsn=10 expcmdsn=2 maxcmdsn=5 datasn=2 offset=12 data=8 bytes",
        ]
    );
}

#[test]
fn an_error_behind_data_comes_in_a_response_with_its_sense_data() {
    // 11.7.3, 11.4.7, 11.4.8
    let mut peer = Peer::new(settings());
    let read = peer.read(1, 8);
    peer.give_command(read);
    let id = peer.command().id;
    let reply = ScsiReply {
        data_in: Bytes::from_static(b"12345678"),
        ..ScsiReply::check_condition(Bytes::from_static(&[0x70, 0, 0x80]))
    };
    assert!(peer.session.respond(id, reply));
    assert_eq!(
        peer.sent(),
        [
            "SCSI Data-In F itt=0x1 expcmdsn=2 maxcmdsn=4 datasn=0 offset=0 data=8 bytes",
            "SCSI Response itt=0x1 status=0x02 statsn=10 expcmdsn=2 maxcmdsn=5 expdatasn=1 sense=70 00 80",
        ]
    );
}

#[test]
fn what_the_initiator_did_not_expect_is_cut_and_counted() {
    // 11.4.5
    for (expected, given, residual) in [
        (12, 20, "overflow=8"),
        (20, 12, "underflow=8"),
        (0, 20, "overflow=20"),
        (20, 0, "underflow=20"),
    ] {
        let mut peer = Peer::with(|parameters| {
            parameters.peer_max_recv_data_segment_length = 512;
            parameters.max_burst_length = 512;
        });
        let read = peer.read(1, expected);
        peer.give_command(read);
        let id = peer.command().id;
        let data = Bytes::from_static(&TWENTY[..given]);
        assert!(peer.session.respond(id, ScsiReply::data_in(data)));
        let sent = peer.sent_pdus();
        let length: usize = sent.iter().filter_map(Pdu::data).map(Bytes::len).sum();
        assert_eq!(length, given.min(expected as usize));
        let line = iscsiswiconfig::iscsi::describe::describe(sent.last().unwrap()).to_string();
        assert!(line.contains(residual), "{line}");
    }
}

#[test]
fn a_bidirectional_command_has_its_status_in_a_response() {
    // 11.7.3, 11.4.6, 4.2.2.4: R2T and Data-In share one numbering
    let mut peer = Peer::new(settings());
    let command = ScsiCommand {
        read: true,
        bidirectional_read_expected_data_transfer_length: Some(10),
        ..peer.write(1, 8)
    };
    peer.give_command(command);
    peer.answer_r2t(&TWENTY[..8]);
    let command = peer.command();
    assert_eq!(command.data_out, TWENTY[..8]);
    assert_eq!(command.expected_data_in_length, 10);
    let reply = ScsiReply {
        data_out_length: Some(6),
        ..ScsiReply::data_in(Bytes::from_static(b"12345678"))
    };
    assert!(peer.session.respond(command.id, reply));
    let sent = peer.sent();
    assert_eq!(sent.len(), 2, "{sent:?}");
    assert!(sent[0].contains("datasn=1 ") && !sent[0].contains("status"));
    assert!(
        sent[1].contains("underflow=2") && sent[1].contains("read-underflow=2"),
        "{}",
        sent[1]
    );
}

#[test]
fn commands_come_in_the_order_of_their_numbers() {
    // 4.2.2.1
    let mut peer = Peer::new(settings());
    let (first, second, third) = (peer.bare(1), peer.bare(2), peer.bare(3));
    peer.give_command(third);
    peer.give_command(second);
    assert_eq!(peer.events(), []);
    peer.give_command(first);
    let tags: Vec<u32> = peer
        .commands()
        .iter()
        .map(|command| command.initiator_task_tag.0)
        .collect();
    assert_eq!(tags, [1, 2, 3]);
}

#[test]
fn an_immediate_command_comes_at_once_and_uses_up_no_number() {
    // 4.2.2.1
    let mut peer = Peer::new(settings());
    let _missing = peer.bare(1);
    let held = peer.bare(2);
    peer.give_command(held);
    let immediate = ScsiCommand {
        immediate: true,
        cmd_sn: CmdSn(3),
        ..peer.bare(3)
    };
    peer.give_command(immediate);
    let command = peer.command();
    assert!(command.immediate);
    peer.good(command.id);
    assert!(peer.sent_one().contains("expcmdsn=1 maxcmdsn=4"));
}

#[test]
fn commands_outside_of_the_window_are_ignored_in_silence() {
    // 4.2.2.1
    let mut peer = Peer::new(settings());
    for cmd_sn in [0, 5, 0x8000_0001, u32::MAX] {
        let command = ScsiCommand {
            cmd_sn: CmdSn(cmd_sn),
            ..peer.bare(1)
        };
        peer.give_command(command);
        assert_eq!(peer.sent(), <[String; 0]>::default());
        assert_eq!(peer.events(), []);
    }
}

#[test]
fn the_window_closes_with_the_last_free_place_and_opens_with_a_status() {
    // 4.2.2.1: MaxCmdSN is never less than ExpCmdSN - 1
    let mut peer = Peer::new(settings());
    for tag in 1..=4 {
        let command = peer.bare(tag);
        peer.give_command(command);
    }
    let commands = peer.commands();
    assert_eq!(commands.len(), 4);
    let fifth = peer.bare(5);
    peer.give_command(fifth.clone());
    assert_eq!(peer.events(), []);
    peer.give(&Pdu::NopOut(peer.nop_out(0x50, u32::MAX, b"")));
    assert!(peer.sent_one().contains("expcmdsn=5 maxcmdsn=4"));
    peer.good(commands[0].id);
    assert!(peer.sent_one().contains("expcmdsn=5 maxcmdsn=5"));
    peer.give_command(fifth);
    assert_eq!(peer.command().initiator_task_tag, InitiatorTaskTag(5));
}

#[test]
fn a_command_that_is_sent_again_is_ignored_and_a_tag_in_use_rejected() {
    // 7.2.1; 4.2.2.1; 11.17.1, note 2
    let mut peer = Peer::new(settings());
    let command = peer.bare(1);
    peer.give_command(command.clone());
    let id = peer.command().id;
    peer.give_command(command);
    assert_eq!(peer.sent(), <[String; 0]>::default());
    let again = peer.bare(1);
    peer.give_command(again.clone());
    let reject = peer.sent_one();
    assert!(
        reject.contains("reason=invalid PDU field") && reject.contains("expcmdsn=2"),
        "{reject}"
    );
    assert_eq!(peer.events(), []);
    // The number of a rejected command stays due (7.3).
    peer.good(id);
    assert!(peer.sent_one().contains("expcmdsn=2"));
    peer.give_command(again);
    assert_eq!(peer.command().initiator_task_tag, InitiatorTaskTag(1));
}

#[test]
fn a_reject_carries_the_header_and_uses_up_a_stat_sn() {
    // 11.17.3, 11.17.4
    let mut peer = Peer::new(settings());
    let snack = Pdu::SnackRequest(SnackRequest {
        snack_type: SnackType::STATUS,
        lun: Lun::default(),
        initiator_task_tag: InitiatorTaskTag::RESERVED,
        target_transfer_tag: TargetTransferTag::RESERVED,
        exp_stat_sn: StatSn(10),
        beg_run: 0,
        run_length: 0,
    });
    peer.give(&snack);
    peer.give(&snack);
    let sent = peer.sent_pdus();
    let [Pdu::Reject(first), Pdu::Reject(second)] = &sent[..] else {
        panic!("{sent:?}")
    };
    assert_eq!(first.reason, RejectReason::SNACK_REJECT);
    assert_eq!((first.stat_sn, second.stat_sn), (StatSn(10), StatSn(11)));
    assert_eq!(first.data.len(), 48);
    assert_eq!(
        first.rejected_header().unwrap().opcode,
        Opcode::SNACK_REQUEST
    );
}

#[test]
fn pdus_of_a_target_are_rejected() {
    // 7.13
    let mut peer = Peer::new(settings());
    let command = peer.bare(1);
    peer.give_command(command);
    let id = peer.command().id;
    peer.good(id);
    let response = peer.sent_pdus().remove(0);
    peer.give(&response);
    assert!(peer.sent_one().contains("reason=protocol error"));
}

#[test]
fn contradictory_headers_are_rejected() {
    // 11.3.4, 11.3.6, 11.2.1.8
    let mut peer = Peer::new(settings());
    let cases = [
        ScsiCommand {
            read: true,
            ..peer.write(1, 8)
        },
        ScsiCommand {
            data: Bytes::from_static(b"data"),
            ..peer.bare(2)
        },
        ScsiCommand {
            initiator_task_tag: InitiatorTaskTag::RESERVED,
            ..peer.bare(3)
        },
    ];
    for command in cases {
        let command = ScsiCommand {
            cmd_sn: CmdSn(1),
            ..command
        };
        peer.give_command(command);
        assert!(peer.sent_one().contains("reason=invalid PDU field"));
        assert_eq!(peer.events(), []);
    }
}

#[test]
fn too_many_immediate_commands_are_rejected() {
    // 4.2.2.1, 11.17.1
    let mut peer = Peer::new(settings());
    for tag in 0..16 {
        let command = ScsiCommand {
            immediate: true,
            cmd_sn: CmdSn(1),
            ..peer.bare(tag)
        };
        peer.give_command(command);
    }
    assert_eq!(peer.commands().len(), 16);
    let one_more = ScsiCommand {
        immediate: true,
        cmd_sn: CmdSn(1),
        ..peer.bare(16)
    };
    peer.give_command(one_more);
    assert!(peer.sent_one().contains("immediate command reject"));
}

#[test]
fn bytes_that_are_no_pdu_are_rejected_and_end_the_session() {
    // 7.7, 7.8, 11.17
    let unknown = CodecError::UnknownOpcode {
        opcode: Opcode(0x1c),
    };
    let too_long = CodecError::DataSegmentTooLong {
        opcode: Opcode::DATA_OUT,
        received: 9000,
        limit: 8192,
    };
    let data_digest = CodecError::DataDigest {
        expected: 1,
        received: 2,
    };
    for (error, reason) in [
        (unknown, "command not supported"),
        (too_long, "protocol error"),
        (data_digest, "data (payload) digest error"),
    ] {
        let mut peer = Peer::new(settings());
        let command = peer.bare(1);
        peer.give_command(command);
        let id = peer.command().id;
        let mut header = [0; 48];
        header[0] = 0x1c;
        peer.session.handle_malformed(&header, &error);
        assert!(!peer.session.respond(id, ScsiReply::good()));
        assert!(!peer.session.is_ended());
        let sent = peer.sent_pdus();
        let [Pdu::Reject(reject)] = &sent[..] else {
            panic!("{sent:?}")
        };
        assert_eq!(reject.data, header[..]);
        assert_eq!(reject.reason.to_string(), reason);
        assert!(peer.session.is_ended());
        let nop_out = Pdu::NopOut(peer.nop_out(1, u32::MAX, b""));
        assert_eq!(
            peer.session.handle(nop_out, peer.now),
            Err(TargetSessionError::Ended {
                opcode: Opcode::NOP_OUT
            })
        );
    }
}

#[test]
fn a_damaged_header_ends_the_session_without_a_word() {
    // 7.8
    let mut decoder = Decoder {
        header_digest: true,
        ..Decoder::new(8192)
    };
    let error = decoder.decode(&mut BytesMut::zeroed(52)).unwrap_err();
    let mut peer = Peer::new(settings());
    peer.session.handle_malformed(&[0; 48], &error);
    assert!(peer.session.is_ended());
    assert_eq!(peer.session.poll_transmit(), None);
}

#[test]
fn acknowledged_statuses_are_counted() {
    // 4.2.2.2
    let mut peer = Peer::new(settings());
    let command = peer.bare(1);
    peer.give_command(command);
    let id = peer.command().id;
    peer.good(id);
    assert_eq!(peer.sent().len(), 1);
    assert_eq!(peer.session.unacknowledged_statuses(), 1);
    let command = ScsiCommand {
        exp_stat_sn: StatSn(11),
        ..peer.bare(2)
    };
    peer.give_command(command);
    assert_eq!(peer.session.unacknowledged_statuses(), 0);
}
