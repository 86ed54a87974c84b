//! Writing a record a piece at a time: it may hold secrets, and no copy of them stays in memory.

use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;

use zeroize::Zeroizing;

use super::disk::{Disk, OpenFile};

/// How much goes to the disk at once. A record of any size takes no more memory than this.
const PIECE: usize = 64 * 1024;
/// How much goes there first: all of a small record, which is spared the memory for more.
const FIRST_PIECE: usize = 4 * 1024;

/// Collects what a serializer writes into pieces for a file.
pub(super) struct PieceWriter<'a> {
    disk: &'a dyn Disk,
    file: &'a File,
    /// Never grows, since a vector that did would free its old block unwiped.
    piece: Zeroizing<Vec<u8>>,
    /// How much of the piece waits to go to the disk.
    filled: usize,
    /// CRC32C of what has gone there.
    crc: u32,
}

impl<'a> PieceWriter<'a> {
    pub(super) fn new(disk: &'a dyn Disk, file: &'a File) -> Self {
        Self {
            disk,
            file,
            piece: Zeroizing::new(vec![0; FIRST_PIECE]),
            filled: 0,
            crc: 0,
        }
    }

    /// Returns the CRC32C of all that was written so far.
    pub(super) fn crc(&self) -> u32 {
        crc32c::crc32c_append(self.crc, self.waiting())
    }

    /// Has the kernel write what stands at a place of another file, whose CRC32C is known.
    pub(super) fn copy(
        &mut self,
        from: &OpenFile,
        place: Range<u64>,
        crc32c: u32,
    ) -> io::Result<()> {
        self.flush()?;
        let length = usize::try_from(place.end - place.start).unwrap_or(usize::MAX);
        self.disk.copy(from, place, self.file)?;
        self.crc = crc32c::crc32c_combine(self.crc, crc32c, length);
        Ok(())
    }

    fn waiting(&self) -> &[u8] {
        self.piece.get(..self.filled).unwrap_or_default()
    }

    /// Returns where the next bytes go, which is never empty: a piece that is full goes to the disk.
    #[inline]
    fn room(&mut self) -> io::Result<&mut [u8]> {
        if self.filled == self.piece.len() {
            self.flush()?;
            if self.piece.len() < PIECE {
                self.piece = Zeroizing::new(vec![0; PIECE]);
            }
        }
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
            self.crc = self.crc();
            self.filled = 0;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek};

    use super::*;
    use crate::state::SystemDisk;

    #[test]
    fn what_is_written_in_pieces_of_any_size_is_in_the_file_once_flushed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("other");
        let other: Vec<u8> = (0..3 * PIECE).map(|index| index as u8).collect();
        std::fs::write(&path, &other).unwrap();
        let other_file = SystemDisk.open(&path).unwrap().unwrap();

        let mut file = tempfile::tempfile().unwrap();
        let mut expected = Vec::new();
        let mut writer = PieceWriter::new(&SystemDisk, &file);
        let first = FIRST_PIECE;
        for (length, byte) in [1, first, 1, PIECE - 1, 1, 0, PIECE, PIECE + 1, 7]
            .into_iter()
            .zip(b'a'..)
        {
            let bytes = vec![byte; length];
            writer.write_all(&bytes).unwrap();
            expected.extend(bytes);
            let place = byte as usize..byte as usize + length * 2;
            let copied = &other[place.clone()];
            writer
                .copy(
                    &other_file,
                    place.start as u64..place.end as u64,
                    crc32c::crc32c(copied),
                )
                .unwrap();
            expected.extend(copied);
            assert!(writer.piece.capacity() <= PIECE);
            assert_eq!(writer.crc(), crc32c::crc32c(&expected));
        }
        writer.write_all(b"end").unwrap();
        expected.extend(b"end");
        writer.flush().unwrap();
        assert_eq!(writer.crc(), crc32c::crc32c(&expected));
        drop(writer);
        file.rewind().unwrap();
        let mut written = Vec::new();
        file.read_to_end(&mut written).unwrap();
        assert!(written == expected);
    }

    #[test]
    fn what_ends_before_it_is_copied_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("short");
        std::fs::write(&path, b"short").unwrap();
        let short = SystemDisk.open(&path).unwrap().unwrap();
        let file = tempfile::tempfile().unwrap();
        let mut writer = PieceWriter::new(&SystemDisk, &file);
        let error = writer.copy(&short, 1..6, 0).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
