//! `d-mode`: from words to the facts that a D-mode IPL from the VTL depends on.

use std::net::IpAddr;

use anyhow::anyhow;

use super::host::open_store;
use super::library::{Talk, run_job};
use super::terminal::Terminal;
use crate::cli::{DModeOptions, HostOptions};
use crate::error::{CommandError, ErrorKind};
use crate::iop::config::{Configuration, Release, Target};
use crate::iop::d_mode::{
    BootValues, Finding, HmcTargetAddress, MountedMedia, MountedVolume, Power, SecretLength,
    System, is_subnet_mask, support,
};
use crate::iop::library::{ElementType, Inventory, LibraryFailure, OpenLibrary};
use crate::iop::store::Store;
use crate::render::d_mode::{DModeDocument, DModeReport, page};
use crate::render::words::Code;
use crate::transport;
use crate::values::{HostName, Subject};

/// The exit status when the IPL is not supported, or a finding stands in its way.
const NOT_CLEAR: u8 = 4;

/// `d-mode`; returns the exit status.
pub(super) fn run(
    options: &DModeOptions,
    host: &HostOptions,
    terminal: &mut Terminal,
) -> Result<u8, CommandError> {
    if let Some(mask) = options.netmask
        && !is_subnet_mask(mask)
    {
        return Err(invalid(
            "netmask",
            mask,
            "not a subnet mask such as 255.255.255.0",
        ));
    }
    let firmware = options
        .firmware
        .as_deref()
        .map(|typed| {
            typed
                .parse()
                .map_err(|error| invalid("firmware", typed, error))
        })
        .transpose()?;
    let store = open_store(host, terminal)?;
    let partition = store.partition()?;
    let configuration = store.revealed_configuration()?;
    let target = chosen(&configuration, options.target_name.as_deref())?;
    let release = match &options.release {
        None => partition.release,
        Some(release) => release
            .parse::<Release>()
            .map_err(|error| invalid("release", release, error))?,
    };
    let system = System {
        release,
        technology_refresh: options.technology_refresh,
        power: options.power.as_deref().and_then(|typed| {
            let mut all = Power::ALL.into_iter();
            all.find(|(_, word)| *word == typed).map(|(power, _)| power)
        }),
        firmware,
    };
    let generated_name = store.generated_name()?;
    let identity = &target.identity;
    let initiator_name = identity
        .initiator_name
        .resolve(generated_name.as_ref())
        .map(|name| name.as_str().to_owned());
    let address = address(&identity.target_host_name, host)?;
    let media = media(target, &store, options, host, terminal)?;
    let chap = target.chap.as_ref();
    let support = support(&system);
    let report = DModeReport {
        system,
        support,
        findings: vec![
            Finding::Level { system, support },
            Finding::KeystoreSize {
                size: partition.keystore_size,
            },
            Finding::TargetAddress {
                host_name: identity.target_host_name.to_string(),
                address: address.clone(),
            },
            Finding::TargetName {
                length: identity.target_name.as_str().len(),
            },
            Finding::InitiatorName {
                length: initiator_name.as_ref().map(String::len),
            },
            Finding::ChapName {
                length: chap.map(|chap| chap.name.as_str().len()),
            },
            Finding::ChapSecret {
                secret: match chap {
                    None => SecretLength::NoChap,
                    Some(chap) => chap.secret().map_or(SecretLength::NotHere, |secret| {
                        SecretLength::Known(secret.reveal().len())
                    }),
                },
            },
            Finding::Media(media),
            Finding::PartitionState,
        ],
        values: BootValues {
            target_name: identity.target_name.to_string(),
            target_ip_address: address.ipv4(),
            target_port: identity.target_port.number(),
            initiator_name,
            chap_name: chap.map(|chap| chap.name.to_string()),
            managed_system: options.managed_system.clone(),
            partition: options.partition.clone(),
            ip_address: options.ip,
            subnet_mask: options.netmask,
            gateway: options.gateway,
            vlan: options.vlan,
        },
    };
    match terminal.json {
        true => terminal.print_document(&DModeDocument::new(&report))?,
        false => terminal.print(&page(&report))?,
    }
    if report.is_clear() {
        return Ok(0);
    }
    terminal.notes().line(&report.summary());
    Ok(NOT_CLEAR)
}

fn invalid(
    option: &str,
    typed: impl std::fmt::Display,
    error: impl std::fmt::Display,
) -> CommandError {
    CommandError::usage(
        format!("the value '{typed}' of --{option} is {error}"),
        vec!["see iscsiswiconfig d-mode --help".to_owned()],
    )
    .with_code(Code::InvalidValue)
}

