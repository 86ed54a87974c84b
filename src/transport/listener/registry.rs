//! What all connections share: the backend, the sessions there are, and the rules for new ones.

use std::cell::{Cell, Ref, RefCell, RefMut};
use std::collections::BTreeMap;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;
use std::time::Instant;

use tokio::sync::Notify;
use tokio::time::{sleep, timeout_at};

use super::backend::Backend;
use super::fault::{LoginRefusal, TransportFaults};
use super::guesses::{Guesses, Telling};
use super::{ListenerSettings, LoginOutcome, MAX_DATA_SEGMENT_LENGTH, Notice, NoticeObserver};
use crate::iscsi::chap::ChapChallenge;
use crate::iscsi::ids::{LoginStatus, Lun, Tsih};
use crate::iscsi::login::TargetAddress;
use crate::iscsi::name::IscsiName;
use crate::iscsi::nexus::{InitiatorPort, NexusId};
use crate::iscsi::operational::SessionType;
use crate::iscsi::pdu::TaskManagementFunction;
use crate::iscsi::target::{
    Accepted, Candidate, Decision, ForcedOutcome, LiveSession, LoginFailure, LoginPolicy,
    TargetRecord, TargetSession, TargetSettings,
};

/// How many commands an initiator may have under way at a time: 16 MiB in blocks of 256 KiB, so that 10 ms on the way cost no
/// speed.
pub(super) const COMMAND_WINDOW: u32 = 64;

/// What a target answers that can take no more sessions (RFC 7143 11.13.5).
pub(super) const OUT_OF_RESOURCES: LoginStatus = LoginStatus::new(3, 2);

/// The only portal group.
const PORTAL_GROUP_TAG: u16 = 1;

/// The most discovery sessions at a time: they are short, and count for nothing in the limit that the user sets. Of more, the
/// one goes that has been silent longest.
const MAX_DISCOVERY_SESSIONS: usize = 64;

/// The most bytes that one command may bring.
const MAX_DATA_OUT: u32 = 16 << 20;

/// The most bytes that all commands of a session may bring at a time before no more is asked for: half a window of first
/// bursts.
const WRITE_BUFFER: u64 = MAX_DATA_SEGMENT_LENGTH as u64 * (COMMAND_WINDOW / 2) as u64;

/// The most Data-Out of all sessions that waits for the backend, in bytes, beside what one PDU of each brings.
const MAX_DATA_OUT_OUTSTANDING: u64 = 32 << 20;

/// The most data of all sessions for commands that are not complete, or whose CmdSN is not due, in bytes: half a window of
/// first bursts.
const MAX_INCOMPLETE_DATA: u64 = WRITE_BUFFER;

/// The most data of one session for commands whose CmdSN is not due, in bytes. On its one connection commands come in the
/// order of their numbers, so an initiator that needs more than this leaves one out.
const MAX_DATA_AHEAD: u64 = 6 << 20;

/// What all connections share.
pub(super) struct SessionRegistry {
    settings: ListenerSettings,
    /// What is left of the faults of the settings.
    faults: Rc<RefCell<TransportFaults>>,
    backend: Rc<dyn Backend>,
    sessions: RefCell<BTreeMap<NexusId, SessionEntry>>,
    next_nexus: Cell<u64>,
    last_tsih: Cell<u16>,
    observer: Rc<NoticeObserver>,
    guesses: RefCell<Guesses>,
    /// Data-Out of the commands that the backend has not answered, in bytes.
    data_out: Cell<u64>,
    /// Is told when a session is gone.
    left: Notify,
}

#[derive(Clone)]
struct SessionEntry {
    live: LiveSession,
    session: Rc<RefCell<TargetSession>>,
    /// Is told when another connection has acted on the session.
    wake: Rc<Notify>,
    /// The target has lost power, as a fault demands.
    lost_power: Rc<Cell<bool>>,
}

/// A session's place among the others; given up when it is dropped, and then the backend forgets the session.
pub(super) struct Membership {
    registry: Rc<SessionRegistry>,
    nexus: NexusId,
    entry: SessionEntry,
}

/// Data-Out that is counted until this is dropped.
pub(super) struct Reserved {
    registry: Rc<SessionRegistry>,
    length: u64,
}

impl Drop for Reserved {
    fn drop(&mut self) {
        let registry = &self.registry;
        let had_room = registry.takes_data_out();
        let left = registry.data_out.get().saturating_sub(self.length);
        registry.data_out.set(left);
        if !had_room && registry.takes_data_out() {
            // Those that were not listened to are now.
            for entry in registry.sessions.borrow().values() {
                entry.wake.notify_one();
            }
        }
    }
}

