//! One initiator session: [`open()`] it, then execute commands by a handle that can be cloned, while a [`Driver`] moves the
//! bytes and keeps the timers.
//!
//! ```text
//!  Initiator (clone, clone ...)            Driver (one task)
//!    submit, execute, abort,   --requests-->  Session <-> Connection <-> target
//!    ping, send_targets, logout <--answers--
//! ```
//!
//! - Commands are sent in the order of [`Initiator::submit`], as many at a time as the target's command window takes. At most
//!   [`MAX_OUTSTANDING`] are outstanding; `submit` waits for a place, which is the back-pressure.
//! - Data to be written is not copied: the [`Bytes`] are sent from where they are. Data that was read is a part of the receive
//!   buffer where one PDU brought it, and copied once where several did.
//! - Every answer has a deadline of its own, [`Execute::deadline`], which begins when the command is sent. A command that is not
//!   answered fails alone; the target is asked to abort it.
//! - When the session ends, every outstanding command fails with the cause, and says whether it had been sent.
//! - When the last handle is dropped and nothing is outstanding, the driver logs out. Dropping the driver closes the connection
//!   without a word.
//!
//! ```no_run
//! # async fn example(login: iscsiswiconfig::iscsi::login::LoginParameters) -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//! use iscsiswiconfig::iscsi::ids::Lun;
//! use iscsiswiconfig::transport::Deadlines;
//! use iscsiswiconfig::transport::initiator::{DataDirection, Execute, open};
//!
//! let deadlines = Deadlines::of_phase(Duration::from_secs(15));
//! let opened = open("192.0.2.1", 3260, &login, deadlines, |_step| {}).await?;
//! tokio::task::spawn_local(opened.driver.run());
//! let initiator = opened.initiator;
//! let inquiry = Execute::new(Lun::default(), &[0x12, 0, 0, 0, 96, 0], DataDirection::In(96));
//! let completed = initiator.execute(inquiry).await?;
//! assert_eq!(completed.status, 0);
//! initiator.logout().await?;
//! # Ok(())
//! # }
//! ```

mod driver;
pub(super) mod open;

use std::pin::Pin;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::Instant;

use super::{ConnectionError, ReconnectTime};
use crate::iscsi::departure::Departure;
use crate::iscsi::ids::Lun;
use crate::iscsi::initiator::{SessionError, SubmitError, Task, TaskTransfer};
use crate::iscsi::login::TargetAddress;
use crate::iscsi::name::{IscsiName, IscsiNameError};
use crate::iscsi::pdu::{
    LogoutOutcome, Opcode, RejectReason, Residual, ServiceResponse, TaskManagementOutcome,
};
use crate::iscsi::text::{TextError, TextPairs};

pub use driver::Driver;
pub use open::{Opened, log_in, open, reopen};

/// The most commands of a session that are outstanding at a time, sent or waiting for the target's command window.
pub const MAX_OUTSTANDING: usize = 1024;

/// The data of a command, by the direction that its CDB gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataDirection {
    /// No data.
    None,
    /// These bytes go to the target, at most 4 GiB; they are not copied.
    Out(Bytes),
    /// At most so many bytes come from the target.
    In(u32),
}

/// A SCSI command to be executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Execute {
    /// The logical unit, as REPORT LUNS gave it.
    pub lun: Lun,
    /// The CDB, padded with zeros (RFC 7143 11.3.5).
    pub cdb: [u8; 16],
    /// Its data.
    pub data: DataDirection,
    /// How long the target may be silent about it from when it is sent; `None` for ever. Data, a request for data, and the end
    /// of another command of the same logical unit restart it. Commands that move a tape or a medium take minutes.
    pub deadline: Option<Duration>,
    /// Whether the target is not pinged while this command is outstanding: it may not answer while a tape is in motion.
    pub suppresses_pings: bool,
}

