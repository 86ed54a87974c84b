//! What is recorded on a cartridge: blocks and filemarks in a row, the same in memory and in a file.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use thiserror::Error;

use super::record::{Kind, RECORD_COST, Record};
use super::tap::TapFile;

/// Why a record could not be read or written.
#[derive(Debug, Error)]
pub(in super::super) enum TapeError {
    #[error("there is no room for more data")]
    Full,
    #[error("the record's data is lost")]
    Unreadable,
    #[error("the tape is damaged at its end, nothing can be written behind that")]
    Damaged,
    #[error("reading or writing the cartridge's file failed")]
    Io(#[from] io::Error),
}

/// The records of a cartridge. Positions are logical object identifiers: 0 is before the first record, the number of
/// records is the end of data.
#[derive(Debug)]
pub(in super::super) struct Tape {
    records: Vec<Record>,
    /// Positions of the filemarks.
    filemarks: Vec<u64>,
    used: u64,
    storage: Storage,
}

#[derive(Debug)]
enum Storage {
    /// The data of each record, empty for filemarks.
    Memory(Vec<Bytes>, Arc<Budget>),
    File(TapFile),
}

/// A block below this length is copied, so that it does not keep a whole receive buffer alive: those are about 1 MiB, so what
/// a cartridge takes of the memory is at most sixteen times what is recorded on it, whatever else came in between.
const KEPT_AS_IT_CAME: usize = 64 * 1024;

impl Tape {
    /// Returns a blank tape in memory.
    pub(super) fn in_memory(budget: Arc<Budget>) -> Self {
        Self {
            records: Vec::new(),
            filemarks: Vec::new(),
            used: 0,
            storage: Storage::Memory(Vec::new(), budget),
        }
    }

    /// Opens a .tap file.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let (file, records) = TapFile::open(path)?;
        let mut tape = Self {
            records: Vec::new(),
            filemarks: Vec::new(),
            used: 0,
            storage: Storage::File(file),
        };
        for record in records {
            tape.note(record);
        }
        Ok(tape)
    }

    /// Returns the end of data.
    pub(in super::super) fn end(&self) -> u64 {
        as_position(self.records.len())
    }

    /// Returns what the records cost of the capacity.
    pub(in super::super) fn used(&self) -> u64 {
        self.used
    }

    /// Returns the record behind a position; none at the end of data.
    pub(in super::super) fn record(&self, position: u64) -> Option<Record> {
        self.records.get(as_index(position)).copied()
    }

    /// Returns how many filemarks are before a position.
    pub(in super::super) fn filemarks_before(&self, position: u64) -> u64 {
        as_position(
            self.filemarks
                .partition_point(|filemark| *filemark < position),
        )
    }

    /// Returns the position of a filemark, the first one being number 0.
    pub(in super::super) fn filemark(&self, number: u64) -> Option<u64> {
        self.filemarks.get(as_index(number)).copied()
    }

    /// Returns the data of the block behind a position, at most `limit` bytes of it.
    pub(in super::super) fn read(&self, position: u64, limit: u32) -> Result<Bytes, TapeError> {
        let index = as_index(position);
        let record = self.records.get(index).ok_or(TapeError::Unreadable)?;
        if record.kind == Kind::Unreadable {
            return Err(TapeError::Unreadable);
        }
        let length = usize::try_from(record.length.min(limit)).unwrap_or(usize::MAX);
        match &self.storage {
            Storage::Memory(blocks, _) => {
                let mut data = blocks.get(index).cloned().unwrap_or_default();
                data.truncate(length);
                Ok(data)
            }
            Storage::File(file) => Ok(file.read(*record, length)?.into()),
        }
    }

