use proptest::prelude::*;

use super::*;
use crate::scsi::data::element_status::ElementType;

const CHANGER: PeripheralDeviceType = PeripheralDeviceType::MEDIUM_CHANGER;
const TAPE: PeripheralDeviceType = PeripheralDeviceType::SEQUENTIAL_ACCESS;

fn padded(bytes: &[u8]) -> [u8; 16] {
    let mut cdb = [0; 16];
    cdb[..bytes.len()].copy_from_slice(bytes);
    cdb
}

/// Asserts that the command has these bytes, is read back from them, and transfers so much with blocks of 512 bytes.
#[track_caller]
fn is(device_type: PeripheralDeviceType, command: Command, bytes: &[u8], transfer: Transfer) {
    assert_eq!(command.cdb().as_bytes(), bytes);
    assert_eq!(Command::parse(device_type, &padded(bytes)), Ok(command));
    assert_eq!(command.transfer(512), transfer);
}

#[test]
fn commands_of_every_device_are_as_the_standard_draws_them() {
    let cases: [(Command, &[u8], Transfer); 22] = [
        (Command::TestUnitReady, &[0; 6], Transfer::None),
        (
            Command::RequestSense(RequestSense {
                descriptor_format: true,
                allocation_length: 96,
            }),
            &[3, 1, 0, 0, 96, 0],
            Transfer::In(96),
        ),
        (
            Command::Inquiry(Inquiry::standard(0x60)),
            &[0x12, 0, 0, 0, 0x60, 0],
            Transfer::In(0x60),
        ),
        (
            Command::Inquiry(Inquiry::vpd(0x83, 0x1234)),
            &[0x12, 1, 0x83, 0x12, 0x34, 0],
            Transfer::In(0x1234),
        ),
        (
            Command::ModeSelect(ModeSelect {
                cdb_length: CdbLength::Six,
                page_format: true,
                save_pages: false,
                parameter_list_length: 12,
            }),
            &[0x15, 0x10, 0, 0, 12, 0],
            Transfer::Out(12),
        ),
        (
            Command::ModeSelect(ModeSelect {
                cdb_length: CdbLength::Ten,
                page_format: true,
                save_pages: true,
                parameter_list_length: 0x0110,
            }),
            &[0x55, 0x11, 0, 0, 0, 0, 0, 1, 0x10, 0],
            Transfer::Out(0x0110),
        ),
        (
            Command::Reserve(CdbLength::Six),
            &[0x16, 0, 0, 0, 0, 0],
            Transfer::None,
        ),
        (
            Command::Release(CdbLength::Ten),
            &[0x57, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            Transfer::None,
        ),
        (
            Command::ModeSense(ModeSense::page6(0x1d, 255)),
            &[0x1a, 8, 0x1d, 0, 255, 0],
            Transfer::In(255),
        ),
        (
            Command::ModeSense(ModeSense {
                page_control: PageControl::Saved,
                subpage_code: 0xff,
                long_lba_accepted: true,
                ..ModeSense::page10(0x3f, 0x0102)
            }),
            &[0x5a, 0x18, 0xff, 0xff, 0, 0, 0, 1, 2, 0],
            Transfer::In(0x0102),
        ),
        (
            Command::SendDiagnostic { self_test: true },
            &[0x1d, 4, 0, 0, 0, 0],
            Transfer::None,
        ),
        (
            Command::PreventAllowMediumRemoval { prevent: true },
            &[0x1e, 0, 0, 0, 1, 0],
            Transfer::None,
        ),
        (
            Command::LogSense(LogSense {
                parameter_pointer: 3,
                ..LogSense::page(0x31, 0x0200)
            }),
            &[0x4d, 0, 0x71, 0, 0, 0, 3, 2, 0, 0],
            Transfer::In(0x0200),
        ),
        (
            Command::PersistentReserveIn(PersistentReserveIn {
                action: ReserveInAction::ReadReservation,
                allocation_length: 0x0108,
            }),
            &[0x5e, 1, 0, 0, 0, 0, 0, 1, 8, 0],
            Transfer::In(0x0108),
        ),
        (
            Command::PersistentReserveOut(PersistentReserveOut {
                action: ReserveOutAction::RegisterAndIgnoreExistingKey,
                scope: 0,
                reservation_type: 3,
                parameter_list_length: 24,
            }),
            &[0x5f, 6, 3, 0, 0, 0, 0, 0, 24, 0],
            Transfer::Out(24),
        ),
        (
            Command::ReadAttribute(ReadAttribute::values(0x0400, 0x0102_0304)),
            &[0x8c, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 2, 3, 4, 0, 0],
            Transfer::In(0x0102_0304),
        ),
        (
            Command::ReadAttribute(ReadAttribute {
                action: ReadAttributeAction::Supported,
                element_address: 0x0401,
                logical_volume: 1,
                partition: 2,
                first_attribute: 0,
                allocation_length: 64,
            }),
            &[0x8c, 5, 4, 1, 0, 1, 0, 2, 0, 0, 0, 0, 0, 64, 0, 0],
            Transfer::In(64),
        ),
        (
            Command::WriteAttribute(WriteAttribute {
                write_through: true,
                element_address: 0,
                logical_volume: 0,
                partition: 0,
                parameter_list_length: 41,
            }),
            &[0x8d, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 41, 0, 0],
            Transfer::Out(41),
        ),
        (
            Command::ReportLuns(ReportLuns::logical_units(16 * 1024 + 8)),
            &[0xa0, 0, 0, 0, 0, 0, 0, 0, 0x40, 8, 0, 0],
            Transfer::In(16392),
        ),
        (
            Command::ReportLuns(ReportLuns {
                select: SelectReport::All,
                allocation_length: 16,
            }),
            &[0xa0, 0, 2, 0, 0, 0, 0, 0, 0, 16, 0, 0],
            Transfer::In(16),
        ),
        (
            Command::ReportSupportedOperationCodes(ReportSupportedOperationCodes {
                timeouts: true,
                options: ReportingOptions::Either,
                operation_code: 0x5e,
                service_action: 2,
                allocation_length: 255,
            }),
            &[0xa3, 0x0c, 0x83, 0x5e, 0, 2, 0, 0, 0, 255, 0, 0],
            Transfer::In(255),
        ),
        (
            Command::ReportSupportedTaskManagementFunctions(
                ReportSupportedTaskManagementFunctions {
                    extended: false,
                    allocation_length: 4,
                },
            ),
            &[0xa3, 0x0d, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0],
            Transfer::In(4),
        ),
    ];
    for device_type in [CHANGER, TAPE, PeripheralDeviceType::DIRECT_ACCESS] {
        for (command, bytes, transfer) in cases {
            is(device_type, command, bytes, transfer);
        }
    }
}

#[test]
fn commands_of_medium_changers_are_as_the_standard_draws_them() {
    let range = InitializeElementStatusWithRange {
        operation_code: RangeOperationCode::Standard,
        range: true,
        fast: true,
        first: 0x0401,
        count: 9,
    };
    let vendor_specific = InitializeElementStatusWithRange {
        operation_code: RangeOperationCode::VendorSpecific,
        ..range
    };
    let status = ReadElementStatus {
        element_type: Some(ElementType::DataTransfer),
        volume_tag: true,
        first: 0x0102,
        count: 3,
        device_id: true,
        current_data: false,
        allocation_length: 0x01_0008,
    };
    let cases: [(Command, &[u8], Transfer); 8] = [
        (
            Command::InitializeElementStatus,
            &[7, 0, 0, 0, 0, 0],
            Transfer::None,
        ),
        (
            Command::InitializeElementStatusWithRange(range),
            &[0x37, 3, 4, 1, 0, 0, 0, 9, 0, 0],
            Transfer::None,
        ),
        (
            Command::InitializeElementStatusWithRange(vendor_specific),
            &[0xe7, 0x81, 4, 1, 0, 0, 0, 9, 0, 0],
            Transfer::None,
        ),
        (
            Command::PositionToElement(PositionToElement {
                transport: 1,
                destination: 0x0401,
            }),
            &[0x2b, 0, 0, 1, 4, 1, 0, 0, 0, 0],
            Transfer::None,
        ),
        (
            Command::MoveMedium(MoveMedium {
                transport: 1,
                source: 0x0401,
                destination: 0x0101,
            }),
            &[0xa5, 0, 0, 1, 4, 1, 1, 1, 0, 0, 0, 0],
            Transfer::None,
        ),
        (
            Command::ExchangeMedium(ExchangeMedium {
                transport: 1,
                source: 0x0401,
                first_destination: 0x0101,
                second_destination: 0x0402,
            }),
            &[0xa6, 0, 0, 1, 4, 1, 1, 1, 4, 2, 0, 0],
            Transfer::None,
        ),
        (
            Command::ReadElementStatus(status),
            &[0xb8, 0x14, 1, 2, 0, 3, 1, 1, 0, 8, 0, 0],
            Transfer::In(0x01_0008),
        ),
        (
            Command::ReadElementStatus(ReadElementStatus {
                current_data: true,
                allocation_length: 8,
                ..ReadElementStatus::all_of(ElementType::MediumTransport, 0)
            }),
            &[0xb8, 1, 0, 0, 0xff, 0xff, 2, 0, 0, 8, 0, 0],
            Transfer::In(8),
        ),
    ];
    for (command, bytes, transfer) in cases {
        is(CHANGER, command, bytes, transfer);
    }
    let too_long =
        Command::ReadElementStatus(ReadElementStatus::all_of(ElementType::Storage, u32::MAX));
    assert_eq!(too_long.cdb().as_bytes()[7..10], [0xff, 0xff, 0xff]);
    assert_eq!(too_long.transfer(0), Transfer::In(0x00ff_ffff));
}

#[test]
fn commands_of_tape_drives_are_as_the_standard_draws_them() {
    let space = |code, count| Command::Space(Space { code, count });
    let locate = |partition, destination| {
        Command::Locate(Locate {
            immediate: false,
            partition,
            destination,
        })
    };
    let far = 0x1_0000_0002;
    let cases: [(Command, &[u8], Transfer); 26] = [
        (
            Command::Rewind { immediate: true },
            &[1, 1, 0, 0, 0, 0],
            Transfer::None,
        ),
        (
            Command::ReadBlockLimits,
            &[5, 0, 0, 0, 0, 0],
            Transfer::In(6),
        ),
        (
            Command::Read(Read {
                suppress_incorrect_length: true,
                ..Read::variable(0x01_0203)
            }),
            &[8, 2, 1, 2, 3, 0],
            Transfer::In(0x01_0203),
        ),
        (
            Command::Read(Read {
                fixed: true,
                ..Read::variable(3)
            }),
            &[8, 1, 0, 0, 3, 0],
            Transfer::In(1536),
        ),
        (
            Command::Write(Write::variable(0x80_0000)),
            &[0x0a, 0, 0x80, 0, 0, 0],
            Transfer::Out(0x80_0000),
        ),
        (
            Command::Write(Write {
                fixed: true,
                length: 4,
            }),
            &[0x0a, 1, 0, 0, 4, 0],
            Transfer::Out(2048),
        ),
        (
            Command::Read(Read::variable(0)),
            &[8, 0, 0, 0, 0, 0],
            Transfer::None,
        ),
        (
            Command::WriteFilemarks(WriteFilemarks {
                immediate: true,
                count: 0x0102,
            }),
            &[0x10, 1, 0, 1, 2, 0],
            Transfer::None,
        ),
        (
            space(SpaceCode::Filemarks, -2),
            &[0x11, 1, 0xff, 0xff, 0xfe, 0],
            Transfer::None,
        ),
        (
            space(SpaceCode::Blocks, 0x7f_ffff),
            &[0x11, 0, 0x7f, 0xff, 0xff, 0],
            Transfer::None,
        ),
        (
            space(SpaceCode::EndOfData, 0),
            &[0x11, 3, 0, 0, 0, 0],
            Transfer::None,
        ),
        (
            space(SpaceCode::Blocks, -0x80_0001),
            &[
                0x91, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0, 0, 0, 0,
            ],
            Transfer::None,
        ),
        (
            Command::Erase(Erase {
                immediate: true,
                long: false,
            }),
            &[0x19, 2, 0, 0, 0, 0],
            Transfer::None,
        ),
        (
            Command::LoadUnload(LoadUnload::LOAD),
            &[0x1b, 0, 0, 0, 1, 0],
            Transfer::None,
        ),
        (
            Command::LoadUnload(LoadUnload {
                immediate: true,
                retension: true,
                at_end: true,
                ..LoadUnload::UNLOAD
            }),
            &[0x1b, 1, 0, 0, 6, 0],
            Transfer::None,
        ),
        (
            locate(Some(9), Destination::Object(0x0102_0304)),
            &[0x2b, 2, 0, 1, 2, 3, 4, 0, 9, 0],
            Transfer::None,
        ),
        (
            locate(None, Destination::DeviceSpecific(7)),
            &[0x2b, 4, 0, 0, 0, 0, 7, 0, 0, 0],
            Transfer::None,
        ),
        (
            locate(None, Destination::Object(far)),
            &[0x92, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0],
            Transfer::None,
        ),
        (
            locate(Some(7), Destination::File(far)),
            &[0x92, 0x0a, 0, 7, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0],
            Transfer::None,
        ),
        (
            locate(None, Destination::EndOfData),
            &[0x92, 0x18, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            Transfer::None,
        ),
        (
            Command::ReadPosition(ReadPosition::new(PositionForm::Short)),
            &[0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            Transfer::In(20),
        ),
        (
            Command::ReadPosition(ReadPosition::new(PositionForm::ShortDeviceSpecific)),
            &[0x34, 1, 0, 0, 0, 0, 0, 0, 0, 0],
            Transfer::In(20),
        ),
        (
            Command::ReadPosition(ReadPosition::new(PositionForm::Long)),
            &[0x34, 6, 0, 0, 0, 0, 0, 0, 0, 0],
            Transfer::In(32),
        ),
        (
            Command::ReadPosition(ReadPosition::new(PositionForm::Extended)),
            &[0x34, 8, 0, 0, 0, 0, 0, 0, 32, 0],
            Transfer::In(32),
        ),
        (
            Command::ReportDensitySupport(ReportDensitySupport {
                media: true,
                allocation_length: 0x0100,
            }),
            &[0x44, 1, 0, 0, 0, 0, 0, 1, 0, 0],
            Transfer::In(0x0100),
        ),
        (
            Command::ReadAttribute(ReadAttribute::values(0, 4)),
            &[0x8c, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0],
            Transfer::In(4),
        ),
    ];
    for (command, bytes, transfer) in cases {
        is(TAPE, command, bytes, transfer);
    }
}

#[test]
fn an_operation_code_belongs_to_its_device_types() {
    for (device_type, code) in [
        (CHANGER, 0x08),
        (TAPE, 0xa5),
        (PeripheralDeviceType::DIRECT_ACCESS, 0x01),
        (TAPE, 0xff),
    ] {
        assert_eq!(
            Command::parse(device_type, &padded(&[code])),
            Err(ParseError::OperationCode)
        );
    }
    let both = padded(&[0x2b, 0, 0, 1, 4, 1]);
    assert!(matches!(
        Command::parse(CHANGER, &both),
        Ok(Command::PositionToElement(_))
    ));
    assert!(matches!(
        Command::parse(TAPE, &both),
        Ok(Command::Locate(_))
    ));
}

#[test]
fn a_value_that_no_standard_defines_is_pointed_at() {
    let cases: [(PeripheralDeviceType, &[u8], u16, u8); 12] = [
        (TAPE, &[0x12, 0, 0x80], 2, 7),
        (TAPE, &[0x34, 7], 1, 4),
        (TAPE, &[0x34, 6, 0, 0, 0, 0, 0, 0, 32], 7, 7),
        (TAPE, &[0x11, 2], 1, 3),
        (TAPE, &[0x92, 0x10], 1, 4),
        (TAPE, &[0x5e, 4], 1, 4),
        (TAPE, &[0x5f, 7], 1, 4),
        (TAPE, &[0x8c, 4], 1, 4),
        (TAPE, &[0xa3, 0x0b], 1, 4),
        (CHANGER, &[0xb8, 5], 1, 3),
        (CHANGER, &[0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 15], 6, 7),
        (CHANGER, &[0xa0, 0, 9, 0, 0, 0, 0, 0, 0, 16], 2, 7),
    ];
    for (device_type, bytes, byte, bit) in cases {
        assert_eq!(
            Command::parse(device_type, &padded(bytes)),
            Err(ParseError::Field(FieldPointer::in_cdb(byte, Some(bit)))),
            "{bytes:02x?}"
        );
    }
}

proptest! {
    /// What is parsed from any CDB is encoded and parsed again without a change.
    #[test]
    fn every_command_survives_its_cdb(mut cdb in any::<[u8; 16]>(), code in 0u8..=0xff, changer: bool) {
        cdb[0] = code;
        let device_type = if changer { CHANGER } else { TAPE };
        if let Ok(command) = Command::parse(device_type, &cdb) {
            let bytes = padded(command.cdb().as_bytes());
            prop_assert_eq!(Command::parse(device_type, &bytes), Ok(command));
        }
    }
}
