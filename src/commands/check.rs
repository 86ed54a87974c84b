//! `check`: from words to what is observed of the configured targets, and to the exit status.

use std::env;
use std::time::SystemTime;

use anyhow::anyhow;

use super::descriptors;
use super::host::{chap_algorithms, open_store};
use super::narrator::Narrator;
use super::report_file::ReportFile;
use super::terminal::Terminal;
use crate::cli::{CheckOptions, HostOptions};
use crate::error::{CommandError, ErrorKind};
use crate::iop::check::{CheckError, CheckSettings, check};
use crate::iop::config::{Configuration, Target};
use crate::iop::finding::FindingResult;
use crate::iop::ipl::rfc_3339;
use crate::render::check::{CheckDocument, Look, page, summary};
use crate::render::html;
use crate::render::words::Code;
use crate::values::Subject;

/// The exit status when a finding is a failure.
const FAILED: u8 = 4;

/// `check`; returns the exit status.
pub(super) fn run(
    options: &CheckOptions,
    host: &HostOptions,
    terminal: &mut Terminal,
) -> Result<u8, CommandError> {
    let store = open_store(host, terminal)?;
    let configuration = store.revealed_configuration()?;
    let targets = chosen(&configuration, options.target_name.as_deref())?;
    let report = options.report.as_deref().map(ReportFile::at).transpose()?;
    descriptors::require(descriptors::RE_IPL)?;
    let settings = CheckSettings {
        timeout: host.timeout,
        chap_algorithms: chap_algorithms(host)?,
        tape_alert: options.tape_alert,
    };
    let observer = Narrator::new(host, terminal).observe_job();
    let checked = check(&store, &targets, &settings, observer).map_err(|error| match error {
        CheckError::State(error) => error.into(),
        CheckError::Job(error) => error.into(),
        CheckError::Network(error) => CommandError::no_runtime(error),
    })?;
    if let Some(report) = report {
        let document = CheckDocument::new(&checked);
        report.write(&html::page(&document, &rfc_3339(SystemTime::now())))?;
    }
    if terminal.json {
        terminal.print_document(&CheckDocument::new(&checked))?;
    } else {
        let look = Look {
            coloured: terminal.coloured
                && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
            everything: host.verbose > 0,
        };
        terminal.print(&page(&checked, look))?;
    }
    if checked
        .iter()
        .all(|target| target.worst() < FindingResult::Failure)
    {
        return Ok(0);
    }
    terminal.notes().line(&summary(&checked));
    Ok(FAILED)
}

/// Returns the configured targets of that name; all of them without a name.
fn chosen<'a>(
    configuration: &'a Configuration,
    name: Option<&str>,
) -> Result<Vec<&'a Target>, CommandError> {
    let name = name
        .map(|name| Subject::TargetName.iscsi_name(name))
        .transpose()?;
    let fits = |target: &&Target| {
        let of = &target.identity.target_name;
        name.as_ref().is_none_or(|name| of == name)
    };
    let found: Vec<&Target> = configuration.targets.iter().filter(fits).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let configured: Vec<String> = configuration
        .targets
        .iter()
        .map(|target| target.identity.target_name.to_string())
        .collect();
    Err(CommandError {
        kind: ErrorKind::Refused,
        code: Code::NoSuchTarget,
        error: match name {
            Some(name) => anyhow!("no target {name} is configured"),
            None => anyhow!("no target is configured"),
        },
        hints: vec![match configured.is_empty() {
            true => "configure one with -addtarget; discover HOST shows the lines".to_owned(),
            false => format!("configured: {}", configured.join(", ")),
        }],
    })
}
