//! Sealing under a passphrase, for the way to another machine: the format age-encryption.org/v1 with a scrypt recipient, so
//! that the programs `age` and `rage` can open it too.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use chacha20poly1305::aead::{Aead, AeadInOut};
use chacha20poly1305::{ChaCha20Poly1305, Key, KeyInit, Nonce};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use thiserror::Error;
use zeroize::Zeroizing;

/// The base-two logarithm of scrypt's N: about a second of work and 128 MiB of memory.
pub const WORK_FACTOR: u8 = 17;

/// The largest work factor that is accepted of a file: 1 GiB of memory.
const MAX_WORK_FACTOR: u8 = 20;

/// scrypt's r: age has no other.
const BLOCK_SIZE: u32 = 8;
/// What is asked for beside scrypt's own memory, in bytes: the few small buffers that are allocated meanwhile.
const BESIDE: usize = 1 << 20;

const VERSION: &str = "age-encryption.org/v1";
const SCRYPT_SALT_LABEL: &[u8] = b"age-encryption.org/v1/scrypt";
/// A payload is sealed in chunks of this length, each with a tag.
const CHUNK: usize = 64 * 1024;
const TAG_LENGTH: usize = 16;

/// The random numbers of one file; none may ever be used twice.
pub struct Salts {
    /// The key of this file.
    pub file_key: Zeroizing<[u8; 16]>,
    /// Salt of the passphrase.
    pub scrypt: [u8; 16],
    /// Nonce from which the key of the payload is derived.
    pub payload: [u8; 16],
}

/// Why an exported file does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PassphraseError {
    /// Not the format, or without a passphrase.
    #[error("it is no file of age-encryption.org/v1 that is sealed under a passphrase")]
    Format,
    /// More work than is reasonable.
    #[error("it asks for a work factor of {0}, and {MAX_WORK_FACTOR} is the limit")]
    WorkFactor(u8),
    /// The system does not give as much memory as the passphrase takes to be tried.
    #[error("its passphrase takes {mebibytes} MiB of memory, and the system does not give as much")]
    Memory {
        /// How much it takes.
        mebibytes: usize,
    },
    /// The passphrase does not open it.
    #[error("the passphrase is wrong, or the file was damaged")]
    Passphrase,
    /// It opens, and was changed behind its header or cut short.
    #[error("the file was damaged")]
    Damaged,
}

/// Seals a document under a passphrase.
///
/// # Errors
/// [`PassphraseError::WorkFactor`] when scrypt does not take it.
pub fn seal_export(
    document: &[u8],
    passphrase: &str,
    work_factor: u8,
    salts: &Salts,
) -> Result<Vec<u8>, PassphraseError> {
    let wrap = wrapping_key(passphrase, &salts.scrypt, work_factor)?;
    let wrapped = ChaCha20Poly1305::new(&Key::from(*wrap))
        .encrypt(&Nonce::default(), salts.file_key.as_slice())
        .map_err(|_| PassphraseError::Format)?;
    let header = format!(
        "{VERSION}\n-> scrypt {} {work_factor}\n{}\n---",
        STANDARD_NO_PAD.encode(salts.scrypt),
        STANDARD_NO_PAD.encode(wrapped)
    );
    let mac = header_mac(&salts.file_key, &header)?
        .finalize()
        .into_bytes();

    let mut file = format!("{header} {}\n", STANDARD_NO_PAD.encode(mac)).into_bytes();
    file.extend_from_slice(&salts.payload);
    let cipher = payload_cipher(&salts.file_key, &salts.payload);
    let mut chunks = document.chunks(CHUNK).peekable();
    let mut counter = 0;
    loop {
        let chunk = chunks.next().unwrap_or_default();
        let last = chunks.peek().is_none();
        let sealed = cipher
            .encrypt(&chunk_nonce(counter, last), chunk)
            .map_err(|_| PassphraseError::Format)?;
        file.extend_from_slice(&sealed);
        if last {
            return Ok(file);
        }
        counter += 1;
    }
}

