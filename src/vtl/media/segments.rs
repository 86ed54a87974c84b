//! The blocks of a tape in memory, one behind the other in segments, so that each costs its length and what is truncated goes
//! back to the system.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use memmap2::{Advice, MmapMut};

/// The size of a tape's first segment, in bytes. Each further one is twice as long, up to the longest: they are of huge pages where
/// the system has them, so that a tape takes little more memory than its length. Pages without data take none.
const FIRST_SEGMENT: usize = 256 * 1024;
const LONGEST_SEGMENT: usize = 8 << 20;

/// Blocks by number. A filemark is an empty one.
#[derive(Debug, Default)]
pub(super) struct Segments {
    /// Where in its segment each of them is.
    blocks: Vec<Range<usize>>,
    segments: Vec<Segment>,
}

#[derive(Debug)]
struct Segment {
    /// The number of its first block.
    first: usize,
    /// Bytes of it that blocks have.
    used: usize,
    /// Shared with the blocks that are on their way to a reader; nothing is written to it until they are gone.
    memory: Arc<MmapMut>,
}

/// A block that is on its way to a reader.
struct Lent {
    memory: Arc<MmapMut>,
    range: Range<usize>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        self.memory.get(self.range.clone()).unwrap_or_default()
    }
}

impl Segment {
    /// Returns one without blocks, with room for so many bytes.
    fn new(first: usize, size: usize) -> io::Result<Self> {
        let memory = MmapMut::map_anon(size)?;
        if size >= LONGEST_SEGMENT {
            // Best effort: one fault for 2 MiB, where each 4 KiB page would cost as much as the copy into it.
            let _ = memory.advise(Advice::HugePage);
        }
        Ok(Self {
            first,
            used: 0,
            memory: Arc::new(memory),
        })
    }

    /// Appends a copy of a block, and returns where it is; none where it has no room, or a reader has a block.
    fn append(&mut self, block: &[u8]) -> Option<Range<usize>> {
        let range = self.used..self.used.checked_add(block.len())?;
        let memory = Arc::get_mut(&mut self.memory)?;
        memory.get_mut(range.clone())?.copy_from_slice(block);
        self.used = range.end;
        Some(range)
    }
}

impl Segments {
    /// Returns a block; an empty one where there is none.
    pub(super) fn get(&self, number: usize) -> Bytes {
        let behind = self
            .segments
            .partition_point(|segment| segment.first <= number);
        let segment = behind.checked_sub(1).and_then(|at| self.segments.get(at));
        match (segment, self.blocks.get(number)) {
            (Some(segment), Some(range)) if !range.is_empty() => Bytes::from_owner(Lent {
                memory: Arc::clone(&segment.memory),
                range: range.clone(),
            }),
            _ => Bytes::new(),
        }
    }

    /// Appends a copy of a block: what came over the network is a part of a receive buffer that may be many times as long.
    ///
    /// # Errors
    /// The system's, when it has no memory.
    pub(super) fn push(&mut self, block: &[u8]) -> io::Result<()> {
        let last = self.segments.last_mut();
        let range = match last.and_then(|segment| segment.append(block)) {
            Some(range) => range,
            None if block.is_empty() => 0..0,
            None => {
                let mut segment = Segment::new(self.blocks.len(), self.next_size(block.len()))?;
                let range = segment.append(block).unwrap_or_default();
                self.segments.push(segment);
                range
            }
        };
        super::index::grow(&mut self.blocks);
        self.blocks.push(range);
        Ok(())
    }

    /// Returns the size of a segment that begins with a block of so many bytes.
    fn next_size(&self, length: usize) -> usize {
        let size = match self.segments.last() {
            Some(last) if last.memory.len().saturating_sub(last.used) < length => {
                last.memory.len().saturating_mul(2).min(LONGEST_SEGMENT)
            }
            // A tape whose last blocks are on their way to a reader may be written to in between, again and again.
            _ => FIRST_SEGMENT,
        };
        size.max(length)
    }

    /// Drops all blocks from this number on. The last segment that is left keeps its size.
    pub(super) fn truncate(&mut self, number: usize) {
        self.blocks.truncate(number);
        super::index::give_back(&mut self.blocks);
        self.segments.retain(|segment| segment.first < number);
        if let Some(segment) = self.segments.last_mut() {
            let kept = self.blocks.get(segment.first..).unwrap_or_default();
            let last = kept.iter().rfind(|range| !range.is_empty());
            segment.used = last.map_or(0, |range| range.end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the sizes of all segments together.
    fn mapped(segments: &Segments) -> usize {
        let sizes = segments.segments.iter().map(|segment| segment.memory.len());
        sizes.sum()
    }

    #[test]
    fn what_is_truncated_makes_room_for_what_comes_next() {
        let mut segments = Segments::default();
        let large = vec![7; 8 << 20];
        for round in 0..200_u8 {
            segments.push(&[round]).unwrap();
            segments.push(&[]).unwrap();
            segments.push(&large).unwrap();
            segments.truncate(usize::from(round) * 2 + 2);
        }
        for round in 0..200_u8 {
            assert_eq!(segments.get(usize::from(round) * 2)[..], [round]);
            assert!(segments.get(usize::from(round) * 2 + 1).is_empty());
        }
        assert_eq!(mapped(&segments), FIRST_SEGMENT);
        segments.truncate(0);
        assert_eq!((mapped(&segments), segments.segments.len()), (0, 0));
    }

    #[test]
    fn blocks_of_any_length_fill_segments() {
        let mut segments = Segments::default();
        let lengths = [
            1,
            300_000,
            LONGEST_SEGMENT,
            0,
            LONGEST_SEGMENT + 1,
            5,
            FIRST_SEGMENT,
        ];
        for (length, byte) in lengths.into_iter().zip(1..) {
            segments.push(&vec![byte; length]).unwrap();
        }
        for ((length, byte), number) in lengths.into_iter().zip(1..).zip(0..) {
            assert_eq!(segments.get(number), vec![byte; length]);
        }
        assert!(segments.get(lengths.len()).is_empty());
    }

    #[test]
    fn a_block_that_a_reader_has_stays_as_it_was() {
        let mut segments = Segments::default();
        segments.push(b"first").unwrap();
        let first = segments.get(0);
        segments.truncate(0);
        segments.push(b"other").unwrap();
        let lent = segments.get(0);
        for _ in 0..100 {
            segments.truncate(0);
            segments.push(b"third").unwrap();
        }
        assert_eq!([&first[..], &lent], [b"first", b"other"]);
        assert_eq!(segments.get(0)[..], *b"third");
        assert_eq!(mapped(&segments), FIRST_SEGMENT);
    }
}
