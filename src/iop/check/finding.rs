//! Findings as plain data: what was looked at, what it comes to and what was seen.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::table::CheckId;
use crate::iop::active::{StoredIn, TargetReport};
use crate::iop::devices::problem::{CommandFailure, Problem};
use crate::iop::finding::FindingResult;

/// A target and what was found about it.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedTarget {
    /// The target as a re-IPL reports it: its session, its devices, and why there is none.
    pub report: TargetReport,
    /// The findings, in the order of the table; one for each row.
    pub findings: Vec<Finding>,
}

impl CheckedTarget {
    /// Returns the worst of its findings.
    #[must_use]
    pub fn worst(&self) -> FindingResult {
        let results = self.findings.iter().map(|finding| finding.result);
        results.max().unwrap_or(FindingResult::Skipped)
    }
}

/// What was looked at, and found.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What was looked at.
    pub check: CheckId,
    /// What it comes to.
    pub result: FindingResult,
    /// What was seen.
    pub seen: Seen,
}

/// What was seen. All text in it that came from a target is escaped already.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// Nothing: an earlier finding stands in the way.
    NotReached,
    /// Nothing, since it was not asked for.
    NotAsked,
    /// The login was accepted, and no CHAP was part of it.
    WithoutChap,
    /// There is nothing of the kind here to look at.
    NotApplicable,
    /// The trouble that this is about was not met.
    NotMet,
    /// The attempt failed: the report has the cause.
    Failed(Box<TargetReport>),
    /// Problems of the target or its devices.
    Problems(Vec<Problem>),
    /// The addresses of the host name; none for a host name that is an address.
    Addresses(Vec<IpAddr>),
    /// What became of a connection to each address.
    Portals(Vec<Portal>),
    /// The longest segment of the connection.
    PathMtu {
        /// Bytes of data in a TCP segment.
        segment: u32,
        /// The MTU that this comes to, with the headers of IP and TCP, in bytes.
        mtu: u32,
    },
    /// The time from a ping to its answer (NOP-Out, NOP-In).
    RoundTrip {
        /// The shortest of several.
        shortest: Duration,
    },
    /// A name that a console has to list.
    Name {
        /// The name.
        name: String,
        /// What is easily mistaken in it.
        traps: NameTraps,
    },
    /// The login was accepted.
    LoggedIn {
        /// The address and port that answered.
        portal: String,
    },
    /// The login was accepted with CHAP.
    ChapAccepted {
        /// The algorithm.
        algorithm: String,
    },
    /// The login was accepted with a CHAP value in another letter case than IBM i sends.
    OtherCase,
    /// The target selects another CHAP algorithm than those configured.
    OtherAlgorithm {
        /// The algorithm that it selects of all.
        algorithm: String,
    },
    /// The libraries of the target.
    Libraries(Vec<LibraryIdentity>),
    /// The drives of the libraries, by type and model, each once.
    DriveTypes(Vec<String>),
    /// How many drives the elements of the libraries name.
    Drives(usize),
    /// Volumes, and those whose barcode IBM i cannot take.
    Barcodes {
        /// How many there are.
        count: usize,
        /// The barcodes that have neither six nor eight characters.
        wrong: Vec<String>,
    },
    /// What was seen of each device.
    Devices(Vec<DeviceNote>),
    /// The digests of the session.
    Digests {
        /// HeaderDigest.
        header: String,
        /// DataDigest.
        data: String,
    },
    /// Where the CHAP secret is kept.
    Stored(StoredIn),
    /// The length of the CHAP secret.
    SecretLength(usize),
    /// What the session allows in the way of speed.
    WriteRate(WriteRate),
}

/// What became of a connection to an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Portal {
    /// Address and port.
    pub address: SocketAddr,
    /// What became of it.
    pub state: PortalState,
}

/// What became of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortalState {
    /// It was taken.
    Open,
    /// The host refused it: nothing listens.
    Refused,
    /// Nothing came back in time, as where a firewall drops the packets.
    Filtered,
    /// The system has no way there.
    Unreachable {
        /// What the system said.
        detail: String,
    },
}

