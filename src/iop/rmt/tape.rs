//! An open drive as st(4) shows it: one block for each read and write, and the operations of mtio by their Linux numbers.
//!
//! st(4) keeps the file and block number that the tape stands at, whether the last thing was a write, which a filemark ends, and
//! what a read met last: the first read behind the last filemark returns nothing, and the next one fails.

mod space;

use std::time::Duration;

use bytes::Bytes;

use super::error::RmtError;
use super::mtio::{MtStatus, open_flags};
use super::{Client, Incoming};
use crate::iop::job::unit::UnitError;
use crate::iop::tape::drive::{Reopen, TapeDrive};
use crate::iop::tape::read::{Judged, Object, judge, may_pass};
use crate::iop::tape::write::{MAX_BYTES_IN_FLIGHT, WriteError, Writer};
use crate::scsi::command::{Erase, LoadUnload, Locate, LogSense, ModeSense, Read, SpaceCode};
use crate::scsi::data::block_limits::BlockLimits;
use crate::scsi::data::log::{self, LogPage};
use crate::scsi::data::mode::ModeData;
use crate::scsi::{AdditionalSenseCode, Command, SenseKey};
use crate::transport::sleep;

/// WP of the device-specific parameter of tape (SSC-4 8.3).
const WRITE_PROTECT: u8 = 0x80;

/// The parameter of the tape capacity log page that says what is left of the main partition, in MiB (IBM LTO SCSI reference).
const REMAINING_CAPACITY: u16 = 1;

/// So many bytes before the end of the medium a block is answered when it is on the tape, and before that when it is on its way:
/// twice what can be on its way.
const RESERVE: u64 = 32 << 20;
const _: () = assert!(RESERVE as usize >= 2 * MAX_BYTES_IN_FLIGHT);

/// How often a command is sent again that was not done.
const MAX_ATTEMPTS: u32 = 12;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What the tape was found to be at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Met {
    Nothing,
    /// Behind a filemark.
    Filemark,
    /// Behind the last object, which a read was told.
    EndOfData,
}

/// What is in the drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Medium {
    Absent,
    /// A cartridge that was unloaded, and not moved since (SSC-4 7.2).
    Unloaded,
    Loaded,
}

/// An open drive.
pub struct OpenTape<R> {
    drive: TapeDrive<R>,
    reads: bool,
    writes: bool,
    medium: Medium,
    /// The block lengths that the drive takes; none where it does not tell.
    limits: Option<BlockLimits>,
    is_write_protected: bool,
    density: u8,
    /// Filemarks before the position, and blocks behind the last of them, where they are known.
    file: Option<u64>,
    block: Option<u64>,
    /// Objects before the position, where the drive counts them.
    object: Option<u64>,
    met: Met,
    /// The end of the medium is near.
    is_near_end: bool,
    /// The last thing was a write, which a filemark is to end.
    wrote: bool,
    /// Where the tape stands is not known.
    is_lost: bool,
    /// A write that was answered, and failed later.
    untold: Option<RmtError>,
}

impl<R: Reopen> OpenTape<R> {
    /// Opens a drive where its tape stands, with the flags of open(2).
    ///
    /// # Errors
    /// [`RmtError::Empty`] and [`RmtError::NotLoaded`] unless the flags have O_NONBLOCK, [`RmtError::ReadOnly`],
    /// [`RmtError::Unit`].
    pub async fn open(drive: TapeDrive<R>, flags: u64) -> Result<Self, RmtError> {
        let access = flags & open_flags::ACCESS_MODE;
        let mut tape = Self {
            drive,
            reads: access != open_flags::WRITE_ONLY,
            writes: matches!(access, open_flags::WRITE_ONLY | open_flags::READ_WRITE),
            medium: Medium::Absent,
            limits: None,
            is_write_protected: false,
            density: 0,
            file: None,
            block: None,
            object: None,
            met: Met::Nothing,
            is_near_end: false,
            wrote: false,
            is_lost: false,
            untold: None,
        };
        tape.look().await?;
        if flags & open_flags::NON_BLOCKING == 0 {
            tape.loaded()?;
        }
        match tape.medium == Medium::Loaded && tape.writes && tape.is_write_protected {
            true => Err(RmtError::ReadOnly),
            false => Ok(tape),
        }
    }

