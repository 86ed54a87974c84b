//! From a query in Db2's words to the engine's: a statement is put together anew from its words, never by replacing text, and a
//! word that is not known to mean the same to both is refused by name.
//!
//! Ordinary identifiers are folded to upper case. The engine compares identifiers without letter case, so a lower-case letter of
//! a delimited one is marked, and `"target_name"` is another name than TARGET_NAME.

mod marks;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::error::{Fault, SqlError};
use super::token::{ScriptPosition, Token, TokenKind};
use super::views::VIEWS;

/// A query as the engine takes it.
#[derive(Debug)]
pub struct Query {
    /// The statement.
    pub sql: String,
    /// The identifiers in it, as the engine sees them: a column of the result that is none of them has no name.
    pub names: BTreeSet<String>,
    /// The names of common table expressions, as the engine sees them.
    pub expressions: BTreeSet<String>,
    /// Where each word of the statement came from, in order of its offset in bytes.
    places: Vec<(usize, ScriptPosition)>,
    /// The literals as they stand in the statement: a report of the engine must not show them.
    literals: Vec<String>,
}

/// What stands before a lower-case letter of a delimited identifier, and never before anything else in one.
pub(super) const LOWER_CASE: char = '\u{1}';

/// Words that mean the same to both.
const KEYWORDS: &[&str] = &[
    "ALL",
    "AND",
    "AS",
    "ASC",
    "BETWEEN",
    "BY",
    "CASE",
    "CROSS",
    "DESC",
    "DISTINCT",
    "ELSE",
    "END",
    "ESCAPE",
    "EXCEPT",
    "EXISTS",
    "FROM",
    "FULL",
    "GROUP",
    "HAVING",
    "IN",
    "INNER",
    "INTERSECT",
    "IS",
    "JOIN",
    "LEFT",
    "LIKE",
    "NOT",
    "NULL",
    "ON",
    "OR",
    "ORDER",
    "OUTER",
    "OVER",
    "PARTITION",
    "RIGHT",
    "SELECT",
    "THEN",
    "UNION",
    "USING",
    "VALUES",
    "WHEN",
    "WHERE",
    "WITH",
    // The rest may follow an operand as an alias would, and are reserved in Db2 all the same.
    "FETCH",
    "FOR",
    "CONCAT",
    "CAST",
    "OFFSET",
    "LIMIT",
    "NULLS",
];

/// Words that begin what the engine does otherwise or not at all.
const NOT_AVAILABLE: &[&str] = &[
    "ANY",
    "COLLECTION_TABLE",
    "CUBE",
    "CURRENT",
    "CURRENT_DATE",
    "CURRENT_PATH",
    "CURRENT_SCHEMA",
    "CURRENT_SERVER",
    "CURRENT_TIME",
    "CURRENT_TIMESTAMP",
    "CURRENT_TIMEZONE",
    "CURRENT_USER",
    "EXCEPTION",
    "FINAL",
    "INTO",
    "JSON_TABLE",
    "LATERAL",
    "NEXTVAL",
    "PREVVAL",
    "ROLLUP",
    "SESSION_USER",
    "SETS",
    "SKIP",
    "SOME",
    "SYSTEM_USER",
    "TABLE",
    "UNNEST",
    "USER",
    "WINDOW",
    "WITHIN",
    "XMLTABLE",
];

/// Functions by the names of Db2, and what the engine has for each: its own function where both mean the same, else one of ours.
const FUNCTIONS: &[(&str, &str)] = &[
    ("ABS", "ABS"),
    ("AVG", "DB2_AVG"),
    ("BIGINT", "DB2_INTEGER"),
    ("CHAR", "DB2_CHAR"),
    ("CHARACTER_LENGTH", "DB2_LENGTH"),
    ("CHAR_LENGTH", "DB2_LENGTH"),
    ("COALESCE", "COALESCE"),
    ("COUNT", "COUNT"),
    ("DENSE_RANK", "DENSE_RANK"),
    ("IFNULL", "IFNULL"),
    ("INT", "DB2_INTEGER"),
    ("INTEGER", "DB2_INTEGER"),
    ("LCASE", "LOWER"),
    ("LEFT", "DB2_LEFT"),
    ("LENGTH", "DB2_LENGTH"),
    ("LOCATE", "DB2_LOCATE"),
    ("LOWER", "LOWER"),
    ("LTRIM", "LTRIM"),
    ("MAX", "MAX"),
    ("MIN", "MIN"),
    ("MOD", "DB2_MOD"),
    ("NULLIF", "NULLIF"),
    ("POSSTR", "DB2_POSSTR"),
    ("RANK", "RANK"),
    ("REPLACE", "REPLACE"),
    ("RIGHT", "DB2_RIGHT"),
    ("ROW_NUMBER", "ROW_NUMBER"),
    ("RTRIM", "RTRIM"),
    ("SMALLINT", "DB2_INTEGER"),
    ("SUBSTR", "DB2_SUBSTR"),
    ("SUBSTRING", "DB2_SUBSTR"),
    ("SUM", "SUM"),
    ("TRIM", "TRIM"),
    ("UCASE", "UPPER"),
    ("UPPER", "UPPER"),
    ("VARCHAR", "DB2_VARCHAR"),
];

