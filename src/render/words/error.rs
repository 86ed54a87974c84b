//! The codes of errors, and what those say that have no words of their own.

use std::fmt;
use std::io;

use super::Code;
use super::failure::failure;
use super::resident;
use crate::cli::UsageError;
use crate::iop::config::{ConfigurationError, PartitionError};
use crate::iop::devices::names::DeviceKind;
use crate::iop::devices::resolve::ResolveError;
use crate::iop::job::JobError;
use crate::iop::job::unit::{NotReopened, UnitError};
use crate::iop::keystore::PassphraseError;
use crate::iop::library::LibraryFailure;
use crate::iop::operation::ExportError;
use crate::iop::rmt::error::RmtError;
use crate::iop::store::StateError;
use crate::iop::tape::job::TapeError;
use crate::iop::tape::read::ReadError;
use crate::iop::tape::write::WriteError;
use crate::storage::StorageError;
use crate::transport::listener::ListenError;
use crate::values::{Subject, ValueError};
use crate::vtl::LibraryError;

/// Returns the code of a command line that is not of the grammar.
pub fn usage_code(error: &UsageError) -> Code {
    match error {
        UsageError::Word { .. } => Code::MisspelledWord,
        UsageError::UnknownOption { .. } => Code::UnknownOption,
        UsageError::UnknownParameter { .. } => Code::UnknownParameter,
        UsageError::StrayWord { .. } => Code::StrayWord,
        UsageError::UnknownCommand { .. } => Code::UnknownCommand,
        UsageError::NotUtf8 { .. } => Code::NotUtf8,
        UsageError::MissingValue { .. } => Code::MissingValue,
        UsageError::ParameterNotTaken { .. } => Code::ParameterNotTaken,
        UsageError::ParameterTwice { .. } => Code::ParameterTwice,
        UsageError::MissingParameters { .. } | UsageError::NoParameter { .. } => {
            Code::MissingParameter
        }
        UsageError::SeveralParameters { .. } => Code::TooManyParameters,
        UsageError::SecondOption { .. } => Code::SecondOption,
        UsageError::ParameterBeforeOption { .. } => Code::ParameterBeforeOption,
        UsageError::HostOptionBehind { .. } => Code::HostOptionBehind,
        UsageError::MacroNameTwice => Code::MacroNameTwice,
        UsageError::Host { .. } => Code::Usage,
    }
}

/// Returns the code of a value that is none.
pub fn value_code(error: &ValueError) -> Code {
    match error {
        ValueError::Empty(_) => Code::EmptyValue,
        ValueError::TooLong { .. } => Code::ValueTooLong,
        ValueError::Character { .. } => Code::InvalidCharacter,
        ValueError::Form { .. } | ValueError::NoneForChap(_) => Code::InvalidValue,
    }
}

/// Returns the code of an edit that is refused.
pub fn configuration_code(error: &ConfigurationError) -> Code {
    match error {
        ConfigurationError::Exists(_) => Code::TargetExists,
        ConfigurationError::SecondPortal(_) => Code::SecondConnection,
        ConfigurationError::NoSuchTarget { .. } | ConfigurationError::NoneSelected { .. } => {
            Code::NoSuchTarget
        }
        ConfigurationError::SeveralSelected { .. } => Code::AmbiguousTarget,
        ConfigurationError::HalfChap(_) => Code::HalfChap,
        ConfigurationError::KeystoreNotEnabled { .. } => Code::KeystoreNotEnabled,
        ConfigurationError::KeystoreNotUsed { .. } => Code::KeystoreNotUsed,
        ConfigurationError::NoGeneratedName => Code::NoGeneratedName,
        ConfigurationError::SecretNotHere(_) | ConfigurationError::StagedSecretNotHere => {
            Code::CredentialNotHere
        }
        ConfigurationError::NothingStaged => Code::NothingStaged,
        ConfigurationError::Incomplete { missing } => match missing.as_slice() {
            [Subject::ChapName | Subject::ChapSecret] => Code::HalfChap,
            _ => Code::Incomplete,
        },
        ConfigurationError::StagedForm(_) => Code::StagedValue,
        ConfigurationError::WantedTwice(_) => Code::TargetTwice,
        ConfigurationError::AppendToGenerate => Code::AppendToGenerate,
        ConfigurationError::Value(error) => value_code(error),
    }
}

