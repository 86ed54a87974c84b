//! A path as a message shows it.

use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Returns a path as a shell is to be given it, in printable ASCII: as it is where nothing in it needs quotes, else in single
/// quotes, and in the form `$'...'` of bash where a byte of it could act on a terminal or look like another one.
pub fn quoted(path: &Path) -> String {
    let bytes = path.as_os_str().as_bytes();
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/,=+@%".contains(byte);
    if !bytes.is_empty() && bytes.iter().all(is_plain) {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    if bytes.iter().all(|byte| (b' '..=b'~').contains(byte)) {
        return format!(
            "'{}'",
            String::from_utf8_lossy(bytes).replace('\'', "'\\''")
        );
    }
    let mut text = String::from("$'");
    for byte in bytes {
        match byte {
            b'\'' | b'\\' => {
                text.push('\\');
                text.push(char::from(*byte));
            }
            b' '..=b'~' => text.push(char::from(*byte)),
            _ => {
                // Writing to a string does not fail.
                let _ = write!(text, "\\x{byte:02x}");
            }
        }
    }
    text.push('\'');
    text
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn a_path_is_quoted_where_a_shell_or_a_terminal_would_act_on_it() {
        for (path, shown) in [
            (&b"/home/me/.local/state"[..], "/home/me/.local/state"),
            (b"", "''"),
            (b"a b", "'a b'"),
            (b"$HOME", "'$HOME'"),
            (b"it's", "'it'\\''s'"),
            (b"a\x1b[31m'", "$'a\\x1b[31m\\''"),
            (b"\xff\\", "$'\\xff\\\\'"),
            ("\u{e9}".as_bytes(), "$'\\xc3\\xa9'"),
        ] {
            assert_eq!(quoted(Path::new(OsStr::from_bytes(path))), shown);
        }
    }
}
