//! A tape drive as a job uses it: where the tape stands, and how it is brought back there.

use super::depth::QueueDepth;
use crate::iop::job::unit::{Unit, UnitError};
use crate::scsi::command::{
    Locate, ModeSense, PositionForm, Read, ReadPosition, Space, SpaceCode, WriteFilemarks,
};
use crate::scsi::data::block_limits::BlockLimits;
use crate::scsi::data::mode::ModeData;
use crate::scsi::data::position::Position;
use crate::scsi::{AdditionalSenseCode, Command, SenseKey};

/// Opens a new session with the same drive after the old one was lost: the same initiator, the same ISID, the same device by
/// its serial number.
#[expect(async_fn_in_trait, reason = "jobs run on one thread")]
pub trait Reopen {
    /// Returns the drive's logical unit in a new session, its unit attentions taken.
    ///
    /// # Errors
    /// When there is no new session, or another device is there.
    async fn reopen(&mut self) -> Result<Unit, UnitError>;
}

/// WP of the DEVICE-SPECIFIC PARAMETER (SSC-4 8.3.1).
const WRITE_PROTECTED: u8 = 0x80;

/// Whether a drive's READ POSITION can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Positions {
    /// It has said BOP and object 0 at the beginning of the tape. That it counts shows when objects have passed.
    Plausible,
    /// Not asked yet, or it does not know where the tape stands.
    Unusable,
}

/// A loaded drive.
#[derive(Debug)]
pub struct TapeDrive<R> {
    unit: Unit,
    reopen: R,
    positions: Positions,
    /// How many WRITEs to have in flight: all that may be, until some wait at the target. It is kept from one file to the next.
    pub(super) write_depth: QueueDepth,
}

impl<R: Reopen> TapeDrive<R> {
    /// Returns the drive behind a logical unit. Where its tape stands is not known until [`TapeDrive::rewind`].
    pub const fn new(unit: Unit, reopen: R) -> Self {
        Self {
            unit,
            reopen,
            positions: Positions::Unusable,
            write_depth: QueueDepth::starting_at(usize::MAX, usize::MAX),
        }
    }

    /// Returns its logical unit.
    pub const fn unit(&self) -> &Unit {
        &self.unit
    }

