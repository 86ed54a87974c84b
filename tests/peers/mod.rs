//! The other side of a test: targets and initiators that it starts and ends by itself.
//!
//! The embedded library, a relay and a smallest initiator need nothing but this package. What needs another program or root
//! exists with the feature `peers` only.
#![cfg_attr(
    not(feature = "peers"),
    allow(dead_code, reason = "some tests with other programs need more of it")
)]

/// Headless Chromium: a page at a width, what it logs, and what a script says of it.
#[cfg(feature = "peers")]
pub mod browser;
/// The target: the embedded library in this process, several targets behind one portal.
pub mod embedded;
/// A relay that knows PDUs: it withholds answers, refuses task management, and sends asynchronous messages.
pub mod interposer;
/// The binary's resident IOP.
pub mod iop;
/// A pcap file made of captured chunks, and tshark's judgement on it.
#[cfg(feature = "peers")]
pub mod judge;
/// A network of the test's own, with addresses that exist only there.
#[cfg(feature = "peers")]
pub mod namespace;
/// A smallest initiator, which shares no code with the one under test.
pub mod raw_initiator;
/// A TCP relay that counts, delays, cuts and captures.
pub mod relay;
/// Our own session on a blocking socket, for commands that the binary never sends.
pub mod tape_initiator;
/// The target: tgtd with virtual tape libraries in memory.
#[cfg(feature = "peers")]
pub mod tgtd;
/// The target: the binary's own virtual tape library.
pub mod vtl;

#[cfg(feature = "peers")]
mod proof;
