//! `iop` and its commands, as typed.

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::{DEVICE_OPTIONS, with_host_options};

/// A command of `iop`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IopCommand {
    /// `run`: re-IPLs and holds the sessions.
    Run {
        /// `--reconnect`: whether a target that is lost, or that failed, is tried again.
        reconnect: bool,
    },
    /// `status`: what the resident IOP says of itself.
    Status,
    /// `stop`: has the resident IOP stop.
    Stop,
}

impl IopCommand {
    pub(super) fn from_matches(matches: &ArgMatches) -> Option<Self> {
        match matches.subcommand()? {
            ("run", matches) => Some(Self::Run {
                reconnect: matches.get_flag("reconnect"),
            }),
            ("status", _) => Some(Self::Status),
            ("stop", _) => Some(Self::Stop),
            _ => None,
        }
    }
}

/// Returns clap's definition of `iop`.
pub(super) fn command() -> Command {
    let asking = ["state-dir", "json", "timeout", "quiet"];
    with_host_options(Command::new("iop"), DEVICE_OPTIONS)
        .about("Hold the sessions with the targets in a resident IOP")
        .long_about(
            "Holds the sessions with the targets, as the IOP of IBM i does. Without a resident IOP each call connects, does its \
             work and logs out. While one runs, -reipliscsiop is done by it, the dumps show what is now, and library and tape \
             commands share its session with each target: several of them at a time, one for each device.",
        )
        .subcommand_required(true)
        .subcommand(
            with_host_options(Command::new("run"), DEVICE_OPTIONS)
                .about("Re-IPL, then hold the sessions until it is stopped")
                .long_about(
                    "Re-IPLs, then holds the sessions in the foreground until SIGTERM, SIGINT or iop stop: status 0. SIGHUP \
                     re-IPLs. There is one for each state directory. It prints a line for each event, the first one being ready \
                     when the re-IPL is done; iscsiswiconfig-json(5) lists the events under IopLine. A session that ends is \
                     LOST until the next re-IPL. Jobs have --lock-timeout to end before a re-IPL and before it stops. To \
                     systemd it tells when it is ready, reloads, works and stops; generate systemd prints a unit.",
                )
                .arg(
                    Arg::new("reconnect")
                        .long("reconnect")
                        .action(ArgAction::SetTrue)
                        .help("Try a target that is lost, or that failed, again after 1, 2, 4 ... 60 seconds"),
                ),
        )
        .subcommand(
            with_host_options(Command::new("status"), &asking)
                .about("Show the targets of the resident IOP, their jobs and the last events")
                .long_about(
                    "Shows for each target of the resident IOP what it is now and since when, what was transferred, how long a \
                     ping takes, the jobs that use its devices, and the last events. Without a resident IOP: status 1.",
                ),
        )
        .subcommand(
            with_host_options(Command::new("stop"), &asking)
                .about("Stop the resident IOP, and wait until it has")
                .long_about(
                    "Stops the resident IOP and waits until it has. Its jobs have the --lock-timeout of iop run to end, then they \
                     are cut, and end with status 4 and what is proven. Without a resident IOP: status 1.",
                ),
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_is_read_with_its_options() {
        let parsed = |words: &[&str]| {
            let matches = command().try_get_matches_from([&["iop"], words].concat())?;
            Ok::<_, clap::Error>(IopCommand::from_matches(&matches))
        };
        let run = |reconnect| Some(IopCommand::Run { reconnect });
        assert_eq!(parsed(&["run"]).unwrap(), run(false));
        assert_eq!(parsed(&["run", "--reconnect"]).unwrap(), run(true));
        assert_eq!(parsed(&["status"]).unwrap(), Some(IopCommand::Status));
        assert_eq!(parsed(&["stop"]).unwrap(), Some(IopCommand::Stop));
        for bad in [
            &[][..],
            &["start"],
            &["status", "--reconnect"],
            &["stop", "now"],
        ] {
            assert!(parsed(bad).is_err(), "{bad:?}");
        }
    }
}
