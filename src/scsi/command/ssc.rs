//! Commands of tape drives (SSC-4).

use super::{Command, ParseError, three_bytes, three_bytes_of};
use crate::scsi::Cdb;

/// Parses the commands of tape drives; `None` for an operation code that is none of theirs.
pub(super) fn parse(cdb: &[u8; 16]) -> Option<Result<Command, ParseError>> {
    let [code, second, ..] = *cdb;
    Some(Ok(match code {
        0x01 => Command::Rewind {
            immediate: second & 0x01 != 0,
        },
        0x05 => Command::ReadBlockLimits,
        0x08 => Command::Read(Read::parse(cdb)),
        0x0a => Command::Write(Write::parse(cdb)),
        0x10 => Command::WriteFilemarks(WriteFilemarks::parse(cdb)),
        0x11 => return Some(Space::parse6(cdb).map(Command::Space)),
        0x19 => Command::Erase(Erase::parse(cdb)),
        0x1b => Command::LoadUnload(LoadUnload::parse(cdb)),
        0x2b => Command::Locate(Locate::parse10(cdb)),
        0x34 => return Some(ReadPosition::parse(cdb).map(Command::ReadPosition)),
        0x44 => Command::ReportDensitySupport(ReportDensitySupport::parse(cdb)),
        0x91 => return Some(Space::parse16(cdb).map(Command::Space)),
        0x92 => return Some(Locate::parse16(cdb).map(Command::Locate)),
        _ => return None,
    }))
}

/// READ(6) (SSC-4 5.6), operation code 08h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read {
    /// FIXED, byte 1 bit 0: the length counts blocks of the block length, not bytes.
    pub fixed: bool,
    /// SILI, byte 1 bit 1: a block of another length is no exception.
    pub suppress_incorrect_length: bool,
    /// TRANSFER LENGTH, bytes 2 to 4, of which 24 bits fit: blocks when FIXED, else bytes.
    pub length: u32,
}

impl Read {
    /// The longest block that the CDB can ask for, in bytes.
    pub const MAX_LENGTH: u32 = super::MAX_24_BITS;

    /// Returns the command for one block of at most `length` bytes.
    pub const fn variable(length: u32) -> Self {
        Self {
            fixed: false,
            suppress_incorrect_length: false,
            length,
        }
    }

    fn parse(cdb: &[u8; 16]) -> Self {
        let [_, flags, a, b, c, ..] = *cdb;
        Self {
            fixed: flags & 0x01 != 0,
            suppress_incorrect_length: flags & 0x02 != 0,
            length: u32::from_be_bytes([0, a, b, c]),
        }
    }

    pub(super) fn bytes(self, block_length: u32) -> u32 {
        bytes(self.fixed, self.length, block_length)
    }

    pub(super) fn cdb(self) -> Cdb {
        let flags = u8::from(self.suppress_incorrect_length) << 1 | u8::from(self.fixed);
        let [a, b, c] = three_bytes(self.length);
        Cdb::from([0x08, flags, a, b, c, 0])
    }
}

/// WRITE(6) (SSC-4 5.10), operation code 0Ah.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Write {
    /// FIXED, byte 1 bit 0: the length counts blocks of the block length, not bytes.
    pub fixed: bool,
    /// TRANSFER LENGTH, bytes 2 to 4, of which 24 bits fit: blocks when FIXED, else the bytes of one block.
    pub length: u32,
}

impl Write {
    /// Returns the command for one block of `length` bytes.
    pub const fn variable(length: u32) -> Self {
        Self {
            fixed: false,
            length,
        }
    }

    fn parse(cdb: &[u8; 16]) -> Self {
        let [_, flags, a, b, c, ..] = *cdb;
        Self {
            fixed: flags & 0x01 != 0,
            length: u32::from_be_bytes([0, a, b, c]),
        }
    }

    pub(super) fn bytes(self, block_length: u32) -> u32 {
        bytes(self.fixed, self.length, block_length)
    }

    pub(super) fn cdb(self) -> Cdb {
        let [a, b, c] = three_bytes(self.length);
        Cdb::from([0x0a, u8::from(self.fixed), a, b, c, 0])
    }
}

