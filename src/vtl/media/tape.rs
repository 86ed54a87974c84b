//! What is recorded on a cartridge: blocks and filemarks in a row, the same in memory and in a file.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use thiserror::Error;

use super::append::{Append, Appended, Objects};
use super::index::Index;
use super::kept::KeptIndexes;
#[cfg(test)]
use super::record::RECORD_COST;
use super::record::{Kind, Record};
use super::segments::Segments;
use super::tap::{TapFile, read_block};

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

/// The records of a cartridge. Positions are logical object identifiers: 0 is before the first object, the number of
/// objects is the end of data.
#[derive(Debug)]
pub(in super::super) struct Tape {
    index: Index,
    storage: Storage,
    /// Blocks that were read before the command that wants them.
    read_ahead: Vec<ReadAhead>,
}

#[derive(Debug)]
pub(in super::super) struct ReadAhead {
    position: u64,
    data: io::Result<Bytes>,
}

/// A block that is to be read from its file, by any thread.
#[derive(Debug)]
pub(in super::super) struct BlockRead {
    position: u64,
    file: Arc<File>,
    record: Record,
    length: usize,
}

impl BlockRead {
    /// Reads the block.
    pub(in super::super) fn run(self) -> ReadAhead {
        ReadAhead {
            position: self.position,
            data: read_block(&self.file, self.record, self.length).map(Bytes::from),
        }
    }
}

#[derive(Debug)]
enum Storage {
    Memory(InMemory),
    File(TapFile),
}

#[derive(Debug)]
struct InMemory {
    /// The data of each record, empty for filemarks.
    blocks: Segments,
    budget: Arc<Budget>,
}

impl InMemory {
    /// Takes what a record costs of the budget, and appends its data.
    fn push(&mut self, data: &[u8], record: &Record) -> Result<(), TapeError> {
        self.budget.take(record.memory())?;
        self.blocks.push(data).map_err(|_| {
            // The system has no memory.
            self.budget.give(record.memory());
            TapeError::Full
        })
    }
}

impl Tape {
    /// Returns a blank tape in memory.
    pub(super) fn in_memory(budget: Arc<Budget>) -> Self {
        let memory = InMemory {
            blocks: Segments::default(),
            budget,
        };
        Self::new(Index::in_memory(), Storage::Memory(memory))
    }

    /// Opens a .tap file, whose records are found by a scan where they were not kept.
    pub(super) fn open(path: &Path, kept: &KeptIndexes) -> io::Result<Self> {
        let (file, index) = TapFile::open(path, kept)?;
        Ok(Self::new(index, Storage::File(file)))
    }

    fn new(index: Index, storage: Storage) -> Self {
        Self {
            index,
            storage,
            read_ahead: Vec::new(),
        }
    }

    /// Closes the tape; where its records are in a file is kept.
    pub(super) fn close(self, kept: &KeptIndexes) {
        if let Storage::File(file) = self.storage {
            file.close(self.index, kept);
        }
    }

    /// Returns whether a sync failed since the tape was loaded, so that it takes no more.
    pub(in super::super) fn has_failed(&self) -> bool {
        matches!(&self.storage, Storage::File(file) if file.has_failed())
    }

    /// Returns the end of data.
    pub(in super::super) fn end(&self) -> u64 {
        self.index.end()
    }

    /// Returns what the records cost of the capacity.
    pub(in super::super) fn used(&self) -> u64 {
        self.index.used()
    }

    /// Returns what the records before a position cost of the capacity.
    pub(in super::super) fn used_before(&self, position: u64) -> u64 {
        self.index.used_before(position)
    }

    /// Returns the record behind a position; none at the end of data.
    pub(in super::super) fn record(&self, position: u64) -> Option<Record> {
        self.index.record(position).map(|(_, record)| record)
    }

    /// Returns how many filemarks are before a position.
    pub(in super::super) fn filemarks_before(&self, position: u64) -> u64 {
        self.index.filemarks_before(position)
    }

    /// Returns the position of a filemark, the first one being number 0.
    pub(in super::super) fn filemark(&self, number: u64) -> Option<u64> {
        self.index.filemark(number)
    }

