//! The resident IOP itself: its re-IPLs, the sessions that it holds, and what becomes of them.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use super::backoff::Backoff;
use super::event::{IopEvent, ReIplReason, StopReason};
use super::held::{HeldTarget, loss_cause};
use super::jobs::JobTable;
use super::status::{HeldTargetStatus, IopStatus, JobStatus};
use super::{EventSink, ResidentSettings};
use crate::iop::active::{Loss, LossCause, TargetReport, TargetStatus};
use crate::iop::ipl::{
    self, AttachPlan, Attempts, BegunReIpl, FinishedReIpl, ReIplOutcome, Settings, rfc_3339,
};
use crate::iop::job::JobObserver;
use crate::iop::store::{ActiveConfiguration, StateError, Store};
use crate::iscsi::name::IscsiName;
use crate::storage::StorageError;
use crate::transport::initiator::Initiator;
use crate::transport::listener::Turns;
use crate::transport::{Changes, First, Observer, first, sleep, spawn, within};

/// How long a session may be silent before its target is pinged.
const PING_INTERVAL: Duration = Duration::from_secs(5);

/// The pause between two attempts at a lock of the state: the thread has sessions to serve meanwhile.
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// A resident IOP.
pub(super) struct Iop {
    /// The records; its locks are not waited for, since the thread has sessions to serve.
    pub(super) store: Store,
    pub(super) settings: ResidentSettings,
    sink: Rc<EventSink>,
    observer: Rc<JobObserver>,
    started: String,
    /// What runs now. `active.json` follows it.
    active: RefCell<ActiveConfiguration>,
    generated: RefCell<Option<IscsiName>>,
    targets: RefCell<Vec<Rc<HeldTarget>>>,
    next_target: Cell<u64>,
    /// The settings of the last re-IPL, for another attempt at a target.
    last_settings: RefCell<Settings>,
    pub(super) jobs: Rc<JobTable>,
    /// The turns at each changer, by target and device.
    changers: RefCell<BTreeMap<(u64, String), Turns>>,
    /// A re-IPL goes on, or waits for jobs.
    re_ipls: Cell<bool>,
    /// What runs now could not be written when it changed.
    is_unrecorded: Cell<bool>,
    /// A re-IPL that SIGHUP asked for has not begun: it does what another one would.
    pub(super) hangup_waits: Cell<bool>,
    stops: Cell<Option<StopReason>>,
    pub(super) changes: Changes,
}

/// Why there was no re-IPL. The sessions are as before, unless it could not be recorded.
#[derive(Debug)]
pub(super) enum NoReIpl {
    /// Jobs did not end in time.
    Jobs(Vec<JobStatus>),
    /// The state could not be locked, read or written.
    State(StateError),
    /// The IOP stops.
    Stopping,
}

impl Iop {
    pub(super) fn new(
        store: Store,
        settings: ResidentSettings,
        sink: Rc<EventSink>,
        observer: Rc<JobObserver>,
    ) -> Result<Rc<Self>, StateError> {
        let active = store.active()?;
        Ok(Rc::new(Self {
            store: store.with_lock_timeout(Duration::ZERO),
            last_settings: RefCell::new(settings.re_ipl.clone()),
            settings,
            sink,
            observer,
            started: rfc_3339(SystemTime::now()),
            active: RefCell::new(active),
            generated: RefCell::default(),
            targets: RefCell::default(),
            next_target: Cell::default(),
            jobs: Rc::default(),
            changers: RefCell::default(),
            re_ipls: Cell::default(),
            is_unrecorded: Cell::default(),
            hangup_waits: Cell::default(),
            stops: Cell::default(),
            changes: Changes::default(),
        }))
    }

    /// Tells an event, and keeps it with its target.
    pub(super) fn tell(&self, event: &IopEvent) {
        if let Some(name) = event.target_name() {
            let targets = self.targets.borrow();
            if let Some(target) = targets.iter().find(|target| target.name() == name) {
                target.note(event);
            }
        }
        (self.sink)(event);
    }

    /// Returns what runs now, and the generated initiator name.
    pub(super) fn active(&self) -> (ActiveConfiguration, Option<IscsiName>) {
        (
            self.active.borrow().clone(),
            self.generated.borrow().clone(),
        )
    }

