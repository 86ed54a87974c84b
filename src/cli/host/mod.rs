//! The host side of the command line: GNU style options and commands, defined once for clap.
//!
//! To add a command: a variant of [`HostCommand`], a function that returns its [`clap::Command`], and an arm in
//! `HostCommand::from_matches`. Help, man page and completion scripts walk [`definition`].

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{EnumValueParser, PossibleValue};
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, ValueEnum, ValueHint, value_parser};
use thiserror::Error;

mod check;
mod configured;
mod d_mode;
mod discover;
mod fault;
mod iop;
mod library;
mod partition;
mod report;
mod rmt;
mod sql;
mod tape;
mod vtl;

pub use check::CheckOptions;
pub use configured::ApplyOptions;
pub use d_mode::DModeOptions;
pub use discover::DiscoverOptions;
pub(super) use discover::{macro_parameters, take_parameters};
pub use fault::{FaultArgument, FaultOption, RequestedFault};
pub use iop::IopCommand;
pub use library::{LibraryAction, LibraryOptions, MtxOptions, Unmounted};
pub use partition::{PartitionCommand, PartitionFile, PartitionSettings, RELEASES};
pub(super) use report::pasted_word;
pub use rmt::RmtOptions;
pub use sql::SqlOptions;
pub use tape::{
    CartridgeArguments, DEFAULT_BLOCK_SIZE, Side, TapeAction, TapeCopy, TapeOptions, TapeRead,
    TapeTest, TapeWrite,
};
pub use vtl::VtlOptions;

use super::usage::UsageError;

/// The environment variable that names the state directory when `--state-dir` does not.
pub const STATE_DIR_VARIABLE: &str = "ISCSISWICONFIG_STATE_DIR";

/// The environment variable that names the keystore directory when `--keystore-dir` does not.
pub const KEYSTORE_DIR_VARIABLE: &str = "ISCSISWICONFIG_KEYSTORE_DIR";

/// The CHAP algorithms that the initiator offers when `--chap-algorithms` does not say: some targets refuse any other list.
pub const DEFAULT_CHAP_ALGORITHMS: &str = "5";

/// The largest value of `--keystore-size`, in bytes.
pub const MAX_KEYSTORE_SIZE: u64 = 1 << 20;

/// The host options, as typed; a default where nothing was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostOptions {
    /// `--state-dir`: where the state is kept. Without it the environment decides, then the user's default.
    pub state_dir: Option<PathBuf>,
    /// `--keystore-dir`: where the Platform KeyStore is kept; decided as the state directory is.
    pub keystore_dir: Option<PathBuf>,
    /// `--secret-file`: where the value of an `-initiatorchapsecret` without one is; `-` for standard input.
    pub secret_file: Option<PathBuf>,
    /// `--json`: one JSON document on standard output.
    pub json: bool,
    /// `--timeout`: the longest that one phase of attaching a target may take; never zero.
    pub timeout: Duration,
    /// `--lock-timeout`: the longest to wait for a lock; zero for not at all.
    pub lock_timeout: Duration,
    /// `--chap-algorithms`: the list of CHAP algorithms to offer, or to accept, not parsed yet.
    pub chap_algorithms: Option<String>,
    /// `-q`, `--quiet`: no progress and no warnings.
    pub quiet: bool,
    /// `-v`, `--verbose`: how often it was given; 2 shows every PDU, 3 its bytes too.
    pub verbose: u8,
    /// `--trace`: where every PDU goes as a line of JSON.
    pub trace: Option<PathBuf>,
    /// `--pcap`: where every PDU goes as a packet.
    pub pcap: Option<PathBuf>,
}

