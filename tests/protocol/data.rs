//! Tasks with data: R2T and data-out in every combination of InitialR2T and ImmediateData, data-in, status, residuals.

use super::*;

#[test]
fn initial_r2t_and_no_immediate_data_send_a_bare_command() {
    // UNH-IOL FFP 16.2.1, 8.2, 12.1, 11.2.2, 11.3, 11.4; RFC 7143 11.8
    let mut peer = Peer::new(PARAMETERS);
    let tag = peer.submit(write());
    assert_eq!(peer.sent(), [write_command("F W", "")]);
    peer.give_r2t(tag, 0, 0, 12).unwrap();
    assert_eq!(
        peer.sent(),
        [
            "SCSI Data-Out itt=0x1 ttt=0xa0 expstatsn=10 datasn=0 offset=0 data=8 bytes",
            "SCSI Data-Out F itt=0x1 ttt=0xa0 expstatsn=10 datasn=1 offset=8 data=4 bytes",
        ]
    );
    peer.give_r2t(tag, 1, 12, 8).unwrap();
    let sent = peer.sent_pdus();
    let [Pdu::DataOut(data_out)] = &sent[..] else {
        panic!("{sent:?}")
    };
    assert!(data_out.final_bit);
    assert_eq!(data_out.lun, lun());
    assert_eq!(data_out.target_transfer_tag, TargetTransferTag(0xa1));
    assert_eq!((data_out.data_sn, data_out.buffer_offset), (DataSn(0), 12));
    assert_eq!(data_out.data, TWENTY[12..]);
    assert_eq!(peer.good(tag), Ok(written(tag)));
    assert!(peer.session.is_idle());
}

#[test]
fn initial_r2t_with_immediate_data_sends_what_one_pdu_takes() {
    // UNH-IOL FFP 16.2.2, 16.1.1; RFC 7143 11.3.4
    let mut peer = Peer::new(SessionParameters {
        immediate_data: true,
        ..PARAMETERS
    });
    let tag = peer.submit(write());
    assert_eq!(peer.sent(), [write_command("F W", " data=8 bytes")]);
    peer.give_r2t(tag, 0, 8, 12).unwrap();
    assert_eq!(
        peer.sent(),
        [
            "SCSI Data-Out itt=0x1 ttt=0xa0 expstatsn=10 datasn=0 offset=8 data=8 bytes",
            "SCSI Data-Out F itt=0x1 ttt=0xa0 expstatsn=10 datasn=1 offset=16 data=4 bytes",
        ]
    );
}

#[test]
fn no_initial_r2t_sends_a_first_burst_unasked() {
    // UNH-IOL FFP 16.2.3, 8.3, 11.2.1, 16.3.1; RFC 7143 11.7.1
    let mut peer = Peer::new(SessionParameters {
        initial_r2t: false,
        ..PARAMETERS
    });
    let tag = peer.submit(write());
    assert_eq!(
        peer.sent(),
        [
            write_command("W", ""),
            "SCSI Data-Out itt=0x1 expstatsn=10 datasn=0 offset=0 data=8 bytes".to_owned(),
            "SCSI Data-Out F itt=0x1 expstatsn=10 datasn=1 offset=8 data=4 bytes".to_owned(),
        ]
    );
    peer.give_r2t(tag, 0, 12, 8).unwrap();
    assert_eq!(
        peer.sent(),
        ["SCSI Data-Out F itt=0x1 ttt=0xa0 expstatsn=10 datasn=0 offset=12 data=8 bytes"]
    );
}

