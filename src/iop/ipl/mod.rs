//! The re-IPL of the IOP: ends what is, connects to every configured target at once, finds and names the devices, and
//! records what came of it. One function, so that each front end only translates.
#![allow(clippy::disallowed_methods, reason = "a re-IPL notes when it ran")]

mod failure;
pub(in crate::iop) mod inquiry;
mod report;

pub(in crate::iop) use failure::{detail, of_attach as failure_of, of_enumeration, of_resolve};
pub use report::chap_report;
pub(in crate::iop) use report::{
    blank_report, describe, is_not_authenticated, problems, report_of, session_report,
};

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::iop::active::Failure;
use crate::iop::cause::Cause;
use crate::iop::config::{Configuration, Target};
use crate::iop::store::{ActiveConfiguration, ReIpl, StateError, Store};
use crate::iop::warning::Warning;
use crate::iscsi::chap::{ChapAlgorithm, ChapCredentials};
use crate::iscsi::departure::Departures;
use crate::iscsi::ids::{Cid, CmdSn, Isid};
use crate::iscsi::login::{LoginChap, LoginParameters};
use crate::iscsi::name::IscsiName;
use crate::iscsi::operational::{OperationalOffer, SessionType};
use crate::transport::initiator::Initiator;
use crate::transport::{self, AttachError, Attached, Attachment, Deadlines, Observer};
use inquiry::EnumerationInquiry;

/// Settings of the sessions of a re-IPL.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The longest that one phase may take; a target is given up as a whole after four times that.
    pub timeout: Duration,
    /// The CHAP algorithms to offer, in the order of preference.
    pub chap_algorithms: Vec<ChapAlgorithm>,
}

/// What a re-IPL did.
#[derive(Debug)]
pub struct ReIplOutcome {
    /// The active configuration that it recorded.
    pub active: ActiveConfiguration,
    /// The system generated initiator name; none on a partition without a UUID.
    pub generated_name: Option<IscsiName>,
    /// What is to be said beside the reports.
    pub warnings: Vec<Warning>,
}

