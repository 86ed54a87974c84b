//! What was observed of a target, as plain data: what the judgments are made of.

use std::net::IpAddr;
use std::time::Duration;

use super::finding::Portal;
use crate::iop::active::{Failure, TargetReport};
use crate::iop::devices::problem::CommandFailure;
use crate::scsi::data::block_limits::BlockLimits;
use crate::scsi::data::log::LogPage;
use crate::scsi::data::position::Position;
use crate::scsi::data::reservation::{ReadReservation, RegistrationStatus, ReserveCapabilities};

/// What was observed of a target.
#[derive(Clone, Debug)]
pub struct Observations {
    /// The target as a re-IPL reports it; its failure is that of the login as it is configured.
    pub report: TargetReport,
    /// The length of the CHAP secret in characters; none where there is none, or it is not here.
    pub secret_length: Option<usize>,
    /// The addresses of the host name; none where the target is configured by its address.
    pub resolved: Option<Result<Vec<IpAddr>, Failure>>,
    /// What became of a connection to each address.
    pub portals: Vec<Portal>,
    /// Bytes of data in a TCP segment to the address that answered, and whether that is an IPv6 address.
    pub segment: Option<(u32, bool)>,
    /// Which further logins were tried, and what came of them.
    pub trials: Trials,
    /// The shortest time from a ping to its answer.
    pub round_trip: Option<Duration>,
    /// How many commands the target takes at a time.
    pub window: Option<u32>,
    /// Whether every logical unit was asked to the end: the devices of the report are those of the target.
    pub enumerated: bool,
    /// The libraries.
    pub libraries: Vec<LibraryObservation>,
    /// The drives.
    pub drives: Vec<DriveObservation>,
}

/// What logins with other values came to; none for one that was not tried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trials {
    /// Whether the login was accepted with the secret in lower case.
    pub secret_case: Option<bool>,
    /// Whether it was accepted with the name in lower case.
    pub name_case: Option<bool>,
    /// Whether it was accepted with both in lower case.
    pub both_cases: Option<bool>,
    /// The algorithm that was selected when all were offered; an inner none when the login failed all the same.
    pub algorithm: Option<Option<String>>,
}

/// What a library answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LibraryObservation {
    /// Device name.
    pub device: String,
    /// Whether it has VPD page D0h with its type and model.
    pub has_page_d0: bool,
    /// TEST UNIT READY.
    pub ready: Result<(), CommandFailure>,
    /// The barcodes of the cartridges, empty for one without; READ ELEMENT STATUS.
    pub barcodes: Result<Vec<String>, CommandFailure>,
}

/// What a drive answered.
#[derive(Clone, Debug, PartialEq)]
pub struct DriveObservation {
    /// Device name.
    pub device: String,
    /// TEST UNIT READY.
    pub ready: Result<(), CommandFailure>,
    /// READ BLOCK LIMITS.
    pub block_limits: Result<BlockLimits, CommandFailure>,
    /// MODE SENSE for the saved values of all pages.
    pub saved_values: Result<(), CommandFailure>,
    /// PERSISTENT RESERVE IN, REPORT CAPABILITIES.
    pub capabilities: Result<ReserveCapabilities, CommandFailure>,
    /// PERSISTENT RESERVE IN, READ FULL STATUS.
    pub full_status: Result<Vec<RegistrationStatus>, CommandFailure>,
    /// PERSISTENT RESERVE IN, READ RESERVATION.
    pub reservation: Result<ReadReservation, CommandFailure>,
    /// LOG SENSE: the list of pages.
    pub log_pages: Result<Vec<u8>, CommandFailure>,
    /// LOG SENSE: page 31h, where the list has it.
    pub capacity: Option<Result<LogPage, CommandFailure>>,
    /// READ POSITION; none without a cartridge.
    pub position: Option<Result<Position, CommandFailure>>,
    /// LOG SENSE: page 2Eh, where it was asked for.
    pub tape_alert: Option<Result<LogPage, CommandFailure>>,
}
