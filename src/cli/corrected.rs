//! Spells out the line that was meant, where a damaged or misplaced word leaves no doubt about it.
//!
//! Nothing here is ever acted on: the line goes into an error's hints.

use std::collections::VecDeque;

use zeroize::Zeroizing;

use super::grammar::Parameter;
use super::parse::parse_macro;
use super::repair::{
    Known, MACRO_NAME, debris, is_macro_name, is_own_word, may_hold_secret, recognise,
};
use super::shell::{MASK, quote};
use crate::values::characters;

/// Returns the command line that was meant, ready to be pasted, with secrets masked.
///
/// `None` when a word cannot be placed, when something would have to be made up, or when nothing would change.
pub(super) fn corrected_line(typed: &[Zeroizing<String>]) -> Option<String> {
    let mut words: VecDeque<Zeroizing<String>> = typed.iter().cloned().collect();
    let mut host: Vec<String> = Vec::new();
    let mut option: Option<&'static str> = None;
    let mut parameters: Vec<(Parameter, Zeroizing<String>)> = Vec::new();

    while let Some(argument) = words.pop_front() {
        let nothing_yet = option.is_none() && parameters.is_empty();
        if debris(&argument).is_some() || (nothing_yet && is_macro_name(&argument)) {
            continue;
        }
        let recognised = recognise(&argument)?;
        let attached = !recognised.rest.is_empty();
        for word in recognised.rest.into_iter().rev() {
            words.push_front(word);
        }
        match recognised.known {
            Known::Option(_, spelling) if option.is_none() => option = Some(spelling),
            Known::Option(..) | Known::Help | Known::Command(_) => return None,
            Known::Parameter(parameter) => {
                let value = words.pop_front().filter(|value| !is_own_word(value))?;
                let value = meant_value(value, parameter.spec().secret);
                if !parameter.spec().secret && may_hold_secret(&value) {
                    return None;
                }
                parameters.push((parameter, value));
            }
            Known::Host {
                word,
                takes_value: false,
            } => host.push(word),
            Known::Host {
                word,
                takes_value: true,
            } if attached => {
                host.push(format!("{word}={}", words.pop_front()?.as_str()));
            }
            Known::Host {
                word,
                takes_value: true,
            } => {
                let value = words.pop_front().filter(|value| !value.starts_with('-'))?;
                host.extend([word, value.to_string()]);
            }
        }
    }

    let option = option?;
    let mut line = vec![Zeroizing::new(option.to_owned())];
    let mut shown: Vec<String> = vec![MACRO_NAME.to_owned()];
    shown.extend(host.iter().map(|word| quote(word)));
    shown.push(option.to_owned());
    let printable = |word: &str| word.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    let mut shows_well = true;
    for (parameter, value) in parameters {
        let secret = parameter.spec().secret;
        shows_well &= secret || printable(&value);
        shown.push(parameter.word().to_owned());
        shown.push(if secret {
            MASK.to_owned()
        } else {
            quote(&value)
        });
        line.push(Zeroizing::new(parameter.word().to_owned()));
        line.push(value);
    }
    parse_macro(&line).ok()?;
    let unchanged = host
        .iter()
        .chain(line.iter().map(|word| &**word))
        .eq(typed.iter().map(|w| &**w));
    let shown = shown.join(" ");
    let shows_well = shows_well && host.iter().all(|word| printable(word));
    (!unchanged && shows_well).then_some(shown)
}

/// Returns the value as it was meant: no value of the macro can hold what pasting leaves behind.
fn meant_value(value: Zeroizing<String>, secret: bool) -> Zeroizing<String> {
    if secret {
        return value;
    }
    Zeroizing::new(characters::plain(&value).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cli::grammar::MacroOption;
    use crate::cli::repair::macro_words;

    /// Words that lines are made of, whole and damaged.
    fn any_word() -> impl Strategy<Value = String> {
        let words: Vec<String> = macro_words()
            .map(|known| known.word().to_owned())
            .chain(
                [
                    "--json",
                    "-q",
                    "--state-dir",
                    "iscsiswiconfig",
                    "x",
                    "\r",
                    "",
                ]
                .map(str::to_owned),
            )
            .collect();
        let damage = prop_oneof![
            Just(""),
            Just("\u{2013}"),
            Just("\u{a0}"),
            Just("="),
            Just("-"),
            Just("\r"),
            Just(" "),
            Just("\u{201c}")
        ];
        let damaged = (prop::sample::select(words), damage.clone(), damage)
            .prop_map(|(word, before, behind)| format!("{before}{word}{behind}"));
        prop_oneof![8 => damaged, 1 => any::<String>()]
    }

    proptest! {
        #[test]
        fn a_corrected_line_parses_and_is_printable(words in prop::collection::vec(any_word(), 0..8)) {
            let typed: Vec<_> = words.iter().cloned().map(Zeroizing::new).collect();
            if let Some(line) = corrected_line(&typed) {
                prop_assert!(line.bytes().all(|b| (b' '..=b'~').contains(&b)), "{}", line);
                let option = line.split(' ').find_map(MacroOption::from_word);
                prop_assert!(option.is_some(), "{}", line);
            }
        }

        #[test]
        fn any_line_is_parsed_or_refused_with_printable_words(words in prop::collection::vec(any_word(), 0..8)) {
            if let Err(failure) = crate::cli::parse(words.iter().map(std::ffi::OsString::from)) {
                let mut told = failure.hints();
                told.push(failure.to_string());
                for line in told {
                    prop_assert!(!line.is_empty() && line.bytes().all(|b| (b' '..=b'~').contains(&b)), "{:?}", line);
                }
            }
        }
    }
}
