//! `library` and its commands, and `mtx`, as typed.

use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint};

use super::tape::{DEFAULT_MOTION_TIMEOUT, motion_timeout};
use super::{DEVICE_OPTIONS, with_host_options};

/// A command of `library`, and what all of them take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LibraryOptions {
    /// What is to be done.
    pub action: LibraryAction,
    /// `--motion-timeout`: the longest that a command may take that moves a medium; never zero.
    pub motion_timeout: Duration,
}

/// What a `library` command does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LibraryAction {
    /// Without a command: shows a library, or every one.
    Show {
        /// Device name.
        library: Option<String>,
    },
    /// `mount`: brings a volume into a drive.
    Mount {
        /// Device name.
        library: String,
        /// The volume.
        volume: String,
        /// `--drive`: into which drive; any free one without it.
        drive: Option<String>,
    },
    /// `unmount`: brings a cartridge from its drive to a slot.
    Unmount {
        /// Device name.
        library: String,
        /// Which cartridge.
        cartridge: Unmounted,
    },
    /// `move`: brings a cartridge to an element.
    Move {
        /// Device name.
        library: String,
        /// Volume or element address.
        cartridge: String,
        /// Element address.
        destination: String,
    },
    /// `export`: brings a volume to an import/export element.
    Export {
        /// Device name.
        library: String,
        /// The volume.
        volume: String,
    },
    /// `import`: brings volumes from import/export elements to slots.
    Import {
        /// Device name.
        library: String,
        /// The volume; all of them without it.
        volume: Option<String>,
    },
    /// `inventory`: has the library look into its elements, then shows it.
    Inventory {
        /// Device name.
        library: String,
    },
}

/// Which cartridge `library unmount` takes out of its drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unmounted {
    /// The one of that volume.
    Volume(String),
    /// `--drive`: the one in that drive.
    Drive(String),
}

/// What `mtx` takes: its own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MtxOptions {
    /// The words behind `mtx`, not parsed yet.
    pub words: Vec<String>,
    /// `--motion-timeout`, as for `library`.
    pub motion_timeout: Duration,
}

impl LibraryOptions {
    pub(super) fn from_matches(matches: &ArgMatches) -> Self {
        let show = || LibraryAction::Show {
            library: optional(matches, "library"),
        };
        let (action, behind) = match matches.subcommand() {
            None => (show(), matches),
            Some((name, matches)) => {
                let library = required(matches, "library");
                let volume = || required(matches, "volume");
                let action = match name {
                    "mount" => LibraryAction::Mount {
                        library,
                        volume: volume(),
                        drive: optional(matches, "drive"),
                    },
                    "unmount" => LibraryAction::Unmount {
                        library,
                        cartridge: match optional(matches, "drive") {
                            Some(drive) => Unmounted::Drive(drive),
                            None => Unmounted::Volume(volume()),
                        },
                    },
                    "move" => LibraryAction::Move {
                        library,
                        cartridge: volume(),
                        destination: required(matches, "destination"),
                    },
                    "export" => LibraryAction::Export {
                        library,
                        volume: volume(),
                    },
                    "import" => LibraryAction::Import {
                        library,
                        volume: optional(matches, "volume"),
                    },
                    _ => LibraryAction::Inventory { library },
                };
                (action, matches)
            }
        };
        Self {
            action,
            // It may stand before the command as well.
            motion_timeout: motion_timeout_of(match behind.contains_id("motion-timeout") {
                true => behind,
                false => matches,
            }),
        }
    }
}

impl MtxOptions {
    pub(super) fn from_matches(matches: &ArgMatches) -> Self {
        // Each library is behind a -f of its own, between the commands where it was typed.
        let mut words: Vec<(usize, &str)> = Vec::new();
        for name in ["library", "mtx-words"] {
            let typed = matches.get_many::<String>(name).into_iter().flatten();
            let indices = matches.indices_of(name).into_iter().flatten();
            for (index, word) in indices.zip(typed) {
                if name == "library" {
                    words.push((index, "-f"));
                }
                words.push((index, word));
            }
        }
        words.sort_by_key(|(index, _)| *index);
        Self {
            words: words.into_iter().map(|(_, word)| word.to_owned()).collect(),
            motion_timeout: motion_timeout_of(matches),
        }
    }
}

