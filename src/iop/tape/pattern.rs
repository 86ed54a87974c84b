//! The data of a tape test: incompressible, and told apart block by block.

use bytes::Bytes;

/// A pattern of a seed: each block has bytes of its own, which depend on its number. Blocks that are swapped, repeated or left
/// out are noticed, and so is data of a test with another seed.
#[derive(Clone, Copy, Debug)]
pub struct Pattern {
    seed: u64,
}

impl Pattern {
    /// Returns the pattern of a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// Returns the bytes of a block.
    #[must_use]
    pub fn block(self, number: u64, length: usize) -> Bytes {
        let mut state = mixed(self.seed ^ mixed(number));
        let mut block = Vec::with_capacity(length.next_multiple_of(8));
        while block.len() < length {
            // splitmix64: no two words of a block are related in a way that a compressor finds.
            state = state.wrapping_add(GOLDEN);
            block.extend_from_slice(&mixed(state).to_le_bytes());
        }
        block.truncate(length);
        block.into()
    }
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

const fn mixed(value: u64) -> u64 {
    let value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn blocks_differ_by_number_and_seed_and_repeat_nothing() {
        let pattern = Pattern::new(7);
        assert_eq!(pattern.block(3, 1000), Pattern::new(7).block(3, 1000));
        assert_eq!(pattern.block(3, 13), pattern.block(3, 1000).slice(..13));
        let mut words = BTreeSet::new();
        for (seed, number) in [(7, 0), (7, 1), (7, 2), (8, 0), (0, 0), (0, 1)] {
            let block = Pattern::new(seed).block(number, 8 * 1024);
            for word in block.chunks_exact(8) {
                assert!(words.insert(word.to_vec()), "{word:?} again");
            }
        }
        let mut counts = [0_u32; 256];
        for byte in pattern.block(0, 256 * 1024) {
            counts[usize::from(byte)] += 1;
        }
        assert!(counts.iter().all(|count| (800..1250).contains(count)));
    }
}
