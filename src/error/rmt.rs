//! What became of a request of the remote tape protocol: its exit status.

use super::{CommandError, ErrorKind};
use crate::iop::rmt::error::RmtError;
use crate::iop::tape::job::TapeError;
use crate::render::words::{error as words, next_step};

impl From<RmtError> for CommandError {
    fn from(error: RmtError) -> Self {
        let kind = match error {
            RmtError::Job(error) => return error.into(),
            RmtError::Write(error) => return TapeError::Write(error).into(),
            RmtError::Empty
            | RmtError::NotLoaded
            | RmtError::ReadOnly
            | RmtError::WriteProtected
            | RmtError::EndOfMedium
            | RmtError::NoRoom { .. }
            | RmtError::LongBlock { .. } => ErrorKind::Refused,
            RmtError::NotOpen
            | RmtError::WrongAccess
            | RmtError::BlockLength { .. }
            | RmtError::BlockTooLong(_)
            | RmtError::NotSeekable
            | RmtError::NoOperation(_)
            | RmtError::BadCount { .. }
            | RmtError::Extension(_)
            | RmtError::Malformed(_) => ErrorKind::Usage,
            RmtError::EndOfData
            | RmtError::PositionLost
            | RmtError::Unended
            | RmtError::Unit(_) => ErrorKind::Device,
        };
        Self {
            kind,
            code: words::rmt_code(&error),
            hints: next_step::of_rmt(&error),
            error: error.into(),
        }
    }
}
