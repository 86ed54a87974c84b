//! Writes blocks and filemarks to a tape: pipelined, each block once, in order, whatever happens on the way.
//!
//! ```text
//!  push -> in flight (one length, bounded bytes) -> acknowledged in order
//!                 | a status that is not GOOD
//!                 v
//!          drain -> LOCATE to the first block that was not acknowledged -> READ POSITION proves it -> send again from there
//!                      | the drive cannot, or is elsewhere
//!                      v
//!                    end, with what is proven
//! ```
//!
//! A target may execute a WRITE when its data is complete, so a short one behind long ones lands first (tgt does). Blocks of one
//! length only are outstanding together; another length and filemarks wait until everything before them is answered.
//!
//! A status that is not GOOD inside the pipeline does not stop the commands behind it: they may have been written where the
//! failed block belongs. So everything in flight is drained, and the tape goes back to the first block that was not
//! acknowledged, whose data is still held. Where the drive cannot prove its position, nothing is sent again.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use thiserror::Error;

use super::drive::{Reopen, TapeDrive};
use super::latency::Latencies;
use crate::iop::job::unit::{Pending, UnitError};
use crate::scsi::command::Write;
use crate::scsi::{AdditionalSenseCode, Command, SenseData, SenseKey};
use crate::transport::{Instant, now, sleep, yield_now};
use crate::values::amount;

/// The most bytes in flight, whatever the command window takes.
pub const MAX_BYTES_IN_FLIGHT: usize = 16 << 20;

/// A block of so many bytes is put on its way before the next one is asked for; shorter ones go out many at a time.
const LONG: usize = 64 * 1024;

/// How often in a row a fault is mended without a block being acknowledged in between.
const MAX_ATTEMPTS: u32 = 12;

/// The first pause after BUSY; each one after it is twice as long, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What is on the tape, counted from where the writer began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Blocks that the drive acknowledged.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Filemarks that the drive acknowledged.
    pub filemarks: u64,
    /// The drive gave early warning, or has no more room.
    pub end_of_medium: bool,
}

impl Written {
    /// Returns the logical objects.
    pub(super) const fn objects(self) -> u64 {
        self.blocks.saturating_add(self.filemarks)
    }
}

/// How much of a failed job is certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// READ POSITION says that so many of the job's blocks and filemarks are on the medium.
    Position(u64),
    /// The drive has no usable READ POSITION: what it acknowledged is all that is known.
    Acknowledged,
    /// Acknowledged blocks may be lost, and the drive does not say how many.
    Nothing,
}

/// Why writing ended.
#[derive(Debug, Error)]
pub enum WriteError {
    /// The cartridge, or the drive, is write-protected. Nothing of the command was written.
    #[error("the cartridge is write-protected")]
    WriteProtected,
    /// The end of the medium: what was pushed last is not on the tape. [`Written`] says what is.
    #[error("the end of the medium is reached")]
    EndOfMedium,
    /// An earlier write failed after it was acknowledged (response code 71h).
    #[error("the drive reports that an earlier write failed: {sense}")]
    Deferred {
        /// What the drive says.
        sense: SenseData,
        /// What is certain.
        proof: Proof,
    },
    /// The cartridge was changed by another initiator.
    #[error("another cartridge is in the drive")]
    MediumChanged,
    /// READ POSITION contradicts what was acknowledged.
    #[error("the drive acknowledged {}, and counts {counted}", amount(*acknowledged, "logical object"))]
    Position {
        /// Blocks and filemarks that were acknowledged.
        acknowledged: u64,
        /// Those that READ POSITION counts.
        counted: u64,
    },
    /// The drive was reset while several blocks were on their way, and those behind the reset were written over earlier ones.
    #[error(
        "the drive was reset, and blocks that were on their way were written over earlier ones"
    )]
    Overwritten,
    /// A fault that cannot be mended, or not proven to be.
    #[error("{cause}")]
    Failed {
        /// The fault.
        #[source]
        cause: UnitError,
        /// What is certain.
        proof: Proof,
    },
}