    /// Waits until the drive is ready or empty, and finds out what is in it and where it stands.
    async fn look(&mut self) -> Result<(), RmtError> {
        let mut waited = Duration::ZERO;
        self.medium = loop {
            let error = match self.drive.unit().execute(&Command::TestUnitReady).await {
                Ok(_) => break Medium::Loaded,
                Err(error) => error,
            };
            if error.has_code(AdditionalSenseCode::MEDIUM_NOT_PRESENT) {
                break Medium::Absent;
            }
            if error.has_code(AdditionalSenseCode::INITIALIZING_COMMAND_REQUIRED) {
                break Medium::Unloaded;
            }
            let may_become_ready = error.is_busy()
                || error.has_key(SenseKey::UNIT_ATTENTION)
                || error.has_key(SenseKey::NOT_READY);
            if !may_become_ready || waited >= self.drive.unit().motion_timeout() {
                return Err(RmtError::Unit(error));
            }
            sleep(FIRST_PAUSE).await;
            waited = waited.saturating_add(FIRST_PAUSE);
        };
        self.set_place(None, None);
        self.is_lost = false;
        if self.medium != Medium::Loaded {
            return Ok(());
        }
        self.limits = self.drive.block_limits().await;
        // A drive that has no mode parameters is taken for one that can be written, as st(4) does.
        let mode = Command::ModeSense(ModeSense::page6(0, u8::MAX));
        if let Ok(data) = self.drive.unit().execute(&mode).await
            && let Ok(mode) = ModeData::decode6(&data)
        {
            self.is_write_protected = mode.device_specific_parameter & WRITE_PROTECT != 0;
            self.density = mode.density_code.unwrap_or(0);
        }
        self.drive.find_position().await.map_err(RmtError::Unit)?;
        self.count().await?;
        let position = self.drive.read_position().await;
        if position.is_ok_and(|position| position.beginning) {
            self.set_place(Some(0), Some(0));
        }
        Ok(())
    }

    fn set_place(&mut self, file: Option<u64>, block: Option<u64>) {
        self.file = file;
        self.block = block;
        self.met = Met::Nothing;
        self.is_near_end = false;
    }

    /// Asks the drive how many objects are before the position.
    async fn count(&mut self) -> Result<(), RmtError> {
        self.object = self.drive.object().await.map_err(|cause| {
            self.is_lost = true;
            RmtError::Unit(cause)
        })?;
        Ok(())
    }

    /// Fails where no tape is loaded.
    fn loaded(&self) -> Result<(), RmtError> {
        match self.medium {
            Medium::Absent => Err(RmtError::Empty),
            Medium::Unloaded => Err(RmtError::NotLoaded),
            Medium::Loaded => Ok(()),
        }
    }

    /// Fails where a block of so many bytes is longer than the drive takes, as st(4) does.
    fn check_length(&self, length: u64) -> Result<(), RmtError> {
        match self.limits {
            Some(limits) if !limits.allow(length) => Err(RmtError::BlockLength {
                length,
                longest: limits.longest,
            }),
            _ => Ok(()),
        }
    }

    /// Fails where a request cannot be done: an earlier write failed, no tape is loaded, or where the tape stands is not known.
    fn ready(&mut self) -> Result<(), RmtError> {
        if let Some(error) = self.untold.take() {
            return Err(error);
        }
        self.loaded()?;
        match self.is_lost {
            true => Err(RmtError::PositionLost),
            false => Ok(()),
        }
    }

    /// Reads the next block; nothing at a filemark, and once behind the last one.
    ///
    /// # Errors
    /// [`RmtError::BlockLength`], [`RmtError::LongBlock`] for a block longer than `count`, [`RmtError::EndOfData`], and the drive's.
    pub async fn read(&mut self, count: u64) -> Result<Bytes, RmtError> {
        self.ready()?;
        if !self.reads {
            return Err(RmtError::WrongAccess);
        }
        if count == 0 {
            return Ok(Bytes::new());
        }
        self.check_length(count)?;
        if self.met == Met::EndOfData {
            return Err(RmtError::EndOfData);
        }
        self.wrote = false;
        let wanted = u32::try_from(count)
            .unwrap_or(u32::MAX)
            .min(Read::MAX_LENGTH);
        let object = self.read_object(wanted).await.inspect_err(|error| {
            if !matches!(error, RmtError::LongBlock { .. }) {
                self.is_lost = true;
            }
        })?;
        Ok(match object {
            Object::Block(data) => {
                self.passed_block();
                data
            }
            Object::Filemark => {
                self.passed_filemark();
                Bytes::new()
            }
            Object::EndOfData => {
                let is_first = self.met == Met::Filemark;
                self.met = Met::EndOfData;
                if !is_first {
                    return Err(RmtError::EndOfData);
                }
                Bytes::new()
            }
        })
    }