    pub(super) fn status(&self) -> IopStatus {
        let targets = self.targets.borrow();
        let targets = targets.iter().map(|target| self.target_status(target));
        IopStatus {
            pid: std::process::id(),
            started: self.started.clone(),
            targets: targets.collect(),
        }
    }

    fn target_status(&self, target: &HeldTarget) -> HeldTargetStatus {
        target.status(
            self.status_of(target),
            self.jobs.running(Some(target.number)),
        )
    }

    fn status_of(&self, target: &HeldTarget) -> TargetStatus {
        let active = self.active.borrow();
        let report = active.targets.get(target.index);
        report
            .map(|target| target.report.status)
            .unwrap_or_default()
    }

    /// Returns when and why the session of a target was lost.
    pub(super) fn loss_of(&self, target: &HeldTarget) -> Option<Loss> {
        let active = self.active.borrow();
        active.targets.get(target.index)?.report.lost.clone()
    }

    /// Returns the target that was configured under that revision number at the last re-IPL.
    pub(super) fn target(&self, revision: u64) -> Option<Rc<HeldTarget>> {
        let targets = self.targets.borrow();
        let mut targets = targets.iter();
        targets
            .find(|target| target.target.revision == revision)
            .cloned()
    }

    /// Returns the turns at a changer.
    pub(super) fn changer(&self, target: &HeldTarget, device: &str) -> Turns {
        let mut changers = self.changers.borrow_mut();
        let key = (target.number, device.to_owned());
        changers.entry(key).or_default().clone()
    }

    /// Returns why the IOP stops, once it does.
    pub(super) const fn stops(&self) -> Option<StopReason> {
        self.stops.get()
    }

    /// Has the IOP stop. The first reason counts.
    pub(super) fn stop(&self, reason: StopReason) {
        if self.stops.get().is_none() {
            self.stops.set(Some(reason));
            self.changes.tell();
        }
    }

    /// Re-IPLs: waits for the jobs, ends what is, and connects to every configured target at once.
    pub(super) async fn re_ipl(
        self: &Rc<Self>,
        reason: ReIplReason,
        settings: &Settings,
        lock_timeout: Duration,
    ) -> Result<ReIplOutcome, NoReIpl> {
        let is_free = || match self.stops.get() {
            Some(_) => Some(false),
            None => (!self.re_ipls.replace(true)).then_some(true),
        };
        if !self.changes.until(is_free).await {
            return Err(NoReIpl::Stopping);
        }
        self.jobs.hold_up(true);
        let stopping = self.changes.until(|| self.stops.get());
        let done = match first(self.re_ipl_alone(reason, settings, lock_timeout), stopping).await {
            First::Left(done) => done,
            First::Right(_) => Err(NoReIpl::Stopping),
        };
        self.re_ipls.set(false);
        self.jobs.hold_up(false);
        self.changes.tell();
        match &done {
            Ok(outcome) => self.tell(&IopEvent::ReIplEnded {
                ipl_count: outcome.active.ipl_count,
                connected: connected(&outcome.active),
                targets: outcome.active.targets.len(),
            }),
            Err(NoReIpl::Jobs(jobs)) => self.tell(&IopEvent::ReIplRefused {
                reason,
                jobs: jobs.clone(),
                detail: None,
            }),
            Err(NoReIpl::State(error)) => self.tell(&IopEvent::ReIplRefused {
                reason,
                jobs: Vec::new(),
                detail: Some(ipl::detail(error)),
            }),
            Err(NoReIpl::Stopping) => {}
        }
        done
    }

