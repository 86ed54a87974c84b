//! Reads a tape from a place on: its blocks and filemarks in order, several READs ahead.
//!
//! READs ask for the longest block that is expected. What comes is judged by sense data, never by the residual: tgt sends stale
//! bytes with a filemark, and a wrong part of a block that is shorter than asked for. A block that did not come whole is asked
//! for once more by its exact length, with the tape brought back to it.
//!
//! Reading changes nothing, so after any fault the tape goes back to the first object that was not delivered: by LOCATE where
//! the drive knows its position, else by counting filemarks and blocks from the beginning of the tape.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use thiserror::Error;

use super::depth::QueueDepth;
use super::drive::{Reopen, TapeDrive};
use super::latency::Latencies;
use crate::iop::job::unit::{Pending, UnitError};
use crate::scsi::command::Read;
use crate::scsi::{AdditionalSenseCode, Command, SenseKey};
use crate::transport::{Instant, now, sleep};

/// The most bytes that are asked for ahead.
pub const MAX_BYTES_AHEAD: usize = 16 << 20;

/// The most READs ahead: short blocks gain nothing beyond.
const MAX_AHEAD: usize = 64;

/// How often in a row a fault is mended without an object being delivered in between.
const MAX_ATTEMPTS: u32 = 12;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// An object of a tape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Object {
    /// A block, whole.
    Block(Bytes),
    /// A filemark.
    Filemark,
    /// Nothing was written behind here.
    EndOfData,
}

/// Where a tape is read: its files count from 1, the blocks of each from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TapeFilePosition {
    /// Number of the tape file.
    pub file: u64,
    /// Blocks of that file before the place.
    pub block: u64,
    /// Blocks and filemarks of the whole tape before the place; none where the drive does not count them.
    pub object: Option<u64>,
}

/// Why reading ended.
#[derive(Debug, Error)]
pub enum ReadError {
    /// A block is longer than was expected.
    #[error("block {block} of file {file} has {length} bytes, expected at most {limit}")]
    TooLong {
        /// Number of the tape file, from 1.
        file: u64,
        /// Number of the block in it, from 0.
        block: u64,
        /// Its length in bytes.
        length: u64,
        /// The longest that was expected.
        limit: u32,
    },
    /// There is no such tape file.
    #[error("the tape has no file {file}")]
    NoSuchFile {
        /// Number of the tape file that was asked for.
        file: u64,
    },
    /// The cartridge was changed by another initiator.
    #[error("another cartridge is in the drive")]
    MediumChanged,
    /// The device reports an error, or the session was lost and cannot be had again.
    #[error("block {block} of file {file} cannot be read: {cause}")]
    Failed {
        /// Number of the tape file.
        file: u64,
        /// Number of the block in it.
        block: u64,
        /// What happened.
        #[source]
        cause: UnitError,
    },
}

/// Reads the objects of a tape in order.
pub struct TapeReader<'a, R> {
    drive: &'a mut TapeDrive<R>,
    /// The longest block that is expected.
    limit: u32,
    /// The place of the first object that was not delivered.
    place: TapeFilePosition,
    ahead: VecDeque<Ahead>,
    /// How many READs to send ahead: it grows from 1, so that a short file costs few that run past its end.
    depth: QueueDepth,
    attempts: u32,
    /// How blocks of any length are expected; none when a longer one than `limit` is an error.
    any_length: Option<SequentialRun>,
    latencies: Latencies,
    most_outstanding: usize,
}

/// A READ that was sent.
struct Ahead {
    pending: Pending,
    /// The length that it asks for.
    asked: u32,
    sent: Instant,
    /// How many were outstanding then, with this one.
    outstanding: usize,
}

/// Blocks of one length in a row.
#[derive(Clone, Copy, Debug, Default)]
struct SequentialRun {
    length: usize,
    blocks: u32,
}

/// What is asked for at first when blocks of any length are expected.
const FIRST_LIMIT: u32 = 1 << 20;

