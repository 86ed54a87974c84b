//! `show` and `apply`: from words and a document to operations.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::error::Category;
use zeroize::Zeroizing;

use super::host::{self, open_store};
use super::secret_file;
use super::secret_text::failed;
use super::terminal::Terminal;
use crate::cli::{ApplyOptions, HostOptions};
use crate::error::{CommandError, ErrorKind};
use crate::iop::config::{ChapParameters, TargetIdentity, WantedTarget};
use crate::iop::operation::{Operation, OperationError, Outcome};
use crate::render::configured::{self, AppliedDocument, ConfiguredDocument};
use crate::render::words::{Code, error as words, next_step};
use crate::storage::quoted;
use crate::values::{
    ChapName, ChapSecret, HostName, InitiatorName, KeystoreChoice, Port, Subject, ValueError,
};

/// The most bytes of a document.
const LIMIT: usize = 1 << 20;

/// The schema number of the documents that are read.
const SCHEMA: u64 = 1;

/// What `apply` reads: the targets that are to be configured. An unknown field is an error, and null is as a field that is not there.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "WantedTargets")]
pub(super) struct WantedDocument {
    /// Number of the schema.
    #[schemars(extend("const" = 1))]
    schema: u64,
    /// Every target that is to be configured; with --prune no other one is.
    targets: Vec<DocumentTarget>,
}

/// A target that is to be configured.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "WantedTarget")]
struct DocumentTarget {
    /// Name of the target.
    target_name: String,
    /// Host name or address of the target.
    target_host_name: String,
    /// TCP port; 3260 when it is absent.
    #[schemars(range(min = 1, max = 65_535))]
    target_port: Option<u64>,
    /// Name of the initiator; the generated one when it is absent or *GENERATE.
    initiator_name: Option<String>,
    /// CHAP credentials; none, and those that are configured are dropped, when it is absent.
    chap: Option<DocumentChap>,
}

/// CHAP credentials of a target that is to be configured, with either `secret` or `secret_file`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "WantedChap")]
struct DocumentChap {
    /// CHAP name.
    name: String,
    /// CHAP secret.
    #[schemars(with = "Option<String>")]
    secret: Option<Zeroizing<String>>,
    /// File that holds the CHAP secret; a relative one is beside the document, or in the current directory where that is standard input.
    secret_file: Option<PathBuf>,
    /// Where the secret is to be kept: AVAIL, NONE or PLATFORM; AVAIL when it is absent.
    #[schemars(extend("enum" = ["AVAIL", "NONE", "PLATFORM", null]))]
    keystore: Option<String>,
}

/// Runs `show`.
pub(super) fn show(host: &HostOptions, terminal: &mut Terminal) -> Result<(), CommandError> {
    perform(Operation::Configured, host, terminal)
}

/// Runs `apply`.
pub(super) fn apply(
    options: &ApplyOptions,
    host: &HostOptions,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let is_stdin = options.file.as_os_str() == "-";
    let shown = match is_stdin {
        true => "standard input".to_owned(),
        false => quoted(&options.file).to_string(),
    };
    let text = read(&options.file, is_stdin)
        .with_context(|| format!("cannot read the document from {shown}"))
        .map_err(|error| failed(error, "name a file that holds it, or - for standard input"))?;
    let document = parse(&text, &shown)?;
    let beside = match is_stdin {
        true => None,
        false => options.file.parent(),
    };
    let targets = document.targets.iter().enumerate();
    let targets = targets
        .map(|(index, target)| wanted(target, &format!("{shown}: targets[{index}]"), beside))
        .collect::<Result<_, _>>()?;
    let operation = Operation::Apply {
        targets,
        prune: options.prune,
        dry_run: options.dry_run,
    };
    perform(operation, host, terminal)
}

fn perform(
    operation: Operation,
    host: &HostOptions,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let is_apply = matches!(operation, Operation::Apply { .. });
    let performed = host::perform(operation, &open_store(host, terminal)?, host, terminal)?
        .map_err(|error| {
            let hints = match &error {
                OperationError::Refused(error) if is_apply => next_step::of_applied(error),
                _ => None,
            };
            let error = CommandError::from(error);
            CommandError {
                hints: hints.unwrap_or(error.hints),
                ..error
            }
        })?;
    for warning in &performed.warnings {
        terminal.warn(warning);
    }
    match (&performed.outcome, terminal.json) {
        (Outcome::Configured(of), true) => terminal.print_document(&ConfiguredDocument::new(of)),
        (Outcome::Configured(of), false) => terminal.print(&configured::configured(of)),
        (Outcome::Applied(of), true) => terminal.print_document(&AppliedDocument::new(of)),
        (Outcome::Applied(of), false) => terminal.print(&configured::applied(of)),
        // Other operations have other outcomes.
        (Outcome::Active(_) | Outcome::Edited(_) | Outcome::Partition(_), _) => Ok(()),
    }
}