/// Returns whether a query may use this function of the engine.
pub(super) fn is_available(function: &str) -> bool {
    let ours = ["DB2_CONCAT", "LIKE"];
    let mut known = FUNCTIONS.iter().map(|(_, engine)| *engine).chain(ours);
    known.any(|engine| engine.eq_ignore_ascii_case(function))
}

/// Translates a query.
///
/// # Errors
/// [`SqlError`] for what is not available, and for parentheses that do not match.
pub fn translate(tokens: &[Token]) -> Result<Query, SqlError> {
    let tokens = without_end(tokens);
    let mut translation = Translation {
        tokens,
        closing: matching(tokens)?,
        before: vec![""; tokens.len() + 1],
        replaced: vec![None; tokens.len()],
        query: Query {
            sql: String::new(),
            names: BTreeSet::new(),
            expressions: BTreeSet::new(),
            places: Vec::with_capacity(tokens.len()),
            literals: Vec::new(),
        },
    };
    translation.leave_out_recursive();
    translation.refuse_mixed_set_operators()?;
    translation.refuse_mixed_concatenation()?;
    translation.mark_rows_of_values();
    translation.mark_casts()?;
    translation.emit()?;
    Ok(translation.query)
}

/// Leaves out what says that nothing is to be updated or locked, which holds here always.
fn without_end(mut tokens: &[Token]) -> &[Token] {
    loop {
        let rest = match tokens {
            [rest @ .., with, level]
                if with.kind.is_word("WITH")
                    && ["NC", "UR", "CS", "RS", "RR"]
                        .iter()
                        .any(|word| level.kind.is_word(word)) =>
            {
                rest
            }
            [rest @ .., of, what, only]
                if of.kind.is_word("FOR")
                    && (what.kind.is_word("READ") || what.kind.is_word("FETCH"))
                    && only.kind.is_word("ONLY") =>
            {
                rest
            }
            _ => return tokens,
        };
        tokens = rest;
    }
}

/// Returns the index of the closing parenthesis for each opening one.
fn matching(tokens: &[Token]) -> Result<Vec<Option<usize>>, SqlError> {
    let mut closing = vec![None; tokens.len()];
    let mut open = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        if token.kind.is_sign("(") {
            open.push((index, token.at));
        } else if token.kind.is_sign(")") {
            let unmatched = || {
                Fault::Expected {
                    wanted: "an opening parenthesis before it",
                    found: ")".to_owned(),
                }
                .at(token.at)
            };
            let (begin, _) = open.pop().ok_or_else(unmatched)?;
            if let Some(place) = closing.get_mut(begin) {
                *place = Some(index);
            }
        }
    }
    match open.pop() {
        None => Ok(closing),
        Some((_, at)) => Err(Fault::NoEnd("parenthesis").at(at)),
    }
}

struct Translation<'a> {
    tokens: &'a [Token],
    /// For each opening parenthesis, the index of the closing one.
    closing: Vec<Option<usize>>,
    /// What is put before each word, and behind the last one.
    before: Vec<&'static str>,
    /// What stands for a word instead of its own translation.
    replaced: Vec<Option<String>>,
    query: Query,
}

