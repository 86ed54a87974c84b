//! Opens a session: resolves, connects and logs in, as often as the target redirects.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rustix::net::sockopt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::{Driver, Initiator};
use crate::iscsi::initiator::{Session, TimerSettings};
use crate::iscsi::login::{self, LoginParameters, LoginResult, LoginStep, TargetAddress};
use crate::iscsi::pdu::Pdu;
use crate::transport::connection::Connection;
use crate::transport::{
    AttachError, AttachPhase, CompletedLogin, ConnectionError, Deadlines, Endpoints, LoginTimes,
    PduOnWire, ReconnectTime, Step,
};

/// How often a target may redirect a login before it is given up.
const MAX_REDIRECTIONS: usize = 4;

/// A session that has been opened. Nothing moves until the driver runs.
#[must_use]
pub struct Opened<S, O> {
    /// The first handle.
    pub initiator: Initiator,
    /// What moves the bytes.
    pub driver: Driver<S, O>,
    /// The login.
    pub login: CompletedLogin,
}

impl<S, O> Opened<S, O>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
    O: Fn(Step<'_>) + 'static,
{
    /// Runs the driver in the background of [`block_on`](crate::transport::block_on), and returns the handle.
    #[must_use]
    pub fn spawn(self) -> Initiator {
        tokio::task::spawn_local(self.driver.run());
        self.initiator
    }
}

/// Opens a session with the target at a host name or address: resolves it, connects, logs in, and follows redirections. Each
/// phase has its deadline, and everything together has `deadlines.whole`.
///
/// A redirection may name several addresses; they are tried in turn, and what happened at the last one is the error.
/// `observe` is told each step, and later each PDU and each departure from the standard.
///
/// # Errors
/// [`AttachError`] with the phase that came to nothing.
pub async fn open<O: Fn(Step<'_>)>(
    host: &str,
    port: u16,
    login: &LoginParameters,
    deadlines: Deadlines,
    observe: O,
) -> Result<Opened<TcpStream, O>, AttachError> {
    open_by(host, port, login, &Clock::start(deadlines), observe).await
}

/// As [`open`], after a session with the same target has ended: waits until that session is over, and then Time2Wait. The wait
/// counts as a part of `deadlines.whole`; a Time2Wait that is longer is not waited for.
///
/// # Errors
/// As [`open`]; [`AttachError::GivenUp`] when the target may not be connected to in time.
pub async fn reopen<O: Fn(Step<'_>)>(
    ended: &Initiator,
    host: &str,
    port: u16,
    login: &LoginParameters,
    deadlines: Deadlines,
    observe: O,
) -> Result<Opened<TcpStream, O>, AttachError> {
    let clock = Clock::start(deadlines);
    clock.wait_for_reconnect(ended).await?;
    open_by(host, port, login, &clock, observe).await
}

pub(in crate::transport) async fn open_by<O: Fn(Step<'_>)>(
    host: &str,
    port: u16,
    login: &LoginParameters,
    clock: &Clock,
    observe: O,
) -> Result<Opened<TcpStream, O>, AttachError> {
    let mut times = LoginTimes::default();
    let mut outcome = connect_and_log_in(host, port, login, clock, &mut times, &observe).await?;
    let mut redirections = 0_usize;
    loop {
        match outcome {
            ConnectOutcome::LoggedIn(connection, portal, result) => {
                let session = session(&result, clock.deadlines);
                let (initiator, driver) = Driver::new(*connection, session, observe);
                let result = *result;
                let login = CompletedLogin {
                    portal,
                    result,
                    times,
                };
                return Ok(Opened {
                    initiator,
                    driver,
                    login,
                });
            }
            ConnectOutcome::Redirect(_) if redirections == MAX_REDIRECTIONS => {
                return Err(AttachError::TooManyRedirections(MAX_REDIRECTIONS));
            }
            ConnectOutcome::Redirect(addresses) => {
                redirections = redirections.saturating_add(1);
                outcome = follow(addresses, login, clock, &mut times, &observe).await?;
            }
        }
    }
}

/// Tries the addresses of a redirection in turn (RFC 7143 11.13.5); there is one at least.
async fn follow(
    addresses: Vec<TargetAddress>,
    login: &LoginParameters,
    clock: &Clock,
    times: &mut LoginTimes,
    observe: &impl Fn(Step<'_>),
) -> Result<ConnectOutcome, AttachError> {
    let mut addresses = VecDeque::from(addresses);
    while let Some(to) = addresses.pop_front() {
        observe(Step::Redirected {
            host: &to.host,
            port: to.port,
        });
        match connect_and_log_in(&to.host, to.port, login, clock, times, observe).await {
            Ok(outcome) => return Ok(outcome),
            Err(source) if addresses.is_empty() || clock.is_over() => {
                let source = Box::new(source);
                return Err(AttachError::Redirected { to, source });
            }
            Err(_) => {}
        }
    }
    Err(AttachError::TooManyRedirections(0))
}

/// Logs in over a stream that is connected already, such as a local socket. A redirection is not followed.
///
/// # Errors
/// [`AttachError`] as [`open`] has it for the login; [`AttachError::Redirected`] when the target is elsewhere.
pub async fn log_in<S, O>(
    stream: S,
    parameters: &LoginParameters,
    deadlines: Deadlines,
    observe: O,
) -> Result<(Initiator, Driver<S, O>, LoginResult), AttachError>
where
    S: AsyncRead + AsyncWrite + Unpin,
    O: Fn(Step<'_>),
{
    let clock = Clock::start(deadlines);
    match exchange_login(stream, None, parameters, &clock, &observe).await? {
        LoginExchangeOutcome::LoggedIn(connection, result) => {
            let session = session(&result, deadlines);
            let (initiator, driver) = Driver::new(*connection, session, observe);
            Ok((initiator, driver, *result))
        }
        LoginExchangeOutcome::Redirect(_) => Err(AttachError::TooManyRedirections(0)),
    }
}

fn session(result: &LoginResult, deadlines: Deadlines) -> Session {
    let timers = TimerSettings {
        ping_interval: deadlines.ping_interval,
        stall_notice: deadlines.ping_interval.and(Some(deadlines.phase)),
        answer: Some(deadlines.phase),
        time2wait: Duration::from_secs(result.parameters.default_time2wait.into()),
    };
    Session::new(
        result.session_parameters(),
        result.cmd_sn,
        result.exp_stat_sn,
        result.exp_cmd_sn,
        result.max_cmd_sn,
    )
    .with_timers(timers, Instant::now().into_std())
}

/// The clock of one target.
pub(in crate::transport) struct Clock {
    started: Instant,
    deadlines: Deadlines,
}

impl Clock {
    pub(in crate::transport) fn start(deadlines: Deadlines) -> Self {
        Self {
            started: Instant::now(),
            deadlines,
        }
    }

    pub(in crate::transport) fn started(&self) -> Instant {
        self.started
    }

    pub(in crate::transport) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Returns when everything has to be over.
    pub(in crate::transport) fn end(&self) -> Instant {
        // A whole that no clock can count is no limit.
        let far = Duration::from_secs(60 * 60 * 24 * 365);
        let whole = self.started.checked_add(self.deadlines.whole);
        whole.unwrap_or_else(|| self.started + far)
    }

    pub(in crate::transport) fn is_over(&self) -> bool {
        Instant::now() >= self.end()
    }

    /// Returns when a phase that begins now has to be over.
    pub(in crate::transport) fn phase_end(&self) -> Instant {
        let phase = Instant::now().checked_add(self.deadlines.phase);
        phase.map_or_else(|| self.end(), |phase| phase.min(self.end()))
    }

    /// Waits until a target may be connected to again.
    ///
    /// # Errors
    /// [`AttachError::GivenUp`] at once when that is not before the end.
    pub(in crate::transport) async fn wait_until(
        &self,
        ReconnectTime(time): ReconnectTime,
    ) -> Result<(), AttachError> {
        if time >= self.end() {
            return Err(self.given_up());
        }
        sleep_until(time).await;
        Ok(())
    }

    /// Waits for the end of a session, and then until its target may be connected to again.
    async fn wait_for_reconnect(&self, session: &Initiator) -> Result<(), AttachError> {
        let ended = timeout_at(self.end(), session.ended()).await;
        ended.map_err(|_| self.given_up())?;
        match session.reconnect_time() {
            Some(time) => self.wait_until(time).await,
            None => Ok(()),
        }
    }

    fn given_up(&self) -> AttachError {
        AttachError::GivenUp {
            during: AttachPhase::Connect,
            after: self.deadlines.whole,
        }
    }

    /// Returns the error of a phase that was not over in time: the target's as a whole when that was what ran out.
    pub(in crate::transport) fn expired(
        &self,
        phase: impl FnOnce(Duration) -> AttachError,
    ) -> AttachError {
        let error = phase(self.deadlines.phase);
        match self.is_over() {
            true => AttachError::GivenUp {
                during: error.phase(),
                after: self.deadlines.whole,
            },
            false => error,
        }
    }
}

/// What connecting and logging in at one address comes to.
enum ConnectOutcome {
    LoggedIn(Box<Connection<TcpStream>>, SocketAddr, Box<LoginResult>),
    Redirect(Vec<TargetAddress>),
}

async fn connect_and_log_in(
    host: &str,
    port: u16,
    parameters: &LoginParameters,
    clock: &Clock,
    times: &mut LoginTimes,
    observe: &impl Fn(Step<'_>),
) -> Result<ConnectOutcome, AttachError> {
    let since = |began: Duration| clock.elapsed().saturating_sub(began);
    let addresses = match host.parse::<IpAddr>() {
        Ok(address) => vec![SocketAddr::new(address, port)],
        Err(_) => {
            let began = clock.elapsed();
            let resolved = resolve(host, port, clock, observe).await;
            let took = times.resolve.unwrap_or_default();
            times.resolve = Some(took.saturating_add(since(began)));
            resolved?
        }
    };
    let began = clock.elapsed();
    let connected = connect(&addresses, clock, observe).await;
    times.connect = times.connect.saturating_add(since(began));
    let (portal, stream) = connected?;
    // A flight goes out in one write; waiting for more to send would only delay it.
    stream
        .set_nodelay(true)
        .map_err(|error| AttachError::LoginConnection(error.into()))?;
    if let Some(interval) = clock.deadlines.ping_interval {
        // A session that is held: while a tape command is outstanding nothing is pinged, and the system finds a dead peer.
        watch_peer(&stream, interval, clock.deadlines.phase)
            .map_err(|error| AttachError::LoginConnection(error.into()))?;
    }
    observe(Step::LoggingIn);
    let began = clock.elapsed();
    let endpoints = Endpoints::of(&stream);
    let exchanged = exchange_login(stream, endpoints, parameters, clock, observe).await;
    times.login = times.login.saturating_add(since(began));
    Ok(match exchanged? {
        LoginExchangeOutcome::LoggedIn(connection, result) => {
            ConnectOutcome::LoggedIn(connection, portal, result)
        }
        LoginExchangeOutcome::Redirect(addresses) => ConnectOutcome::Redirect(addresses),
    })
}

/// Has the system ask a silent peer for a sign of life, and give a connection up whose data or probes are not acknowledged
/// within `timeout`.
fn watch_peer(stream: &TcpStream, interval: Duration, timeout: Duration) -> io::Result<()> {
    // The system counts in whole seconds, 1 at least.
    let interval = interval.max(Duration::from_secs(1));
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, interval)?;
    sockopt::set_tcp_keepintvl(stream, interval)?;
    let timeout = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
    Ok(sockopt::set_tcp_user_timeout(stream, timeout.max(1))?)
}

async fn resolve(
    host: &str,
    port: u16,
    clock: &Clock,
    observe: &impl Fn(Step<'_>),
) -> Result<Vec<SocketAddr>, AttachError> {
    observe(Step::Resolving);
    let failed = |source| AttachError::Resolve {
        host: host.to_owned(),
        source,
    };
    match timeout_at(clock.phase_end(), lookup_host((host, port))).await {
        Ok(Ok(addresses)) => {
            let addresses: Vec<_> = addresses.collect();
            match addresses.is_empty() {
                true => Err(failed(None)),
                false => Ok(addresses),
            }
        }
        Ok(Err(error)) => Err(failed(Some(error))),
        Err(_) => Err(clock.expired(|after| AttachError::ResolveTimeout {
            host: host.to_owned(),
            after,
        })),
    }
}

/// Tries the addresses in turn, each with its share of the time that is left.
async fn connect(
    addresses: &[SocketAddr],
    clock: &Clock,
    observe: &impl Fn(Step<'_>),
) -> Result<(SocketAddr, TcpStream), AttachError> {
    let end = clock.phase_end();
    let mut shares = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    let mut last = None;
    for &portal in addresses {
        observe(Step::Connecting(portal));
        let now = Instant::now();
        let share = end.saturating_duration_since(now) / shares.max(1);
        shares = shares.saturating_sub(1);
        last = Some(
            match timeout_at(now + share, TcpStream::connect(portal)).await {
                Ok(Ok(stream)) => return Ok((portal, stream)),
                Ok(Err(source)) => AttachError::Connect { portal, source },
                Err(_) => clock.expired(|after| AttachError::ConnectTimeout { portal, after }),
            },
        );
    }
    Err(last.unwrap_or(AttachError::GivenUp {
        during: AttachPhase::Connect,
        after: clock.deadlines.whole,
    }))
}

/// What a login over one connection comes to.
enum LoginExchangeOutcome<S> {
    LoggedIn(Box<Connection<S>>, Box<LoginResult>),
    Redirect(Vec<TargetAddress>),
}

async fn exchange_login<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    endpoints: Option<Endpoints>,
    parameters: &LoginParameters,
    clock: &Clock,
    observe: &impl Fn(Step<'_>),
) -> Result<LoginExchangeOutcome<S>, AttachError> {
    let limit = parameters.offer.max_recv_data_segment_length;
    let mut connection = Connection::to_target(stream, limit).between(endpoints);
    let exchanged = timeout_at(
        clock.phase_end(),
        exchange_pdus(&mut connection, parameters, observe),
    )
    .await;
    let last_received = connection.last_received();
    match exchanged {
        Ok(Ok(LoginEnd::LoggedIn(result))) => {
            connection.begin_full_feature_phase(&result.parameters);
            Ok(LoginExchangeOutcome::LoggedIn(Box::new(connection), result))
        }
        Ok(Ok(LoginEnd::Redirect(addresses))) => Ok(LoginExchangeOutcome::Redirect(addresses)),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(clock.expired(|after| AttachError::LoginTimeout {
            after,
            last_received,
        })),
    }
}

enum LoginEnd {
    LoggedIn(Box<LoginResult>),
    Redirect(Vec<TargetAddress>),
}

async fn exchange_pdus<S: AsyncRead + AsyncWrite + Unpin>(
    connection: &mut Connection<S>,
    parameters: &LoginParameters,
    observe: &impl Fn(Step<'_>),
) -> Result<LoginEnd, AttachError> {
    let lost = AttachError::LoginConnection;
    let passes = |passing: PduOnWire<'_>| observe(Step::Pdu(passing));
    let (mut login, request) = login::Login::start(parameters.clone());
    let mut request = Pdu::LoginRequest(request);
    loop {
        connection
            .send(&request, &passes)
            .map_err(|error| lost(ConnectionError::Encode(error)))?;
        let received = connection.receive(&passes).await.map_err(lost)?;
        let response = match received {
            Pdu::LoginResponse(response) => response,
            other => return Err(AttachError::NotALoginResponse(other.opcode())),
        };
        match login.handle(response)? {
            LoginStep::Send(next, following) => {
                (login, request) = (*next, Pdu::LoginRequest(following));
            }
            LoginStep::Redirect {
                addresses,
                departures,
                ..
            } => {
                for departure in &departures {
                    observe(Step::Departed(departure));
                }
                return Ok(LoginEnd::Redirect(addresses));
            }
            LoginStep::Done(result) => {
                for departure in &result.departures {
                    observe(Step::Departed(departure));
                }
                return Ok(LoginEnd::LoggedIn(result));
            }
        }
    }
}
