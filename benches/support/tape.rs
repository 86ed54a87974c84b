//! A drive by the product's own data path.
#![allow(dead_code, reason = "each bench uses a drive in its own ways")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use iscsiswiconfig::iop::job::unit::{AnswerDeadlines, Unit, UnitError};
use iscsiswiconfig::iop::job::{Again, Job, JobSettings};
use iscsiswiconfig::iop::store::Store;
use iscsiswiconfig::iop::tape::drive::{Reopen, TapeDrive};
use iscsiswiconfig::iop::tape::read::{Object, TapeReader};
use iscsiswiconfig::iop::tape::write::Writer;
use iscsiswiconfig::iscsi::ids::{Cid, CmdSn, Isid};
use iscsiswiconfig::iscsi::login::LoginParameters;
use iscsiswiconfig::iscsi::operational::{Digest, OperationalOffer, SessionType};
use iscsiswiconfig::scsi::command::{Erase, Read};
use iscsiswiconfig::scsi::{Command, Lun};
use iscsiswiconfig::transport::Deadlines;
use iscsiswiconfig::transport::initiator::open;
use tokio::runtime::{Builder, Runtime};
use tokio::task::LocalSet;

/// How long an answer may take.
const DEADLINE: Duration = Duration::from_secs(60);

/// A session that is lost ends the benchmark.
pub struct Never;

impl Reopen for Never {
    async fn reopen(&mut self) -> Result<Unit, UnitError> {
        Err(UnitError::NoSense)
    }
}

/// A drive with a cartridge in it.
pub struct Tape<R> {
    runtime: Runtime,
    local: LocalSet,
    drive: TapeDrive<R>,
    _job: Option<Job<'static>>,
}

/// Returns a block whose bytes are not all the same.
pub fn block_of(length: usize) -> Bytes {
    Bytes::from_iter((0..length).map(|index| (index % 251) as u8))
}

fn runtime() -> (Runtime, LocalSet) {
    let runtime = Builder::new_current_thread().enable_all().build();
    (runtime.expect("a runtime"), LocalSet::new())
}

impl Tape<Again> {
    /// Takes the drive of this name as a job does: by way of the resident IOP that runs for the state directory, else in a session
    /// of its own.
    pub fn of_job(state: PathBuf, device: &str) -> Self {
        // They live as long as the job, which is as long as the bench.
        let store = &*Box::leak(Box::new(Store::new(state, DEADLINE)));
        let settings = &*Box::leak(Box::new(JobSettings {
            timeout: DEADLINE,
            motion_timeout: DEADLINE,
            chap_algorithms: Vec::new(),
        }));
        let (runtime, local) = runtime();
        let (drive, job) = local.block_on(&runtime, async {
            let names = [(device, None)];
            let job = Job::open(store, settings, Rc::new(|_, _| {}), &names, "bench").await;
            let job = job.expect("the devices");
            (job.drive(device).await.expect("a drive"), job)
        });
        Self {
            runtime,
            local,
            drive,
            _job: Some(job),
        }
    }
}

impl Tape<Never> {
    /// Logs in with what the product offers, and this digest for headers and data.
    pub fn open(portal: SocketAddr, target_name: &str, lun: u16, digest: Digest) -> Self {
        let (runtime, local) = runtime();
        let parameters = LoginParameters {
            initiator_name: "iqn.2026-11.internal.iscsiswiconfig:tape"
                .parse()
                .expect("a name"),
            target_name: Some(target_name.parse().expect("a name")),
            session_type: SessionType::Normal,
            isid: Isid::random([
                9,
                8,
                7,
                portal.port().to_be_bytes()[0],
                portal.port().to_be_bytes()[1],
            ]),
            cid: Cid(0),
            cmd_sn: CmdSn(1),
            chap: None,
            offer: OperationalOffer {
                header_digest: vec![digest],
                data_digest: vec![digest],
                ..OperationalOffer::default()
            },
        };
        let drive = local.block_on(&runtime, async {
            let host = portal.ip().to_string();
            let deadlines = Deadlines::of_phase(DEADLINE);
            let opened = open(&host, portal.port(), &parameters, deadlines, |_| {}).await;
            let answers = AnswerDeadlines {
                answer: DEADLINE,
                motion: DEADLINE,
            };
            let lun = Lun::from_number(lun).expect("a LUN");
            let unit = Unit::new(opened.expect("a login").spawn(), lun, answers);
            unit.take_unit_attentions(false)
                .await
                .expect("a drive that is ready");
            TapeDrive::new(unit, Never)
        });
        Self {
            runtime,
            local,
            drive,
            _job: None,
        }
    }
}

impl<R: Reopen> Tape<R> {
    fn run<T>(&mut self, work: impl AsyncFnOnce(&mut TapeDrive<R>) -> T) -> T {
        self.local.block_on(&self.runtime, work(&mut self.drive))
    }

    /// Writes so many blocks from the beginning of the tape, and returns how long it took until all were acknowledged.
    pub fn write(&mut self, count: usize, block: &Bytes) -> Duration {
        self.run(async |drive| {
            drive.rewind().await.expect("REWIND");
            let mut writer = Writer::begin(drive).await.expect("a session");
            let started = Instant::now();
            for _ in 0..count {
                writer.push(block.clone()).await.expect("WRITE");
            }
            writer.flush().await.expect("WRITE");
            started.elapsed()
        })
    }

    /// As [`Tape::write`] on a blank tape: giving back the memory of what was recorded before is no part of writing.
    pub fn erase_and_write(&mut self, count: usize, block: &Bytes) -> Duration {
        self.run(async |drive| {
            drive.rewind().await.expect("REWIND");
            let erase = Command::Erase(Erase {
                immediate: false,
                long: false,
            });
            drive.unit().execute(&erase).await.expect("ERASE");
        });
        self.write(count, block)
    }

    /// Reads so many blocks from the beginning of the tape.
    pub fn read(&mut self, count: usize, length: usize) -> Duration {
        let limit = u32::try_from(length).expect("24 bits");
        self.run(async |drive| {
            let mut reader = TapeReader::at_file(drive, 1, limit).await.expect("REWIND");
            let started = Instant::now();
            for _ in 0..count {
                match reader.next().await.expect("READ") {
                    Object::Block(block) => assert_eq!(block.len(), length),
                    object => panic!("{object:?}"),
                }
            }
            let took = started.elapsed();
            reader.stop().await.expect("the place of the tape");
            took
        })
    }

    /// Writes or reads so many blocks from the beginning of the tape, each when the one before it was answered.
    pub fn one_at_a_time(&mut self, is_write: bool, count: usize, block: &Bytes) -> Duration {
        self.run(async |drive| {
            drive.rewind().await.expect("REWIND");
            if is_write {
                let mut writer = Writer::begin(drive).await.expect("a session");
                let started = Instant::now();
                for _ in 0..count {
                    writer.push(block.clone()).await.expect("WRITE");
                    writer.flush().await.expect("WRITE");
                }
                return started.elapsed();
            }
            let read = Command::Read(Read::variable(u32::try_from(block.len()).expect("24 bits")));
            let started = Instant::now();
            for _ in 0..count {
                let data = drive.unit().execute(&read).await.expect("READ");
                assert_eq!(data.len(), block.len());
            }
            started.elapsed()
        })
    }
}
