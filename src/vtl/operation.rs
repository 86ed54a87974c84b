//! The operation codes of each device type: the one source for dispatch, for reservation conflicts and for REPORT
//! SUPPORTED OPERATION CODES.

use crate::scsi::spc::PeripheralDeviceType;

/// A command that a device type takes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Operation {
    pub(super) code: u8,
    /// SERVICE ACTION in the low five bits of byte 1, for operation codes that have it.
    pub(super) service_action: Option<u8>,
    pub(super) command: Command,
    pub(super) access: Access,
    /// CDB USAGE DATA (SPC-4 6.35.3): the operation code, then the bits of every byte that are looked at.
    pub(super) usage: &'static [u8],
}

/// What a command does, which decides how reservations of other initiators bear on it (SPC-4 5.13.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Done whoever has reserved the logical unit.
    Free,
    /// Reads: in conflict with exclusive access.
    Read,
    /// Changes something: in conflict with every reservation.
    Write,
    /// Manages persistent reservations, whose own rules apply.
    Persistent,
}

/// The name of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    // Every device (SPC-4).
    TestUnitReady,
    RequestSense,
    Inquiry,
    ModeSelect6,
    ModeSelect10,
    ModeSense6,
    ModeSense10,
    Reserve,
    Release,
    SendDiagnostic,
    PreventAllowMediumRemoval,
    LogSense,
    PersistentReserveIn,
    PersistentReserveOut,
    ReportLuns,
    ReportSupportedOperationCodes,
    ReportSupportedTaskManagementFunctions,
    // Medium changers (SMC-3).
    InitializeElementStatus,
    InitializeElementStatusWithRange,
    PositionToElement,
    MoveMedium,
    ExchangeMedium,
    ReadElementStatus,
    // Tape drives (SSC-4).
    Rewind,
    ReadBlockLimits,
    Read,
    Write,
    WriteFilemarks,
    Space6,
    Space16,
    Erase,
    LoadUnload,
    Locate10,
    Locate16,
    ReadPosition,
    ReportDensitySupport,
}

impl Operation {
    /// Returns all operations of a device type, by code and service action.
    pub(super) fn all(device_type: PeripheralDeviceType) -> Vec<&'static Self> {
        let mut operations: Vec<_> = Self::of(device_type).collect();
        operations.sort_by_key(|operation| (operation.code, operation.service_action));
        operations
    }

    /// Finds the operation of a CDB.
    pub(super) fn find(device_type: PeripheralDeviceType, cdb: &[u8; 16]) -> Found {
        let [code, second, ..] = *cdb;
        let mut known = false;
        for operation in Self::of(device_type).filter(|operation| operation.code == code) {
            known = true;
            if operation
                .service_action
                .is_none_or(|action| action == second & 0x1f)
            {
                return Found::Operation(operation);
            }
        }
        if known {
            Found::NoSuchServiceAction
        } else {
            Found::Nothing
        }
    }

    fn of(device_type: PeripheralDeviceType) -> impl Iterator<Item = &'static Self> {
        let own = match device_type {
            PeripheralDeviceType::MEDIUM_CHANGER => CHANGER,
            PeripheralDeviceType::SEQUENTIAL_ACCESS => DRIVE,
            _ => &[],
        };
        EVERY_DEVICE.iter().chain(own)
    }

    /// Returns whether the CDB has a bit set that the command does not define here.
    pub(super) fn has_undefined_bits(&self, cdb: &[u8; 16]) -> bool {
        cdb.iter()
            .zip(self.usage)
            .skip(1)
            .any(|(byte, usage)| byte & !usage != 0)
    }

    /// Returns whether a pending unit attention lets the command through (SAM-5 5.14.1).
    pub(super) fn passes_unit_attention(&self) -> bool {
        matches!(
            self.command,
            Command::Inquiry | Command::ReportLuns | Command::RequestSense
        )
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

/// What [`Operation::find`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Operation(&'static Operation),
    NoSuchServiceAction,
    Nothing,
}

