//! Sans-IO RFC 7143: bytes in, events out; no sockets, files, clocks or random numbers.
//!
//! | module | what it holds |
//! |---|---|
//! | [`ids`] | identifiers and sequence numbers |
//! | [`pdu`] | every PDU as plain data |
//! | [`codec`] | PDUs to bytes and back, digests included |
//! | [`describe`] | a PDU as one line for people, secrets masked |
//! | [`session`] | the initiator's full feature phase |

pub mod codec;
pub mod describe;
pub mod ids;
pub mod pdu;
pub mod session;
