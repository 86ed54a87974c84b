//! The driver of a session: requests in, PDUs out and in, answers back, timers.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::task::yield_now;
use tokio::time::{Instant, Sleep, sleep_until};

use super::{
    AnswerSender, CommandId, Completed, ExecuteError, Initiator, InitiatorRequest, InitiatorState,
    RequestFailure, SessionLost,
};
use crate::iscsi::ids::InitiatorTaskTag;
use crate::iscsi::initiator::{Completion, Event, Session};
use crate::iscsi::pdu::{LogoutOutcome, Pdu, RejectReason, ServiceResponse, TaskManagementOutcome};
use crate::transport::connection::Connection;
use crate::transport::{ConnectionError, PduOnWire, Step};

use bytes::Bytes;

/// After so many PDUs without a wait the other tasks of the thread have their turn.
const PDUS_AT_ONCE: usize = 16;

/// Moves the bytes of one session and keeps its timers: to be spawned, or polled beside what uses the handle.
#[must_use]
pub struct Driver<S, O> {
    connection: Connection<S>,
    session: Session,
    observe: O,
    requests: mpsc::UnboundedReceiver<InitiatorRequest>,
    /// Whether there are handles that may still ask for something.
    has_handles: bool,
    commands: HashMap<InitiatorTaskTag, PendingCommand>,
    tags: HashMap<CommandId, InitiatorTaskTag>,
    others: HashMap<InitiatorTaskTag, PendingRequest>,
    shared: Arc<InitiatorState>,
    /// How the session ends once the logout that is under way is answered.
    leaving: Option<SessionLost>,
}

/// A command that is outstanding, with its place among [`super::MAX_OUTSTANDING`].
struct PendingCommand {
    id: CommandId,
    sent: bool,
    answer: oneshot::Sender<Result<Completed, ExecuteError>>,
    _place: OwnedSemaphorePermit,
}

/// Any other request that waits for its answer.
enum PendingRequest {
    TaskManagement(AnswerSender<TaskManagementOutcome>),
    Ping(AnswerSender<()>),
    Text(AnswerSender<Bytes>),
    Logout(AnswerSender<LogoutOutcome>),
}

impl PendingRequest {
    fn fail(self, failure: RequestFailure) {
        // The caller may have dropped its future.
        match self {
            Self::TaskManagement(answer) => drop(answer.send(Err(failure))),
            Self::Ping(answer) => drop(answer.send(Err(failure))),
            Self::Text(answer) => drop(answer.send(Err(failure))),
            Self::Logout(answer) => drop(answer.send(Err(failure))),
        }
    }
}

