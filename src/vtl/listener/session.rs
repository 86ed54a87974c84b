//! The full feature phase of a connection: commands in, answers out.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Instant;

use tokio::time::timeout_at;

use super::connection::{Connection, ConnectionError};
use super::registry::Membership;
use super::{Notice, SessionEnd};
use crate::iscsi::pdu::{TaskManagementFunction, TaskManagementOutcome};
use crate::iscsi::target::{Command, Event, ScsiReply, TaskManagement};

/// Serves a session until it ends, and tells of its end.
pub(super) async fn serve(mut connection: Connection, membership: Membership) {
    let end = talk(&mut connection, &membership).await;
    membership.registry().observe(Notice::Ended {
        peer: connection.peer,
        initiator_name: membership.initiator_name(),
        end: &end,
    });
    // The place is free before the initiator can know that the session is over.
    drop(membership);
    match end {
        SessionEnd::LoggedOut | SessionEnd::Closed | SessionEnd::Fault => connection.close().await,
        SessionEnd::Reinstated | SessionEnd::Silent(_) | SessionEnd::Lost(_) => {}
    }
}

async fn talk(connection: &mut Connection, membership: &Membership) -> SessionEnd {
    let mut logged_out = false;
    let mut is_followed = true;
    loop {
        match work(connection, membership, &mut is_followed) {
            Ok(seen_logout) => logged_out |= seen_logout,
            Err(end) => return end,
        }
        if connection.is_to_be_dropped() {
            return SessionEnd::Fault;
        }
        if membership.session().is_ended() {
            return match (membership.is_current(), logged_out) {
                (false, _) => SessionEnd::Reinstated,
                (true, true) => SessionEnd::LoggedOut,
                (true, false) => SessionEnd::Closed,
            };
        }
        let listens = is_followed && connection.has_room();
        let deadline = membership.session().poll_timeout();
        let something = wait(connection, membership, listens);
        let happened = match deadline {
            None => something.await,
            Some(deadline) => match timeout_at(deadline.into(), something).await {
                Ok(happened) => happened,
                Err(_) => match membership.session_mut().handle_timeout(Instant::now()) {
                    Ok(()) => Ok(()),
                    Err(error) => return SessionEnd::Silent(error),
                },
            },
        };
        if let Err(error) = happened {
            return SessionEnd::Lost(error);
        }
    }
}

/// Does all that can be done without waiting, as long as there is room for what it leads to. What is to be sent comes first,
/// so that never more than one answer waits in the session. Returns whether the initiator has logged out.
fn work(
    connection: &mut Connection,
    membership: &Membership,
    is_followed: &mut bool,
) -> Result<bool, SessionEnd> {
    let mut logged_out = false;
    while connection.has_room() {
        let to_send = membership.session_mut().poll_transmit();
        if let Some(pdu) = to_send {
            connection
                .send(&pdu)
                .map_err(|error| SessionEnd::Lost(error.into()))?;
            continue;
        }
        let event = membership.session_mut().poll_event();
        match event {
            Some(Event::Command(command)) => {
                execute(membership, &command);
                continue;
            }
            Some(Event::TaskManagement(management)) => {
                manage(membership, &management);
                continue;
            }
            Some(Event::LoggedOut { .. }) => {
                logged_out = true;
                continue;
            }
            None => {}
        }
        if !*is_followed || membership.session().is_ended() {
            break;
        }
        match connection.next_pdu() {
            Ok(Some(pdu)) => membership
                .session_mut()
                .handle(pdu, Instant::now())
                .map_err(SessionEnd::Silent)?,
            Ok(None) => break,
            Err(malformed) => {
                *is_followed = false;
                membership
                    .session_mut()
                    .handle_malformed(&malformed.header, &malformed.error);
            }
        }
    }
    Ok(logged_out)
}

/// Waits until something could be read or written, or somebody else has done something to the session.
async fn wait(
    connection: &mut Connection,
    membership: &Membership,
    listens: bool,
) -> Result<(), ConnectionError> {
    let mut woken = pin!(membership.wake().notified());
    poll_fn(|context| {
        if woken.as_mut().poll(context).is_ready() {
            return Poll::Ready(Ok(()));
        }
        connection.poll_transfer(context, listens)
    })
    .await
}

fn execute(membership: &Membership, command: &Command) {
    let reply = {
        let mut library = membership.registry().library();
        let reply = library.execute(
            membership.nexus(),
            command.lun,
            &command.cdb,
            &command.data_out,
            // The session cuts what the initiator does not take, and tells how much that is; the library has bounds of its
            // own for what it reads.
            u32::MAX,
        );
        ScsiReply {
            status: reply.status.0,
            sense: reply.sense,
            data_in: reply.data_in,
            data_out_length: Some(reply.data_out_length),
        }
    };
    membership.session_mut().respond(command.id, reply);
}

/// Performs a task management function; the session's own tasks have been aborted already.
fn manage(membership: &Membership, management: &TaskManagement) {
    let registry = membership.registry();
    let nexus = membership.nexus();
    let lun = management.lun;
    let mut is_cold_reset = false;
    let outcome = match management.function {
        TaskManagementFunction::ABORT_TASK => TaskManagementOutcome::FUNCTION_COMPLETE,
        TaskManagementFunction::ABORT_TASK_SET | TaskManagementFunction::CLEAR_TASK_SET
            if !registry.library().logical_units().contains(&lun) =>
        {
            TaskManagementOutcome::LUN_DOES_NOT_EXIST
        }
        TaskManagementFunction::ABORT_TASK_SET => TaskManagementOutcome::FUNCTION_COMPLETE,
        TaskManagementFunction::CLEAR_TASK_SET => {
            registry.abort_tasks_of_others(nexus, Some(management.lun));
            TaskManagementOutcome::FUNCTION_COMPLETE
        }
        TaskManagementFunction::LOGICAL_UNIT_RESET => {
            if registry.library().logical_unit_reset(lun) {
                registry.abort_tasks_of_others(nexus, Some(management.lun));
                TaskManagementOutcome::FUNCTION_COMPLETE
            } else {
                TaskManagementOutcome::LUN_DOES_NOT_EXIST
            }
        }
        TaskManagementFunction::TARGET_WARM_RESET => {
            registry.library().target_reset();
            registry.abort_tasks_of_others(nexus, None);
            TaskManagementOutcome::FUNCTION_COMPLETE
        }
        TaskManagementFunction::TARGET_COLD_RESET => {
            registry.library().power_cycle();
            is_cold_reset = true;
            TaskManagementOutcome::FUNCTION_COMPLETE
        }
        _ => TaskManagementOutcome::FUNCTION_NOT_SUPPORTED,
    };
    membership
        .session_mut()
        .respond_to_management(management.id, outcome);
    if is_cold_reset {
        // It ends every connection of the target (RFC 7143 11.5.1).
        registry.with_others(None, |session| session.drop_connection(0));
    }
}
