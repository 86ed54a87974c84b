//! Every demand of age-encryption.org/v1 on a file with a scrypt recipient, by the name of its case in age's published test
//! vectors. The files are made here, with the file key of those vectors.

use sha2::Digest;

use super::*;

const PASSPHRASE: &str = "password";

/// The file key of the published vectors.
const FILE_KEY: [u8; 16] = *b"YELLOW SUBMARINE";
const NONCE: [u8; 16] = [7; 16];

/// A name, and what it does to a header.
type Spoiled<'a> = (&'a str, &'a dyn Fn(&mut Header));

/// A name, and chunks with whether each says that it is the last one.
type Chunks<'a> = (&'a str, &'a [(&'a [u8], bool)]);

/// The parts of a header, each of which a case may spoil. The MAC is that of the header as it is then.
struct Header {
    version: String,
    salt: String,
    work_factor: String,
    /// What stands behind the work factor.
    more: String,
    /// The recipient type.
    kind: String,
    body: String,
    /// What stands between the stanza and the line with the MAC.
    further: String,
    /// The line with the MAC, in which MAC stands for it.
    end: String,
}

impl Header {
    fn new() -> Self {
        Self {
            version: VERSION.to_owned(),
            salt: STANDARD_NO_PAD.encode([9; 16]),
            work_factor: "10".to_owned(),
            more: String::new(),
            kind: "scrypt".to_owned(),
            body: body_of(&FILE_KEY),
            further: String::new(),
            end: "--- MAC\n".to_owned(),
        }
    }

    fn text(&self) -> String {
        let (kind, salt, body) = (&self.kind, &self.salt, &self.body);
        let (factor, more) = (&self.work_factor, &self.more);
        let stanza = format!("-> {kind} {salt} {factor}{more}\n{body}\n");
        let header = format!("{}\n{stanza}{}---", self.version, self.further);
        let mac = header_mac(&FILE_KEY, &header).unwrap().finalize();
        let mac = STANDARD_NO_PAD.encode(mac.into_bytes());
        let end = self.end.replace("MAC", &mac);
        format!("{}{end}", &header[..header.len() - 3])
    }

    fn file(&self) -> Vec<u8> {
        [self.text().into_bytes(), payload(&[(b"age", true)])].concat()
    }
}

/// Returns the body of a stanza that wraps the key for work factor 10 and the salt of [`Header::new`].
fn body_of(key: &[u8]) -> String {
    let wrap = wrapping_key(PASSPHRASE, &[9; 16], 10).unwrap();
    let wrapped = ChaCha20Poly1305::new(&Key::from(*wrap)).encrypt(&Nonce::default(), key);
    STANDARD_NO_PAD.encode(wrapped.unwrap())
}

/// Seals chunks, each with whether it says that it is the last one.
fn payload(chunks: &[(&[u8], bool)]) -> Vec<u8> {
    let cipher = payload_cipher(&FILE_KEY, &NONCE);
    let mut bytes = NONCE.to_vec();
    for (counter, (chunk, last)) in chunks.iter().enumerate() {
        let nonce = chunk_nonce(counter as u64, *last);
        bytes.extend(cipher.encrypt(&nonce, *chunk).unwrap());
    }
    bytes
}

fn open(file: &[u8]) -> Result<Vec<u8>, PassphraseError> {
    open_export(file, PASSPHRASE).map(|document| document.to_vec())
}

/// The same bits with one more in the place of the padding, which a strict decoder refuses.
fn not_canonical(base64: &str) -> String {
    let (rest, last) = base64.split_at(base64.len() - 1);
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let value = alphabet.find(last).unwrap();
    format!("{rest}{}", &alphabet[value + 1..value + 2])
}

#[test]
fn scrypt() {
    assert_eq!(open(&Header::new().file()), Ok(b"age".to_vec()));
}

