//! `generate`, which prints what packages install, and `complete`, which tells the completion scripts what is configured.

use std::env;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::host::{Directories, directories, named, open_store};
use super::schema::{INPUT_DOCUMENTS, schema};
use super::systemd;
use super::terminal::Terminal;
use crate::cli::host::{KEYSTORE_DIR_VARIABLE, STATE_DIR_VARIABLE};
use crate::cli::{Artifact, GenerateOptions, HostOptions, NameKind, complete, man, man_json};
use crate::error::{CommandError, ErrorKind};
use crate::iop::config::Configuration;
use crate::iop::store::ActiveConfiguration;
use crate::render::words::{Code, check, code};
use crate::storage::quoted;
use crate::values::{InitiatorName, quote_bytes};

/// Prints a man page, the schema of the documents, a completion script, the script for `--rsh-command` or a unit of systemd.
pub(super) fn generate(
    options: GenerateOptions,
    host: &HostOptions,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    if options.user && options.artifact != Artifact::Systemd {
        return Err(CommandError::usage(
            "--user is for the unit of systemd, and something else is to be printed",
            vec!["write iscsiswiconfig generate systemd --user".to_owned()],
        ));
    }
    terminal.print(&match options.artifact {
        Artifact::Man => man::page(&code::listed(), &check::listed()),
        Artifact::ManJson => man_json::page(&schema(), &INPUT_DOCUMENTS),
        Artifact::Schema => format!("{:#}\n", schema()),
        Artifact::Bash => complete::bash(),
        Artifact::Zsh => complete::zsh(),
        Artifact::Fish => complete::fish(),
        Artifact::Rsh => remote_shell(host)?,
        Artifact::Systemd => {
            let directories = directories(host)?;
            let directories = Directories {
                state: absolute(&directories.state)?,
                keystore: directories.keystore.as_ref().map(absolute).transpose()?,
            };
            systemd::unit(&program(), &directories, host, options.user)?
        }
    })
}

/// Returns the script that takes the place of a remote shell: it runs this program, with the host options that were given.
fn remote_shell(host: &HostOptions) -> Result<String, CommandError> {
    let default = HostOptions::default();
    let mut words = vec![program().into_os_string()];
    let mut option = |name: &str, value: OsString| words.extend([name.into(), value]);
    // The script is run wherever the archive is made.
    if let Some(directory) = named(&host.state_dir, STATE_DIR_VARIABLE) {
        option("--state-dir", absolute(&directory)?.into());
    }
    if let Some(directory) = named(&host.keystore_dir, KEYSTORE_DIR_VARIABLE) {
        option("--keystore-dir", absolute(&directory)?.into());
    }
    for (name, value, default) in [
        ("--timeout", host.timeout, default.timeout),
        ("--lock-timeout", host.lock_timeout, default.lock_timeout),
    ] {
        if value != default {
            option(name, value.as_secs_f64().to_string().into());
        }
    }
    if let Some(list) = &host.chap_algorithms {
        option("--chap-algorithms", list.into());
    }
    let words: Vec<String> = words
        .iter()
        .map(|word| quote_bytes(word.as_bytes()))
        .collect();
    Ok(format!(
        "#!/bin/sh\n# For --rsh-command of tar, cpio and mt: host:TAPnn is the drive TAPnn, whatever the host.\nexec {} rmt -- \"$@\"\n",
        words.join(" ")
    ))
}

/// Returns the path of this program.
fn program() -> PathBuf {
    env::current_exe().unwrap_or_else(|_| PathBuf::from("iscsiswiconfig"))
}

fn absolute(path: &PathBuf) -> Result<PathBuf, CommandError> {
    std::path::absolute(path).map_err(|error| CommandError {
        kind: ErrorKind::State,
        code: Code::FileUnusable,
        error: anyhow::Error::new(error).context(format!("cannot find {}", quoted(path))),
        hints: vec!["give a path that begins with /".to_owned()],
    })
}

/// Prints the names of a kind, each once: those of the configuration, or those of the last re-IPL.
pub(super) fn names(
    kind: NameKind,
    host: &HostOptions,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let store = open_store(host, terminal)?;
    let mut names = match kind {
        NameKind::TargetNames | NameKind::InitiatorNames | NameKind::HostNames => {
            configured_names(kind, &store.configuration()?)
        }
        NameKind::Libraries
        | NameKind::Drives
        | NameKind::Devices
        | NameKind::Volumes
        | NameKind::Cartridges => active_names(kind, &store.active()?),
    };
    names.sort_unstable();
    names.dedup();
    terminal.print(
        &names
            .iter()
            .map(|name| format!("{name}\n"))
            .collect::<String>(),
    )
}

fn configured_names(kind: NameKind, configuration: &Configuration) -> Vec<String> {
    configuration
        .targets
        .iter()
        .map(|target| &target.identity)
        .filter_map(|identity| match (kind, &identity.initiator_name) {
            (NameKind::TargetNames, _) => Some(identity.target_name.to_string()),
            (NameKind::HostNames, _) => Some(identity.target_host_name.to_string()),
            (NameKind::InitiatorNames, InitiatorName::Named(name)) => Some(name.to_string()),
            _ => None,
        })
        .collect()
}

fn active_names(kind: NameKind, active: &ActiveConfiguration) -> Vec<String> {
    let mut names = Vec::new();
    for report in active.targets.iter().map(|target| &target.report) {
        if matches!(kind, NameKind::Libraries | NameKind::Devices) {
            names.extend(
                report
                    .libraries
                    .iter()
                    .map(|library| library.device.clone()),
            );
        }
        if kind == NameKind::Cartridges {
            for library in &report.libraries {
                let volumes = library
                    .drives
                    .iter()
                    .filter_map(|drive| drive.volume.as_ref());
                names.extend(volumes.map(|volume| format!("{}:{volume}", library.device)));
            }
        }
        let claimed = report.libraries.iter().flat_map(|library| &library.drives);
        for drive in claimed.chain(&report.drives) {
            match kind {
                NameKind::Drives | NameKind::Devices => names.push(drive.device.clone()),
                NameKind::Volumes => names.extend(drive.volume.clone()),
                _ => {}
            }
        }
    }
    names
}