    async fn re_ipl_alone(
        self: &Rc<Self>,
        reason: ReIplReason,
        settings: &Settings,
        lock_timeout: Duration,
    ) -> Result<ReIplOutcome, NoReIpl> {
        if !self.jobs.wait_for_end(lock_timeout).await {
            return Err(NoReIpl::Jobs(self.jobs.running(None)));
        }
        let begun = self.locked(lock_timeout, BegunReIpl::begin_existing);
        let begun = begun.await.map_err(NoReIpl::State)?;
        let holds_any = self
            .targets
            .borrow()
            .iter()
            .any(|target| target.initiator().is_some());
        if holds_any {
            // A re-IPL that cannot be recorded is not to end a session: the record is written before, as it is.
            begun
                .record(&self.active.borrow())
                .map_err(NoReIpl::State)?;
        }
        if reason == ReIplReason::Hangup {
            self.hangup_waits.set(false);
        }
        self.tell(&IopEvent::ReIplBegun { reason });
        self.log_out().await;
        self.changers.borrow_mut().clear();
        *self.last_settings.borrow_mut() = settings.clone();
        let configured = begun.configuration.targets.clone();
        let held: Vec<Rc<HeldTarget>> = configured
            .iter()
            .enumerate()
            .map(|(index, target)| HeldTarget::new(self.new_number(), index, target.clone()))
            .collect();
        let attempts = Attempts::new(
            configured.iter().collect(),
            AttachPlan {
                store: &self.store,
                generated: begun.generated.as_ref(),
                settings,
                hold: Some(PING_INTERVAL),
            },
        );
        let tried: Vec<Rc<HeldTarget>> = attempts
            .tried()
            .iter()
            .filter_map(|tried| {
                let mut held = held.iter();
                held.find(|held| held.target.revision == tried.revision)
                    .cloned()
            })
            .collect();
        let outcomes = attempts.attach(self.observe(tried)).await;
        let generated = begun.generated.clone();
        let FinishedReIpl {
            outcome,
            held: sessions,
        } = match begun.finish(outcomes) {
            Ok(finished) => finished,
            Err(error) => {
                self.give_up();
                return Err(NoReIpl::State(error));
            }
        };
        self.is_unrecorded.set(false);
        *self.active.borrow_mut() = outcome.active.clone();
        *self.generated.borrow_mut() = generated;
        *self.targets.borrow_mut() = held.clone();
        for (target, (_, initiator)) in held.iter().zip(sessions) {
            self.hold(target, initiator);
        }
        self.changes.tell();
        Ok(outcome)
    }

    /// Takes note that there are no sessions: the old ones have ended, and the new ones could not be recorded.
    fn give_up(&self) {
        let lost = Loss {
            time: rfc_3339(SystemTime::now()),
            cause: LossCause::GivenUp,
        };
        for target in &mut self.active.borrow_mut().targets {
            if target.report.status == TargetStatus::Connected {
                target.report.status = TargetStatus::Lost;
                target.report.lost = Some(lost.clone());
            }
        }
        for target in &*self.targets.borrow() {
            target.changed_now();
        }
    }

    fn new_number(&self) -> u64 {
        let number = self.next_target.get();
        self.next_target.set(number.saturating_add(1));
        number
    }

    /// Returns what is told the steps of the sessions with these targets, in their order.
    fn observe(self: &Rc<Self>, targets: Vec<Rc<HeldTarget>>) -> Rc<Observer> {
        let this = Rc::clone(self);
        Rc::new(move |index, step| {
            let Some(target) = targets.get(index) else {
                return;
            };
            (this.observer)(target.name(), step);
            if let Some(event) = target.observe(&step) {
                target.note(&event);
                (this.sink)(&event);
            }
        })
    }

    /// Takes what a re-IPL, or another attempt, came to, and has the session watched.
    fn hold(self: &Rc<Self>, target: &Rc<HeldTarget>, initiator: Option<Initiator>) {
        let (report, recovers) = {
            let active = self.active.borrow();
            let Some(of_target) = active.targets.get(target.index) else {
                return;
            };
            let is_failed = of_target.report.status == TargetStatus::Failed;
            (of_target.report.clone(), is_failed)
        };
        target.has(initiator.clone(), &report);
        let target_name = target.name().to_owned();
        match initiator {
            Some(initiator) => {
                let portal = report
                    .session
                    .map(|session| session.portal)
                    .unwrap_or_default();
                self.tell(&IopEvent::Connected {
                    target_name,
                    portal,
                });
                spawn(Rc::clone(self).watch(Rc::clone(target), initiator));
            }
            None if report.failure.is_some() => self.tell(&IopEvent::Failed {
                target: Box::new(report),
            }),
            None => {}
        }
        if recovers {
            self.recover(target, Duration::ZERO);
        }
    }

