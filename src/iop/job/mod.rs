//! Using a device in a session of its own: what library and tape jobs have in common.
//!
//! ```text
//!  names -> resolve in the active configuration -> lock each target -> log in -> take unit attentions -> prove the serial number
//! ```
//!
//! A partition has one connection to a target, so a job holds the target's lock from before the connect until after the
//! logout. Several targets are locked in the order of their names, so that two jobs never wait for each other.
//!
//! | module | what it holds |
//! |---|---|
//! | [`mod@unit`] | a logical unit of an open session, and what its commands come to |

pub mod unit;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use thiserror::Error;

use crate::iop::active::TargetReport;
use crate::iop::config::Target;
use crate::iop::devices::names::DeviceKind;
use crate::iop::devices::resolve::{ReportedTarget, ResolveError, resolve};
use crate::iop::devices::text::printable;
use crate::iop::ipl;
use crate::iop::store::{StateError, Store, TargetLock};
use crate::iscsi::chap::ChapAlgorithm;
use crate::iscsi::login::LoginParameters;
use crate::iscsi::name::IscsiName;
use crate::scsi::command::Inquiry;
use crate::scsi::data::vpd::{self, VpdPage};
use crate::scsi::{Command, Lun};
use crate::transport::initiator::{Initiator, open, reopen};
use crate::transport::{AttachError, Deadlines, Step};
use unit::{AnswerDeadlines, Unit, UnitError};

/// Settings of the sessions of a job.
#[derive(Clone, Debug)]
pub struct JobSettings {
    /// The longest that one phase of reaching a target, or the answer to a command that moves nothing, may take.
    pub timeout: Duration,
    /// The longest that a command may take that moves a medium or winds a tape.
    pub motion_timeout: Duration,
    /// The CHAP algorithms to offer, in the order of preference.
    pub chap_algorithms: Vec<ChapAlgorithm>,
}

