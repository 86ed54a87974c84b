//! A logical unit of an open session, and what its commands come to.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use thiserror::Error;

use super::JobError;
use super::link::ResidentLink;
use crate::iop::devices::names::DeviceKind;
use crate::iop::resident::CutOff;
use crate::iscsi::pdu::Residual;
use crate::scsi::data::inquiry::PeripheralDeviceType;
use crate::scsi::{
    AdditionalSenseCode, Command, DecodeError, Lun, SenseData, SenseKey, Status, Transfer,
};
use crate::transport::initiator::{
    Completed, DataDirection, Execute, ExecuteError, Initiator, Outstanding,
};
use crate::values::amount;

/// How often a unit attention is taken before a device is given up: a fresh session has one for a reset, one for the medium, one
/// for each parameter that was changed, and a device that never runs out of them is broken.
const MAX_UNIT_ATTENTIONS: usize = 16;

/// How long answers may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerDeadlines {
    /// A command that moves nothing.
    pub answer: Duration,
    /// A command that moves a medium or winds a tape.
    pub motion: Duration,
}

/// A logical unit of an open session.
#[derive(Clone, Debug)]
pub struct Unit {
    initiator: Initiator,
    lun: Lun,
    deadlines: AnswerDeadlines,
    /// The way to the device where it is by a resident IOP.
    link: Option<Rc<ResidentLink>>,
}

/// What a command came to, when it is not GOOD.
#[derive(Debug, Error)]
pub enum UnitError {
    /// CHECK CONDITION.
    #[error("{sense}")]
    Check {
        /// The sense data.
        sense: SenseData,
        /// Data that came in all the same.
        data: Bytes,
    },
    /// CHECK CONDITION without sense data that can be read.
    #[error("CHECK CONDITION without sense data")]
    NoSense,
    /// Another status.
    #[error("{0}")]
    Status(Status),
    /// GOOD, and data that cannot be read.
    #[error("{0}")]
    Malformed(#[from] DecodeError),
    /// The session was lost, and there is no new one: the target is out of reach, or shows another device.
    #[error("{0}")]
    NotReopened(NotReopened),
    /// The connection to the resident IOP, by which the device is used, has ended.
    #[error("{0}")]
    CutOff(CutOff),
    /// GOOD for a READ or WRITE of a tape, and the data did not pass whole, or the target's residual contradicts what passed. What
    /// the block holds is not known.
    #[error(
        "the target reports success, {transferred} of {} were transferred, and {}",
        amount(*expected, "byte"),
        residual_words(*residual)
    )]
    Transfer {
        /// Bytes that the command was to transfer.
        expected: u32,
        /// Bytes that were transferred.
        transferred: u32,
        /// What the target says of it.
        residual: Residual,
    },
    /// No status at all.
    #[error("{0}")]
    Execute(#[from] ExecuteError),
}

/// Why there is no new session in place of one that was lost. Its words are those of `render`, as for every cause.
#[derive(Debug)]
pub struct NotReopened(pub Box<JobError>);

impl UnitError {
    /// Returns the sense data of a CHECK CONDITION.
    #[must_use]
    pub fn sense(&self) -> Option<&SenseData> {
        match self {
            Self::Check { sense, .. } => Some(sense),
            _ => None,
        }
    }

    /// Returns whether the sense data has this sense key.
    #[must_use]
    pub fn has_key(&self, key: SenseKey) -> bool {
        self.sense().is_some_and(|sense| sense.key == key)
    }

    /// Returns whether the sense data has this code.
    #[must_use]
    pub fn has_code(&self, code: AdditionalSenseCode) -> bool {
        self.sense().is_some_and(|sense| sense.code == code)
    }

    /// Returns whether the tape has no data behind where the command met its end.
    #[must_use]
    pub fn is_end_of_data(&self) -> bool {
        self.sense().is_some_and(SenseData::is_end_of_data)
    }