/// Why there was no re-IPL. A target that fails is no such reason.
#[derive(Debug, Error)]
pub enum ReIplError {
    /// The state could not be locked, read or written.
    #[error(transparent)]
    State(#[from] StateError),
    /// The system has no resources for sessions with the targets.
    #[error("cannot set up the network input and output")]
    Network(#[source] io::Error),
}

/// Runs a re-IPL. `observer` is told each step, with the number of the configured target, and what it is called.
///
/// # Errors
/// [`ReIplError`]; the active configuration is the old one then.
pub fn run(
    store: &Store,
    settings: &Settings,
    observe: impl FnOnce(&[&Target]) -> Rc<Observer>,
) -> Result<ReIplOutcome, ReIplError> {
    let begun = BegunReIpl::begin(store)?;
    // A job that has its session is never ended by a re-IPL.
    let _jobs = store.lock_all_targets()?;
    let targets: Vec<&Target> = begun.configuration.targets.iter().collect();
    let plan = AttachPlan {
        store,
        generated: begun.generated.as_ref(),
        settings,
        hold: None,
    };
    let attempts = Attempts::new(targets, plan);
    // With nothing to attach, neither the observer nor a runtime is set up.
    let outcomes = match attempts.attachments.is_empty() {
        true => attempts.without_network(),
        false => {
            let observer = observe(&attempts.tried());
            transport::block_on(attempts.attach(observer)).map_err(ReIplError::Network)?
        }
    };
    Ok(begun.finish(outcomes)?.outcome)
}

/// A re-IPL that has its lock and has read what is configured.
pub(in crate::iop) struct BegunReIpl {
    re_ipl: ReIpl,
    /// The system generated initiator name.
    pub(in crate::iop) generated: Option<IscsiName>,
    /// What is configured.
    pub(in crate::iop) configuration: Configuration,
    ipl_time: String,
}

/// A re-IPL that is done.
pub(in crate::iop) struct FinishedReIpl {
    /// What it did.
    pub(in crate::iop) outcome: ReIplOutcome,
    /// The targets, in the order of the reports, each with its session where it is held.
    pub(in crate::iop) held: Vec<(Target, Option<Initiator>)>,
}

impl BegunReIpl {
    /// Takes the lock of the re-IPL, and reads what is configured.
    ///
    /// # Errors
    /// [`StateError`].
    pub(in crate::iop) fn begin(store: &Store) -> Result<Self, StateError> {
        let generated = store.generated_name()?;
        Self::with(store, generated, store.begin_re_ipl()?)
    }

    /// As [`BegunReIpl::begin`], in a state directory that is there.
    ///
    /// # Errors
    /// [`StateError`].
    pub(in crate::iop) fn begin_existing(store: &Store) -> Result<Self, StateError> {
        let re_ipl = store.begin_existing_re_ipl()?;
        Self::with(store, store.generated_name()?, re_ipl)
    }

    fn with(
        store: &Store,
        generated: Option<IscsiName>,
        re_ipl: ReIpl,
    ) -> Result<Self, StateError> {
        Ok(Self {
            re_ipl,
            generated,
            configuration: store.revealed_configuration()?,
            ipl_time: rfc_3339(SystemTime::now()),
        })
    }

    /// Records what runs until this re-IPL, which shows that what it comes to can be recorded too.
    ///
    /// # Errors
    /// [`StateError`].
    pub(in crate::iop) fn record(&self, active: &ActiveConfiguration) -> Result<(), StateError> {
        self.re_ipl.record(active, &self.re_ipl.device_names)
    }

    /// Names the devices, and records what became of the targets, in their configured order.
    ///
    /// # Errors
    /// [`StateError`].
    pub(in crate::iop) fn finish(
        self,
        outcomes: Vec<TargetOutcome>,
    ) -> Result<FinishedReIpl, StateError> {
        let targets: Vec<&Target> = self.configuration.targets.iter().collect();
        let mut device_names = self.re_ipl.device_names.clone();
        let (reports, sessions) = report::report(
            &targets,
            outcomes,
            self.generated.as_ref(),
            &mut device_names,
        );
        let active = ActiveConfiguration {
            ipl_time: Some(self.ipl_time),
            ipl_count: self.re_ipl.active.ipl_count.saturating_add(1),
            targets: reports,
        };
        // Both records are replaced before anything is printed: a reader of the report finds what it names.
        device_names.note_seen(&devices_of(&active), active.ipl_count);
        self.re_ipl.record(&active, &device_names)?;
        let mut warnings = Vec::new();
        if !self.configuration.staged.is_empty() {
            warnings.push(Warning::StagedNotCommitted {
                target_name: self.configuration.staged.target_name().map(str::to_owned),
            });
        }
        warnings.extend(other_generated_name(&self.re_ipl.active, &active));
        for target in active.targets.iter().map(|target| &target.report) {
            warnings.extend(
                target
                    .problems
                    .iter()
                    .map(|problem| Warning::TargetProblem {
                        target_name: target.target_name.clone(),
                        problem: problem.clone(),
                    }),
            );
        }
        Ok(FinishedReIpl {
            outcome: ReIplOutcome {
                active,
                generated_name: self.generated,
                warnings,
            },
            held: self
                .configuration
                .targets
                .into_iter()
                .zip(sessions)
                .collect(),
        })
    }
}

/// How targets are attached.
#[derive(Clone, Copy)]
pub(in crate::iop) struct AttachPlan<'a> {
    /// The records of the partition.
    pub(in crate::iop) store: &'a Store,
    /// The system generated initiator name.
    pub(in crate::iop) generated: Option<&'a IscsiName>,
    /// Settings of the sessions.
    pub(in crate::iop) settings: &'a Settings,
    /// How long a session that is held may be silent before its target is pinged; `None` where sessions are logged out.
    pub(in crate::iop) hold: Option<Duration>,
}

impl AttachPlan<'_> {
    fn deadlines(&self) -> Deadlines {
        Deadlines {
            ping_interval: self.hold,
            ..Deadlines::of_phase(self.settings.timeout)
        }
    }

