//! The operation codes of each device type with the bits of their CDBs that are evaluated, and what a command does: the
//! source of REPORT SUPPORTED OPERATION CODES, of the check for undefined bits and of reservation conflicts.

use crate::scsi::data::inquiry::PeripheralDeviceType;
use crate::scsi::{Command, FieldPointer};

/// An operation code, with one of its service actions where it has any.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CommandDescriptor {
    pub(super) code: u8,
    /// SERVICE ACTION in the low five bits of byte 1, for operation codes that have it.
    pub(super) service_action: Option<u8>,
    /// CDB USAGE DATA (SPC-4 6.35.3): the operation code, then the bits of every byte that are evaluated.
    pub(super) usage: &'static [u8],
}

/// What a command does, which decides how reservations of other initiators bear on it (SPC-4 5.13.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Allowed under every reservation.
    Free,
    /// Reads: in conflict with exclusive access.
    Read,
    /// Changes something: in conflict with every reservation.
    Write,
    /// Manages persistent reservations, whose own rules apply.
    Persistent,
}

impl Access {
    /// Returns what a command does.
    pub(super) fn of(command: &Command) -> Self {
        match command {
            Command::TestUnitReady
            | Command::RequestSense(_)
            | Command::Inquiry(_)
            | Command::Release(_)
            | Command::LogSense(_)
            | Command::ReportLuns(_)
            | Command::ReportSupportedOperationCodes(_)
            | Command::ReportSupportedTaskManagementFunctions(_)
            | Command::ReadBlockLimits
            | Command::ReportDensitySupport(_) => Self::Free,
            Command::ModeSense(_)
            | Command::PreventAllowMediumRemoval { .. }
            | Command::ReadAttribute(_)
            | Command::ReadElementStatus(_)
            | Command::Read(_)
            | Command::ReadPosition(_) => Self::Read,
            Command::ModeSelect(_)
            | Command::Reserve(_)
            | Command::SendDiagnostic { .. }
            | Command::WriteAttribute(_)
            | Command::InitializeElementStatus
            | Command::InitializeElementStatusWithRange(_)
            | Command::PositionToElement(_)
            | Command::MoveMedium(_)
            | Command::ExchangeMedium(_)
            | Command::Rewind { .. }
            | Command::Write(_)
            | Command::WriteFilemarks(_)
            | Command::Space(_)
            | Command::Erase(_)
            | Command::LoadUnload(_)
            | Command::Locate(_) => Self::Write,
            Command::PersistentReserveIn(_) | Command::PersistentReserveOut(_) => Self::Persistent,
        }
    }
}

impl CommandDescriptor {
    /// Returns all operations of a device type, by code and service action.
    pub(super) fn all(device_type: PeripheralDeviceType) -> Vec<&'static Self> {
        let mut operations: Vec<_> = Self::of(device_type).collect();
        operations.sort_by_key(|operation| (operation.code, operation.service_action));
        operations
    }

    /// Finds the operation of a CDB.
    pub(super) fn find(device_type: PeripheralDeviceType, cdb: &[u8; 16]) -> Option<&'static Self> {
        let [code, second, ..] = *cdb;
        Self::of(device_type)
            .filter(|operation| operation.code == code)
            .find(|operation| {
                operation
                    .service_action
                    .is_none_or(|action| action == second & 0x1f)
            })
    }

    fn of(device_type: PeripheralDeviceType) -> impl Iterator<Item = &'static Self> {
        let own = match device_type {
            PeripheralDeviceType::MEDIUM_CHANGER => CHANGER,
            PeripheralDeviceType::SEQUENTIAL_ACCESS => DRIVE,
            _ => &[],
        };
        EVERY_DEVICE.iter().chain(own)
    }

    /// Returns where the CDB has a bit set that the command does not define here.
    pub(super) fn undefined_bit(&self, cdb: &[u8; 16]) -> Option<FieldPointer> {
        (0u16..)
            .zip(cdb.iter().zip(self.usage))
            .skip(1)
            .find_map(|(byte, (value, usage))| {
                let bit = (value & !usage).checked_ilog2()?;
                Some(FieldPointer::in_cdb(byte, u8::try_from(bit).ok()))
            })
    }

    /// Returns the usage data as REPORT SUPPORTED OPERATION CODES gives it: the service action in the place of its
    /// bits.
    pub(super) fn usage_data(&self) -> Vec<u8> {
        let mut usage = self.usage.to_vec();
        if let (Some(action), Some(second)) = (self.service_action, usage.get_mut(1)) {
            *second = *second & 0xe0 | action;
        }
        usage
    }
}