/// What is easily mistaken in a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameTraps {
    /// The upper-case letters, in their order.
    pub upper_case: Vec<char>,
    /// The characters that VTL consoles refuse: all but a to z, 0 to 9, `.`, `-` and `:`, upper-case letters aside.
    pub refused: Vec<char>,
    /// Places (from 1) of digits that look like a letter: 0 and 1.
    pub digits_like_letters: Vec<usize>,
    /// Places (from 1) of letters that look like a digit: o and l.
    pub letters_like_digits: Vec<usize>,
}

impl NameTraps {
    /// Returns the traps of a name.
    #[must_use]
    pub fn of(name: &str) -> Self {
        let mut traps = Self::default();
        for (place, character) in (1..).zip(name.chars()) {
            match character {
                '0' | '1' => traps.digits_like_letters.push(place),
                'o' | 'l' | 'O' | 'I' => traps.letters_like_digits.push(place),
                _ => {}
            }
            match character {
                'A'..='Z' => traps.upper_case.push(character),
                'a'..='z' | '0'..='9' | '.' | '-' | ':' => {}
                other => traps.refused.push(other),
            }
        }
        traps
    }

    /// Returns whether a console may not take the name as it is.
    #[must_use]
    pub fn is_at_risk(&self) -> bool {
        !self.upper_case.is_empty() || !self.refused.is_empty()
    }
}

/// Who a library says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LibraryIdentity {
    /// Device name, `TAPMLB01`.
    pub device: String,
    /// Type and model as IBM i would show them.
    pub type_model: String,
    /// Whether VPD page D0h has them.
    pub has_page_d0: bool,
}

/// What was seen of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceNote {
    /// Device name.
    pub device: String,
    /// What was seen.
    pub note: DeviceState,
}

/// What was seen of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceState {
    /// TEST UNIT READY ended with GOOD.
    Ready,
    /// A drive without a cartridge (3A/00).
    Empty,
    /// The command was refused, or its data cannot be read.
    Refused(CommandFailure),
    /// The longest block, in bytes (READ BLOCK LIMITS).
    LongestBlock(u32),
    /// MODE SENSE gave the saved values.
    SavedValues,
    /// Whether COMPATIBLE RESERVATION HANDLING is set (SPC-4 6.15.4).
    CompatibleReservationHandling(bool),
    /// How many registrations READ FULL STATUS tells of.
    Registrations(usize),
    /// Log pages that are there as they have to be.
    LogPages(Vec<u8>),
    /// The list of log pages leaves out tape capacity (31h).
    NoCapacityPage,
    /// Log page 31h: the partition has more left than it can hold, or can hold nothing with a cartridge in the drive.
    CapacityImplausible {
        /// MAIN PARTITION REMAINING CAPACITY, in the page's unit.
        remaining: Option<u64>,
        /// MAIN PARTITION MAXIMUM CAPACITY.
        maximum: Option<u64>,
    },
    /// READ POSITION: the beginning of the partition, and the logical object.
    Position {
        /// BOP.
        beginning: bool,
        /// LOGICAL OBJECT NUMBER; none where it is not known.
        object: Option<u64>,
    },
    /// Nobody else holds it.
    NotReserved,
    /// Another initiator holds a reservation.
    Holder {
        /// Its name, or its port; none where the drive does not tell.
        name: Option<String>,
    },
    /// TapeAlert flags that are set, by number.
    TapeAlert(Vec<u16>),
}

/// How fast a WRITE of 256 KiB can be, by what the session negotiated and the round trip that was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WriteRate {
    /// The shortest round trip.
    pub round_trip: Duration,
    /// How many round trips one WRITE takes.
    pub round_trips: u32,
    /// In MB/s with one command at a time.
    pub one_command: f64,
    /// How many commands the target takes at a time, and the MB/s of so many; none where the window is not known, as in a
    /// session that the resident IOP holds.
    pub full_window: Option<(u32, f64)>,
}
