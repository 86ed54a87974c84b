//! What is learnt of one logical unit, flight by flight.

use std::collections::BTreeMap;

use super::super::inventory::{DriveElement, DriveIdentifier, InquiredChanger, InquiredUnit};
use super::super::problem::{CommandFailure, Problem};
use super::super::text::trimmed;
use super::query::{DeviceQuery, DriveFact, ElementStatusForm, InquiredPage};
use crate::scsi::data::element_status::{ElementDescriptor, ElementType};
use crate::scsi::data::inquiry::{InquiryData, PeripheralDeviceType};
use crate::scsi::data::vpd::Designator;
use crate::scsi::{AdditionalSenseCode, Lun};

/// What is known of a logical unit so far.
#[derive(Debug)]
pub(super) struct EnumeratedUnit {
    pub(super) lun: Lun,
    stage: EnumerationStage,
    /// Not there, or no tape device.
    pub(super) ignored: bool,
    pub(super) inquiry: Option<InquiryData>,
    pub(super) pages: PageList,
    pub(super) serial: Vec<u8>,
    pub(super) designators: Vec<Designator>,
    pub(super) changer: InquiredChanger,
    /// Mode page 1Dh says that there are no data transfer elements.
    pub(super) has_no_drives: bool,
    /// The device refused mode page 1Dh.
    pub(super) must_count: bool,
    /// READ ELEMENT STATUS with volume tags, or with nothing more than the flags.
    pub(super) volumes: DriveElements,
    /// READ ELEMENT STATUS with identifiers.
    pub(super) identifiers: DriveElements,
    pub(super) problems: Vec<Problem>,
}

/// Which vital product data pages a device has, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PageList {
    /// Not answered yet.
    Awaited,
    /// VPD page 00h.
    Listed(Vec<u8>),
    /// The device has no page 00h, or answered it with something else. SPC-2 and later have 80h and 83h for tape
    /// devices all the same.
    Refused,
    /// The session ended at the question: the device is asked for no other page.
    Lost,
}

impl PageList {
    fn has(&self, page: InquiredPage) -> bool {
        match self {
            Self::Listed(codes) => codes.contains(&page.code()),
            Self::Refused => page != InquiredPage::TypeModel,
            Self::Awaited | Self::Lost => false,
        }
    }
}

/// What READ ELEMENT STATUS of the drives said in one form.
#[derive(Debug, Default)]
pub(super) struct DriveElements {
    /// In the order of the report, as many as are kept.
    pub(super) elements: Vec<ReportedDrive>,
    /// How many there are, as far as the library has said.
    pub(super) announced: usize,
    /// Why the library did not say more.
    pub(super) failure: Option<CommandFailure>,
}

/// A data transfer element in a report.
#[derive(Debug)]
pub(super) struct ReportedDrive {
    address: u16,
    /// EXCEPT with the code that says that no drive is there.
    is_empty_bay: bool,
    identifier: Option<DriveIdentifier>,
    volume: Option<Vec<u8>>,
}

impl ReportedDrive {
    pub(super) fn new(descriptor: &ElementDescriptor<'_>) -> Self {
        // IBM's 3584: 82/00 drive not present, 83/00 drive not installed.
        let is_no_drive = matches!(
            descriptor.exception_code,
            AdditionalSenseCode {
                asc: 0x82 | 0x83,
                ascq: 0
            }
        );
        Self {
            address: descriptor.address,
            is_empty_bay: descriptor.exception && is_no_drive,
            identifier: descriptor
                .device_identifier
                .filter(|identifier| !trimmed(identifier.bytes).is_empty())
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
}

/// The flight that a logical unit takes part in next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EnumerationStage {
    Identify,
    Describe,
    Count,
    Finished,
}

impl EnumeratedUnit {
    pub(super) fn new(lun: Lun) -> Self {
        Self {
            lun,
            stage: EnumerationStage::Identify,
            ignored: false,
            inquiry: None,
            pages: PageList::Awaited,
            serial: Vec::new(),
            designators: Vec::new(),
            changer: InquiredChanger::default(),
            has_no_drives: false,
            must_count: false,
            volumes: DriveElements::default(),
            identifiers: DriveElements::default(),
            problems: Vec::new(),
        }
    }

    fn is_changer(&self) -> bool {
        let is_changer =
            |inquiry: &InquiryData| inquiry.device_type == PeripheralDeviceType::MEDIUM_CHANGER;
        !self.ignored && self.inquiry.as_ref().is_some_and(is_changer)
    }

