//! What a job does with the tape of a loaded drive: writes and reads tape files, lists, labels.
//!
//! A volume label (VOL1) at the beginning of the tape belongs to the volume: it is kept by what writes, and is no part of file 1.

use std::io;

use bytes::Bytes;
use schemars::JsonSchema;
use serde::Serialize;
use thiserror::Error;

use super::count::Counted;
use super::drive::{Reopen, TapeDrive};
use super::label::{LABEL_LENGTH, Label, VolumeIdError, volume_label};
use super::read::{Object, ReadError, TapeReader};
use super::write::{Proof, WriteError, Writer};
use crate::iop::job::unit::UnitError;
use crate::scsi::command::Erase;
use crate::scsi::{Command, SenseKey};
use crate::transport::stream::{BlockSink, BlockSource};
use crate::values::amount;

/// How many blocks of a tape file are read for labels.
const LABELS_OF_A_FILE: u64 = 16;

/// Where to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WritePlacement {
    /// From the beginning: behind the volume label where there is one.
    Beginning,
    /// As this tape file, the first one being 1.
    File(u64),
    /// Behind the last tape file.
    End,
}

/// What a job transferred: the whole blocks that are on the tape, or that came from it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transferred {
    /// Number of the tape file, from 1; 0 before it is known.
    pub file: u64,
    /// Blocks.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The drive gave early warning, or has no more room.
    pub end_of_medium: bool,
    /// Blocks that are certain to be on the tape: by READ POSITION, or acknowledged where the drive does not count.
    pub proven: u64,
}

