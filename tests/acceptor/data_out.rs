//! Data-Out in every form, and what is wrong with it.

use bytes::Bytes;
use iscsiswiconfig::iscsi::ids::{DataSn, TargetTransferTag};
use iscsiswiconfig::iscsi::pdu::{DataOut, Pdu, ScsiCommand};
use iscsiswiconfig::iscsi::target::{ScsiReply, TargetSettings};
use proptest::prelude::*;

use super::peer::{Peer, TWENTY, data_out, lun, settings, unsolicited};

const UNEXPECTED_UNSOLICITED_DATA: &str =
    "sense=70 00 0b 00 00 00 00 0a 00 00 00 00 0c 0c 00 00 00 00";
const INCORRECT_AMOUNT_OF_DATA: &str =
    "sense=70 00 0b 00 00 00 00 0a 00 00 00 00 0c 0d 00 00 00 00";
const PROTOCOL_SERVICE_CRC_ERROR: &str =
    "sense=70 00 0b 00 00 00 00 0a 00 00 00 00 47 05 00 00 00 00";

fn fails_with(peer: &mut Peer, sense: &str) {
    assert_eq!(peer.events(), []);
    let sent = peer.sent();
    let last = sent.last().expect("a response");
    assert!(
        last.starts_with("SCSI Response itt=0x1 status=0x02") && last.contains(sense),
        "{sent:#?}"
    );
    assert!(peer.session.is_idle());
    assert_eq!(peer.session.buffered(), 0);
}

#[test]
fn initial_r2t_asks_for_everything_burst_by_burst() {
    // 11.8, 13.10, 13.13, 13.17
    let mut peer = Peer::new(settings());
    let write = peer.write(1, 20);
    peer.give_command(write);
    assert_eq!(
        peer.sent_one(),
        "Ready To Transfer itt=0x1 ttt=0x1 lun=1 statsn=10 expcmdsn=2 maxcmdsn=4 r2tsn=0 offset=0 length=12"
    );
    assert_eq!(peer.session.buffered(), 12);
    let first = DataOut {
        final_bit: false,
        data: Bytes::from_static(&TWENTY[..8]),
        ..data_out(1, 1)
    };
    peer.give_data_out(first);
    assert_eq!(peer.sent(), <[String; 0]>::default());
    let second = DataOut {
        data_sn: DataSn(1),
        buffer_offset: 8,
        data: Bytes::from_static(&TWENTY[8..12]),
        ..data_out(1, 1)
    };
    peer.give_data_out(second);
    assert_eq!(peer.events(), []);
    let sent = peer.sent_pdus();
    let [Pdu::R2t(r2t)] = &sent[..] else {
        panic!("{sent:?}")
    };
    assert_eq!((r2t.r2t_sn.0, r2t.buffer_offset), (1, 12));
    assert_eq!(r2t.desired_data_transfer_length, 8);
    let third = DataOut {
        buffer_offset: 12,
        data: Bytes::from_static(&TWENTY[12..]),
        ..data_out(1, r2t.target_transfer_tag.0)
    };
    peer.give_data_out(third);
    let command = peer.command();
    assert_eq!(command.data_out, TWENTY);
    assert_eq!(command.expected_data_out_length, 20);
    peer.good(command.id);
    assert_eq!(
        peer.sent_one(),
        "SCSI Response itt=0x1 status=0x00 statsn=10 expcmdsn=2 maxcmdsn=5 expdatasn=0"
    );
    assert_eq!(peer.session.buffered(), 0);
}

#[test]
fn several_r2ts_are_outstanding_where_that_was_agreed_on() {
    // 13.17
    let mut peer = Peer::with(|parameters| parameters.max_outstanding_r2t = 2);
    let write = peer.write(1, 30);
    peer.give_command(write);
    let sent = peer.sent();
    assert_eq!(sent.len(), 2, "{sent:?}");
    assert!(sent[1].contains("r2tsn=1 offset=12 length=12"));
}

#[test]
fn immediate_data_alone_needs_no_r2t() {
    // 13.11, 11.3.4
    let mut peer = Peer::with(|parameters| parameters.immediate_data = true);
    let data = Bytes::from_static(&TWENTY[..8]);
    let write = ScsiCommand {
        data,
        ..peer.write(1, 8)
    };
    peer.give_command(write);
    assert_eq!(peer.command().data_out, TWENTY[..8]);
    assert_eq!(peer.sent(), <[String; 0]>::default());
}