    fn passed_block(&mut self) {
        let next = |number: u64| number.saturating_add(1);
        self.block = self.block.map(next);
        self.object = self.object.map(next);
        self.met = Met::Nothing;
    }

    fn passed_filemark(&mut self) {
        let next = |number: u64| number.saturating_add(1);
        self.object = self.object.map(next);
        self.file = self.file.map(next);
        self.block = Some(0);
        self.met = Met::Filemark;
    }

    /// Reads the next object. After a fault that may pass, the tape is brought back where the drive knows its position.
    async fn read_object(&mut self, wanted: u32) -> Result<Object, RmtError> {
        let mut attempts = 0_u32;
        loop {
            let cause = match judge(self.send_read(wanted).await, wanted) {
                Judged::Object(object) => return Ok(object),
                Judged::Length(length) if length > u64::from(wanted) => {
                    self.passed_block();
                    return Err(RmtError::LongBlock { length, wanted });
                }
                Judged::Length(length) => match self.read_exactly(length).await {
                    Ok(object) => return Ok(object),
                    // The tape stands before or behind the block: only the drive can tell.
                    Err(cause) => cause,
                },
                Judged::Fault(cause) if cause.is_busy() && attempts < MAX_ATTEMPTS => {
                    attempts = attempts.saturating_add(1);
                    sleep(pause(attempts)).await;
                    continue;
                }
                Judged::Fault(cause) => cause,
            };
            attempts = attempts.saturating_add(1);
            let Some(object) = self.object else {
                return Err(RmtError::Unit(cause));
            };
            if !may_pass(&cause) || attempts > MAX_ATTEMPTS {
                return Err(RmtError::Unit(cause));
            }
            match cause.is_lost() {
                true => self.drive.reopen().await.map_err(RmtError::Unit)?,
                false => sleep(pause(attempts)).await,
            }
            self.drive.settle().await.map_err(RmtError::Unit)?;
            if !self.drive.locate(object).await.map_err(RmtError::Unit)? {
                return Err(RmtError::Unit(cause));
            }
        }
    }

    async fn send_read(&self, length: u32) -> Result<Bytes, UnitError> {
        let command = Command::Read(Read::variable(length));
        self.drive.unit().execute(&command).await
    }

    /// Goes back before a block that did not come whole, and reads it by its length.
    async fn read_exactly(&self, length: u64) -> Result<Object, UnitError> {
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        self.drive.space(SpaceCode::Blocks, -1).await?;
        match judge(self.send_read(length).await, length) {
            Judged::Object(object) => Ok(object),
            Judged::Fault(cause) => Err(cause),
            Judged::Length(_) => Err(UnitError::NoSense),
        }
    }

    /// Writes a block and those that come behind it, each answered when it is on its way; returns what came that is none.
    pub(super) async fn write(&mut self, first: Bytes, client: &mut Client<'_>) -> Incoming {
        let mut data = first;
        loop {
            if let Err(error) = self.may_write(data.len()) {
                client.fail(error).await;
                return client.next().await;
            }
            if !data.is_empty() {
                match self.write_run(data, client).await {
                    Ok(Incoming::Block(next)) => {
                        data = next;
                        continue;
                    }
                    Ok(incoming) => return incoming,
                    Err(error) => client.fail(error).await,
                }
            } else {
                client.done(0).await;
            }
            match client.next().await {
                Incoming::Block(next) => data = next,
                incoming => return incoming,
            }
        }
    }

    fn may_write(&mut self, length: usize) -> Result<(), RmtError> {
        self.ready()?;
        match (self.writes, self.is_write_protected, length) {
            (false, ..) => Err(RmtError::WrongAccess),
            (true, true, _) => Err(RmtError::WriteProtected),
            (true, false, 0) => Ok(()),
            (true, false, length) => self.check_length(bytes(length)),
        }
    }

