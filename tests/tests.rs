//! All integration tests, one binary. A line per module says what it holds.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

/// The login phase of an initiator: a test per demand of RFC 7143, with its section and UNH-IOL number.
mod conformance;
/// The files under man/ and completions/ are what the code generates, and the completion scripts work in their shells.
mod generated;
/// The house: who may import whom.
mod house;
/// The embedded library, command by command, without a network.
mod library;
/// The full feature phase: a scripted target against the initiator's session.
mod protocol;
/// The disk: every operation of an edit failed, and every one died at, in turn.
mod state;