/// A command of the host side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostCommand {
    /// `demo`: runs the documented lines against a library of its own.
    Demo,
    /// `vtl`: serves a virtual tape library.
    Vtl(Box<VtlOptions>),
    /// `show`: what is configured and staged.
    Show,
    /// `apply`: makes the configured targets what a document says.
    Apply(ApplyOptions),
    /// `partition`: shows or changes the partition.
    Partition(PartitionCommand),
    /// `tape`: writes, reads and looks at tapes.
    Tape(Box<TapeOptions>),
    /// `library`: shows tape libraries, or moves their cartridges.
    Library(Box<LibraryOptions>),
    /// `mtx`: answers as mtx does.
    Mtx(MtxOptions),
    /// `rmt`: serves the remote tape protocol.
    Rmt(RmtOptions),
    /// `sql`: runs statements.
    Sql(SqlOptions),
    /// `d-mode`: what a D-mode IPL from the VTL demands.
    DMode(Box<DModeOptions>),
    /// `check`: finds what stands in the way of the attach.
    Check(CheckOptions),
    /// `discover`: asks a host which targets it has.
    Discover(DiscoverOptions),
    /// `iop`: holds the sessions in a resident IOP.
    Iop(IopCommand),
    /// `generate`: prints a file that packages install.
    Generate(GenerateOptions),
    /// `complete`: prints configured names, one a line, for the completion scripts.
    Complete(NameKind),
}

/// The options of `generate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GenerateOptions {
    /// What to print.
    pub artifact: Artifact,
    /// `--user`: whether the unit is for the service manager of the user.
    pub user: bool,
}

/// What `generate` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Artifact {
    /// The man page of the program.
    Man,
    /// The man page of the documents of `--json`.
    ManJson,
    /// The JSON Schema of the documents of `--json`.
    Schema,
    /// The completion script for bash.
    Bash,
    /// The completion script for zsh.
    Zsh,
    /// The completion script for fish.
    Fish,
    /// The script for `--rsh-command` of tar, cpio and mt.
    Rsh,
    /// The unit of systemd that runs the resident IOP.
    Systemd,
}

/// What `complete` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameKind {
    /// The target names of the configured targets.
    TargetNames,
    /// The initiator names of the configured targets.
    InitiatorNames,
    /// The host names of the configured targets.
    HostNames,
    /// The device names of the libraries that the last re-IPL found.
    Libraries,
    /// The device names of the drives that the last re-IPL found.
    Drives,
    /// Both.
    Devices,
    /// The barcodes of the cartridges that the last re-IPL found in drives.
    Volumes,
    /// The same with their libraries, as `tape copy` takes them: `TAPMLB01:VOL001L8`.
    Cartridges,
}

/// Why a number of seconds is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SecondsError {
    /// Not a decimal number such as 15 or 0.5.
    #[error("not a number of seconds such as 15 or 0.5")]
    NotDecimal,
    /// Zero, where that would mean to give up before anything is tried.
    #[error("it must be more than 0")]
    Zero,
    /// Longer than a day.
    #[error("it must not be more than 86400, a day")]
    TooLong,
}

impl Default for HostOptions {
    fn default() -> Self {
        Self {
            state_dir: None,
            keystore_dir: None,
            secret_file: None,
            json: false,
            timeout: Duration::from_secs(15),
            lock_timeout: Duration::from_secs(10),
            chap_algorithms: None,
            quiet: false,
            verbose: 0,
            trace: None,
            pcap: None,
        }
    }
}

/// Returns clap's definition of the host options and commands.
pub fn definition() -> Command {
    options_only()
        .subcommand(demo_command())
        .subcommand(vtl::command())
        .subcommand(configured::show_command())
        .subcommand(configured::apply_command())
        .subcommand(partition::command())
        .subcommand(tape::command())
        .subcommand(library::command())
        .subcommand(library::mtx_command())
        .subcommand(rmt::command())
        .subcommand(sql::command())
        .subcommand(d_mode::command())
        .subcommand(check::command())
        .subcommand(discover::command())
        .subcommand(iop::command())
        .subcommand(generate_command())
        .subcommand(complete_command())
}

