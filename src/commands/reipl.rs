//! -reipliscsiop: runs the re-IPL, tells how it goes, prints what came of it.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::rc::Rc;

use super::document::ActiveDocument;
use super::terminal::{Notes, Terminal};
use super::{NOT_ALL_CONNECTED, descriptors, dump, open_store, text};
use crate::cli::HostOptions;
use crate::cli::host::DEFAULT_CHAP_ALGORITHMS;
use crate::error::CommandError;
use crate::iop::active::TargetStatus;
use crate::iop::config::Target;
use crate::iop::ipl::{self, Settings};
use crate::iscsi::chap::ChapAlgorithm;
use crate::iscsi::describe::describe;
use crate::transport::{Observer, Step};
use crate::values::characters::escape;

/// `-reipliscsiop`; returns the exit status.
pub(super) fn run(host: &HostOptions, terminal: &mut Terminal) -> Result<u8, CommandError> {
    let settings = Settings {
        timeout: host.timeout,
        chap_algorithms: chap_algorithms(host)?,
    };
    descriptors::require(descriptors::RE_IPL)?;
    let store = open_store(host)?;
    let narrator = Narrator {
        notes: terminal.notes(),
        progress: terminal.interactive && !terminal.quiet,
        verbosity: host.verbose,
    };
    let outcome = ipl::run(&store, &settings, |targets| narrator.observe(targets))?;
    for (target, remark) in &outcome.remarks {
        terminal.warn(&format!("{target}: {remark}"));
    }

    let active = &outcome.active;
    let configuration = store.revealed_configuration()?;
    let changed = active.differs_from(&configuration);
    dump::warn_of_missing_secrets(&configuration, terminal);
    let document = ActiveDocument::new(active, outcome.generated_name.as_ref(), changed);
    dump::print(terminal, &document, text::targets)?;
    let all_connected = active
        .targets
        .iter()
        .all(|target| target.report.status == TargetStatus::Connected);
    Ok(if all_connected { 0 } else { NOT_ALL_CONNECTED })
}

/// Returns the CHAP algorithms to offer, in their order.
pub(super) fn chap_algorithms(host: &HostOptions) -> Result<Vec<ChapAlgorithm>, CommandError> {
    let list = host
        .chap_algorithms
        .as_deref()
        .unwrap_or(DEFAULT_CHAP_ALGORITHMS);
    let algorithms: Result<Vec<ChapAlgorithm>, _> =
        list.split(',').map(|word| word.trim().parse()).collect();
    algorithms.map_err(|error| {
        CommandError::usage(
            format!(
                "invalid value '{}' for '--chap-algorithms <LIST>': {error}",
                escape(list)
            ),
            vec!["give them in the order of preference, such as 7,5 or SHA-256,MD5".to_owned()],
        )
    })
}

/// Tells on stderr how the talk with the targets goes.
struct Narrator {
    notes: Notes,
    /// Whether each target gets a line when it is done.
    progress: bool,
    verbosity: u8,
}

impl Narrator {
    fn observe(self, targets: &[&Target]) -> Rc<Observer> {
        let names: Vec<String> = targets
            .iter()
            .map(|target| target.identity.target_name.to_string())
            .collect();
        let logged_in = RefCell::new(HashSet::new());
        let finished = Cell::new(0);
        Rc::new(move |index, step| {
            let name = names.get(index).map_or("", String::as_str);
            if let Some(words) = self.words(&step) {
                self.notes.line(&format!("{name}: {words}"));
            }
            match step {
                Step::LoggedIn => {
                    logged_in.borrow_mut().insert(index);
                }
                Step::Finished => {
                    finished.set(finished.get() + 1);
                    if self.progress {
                        let outcome = if logged_in.borrow().contains(&index) {
                            "logged in"
                        } else {
                            "no login"
                        };
                        self.notes.line(&format!(
                            "{name}: {outcome} ({} of {})",
                            finished.get(),
                            names.len()
                        ));
                    }
                }
                _ => {}
            }
        })
    }

    fn words(&self, step: &Step<'_>) -> Option<String> {
        match step {
            Step::Sent(pdu) if self.verbosity >= 2 => Some(format!("-> {}", describe(pdu))),
            Step::Received(pdu) if self.verbosity >= 2 => Some(format!("<- {}", describe(pdu))),
            Step::Sent(_) | Step::Received(_) | Step::Departed(_) | Step::Finished => None,
            _ if self.verbosity == 0 => None,
            Step::Resolving => Some("resolving the host name".to_owned()),
            Step::Connecting(portal) => Some(format!("connecting to {portal}")),
            Step::LoggingIn => Some("connected, logging in".to_owned()),
            Step::Redirected { host, port } => Some(format!("redirected to {host} port {port}")),
            Step::LoggedIn => Some("logged in, asking for its devices".to_owned()),
            Step::LoggedOut => Some("logged out".to_owned()),
        }
    }
}
