//! Asks one target what it has: which commands to send, when, and what the replies say. No I/O, no clock.
//!
//! Commands go out in flights; a flight ends when all its replies are there:
//!
//! | flight | to | commands |
//! |---|---|---|
//! | 1 | LUN 0 | REPORT LUNS |
//! | 2 | every LUN | TEST UNIT READY, INQUIRY, VPD page 00h |
//! | 3 | tape devices | those of the VPD pages 80h and 83h that page 00h lists |
//! | 3 | medium changers | VPD page D0h where it is listed, MODE SENSE page 1Dh, READ ELEMENT STATUS of the drives twice: with volume tags, and with identifiers |
//! | 4 | changers that refuse page 1Dh | READ ELEMENT STATUS, the header alone, for each other element type |
//!
//! So an ordinary target takes three. Commands that are sent again add to them: at once after a unit attention,
//! after a growing pause while a device is busy or becoming ready, with more room when a reply did not fit, and in
//! another form when READ ELEMENT STATUS is refused with 24/00 (invalid field in CDB): without volume tags, 1,000
//! elements at a time, 65,535 bytes at a time. A target without LUN 0 is asked for its list at the REPORT LUNS
//! well-known logical unit.
//!
//! All but REPORT LUNS and INQUIRY is optional: a refusal costs that answer, and so does silence
//! ([`Enumeration::unanswered`]). When a session ends at an optional question, [`Enumeration::reconnect`] leaves it out
//! and says whether the rest can be asked in another session.
//! Nothing here changes the state of a device, and no device is sent what its type does not define.

mod query;
mod unit;

pub(crate) use query::{ELEMENTS_AT_A_TIME, STATUS_ALLOCATION, STATUS_LIMIT};

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::inventory::TargetInventory;
use super::problem::{CommandFailure, Problem};
use super::text::trimmed;
use crate::scsi::data::element_status::{ElementStatus, ElementType};
use crate::scsi::data::inquiry::{InquiryData, PeripheralDeviceType};
use crate::scsi::data::luns::LunList;
use crate::scsi::data::mode::ElementAddressAssignment;
use crate::scsi::data::vpd::{self, Designator, MachineTypeModel, VpdPage};
use crate::scsi::{Cdb, DecodeError, Lun, Status};
use query::{
    DeviceQuery, DriveFact, ElementStatusForm, InquiredPage, LONGEST_PAUSE, QueryTask,
    VPD_ALLOCATION, VPD_LIMIT, Verdict, is_no_logical_unit, judge, refuses_the_form,
};
use unit::{EnumeratedUnit, PageList, ReportedDrive};

/// The most logical units of a target that are asked.
pub const MAX_LOGICAL_UNITS: usize = 1024;
/// The most drive elements of a target that are kept: each is a logical unit, or of no use.
pub const MAX_DRIVE_ELEMENTS: usize = MAX_LOGICAL_UNITS;
/// The most designators of a logical unit that are kept.
const MAX_DESIGNATORS: usize = 16;
/// How often one command is sent again without a pause.
const MAX_RESENDS: u8 = 8;
/// The most that all replies on their way may have together, which bounds what a transport has to hold.
const MAX_OUTSTANDING: u32 = STATUS_LIMIT;

/// Names a command among those of one enumeration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnumerationCommandId(pub u32);

/// A command to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnumerationCommand {
    /// The name under which its reply is handed back.
    pub id: EnumerationCommandId,
    /// Where to.
    pub lun: Lun,
    /// What.
    pub cdb: Cdb,
    /// The most bytes that may come back; the transport's expected data transfer length.
    pub allocation_length: u32,
}

/// What came back for a command that the target completed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnumerationReply {
    /// SCSI status.
    pub status: Status,
    /// Sense data, empty without any.
    pub sense: Bytes,
    /// What the target sent, without padding.
    pub data: Bytes,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum EnumerationStep {
    /// Send these in this order, then poll again.
    Send(Vec<EnumerationCommand>),
    /// Poll again at this time, or after a reply that comes earlier has been handled.
    WaitUntil(Duration),
    /// Poll again after a reply has been handled.
    WaitForReplies,
    /// Nothing is left to ask: [`Enumeration::finish`].
    Done,
}

/// Why a command has no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoReply {
    /// The connection was lost while it was outstanding.
    ConnectionLost,
    /// No reply came in time.
    Timeout,
    /// The target rejected it, or failed to carry it out, without a SCSI status.
    Rejected,
}

