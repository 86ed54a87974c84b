//! The sealed KeyStores on disk.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::directory::Directory;
use super::error::StateError;
use super::identity::{MACHINE_ID, PARTITION_UUID};
use super::records::Store;
use crate::iop::config::PartitionRecord;
use crate::iop::keystore::{EntryId, Keystore, MachineSecret, SealedKeystore, Sealing};

const MACHINE_SECRET: &str = "machine.json";
const LOCK: &str = "keystore.lock";

impl Store {
    /// Returns what a partition's KeyStore holds; nothing when it is not here.
    ///
    /// # Errors
    /// [`StateError`], when it is here and does not open as well.
    pub fn open_keystore(&self, partition: &PartitionRecord) -> Result<Keystore, StateError> {
        let (Some(id), Some(directory)) = (partition.keystore, &self.keystore) else {
            return Ok(Keystore::default());
        };
        if !directory.inspect()? {
            return Ok(Keystore::default());
        }
        let name = file_name(id);
        // The secret is made before the first KeyStore, so it is read last.
        let Some(sealed) = directory.read::<SealedKeystore>(&name)? else {
            return Ok(Keystore::default());
        };
        let path = directory.path.join(name);
        let Some(secret) = directory.read::<MachineSecret>(MACHINE_SECRET)? else {
            return Err(StateError::SecretMissing {
                path,
                secret: directory.path.join(MACHINE_SECRET),
            });
        };
        self.sealing(&secret, id)
            .open(&sealed)
            .map_err(|source| StateError::Sealed { path, source })
    }

    /// Takes the lock of the keystore directory.
    pub(super) fn lock_keystore(&self) -> Result<File, StateError> {
        let directory = self.keystore_directory()?;
        directory.prepare()?;
        directory.lock(LOCK)
    }

    /// Replaces what a partition's KeyStore holds; its lock must be held.
    pub(super) fn write_keystore(
        &self,
        partition: &PartitionRecord,
        keystore: &Keystore,
    ) -> Result<(), StateError> {
        let directory = self.keystore_directory()?;
        let Some(id) = partition.keystore else {
            return Ok(());
        };
        let name = file_name(id);
        let secret = match directory.read(MACHINE_SECRET)? {
            Some(secret) => secret,
            None => {
                let secret = MachineSecret::new(Zeroizing::new(random(directory)?));
                directory.replace(MACHINE_SECRET, &secret)?;
                secret
            }
        };
        let sealed = self
            .sealing(&secret, id)
            .seal(keystore, random(directory)?)
            .map_err(|source| StateError::Sealed {
                path: directory.path.join(&name),
                source,
            })?;
        directory.replace(&name, &sealed)
    }

    /// Returns a new id, which no other one equals.
    pub(super) fn random_id(&self) -> Result<EntryId, StateError> {
        random(self.keystore_directory()?).map(EntryId)
    }

    fn keystore_directory(&self) -> Result<&Directory, StateError> {
        self.keystore.as_ref().ok_or_else(|| StateError::Io {
            operation: "find a home directory for",
            path: PathBuf::from("keystore"),
            source: io::ErrorKind::NotFound.into(),
        })
    }

    fn sealing(&self, secret: &MachineSecret, id: EntryId) -> Sealing {
        // Whichever of them a machine has; the sealed form must not open where one of them differs.
        let machine = [PARTITION_UUID, MACHINE_ID]
            .map(|path| self.read_machine_file(Path::new(path)).unwrap_or_default())
            .join("\n");
        Sealing::new(secret, &machine, id)
    }
}

fn file_name(id: EntryId) -> String {
    format!("keystore-{id}.json")
}

fn random<const LENGTH: usize>(directory: &Directory) -> Result<[u8; LENGTH], StateError> {
    let mut bytes = [0; LENGTH];
    getrandom::fill(&mut bytes).map_err(|error| StateError::Io {
        operation: "draw random numbers for",
        path: directory.path.clone(),
        source: io::Error::from(error),
    })?;
    Ok(bytes)
}