/// Returns the code of a change of the partition that is refused.
pub fn partition_code(error: &PartitionError) -> Code {
    match error {
        PartitionError::InUse { .. } => Code::KeystoreInUse,
        PartitionError::NotHere(_) => Code::CredentialNotHere,
        PartitionError::Demanded { .. } => Code::KeystoreDemanded,
    }
}

/// Returns the code of a partition that is not exported or imported.
pub fn export_code(error: &ExportError) -> Code {
    match error {
        ExportError::Passphrase(PassphraseError::Memory { .. }) => Code::NoResources,
        ExportError::Passphrase(_) | ExportError::Content(_) => Code::ExportUnusable,
    }
}

/// Returns the code of state that cannot be used.
pub fn state_code(error: &StateError) -> Code {
    match error {
        StateError::Storage(error) => storage_code(error),
        StateError::Malformed { .. } => Code::MalformedRecord,
        StateError::NewerSchema { .. } => Code::NewerSchema,
        StateError::Sealed { .. } | StateError::SecretMissing { .. } => Code::KeystoreSealed,
        StateError::Misplaced(_) => Code::KeystoreMisplaced,
        StateError::KeystoreInState { .. } => Code::KeystoreInState,
        StateError::KeystoreFull { .. } => Code::KeystoreFull,
    }
}

/// Returns the code of a directory or a file that cannot be used.
pub fn storage_code(error: &StorageError) -> Code {
    match error {
        StorageError::NotDurable { .. } => Code::NotDurable,
        StorageError::Io { .. } | StorageError::TooLong { .. } => Code::StateUnusable,
        StorageError::SharedFile { .. } | StorageError::SharedDirectory { .. } => {
            Code::OpenToOthers
        }
        StorageError::SymbolicLink { .. } => Code::SymbolicLink,
        StorageError::ForeignFile { .. }
        | StorageError::ForeignHome { .. }
        | StorageError::ForeignDirectory { .. } => Code::ForeignOwner,
        StorageError::Locked { .. } => Code::LockHeld,
    }
}

/// Returns the code of a virtual tape library that there cannot be.
pub fn library_code(error: &LibraryError) -> Code {
    match error {
        LibraryError::Count { .. }
        | LibraryError::Serial { .. }
        | LibraryError::DuplicateVolume { .. }
        | LibraryError::UnknownVolume { .. }
        | LibraryError::NoRoom { .. } => Code::InvalidLibrary,
        LibraryError::InUse { .. } => Code::LockHeld,
        LibraryError::Storage(error) => storage_code(error),
        LibraryError::Malformed { .. } => Code::MalformedRecord,
        LibraryError::NewerSchema { .. } => Code::NewerSchema,
    }
}

/// Returns the code of a portal that cannot be served.
pub fn listener_code(error: &ListenError) -> Code {
    match error {
        ListenError::Bind { .. } => Code::CannotListen,
        ListenError::Resources(_) => Code::NoResources,
    }
}

/// Returns the code of a file that cannot be used.
pub fn file_code(error: &io::Error) -> Code {
    match error.kind() {
        io::ErrorKind::AlreadyExists => Code::FileExists,
        _ => Code::FileUnusable,
    }
}