    /// Prepares [`Tape::read`] of a block with the same limit: where it has to wait for the disk, returns what another thread
    /// is to read, and the caller to give to [`Tape::take_read_ahead`]. None where there is nothing to wait for.
    pub(in super::super) fn prepare_read(
        &mut self,
        position: u64,
        limit: u32,
    ) -> Option<BlockRead> {
        let record = self.record(position)?;
        let Storage::File(file) = &self.storage else {
            return None;
        };
        let length = usize::try_from(record.length.min(limit)).ok()?;
        if record.kind != Kind::Block {
            return None;
        }
        if let Some(data) = file.read_cached(record, length) {
            self.read_ahead.push(ReadAhead {
                position,
                data: Ok(data.into()),
            });
            return None;
        }
        Some(BlockRead {
            position,
            file: file.shared(),
            record,
            length,
        })
    }

    /// Takes blocks for the command that comes next.
    pub(in super::super) fn take_read_ahead(&mut self, blocks: Vec<ReadAhead>) {
        self.read_ahead.extend(blocks);
    }

    /// Prepares [`Tape::truncate`] at a position and appending objects there: where that has to wait for the disk, returns
    /// what another thread is to write, and the caller to give to [`Tape::take_appended`]. None where there is nothing to
    /// wait for.
    pub(in super::super) fn prepare_append(
        &mut self,
        position: u64,
        objects: Objects,
    ) -> Option<Append> {
        let Storage::File(file) = &mut self.storage else {
            return None;
        };
        if file.is_damaged() && position > 0 {
            return None;
        }
        let cut = self.index.cut_at(position);
        file.prepare_append(cut.map(|cut| cut.offset()), objects)
    }

    /// Takes what was written for the command that comes next.
    pub(in super::super) fn take_appended(&mut self, appended: Appended) {
        if let Storage::File(file) = &mut self.storage {
            file.take_appended(appended);
        }
    }

    /// Returns whether something was read or written for the command that comes next.
    pub(in super::super) fn is_prepared(&self) -> bool {
        let has_appended = matches!(&self.storage, Storage::File(file) if file.has_appended());
        !self.read_ahead.is_empty() || has_appended
    }

    /// Forgets what was read or written for a command that has ended.
    pub(in super::super) fn forget_prepared(&mut self) {
        self.read_ahead = Vec::new();
        if let Storage::File(file) = &mut self.storage {
            file.forget_appended();
        }
    }

    /// Returns the data of the block behind a position, at most `limit` bytes of it.
    pub(in super::super) fn read(&mut self, position: u64, limit: u32) -> Result<Bytes, TapeError> {
        let ahead = self
            .read_ahead
            .iter()
            .position(|ahead| ahead.position == position);
        if let Some(ahead) = ahead {
            return Ok(self.read_ahead.swap_remove(ahead).data?);
        }
        let found = self.index.record(position);
        let (number, record) = found.ok_or(TapeError::Unreadable)?;
        if record.kind != Kind::Block {
            return Err(TapeError::Unreadable);
        }
        let length = usize::try_from(record.length.min(limit)).unwrap_or(usize::MAX);
        match &self.storage {
            Storage::Memory(memory) => {
                let mut data = memory.blocks.get(number);
                data.truncate(length);
                Ok(data)
            }
            Storage::File(file) => Ok(file.read(record, length)?.into()),
        }
    }

