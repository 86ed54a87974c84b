//! A session of a job with a target, and how it is had again when it is lost.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::link::ResidentLink;
use super::locate::{Device, Located};
use super::unit::{NotReopened, Unit, UnitError};
use super::{JobError, JobObserver, JobSettings};
use crate::iop::active::TargetReport;
use crate::iop::devices::resolve::ResolveError;
use crate::iop::devices::text::printable;
use crate::iop::ipl;
use crate::iop::resident::{ControlError, ControlHandle, CutOff};
use crate::iop::store::Store;
use crate::iop::tape::drive::Reopen;
use crate::iscsi::ids::{Cid, CmdSn, Isid};
use crate::iscsi::login::LoginParameters;
use crate::iscsi::operational::{OperationalOffer, SessionType};
use crate::scsi::Command;
use crate::scsi::command::Inquiry;
use crate::scsi::data::vpd::{self, VpdPage};
use crate::transport::initiator::{Initiator, log_in, open, reopen};
use crate::transport::listener::MAX_DATA_SEGMENT_LENGTH;
use crate::transport::{self, Deadlines, Step, local};

/// What it takes to log in to a target, again too.
struct LoginDetails {
    host: String,
    port: u16,
    name: String,
    parameters: LoginParameters,
    settings: JobSettings,
    observer: Rc<JobObserver>,
    report: Box<TargetReport>,
    /// Where the resident IOP holds the session with the target: what it grants.
    grant: Option<Granted>,
}

/// A device that the resident IOP grants.
struct Granted {
    grant: Grant,
    revision: u64,
    device: String,
    link: Rc<ResidentLink>,
}

/// What the resident IOP is told of a job.
pub(super) struct Grant {
    /// The IOP.
    pub(super) handle: Rc<ControlHandle>,
    /// What the job does.
    pub(super) purpose: String,
    /// How long the device is waited for.
    pub(super) lock_timeout: Duration,
}

impl LoginDetails {
    /// Logs in; after an earlier session when that is over and Time2Wait has passed.
    async fn connect(&self, last: Option<&Initiator>) -> Result<Initiator, JobError> {
        if let Some(granted) = &self.grant {
            return self.connect_to_resident(last, granted).await;
        }
        let observer = Rc::clone(&self.observer);
        let name = self.name.clone();
        let deadlines = Deadlines::of_phase(self.settings.timeout);
        let observe = move |step: Step<'_>| observer(&name, step);
        let (host, login) = (&self.host, &self.parameters);
        let opened = match last {
            None => open(host, self.port, login, deadlines, observe).await,
            Some(last) => reopen(last, host, self.port, login, deadlines, observe).await,
        };
        let opened = opened.map_err(|cause| JobError::Attach {
            target: self.name.clone(),
            configured: self.report.clone(),
            cause,
        })?;
        Ok(opened.spawn())
    }

    /// Logs in to the resident IOP, on a connection that stands for one device. Once: when the connection ends, either the IOP has
    /// ended or its session with the target has, and neither comes back by itself.
    async fn connect_to_resident(
        &self,
        last: Option<&Initiator>,
        granted: &Granted,
    ) -> Result<Initiator, JobError> {
        if last.is_some() {
            return Err(JobError::Device {
                device: granted.device.clone(),
                cause: UnitError::CutOff(granted.link.cut_off().await),
            });
        }
        let (grant, device) = (&granted.grant, &granted.device);
        let stream = grant
            .handle
            .attach(granted.revision, device, &grant.purpose, grant.lock_timeout)
            .await?;
        local::enlarge_send_buffer(&stream);
        let observer = Rc::clone(&self.observer);
        let name = self.name.clone();
        let observe = move |step: Step<'_>| observer(&name, step);
        let deadlines = Deadlines::of_phase(self.settings.timeout);
        let logged_in = log_in(stream, &self.parameters, deadlines, observe).await;
        let (initiator, driver, _) = match logged_in {
            Ok(logged_in) => logged_in,
            // Nothing was done yet: it is as if the device had not been granted.
            Err(cause) => {
                return Err(match granted.link.cut_off().await {
                    CutOff::Ended { pid } => ControlError::Gone { pid }.into(),
                    CutOff::Stopping { pid } => ControlError::Stopping { pid }.into(),
                    CutOff::TargetLost { lost, .. } => {
                        let (device, lost) = (device.clone(), Some(lost));
                        ControlError::NoSession { device, lost }.into()
                    }
                    CutOff::Closed { .. } | CutOff::Unresponsive { .. } => JobError::Attach {
                        target: self.name.clone(),
                        configured: self.report.clone(),
                        cause,
                    },
                });
            }
        };
        transport::spawn(async move {
            // The handles tell why it ended.
            let _ = driver.run().await;
        });
        Ok(initiator)
    }
}

