//! Commands that every SCSI device takes (SPC-4).

use super::{Command, ParseError};
use crate::scsi::Cdb;

/// Parses the commands of every device; `None` for an operation code that is none of theirs.
pub(super) fn parse(cdb: &[u8; 16]) -> Option<Result<Command, ParseError>> {
    let [code, second, _, _, fifth, ..] = *cdb;
    Some(Ok(match code {
        0x00 => Command::TestUnitReady,
        0x03 => Command::RequestSense(RequestSense::parse(cdb)),
        0x12 => match Inquiry::parse(cdb) {
            Ok(command) => Command::Inquiry(command),
            Err(error) => return Some(Err(error)),
        },
        0x15 | 0x55 => Command::ModeSelect(ModeSelect::parse(cdb)),
        0x16 | 0x56 => Command::Reserve(CdbLength::of(code)),
        0x17 | 0x57 => Command::Release(CdbLength::of(code)),
        0x1a | 0x5a => Command::ModeSense(ModeSense::parse(cdb)),
        0x1d => Command::SendDiagnostic {
            self_test: second & 0x04 != 0,
        },
        0x1e => Command::PreventAllowMediumRemoval {
            prevent: fifth & 0x01 != 0,
        },
        0x4d => Command::LogSense(LogSense::parse(cdb)),
        0x5e => return Some(PersistentReserveIn::parse(cdb).map(Command::PersistentReserveIn)),
        0x5f => return Some(PersistentReserveOut::parse(cdb).map(Command::PersistentReserveOut)),
        0x8c => return Some(ReadAttribute::parse(cdb).map(Command::ReadAttribute)),
        0x8d => Command::WriteAttribute(WriteAttribute::parse(cdb)),
        0xa0 => return Some(ReportLuns::parse(cdb).map(Command::ReportLuns)),
        0xa3 => return Some(maintenance_in(cdb)),
        _ => return None,
    }))
}

/// MAINTENANCE IN: the service action names the command.
fn maintenance_in(cdb: &[u8; 16]) -> Result<Command, ParseError> {
    let [_, action, options, _, _, _, a, b, c, d, ..] = *cdb;
    match action & 0x1f {
        0x0c => {
            ReportSupportedOperationCodes::parse(cdb).map(Command::ReportSupportedOperationCodes)
        }
        0x0d => Ok(Command::ReportSupportedTaskManagementFunctions(
            ReportSupportedTaskManagementFunctions {
                extended: options & 0x80 != 0,
                allocation_length: u32::from_be_bytes([a, b, c, d]),
            },
        )),
        _ => Err(NO_SERVICE_ACTION),
    }
}

/// SERVICE ACTION: byte 1 bits 4-0.
const NO_SERVICE_ACTION: ParseError = ParseError::field(1, 4);

/// Which of two CDBs a command has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CdbLength {
    /// Six bytes.
    Six,
    /// Ten bytes.
    Ten,
}

impl CdbLength {
    /// Returns the length that the group code says (SPC-4 4.2.5.1).
    fn of(operation_code: u8) -> Self {
        match operation_code >> 5 {
            0 => Self::Six,
            _ => Self::Ten,
        }
    }

    /// Returns a CDB that is nothing but its operation code.
    pub(super) fn cdb(self, six: u8, ten: u8) -> Cdb {
        match self {
            Self::Six => Cdb::from([six, 0, 0, 0, 0, 0]),
            Self::Ten => Cdb::from([ten, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        }
    }
}

/// REQUEST SENSE (SPC-4 6.39), operation code 03h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestSense {
    /// DESC, byte 1 bit 0: descriptor format sense data.
    pub descriptor_format: bool,
    /// ALLOCATION LENGTH, byte 4.
    pub allocation_length: u8,
}

impl RequestSense {
    fn parse(cdb: &[u8; 16]) -> Self {
        let [_, flags, _, _, allocation_length, ..] = *cdb;
        Self {
            descriptor_format: flags & 0x01 != 0,
            allocation_length,
        }
    }

