//! A D-mode IPL from an iSCSI tape, which the HMC's network boot starts: which systems can do it, what it demands, and what
//! the HMC is to be given. Rules as data, no I/O.
//!
//! IBM's document "IBM i Support for Attaching an iSCSI VTL" has the table of levels, the size of the KeyStore and the mounted
//! cartridge. The limits of names, CHAP, ports and VLANs are second-hand: they were read in a description of the HMC's REST
//! job PowerOn_LogicalPartition, not on a page of IBM's.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use serde::Serialize;
use thiserror::Error;

use super::config::Release;
use super::finding::FindingResult;

/// The generation of a Power system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Power {
    /// Power9.
    Power9,
    /// Power10.
    Power10,
    /// Power11.
    Power11,
}

impl Power {
    /// Every generation with the number that it is typed as.
    pub const ALL: [(Self, &'static str); 3] = [
        (Self::Power9, "9"),
        (Self::Power10, "10"),
        (Self::Power11, "11"),
    ];
}

impl fmt::Display for Power {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Power9 => "Power9",
            Self::Power10 => "Power10",
            Self::Power11 => "Power11",
        })
    }
}

/// A level of the system's firmware: `FW1060`, or `FW1060.10` with its service pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Firmware {
    /// The number behind `FW`.
    pub level: u16,
    /// The service pack, where it was given.
    pub service_pack: Option<u8>,
}

impl Firmware {
    const fn of(level: u16) -> Self {
        Self {
            level,
            service_pack: None,
        }
    }
}

/// A text that is no firmware level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a firmware level such as FW1060 or FW1060.10")]
pub struct WrongFirmware;

impl FromStr for Firmware {
    type Err = WrongFirmware;

    fn from_str(typed: &str) -> Result<Self, WrongFirmware> {
        let is_number = |text: &str, lengths: std::ops::RangeInclusive<usize>| {
            lengths.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        let digits = typed.strip_prefix("FW").ok_or(WrongFirmware)?;
        let (level, service_pack) = match digits.split_once('.') {
            Some((level, pack)) => (level, Some(pack)),
            None => (digits, None),
        };
        if !is_number(level, 3..=4) || service_pack.is_some_and(|pack| !is_number(pack, 1..=2)) {
            return Err(WrongFirmware);
        }
        Ok(Self {
            level: level.parse().map_err(|_| WrongFirmware)?,
            service_pack: service_pack
                .map(str::parse)
                .transpose()
                .map_err(|_| WrongFirmware)?,
        })
    }
}

impl fmt::Display for Firmware {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "FW{}", self.level)?;
        match self.service_pack {
            Some(pack) => write!(formatter, ".{pack:02}"),
            None => Ok(()),
        }
    }
}

/// The levels of a system, as far as they are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct System {
    /// The release of IBM i.
    pub release: Release,
    /// The technology refresh; 0 for the base.
    pub technology_refresh: Option<u8>,
    /// The generation of the Power system.
    pub power: Option<Power>,
    /// The level of its firmware.
    pub firmware: Option<Firmware>,
}

/// What the document's table says of a system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Support {
    /// It can IPL in D-mode from the VTL.
    Supported {
        /// Whether the Platform KeyStore serves for iSCSI CHAP there.
        keystore_for_chap: bool,
    },
    /// It cannot.
    NotSupported,
    /// The table has no row for it, or not all of its levels are known.
    NotListed,
}

impl Support {
    /// Returns whether a D-mode IPL is supported; none where the table does not say.
    #[must_use]
    pub const fn supported(self) -> Option<bool> {
        match self {
            Self::Supported { .. } => Some(true),
            Self::NotSupported => Some(false),
            Self::NotListed => None,
        }
    }

    /// Returns whether the KeyStore serves for iSCSI CHAP; none where the table does not say.
    #[must_use]
    pub const fn keystore_for_chap(self) -> Option<bool> {
        match self {
            Self::Supported { keystore_for_chap } => Some(keystore_for_chap),
            Self::NotSupported => Some(false),
            Self::NotListed => None,
        }
    }
}

