//! Observes a target: looks its name up, connects to each address, logs in, and asks its devices. Everything here reads only.
//!
//! A target sees at most [`MAX_LOGINS`] logins, [`LOGIN_INTERVAL`] apart. The first is the configured one; the others try what a
//! refusal by it is likely due to. The devices are asked over the first login that is accepted. Where a resident IOP holds the session
//! with a target there is no login: a partition has one connection to a target.

mod ask;
mod held;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use thiserror::Error;

use super::finding::{CheckedTarget, Portal, PortalState};
use super::judge::judge;
use super::observation::{Observations, Trials};
use crate::iop::active::Failure;
use crate::iop::cause::{Authentication, Cause};
use crate::iop::config::Target;
use crate::iop::devices::names::DeviceNames;
use crate::iop::devices::problem::Problem;
use crate::iop::ipl::{self, blank_report, login_parameters, session_report};
use crate::iop::job::{JobError, JobObserver};
use crate::iop::resident::{self, ControlError};
use crate::iop::store::{StateError, Store};
use crate::iscsi::chap::ChapAlgorithm;
use crate::iscsi::departure::Departures;
use crate::iscsi::login::LoginParameters;
use crate::iscsi::pdu::Pdu;
use crate::storage::without_error_number;
use crate::transport::initiator::{Initiator, open};
use crate::transport::{self, AttachError, CompletedLogin, Deadlines, Probed, Step};

/// The most logins that a target sees.
pub const MAX_LOGINS: u32 = 4;
/// The time between two logins at a target.
pub const LOGIN_INTERVAL: Duration = Duration::from_secs(1);
/// How often the target is pinged; the shortest time counts.
const PINGS: u32 = 5;

/// Settings of a check.
#[derive(Clone, Debug)]
pub struct CheckSettings {
    /// The longest that one phase may take.
    pub timeout: Duration,
    /// The CHAP algorithms to offer, in the order of preference.
    pub chap_algorithms: Vec<ChapAlgorithm>,
    /// Whether the TapeAlert flags are read, which clears them.
    pub tape_alert: bool,
}

