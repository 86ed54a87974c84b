//! `discover`: from words to a discovery session, and from its answer to what is printed.

use std::rc::Rc;

use anyhow::anyhow;

use super::descriptors;
use super::host::{chap_algorithms, open_store};
use super::narrator::Narrator;
use super::secret_file;
use super::terminal::Terminal;
use crate::cli::{DiscoverOptions, HostOptions, Parameter, quote};
use crate::error::{CommandError, ErrorKind};
use crate::iop::config::{Configuration, Target};
use crate::iop::discover::{DiscoverError, Inquirer, discover};
use crate::iop::store::Store;
use crate::iscsi::ids::Isid;
use crate::render::discover::{DiscoveredDocument, page};
use crate::render::words::{Code, failure, next_step};
use crate::transport::{self, Deadlines};
use crate::values::{ChapName, ChapSecret, HostName, InitiatorName, Port, Subject};

/// `discover`.
pub(super) fn run(
    mut options: DiscoverOptions,
    host: &HostOptions,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    secret_file::fill_arguments(&mut options.arguments, host)?;
    let (host_name, port) = portal(&options.host)?;
    let store = open_store(host, terminal)?;
    let inquirer = inquirer(&options, host_name, port, &store, host)?;
    descriptors::require(descriptors::RE_IPL)?;
    let observe = Narrator::new(host, terminal).observe_job();
    let name = format!("{} port {}", inquirer.host, inquirer.port);
    let deadlines = Deadlines::of_phase(host.timeout);
    let discovered = transport::block_on(discover(
        &inquirer,
        deadlines,
        Rc::new(move |step| observe(&name, step)),
    ))
    .map_err(CommandError::no_runtime)?
    .map_err(|error| failed(&inquirer, error))?;
    match terminal.json {
        true => terminal.print_document(&DiscoveredDocument::new(&inquirer, &discovered)),
        false => terminal.print(&page(&inquirer, &discovered)),
    }
}

/// Returns the host and the port of what was typed: `vtl`, `10.1.1.5:860`, `fd00::5`, `[fd00::5]:860`.
fn portal(typed: &str) -> Result<(HostName, Port), CommandError> {
    if let Some((_, behind)) = typed.split_once("://") {
        return Err(url(behind));
    }
    let bracketed = typed
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'));
    let (host, port) = match bracketed {
        Some((host, "")) => (host, None),
        Some((host, rest)) => match rest.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None => (typed, None),
        },
        // More colons than one are those of an IPv6 address.
        None => match typed.split_once(':') {
            Some((host, port)) if !port.contains(':') => (host, Some(port)),
            _ => (typed, None),
        },
    };
    let port = match port {
        None => Port::DEFAULT,
        Some(port) => port.parse()?,
    };
    Ok((host.parse()?, port))
}

/// Returns the error for a URL in the place of a host; a user and a password in it are not shown.
fn url(behind_scheme: &str) -> CommandError {
    let authority = behind_scheme
        .split(['/', '?', '#'])
        .next()
        .unwrap_or_default();
    let place = authority
        .rsplit_once('@')
        .map_or(authority, |(_, place)| place);
    let hint = match portal(place) {
        Ok(_) => format!("write {}", quote(place)),
        Err(_) => "write the name or address of the host, such as 10.1.1.5:3260".to_owned(),
    };
    CommandError::usage("discover takes HOST or HOST:PORT, and no URL", vec![hint])
        .with_code(Code::InvalidValue)
}

/// Returns who asks: what was given, else what a target configured at that host has, else the system generated name.
fn inquirer(
    options: &DiscoverOptions,
    host_name: HostName,
    port: Port,
    store: &Store,
    host: &HostOptions,
) -> Result<Inquirer, CommandError> {
    let configuration = store.revealed_configuration()?;
    let configured = configured_at(&configuration, &host_name, port);
    let name: InitiatorName = match options.value(Parameter::InitiatorName) {
        Some(name) => name.parse()?,
        None => configured.map_or(InitiatorName::Generated, |target| {
            target.identity.initiator_name.clone()
        }),
    };
    let generated_name = store.generated_name()?;
    let initiator_name = name
        .resolve(generated_name.as_ref())
        .ok_or_else(|| CommandError {
            kind: ErrorKind::Refused,
            code: Code::NoGeneratedName,
            error: anyhow!("the partition has no UUID to generate an initiator name from"),
            hints: vec![
                "give -initiatorname NAME, or the partition a UUID with partition set --uuid"
                    .to_owned(),
            ],
        })?
        .clone();
    let chap_name = options.value(Parameter::InitiatorChapName);
    let chap_secret = options.value(Parameter::InitiatorChapSecret);
    let chap = match (chap_name, chap_secret) {
        (Some(name), Some(secret)) => Some((ChapName::parse(name)?, ChapSecret::parse(secret)?)),
        (None, None) => configured.and_then(chap_of),
        (Some(_), None) => return Err(half_chap(Subject::ChapSecret)),
        (None, Some(_)) => return Err(half_chap(Subject::ChapName)),
    };
    let mut random = [0; 5];
    getrandom::fill(&mut random).map_err(|error| CommandError::no_runtime(error.into()))?;
    Ok(Inquirer {
        host: host_name,
        port,
        initiator_name,
        generated: name.is_generated(),
        chap,
        chap_algorithms: chap_algorithms(host)?,
        isid: Isid::random(random),
    })
}

fn configured_at<'a>(
    configuration: &'a Configuration,
    host: &HostName,
    port: Port,
) -> Option<&'a Target> {
    configuration.targets.iter().find(|target| {
        let identity = &target.identity;
        identity.target_host_name == *host && identity.target_port == port
    })
}

fn chap_of(target: &Target) -> Option<(ChapName, ChapSecret)> {
    let chap = target.chap.as_ref()?;
    Some((chap.name.clone(), chap.secret()?.clone()))
}

fn half_chap(missing: Subject) -> CommandError {
    let (what, parameter) = match missing {
        Subject::ChapName => ("CHAP name", Parameter::InitiatorChapName),
        _ => ("CHAP secret", Parameter::InitiatorChapSecret),
    };
    CommandError::usage(
        format!("CHAP name and secret come together, and the {what} is missing"),
        vec![format!("give {} as well", parameter.word())],
    )
    .with_code(Code::HalfChap)
}

fn failed(inquirer: &Inquirer, error: DiscoverError) -> CommandError {
    let place = format!("{} port {}", inquirer.host, inquirer.port);
    match error {
        DiscoverError::Attach(report) => {
            let words = failure::failure(&report);
            let (message, hint) = words.map(|words| (words.message, words.next_step)).unzip();
            CommandError {
                kind: ErrorKind::Device,
                code: Code::TargetUnreachable,
                error: anyhow!("{place}: {}", message.unwrap_or_default()),
                hints: hint.flatten().into_iter().collect(),
            }
        }
        DiscoverError::SendTargets(error) => CommandError {
            kind: ErrorKind::Device,
            code: Code::DiscoveryFailed,
            error: anyhow::Error::new(error)
                .context(format!("{place} gives no list of its targets")),
            hints: vec![next_step::NO_LIST.to_owned()],
        },
    }
}
