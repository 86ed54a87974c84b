//! Finds the devices of a job by their names in the active configuration.

use std::collections::BTreeSet;

use super::JobError;
use crate::iop::active::TargetReport;
use crate::iop::config::Target;
use crate::iop::devices::names::DeviceKind;
use crate::iop::devices::resolve::{ReportedTarget, resolve};
use crate::iop::store::{Store, TargetLock};
use crate::iscsi::name::IscsiName;
use crate::scsi::Lun;

/// A device of the active configuration, and the target that shows it.
#[derive(Clone, Debug)]
pub struct Device {
    /// Its name, as the re-IPL gave it.
    pub name: String,
    /// Library or drive.
    pub kind: DeviceKind,
    /// Index of its target in [`Located::targets`].
    pub target: usize,
    /// Its logical unit number.
    pub lun: Lun,
    /// The serial number that the name stands for, escaped and trimmed; empty when the device has none.
    pub serial: String,
    /// For a drive in a library: the library's name and the drive's element address.
    pub place: Option<(String, u16)>,
}

/// The devices of a job.
pub struct Located {
    /// In the order of the names that were given.
    pub devices: Vec<Device>,
    /// The targets that they are on, each once, in the order of their names.
    pub targets: Vec<Target>,
    pub(super) generated_name: Option<IscsiName>,
    reports: Vec<TargetReport>,
}

/// Finds devices by their names in the active configuration.
///
/// # Errors
/// [`JobError::Resolve`], [`JobError::State`].
pub fn locate(store: &Store, names: &[&str]) -> Result<Located, JobError> {
    let active = store.active()?;
    let configuration = store.revealed_configuration()?;
    let device_names = store.device_names()?;
    let configured = |revision: u64| {
        configuration
            .targets
            .iter()
            .find(|target| target.revision == revision)
    };
    let candidates: Vec<ReportedTarget<'_>> = active
        .targets
        .iter()
        .map(|target| ReportedTarget {
            report: &target.report,
            is_configured: configured(target.revision).is_some(),
        })
        .collect();
    let mut found = Vec::with_capacity(names.len());
    for name in names {
        found.push(resolve(name, &candidates, &device_names).map_err(JobError::Resolve)?);
    }
    let of_targets: BTreeSet<(String, usize)> = found
        .iter()
        .filter_map(|device| {
            let index = active
                .targets
                .iter()
                .position(|target| std::ptr::eq(&raw const target.report, device.target))?;
            Some((device.target.target_name.to_ascii_lowercase(), index))
        })
        .collect();
    let mut targets = Vec::new();
    let mut reports = Vec::new();
    let mut devices: Vec<Option<Device>> = found.iter().map(|_| None).collect();
    for (_, index) in of_targets {
        let Some(target) = active.targets.get(index) else {
            continue;
        };
        let Some(configured) = configured(target.revision) else {
            continue;
        };
        for (place, device) in devices.iter_mut().zip(&found) {
            if std::ptr::eq(&raw const target.report, device.target) {
                *place = Some(Device {
                    name: device.name.to_owned(),
                    kind: device.kind,
                    target: targets.len(),
                    lun: device.lun,
                    serial: device.serial.to_owned(),
                    place: device
                        .place
                        .map(|(library, address)| (library.to_owned(), address)),
                });
            }
        }
        targets.push(configured.clone());
        reports.push(target.report.clone());
    }
    Ok(Located {
        devices: devices.into_iter().flatten().collect(),
        targets,
        generated_name: store.generated_name()?,
        reports,
    })
}

impl Located {
    /// Locks the targets, in the order of their names, for a purpose that others are told while they wait.
    ///
    /// # Errors
    /// [`JobError::State`] when a lock is not free in time: it names the process and its purpose.
    pub fn lock(&self, store: &Store, purpose: &str) -> Result<Vec<TargetLock>, JobError> {
        let names = self
            .targets
            .iter()
            .map(|target| &target.identity.target_name);
        Ok(store.lock_targets(names.map(IscsiName::as_str), purpose)?)
    }

    /// Returns what the last re-IPL reported of a target.
    #[must_use]
    pub fn report(&self, target: usize) -> Option<&TargetReport> {
        self.reports.get(target)
    }
}
