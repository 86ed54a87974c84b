//! Hands the enumeration's commands to the network, and its answers back.

use std::time::Duration;

use bytes::Bytes;

use crate::iop::devices::enumerate::{self, CommandId, Enumeration, EnumerationError, Reply};
use crate::iop::devices::inventory::Inventory;
use crate::iscsi::ids::Lun;
use crate::scsi::Status;
use crate::transport::{Answer, Command, Inquiry, Next};

/// The enumeration of one target, which begins when the target is first asked.
pub(super) struct EnumerationInquiry {
    patience: Duration,
    enumeration: Option<Enumeration>,
}

impl EnumerationInquiry {
    /// Makes an inquiry that asks a busy device again for `patience`.
    pub(super) fn new(patience: Duration) -> Self {
        Self {
            patience,
            enumeration: None,
        }
    }

    pub(super) fn finish(self) -> Result<Inventory, EnumerationError> {
        match self.enumeration {
            Some(enumeration) => enumeration.finish(),
            None => Err(EnumerationError::Unfinished { unanswered: 0 }),
        }
    }
}

impl Inquiry for EnumerationInquiry {
    fn next(&mut self, now: Duration) -> Next {
        let enumeration = self
            .enumeration
            .get_or_insert_with(|| Enumeration::new(now, self.patience));
        match enumeration.poll(now) {
            enumerate::Step::Send(commands) => {
                Next::Send(commands.into_iter().map(command).collect())
            }
            enumerate::Step::WaitUntil(time) => Next::WaitUntil(time),
            enumerate::Step::WaitForReplies => Next::WaitForAnswers,
            enumerate::Step::Done => Next::Done,
        }
    }

    fn take(&mut self, id: u32, answer: Answer, now: Duration) {
        let reply = Reply {
            status: Status(answer.status),
            sense: answer.sense,
            data: answer.data,
        };
        if let Some(enumeration) = &mut self.enumeration {
            enumeration.handle(CommandId(id), &reply, now);
        }
    }
}

fn command(command: enumerate::Command) -> Command {
    Command {
        id: command.id.0,
        lun: Lun(command.lun.0),
        cdb: Bytes::copy_from_slice(command.cdb.as_bytes()),
        expected_length: command.allocation_length,
    }
}
