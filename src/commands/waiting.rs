//! What is waited for, and for how long, on the last line of a terminal: targets, and other processes.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::terminal::{Notes, Terminal};
use crate::render::words::waiting::lines;
use crate::storage::WaitObserver;
use crate::values::characters::escape;

/// The width of a terminal that does not know it.
const DEFAULT_COLUMNS: usize = 80;

/// Returns who tells on a terminal which process is waited for; nobody where progress is not shown.
pub(super) fn observer(terminal: &Terminal) -> WaitObserver {
    let notes = terminal.notes();
    // Other locks may be held meanwhile: the one who waits does not wait for who reads stderr.
    if !terminal.interactive || terminal.quiet || notes.start().is_err() {
        return WaitObserver::default();
    }
    let columns = terminal.error_columns.unwrap_or(DEFAULT_COLUMNS);
    WaitObserver::new(move |wait| match wait {
        Some(wait) => notes.wait(&fitting(lines(wait).map(|line| escape(&line)), columns)),
        None => notes.waited(),
    })
}

/// Returns the first line that is shorter than a terminal is wide, else the beginning of the last one. The last column stays
/// free: some terminals begin a new line behind it.
fn fitting<const COUNT: usize>(lines: [String; COUNT], columns: usize) -> String {
    let room = columns.saturating_sub(1);
    let mut last = String::new();
    for line in lines {
        if line.chars().count() <= room {
            return line;
        }
        last = line;
    }
    last.chars().take(room).collect()
}

/// Tells each second which target of a re-IPL is waited for, until it is dropped.
pub(super) struct Waiting {
    notes: Notes,
    targets: Arc<Mutex<Targets>>,
    /// Its end stops the thread.
    _running: Sender<()>,
}

impl Waiting {
    const INTERVAL: Duration = Duration::from_secs(1);

    /// Starts to tell of the targets with these names. `None` where the system has no thread left.
    pub(super) fn start(names: &[String], terminal: &Terminal) -> Option<Self> {
        let notes = terminal.notes();
        let targets = Arc::new(Mutex::new(Targets::new(names, terminal.error_columns)));
        let (running, stopped) = channel();
        let (shared, told) = (Arc::clone(&targets), notes.clone());
        thread::Builder::new()
            .name("waiting".to_owned())
            .spawn(move || tell(&stopped, &shared, &told))
            .ok()?;
        Some(Self {
            notes,
            targets,
            _running: running,
        })
    }

    /// Notes what a target is asked for now.
    pub(super) fn entered(&self, index: usize, phase: &str) {
        if let Some(target) = locked(&self.targets).targets.get_mut(index) {
            // A target may name the host that it redirects to.
            target.phase = Some(escape(phase));
        }
    }

    /// Notes that a target is done with.
    pub(super) fn finished(&self, index: usize) {
        let mut targets = locked(&self.targets);
        if let Some(target) = targets.targets.get_mut(index) {
            target.is_finished = true;
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut targets = locked(&self.targets);
        // The thread tells nothing behind this.
        for target in &mut targets.targets {
            target.is_finished = true;
        }
        self.notes.waited();
    }
}

fn tell(stopped: &Receiver<()>, targets: &Mutex<Targets>, notes: &Notes) {
    while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(Waiting::INTERVAL) {
        let targets = locked(targets);
        if let Some(text) = targets.text(targets.started.elapsed()) {
            notes.wait(&text);
        }
    }
}

fn locked(targets: &Mutex<Targets>) -> MutexGuard<'_, Targets> {
    targets.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is known of the targets of a re-IPL.
struct Targets {
    targets: Vec<Target>,
    started: Instant,
    columns: usize,
}

struct Target {
    name: String,
    /// What it is asked for; `None` before its turn.
    phase: Option<String>,
    is_finished: bool,
}

impl Targets {
    fn new(names: &[String], columns: Option<usize>) -> Self {
        let targets = names.iter().map(|name| Target {
            name: name.clone(),
            phase: None,
            is_finished: false,
        });
        Self {
            targets: targets.collect(),
            started: Instant::now(),
            columns: columns.unwrap_or(DEFAULT_COLUMNS),
        }
    }

    /// Returns the first target that is waited for, or only their number where the line has no room for its name.
    fn text(&self, elapsed: Duration) -> Option<String> {
        let waited_for = self.targets.iter().filter(|target| !target.is_finished);
        let left = waited_for.clone().count();
        let first = waited_for.clone().find(|target| target.phase.is_some())?;
        let seconds = elapsed.as_secs();
        let others = match left {
            1 => String::new(),
            left => format!(" and {} more", left - 1),
        };
        let phase = first.phase.as_deref().unwrap_or_default();
        let whole = format!("{seconds} s: {}, {phase}{others}", first.name);
        let number = format!("{seconds} s: waiting for {left} of {}", self.targets.len());
        let lines = [whole, number, format!("{seconds} s")];
        Some(fitting(lines, self.columns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_target_that_is_waited_for_is_named_with_what_it_is_asked_for() {
        let names = ["iqn.test:a".to_owned(), "iqn.test:b".to_owned()];
        let mut targets = Targets::new(&names, None);
        let elapsed = Duration::from_millis(3_900);
        assert_eq!(targets.text(elapsed), None);
        for (target, phase) in targets.targets.iter_mut().zip(["logging in", "connecting"]) {
            target.phase = Some(phase.to_owned());
        }
        let text = targets.text(elapsed);
        assert_eq!(
            text.as_deref(),
            Some("3 s: iqn.test:a, logging in and 1 more")
        );
        targets.targets[0].is_finished = true;
        let text = targets.text(elapsed);
        assert_eq!(text.as_deref(), Some("3 s: iqn.test:b, connecting"));
        targets.columns = 27;
        let text = targets.text(elapsed);
        assert_eq!(text.as_deref(), Some("3 s: waiting for 1 of 2"));
        for (columns, expected) in [(23, "3 s"), (4, "3 s"), (3, "3 "), (1, "")] {
            targets.columns = columns;
            assert_eq!(targets.text(elapsed).as_deref(), Some(expected));
        }
        targets.targets[1].is_finished = true;
        assert_eq!(targets.text(elapsed), None);
    }
}
