//! The options of `vtl`, as typed.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint, value_parser};
use thiserror::Error;

use super::fault::{FaultArgument, FaultOption};
use super::with_host_options;
use crate::values::{Port, Size};
use crate::vtl::{DriveType, LibraryConfiguration};

/// What a virtual tape library is to be and where it is served; a default where nothing was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VtlOptions {
    /// `--listen`: the address and port to serve on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// `--target-name`: TargetName.
    pub target_name: String,
    /// `--serial`: the serial number of the library.
    pub serial: String,
    /// `--drives`: how many drives.
    pub drives: u16,
    /// `--drive-type`: LTO5 to LTO9.
    pub drive_type: String,
    /// `--slots`: how many storage elements.
    pub slots: u16,
    /// `--import-export`: how many import/export elements.
    pub import_export: u16,
    /// `--cartridges`: how many cartridges.
    pub cartridges: u16,
    /// `--cartridge-size`: capacity of each, in bytes.
    pub cartridge_size: u64,
    /// `--write-protected`: barcodes of the cartridges whose write-protect tab is set.
    pub write_protected: Vec<String>,
    /// `--media-dir`: where the cartridges are kept; in memory without it.
    pub media_dir: Option<PathBuf>,
    /// `--chap-name`: the CHAP name that an initiator has to give.
    pub chap_name: Option<String>,
    /// `--chap-secret-file`: the file with the CHAP secret.
    pub chap_secret_file: Option<PathBuf>,
    /// `--target-chap-name`: the CHAP name that the target proves to an initiator that asks for it.
    pub target_chap_name: Option<String>,
    /// `--target-chap-secret-file`: the file with the target's own CHAP secret.
    pub target_chap_secret_file: Option<PathBuf>,
    /// `--allow`: the initiators that may log in; all of them when it is empty.
    pub allow: Vec<String>,
    /// `--header-digest`: what is accepted, None, CRC32C or both.
    pub header_digest: Vec<String>,
    /// `--data-digest`: what is accepted, None, CRC32C or both.
    pub data_digest: Vec<String>,
    /// `--max-sessions`: how many sessions at a time.
    pub max_sessions: u16,
    /// `--fault`: what goes wrong.
    pub faults: Vec<FaultOption>,
    /// `--fault help`: nothing is served, and the faults are listed.
    pub lists_faults: bool,
}

impl Default for VtlOptions {
    fn default() -> Self {
        let digests = || ["None", "CRC32C"].map(str::to_owned).to_vec();
        let library = LibraryConfiguration::default();
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], Port::DEFAULT.number())),
            target_name: "iqn.2026-11.internal.iscsiswiconfig:vtl".to_owned(),
            serial: library.serial,
            drives: library.drives,
            drive_type: library.drive_type.name().to_owned(),
            slots: library.slots,
            import_export: library.import_export,
            cartridges: library.cartridges.len().try_into().unwrap_or(u16::MAX),
            cartridge_size: library.cartridge_size,
            write_protected: Vec::new(),
            media_dir: None,
            chap_name: None,
            chap_secret_file: None,
            target_chap_name: None,
            target_chap_secret_file: None,
            allow: Vec::new(),
            header_digest: digests(),
            data_digest: digests(),
            max_sessions: 64,
            faults: Vec::new(),
            lists_faults: false,
        }
    }
}

impl VtlOptions {
    pub(super) fn from_matches(matches: &ArgMatches) -> Self {
        let default = Self::default();
        let number = |name| matches.get_one::<u16>(name).copied();
        let text = |name| matches.get_one::<String>(name).cloned();
        let texts = |name| -> Option<Vec<String>> {
            Some(matches.get_many::<String>(name)?.cloned().collect())
        };
        let faults: Vec<FaultArgument> = matches
            .get_many("fault")
            .map(|faults| faults.cloned().collect())
            .unwrap_or_default();
        let path = |name| matches.get_one::<PathBuf>(name).cloned();
        Self {
            listen: matches.get_one("listen").copied().unwrap_or(default.listen),
            target_name: text("target-name").unwrap_or(default.target_name),
            serial: text("serial").unwrap_or(default.serial),
            drives: number("drives").unwrap_or(default.drives),
            drive_type: text("drive-type").unwrap_or(default.drive_type),
            slots: number("slots").unwrap_or(default.slots),
            import_export: number("import-export").unwrap_or(default.import_export),
            cartridges: number("cartridges").unwrap_or(default.cartridges),
            cartridge_size: matches
                .get_one::<Size>("cartridge-size")
                .map_or(default.cartridge_size, |size| size.bytes()),
            write_protected: texts("write-protected").unwrap_or_default(),
            media_dir: path("media-dir"),
            chap_name: text("chap-name"),
            chap_secret_file: path("chap-secret-file"),
            target_chap_name: text("target-chap-name"),
            target_chap_secret_file: path("target-chap-secret-file"),
            allow: texts("allow").unwrap_or_default(),
            header_digest: texts("header-digest").unwrap_or(default.header_digest),
            data_digest: texts("data-digest").unwrap_or(default.data_digest),
            max_sessions: number("max-sessions").unwrap_or(default.max_sessions),
            lists_faults: faults.contains(&FaultArgument::Help),
            faults: faults
                .into_iter()
                .filter_map(|fault| match fault {
                    FaultArgument::Help => None,
                    FaultArgument::Fault(fault) => Some(fault),
                })
                .collect(),
        }
    }
}

