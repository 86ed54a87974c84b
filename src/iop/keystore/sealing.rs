//! How a KeyStore rests on disk: XChaCha20-Poly1305 under a key that HKDF-SHA256 (RFC 5869) derives from a random secret
//! file and the machine's own ids.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{Key, KeyInit, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

use super::{EntryId, Keystore, StoredForm};
use crate::iscsi::secret::Secret;

/// The length of a Poly1305 tag in bytes.
pub(super) const TAG_LENGTH: usize = 16;
const NONCE_LENGTH: usize = 24;

/// 32 random bytes that are made once and kept beside the sealed KeyStores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineSecret(Secret<[u8; 32]>);

/// A KeyStore as it rests on disk: `keystore-ID.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedKeystore {
    /// The nonce, base64.
    nonce: String,
    /// The entries and the tag, base64.
    sealed: String,
    /// A keyed tag of the machine that it was sealed on, 32 hex digits; none before 0.2.0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    machine: Option<String>,
    /// The state directory that it belongs to; none before 0.2.0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
}

impl SealedKeystore {
    /// Returns the identity of the state directory that it belongs to, where it says so.
    pub fn owner(&self) -> Option<&str> {
        self.owner.as_deref()
    }
}

/// Why a KeyStore does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum UnsealError {
    /// A bit of it is another one.
    #[error("it was damaged")]
    Damaged,
    /// It is whole, as far as can be seen, and of another machine.
    #[error("it was sealed on another machine")]
    Foreign,
    /// It does not say of which machine it is.
    #[error("it was damaged, or sealed on another machine")]
    Unknown,
}

/// What a KeyStore is sealed with.
pub struct Sealing {
    key: Zeroizing<[u8; 32]>,
    machine: String,
    keystore: EntryId,
}

/// What the associated data begins with. That of a version before 0.2.0 was the KeyStore's id alone.
const BOUND: &[u8] = b"iscsiswiconfig keystore 2\0";

impl MachineSecret {
    /// Makes the secret of random bytes.
    pub fn new(random: Zeroizing<[u8; 32]>) -> Self {
        Self(random.into())
    }
}

/// What stands behind the secret in its file, so that a damaged one is not taken for that of another machine.
const CHECK_LENGTH: usize = 8;

fn check(secret: &[u8]) -> Vec<u8> {
    let mut hash = Sha256::new();
    hash.update(b"iscsiswiconfig machine secret\0");
    hash.update(secret);
    hash.finalize().into_iter().take(CHECK_LENGTH).collect()
}

impl Serialize for MachineSecret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(32 + CHECK_LENGTH));
        bytes.extend_from_slice(self.0.reveal());
        bytes.extend_from_slice(&check(self.0.reveal()));
        serializer.serialize_str(&Zeroizing::new(STANDARD.encode(bytes.as_slice())))
    }
}

impl<'de> Deserialize<'de> for MachineSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = MachineSecret;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("32 bytes in base64")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<MachineSecret, E> {
                let bytes = STANDARD.decode(text).map(Zeroizing::new);
                let wrong = || E::custom("not 32 bytes in base64");
                let bytes = bytes.map_err(|_| wrong())?;
                let (secret, behind) = bytes.split_first_chunk().ok_or_else(wrong)?;
                // Before 0.2.0 nothing stood behind it.
                if !behind.is_empty() && behind != check(secret) {
                    return Err(wrong());
                }
                let bytes = *secret;
                Ok(MachineSecret(bytes.into()))
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

impl Sealing {
    /// Derives the key of a KeyStore on a machine; `machine` is what tells this machine from others.
    pub fn new(secret: &MachineSecret, machine: &str, keystore: EntryId) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        // Expanding to 32 bytes is always possible (RFC 5869 section 2.3: up to 255 times the hash length).
        let _ = Hkdf::<Sha256>::new(None, secret.0.reveal()).expand_multi_info(
            &[
                b"iscsiswiconfig keystore 1\0",
                &keystore.0,
                machine.as_bytes(),
            ],
            key.as_mut_slice(),
        );
        // The tag tells the machines apart that hold the same secret, and the secrets of one machine.
        let mut tag = [0; 16];
        let _ = Hkdf::<Sha256>::new(None, secret.0.reveal()).expand_multi_info(
            &[
                b"iscsiswiconfig keystore machine\0",
                &keystore.0,
                machine.as_bytes(),
            ],
            &mut tag,
        );
        let machine = EntryId(tag).to_string();
        Self {
            key,
            machine,
            keystore,
        }
    }

    fn associated_data(&self, owner: &str) -> Vec<u8> {
        [BOUND, &self.keystore.0, owner.as_bytes()].concat()
    }

    /// Seals a KeyStore for a state directory; the nonce must never have been used before.
    ///
    /// # Errors
    /// [`UnsealError`] when there is more than the cipher can take, which no capacity allows.
    pub fn seal(
        &self,
        keystore: &Keystore,
        owner: &str,
        nonce: [u8; NONCE_LENGTH],
    ) -> Result<SealedKeystore, UnsealError> {
        let mut bytes = keystore.to_bytes();
        self.cipher()
            .encrypt_in_place(
                &XNonce::from(nonce),
                &self.associated_data(owner),
                &mut *bytes,
            )
            .map_err(|_| UnsealError::Damaged)?;
        Ok(SealedKeystore {
            nonce: STANDARD.encode(nonce),
            sealed: STANDARD.encode(bytes.as_slice()),
            machine: Some(self.machine.clone()),
            owner: Some(owner.to_owned()),
        })
    }

