//! Commands: one type, parsed from a CDB once and encoded from it.
//!
//! [`Command::parse`] is the device server's side, [`Command::cdb`] the application client's; [`Command::transfer`] tells
//! both which way data goes and how much of it at most. Matching a [`Command`] exhaustively makes a new command a
//! compile error until every side has an answer for it.
//!
//! Parsing reads the fields of a command. Whether reserved bits are zero, and whether a value that can be read is
//! supported, is the device server's business.

mod smc;
mod spc;
mod ssc;

pub use smc::{
    ExchangeMedium, InitializeElementStatusWithRange, MoveMedium, PositionToElement,
    RangeOperationCode, ReadElementStatus,
};
pub use spc::{
    CdbLength, Inquiry, LogSense, ModeSelect, ModeSense, PageControl, PersistentReserveIn,
    PersistentReserveOut, ReadAttribute, ReadAttributeAction, ReportLuns,
    ReportSupportedOperationCodes, ReportSupportedTaskManagementFunctions, ReportingOptions,
    RequestSense, ReserveInAction, ReserveOutAction, SelectReport, WriteAttribute,
};
pub use ssc::{
    Destination, Erase, LoadUnload, Locate, PositionForm, Read, ReadPosition, ReportDensitySupport,
    Space, SpaceCode, Write, WriteFilemarks,
};

use super::Cdb;
use super::data::inquiry::PeripheralDeviceType;
use super::sense::FieldPointer;

/// A command of a tape library or a tape drive, its CDB read whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    // Every device (SPC-4).
    /// TEST UNIT READY, 00h.
    TestUnitReady,
    /// REQUEST SENSE, 03h.
    RequestSense(RequestSense),
    /// INQUIRY, 12h.
    Inquiry(Inquiry),
    /// MODE SELECT(6), 15h, and (10), 55h.
    ModeSelect(ModeSelect),
    /// RESERVE(6), 16h, and (10), 56h, of the whole logical unit (SPC-2 7.21).
    Reserve(CdbLength),
    /// RELEASE(6), 17h, and (10), 57h (SPC-2 7.16).
    Release(CdbLength),
    /// MODE SENSE(6), 1Ah, and (10), 5Ah.
    ModeSense(ModeSense),
    /// SEND DIAGNOSTIC, 1Dh, without a parameter list.
    SendDiagnostic {
        /// SELFTEST, byte 1 bit 2: run the default self-test.
        self_test: bool,
    },
    /// PREVENT ALLOW MEDIUM REMOVAL, 1Eh.
    PreventAllowMediumRemoval {
        /// PREVENT, byte 4 bit 0.
        prevent: bool,
    },
    /// LOG SENSE, 4Dh.
    LogSense(LogSense),
    /// PERSISTENT RESERVE IN, 5Eh.
    PersistentReserveIn(PersistentReserveIn),
    /// PERSISTENT RESERVE OUT, 5Fh.
    PersistentReserveOut(PersistentReserveOut),
    /// READ ATTRIBUTE, 8Ch: medium auxiliary memory.
    ReadAttribute(ReadAttribute),
    /// WRITE ATTRIBUTE, 8Dh: medium auxiliary memory.
    WriteAttribute(WriteAttribute),
    /// REPORT LUNS, A0h.
    ReportLuns(ReportLuns),
    /// REPORT SUPPORTED OPERATION CODES, A3h with service action 0Ch.
    ReportSupportedOperationCodes(ReportSupportedOperationCodes),
    /// REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS, A3h with service action 0Dh.
    ReportSupportedTaskManagementFunctions(ReportSupportedTaskManagementFunctions),

    // Medium changers (SMC-3).
    /// INITIALIZE ELEMENT STATUS, 07h.
    InitializeElementStatus,
    /// INITIALIZE ELEMENT STATUS WITH RANGE, 37h and E7h.
    InitializeElementStatusWithRange(InitializeElementStatusWithRange),
    /// POSITION TO ELEMENT, 2Bh.
    PositionToElement(PositionToElement),
    /// MOVE MEDIUM, A5h.
    MoveMedium(MoveMedium),
    /// EXCHANGE MEDIUM, A6h.
    ExchangeMedium(ExchangeMedium),
    /// READ ELEMENT STATUS, B8h.
    ReadElementStatus(ReadElementStatus),

    // Tape drives (SSC-4).
    /// REWIND, 01h.
    Rewind {
        /// IMMED, byte 1 bit 0: status comes before the tape is rewound.
        immediate: bool,
    },
    /// READ BLOCK LIMITS, 05h.
    ReadBlockLimits,
    /// READ(6), 08h.
    Read(Read),
    /// WRITE(6), 0Ah.
    Write(Write),
    /// WRITE FILEMARKS(6), 10h.
    WriteFilemarks(WriteFilemarks),
    /// SPACE(6), 11h, and (16), 91h.
    Space(Space),
    /// ERASE(6), 19h.
    Erase(Erase),
    /// LOAD UNLOAD, 1Bh.
    LoadUnload(LoadUnload),
    /// LOCATE(10), 2Bh, and (16), 92h.
    Locate(Locate),
    /// READ POSITION, 34h.
    ReadPosition(ReadPosition),
    /// REPORT DENSITY SUPPORT, 44h.
    ReportDensitySupport(ReportDensitySupport),
}

