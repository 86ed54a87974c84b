//! The target that the tests use too.
#![allow(dead_code)]

#[path = "../../tests/peers/namespace.rs"]
mod namespace;
#[path = "../../tests/peers/raw_initiator.rs"]
mod raw_initiator;
#[path = "../../tests/peers/tgtd.rs"]
pub mod tgtd;
