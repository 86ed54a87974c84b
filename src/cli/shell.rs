//! Words as a shell is to be given them, and what stands in the place of a secret.

/// What stands where a secret stood.
pub const MASK: &str = "********";

/// Returns a word as a POSIX shell is to be given it, in quotes where it needs them.
pub fn quote(word: &str) -> String {
    // A masked secret is a placeholder; quotes would make it look like one to be typed.
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.:/,=+@%".contains(&b);
    if word == MASK || (!word.is_empty() && word.bytes().all(plain)) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
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