/// After so many blocks of one length in a row the next ones are expected to have it: a drive then reports no incorrect length
/// for each of them, and as many are asked for ahead as may be.
const SETTLED: u32 = 4;

impl<'a, R: Reopen> TapeReader<'a, R> {
    /// Begins to read at a tape file, the first one being 1.
    ///
    /// # Errors
    /// [`ReadError::NoSuchFile`] when the tape ends before it; a file whose beginning is the end of data reads as empty.
    pub async fn at_file(
        drive: &'a mut TapeDrive<R>,
        file: u64,
        limit: u32,
    ) -> Result<Self, ReadError> {
        let failed = |cause| ReadError::Failed {
            file,
            block: 0,
            cause,
        };
        match drive.count_to(file, 0).await {
            Ok(()) => {}
            Err(error) if error.is_end_of_data() => {
                return Err(ReadError::NoSuchFile { file });
            }
            Err(error) => return Err(failed(error)),
        }
        let object = match file {
            0 | 1 => Some(0),
            _ => drive.object().await.map_err(failed)?,
        };
        let place = TapeFilePosition {
            file: file.max(1),
            block: 0,
            object,
        };
        Ok(Self::new(drive, place, limit))
    }

    /// Begins to read at the beginning of the tape, blocks of any length: one that is longer than those before it is asked for
    /// again.
    ///
    /// # Errors
    /// When the tape cannot be rewound.
    pub async fn of_any_length(drive: &'a mut TapeDrive<R>) -> Result<Self, ReadError> {
        let mut reader = Self::at_file(drive, 1, FIRST_LIMIT).await?;
        reader.any_length = Some(SequentialRun::default());
        Ok(reader)
    }

    /// Begins to read in the first tape file, where the tape stands behind so many blocks of it.
    pub fn behind(drive: &'a mut TapeDrive<R>, block: u64, limit: u32) -> Self {
        let place = TapeFilePosition {
            file: 1,
            block,
            object: Some(block),
        };
        Self::new(drive, place, limit)
    }

    fn new(drive: &'a mut TapeDrive<R>, place: TapeFilePosition, limit: u32) -> Self {
        Self {
            drive,
            limit: limit.clamp(1, Read::MAX_LENGTH),
            place,
            ahead: VecDeque::new(),
            depth: QueueDepth::starting_at(1, MAX_AHEAD),
            attempts: 0,
            any_length: None,
            latencies: Latencies::default(),
            most_outstanding: 0,
        }
    }

    /// Returns how long the READs took that were sent ahead, each from being sent to its answer being taken.
    pub const fn latencies(&self) -> &Latencies {
        &self.latencies
    }

    /// Returns the most READs that were outstanding together.
    pub const fn most_outstanding(&self) -> usize {
        self.most_outstanding
    }

    /// Returns the place of the next object.
    pub const fn place(&self) -> TapeFilePosition {
        self.place
    }

    /// Returns how many READs are outstanding.
    pub fn outstanding(&self) -> usize {
        self.ahead.len()
    }