fn optional(matches: &ArgMatches, name: &str) -> Option<String> {
    // Not every command of `library` takes every argument.
    matches.try_get_one::<String>(name).ok().flatten().cloned()
}

fn required(matches: &ArgMatches, name: &str) -> String {
    optional(matches, name).unwrap_or_default()
}

pub(super) fn motion_timeout_of(matches: &ArgMatches) -> Duration {
    matches
        .get_one("motion-timeout")
        .copied()
        .unwrap_or(DEFAULT_MOTION_TIMEOUT)
}

/// Refuses a library that is named before a command of `library`, which names it behind.
pub(super) fn checked(
    definition: &mut Command,
    matches: ArgMatches,
) -> Result<ArgMatches, clap::Error> {
    let misplaced = match matches.subcommand() {
        Some(("library", matches)) => optional(matches, "library").zip(matches.subcommand_name()),
        _ => None,
    };
    let Some((library, command)) = misplaced else {
        return Ok(matches);
    };
    let message = format!("'{library}' stands before {command}: it belongs behind it");
    Err(definition.error(ErrorKind::ArgumentConflict, message))
}

/// Returns clap's definition of `library`.
pub(super) fn command() -> Command {
    let command = |name: &'static str, about: &'static str| {
        with_host_options(Command::new(name), DEVICE_OPTIONS)
            .about(about)
            .arg(motion_timeout())
    };
    let library = || {
        Arg::new("library")
            .value_name("TAPMLBnn")
            .value_hint(ValueHint::Other)
            .help("Device name of the library")
    };
    let volume = || {
        Arg::new("volume")
            .value_name("VOLUME")
            .value_hint(ValueHint::Other)
            .help("Barcode or its first six characters; the element address without one")
    };
    let drive = |help: &'static str| {
        Arg::new("drive")
            .long("drive")
            .value_name("TAPnn")
            .value_hint(ValueHint::Other)
            .help(help)
    };
    command("library", "Show the tape libraries, or move their cartridges")
        .long_about(
            "Shows the drives, import/export elements and slots of a tape library with the cartridges in them, or of every library \
             that the last re-IPL found, and moves cartridges.",
        )
        .arg(library())
        .subcommand(
            command("mount", "Bring a volume into a drive")
                .long_about(
                    "Brings a volume into a free drive. When it is in one already, it stays there, which is success.",
                )
                .arg(library().required(true))
                .arg(volume().required(true))
                .arg(drive("Into this drive")),
        )
        .subcommand(
            command("unmount", "Bring a cartridge from its drive to a slot")
                .long_about(
                    "Unloads the drive and brings its cartridge to the slot that it came from, else to the first free one. When it \
                     is in a slot already, it stays there, which is success.",
                )
                .arg(library().required(true))
                .arg(
                    volume()
                        .required_unless_present("drive")
                        .conflicts_with("drive"),
                )
                .arg(drive("The cartridge in this drive")),
        )
        .subcommand(
            command("move", "Bring a cartridge to an element")
                .arg(library().required(true))
                .arg(
                    volume()
                        .value_name("VOLUME|ADDRESS")
                        .required(true)
                        .help("The cartridge: its volume, or its element address"),
                )
                .arg(
                    Arg::new("destination")
                        .value_name("ADDRESS")
                        .required(true)
                        .value_hint(ValueHint::Other)
                        .help("Element address to bring it to, such as 1025 or 0x401"),
                ),
        )
        .subcommand(
            command("export", "Bring a volume to an import/export element")
                .arg(library().required(true))
                .arg(volume().required(true)),
        )
        .subcommand(
            command("import", "Bring volumes from import/export elements to slots")
                .long_about(
                    "Brings a volume from its import/export element to the first free slot; without a volume, all of them.",
                )
                .arg(library().required(true))
                .arg(volume()),
        )
        .subcommand(
            command("inventory", "Have the library look into its elements, then show it")
                .arg(library().required(true)),
        )
}