/// Why nothing can be said about what the target has.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EnumerationError {
    /// REPORT LUNS was refused for good.
    #[error("REPORT LUNS was refused: {0:?}")]
    ReportLunsRefused(CommandFailure),
    /// The list makes no sense.
    #[error("the parameter data of REPORT LUNS is malformed: {0}")]
    ReportLunsMalformed(DecodeError),
    /// [`Enumeration::finish`] came before [`EnumerationStep::Done`].
    #[error("{unanswered} commands are unanswered")]
    Unfinished {
        /// Commands that were sent, or were still to be sent.
        unanswered: usize,
    },
}

/// The state of asking one target what it has.
///
/// `poll` until it says to wait, wait, `handle` the replies, and so on until [`EnumerationStep::Done`]. Time is a duration
/// since any fixed moment and never goes back.
#[derive(Debug)]
pub struct Enumeration {
    give_up_at: Duration,
    last_id: u32,
    ready: VecDeque<QueryTask>,
    paused: Vec<(Duration, QueryTask)>,
    outstanding: BTreeMap<EnumerationCommandId, QueryTask>,
    units: Vec<EnumeratedUnit>,
    /// How many more descriptors are kept, of reports with volume tags and of reports with identifiers.
    volumes_left: usize,
    identifiers_left: usize,
    /// Flights so far, and the last one of which something was answered.
    flight: u32,
    answered_flight: u32,
    reconnected: bool,
    problems: Vec<Problem>,
    error: Option<EnumerationError>,
}

impl Enumeration {
    /// Returns the enumeration at its start. A device that is busy or becoming ready is asked again until `busy_timeout`
    /// after `now`, and what it has not answered by then counts as refused.
    pub fn new(now: Duration, busy_timeout: Duration) -> Self {
        Self {
            give_up_at: now.saturating_add(busy_timeout),
            last_id: 0,
            ready: VecDeque::from([QueryTask::new(DeviceQuery::ReportLuns, 0, Lun::ZERO)]),
            paused: Vec::new(),
            outstanding: BTreeMap::new(),
            units: Vec::new(),
            volumes_left: MAX_DRIVE_ELEMENTS,
            identifiers_left: MAX_DRIVE_ELEMENTS,
            flight: 0,
            answered_flight: 0,
            reconnected: false,
            problems: Vec::new(),
            error: None,
        }
    }

    /// Returns what to do at the time `now`.
    pub fn poll(&mut self, now: Duration) -> EnumerationStep {
        let units = &self.units;
        self.paused
            .retain(|(_, task)| units.get(task.unit).is_none_or(|unit| !unit.ignored));
        for (_, task) in self.paused.extract_if(.., |(due, _)| *due <= now) {
            self.ready.push_back(task);
        }
        if self.ready.is_empty() && self.outstanding.is_empty() {
            for (index, unit) in self.units.iter_mut().enumerate() {
                for query in unit.next_queries() {
                    self.ready.push_back(QueryTask::new(query, index, unit.lun));
                }
            }
        }
        let commands = self.next_commands();
        if !commands.is_empty() {
            return EnumerationStep::Send(commands);
        }
        match self.paused.iter().map(|(due, _)| *due).min() {
            Some(due) => EnumerationStep::WaitUntil(due),
            None if self.outstanding.is_empty() => EnumerationStep::Done,
            None => EnumerationStep::WaitForReplies,
        }
    }

    /// Takes the reply to a command. One to a command that is not on its way is ignored, and so is what `data` has
    /// beyond the command's allocation length.
    pub fn handle(&mut self, id: EnumerationCommandId, reply: &EnumerationReply, now: Duration) {
        let Some(mut task) = self.outstanding.remove(&id) else {
            return;
        };
        self.answered_flight = self.answered_flight.max(task.flight);
        if task.query == DeviceQuery::TestUnitReady {
            // It is there to take the unit attention off the others; what else it says does not matter.
            return;
        }
        match judge(reply) {
            Verdict::Data => {
                let length = usize::try_from(task.allocation_length).unwrap_or(usize::MAX);
                let data = reply.data.get(..length).unwrap_or(&reply.data);
                self.take(task, data);
            }
            Verdict::SendAgain(_) if task.resends < MAX_RESENDS => {
                task.resends = task.resends.saturating_add(1);
                self.ready.push_back(task);
            }
            Verdict::SendLater(failure) => {
                let due = now.saturating_add(task.pause);
                if due > self.give_up_at {
                    return self.refused(task, failure);
                }
                task.pause = task.pause.saturating_mul(2).min(LONGEST_PAUSE);
                self.paused.push((due, task));
            }
            Verdict::SendAgain(failure) | Verdict::Refused(failure) => self.refused(task, failure),
        }
    }

