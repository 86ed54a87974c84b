//! Serves logical units over TCP: accepts connections, lets initiators log in, hands their commands to a [`Backend`].
//!
//! ```text
//!  Listener::serve --accept--> log_in --Membership--> serve --> close
//!         |                      |                      |
//!         |                      \------- SessionRegistry ----------/   the backend, the sessions, the rules
//!         \--stop: Logout Request to every session, a short grace, drop, backend settled
//! ```
//!
//! Everything runs on one thread. A command goes to the backend, whose answer may come at once or later; the session is served
//! meanwhile. All protocol knowledge is in [`crate::iscsi::target`]; this module moves bytes and watches the clock.
#![allow(
    clippy::disallowed_methods,
    reason = "the listener gives time and randomness to its sessions"
)]

mod backend;
mod connection;
mod crowd;
pub mod fault;
mod guesses;
mod login;
mod off_thread;
mod registry;
mod session;

use std::future::{Future, poll_fn};
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, SystemTime};

use rustix::process::{Resource, getrlimit};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{self, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet, LocalSet, spawn_local, yield_now};
use tokio::time::{sleep, timeout};

use self::connection::FaultyConnection;
use self::crowd::{Admittance, ConnectionStage, Crowd, CrowdPlace};
use self::fault::TransportFaults;
use self::registry::SessionRegistry;
use crate::iscsi::chap::{ChapAlgorithm, ChapCredentials, ChapOutcome};
use crate::iscsi::ids::LoginStatus;
use crate::iscsi::name::IscsiName;
use crate::iscsi::operational::{OperationalOffer, SessionType};
use crate::iscsi::target::{LoginFailure, PingSettings, TargetSessionError};
use crate::transport::{ByteStream, PduOnWire};

pub use backend::{Backend, BackendAnswer};
pub use connection::ServedConnectionError;
pub use guesses::CountedFailures;
pub use off_thread::{Turn, Turns, detached, off_thread};

/// The files that this process has open beside its connections and what is reserved: standard streams, the event queue, the
/// listening socket, signal pipes, locks and directories.
const OTHER_DESCRIPTORS: usize = 16;

/// How long initiators have to log out when the listener stops, in seconds.
const GRACE: u16 = 2;

/// How long the last PDUs may take when the listener stops.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// How long to wait when no connection can be accepted, because too many files are open, say.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The most that one PDU may bring, in bytes, and all that a command may bring unasked: a tape block of the largest size, so
/// that an initiator that is able to sends it whole, and it stays where it was received.
pub const MAX_DATA_SEGMENT_LENGTH: u32 = 1 << 20;

/// [`ListenerSettings::max_data_in`] of a backend that has most answers at once: a few blocks keep it busy.
const MAX_DATA_IN: u64 = 2 << 20;

/// The portal of a target, its login policy and its limits.
#[derive(Clone, Debug)]
pub struct ListenerSettings {
    /// The address and TCP port to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// TargetName (RFC 7143 13.4).
    pub target_name: IscsiName,
    /// TargetAlias (13.6).
    pub target_alias: Option<String>,
    /// The initiators that may log in; `None` lets everybody in.
    pub allowed_initiators: Option<Vec<IscsiName>>,
    /// The CHAP credentials that an initiator has to prove; `None` asks for no authentication.
    pub chap: Option<ChapCredentials>,
    /// The target's own credentials, for initiators that ask for mutual CHAP.
    pub own_chap: Option<ChapCredentials>,
    /// The CHAP algorithms accepted.
    pub algorithms: Vec<ChapAlgorithm>,
    /// The most normal sessions at a time; one more is refused with status 0302.
    pub max_sessions: usize,
    /// The files that the backend opens itself: the limit of open files leaves room for them, however many connect.
    pub reserved_descriptors: usize,
    /// The most that the answers to the commands of a session may bring together, in bytes, unless it is one command: an initiator
    /// that does not take its answers in does not make this side keep more of them.
    pub max_data_in: u64,
    /// How long a login may take.
    pub login_time: Duration,
    /// The operational keys as the target prefers them.
    pub offer: OperationalOffer,
    /// When to ping an initiator; `None` for never. The system's own keepalive finds peers that are gone in any case, and a
    /// tape initiator may have good reasons to be slow.
    pub ping: Option<PingSettings>,
    /// What the target does wrong.
    pub faults: TransportFaults,
}

