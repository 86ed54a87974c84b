//! The questions: as commands, and what a reply means for sending them again.

use std::time::Duration;

use super::super::problem::CommandFailure;
use super::Reply;
use crate::scsi::smc::{self, ElementType, ReadElementStatus};
use crate::scsi::spc::{self, LogicalUnitNumber};
use crate::scsi::{AdditionalSenseCode, Request, SenseData, SenseKey, Status, vpd};

pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(50);
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Allocation length for twice as many logical units as are looked at, to tell how many are left out.
pub(super) const LUNS_ALLOCATION: u32 = 16 * 1024 + 8;
pub(super) const INQUIRY_ALLOCATION: u32 = 96;
/// What devices of before SPC-3 can understand.
pub(super) const VPD_ALLOCATION: u32 = 255;
pub(super) const VPD_LIMIT: u32 = 4 * 1024;
pub(super) const STATUS_ALLOCATION: u32 = 64 * 1024;
pub(super) const STATUS_LIMIT: u32 = 4 * 1024 * 1024;
/// The header of element status, which has the number of elements.
pub(super) const STATUS_HEADER: u32 = 8;
/// A command, before or after it was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Task {
    pub(super) query: Query,
    /// Index of the logical unit; of no meaning for REPORT LUNS.
    pub(super) unit: usize,
    pub(super) lun: LogicalUnitNumber,
    pub(super) allocation_length: u32,
    pub(super) resends: u8,
    /// How long to wait the next time that the device is busy.
    pub(super) pause: Duration,
    pub(super) enlarged: bool,
}

impl Task {
    pub(super) fn new(query: Query, unit: usize, lun: LogicalUnitNumber) -> Self {
        Self {
            query,
            unit,
            lun,
            allocation_length: query.allocation_length(),
            resends: 0,
            pause: FIRST_PAUSE,
            enlarged: false,
        }
    }

    pub(super) fn request(&self) -> Request {
        let short = u16::try_from(self.allocation_length).unwrap_or(u16::MAX);
        let element_status = |element_type, details| ReadElementStatus {
            element_type,
            starting_address: 0,
            number_of_elements: u16::MAX,
            volume_tag: details,
            device_id: details,
            current_data: false,
            allocation_length: self.allocation_length,
        };
        match self.query {
            Query::ReportLuns => spc::report_luns(self.allocation_length),
            Query::TestUnitReady => spc::test_unit_ready(),
            Query::Inquiry => spc::inquiry(short),
            Query::Vpd(page) => spc::inquiry_vpd(page.code(), short),
            Query::AddressAssignment => smc::element_address_assignment(),
            Query::Drives => element_status(ElementType::DataTransfer, true).request(),
            Query::Count(element_type) => element_status(element_type, false).request(),
        }
    }
}

/// A question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Query {
    ReportLuns,
    TestUnitReady,
    Inquiry,
    Vpd(Page),
    AddressAssignment,
    Drives,
    Count(ElementType),
}

impl Query {
    fn allocation_length(self) -> u32 {
        match self {
            Self::ReportLuns => LUNS_ALLOCATION,
            Self::TestUnitReady => 0,
            Self::Inquiry => INQUIRY_ALLOCATION,
            Self::Vpd(_) => VPD_ALLOCATION,
            Self::AddressAssignment => smc::element_address_assignment().allocation_length,
            Self::Drives => STATUS_ALLOCATION,
            Self::Count(_) => STATUS_HEADER,
        }
    }

    /// Returns what the question is about, for a problem's sentence.
    pub(super) fn subject(self) -> &'static str {
        match self {
            Self::ReportLuns => "list of logical units",
            Self::TestUnitReady => "readiness",
            Self::Inquiry => "standard INQUIRY data",
            Self::Vpd(Page::SerialNumber) => "serial number (VPD page 80h)",
            Self::Vpd(Page::DeviceIdentification) => "identification (VPD page 83h)",
            Self::Vpd(Page::TypeModel) => "type and model (VPD page D0h)",
            Self::AddressAssignment => "element addresses (mode page 1Dh)",
            Self::Drives => "element status",
            Self::Count(ElementType::MediumTransport) => "number of transport elements",
            Self::Count(ElementType::Storage) => "number of storage elements",
            Self::Count(ElementType::ImportExport) => "number of import/export elements",
            Self::Count(ElementType::DataTransfer) => "number of drives",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    SerialNumber,
    DeviceIdentification,
    TypeModel,
}

impl Page {
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

pub(super) fn judge(reply: &Reply) -> Verdict {
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
        SenseKey::NOT_READY if sense.code == AdditionalSenseCode::BECOMING_READY => {
            Verdict::SendLater(failure)
        }
        _ => Verdict::Refused(failure),
    }
}
