//! What is recorded on a cartridge: blocks and filemarks in a row, the same in memory and in a file.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use thiserror::Error;

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
    records: Vec<Placed>,
    /// The records that are filemarks, in order.
    filemarks: Vec<FilemarkRun>,
    /// The end of data.
    end: u64,
    used: u64,
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

/// A record and the position before it.
#[derive(Clone, Copy, Debug)]
struct Placed {
    position: u64,
    record: Record,
}

/// Filemarks in a row.
#[derive(Clone, Copy, Debug)]
struct FilemarkRun {
    /// The position before the first of them.
    position: u64,
    /// How many filemarks are before them.
    before: u64,
    count: u64,
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

impl Tape {
    /// Returns a blank tape in memory.
    pub(super) fn in_memory(budget: Arc<Budget>) -> Self {
        Self::blank(Storage::Memory(InMemory {
            blocks: Segments::default(),
            budget,
        }))
    }

    /// Opens a .tap file.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let (file, records) = TapFile::open(path)?;
        Ok(Self::of_file(file, records))
    }

    fn of_file(file: TapFile, records: Vec<Record>) -> Self {
        let mut tape = Self::blank(Storage::File(file));
        for record in records {
            tape.note(record);
        }
        tape
    }

    fn blank(storage: Storage) -> Self {
        Self {
            records: Vec::new(),
            filemarks: Vec::new(),
            end: 0,
            used: 0,
            storage,
            read_ahead: Vec::new(),
        }
    }

    /// Opens the file again when a sync of it has failed: its scan decides what is on the tape.
    ///
    /// # Errors
    /// When the file cannot be opened or read.
    pub(super) fn reload(&mut self) -> io::Result<()> {
        if let Storage::File(file) = &self.storage
            && file.has_failed()
        {
            let (file, records) = file.reopen()?;
            *self = Self::of_file(file, records);
        }
        Ok(())
    }

    /// Returns whether a sync failed since the tape was loaded, so that it takes no more.
    pub(in super::super) fn has_failed(&self) -> bool {
        matches!(&self.storage, Storage::File(file) if file.has_failed())
    }

    /// Returns the end of data.
    pub(in super::super) fn end(&self) -> u64 {
        self.end
    }

    /// Returns what the records cost of the capacity.
    pub(in super::super) fn used(&self) -> u64 {
        self.used
    }

    /// Returns the record behind a position; none at the end of data.
    pub(in super::super) fn record(&self, position: u64) -> Option<Record> {
        let placed = self.records.get(self.index(position)?)?;
        Some(placed.record)
    }

    /// Returns the index of the record that the object behind a position is, or is one of.
    fn index(&self, position: u64) -> Option<usize> {
        if position >= self.end {
            return None;
        }
        self.records
            .partition_point(|placed| placed.position <= position)
            .checked_sub(1)
    }

    /// Returns how many filemarks are before a position.
    pub(in super::super) fn filemarks_before(&self, position: u64) -> u64 {
        let runs = self
            .filemarks
            .partition_point(|run| run.position < position);
        let last = runs
            .checked_sub(1)
            .and_then(|last| self.filemarks.get(last));
        last.map_or(0, |run| {
            let passed = position.saturating_sub(run.position).min(run.count);
            run.before.saturating_add(passed)
        })
    }