#[test]
fn a_header_that_departs_from_the_format_is_refused() {
    let salt = STANDARD_NO_PAD.encode([9; 16]);
    let stanza = format!("-> scrypt {salt} 10\n{}\n", body_of(&FILE_KEY));
    let x25519 = format!("-> X25519 {}\n{}\n", "A".repeat(43), body_of(&FILE_KEY));
    let with = |spoil: &dyn Fn(&mut Header)| {
        let mut header = Header::new();
        spoil(&mut header);
        header.file()
    };
    let spoiled: [Spoiled; 33] = [
        ("version_unsupported", &|it| {
            it.version = "age-encryption.org/v1234".into()
        }),
        ("header_crlf", &|it| it.version.push('\r')),
        ("scrypt_uppercase", &|it| it.kind = "SCRYPT".into()),
        ("scrypt_double", &|it| it.further = stanza.clone()),
        ("scrypt_and_x25519", &|it| it.further = x25519.clone()),
        ("scrypt_extra_argument", &|it| it.more = " 1234".into()),
        ("stanza_empty_argument", &|it| it.more = " ".into()),
        ("scrypt_salt_missing", &|it| it.salt = String::new()),
        ("scrypt_salt_short", &|it| {
            it.salt = STANDARD_NO_PAD.encode([9; 15])
        }),
        ("scrypt_salt_long", &|it| {
            it.salt = STANDARD_NO_PAD.encode([9; 17])
        }),
        ("scrypt_not_canonical_salt", &|it| {
            it.salt = not_canonical(&it.salt)
        }),
        ("scrypt_not_canonical_body", &|it| {
            it.body = not_canonical(&it.body)
        }),
        ("stanza_base64_padding", &|it| it.body.push('=')),
        ("stanza_missing_body", &|it| it.body = String::new()),
        ("stanza_long_line", &|it| it.body.push_str(&"A".repeat(64))),
        ("scrypt_long_file_key", &|it| it.body = body_of(&[b'A'; 24])),
        ("scrypt_bad_tag", &|it| {
            it.body = STANDARD_NO_PAD.encode([5; 32])
        }),
        ("scrypt_work_factor_missing", &|it| {
            it.work_factor = String::new()
        }),
        ("scrypt_work_factor_zero", &|it| it.work_factor = "0".into()),
        ("scrypt_work_factor_negative", &|it| {
            it.work_factor = "-10".into()
        }),
        ("a work factor with a sign", &|it| {
            it.work_factor = "+10".into()
        }),
        ("scrypt_work_factor_leading_zero", &|it| {
            it.work_factor = "010".into()
        }),
        ("scrypt_work_factor_hex", &|it| {
            it.work_factor = "0xa".into()
        }),
        ("scrypt_work_factor_leading_garbage", &|it| {
            it.work_factor = "a10".into()
        }),
        ("scrypt_work_factor_trailing_garbage", &|it| {
            it.work_factor = "10a".into()
        }),
        ("scrypt_work_factor_overflow", &|it| {
            it.work_factor = "18446744073709551626".into()
        }),
        ("scrypt_work_factor_23", &|it| it.work_factor = "23".into()),
        ("scrypt_work_factor_wrong", &|it| {
            it.work_factor = "11".into()
        }),
        ("hmac_bad", &|it| {
            it.end = format!("--- {}\n", STANDARD_NO_PAD.encode([1; 32]))
        }),
        ("hmac_missing", &|it| it.end = "---\n".into()),
        ("hmac_extra_space", &|it| it.end = "---  MAC\n".into()),
        ("hmac_trailing_space", &|it| it.end = "--- MAC \n".into()),
        ("hmac_garbage", &|it| it.end = "--- MACAAAA\n".into()),
    ];
    for (name, spoil) in spoiled {
        assert!(open(&with(spoil)).is_err(), "{name}");
    }
    let header = Header::new();
    let mac = header.text();
    let mac = mac.trim_end().rsplit(' ').next().unwrap();
    for (name, end) in [
        ("hmac_no_space", "---MAC\n".to_owned()),
        (
            "hmac_not_canonical",
            format!("--- {}\n", not_canonical(mac)),
        ),
        ("hmac_truncated", format!("--- {}\n", &mac[..mac.len() - 1])),
    ] {
        assert!(open(&with(&|it| it.end = end.clone())).is_err(), "{name}");
    }
    assert!(open(b"").is_err(), "empty");
}