/// Returns how many bytes READ and WRITE transfer.
fn bytes(fixed: bool, length: u32, block_length: u32) -> u32 {
    let length = three_bytes_of(length);
    match fixed {
        true => length.saturating_mul(block_length),
        false => length,
    }
}

/// WRITE FILEMARKS(6) (SSC-4 5.11), operation code 10h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteFilemarks {
    /// IMMED, byte 1 bit 0: status comes before the filemarks, and what was buffered before them, are on the medium.
    pub immediate: bool,
    /// FILEMARK COUNT, bytes 2 to 4; 0 synchronizes what is buffered.
    pub count: u32,
}

impl WriteFilemarks {
    fn parse(cdb: &[u8; 16]) -> Self {
        let [_, flags, a, b, c, ..] = *cdb;
        Self {
            immediate: flags & 0x01 != 0,
            count: u32::from_be_bytes([0, a, b, c]),
        }
    }

    pub(super) fn cdb(self) -> Cdb {
        let [a, b, c] = three_bytes(self.count);
        Cdb::from([0x10, u8::from(self.immediate), a, b, c, 0])
    }
}

/// SPACE(6) or SPACE(16) (SSC-4 7.11), operation codes 11h and 91h. Encoded as SPACE(6) where COUNT fits in 24 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// CODE, byte 1 bits 3-0.
    pub code: SpaceCode,
    /// COUNT: over how many, towards the beginning when it is negative. Of no meaning for the end of data.
    pub count: i64,
}

/// CODE of SPACE: over what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpaceCode {
    /// Logical blocks, 0h.
    Blocks,
    /// Filemarks, 1h.
    Filemarks,
    /// To the end of data, 3h.
    EndOfData,
}

impl Space {
    fn parse6(cdb: &[u8; 16]) -> Result<Self, ParseError> {
        let [_, code, a, b, c, ..] = *cdb;
        // The sign comes down with the shift.
        let count = i32::from_be_bytes([a, b, c, 0]) >> 8;
        Self::new(code, count.into())
    }

    fn parse16(cdb: &[u8; 16]) -> Result<Self, ParseError> {
        let [_, code, _, _, a, b, c, d, e, f, g, h, ..] = *cdb;
        Self::new(code, i64::from_be_bytes([a, b, c, d, e, f, g, h]))
    }

    fn new(code: u8, count: i64) -> Result<Self, ParseError> {
        let code = match code & 0x0f {
            0x0 => SpaceCode::Blocks,
            0x1 => SpaceCode::Filemarks,
            0x3 => SpaceCode::EndOfData,
            _ => return Err(ParseError::field(1, 3)),
        };
        Ok(Self { code, count })
    }

    pub(super) fn cdb(self) -> Cdb {
        let code = match self.code {
            SpaceCode::Blocks => 0x0,
            SpaceCode::Filemarks => 0x1,
            SpaceCode::EndOfData => 0x3,
        };
        if (-0x80_0000..=0x7f_ffff).contains(&self.count) {
            let [.., a, b, c] = self.count.to_be_bytes();
            return Cdb::from([0x11, code, a, b, c, 0]);
        }
        let [a, b, c, d, e, f, g, h] = self.count.to_be_bytes();
        Cdb::from([0x91, code, 0, 0, a, b, c, d, e, f, g, h, 0, 0, 0, 0])
    }
}

/// ERASE(6) (SSC-4 5.2), operation code 19h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Erase {
    /// IMMED, byte 1 bit 1: status comes before the tape is erased.
    pub immediate: bool,
    /// LONG, byte 1 bit 0: to the end of the medium; otherwise the drive writes the end of data at most.
    pub long: bool,
}

impl Erase {
    fn parse(cdb: &[u8; 16]) -> Self {
        let [_, flags, ..] = *cdb;
        Self {
            immediate: flags & 0x02 != 0,
            long: flags & 0x01 != 0,
        }
    }

    pub(super) fn cdb(self) -> Cdb {
        let flags = u8::from(self.immediate) << 1 | u8::from(self.long);
        Cdb::from([0x19, flags, 0, 0, 0, 0])
    }
}