const fn op(
    code: u8,
    service_action: Option<u8>,
    command: Command,
    access: Access,
    usage: &'static [u8],
) -> Operation {
    Operation {
        code,
        service_action,
        command,
        access,
        usage,
    }
}

#[rustfmt::skip]
const EVERY_DEVICE: &[Operation] = &[
    op(0x00, None, Command::TestUnitReady, Access::Free, &[0x00, 0, 0, 0, 0, 0]),
    op(0x03, None, Command::RequestSense, Access::Free, &[0x03, 0, 0, 0, 0xff, 0]),
    op(0x12, None, Command::Inquiry, Access::Free, &[0x12, 0x01, 0xff, 0xff, 0xff, 0]),
    op(0x15, None, Command::ModeSelect6, Access::Write, &[0x15, 0x11, 0, 0, 0xff, 0]),
    op(0x16, None, Command::Reserve, Access::Write, &[0x16, 0, 0, 0, 0, 0]),
    op(0x17, None, Command::Release, Access::Free, &[0x17, 0, 0, 0, 0, 0]),
    op(0x1a, None, Command::ModeSense6, Access::Read, &[0x1a, 0x08, 0xff, 0xff, 0xff, 0]),
    op(0x1d, None, Command::SendDiagnostic, Access::Write, &[0x1d, 0x04, 0, 0, 0, 0]),
    op(0x1e, None, Command::PreventAllowMediumRemoval, Access::Read, &[0x1e, 0, 0, 0, 0x01, 0]),
    op(0x4d, None, Command::LogSense, Access::Free, &[0x4d, 0x01, 0xff, 0xff, 0, 0xff, 0xff, 0xff, 0xff, 0]),
    op(0x55, None, Command::ModeSelect10, Access::Write, &[0x55, 0x11, 0, 0, 0, 0, 0, 0xff, 0xff, 0]),
    op(0x56, None, Command::Reserve, Access::Write, &[0x56, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
    op(0x57, None, Command::Release, Access::Free, &[0x57, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
    op(0x5a, None, Command::ModeSense10, Access::Read, &[0x5a, 0x18, 0xff, 0xff, 0, 0, 0, 0xff, 0xff, 0]),
    op(0x5e, Some(0), Command::PersistentReserveIn, Access::Persistent, PR_IN),
    op(0x5e, Some(1), Command::PersistentReserveIn, Access::Persistent, PR_IN),
    op(0x5e, Some(2), Command::PersistentReserveIn, Access::Persistent, PR_IN),
    op(0x5e, Some(3), Command::PersistentReserveIn, Access::Persistent, PR_IN),
    op(0x5f, Some(0), Command::PersistentReserveOut, Access::Persistent, PR_OUT),
    op(0x5f, Some(1), Command::PersistentReserveOut, Access::Persistent, PR_OUT),
    op(0x5f, Some(2), Command::PersistentReserveOut, Access::Persistent, PR_OUT),
    op(0x5f, Some(3), Command::PersistentReserveOut, Access::Persistent, PR_OUT),
    op(0x5f, Some(4), Command::PersistentReserveOut, Access::Persistent, PR_OUT),
    op(0x5f, Some(6), Command::PersistentReserveOut, Access::Persistent, PR_OUT),
    op(0xa0, None, Command::ReportLuns, Access::Free, &[0xa0, 0, 0xff, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0]),
    op(0xa3, Some(0x0c), Command::ReportSupportedOperationCodes, Access::Free,
        &[0xa3, 0x1f, 0x87, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0]),
    op(0xa3, Some(0x0d), Command::ReportSupportedTaskManagementFunctions, Access::Free,
        &[0xa3, 0x1f, 0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0]),
];

const PR_IN: &[u8] = &[0x5e, 0x1f, 0, 0, 0, 0, 0, 0xff, 0xff, 0];
const PR_OUT: &[u8] = &[0x5f, 0x1f, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff, 0];

#[rustfmt::skip]
const CHANGER: &[Operation] = &[
    op(0x07, None, Command::InitializeElementStatus, Access::Write, &[0x07, 0, 0, 0, 0, 0]),
    op(0x2b, None, Command::PositionToElement, Access::Write, &[0x2b, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]),
    op(0x37, None, Command::InitializeElementStatusWithRange, Access::Write,
        &[0x37, 0x03, 0xff, 0xff, 0, 0, 0xff, 0xff, 0, 0]),
    op(0xa5, None, Command::MoveMedium, Access::Write,
        &[0xa5, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]),
    op(0xa6, None, Command::ExchangeMedium, Access::Write,
        &[0xa6, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0]),
    op(0xb8, None, Command::ReadElementStatus, Access::Read,
        &[0xb8, 0x1f, 0xff, 0xff, 0xff, 0xff, 0x03, 0xff, 0xff, 0xff, 0, 0]),
];

#[rustfmt::skip]
const DRIVE: &[Operation] = &[
    op(0x01, None, Command::Rewind, Access::Write, &[0x01, 0x01, 0, 0, 0, 0]),
    op(0x05, None, Command::ReadBlockLimits, Access::Free, &[0x05, 0, 0, 0, 0, 0]),
    op(0x08, None, Command::Read, Access::Read, &[0x08, 0x03, 0xff, 0xff, 0xff, 0]),
    op(0x0a, None, Command::Write, Access::Write, &[0x0a, 0x01, 0xff, 0xff, 0xff, 0]),
    op(0x10, None, Command::WriteFilemarks, Access::Write, &[0x10, 0x01, 0xff, 0xff, 0xff, 0]),
    op(0x11, None, Command::Space6, Access::Write, &[0x11, 0x0f, 0xff, 0xff, 0xff, 0]),
    op(0x19, None, Command::Erase, Access::Write, &[0x19, 0x03, 0, 0, 0, 0]),
    op(0x1b, None, Command::LoadUnload, Access::Write, &[0x1b, 0x01, 0, 0, 0x07, 0]),
    op(0x2b, None, Command::Locate10, Access::Write, &[0x2b, 0x03, 0, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0]),
    op(0x34, Some(0x00), Command::ReadPosition, Access::Read, READ_POSITION),
    op(0x34, Some(0x06), Command::ReadPosition, Access::Read, READ_POSITION),
    op(0x34, Some(0x08), Command::ReadPosition, Access::Read, READ_POSITION),
    op(0x44, None, Command::ReportDensitySupport, Access::Free, &[0x44, 0x01, 0, 0, 0, 0, 0, 0xff, 0xff, 0]),
    op(0x91, None, Command::Space16, Access::Write,
        &[0x91, 0x0f, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]),
    op(0x92, None, Command::Locate16, Access::Write,
        &[0x92, 0x3b, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]),
];

const READ_POSITION: &[u8] = &[0x34, 0x1f, 0, 0, 0, 0, 0, 0xff, 0xff, 0];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_begins_with_its_code_and_is_there_once() {
        for device_type in [
            PeripheralDeviceType::MEDIUM_CHANGER,
            PeripheralDeviceType::SEQUENTIAL_ACCESS,
        ] {
            let all = Operation::all(device_type);
            for operation in &all {
                assert_eq!(operation.usage.first(), Some(&operation.code));
                let length = match operation.code >> 5 {
                    0 => 6,
                    1 | 2 => 10,
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

    #[test]
    fn a_service_action_that_is_not_there_is_told_from_a_code_that_is_not() {
        let find = |code, second| {
            let mut cdb = [0; 16];
            cdb[0] = code;
            cdb[1] = second;
            Operation::find(PeripheralDeviceType::SEQUENTIAL_ACCESS, &cdb)
        };
        assert!(matches!(
            find(0x34, 0x06),
            Found::Operation(Operation {
                command: Command::ReadPosition,
                ..
            })
        ));
        assert_eq!(find(0x34, 0x07), Found::NoSuchServiceAction);
        assert_eq!(find(0xa5, 0), Found::Nothing);
    }
}
