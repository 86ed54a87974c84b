//! Commands of medium changers (SMC-3).

use super::{Command, ParseError, three_bytes};
use crate::scsi::Cdb;
use crate::scsi::data::element_status::ElementType;

/// Parses the commands of medium changers; `None` for an operation code that is none of theirs.
pub(super) fn parse(cdb: &[u8; 16]) -> Option<Result<Command, ParseError>> {
    let [code, ..] = *cdb;
    Some(Ok(match code {
        0x07 => Command::InitializeElementStatus,
        0x2b => Command::PositionToElement(PositionToElement::parse(cdb)),
        0x37 | 0xe7 => {
            Command::InitializeElementStatusWithRange(InitializeElementStatusWithRange::parse(cdb))
        }
        0xa5 => Command::MoveMedium(MoveMedium::parse(cdb)),
        0xa6 => Command::ExchangeMedium(ExchangeMedium::parse(cdb)),
        0xb8 => return Some(ReadElementStatus::parse(cdb).map(Command::ReadElementStatus)),
        _ => return None,
    }))
}

/// INITIALIZE ELEMENT STATUS WITH RANGE, operation codes 37h (SMC-3) and E7h (IBM 3584, and libraries before SMC-2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InitializeElementStatusWithRange {
    /// Which of the two operation codes.
    pub operation_code: RangeOperationCode,
    /// RANGE, byte 1 bit 0: the elements named here; otherwise all.
    pub range: bool,
    /// FAST, byte 1 bit 1 of 37h: barcodes are not read; NBL, byte 1 bit 7 of E7h, says the same.
    pub fast: bool,
    /// STARTING ELEMENT ADDRESS, bytes 2 and 3.
    pub first: u16,
    /// NUMBER OF ELEMENTS, bytes 6 and 7.
    pub count: u16,
}

/// Operation code of INITIALIZE ELEMENT STATUS WITH RANGE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeOperationCode {
    /// 37h, the standard's.
    Standard,
    /// E7h, vendor specific.
    VendorSpecific,
}

impl InitializeElementStatusWithRange {
    fn parse(cdb: &[u8; 16]) -> Self {
        let [code, flags, a, b, _, _, c, d, ..] = *cdb;
        let (operation_code, fast) = match code {
            0x37 => (RangeOperationCode::Standard, flags & 0x02 != 0),
            _ => (RangeOperationCode::VendorSpecific, flags & 0x80 != 0),
        };
        Self {
            operation_code,
            range: flags & 0x01 != 0,
            fast,
            first: u16::from_be_bytes([a, b]),
            count: u16::from_be_bytes([c, d]),
        }
    }

    pub(super) fn cdb(self) -> Cdb {
        let (code, fast) = match self.operation_code {
            RangeOperationCode::Standard => (0x37, u8::from(self.fast) << 1),
            RangeOperationCode::VendorSpecific => (0xe7, u8::from(self.fast) << 7),
        };
        let [a, b] = self.first.to_be_bytes();
        let [c, d] = self.count.to_be_bytes();
        let flags = fast | u8::from(self.range);
        Cdb::from([code, flags, a, b, 0, 0, c, d, 0, 0])
    }
}

/// POSITION TO ELEMENT (SMC-3), operation code 2Bh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PositionToElement {
    /// MEDIUM TRANSPORT ADDRESS, bytes 2 and 3; 0 is the default transport element.
    pub transport: u16,
    /// DESTINATION ADDRESS, bytes 4 and 5.
    pub destination: u16,
}

impl PositionToElement {
    fn parse(cdb: &[u8; 16]) -> Self {
        let [_, _, a, b, c, d, ..] = *cdb;
        Self {
            transport: u16::from_be_bytes([a, b]),
            destination: u16::from_be_bytes([c, d]),
        }
    }

    pub(super) fn cdb(self) -> Cdb {
        let [a, b] = self.transport.to_be_bytes();
        let [c, d] = self.destination.to_be_bytes();
        Cdb::from([0x2b, 0, a, b, c, d, 0, 0, 0, 0])
    }
}

/// MOVE MEDIUM (SMC-3), operation code A5h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MoveMedium {
    /// MEDIUM TRANSPORT ADDRESS, bytes 2 and 3; 0 is the default transport element.
    pub transport: u16,
    /// SOURCE ADDRESS, bytes 4 and 5.
    pub source: u16,
    /// DESTINATION ADDRESS, bytes 6 and 7.
    pub destination: u16,
}

impl MoveMedium {
    fn parse(cdb: &[u8; 16]) -> Self {
        let [_, _, a, b, c, d, e, f, ..] = *cdb;
        Self {
            transport: u16::from_be_bytes([a, b]),
            source: u16::from_be_bytes([c, d]),
            destination: u16::from_be_bytes([e, f]),
        }
    }

