//! `d-mode`, as typed.

use std::net::Ipv4Addr;
use std::time::Duration;

use clap::builder::{NonEmptyStringValueParser, PossibleValuesParser};
use clap::{Arg, ArgMatches, Command, ValueHint, value_parser};

use super::library::motion_timeout_of;
use super::tape::motion_timeout;
use super::{DEVICE_OPTIONS, RELEASES, with_host_options};

/// What `d-mode` takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DModeOptions {
    /// The configured target; the only one without it.
    pub target_name: Option<String>,
    /// `--release`: the release of IBM i; that of the partition without it.
    pub release: Option<String>,
    /// `--technology-refresh`: 0 for the base.
    pub technology_refresh: Option<u8>,
    /// `--power`: the generation of the system.
    pub power: Option<String>,
    /// `--firmware`: the level of the system's firmware, not looked at yet.
    pub firmware: Option<String>,
    /// `--managed-system`.
    pub managed_system: Option<String>,
    /// `--partition`.
    pub partition: Option<String>,
    /// `--ip`: the partition's own address.
    pub ip: Option<Ipv4Addr>,
    /// `--gateway`.
    pub gateway: Option<Ipv4Addr>,
    /// `--netmask`, not looked at yet.
    pub netmask: Option<Ipv4Addr>,
    /// `--vlan`.
    pub vlan: Option<u16>,
    /// `--mount`: library and volume.
    pub mount: Option<(String, String)>,
    /// `--motion-timeout`, as for `library`.
    pub motion_timeout: Duration,
}

impl DModeOptions {
    pub(super) fn from_matches(matches: &ArgMatches) -> Self {
        let text = |name| matches.get_one::<String>(name).cloned();
        let address = |name| matches.get_one::<Ipv4Addr>(name).copied();
        let mut mount = matches.get_many::<String>("mount").into_iter().flatten();
        Self {
            target_name: text("target-name"),
            release: text("release"),
            technology_refresh: matches.get_one("technology-refresh").copied(),
            power: text("power"),
            firmware: text("firmware"),
            managed_system: text("managed-system"),
            partition: text("partition"),
            ip: address("ip"),
            gateway: address("gateway"),
            netmask: address("netmask"),
            vlan: matches.get_one("vlan").copied(),
            mount: mount.next().cloned().zip(mount.next().cloned()),
            motion_timeout: motion_timeout_of(matches),
        }
    }
}