    /// Returns the position of a filemark, the first one being number 0.
    pub(in super::super) fn filemark(&self, number: u64) -> Option<u64> {
        let runs = self.filemarks.partition_point(|run| run.before <= number);
        let run = self.filemarks.get(runs.checked_sub(1)?)?;
        let offset = number.saturating_sub(run.before);
        (offset < run.count).then(|| run.position.saturating_add(offset))
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

    /// Returns whether blocks wait for the command that they were read for.
    pub(in super::super) fn has_read_ahead(&self) -> bool {
        !self.read_ahead.is_empty()
    }

    /// Forgets what was read ahead.
    pub(in super::super) fn forget_read_ahead(&mut self) {
        self.read_ahead = Vec::new();
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
        let index = self.index(position).ok_or(TapeError::Unreadable)?;
        let record = self.records.get(index).ok_or(TapeError::Unreadable)?.record;
        if record.kind != Kind::Block {
            return Err(TapeError::Unreadable);
        }
        let length = usize::try_from(record.length.min(limit)).unwrap_or(usize::MAX);
        match &self.storage {
            Storage::Memory(memory) => {
                let mut data = memory.blocks.get(index);
                data.truncate(length);
                Ok(data)
            }
            Storage::File(file) => Ok(file.read(record, length)?.into()),
        }
    }

    /// Ends the tape at a position: what is behind it is gone.
    pub(in super::super) fn truncate(&mut self, position: u64) -> Result<(), TapeError> {
        let Some(index) = self.index(position) else {
            return Ok(());
        };
        let Some(first) = self.records.get(index).copied() else {
            return Ok(());
        };
        // Of a run of filemarks the first ones stay.
        let kept = position.saturating_sub(first.position);
        if let Storage::File(file) = &mut self.storage {
            if file.is_damaged() && position > 0 {
                return Err(TapeError::Damaged);
            }
            let kept_bytes = kept.saturating_mul(4);
            file.truncate(first.record.offset.saturating_add(kept_bytes))?;
        }
        let gone = self.records.get(index..).unwrap_or_default();
        let mut cost = 0u64;
        let mut memory = 0u64;
        for placed in gone {
            cost = cost.saturating_add(placed.record.cost());
            memory = memory.saturating_add(placed.record.memory());
        }
        self.records.truncate(index);
        give_back(&mut self.records);
        let runs = self
            .filemarks
            .partition_point(|run| run.position < first.position);
        self.filemarks.truncate(runs);
        if let Some(run) = self.filemarks.last_mut() {
            run.count = run.count.min(first.position.saturating_sub(run.position));
        }
        give_back(&mut self.filemarks);
        if let Storage::Memory(storage) = &mut self.storage {
            storage.blocks.truncate(index);
            storage.budget.give(memory);
        }
        self.used = self.used.saturating_sub(cost);
        self.end = first.position;
        if let Some(kept) = u32::try_from(kept).ok().filter(|kept| *kept > 0) {
            let record = Record {
                length: kept,
                ..first.record
            };
            if let Storage::Memory(storage) = &mut self.storage {
                storage.budget.take(record.memory())?;
                storage.blocks.push(&[]);
            }
            self.note(record);
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
                memory.budget.take(record.memory())?;
                memory.blocks.push(data);
            }
            Storage::File(file) => file.append_block(data).map_err(full_or_io)?,
        }
        self.note(record);
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
        let joined = self.joined(record).is_some();
        match &mut self.storage {
            Storage::Memory(_) if joined => {}
            Storage::Memory(memory) => {
                memory.budget.take(record.memory())?;
                memory.blocks.push(&[]);
            }
            Storage::File(file) => file.append_filemarks(count).map_err(full_or_io)?,
        }
        self.note(record);
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

    fn note(&mut self, record: Record) {
        self.used = self.used.saturating_add(record.cost());
        let position = self.end;
        self.end = position.saturating_add(record.count());
        if record.kind == Kind::Filemark {
            self.note_filemarks(position, record.count());
            let joined = self.joined(record);
            if let (Some(length), Some(last)) = (joined, self.records.last_mut()) {
                last.record.length = length;
                return;
            }
        }
        grow(&mut self.records);
        self.records.push(Placed { position, record });
    }

    fn note_filemarks(&mut self, position: u64, count: u64) {
        let before = match self.filemarks.last_mut() {
            Some(run) if run.position.saturating_add(run.count) == position => {
                run.count = run.count.saturating_add(count);
                return;
            }
            last => last.map_or(0, |run| run.before.saturating_add(run.count)),
        };
        grow(&mut self.filemarks);
        self.filemarks.push(FilemarkRun {
            position,
            before,
            count,
        });
    }

    /// Returns how many filemarks there are in a row when filemarks are counted with those that are the last record. In
    /// a file they are only where nothing is between them.
    fn joined(&self, record: Record) -> Option<u32> {
        let last = self.records.last()?.record;
        let follows = match self.storage {
            Storage::Memory(_) => true,
            Storage::File(_) => {
                let bytes = u64::from(last.length).saturating_mul(4);
                last.offset.saturating_add(bytes) == record.offset
            }
        };
        (last.kind == Kind::Filemark && record.kind == Kind::Filemark && follows)
            .then(|| last.length.checked_add(record.length))?
    }
}

/// Makes room for one more by an eighth of what is there, where doubling would take twice the memory of the records.
pub(super) fn grow<T>(items: &mut Vec<T>) {
    if items.len() == items.capacity() {
        items.reserve_exact((items.len() / 8).max(64));
    }
}

/// Gives back the room of what was truncated.
pub(super) fn give_back<T>(items: &mut Vec<T>) {
    if items.capacity() / 2 > items.len() {
        items.shrink_to(items.len());
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
        assert_eq!((tape.records.len(), tape.filemarks.len()), (1, 1));
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
        assert!(tape.records.capacity() < 10_000 * 9 / 8 + 64);
        tape.truncate(10).unwrap();
        assert!(tape.records.capacity() <= 64);
        assert_eq!(taken(&budget), 10 * (RECORD_COST + 1));
    }

    #[test]
    fn damage_is_cut_off_at_the_beginning_of_the_tape_only() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("T.tap");
        let bytes = b"\x02\0\0\0hi\x02\0\0\0\x01\0\x80\0overlong";
        std::fs::write(&path, bytes).unwrap();
        let mut tape = Tape::open(&path).unwrap();
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
        let mut tape = Tape::open(Path::new("/dev/full")).unwrap();
        let error = tape.append_block(&Bytes::from_static(b"data")).unwrap_err();
        assert!(matches!(error, TapeError::Full), "{error}");
        assert_eq!(tape.end(), 0);
    }

    #[test]
    fn after_a_failed_sync_a_tape_takes_nothing_until_it_is_loaded_again() {
        // fdatasync(2) of a device that has none fails.
        let mut tape = Tape::open(Path::new("/dev/null")).unwrap();
        tape.append_block(&Bytes::from_static(b"lost")).unwrap();
        tape.sync().unwrap_err();
        assert!(tape.has_failed());
        assert!(tape.append_filemarks(1).is_err());
        assert!(tape.sync().is_err());
        assert_eq!(tape.end(), 1);
        tape.reload().unwrap();
        assert!(!tape.has_failed());
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
        /// A tape in memory, a tape in a file, the file opened again, and a plain list agree.
        #[test]
        fn a_tape_is_a_row_of_objects(edits in proptest::collection::vec(edit(), 0..40)) {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("T.tap");
            std::fs::write(&path, b"").unwrap();
            let (mut memory, budget) = in_memory();
            let mut file = Tape::open(&path).unwrap();
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
            let mut again = Tape::open(&path).unwrap();
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
