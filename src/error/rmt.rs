//! What became of a request of the remote tape protocol: what the user is told beside the client.

use super::{CommandError, ErrorKind};
use crate::iop::rmt::error::RmtError;
use crate::iop::tape::job::TapeError;
use crate::render::words::Code;

impl From<RmtError> for CommandError {
    fn from(error: RmtError) -> Self {
        let refused = |code, hint: &str| (ErrorKind::Refused, code, hint.to_owned());
        let usage = |hint: &str| (ErrorKind::Usage, Code::Usage, hint.to_owned());
        let device = |hint: &str| (ErrorKind::Device, Code::DeviceError, hint.to_owned());
        let (kind, code, hint) = match error {
            RmtError::Job(error) => return error.into(),
            RmtError::Write(error) => return TapeError::Write(error).into(),
            RmtError::Empty => refused(
                Code::ElementEmpty,
                "mount a cartridge first: iscsiswiconfig library mount TAPMLBnn VOLUME",
            ),
            RmtError::ReadOnly | RmtError::WriteProtected => refused(
                Code::WriteProtected,
                "use another cartridge, or take the write protection off on the VTL",
            ),
            RmtError::EndOfMedium | RmtError::NoRoom { .. } => {
                refused(Code::EndOfMedium, "go on with another cartridge")
            }
            RmtError::LongBlock { .. } => refused(
                Code::BlockTooLong,
                "read with that block size, such as tar -b with its number of 512 bytes",
            ),
            RmtError::NotOpen
            | RmtError::WrongAccess
            | RmtError::BlockTooLong(_)
            | RmtError::NotSeekable
            | RmtError::NoOperation(_)
            | RmtError::BadCount { .. }
            | RmtError::Extension(_) => {
                usage("what the program at the other end asks for is not done by a tape here")
            }
            RmtError::Malformed(_) => usage(
                "rmt is run by tar, cpio, mt or dump, by way of the script that generate rsh prints",
            ),
            RmtError::EndOfData | RmtError::PositionLost => {
                device("rewind the tape: iscsiswiconfig tape rewind TAPnn")
            }
            RmtError::Unit(_) => {
                device("look at the state of the drive on the VTL; -vv shows the exchange")
            }
        };
        Self {
            kind,
            code,
            hints: vec![hint],
            error: error.into(),
        }
    }
}