impl<'a> Translation<'a> {
    fn kind(&self, index: usize) -> Option<&'a TokenKind> {
        self.tokens.get(index).map(|token| &token.kind)
    }

    fn is_word(&self, index: usize, keyword: &str) -> bool {
        self.kind(index).is_some_and(|kind| kind.is_word(keyword))
    }

    fn is_sign(&self, index: usize, sign: &str) -> bool {
        self.kind(index).is_some_and(|kind| kind.is_sign(sign))
    }

    fn at(&self, index: usize) -> ScriptPosition {
        let token = self.tokens.get(index).or(self.tokens.last());
        token.map_or(ScriptPosition { line: 1, column: 1 }, |token| token.at)
    }

    fn put_before(&mut self, index: usize, sign: &'static str) {
        if let Some(place) = self.before.get_mut(index) {
            *place = sign;
        }
    }

    fn replace(&mut self, index: usize, text: String) {
        if let Some(place) = self.replaced.get_mut(index) {
            *place = Some(text);
        }
    }

    /// `WITH RECURSIVE A(B) AS (...)`: the engine looks for itself whether a common table expression is recursive.
    fn leave_out_recursive(&mut self) {
        let is_name = matches!(
            self.kind(2),
            Some(TokenKind::Word(word)) if word != "AS"
        ) || matches!(self.kind(2), Some(TokenKind::Delimited(_)));
        if self.is_word(0, "WITH") && self.is_word(1, "RECURSIVE") && is_name {
            self.replace(1, String::new());
        }
    }

    fn emit(&mut self) -> Result<(), SqlError> {
        let mut index = 0;
        while index < self.tokens.len() {
            let (behind_last, before_next) = match self.before.get(index).copied() {
                Some(signs) if signs.starts_with(')') => (signs, ""),
                before => ("", before.unwrap_or_default()),
            };
            self.query.sql.push_str(behind_last);
            self.query.sql.push(' ');
            self.query.sql.push_str(before_next);
            self.query
                .places
                .push((self.query.sql.len(), self.at(index)));
            index = self.emit_word(index)?;
        }
        let last = self.before.last().copied().unwrap_or_default();
        self.query.sql.push_str(last);
        Ok(())
    }

    /// Emits a word, or several that belong together, and returns the index behind them.
    fn emit_word(&mut self, index: usize) -> Result<usize, SqlError> {
        let next = index + 1;
        if let Some(text) = self.replaced.get(index).cloned().flatten() {
            self.query.sql.push_str(&text);
            return Ok(next);
        }
        match self.kind(index) {
            None => {}
            // The engine would take it for a name there.
            Some(TokenKind::Text(_)) if self.is_place_of_a_name(index) => {
                return Err(Fault::Expected {
                    wanted: "an operator or a name",
                    found: "a character literal".to_owned(),
                }
                .at(self.at(index)));
            }
            Some(TokenKind::Text(text)) => {
                let literal = format!("'{}'", text.replace('\'', "''"));
                self.query.sql.push_str(&literal);
                self.query.literals.push(literal);
            }
            Some(TokenKind::Number(number)) => self.query.sql.push_str(number),
            Some(TokenKind::Marker) => {
                let what = "a parameter marker in a query".to_owned();
                return Err(Fault::NotAvailable(what).at(self.at(index)));
            }
            Some(TokenKind::Sign("=>")) => {
                let what = "a named argument in a query".to_owned();
                return Err(Fault::NotAvailable(what).at(self.at(index)));
            }
            Some(TokenKind::Sign("!=")) => self.query.sql.push_str("<>"),
            Some(TokenKind::Sign(sign)) => self.query.sql.push_str(sign),
            Some(TokenKind::Delimited(name)) if name == "QSYS2" => return self.emit_schema(index),
            Some(TokenKind::Delimited(name)) => {
                let name = encoded(name);
                self.note_expression(index, &name);
                self.emit_identifier(&name);
            }
            Some(TokenKind::Word(word)) => return self.emit_keyword_or_name(index, word),
        }
        Ok(next)
    }

    fn emit_identifier(&mut self, name: &str) {
        let quoted = name.replace('"', "\"\"");
        // A String takes whatever is written to it.
        let _ = write!(self.query.sql, "\"{quoted}\"");
        self.query.names.insert(name.to_owned());
    }

    fn emit_keyword_or_name(&mut self, index: usize, word: &str) -> Result<usize, SqlError> {
        let next = index + 1;
        let before = index.checked_sub(1);
        let is_behind = |sign: &str| before.is_some_and(|before| self.is_sign(before, sign));
        let is_called = self.is_sign(next, "(");
        let is_alias = before.is_some_and(|before| self.is_word(before, "AS")) && !is_called;
        if is_behind(".") || is_alias {
            self.emit_identifier(word);
            return Ok(next);
        }
        if word == "QSYS2" && (self.is_sign(next, ".") || self.is_sign(next, "/")) {
            return self.emit_schema(index);
        }
        if NOT_AVAILABLE.contains(&word) {
            return Err(Fault::NotAvailable(word.to_owned()).at(self.at(index)));
        }
        match word {
            "CONCAT" if !is_called || before.is_some_and(|before| self.ends_operand(before)) => {
                self.query.sql.push_str("||");
                return Ok(next);
            }
            "CONCAT" => {
                self.query.sql.push_str("DB2_CONCAT");
                return Ok(next);
            }
            "FETCH" => return self.emit_fetch(index, None),
            "OFFSET" => return self.emit_offset(index),
            "LIMIT" => return self.emit_limit(index),
            "NULLS" if self.is_word(next, "FIRST") || self.is_word(next, "LAST") => {
                let place = if self.is_word(next, "FIRST") {
                    "FIRST"
                } else {
                    "LAST"
                };
                self.query.sql.push_str("NULLS ");
                self.query.sql.push_str(place);
                return Ok(next + 1);
            }
            "NULLS" | "FOR" | "CAST" => {
                return Err(Fault::NotAvailable(word.to_owned()).at(self.at(index)));
            }
            _ => {}
        }
        if is_called {
            let function = FUNCTIONS.iter().find(|(name, _)| *name == word);
            if let Some((_, engine)) = function {
                self.query.sql.push_str(engine);
                return Ok(next);
            }
            if !KEYWORDS.contains(&word) && !self.is_common_table(next) {
                let what = format!("the function {word}");
                return Err(Fault::NotAvailable(what).at(self.at(index)));
            }
        }
        match KEYWORDS.contains(&word) {
            true => self.query.sql.push_str(word),
            false => {
                self.note_expression(index, word);
                self.emit_identifier(word);
            }
        }
        Ok(next)
    }

    /// Takes note of the name of a common table expression: `WITH A AS (SELECT ...)`.
    fn note_expression(&mut self, index: usize, name: &str) {
        let is_plain = self.is_word(index + 1, "AS") && self.is_sign(index + 2, "(");
        if is_plain || self.is_common_table(index + 1) {
            self.query.expressions.insert(name.to_owned());
        }
    }

    /// Returns whether the parentheses are the columns of a common table expression: `WITH A(B, C) AS (SELECT ...)`.
    fn is_common_table(&self, open: usize) -> bool {
        let Some(close) = self.closing.get(open).copied().flatten() else {
            return false;
        };
        self.is_word(close + 1, "AS") && self.is_sign(close + 2, "(")
    }

    /// Returns whether an operand ends with the word, so that an operator follows.
    fn ends_operand(&self, index: usize) -> bool {
        match self.kind(index) {
            Some(TokenKind::Word(word)) => {
                !KEYWORDS.contains(&word.as_str()) || word == "END" || word == "NULL"
            }
            Some(TokenKind::Sign(sign)) => *sign == ")",
            Some(TokenKind::Delimited(_) | TokenKind::Text(_) | TokenKind::Number(_)) => true,
            Some(TokenKind::Marker) | None => false,
        }
    }

    /// Returns whether what stands there could only be a name, as an alias.
    fn is_place_of_a_name(&self, index: usize) -> bool {
        index.checked_sub(1).is_some_and(|before| {
            let is_before = |word| self.is_word(before, word);
            // IS DISTINCT FROM compares.
            let compares = before
                .checked_sub(1)
                .is_some_and(|index| self.is_word(index, "DISTINCT"));
            self.ends_operand(before)
                || is_before("AS")
                || is_before("JOIN")
                || is_before("FROM") && !compares
                || self.is_sign(before, ".")
        })
    }

    /// `QSYS2.ISCSI_INFO`, and `QSYS2/ISCSI_INFO` in system naming.
    fn emit_schema(&mut self, index: usize) -> Result<usize, SqlError> {
        let name = match self.kind(index + 2) {
            Some(TokenKind::Word(name) | TokenKind::Delimited(name)) => name,
            _ => {
                return Err(Fault::Expected {
                    wanted: "a view behind QSYS2",
                    found: self
                        .kind(index + 2)
                        .map_or_else(|| "the end".to_owned(), TokenKind::described),
                }
                .at(self.at(index + 2)));
            }
        };
        if !VIEWS.iter().any(|view| view.name == name) {
            let told = format!("there is no view QSYS2.{name} here");
            return Err(Fault::UnknownName(told).at(self.at(index + 2)));
        }
        self.emit_identifier(name);
        Ok(index + 3)
    }

    fn count(&self, index: usize) -> Result<String, SqlError> {
        match self.kind(index) {
            Some(TokenKind::Number(number)) if is_count(number) => Ok(number.clone()),
            _ => Err(Fault::NotAvailable(
                "a number of rows that is not up to 18 digits".to_owned(),
            )
            .at(self.at(index))),
        }
    }

    fn expect(&self, index: usize, words: &[&str], wanted: &'static str) -> Result<(), SqlError> {
        match words.iter().any(|word| self.is_word(index, word)) {
            true => Ok(()),
            false => Err(Fault::Expected {
                wanted,
                found: self
                    .kind(index)
                    .map_or_else(|| "the end".to_owned(), TokenKind::described),
            }
            .at(self.at(index))),
        }
    }

    /// `FETCH FIRST n ROWS ONLY`
    fn emit_fetch(&mut self, fetch: usize, offset: Option<String>) -> Result<usize, SqlError> {
        self.expect(fetch + 1, &["FIRST", "NEXT"], "FIRST or NEXT")?;
        let mut index = fetch + 2;
        let mut count = "1".to_owned();
        if !self.is_word(index, "ROW") && !self.is_word(index, "ROWS") {
            count = self.count(index)?;
            index += 1;
        }
        self.expect(index, &["ROW", "ROWS"], "ROW or ROWS")?;
        self.expect(index + 1, &["ONLY"], "ONLY")?;
        self.push_limit(&count, offset.as_deref());
        Ok(index + 2)
    }

    /// `OFFSET m ROWS [FETCH NEXT n ROWS ONLY]`
    fn emit_offset(&mut self, offset: usize) -> Result<usize, SqlError> {
        let count = self.count(offset + 1)?;
        self.expect(offset + 2, &["ROW", "ROWS"], "ROW or ROWS")?;
        if self.is_word(offset + 3, "FETCH") {
            return self.emit_fetch(offset + 3, Some(count));
        }
        // No limit at all.
        self.push_limit("-1", Some(&count));
        Ok(offset + 3)
    }

    /// `LIMIT n [OFFSET m]`
    fn emit_limit(&mut self, limit: usize) -> Result<usize, SqlError> {
        let count = self.count(limit + 1)?;
        if self.is_word(limit + 2, "OFFSET") {
            let offset = self.count(limit + 3)?;
            self.push_limit(&count, Some(&offset));
            return Ok(limit + 4);
        }
        self.push_limit(&count, None);
        Ok(limit + 2)
    }

    fn push_limit(&mut self, count: &str, offset: Option<&str>) {
        self.query.sql.push_str("LIMIT ");
        self.query.sql.push_str(count);
        if let Some(offset) = offset {
            self.query.sql.push_str(" OFFSET ");
            self.query.sql.push_str(offset);
        }
    }
}