/// Returns what a job offers to the resident IOP: a block goes over the socket in one piece and unasked, so that it is put together
/// nowhere and waits for no R2T.
pub(in crate::iop) fn offer_to_resident() -> OperationalOffer {
    OperationalOffer {
        max_recv_data_segment_length: MAX_DATA_SEGMENT_LENGTH,
        first_burst_length: MAX_DATA_SEGMENT_LENGTH,
        ..OperationalOffer::default()
    }
}

/// The connection that a session has now.
#[derive(Clone)]
struct Current {
    initiator: Initiator,
    /// How many connections there were before it. Every device of the session that sees it end asks for another one: the
    /// first gets it, and the others find that the number has changed.
    generation: u64,
}

/// A session of a job with a target, shared by the devices of the job that are on that target.
#[derive(Clone)]
pub struct JobSession {
    login: Rc<LoginDetails>,
    current: Rc<RefCell<Current>>,
}

impl JobSession {
    /// Logs in to a target. The session goes on in the background of the runtime that the job runs on.
    ///
    /// # Errors
    /// [`JobError::Login`], [`JobError::Attach`].
    pub async fn begin(
        located: &Located,
        target: usize,
        store: &Store,
        settings: &JobSettings,
        observer: Rc<JobObserver>,
    ) -> Result<Self, JobError> {
        let (Some(configured), Some(report)) =
            (located.targets.get(target), located.report(target))
        else {
            return Err(JobError::Resolve(ResolveError::Unknown {
                name: String::new(),
                known: Vec::new(),
            }));
        };
        let parameters = ipl::login_parameters(
            configured,
            store,
            located.generated_name.as_ref(),
            &settings.chap_algorithms,
        )
        .map_err(|failure| {
            JobError::Login(Box::new(TargetReport {
                failure: Some(failure),
                ..report.clone()
            }))
        })?;
        let login = LoginDetails {
            host: configured.identity.target_host_name.as_str().to_owned(),
            port: configured.identity.target_port.number(),
            name: configured.identity.target_name.as_str().to_owned(),
            parameters,
            settings: settings.clone(),
            observer,
            report: Box::new(report.clone()),
            grant: None,
        };
        Self::connected(login).await
    }

    /// Has the resident IOP grant a device, and logs in to it there.
    ///
    /// # Errors
    /// [`JobError::Resident`], [`JobError::Attach`].
    pub(super) async fn begin_granted(
        located: &Located,
        device: &Device,
        grant: Grant,
        settings: &JobSettings,
        observer: Rc<JobObserver>,
    ) -> Result<Self, JobError> {
        let targets = located.targets.get(device.target);
        let (Some(configured), Some(report)) = (targets, located.report(device.target)) else {
            return Err(JobError::Resolve(ResolveError::Unknown {
                name: device.name.clone(),
                known: Vec::new(),
            }));
        };
        let identity = &configured.identity;
        let generated = located.generated_name.as_ref();
        let Some(initiator_name) = identity.initiator_name.resolve(generated) else {
            return Err(JobError::Login(Box::new(report.clone())));
        };
        let (revision, target) = (configured.revision, identity.target_name.as_str());
        let link = ResidentLink::new(Rc::clone(&grant.handle), revision, target.to_owned());
        let granted = Granted {
            grant,
            revision,
            device: device.name.clone(),
            link: Rc::new(link),
        };
        let login = LoginDetails {
            host: String::new(),
            port: 0,
            name: identity.target_name.as_str().to_owned(),
            // Who the peer is has been settled by the socket.
            parameters: LoginParameters {
                initiator_name: initiator_name.clone(),
                target_name: Some(identity.target_name.clone()),
                session_type: SessionType::Normal,
                isid: Isid::default(),
                cid: Cid(0),
                cmd_sn: CmdSn(1),
                chap: None,
                offer: offer_to_resident(),
            },
            settings: settings.clone(),
            observer,
            report: Box::new(report.clone()),
            grant: Some(granted),
        };
        Self::connected(login).await
    }