    /// Returns what to ask in the next flight.
    ///
    /// What a device is least likely to take comes first: where a session ends at a question and the target answers
    /// out of order, the oldest one is suspected, and losing one of the others would cost more.
    pub(super) fn next_queries(&mut self) -> Vec<DeviceQuery> {
        match self.stage {
            EnumerationStage::Identify => {
                self.stage = EnumerationStage::Describe;
                vec![
                    DeviceQuery::TestUnitReady,
                    DeviceQuery::Inquiry,
                    DeviceQuery::SupportedPages,
                ]
            }
            EnumerationStage::Describe if self.is_identified() => {
                self.stage = EnumerationStage::Count;
                let is_changer = self.is_changer();
                let elements = [
                    DeviceQuery::Drives(ElementStatusForm::new(DriveFact::Identifier)),
                    DeviceQuery::AddressAssignment,
                    DeviceQuery::Drives(ElementStatusForm::new(DriveFact::Volume)),
                ];
                let has = |page| self.pages.has(page).then_some(DeviceQuery::Vpd(page));
                has(InquiredPage::TypeModel)
                    .into_iter()
                    .chain(elements)
                    .filter(|_| is_changer)
                    .chain(has(InquiredPage::DeviceIdentification))
                    .chain(has(InquiredPage::SerialNumber))
                    .collect()
            }
            EnumerationStage::Count if self.must_count => {
                self.stage = EnumerationStage::Finished;
                vec![
                    DeviceQuery::Count(ElementType::Storage),
                    DeviceQuery::Count(ElementType::ImportExport),
                    DeviceQuery::Count(ElementType::MediumTransport),
                ]
            }
            EnumerationStage::Describe | EnumerationStage::Count | EnumerationStage::Finished => {
                Vec::new()
            }
        }
    }

    /// Returns whether it is a tape device, and which pages it has is known.
    fn is_identified(&self) -> bool {
        !self.ignored && self.inquiry.is_some() && self.pages != PageList::Awaited
    }

    pub(super) fn report(&mut self, asks: DriveFact) -> &mut DriveElements {
        match asks {
            DriveFact::Volume | DriveFact::Nothing => &mut self.volumes,
            DriveFact::Identifier => &mut self.identifiers,
        }
    }

    pub(super) fn into_logical_unit(mut self) -> Option<InquiredUnit> {
        let is_changer = self.is_changer();
        if is_changer {
            self.tell_of_element_status();
            self.changer.drives = drive_elements(self.volumes, self.identifiers);
        }
        let inquiry = self.inquiry.filter(|_| !self.ignored)?;
        Some(InquiredUnit {
            lun: self.lun,
            inquiry,
            serial: self.serial,
            designators: self.designators,
            changer: is_changer.then_some(self.changer),
            problems: self.problems,
        })
    }

    /// Adds the problems that the two reports of the drives had.
    fn tell_of_element_status(&mut self) {
        let lun = self.lun.number();
        let refused = |failure: CommandFailure, asks| Problem::Unread {
            lun,
            what: DeviceQuery::Drives(ElementStatusForm::new(asks))
                .subject()
                .to_owned(),
            failure,
        };
        match (self.volumes.failure.take(), self.identifiers.failure.take()) {
            _ if self.has_no_drives => {}
            (Some(failure), _) => self.problems.push(refused(failure, DriveFact::Volume)),
            // A library that does not know DVCID says of no drive which one it is, and each drive is told.
            (None, Some(failure)) if !failure.is_illegal_request() => {
                self.problems.push(refused(failure, DriveFact::Identifier));
            }
            _ => {}
        }
        let described = self
            .volumes
            .elements
            .len()
            .max(self.identifiers.elements.len());
        let announced = self.volumes.announced.max(self.identifiers.announced);
        if described < announced {
            self.problems.push(Problem::DriveElementsLeftOut {
                announced,
                described,
            });
        }
    }
}

/// Puts together what the two reports say of each element. FULL and the volume tag are valid in the first only.
fn drive_elements(volumes: DriveElements, identifiers: DriveElements) -> Vec<DriveElement> {
    let mut order = Vec::new();
    let mut elements = BTreeMap::new();
    for reported in volumes.elements {
        order.push(reported.address);
        elements.insert(
            reported.address,
            ReportedDrive {
                identifier: None,
                ..reported
            },
        );
    }
    for reported in identifiers.elements {
        let element = elements.entry(reported.address).or_insert_with(|| {
            order.push(reported.address);
            ReportedDrive {
                address: reported.address,
                is_empty_bay: false,
                identifier: None,
                volume: None,
            }
        });
        element.is_empty_bay |= reported.is_empty_bay;
        element.identifier = element.identifier.take().or(reported.identifier);
    }
    order
        .into_iter()
        .filter_map(|address| elements.remove(&address))
        .filter(|element| element.identifier.is_some() || !element.is_empty_bay)
        .map(|element| DriveElement {
            address: element.address,
            identifier: element.identifier,
            volume: element.volume,
        })
        .collect()
}
