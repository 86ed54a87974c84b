//! The findings of `d-mode` in words.

use super::finding::{DOCUMENT, FindingWords};
use crate::iop::d_mode::{
    CHAP_NAME_LIMIT, CHAP_SECRET_LIMIT, CHAP_SECRET_MINIMUM, Finding, HmcTargetAddress,
    MountedMedia, NAME_LIMIT, SecretLength, Support, System,
};
use crate::iop::finding::Area;
use crate::values::amount;

/// What was read elsewhere.
const SECOND_HAND: &str = "second-hand: a description of the HMC's REST job PowerOn_LogicalPartition, never tried on an HMC";

/// Returns a finding in words.
#[must_use]
pub fn finding(finding: &Finding) -> FindingWords {
    match finding {
        Finding::Level { system, support } => level(system, *support),
        Finding::KeystoreSize { size } => FindingWords {
            id: "d-mode.keystore-size",
            area: Area::Security,
            seen: match size {
                0 => "The Platform KeyStore is not enabled here.".to_owned(),
                size => format!("The Platform KeyStore has {} here.", amount(size, "byte")),
            },
            why: "A D-mode IPL demands a KeyStore of at least 4 KB, even where CHAP does not use it.",
            source: DOCUMENT,
            next_step: Some(
                "Set Platform KeyStore Size to 4 KB at least in the partition's properties on the HMC, and here with partition \
                 set --keystore-size 4096."
                    .to_owned(),
            ),
        },
        Finding::TargetAddress { host_name, address } => target_address(host_name, address),
        Finding::TargetName { length } => FindingWords {
            id: "d-mode.target-name",
            area: Area::Identity,
            seen: format!("The target name has {}.", amount(length, "byte")),
            why: NAME_WHY,
            source: SECOND_HAND,
            next_step: Some(format!("Give the target a name of at most {NAME_LIMIT} bytes on the VTL.")),
        },
        Finding::InitiatorName { length } => FindingWords {
            id: "d-mode.initiator-name",
            area: Area::Identity,
            seen: match length {
                Some(length) => format!("The initiator name has {}.", amount(length, "byte")),
                None => "The initiator name is *GENERATE, and the partition has no UUID to generate it from.".to_owned(),
            },
            why: NAME_WHY,
            source: SECOND_HAND,
            next_step: Some(format!(
                "Configure the target with an initiator name of your own of at most {NAME_LIMIT} bytes."
            )),
        },
        Finding::ChapName { length } => FindingWords {
            id: "d-mode.chap-name",
            area: Area::Login,
            seen: match length {
                Some(length) => format!("The CHAP name has {}.", amount(length, "character")),
                None => "No CHAP is configured.".to_owned(),
            },
            why: "The HMC takes a CHAP name of at most 32 characters.",
            source: SECOND_HAND,
            next_step: Some(format!(
                "Use a CHAP name of at most {CHAP_NAME_LIMIT} characters on the VTL and here."
            )),
        },
        Finding::ChapSecret { secret } => FindingWords {
            id: "d-mode.chap-secret",
            area: Area::Login,
            seen: match secret {
                SecretLength::NoChap => "No CHAP is configured.".to_owned(),
                SecretLength::NotHere => {
                    "The CHAP secret is not in this machine's KeyStore, so its length is not known.".to_owned()
                }
                SecretLength::Known(length) => format!("The CHAP secret has {}.", amount(length, "character")),
            },
            why: "The HMC takes a CHAP secret of 12 to 32 characters.",
            source: SECOND_HAND,
            next_step: Some(match secret {
                SecretLength::NotHere => "Count its characters where it is kept.".to_owned(),
                _ => format!(
                    "Use a CHAP secret of {CHAP_SECRET_MINIMUM} to {CHAP_SECRET_LIMIT} characters on the VTL and here."
                ),
            }),
        },
        Finding::Media(found) => media(found),
        Finding::PartitionState => FindingWords {
            id: "d-mode.partition-state",
            area: Area::Identity,
            seen: "The state of the partition is not seen from here.".to_owned(),
            why: "The partition has to be in the Not Activated state.",
            source: DOCUMENT,
            next_step: Some("Verify on the HMC that the partition is Not Activated.".to_owned()),
        },
    }
}

const NAME_WHY: &str = "The HMC takes names of at most 223 bytes, the limit of RFC 7143.";

fn level(system: &System, support: Support) -> FindingWords {
    let levels = levels(system);
    FindingWords {
        id: "d-mode.level",
        area: Area::Identity,
        seen: match support {
            Support::Supported {
                keystore_for_chap: true,
            } => {
                format!("{levels} can IPL in D-mode from the VTL, and its KeyStore serves for CHAP.")
            }
            Support::Supported {
                keystore_for_chap: false,
            } => format!(
                "{levels} can IPL in D-mode from the VTL; the KeyStore has to be enabled and does not serve for CHAP."
            ),
            Support::NotSupported => format!("{levels} cannot IPL in D-mode from the VTL."),
            Support::NotListed => format!("The document's table does not say anything of {levels}."),
        },
        why: "Only some levels of IBM i and of the Power system can IPL in D-mode from an iSCSI VTL.",
        source: DOCUMENT,
        next_step: Some(match support {
            Support::NotSupported => {
                "IPL in D-mode from another source, such as a network install server, and restore the rest from the VTL."
                    .to_owned()
            }
            _ => "Give --release, --technology-refresh, --power and --firmware; for levels that the table does not have, ask IBM."
                .to_owned(),
        }),
    }
}