impl Execute {
    /// Returns a command without a deadline. Of `cdb` the first 16 bytes count.
    #[must_use]
    pub fn new(lun: Lun, cdb: &[u8], data: DataDirection) -> Self {
        let mut padded = [0; 16];
        padded
            .iter_mut()
            .zip(cdb)
            .for_each(|(to, from)| *to = *from);
        Self {
            lun,
            cdb: padded,
            data,
            deadline: None,
            suppresses_pings: false,
        }
    }

    /// Returns the command with a deadline.
    #[must_use]
    pub const fn within(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    fn into_task(self) -> Task {
        let transfer = match self.data {
            DataDirection::None => TaskTransfer::None,
            DataDirection::Out(data) => TaskTransfer::Write(data),
            DataDirection::In(length) => TaskTransfer::Read(length),
        };
        Task {
            timeout: self.deadline,
            suppresses_pings: self.suppresses_pings,
            ..Task::new(self.lun, self.cdb, transfer)
        }
    }
}

/// How a command ended at the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completed {
    /// SCSI status code.
    pub status: u8,
    /// Sense data, empty without any.
    pub sense: Bytes,
    /// Data that came in: at most what was asked for.
    pub data: Bytes,
    /// By how many bytes the transfer missed the expected length, as the target says (RFC 7143 11.4.5).
    pub residual: Residual,
    /// How many bytes were transferred in whichever direction, as the connection saw it.
    pub transferred: u32,
}

/// Why a command has no status.
#[derive(Clone, Debug, Error)]
pub enum ExecuteError {
    /// The session has ended.
    #[error("{cause}")]
    Lost {
        /// Whether the command had been sent, so that the target may have carried it out.
        sent: bool,
        /// Why the session has ended.
        cause: SessionLost,
    },
    /// The target was silent about it until its deadline. It has been asked to abort the command.
    #[error("a command was not answered within {} s", after.as_secs_f64())]
    Timeout {
        /// The deadline.
        after: Duration,
        /// What the target sent last in this session; `None` when nothing since the login.
        last_received: Option<Opcode>,
    },
    /// The target rejected it (11.17). Its CmdSN stays open, which may hold up later commands: log out.
    #[error("the target rejected a request: {0}")]
    Rejected(RejectReason),
    /// The target could not carry it out for a reason of its own (11.4.3).
    #[error("the target failed to carry out a command: {0}")]
    TargetFailure(ServiceResponse),
    /// It was ended by [`Initiator::abort`] or [`Initiator::reset_logical_unit`].
    #[error("the command was aborted")]
    Aborted,
    /// The session does not take it: its data is too long.
    #[error(transparent)]
    Submit(SubmitError),
}

/// Why a session has ended.
#[derive(Clone, Debug, Error)]
pub enum SessionLost {
    /// This side logged out.
    #[error("the session was closed by a logout")]
    LoggedOut,
    /// The connection failed, or what came is no PDU.
    #[error(transparent)]
    Connection(Arc<ConnectionError>),
    /// The target broke the rules of the full feature phase, or did not answer a ping, logout, text or task management request.
    #[error(transparent)]
    Protocol(#[from] SessionError),
    /// The target asked for a logout, or for a negotiation, which a logout answers as well (RFC 7143 11.9.1).
    #[error("the target asked the initiator to log out")]
    LogoutRequested,
    /// The target dropped the session (11.9.1).
    #[error("the target ended the session")]
    Dropped,
    /// The target rejected a request that is not a command; the session goes on, and is to be logged out.
    #[error("the target rejected a request: {0}")]
    Rejected(RejectReason),
    /// The driver was dropped.
    #[error("the session was given up")]
    GivenUp,
}

/// Names a command of a session, to abort it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CommandId(u64);

/// A command that has been handed to the session; awaited, it gives how the command ended. Dropped, the command goes on and
/// its answer is lost.
#[derive(Debug)]
#[must_use]
pub struct Outstanding {
    id: CommandId,
    answer: oneshot::Receiver<Result<Completed, ExecuteError>>,
    shared: Arc<InitiatorState>,
}

impl Outstanding {
    /// Returns the name by which [`Initiator::abort`] knows the command.
    #[must_use]
    pub const fn id(&self) -> CommandId {
        self.id
    }

