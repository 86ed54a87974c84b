//! -newname, -appendname, -setport, -setkeystore and -commit: one target put together across command lines.

use super::terminal::Terminal;
use super::{configure, edit, open_store, print_edit, warn_of_folding};
use crate::cli::{HostOptions, Invocation, Parameter};
use crate::error::{CommandError, staged_host_hint};
use crate::iop::config::{ConfigurationError, StagedParameter, StagedTarget};
use crate::values::{HostName, KeystoreChoice, Port};

/// `-newname`
pub(super) fn new_name(
    invocation: &Invocation,
    host: &HostOptions,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let host_name = edit_staged(host, |staged| {
        // A line with one bad piece stages none: nothing is written then.
        pieces(invocation).try_for_each(|(parameter, piece)| staged.replace(parameter, piece))?;
        Ok(staged.target_host_name().map(str::to_owned))
    })?;
    warn_of_folding(invocation, terminal);
    warn_of_port(invocation, host_name, terminal);
    if invocation.arguments.len() > 1 {
        terminal.warn(
            "several parameters on one -newname are not accepted everywhere; \
             a portable script gives one",
        );
    }
    print_staged(invocation, terminal, "Staged")
}

/// `-appendname`
pub(super) fn append_name(
    invocation: &Invocation,
    host: &HostOptions,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let (appended, host_name) = edit_staged(host, |staged| {
        let mut appended = true;
        for (parameter, piece) in pieces(invocation) {
            appended &= staged.append(parameter, piece)?;
        }
        Ok((appended, staged.target_host_name().map(str::to_owned)))
    })?;
    warn_of_folding(invocation, terminal);
    warn_of_port(invocation, host_name, terminal);
    if !appended {
        terminal.warn(&format!(
            "no {} was staged to append to, so this is its first piece",
            words(invocation)
        ));
    }
    print_staged(invocation, terminal, "Appended to")
}

/// `-setport`
pub(super) fn set_port(
    invocation: &Invocation,
    host: &HostOptions,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let port = invocation
        .value(Parameter::TargetPort)
        .unwrap_or_default()
        .parse::<Port>()?;
    edit_staged(host, |staged| {
        staged.set_port(port);
        Ok(())
    })?;
    print_staged(invocation, terminal, "Staged")
}

/// `-setkeystore`
pub(super) fn set_keystore(
    invocation: &Invocation,
    host: &HostOptions,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let keystore = invocation
        .value(Parameter::ChapKeystore)
        .unwrap_or_default()
        .parse::<KeystoreChoice>()?;
    edit_staged(host, |staged| {
        staged.set_keystore(keystore);
        Ok(())
    })?;
    print_staged(invocation, terminal, "Staged")
}

/// `-commit`
pub(super) fn commit(
    invocation: &Invocation,
    host: &HostOptions,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let (on, (target, warnings)) = edit(host, |configuration, partition| {
        configuration.commit(partition)
    })?;
    configure::warn_of_target(&target, &warnings, &on, terminal);
    configure::print_added(invocation, &target, &on, terminal)
}

/// Warns of a staged host name that holds a port, which -commit refuses.
fn warn_of_port(invocation: &Invocation, staged: Option<String>, terminal: &Terminal) {
    if invocation.value(Parameter::TargetHostName).is_none() {
        return;
    }
    if let Some(error) = staged.and_then(|staged| HostName::with_port(&staged)) {
        let hint = staged_host_hint(&error).unwrap_or_default();
        terminal.warn(&format!("{error}, and -commit will refuse it: {hint}"));
    }
}

/// Edits what is staged, and nothing else.
fn edit_staged<T>(
    host: &HostOptions,
    change: impl FnOnce(&mut StagedTarget) -> Result<T, ConfigurationError>,
) -> Result<T, CommandError> {
    open_store(host)?.edit(|configuration, _| Ok(change(&mut configuration.staged)?))
}

/// Returns the staged parameters that a line names, in its order.
fn pieces(invocation: &Invocation) -> impl Iterator<Item = (StagedParameter, &str)> {
    invocation
        .arguments
        .iter()
        .filter_map(|(parameter, piece)| {
            let staged = match parameter {
                Parameter::InitiatorName => StagedParameter::InitiatorName,
                Parameter::TargetHostName => StagedParameter::TargetHostName,
                Parameter::TargetName => StagedParameter::TargetName,
                Parameter::InitiatorChapName => StagedParameter::ChapName,
                Parameter::InitiatorChapSecret => StagedParameter::ChapSecret,
                Parameter::TargetPort | Parameter::ChapKeystore => return None,
            };
            Some((staged, piece.as_str()))
        })
}

fn print_staged(
    invocation: &Invocation,
    terminal: &mut Terminal,
    verb: &str,
) -> Result<(), CommandError> {
    let text = format!(
        "{verb} {}. -commit configures the target.",
        words(invocation)
    );
    print_edit(terminal, invocation, None, &text)
}

/// Returns the parameters that a line names, as typed.
fn words(invocation: &Invocation) -> String {
    let words: Vec<&str> = invocation
        .arguments
        .iter()
        .map(|(parameter, _)| parameter.word())
        .collect();
    words.join(", ")
}
