//! What a job holds: the sessions that it uses its devices in, by way of a resident IOP or by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use super::locate::{Device, Located};
use super::session::JobSession;
use super::{JobError, JobObserver, JobSettings};
use crate::iop::devices::resolve::ResolveError;
use crate::iop::resident::{self, ControlError, ControlHandle};
use crate::iop::store::{Store, TargetLock};

/// How often a resident IOP that ends while it is asked is looked for again.
const ATTEMPTS: usize = 3;

/// The sessions of a job. They end before the locks are released.
pub(in crate::iop) enum Sessions {
    /// One for each target, in the order of the located targets, and the locks of the targets.
    Own(Vec<JobSession>, Vec<TargetLock>),
    /// One for each device, by its name: the resident IOP grants devices, and holds the sessions with their targets.
    Resident(Rc<ControlHandle>, BTreeMap<String, JobSession>),
}

impl Sessions {
    /// Gets the sessions for located devices: by way of the resident IOP where one runs, else with the locks of the targets.
    ///
    /// # Errors
    /// [`JobError`]; nothing is held then.
    pub(in crate::iop) async fn take(
        located: &Located,
        store: &Store,
        settings: &JobSettings,
        observer: &Rc<JobObserver>,
        purpose: &str,
    ) -> Result<Self, JobError> {
        let mut attempts = ATTEMPTS;
        while let Some(handle) = resident::connect(store, settings.timeout)? {
            let mut sessions = Self::Resident(Rc::new(handle), BTreeMap::new());
            match sessions
                .add(located, settings, observer, purpose, store.lock_timeout())
                .await
            {
                Ok(_) => return Ok(sessions),
                // It has ended meanwhile: either there is another one, or the job does without.
                Err(JobError::Resident(ControlError::Gone { .. })) if attempts > 0 => {
                    attempts -= 1;
                    sessions.release().await;
                }
                Err(error) => {
                    sessions.release().await;
                    return Err(error);
                }
            }
        }
        let locks = located.lock(store, purpose)?;
        let mut own = Vec::with_capacity(located.targets.len());
        for target in 0..located.targets.len() {
            let observer = Rc::clone(observer);
            own.push(JobSession::begin(located, target, store, settings, observer).await?);
        }
        Ok(Self::Own(own, locks))
    }

    /// Has the resident IOP grant the devices that the job does not have yet, in the order of their names, and returns whether
    /// there were any. Each is waited for that long.
    ///
    /// # Errors
    /// [`JobError`]; what was granted before stays.
    pub(in crate::iop) async fn add(
        &mut self,
        located: &Located,
        settings: &JobSettings,
        observer: &Rc<JobObserver>,
        purpose: &str,
        wait: Duration,
    ) -> Result<bool, JobError> {
        let Self::Resident(handle, granted) = self else {
            return Ok(false);
        };
        let mut devices: Vec<&Device> = located.devices.iter().collect();
        devices.sort_by(|one, other| one.name.cmp(&other.name));
        let mut any = false;
        for device in devices {
            if !granted.contains_key(&device.name) {
                let grant = super::session::Grant {
                    handle: Rc::clone(handle),
                    purpose: purpose.to_owned(),
                    lock_timeout: wait,
                };
                let observer = Rc::clone(observer);
                let session =
                    JobSession::begin_granted(located, device, grant, settings, observer).await?;
                granted.insert(device.name.clone(), session);
                any = true;
            }
        }
        Ok(any)
    }

    /// Returns the session that a device is used in.
    ///
    /// # Errors
    /// [`JobError::Resolve`] when the job does not hold it.
    pub(in crate::iop) fn of(&self, device: &Device) -> Result<&JobSession, JobError> {
        let session = match self {
            Self::Own(sessions, _) => sessions.get(device.target),
            Self::Resident(_, granted) => granted.get(&device.name),
        };
        session.ok_or_else(|| {
            JobError::Resolve(ResolveError::Unknown {
                name: device.name.clone(),
                known: Vec::new(),
            })
        })
    }

    /// Returns the devices that other jobs of the resident IOP use now. Best effort: what is in use is refused in any case.
    pub(in crate::iop) async fn used_by_others(&self) -> BTreeSet<String> {
        let Self::Resident(handle, granted) = self else {
            return BTreeSet::new();
        };
        let status = handle.status_from_within().await;
        let targets = status.map(|status| status.targets).unwrap_or_default();
        let jobs = targets.into_iter().flat_map(|target| target.jobs);
        jobs.map(|job| job.device)
            .filter(|device| !granted.contains_key(device))
            .collect()
    }

    /// Logs out, and releases the devices.
    pub(in crate::iop) async fn release(self) {
        match self {
            Self::Own(sessions, locks) => {
                for session in sessions {
                    session.log_out().await;
                }
                drop(locks);
            }
            Self::Resident(_, granted) => {
                for session in granted.into_values() {
                    session.log_out().await;
                }
            }
        }
    }
}
