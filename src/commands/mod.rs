//! From command lines to operations, and from their outcomes to what is printed. Nothing here has rules of its own.
#![allow(
    clippy::disallowed_methods,
    reason = "commands read the environment and files that the user names"
)]

mod artifacts;
mod check;
mod configured;
mod d_mode;
mod demo;
mod descriptors;
mod discover;
mod host;
mod interrupt;
mod iop;
mod iop_event;
mod library;
mod macro_option;
mod mtx;
mod narrator;
mod partition;
mod prompt;
mod report_file;
mod rmt;
pub mod schema;
mod secret_file;
mod secret_text;
mod service_manager;
mod sql;
mod systemd;
mod tape;
mod terminal;
mod trace;
mod vtl;
mod vtl_event;
mod waiting;

use std::ffi::OsString;

pub use terminal::Terminal;

use crate::cli::grammar::HELP_WORD;
use crate::cli::{self, CommandLine, HostCommand, IopCommand, MacroOption, Request, help};
use crate::error::CommandError;
use crate::render::json::ErrorDocument;

/// Runs one command line, without the program's name, and returns the exit status.
pub fn run(arguments: impl IntoIterator<Item = OsString>, mut terminal: Terminal) -> u8 {
    let outcome = match cli::parse(arguments) {
        Ok(line) => {
            terminal.json = line.host.json;
            terminal.quiet = line.host.quiet;
            terminal.has_data_on_stdout = has_data_on_stdout(&line.request);
            perform(line, &mut terminal)
        }
        Err(failure) => {
            terminal.json = failure.json;
            terminal.has_data_on_stdout = failure.has_data_on_stdout;
            Err(failure.into())
        }
    };
    let status = match outcome {
        Ok(status) => status,
        Err(error) => {
            terminal.error(&error);
            if terminal.json {
                // The failure itself is told on stderr whatever becomes of stdout.
                let _ = terminal.print_document(&ErrorDocument::new(&error));
            }
            error.kind.exit_status()
        }
    };
    // What a reader has not taken by then goes with the process.
    let _ = terminal.notes().finish();
    status
}

/// Returns whether stdout is for the data of a command, and not for what it says.
fn has_data_on_stdout(request: &Request) -> bool {
    match request {
        Request::Host(HostCommand::Tape(options)) => tape::has_data_on_stdout(options),
        Request::Host(HostCommand::Rmt(_) | HostCommand::Mtx(_)) => true,
        _ => false,
    }
}

/// Returns whether a request opens sessions, or serves them.
fn talks_to_peers(request: &Request) -> bool {
    match request {
        Request::Host(command) => matches!(
            command,
            HostCommand::Demo
                | HostCommand::Vtl(_)
                | HostCommand::Tape(_)
                | HostCommand::Library(_)
                | HostCommand::DMode(_)
                | HostCommand::Check(_)
                | HostCommand::Discover(_)
                | HostCommand::Mtx(_)
                | HostCommand::Rmt(_)
                | HostCommand::Sql(_)
                | HostCommand::Iop(IopCommand::Run { .. })
        ),
        Request::Macro(invocation) => invocation.option == MacroOption::ReIplIscsiIop,
        _ => false,
    }
}

fn perform(line: CommandLine, terminal: &mut Terminal) -> Result<u8, CommandError> {
    if let Request::Host(
        HostCommand::Tape(_)
        | HostCommand::Library(_)
        | HostCommand::Mtx(_)
        | HostCommand::DMode(_)
        | HostCommand::Check(_)
        | HostCommand::Discover(_)
        | HostCommand::Rmt(_)
        | HostCommand::Sql(_)
        | HostCommand::Show
        | HostCommand::Apply(_)
        | HostCommand::Partition(_)
        | HostCommand::Iop(_),
    ) = &line.request
    {
        // A session has deadlines, and locks are held meanwhile: neither depends on who reads stderr.
        let _ = terminal.notes().start();
    }
    if let Request::Host(_) | Request::Macro(_) = line.request {
        // A list that is none is a usage error with whatever it stands, not only where it is used.
        host::chap_algorithms(&line.host)?;
    }
    // The lines of `demo` write to the files of the demonstration.
    if talks_to_peers(&line.request) && terminal.trace.is_none() {
        terminal.trace = trace::TraceFiles::make(&line.host)?;
    }
    match line.request {
        Request::Help(topic) => terminal.print(&topic.text(terminal.columns))?,
        Request::Version => {
            terminal.print(concat!("iscsiswiconfig ", env!("CARGO_PKG_VERSION"), "\n"))?
        }
        Request::NoArguments => {
            let hints = vec![format!("see iscsiswiconfig {HELP_WORD}")];
            let error = CommandError::usage("no option or command is given", hints);
            terminal
                .notes()
                .line(help::usage(terminal.error_columns).trim_end());
            if terminal.json {
                terminal.print_document(&ErrorDocument::new(&error))?;
            }
            return Ok(error.kind.exit_status());
        }
        Request::Host(HostCommand::Demo) => return demo::run(&line.host, terminal, run),
        Request::Host(HostCommand::Vtl(options)) => vtl::run(&options, &line.host, terminal)?,
        Request::Host(HostCommand::Show) => configured::show(&line.host, terminal)?,
        Request::Host(HostCommand::Apply(options)) => {
            configured::apply(&options, &line.host, terminal)?;
        }
        Request::Host(HostCommand::Iop(command)) => iop::run(command, &line.host, terminal)?,
        Request::Host(HostCommand::Generate(options)) => {
            artifacts::generate(options, &line.host, terminal)?
        }
        Request::Host(HostCommand::Complete(kind)) => artifacts::names(kind, &line.host, terminal)?,
        Request::Host(HostCommand::Partition(options)) => {
            partition::run(&options, &line.host, terminal)?;
        }
        Request::Host(HostCommand::Tape(options)) => {
            return tape::run(&options, &line.host, terminal);
        }
        Request::Host(HostCommand::Library(options)) => {
            library::run(&options, &line.host, terminal)?;
        }
        Request::Host(HostCommand::Sql(options)) => {
            return sql::run(&options, &line.host, terminal);
        }
        Request::Host(HostCommand::DMode(options)) => {
            return d_mode::run(&options, &line.host, terminal);
        }
        Request::Host(HostCommand::Check(options)) => {
            return check::run(&options, &line.host, terminal);
        }
        Request::Host(HostCommand::Discover(options)) => {
            discover::run(options, &line.host, terminal)?;
        }
        Request::Host(HostCommand::Mtx(options)) => mtx::run(&options, &line.host, terminal)?,
        Request::Host(HostCommand::Rmt(options)) => rmt::run(&options, &line.host, terminal)?,
        Request::Macro(mut invocation) => {
            secret_file::fill(&mut invocation, &line.host)?;
            return macro_option::run(&invocation, &line.host, terminal);
        }
    }
    Ok(0)
}
