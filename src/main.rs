//! The `iscsiswiconfig` command: arguments in, exit status out.

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use iscsiswiconfig::commands::{self, Terminal};

fn main() -> ExitCode {
    let mut terminal = Terminal::new(Box::new(io::stdout()), Box::new(io::stderr()));
    terminal.interactive = io::stderr().is_terminal();
    ExitCode::from(commands::run(std::env::args_os().skip(1), terminal))
}
