//! Tries a tape out: a pattern is written, read back and compared, and what limited the speed is told.

use std::time::Duration;

use bytes::Bytes;

use super::drive::{Reopen, TapeDrive};
use super::job::{TapeError, Transferred, finish, require_block_length, to_beginning};
use super::latency::Latencies;
use super::pattern::Pattern;
use super::read::{Object, TapeReader};
use super::write::Writer;
use crate::iop::job::unit::{Unit, UnitError};
use crate::scsi::Command;
use crate::transport::now;
use crate::transport::stream::{Sink, Source};

/// Bytes between the thread that makes or compares blocks and the session.
const MAX_BYTES_BETWEEN: usize = 8 << 20;

/// As many blocks are made or compared ahead; short ones gain nothing beyond.
const MAX_BLOCKS_BETWEEN: usize = 64;

/// How often the round trip is measured.
const ROUND_TRIPS: u32 = 8;

/// What is to be tried.
#[derive(Clone, Copy, Debug)]
pub struct Trial {
    /// Bytes to write and read.
    pub size: u64,
    /// Length of the blocks; the last one is as short as it comes.
    pub block_length: u32,
    /// Makes the pattern another one than that of an earlier trial.
    pub seed: u64,
    /// What the cartridge holds may go.
    pub overwrite: bool,
}

/// What limited the speed of a direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Commands are answered within a few round trips, though as many are outstanding as may be: a larger command window would
    /// make it faster.
    Window,
    /// Commands are answered within a few round trips, and few are outstanding.
    RoundTrip,
    /// Commands wait for the target, or for the way to it.
    Target,
}

/// One direction of a trial.
#[derive(Clone, Debug, Default)]
pub struct Pass {
    /// Bytes.
    pub bytes: u64,
    /// From the first command to the answer to the last.
    pub duration: Duration,
    /// Of the WRITE or READ commands.
    pub latencies: Latencies,
    /// The most commands that were outstanding together.
    pub outstanding: usize,
}

impl Pass {
    /// Returns the bytes per second.
    #[must_use]
    pub fn throughput(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
        let bytes = self.bytes as f64;
        bytes / self.duration.as_secs_f64().max(1e-6)
    }

    /// Returns what limited the speed, on a way that takes so long for a command without data.
    #[must_use]
    pub fn limit(&self, round_trip: Duration) -> Option<Limit> {
        // A command that moved nothing was refused, and not limited.
        let median = match self.bytes {
            0 => return None,
            _ => self.latencies.percentile(50)?,
        };
        Some(match median > round_trip.saturating_mul(PROMPT) {
            true => Limit::Target,
            false if self.outstanding > 2 => Limit::Window,
            false => Limit::RoundTrip,
        })
    }
}

/// A command that takes no more than so many round trips has not waited at the target.
const PROMPT: u32 = 4;

/// What a trial came to.
#[derive(Clone, Debug, Default)]
pub struct Tried {
    /// What is on the tape.
    pub transferred: Transferred,
    /// The shortest time that a command without data took; none before it was measured.
    pub round_trip: Option<Duration>,
    /// Writing.
    pub write: Pass,
    /// Reading back.
    pub read: Pass,
    /// Blocks that were not read back as they were written, and the number of the first of them.
    pub differing: Option<(u64, u64)>,
}

/// Writes the pattern as tape file 1, behind a volume label where there is one, reads it back and compares. `tried` says how far
/// it came, after a failure as well; `progress` is told the bytes of both directions.
///
/// # Errors
/// [`TapeError`]; [`TapeError::Differs`] when what was read is not what was written.
pub async fn exercise<R: Reopen>(
    drive: &mut TapeDrive<R>,
    trial: &Trial,
    tried: &mut Tried,
    progress: &mut dyn FnMut(u64),
) -> Result<(), TapeError> {
    require_block_length(drive, trial.block_length).await?;
    let is_labelled = to_beginning(drive, trial.overwrite).await?;
    tried.transferred.file = 1;
    tried.round_trip = Some(round_trip(drive.unit()).await?);
    let length = usize::try_from(trial.block_length).unwrap_or(usize::MAX);
    let capacity = (MAX_BYTES_BETWEEN / length.max(1)).clamp(1, MAX_BLOCKS_BETWEEN);
    write(drive, trial, capacity, tried, progress).await?;
    drive.count_to(1, u64::from(is_labelled)).await?;
    read(drive, trial, is_labelled, capacity, tried, progress).await
}

async fn write<R: Reopen>(
    drive: &mut TapeDrive<R>,
    trial: &Trial,
    capacity: usize,
    tried: &mut Tried,
    progress: &mut dyn FnMut(u64),
) -> Result<(), TapeError> {
    let (pattern, blocks) = (Pattern::new(trial.seed), blocks(trial));
    let source = Source::start(capacity, move |send| {
        for (number, length) in blocks {
            if !send(pattern.block(number, length)) {
                break;
            }
        }
    });
    let mut source = source.map_err(TapeError::Input)?;
    let mut writer = Writer::begin(drive).await?;
    let started = now();
    let mut written = Ok(());
    while let Some(block) = source.next().await {
        let length = u64::try_from(block.len()).unwrap_or(u64::MAX);
        written = writer.push(block).await.map_err(TapeError::Write);
        if written.is_err() {
            break;
        }
        tried.write.bytes = tried.write.bytes.saturating_add(length);
        progress(tried.write.bytes);
    }
    let outcome = finish(&mut writer, written, &mut tried.transferred).await;
    // What was handed over and not acknowledged does not count.
    tried.write.bytes = tried.transferred.bytes;
    tried.write.duration = started.elapsed();
    tried.write.latencies = writer.latencies().clone();
    tried.write.outstanding = writer.most_held();
    outcome
}

