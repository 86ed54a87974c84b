//! The words of SQL: literals, identifiers, numbers and signs, each with its place. Comments are dropped here.

use std::fmt;

use zeroize::Zeroizing;

use super::error::{Fault, SqlError};

/// The most words of a statement: what is read of it fits in a few MiB, whatever it is.
pub const WORD_LIMIT: usize = 50_000;

/// A place in the text of a script, both from 1; a column is a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScriptPosition {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl fmt::Display for ScriptPosition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}, column {}", self.line, self.column)
    }
}

/// A word of a statement with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Where it begins.
    pub at: ScriptPosition,
}

/// What a word of a statement is.
#[derive(Clone, PartialEq, Eq)]
pub enum TokenKind {
    /// A keyword or an ordinary identifier, folded to upper case.
    Word(String),
    /// A delimited identifier, without its quotes.
    Delimited(String),
    /// A character literal, without its quotes. It may be a secret, so `Debug` does not show it.
    Text(Zeroizing<String>),
    /// A number, as typed.
    Number(String),
    /// A sign, such as `(`, `=>` or `<=`.
    Sign(&'static str),
    /// A parameter marker, `?`.
    Marker,
}

impl fmt::Debug for TokenKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.described())
    }
}

impl TokenKind {
    /// Returns the word as an error names it; what a literal holds is not shown.
    #[must_use]
    pub fn described(&self) -> String {
        match self {
            Self::Word(word) => word.clone(),
            Self::Delimited(name) => format!("\"{}\"", name.replace('"', "\"\"")),
            Self::Text(_) => "a character literal".to_owned(),
            Self::Number(number) => number.clone(),
            Self::Sign(sign) => (*sign).to_owned(),
            Self::Marker => "?".to_owned(),
        }
    }

    /// Returns whether it is this keyword.
    #[must_use]
    pub fn is_word(&self, keyword: &str) -> bool {
        matches!(self, Self::Word(word) if word == keyword)
    }

    /// Returns whether it is this sign.
    #[must_use]
    pub fn is_sign(&self, wanted: &str) -> bool {
        matches!(self, Self::Sign(sign) if *sign == wanted)
    }
}

/// The signs, a longer one before those that it begins with.
const SIGNS: [&str; 17] = [
    "=>", "<>", "<=", ">=", "!=", "||", "(", ")", ",", ".", "=", "<", ">", "+", "-", "*", "/",
];

/// The letters that make a literal of another kind when they stand before its quote.
const PREFIXES: [&str; 7] = ["X", "N", "G", "B", "BX", "GX", "UX"];

/// A script, statement by statement.
pub struct Script<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    at: ScriptPosition,
}

impl<'a> Script<'a> {
    /// Begins with the text of a script.
    #[must_use]
    pub fn new(text: &'a str) -> Self {
        Self {
            rest: text.chars().peekable(),
            at: ScriptPosition { line: 1, column: 1 },
        }
    }

    /// Returns the words of the next statement, without the semicolon that ends it; none behind the last one.
    ///
    /// # Errors
    /// What is no word of SQL, and a statement of more than [`WORD_LIMIT`] words.
    pub fn next_statement(&mut self) -> Result<Option<Vec<Token>>, SqlError> {
        let mut tokens = Vec::new();
        loop {
            self.skip_blanks()?;
            let at = self.at;
            match self.rest.peek() {
                None => break,
                Some(';') => {
                    self.bump();
                    if tokens.is_empty() {
                        continue;
                    }
                    break;
                }
                Some(_) if tokens.len() == WORD_LIMIT => {
                    return Err(Fault::TooManyWords.at(at));
                }
                Some(&character) => {
                    let kind = self.word(character)?;
                    tokens.push(Token { kind, at });
                }
            }
        }
        Ok((!tokens.is_empty()).then_some(tokens))
    }

    fn bump(&mut self) -> Option<char> {
        let character = self.rest.next()?;
        match character {
            '\n' => {
                self.at.line += 1;
                self.at.column = 1;
            }
            _ => self.at.column += 1,
        }
        Some(character)
    }

    /// Takes the next characters when they are these.
    fn take(&mut self, wanted: &str) -> bool {
        let mut ahead = self.rest.clone();
        if !wanted
            .chars()
            .all(|character| ahead.next() == Some(character))
        {
            return false;
        }
        for _ in wanted.chars() {
            self.bump();
        }
        true
    }

