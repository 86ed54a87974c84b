//! The tape drive.

use super::configuration::DriveType;
use super::logical_unit::{Identity, LogicalUnit};
use super::mode::ModePages;
use crate::scsi::spc::PeripheralDeviceType;

#[derive(Debug)]
pub(super) struct Drive {
    pub(super) unit: LogicalUnit,
}

impl Drive {
    pub(super) fn new(library_serial: &str, number: u16, drive_type: DriveType) -> Self {
        let tail = library_serial.get(6..).unwrap_or_default();
        let identity = Identity {
            device_type: PeripheralDeviceType::SEQUENTIAL_ACCESS,
            product: drive_type.product(),
            serial: format!("{tail}{number:04}"),
            vendor_specific: [0; 20],
            type_model: None,
        };
        Self {
            unit: LogicalUnit::new(identity, ModePages::default()),
        }
    }
}