/// Returns the code of a job that did not get to its devices.
pub fn job_code(error: &JobError) -> Code {
    match error {
        JobError::Resolve(ResolveError::Unknown { .. }) | JobError::WrongKind { .. } => {
            Code::NoSuchDevice
        }
        JobError::Resolve(
            ResolveError::TargetFailed { .. }
            | ResolveError::TargetChanged { .. }
            | ResolveError::LunNotRecorded { .. },
        ) => Code::ReIplNeeded,
        JobError::State(error) => state_code(error),
        // It has an exit status and a code of its own.
        JobError::Resident(_) => Code::TargetUnreachable,
        JobError::OtherDevice { .. } => Code::OtherDevice,
        JobError::Device { cause, .. } => unit_code(cause),
        JobError::Login(_) | JobError::Attach { .. } => Code::TargetUnreachable,
    }
}

/// Returns the code of a command of a job that failed.
fn unit_code(error: &UnitError) -> Code {
    match error {
        UnitError::CutOff(cause) => resident::cut_off(cause).code,
        UnitError::NotReopened(NotReopened(cause)) => job_code(cause),
        _ => Code::DeviceError,
    }
}

/// Returns why a job did not get to its devices; none where the error's own words are enough.
pub fn job_message(error: &JobError) -> Option<String> {
    match error {
        JobError::Resolve(error) => Some(resolve_message(error)),
        JobError::WrongKind { device, wanted } => Some(match wanted {
            DeviceKind::Library => format!("{device} is a drive, not a library"),
            DeviceKind::Drive => format!("{device} is a library, not a drive"),
        }),
        JobError::Login(_) | JobError::Attach { .. } => {
            let target = error.failed_target()?;
            let message = failure(&target).map_or_else(|| error.to_string(), |told| told.message);
            Some(format!(
                "target {} at {} port {}: {message}",
                target.target_name, target.target_host_name, target.target_port
            ))
        }
        JobError::State(_)
        | JobError::Resident(_)
        | JobError::OtherDevice { .. }
        | JobError::Device { .. } => None,
    }
}

/// As a cause of what a job could not do.
impl fmt::Display for NotReopened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cause = job_message(&self.0).unwrap_or_else(|| self.0.to_string());
        write!(f, "the session was lost, and there is no new one: {cause}")
    }
}

fn resolve_message(error: &ResolveError) -> String {
    match error {
        ResolveError::Unknown { name, .. } => {
            format!("there is no device {name} in the active configuration")
        }
        ResolveError::TargetFailed { device, targets } => format!(
            "{device} was not found by the last re-IPL, in which a target failed that may have it: {}",
            targets.join(", ")
        ),
        ResolveError::TargetChanged { device, target } => {
            format!("target {target} of {device} was changed or removed since the last re-IPL")
        }
        ResolveError::LunNotRecorded { device, target } => {
            format!("the last re-IPL did not record which logical unit of {target} is {device}")
        }
    }
}

/// Returns the code of what could not be done with a library.
pub fn library_failure_code(error: &LibraryFailure) -> Code {
    match error {
        LibraryFailure::Job(error) => job_code(error),
        LibraryFailure::Device { cause, .. } => unit_code(cause),
        LibraryFailure::NoVolume { .. } => Code::NoSuchVolume,
        LibraryFailure::AmbiguousVolume { .. } => Code::AmbiguousVolume,
        LibraryFailure::NoElement { .. } => Code::NoSuchElement,
        LibraryFailure::ElementEmpty { .. } | LibraryFailure::DriveEmpty { .. } => {
            Code::ElementEmpty
        }
        LibraryFailure::ElementFull { .. } | LibraryFailure::DriveFull { .. } => Code::ElementFull,
        LibraryFailure::NotItsDrive { .. } | LibraryFailure::UnknownDrive { .. } => {
            Code::NoSuchDevice
        }
        LibraryFailure::InAnotherDrive { .. } => Code::InAnotherDrive,
        LibraryFailure::NoneFree { .. } => Code::NoneFree,
    }
}

