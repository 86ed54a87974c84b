//! The full feature phase of a connection: commands in, answers out.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout_at};

use super::backend::BackendAnswer;
use super::connection::{FaultyConnection, ServedConnectionError};
use super::crowd::{ConnectionStage, CrowdPlace};
use super::registry::{Membership, Reserved};
use super::{Notice, SessionEnd};
use crate::iscsi::pdu::{TaskManagementFunction, TaskManagementOutcome};
use crate::iscsi::target::{Event, ReceivedCommand, ScsiReply, TaskId, TaskManagement};
use crate::transport::ByteStream;

/// Serves a session until it ends, reports its end, and returns it.
pub(super) async fn serve<S: ByteStream>(
    mut connection: FaultyConnection<S>,
    membership: Membership,
    place: &CrowdPlace<AbortHandle>,
) -> SessionEnd {
    let end = talk(&mut connection, &membership).await;
    membership.registry().observe(Notice::Ended {
        peer: connection.peer,
        target_name: membership.target_name(),
        initiator_name: membership.initiator_name(),
        end: &end,
    });
    // The place is free before the initiator can know that the session is over.
    drop(membership);
    match &end {
        SessionEnd::LoggedOut | SessionEnd::Closed | SessionEnd::Fault => {
            place.becomes(ConnectionStage::Closing);
            connection.close().await;
        }
        SessionEnd::Reinstated | SessionEnd::Silent(_) | SessionEnd::Lost(_) => {}
    }
    end
}

