//! SIMH .tap files: one cartridge, one file. [`tap`] has the format.
//!
//! The library writes at the end of a file only, each record in one piece, so what a killed writer leaves behind is the
//! beginning of a block no longer than the library writes, at the very end: a torn tail. It reads as the end of data
//! and is cut off before the next record is written. Everything else that does not fit is damage of another origin: it
//! reads as a medium error, nothing is written behind it, and no write cuts it off but one at the beginning of the tape,
//! which replaces the cartridge's contents as a whole.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSliceMut};
use std::path::Path;
use std::sync::Arc;

use rustix::io::ReadWriteFlags;

use super::append::{Append, Appended, Objects, write_block, write_filemarks};
use super::index::Index;
use super::kept::{FileState, KeptIndexes, Scanned};
use super::record::{Kind, Record};
use crate::storage::tap::{self, Found, Scanner};

/// The most records that a file may have, which bounds memory.
const MAX_RECORDS: usize = 1 << 26;

/// The longest block that the library writes (READ BLOCK LIMITS), and so the longest that a killed writer can have begun.
const LONGEST_TORN_BLOCK: u32 = 8 << 20;

/// A .tap file that is open for reading and appending.
#[derive(Debug)]
pub(super) struct TapFile {
    /// Shared with the threads that read from it, write to it and sync it.
    file: Arc<File>,
    /// Where the next record goes.
    end: u64,
    /// The file goes on behind `end`, with nothing that counts.
    tail: bool,
    /// The file ends in what no writer here leaves behind.
    damaged: bool,
    /// Something was written since the last sync.
    dirty: bool,
    /// A sync failed. The kernel may have dropped what was written and reports that once only, so nothing is
    /// acknowledged any more until the file is opened again.
    failed: bool,
    /// What was written before the command that writes it.
    appended: Appended,
}

