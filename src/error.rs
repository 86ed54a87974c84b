//! The one place where a failure gets its exit status. Its code and its next steps are those of [`crate::render::words`].

mod devices;
mod rmt;
mod sql;
mod tape;

use std::io;
use std::path::Path;

use anyhow::anyhow;

use crate::cli::{UsageError, UsageFailure};
use crate::iop::config::{ConfigurationError, PartitionError};
use crate::iop::ipl::ReIplError;
use crate::iop::operation::{ExportError, OperationError};
use crate::iop::resident::{ControlError, IopError};
use crate::iop::store::StateError;
use crate::render::words::{Code, Words, error as words, next_step, resident};
use crate::storage::{quoted, without_error_number};
use crate::transport::listener::ListenError;
use crate::values::ValueError;
use crate::vtl::LibraryError;

/// What sort of failure it is; each has its exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request does not fit the state.
    Refused,
    /// The command line is not of the grammar, or a value is malformed.
    Usage,
    /// The state could not be locked, read or written, or the output not be written.
    State,
    /// A target could not be reached or was lost, or a device reported an error.
    Device,
}

impl ErrorKind {
    /// Returns the exit status.
    pub fn exit_status(self) -> u8 {
        match self {
            Self::Refused => 1,
            Self::Usage => 2,
            Self::State => 3,
            Self::Device => 4,
        }
    }
}

/// A failure as the user meets it: what happened with its causes, and what to do next.
#[derive(Debug)]
pub struct CommandError {
    /// What sort of failure it is.
    pub kind: ErrorKind,
    /// Its stable name.
    pub code: Code,
    /// What happened; its chain of causes is shown on one line.
    pub error: anyhow::Error,
    /// Next steps, a sentence each.
    pub hints: Vec<String>,
}

impl CommandError {
    /// Returns the error with another code.
    #[must_use]
    pub fn with_code(self, code: Code) -> Self {
        Self { code, ..self }
    }

    /// Returns the error with what was being done when it happened.
    #[must_use]
    pub fn with_context(self, context: String) -> Self {
        Self {
            error: self.error.context(context),
            ..self
        }
    }

    /// Returns what happened with its causes, on one line. A cause that an error tells in its own words is not told twice.
    #[must_use]
    pub fn message(&self) -> String {
        let mut message = String::new();
        for cause in self.error.chain().map(ToString::to_string) {
            if message.is_empty() {
                message = cause;
            } else if !message.ends_with(&cause) {
                message.push_str(": ");
                message.push_str(&cause);
            }
        }
        without_error_number(&message).to_owned()
    }

    /// Makes a usage error of the commands' own.
    pub fn usage(message: impl Into<String>, hints: Vec<String>) -> Self {
        Self {
            kind: ErrorKind::Usage,
            code: Code::Usage,
            error: anyhow::Error::msg(message.into()),
            hints,
        }
    }

    /// Makes the failure to start a runtime for sessions.
    pub fn no_runtime(error: io::Error) -> Self {
        Self {
            kind: ErrorKind::State,
            code: Code::NoResources,
            error: anyhow::Error::new(error).context("cannot open a session"),
            hints: vec![next_step::NO_RESOURCES.to_owned()],
        }
    }

    /// Makes the failure of a resident IOP, in words where it has some.
    fn resident(words: Option<Words>, error: anyhow::Error) -> Self {
        match words {
            Some(words) => Self {
                kind: ErrorKind::State,
                code: words.code,
                error: anyhow::Error::msg(words.message),
                hints: words.next_step.into_iter().collect(),
            },
            None => Self {
                kind: ErrorKind::State,
                code: Code::StateUnusable,
                error,
                hints: Vec::new(),
            },
        }
    }

    /// Makes the failure to make or write a file that the user named.
    pub fn unwritable(path: &Path, error: &io::Error) -> Self {
        Self {
            kind: ErrorKind::State,
            code: Code::FileUnusable,
            error: anyhow!(
                "cannot write {}: {}",
                quoted(path),
                without_error_number(&error.to_string())
            ),
            hints: vec!["name another file, or put right what the message says".to_owned()],
        }
    }

    /// Makes the failure to write the output.
    pub fn output(error: io::Error) -> Self {
        Self {
            kind: ErrorKind::State,
            code: Code::OutputFailed,
            error: anyhow::Error::new(error).context("cannot write the output"),
            hints: Vec::new(),
        }
    }
}

impl From<UsageFailure> for CommandError {
    fn from(error: UsageFailure) -> Self {
        Self {
            kind: match &error.error {
                // What mtx does not understand ends with its status, which is 1.
                UsageError::Host {
                    command: Some(command),
                    ..
                } if command == "mtx" => ErrorKind::Refused,
                _ => ErrorKind::Usage,
            },
            code: words::usage_code(&error.error),
            hints: error.hints(),
            error: error.into(),
        }
    }
}

