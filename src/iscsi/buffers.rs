//! Memory for data that comes, used again.

use std::collections::VecDeque;

use bytes::BytesMut;

/// Buffers whose data went to others as [`bytes::Bytes`]. One is filled again when none of its data is left: memory that is
/// fresh from the system is cleared, page by page, which costs as much as the copy into it.
#[derive(Debug)]
pub(crate) struct Buffers {
    lent: VecDeque<BytesMut>,
    most: usize,
}

impl Buffers {
    /// Returns none, of which at most so many are remembered.
    pub(crate) const fn up_to(most: usize) -> Self {
        Self {
            lent: VecDeque::new(),
            most,
        }
    }

    /// Returns an empty buffer with room for so many bytes.
    pub(crate) fn take(&mut self, capacity: usize) -> BytesMut {
        // What was used last is in the processor's cache.
        let free = self
            .lent
            .iter_mut()
            .rposition(|buffer| buffer.try_reclaim(capacity));
        free.and_then(|index| self.lent.remove(index))
            .unwrap_or_else(|| BytesMut::with_capacity(capacity))
    }

    /// Takes back what is left of a buffer after all of its data was split off.
    pub(crate) fn lend(&mut self, mut rest: BytesMut) {
        rest.clear();
        if self.lent.len() >= self.most {
            self.lent.pop_front();
        }
        self.lent.push_back(rest);
    }

    /// Gives the memory back to the system.
    pub(crate) fn clear(&mut self) {
        self.lent = VecDeque::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(buffers: &mut Buffers) -> (*const u8, bytes::Bytes) {
        let mut buffer = buffers.take(1000);
        buffer.extend_from_slice(&[7; 1000]);
        let data = buffer.split().freeze();
        buffers.lend(buffer);
        (data.as_ptr(), data)
    }

    #[test]
    fn a_buffer_is_filled_again_when_its_data_is_no_longer_there() {
        let mut buffers = Buffers::up_to(4);
        let (first, kept) = filled(&mut buffers);
        let (second, _) = filled(&mut buffers);
        assert_ne!(first, second);
        for _ in 0..100 {
            assert_eq!(filled(&mut buffers).0, second);
        }
        assert_eq!(kept[..], [7; 1000]);
        drop(kept);
        let (one, _kept) = filled(&mut buffers);
        assert_eq!([one, filled(&mut buffers).0], [second, first]);
        assert_eq!(buffers.lent.len(), 2);
    }

    #[test]
    fn no_more_than_so_many_are_remembered() {
        let mut buffers = Buffers::up_to(16);
        let kept: Vec<_> = (0..100).map(|_| filled(&mut buffers).1).collect();
        assert_eq!(buffers.lent.len(), 16);
        assert!(kept.iter().all(|data| data[..] == [7; 1000]));
    }
}
