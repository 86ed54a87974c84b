//! The logical objects of a tape (SSC-4 4.2.8): blocks and filemarks.

/// What a block costs of a cartridge's capacity beside its length, and a filemark as a whole, in bytes. It bounds the
/// memory that the records of a cartridge take, whatever is written on it.
pub const RECORD_COST: u64 = 64;

/// A block, or filemarks in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Record {
    /// Where it begins in its file; of no meaning in memory.
    pub(super) offset: u64,
    /// Length of a block in bytes; the number of filemarks.
    pub(in super::super) length: u32,
    pub(in super::super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Kind {
    Block,
    /// A block whose data is lost.
    Unreadable,
    /// One filemark or several; writing a run of them costs the memory of one record.
    Filemark,
}

impl Record {
    /// Number of logical objects.
    pub(super) fn count(self) -> u64 {
        match self.kind {
            Kind::Filemark => self.length.into(),
            Kind::Block | Kind::Unreadable => 1,
        }
    }

    /// What it takes of a cartridge's capacity, in bytes.
    pub(super) fn cost(self) -> u64 {
        match self.kind {
            Kind::Filemark => u64::from(self.length).saturating_mul(RECORD_COST),
            Kind::Block | Kind::Unreadable => u64::from(self.length).saturating_add(RECORD_COST),
        }
    }

    /// What it takes of the memory, in bytes: filemarks in a row are one record.
    pub(super) fn memory(self) -> u64 {
        match self.kind {
            Kind::Filemark => RECORD_COST,
            Kind::Block | Kind::Unreadable => self.cost(),
        }
    }
}