/// Returns clap's definition of `mtx`.
pub(super) fn mtx_command() -> Command {
    with_host_options(Command::new("mtx"), DEVICE_OPTIONS)
        .about("Answer as mtx does, for the changer scripts of backup programs")
        .long_about(
            "Takes the words of mtx 1.3.12 and answers with its output: status, inventory, load SLOT [DRIVE], unload [SLOT] [DRIVE], \
             transfer SLOT SLOT. Slots count from 1, import/export elements behind storage elements, and drives from 0. Several \
             commands may follow each other; each is for the library that is named before it.",
        )
        .arg(
            Arg::new("library")
                .short('f')
                .value_name("TAPMLBnn")
                .action(ArgAction::Append)
                .value_hint(ValueHint::Other)
                .help("Device name of the library, for the commands behind it"),
        )
        .arg(
            Arg::new("mtx-words")
                .value_name("COMMAND")
                .num_args(0..)
                .value_hint(ValueHint::Other)
                .help("Commands of mtx with their arguments"),
        )
        .arg(motion_timeout())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<LibraryOptions, clap::Error> {
        let matches = command().try_get_matches_from(std::iter::once(&"library").chain(words))?;
        Ok(LibraryOptions::from_matches(&matches))
    }

    #[test]
    fn words_of_mtx_stay_in_their_order_around_each_library() {
        let line = "mtx -f TAPMLB01 load 1 -q -fTAPMLB02 --motion-timeout 5 unload 2 0";
        let matches = mtx_command().args_override_self(true);
        let matches = matches.try_get_matches_from(line.split(' ')).unwrap();
        assert_eq!(
            MtxOptions::from_matches(&matches).words.join(" "),
            "-f TAPMLB01 load 1 -f TAPMLB02 unload 2 0"
        );
    }

    #[test]
    fn each_command_takes_its_own_arguments() {
        let action = |words: &[&str]| parsed(words).unwrap().action;
        let library = || "TAPMLB01".to_owned();
        let volume = || "AB0001".to_owned();
        assert_eq!(action(&[]), LibraryAction::Show { library: None });
        assert_eq!(
            action(&["TAPMLB01"]),
            LibraryAction::Show {
                library: Some(library())
            }
        );
        assert_eq!(
            action(&["mount", "TAPMLB01", "AB0001", "--drive", "TAP01"]),
            LibraryAction::Mount {
                library: library(),
                volume: volume(),
                drive: Some("TAP01".to_owned())
            }
        );
        assert_eq!(
            action(&["unmount", "TAPMLB01", "--drive=TAP01"]),
            LibraryAction::Unmount {
                library: library(),
                cartridge: Unmounted::Drive("TAP01".to_owned())
            }
        );
        assert_eq!(
            action(&["move", "TAPMLB01", "AB0001", "1025"]),
            LibraryAction::Move {
                library: library(),
                cartridge: volume(),
                destination: "1025".to_owned()
            }
        );
        assert_eq!(
            action(&["import", "TAPMLB01"]),
            LibraryAction::Import {
                library: library(),
                volume: None
            }
        );
        let options = parsed(&["inventory", "TAPMLB01", "--motion-timeout=5"]).unwrap();
        assert_eq!(options.motion_timeout, Duration::from_secs(5));
        for words in [
            &["mount", "TAPMLB01"][..],
            &["unmount", "TAPMLB01"],
            &["unmount", "TAPMLB01", "AB0001", "--drive", "TAP01"],
            &["move", "TAPMLB01", "AB0001"],
            &["export", "TAPMLB01"],
            &["inventory"],
            &["inventory", "TAPMLB01", "--motion-timeout=0"],
            &["TAPMLB01", "AB0001"],
        ] {
            assert!(parsed(words).is_err(), "{words:?}");
        }
    }
}