    fn attachment(&self, target: &Target) -> Result<Attachment<EnumerationInquiry>, Failure> {
        let identity = &target.identity;
        let algorithms = &self.settings.chap_algorithms;
        Ok(Attachment {
            host: identity.target_host_name.as_str().to_owned(),
            port: identity.target_port.number(),
            login: login_parameters(target, self.store, self.generated, algorithms)?,
            inquiry: EnumerationInquiry::new(self.settings.timeout),
            keep: self.hold.is_some(),
            not_before: None,
        })
    }
}

/// What became of a target: why it was not tried, or what came of trying, and where it departed from the standard.
pub(in crate::iop) struct TargetOutcome {
    attached: Result<AttachOutcome, Failure>,
    departures: Departures,
}

/// Targets that are about to be attached.
pub(in crate::iop) struct Attempts<'a> {
    plan: AttachPlan<'a>,
    targets: Vec<&'a Target>,
    /// For each target why it is not tried; none when it is.
    refused: Vec<Option<Failure>>,
    /// Those that are tried.
    attachments: Vec<Attachment<EnumerationInquiry>>,
}

impl<'a> Attempts<'a> {
    /// Finds out which of the targets can be tried.
    pub(in crate::iop) fn new(targets: Vec<&'a Target>, plan: AttachPlan<'a>) -> Self {
        let mut attachments = Vec::with_capacity(targets.len());
        let refused = targets
            .iter()
            .map(|target| match plan.attachment(target) {
                Ok(attachment) => {
                    attachments.push(attachment);
                    None
                }
                Err(failure) => Some(failure),
            })
            .collect();
        Self {
            plan,
            targets,
            refused,
            attachments,
        }
    }

    /// Returns the targets that are tried: the observer's numbers are those of their order.
    pub(in crate::iop) fn tried(&self) -> Vec<&'a Target> {
        self.targets
            .iter()
            .zip(&self.refused)
            .filter(|(_, refused)| refused.is_none())
            .map(|(target, _)| *target)
            .collect()
    }

    /// Returns what became of targets of which none can be tried.
    fn without_network(self) -> Vec<TargetOutcome> {
        outcomes(self.refused, Vec::new(), Vec::new())
    }

    /// Attaches the targets, all at once, and asks again where that may help.
    pub(in crate::iop) async fn attach(self, observer: Rc<Observer>) -> Vec<TargetOutcome> {
        let tried = self.tried();
        let departures: Rc<RefCell<Vec<Departures>>> =
            Rc::new(RefCell::new(vec![Departures::default(); tried.len()]));
        let observer = note_departures(observer, Rc::clone(&departures));
        let deadlines = self.plan.deadlines();
        let mut attached =
            transport::attach_each(self.attachments, deadlines, Rc::clone(&observer)).await;
        let login = |index: usize| self.plan.attachment(tried.get(index)?).ok();
        ask_again(&mut attached, login, deadlines, observer).await;
        outcomes(self.refused, attached, departures.take())
    }
}

/// Puts the outcomes of the targets that were tried among the refusals of the others.
fn outcomes(
    refused: Vec<Option<Failure>>,
    attached: Vec<AttachOutcome>,
    departures: Vec<Departures>,
) -> Vec<TargetOutcome> {
    let mut attached = attached.into_iter().zip(departures);
    refused
        .into_iter()
        .filter_map(|refused| match refused {
            Some(failure) => Some(TargetOutcome {
                attached: Err(failure),
                departures: Departures::default(),
            }),
            None => attached.next().map(|(attached, departures)| TargetOutcome {
                attached: Ok(attached),
                departures,
            }),
        })
        .collect()
}