    /// Returns the commands that have no reply yet.
    pub fn outstanding(&self) -> Vec<EnumerationCommandId> {
        self.outstanding.keys().copied().collect()
    }

    /// Takes note that a command has no reply and will have none in this session; returns whether the target can be
    /// described without it. False for REPORT LUNS and INQUIRY, and for a target that has answered nothing of a whole
    /// flight in time: it is gone.
    #[must_use]
    pub fn unanswered(&mut self, id: EnumerationCommandId, reason: NoReply) -> bool {
        let Some(task) = self.outstanding.get(&id) else {
            // Its reply was there first.
            return true;
        };
        let is_alone = self
            .outstanding
            .values()
            .filter(|other| other.flight == task.flight)
            .count()
            == 1;
        let is_alive = reason == NoReply::Rejected || self.answered_flight >= task.flight;
        if !task.query.is_optional() || !is_alive && !is_alone {
            return false;
        }
        if let Some(task) = self.outstanding.remove(&id) {
            self.refused(task, CommandFailure::NoReply(reason));
        }
        true
    }

    /// Takes note that the connection was lost; returns whether to log in once more. What was answered stays, and what
    /// was not is asked in the next session, except for the oldest of the outstanding questions: a target that answers
    /// in order drops the connection there. False when that is REPORT LUNS or an INQUIRY, when nothing was
    /// outstanding, and the second time.
    #[must_use]
    pub fn reconnect(&mut self) -> bool {
        let is_optional = |task: &QueryTask| task.query.is_optional();
        if self.reconnected || !self.outstanding.values().next().is_some_and(is_optional) {
            return false;
        }
        self.reconnected = true;
        let mut again = VecDeque::new();
        let mut tasks = std::mem::take(&mut self.outstanding).into_values();
        if let Some(left_out) = tasks.next() {
            self.refused(left_out, CommandFailure::NoReply(NoReply::ConnectionLost));
        }
        // The unit attentions of the next session do not count against them.
        again.extend(tasks.map(|task| QueryTask { resends: 0, ..task }));
        again.append(&mut self.ready);
        self.ready = again;
        true
    }