    pub(super) fn cdb(self) -> Cdb {
        let [a, b] = self.transport.to_be_bytes();
        let [c, d] = self.source.to_be_bytes();
        let [e, f] = self.destination.to_be_bytes();
        Cdb::from([0xa5, 0, a, b, c, d, e, f, 0, 0, 0, 0])
    }
}

/// EXCHANGE MEDIUM (SMC-3), operation code A6h: the source's cartridge goes to the first destination, and the one from
/// there to the second, which may be the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExchangeMedium {
    /// MEDIUM TRANSPORT ADDRESS, bytes 2 and 3; 0 is the default transport element.
    pub transport: u16,
    /// SOURCE ADDRESS, bytes 4 and 5.
    pub source: u16,
    /// FIRST DESTINATION ADDRESS, bytes 6 and 7.
    pub first_destination: u16,
    /// SECOND DESTINATION ADDRESS, bytes 8 and 9.
    pub second_destination: u16,
}

impl ExchangeMedium {
    fn parse(cdb: &[u8; 16]) -> Self {
        let [_, _, a, b, c, d, e, f, g, h, ..] = *cdb;
        Self {
            transport: u16::from_be_bytes([a, b]),
            source: u16::from_be_bytes([c, d]),
            first_destination: u16::from_be_bytes([e, f]),
            second_destination: u16::from_be_bytes([g, h]),
        }
    }

    pub(super) fn cdb(self) -> Cdb {
        let [a, b] = self.transport.to_be_bytes();
        let [c, d] = self.source.to_be_bytes();
        let [e, f] = self.first_destination.to_be_bytes();
        let [g, h] = self.second_destination.to_be_bytes();
        Cdb::from([0xa6, 0, a, b, c, d, e, f, g, h, 0, 0])
    }
}

/// READ ELEMENT STATUS (SMC-3), operation code B8h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadElementStatus {
    /// ELEMENT TYPE CODE, byte 1 bits 3-0; `None` for 0h, all types. tgt's reply to that is garbage, and kills it.
    pub element_type: Option<ElementType>,
    /// VOLTAG, byte 1 bit 4: ask for volume tags. A 3584 wants it to be 0 when DVCID is 1.
    pub volume_tag: bool,
    /// STARTING ELEMENT ADDRESS, bytes 2 and 3.
    pub first: u16,
    /// NUMBER OF ELEMENTS, bytes 4 and 5: the most that are reported.
    pub count: u16,
    /// DVCID, byte 6 bit 0: ask for the identifiers of the drives.
    pub device_id: bool,
    /// CURDATA, byte 6 bit 1: answer from what is known, without moving anything. Devices before SMC-3 refuse the bit.
    pub current_data: bool,
    /// ALLOCATION LENGTH, bytes 7 to 9, of which 24 bits fit. 8 asks for the header alone.
    pub allocation_length: u32,
}

impl ReadElementStatus {
    /// The longest allocation length that the CDB can carry.
    pub const MAX_ALLOCATION_LENGTH: u32 = super::MAX_24_BITS;

    /// Returns the command for all elements of a type, with neither volume tags nor identifiers.
    pub const fn all_of(element_type: ElementType, allocation_length: u32) -> Self {
        Self {
            element_type: Some(element_type),
            volume_tag: false,
            first: 0,
            count: u16::MAX,
            device_id: false,
            current_data: false,
            allocation_length,
        }
    }

    fn parse(cdb: &[u8; 16]) -> Result<Self, ParseError> {
        let [_, selection, a, b, c, d, options, e, f, g, ..] = *cdb;
        let element_type = match selection & 0x0f {
            0 => None,
            code => Some(ElementType::from_code(code).ok_or(ParseError::field(1, 3))?),
        };
        Ok(Self {
            element_type,
            volume_tag: selection & 0x10 != 0,
            first: u16::from_be_bytes([a, b]),
            count: u16::from_be_bytes([c, d]),
            device_id: options & 0x01 != 0,
            current_data: options & 0x02 != 0,
            allocation_length: u32::from_be_bytes([0, e, f, g]),
        })
    }

    pub(super) fn cdb(self) -> Cdb {
        let element_type = self.element_type.map_or(0, ElementType::code);
        let selection = u8::from(self.volume_tag) << 4 | element_type;
        let options = u8::from(self.current_data) << 1 | u8::from(self.device_id);
        let [a, b] = self.first.to_be_bytes();
        let [c, d] = self.count.to_be_bytes();
        let [e, f, g] = three_bytes(self.allocation_length);
        Cdb::from([0xb8, selection, a, b, c, d, options, e, f, g, 0, 0])
    }
}
