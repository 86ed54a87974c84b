//! The SQL services of IBM i: statements, from text to operations and to the rows of views.
//!
//! ```text
//!  text -> token (words with places) -> call:  an Operation of the IOP
//!                                    -> query: the engine's words -> engine: a table
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | [`token`] | the words of SQL: literals, identifiers, comments |
//! | [`call`] | CALL of the procedures of QSYS2 |
//! | [`query`] | from a query in Db2's words to the engine's |
//! | [`views`] | the views of QSYS2, and the one function that gives their rows |
//! | [`engine`] | the engine that runs queries, and its bounds |
//! | [`error`] | why a statement is not carried out |

pub mod call;
pub mod engine;
pub mod error;
pub mod query;
pub mod token;
pub mod views;

use zeroize::Zeroizing;

pub use call::Call;
pub use engine::{Engine, Table};
pub use error::{Fault, SqlError};
pub use query::Query;
pub use token::{Script, ScriptPosition, Token, TokenKind};
pub use views::SqlValue;

/// A statement that can be run.
#[derive(Debug)]
pub enum Statement {
    /// A call of a procedure.
    Call(Box<Call>),
    /// A query.
    Query(Query),
}

/// Parses a statement. `secret` is the value of a parameter marker.
///
/// # Errors
/// [`SqlError`] for what is no statement that is available here.
pub fn parse(tokens: &[Token], secret: Option<&Zeroizing<String>>) -> Result<Statement, SqlError> {
    let Some((first, rest)) = tokens.split_first() else {
        let at = ScriptPosition { line: 1, column: 1 };
        return Err(Fault::NotAStatement("an empty text".to_owned()).at(at));
    };
    match &first.kind {
        TokenKind::Word(word) if word == "CALL" && rest.is_empty() => Err(Fault::Expected {
            wanted: "the name of a procedure",
            found: "the end".to_owned(),
        }
        .at(first.at)),
        TokenKind::Word(word) if word == "CALL" => {
            Ok(Statement::Call(Box::new(call::parse(rest, secret)?)))
        }
        TokenKind::Word(word) if ["SELECT", "VALUES", "WITH"].contains(&word.as_str()) => {
            Ok(Statement::Query(query::translate(tokens)?))
        }
        kind => Err(Fault::NotAStatement(kind.described()).at(first.at)),
    }
}