    fn skip_blanks(&mut self) -> Result<(), SqlError> {
        loop {
            let at = self.at;
            if self.take("--") {
                while self.rest.peek().is_some_and(|character| *character != '\n') {
                    self.bump();
                }
            } else if self.take("/*") {
                self.skip_comment(at)?;
            } else if self
                .rest
                .peek()
                .is_some_and(|character| matches!(character, ' ' | '\t' | '\r' | '\n'))
            {
                self.bump();
            } else {
                return Ok(());
            }
        }
    }

    /// Bracketed comments nest.
    fn skip_comment(&mut self, began: ScriptPosition) -> Result<(), SqlError> {
        let mut depth = 1_usize;
        while depth > 0 {
            if self.take("/*") {
                depth += 1;
            } else if self.take("*/") {
                depth -= 1;
            } else if self.bump().is_none() {
                return Err(Fault::NoEnd("comment").at(began));
            }
        }
        Ok(())
    }

    fn word(&mut self, first: char) -> Result<TokenKind, SqlError> {
        let at = self.at;
        match first {
            '\'' => Ok(TokenKind::Text(self.quoted('\'', "character literal")?.0)),
            '"' => {
                let (name, _) = self.quoted('"', "delimited identifier")?;
                match name.is_empty() {
                    true => Err(Fault::EmptyIdentifier.at(at)),
                    false => Ok(TokenKind::Delimited(name.to_string())),
                }
            }
            '?' => {
                self.bump();
                Ok(TokenKind::Marker)
            }
            'a'..='z' | 'A'..='Z' | '$' | '#' | '@' => {
                let word = self.run(|character| {
                    character.is_ascii_alphanumeric() || matches!(character, '_' | '$' | '#' | '@')
                });
                let word = word.to_ascii_uppercase();
                if self.rest.peek() == Some(&'\'') && PREFIXES.contains(&word.as_str()) {
                    return Err(
                        Fault::NotAvailable(format!("a literal of the form {word}'...'")).at(at),
                    );
                }
                Ok(TokenKind::Word(word))
            }
            '0'..='9' => self.number(at),
            '.' => {
                let mut ahead = self.rest.clone();
                ahead.next();
                match ahead.next() {
                    Some('0'..='9') => self.number(at),
                    _ => {
                        self.bump();
                        Ok(TokenKind::Sign("."))
                    }
                }
            }
            _ => {
                let sign = SIGNS.into_iter().find(|sign| self.take(sign));
                sign.map(TokenKind::Sign)
                    .ok_or_else(|| Fault::Character(first).at(at))
            }
        }
    }

    fn run(&mut self, is_part: impl Fn(char) -> bool) -> String {
        let mut text = String::new();
        while let Some(&character) = self.rest.peek()
            && is_part(character)
        {
            text.push(character);
            self.bump();
        }
        text
    }

    fn number(&mut self, at: ScriptPosition) -> Result<TokenKind, SqlError> {
        let is_digit = |character: char| character.is_ascii_digit();
        let mut number = self.run(is_digit);
        if self.rest.peek() == Some(&'.') {
            self.bump();
            number.push('.');
            number.push_str(&self.run(is_digit));
        }
        if let Some(&mark @ ('e' | 'E')) = self.rest.peek() {
            self.bump();
            number.push(mark);
            if let Some(&sign @ ('+' | '-')) = self.rest.peek() {
                self.bump();
                number.push(sign);
            }
            number.push_str(&self.run(is_digit));
        }
        let is_whole = number.ends_with(|last: char| last.is_ascii_digit() || last == '.');
        let is_followed = self.rest.peek().is_some_and(|next| {
            next.is_ascii_alphanumeric() || matches!(next, '_' | '$' | '#' | '@' | '.')
        });
        match is_whole && !is_followed {
            true => Ok(TokenKind::Number(number)),
            false => Err(Fault::NotANumber.at(at)),
        }
    }