/// Returns clap's definition of the host options alone: all that can stand before a macro option, and less to build.
fn options_only() -> Command {
    Command::new("iscsiswiconfig")
        .disable_help_subcommand(true)
        .disable_version_flag(true)
        .disable_help_flag(true)
        .args_override_self(true)
        .args(options())
}

/// The host options that a command which uses a device honours.
const DEVICE_OPTIONS: &[&str] = &[
    "state-dir",
    "keystore-dir",
    "json",
    "timeout",
    "lock-timeout",
    "chap-algorithms",
    "quiet",
    "verbose",
    "trace",
    "pcap",
];

/// Gives a command the host options, of which its help shows those that it honours.
///
/// The others are accepted as well, so that a wrapper can give them to every command.
fn with_host_options(command: Command, honoured: &[&str]) -> Command {
    let command = command
        .disable_help_flag(true)
        .disable_help_subcommand(true);
    let is_of_another = is_of_another_program(command.get_name());
    command.args(options().into_iter().map(|option| {
        let id = option.get_id().as_str();
        let hidden = id != "help" && !honoured.contains(&id);
        let option = match id == "json" && is_of_another {
            true => option.help("Print an error as one JSON document on standard error"),
            false => option,
        };
        option.hide(hidden)
    }))
}

/// Returns whether a command speaks as another program does, so that its stdout is in the words of that.
fn is_of_another_program(command: &str) -> bool {
    matches!(command, "mtx" | "rmt")
}

/// Returns whether an option is a host option: one that every command accepts.
pub(super) fn is_host_option(option: &Arg) -> bool {
    option.is_global_set()
}

/// Returns what a shell may offer as the value of an option or an argument that takes more than a few words.
pub(super) fn suggestions(option: &Arg) -> &'static [&'static str] {
    match option.get_id().as_str() {
        "chap-algorithms" => &["5", "5,6,7,8"],
        "keystore-size" => &["4096", "64KiB"],
        "block-size" => &["64KiB", "256KiB", "1MiB"],
        "cartridge-size" => &["100MB", "1GiB", "10GiB"],
        "mtx-words" => &["status", "inventory", "load", "unload", "transfer"],
        _ => &[],
    }
}

/// Returns which names a value is one of, by the word that stands for it in help; none when it is no name.
pub(super) fn names_of(argument: &Arg) -> Option<NameKind> {
    kind_of(argument.get_value_names()?.first()?.as_str())
}

/// As [`names_of`], for the second value of an option that takes two.
pub(super) fn second_names_of(argument: &Arg) -> Option<NameKind> {
    kind_of(argument.get_value_names()?.get(1)?.as_str())
}

fn kind_of(value_name: &str) -> Option<NameKind> {
    match value_name {
        "TARGET-NAME" => Some(NameKind::TargetNames),
        "TAPMLBnn" => Some(NameKind::Libraries),
        "TAPnn" => Some(NameKind::Drives),
        "TAPMLBnn|TAPnn" => Some(NameKind::Devices),
        "VOLUME" | "VOLUME|ADDRESS" => Some(NameKind::Volumes),
        "FROM" | "TO" => Some(NameKind::Cartridges),
        _ => None,
    }
}

/// Parses a line of the host side: options, and then a command with its arguments or nothing.
///
/// # Errors
///
/// What clap found wrong, in its words; help that was asked for comes back as `Ok(Parsed::Help)`.
pub(super) fn parse(words: &[OsString]) -> Result<Parsed, UsageError> {
    parse_by(definition(), words)
}

/// Parses the host options before a macro option.
///
/// # Errors
///
/// What clap found wrong, in its words.
pub(super) fn parse_options(words: &[OsString]) -> Result<Parsed, UsageError> {
    parse_by(options_only(), words)
}