/// A row of the document's table: the first and last level that it covers.
struct Row {
    first: (Release, u8),
    last: (Release, u8),
    /// The generation and the first firmware level; none for any system.
    system: Option<(Power, Firmware)>,
    support: Support,
}

/// The table of section "Save and Restore Using the iSCSI VTL".
const TABLE: [Row; 3] = [
    Row {
        first: (Release::V7R2, 0),
        last: (Release::V7R5, 0),
        system: None,
        support: Support::NotSupported,
    },
    Row {
        first: (Release::V7R5, 1),
        last: (Release::V7R5, u8::MAX),
        system: Some((Power::Power10, Firmware::of(1030))),
        support: Support::Supported {
            keystore_for_chap: false,
        },
    },
    Row {
        first: (Release::V7R6, 0),
        last: (Release::V7R6, u8::MAX),
        system: Some((Power::Power10, Firmware::of(1060))),
        support: Support::Supported {
            keystore_for_chap: true,
        },
    },
];

/// Returns what the document's table says of a system.
#[must_use]
pub fn support(system: &System) -> Support {
    // A technology refresh that is not known may be any; it matters only where rows differ by it.
    let refreshes = match system.technology_refresh {
        Some(refresh) => refresh..=refresh,
        None => 0..=u8::MAX,
    };
    let lowest = (system.release, *refreshes.start());
    let highest = (system.release, *refreshes.end());
    TABLE
        .iter()
        .find(|row| {
            row.first <= lowest
                && highest <= row.last
                && row.system.is_none_or(|(power, firmware)| {
                    system.power == Some(power)
                        && system
                            .firmware
                            .is_some_and(|level| level.level >= firmware.level)
                })
        })
        .map_or(Support::NotListed, |row| row.support)
}

/// The longest initiator or target name in bytes that the HMC takes (second-hand; also RFC 7143 section 4.2.7.1).
pub const NAME_LIMIT: usize = 223;
/// The longest CHAP name in characters that the HMC takes (second-hand).
pub const CHAP_NAME_LIMIT: usize = 32;
/// The shortest CHAP secret in characters that the HMC takes (second-hand).
pub const CHAP_SECRET_MINIMUM: usize = 12;
/// The longest CHAP secret in characters that the HMC takes (second-hand).
pub const CHAP_SECRET_LIMIT: usize = 32;
/// The VLANs that the HMC takes (second-hand; IEEE 802.1Q 9.6).
pub const VLANS: std::ops::RangeInclusive<u16> = 1..=4094;
/// The smallest Platform KeyStore in bytes (the document: "at least 4 KB").
pub const KEYSTORE_MINIMUM: u64 = 4096;

/// What the target's host name comes to for the HMC, which takes an IPv4 address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HmcTargetAddress {
    /// It is an IPv4 address.
    Literal(Ipv4Addr),
    /// It resolves to one, perhaps among others.
    Resolved(Ipv4Addr),
    /// It is an IPv6 address.
    Ipv6,
    /// It resolves to IPv6 addresses only.
    NoIpv4,
    /// It could not be resolved.
    NotResolved {
        /// What the system said.
        detail: String,
    },
}

impl HmcTargetAddress {
    /// Returns the address for the HMC.
    #[must_use]
    pub const fn ipv4(&self) -> Option<Ipv4Addr> {
        match self {
            Self::Literal(address) | Self::Resolved(address) => Some(*address),
            Self::Ipv6 | Self::NoIpv4 | Self::NotResolved { .. } => None,
        }
    }
}

/// A cartridge in a drive of the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountedVolume {
    /// The library's device name.
    pub library: String,
    /// The drive's device name, or its element address where the active configuration has none.
    pub drive: String,
    /// The volume.
    pub volume: String,
}

/// What the target's libraries say of the cartridges in their drives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MountedMedia {
    /// These are in drives.
    Mounted(Vec<MountedVolume>),
    /// The active configuration has no library of this target.
    NoLibrary,
    /// A library could not be asked.
    NotRead {
        /// Why.
        message: String,
        /// What to do about it.
        next_step: Option<String>,
    },
}

