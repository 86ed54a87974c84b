//! What each option and command does. A file per family; each only translates between the command line, the rules of
//! [`crate::iop::config`], the state and the network, and says what came of it.
#![allow(
    clippy::disallowed_methods,
    reason = "commands read the environment and files that the user names"
)]

mod artifacts;
mod configure;
mod demo;
mod descriptors;
mod document;
mod dump;
mod partition;
mod prompt;
mod reipl;
mod secret_file;
mod stage;
mod terminal;
mod text;
mod vtl;

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::anyhow;
use directories::ProjectDirs;

pub use terminal::Terminal;

use crate::cli::grammar::HELP_WORD;
use crate::cli::host::{KEYSTORE_DIR_VARIABLE, STATE_DIR_VARIABLE};
use crate::cli::{
    self, CommandLine, HostCommand, HostOptions, Invocation, MacroOption, Parameter, Request, help,
};
use crate::error::{CommandError, ErrorKind};
use crate::iop::config::{Configuration, ConfigurationError, Partition};
use crate::iop::store::Store;
use document::{EditDocument, EditedOn, EditedTarget, ErrorDocument};

/// The exit status of a re-IPL in which at least one target did not connect.
const NOT_ALL_CONNECTED: u8 = 4;

/// Runs one command line, without the program's name, and returns the exit status.
pub fn run(arguments: impl IntoIterator<Item = OsString>, mut terminal: Terminal) -> u8 {
    let outcome = match cli::parse(arguments) {
        Ok(line) => {
            terminal.json = line.host.json;
            terminal.quiet = line.host.quiet;
            perform(line, &mut terminal)
        }
        Err(failure) => {
            terminal.json = failure.json;
            Err(failure.into())
        }
    };
    match outcome {
        Ok(status) => status,
        Err(error) => {
            terminal.error(&error);
            if terminal.json {
                // The failure itself is told on stderr whatever becomes of stdout.
                let _ = terminal.print_json(&ErrorDocument::new(&error));
            }
            error.kind.exit_status()
        }
    }
}

fn perform(line: CommandLine, terminal: &mut Terminal) -> Result<u8, CommandError> {
    if let Request::Host(_) | Request::Macro(_) = line.request {
        // A list that is none is a usage error with whatever it stands, not only where it is used.
        reipl::chap_algorithms(&line.host)?;
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
                terminal.print_json(&ErrorDocument::new(&error))?;
            }
            return Ok(error.kind.exit_status());
        }
        Request::Host(HostCommand::Demo) => return demo::run(&line.host, terminal),
        Request::Host(HostCommand::Vtl(options)) => vtl::run(&options, &line.host, terminal)?,
        Request::Host(HostCommand::Generate(artifact)) => artifacts::generate(artifact, terminal)?,
        Request::Host(HostCommand::Complete(kind)) => artifacts::names(kind, &line.host, terminal)?,
        Request::Host(HostCommand::Partition(options)) => {
            partition::run(&options, &line.host, terminal)?;
        }
        Request::Macro(mut invocation) => {
            secret_file::fill(&mut invocation, &line.host)?;
            return call(&invocation, &line.host, terminal);
        }
    }
    Ok(0)
}

fn call(
    invocation: &Invocation,
    host: &HostOptions,
    terminal: &mut Terminal,
) -> Result<u8, CommandError> {
    match invocation.option {
        MacroOption::DumpInitiators => dump::initiators(&open_store(host)?, terminal)?,
        MacroOption::DumpTargets => dump::targets(&open_store(host)?, terminal)?,
        MacroOption::AddTarget => configure::add(invocation, host, terminal)?,
        MacroOption::RemoveTarget => configure::remove(invocation, host, terminal)?,
        MacroOption::ChangeTarget => configure::change(invocation, host, terminal)?,
        MacroOption::ClearConfig => configure::clear(invocation, host, terminal)?,
        MacroOption::NewName => stage::new_name(invocation, host, terminal)?,
        MacroOption::AppendName => stage::append_name(invocation, host, terminal)?,
        MacroOption::SetPort => stage::set_port(invocation, host, terminal)?,
        MacroOption::SetKeystore => stage::set_keystore(invocation, host, terminal)?,
        MacroOption::Commit => stage::commit(invocation, host, terminal)?,
        MacroOption::ReIplIscsiIop => return reipl::run(host, terminal),
    }
    Ok(0)
}

/// Opens the state where the command line, the environment or the user's default says.
fn open_store(host: &HostOptions) -> Result<Store, CommandError> {
    let default = ProjectDirs::from("", "", "iscsiswiconfig");
    let default = default.as_ref();
    let state = named(&host.state_dir, STATE_DIR_VARIABLE)
        .or_else(|| default?.state_dir().map(PathBuf::from))
        .ok_or_else(|| CommandError {
            kind: ErrorKind::State,
            error: anyhow!("this user has no home directory to keep the state in"),
            hints: vec![format!(
                "name a directory with --state-dir or {STATE_DIR_VARIABLE}"
            )],
        })?;
    let keystore = named(&host.keystore_dir, KEYSTORE_DIR_VARIABLE)
        .or_else(|| Some(default?.data_local_dir().join("keystore")));
    let store = Store::new(state, host.lock_timeout);
    Ok(match keystore {
        Some(directory) => store.with_keystore(directory),
        None => store,
    })
}

/// Returns the directory that the command line names, else the environment.
fn named(option: &Option<PathBuf>, variable: &str) -> Option<PathBuf> {
    option.clone().or_else(|| {
        env::var_os(variable)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    })
}

/// Edits the configuration by a rule that needs to know the partition, and returns the partition with what the rule
/// returned.
fn edit<T>(
    host: &HostOptions,
    rule: impl FnOnce(&mut Configuration, Partition<'_>) -> Result<T, ConfigurationError>,
) -> Result<(EditedOn, T), CommandError> {
    let store = open_store(host)?;
    let generated_name = store.generated_name()?;
    store.edit(|configuration, record| {
        let keystore = record.keystore_use();
        let partition = Partition {
            generated_name: generated_name.as_ref(),
            keystore,
        };
        let result = rule(configuration, partition)?;
        let on = EditedOn {
            generated_name,
            keystore,
        };
        Ok((on, result))
    })
}

/// Prints what an edit did.
fn print_edit(
    terminal: &mut Terminal,
    invocation: &Invocation,
    target: Option<EditedTarget<'_>>,
    text: &str,
) -> Result<(), CommandError> {
    if terminal.json {
        terminal.print_json(&EditDocument::new(invocation.option.word(), target))
    } else {
        terminal.print(&format!("{text}\n"))
    }
}

/// Says that the VTL must hold a CHAP value in upper case, when upper-casing changed what was typed.
fn warn_of_folding(invocation: &Invocation, terminal: &mut Terminal) {
    for (parameter, what) in [
        (Parameter::InitiatorChapName, "CHAP name"),
        (Parameter::InitiatorChapSecret, "CHAP secret"),
    ] {
        let folded = invocation
            .value(parameter)
            .is_some_and(|typed| typed.bytes().any(|byte| byte.is_ascii_lowercase()));
        if folded {
            terminal.warn(&format!(
                "the {what} was changed to upper case; the VTL must hold it in upper case"
            ));
        }
    }
}
