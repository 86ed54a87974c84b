//! The phases of attaching one target.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout_at};

use super::connection::Connection;
use super::{
    Answer, AttachError, Attached, Attachment, Command, Deadlines, Inquiry, Login, Next, Phase,
    Step,
};
use crate::iscsi::codec::Decoder;
use crate::iscsi::initiator::{Completion, Event, Session, Task, Transfer};
use crate::iscsi::login::{self, LoginParameters, LoginResult, LoginStep, TargetAddress};
use crate::iscsi::operational::Digest;
use crate::iscsi::pdu::{Pdu, ServiceResponse, TaskAttribute};

/// How often a target may redirect a login before it is given up.
const MAX_REDIRECTIONS: usize = 4;

type Observe<'a> = &'a dyn Fn(Step<'_>);

/// Attaches one target. Whatever it does, this ends within `deadlines.whole`.
pub(super) async fn attach<I: Inquiry>(
    attachment: Attachment<I>,
    deadlines: Deadlines,
    observe: Observe<'_>,
) -> Result<Attached<I>, AttachError> {
    let attached = talk(attachment, &Clock::start(deadlines), observe).await;
    observe(Step::Finished);
    attached
}

async fn talk<I: Inquiry>(
    attachment: Attachment<I>,
    clock: &Clock,
    observe: Observe<'_>,
) -> Result<Attached<I>, AttachError> {
    let Attachment {
        host,
        port,
        login,
        mut inquiry,
    } = attachment;
    let (login, mut link) = open(host, port, &login, clock, observe).await?;
    observe(Step::LoggedIn);
    let asked = link.ask(&mut inquiry, clock).await;
    // A target that is silent, or does not keep to the protocol, is left without a word.
    let in_touch = match &asked {
        Ok(()) => true,
        Err(error) => matches!(
            error,
            AttachError::LogoutRequested | AttachError::Rejected(_) | AttachError::TargetFailure(_)
        ),
    };
    if in_touch && link.log_out(clock).await.is_ok() {
        observe(Step::LoggedOut);
    }
    Ok(Attached {
        login,
        inquiry,
        interrupted: asked.err(),
    })
}

/// The clock of one target.
struct Clock {
    started: Instant,
    deadlines: Deadlines,
}

impl Clock {
    fn start(deadlines: Deadlines) -> Self {
        Self {
            started: Instant::now(),
            deadlines,
        }
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    fn end(&self) -> Instant {
        self.started + self.deadlines.whole
    }

    /// Returns when a phase that begins now has to be over.
    fn phase_end(&self) -> Instant {
        (Instant::now() + self.deadlines.phase).min(self.end())
    }

    /// Returns the error of a phase that was not over in time: the target's as a whole when that was what ran out.
    fn expired(&self, phase: impl FnOnce(Duration) -> AttachError) -> AttachError {
        let error = phase(self.deadlines.phase);
        if Instant::now() >= self.end() {
            AttachError::GivenUp {
                during: error.phase(),
                after: self.deadlines.whole,
            }
        } else {
            error
        }
    }
}

/// Resolves, connects and logs in, as often as the target redirects.
async fn open<'a>(
    mut host: String,
    mut port: u16,
    parameters: &LoginParameters,
    clock: &Clock,
    observe: Observe<'a>,
) -> Result<(Login, Box<Link<'a>>), AttachError> {
    let mut redirected = None;
    for _ in 0..=MAX_REDIRECTIONS {
        let outcome = knock(&host, port, parameters, clock, observe).await;
        match outcome.map_err(|error| error.after(redirected.take()))? {
            Outcome::Session(login, link) => return Ok((*login, link)),
            Outcome::Redirect(address) => {
                observe(Step::Redirected {
                    host: &address.host,
                    port: address.port,
                });
                (host, port) = (address.host.clone(), address.port);
                redirected = Some(address);
            }
        }
    }
    Err(AttachError::TooManyRedirections(MAX_REDIRECTIONS))
}

/// Resolves, connects and logs in at one address.
async fn knock<'a>(
    host: &str,
    port: u16,
    parameters: &LoginParameters,
    clock: &Clock,
    observe: Observe<'a>,
) -> Result<Outcome<'a>, AttachError> {
    let addresses = resolve(host, port, clock, observe).await?;
    let (portal, stream) = connect(&addresses, clock, observe).await?;
    observe(Step::LoggingIn);
    timeout_at(
        clock.phase_end(),
        log_in(portal, stream, parameters, observe),
    )
    .await
    .unwrap_or_else(|_| Err(clock.expired(AttachError::LoginTimeout)))
}