impl SessionRegistry {
    pub(super) fn new(
        settings: ListenerSettings,
        backend: Rc<dyn Backend>,
        observer: Rc<NoticeObserver>,
    ) -> Rc<Self> {
        Rc::new(Self {
            faults: Rc::new(RefCell::new(settings.faults.clone())),
            settings,
            backend,
            sessions: RefCell::default(),
            next_nexus: Cell::new(1),
            last_tsih: Cell::new(0),
            observer,
            guesses: RefCell::default(),
            data_out: Cell::default(),
            left: Notify::new(),
        })
    }

    pub(super) fn observe(&self, notice: Notice<'_>) {
        (self.observer)(notice);
    }

    pub(super) fn observer(&self) -> Rc<NoticeObserver> {
        Rc::clone(&self.observer)
    }

    /// Counts the Data-Out of a command that waits for its answer.
    pub(super) fn reserve(self: &Rc<Self>, length: u64) -> Reserved {
        self.data_out
            .set(self.data_out.get().saturating_add(length));
        Reserved {
            registry: Rc::clone(self),
            length,
        }
    }

    /// Returns the most that the answers to the commands of a session may bring together, in bytes.
    pub(super) const fn max_data_in(&self) -> u64 {
        self.settings.max_data_in
    }

    /// Returns whether there is room for more Data-Out. Where there is not, nothing is received until a command has been
    /// answered, which takes no more of it.
    pub(super) fn takes_data_out(&self) -> bool {
        self.data_out.get() < MAX_DATA_OUT_OUTSTANDING
    }

    /// Keeps the data within bounds that sessions hold for commands that are not complete, or whose CmdSN is not due: nothing
    /// but their initiators can bring an end to it. A session that holds too much ahead of its CmdSN is dropped, and of all
    /// together the one that holds most.
    pub(super) fn bound_incomplete_data(&self) {
        for entry in self.sessions.borrow().values() {
            let mut session = entry.session.borrow_mut();
            if session.data_ahead() > MAX_DATA_AHEAD {
                session.drop_connection(0);
                entry.wake.notify_one();
            }
        }
        loop {
            let sessions = self.sessions.borrow();
            let held = sessions.values().map(|entry| {
                let held = entry.session.borrow().incomplete_data();
                (held, entry)
            });
            let held: Vec<_> = held.filter(|(held, _)| *held > 0).collect();
            let total = held
                .iter()
                .fold(0u64, |sum, (held, _)| sum.saturating_add(*held));
            let most = held.into_iter().max_by_key(|(held, _)| *held);
            match most {
                Some((_, entry)) if total > MAX_INCOMPLETE_DATA => {
                    entry.session.borrow_mut().drop_connection(0);
                    entry.wake.notify_one();
                }
                _ => return,
            }
        }
    }

    /// Returns how long the proof of a login has to wait before it is looked at.
    pub(super) fn delay_of_proof(&self, address: IpAddr, name: &IscsiName) -> Duration {
        self.guesses.borrow_mut().delay(address, name, self.now())
    }

    /// Takes note of what came of a login that may have had a proof, and returns whether it is to be told.
    pub(super) fn note_proof(
        &self,
        address: IpAddr,
        candidate: Option<&Candidate>,
        outcome: &LoginOutcome,
    ) -> Telling {
        let Some(candidate) = candidate else {
            return Telling::Told;
        };
        let (name, mut guesses) = (&candidate.initiator_name, self.guesses.borrow_mut());
        match outcome {
            LoginOutcome::Refused {
                failure: LoginFailure::Chap(_),
                ..
            } => guesses.failed(address, name, self.now()),
            LoginOutcome::LoggedIn { chap: Some(_), .. } => {
                let counted = guesses.succeeded(address, name);
                drop(guesses);
                counted
                    .iter()
                    .for_each(|counted| self.observe(Notice::Counted(counted)));
                Telling::Told
            }
            _ => Telling::Told,
        }
    }

    /// Waits for something, and tells meanwhile what was counted in the bursts that are over.
    pub(super) async fn tell_counted_failures_until<T>(&self, event: impl Future<Output = T>) -> T {
        let mut event = pin!(event);
        loop {
            let end = self.guesses.borrow().next_end();
            let Some(end) = end else {
                return event.await;
            };
            match timeout_at(end.into(), event.as_mut()).await {
                Ok(come) => return come,
                Err(_) => self.tell_counted_failures(Some(self.now())),
            }
        }
    }

    /// Tells all that was counted.
    pub(super) fn tell_all_counted_failures(&self) {
        self.tell_counted_failures(None);
    }

    fn tell_counted_failures(&self, now: Option<Instant>) {
        let ended = self.guesses.borrow_mut().ended(now);
        for counted in &ended {
            self.observe(Notice::Counted(counted));
        }
    }

