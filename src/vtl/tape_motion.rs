//! The tape drive's commands that read, write and move the tape (SSC-4).

use bytes::{Bytes, BytesMut};

use super::drive::{Drive, LONGEST_BLOCK, LONGEST_TRANSFER, write_error};
use super::fault::{BlockFault, LibraryFaults};
use super::media::{Append, BlockRead, Kind, Objects, RECORD_COST, Record, TapeError};
use super::reply::{CommandRefusal, CommandResult, done, up_to};
use crate::scsi::command::{
    Command, Destination, Locate, PositionForm, Read, ReadPosition, Space, SpaceCode, Write,
    WriteFilemarks,
};
use crate::scsi::data::position::Position;
use crate::scsi::{AdditionalSenseCode, SenseData, SenseKey};

/// The most that early warning comes before the end of the medium.
const LONGEST_WARNING: u64 = 64 << 20;

impl Drive {
    /// REWIND (SSC-4 5.8).
    pub(super) fn rewind(&mut self) -> CommandResult {
        self.ready()?;
        self.position = 0;
        done()
    }

    /// READ(6) (SSC-4 5.6).
    pub(super) fn read(&mut self, transfer: Read, faults: &LibraryFaults) -> CommandResult {
        if transfer.fixed {
            return self.read_fixed(transfer, faults);
        }
        self.ready()?;
        if transfer.length == 0 {
            return done();
        }
        let requested = transfer.length;
        let length = match self.next_block(faults) {
            Ok(length) => length,
            Err(stop) => return Err(stop.sense(requested.into()).into()),
        };
        let data = self.take_block(requested)?;
        // SILI spares a block that is too short always, one that is too long only with variable blocks in force.
        let spared = transfer.suppress_incorrect_length
            && (length < requested || self.unit.mode.block_length == 0);
        if length == requested || spared {
            return Ok(data);
        }
        let mut sense = SenseData::new(SenseKey::NO_SENSE, AdditionalSenseCode::NONE);
        sense.incorrect_length = true;
        // The difference, negative in two's complement when the block is longer.
        sense.information = Some(requested.wrapping_sub(length).into());
        Err(CommandRefusal::Check { sense, data })
    }

    fn read_fixed(&mut self, transfer: Read, faults: &LibraryFaults) -> CommandResult {
        let block_length = self.unit.mode.block_length;
        if block_length == 0 {
            return Err(CommandRefusal::field(1, 0));
        }
        if transfer.suppress_incorrect_length {
            return Err(CommandRefusal::field(1, 1));
        }
        self.ready()?;
        let blocks = transfer.length;
        if blocks.saturating_mul(block_length) > LONGEST_TRANSFER {
            return Err(CommandRefusal::field(2, 7));
        }
        let mut data = Vec::new();
        for done in 0..blocks {
            let missing = blocks.saturating_sub(done);
            let length = match self.next_block(faults) {
                Ok(length) => length,
                Err(stop) => {
                    return Err(CommandRefusal::Check {
                        sense: stop.sense(missing.into()),
                        data: joined(data),
                    });
                }
            };
            let block = self.take_block(block_length)?;
            if length != block_length {
                let mut sense = SenseData::new(SenseKey::NO_SENSE, AdditionalSenseCode::NONE);
                sense.incorrect_length = true;
                sense.information = Some(missing.into());
                return Err(CommandRefusal::Check {
                    sense,
                    data: joined(data),
                });
            }
            data.push(block);
        }
        Ok(joined(data))
    }

    /// Returns the reads of the disk that a READ has to wait for.
    pub(super) fn reads_before(&mut self, transfer: Read) -> Vec<BlockRead> {
        let block_length = self.unit.mode.block_length;
        let (blocks, limit) = match (transfer.fixed, block_length) {
            (false, _) => (transfer.length.min(1), transfer.length),
            (true, 0) => return Vec::new(),
            (true, _) => (transfer.length, block_length),
        };
        if u64::from(blocks).saturating_mul(limit.into()) > LONGEST_TRANSFER.into() {
            return Vec::new();
        }
        let position = self.position;
        let Ok(tape) = self.ready_mut() else {
            return Vec::new();
        };
        (position..)
            .take(usize::try_from(blocks).unwrap_or(usize::MAX))
            // A READ ends at a filemark.
            .take_while(|position| is_block(tape.record(*position)))
            .collect::<Vec<u64>>()
            .into_iter()
            .filter_map(|position| tape.prepare_read(position, limit))
            .collect()
    }

