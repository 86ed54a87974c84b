//! The questions: as commands, and what a reply means for sending them again.

use std::time::Duration;

use super::super::problem::CommandFailure;
use super::EnumerationReply;
use crate::scsi::command::{Inquiry, ModeSense, ReadElementStatus, ReportLuns};
use crate::scsi::data::element_status::ElementType;
use crate::scsi::data::mode::ElementAddressAssignment;
use crate::scsi::data::vpd;
use crate::scsi::{AdditionalSenseCode, Command, Lun, SenseData, SenseKey, Status};

pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(50);
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Allocation length for twice as many logical units as are asked, to tell how many are left out.
pub(super) const LUNS_ALLOCATION: u32 = 16 * 1024 + 8;
pub(super) const INQUIRY_ALLOCATION: u32 = 96;
/// What devices of before SPC-3 can understand.
pub(super) const VPD_ALLOCATION: u32 = 255;
pub(super) const VPD_LIMIT: u32 = 4 * 1024;
/// What libraries can understand that know only the low 16 bits of the allocation length of READ ELEMENT STATUS.
pub(crate) const STATUS_ALLOCATION: u32 = 65_535;
pub(crate) const STATUS_LIMIT: u32 = 4 * 1024 * 1024;
/// The header of element status, which has the number of elements.
pub(super) const STATUS_HEADER: u32 = 8;
/// How many elements are asked for at a time of a library that refuses to be asked for all.
pub(crate) const ELEMENTS_AT_A_TIME: u16 = 1000;

/// A command, before or after it was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct QueryTask {
    pub(super) query: DeviceQuery,
    /// Index of the logical unit; of no meaning for REPORT LUNS.
    pub(super) unit: usize,
    pub(super) lun: Lun,
    pub(super) allocation_length: u32,
    pub(super) resends: u8,
    /// How long to wait the next time that the device is busy.
    pub(super) pause: Duration,
    pub(super) enlarged: bool,
    /// With which flight it was sent last, from 1.
    pub(super) flight: u32,
}

impl QueryTask {
    pub(super) fn new(query: DeviceQuery, unit: usize, lun: Lun) -> Self {
        Self {
            query,
            unit,
            lun,
            allocation_length: query.allocation_length(),
            resends: 0,
            pause: FIRST_PAUSE,
            enlarged: false,
            flight: 0,
        }
    }

    pub(super) fn command(&self) -> Command {
        let short = u16::try_from(self.allocation_length).unwrap_or(u16::MAX);
        let short_vpd = |code| Command::Inquiry(Inquiry::vpd(code, short));
        match self.query {
            DeviceQuery::ReportLuns => {
                Command::ReportLuns(ReportLuns::logical_units(self.allocation_length))
            }
            DeviceQuery::TestUnitReady => Command::TestUnitReady,
            DeviceQuery::Inquiry => Command::Inquiry(Inquiry::standard(short)),
            DeviceQuery::SupportedPages => short_vpd(vpd::SUPPORTED_PAGES),
            DeviceQuery::Vpd(page) => short_vpd(page.code()),
            DeviceQuery::AddressAssignment => Command::ModeSense(ModeSense::page6(
                ElementAddressAssignment::PAGE_CODE,
                u8::MAX,
            )),
            DeviceQuery::Drives(form) => {
                Command::ReadElementStatus(form.command(self.allocation_length))
            }
            DeviceQuery::Count(element_type) => Command::ReadElementStatus(
                ReadElementStatus::all_of(element_type, self.allocation_length),
            ),
        }
    }

    /// Returns the same question in the form that a library may take which refused this one with 24/00.
    pub(super) fn fallback(mut self) -> Option<Self> {
        let DeviceQuery::Drives(form) = self.query else {
            return None;
        };
        if self.enlarged {
            // More than 65,535 bytes at a time are not for every library. What is left is asked for piece by piece.
            self.enlarged = false;
            self.allocation_length = STATUS_ALLOCATION;
            self.query = DeviceQuery::Drives(ElementStatusForm {
                in_pieces: true,
                ..form
            });
            return Some(self);
        }
        self.query = DeviceQuery::Drives(form.fallback()?);
        Some(self)
    }
}