impl WriteError {
    /// Returns what is certain of what was acknowledged before.
    pub(super) fn proof(&self) -> Proof {
        match self {
            Self::Deferred { proof, .. } | Self::Failed { proof, .. } => *proof,
            Self::Position { counted, .. } => Proof::Position(*counted),
            Self::WriteProtected => Proof::Acknowledged,
            Self::EndOfMedium | Self::MediumChanged | Self::Overwritten => Proof::Nothing,
        }
    }
}

/// A block that was sent, with its data until it is acknowledged.
struct InFlight {
    data: Bytes,
    pending: Pending,
    sent: Instant,
    /// How many were in flight then, with this one.
    outstanding: usize,
}

/// Writes from where the tape stands.
pub struct Writer<'a, R> {
    drive: &'a mut TapeDrive<R>,
    /// Objects before the first one that is written, when the drive counts them.
    start: Option<u64>,
    in_flight: VecDeque<InFlight>,
    bytes_in_flight: usize,
    written: Written,
    /// Length of the object before the position; none when that is no block of this writer.
    last_block: Option<u64>,
    attempts: u32,
    latencies: Latencies,
    most_held: usize,
}

impl<'a, R: Reopen> Writer<'a, R> {
    /// Begins to write where the tape stands.
    ///
    /// # Errors
    /// When the session was lost.
    pub async fn begin(drive: &'a mut TapeDrive<R>) -> Result<Self, UnitError> {
        let start = drive.object().await?;
        Ok(Self {
            drive,
            start,
            in_flight: VecDeque::new(),
            bytes_in_flight: 0,
            written: Written::default(),
            last_block: None,
            attempts: 0,
            latencies: Latencies::default(),
            most_held: 0,
        })
    }

    /// Returns what was acknowledged.
    pub const fn written(&self) -> Written {
        self.written
    }