    /// Returns what the target has.
    ///
    /// # Errors
    /// When REPORT LUNS brought nothing usable, or `poll` has not yet said [`EnumerationStep::Done`].
    pub fn finish(self) -> Result<TargetInventory, EnumerationError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let unanswered = [self.ready.len(), self.paused.len(), self.outstanding.len()]
            .iter()
            .fold(0usize, |sum, count| sum.saturating_add(*count));
        if unanswered > 0 {
            return Err(EnumerationError::Unfinished { unanswered });
        }
        let mut logical_units: Vec<_> = self
            .units
            .into_iter()
            .filter_map(EnumeratedUnit::into_logical_unit)
            .collect();
        logical_units.sort_by_key(|unit| (unit.lun.number(), unit.lun));
        Ok(TargetInventory {
            logical_units,
            problems: self.problems,
        })
    }

    fn next_commands(&mut self) -> Vec<EnumerationCommand> {
        let mut room = self
            .outstanding
            .values()
            .fold(MAX_OUTSTANDING, |room, task| {
                room.saturating_sub(task.allocation_length)
            });
        let mut commands = Vec::new();
        let flight = self.flight.saturating_add(1);
        while let Some(mut task) = self.ready.pop_front() {
            if task.allocation_length > room {
                self.ready.push_front(task);
                break;
            }
            room = room.saturating_sub(task.allocation_length);
            task.flight = flight;
            self.flight = flight;
            self.last_id = self.last_id.wrapping_add(1);
            let id = EnumerationCommandId(self.last_id);
            let command = task.command();
            commands.push(EnumerationCommand {
                id,
                lun: task.lun,
                cdb: command.cdb(),
                allocation_length: command.transfer(0).data_in(),
            });
            self.outstanding.insert(id, task);
        }
        commands
    }

    /// Takes the data of a command that was done.
    fn take(&mut self, task: QueryTask, data: &[u8]) {
        let taken = match task.query {
            DeviceQuery::ReportLuns => {
                match LunList::decode(data) {
                    Ok(list) => self.take_luns(&list),
                    Err(error) => self.error = Some(EnumerationError::ReportLunsMalformed(error)),
                }
                return;
            }
            DeviceQuery::TestUnitReady => return,
            DeviceQuery::Inquiry => {
                InquiryData::decode(data).map(|inquiry| self.take_inquiry(task, inquiry))
            }
            DeviceQuery::SupportedPages => vpd::supported_pages(data).map(|codes| {
                if let Some(unit) = self.units.get_mut(task.unit) {
                    unit.pages = PageList::Listed(codes);
                }
            }),
            DeviceQuery::Vpd(page) => VpdPage::decode(page.code(), data)
                .map(|contents| self.take_page(task, page, contents)),
            DeviceQuery::AddressAssignment => {
                ElementAddressAssignment::decode(data).map(|page| self.take_assignment(task, page))
            }
            DeviceQuery::Drives(form) => {
                ElementStatus::decode(data).map(|status| self.take_drives(task, form, &status))
            }
            DeviceQuery::Count(element_type) => ElementStatus::decode(data)
                .map(|status| self.take_count(task, element_type, status.number_of_elements)),
        };
        if let Err(error) = taken {
            self.refused(task, error.into());
        }
    }

    fn take_luns(&mut self, list: &LunList) {
        let mut seen = BTreeSet::new();
        self.units = list
            .luns
            .iter()
            .take(MAX_LOGICAL_UNITS)
            .filter(|lun| seen.insert(**lun))
            .map(|lun| EnumeratedUnit::new(*lun))
            .collect();
        let looked_at = list.luns.len().min(MAX_LOGICAL_UNITS);
        if looked_at < list.announced() {
            self.problems.push(Problem::LogicalUnitsLeftOut {
                announced: list.announced(),
                looked_at,
            });
        }
    }

    fn take_inquiry(&mut self, task: QueryTask, inquiry: InquiryData) {
        if let Some(unit) = self.units.get_mut(task.unit) {
            let is_tape_device = matches!(
                inquiry.device_type,
                PeripheralDeviceType::SEQUENTIAL_ACCESS | PeripheralDeviceType::MEDIUM_CHANGER
            );
            unit.ignored = inquiry.peripheral_qualifier != 0 || !is_tape_device;
            unit.inquiry = Some(inquiry);
        }
    }

    fn take_page(&mut self, task: QueryTask, page: InquiredPage, contents: VpdPage<'_>) {
        let limit = match page {
            // It is a name, and stands in every report: what is longer is cut.
            InquiredPage::SerialNumber => VPD_ALLOCATION,
            InquiredPage::DeviceIdentification | InquiredPage::TypeModel => VPD_LIMIT,
        };
        // What came is good until more comes, if it does.
        self.asked_with_more_room(task, contents.needed_length(), limit);
        let Some(unit) = self.units.get_mut(task.unit) else {
            return;
        };
        match page {
            InquiredPage::SerialNumber => unit.serial = trimmed(contents.contents).to_vec(),
            InquiredPage::DeviceIdentification => {
                unit.designators = vpd::designators(&contents)
                    .into_iter()
                    .filter(|designator| {
                        designator.association == Designator::OF_LOGICAL_UNIT
                            && !designator.bytes.is_empty()
                    })
                    .take(MAX_DESIGNATORS)
                    .collect();
            }
            InquiredPage::TypeModel => {
                unit.changer.type_model = MachineTypeModel::decode(&contents)
            }
        }
    }

    fn take_assignment(&mut self, task: QueryTask, page: ElementAddressAssignment) {
        if let Some(unit) = self.units.get_mut(task.unit) {
            unit.changer.storage_elements = page.storage.count;
            unit.changer.import_export_elements = page.import_export.count;
            unit.changer.transport_elements = page.medium_transport.count;
            unit.has_no_drives = page.data_transfer.count == 0;
        }
    }

    fn take_drives(
        &mut self,
        task: QueryTask,
        form: ElementStatusForm,
        status: &ElementStatus<'_>,
    ) {
        if !form.in_pieces && self.asked_with_more_room(task, status.needed_length(), STATUS_LIMIT)
        {
            return;
        }
        let left = match form.asks {
            DriveFact::Volume | DriveFact::Nothing => &mut self.volumes_left,
            DriveFact::Identifier => &mut self.identifiers_left,
        };
        let Some(unit) = self.units.get_mut(task.unit) else {
            return;
        };
        let report = unit.report(form.asks);
        let mut descriptors: Vec<_> = status.descriptors(ElementType::DataTransfer).collect();
        if form.in_pieces && status.cut_short && descriptors.len() > 1 {
            // The last one may not be whole, and the next piece begins with it.
            descriptors.pop();
        }
        let described_before = report.elements.len();
        let last = descriptors.last().map(|descriptor| descriptor.address);
        report.announced = described_before.saturating_add(status.number_of_elements.into());
        report
            .elements
            .extend(descriptors.iter().take(*left).map(ReportedDrive::new));
        let described = report.elements.len().saturating_sub(described_before);
        *left = left.saturating_sub(described);
        let has_room = *left > 0;
        if let Some(next) = form
            .next(descriptors.len(), last, status.cut_short)
            .filter(|_| has_room)
        {
            self.ready.push_back(QueryTask {
                query: DeviceQuery::Drives(next),
                ..task
            });
        }
    }

    fn take_count(&mut self, task: QueryTask, element_type: ElementType, count: u16) {
        if let Some(unit) = self.units.get_mut(task.unit) {
            match element_type {
                ElementType::MediumTransport => unit.changer.transport_elements = count,
                ElementType::Storage => unit.changer.storage_elements = count,
                ElementType::ImportExport => unit.changer.import_export_elements = count,
                ElementType::DataTransfer => {}
            }
        }
    }

    /// Sends the command again with the room that its reply needs, once.
    fn asked_with_more_room(&mut self, mut task: QueryTask, needed: u32, limit: u32) -> bool {
        let wanted = needed.min(limit);
        if task.enlarged || wanted <= task.allocation_length {
            return false;
        }
        task.enlarged = true;
        task.allocation_length = wanted;
        self.ready.push_back(task);
        true
    }

    /// Takes note that a command brought nothing and will not, at least not in this form.
    fn refused(&mut self, task: QueryTask, failure: CommandFailure) {
        if task.query == DeviceQuery::ReportLuns {
            return self.luns_refused(task, failure);
        }
        // GOOD without the data is how some devices refuse.
        let is_other_form_possible =
            refuses_the_form(&failure) || matches!(&failure, CommandFailure::Malformed { .. });
        if let Some(task) = task.fallback().filter(|_| is_other_form_possible) {
            self.ready.push_back(task);
            return;
        }
        let Some(unit) = self.units.get_mut(task.unit) else {
            return;
        };
        let lun = task.lun.number();
        let not_there = failure.is_illegal_request();
        let has_no_reply = matches!(failure, CommandFailure::NoReply(_));
        let is_told = match task.query {
            DeviceQuery::Inquiry => {
                unit.ignored = true;
                if !not_there {
                    self.problems.push(Problem::Unidentified { lun, failure });
                }
                return;
            }
            DeviceQuery::SupportedPages => {
                unit.pages = match has_no_reply {
                    true => PageList::Lost,
                    false => PageList::Refused,
                };
                !not_there
            }
            DeviceQuery::Drives(form) => {
                let report = unit.report(form.asks);
                // The end of what can be asked for piece by piece is no failure.
                if report.elements.is_empty() {
                    report.failure = Some(failure);
                }
                return;
            }
            DeviceQuery::AddressAssignment => {
                unit.must_count = !has_no_reply;
                has_no_reply
            }
            DeviceQuery::Vpd(_) | DeviceQuery::Count(_) => !not_there,
            DeviceQuery::ReportLuns | DeviceQuery::TestUnitReady => false,
        };
        if is_told {
            unit.problems.push(Problem::Unread {
                lun,
                what: task.query.subject().to_owned(),
                failure,
            });
        }
    }

    /// A target without LUN 0 has its list of logical units at the REPORT LUNS well-known logical unit.
    fn luns_refused(&mut self, task: QueryTask, failure: CommandFailure) {
        if task.lun == Lun::ZERO && is_no_logical_unit(&failure) {
            let task = QueryTask::new(DeviceQuery::ReportLuns, task.unit, Lun::REPORT_LUNS);
            self.ready.push_back(task);
        } else {
            self.error = Some(EnumerationError::ReportLunsRefused(failure));
        }
    }
}

#[cfg(test)]
mod tests;
