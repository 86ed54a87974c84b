//! Copies a tape: block for block, filemark for filemark, between cartridges and .tap files.
//!
//! The reader is several blocks ahead and the writer several behind, in sessions that go on by themselves, so one loop keeps
//! both sides busy and holds no more than both of them may.

use super::count::Counted;
use super::drive::{Reopen, TapeDrive};
use super::job::{TapeError, ends_at, erase};
use super::read::{Object, TapeReader};
use super::tap_file::{TapSink, TapSource, Unwritten};
use super::write::{Proof, WriteError, Writer};

/// What is copied from.
pub enum From<'a, R> {
    /// A tape, from its beginning.
    Tape(TapeReader<'a, R>),
    /// A .tap file.
    File(TapSource),
}

/// What is copied to.
pub enum To<'a, R> {
    /// A tape that stands at its beginning.
    Tape(Writer<'a, R>),
    /// An empty .tap file.
    File(TapSink),
}

/// What was copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Blocks that were taken over by the side that is written.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Filemarks.
    pub filemarks: u64,
    /// The drive gave early warning, or has no more room.
    pub end_of_medium: bool,
    /// Blocks that are certain to be there.
    pub proven: u64,
}

impl Copied {
    /// Returns whether a side that was counted has just what was copied.
    #[must_use]
    pub fn agrees(&self, counted: &Counted) -> bool {
        (self.blocks, self.filemarks) == (counted.blocks, counted.filemarks)
            && counted.bytes.is_none_or(|bytes| bytes == self.bytes)
    }
}

impl<R: Reopen> From<'_, R> {
    async fn next(&mut self) -> Result<Object, TapeError> {
        match self {
            Self::Tape(reader) => Ok(reader.next().await?),
            Self::File(source) => source.next().await.map_err(TapeError::TapFile),
        }
    }
}

/// Copies everything up to the end of the data. `copied` says what arrived, after a failure as well; `progress` is told the bytes
/// that were handed over.
///
/// # Errors
/// [`TapeError`]. At the end of the medium a filemark is written behind the last whole block.
pub async fn copy<A: Reopen, B: Reopen>(
    mut from: From<'_, A>,
    to: To<'_, B>,
    copied: &mut Copied,
    progress: &mut dyn FnMut(u64),
) -> Result<(), TapeError> {
    match to {
        To::Tape(writer) => to_tape(&mut from, writer, copied, progress).await?,
        To::File(sink) => to_file(&mut from, sink, copied, progress).await?,
    }
    Ok(())
}

async fn to_tape<A: Reopen, B: Reopen>(
    from: &mut From<'_, A>,
    mut writer: Writer<'_, B>,
    copied: &mut Copied,
    progress: &mut dyn FnMut(u64),
) -> Result<(), TapeError> {
    let mut outcome = transfer(from, &mut writer, progress).await;
    let fits = |outcome: &Result<(), TapeError>| !matches!(outcome, Err(TapeError::Write(error)) if !matches!(error, WriteError::EndOfMedium));
    if fits(&outcome) {
        // What is on its way belongs to the tape, whatever ended the copy.
        outcome = outcome.and(writer.flush().await.map_err(TapeError::Write));
        if matches!(outcome, Err(TapeError::Write(WriteError::EndOfMedium)))
            && let Err(error) = writer.filemark().await
            && !matches!(error, WriteError::EndOfMedium)
        {
            outcome = Err(TapeError::Write(error));
        }
    }
    let proof = match &outcome {
        outcome if fits(outcome) => writer.prove().await,
        Err(TapeError::Write(error)) => Ok(error.proof()),
        _ => Ok(Proof::Nothing),
    };
    let written = writer.written();
    // Where an object is missing, it may be a block.
    let of_objects = |objects: u64| {
        written
            .blocks
            .min(objects.saturating_sub(written.filemarks))
    };
    *copied = Copied {
        blocks: written.blocks,
        bytes: written.bytes,
        filemarks: written.filemarks,
        end_of_medium: written.end_of_medium,
        proven: match &proof {
            Ok(Proof::Position(objects)) => of_objects(*objects),
            Ok(Proof::Acknowledged) => written.blocks,
            Err(WriteError::Position { counted, .. }) => of_objects(*counted),
            Ok(Proof::Nothing) | Err(_) => 0,
        },
    };
    outcome.map_err(|error| match error {
        TapeError::TapFile(error) if written.objects() == 0 => TapeError::NoTapFile(error),
        error => error,
    })?;
    proof.map_err(TapeError::Write)?;
    if written.objects() == 0 {
        empty(writer.into_drive()).await?;
    }
    Ok(())
}

/// Makes an end to what a tape holds, when the other side holds nothing and so nothing was written over it.
async fn empty<R: Reopen>(drive: &mut TapeDrive<R>) -> Result<(), TapeError> {
    match ends_at(drive, 1).await? {
        true => Ok(()),
        false => erase(drive, true).await,
    }
}

async fn transfer<A: Reopen, B: Reopen>(
    from: &mut From<'_, A>,
    writer: &mut Writer<'_, B>,
    progress: &mut dyn FnMut(u64),
) -> Result<(), TapeError> {
    let mut bytes = 0_u64;
    loop {
        match from.next().await? {
            Object::Block(block) => {
                bytes = bytes.saturating_add(u64::try_from(block.len()).unwrap_or(u64::MAX));
                writer.push(block).await.map_err(TapeError::Write)?;
                progress(bytes);
            }
            Object::Filemark => writer.filemark().await.map_err(TapeError::Write)?,
            Object::EndOfData => return Ok(()),
        }
    }
}

async fn to_file<A: Reopen>(
    from: &mut From<'_, A>,
    mut sink: TapSink,
    copied: &mut Copied,
    progress: &mut dyn FnMut(u64),
) -> Result<(), TapeError> {
    let outcome = loop {
        let object = match from.next().await {
            Ok(Object::EndOfData) => break Ok(()),
            Ok(object) => object,
            Err(error) => break Err(error),
        };
        match &object {
            Object::Block(block) => {
                let length = u64::try_from(block.len()).unwrap_or(u64::MAX);
                copied.blocks = copied.blocks.saturating_add(1);
                copied.bytes = copied.bytes.saturating_add(length);
            }
            _ => copied.filemarks = copied.filemarks.saturating_add(1),
        }
        if !sink.push(object).await {
            break Ok(());
        }
        progress(copied.bytes);
    };
    match sink.finish().await {
        Ok(()) => copied.proven = copied.blocks,
        Err(Unwritten { error, there }) => {
            // What was taken over and is not in the file was not copied.
            copied.blocks = there.blocks;
            copied.filemarks = there.filemarks;
            copied.bytes = there.bytes.unwrap_or_default();
            return Err(TapeError::Output(error));
        }
    }
    outcome
}
