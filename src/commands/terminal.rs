//! Where a command's words go: results to stdout; warnings, errors and progress to stderr.

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::error::CommandError;
use crate::iop::warning::Warning;
use crate::render::json::{WarningDocument, WithWarnings};
use crate::values::characters::escape;

/// The two streams of a command with the host options that govern them; a clone writes to the same two.
#[derive(Clone)]
pub struct Terminal {
    stdout: Stdout,
    notes: Notes,
    /// The warnings told so far.
    warnings: Rc<RefCell<Vec<WarningDocument>>>,
    /// Whether results are JSON.
    pub json: bool,
    /// Whether warnings and progress are left out.
    pub quiet: bool,
    /// Whether progress may be shown: stderr is a terminal.
    pub interactive: bool,
    /// The width of stdout in columns, where it is a terminal.
    pub columns: Option<usize>,
    /// The width of stderr in columns, where it is a terminal.
    pub error_columns: Option<usize>,
}

/// The way to stdout, which can be handed to a thread.
type Stdout = Arc<Mutex<Box<dyn Write + Send>>>;

/// The way to stderr, which can be handed to whoever has something to tell while a command runs.
#[derive(Clone)]
pub struct Notes(Rc<RefCell<Box<dyn Write>>>);

impl Notes {
    /// Writes a line. There is nowhere to report that it cannot be written.
    pub fn line(&self, line: &str) {
        let _ = writeln!(self.0.borrow_mut(), "{line}");
    }
}

impl Terminal {
    /// Makes a terminal of two streams with everything off.
    pub fn new(stdout: Box<dyn Write + Send>, stderr: Box<dyn Write>) -> Self {
        Self {
            stdout: Arc::new(Mutex::new(stdout)),
            notes: Notes(Rc::new(RefCell::new(stderr))),
            warnings: Rc::default(),
            json: false,
            quiet: false,
            interactive: false,
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

    /// Prints a result as one JSON document, with the warnings that were told.
    ///
    /// # Errors
    /// As [`Terminal::print`].
    pub fn print_document(&mut self, document: &impl serde::Serialize) -> Result<(), CommandError> {
        let text = serde_json::to_string_pretty(&WithWarnings {
            document,
            warnings: &self.warnings.borrow(),
        });
        match text {
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
        let message = format!("{:#}", error.error);
        let mut text = format!("iscsiswiconfig: {}", escape(&message));
        for hint in &error.hints {
            text.push_str("\n  hint: ");
            text.push_str(&escape(hint));
        }
        self.notes.line(&text);
    }
}

/// Lines for stdout from somebody who must not wait for a reader: a program may well read the first line of a list and no
/// more, and a pipe that nobody empties is full at some time. Lines beyond [`Lines::LIMIT`] are dropped then.
pub struct Lines {
    lines: SyncSender<String>,
    written: Receiver<()>,
}

impl Lines {
    /// The most lines that wait to be written.
    const LIMIT: usize = 1024;

    /// How long [`Lines::finish`] waits for a reader.
    const PATIENCE: Duration = Duration::from_millis(500);

    /// Starts to write to the terminal's stdout.
    ///
    /// # Errors
    /// The system's, when it has no thread left.
    pub fn start(terminal: &Terminal) -> io::Result<Self> {
        let stdout = Arc::clone(&terminal.stdout);
        let (lines, to_write) = sync_channel::<String>(Self::LIMIT);
        let (done, written) = sync_channel(1);
        thread::Builder::new()
            .name("stdout".to_owned())
            .spawn(move || {
                for line in to_write {
                    // A reader that has gone away misses nothing that it wanted.
                    let _ = write(&stdout, &line);
                }
                let _ = done.send(());
            })?;
        Ok(Self { lines, written })
    }

    /// Has a line written, its end included.
    pub fn print(&self, line: String) {
        let _ = self.lines.try_send(line);
    }

    /// Waits a little until everything is written.
    pub fn finish(self) {
        drop(self.lines);
        let _ = self.written.recv_timeout(Self::PATIENCE);
    }
}

fn write(stdout: &Stdout, text: &str) -> io::Result<()> {
    // What a thread that has failed left unwritten does not concern the others.
    let mut stdout = stdout.lock().unwrap_or_else(PoisonError::into_inner);
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
}
