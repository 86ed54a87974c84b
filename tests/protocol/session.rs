//! The session beside its data: numbering, pings, asynchronous messages, rejects, logout, task management.

use super::*;

#[test]
fn commands_wait_for_the_window_and_go_as_it_grows() {
    // UNH-IOL FFP 3.1, 3.3, 1.1, 16.5; RFC 7143 4.2.2.1
    let mut peer = Peer::with_window(PARAMETERS, 2);
    let tags: Vec<_> = (0..5).map(|_| peer.submit(TaskTransfer::None)).collect();
    assert_eq!(cmd_sns(&peer.sent_pdus()), [1, 2]);
    assert_eq!(peer.session.unacknowledged_commands(), 2);
    (peer.exp_cmd_sn, peer.max_cmd_sn) = (CmdSn(3), CmdSn(2));
    peer.good(tags[0]).unwrap();
    assert!(peer.sent().is_empty(), "still closed");
    assert_eq!(peer.session.unacknowledged_commands(), 0);
    peer.max_cmd_sn = CmdSn(4);
    peer.good(tags[1]).unwrap();
    assert_eq!(cmd_sns(&peer.sent_pdus()), [3, 4]);
    // Stale numbers: RFC 7143 4.2.2.1 has them ignored.
    (peer.exp_cmd_sn, peer.max_cmd_sn) = (CmdSn(3), CmdSn(3));
    peer.good(tags[2]).unwrap();
    assert!(peer.sent().is_empty());
    // A NOP-In opens the window as well, its StatSN not used up.
    (peer.exp_cmd_sn, peer.max_cmd_sn) = (CmdSn(5), CmdSn(20));
    let nop = peer.nop_in(RESERVED_ITT, RESERVED_TTT, peer.stat_sn);
    peer.give(&nop).unwrap();
    assert_eq!(cmd_sns(&peer.sent_pdus()), [5]);
    peer.good(tags[3]).unwrap();
    peer.good(tags[4]).unwrap();
    assert!(peer.session.is_idle());
}