async fn resolve(
    host: &str,
    port: u16,
    clock: &Clock,
    observe: Observe<'_>,
) -> Result<Vec<SocketAddr>, AttachError> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    observe(Step::Resolving);
    let failed = |source| AttachError::Resolve {
        host: host.to_owned(),
        source,
    };
    match timeout_at(clock.phase_end(), lookup_host((host, port))).await {
        Ok(Ok(addresses)) => {
            let addresses: Vec<_> = addresses.collect();
            if addresses.is_empty() {
                Err(failed(None))
            } else {
                Ok(addresses)
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
    observe: Observe<'_>,
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
        during: Phase::Connect,
        after: clock.deadlines.whole,
    }))
}

/// What a login comes to.
enum Outcome<'a> {
    Session(Box<Login>, Box<Link<'a>>),
    Redirect(TargetAddress),
}

async fn log_in<'a>(
    portal: SocketAddr,
    stream: TcpStream,
    parameters: &LoginParameters,
    observe: Observe<'a>,
) -> Result<Outcome<'a>, AttachError> {
    let lost = AttachError::LoginConnection;
    let limit = parameters.offer.max_recv_data_segment_length;
    let mut connection = Connection::new(stream, Decoder::new(limit), observe)
        .map_err(|error| lost(error.into()))?;
    let (mut login, mut request) = login::Login::start(parameters.clone());
    loop {
        connection
            .queue(&Pdu::LoginRequest(request))
            .map_err(lost)?;
        let response = match connection.receive().await.map_err(lost)? {
            Pdu::LoginResponse(response) => response,
            other => return Err(AttachError::NotALoginResponse(other.opcode())),
        };
        match login.handle(response)? {
            LoginStep::Send(next, following) => (login, request) = (*next, following),
            LoginStep::Redirect { address, .. } => return Ok(Outcome::Redirect(address)),
            LoginStep::Done(result) => {
                let link = Link::new(connection, &result);
                let login = Login {
                    portal,
                    result: *result,
                };
                return Ok(Outcome::Session(Box::new(login), Box::new(link)));
            }
        }
    }
}

/// A session in its full feature phase, with its connection.
struct Link<'a> {
    connection: Connection<'a>,
    session: Session,
}

impl<'a> Link<'a> {
    fn new(mut connection: Connection<'a>, result: &LoginResult) -> Self {
        let parameters = &result.parameters;
        let header_digest = parameters.header_digest == Digest::Crc32c;
        let data_digest = parameters.data_digest == Digest::Crc32c;
        connection.use_digests(header_digest, data_digest);
        let session = Session::new(
            result.session_parameters(),
            result.cmd_sn,
            result.exp_stat_sn,
            result.exp_cmd_sn,
            result.max_cmd_sn,
        );
        Self {
            connection,
            session,
        }
    }

