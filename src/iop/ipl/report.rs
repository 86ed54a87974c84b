//! What a target has become, as a report: its login, its devices by name, its problems.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{AttachOutcome, TargetOutcome, failure};
use crate::iop::active::{
    ChapReport, Failure, NegotiatedKey, SessionReport, StoredIn, TargetReport, TargetStatus,
    Timings,
};
use crate::iop::config::Target;
use crate::iop::devices::inventory::TargetInventory;
use crate::iop::devices::names::DeviceNames;
use crate::iop::devices::problem::Problem;
use crate::iop::devices::{self, Description};
use crate::iop::store::ActiveTarget;
use crate::iscsi::departure::Departures;
use crate::iscsi::login::ExchangedKey;
use crate::iscsi::name::IscsiName;
use crate::iscsi::text::Escaped;
use crate::transport;
use crate::transport::initiator::Initiator;

/// What a target that was attached by itself has become: its report, its devices named anew, and its session where it is held.
pub(in crate::iop) fn report_of(
    target: &Target,
    outcome: TargetOutcome,
    generated: Option<&IscsiName>,
    device_names: &mut DeviceNames,
) -> Option<(ActiveTarget, Option<Initiator>)> {
    let (reports, sessions) = report(&[target], vec![outcome], generated, device_names);
    reports.into_iter().zip(sessions).next()
}

/// Turns what became of the targets into their reports, and names the devices.
pub(super) fn report(
    targets: &[&Target],
    outcomes: Vec<TargetOutcome>,
    generated: Option<&IscsiName>,
    device_names: &mut DeviceNames,
) -> (Vec<ActiveTarget>, Vec<Option<Initiator>>) {
    let mut sessions = Vec::with_capacity(targets.len());
    let mut reports: Vec<ActiveTarget> = Vec::with_capacity(targets.len());
    let mut inventories = BTreeMap::new();
    for (index, (target, of_target)) in targets.iter().zip(outcomes).enumerate() {
        let TargetOutcome {
            mut attached,
            departures,
        } = of_target;
        let mut report = blank_report(target, generated);
        let held = attached
            .as_mut()
            .ok()
            .and_then(|attached| attached.as_mut().ok());
        let held = held.and_then(|attached| attached.session.take());
        let (session, inventory) = match attached {
            Ok(attached) => outcome(attached, &report),
            Err(failure) => (None, Err(failure)),
        };
        report.session = session;
        match inventory {
            Ok(inventory) => {
                report.status = TargetStatus::Connected;
                inventories.insert(index, inventory);
                sessions.push(held);
            }
            // A session without devices that are known is dropped, and so logged out.
            Err(failure) => {
                report.failure = Some(failure);
                sessions.push(None);
            }
        }
        report.problems = problems(departures);
        reports.push(ActiveTarget {
            revision: target.revision,
            generated: target.identity.initiator_name.is_generated(),
            report,
        });
    }

    let found: Vec<devices::EnumeratedTarget<'_>> = inventories
        .iter()
        .filter_map(|(index, inventory)| {
            Some(devices::EnumeratedTarget {
                name: targets.get(*index)?.identity.target_name.as_str(),
                inventory,
            })
        })
        .collect();
    let descriptions = devices::describe(&found, device_names);

    for (index, description) in inventories.keys().zip(descriptions) {
        if let Some(active) = reports.get_mut(*index) {
            describe(&mut active.report, description);
        }
    }
    for active in &mut reports {
        if is_not_authenticated(&active.report) {
            active.report.problems.insert(0, Problem::NotAuthenticated);
        }
    }
    (reports, sessions)
}

/// Returns the departures of a target from the standard as problems.
pub(in crate::iop) fn problems(departures: Departures) -> Vec<Problem> {
    departures
        .into_vec()
        .into_iter()
        .map(|departure| Problem::Departure { departure })
        .collect()
}

/// Adds to the report of a target what was found there.
pub(in crate::iop) fn describe(report: &mut TargetReport, description: Description) {
    // Problems of the devices come before departures from the standard, which cost nothing.
    let departures = std::mem::replace(&mut report.problems, description.problems);
    if description.libraries.is_empty() && description.drives.is_empty() {
        report.problems.push(Problem::NoTapeDevice {
            initiator_name: report.initiator_name.clone(),
        });
    }
    report.problems.extend(departures);
    report.libraries = description.libraries;
    report.drives = description.drives;
}