    /// Returns the length of the block that is next, or what is there instead; a filemark is passed.
    fn next_block(&mut self, faults: &LibraryFaults) -> Result<u32, Stop> {
        let record = self
            .ready()
            .ok()
            .and_then(|tape| tape.record(self.position))
            .ok_or(Stop::EndOfData)?;
        match record.kind {
            Kind::Filemark => {
                self.position = self.position.saturating_add(1);
                Err(Stop::Filemark)
            }
            Kind::Unreadable => Err(Stop::Unreadable),
            Kind::Block if self.is_faulty(&faults.unreadable) => Err(Stop::Unreadable),
            Kind::Block => Ok(record.length),
        }
    }

    /// Reads the block that is next and passes it.
    fn take_block(&mut self, limit: u32) -> Result<Bytes, CommandRefusal> {
        let position = self.position;
        let data = self
            .ready_mut()?
            .read(position, limit)
            .map_err(|_| unrecovered_read_error())?;
        self.position = self.position.saturating_add(1);
        self.count_read(u64::try_from(data.len()).unwrap_or(u64::MAX));
        Ok(data)
    }

    /// WRITE(6) (SSC-4 5.10). What follows the position is gone with the first block.
    pub(super) fn write(
        &mut self,
        transfer: Write,
        data: &Bytes,
        faults: &LibraryFaults,
    ) -> CommandResult {
        let PlannedWrite {
            blocks,
            block_length,
            data: mut rest,
        } = self.planned_write(transfer, data, faults)?;
        if rest.is_empty() {
            return done();
        }
        // INFORMATION is what is missing: blocks when FIXED, else bytes.
        let missing = |written: u32| match transfer.fixed {
            true => blocks.saturating_sub(written),
            false => transfer.length,
        };
        self.cut_here()?;
        let length = usize::try_from(block_length).unwrap_or(usize::MAX);
        for written in 0..blocks {
            if self.is_faulty(&faults.unwritable) {
                return Err(write_error());
            }
            let block = rest.split_to(length.min(rest.len()));
            self.append(block_length.into(), 1, |tape| tape.append_block(&block))
                .map_err(|error| refused(error, missing(written)))?;
            self.count_written(block_length.into());
            self.unsynchronized = self.unsynchronized.saturating_add(1);
        }
        self.early_warning()
    }

    /// Returns what a WRITE is to write once nothing stands against it.
    fn planned_write(
        &self,
        transfer: Write,
        data: &Bytes,
        faults: &LibraryFaults,
    ) -> Result<PlannedWrite, CommandRefusal> {
        let (blocks, block_length) = match (transfer.fixed, self.unit.mode.block_length) {
            (true, 0) => return Err(CommandRefusal::field(1, 0)),
            (true, block_length) => (transfer.length, block_length),
            (false, _) => (1, transfer.length),
        };
        let total = blocks.saturating_mul(block_length);
        if block_length > LONGEST_BLOCK || total > LONGEST_TRANSFER {
            return Err(CommandRefusal::field(2, 7));
        }
        self.writable(faults)?;
        let total = usize::try_from(total).unwrap_or(usize::MAX);
        if data.len() < total {
            return Err(CommandRefusal::check(
                SenseKey::ABORTED_COMMAND,
                AdditionalSenseCode::DATA_PHASE_ERROR,
            ));
        }
        Ok(PlannedWrite {
            blocks,
            block_length,
            data: data.slice(..total),
        })
    }

    /// Returns what a command that writes has to wait for: that its file is written as it will write it.
    pub(super) fn append_before(
        &mut self,
        command: &Command,
        data: &Bytes,
        faults: &LibraryFaults,
    ) -> Option<Append> {
        let position = self.position;
        let objects = match *command {
            Command::Write(transfer) => {
                let planned = self.planned_write(transfer, data, faults).ok()?;
                Objects::Blocks(self.blocks_that_fit(planned, faults)?)
            }
            Command::WriteFilemarks(WriteFilemarks { count, .. }) => {
                self.writable(faults).ok()?;
                if count == 0 {
                    return None;
                }
                let used = self.ready().ok()?.used_before(position);
                let cost = u64::from(count).saturating_mul(RECORD_COST);
                let fits = used.saturating_add(cost) <= self.capacity;
                Objects::Filemarks(if fits { count } else { 0 })
            }
            Command::Erase(_) => {
                self.writable(faults).ok()?;
                Objects::Filemarks(0)
            }
            _ => return None,
        };
        self.ready_mut().ok()?.prepare_append(position, objects)
    }

