//! Where a command's words go: results to stdout; warnings, errors and progress to stderr.

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::interrupt;
use super::trace::TraceFiles;
use crate::error::CommandError;
use crate::iop::warning::Warning;
use crate::render::json::{Document, WarningDocument, WithWarnings};
use crate::values::amount;
use crate::values::characters::escape;

/// The two streams of a command with the host options that govern them; a clone writes to the same two.
#[derive(Clone)]
pub struct Terminal {
    stdout: Stream,
    notes: Notes,
    /// The warnings told so far.
    warnings: Rc<RefCell<Vec<WarningDocument>>>,
    /// When the program started.
    pub(super) started: Instant,
    /// The files that what passes is written to.
    pub(super) trace: Option<Rc<TraceFiles>>,
    /// Whether results are JSON.
    pub json: bool,
    /// Whether stdout has the data of a job, or a protocol, so that documents go to stderr.
    pub(super) has_data_on_stdout: bool,
    /// Whether warnings and progress are left out.
    pub quiet: bool,
    /// Whether progress may be shown: stderr is a terminal.
    pub interactive: bool,
    /// Whether results may be in colour: stdout is a terminal, of whatever width.
    pub coloured: bool,
    /// The width of stdout in columns, where it is a terminal.
    pub columns: Option<usize>,
    /// The width of stderr in columns, where it is a terminal.
    pub error_columns: Option<usize>,
}

/// The way to stdout or stderr, which can be handed to a thread.
type Stream = Arc<Mutex<Box<dyn Write + Send>>>;

/// The way to stderr, which can be handed to all that report while a command runs, on whatever thread.
#[derive(Clone)]
pub struct Notes {
    stderr: Stream,
    state: Arc<Mutex<NotesState>>,
}

#[derive(Default)]
struct NotesState {
    /// From [`Notes::start`] to [`Notes::finish`] lines go by this queue.
    lines: Option<Lines>,
    /// Whether nothing more is written: the reader was given up, and a thread still waits for it with the stream.
    given_up: bool,
    /// Whether the last line of the terminal says what is waited for.
    shows_wait: bool,
    /// Whether an interrupt erases that line before it ends the process, or is left to the command.
    interrupts_are_settled: bool,
}

impl Notes {
    fn new(stderr: Box<dyn Write + Send>) -> Self {
        Self {
            stderr: Arc::new(Mutex::new(stderr)),
            state: Arc::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, NotesState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn print(&self, state: &NotesState, text: String) {
        match &state.lines {
            Some(lines) => lines.print(text),
            None if state.given_up => {}
            None => drop(write(&self.stderr, &text)),
        }
    }

    /// Writes a line, in the place of what is waited for. There is nowhere to report that it cannot be written.
    pub fn line(&self, line: &str) {
        let mut state = self.state();
        let line = match std::mem::take(&mut state.shows_wait) {
            true => over_last_line(line),
            false => line.to_owned(),
        };
        self.print(&state, line + "\n");
    }

    /// Writes over the last line of a terminal; a line with nothing in it begins a new one behind it.
    pub fn progress(&self, text: &str) {
        self.print(&self.state(), over_last_line(text));
    }

    /// Says on the last line of a terminal what is waited for, until [`Notes::waited`], the next line, or an interrupt.
    pub(super) fn wait(&self, text: &str) {
        let mut state = self.state();
        if !std::mem::replace(&mut state.interrupts_are_settled, true) {
            let notes = self.clone();
            // The line is left as it is where this fails.
            let _ = interrupt::before_end(move || notes.end());
        }
        state.shows_wait = true;
        self.print(&state, over_last_line(text));
    }

    /// Erases what was waited for.
    pub(super) fn waited(&self) {
        let mut state = self.state();
        if std::mem::take(&mut state.shows_wait) {
            self.print(&state, over_last_line(""));
        }
    }

    /// Leaves interrupts to a command that heeds them itself.
    pub(super) fn leave_interrupts(&self) {
        self.state().interrupts_are_settled = true;
    }

    /// Erases what is waited for; nothing is written behind that.
    fn end(&self) {
        self.waited();
        let lines = {
            let mut state = self.state();
            state.given_up = true;
            state.lines.take()
        };
        if let Some(lines) = lines {
            lines.finish();
        }
    }

    /// Has a thread write the lines from here on, so that a reader that stops reading holds nothing up. Lines that find no
    /// room in the queue are dropped, and their number is told.
    ///
    /// # Errors
    /// The system's, when it has no thread left.
    pub fn start(&self) -> io::Result<()> {
        let mut state = self.state();
        if state.lines.is_none() && !state.given_up {
            state.lines = Some(Lines::to(&self.stderr, "stderr")?);
        }
        Ok(())
    }

    /// Waits until everything is written, as long as the reader goes on reading. Returns whether it is.
    pub fn finish(&self) -> bool {
        let lines = self.state().lines.take();
        let is_read = lines.is_none_or(Lines::finish);
        let mut state = self.state();
        state.given_up |= !is_read;
        !state.given_up
    }
}

impl Terminal {
    /// Makes a terminal of two streams with everything off.
    pub fn new(stdout: Box<dyn Write + Send>, stderr: Box<dyn Write + Send>) -> Self {
        Self {
            stdout: Arc::new(Mutex::new(stdout)),
            notes: Notes::new(stderr),
            warnings: Rc::default(),
            started: Instant::now(),
            trace: None,
            json: false,
            has_data_on_stdout: false,
            quiet: false,
            interactive: false,
            coloured: false,
            columns: None,
            error_columns: None,
        }
    }

    /// Returns the way to stderr.
    pub fn notes(&self) -> Notes {
        self.notes.clone()
    }

    /// Prints a result. A reader that has gone away is no failure.
    ///
    /// # Errors
    /// [`CommandError`] when stdout cannot be written for another reason.
    pub fn print(&mut self, text: &str) -> Result<(), CommandError> {
        match write(&self.stdout, text) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(CommandError::output(error))
            }
            _ => Ok(()),
        }
    }

