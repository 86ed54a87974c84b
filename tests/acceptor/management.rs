//! Task management, logout, pings, asynchronous messages.

use std::time::Duration;

use bytes::Bytes;
use iscsiswiconfig::iscsi::ids::{CmdSn, InitiatorTaskTag};
use iscsiswiconfig::iscsi::operational::SessionType;
use iscsiswiconfig::iscsi::pdu::{
    DataOut, LogoutReason, Pdu, ScsiCommand, TaskManagementFunction, TaskManagementOutcome,
    TaskManagementRequest,
};
use iscsiswiconfig::iscsi::target::{
    Event, PingSettings, ScsiReply, TargetSessionError, TargetSettings, TaskManagement,
};

use super::peer::{Peer, TWENTY, data_out, lun, settings};

const NOTHING: [String; 0] = [];

fn management(peer: &mut Peer) -> TaskManagement {
    let mut events = peer.events();
    assert_eq!(events.len(), 1, "{events:#?}");
    match events.remove(0) {
        Event::TaskManagement(management) => management,
        other => panic!("{other:?}"),
    }
}

fn give(peer: &mut Peer, request: TaskManagementRequest) {
    peer.give(&Pdu::TaskManagementRequest(request));
}

fn abort(peer: &Peer, task: u32, ref_cmd_sn: u32) -> TaskManagementRequest {
    TaskManagementRequest {
        referenced_task_tag: InitiatorTaskTag(task),
        ref_cmd_sn: CmdSn(ref_cmd_sn),
        ..peer.manage(0x50, TaskManagementFunction::ABORT_TASK)
    }
}

#[test]
fn an_aborted_task_gets_no_answer() {
    // 11.5.1, 11.6.1
    let mut peer = Peer::new(settings());
    let command = peer.bare(1);
    peer.give_command(command);
    let id = peer.command().id;
    let request = abort(&peer, 1, 1);
    give(&mut peer, request);
    let management = management(&mut peer);
    assert_eq!(management.ended, [id]);
    assert_eq!(peer.sent(), NOTHING);
    assert!(!peer.session.respond(id, ScsiReply::good()));
    let done = TaskManagementOutcome::FUNCTION_COMPLETE;
    assert!(peer.session.respond_to_management(management.id, done));
    assert!(!peer.session.respond_to_management(management.id, done));
    assert_eq!(
        peer.sent_one(),
        "Task Management Function Response itt=0x50 response=function complete statsn=10 expcmdsn=2 maxcmdsn=5"
    );
}

#[test]
fn an_answer_that_waits_to_be_sent_goes_with_its_task() {
    // 11.5.1: no response behind that of the function
    let mut peer = Peer::new(settings());
    let read = peer.read(1, 20);
    peer.give_command(read);
    let id = peer.command().id;
    let data = Bytes::from_static(TWENTY);
    assert!(peer.session.respond(id, ScsiReply::data_in(data)));
    assert!(peer.session.poll_transmit().is_some());
    let request = abort(&peer, 1, 1);
    give(&mut peer, request);
    let management = management(&mut peer);
    let done = TaskManagementOutcome::FUNCTION_COMPLETE;
    assert!(peer.session.respond_to_management(management.id, done));
    assert!(peer.sent_one().contains("function complete"));
}

#[test]
fn a_task_that_does_not_exist_is_told_from_one_that_has_not_come() {
    // 11.6.1: a number in the window counts as received
    let mut peer = Peer::new(settings());
    let first = peer.bare(1);
    peer.give_command(first);
    let id = peer.command().id;
    peer.good(id);
    assert_eq!(peer.sent().len(), 1);
    let ended = abort(&peer, 1, 1);
    give(&mut peer, ended);
    assert!(peer.sent_one().contains("response=task does not exist"));

    let missing = peer.bare(2);
    let behind = peer.bare(3);
    peer.give_command(behind);
    assert_eq!(peer.events(), []);
    let request = abort(&peer, 2, 2);
    give(&mut peer, request);
    assert_eq!(peer.command().initiator_task_tag, InitiatorTaskTag(3));
    assert!(
        peer.sent_one()
            .contains("response=function complete statsn=12 expcmdsn=4")
    );
    peer.give_command(missing);
    assert_eq!(peer.events(), []);
}

