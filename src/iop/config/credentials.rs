//! Where the secret of a credential rests, and which secrets belong into the Platform KeyStore.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Configuration, KeystoreUse, PartitionRecord, Target, TargetIdentity};
use crate::iop::keystore::{Binding, EntryId, Keystore};
use crate::values::{ChapName, ChapSecret, KeystoreChoice};

/// A CHAP name with its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "CredentialsRecord", into = "CredentialsRecord")]
pub struct StoredCredentials {
    /// The name that the initiator gives.
    pub name: ChapName,
    /// The secret that proves it.
    pub secret: StoredSecret,
}

/// A secret, or where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoredSecret {
    /// The secret itself, in plain text.
    Plain(ChapSecret),
    /// The entry of the Platform KeyStore that holds it.
    Sealed(EntryId),
    /// The entry of the Platform KeyStore that holds it, and the secret: in memory only.
    Opened(EntryId, ChapSecret),
}

impl StoredCredentials {
    /// Returns the secret, unless it is in a Platform KeyStore that was not opened or is not here.
    pub fn secret(&self) -> Option<&ChapSecret> {
        match &self.secret {
            StoredSecret::Plain(secret) | StoredSecret::Opened(_, secret) => Some(secret),
            StoredSecret::Sealed(_) => None,
        }
    }

    /// Returns true when the secret rests in a Platform KeyStore.
    pub fn is_sealed(&self) -> bool {
        !matches!(self.secret, StoredSecret::Plain(_))
    }
}

/// The form in `config.json`: either a secret or a reference.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CredentialsRecord {
    name: ChapName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secret: Option<ChapSecret>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sealed: Option<EntryId>,
}

impl TryFrom<CredentialsRecord> for StoredCredentials {
    type Error = &'static str;

    fn try_from(record: CredentialsRecord) -> Result<Self, &'static str> {
        let secret = match (record.secret, record.sealed) {
            (Some(secret), None) => StoredSecret::Plain(secret),
            (None, Some(id)) => StoredSecret::Sealed(id),
            _ => return Err("either a secret or a reference belongs here"),
        };
        Ok(Self {
            name: record.name,
            secret,
        })
    }
}

impl From<StoredCredentials> for CredentialsRecord {
    fn from(credentials: StoredCredentials) -> Self {
        let (secret, sealed) = match credentials.secret {
            StoredSecret::Plain(secret) => (Some(secret), None),
            StoredSecret::Sealed(id) | StoredSecret::Opened(id, _) => (None, Some(id)),
        };
        Self {
            name: credentials.name,
            secret,
            sealed,
        }
    }
}

impl Target {
    /// Returns true when there is a secret, and it is in a Platform KeyStore that was not opened or does not hold it.
    pub fn lacks_secret(&self) -> bool {
        self.chap
            .as_ref()
            .is_some_and(|chap| chap.secret().is_none())
    }

    /// Returns whether the secret will rest in the Platform KeyStore when an edit that returned this target is done.
    pub fn will_be_sealed(&self, partition: KeystoreUse) -> bool {
        self.lacks_secret() || (self.keystore != KeystoreChoice::None && partition.is_enabled())
    }
}

impl Configuration {
    /// Returns the entries of the Platform KeyStore whose secrets were not read yet.
    pub fn references(&self) -> Vec<EntryId> {
        let staged = match self.staged.chap_secret {
            Some(_) => None,
            None => self.staged.chap_secret_sealed,
        };
        self.targets
            .iter()
            .filter_map(|target| match target.chap.as_ref()?.secret {
                StoredSecret::Sealed(id) => Some(id),
                _ => None,
            })
            .chain(staged)
            .collect()
    }

    /// Returns every entry of the Platform KeyStore that a target or the staged set refers to.
    pub fn entry_ids(&self) -> BTreeSet<EntryId> {
        self.targets
            .iter()
            .filter_map(|target| match target.chap.as_ref()?.secret {
                StoredSecret::Sealed(id) | StoredSecret::Opened(id, _) => Some(id),
                StoredSecret::Plain(_) => None,
            })
            .chain(self.staged.chap_secret_sealed)
            .collect()
    }