    /// Returns the next object. Behind the end of data there is nothing but the end of data.
    ///
    /// # Errors
    /// [`ReadError`]; the object stays the next one.
    pub async fn next(&mut self) -> Result<Object, ReadError> {
        loop {
            let most = (MAX_BYTES_AHEAD / usize::try_from(self.limit).unwrap_or(usize::MAX)).max(1);
            while self.ahead.len() < self.depth.get().min(most) {
                let (asked, sent) = (self.limit, now());
                match self.send(asked).await {
                    Ok(pending) => self.ahead.push_back(Ahead {
                        pending,
                        asked,
                        sent,
                        outstanding: self.ahead.len().saturating_add(1),
                    }),
                    Err(error) if self.ahead.is_empty() => self.recover(error).await?,
                    Err(_) => break,
                }
            }
            self.most_outstanding = self.most_outstanding.max(self.ahead.len());
            let Some(first) = self.ahead.pop_front() else {
                continue;
            };
            let answer = first.pending.answer().await;
            let latency = first.sent.elapsed();
            self.latencies.record(latency);
            match judge(answer, first.asked) {
                Judged::Object(object) => {
                    if let Object::Block(block) = &object {
                        self.depth.answered(first.outstanding, block.len(), latency);
                    }
                    return Ok(self.deliver(object).await);
                }
                Judged::Length(length)
                    if self.any_length.is_some() && length <= u64::from(Read::MAX_LENGTH) =>
                {
                    let length = u32::try_from(length).unwrap_or(Read::MAX_LENGTH);
                    self.limit = self.limit.max(length);
                    if let Some(object) = self.exactly(length).await? {
                        return Ok(self.deliver(object).await);
                    }
                }
                Judged::Length(length) if length > u64::from(self.limit) => {
                    return Err(ReadError::TooLong {
                        file: self.place.file,
                        block: self.place.block,
                        length,
                        limit: self.limit,
                    });
                }
                Judged::Length(length) => {
                    let length = u32::try_from(length).unwrap_or(u32::MAX);
                    if let Some(object) = self.exactly(length).await? {
                        return Ok(self.deliver(object).await);
                    }
                }
                Judged::Fault(error) => self.recover(error).await?,
            }
        }
    }

    /// Takes in what was asked for ahead, and brings the tape back behind the last object that was delivered.
    ///
    /// # Errors
    /// When the tape cannot be brought back.
    pub async fn stop(mut self) -> Result<TapeFilePosition, ReadError> {
        if !self.ahead.is_empty() {
            self.drain().await;
            self.go_back().await.map_err(|cause| self.failed(cause))?;
        }
        Ok(self.place)
    }

    async fn send(&self, length: u32) -> Result<Pending, UnitError> {
        let command = Command::Read(Read::variable(length));
        self.drive.unit().submit(&command, Bytes::new()).await
    }

    async fn deliver(&mut self, object: Object) -> Object {
        self.attempts = 0;
        match object {
            Object::Block(ref block) => {
                self.expect(block.len());
                self.place.block = self.place.block.saturating_add(1);
                self.place.object = self.place.object.map(|object| object.saturating_add(1));
            }
            Object::Filemark => {
                self.place.file = self.place.file.saturating_add(1);
                self.place.block = 0;
                self.place.object = self.place.object.map(|object| object.saturating_add(1));
            }
            Object::EndOfData => {
                // Nothing is behind it, so what was asked for ahead moved nothing.
                self.drain().await;
                self.depth.restart();
            }
        }
        object
    }

    /// Takes note of a block's length, where any may come.
    fn expect(&mut self, length: usize) {
        let Some(run) = &mut self.any_length else {
            return;
        };
        if run.length != length {
            *run = SequentialRun { length, blocks: 0 };
        }
        run.blocks = run.blocks.saturating_add(1);
        if run.blocks >= SETTLED {
            self.limit = u32::try_from(length).unwrap_or(Read::MAX_LENGTH);
        }
    }

    /// Reads the next block by its exact length, the tape brought back to it; none when something else went wrong, which is
    /// mended then.
    async fn exactly(&mut self, length: u32) -> Result<Option<Object>, ReadError> {
        self.drain().await;
        self.depth.restart();
        if let Err(error) = self.go_back().await {
            self.recover(error).await?;
            return Ok(None);
        }
        let answer = match self.send(length).await {
            Ok(pending) => pending.answer().await,
            Err(error) => Err(error),
        };
        match judge(answer, length) {
            Judged::Object(object) => Ok(Some(object)),
            Judged::Fault(error) => self.recover(error).await.map(|()| None),
            Judged::Length(other) => Err(ReadError::TooLong {
                file: self.place.file,
                block: self.place.block,
                length: other,
                limit: length,
            }),
        }
    }

    async fn drain(&mut self) {
        while let Some(ahead) = self.ahead.pop_front() {
            // It is read again where it counts.
            let _ = ahead.pending.answer().await;
        }
    }

