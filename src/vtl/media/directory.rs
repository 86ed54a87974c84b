//! Where cartridges are kept while no library holds them: in memory, or in a media directory.
//!
//! A media directory has one `BARCODE.tap` for each cartridge, `library.json` that says which cartridge is where, and
//! `lock`, which is held as long as the library exists and is never removed.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fs2::FileExt as _;
use serde::{Deserialize, Serialize};

use super::super::barcode::Barcode;
use super::super::configuration::{LibraryError, Media};
use super::tape::{Budget, Tape};

const LOCK: &str = "lock";
const CONTENTS: &str = "library.json";
const SCHEMA: u64 = 1;

/// A library's stock of cartridges.
#[derive(Debug)]
pub(in super::super) enum CartridgeStore {
    Memory(Arc<Budget>),
    Directory(MediaDirectory),
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
struct Contents {
    schema: u64,
    cartridges: Vec<Placed>,
}

impl CartridgeStore {
    /// Opens the media; a directory is locked.
    pub(in super::super) fn open(media: &Media) -> Result<Self, LibraryError> {
        Ok(match media {
            Media::InMemory { limit } => Self::Memory(Arc::new(Budget::new(*limit))),
            Media::Directory(path) => Self::Directory(MediaDirectory::open(path)?),
        })
    }

    /// Returns where the cartridges were when the library was last changed.
    pub(in super::super) fn contents(&self) -> Result<Vec<Placed>, LibraryError> {
        match self {
            Self::Memory(_) => Ok(Vec::new()),
            Self::Directory(directory) => directory.contents(),
        }
    }

    /// Records where the cartridges are.
    pub(in super::super) fn record(&self, cartridges: Vec<Placed>) -> Result<(), LibraryError> {
        match self {
            Self::Memory(_) => Ok(()),
            Self::Directory(directory) => directory.record(cartridges),
        }
    }

    /// Returns the cartridges that have files.
    pub(in super::super) fn volumes(&self) -> Result<Vec<Barcode>, LibraryError> {
        match self {
            Self::Memory(_) => Ok(Vec::new()),
            Self::Directory(directory) => directory.volumes(),
        }
    }

    /// Makes blank cartridges.
    pub(in super::super) fn create(&self, volumes: &[Barcode]) -> Result<(), LibraryError> {
        match self {
            Self::Memory(_) => Ok(()),
            Self::Directory(directory) => directory.create(volumes),
        }
    }

    /// Opens the tape of a cartridge; in memory it is a new one.
    pub(in super::super) fn tape(&self, volume: &Barcode) -> io::Result<Tape> {
        match self {
            Self::Memory(budget) => Ok(Tape::in_memory(Arc::clone(budget))),
            Self::Directory(directory) => Tape::open(&directory.file(volume)),
        }
    }
}

/// A directory of .tap files that is ours as long as this exists.
#[derive(Debug)]
pub(in super::super) struct MediaDirectory {
    path: PathBuf,
    /// Holds the lock.
    _lock: File,
}

impl MediaDirectory {
    fn open(path: &Path) -> Result<Self, LibraryError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(failed("create", path))?;
        let lock_path = path.join(LOCK);
        let lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&lock_path)
            .map_err(failed("open", &lock_path))?;
        if let Err(error) = lock.try_lock_exclusive() {
            if error.raw_os_error() != fs2::lock_contended_error().raw_os_error() {
                return Err(failed("lock", &lock_path)(error));
            }
            let holder = fs::read_to_string(&lock_path).unwrap_or_default();
            return Err(LibraryError::InUse {
                path: path.to_owned(),
                pid: holder.trim().parse().ok(),
            });
        }
        // Of fixed length, so that a longer one before it leaves nothing over.
        lock.write_all_at(format!("{:<10}\n", std::process::id()).as_bytes(), 0)
            .map_err(failed("write", &lock_path))?;
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    fn file(&self, volume: &Barcode) -> PathBuf {
        self.path.join(format!("{volume}.tap"))
    }

    fn contents(&self) -> Result<Vec<Placed>, LibraryError> {
        #[derive(Deserialize)]
        struct SchemaOnly {
            schema: u64,
        }

        let path = self.path.join(CONTENTS);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed("read", &path)(error)),
        };
        if let Ok(SchemaOnly { schema }) = serde_json::from_slice(&text)
            && schema > SCHEMA
        {
            return Err(LibraryError::NewerSchema { path, schema });
        }
        serde_json::from_slice::<Contents>(&text)
            .map(|contents| contents.cartridges)
            .map_err(|error| LibraryError::Malformed {
                path,
                line: error.line(),
                column: error.column(),
            })
    }

    /// Temporary file, sync, rename, sync of the directory: a kill leaves the old contents or the new.
    fn record(&self, cartridges: Vec<Placed>) -> Result<(), LibraryError> {
        let path = self.path.join(CONTENTS);
        let temporary = self.path.join(format!("{CONTENTS}.new"));
        let contents = Contents {
            schema: SCHEMA,
            cartridges,
        };
        let mut text = serde_json::to_vec_pretty(&contents)
            .map_err(|error| failed("write", &path)(error.into()))?;
        text.push(b'\n');
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&temporary)
            .and_then(|mut file| file.write_all(&text).and_then(|()| file.sync_all()))
            .map_err(failed("write", &temporary))?;
        fs::rename(&temporary, &path).map_err(failed("replace", &path))?;
        self.sync()
    }

    fn volumes(&self) -> Result<Vec<Barcode>, LibraryError> {
        let mut volumes = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(failed("read", &self.path))? {
            let name = entry.map_err(failed("read", &self.path))?.file_name();
            let barcode = name
                .to_str()
                .and_then(|name| name.strip_suffix(".tap"))
                .and_then(|stem| Barcode::parse(stem).ok());
            volumes.extend(barcode);
        }
        volumes.sort();
        Ok(volumes)
    }

    fn create(&self, volumes: &[Barcode]) -> Result<(), LibraryError> {
        for volume in volumes {
            let path = self.file(volume);
            OpenOptions::new()
                .write(true)
                .create_new(true)
                .open(&path)
                .map_err(failed("create", &path))?;
        }
        match volumes {
            [] => Ok(()),
            _ => self.sync(),
        }
    }

    fn sync(&self) -> Result<(), LibraryError> {
        File::open(&self.path)
            .and_then(|directory| directory.sync_all())
            .map_err(failed("sync", &self.path))
    }
}

fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LibraryError + use<> {
    let path = path.to_owned();
    move |source| LibraryError::Io {
        operation,
        path,
        source,
    }
}