fn parse_by(mut definition: Command, words: &[OsString]) -> Result<Parsed, UsageError> {
    let program = OsString::from("iscsiswiconfig");
    let line = std::iter::once(&program).chain(words);
    let matches = definition.try_get_matches_from_mut(line);
    let matches = match matches.and_then(|matches| library::checked(&mut definition, matches)) {
        Ok(matches) => matches,
        Err(error) if error.kind() == ErrorKind::DisplayHelp => {
            return Ok(Parsed::Help {
                path: command_path(&definition, words),
                long: words.iter().any(|word| word == "--help"),
            });
        }
        Err(error) => {
            let path = command_path(&definition, words);
            return Err(report::known_word_behind(&error, words, &path)
                .unwrap_or_else(|| report::usage_error(&error, &path)));
        }
    };
    let command = matches
        .subcommand()
        .and_then(|(name, matches)| HostCommand::from_matches(name, matches));
    Ok(Parsed::Line(HostOptions::from_matches(&matches), command))
}

/// What a line of the host side says.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one, and it is taken apart at once"
)]
pub(super) enum Parsed {
    /// Options, and a command if there was one.
    Line(HostOptions, Option<HostCommand>),
    /// A request for the help of a command.
    Help {
        /// The words that name the command.
        path: Vec<String>,
        /// Whether all of it is asked for.
        long: bool,
    },
}

/// Returns the words that name the command on a line: `partition`, `export`.
fn command_path(definition: &Command, words: &[OsString]) -> Vec<String> {
    CommandWords::of(definition, words).path
}

/// The words of a line that name its command, and those that are its arguments.
struct CommandWords {
    path: Vec<String>,
    /// The arguments behind the command, up to the first option that the command does not have: what follows such a one may be
    /// its value.
    arguments: Vec<String>,
}

impl CommandWords {
    /// Finds them on a line that need not be of the grammar.
    fn of(definition: &Command, words: &[OsString]) -> Self {
        let mut command = definition;
        let mut found = Self {
            path: Vec::new(),
            arguments: Vec::new(),
        };
        let mut is_certain = true;
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let word = word.to_string_lossy();
            if let Some(named) = command.find_subcommand(&*word) {
                found.path.push(word.into_owned());
                command = named;
                (found.arguments, is_certain) = (Vec::new(), true);
            } else if let Some(option) = word.strip_prefix("--") {
                let (name, value) = match option.split_once('=') {
                    Some((name, value)) => (name, Some(value)),
                    None => (option, None),
                };
                let mut options = command.get_arguments();
                match options.find(|option| option.get_long() == Some(name)) {
                    Some(option) if value.is_none() && option.get_action().takes_values() => {
                        words.next();
                    }
                    Some(_) => {}
                    None => is_certain = false,
                }
            } else if word == "-" || !word.starts_with('-') {
                if is_certain {
                    found.arguments.push(word.into_owned());
                }
            } else if !matches!(&*word, "-h" | "-q" | "-v" | "-vv" | "-vvv") {
                is_certain = false;
            }
        }
        found
    }
}

/// Returns whether a line that is not of the grammar is one of a command that has stdout for data: `rmt`, `mtx`, and `tape read`
/// where no FILE is certain.
pub(super) fn has_data_on_stdout(words: &[OsString]) -> bool {
    let words = CommandWords::of(&definition(), words);
    let path: Vec<&str> = words.path.iter().map(String::as_str).collect();
    match path.as_slice() {
        [command] => is_of_another_program(command),
        ["tape", "read"] => words.arguments.get(2).is_none_or(|file| file == "-"),
        _ => false,
    }
}

/// Returns whether the host option `--name` takes a value; `None` when there is no such option.
pub(super) fn takes_value(name: &str) -> Option<bool> {
    match name {
        // Answered before clap is asked, so they are not in its definition.
        "version" => Some(false),
        _ => options()
            .iter()
            .find(|option| option.get_long() == Some(name))
            .map(|option| option.get_action().takes_values()),
    }
}

/// Returns whether the word is a command of the host side.
pub(super) fn is_command(word: &str) -> bool {
    definition()
        .get_subcommands()
        .any(|command| command.get_name() == word)
}