    /// Returns the blocks of a WRITE up to the end of the medium, or to a fault; none for a WRITE of nothing.
    fn blocks_that_fit(&self, planned: PlannedWrite, faults: &LibraryFaults) -> Option<Vec<Bytes>> {
        let PlannedWrite {
            blocks,
            block_length,
            data: mut rest,
        } = planned;
        if rest.is_empty() {
            return None;
        }
        let length = usize::try_from(block_length).ok()?;
        let cost = u64::from(block_length).saturating_add(RECORD_COST);
        let mut used = self.ready().ok()?.used_before(self.position);
        let fit = (self.position..)
            .take(usize::try_from(blocks).ok()?)
            .take_while(|position| {
                used = used.saturating_add(cost);
                used <= self.capacity && !self.is_faulty_at(&faults.unwritable, *position)
            });
        Some(fit.map(|_| rest.split_to(length.min(rest.len()))).collect())
    }

    /// WRITE FILEMARKS(6) (SSC-4 5.11). Whatever was written before is on the disk when it is done.
    pub(super) fn write_filemarks(
        &mut self,
        command: WriteFilemarks,
        faults: &LibraryFaults,
    ) -> CommandResult {
        let count = command.count;
        self.writable(faults)?;
        if count > 0 {
            self.cut_here()?;
            self.append(0, count, |tape| tape.append_filemarks(count))
                .map_err(|error| refused(error, count))?;
        }
        self.want_sync()?;
        if count == 0 {
            return done();
        }
        self.early_warning()
    }

    /// ERASE(6) (SSC-4 5.2): what follows the position is gone; LONG makes no difference.
    pub(super) fn erase(&mut self, faults: &LibraryFaults) -> CommandResult {
        self.writable(faults)?;
        self.cut_here()?;
        self.want_sync()?;
        done()
    }

    /// Loses the last blocks that were written, up to `blocks` of them, as a drive does whose buffer did not reach the medium;
    /// returns the deferred error that reports it (SPC-4 4.5.5).
    pub(super) fn lose(&mut self, blocks: u32) -> CommandRefusal {
        self.unsynchronized = 0;
        for _ in 0..blocks {
            let last = self.position.saturating_sub(1);
            let is_block = self
                .ready()
                .ok()
                .and_then(|tape| tape.record(last))
                .is_some_and(|record| record.kind == Kind::Block);
            if self.position == 0 || !is_block {
                break;
            }
            self.position = last;
            if self.cut_here().is_err() {
                break;
            }
        }
        let mut sense = SenseData::new(SenseKey::MEDIUM_ERROR, AdditionalSenseCode::WRITE_ERROR);
        sense.deferred = true;
        sense.into()
    }

    fn writable(&self, faults: &LibraryFaults) -> Result<(), CommandRefusal> {
        self.ready()?;
        if self.is_write_protected() {
            return Err(CommandRefusal::check(
                SenseKey::DATA_PROTECT,
                AdditionalSenseCode::WRITE_PROTECTED,
            ));
        }
        if self.is_faulty(&faults.unwritable) {
            return Err(write_error());
        }
        Ok(())
    }

    fn cut_here(&mut self) -> Result<(), CommandRefusal> {
        let position = self.position;
        self.ready_mut()?
            .truncate(position)
            .map_err(|_| write_error())
    }

    /// Appends records when the cartridge has room for them, and passes them.
    fn append(
        &mut self,
        block_length: u64,
        records: u32,
        write: impl FnOnce(&mut super::media::Tape) -> Result<(), TapeError>,
    ) -> Result<(), TapeError> {
        let capacity = self.capacity;
        let cost = u64::from(records)
            .saturating_mul(RECORD_COST)
            .saturating_add(block_length);
        let tape = self.ready_mut().map_err(|_| TapeError::Damaged)?;
        if tape.used().saturating_add(cost) > capacity {
            return Err(TapeError::Full);
        }
        write(tape)?;
        self.position = self.position.saturating_add(records.into());
        Ok(())
    }

