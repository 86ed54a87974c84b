//! What became of a device that a command was to use: its exit status.

use anyhow::anyhow;

use super::{CommandError, ErrorKind};
use crate::iop::job::JobError;
use crate::iop::library::LibraryFailure;
use crate::render::words::{error as words, next_step};

impl From<JobError> for CommandError {
    fn from(error: JobError) -> Self {
        let kind = match error {
            JobError::State(error) => return error.into(),
            JobError::Resident(error) => return error.into(),
            JobError::Resolve(_) | JobError::WrongKind { .. } | JobError::OtherDevice { .. } => {
                ErrorKind::Refused
            }
            JobError::Login(_) | JobError::Attach { .. } | JobError::Device { .. } => {
                ErrorKind::Device
            }
        };
        Self {
            kind,
            code: words::job_code(&error),
            hints: next_step::of_job(&error),
            error: match words::job_message(&error) {
                Some(message) => anyhow!(message),
                None => error.into(),
            },
        }
    }
}

impl From<LibraryFailure> for CommandError {
    fn from(error: LibraryFailure) -> Self {
        let kind = match error {
            LibraryFailure::Job(error) => return error.into(),
            LibraryFailure::Device { .. } => ErrorKind::Device,
            _ => ErrorKind::Refused,
        };
        Self {
            kind,
            code: words::library_failure_code(&error),
            hints: next_step::of_library_failure(&error),
            error: error.into(),
        }
    }
}