/// Returns clap's definition of `vtl`.
pub(super) fn command() -> Command {
    let honoured = [
        "json",
        "timeout",
        "chap-algorithms",
        "quiet",
        "verbose",
        "trace",
        "pcap",
    ];
    with_host_options(Command::new("vtl"), &honoured)
        .about("Serve a virtual tape library over iSCSI until interrupted")
        .long_about(
            "Serves a virtual tape library that reports as an IBM 3584-403 with LTO drives, to any iSCSI initiator, in the \
             foreground until SIGINT or SIGTERM comes. When it is ready it prints one line on standard output, \
             \"ready: TARGET at ADDR:PORT\", then a line for each login that is attempted, each \
             session that has ended and each cartridge that was moved.",
        )
        .args(arguments())
}

fn arguments() -> Vec<Arg> {
    let default = VtlOptions::default();
    let option = |name: &'static str, value: &'static str, help: String| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    let number = |name, value, what: &str, default: u16| {
        option(name, value, format!("{what} [default: {default}]")).value_parser(value_parser!(u16))
    };
    let digest = |name, what: &str| {
        option(
            name,
            "LIST",
            format!("Accept these {what}: None, CRC32C or both [default: None,CRC32C]"),
        )
        .value_delimiter(',')
        .value_parser(PossibleValuesParser::new(["None", "CRC32C"]))
        .hide_possible_values(true)
    };
    vec![
        option(
            "listen",
            "ADDR:PORT",
            format!(
                "Serve on this address; port 0 takes a free one [default: {}]",
                default.listen
            ),
        )
        .value_parser(listen),
        option(
            "target-name",
            "NAME",
            format!("Name of the target [default: {}]", default.target_name),
        ),
        option(
            "serial",
            "SERIAL",
            format!(
                "Serial number of the library, up to 12 letters and digits [default: {}]",
                default.serial
            ),
        ),
        number("drives", "N", "Number of tape drives", default.drives),
        option(
            "drive-type",
            "TYPE",
            format!(
                "Type of the drives, LTO5 to LTO9 [default: {}]",
                default.drive_type
            ),
        )
        .value_parser(PossibleValuesParser::new(DriveType::ALL.map(DriveType::name)))
        .hide_possible_values(true),
        number("slots", "N", "Number of storage slots", default.slots),
        number(
            "import-export",
            "N",
            "Number of import/export slots",
            default.import_export,
        ),
        number(
            "cartridges",
            "N",
            "Number of cartridges, VOL001L8 and so on",
            default.cartridges,
        ),
        option(
            "cartridge-size",
            "SIZE",
            "Capacity of a cartridge, such as 64MiB [default: 1GiB]".to_owned(),
        )
        .value_parser(Size::parse_some),
        option(
            "write-protected",
            "VOLUME",
            "Set the write-protect tab of this cartridge; may be repeated".to_owned(),
        )
        .action(ArgAction::Append),
        option(
            "media-dir",
            "DIR",
            "Keep the cartridges in DIR, as SIMH .tap files, instead of in memory".to_owned(),
        )
        .value_parser(value_parser!(PathBuf))
        .value_hint(ValueHint::DirPath),
        option(
            "chap-name",
            "NAME",
            "Accept only initiators that authenticate under this CHAP name; needs --chap-secret-file".to_owned(),
        )
        .requires("chap-secret-file"),
        option(
            "chap-secret-file",
            "FILE",
            "File with the CHAP secret, readable by its owner only; needs --chap-name".to_owned(),
        )
        .value_parser(value_parser!(PathBuf))
        .value_hint(ValueHint::FilePath)
        .requires("chap-name"),
        // A target proves itself only in answer to an initiator that has done so (RFC 7143 12.1.3).
        option(
            "target-chap-name",
            "NAME",
            "Authenticate under this CHAP name to initiators that ask for mutual CHAP; needs --target-chap-secret-file and --chap-name".to_owned(),
        )
        .requires_all(["target-chap-secret-file", "chap-name"]),
        option(
            "target-chap-secret-file",
            "FILE",
            "File with the target's own CHAP secret, readable by its owner only; needs --target-chap-name".to_owned(),
        )
        .value_parser(value_parser!(PathBuf))
        .value_hint(ValueHint::FilePath)
        .requires("target-chap-name"),
        option(
            "allow",
            "INITIATOR",
            "Let in only this initiator name; may be repeated".to_owned(),
        )
        .action(ArgAction::Append),
        digest("header-digest", "header digests"),
        digest("data-digest", "data digests"),
        number(
            "max-sessions",
            "N",
            "Number of sessions at a time",
            default.max_sessions,
        )
        .value_parser(value_parser!(u16).range(1..=4096)),
        option(
            "fault",
            "NAME=VALUE",
            "Do something wrong, for tests of scripts and initiators; may be repeated. NAME=VALUE,times=N does it N \
             times instead of for ever; help lists the faults"
                .to_owned(),
        )
        .value_parser(str::parse::<FaultArgument>)
        .action(ArgAction::Append),
    ]
}

