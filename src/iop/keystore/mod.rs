//! The Platform KeyStore as plain data: what it holds, what that takes of its capacity, how it is sealed. No I/O: the state
//! layer reads and writes the sealed form, and nonces, salts and ids are arguments.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
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

/// What an entry belongs to, as a digest: it is sealed with the entry, so that a reference to it from anywhere else is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Binding(EntryId);

impl Binding {
    /// Returns the binding to what these words name, letter case aside.
    pub fn to(words: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for word in words {
            hash.update(word.to_ascii_lowercase());
            hash.update([0]);
        }
        let mut digest = [0; 16];
        digest
            .iter_mut()
            .zip(hash.finalize())
            .for_each(|(to, from)| *to = from);
        Self(EntryId(digest))
    }
}

/// A secret in a KeyStore. Wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// The secret.
    pub secret: Zeroizing<String>,
    /// What it belongs to; none for an entry of a version before 0.2.0, which gets its binding with the next edit.
    pub belongs_to: Option<Binding>,
}

/// What a KeyStore holds: secrets by the id that the configuration refers to them with. Wiped when dropped.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Keystore {
    entries: BTreeMap<EntryId, Entry>,
}

/// The form of the entries as bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StoredForm {
    /// Id, length of the secret in two bytes, secret: before 0.2.0.
    Unbound,
    /// Id, binding (zeros for none), length of the secret in two bytes, secret.
    Bound,
}

/// Entries that are not of the form that [`Keystore`] writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the entries are malformed")]
pub struct MalformedEntries;

/// An entry that is referred to from where it does not belong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the entry belongs to something else")]
pub struct Misplaced;

impl Keystore {
    /// Returns the secret of an entry that belongs to what refers to it, if it is here.
    ///
    /// # Errors
    /// [`Misplaced`] when it belongs to something else.
    pub fn get(&self, id: EntryId, asker: Binding) -> Result<Option<&str>, Misplaced> {
        match self.entries.get(&id) {
            None => Ok(None),
            Some(entry) if entry.belongs_to.is_none_or(|to| to == asker) => {
                Ok(Some(entry.secret.as_str()))
            }
            Some(_) => Err(Misplaced),
        }
    }

    /// Returns what is held.
    pub fn iter(&self) -> impl Iterator<Item = (EntryId, &Entry)> {
        self.entries.iter().map(|(id, entry)| (*id, entry))
    }

    /// Keeps a secret under an id, in the place of the one that was kept there.
    pub fn insert(&mut self, id: EntryId, secret: &str, belongs_to: Option<Binding>) {
        let secret = Zeroizing::new(secret.to_owned());
        self.entries.insert(id, Entry { secret, belongs_to });
    }

    /// Returns this KeyStore with the entries of another one beside its own.
    pub fn joined(&self, other: &Self) -> Self {
        let mut joined = self.clone();
        for (id, entry) in other.iter() {
            joined.entries.insert(id, entry.clone());
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
            .map(|(_, entry)| cost(&entry.secret))
            .fold(0, u64::saturating_add)
    }

    /// Returns the entries as bytes in the form [`StoredForm::Bound`], with room for a tag behind them.
    fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let lengths = self.entries.values().map(|entry| 34 + entry.secret.len());
        let length: usize = lengths.sum();
        // Sized beforehand: a buffer that grew would leave unwiped secrets behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(length + sealing::TAG_LENGTH));
        for (id, entry) in self.iter() {
            bytes.extend_from_slice(&id.0);
            let binding = entry.belongs_to.map_or([0; 16], |Binding(digest)| digest.0);
            bytes.extend_from_slice(&binding);
            let secret = &entry.secret;
            let length = u16::try_from(secret.len()).unwrap_or(u16::MAX);
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(secret.as_bytes().get(..usize::from(length)).unwrap_or(&[]));
        }
        bytes
    }

    fn from_bytes(mut bytes: &[u8], form: StoredForm) -> Result<Self, MalformedEntries> {
        let mut keystore = Self::default();
        while !bytes.is_empty() {
            let (id, mut rest) = bytes.split_first_chunk().ok_or(MalformedEntries)?;
            let mut belongs_to = None;
            if form == StoredForm::Bound {
                let (binding, behind) = rest.split_first_chunk().ok_or(MalformedEntries)?;
                belongs_to = (*binding != [0; 16]).then_some(Binding(EntryId(*binding)));
                rest = behind;
            }
            let (length, rest) = rest.split_first_chunk().ok_or(MalformedEntries)?;
            let (secret, rest) = rest
                .split_at_checked(usize::from(u16::from_be_bytes(*length)))
                .ok_or(MalformedEntries)?;
            let secret = std::str::from_utf8(secret).map_err(|_| MalformedEntries)?;
            keystore.insert(EntryId(*id), secret, belongs_to);
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
        keystore.insert(EntryId([1; 16]), "SOMECHAPSECRET", None);
        assert_eq!(keystore.used(), 46);
        let (one, two) = (Binding::to(&["one"]), Binding::to(&["two"]));
        keystore.insert(EntryId([1; 16]), "OTHER", Some(one));
        assert_eq!(keystore.used(), 37);
        assert_eq!(keystore.get(EntryId([1; 16]), one), Ok(Some("OTHER")));
        assert_eq!(keystore.get(EntryId([1; 16]), two), Err(Misplaced));
        assert_eq!(keystore.get(EntryId([2; 16]), one), Ok(None));
        assert_ne!(Binding::to(&["a", "b"]), Binding::to(&["ab", ""]));
        assert_eq!(Binding::to(&["A"]), Binding::to(&["a"]));
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
        keystore.insert(EntryId([1; 16]), "GEHEIM", None);
        assert!(!format!("{keystore:?}").contains("GEHEIM"));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(secrets in proptest::collection::vec("[ -~]{0,255}", 0..20)) {
            let mut keystore = Keystore::default();
            for (index, secret) in (0_u8..).zip(&secrets) {
                let binding = (index % 2 == 0).then(|| Binding::to(&[secret]));
                keystore.insert(EntryId([index; 16]), secret, binding);
            }
            let bytes = keystore.to_bytes();
            prop_assert_eq!(Keystore::from_bytes(&bytes, StoredForm::Bound), Ok(keystore));
            if let Some((_, short)) = bytes.split_last() {
                prop_assert!(Keystore::from_bytes(short, StoredForm::Bound).is_err());
            }
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = Keystore::from_bytes(&bytes, StoredForm::Bound);
            let _ = Keystore::from_bytes(&bytes, StoredForm::Unbound);
        }
    }
}
