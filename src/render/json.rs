//! The documents that `--json` prints (their field names are released), and the facts that the text form shows.

use schemars::JsonSchema;
use serde::Serialize;

use super::words::{self, Code, Words, code};
use crate::error::CommandError;
use crate::iop::active::{
    ChapReport, DriveReport, LibraryReport, Loss, Phase, SessionReport, TargetReport, TargetStatus,
};
use crate::iop::devices::problem::Problem;
use crate::iop::operation::{Active, Edited, EditedTarget};
use crate::iop::warning::Warning;

/// The schema number of every document.
pub(super) const SCHEMA: u32 = 1;

/// The IOP's own type and model on IBM i.
const IOP_TYPE_MODEL: &str = "298A-001";

/// The active configuration: what the dumps and a re-IPL print.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Active")]
pub struct ActiveDocument<'a> {
    /// Number of the schema.
    #[schemars(extend("const" = 1))]
    schema: u32,
    /// The virtual I/O processor.
    pub iop: Iop<'a>,
    /// The initiator names in use, the generated one when there are none.
    pub initiators: Vec<InitiatorDocument<'a>>,
    /// The targets that the last re-IPL used.
    pub targets: Vec<TargetDocument<'a>>,
    /// How many targets are configured.
    #[serde(skip)]
    pub configured: usize,
}

/// What became of a target.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Target")]
pub struct TargetDocument<'a> {
    /// The target, as typed.
    pub target_name: &'a str,
    /// Its host, as typed.
    pub target_host_name: &'a str,
    /// Its port.
    pub target_port: u16,
    /// The initiator name used.
    pub initiator_name: &'a str,
    /// How it is to be logged in to; null without CHAP.
    pub chap: Option<&'a ChapReport>,
    /// The outcome.
    pub status: TargetStatus,
    /// Why it failed; null when it did not.
    pub failure: Option<FailureDocument>,
    /// When and why the session that a resident IOP held has ended since the last re-IPL; null where it has not.
    pub lost: Option<LossDocument<'a>>,
    /// What the login came to; null when there was none.
    pub session: Option<&'a SessionReport>,
    /// Its medium changers.
    pub libraries: Vec<LibraryDocument<'a>>,
    /// The drives that no library of it claims.
    pub drives: &'a [DriveReport],
    /// Problems of the target itself.
    pub problems: Vec<ProblemDocument>,
}

/// Why a target failed.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Failure")]
pub struct FailureDocument {
    /// How far it got.
    pub phase: Phase,
    /// The stable name of the cause.
    #[schemars(schema_with = "code::failure")]
    pub code: Code,
    /// Class and detail of the login response as `0x0201`, when the target gave one.
    pub login_status: Option<String>,
    /// What happened, a sentence.
    pub message: String,
    /// What to do next, where that is known.
    pub hint: Option<String>,
}

/// When and why a session has ended that a resident IOP held.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Loss")]
pub struct LossDocument<'a> {
    /// When it ended, RFC 3339.
    pub time: &'a str,
    /// The stable name of the cause.
    #[schemars(schema_with = "code::loss")]
    pub code: Code,
    /// What happened, a sentence.
    pub message: String,
    /// What to do next, where that is known.
    pub hint: Option<String>,
}

impl<'a> From<&'a Loss> for LossDocument<'a> {
    fn from(lost: &'a Loss) -> Self {
        let words = words::loss::loss(&lost.cause);
        Self {
            time: &lost.time,
            code: words.code,
            message: words.message,
            hint: words.next_step,
        }
    }
}

/// A problem of a target or a library.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub struct ProblemDocument {
    /// The stable name of the problem.
    #[schemars(schema_with = "code::problem")]
    pub code: Code,
    /// What it is, a sentence.
    pub message: String,
    /// What to do next, where that is known.
    pub next_step: Option<String>,
}

