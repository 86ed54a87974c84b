//! A byte buffer for records that hold secrets: whatever it held is wiped, also when it grows.

use std::io::{self, Write};

use zeroize::{Zeroize, Zeroizing};

/// Collects what a serializer writes.
#[derive(Default)]
pub(super) struct WipingBuffer(Zeroizing<Vec<u8>>);

impl WipingBuffer {
    /// Makes a buffer that takes `capacity` bytes before it has to grow.
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self(Zeroizing::new(Vec::with_capacity(capacity)))
    }

    pub(super) fn into_bytes(self) -> Zeroizing<Vec<u8>> {
        self.0
    }
}

impl Write for WipingBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let needed = self.0.len().saturating_add(bytes.len());
        if needed > self.0.capacity() {
            let mut grown = Vec::with_capacity(needed.max(self.0.capacity().saturating_mul(2)));
            grown.extend_from_slice(&self.0);
            // Vec would free its old block as it is.
            self.0.zeroize();
            self.0 = Zeroizing::new(grown);
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_in_pieces_comes_out_whole() {
        let mut buffer = WipingBuffer::with_capacity(3);
        for piece in [&b"ab"[..], b"cdefgh", b"", b"i"] {
            buffer.write_all(piece).unwrap();
        }
        assert_eq!(*buffer.into_bytes(), b"abcdefghi");
    }
}