/// Returns whether a pending unit attention lets the command through (SAM-5 5.14.1).
pub(super) fn passes_unit_attention(command: &Command) -> bool {
    matches!(
        command,
        Command::Inquiry(_) | Command::ReportLuns(_) | Command::RequestSense(_)
    )
}

const fn op(code: u8, service_action: Option<u8>, usage: &'static [u8]) -> CommandDescriptor {
    CommandDescriptor {
        code,
        service_action,
        usage,
    }
}

#[rustfmt::skip]
const EVERY_DEVICE: &[CommandDescriptor] = &[
    op(0x00, None, &[0x00, 0, 0, 0, 0, 0]),
    op(0x03, None, &[0x03, 0, 0, 0, 0xff, 0]),
    op(0x12, None, &[0x12, 0x01, 0xff, 0xff, 0xff, 0]),
    op(0x15, None, &[0x15, 0x11, 0, 0, 0xff, 0]),
    op(0x16, None, &[0x16, 0, 0, 0, 0, 0]),
    op(0x17, None, &[0x17, 0, 0, 0, 0, 0]),
    op(0x1a, None, &[0x1a, 0x08, 0xff, 0xff, 0xff, 0]),
    op(0x1d, None, &[0x1d, 0x04, 0, 0, 0, 0]),
    op(0x1e, None, &[0x1e, 0, 0, 0, 0x01, 0]),
    op(0x4d, None, &[0x4d, 0x01, 0xff, 0xff, 0, 0xff, 0xff, 0xff, 0xff, 0]),
    op(0x55, None, &[0x55, 0x11, 0, 0, 0, 0, 0, 0xff, 0xff, 0]),
    op(0x56, None, &[0x56, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
    op(0x57, None, &[0x57, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
    op(0x5a, None, &[0x5a, 0x18, 0xff, 0xff, 0, 0, 0, 0xff, 0xff, 0]),
    op(0x5e, Some(0), PR_IN),
    op(0x5e, Some(1), PR_IN),
    op(0x5e, Some(2), PR_IN),
    op(0x5e, Some(3), PR_IN),
    op(0x5f, Some(0), PR_OUT),
    op(0x5f, Some(1), PR_OUT),
    op(0x5f, Some(2), PR_OUT),
    op(0x5f, Some(3), PR_OUT),
    op(0x5f, Some(4), PR_OUT),
    op(0x5f, Some(6), PR_OUT),
    op(0xa0, None, &[0xa0, 0, 0xff, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0]),
    op(0xa3, Some(0x0c), &[0xa3, 0x1f, 0x87, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0]),
    op(0xa3, Some(0x0d), &[0xa3, 0x1f, 0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0]),
];

const PR_IN: &[u8] = &[0x5e, 0x1f, 0, 0, 0, 0, 0, 0xff, 0xff, 0];
const PR_OUT: &[u8] = &[0x5f, 0x1f, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff, 0];

#[rustfmt::skip]
const CHANGER: &[CommandDescriptor] = &[
    op(0x07, None, &[0x07, 0, 0, 0, 0, 0]),
    op(0x2b, None, &[0x2b, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]),
    op(0x37, None, &[0x37, 0x03, 0xff, 0xff, 0, 0, 0xff, 0xff, 0, 0]),
    op(0xa5, None, &[0xa5, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]),
    op(0xa6, None, &[0xa6, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0]),
    op(0xe7, None, &[0xe7, 0x81, 0xff, 0xff, 0, 0, 0xff, 0xff, 0, 0]),
    op(0xb8, None, &[0xb8, 0x1f, 0xff, 0xff, 0xff, 0xff, 0x03, 0xff, 0xff, 0xff, 0, 0]),
];

#[rustfmt::skip]
const DRIVE: &[CommandDescriptor] = &[
    op(0x01, None, &[0x01, 0x01, 0, 0, 0, 0]),
    op(0x05, None, &[0x05, 0, 0, 0, 0, 0]),
    op(0x08, None, &[0x08, 0x03, 0xff, 0xff, 0xff, 0]),
    op(0x0a, None, &[0x0a, 0x01, 0xff, 0xff, 0xff, 0]),
    op(0x10, None, &[0x10, 0x01, 0xff, 0xff, 0xff, 0]),
    op(0x11, None, &[0x11, 0x0f, 0xff, 0xff, 0xff, 0]),
    op(0x19, None, &[0x19, 0x03, 0, 0, 0, 0]),
    op(0x1b, None, &[0x1b, 0x01, 0, 0, 0x07, 0]),
    op(0x2b, None, &[0x2b, 0x07, 0, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0]),
    op(0x34, Some(0x00), READ_POSITION),
    op(0x34, Some(0x01), READ_POSITION),
    op(0x34, Some(0x06), READ_POSITION),
    op(0x34, Some(0x08), READ_POSITION),
    op(0x44, None, &[0x44, 0x01, 0, 0, 0, 0, 0, 0xff, 0xff, 0]),
    op(0x8c, Some(0x00), READ_ATTRIBUTE),
    op(0x8c, Some(0x01), READ_ATTRIBUTE),
    op(0x8c, Some(0x02), READ_ATTRIBUTE),
    op(0x8c, Some(0x03), READ_ATTRIBUTE),
    op(0x8c, Some(0x05), READ_ATTRIBUTE),
    op(0x8d, None, &[0x8d, 0x01, 0, 0, 0, 0xff, 0, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0]),
    op(0x91, None, &[0x91, 0x0f, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]),
    op(0x92, None, &[0x92, 0x3b, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]),
];

const READ_ATTRIBUTE: &[u8] = &[
    0x8c, 0x1f, 0, 0, 0, 0xff, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0,
];
const READ_POSITION: &[u8] = &[0x34, 0x1f, 0, 0, 0, 0, 0, 0xff, 0xff, 0];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scsi::command::ParseError;

    #[test]
    fn every_entry_begins_with_its_code_and_is_there_once() {
        for device_type in [
            PeripheralDeviceType::MEDIUM_CHANGER,
            PeripheralDeviceType::SEQUENTIAL_ACCESS,
        ] {
            let all = CommandDescriptor::all(device_type);
            for operation in &all {
                assert_eq!(operation.usage.first(), Some(&operation.code));
                let length = match operation.code >> 5 {
                    0 => 6,
                    // E7h is vendor specific: IBM's libraries have ten bytes for it.
                    1 | 2 | 7 => 10,
                    4 => 16,
                    _ => 12,
                };
                assert_eq!(operation.usage.len(), length, "{:02x}", operation.code);
                let has_action = operation.service_action.is_some();
                assert!(!has_action || operation.usage[1] & 0x1f == 0x1f);
            }
            assert!(all.windows(2).all(|pair| {
                (pair[0].code, pair[0].service_action) < (pair[1].code, pair[1].service_action)
            }));
        }
    }

    /// What is not listed is no operation code of the device type, but for medium auxiliary memory, which parsing knows for
    /// every device and the changer here does not have.
    #[test]
    fn what_is_listed_is_what_is_parsed() {
        for device_type in [
            PeripheralDeviceType::MEDIUM_CHANGER,
            PeripheralDeviceType::SEQUENTIAL_ACCESS,
        ] {
            for code in 0..=u8::MAX {
                let listed: Vec<_> = CommandDescriptor::all(device_type)
                    .into_iter()
                    .filter(|operation| operation.code == code)
                    .collect();
                let mut cdb = [0; 16];
                cdb[0] = code;
                let parsed = Command::parse(device_type, &cdb);
                let is_known = parsed != Err(ParseError::OperationCode);
                let of_drive = matches!(code, 0x8c | 0x8d);
                let is_changer = device_type == PeripheralDeviceType::MEDIUM_CHANGER;
                let is_answered = is_known && !(of_drive && is_changer);
                assert_eq!(!listed.is_empty(), is_answered, "{code:02x}");
                for operation in listed {
                    cdb[1] = operation.service_action.unwrap_or(0);
                    let command = Command::parse(device_type, &cdb);
                    let no_action = Err(ParseError::Field(FieldPointer::in_cdb(1, Some(4))));
                    assert_ne!(command, no_action, "{code:02x} {:02x}", cdb[1]);
                }
            }
        }
    }

    #[test]
    fn the_highest_undefined_bit_is_pointed_at() {
        let undefined = |cdb: &[u8]| {
            let mut padded = [0; 16];
            padded[..cdb.len()].copy_from_slice(cdb);
            let device_type = PeripheralDeviceType::SEQUENTIAL_ACCESS;
            CommandDescriptor::find(device_type, &padded)
                .unwrap()
                .undefined_bit(&padded)
        };
        assert_eq!(undefined(&[0x08, 0x03, 0xff]), None);
        let third = Some(FieldPointer::in_cdb(1, Some(5)));
        assert_eq!(undefined(&[0x08, 0x2b]), third);
        let control = Some(FieldPointer::in_cdb(5, Some(2)));
        assert_eq!(undefined(&[0x00, 0, 0, 0, 0, 4]), control);
    }
}