#[test]
fn an_r2t_goes_on_behind_immediate_data() {
    // 13.11
    let mut peer = Peer::with(|parameters| parameters.immediate_data = true);
    let write = ScsiCommand {
        data: Bytes::from_static(&TWENTY[..8]),
        ..peer.write(1, 20)
    };
    peer.give_command(write);
    peer.answer_r2t(TWENTY);
    assert_eq!(peer.command().data_out, TWENTY);
}

#[test]
fn an_r2t_waits_for_the_end_of_the_unsolicited_data() {
    // 13.10, 13.14: with and without immediate data
    for immediate in [0, 8] {
        let mut peer = Peer::with(|parameters| {
            parameters.initial_r2t = false;
            parameters.immediate_data = immediate > 0;
        });
        let write = ScsiCommand {
            final_bit: false,
            data: Bytes::from_static(&TWENTY[..immediate]),
            ..peer.write(1, 20)
        };
        peer.give_command(write);
        if immediate == 0 {
            peer.give_data_out(unsolicited(1, 0, 0, &TWENTY[..8], false));
            peer.give_data_out(unsolicited(1, 1, 8, &TWENTY[8..12], true));
        } else {
            assert_eq!(peer.sent(), <[String; 0]>::default());
            peer.give_data_out(unsolicited(1, 0, 8, &TWENTY[8..12], true));
        }
        peer.answer_r2t(TWENTY);
        assert_eq!(peer.command().data_out, TWENTY);
    }
}

#[test]
fn an_initiator_may_leave_its_first_burst_unused() {
    // 11.3.4: the F bit says that nothing unsolicited follows
    let mut peer = Peer::with(|parameters| parameters.initial_r2t = false);
    let write = peer.write(1, 20);
    peer.give_command(write);
    peer.answer_r2t(TWENTY);
    peer.answer_r2t(TWENTY);
    assert_eq!(peer.command().data_out, TWENTY);
}

#[test]
fn unsolicited_data_that_was_not_agreed_on_ends_the_command() {
    // 11.4.7.2; the answer waits for the F bit (11.17.1)
    let mut peer = Peer::new(settings());
    let immediate = ScsiCommand {
        data: Bytes::from_static(&TWENTY[..8]),
        ..peer.write(1, 20)
    };
    peer.give_command(immediate);
    fails_with(&mut peer, UNEXPECTED_UNSOLICITED_DATA);

    let mut peer = Peer::new(settings());
    let announced = ScsiCommand {
        final_bit: false,
        ..peer.write(1, 20)
    };
    peer.give_command(announced);
    peer.give_data_out(unsolicited(1, 0, 0, &TWENTY[..8], false));
    assert_eq!(peer.sent(), <[String; 0]>::default());
    peer.give_data_out(unsolicited(1, 1, 8, &TWENTY[8..12], true));
    fails_with(&mut peer, UNEXPECTED_UNSOLICITED_DATA);

    let mut peer = Peer::with(|parameters| parameters.initial_r2t = false);
    let too_long = ScsiCommand {
        final_bit: false,
        ..peer.write(1, 20)
    };
    peer.give_command(too_long);
    peer.give_data_out(unsolicited(1, 0, 0, &TWENTY[..8], false));
    peer.give_data_out(unsolicited(1, 1, 8, &TWENTY[8..16], true));
    fails_with(&mut peer, UNEXPECTED_UNSOLICITED_DATA);
}

#[test]
fn unsolicited_data_without_a_command_that_announced_it_ends_the_command() {
    // 11.4.7.2
    let mut peer = Peer::new(settings());
    let write = peer.write(1, 12);
    peer.give_command(write);
    peer.give_data_out(unsolicited(1, 0, 0, &TWENTY[..8], true));
    assert_eq!(peer.events(), []);
    peer.answer_r2t(TWENTY);
    fails_with(&mut peer, UNEXPECTED_UNSOLICITED_DATA);
}

