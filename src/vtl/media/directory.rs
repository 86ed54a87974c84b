//! Where cartridges are kept while no library holds them: in memory, or in a media directory.
//!
//! A media directory has one `BARCODE.tap` for each cartridge, `library.json` that says which cartridge is where, and
//! `lock`, which is held as long as the library exists and is never removed.

use std::cell::RefCell;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::super::barcode::Barcode;
use super::super::configuration::{LibraryError, Media};
use super::kept::{FileState, KeptIndexes};
use super::tape::{Budget, Tape};
use crate::storage::{
    Directory, Links, Lock, OpenDirectory, StorageError, SystemFileSystem, WaitObserver,
};

const LOCK: &str = "lock";
const CONTENTS: &str = "library.json";
const SCHEMA: u64 = 1;

/// A library's stock of cartridges.
#[derive(Debug)]
pub(in super::super) enum CartridgeStore {
    Memory(Arc<Budget>),
    Directory {
        /// Shared with the threads that open tapes and record moves.
        directory: Arc<MediaDirectory>,
        /// Tapes that were opened before the command that wants them.
        opened: RefCell<Vec<(Barcode, io::Result<Tape>)>>,
    },
}

/// A cartridge and its place, as library.json keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Placed {
    pub(in super::super) volume: Barcode,
    /// Address of the element that it is in.
    pub(in super::super) element: u16,
    /// Address of the storage or import/export element that it came from.
    pub(in super::super) source: Option<u16>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CartridgeList {
    schema: u64,
    cartridges: Vec<Placed>,
}

impl CartridgeStore {
    /// Opens the media; a directory is locked.
    pub(in super::super) fn open(media: &Media) -> Result<Self, LibraryError> {
        Ok(match media {
            Media::InMemory { limit } => Self::Memory(Arc::new(Budget::new(*limit))),
            Media::Directory(path) => Self::Directory {
                directory: Arc::new(MediaDirectory::open(path)?),
                opened: RefCell::default(),
            },
        })
    }

    /// Returns where the cartridges were when the library was last changed.
    pub(in super::super) fn contents(&self) -> Result<Vec<Placed>, LibraryError> {
        match self {
            Self::Memory(_) => Ok(Vec::new()),
            Self::Directory { directory, .. } => directory.contents(),
        }
    }

    /// Records where the cartridges are.
    pub(in super::super) fn record(&self, cartridges: Vec<Placed>) -> Result<(), LibraryError> {
        match self {
            Self::Memory(_) => Ok(()),
            Self::Directory { directory, .. } => directory.record(cartridges),
        }
    }

    /// Returns the cartridges that have files.
    pub(in super::super) fn volumes(&self) -> Result<Vec<Barcode>, LibraryError> {
        match self {
            Self::Memory(_) => Ok(Vec::new()),
            Self::Directory { directory, .. } => directory.volumes(),
        }
    }

    /// Makes blank cartridges.
    pub(in super::super) fn create(&self, volumes: &[Barcode]) -> Result<(), LibraryError> {
        match self {
            Self::Memory(_) => Ok(()),
            Self::Directory { directory, .. } => directory.create(volumes),
        }
    }

    /// Opens the tape of a cartridge; in memory it is a new one.
    pub(in super::super) fn tape(&self, volume: &Barcode) -> io::Result<Tape> {
        match self {
            Self::Memory(budget) => Ok(Tape::in_memory(Arc::clone(budget))),
            Self::Directory { directory, opened } => {
                let mut opened = opened.borrow_mut();
                match opened.iter().position(|(of, _)| of == volume) {
                    Some(index) => opened.swap_remove(index).1,
                    None => directory.tape(volume),
                }
            }
        }
    }

    /// Returns the directory whose tapes another thread can open; none for cartridges in memory.
    pub(in super::super) fn directory(&self) -> Option<Arc<MediaDirectory>> {
        match self {
            Self::Memory(_) => None,
            Self::Directory { directory, .. } => Some(Arc::clone(directory)),
        }
    }

