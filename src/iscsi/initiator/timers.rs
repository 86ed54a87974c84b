//! What time means to a session: when a silent target is pinged, and how long its answers may take.

use std::time::{Duration, Instant};

use super::{Event, Immediate, OutstandingRequest, Session, SessionError, State, TaskScope};
use crate::iscsi::ids::InitiatorTaskTag;
use crate::iscsi::pdu::Opcode;

/// The timers of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimerSettings {
    /// How long the target may be silent before it is pinged; `None` for ever.
    pub ping_interval: Option<Duration>,
    /// How long the command window may be closed to tasks that wait before it is told; `None` for ever.
    pub stall_notice: Option<Duration>,
    /// How long the answer to a ping, a logout, a text or a task management request may take; `None` for ever. A SCSI command
    /// has its own timeout.
    pub answer: Option<Duration>,
    /// DefaultTime2Wait (RFC 7143 13.15): how long to wait before the next login after the connection was lost.
    pub time2wait: Duration,
}

#[derive(Debug, Default)]
pub(super) struct Timers {
    settings: TimerSettings,
    last_heard: Option<Instant>,
    last_received: Option<Opcode>,
    /// Since when the command window has been closed to the tasks that wait for it.
    pub(super) stalled: Option<Instant>,
    /// Since when the window was closed that was told last.
    stall_told: Option<Instant>,
}

impl Timers {
    pub(super) const fn new(settings: TimerSettings, now: Instant) -> Self {
        Self {
            settings,
            last_heard: Some(now),
            last_received: None,
            stalled: None,
            stall_told: None,
        }
    }

    pub(super) const fn heard(&mut self, opcode: Opcode, now: Instant) {
        self.last_heard = Some(now);
        self.last_received = Some(opcode);
    }

    pub(super) const fn last_received(&self) -> Option<Opcode> {
        self.last_received
    }

    pub(super) const fn answer(&self) -> Option<Duration> {
        self.settings.answer
    }

    /// Returns when the target has been silent for too long.
    pub(super) fn ping_due(&self) -> Option<Instant> {
        self.last_heard?.checked_add(self.settings.ping_interval?)
    }

    /// Returns when a closed command window is to be told, unless it has been.
    pub(super) fn stall_notice_due(&self) -> Option<Instant> {
        let stalled = self.stalled?;
        match self.stall_told == Some(stalled) {
            true => None,
            false => stalled.checked_add(self.settings.stall_notice?),
        }
    }

    pub(super) fn set_time2wait(&mut self, seconds: u16) {
        self.settings.time2wait = Duration::from_secs(seconds.into());
    }

    pub(super) const fn time2wait(&self) -> Duration {
        self.settings.time2wait
    }
}

impl Session {
    /// Returns when [`Self::handle_timeout`] is due; `None` while no timer runs.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.state == State::Ended {
            return None;
        }
        let answers = self.requests.values().filter_map(|request| {
            let (sent, timeout) = self.timer_of(request)?;
            sent.checked_add(timeout)
        });
        let ping = self.may_ping().then(|| self.timers.ping_due()).flatten();
        let stall = self.timers.stall_notice_due();
        answers.chain(ping).chain(stall).min()
    }

    /// Does what time demands: pings a silent target, reports and aborts tasks that are not answered in time.
    ///
    /// # Errors
    /// [`SessionError::NoAnswer`] when a request other than a SCSI command was not answered; the session has ended then.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), SessionError> {
        if self.state == State::Ended {
            return Ok(());
        }
        let overdue: Vec<(InitiatorTaskTag, Duration)> = self
            .requests
            .iter()
            .filter_map(|(tag, request)| {
                let (sent, timeout) = self.timer_of(request)?;
                (sent.checked_add(timeout)? <= now).then_some((*tag, timeout))
            })
            .collect();
        let last_received = self.timers.last_received();
        for (tag, after) in overdue {
            match self.requests.get_mut(&tag) {
                // It was never sent, so there is nothing to abort.
                Some(OutstandingRequest::Waiting(_)) => {
                    self.requests.remove(&tag);
                    self.events.push_back(Event::TimedOut {
                        initiator_task_tag: tag,
                        after,
                        last_received,
                    });
                }
                Some(OutstandingRequest::Active(task)) => {
                    task.timeout = None;
                    self.events.push_back(Event::TimedOut {
                        initiator_task_tag: tag,
                        after,
                        last_received,
                    });
                    if self.state == State::Open {
                        self.manage(TaskScope::Task(tag));
                    }
                }
                Some(request) => {
                    let request = request.opcode();
                    self.end();
                    return Err(SessionError::NoAnswer {
                        request,
                        after,
                        last_received,
                    });
                }
                None => {}
            }
        }
        if self.timers.stall_notice_due().is_some_and(|due| due <= now)
            && let Some(stalled) = self.timers.stalled
        {
            self.timers.stall_told = Some(stalled);
            self.events.push_back(Event::WindowClosed {
                since: now.saturating_duration_since(stalled),
            });
        }
        if self.may_ping() && self.timers.ping_due().is_some_and(|due| due <= now) {
            let tag = self.add(OutstandingRequest::Ping { sent: None });
            self.immediate.push_back(Immediate::Ping(tag));
        }
        Ok(())
    }

    /// Returns how long to wait before the next login after the session has ended: the Time2Wait that the target named last,
    /// else DefaultTime2Wait (RFC 7143 11.9.1, 11.15.3, 13.15).
    #[must_use]
    pub fn time2wait(&self) -> Duration {
        self.timers.time2wait()
    }

    /// Returns when a request was sent, or last made progress, and how long its answer may take from then on.
    fn timer_of(&self, request: &OutstandingRequest) -> Option<(Instant, Duration)> {
        match request {
            OutstandingRequest::Waiting(task) => Some((self.timers.stalled?, task.timeout?)),
            OutstandingRequest::Active(task) => Some((task.progress, task.timeout?)),
            OutstandingRequest::TaskManagement { sent, .. }
            | OutstandingRequest::Ping { sent }
            | OutstandingRequest::Text { sent, .. }
            | OutstandingRequest::Logout { sent } => Some(((*sent)?, self.timers.answer()?)),
        }
    }

    /// Returns whether a silent target is pinged: not while a ping is on its way, nor while a task forbids it.
    fn may_ping(&self) -> bool {
        self.state == State::Open
            && !self.requests.values().any(|request| match request {
                OutstandingRequest::Ping { .. } => true,
                OutstandingRequest::Active(task) => task.suppresses_pings,
                _ => false,
            })
    }
}
