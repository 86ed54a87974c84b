//! `show` and `apply`, as typed.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint, value_parser};

use super::with_host_options;

/// What `apply` takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApplyOptions {
    /// The document; `-` for standard input.
    pub file: PathBuf,
    /// `--prune`: targets that the document does not name are removed.
    pub prune: bool,
    /// `--dry-run`: nothing is changed.
    pub dry_run: bool,
}

impl ApplyOptions {
    pub(super) fn from_matches(matches: &ArgMatches) -> Self {
        Self {
            file: matches
                .get_one::<PathBuf>("file")
                .cloned()
                .unwrap_or_default(),
            prune: matches.get_flag("prune"),
            dry_run: matches.get_flag("dry-run"),
        }
    }
}

/// Returns clap's definition of `show`.
pub(super) fn show_command() -> Command {
    let honoured = ["state-dir", "keystore-dir", "json", "quiet"];
    with_host_options(Command::new("show"), &honoured)
        .about("Show what is configured and staged, and what the next re-IPL would change")
        .long_about(
            "Shows the configured targets, each with what the next re-IPL makes of it, those that were removed since the last \
             one, and the staged target with what -commit misses. -dumptargets shows what is active.",
        )
}

/// Returns clap's definition of `apply`.
pub(super) fn apply_command() -> Command {
    let honoured = ["state-dir", "keystore-dir", "json", "lock-timeout", "quiet"];
    with_host_options(Command::new("apply"), &honoured)
        .about("Make the configured targets what a document says, in one edit")
        .long_about(
            "Makes the configured targets what a JSON document says, all or nothing: what is missing is added, what differs in \
             CHAP is changed, what is equal is left alone. The document is {\"schema\": 1, \"targets\": [...]}, a target has \
             target_name, target_host_name and, where wanted, target_port, initiator_name and chap: {name, secret or \
             secret_file, keystore}. A relative secret_file is beside the document, for standard input in the current \
             directory.",
        )
        .args([
            Arg::new("file")
                .value_name("FILE")
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .value_hint(ValueHint::FilePath)
                .help("The document, or - for standard input"),
            Arg::new("prune")
                .long("prune")
                .action(ArgAction::SetTrue)
                .help("Remove the targets that the document does not name"),
            Arg::new("dry-run")
                .long("dry-run")
                .action(ArgAction::SetTrue)
                .help("Say what would be changed, and change nothing"),
        ])
}
