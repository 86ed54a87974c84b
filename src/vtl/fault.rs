//! Failures on demand: what a library does wrong, as plain data, so that an initiator's handling of it can be tested.
//!
//! The library itself carries out [`LibraryFaults`]; whoever serves it on a network carries out [`TransportFaults`].
//! Everything is off by default.

use super::barcode::Barcode;
use super::reply::Refusal;
use crate::scsi::{AdditionalSenseCode, SenseKey, Status};

/// All failures of one library.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// What the library's logical units do.
    pub library: LibraryFaults,
    /// What the target does to logins and connections.
    pub transport: TransportFaults,
}

/// Failures of the logical units.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LibraryFaults {
    /// The next so many commands, INQUIRY, REPORT LUNS and REQUEST SENSE aside, end with BUSY; counted down.
    pub busy: u32,
    /// Then so many end with NOT READY 04/01, becoming ready; counted down.
    pub becoming_ready: u32,
    /// After so many commands of any kind the library loses power and comes back before the next one; once. Sessions
    /// outlive it, as behind a gateway with power of its own: an initiator learns of it by unit attention 29/00.
    pub power_cycle_after: Option<u32>,
    /// Blocks that cannot be read: MEDIUM ERROR 11/00.
    pub unreadable: Vec<BlockFault>,
    /// Positions that cannot be written: MEDIUM ERROR 0C/00.
    pub unwritable: Vec<BlockFault>,
}

impl LibraryFaults {
    /// Counts a command down that a busy library or one that is becoming ready does not do.
    pub(super) fn hold_up(&mut self) -> Result<(), Refusal> {
        if let Some(left) = self.busy.checked_sub(1) {
            self.busy = left;
            return Err(Refusal::Status(Status::BUSY));
        }
        if let Some(left) = self.becoming_ready.checked_sub(1) {
            self.becoming_ready = left;
            let code = AdditionalSenseCode::BECOMING_READY;
            return Err(Refusal::check(SenseKey::NOT_READY, code));
        }
        Ok(())
    }
}

/// A place on a cartridge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockFault {
    /// Whose.
    pub volume: Barcode,
    /// Logical object identifier: the number of blocks and filemarks before it (SSC-4 4.2.7).
    pub object: u64,
}

/// Failures of logins and connections (RFC 7143).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransportFaults {
    /// Every login is refused with this status.
    pub refuse_login: Option<LoginRefusal>,
    /// After so many PDUs sent in the full feature phase the target sends nothing more, and keeps the connection.
    pub stall_after: Option<u64>,
    /// After so many PDUs sent in the full feature phase the target drops the connection.
    pub drop_after: Option<u64>,
    /// One PDU goes out with a wrong digest.
    pub wrong_digest: Option<WrongDigest>,
}

/// Status-Class and Status-Detail of a Login Response (RFC 7143 11.13.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginRefusal {
    /// Status-Class.
    pub class: u8,
    /// Status-Detail.
    pub detail: u8,
}

/// Which PDU has which digest wrong (RFC 7143 11.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongDigest {
    /// PDUs of the full feature phase that go out right before it.
    pub after: u64,
    /// Which digest.
    pub digest: DigestKind,
}

/// One of the two digests of a PDU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DigestKind {
    /// Header-Digest.
    Header,
    /// Data-Digest; the first PDU from there on that has a data segment.
    Data,
}
