//! Sans-IO RFC 7143: bytes in, events out; no sockets, files, clocks or random numbers.
//!
//! | module | what it holds |
//! |---|---|
//! | `buffers` | memory for data that comes, used again |
//! | [`ids`] | identifiers and sequence numbers |
//! | [`name`] | iSCSI names |
//! | [`pdu`] | every PDU as plain data |
//! | [`codec`] | PDUs to bytes and back, digests included |
//! | [`departure`] | where a peer departs from the standard and is understood all the same |
//! | [`describe`] | a PDU as one line for people, secrets masked |
//! | [`text`] | key=value pairs and the forms of a value |
//! | [`keys`] | every text key of the standard, one table |
//! | [`operational`] | operational parameters: offered, and in force |
//! | [`negotiation`] | offers, answers and result functions |
//! | [`nexus`] | who sends a command: the I_T nexus and its initiator port |
//! | [`chap`] | CHAP, the side of the initiator and that of the target |
//! | [`login`] | the login phase of an initiator |
//! | [`departure`] | what is tolerated of a target, and reported |
//! | [`secret`] | secrets in memory |
//! | [`status`] | login statuses in words |
//! | [`initiator`] | the initiator's full feature phase |
//! | [`target`] | the target's side: login, and full feature phase |

pub(crate) mod buffers;
pub mod chap;
pub mod codec;
pub mod departure;
pub mod describe;
pub mod ids;
pub mod initiator;
pub mod keys;
pub mod login;
pub mod name;
pub mod negotiation;
pub mod nexus;
pub mod operational;
pub mod pdu;
pub mod repeated;
pub mod secret;
pub mod status;
pub mod target;
pub mod text;