    /// Returns whether a tape is loaded. A cartridge that was unloaded and not moved since is in the drive, and is not loaded
    /// (SSC-4 7.2).
    ///
    /// # Errors
    /// When the drive is not ready for another reason.
    pub async fn is_loaded(&self) -> Result<bool, UnitError> {
        match self.unit.execute(&Command::TestUnitReady).await {
            Ok(_) => Ok(true),
            Err(error)
                if error.has_code(AdditionalSenseCode::MEDIUM_NOT_PRESENT)
                    || error.has_code(AdditionalSenseCode::INITIALIZING_COMMAND_REQUIRED) =>
            {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Returns whether the cartridge is write-protected; none when the drive does not say.
    pub async fn is_write_protected(&self) -> Option<bool> {
        let command = Command::ModeSense(ModeSense::page6(ModeSense::ALL_PAGES, u8::MAX));
        let data = self.unit.execute(&command).await.ok()?;
        let header = ModeData::decode6(&data).ok()?;
        Some(header.device_specific_parameter & WRITE_PROTECTED != 0)
    }

    /// Returns the block lengths that it takes; none where it does not tell.
    pub async fn block_limits(&self) -> Option<BlockLimits> {
        let data = self.unit.execute(&Command::ReadBlockLimits).await.ok()?;
        BlockLimits::decode(&data).ok()
    }

    /// Takes the unit attentions that stand between a fault and its mending.
    ///
    /// # Errors
    /// MEDIUM MAY HAVE CHANGED, which no position can make good: the cartridge may be another one. Otherwise when the drive has
    /// no answer.
    pub async fn settle(&self) -> Result<(), UnitError> {
        self.unit.take_unit_attentions(true).await
    }

    /// Replaces a session that was lost.
    ///
    /// # Errors
    /// As [`Reopen::reopen`].
    pub async fn reopen(&mut self) -> Result<(), UnitError> {
        self.unit = self.reopen.reopen().await?;
        Ok(())
    }

    /// Rewinds the tape, and finds out whether the drive knows where it stands.
    ///
    /// # Errors
    /// When it cannot be rewound.
    pub async fn rewind(&mut self) -> Result<(), UnitError> {
        self.unit
            .execute(&Command::Rewind { immediate: false })
            .await?;
        self.positions = match self.read_position().await {
            Ok(position) if position.beginning && position.object == Some(0) => {
                Positions::Plausible
            }
            Err(error) if error.is_without_status() => return Err(error),
            _ => Positions::Unusable,
        };
        Ok(())
    }

    /// Finds out whether the drive knows where the tape stands, and leaves it there.
    ///
    /// # Errors
    /// When the session was lost.
    pub async fn find_position(&mut self) -> Result<(), UnitError> {
        self.positions = match self.read_position().await {
            // tgt's says object 0 anywhere, and BOP nowhere.
            Ok(position)
                if position
                    .object
                    .is_some_and(|object| position.beginning == (object == 0)) =>
            {
                Positions::Plausible
            }
            Err(error) if error.is_without_status() => return Err(error),
            _ => Positions::Unusable,
        };
        Ok(())
    }

    /// Returns where the tape stands, as the drive says.
    ///
    /// # Errors
    /// When the drive does not say.
    pub async fn read_position(&self) -> Result<Position, UnitError> {
        let form = PositionForm::Short;
        let data = self
            .unit
            .execute(&Command::ReadPosition(ReadPosition::new(form)))
            .await?;
        Ok(Position::decode(form, &data)?)
    }

    /// Returns the number of objects before the tape's position; none when the drive does not count them.
    ///
    /// # Errors
    /// When the session was lost.
    pub async fn object(&self) -> Result<Option<u64>, UnitError> {
        if self.positions == Positions::Unusable {
            return Ok(None);
        }
        match self.read_position().await {
            Ok(position) if position.beginning => Ok(position.object.filter(|object| *object == 0)),
            Ok(position) => Ok(position.object.filter(|object| *object > 0)),
            Err(error) if error.is_without_status() => Err(error),
            Err(_) => Ok(None),
        }
    }

    /// Goes to an object and proves it: false when the drive cannot, or says that it is elsewhere.
    ///
    /// # Errors
    /// When the session was lost.
    pub async fn locate(&mut self, object: u64) -> Result<bool, UnitError> {
        if object == 0 {
            self.rewind().await?;
            return Ok(self.positions == Positions::Plausible);
        }
        if self.positions == Positions::Unusable {
            return Ok(false);
        }
        let locate = Command::Locate(Locate::object(object));
        match self.unit.execute(&locate).await {
            Ok(_) => Ok(self.object().await? == Some(object)),
            Err(error) if error.is_without_status() => Err(error),
            Err(_) => Ok(false),
        }
    }

    /// Goes to a block of a tape file by counting from the beginning of the tape, which every drive can. Files count from 1,
    /// blocks from 0.
    ///
    /// # Errors
    /// When there is no such place, or the tape cannot be moved.
    pub async fn count_to(&mut self, file: u64, block: u64) -> Result<(), UnitError> {
        self.rewind().await?;
        let filemarks = file.saturating_sub(1);
        if filemarks > 0 {
            self.space_forward(SpaceCode::Filemarks, filemarks).await?;
        }
        if block == 0 {
            return Ok(());
        }
        match self.space_forward(SpaceCode::Blocks, block).await {
            // tgt has moved over the last block, and says so as well where it was asked for no more.
            Err(error) if error.is_end_of_data() => {
                self.rewind().await?;
                if filemarks > 0 {
                    self.space_forward(SpaceCode::Filemarks, filemarks).await?;
                }
                self.pass(SpaceCode::Blocks, block.try_into().unwrap_or(i64::MAX))
                    .await
            }
            result => result,
        }
    }

    /// Goes behind the next filemark; false when there is none, and the tape stands at the end of the data then.
    ///
    /// # Errors
    /// When the tape cannot be moved.
    pub async fn next_file(&self) -> Result<bool, UnitError> {
        match self.space(SpaceCode::Filemarks, 1).await {
            Ok(()) => Ok(true),
            Err(error) if error.is_end_of_data() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Goes behind the last object of the tape.
    ///
    /// # Errors
    /// When the tape cannot be moved.
    pub async fn to_end_of_data(&self) -> Result<(), UnitError> {
        self.space(SpaceCode::EndOfData, 0).await
    }

    async fn space_forward(&self, code: SpaceCode, count: u64) -> Result<(), UnitError> {
        self.space(code, i64::try_from(count).unwrap_or(i64::MAX))
            .await
    }

    /// Moves the tape over blocks or filemarks, towards the beginning for a negative count.
    ///
    /// # Errors
    /// Everything that is not GOOD.
    pub async fn space(&self, code: SpaceCode, count: i64) -> Result<(), UnitError> {
        match self
            .unit
            .execute(&Command::Space(Space { code, count }))
            .await
        {
            Ok(_) => Ok(()),
            // tgt refuses SPACE on a write-protected unit, as if it wrote.
            Err(error) if error.has_key(SenseKey::DATA_PROTECT) && count > 0 => {
                self.pass(code, count).await
            }
            Err(error) => Err(error),
        }
    }

    /// Does what SPACE does forward by reading: a READ of a longer block than is asked for leaves the tape behind it all the same
    /// (SSC-4 5.6, READ(6)).
    ///
    /// # Errors
    /// What the READ met that is not passed, such as the end of the data.
    pub async fn pass(&self, code: SpaceCode, count: i64) -> Result<(), UnitError> {
        let read = Command::Read(Read::variable(1));
        let mut left = count;
        while left > 0 {
            let met = self.unit.execute(&read).await.err();
            let sense = met.as_ref().and_then(UnitError::sense);
            let is_filemark = sense.is_some_and(|sense| sense.filemark);
            let is_block = match sense {
                Some(sense) => {
                    sense.incorrect_length && !sense.deferred && sense.key == SenseKey::NO_SENSE
                }
                None => met.is_none(),
            };
            match (code, is_filemark, is_block) {
                (SpaceCode::Filemarks, true, _) | (SpaceCode::Blocks, false, true) => {
                    left = left.saturating_sub(1);
                }
                (SpaceCode::Filemarks, false, true) => {}
                _ => return met.map_or(Ok(()), Err),
            }
        }
        Ok(())
    }

    /// Writes filemarks, and waits until everything before them is on the medium.
    ///
    /// # Errors
    /// Everything that is not GOOD.
    pub async fn write_filemarks(&self, count: u32) -> Result<(), UnitError> {
        let command = Command::WriteFilemarks(WriteFilemarks {
            immediate: false,
            count,
        });
        self.unit.execute(&command).await.map(|_| ())
    }
}
