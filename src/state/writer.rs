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
    /// Never grows beyond its capacity, since a vector that did would free its old block unwiped.
    piece: Zeroizing<Vec<u8>>,
    /// CRC32C of what has gone to the disk.
    crc: u32,
}

impl<'a> PieceWriter<'a> {
    pub(super) fn new(disk: &'a dyn Disk, file: &'a File) -> Self {
        Self {
            disk,
            file,
            piece: Zeroizing::new(Vec::with_capacity(FIRST_PIECE)),
            crc: 0,
        }
    }

    /// Returns the CRC32C of all that was written so far.
    pub(super) fn crc(&self) -> u32 {
        crc32c::crc32c_append(self.crc, &self.piece)
    }

    /// Writes what stands at a place of another file.
    pub(super) fn copy(&mut self, from: &OpenFile, place: Range<u64>) -> io::Result<()> {
        let mut offset = place.start;
        while offset < place.end {
            let start = self.piece.len();
            let left = usize::try_from(place.end - offset).unwrap_or(usize::MAX);
            let count = left.min(self.piece.capacity() - start);
            self.piece.resize(start + count, 0);
            let space = self.piece.get_mut(start..).unwrap_or_default();
            if let Err(error) = self.disk.read_at(&from.file, space, offset) {
                self.piece.truncate(start);
                return Err(error);
            }
            offset += count as u64;
            if count < left {
                self.make_room()?;
            }
        }
        Ok(())
    }

    /// Sends a piece that is full to the disk.
    fn make_room(&mut self) -> io::Result<()> {
        self.flush()?;
        if self.piece.capacity() < PIECE {
            self.piece = Zeroizing::new(Vec::with_capacity(PIECE));
        }
        Ok(())
    }
}

impl Write for PieceWriter<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    // A serializer writes a few bytes at a time.
    #[inline]
    fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while let Some((fitting, rest)) =
            bytes.split_at_checked(self.piece.capacity() - self.piece.len())
            && !rest.is_empty()
        {
            self.piece.extend_from_slice(fitting);
            bytes = rest;
            self.make_room()?;
        }
        self.piece.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.piece.is_empty() {
            self.disk.write(self.file, &self.piece)?;
            self.crc = self.crc();
            self.piece.clear();
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
            writer
                .copy(&other_file, place.start as u64..place.end as u64)
                .unwrap();
            expected.extend(&other[place]);
            assert!(writer.piece.capacity() <= PIECE);
            assert_eq!(writer.crc(), crc32c::crc32c(&expected));
        }
        writer.flush().unwrap();
        assert_eq!(writer.crc(), crc32c::crc32c(&expected));
        drop(writer);
        file.rewind().unwrap();
        let mut written = Vec::new();
        file.read_to_end(&mut written).unwrap();
        assert!(written == expected);
    }

    #[test]
    fn what_cannot_be_read_to_be_copied_is_an_error_and_not_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("short");
        std::fs::write(&path, b"short").unwrap();
        let short = SystemDisk.open(&path).unwrap().unwrap();
        let file = tempfile::tempfile().unwrap();
        let mut writer = PieceWriter::new(&SystemDisk, &file);
        assert!(writer.copy(&short, 1..6).is_err());
        assert!(writer.piece.is_empty());
    }
}