#[test]
fn too_little_unsolicited_data_ends_the_command() {
    // 11.4.7.2: less than FirstBurstLength of more than that
    let mut peer = Peer::with(|parameters| parameters.initial_r2t = false);
    let write = ScsiCommand {
        final_bit: false,
        ..peer.write(1, 20)
    };
    peer.give_command(write);
    peer.give_data_out(unsolicited(1, 0, 0, &TWENTY[..8], true));
    fails_with(&mut peer, INCORRECT_AMOUNT_OF_DATA);

    let mut peer = Peer::with(|parameters| parameters.initial_r2t = false);
    let write = ScsiCommand {
        final_bit: false,
        ..peer.write(1, 12)
    };
    peer.give_command(write);
    peer.give_data_out(unsolicited(1, 0, 0, &TWENTY[..8], true));
    peer.answer_r2t(TWENTY);
    assert_eq!(peer.command().data_out, TWENTY[..12]);
}

#[test]
fn data_that_does_not_match_its_r2t_ends_the_command() {
    // 11.4.7.2, 11.7.5, 11.7.6, 7.9
    let good = DataOut {
        data: Bytes::from_static(&TWENTY[..8]),
        ..data_out(1, 1)
    };
    for (pdu, sense) in [
        (
            DataOut {
                data: Bytes::from_static(b"short"),
                ..good.clone()
            },
            INCORRECT_AMOUNT_OF_DATA,
        ),
        (
            DataOut {
                buffer_offset: 4,
                ..good.clone()
            },
            INCORRECT_AMOUNT_OF_DATA,
        ),
        (
            DataOut {
                data_sn: DataSn(1),
                ..good.clone()
            },
            PROTOCOL_SERVICE_CRC_ERROR,
        ),
        (
            DataOut {
                data: Bytes::from_static(b"too long!"),
                ..good.clone()
            },
            INCORRECT_AMOUNT_OF_DATA,
        ),
    ] {
        let mut peer = Peer::new(settings());
        let write = peer.write(1, 8);
        peer.give_command(write);
        assert_eq!(peer.sent().len(), 1);
        peer.give_data_out(pdu);
        fails_with(&mut peer, sense);
    }
}

#[test]
fn a_failed_transfer_is_answered_when_its_last_sequence_has_ended() {
    // 7.8 b
    let mut peer = Peer::with(|parameters| parameters.max_outstanding_r2t = 2);
    let write = peer.write(1, 20);
    peer.give_command(write);
    assert_eq!(peer.sent().len(), 2);
    let wrong = DataOut {
        data_sn: DataSn(5),
        ..data_out(1, 1)
    };
    peer.give_data_out(wrong);
    assert_eq!(peer.sent(), <[String; 0]>::default());
    peer.give_data_out(data_out(1, 2));
    fails_with(&mut peer, PROTOCOL_SERVICE_CRC_ERROR);
}

#[test]
fn data_under_a_tag_that_was_never_given_out_is_rejected() {
    // 11.17.1, note 2
    let mut peer = Peer::new(settings());
    let write = peer.write(1, 8);
    peer.give_command(write);
    assert_eq!(peer.sent().len(), 1);
    peer.give_data_out(data_out(1, 77));
    assert!(peer.sent_one().contains("reason=invalid PDU field"));
    let data = DataOut {
        data: Bytes::from_static(&TWENTY[..8]),
        ..data_out(1, 1)
    };
    peer.give_data_out(data);
    assert_eq!(peer.command().data_out, TWENTY[..8]);
}

#[test]
fn a_command_waits_for_the_data_of_earlier_ones_on_its_logical_unit_only() {
    // 4.2.2.1
    let mut peer = Peer::new(settings());
    let write = peer.write(1, 8);
    peer.give_command(write);
    let same_unit = peer.bare(2);
    peer.give_command(same_unit);
    let other_unit = ScsiCommand {
        lun: lun(2),
        ..peer.bare(3)
    };
    peer.give_command(other_unit);
    assert_eq!(peer.command().initiator_task_tag.0, 3);
    peer.answer_r2t(TWENTY);
    let tags: Vec<u32> = peer
        .commands()
        .iter()
        .map(|command| command.initiator_task_tag.0)
        .collect();
    assert_eq!(tags, [1, 2]);
}

#[test]
fn residual_counts_tell_what_a_write_did_not_take() {
    // 11.4.5
    for (wanted, residual) in [(12, "underflow=8"), (30, "overflow=10")] {
        let mut peer = Peer::with(|parameters| {
            parameters.immediate_data = true;
            parameters.first_burst_length = 512;
        });
        let write = ScsiCommand {
            data: Bytes::from_static(TWENTY),
            ..peer.write(1, 20)
        };
        peer.give_command(write);
        let id = peer.command().id;
        let reply = ScsiReply {
            data_out_length: Some(wanted),
            ..ScsiReply::good()
        };
        assert!(peer.session.respond(id, reply));
        assert!(peer.sent_one().contains(residual));
    }
}

