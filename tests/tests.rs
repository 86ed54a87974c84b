//! All integration tests, one binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

/// The files under man/ and completions/ are what the code generates, and the completion scripts work in their shells.
mod generated;
