//! The local socket of the IOP: takes connections, answers control requests, and serves the jobs.

use std::rc::Rc;
use std::time::Duration;

use super::control::{
    ControlAnswer, ControlRequest, MAX_REQUEST, SIGN_OF_LIFE, VERSION, VersionOnly, Versioned,
};
use super::event::{IopEvent, JobEnd, ReIplReason, StopReason};
use super::forward::DeviceBackend;
use super::held::{HeldDevice, HeldTarget};
use super::jobs::{NotBegun, RunningJob, Wanted};
use super::service::{Iop, NoReIpl};
use crate::iop::active::Loss;
use crate::iop::devices::names::DeviceKind;
use crate::iop::ipl::Settings;
use crate::iscsi::chap::ChapAlgorithm;
use crate::iscsi::text::Escaped;
use crate::transport::initiator::Initiator;
use crate::transport::listener::{Backend, ListenerSettings, SessionEnd, Turns, serve_local};
use crate::transport::local::{self, LocalListener, LocalPeer, LocalStream};
use crate::transport::{self, First, first, sleep, spawn};

/// How long to wait when no connection can be taken, because too many files are open, say.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The most characters of what a job says that it does.
const MAX_PURPOSE: usize = 256;

/// Takes connections for ever, half as many at a time as there may be files: the sessions with the targets and the records need
/// the rest, and further peers wait in the backlog. Peers of another user than `owner`, or root, are turned away.
pub(super) async fn accept(iop: &Rc<Iop>, listener: &LocalListener, owner: u32) {
    let places = Turns::of(transport::open_files_limit() / 2);
    loop {
        let place = places.clone().take().await;
        match listener.accept().await {
            Ok(stream) => {
                let iop = Rc::clone(iop);
                spawn(async move {
                    // A peer that goes away in the middle is nobody to answer.
                    let _ = serve(&iop, stream, owner).await;
                    drop(place);
                });
            }
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// The peer has gone.
struct PeerGone;

impl From<std::io::Error> for PeerGone {
    fn from(_: std::io::Error) -> Self {
        Self
    }
}

async fn serve(iop: &Rc<Iop>, mut stream: LocalStream, owner: u32) -> Result<(), PeerGone> {
    let timeout = iop.settings.re_ipl.timeout;
    let peer = local::peer(&stream)?;
    if peer.uid != owner && peer.uid != 0 {
        iop.tell(&IopEvent::PeerRefused { uid: peer.uid });
        return answer(iop, &mut stream, ControlAnswer::Denied).await;
    }
    let Some(line) = local::receive_line(&mut stream, MAX_REQUEST, timeout).await? else {
        return Ok(());
    };
    let Some(request) = read(&line) else {
        return answer(iop, &mut stream, ControlAnswer::NotUnderstood).await;
    };
    let content = match request {
        ControlRequest::Status => ControlAnswer::Status {
            status: iop.status(),
        },
        ControlRequest::Active => {
            let (active, generated_name) = iop.active();
            ControlAnswer::Active {
                active,
                generated_name,
                warnings: Vec::new(),
            }
        }
        ControlRequest::Stop => {
            iop.stop(StopReason::Asked);
            // It ends with the process, behind everything else.
            let never = std::future::pending::<()>();
            return waiting(iop, &mut stream, never).await;
        }
        ControlRequest::ReIpl {
            timeout,
            chap_algorithms,
            lock_timeout,
        } => {
            let settings = Settings {
                timeout,
                chap_algorithms: chap_algorithms
                    .into_iter()
                    .filter_map(|number| {
                        let mut known = ChapAlgorithm::ALL.into_iter();
                        known.find(|algorithm| algorithm.number() == number)
                    })
                    .collect(),
            };
            let reason = ReIplReason::Asked {
                pid: peer.pid.unwrap_or_default(),
            };
            // It goes on to its end, whoever waits for it.
            let this = Rc::clone(iop);
            let re_ipl = crate::transport::listener::detached(async move {
                this.re_ipl(reason, &settings, lock_timeout).await
            });
            match waiting(iop, &mut stream, re_ipl).await? {
                Some(Ok(outcome)) => ControlAnswer::Active {
                    active: outcome.active,
                    generated_name: outcome.generated_name,
                    warnings: outcome.warnings,
                },
                Some(Err(NoReIpl::Jobs(jobs))) => ControlAnswer::JobsRunning { jobs },
                Some(Err(NoReIpl::State(error))) => ControlAnswer::Failed {
                    detail: error.to_string(),
                },
                Some(Err(NoReIpl::Stopping)) => ControlAnswer::Stopping,
                None => ControlAnswer::NotUnderstood,
            }
        }
        ControlRequest::Attach {
            revision,
            device,
            purpose,
            lock_timeout,
        } => {
            // It is printed in lines and pages.
            let purpose = Escaped(&purpose).to_string();
            let wanted = AttachRequest {
                revision,
                device,
                purpose: purpose.chars().take(MAX_PURPOSE).collect(),
                lock_timeout,
            };
            return attach(iop, stream, peer, wanted).await;
        }
    };
    answer(iop, &mut stream, content).await
}

fn read(line: &[u8]) -> Option<ControlRequest> {
    let VersionOnly { version } = serde_json::from_slice(line).ok()?;
    if version != VERSION {
        return None;
    }
    let request: Versioned<ControlRequest> = serde_json::from_slice(line).ok()?;
    Some(request.content)
}

async fn answer(
    iop: &Rc<Iop>,
    stream: &mut LocalStream,
    content: ControlAnswer,
) -> Result<(), PeerGone> {
    let line = serde_json::to_vec(&Versioned::ours(content)).map_err(std::io::Error::from)?;
    Ok(local::send_line(stream, &line, iop.settings.re_ipl.timeout).await?)
}

/// Waits for something, and shows the peer signs of life meanwhile. A peer that has gone is not waited for.
async fn waiting<T>(
    iop: &Rc<Iop>,
    stream: &mut LocalStream,
    work: impl Future<Output = T>,
) -> Result<T, PeerGone> {
    let mut work = std::pin::pin!(work);
    loop {
        match first(work.as_mut(), sleep(SIGN_OF_LIFE)).await {
            First::Left(done) => return Ok(done),
            First::Right(()) => answer(iop, stream, ControlAnswer::Working).await?,
        }
    }
}

struct AttachRequest {
    revision: u64,
    device: String,
    purpose: String,
    lock_timeout: Duration,
}

/// Why a device is not to be had, whoever uses it.
enum Unavailable {
    NoSuchDevice,
    NoSession(Option<Loss>),
}

/// Waits for the device, and serves the job until it ends.
async fn attach(
    iop: &Rc<Iop>,
    mut stream: LocalStream,
    peer: LocalPeer,
    request: AttachRequest,
) -> Result<(), PeerGone> {
    let find = || find(iop, &request);
    let begun = iop.jobs.begin(request.lock_timeout, || {
        let (_, device, _) = find()?;
        let target = iop
            .target(request.revision)
            .ok_or(Unavailable::NoSuchDevice)?;
        Ok(Wanted {
            target: target.number,
            is_exclusive: device.kind == DeviceKind::Drive,
            device: device.name,
            pid: peer.pid.unwrap_or_default(),
            purpose: request.purpose.clone(),
        })
    });
    let content = match waiting(iop, &mut stream, begun).await? {
        Ok(job) => match find() {
            Ok((target, device, initiator)) => {
                answer(iop, &mut stream, ControlAnswer::Attached).await?;
                let used = UsedDevice {
                    target,
                    device,
                    initiator,
                };
                run_job(iop, stream, peer, request.purpose, used, job).await;
                return Ok(());
            }
            Err(error) => of_unavailable(error),
        },
        Err(NotBegun::InUse(job)) => ControlAnswer::InUse { job },
        Err(NotBegun::ReIpl) => ControlAnswer::ReIplGoesOn,
        Err(NotBegun::Stopping) => ControlAnswer::Stopping,
        Err(NotBegun::Refused(error)) => of_unavailable(error),
    };
    answer(iop, &mut stream, content).await
}

fn of_unavailable(error: Unavailable) -> ControlAnswer {
    match error {
        Unavailable::NoSuchDevice => ControlAnswer::NoSuchDevice,
        Unavailable::NoSession(lost) => ControlAnswer::NoSession { lost },
    }
}

fn find(
    iop: &Rc<Iop>,
    request: &AttachRequest,
) -> Result<(Rc<HeldTarget>, HeldDevice, Initiator), Unavailable> {
    let target = iop
        .target(request.revision)
        .ok_or(Unavailable::NoSuchDevice)?;
    let device = target.device(&request.device);
    let initiator = target.initiator();
    match (device, initiator) {
        (_, None) => Err(Unavailable::NoSession(iop.loss_of(&target))),
        (None, Some(_)) => Err(Unavailable::NoSuchDevice),
        (Some(device), Some(initiator)) => Ok((target, device, initiator)),
    }
}

/// The device of a job, and the session that it is used in.
struct UsedDevice {
    target: Rc<HeldTarget>,
    device: HeldDevice,
    initiator: Initiator,
}

async fn run_job(
    iop: &Rc<Iop>,
    stream: LocalStream,
    peer: LocalPeer,
    purpose: String,
    used: UsedDevice,
    job: RunningJob,
) {
    let target_name = used.target.name().to_owned();
    let device = used.device.name.clone();
    let pid = peer.pid.unwrap_or_default();
    iop.tell(&IopEvent::JobBegun {
        target_name: target_name.clone(),
        device: device.clone(),
        pid,
        purpose: purpose.clone(),
    });
    let changer = (used.device.kind == DeviceKind::Library)
        .then(|| iop.changer(&used.target, &used.device.name));
    let name = used.target.target.identity.target_name.clone();
    let nowhere = std::net::SocketAddr::from(([0, 0, 0, 0], 0));
    let settings = ListenerSettings {
        login_time: iop.settings.re_ipl.timeout,
        ..ListenerSettings::new(nowhere, name)
    };
    let backend: Rc<dyn Backend> = Rc::new(DeviceBackend::new(
        Rc::clone(iop),
        used.target,
        used.device,
        used.initiator,
        changer,
    ));
    let served = serve_local(stream, settings, Rc::clone(&backend));
    let end = match first(served, job.cut()).await {
        First::Left(Some(SessionEnd::LoggedOut)) => JobEnd::Done,
        First::Left(_) => JobEnd::Died,
        First::Right(()) => JobEnd::Cut,
    };
    // The device is free when no command of the job has an effect any more.
    backend.settle().await;
    drop(job);
    iop.tell(&IopEvent::JobEnded {
        target_name,
        device,
        pid,
        purpose,
        end,
    });
}
