//! The records of .tap files that were unmounted, so that mounting them again takes no scan.

use std::collections::VecDeque;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::index::Index;

/// How much memory the indexes of unmounted files take, in bytes: some ten million records.
const LIMIT: usize = 256 << 20;

/// What a scan of a file finds.
#[derive(Debug)]
pub(super) struct Scanned {
    pub(super) index: Index,
    /// Where the next record goes.
    pub(super) end: u64,
    /// The file goes on behind `end`, with nothing that counts.
    pub(super) tail: bool,
    /// The file ends in what no writer here leaves behind.
    pub(super) damaged: bool,
}

/// What is the same as long as a file is: the library alone writes in its directory, so this finds out what a person did to
/// a file between two mounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileState {
    device: u64,
    inode: u64,
    size: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
    changed: (i64, i64),
}

impl FileState {
    /// Returns the state of an open file.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn of(file: &File) -> io::Result<Self> {
        file.metadata().map(|metadata| Self::from(&metadata))
    }

    fn is_same_file(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}

impl From<&Metadata> for FileState {
    fn from(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// Indexes of files that no drive holds, the one kept last at the end. The oldest ones go when they take too much memory.
#[derive(Debug)]
pub(super) struct KeptIndexes {
    limit: usize,
    kept: Mutex<VecDeque<(FileState, Scanned)>>,
}

impl Default for KeptIndexes {
    fn default() -> Self {
        Self::within(LIMIT)
    }
}

impl KeptIndexes {
    fn within(limit: usize) -> Self {
        Self {
            limit,
            kept: Mutex::default(),
        }
    }

    /// Keeps what is known of a file that is in this state.
    pub(super) fn keep(&self, state: FileState, scanned: Scanned) {
        let mut kept = self.lock();
        kept.retain(|(other, _)| !other.is_same_file(&state));
        kept.push_back((state, scanned));
        let memory = |kept: &VecDeque<(FileState, Scanned)>| {
            let each = kept.iter().map(|(_, scanned)| scanned.index.memory());
            each.fold(0, usize::saturating_add)
        };
        while memory(&kept) > self.limit {
            kept.pop_front();
        }
    }

    /// Returns what was kept of a file; none when there is nothing, or when the file is not as it was.
    pub(super) fn take(&self, state: &FileState) -> Option<Scanned> {
        let mut kept = self.lock();
        let place = kept
            .iter()
            .position(|(other, _)| other.is_same_file(state))?;
        let (other, scanned) = kept.remove(place)?;
        (other == *state).then_some(scanned)
    }

    /// Returns whether a file in this state needs no scan.
    pub(super) fn has(&self, state: &FileState) -> bool {
        self.lock().iter().any(|(other, _)| other == state)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(FileState, Scanned)>> {
        // No call here leaves the list half changed.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::super::record::{Kind, Record};
    use super::*;

    fn scanned(records: usize) -> Scanned {
        let mut index = Index::of_file();
        for _ in 0..records {
            index.note(Record {
                offset: 0,
                length: 1,
                kind: Kind::Block,
            });
        }
        Scanned {
            index,
            end: 0,
            tail: false,
            damaged: false,
        }
    }

    fn state(inode: u64) -> FileState {
        FileState {
            device: 1,
            inode,
            size: 9,
            modified: (1, 2),
            changed: (3, 4),
        }
    }

    #[test]
    fn an_index_is_kept_as_long_as_its_file_is_as_it_was() {
        let changes: [fn(&mut FileState); 3] = [
            |state| state.size += 1,
            |state| state.modified.1 += 1,
            |state| state.changed.0 += 1,
        ];
        for change in changes {
            let kept = KeptIndexes::default();
            kept.keep(state(1), scanned(1));
            assert!(kept.take(&state(2)).is_none());
            assert!(kept.take(&state(1)).is_some());
            assert!(kept.take(&state(1)).is_none(), "the tape has it");
            kept.keep(state(1), scanned(1));
            let mut changed = state(1);
            change(&mut changed);
            assert!(!kept.has(&changed) && kept.has(&state(1)));
            assert!(kept.take(&changed).is_none());
            assert!(kept.take(&state(1)).is_none(), "it is of no use any more");
        }
    }

    #[test]
    fn every_write_changes_the_state_of_a_file() {
        let mut file = tempfile::tempfile().unwrap();
        let before = FileState::of(&file).unwrap();
        assert_eq!(FileState::of(&file).unwrap(), before);
        file.write_all(b"more").unwrap();
        assert_ne!(FileState::of(&file).unwrap(), before);
    }

    #[test]
    fn indexes_take_bounded_memory_and_the_oldest_go_first() {
        let one = scanned(100).index.memory();
        let kept = KeptIndexes::within(3 * one);
        for inode in 1..=4 {
            kept.keep(state(inode), scanned(100));
        }
        let left: Vec<bool> = (1..=4).map(|inode| kept.has(&state(inode))).collect();
        assert_eq!(left, [false, true, true, true]);
        // More than all may take.
        kept.keep(state(5), scanned(400));
        assert!((1..=5).all(|inode| !kept.has(&state(inode))));
    }
}