    pub(super) fn cdb(self) -> Cdb {
        let flags = u8::from(self.descriptor_format);
        Cdb::from([0x03, flags, 0, 0, self.allocation_length, 0])
    }
}

/// INQUIRY (SPC-4 6.6), operation code 12h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inquiry {
    /// PAGE CODE, byte 2, when EVPD, byte 1 bit 0, asks for a vital product data page; `None` for the standard INQUIRY
    /// data.
    pub page_code: Option<u8>,
    /// ALLOCATION LENGTH, bytes 3 and 4. SPC-2 devices know only its low byte: more than 255 is not safe as a first
    /// question.
    pub allocation_length: u16,
}

impl Inquiry {
    /// Returns the command for the standard INQUIRY data (SPC-4 6.6.2).
    pub const fn standard(allocation_length: u16) -> Self {
        Self {
            page_code: None,
            allocation_length,
        }
    }

    /// Returns the command for a vital product data page (SPC-4 7.8).
    pub const fn vpd(page_code: u8, allocation_length: u16) -> Self {
        Self {
            page_code: Some(page_code),
            allocation_length,
        }
    }

    fn parse(cdb: &[u8; 16]) -> Result<Self, ParseError> {
        let [_, flags, page_code, high, low, ..] = *cdb;
        let allocation_length = u16::from_be_bytes([high, low]);
        match (flags & 0x01, page_code) {
            (0, 0) => Ok(Self::standard(allocation_length)),
            // A page code without EVPD is an error (SPC-4 6.6.1).
            (0, _) => Err(ParseError::field(2, 7)),
            _ => Ok(Self::vpd(page_code, allocation_length)),
        }
    }

    pub(super) fn cdb(self) -> Cdb {
        let [high, low] = self.allocation_length.to_be_bytes();
        let evpd = u8::from(self.page_code.is_some());
        Cdb::from([0x12, evpd, self.page_code.unwrap_or(0), high, low, 0])
    }
}

/// MODE SELECT(6) and (10) (SPC-4 6.11, 6.12), operation codes 15h and 55h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModeSelect {
    /// Which CDB; the parameter list's header differs as well.
    pub cdb_length: CdbLength,
    /// PF, byte 1 bit 4: the pages are as the standard draws them.
    pub page_format: bool,
    /// SP, byte 1 bit 0: save the pages.
    pub save_pages: bool,
    /// PARAMETER LIST LENGTH in bytes; one byte of MODE SELECT(6), two of MODE SELECT(10).
    pub parameter_list_length: u16,
}

impl ModeSelect {
    fn parse(cdb: &[u8; 16]) -> Self {
        let [code, flags, _, _, short, _, _, high, low, ..] = *cdb;
        let cdb_length = CdbLength::of(code);
        Self {
            cdb_length,
            page_format: flags & 0x10 != 0,
            save_pages: flags & 0x01 != 0,
            parameter_list_length: match cdb_length {
                CdbLength::Six => short.into(),
                CdbLength::Ten => u16::from_be_bytes([high, low]),
            },
        }
    }

    pub(super) fn length_on_the_wire(self) -> u16 {
        length_within(self.cdb_length, self.parameter_list_length)
    }

    pub(super) fn cdb(self) -> Cdb {
        let flags = u8::from(self.page_format) << 4 | u8::from(self.save_pages);
        let [high, low] = self.length_on_the_wire().to_be_bytes();
        match self.cdb_length {
            CdbLength::Six => Cdb::from([0x15, flags, 0, 0, low, 0]),
            CdbLength::Ten => Cdb::from([0x55, flags, 0, 0, 0, 0, 0, high, low, 0]),
        }
    }
}