impl From<ValueError> for CommandError {
    fn from(error: ValueError) -> Self {
        Self {
            kind: ErrorKind::Usage,
            code: words::value_code(&error),
            hints: next_step::of_value(&error),
            error: error.into(),
        }
    }
}

impl From<ConfigurationError> for CommandError {
    fn from(error: ConfigurationError) -> Self {
        let kind = match &error {
            ConfigurationError::Value(_) | ConfigurationError::WantedTwice(_) => ErrorKind::Usage,
            _ => ErrorKind::Refused,
        };
        Self {
            kind,
            code: words::configuration_code(&error),
            hints: next_step::of_configuration(&error),
            error: error.into(),
        }
    }
}

impl From<PartitionError> for CommandError {
    fn from(error: PartitionError) -> Self {
        Self {
            kind: ErrorKind::Refused,
            code: words::partition_code(&error),
            hints: next_step::of_partition(&error),
            error: error.into(),
        }
    }
}

impl From<StateError> for CommandError {
    fn from(error: StateError) -> Self {
        let kind = match &error {
            StateError::KeystoreFull { .. } => ErrorKind::Refused,
            _ => ErrorKind::State,
        };
        Self {
            kind,
            code: words::state_code(&error),
            hints: vec![next_step::of_state(&error)],
            error: error.into(),
        }
    }
}

impl From<OperationError> for CommandError {
    fn from(error: OperationError) -> Self {
        match error {
            // The line itself is at fault, whatever is configured.
            OperationError::HalfChap(half) => Self {
                kind: ErrorKind::Usage,
                ..ConfigurationError::HalfChap(half).into()
            },
            OperationError::Refused(error) => error.into(),
            OperationError::State(error) => error.into(),
            OperationError::ReIpl(error) => error.into(),
            OperationError::NoSetting => Self::usage(
                "partition set changes something, and nothing is given",
                vec![next_step::NO_SETTING.to_owned()],
            ),
            OperationError::Partition(error) => error.into(),
            OperationError::Export(error) => error.into(),
            OperationError::Resident(error) => error.into(),
        }
    }
}

impl From<ControlError> for CommandError {
    fn from(error: ControlError) -> Self {
        let words = resident::control(&error);
        let kind = match error {
            ControlError::State(error) => return error.into(),
            ControlError::NoSession { .. } | ControlError::Gone { .. } => ErrorKind::Device,
            ControlError::NoSuchDevice { .. } => ErrorKind::Refused,
            _ => ErrorKind::State,
        };
        Self {
            kind,
            ..Self::resident(words, error.into())
        }
    }
}

impl From<IopError> for CommandError {
    fn from(error: IopError) -> Self {
        let words = resident::start(&error);
        match error {
            IopError::State(error) => error.into(),
            error => Self::resident(words, error.into()),
        }
    }
}

impl From<ExportError> for CommandError {
    fn from(error: ExportError) -> Self {
        Self {
            kind: ErrorKind::State,
            code: words::export_code(&error),
            hints: next_step::of_export(&error),
            error: error.into(),
        }
    }
}

impl From<ReIplError> for CommandError {
    fn from(error: ReIplError) -> Self {
        match error {
            ReIplError::State(error) => error.into(),
            error @ ReIplError::Network(_) => Self {
                kind: ErrorKind::State,
                code: Code::NoResources,
                hints: vec![next_step::NO_RESOURCES.to_owned()],
                error: error.into(),
            },
        }
    }
}

impl From<LibraryError> for CommandError {
    fn from(error: LibraryError) -> Self {
        let kind = match &error {
            LibraryError::Count { .. }
            | LibraryError::Serial { .. }
            | LibraryError::DuplicateVolume { .. }
            | LibraryError::UnknownVolume { .. }
            | LibraryError::NoRoom { .. } => ErrorKind::Usage,
            LibraryError::InUse { .. }
            | LibraryError::Storage(_)
            | LibraryError::Malformed { .. }
            | LibraryError::NewerSchema { .. } => ErrorKind::State,
        };
        Self {
            kind,
            code: words::library_code(&error),
            hints: next_step::of_library(&error),
            error: error.into(),
        }
    }
}

impl From<ListenError> for CommandError {
    fn from(error: ListenError) -> Self {
        Self {
            kind: ErrorKind::State,
            code: words::listener_code(&error),
            hints: next_step::of_listener(&error),
            error: error.into(),
        }
    }
}