    /// Waits for the end of a session, and takes note of its loss.
    async fn watch(self: Rc<Self>, target: Rc<HeldTarget>, initiator: Initiator) {
        initiator.ended().await;
        if target.is_left.get() {
            return;
        }
        target.take();
        let doom = target.doom.borrow_mut().take();
        let cause = match (doom, initiator.lost()) {
            (Some(cause), _) => cause,
            (None, Some(lost)) => loss_cause(&lost),
            (None, None) => LossCause::GivenUp,
        };
        let lost = Loss {
            time: rfc_3339(SystemTime::now()),
            cause: cause.clone(),
        };
        if let Some(active) = self.active.borrow_mut().targets.get_mut(target.index) {
            active.report.status = TargetStatus::Lost;
            active.report.lost = Some(lost.clone());
        }
        target.lose(lost);
        self.jobs.cut(Some(target.number));
        self.tell(&IopEvent::Lost {
            target_name: target.name().to_owned(),
            cause,
        });
        self.record().await;
        self.recover(&target, initiator.time2wait().unwrap_or_default());
    }

    /// Ends a session that its target has made unusable; it is lost then.
    pub(super) fn doom(&self, target: &Rc<HeldTarget>, cause: LossCause) {
        if let Some(initiator) = target.initiator() {
            target.doom.borrow_mut().get_or_insert(cause);
            spawn(async move {
                // Unanswered, it ends the session all the same.
                let _ = initiator.logout().await;
            });
        }
    }

    /// Writes what runs now to `active.json`.
    async fn record(&self) {
        let written = self.locked(self.settings.lock_timeout, |store| {
            let re_ipl = store.begin_existing_re_ipl()?;
            re_ipl.record(&self.active.borrow(), &re_ipl.device_names)
        });
        match written.await {
            Ok(()) => self.is_unrecorded.set(false),
            Err(error) => self.state_failed(&error),
        }
    }

    fn state_failed(&self, error: &StateError) {
        self.is_unrecorded.set(true);
        self.tell(&IopEvent::StateFailed {
            detail: ipl::detail(error),
        });
    }

    /// Does something with the records; a lock that another process holds is tried again, and the sessions are served meanwhile.
    async fn locked<T>(
        &self,
        lock_timeout: Duration,
        mut act: impl FnMut(&Store) -> Result<T, StateError>,
    ) -> Result<T, StateError> {
        let mut last = Ok(());
        let done = within(lock_timeout, async {
            loop {
                match act(&self.store) {
                    Err(error @ StateError::Storage(StorageError::Locked { .. })) => {
                        last = Err(error);
                        sleep(LOCK_PAUSE).await;
                    }
                    done => return done,
                }
            }
        })
        .await;
        match (done, last) {
            (Some(done), _) => done,
            (None, Err(error)) => Err(error),
            (None, Ok(())) => act(&self.store),
        }
    }

    /// Has a target tried again, where the user wants that.
    fn recover(self: &Rc<Self>, target: &Rc<HeldTarget>, time2wait: Duration) {
        if self.settings.reconnect {
            let work = Rc::clone(self).try_again(Rc::clone(target), time2wait);
            spawn(work);
        }
    }

    async fn try_again(self: Rc<Self>, target: Rc<HeldTarget>, time2wait: Duration) {
        let mut backoff = Backoff::after(time2wait);
        let mut pause = backoff.next();
        loop {
            // A re-IPL has other targets, and does all that this could.
            let is_over = || {
                let goes_on = self
                    .targets
                    .borrow()
                    .iter()
                    .any(|held| held.number == target.number);
                let ends = self.stops.get().is_some() || self.re_ipls.get() || !goes_on;
                ends.then_some(())
            };
            let attempt = async {
                sleep(pause).await;
                self.attempt(&target).await
            };
            let First::Left(outcome) = first(attempt, self.changes.until(is_over)).await else {
                return self.recover_behind_re_ipl(&target, time2wait).await;
            };
            let failure = match outcome {
                Ok(portal) => {
                    self.tell(&IopEvent::Recovered {
                        target_name: target.name().to_owned(),
                        portal,
                    });
                    return;
                }
                Err(failure) => failure,
            };
            pause = backoff.next();
            let recorded = |active: &ActiveConfiguration| {
                let of_target = active.targets.get(target.index)?;
                Some(of_target.report.clone())
            };
            let report = recorded(&self.active.borrow());
            if let Some((failure, report)) = failure.zip(report) {
                self.tell(&IopEvent::RecoveryFailed {
                    target: Box::new(TargetReport {
                        failure: Some(failure),
                        ..report
                    }),
                    next: pause,
                });
            }
        }
    }