/// Why a CDB is no command of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseError {
    /// The device type has no such operation code: 20/00.
    OperationCode,
    /// A field has a value that the standard does not define: 24/00.
    Field(FieldPointer),
}

impl ParseError {
    /// Returns the error that names the field whose most significant bit is `bit` of `byte`.
    const fn field(byte: u16, bit: u8) -> Self {
        Self::Field(FieldPointer::in_cdb(byte, Some(bit)))
    }
}

/// Which way the data of a command goes, and how many bytes of it at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// No data.
    None,
    /// From the device server to the application client.
    In(u32),
    /// From the application client to the device server.
    Out(u32),
}

impl Transfer {
    /// Returns how many bytes the initiator takes at most.
    pub const fn data_in(self) -> u32 {
        match self {
            Self::In(length) => length,
            Self::None | Self::Out(_) => 0,
        }
    }

    /// Returns how many bytes the target takes.
    pub const fn data_out(self) -> u32 {
        match self {
            Self::Out(length) => length,
            Self::None | Self::In(_) => 0,
        }
    }

    const fn input(length: u32) -> Self {
        match length {
            0 => Self::None,
            _ => Self::In(length),
        }
    }

    const fn output(length: u32) -> Self {
        match length {
            0 => Self::None,
            _ => Self::Out(length),
        }
    }
}

impl Command {
    /// Parses a CDB, padded with zeros to 16 bytes as iSCSI carries it, as a device of this type takes it. A device type
    /// other than medium changer and sequential access has the commands of SPC-4 only.
    ///
    /// # Errors
    /// [`ParseError`], which says what the sense data has to say.
    pub fn parse(device_type: PeripheralDeviceType, cdb: &[u8; 16]) -> Result<Self, ParseError> {
        match device_type {
            PeripheralDeviceType::MEDIUM_CHANGER => smc::parse(cdb),
            PeripheralDeviceType::SEQUENTIAL_ACCESS => ssc::parse(cdb),
            _ => None,
        }
        .or_else(|| spc::parse(cdb))
        .unwrap_or(Err(ParseError::OperationCode))
    }

    /// Returns the command descriptor block.
    pub fn cdb(&self) -> Cdb {
        match self {
            Self::TestUnitReady => Cdb::from([0; 6]),
            Self::RequestSense(command) => command.cdb(),
            Self::Inquiry(command) => command.cdb(),
            Self::ModeSelect(command) => command.cdb(),
            Self::Reserve(length) => length.cdb(0x16, 0x56),
            Self::Release(length) => length.cdb(0x17, 0x57),
            Self::ModeSense(command) => command.cdb(),
            Self::SendDiagnostic { self_test } => {
                Cdb::from([0x1d, u8::from(*self_test) << 2, 0, 0, 0, 0])
            }
            Self::PreventAllowMediumRemoval { prevent } => {
                Cdb::from([0x1e, 0, 0, 0, u8::from(*prevent), 0])
            }
            Self::LogSense(command) => command.cdb(),
            Self::PersistentReserveIn(command) => command.cdb(),
            Self::PersistentReserveOut(command) => command.cdb(),
            Self::ReadAttribute(command) => command.cdb(),
            Self::WriteAttribute(command) => command.cdb(),
            Self::ReportLuns(command) => command.cdb(),
            Self::ReportSupportedOperationCodes(command) => command.cdb(),
            Self::ReportSupportedTaskManagementFunctions(command) => command.cdb(),
            Self::InitializeElementStatus => Cdb::from([0x07, 0, 0, 0, 0, 0]),
            Self::InitializeElementStatusWithRange(command) => command.cdb(),
            Self::PositionToElement(command) => command.cdb(),
            Self::MoveMedium(command) => command.cdb(),
            Self::ExchangeMedium(command) => command.cdb(),
            Self::ReadElementStatus(command) => command.cdb(),
            Self::Rewind { immediate } => Cdb::from([0x01, u8::from(*immediate), 0, 0, 0, 0]),
            Self::ReadBlockLimits => Cdb::from([0x05, 0, 0, 0, 0, 0]),
            Self::Read(command) => command.cdb(),
            Self::Write(command) => command.cdb(),
            Self::WriteFilemarks(command) => command.cdb(),
            Self::Space(command) => command.cdb(),
            Self::Erase(command) => command.cdb(),
            Self::LoadUnload(command) => command.cdb(),
            Self::Locate(command) => command.cdb(),
            Self::ReadPosition(command) => command.cdb(),
            Self::ReportDensitySupport(command) => command.cdb(),
        }
    }