    /// Prints a result as one JSON document, with the warnings that were told; on stderr where stdout has the data of a job.
    ///
    /// # Errors
    /// As [`Terminal::print`].
    pub fn print_document(&mut self, document: &impl Document) -> Result<(), CommandError> {
        let text = serde_json::to_string_pretty(&WithWarnings {
            document,
            warnings: &self.warnings.borrow(),
        });
        match text {
            Ok(text) if self.has_data_on_stdout => {
                self.notes.line(&text);
                Ok(())
            }
            Ok(text) => self.print(&(text + "\n")),
            Err(error) => Err(CommandError::output(error.into())),
        }
    }

    /// Tells what was accepted, but will probably not do; a document has it even when stderr is quiet.
    pub fn warn(&self, warning: &Warning) {
        let warning = WarningDocument::from(warning);
        if !self.quiet {
            self.notes.line(&format!(
                "iscsiswiconfig: warning: {}",
                escape(&warning.message)
            ));
        }
        self.warnings.borrow_mut().push(warning);
    }

    /// Tells what failed, its causes on the same line, and what to do next.
    pub fn error(&self, error: &CommandError) {
        // A path, for one, may hold what a terminal would act on.
        let message = error.message();
        let mut text = format!("iscsiswiconfig: {}", escape(&message));
        for hint in &error.hints {
            text.push_str("\n  hint: ");
            text.push_str(&escape(hint));
        }
        self.notes.line(&text);
    }
}

/// Lines for a stream from a task that must not wait for its reader: a program may well read the first line of a list and
/// no more, and a pipe that is not read is full at some time. Lines beyond [`Lines::LIMIT`] are dropped then, and
/// their number is told in the stream itself where that is stderr.
pub struct Lines {
    lines: SyncSender<String>,
    written: Receiver<()>,
    counts: Arc<Counts>,
    /// Whether the stream has words for people, so that the number of dropped lines can be among them.
    tells: bool,
}

/// What has become of the lines of a queue.
#[derive(Default)]
struct Counts {
    written: AtomicU64,
    /// Those that are dropped and not told of.
    dropped: AtomicU64,
}

impl Lines {
    /// The most lines that wait to be written.
    pub(super) const LIMIT: usize = 4096;

    /// How long [`Lines::finish`] waits for a reader that takes nothing.
    const DRAIN_TIMEOUT: Duration = Duration::from_millis(500);

    /// Starts to write to the terminal's stdout.
    ///
    /// # Errors
    /// The system's, when it has no thread left.
    pub fn start(terminal: &Terminal) -> io::Result<Self> {
        Self::to(&terminal.stdout, "stdout")
    }