    /// Tries a target again behind a re-IPL that was refused: then it is still one of those that are held.
    async fn recover_behind_re_ipl(self: &Rc<Self>, target: &Rc<HeldTarget>, time2wait: Duration) {
        let ended = || (!self.re_ipls.get()).then_some(());
        self.changes.until(ended).await;
        let mut targets = self.targets.borrow().clone().into_iter();
        if self.stops.get().is_none() && targets.any(|held| held.number == target.number) {
            self.recover(target, time2wait);
        }
    }

    /// Attaches a target once more, and names its devices anew; returns the portal.
    async fn attempt(
        self: &Rc<Self>,
        target: &Rc<HeldTarget>,
    ) -> Result<String, Option<crate::iop::active::Failure>> {
        let settings = self.last_settings.borrow().clone();
        let generated = self.generated.borrow().clone();
        let attempts = Attempts::new(
            vec![&target.target],
            AttachPlan {
                store: &self.store,
                generated: generated.as_ref(),
                settings: &settings,
                hold: Some(PING_INTERVAL),
            },
        );
        let observer = self.observe(vec![Rc::clone(target)]);
        let Some(outcome) = attempts.attach(observer).await.into_iter().next() else {
            return Err(None);
        };
        let timeout = self.settings.lock_timeout;
        let re_ipl = match self.locked(timeout, Store::begin_existing_re_ipl).await {
            Ok(re_ipl) => re_ipl,
            // Without the record of the names a device could get another one's.
            Err(error) => {
                self.state_failed(&error);
                return Err(None);
            }
        };
        let mut device_names = re_ipl.device_names.clone();
        let named = ipl::report_of(
            &target.target,
            outcome,
            generated.as_ref(),
            &mut device_names,
        );
        let Some((report, initiator)) = named else {
            return Err(None);
        };
        if let Some(failure) = report.report.failure {
            return Err(Some(failure));
        }
        let portal = report
            .report
            .session
            .as_ref()
            .map(|session| session.portal.clone());
        target.has(initiator.clone(), &report.report);
        if let Some(place) = self.active.borrow_mut().targets.get_mut(target.index) {
            *place = report;
        }
        let written = re_ipl.record(&self.active.borrow(), &device_names);
        match written {
            Ok(()) => self.is_unrecorded.set(false),
            Err(error) => self.state_failed(&error),
        }
        if let Some(initiator) = initiator {
            spawn(Rc::clone(self).watch(Rc::clone(target), initiator));
        }
        Ok(portal.unwrap_or_default())
    }

    /// Logs out of every target, all at once; one that does not answer in time is left.
    async fn log_out(self: &Rc<Self>) {
        let left = Rc::<Cell<usize>>::default();
        let targets = self.targets.borrow().clone();
        for target in targets {
            let Some(initiator) = target.take() else {
                continue;
            };
            target.is_left.set(true);
            left.set(left.get().saturating_add(1));
            let (this, left) = (Rc::clone(self), Rc::clone(&left));
            spawn(async move {
                if initiator.logout().await.is_ok() {
                    this.tell(&IopEvent::LoggedOut {
                        target_name: target.name().to_owned(),
                    });
                }
                left.set(left.get().saturating_sub(1));
                this.changes.tell();
            });
        }
        let done = self.changes.until(|| (left.get() == 0).then_some(()));
        // The session ends by its own timer when the logout is not answered; a target that takes no bytes keeps it longer.
        let _ = within(self.settings.re_ipl.timeout.saturating_mul(2), done).await;
    }

    /// Ends the jobs and the sessions: jobs have their time, then are cut off.
    pub(super) async fn wind_up(self: &Rc<Self>) {
        self.jobs.close();
        if !self.jobs.wait_for_end(self.settings.lock_timeout).await {
            self.jobs.cut(None);
            // Their commands are aborted before the sessions end.
            self.jobs.wait_for_end(self.settings.re_ipl.timeout).await;
        }
        self.log_out().await;
        // The state directory may be writable again.
        if self.is_unrecorded.get() {
            self.record().await;
        }
    }
}

/// Returns how many targets are connected.
pub(super) fn connected(active: &ActiveConfiguration) -> usize {
    let targets = active.targets.iter();
    targets
        .filter(|target| target.report.status == TargetStatus::Connected)
        .count()
}
