//! The library and its drives.

use std::collections::BTreeSet;

use super::{Judgment, failure, not_applicable, not_reached, pass, problems, warning};
use crate::iop::check::finding::{DeviceNote, DeviceState, LibraryIdentity, Seen};
use crate::iop::check::observation::{DriveObservation, Observations};
use crate::iop::check::table::CheckId;
use crate::iop::devices::problem::{CommandFailure, Problem};
use crate::iop::finding::FindingResult;
use crate::scsi::data::log::{self, LogPage};
use crate::scsi::{AdditionalSenseCode, Status};

/// What IBM i has the library reported as.
const TYPE_MODEL: &str = "3584-403";
/// The blocks that IBM i writes, in bytes.
const BLOCK: u32 = super::rate::BLOCK;

/// MAIN PARTITION REMAINING CAPACITY and MAXIMUM CAPACITY of log page 31h.
const REMAINING: u16 = 1;
const MAXIMUM: u16 = 3;

pub(super) fn enumeration(of: &Observations) -> Judgment {
    let found = problems(CheckId::Enumeration, of);
    match (found.is_empty(), of.enumerated) {
        (false, _) => warning(Seen::Problems(found)),
        (true, true) => pass(Seen::NotMet),
        (true, false) => not_reached(),
    }
}

fn libraries(of: &Observations) -> Vec<LibraryIdentity> {
    of.report
        .libraries
        .iter()
        .map(|library| LibraryIdentity {
            device: library.device.clone(),
            type_model: library.type_model.clone(),
            has_page_d0: of
                .libraries
                .iter()
                .any(|seen| seen.device == library.device && seen.has_page_d0),
        })
        .collect()
}

pub(super) fn library_count(of: &Observations) -> Judgment {
    if !of.enumerated {
        return not_reached();
    }
    let found = problems(CheckId::LibraryCount, of);
    match of.report.libraries.len() {
        _ if !found.is_empty() => failure(Seen::Problems(found)),
        0 => failure(Seen::Libraries(Vec::new())),
        1 => pass(Seen::Libraries(libraries(of))),
        _ => warning(Seen::Libraries(libraries(of))),
    }
}

/// Returns the judgment of a row about libraries, where there is none.
fn without_library(of: &Observations) -> Option<Judgment> {
    match of.report.libraries.is_empty() {
        false => None,
        true if of.enumerated => Some(not_applicable()),
        true => Some(not_reached()),
    }
}

pub(super) fn type_model(of: &Observations) -> Judgment {
    if let Some(judgment) = without_library(of) {
        return judgment;
    }
    let found = problems(CheckId::TypeModel, of);
    let libraries = libraries(of);
    let is_as_expected = libraries
        .iter()
        .all(|library| library.has_page_d0 && library.type_model == TYPE_MODEL);
    match is_as_expected {
        _ if !found.is_empty() => failure(Seen::Problems(found)),
        true => pass(Seen::Libraries(libraries)),
        false => warning(Seen::Libraries(libraries)),
    }
}

pub(super) fn drive_types(of: &Observations) -> Judgment {
    if let Some(judgment) = without_library(of) {
        return judgment;
    }
    let found = problems(CheckId::DriveTypes, of);
    let types: BTreeSet<&str> = of
        .report
        .libraries
        .iter()
        .flat_map(|library| &library.drives)
        .map(|drive| drive.type_model.as_str())
        .collect();
    match found.is_empty() {
        false => failure(Seen::Problems(found)),
        true => pass(Seen::DriveTypes(
            types.into_iter().map(str::to_owned).collect(),
        )),
    }
}

pub(super) fn drive_generation(of: &Observations) -> Judgment {
    let found = problems(CheckId::DriveGeneration, of);
    match found.is_empty() {
        false => failure(Seen::Problems(found)),
        true if of.drives.is_empty() => without_drive(of),
        true => pass(Seen::NotMet),
    }
}

pub(super) fn drive_elements(of: &Observations) -> Judgment {
    if let Some(judgment) = without_library(of) {
        return judgment;
    }
    let found = problems(CheckId::DriveElements, of);
    let was_matched = |problem: &Problem| {
        matches!(
            problem,
            Problem::DriveByPrefix { .. } | Problem::DriveByLikeness { .. }
        )
    };
    let drives = of
        .report
        .libraries
        .iter()
        .map(|library| library.drives.len());
    match found.is_empty() {
        true => pass(Seen::Drives(drives.sum())),
        false if found.iter().all(was_matched) => warning(Seen::Problems(found)),
        false => failure(Seen::Problems(found)),
    }
}

pub(super) fn library_ready(of: &Observations) -> Judgment {
    of_devices(
        of,
        of.libraries.iter().map(|library| {
            let (result, note) = match &library.ready {
                Ok(()) => (FindingResult::Pass, DeviceState::Ready),
                Err(error) => (FindingResult::Failure, DeviceState::Refused(error.clone())),
            };
            (result, library.device.as_str(), note)
        }),
    )
}