    /// Takes what stands between quotes, a doubled one being one of the text.
    fn quoted(
        &mut self,
        quote: char,
        what: &'static str,
    ) -> Result<(Zeroizing<String>, ScriptPosition), SqlError> {
        let began = self.at;
        self.bump();
        // The length is known before anything is copied, so that no half of a secret is left behind by a longer copy.
        let mut length = 0;
        let mut ahead = self.rest.clone();
        loop {
            match ahead.next() {
                None => return Err(Fault::NoEnd(what).at(began)),
                Some(character) if character == quote => {
                    if ahead.peek() != Some(&quote) {
                        break;
                    }
                    ahead.next();
                    length += character.len_utf8();
                }
                Some('\0') => return Err(Fault::Character('\0').at(began)),
                Some(character) => length += character.len_utf8(),
            }
        }
        let mut text = Zeroizing::new(String::with_capacity(length));
        while let Some(character) = self.bump() {
            if character == quote {
                if self.rest.peek() != Some(&quote) {
                    break;
                }
                self.bump();
            }
            text.push(character);
        }
        Ok((text, began))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> TokenKind {
        TokenKind::Text(Zeroizing::new(text.to_owned()))
    }

    fn word(word: &str) -> TokenKind {
        TokenKind::Word(word.to_owned())
    }

    fn words(script: &str) -> Result<Vec<Vec<TokenKind>>, SqlError> {
        let mut script = Script::new(script);
        let mut statements = Vec::new();
        while let Some(tokens) = script.next_statement()? {
            statements.push(tokens.into_iter().map(|token| token.kind).collect());
        }
        Ok(statements)
    }

    #[test]
    fn words_are_folded_and_quotes_are_undone() {
        let found =
            words("select \"Mixed \"\"q\", 'it''s', 1.5e-3, .5, a=>b, c<>?;; values 1").unwrap();
        let sign = TokenKind::Sign;
        let number = |number: &str| TokenKind::Number(number.to_owned());
        let first = vec![
            word("SELECT"),
            TokenKind::Delimited("Mixed \"q".to_owned()),
            sign(","),
            text("it's"),
            sign(","),
            number("1.5e-3"),
            sign(","),
            number(".5"),
            sign(","),
            word("A"),
            sign("=>"),
            word("B"),
            sign(","),
            word("C"),
            sign("<>"),
            TokenKind::Marker,
        ];
        assert_eq!(found, [first, vec![word("VALUES"), number("1")]]);
    }

    #[test]
    fn comments_are_dropped_and_nest_and_literals_hold_what_looks_like_one() {
        let found = words("a -- b; 'c'\n /* d /* e */ ; */ '--;/*' -- last").unwrap();
        assert_eq!(found, [[word("A"), text("--;/*")]]);
        assert_eq!(
            words("-- nothing\n ; /* */ ;").unwrap(),
            Vec::<Vec<_>>::new()
        );
    }

    #[test]
    fn a_place_is_line_and_column_in_characters() {
        let mut script = Script::new("a\n  'b\nc' d; \"\u{e9}\" e");
        let places = |tokens: Vec<Token>| -> Vec<(usize, usize)> {
            tokens
                .iter()
                .map(|token| (token.at.line, token.at.column))
                .collect()
        };
        let first = script.next_statement().unwrap().unwrap();
        assert_eq!(places(first), [(1, 1), (2, 3), (3, 4)]);
        let second = script.next_statement().unwrap().unwrap();
        assert_eq!(places(second), [(3, 7), (3, 11)]);
    }

    #[test]
    fn what_is_no_word_is_refused_with_its_place() {
        for (script, place, said) in [
            ("a 'b", "line 1, column 3", "no end"),
            ("a \"b", "line 1, column 3", "no end"),
            ("a\n/* /* */", "line 2, column 1", "no end"),
            ("a \"\"", "line 1, column 3", "empty"),
            ("a 12x", "line 1, column 3", "number"),
            ("1e+", "line 1, column 1", "number"),
            ("1.2.3", "line 1, column 1", "number"),
            ("x'00'", "line 1, column 1", "X'...'"),
            ("a % b", "line 1, column 3", "'%'"),
            ("a \u{2019}b\u{2019}", "line 1, column 3", "U+2019"),
            ("_rowid_", "line 1, column 1", "'_'"),
            ("'a\0b'", "line 1, column 1", "U+0000"),
        ] {
            let error = words(script).unwrap_err();
            assert_eq!(error.at.to_string(), place, "{script:?}");
            let shown = error.to_string();
            assert!(shown.contains(said), "{script:?}: {shown}");
        }
    }

    #[test]
    fn statements_before_one_that_is_no_sql_are_still_given_out() {
        let mut script = Script::new("a; 'b");
        assert!(script.next_statement().unwrap().is_some());
        assert!(script.next_statement().is_err());
    }

    #[test]
    fn a_statement_has_a_bounded_number_of_words() {
        let most = "(".repeat(WORD_LIMIT);
        assert!(words(&most).is_ok());
        let error = words(&format!("{most}(")).unwrap_err();
        assert!(matches!(error.fault, Fault::TooManyWords));
        // A limit of one statement, not of the script.
        assert!(words(&format!("{most};(")).is_ok());
    }

    #[test]
    fn no_debug_text_shows_a_literal() {
        let mut script = Script::new("'GEHEIM'");
        let tokens = script.next_statement().unwrap().unwrap();
        assert!(!format!("{tokens:?}").contains("GEHEIM"));
    }
}
