//! What became of a statement of `sql`: exit status and place.

use anyhow::anyhow;

use super::{CommandError, ErrorKind};
use crate::iop::config::ConfigurationError;
use crate::iop::operation::OperationError;
use crate::render::words::{Code, next_step, sql as words};
use crate::sql::{Fault, ScriptPosition, SqlError};

impl CommandError {
    /// Makes the error of a call that was not carried out.
    #[must_use]
    pub fn of_statement(error: OperationError, at: ScriptPosition) -> Self {
        let hints = match &error {
            OperationError::Refused(error) => Some(words::of_configuration(error)),
            OperationError::HalfChap(half) => Some(vec![words::of_half_chap(*half)]),
            _ => None,
        };
        let is_half = matches!(
            error,
            OperationError::Refused(ConfigurationError::HalfChap(_))
        );
        let error = Self::from(error);
        Self {
            // The services refuse half a pair as a wrong parameter in every call, other than -changetarget.
            kind: match is_half {
                true => ErrorKind::Usage,
                false => error.kind,
            },
            hints: hints.unwrap_or(error.hints),
            error: error.error.context(at),
            ..error
        }
    }

    /// Makes the failure to start the engine of the views.
    #[must_use]
    pub fn no_engine(message: &str) -> Self {
        Self {
            kind: ErrorKind::State,
            code: Code::NoResources,
            error: anyhow!("cannot start the SQL engine: {message}"),
            hints: vec![next_step::NO_MEMORY.to_owned()],
        }
    }
}

impl From<SqlError> for CommandError {
    fn from(error: SqlError) -> Self {
        let kind = match error.fault {
            Fault::Limit(_) | Fault::TooManyWords | Fault::Evaluation(_) => ErrorKind::Refused,
            _ => ErrorKind::Usage,
        };
        Self {
            kind,
            code: words::code(&error.fault),
            hints: words::of_fault(&error.fault),
            error: error.into(),
        }
    }
}