/// Returns an observer that also keeps the departures of each target from the standard, of its login and of its session.
fn note_departures(
    observer: Rc<Observer>,
    departures: Rc<RefCell<Vec<Departures>>>,
) -> Rc<Observer> {
    Rc::new(move |index, step| {
        if let transport::Step::Departed(departure) = &step
            && let Some(of_target) = departures.borrow_mut().get_mut(index)
        {
            of_target.note((*departure).clone());
        }
        observer(index, step);
    })
}

/// Logs in once more to the targets whose session ended at a question that they can be described without, and asks what
/// is left, Time2Wait after the end of the first session. The session with a target is over after the same time as
/// without that.
async fn ask_again(
    attached: &mut [AttachOutcome],
    login: impl Fn(usize) -> Option<Attachment<EnumerationInquiry>>,
    deadlines: Deadlines,
    observer: Rc<Observer>,
) {
    let mut whole = deadlines.whole;
    let mut indexes = Vec::new();
    let mut attachments = Vec::new();
    for (index, outcome) in attached.iter_mut().enumerate() {
        let Ok(Attached {
            inquiry,
            interrupted: Some(error),
            reconnect,
            ..
        }) = outcome
        else {
            continue;
        };
        let elapsed = inquiry.elapsed(error, deadlines.phase);
        let left = deadlines.whole.saturating_sub(elapsed);
        // With less than one phase left the second session could only end by its deadline.
        if left < deadlines.phase || !inquiry.resume(error, elapsed) {
            continue;
        }
        if let Some(mut attachment) = login(index) {
            // The enumeration goes on in the second session with the answers that it has.
            std::mem::swap(&mut attachment.inquiry, inquiry);
            attachment.not_before = Some(*reconnect);
            attachments.push(attachment);
            indexes.push(index);
            whole = whole.min(left);
        }
    }
    if attachments.is_empty() {
        return;
    }
    let of_configured = indexes.clone();
    let observer: Rc<Observer> = Rc::new(move |index, step| {
        // The observer was told once already that the target is finished.
        let is_told = !matches!(step, transport::Step::Finished);
        if let Some(index) = of_configured.get(index).filter(|_| is_told) {
            observer(*index, step);
        }
    });
    let deadlines = Deadlines { whole, ..deadlines };
    let again = transport::attach_each(attachments, deadlines, observer).await;
    for (index, outcome) in indexes.into_iter().zip(again) {
        // Where there is no second session, why the first ended is what counts.
        if let (Ok(mut second), Some(first)) = (outcome, attached.get_mut(index)) {
            let before = first.as_ref().map_or(Duration::ZERO, |first| first.asked);
            second.asked = second.asked.saturating_add(before);
            *first = Ok(second);
        }
    }
}

/// Returns the warning that targets log in under another generated name than at the last re-IPL.
fn other_generated_name(
    before: &ActiveConfiguration,
    now: &ActiveConfiguration,
) -> Option<Warning> {
    let name = |active: &ActiveConfiguration| {
        let mut generated = active.targets.iter().filter(|target| target.generated);
        generated
            .next()
            .map(|target| target.report.initiator_name.clone())
    };
    let (before, now) = (name(before)?, name(now)?);
    (!before.eq_ignore_ascii_case(&now)).then_some(Warning::GeneratedNameChanged { before, now })
}

/// Returns the names of the devices that a re-IPL has seen.
fn devices_of(active: &ActiveConfiguration) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    for report in active.targets.iter().map(|target| &target.report) {
        for library in &report.libraries {
            names.insert(library.device.as_str());
            names.extend(library.drives.iter().map(|drive| drive.device.as_str()));
        }
        names.extend(report.drives.iter().map(|drive| drive.device.as_str()));
    }
    names
}