/// Reads a document into a buffer that never grows, so that no copy of a secret is left behind.
fn read(path: &Path, is_stdin: bool) -> io::Result<Zeroizing<Vec<u8>>> {
    let file = match is_stdin {
        // Past the buffer of io::Stdin, which is not wiped.
        true => File::from(io::stdin().as_fd().try_clone_to_owned()?),
        false => File::open(path)?,
    };
    let mut bytes = Zeroizing::new(Vec::with_capacity(LIMIT + 64));
    file.take(LIMIT as u64 + 1).read_to_end(&mut bytes)?;
    match bytes.len() > LIMIT {
        true => Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "it is longer than 1 MiB",
        )),
        false => Ok(bytes),
    }
}

fn parse(text: &[u8], shown: &str) -> Result<WantedDocument, CommandError> {
    let document: WantedDocument =
        serde_json::from_slice(text).map_err(|error| malformed(shown, &describe(&error)))?;
    match document.schema {
        SCHEMA => Ok(document),
        other => Err(malformed(
            shown,
            &format!("schema is {other}, and this version reads {SCHEMA}"),
        )),
    }
}

/// Returns what is wrong with a document, with the place. A value, which may be a secret, is not shown.
fn describe(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let place = format!("line {} column {}", error.line(), error.column());
    let names_fields = ["unknown field", "missing field", "duplicate field"];
    if error.classify() == Category::Data
        && !names_fields.iter().any(|start| message.starts_with(start))
    {
        return format!("a value of the wrong type ends at {place}");
    }
    message
}

fn malformed(shown: &str, message: &str) -> CommandError {
    CommandError {
        kind: ErrorKind::Usage,
        code: Code::MalformedDocument,
        error: anyhow!("{shown}: {message}"),
        hints: vec!["see iscsiswiconfig apply --help".to_owned()],
    }
}

fn wanted(
    target: &DocumentTarget,
    place: &str,
    beside: Option<&Path>,
) -> Result<WantedTarget, CommandError> {
    let at = |field: &'static str| move |error: ValueError| invalid(place, field, error);
    let identity = TargetIdentity {
        initiator_name: match &target.initiator_name {
            None => InitiatorName::Generated,
            Some(name) => name.parse().map_err(at("initiator_name"))?,
        },
        target_name: Subject::TargetName
            .iscsi_name(&target.target_name)
            .map_err(at("target_name"))?,
        target_host_name: target
            .target_host_name
            .parse::<HostName>()
            .map_err(at("target_host_name"))?,
        target_port: match target.target_port {
            None => Port::DEFAULT,
            Some(port) => port.to_string().parse().map_err(at("target_port"))?,
        },
    };
    let Some(chap) = &target.chap else {
        return Ok(WantedTarget {
            identity,
            chap: ChapParameters::default(),
            upper_cased_name: false,
            upper_cased_secret: false,
        });
    };
    let secret = match (&chap.secret, &chap.secret_file) {
        (Some(secret), None) => secret.clone(),
        (None, Some(file)) => {
            let path = beside.map_or_else(|| file.clone(), |directory| directory.join(file));
            secret_file::read(&path, "the CHAP secret")?
        }
        (None, None) => {
            let message = "chap has a name and neither secret nor secret_file";
            return Err(malformed(place, message).with_code(Code::HalfChap));
        }
        (Some(_), Some(_)) => {
            return Err(malformed(place, "chap has both secret and secret_file"));
        }
    };
    let has_lower_case = |text: &str| text.bytes().any(|byte| byte.is_ascii_lowercase());
    Ok(WantedTarget {
        identity,
        upper_cased_name: has_lower_case(&chap.name),
        upper_cased_secret: has_lower_case(&secret),
        chap: ChapParameters {
            name: Some(ChapName::parse(&chap.name).map_err(at("chap.name"))?),
            secret: Some(ChapSecret::parse(&secret).map_err(at("chap.secret"))?),
            keystore: chap
                .keystore
                .as_deref()
                .map(str::parse::<KeystoreChoice>)
                .transpose()
                .map_err(at("chap.keystore"))?,
        },
    })
}

/// Returns the error of a value of the document. The hints of a value are for the macro's line, and are left out.
fn invalid(place: &str, field: &str, error: ValueError) -> CommandError {
    CommandError {
        kind: ErrorKind::Usage,
        code: words::value_code(&error),
        error: anyhow::Error::new(error).context(format!("{place}.{field}")),
        hints: vec!["correct it in the document; nothing has changed".to_owned()],
    }
}
