//! `partition` and its commands, as typed.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint, value_parser};

use super::{MAX_KEYSTORE_SIZE, with_host_options};
use crate::values::Size;

/// A command of `partition`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartitionCommand {
    /// `show`, or nothing behind `partition`: shows it.
    Show,
    /// `set`: changes it.
    Set(PartitionSettings),
    /// `export`: writes it and its KeyStore to a file.
    Export(PartitionFile),
    /// `import`: takes it and its KeyStore from a file.
    Import(PartitionFile),
}

/// The options of `partition set`; what was not typed is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartitionSettings {
    /// `--uuid`, not parsed yet.
    pub uuid: Option<String>,
    /// `--release`, not parsed yet.
    pub release: Option<String>,
    /// `--keystore-size`: capacity of the Platform KeyStore.
    pub keystore_size: Option<Size>,
    /// `--move-to-disk`: credentials may go to disk in plain text.
    pub move_to_disk: bool,
    /// `--forget-devices`: how many re-IPLs must not have seen a device that is forgotten.
    pub forget_devices: Option<u64>,
}

/// What `partition export` and `partition import` take.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartitionFile {
    /// The file.
    pub file: PathBuf,
    /// `--passphrase-file`: where the passphrase is; `-` for standard input.
    pub passphrase_file: Option<PathBuf>,
}

impl PartitionCommand {
    pub(super) fn from_matches(matches: &ArgMatches) -> Self {
        match matches.subcommand() {
            Some(("set", matches)) => Self::Set(PartitionSettings {
                uuid: matches.get_one::<String>("uuid").cloned(),
                release: matches.get_one::<String>("release").cloned(),
                keystore_size: matches.get_one("keystore-size").copied(),
                move_to_disk: matches.get_flag("move-to-disk"),
                forget_devices: matches.get_one("forget-devices").copied(),
            }),
            Some(("export", matches)) => Self::Export(PartitionFile::from_matches(matches)),
            Some(("import", matches)) => Self::Import(PartitionFile::from_matches(matches)),
            _ => Self::Show,
        }
    }
}

impl PartitionFile {
    fn from_matches(matches: &ArgMatches) -> Self {
        Self {
            file: matches
                .get_one::<PathBuf>("file")
                .cloned()
                .unwrap_or_default(),
            passphrase_file: matches.get_one::<PathBuf>("passphrase-file").cloned(),
        }
    }
}

/// The host options that `partition` and its commands honour.
const HONOURED: &[&str] = &["state-dir", "keystore-dir", "json", "lock-timeout", "quiet"];

/// Returns clap's definition of `partition`.
pub(super) fn command() -> Command {
    let command = |name| with_host_options(Command::new(name), HONOURED);
    command("partition")
        .about("Show or change the partition and its Platform KeyStore, or carry them to another machine")
        .long_about(
            "Shows or changes the partition: its UUID, default initiator name, release and Platform KeyStore. Without a \
             command behind it, it shows them.",
        )
        .subcommand(command("show").about("Show UUID, default initiator name, release and Platform KeyStore"))
        .subcommand(
            command("set")
                .about("Change UUID, release or Platform KeyStore, then show them")
                .args([
                    Arg::new("uuid")
                        .long("uuid")
                        .value_name("UUID")
                        .help("UUID of the partition, or none")
                        .long_help(
                            "UUID of the partition, or none: there is no default initiator name then, as on POWER7.",
                        ),
                    Arg::new("release")
                        .long("release")
                        .value_name("RELEASE")
                        .value_parser(PossibleValuesParser::new(RELEASES))
                        .hide_possible_values(true)
                        .help("Release of IBM i, 7.2 to 7.6 [default: 7.6]")
                        .long_help(
                            "Release of IBM i, 7.2 to 7.6 [default: 7.6]. Before 7.6 the KeyStore is not used for CHAP.",
                        ),
                    Arg::new("keystore-size")
                        .long("keystore-size")
                        .value_name("SIZE")
                        .value_parser(keystore_size)
                        .help("Capacity of the Platform KeyStore, such as 4096 or 4KiB; 0 disables it [default: 0]")
                        .long_help(
                            "Capacity of the Platform KeyStore, 4096 as a rule, 1MiB at most; 0 disables it [default: 0]. A \
                             credential takes 32 bytes and the length of its secret. Units with an i count by 1024, those \
                             without by 1000: 4KiB, 4kB.",
                        ),
                    Arg::new("move-to-disk")
                        .long("move-to-disk")
                        .action(ArgAction::SetTrue)
                        .help("Let AVAIL credentials that lose their place go to disk in plain text"),
                    Arg::new("forget-devices")
                        .long("forget-devices")
                        .value_name("COUNT")
                        .value_parser(value_parser!(u64).range(1..))
                        .help("Forget the names of devices that the last COUNT re-IPLs did not see")
                        .long_help(
                            "Forget the names of devices that the last COUNT re-IPLs did not see. Other devices can be given \
                             these names then.",
                        ),
                ]),
        )
        .subcommand(
            command("export")
                .about("Write partition and KeyStore to a new file, sealed under a passphrase")
                .long_about(
                    "Writes partition and KeyStore to a new file, sealed under a passphrase in the format of age, then shows \
                     the partition. A file that exists is never overwritten.",
                )
                .args(file_arguments()),
        )
        .subcommand(
            command("import")
                .about("Take partition and KeyStore from a file that export wrote")
                .long_about(
                    "Takes partition and KeyStore from a file that export wrote, there or on another machine, then shows the \
                     partition.",
                )
                .args(file_arguments()),
        )
}