    /// Returns the time of the runtime, which a test can stop.
    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }

    /// Returns the faults of all connections.
    pub(super) fn faults(&self) -> Rc<RefCell<TransportFaults>> {
        Rc::clone(&self.faults)
    }

    /// Returns how much later the next answer to a SCSI command comes.
    pub(super) fn take_delay(&self) -> Option<Duration> {
        self.faults.borrow_mut().delay.as_mut()?.take()
    }

    pub(super) fn settings(&self) -> &ListenerSettings {
        &self.settings
    }

    pub(super) fn backend(&self) -> &dyn Backend {
        &*self.backend
    }

    /// Decides about a candidate who came to this address.
    pub(super) fn decide(
        &self,
        candidate: &Candidate,
        portal: SocketAddr,
        challenge: ChapChallenge,
    ) -> Decision {
        let live = self.live();
        let refusal = match &mut self.faults.borrow_mut().refuse_login {
            Some(refusal) => refusal.take(),
            None => None,
        };
        self.policy(portal, refusal)
            .decide(candidate, &live, self.free_tsih(), challenge)
    }

    /// Makes a session of a login that has succeeded, in place of one that it reinstates; returns whether there was one.
    /// Nothing when the last place has gone to another login meanwhile.
    pub(super) fn join(
        self: &Rc<Self>,
        accepted: &Accepted,
        portal: SocketAddr,
    ) -> Option<(Membership, bool)> {
        let candidate = &accepted.candidate;
        let live = self.live();
        let others = live
            .iter()
            .filter(|session| session.session_type == SessionType::Normal)
            .filter(|session| !candidate.reinstates(session))
            .count();
        match candidate.session_type {
            SessionType::Normal if others >= self.settings.max_sessions => return None,
            SessionType::Normal => {}
            SessionType::Discovery => self.make_room_for_discovery(),
        }
        let reinstated = self.end_reinstated(candidate);
        let mut settings = TargetSettings::new(
            accepted,
            self.policy(portal, None)
                .visible_targets(&accepted.candidate),
        );
        settings.max_data_out_length = MAX_DATA_OUT;
        settings.write_buffer = WRITE_BUFFER;
        settings.ping = self.settings.ping;
        let nexus = NexusId(self.next_nexus.get());
        self.next_nexus.set(nexus.0.saturating_add(1));
        let entry = SessionEntry {
            live: LiveSession {
                initiator_name: candidate.initiator_name.clone(),
                target_name: candidate.target_name.clone(),
                session_type: candidate.session_type,
                isid: candidate.isid,
                tsih: accepted.tsih,
            },
            session: Rc::new(RefCell::new(TargetSession::new(settings, Instant::now()))),
            wake: Rc::new(Notify::new()),
            lost_power: Rc::default(),
        };
        if candidate.session_type == SessionType::Normal {
            let port = InitiatorPort {
                name: candidate.initiator_name.clone(),
                isid: candidate.isid.0,
            };
            self.backend.nexus_added(nexus, port);
        }
        self.sessions.borrow_mut().insert(nexus, entry.clone());
        let membership = Membership {
            registry: Rc::clone(self),
            nexus,
            entry,
        };
        Some((membership, reinstated))
    }

    /// Does something to every session, all but one when it is named, and wakes its connection.
    pub(super) fn with_others(
        &self,
        except: Option<NexusId>,
        mut act: impl FnMut(&mut TargetSession),
    ) {
        for (nexus, entry) in &*self.sessions.borrow() {
            if Some(*nexus) != except {
                act(&mut entry.session.borrow_mut());
                entry.wake.notify_one();
            }
        }
    }

    /// Aborts the tasks of a logical unit, or all, in every session but one.
    pub(super) fn abort_tasks_of_others(&self, nexus: NexusId, lun: Option<Lun>) {
        self.with_others(Some(nexus), |session| {
            session.abort_tasks(lun);
        });
    }

    /// Waits until there is no session.
    pub(super) async fn wait_until_empty(&self) {
        while !self.sessions.borrow().is_empty() {
            self.left.notified().await;
        }
    }

    fn live(&self) -> Vec<LiveSession> {
        let sessions = self.sessions.borrow();
        sessions.values().map(|entry| entry.live.clone()).collect()
    }

    /// Ends the discovery session that has been silent longest when there are as many as there may be.
    fn make_room_for_discovery(&self) {
        let discoveries: Vec<(Instant, NexusId)> = self
            .sessions
            .borrow()
            .iter()
            .filter(|(_, entry)| entry.live.session_type == SessionType::Discovery)
            .map(|(nexus, entry)| (entry.session.borrow().last_heard(), *nexus))
            .collect();
        if discoveries.len() < MAX_DISCOVERY_SESSIONS {
            return;
        }
        let silent = discoveries.into_iter().min();
        if let Some(entry) = silent.and_then(|(_, nexus)| self.leave(nexus)) {
            entry.session.borrow_mut().end();
            entry.wake.notify_one();
        }
    }

    /// Ends what the candidate's login reinstates (RFC 7143 6.3.5).
    fn end_reinstated(&self, candidate: &Candidate) -> bool {
        let old: Vec<NexusId> = self
            .sessions
            .borrow()
            .iter()
            .filter(|(_, entry)| candidate.reinstates(&entry.live))
            .map(|(nexus, _)| *nexus)
            .collect();
        for nexus in &old {
            if let Some(entry) = self.leave(*nexus) {
                entry.session.borrow_mut().end();
                entry.wake.notify_one();
            }
        }
        !old.is_empty()
    }

    fn leave(&self, nexus: NexusId) -> Option<SessionEntry> {
        let entry = self.sessions.borrow_mut().remove(&nexus)?;
        if entry.live.session_type == SessionType::Normal {
            self.backend.nexus_lost(nexus);
        }
        self.left.notify_one();
        Some(entry)
    }

    /// Returns how long a login may take.
    pub(super) fn login_time(&self) -> Duration {
        self.settings.login_time
    }

    fn policy(&self, portal: SocketAddr, refusal: Option<LoginRefusal>) -> LoginPolicy {
        let settings = &self.settings;
        let address = TargetAddress {
            host: portal.ip().to_canonical().to_string(),
            port: portal.port(),
            portal_group_tag: Some(PORTAL_GROUP_TAG),
        };
        LoginPolicy {
            targets: vec![TargetRecord {
                name: settings.target_name.clone(),
                alias: settings.target_alias.clone(),
                addresses: vec![address],
            }],
            portal_group_tag: PORTAL_GROUP_TAG,
            allowed_initiators: settings.allowed_initiators.clone(),
            chap: settings.chap.clone(),
            own_chap: settings.own_chap.clone(),
            algorithms: settings.algorithms.clone(),
            max_sessions: settings.max_sessions,
            forced: refusal.map(|refusal| {
                ForcedOutcome::Refuse(LoginStatus::new(refusal.class, refusal.detail))
            }),
            offer: settings.offer.clone(),
        }
    }

    /// Returns a handle that no session has, and that no login was promised lately.
    fn free_tsih(&self) -> Tsih {
        let sessions = self.sessions.borrow();
        let mut tsih = self.last_tsih.get();
        // There are fewer sessions than handles, so one is found.
        for _ in 0..=u16::MAX {
            tsih = tsih.wrapping_add(1).max(1);
            if sessions.values().all(|entry| entry.live.tsih.0 != tsih) {
                break;
            }
        }
        self.last_tsih.set(tsih);
        Tsih(tsih)
    }
}

