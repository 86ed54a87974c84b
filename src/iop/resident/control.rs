//! Requests to a resident IOP, on its local socket: plain data, a JSON document a line, and the version of the program in each.
//!
//! The first byte of a connection tells what it is for: a control request begins with `{`. A request to attach a device is
//! answered, and then the connection speaks iSCSI with the peer as the initiator.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::cut_off::CutOff;
use super::status::{IopStatus, JobStatus};
use crate::iop::active::Loss;
use crate::iop::ipl::{ReIplOutcome, Settings};
use crate::iop::store::{ActiveConfiguration, FoundResident, StateError, Store};
use crate::iop::warning::Warning;
use crate::iscsi::name::IscsiName;
use crate::storage::{Wait, WaitObserver, WaitSubject};
use crate::transport::local::{self, LocalStream};
use crate::transport::{self, First, first};

/// The version of this program. A request of another one is refused: the protocol has no other compatibility.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The socket in the state directory.
pub(super) const SOCKET: &str = "iop.sock";

/// The longest request, in bytes.
pub(super) const MAX_REQUEST: usize = 64 << 10;

/// The longest answer, in bytes: an active configuration of thousands of devices.
const MAX_ANSWER: usize = 64 << 20;

/// The pause between two looks at whether an IOP is there.
const PAUSE: Duration = Duration::from_millis(20);

/// How often who waits for an answer is told so.
const WAIT_INTERVAL: Duration = Duration::from_secs(1);

/// How often an IOP that has not done yet what it was asked for says so.
pub(super) const SIGN_OF_LIFE: Duration = Duration::from_millis(250);

/// A request or an answer, with the version of the program that makes it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Versioned<T> {
    /// The version of the program.
    pub version: String,
    /// What is asked for, or answered.
    pub content: T,
}

/// The version of a request or an answer, whatever its content.
#[derive(Debug, Deserialize)]
pub(super) struct VersionOnly {
    pub(super) version: String,
}

impl<T> Versioned<T> {
    /// Returns a request or an answer of this program.
    pub(super) fn ours(content: T) -> Self {
        Self {
            version: VERSION.to_owned(),
            content,
        }
    }
}

/// What can be asked of a resident IOP.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
pub enum ControlRequest {
    /// What it says of itself.
    Status,
    /// The active configuration as it is now.
    Active,
    /// That it stops.
    Stop,
    /// A re-IPL.
    ReIpl {
        /// The longest that one phase may take.
        timeout: Duration,
        /// The CHAP algorithms to offer, by their numbers in the order of preference.
        chap_algorithms: Vec<u8>,
        /// How long running jobs are waited for.
        lock_timeout: Duration,
    },
    /// A device for a job: the connection speaks iSCSI once it is granted, and the job ends with it.
    Attach {
        /// The revision of the configured target.
        revision: u64,
        /// The device, as the active configuration names it.
        device: String,
        /// What the job does.
        purpose: String,
        /// How long the device is waited for.
        lock_timeout: Duration,
    },
    /// Why it has ended the connection of a job.
    CutOff {
        /// The revision of the configured target.
        revision: u64,
    },
}