/// MODE SENSE(6) and (10) (SPC-4 6.13, 6.14), operation codes 1Ah and 5Ah.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModeSense {
    /// Which CDB; the parameter data's header differs as well.
    pub cdb_length: CdbLength,
    /// DBD, byte 1 bit 3: no block descriptors.
    pub disable_block_descriptors: bool,
    /// LLBAA, byte 1 bit 4, of MODE SENSE(10): long block descriptors are accepted.
    pub long_lba_accepted: bool,
    /// PC, byte 2 bits 7-6: which values.
    pub page_control: PageControl,
    /// PAGE CODE, byte 2 bits 5-0: 3Fh asks for all pages, 00h for a tape drive's header and block descriptor.
    pub page_code: u8,
    /// SUBPAGE CODE, byte 3.
    pub subpage_code: u8,
    /// ALLOCATION LENGTH in bytes; one byte of MODE SENSE(6), two of MODE SENSE(10).
    pub allocation_length: u16,
}

/// PC of MODE SENSE: which values of a mode page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageControl {
    /// The current values, 00b.
    Current,
    /// One bits where MODE SELECT may change something, 01b.
    Changeable,
    /// The default values, 10b.
    Default,
    /// The saved values, 11b.
    Saved,
}

impl ModeSense {
    /// PAGE CODE that asks for all pages.
    pub const ALL_PAGES: u8 = 0x3f;

    /// Returns MODE SENSE(6) for the current values of a page, without block descriptors.
    pub const fn page6(page_code: u8, allocation_length: u8) -> Self {
        Self {
            cdb_length: CdbLength::Six,
            disable_block_descriptors: true,
            long_lba_accepted: false,
            page_control: PageControl::Current,
            page_code,
            subpage_code: 0,
            allocation_length: allocation_length as u16,
        }
    }

    /// Returns MODE SENSE(10) for the current values of a page, without block descriptors.
    pub const fn page10(page_code: u8, allocation_length: u16) -> Self {
        Self {
            cdb_length: CdbLength::Ten,
            allocation_length,
            ..Self::page6(page_code, 0)
        }
    }

    fn parse(cdb: &[u8; 16]) -> Self {
        let [code, flags, page, subpage_code, short, _, _, high, low, ..] = *cdb;
        let cdb_length = CdbLength::of(code);
        Self {
            cdb_length,
            disable_block_descriptors: flags & 0x08 != 0,
            long_lba_accepted: cdb_length == CdbLength::Ten && flags & 0x10 != 0,
            page_control: match page >> 6 {
                0 => PageControl::Current,
                1 => PageControl::Changeable,
                2 => PageControl::Default,
                _ => PageControl::Saved,
            },
            page_code: page & 0x3f,
            subpage_code,
            allocation_length: match cdb_length {
                CdbLength::Six => short.into(),
                CdbLength::Ten => u16::from_be_bytes([high, low]),
            },
        }
    }

    pub(super) fn length_on_the_wire(self) -> u16 {
        length_within(self.cdb_length, self.allocation_length)
    }

    pub(super) fn cdb(self) -> Cdb {
        let flags = u8::from(self.disable_block_descriptors) << 3;
        let long = flags | u8::from(self.long_lba_accepted) << 4;
        let control = match self.page_control {
            PageControl::Current => 0,
            PageControl::Changeable => 1,
            PageControl::Default => 2,
            PageControl::Saved => 3,
        };
        let page = control << 6 | self.page_code & 0x3f;
        let subpage = self.subpage_code;
        let [high, low] = self.length_on_the_wire().to_be_bytes();
        match self.cdb_length {
            CdbLength::Six => Cdb::from([0x1a, flags, page, subpage, low, 0]),
            CdbLength::Ten => Cdb::from([0x5a, long, page, subpage, 0, 0, 0, high, low, 0]),
        }
    }
}

/// Returns a length as the CDB carries it: a larger one is the largest that fits.
fn length_within(cdb_length: CdbLength, length: u16) -> u16 {
    match cdb_length {
        CdbLength::Six => length.min(u8::MAX.into()),
        CdbLength::Ten => length,
    }
}