/// What was looked at, and found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The levels of the system, by the document's table.
    Level {
        /// The levels.
        system: System,
        /// What the table says of them.
        support: Support,
    },
    /// The size of the Platform KeyStore.
    KeystoreSize {
        /// In bytes, 0 while it is not enabled.
        size: u64,
    },
    /// The address of the target.
    TargetAddress {
        /// The host name, as configured.
        host_name: String,
        /// What it comes to.
        address: HmcTargetAddress,
    },
    /// The target name.
    TargetName {
        /// Its length in bytes.
        length: usize,
    },
    /// The initiator name.
    InitiatorName {
        /// Its length in bytes; none on a partition without a UUID, where `*GENERATE` has no name.
        length: Option<usize>,
    },
    /// The CHAP name.
    ChapName {
        /// Its length in characters; none without CHAP.
        length: Option<usize>,
    },
    /// The CHAP secret.
    ChapSecret {
        /// What is known of its length.
        secret: SecretLength,
    },
    /// The cartridge to IPL from.
    Media(MountedMedia),
    /// The state of the partition, which only the HMC shows.
    PartitionState,
}

/// What is known of the length of a CHAP secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretLength {
    /// No CHAP is configured.
    NoChap,
    /// The secret is in a Platform KeyStore that is not here.
    NotHere,
    /// In characters.
    Known(usize),
}

impl Finding {
    /// Returns what it comes to.
    #[must_use]
    pub fn result(&self) -> FindingResult {
        let demand = |is_met: bool| match is_met {
            true => FindingResult::Pass,
            false => FindingResult::Failure,
        };
        match self {
            Self::Level { support, .. } => match support {
                Support::Supported { .. } => FindingResult::Pass,
                Support::NotSupported => FindingResult::Failure,
                Support::NotListed => FindingResult::Warning,
            },
            Self::KeystoreSize { size } => demand(*size >= KEYSTORE_MINIMUM),
            Self::TargetAddress { address, .. } => demand(address.ipv4().is_some()),
            Self::TargetName { length } => demand((1..=NAME_LIMIT).contains(length)),
            Self::InitiatorName { length } => {
                demand(length.is_some_and(|length| (1..=NAME_LIMIT).contains(&length)))
            }
            Self::ChapName { length: None }
            | Self::ChapSecret {
                secret: SecretLength::NoChap,
            }
            | Self::PartitionState => FindingResult::Skipped,
            Self::ChapName {
                length: Some(length),
            } => demand((1..=CHAP_NAME_LIMIT).contains(length)),
            Self::ChapSecret {
                secret: SecretLength::NotHere,
            } => FindingResult::Warning,
            Self::ChapSecret {
                secret: SecretLength::Known(length),
            } => demand((CHAP_SECRET_MINIMUM..=CHAP_SECRET_LIMIT).contains(length)),
            Self::Media(MountedMedia::Mounted(volumes)) => demand(!volumes.is_empty()),
            Self::Media(MountedMedia::NoLibrary | MountedMedia::NotRead { .. }) => {
                FindingResult::Failure
            }
        }
    }
}

/// Returns whether an address is a subnet mask: ones, then zeros, and some of both.
#[must_use]
pub fn is_subnet_mask(address: Ipv4Addr) -> bool {
    let bits = u32::from(address);
    bits != 0 && bits != u32::MAX && bits.leading_ones() + bits.trailing_zeros() == u32::BITS
}

