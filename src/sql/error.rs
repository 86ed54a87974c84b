//! Why a statement is not carried out. No text of it holds what stands in a literal.

use thiserror::Error;

use super::token::{ScriptPosition, WORD_LIMIT};
use crate::values::amount;
use crate::values::{Subject, ValueError, characters};

/// What is wrong with a statement, and where.
#[derive(Debug, Error)]
#[error("{at}: {fault}")]
pub struct SqlError {
    /// Where.
    pub at: ScriptPosition,
    /// What.
    pub fault: Fault,
}

/// What is wrong with a statement.
#[derive(Debug, Error)]
pub enum Fault {
    /// A character that begins no word of SQL.
    #[error("{} is no part of a statement here", characters::describe(*.0))]
    Character(char),
    /// A literal, a delimited identifier or a comment without its end.
    #[error("the {0} that begins here has no end")]
    NoEnd(&'static str),
    /// `""`.
    #[error("a delimited identifier is empty")]
    EmptyIdentifier,
    /// Digits with something else behind them.
    #[error("a number is not well-formed")]
    NotANumber,
    /// More than [`WORD_LIMIT`] words.
    #[error("the statement has more than {WORD_LIMIT} words")]
    TooManyWords,
    /// A statement that begins with another word.
    #[error("{0} is no statement that is available here")]
    NotAStatement(String),
    /// Another word is needed.
    #[error("{wanted} is expected, and {found} is there")]
    Expected {
        /// What is needed.
        wanted: &'static str,
        /// What is there, or "the end".
        found: String,
    },
    /// A part of SQL that is not available.
    #[error("{0} is not available here")]
    NotAvailable(String),
    /// A procedure that there is none of.
    #[error("there is no procedure {0}")]
    UnknownProcedure(String),
    /// A view, column or function that there is none of.
    #[error("{0}")]
    UnknownName(String),
    /// A parameter that the procedure does not have.
    #[error("{procedure} has no parameter {name}")]
    UnknownParameter {
        /// The procedure.
        procedure: &'static str,
        /// The parameter, as folded.
        name: String,
        /// Those that it has.
        known: Vec<&'static str>,
    },
    /// A parameter with two values.
    #[error("{0} is given twice")]
    ParameterTwice(&'static str),
    /// More arguments than parameters.
    #[error("{procedure} has {count} parameters, and there are more arguments")]
    TooManyArguments {
        /// The procedure.
        procedure: &'static str,
        /// How many parameters it has.
        count: usize,
    },
    /// An argument without a name behind one with a name.
    #[error("an argument without a name stands behind one with a name")]
    PositionBehindName,
    /// A parameter that has to have a value.
    #[error("{procedure} needs {parameter}")]
    MissingParameter {
        /// The procedure.
        procedure: &'static str,
        /// The parameter.
        parameter: &'static str,
    },
    /// A value of another type.
    #[error("{parameter} takes {wanted}")]
    WrongType {
        /// The parameter.
        parameter: &'static str,
        /// What it takes.
        wanted: &'static str,
    },
    /// A value that is none of the special values.
    #[error("{parameter} takes {wanted} and nothing else")]
    NotASpecialValue {
        /// The parameter.
        parameter: &'static str,
        /// What it takes.
        wanted: &'static str,
    },
    /// `*SAME` where nothing is there to stay the same.
    #[error("{parameter} cannot be *SAME for a target that is added")]
    SameInAdd {
        /// The parameter.
        parameter: &'static str,
        /// Whether it has to have a value.
        is_required: bool,
    },
    /// `*SAME` in another letter case.
    #[error("{0} is *SAME in another letter case")]
    SameCase(&'static str),
    /// A CHAP secret that is shorter than the service takes.
    #[error("the CHAP secret has {}, and at least {} are needed", amount(*length, "character"), super::call::SECRET_MINIMUM)]
    ShortSecret {
        /// Its length in characters.
        length: usize,
    },
    /// CHAP name or secret without the other.
    #[error("CHAP name and secret come together, and the {0} is missing")]
    HalfChap(Subject),
    /// A parameter marker for another parameter than the secret.
    #[error("a parameter marker stands for INITIATOR_CHAP_SECRET only")]
    MarkerElsewhere,
    /// A parameter marker without a value.
    #[error("the parameter marker has no value")]
    MarkerWithoutValue,
    /// A value that is none.
    #[error("{0}")]
    Value(ValueError),
    /// The engine's own report.
    #[error("{0}")]
    Engine(String),
    /// A value that a function or an operator does not take.
    #[error("{0}")]
    Evaluation(String),
    /// The statement took more steps, memory or time than it may, or has too long a result.
    #[error("{0}")]
    Limit(String),
}

impl Fault {
    /// Returns the error at a place.
    #[must_use]
    pub fn at(self, at: ScriptPosition) -> SqlError {
        SqlError { at, fault: self }
    }
}