#[test]
fn task_management_is_not_aborted() {
    // 11.5.1
    let mut peer = Peer::new(settings());
    let reset = peer.manage(0x60, TaskManagementFunction::LOGICAL_UNIT_RESET);
    give(&mut peer, reset);
    let request = abort(&peer, 0x60, 1);
    give(&mut peer, request);
    assert!(
        peer.sent_one()
            .contains("itt=0x50 response=function rejected")
    );
}

#[test]
fn functions_that_are_not_supported_say_so() {
    // 11.6.1
    let mut peer = Peer::new(settings());
    for (function, response) in [
        (
            TaskManagementFunction::CLEAR_ACA,
            "task management function not supported",
        ),
        (
            TaskManagementFunction::TASK_REASSIGN,
            "task allegiance reassignment not supported",
        ),
        (
            TaskManagementFunction(12),
            "task management function not supported",
        ),
    ] {
        let request = peer.manage(0x50, function);
        give(&mut peer, request);
        assert!(peer.sent_one().contains(response));
    }
}

#[test]
fn a_function_on_a_logical_unit_ends_the_tasks_of_that_unit_only() {
    // 4.2.3.2
    for function in [
        TaskManagementFunction::ABORT_TASK_SET,
        TaskManagementFunction::CLEAR_TASK_SET,
        TaskManagementFunction::LOGICAL_UNIT_RESET,
    ] {
        let mut peer = Peer::new(settings());
        let (one, two) = (peer.bare(1), peer.bare(2));
        let other = ScsiCommand {
            lun: lun(2),
            ..peer.bare(3)
        };
        for command in [one, two, other] {
            peer.give_command(command);
        }
        let commands = peer.commands();
        let request = peer.manage(0x50, function);
        give(&mut peer, request);
        let management = management(&mut peer);
        assert_eq!(management.function, function);
        assert_eq!(management.lun, lun(1));
        assert_eq!(management.ended, [commands[0].id, commands[1].id]);
        peer.good(commands[2].id);
    }
}

#[test]
fn a_target_reset_ends_all_tasks() {
    // 4.2.3.2
    let mut peer = Peer::new(settings());
    let one = peer.bare(1);
    let other = ScsiCommand {
        lun: lun(2),
        ..peer.bare(2)
    };
    peer.give_command(one);
    peer.give_command(other);
    assert_eq!(peer.commands().len(), 2);
    let request = peer.manage(0x50, TaskManagementFunction::TARGET_WARM_RESET);
    give(&mut peer, request);
    assert_eq!(management(&mut peer).ended.len(), 2);
    assert!(!peer.session.is_idle(), "the function waits for its answer");
}

#[test]
fn a_function_waits_for_the_commands_that_it_covers() {
    // 4.2.3.3 b
    let mut peer = Peer::new(settings());
    let missing = peer.bare(1);
    let request = peer.manage(0x50, TaskManagementFunction::ABORT_TASK_SET);
    give(&mut peer, request);
    assert_eq!(peer.events(), []);
    peer.give_command(missing);
    let events = peer.events();
    let [Event::TaskManagement(management)] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(management.ended.len(), 1);
}

#[test]
fn a_function_waits_for_data_that_was_asked_for_and_drops_it() {
    // 4.2.3.3 a
    let mut peer = Peer::new(settings());
    let write = peer.write(1, 8);
    peer.give_command(write);
    assert_eq!(peer.sent().len(), 1);
    let request = peer.manage(0x50, TaskManagementFunction::ABORT_TASK_SET);
    give(&mut peer, request);
    assert_eq!(peer.events(), []);
    assert_eq!(peer.session.buffered(), 0);
    peer.give_data_out(data_out(1, 1));
    assert_eq!(management(&mut peer).ended.len(), 1);
    assert_eq!(peer.sent(), NOTHING);
    assert_eq!(peer.session.poll_timeout(), None);
}