    /// Ends the tape at a position: what is behind it is gone.
    pub(in super::super) fn truncate(&mut self, position: u64) -> Result<(), TapeError> {
        let index = as_index(position);
        let Some(first) = self.records.get(index) else {
            return Ok(());
        };
        let freed = self
            .records
            .iter()
            .skip(index)
            .fold(0u64, |sum, record| sum.saturating_add(record.cost()));
        match &mut self.storage {
            Storage::Memory(blocks, budget) => {
                blocks.truncate(index);
                budget.give(freed);
            }
            Storage::File(file) => file.truncate(first.offset)?,
        }
        self.records.truncate(index);
        let filemarks = self
            .filemarks
            .partition_point(|filemark| *filemark < position);
        self.filemarks.truncate(filemarks);
        self.used = self.used.saturating_sub(freed);
        Ok(())
    }

    /// Writes a block at the end of data. After an error nothing of it is there.
    pub(in super::super) fn append_block(&mut self, data: &Bytes) -> Result<(), TapeError> {
        let length = u32::try_from(data.len()).map_err(|_| TapeError::Full)?;
        let record = Record {
            offset: self.file_end()?,
            length,
            kind: Kind::Block,
        };
        match &mut self.storage {
            Storage::Memory(blocks, budget) => {
                budget.take(record.cost())?;
                blocks.push(match data.len() < KEPT_AS_IT_CAME {
                    true => Bytes::copy_from_slice(data),
                    false => data.clone(),
                });
            }
            Storage::File(file) => file.append_block(data).map_err(full_or_io)?,
        }
        self.note(record);
        Ok(())
    }

    /// Writes filemarks at the end of data, all or none.
    pub(in super::super) fn append_filemarks(&mut self, count: u32) -> Result<(), TapeError> {
        let offset = self.file_end()?;
        let marks = usize::try_from(count).unwrap_or(usize::MAX);
        match &mut self.storage {
            Storage::Memory(blocks, budget) => {
                budget.take(u64::from(count).saturating_mul(RECORD_COST))?;
                blocks.resize(blocks.len().saturating_add(marks), Bytes::new());
            }
            Storage::File(file) => file.append_filemarks(marks).map_err(full_or_io)?,
        }
        for number in 0..u64::from(count) {
            self.note(Record {
                offset: offset.saturating_add(number.saturating_mul(4)),
                length: 0,
                kind: Kind::Filemark,
            });
        }
        Ok(())
    }

    /// Waits until everything written is on the disk.
    pub(in super::super) fn sync(&mut self) -> io::Result<()> {
        match &mut self.storage {
            Storage::Memory(..) => Ok(()),
            Storage::File(file) => file.sync(),
        }
    }

    /// Returns whether the tape goes away with its cartridge's file: then it is closed when it leaves the drive.
    pub(super) fn is_file(&self) -> bool {
        matches!(self.storage, Storage::File(_))
    }

    fn file_end(&self) -> Result<u64, TapeError> {
        match &self.storage {
            Storage::Memory(..) => Ok(0),
            Storage::File(file) if file.is_damaged() => Err(TapeError::Damaged),
            Storage::File(file) => Ok(file.end()),
        }
    }

    fn note(&mut self, record: Record) {
        if record.kind == Kind::Filemark {
            self.filemarks.push(as_position(self.records.len()));
        }
        self.used = self.used.saturating_add(record.cost());
        self.records.push(record);
    }
}

/// No room on the disk is no room on the tape: what was written before is safe, and the initiator can go on elsewhere.
fn full_or_io(error: io::Error) -> TapeError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            TapeError::Full
        }
        _ => TapeError::Io(error),
    }
}

/// What the cartridges of a library may hold in memory together.
#[derive(Debug)]
pub(in super::super) struct Budget {
    left: AtomicU64,
}

impl Budget {
    pub(in super::super) fn new(limit: u64) -> Self {
        Self {
            left: AtomicU64::new(limit),
        }
    }

    fn take(&self, cost: u64) -> Result<(), TapeError> {
        self.left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(cost)
            })
            .map(|_| ())
            .map_err(|_| TapeError::Full)
    }

    fn give(&self, cost: u64) {
        self.left.fetch_add(cost, Ordering::Relaxed);
    }
}

fn as_index(position: u64) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}

fn as_position(index: usize) -> u64 {
    u64::try_from(index).unwrap_or(u64::MAX)
}