    /// Ends writing, and returns the drive. What is in flight is not waited for.
    pub(super) fn into_drive(self) -> &'a mut TapeDrive<R> {
        self.drive
    }

    /// Returns how many blocks are held in memory.
    pub fn held(&self) -> usize {
        self.in_flight.len()
    }

    /// Returns how long the WRITEs took that were in flight, each from being sent to its answer being taken.
    pub const fn latencies(&self) -> &Latencies {
        &self.latencies
    }

    /// Returns the most blocks that were held in memory together.
    pub const fn most_held(&self) -> usize {
        self.most_held
    }

    /// Writes a block of 1 to 16,777,215 bytes. Returns when it is on its way; [`Writer::flush`] waits for it.
    ///
    /// # Errors
    /// [`WriteError`]; of the block itself or of one before it. Nothing can be pushed after it.
    pub async fn push(&mut self, data: Bytes) -> Result<(), WriteError> {
        let is_answered = |first: &InFlight| first.pending.is_answered();
        while self.in_flight.front().is_some_and(is_answered) {
            self.settle_first().await?;
        }
        loop {
            let has_room = match self.in_flight.front() {
                None => true,
                Some(first) => {
                    first.data.len() == data.len()
                        && self.in_flight.len() < self.drive.write_depth.get()
                        && self.bytes_in_flight.saturating_add(data.len()) <= MAX_BYTES_IN_FLIGHT
                }
            };
            if has_room {
                break;
            }
            self.settle_first().await?;
        }
        // The room behind the early warning is for what is in flight and for the filemark.
        if self.written.end_of_medium {
            self.flush().await?;
            return Err(WriteError::EndOfMedium);
        }
        let is_long = data.len() >= LONG;
        self.send(data).await?;
        if is_long {
            yield_now().await;
        }
        Ok(())
    }

    /// Waits until every block is acknowledged.
    ///
    /// # Errors
    /// As [`Writer::push`].
    pub async fn flush(&mut self) -> Result<(), WriteError> {
        while !self.in_flight.is_empty() {
            self.settle_first().await?;
        }
        Ok(())
    }

    /// Writes a filemark behind everything before it, and waits until all of it is on the medium. Early warning does not keep a
    /// filemark from being written.
    ///
    /// # Errors
    /// As [`Writer::push`].
    pub async fn filemark(&mut self) -> Result<(), WriteError> {
        self.flush().await?;
        loop {
            let error = match self.drive.write_filemarks(1).await {
                Ok(()) => break,
                Err(error) => error,
            };
            match FaultKind::of(error) {
                FaultKind::EarlyWarning => {
                    self.written.end_of_medium = true;
                    break;
                }
                FaultKind::Full => {
                    self.written.end_of_medium = true;
                    if !self.give_up_last_block().await {
                        return Err(WriteError::EndOfMedium);
                    }
                }
                fault => self.recover_alone(fault).await?,
            }
        }
        self.acknowledged_filemark();
        Ok(())
    }

    /// Compares the drive's position with what was acknowledged, at the end of a job.
    ///
    /// # Errors
    /// [`WriteError::Position`] when the drive counts other objects than it acknowledged.
    pub async fn prove(&mut self) -> Result<Proof, WriteError> {
        let acknowledged = self.written.objects();
        let Some(start) = self.start else {
            return Ok(Proof::Acknowledged);
        };
        let object = match self.drive.object().await {
            Ok(Some(object)) => object,
            Ok(None) => return Ok(Proof::Acknowledged),
            // A drive that was reset stands at the beginning, with what it had not written lost: LOCATE finds out.
            Err(cause) => {
                self.recover(FaultKind::of(cause), Misplaced::default())
                    .await?;
                return Ok(Proof::Position(acknowledged));
            }
        };
        let objects = object.saturating_sub(start);
        match objects == acknowledged {
            true => Ok(Proof::Position(objects)),
            // A drive that says 0 behind blocks that it acknowledged does not count.
            false if object == 0 => Ok(Proof::Acknowledged),
            false => Err(WriteError::Position {
                acknowledged,
                counted: objects,
            }),
        }
    }

    /// Goes back before the last block, so that a filemark takes its place at the end of the medium: blocks that were in flight
    /// when the drive gave early warning can fill all of the room behind it. Returns whether the tape stands there.
    async fn give_up_last_block(&mut self) -> bool {
        let (Some(start), Some(length)) = (self.start, self.last_block.take()) else {
            return false;
        };
        let before = start
            .saturating_add(self.written.objects())
            .saturating_sub(1);
        if !matches!(self.drive.locate(before).await, Ok(true)) {
            return false;
        }
        self.written.blocks = self.written.blocks.saturating_sub(1);
        self.written.bytes = self.written.bytes.saturating_sub(length);
        true
    }

    fn acknowledged_filemark(&mut self) {
        self.last_block = None;
        self.written.filemarks = self.written.filemarks.saturating_add(1);
        self.attempts = 0;
    }

    async fn send(&mut self, data: Bytes) -> Result<(), WriteError> {
        loop {
            let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
            let command = Command::Write(Write::variable(length));
            let sent = now();
            match self.drive.unit().submit(&command, data.clone()).await {
                Ok(pending) => {
                    self.bytes_in_flight = self.bytes_in_flight.saturating_add(data.len());
                    self.in_flight.push_back(InFlight {
                        data,
                        pending,
                        sent,
                        outstanding: self.in_flight.len().saturating_add(1),
                    });
                    self.most_held = self.most_held.max(self.in_flight.len());
                    return Ok(());
                }
                // The block was not sent, so it is behind whatever is in flight, which fails for the same reason.
                Err(_) if !self.in_flight.is_empty() => self.flush().await?,
                Err(error) => {
                    self.recover(FaultKind::of(error), Misplaced::default())
                        .await?;
                }
            }
        }
    }

    /// Waits for the first block in flight, and mends what went wrong with it.
    async fn settle_first(&mut self) -> Result<(), WriteError> {
        let Some(first) = self.take_first() else {
            return Ok(());
        };
        let length = first.data.len();
        let answer = first.pending.answer().await;
        let latency = first.sent.elapsed();
        self.latencies.record(latency);
        match FaultKind::of_answer(answer) {
            None => {
                self.drive
                    .write_depth
                    .answered(first.outstanding, length, latency);
                self.acknowledge(length);
                Ok(())
            }
            Some(FaultKind::EarlyWarning) => {
                self.acknowledge(length);
                self.written.end_of_medium = true;
                Ok(())
            }
            Some(fault) => self.mend(first.data, fault).await,
        }
    }

    fn take_first(&mut self) -> Option<InFlight> {
        let first = self.in_flight.pop_front()?;
        self.bytes_in_flight = self.bytes_in_flight.saturating_sub(first.data.len());
        Some(first)
    }

    fn acknowledge(&mut self, length: usize) {
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        self.written.blocks = self.written.blocks.saturating_add(1);
        self.written.bytes = self.written.bytes.saturating_add(length);
        self.last_block = Some(length);
        self.attempts = 0;
    }

    /// A block was not acknowledged: drains what is behind it, brings the tape back, and sends all of it again.
    async fn mend(&mut self, data: Bytes, fault: FaultKind) -> Result<(), WriteError> {
        let mut again = vec![data];
        let mut misplaced = Misplaced::behind(&fault);
        while let Some(next) = self.take_first() {
            // Whatever became of it, it is written again: where it landed is not where it belongs.
            misplaced.count(FaultKind::of_answer(next.pending.answer().await).as_ref());
            again.push(next.data);
        }
        match fault {
            FaultKind::Full => {
                self.written.end_of_medium = true;
                if misplaced.blocks > 0 {
                    self.go_back(UnitError::NoSense, misplaced).await?;
                }
                return Err(WriteError::EndOfMedium);
            }
            FaultKind::Busy { queue_full, .. } if queue_full => {
                // The target's task set is smaller than what was in flight.
                self.drive
                    .write_depth
                    .limit(again.len().min(self.drive.write_depth.get()) / 2);
            }
            _ => {}
        }
        match again.len() {
            1 => self.recover_alone(fault).await?,
            _ => self.recover(fault, misplaced).await?,
        }
        for data in again {
            // One after the other: the cause may still be there.
            self.send_alone(data).await?;
        }
        Ok(())
    }

    async fn send_alone(&mut self, data: Bytes) -> Result<(), WriteError> {
        let command = Command::Write(Write::variable(
            u32::try_from(data.len()).unwrap_or(u32::MAX),
        ));
        loop {
            let answer = match self.drive.unit().submit(&command, data.clone()).await {
                Ok(pending) => pending.answer().await,
                Err(error) => Err(error),
            };
            match FaultKind::of_answer(answer) {
                None => {
                    self.acknowledge(data.len());
                    return Ok(());
                }
                Some(FaultKind::EarlyWarning) => {
                    self.acknowledge(data.len());
                    self.written.end_of_medium = true;
                    return Ok(());
                }
                Some(FaultKind::Full) => {
                    self.written.end_of_medium = true;
                    return Err(WriteError::EndOfMedium);
                }
                Some(fault) => self.recover_alone(fault).await?,
            }
        }
    }

    /// As [`Writer::recover`] for a command that was in flight alone: BUSY and TASK SET FULL mean that nothing was done, so it
    /// may be sent again by a drive that does not know its position, too.
    async fn recover_alone(&mut self, fault: FaultKind) -> Result<(), WriteError> {
        match fault {
            FaultKind::Busy { .. } if self.attempts < MAX_ATTEMPTS => {
                self.attempts = self.attempts.saturating_add(1);
                self.pause().await;
                Ok(())
            }
            fault => self.recover(fault, Misplaced::default()).await,
        }
    }

    async fn pause(&self) {
        let doublings = self.attempts.saturating_sub(1).min(16);
        let pause = FIRST_PAUSE.saturating_mul(1 << doublings);
        sleep(pause.min(LONGEST_PAUSE)).await;
    }

    /// Makes the drive stand behind what was acknowledged, with nothing in flight, or ends the job.
    async fn recover(&mut self, fault: FaultKind, misplaced: Misplaced) -> Result<(), WriteError> {
        self.attempts = self.attempts.saturating_add(1);
        let cause = match fault {
            FaultKind::WriteProtected => return Err(WriteError::WriteProtected),
            FaultKind::MediumChanged => return Err(WriteError::MediumChanged),
            FaultKind::Deferred(sense) => {
                let proof = self.proof_of_loss(misplaced).await;
                return Err(WriteError::Deferred { sense, proof });
            }
            FaultKind::Fatal(cause) => {
                let proof = self.proof(misplaced).await;
                return Err(WriteError::Failed { cause, proof });
            }
            FaultKind::Busy { cause, .. }
            | FaultKind::Interrupted(cause)
            | FaultKind::Reset(cause)
            | FaultKind::Lost(cause) => cause,
            FaultKind::EarlyWarning | FaultKind::Full => UnitError::NoSense,
        };
        if self.attempts > MAX_ATTEMPTS {
            let proof = self.proof(misplaced).await;
            return Err(WriteError::Failed { cause, proof });
        }
        if !cause.is_lost() {
            self.pause().await;
        }
        self.go_back(cause, misplaced).await
    }

    /// Goes to the first object that was not acknowledged, and proves it; by a new session where the old one is lost, also when
    /// it was lost behind another fault.
    async fn go_back(&mut self, cause: UnitError, misplaced: Misplaced) -> Result<(), WriteError> {
        let mut is_lost = cause.is_lost();
        loop {
            if is_lost && let Err(cause) = self.drive.reopen().await {
                let proof = Proof::Nothing;
                return Err(WriteError::Failed { cause, proof });
            }
            let proof = match self.find_place(misplaced).await {
                Ok(Place::Proven) => return Ok(()),
                Ok(Place::OtherMedium) => return Err(WriteError::MediumChanged),
                Ok(Place::Overwritten) => return Err(WriteError::Overwritten),
                Ok(Place::Uncounted) => Proof::Acknowledged,
                Ok(Place::Elsewhere) => self.proof_of_loss(Misplaced::default()).await,
                Err(error) if error.is_lost() && self.attempts <= MAX_ATTEMPTS => {
                    self.attempts = self.attempts.saturating_add(1);
                    is_lost = true;
                    continue;
                }
                Err(_) => Proof::Nothing,
            };
            return Err(WriteError::Failed { cause, proof });
        }
    }

    async fn find_place(&mut self, misplaced: Misplaced) -> Result<Place, UnitError> {
        match self.drive.settle().await {
            // 28/00: the cartridge may be another one, on which nothing of this job belongs.
            Err(error) if error.has_code(AdditionalSenseCode::MEDIUM_MAY_HAVE_CHANGED) => {
                return Ok(Place::OtherMedium);
            }
            Err(error) if error.is_lost() => return Err(error),
            _ => {}
        }
        // Without a usable READ POSITION nothing proves where a LOCATE ends.
        let Some(start) = self.start else {
            return Ok(Place::Uncounted);
        };
        let acknowledged = start.saturating_add(self.written.objects());
        if misplaced.blocks > 0 {
            // They belong behind what was acknowledged. After a reset, which rewinds the tape, they may be on its beginning.
            let object = self.drive.object().await?;
            let is_behind = object
                .is_some_and(|object| object.saturating_sub(misplaced.blocks) >= acknowledged);
            // It was rewound after the last of them, so they are where the tape stood before.
            let is_rewound = object == Some(0) && misplaced.after_reset == 0;
            if !is_behind && !is_rewound {
                return Ok(Place::Overwritten);
            }
        }
        Ok(match self.drive.locate(acknowledged).await? {
            true => Place::Proven,
            false => Place::Elsewhere,
        })
    }

    /// Returns how many of the job's objects are before the position, less those that are misplaced; none when the drive does
    /// not count.
    async fn kept(&self, misplaced: Misplaced) -> Result<Option<u64>, UnitError> {
        let object = self.drive.object().await?;
        Ok(self.start.zip(object).map(|(start, object)| {
            object
                .saturating_sub(start)
                .saturating_sub(misplaced.blocks)
        }))
    }

    /// What READ POSITION proves while the tape stands behind what was written.
    async fn proof(&self, misplaced: Misplaced) -> Proof {
        match self.kept(misplaced).await {
            _ if self.start.is_none() => Proof::Acknowledged,
            Ok(Some(kept)) => Proof::Position(kept.min(self.written.objects())),
            _ => Proof::Nothing,
        }
    }

    /// What is on the medium after acknowledged blocks may have been lost: the end of data tells.
    async fn proof_of_loss(&self, misplaced: Misplaced) -> Proof {
        if self.start.is_none() || self.drive.to_end_of_data().await.is_err() {
            return Proof::Nothing;
        }
        self.proof(misplaced).await
    }
}