/// Returns the command that a word names, letter case and dashes before it aside.
pub(super) fn command_like(word: &str) -> Option<String> {
    let name = word.trim_start_matches('-').to_ascii_lowercase();
    is_command(&name).then_some(name)
}

impl NameKind {
    /// Returns the word that asks for these names.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::TargetNames => "target-names",
            Self::InitiatorNames => "initiator-names",
            Self::HostNames => "host-names",
            Self::Libraries => "libraries",
            Self::Drives => "drives",
            Self::Devices => "devices",
            Self::Volumes => "volumes",
            Self::Cartridges => "cartridges",
        }
    }
}

impl HostOptions {
    fn from_matches(matches: &ArgMatches) -> Self {
        let default = Self::default();
        let duration = |name| matches.get_one::<Duration>(name).copied();
        Self {
            state_dir: matches.get_one::<PathBuf>("state-dir").cloned(),
            keystore_dir: matches.get_one::<PathBuf>("keystore-dir").cloned(),
            secret_file: matches.get_one::<PathBuf>("secret-file").cloned(),
            json: matches.get_flag("json"),
            timeout: duration("timeout").unwrap_or(default.timeout),
            lock_timeout: duration("lock-timeout").unwrap_or(default.lock_timeout),
            chap_algorithms: matches.get_one::<String>("chap-algorithms").cloned(),
            quiet: matches.get_flag("quiet"),
            verbose: matches.get_count("verbose"),
            trace: matches.get_one::<PathBuf>("trace").cloned(),
            pcap: matches.get_one::<PathBuf>("pcap").cloned(),
        }
    }
}

impl HostCommand {
    fn from_matches(name: &str, matches: &ArgMatches) -> Option<Self> {
        match name {
            "demo" => Some(Self::Demo),
            "vtl" => Some(Self::Vtl(Box::new(VtlOptions::from_matches(matches)))),
            "show" => Some(Self::Show),
            "apply" => Some(Self::Apply(ApplyOptions::from_matches(matches))),
            "partition" => Some(Self::Partition(PartitionCommand::from_matches(matches))),
            "tape" => {
                TapeOptions::from_matches(matches).map(|options| Self::Tape(Box::new(options)))
            }
            "library" => Some(Self::Library(Box::new(LibraryOptions::from_matches(
                matches,
            )))),
            "mtx" => Some(Self::Mtx(MtxOptions::from_matches(matches))),
            "rmt" => Some(Self::Rmt(RmtOptions::from_matches(matches))),
            "sql" => Some(Self::Sql(SqlOptions::from_matches(matches))),
            "d-mode" => Some(Self::DMode(Box::new(DModeOptions::from_matches(matches)))),
            "check" => Some(Self::Check(CheckOptions::from_matches(matches))),
            "discover" => Some(Self::Discover(DiscoverOptions::from_matches(matches))),
            "iop" => IopCommand::from_matches(matches).map(Self::Iop),
            "generate" => {
                let what = matches.get_one("what").copied();
                what.map(|artifact| {
                    Self::Generate(GenerateOptions {
                        artifact,
                        user: matches.get_flag("user"),
                    })
                })
            }
            "complete" => matches.get_one("what").copied().map(Self::Complete),
            _ => None,
        }
    }
}

