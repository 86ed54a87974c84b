//! Where the records of a tape are: blocks and filemarks by position.

use super::record::{Kind, Record};

/// The records of a tape in order. Positions are logical object identifiers: 0 is before the first object, the number of
/// objects is the end of data.
#[derive(Debug)]
pub(super) struct Index {
    pub(super) records: Vec<Placed>,
    /// The records that are filemarks, in order.
    pub(super) filemarks: Vec<FilemarkRun>,
    /// The end of data.
    end: u64,
    used: u64,
    /// The records have offsets in a file.
    has_offsets: bool,
}

/// A record and the position before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    position: u64,
    pub(super) record: Record,
}

/// Filemarks in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FilemarkRun {
    /// The position before the first of them.
    position: u64,
    /// How many filemarks are before them.
    before: u64,
    count: u64,
}

/// Where a tape is to end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    /// The number of the first record that goes.
    pub(super) number: usize,
    /// That record; of a run of filemarks the first `kept` ones stay.
    pub(super) record: Record,
    pub(super) kept: u32,
}

impl Cut {
    /// Returns where the file ends then.
    pub(super) fn offset(&self) -> u64 {
        let kept_bytes = u64::from(self.kept).saturating_mul(4);
        self.record.offset.saturating_add(kept_bytes)
    }
}

impl Index {
    /// Returns the index of a blank tape in memory.
    pub(super) fn in_memory() -> Self {
        Self {
            records: Vec::new(),
            filemarks: Vec::new(),
            end: 0,
            used: 0,
            has_offsets: false,
        }
    }

    /// Returns the index of an empty file.
    pub(super) fn of_file() -> Self {
        Self {
            has_offsets: true,
            ..Self::in_memory()
        }
    }

    /// Returns the end of data.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Returns what the records cost of the capacity.
    pub(super) fn used(&self) -> u64 {
        self.used
    }

    /// Returns the memory that this takes, in bytes.
    pub(super) fn memory(&self) -> usize {
        let records = size_of_val(self.records.as_slice());
        records.saturating_add(size_of_val(self.filemarks.as_slice()))
    }

    /// Returns the number of the record that the object behind a position is, or is one of, and the record; none at the end
    /// of data.
    pub(super) fn record(&self, position: u64) -> Option<(usize, Record)> {
        let number = self.number(position)?;
        Some((number, self.records.get(number)?.record))
    }

    fn number(&self, position: u64) -> Option<usize> {
        if position >= self.end {
            return None;
        }
        self.records
            .partition_point(|placed| placed.position <= position)
            .checked_sub(1)
    }

    /// Returns how many filemarks are before a position.
    pub(super) fn filemarks_before(&self, position: u64) -> u64 {
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
    pub(super) fn filemark(&self, number: u64) -> Option<u64> {
        let runs = self.filemarks.partition_point(|run| run.before <= number);
        let run = self.filemarks.get(runs.checked_sub(1)?)?;
        let offset = number.saturating_sub(run.before);
        (offset < run.count).then(|| run.position.saturating_add(offset))
    }

    /// Returns what goes when the tape ends at a position; none where it ends there, or before.
    pub(super) fn cut_at(&self, position: u64) -> Option<Cut> {
        let number = self.number(position)?;
        let first = self.records.get(number)?;
        let kept = position.saturating_sub(first.position);
        Some(Cut {
            number,
            record: first.record,
            kept: u32::try_from(kept).unwrap_or(u32::MAX),
        })
    }

    /// Returns what the records before a position cost of the capacity.
    pub(super) fn used_before(&self, position: u64) -> u64 {
        let Some(cut) = self.cut_at(position) else {
            return self.used;
        };
        let gone = self.records.get(cut.number..).unwrap_or_default();
        let cost = gone.iter().map(|placed| placed.record.cost());
        let kept = Record {
            length: cut.kept,
            ..cut.record
        };
        let kept = if cut.kept > 0 { kept.cost() } else { 0 };
        self.used
            .saturating_sub(cost.fold(0, u64::saturating_add))
            .saturating_add(kept)
    }

    /// Drops the records from a cut on, the kept filemarks too, and returns what they took of the memory.
    pub(super) fn truncate(&mut self, cut: Cut) -> u64 {
        let Some(first) = self.records.get(cut.number).copied() else {
            return 0;
        };
        let mut cost = 0u64;
        let mut memory = 0u64;
        for placed in self.records.get(cut.number..).unwrap_or_default() {
            cost = cost.saturating_add(placed.record.cost());
            memory = memory.saturating_add(placed.record.memory());
        }
        self.records.truncate(cut.number);
        give_back(&mut self.records);
        let runs = self
            .filemarks
            .partition_point(|run| run.position < first.position);
        self.filemarks.truncate(runs);
        if let Some(run) = self.filemarks.last_mut() {
            run.count = run.count.min(first.position.saturating_sub(run.position));
        }
        give_back(&mut self.filemarks);
        self.used = self.used.saturating_sub(cost);
        self.end = first.position;
        memory
    }

    /// Takes note of a record at the end of data.
    pub(super) fn note(&mut self, record: Record) {
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
    pub(super) fn joined(&self, record: Record) -> Option<u32> {
        let last = self.records.last()?.record;
        let bytes = u64::from(last.length).saturating_mul(4);
        let follows = !self.has_offsets || last.offset.saturating_add(bytes) == record.offset;
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
