//! Characters that pasted text brings along where plain ASCII belongs: their names, and the ASCII characters that they replace.

/// The ASCII character that a look-alike replaces in a command line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Dash,
    Quote,
    Space,
    Nothing,
}

/// Every look-alike with a name, in code point order.
const LOOK_ALIKES: &[(char, &str, Meaning)] = &[
    ('\t', "CHARACTER TABULATION", Meaning::Space),
    ('\n', "LINE FEED", Meaning::Nothing),
    ('\r', "CARRIAGE RETURN", Meaning::Nothing),
    ('\u{a0}', "NO-BREAK SPACE", Meaning::Space),
    (
        '\u{ab}',
        "LEFT-POINTING DOUBLE ANGLE QUOTATION MARK",
        Meaning::Quote,
    ),
    ('\u{ad}', "SOFT HYPHEN", Meaning::Dash),
    (
        '\u{bb}',
        "RIGHT-POINTING DOUBLE ANGLE QUOTATION MARK",
        Meaning::Quote,
    ),
    ('\u{2007}', "FIGURE SPACE", Meaning::Space),
    ('\u{200b}', "ZERO WIDTH SPACE", Meaning::Nothing),
    ('\u{200c}', "ZERO WIDTH NON-JOINER", Meaning::Nothing),
    ('\u{200d}', "ZERO WIDTH JOINER", Meaning::Nothing),
    ('\u{2010}', "HYPHEN", Meaning::Dash),
    ('\u{2011}', "NON-BREAKING HYPHEN", Meaning::Dash),
    ('\u{2012}', "FIGURE DASH", Meaning::Dash),
    ('\u{2013}', "EN DASH", Meaning::Dash),
    ('\u{2014}', "EM DASH", Meaning::Dash),
    ('\u{2015}', "HORIZONTAL BAR", Meaning::Dash),
    ('\u{2018}', "LEFT SINGLE QUOTATION MARK", Meaning::Quote),
    ('\u{2019}', "RIGHT SINGLE QUOTATION MARK", Meaning::Quote),
    ('\u{201a}', "SINGLE LOW-9 QUOTATION MARK", Meaning::Quote),
    ('\u{201c}', "LEFT DOUBLE QUOTATION MARK", Meaning::Quote),
    ('\u{201d}', "RIGHT DOUBLE QUOTATION MARK", Meaning::Quote),
    ('\u{201e}', "DOUBLE LOW-9 QUOTATION MARK", Meaning::Quote),
    ('\u{202f}', "NARROW NO-BREAK SPACE", Meaning::Space),
    ('\u{2212}', "MINUS SIGN", Meaning::Dash),
    ('\u{3000}', "IDEOGRAPHIC SPACE", Meaning::Space),
    ('\u{fe58}', "SMALL EM DASH", Meaning::Dash),
    ('\u{fe63}', "SMALL HYPHEN-MINUS", Meaning::Dash),
    ('\u{feff}', "ZERO WIDTH NO-BREAK SPACE", Meaning::Nothing),
    ('\u{ff0d}', "FULLWIDTH HYPHEN-MINUS", Meaning::Dash),
];

fn look_alike(character: char) -> Option<(&'static str, Meaning)> {
    LOOK_ALIKES
        .iter()
        .find(|(known, _, _)| *known == character)
        .map(|(_, name, meaning)| (*name, *meaning))
}

/// Returns the Unicode name of a character that pasted text is known to bring along.
pub fn name(character: char) -> Option<&'static str> {
    look_alike(character).map(|(name, _)| name)
}

/// Returns the character as an error shows it: `U+2013 EN DASH`, or `U+00E9` where no name is known.
pub fn describe(character: char) -> String {
    let code = u32::from(character);
    match (name(character), character) {
        (Some(name), _) => format!("U+{code:04X} {name}"),
        (None, ' ') => format!("U+{code:04X} SPACE"),
        (None, '!'..='~') => format!("{character:?}"),
        (None, _) => format!("U+{code:04X}"),
    }
}

/// Returns a text with every character spelled out that a terminal might act on, hide or show as another one.
pub fn escape(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            ' '..='~' => shown.push(character),
            _ => shown.push_str(&format!("<U+{:04X}>", u32::from(character))),
        }
    }
    shown
}

/// Returns true for a character that looks like the `-` of an option without being it.
pub fn is_dash(character: char) -> bool {
    matches!(look_alike(character), Some((_, Meaning::Dash)))
}

/// Returns true for a typographic quotation mark.
pub fn is_quote(character: char) -> bool {
    matches!(look_alike(character), Some((_, Meaning::Quote)))
}

/// Returns true for a space that a shell does not split words at.
pub fn is_space(character: char) -> bool {
    matches!(look_alike(character), Some((_, Meaning::Space)))
}

/// Returns the text as it was meant before it went through a word processor or a CRLF file: look-alike dashes become `-`,
/// look-alike spaces become a space, typographic quotes and invisible characters go.
pub fn plain(text: &str) -> String {
    text.chars()
        .filter_map(|character| match look_alike(character) {
            None => Some(character),
            Some((_, Meaning::Dash)) => Some('-'),
            Some((_, Meaning::Space)) => Some(' '),
            Some((_, Meaning::Quote | Meaning::Nothing)) => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_without_doubles() {
        assert!(LOOK_ALIKES.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn a_known_character_is_told_by_code_and_name() {
        assert_eq!(describe('\u{2013}'), "U+2013 EN DASH");
        assert_eq!(describe('\r'), "U+000D CARRIAGE RETURN");
        assert_eq!(describe(' '), "U+0020 SPACE");
    }

    #[test]
    fn another_character_is_told_by_itself_or_its_code() {
        assert_eq!(describe('%'), "'%'");
        assert_eq!(describe('\u{e9}'), "U+00E9");
        assert_eq!(describe('\u{7}'), "U+0007");
    }

    #[test]
    fn plain_text_is_what_was_meant() {
        assert_eq!(
            plain("\u{2013}addtarget\u{a0}\u{201c}x\u{201d}\r"),
            "-addtarget x"
        );
    }
}
