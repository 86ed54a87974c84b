//! Using a library: what is in its elements, and moving cartridges between them.
//!
//! | module | what it holds |
//! |---|---|
//! | [`inventory`] | the elements of a library, and which of them holds a volume |
//! | [`plan`] | from what is asked for to the move that does it; no I/O |
//! | [`open`] | a library in use: reads its elements, carries out what is planned |
//!
//! A drive is unloaded before its cartridge is moved. It may be a logical unit of another target than the library: the locks
//! of both are taken then, in the order of target names.

pub mod inventory;
pub mod open;
pub mod plan;

#[cfg(test)]
mod tests;

use thiserror::Error;

use crate::iop::job::JobError;
use crate::iop::job::unit::UnitError;

pub use inventory::{Element, Inventory};
pub use open::OpenLibrary;
pub use plan::Movement;

pub use crate::scsi::data::element_status::ElementType;

/// Why something could not be done with a library.
#[derive(Debug, Error)]
pub enum LibraryFailure {
    /// No cartridge has that name.
    #[error("{library} has no volume {volume}")]
    NoVolume {
        /// The library.
        library: String,
        /// The volume, as typed.
        volume: String,
    },
    /// Several cartridges go by that name.
    #[error("{volume} is the name of more than one volume in {library}")]
    AmbiguousVolume {
        /// The library.
        library: String,
        /// The volume, as typed.
        volume: String,
        /// Their barcodes and element addresses.
        found: Vec<(String, u16)>,
    },
    /// There is no such element, or none where a cartridge can stay.
    #[error("{library} has no element {address} for a cartridge")]
    NoElement {
        /// The library.
        library: String,
        /// The address, as typed.
        address: String,
    },
    /// No cartridge is in the element.
    #[error("element {address} of {library} is empty")]
    ElementEmpty {
        /// The library.
        library: String,
        /// The element address.
        address: u16,
    },
    /// A cartridge is in the element that another one is to go to.
    #[error("element {address} of {library} is full")]
    ElementFull {
        /// The library.
        library: String,
        /// The element address.
        address: u16,
    },
    /// The drive is not in this library.
    #[error("{drive} is no drive of {library}")]
    NotItsDrive {
        /// The library.
        library: String,
        /// The drive, as typed.
        drive: String,
        /// Those that it has.
        drives: Vec<String>,
    },
    /// No cartridge is in the drive.
    #[error("{drive} is empty")]
    DriveEmpty {
        /// The drive.
        drive: String,
    },
    /// Another cartridge is in the drive.
    #[error("{drive} is full: {volume} is in it")]
    DriveFull {
        /// The drive.
        drive: String,
        /// What is in it.
        volume: String,
    },
    /// The cartridge is in another drive than the one that was asked for.
    #[error("{volume} is in {drive}")]
    InAnotherDrive {
        /// The volume.
        volume: String,
        /// The drive that it is in.
        drive: String,
    },
    /// The cartridge is in a drive that is no device of this partition.
    #[error("{volume} is in the drive at element {address}, which is no device of this partition")]
    UnknownDrive {
        /// The volume.
        volume: String,
        /// The drive's element address.
        address: u16,
    },
    /// Every element of the kind is full.
    #[error("{library} has no free {what}")]
    NoneFree {
        /// The library.
        library: String,
        /// What there is none of: drive, storage element, import/export element.
        what: &'static str,
    },
    /// The library or a drive did not do it.
    #[error("{device}: {cause}")]
    Device {
        /// The device name.
        device: String,
        /// What it answered.
        #[source]
        cause: UnitError,
    },
    /// The devices were not reached.
    #[error(transparent)]
    Job(#[from] JobError),
}