/// Returns clap's definition of `d-mode`.
pub(super) fn command() -> Command {
    let text = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name)
            .long(name)
            .value_name(value)
            .value_hint(ValueHint::Other)
            .value_parser(NonEmptyStringValueParser::new())
            .help(help)
    };
    let address = |name: &'static str, help: &'static str| {
        Arg::new(name)
            .long(name)
            .value_name("ADDRESS")
            .value_hint(ValueHint::Other)
            .value_parser(value_parser!(Ipv4Addr))
            .help(help)
    };
    with_host_options(Command::new("d-mode"), DEVICE_OPTIONS)
        .about("Check what a D-mode IPL from the VTL demands, and show what the HMC is to be given")
        .long_about(
            "Says by the table of IBM's document whether a system can IPL in D-mode from the iSCSI VTL and whether the Platform \
             KeyStore serves for CHAP there, checks what the IPL demands, and shows the values for the HMC's Network Boot wizard \
             and the chsysstate line. With --json also the parameters of the HMC's REST job PowerOn_LogicalPartition. The table, \
             the size of the KeyStore and the mounted cartridge are the document's; the options of chsysstate are IBM's; the \
             limits of names, CHAP and VLAN, the REST parameters and the set of the wizard's values are second-hand, and were \
             never tried on an HMC. Findings: d-mode.level, d-mode.keystore-size, d-mode.target-address, d-mode.target-name, \
             d-mode.initiator-name, d-mode.chap-name, d-mode.chap-secret, d-mode.media, d-mode.partition-state. Status 4 when \
             the combination is not supported or a finding is a failure.",
        )
        .args([
            Arg::new("target-name")
                .value_name("TARGET-NAME")
                .value_hint(ValueHint::Other)
                .help("The configured target to IPL from; it may be left out when there is only one"),
            Arg::new("release")
                .long("release")
                .value_name("RELEASE")
                .value_parser(PossibleValuesParser::new(RELEASES))
                .hide_possible_values(true)
                .help("Release of IBM i, 7.2 to 7.6 [default: that of the partition]"),
            Arg::new("technology-refresh")
                .long("technology-refresh")
                .value_name("NUMBER")
                .value_parser(value_parser!(u8))
                .help("Technology refresh of the release, 0 for its base"),
            Arg::new("power")
                .long("power")
                .value_name("GENERATION")
                .value_parser(PossibleValuesParser::new(["9", "10", "11"]))
                .hide_possible_values(true)
                .help("Generation of the Power system: 9, 10 or 11"),
            text("firmware", "FWnnnn", "Level of its firmware, such as FW1060"),
            text(
                "managed-system",
                "NAME",
                "Managed system, as the HMC names it",
            ),
            text("partition", "NAME", "Partition, as the HMC names it"),
            address("ip", "IPv4 address of the partition while it IPLs"),
            address("gateway", "IPv4 address of its gateway"),
            address("netmask", "Its subnet mask"),
            Arg::new("vlan")
                .long("vlan")
                .value_name("ID")
                .value_parser(value_parser!(u16).range(1..=4094))
                .help("Its VLAN, 1 to 4094; chsysstate has no option for it"),
            Arg::new("mount")
                .long("mount")
                .value_names(["TAPMLBnn", "VOLUME"])
                .num_args(2)
                .value_hint(ValueHint::Other)
                .help("Bring this volume into a drive of this library first"),
            motion_timeout(),
        ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<DModeOptions, clap::Error> {
        let matches = command().try_get_matches_from(std::iter::once(&"d-mode").chain(words))?;
        Ok(DModeOptions::from_matches(&matches))
    }

    #[test]
    fn every_option_is_kept_as_typed() {
        let text = |text: &str| Some(text.to_owned());
        let address = |last| Some(Ipv4Addr::new(10, 1, 1, last));
        let words = [
            "iqn.a",
            "--release=7.5",
            "--technology-refresh=1",
            "--power=10",
            "--firmware=FW1030",
            "--managed-system=S",
            "--partition=P",
            "--ip=10.1.1.7",
            "--gateway=10.1.1.1",
            "--netmask=255.255.255.0",
            "--vlan=7",
            "--mount",
            "TAPMLB01",
            "VOL001",
            "--motion-timeout=9",
        ];
        let expected = DModeOptions {
            target_name: text("iqn.a"),
            release: text("7.5"),
            technology_refresh: Some(1),
            power: text("10"),
            firmware: text("FW1030"),
            managed_system: text("S"),
            partition: text("P"),
            ip: address(7),
            gateway: address(1),
            netmask: Some(Ipv4Addr::new(255, 255, 255, 0)),
            vlan: Some(7),
            mount: Some(("TAPMLB01".to_owned(), "VOL001".to_owned())),
            motion_timeout: Duration::from_secs(9),
        };
        assert_eq!(parsed(&words).unwrap(), expected);
    }

    #[test]
    fn a_vlan_is_1_to_4094_and_addresses_are_ipv4() {
        for vlan in ["--vlan=1", "--vlan=4094"] {
            assert!(parsed(&[vlan]).is_ok(), "{vlan}");
        }
        for words in [
            &["--vlan=0"][..],
            &["--vlan=4095"],
            &["--ip=fd00::5"],
            &["--ip=10.1.1"],
            &["--gateway=vtl"],
            &["--netmask=24"],
            &["--release=7.7"],
            &["--power=8"],
            &["--technology-refresh=x"],
            &["--partition="],
            &["--mount", "TAPMLB01"],
            &["iqn.a", "iqn.b"],
        ] {
            assert!(parsed(words).is_err(), "{words:?}");
        }
    }
}
