//! `iop`: runs the resident IOP, shows what it says of itself, or has it stop.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::SystemTime;

use super::descriptors;
use super::host::{self, open_store};
use super::iop_event::IopLine;
use super::narrator::Narrator;
use super::service_manager::ServiceManager;
use super::terminal::{Lines, Terminal};
use crate::cli::{HostOptions, IopCommand};
use crate::error::{CommandError, ErrorKind};
use crate::iop::ipl::Settings;
use crate::iop::resident::{self, ControlHandle, IopEvent, ReIplReason, ResidentSettings};
use crate::render::iop::{IopStatusDocument, IopStoppedDocument, status, stopped};
use crate::render::words::Code;
use crate::render::words::event::connected_words;
use crate::storage::quoted;

/// `iop` and its commands.
pub(super) fn run(
    command: IopCommand,
    host: &HostOptions,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    match command {
        IopCommand::Run { reconnect } => hold(reconnect, host, terminal),
        IopCommand::Status => {
            let of = find(host, terminal)?.status()?;
            match terminal.json {
                true => terminal.print_document(&IopStatusDocument::new(&of)),
                false => terminal.print(&status(&of)),
            }
        }
        IopCommand::Stop => {
            let iop = find(host, terminal)?;
            iop.stop()?;
            match terminal.json {
                true => terminal.print_document(&IopStoppedDocument::new(iop.pid())),
                false => terminal.print(&stopped(iop.pid())),
            }
        }
    }
}

/// Returns the resident IOP of the state directory.
fn find(host: &HostOptions, terminal: &Terminal) -> Result<ControlHandle, CommandError> {
    let store = open_store(host, terminal)?;
    resident::connect(&store, host.timeout)?.ok_or_else(|| CommandError {
        kind: ErrorKind::Refused,
        code: Code::NoResidentIop,
        error: anyhow::anyhow!(
            "no resident IOP runs for the state directory {}",
            quoted(store.directory())
        ),
        hints: vec!["start one: iscsiswiconfig iop run".to_owned()],
    })
}

/// `iop run`; returns when the IOP has stopped.
fn hold(reconnect: bool, host: &HostOptions, terminal: &mut Terminal) -> Result<(), CommandError> {
    descriptors::require(descriptors::RE_IPL)?;
    // An interrupt has the IOP log out.
    terminal.notes().leave_interrupts();
    let store = open_store(host, terminal)?;
    let manager = ServiceManager::from_environment();
    let settings = ResidentSettings {
        re_ipl: Settings {
            timeout: host.timeout,
            chap_algorithms: host::chap_algorithms(host)?,
        },
        lock_timeout: host.lock_timeout,
        reconnect,
        watchdog: manager.watchdog(),
    };
    // Sessions are held whoever reads, or does not.
    let lines = Lines::start(terminal).map_err(CommandError::no_runtime)?;
    let console = Rc::new(Console {
        json: terminal.json,
        lines,
        manager,
        is_ready: Cell::new(false),
        before: RefCell::default(),
        targets: Cell::default(),
    });
    let observer = Narrator::new(host, terminal).observe_job();
    let shown = Rc::clone(&console);
    let sink = move |event: &IopEvent| shown.show(event, SystemTime::now());
    let ended = resident::run(store, settings, Rc::new(sink), observer);
    if let Some(console) = Rc::into_inner(console) {
        console.lines.finish();
    }
    ended?;
    Ok(())
}

/// Prints a line for each event, and tells the service manager what concerns it.
struct Console {
    json: bool,
    lines: Lines,
    manager: ServiceManager,
    /// Whether the first re-IPL is done.
    is_ready: Cell<bool>,
    /// The lines of the first re-IPL: they come behind the one that says that it is done.
    before: RefCell<Vec<String>>,
    targets: Cell<Targets>,
}

/// How many targets there are, and how many of them are connected.
#[derive(Clone, Copy, Debug, Default)]
struct Targets {
    connected: usize,
    all: usize,
}

impl Console {
    fn show(&self, event: &IopEvent, time: SystemTime) {
        self.tell(event);
        if let IopEvent::Alive = event {
            return;
        }
        let line = IopLine::new(event, time);
        let line = match self.json {
            true => line.json(),
            false => line.text(),
        };
        if let IopEvent::Ready { .. } = event {
            self.is_ready.set(true);
            self.lines.print(line);
            for line in self.before.take() {
                self.lines.print(line);
            }
        } else if self.is_ready.get() {
            self.lines.print(line);
        } else {
            let mut before = self.before.borrow_mut();
            // As many as are kept for a reader: a target may tell anything before the re-IPL is done.
            if before.len() < Lines::LIMIT {
                before.push(line);
            }
        }
    }

    /// Tells the service manager of an event.
    fn tell(&self, event: &IopEvent) {
        let counted = |connected: usize, all: usize| {
            self.targets.set(Targets { connected, all });
            connected_words(connected, all)
        };
        let Targets { connected, all } = self.targets.get();
        match event {
            IopEvent::Alive => self.manager.alive(),
            IopEvent::Ready {
                connected, targets, ..
            }
            | IopEvent::ReIplEnded {
                connected, targets, ..
            } => self.manager.ready(&counted(*connected, *targets)),
            IopEvent::ReIplRefused { .. } => self.manager.ready(&connected_words(connected, all)),
            IopEvent::ReIplBegun {
                reason: ReIplReason::Start,
            } => self.manager.status("first re-IPL"),
            IopEvent::ReIplBegun { .. } => self.manager.reloading("re-IPL"),
            IopEvent::Lost { .. } => {
                let words = counted(connected.saturating_sub(1), all);
                self.manager.status(&words);
            }
            IopEvent::Recovered { .. } => {
                let words = counted(connected.saturating_add(1).min(all), all);
                self.manager.status(&words);
            }
            IopEvent::Stopping { .. } => {
                self.manager.stopping("waiting for jobs, then logging out")
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::sink;

    use super::*;
    use crate::iop::resident::IopEvent;

    #[test]
    fn lines_before_the_first_re_ipl_is_done_are_bounded() {
        let terminal = Terminal::new(Box::new(sink()), Box::new(sink()));
        let console = Console {
            json: false,
            lines: Lines::start(&terminal).unwrap(),
            manager: ServiceManager::from_environment(),
            is_ready: Cell::default(),
            before: RefCell::default(),
            targets: Cell::default(),
        };
        for seconds in 0..5000 {
            let event = IopEvent::LogoutRequested {
                target_name: "iqn.a".to_owned(),
                seconds,
            };
            console.show(&event, SystemTime::UNIX_EPOCH);
        }
        assert_eq!(console.before.borrow().len(), Lines::LIMIT);
        console.show(
            &IopEvent::Ready {
                pid: 1,
                connected: 0,
                targets: 0,
            },
            SystemTime::UNIX_EPOCH,
        );
        assert!(console.before.borrow().is_empty());
    }
}
