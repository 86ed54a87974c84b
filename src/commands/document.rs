//! The documents that `--json` prints (their field names are released), and the facts that the text form shows.

use serde::Serialize;

use crate::error::CommandError;
use crate::iop::active::{ChapReport, TargetReport};
use crate::iop::config::{KeystoreUse, Target};
use crate::iop::ipl::chap_report;
use crate::iop::store::ActiveConfiguration;
use crate::values::IscsiName;

/// The schema number of every document.
const SCHEMA: u32 = 1;

/// The IOP's own type and model on IBM i.
const IOP_TYPE_MODEL: &str = "298A-001";

/// The active configuration: what the dumps and a re-IPL print.
#[derive(Serialize)]
pub struct ActiveDocument<'a> {
    schema: u32,
    /// The virtual I/O processor.
    pub iop: Iop<'a>,
    /// The initiator names in use, the generated one when there are none.
    pub initiators: Vec<Initiator<'a>>,
    /// The targets that the last re-IPL used.
    pub targets: Vec<&'a TargetReport>,
}

/// The virtual I/O processor.
#[derive(Serialize)]
pub struct Iop<'a> {
    /// Type and model as IBM i shows them.
    pub type_model: &'static str,
    /// When the last re-IPL began, RFC 3339; none before the first.
    pub ipl_time: Option<&'a str>,
    /// How many re-IPLs there have been.
    pub ipl_count: u64,
    /// Whether the configured targets are no longer those that the last re-IPL used.
    pub configuration_changed: bool,
}

/// An initiator name in use.
#[derive(Serialize)]
pub struct Initiator<'a> {
    /// Always 0: IBM i has one initiator.
    pub index: u32,
    /// The name, `*GENERATE` resolved.
    pub name: &'a str,
    /// Whether it is the system generated name.
    pub generated: bool,
}

impl<'a> ActiveDocument<'a> {
    /// Makes the document; `generated_name` is shown while no target is active.
    pub fn new(
        active: &'a ActiveConfiguration,
        generated_name: Option<&'a IscsiName>,
        configuration_changed: bool,
    ) -> Self {
        let mut initiators: Vec<Initiator<'a>> = Vec::new();
        for target in &active.targets {
            let name = target.report.initiator_name.as_str();
            if !initiators
                .iter()
                .any(|known| known.name.eq_ignore_ascii_case(name))
            {
                initiators.push(Initiator {
                    index: 0,
                    name,
                    generated: target.generated,
                });
            }
        }
        if let Some(generated_name) = generated_name
            && initiators.is_empty()
        {
            initiators.push(Initiator {
                index: 0,
                name: generated_name.as_str(),
                generated: true,
            });
        }
        Self {
            schema: SCHEMA,
            iop: Iop {
                type_model: IOP_TYPE_MODEL,
                ipl_time: active.ipl_time.as_deref(),
                ipl_count: active.ipl_count,
                configuration_changed,
            },
            initiators,
            targets: active.targets.iter().map(|target| &target.report).collect(),
        }
    }
}

/// What an edit did.
#[derive(Serialize)]
pub struct EditDocument<'a> {
    schema: u32,
    option: &'a str,
    target: Option<EditedTarget<'a>>,
}

impl<'a> EditDocument<'a> {
    /// Makes the document for an option, with the target that it edited, if it edits one.
    pub fn new(option: &'a str, target: Option<EditedTarget<'a>>) -> Self {
        Self {
            schema: SCHEMA,
            option,
            target,
        }
    }
}

/// The partition that an edit was made on.
pub struct EditedOn {
    /// The system generated initiator name.
    pub generated_name: Option<IscsiName>,
    /// Whether CHAP credentials go to the Platform KeyStore.
    pub keystore: KeystoreUse,
}

/// A configured target as an edit shows it.
#[derive(Serialize)]
pub struct EditedTarget<'a> {
    target_name: &'a str,
    target_host_name: &'a str,
    target_port: u16,
    initiator_name: &'a str,
    chap: Option<ChapReport>,
}

impl<'a> EditedTarget<'a> {
    /// Shows a target, `*GENERATE` resolved.
    pub fn new(target: &'a Target, on: &'a EditedOn) -> Self {
        let identity = &target.identity;
        Self {
            target_name: identity.target_name.as_str(),
            target_host_name: identity.target_host_name.as_str(),
            target_port: identity.target_port.number(),
            initiator_name: identity.initiator_name.resolved(on.generated_name.as_ref()),
            chap: chap_report(target, target.will_be_sealed(on.keystore)),
        }
    }
}

/// A failure.
#[derive(Serialize)]
pub struct ErrorDocument<'a> {
    schema: u32,
    error: ErrorBody<'a>,
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    status: u8,
    message: String,
    hints: &'a [String],
}

impl<'a> ErrorDocument<'a> {
    /// Makes the document of a failure.
    pub fn new(error: &'a CommandError) -> Self {
        Self {
            schema: SCHEMA,
            error: ErrorBody {
                status: error.kind.exit_status(),
                message: format!("{:#}", error.error),
                hints: &error.hints,
            },
        }
    }
}
