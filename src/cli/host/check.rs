//! `check`, as typed.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint, value_parser};

use super::{DEVICE_OPTIONS, with_host_options};

/// What `check` takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckOptions {
    /// The name of the configured targets to check; all of them without it.
    pub target_name: Option<String>,
    /// `--tape-alert`: the flags are read, which clears them.
    pub tape_alert: bool,
    /// `--report`: where a page with the findings is written.
    pub report: Option<PathBuf>,
}

impl CheckOptions {
    pub(super) fn from_matches(matches: &ArgMatches) -> Self {
        Self {
            target_name: matches.get_one::<String>("target-name").cloned(),
            tape_alert: matches.get_flag("tape-alert"),
            report: matches.get_one("report").cloned(),
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
             reservation, no configuration and nothing that is active. A target sees four logins at most, a second apart, and none where a resident IOP holds the session: where \
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
            Arg::new("report")
                .long("report")
                .value_name("FILE.html")
                .value_parser(value_parser!(PathBuf))
                .value_hint(ValueHint::FilePath)
                .help("Write a page with all findings to FILE.html, for the VTL's administrator")
                .long_help(
                    "Write a page with all findings to FILE.html, for the administrator of the VTL: one file that fetches and runs \
                     nothing, and holds no secret. A report that is there is replaced.",
                ),
        ])
}
