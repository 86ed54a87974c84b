//! Words as a shell is to be given them, and what stands in the place of a secret.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

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

/// Returns a path as a shell is to be given it, for a hint that can be pasted.
pub fn quote_path(path: &Path) -> String {
    quote_bytes(path.as_os_str().as_bytes())
}

fn quote_bytes(word: &[u8]) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.:/,=+@%".contains(&b);
    if !word.is_empty() && word.iter().all(|byte| plain(*byte)) {
        return String::from_utf8_lossy(word).into_owned();
    }
    if word.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        return format!("'{}'", String::from_utf8_lossy(word).replace('\'', "'\\''"));
    }
    // Dollar-single-quotes of POSIX.1-2024 2.2.4, which bash, zsh and ksh have had for long. Three octal digits end where the
    // next character begins, which hexadecimal ones do not everywhere.
    let inner: String = word
        .iter()
        .map(|byte| match byte {
            b'\'' => "\\'".to_owned(),
            b'\\' => "\\\\".to_owned(),
            b' '..=b'~' => char::from(*byte).to_string(),
            byte => format!("\\{byte:03o}"),
        })
        .collect();
    format!("$'{inner}'")
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

    #[test]
    fn a_path_is_printable_whatever_it_holds() {
        let path = |bytes: &[u8]| quote_path(Path::new(std::ffi::OsStr::from_bytes(bytes)));
        assert_eq!(path(b"/srv/state"), "/srv/state");
        assert_eq!(path(b"/srv/my state"), "'/srv/my state'");
        assert_eq!(path(b"/srv/\x1b[31m"), "$'/srv/\\033[31m'");
        assert_eq!(path(b"/srv/it's\n\\1"), "$'/srv/it\\'s\\012\\\\1'");
        assert_eq!(path(b"/srv/\xff"), "$'/srv/\\377'");
    }
}