/// LOG SENSE (SPC-4 6.7), operation code 4Dh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogSense {
    /// SP, byte 1 bit 0: save the parameters.
    pub save_parameters: bool,
    /// PC, byte 2 bits 7-6: 01b for the cumulative values, as everybody asks for.
    pub page_control: u8,
    /// PAGE CODE, byte 2 bits 5-0; 00h lists the pages.
    pub page_code: u8,
    /// SUBPAGE CODE, byte 3.
    pub subpage_code: u8,
    /// PARAMETER POINTER, bytes 5 and 6: the first parameter code wanted.
    pub parameter_pointer: u16,
    /// ALLOCATION LENGTH, bytes 7 and 8.
    pub allocation_length: u16,
}

impl LogSense {
    /// PC of cumulative values.
    pub const CUMULATIVE: u8 = 1;

    /// Returns the command for the cumulative values of a page.
    pub const fn page(page_code: u8, allocation_length: u16) -> Self {
        Self {
            save_parameters: false,
            page_control: Self::CUMULATIVE,
            page_code,
            subpage_code: 0,
            parameter_pointer: 0,
            allocation_length,
        }
    }

    fn parse(cdb: &[u8; 16]) -> Self {
        let [_, flags, page, subpage_code, _, a, b, c, d, ..] = *cdb;
        Self {
            save_parameters: flags & 0x01 != 0,
            page_control: page >> 6,
            page_code: page & 0x3f,
            subpage_code,
            parameter_pointer: u16::from_be_bytes([a, b]),
            allocation_length: u16::from_be_bytes([c, d]),
        }
    }

    pub(super) fn cdb(self) -> Cdb {
        let page = self.page_control << 6 | self.page_code & 0x3f;
        let [a, b] = self.parameter_pointer.to_be_bytes();
        let [c, d] = self.allocation_length.to_be_bytes();
        let flags = u8::from(self.save_parameters);
        Cdb::from([0x4d, flags, page, self.subpage_code, 0, a, b, c, d, 0])
    }
}

/// PERSISTENT RESERVE IN (SPC-4 6.15), operation code 5Eh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PersistentReserveIn {
    /// SERVICE ACTION, byte 1 bits 4-0.
    pub action: ReserveInAction,
    /// ALLOCATION LENGTH, bytes 7 and 8.
    pub allocation_length: u16,
}

/// SERVICE ACTION of PERSISTENT RESERVE IN: what is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReserveInAction {
    /// READ KEYS, 00h: the keys that are registered.
    ReadKeys,
    /// READ RESERVATION, 01h: the reservation that is held.
    ReadReservation,
    /// REPORT CAPABILITIES, 02h.
    ReportCapabilities,
    /// READ FULL STATUS, 03h: every registration with its I_T nexus.
    ReadFullStatus,
}

impl PersistentReserveIn {
    fn parse(cdb: &[u8; 16]) -> Result<Self, ParseError> {
        let [_, action, _, _, _, _, _, high, low, ..] = *cdb;
        Ok(Self {
            action: match action & 0x1f {
                0 => ReserveInAction::ReadKeys,
                1 => ReserveInAction::ReadReservation,
                2 => ReserveInAction::ReportCapabilities,
                3 => ReserveInAction::ReadFullStatus,
                _ => return Err(NO_SERVICE_ACTION),
            },
            allocation_length: u16::from_be_bytes([high, low]),
        })
    }

    pub(super) fn cdb(self) -> Cdb {
        let action = match self.action {
            ReserveInAction::ReadKeys => 0,
            ReserveInAction::ReadReservation => 1,
            ReserveInAction::ReportCapabilities => 2,
            ReserveInAction::ReadFullStatus => 3,
        };
        let [high, low] = self.allocation_length.to_be_bytes();
        Cdb::from([0x5e, action, 0, 0, 0, 0, 0, high, low, 0])
    }
}

/// PERSISTENT RESERVE OUT (SPC-4 6.16), operation code 5Fh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PersistentReserveOut {
    /// SERVICE ACTION, byte 1 bits 4-0.
    pub action: ReserveOutAction,
    /// SCOPE, byte 2 bits 7-4: 0h is the logical unit.
    pub scope: u8,
    /// TYPE, byte 2 bits 3-0 (SPC-4 table 60).
    pub reservation_type: u8,
    /// PARAMETER LIST LENGTH, bytes 5 to 8: 24 without TransportIDs.
    pub parameter_list_length: u32,
}

