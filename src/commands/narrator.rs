//! Tells on stderr how a re-IPL goes.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::rc::Rc;

use super::terminal::{Notes, Terminal};
use crate::cli::HostOptions;
use crate::iop::config::Target;
use crate::iop::job::JobObserver;
use crate::iscsi::describe::describe;
use crate::transport::{Observer, Step};

/// Tells on stderr how attaching the targets goes.
pub(super) struct Narrator {
    notes: Notes,
    /// Whether each target gets a line when it is done.
    progress: bool,
    verbosity: u8,
}

impl Narrator {
    pub(super) fn new(host: &HostOptions, terminal: &Terminal) -> Self {
        Self {
            notes: terminal.notes(),
            progress: terminal.interactive && !terminal.quiet,
            verbosity: host.verbose,
        }
    }

    pub(super) fn observe(self, targets: &[&Target]) -> Rc<Observer> {
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

    /// Tells the steps of a job's sessions.
    pub(super) fn observe_job(self) -> Rc<JobObserver> {
        Rc::new(move |name, step| {
            if let Some(words) = self.words(&step) {
                self.notes.line(&format!("{name}: {words}"));
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