/// LOAD UNLOAD (SSC-4 7.3), operation code 1Bh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadUnload {
    /// IMMED, byte 1 bit 0: status comes before the tape has moved.
    pub immediate: bool,
    /// LOAD, byte 4 bit 0: load; otherwise unload.
    pub load: bool,
    /// RETEN, byte 4 bit 1: correct the tension of the tape.
    pub retension: bool,
    /// EOT, byte 4 bit 2: unload at the end of the tape.
    pub at_end: bool,
}

impl LoadUnload {
    /// Returns the command to load the cartridge and wait for it.
    pub const LOAD: Self = Self {
        immediate: false,
        load: true,
        retension: false,
        at_end: false,
    };
    /// Returns the command to unload the cartridge and wait for it.
    pub const UNLOAD: Self = Self {
        load: false,
        ..Self::LOAD
    };

    fn parse(cdb: &[u8; 16]) -> Self {
        let [_, immediate, _, _, flags, ..] = *cdb;
        Self {
            immediate: immediate & 0x01 != 0,
            load: flags & 0x01 != 0,
            retension: flags & 0x02 != 0,
            at_end: flags & 0x04 != 0,
        }
    }

    pub(super) fn cdb(self) -> Cdb {
        let flags =
            u8::from(self.at_end) << 2 | u8::from(self.retension) << 1 | u8::from(self.load);
        Cdb::from([0x1b, u8::from(self.immediate), 0, 0, flags, 0])
    }
}

/// LOCATE(10) or LOCATE(16) (SSC-4 7.4), operation codes 2Bh and 92h. Encoded as LOCATE(10) where that can say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Locate {
    /// IMMED, byte 1 bit 0: status comes before the tape is there.
    pub immediate: bool,
    /// PARTITION, byte 8 or 3, when CP, byte 1 bit 1, asks for a change.
    pub partition: Option<u8>,
    /// Where to.
    pub destination: Destination,
}

/// Where a LOCATE goes: BT of LOCATE(10), byte 1 bit 2; DEST_TYPE of LOCATE(16), byte 1 bits 4-3; and the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Before the logical object with this identifier: BT 0, DEST_TYPE 00b.
    Object(u64),
    /// To a device specific address, which READ POSITION with service action 01h told: BT 1, LOCATE(10) only.
    DeviceSpecific(u32),
    /// Behind so many filemarks: DEST_TYPE 01b.
    File(u64),
    /// The end of data: DEST_TYPE 11b.
    EndOfData,
}

impl Locate {
    /// Returns the command to a logical object of the present partition, which waits until the tape is there.
    pub const fn object(identifier: u64) -> Self {
        Self {
            immediate: false,
            partition: None,
            destination: Destination::Object(identifier),
        }
    }

    fn parse10(cdb: &[u8; 16]) -> Self {
        let [_, flags, _, a, b, c, d, _, partition, ..] = *cdb;
        let number = u32::from_be_bytes([a, b, c, d]);
        Self {
            immediate: flags & 0x01 != 0,
            partition: (flags & 0x02 != 0).then_some(partition),
            destination: match flags & 0x04 {
                0 => Destination::Object(number.into()),
                _ => Destination::DeviceSpecific(number),
            },
        }
    }

    fn parse16(cdb: &[u8; 16]) -> Result<Self, ParseError> {
        let [_, flags, _, partition, a, b, c, d, e, f, g, h, ..] = *cdb;
        let identifier = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
        Ok(Self {
            immediate: flags & 0x01 != 0,
            partition: (flags & 0x02 != 0).then_some(partition),
            destination: match flags >> 3 & 0x03 {
                0 => Destination::Object(identifier),
                1 => Destination::File(identifier),
                3 => Destination::EndOfData,
                _ => return Err(ParseError::field(1, 4)),
            },
        })
    }