/// The values of `--release`, the releases of IBM i that have an iSCSI IOP.
pub const RELEASES: [&str; 5] = ["7.2", "7.3", "7.4", "7.5", "7.6"];

fn file_arguments() -> [Arg; 2] {
    [
        Arg::new("file")
            .value_name("FILE")
            .required(true)
            .value_parser(value_parser!(PathBuf))
            .value_hint(ValueHint::FilePath)
            .help("The sealed file"),
        Arg::new("passphrase-file")
            .long("passphrase-file")
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .value_hint(ValueHint::FilePath)
            .help("Read the passphrase from FILE, or from - for standard input, instead of asking for it")
            .long_help(
                "Read the passphrase from FILE, or from - for standard input, instead of asking for it. One line end at its \
                 end is dropped. A file that group or others can read is refused.",
            ),
    ]
}

fn keystore_size(typed: &str) -> Result<Size, String> {
    let size: Size = typed.parse().map_err(|error| format!("{error}"))?;
    match size.bytes() {
        0..=MAX_KEYSTORE_SIZE => Ok(size),
        _ => Err("it must not be more than 1MiB".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<PartitionCommand, clap::Error> {
        let matches = command().try_get_matches_from(std::iter::once(&"partition").chain(words))?;
        Ok(PartitionCommand::from_matches(&matches))
    }

    #[test]
    fn each_command_has_its_own_options() {
        assert_eq!(parsed(&[]).unwrap(), PartitionCommand::Show);
        assert_eq!(parsed(&["show"]).unwrap(), PartitionCommand::Show);
        let set = PartitionSettings {
            uuid: Some("none".to_owned()),
            release: Some("7.5".to_owned()),
            keystore_size: Some("4KiB".parse().unwrap()),
            move_to_disk: true,
            forget_devices: Some(10),
        };
        let words = [
            "set",
            "--uuid=none",
            "--release=7.5",
            "--keystore-size=4096",
            "--move-to-disk",
            "--forget-devices=10",
        ];
        assert_eq!(parsed(&words).unwrap(), PartitionCommand::Set(set));
        let file = PartitionFile {
            file: PathBuf::from("x.age"),
            passphrase_file: Some(PathBuf::from("-")),
        };
        let words = ["export", "x.age", "--passphrase-file", "-"];
        assert_eq!(
            parsed(&words).unwrap(),
            PartitionCommand::Export(file.clone())
        );
        let words = ["import", "--passphrase-file=-", "x.age"];
        assert_eq!(parsed(&words).unwrap(), PartitionCommand::Import(file));
        for words in [
            &["--uuid=none"][..],
            &["show", "x.age"],
            &["set", "x.age"],
            &["set", "--passphrase-file=x"],
            &["export"],
            &["export", "x.age", "--release=7.5"],
        ] {
            assert!(parsed(words).is_err(), "{words:?}");
        }
    }

    #[test]
    fn the_keystore_has_at_most_a_mebibyte() {
        assert_eq!(keystore_size("1MiB").map(Size::bytes), Ok(1 << 20));
        assert_eq!(keystore_size("0").map(Size::bytes), Ok(0));
        assert!(keystore_size("1048577").is_err());
        assert!(keystore_size("-1").is_err());
    }
}