/// Is told every step of the session with a target, by the target's name.
pub type JobObserver = dyn Fn(&str, Step<'_>);

/// Why a job did not get to its devices.
#[derive(Debug, Error)]
pub enum JobError {
    /// The name leads to no device.
    #[error("{0:?}")]
    Resolve(ResolveError),
    /// The device is not of the kind that the job needs.
    #[error("{device} is not of that kind")]
    WrongKind {
        /// The device name.
        device: String,
        /// The kind that is needed.
        wanted: DeviceKind,
    },
    /// The state could not be locked, read or written.
    #[error(transparent)]
    State(#[from] StateError),
    /// The target cannot be logged in to with what is configured: its report says why.
    #[error("target {} cannot be logged in to", .0.target_name)]
    Login(Box<TargetReport>),
    /// There is no session with the target.
    #[error("{target}: {cause}")]
    Attach {
        /// The target's name.
        target: String,
        /// How it is configured, for what is to be said of it.
        configured: Box<TargetReport>,
        /// What happened.
        #[source]
        cause: AttachError,
    },
    /// Another device answers at that LUN.
    #[error("the device at the LUN of {device} has serial number {found}, expected {expected}")]
    OtherDevice {
        /// The device name.
        device: String,
        /// The serial number of the device of that name.
        expected: String,
        /// The one that is there.
        found: String,
    },
    /// A device does not answer as it has to.
    #[error("{device}: {cause}")]
    Device {
        /// The device name.
        device: String,
        /// What it answered.
        #[source]
        cause: UnitError,
    },
}

impl JobError {
    /// Returns the target that there is no session with, and why in its failure.
    #[must_use]
    pub fn failed_target(&self) -> Option<TargetReport> {
        match self {
            Self::Login(report) => Some((**report).clone()),
            Self::Attach {
                configured, cause, ..
            } => Some(TargetReport {
                failure: Some(ipl::failure_of(cause, configured)),
                ..(**configured).clone()
            }),
            _ => None,
        }
    }
}

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
    generated_name: Option<IscsiName>,
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

    /// Logs in to a target. The session goes on in the background of the runtime that the job runs on.
    ///
    /// # Errors
    /// [`JobError::Login`], [`JobError::Attach`].
    pub async fn log_in(
        &self,
        target: usize,
        store: &Store,
        settings: &JobSettings,
        observer: Rc<JobObserver>,
    ) -> Result<Session, JobError> {
        let (Some(configured), Some(report)) = (self.targets.get(target), self.reports.get(target))
        else {
            return Err(JobError::Resolve(ResolveError::Unknown {
                name: String::new(),
                known: Vec::new(),
            }));
        };
        let parameters = ipl::login_parameters(
            configured,
            store,
            self.generated_name.as_ref(),
            &settings.chap_algorithms,
        )
        .map_err(|failure| {
            JobError::Login(Box::new(TargetReport {
                failure: Some(failure),
                ..report.clone()
            }))
        })?;
        let contact = Contact {
            host: configured.identity.target_host_name.as_str().to_owned(),
            port: configured.identity.target_port.number(),
            name: configured.identity.target_name.as_str().to_owned(),
            parameters,
            settings: settings.clone(),
            observer,
            report: Box::new(report.clone()),
            last: RefCell::new(None),
        };
        let initiator = contact.connect().await?;
        Ok(Session {
            initiator,
            contact: Rc::new(contact),
        })
    }
}

/// What it takes to log in to a target, again too.
struct Contact {
    host: String,
    port: u16,
    name: String,
    parameters: LoginParameters,
    settings: JobSettings,
    observer: Rc<JobObserver>,
    report: Box<TargetReport>,
    /// The last session.
    last: RefCell<Option<Initiator>>,
}

impl Contact {
    /// Logs in; after an earlier session when that is over and Time2Wait has passed.
    async fn connect(&self) -> Result<Initiator, JobError> {
        let observer = Rc::clone(&self.observer);
        let name = self.name.clone();
        let deadlines = Deadlines::of_phase(self.settings.timeout);
        let observe = move |step: Step<'_>| observer(&name, step);
        let (host, login) = (&self.host, &self.parameters);
        let last = self.last.take();
        let opened = match &last {
            None => open(host, self.port, login, deadlines, observe).await,
            Some(last) => reopen(last, host, self.port, login, deadlines, observe).await,
        };
        let opened = opened.map_err(|cause| JobError::Attach {
            target: self.name.clone(),
            configured: self.report.clone(),
            cause,
        })?;
        let initiator = opened.spawn();
        self.last.replace(Some(initiator.clone()));
        Ok(initiator)
    }
}

/// A session of a job with a target.
pub struct Session {
    initiator: Initiator,
    contact: Rc<Contact>,
}

impl Session {
    /// Returns the logical unit of a device, its unit attentions taken and its serial number proven.
    ///
    /// # Errors
    /// [`JobError::OtherDevice`], [`JobError::Device`].
    pub async fn unit(&self, device: &Device) -> Result<Unit, JobError> {
        proven(&self.initiator, device, &self.contact.settings, false).await
    }

    /// Returns what opens a device again in a new session.
    #[must_use]
    pub fn again(&self, device: &Device) -> Again {
        Again {
            contact: Rc::clone(&self.contact),
            device: device.clone(),
        }
    }

    /// Logs out. A session that has ended needs none.
    pub async fn log_out(self) {
        // The target sees the connection close in any case.
        let _ = self.initiator.logout().await;
    }
}

/// Allocation length of VPD page 80h: more than any serial number takes.
const SERIAL_NUMBER_LENGTH: u16 = 255;

async fn proven(
    initiator: &Initiator,
    device: &Device,
    settings: &JobSettings,
    same_medium: bool,
) -> Result<Unit, JobError> {
    let deadlines = AnswerDeadlines {
        answer: settings.timeout,
        motion: settings.motion_timeout,
    };
    let unit = Unit::new(initiator.clone(), device.lun, deadlines);
    let failed = |cause| JobError::Device {
        device: device.name.clone(),
        cause,
    };
    unit.take_unit_attentions(same_medium)
        .await
        .map_err(failed)?;
    if !device.serial.is_empty() {
        let inquiry = Command::Inquiry(Inquiry::vpd(vpd::UNIT_SERIAL_NUMBER, SERIAL_NUMBER_LENGTH));
        let data = unit.execute(&inquiry).await.map_err(failed)?;
        let page = VpdPage::decode(vpd::UNIT_SERIAL_NUMBER, &data)
            .map_err(|error| failed(error.into()))?;
        let found = printable(page.contents);
        if found != device.serial {
            return Err(JobError::OtherDevice {
                device: device.name.clone(),
                expected: device.serial.clone(),
                found,
            });
        }
    }
    Ok(unit)
}

/// Opens a device again, with the same initiator and ISID, after its session was lost.
pub struct Again {
    contact: Rc<Contact>,
    device: Device,
}

impl crate::iop::tape::drive::Reopen for Again {
    async fn reopen(&mut self) -> Result<Unit, UnitError> {
        let lost = |_| UnitError::NotReopened;
        let initiator = self.contact.connect().await.map_err(lost)?;
        match proven(&initiator, &self.device, &self.contact.settings, true).await {
            Ok(unit) => Ok(unit),
            Err(JobError::Device { cause, .. }) => Err(cause),
            Err(_) => Err(UnitError::NotReopened),
        }
    }
}
