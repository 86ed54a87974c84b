//! The jobs that use devices by way of the IOP: one per device, any number at a changer, and none while a re-IPL goes on.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use super::status::JobStatus;
use crate::iop::ipl::rfc_3339;
use crate::transport::{Changes, within};

/// The jobs there are, and whether others may begin.
#[derive(Debug, Default)]
pub(super) struct JobTable {
    jobs: RefCell<BTreeMap<u64, JobEntry>>,
    next: Cell<u64>,
    /// A re-IPL waits for the jobs to end, or goes on: new ones wait.
    held_up: Cell<bool>,
    /// The IOP stops: no job begins any more.
    closed: Cell<bool>,
    changes: Changes,
}

#[derive(Debug)]
struct JobEntry {
    target: u64,
    is_exclusive: bool,
    status: JobStatus,
    is_cut: Rc<Cell<bool>>,
}

/// What a job asks for.
#[derive(Debug)]
pub(super) struct Wanted {
    /// The number of the target.
    pub(super) target: u64,
    /// The device.
    pub(super) device: String,
    /// Whether no other job may use the device meanwhile: any but a changer.
    pub(super) is_exclusive: bool,
    /// The process.
    pub(super) pid: u32,
    /// What it does.
    pub(super) purpose: String,
}

/// Why a job does not begin.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotBegun<E> {
    /// Another job uses the device.
    InUse(JobStatus),
    /// A re-IPL goes on, or waits for other jobs.
    ReIpl,
    /// The IOP stops.
    Stopping,
    /// The device is not to be had, whoever uses it.
    Refused(E),
}

/// A job that has its device, until this is dropped.
#[derive(Debug)]
pub(super) struct RunningJob {
    table: Rc<JobTable>,
    number: u64,
    is_cut: Rc<Cell<bool>>,
}

impl JobTable {
    /// Waits for a device, at most so long. `find` is asked whenever something has changed: the device may be gone after a re-IPL,
    /// and its session may be lost.
    ///
    /// # Errors
    /// [`NotBegun`].
    pub(super) async fn begin<E>(
        self: &Rc<Self>,
        wait: Duration,
        mut find: impl FnMut() -> Result<Wanted, E>,
    ) -> Result<RunningJob, NotBegun<E>> {
        let mut in_the_way = NotBegun::ReIpl;
        let begun = self.changes.until(|| {
            if self.closed.get() {
                return Some(Err(NotBegun::Stopping));
            }
            if self.held_up.get() {
                in_the_way = NotBegun::ReIpl;
                return None;
            }
            let wanted = match find() {
                Ok(wanted) => wanted,
                Err(error) => return Some(Err(NotBegun::Refused(error))),
            };
            if let Some(job) = self.user_of(&wanted) {
                in_the_way = NotBegun::InUse(job);
                return None;
            }
            Some(Ok(self.add(wanted)))
        });
        let begun = within(wait, begun).await;
        begun.unwrap_or(Err(in_the_way))
    }

    /// Returns the job that keeps another one from a device.
    pub(super) fn user_of(&self, wanted: &Wanted) -> Option<JobStatus> {
        let jobs = self.jobs.borrow();
        let mut users = jobs.values().filter(|job| {
            job.target == wanted.target
                && job.status.device == wanted.device
                && (job.is_exclusive || wanted.is_exclusive)
        });
        users.next().map(|job| job.status.clone())
    }

    fn add(self: &Rc<Self>, wanted: Wanted) -> RunningJob {
        let number = self.next.get();
        self.next.set(number.saturating_add(1));
        let is_cut = Rc::<Cell<bool>>::default();
        let entry = JobEntry {
            target: wanted.target,
            is_exclusive: wanted.is_exclusive,
            status: JobStatus {
                pid: wanted.pid,
                purpose: wanted.purpose,
                device: wanted.device,
                since: rfc_3339(SystemTime::now()),
            },
            is_cut: Rc::clone(&is_cut),
        };
        self.jobs.borrow_mut().insert(number, entry);
        RunningJob {
            table: Rc::clone(self),
            number,
            is_cut,
        }
    }

