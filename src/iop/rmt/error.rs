//! Why a request of the remote tape protocol failed, and the error number that st(4) gives then.

use rustix::io::Errno;
use thiserror::Error;

use super::protocol::Malformed;
use crate::iop::devices::resolve::ResolveError;
use crate::iop::job::JobError;
use crate::iop::job::unit::UnitError;
use crate::iop::resident::ControlError;
use crate::iop::store::StateError;
use crate::iop::tape::write::WriteError;
use crate::storage::StorageError;
use crate::values::amount;

/// Why a request failed.
#[derive(Debug, Error)]
pub enum RmtError {
    /// The device cannot be reached.
    #[error("{0}")]
    Job(#[from] JobError),
    /// No device is open.
    #[error("no device is open")]
    NotOpen,
    /// The device was opened for reading only, or for writing only.
    #[error("the device was not opened for that")]
    WrongAccess,
    /// There is no cartridge in the drive.
    #[error("the drive is empty")]
    Empty,
    /// A cartridge is in the drive, and was unloaded.
    #[error("the cartridge in the drive is not loaded")]
    NotLoaded,
    /// The device cannot be opened for writing: the cartridge, or the drive, is write-protected.
    #[error("the cartridge is write-protected")]
    ReadOnly,
    /// Nothing can be written or erased: the cartridge, or the drive, is write-protected.
    #[error("the cartridge is write-protected")]
    WriteProtected,
    /// The end of the medium is near, or reached: the block was not written.
    #[error("the end of the medium is reached")]
    EndOfMedium,
    /// The medium has no room for blocks that were accepted.
    #[error("the medium has no room for the last {} that the drive accepted", amount(*blocks, "block"))]
    NoRoom {
        /// How many.
        blocks: u64,
    },
    /// A block is longer than what was asked for; the tape stands behind it.
    #[error("the block has {}, and {wanted} were asked for", amount(*length, "byte"))]
    LongBlock {
        /// Its length in bytes.
        length: u64,
        /// What was asked for, in bytes.
        wanted: u32,
    },
    /// There is no data here.
    #[error("the end of the data is reached")]
    EndOfData,
    /// Where the tape stands is not known after a fault; rewind, or go to the end of the data.
    #[error("where the tape stands is not known after a fault, until it is rewound")]
    PositionLost,
    /// Writing failed.
    #[error("{0}")]
    Write(WriteError),
    /// The drive reports an error.
    #[error("{0}")]
    Unit(UnitError),
    /// What was written is not ended by a filemark, since where the tape stands is not known after a fault.
    #[error("no filemark ends what was written: where the tape stands is not known after a fault")]
    Unended,
    /// A block longer than the drive takes (READ BLOCK LIMITS).
    #[error("a block of {length} bytes is longer than the drive takes, {longest} at most")]
    BlockLength {
        /// The length that was asked for, in bytes.
        length: u64,
        /// The most that the drive takes.
        longest: u32,
    },
    /// A block longer than any drive takes.
    #[error("a block of {0} bytes is longer than a drive takes")]
    BlockTooLong(u64),
    /// A tape has no byte offsets.
    #[error("a tape cannot be positioned by bytes")]
    NotSeekable,
    /// The operation is none that a tape has here.
    #[error("there is no tape operation {0} here")]
    NoOperation(i64),
    /// The count of an operation makes no sense.
    #[error("tape operation {operation} does not take {count}")]
    BadCount {
        /// The operation by its Linux number.
        operation: i64,
        /// The count.
        count: i64,
    },
    /// An extension of the protocol.
    #[error("the extension '{0}' of the remote tape protocol is not there")]
    Extension(char),
    /// The input is not of the protocol.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

impl RmtError {
    /// Returns the error number, Linux's.
    #[must_use]
    pub fn errno(&self) -> i32 {
        let errno = match self {
            Self::Job(error) => of_job(error),
            Self::NotOpen | Self::WrongAccess => Errno::BADF,
            Self::Empty | Self::NotLoaded => Errno::NOMEDIUM,
            Self::ReadOnly => Errno::ROFS,
            Self::WriteProtected | Self::Write(WriteError::WriteProtected) => Errno::ACCESS,
            Self::EndOfMedium => Errno::NOSPC,
            Self::LongBlock { .. } => Errno::NOMEM,
            Self::NoRoom { .. }
            | Self::EndOfData
            | Self::PositionLost
            | Self::Unended
            | Self::Write(_)
            | Self::Unit(_) => Errno::IO,
            Self::BlockLength { .. } | Self::BlockTooLong(_) | Self::BadCount { .. } => {
                Errno::INVAL
            }
            Self::NotSeekable => Errno::SPIPE,
            Self::NoOperation(_) | Self::Extension(_) => Errno::NOSYS,
            Self::Malformed(_) => Errno::INVAL,
        };
        errno.raw_os_error()
    }

    /// Returns whether a client meets it in the normal course of things, such as at the end of a tape.
    #[must_use]
    pub const fn is_expected(&self) -> bool {
        matches!(
            self,
            Self::EndOfMedium
                | Self::EndOfData
                | Self::NotSeekable
                | Self::NoOperation(_)
                | Self::Extension(_)
        )
    }
}

fn of_job(error: &JobError) -> Errno {
    match error {
        JobError::Resolve(ResolveError::Unknown { .. }) => Errno::NOENT,
        JobError::State(StateError::Storage(StorageError::Locked { .. }))
        | JobError::Resident(ControlError::DeviceInUse { .. } | ControlError::ReIplGoesOn { .. }) => {
            Errno::BUSY
        }
        JobError::Resolve(_)
        | JobError::WrongKind { .. }
        | JobError::OtherDevice { .. }
        | JobError::Login(_)
        | JobError::Attach { .. } => Errno::NXIO,
        JobError::State(_) | JobError::Resident(_) | JobError::Device { .. } => Errno::IO,
    }
}
