//! A path as a message shows it.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::values::quote_bytes;

/// Returns a path as a shell is to be given it, in printable ASCII: a message shows it whatever is in it, and it can be pasted.
pub fn quoted(path: &Path) -> String {
    quote_bytes(path.as_os_str().as_bytes())
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
            (b"a\x1b[31m'", "$'a\\033[31m\\''"),
            (b"\xff\\", "$'\\377\\\\'"),
            ("\u{e9}".as_bytes(), "$'\\303\\251'"),
        ] {
            assert_eq!(quoted(Path::new(OsStr::from_bytes(path))), shown);
        }
    }
}
