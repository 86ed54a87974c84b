//! Sessions with real targets: connects, logs in, asks, logs out; all targets at once, each phase with a deadline.
//!
//! ```text
//!  resolve -> connect -> login -> ask (a TargetInquiry says what) -> logout
//!     ^                    |
//!     +---- redirection ---+
//! ```
//!
//! All protocol knowledge is in [`crate::iscsi`]; this module moves bytes and watches the clock. Its one entry blocks until
//! every target is done, so that no other module needs a runtime.
#![allow(
    clippy::disallowed_methods,
    reason = "the transport keeps the deadlines"
)]

mod attach;
pub(crate) mod connection;
mod error;
pub mod initiator;
pub mod listener;
pub mod local;
mod probe;
pub mod signals;
pub mod stream;

use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use rustix::process::{Resource, getrlimit};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime;
use tokio::sync::{Notify, Semaphore};
use tokio::task::{JoinSet, LocalSet};

use crate::iscsi::codec::CodecError;
use crate::iscsi::departure::Departure;
use crate::iscsi::ids::Lun;
use crate::iscsi::login::{LoginParameters, LoginResult};
use crate::iscsi::pdu::Pdu;

pub use attach::ask;
pub use error::{AttachError, AttachPhase, ConnectionError};
pub use probe::{Probed, join_all, probe};

/// The most targets that are attached at once, which bounds what they take of the memory.
pub const MAX_AT_ONCE: usize = 512;

/// Runs a job that opens sessions, on this thread, until it is done. Sessions that it leaves open are closed without a word.
///
/// # Errors
/// The system's, when it has no resources for a runtime.
pub fn block_on<T>(job: impl Future<Output = T>) -> io::Result<T> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()?;
    let outcome = LocalSet::new().block_on(&runtime, job);
    // A host name that is still being looked up, or an input that is still being read, must not hold the outcome back.
    runtime.shutdown_background();
    Ok(outcome)
}

/// Runs a test on a clock that stands still while a task can run.
#[cfg(test)]
pub(crate) fn block_on_paused<T>(test: impl Future<Output = T>) -> T {
    let runtime = runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, test)
}

/// Returns the addresses of a host, in the order of the name service.
///
/// # Errors
/// The name service's, or that it did not answer in time.
pub async fn addresses(host: &str, timeout: Duration) -> io::Result<Vec<IpAddr>> {
    let looked_up = tokio::time::timeout(timeout, tokio::net::lookup_host((host, 0))).await;
    match looked_up {
        Ok(addresses) => Ok(addresses?.map(|address| address.ip()).collect()),
        Err(_) => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("no answer within {} s", timeout.as_secs_f64()),
        )),
    }
}

/// A stream of bytes that carries PDUs: TCP, or a local socket.
pub trait ByteStream: AsyncRead + AsyncWrite + Unpin + 'static {}

impl<S: AsyncRead + AsyncWrite + Unpin + 'static> ByteStream for S {}

/// Tells all who wait for something that it may have come.
#[derive(Debug, Default)]
pub struct Changes(Notify);

impl Changes {
    /// Has everybody who waits look again.
    pub fn tell(&self) {
        self.0.notify_waiters();
    }

    /// Waits until `look` finds something: it is asked now, and after each change.
    pub async fn until<T>(&self, mut look: impl FnMut() -> Option<T>) -> T {
        loop {
            // Enlisted before the look, so that no change is missed in between.
            let mut changed = pin!(self.0.notified());
            changed.as_mut().enable();
            if let Some(found) = look() {
                return found;
            }
            changed.await;
        }
    }
}

/// Has the runtime of [`block_on`] go on with something until it is done, or the runtime ends.
pub fn spawn(work: impl Future<Output = ()> + 'static) {
    tokio::task::spawn_local(work);
}

/// Waits for something, at most this long; `None` when it did not come.
pub async fn within<T>(duration: Duration, event: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(duration, event).await.ok()
}

/// What came first of two things.
#[derive(Debug)]
pub enum First<A, B> {
    /// The first one.
    Left(A),
    /// The second one.
    Right(B),
}

/// Waits for whichever comes first, and drops the other. What is ready on the left counts first.
pub async fn first<A, B>(
    left: impl Future<Output = A>,
    right: impl Future<Output = B>,
) -> First<A, B> {
    let (mut left, mut right) = (pin!(left), pin!(right));
    poll_fn(|context| {
        if let Poll::Ready(left) = left.as_mut().poll(context) {
            return Poll::Ready(First::Left(left));
        }
        right.as_mut().poll(context).map(First::Right)
    })
    .await
}

