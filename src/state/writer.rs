//! Writing a record a piece at a time: it may hold secrets, and no copy of them stays in memory.

use std::fs::File;
use std::io::{self, Write};

use zeroize::Zeroizing;

use super::disk::Disk;

/// How much goes to the disk at once. A record of any size takes no more memory than this.
const PIECE: usize = 32 * 1024;

/// Collects what a serializer writes into pieces for a file.
pub(super) struct PieceWriter<'a> {
    disk: &'a dyn Disk,
    file: &'a File,
    /// Never grows, since a vector that did would free its old block unwiped.
    piece: Zeroizing<Vec<u8>>,
}

impl<'a> PieceWriter<'a> {
    pub(super) fn new(disk: &'a dyn Disk, file: &'a File) -> Self {
        Self {
            disk,
            file,
            piece: Zeroizing::new(Vec::with_capacity(PIECE)),
        }
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
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.len() > PIECE.saturating_sub(self.piece.len()) {
            self.flush()?;
            if bytes.len() > PIECE {
                return self.disk.write(self.file, bytes);
            }
        }
        self.piece.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.piece.is_empty() {
            self.disk.write(self.file, &self.piece)?;
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
        let mut file = tempfile::tempfile().unwrap();
        let mut expected = Vec::new();
        let mut writer = PieceWriter::new(&SystemDisk, &file);
        for (length, byte) in [1, PIECE - 1, 1, 0, PIECE, PIECE + 1, 7]
            .into_iter()
            .zip(b'a'..)
        {
            let bytes = vec![byte; length];
            writer.write_all(&bytes).unwrap();
            assert!(writer.piece.capacity() == PIECE);
            expected.extend(bytes);
        }
        writer.flush().unwrap();
        drop(writer);
        file.rewind().unwrap();
        let mut written = Vec::new();
        file.read_to_end(&mut written).unwrap();
        assert!(written == expected);
    }
}