    /// Returns how many bytes may be answered before they are on the tape; none where the drive does not tell what it has left.
    async fn room(&self) -> Option<u64> {
        let page = Command::LogSense(LogSense::page(log::TAPE_CAPACITY, u16::MAX));
        let data = self.drive.unit().execute(&page).await.ok()?;
        let page = LogPage::decode(log::TAPE_CAPACITY, &data).ok()?;
        let bytes = page.number(REMAINING_CAPACITY)?.saturating_mul(1 << 20);
        Some(bytes.saturating_sub(RESERVE))
    }

    /// Writes blocks until something else comes, which is returned, or one fails, which has not been answered then. A block comes
    /// back when what is left on the cartridge has to be looked at.
    async fn write_run(
        &mut self,
        first: Bytes,
        client: &mut Client<'_>,
    ) -> Result<Incoming, RmtError> {
        let mut room = self.room().await;
        let limits = self.limits;
        // A client goes on with another cartridge behind the last block that was answered, so near the end of this one nothing is
        // answered that may have no room.
        let one_by_one = room == Some(0);
        let mut writer = Writer::begin(&mut self.drive)
            .await
            .map_err(RmtError::Unit)?;
        let mut accepted = 0_u64;
        let mut data = first;
        let (mut outcome, incoming) = loop {
            let length = data.len();
            let mut pushed = writer.push(data).await;
            if one_by_one && pushed.is_ok() {
                pushed = writer.flush().await;
            }
            if let Err(error) = pushed {
                break (Err(error), None);
            }
            accepted = accepted.saturating_add(1);
            room = room.map(|room| room.saturating_sub(bytes(length)));
            client.done(length).await;
            match client.next().await {
                Incoming::Block(next)
                    if !next.is_empty()
                        && limits.is_none_or(|limits| limits.allow(bytes(next.len())))
                        && (one_by_one || room != Some(0)) =>
                {
                    data = next;
                }
                incoming => break (writer.flush().await, Some(incoming)),
            }
        };
        if outcome.is_ok() {
            outcome = writer.prove().await.map(|_| ());
        }
        let written = writer.written();
        self.wrote |= written.blocks > 0;
        self.is_near_end = written.end_of_medium;
        self.met = Met::Nothing;
        self.block = self.block.map(|block| block.saturating_add(written.blocks));
        let missing = accepted.saturating_sub(written.blocks);
        // A refused WRITE wrote nothing; behind it, with another one outstanding, the tape may stand behind that.
        let is_refused = missing <= 1
            && matches!(&outcome, Err(WriteError::Failed { cause, .. }) if cause.has_key(SenseKey::ILLEGAL_REQUEST));
        let outcome = match outcome {
            Ok(()) => Ok(()),
            Err(WriteError::EndOfMedium) if missing == 0 => Err(RmtError::EndOfMedium),
            Err(WriteError::EndOfMedium) => Err(RmtError::NoRoom { blocks: missing }),
            Err(WriteError::WriteProtected) => Err(RmtError::WriteProtected),
            Err(error) => {
                self.is_lost = !is_refused;
                Err(RmtError::Write(error))
            }
        };
        if !self.is_lost {
            // A session that is lost here is met again by the next request.
            let _ = self.count().await;
        }
        match (incoming, outcome) {
            (Some(incoming), outcome) => {
                self.untold = outcome.err();
                Ok(incoming)
            }
            (None, Err(error)) => Err(error),
            (None, Ok(())) => Err(RmtError::EndOfMedium),
        }
    }

    /// Ends what was written with a filemark. The tape is not rewound.
    ///
    /// # Errors
    /// What a write came to that was answered, or the filemark. [`RmtError::Unended`] where there can be none.
    pub async fn close(&mut self) -> Result<(), RmtError> {
        let untold = self.untold.take();
        let marked = match (self.wrote, self.is_lost) {
            (true, false) => self.write_filemarks(1).await,
            (true, true) => Err(RmtError::Unended),
            (false, _) => Ok(()),
        };
        untold.map_or(marked, Err)
    }

