//! What a search for a secret looks for, and the proof that it finds it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};

/// A form of a secret that a file or an output must not hold.
#[derive(Debug)]
struct Needle {
    form: &'static str,
    bytes: Vec<u8>,
}

/// Returns every form of the secret; letter case is left to the comparison where it carries nothing.
fn needles(secret: &str) -> Vec<Needle> {
    let text = secret.to_ascii_uppercase().into_bytes();
    let mut needles = Vec::new();
    let mut add = |form, bytes| needles.push(Needle { form, bytes });
    add("reversed", text.iter().rev().copied().collect());
    add(
        "UTF-16LE",
        text.iter().flat_map(|byte| [*byte, 0]).collect(),
    );
    add(
        "UTF-16BE",
        text.iter().flat_map(|byte| [0, *byte]).collect(),
    );
    add("hex", hex(&text).into_bytes());
    let numbers: Vec<_> = text.iter().map(u8::to_string).collect();
    add("numbers", numbers.join(",").into_bytes());
    for alphabet in [alphabet::STANDARD, alphabet::URL_SAFE] {
        let engine = GeneralPurpose::new(&alphabet, NO_PAD);
        for before in 0..3 {
            add("base64", base64_within(&engine, &text, before));
        }
    }
    add("text", text);
    needles
}

/// Returns the characters that every base64 text has which holds the bytes behind a multiple of three bytes and so
/// many more: those that no bit of a neighbour gets into.
fn base64_within(engine: &GeneralPurpose, bytes: &[u8], before: usize) -> Vec<u8> {
    let padded = [&vec![0; before][..], bytes].concat();
    let encoded = engine.encode(&padded).into_bytes();
    let first = (before * 8).div_ceil(6);
    let end = padded.len() * 8 / 6;
    encoded[first..end].to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02X}").unwrap();
        text
    })
}

/// Returns in which form the bytes hold the secret, or at least half of it in one piece; `None` when they do not.
///
/// A staged secret may be built from pieces, so each half of a long one counts as the whole; half of a short one may
/// well be part of a name.
pub fn form_of(secret: &str, bytes: &[u8]) -> Option<&'static str> {
    let (front, back) = match secret.len() {
        16.. => secret.split_at(8),
        _ => (secret, secret),
    };
    let upper = bytes.to_ascii_uppercase();
    let compact: Vec<_> = upper
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    [front, back]
        .iter()
        .flat_map(|half| needles(half))
        .find_map(|needle| {
            let found = if needle.form == "base64" {
                contains(bytes, &needle.bytes)
            } else {
                contains(&upper, &needle.bytes) || contains(&compact, &needle.bytes)
            };
            found.then_some(needle.form)
        })
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    // The standard library's search is optimised also where these tests are not, and a needle is UTF-8.
    let needle = str::from_utf8(needle).expect("a needle in UTF-8");
    String::from_utf8_lossy(bytes).contains(needle)
}

/// Returns a line for every file below the directory that holds the secret in any form.
pub fn in_files(secret: &str, directory: &Path) -> Vec<String> {
    files(directory)
        .into_iter()
        .filter_map(|(path, bytes)| {
            let form = form_of(secret, &bytes)?;
            Some(format!("{} holds a secret as {form}", path.display()))
        })
        .collect()
}

/// Returns every file below the directory with its bytes, sorted by path; none when there is no directory.
pub fn files(directory: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut found: Vec<_> = entries
        .flat_map(|entry| {
            let entry = entry.expect("an entry");
            if entry.file_type().expect("a type").is_dir() {
                files(&entry.path())
            } else if entry.path().is_file() {
                vec![(entry.path(), fs::read(entry.path()).expect("a file"))]
            } else {
                // A link that dangles, or a pipe, which would not end.
                Vec::new()
            }
        })
        .collect();
    found.sort();
    found
}

#[test]
fn a_secret_is_found_in_every_form_and_behind_every_neighbour() {
    let secret = "Q7RZK5H9TXDMVWB2";
    let text = secret.as_bytes();
    let json_numbers = serde_json::to_string_pretty(&text).unwrap();
    let utf16: Vec<u8> = secret.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let reversed: String = secret.chars().rev().collect();
    for (form, bytes) in [
        ("text", secret.as_bytes().to_vec()),
        ("text", secret.to_ascii_lowercase().into_bytes()),
        ("text", b"XXQ7RZK5H9XX".to_vec()),
        ("text", b"XXTXDMVWB2XX".to_vec()),
        ("reversed", reversed.into_bytes()),
        ("UTF-16BE", utf16),
        ("hex", hex(text).to_ascii_lowercase().into_bytes()),
        ("numbers", json_numbers.into_bytes()),
    ] {
        let bytes = [&b"before "[..], &bytes, b" behind"].concat();
        let found = form_of(secret, &bytes);
        // UTF-16 of one byte order between other bytes looks like the other one too.
        let same = found.is_some_and(|found| found == form || form.starts_with("UTF"));
        assert!(same, "{form}: found {found:?}");
    }
    for before in 0..6 {
        let bytes = [&b"before"[..before], text, b"behind"].concat();
        let encoded = base64::engine::general_purpose::STANDARD.encode(&bytes);
        let found = form_of(secret, encoded.as_bytes());
        assert_eq!(found, Some("base64"), "{before} bytes before: {encoded}");
    }
    assert_eq!(
        form_of(secret, b"Q7RZK5H TXDMVWB, 2BWVMDXT?"),
        Some("reversed")
    );
    assert_eq!(form_of(secret, b"Q7RZK5H8TXDMVWB3"), None);
}