/// Blocks that were written after one that failed, where they do not belong.
#[derive(Clone, Copy, Default)]
struct Misplaced {
    blocks: u64,
    /// Those of them behind a reset.
    after_reset: u64,
    is_reset: bool,
}

impl Misplaced {
    /// Returns that nothing is misplaced yet behind a fault.
    fn behind(fault: &FaultKind) -> Self {
        Self {
            is_reset: matches!(fault, FaultKind::Reset(_)),
            ..Self::default()
        }
    }

    /// Counts the answer to the next command in flight.
    fn count(&mut self, fault: Option<&FaultKind>) {
        match fault {
            None | Some(FaultKind::EarlyWarning) => {
                self.blocks = self.blocks.saturating_add(1);
                self.after_reset = self.after_reset.saturating_add(self.is_reset.into());
            }
            Some(FaultKind::Reset(_)) => self.is_reset = true,
            Some(_) => {}
        }
    }
}

/// Where the drive stands after a fault.
enum Place {
    /// Behind what was acknowledged, as READ POSITION says.
    Proven,
    Elsewhere,
    /// It does not count objects.
    Uncounted,
    Overwritten,
    OtherMedium,
}

/// A fault by what it asks for.
enum FaultKind {
    /// The block is written, and the end of the medium is near.
    EarlyWarning,
    /// There is no room for it.
    Full,
    WriteProtected,
    MediumChanged,
    Deferred(SenseData),
    /// The device had no time for the command.
    Busy {
        cause: UnitError,
        queue_full: bool,
    },
    /// The command was not done, and may be sent again once the position is proven.
    Interrupted(UnitError),
    /// As [`FaultKind::Interrupted`], and the drive has forgotten where the tape stood.
    Reset(UnitError),
    Lost(UnitError),
    Fatal(UnitError),
}

