//! Writing a record a piece at a time: it may hold secrets, and no copy of them stays in memory.

use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;

use zeroize::Zeroizing;

use super::file_system::{FileSystem, OpenFile};

/// How much goes to the disk at once. A record of any size takes no more memory than this.
const PIECE: usize = 64 * 1024;
/// How much goes there first when nothing is known of a record's length: all of a small one.
pub(super) const FIRST_PIECE: usize = 4 * 1024;

/// Collects what a serializer writes into pieces for a file.
pub(super) struct PieceWriter<'a> {
    disk: &'a dyn FileSystem,
    file: &'a File,
    /// Never grows, since a vector that did would free its old block unwiped.
    piece: Zeroizing<Vec<u8>>,
    /// How much of the piece waits to go to the disk.
    filled: usize,
}

impl<'a> PieceWriter<'a> {
    /// Writes to a file what is expected to be of some length in bytes: memory for a whole piece is taken only when it is
    /// needed.
    pub(super) fn new(disk: &'a dyn FileSystem, file: &'a File, expected_length: usize) -> Self {
        Self {
            disk,
            file,
            piece: Zeroizing::new(vec![0; expected_length.clamp(1, PIECE)]),
            filled: 0,
        }
    }

    /// Writes a line of at most `longest` bytes, which is no more than a piece, and its end; returns its checksum, taken in
    /// one go. That of a longer line is wrong.
    pub(super) fn line(
        &mut self,
        longest: usize,
        checksum: impl FnOnce(&[u8]) -> u64,
        write: impl FnOnce(&mut Self) -> io::Result<()>,
    ) -> io::Result<u64> {
        self.reserve(longest)?;
        let start = self.filled;
        write(self)?;
        let checksum = checksum(self.waiting().get(start..).unwrap_or_default());
        self.write_all(b"\n")?;
        Ok(checksum)
    }

    /// Writes what stands at a place of another file.
    pub(super) fn copy(&mut self, from: &OpenFile, place: Range<u64>) -> io::Result<()> {
        let mut at = place.start;
        while at < place.end {
            let disk = self.disk;
            let left = usize::try_from(place.end - at).unwrap_or(usize::MAX);
            let room = self.room()?;
            let count = left.min(room.len());
            disk.read_at(&from.file, room.split_at_mut(count).0, at)?;
            self.filled += count;
            at += count as u64;
        }
        Ok(())
    }

    fn waiting(&self) -> &[u8] {
        self.piece.get(..self.filled).unwrap_or_default()
    }

    /// Makes room for some bytes, no more than a piece.
    #[inline]
    fn reserve(&mut self, count: usize) -> io::Result<()> {
        if self.piece.len() - self.filled < count {
            self.flush()?;
            if self.piece.len() < PIECE {
                self.piece = Zeroizing::new(vec![0; PIECE]);
            }
        }
        Ok(())
    }

    /// Returns where the next bytes go, which is never empty: a piece that is full goes to the disk.
    #[inline]
    fn room(&mut self) -> io::Result<&mut [u8]> {
        self.reserve(1)?;
        Ok(self.piece.get_mut(self.filled..).unwrap_or_default())
    }
}

impl Write for PieceWriter<'_> {
    // A serializer writes a few bytes at a time.
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.room()?;
        let count = bytes.len().min(room.len());
        let (to, from) = (room.split_at_mut(count).0, bytes.split_at(count).0);
        to.copy_from_slice(from);
        self.filled += count;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.filled > 0 {
            self.disk.write(self.file, self.waiting())?;
            self.filled = 0;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek};

    use super::*;
    use crate::iop::store::SystemFileSystem;

    const LONGEST_LINE: usize = 3 * 1024;

    #[test]
    fn what_is_written_in_pieces_of_any_size_is_in_the_file_once_flushed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("other");
        let other: Vec<u8> = (0..3 * PIECE).map(|index| index as u8).collect();
        std::fs::write(&path, &other).unwrap();
        let other_file = SystemFileSystem.open(&path).unwrap().unwrap();
        let lengths = [
            0,
            1,
            FIRST_PIECE - 1,
            FIRST_PIECE,
            LONGEST_LINE,
            FIRST_PIECE + 7,
            PIECE,
            PIECE - 5,
            3,
        ];
        for expected_length in [0, 1, FIRST_PIECE, 2 * LONGEST_LINE, PIECE, usize::MAX] {
            let mut file = tempfile::tempfile().unwrap();
            let mut expected = Vec::new();
            let mut writer = PieceWriter::new(&SystemFileSystem, &file, expected_length);
            for (byte, length) in (b'a'..).zip(lengths) {
                let bytes = vec![byte; length];
                writer.write_all(&bytes).unwrap();
                expected.extend(bytes);
                let place = byte as usize..byte as usize + length * 2;
                let copied = &other[place.clone()];
                writer
                    .copy(&other_file, place.start as u64..place.end as u64)
                    .unwrap();
                expected.extend(copied);
                let line = vec![byte; length.min(LONGEST_LINE)];
                let checksum = |bytes: &[u8]| {
                    assert!(bytes == line);
                    u64::from(byte)
                };
                let checksum =
                    writer.line(LONGEST_LINE, checksum, |writer| writer.write_all(&line));
                assert_eq!(checksum.unwrap(), u64::from(byte));
                expected.extend(&line);
                expected.push(b'\n');
                assert!(writer.piece.capacity() <= PIECE);
            }
            writer.flush().unwrap();
            drop(writer);
            file.rewind().unwrap();
            let mut written = Vec::new();
            file.read_to_end(&mut written).unwrap();
            assert!(written == expected);
        }
    }

    #[test]
    fn what_ends_before_it_is_copied_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("short");
        std::fs::write(&path, vec![0; PIECE]).unwrap();
        let short = SystemFileSystem.open(&path).unwrap().unwrap();
        let file = tempfile::tempfile().unwrap();
        for length in [PIECE + 1, PIECE - 1] {
            let mut writer = PieceWriter::new(&SystemFileSystem, &file, PIECE - 1);
            let place = 2..2 + length as u64;
            let error = writer.copy(&short, place).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        }
    }
}