    async fn connected(login: LoginDetails) -> Result<Self, JobError> {
        let current = Current {
            initiator: login.connect(None).await?,
            generation: 0,
        };
        Ok(Self {
            login: Rc::new(login),
            current: Rc::new(RefCell::new(current)),
        })
    }

    fn current(&self) -> Current {
        self.current.borrow().clone()
    }

    /// Logs in again, with the same initiator and ISID, unless that has happened since `lost` was the connection.
    async fn replace(&self, lost: u64) -> Result<(), JobError> {
        let current = self.current();
        if current.generation == lost {
            let initiator = self.login.connect(Some(&current.initiator)).await?;
            *self.current.borrow_mut() = Current {
                initiator,
                generation: lost.saturating_add(1),
            };
        }
        Ok(())
    }

    /// Returns the logical unit of a device, its unit attentions taken and its serial number proven. When the connection turns
    /// out to be lost, there is another one first.
    ///
    /// # Errors
    /// [`JobError::OtherDevice`], [`JobError::Device`], [`JobError::Attach`].
    pub async fn unit(&self, device: &Device) -> Result<Unit, JobError> {
        let Current {
            initiator,
            generation,
        } = self.current();
        match self.proven(&initiator, device, false).await {
            Err(JobError::Device { cause, .. }) if cause.is_lost() => {
                self.replace(generation).await?;
                let initiator = self.current().initiator;
                self.proven(&initiator, device, false).await
            }
            outcome => outcome,
        }
    }

    /// Returns the logical unit of a device as it is: nothing is taken from it, and nothing proven.
    pub(in crate::iop) fn unproven_unit(&self, device: &Device) -> Unit {
        let deadlines = self.login.settings.answer_deadlines();
        Unit::new(self.current().initiator, device.lun, deadlines).linked(self.link())
    }

    /// Returns the way to the devices, where that is by a resident IOP.
    fn link(&self) -> Option<Rc<ResidentLink>> {
        let granted = self.login.grant.as_ref();
        granted.map(|granted| Rc::clone(&granted.link))
    }

    async fn proven(
        &self,
        initiator: &Initiator,
        device: &Device,
        same_medium: bool,
    ) -> Result<Unit, JobError> {
        let deadlines = self.login.settings.answer_deadlines();
        let unit = Unit::new(initiator.clone(), device.lun, deadlines).linked(self.link());
        proven(unit, device, same_medium).await
    }

    /// Returns what has a device again in another connection.
    #[must_use]
    pub fn again(&self, device: &Device) -> Again {
        Again {
            session: self.clone(),
            device: device.clone(),
            generation: self.current().generation,
        }
    }

    /// Logs out. A session that has ended needs none.
    pub async fn log_out(self) {
        // The target sees the connection close in any case.
        let _ = self.current().initiator.logout().await;
    }
}

/// Allocation length of VPD page 80h: more than any serial number takes.
const SERIAL_NUMBER_LENGTH: u16 = 255;

async fn proven(unit: Unit, device: &Device, same_medium: bool) -> Result<Unit, JobError> {
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

/// Has a device again after its session was lost: in the connection that another device of the session was the first to ask
/// for, else in a new one.
pub struct Again {
    session: JobSession,
    device: Device,
    /// The connection that the device was last used in.
    generation: u64,
}

fn not_reopened(cause: JobError) -> UnitError {
    UnitError::NotReopened(NotReopened(Box::new(cause)))
}

impl Again {
    async fn unit(&mut self) -> Result<Unit, UnitError> {
        let current = self.session.current();
        self.generation = current.generation;
        let proven = self.session.proven(&current.initiator, &self.device, true);
        match proven.await {
            Ok(unit) => Ok(unit),
            Err(JobError::Device { cause, .. }) => Err(cause),
            Err(error) => Err(not_reopened(error)),
        }
    }
}

impl Reopen for Again {
    async fn reopen(&mut self) -> Result<Unit, UnitError> {
        if self.session.current().generation != self.generation {
            match self.unit().await {
                Err(error) if error.is_lost() => {}
                outcome => return outcome,
            }
        }
        let replaced = self.session.replace(self.generation).await;
        replaced.map_err(|error| match error {
            JobError::Device { cause, .. } => cause,
            error => not_reopened(error),
        })?;
        self.unit().await
    }
}