impl<S, O> Driver<S, O>
where
    S: AsyncRead + AsyncWrite + Unpin,
    O: Fn(Step<'_>),
{
    /// Returns the driver of a session that has just logged in, and the first handle.
    pub(super) fn new(
        connection: Connection<S>,
        session: Session,
        observe: O,
    ) -> (Initiator, Self) {
        let (sender, requests) = mpsc::unbounded_channel();
        let shared = InitiatorState::new();
        let window = session.command_window();
        shared.window.fetch_max(window, Ordering::Relaxed);
        let initiator = Initiator {
            requests: sender,
            shared: Arc::clone(&shared),
        };
        let driver = Self {
            connection,
            session,
            observe,
            requests,
            has_handles: true,
            commands: HashMap::new(),
            tags: HashMap::new(),
            others: HashMap::new(),
            shared,
            leaving: None,
        };
        (initiator, driver)
    }

    /// Drives the session to its end and returns why it ended. Whatever is outstanding then fails with that cause.
    pub async fn run(mut self) -> SessionLost {
        let lost = match self.drive().await {
            Ok(never) => match never {},
            Err(lost) => lost,
        };
        let ended = (Instant::now(), self.session.time2wait());
        let _ = self.shared.ended.set(ended);
        let _ = self.shared.lost.set(lost.clone());
        lost
    }

    async fn drive(&mut self) -> Result<std::convert::Infallible, SessionLost> {
        let mut timer: Pin<&mut Sleep> = pin!(sleep_until(Instant::now()));
        let mut without_wait = 0_usize;
        loop {
            // All that has been asked for meanwhile goes out together.
            while let Ok(request) = self.requests.try_recv() {
                self.take(request);
            }
            self.take_events()?;
            self.leave_when_unused();
            self.transmit()?;
            let listens = self.connection.has_room();
            let pdu = match listens {
                true => {
                    let observe = |passing: PduOnWire<'_>| (self.observe)(Step::Pdu(passing));
                    let next = self.connection.next_pdu(&observe);
                    next.map_err(connection_lost)?
                }
                false => None,
            };
            if let Some(pdu) = pdu {
                self.session.handle(pdu, now())?;
                let window = self.session.command_window();
                self.shared.window.fetch_max(window, Ordering::Relaxed);
                without_wait = without_wait.saturating_add(1);
                if without_wait < PDUS_AT_ONCE {
                    continue;
                }
                // A target that never stops sending keeps neither the timers nor the other tasks from their turn.
                yield_now().await;
                if self.session.poll_timeout().is_some_and(|due| due <= now()) {
                    self.session.handle_timeout(now())?;
                }
                without_wait = 0;
                continue;
            }
            without_wait = 0;
            let deadline = self.session.poll_timeout();
            if let Some(deadline) = deadline {
                timer.as_mut().reset(deadline.into());
            }
            let has_timer = deadline.is_some();
            let woken = poll_fn(|context| {
                self.poll_wake(context, listens, has_timer.then_some(timer.as_mut()))
            })
            .await?;
            if woken == Woken::Timer {
                self.session.handle_timeout(now())?;
            }
        }
    }

    /// Waits for a request, for the connection, and for the timer.
    fn poll_wake(
        &mut self,
        context: &mut Context<'_>,
        listens: bool,
        timer: Option<Pin<&mut Sleep>>,
    ) -> Poll<Result<Woken, SessionLost>> {
        if self.has_handles
            && let Poll::Ready(request) = self.requests.poll_recv(context)
        {
            match request {
                Some(request) => self.take(request),
                None => self.has_handles = false,
            }
            return Poll::Ready(Ok(Woken::Work));
        }
        if let Poll::Ready(transferred) = self.connection.poll_transfer(context, listens) {
            return Poll::Ready(transferred.map(|()| Woken::Work).map_err(connection_lost));
        }
        match timer.map(|timer| timer.poll(context)) {
            Some(Poll::Ready(())) => Poll::Ready(Ok(Woken::Timer)),
            _ => Poll::Pending,
        }
    }

    fn take(&mut self, request: InitiatorRequest) {
        match request {
            InitiatorRequest::Execute {
                id,
                task,
                answer,
                place,
            } => match self.session.submit(task) {
                Ok(tag) => {
                    self.tags.insert(id, tag);
                    let pending = PendingCommand {
                        id,
                        sent: false,
                        answer,
                        _place: place,
                    };
                    self.commands.insert(tag, pending);
                }
                Err(error) => {
                    let error = match &self.leaving {
                        Some(cause) => ExecuteError::Lost {
                            sent: false,
                            cause: cause.clone(),
                        },
                        None => ExecuteError::Submit(error),
                    };
                    let _ = answer.send(Err(error));
                }
            },
            InitiatorRequest::Abort(id, answer) => {
                let tag = self.tags.get(&id).copied();
                let aborted = tag.and_then(|tag| self.session.abort_task(tag).ok());
                match aborted {
                    Some(tag) => self.await_answer(tag, PendingRequest::TaskManagement(answer)),
                    None => {
                        let _ = answer.send(Ok(TaskManagementOutcome::TASK_DOES_NOT_EXIST));
                    }
                }
            }
            InitiatorRequest::ResetLogicalUnit(lun, answer) => {
                let tag = self.session.reset_logical_unit(lun).ok();
                self.ask(tag, PendingRequest::TaskManagement(answer));
            }
            InitiatorRequest::Ping(answer) => {
                let tag = self.session.ping().ok();
                self.ask(tag, PendingRequest::Ping(answer));
            }
            InitiatorRequest::Text(text, answer) => {
                let tag = self.session.text(text).ok();
                self.ask(tag, PendingRequest::Text(answer));
            }
            InitiatorRequest::Logout(answer) => {
                let tag = self.session.logout().ok();
                self.leaving.get_or_insert(SessionLost::LoggedOut);
                self.ask(tag, PendingRequest::Logout(answer));
            }
        }
    }

    /// Keeps who waits for the answer to a request; without a tag the session takes no more requests.
    fn ask(&mut self, tag: Option<InitiatorTaskTag>, pending: PendingRequest) {
        match tag {
            Some(tag) => self.await_answer(tag, pending),
            None => {
                let cause = self.leaving.clone().unwrap_or(SessionLost::LoggedOut);
                pending.fail(RequestFailure::Lost(cause));
            }
        }
    }

    fn await_answer(&mut self, tag: InitiatorTaskTag, pending: PendingRequest) {
        self.others.insert(tag, pending);
    }

    /// Logs out when there is no handle left and nothing outstanding.
    fn leave_when_unused(&mut self) {
        if !self.has_handles && self.session.is_idle() && self.leaving.is_none() {
            self.leaving = Some(SessionLost::LoggedOut);
            // A session that takes no logout is at its end, which an event tells.
            let _ = self.session.logout();
        }
    }

    /// Queues what the session has to send, as far as there is room.
    fn transmit(&mut self) -> Result<(), SessionLost> {
        while self.connection.has_room()
            && let Some(pdu) = self.session.poll_transmit(now())
        {
            if let Pdu::ScsiCommand(command) = &pdu
                && let Some(pending) = self.commands.get_mut(&command.initiator_task_tag)
            {
                pending.sent = true;
            }
            let observe = |passing: PduOnWire<'_>| (self.observe)(Step::Pdu(passing));
            self.connection
                .send(&pdu, &observe)
                .map_err(|error| connection_lost(error.into()))?;
        }
        Ok(())
    }

    fn take_events(&mut self) -> Result<(), SessionLost> {
        while let Some(event) = self.session.poll_event() {
            match event {
                Event::Completed(completion) => {
                    self.end_command(completion.initiator_task_tag, completed(completion));
                }
                Event::TimedOut {
                    initiator_task_tag,
                    after,
                    last_received,
                } => {
                    let error = ExecuteError::Timeout {
                        after,
                        last_received,
                    };
                    self.end_command(initiator_task_tag, Err(error));
                }
                Event::TaskManagement {
                    initiator_task_tag,
                    outcome,
                    ended,
                } => {
                    for tag in ended {
                        self.end_command(tag, Err(ExecuteError::Aborted));
                    }
                    // No caller waits for an abort after a timeout.
                    if let Some(PendingRequest::TaskManagement(answer)) =
                        self.others.remove(&initiator_task_tag)
                    {
                        let _ = answer.send(Ok(outcome));
                    }
                }
                Event::PingAnswered { initiator_task_tag } => {
                    if let Some(PendingRequest::Ping(answer)) =
                        self.others.remove(&initiator_task_tag)
                    {
                        let _ = answer.send(Ok(()));
                    }
                }
                Event::TextAnswered {
                    initiator_task_tag,
                    text,
                } => {
                    if let Some(PendingRequest::Text(answer)) =
                        self.others.remove(&initiator_task_tag)
                    {
                        let _ = answer.send(Ok(text));
                    }
                }
                Event::Rejected { reason, header } => {
                    self.rejected(reason, header.map(|header| header.initiator_task_tag));
                }
                Event::WindowClosed { since } => (self.observe)(Step::WindowClosed(since)),
                Event::Departure(departure) => (self.observe)(Step::Departed(&departure)),
                Event::AsyncMessage(_) => {}
                Event::LogoutRequested { .. } => {
                    if self.leaving.is_none() && self.session.logout().is_ok() {
                        self.leaving = Some(SessionLost::LogoutRequested);
                        self.fail_commands(&SessionLost::LogoutRequested);
                    }
                }
                Event::Dropped { .. } => return Err(SessionLost::Dropped),
                Event::LoggedOut { outcome } => {
                    for (_, pending) in self.others.drain() {
                        match pending {
                            PendingRequest::Logout(answer) => drop(answer.send(Ok(outcome))),
                            pending => pending.fail(RequestFailure::Lost(SessionLost::LoggedOut)),
                        }
                    }
                    return Err(self.leaving.take().unwrap_or(SessionLost::LoggedOut));
                }
            }
        }
        Ok(())
    }

    fn end_command(&mut self, tag: InitiatorTaskTag, result: Result<Completed, ExecuteError>) {
        if let Some(pending) = self.commands.remove(&tag) {
            self.tags.remove(&pending.id);
            // The caller may have dropped its future.
            let _ = pending.answer.send(result);
        }
    }

    /// Fails what was rejected; a Reject that does not say what it rejects may be about any command.
    fn rejected(&mut self, reason: RejectReason, tag: Option<InitiatorTaskTag>) {
        match tag {
            Some(tag) if self.commands.contains_key(&tag) => {
                self.end_command(tag, Err(ExecuteError::Rejected(reason)));
            }
            Some(tag) if self.others.contains_key(&tag) => {
                if let Some(pending) = self.others.remove(&tag) {
                    pending.fail(RequestFailure::Rejected(reason));
                }
            }
            _ => {
                let tags: Vec<_> = self.commands.keys().copied().collect();
                for tag in tags {
                    self.end_command(tag, Err(ExecuteError::Rejected(reason)));
                }
            }
        }
    }

    fn fail_commands(&mut self, cause: &SessionLost) {
        self.tags.clear();
        for (_, pending) in self.commands.drain() {
            let _ = pending.answer.send(Err(ExecuteError::Lost {
                sent: pending.sent,
                cause: cause.clone(),
            }));
        }
    }
}

impl<S, O> Drop for Driver<S, O> {
    /// Tells everybody who waits. A driver that is dropped before its end has given the session up.
    fn drop(&mut self) {
        let lost = self
            .shared
            .lost
            .get_or_init(|| SessionLost::GivenUp)
            .clone();
        self.shared.places.close();
        self.requests.close();
        for (_, pending) in self.commands.drain() {
            let _ = pending.answer.send(Err(ExecuteError::Lost {
                sent: pending.sent,
                cause: lost.clone(),
            }));
        }
        for (_, pending) in self.others.drain() {
            pending.fail(RequestFailure::Lost(lost.clone()));
        }
        // Requests that were never taken are dropped with their channel, and their answers with them.
        while let Ok(request) = self.requests.try_recv() {
            if let InitiatorRequest::Execute { answer, .. } = request {
                let _ = answer.send(Err(ExecuteError::Lost {
                    sent: false,
                    cause: lost.clone(),
                }));
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Woken {
    /// There may be something to do.
    Work,
    /// The session's timer.
    Timer,
}

fn completed(completion: Completion) -> Result<Completed, ExecuteError> {
    match completion.response {
        ServiceResponse::COMMAND_COMPLETED => Ok(Completed {
            status: completion.status,
            sense: completion.sense,
            data: completion.data,
            residual: completion.residual,
            transferred: completion.transferred,
        }),
        response => Err(ExecuteError::TargetFailure(response)),
    }
}

fn connection_lost(error: ConnectionError) -> SessionLost {
    SessionLost::Connection(Arc::new(error))
}

/// The clock of the session is tokio's, so that a test can stop it.
fn now() -> std::time::Instant {
    Instant::now().into_std()
}
