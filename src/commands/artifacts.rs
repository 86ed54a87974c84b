//! `generate`, which prints what packages install, and `complete`, which tells the completion scripts what is configured.

use super::host::open_store;
use super::terminal::Terminal;
use crate::cli::{Artifact, HostOptions, NameKind, complete, man};
use crate::error::CommandError;
use crate::render::words::code;
use crate::values::InitiatorName;

/// Prints the man page or a completion script.
pub(super) fn generate(artifact: Artifact, terminal: &mut Terminal) -> Result<(), CommandError> {
    terminal.print(&match artifact {
        Artifact::Man => man::page(&code::listed()),
        Artifact::Bash => complete::bash(),
        Artifact::Zsh => complete::zsh(),
        Artifact::Fish => complete::fish(),
    })
}

/// Prints the configured names of a kind, each once.
pub(super) fn names(
    kind: NameKind,
    host: &HostOptions,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let configuration = open_store(host)?.configuration()?;
    let mut names: Vec<String> = configuration
        .targets
        .iter()
        .map(|target| &target.identity)
        .filter_map(|identity| match (kind, &identity.initiator_name) {
            (NameKind::TargetNames, _) => Some(identity.target_name.to_string()),
            (NameKind::HostNames, _) => Some(identity.target_host_name.to_string()),
            (NameKind::InitiatorNames, InitiatorName::Named(name)) => Some(name.to_string()),
            (NameKind::InitiatorNames, InitiatorName::Generated) => None,
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    terminal.print(
        &names
            .iter()
            .map(|name| format!("{name}\n"))
            .collect::<String>(),
    )
}