    fn to(stream: &Stream, name: &str) -> io::Result<Self> {
        let stream = Arc::clone(stream);
        let (lines, to_write) = sync_channel::<String>(Self::LIMIT);
        let (done, written) = sync_channel(1);
        let counts = Arc::new(Counts::default());
        let shared = Arc::clone(&counts);
        let tells = name == "stderr";
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                for line in to_write {
                    // A reader that has gone away misses nothing that it wanted.
                    let _ = write(&stream, &line);
                    shared.written.fetch_add(1, Ordering::Relaxed);
                }
                let dropped = shared.dropped.swap(0, Ordering::Relaxed);
                if tells && dropped > 0 {
                    let _ = write(&stream, &dropped_words(dropped));
                }
                let _ = done.send(());
            })?;
        Ok(Self {
            lines,
            written,
            counts,
            tells,
        })
    }

    /// Has a line written, its end included.
    pub fn print(&self, line: String) {
        let dropped = self.counts.dropped.load(Ordering::Relaxed);
        if self.tells && dropped > 0 {
            // Told where the lines are missing, before the first one that finds room again.
            if self.lines.try_send(dropped_words(dropped)).is_err() {
                self.counts.dropped.fetch_add(1, Ordering::Relaxed);
                return;
            }
            self.counts.dropped.store(0, Ordering::Relaxed);
        }
        if self.lines.try_send(line).is_err() {
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until everything is written, as long as the reader goes on reading. Returns whether it is.
    pub fn finish(self) -> bool {
        drop(self.lines);
        let mut before = None;
        loop {
            match self.written.recv_timeout(Self::DRAIN_TIMEOUT) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return true,
            }
            let now = Some(self.counts.written.load(Ordering::Relaxed));
            if now == before {
                return false;
            }
            before = now;
        }
    }
}

/// Returns what replaces the last line of a terminal by a text, which is shorter than the terminal is wide.
fn over_last_line(text: &str) -> String {
    format!("\r{text}\u{1b}[K")
}

fn dropped_words(count: u64) -> String {
    let lines = amount(count, "line");
    format!("iscsiswiconfig: dropped {lines} here: stderr was not read in time\n")
}

fn write(stream: &Stream, text: &str) -> io::Result<()> {
    // What a thread that has failed left unwritten does not concern the others.
    let mut stream = stream.lock().unwrap_or_else(PoisonError::into_inner);
    stream
        .write_all(text.as_bytes())
        .and_then(|()| stream.flush())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream whose reader takes nothing before the other end of `turns` is dropped, and then everything.
    struct Paced {
        turns: Receiver<()>,
        begun: SyncSender<()>,
        taken: Arc<Mutex<String>>,
    }

    impl Write for Paced {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.begun.try_send(());
            let _ = self.turns.recv();
            self.taken
                .lock()
                .unwrap()
                .push_str(std::str::from_utf8(bytes).unwrap());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_of_stderr_that_stops_holds_up_nobody_and_learns_what_it_missed() {
        let (take, turns) = sync_channel::<()>(1);
        let (begun, has_begun) = sync_channel(1);
        let taken = Arc::new(Mutex::new(String::new()));
        let stream = Paced {
            turns,
            begun,
            taken: Arc::clone(&taken),
        };
        let terminal = Terminal::new(Box::new(io::sink()), Box::new(stream));
        let notes = terminal.notes();
        notes.start().unwrap();
        notes.line("line 0");
        has_begun.recv().unwrap();
        // The queue is full, and ten lines find no room.
        for number in 1..=Lines::LIMIT + 10 {
            notes.line(&format!("line {number}"));
        }
        drop(take);
        assert!(notes.finish());
        let mut expected: Vec<String> = (0..=Lines::LIMIT)
            .map(|number| format!("line {number}"))
            .collect();
        expected.push(dropped_words(10).trim_end().to_owned());
        let taken = taken.lock().unwrap();
        assert!(taken.lines().eq(expected), "{taken}");
    }

    #[test]
    fn a_command_ends_though_stderr_is_not_read() {
        let (take, turns) = sync_channel::<()>(1);
        let stream = Paced {
            turns,
            begun: sync_channel(1).0,
            taken: Arc::default(),
        };
        let notes = Terminal::new(Box::new(io::sink()), Box::new(stream)).notes();
        notes.start().unwrap();
        notes.line("nobody reads this");
        assert!(!notes.finish());
        // What comes later does not wait for the stream either.
        notes.line("nor this");
        drop(take);
    }
}
