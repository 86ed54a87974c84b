//! The bounded reader: every byte of a reply is read through it, none by index.

use super::DecodeError;

/// Reads big-endian fields from the front of a reply, and never beyond its end.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    item: &'static str,
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    /// Returns a reader at the first byte; `item` names in errors what is being read ("standard INQUIRY data").
    pub fn new(item: &'static str, bytes: &'a [u8]) -> Self {
        Self {
            item,
            bytes,
            position: 0,
        }
    }

    /// Returns the number of bytes that are left.
    pub fn remaining(&self) -> usize {
        self.bytes.len().saturating_sub(self.position)
    }

    /// Returns whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.remaining() == 0
    }

    /// Takes `length` bytes.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] when fewer are left; nothing is consumed then, here and below.
    pub fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let end = self.position.saturating_add(length);
        let taken = self
            .bytes
            .get(self.position..end)
            .ok_or_else(|| self.truncated(end))?;
        self.position = end;
        Ok(taken)
    }

    /// Takes `length` bytes, or all that are left when those are fewer.
    pub fn take_up_to(&mut self, length: usize) -> &'a [u8] {
        let end = self.position.saturating_add(length).min(self.bytes.len());
        let taken = self.bytes.get(self.position..end).unwrap_or_default();
        self.position = end;
        taken
    }

    /// Takes an array.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        let array = *rest
            .first_chunk::<N>()
            .ok_or_else(|| self.truncated(self.position.saturating_add(N)))?;
        self.position = self.position.saturating_add(N);
        Ok(array)
    }

    /// Takes an array, filled up with `fill` where the bytes end early.
    pub fn array_or<const N: usize>(&mut self, fill: u8) -> [u8; N] {
        let mut array = [fill; N];
        for (to, from) in array.iter_mut().zip(self.take_up_to(N)) {
            *to = *from;
        }
        array
    }

    /// Takes one byte.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        self.array().map(u8::from_be_bytes)
    }

    /// Takes a big-endian 16-bit field.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_be_bytes)
    }

    /// Takes a big-endian 24-bit field.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn u24(&mut self) -> Result<u32, DecodeError> {
        let [high, middle, low] = self.array()?;
        Ok(u32::from_be_bytes([0, high, middle, low]))
    }

    /// Takes a big-endian 32-bit field.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_be_bytes)
    }

    /// Takes a big-endian 64-bit field.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn u64(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_be_bytes)
    }

    fn truncated(&self, expected: usize) -> DecodeError {
        DecodeError::Truncated {
            item: self.item,
            expected,
            received: self.bytes.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_big_endian_and_follow_each_other() {
        let bytes = [1, 0, 2, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 5, 9, 9];
        let mut reader = Reader::new("test", &bytes);
        assert_eq!(reader.u8(), Ok(1));
        assert_eq!(reader.u16(), Ok(2));
        assert_eq!(reader.u24(), Ok(3));
        assert_eq!(reader.u32(), Ok(4));
        assert_eq!(reader.u64(), Ok(5));
        assert_eq!(reader.take(2), Ok(&[9, 9][..]));
        assert!(reader.is_empty());
    }

    #[test]
    fn a_field_beyond_the_end_is_an_error_that_counts_from_the_start() {
        let mut reader = Reader::new("test", &[1, 2, 3]);
        assert_eq!(reader.u16(), Ok(0x0102));
        assert_eq!(
            reader.u16(),
            Err(DecodeError::Truncated {
                item: "test",
                expected: 4,
                received: 3
            })
        );
        assert_eq!(reader.u8(), Ok(3), "a failed read consumes nothing");
        assert!(reader.take(usize::MAX).is_err());
    }

    #[test]
    fn lenient_reads_stop_at_the_end() {
        let mut reader = Reader::new("test", b"ab");
        assert_eq!(reader.array_or::<4>(b' '), *b"ab  ");
        assert_eq!(reader.take_up_to(9), b"");
    }
}
