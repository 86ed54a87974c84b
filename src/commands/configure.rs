//! -addtarget, -changetarget, -removetarget and -clearconfig.

use super::document::{EditedOn, EditedTarget};
use super::terminal::Terminal;
use super::{edit, open_store, print_edit, warn_of_folding};
use crate::cli::{HostOptions, Invocation, Parameter};
use crate::error::{CommandError, ErrorKind};
use crate::iop::config::{ChapParameters, ConfigurationError, EditWarning, Target, TargetIdentity};
use crate::values::{
    ChapName, ChapSecret, HostName, InitiatorName, IscsiName, KeystoreChoice, Port, Subject,
    ValueError,
};

/// `-addtarget`
pub(super) fn add(
    invocation: &Invocation,
    host: &HostOptions,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let identity = identity(invocation)?;
    let chap = chap(invocation)?;
    if let Some(half) = chap.missing_half() {
        // The line itself is at fault, whatever is configured.
        return Err(CommandError {
            kind: ErrorKind::Usage,
            ..ConfigurationError::HalfChap(half).into()
        });
    }
    let (on, (target, warnings)) = edit(host, |configuration, partition| {
        configuration.add(identity, chap, partition)
    })?;
    warn_of_folding(invocation, terminal);
    warn_of_target(&target, &warnings, &on, terminal);
    print_added(invocation, &target, &on, terminal)
}

/// `-changetarget`
pub(super) fn change(
    invocation: &Invocation,
    host: &HostOptions,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let identity = identity(invocation)?;
    let chap = chap(invocation)?;
    if chap.name.is_none() && chap.secret.is_none() && chap.keystore.is_none() {
        return Err(CommandError::usage(
            "-changetarget changes CHAP parameters, and none is given",
            vec![
                "give -initiatorchapname, -initiatorchapsecret or -chapkeystore".to_owned(),
                "to drop CHAP: -removetarget, then -addtarget without CHAP parameters".to_owned(),
            ],
        ));
    }
    let chap_warnings: Vec<_> = (chap.name.iter().flat_map(ChapName::warnings))
        .chain(chap.secret.iter().flat_map(ChapSecret::warnings))
        .collect();
    let (on, target) = edit(host, |configuration, partition| {
        configuration.change(&identity, chap, partition)
    })?;
    warn_of_folding(invocation, terminal);
    for warning in chap_warnings {
        terminal.warn(&warning.to_string());
    }
    print_edit(
        terminal,
        invocation,
        Some(EditedTarget::new(&target, &on)),
        &format!("Changed target {}. {NEXT_RE_IPL}", target.identity),
    )
}

/// `-removetarget`
pub(super) fn remove(
    invocation: &Invocation,
    host: &HostOptions,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let identity = identity(invocation)?;
    let (on, target) = edit(host, |configuration, partition| {
        configuration.remove(&identity, partition)
    })?;
    print_edit(
        terminal,
        invocation,
        Some(EditedTarget::new(&target, &on)),
        &format!("Removed target {}. {NEXT_RE_IPL}", target.identity),
    )
}

/// `-clearconfig`
pub(super) fn clear(
    invocation: &Invocation,
    host: &HostOptions,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let removed = open_store(host)?.edit(|configuration, _| -> Result<_, CommandError> {
        let removed = configuration.targets.len();
        configuration.clear();
        Ok(removed)
    })?;
    let targets = if removed == 1 { "target" } else { "targets" };
    print_edit(
        terminal,
        invocation,
        None,
        &format!("Cleared the configuration: {removed} {targets} removed. {NEXT_RE_IPL}"),
    )
}

/// Prints the target that -addtarget or -commit configured.
pub(super) fn print_added(
    invocation: &Invocation,
    target: &Target,
    on: &EditedOn,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    print_edit(
        terminal,
        invocation,
        Some(EditedTarget::new(target, on)),
        &format!("Added target {}. {NEXT_RE_IPL}", target.identity),
    )
}

/// Warns of what a VTL, or IBM i, may object to in a target that was just configured.
pub(super) fn warn_of_target(
    target: &Target,
    warnings: &[EditWarning],
    on: &EditedOn,
    terminal: &mut Terminal,
) {
    let identity = &target.identity;
    let values = identity
        .initiator_name
        .warnings()
        .into_iter()
        .chain(identity.target_host_name.warnings())
        .chain(identity.target_name.warnings(Subject::TargetName))
        .chain(target.chap.iter().flat_map(|chap| chap.name.warnings()))
        .chain(
            target
                .chap
                .iter()
                .filter_map(|chap| chap.secret())
                .flat_map(ChapSecret::warnings),
        );
    for warning in values {
        terminal.warn(&warning.to_string());
    }
    for EditWarning::SecondInitiator { other } in warnings {
        terminal.warn(&format!(
            "this target logs in as {}, another one as {other}; IBM i has one initiator",
            identity.initiator_name.resolved(on.generated_name.as_ref())
        ));
    }
}

const NEXT_RE_IPL: &str = "It takes effect at the next -reipliscsiop.";

fn identity(invocation: &Invocation) -> Result<TargetIdentity, CommandError> {
    let target_port = match invocation.value(Parameter::TargetPort) {
        Some(port) => port.parse()?,
        None => Port::DEFAULT,
    };
    Ok(TargetIdentity {
        initiator_name: required(invocation, Parameter::InitiatorName)?.parse::<InitiatorName>()?,
        target_host_name: required(invocation, Parameter::TargetHostName)?.parse::<HostName>()?,
        target_name: IscsiName::parse(
            Subject::TargetName,
            required(invocation, Parameter::TargetName)?,
        )?,
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