/// Waits, for code that names no runtime.
pub async fn sleep(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Lets the other work of this thread go on first, for code that names no runtime.
pub async fn yield_now() {
    tokio::task::yield_now().await;
}

/// A moment of the clock that sessions go by.
pub use tokio::time::Instant;

/// Returns the time, for code that measures how long an answer took.
#[must_use]
pub fn now() -> Instant {
    Instant::now()
}

/// One target to attach.
pub struct Attachment<I> {
    /// Host name or address, as typed.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// The parameters of the login.
    pub login: LoginParameters,
    /// What to ask once logged in.
    pub inquiry: I,
    /// Whether the session is kept when the inquiry is done: then [`Attached::session`] is its handle.
    pub keep: bool,
    /// When the target may be connected to, where an earlier session with it has ended; its time begins before that wait.
    pub not_before: Option<ReconnectTime>,
}

/// When a target may be connected to again: Time2Wait after the end of its session (RFC 7143 13.15).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReconnectTime(Instant);

/// How long the attaching of one target may take.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// One phase: resolving, connecting, the login, a command's answer.
    pub phase: Duration,
    /// Everything together.
    pub whole: Duration,
    /// How long a target may be silent in its session before it is pinged; `None` for ever.
    pub ping_interval: Option<Duration>,
}

impl Deadlines {
    /// Returns deadlines of this much for each phase and four times that for everything, without pings.
    #[must_use]
    pub const fn of_phase(phase: Duration) -> Self {
        Self {
            phase,
            whole: phase.saturating_mul(4),
            ping_interval: None,
        }
    }
}

/// What became of a target that let the initiator in.
#[derive(Debug)]
pub struct Attached<I> {
    /// The login.
    pub login: CompletedLogin,
    /// The inquiry, with the answers that it got.
    pub inquiry: I,
    /// The session, where it was to be kept and the inquiry is done.
    pub session: Option<initiator::Initiator>,
    /// Why the session ended before the inquiry was done.
    pub interrupted: Option<AttachError>,
    /// How long the inquiry took, to its end or its interruption.
    pub asked: Duration,
    /// When the target may be connected to again.
    pub reconnect: ReconnectTime,
}

/// A login that came to a session.
#[derive(Debug)]
pub struct CompletedLogin {
    /// The address that answered.
    pub portal: SocketAddr,
    /// What was negotiated.
    pub result: LoginResult,
    /// How long it took.
    pub times: LoginTimes,
}

/// How long the phases before a session took; over all portals where the target redirected the login.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoginTimes {
    /// Finding the addresses of the host; none for an address.
    pub resolve: Option<Duration>,
    /// Opening the TCP connection.
    pub connect: Duration,
    /// The login phase.
    pub login: Duration,
}

/// A SCSI command to send. It reads; nothing here writes to a device.
#[derive(Clone, Debug)]
pub struct InquiryCommand {
    /// The inquirer's own number for it.
    pub id: u32,
    /// The logical unit, as REPORT LUNS gave it.
    pub lun: Lun,
    /// The command descriptor block.
    pub cdb: Bytes,
    /// The most bytes that the answer may have; 0 for a command without data.
    pub expected_length: u32,
}

/// The answer to a command.
#[derive(Clone, Debug)]
pub struct InquiryAnswer {
    /// SCSI status code.
    pub status: u8,
    /// Sense data, empty without any.
    pub sense: Bytes,
    /// Data that came in.
    pub data: Bytes,
}

/// What an inquiry wants next.
#[derive(Debug)]
pub enum Next {
    /// To have these sent, as many at once as the target's command window takes.
    Send(Vec<InquiryCommand>),
    /// To be asked again when an answer has come.
    WaitForAnswers,
    /// To be asked again at this time.
    WaitUntil(Duration),
    /// Nothing.
    Done,
}

/// Decides what to ask a target, from what it answered so far; times count from the beginning of the attaching.
pub trait TargetInquiry {
    /// Returns what to do next. Called until it has nothing more to send, and again after every answer.
    fn next(&mut self, now: Duration) -> Next;

    /// Takes the answer to a command.
    fn take(&mut self, id: u32, answer: InquiryAnswer, now: Duration);
}

/// Which way a PDU passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From this side to the peer.
    Sent,
    /// From the peer.
    Received,
}

/// The two ends of a TCP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Endpoints {
    /// This side.
    pub local: SocketAddr,
    /// The other one.
    pub peer: SocketAddr,
}

