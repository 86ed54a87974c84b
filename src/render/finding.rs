//! A finding, as the documents of `check` and `d-mode` have it.

use schemars::JsonSchema;
use serde::Serialize;

use super::words::finding::FindingWords;
use crate::iop::finding::{Area, FindingResult};

/// What was looked at, and what it comes to.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Finding")]
pub struct FindingDocument {
    /// Its stable name, `login.chap-secret-case`.
    pub id: &'static str,
    /// What it belongs to.
    pub area: Area,
    /// What it comes to.
    pub result: FindingResult,
    /// What was seen.
    pub seen: String,
    /// Why IBM i cares.
    pub why: &'static str,
    /// On whose word: a document, a standard, or one vendor.
    pub source: &'static str,
    /// What to do; null when there is nothing.
    pub next_step: Option<String>,
}

impl FindingDocument {
    /// Makes it of a result and its words.
    #[must_use]
    pub fn new(result: FindingResult, words: FindingWords) -> Self {
        Self {
            id: words.id,
            area: words.area,
            result,
            seen: words.seen,
            why: words.why,
            source: words.source,
            next_step: words.next_step,
        }
    }
}
