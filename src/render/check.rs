//! What `check` prints.

use schemars::JsonSchema;
use serde::Serialize;

use super::finding::FindingDocument;
use super::json::{SCHEMA, TargetDocument};
use super::words::check::words;
use crate::iop::check::CheckedTarget;

/// The document of `check`.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Check")]
pub struct CheckDocument<'a> {
    /// Number of the schema.
    #[schemars(extend("const" = 1))]
    pub schema: u32,
    /// The targets, in the order of the configuration.
    pub targets: Vec<CheckedTargetDocument<'a>>,
}

/// A target and what was found about it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CheckedTarget")]
pub struct CheckedTargetDocument<'a> {
    /// The target as a re-IPL reports it.
    #[serde(flatten)]
    pub target: TargetDocument<'a>,
    /// The findings: one for each id of the man page, in its order.
    pub findings: Vec<FindingDocument>,
}

impl<'a> CheckDocument<'a> {
    /// Makes the document.
    #[must_use]
    pub fn new(targets: &'a [CheckedTarget]) -> Self {
        Self {
            schema: SCHEMA,
            targets: targets
                .iter()
                .map(|target| CheckedTargetDocument {
                    target: TargetDocument::from(&target.report),
                    findings: target
                        .findings
                        .iter()
                        .map(|finding| FindingDocument::new(finding.result, words(finding)))
                        .collect(),
                })
                .collect(),
        }
    }
}