/// SERVICE ACTION of PERSISTENT RESERVE OUT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReserveOutAction {
    /// REGISTER, 00h.
    Register,
    /// RESERVE, 01h.
    Reserve,
    /// RELEASE, 02h.
    Release,
    /// CLEAR, 03h.
    Clear,
    /// PREEMPT, 04h.
    Preempt,
    /// REGISTER AND IGNORE EXISTING KEY, 06h.
    RegisterAndIgnoreExistingKey,
}

impl PersistentReserveOut {
    fn parse(cdb: &[u8; 16]) -> Result<Self, ParseError> {
        let [_, action, scope_and_type, _, _, a, b, c, d, ..] = *cdb;
        Ok(Self {
            action: match action & 0x1f {
                0 => ReserveOutAction::Register,
                1 => ReserveOutAction::Reserve,
                2 => ReserveOutAction::Release,
                3 => ReserveOutAction::Clear,
                4 => ReserveOutAction::Preempt,
                6 => ReserveOutAction::RegisterAndIgnoreExistingKey,
                _ => return Err(NO_SERVICE_ACTION),
            },
            scope: scope_and_type >> 4,
            reservation_type: scope_and_type & 0x0f,
            parameter_list_length: u32::from_be_bytes([a, b, c, d]),
        })
    }

    pub(super) fn cdb(self) -> Cdb {
        let action = match self.action {
            ReserveOutAction::Register => 0,
            ReserveOutAction::Reserve => 1,
            ReserveOutAction::Release => 2,
            ReserveOutAction::Clear => 3,
            ReserveOutAction::Preempt => 4,
            ReserveOutAction::RegisterAndIgnoreExistingKey => 6,
        };
        let scope_and_type = self.scope << 4 | self.reservation_type & 0x0f;
        let [a, b, c, d] = self.parameter_list_length.to_be_bytes();
        Cdb::from([0x5f, action, scope_and_type, 0, 0, a, b, c, d, 0])
    }
}

/// READ ATTRIBUTE (SPC-4 6.18), operation code 8Ch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadAttribute {
    /// SERVICE ACTION, byte 1 bits 4-0.
    pub action: ReadAttributeAction,
    /// ELEMENT ADDRESS, bytes 2 and 3: of a changer; 0 for a drive, which means the cartridge that is loaded.
    pub element_address: u16,
    /// LOGICAL VOLUME NUMBER, byte 5.
    pub logical_volume: u8,
    /// PARTITION NUMBER, byte 7.
    pub partition: u8,
    /// FIRST ATTRIBUTE IDENTIFIER, bytes 8 and 9.
    pub first_attribute: u16,
    /// ALLOCATION LENGTH, bytes 10 to 13.
    pub allocation_length: u32,
}

/// SERVICE ACTION of READ ATTRIBUTE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadAttributeAction {
    /// ATTRIBUTE VALUES, 00h.
    Values,
    /// ATTRIBUTE LIST, 01h: the identifiers of the attributes that are there.
    List,
    /// LOGICAL VOLUME LIST, 02h.
    LogicalVolumeList,
    /// PARTITION LIST, 03h.
    PartitionList,
    /// SUPPORTED ATTRIBUTES, 05h.
    Supported,
}

impl ReadAttribute {
    /// Returns the command for the values of the loaded cartridge's attributes from `first_attribute` on.
    pub const fn values(first_attribute: u16, allocation_length: u32) -> Self {
        Self {
            action: ReadAttributeAction::Values,
            element_address: 0,
            logical_volume: 0,
            partition: 0,
            first_attribute,
            allocation_length,
        }
    }