    /// Returns the jobs, of one target or of all, oldest first.
    pub(super) fn running(&self, target: Option<u64>) -> Vec<JobStatus> {
        let jobs = self.jobs.borrow();
        let jobs = jobs
            .values()
            .filter(|job| target.is_none_or(|target| job.target == target));
        jobs.map(|job| job.status.clone()).collect()
    }

    /// Has new jobs wait, or wait no longer.
    pub(super) fn hold_up(&self, held_up: bool) {
        self.held_up.set(held_up);
        self.changes.tell();
    }

    /// Lets no job begin any more.
    pub(super) fn close(&self) {
        self.closed.set(true);
        self.changes.tell();
    }

    /// Waits until no job runs; false when some do after so long.
    pub(super) async fn wait_for_end(&self, wait: Duration) -> bool {
        let ended = self
            .changes
            .until(|| self.jobs.borrow().is_empty().then_some(()));
        within(wait, ended).await.is_some()
    }

    /// Cuts the jobs of a target, or all, off.
    pub(super) fn cut(&self, target: Option<u64>) {
        for job in self.jobs.borrow().values() {
            if target.is_none_or(|target| job.target == target) {
                job.is_cut.set(true);
            }
        }
        self.changes.tell();
    }
}

impl RunningJob {
    /// Waits until the job is to be cut off.
    pub(super) async fn cut(&self) {
        let changes = &self.table.changes;
        changes.until(|| self.is_cut.get().then_some(())).await;
    }
}

impl Drop for RunningJob {
    fn drop(&mut self) {
        self.table.jobs.borrow_mut().remove(&self.number);
        self.table.changes.tell();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::{First, block_on_paused, first, sleep};

    const WAIT: Duration = Duration::from_secs(10);

    fn wanted(device: &str, is_exclusive: bool) -> Wanted {
        Wanted {
            target: 1,
            device: device.to_owned(),
            is_exclusive,
            pid: 7,
            purpose: "tape write".to_owned(),
        }
    }

    async fn begin(
        table: &Rc<JobTable>,
        device: &str,
        is_exclusive: bool,
    ) -> Result<RunningJob, NotBegun<()>> {
        let find = || Ok(wanted(device, is_exclusive));
        table.begin(WAIT, find).await
    }

    #[test]
    fn a_drive_has_one_job_and_a_changer_any_number() {
        block_on_paused(async {
            let table = Rc::<JobTable>::default();
            let drive = begin(&table, "TAP01", true).await.unwrap();
            let _other_drive = begin(&table, "TAP02", true).await.unwrap();
            let _changer = begin(&table, "TAPMLB01", false).await.unwrap();
            let _again = begin(&table, "TAPMLB01", false).await.unwrap();
            let refused = begin(&table, "TAP01", true).await.unwrap_err();
            assert!(
                matches!(refused, NotBegun::InUse(job) if job.device == "TAP01" && job.pid == 7)
            );
            let waits = begin(&table, "TAP01", true);
            let ends = async {
                sleep(WAIT / 2).await;
                drop(drive);
                std::future::pending::<()>().await;
            };
            assert!(matches!(first(waits, ends).await, First::Left(Ok(_))));
        });
    }

    #[test]
    fn jobs_wait_behind_a_re_ipl_that_waits_for_jobs() {
        block_on_paused(async {
            let table = Rc::<JobTable>::default();
            let job = begin(&table, "TAP01", true).await.unwrap();
            table.hold_up(true);
            assert!(!table.wait_for_end(WAIT).await);
            assert!(matches!(
                begin(&table, "TAP02", true).await,
                Err(NotBegun::ReIpl)
            ));
            drop(job);
            assert!(table.wait_for_end(Duration::ZERO).await);
            table.hold_up(false);
            begin(&table, "TAP02", true).await.unwrap();
            table.close();
            assert!(matches!(
                begin(&table, "TAP02", true).await,
                Err(NotBegun::Stopping)
            ));
        });
    }

    #[test]
    fn a_cut_reaches_the_jobs_of_one_target() {
        block_on_paused(async {
            let table = Rc::<JobTable>::default();
            let job = begin(&table, "TAP01", true).await.unwrap();
            table.cut(Some(2));
            assert!(within(WAIT, job.cut()).await.is_none());
            table.cut(Some(1));
            assert!(within(WAIT, job.cut()).await.is_some());
        });
    }
}