async fn talk<S: ByteStream>(
    connection: &mut FaultyConnection<S>,
    membership: &Membership,
) -> SessionEnd {
    let mut logged_out = false;
    let mut is_followed = true;
    let mut outstanding = UnansweredCommands::default();
    loop {
        outstanding.forget_ended(membership);
        match work(connection, membership, &mut outstanding, &mut is_followed) {
            Ok(seen_logout) => logged_out |= seen_logout,
            Err(end) => return end,
        }
        if connection.is_to_be_dropped() {
            return SessionEnd::Fault;
        }
        if membership.has_lost_power() {
            return SessionEnd::Fault;
        }
        if membership.session().is_ended() {
            return match (membership.is_current(), logged_out) {
                (false, _) => SessionEnd::Reinstated,
                (true, true) => SessionEnd::LoggedOut,
                (true, false) => SessionEnd::Closed,
            };
        }
        let listens =
            is_followed && connection.has_room() && membership.registry().takes_data_out();
        let deadline = membership.session().poll_timeout();
        let something = wait(connection, membership, &mut outstanding, listens);
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
fn work<S: ByteStream>(
    connection: &mut FaultyConnection<S>,
    membership: &Membership,
    outstanding: &mut UnansweredCommands,
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
        let event = match outstanding.is_full(membership) {
            true => None,
            false => membership.session_mut().poll_event(),
        };
        match event {
            Some(Event::Command(command)) => {
                outstanding.execute(membership, command);
                continue;
            }
            Some(Event::TaskManagement(management)) => {
                outstanding.manage(membership, management);
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
            Ok(Some(pdu)) => {
                membership
                    .session_mut()
                    .handle(pdu, Instant::now())
                    .map_err(SessionEnd::Silent)?;
                if membership.session().incomplete_data() > 0 {
                    membership.registry().bound_incomplete_data();
                }
            }
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

/// Waits until something could be read or written, an answer of the backend has come, or another connection has acted on
/// the session.
async fn wait<S: ByteStream>(
    connection: &mut FaultyConnection<S>,
    membership: &Membership,
    outstanding: &mut UnansweredCommands,
    listens: bool,
) -> Result<(), ServedConnectionError> {
    let mut woken = pin!(membership.wake().notified());
    poll_fn(|context| {
        if woken.as_mut().poll(context).is_ready() {
            return Poll::Ready(Ok(()));
        }
        if outstanding.poll(membership, context).is_ready() {
            return Poll::Ready(Ok(()));
        }
        connection.poll_transfer(context, listens)
    })
    .await
}

/// Answers of the backend that are outstanding.
#[derive(Default)]
struct UnansweredCommands {
    commands: Vec<OutstandingCommand>,
    managements: Vec<(TaskManagement, BackendAnswer<TaskManagementOutcome>)>,
}

/// A command that the backend has not answered.
struct OutstandingCommand {
    id: TaskId,
    /// The most that its answer may bring, in bytes.
    expected_data_in: u64,
    _data_out: Reserved,
    answer: BackendAnswer<ScsiReply>,
}

impl UnansweredCommands {
    /// Returns whether another command has to wait until one is answered.
    fn is_full(&self, membership: &Membership) -> bool {
        let expected = self.commands.iter().map(|command| command.expected_data_in);
        expected.fold(0, u64::saturating_add) >= membership.registry().max_data_in()
    }

    /// Has a command executed; most are answered at once.
    fn execute(&mut self, membership: &Membership, command: ReceivedCommand) {
        let id = command.id;
        let expected_data_in = command.expected_data_in_length.into();
        let length = u64::try_from(command.data_out.len()).unwrap_or(u64::MAX);
        let backend = membership.registry().backend();
        let mut answer = backend.execute(membership.nexus(), command);
        let delay = membership.registry().take_delay();
        let polled = answer
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        let polled = match (polled, delay) {
            (polled, None) => polled,
            (Poll::Ready(reply), Some(delay)) => {
                let delayed = sleep(delay);
                answer = Box::pin(async move {
                    delayed.await;
                    reply
                });
                Poll::Pending
            }
            (Poll::Pending, Some(delay)) => {
                let delayed = sleep(delay);
                answer = Box::pin(async move {
                    let reply = answer.await;
                    delayed.await;
                    reply
                });
                Poll::Pending
            }
        };
        match polled {
            Poll::Ready(reply) => {
                membership.session_mut().respond(id, reply);
            }
            Poll::Pending => self.commands.push(OutstandingCommand {
                id,
                expected_data_in,
                _data_out: membership.registry().reserve(length),
                answer,
            }),
        }
    }

    /// Begins a task management function; the session's own tasks have been aborted already.
    fn manage(&mut self, membership: &Membership, management: TaskManagement) {
        use TaskManagementFunction as Function;
        let registry = membership.registry();
        let (nexus, lun, function) = (membership.nexus(), management.lun, management.function);
        let of_unit = match function {
            Function::ABORT_TASK | Function::TARGET_WARM_RESET | Function::TARGET_COLD_RESET => {
                false
            }
            Function::ABORT_TASK_SET | Function::CLEAR_TASK_SET | Function::LOGICAL_UNIT_RESET => {
                true
            }
            _ => {
                let outcome = TaskManagementOutcome::FUNCTION_NOT_SUPPORTED;
                return self.managed(membership, &management, outcome);
            }
        };
        if of_unit && !registry.backend().has_logical_unit(lun) {
            let outcome = TaskManagementOutcome::LUN_DOES_NOT_EXIST;
            return self.managed(membership, &management, outcome);
        }
        match function {
            Function::CLEAR_TASK_SET | Function::LOGICAL_UNIT_RESET => {
                registry.abort_tasks_of_others(nexus, Some(lun));
            }
            Function::TARGET_WARM_RESET | Function::TARGET_COLD_RESET => {
                registry.abort_tasks_of_others(nexus, None);
            }
            _ => {}
        }
        self.forget_ended(membership);
        let mut answer = registry.backend().manage(nexus, function, lun);
        match answer
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(outcome) => self.managed(membership, &management, outcome),
            Poll::Pending => self.managements.push((management, answer)),
        }
    }

    fn managed(
        &self,
        membership: &Membership,
        management: &TaskManagement,
        outcome: TaskManagementOutcome,
    ) {
        membership
            .session_mut()
            .respond_to_management(management.id, outcome);
        if management.function == TaskManagementFunction::TARGET_COLD_RESET {
            // It ends every connection of the target (RFC 7143 11.5.1).
            let registry = membership.registry();
            registry.with_others(None, |session| session.drop_connection(0));
        }
    }

    /// Drops the answers to commands that were aborted, by this session or by another one: they need not be done.
    fn forget_ended(&mut self, membership: &Membership) {
        if !self.commands.is_empty() {
            let session = membership.session();
            self.commands
                .retain(|command| session.awaits_reply(command.id));
        }
    }

    /// Hands on the answers that have come; ready when there was one.
    fn poll(&mut self, membership: &Membership, context: &mut Context<'_>) -> Poll<()> {
        let mut come = Poll::Pending;
        self.commands.retain_mut(|command| {
            let Poll::Ready(reply) = command.answer.as_mut().poll(context) else {
                return true;
            };
            membership.session_mut().respond(command.id, reply);
            come = Poll::Ready(());
            false
        });
        let mut managed = Vec::new();
        self.managements.retain_mut(|(management, answer)| {
            let Poll::Ready(outcome) = answer.as_mut().poll(context) else {
                return true;
            };
            managed.push((management.clone(), outcome));
            false
        });
        for (management, outcome) in managed {
            self.managed(membership, &management, outcome);
            come = Poll::Ready(());
        }
        come
    }
}