    /// Returns direction and length of the data: for reading the most that may come back, which is the expected data
    /// transfer length of the transport too (tgt refuses an allocation length beyond that).
    ///
    /// `block_length` is the one in force at the drive, in bytes; it counts for READ and WRITE with FIXED only.
    pub fn transfer(&self, block_length: u32) -> Transfer {
        match self {
            Self::TestUnitReady
            | Self::Reserve(_)
            | Self::Release(_)
            | Self::SendDiagnostic { .. }
            | Self::PreventAllowMediumRemoval { .. }
            | Self::InitializeElementStatus
            | Self::InitializeElementStatusWithRange(_)
            | Self::PositionToElement(_)
            | Self::MoveMedium(_)
            | Self::ExchangeMedium(_)
            | Self::Rewind { .. }
            | Self::WriteFilemarks(_)
            | Self::Space(_)
            | Self::Erase(_)
            | Self::LoadUnload(_)
            | Self::Locate(_) => Transfer::None,
            Self::RequestSense(command) => Transfer::input(command.allocation_length.into()),
            Self::Inquiry(command) => Transfer::input(command.allocation_length.into()),
            Self::ModeSelect(command) => Transfer::output(command.length_on_the_wire().into()),
            Self::ModeSense(command) => Transfer::input(command.length_on_the_wire().into()),
            Self::LogSense(command) => Transfer::input(command.allocation_length.into()),
            Self::PersistentReserveIn(command) => Transfer::input(command.allocation_length.into()),
            Self::PersistentReserveOut(command) => Transfer::output(command.parameter_list_length),
            Self::ReadAttribute(command) => Transfer::input(command.allocation_length),
            Self::WriteAttribute(command) => Transfer::output(command.parameter_list_length),
            Self::ReportLuns(command) => Transfer::input(command.allocation_length),
            Self::ReportSupportedOperationCodes(command) => {
                Transfer::input(command.allocation_length)
            }
            Self::ReportSupportedTaskManagementFunctions(command) => {
                Transfer::input(command.allocation_length)
            }
            Self::ReadElementStatus(command) => {
                Transfer::input(three_bytes_of(command.allocation_length))
            }
            Self::ReadBlockLimits => Transfer::In(6),
            Self::Read(command) => Transfer::input(command.bytes(block_length)),
            Self::Write(command) => Transfer::output(command.bytes(block_length)),
            Self::ReadPosition(command) => Transfer::input(command.length().into()),
            Self::ReportDensitySupport(command) => {
                Transfer::input(command.allocation_length.into())
            }
        }
    }
}

/// The largest value of a 24-bit field.
pub const MAX_24_BITS: u32 = 0x00ff_ffff;

/// Returns the value as a 24-bit field carries it: a larger one is the largest that fits.
fn three_bytes_of(value: u32) -> u32 {
    value.min(MAX_24_BITS)
}

/// Encodes a 24-bit field, as [`three_bytes_of`].
fn three_bytes(value: u32) -> [u8; 3] {
    let [_, a, b, c] = three_bytes_of(value).to_be_bytes();
    [a, b, c]
}

#[cfg(test)]
mod tests;