#[test]
fn data_that_never_comes_is_not_waited_for_forever_and_is_dropped_when_it_is_late() {
    let mut peer = Peer::new(settings());
    let write = peer.write(1, 8);
    peer.give_command(write);
    assert_eq!(peer.sent().len(), 1);
    let request = peer.manage(0x50, TaskManagementFunction::LOGICAL_UNIT_RESET);
    give(&mut peer, request);
    assert_eq!(
        peer.session.poll_timeout(),
        Some(peer.start + Duration::from_secs(2))
    );
    peer.wait(1);
    peer.session.handle_timeout(peer.now).unwrap();
    assert_eq!(peer.events(), []);
    peer.wait(1);
    peer.session.handle_timeout(peer.now).unwrap();
    let management = management(&mut peer);
    let done = TaskManagementOutcome::FUNCTION_COMPLETE;
    assert!(peer.session.respond_to_management(management.id, done));
    assert!(peer.sent_one().contains("expcmdsn=2 maxcmdsn=5"));
    let late = DataOut {
        data: Bytes::from_static(b"12345678"),
        ..data_out(1, 1)
    };
    peer.give_data_out(late);
    assert_eq!(peer.sent(), NOTHING);
    assert!(peer.session.is_idle());
}

#[test]
fn tasks_end_for_a_function_of_another_session() {
    // 4.2.3.2
    let mut peer = Peer::new(settings());
    let (one, two) = (peer.bare(1), peer.write(2, 8));
    peer.give_command(one);
    peer.give_command(two);
    let id = peer.command().id;
    assert_eq!(peer.session.abort_tasks(Some(lun(7))), []);
    assert_eq!(peer.session.abort_tasks(Some(lun(1))).len(), 2);
    assert_eq!(peer.sent(), NOTHING, "the R2T is taken back");
    assert!(!peer.session.respond(id, ScsiReply::good()));
    peer.give(&Pdu::NopOut(peer.nop_out(9, u32::MAX, b"")));
    assert!(peer.sent_one().contains("expcmdsn=3 maxcmdsn=6"));
}

#[test]
fn a_logout_ends_what_has_no_answer_and_is_the_last_to_be_sent() {
    // 11.14, 11.15, 7.6
    let mut peer = Peer::new(settings());
    let (one, two) = (peer.bare(1), peer.bare(2));
    peer.give_command(one);
    peer.give_command(two);
    let commands = peer.commands();
    peer.good(commands[0].id);
    peer.give(&Pdu::LogoutRequest(
        peer.logout(LogoutReason::CLOSE_SESSION, 0),
    ));
    assert_eq!(
        peer.events(),
        [Event::LoggedOut {
            reason: LogoutReason::CLOSE_SESSION,
            ended: vec![commands[1].id]
        }]
    );
    assert!(!peer.session.respond(commands[1].id, ScsiReply::good()));
    assert!(!peer.session.is_ended());
    let sent = peer.sent();
    assert_eq!(sent.len(), 2, "{sent:?}");
    assert!(sent[0].contains("itt=0x1 status=0x00 statsn=10"));
    assert_eq!(
        sent[1],
        "Logout Response itt=0x99 response=connection or session closed successfully statsn=11 expcmdsn=3 maxcmdsn=6 time2wait=0 time2retain=0"
    );
    assert!(peer.session.is_ended());
}

#[test]
fn a_logout_of_another_connection_or_for_recovery_changes_nothing() {
    // 11.15.1
    let mut peer = Peer::new(settings());
    for (reason, cid, response) in [
        (LogoutReason::CLOSE_CONNECTION, 3, "CID not found"),
        (
            LogoutReason::REMOVE_CONNECTION,
            0,
            "connection recovery is not supported",
        ),
    ] {
        peer.give(&Pdu::LogoutRequest(peer.logout(reason, cid)));
        assert!(peer.sent_one().contains(response));
        assert_eq!(peer.events(), []);
    }
    assert!(!peer.session.is_ended());
    peer.give(&Pdu::LogoutRequest(
        peer.logout(LogoutReason::CLOSE_CONNECTION, 0),
    ));
    assert_eq!(peer.sent().len(), 1);
    assert!(peer.session.is_ended());
}