/// Opens a document that was sealed under a passphrase.
///
/// # Errors
/// [`PassphraseError`].
pub fn open_export(file: &[u8], passphrase: &str) -> Result<Zeroizing<Vec<u8>>, PassphraseError> {
    let format = PassphraseError::Format;
    let (version, rest) = split_line(file).ok_or(format)?;
    let (stanza, rest) = split_line(rest).ok_or(format)?;
    let (body, rest) = split_line(rest).ok_or(format)?;
    let (end, rest) = split_line(rest).ok_or(format)?;
    if version != VERSION {
        return Err(format);
    }
    let words: Vec<&str> = stanza.split(' ').collect();
    let &["->", "scrypt", salt, factor] = words.as_slice() else {
        return Err(format);
    };
    let mac = end.strip_prefix("--- ").ok_or(format)?;
    let salt: [u8; 16] = decode(salt)?;
    let wrapped: [u8; 32] = decode(body)?;
    let mac: [u8; 32] = decode(mac)?;
    if factor.starts_with(['0', '+']) {
        return Err(format);
    }
    let work_factor: u8 = factor.parse().map_err(|_| format)?;

    let wrap = wrapping_key(passphrase, &salt, work_factor)?;
    let file_key = ChaCha20Poly1305::new(&Key::from(*wrap))
        .decrypt(&Nonce::default(), wrapped.as_slice())
        .map(Zeroizing::new)
        .map_err(|_| PassphraseError::Passphrase)?;
    let file_key = <[u8; 16]>::try_from(file_key.as_slice())
        .map(Zeroizing::new)
        .map_err(|_| format)?;
    let header = format!("{version}\n{stanza}\n{body}\n---");
    header_mac(&file_key, &header)?
        .verify_slice(&mac)
        .map_err(|_| PassphraseError::Damaged)?;
    open_payload(&file_key, rest)
}

fn open_payload(
    file_key: &[u8; 16],
    payload: &[u8],
) -> Result<Zeroizing<Vec<u8>>, PassphraseError> {
    let damaged = PassphraseError::Damaged;
    let (nonce, sealed) = payload.split_first_chunk::<16>().ok_or(damaged)?;
    let cipher = payload_cipher(file_key, nonce);
    let mut document = Zeroizing::new(Vec::with_capacity(sealed.len()));
    let mut chunks = sealed.chunks(CHUNK + TAG_LENGTH).peekable();
    let mut counter = 0;
    while let Some(chunk) = chunks.next() {
        let last = chunks.peek().is_none();
        let mut opened = Zeroizing::new(chunk.to_vec());
        cipher
            .decrypt_in_place(&chunk_nonce(counter, last), &[], &mut *opened)
            .map_err(|_| damaged)?;
        // Only an empty document has an empty chunk: behind full ones it would be a second form of the same document.
        if opened.is_empty() && counter > 0 {
            return Err(damaged);
        }
        document.extend_from_slice(&opened);
        counter += 1;
        if last {
            return Ok(document);
        }
    }
    Err(damaged)
}

fn wrapping_key(
    passphrase: &str,
    salt: &[u8; 16],
    work_factor: u8,
) -> Result<Zeroizing<[u8; 32]>, PassphraseError> {
    let wrong = PassphraseError::WorkFactor(work_factor);
    if work_factor > MAX_WORK_FACTOR {
        return Err(wrong);
    }
    let parameters = scrypt::Params::new(work_factor, BLOCK_SIZE, 1).map_err(|_| wrong)?;
    reserve(work_factor)?;
    let salt = [SCRYPT_SALT_LABEL, salt].concat();
    let mut key = Zeroizing::new([0; 32]);
    scrypt::scrypt(
        passphrase.as_bytes(),
        &salt,
        &parameters,
        key.as_mut_slice(),
    )
    .map_err(|_| wrong)?;
    Ok(key)
}

/// Asks for the memory that scrypt is about to take, N * r * 128 bytes, and gives it back: scrypt itself ends the process where
/// there is too little.
fn reserve(work_factor: u8) -> Result<(), PassphraseError> {
    let block = 128 * usize::try_from(BLOCK_SIZE).unwrap_or(usize::MAX);
    let bytes = block.saturating_mul(1 << work_factor);
    Vec::<u8>::new()
        .try_reserve_exact(bytes.saturating_add(BESIDE))
        .map_err(|_| PassphraseError::Memory {
            mebibytes: bytes.div_ceil(1 << 20),
        })
}

fn header_mac(file_key: &[u8; 16], header: &str) -> Result<Hmac<Sha256>, PassphraseError> {
    let key = derive(file_key, None, b"header");
    // A key of any length is fine for HMAC (RFC 2104 section 2).
    <Hmac<Sha256> as KeyInit>::new_from_slice(key.as_slice())
        .map(|mac| mac.chain_update(header))
        .map_err(|_| PassphraseError::Format)
}