/// The host options, in the order of the help.
fn options() -> Vec<Arg> {
    let default = HostOptions::default();
    vec![
        Arg::new("state-dir")
            .long("state-dir")
            .value_name("DIR")
            .value_parser(value_parser!(PathBuf))
            .global(true)
            .value_hint(ValueHint::DirPath)
            .help("Keep the configuration in DIR instead of the user's state directory")
            .long_help(format!(
                "Keep the configuration in DIR instead of the user's state directory. The environment variable {STATE_DIR_VARIABLE} does the same where this option is not given."
            )),
        Arg::new("keystore-dir")
            .long("keystore-dir")
            .value_name("DIR")
            .value_parser(value_parser!(PathBuf))
            .global(true)
            .value_hint(ValueHint::DirPath)
            .help("Keep the Platform KeyStore in DIR instead of the user's data directory")
            .long_help(format!(
                "Keep the Platform KeyStore in DIR instead of the user's data directory. The environment variable {KEYSTORE_DIR_VARIABLE} does the same where this option is not given."
            )),
        Arg::new("secret-file")
            .long("secret-file")
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .global(true)
            .value_hint(ValueHint::FilePath)
            .help("Read the value of an -initiatorchapsecret that stands without one from FILE, or from - for standard input")
            .long_help(
                "Read the value of an -initiatorchapsecret that stands without one from FILE, or from - for standard input. One \
                 line end at its end is dropped. A file that group or others can read is refused.",
            ),
        Arg::new("json")
            .long("json")
            .action(ArgAction::SetTrue)
            .global(true)
            .help("Print one JSON document on standard output"),
        Arg::new("timeout")
            .long("timeout")
            .value_name("SECONDS")
            .value_parser(timeout)
            .global(true)
            .help(format!("Give up a phase of a connection after SECONDS [default: {}]", default.timeout.as_secs()))
            .long_help(format!(
                "Give up a phase of a connection after SECONDS [default: {}]. Resolving the host name, connecting, logging in and the answer to a command are such phases; \
                 a target is given up as a whole after four times that. A fraction such as 0.5 is accepted.",
                default.timeout.as_secs()
            )),
        Arg::new("lock-timeout")
            .long("lock-timeout")
            .value_name("SECONDS")
            .value_parser(seconds)
            .global(true)
            .help(format!("Wait SECONDS for another call to finish [default: {}]", default.lock_timeout.as_secs()))
            .long_help(format!(
                "Wait SECONDS for another call to finish [default: {}]. With 0 the lock is tried once.",
                default.lock_timeout.as_secs()
            )),
        Arg::new("chap-algorithms")
            .long("chap-algorithms")
            .value_name("LIST")
            .global(true)
            .help(format!("Offer these CHAP algorithms, in this order [default: {DEFAULT_CHAP_ALGORITHMS}]"))
            .long_help(format!(
                "Offer these CHAP algorithms, in this order [default: {DEFAULT_CHAP_ALGORITHMS}]. Numbers or names with commas between them: 5 or MD5, 6 or SHA1, 7 or SHA-256, 8 or SHA3-256. \
                 Some targets refuse any list but 5. The library that vtl serves accepts these, and all four without the option."
            )),
        Arg::new("quiet")
            .short('q')
            .long("quiet")
            .action(ArgAction::SetTrue)
            .global(true)
            .help("Print no progress and no warnings"),
        Arg::new("verbose")
            .short('v')
            .long("verbose")
            .action(ArgAction::Count)
            .global(true)
            .help("Say more on standard error: -v each step, -vv every PDU by name, -vvv its bytes too")
            .long_help(
                "Say more on standard error, each line with the seconds since the start: -v each step, -vv every PDU by name, \
                 -vvv its bytes too. CHAP responses are masked.",
            ),
        Arg::new("trace")
            .long("trace")
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .global(true)
            .value_hint(ValueHint::FilePath)
            .help("Write every PDU to FILE, a line of JSON each")
            .long_help(
                "Write every PDU to FILE, a line of JSON each, with time, direction, command, status and bytes. CHAP responses \
                 are masked. FILE must not be there yet; only its owner can read it.",
            ),
        Arg::new("pcap")
            .long("pcap")
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .global(true)
            .value_hint(ValueHint::FilePath)
            .help("Write every PDU to FILE, a capture for Wireshark")
            .long_help(
                "Write every PDU to FILE, a capture for Wireshark (pcapng). The TCP/IP headers are made up around the PDUs, with \
                 the true addresses and ports; CHAP responses are masked. FILE must not be there yet; only its owner can read it.",
            ),
        Arg::new("help")
            .short('h')
            .long("help")
            .action(ArgAction::Help)
            .global(true)
            .help("Show help; --help behind a command shows all of it, -OPTION -help explains one macro option"),
    ]
}