    /// Everything was written; near the end of the medium the sense data reports early warning.
    fn early_warning(&mut self) -> CommandResult {
        if !self.is_behind_early_warning() {
            return done();
        }
        if let (Some(_), Some(times)) = (self.early_warning_after, &mut self.early_warning_times) {
            *times = times.saturating_sub(1);
            if *times == 0 {
                self.early_warning_after = None;
            }
        }
        let mut sense = SenseData::new(
            SenseKey::NO_SENSE,
            AdditionalSenseCode::END_OF_MEDIUM_DETECTED,
        );
        sense.end_of_medium = true;
        sense.information = Some(0);
        Err(sense.into())
    }

    /// Early warning begins a sixteenth of the capacity before the end, 64 MiB at most, or where a fault says.
    fn is_behind_early_warning(&self) -> bool {
        let warning = (self.capacity / 16).min(LONGEST_WARNING);
        let begins = self
            .early_warning_after
            .unwrap_or(self.capacity.saturating_sub(warning));
        self.ready()
            .is_ok_and(|tape| self.position == tape.end() && tape.used() > begins)
    }

    /// SPACE(6) and SPACE(16) (SSC-4 7.11).
    pub(super) fn space(&mut self, space: Space) -> CommandResult {
        let Space { code, count } = space;
        let tape = self.ready()?;
        let end = tape.end();
        let wanted = count.unsigned_abs();
        let (position, stop) = match (code, count >= 0) {
            (SpaceCode::EndOfData, _) => (end, None),
            (SpaceCode::Filemarks, true) => {
                let before = tape.filemarks_before(self.position);
                let target = wanted
                    .checked_sub(1)
                    .map(|more| tape.filemark(before.saturating_add(more)));
                match target {
                    None => (self.position, None),
                    Some(Some(filemark)) => (filemark.saturating_add(1), None),
                    Some(None) => {
                        let passed = tape.filemarks_before(end).saturating_sub(before);
                        (end, Some((Stop::EndOfData, wanted.saturating_sub(passed))))
                    }
                }
            }
            (SpaceCode::Filemarks, false) => {
                let before = tape.filemarks_before(self.position);
                let target = before
                    .checked_sub(wanted)
                    .and_then(|number| tape.filemark(number));
                match target {
                    Some(filemark) => (filemark, None),
                    None => (0, Some((Stop::Beginning, wanted.saturating_sub(before)))),
                }
            }
            (SpaceCode::Blocks, true) => {
                let goal = self.position.saturating_add(wanted);
                let filemark = tape.filemark(tape.filemarks_before(self.position));
                let residual = |reached| goal.saturating_sub(reached);
                match filemark.filter(|filemark| *filemark < goal) {
                    Some(filemark) => (
                        filemark.saturating_add(1),
                        Some((Stop::Filemark, residual(filemark))),
                    ),
                    None if goal > end => (end, Some((Stop::EndOfData, residual(end)))),
                    None => (goal, None),
                }
            }
            (SpaceCode::Blocks, false) => {
                let goal = self.position.checked_sub(wanted);
                let filemark = tape
                    .filemarks_before(self.position)
                    .checked_sub(1)
                    .and_then(|number| tape.filemark(number));
                let passed_to = |place: u64| self.position.saturating_sub(place);
                match (filemark, goal) {
                    (Some(filemark), _) if goal.is_none_or(|goal| goal <= filemark) => {
                        let passed = passed_to(filemark.saturating_add(1));
                        let residual = wanted.saturating_sub(passed);
                        (filemark, Some((Stop::Filemark, residual)))
                    }
                    (_, Some(goal)) => (goal, None),
                    (_, None) => {
                        let residual = wanted.saturating_sub(passed_to(0));
                        (0, Some((Stop::Beginning, residual)))
                    }
                }
            }
        };
        self.position = position;
        match stop {
            None => done(),
            Some((stop, residual)) => Err(stop.sense(residual).into()),
        }
    }