/// A medium changer with its drives.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Library")]
pub struct LibraryDocument<'a> {
    /// Device name, `TAPMLB01` and up; it stays with the serial number.
    pub device: &'a str,
    /// IBM i type and model, `3584-403`; a model that the library does not tell is `***`.
    pub type_model: &'a str,
    /// Whether the type comes from the product identification, not from VPD page D0h.
    pub derived: bool,
    /// VENDOR IDENTIFICATION of the standard INQUIRY data (SPC-4 6.4.2), escaped and trimmed.
    pub vendor: &'a str,
    /// PRODUCT IDENTIFICATION, escaped and trimmed.
    pub product: &'a str,
    /// PRODUCT REVISION LEVEL, escaped and trimmed.
    pub revision: &'a str,
    /// Unit serial number (VPD page 80h), escaped and trimmed; empty when the device has none.
    pub serial: &'a str,
    /// Logical unit number.
    pub lun: u64,
    /// The eight bytes of the logical unit number in hexadecimal (SAM-5 4.7), `0x4005000000000000`, where they are not the
    /// usual ones of that number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lun_address: Option<&'a str>,
    /// Number of storage elements (MODE SENSE page 1Dh).
    pub storage_elements: u16,
    /// Number of import/export elements.
    pub import_export_elements: u16,
    /// Number of medium transport elements.
    pub transport_elements: u16,
    /// The drives that the library's element status names, by element address.
    pub drives: &'a [DriveReport],
    /// What IBM i would stumble over.
    pub problems: Vec<ProblemDocument>,
}

impl From<Words> for ProblemDocument {
    fn from(words: Words) -> Self {
        Self {
            code: words.code,
            message: words.message,
            next_step: words.next_step,
        }
    }
}

impl<'a> From<&'a LibraryReport> for LibraryDocument<'a> {
    fn from(library: &'a LibraryReport) -> Self {
        Self {
            device: &library.device,
            type_model: &library.type_model,
            derived: library.derived,
            vendor: &library.vendor,
            product: &library.product,
            revision: &library.revision,
            serial: &library.serial,
            lun: library.lun,
            lun_address: library.lun_address.as_deref(),
            storage_elements: library.storage_elements,
            import_export_elements: library.import_export_elements,
            transport_elements: library.transport_elements,
            drives: &library.drives,
            problems: problems(&library.problems),
        }
    }
}

impl<'a> From<&'a TargetReport> for TargetDocument<'a> {
    fn from(target: &'a TargetReport) -> Self {
        let told = words::failure::failure(target);
        Self {
            target_name: &target.target_name,
            target_host_name: &target.target_host_name,
            target_port: target.target_port,
            initiator_name: &target.initiator_name,
            chap: target.chap.as_ref(),
            status: target.status,
            failure: target
                .failure
                .as_ref()
                .zip(told)
                .map(|(failure, words)| FailureDocument {
                    phase: failure.phase,
                    code: words.code,
                    login_status: words::failure::refusal(failure).map(|status| status.to_string()),
                    message: words.message,
                    hint: words.next_step,
                }),
            lost: target.lost.as_ref().map(LossDocument::from),
            session: target.session.as_ref(),
            libraries: target.libraries.iter().map(LibraryDocument::from).collect(),
            drives: &target.drives,
            problems: problems(&target.problems),
        }
    }
}

fn problems(problems: &[Problem]) -> Vec<ProblemDocument> {
    problems
        .iter()
        .map(|problem| words::problem::problem(problem).into())
        .collect()
}

/// The virtual I/O processor.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Iop")]
pub struct Iop<'a> {
    /// Type and model as IBM i shows them.
    pub type_model: &'static str,
    /// When the last re-IPL began, RFC 3339; null before the first.
    pub ipl_time: Option<&'a str>,
    /// How many re-IPLs there have been.
    pub ipl_count: u64,
    /// Whether the configured targets are no longer those that the last re-IPL used.
    pub configuration_changed: bool,
    /// Whether a resident IOP holds the sessions: then the status of a target is the present one, and otherwise that of the last
    /// re-IPL, or LOST.
    pub resident: bool,
}

/// An initiator name in use.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Initiator")]
pub struct InitiatorDocument<'a> {
    /// Always 0: IBM i has one initiator.
    pub index: u32,
    /// The name, `*GENERATE` resolved.
    pub name: &'a str,
    /// Whether it is the system generated name.
    pub generated: bool,
}

impl<'a> ActiveDocument<'a> {
    /// Returns whether every target is connected.
    pub fn all_connected(&self) -> bool {
        self.targets
            .iter()
            .all(|target| target.status == TargetStatus::Connected)
    }