    pub(super) fn cdb(self) -> Cdb {
        let flags = u8::from(self.partition.is_some()) << 1 | u8::from(self.immediate);
        let partition = self.partition.unwrap_or(0);
        let ten = |bt: u8, number: u32| {
            let [a, b, c, d] = number.to_be_bytes();
            Cdb::from([0x2b, flags | bt << 2, 0, a, b, c, d, 0, partition, 0])
        };
        let sixteen = |kind: u8, number: u64| {
            let [a, b, c, d, e, f, g, h] = number.to_be_bytes();
            let flags = flags | kind << 3;
            Cdb::from([
                0x92, flags, 0, partition, a, b, c, d, e, f, g, h, 0, 0, 0, 0,
            ])
        };
        match self.destination {
            Destination::Object(identifier) => match u32::try_from(identifier) {
                Ok(identifier) => ten(0, identifier),
                Err(_) => sixteen(0, identifier),
            },
            Destination::DeviceSpecific(address) => ten(1, address),
            Destination::File(file) => sixteen(1, file),
            Destination::EndOfData => sixteen(3, 0),
        }
    }
}

/// READ POSITION (SSC-4 7.7), operation code 34h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadPosition {
    /// SERVICE ACTION, byte 1 bits 4-0.
    pub form: PositionForm,
    /// ALLOCATION LENGTH, bytes 7 and 8: of the extended form; 0 for every other.
    pub allocation_length: u16,
}

/// SERVICE ACTION of READ POSITION: which form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PositionForm {
    /// SHORT FORM - BLOCK ID, 00h: 20 bytes.
    Short,
    /// SHORT FORM - VENDOR-SPECIFIC, 01h: 20 bytes, with device specific addresses.
    ShortDeviceSpecific,
    /// LONG FORM, 06h: 32 bytes.
    Long,
    /// EXTENDED FORM, 08h: 32 bytes.
    Extended,
}

impl ReadPosition {
    /// Returns the command for a form, with room for the whole of it.
    pub const fn new(form: PositionForm) -> Self {
        Self {
            form,
            allocation_length: match form {
                PositionForm::Extended => 32,
                PositionForm::Short | PositionForm::ShortDeviceSpecific | PositionForm::Long => 0,
            },
        }
    }

    /// Returns how many bytes come back at most.
    pub(super) const fn length(self) -> u16 {
        match self.form {
            PositionForm::Short | PositionForm::ShortDeviceSpecific => 20,
            PositionForm::Long => 32,
            PositionForm::Extended => self.allocation_length,
        }
    }

    fn parse(cdb: &[u8; 16]) -> Result<Self, ParseError> {
        let [_, action, _, _, _, _, _, high, low, ..] = *cdb;
        let form = match action & 0x1f {
            0x00 => PositionForm::Short,
            0x01 => PositionForm::ShortDeviceSpecific,
            0x06 => PositionForm::Long,
            0x08 => PositionForm::Extended,
            _ => return Err(ParseError::field(1, 4)),
        };
        let allocation_length = u16::from_be_bytes([high, low]);
        // The older forms have no allocation length (SSC-4 table 65).
        if form != PositionForm::Extended && allocation_length != 0 {
            return Err(ParseError::field(7, 7));
        }
        Ok(Self {
            form,
            allocation_length,
        })
    }

    pub(super) fn cdb(self) -> Cdb {
        let action = match self.form {
            PositionForm::Short => 0x00,
            PositionForm::ShortDeviceSpecific => 0x01,
            PositionForm::Long => 0x06,
            PositionForm::Extended => 0x08,
        };
        let [high, low] = match self.form {
            PositionForm::Extended => self.allocation_length.to_be_bytes(),
            _ => [0, 0],
        };
        Cdb::from([0x34, action, 0, 0, 0, 0, 0, high, low, 0])
    }
}

/// REPORT DENSITY SUPPORT (SSC-4 7.8), operation code 44h, for densities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportDensitySupport {
    /// MEDIA, byte 1 bit 0: of the medium that is loaded; otherwise of the drive.
    pub media: bool,
    /// ALLOCATION LENGTH, bytes 7 and 8.
    pub allocation_length: u16,
}

impl ReportDensitySupport {
    fn parse(cdb: &[u8; 16]) -> Self {
        let [_, flags, _, _, _, _, _, high, low, ..] = *cdb;
        Self {
            media: flags & 0x01 != 0,
            allocation_length: u16::from_be_bytes([high, low]),
        }
    }

    pub(super) fn cdb(self) -> Cdb {
        let [high, low] = self.allocation_length.to_be_bytes();
        let media = u8::from(self.media);
        Cdb::from([0x44, media, 0, 0, 0, 0, 0, high, low, 0])
    }
}
