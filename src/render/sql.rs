//! What `sql` prints: tables that fit the terminal, CSV, and the document of `--json`.

use schemars::JsonSchema;
use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};

use super::json::{ErrorBody, SCHEMA};
use super::text::{Page, edit_with};
use crate::error::CommandError;
use crate::iop::operation::Edited;
use crate::sql::engine::RESULT_LIMIT;
use crate::sql::{SqlValue, Table};
use crate::values::characters::escape;

/// What a statement came to.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Result")]
#[serde(untagged)]
pub enum ResultDocument {
    /// The rows of a query.
    Table {
        /// The names of the columns.
        columns: Vec<String>,
        /// The rows.
        #[serde(serialize_with = "row_documents")]
        #[schemars(with = "Vec<Vec<ValueDocument<'_>>>")]
        rows: Vec<Vec<SqlValue>>,
    },
    /// A call.
    Changed {
        /// Whether it changed anything.
        changed: bool,
    },
}

impl From<Table> for ResultDocument {
    fn from(table: Table) -> Self {
        Self::Table {
            columns: table.columns,
            rows: table.rows,
        }
    }
}

fn row_documents<S: Serializer>(rows: &[Vec<SqlValue>], serializer: S) -> Result<S::Ok, S::Error> {
    let mut sequence = serializer.serialize_seq(Some(rows.len()))?;
    for row in rows {
        let row: Vec<ValueDocument<'_>> = row.iter().map(ValueDocument::from).collect();
        sequence.serialize_element(&row)?;
    }
    sequence.end()
}

/// A value of a row.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Value")]
#[serde(untagged)]
enum ValueDocument<'a> {
    /// NULL.
    Null,
    /// A number of type INTEGER or BIGINT.
    Integer(i64),
    /// A number of type DOUBLE.
    Real(f64),
    /// Text.
    Text(&'a str),
}

impl<'a> From<&'a SqlValue> for ValueDocument<'a> {
    fn from(value: &'a SqlValue) -> Self {
        match value {
            SqlValue::Null => Self::Null,
            SqlValue::Integer(number) => Self::Integer(*number),
            SqlValue::Real(number) => Self::Real(*number),
            SqlValue::Text(text) => Self::Text(text),
        }
    }
}

/// The document of `sql`: an object for each statement, and the error of the one that failed.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Results")]
pub struct ResultsDocument<'a> {
    /// Number of the schema.
    #[schemars(extend("const" = 1))]
    schema: u32,
    /// An object for each statement that was carried out, in their order.
    results: &'a [ResultDocument],
    /// Why the statement after them was not carried out; absent when all were.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorBody<'a>>,
}

impl<'a> ResultsDocument<'a> {
    /// Makes the document.
    #[must_use]
    pub fn new(results: &'a [ResultDocument], error: Option<&'a CommandError>) -> Self {
        Self {
            schema: SCHEMA,
            results,
            error: error.map(ErrorBody::new),
        }
    }
}

/// Returns what a call did, a line.
#[must_use]
pub fn edited(edited: &Edited) -> String {
    edit_with(
        edited,
        "It takes effect at the next CALL QSYS2.CHANGE_IOP(IOP => 'ISCSI', OPTION => 'IPL').",
    )
}

/// What stands for NULL in a table, as in STRSQL.
const NULL: &str = "-";

/// The most bytes of a table, blanks included.
const SIDE_BY_SIDE_LIMIT: usize = 4 * RESULT_LIMIT;

fn shown(value: &SqlValue) -> String {
    match value {
        SqlValue::Null => NULL.to_owned(),
        SqlValue::Integer(number) => number.to_string(),
        SqlValue::Real(number) => format!("{number:?}"),
        SqlValue::Text(text) => escape(text),
    }
}

/// Returns a table. Where it is wider than the terminal, or mostly blanks, each row is shown column by column instead: values are never broken.
#[must_use]
pub fn table(table: &Table, width: Option<usize>) -> String {
    let cells: Vec<Vec<String>> = table
        .rows
        .iter()
        .map(|row| row.iter().map(shown).collect())
        .collect();
    let names: Vec<String> = table.columns.iter().map(|name| escape(name)).collect();
    let widths: Vec<usize> = names
        .iter()
        .enumerate()
        .map(|(column, name)| {
            let cells = cells.iter().filter_map(|row| row.get(column));
            cells
                .map(String::len)
                .max()
                .unwrap_or_default()
                .max(name.len())
        })
        .collect();
    let total: usize = widths.iter().map(|width| width + 2).sum();
    // The blanks between columns are one less than the columns.
    let fits = width.is_none_or(|width| total.saturating_sub(2) <= width);
    // One long value makes blanks of every other row.
    let is_sparse = total.saturating_mul(cells.len()) > SIDE_BY_SIDE_LIMIT;
    let mut text = match cells.is_empty() || fits && !is_sparse {
        true => side_by_side(table, &names, &cells, &widths),
        false => row_by_row(&names, &cells),
    };
    text.push_str(&match cells.len() {
        1 => "1 row.\n".to_owned(),
        count => format!("{count} rows.\n"),
    });
    text
}

