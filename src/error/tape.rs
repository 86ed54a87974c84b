//! What became of a job with a tape: exit status, code and next steps.

use std::io;

use super::{CommandError, ErrorKind};
use crate::iop::tape::job::TapeError;
use crate::iop::tape::read::ReadError;
use crate::iop::tape::write::WriteError;
use crate::render::words::Code;

const STATE_OF_DEVICE: &str = "look at the state of the drive on the VTL; -vv shows the exchange";

impl From<TapeError> for CommandError {
    fn from(error: TapeError) -> Self {
        let (kind, code, hint) = judged(&error);
        Self {
            kind,
            code,
            hints: vec![hint],
            error: error.into(),
        }
    }
}

fn judged(error: &TapeError) -> (ErrorKind, Code, String) {
    let refused = |code, hint: &str| (ErrorKind::Refused, code, hint.to_owned());
    let device = |code, hint: &str| (ErrorKind::Device, code, hint.to_owned());
    match error {
        TapeError::HoldsData => refused(
            Code::HoldsData,
            "nothing was written; --overwrite replaces what it holds",
        ),
        TapeError::FileExists { .. } => refused(
            Code::HoldsData,
            "nothing was written; --overwrite replaces it and removes all files behind it",
        ),
        TapeError::NoSuchFile { .. } => refused(
            Code::NoSuchTapeFile,
            "tape list shows the files that it has",
        ),
        TapeError::NotEnded { file } => (
            ErrorKind::Refused,
            Code::NoFilemark,
            format!("nothing was written; --file {file} --overwrite writes in its place"),
        ),
        TapeError::NoFilemark { .. } => device(
            Code::NoFilemark,
            "whatever wrote it did not end it: compare its length with what it should be",
        ),
        TapeError::VolumeId(_) => (
            ErrorKind::Usage,
            Code::InvalidValue,
            "give another --volume-id".to_owned(),
        ),
        TapeError::Unit(_) => device(Code::DeviceError, STATE_OF_DEVICE),
        TapeError::Input(_) => (
            ErrorKind::State,
            Code::FileUnusable,
            "what was read before is on the tape, with a filemark behind it".to_owned(),
        ),
        TapeError::TapFile(_) => (
            ErrorKind::State,
            Code::FileUnusable,
            "what was read before that is on the tape".to_owned(),
        ),
        TapeError::Differs { .. } => device(
            Code::DataDiffers,
            "the cartridge, the drive or the way to it changes data: keep nothing on it, and try another one",
        ),
        TapeError::CountsDiffer { .. } => device(
            Code::DataDiffers,
            "another job may have written there: look with tape list, and copy once more",
        ),
        TapeError::Output(error) => (
            ErrorKind::State,
            Code::OutputFailed,
            match error.kind() {
                io::ErrorKind::StorageFull => "free some space, or name another file".to_owned(),
                _ => "name another file, or put right what the message says".to_owned(),
            },
        ),
        TapeError::Write(error) => match error {
            WriteError::WriteProtected => refused(
                Code::WriteProtected,
                "use another cartridge, or set its write-protect tab free",
            ),
            WriteError::EndOfMedium => refused(
                Code::EndOfMedium,
                "the blocks and bytes that are on the tape end with a filemark: go on with another cartridge behind them",
            ),
            WriteError::MediumChanged => {
                device(Code::MediumChanged, "see who else uses the library")
            }
            WriteError::Deferred { .. } | WriteError::Position { .. } | WriteError::Overwritten => {
                device(
                    Code::BlocksLost,
                    "what is proven to be on the tape is said; write it again, on another cartridge",
                )
            }
            WriteError::Failed { .. } => device(Code::DeviceError, STATE_OF_DEVICE),
        },
        TapeError::Read(error) => match error {
            ReadError::TooLong { length, .. } => (
                ErrorKind::Device,
                Code::BlockTooLong,
                format!("give --block-size {length}, or more"),
            ),
            ReadError::NoSuchFile { .. } => refused(
                Code::NoSuchTapeFile,
                "tape list shows the files that it has",
            ),
            ReadError::MediumChanged => {
                device(Code::MediumChanged, "see who else uses the library")
            }
            ReadError::Failed { .. } => device(Code::DeviceError, STATE_OF_DEVICE),
        },
    }
}
