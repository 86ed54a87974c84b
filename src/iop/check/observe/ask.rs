//! Asks devices what IBM i wants of them. Every command here reads.

use std::time::Duration;

use crate::iop::active::{Failure, TargetReport};
use crate::iop::check::observation::{DriveObservation, LibraryObservation};
use crate::iop::devices::enumerate::NoReply;
use crate::iop::devices::inventory::InquiredUnit;
use crate::iop::devices::names::DeviceNames;
use crate::iop::devices::problem::CommandFailure;
use crate::iop::devices::{self, EnumeratedTarget};
use crate::iop::ipl::inquiry::EnumerationInquiry;
use crate::iop::ipl::{self, describe};
use crate::iop::job::unit::{AnswerDeadlines, Unit, UnitError};
use crate::iop::library::Inventory;
use crate::scsi::command::{
    CdbLength, LogSense, ModeSense, PageControl, PersistentReserveIn, PositionForm, ReadPosition,
    ReserveInAction,
};
use crate::scsi::data::block_limits::BlockLimits;
use crate::scsi::data::log::{self, LogPage};
use crate::scsi::data::position::Position;
use crate::scsi::data::reservation::{self, ReadReservation, ReserveCapabilities};
use crate::scsi::{Command, DecodeError};
use crate::transport::initiator::{ExecuteError, Initiator};
use crate::transport::{self, Deadlines};

use super::CheckSettings;

/// More than any log page or list of registrations of a drive takes.
const ALLOCATION_LENGTH: u16 = 8192;
/// The pages of a drive, all of them (SPC-4 7.5.1).
const ALL_PAGES: u8 = 0x3f;
/// Device configuration (SSC-4 8.5.3), which every drive has.
const DEVICE_CONFIGURATION: u8 = 0x10;

/// Enumerates a target as a re-IPL does, and adds its devices to the report, under the names that a re-IPL would give them.
///
/// # Errors
/// Why the target did not say what it has.
pub(super) async fn devices(
    initiator: &Initiator,
    report: &mut TargetReport,
    names: &mut DeviceNames,
    deadlines: Deadlines,
) -> Result<Vec<InquiredUnit>, Failure> {
    let mut inquiry = EnumerationInquiry::new(deadlines.phase);
    if let Err(error) = transport::ask(initiator, &mut inquiry, deadlines).await {
        return Err(ipl::failure_of(&error, report));
    }
    let inventory = inquiry.finish().map_err(ipl::of_enumeration)?;
    let target_name = report.target_name.clone();
    let found = [EnumeratedTarget {
        name: &target_name,
        inventory: &inventory,
    }];
    if let Some(description) = devices::describe(&found, names).pop() {
        describe(report, description);
    }
    Ok(inventory.logical_units)
}

/// Asks every library and every drive, one after the other.
pub(super) async fn units(
    initiator: &Initiator,
    units: &[InquiredUnit],
    report: &TargetReport,
    settings: &CheckSettings,
) -> (Vec<LibraryObservation>, Vec<DriveObservation>) {
    let deadlines = AnswerDeadlines {
        answer: settings.timeout,
        motion: settings.timeout,
    };
    let (mut libraries, mut drives) = (Vec::new(), Vec::new());
    for unit in units {
        let open = Unit::new(initiator.clone(), unit.lun, deadlines);
        match &unit.changer {
            Some(changer) => {
                let device = library_name(report, unit);
                let has_page_d0 = changer.type_model.is_some();
                libraries.push(library(&open, device, has_page_d0).await);
            }
            None => drives.push(drive(&open, drive_name(report, unit), settings.tape_alert).await),
        }
    }
    (libraries, drives)
}

fn library_name(report: &TargetReport, unit: &InquiredUnit) -> String {
    let (number, address) = devices::recorded_lun(unit.lun);
    let mut libraries = report.libraries.iter();
    let found = libraries.find(|of| of.lun == number && of.lun_address == address);
    found.map_or_else(|| format!("LUN {number}"), |of| of.device.clone())
}

fn drive_name(report: &TargetReport, unit: &InquiredUnit) -> String {
    let (number, address) = devices::recorded_lun(unit.lun);
    let in_libraries = report.libraries.iter().flat_map(|library| &library.drives);
    let mut drives = in_libraries.chain(&report.drives);
    let found = drives.find(|of| of.lun == number && of.lun_address == address);
    found.map_or_else(|| format!("LUN {number}"), |of| of.device.clone())
}

pub(super) async fn library(unit: &Unit, device: String, has_page_d0: bool) -> LibraryObservation {
    let ready = ready(unit).await;
    let inventory = Inventory::read(&device, unit).await;
    let barcodes = inventory.map_err(failed).map(|inventory| {
        let full = inventory.elements.iter().filter(|element| element.full);
        full.map(|element| element.volume.clone().unwrap_or_default())
            .collect()
    });
    LibraryObservation {
        device,
        has_page_d0,
        ready,
        barcodes,
    }
}