async fn read<R: Reopen>(
    drive: &mut TapeDrive<R>,
    trial: &Trial,
    is_labelled: bool,
    capacity: usize,
    tried: &mut Tried,
    progress: &mut dyn FnMut(u64),
) -> Result<(), TapeError> {
    let (pattern, expected) = (Pattern::new(trial.seed), blocks(trial));
    let sink = Sink::start(capacity, move |found| Ok(compare(pattern, expected, found)));
    let sink = sink.map_err(TapeError::Output)?;
    let mut reader = TapeReader::behind(drive, u64::from(is_labelled), trial.block_length);
    let started = now();
    let outcome = loop {
        match reader.next().await {
            Ok(Object::Block(block)) => {
                let length = u64::try_from(block.len()).unwrap_or(u64::MAX);
                if !sink.push(block).await {
                    break Ok(());
                }
                tried.read.bytes = tried.read.bytes.saturating_add(length);
                progress(tried.write.bytes.saturating_add(tried.read.bytes));
            }
            Ok(Object::Filemark) => break Ok(()),
            Ok(Object::EndOfData) => break Err(TapeError::NoFilemark { file: 1 }),
            Err(error) => break Err(error.into()),
        }
    };
    tried.read.duration = started.elapsed();
    tried.read.latencies = reader.latencies().clone();
    tried.read.outstanding = reader.most_outstanding();
    let compared = sink.finish().await.map_err(TapeError::Output)?;
    outcome?;
    tried.differing = compared;
    match compared {
        None => Ok(()),
        Some((blocks, first)) => Err(TapeError::Differs { blocks, first }),
    }
}

/// Compares blocks with those of the pattern; returns how many differ, and the number of the first. One that is missing differs,
/// and so does one too many.
fn compare(
    pattern: Pattern,
    expected: impl Iterator<Item = (u64, usize)>,
    found: &mut dyn Iterator<Item = Bytes>,
) -> Option<(u64, u64)> {
    let mut differing: Option<(u64, u64)> = None;
    let mut differs = |number| match &mut differing {
        Some((count, _)) => *count = u64::saturating_add(*count, 1),
        None => differing = Some((1, number)),
    };
    let mut next = 0;
    for (number, length) in expected {
        next = number.saturating_add(1);
        if found
            .next()
            .is_none_or(|block| block != pattern.block(number, length))
        {
            differs(number);
        }
    }
    for (_, number) in found.zip(next..) {
        differs(number);
    }
    differing
}

async fn round_trip(unit: &Unit) -> Result<Duration, UnitError> {
    // The shortest of several: the others waited for something beside the way.
    let mut shortest = Duration::MAX;
    for _ in 0..ROUND_TRIPS {
        let sent = now();
        unit.execute(&Command::TestUnitReady).await?;
        shortest = shortest.min(sent.elapsed());
    }
    Ok(shortest)
}

/// Returns the numbers and lengths of the blocks.
fn blocks(trial: &Trial) -> impl Iterator<Item = (u64, usize)> + Send + 'static {
    let (size, length) = (trial.size, u64::from(trial.block_length.max(1)));
    (0..size.div_ceil(length)).map(move |number| {
        let left = size.saturating_sub(number.saturating_mul(length));
        (
            number,
            usize::try_from(left.min(length)).unwrap_or(usize::MAX),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comparison_finds_what_is_changed_missing_swapped_or_too_much() {
        let trial = Trial {
            size: 2500,
            block_length: 1000,
            seed: 1,
            overwrite: false,
        };
        let pattern = Pattern::new(1);
        let whole: Vec<Bytes> = blocks(&trial)
            .map(|(number, length)| pattern.block(number, length))
            .collect();
        assert_eq!(
            whole.iter().map(Bytes::len).collect::<Vec<_>>(),
            [1000, 1000, 500]
        );
        let compared = |found: Vec<Bytes>| compare(pattern, blocks(&trial), &mut found.into_iter());
        assert_eq!(compared(whole.clone()), None);
        let mut changed = whole.clone();
        changed[1] = Bytes::from([&whole[1][..999], &[!whole[1][999]]].concat());
        assert_eq!(compared(changed), Some((1, 1)));
        assert_eq!(compared(whole[..2].to_vec()), Some((1, 2)));
        let swapped = [1, 0, 2]
            .map(|number: usize| whole[number].clone())
            .to_vec();
        assert_eq!(compared(swapped), Some((2, 0)));
        let more = [&whole[..], &whole[..2]].concat();
        assert_eq!(compared(more), Some((2, 3)));
    }

    #[test]
    fn what_limits_the_speed_is_judged_by_latency_and_commands_outstanding() {
        let pass = |millis, outstanding| {
            let mut pass = Pass {
                bytes: 1,
                outstanding,
                ..Pass::default()
            };
            pass.latencies.record(Duration::from_millis(millis));
            pass.limit(Duration::from_millis(10))
        };
        let mut refused = Pass::default();
        refused.latencies.record(Duration::from_millis(100));
        assert_eq!(refused.limit(Duration::from_millis(10)), None);
        assert_eq!(pass(11, 1), Some(Limit::RoundTrip));
        assert_eq!(pass(11, 32), Some(Limit::Window));
        assert_eq!(pass(100, 32), Some(Limit::Target));
        assert_eq!(pass(100, 1), Some(Limit::Target));
        assert_eq!(Pass::default().limit(Duration::ZERO), None);
    }
}