    /// LOCATE(10) and LOCATE(16) (SSC-4 7.4): a place behind the end of data ends there.
    pub(super) fn locate(&mut self, locate: Locate) -> CommandResult {
        let tape = self.ready()?;
        if locate.partition.is_some_and(|partition| partition != 0) {
            let byte = match locate.destination {
                Destination::Object(object) if object <= u32::MAX.into() => 8,
                Destination::DeviceSpecific(_) => 8,
                _ => 3,
            };
            return Err(CommandRefusal::field(byte, 7));
        }
        let end = tape.end();
        let found = match locate.destination {
            Destination::Object(object) => Some(object).filter(|object| *object <= end),
            // The device specific address of an LTO drive is the logical object identifier.
            Destination::DeviceSpecific(address) => {
                Some(u64::from(address)).filter(|object| *object <= end)
            }
            Destination::File(0) => Some(0),
            Destination::File(file) => tape
                .filemark(file.saturating_sub(1))
                .map(|filemark| filemark.saturating_add(1)),
            Destination::EndOfData => Some(end),
        };
        self.position = found.unwrap_or(end);
        match found {
            Some(_) => done(),
            None => Err(CommandRefusal::check(
                SenseKey::BLANK_CHECK,
                AdditionalSenseCode::END_OF_DATA_DETECTED,
            )),
        }
    }

    /// READ POSITION (SSC-4 7.7).
    pub(super) fn read_position(&self, command: ReadPosition) -> CommandResult {
        let file = self.ready()?.filemarks_before(self.position);
        let position = Position {
            beginning: self.position == 0,
            behind_early_warning: self.is_behind_early_warning(),
            partition: 0,
            object: Some(self.position),
            on_medium: Some(self.position),
            file: Some(file),
            buffered_objects: Some(0),
        };
        let data = position.encode(command.form);
        Ok(match command.form {
            PositionForm::Extended => up_to(data, command.allocation_length),
            _ => data.into(),
        })
    }

    /// Returns whether the position is one of these.
    fn is_faulty(&self, places: &[BlockFault]) -> bool {
        self.is_faulty_at(places, self.position)
    }

    fn is_faulty_at(&self, places: &[BlockFault], position: u64) -> bool {
        self.cartridge.as_ref().is_some_and(|cartridge| {
            places
                .iter()
                .any(|place| place.volume == cartridge.volume && place.object == position)
        })
    }
}

/// What a WRITE writes: blocks of one length.
struct PlannedWrite {
    blocks: u32,
    block_length: u32,
    data: Bytes,
}

/// What ends a movement before its goal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    Filemark,
    EndOfData,
    Beginning,
    Unreadable,
}

impl Stop {
    /// Returns the sense data; `residual` is what was asked for and not done.
    fn sense(self, residual: u64) -> SenseData {
        let (key, code) = match self {
            Self::Filemark => (SenseKey::NO_SENSE, AdditionalSenseCode::FILEMARK_DETECTED),
            Self::EndOfData => (
                SenseKey::BLANK_CHECK,
                AdditionalSenseCode::END_OF_DATA_DETECTED,
            ),
            Self::Beginning => (
                SenseKey::NO_SENSE,
                AdditionalSenseCode::BEGINNING_OF_MEDIUM_DETECTED,
            ),
            Self::Unreadable => (
                SenseKey::MEDIUM_ERROR,
                AdditionalSenseCode::UNRECOVERED_READ_ERROR,
            ),
        };
        let mut sense = SenseData::new(key, code);
        sense.filemark = self == Self::Filemark;
        sense.end_of_medium = self == Self::Beginning;
        // Fixed format sense data has 32 bits for it; what does not fit is not claimed.
        sense.information = Some(residual).filter(|residual| *residual <= u32::MAX.into());
        sense
    }
}

fn is_block(record: Option<Record>) -> bool {
    record.is_some_and(|record| record.kind == Kind::Block)
}

fn unrecovered_read_error() -> CommandRefusal {
    Stop::Unreadable.sense(u64::MAX).into()
}

/// Returns what a failure to write means; `missing` is what was not written.
fn refused(error: TapeError, missing: u32) -> CommandRefusal {
    match error {
        TapeError::Full => {
            let mut sense = SenseData::new(
                SenseKey::VOLUME_OVERFLOW,
                AdditionalSenseCode::END_OF_MEDIUM_DETECTED,
            );
            sense.end_of_medium = true;
            sense.information = Some(missing.into());
            sense.into()
        }
        TapeError::Unreadable | TapeError::Damaged | TapeError::Io(_) => write_error(),
    }
}

/// Returns blocks one after the other; a single one is not copied.
fn joined(mut blocks: Vec<Bytes>) -> Bytes {
    if blocks.len() == 1 {
        return blocks.pop().unwrap_or_default();
    }
    let length = blocks
        .iter()
        .fold(0usize, |sum, block| sum.saturating_add(block.len()));
    let mut all = BytesMut::with_capacity(length);
    for block in blocks {
        all.extend_from_slice(&block);
    }
    all.freeze()
}