/// A question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DeviceQuery {
    ReportLuns,
    TestUnitReady,
    Inquiry,
    SupportedPages,
    Vpd(InquiredPage),
    AddressAssignment,
    Drives(ElementStatusForm),
    Count(ElementType),
}

impl DeviceQuery {
    fn allocation_length(self) -> u32 {
        match self {
            Self::ReportLuns => LUNS_ALLOCATION,
            Self::TestUnitReady => 0,
            Self::Inquiry => INQUIRY_ALLOCATION,
            Self::SupportedPages | Self::Vpd(_) => VPD_ALLOCATION,
            Self::AddressAssignment => u8::MAX.into(),
            Self::Drives(_) => STATUS_ALLOCATION,
            Self::Count(_) => STATUS_HEADER,
        }
    }

    /// Returns whether a target can be described without the answer: all but its list of logical units and what kind
    /// of device each is.
    pub(super) fn is_optional(self) -> bool {
        !matches!(self, Self::ReportLuns | Self::Inquiry)
    }

    /// Returns what the question is about, for a problem's sentence.
    pub(super) fn subject(self) -> &'static str {
        match self {
            Self::ReportLuns => "list of logical units",
            Self::TestUnitReady => "readiness",
            Self::Inquiry => "standard INQUIRY data",
            Self::SupportedPages => "list of VPD pages (VPD page 00h)",
            Self::Vpd(InquiredPage::SerialNumber) => "serial number (VPD page 80h)",
            Self::Vpd(InquiredPage::DeviceIdentification) => "identification (VPD page 83h)",
            Self::Vpd(InquiredPage::TypeModel) => "type and model (VPD page D0h)",
            Self::AddressAssignment => "element addresses (mode page 1Dh)",
            Self::Drives(ElementStatusForm {
                asks: DriveFact::Volume | DriveFact::Nothing,
                ..
            }) => "element status",
            Self::Drives(ElementStatusForm {
                asks: DriveFact::Identifier,
                ..
            }) => "element status with drive identifiers",
            Self::Count(ElementType::MediumTransport) => "number of transport elements",
            Self::Count(ElementType::Storage) => "number of storage elements",
            Self::Count(ElementType::ImportExport) => "number of import/export elements",
            Self::Count(ElementType::DataTransfer) => "number of drives",
        }
    }
}

/// READ ELEMENT STATUS of the drives, in one of its forms.
///
/// Volume tags and identifiers are asked for apart: IBM's 3584 takes DVCID = 1 with VOLTAG = 0 only, and FULL and the
/// volume tag are not valid in that answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ElementStatusForm {
    pub(super) asks: DriveFact,
    /// STARTING ELEMENT ADDRESS.
    pub(super) from: u16,
    /// NUMBER OF ELEMENTS.
    pub(super) count: u16,
    /// The library takes no allocation length beyond 65,535: what did not fit is asked for from its address on.
    pub(super) in_pieces: bool,
}

/// What READ ELEMENT STATUS is to say of each drive beside its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DriveFact {
    /// VOLTAG = 1, DVCID = 0.
    Volume,
    /// VOLTAG = 0, DVCID = 1.
    Identifier,
    /// VOLTAG = 0, DVCID = 0.
    Nothing,
}

impl ElementStatusForm {
    pub(super) const fn new(asks: DriveFact) -> Self {
        Self {
            asks,
            from: 0,
            count: u16::MAX,
            in_pieces: false,
        }
    }

    fn command(self, allocation_length: u32) -> ReadElementStatus {
        ReadElementStatus {
            first: self.from,
            count: self.count,
            volume_tag: self.asks == DriveFact::Volume,
            device_id: self.asks == DriveFact::Identifier,
            ..ReadElementStatus::all_of(ElementType::DataTransfer, allocation_length)
        }
    }