/// Returns the configured target of that name; without a name, the only one.
fn chosen<'a>(
    configuration: &'a Configuration,
    name: Option<&str>,
) -> Result<&'a Target, CommandError> {
    let name = name
        .map(|name| Subject::TargetName.iscsi_name(name))
        .transpose()?;
    let fits = |target: &&Target| {
        let of = &target.identity.target_name;
        name.as_ref().is_none_or(|name| of == name)
    };
    let found: Vec<&Target> = configuration.targets.iter().filter(fits).collect();
    let listed = |targets: &[&Target]| {
        let names: Vec<String> = targets
            .iter()
            .map(|target| target.identity.to_string())
            .collect();
        names.join(", ")
    };
    let refused = |code, message: String, hint: String| CommandError {
        kind: ErrorKind::Refused,
        code,
        error: anyhow!(message),
        hints: vec![hint],
    };
    match (found.as_slice(), &name) {
        ([target], _) => Ok(target),
        ([], None) => Err(refused(
            Code::NoSuchTarget,
            "no target is configured".to_owned(),
            "configure one with -addtarget".to_owned(),
        )),
        ([], Some(name)) => {
            let all: Vec<&Target> = configuration.targets.iter().collect();
            Err(refused(
                Code::NoSuchTarget,
                format!("no target {name} is configured"),
                match all.is_empty() {
                    true => "no target is configured at all".to_owned(),
                    false => format!("configured: {}", listed(&all)),
                },
            ))
        }
        (several, None) => Err(refused(
            Code::AmbiguousTarget,
            "more than one target is configured".to_owned(),
            format!("give the name of one of them: {}", listed(several)),
        )),
        (several, Some(name)) => Err(refused(
            Code::AmbiguousTarget,
            format!("more than one target {name} is configured"),
            format!("remove the others first: {}", listed(several)),
        )),
    }
}

/// Returns what the host name comes to as an IPv4 address.
fn address(host_name: &HostName, host: &HostOptions) -> Result<HmcTargetAddress, CommandError> {
    match host_name.address() {
        Some(IpAddr::V4(address)) => return Ok(HmcTargetAddress::Literal(address)),
        Some(IpAddr::V6(_)) => return Ok(HmcTargetAddress::Ipv6),
        None => {}
    }
    let found = transport::block_on(transport::addresses(host_name.as_str(), host.timeout))
        .map_err(CommandError::no_runtime)?;
    Ok(match found {
        Err(error) => HmcTargetAddress::NotResolved {
            detail: error.to_string(),
        },
        Ok(addresses) => addresses
            .iter()
            .find_map(|address| match address {
                IpAddr::V4(address) => Some(HmcTargetAddress::Resolved(*address)),
                IpAddr::V6(_) => None,
            })
            .unwrap_or(HmcTargetAddress::NoIpv4),
    })
}

/// Asks the target's libraries now for the cartridges in their drives, after bringing one there if that is wanted.
fn media(
    target: &Target,
    store: &Store,
    options: &DModeOptions,
    host: &HostOptions,
    terminal: &Terminal,
) -> Result<MountedMedia, CommandError> {
    let active = store.active()?;
    let name = &target.identity.target_name;
    let libraries: Vec<&str> = active
        .targets
        .iter()
        .filter(|active| {
            active
                .report
                .target_name
                .eq_ignore_ascii_case(name.as_str())
        })
        .flat_map(|active| &active.report.libraries)
        .map(|library| library.device.as_str())
        .collect();
    if let Some((library, _)) = &options.mount
        && !libraries.iter().any(|of| of.eq_ignore_ascii_case(library))
    {
        return Err(CommandError {
            kind: ErrorKind::Refused,
            code: Code::NoSuchDevice,
            error: anyhow!("{library} is no library of target {name}"),
            hints: vec![match libraries.is_empty() {
                true => "the last re-IPL found none: iscsiswiconfig -reipliscsiop".to_owned(),
                false => format!("its libraries: {}", libraries.join(", ")),
            }],
        });
    }
    if libraries.is_empty() {
        return Ok(MountedMedia::NoLibrary);
    }
    let talk = Talk::new(host, options.motion_timeout, terminal)?;
    let mut mounted = Vec::new();
    for library in libraries {
        let mount = options
            .mount
            .as_ref()
            .filter(|(of, _)| of.eq_ignore_ascii_case(library));
        let volume = mount.map(|(_, volume)| volume.as_str());
        match run_job(inventory(&talk, library, volume)) {
            Ok(inventory) => mounted.extend(in_drives(&inventory)),
            // What was asked for was not done, or the state is at fault: that is no finding.
            Err(error) if volume.is_some() || error.kind == ErrorKind::State => return Err(error),
            Err(error) => {
                return Ok(MountedMedia::NotRead {
                    message: error.message().trim_end_matches('.').to_owned(),
                    next_step: error.hints.first().map(|hint| sentence(hint)),
                });
            }
        }
    }
    Ok(MountedMedia::Mounted(mounted))
}

async fn inventory(
    talk: &Talk,
    library: &str,
    volume: Option<&str>,
) -> Result<Inventory, LibraryFailure> {
    let mut job = talk.open_library(library, None, "d-mode").await?;
    let outcome = async {
        let mut open = OpenLibrary::new(&mut job, library).await?;
        if let Some(volume) = volume {
            open.mount(volume, None).await?;
        }
        open.inventory().await
    }
    .await;
    job.close().await;
    outcome
}

fn in_drives(inventory: &Inventory) -> Vec<MountedVolume> {
    inventory
        .of_type(ElementType::DataTransfer)
        .filter(|element| element.full)
        .map(|element| MountedVolume {
            library: inventory.library.clone(),
            drive: element
                .device
                .clone()
                .unwrap_or_else(|| format!("the drive at element {}", element.address)),
            volume: element
                .volume
                .clone()
                .unwrap_or_else(|| "without a barcode".to_owned()),
        })
        .collect()
}

/// Returns a hint as a sentence.
fn sentence(hint: &str) -> String {
    let mut characters = hint.chars();
    let first = characters.next().map(|first| first.to_ascii_uppercase());
    let text: String = first.into_iter().chain(characters).collect();
    match text.ends_with('.') {
        true => text,
        false => text + ".",
    }
}