/// Returns who logs in to a target, and how: the same for a re-IPL and for a job, so that a target sees one initiator port.
///
/// # Errors
/// When there is no initiator name, or no secret.
pub fn login_parameters(
    target: &Target,
    store: &Store,
    generated: Option<&IscsiName>,
    chap_algorithms: &[ChapAlgorithm],
) -> Result<LoginParameters, Failure> {
    let identity = &target.identity;
    let Some(initiator_name) = identity.initiator_name.resolve(generated) else {
        return Err(failure::not_tried(Cause::NoInitiatorName));
    };
    let chap = match &target.chap {
        None => None,
        Some(chap) => Some(LoginChap {
            credentials: ChapCredentials {
                name: chap.name.as_str().to_owned(),
                secret: match chap.secret() {
                    Some(secret) => secret.reveal().as_bytes().to_vec().into(),
                    None => return Err(failure::not_tried(Cause::SecretNotHere)),
                },
            },
            algorithms: chap_algorithms.to_vec(),
            mutual: None,
        }),
    };
    Ok(LoginParameters {
        initiator_name: initiator_name.clone(),
        target_name: Some(identity.target_name.clone()),
        session_type: SessionType::Normal,
        isid: isid(store, target, initiator_name.as_str()),
        cid: Cid(0),
        cmd_sn: CmdSn(1),
        chap,
        offer: OperationalOffer::default(),
    })
}

/// Returns the same ISID whenever the same state directory logs in to the same target, so that the target reinstates a
/// session that a killed run left behind instead of keeping both (RFC 7143 section 6.3.5).
fn isid(store: &Store, target: &Target, initiator_name: &str) -> Isid {
    let directory = store.directory();
    let directory = directory
        .canonicalize()
        .unwrap_or_else(|_| directory.to_owned());
    let mut hash = Sha256::new();
    for part in [
        initiator_name,
        target.identity.target_name.as_str(),
        target.identity.target_host_name.as_str(),
        &target.identity.target_port.to_string(),
    ] {
        hash.update(part.to_ascii_lowercase());
        hash.update([0]);
    }
    hash.update(directory.as_os_str().as_encoded_bytes());
    let mut random = [0; 5];
    random
        .iter_mut()
        .zip(hash.finalize())
        .for_each(|(to, from)| *to = from);
    Isid::random(random)
}

/// What became of a target that was tried.
type AttachOutcome = Result<Attached<EnumerationInquiry>, AttachError>;

/// Returns a time in the form of RFC 3339, UTC, to the second.
#[must_use]
pub fn rfc_3339(time: SystemTime) -> String {
    // The form has four digits for the year; humantime has no text for a time outside of them.
    const LAST_SECOND: Duration = Duration::from_secs(253_402_300_799);

    let first = SystemTime::UNIX_EPOCH;
    let last = first.checked_add(LAST_SECOND).unwrap_or(first);
    humantime::format_rfc3339_seconds(time.clamp(first, last)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iscsi::departure::Departure;

    #[test]
    fn departures_are_noted_once_for_their_target() {
        let told = Rc::new(std::cell::Cell::new(0));
        let departures = Rc::new(RefCell::new(vec![Departures::default(); 2]));
        let count = Rc::clone(&told);
        let observer: Rc<Observer> = Rc::new(move |_, _| count.set(count.get() + 1));
        let observer = note_departures(observer, Rc::clone(&departures));
        let departure = Departure::ConstantStatSn;
        observer(1, transport::Step::Departed(&departure));
        observer(1, transport::Step::Departed(&departure));
        observer(0, transport::Step::LoggedIn);
        assert_eq!(told.get(), 3);
        let of_targets = departures.take();
        assert_eq!(of_targets[0], Departures::default());
        assert_eq!(of_targets[1].clone().into_vec(), [departure]);
    }

    #[test]
    fn times_are_told_as_rfc_3339_says() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_795_325_460, "2026-11-22T05:31:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(rfc_3339(time), text);
        }
        let beyond = [
            (
                SystemTime::UNIX_EPOCH.checked_sub(Duration::from_secs(1)),
                "1970-01-01T00:00:00Z",
            ),
            (
                SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(1 << 40)),
                "9999-12-31T23:59:59Z",
            ),
        ];
        for (time, text) in beyond {
            assert_eq!(rfc_3339(time.unwrap()), text);
        }
    }
}
