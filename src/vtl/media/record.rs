//! What a tape is a row of.

/// What a block costs of a cartridge's capacity beside its length, and a filemark as a whole, in bytes. It bounds the
/// memory that the records of a cartridge take, whatever is written on it.
pub const RECORD_COST: u64 = 64;

/// A block or a filemark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Record {
    /// Where it begins in its file; of no meaning in memory.
    pub(super) offset: u64,
    /// Length of a block in bytes, 0 for a filemark.
    pub(in super::super) length: u32,
    pub(in super::super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Kind {
    Block,
    /// A block whose data is lost.
    Unreadable,
    Filemark,
}

impl Record {
    pub(super) fn cost(self) -> u64 {
        u64::from(self.length).saturating_add(RECORD_COST)
    }
}