/// Why a job ended.
#[derive(Debug, Error)]
pub enum TapeError {
    /// The cartridge holds data, and overwriting it was not asked for.
    #[error("the cartridge holds data")]
    HoldsData,
    /// The tape file exists, and overwriting it was not asked for.
    #[error("the cartridge has a file {file}")]
    FileExists {
        /// Its number.
        file: u64,
    },
    /// The tape has no such file.
    #[error("the cartridge has no file {file}")]
    NoSuchFile {
        /// The number that was asked for.
        file: u64,
    },
    /// Nothing can be appended: the data ends without a filemark.
    #[error("file {file}, the last one, ends without a filemark: nothing can be appended")]
    NotEnded {
        /// Its number.
        file: u64,
    },
    /// The data ends without a filemark.
    #[error("file {file} ends without a filemark")]
    NoFilemark {
        /// Its number.
        file: u64,
    },
    /// The blocks that are to be written are longer than the drive takes.
    #[error("blocks of {} are longer than the drive takes, {} at most", amount(*length, "byte"), amount(*longest, "byte"))]
    BlockLength {
        /// How long they were to be, in bytes.
        length: u32,
        /// The longest that it takes, in bytes.
        longest: u32,
    },
    /// Writing ended early.
    #[error(transparent)]
    Write(WriteError),
    /// Reading ended early.
    #[error(transparent)]
    Read(ReadError),
    /// The drive reports an error.
    #[error(transparent)]
    Unit(#[from] UnitError),
    /// What is to be written cannot be read.
    #[error("cannot read the input")]
    Input(#[source] io::Error),
    /// Not even the first block of what is to be written can be read.
    #[error("cannot read the input")]
    NoInput(#[source] io::Error),
    /// A .tap file cannot be copied to its end.
    #[error("cannot read the .tap file")]
    TapFile(#[source] io::Error),
    /// Not even the first object of a .tap file can be read.
    #[error("cannot read the .tap file")]
    NoTapFile(#[source] io::Error),
    /// A .tap file that was copied, or written, cannot be counted.
    #[error("cannot count the .tap file")]
    Uncounted(#[source] io::Error),
    /// What was read back is not what was written.
    #[error("the data differs in {}, first in block {first}", amount(*blocks, "block"))]
    Differs {
        /// How many.
        blocks: u64,
        /// Number of the first one, from 0.
        first: u64,
    },
    /// A copy does not have as many blocks and filemarks as were copied.
    #[error(
        "{side} has {} and {}, and {} and {} were copied",
        amount(counted.blocks, "block"),
        amount(counted.filemarks, "filemark"),
        amount(*blocks, "block"),
        amount(*filemarks, "filemark")
    )]
    CountsDiffer {
        /// The cartridge or file.
        side: String,
        /// What it has.
        counted: Counted,
        /// Blocks that were copied.
        blocks: u64,
        /// Filemarks that were copied.
        filemarks: u64,
    },
    /// What was read cannot be put where it belongs.
    #[error("cannot write the output")]
    Output(#[source] io::Error),
    /// The volume identifier is none.
    #[error(transparent)]
    VolumeId(#[from] VolumeIdError),
}

impl From<ReadError> for TapeError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::NoSuchFile { file } => Self::NoSuchFile { file },
            error => Self::Read(error),
        }
    }
}

/// Filemarks behind the volume label of a tape without data, as INZTAP writes them.
const LABEL_FILEMARKS: u32 = 2;

/// What is at the beginning of a tape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct TapeContents {
    /// The first block is a volume label.
    is_labelled: bool,
    /// There is more than a volume label and the filemarks behind it.
    has_data: bool,
}

async fn contents<R: Reopen>(drive: &mut TapeDrive<R>) -> Result<TapeContents, TapeError> {
    let label = u32::try_from(LABEL_LENGTH).unwrap_or(u32::MAX);
    let mut reader = TapeReader::at_file(drive, 1, label).await?;
    let mut contents = TapeContents {
        is_labelled: false,
        has_data: false,
    };
    contents.has_data = match next(&mut reader).await? {
        Some(Object::EndOfData) => false,
        Some(Object::Block(block)) if is_volume_label(&block) => {
            contents.is_labelled = true;
            let mut behind = next(&mut reader).await?;
            let mut filemarks = 0_u32;
            while behind == Some(Object::Filemark) && filemarks < LABEL_FILEMARKS {
                filemarks = filemarks.saturating_add(1);
                behind = next(&mut reader).await?;
            }
            behind != Some(Object::EndOfData)
        }
        _ => true,
    };
    reader.stop().await?;
    Ok(contents)
}

/// Returns the next object; none for a block that is longer than was expected.
async fn next<R: Reopen>(reader: &mut TapeReader<'_, R>) -> Result<Option<Object>, ReadError> {
    match reader.next().await {
        Ok(object) => Ok(Some(object)),
        Err(ReadError::TooLong { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_volume_label(block: &[u8]) -> bool {
    Label::decode(block).is_some_and(|label| label.is_volume_label())
}

/// Fails when the cartridge holds data. A cartridge that has a volume label and nothing behind it holds none.
///
/// # Errors
/// [`TapeError::HoldsData`], or when the tape cannot be read.
pub async fn require_no_data<R: Reopen>(drive: &mut TapeDrive<R>) -> Result<(), TapeError> {
    match contents(drive).await?.has_data {
        true => Err(TapeError::HoldsData),
        false => Ok(()),
    }
}

/// Fails when a drive says that it takes no blocks that are so long, in bytes.
///
/// # Errors
/// [`TapeError::BlockLength`].
pub async fn require_block_length<R: Reopen>(
    drive: &TapeDrive<R>,
    length: u32,
) -> Result<(), TapeError> {
    match drive.block_limits().await {
        Some(limits) if !limits.allow(length.into()) => Err(TapeError::BlockLength {
            length,
            longest: limits.longest,
        }),
        _ => Ok(()),
    }
}

/// Goes to where the first tape file begins, behind the volume label where there is one; returns whether there is.
///
/// # Errors
/// [`TapeError::HoldsData`] unless `overwrite`.
pub(super) async fn to_beginning<R: Reopen>(
    drive: &mut TapeDrive<R>,
    overwrite: bool,
) -> Result<bool, TapeError> {
    let contents = contents(drive).await?;
    if contents.has_data && !overwrite {
        return Err(TapeError::HoldsData);
    }
    drive.count_to(1, u64::from(contents.is_labelled)).await?;
    Ok(contents.is_labelled)
}

/// Finds where to write, and goes there; returns the number of the tape file.
async fn go_to<R: Reopen>(
    drive: &mut TapeDrive<R>,
    place: WritePlacement,
    overwrite: bool,
) -> Result<u64, TapeError> {
    let contents = contents(drive).await?;
    match place {
        WritePlacement::Beginning if contents.has_data && !overwrite => {
            return Err(TapeError::HoldsData);
        }
        WritePlacement::File(1) if contents.has_data && !overwrite => {
            return Err(TapeError::FileExists { file: 1 });
        }
        WritePlacement::Beginning | WritePlacement::File(0 | 1) => {}
        WritePlacement::File(file) => {
            if !ends_at(drive, file).await? && !overwrite {
                return Err(TapeError::FileExists { file });
            }
            drive.count_to(file, 0).await?;
            return Ok(file);
        }
        WritePlacement::End if contents.has_data => {
            drive.rewind().await?;
            let mut file = 1_u64;
            while drive.next_file().await? {
                file = file.saturating_add(1);
            }
            if !ends_at(drive, file).await? {
                return Err(TapeError::NotEnded { file });
            }
            drive.count_to(file, 0).await?;
            return Ok(file);
        }
        WritePlacement::End => {}
    }
    drive.count_to(1, u64::from(contents.is_labelled)).await?;
    Ok(1)
}

/// Returns whether the data ends where this tape file would begin.
pub(super) async fn ends_at<R: Reopen>(
    drive: &mut TapeDrive<R>,
    file: u64,
) -> Result<bool, TapeError> {
    // A block of any length is data, so no more of it is asked for than a label has.
    let label = u32::try_from(LABEL_LENGTH).unwrap_or(u32::MAX);
    let mut reader = TapeReader::at_file(drive, file, label).await?;
    let ends = next(&mut reader).await? == Some(Object::EndOfData);
    reader.stop().await?;
    Ok(ends)
}

/// Writes a tape file and its filemark. `transferred` says what is on the tape, after a failure as well; `progress` is told
/// the bytes that were handed over.
///
/// # Errors
/// [`TapeError`]. At the end of the medium the filemark is written all the same.
pub async fn write<R: Reopen>(
    drive: &mut TapeDrive<R>,
    place: WritePlacement,
    overwrite: bool,
    source: &mut BlockSource,
    transferred: &mut Transferred,
    progress: &mut dyn FnMut(u64),
) -> Result<(), TapeError> {
    transferred.file = go_to(drive, place, overwrite).await?;
    // What is on the cartridge is not given up for an input that cannot be read at all.
    let first = source.next().await.transpose();
    let first = first.map_err(TapeError::NoInput)?;
    let mut writer = Writer::begin(drive).await?;
    let written = match first {
        Some(block) => write_blocks(&mut writer, block, source, progress).await,
        None => Ok(()),
    };
    finish(&mut writer, written, transferred).await
}

async fn write_blocks<R: Reopen>(
    writer: &mut Writer<'_, R>,
    first: Bytes,
    source: &mut BlockSource,
    progress: &mut dyn FnMut(u64),
) -> Result<(), TapeError> {
    let mut bytes = 0_u64;
    let mut block = first;
    loop {
        bytes = bytes.saturating_add(u64::try_from(block.len()).unwrap_or(u64::MAX));
        writer.push(block).await.map_err(TapeError::Write)?;
        progress(bytes);
        block = match source.next().await {
            Some(next) => next.map_err(TapeError::Input)?,
            None => return Ok(()),
        };
    }
}

/// Ends what was written with a filemark where that is possible, and says what is on the tape.
pub(super) async fn finish<R: Reopen>(
    writer: &mut Writer<'_, R>,
    written: Result<(), TapeError>,
    transferred: &mut Transferred,
) -> Result<(), TapeError> {
    let ends_whole = matches!(
        written,
        Ok(()) | Err(TapeError::Input(_) | TapeError::Write(WriteError::EndOfMedium))
    );
    let outcome = match ends_whole {
        true => {
            let mut marked = writer.filemark().await;
            if matches!(marked, Err(WriteError::EndOfMedium)) && written.is_ok() {
                // A block that was on its way had no room. The filemark has not been tried yet.
                marked = writer.filemark().await.and(marked);
            }
            written.and(marked.map_err(TapeError::Write))
        }
        false => written,
    };
    let proof = match &outcome {
        Ok(()) | Err(TapeError::Input(_) | TapeError::Write(WriteError::EndOfMedium)) => {
            writer.prove().await
        }
        Err(TapeError::Write(error)) => Ok(error.proof()),
        Err(_) => Ok(Proof::Nothing),
    };
    let written = writer.written();
    transferred.blocks = written.blocks;
    transferred.bytes = written.bytes;
    transferred.end_of_medium = written.end_of_medium;
    // Objects are blocks and filemarks, and the filemark is the last of them.
    transferred.proven = match &proof {
        Ok(Proof::Position(objects)) => written.blocks.min(*objects),
        Ok(Proof::Acknowledged) => written.blocks,
        Ok(Proof::Nothing) => 0,
        Err(WriteError::Position { counted, .. }) => written.blocks.min(*counted),
        Err(_) => 0,
    };
    outcome?;
    proof.map(|_| ()).map_err(TapeError::Write)
}

/// Reads a tape file up to its filemark. `open` makes the sink when the file is known to exist. A sink that takes no more because
/// its reader has gone ends the job without an error.
///
/// # Errors
/// [`TapeError`]; what was read before is in the sink.
pub async fn read<R: Reopen>(
    drive: &mut TapeDrive<R>,
    file: u64,
    limit: u32,
    open: impl FnOnce() -> io::Result<BlockSink>,
    transferred: &mut Transferred,
    progress: &mut dyn FnMut(u64),
) -> Result<(), TapeError> {
    let is_labelled = file == 1 && contents(drive).await?.is_labelled;
    transferred.file = file;
    // A volume label has 80 bytes, however short the blocks of the file are to be.
    let mut reader = TapeReader::at_file(drive, file, limit.max(80)).await?;
    if is_labelled {
        reader.next().await?;
    }
    let first = reader.next().await;
    let mut object = within(limit, first, file, 0)?;
    if object == Object::EndOfData {
        return Err(TapeError::NoSuchFile { file });
    }
    let sink = open().map_err(TapeError::Output)?;
    let outcome = loop {
        let block = match object {
            Object::Filemark => break Ok(()),
            Object::EndOfData => break Err(TapeError::NoFilemark { file }),
            Object::Block(block) => block,
        };
        let length = u64::try_from(block.len()).unwrap_or(u64::MAX);
        if !sink.push(block).await {
            break Ok(());
        }
        transferred.blocks = transferred.blocks.saturating_add(1);
        transferred.bytes = transferred.bytes.saturating_add(length);
        transferred.proven = transferred.blocks;
        progress(transferred.bytes);
        let next = reader.next().await;
        object = match within(limit, next, file, transferred.blocks) {
            Ok(object) => object,
            Err(error) => break Err(error.into()),
        };
    };
    let stopped = reader.stop().await;
    match sink.finish().await {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        Err(error) => return Err(TapeError::Output(error)),
        Ok(()) => {}
    }
    outcome?;
    stopped?;
    Ok(())
}

/// Takes what is next in a file, whose blocks are to have so many bytes at most: where a label may be, longer ones were asked for.
fn within(
    limit: u32,
    next: Result<Object, ReadError>,
    file: u64,
    block: u64,
) -> Result<Object, ReadError> {
    let length = match &next {
        Ok(Object::Block(block)) => u64::try_from(block.len()).unwrap_or(u64::MAX),
        Err(ReadError::TooLong { length, .. }) => *length,
        _ => 0,
    };
    match length > u64::from(limit) {
        true => Err(ReadError::TooLong {
            file,
            block,
            length,
            limit,
        }),
        false => next,
    }
}

/// A tape file as `list` shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TapeFile {
    /// Its number, from 1.
    pub file: u64,
    /// Blocks, labels among them.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The shortest block, in bytes; 0 in a file without blocks.
    pub shortest_block: u64,
    /// The longest block, in bytes.
    pub longest_block: u64,
    /// Whether a filemark ends it; false where the data ends.
    pub filemark: bool,
    /// The standard labels among its first blocks.
    pub labels: Vec<Label>,
}

/// Lists every tape file.
///
/// # Errors
/// [`TapeError`]; `files` has what was read before.
pub async fn list<R: Reopen>(
    drive: &mut TapeDrive<R>,
    files: &mut Vec<TapeFile>,
    progress: &mut dyn FnMut(u64),
) -> Result<(), TapeError> {
    let mut reader = TapeReader::of_any_length(drive).await?;
    let mut listed = 0_u64;
    loop {
        let mut file = TapeFile {
            file: reader.place().file,
            ..TapeFile::default()
        };
        loop {
            match reader.next().await {
                Ok(Object::Block(block)) => {
                    file.take(&block);
                    listed = listed.saturating_add(u64::try_from(block.len()).unwrap_or(u64::MAX));
                    progress(listed);
                }
                Ok(Object::Filemark) => {
                    file.filemark = true;
                    break;
                }
                Ok(Object::EndOfData) => {
                    if file.blocks > 0 {
                        files.push(file);
                    }
                    return Ok(());
                }
                Err(error) => {
                    files.push(file);
                    return Err(error.into());
                }
            }
        }
        files.push(file);
    }
}

impl TapeFile {
    fn take(&mut self, block: &[u8]) {
        let length = u64::try_from(block.len()).unwrap_or(u64::MAX);
        self.shortest_block = match self.blocks {
            0 => length,
            _ => self.shortest_block.min(length),
        };
        self.longest_block = self.longest_block.max(length);
        if self.blocks < LABELS_OF_A_FILE {
            self.labels.extend(Label::decode(block));
        }
        self.blocks = self.blocks.saturating_add(1);
        self.bytes = self.bytes.saturating_add(length);
    }
}

/// Writes a volume label at the beginning of the tape, and ends the tape behind it.
///
/// # Errors
/// [`TapeError::VolumeId`] for an identifier that is none, [`TapeError::HoldsData`] unless `overwrite`.
pub async fn initialize<R: Reopen>(
    drive: &mut TapeDrive<R>,
    volume: &str,
    overwrite: bool,
    transferred: &mut Transferred,
) -> Result<(), TapeError> {
    let label = volume_label(volume)?;
    if !overwrite {
        require_no_data(drive).await?;
    }
    transferred.file = 1;
    drive.count_to(1, 0).await?;
    let mut writer = Writer::begin(drive).await?;
    let mut written = writer.push(Bytes::copy_from_slice(&label)).await;
    for _ in 1..LABEL_FILEMARKS {
        if written.is_ok() {
            written = writer.filemark().await;
        }
    }
    finish(&mut writer, written.map_err(TapeError::Write), transferred).await
}

/// Erases the tape from its beginning: the data ends there.
///
/// # Errors
/// [`TapeError::HoldsData`] unless `overwrite`; [`WriteError::WriteProtected`].
pub async fn erase<R: Reopen>(drive: &mut TapeDrive<R>, overwrite: bool) -> Result<(), TapeError> {
    if !overwrite {
        require_no_data(drive).await?;
    }
    // Asked for, since a drive without ERASE (tgt's) has another answer to it.
    if drive.is_write_protected().await == Some(true) {
        return Err(TapeError::Write(WriteError::WriteProtected));
    }
    drive.rewind().await?;
    let erase = Command::Erase(Erase {
        immediate: false,
        long: false,
    });
    match drive.unit().execute(&erase).await {
        Ok(_) => {}
        Err(error) if error.has_key(SenseKey::DATA_PROTECT) => {
            return Err(TapeError::Write(WriteError::WriteProtected));
        }
        Err(error) => return Err(error.into()),
    }
    drive.rewind().await?;
    Ok(())
}