impl ListenerSettings {
    /// Returns settings that let everybody in, without authentication and without faults.
    #[must_use]
    pub fn new(listen: SocketAddr, target_name: IscsiName) -> Self {
        Self {
            listen,
            target_name,
            target_alias: None,
            allowed_initiators: None,
            chap: None,
            own_chap: None,
            algorithms: ChapAlgorithm::ALL.to_vec(),
            max_sessions: 64,
            reserved_descriptors: 0,
            max_data_in: MAX_DATA_IN,
            login_time: Duration::from_secs(15),
            offer: OperationalOffer {
                max_recv_data_segment_length: MAX_DATA_SEGMENT_LENGTH,
                first_burst_length: MAX_DATA_SEGMENT_LENGTH,
                ..OperationalOffer::default()
            },
            ping: None,
            faults: TransportFaults::default(),
        }
    }
}

/// Why a listener does not listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address cannot be had.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The system has no resources for it.
    #[error("cannot set up what a listener needs")]
    Resources(#[from] io::Error),
}

/// A login that was attempted.
#[derive(Debug)]
pub struct LoginAttempt {
    /// When it ended.
    pub time: SystemTime,
    /// Where it came from.
    pub peer: SocketAddr,
    /// InitiatorName, as sent; `None` when it was never told.
    pub initiator_name: Option<IscsiName>,
    /// TargetName, as requested.
    pub target_name: Option<IscsiName>,
    /// SessionType.
    pub session_type: Option<SessionType>,
    /// What came of it.
    pub outcome: LoginOutcome,
    /// Failures like this one are counted from now on, and told by [`Notice::Counted`].
    pub begins_burst: bool,
}

/// What came of a login.
#[derive(Debug)]
pub enum LoginOutcome {
    /// There is a session.
    LoggedIn {
        /// What CHAP came to; `None` without authentication.
        chap: Option<ChapOutcome>,
        /// Whether it took the place of a session of the same initiator port (RFC 7143 6.3.5).
        reinstated: bool,
    },
    /// The initiator was not let in.
    Refused {
        /// The status that it was told; `None` when there was no Login Request to answer.
        status: Option<LoginStatus>,
        /// Why.
        failure: LoginFailure,
    },
    /// The login did not end in this time.
    TimedOut(Duration),
    /// The connection ended in the middle.
    Abandoned(ServedConnectionError),
    /// The initiator closed the connection when the target had proved itself, as it does when it expects another proof.
    Disbelieved,
}

/// How a session ended.
#[derive(Debug)]
pub enum SessionEnd {
    /// The initiator logged out.
    LoggedOut,
    /// This side closed it: the listener is stopping, the target was reset, or what came was no PDU.
    Closed,
    /// A login of the same initiator port took its place.
    Reinstated,
    /// The initiator does not answer.
    Silent(TargetSessionError),
    /// The connection was lost.
    Lost(ServedConnectionError),
    /// A fault that was asked for.
    Fault,
}

