//! The devices of a job: their targets' locks and sessions.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use super::held::Sessions;
use super::locate::{Device, Located, locate};
use super::session::{Again, JobSession};
use super::unit::Unit;
use super::{JobError, JobObserver, JobSettings};
use crate::iop::devices::names::DeviceKind;
use crate::iop::devices::resolve::ResolveError;
use crate::iop::store::Store;
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

/// What is held while a job goes on.
struct JobHolds {
    located: Located,
    sessions: Sessions,
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
        locate_named(self.store, &self.names)
    }

    /// Returns the devices that other jobs of the resident IOP use now.
    pub async fn used_by_others(&self) -> BTreeSet<String> {
        match &self.held {
            Some(held) => held.sessions.used_by_others().await,
            None => BTreeSet::new(),
        }
    }

    async fn hold(&mut self, located: Located) -> Result<(), JobError> {
        let sessions = Sessions::take(
            &located,
            self.store,
            self.settings,
            &self.observer,
            &self.purpose,
        )
        .await?;
        self.held = Some(JobHolds { located, sessions });
        Ok(())
    }

    async fn release(&mut self) {
        if let Some(held) = self.held.take() {
            held.sessions.release().await;
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
        self.reach_within(name, self.store.lock_timeout()).await
    }

    /// As [`Job::reach`], with another time that the resident IOP waits for the job that uses the device.
    ///
    /// # Errors
    /// As [`Job::reach`]; [`ControlError::DeviceInUse`](crate::iop::resident::ControlError::DeviceInUse).
    pub async fn reach_within(&mut self, name: &str, wait: Duration) -> Result<bool, JobError> {
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
            // The IOP grants one device more; what was read before it did may have changed while it was waited for.
            Some(JobHolds {
                located: held,
                sessions: sessions @ Sessions::Resident(..),
            }) => {
                *held = located;
                let (settings, observer) = (self.settings, &self.observer);
                let added = sessions
                    .add(held, settings, observer, &self.purpose, wait)
                    .await;
                if added.is_err() {
                    self.names.pop();
                    *held = locate_named(self.store, &self.names)?;
                }
                added
            }
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
        match &self.held {
            Some(held) => held.sessions.of(device),
            None => Err(unknown(&device.name)),
        }
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

fn locate_named(
    store: &Store,
    names: &[(String, Option<DeviceKind>)],
) -> Result<Located, JobError> {
    let only_names: Vec<&str> = names.iter().map(|(name, _)| name.as_str()).collect();
    let located = locate(store, &only_names)?;
    for (device, (_, wanted)) in located.devices.iter().zip(names) {
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

fn unknown(device: &str) -> JobError {
    JobError::Resolve(ResolveError::Unknown {
        name: device.to_owned(),
        known: Vec::new(),
    })
}
