//! Hands the enumeration's commands to the network, and its answers back.

use std::time::Duration;

use bytes::Bytes;

use crate::iop::devices::enumerate::{
    self, Enumeration, EnumerationCommandId, EnumerationError, EnumerationReply, NoReply,
};
use crate::iop::devices::inventory::TargetInventory;
use crate::scsi::Status;
use crate::transport::{
    AttachError, ConnectionError, InquiryAnswer, InquiryCommand, Next, TargetInquiry,
};

/// The enumeration of one target, which begins when the target is first asked and may go on in a second session.
pub(in crate::iop) struct EnumerationInquiry {
    busy_timeout: Duration,
    /// How long the first session took, from the look-up of the host.
    earlier: Duration,
    /// When the last event of this session came, from its own beginning.
    last: Duration,
    enumeration: Option<Enumeration>,
}

impl EnumerationInquiry {
    /// Makes an inquiry that asks a busy device again for `busy_timeout`.
    pub(in crate::iop) fn new(busy_timeout: Duration) -> Self {
        Self {
            busy_timeout,
            earlier: Duration::ZERO,
            last: Duration::ZERO,
            enumeration: None,
        }
    }

    /// Returns how long the sessions with the target took, when the error ended the session; `phase` is how long an answer may
    /// take.
    pub(super) fn elapsed(&self, error: &AttachError, phase: Duration) -> Duration {
        let waited = match error {
            AttachError::AnswerTimeout { .. } => phase,
            _ => Duration::ZERO,
        };
        self.earlier
            .saturating_add(self.last)
            .saturating_add(waited)
    }

    /// Leaves out the question at which the session ended, and returns whether to ask the rest in another session,
    /// `elapsed` after the beginning of this one. What breaks the protocol or damages data is no reason to try again.
    pub(super) fn resume(&mut self, error: &AttachError, elapsed: Duration) -> bool {
        let Some(enumeration) = &mut self.enumeration else {
            return false;
        };
        let goes_on = match error {
            AttachError::AnswerTimeout { .. } => enumeration
                .outstanding()
                .into_iter()
                .all(|id| enumeration.unanswered(id, NoReply::Timeout)),
            AttachError::Connection(error)
                if !matches!(**error, ConnectionError::Closed | ConnectionError::Io(_)) =>
            {
                false
            }
            AttachError::Connection(_)
            | AttachError::SessionEnded
            | AttachError::Rejected(_)
            | AttachError::TargetFailure(_) => enumeration.reconnect(),
            _ => false,
        };
        self.earlier = elapsed;
        self.last = Duration::ZERO;
        goes_on
    }

    pub(in crate::iop) fn finish(self) -> Result<TargetInventory, EnumerationError> {
        match self.enumeration {
            Some(enumeration) => enumeration.finish(),
            None => Err(EnumerationError::Unfinished { unanswered: 0 }),
        }
    }
}

impl TargetInquiry for EnumerationInquiry {
    fn next(&mut self, now: Duration) -> Next {
        self.last = now;
        let now = self.earlier.saturating_add(now);
        let enumeration = self
            .enumeration
            .get_or_insert_with(|| Enumeration::new(now, self.busy_timeout));
        match enumeration.poll(now) {
            enumerate::EnumerationStep::Send(commands) => {
                Next::Send(commands.into_iter().map(command).collect())
            }
            enumerate::EnumerationStep::WaitUntil(time) => {
                Next::WaitUntil(time.saturating_sub(self.earlier))
            }
            enumerate::EnumerationStep::WaitForReplies => Next::WaitForAnswers,
            enumerate::EnumerationStep::Done => Next::Done,
        }
    }

    fn take(&mut self, id: u32, answer: InquiryAnswer, now: Duration) {
        self.last = now;
        let now = self.earlier.saturating_add(now);
        let reply = EnumerationReply {
            status: Status(answer.status),
            sense: answer.sense,
            data: answer.data,
        };
        if let Some(enumeration) = &mut self.enumeration {
            enumeration.handle(EnumerationCommandId(id), &reply, now);
        }
    }
}

fn command(command: enumerate::EnumerationCommand) -> InquiryCommand {
    InquiryCommand {
        id: command.id.0,
        lun: command.lun,
        cdb: Bytes::copy_from_slice(command.cdb.as_bytes()),
        expected_length: command.allocation_length,
    }
}
