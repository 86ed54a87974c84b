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
use super::status::JobStatus;
use crate::iop::active::Loss;
use crate::iop::devices::names::DeviceKind;
use crate::iop::ipl::{self, Settings};
use crate::iop::tape::read::MAX_BYTES_AHEAD;
use crate::iscsi::chap::ChapAlgorithm;
use crate::iscsi::name::IscsiName;
use crate::iscsi::text::Escaped;
use crate::transport::initiator::Initiator;
use crate::transport::listener::{Backend, ListenerSettings, SessionEnd, Turns, serve_local};
use crate::transport::local::{self, LocalListener, LocalPeer, LocalStream};
use crate::transport::{self, First, first, sleep, spawn};

/// How long to wait when no connection can be taken, because too many files are open, say.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The most characters of what a job says that it does.
const MAX_PURPOSE: usize = 256;

/// The most bytes of the READs of a job that are outstanding, as many as a job asks for ahead without an IOP: on a way that takes
/// time, that is how fast it is.
const MAX_BYTES_OF_A_JOB: u64 = MAX_BYTES_AHEAD as u64;

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
    let any_job = || iop.jobs.running(None).into_iter().next();
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
            return waiting(iop, &mut stream, never, any_job).await;
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
            match waiting(iop, &mut stream, re_ipl, any_job).await? {
                Some(Ok(outcome)) => ControlAnswer::Active {
                    active: outcome.active,
                    generated_name: outcome.generated_name,
                    warnings: outcome.warnings,
                },
                Some(Err(NoReIpl::Jobs(jobs))) => ControlAnswer::JobsRunning { jobs },
                Some(Err(NoReIpl::State(error))) => ControlAnswer::Failed {
                    detail: ipl::detail(&error),
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
        ControlRequest::CutOff { revision } => {
            let target = iop.target(revision);
            ControlAnswer::CutOff {
                pid: std::process::id(),
                stopping: iop.stops().is_some(),
                lost: target.as_ref().and_then(|target| target.last_loss()),
                connected: target.is_some_and(|target| target.initiator().is_some()),
            }
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

/// Waits for something, and shows the peer signs of life meanwhile, with the job that is in the way. A peer that has gone is
/// not waited for.
async fn waiting<T>(
    iop: &Rc<Iop>,
    stream: &mut LocalStream,
    work: impl Future<Output = T>,
    in_the_way: impl Fn() -> Option<JobStatus>,
) -> Result<T, PeerGone> {
    let mut work = std::pin::pin!(work);
    loop {
        match first(work.as_mut(), sleep(SIGN_OF_LIFE)).await {
            First::Left(done) => return Ok(done),
            First::Right(()) => {
                let job = in_the_way();
                answer(iop, stream, ControlAnswer::Working { job }).await?;
            }
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
    let wanted = || {
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
    };
    let in_the_way = || iop.jobs.user_of(&wanted().ok()?);
    let begun = iop.jobs.begin(request.lock_timeout, wanted);
    let content = match waiting(iop, &mut stream, begun, in_the_way).await? {
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

/// Returns how a job is served that uses a device of that target.
fn settings_for_job(target_name: IscsiName, login_time: Duration) -> ListenerSettings {
    let nowhere = std::net::SocketAddr::from(([0, 0, 0, 0], 0));
    ListenerSettings {
        login_time,
        max_data_in: MAX_BYTES_OF_A_JOB,
        ..ListenerSettings::new(nowhere, target_name)
    }
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
    let settings = settings_for_job(name, iop.settings.re_ipl.timeout);
    let backend: Rc<dyn Backend> = Rc::new(DeviceBackend::new(
        Rc::clone(iop),
        used.target,
        used.device,
        used.initiator,
        changer,
    ));
    local::enlarge_send_buffer(&stream);
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

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use bytes::Bytes;

    use super::*;
    use crate::iop::job::offer_to_resident;
    use crate::iop::resident::ResidentSettings;
    use crate::iop::store::Store;
    use crate::iscsi::ids::{Cid, CmdSn, InitiatorTaskTag, Isid, Lun};
    use crate::iscsi::login::LoginParameters;
    use crate::iscsi::nexus::{InitiatorPort, NexusId};
    use crate::iscsi::operational::SessionType;
    use crate::iscsi::pdu::{
        Pdu, Residual, TaskAttribute, TaskManagementFunction, TaskManagementOutcome,
    };
    use crate::iscsi::target::{ReceivedCommand, ScsiReply, TaskId};
    use crate::transport::initiator::{Completed, DataDirection, Execute, log_in};
    use crate::transport::listener::{BackendAnswer, MAX_DATA_SEGMENT_LENGTH};
    use crate::transport::{Changes, Deadlines, Step, block_on, within};

    const TIMEOUT: Duration = Duration::from_secs(30);
    const NAME: &str = "iqn.2026-11.test:t";

    /// A unit that counts its commands, and answers those that it is to answer with as much as they take.
    struct Counting {
        commands: Cell<usize>,
        changes: Changes,
        answers: bool,
    }

    impl Backend for Counting {
        fn nexus_added(&self, _nexus: NexusId, _port: InitiatorPort) {}

        fn nexus_lost(&self, _nexus: NexusId) {}

        fn has_logical_unit(&self, _lun: Lun) -> bool {
            true
        }

        fn execute(&self, _nexus: NexusId, command: ReceivedCommand) -> BackendAnswer<ScsiReply> {
            self.commands.set(self.commands.get() + 1);
            self.changes.tell();
            let length = usize::try_from(command.expected_data_in_length).unwrap();
            let reply = ScsiReply {
                data_in: Bytes::from(vec![7; length]),
                ..ScsiReply::default()
            };
            match self.answers {
                true => Box::pin(std::future::ready(reply)),
                false => Box::pin(std::future::pending()),
            }
        }

        fn manage(
            &self,
            _nexus: NexusId,
            _function: TaskManagementFunction,
            _lun: Lun,
        ) -> BackendAnswer<TaskManagementOutcome> {
            Box::pin(std::future::ready(TaskManagementOutcome::FUNCTION_COMPLETE))
        }

        fn settle(&self) -> BackendAnswer<()> {
            Box::pin(std::future::ready(()))
        }
    }

    /// Serves a job as the IOP does, and returns what it is served by and its session.
    async fn job(answers: bool, observe: impl Fn(Step<'_>) + 'static) -> (Rc<Counting>, Initiator) {
        let (ours, theirs) = LocalStream::pair().unwrap();
        let counting = Rc::new(Counting {
            commands: Cell::default(),
            changes: Changes::default(),
            answers,
        });
        let backend: Rc<dyn Backend> = Rc::<Counting>::clone(&counting);
        let settings = settings_for_job(NAME.parse().unwrap(), TIMEOUT);
        spawn(async move {
            serve_local(theirs, settings, backend).await;
        });
        let parameters = LoginParameters {
            initiator_name: "iqn.2026-11.test:i".parse().unwrap(),
            target_name: Some(NAME.parse().unwrap()),
            session_type: SessionType::Normal,
            isid: Isid::default(),
            cid: Cid(0),
            cmd_sn: CmdSn(1),
            chap: None,
            offer: offer_to_resident(),
        };
        let deadlines = Deadlines::of_phase(TIMEOUT);
        let (initiator, driver, _) = log_in(ours, &parameters, deadlines, observe).await.unwrap();
        spawn(async move {
            driver.run().await;
        });
        (counting, initiator)
    }

    fn task(data: DataDirection) -> Execute {
        Execute::new(Lun::default(), &[0x08, 0, 0, 0, 0, 0], data)
    }

    #[test]
    fn a_job_reads_as_far_ahead_by_way_of_the_iop_as_without() {
        const BLOCK: u32 = 256 << 10;
        block_on(async {
            let (counting, initiator) = job(false, |_| {}).await;
            let wanted = MAX_BYTES_AHEAD / usize::try_from(BLOCK).unwrap();
            let mut outstanding = Vec::new();
            for _ in 0..wanted {
                let read = task(DataDirection::In(BLOCK));
                outstanding.push(initiator.submit(read).await.unwrap());
            }
            let all = || (counting.commands.get() == wanted).then_some(());
            let begun = within(TIMEOUT, counting.changes.until(all)).await;
            assert!(begun.is_some(), "{} of {wanted}", counting.commands.get());
        })
        .unwrap();
    }

    #[test]
    fn a_block_passes_the_socket_in_one_pdu_and_is_not_asked_for() {
        block_on(async {
            let passed = Rc::<RefCell<Vec<&'static str>>>::default();
            let seen = Rc::clone(&passed);
            let observe = move |step: Step<'_>| {
                if let Step::Pdu(passing) = step {
                    seen.borrow_mut().push(match passing.pdu {
                        Ok(Pdu::ScsiCommand(_)) => "command",
                        Ok(Pdu::DataOut(_)) => "data-out",
                        Ok(Pdu::DataIn(_)) => "data-in",
                        Ok(Pdu::R2t(_)) => "r2t",
                        Ok(Pdu::ScsiResponse(_)) => "response",
                        _ => return,
                    });
                }
            };
            let (_, initiator) = job(true, observe).await;
            let length = usize::try_from(MAX_DATA_SEGMENT_LENGTH).unwrap();
            let write = task(DataDirection::Out(Bytes::from(vec![7; length])));
            initiator.execute(write).await.unwrap();
            let read = task(DataDirection::In(MAX_DATA_SEGMENT_LENGTH));
            let completed = initiator.execute(read).await.unwrap();
            assert_eq!(completed.data.len(), length);
            let expected = ["command", "response", "command", "data-in"];
            assert_eq!(*passed.borrow(), expected);
        })
        .unwrap();
    }

    fn held_target() -> Rc<HeldTarget> {
        let target = serde_json::json!({
            "identity": {
                "initiator_name": "iqn.2026-11.test:i", "target_host_name": "127.0.0.1",
                "target_name": NAME, "target_port": 3260
            },
            "keystore": "AVAIL", "revision": 1
        });
        HeldTarget::new(1, 0, serde_json::from_value(target).unwrap())
    }

    #[test]
    fn a_block_is_handed_on_where_it_is() {
        const LENGTH: u32 = 256 << 10;
        let block = || Bytes::from(vec![7; usize::try_from(LENGTH).unwrap()]);
        let (written, read) = (block(), block());
        let sent = Rc::<Cell<Option<*const u8>>>::default();
        let directory = tempfile::tempdir().unwrap();
        let store = Store::new(directory.path().join("state"), Duration::ZERO);
        let settings = ResidentSettings {
            re_ipl: Settings {
                timeout: TIMEOUT,
                chap_algorithms: Vec::new(),
            },
            lock_timeout: Duration::ZERO,
            reconnect: false,
            watchdog: None,
        };
        let iop = Iop::new(store, settings, Rc::new(|_| {}), Rc::new(|_, _| {})).unwrap();
        let device = HeldDevice {
            name: "TAP01".to_owned(),
            kind: DeviceKind::Drive,
            lun: Lun::default(),
        };
        block_on(async {
            let (to_be_read, address) = (read.clone(), Rc::clone(&sent));
            let initiator = Initiator::served_by(move |execute| {
                let data = match execute.data {
                    DataDirection::Out(data) => {
                        address.set(Some(data.as_ptr()));
                        Bytes::new()
                    }
                    _ => to_be_read.clone(),
                };
                Ok(Completed {
                    status: 0,
                    sense: Bytes::new(),
                    data,
                    residual: Residual::None,
                    transferred: LENGTH,
                })
            });
            let backend = DeviceBackend::new(iop, held_target(), device, initiator, None);
            let [_, a, b, c] = LENGTH.to_be_bytes();
            for (operation_code, data_out) in [(0x0a, written.clone()), (0x08, Bytes::new())] {
                let mut cdb = [0; 16];
                cdb[..6].copy_from_slice(&[operation_code, 0, a, b, c, 0]);
                let out = u32::try_from(data_out.len()).unwrap();
                let command = ReceivedCommand {
                    id: TaskId::default(),
                    initiator_task_tag: InitiatorTaskTag(1),
                    lun: Lun::default(),
                    cdb,
                    extended_cdb: Bytes::new(),
                    attribute: TaskAttribute::SIMPLE,
                    immediate: false,
                    expected_data_in_length: LENGTH - out,
                    expected_data_out_length: out,
                    data_out,
                };
                let reply = backend.execute(NexusId(1), command).await;
                assert_eq!(reply.status, 0);
                if operation_code == 0x08 {
                    assert_eq!(reply.data_in.as_ptr(), read.as_ptr());
                }
            }
        })
        .unwrap();
        assert_eq!(sent.get(), Some(written.as_ptr()));
    }
}
