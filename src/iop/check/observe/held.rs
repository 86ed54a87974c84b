//! Observes a target by way of the resident IOP that holds the session with it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Observed, ask};
use crate::iop::active::{TargetReport, TargetStatus};
use crate::iop::check::observation::Observations;
use crate::iop::config::Target;
use crate::iop::devices::names::DeviceKind;
use crate::iop::job::{JobError, JobSettings, Sessions, locate};
use crate::iop::resident::{ControlError, ControlHandle};
use crate::iop::store::{ActiveTarget, Store};

/// A session that the resident IOP holds.
pub(super) struct HeldSession {
    /// What its re-IPL found.
    report: TargetReport,
    /// How long the last ping took.
    round_trip: Option<Duration>,
}

/// Returns the sessions that the resident IOP holds, by the revision of their targets in the configuration. A target that it has
/// lost, or never reached, is checked as without it.
///
/// # Errors
/// [`ControlError`]; [`ControlError::HeldAsBefore`] when one of the `targets` was edited since the IOP logged in to it.
pub(super) fn sessions(
    handle: &ControlHandle,
    targets: &[&Target],
) -> Result<BTreeMap<u64, HeldSession>, ControlError> {
    let (active, _) = handle.active()?;
    let mut connected = active.targets.iter();
    let edited = connected.find(|held| {
        held.report.status == TargetStatus::Connected
            && targets.iter().any(|target| is_edited(target, held))
    });
    if let Some(held) = edited {
        return Err(ControlError::HeldAsBefore {
            target: held.report.target_name.clone(),
        });
    }
    let status = handle.status()?;
    let round_trip = |name: &str| {
        let mut targets = status.targets.iter();
        let target = targets.find(|target| target.target_name == name)?;
        Duration::try_from_secs_f64(target.round_trip?).ok()
    };
    Ok(active
        .targets
        .into_iter()
        .filter(|target| target.report.status == TargetStatus::Connected)
        .map(|target| {
            let round_trip = round_trip(&target.report.target_name);
            let held = HeldSession {
                report: target.report,
                round_trip,
            };
            (target.revision, held)
        })
        .collect())
}

/// Returns whether a target is the one of a session, with other parameters. A login would take the place of the session, by
/// whatever name of the host: it comes from the same initiator port (RFC 7143 6.3.5).
fn is_edited(target: &Target, held: &ActiveTarget) -> bool {
    let (configured, held_name) = (
        target.identity.target_name.as_str(),
        &held.report.target_name,
    );
    target.revision != held.revision && configured.eq_ignore_ascii_case(held_name)
}

impl Observed {
    /// Takes the login and the devices from the re-IPL of the IOP, and asks the devices as its job.
    ///
    /// # Errors
    /// [`JobError`], when another job uses a device, or the session ends meanwhile.
    pub(super) async fn observe_held(
        mut self,
        held: HeldSession,
        store: &Store,
    ) -> Result<Observations, JobError> {
        self.look_up().await;
        let settings = JobSettings {
            timeout: self.settings.timeout,
            // No command moves a medium.
            motion_timeout: self.settings.timeout,
            chap_algorithms: self.settings.chap_algorithms.clone(),
        };
        let report = held.report;
        let names: Vec<&str> = report
            .libraries
            .iter()
            .flat_map(|library| {
                let drives = library.drives.iter().map(|drive| drive.device.as_str());
                std::iter::once(library.device.as_str()).chain(drives)
            })
            .chain(report.drives.iter().map(|drive| drive.device.as_str()))
            .collect();
        let located = locate(store, &names)?;
        let sessions = Sessions::take(&located, store, &settings, &self.observer, "check").await?;
        for device in &located.devices {
            let name = device.name.clone();
            let unit = sessions.of(device)?.unproven_unit(device);
            match device.kind {
                DeviceKind::Library => {
                    let mut libraries = report.libraries.iter();
                    let has_page_d0 =
                        libraries.any(|library| library.device == name && !library.derived);
                    let library = ask::library(&unit, name, has_page_d0).await;
                    self.observations.libraries.push(library);
                }
                DeviceKind::Drive => {
                    let drive = ask::drive(&unit, name, self.settings.tape_alert).await;
                    self.observations.drives.push(drive);
                }
            }
        }
        sessions.release().await;
        self.observations.round_trip = held.round_trip;
        self.observations.enumerated = true;
        self.observations.report = report;
        Ok(self.observations)
    }
}