impl Membership {
    pub(super) fn registry(&self) -> &Rc<SessionRegistry> {
        &self.registry
    }

    pub(super) fn nexus(&self) -> NexusId {
        self.nexus
    }

    pub(super) fn target_name(&self) -> Option<&IscsiName> {
        self.entry.live.target_name.as_ref()
    }

    pub(super) fn initiator_name(&self) -> &IscsiName {
        &self.entry.live.initiator_name
    }

    pub(super) fn session(&self) -> Ref<'_, TargetSession> {
        self.entry.session.borrow()
    }

    pub(super) fn session_mut(&self) -> RefMut<'_, TargetSession> {
        self.entry.session.borrow_mut()
    }

    pub(super) fn wake(&self) -> &Notify {
        &self.entry.wake
    }

    /// Returns whether the session ended because the target lost power, as a fault demands.
    pub(super) fn has_lost_power(&self) -> bool {
        self.entry.lost_power.get()
    }

    /// Returns whether the session has not been reinstated by another.
    pub(super) fn is_current(&self) -> bool {
        self.registry.sessions.borrow().contains_key(&self.nexus)
    }
}

/// Has the target lose power as often as its faults demand.
pub(super) async fn power_cycles(registry: Rc<SessionRegistry>) {
    loop {
        let period = match &mut registry.faults.borrow_mut().power_cycle_every {
            Some(period) => period.take(),
            None => None,
        };
        let Some(period) = period else { return };
        sleep(period).await;
        for entry in registry.sessions.borrow().values() {
            entry.lost_power.set(true);
            entry.session.borrow_mut().end();
            entry.wake.notify_one();
        }
        // No session asks for it.
        let nobody = NexusId(0);
        let cold_reset = TaskManagementFunction::TARGET_COLD_RESET;
        let reset = registry.backend.manage(nobody, cold_reset, Lun::default());
        reset.await;
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.registry.leave(self.nexus);
    }
}