fn demo_command() -> Command {
    let honoured = [
        "timeout",
        "chap-algorithms",
        "quiet",
        "verbose",
        "trace",
        "pcap",
    ];
    with_host_options(Command::new("demo"), &honoured)
        .about("Attach a virtual tape library on this machine, step by step")
        .long_about(
            "Runs the documented lines, as typed, against a virtual tape library with CHAP that it serves on this machine \
             meanwhile. Configuration and library are temporary: nothing is left behind.",
        )
}

fn generate_command() -> Command {
    let carried = [
        "state-dir",
        "keystore-dir",
        "timeout",
        "lock-timeout",
        "chap-algorithms",
    ];
    with_host_options(Command::new("generate"), &carried)
        .about("Print a man page, the schema of the documents, a script, or a unit of systemd")
        .long_about(
            "Prints on standard output what packages use: the man page of the program (man), that of the documents of --json \
             (man-json), their JSON Schema (schema), or the completion script for one shell; or with rsh the script that tar, cpio and mt take as --rsh-command to write to the drives of the active configuration. The script has \
             the host options that stand here. With systemd it prints a unit that runs the resident IOP for the user who asks, with \
             that user's state directory and these host options, and with no more rights than it needs.",
        )
        .arg(what::<Artifact>())
        .arg(
            Arg::new("user")
                .long("user")
                .action(ArgAction::SetTrue)
                .help("With systemd: a unit for the user's service manager instead of the system's"),
        )
}

fn complete_command() -> Command {
    with_host_options(Command::new("complete"), &["state-dir"])
        .hide(true)
        .about("Print configured names, one a line, for the completion scripts")
        .arg(what::<NameKind>())
}

fn what<T: ValueEnum + Clone + Send + Sync + 'static>() -> Arg {
    Arg::new("what")
        .value_name("WHAT")
        .required(true)
        .value_parser(EnumValueParser::<T>::new())
        .help("What to print")
}

impl ValueEnum for Artifact {
    fn value_variants<'a>() -> &'a [Self] {
        &[
            Self::Man,
            Self::ManJson,
            Self::Schema,
            Self::Bash,
            Self::Zsh,
            Self::Fish,
            Self::Rsh,
            Self::Systemd,
        ]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(match self {
            Self::Man => "man",
            Self::ManJson => "man-json",
            Self::Schema => "schema",
            Self::Bash => "bash",
            Self::Zsh => "zsh",
            Self::Fish => "fish",
            Self::Rsh => "rsh",
            Self::Systemd => "systemd",
        }))
    }
}

impl ValueEnum for NameKind {
    fn value_variants<'a>() -> &'a [Self] {
        &[
            Self::TargetNames,
            Self::InitiatorNames,
            Self::HostNames,
            Self::Libraries,
            Self::Drives,
            Self::Devices,
            Self::Volumes,
            Self::Cartridges,
        ]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.word()))
    }
}

fn timeout(typed: &str) -> Result<Duration, SecondsError> {
    match seconds(typed)? {
        Duration::ZERO => Err(SecondsError::Zero),
        timeout => Ok(timeout),
    }
}

fn seconds(typed: &str) -> Result<Duration, SecondsError> {
    const DAY: f64 = 86_400.0;

    let is_decimal = !typed.is_empty()
        && typed.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        && typed.bytes().any(|b| b.is_ascii_digit());
    let seconds: f64 = match typed.parse() {
        Ok(seconds) if is_decimal => seconds,
        _ => return Err(SecondsError::NotDecimal),
    };
    if seconds > DAY {
        return Err(SecondsError::TooLong);
    }
    Ok(Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests;
