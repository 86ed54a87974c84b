//! `tape` and its commands, as typed.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::builder::{OsStringValueParser, TypedValueParser as _};
use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint, value_parser};

use super::{DEVICE_OPTIONS, timeout, with_host_options};
use crate::values::Size;

/// Length of the blocks that `tape write` writes, and the longest that `tape read` expects, unless told.
pub const DEFAULT_BLOCK_SIZE: u32 = 256 << 10;

/// The longest block that a READ(6) or WRITE(6) can carry.
pub const MAX_BLOCK_SIZE: u32 = 0x00ff_ffff;

/// The longest that a command which moves a medium or winds a tape may take, unless told.
pub const DEFAULT_MOTION_TIMEOUT: Duration = Duration::from_secs(1800);

/// A command of `tape`, and what all of them take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TapeOptions {
    /// What is to be done.
    pub action: TapeAction,
    /// `--motion-timeout`: the longest that a command may take that moves a medium or winds a tape; never zero.
    pub motion_timeout: Duration,
}

/// What a `tape` command does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TapeAction {
    /// `write`: writes a file or standard input as a tape file.
    Write(TapeWrite),
    /// `read`: reads a tape file.
    Read(TapeRead),
    /// `copy`: copies a whole tape.
    Copy(TapeCopy),
    /// `test`: writes a pattern, reads it back and compares.
    Test(TapeTest),
    /// `list`: says what is on a cartridge.
    List(CartridgeArguments),
    /// `initialize`: writes a volume label.
    Initialize {
        /// On which cartridge.
        cartridge: CartridgeArguments,
        /// `--volume-id`, not parsed yet.
        volume_id: String,
        /// `--overwrite`: what is on the cartridge may go.
        overwrite: bool,
    },
    /// `erase`: erases a cartridge.
    Erase {
        /// Which cartridge.
        cartridge: CartridgeArguments,
        /// `--overwrite`: what is on the cartridge may go.
        overwrite: bool,
    },
    /// `status`: says what a drive, or every loaded drive of a library, has and where its tape stands.
    Status {
        /// Device name.
        device: String,
    },
    /// `rewind`: rewinds the tape of a drive, or of every loaded drive of a library.
    Rewind {
        /// Device name.
        device: String,
    },
}

/// A cartridge, and the drive to use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CartridgeArguments {
    /// Name of the library.
    pub library: String,
    /// Barcode, its first six characters, or an element address.
    pub volume: String,
    /// `--drive`: the drive to mount it in; any free one without it.
    pub drive: Option<String>,
}

/// What `tape write` takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TapeWrite {
    /// Where to write.
    pub cartridge: CartridgeArguments,
    /// What to write; standard input when it is none or `-`.
    pub file: Option<PathBuf>,
    /// `--block-size`, in bytes.
    pub block_size: u32,
    /// `--file`: number of the tape file, from 1.
    pub number: Option<u64>,
    /// `--append`: behind the last tape file.
    pub append: bool,
    /// `--overwrite`: what is on the cartridge may go.
    pub overwrite: bool,
}

/// What `tape read` takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TapeRead {
    /// Where to read.
    pub cartridge: CartridgeArguments,
    /// Where to put it; standard output when it is none or `-`.
    pub file: Option<PathBuf>,
    /// `--block-size`: the longest block that is expected, in bytes.
    pub block_size: u32,
    /// `--file`: number of the tape file, from 1.
    pub number: u64,
}

/// A side of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Side {
    /// A cartridge.
    Cartridge {
        /// Name of the library.
        library: String,
        /// Barcode, its first six characters, or an element address.
        volume: String,
    },
    /// A SIMH .tap file.
    File(PathBuf),
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cartridge { library, volume } => write!(f, "{library}:{volume}"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// What `tape copy` takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TapeCopy {
    /// What to copy.
    pub from: Side,
    /// Where to copy it to.
    pub to: Side,
    /// `--overwrite`: what is there may go.
    pub overwrite: bool,
    /// `--via`: a temporary file between the two, for a library with one free drive.
    pub via: Option<PathBuf>,
}

