//! Tells on stderr how a re-IPL goes.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::rc::Rc;

use super::terminal::{Notes, Terminal};
use super::trace::Tracer;
use super::waiting::Waiting;
use crate::cli::HostOptions;
use crate::iop::config::Target;
use crate::iop::job::JobObserver;
use crate::transport::{Observer, Step};

/// Tells on stderr how attaching the targets goes.
pub(super) struct Narrator {
    terminal: Terminal,
    notes: Notes,
    /// Whether each target gets a line when it is done.
    progress: bool,
    /// Whether what is waited for is told meanwhile: steps that are told say it.
    waits: bool,
    tracer: Tracer,
}

impl Narrator {
    pub(super) fn new(host: &HostOptions, terminal: &Terminal) -> Self {
        Self {
            notes: terminal.notes(),
            progress: terminal.interactive && !terminal.quiet,
            waits: terminal.interactive && !terminal.quiet && host.verbose == 0,
            terminal: terminal.clone(),
            tracer: Tracer::new(host, terminal),
        }
    }

    pub(super) fn observe(self, targets: &[&Target]) -> Rc<Observer> {
        let names: Vec<String> = targets
            .iter()
            .map(|target| target.identity.target_name.to_string())
            .collect();
        let waiting = self
            .waits
            .then(|| Waiting::start(&names, &self.terminal))
            .flatten();
        let logged_in = RefCell::new(HashSet::new());
        let finished = Cell::new(0);
        Rc::new(move |index, step| {
            let name = names.get(index).map_or("", String::as_str);
            self.trace(name, &step);
            if let (Some(waiting), Some(phase)) = (&waiting, words(&step)) {
                waiting.entered(index, &phase);
            }
            match step {
                Step::LoggedIn => {
                    logged_in.borrow_mut().insert(index);
                }
                Step::Finished => {
                    finished.set(finished.get() + 1);
                    if let Some(waiting) = &waiting {
                        waiting.finished(index);
                    }
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
            self.trace(name, &step);
        })
    }

    fn trace(&self, target_name: &str, step: &Step<'_>) {
        match step {
            Step::Pdu(passing) => self.tracer.pdu(target_name, target_name, passing),
            step => {
                if let Some(words) = words(step) {
                    self.tracer.step(target_name, &words);
                }
            }
        }
    }
}

/// Returns what is done now; none for a step that nothing is waited for in.
fn words(step: &Step<'_>) -> Option<String> {
    Some(match step {
        Step::Pdu(_) | Step::Departed(_) | Step::Finished => return None,
        Step::Resolving => "resolving the host name".to_owned(),
        Step::Connecting(portal) => format!("connecting to {portal}"),
        Step::LoggingIn => "connected, logging in".to_owned(),
        Step::Redirected { host, port } => format!("redirected to {host} port {port}"),
        Step::LoggedIn => "logged in, asking for its devices".to_owned(),
        Step::WindowClosed(since) => {
            format!("the target has taken no command for {} s", since.as_secs())
        }
        Step::LoggedOut => "logged out".to_owned(),
    })
}