/// Why nothing was checked. A target that fails is a finding.
#[derive(Debug, Error)]
pub enum CheckError {
    /// The state could not be locked or read.
    #[error(transparent)]
    State(#[from] StateError),
    /// The resident IOP does not answer, or a job uses a device.
    #[error(transparent)]
    Job(#[from] JobError),
    /// The system has no resources for sessions.
    #[error("cannot open a session")]
    Network(#[source] io::Error),
}

impl From<ControlError> for CheckError {
    fn from(error: ControlError) -> Self {
        Self::Job(error.into())
    }
}

/// Checks configured targets: all at once, under their locks, and behind them, one after the other, those whose sessions the
/// resident IOP holds, by way of it. It changes nothing but lock files.
///
/// # Errors
/// [`CheckError`].
pub fn check(
    store: &Store,
    targets: &[&Target],
    settings: &CheckSettings,
    observer: Rc<JobObserver>,
) -> Result<Vec<CheckedTarget>, CheckError> {
    let generated = store.generated_name()?;
    let names = store.device_names()?;
    let handle = resident::connect(store, settings.timeout)?;
    let mut held = match &handle {
        None => BTreeMap::new(),
        Some(handle) => held::sessions(handle, targets)?,
    };
    let of_targets = targets
        .iter()
        .filter(|target| !held.contains_key(&target.revision))
        .map(|target| target.identity.target_name.as_str());
    let _locks = match handle {
        None => store.lock_targets(of_targets, "check")?,
        Some(_) => store.lock_targets_beside_resident(of_targets, "check")?,
    };
    let (mut by_login, mut by_resident) = (Vec::new(), Vec::new());
    for (place, target) in targets.iter().enumerate() {
        let report = blank_report(target, generated.as_ref());
        let login = login_parameters(target, store, generated.as_ref(), &settings.chap_algorithms);
        let observed = Observed {
            host: target.identity.target_host_name.to_string(),
            address: target.identity.target_host_name.address(),
            port: target.identity.target_port.number(),
            observations: Observations {
                secret_length: target
                    .chap
                    .as_ref()
                    .and_then(|chap| chap.secret())
                    .map(|secret| secret.reveal().chars().count()),
                report,
                resolved: None,
                portals: Vec::new(),
                segment: None,
                trials: Trials::default(),
                round_trip: None,
                window: None,
                enumerated: false,
                libraries: Vec::new(),
                drives: Vec::new(),
            },
            login,
            settings: settings.clone(),
            names: names.clone(),
            observer: Rc::clone(&observer),
            departures: Rc::default(),
            window: Rc::default(),
            logins: 0,
        };
        match held.remove(&target.revision) {
            None => by_login.push((place, observed)),
            Some(held) => by_resident.push((place, observed, held)),
        }
    }
    let observed = transport::block_on(async {
        let mut all = observe_by_login(by_login).await;
        for (place, observed, held) in by_resident {
            all.insert(place, observed.observe_held(held, store).await?);
        }
        Ok::<_, JobError>(all)
    });
    let observed = observed.map_err(CheckError::Network)??;
    Ok(observed.into_values().map(judge).collect())
}

/// Observes targets in sessions of this process, all at once, by their places among the targets.
async fn observe_by_login(targets: Vec<(usize, Observed)>) -> BTreeMap<usize, Observations> {
    let blanks: Vec<_> = targets
        .iter()
        .map(|(place, observed)| (*place, observed.observations.clone()))
        .collect();
    let observed = targets.into_iter().map(|(_, observed)| observed.observe());
    let observed = transport::join_all(observed).await;
    observed
        .into_iter()
        .zip(blanks)
        .map(|(observed, (place, blank))| (place, observed.unwrap_or_else(|| after_a_panic(blank))))
        .collect()
}

/// Returns what is known of a target whose check met a defect of this program.
fn after_a_panic(mut blank: Observations) -> Observations {
    blank.report.failure = Some(ipl::failure_of(&AttachError::Defect, &blank.report));
    blank
}

/// A target as it is observed.
struct Observed {
    host: String,
    /// The host, where it is configured by its address.
    address: Option<IpAddr>,
    port: u16,
    login: Result<LoginParameters, Failure>,
    settings: CheckSettings,
    names: DeviceNames,
    observer: Rc<JobObserver>,
    observations: Observations,
    departures: Rc<RefCell<Departures>>,
    /// The widest command window that the target has told.
    window: Rc<Cell<u32>>,
    logins: u32,
}

impl Observed {
    async fn observe(mut self) -> Observations {
        self.look_up().await;
        if let Some(parameters) = self.look_and_log_in().await {
            self.observations.round_trip = round_trip(&parameters).await;
            self.ask_devices(&parameters).await;
            // The target sees the connection close in any case.
            let _ = parameters.logout().await;
        }
        let departures = std::mem::take(&mut *self.departures.borrow_mut());
        let report = &mut self.observations.report;
        report.problems.extend(ipl::problems(departures));
        if ipl::is_not_authenticated(report) {
            report.problems.insert(0, Problem::NotAuthenticated);
        }
        self.observations.window = Some(self.window.get()).filter(|window| *window > 0);
        self.observations
    }

    /// Looks the host name up, and connects to each of its addresses.
    async fn look_up(&mut self) {
        let timeout = self.settings.timeout;
        let addresses = match self.address {
            Some(address) => vec![address],
            None => {
                let found = match transport::addresses(&self.host, timeout).await {
                    Ok(addresses) if addresses.is_empty() => Err(ipl::of_resolve(None, timeout)),
                    Ok(mut addresses) => {
                        let mut seen = Vec::new();
                        addresses.retain(|address| {
                            let is_new = !seen.contains(address);
                            seen.push(*address);
                            is_new
                        });
                        Ok(addresses)
                    }
                    Err(error) => Err(ipl::of_resolve(Some(&error), timeout)),
                };
                let addresses = found.clone().unwrap_or_default();
                self.observations.resolved = Some(found);
                addresses
            }
        };
        let portals: Vec<SocketAddr> = addresses
            .iter()
            .map(|address| SocketAddr::new(*address, self.port))
            .collect();
        let probes = portals
            .iter()
            .map(|portal| transport::probe(*portal, timeout));
        let probed = transport::join_all(probes).await;
        for (address, probed) in portals.into_iter().zip(probed) {
            let mut failed = |error: AttachError| {
                let report = &mut self.observations.report;
                report.failure = Some(ipl::failure_of(&error, report));
            };
            let state = match probed {
                Some(Probed::Open { segment }) => {
                    if self.observations.segment.is_none() {
                        self.observations.segment =
                            segment.map(|segment| (segment, address.is_ipv6()));
                    }
                    PortalState::Open
                }
                Some(Probed::Silent) => {
                    failed(AttachError::ConnectTimeout {
                        portal: address,
                        after: timeout,
                    });
                    PortalState::Filtered
                }
                Some(Probed::Failed(source)) => {
                    let state = match source.kind() {
                        io::ErrorKind::ConnectionRefused => PortalState::Refused,
                        io::ErrorKind::TimedOut => PortalState::Filtered,
                        _ => PortalState::Unreachable {
                            detail: without_error_number(&source.to_string()).to_owned(),
                        },
                    };
                    failed(AttachError::Connect {
                        portal: address,
                        source,
                    });
                    state
                }
                None => PortalState::Unreachable {
                    detail: "this program failed".to_owned(),
                },
            };
            self.observations.portals.push(Portal { address, state });
        }
    }

    /// Logs in as it is configured, and where that is refused, as it is likely to be accepted.
    async fn look_and_log_in(&mut self) -> Option<Initiator> {
        let parameters = match self.login.clone() {
            Ok(parameters) => parameters,
            Err(failure) => {
                self.observations.report.failure = Some(failure);
                return None;
            }
        };
        if let Some(Err(failure)) = &self.observations.resolved {
            self.observations.report.failure = Some(failure.clone());
            return None;
        }
        let portals = &self.observations.portals;
        if portals
            .iter()
            .all(|portal| portal.state != PortalState::Open)
        {
            // Why the last address is not open is the failure; another attempt would only wait once more.
            return None;
        }
        self.observations.report.failure = None;
        match self.log_in(&parameters).await {
            Ok(initiator) => Some(initiator),
            Err(failure) => {
                let cause = failure.cause.clone();
                self.observations.report.failure = Some(failure);
                self.try_others(&parameters, &cause).await
            }
        }
    }

    async fn try_others(
        &mut self,
        parameters: &LoginParameters,
        cause: &Cause,
    ) -> Option<Initiator> {
        match cause {
            Cause::LoginRefused {
                class: 2,
                detail: 1,
                authentication: Authentication::Answered,
            } => self.try_cases(parameters).await,
            Cause::ChapAlgorithmRefused { .. }
            | Cause::ChapAlgorithmNotOffered { .. }
            | Cause::LoginRefused {
                class: 2,
                authentication: Authentication::Offered,
                ..
            } => self.try_algorithms(parameters).await,
            _ => None,
        }
    }

    /// Tries the secret in lower case, the name in lower case, and both.
    async fn try_cases(&mut self, parameters: &LoginParameters) -> Option<Initiator> {
        let chap = parameters.chap.as_ref()?;
        let name = chap.credentials.name.to_ascii_lowercase();
        let secret = chap.credentials.secret.reveal().to_ascii_lowercase();
        let has_name_case = name != chap.credentials.name;
        let has_secret_case = secret != *chap.credentials.secret.reveal();
        for (other_name, other_secret) in [(false, true), (true, false), (true, true)] {
            if other_name && !has_name_case || other_secret && !has_secret_case {
                continue;
            }
            let mut other = parameters.clone();
            if let Some(chap) = &mut other.chap {
                if other_name {
                    chap.credentials.name.clone_from(&name);
                }
                if other_secret {
                    chap.credentials.secret = secret.clone().into();
                }
            }
            let outcome = self.log_in_again(&other).await?;
            let is_accepted = Some(outcome.is_ok());
            let trials = &mut self.observations.trials;
            match (other_name, other_secret) {
                (false, _) => trials.secret_case = is_accepted,
                (true, false) => trials.name_case = is_accepted,
                (true, true) => trials.both_cases = is_accepted,
            }
            if let Ok(initiator) = outcome {
                return Some(initiator);
            }
        }
        None
    }

    /// Offers every CHAP algorithm.
    async fn try_algorithms(&mut self, parameters: &LoginParameters) -> Option<Initiator> {
        let mut other = parameters.clone();
        other.chap.as_mut()?.algorithms = ChapAlgorithm::ALL.to_vec();
        let outcome = self.log_in_again(&other).await?;
        let session = self.observations.report.session.as_ref();
        let selected = session.and_then(|session| session.chap_algorithm.clone());
        self.observations.trials.algorithm = Some(selected.filter(|_| outcome.is_ok()));
        outcome.ok()
    }

    /// Logs in once more, as long as that is not once too often.
    async fn log_in_again(
        &mut self,
        parameters: &LoginParameters,
    ) -> Option<Result<Initiator, Failure>> {
        if self.logins >= MAX_LOGINS {
            return None;
        }
        transport::sleep(LOGIN_INTERVAL).await;
        Some(self.log_in(parameters).await)
    }

    async fn log_in(&mut self, parameters: &LoginParameters) -> Result<Initiator, Failure> {
        self.logins = self.logins.saturating_add(1);
        let observer = Rc::clone(&self.observer);
        let departures = Rc::clone(&self.departures);
        let window = Rc::clone(&self.window);
        let name = self.observations.report.target_name.clone();
        let observe = move |step: Step<'_>| {
            match &step {
                Step::Departed(departure) => departures.borrow_mut().note((*departure).clone()),
                Step::Pdu(passing) => {
                    if let Ok(pdu) = passing.pdu {
                        window.set(window.get().max(command_window(pdu)));
                    }
                }
                _ => {}
            }
            observer(&name, step);
        };
        let deadlines = Deadlines::of_phase(self.settings.timeout);
        let opened = open(&self.host, self.port, parameters, deadlines, observe)
            .await
            .map_err(|error| ipl::failure_of(&error, &self.observations.report))?;
        self.observations.report.session = Some(session(&opened.login));
        Ok(opened.spawn())
    }

    /// Asks the target for its devices as a re-IPL does, and each device for what IBM i wants of it.
    async fn ask_devices(&mut self, initiator: &Initiator) {
        let deadlines = Deadlines::of_phase(self.settings.timeout);
        let began = transport::now();
        let mut names = self.names.clone();
        let report = &mut self.observations.report;
        let asked = ask::devices(initiator, report, &mut names, deadlines).await;
        if let Some(session) = &mut report.session {
            session.timings.enumerate = Some(began.elapsed());
        }
        match asked {
            Ok(units) => {
                self.observations.enumerated = true;
                let (libraries, drives) =
                    ask::units(initiator, &units, report, &self.settings).await;
                self.observations.libraries = libraries;
                self.observations.drives = drives;
            }
            // Why the configured login failed says more than what came of a session by other values.
            Err(failure) => {
                report.failure.get_or_insert(failure);
            }
        }
    }
}

fn session(login: &CompletedLogin) -> crate::iop::active::SessionReport {
    session_report(login, Duration::ZERO)
}

/// Returns how many commands the target takes at a time, by a PDU of the full feature phase.
fn command_window(pdu: &Pdu) -> u32 {
    let (first, last) = match pdu {
        Pdu::NopIn(pdu) => (pdu.exp_cmd_sn, pdu.max_cmd_sn),
        Pdu::ScsiResponse(pdu) => (pdu.exp_cmd_sn, pdu.max_cmd_sn),
        _ => return 0,
    };
    let width = last.next().0.wrapping_sub(first.0);
    // A closed window is one below zero, in serial arithmetic (RFC 7143 4.2.2.1).
    if width < 1 << 31 { width } else { 0 }
}

/// Returns the shortest time from a ping to its answer.
async fn round_trip(initiator: &Initiator) -> Option<Duration> {
    let mut shortest: Option<Duration> = None;
    for _ in 0..PINGS {
        let sent = transport::now();
        if initiator.ping().await.is_err() {
            break;
        }
        let took = sent.elapsed();
        shortest = Some(shortest.map_or(took, |known| known.min(took)));
    }
    shortest
}
