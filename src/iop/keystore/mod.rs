//! The Platform KeyStore as plain data: what it holds, what that takes of its capacity, how it is sealed. No I/O: the state
//! layer reads and writes the sealed form, and nonces, salts and ids are arguments.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

mod passphrase;
mod sealing;

pub use passphrase::{PassphraseError, Salts, WORK_FACTOR, open_export, seal_export};
pub use sealing::{MachineSecret, SealedKeystore, Sealing, UnsealError};

/// What an entry takes beside its secret, in bytes: its id and its framing.
pub const ENTRY_OVERHEAD: u64 = 32;

/// The largest capacity that can be given to a KeyStore, in bytes.
pub const MAX_CAPACITY: u64 = 1 << 20;

/// Returns what a secret takes of the capacity, in bytes.
pub fn cost(secret: &str) -> u64 {
    ENTRY_OVERHEAD.saturating_add(u64::try_from(secret.len()).unwrap_or(u64::MAX))
}

/// 16 random bytes that name an entry or a KeyStore; spelled as 32 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EntryId(pub [u8; 16]);

/// A text that is no id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not an id of 32 lower-case hex digits")]
pub struct NotAnId;

impl fmt::Display for EntryId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for EntryId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "EntryId({self})")
    }
}

impl From<EntryId> for String {
    fn from(id: EntryId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for EntryId {
    type Error = NotAnId;

    fn try_from(text: String) -> Result<Self, NotAnId> {
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() != 32 || !text.bytes().all(is_hex) {
            return Err(NotAnId);
        }
        u128::from_str_radix(&text, 16)
            .map(|number| Self(number.to_be_bytes()))
            .map_err(|_| NotAnId)
    }
}

/// What a KeyStore holds: secrets by the id that the configuration refers to them with. Wiped when dropped.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Keystore {
    entries: BTreeMap<EntryId, Zeroizing<String>>,
}

/// Entries that are not of the form that [`Keystore`] writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the entries are malformed")]
pub struct MalformedEntries;

impl Keystore {
    /// Returns a secret, if it is here.
    pub fn get(&self, id: EntryId) -> Option<&str> {
        self.entries.get(&id).map(|secret| secret.as_str())
    }

    /// Returns what is held.
    pub fn iter(&self) -> impl Iterator<Item = (EntryId, &str)> {
        self.entries
            .iter()
            .map(|(id, secret)| (*id, secret.as_str()))
    }

    /// Keeps a secret under an id, in the place of the one that was kept there.
    pub fn insert(&mut self, id: EntryId, secret: &str) {
        self.entries.insert(id, Zeroizing::new(secret.to_owned()));
    }

    /// Returns this KeyStore with the entries of another one beside its own.
    pub fn joined(&self, other: &Self) -> Self {
        let mut joined = self.clone();
        for (id, secret) in other.iter() {
            joined.insert(id, secret);
        }
        joined
    }

    /// Returns true when nothing is held.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns what is used of the capacity, in bytes.
    pub fn used(&self) -> u64 {
        self.iter()
            .map(|(_, secret)| cost(secret))
            .fold(0, u64::saturating_add)
    }

    /// Returns the entries as bytes, with room for a tag behind them: id, length of the secret in two bytes, secret.
    fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let length: usize = self.entries.values().map(|secret| 18 + secret.len()).sum();
        // Sized beforehand: a buffer that grew would leave unwiped secrets behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(length + sealing::TAG_LENGTH));
        for (id, secret) in self.iter() {
            bytes.extend_from_slice(&id.0);
            let length = u16::try_from(secret.len()).unwrap_or(u16::MAX);
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(secret.as_bytes().get(..usize::from(length)).unwrap_or(&[]));
        }
        bytes
    }

    fn from_bytes(mut bytes: &[u8]) -> Result<Self, MalformedEntries> {
        let mut keystore = Self::default();
        while !bytes.is_empty() {
            let (id, rest) = bytes.split_first_chunk().ok_or(MalformedEntries)?;
            let (length, rest) = rest.split_first_chunk().ok_or(MalformedEntries)?;
            let (secret, rest) = rest
                .split_at_checked(usize::from(u16::from_be_bytes(*length)))
                .ok_or(MalformedEntries)?;
            let secret = std::str::from_utf8(secret).map_err(|_| MalformedEntries)?;
            keystore.insert(EntryId(*id), secret);
            bytes = rest;
        }
        Ok(keystore)
    }
}

impl fmt::Debug for Keystore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_set()
            .entries(self.iter().map(|(id, _)| id))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_entry_takes_32_bytes_and_its_secret() {
        let mut keystore = Keystore::default();
        assert_eq!(keystore.used(), 0);
        keystore.insert(EntryId([1; 16]), "SOMECHAPSECRET");
        assert_eq!(keystore.used(), 46);
        keystore.insert(EntryId([1; 16]), "OTHER");
        assert_eq!(keystore.used(), 37);
        assert_eq!(keystore.get(EntryId([1; 16])), Some("OTHER"));
        assert_eq!(keystore.get(EntryId([2; 16])), None);
    }

    #[test]
    fn an_id_is_spelled_in_one_way_only() {
        let text = "00112233445566778899aabbccddeeff";
        let id = EntryId::try_from(text.to_owned()).unwrap();
        assert_eq!(id.to_string(), text);
        for bad in ["", "0", &text.to_uppercase(), &format!("+{}", &text[1..])] {
            assert!(EntryId::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }

    #[test]
    fn no_debug_text_shows_a_secret() {
        let mut keystore = Keystore::default();
        keystore.insert(EntryId([1; 16]), "GEHEIM");
        assert!(!format!("{keystore:?}").contains("GEHEIM"));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(secrets in proptest::collection::vec("[ -~]{0,255}", 0..20)) {
            let mut keystore = Keystore::default();
            for (index, secret) in (0_u8..).zip(&secrets) {
                keystore.insert(EntryId([index; 16]), secret);
            }
            let bytes = keystore.to_bytes();
            prop_assert_eq!(Keystore::from_bytes(&bytes), Ok(keystore));
            if let Some((_, short)) = bytes.split_last() {
                prop_assert!(Keystore::from_bytes(short).is_err());
            }
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = Keystore::from_bytes(&bytes);
        }
    }
}