#[test]
fn no_initial_r2t_with_immediate_data_counts_it_in_the_first_burst() {
    // UNH-IOL FFP 16.2.4, 8.1; RFC 7143 11.3.4: the most that FirstBurstLength allows
    let parameters = SessionParameters {
        initial_r2t: false,
        immediate_data: true,
        ..PARAMETERS
    };
    let mut peer = Peer::new(parameters);
    let tag = peer.submit(write());
    let sent = peer.sent_pdus();
    let lines: Vec<String> = sent.iter().map(|pdu| describe(pdu).to_string()).collect();
    assert_eq!(
        lines,
        [
            write_command("W", " data=8 bytes"),
            "SCSI Data-Out F itt=0x1 expstatsn=10 datasn=0 offset=8 data=4 bytes".to_owned(),
        ]
    );
    let Pdu::DataOut(data_out) = &sent[1] else {
        panic!()
    };
    assert_eq!(
        data_out.lun,
        Lun::default(),
        "reserved without a tag (11.7.4)"
    );
    peer.give_r2t(tag, 0, 12, 8).unwrap();
    assert_eq!(peer.sent().len(), 1);
}

#[test]
fn a_write_that_fits_the_command_has_the_f_bit_and_nothing_behind_it() {
    // RFC 7143 11.3.4
    let parameters = SessionParameters {
        initial_r2t: false,
        immediate_data: true,
        ..PARAMETERS
    };
    let mut peer = Peer::new(parameters);
    peer.submit(TaskTransfer::Write(Bytes::from_static(b"12345678")));
    let sent = peer.sent();
    assert_eq!(sent.len(), 1);
    assert!(sent[0].starts_with("SCSI Command F W ") && sent[0].ends_with("data=8 bytes"));
}