pub(super) fn barcodes(of: &Observations) -> Judgment {
    if of.libraries.is_empty() {
        return without_drive(of);
    }
    let unread = of.libraries.iter().filter_map(|library| {
        let error = library.barcodes.as_ref().err()?;
        let note = DeviceState::Refused(error.clone());
        Some((FindingResult::Failure, library.device.as_str(), note))
    });
    let unread: Vec<_> = unread.collect();
    if !unread.is_empty() {
        return of_devices(of, unread.into_iter());
    }
    let all: Vec<&String> = of
        .libraries
        .iter()
        .filter_map(|library| library.barcodes.as_ref().ok())
        .flatten()
        .collect();
    let is_wrong = |barcode: &str| !matches!(barcode.chars().count(), 6 | 8);
    let wrong: Vec<String> = all
        .iter()
        .filter(|barcode| is_wrong(barcode))
        .map(|barcode| (*barcode).clone())
        .collect();
    let is_clear = wrong.is_empty();
    let seen = Seen::Barcodes {
        count: all.len(),
        wrong,
    };
    match is_clear {
        true => pass(seen),
        false => warning(seen),
    }
}

/// Returns the judgment of a row about devices, where there is none.
fn without_drive(of: &Observations) -> Judgment {
    match of.enumerated {
        true => not_applicable(),
        false => not_reached(),
    }
}

/// Returns the judgment of a row about devices: what is worst of them, with those of which it is.
fn of_devices<'a>(
    of: &Observations,
    states: impl Iterator<Item = (FindingResult, &'a str, DeviceState)>,
) -> Judgment {
    let states: Vec<_> = states.collect();
    let Some(worst) = states.iter().map(|(result, ..)| *result).max() else {
        return without_drive(of);
    };
    let notes = states
        .into_iter()
        .filter(|(result, ..)| *result == worst)
        .map(|(_, device, note)| DeviceNote {
            device: device.to_owned(),
            note,
        })
        .collect();
    (worst, Seen::Devices(notes))
}

/// Judges each drive.
fn of_drives(
    of: &Observations,
    judge: impl Fn(&DriveObservation) -> (FindingResult, DeviceState),
) -> Judgment {
    of_devices(
        of,
        of.drives.iter().map(|drive| {
            let (result, note) = judge(drive);
            (result, drive.device.as_str(), note)
        }),
    )
}

/// Judges each drive by the data of a command, whose refusal comes to `refused`.
fn of_answers<T>(
    of: &Observations,
    refused: FindingResult,
    answer: impl Fn(&DriveObservation) -> &Result<T, CommandFailure>,
    judge: impl Fn(&T) -> (FindingResult, DeviceState),
) -> Judgment {
    of_drives(of, |drive| match answer(drive) {
        Ok(data) => judge(data),
        Err(error) => (refused, DeviceState::Refused(error.clone())),
    })
}

fn has_code(error: &CommandFailure, code: AdditionalSenseCode) -> bool {
    matches!(error, CommandFailure::Sense(sense) if sense.code == code)
}

fn is_conflict(error: &CommandFailure) -> bool {
    matches!(error, CommandFailure::Status(Status::RESERVATION_CONFLICT))
}

fn is_without_medium(error: &CommandFailure) -> bool {
    matches!(error, CommandFailure::Sense(sense) if sense.code.asc == AdditionalSenseCode::MEDIUM_NOT_PRESENT.asc)
}

pub(super) fn drive_ready(of: &Observations) -> Judgment {
    of_drives(of, |drive| match &drive.ready {
        Ok(()) => (FindingResult::Pass, DeviceState::Ready),
        Err(error) if is_without_medium(error) => (FindingResult::Pass, DeviceState::Empty),
        // drives.reserved says by whom.
        Err(error) if is_conflict(error) => {
            (FindingResult::Skipped, DeviceState::Refused(error.clone()))
        }
        Err(error) => (
            match has_code(error, AdditionalSenseCode::BECOMING_READY) {
                true => FindingResult::Warning,
                false => FindingResult::Failure,
            },
            DeviceState::Refused(error.clone()),
        ),
    })
}

pub(super) fn block_limits(of: &Observations) -> Judgment {
    of_answers(
        of,
        FindingResult::Failure,
        |drive| &drive.block_limits,
        |limits| {
            // No limit is told as 0 (SSC-4 7.6).
            let result = match limits.longest == 0 || limits.longest >= BLOCK {
                true => FindingResult::Pass,
                false => FindingResult::Failure,
            };
            (result, DeviceState::LongestBlock(limits.longest))
        },
    )
}

pub(super) fn saved_values(of: &Observations) -> Judgment {
    of_answers(
        of,
        FindingResult::Failure,
        |drive| &drive.saved_values,
        |()| (FindingResult::Pass, DeviceState::SavedValues),
    )
}

pub(super) fn reservation_capabilities(of: &Observations) -> Judgment {
    of_answers(
        of,
        FindingResult::Failure,
        |drive| &drive.capabilities,
        |capabilities| {
            let set = capabilities.compatible_reservation_handling;
            let result = match set {
                false => FindingResult::Pass,
                true => FindingResult::Failure,
            };
            (result, DeviceState::CompatibleReservationHandling(set))
        },
    )
}

