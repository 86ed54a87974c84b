//! What the host options mean to every command.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use directories::ProjectDirs;

use super::narrator::Narrator;
use super::terminal::Terminal;
use super::waiting;
use crate::cli::HostOptions;
use crate::cli::host::{DEFAULT_CHAP_ALGORITHMS, KEYSTORE_DIR_VARIABLE, STATE_DIR_VARIABLE};
use crate::error::{CommandError, ErrorKind};
use crate::iop::ipl::Settings;
use crate::iop::operation::{self, Operation, OperationError, Performed};
use crate::iop::store::Store;
use crate::iscsi::chap::ChapAlgorithm;
use crate::render::words::Code;
use crate::values::characters::escape;

/// Returns the CHAP algorithms to offer, in their order.
pub(super) fn chap_algorithms(host: &HostOptions) -> Result<Vec<ChapAlgorithm>, CommandError> {
    let list = host
        .chap_algorithms
        .as_deref()
        .unwrap_or(DEFAULT_CHAP_ALGORITHMS);
    let algorithms: Result<Vec<ChapAlgorithm>, _> =
        list.split(',').map(|word| word.trim().parse()).collect();
    algorithms.map_err(|error| {
        CommandError::usage(
            format!(
                "invalid value '{}' for '--chap-algorithms <LIST>': {error}",
                escape(list)
            ),
            vec!["give them in the order of preference, such as 7,5 or SHA-256,MD5".to_owned()],
        )
        .with_code(Code::InvalidValue)
    })
}

/// The directories of a state.
pub(super) struct Directories {
    /// The state directory.
    pub(super) state: PathBuf,
    /// The keystore directory; none where this user has no home directory and none is named.
    pub(super) keystore: Option<PathBuf>,
}

impl Directories {
    /// Returns both.
    pub(super) fn all(&self) -> impl Iterator<Item = &Path> {
        std::iter::once(&self.state)
            .chain(&self.keystore)
            .map(PathBuf::as_path)
    }
}

/// Returns the directories that the command line, the environment or the user's default says.
pub(super) fn directories(host: &HostOptions) -> Result<Directories, CommandError> {
    let default = ProjectDirs::from("", "", "iscsiswiconfig");
    let default = default.as_ref();
    let state = named(&host.state_dir, STATE_DIR_VARIABLE)
        .or_else(|| default?.state_dir().map(PathBuf::from))
        .ok_or_else(|| CommandError {
            kind: ErrorKind::State,
            code: Code::NoStateDirectory,
            error: anyhow!("this user has no home directory to keep the state in"),
            hints: vec![format!(
                "name a directory with --state-dir or {STATE_DIR_VARIABLE}"
            )],
        })?;
    let keystore = named(&host.keystore_dir, KEYSTORE_DIR_VARIABLE)
        .or_else(|| Some(default?.data_local_dir().join("keystore")));
    Ok(Directories { state, keystore })
}

/// Opens the state where the command line, the environment or the user's default says. Waits for other processes that use it
/// are told on a terminal.
pub(super) fn open_store(host: &HostOptions, terminal: &Terminal) -> Result<Store, CommandError> {
    let Directories { state, keystore } = directories(host)?;
    let store = Store::new(state, host.lock_timeout);
    let store = store.with_wait_observer(waiting::observer(terminal));
    let store = match keystore {
        Some(directory) => store.with_keystore(directory),
        None => store,
    };
    let from_home = |option, variable| named(option, variable).is_none();
    Ok(store.from_home(
        from_home(&host.state_dir, STATE_DIR_VARIABLE),
        from_home(&host.keystore_dir, KEYSTORE_DIR_VARIABLE),
    ))
}

/// Performs an operation as the host options say, and tells its steps on the way. What is wrong with an option is the outer error.
pub(super) fn perform(
    operation: Operation,
    store: &Store,
    host: &HostOptions,
    terminal: &Terminal,
) -> Result<Result<Performed, OperationError>, CommandError> {
    let settings = Settings {
        timeout: host.timeout,
        chap_algorithms: chap_algorithms(host)?,
    };
    let narrator = Narrator::new(host, terminal);
    Ok(operation::perform(operation, store, &settings, |targets| {
        narrator.observe(targets)
    }))
}

/// Returns the directory that the command line names, else the environment.
pub(super) fn named(option: &Option<PathBuf>, variable: &str) -> Option<PathBuf> {
    option.clone().or_else(|| {
        env::var_os(variable)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    })
}
