//! Attaches one target of a re-IPL: opens a session, asks what the inquiry wants to know, logs out.

use std::time::Duration;

use tokio::task::{JoinHandle, JoinSet, spawn_local};
use tokio::time::{Instant, timeout_at};

use super::initiator::open::{Clock, Opened, open_by};
use super::initiator::{Completed, DataDirection, Execute, ExecuteError, Initiator, SessionLost};
use super::{
    AttachError, Attached, Attachment, CompletedLogin, Deadlines, InquiryAnswer, InquiryCommand,
    Next, ReconnectTime, Step, TargetInquiry,
};

/// Attaches one target. Whatever it does, this ends within `deadlines.whole`.
pub(super) async fn attach<I, O>(
    attachment: Attachment<I>,
    deadlines: Deadlines,
    observe: O,
) -> Result<Attached<I>, AttachError>
where
    I: TargetInquiry,
    O: Fn(Step<'_>) + Clone + 'static,
{
    let attached = exchange(attachment, deadlines, &observe).await;
    observe(Step::Finished);
    attached
}

async fn exchange<I, O>(
    attachment: Attachment<I>,
    deadlines: Deadlines,
    observe: &O,
) -> Result<Attached<I>, AttachError>
where
    I: TargetInquiry,
    O: Fn(Step<'_>) + Clone + 'static,
{
    let clock = Clock::start(deadlines);
    let mut inquiry = attachment.inquiry;
    let (host, port, parameters) = (attachment.host, attachment.port, attachment.login);
    if let Some(time) = attachment.not_before {
        clock.wait_until(time).await?;
    }
    let opened = open_by(&host, port, &parameters, &clock, observe.clone()).await?;
    observe(Step::LoggedIn);
    let (mut link, login) = Link::of(opened);
    let logged_in = clock.elapsed();
    let asked = ask_by(&link.initiator, &mut inquiry, deadlines, &clock).await;
    let took = clock.elapsed().saturating_sub(logged_in);
    // A target that is silent, or does not keep to the protocol, is left without a logout.
    if attachment.keep && asked.is_ok() {
        // A session that is held has a round trip to tell from its beginning. Without an answer it ends by its own timer, and
        // is lost then: the inquiry came to its end all the same.
        let _ = timeout_at(clock.phase_end(), link.initiator.ping()).await;
        return Ok(Attached {
            login,
            inquiry,
            session: Some(link.keep()),
            interrupted: None,
            asked: took,
            reconnect: ReconnectTime(Instant::now()),
        });
    }
    let in_touch = match &asked {
        Ok(()) => true,
        Err(error) => matches!(
            error,
            AttachError::LogoutRequested | AttachError::Rejected(_) | AttachError::TargetFailure(_)
        ),
    };
    if in_touch && link.log_out(&clock).await {
        observe(Step::LoggedOut);
    }
    // A session that is not over yet ends here, with its connection.
    let reconnect = link.initiator.reconnect_time().unwrap_or_else(|| {
        let time2wait = login.result.parameters.default_time2wait;
        ReconnectTime(Instant::now() + Duration::from_secs(time2wait.into()))
    });
    Ok(Attached {
        login,
        inquiry,
        session: None,
        interrupted: asked.err(),
        asked: took,
        reconnect,
    })
}

/// A session with its driver, which ends when this is dropped.
struct Link {
    initiator: Initiator,
    driver: JoinHandle<SessionLost>,
    /// Whether the session goes on without this.
    is_kept: bool,
}

impl Link {
    fn of<O: Fn(Step<'_>) + 'static>(
        opened: Opened<tokio::net::TcpStream, O>,
    ) -> (Self, CompletedLogin) {
        let link = Self {
            initiator: opened.initiator,
            driver: spawn_local(opened.driver.run()),
            is_kept: false,
        };
        (link, opened.login)
    }

    /// Lets the session go on, and returns its handle.
    fn keep(mut self) -> Initiator {
        self.is_kept = true;
        self.initiator.clone()
    }

    /// Closes the session; without an answer within a phase the target sees the connection close.
    async fn log_out(&mut self, clock: &Clock) -> bool {
        let logged_out = timeout_at(clock.phase_end(), self.initiator.logout()).await;
        match logged_out {
            Ok(Ok(_)) => true,
            // The target asked for it, and the driver has begun.
            Ok(Err(SessionLost::LogoutRequested)) => {
                let ended = timeout_at(clock.phase_end(), &mut self.driver).await;
                matches!(ended, Ok(Ok(SessionLost::LogoutRequested)))
            }
            Ok(Err(_)) | Err(_) => false,
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if !self.is_kept {
            self.driver.abort();
        }
    }
}

/// Asks a target over a session that is open what an inquiry wants to know, until it wants nothing more. Each answer has
/// `deadlines.phase`, all of them together have `deadlines.whole`.
///
/// # Errors
/// [`AttachError`] when the session ends, or an answer does not come in time.
pub async fn ask(
    initiator: &Initiator,
    inquiry: &mut impl TargetInquiry,
    deadlines: Deadlines,
) -> Result<(), AttachError> {
    ask_by(initiator, inquiry, deadlines, &Clock::start(deadlines)).await
}

/// Asks the target what the inquiry wants to know, until it wants nothing more.
async fn ask_by(
    initiator: &Initiator,
    inquiry: &mut impl TargetInquiry,
    deadlines: Deadlines,
    clock: &Clock,
) -> Result<(), AttachError> {
    let mut answers = JoinSet::new();
    loop {
        let wake = loop {
            match inquiry.next(clock.elapsed()) {
                Next::Send(commands) => {
                    for command in commands {
                        submit(initiator, &mut answers, command, deadlines);
                    }
                }
                Next::WaitForAnswers => break None,
                Next::WaitUntil(time) => break clock.started().checked_add(time),
                Next::Done => return Ok(()),
            }
        };
        // Each command has its own deadline; without any, there is nothing to wait for but the end.
        let until = wake.map_or_else(|| clock.end(), |wake| wake.min(clock.end()));
        let next = async {
            match answers.is_empty() {
                true => std::future::pending().await,
                false => answers.join_next().await,
            }
        };
        let answered = match timeout_at(until, next).await {
            Ok(answered) => answered,
            Err(_) if clock.is_over() => return Err(clock.expired(timeout)),
            Err(_) => continue,
        };
        let Some(Ok((id, result))) = answered else {
            return Err(AttachError::Defect);
        };
        let mut failed = None;
        let mut next = Some((id, result));
        // What was answered counts, even where another answer failed.
        while let Some((id, result)) = next {
            match result {
                Ok(completed) => inquiry.take(id, answer(completed), clock.elapsed()),
                Err(error) => failed = failed.or(Some(error)),
            }
            next = answers.try_join_next().and_then(Result::ok);
        }
        if let Some(error) = failed {
            return Err(error.into());
        }
    }
}

fn submit(
    initiator: &Initiator,
    answers: &mut JoinSet<(u32, Result<Completed, ExecuteError>)>,
    command: InquiryCommand,
    deadlines: Deadlines,
) {
    let initiator = initiator.clone();
    answers.spawn_local(async move {
        let data = match command.expected_length {
            0 => DataDirection::None,
            length => DataDirection::In(length),
        };
        let execute = Execute::new(command.lun, &command.cdb, data).within(deadlines.phase);
        (command.id, initiator.execute(execute).await)
    });
}

fn answer(completed: Completed) -> InquiryAnswer {
    InquiryAnswer {
        status: completed.status,
        sense: completed.sense,
        data: completed.data,
    }
}

fn timeout(after: Duration) -> AttachError {
    AttachError::AnswerTimeout {
        after,
        last_received: None,
    }
}

impl From<SessionLost> for AttachError {
    fn from(lost: SessionLost) -> Self {
        match lost {
            SessionLost::Connection(error) => Self::Connection(error),
            SessionLost::Protocol(error) => Self::Session(error),
            SessionLost::LogoutRequested => Self::LogoutRequested,
            SessionLost::Rejected(reason) => Self::Rejected(reason),
            SessionLost::Dropped | SessionLost::LoggedOut => Self::SessionEnded,
            // The driver ends by itself but for a panic.
            SessionLost::GivenUp => Self::Defect,
        }
    }
}

impl From<ExecuteError> for AttachError {
    fn from(error: ExecuteError) -> Self {
        match error {
            ExecuteError::Lost { cause, .. } => cause.into(),
            ExecuteError::Timeout {
                after,
                last_received,
            } => Self::AnswerTimeout {
                after,
                last_received,
            },
            ExecuteError::Rejected(reason) => Self::Rejected(reason),
            ExecuteError::TargetFailure(response) => Self::TargetFailure(response),
            ExecuteError::Aborted => Self::SessionEnded,
            ExecuteError::Submit(error) => Self::Submit(error),
        }
    }
}
