//! `check`, as typed.

use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint};

use super::{DEVICE_OPTIONS, with_host_options};

/// What `check` takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckOptions {
    /// The name of the configured targets to check; all of them without it.
    pub target_name: Option<String>,
    /// `--tape-alert`: the flags are read, which clears them.
    pub tape_alert: bool,
}

impl CheckOptions {
    pub(super) fn from_matches(matches: &ArgMatches) -> Self {
        Self {
            target_name: matches.get_one::<String>("target-name").cloned(),
            tape_alert: matches.get_flag("tape-alert"),
        }
    }
}

/// Returns clap's definition of `check`.
pub(super) fn command() -> Command {
    with_host_options(Command::new("check"), DEVICE_OPTIONS)
        .about("Find what stands in the way of attaching the configured targets, without changing anything")
        .long_about(
            "Looks at the configured targets as IBM i would meet them, and lists findings by area: the network, the names, the \
             login, the library, its drives, security and speed. It reads only: it moves nothing and changes no mode page, no \
             reservation, no configuration and nothing that is active. A target sees four logins at most, a second apart: where \
             the CHAP name and secret are refused, they are tried in lower case. Warnings and failures have a line each, the \
             worst first; with -v every finding is told, with why IBM i cares and on whose word. The ids are listed below under \
             FINDINGS. Status 0 when nothing failed, 4 otherwise, 1 when no target is configured.",
        )
        .args([
            Arg::new("target-name")
                .value_name("TARGET-NAME")
                .value_hint(ValueHint::Other)
                .help("The configured target to check; all of them without it"),
            Arg::new("tape-alert")
                .long("tape-alert")
                .action(ArgAction::SetTrue)
                .help("Read the TapeAlert flags of the drives, which clears them"),
        ])
}