/// What `tape test` takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TapeTest {
    /// The cartridge to try.
    pub cartridge: CartridgeArguments,
    /// `--size`: bytes to write and read.
    pub size: u64,
    /// `--block-size`, in bytes.
    pub block_size: u32,
    /// `--overwrite`: what is on the cartridge may go.
    pub overwrite: bool,
}

impl TapeOptions {
    pub(super) fn from_matches(matches: &ArgMatches) -> Option<Self> {
        let (name, matches) = matches.subcommand()?;
        let cartridge = || CartridgeArguments::from_matches(matches);
        let overwrite = || matches.get_flag("overwrite");
        let device = || text(matches, "device");
        let action = match name {
            "write" => TapeAction::Write(TapeWrite {
                cartridge: cartridge(),
                file: named_file(matches),
                block_size: block_size_of(matches),
                number: matches.get_one("file").copied(),
                append: matches.get_flag("append"),
                overwrite: overwrite(),
            }),
            "read" => TapeAction::Read(TapeRead {
                cartridge: cartridge(),
                file: named_file(matches),
                block_size: block_size_of(matches),
                number: matches.get_one("file").copied().unwrap_or(1),
            }),
            "copy" => TapeAction::Copy(TapeCopy {
                from: matches.get_one::<Side>("from")?.clone(),
                to: matches.get_one::<Side>("to")?.clone(),
                overwrite: overwrite(),
                via: matches.get_one::<PathBuf>("via").cloned(),
            }),
            "test" => TapeAction::Test(TapeTest {
                cartridge: cartridge(),
                size: matches.get_one("size").copied()?,
                block_size: block_size_of(matches),
                overwrite: overwrite(),
            }),
            "list" => TapeAction::List(cartridge()),
            "initialize" => TapeAction::Initialize {
                cartridge: cartridge(),
                volume_id: text(matches, "volume-id"),
                overwrite: overwrite(),
            },
            "erase" => TapeAction::Erase {
                cartridge: cartridge(),
                overwrite: overwrite(),
            },
            "status" => TapeAction::Status { device: device() },
            "rewind" => TapeAction::Rewind { device: device() },
            _ => return None,
        };
        Some(Self {
            action,
            motion_timeout: matches
                .get_one("motion-timeout")
                .copied()
                .unwrap_or(DEFAULT_MOTION_TIMEOUT),
        })
    }
}

impl CartridgeArguments {
    fn from_matches(matches: &ArgMatches) -> Self {
        Self {
            library: text(matches, "library"),
            volume: text(matches, "volume"),
            drive: matches.get_one::<String>("drive").cloned(),
        }
    }
}

fn text(matches: &ArgMatches, name: &str) -> String {
    matches.get_one::<String>(name).cloned().unwrap_or_default()
}

fn named_file(matches: &ArgMatches) -> Option<PathBuf> {
    matches
        .get_one::<PathBuf>("path")
        .filter(|path| path.as_os_str() != "-")
        .cloned()
}

fn block_size_of(matches: &ArgMatches) -> u32 {
    matches
        .get_one("block-size")
        .copied()
        .unwrap_or(DEFAULT_BLOCK_SIZE)
}

