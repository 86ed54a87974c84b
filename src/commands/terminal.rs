//! Where a command's words go: results to stdout; warnings, errors and progress to stderr.

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;

use crate::error::CommandError;

/// The two streams of a command with the host options that govern them; a clone writes to the same two.
#[derive(Clone)]
pub struct Terminal {
    stdout: Rc<RefCell<Box<dyn Write>>>,
    notes: Notes,
    /// Whether results are JSON.
    pub json: bool,
    /// Whether warnings and progress are left out.
    pub quiet: bool,
    /// Whether progress may be shown: stderr is a terminal.
    pub interactive: bool,
}

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
    pub fn new(stdout: Box<dyn Write>, stderr: Box<dyn Write>) -> Self {
        Self {
            stdout: Rc::new(RefCell::new(stdout)),
            notes: Notes(Rc::new(RefCell::new(stderr))),
            json: false,
            quiet: false,
            interactive: false,
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
        let mut stdout = self.stdout.borrow_mut();
        let written = stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush());
        match written {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(CommandError::output(error))
            }
            _ => Ok(()),
        }
    }

    /// Prints a result as one JSON document.
    ///
    /// # Errors
    /// As [`Terminal::print`].
    pub fn print_json(&mut self, document: &impl serde::Serialize) -> Result<(), CommandError> {
        match serde_json::to_string_pretty(document) {
            Ok(text) => self.print(&(text + "\n")),
            Err(error) => Err(CommandError::output(error.into())),
        }
    }

    /// Tells what was accepted, but will probably not do.
    pub fn warn(&self, warning: &str) {
        if !self.quiet {
            self.notes
                .line(&format!("iscsiswiconfig: warning: {warning}"));
        }
    }

    /// Tells what failed, its causes on the same line, and what to do next.
    pub fn error(&self, error: &CommandError) {
        let mut text = format!("iscsiswiconfig: {:#}", error.error);
        for hint in &error.hints {
            text.push_str("\n  hint: ");
            text.push_str(hint);
        }
        self.notes.line(&text);
    }
}