    /// Returns whether the answer is there.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        !self.answer.is_empty()
    }
}

impl Future for Outstanding {
    type Output = Result<Completed, ExecuteError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.answer).poll(context).map(|answer| {
            answer.unwrap_or_else(|_| {
                Err(ExecuteError::Lost {
                    sent: true,
                    cause: self.shared.lost(),
                })
            })
        })
    }
}

/// A target that discovery has found (RFC 7143 appendix C).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscoveredTarget {
    /// TargetName.
    pub name: IscsiName,
    /// Its addresses; none means the address that was asked.
    pub addresses: Vec<TargetAddress>,
    /// Where the target departed from the form of an address.
    pub departures: Vec<Departure>,
}

/// Why there is no answer to SendTargets.
#[derive(Clone, Debug, Error)]
pub enum DiscoveryError {
    /// The session has ended.
    #[error(transparent)]
    Lost(#[from] SessionLost),
    /// The target rejected the request: SendTargets is for discovery sessions, or is not supported.
    #[error("the target rejected a request: {0}")]
    Rejected(RejectReason),
    /// The text of the answer is malformed.
    #[error("the target's list of targets is malformed: {0}")]
    Text(#[from] TextError),
    /// A TargetName is not an iSCSI name.
    #[error("the target's list of targets has a name that cannot be read: {0}")]
    Name(#[from] IscsiNameError),
    /// A TargetAddress comes before any TargetName, or is no address.
    #[error("the target's list of targets has an address that cannot be read")]
    Address,
}

/// Why a request other than a command came to nothing.
type AnswerSender<T> = oneshot::Sender<Result<T, RequestFailure>>;

/// What a request that is not a command fails by.
#[derive(Clone, Debug)]
enum RequestFailure {
    Lost(SessionLost),
    Rejected(RejectReason),
}

enum InitiatorRequest {
    Execute {
        id: CommandId,
        task: Task,
        answer: oneshot::Sender<Result<Completed, ExecuteError>>,
        place: OwnedSemaphorePermit,
    },
    Abort(CommandId, AnswerSender<TaskManagementOutcome>),
    ResetLogicalUnit(Lun, AnswerSender<TaskManagementOutcome>),
    Ping(AnswerSender<()>),
    Text(Bytes, AnswerSender<Bytes>),
    Logout(AnswerSender<LogoutOutcome>),
}

/// What handles and driver share.
#[derive(Debug)]
struct InitiatorState {
    next_id: AtomicU64,
    places: Arc<Semaphore>,
    lost: OnceLock<SessionLost>,
    /// The widest that the command window has been.
    window: AtomicU32,
    /// When the session ended, and Time2Wait.
    ended: OnceLock<(Instant, Duration)>,
}

impl InitiatorState {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            next_id: AtomicU64::new(0),
            places: Arc::new(Semaphore::new(MAX_OUTSTANDING)),
            lost: OnceLock::new(),
            window: AtomicU32::new(1),
            ended: OnceLock::new(),
        })
    }

    fn lost(&self) -> SessionLost {
        self.lost.get().cloned().unwrap_or(SessionLost::GivenUp)
    }
}

/// A handle to a session. Clones are handles to the same session, and can be used from several tasks and threads at once.
#[derive(Clone, Debug)]
pub struct Initiator {
    requests: mpsc::UnboundedSender<InitiatorRequest>,
    shared: Arc<InitiatorState>,
}