/// Returns clap's definition of `tape`.
pub(super) fn command() -> Command {
    let command = |name| with_host_options(Command::new(name), DEVICE_OPTIONS);
    let overwrite = || {
        Arg::new("overwrite")
            .long("overwrite")
            .action(ArgAction::SetTrue)
            .help("Overwrite what is on the cartridge")
    };
    command("tape")
        .about("Write, read and look at the tapes of a library")
        .long_about(
            "Writes, reads and looks at the tapes of a library that the last re-IPL found. A cartridge that is not in a drive \
             is mounted, and put back when the command is done.",
        )
        .subcommand_required(true)
        .subcommand(
            command("write")
                .about("Write a file, or standard input, as a tape file")
                .long_about(
                    "Writes a file, or standard input, as a tape file: blocks of one length, the last one as short as it \
                     comes, then a filemark. It is done when the drive has all of it on the medium. A volume label (VOL1) at \
                     the beginning of the tape stays. The end of the medium ends the command with status 1; what is on the \
                     tape is said, and is whole blocks and a filemark.",
                )
                .args(cartridge_arguments())
                .arg(
                    path()
                        .help("The file to write; - or nothing is standard input"),
                )
                .arg(block_size(
                    "Write blocks of SIZE bytes, 16777215 at most [default: 256KiB]",
                ))
                .arg(
                    number()
                        .help("Write tape file N, the first one being 1, and end the tape behind it")
                        .conflicts_with("append"),
                )
                .arg(
                    Arg::new("append")
                        .long("append")
                        .action(ArgAction::SetTrue)
                        .help("Write behind the last tape file"),
                )
                .arg(overwrite())
                .arg(drive())
                .arg(motion_timeout()),
        )
        .subcommand(
            command("read")
                .about("Read a tape file, to a file or standard output")
                .long_about(
                    "Reads a tape file up to its filemark, to a file or standard output. A volume label (VOL1) at the \
                     beginning of the tape is no part of file 1. With standard output for the data, what --json prints goes to \
                     standard error.",
                )
                .args(cartridge_arguments())
                .arg(
                    path()
                        .help("The file to put it in, replaced if it exists; - or nothing is standard output"),
                )
                .arg(block_size(
                    "Expect blocks of at most SIZE bytes; a longer one is an error [default: 256KiB]",
                ))
                .arg(number().help("Read tape file N [default: 1]"))
                .arg(drive())
                .arg(motion_timeout()),
        )
        .subcommand(
            command("list")
                .about("List the tape files of a cartridge, with their blocks and labels")
                .args(cartridge_arguments())
                .arg(drive())
                .arg(motion_timeout()),
        )
        .subcommand(
            command("copy")
                .about("Copy a whole tape, between cartridges and SIMH .tap files")
                .long_about(
                    "Copies a tape block for block and filemark for filemark: from a cartridge to another one, in this library \
                     or in another, or from or to a SIMH .tap file. Both sides are counted then. A copy from cartridge to \
                     cartridge takes two drives; with one drive --via goes through a temporary file.",
                )
                .arg(side("from", "FROM").help("What to copy: TAPMLBnn:VOLUME, or a file whose name ends in .tap"))
                .arg(side("to", "TO").help("Where to copy it to: TAPMLBnn:VOLUME, or a file whose name ends in .tap"))
                .arg(overwrite().help("Replace what is on the cartridge, or in the file, that is copied to"))
                .arg(
                    Arg::new("via")
                        .long("via")
                        .value_name("FILE")
                        .value_parser(value_parser!(PathBuf))
                        .value_hint(ValueHint::FilePath)
                        .help("Copy through FILE, which must not exist and is removed when all is copied"),
                )
                .arg(motion_timeout()),
        )
        .subcommand(
            command("test")
                .about("Write a pattern, read it back, compare, and measure")
                .long_about(
                    "Writes a pattern that does not compress as file 1 of a cartridge, reads it back and compares. It tells the \
                     throughput of both directions, how long the commands took (the latencies that 50, 90, 99 and 100 percent of \
                     them did not exceed), a verdict, and what limited the speed: the command window, the round trip, or the \
                     target. A volume label stays; the pattern stays on the cartridge.",
                )
                .args(cartridge_arguments())
                .arg(
                    Arg::new("size")
                        .long("size")
                        .value_name("SIZE")
                        .required(true)
                        .value_parser(parse_some)
                        .help("Write and read SIZE bytes, such as 10GB"),
                )
                .arg(block_size(
                    "Write blocks of SIZE bytes, 16777215 at most [default: 256KiB]",
                ))
                .arg(overwrite())
                .arg(drive())
                .arg(motion_timeout()),
        )
        .subcommand(
            command("initialize")
                .about("Write a volume label (VOL1, EBCDIC) at the beginning of a cartridge")
                .args(cartridge_arguments())
                .arg(
                    Arg::new("volume-id")
                        .long("volume-id")
                        .value_name("ID")
                        .required(true)
                        .help("Volume identifier, one to six of A-Z, 0-9, $, @ and #"),
                )
                .arg(overwrite())
                .arg(drive())
                .arg(motion_timeout()),
        )
        .subcommand(
            command("status")
                .about("Say what a drive holds, and where its tape stands")
                .arg(device())
                .arg(motion_timeout()),
        )
        .subcommand(
            command("rewind")
                .about("Rewind the tape of a drive, or of every loaded drive of a library")
                .arg(device())
                .arg(motion_timeout()),
        )
        .subcommand(
            command("erase")
                .about("Erase a cartridge")
                .args(cartridge_arguments())
                .arg(overwrite())
                .arg(drive())
                .arg(motion_timeout()),
        )
}

