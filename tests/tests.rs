//! All integration tests, one binary.

/// The full feature phase: a scripted target against the initiator's session.
mod protocol;
