//! What a command waits for: reads, writes and syncs of files, tapes that are opened. Any thread can do it.

use std::fs::File;
use std::io;
use std::sync::Arc;

use super::barcode::Barcode;
use super::configuration::LibraryError;
use super::media::{Append, Appended, BlockRead, MediaDirectory, Placed, ReadAhead, Tape};

/// Something to be done before a command can go on.
#[derive(Debug)]
pub(super) enum Work {
    /// Open the tape of a cartridge and find its records.
    Open {
        directory: Arc<MediaDirectory>,
        volume: Barcode,
    },
    /// Wait until everything written on the tape in a drive is on the disk.
    Sync { drive: usize, file: Arc<File> },
    /// End the file of the tape in a drive where a command writes, and write what it does.
    Append { drive: usize, append: Append },
    /// Read blocks of the tape in a drive.
    Read { drive: usize, reads: Vec<BlockRead> },
    /// Record where the cartridges are.
    Record {
        directory: Arc<MediaDirectory>,
        cartridges: Vec<Placed>,
    },
}

/// What came of it.
#[derive(Debug)]
pub(super) enum WorkDone {
    Opened {
        volume: Barcode,
        tape: io::Result<Tape>,
    },
    Synced {
        drive: usize,
        result: io::Result<()>,
    },
    Appended {
        drive: usize,
        appended: Appended,
    },
    Read {
        drive: usize,
        blocks: Vec<ReadAhead>,
    },
    Recorded(Result<(), LibraryError>),
}

impl Work {
    /// Does it, however long it takes.
    pub(super) fn run(self) -> WorkDone {
        match self {
            Self::Open { directory, volume } => WorkDone::Opened {
                tape: directory.tape(&volume),
                volume,
            },
            Self::Sync { drive, file } => WorkDone::Synced {
                drive,
                result: file.sync_data(),
            },
            Self::Append { drive, append } => WorkDone::Appended {
                drive,
                appended: append.run(),
            },
            Self::Read { drive, reads } => WorkDone::Read {
                drive,
                blocks: reads.into_iter().map(BlockRead::run).collect(),
            },
            Self::Record {
                directory,
                cartridges,
            } => WorkDone::Recorded(directory.record(cartridges)),
        }
    }
}