fn cmd_sns(pdus: &[Pdu]) -> Vec<u32> {
    pdus.iter()
        .map(|pdu| match pdu {
            Pdu::ScsiCommand(pdu) => pdu.cmd_sn.0,
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn a_stat_sn_that_is_left_out_ends_the_session_when_all_is_answered() {
    // UNH-IOL FFP 5.1; RFC 7143 4.2.2.2, 7.9
    let mut peer = Peer::new(PARAMETERS);
    let tags = [(); 2].map(|()| peer.submit(TaskTransfer::None));
    peer.sent();
    peer.take_stat_sn();
    let (expected, received) = (StatSn(10), StatSn(11));
    let events = peer.good(tags[0]).unwrap();
    assert_eq!(
        events[0],
        Event::Departure(Departure::StatSnOutOfOrder { expected, received })
    );
    assert_eq!(events.len(), 2);
    assert_eq!(
        peer.good(tags[1]),
        Err(SessionError::StatSnMissing { expected })
    );
}

#[test]
fn a_stat_sn_out_of_order_is_acknowledged_when_those_before_it_have_come() {
    // RFC 7143 4.2.2.2
    let mut peer = Peer::new(PARAMETERS);
    let tags = [(); 3].map(|()| peer.submit(TaskTransfer::None));
    peer.sent();
    let early = peer.response(tags[0]);
    peer.good(tags[1]).unwrap();
    let ping = peer.nop_in(RESERVED_ITT, TargetTransferTag(7), peer.stat_sn);
    peer.give(&ping).unwrap();
    assert!(peer.sent()[0].contains("expstatsn=10"));
    peer.give(&Pdu::ScsiResponse(early)).unwrap();
    peer.give(&ping).unwrap();
    assert!(peer.sent()[0].contains("expstatsn=12"));
    peer.good(tags[2]).unwrap();
    assert!(peer.session.is_idle());
}

#[test]
fn a_stat_sn_that_comes_twice_ends_the_session() {
    // RFC 7143 4.2.2.2
    let mut peer = Peer::new(PARAMETERS);
    let tags = [(); 2].map(|()| peer.submit(TaskTransfer::None));
    peer.sent();
    peer.good(tags[0]).unwrap();
    let again = ScsiResponse {
        stat_sn: StatSn(10),
        ..peer.response(tags[1])
    };
    assert_eq!(
        peer.give(&Pdu::ScsiResponse(again)),
        Err(SessionError::StatSn {
            opcode: Opcode::SCSI_RESPONSE,
            expected: StatSn(11),
            received: StatSn(10)
        })
    );
}

#[test]
fn a_response_for_an_unknown_task_ends_the_session() {
    // RFC 7143 11.2.1.8
    let mut peer = Peer::new(PARAMETERS);
    let tag = peer.submit(TaskTransfer::None);
    peer.sent();
    peer.good(tag).unwrap();
    assert_eq!(
        peer.good(tag),
        Err(SessionError::UnknownTask {
            opcode: Opcode::SCSI_RESPONSE,
            received: tag
        })
    );
}

#[test]
fn pdus_that_have_no_place_end_the_session() {
    // RFC 7143 11.2.1.2: a target must not use an initiator's opcode
    let mut peer = Peer::new(PARAMETERS);
    let nop_out = Pdu::NopOut(NopOut {
        immediate: true,
        lun: lun(),
        initiator_task_tag: InitiatorTaskTag(1),
        target_transfer_tag: RESERVED_TTT,
        cmd_sn: CmdSn(1),
        exp_stat_sn: StatSn(1),
        data: Bytes::new(),
    });
    assert_eq!(
        peer.give(&nop_out),
        Err(SessionError::UnexpectedPdu {
            opcode: Opcode::NOP_OUT
        })
    );
}

#[test]
fn a_ping_of_the_target_is_answered_with_its_tag_and_lun() {
    // UNH-IOL FFP 15.1, 2.1; RFC 7143 11.18.2
    let mut peer = Peer::with_window(PARAMETERS, 0);
    let ping = peer.nop_in(RESERVED_ITT, TargetTransferTag(0x77), peer.stat_sn);
    assert_eq!(peer.give(&ping), Ok(vec![]));
    assert_eq!(
        peer.sent(),
        ["NOP-Out I ttt=0x77 lun=1 cmdsn=1 expstatsn=10"]
    );
    let quiet = peer.nop_in(RESERVED_ITT, RESERVED_TTT, peer.stat_sn);
    peer.give(&quiet).unwrap();
    assert!(peer.sent().is_empty(), "no answer is wanted (11.18)");
}

#[test]
fn a_ping_of_the_initiator_takes_a_stat_sn_and_no_cmd_sn() {
    // UNH-IOL FFP 15.2, 15.3; RFC 7143 11.18.1, 11.19.2
    let mut peer = Peer::with_window(PARAMETERS, 0);
    let tag = peer.session.ping().unwrap();
    assert_eq!(
        peer.sent(),
        ["NOP-Out I itt=0x1 lun=0 cmdsn=1 expstatsn=10"]
    );
    let stat_sn = peer.take_stat_sn();
    let pong = peer.nop_in(tag, RESERVED_TTT, stat_sn);
    assert_eq!(
        peer.give(&pong),
        Ok(vec![Event::PingAnswered {
            initiator_task_tag: tag
        }])
    );
    peer.max_cmd_sn = CmdSn(1);
    let opened = peer.nop_in(RESERVED_ITT, RESERVED_TTT, peer.stat_sn);
    peer.give(&opened).unwrap();
    peer.submit(TaskTransfer::None);
    assert!(peer.sent()[0].contains("itt=0x2 lun=1 cmdsn=1 expstatsn=11"));
}

#[test]
fn asynchronous_messages_are_reported() {
    // UNH-IOL FFP 14.1, 20.1, 20.4; RFC 7143 11.9.1
    let mut peer = Peer::new(PARAMETERS);
    for event in [AsyncEvent::LOGOUT_REQUEST, AsyncEvent::NEGOTIATION_REQUEST] {
        let message = peer.async_message(event, [0, 0, 5]);
        assert_eq!(
            peer.give(&Pdu::AsyncMessage(message)),
            Ok(vec![Event::LogoutRequested { parameter3: 5 }])
        );
    }
    let message = peer.async_message(AsyncEvent::SCSI, [0; 3]);
    let message = AsyncMessage {
        data: Bytes::from_static(&[0, 1, 0x70]),
        ..message
    };
    assert_eq!(
        peer.give(&Pdu::AsyncMessage(message.clone())),
        Ok(vec![Event::AsyncMessage(message)])
    );
    peer.submit(TaskTransfer::None);
    assert!(
        peer.sent()[0].contains("expstatsn=13"),
        "each took a StatSN"
    );
}

#[test]
fn a_dropped_connection_ends_the_session() {
    // UNH-IOL FFP 20.2, 20.3; RFC 7143 11.9.1
    for event in [
        AsyncEvent::DROP_CONNECTION,
        AsyncEvent::DROP_ALL_CONNECTIONS,
    ] {
        let mut peer = Peer::new(PARAMETERS);
        peer.submit(TaskTransfer::None);
        let message = peer.async_message(event, [0, 3, 20]);
        assert_eq!(
            peer.give(&Pdu::AsyncMessage(message)),
            Ok(vec![Event::Dropped { time2wait: 3 }])
        );
        assert!(peer.sent().is_empty());
        assert_eq!(peer.session.logout(), Err(SubmitError::NotOpen));
    }
}

#[test]
fn a_reject_is_reported_with_the_header_that_it_names() {
    // RFC 7143 11.17, 7.3
    let mut peer = Peer::new(PARAMETERS);
    let tag = peer.submit(TaskTransfer::None);
    let sent = peer.sent_pdus();
    let header = Encoder::new().encode_parts(&sent[0]).unwrap().header;
    let reject = Pdu::Reject(Reject {
        reason: RejectReason::INVALID_PDU_FIELD,
        stat_sn: peer.take_stat_sn(),
        exp_cmd_sn: peer.exp_cmd_sn,
        max_cmd_sn: peer.max_cmd_sn,
        data_sn: 0,
        data: header,
    });
    assert_eq!(
        peer.give(&reject),
        Ok(vec![Event::Rejected {
            reason: RejectReason::INVALID_PDU_FIELD,
            header: Some(RejectedHeader {
                opcode: Opcode::SCSI_COMMAND,
                initiator_task_tag: tag
            })
        }])
    );
}

#[test]
fn a_logout_closes_the_session_and_nothing_follows_it() {
    // UNH-IOL FFP 17.1, 2.1; RFC 7143 11.14
    let mut peer = Peer::with_window(PARAMETERS, 1);
    peer.submit(TaskTransfer::None);
    peer.submit(TaskTransfer::None);
    peer.sent();
    let tag = peer.session.logout().unwrap();
    assert_eq!(
        peer.sent(),
        ["Logout Request I itt=0x3 reason=close the session cid=0 cmdsn=2 expstatsn=10"]
    );
    peer.max_cmd_sn = CmdSn(9);
    let ping = peer.nop_in(RESERVED_ITT, TargetTransferTag(7), peer.stat_sn);
    peer.give(&ping).unwrap();
    assert!(
        peer.sent().is_empty(),
        "nothing new on a closing connection"
    );
    assert_eq!(
        peer.session.submit(task_without_data()),
        Err(SubmitError::NotOpen)
    );
    let response = peer.logout_response(tag, LogoutOutcome::CLOSED);
    assert_eq!(
        peer.give(&response),
        Ok(vec![Event::LoggedOut {
            outcome: LogoutOutcome::CLOSED
        }])
    );
    let late = peer.nop_in(RESERVED_ITT, RESERVED_TTT, peer.stat_sn);
    assert_eq!(
        peer.give(&late),
        Err(SessionError::UnexpectedPdu {
            opcode: Opcode::NOP_IN
        })
    );
}

#[test]
fn an_unsuccessful_logout_is_reported_as_such() {
    // RFC 7143 11.15.1
    let mut peer = Peer::new(PARAMETERS);
    let tag = peer.session.logout().unwrap();
    peer.sent();
    let response = peer.logout_response(tag, LogoutOutcome::CLEANUP_FAILED);
    assert_eq!(
        peer.give(&response),
        Ok(vec![Event::LoggedOut {
            outcome: LogoutOutcome::CLEANUP_FAILED
        }])
    );
}

#[test]
fn a_logout_response_that_nobody_asked_for_ends_the_session() {
    // RFC 7143 11.15
    let mut peer = Peer::new(PARAMETERS);
    let tag = peer.submit(TaskTransfer::None);
    peer.sent();
    let response = peer.logout_response(tag, LogoutOutcome::CLOSED);
    assert_eq!(
        peer.give(&response),
        Err(SessionError::UnknownTask {
            opcode: Opcode::LOGOUT_RESPONSE,
            received: tag
        })
    );
}

#[test]
fn abort_task_names_the_task_and_ends_it_when_performed() {
    // UNH-IOL FFP 2.2, 19.1, 19.2, 19.3; RFC 7143 11.5
    let mut peer = Peer::with_window(PARAMETERS, 1);
    let task = peer.submit(write());
    peer.sent();
    let abort = peer.session.abort_task(task).unwrap();
    assert_eq!(
        peer.sent(),
        [
            "Task Management Function Request I itt=0x2 function=ABORT TASK lun=1 task=0x1 \
          refcmdsn=1 cmdsn=2 expstatsn=10"
        ]
    );
    // UNH-IOL FFP 19.4.1: R2Ts are answered until the response.
    peer.give_r2t(task, 0, 0, 8).unwrap();
    assert_eq!(peer.sent().len(), 1);
    let response = peer.task_management_response(abort, TaskManagementOutcome::FUNCTION_COMPLETE);
    assert_eq!(
        peer.give(&response),
        Ok(vec![Event::TaskManagement {
            initiator_task_tag: abort,
            outcome: TaskManagementOutcome::FUNCTION_COMPLETE,
            ended: vec![task],
        }])
    );
    assert!(peer.session.is_idle());
}

#[test]
fn a_response_of_a_task_that_was_aborted_is_nobodys_and_ends_nothing() {
    // RFC 7143 4.2.3.4; tgt does it where the command ends while the abort is on its way.
    for outcome in [
        TaskManagementOutcome::FUNCTION_COMPLETE,
        TaskManagementOutcome::TASK_DOES_NOT_EXIST,
    ] {
        let mut peer = Peer::new(PARAMETERS);
        let task = peer.submit(TaskTransfer::None);
        peer.sent();
        let abort = peer.session.abort_task(task).unwrap();
        peer.sent();
        let response = peer.task_management_response(abort, outcome);
        assert_eq!(peer.give(&response).unwrap().len(), 1);
        let departure = Event::Departure(Departure::ResponseAfterAbort);
        assert_eq!(peer.good(task), Ok(vec![departure]));
        let next = peer.submit(TaskTransfer::None);
        peer.sent();
        assert_eq!(peer.good(next).unwrap().len(), 1);
        assert!(peer.good(next).is_err(), "it was answered already");
    }
}

#[test]
fn an_r2t_of_a_task_that_was_aborted_is_given_nothing() {
    let mut peer = Peer::new(PARAMETERS);
    let task = peer.submit(write());
    peer.sent();
    let abort = peer.session.abort_task(task).unwrap();
    peer.sent();
    let response = peer.task_management_response(abort, TaskManagementOutcome::FUNCTION_COMPLETE);
    peer.give(&response).unwrap();
    peer.give_r2t(task, 0, 0, 8).unwrap();
    assert!(peer.sent().is_empty());
    assert!(peer.session.is_idle());
}

#[test]
fn a_refused_abort_leaves_the_task() {
    // RFC 7143 11.6.1
    let mut peer = Peer::new(PARAMETERS);
    let task = peer.submit(TaskTransfer::None);
    peer.sent();
    let abort = peer.session.abort_task(task).unwrap();
    peer.sent();
    let response =
        peer.task_management_response(abort, TaskManagementOutcome::FUNCTION_NOT_SUPPORTED);
    let events = peer.give(&response).unwrap();
    assert!(matches!(&events[..], [Event::TaskManagement { ended, .. }] if ended.is_empty()));
    assert_eq!(peer.good(task).unwrap().len(), 1);
}

#[test]
fn a_task_that_waits_for_the_window_is_aborted_without_a_word_to_the_target() {
    let mut peer = Peer::with_window(PARAMETERS, 0);
    let task = peer.submit(TaskTransfer::None);
    let other = peer.submit(TaskTransfer::None);
    peer.session.abort_task(task).unwrap();
    let events = peer.events();
    assert!(matches!(&events[..], [Event::TaskManagement { ended, .. }] if ended == &[task]));
    peer.max_cmd_sn = CmdSn(9);
    let nop = peer.nop_in(RESERVED_ITT, RESERVED_TTT, peer.stat_sn);
    peer.give(&nop).unwrap();
    let sent = peer.sent_pdus();
    assert!(matches!(&sent[..], [Pdu::ScsiCommand(command)]
        if command.initiator_task_tag == other && command.cmd_sn == CmdSn(1)));
    assert_eq!(
        peer.session.abort_task(task),
        Err(SubmitError::UnknownTask { task })
    );
}

#[test]
fn a_logical_unit_reset_ends_the_tasks_sent_before_it_to_that_unit() {
    // RFC 7143 11.5.1, 4.2.3.2
    let mut peer = Peer::new(PARAMETERS);
    let first = peer.submit(TaskTransfer::None);
    let elsewhere = peer
        .session
        .submit(Task {
            lun: Lun::from_number(2).unwrap(),
            ..task_without_data()
        })
        .unwrap();
    peer.sent();
    let reset = peer.session.reset_logical_unit(lun()).unwrap();
    let later = peer.submit(TaskTransfer::None);
    assert_eq!(
        peer.sent()[0],
        "Task Management Function Request I itt=0x3 function=LOGICAL UNIT RESET lun=1 \
         task=0xffffffff refcmdsn=0 cmdsn=3 expstatsn=10"
    );
    let response = peer.task_management_response(reset, TaskManagementOutcome::FUNCTION_COMPLETE);
    assert_eq!(
        peer.give(&response),
        Ok(vec![Event::TaskManagement {
            initiator_task_tag: reset,
            outcome: TaskManagementOutcome::FUNCTION_COMPLETE,
            ended: vec![first],
        }])
    );
    assert_eq!(peer.good(elsewhere).unwrap().len(), 1);
    assert_eq!(peer.good(later).unwrap().len(), 1);
}