/// Returns the levels of a system as far as they are known.
#[must_use]
pub fn levels(system: &System) -> String {
    let mut text = format!("IBM i {}", system.release);
    match system.technology_refresh {
        Some(0) => text.push_str(" base"),
        Some(refresh) => text.push_str(&format!(" TR{refresh}")),
        None => {}
    }
    match system.power {
        Some(power) => text.push_str(&format!(" on {power}")),
        None => text.push_str(" on a Power system of unknown generation"),
    }
    if let Some(firmware) = system.firmware {
        text.push_str(&format!(" with {firmware}"));
    }
    text
}

fn target_address(host_name: &str, address: &HmcTargetAddress) -> FindingWords {
    FindingWords {
        id: "d-mode.target-address",
        area: Area::Network,
        seen: match address {
            HmcTargetAddress::Literal(address) => format!("The target is at {address}."),
            HmcTargetAddress::Resolved(address) => format!("{host_name} resolves to {address}."),
            HmcTargetAddress::Ipv6 => format!("The target is at {host_name}, an IPv6 address."),
            HmcTargetAddress::NoIpv4 => format!("{host_name} resolves to IPv6 addresses only."),
            HmcTargetAddress::NotResolved { detail } => {
                format!("{host_name} could not be resolved: {detail}.")
            }
        },
        why: "The HMC takes the target's IPv4 address; there is no name service before the IPL.",
        source: SECOND_HAND,
        next_step: Some("Configure the target by an IPv4 address of the VTL.".to_owned()),
    }
}

fn media(media: &MountedMedia) -> FindingWords {
    FindingWords {
        id: "d-mode.media",
        area: Area::Drives,
        seen: match media {
            MountedMedia::Mounted(volumes) if volumes.is_empty() => {
                "No cartridge is in a drive of the target's libraries.".to_owned()
            }
            MountedMedia::Mounted(volumes) => {
                let volumes: Vec<String> = volumes
                    .iter()
                    .map(|mounted| {
                        format!(
                            "volume {} in {} of {}",
                            mounted.volume, mounted.drive, mounted.library
                        )
                    })
                    .collect();
                format!("Mounted: {}.", volumes.join(", "))
            }
            MountedMedia::NoLibrary => {
                "The last re-IPL found no library of this target.".to_owned()
            }
            MountedMedia::NotRead { message, .. } => {
                format!("The library was not asked: {message}.")
            }
        },
        why: "The D-mode media has to be mounted on one of the VTL's tape drives; what is on it is not read here.",
        source: DOCUMENT,
        next_step: Some(match media {
            MountedMedia::Mounted(_) => {
                "Mount it: library mount TAPMLBnn VOLUME, or --mount.".to_owned()
            }
            MountedMedia::NoLibrary => "Re-IPL: iscsiswiconfig -reipliscsiop.".to_owned(),
            MountedMedia::NotRead { next_step, .. } => next_step
                .clone()
                .unwrap_or_else(|| "Look at the state of the VTL.".to_owned()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::cli::host;
    use crate::iop::config::Release;

    fn every_finding() -> Vec<Finding> {
        let system = System {
            release: Release::V7R5,
            technology_refresh: Some(0),
            power: None,
            firmware: "FW1030".parse().ok(),
        };
        let mut findings = vec![Finding::PartitionState, Finding::TargetName { length: 9 }];
        for support in [
            Support::NotListed,
            Support::NotSupported,
            Support::Supported {
                keystore_for_chap: true,
            },
            Support::Supported {
                keystore_for_chap: false,
            },
        ] {
            findings.push(Finding::Level { system, support });
        }
        for size in [0, 4096] {
            findings.push(Finding::KeystoreSize { size });
        }
        for length in [None, Some(9)] {
            findings.push(Finding::InitiatorName { length });
            findings.push(Finding::ChapName { length });
        }
        for secret in [
            SecretLength::NoChap,
            SecretLength::NotHere,
            SecretLength::Known(9),
        ] {
            findings.push(Finding::ChapSecret { secret });
        }
        for address in [
            HmcTargetAddress::Ipv6,
            HmcTargetAddress::NoIpv4,
            HmcTargetAddress::Literal([10, 1, 1, 5].into()),
            HmcTargetAddress::NotResolved {
                detail: "no such name".to_owned(),
            },
        ] {
            findings.push(Finding::TargetAddress {
                host_name: "vtl".to_owned(),
                address,
            });
        }
        for media in [
            MountedMedia::NoLibrary,
            MountedMedia::Mounted(Vec::new()),
            MountedMedia::NotRead {
                message: "gone".to_owned(),
                next_step: None,
            },
        ] {
            findings.push(Finding::Media(media));
        }
        findings
    }

    #[test]
    fn every_finding_has_sentences_and_a_source() {
        for of in every_finding() {
            let words = finding(&of);
            for sentence in [
                Some(words.seen.as_str()),
                Some(words.why),
                words.next_step.as_deref(),
            ] {
                let sentence = sentence.unwrap_or_default();
                assert!(sentence.is_ascii() && sentence.ends_with('.'), "{words:?}");
                assert!(
                    !sentence.contains("  ") && !sentence.contains(".."),
                    "{words:?}"
                );
            }
            assert!(words.source == DOCUMENT || words.source.starts_with("second-hand"));
        }
    }

    #[test]
    fn the_help_names_every_finding_and_says_what_is_second_hand() {
        let definition = host::definition();
        let command = definition.find_subcommand("d-mode").unwrap();
        let help = command.get_long_about().unwrap().to_string();
        let ids: BTreeSet<&str> = every_finding().iter().map(|of| finding(of).id).collect();
        assert_eq!(ids.len(), 9);
        for id in ids {
            assert!(help.contains(id), "{id}");
        }
        assert!(help.contains("second-hand"));
    }
}