pub(super) async fn drive(unit: &Unit, device: String, tape_alert: bool) -> DriveObservation {
    let ready = ready(unit).await;
    let block_limits = asked(unit, Command::ReadBlockLimits, BlockLimits::decode).await;
    let saved_values = saved_values(unit).await;
    let capabilities = reserve_in(
        unit,
        ReserveInAction::ReportCapabilities,
        ReserveCapabilities::decode,
    )
    .await;
    let full_status = reserve_in(
        unit,
        ReserveInAction::ReadFullStatus,
        reservation::full_status,
    )
    .await;
    let reservation = reserve_in(
        unit,
        ReserveInAction::ReadReservation,
        ReadReservation::decode,
    )
    .await;
    let log_pages = log_sense(unit, log::SUPPORTED_PAGES, log::supported_pages).await;
    let has_capacity = log_pages
        .as_ref()
        .is_ok_and(|pages| pages.contains(&log::TAPE_CAPACITY));
    let capacity = match has_capacity {
        true => Some(log_page(unit, log::TAPE_CAPACITY).await),
        false => None,
    };
    let position = match ready {
        Ok(()) => {
            let command = Command::ReadPosition(ReadPosition::new(PositionForm::Short));
            let decode = |data: &[u8]| Position::decode(PositionForm::Short, data);
            Some(asked(unit, command, decode).await)
        }
        Err(_) => None,
    };
    let tape_alert = match tape_alert {
        true => Some(log_page(unit, log::TAPE_ALERT).await),
        false => None,
    };
    DriveObservation {
        device,
        ready,
        block_limits,
        saved_values,
        capabilities,
        full_status,
        reservation,
        log_pages,
        capacity,
        position,
        tape_alert,
    }
}

/// TEST UNIT READY, once the unit attentions are taken; while the device is busy it is asked again for a moment.
async fn ready(unit: &Unit) -> Result<(), CommandFailure> {
    const PAUSE: Duration = Duration::from_millis(100);
    const TIMES: u32 = 5;

    unit.take_unit_attentions(false).await.map_err(failed)?;
    for _ in 0..TIMES {
        match unit.execute(&Command::TestUnitReady).await {
            Err(error) if error.is_busy() => transport::sleep(PAUSE).await,
            outcome => return outcome.map(drop).map_err(failed),
        }
    }
    let outcome = unit.execute(&Command::TestUnitReady).await;
    outcome.map(drop).map_err(failed)
}

/// Asks for the saved values of all pages, and of one where that is refused.
async fn saved_values(unit: &Unit) -> Result<(), CommandFailure> {
    let sense = |page_code, cdb_length, allocation_length| {
        Command::ModeSense(ModeSense {
            cdb_length,
            disable_block_descriptors: false,
            long_lba_accepted: false,
            page_control: PageControl::Saved,
            page_code,
            subpage_code: 0,
            allocation_length,
        })
    };
    let all = sense(ALL_PAGES, CdbLength::Ten, ALLOCATION_LENGTH);
    let all = asked(unit, all, |_| Ok(())).await;
    match all {
        Err(error) if error.is_illegal_request() => {
            let one = sense(DEVICE_CONFIGURATION, CdbLength::Six, 255);
            asked(unit, one, |_| Ok(())).await
        }
        outcome => outcome,
    }
}

async fn reserve_in<T>(
    unit: &Unit,
    action: ReserveInAction,
    decode: impl Fn(&[u8]) -> Result<T, DecodeError>,
) -> Result<T, CommandFailure> {
    let command = Command::PersistentReserveIn(PersistentReserveIn {
        action,
        allocation_length: ALLOCATION_LENGTH,
    });
    asked(unit, command, decode).await
}

async fn log_page(unit: &Unit, code: u8) -> Result<LogPage, CommandFailure> {
    log_sense(unit, code, |data| LogPage::decode(code, data)).await
}

async fn log_sense<T>(
    unit: &Unit,
    code: u8,
    decode: impl Fn(&[u8]) -> Result<T, DecodeError>,
) -> Result<T, CommandFailure> {
    let command = Command::LogSense(LogSense::page(code, ALLOCATION_LENGTH));
    asked(unit, command, decode).await
}

async fn asked<T>(
    unit: &Unit,
    command: Command,
    decode: impl Fn(&[u8]) -> Result<T, DecodeError>,
) -> Result<T, CommandFailure> {
    let data = unit.execute(&command).await.map_err(failed)?;
    Ok(decode(&data)?)
}

fn failed(error: UnitError) -> CommandFailure {
    match error {
        UnitError::Check { sense, .. } => CommandFailure::Sense(sense),
        UnitError::NoSense => CommandFailure::NoSense,
        UnitError::Status(status) => CommandFailure::Status(status),
        UnitError::Malformed(error) => error.into(),
        UnitError::Execute(ExecuteError::Timeout { .. }) => {
            CommandFailure::NoReply(NoReply::Timeout)
        }
        UnitError::Execute(ExecuteError::Rejected(_) | ExecuteError::TargetFailure(_)) => {
            CommandFailure::NoReply(NoReply::Rejected)
        }
        error if error.is_lost() => CommandFailure::NoReply(NoReply::ConnectionLost),
        error => CommandFailure::Malformed {
            detail: error.to_string(),
        },
    }
}
