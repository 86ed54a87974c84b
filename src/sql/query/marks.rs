//! What is looked at before the words are translated one by one: what is refused by the place of a word, and what words become
//! that stand apart.

use super::{Fault, KEYWORDS, SqlError, TokenKind, Translation, is_count};

impl Translation<'_> {
    /// The engine takes set operators from left to right; in Db2 INTERSECT binds more tightly.
    pub(super) fn refuse_mixed_set_operators(&self) -> Result<(), SqlError> {
        let find = |words: &[&str]| {
            let mut tokens = self.tokens.iter();
            tokens.find(|token| words.iter().any(|word| token.kind.is_word(word)))
        };
        match (find(&["INTERSECT"]), find(&["UNION", "EXCEPT"])) {
            (Some(token), Some(_)) => {
                let what = "INTERSECT in a statement with UNION or EXCEPT".to_owned();
                Err(Fault::NotAvailable(what).at(token.at))
            }
            _ => Ok(()),
        }
    }

    /// The engine binds `||` more tightly than `*`, Db2 as `+` and `-`.
    pub(super) fn refuse_mixed_concatenation(&self) -> Result<(), SqlError> {
        // Of each parenthesis that is open: whether its expression has a concatenation, and arithmetic.
        let mut open = vec![(false, false)];
        for index in 0..self.tokens.len() {
            let is_binary = index
                .checked_sub(1)
                .is_some_and(|before| self.ends_operand(before));
            let Some(kind) = self.kind(index) else {
                break;
            };
            match kind {
                TokenKind::Sign("(") => open.push((false, false)),
                TokenKind::Sign(")") => {
                    open.pop();
                }
                _ => {}
            }
            let Some((has_concatenation, has_arithmetic)) = open.last_mut() else {
                break;
            };
            match kind {
                TokenKind::Sign("||") => *has_concatenation = true,
                TokenKind::Word(word) if word == "CONCAT" && is_binary => *has_concatenation = true,
                TokenKind::Sign("+" | "-" | "*" | "/") if is_binary => *has_arithmetic = true,
                TokenKind::Sign("," | "=" | "<" | ">" | "<>" | "<=" | ">=" | "!=") => {
                    (*has_concatenation, *has_arithmetic) = (false, false);
                }
                TokenKind::Word(word) if KEYWORDS.contains(&word.as_str()) => {
                    (*has_concatenation, *has_arithmetic) = (false, false);
                }
                _ => {}
            }
            if *has_concatenation && *has_arithmetic {
                let what = "|| beside + - * / without parentheses".to_owned();
                return Err(Fault::NotAvailable(what).at(self.at(index)));
            }
        }
        Ok(())
    }

    /// `VALUES 1, 2` has two rows: the engine wants each in parentheses.
    pub(super) fn mark_rows_of_values(&mut self) {
        const ENDS: [&str; 5] = ["UNION", "EXCEPT", "INTERSECT", "VALUES", "SELECT"];
        /// What the engine takes behind a SELECT only.
        const TAILS: [&str; 4] = ["ORDER", "FETCH", "LIMIT", "OFFSET"];
        for values in 0..self.tokens.len() {
            if !self.is_word(values, "VALUES") {
                continue;
            }
            let mut begin = values + 1;
            let mut index = begin;
            loop {
                let is_one_of = |words: &[&str]| words.iter().any(|word| self.is_word(index, word));
                let has_tail = is_one_of(&TAILS);
                let is_end = has_tail
                    || is_one_of(&ENDS)
                    || self.is_sign(index, ")")
                    || self.kind(index).is_none();
                if is_end || self.is_sign(index, ",") {
                    // A subselect in parentheses is one value, not a row.
                    let is_subselect = ["SELECT", "WITH", "VALUES"]
                        .iter()
                        .any(|word| self.is_word(begin + 1, word));
                    let close = self.closing.get(begin).copied().flatten();
                    let is_row = close == index.checked_sub(1) && !is_subselect;
                    let is_wrapped = begin < index && !is_row;
                    if is_wrapped {
                        self.put_before(begin, "(");
                    }
                    match (is_wrapped, has_tail) {
                        (true, true) => self.put_before(index, "))"),
                        (false, false) => {}
                        _ => self.put_before(index, ")"),
                    }
                    if has_tail {
                        self.replace(values, "SELECT * FROM (VALUES".to_owned());
                    }
                    if is_end {
                        break;
                    }
                    begin = index + 1;
                }
                index = self.closing.get(index).copied().flatten().unwrap_or(index) + 1;
            }
        }
    }

    /// `CAST(x AS VARCHAR(9))` becomes a call of a function of ours: the engine's CAST makes a number of any text.
    pub(super) fn mark_casts(&mut self) -> Result<(), SqlError> {
        for cast in 0..self.tokens.len() {
            if !self.is_word(cast, "CAST") || !self.is_sign(cast + 1, "(") {
                continue;
            }
            let Some(end) = self.closing.get(cast + 1).copied().flatten() else {
                continue;
            };
            let mut index = cast + 2;
            while index < end && !self.is_word(index, "AS") {
                index = self.closing.get(index).copied().flatten().unwrap_or(index) + 1;
            }
            if index >= end {
                let found = ")".to_owned();
                return Err(Fault::Expected {
                    wanted: "AS",
                    found,
                }
                .at(self.at(end)));
            }
            let of_type: Vec<&TokenKind> =
                (index + 1..end).filter_map(|of| self.kind(of)).collect();
            let (function, arguments) = match of_type.as_slice() {
                [TokenKind::Word(word)]
                    if ["INTEGER", "INT", "BIGINT", "SMALLINT"].contains(&word.as_str()) =>
                {
                    ("DB2_INTEGER", String::new())
                }
                [TokenKind::Word(word)] if word == "CHAR" => ("DB2_CHAR", ", 1".to_owned()),
                [
                    TokenKind::Word(word),
                    open,
                    TokenKind::Number(length),
                    close,
                ] if open.is_sign("(")
                    && close.is_sign(")")
                    && is_count(length)
                    && (word == "VARCHAR" || word == "CHAR") =>
                {
                    let function = if word == "CHAR" {
                        "DB2_CHAR"
                    } else {
                        "DB2_VARCHAR"
                    };
                    (function, format!(", {length}"))
                }
                _ => {
                    let what = "this type of a CAST (there are INTEGER, BIGINT, SMALLINT, VARCHAR(n) and CHAR(n))";
                    return Err(Fault::NotAvailable(what.to_owned()).at(self.at(index + 1)));
                }
            };
            self.replace(cast, function.to_owned());
            self.replace(index, arguments);
            for of in index + 1..end {
                self.replace(of, String::new());
            }
        }
        Ok(())
    }
}
