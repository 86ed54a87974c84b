//! How a KeyStore rests on disk: XChaCha20-Poly1305 under a key that HKDF-SHA256 (RFC 5869) derives from a random secret
//! file and the machine's own ids.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{Key, KeyInit, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::Sha256;
use thiserror::Error;
use zeroize::Zeroizing;

use super::{EntryId, Keystore};

/// The length of a Poly1305 tag in bytes.
pub(super) const TAG_LENGTH: usize = 16;
const NONCE_LENGTH: usize = 24;

/// 32 random bytes that are made once and kept beside the sealed KeyStores. Wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct MachineSecret(Zeroizing<[u8; 32]>);

/// A KeyStore as it rests on disk: `keystore-ID.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedKeystore {
    /// The nonce, base64.
    nonce: String,
    /// The entries and the tag, base64.
    sealed: String,
}

/// Why a KeyStore does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("it was damaged, or sealed on another machine")]
pub struct UnsealError;

/// What a KeyStore is sealed with.
pub struct Sealing {
    key: Zeroizing<[u8; 32]>,
    keystore: EntryId,
}

impl MachineSecret {
    /// Makes the secret of random bytes.
    pub fn new(random: Zeroizing<[u8; 32]>) -> Self {
        Self(random)
    }
}

impl fmt::Debug for MachineSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("MachineSecret(********)")
    }
}

impl Serialize for MachineSecret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(STANDARD.encode(self.0.as_slice())))
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
                let bytes = <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| wrong())?;
                Ok(MachineSecret(Zeroizing::new(bytes)))
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
        let _ = Hkdf::<Sha256>::new(None, secret.0.as_slice()).expand_multi_info(
            &[
                b"iscsiswiconfig keystore 1\0",
                &keystore.0,
                machine.as_bytes(),
            ],
            key.as_mut_slice(),
        );
        Self { key, keystore }
    }

    /// Seals a KeyStore; the nonce must never have been used before.
    ///
    /// # Errors
    /// [`UnsealError`] when there is more than the cipher can take, which no capacity allows.
    pub fn seal(
        &self,
        keystore: &Keystore,
        nonce: [u8; NONCE_LENGTH],
    ) -> Result<SealedKeystore, UnsealError> {
        let mut bytes = keystore.to_bytes();
        self.cipher()
            .encrypt_in_place(&XNonce::from(nonce), &self.keystore.0, &mut *bytes)
            .map_err(|_| UnsealError)?;
        Ok(SealedKeystore {
            nonce: STANDARD.encode(nonce),
            sealed: STANDARD.encode(bytes.as_slice()),
        })
    }

    /// Opens a KeyStore.
    ///
    /// # Errors
    /// [`UnsealError`] when a bit of it, the secret, the machine or the KeyStore's id is another one.
    pub fn open(&self, sealed: &SealedKeystore) -> Result<Keystore, UnsealError> {
        let decode = |text: &str| STANDARD.decode(text).map_err(|_| UnsealError);
        let nonce = <[u8; NONCE_LENGTH]>::try_from(decode(&sealed.nonce)?.as_slice())
            .map_err(|_| UnsealError)?;
        let mut bytes = Zeroizing::new(decode(&sealed.sealed)?);
        self.cipher()
            .decrypt_in_place(&XNonce::from(nonce), &self.keystore.0, &mut *bytes)
            .map_err(|_| UnsealError)?;
        Keystore::from_bytes(&bytes).map_err(|_| UnsealError)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&Key::from(*self.key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: EntryId = EntryId([7; 16]);

    fn secret(byte: u8) -> MachineSecret {
        MachineSecret::new(Zeroizing::new([byte; 32]))
    }

    fn keystore() -> Keystore {
        let mut keystore = Keystore::default();
        keystore.insert(EntryId([1; 16]), "SOMECHAPSECRET");
        keystore
    }

    #[test]
    fn it_opens_on_its_machine_only_with_its_secret_and_its_id() {
        let sealed = Sealing::new(&secret(1), "machine", ID)
            .seal(&keystore(), [3; 24])
            .unwrap();
        let open =
            |secret: &MachineSecret, machine, id| Sealing::new(secret, machine, id).open(&sealed);
        assert_eq!(open(&secret(1), "machine", ID), Ok(keystore()));
        assert_eq!(open(&secret(2), "machine", ID), Err(UnsealError));
        assert_eq!(open(&secret(1), "another", ID), Err(UnsealError));
        let other = EntryId([8; 16]);
        assert_eq!(open(&secret(1), "machine", other), Err(UnsealError));
    }

    #[test]
    fn every_bit_that_is_flipped_is_noticed() {
        let sealing = Sealing::new(&secret(1), "machine", ID);
        let sealed = sealing.seal(&keystore(), [3; 24]).unwrap();
        for field in [0, 1] {
            let text = [&sealed.nonce, &sealed.sealed][field];
            for (at, bit) in (0..text.len()).flat_map(|at| (0..7).map(move |bit| (at, bit))) {
                let mut bytes = text.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                let changed = String::from_utf8(bytes).unwrap();
                let mut broken = sealed.clone();
                *[&mut broken.nonce, &mut broken.sealed][field] = changed;
                assert_eq!(sealing.open(&broken), Err(UnsealError), "{at} {bit}");
            }
        }
    }

    #[test]
    fn the_sealed_form_and_the_debug_text_hold_no_secret() {
        let sealed = Sealing::new(&secret(1), "machine", ID)
            .seal(&keystore(), [3; 24])
            .unwrap();
        let bytes = STANDARD.decode(&sealed.sealed).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("CHAP"), "{text}");
        assert_eq!(format!("{:?}", secret(65)), "MachineSecret(********)");
    }
}