    async fn write_filemarks(&mut self, count: u32) -> Result<(), RmtError> {
        if self.is_write_protected {
            return Err(RmtError::WriteProtected);
        }
        self.wrote = false;
        let mut writer = Writer::begin(&mut self.drive)
            .await
            .map_err(RmtError::Unit)?;
        let mut outcome = writer.flush().await;
        for _ in 0..count {
            if outcome.is_ok() {
                outcome = writer.filemark().await;
            }
        }
        let written = writer.written();
        self.is_near_end |= written.end_of_medium;
        if written.filemarks > 0 {
            self.file = self.file.map(|file| file.saturating_add(written.filemarks));
            self.block = Some(0);
            self.met = Met::Nothing;
        }
        match outcome {
            Ok(()) => self.count().await,
            Err(WriteError::EndOfMedium) => Err(RmtError::EndOfMedium),
            Err(WriteError::WriteProtected) => Err(RmtError::WriteProtected),
            Err(error) => {
                self.is_lost = true;
                Err(RmtError::Write(error))
            }
        }
    }

    /// Answers lseek(2): a tape has no byte offsets, so only a question for the present one is answered, by 0.
    ///
    /// # Errors
    /// [`RmtError::NotSeekable`].
    pub fn seek(&mut self, offset: i64, whence: i64) -> Result<(), RmtError> {
        const FROM_HERE: i64 = 1;
        if let Some(error) = self.untold.take() {
            return Err(error);
        }
        match (offset, whence) {
            (0, FROM_HERE) => Ok(()),
            _ => Err(RmtError::NotSeekable),
        }
    }

    /// Returns the `struct mtget` of MTIOCGET.
    ///
    /// # Errors
    /// What a write came to that was answered.
    pub fn status(&mut self) -> Result<Bytes, RmtError> {
        if let Some(error) = self.untold.take() {
            return Err(error);
        }
        let status = MtStatus {
            file: self.file,
            block: self.block,
            density: self.density,
            is_loaded: self.medium == Medium::Loaded,
            is_write_protected: self.is_write_protected,
            is_near_end: self.is_near_end,
            is_behind_data: self.met == Met::EndOfData,
        };
        Ok(status.encode())
    }

    /// Does an operation of MTIOCTOP.
    ///
    /// # Errors
    /// [`RmtError::NoOperation`], [`RmtError::BadCount`], and the drive's.
    pub async fn operate(&mut self, operation: i64, count: i64) -> Result<(), RmtError> {
        use super::mtio::operation as mt;
        if let Some(error) = self.untold.take() {
            return Err(error);
        }
        let bad_count = RmtError::BadCount { operation, count };
        let Ok(mut times) = u32::try_from(count) else {
            return Err(bad_count);
        };
        match operation {
            mt::NOTHING => return Ok(()),
            // Blocks are as long as they are written.
            mt::SET_BLOCK_LENGTH if count == 0 => return Ok(()),
            mt::SET_BLOCK_LENGTH => return Err(bad_count),
            _ => {}
        }
        if self.is_lost {
            self.come_back(operation).await?;
        }
        if operation != mt::LOAD {
            self.loaded()?;
        }
        let goes_back = matches!(operation, mt::BACKWARD_FILES | mt::BACKWARD_FILES_BEHIND);
        let ends_writing = matches!(operation, mt::REWIND | mt::OFFLINE | mt::UNLOAD | mt::SEEK);
        if self.wrote && (goes_back || ends_writing) {
            self.write_filemarks(1).await?;
            if goes_back {
                times = times.saturating_add(1);
            }
        }
        match operation {
            mt::WRITE_FILEMARKS | mt::WRITE_FILEMARKS_AT_ONCE => {
                return self.write_filemarks(times).await;
            }
            mt::LOCK | mt::UNLOCK => {
                let prevent = operation == mt::LOCK;
                let command = Command::PreventAllowMediumRemoval { prevent };
                return self.execute(&command).await;
            }
            _ => {}
        }
        self.wrote = false;
        let times = i64::from(times);
        match operation {
            mt::FORWARD_FILES => self.space_files(times).await?,
            mt::BACKWARD_FILES => self.space_files(times.saturating_neg()).await?,
            mt::FORWARD_FILES_BEFORE => {
                self.space_files(times).await?;
                self.space_files(-1).await?;
            }
            mt::BACKWARD_FILES_BEHIND => {
                self.space_files(times.saturating_neg()).await?;
                self.space_files(1).await?;
            }
            mt::FORWARD_RECORDS => self.space_records(times).await?,
            mt::BACKWARD_RECORDS => self.space_records(times.saturating_neg()).await?,
            mt::REWIND => {
                self.rewind().await?;
            }
            mt::OFFLINE | mt::UNLOAD => {
                self.execute(&Command::LoadUnload(LoadUnload::UNLOAD))
                    .await?;
                self.medium = Medium::Unloaded;
                self.set_place(None, None);
                return Ok(());
            }
            mt::LOAD => {
                self.execute(&Command::LoadUnload(LoadUnload::LOAD)).await?;
                return self.look().await;
            }
            mt::RETENSION => {
                let retension = LoadUnload {
                    retension: true,
                    ..LoadUnload::LOAD
                };
                self.execute(&Command::LoadUnload(retension)).await?;
                self.set_place(Some(0), Some(0));
            }
            mt::END_OF_DATA => {
                self.go_to_end_of_data().await?;
                self.set_place(None, None);
                self.met = Met::EndOfData;
            }
            mt::ERASE => {
                if self.is_write_protected {
                    return Err(RmtError::WriteProtected);
                }
                let erase = Command::Erase(Erase {
                    immediate: false,
                    long: times > 0,
                });
                self.execute(&erase).await?;
                self.block = None;
            }
            mt::SEEK => {
                let object = u64::try_from(times).unwrap_or(0);
                self.execute(&Command::Locate(Locate::object(object)))
                    .await?;
                let first = (object == 0).then_some(0);
                self.set_place(first, first);
            }
            operation => return Err(RmtError::NoOperation(operation)),
        }
        self.is_lost = false;
        self.count().await
    }