impl TapFile {
    /// Opens a file and finds its records, by a scan where they are not known.
    pub(super) fn open(path: &Path, kept: &KeptIndexes) -> io::Result<(Self, Index)> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let known = kept.take(&FileState::of(&file)?);
        let Scanned {
            index,
            end,
            tail,
            damaged,
        } = match known {
            Some(known) => known,
            None => scan(&file)?,
        };
        let tap = Self {
            file: Arc::new(file),
            end,
            tail,
            damaged,
            dirty: false,
            failed: false,
            appended: Appended::default(),
        };
        Ok((tap, index))
    }

    /// Closes the file and keeps what is known of it, unless that may be wrong.
    pub(super) fn close(self, index: Index, kept: &KeptIndexes) {
        let is_known = !self.failed && !self.dirty;
        if let Some(state) = FileState::of(&self.file).ok().filter(|_| is_known) {
            let Self {
                end, tail, damaged, ..
            } = self;
            kept.keep(
                state,
                Scanned {
                    index,
                    end,
                    tail,
                    damaged,
                },
            );
        }
    }

    /// Returns where the next record goes.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Returns whether the file ends in damage.
    pub(super) fn is_damaged(&self) -> bool {
        self.damaged
    }

    /// Returns whether a sync failed since the file was opened.
    pub(super) fn has_failed(&self) -> bool {
        self.failed
    }

    /// Reads `length` bytes of the data of a block.
    pub(super) fn read(&self, record: Record, length: usize) -> io::Result<Vec<u8>> {
        read_block(&self.file, record, length)
    }

    /// As [`TapFile::read`], without waiting for the disk: none where the system would have to.
    pub(super) fn read_cached(&self, record: Record, length: usize) -> Option<Vec<u8>> {
        let mut data = vec![0; length];
        let mut filled = 0;
        while let Some(rest) = data.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let offset = record
                .offset
                .checked_add(4)?
                .checked_add(u64::try_from(filled).ok()?)?;
            let mut parts = [IoSliceMut::new(rest)];
            match rustix::io::preadv2(&self.file, &mut parts, offset, ReadWriteFlags::NOWAIT) {
                Ok(0) | Err(_) => return None,
                Ok(read) => filled = filled.checked_add(read)?,
            }
        }
        Some(data)
    }

    /// Returns the file, for a thread that reads from it.
    pub(super) fn shared(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    /// Prepares that the file is ended, where `cut` says so, and that objects are appended: whoever does it gives what came of
    /// it to [`TapFile::take_appended`] before the file is truncated and appended to as prepared. None when there is nothing
    /// to do, or nothing can be done.
    pub(super) fn prepare_append(&mut self, cut: Option<u64>, objects: Objects) -> Option<Append> {
        self.usable().ok()?;
        let cut = cut.or_else(|| (self.tail && !objects.is_empty()).then_some(self.end));
        if cut.is_none() && objects.is_empty() {
            return None;
        }
        self.dirty = true;
        Some(Append {
            file: Arc::clone(&self.file),
            cut,
            offset: cut.unwrap_or(self.end),
            objects,
        })
    }

    /// Takes note of what was done to the file.
    pub(super) fn take_appended(&mut self, appended: Appended) {
        self.appended = appended;
    }

    /// Returns whether something was done to the file for the command that comes next.
    pub(super) fn has_appended(&self) -> bool {
        !self.appended.is_empty()
    }

    /// Forgets what was done to the file for a command that has ended. What that command did not make its own is known to
    /// nobody but the file, whose scan finds it.
    pub(super) fn forget_appended(&mut self) {
        self.failed |= self.has_appended();
        self.appended = Appended::default();
    }

    /// Appends a block of 1 to 2^28 - 1 bytes. After an error nothing of it counts.
    pub(super) fn append_block(&mut self, data: &[u8]) -> io::Result<()> {
        self.append(|file, offset| write_block(file, offset, data))
    }

    /// Appends filemarks, all or none.
    pub(super) fn append_filemarks(&mut self, count: u32) -> io::Result<()> {
        self.append(|file, offset| write_filemarks(file, offset, count))
    }

    fn append(&mut self, write: impl FnOnce(&File, u64) -> io::Result<u64>) -> io::Result<()> {
        self.usable()?;
        if self.tail {
            self.cut(self.end)?;
        }
        // Until all is written, what is behind `end` does not count.
        self.tail = true;
        self.dirty = true;
        self.end = match self.appended.take_written(self.end) {
            Some(written) => written?,
            None => write(&self.file, self.end)?,
        };
        self.tail = false;
        Ok(())
    }

    /// Ends the file at a record's beginning.
    pub(super) fn truncate(&mut self, end: u64) -> io::Result<()> {
        self.usable()?;
        self.dirty = true;
        self.cut(end)?;
        self.end = end;
        self.damaged = false;
        Ok(())
    }

    fn cut(&mut self, end: u64) -> io::Result<()> {
        match self.appended.take_cut(end) {
            Some(result) => result?,
            None => self.file.set_len(end)?,
        }
        self.tail = false;
        Ok(())
    }

    /// Waits until everything written is on the disk.
    ///
    /// # Errors
    /// Whatever fdatasync(2) reports, and from then on at every call.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if let Some(file) = self.begin_sync()? {
            let result = file.sync_data();
            self.end_sync(&result);
            result?;
        }
        Ok(())
    }

    /// Returns the file when something was written since the last sync; whoever syncs it calls [`TapFile::end_sync`].
    ///
    /// # Errors
    /// After a sync that failed.
    pub(super) fn begin_sync(&mut self) -> io::Result<Option<Arc<File>>> {
        self.usable()?;
        // What is written from here on needs another sync.
        Ok(std::mem::take(&mut self.dirty).then(|| Arc::clone(&self.file)))
    }

    /// Takes note of what fdatasync(2) reported.
    pub(super) fn end_sync(&mut self, result: &io::Result<()>) {
        self.failed |= result.is_err();
    }

    fn usable(&self) -> io::Result<()> {
        match self.failed {
            true => Err(io::Error::other("an earlier sync failed")),
            false => Ok(()),
        }
    }
}

/// Finds the records of a file.
fn scan(file: &File) -> io::Result<Scanned> {
    let mut scanner = Scanner::new(file)?;
    let mut index = Index::of_file();
    let mut damaged = false;
    let unreadable = |offset| Record {
        offset,
        length: 0,
        kind: Kind::Unreadable,
    };
    while let Some(found) = scanner.next()? {
        if index.records.len() >= MAX_RECORDS {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "more records than a cartridge can have",
            ));
        }
        index.note(match found {
            Found::Block { offset, length } => Record {
                offset,
                length,
                kind: Kind::Block,
            },
            Found::Unreadable { offset, length } => Record {
                length,
                ..unreadable(offset)
            },
            Found::Filemarks { offset, count } => Record {
                offset,
                length: count,
                kind: Kind::Filemark,
            },
            Found::Torn { length, .. } if length <= LONGEST_TORN_BLOCK => break,
            Found::Torn { offset, .. } | Found::Damage { offset } => {
                damaged = true;
                unreadable(offset)
            }
        });
    }
    let (end, size) = (scanner.offset(), scanner.size());
    Ok(Scanned {
        index,
        end,
        tail: end < size,
        damaged,
    })
}