    /// Ends the tape at a position: what is behind it is gone.
    pub(in super::super) fn truncate(&mut self, position: u64) -> Result<(), TapeError> {
        let Some(cut) = self.index.cut_at(position) else {
            return Ok(());
        };
        if let Storage::File(file) = &mut self.storage {
            if file.is_damaged() && position > 0 {
                return Err(TapeError::Damaged);
            }
            file.truncate(cut.offset())?;
        }
        let memory = self.index.truncate(cut);
        if let Storage::Memory(storage) = &mut self.storage {
            storage.blocks.truncate(cut.number);
            storage.budget.give(memory);
        }
        if cut.kept > 0 {
            let record = Record {
                length: cut.kept,
                ..cut.record
            };
            if let Storage::Memory(storage) = &mut self.storage {
                storage.push(&[], &record)?;
            }
            self.index.note(record);
        }
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
            Storage::Memory(memory) => {
                memory.push(data, &record)?;
            }
            Storage::File(file) => file.append_block(data).map_err(full_or_io)?,
        }
        self.index.note(record);
        Ok(())
    }

    /// Writes filemarks at the end of data, all or none.
    pub(in super::super) fn append_filemarks(&mut self, count: u32) -> Result<(), TapeError> {
        if count == 0 {
            return Ok(());
        }
        let record = Record {
            offset: self.file_end()?,
            length: count,
            kind: Kind::Filemark,
        };
        let joined = self.index.joined(record).is_some();
        match &mut self.storage {
            Storage::Memory(_) if joined => {}
            Storage::Memory(memory) => {
                memory.push(&[], &record)?;
            }
            Storage::File(file) => file.append_filemarks(count).map_err(full_or_io)?,
        }
        self.index.note(record);
        Ok(())
    }

    /// Waits until everything written is on the disk.
    pub(in super::super) fn sync(&mut self) -> io::Result<()> {
        match &mut self.storage {
            Storage::Memory(..) => Ok(()),
            Storage::File(file) => file.sync(),
        }
    }

    /// Returns the file to be synced by another thread, which is followed by [`Tape::end_sync`]; none when everything written is
    /// on the disk.
    ///
    /// # Errors
    /// After a sync that failed.
    pub(in super::super) fn begin_sync(&mut self) -> io::Result<Option<Arc<File>>> {
        match &mut self.storage {
            Storage::Memory(..) => Ok(None),
            Storage::File(file) => file.begin_sync(),
        }
    }

    /// Takes note of what fdatasync(2) reported.
    pub(in super::super) fn end_sync(&mut self, result: &io::Result<()>) {
        if let Storage::File(file) = &mut self.storage {
            file.end_sync(result);
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMIT: u64 = 1 << 30;

    fn in_memory() -> (Tape, Arc<Budget>) {
        let budget = Arc::new(Budget::new(LIMIT));
        (Tape::in_memory(Arc::clone(&budget)), budget)
    }

    fn open(path: &Path) -> io::Result<Tape> {
        Tape::open(path, &KeptIndexes::default())
    }

    fn taken(budget: &Budget) -> u64 {
        LIMIT - budget.left.load(Ordering::Relaxed)
    }

    #[test]
    fn filemarks_in_a_row_cost_the_memory_of_one_record() {
        let (mut tape, budget) = in_memory();
        tape.append_filemarks(16_000_000).unwrap();
        tape.append_filemarks(16_000_000).unwrap();
        assert_eq!(taken(&budget), RECORD_COST);
        assert_eq!((tape.end(), tape.used()), (32_000_000, 32_000_000 * 64));
        assert_eq!(tape.filemark(31_999_999), Some(31_999_999));
        assert_eq!(tape.filemark(32_000_000), None);
        assert_eq!(
            (tape.index.records.len(), tape.index.filemarks.len()),
            (1, 1)
        );
        tape.truncate(7).unwrap();
        assert_eq!((tape.end(), tape.used()), (7, 7 * 64));
        assert_eq!(taken(&budget), RECORD_COST);
    }

    #[test]
    fn a_block_keeps_nothing_alive_but_its_own_length() {
        let (mut tape, _) = in_memory();
        let received = Bytes::from(vec![7; 1 << 20]);
        tape.append_block(&received.slice(..64 * 1024)).unwrap();
        tape.append_block(&received.slice(5..6)).unwrap();
        assert!(received.is_unique());
        assert_eq!(&tape.read(1, 9).unwrap()[..], [7]);
    }

    #[test]
    fn room_grows_with_the_records_and_is_given_back() {
        let (mut tape, budget) = in_memory();
        for _ in 0..10_000 {
            tape.append_block(&Bytes::from_static(b"x")).unwrap();
        }
        assert!(tape.index.records.capacity() < 10_000 * 9 / 8 + 64);
        tape.truncate(10).unwrap();
        assert!(tape.index.records.capacity() <= 64);
        assert_eq!(taken(&budget), 10 * (RECORD_COST + 1));
    }

    #[test]
    fn damage_is_cut_off_at_the_beginning_of_the_tape_only() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("T.tap");
        let bytes = b"\x02\0\0\0hi\x02\0\0\0\x01\0\x80\0overlong";
        std::fs::write(&path, bytes).unwrap();
        let mut tape = open(&path).unwrap();
        assert!(matches!(tape.truncate(1), Err(TapeError::Damaged)));
        assert!(matches!(tape.append_filemarks(1), Err(TapeError::Damaged)));
        assert!(matches!(tape.read(1, 9), Err(TapeError::Unreadable)));
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
        tape.truncate(0).unwrap();
        tape.append_filemarks(1).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), [0; 4]);
    }

    #[test]
    fn a_full_disk_is_a_full_tape() {
        let mut tape = open(Path::new("/dev/full")).unwrap();
        let error = tape.append_block(&Bytes::from_static(b"data")).unwrap_err();
        assert!(matches!(error, TapeError::Full), "{error}");
        assert_eq!(tape.end(), 0);
    }

    #[test]
    fn after_a_failed_sync_a_tape_takes_nothing_until_it_is_loaded_again() {
        // fdatasync(2) of a device that has none fails.
        let mut tape = open(Path::new("/dev/null")).unwrap();
        tape.append_block(&Bytes::from_static(b"lost")).unwrap();
        tape.sync().unwrap_err();
        assert!(tape.has_failed());
        assert!(tape.append_filemarks(1).is_err());
        assert!(tape.sync().is_err());
        assert_eq!(tape.end(), 1);
        let mut tape = open(Path::new("/dev/null")).unwrap();
        // What the scan finds counts, not what was acknowledged before.
        assert_eq!(tape.end(), 0);
        tape.append_filemarks(1).unwrap();
    }

    #[derive(Clone, Debug)]
    enum Edit {
        Block(u8),
        Filemarks(u32),
        Truncate(u64),
    }

    fn edit() -> impl Strategy<Value = Edit> {
        prop_oneof![
            any::<u8>().prop_map(Edit::Block),
            (0..4u32).prop_map(Edit::Filemarks),
            (0..20u64).prop_map(Edit::Truncate),
        ]
    }

    proptest! {
        /// A tape in memory, a tape in a file, what is kept of it, the file scanned again, and a plain list agree.
        #[test]
        fn a_tape_is_a_row_of_objects(edits in proptest::collection::vec(edit(), 0..40)) {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("T.tap");
            std::fs::write(&path, b"").unwrap();
            let (mut memory, budget) = in_memory();
            let mut file = open(&path).unwrap();
            let mut model: Vec<Option<u8>> = Vec::new();
            for edit in edits {
                match edit {
                    Edit::Block(byte) => {
                        let data = Bytes::from(vec![byte; usize::from(byte) + 1]);
                        memory.append_block(&data).unwrap();
                        file.append_block(&data).unwrap();
                        model.push(Some(byte));
                    }
                    Edit::Filemarks(count) => {
                        memory.append_filemarks(count).unwrap();
                        file.append_filemarks(count).unwrap();
                        model.extend((0..count).map(|_| None));
                    }
                    Edit::Truncate(position) => {
                        memory.truncate(position).unwrap();
                        file.truncate(position).unwrap();
                        model.truncate(usize::try_from(position).unwrap());
                    }
                }
                prop_assert_eq!(memory.used(), file.used());
            }
            let mut again = open(&path).unwrap();
            let kept = KeptIndexes::default();
            file.sync().unwrap();
            file.close(&kept);
            let mut file = Tape::open(&path, &kept).unwrap();
            let marks: Vec<u64> = (0..).zip(&model).filter(|(_, object)| object.is_none()).map(|(at, _)| at).collect();
            for tape in [&mut memory, &mut file, &mut again] {
                prop_assert_eq!(tape.end(), model.len() as u64);
                for (position, object) in (0..).zip(&model) {
                    let record = tape.record(position).unwrap();
                    match object {
                        None => prop_assert_eq!(record.kind, Kind::Filemark),
                        Some(byte) => prop_assert_eq!(
                            tape.read(position, u32::MAX).unwrap(),
                            vec![*byte; usize::from(*byte) + 1]
                        ),
                    }
                    let cost = model.iter().take(usize::try_from(position).unwrap()).map(|object| match object {
                        None => RECORD_COST,
                        Some(byte) => RECORD_COST + u64::from(*byte) + 1,
                    });
                    prop_assert_eq!(tape.used_before(position), cost.sum::<u64>());
                    let before = marks.iter().filter(|mark| **mark < position).count() as u64;
                    prop_assert_eq!(tape.filemarks_before(position), before);
                }
                prop_assert!(tape.record(tape.end()).is_none());
                for (number, mark) in (0..).zip(&marks) {
                    prop_assert_eq!(tape.filemark(number), Some(*mark));
                }
                prop_assert_eq!(tape.filemark(marks.len() as u64), None);
            }
            memory.truncate(0).unwrap();
            prop_assert_eq!(taken(&budget), 0);
        }
    }
}
