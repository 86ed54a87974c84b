//! The blocks of a tape in memory, one behind the other in segments, so that each costs its length and what is truncated goes
//! back to the system.

use bytes::{Bytes, BytesMut};

/// The size of a tape's first segment, in bytes, and that of the others: so large that the C library maps each from the system
/// (M_MMAP_THRESHOLD of mallopt(3) is 32 MiB at most) and unmaps it when it is dropped. Pages without data take no memory.
const FIRST_SEGMENT: usize = 256 * 1024;
const SEGMENT: usize = 40 << 20;

/// Blocks by number. A filemark is an empty one.
#[derive(Debug, Default)]
pub(super) struct Segments {
    blocks: Vec<Bytes>,
    segments: Vec<Segment>,
    /// The free end of the last segment.
    free: BytesMut,
}

#[derive(Debug)]
struct Segment {
    /// The number of its first block.
    first: usize,
    /// Bytes of it that were written, whether their blocks are there or were truncated.
    written: usize,
}

impl Segments {
    /// Returns a block; an empty one where there is none.
    pub(super) fn get(&self, number: usize) -> Bytes {
        self.blocks.get(number).cloned().unwrap_or_default()
    }

    /// Appends a copy of a block: what came over the network is a part of a receive buffer that may be many times as long.
    pub(super) fn push(&mut self, block: &[u8]) {
        if self.segments.is_empty() || self.free.capacity() < block.len() {
            let size = match self.segments.is_empty() && block.len() <= FIRST_SEGMENT {
                true => FIRST_SEGMENT,
                false => SEGMENT.max(block.len()),
            };
            self.free = BytesMut::with_capacity(size);
            self.segments.push(Segment {
                first: self.blocks.len(),
                written: 0,
            });
        }
        self.free.extend_from_slice(block);
        if let Some(segment) = self.segments.last_mut() {
            segment.written = segment.written.saturating_add(block.len());
        }
        super::index::grow(&mut self.blocks);
        self.blocks.push(self.free.split().freeze());
    }

    /// Drops all blocks from this number on.
    pub(super) fn truncate(&mut self, number: usize) {
        self.blocks.truncate(number);
        super::index::give_back(&mut self.blocks);
        let before = self.segments.len();
        self.segments.retain(|segment| segment.first < number);
        if self.segments.len() < before {
            self.free = BytesMut::new();
        }
        // A block keeps the whole segment: where most of it is truncated, what is left moves into another one.
        let Some(segment) = self.segments.last() else {
            return;
        };
        let kept = self.blocks.get(segment.first..).unwrap_or_default();
        let length = kept.iter().map(Bytes::len).fold(0, usize::saturating_add);
        if segment.written / 2 > length.saturating_add(FIRST_SEGMENT) {
            let kept = self.blocks.split_off(segment.first);
            self.segments.pop();
            self.free = BytesMut::new();
            for block in kept {
                self.push(&block);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns how much of all segments was written.
    fn written(segments: &Segments) -> usize {
        segments
            .segments
            .iter()
            .map(|segment| segment.written)
            .sum()
    }

    #[test]
    fn what_is_left_of_a_segment_never_keeps_more_than_as_much_again() {
        let mut segments = Segments::default();
        let large = vec![7; 8 << 20];
        for round in 0..200_u8 {
            segments.push(&[round]);
            segments.push(&large);
            segments.truncate(usize::from(round) + 1);
            assert!(written(&segments) <= 16 << 20, "{}", written(&segments));
        }
        for round in 0..200_u8 {
            assert_eq!(segments.get(round.into())[..], [round]);
        }
        segments.truncate(0);
        assert_eq!((written(&segments), segments.segments.len()), (0, 0));
    }
}
