//! Sans-IO RFC 7143: bytes in, events out; no sockets, files, clocks or random numbers.
//!
//! | module | what it holds |
//! |---|---|
//! | [`ids`] | identifiers and sequence numbers |
//! | [`pdu`] | every PDU as plain data |
//! | [`text`] | key=value pairs and the forms of a value |

pub mod ids;
pub mod pdu;
pub mod text;