/// Why a text is no address to serve on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not an address and a port such as 127.0.0.1:3260 or [::1]:3260")]
struct ListenAddressError;

fn listen(typed: &str) -> Result<SocketAddr, ListenAddressError> {
    typed.parse().map_err(|_| ListenAddressError)
}

#[cfg(test)]
mod tests {
    use super::super::fault::RequestedFault;
    use super::*;

    fn options(words: &[&str]) -> Result<VtlOptions, clap::Error> {
        let matches = command().try_get_matches_from(std::iter::once(&"vtl").chain(words))?;
        Ok(VtlOptions::from_matches(&matches))
    }

    #[test]
    fn nothing_typed_gives_the_defaults() {
        assert_eq!(options(&[]).unwrap(), VtlOptions::default());
    }

    #[test]
    fn every_option_is_kept_as_typed() {
        let words = [
            "--listen",
            "[::1]:0",
            "--target-name",
            "iqn.2026-11.test:vtl",
            "--serial",
            "13AB123",
            "--drives=4",
            "--drive-type",
            "LTO5",
            "--slots=40",
            "--import-export=0",
            "--cartridges=8",
            "--cartridge-size",
            "64KiB",
            "--write-protected",
            "VOL001L5",
            "--write-protected=VOL002L5",
            "--media-dir",
            "/media",
            "--chap-name",
            "Name",
            "--chap-secret-file",
            "/secret",
            "--target-chap-name",
            "TargetName",
            "--target-chap-secret-file",
            "/target-secret",
            "--allow",
            "iqn.a",
            "--allow",
            "iqn.b",
            "--header-digest",
            "CRC32C,None",
            "--data-digest",
            "CRC32C",
            "--max-sessions",
            "1",
            "--fault",
            "busy=2,times=1",
            "--fault=drop-after=9",
        ];
        let expected = VtlOptions {
            listen: "[::1]:0".parse().unwrap(),
            target_name: "iqn.2026-11.test:vtl".to_owned(),
            serial: "13AB123".to_owned(),
            drives: 4,
            drive_type: "LTO5".to_owned(),
            slots: 40,
            import_export: 0,
            cartridges: 8,
            cartridge_size: 65_536,
            write_protected: vec!["VOL001L5".to_owned(), "VOL002L5".to_owned()],
            media_dir: Some(PathBuf::from("/media")),
            chap_name: Some("Name".to_owned()),
            chap_secret_file: Some(PathBuf::from("/secret")),
            target_chap_name: Some("TargetName".to_owned()),
            target_chap_secret_file: Some(PathBuf::from("/target-secret")),
            allow: vec!["iqn.a".to_owned(), "iqn.b".to_owned()],
            header_digest: vec!["CRC32C".to_owned(), "None".to_owned()],
            data_digest: vec!["CRC32C".to_owned()],
            max_sessions: 1,
            faults: vec![
                FaultOption {
                    fault: RequestedFault::Busy(2),
                    times: Some(1),
                },
                FaultOption {
                    fault: RequestedFault::DropAfter(9),
                    times: None,
                },
            ],
            lists_faults: false,
        };
        assert_eq!(options(&words).unwrap(), expected);
    }

    #[test]
    fn a_chap_name_and_its_secret_come_together() {
        assert!(options(&["--chap-name", "NAME"]).is_err());
        assert!(options(&["--chap-secret-file", "/secret"]).is_err());
    }

    #[test]
    fn credentials_of_the_target_come_whole_and_with_those_of_the_initiator() {
        let all = [
            "--chap-name=NAME",
            "--chap-secret-file=/secret",
            "--target-chap-name=TARGET",
            "--target-chap-secret-file=/target-secret",
        ];
        let one_way = [all[0], all[1]];
        assert!(options(&all).is_ok());
        assert!(options(&one_way).is_ok());
        assert!(options(&all[2..]).is_err());
        for lone in &all[2..] {
            assert!(options(&[lone]).is_err(), "{lone}");
            let with_initiator = [&one_way[..], &[lone]].concat();
            assert!(options(&with_initiator).is_err(), "{with_initiator:?}");
        }
    }

    #[test]
    fn an_address_has_a_port() {
        for typed in ["", "127.0.0.1", "::1:3260", "localhost:3260", "127.0.0.1:x"] {
            assert!(options(&["--listen", typed]).is_err(), "{typed}");
        }
    }
}
