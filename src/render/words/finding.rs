//! What the words of findings have in common.

use crate::iop::finding::Area;

/// A finding in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindingWords {
    /// Its stable name.
    pub id: &'static str,
    /// What it is about.
    pub area: Area,
    /// What was seen, a sentence.
    pub seen: String,
    /// Why that matters, a sentence.
    pub why: &'static str,
    /// On whose word.
    pub source: &'static str,
    /// What to do next, where there is something to do.
    pub next_step: Option<String>,
}

/// IBM's own word.
pub(super) const DOCUMENT: &str = "IBM, \"IBM i Support for Attaching an iSCSI VTL\", version 1.7";
