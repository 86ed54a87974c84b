//! The devices of a job: their targets' locks and sessions.

use std::rc::Rc;

use super::locate::{Device, Located, locate};
use super::session::{Again, JobSession};
use super::unit::Unit;
use super::{JobError, JobObserver, JobSettings};
use crate::iop::devices::names::DeviceKind;
use crate::iop::devices::resolve::ResolveError;
use crate::iop::store::{Store, TargetLock};
use crate::iop::tape::drive::TapeDrive;

/// Devices that a job uses.
pub struct Job<'a> {
    store: &'a Store,
    settings: &'a JobSettings,
    observer: Rc<JobObserver>,
    purpose: String,
    names: Vec<(String, Option<DeviceKind>)>,
    held: Option<JobHolds>,
}

/// What is held while a job goes on. The sessions end before the locks are released.
struct JobHolds {
    located: Located,
    /// One for each target of `located`.
    sessions: Vec<JobSession>,
    _locks: Vec<TargetLock>,
}

impl<'a> Job<'a> {
    /// Finds devices by name, each of a kind where one is given; takes the locks of their targets, in the order of target names,
    /// and logs in to each. `purpose` is what others are told that wait for the locks.
    ///
    /// # Errors
    /// [`JobError`].
    pub async fn open(
        store: &'a Store,
        settings: &'a JobSettings,
        observer: Rc<JobObserver>,
        names: &[(&str, Option<DeviceKind>)],
        purpose: &str,
    ) -> Result<Self, JobError> {
        let mut job = Self {
            store,
            settings,
            observer,
            purpose: purpose.to_owned(),
            names: names
                .iter()
                .map(|(name, kind)| ((*name).to_owned(), *kind))
                .collect(),
            held: None,
        };
        let located = job.locate()?;
        job.hold(located).await?;
        Ok(job)
    }

    fn locate(&self) -> Result<Located, JobError> {
        let names: Vec<&str> = self.names.iter().map(|(name, _)| name.as_str()).collect();
        let located = locate(self.store, &names)?;
        for (device, (_, wanted)) in located.devices.iter().zip(&self.names) {
            if let Some(wanted) = *wanted
                && device.kind != wanted
            {
                return Err(JobError::WrongKind {
                    device: device.name.clone(),
                    wanted,
                });
            }
        }
        Ok(located)
    }

    async fn hold(&mut self, located: Located) -> Result<(), JobError> {
        let locks = located.lock(self.store, &self.purpose)?;
        let mut sessions = Vec::with_capacity(located.targets.len());
        for target in 0..located.targets.len() {
            let observer = Rc::clone(&self.observer);
            sessions.push(
                JobSession::begin(&located, target, self.store, self.settings, observer).await?,
            );
        }
        self.held = Some(JobHolds {
            located,
            sessions,
            _locks: locks,
        });
        Ok(())
    }

    async fn release(&mut self) {
        if let Some(held) = self.held.take() {
            for session in held.sessions {
                session.log_out().await;
            }
        }
    }

    /// Logs out and releases the locks.
    pub async fn close(mut self) {
        self.release().await;
    }

    /// Returns the records of the partition.
    #[must_use]
    pub const fn store(&self) -> &'a Store {
        self.store
    }

    /// Returns the devices, in the order in which they were named.
    #[must_use]
    pub fn devices(&self) -> &[Device] {
        self.held.as_ref().map_or(&[], |held| &held.located.devices)
    }

    /// Returns a device of the job by its name, letter case aside.
    ///
    /// # Errors
    /// [`JobError::Resolve`].
    pub fn device(&self, name: &str) -> Result<&Device, JobError> {
        self.devices()
            .iter()
            .find(|device| device.name.eq_ignore_ascii_case(name))
            .ok_or_else(|| unknown(name))
    }

    /// Takes another device into the job. When it is on a target that is not held yet, everything is released first and acquired anew
    /// in the order of target names. Returns whether it was: what was read of a device before may have changed then.
    ///
    /// # Errors
    /// [`JobError`]; nothing is held any more when a target could not be had again.
    pub async fn reach(&mut self, name: &str) -> Result<bool, JobError> {
        if self.device(name).is_ok() {
            return Ok(false);
        }
        self.names.push((name.to_owned(), None));
        let located = self.locate()?;
        let revisions = |located: &Located| -> Vec<u64> {
            let targets = located.targets.iter();
            targets.map(|target| target.revision).collect()
        };
        match &mut self.held {
            Some(held) if revisions(&held.located) == revisions(&located) => {
                held.located = located;
                Ok(false)
            }
            _ => {
                self.release().await;
                self.hold(located).await?;
                Ok(true)
            }
        }
    }

    fn session(&self, device: &Device) -> Result<&JobSession, JobError> {
        self.held
            .as_ref()
            .and_then(|held| held.sessions.get(device.target))
            .ok_or_else(|| unknown(&device.name))
    }

    /// Returns the logical unit of a device, its unit attentions taken and its serial number proven.
    ///
    /// # Errors
    /// [`JobError`].
    pub async fn unit(&self, name: &str) -> Result<Unit, JobError> {
        let device = self.device(name)?;
        self.session(device)?.unit(device).await
    }

    /// Returns a drive with whatever is in it; it is had again by itself after its session was lost.
    ///
    /// # Errors
    /// [`JobError`].
    pub async fn drive(&self, name: &str) -> Result<TapeDrive<Again>, JobError> {
        let device = self.device(name)?;
        let session = self.session(device)?;
        let unit = session.unit(device).await?;
        Ok(TapeDrive::new(unit, session.again(device)))
    }
}

fn unknown(device: &str) -> JobError {
    JobError::Resolve(ResolveError::Unknown {
        name: device.to_owned(),
        known: Vec::new(),
    })
}
