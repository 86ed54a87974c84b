//! The embedded virtual tape library: a medium changer that reports as an IBM 3584-403, and its LTO drives.
//!
//! | module | what it holds |
//! |---|---|
//! | [`library`] | [`Library`]: the whole library as plain data, and the one function that executes a command |
//! | [`configuration`] | what a library is made of, and what is wrong with such a wish |
//! | [`media`] | cartridges and what is recorded on them, in memory or as SIMH .tap files |
//! | [`fault`] | failures on demand, for tests of initiators |
//! | [`backend`] | the library behind a listener of [`crate::transport`] |
//!
//! Below those: from a parsed command to its answer (`dispatch`), the table of operation codes (`operation`), what every logical unit has (`logical_unit`, `mode`,
//! `persistent_reservation`, `unit_attention`, `log`, and `primary` for the commands), the changer (`changer`) and the
//! drive (`drive`, `density`, `drive_log`, and `tape_motion` for what moves the tape); what a
//! cartridge is called (`barcode`) and what it remembers (`auxiliary_memory`).
//!
//! A command is executed at once and in full; nothing but the listener waits, and the only other I/O is that of the
//! cartridges' files.

mod auxiliary_memory;
mod barcode;
mod changer;
mod density;
mod dispatch;
mod drive;
mod drive_log;
mod log;
mod logical_unit;
mod mode;
mod operation;
mod persistent_reservation;
mod primary;
mod reply;
mod tape_motion;
mod unit_attention;
mod work;

pub mod backend;
pub mod configuration;
pub mod fault;
pub mod library;
pub mod media;

pub use crate::iscsi::nexus::{InitiatorPort, NexusId};
pub use backend::{LibraryBackend, LibraryNotice, LibraryObserver, serve};
pub use barcode::{Barcode, BarcodeError};
pub use changer::{CartridgeMovement, ElementLocation};
pub use configuration::{DriveType, LibraryConfiguration, LibraryError, Media};
pub use fault::{AnswerFault, CommandFault, InjectedAnswer, InjectedFailure, LibraryFaults};
pub use library::Library;
pub use reply::LogicalUnitReply;
