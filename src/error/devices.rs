//! What became of a device that a command was to use: exit status, code and next steps.

use anyhow::anyhow;

use super::{CommandError, ErrorKind};
use crate::iop::devices::names::DeviceKind;
use crate::iop::devices::resolve::ResolveError;
use crate::iop::job::JobError;
use crate::iop::library::LibraryFailure;
use crate::render::words::{self, Code};

const RE_IPL: &str = "re-IPL: iscsiswiconfig -reipliscsiop";

fn refused(code: Code, message: String, hints: Vec<String>) -> CommandError {
    CommandError {
        kind: ErrorKind::Refused,
        code,
        error: anyhow!(message),
        hints,
    }
}

impl From<JobError> for CommandError {
    fn from(error: JobError) -> Self {
        let target = error.failed_target();
        match error {
            JobError::Resolve(error) => unresolved(error),
            JobError::WrongKind { device, wanted } => refused(
                Code::NoSuchDevice,
                match wanted {
                    DeviceKind::Library => format!("{device} is a drive, not a library"),
                    DeviceKind::Drive => format!("{device} is a library, not a drive"),
                },
                vec![match wanted {
                    DeviceKind::Library => "give the name of a library, TAPMLBnn".to_owned(),
                    DeviceKind::Drive => "give the name of a drive, TAPnn".to_owned(),
                }],
            ),
            JobError::State(error) => error.into(),
            JobError::OtherDevice { .. } => refused(
                Code::OtherDevice,
                error.to_string(),
                vec![format!("it is another device now; {RE_IPL}")],
            ),
            JobError::Device { .. } => Self {
                kind: ErrorKind::Device,
                code: Code::DeviceError,
                hints: vec![STATE_OF_DEVICE.to_owned()],
                error: error.into(),
            },
            JobError::Login(_) | JobError::Attach { .. } => {
                let told = target.as_ref().and_then(words::failure::failure);
                let (message, next_step) = match told {
                    Some(words) => (words.message, words.next_step),
                    None => (error.to_string(), None),
                };
                let name = target.map_or_else(String::new, |target| {
                    format!(
                        "target {} at {} port {}: ",
                        target.target_name, target.target_host_name, target.target_port
                    )
                });
                Self {
                    kind: ErrorKind::Device,
                    code: Code::TargetUnreachable,
                    error: anyhow!("{name}{message}"),
                    hints: next_step.into_iter().collect(),
                }
            }
        }
    }
}

const STATE_OF_DEVICE: &str = "look at the state of the device on the VTL; -vv shows the exchange";

fn unresolved(error: ResolveError) -> CommandError {
    match error {
        ResolveError::Unknown { name, known } => refused(
            Code::NoSuchDevice,
            format!("there is no device {name} in the active configuration"),
            vec![match known.is_empty() {
                true => format!("the last re-IPL found no device; {RE_IPL}"),
                false => format!("it has {}", known.join(", ")),
            }],
        ),
        ResolveError::TargetFailed { device, targets } => refused(
            Code::ReIplNeeded,
            format!(
                "{device} was not found by the last re-IPL, in which a target failed that may have it: {}",
                targets.join(", ")
            ),
            vec![RE_IPL.to_owned()],
        ),
        ResolveError::TargetChanged { device, target } => refused(
            Code::ReIplNeeded,
            format!("target {target} of {device} was changed or removed since the last re-IPL"),
            vec![RE_IPL.to_owned()],
        ),
        ResolveError::LunNotRecorded { device, target } => refused(
            Code::ReIplNeeded,
            format!("the last re-IPL did not record which logical unit of {target} is {device}"),
            vec![RE_IPL.to_owned()],
        ),
    }
}

impl From<LibraryFailure> for CommandError {
    fn from(error: LibraryFailure) -> Self {
        let see = |library: &str| format!("see iscsiswiconfig library {library}");
        let (code, hint) = match &error {
            LibraryFailure::Job(_) => return job_error(error),
            LibraryFailure::Device { .. } => {
                return Self {
                    kind: ErrorKind::Device,
                    code: Code::DeviceError,
                    hints: vec![STATE_OF_DEVICE.to_owned()],
                    error: error.into(),
                };
            }
            LibraryFailure::NoVolume { library, .. } => (
                Code::NoSuchVolume,
                format!(
                    "a volume is named by its barcode or the first six characters of it, one without a barcode by its element \
                     address; {}",
                    see(library)
                ),
            ),
            LibraryFailure::AmbiguousVolume { found, .. } => (
                Code::AmbiguousVolume,
                format!(
                    "give the whole barcode, or move it by its element address: {}",
                    found
                        .iter()
                        .map(|(volume, address)| format!("{volume} at element {address}"))
                        .collect::<Vec<_>>()
                        .join(", ")
                ),
            ),
            LibraryFailure::NoElement { library, .. } => (
                Code::NoSuchElement,
                format!("give an element address, such as 1025; {}", see(library)),
            ),
            LibraryFailure::ElementEmpty { library, .. } => (Code::ElementEmpty, see(library)),
            LibraryFailure::ElementFull { library, .. } => (Code::ElementFull, see(library)),
            LibraryFailure::NotItsDrive { drives, .. } => (
                Code::NoSuchDevice,
                match drives.is_empty() {
                    true => "this partition has none of its drives".to_owned(),
                    false => format!("its drives: {}", drives.join(", ")),
                },
            ),
            LibraryFailure::DriveEmpty { .. } => {
                (Code::ElementEmpty, "there is nothing to unmount".to_owned())
            }
            LibraryFailure::DriveFull { .. } => (
                Code::ElementFull,
                "unmount that first, or give another --drive".to_owned(),
            ),
            LibraryFailure::InAnotherDrive { .. } => (
                Code::InAnotherDrive,
                "unmount it first, or leave --drive out".to_owned(),
            ),
            LibraryFailure::UnknownDrive { .. } => (
                Code::NoSuchDevice,
                format!("configure the target that shows this drive; {RE_IPL}"),
            ),
            LibraryFailure::NoneFree { library, what } => (
                Code::NoneFree,
                match *what {
                    "drive" => "unmount a volume first: library unmount".to_owned(),
                    _ => see(library),
                },
            ),
        };
        Self {
            kind: ErrorKind::Refused,
            code,
            hints: vec![hint],
            error: error.into(),
        }
    }
}

fn job_error(error: LibraryFailure) -> CommandError {
    match error {
        LibraryFailure::Job(error) => error.into(),
        error => CommandError {
            kind: ErrorKind::Device,
            code: Code::DeviceError,
            hints: Vec::new(),
            error: error.into(),
        },
    }
}
