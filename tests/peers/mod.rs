//! Peers that a test starts and ends by itself, and the proof that they are what the tests take them for.

/// A pcap file made of captured chunks, and tshark's judgement on it.
pub mod judge;
/// A network of the test's own, with addresses that exist only there.
pub mod namespace;
/// A smallest initiator, for what tgtd does on behalf of an initiator only.
pub mod raw_initiator;
/// A TCP relay that counts, delays, cuts and captures.
pub mod relay;
/// Our own session on a blocking socket, for commands that the binary never sends.
pub mod tape_initiator;
/// The target: tgtd with virtual tape libraries in memory.
pub mod tgtd;
/// The target: the binary's own virtual tape library.
pub mod vtl;

mod proof;