    /// Returns the form to ask in when this one was refused: without the volume tags, then a number of elements that
    /// is less than all. There is no asking for identifiers without DVCID.
    fn fallback(self) -> Option<Self> {
        let all_at_once = self.count == u16::MAX;
        Some(match self.asks {
            DriveFact::Volume => Self {
                asks: DriveFact::Nothing,
                ..self
            },
            DriveFact::Nothing if all_at_once => Self {
                asks: DriveFact::Volume,
                count: ELEMENTS_AT_A_TIME,
                ..self
            },
            DriveFact::Identifier if all_at_once => Self {
                count: ELEMENTS_AT_A_TIME,
                ..self
            },
            DriveFact::Nothing | DriveFact::Identifier => return None,
        })
    }

    /// Returns the question for the elements behind `last`, when a report that ended with it may not have been the
    /// whole: it was asked for in part, or `cut_short`.
    pub(super) fn next(self, described: usize, last: Option<u16>, cut_short: bool) -> Option<Self> {
        let in_part = self.count != u16::MAX && described >= usize::from(self.count);
        let from = last?.checked_add(1).filter(|from| *from > self.from)?;
        (in_part || self.in_pieces && cut_short).then_some(Self { from, ..self })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InquiredPage {
    SerialNumber,
    DeviceIdentification,
    TypeModel,
}

impl InquiredPage {
    pub(super) fn code(self) -> u8 {
        match self {
            Self::SerialNumber => vpd::UNIT_SERIAL_NUMBER,
            Self::DeviceIdentification => vpd::DEVICE_IDENTIFICATION,
            Self::TypeModel => vpd::IBM_TYPE_MODEL,
        }
    }
}

/// What a reply means for its command.
pub(super) enum Verdict {
    Data,
    /// The command was not done, and would be now.
    SendAgain(CommandFailure),
    /// The command was not done, and may be some time later.
    SendLater(CommandFailure),
    Refused(CommandFailure),
}

pub(super) fn judge(reply: &EnumerationReply) -> Verdict {
    match reply.status {
        Status::GOOD => return Verdict::Data,
        Status::CHECK_CONDITION => {}
        Status::BUSY | Status::TASK_SET_FULL => {
            return Verdict::SendLater(CommandFailure::Status(reply.status));
        }
        Status::TASK_ABORTED => return Verdict::SendAgain(CommandFailure::Status(reply.status)),
        status => return Verdict::Refused(CommandFailure::Status(status)),
    }
    let Ok(sense) = SenseData::decode(&reply.sense) else {
        return Verdict::Refused(CommandFailure::NoSense);
    };
    let failure = CommandFailure::Sense(sense);
    match sense.key {
        _ if sense.deferred => Verdict::SendAgain(failure),
        SenseKey::NO_SENSE | SenseKey::RECOVERED_ERROR => Verdict::Data,
        SenseKey::UNIT_ATTENTION | SenseKey::ABORTED_COMMAND => Verdict::SendAgain(failure),
        SenseKey::NOT_READY if passes(sense.code) => Verdict::SendLater(failure),
        _ => Verdict::Refused(failure),
    }
}

/// Returns whether a device that is not ready for this reason becomes ready by itself.
fn passes(code: AdditionalSenseCode) -> bool {
    matches!(
        code,
        AdditionalSenseCode::BECOMING_READY
            | AdditionalSenseCode::NOT_READY_CAUSE_NOT_REPORTABLE
            | AdditionalSenseCode::OPERATION_IN_PROGRESS
    )
}

/// Returns whether the device says that the question has a form that it does not take: 24/00.
pub(super) fn refuses_the_form(failure: &CommandFailure) -> bool {
    matches!(failure, CommandFailure::Sense(sense)
        if sense.key == SenseKey::ILLEGAL_REQUEST && sense.code == AdditionalSenseCode::INVALID_FIELD_IN_CDB)
}

/// Returns whether there is no logical unit at this LUN: 25/00.
pub(super) fn is_no_logical_unit(failure: &CommandFailure) -> bool {
    matches!(failure, CommandFailure::Sense(sense)
        if sense.key == SenseKey::ILLEGAL_REQUEST && sense.code == AdditionalSenseCode::LOGICAL_UNIT_NOT_SUPPORTED)
}
