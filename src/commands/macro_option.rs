//! From a line of the macro to an operation, and from its outcome to what is printed.

use super::descriptors;
use super::host::{self, open_store};
use super::terminal::Terminal;
use crate::cli::{HostOptions, Invocation, MacroOption, Parameter};
use crate::error::CommandError;
use crate::iop::config::{ChapParameters, StagedParameter, TargetIdentity};
use crate::iop::operation::{self, Active, Operation, Outcome, Piece};
use crate::render::json::{ActiveDocument, EditDocument};
use crate::render::text;
use crate::render::words::{Code, next_step};
use crate::values::{
    ChapName, ChapSecret, HostName, InitiatorName, KeystoreChoice, Port, Subject, ValueError,
};

/// The exit status of a re-IPL in which at least one target did not connect.
const NOT_ALL_CONNECTED: u8 = 4;

/// Runs a line of the macro, and returns the exit status.
pub(super) fn run(
    invocation: &Invocation,
    host: &HostOptions,
    terminal: &mut Terminal,
) -> Result<u8, CommandError> {
    let operation = operation(invocation)?;
    if let Operation::ReIpl = operation {
        descriptors::require(descriptors::RE_IPL)?;
        // Connections have deadlines, and locks are held meanwhile: neither depends on who reads stderr.
        let _ = terminal.notes().start();
    }
    let performed = host::perform(operation, &open_store(host, terminal)?, host, terminal)??;
    // Staged pieces are folded as they are joined, so those warnings come with the outcome.
    if let MacroOption::AddTarget | MacroOption::ChangeTarget = invocation.option {
        let name = invocation.value(Parameter::InitiatorChapName);
        let secret = invocation.value(Parameter::InitiatorChapSecret);
        for warning in operation::folding_warnings(name, secret) {
            terminal.warn(&warning);
        }
    }
    for warning in &performed.warnings {
        terminal.warn(warning);
    }
    match &performed.outcome {
        Outcome::Active(active) => {
            // On a terminal the report follows the progress; what is told behind it does not wait for a reader either.
            if invocation.option == MacroOption::ReIplIscsiIop && terminal.notes().finish() {
                let _ = terminal.notes().start();
            }
            print_active(invocation.option, active, terminal)
        }
        // The macro has no option that asks for these.
        Outcome::Configured(_) | Outcome::Applied(_) | Outcome::Partition(_) => Ok(0),
        Outcome::Edited(edited) => {
            if terminal.json {
                terminal.print_document(&EditDocument::new(invocation.option.word(), edited))?;
            } else {
                terminal.print(&text::edit(edited))?;
            }
            Ok(0)
        }
    }
}

/// Prints what the IOP runs in the form that was asked for, and returns the exit status.
fn print_active(
    option: MacroOption,
    active: &Active,
    terminal: &mut Terminal,
) -> Result<u8, CommandError> {
    let document = ActiveDocument::new(active);
    if terminal.json {
        terminal.print_document(&document)?;
    } else if option == MacroOption::DumpInitiators {
        let page = text::initiators(&document);
        terminal.print(&text::wrapped(&page, terminal.columns))?;
    } else {
        let page = text::targets(&document);
        terminal.print(&text::wrapped(&page, terminal.columns))?;
    }
    if option != MacroOption::ReIplIscsiIop || document.all_connected() {
        return Ok(0);
    }
    if let Some(summary) = text::summary(&document) {
        terminal.notes().line(&summary);
    }
    Ok(NOT_ALL_CONNECTED)
}

fn operation(invocation: &Invocation) -> Result<Operation, CommandError> {
    Ok(match invocation.option {
        MacroOption::DumpInitiators | MacroOption::DumpTargets => Operation::Show,
        MacroOption::AddTarget => Operation::Add {
            identity: identity(invocation)?,
            chap: chap(invocation)?,
        },
        MacroOption::ChangeTarget => Operation::Change {
            identity: identity(invocation)?,
            chap: changing(chap(invocation)?)?,
        },
        MacroOption::RemoveTarget => Operation::Remove {
            identity: identity(invocation)?,
        },
        MacroOption::ClearConfig => Operation::Clear,
        MacroOption::NewName => Operation::Replace {
            pieces: pieces(invocation),
        },
        MacroOption::AppendName => Operation::Append {
            pieces: pieces(invocation),
        },
        MacroOption::SetPort => Operation::SetPort {
            port: required(invocation, Parameter::TargetPort)?.parse::<Port>()?,
        },
        MacroOption::SetKeystore => Operation::SetKeystore {
            keystore: required(invocation, Parameter::ChapKeystore)?.parse::<KeystoreChoice>()?,
        },
        MacroOption::Commit => Operation::Commit,
        MacroOption::ReIplIscsiIop => Operation::ReIpl,
    })
}

/// A change of the macro changes something; other front ends have one that changes nothing.
fn changing(chap: ChapParameters) -> Result<ChapParameters, CommandError> {
    if chap.name.is_some() || chap.secret.is_some() || chap.keystore.is_some() {
        return Ok(chap);
    }
    let message = "-changetarget changes CHAP parameters, and none is given";
    Err(
        CommandError::usage(message, next_step::of_nothing_to_change())
            .with_code(Code::NothingToChange),
    )
}

/// Returns the staged parameters that a line names, in its order.
fn pieces(invocation: &Invocation) -> Vec<Piece> {
    invocation
        .arguments
        .iter()
        .filter_map(|(parameter, piece)| {
            let parameter = match parameter {
                Parameter::InitiatorName => StagedParameter::InitiatorName,
                Parameter::TargetHostName => StagedParameter::TargetHostName,
                Parameter::TargetName => StagedParameter::TargetName,
                Parameter::InitiatorChapName => StagedParameter::ChapName,
                Parameter::InitiatorChapSecret => StagedParameter::ChapSecret,
                Parameter::TargetPort | Parameter::ChapKeystore => return None,
            };
            Some(Piece {
                parameter,
                text: piece.to_string().into(),
            })
        })
        .collect()
}

fn identity(invocation: &Invocation) -> Result<TargetIdentity, CommandError> {
    let target_port = match invocation.value(Parameter::TargetPort) {
        Some(port) => port.parse()?,
        None => Port::DEFAULT,
    };
    Ok(TargetIdentity {
        initiator_name: required(invocation, Parameter::InitiatorName)?.parse::<InitiatorName>()?,
        target_host_name: required(invocation, Parameter::TargetHostName)?.parse::<HostName>()?,
        target_name: Subject::TargetName
            .iscsi_name(required(invocation, Parameter::TargetName)?)?,
        target_port,
    })
}

/// The grammar has seen to it that a required parameter is there.
fn required(invocation: &Invocation, parameter: Parameter) -> Result<&str, CommandError> {
    invocation
        .value(parameter)
        .ok_or_else(|| CommandError::usage(format!("{} is required", parameter.word()), Vec::new()))
}

fn chap(invocation: &Invocation) -> Result<ChapParameters, ValueError> {
    Ok(ChapParameters {
        name: invocation
            .value(Parameter::InitiatorChapName)
            .map(ChapName::parse)
            .transpose()?,
        secret: invocation
            .value(Parameter::InitiatorChapSecret)
            .map(ChapSecret::parse)
            .transpose()?,
        keystore: invocation
            .value(Parameter::ChapKeystore)
            .map(str::parse::<KeystoreChoice>)
            .transpose()?,
    })
}