    /// Asks the target what the inquiry wants to know, until it wants nothing more.
    async fn ask(&mut self, inquiry: &mut impl Inquiry, clock: &Clock) -> Result<(), AttachError> {
        let mut outstanding = HashMap::new();
        // An answer restarts it; what a target says without being asked does not.
        let mut deadline = clock.phase_end();
        loop {
            let wake = loop {
                match inquiry.next(clock.elapsed()) {
                    Next::Send(commands) => {
                        for command in commands {
                            let id = command.id;
                            outstanding.insert(self.session.submit(task(command))?, id);
                        }
                        deadline = clock.phase_end();
                    }
                    Next::WaitForAnswers => break None,
                    Next::WaitUntil(time) => break Some(clock.started + time),
                    Next::Done => return Ok(()),
                }
            };
            let until = match wake {
                Some(wake) if outstanding.is_empty() => wake,
                Some(wake) => wake.min(deadline),
                None => deadline,
            };
            match self.exchange_until(until).await {
                Some(exchanged) => exchanged?,
                None if wake == Some(until) && until < clock.end() => continue,
                None => return Err(clock.expired(AttachError::AnswerTimeout)),
            }
            while let Some(event) = self.session.poll_event() {
                let Some(completion) = of_interest(event)? else {
                    continue;
                };
                let tag = completion.initiator_task_tag;
                if completion.response != ServiceResponse::COMMAND_COMPLETED {
                    return Err(AttachError::TargetFailure(completion.response));
                }
                if let Some(id) = outstanding.remove(&tag) {
                    let answer = Answer {
                        status: completion.status,
                        sense: completion.sense,
                        data: completion.data,
                    };
                    inquiry.take(id, answer, clock.elapsed());
                    deadline = clock.phase_end();
                }
            }
        }
    }

    /// Closes the session. The answer is waited for no longer than a phase; without it the target sees the connection close.
    async fn log_out(&mut self, clock: &Clock) -> Result<(), AttachError> {
        self.session.logout()?;
        let until = clock.phase_end();
        while let Some(exchanged) = self.exchange_until(until).await {
            exchanged?;
            while let Some(event) = self.session.poll_event() {
                if let Event::LoggedOut { .. } = event {
                    return Ok(());
                }
            }
        }
        Err(clock.expired(AttachError::AnswerTimeout))
    }

    /// As [`Link::exchange`]; none when the time is over. A timeout alone is not heard of while there is always one more PDU
    /// to take, as from a target that never stops talking.
    async fn exchange_until(&mut self, until: Instant) -> Option<Result<(), AttachError>> {
        if Instant::now() >= until {
            return None;
        }
        timeout_at(until, self.exchange()).await.ok()
    }

    /// Sends what the session has to send, and takes the next PDU. What that calls for goes out with the next exchange.
    async fn exchange(&mut self) -> Result<(), AttachError> {
        while let Some(pdu) = self.session.poll_transmit() {
            self.connection
                .queue(&pdu)
                .map_err(AttachError::Connection)?;
        }
        let pdu = self
            .connection
            .receive()
            .await
            .map_err(AttachError::Connection)?;
        Ok(self.session.handle(pdu)?)
    }
}

fn task(command: Command) -> Task {
    let mut cdb = [0; 16];
    cdb.iter_mut()
        .zip(command.cdb)
        .for_each(|(to, from)| *to = from);
    Task {
        lun: command.lun,
        cdb,
        transfer: match command.expected_length {
            0 => Transfer::None,
            length => Transfer::Read(length),
        },
        attribute: TaskAttribute::SIMPLE,
    }
}

/// Returns the completion that an event is; an event that ends the talk is an error.
fn of_interest(event: Event) -> Result<Option<Completion>, AttachError> {
    match event {
        Event::Completed(completion) => Ok(Some(completion)),
        Event::Rejected { reason, .. } => Err(AttachError::Rejected(reason)),
        Event::LogoutRequested { .. } => Err(AttachError::LogoutRequested),
        Event::Dropped { .. } | Event::LoggedOut { .. } => Err(AttachError::SessionEnded),
        Event::TaskManagement { .. } | Event::PingAnswered { .. } | Event::AsyncMessage(_) => {
            Ok(None)
        }
    }
}