    /// Returns whether the session has ended.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        matches!(
            self,
            Self::Execute(ExecuteError::Lost { .. }) | Self::NotReopened(_) | Self::CutOff(_)
        )
    }

    /// Returns whether the command has no status, because it was not answered or its session has ended.
    #[must_use]
    pub const fn is_without_status(&self) -> bool {
        matches!(self, Self::Execute(_) | Self::CutOff(_))
    }

    /// Returns whether the device has no time for the command now, and did nothing of it.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        matches!(self, Self::Status(Status::BUSY | Status::TASK_SET_FULL))
    }
}

fn residual_words(residual: Residual) -> String {
    match residual {
        Residual::None => "it reports no residual".to_owned(),
        Residual::Underflow(count) => format!("it reports {} as missing", amount(count, "byte")),
        Residual::Overflow(count) => format!("it reports {} too many", amount(count, "byte")),
    }
}

/// A command that was sent.
#[must_use]
pub struct Pending {
    outstanding: Outstanding,
    /// The data of a READ or WRITE of a tape, which is nothing but a block.
    block: Option<Transfer>,
    link: Option<Rc<ResidentLink>>,
}

impl Pending {
    /// Returns whether its status is there.
    pub fn is_answered(&self) -> bool {
        self.outstanding.is_answered()
    }

    /// Waits for its status.
    ///
    /// # Errors
    /// Everything that is not GOOD.
    pub async fn answer(self) -> Result<Bytes, UnitError> {
        let completed = match self.outstanding.await {
            Ok(completed) => completed,
            Err(error) => return Err(ResidentLink::failure_of(self.link.as_deref(), error).await),
        };
        match Status(completed.status) {
            Status::GOOD => match self.block {
                Some(block) => whole_block(block, completed),
                // Parameter data has lengths of its own.
                None => Ok(completed.data),
            },
            Status::CHECK_CONDITION => Err(match SenseData::decode(&completed.sense) {
                Ok(sense) => UnitError::Check {
                    sense,
                    data: completed.data,
                },
                Err(_) => UnitError::NoSense,
            }),
            status => Err(UnitError::Status(status)),
        }
    }
}

/// Returns the block of a READ, or nothing of a WRITE, when all of it was transferred and the target says so too.
///
/// A drive that ends a READ of a shorter block with GOOD, as with SILI, is believed where its residual is what did not come.
fn whole_block(block: Transfer, completed: Completed) -> Result<Bytes, UnitError> {
    let (expected, may_be_shorter) = match block {
        Transfer::None => (0, false),
        Transfer::In(length) => (length, true),
        Transfer::Out(length) => (length, false),
    };
    let missing = match completed.residual {
        Residual::None => Some(0),
        Residual::Underflow(count) if may_be_shorter || count == 0 => Some(count),
        Residual::Underflow(_) | Residual::Overflow(_) => None,
    };
    match missing {
        Some(missing) if completed.transferred.checked_add(missing) == Some(expected) => {
            Ok(completed.data)
        }
        _ => Err(UnitError::Transfer {
            expected,
            transferred: completed.transferred,
            residual: completed.residual,
        }),
    }
}

impl Unit {
    /// Returns the logical unit behind a LUN of a session.
    #[must_use]
    pub const fn new(initiator: Initiator, lun: Lun, deadlines: AnswerDeadlines) -> Self {
        Self {
            initiator,
            lun,
            deadlines,
            link: None,
        }
    }

    /// Returns the logical unit with the way to it, where that is by a resident IOP.
    pub(super) fn linked(self, link: Option<Rc<ResidentLink>>) -> Self {
        Self { link, ..self }
    }

    /// Returns its LUN.
    #[must_use]
    pub const fn lun(&self) -> Lun {
        self.lun
    }

    /// Returns the longest that a command may take that moves a medium or winds a tape.
    #[must_use]
    pub const fn motion_timeout(&self) -> Duration {
        self.deadlines.motion
    }

