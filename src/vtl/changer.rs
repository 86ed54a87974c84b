//! The medium changer.

use super::configuration::LibraryConfiguration;
use super::logical_unit::{Identity, LogicalUnit};
use super::mode::ModePages;
use crate::scsi::spc::PeripheralDeviceType;
use crate::scsi::vpd::MachineTypeModel;

#[derive(Debug)]
pub(super) struct Changer {
    pub(super) unit: LogicalUnit,
}

impl Changer {
    pub(super) fn new(serial: &str, _configuration: &LibraryConfiguration) -> Self {
        let identity = Identity {
            device_type: PeripheralDeviceType::MEDIUM_CHANGER,
            product: *b"03584L32        ",
            serial: format!("{serial}0401"),
            vendor_specific: [0; 20],
            type_model: Some(MachineTypeModel {
                machine_type: 3584,
                model: 403,
            }),
        };
        Self {
            unit: LogicalUnit::new(identity, ModePages::default()),
        }
    }
}
