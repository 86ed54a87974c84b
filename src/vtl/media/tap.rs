//! SIMH .tap files: one cartridge, one file.
//!
//! A file is a row of records. Each begins with a 4-byte little-endian word:
//!
//! | word | meaning |
//! |---|---|
//! | 00000000 | a filemark, nothing follows |
//! | 0nnnnnnn | a block of n bytes: data, a pad byte when n is odd, the word again |
//! | 8nnnnnnn | the same, of a block that could not be read when the tape was copied |
//! | FFFFFFFE | a gap, nothing follows |
//! | FFFFFFFF | the end of the medium |
//!
//! Other classes (the first digit) are another program's business and are passed over: 7 and F stand alone, the rest
//! are framed like blocks.
//!
//! A file grows at its end only, each record in one piece, so that what a killed writer leaves behind is the
//! beginning of a record: a torn tail, which reads as the end of data and is cut off before the next record is
//! written. A record that is whole but whose two words differ is damage of another kind; it reads as an error, and
//! nothing is written behind it.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::record::{Kind, Record};

/// The most records that a file may have, which bounds memory.
const MAX_RECORDS: usize = 1 << 26;
const GAP: u32 = 0xffff_fffe;
const END_OF_MEDIUM: u32 = 0xffff_ffff;
/// The part of a record's first word that is a length.
const LENGTH: u32 = 0x0fff_ffff;

/// A .tap file that is open for reading and appending.
#[derive(Debug)]
pub(super) struct TapFile {
    file: File,
    /// Where the next record goes.
    end: u64,
    /// The file goes on behind `end`, with nothing that counts.
    tail: bool,
    /// The last record is damaged in a way that no writer here leaves behind.
    damaged: bool,
    /// Something was written since the last sync.
    dirty: bool,
}

impl TapFile {
    /// Opens a file and finds its records.
    pub(super) fn open(path: &Path) -> io::Result<(Self, Vec<Record>)> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let mut tap = Self {
            file,
            end: 0,
            tail: false,
            damaged: false,
            dirty: false,
        };
        let records = tap.scan()?;
        Ok((tap, records))
    }

    fn scan(&mut self) -> io::Result<Vec<Record>> {
        let size = self.file.metadata()?.len();
        let mut records = Vec::new();
        let mut offset = 0u64;
        while let Some(word) = self.word(offset, size)? {
            if records.len() >= MAX_RECORDS {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "more records than a cartridge can have",
                ));
            }
            let length = word & LENGTH;
            let kind = match (word, word >> 28) {
                (0, _) => Some(Kind::Filemark),
                (END_OF_MEDIUM, _) => break,
                (GAP, _) | (_, 0x7 | 0xf) => None,
                (_, class) => {
                    let framed = framed_length(length);
                    let next = offset.saturating_add(framed);
                    if next > size {
                        break;
                    }
                    if self.word(next.saturating_sub(4), size)? != Some(word) {
                        records.push(Record {
                            offset,
                            length: 0,
                            kind: Kind::Unreadable,
                        });
                        self.damaged = true;
                        break;
                    }
                    let kind = match class {
                        0x0 => Some(Kind::Block),
                        0x8 => Some(Kind::Unreadable),
                        _ => None,
                    };
                    records.extend(kind.map(|kind| Record {
                        offset,
                        length,
                        kind,
                    }));
                    offset = next;
                    continue;
                }
            };
            records.extend(kind.map(|kind| Record {
                offset,
                length: 0,
                kind,
            }));
            offset = offset.saturating_add(4);
        }
        self.end = offset;
        self.tail = offset < size;
        Ok(records)
    }

    /// Returns the little-endian word at an offset; none when the file ends before it does.
    fn word(&self, offset: u64, size: u64) -> io::Result<Option<u32>> {
        if offset.saturating_add(4) > size {
            return Ok(None);
        }
        let mut word = [0; 4];
        self.file.read_exact_at(&mut word, offset)?;
        Ok(Some(u32::from_le_bytes(word)))
    }

    /// Returns where the next record goes.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Returns whether nothing may be written behind the last record.
    pub(super) fn is_damaged(&self) -> bool {
        self.damaged
    }

    /// Reads `length` bytes of the data of a block.
    pub(super) fn read(&self, record: Record, length: usize) -> io::Result<Vec<u8>> {
        let mut data = vec![0; length];
        self.file
            .read_exact_at(&mut data, record.offset.saturating_add(4))?;
        Ok(data)
    }

    /// Appends a block of 1 to 2^28 - 1 bytes. After an error nothing of it counts.
    pub(super) fn append_block(&mut self, data: &[u8]) -> io::Result<()> {
        let length = u32::try_from(data.len())
            .ok()
            .filter(|length| *length <= LENGTH)
            .ok_or(io::ErrorKind::InvalidInput)?;
        let word = length.to_le_bytes();
        let pad: &[u8] = if length % 2 == 1 { &[0] } else { &[] };
        self.append(&mut [
            IoSlice::new(&word),
            IoSlice::new(data),
            IoSlice::new(pad),
            IoSlice::new(&word),
        ])
    }

    /// Appends filemarks.
    pub(super) fn append_filemarks(&mut self, count: usize) -> io::Result<()> {
        self.append(&mut [IoSlice::new(&vec![0; count.saturating_mul(4)])])
    }

    fn append(&mut self, mut parts: &mut [IoSlice<'_>]) -> io::Result<()> {
        self.cut_tail()?;
        let mut offset = self.end;
        // Until all is written, what is behind `end` does not count.
        self.tail = true;
        self.dirty = true;
        IoSlice::advance_slices(&mut parts, 0);
        while !parts.is_empty() {
            let written = match rustix::io::pwritev(&self.file, parts, offset) {
                Ok(0) => Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => Ok(written),
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => Err(io::Error::from(error)),
            };
            match written {
                Ok(written) => {
                    offset = offset.saturating_add(u64::try_from(written).unwrap_or(u64::MAX));
                    IoSlice::advance_slices(&mut parts, written);
                }
                Err(error) => {
                    // Best effort: gives the room back when the disk is full. The next append tries again.
                    let _ = self.cut_tail();
                    return Err(error);
                }
            }
        }
        self.end = offset;
        self.tail = false;
        Ok(())
    }

    /// Ends the file at a record's beginning.
    pub(super) fn truncate(&mut self, end: u64) -> io::Result<()> {
        self.file.set_len(end)?;
        self.end = end;
        self.tail = false;
        self.damaged = false;
        self.dirty = true;
        Ok(())
    }

    fn cut_tail(&mut self) -> io::Result<()> {
        if self.tail {
            self.file.set_len(self.end)?;
            self.tail = false;
        }
        Ok(())
    }

    /// Waits until everything written is on the disk.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if self.dirty {
            self.file.sync_data()?;
            self.dirty = false;
        }
        Ok(())
    }
}

/// Bytes of a block's record: the two words, the data, and the pad byte of an odd length.
fn framed_length(length: u32) -> u64 {
    let length = u64::from(length);
    length.saturating_add(length % 2).saturating_add(8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(bytes: &[u8]) -> (tempfile::TempDir, TapFile, Vec<Record>) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("T.tap");
        std::fs::write(&path, bytes).unwrap();
        let (tap, records) = TapFile::open(&path).unwrap();
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
                (12, 0, Kind::Filemark),
                (16, 0, Kind::Unreadable)
            ]
        );
        assert_eq!(tap.end(), 24);
        assert!(!tap.tail && !tap.is_damaged());
        assert_eq!(tap.read(records[0], 2).unwrap(), b"ab");
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
}