    /// Sends a command behind those that were sent before it; `data` goes out with a command that takes some.
    ///
    /// # Errors
    /// When the session takes no more.
    pub async fn submit(&self, command: &Command, data: Bytes) -> Result<Pending, UnitError> {
        let transfer = command.transfer(0);
        let data = match transfer {
            Transfer::None => DataDirection::None,
            Transfer::In(length) => DataDirection::In(length),
            Transfer::Out(_) => DataDirection::Out(data),
        };
        let cdb = command.cdb();
        let mut execute = Execute::new(self.lun, cdb.as_bytes(), data);
        let kind = AttentionKind::of(command);
        execute.deadline = Some(match kind {
            AttentionKind::Motion => self.deadlines.motion,
            AttentionKind::Tape | AttentionKind::Other => self.deadlines.answer,
        });
        execute.suppresses_pings = kind != AttentionKind::Other;
        let outstanding = match self.initiator.submit(execute).await {
            Ok(outstanding) => outstanding,
            Err(error) => return Err(ResidentLink::failure_of(self.link.as_deref(), error).await),
        };
        Ok(Pending {
            outstanding,
            block: (kind == AttentionKind::Tape).then_some(transfer),
            link: self.link.clone(),
        })
    }

    /// Executes a command that takes no data, and returns what came in.
    ///
    /// # Errors
    /// Everything that is not GOOD.
    pub async fn execute(&self, command: &Command) -> Result<Bytes, UnitError> {
        self.submit(command, Bytes::new()).await?.answer().await
    }

    /// Takes the unit attentions that the unit has for this initiator. In the middle of a job, `same_medium`, the one that says
    /// that the medium may have changed is an error.
    ///
    /// # Errors
    /// When the unit has no answer, or never runs out of unit attentions. A unit that is not ready is none: an empty drive is.
    pub async fn take_unit_attentions(&self, same_medium: bool) -> Result<(), UnitError> {
        let mut last = Ok(());
        for _ in 0..MAX_UNIT_ATTENTIONS {
            last = match self.execute(&Command::TestUnitReady).await {
                Err(error)
                    if same_medium
                        && error.has_code(AdditionalSenseCode::MEDIUM_MAY_HAVE_CHANGED) =>
                {
                    return Err(error);
                }
                Err(error) if error.has_key(SenseKey::UNIT_ATTENTION) => Err(error),
                Err(error) if error.is_without_status() => return Err(error),
                _ => return Ok(()),
            };
        }
        last
    }
}

/// What a command of another session does to a tape or a medium: what is forwarded is known by its CDB alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::iop) struct ForwardedKind {
    /// The target is not pinged meanwhile: a tape or a medium moves, or a block passes.
    pub(in crate::iop) suppresses_pings: bool,
    /// READ or WRITE of a tape: its data is a block.
    pub(in crate::iop) is_block: bool,
}

impl ForwardedKind {
    /// Returns what a command does to a device of that kind.
    pub(in crate::iop) fn of(device: DeviceKind, cdb: &[u8; 16]) -> Self {
        let device_type = match device {
            DeviceKind::Library => PeripheralDeviceType::MEDIUM_CHANGER,
            DeviceKind::Drive => PeripheralDeviceType::SEQUENTIAL_ACCESS,
        };
        let kind = Command::parse(device_type, cdb).map(|command| AttentionKind::of(&command));
        Self {
            suppresses_pings: matches!(kind, Ok(AttentionKind::Motion | AttentionKind::Tape)),
            is_block: matches!(kind, Ok(AttentionKind::Tape)),
        }
    }
}

/// What a command does to a tape or a medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AttentionKind {
    /// Moves a medium or winds a tape.
    Motion,
    /// Reads or writes where the tape stands.
    Tape,
    Other,
}

impl AttentionKind {
    const fn of(command: &Command) -> Self {
        match command {
            Command::InitializeElementStatus
            | Command::InitializeElementStatusWithRange(_)
            | Command::PositionToElement(_)
            | Command::MoveMedium(_)
            | Command::ExchangeMedium(_)
            | Command::Rewind { .. }
            | Command::WriteFilemarks(_)
            | Command::Space(_)
            | Command::Erase(_)
            | Command::LoadUnload(_)
            | Command::Locate(_) => Self::Motion,
            Command::Read(_) | Command::Write(_) => Self::Tape,
            _ => Self::Other,
        }
    }
}
