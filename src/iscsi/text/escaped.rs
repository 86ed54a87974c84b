//! Text of a peer, for people.

use std::fmt::{self, Write};

/// Bytes or text of a peer as printable ASCII, so that none can act on a terminal: any other character of UTF-8 as `\u{e9}`,
/// a control character and a byte that is not UTF-8 as `\x1B`.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<T>(pub T);

impl<T: AsRef<[u8]>> fmt::Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.as_ref().utf8_chunks() {
            for character in chunk.valid().chars() {
                match character {
                    ' '..='~' => f.write_char(character)?,
                    '\0'..='\x7f' => write!(f, "\\x{:02X}", u32::from(character))?,
                    _ => write!(f, "{}", character.escape_unicode())?,
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02X}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_but_printable_ascii_is_spelled_out() {
        assert_eq!(
            Escaped(b"\x1b[31mIBM\xe4\x7f").to_string(),
            "\\x1B[31mIBM\\xE4\\x7F"
        );
        assert_eq!(Escaped("V\u{e9} ~").to_string(), "V\\u{e9} ~");
        for byte in 0..=u8::MAX {
            let shown = Escaped([byte]).to_string();
            assert!(shown.bytes().all(|byte| matches!(byte, b' '..=b'~')));
        }
    }
}