impl Initiator {
    /// Hands a command to the session, which sends it behind those that were handed over before it. Waits while
    /// [`MAX_OUTSTANDING`] commands are outstanding.
    ///
    /// # Errors
    /// [`ExecuteError::Lost`] when the session has ended.
    pub async fn submit(&self, execute: Execute) -> Result<Outstanding, ExecuteError> {
        let lost = || ExecuteError::Lost {
            sent: false,
            cause: self.shared.lost(),
        };
        let places = Arc::clone(&self.shared.places);
        let place = places.acquire_owned().await.map_err(|_| lost())?;
        let id = CommandId(self.shared.next_id.fetch_add(1, Ordering::Relaxed));
        let (answer, receiver) = oneshot::channel();
        let request = InitiatorRequest::Execute {
            id,
            task: execute.into_task(),
            answer,
            place,
        };
        self.requests.send(request).map_err(|_| lost())?;
        Ok(Outstanding {
            id,
            answer: receiver,
            shared: Arc::clone(&self.shared),
        })
    }

    /// Executes a command and returns how it ended, whatever its status.
    ///
    /// # Errors
    /// [`ExecuteError`] when it has no status.
    pub async fn execute(&self, execute: Execute) -> Result<Completed, ExecuteError> {
        self.submit(execute).await?.await
    }

    /// Aborts a command (ABORT TASK, RFC 7143 11.5.1). When the target performs it, or does not know the command, the command
    /// fails with [`ExecuteError::Aborted`]. A command that has ended already is one that the target does not know.
    ///
    /// # Errors
    /// [`SessionLost`] when the session has ended.
    pub async fn abort(&self, command: CommandId) -> Result<TaskManagementOutcome, SessionLost> {
        self.ask(|answer| InitiatorRequest::Abort(command, answer))
            .await
    }

    /// Resets a logical unit (LOGICAL UNIT RESET, 11.5.1). When the target performs it, every command to that unit that was
    /// sent before fails with [`ExecuteError::Aborted`].
    ///
    /// # Errors
    /// [`SessionLost`] when the session has ended.
    pub async fn reset_logical_unit(&self, lun: Lun) -> Result<TaskManagementOutcome, SessionLost> {
        self.ask(|answer| InitiatorRequest::ResetLogicalUnit(lun, answer))
            .await
    }

    /// Asks the target for a sign of life (NOP-Out, 11.18) and waits for it.
    ///
    /// # Errors
    /// [`SessionLost`] when the session has ended, as it does when there is no answer.
    pub async fn ping(&self) -> Result<(), SessionLost> {
        self.ask(InitiatorRequest::Ping).await
    }

    /// Returns the targets that the peer names to this initiator (SendTargets=All, appendix C), with all their addresses.
    ///
    /// # Errors
    /// [`DiscoveryError`] when the session has ended, or the answer cannot be read.
    pub async fn send_targets(&self) -> Result<Vec<DiscoveredTarget>, DiscoveryError> {
        let mut pairs = TextPairs::new();
        pairs.push("SendTargets", "All");
        let text = pairs.encode();
        let answer = self
            .request(|answer| InitiatorRequest::Text(text, answer))
            .await;
        let text = answer.map_err(|failure| match failure {
            RequestFailure::Lost(lost) => DiscoveryError::Lost(lost),
            RequestFailure::Rejected(reason) => DiscoveryError::Rejected(reason),
        })?;
        targets(&TextPairs::decode(&text)?)
    }

    /// Logs out (11.14). Commands that were not sent never will be; the target ends the others.
    ///
    /// # Errors
    /// [`SessionLost`] when the session has ended before, or the target does not answer.
    pub async fn logout(&self) -> Result<LogoutOutcome, SessionLost> {
        self.ask(InitiatorRequest::Logout).await
    }

    /// Returns why the session has ended; `None` while it goes on.
    #[must_use]
    pub fn lost(&self) -> Option<SessionLost> {
        self.shared.lost.get().cloned()
    }

    /// Returns how many commands the target has let this side send at a time: the widest that its command window has been.
    #[must_use]
    pub fn command_window(&self) -> u32 {
        self.shared.window.load(Ordering::Relaxed)
    }