    fn parse(cdb: &[u8; 16]) -> Result<Self, ParseError> {
        let [
            _,
            action,
            a,
            b,
            _,
            logical_volume,
            _,
            partition,
            c,
            d,
            e,
            f,
            g,
            h,
            ..,
        ] = *cdb;
        Ok(Self {
            action: match action & 0x1f {
                0 => ReadAttributeAction::Values,
                1 => ReadAttributeAction::List,
                2 => ReadAttributeAction::LogicalVolumeList,
                3 => ReadAttributeAction::PartitionList,
                5 => ReadAttributeAction::Supported,
                _ => return Err(NO_SERVICE_ACTION),
            },
            element_address: u16::from_be_bytes([a, b]),
            logical_volume,
            partition,
            first_attribute: u16::from_be_bytes([c, d]),
            allocation_length: u32::from_be_bytes([e, f, g, h]),
        })
    }

    pub(super) fn cdb(self) -> Cdb {
        let action = match self.action {
            ReadAttributeAction::Values => 0,
            ReadAttributeAction::List => 1,
            ReadAttributeAction::LogicalVolumeList => 2,
            ReadAttributeAction::PartitionList => 3,
            ReadAttributeAction::Supported => 5,
        };
        let [a, b] = self.element_address.to_be_bytes();
        let [c, d] = self.first_attribute.to_be_bytes();
        let [e, f, g, h] = self.allocation_length.to_be_bytes();
        let (volume, partition) = (self.logical_volume, self.partition);
        Cdb::from([
            0x8c, action, a, b, 0, volume, 0, partition, c, d, e, f, g, h, 0, 0,
        ])
    }
}

/// WRITE ATTRIBUTE (SPC-4 6.46), operation code 8Dh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteAttribute {
    /// WTC, byte 1 bit 0: write through to the medium before status.
    pub write_through: bool,
    /// ELEMENT ADDRESS, bytes 2 and 3: of a changer; 0 for a drive.
    pub element_address: u16,
    /// LOGICAL VOLUME NUMBER, byte 5.
    pub logical_volume: u8,
    /// PARTITION NUMBER, byte 7.
    pub partition: u8,
    /// PARAMETER LIST LENGTH, bytes 10 to 13.
    pub parameter_list_length: u32,
}

impl WriteAttribute {
    fn parse(cdb: &[u8; 16]) -> Self {
        let [
            _,
            flags,
            a,
            b,
            _,
            logical_volume,
            _,
            partition,
            _,
            _,
            c,
            d,
            e,
            f,
            ..,
        ] = *cdb;
        Self {
            write_through: flags & 0x01 != 0,
            element_address: u16::from_be_bytes([a, b]),
            logical_volume,
            partition,
            parameter_list_length: u32::from_be_bytes([c, d, e, f]),
        }
    }

    pub(super) fn cdb(self) -> Cdb {
        let [a, b] = self.element_address.to_be_bytes();
        let [c, d, e, f] = self.parameter_list_length.to_be_bytes();
        let (volume, partition) = (self.logical_volume, self.partition);
        let flags = u8::from(self.write_through);
        Cdb::from([
            0x8d, flags, a, b, 0, volume, 0, partition, 0, 0, c, d, e, f, 0, 0,
        ])
    }
}

/// REPORT LUNS (SPC-4 6.33), operation code A0h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportLuns {
    /// SELECT REPORT, byte 2.
    pub select: SelectReport,
    /// ALLOCATION LENGTH, bytes 6 to 9, which the standard wants to be 16 or more.
    pub allocation_length: u32,
}

/// SELECT REPORT of REPORT LUNS: which logical units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelectReport {
    /// Those that are addressed by an ordinary LUN, 00h.
    LogicalUnits,
    /// The well-known ones, 01h.
    WellKnown,
    /// All, 02h.
    All,
}

impl ReportLuns {
    /// The smallest allocation length that the standard allows.
    pub const MIN_ALLOCATION_LENGTH: u32 = 16;

    /// Returns the command for the ordinary logical units.
    pub const fn logical_units(allocation_length: u32) -> Self {
        Self {
            select: SelectReport::LogicalUnits,
            allocation_length,
        }
    }

