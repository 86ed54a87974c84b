//! What became of a job with a tape: its exit status.

use super::{CommandError, ErrorKind};
use crate::iop::tape::job::TapeError;
use crate::iop::tape::read::ReadError;
use crate::iop::tape::write::WriteError;
use crate::render::words::{error as words, next_step};

impl From<TapeError> for CommandError {
    fn from(error: TapeError) -> Self {
        let kind = match &error {
            TapeError::HoldsData
            | TapeError::FileExists { .. }
            | TapeError::NoSuchFile { .. }
            | TapeError::NotEnded { .. }
            | TapeError::BlockLength { .. }
            | TapeError::Write(WriteError::WriteProtected | WriteError::EndOfMedium)
            | TapeError::Read(ReadError::NoSuchFile { .. }) => ErrorKind::Refused,
            TapeError::VolumeId(_) => ErrorKind::Usage,
            TapeError::Input(_)
            | TapeError::NoInput(_)
            | TapeError::TapFile(_)
            | TapeError::NoTapFile(_)
            | TapeError::Uncounted(_)
            | TapeError::Output(_) => ErrorKind::State,
            TapeError::NoFilemark { .. }
            | TapeError::Unit(_)
            | TapeError::Differs { .. }
            | TapeError::CountsDiffer { .. }
            | TapeError::Write(_)
            | TapeError::Read(_) => ErrorKind::Device,
        };
        Self {
            kind,
            code: words::tape_code(&error),
            hints: next_step::of_tape(&error),
            error: error.into(),
        }
    }
}