    /// Makes the document; the generated name is shown while no target is active.
    pub fn new(active: &'a Active) -> Self {
        let targets = &active.configuration.targets;
        let mut initiators: Vec<InitiatorDocument<'a>> = Vec::new();
        for target in targets {
            let name = target.report.initiator_name.as_str();
            if !initiators
                .iter()
                .any(|known| known.name.eq_ignore_ascii_case(name))
            {
                initiators.push(InitiatorDocument {
                    index: 0,
                    name,
                    generated: target.generated,
                });
            }
        }
        if let Some(generated_name) = &active.generated_name
            && initiators.is_empty()
        {
            initiators.push(InitiatorDocument {
                index: 0,
                name: generated_name.as_str(),
                generated: true,
            });
        }
        Self {
            schema: SCHEMA,
            iop: Iop {
                type_model: IOP_TYPE_MODEL,
                ipl_time: active.configuration.ipl_time.as_deref(),
                ipl_count: active.configuration.ipl_count,
                configuration_changed: active.changed,
                resident: active.resident,
            },
            initiators,
            targets: targets
                .iter()
                .map(|target| TargetDocument::from(&target.report))
                .collect(),
            configured: active.configured,
        }
    }
}

/// What an edit did.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Edit")]
pub struct EditDocument<'a> {
    /// Number of the schema.
    #[schemars(extend("const" = 1))]
    schema: u32,
    /// The macro's option, `-addtarget`.
    option: &'a str,
    /// The target that was added, changed, removed or committed; null for the other options.
    target: Option<&'a EditedTarget>,
    /// Whether the call changed anything.
    changed: bool,
}

impl<'a> EditDocument<'a> {
    /// Makes the document for an option.
    pub fn new(option: &'a str, edited: &'a Edited) -> Self {
        Self {
            schema: SCHEMA,
            option,
            target: edited.edit.target(),
            changed: edited.changed,
        }
    }
}

/// A warning.
#[derive(Clone, Serialize, JsonSchema)]
#[schemars(rename = "Warning")]
pub struct WarningDocument {
    /// The stable name of the warning.
    #[schemars(schema_with = "code::warning")]
    pub code: Code,
    /// What it is, as on stderr.
    pub message: String,
}

impl From<&Warning> for WarningDocument {
    fn from(warning: &Warning) -> Self {
        let (code, message) = words::warning::warning(warning);
        Self { code, message }
    }
}

/// What can be printed: it has a schema.
pub trait Document: Serialize + JsonSchema {}

impl<T: Serialize + JsonSchema> Document for T {}

/// A document with the warnings beside it.
#[derive(Serialize, JsonSchema)]
// The description is that of the document.
#[schemars(rename = "{T}", description = "")]
pub struct WithWarnings<'a, T> {
    /// The document.
    #[serde(flatten)]
    pub document: &'a T,
    /// Its warnings, in the order of stderr.
    pub warnings: &'a [WarningDocument],
}

/// A failure.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Error")]
pub struct ErrorDocument<'a> {
    /// Number of the schema.
    #[schemars(extend("const" = 1))]
    schema: u32,
    /// What failed, and what to do.
    error: ErrorBody<'a>,
}

/// The failure in its document.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ErrorBody")]
pub struct ErrorBody<'a> {
    /// The exit status: 1, 2 or 3; 4 beside what a job came to.
    status: u8,
    /// The stable name of the error.
    #[schemars(schema_with = "code::error")]
    code: Code,
    /// What failed, as on stderr.
    message: String,
    /// What to do next, each a line of stderr.
    hints: &'a [String],
}

impl<'a> ErrorDocument<'a> {
    /// Makes the document of a failure.
    pub fn new(error: &'a CommandError) -> Self {
        Self {
            schema: SCHEMA,
            error: ErrorBody::new(error),
        }
    }
}

impl<'a> ErrorBody<'a> {
    /// Makes it of a failure.
    pub fn new(error: &'a CommandError) -> Self {
        Self {
            status: error.kind.exit_status(),
            code: error.code,
            message: error.message(),
            hints: &error.hints,
        }
    }
}