    /// Returns whether the tape of a cartridge opens at once, without a scan of its file.
    pub(in super::super) fn opens_at_once(&self, volume: &Barcode) -> bool {
        match self {
            Self::Memory(_) => true,
            Self::Directory { directory, .. } => {
                self.has_offer(volume) || directory.is_known(volume)
            }
        }
    }

    /// Closes a tape; where its records are is kept for the next time that it is opened.
    pub(in super::super) fn close(&self, tape: Tape) {
        if let Self::Directory { directory, .. } = self {
            tape.close(&directory.kept);
        }
    }

    /// Takes a tape for the next [`CartridgeStore::tape`] of that cartridge.
    pub(in super::super) fn offer(&self, volume: Barcode, tape: io::Result<Tape>) {
        if let Self::Directory { opened, .. } = self {
            opened.borrow_mut().push((volume, tape));
        }
    }

    /// Returns whether a tape was offered and not taken.
    pub(in super::super) fn has_offer(&self, volume: &Barcode) -> bool {
        match self {
            Self::Memory(_) => false,
            Self::Directory { opened, .. } => opened.borrow().iter().any(|(of, _)| of == volume),
        }
    }

    /// Closes the tapes that nobody took.
    pub(in super::super) fn forget_offers(&self) {
        if let Self::Directory { opened, .. } = self {
            opened.borrow_mut().clear();
        }
    }
}

/// A directory of .tap files that is ours as long as this exists.
#[derive(Debug)]
pub(in super::super) struct MediaDirectory {
    directory: OpenDirectory,
    _lock: Lock,
    kept: KeptIndexes,
}

impl MediaDirectory {
    fn open(path: &Path) -> Result<Self, LibraryError> {
        let directory = Directory {
            path: path.to_owned(),
            what: "media",
            forbidden: 0o022,
            // Versions before 0.2.0 made them readable to others.
            forbidden_of_files: 0o022,
            links: Links::Refused,
            from_home: false,
            lock_timeout: Duration::ZERO,
            wait_observer: WaitObserver::default(),
            disk: Arc::new(SystemFileSystem),
        };
        let directory = directory.prepare()?;
        let lock = directory.lock(LOCK).map_err(|error| match error {
            StorageError::Locked { pid, .. } => LibraryError::InUse {
                path: path.to_owned(),
                pid,
            },
            error => error.into(),
        })?;
        Ok(Self {
            directory,
            _lock: lock,
            kept: KeptIndexes::default(),
        })
    }

    /// Opens the tape of a cartridge and finds its records, by a scan of its file unless they are known and it is as it was.
    ///
    /// # Errors
    /// When its file cannot be read, or is a link, a pipe or a device: only a regular file is a tape.
    pub(in super::super) fn tape(&self, volume: &Barcode) -> io::Result<Tape> {
        let path = self.directory.path_of(&file_name(volume));
        // Only its owner can write the directory, so what is there now is what is opened.
        match path.symlink_metadata()?.is_file() {
            true => Tape::open(&path, &self.kept),
            false => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not a regular file",
            )),
        }
    }

    /// Returns whether the tape of a cartridge opens without a scan.
    fn is_known(&self, volume: &Barcode) -> bool {
        let metadata = self
            .directory
            .path_of(&file_name(volume))
            .symlink_metadata();
        metadata.is_ok_and(|metadata| self.kept.has(&FileState::from(&metadata)))
    }

    fn contents(&self) -> Result<Vec<Placed>, LibraryError> {
        #[derive(Deserialize)]
        struct SchemaOnly {
            schema: u64,
        }

        let Some(text) = self.directory.read(CONTENTS)? else {
            return Ok(Vec::new());
        };
        let path = self.directory.path_of(CONTENTS);
        if let Ok(SchemaOnly { schema }) = serde_json::from_slice(&text)
            && schema > SCHEMA
        {
            return Err(LibraryError::NewerSchema { path, schema });
        }
        serde_json::from_slice::<CartridgeList>(&text)
            .map(|contents| contents.cartridges)
            .map_err(|error| LibraryError::Malformed {
                path,
                line: error.line(),
                column: error.column(),
            })
    }

    /// Records where the cartridges are.
    pub(in super::super) fn record(&self, cartridges: Vec<Placed>) -> Result<(), LibraryError> {
        let contents = CartridgeList {
            schema: SCHEMA,
            cartridges,
        };
        let mut text = serde_json::to_vec_pretty(&contents).map_err(|error| StorageError::Io {
            operation: "write",
            path: self.directory.path_of(CONTENTS),
            source: error.into(),
        })?;
        text.push(b'\n');
        Ok(self.directory.replace(CONTENTS, &text)?)
    }

    fn volumes(&self) -> Result<Vec<Barcode>, LibraryError> {
        let names = self.directory.names()?;
        let mut volumes: Vec<Barcode> = names
            .iter()
            .filter_map(|name| Barcode::parse(name.strip_suffix(".tap")?).ok())
            .collect();
        volumes.sort();
        Ok(volumes)
    }

    fn create(&self, volumes: &[Barcode]) -> Result<(), LibraryError> {
        for volume in volumes {
            self.directory.create(&file_name(volume))?;
        }
        match volumes {
            [] => Ok(()),
            _ => Ok(self.directory.sync()?),
        }
    }
}