/// What a resident IOP answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum ControlAnswer {
    /// It is at work, and another answer follows.
    Working {
        /// A job that is waited for.
        job: Option<JobStatus>,
    },
    /// The peer is of another user.
    Denied,
    /// The request is of another version, or is none.
    NotUnderstood,
    /// It stops, and takes nothing more.
    Stopping,
    /// It has done what it was asked for.
    Done,
    /// What it says of itself.
    Status {
        /// The document.
        status: IopStatus,
    },
    /// The active configuration.
    Active {
        /// The configuration: for a re-IPL what it recorded.
        active: ActiveConfiguration,
        /// The system generated initiator name.
        generated_name: Option<IscsiName>,
        /// What is to be said beside the reports of a re-IPL.
        warnings: Vec<Warning>,
    },
    /// Jobs are in the way of a re-IPL.
    JobsRunning {
        /// The jobs.
        jobs: Vec<JobStatus>,
    },
    /// The state could not be locked, read or written.
    Failed {
        /// What is wrong.
        detail: String,
    },
    /// The device is the job's.
    Attached,
    /// The device is another job's.
    InUse {
        /// That job.
        job: JobStatus,
    },
    /// A re-IPL goes on.
    ReIplGoesOn,
    /// There is no such device since the last re-IPL.
    NoSuchDevice,
    /// There is no session with the target.
    NoSession {
        /// When and why it was lost; none when the target failed at the last re-IPL.
        lost: Option<Loss>,
    },
    /// Why it has ended the connection of a job.
    CutOff {
        /// Its process: the one that answers may be another one than the job was served by.
        pid: u32,
        /// Whether it stops.
        stopping: bool,
        /// When and why the session with the target was lost last, since the last re-IPL.
        lost: Option<Loss>,
        /// Whether there is a session with it now.
        connected: bool,
    },
}

/// Why a request to a resident IOP came to nothing. Each is status 3 but where it says otherwise.
#[derive(Debug, Error)]
pub enum ControlError {
    /// The state could not be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// The IOP holds its lock and does not answer.
    #[error("the resident IOP does not answer within {} s", after.as_secs_f64())]
    NoAnswer {
        /// Its process, where the lock names it.
        pid: Option<u32>,
        /// How long was waited.
        after: Duration,
    },
    /// The IOP is another version of this program.
    #[error("the resident IOP has version {theirs}, this program {ours}")]
    OtherVersion {
        /// Its process, where the lock names it.
        pid: Option<u32>,
        /// The version of this program.
        ours: String,
        /// The version of the IOP.
        theirs: String,
    },
    /// The IOP ended before it answered.
    #[error("the resident IOP ended before it answered")]
    Gone {
        /// Its process, where the lock names it.
        pid: Option<u32>,
    },
    /// The socket cannot be connected to.
    #[error("cannot connect to the local socket {}", crate::storage::quoted(path))]
    Socket {
        /// Where it is.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The IOP turned this process away: it runs as another user.
    #[error("the resident IOP belongs to another user")]
    Denied {
        /// Its process, where the lock names it.
        pid: Option<u32>,
    },
    /// A re-IPL was refused: jobs did not end in time.
    #[error("jobs are running")]
    JobsRunning {
        /// The jobs.
        jobs: Vec<JobStatus>,
        /// How long was waited for them.
        waited: Duration,
    },
    /// The IOP could not lock, read or write the state.
    #[error("the resident IOP: {detail}")]
    Refused {
        /// What it said.
        detail: String,
    },
    /// The IOP holds a session with a target that was edited since: a login of another process would replace it.
    #[error("the resident IOP holds a session with {target} as it was configured before")]
    HeldAsBefore {
        /// The target's name.
        target: String,
    },
    /// The IOP is stopping, and takes nothing more.
    #[error("the resident IOP is stopping")]
    Stopping {
        /// Its process, where the lock names it.
        pid: Option<u32>,
    },
    /// Another job uses the device.
    #[error("{} is in use by process {}, {}", job.device, job.pid, job.purpose)]
    DeviceInUse {
        /// That job.
        job: JobStatus,
        /// How long was waited.
        waited: Duration,
    },
    /// A re-IPL went on for as long as was waited.
    #[error("a re-IPL of the resident IOP goes on")]
    ReIplGoesOn {
        /// The process of the IOP, where its lock names it.
        pid: Option<u32>,
        /// How long was waited.
        waited: Duration,
    },
    /// The IOP has no such device since its last re-IPL.
    #[error("the resident IOP has no device {device}")]
    NoSuchDevice {
        /// The device.
        device: String,
    },
    /// The IOP has no session with the target of the device. Status 4.
    #[error("the resident IOP has no session with the target of {device}")]
    NoSession {
        /// The device.
        device: String,
        /// When and why it was lost; none when the target failed at the last re-IPL.
        lost: Option<Loss>,
    },
    /// What it answered is no answer.
    #[error("the resident IOP answered what is not understood")]
    Malformed {
        /// Its process, where the lock names it.
        pid: Option<u32>,
    },
}

/// A resident IOP that has been found. Each call blocks, and makes a connection of its own; none may be made inside of
/// [`block_on`](crate::transport::block_on).
#[derive(Debug)]
pub struct ControlHandle {
    pid: Option<u32>,
    timeout: Duration,
    path: PathBuf,
    directory: File,
    found: FoundResident,
    wait_observer: WaitObserver,
}

/// Returns the resident IOP of a state directory; `None` when no process holds its lock. `timeout` is how long it may take to
/// answer.
///
/// # Errors
/// [`ControlError::State`], when the state directory cannot be used. Whether the IOP answers is known by the first request.
pub fn connect(store: &Store, timeout: Duration) -> Result<Option<ControlHandle>, ControlError> {
    let Some(found) = store.resident()? else {
        return Ok(None);
    };
    Ok(Some(ControlHandle {
        pid: found.pid(),
        timeout,
        path: store.directory().join(SOCKET),
        directory: found.directory()?,
        found,
        wait_observer: store.wait_observer().clone(),
    }))
}

impl ControlHandle {
    /// Returns the process of the IOP, where its lock names it.
    #[must_use]
    pub const fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// Returns what the IOP says of itself.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn status(&self) -> Result<IopStatus, ControlError> {
        match self.ask(ControlRequest::Status)? {
            ControlAnswer::Status { status } => Ok(status),
            other => Err(self.unexpected(&other)),
        }
    }

