//! Words as a shell is to be given them, and what stands in the place of a secret.

use crate::values::quote_bytes;

/// What stands where a secret stood.
pub const MASK: &str = "********";

/// Returns a word as a shell is to be given it: in quotes where it needs them, and printable ASCII whatever it holds.
pub fn quote(word: &str) -> String {
    // A masked secret is a placeholder; quotes would make it look like one to be typed.
    if word == MASK {
        return word.to_owned();
    }
    quote_bytes(word.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_quoted_where_a_shell_would_change_it() {
        assert_eq!(
            quote("iqn.2000-03.com.xyz:vtl_1"),
            "iqn.2000-03.com.xyz:vtl_1"
        );
        assert_eq!(quote("*GENERATE"), "'*GENERATE'");
        assert_eq!(quote("it's"), "'it'\\''s'");
        assert_eq!(quote(""), "''");
        assert_eq!(quote("$(x)"), "'$(x)'");
        assert_eq!(quote(MASK), MASK);
    }
}