    /// Puts secrets beside the references to them. A reference to what the KeyStore does not hold stays alone.
    ///
    /// # Errors
    /// [`MisplacedReference`] when an entry belongs to something else than what refers to it: no target ever gets the secret
    /// of another one.
    pub fn reveal(&mut self, keystore: &Keystore) -> Result<(), MisplacedReference> {
        for target in &mut self.targets {
            let Some(chap) = &mut target.chap else {
                continue;
            };
            if let StoredSecret::Sealed(id) = chap.secret {
                let secret = keystore
                    .get(id, binding(&target.identity))
                    .map_err(|_| MisplacedReference(format!("target {}", target.identity)))?;
                if let Some(Ok(secret)) = secret.map(ChapSecret::parse) {
                    chap.secret = StoredSecret::Opened(id, secret);
                }
            }
        }
        if let Some(id) = self.staged.chap_secret_sealed {
            let secret = keystore
                .get(id, staged_binding())
                .map_err(|_| MisplacedReference("what is staged".to_owned()))?;
            if let Some(secret) = secret {
                self.staged.chap_secret = Some(secret.to_owned().into());
            }
        }
        Ok(())
    }

    /// Puts references in the place of the secrets that belong into the Platform KeyStore, secrets in the place of those that
    /// do not, and returns what the KeyStore has to hold. A new secret gets a new id, so that no reference ever means
    /// another secret than before.
    ///
    /// # Errors
    /// What `new_id` returned.
    pub fn seal<E>(
        &mut self,
        partition: &PartitionRecord,
        mut new_id: impl FnMut() -> Result<EntryId, E>,
    ) -> Result<Keystore, E> {
        let mut held = Keystore::default();
        for target in self.targets.iter_mut() {
            let Some(chap) = &mut target.chap else {
                continue;
            };
            let (id, secret) = match &chap.secret {
                StoredSecret::Sealed(_) => continue,
                StoredSecret::Plain(secret) => (None, secret.clone()),
                StoredSecret::Opened(id, secret) => (Some(*id), secret.clone()),
            };
            chap.secret = if belongs(target.keystore, partition) {
                let id = id.map_or_else(&mut new_id, Ok)?;
                held.insert(id, secret.reveal(), Some(binding(&target.identity)));
                StoredSecret::Sealed(id)
            } else {
                StoredSecret::Plain(secret)
            };
        }
        let staged = &mut self.staged;
        if let Some(secret) = staged.chap_secret.take() {
            if belongs(staged.keystore.unwrap_or_default(), partition) {
                let id = staged.chap_secret_sealed.map_or_else(&mut new_id, Ok)?;
                held.insert(id, secret.reveal(), Some(staged_binding()));
                staged.chap_secret_sealed = Some(id);
            } else {
                staged.chap_secret = Some(secret);
                staged.chap_secret_sealed = None;
            }
        }
        Ok(held)
    }
}

/// A reference to an entry of the Platform KeyStore that belongs to something else.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the entry of the Platform KeyStore that {0} refers to belongs to something else")]
pub struct MisplacedReference(String);

/// Returns what binds an entry to a target: its identity as it is configured.
fn binding(identity: &TargetIdentity) -> Binding {
    Binding::to(&[
        "target",
        &identity.initiator_name.to_string(),
        identity.target_name.as_str(),
        identity.target_host_name.as_str(),
        &identity.target_port.to_string(),
    ])
}

fn staged_binding() -> Binding {
    Binding::to(&["staged"])
}

/// Returns whether a secret with this choice rests in the Platform KeyStore.
pub(super) fn belongs(choice: KeystoreChoice, partition: &PartitionRecord) -> bool {
    choice != KeystoreChoice::None && partition.keystore_use().is_enabled()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<StoredCredentials, serde_json::Error> {
        serde_json::from_str(text)
    }

    #[test]
    fn a_credential_holds_either_a_secret_or_a_reference() {
        let plain = r#"{"name":"N","secret":"SECRET"}"#;
        let sealed = r#"{"name":"N","sealed":"00112233445566778899aabbccddeeff"}"#;
        for text in [plain, sealed] {
            assert_eq!(serde_json::to_string(&read(text).unwrap()).unwrap(), text);
        }
        assert!(read(r#"{"name":"N"}"#).is_err());
        let both = sealed.replace("}", r#","secret":"SECRET"}"#);
        assert!(read(&both).is_err());
    }
}