/// What the HMC is to be given. The CHAP secret is never part of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BootValues {
    /// The target's name.
    pub target_name: String,
    /// Its IPv4 address.
    pub target_ip_address: Option<Ipv4Addr>,
    /// Its port.
    pub target_port: u16,
    /// The initiator name; none on a partition without a UUID.
    pub initiator_name: Option<String>,
    /// The CHAP name; none without CHAP.
    pub chap_name: Option<String>,
    /// The managed system, as the HMC names it.
    pub managed_system: Option<String>,
    /// The partition, as the HMC names it.
    pub partition: Option<String>,
    /// The partition's own address while it IPLs.
    pub ip_address: Option<Ipv4Addr>,
    /// Its subnet mask.
    pub subnet_mask: Option<Ipv4Addr>,
    /// Its gateway.
    pub gateway: Option<Ipv4Addr>,
    /// Its VLAN.
    pub vlan: Option<u16>,
}

impl BootValues {
    /// Returns the words of the HMC's command that starts the IPL (IBM, chsysstate: "To activate and perform a network install
    /// of an IBM i partition"), with words in capitals for what is not known. The CHAP secret is left out.
    #[must_use]
    pub fn chsysstate(&self) -> Vec<String> {
        let text = |known: &Option<String>, placeholder: &str| {
            known.clone().unwrap_or_else(|| placeholder.to_owned())
        };
        let address = |known: Option<Ipv4Addr>, placeholder: &str| {
            known.map_or_else(|| placeholder.to_owned(), |known| known.to_string())
        };
        let mut words = vec!["chsysstate".to_owned()];
        let mut push = |option: &str, value: String| words.extend([option.to_owned(), value]);
        push("-m", text(&self.managed_system, "MANAGED-SYSTEM"));
        push("-r", "lpar".to_owned());
        push("-o", "on".to_owned());
        push("-n", text(&self.partition, "PARTITION-NAME"));
        push("-t", "iscsi".to_owned());
        push("--ip", address(self.ip_address, "IP-ADDRESS"));
        if let Some(mask) = self.subnet_mask {
            push("--netmask", mask.to_string());
        }
        push("--gateway", address(self.gateway, "GATEWAY-IP-ADDRESS"));
        push(
            "--targetip",
            address(self.target_ip_address, "TARGET-IP-ADDRESS"),
        );
        push("--targetname", self.target_name.clone());
        push("--targetport", self.target_port.to_string());
        push(
            "--initiatorname",
            text(&self.initiator_name, "INITIATOR-NAME"),
        );
        if let Some(name) = &self.chap_name {
            push("--chapname", name.clone());
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn system(release: &str, refresh: Option<u8>, power: Option<Power>, level: u16) -> System {
        System {
            release: release.parse().unwrap(),
            technology_refresh: refresh,
            power,
            firmware: (level > 0).then(|| Firmware::of(level)),
        }
    }

    const YES: Support = Support::Supported {
        keystore_for_chap: true,
    };
    const WITHOUT_KEYSTORE: Support = Support::Supported {
        keystore_for_chap: false,
    };
    const NO: Support = Support::NotSupported;
    const UNKNOWN: Support = Support::NotListed;

    #[test]
    fn the_table_is_the_documents_and_says_nothing_beyond_it() {
        let ten = Some(Power::Power10);
        for (release, refresh, power, level, expected) in [
            // "7.5 base and earlier, any: no".
            ("7.2", None, None, 0, NO),
            ("7.3", Some(9), ten, 1060, NO),
            ("7.4", None, ten, 1060, NO),
            ("7.4", Some(u8::MAX), Some(Power::Power11), 1110, NO),
            ("7.5", Some(0), ten, 1060, NO),
            ("7.5", Some(0), None, 0, NO),
            // "7.5 TR1 or later, Power10 (FW1030 or later): yes, no KeyStore".
            ("7.5", Some(1), ten, 1030, WITHOUT_KEYSTORE),
            ("7.5", Some(2), ten, 1060, WITHOUT_KEYSTORE),
            ("7.5", Some(1), ten, 1029, UNKNOWN),
            ("7.5", Some(1), ten, 0, UNKNOWN),
            ("7.5", Some(1), None, 1030, UNKNOWN),
            ("7.5", Some(1), Some(Power::Power9), 1030, UNKNOWN),
            ("7.5", Some(1), Some(Power::Power11), 1110, UNKNOWN),
            ("7.5", None, ten, 1030, UNKNOWN),
            // "7.6, Power10 (FW1060 or later): yes, with KeyStore".
            ("7.6", None, ten, 1060, YES),
            ("7.6", Some(0), ten, 1060, YES),
            ("7.6", Some(1), ten, 1070, YES),
            ("7.6", None, ten, 1059, UNKNOWN),
            ("7.6", None, ten, 1050, UNKNOWN),
            ("7.6", None, ten, 0, UNKNOWN),
            ("7.6", None, Some(Power::Power9), 950, UNKNOWN),
            ("7.6", None, Some(Power::Power11), 1110, UNKNOWN),
            ("7.6", None, None, 0, UNKNOWN),
        ] {
            let of = system(release, refresh, power, level);
            assert_eq!(support(&of), expected, "{of:?}");
        }
    }

    #[test]
    fn what_is_not_listed_is_neither_supported_nor_refused() {
        assert_eq!(
            (UNKNOWN.supported(), UNKNOWN.keystore_for_chap()),
            (None, None)
        );
        assert_eq!(
            (NO.supported(), NO.keystore_for_chap()),
            (Some(false), Some(false))
        );
        assert_eq!(
            (YES.supported(), YES.keystore_for_chap()),
            (Some(true), Some(true))
        );
        let finding = |support| Finding::Level {
            system: system("7.6", None, None, 0),
            support,
        };
        assert_eq!(finding(UNKNOWN).result(), FindingResult::Warning);
        assert_eq!(finding(NO).result(), FindingResult::Failure);
        assert_eq!(finding(WITHOUT_KEYSTORE).result(), FindingResult::Pass);
    }

    #[test]
    fn a_firmware_level_is_fw_and_a_number() {
        let level = |typed: &str| typed.parse::<Firmware>();
        assert_eq!(level("FW1060"), Ok(Firmware::of(1060)));
        assert_eq!(level("FW950"), Ok(Firmware::of(950)));
        assert_eq!(level("FW1060.10").unwrap().to_string(), "FW1060.10");
        assert_eq!(level("FW1060.1").unwrap().service_pack, Some(1));
        for wrong in [
            "",
            "FW",
            "1060",
            "fw1060",
            "FW10",
            "FW10600",
            "FW1060.",
            "FW1060.100",
            "FW+106",
            "FW1060.x",
            "FW1060.1.1",
        ] {
            assert_eq!(level(wrong), Err(WrongFirmware), "{wrong}");
        }
    }

    #[test]
    fn every_limit_holds_at_its_edge() {
        use FindingResult::{Failure, Pass, Skipped, Warning};
        for (length, expected) in [(0, Failure), (1, Pass), (223, Pass), (224, Failure)] {
            assert_eq!(
                Finding::TargetName { length }.result(),
                expected,
                "{length}"
            );
            let length = Some(length);
            assert_eq!(
                Finding::InitiatorName { length }.result(),
                expected,
                "{length:?}"
            );
        }
        assert_eq!(Finding::InitiatorName { length: None }.result(), Failure);
        for (length, expected) in [
            (None, Skipped),
            (Some(1), Pass),
            (Some(32), Pass),
            (Some(33), Failure),
        ] {
            assert_eq!(
                Finding::ChapName { length }.result(),
                expected,
                "{length:?}"
            );
        }
        for (secret, expected) in [
            (SecretLength::NoChap, Skipped),
            (SecretLength::NotHere, Warning),
            (SecretLength::Known(11), Failure),
            (SecretLength::Known(12), Pass),
            (SecretLength::Known(32), Pass),
            (SecretLength::Known(33), Failure),
        ] {
            assert_eq!(
                Finding::ChapSecret { secret }.result(),
                expected,
                "{secret:?}"
            );
        }
        for (size, expected) in [(0, Failure), (4095, Failure), (4096, Pass), (1 << 20, Pass)] {
            assert_eq!(Finding::KeystoreSize { size }.result(), expected, "{size}");
        }
        for (vlan, is_one) in [(0, false), (1, true), (4094, true), (4095, false)] {
            assert_eq!(VLANS.contains(&vlan), is_one, "{vlan}");
        }
    }

    #[test]
    fn the_hmc_takes_an_ipv4_address_and_no_other() {
        let address = |address: HmcTargetAddress| Finding::TargetAddress {
            host_name: "vtl".to_owned(),
            address,
        };
        let known = Ipv4Addr::new(10, 1, 1, 5);
        for (of, expected) in [
            (HmcTargetAddress::Literal(known), FindingResult::Pass),
            (HmcTargetAddress::Resolved(known), FindingResult::Pass),
            (HmcTargetAddress::Ipv6, FindingResult::Failure),
            (HmcTargetAddress::NoIpv4, FindingResult::Failure),
            (
                HmcTargetAddress::NotResolved {
                    detail: "no such host".to_owned(),
                },
                FindingResult::Failure,
            ),
        ] {
            assert_eq!(address(of.clone()).result(), expected, "{of:?}");
        }
    }

    #[test]
    fn a_cartridge_has_to_be_in_a_drive() {
        let volume = MountedVolume {
            library: "TAPMLB01".to_owned(),
            drive: "TAP01".to_owned(),
            volume: "VOL001L8".to_owned(),
        };
        for (media, expected) in [
            (MountedMedia::Mounted(vec![volume]), FindingResult::Pass),
            (MountedMedia::Mounted(Vec::new()), FindingResult::Failure),
            (MountedMedia::NoLibrary, FindingResult::Failure),
            (
                MountedMedia::NotRead {
                    message: String::new(),
                    next_step: None,
                },
                FindingResult::Failure,
            ),
        ] {
            assert_eq!(
                Finding::Media(media.clone()).result(),
                expected,
                "{media:?}"
            );
        }
    }

    #[test]
    fn a_subnet_mask_is_ones_and_then_zeros() {
        for (mask, is_one) in [
            ("255.255.255.0", true),
            ("128.0.0.0", true),
            ("255.255.255.252", true),
            ("255.255.255.254", true),
            ("0.0.0.0", false),
            ("255.255.255.255", false),
            ("255.0.255.0", false),
            ("0.0.0.255", false),
        ] {
            assert_eq!(is_subnet_mask(mask.parse().unwrap()), is_one, "{mask}");
        }
    }

    #[test]
    fn the_command_has_placeholders_for_what_is_not_known_and_never_the_secret() {
        let mut values = BootValues {
            target_name: "iqn.2000-03.com.xyz:vtl.demo".to_owned(),
            target_port: 3260,
            ..BootValues::default()
        };
        assert_eq!(
            values.chsysstate().join(" "),
            "chsysstate -m MANAGED-SYSTEM -r lpar -o on -n PARTITION-NAME -t iscsi --ip IP-ADDRESS --gateway \
             GATEWAY-IP-ADDRESS --targetip TARGET-IP-ADDRESS --targetname iqn.2000-03.com.xyz:vtl.demo --targetport 3260 \
             --initiatorname INITIATOR-NAME"
        );
        let address = |last| Some(Ipv4Addr::new(10, 1, 1, last));
        values.target_ip_address = address(5);
        values.initiator_name = Some("iqn.a".to_owned());
        values.chap_name = Some("SOMECHAPNAME".to_owned());
        values.managed_system = Some("Server-1".to_owned());
        values.partition = Some("PROD".to_owned());
        values.ip_address = address(7);
        values.subnet_mask = Some(Ipv4Addr::new(255, 255, 255, 0));
        values.gateway = address(1);
        values.vlan = Some(7);
        assert_eq!(
            values.chsysstate().join(" "),
            "chsysstate -m Server-1 -r lpar -o on -n PROD -t iscsi --ip 10.1.1.7 --netmask 255.255.255.0 --gateway 10.1.1.1 \
             --targetip 10.1.1.5 --targetname iqn.2000-03.com.xyz:vtl.demo --targetport 3260 --initiatorname iqn.a --chapname \
             SOMECHAPNAME"
        );
    }
}