/// Something that happens while a target is served.
#[derive(Clone, Copy, Debug)]
pub enum Notice<'a> {
    /// A login was attempted.
    Login(&'a LoginAttempt),
    /// A PDU passes a connection.
    Pdu {
        /// Who is at the other end.
        peer: SocketAddr,
        /// The PDU.
        passing: PduOnWire<'a>,
    },
    /// Logins whose CHAP failed were counted, and not told one by one.
    Counted(&'a CountedFailures),
    /// The listener was told to stop, and ends its sessions.
    Stopping,
    /// A session has ended.
    Ended {
        /// Whose it was.
        peer: SocketAddr,
        /// TargetName, as requested.
        target_name: Option<&'a IscsiName>,
        /// InitiatorName.
        initiator_name: &'a IscsiName,
        /// How.
        end: &'a SessionEnd,
    },
}

/// Is told what happens.
pub type NoticeObserver = dyn Fn(Notice<'_>);

/// Why a listener stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// [`Stopper::stop`] was called.
    Asked,
    /// SIGINT came.
    Interrupted,
    /// SIGTERM came.
    Terminated,
    /// SIGHUP came.
    HungUp,
}

/// Stops a listener from anywhere.
#[derive(Clone, Debug)]
pub struct Stopper(Arc<Notify>);

impl Stopper {
    /// Has the listener end its sessions and return.
    pub fn stop(&self) {
        self.0.notify_one();
    }
}

/// A listener that has its address: initiators can connect, and are served as soon as [`Listener::serve`] is called.
pub struct Listener {
    runtime: Runtime,
    listener: TcpListener,
    portal: SocketAddr,
    settings: ListenerSettings,
    stop: Arc<Notify>,
    signals: Vec<(Signal, Stopped)>,
}

impl Listener {
    /// Listens on the address.
    ///
    /// # Errors
    /// [`ListenError`] when the address is in use or not this machine's, or when the system has no resources.
    pub fn bind(settings: ListenerSettings) -> Result<Self, ListenError> {
        let address = settings.listen;
        let bind = |source| ListenError::Bind { address, source };
        let listener = StdListener::bind(address).map_err(bind)?;
        listener.set_nonblocking(true)?;
        let portal = listener.local_addr()?;
        let runtime = runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()?;
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(listener)?
        };
        Ok(Self {
            runtime,
            listener,
            portal,
            settings,
            stop: Arc::new(Notify::new()),
            signals: Vec::new(),
        })
    }

    /// Makes SIGINT and SIGTERM stop the listener from now on, instead of ending the process.
    ///
    /// # Errors
    /// [`ListenError::Resources`] when the system refuses.
    pub fn heed_signals(&mut self) -> Result<(), ListenError> {
        self.heed(SignalKind::interrupt(), Stopped::Interrupted)?;
        self.heed(SignalKind::terminate(), Stopped::Terminated)
    }

    /// Makes SIGHUP stop the listener too, even where the process was started to ignore it.
    ///
    /// # Errors
    /// [`ListenError::Resources`] when the system refuses.
    pub fn heed_hangup(&mut self) -> Result<(), ListenError> {
        self.heed(SignalKind::hangup(), Stopped::HungUp)
    }

    fn heed(&mut self, kind: SignalKind, stopped: Stopped) -> Result<(), ListenError> {
        let _inside = self.runtime.enter();
        self.signals.push((signal(kind)?, stopped));
        Ok(())
    }

    /// Returns the address and port that initiators connect to.
    #[must_use]
    pub fn portal(&self) -> SocketAddr {
        self.portal
    }

    /// Returns what stops this listener.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        Stopper(Arc::clone(&self.stop))
    }

    /// Serves the backend until it is stopped; then asks every initiator to log out, gives them a short grace, drops the
    /// others, and waits for what the backend has under way. A second signal cuts the grace short.
    pub fn serve(self, backend: Rc<dyn Backend>, observer: Rc<NoticeObserver>) -> Stopped {
        let Self {
            runtime,
            listener,
            settings,
            stop,
            mut signals,
            ..
        } = self;
        let registry = SessionRegistry::new(settings, Rc::clone(&backend), observer);
        let mut connections = JoinSet::new();
        let tasks = LocalSet::new();
        tasks.block_on(&runtime, async {
            let power_cycles = spawn_local(registry::power_cycles(Rc::clone(&registry)));
            let mut stopping: Stopping<'_> = Box::pin(stopped(&stop, &mut signals));
            let why = accept(&listener, &registry, &mut connections, &mut stopping).await;
            drop(stopping);
            drop(listener);
            power_cycles.abort();
            registry.observe(Notice::Stopping);
            let grace = end_sessions(&registry, &mut connections);
            let mut again: Stopping<'_> = Box::pin(stopped(&stop, &mut signals));
            // Whichever comes first.
            let _ = unless(&mut again, grace).await;
            // Connections that are left go with their tasks, and their sessions with them.
            connections.shutdown().await;
            backend.settle().await;
            registry.tell_all_counted_failures();
            why
        })
    }
}

type Stopping<'a> = Pin<Box<dyn Future<Output = Stopped> + 'a>>;

async fn stopped(stop: &Notify, signals: &mut [(Signal, Stopped)]) -> Stopped {
    let mut asked = pin!(stop.notified());
    poll_fn(|context| {
        for (signal, stopped) in signals.iter_mut() {
            if signal.poll_recv(context).is_ready() {
                return Poll::Ready(*stopped);
            }
        }
        asked.as_mut().poll(context).map(|()| Stopped::Asked)
    })
    .await
}