    /// Brings the tape back to the first object that was not delivered, or ends.
    async fn recover(&mut self, mut cause: UnitError) -> Result<(), ReadError> {
        self.drain().await;
        self.depth.restart();
        loop {
            if cause.has_code(AdditionalSenseCode::MEDIUM_MAY_HAVE_CHANGED) {
                return Err(ReadError::MediumChanged);
            }
            self.attempts = self.attempts.saturating_add(1);
            if !may_pass(&cause) || self.attempts > MAX_ATTEMPTS {
                return Err(self.failed(cause));
            }
            if cause.is_lost() {
                if let Err(error) = self.drive.reopen().await {
                    return Err(self.failed(error));
                }
            } else {
                let doublings = self.attempts.saturating_sub(1).min(16);
                let pause = FIRST_PAUSE.saturating_mul(1 << doublings);
                sleep(pause.min(LONGEST_PAUSE)).await;
            }
            let settled = self.drive.settle().await;
            let back = match settled {
                Ok(()) => self.go_back().await,
                Err(error) => Err(error),
            };
            match back {
                Ok(()) => return Ok(()),
                Err(error) => cause = error,
            }
        }
    }

    async fn go_back(&mut self) -> Result<(), UnitError> {
        if let Some(object) = self.place.object
            && self.drive.locate(object).await?
        {
            return Ok(());
        }
        self.drive.count_to(self.place.file, self.place.block).await
    }

    fn failed(&self, cause: UnitError) -> ReadError {
        ReadError::Failed {
            file: self.place.file,
            block: self.place.block,
            cause,
        }
    }
}

/// What the answer to a READ means.
pub(in crate::iop) enum Judged {
    Object(Object),
    /// The next block has this length, and did not come whole.
    Length(u64),
    Fault(UnitError),
}

pub(in crate::iop) fn judge(answer: Result<Bytes, UnitError>, asked: u32) -> Judged {
    let error = match answer {
        // A target that cuts nothing says nothing when a block has just the length that was asked for.
        Ok(data) => return Judged::Object(Object::Block(data)),
        Err(error) => error,
    };
    let UnitError::Check { sense, data } = &error else {
        return Judged::Fault(error);
    };
    if sense.deferred {
        return Judged::Fault(error);
    }
    let came = u64::try_from(data.len()).unwrap_or(u64::MAX);
    match sense.key {
        SenseKey::NO_SENSE | SenseKey::RECOVERED_ERROR if sense.filemark => {
            Judged::Object(Object::Filemark)
        }
        _ if sense.is_end_of_data() => Judged::Object(Object::EndOfData),
        SenseKey::NO_SENSE | SenseKey::RECOVERED_ERROR if sense.incorrect_length => {
            // INFORMATION is what was asked for less the length of the block, negative in two's complement of 32 bits.
            let Some(difference) = sense
                .information
                .and_then(|value| u32::try_from(value).ok())
            else {
                return Judged::Fault(error);
            };
            let length = i64::from(asked).saturating_sub(i64::from(difference.cast_signed()));
            match u64::try_from(length) {
                Ok(0) | Err(_) => Judged::Fault(error),
                Ok(length) if length == came => Judged::Object(Object::Block(data.clone())),
                Ok(length) => Judged::Length(length),
            }
        }
        // Read, with some effort, or near the end of the medium: without ILI the block has the length that was asked for.
        SenseKey::RECOVERED_ERROR if came == u64::from(asked) => {
            Judged::Object(Object::Block(data.clone()))
        }
        SenseKey::NO_SENSE if sense.end_of_medium && came == u64::from(asked) => {
            Judged::Object(Object::Block(data.clone()))
        }
        _ => Judged::Fault(error),
    }
}

/// Returns whether a fault may have passed when the command is sent again.
pub(in crate::iop) fn may_pass(error: &UnitError) -> bool {
    if error.is_busy() || error.is_without_status() {
        return true;
    }
    error.sense().is_some_and(|sense| {
        sense.deferred
            || matches!(
                sense.key,
                SenseKey::UNIT_ATTENTION | SenseKey::ABORTED_COMMAND
            )
            || sense.key == SenseKey::NOT_READY && sense.code.asc == 0x04
    })
}