impl FaultKind {
    fn of_answer(answer: Result<Bytes, UnitError>) -> Option<Self> {
        match answer {
            Ok(_) => None,
            Err(error) => match error.sense() {
                // Done, with some effort.
                Some(sense)
                    if sense.key == SenseKey::RECOVERED_ERROR
                        && !sense.end_of_medium
                        && !sense.deferred =>
                {
                    None
                }
                _ => Some(Self::of(error)),
            },
        }
    }

    fn of(error: UnitError) -> Self {
        if error.is_lost() {
            return Self::Lost(error);
        }
        if error.is_busy() {
            let queue_full = matches!(error, UnitError::Status(crate::scsi::Status::TASK_SET_FULL));
            return Self::Busy {
                cause: error,
                queue_full,
            };
        }
        let Some(sense) = error.sense().copied() else {
            return match error {
                UnitError::Execute(_) => Self::Interrupted(error),
                _ => Self::Fatal(error),
            };
        };
        if sense.deferred {
            return Self::Deferred(sense);
        }
        match sense.key {
            SenseKey::NO_SENSE | SenseKey::RECOVERED_ERROR if sense.end_of_medium => {
                Self::EarlyWarning
            }
            SenseKey::VOLUME_OVERFLOW => Self::Full,
            SenseKey::DATA_PROTECT => Self::WriteProtected,
            SenseKey::UNIT_ATTENTION
                if sense.code == AdditionalSenseCode::MEDIUM_MAY_HAVE_CHANGED =>
            {
                Self::MediumChanged
            }
            SenseKey::UNIT_ATTENTION if sense.code.asc == 0x29 => Self::Reset(error),
            SenseKey::UNIT_ATTENTION | SenseKey::ABORTED_COMMAND => Self::Interrupted(error),
            // Becoming ready: a reset, or the drive loads the tape again.
            SenseKey::NOT_READY if sense.code.asc == 0x04 => Self::Interrupted(error),
            _ => Self::Fatal(error),
        }
    }
}