/// Reads `length` bytes of the data of a block.
pub(super) fn read_block(file: &File, record: Record, length: usize) -> io::Result<Vec<u8>> {
    tap::read_block(file, record.offset, length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(bytes: &[u8]) -> (tempfile::TempDir, TapFile, Vec<Record>) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("T.tap");
        std::fs::write(&path, bytes).unwrap();
        let (tap, index) = TapFile::open(&path, &KeptIndexes::default()).unwrap();
        let records = index.records.iter().map(|placed| placed.record).collect();
        (directory, tap, records)
    }

    #[test]
    fn records_are_found_with_their_kind_and_place() {
        let (_directory, tap, records) =
            opened(b"\x03\0\0\0abc\0\x03\0\0\0\0\0\0\0\x00\0\0\x80\x00\0\0\x80");
        let found: Vec<_> = records
            .iter()
            .map(|record| (record.offset, record.length, record.kind))
            .collect();
        assert_eq!(
            found,
            [
                (0, 3, Kind::Block),
                (12, 1, Kind::Filemark),
                (16, 0, Kind::Unreadable)
            ]
        );
        assert_eq!(tap.end(), 24);
        assert!(!tap.tail && !tap.is_damaged());
        assert_eq!(tap.read(records[0], 2).unwrap(), b"ab");
    }

    fn kinds(bytes: &[u8]) -> (Vec<Kind>, bool) {
        let (_directory, tap, records) = opened(bytes);
        let kinds = records.iter().map(|record| record.kind).collect();
        (kinds, tap.is_damaged())
    }

    #[test]
    fn every_marker_and_class_has_its_meaning() {
        use Kind::{Block, Filemark, Unreadable};
        let framed = |class: u8| {
            let word = [2, 0, 0, class << 4];
            [&word[..], b"ab", &word].concat()
        };
        for class in 0..=0xe {
            let expected = match class {
                0 => vec![Block, Filemark],
                7 => continue,
                1..=6 | 0xe => vec![Filemark],
                _ => vec![Unreadable, Filemark],
            };
            let bytes = [&framed(class)[..], &[0; 4]].concat();
            assert_eq!(kinds(&bytes), (expected, false), "class {class:X}");
        }
        for (marker, expected) in [
            ([0x01, 0, 0, 0x70], vec![Filemark]),
            ([0xfe, 0xff, 0xff, 0xff], vec![Filemark]),
            ([0xff, 0xff, 0xff, 0xff], vec![]),
            ([0x01, 0, 0, 0xf0], vec![Unreadable, Filemark]),
        ] {
            let bytes = [&marker[..], &[0; 4]].concat();
            assert_eq!(kinds(&bytes), (expected, false), "{marker:X?}");
        }
    }

    #[test]
    fn gaps_at_any_alignment_are_passed() {
        // A record of odd half words overwrote the beginning of a gap.
        let half = b"\xff\xff\xfe\xff\xff\xff\xfe\xff\xff\xff\x01\0\0\0x\0\x01\0\0\0";
        let (_directory, tap, records) = opened(half);
        assert_eq!(records.len(), 1);
        assert_eq!((records[0].offset, records[0].kind), (10, Kind::Block));
        assert_eq!(tap.read(records[0], 1).unwrap(), b"x");
    }

    #[test]
    fn only_what_a_killed_writer_leaves_is_a_torn_tail() {
        for (end, damaged) in [
            (&b"\x09\0\0\0torn"[..], false),
            (&b"\0\0\x80\0the longest block"[..], false),
            (&b"\x01\0\x80\0longer than any block"[..], true),
            (&b"\x09\0\0\x80bad and cut"[..], true),
            (&b"\x09\0\0\x10private and cut"[..], true),
            (&b"text that is no tape at all"[..], true),
        ] {
            let (_directory, tap, records) = opened(&[&[0; 4], end].concat());
            assert_eq!(tap.is_damaged(), damaged, "{end:?}");
            assert_eq!(records.len(), 1 + usize::from(damaged), "{end:?}");
        }
    }

    #[test]
    fn filemarks_in_a_row_are_one_record() {
        let (_directory, mut tap, records) = opened(&[0; 400]);
        assert_eq!(records.len(), 1);
        assert_eq!((records[0].length, records[0].count()), (100, 100));
        // More than one piece of zeros.
        tap.append_filemarks(10_000).unwrap();
        assert_eq!(tap.end(), 400 + 40_000);
        assert_eq!(tap.file.metadata().unwrap().len(), 40_400);
    }

    #[test]
    fn a_failed_sync_fails_everything_until_the_file_is_opened_again() {
        // fdatasync(2) of a device that has none fails.
        let open = || TapFile::open(Path::new("/dev/null"), &KeptIndexes::default()).unwrap();
        let (mut tap, _) = open();
        tap.append_block(b"lost").unwrap();
        assert!(!tap.has_failed());
        tap.sync().unwrap_err();
        assert!(tap.has_failed());
        tap.sync().unwrap_err();
        tap.append_block(b"more").unwrap_err();
        tap.append_filemarks(1).unwrap_err();
        let (mut again, index) = open();
        assert_eq!(index.end(), 0);
        again.append_block(b"new").unwrap();
    }

    #[test]
    fn a_file_grows_at_its_end_and_over_a_torn_tail() {
        let (directory, mut tap, records) = opened(b"\0\0\0\0\x09\0\0\0torn");
        assert_eq!(records.len(), 1);
        assert!(tap.tail);
        tap.append_block(b"ok").unwrap();
        tap.append_filemarks(1).unwrap();
        tap.sync().unwrap();
        let path = directory.path().join("T.tap");
        assert_eq!(
            std::fs::read(&path).unwrap(),
            b"\0\0\0\0\x02\0\0\0ok\x02\0\0\0\0\0\0\0"
        );
        tap.truncate(4).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), [0; 4]);
    }
    #[test]
    fn a_file_that_is_known_is_not_scanned() {
        let (directory, tap, _) = opened(b"\x02\0\0\0hi\x02\0\0\0");
        let kept = KeptIndexes::default();
        // What a scan would not find.
        let mut index = Index::of_file();
        let record = Record {
            offset: 0,
            length: 7,
            kind: Kind::Filemark,
        };
        index.note(record);
        tap.close(index, &kept);
        let path = directory.path().join("T.tap");
        let (tap, index) = TapFile::open(&path, &kept).unwrap();
        assert_eq!((index.end(), tap.end()), (7, 10));
        // Something was written that no sync followed.
        drop(tap);
        let (mut tap, index) = TapFile::open(&path, &kept).unwrap();
        tap.append_filemarks(1).unwrap();
        tap.close(index, &kept);
        assert_eq!(TapFile::open(&path, &kept).unwrap().1.end(), 2);
    }

    #[test]
    fn what_another_thread_wrote_is_what_the_command_writes() {
        let (directory, mut tap, _) = opened(b"\x02\0\0\0hi\x02\0\0\0\x09\0\0\0torn");
        let blocks = || Objects::Blocks(vec!["one".into(), "three".into()]);
        let append = tap.prepare_append(Some(0), blocks()).unwrap();
        tap.take_appended(append.run());
        let path = directory.path().join("T.tap");
        let whole = b"\x03\0\0\0one\0\x03\0\0\0\x05\0\0\0three\0\x05\0\0\0";
        assert_eq!(std::fs::read(&path).unwrap(), whole);
        tap.truncate(0).unwrap();
        // It is written already, so nothing of this is.
        tap.append_block(b"").unwrap();
        tap.append_block(b"").unwrap();
        assert_eq!((tap.end(), tap.has_appended()), (26, false));
        tap.forget_appended();
        assert_eq!(std::fs::read(&path).unwrap(), whole);
        // The command did not come to that.
        let append = tap.prepare_append(None, Objects::Filemarks(1)).unwrap();
        tap.take_appended(append.run());
        assert!(!tap.has_failed());
        tap.forget_appended();
        assert!(tap.has_failed());
    }

    #[test]
    fn a_write_of_another_thread_that_fails_fails_its_command() {
        let full = Path::new("/dev/full");
        let (mut tap, _) = TapFile::open(full, &KeptIndexes::default()).unwrap();
        let blocks = Objects::Blocks(vec!["one".into(), "two".into()]);
        let append = tap.prepare_append(None, blocks).unwrap();
        tap.take_appended(append.run());
        let error = tap.append_block(b"one").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!((tap.end(), tap.has_appended()), (0, false));
    }
}