pub(super) fn reservation_full_status(of: &Observations) -> Judgment {
    of_answers(
        of,
        FindingResult::Failure,
        |drive| &drive.full_status,
        |registrations| {
            let note = DeviceState::Registrations(registrations.len());
            (FindingResult::Pass, note)
        },
    )
}

pub(super) fn log_pages(of: &Observations) -> Judgment {
    of_drives(of, |drive| {
        let pages = match &drive.log_pages {
            Ok(pages) => pages,
            Err(error) => return (FindingResult::Failure, DeviceState::Refused(error.clone())),
        };
        match &drive.capacity {
            None => (FindingResult::Failure, DeviceState::NoCapacityPage),
            Some(Err(error)) => (FindingResult::Failure, DeviceState::Refused(error.clone())),
            Some(Ok(page)) => match implausible(page, drive.ready.is_ok()) {
                Some(note) => (FindingResult::Failure, note),
                None => (FindingResult::Pass, DeviceState::LogPages(pages.clone())),
            },
        }
    })
}

/// Returns what cannot be in a page of capacities: more left than there is, or no capacity at all with a cartridge.
fn implausible(page: &LogPage, has_medium: bool) -> Option<DeviceState> {
    let (remaining, maximum) = (page.number(REMAINING), page.number(MAXIMUM));
    let is_plausible = match (remaining, maximum) {
        (Some(remaining), Some(maximum)) => remaining <= maximum && (!has_medium || maximum > 0),
        // Without a cartridge there need be no capacity to tell.
        _ => !has_medium,
    };
    (!is_plausible).then_some(DeviceState::CapacityImplausible { remaining, maximum })
}

pub(super) fn read_position(of: &Observations) -> Judgment {
    of_drives(of, |drive| match &drive.position {
        None => (FindingResult::Skipped, DeviceState::Empty),
        Some(Err(error)) => (FindingResult::Failure, DeviceState::Refused(error.clone())),
        Some(Ok(position)) => {
            let (beginning, object) = (position.beginning, position.object);
            // In the first partition, the only one that IBM i uses.
            let result = match object {
                Some(object) if beginning == (object == 0) => FindingResult::Pass,
                Some(_) => FindingResult::Failure,
                None => FindingResult::Warning,
            };
            (result, DeviceState::Position { beginning, object })
        }
    })
}

pub(super) fn reserved(of: &Observations) -> Judgment {
    let own = of.report.initiator_name.to_ascii_lowercase();
    of_drives(of, |drive| {
        // The name of a port is the initiator name with its ISID behind it (SPC-4 7.6.4.6).
        let is_own = |name: &str| {
            let name = name.to_ascii_lowercase();
            name.split(',').next() == Some(own.as_str())
        };
        let registrations = drive.full_status.as_ref().ok();
        let holder = registrations
            .into_iter()
            .flatten()
            .find(|registration| registration.is_holder && !is_own(&registration.name));
        if let Some(holder) = holder {
            let name = Some(holder.name.clone()).filter(|name| !name.is_empty());
            return (FindingResult::Failure, DeviceState::Holder { name });
        }
        let holds_itself = drive
            .full_status
            .as_ref()
            .is_ok_and(|all| all.iter().any(|registration| registration.is_holder));
        let is_held = drive
            .reservation
            .as_ref()
            .is_ok_and(|read| read.held.is_some());
        let is_refused = drive.ready.as_ref().is_err_and(is_conflict);
        match is_refused || is_held && !holds_itself {
            true => (FindingResult::Failure, DeviceState::Holder { name: None }),
            false => (FindingResult::Pass, DeviceState::NotReserved),
        }
    })
}

pub(super) fn tape_alert(of: &Observations) -> Judgment {
    if of.drives.iter().all(|drive| drive.tape_alert.is_none()) {
        return match of.drives.is_empty() {
            true => without_drive(of),
            false => (FindingResult::Skipped, Seen::NotAsked),
        };
    }
    of_drives(of, |drive| match &drive.tape_alert {
        None => (FindingResult::Skipped, DeviceState::TapeAlert(Vec::new())),
        Some(Err(error)) => (FindingResult::Warning, DeviceState::Refused(error.clone())),
        Some(Ok(page)) => {
            let set = flags(page);
            let result = match set.is_empty() {
                true => FindingResult::Pass,
                false => FindingResult::Warning,
            };
            (result, DeviceState::TapeAlert(set))
        }
    })
}

/// Returns the flags of a TapeAlert page that are set (SSC-4 8.3.3).
fn flags(page: &LogPage) -> Vec<u16> {
    debug_assert_eq!(page.code, log::TAPE_ALERT);
    let parameters = page.parameters.iter();
    parameters
        .filter(|parameter| (1..=64).contains(&parameter.code) && parameter.number() & 1 != 0)
        .map(|parameter| parameter.code)
        .collect()
}
