//! Bytes from a device as text that may be printed anywhere.

use std::fmt::Write as _;

use crate::iscsi::text::Escaped;

/// Returns the bytes without the blanks and NULs around them: devices pad on either side.
pub(super) fn trimmed(bytes: &[u8]) -> &[u8] {
    let is_padding = |byte: &u8| matches!(byte, b' ' | 0);
    let start = bytes.iter().take_while(|byte| is_padding(byte)).count();
    let rest = bytes.get(start..).unwrap_or_default();
    let end = rest
        .iter()
        .rev()
        .take_while(|byte| is_padding(byte))
        .count();
    rest.get(..rest.len().saturating_sub(end))
        .unwrap_or_default()
}

/// Returns the trimmed bytes with control and non-ASCII bytes as `\xNN`.
pub(in crate::iop) fn printable(bytes: &[u8]) -> String {
    Escaped(trimmed(bytes)).to_string()
}

/// Returns the bytes as hex digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn blanks_and_nuls_go_on_both_sides_and_stay_inside() {
        assert_eq!(trimmed(b"   A B\0 \0"), b"A B");
        assert_eq!(trimmed(b" \0 "), b"");
        assert_eq!(trimmed(b""), b"");
    }

    #[test]
    fn escape_sequences_from_a_device_do_not_reach_a_terminal() {
        assert_eq!(printable(b"\x1b[31mIBM\xe4\x7f"), "\\x1B[31mIBM\\xE4\\x7F");
    }

    proptest! {
        #[test]
        fn text_is_printable_ascii_without_outer_blanks(bytes: Vec<u8>) {
            let text = printable(&bytes);
            prop_assert!(text.bytes().all(|byte| (0x20..=0x7e).contains(&byte)));
            prop_assert_eq!(text.trim_matches(' '), &text);
        }
    }
}