#[test]
fn a_payload_is_its_chunks_with_one_last_one() {
    let full = [1; CHUNK].as_slice();
    let part = [2; 100].as_slice();
    let header = Header::new().text().into_bytes();
    let opened = |payload: Vec<u8>| open(&[header.clone(), payload].concat());
    let good: [Chunks; 6] = [
        ("stream_empty_payload", &[(b"", true)]),
        ("stream_last_chunk_full", &[(full, true)]),
        ("stream_two_chunks", &[(full, false), (part, true)]),
        (
            "stream_last_chunk_full_second",
            &[(full, false), (full, true)],
        ),
        (
            "stream_three_chunks",
            &[(full, false), (full, false), (part, true)],
        ),
        ("a chunk of one byte", &[(full, false), (b"x", true)]),
    ];
    for (name, chunks) in good {
        let expected: Vec<u8> = chunks
            .iter()
            .flat_map(|(chunk, _)| *chunk)
            .copied()
            .collect();
        assert_eq!(opened(payload(chunks)), Ok(expected), "{name}");
    }

    let bad: [Chunks; 11] = [
        ("stream_no_chunks", &[]),
        ("stream_last_chunk_empty", &[(full, false), (b"", true)]),
        (
            "an empty chunk behind two",
            &[(full, false), (full, false), (b"", true)],
        ),
        ("stream_no_final", &[(part, false)]),
        ("stream_no_final_full", &[(full, false)]),
        (
            "stream_no_final_two_chunks",
            &[(full, false), (part, false)],
        ),
        (
            "stream_no_final_two_chunks_full",
            &[(full, false), (full, false)],
        ),
        ("stream_short_chunk", &[(part, false), (part, true)]),
        ("stream_two_final_chunks", &[(full, true), (part, true)]),
        (
            "stream_two_final_chunks_full",
            &[(full, true), (full, true)],
        ),
        (
            "stream_two_final_chunks_short",
            &[(part, true), (part, true)],
        ),
    ];
    let damaged = Err(PassphraseError::Damaged);
    for (name, chunks) in bad {
        assert_eq!(opened(payload(chunks)), damaged, "{name}");
    }

    let whole = payload(&[(full, false), (part, true)]);
    let mut bad_tag = whole.clone();
    *bad_tag.last_mut().unwrap() ^= 1;
    let mut bad_first_tag = whole.clone();
    bad_first_tag[16 + CHUNK] ^= 1;
    for (name, payload) in [
        ("stream_bad_tag_second_chunk", bad_tag),
        ("a bad tag of the first chunk", bad_first_tag),
        ("stream_missing_tag", whole[..16 + CHUNK].to_vec()),
        ("stream_no_nonce", Vec::new()),
        ("stream_short_nonce", whole[..12].to_vec()),
        ("stream_trailing_garbage_short", [&*whole, b"x"].concat()),
        ("stream_trailing_garbage_long", [&*whole, full].concat()),
    ] {
        assert_eq!(opened(payload), damaged, "{name}");
    }
}

/// The files that age publishes for its implementations, those with a passphrase.
#[test]
fn the_published_vectors_open_or_are_refused_as_they_say() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/age");
    let mut count = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if !name.starts_with("scrypt") {
            continue;
        }
        count += 1;
        let vector = std::fs::read(&path).unwrap();
        let end = vector.windows(2).position(|two| two == b"\n\n").unwrap();
        let header = std::str::from_utf8(&vector[..end]).unwrap();
        let value = |key: &str| {
            let mut lines = header.lines();
            lines.find_map(|line| line.strip_prefix(key)?.strip_prefix(": "))
        };
        let opened = open_export(&vector[end + 2..], value("passphrase").unwrap());
        match value("expect").unwrap() {
            "success" => {
                let digest: String = Sha256::digest(&*opened.unwrap())
                    .iter()
                    .map(|byte| format!("{byte:02x}"))
                    .collect();
                assert_eq!(value("payload"), Some(digest.as_str()), "{name}");
            }
            // A type of recipient that is not known is no format of ours.
            "no match" => assert!(
                matches!(
                    opened,
                    Err(PassphraseError::Passphrase | PassphraseError::Format)
                ),
                "{name}"
            ),
            "header failure" => assert!(
                matches!(
                    opened,
                    Err(PassphraseError::Format | PassphraseError::WorkFactor(_))
                ),
                "{name}"
            ),
            other => panic!("{name}: {other}"),
        }
    }
    assert_eq!(count, 25);
}
