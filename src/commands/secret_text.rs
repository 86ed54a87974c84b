//! A secret as bytes that came, wherever they came from: a buffer that leaves no copy behind, and its text.

use std::io;

use zeroize::Zeroizing;

use crate::error::{CommandError, ErrorKind};
use crate::render::words::Code;

/// The most bytes that are read: more than any secret has.
pub(super) const LIMIT: u64 = 4096;

/// Reads what stands on stdin, to its end or to a byte that ends it, past the buffer of [`io::Stdin`], which is not wiped.
pub(super) fn read_stdin(ends: impl Fn(u8) -> bool) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = buffer();
    bytes.resize(LIMIT as usize, 0);
    let mut filled = 0;
    while let Some(room) = bytes.get_mut(filled..)
        && !room.is_empty()
    {
        match rustix::io::retry_on_intr(|| rustix::io::read(io::stdin(), &mut *room))? {
            0 => break,
            count => filled += count,
        }
        if filled
            .checked_sub(1)
            .and_then(|last| bytes.get(last))
            .is_some_and(|last| ends(*last))
        {
            break;
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// The buffer never grows, so that no copy of a secret is left behind.
pub(super) fn buffer() -> Zeroizing<Vec<u8>> {
    Zeroizing::new(Vec::with_capacity(8192))
}

/// Returns a secret as text, one line end at its end dropped.
pub(super) fn line_of(bytes: &[u8], what: &str) -> Result<Zeroizing<String>, CommandError> {
    let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let line = match bytes.len() {
        length if length == line.len() => line,
        _ => line.strip_suffix(b"\r").unwrap_or(line),
    };
    std::str::from_utf8(line)
        .map(|text| Zeroizing::new(text.to_owned()))
        .map_err(|_| CommandError::usage(format!("{what} is not text"), Vec::new()))
}

/// Returns the error of a file or an input that cannot be read; an empty hint is none.
pub(super) fn failed(error: anyhow::Error, hint: &str) -> CommandError {
    CommandError {
        kind: ErrorKind::State,
        code: Code::FileUnusable,
        error,
        hints: Some(hint.to_owned())
            .filter(|hint| !hint.is_empty())
            .into_iter()
            .collect(),
    }
}
