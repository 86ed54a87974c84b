//! Words as a shell is to be given them.

/// Returns a word as a shell is to be given it: as it is where nothing in it needs quotes, else in quotes, and printable ASCII
/// whatever it holds.
pub fn quote_bytes(word: &[u8]) -> String {
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
