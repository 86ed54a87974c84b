//! The `iscsiswiconfig` command: arguments in, exit status out.
#![allow(
    clippy::disallowed_methods,
    reason = "main reads the command line and ends the process"
)]

use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::sync::Arc;

use iscsiswiconfig::commands::{self, Terminal};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

fn main() -> ExitCode {
    // A file size limit (setrlimit(2), RLIMIT_FSIZE) is to fail the write with EFBIG, not to end the process. The flag itself
    // is of no interest; without the handler everything else works as before.
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default());
    without_core_dumps();
    let mut terminal = Terminal::new(Box::new(io::stdout()), Box::new(io::stderr()));
    terminal.interactive = io::stderr().is_terminal();
    terminal.coloured = io::stdout().is_terminal();
    terminal.columns = columns(io::stdout());
    terminal.error_columns = columns(io::stderr());
    ExitCode::from(commands::run(std::env::args_os().skip(1), terminal))
}

/// Keeps secrets, of which the command line may be one, out of core dumps and of the reach of the user's other processes. A
/// pipe in core_pattern heeds the dumpable attribute only, a file also RLIMIT_CORE (core(5), PR_SET_DUMPABLE(2const)).
fn without_core_dumps() {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    // Either fails only where a sandbox forbids the call, and the other still holds then.
    let _ = setrlimit(Resource::Core, none);
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// Returns the width of a terminal; none for anything else, and for a terminal that does not know it.
fn columns(stream: impl AsFd) -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(stream).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}
