//! The engine that runs queries: SQLite in memory, with the rows of the views and nothing else.
//!
//! A statement cannot reach beyond the views: it is put together from known words (`query`), an authorizer allows reading the
//! views and calling known functions only, and the engine is given no file to read or to write. Its steps, memory and result are
//! bounded.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::config::DbConfig;
use rusqlite::functions::{Aggregate, Context, FunctionFlags};
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Error, ErrorCode, OpenFlags, Statement, params_from_iter};

use super::error::{Fault, SqlError};
use super::query::{LOWER_CASE, Query, decoded, is_available};
use super::views::{Rows, SqlValue, VIEWS, View};

/// The most steps of the engine's virtual machine for one statement.
pub const STEP_LIMIT: u64 = 20_000_000;
/// How many steps pass between two looks at the bounds.
const STEPS_BETWEEN: u64 = 1_000;
/// The most bytes that the engine may hold, of all statements together.
const MEMORY_LIMIT: usize = 32 << 20;
/// The most bytes of a result.
pub const RESULT_LIMIT: usize = 16 << 20;
/// The longest text or statement in bytes.
const LENGTH_LIMIT: i32 = 2 << 20;
/// The most columns of a result or of a view.
const COLUMN_LIMIT: i32 = 1_000;

/// The result of a query.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// The names of the columns; one without a name has its number in five digits, as Db2 names it.
    pub columns: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<SqlValue>>,
}

/// The engine with the rows of the views.
pub struct Engine {
    connection: Connection,
    steps: Arc<AtomicU64>,
    /// The table expressions of the statement that is prepared.
    expressions: Expressions,
    /// The tables that the engine has of itself.
    modules: BTreeSet<String>,
}

type Expressions = Arc<Mutex<BTreeSet<String>>>;

