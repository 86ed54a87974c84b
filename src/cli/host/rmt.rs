//! `rmt`: its definition for clap.

use std::time::Duration;

use clap::{Arg, ArgMatches, Command, ValueHint};

use super::library::motion_timeout_of;
use super::tape::motion_timeout;
use super::{DEVICE_OPTIONS, with_host_options};

/// What `rmt` takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RmtOptions {
    /// `--motion-timeout`, as for `library`.
    pub motion_timeout: Duration,
}

impl RmtOptions {
    pub(super) fn from_matches(matches: &ArgMatches) -> Self {
        Self {
            motion_timeout: motion_timeout_of(matches),
        }
    }
}

/// Returns clap's definition of `rmt`.
pub(super) fn command() -> Command {
    with_host_options(Command::new("rmt"), DEVICE_OPTIONS)
        .about("Serve the remote tape protocol for tar, cpio, mt and dump")
        .long_about(
            "Serves the remote tape protocol of rmt(8) on standard input and output, so that tar, cpio, mt and dump use the drive \
             TAPnn, with the cartridge that is in it, as a tape device. The drive is opened where its tape stands and is not rewound \
             when it is closed; what was written is ended by a filemark. The host, user and program that a remote shell is given \
             may follow, and are ignored. `generate rsh` prints the script for their --rsh-command.",
        )
        .arg(
            Arg::new("words")
                .value_name("ANYTHING")
                .num_args(0..)
                .trailing_var_arg(true)
                .allow_hyphen_values(true)
                .value_hint(ValueHint::Other)
                .help("What a remote shell is given; ignored"),
        )
        .arg(motion_timeout())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_remote_shell_is_given_is_taken() {
        for words in [
            &[][..],
            &["127.0.0.1", "/etc/rmt"],
            &["--", "-l", "user", "host", "rmt"],
            &["host", "-l", "user", "-v", "--json", "/usr/sbin/rmt"],
        ] {
            let matches = command()
                .try_get_matches_from(std::iter::once(&"rmt").chain(words))
                .unwrap();
            assert!(!matches.get_flag("json"), "{words:?}");
        }
        let matches = command().try_get_matches_from(["rmt", "--motion-timeout", "5", "host"]);
        let options = RmtOptions::from_matches(&matches.unwrap());
        assert_eq!(options.motion_timeout, Duration::from_secs(5));
    }
}
