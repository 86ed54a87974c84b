//! `sql`, as typed.

use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint};

use super::{DEVICE_OPTIONS, with_host_options};

/// What `sql` takes.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SqlOptions {
    /// The statements; standard input without any.
    pub statements: Vec<String>,
    /// `--csv`: results as comma-separated values.
    pub csv: bool,
}

/// A statement may hold a secret, so `Debug` does not show it.
impl std::fmt::Debug for SqlOptions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("SqlOptions")
            .field("statements", &self.statements.len())
            .field("csv", &self.csv)
            .finish()
    }
}

impl SqlOptions {
    pub(super) fn from_matches(matches: &ArgMatches) -> Self {
        let statements = matches.get_many::<String>("statement");
        Self {
            statements: statements.into_iter().flatten().cloned().collect(),
            csv: matches.get_flag("csv"),
        }
    }
}

/// Returns clap's definition of `sql`.
pub(super) fn command() -> Command {
    let honoured = [DEVICE_OPTIONS, &["secret-file"]].concat();
    with_host_options(Command::new("sql"), &honoured)
        .about("Run the SQL services of IBM i: CALL configures, SELECT shows")
        .long_about(
            "Runs statements from the command line, or from standard input, each ended by a semicolon; the last one may do \
             without. CALL QSYS2.ADD_ISCSI_TARGET and QSYS2.CHANGE_ISCSI_TARGET (TARGET_NAME, TARGET_HOST_NAME, TARGET_PORT, \
             INITIATOR_NAME, INITIATOR_CHAP_NAME, INITIATOR_CHAP_SECRET, CHAP_KEYSTORE), QSYS2.REMOVE_ISCSI_TARGET (TARGET_NAME, \
             TARGET_HOST_NAME, TARGET_PORT, INITIATOR_NAME) and QSYS2.CHANGE_IOP (IOP => 'ISCSI', OPTION => 'IPL') take \
             arguments by name or by position, and DEFAULT. INITIATOR_NAME is the system generated name unless given, TARGET_PORT \
             3260; REMOVE_ISCSI_TARGET needs no host name; a CHAP secret has 12 characters at least. INITIATOR_CHAP_SECRET => ? \
             takes the secret from --secret-file. SELECT, WITH and VALUES ask QSYS2.ISCSI_INFO and QSYS2.MEDIA_LIBRARY_INFO in an \
             embedded engine that is not Db2; README lists known differences. The parameters of the procedures, and of the columns \
             of ISCSI_INFO only TARGET_NAME, INITIATOR_NAME and TARGET_STATUS, are second-hand; CHAP_KEYSTORE and the other columns \
             are our own. A statement that fails stops the script, and those before it stay done: status 1 when it is refused, 2 \
             when it is not SQL or has a wrong parameter. Status 4 when a target failed at CHANGE_IOP, which does not stop the \
             script.",
        )
        .args([
            Arg::new("statement")
                .value_name("STATEMENT")
                .num_args(0..)
                .value_hint(ValueHint::Other)
                .help("A statement, or several with semicolons between them [default: standard input]"),
            Arg::new("csv")
                .long("csv")
                .action(ArgAction::SetTrue)
                .help("Print results as comma-separated values, NULL as nothing between commas"),
        ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_kept_as_typed_and_not_shown() {
        let matches = command()
            .try_get_matches_from(["sql", "SELECT 'GEHEIM'", "--csv", "b;c"])
            .unwrap();
        let options = SqlOptions::from_matches(&matches);
        assert_eq!(options.statements, ["SELECT 'GEHEIM'", "b;c"]);
        assert!(options.csv);
        assert!(!format!("{options:?}").contains("GEHEIM"));
    }
}
