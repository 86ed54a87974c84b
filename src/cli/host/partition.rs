//! The options of `partition`, as typed.

use std::path::PathBuf;

use clap::builder::{EnumValueParser, PossibleValue};
use clap::{Arg, ArgAction, ArgMatches, Command, ValueEnum, value_parser};

/// What to do with the partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartitionAction {
    /// `set`: change it.
    Set,
    /// `export`: write it and its KeyStore to a file.
    Export,
    /// `import`: take it and its KeyStore from a file.
    Import,
}

/// A call of `partition`; what was not typed is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartitionOptions {
    /// What to do; none shows the partition.
    pub action: Option<PartitionAction>,
    /// The file of `export` and `import`.
    pub file: Option<PathBuf>,
    /// `--uuid`, not looked at yet.
    pub uuid: Option<String>,
    /// `--release`, not looked at yet.
    pub release: Option<String>,
    /// `--keystore-size`: capacity in bytes.
    pub keystore_size: Option<u64>,
    /// `--move-to-disk`: credentials may go to disk in plain text.
    pub move_to_disk: bool,
    /// `--passphrase-file`: where the passphrase is.
    pub passphrase_file: Option<PathBuf>,
}

impl ValueEnum for PartitionAction {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Set, Self::Export, Self::Import]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(match self {
            Self::Set => "set",
            Self::Export => "export",
            Self::Import => "import",
        }))
    }
}

impl PartitionOptions {
    pub(super) fn from_matches(matches: &ArgMatches) -> Self {
        Self {
            action: matches.get_one("action").copied(),
            file: matches.get_one::<PathBuf>("file").cloned(),
            uuid: matches.get_one::<String>("uuid").cloned(),
            release: matches.get_one::<String>("release").cloned(),
            keystore_size: matches.get_one("keystore-size").copied(),
            move_to_disk: matches.get_flag("move-to-disk"),
            passphrase_file: matches.get_one::<PathBuf>("passphrase-file").cloned(),
        }
    }
}

/// Returns clap's definition of `partition`.
pub(super) fn command() -> Command {
    Command::new("partition")
        .about("Show or change the partition and its Platform KeyStore, or carry them to another machine")
        .long_about(
            "Without a word behind it, shows the partition: its UUID, default initiator name, release and Platform KeyStore. \
             set changes it. export FILE writes partition and KeyStore to a new file, sealed under a passphrase in the \
             format of age; import FILE takes them from there.",
        )
        .arg(
            Arg::new("action")
                .value_name("ACTION")
                .value_parser(EnumValueParser::<PartitionAction>::new())
                .help("What to do instead of showing it"),
        )
        .arg(
            Arg::new("file")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("The file of export and import"),
        )
        .args([
            Arg::new("uuid")
                .long("uuid")
                .value_name("UUID")
                .help("set: make this the partition's UUID, or none: there is no default initiator name then, as on POWER7"),
            Arg::new("release")
                .long("release")
                .value_name("RELEASE")
                .help("set: the release of IBM i, 7.2 to 7.6 [default: 7.6]; before 7.6 the KeyStore is not used for CHAP"),
            Arg::new("keystore-size")
                .long("keystore-size")
                .value_name("BYTES")
                .value_parser(value_parser!(u64).range(..=crate::cli::host::MAX_KEYSTORE_SIZE))
                .help("set: the capacity of the Platform KeyStore, 4096 as a rule; 0 disables it [default: 0]")
                .long_help("A credential takes 32 bytes and the length of its secret."),
            Arg::new("move-to-disk")
                .long("move-to-disk")
                .action(ArgAction::SetTrue)
                .help("set: let AVAIL credentials that lose their place go to disk in plain text"),
            Arg::new("passphrase-file")
                .long("passphrase-file")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("export, import: read the passphrase from FILE instead of asking for it"),
        ])
}