    /// Opens a KeyStore.
    ///
    /// # Errors
    /// [`UnsealError`] when a bit of it, the secret, the machine or the KeyStore's id is another one.
    pub fn open(&self, sealed: &SealedKeystore) -> Result<Keystore, UnsealError> {
        let is_own = sealed
            .machine
            .as_ref()
            .is_none_or(|tag| *tag == self.machine);
        match self.entries(sealed) {
            Some(keystore) if is_own => Ok(keystore),
            // It opens, so only the tag can have been damaged.
            Some(_) => Err(UnsealError::Damaged),
            None => Err(match sealed.machine {
                None => UnsealError::Unknown,
                Some(_) if is_own => UnsealError::Damaged,
                Some(_) => UnsealError::Foreign,
            }),
        }
    }

    fn entries(&self, sealed: &SealedKeystore) -> Option<Keystore> {
        let nonce = STANDARD.decode(&sealed.nonce).ok()?;
        let nonce = <[u8; NONCE_LENGTH]>::try_from(nonce.as_slice()).ok()?;
        let mut bytes = Zeroizing::new(STANDARD.decode(&sealed.sealed).ok()?);
        let (form, associated_data) = match (&sealed.machine, &sealed.owner) {
            (None, None) => (StoredForm::Unbound, self.keystore.0.to_vec()),
            (_, owner) => {
                let owner = owner.as_deref().unwrap_or_default();
                (StoredForm::Bound, self.associated_data(owner))
            }
        };
        self.cipher()
            .decrypt_in_place(&XNonce::from(nonce), &associated_data, &mut *bytes)
            .ok()?;
        Keystore::from_bytes(&bytes, form).ok()
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&Key::from(*self.key))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Binding;
    use super::*;

    const ID: EntryId = EntryId([7; 16]);

    fn secret(byte: u8) -> MachineSecret {
        MachineSecret::new(Zeroizing::new([byte; 32]))
    }

    fn keystore() -> Keystore {
        let mut keystore = Keystore::default();
        let binding = Some(Binding::to(&["iqn.one"]));
        keystore.insert(EntryId([1; 16]), "SOMECHAPSECRET", binding);
        keystore
    }

    fn sealed() -> SealedKeystore {
        Sealing::new(&secret(1), "machine", ID)
            .seal(&keystore(), "owner", [3; 24])
            .unwrap()
    }

    #[test]
    fn it_opens_on_its_machine_only_with_its_secret_and_its_id() {
        let sealed = sealed();
        assert_eq!(sealed.owner(), Some("owner"));
        let open =
            |secret: &MachineSecret, machine, id| Sealing::new(secret, machine, id).open(&sealed);
        assert_eq!(open(&secret(1), "machine", ID), Ok(keystore()));
        let foreign = Err(UnsealError::Foreign);
        assert_eq!(open(&secret(2), "machine", ID), foreign);
        assert_eq!(open(&secret(1), "another", ID), foreign);
        assert_eq!(open(&secret(1), "machine", EntryId([8; 16])), foreign);
    }

    #[test]
    fn every_bit_that_is_flipped_is_damage_and_not_another_machine() {
        let sealing = Sealing::new(&secret(1), "machine", ID);
        let text = serde_json::to_string(&sealed()).unwrap();
        for (at, bit) in (0..text.len()).flat_map(|at| (0..7).map(move |bit| (at, bit))) {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            // What is no record any more is an error before it comes to this.
            if let Ok(broken) = serde_json::from_slice::<SealedKeystore>(&bytes) {
                assert_eq!(
                    sealing.open(&broken),
                    Err(UnsealError::Damaged),
                    "{at} {bit}"
                );
            }
        }
    }

    #[test]
    fn a_keystore_of_an_earlier_version_opens_and_its_entries_are_bound_to_nothing_yet() {
        let sealing = Sealing::new(&secret(1), "machine", ID);
        let mut bytes = [&[1; 16][..], &[0, 14], b"SOMECHAPSECRET"].concat();
        let nonce = XNonce::from([3; 24]);
        sealing
            .cipher()
            .encrypt_in_place(&nonce, &ID.0, &mut bytes)
            .unwrap();
        let old = SealedKeystore {
            nonce: STANDARD.encode([3; 24]),
            sealed: STANDARD.encode(&bytes),
            machine: None,
            owner: None,
        };
        let mut expected = Keystore::default();
        expected.insert(EntryId([1; 16]), "SOMECHAPSECRET", None);
        assert_eq!(sealing.open(&old), Ok(expected));
        let another = Sealing::new(&secret(1), "another", ID);
        assert_eq!(another.open(&old), Err(UnsealError::Unknown));
    }

    #[test]
    fn the_secret_file_notices_a_flipped_bit_and_its_earlier_form_is_read() {
        let text = serde_json::to_string(&secret(65)).unwrap();
        assert_eq!(
            serde_json::from_str::<MachineSecret>(&text).unwrap(),
            secret(65)
        );
        let old = format!("\"{}\"", STANDARD.encode([65; 32]));
        assert_eq!(
            serde_json::from_str::<MachineSecret>(&old).unwrap(),
            secret(65)
        );
        for (at, bit) in (0..text.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            let read = serde_json::from_slice::<MachineSecret>(&bytes);
            assert!(read.is_err(), "{at} {bit}");
        }
    }

    #[test]
    fn the_sealed_form_and_the_debug_text_hold_no_secret() {
        let bytes = STANDARD.decode(&sealed().sealed).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("CHAP"), "{text}");
        assert_eq!(format!("{:?}", secret(65)), "MachineSecret(********)");
    }
}