impl Engine {
    /// Starts the engine. `is_over` is asked now and then whether a statement has taken too long.
    ///
    /// # Errors
    /// The engine's, when there is no memory for the rows.
    pub fn new(
        rows: &Rows,
        mut is_over: impl FnMut() -> bool + Send + 'static,
    ) -> Result<Self, Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_in_memory_with_flags(flags)?;
        // The limit is one of the process, and the engine has no other use in it.
        let pragma = format!("PRAGMA hard_heap_limit = {MEMORY_LIMIT}");
        connection.query_row(&pragma, (), |_| Ok(()))?;
        // What is sorted stays in memory; LIKE minds letter case.
        connection.execute_batch("PRAGMA temp_store = MEMORY; PRAGMA case_sensitive_like = ON;")?;
        for (config, on) in [
            // An identifier in quotes that there is none of is an error, not a text.
            (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
            (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
            (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
            (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        ] {
            connection.set_db_config(config, on)?;
        }
        let modules = {
            let mut list = connection.prepare("PRAGMA module_list")?;
            let names = list.query_map((), |row| row.get::<_, String>(0))?;
            names
                .map(|name| Ok(name?.to_ascii_uppercase()))
                .collect::<Result<BTreeSet<_>, Error>>()?
        };
        functions(&connection)?;
        for (view, rows) in VIEWS.iter().zip(rows) {
            fill(&connection, view, rows)?;
        }
        for (limit, value) in [
            (Limit::SQLITE_LIMIT_LENGTH, LENGTH_LIMIT),
            (Limit::SQLITE_LIMIT_SQL_LENGTH, LENGTH_LIMIT),
            (Limit::SQLITE_LIMIT_COLUMN, COLUMN_LIMIT),
            (Limit::SQLITE_LIMIT_EXPR_DEPTH, 500),
            (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 200),
            (Limit::SQLITE_LIMIT_VDBE_OP, 1_000_000),
            (Limit::SQLITE_LIMIT_FUNCTION_ARG, 100),
            (Limit::SQLITE_LIMIT_ATTACHED, 0),
            (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1_000),
            (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, 0),
            (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 0),
            (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
        ] {
            connection.set_limit(limit, value)?;
        }
        let expressions = Expressions::default();
        let of_statement = Arc::clone(&expressions);
        connection.authorizer(Some(move |context: AuthContext<'_>| {
            authorize(context, &of_statement)
        }))?;
        let steps = Arc::new(AtomicU64::new(0));
        let taken = Arc::clone(&steps);
        let between = i32::try_from(STEPS_BETWEEN).unwrap_or(i32::MAX);
        connection.progress_handler(
            between,
            Some(move || {
                let before = taken.fetch_add(STEPS_BETWEEN, Ordering::Relaxed);
                before >= STEP_LIMIT || is_over()
            }),
        )?;
        Ok(Self {
            connection,
            steps,
            expressions,
            modules,
        })
    }

    /// Runs a query.
    ///
    /// # Errors
    /// [`SqlError`] for what the engine does not accept, and at a bound.
    pub fn run(&self, query: &Query) -> Result<Table, SqlError> {
        self.steps.store(0, Ordering::Relaxed);
        let is_engines = |name: &&String| {
            let name = name.to_ascii_uppercase();
            let starts = ["SQLITE_", "PRAGMA_"];
            starts.iter().any(|start| name.starts_with(start)) || self.modules.contains(&name)
        };
        if let Some(name) = query.expressions.iter().find(is_engines) {
            let what = format!("a table expression of the name {}", decoded(name));
            return Err(Fault::NotAvailable(what).at(query.begin()));
        }
        *self
            .expressions
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = query.expressions.clone();
        let prepared = self.connection.prepare(&query.sql);
        let mut statement = prepared.map_err(|error| self.failed(error, query))?;
        // What fails behind this is a value that a function or an operator does not take.
        let failed = |error: Error| {
            let error = self.failed(error, query);
            match error.fault {
                Fault::Engine(told) => Fault::Evaluation(told).at(error.at),
                _ => error,
            }
        };
        if !statement.readonly() || statement.is_explain() != 0 {
            // No word that is let through makes one.
            return Err(
                Fault::NotAvailable("a statement that changes something".to_owned())
                    .at(query.begin()),
            );
        }
        let columns = names(&statement, query);
        let mut size: usize = columns.iter().map(String::len).sum();
        let mut rows = Vec::new();
        let mut found = statement.query(()).map_err(failed)?;
        while let Some(row) = found.next().map_err(failed)? {
            let mut values = Vec::with_capacity(columns.len());
            for index in 0..columns.len() {
                let value = value(row.get_ref(index).map_err(failed)?);
                if matches!(value, SqlValue::Real(number) if !number.is_finite()) {
                    let told = "a number is beyond the range of a floating-point number";
                    return Err(Fault::Evaluation(told.to_owned()).at(query.begin()));
                }
                size = size.saturating_add(size_of::<SqlValue>());
                if let SqlValue::Text(text) = &value {
                    size = size.saturating_add(text.len());
                }
                values.push(value);
            }
            size = size.saturating_add(size_of::<Vec<SqlValue>>());
            if size > RESULT_LIMIT {
                let told = format!("the result is longer than {} MiB", RESULT_LIMIT >> 20);
                return Err(Fault::Limit(told).at(query.begin()));
            }
            rows.push(values);
        }
        Ok(Table { columns, rows })
    }

    fn failed(&self, error: Error, query: &Query) -> SqlError {
        match &error {
            Error::SqlInputError { msg, offset, .. } => {
                let at = usize::try_from(*offset)
                    .map_or_else(|_| query.begin(), |offset| query.place(offset));
                reported(msg, query).at(at)
            }
            Error::SqliteFailure(failure, message) => {
                let fault = match failure.code {
                    ErrorCode::OperationInterrupted => {
                        Fault::Limit(match self.steps.load(Ordering::Relaxed) {
                            steps if steps > STEP_LIMIT => {
                                format!(
                                    "the statement takes more than {STEP_LIMIT} steps of the engine"
                                )
                            }
                            _ => "the statement takes longer than --timeout".to_owned(),
                        })
                    }
                    ErrorCode::OutOfMemory => Fault::Limit(format!(
                        "the statement takes more than {} MiB of memory",
                        MEMORY_LIMIT >> 20
                    )),
                    ErrorCode::TooBig => Fault::Limit(
                        "a text, or the statement, is too long for the engine".to_owned(),
                    ),
                    ErrorCode::AuthorizationForStatementDenied => Fault::NotAvailable(
                        "what is neither a view nor a known function".to_owned(),
                    ),
                    _ => match message {
                        Some(message) => reported(message, query),
                        None => Fault::Engine(query.told(&error.to_string())),
                    },
                };
                let at = match message.as_deref() {
                    Some("incomplete input") => query.last(),
                    _ => query.begin(),
                };
                fault.at(at)
            }
            _ => Fault::Engine(query.told(&error.to_string())).at(query.begin()),
        }
    }
}

/// Puts a report of the engine into its kind.
fn reported(report: &str, query: &Query) -> Fault {
    let told = query.told(report);
    // Every identifier is in quotes for the engine, which takes that for a hint at a text.
    let behind = |start: &str| {
        let name = told.strip_prefix(start)?;
        let name = name.split(" - should this be").next().unwrap_or(name);
        Some(name.replace('"', ""))
    };
    let limits = [
        "too many",
        "parser stack overflow",
        "Expression tree is too large",
        "string or blob too big",
        "at most",
        "LIKE or GLOB pattern too complex",
        "too much",
        "Recursion limit",
        "VIEWs and/or subqueries nested too deep",
    ];
    if let Some(name) = behind("no such column: ") {
        Fault::UnknownName(format!("there is no column {name} here"))
    } else if let Some(name) = behind("no such table: ") {
        Fault::UnknownName(format!("there is no view {name} here"))
    } else if report == "incomplete input" {
        Fault::Expected {
            wanted: "more",
            found: "the end".to_owned(),
        }
    } else if limits.iter().any(|start| told.starts_with(start)) {
        Fault::Limit(format!(
            "the statement is beyond a limit of the engine: {told}"
        ))
    } else {
        Fault::Engine(told)
    }
}

/// Allows reading the views, the tables below them and the statement's own table expressions, and known functions.
fn authorize(context: AuthContext<'_>, expressions: &Expressions) -> Authorization {
    let is_allowed = match context.action {
        AuthAction::Select | AuthAction::Recursive => true,
        // A table of which no column is read is asked for by its name alone, a table expression too.
        AuthAction::Read {
            table_name,
            column_name: "",
        } if expressions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(table_name) =>
        {
            true
        }
        AuthAction::Read { table_name, .. } => VIEWS
            .iter()
            .any(|view| table_name == view.name || table_name == below(view)),
        AuthAction::Function { function_name } => is_available(function_name),
        _ => false,
    };
    match is_allowed {
        true => Authorization::Allow,
        false => Authorization::Deny,
    }
}

/// Returns the name of the table below a view. In an identifier of a query the mark stands before a letter or another mark, so
/// none names it.
fn below(view: &View) -> String {
    format!("{LOWER_CASE} {}", view.name)
}

/// Makes a view of the rows. A view has no number of its rows, as a table has, that could be asked for.
fn fill(connection: &Connection, view: &View, rows: &[Vec<SqlValue>]) -> Result<(), Error> {
    let columns: Vec<String> = view
        .columns
        .iter()
        .map(|column| {
            let kind = if column.is_integer { "INTEGER" } else { "TEXT" };
            format!("\"{}\" {kind}", column.name)
        })
        .collect();
    let names: Vec<String> = view
        .columns
        .iter()
        .map(|column| format!("\"{}\"", column.name))
        .collect();
    let (table, name) = (below(view), view.name);
    connection.execute_batch(&format!(
        "CREATE TABLE \"{table}\" ({}); CREATE VIEW \"{name}\" AS SELECT {} FROM \"{table}\";",
        columns.join(", "),
        names.join(", ")
    ))?;
    let places = vec!["?"; view.columns.len()].join(", ");
    let mut insert = connection.prepare(&format!("INSERT INTO \"{table}\" VALUES ({places})"))?;
    for row in rows {
        insert.execute(params_from_iter(row))?;
    }
    Ok(())
}

impl rusqlite::ToSql for SqlValue {
    fn to_sql(&self) -> Result<rusqlite::types::ToSqlOutput<'_>, Error> {
        Ok(rusqlite::types::ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Real(number) => ValueRef::Real(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

fn value(value: ValueRef<'_>) -> SqlValue {
    match value {
        ValueRef::Null => SqlValue::Null,
        ValueRef::Integer(number) => SqlValue::Integer(number),
        ValueRef::Real(number) => SqlValue::Real(number),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            SqlValue::Text(String::from_utf8_lossy(bytes).into_owned())
        }
    }
}

/// Returns the names of the columns. The engine names an expression by its text, Db2 by its number.
fn names(statement: &Statement<'_>, query: &Query) -> Vec<String> {
    let is_column = |name: &str| {
        let mut columns = VIEWS.iter().flat_map(|view| view.columns);
        columns.any(|column| column.name == name)
    };
    let names = statement.column_names();
    names
        .enumerate()
        .map(
            |(index, name)| match query.names.contains(name) || is_column(name) {
                true => decoded(name),
                false => format!("{:05}", index + 1),
            },
        )
        .collect()
}

fn wrong(text: &str) -> Error {
    Error::UserFunctionError(text.into())
}

/// An argument of a function as text; none for NULL.
fn text(context: &Context<'_>, index: usize) -> Result<Option<String>, Error> {
    Ok(match value(context.get_raw(index)) {
        SqlValue::Null => None,
        SqlValue::Integer(number) => Some(number.to_string()),
        SqlValue::Real(number) => Some(number.to_string()),
        SqlValue::Text(text) => Some(text),
    })
}

/// An argument of a function as a whole number; none for NULL.
fn whole(context: &Context<'_>, index: usize) -> Result<Option<i64>, Error> {
    match value(context.get_raw(index)) {
        SqlValue::Null => Ok(None),
        SqlValue::Integer(number) => Ok(Some(number)),
        SqlValue::Real(number) => truncated(number).map(Some),
        SqlValue::Text(text) => {
            let digits = text.trim_matches(' ');
            let number = digits.parse::<i64>().map(Some);
            number.or_else(|_| match digits.parse::<f64>() {
                Ok(number) => truncated(number).map(Some),
                Err(_) => Err(wrong("a text is no number that it could be cast to")),
            })
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a number is cut to its whole part, as by Db2, and one beyond the range is refused before"
)]
fn truncated(number: f64) -> Result<i64, Error> {
    const BOUND: f64 = 9_223_372_036_854_775_808.0;
    match (-BOUND..BOUND).contains(&number) {
        true => Ok(number as i64),
        false => Err(wrong("a number is beyond the range of BIGINT")),
    }
}

/// The functions that the engine does not have, or has with another meaning.
fn functions(connection: &Connection) -> Result<(), Error> {
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_INNOCUOUS;
    // Db2: NULL when either operand is.
    connection.create_scalar_function("DB2_CONCAT", 2, flags, |context| {
        let (first, second) = (text(context, 0)?, text(context, 1)?);
        Ok(first.zip(second).map(|(first, second)| first + &second))
    })?;
    connection.create_scalar_function("DB2_LENGTH", 1, flags, |context| {
        match value(context.get_raw(0)) {
            SqlValue::Null => Ok(None),
            SqlValue::Text(text) => Ok(i64::try_from(text.chars().count()).ok()),
            _ => Err(wrong("the length of a number is not available here")),
        }
    })?;
    for arguments in [2, 3] {
        connection.create_scalar_function("DB2_SUBSTR", arguments, flags, |context| {
            let length = match context.len() {
                3 => whole(context, 2)?,
                _ => Some(i64::MAX),
            };
            let Some(((text, start), length)) =
                text(context, 0)?.zip(whole(context, 1)?).zip(length)
            else {
                return Ok(None);
            };
            match (usize::try_from(start), usize::try_from(length)) {
                (Ok(start @ 1..), Ok(length)) => {
                    let part: String = text.chars().skip(start - 1).take(length).collect();
                    Ok(Some(part))
                }
                _ => Err(wrong("SUBSTR begins at 1, and has no negative length")),
            }
        })?;
    }
    connection.create_scalar_function("DB2_LEFT", 2, flags, |context| {
        let part = |text: String, count| text.chars().take(count).collect();
        end_of_text(context, part)
    })?;
    connection.create_scalar_function("DB2_RIGHT", 2, flags, |context| {
        let part = |text: String, count| {
            let length = text.chars().count();
            text.chars().skip(length.saturating_sub(count)).collect()
        };
        end_of_text(context, part)
    })?;
    connection.create_scalar_function("DB2_LOCATE", 2, flags, |context| {
        Ok(position(text(context, 0)?, text(context, 1)?))
    })?;
    connection.create_scalar_function("DB2_POSSTR", 2, flags, |context| {
        Ok(position(text(context, 1)?, text(context, 0)?))
    })?;
    connection.create_scalar_function("DB2_MOD", 2, flags, |context| {
        let Some((number, by)) = whole(context, 0)?.zip(whole(context, 1)?) else {
            return Ok(None);
        };
        let remainder = number.checked_rem(by);
        remainder
            .map(Some)
            .ok_or_else(|| wrong("MOD divides by zero"))
    })?;
    connection.create_scalar_function("DB2_INTEGER", 1, flags, |context| whole(context, 0))?;
    for arguments in [1, 2] {
        for (name, is_padded) in [("DB2_VARCHAR", false), ("DB2_CHAR", true)] {
            connection.create_scalar_function(name, arguments, flags, move |context| {
                let length = match context.len() {
                    2 => whole(context, 1)?,
                    _ => None,
                };
                let (Some(text), length) = (text(context, 0)?, length) else {
                    return Ok(None);
                };
                let Some(length) = length else {
                    return Ok(Some(text));
                };
                let length = usize::try_from(length)
                    .ok()
                    .filter(|length| (1..=32_739).contains(length))
                    .ok_or_else(|| wrong("the length of a text is 1 to 32739"))?;
                let cut: String = text.chars().take(length).collect();
                Ok(Some(match is_padded {
                    true => format!("{cut:length$}"),
                    false => cut,
                }))
            })?;
        }
    }
    connection.create_aggregate_function("DB2_AVG", 1, flags, Average)
}

fn end_of_text(
    context: &Context<'_>,
    part: impl Fn(String, usize) -> String,
) -> Result<Option<String>, Error> {
    match (text(context, 0)?, whole(context, 1)?) {
        (Some(text), Some(count)) => {
            let count = usize::try_from(count).map_err(|_| wrong("a length is negative"))?;
            Ok(Some(part(text, count)))
        }
        _ => Ok(None),
    }
}

/// Returns where a text is found in another, from 1; 0 when it is not.
fn position(wanted: Option<String>, text: Option<String>) -> Option<i64> {
    let (wanted, text) = wanted.zip(text)?;
    let found = text.find(&wanted).and_then(|offset| text.get(..offset));
    Some(found.map_or(0, |before| {
        i64::try_from(before.chars().count())
            .unwrap_or(i64::MAX)
            .saturating_add(1)
    }))
}

/// AVG: of whole numbers Db2's is a whole number, the engine's has a fraction.
struct Average;

#[derive(Default)]
struct Sum {
    whole: i64,
    real: f64,
    is_real: bool,
    count: i64,
}

impl std::panic::UnwindSafe for Sum {}
impl std::panic::RefUnwindSafe for Sum {}

impl Aggregate<Sum, SqlValue> for Average {
    fn init(&self, _: &mut Context<'_>) -> Result<Sum, Error> {
        Ok(Sum::default())
    }

    fn step(&self, context: &mut Context<'_>, sum: &mut Sum) -> Result<(), Error> {
        match value(context.get_raw(0)) {
            SqlValue::Null => return Ok(()),
            SqlValue::Integer(number) => {
                sum.whole = sum
                    .whole
                    .checked_add(number)
                    .ok_or_else(|| wrong("the sum of AVG is beyond the range of BIGINT"))?;
            }
            SqlValue::Real(number) => {
                sum.real += number;
                sum.is_real = true;
            }
            SqlValue::Text(_) => return Err(wrong("AVG is of numbers")),
        }
        sum.count += 1;
        Ok(())
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "with a fraction in it, the average is a floating-point number"
    )]
    fn finalize(&self, _: &mut Context<'_>, sum: Option<Sum>) -> Result<SqlValue, Error> {
        Ok(match sum {
            Some(sum) if sum.is_real => {
                SqlValue::Real((sum.whole as f64 + sum.real) / sum.count as f64)
            }
            Some(sum) if sum.count > 0 => SqlValue::Integer(sum.whole / sum.count),
            _ => SqlValue::Null,
        })
    }
}

#[cfg(test)]
mod tests;
