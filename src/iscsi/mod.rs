//! Sans-IO RFC 7143: bytes in, events out; no sockets, files, clocks or random numbers.
//!
//! | module | what it holds |
//! |---|---|
//! | [`chap`] | CHAP, the side of the initiator and that of the target |
//! | [`ids`] | identifiers and sequence numbers |
//! | [`keys`] | every text key of the standard, one table |
//! | [`login`] | the login phase of an initiator |
//! | [`negotiation`] | offers, answers and result functions |
//! | [`operational`] | operational parameters: offered, and in force |
//! | [`pdu`] | every PDU as plain data |
//! | [`status`] | login statuses in words |
//! | [`text`] | key=value pairs and the forms of a value |

pub mod chap;
pub mod ids;
pub mod keys;
pub mod login;
pub mod negotiation;
pub mod operational;
pub mod pdu;
pub mod status;
pub mod text;
