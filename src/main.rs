//! The `iscsiswiconfig` command: arguments in, exit status out.

use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::process::ExitCode;

use iscsiswiconfig::commands::{self, Terminal};

fn main() -> ExitCode {
    let mut terminal = Terminal::new(Box::new(io::stdout()), Box::new(io::stderr()));
    terminal.interactive = io::stderr().is_terminal();
    terminal.columns = columns(io::stdout());
    terminal.error_columns = columns(io::stderr());
    ExitCode::from(commands::run(std::env::args_os().skip(1), terminal))
}

/// Returns the width of a terminal; none for anything else, and for a terminal that does not know it.
fn columns(stream: impl AsFd) -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(stream).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}
