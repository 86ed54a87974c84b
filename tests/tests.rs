//! All integration tests, one binary.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

// The disk: every operation failed and every one died at, in turn.
mod state;