fn file_name(volume: &Barcode) -> String {
    format!("{volume}.tap")
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn refused(path: &Path) -> StorageError {
        match MediaDirectory::open(path) {
            Err(LibraryError::Storage(error)) => error,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_link_a_pipe_and_a_directory_that_others_can_write_hold_no_cartridges() {
        let root = tempfile::tempdir().unwrap();
        let real = root.path().join("real");
        drop(MediaDirectory::open(&real).unwrap());
        let link = root.path().join("link");
        symlink(&real, &link).unwrap();
        for path in [link.clone(), root.path().join("link/")] {
            let error = refused(&path);
            assert!(
                matches!(error, StorageError::SymbolicLink { .. }),
                "{error}"
            );
        }
        let pipe = root.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        let error = refused(&pipe);
        assert!(matches!(error, StorageError::Io { .. }), "{error}");
        fs::set_permissions(&real, Permissions::from_mode(0o770)).unwrap();
        let error = refused(&real);
        assert!(
            matches!(error, StorageError::SharedDirectory { what: "media", .. }),
            "{error}"
        );
    }

    #[test]
    fn cartridges_are_their_owners_alone_and_their_list_may_be_older() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("media");
        let volume = Barcode::parse("VOL001L8").unwrap();
        let directory = MediaDirectory::open(&path).unwrap();
        directory.create(std::slice::from_ref(&volume)).unwrap();
        directory.record(Vec::new()).unwrap();
        let mode = |name: &str| fs::metadata(path.join(name)).unwrap().permissions().mode() & 0o777;
        for name in ["VOL001L8.tap", CONTENTS, LOCK] {
            assert_eq!(mode(name), 0o600, "{name}");
        }
        assert_eq!(directory.volumes().unwrap(), [volume]);
        fs::set_permissions(path.join(CONTENTS), Permissions::from_mode(0o644)).unwrap();
        assert!(directory.contents().unwrap().is_empty());
        fs::set_permissions(path.join(CONTENTS), Permissions::from_mode(0o664)).unwrap();
        assert!(directory.contents().is_err());
    }

    #[test]
    fn a_link_a_pipe_or_a_device_in_the_place_of_a_tape_file_is_no_tape() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("media");
        let store = CartridgeStore::open(&Media::Directory(path.clone())).unwrap();
        let volume = Barcode::parse("VOL001L8").unwrap();
        let file = path.join("VOL001L8.tap");
        fs::write(root.path().join("elsewhere"), b"").unwrap();
        for other in [&root.path().join("elsewhere"), Path::new("/dev/null")] {
            symlink(other, &file).unwrap();
            let error = store.tape(&volume).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}");
            fs::remove_file(&file).unwrap();
        }
        // A pipe that nobody writes to would be waited for.
        let made = std::process::Command::new("mkfifo").arg(&file).status();
        assert!(made.unwrap().success());
        let error = store.tape(&volume).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}");
        fs::remove_file(&file).unwrap();
        store.create(std::slice::from_ref(&volume)).unwrap();
        assert!(store.tape(&volume).is_ok());
    }
}
