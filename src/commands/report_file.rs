//! The file of `check --report`: there whole, or not at all.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use tempfile::{Builder, NamedTempFile};

use crate::error::{CommandError, ErrorKind};
use crate::render::words::Code;
use crate::storage::quoted;

/// Where a report is going to be.
#[derive(Debug)]
pub(super) struct ReportFile {
    path: PathBuf,
}

impl ReportFile {
    /// Says where, and makes sure that a file can be made there before the work begins whose report it is.
    ///
    /// # Errors
    /// [`CommandError`] when there is something there that is no file, or its directory takes none.
    pub(super) fn at(path: &Path) -> Result<Self, CommandError> {
        // A link stays a link, to the new report.
        let path = match fs::canonicalize(path) {
            Ok(path) => path,
            Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
            Err(error) => return Err(CommandError::unwritable(path, &error)),
        };
        if path.exists() && !path.is_file() {
            return Err(CommandError {
                kind: ErrorKind::State,
                code: Code::FileUnusable,
                error: anyhow!("{} is there and no file", quoted(&path)),
                hints: vec!["name a file for the report; one that is there is replaced".to_owned()],
            });
        }
        let report = Self { path };
        report
            .begin()
            .map_err(|error| CommandError::unwritable(&report.path, &error))?;
        Ok(report)
    }

    /// Writes the report, in the place of an earlier one.
    ///
    /// # Errors
    /// [`CommandError`] when it cannot be written whole; an earlier report stays as it was then.
    pub(super) fn write(&self, contents: &str) -> Result<(), CommandError> {
        let write = || {
            let mut file = self.begin()?;
            file.write_all(contents.as_bytes())?;
            file.persist(&self.path).map_err(|error| error.error)
        };
        write()
            .map(drop)
            .map_err(|error| CommandError::unwritable(&self.path, &error))
    }

    /// Makes the file that is renamed when it is whole, readable as the user's files are: a report holds no secret.
    fn begin(&self) -> io::Result<NamedTempFile> {
        let directory = match self.path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        Builder::new()
            .prefix(".iscsiswiconfig-report-")
            .permissions(fs::Permissions::from_mode(0o666))
            .tempfile_in(directory)
    }
}