/// Does some work unless it is told to stop before the work is done.
async fn unless<T>(
    stopping: &mut Stopping<'_>,
    work: impl Future<Output = T>,
) -> Result<T, Stopped> {
    let mut work = pin!(work);
    poll_fn(|context| {
        if let Poll::Ready(stopped) = stopping.as_mut().poll(context) {
            return Poll::Ready(Err(stopped));
        }
        work.as_mut().poll(context).map(Ok)
    })
    .await
}

/// Returns how many connections there may be so that the backend can open its files.
fn max_connections(reserved_descriptors: usize) -> usize {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(limit)
        .unwrap_or(usize::MAX)
        .saturating_sub(OTHER_DESCRIPTORS)
        .saturating_sub(reserved_descriptors)
}

/// Accepts connections until it is told to stop.
async fn accept(
    listener: &TcpListener,
    registry: &Rc<SessionRegistry>,
    connections: &mut JoinSet<()>,
    stopping: &mut Stopping<'_>,
) -> Stopped {
    let crowd =
        Crowd::<AbortHandle>::new(max_connections(registry.settings().reserved_descriptors));
    loop {
        let next = registry.tell_counted_failures_until(listener.accept());
        let accepted = match unless(stopping, next).await {
            Ok(accepted) => accepted,
            Err(stopped) => return stopped,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, peer)) => {
                let place = match crowd.enter() {
                    Admittance::Free(place) => place,
                    Admittance::Instead(place, other) => {
                        other.abort();
                        place
                    }
                    Admittance::Full => continue,
                };
                let number = place.number();
                let served = serve_connection(stream, peer, Rc::clone(registry), place);
                let handle = connections.spawn_local(served);
                crowd.ended_by(number, handle);
                // Whoever was ended closes its connection before the next one is accepted.
                yield_now().await;
            }
            // A connection that is gone already, or too many open files, which pass.
            Err(_) => {
                if let Err(stopped) = unless(stopping, sleep(ACCEPT_PAUSE)).await {
                    return stopped;
                }
            }
        }
    }
}

async fn serve_connection(
    stream: TcpStream,
    peer: SocketAddr,
    registry: Rc<SessionRegistry>,
    place: CrowdPlace<AbortHandle>,
) {
    // A socket for both families shows an IPv4 peer in its IPv6 form.
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    let faults = registry.faults();
    let Ok(connection) = FaultyConnection::new(stream, peer, faults, registry.observer()) else {
        return;
    };
    if let Some((connection, membership)) = login::log_in(connection, &registry, &place).await {
        place.becomes(ConnectionStage::InSession);
        session::serve(connection, membership, &place).await;
    }
}

/// Serves the one initiator at the other end of a local stream to the end of its session, and returns how that ended; `None`
/// when there was none. Dropped, it closes the stream without a word, and drops what the backend has not answered.
pub async fn serve_local<S: ByteStream>(
    stream: S,
    settings: ListenerSettings,
    backend: Rc<dyn Backend>,
) -> Option<SessionEnd> {
    let observer: Rc<NoticeObserver> = Rc::new(|_| {});
    let crowd = Crowd::<AbortHandle>::new(1);
    let Admittance::Free(place) = crowd.enter() else {
        return None;
    };
    let registry = SessionRegistry::new(settings, backend, Rc::clone(&observer));
    let connection = FaultyConnection::over_local(stream, observer);
    let (connection, membership) = login::log_in(connection, &registry, &place).await?;
    place.becomes(ConnectionStage::InSession);
    Some(session::serve(connection, membership, &place).await)
}

/// Ends all sessions: asks their initiators to log out, and drops those that do not.
async fn end_sessions(registry: &SessionRegistry, connections: &mut JoinSet<()>) {
    registry.with_others(None, |session| session.request_logout(GRACE));
    let grace = Duration::from_secs(GRACE.into());
    if timeout(grace, registry.wait_until_empty()).await.is_err() {
        registry.with_others(None, |session| session.drop_connection(0));
        let _ = timeout(LAST_WORDS, registry.wait_until_empty()).await;
    }
    // What was said last has to be sent.
    let sent = async { while connections.join_next().await.is_some() {} };
    let _ = timeout(LAST_WORDS, sent).await;
}