    /// After a fault: only what finds a place of its own on the tape may be done, in a new session where the old one is lost.
    async fn come_back(&mut self, operation: i64) -> Result<(), RmtError> {
        use super::mtio::operation as mt;
        let finds_its_place = matches!(
            operation,
            mt::REWIND
                | mt::OFFLINE
                | mt::UNLOAD
                | mt::LOAD
                | mt::RETENSION
                | mt::SEEK
                | mt::END_OF_DATA
        );
        if !finds_its_place {
            return Err(RmtError::PositionLost);
        }
        self.wrote = false;
        let settled = self.drive.unit().take_unit_attentions(false).await;
        match settled {
            Err(cause) if cause.is_lost() => {
                self.drive.reopen().await.map_err(RmtError::Unit)?;
            }
            settled => settled.map_err(RmtError::Unit)?,
        }
        Ok(())
    }

    async fn rewind(&mut self) -> Result<(), RmtError> {
        self.drive
            .rewind()
            .await
            .map_err(|cause| self.fault(cause))?;
        self.set_place(Some(0), Some(0));
        Ok(())
    }

    async fn execute(&mut self, command: &Command) -> Result<(), RmtError> {
        let outcome = self.again(command).await;
        outcome.map_err(|cause| self.fault(cause))
    }

    /// Executes a command, again where nothing was done of it: after BUSY, and after a unit attention that leaves the tape where
    /// it was.
    async fn again(&self, command: &Command) -> Result<(), UnitError> {
        let mut attempts = 0_u32;
        loop {
            let cause = match self.drive.unit().execute(command).await {
                Ok(_) => return Ok(()),
                Err(cause) => cause,
            };
            let moved = cause
                .sense()
                .is_none_or(|sense| matches!(sense.code.asc, 0x28 | 0x29));
            let may_be_sent = cause.is_busy() || cause.has_key(SenseKey::UNIT_ATTENTION) && !moved;
            if !may_be_sent || attempts >= MAX_ATTEMPTS {
                return Err(cause);
            }
            attempts = attempts.saturating_add(1);
            if cause.is_busy() {
                sleep(pause(attempts)).await;
            }
        }
    }

    /// Takes a fault after which nobody knows where the tape stands.
    fn fault(&mut self, cause: UnitError) -> RmtError {
        self.is_lost = true;
        self.set_place(None, None);
        match cause.has_key(SenseKey::DATA_PROTECT) {
            true => RmtError::WriteProtected,
            false => RmtError::Unit(cause),
        }
    }
}

fn bytes(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

fn pause(attempts: u32) -> Duration {
    let doublings = attempts.saturating_sub(1).min(16);
    FIRST_PAUSE
        .saturating_mul(1 << doublings)
        .min(LONGEST_PAUSE)
}