    /// Returns how long to wait before the next login after the session has ended (Time2Wait, 13.15); `None` while it goes on.
    #[must_use]
    pub fn time2wait(&self) -> Option<Duration> {
        self.shared.ended.get().map(|(_, time2wait)| *time2wait)
    }

    /// Returns when the target may be connected to again; `None` while the session goes on.
    pub(in crate::transport) fn reconnect_time(&self) -> Option<ReconnectTime> {
        let (ended, time2wait) = self.shared.ended.get()?;
        Some(ReconnectTime(*ended + *time2wait))
    }

    /// Waits for the end of the session.
    pub async fn ended(&self) {
        self.requests.closed().await;
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(AnswerSender<T>) -> InitiatorRequest,
    ) -> Result<T, SessionLost> {
        self.request(request)
            .await
            .map_err(|failure| match failure {
                RequestFailure::Lost(lost) => lost,
                RequestFailure::Rejected(reason) => SessionLost::Rejected(reason),
            })
    }

    async fn request<T>(
        &self,
        request: impl FnOnce(AnswerSender<T>) -> InitiatorRequest,
    ) -> Result<T, RequestFailure> {
        let lost = |_| RequestFailure::Lost(self.shared.lost());
        let (answer, receiver) = oneshot::channel();
        self.requests
            .send(request(answer))
            .map_err(|_| RequestFailure::Lost(self.shared.lost()))?;
        receiver.await.map_err(lost)?
    }
}

/// Reads the records of a SendTargets answer: a TargetName, and the addresses that follow it.
fn targets(pairs: &TextPairs) -> Result<Vec<DiscoveredTarget>, DiscoveryError> {
    let mut targets: Vec<DiscoveredTarget> = Vec::new();
    for pair in pairs {
        match (pair.key.as_str(), targets.last_mut()) {
            ("TargetName", _) => targets.push(DiscoveredTarget {
                name: pair.value.parse()?,
                addresses: Vec::new(),
                departures: Vec::new(),
            }),
            ("TargetAddress", Some(target)) => {
                let (address, departure) =
                    TargetAddress::read(&pair.value).map_err(|_| DiscoveryError::Address)?;
                target.addresses.push(address);
                target.departures.extend(departure);
            }
            ("TargetAddress", None) => return Err(DiscoveryError::Address),
            // Others may be declared beside them (RFC 7143 appendix C).
            _ => {}
        }
    }
    Ok(targets)
}

#[cfg(test)]
impl Initiator {
    /// Returns a handle without a target: `serve` executes every command, in the order of their submission, once the code
    /// under test waits. For tests of what is built on a session.
    pub(crate) fn served_by(
        serve: impl FnMut(Execute) -> Result<Completed, ExecuteError> + 'static,
    ) -> Self {
        Self::served_in(Duration::ZERO, Duration::ZERO, serve)
    }

    /// As [`Initiator::served_by`], each command taking so long, one after the other, and its answer so long to come.
    pub(crate) fn served_in(
        each: Duration,
        way: Duration,
        mut serve: impl FnMut(Execute) -> Result<Completed, ExecuteError> + 'static,
    ) -> Self {
        let (requests, mut receiver) = mpsc::unbounded_channel();
        tokio::task::spawn_local(async move {
            while let Some(request) = receiver.recv().await {
                if let InitiatorRequest::Execute { task, answer, .. } = request {
                    let data = match task.transfer {
                        TaskTransfer::None => DataDirection::None,
                        TaskTransfer::Read(length) => DataDirection::In(length),
                        TaskTransfer::Write(data) => DataDirection::Out(data),
                    };
                    tokio::time::sleep(each).await;
                    let answered = serve(Execute::new(task.lun, &task.cdb, data));
                    tokio::task::spawn_local(async move {
                        tokio::time::sleep(way).await;
                        let _ = answer.send(answered);
                    });
                }
                tokio::task::yield_now().await;
            }
        });
        Self {
            requests,
            shared: InitiatorState::new(),
        }
    }
}

#[cfg(test)]
mod tests;
