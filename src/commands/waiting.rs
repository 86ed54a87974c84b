//! What a re-IPL waits for, and for how long, on the last line of a terminal.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::terminal::{Terminal, over_last_line};
use crate::values::characters::escape;

/// Tells each second what is waited for, until it is dropped.
pub(super) struct Waiting {
    lines: SyncSender<String>,
    targets: Arc<Mutex<Targets>>,
    /// Its end stops the thread.
    _running: Sender<()>,
}

impl Waiting {
    const INTERVAL: Duration = Duration::from_secs(1);

    /// Starts to tell of the targets with these names. `None` where no thread writes what stderr is told, or none is left.
    pub(super) fn start(names: &[String], terminal: &Terminal) -> Option<Self> {
        let lines = terminal.notes().queue()?;
        let targets = Arc::new(Mutex::new(Targets::new(names, terminal.error_columns)));
        let (running, stopped) = channel();
        let (shared, queue) = (Arc::clone(&targets), lines.clone());
        thread::Builder::new()
            .name("waiting".to_owned())
            .spawn(move || tell(&stopped, &shared, &queue))
            .ok()?;
        Some(Self {
            lines,
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
        if targets.is_shown {
            let _ = self.lines.try_send(over_last_line(""));
        }
    }
}

fn tell(stopped: &Receiver<()>, targets: &Mutex<Targets>, lines: &SyncSender<String>) {
    while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(Waiting::INTERVAL) {
        let mut targets = locked(targets);
        if let Some(text) = targets.text(targets.started.elapsed()) {
            targets.is_shown = true;
            // A reader that takes nothing misses a line that the next one replaces.
            let _ = lines.try_send(over_last_line(&text));
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
    /// Whether anything was told.
    is_shown: bool,
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
            columns: columns.unwrap_or(80),
            is_shown: false,
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
        // The last column stays free: some terminals begin a new line behind it.
        match whole.len() < self.columns {
            true => Some(whole),
            false => Some(format!(
                "{seconds} s: waiting for {left} of {}",
                self.targets.len()
            )),
        }
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
        targets.targets[1].is_finished = true;
        assert_eq!(targets.text(elapsed), None);
    }
}