/// Returns the code of a job with a tape that failed.
pub fn tape_code(error: &TapeError) -> Code {
    match error {
        TapeError::HoldsData | TapeError::FileExists { .. } => Code::HoldsData,
        TapeError::NoSuchFile { .. } => Code::NoSuchTapeFile,
        TapeError::NotEnded { .. } | TapeError::NoFilemark { .. } => Code::NoFilemark,
        TapeError::BlockLength { .. } => Code::BlockLength,
        TapeError::VolumeId(_) => Code::InvalidValue,
        TapeError::Unit(error) => unit_code(error),
        TapeError::Input(_)
        | TapeError::NoInput(_)
        | TapeError::TapFile(_)
        | TapeError::NoTapFile(_)
        | TapeError::Uncounted(_) => Code::FileUnusable,
        TapeError::Differs { .. } | TapeError::CountsDiffer { .. } => Code::DataDiffers,
        TapeError::Output(_) => Code::OutputFailed,
        TapeError::Write(error) => write_code(error),
        TapeError::Read(error) => match error {
            ReadError::TooLong { .. } => Code::BlockTooLong,
            ReadError::NoSuchFile { .. } => Code::NoSuchTapeFile,
            ReadError::MediumChanged => Code::MediumChanged,
            ReadError::Failed { cause, .. } => unit_code(cause),
        },
    }
}

fn write_code(error: &WriteError) -> Code {
    match error {
        WriteError::WriteProtected => Code::WriteProtected,
        WriteError::EndOfMedium => Code::EndOfMedium,
        WriteError::MediumChanged => Code::MediumChanged,
        WriteError::Deferred { .. } | WriteError::Position { .. } | WriteError::Overwritten => {
            Code::BlocksLost
        }
        WriteError::Failed { cause, .. } => unit_code(cause),
    }
}

/// Returns the code of a request of the remote tape protocol that failed.
pub fn rmt_code(error: &RmtError) -> Code {
    match error {
        RmtError::Job(error) => job_code(error),
        RmtError::Write(error) => write_code(error),
        RmtError::Empty | RmtError::NotLoaded => Code::ElementEmpty,
        RmtError::ReadOnly | RmtError::WriteProtected => Code::WriteProtected,
        RmtError::EndOfMedium | RmtError::NoRoom { .. } => Code::EndOfMedium,
        RmtError::BlockLength { .. } => Code::BlockLength,
        RmtError::LongBlock { .. } => Code::BlockTooLong,
        RmtError::NotOpen
        | RmtError::WrongAccess
        | RmtError::BlockTooLong(_)
        | RmtError::NotSeekable
        | RmtError::NoOperation(_)
        | RmtError::BadCount { .. }
        | RmtError::Extension(_)
        | RmtError::Malformed(_) => Code::Usage,
        RmtError::Unit(error) => unit_code(error),
        RmtError::EndOfData | RmtError::PositionLost | RmtError::Unended => Code::DeviceError,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::error::CommandError;
    use crate::render::json::ErrorDocument;
    use crate::scsi::Status;

    /// What takes a fault of a disk or a drive that no other test can bring about from outside.
    #[test]
    fn faults_of_disks_and_drives_have_their_codes() {
        let broken = || io::Error::from(io::ErrorKind::StorageFull);
        let errors: [(Code, CommandError); 5] = [
            (
                Code::NotDurable,
                StateError::from(StorageError::NotDurable {
                    path: "/state/config.json".into(),
                    source: broken(),
                })
                .into(),
            ),
            (Code::OutputFailed, TapeError::Output(broken()).into()),
            (Code::FileUnusable, TapeError::Uncounted(broken()).into()),
            (
                Code::DataDiffers,
                TapeError::Differs {
                    blocks: 1,
                    first: 7,
                }
                .into(),
            ),
            (
                Code::DeviceError,
                TapeError::Unit(UnitError::Status(Status::TASK_ABORTED)).into(),
            ),
        ];
        for (code, error) in errors {
            let document: Value =
                serde_json::from_str(&json!(ErrorDocument::new(&error)).to_string()).unwrap();
            assert_eq!(document["error"]["code"], code.as_str(), "{document:#}");
            let message = document["error"]["message"].as_str().unwrap();
            assert!(!message.contains("os error"), "{message}");
        }
    }
}