    /// As [`ControlHandle::status`], on the runtime of a job.
    pub(in crate::iop) async fn status_from_within(&self) -> Result<IopStatus, ControlError> {
        match self.exchange(ControlRequest::Status).await? {
            (ControlAnswer::Status { status }, _) => Ok(status),
            (other, _) => Err(self.unexpected(&other)),
        }
    }

    /// Returns the active configuration as it is now, and the system generated initiator name.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn active(&self) -> Result<(ActiveConfiguration, Option<IscsiName>), ControlError> {
        match self.ask(ControlRequest::Active)? {
            ControlAnswer::Active {
                active,
                generated_name,
                ..
            } => Ok((active, generated_name)),
            other => Err(self.unexpected(&other)),
        }
    }

    /// Has the IOP stop, and waits until it has: its jobs have its lock timeout to end, then are cut.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn stop(&self) -> Result<(), ControlError> {
        match self.ask(ControlRequest::Stop) {
            Ok(ControlAnswer::Done) => {}
            // It was killed, or has been asked before and is done.
            Err(ControlError::Gone { .. }) => {}
            Ok(other) => return Err(self.unexpected(&other)),
            Err(error) => return Err(error),
        }
        // Its connections end a moment before its lock is free.
        let gone = async {
            while !self.found.is_gone() {
                transport::sleep(PAUSE).await;
            }
        };
        let gone = transport::block_on(transport::within(self.timeout, gone));
        match gone.map_err(|source| self.socket(source))? {
            Some(()) => Ok(()),
            None => Err(self.no_answer()),
        }
    }

    /// Has the IOP re-IPL, and waits for the outcome. Running jobs are waited for as long as `lock_timeout` says.
    ///
    /// # Errors
    /// [`ControlError`]; [`ControlError::JobsRunning`] when jobs did not end in time, and nothing has changed then.
    pub fn re_ipl(
        &self,
        settings: &Settings,
        lock_timeout: Duration,
    ) -> Result<ReIplOutcome, ControlError> {
        let algorithms = settings.chap_algorithms.iter();
        let answer = self.ask(ControlRequest::ReIpl {
            timeout: settings.timeout,
            chap_algorithms: algorithms.map(|algorithm| algorithm.number()).collect(),
            lock_timeout,
        })?;
        match answer {
            ControlAnswer::Active {
                active,
                generated_name,
                warnings,
            } => Ok(ReIplOutcome {
                active,
                generated_name,
                warnings,
            }),
            ControlAnswer::JobsRunning { jobs } => Err(ControlError::JobsRunning {
                jobs,
                waited: lock_timeout,
            }),
            other => Err(self.unexpected(&other)),
        }
    }

    fn ask(&self, request: ControlRequest) -> Result<ControlAnswer, ControlError> {
        let asked = transport::block_on(self.exchange(request));
        let asked = asked.map_err(|source| self.socket(source))?;
        asked.map(|(answer, _)| answer)
    }

    /// Attaches a device: returns the connection, on which the IOP is an iSCSI target from now on.
    ///
    /// # Errors
    /// [`ControlError`]; [`ControlError::DeviceInUse`] when another job uses it for longer than `lock_timeout`.
    pub(in crate::iop) async fn attach(
        &self,
        revision: u64,
        device: &str,
        purpose: &str,
        lock_timeout: Duration,
    ) -> Result<LocalStream, ControlError> {
        let request = ControlRequest::Attach {
            revision,
            device: device.to_owned(),
            purpose: purpose.to_owned(),
            lock_timeout,
        };
        let device = || device.to_owned();
        let (answer, stream) = self.exchange(request).await?;
        match answer {
            ControlAnswer::Attached => Ok(stream),
            ControlAnswer::InUse { job } => Err(ControlError::DeviceInUse {
                job,
                waited: lock_timeout,
            }),
            ControlAnswer::ReIplGoesOn => Err(ControlError::ReIplGoesOn {
                pid: self.pid,
                waited: lock_timeout,
            }),
            ControlAnswer::NoSuchDevice => Err(ControlError::NoSuchDevice { device: device() }),
            ControlAnswer::NoSession { lost } => Err(ControlError::NoSession {
                device: device(),
                lost,
            }),
            other => Err(self.unexpected(&other)),
        }
    }

    /// Returns why the connection of a job has ended. `revision` is that of the configured target, and `target` its name.
    pub(in crate::iop) async fn cut_off(&self, revision: u64, target: &str) -> CutOff {
        let pid = self.pid;
        match self.exchange(ControlRequest::CutOff { revision }).await {
            Ok((ControlAnswer::CutOff { pid: other, .. }, _))
                if pid.is_some_and(|pid| pid != other) =>
            {
                CutOff::Ended { pid }
            }
            Ok((ControlAnswer::CutOff { stopping: true, .. }, _)) => CutOff::Stopping { pid },
            Ok((
                ControlAnswer::CutOff {
                    lost: Some(lost),
                    connected,
                    ..
                },
                _,
            )) => CutOff::TargetLost {
                target: target.to_owned(),
                lost,
                is_back: connected,
            },
            // Another version than the one that served the job is another process.
            Err(ControlError::Gone { .. } | ControlError::OtherVersion { .. }) => {
                CutOff::Ended { pid }
            }
            Err(ControlError::NoAnswer { .. }) => CutOff::Unresponsive { pid },
            Ok(_) | Err(_) => CutOff::Closed { pid },
        }
    }

    /// Makes a request, and waits for its answer as long as the IOP shows signs of life.
    async fn exchange(
        &self,
        request: ControlRequest,
    ) -> Result<(ControlAnswer, LocalStream), ControlError> {
        let job = RefCell::new(None);
        let mut answered = pin!(self.exchange_and_note(request, &job));
        let began = transport::now();
        let mut wait = self.wait_observer.begin();
        loop {
            match first(answered.as_mut(), transport::sleep(WAIT_INTERVAL)).await {
                First::Left(answered) => return answered,
                First::Right(()) => {
                    let waited = began.elapsed();
                    wait.goes_on(waited, || self.wait(job.borrow().as_ref(), waited));
                }
            }
        }
    }

    /// Returns the wait for a job of the IOP, or for the IOP itself.
    fn wait(&self, job: Option<&JobStatus>, waited: Duration) -> Wait {
        match job {
            Some(job) => Wait {
                subject: WaitSubject::Device(job.device.clone()),
                pid: Some(job.pid),
                purpose: Some(job.purpose.clone()),
                waited,
            },
            None => Wait {
                subject: WaitSubject::Answer,
                pid: self.pid,
                purpose: None,
                waited,
            },
        }
    }

    /// As [`ControlHandle::exchange`], and notes the job that the IOP waits for.
    async fn exchange_and_note(
        &self,
        request: ControlRequest,
        waited_for: &RefCell<Option<JobStatus>>,
    ) -> Result<(ControlAnswer, LocalStream), ControlError> {
        let mut stream = self.open().await?;
        let line = serde_json::to_vec(&Versioned::ours(request));
        let line = line.map_err(|error| self.socket(error.into()))?;
        let sent = local::send_line(&mut stream, &line, self.timeout).await;
        // A peer that was turned away is told so, whether its request could be sent or not.
        if let Err(error) = sent
            && error.kind() == io::ErrorKind::TimedOut
        {
            return Err(self.no_answer());
        }
        loop {
            let line = local::receive_line(&mut stream, MAX_ANSWER, self.timeout).await;
            let line = match line {
                Ok(Some(line)) => line,
                Ok(None) => return Err(ControlError::Gone { pid: self.pid }),
                Err(error) => {
                    return Err(match error.kind() {
                        io::ErrorKind::TimedOut => self.no_answer(),
                        io::ErrorKind::ConnectionReset | io::ErrorKind::InvalidData => {
                            ControlError::Gone { pid: self.pid }
                        }
                        _ => self.socket(error),
                    });
                }
            };
            match self.read(&line)? {
                ControlAnswer::Working { job } => *waited_for.borrow_mut() = job,
                answer => return Ok((answer, stream)),
            }
        }
    }

    fn read(&self, line: &[u8]) -> Result<ControlAnswer, ControlError> {
        let malformed = |_| ControlError::Malformed { pid: self.pid };
        let VersionOnly { version } = serde_json::from_slice(line).map_err(malformed)?;
        if version != VERSION {
            return Err(ControlError::OtherVersion {
                pid: self.pid,
                ours: VERSION.to_owned(),
                theirs: version,
            });
        }
        let answer: Versioned<ControlAnswer> = serde_json::from_slice(line).map_err(malformed)?;
        Ok(answer.content)
    }

    /// Connects; an IOP that has its lock and no socket yet is waited for.
    async fn open(&self) -> Result<LocalStream, ControlError> {
        let began = transport::now();
        loop {
            let error = match local::connect(&self.directory, SOCKET, self.timeout).await {
                Ok(stream) => return Ok(stream),
                Err(error) => error,
            };
            match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
                    if self.found.is_gone() =>
                {
                    return Err(ControlError::Gone { pid: self.pid });
                }
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
                    if began.elapsed() < self.timeout =>
                {
                    transport::sleep(PAUSE).await;
                }
                io::ErrorKind::NotFound
                | io::ErrorKind::ConnectionRefused
                | io::ErrorKind::TimedOut => return Err(self.no_answer()),
                io::ErrorKind::PermissionDenied => {
                    return Err(ControlError::Denied { pid: self.pid });
                }
                _ => return Err(self.socket(error)),
            }
        }
    }

    /// Returns the error of an answer that does not fit the request.
    fn unexpected(&self, answer: &ControlAnswer) -> ControlError {
        let pid = self.pid;
        match answer {
            ControlAnswer::Denied => ControlError::Denied { pid },
            ControlAnswer::Stopping => ControlError::Stopping { pid },
            ControlAnswer::Failed { detail } => ControlError::Refused {
                detail: detail.clone(),
            },
            _ => ControlError::Malformed { pid },
        }
    }

    fn socket(&self, source: io::Error) -> ControlError {
        ControlError::Socket {
            path: self.path.clone(),
            source,
        }
    }

    fn no_answer(&self) -> ControlError {
        ControlError::NoAnswer {
            pid: self.pid,
            after: self.timeout,
        }
    }
}