impl Endpoints {
    /// Returns the ends of a connected socket; `None` when the peer has reset it already.
    pub(crate) fn of(stream: &TcpStream) -> Option<Self> {
        // A socket for both families shows an IPv4 address in its IPv6 form.
        let canonical =
            |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
        Some(Self {
            local: canonical(stream.local_addr().ok()?),
            peer: canonical(stream.peer_addr().ok()?),
        })
    }
}

/// Why bytes that came are no PDU; nothing behind them can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPdu {
    /// They have the length of one, and are not as RFC 7143 has it.
    Malformed(CodecError),
    /// They are the first that came, and no peer that speaks iSCSI begins so.
    NotIscsi,
}

/// A PDU as it passes a connection, of either role; or bytes in the place of one.
#[derive(Clone, Copy, Debug)]
pub struct PduOnWire<'a> {
    /// Which way.
    pub direction: Direction,
    /// The PDU, or why what was received is none.
    pub pdu: Result<&'a Pdu, NoPdu>,
    /// Its bytes: header with AHS and digest, data segment, padding with digest. What is no PDU is all in the first part.
    pub parts: [&'a [u8]; 3],
    /// Between whom; none over anything but TCP.
    pub endpoints: Option<Endpoints>,
    /// Whether it is the first PDU of its connection.
    pub is_first: bool,
}

/// A step of attaching one target.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    /// The addresses of the host are looked up.
    Resolving,
    /// A connection is opened.
    Connecting(SocketAddr),
    /// The connection is open, the login begins.
    LoggingIn,
    /// The target says to log in elsewhere.
    Redirected {
        /// The host it names.
        host: &'a str,
        /// The port it names.
        port: u16,
    },
    /// The session is open, the inquiry begins.
    LoggedIn,
    /// A PDU passes the connection.
    Pdu(PduOnWire<'a>),
    /// The target departed from the letter of the standard, and nothing was lost by it.
    Departed(&'a Departure),
    /// The target has kept its command window closed for so long to commands that wait for it.
    WindowClosed(Duration),
    /// The session is closed.
    LoggedOut,
    /// The target is done with.
    Finished,
}

/// Is told every step; `index` is the attachment's.
pub type Observer = dyn Fn(usize, Step<'_>);

/// Attaches all targets at once and returns what became of each, in their order: why there was no session, or what came of
/// it. More targets than the limit of open files allows, or than [`MAX_AT_ONCE`], wait their turn; their time begins then.
///
/// # Errors
/// The system's, when it has no resources for a runtime.
pub fn attach_all<I: TargetInquiry + 'static>(
    attachments: Vec<Attachment<I>>,
    deadlines: Deadlines,
    observer: Rc<Observer>,
) -> io::Result<Vec<Result<Attached<I>, AttachError>>> {
    block_on(attach_each(attachments, deadlines, observer))
}

/// As [`attach_all`], on the runtime of [`block_on`]. Dropped, it gives up what is not attached yet.
pub async fn attach_each<I: TargetInquiry + 'static>(
    attachments: Vec<Attachment<I>>,
    deadlines: Deadlines,
    observer: Rc<Observer>,
) -> Vec<Result<Attached<I>, AttachError>> {
    let turns = Rc::new(Semaphore::new(at_once()));
    let count = attachments.len();
    let mut running = JoinSet::new();
    for (index, attachment) in attachments.into_iter().enumerate() {
        let (observer, turns) = (Rc::clone(&observer), Rc::clone(&turns));
        running.spawn_local(async move {
            // The semaphore is never closed.
            let _turn = turns.acquire().await;
            let observe = move |step: Step<'_>| observer(index, step);
            (index, attach::attach(attachment, deadlines, observe).await)
        });
    }
    // A panic ends the session with one target, and no other.
    let mut outcomes: Vec<_> = (0..count).map(|_| Err(AttachError::Defect)).collect();
    while let Some(ended) = running.join_next().await {
        if let Ok((index, outcome)) = ended
            && let Some(place) = outcomes.get_mut(index)
        {
            *place = outcome;
        }
    }
    outcomes
}

/// Returns how many targets can be attached at once: each takes a file for its connection, and one while its name is
/// looked up.
fn at_once() -> usize {
    const FOR_OTHER_USE: usize = 32;
    let possible = open_files_limit().saturating_sub(FOR_OTHER_USE) / 2;
    possible.clamp(1, MAX_AT_ONCE)
}

/// Returns how many files this process may have open (RLIMIT_NOFILE).
#[must_use]
pub fn open_files_limit() -> usize {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(limit).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