#[test]
fn unsolicited_data_goes_in_the_order_of_its_commands() {
    // RFC 7143 4.2.5.2
    let mut peer = Peer::new(SessionParameters {
        initial_r2t: false,
        ..PARAMETERS
    });
    peer.submit(write());
    peer.submit(write());
    let order: Vec<(Opcode, u32)> = peer
        .sent_pdus()
        .iter()
        .map(|pdu| match pdu {
            Pdu::ScsiCommand(pdu) => (Opcode::SCSI_COMMAND, pdu.initiator_task_tag.0),
            Pdu::DataOut(pdu) => (Opcode::DATA_OUT, pdu.initiator_task_tag.0),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        order,
        [
            (Opcode::SCSI_COMMAND, 1),
            (Opcode::DATA_OUT, 1),
            (Opcode::DATA_OUT, 1),
            (Opcode::SCSI_COMMAND, 2),
            (Opcode::DATA_OUT, 2),
            (Opcode::DATA_OUT, 2),
        ]
    );
}

#[test]
fn outstanding_r2ts_are_answered_in_their_order() {
    // RFC 7143 11.8
    let mut peer = Peer::new(SessionParameters {
        max_outstanding_r2t: 2,
        ..PARAMETERS
    });
    let tag = peer.submit(write());
    peer.sent();
    peer.give_r2t(tag, 0, 0, 8).unwrap();
    peer.give_r2t(tag, 1, 8, 8).unwrap();
    assert_eq!(
        peer.sent(),
        [
            "SCSI Data-Out F itt=0x1 ttt=0xa0 expstatsn=10 datasn=0 offset=0 data=8 bytes",
            "SCSI Data-Out F itt=0x1 ttt=0xa1 expstatsn=10 datasn=0 offset=8 data=8 bytes",
        ]
    );
}

#[test]
fn r2ts_that_break_the_rules_end_the_session() {
    // UNH-IOL FFP 12.2, 12.3; RFC 7143 11.8.2, 11.8.4, 11.8.5, 13.17, 13.19
    let task = InitiatorTaskTag(1);
    type Case = (fn(&mut R2t), SessionError);
    let cases: [Case; 8] = [
        (
            |r2t| r2t.desired_data_transfer_length = 13,
            SessionError::R2tLength {
                task,
                limit: 12,
                received: 13,
            },
        ),
        (
            |r2t| r2t.desired_data_transfer_length = 0,
            SessionError::R2tLength {
                task,
                limit: 12,
                received: 0,
            },
        ),
        (
            |r2t| r2t.buffer_offset = 13,
            SessionError::TransferTooLong {
                task,
                limit: 20,
                received: 21,
            },
        ),
        (
            |r2t| r2t.buffer_offset = u32::MAX,
            SessionError::TransferTooLong {
                task,
                limit: 20,
                received: u64::from(u32::MAX) + 8,
            },
        ),
        (
            |r2t| r2t.buffer_offset = 4,
            SessionError::BufferOffset {
                task,
                expected: 0,
                received: 4,
            },
        ),
        (
            |r2t| r2t.r2t_sn = R2tSn(1),
            SessionError::R2tSn {
                task,
                expected: R2tSn(0),
                received: R2tSn(1),
            },
        ),
        (
            |r2t| r2t.target_transfer_tag = RESERVED_TTT,
            SessionError::ReservedTransferTag { task },
        ),
        (
            |r2t| r2t.initiator_task_tag = InitiatorTaskTag(77),
            SessionError::UnknownTask {
                opcode: Opcode::R2T,
                received: InitiatorTaskTag(77),
            },
        ),
    ];
    for (spoil, error) in cases {
        let mut peer = Peer::new(PARAMETERS);
        let tag = peer.submit(write());
        peer.sent();
        let mut r2t = peer.r2t(tag, 0, 0, 8);
        spoil(&mut r2t);
        assert_eq!(peer.give(&Pdu::R2t(r2t)), Err(error));
        assert_eq!(
            peer.session.submit(task_without_data()),
            Err(SubmitError::NotOpen)
        );
        assert!(peer.sent().is_empty());
    }
}

#[test]
fn more_r2ts_than_negotiated_end_the_session() {
    // RFC 7143 13.17
    let mut peer = Peer::new(PARAMETERS);
    let tag = peer.submit(write());
    peer.sent();
    peer.give_r2t(tag, 0, 0, 8).unwrap();
    assert_eq!(
        peer.give_r2t(tag, 1, 8, 8),
        Err(SessionError::TooManyR2ts {
            task: tag,
            limit: 1
        })
    );
}

#[test]
fn an_r2t_for_a_read_ends_the_session() {
    // RFC 7143 11.8
    let mut peer = Peer::new(PARAMETERS);
    let tag = peer.submit(TaskTransfer::Read(20));
    peer.sent();
    assert_eq!(
        peer.give_r2t(tag, 0, 0, 8),
        Err(SessionError::UnknownTask {
            opcode: Opcode::R2T,
            received: tag
        })
    );
}

#[test]
fn a_response_before_all_data_was_asked_for_drops_what_is_left() {
    // UNH-IOL FFP 16.4.4; RFC 7143 11.4.2
    let mut peer = Peer::new(PARAMETERS);
    let tag = peer.submit(write());
    peer.sent();
    peer.give_r2t(tag, 0, 0, 8).unwrap();
    let response = ScsiResponse {
        residual: Residual::Underflow(20),
        ..peer.response(tag)
    };
    let events = peer.give(&Pdu::ScsiResponse(response)).unwrap();
    assert_eq!(events, completed(tag, Residual::Underflow(20), b""));
    assert!(peer.sent().is_empty());
}

#[test]
fn a_read_is_put_together_and_ends_with_the_status_in_the_last_data_in() {
    // UNH-IOL FFP 10.1, 6.1; RFC 7143 11.7.3
    let mut peer = Peer::new(PARAMETERS);
    let tag = peer.submit(TaskTransfer::Read(20));
    assert_eq!(
        peer.sent(),
        [format!(
            "SCSI Command F R itt=0x1 lun=1 cmdsn=1 expstatsn=10 attr=simple edtl=20 {CDB}"
        )]
    );
    let first = peer.data_in(tag, 0, 0, b"hello ");
    assert_eq!(peer.give(&Pdu::DataIn(first)), Ok(vec![]));
    let last = peer.data_in(tag, 1, 6, b"world");
    let last = peer.last_data_in(last, Residual::Underflow(9));
    assert_eq!(
        peer.give(&last),
        Ok(completed(tag, Residual::Underflow(9), b"hello world"))
    );
    peer.submit(TaskTransfer::None);
    assert!(
        peer.sent()[0].contains("expstatsn=11"),
        "the status is acknowledged (4.2.2.2)"
    );
}

#[test]
fn a_read_may_end_with_a_response_of_its_own() {
    // RFC 7143 11.7.3; UNH-IOL FFP 11.1.2: a Data-In without data
    let mut peer = Peer::new(PARAMETERS);
    let tag = peer.submit(TaskTransfer::Read(4));
    peer.sent();
    let data = peer.data_in(tag, 0, 0, b"abcd");
    peer.give(&Pdu::DataIn(data)).unwrap();
    let empty = peer.data_in(tag, 1, 0, b"");
    peer.give(&Pdu::DataIn(DataIn {
        final_bit: true,
        ..empty
    }))
    .unwrap();
    let response = ScsiResponse {
        exp_data_sn: DataSn(2),
        ..peer.response(tag)
    };
    assert_eq!(
        peer.give(&Pdu::ScsiResponse(response)),
        Ok(completed(tag, Residual::None, b"abcd"))
    );
}

#[test]
fn the_a_bit_is_ignored() {
    // UNH-IOL FFP 10.2; RFC 7143 11.7.2: at ErrorRecoveryLevel 0
    let mut peer = Peer::new(PARAMETERS);
    let tag = peer.submit(TaskTransfer::Read(4));
    peer.sent();
    let data = DataIn {
        acknowledge: true,
        ..peer.data_in(tag, 0, 0, b"abcd")
    };
    peer.give(&Pdu::DataIn(data)).unwrap();
    assert!(peer.sent().is_empty());
}

#[test]
fn data_ins_that_break_the_rules_end_the_session() {
    // RFC 7143 11.7.5, 11.7.6, 11.2.1.8
    let task = InitiatorTaskTag(1);
    type Case = (fn(&mut DataIn), SessionError);
    let cases: [Case; 6] = [
        (
            |data| data.data_sn = DataSn(2),
            SessionError::DataSn {
                task,
                expected: DataSn(1),
                received: DataSn(2),
            },
        ),
        (
            |data| data.data_sn = DataSn(0),
            SessionError::DataSn {
                task,
                expected: DataSn(1),
                received: DataSn(0),
            },
        ),
        (
            |data| data.buffer_offset = 8,
            SessionError::BufferOffset {
                task,
                expected: 4,
                received: 8,
            },
        ),
        (
            |data| data.buffer_offset = 0,
            SessionError::BufferOffset {
                task,
                expected: 4,
                received: 0,
            },
        ),
        (
            |data| data.data = Bytes::from_static(&[0; 9]),
            SessionError::TransferTooLong {
                task,
                limit: 12,
                received: 13,
            },
        ),
        (
            |data| data.initiator_task_tag = InitiatorTaskTag(77),
            SessionError::UnknownTask {
                opcode: Opcode::DATA_IN,
                received: InitiatorTaskTag(77),
            },
        ),
    ];
    for (spoil, error) in cases {
        let mut peer = Peer::new(PARAMETERS);
        let tag = peer.submit(TaskTransfer::Read(12));
        peer.sent();
        let first = peer.data_in(tag, 0, 0, b"abcd");
        peer.give(&Pdu::DataIn(first)).unwrap();
        let mut second = peer.data_in(tag, 1, 4, b"efgh");
        spoil(&mut second);
        assert_eq!(peer.give(&Pdu::DataIn(second)), Err(error));
    }
}

#[test]
fn data_for_a_task_that_has_not_been_sent_ends_the_session() {
    // RFC 7143 11.2.1.8
    let mut peer = Peer::with_window(PARAMETERS, 0);
    let tag = peer.submit(TaskTransfer::Read(12));
    let early = peer.data_in(tag, 0, 0, b"abcd");
    assert_eq!(
        peer.give(&Pdu::DataIn(early)),
        Err(SessionError::UnknownTask {
            opcode: Opcode::DATA_IN,
            received: tag
        })
    );
}

#[test]
fn data_ins_that_did_not_come_end_the_session() {
    // RFC 7143 11.4.8
    let mut peer = Peer::new(PARAMETERS);
    let tag = peer.submit(TaskTransfer::Read(12));
    peer.sent();
    let response = ScsiResponse {
        exp_data_sn: DataSn(1),
        ..peer.response(tag)
    };
    assert_eq!(
        peer.give(&Pdu::ScsiResponse(response)),
        Err(SessionError::MissingData {
            task: tag,
            expected: DataSn(0),
            received: DataSn(1)
        })
    );
}

#[test]
fn check_condition_brings_its_sense_data() {
    // UNH-IOL FFP 16.4.1; RFC 7143 11.4.7
    let mut peer = Peer::new(PARAMETERS);
    let tag = peer.submit(TaskTransfer::Read(12));
    peer.sent();
    let response = ScsiResponse {
        status: 2,
        residual: Residual::Underflow(12),
        data: Bytes::from_static(&[0, 3, 0x70, 0, 6, 0xff]),
        ..peer.response(tag)
    };
    let events = peer.give(&Pdu::ScsiResponse(response)).unwrap();
    let [Event::Completed(completion)] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(completion.status, 2);
    assert_eq!(completion.sense[..], [0x70, 0, 6]);
    assert_eq!(completion.residual, Residual::Underflow(12));
}

#[test]
fn sense_data_without_its_length_is_taken_whole_and_told() {
    // RFC 7143 11.4.7.1
    let mut peer = Peer::new(PARAMETERS);
    for told in [true, false] {
        let tag = peer.submit(TaskTransfer::None);
        peer.sent();
        let response = ScsiResponse {
            status: 2,
            data: Bytes::from_static(&[0x70, 0, 6, 0, 0, 0, 0, 0]),
            ..peer.response(tag)
        };
        let mut events = peer.give(&Pdu::ScsiResponse(response)).unwrap();
        let Some(Event::Completed(completion)) = events.pop() else {
            panic!("{events:?}")
        };
        assert_eq!(completion.sense[..], [0x70, 0, 6, 0, 0, 0, 0, 0]);
        let departure = Event::Departure(Departure::SenseWithoutLength);
        assert_eq!(events, vec![departure; usize::from(told)]);
    }
}

#[test]
fn sense_data_cut_short_ends_the_session() {
    // RFC 7143 11.4.7.1
    for (data, expected, received) in [
        (&[0, 9, 0x70][..], 9, 1),
        (&[0x60, 0, 0x70], 0x6000, 1),
        (&[0], 2, 1),
    ] {
        let mut peer = Peer::new(PARAMETERS);
        let tag = peer.submit(TaskTransfer::None);
        peer.sent();
        let response = ScsiResponse {
            data: Bytes::from_static(data),
            ..peer.response(tag)
        };
        assert_eq!(
            peer.give(&Pdu::ScsiResponse(response)),
            Err(SessionError::SenseLength {
                task: tag,
                expected,
                received
            })
        );
    }
}

/// What a target did and said of a task: bytes that came in, its status, its residual.
type Claim = (usize, u8, Residual);

/// Returns what is told of a target that makes this claim, the number of bytes that were transferred included.
fn told_of(transfer: &TaskTransfer, (came, status, residual): Claim) -> (Vec<Departure>, u32) {
    let mut peer = Peer::new(PARAMETERS);
    let tag = peer.submit(transfer.clone());
    peer.sent();
    let mut departures = Vec::new();
    let mut transferred = None;
    let mut given = Vec::new();
    if came > 0 {
        let data = DataIn {
            final_bit: true,
            ..peer.data_in(tag, 0, 0, &TWENTY[..came])
        };
        given.push(Pdu::DataIn(data));
    }
    given.push(Pdu::ScsiResponse(ScsiResponse {
        status,
        residual,
        ..peer.response(tag)
    }));
    for pdu in given {
        for event in peer.give(&pdu).unwrap() {
            match event {
                Event::Departure(departure) => departures.push(departure),
                Event::Completed(completion) => {
                    assert_eq!(completion.residual, residual, "it is handed on as received");
                    assert_eq!(completion.data.len(), came);
                    transferred = Some(completion.transferred);
                }
                other => panic!("{other:?}"),
            }
        }
    }
    (departures, transferred.expect("a completion"))
}

#[test]
fn a_residual_that_contradicts_the_transfer_is_told_and_what_was_transferred_counts() {
    // RFC 7143 11.4.5.2
    const GOOD: u8 = 0;
    const CHECK: u8 = 2;
    let read = TaskTransfer::Read(20);
    let mismatch = |expected, received| vec![Departure::ResidualMismatch { expected, received }];
    let fits: [(&TaskTransfer, Claim); 8] = [
        (&read, (20, GOOD, Residual::None)),
        (&read, (20, GOOD, Residual::Overflow(4))),
        (&read, (12, GOOD, Residual::Underflow(8))),
        (&read, (0, CHECK, Residual::Underflow(20))),
        // A residual may be left out of a command that failed.
        (&read, (0, CHECK, Residual::None)),
        (&TaskTransfer::None, (0, GOOD, Residual::None)),
        (&TaskTransfer::None, (0, GOOD, Residual::Overflow(4))),
        // The target asked for nothing, and says so.
        (&write(), (0, CHECK, Residual::Underflow(20))),
    ];
    for (transfer, claim) in fits {
        assert_eq!(told_of(transfer, claim).0, [], "{claim:?}");
    }
    for (transfer, claim, expected, received) in [
        (&read, (20, GOOD, Residual::Underflow(8)), 0, 8),
        (&read, (12, GOOD, Residual::None), 8, 0),
        (&read, (12, GOOD, Residual::Overflow(4)), 8, 0),
        (&read, (12, GOOD, Residual::Underflow(9)), 8, 9),
        (&read, (0, CHECK, Residual::Underflow(21)), 20, 21),
        (&TaskTransfer::None, (0, GOOD, Residual::Underflow(1)), 0, 1),
        (&write(), (0, GOOD, Residual::None), 20, 0),
        (&write(), (0, GOOD, Residual::Underflow(21)), 20, 21),
    ] {
        let (departures, transferred) = told_of(transfer, claim);
        assert_eq!(departures, mismatch(expected, received), "{claim:?}");
        assert_eq!(transferred as usize, claim.0, "{claim:?}");
    }
}

#[test]
fn a_residual_is_told_once_in_a_session() {
    let mut peer = Peer::new(PARAMETERS);
    let mut told = 0;
    for count in 1..4 {
        let tag = peer.submit(TaskTransfer::None);
        peer.sent();
        let response = ScsiResponse {
            residual: Residual::Underflow(count),
            ..peer.response(tag)
        };
        let events = peer.give(&Pdu::ScsiResponse(response)).unwrap();
        told += events.len() - 1;
    }
    assert_eq!(told, 1);
}

#[test]
fn what_was_sent_of_a_write_is_what_was_transferred() {
    // Immediate data, and an R2T that is answered in part when the status comes.
    let parameters = SessionParameters {
        immediate_data: true,
        first_burst_length: 8,
        target_max_recv_data_segment_length: 4,
        ..PARAMETERS
    };
    let mut peer = Peer::new(parameters);
    let tag = peer.submit(write());
    peer.sent();
    let r2t = peer.r2t(tag, 0, 4, 12);
    peer.give(&Pdu::R2t(r2t)).unwrap();
    assert!(peer.session.poll_transmit(peer.now).is_some());
    let events = peer.good(tag).unwrap();
    let [Event::Departure(departure), Event::Completed(completion)] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(completion.transferred, 8);
    let expected = Departure::ResidualMismatch {
        expected: 12,
        received: 0,
    };
    assert_eq!(*departure, expected);
}

#[test]
fn a_target_failure_completes_the_task_without_a_status() {
    // RFC 7143 11.4.3
    let mut peer = Peer::new(PARAMETERS);
    let tag = peer.submit(TaskTransfer::None);
    peer.sent();
    let response = ScsiResponse {
        response: ServiceResponse::TARGET_FAILURE,
        ..peer.response(tag)
    };
    let events = peer.give(&Pdu::ScsiResponse(response)).unwrap();
    let [Event::Completed(completion)] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(completion.response, ServiceResponse::TARGET_FAILURE);
}