    fn parse(cdb: &[u8; 16]) -> Result<Self, ParseError> {
        let [_, _, select, _, _, _, a, b, c, d, ..] = *cdb;
        let allocation_length = u32::from_be_bytes([a, b, c, d]);
        if allocation_length < Self::MIN_ALLOCATION_LENGTH {
            return Err(ParseError::field(6, 7));
        }
        Ok(Self {
            select: match select {
                0 => SelectReport::LogicalUnits,
                1 => SelectReport::WellKnown,
                2 => SelectReport::All,
                _ => return Err(ParseError::field(2, 7)),
            },
            allocation_length,
        })
    }

    pub(super) fn cdb(self) -> Cdb {
        let select = match self.select {
            SelectReport::LogicalUnits => 0,
            SelectReport::WellKnown => 1,
            SelectReport::All => 2,
        };
        let [a, b, c, d] = self.allocation_length.to_be_bytes();
        Cdb::from([0xa0, 0, select, 0, 0, 0, a, b, c, d, 0, 0])
    }
}

/// REPORT SUPPORTED OPERATION CODES (SPC-4 6.35), operation code A3h, service action 0Ch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportSupportedOperationCodes {
    /// RCTD, byte 2 bit 7: with command timeouts descriptors.
    pub timeouts: bool,
    /// REPORTING OPTIONS, byte 2 bits 2-0.
    pub options: ReportingOptions,
    /// REQUESTED OPERATION CODE, byte 3.
    pub operation_code: u8,
    /// REQUESTED SERVICE ACTION, bytes 4 and 5.
    pub service_action: u16,
    /// ALLOCATION LENGTH, bytes 6 to 9.
    pub allocation_length: u32,
}

/// REPORTING OPTIONS of REPORT SUPPORTED OPERATION CODES.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportingOptions {
    /// All commands, 000b.
    All,
    /// One command that has no service action, 001b.
    OperationCode,
    /// One command that has a service action, 010b.
    ServiceAction,
    /// One command, with a service action or 0 where it has none, 011b.
    Either,
}

impl ReportSupportedOperationCodes {
    fn parse(cdb: &[u8; 16]) -> Result<Self, ParseError> {
        let [_, _, options, operation_code, high, low, a, b, c, d, ..] = *cdb;
        Ok(Self {
            timeouts: options & 0x80 != 0,
            options: match options & 0x07 {
                0 => ReportingOptions::All,
                1 => ReportingOptions::OperationCode,
                2 => ReportingOptions::ServiceAction,
                3 => ReportingOptions::Either,
                _ => return Err(ParseError::field(2, 2)),
            },
            operation_code,
            service_action: u16::from_be_bytes([high, low]),
            allocation_length: u32::from_be_bytes([a, b, c, d]),
        })
    }

    pub(super) fn cdb(self) -> Cdb {
        let options = match self.options {
            ReportingOptions::All => 0,
            ReportingOptions::OperationCode => 1,
            ReportingOptions::ServiceAction => 2,
            ReportingOptions::Either => 3,
        };
        let options = u8::from(self.timeouts) << 7 | options;
        let [high, low] = self.service_action.to_be_bytes();
        let [a, b, c, d] = self.allocation_length.to_be_bytes();
        let code = self.operation_code;
        Cdb::from([0xa3, 0x0c, options, code, high, low, a, b, c, d, 0, 0])
    }
}

/// REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS (SPC-4 6.36), operation code A3h, service action 0Dh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportSupportedTaskManagementFunctions {
    /// REPD, byte 2 bit 7: extended parameter data, with timeouts.
    pub extended: bool,
    /// ALLOCATION LENGTH, bytes 6 to 9.
    pub allocation_length: u32,
}

impl ReportSupportedTaskManagementFunctions {
    pub(super) fn cdb(self) -> Cdb {
        let [a, b, c, d] = self.allocation_length.to_be_bytes();
        let options = u8::from(self.extended) << 7;
        Cdb::from([0xa3, 0x0d, options, 0, 0, 0, a, b, c, d, 0, 0])
    }
}