#[test]
fn a_ping_of_the_initiator_is_returned_as_far_as_it_takes_data() {
    // 11.18.3, 11.19
    let mut peer = Peer::new(settings());
    peer.give(&Pdu::NopOut(peer.nop_out(7, u32::MAX, b"123456789")));
    let sent = peer.sent_pdus();
    let [Pdu::NopIn(nop_in)] = &sent[..] else {
        panic!("{sent:?}")
    };
    assert_eq!(nop_in.data, b"12345678"[..]);
    assert_eq!(nop_in.initiator_task_tag, InitiatorTaskTag(7));
    assert_eq!(nop_in.target_transfer_tag.0, u32::MAX);
    // One that wants no answer gets none.
    peer.give(&Pdu::NopOut(peer.nop_out(u32::MAX, u32::MAX, b"")));
    assert_eq!(peer.sent(), NOTHING);
}

fn pinging() -> Peer {
    Peer::new(TargetSettings {
        ping: Some(PingSettings {
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(5),
        }),
        ..settings()
    })
}

#[test]
fn a_silent_initiator_is_pinged_and_given_up() {
    // 11.19, 7.5
    let mut peer = pinging();
    assert_eq!(
        peer.session.poll_timeout(),
        Some(peer.start + Duration::from_secs(10))
    );
    peer.wait(10);
    peer.session.handle_timeout(peer.now).unwrap();
    // StatSN is not advanced by a ping (11.19.2).
    assert_eq!(
        peer.sent_one(),
        "NOP-In ttt=0x1 lun=0 statsn=10 expcmdsn=1 maxcmdsn=4"
    );
    peer.wait(4);
    peer.session.handle_timeout(peer.now).unwrap();
    assert_eq!(peer.sent(), NOTHING);
    peer.wait(1);
    assert_eq!(peer.session.poll_timeout(), Some(peer.now));
    assert_eq!(
        peer.session.handle_timeout(peer.now),
        Err(TargetSessionError::PingTimeout {
            after: Duration::from_secs(5)
        })
    );
    assert!(peer.session.is_ended());
}

#[test]
fn any_pdu_is_a_sign_of_life() {
    let mut peer = pinging();
    peer.wait(10);
    peer.session.handle_timeout(peer.now).unwrap();
    assert_eq!(peer.sent().len(), 1);
    peer.wait(4);
    peer.give(&Pdu::NopOut(peer.nop_out(u32::MAX, 1, b"")));
    assert_eq!(peer.sent(), NOTHING);
    assert_eq!(
        peer.session.poll_timeout(),
        Some(peer.now + Duration::from_secs(10))
    );
    peer.wait(5);
    peer.session.handle_timeout(peer.now).unwrap();
    assert_eq!(peer.sent(), NOTHING);
}

#[test]
fn a_logout_can_be_asked_for_and_the_connection_dropped() {
    // 11.9.1
    let mut peer = Peer::new(settings());
    peer.session.request_logout(3);
    assert!(
        peer.sent_one()
            .contains("event=target requests logout vcode=0 lun=0 statsn=10")
    );
    let command = peer.bare(1);
    peer.give_command(command);
    let id = peer.command().id;
    peer.session.drop_connection(2);
    assert!(!peer.session.respond(id, ScsiReply::good()));
    let dropped = peer.sent_one();
    assert!(
        dropped.contains("event=target drops the connection")
            && dropped.contains("parameters=0,2,0"),
        "{dropped}"
    );
    assert!(peer.session.is_ended());
}

#[test]
fn a_discovery_session_is_dropped_without_a_message() {
    // 7.4.3
    let mut peer = Peer::new(TargetSettings {
        session_type: SessionType::Discovery,
        ..settings()
    });
    peer.session.drop_connection(2);
    assert!(peer.session.is_ended());
    assert_eq!(peer.sent(), NOTHING);
}