/// Returns whether a number is digits that make a count of rows or characters.
fn is_count(number: &str) -> bool {
    number.len() <= 18 && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns a delimited identifier as the engine sees it.
fn encoded(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len());
    for character in name.chars() {
        if character.is_ascii_lowercase() || character == LOWER_CASE {
            encoded.push(LOWER_CASE);
        }
        encoded.push(character.to_ascii_uppercase());
    }
    encoded
}

/// Returns an identifier, or a text with some, as it was typed.
pub(super) fn decoded(text: &str) -> String {
    let mut decoded = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            LOWER_CASE => decoded.extend(characters.next().map(|of| of.to_ascii_lowercase())),
            character => decoded.push(character),
        }
    }
    decoded
}

impl Query {
    /// Returns where the word at an offset of the statement came from.
    pub(super) fn place(&self, offset: usize) -> ScriptPosition {
        let behind = self.places.partition_point(|(of, _)| *of <= offset);
        let found = behind
            .checked_sub(1)
            .and_then(|index| self.places.get(index))
            .or(self.places.first());
        found.map_or(ScriptPosition { line: 1, column: 1 }, |(_, at)| *at)
    }

    /// Returns where the statement begins.
    pub(super) fn begin(&self) -> ScriptPosition {
        self.place(0)
    }

    /// Returns where its last word stands.
    pub(super) fn last(&self) -> ScriptPosition {
        self.place(usize::MAX)
    }

    /// Returns a report of the engine with identifiers as they were typed and without what literals hold.
    pub(super) fn told(&self, report: &str) -> String {
        let mut told = report.to_owned();
        for literal in &self.literals {
            if told.contains(literal.as_str()) {
                told = told.replace(literal.as_str(), "'...'");
            }
        }
        decoded(&told)
    }
}

#[cfg(test)]
mod tests;