#[test]
fn no_more_is_asked_for_than_a_command_may_bring() {
    let mut peer = Peer::new(TargetSettings {
        max_data_out_length: 12,
        ..settings()
    });
    let write = peer.write(1, u32::MAX);
    peer.give_command(write);
    peer.answer_r2t(TWENTY);
    let command = peer.command();
    assert_eq!(command.data_out, TWENTY[..12]);
    assert_eq!(command.expected_data_out_length, u32::MAX);
}

#[test]
fn the_write_buffer_bounds_what_is_asked_for() {
    let mut peer = Peer::new(TargetSettings {
        write_buffer: 20,
        ..settings()
    });
    for tag in 1..=3 {
        let write = peer.write(tag, 12);
        peer.give_command(write);
    }
    assert_eq!(peer.sent().len(), 1);
    assert_eq!(peer.session.buffered(), 12);
    let data = DataOut {
        data: Bytes::from_static(&TWENTY[..8]),
        final_bit: false,
        ..data_out(1, 1)
    };
    peer.give_data_out(data);
    let data = DataOut {
        data: Bytes::from_static(&TWENTY[8..12]),
        data_sn: DataSn(1),
        buffer_offset: 8,
        ..data_out(1, 1)
    };
    peer.give_data_out(data);
    let first = peer.command();
    assert_eq!(peer.sent(), <[String; 0]>::default());
    peer.good(first.id);
    let sent = peer.sent();
    assert_eq!(sent.len(), 2, "{sent:?}");
    assert!(sent.iter().any(|line| line.contains("itt=0x2 ttt=0x2")));
    assert_eq!(peer.session.buffered(), 12);
}

#[test]
fn the_oldest_write_goes_beyond_a_buffer_that_later_ones_fill() {
    let mut settings = settings();
    settings.write_buffer = 12;
    settings.parameters.initial_r2t = false;
    let mut peer = Peer::new(settings);
    let first = peer.write(1, 12);
    let second = ScsiCommand {
        final_bit: false,
        ..peer.write(2, 12)
    };
    // The second comes first, and its data fills the buffer.
    peer.give_command(second);
    peer.give_data_out(unsolicited(2, 0, 0, &TWENTY[..8], false));
    peer.give_data_out(unsolicited(2, 1, 8, &TWENTY[8..12], true));
    assert_eq!(peer.session.buffered(), 12);
    peer.give_command(first);
    assert_eq!(peer.session.buffered(), 24);
    peer.answer_r2t(TWENTY);
    assert_eq!(peer.commands().len(), 2);
}

proptest! {
    #[test]
    fn arbitrary_data_out_never_panics_nor_leaves_memory_reserved(
        pdus in proptest::collection::vec((0u32..4, 0u32..6, 0u32..3, 0u32..24, 0usize..20, any::<bool>()), 0..40),
        initial_r2t: bool,
        immediate_data: bool,
    ) {
        let mut peer = Peer::with(|parameters| {
            parameters.initial_r2t = initial_r2t;
            parameters.immediate_data = immediate_data;
            parameters.max_outstanding_r2t = 2;
        });
        for tag in 1..=3 {
            let write = ScsiCommand { final_bit: initial_r2t || tag == 2, ..peer.write(tag, 20) };
            peer.give_command(write);
        }
        for (tag, ttt, sn, offset, length, final_bit) in pdus {
            let ttt = if ttt == 0 { TargetTransferTag::RESERVED.0 } else { ttt };
            let pdu = DataOut {
                final_bit,
                data_sn: DataSn(sn),
                buffer_offset: offset,
                data: Bytes::from_static(&TWENTY[..length]),
                ..data_out(tag, ttt)
            };
            peer.give_data_out(pdu);
            for command in peer.commands() {
                prop_assert_eq!(command.data_out.len(), 20);
                peer.good(command.id);
            }
            let _ = peer.sent();
        }
        peer.session.abort_tasks(None);
        prop_assert_eq!(peer.session.buffered(), 0);
        prop_assert!(peer.session.is_idle());
    }
}
