//! The codes of errors.

use std::io;

use super::Code;
use crate::cli::UsageError;
use crate::iop::config::{ConfigurationError, PartitionError};
use crate::iop::keystore::PassphraseError;
use crate::iop::operation::ExportError;
use crate::iop::store::StateError;
use crate::storage::StorageError;
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

/// Returns the code of a file that cannot be used.
pub fn file_code(error: &io::Error) -> Code {
    match error.kind() {
        io::ErrorKind::AlreadyExists => Code::FileExists,
        _ => Code::FileUnusable,
    }
}