fn cartridge_arguments() -> [Arg; 2] {
    [
        Arg::new("library")
            .value_name("TAPMLBnn")
            .required(true)
            .help("The library"),
        Arg::new("volume")
            .value_name("VOLUME")
            .required(true)
            .help("Barcode of the cartridge, or its first six characters; its element address where it has none"),
    ]
}

fn device() -> Arg {
    Arg::new("device")
        .value_name("TAPMLBnn|TAPnn")
        .required(true)
        .help("A drive, or a library for all of its loaded drives")
}

fn path() -> Arg {
    Arg::new("path")
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .value_hint(ValueHint::FilePath)
}

fn number() -> Arg {
    Arg::new("file")
        .long("file")
        .value_name("N")
        .value_parser(value_parser!(u64).range(1..))
}

fn block_size(help: &'static str) -> Arg {
    Arg::new("block-size")
        .long("block-size")
        .value_name("SIZE")
        .value_parser(parse_block_size)
        .help(help)
}

fn drive() -> Arg {
    Arg::new("drive")
        .long("drive")
        .value_name("TAPnn")
        .help("Mount the cartridge in this drive instead of the first free one")
}

/// Returns `--motion-timeout`.
pub(super) fn motion_timeout() -> Arg {
    Arg::new("motion-timeout")
        .long("motion-timeout")
        .value_name("SECONDS")
        .value_parser(timeout)
        .help(format!(
            "Let a command that moves a cartridge or winds a tape take SECONDS [default: {}]",
            DEFAULT_MOTION_TIMEOUT.as_secs()
        ))
}

fn side(name: &'static str, value_name: &'static str) -> Arg {
    Arg::new(name)
        .value_name(value_name)
        .required(true)
        .value_parser(OsStringValueParser::new().try_map(|typed| parse_side(&typed)))
        .value_hint(ValueHint::FilePath)
}

fn parse_side(typed: &OsStr) -> Result<Side, &'static str> {
    let path = Path::new(typed);
    let is_tap = |end: &OsStr| end.eq_ignore_ascii_case("tap");
    if path.extension().is_some_and(is_tap) {
        return Ok(Side::File(path.to_owned()));
    }
    match typed.to_str().and_then(|typed| typed.split_once(':')) {
        Some((library, volume)) if !library.is_empty() && !volume.is_empty() => {
            Ok(Side::Cartridge {
                library: library.to_owned(),
                volume: volume.to_owned(),
            })
        }
        _ => Err("it is neither TAPMLBnn:VOLUME nor the name of a file that ends in .tap"),
    }
}

fn parse_some(typed: &str) -> Result<u64, String> {
    let size = Size::parse_some(typed).map_err(|error| error.to_string())?;
    Ok(size.bytes())
}

