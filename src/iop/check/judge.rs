//! From what was observed of a target to findings: one for each row of the table. Nothing here does I/O.

mod devices;
mod login;
mod network;
mod rate;

use super::finding::{CheckedTarget, Finding, Seen};
use super::observation::Observations;
use super::table::{CheckId, TABLE};
use crate::iop::active::TargetStatus;
use crate::iop::devices::problem::Problem;
use crate::iop::finding::FindingResult;

/// What a row comes to, and what was seen.
type Judgment = (FindingResult, Seen);

/// Judges what was observed of a target.
#[must_use]
pub fn judge(observations: Observations) -> CheckedTarget {
    let findings = TABLE
        .iter()
        .map(|row| {
            let (result, seen) = judgment(row.check, &observations);
            Finding {
                check: row.check,
                result,
                seen,
            }
        })
        .collect();
    let mut report = observations.report;
    report.status = match report.failure {
        None => TargetStatus::Connected,
        Some(_) => TargetStatus::Failed,
    };
    CheckedTarget { report, findings }
}

fn judgment(check: CheckId, of: &Observations) -> Judgment {
    // What the re-IPL calls the cause of a failure is that finding's, whatever else is known.
    if let Some(failure) = &of.report.failure
        && CheckId::of_cause(&failure.cause) == check
        && let Some(judgment) = network::with_cause(check, of)
    {
        return judgment;
    }
    match check {
        CheckId::NameResolution => network::name_resolution(of),
        CheckId::HostUnreachable | CheckId::PortFiltered | CheckId::PortRefused => {
            network::portals(check, of)
        }
        CheckId::NotIscsi => network::speaks_iscsi(of),
        CheckId::PathMtu => network::path_mtu(of),
        CheckId::RoundTrip => network::round_trip(of),
        CheckId::InitiatorName => login::name(&of.report.initiator_name),
        CheckId::TargetName => login::name(&of.report.target_name),
        CheckId::Accepted => login::accepted(of),
        CheckId::SecretMissing => login::secret_missing(of),
        CheckId::ChapRequired => login::chap_required(of),
        CheckId::ChapNotAsked => login::chap_not_asked(of),
        CheckId::ChapCredentials => login::chap_credentials(of),
        CheckId::ChapSecretCase => login::case(of, of.trials.secret_case),
        CheckId::ChapNameCase => login::case(of, of.trials.name_case),
        CheckId::ChapAlgorithm => login::chap_algorithm(of),
        CheckId::MutualChap => login::not_met_once_logged_in(of, of.report.chap.is_some()),
        CheckId::InitiatorUnknown | CheckId::TargetUnknown => {
            login::not_met_once_logged_in(of, true)
        }
        CheckId::Departures => login::departures(of),
        CheckId::Enumeration => devices::enumeration(of),
        CheckId::LibraryCount => devices::library_count(of),
        CheckId::TypeModel => devices::type_model(of),
        CheckId::DriveTypes => devices::drive_types(of),
        CheckId::DriveGeneration => devices::drive_generation(of),
        CheckId::DriveElements => devices::drive_elements(of),
        CheckId::LibraryReady => devices::library_ready(of),
        CheckId::Barcodes => devices::barcodes(of),
        CheckId::DriveReady => devices::drive_ready(of),
        CheckId::BlockLimits => devices::block_limits(of),
        CheckId::SavedValues => devices::saved_values(of),
        CheckId::ReservationCapabilities => devices::reservation_capabilities(of),
        CheckId::ReservationFullStatus => devices::reservation_full_status(of),
        CheckId::LogPages => devices::log_pages(of),
        CheckId::ReadPosition => devices::read_position(of),
        CheckId::Reserved => devices::reserved(of),
        CheckId::TapeAlert => devices::tape_alert(of),
        CheckId::ChapAbsent => login::chap_absent(of),
        CheckId::ChapMd5 => login::chap_md5(of),
        CheckId::DigestsOff => login::digests(of),
        CheckId::SecretPlain => login::secret_plain(of),
        CheckId::SecretShort => login::secret_short(of),
        CheckId::WriteRate => rate::write_rate(of),
    }
}

fn pass(seen: Seen) -> Judgment {
    (FindingResult::Pass, seen)
}

fn warning(seen: Seen) -> Judgment {
    (FindingResult::Warning, seen)
}

fn failure(seen: Seen) -> Judgment {
    (FindingResult::Failure, seen)
}

fn not_reached() -> Judgment {
    (FindingResult::Skipped, Seen::NotReached)
}

fn not_applicable() -> Judgment {
    (FindingResult::Skipped, Seen::NotApplicable)
}

/// Returns the problems of the target and its libraries that belong to a row.
fn problems(check: CheckId, of: &Observations) -> Vec<Problem> {
    let libraries = of.report.libraries.iter();
    libraries
        .flat_map(|library| &library.problems)
        .chain(&of.report.problems)
        .filter(|problem| CheckId::of_problem(problem) == check)
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests;
