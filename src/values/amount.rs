//! How many of a thing, in words.

use std::fmt::Display;

/// Returns a count with its noun: `1 block`, `0 blocks`, `2 blocks`. The noun is one that takes an `s`.
pub fn amount(count: impl Display, noun: &str) -> String {
    let count = count.to_string();
    let plural = if count == "1" { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_a_thing_is_singular() {
        assert_eq!(amount(0_u8, "block"), "0 blocks");
        assert_eq!(amount(1_u64, "logical unit"), "1 logical unit");
        assert_eq!(amount(21_usize, "byte"), "21 bytes");
    }
}