fn parse_block_size(typed: &str) -> Result<u32, String> {
    let size = Size::parse_some(typed).map_err(|error| error.to_string())?;
    u32::try_from(size.bytes())
        .ok()
        .filter(|size| *size <= MAX_BLOCK_SIZE)
        .ok_or_else(|| format!("it must not be more than {MAX_BLOCK_SIZE}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<TapeOptions, clap::Error> {
        let matches = command().try_get_matches_from(std::iter::once(&"tape").chain(words))?;
        Ok(TapeOptions::from_matches(&matches).unwrap())
    }

    fn cartridge(drive: Option<&str>) -> CartridgeArguments {
        CartridgeArguments {
            library: "TAPMLB01".to_owned(),
            volume: "VOL001".to_owned(),
            drive: drive.map(str::to_owned),
        }
    }

    #[test]
    fn write_and_read_have_defaults() {
        let options = parsed(&["write", "TAPMLB01", "VOL001"]).unwrap();
        assert_eq!(options.motion_timeout, DEFAULT_MOTION_TIMEOUT);
        assert_eq!(
            options.action,
            TapeAction::Write(TapeWrite {
                cartridge: cartridge(None),
                file: None,
                block_size: 262_144,
                number: None,
                append: false,
                overwrite: false,
            })
        );
        let words = [
            "read",
            "TAPMLB01",
            "VOL001",
            "-",
            "--file=3",
            "--block-size=1MiB",
            "--drive=TAP02",
            "--motion-timeout=60",
        ];
        let options = parsed(&words).unwrap();
        assert_eq!(options.motion_timeout, Duration::from_secs(60));
        assert_eq!(
            options.action,
            TapeAction::Read(TapeRead {
                cartridge: cartridge(Some("TAP02")),
                file: None,
                block_size: 1 << 20,
                number: 3,
            })
        );
    }

    #[test]
    fn a_side_of_a_copy_is_a_cartridge_or_a_tap_file() {
        let sides = |from, to| match parsed(&["copy", from, to]).unwrap().action {
            TapeAction::Copy(copy) => (copy.from, copy.to),
            other => panic!("{other:?}"),
        };
        let cartridge = |volume: &str| Side::Cartridge {
            library: "TAPMLB01".to_owned(),
            volume: volume.to_owned(),
        };
        assert_eq!(
            sides("TAPMLB01:VOL001", "dir:x/a.TAP"),
            (cartridge("VOL001"), Side::File("dir:x/a.TAP".into()))
        );
        assert_eq!(
            sides("TAPMLB01:1025", "TAPMLB01:VOL.2"),
            (cartridge("1025"), cartridge("VOL.2"))
        );
        for wrong in ["TAPMLB01", "TAPMLB01:", ":VOL001", "file", ".tap", ""] {
            assert!(parsed(&["copy", wrong, "a.tap"]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        for words in [
            &[][..],
            &["write", "TAPMLB01"],
            &["write", "TAPMLB01", "VOL001", "--file=0"],
            &["write", "TAPMLB01", "VOL001", "--file=1", "--append"],
            &["write", "TAPMLB01", "VOL001", "--block-size=0"],
            &["write", "TAPMLB01", "VOL001", "--block-size=16MiB"],
            &["read", "TAPMLB01", "VOL001", "--append"],
            &["initialize", "TAPMLB01", "VOL001"],
            &["copy", "a.tap"],
            &["copy", "TAPMLB01:VOL001", "a.tap", "--drive=TAP01"],
            &["test", "TAPMLB01", "VOL001"],
            &["test", "TAPMLB01", "VOL001", "--size=0"],
            &["test", "TAPMLB01", "VOL001", "--size=-1"],
            &["status"],
            &["rewind", "TAP01", "VOL001"],
        ] {
            assert!(parsed(words).is_err(), "{words:?}");
        }
        assert!(parsed(&["write", "TAPMLB01", "VOL001", "--block-size=16777215"]).is_ok());
    }
}