fn side_by_side(
    table: &Table,
    names: &[String],
    cells: &[Vec<String>],
    widths: &[usize],
) -> String {
    let is_number = |column: usize| {
        let values = table.rows.iter().filter_map(|row| row.get(column));
        let mut values = values.filter(|value| **value != SqlValue::Null).peekable();
        values.peek().is_some()
            && values.all(|value| matches!(value, SqlValue::Integer(_) | SqlValue::Real(_)))
    };
    let right: Vec<bool> = (0..names.len()).map(is_number).collect();
    let mut text = String::new();
    let mut push = |row: &[String]| {
        let cells = row.iter().zip(widths).zip(&right);
        let line: Vec<String> = cells
            .map(|((cell, &width), &right)| match right {
                true => format!("{cell:>width$}"),
                false => format!("{cell:width$}"),
            })
            .collect();
        text.push_str(line.join("  ").trim_end());
        text.push('\n');
    };
    push(names);
    push(
        &widths
            .iter()
            .map(|width| "-".repeat(*width))
            .collect::<Vec<_>>(),
    );
    for row in cells {
        push(row);
    }
    text
}

fn row_by_row(names: &[String], cells: &[Vec<String>]) -> String {
    let mut page = Page::default();
    for (index, row) in cells.iter().enumerate() {
        page.part(&format!("Row {} of {}", index + 1, cells.len()));
        for (name, cell) in names.iter().zip(row) {
            page.line(name, cell);
        }
    }
    page.into_text() + "\n"
}

/// Returns comma-separated values (RFC 4180) with line feeds: NULL is nothing, an empty text a pair of quotes.
#[must_use]
pub fn csv(table: &Table) -> String {
    let quoted = |text: &str| {
        let is_plain =
            !text.is_empty() && !text.contains(['"', ',', '\n', '\r']) && text.trim() == text;
        match is_plain {
            true => text.to_owned(),
            false => format!("\"{}\"", text.replace('"', "\"\"")),
        }
    };
    let mut text = String::new();
    let mut push = |row: Vec<String>| {
        text.push_str(&row.join(","));
        text.push('\n');
    };
    push(table.columns.iter().map(|name| quoted(name)).collect());
    for row in &table.rows {
        push(
            row.iter()
                .map(|value| match value {
                    SqlValue::Null => String::new(),
                    SqlValue::Text(text) => quoted(text),
                    number => shown(number),
                })
                .collect(),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some_table() -> Table {
        let text = |text: &str| SqlValue::Text(text.to_owned());
        Table {
            columns: vec!["NAME".to_owned(), "PORT".to_owned()],
            rows: vec![
                vec![text("iqn.a"), SqlValue::Integer(860)],
                vec![SqlValue::Null, SqlValue::Null],
                vec![text("a,\"b\u{1b}"), SqlValue::Real(1.0)],
            ],
        }
    }

    #[test]
    fn a_table_has_columns_as_wide_as_they_have_to_be() {
        let expected = "\
NAME          PORT
------------  ----
iqn.a          860
-                -
a,\"b<U+001B>   1.0
3 rows.
";
        assert_eq!(table(&some_table(), None), expected);
        assert_eq!(table(&some_table(), Some(18)), expected);
    }

    #[test]
    fn a_table_that_is_too_wide_is_shown_row_by_row_and_breaks_no_value() {
        let shown = table(&some_table(), Some(17));
        assert!(shown.starts_with("Row 1 of 3\n  NAME  . ."), "{shown}");
        assert!(
            shown.contains(":  iqn.a\n") && shown.ends_with("\n\n3 rows.\n"),
            "{shown}"
        );
        let empty = Table {
            rows: Vec::new(),
            ..some_table()
        };
        assert_eq!(table(&empty, Some(3)), "NAME  PORT\n----  ----\n0 rows.\n");
    }

    #[test]
    fn csv_tells_null_from_an_empty_text() {
        let mut of = some_table();
        of.rows.push(vec![
            SqlValue::Text(String::new()),
            SqlValue::Text(" x".to_owned()),
        ]);
        assert_eq!(
            csv(&of),
            "NAME,PORT\niqn.a,860\n,\n\"a,\"\"b\u{1b}\",1.0\n\"\",\" x\"\n"
        );
    }

    #[test]
    fn json_keeps_the_types() {
        let results = [
            ResultDocument::from(some_table()),
            ResultDocument::Changed { changed: true },
        ];
        let document = serde_json::to_value(ResultsDocument::new(&results, None)).unwrap();
        assert_eq!(
            document["results"],
            serde_json::json!([
                {"columns": ["NAME", "PORT"], "rows": [["iqn.a", 860], [null, null], ["a,\"b\u{1b}", 1.0]]},
                {"changed": true}
            ])
        );
    }
}