fn outcome(
    attached: AttachOutcome,
    target: &TargetReport,
) -> (Option<SessionReport>, Result<TargetInventory, Failure>) {
    let attached = match attached {
        Ok(attached) => attached,
        Err(error) => return (None, Err(failure::of_attach(&error, target))),
    };
    let inventory = match attached.interrupted {
        Some(error) => Err(failure::of_attach(&error, target)),
        None => attached.inquiry.finish().map_err(failure::of_enumeration),
    };
    let session = session_report(&attached.login, attached.asked);
    (Some(session), inventory)
}

/// Returns the report of a target of which nothing is known yet.
pub(in crate::iop) fn blank_report(target: &Target, generated: Option<&IscsiName>) -> TargetReport {
    let identity = &target.identity;
    TargetReport {
        target_name: identity.target_name.to_string(),
        target_host_name: identity.target_host_name.to_string(),
        target_port: identity.target_port.number(),
        initiator_name: identity.initiator_name.resolved(generated).to_owned(),
        chap: chap_report(
            target,
            target.chap.as_ref().is_some_and(|chap| chap.is_sealed()),
        ),
        status: TargetStatus::Failed,
        failure: None,
        lost: None,
        session: None,
        libraries: Vec::new(),
        drives: Vec::new(),
        problems: Vec::new(),
    }
}

/// Returns what a login settled, and how long it took; `asked` is how long the target was asked for its devices.
pub(in crate::iop) fn session_report(
    login: &transport::CompletedLogin,
    asked: Duration,
) -> SessionReport {
    let result = &login.result;
    let parameters = &result.parameters;
    SessionReport {
        portal: login.portal.to_string(),
        auth_method: result.auth_method.to_string(),
        chap_algorithm: result
            .chap_algorithm
            .map(|algorithm| algorithm.name().to_owned()),
        header_digest: parameters.header_digest.name().to_owned(),
        data_digest: parameters.data_digest.name().to_owned(),
        max_burst_length: parameters.max_burst_length,
        first_burst_length: parameters.first_burst_length,
        target_max_recv_data_segment_length: parameters.peer_max_recv_data_segment_length,
        initiator_max_recv_data_segment_length: parameters.max_recv_data_segment_length,
        initial_r2t: parameters.initial_r2t,
        immediate_data: parameters.immediate_data,
        max_outstanding_r2t: parameters.max_outstanding_r2t,
        error_recovery_level: parameters.error_recovery_level,
        target_alias: result
            .target_alias
            .as_deref()
            .map(|text| Escaped(text).to_string()),
        target_portal_group_tag: result.target_portal_group_tag,
        timings: Timings {
            resolve: login.times.resolve,
            connect: Some(login.times.connect),
            login: Some(login.times.login),
            enumerate: Some(asked),
        },
        keys: result.keys.iter().map(negotiated_key).collect(),
    }
}

fn negotiated_key(exchanged: &ExchangedKey) -> NegotiatedKey {
    NegotiatedKey {
        key: exchanged.key.to_owned(),
        offered: exchanged.offered.clone(),
        answered: exchanged
            .answered
            .as_deref()
            .map(|text| Escaped(text).to_string()),
    }
}

/// Returns whether a target let the initiator in without the CHAP that is configured.
pub(in crate::iop) fn is_not_authenticated(report: &TargetReport) -> bool {
    let authenticated = report
        .session
        .as_ref()
        .is_none_or(|session| session.chap_algorithm.is_some());
    report.chap.is_some() && !authenticated
}

/// Returns the CHAP parameters of a target without the secret, which rests in the Platform KeyStore when it is `sealed`.
pub fn chap_report(target: &Target, sealed: bool) -> Option<ChapReport> {
    target.chap.as_ref().map(|chap| ChapReport {
        name: chap.name.as_str().to_owned(),
        keystore: target.keystore.word().to_owned(),
        stored_in: match sealed {
            true => StoredIn::Platform,
            false => StoredIn::Disk,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iscsi::departure::Departure;

    #[test]
    fn departures_are_problems_of_their_target_behind_those_of_its_devices() {
        let departure = Departure::ConstantStatSn;
        let mut departures = Departures::default();
        departures.note(departure.clone());
        let mut report = TargetReport {
            initiator_name: "iqn.2026-01.com.example:host".to_owned(),
            problems: problems(departures),
            ..TargetReport::default()
        };
        describe(&mut report, Description::default());
        let initiator_name = report.initiator_name.clone();
        assert_eq!(
            report.problems,
            [
                Problem::NoTapeDevice { initiator_name },
                Problem::Departure { departure }
            ]
        );
    }
}
