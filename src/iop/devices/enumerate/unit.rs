//! What is learnt of one logical unit, flight by flight.

use super::super::inventory::{Changer, DriveElement, DriveIdentifier, LogicalUnit};
use super::super::problem::{CommandFailure, Problem};
use super::super::text::trimmed;
use super::query::{Page, Query};
use crate::scsi::smc::{ElementDescriptor, ElementType};
use crate::scsi::spc::{InquiryData, LogicalUnitNumber, PeripheralDeviceType};
use crate::scsi::vpd::Designator;

/// What is known of a logical unit so far.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) lun: LogicalUnitNumber,
    stage: Stage,
    /// Not there, or no tape device.
    pub(super) ignored: bool,
    pub(super) inquiry: Option<InquiryData>,
    pub(super) serial: Vec<u8>,
    pub(super) designators: Vec<Designator>,
    pub(super) changer: Changer,
    /// Mode page 1Dh says that there are no data transfer elements.
    pub(super) has_no_drives: bool,
    /// Mode page 1Dh was refused.
    pub(super) must_count: bool,
    pub(super) element_status_failure: Option<CommandFailure>,
    pub(super) problems: Vec<Problem>,
}

/// The flight that a logical unit takes part in next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Identify,
    Describe,
    Count,
    Finished,
}

impl Unit {
    pub(super) fn new(lun: LogicalUnitNumber) -> Self {
        Self {
            lun,
            stage: Stage::Identify,
            ignored: false,
            inquiry: None,
            serial: Vec::new(),
            designators: Vec::new(),
            changer: Changer::default(),
            has_no_drives: false,
            must_count: false,
            element_status_failure: None,
            problems: Vec::new(),
        }
    }

    fn is_changer(&self) -> bool {
        let is_changer =
            |inquiry: &InquiryData| inquiry.device_type == PeripheralDeviceType::MEDIUM_CHANGER;
        !self.ignored && self.inquiry.as_ref().is_some_and(is_changer)
    }

    pub(super) fn next_queries(&mut self) -> &'static [Query] {
        match self.stage {
            Stage::Identify => {
                self.stage = Stage::Describe;
                &[
                    Query::TestUnitReady,
                    Query::Inquiry,
                    Query::Vpd(Page::SerialNumber),
                    Query::Vpd(Page::DeviceIdentification),
                ]
            }
            Stage::Describe if self.is_changer() => {
                self.stage = Stage::Count;
                &[
                    Query::Vpd(Page::TypeModel),
                    Query::AddressAssignment,
                    Query::Drives,
                ]
            }
            Stage::Count if self.must_count => {
                self.stage = Stage::Finished;
                &[
                    Query::Count(ElementType::Storage),
                    Query::Count(ElementType::ImportExport),
                    Query::Count(ElementType::MediumTransport),
                ]
            }
            Stage::Describe | Stage::Count | Stage::Finished => &[],
        }
    }

    pub(super) fn into_logical_unit(mut self) -> Option<LogicalUnit> {
        let is_changer = self.is_changer();
        if let Some(failure) = self.element_status_failure.filter(|_| !self.has_no_drives) {
            self.problems.push(Problem::Unread {
                lun: self.lun.number(),
                what: Query::Drives.subject(),
                failure,
            });
        }
        let inquiry = self.inquiry.filter(|_| !self.ignored)?;
        Some(LogicalUnit {
            lun: self.lun,
            inquiry,
            serial: self.serial,
            designators: self.designators,
            changer: is_changer.then_some(self.changer),
            problems: self.problems,
        })
    }
}

pub(super) fn drive_element(descriptor: &ElementDescriptor<'_>) -> DriveElement {
    DriveElement {
        address: descriptor.address,
        identifier: descriptor
            .device_identifier
            .map(|identifier| DriveIdentifier {
                code_set: identifier.code_set,
                identifier_type: identifier.identifier_type,
                bytes: identifier.bytes.to_vec(),
            }),
        volume: descriptor
            .primary_volume_tag
            .filter(|_| descriptor.full)
            .map(|tag| trimmed(&tag.identification).to_vec())
            .filter(|volume| !volume.is_empty()),
    }
}
