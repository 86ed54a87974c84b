//! The sealed KeyStores on disk.

use std::io;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::error::StateError;
use super::record;
use super::records::Store;
use crate::iop::config::PartitionRecord;
use crate::iop::keystore::{
    EntryId, Keystore, MachineSecret, Salts, SealedKeystore, Sealing, UnsealError,
};
use crate::storage::{Directory, Lock, OpenDirectory, StorageError};

const MACHINE_SECRET: &str = "machine.json";
pub(super) const LOCK: &str = "keystore.lock";

/// Whose a KeyStore is that the partition's record names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// This state directory's, or not there yet.
    Own,
    /// That of the state directory that this one is a copy of.
    OfAnotherDirectory,
    /// That of another machine; it cannot be opened here.
    OfAnotherMachine,
}

impl Store {
    /// Returns what a partition's KeyStore holds; nothing when it is not here, or was sealed on another machine.
    ///
    /// # Errors
    /// [`StateError`], when it is here and does not open as well.
    pub fn open_keystore(&self, partition: &PartitionRecord) -> Result<Keystore, StateError> {
        Ok(self.find_keystore(partition, None)?.0)
    }

    /// Returns what a partition's KeyStore holds and whose it is; `state` is the identity of the state directory.
    pub(super) fn find_keystore(
        &self,
        partition: &PartitionRecord,
        state: Option<&str>,
    ) -> Result<(Keystore, Standing), StateError> {
        let nothing = (Keystore::default(), Standing::Own);
        let (Some(id), Some(directory)) = (partition.keystore, &self.keystore) else {
            return Ok(nothing);
        };
        self.check_apart(directory)?;
        let Some(open) = directory.open()? else {
            return Ok(nothing);
        };
        sweep(&open)?;
        let directory = Some(&open);
        let name = file_name(id);
        // The secret is made before the first KeyStore, so it is read last.
        let Some(sealed) = record::read::<SealedKeystore>(directory, &name)? else {
            return Ok(nothing);
        };
        let path = open.path_of(&name);
        let Some(secret) = record::read::<MachineSecret>(directory, MACHINE_SECRET)? else {
            return Err(StateError::SecretMissing {
                path,
                secret: open.path_of(MACHINE_SECRET),
            });
        };
        match self.sealing(&secret, id)?.open(&sealed) {
            Ok(keystore) => {
                let is_own = match (sealed.owner(), state) {
                    (Some(owner), Some(state)) => owner == state,
                    // One of a version before 0.2.0 becomes that of the first state directory that writes it.
                    _ => true,
                };
                Ok((
                    keystore,
                    match is_own {
                        true => Standing::Own,
                        false => Standing::OfAnotherDirectory,
                    },
                ))
            }
            Err(UnsealError::Foreign) => Ok((Keystore::default(), Standing::OfAnotherMachine)),
            Err(source) => Err(StateError::Sealed { path, source }),
        }
    }

    /// Refuses a keystore directory that goes wherever the state directory is copied to.
    fn check_apart(&self, keystore: &Directory) -> Result<(), StateError> {
        match canonical(&keystore.path).starts_with(canonical(&self.state.path)) {
            true => Err(StateError::KeystoreInState {
                keystore: keystore.path.clone(),
                state: self.state.path.clone(),
            }),
            false => Ok(()),
        }
    }

    /// Takes the lock of the keystore directory.
    pub(super) fn lock_keystore(&self) -> Result<Lock, StateError> {
        let directory = self.keystore_directory()?;
        self.check_apart(directory)?;
        let directory = directory.prepare()?;
        sweep(&directory)?;
        Ok(directory.lock(LOCK)?)
    }

    /// Replaces what a partition's KeyStore holds, and makes it that of the state directory with the identity `state`; its lock
    /// must be held.
    pub(super) fn write_keystore(
        &self,
        partition: &PartitionRecord,
        keystore: &Keystore,
        state: &str,
    ) -> Result<(), StateError> {
        let directory = self.keystore_directory()?;
        let Some(id) = partition.keystore else {
            return Ok(());
        };
        let open = directory.prepare()?;
        let name = file_name(id);
        let secret = match record::read(Some(&open), MACHINE_SECRET)? {
            Some(secret) => secret,
            None => {
                let secret = MachineSecret::new(Zeroizing::new(random(directory)?));
                record::replace(&open, MACHINE_SECRET, &secret)?;
                secret
            }
        };
        let sealing = self.sealing(&secret, id)?;
        let failed = |source| StateError::Sealed {
            path: open.path_of(&name),
            source,
        };
        let sealed = sealing
            .seal(keystore, state, random(directory)?)
            .map_err(failed)?;
        // Nothing takes the place of the old form that does not open.
        if sealing.open(&sealed).map_err(failed)? != *keystore {
            return Err(failed(UnsealError::Damaged));
        }
        record::replace(&open, &name, &sealed)
    }

    /// Draws the random numbers of one export.
    ///
    /// # Errors
    /// [`StateError`], when the system gives none.
    pub fn salts(&self) -> Result<Salts, StateError> {
        Ok(Salts {
            file_key: Zeroizing::new(random(&self.state)?),
            scrypt: random(&self.state)?,
            payload: random(&self.state)?,
        })
    }

    /// Returns the directory of the KeyStore, if it has one.
    pub fn keystore_path(&self) -> Option<&Path> {
        self.keystore
            .as_ref()
            .map(|directory| directory.path.as_path())
    }

    /// Returns a new id, which no other one equals.
    pub(super) fn random_id(&self) -> Result<EntryId, StateError> {
        random(self.keystore_directory()?).map(EntryId)
    }

    fn keystore_directory(&self) -> Result<&Directory, StateError> {
        self.keystore.as_ref().ok_or_else(|| {
            StateError::from(StorageError::Io {
                operation: "find a home directory for",
                path: PathBuf::from("keystore"),
                source: io::ErrorKind::NotFound.into(),
            })
        })
    }

    fn sealing(&self, secret: &MachineSecret, id: EntryId) -> Result<Sealing, StateError> {
        let machine = self.machine()?.sealed_with();
        Ok(Sealing::new(secret, &machine, id))
    }
}

fn sweep(directory: &OpenDirectory) -> Result<(), StateError> {
    Ok(directory.sweep(LOCK, |name| name.ends_with(".json"))?)
}

/// Returns a path with the symbolic links in the part of it that exists resolved.
fn canonical(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        match (absolute.parent(), absolute.file_name()) {
            (Some(parent), Some(name)) => canonical(parent).join(name),
            _ => absolute,
        }
    })
}

fn file_name(id: EntryId) -> String {
    format!("keystore-{id}.json")
}

fn random<const LENGTH: usize>(directory: &Directory) -> Result<[u8; LENGTH], StateError> {
    let mut bytes = [0; LENGTH];
    getrandom::fill(&mut bytes).map_err(|error| StorageError::Io {
        operation: "draw random numbers for",
        path: directory.path.clone(),
        source: io::Error::from(error),
    })?;
    Ok(bytes)
}