fn payload_cipher(file_key: &[u8; 16], nonce: &[u8; 16]) -> ChaCha20Poly1305 {
    ChaCha20Poly1305::new(&Key::from(*derive(file_key, Some(nonce), b"payload")))
}

fn derive(file_key: &[u8; 16], salt: Option<&[u8]>, info: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    // Expanding to 32 bytes is always possible (RFC 5869 section 2.3: up to 255 times the hash length).
    let _ = Hkdf::<Sha256>::new(salt, file_key).expand(info, key.as_mut_slice());
    key
}

/// Returns the nonce of a chunk: 11 bytes of its number, big-endian, and 1 for the last one.
fn chunk_nonce(counter: u64, last: bool) -> Nonce {
    let mut nonce = [0; 12];
    nonce
        .iter_mut()
        .skip(3)
        .zip(counter.to_be_bytes())
        .for_each(|(to, from)| *to = from);
    nonce[11] = u8::from(last);
    Nonce::from(nonce)
}

fn split_line(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.iter().take(200).position(|byte| *byte == b'\n')?;
    let (line, rest) = bytes.split_at_checked(end)?;
    Some((std::str::from_utf8(line).ok()?, rest.get(1..)?))
}

fn decode<const LENGTH: usize>(text: &str) -> Result<[u8; LENGTH], PassphraseError> {
    STANDARD_NO_PAD
        .decode(text)
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or(PassphraseError::Format)
}

#[cfg(test)]
mod format;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn salts() -> Salts {
        Salts {
            file_key: Zeroizing::new([1; 16]),
            scrypt: [2; 16],
            payload: [3; 16],
        }
    }

    fn sealed(document: &[u8]) -> Vec<u8> {
        seal_export(document, "a passphrase", 1, &salts()).unwrap()
    }

    /// Written by `age -p` 1.1.1.
    const BY_AGE: &str = "\
        YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IHNjcnlwdCB5Uk13bTlESUs2NkF2SVZzWUhIcDdnIDE4Cm5leWNqMDB1WU\
        NJY21PL2d5WjBvUnBMaXBLQnVOSjViY0w5dHk4YStTbFkKLS0tIGZ6dHBNRm1ESXgyYUVRRFRqODJtN0FpaWRlT1Fx\
        UVVLbnRqWjRLaU1uaWcKptouKEyQ85+Qx/HEYJ/158sQOoxd7jW/3ltLKcm3Ofq3JqIYsn2WPJSpTJQGwQcdtuPiod\
        S/MjVSRLfHDHA2vTxYL8GiKR9UXHxs9yVdzvzshvT4n7zU4b6B1LcBSbavsCu4IdKaRh9S95Uu\
    ";

    #[test]
    fn a_file_that_age_itself_wrote_opens() {
        let file = base64::engine::general_purpose::STANDARD
            .decode(BY_AGE.trim_end())
            .unwrap();
        let document = open_export(&file, "a passphrase").unwrap();
        assert!(document.starts_with(b"{\"schema\":1,\"partition\""));
    }

    #[test]
    fn what_is_sealed_opens_with_the_passphrase_only() {
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK] {
            let document = vec![0x5a; length];
            let file = sealed(&document);
            assert_eq!(*open_export(&file, "a passphrase").unwrap(), document);
            let wrong = open_export(&file, "another");
            assert_eq!(wrong.unwrap_err(), PassphraseError::Passphrase);
        }
    }

    #[test]
    fn every_bit_that_is_flipped_and_every_byte_cut_off_is_noticed() {
        let file = sealed(b"document");
        for (at, bit) in (0..file.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut broken = file.clone();
            broken[at] ^= 1 << bit;
            assert!(open_export(&broken, "a passphrase").is_err(), "{at} {bit}");
        }
        for length in 0..file.len() {
            assert!(open_export(&file[..length], "a passphrase").is_err());
        }
    }

    #[test]
    fn a_file_that_asks_for_too_much_work_is_refused() {
        let text = String::from_utf8_lossy(&sealed(b""))
            .replace(" 1\n", " 30\n")
            .into_bytes();
        assert_eq!(
            open_export(&text, "a passphrase").unwrap_err(),
            PassphraseError::WorkFactor(30)
        );
    }

    #[test]
    fn too_little_memory_is_an_error() {
        // No system has so much: N = 2^63.
        assert!(matches!(reserve(63), Err(PassphraseError::Memory { .. })));
        assert_eq!(reserve(1), Ok(()));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(open_export(&bytes, "a passphrase").is_err());
        }
    }
}
