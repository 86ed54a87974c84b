//! The one place where a failure gets its exit status and its next step.

mod devices;
mod tape;

use std::io;

use crate::cli::{Parameter, UsageError, UsageFailure, quote};
use crate::iop::config::{ConfigurationError, PartitionError, TargetIdentity};
use crate::iop::ipl::ReIplError;
use crate::iop::operation::OperationError;
use crate::iop::store::StateError;
use crate::render::words::{Code, error as words};
use crate::storage::{StorageError, quoted};
use crate::transport::listener::ListenError;
use crate::values::{Form, Subject, ValueError};
use crate::vtl::LibraryError;

/// What sort of failure it is; each has its exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request does not fit the state.
    Refused,
    /// The command line is not of the grammar, or a value is malformed.
    Usage,
    /// The state could not be locked, read or written, or the output not be written.
    State,
    /// A target could not be reached or was lost, or a device reported an error.
    Device,
}

impl ErrorKind {
    /// Returns the exit status.
    pub fn exit_status(self) -> u8 {
        match self {
            Self::Refused => 1,
            Self::Usage => 2,
            Self::State => 3,
            Self::Device => 4,
        }
    }
}

/// A failure as the user meets it: what happened with its causes, and what to do next.
#[derive(Debug)]
pub struct CommandError {
    /// What sort of failure it is.
    pub kind: ErrorKind,
    /// Its stable name.
    pub code: Code,
    /// What happened; its chain of causes is shown on one line.
    pub error: anyhow::Error,
    /// Next steps, a sentence each.
    pub hints: Vec<String>,
}

impl CommandError {
    /// Returns the error with another code.
    #[must_use]
    pub fn with_code(self, code: Code) -> Self {
        Self { code, ..self }
    }

    /// Makes a usage error of the commands' own.
    pub fn usage(message: impl Into<String>, hints: Vec<String>) -> Self {
        Self {
            kind: ErrorKind::Usage,
            code: Code::Usage,
            error: anyhow::Error::msg(message.into()),
            hints,
        }
    }

    /// Makes the failure to start a runtime for sessions.
    pub fn no_runtime(error: io::Error) -> Self {
        Self {
            kind: ErrorKind::State,
            code: Code::NoResources,
            error: anyhow::Error::new(error).context("cannot open a session"),
            hints: vec!["raise the limit of open files, or end other programs".to_owned()],
        }
    }

    /// Makes the failure to write the output.
    pub fn output(error: io::Error) -> Self {
        Self {
            kind: ErrorKind::State,
            code: Code::OutputFailed,
            error: anyhow::Error::new(error).context("cannot write the output"),
            hints: Vec::new(),
        }
    }
}

impl From<UsageFailure> for CommandError {
    fn from(error: UsageFailure) -> Self {
        Self {
            kind: match &error.error {
                // What mtx does not understand ends with its status, which is 1.
                UsageError::Host {
                    command: Some(command),
                    ..
                } if command == "mtx" => ErrorKind::Refused,
                _ => ErrorKind::Usage,
            },
            code: words::usage_code(&error.error),
            hints: error.hints(),
            error: error.into(),
        }
    }
}

impl From<ValueError> for CommandError {
    fn from(error: ValueError) -> Self {
        Self {
            kind: ErrorKind::Usage,
            code: words::value_code(&error),
            hints: error.hints(),
            error: error.into(),
        }
    }
}

impl From<ConfigurationError> for CommandError {
    fn from(error: ConfigurationError) -> Self {
        let kind = match &error {
            ConfigurationError::Value(_) | ConfigurationError::WantedTwice(_) => ErrorKind::Usage,
            _ => ErrorKind::Refused,
        };
        Self {
            kind,
            code: words::configuration_code(&error),
            hints: configuration_hints(&error),
            error: error.into(),
        }
    }
}

fn configuration_hints(error: &ConfigurationError) -> Vec<String> {
    let hint = match error {
        ConfigurationError::Exists(_) => {
            "use -changetarget to change its CHAP parameters, or -removetarget first"
        }
        ConfigurationError::SecondPortal(_) => {
            "IBM i has one connection between a partition and a target: -removetarget the other one first"
        }
        ConfigurationError::NoSuchTarget { namesakes, .. } => return namesake_hints(namesakes),
        ConfigurationError::HalfChap(Subject::ChapName) => "give -initiatorchapname as well",
        ConfigurationError::HalfChap(_) => "give -initiatorchapsecret as well",
        ConfigurationError::KeystoreNotEnabled { staged } => {
            let option = if *staged { "-setkeystore " } else { "" };
            let stays = if *staged {
                "; what is staged stays"
            } else {
                ""
            };
            return vec![
                "enable it: iscsiswiconfig partition set --keystore-size 4096".to_owned(),
                format!(
                    "or give {option}-chapkeystore AVAIL or NONE: the credentials are then stored as plain text, \
                     readable by this user only{stays}"
                ),
            ];
        }
        ConfigurationError::KeystoreNotUsed { staged, .. } => {
            let (option, stays) = match staged {
                true => ("-setkeystore ", "; what is staged stays"),
                false => ("", ""),
            };
            return vec![format!(
                "give {option}-chapkeystore AVAIL or NONE, or partition set --release 7.6{stays}"
            )];
        }
        ConfigurationError::NoGeneratedName => {
            "give an initiator name of your own, or the partition a UUID with partition set --uuid"
        }
        ConfigurationError::SecretNotHere(_) => "give -initiatorchapsecret as well",
        ConfigurationError::StagedSecretNotHere => {
            "stage it again with -newname -initiatorchapsecret SECRET"
        }
        ConfigurationError::NothingStaged => {
            "give -newname -targetname NAME and -newname -targethostname HOST first"
        }
        ConfigurationError::Incomplete { missing } => {
            let give = |subject| format!("give {}; what is staged stays", staging_of(subject));
            return missing.iter().copied().map(give).collect();
        }
        ConfigurationError::StagedForm(value) => return staged_form_hints(value),
        ConfigurationError::WantedTwice(_) => "name it once; nothing has changed",
        ConfigurationError::AppendToGenerate => {
            "give the whole name with -newname -initiatorname NAME"
        }
        ConfigurationError::Value(value) => return piece_hints(value),
    };
    vec![hint.to_owned()]
}

/// Returns how a value is staged that -commit misses.
fn staging_of(subject: Subject) -> String {
    let parameter = match subject {
        Subject::TargetHostName => Parameter::TargetHostName,
        Subject::ChapName => Parameter::InitiatorChapName,
        Subject::ChapSecret => Parameter::InitiatorChapSecret,
        _ => Parameter::TargetName,
    };
    format!("-newname {} {}", parameter.word(), parameter.spec().metavar)
}

/// Returns what to do about a staged value that is none and stays.
fn staged_form_hints(value: &ValueError) -> Vec<String> {
    let mut hints = piece_hints(value);
    hints.push(
        "replace it with -newname, or add to it with -appendname; what is staged stays".to_owned(),
    );
    hints
}

/// Returns what to do about a piece: the value's own hint may name words that -newname does not take.
fn piece_hints(value: &ValueError) -> Vec<String> {
    if let Some(hint) = staged_host_hint(value) {
        return vec![hint];
    }
    match value {
        // More pieces may be meant to follow.
        ValueError::Form {
            form: Form::TrailingDot,
            ..
        } => Vec::new(),
        _ => value.hints(),
    }
}

/// Returns how a host and its port are staged, for a value that holds both.
pub(crate) fn staged_host_hint(value: &ValueError) -> Option<String> {
    match value {
        ValueError::Form {
            form:
                Form::WithPort { host, port }
                | Form::Brackets {
                    address: host,
                    port: Some(port),
                },
            ..
        } => Some(format!(
            "write -newname -targethostname {host}, then -setport -targetport {port}"
        )),
        _ => None,
    }
}

fn namesake_hints(namesakes: &[TargetIdentity]) -> Vec<String> {
    if namesakes.is_empty() {
        return vec!["no target of that name is configured at all".to_owned()];
    }
    namesakes
        .iter()
        .map(|identity| {
            format!(
                "configured under that name: -initiatorname {} -targethostname {} -targetname {} -targetport {}",
                quote(identity.initiator_name.to_string().as_str()),
                identity.target_host_name,
                quote(identity.target_name.as_str()),
                identity.target_port
            )
        })
        .collect()
}

impl From<PartitionError> for CommandError {
    fn from(error: PartitionError) -> Self {
        let hint = match &error {
            PartitionError::InUse { .. } => {
                "--move-to-disk moves what is AVAIL to disk, in plain text"
            }
            PartitionError::NotHere(_) => {
                "give the secret again with -changetarget -initiatorchapsecret, or remove the target with -removetarget"
            }
            PartitionError::Demanded { .. } => {
                "give it -chapkeystore AVAIL or NONE with -changetarget, or remove it with -removetarget; -commit or -clearconfig what is staged"
            }
        };
        Self {
            kind: ErrorKind::Refused,
            code: words::partition_code(&error),
            hints: vec![hint.to_owned()],
            error: error.into(),
        }
    }
}

impl From<StateError> for CommandError {
    fn from(error: StateError) -> Self {
        let kind = match &error {
            StateError::KeystoreFull { .. } => ErrorKind::Refused,
            _ => ErrorKind::State,
        };
        Self {
            kind,
            code: words::state_code(&error),
            hints: vec![state_hint(&error)],
            error: error.into(),
        }
    }
}

impl From<OperationError> for CommandError {
    fn from(error: OperationError) -> Self {
        match error {
            // The line itself is at fault, whatever is configured.
            OperationError::HalfChap(half) => Self {
                kind: ErrorKind::Usage,
                ..ConfigurationError::HalfChap(half).into()
            },
            OperationError::NothingToChange => Self::usage(
                "-changetarget changes CHAP parameters, and none is given",
                vec![
                    "give -initiatorchapname, -initiatorchapsecret or -chapkeystore".to_owned(),
                    "to drop CHAP: -removetarget, then -addtarget without CHAP parameters"
                        .to_owned(),
                ],
            )
            .with_code(Code::NothingToChange),
            OperationError::Refused(error) => error.into(),
            OperationError::State(error) => error.into(),
            OperationError::ReIpl(error) => error.into(),
        }
    }
}

impl From<ReIplError> for CommandError {
    fn from(error: ReIplError) -> Self {
        match error {
            ReIplError::State(error) => error.into(),
            error @ ReIplError::Network(_) => Self {
                kind: ErrorKind::State,
                code: Code::NoResources,
                hints: vec!["raise the limit of open files, or end other programs".to_owned()],
                error: error.into(),
            },
        }
    }
}

impl From<LibraryError> for CommandError {
    fn from(error: LibraryError) -> Self {
        let (kind, hint) = match &error {
            LibraryError::Count { .. }
            | LibraryError::Serial { .. }
            | LibraryError::DuplicateVolume { .. }
            | LibraryError::UnknownVolume { .. } => {
                (ErrorKind::Usage, "see iscsiswiconfig vtl --help")
            }
            LibraryError::NoRoom { .. } => {
                (ErrorKind::Usage, "give more --slots, or fewer --cartridges")
            }
            LibraryError::InUse { .. } => (
                ErrorKind::State,
                "end that process, or give another directory with --media-dir",
            ),
            LibraryError::Storage(StorageError::Io { .. }) => (
                ErrorKind::State,
                "give another directory with --media-dir, or remove the cause",
            ),
            LibraryError::Storage(StorageError::SymbolicLink { .. }) => (
                ErrorKind::State,
                "give the directory or file itself with --media-dir: it may not be a link",
            ),
            LibraryError::Storage(storage) => {
                let hints = vec![storage_hint(storage)];
                return Self {
                    kind: ErrorKind::State,
                    code: words::library_code(&error),
                    hints,
                    error: error.into(),
                };
            }
            LibraryError::Malformed { .. } => (
                ErrorKind::State,
                "it is left as it is: restore it from a backup, or move it away to fill the slots anew",
            ),
            LibraryError::NewerSchema { .. } => (
                ErrorKind::State,
                "it is left as it is: use the version of iscsiswiconfig that wrote it, or a newer one",
            ),
        };
        Self {
            kind,
            code: words::library_code(&error),
            hints: vec![hint.to_owned()],
            error: error.into(),
        }
    }
}

impl From<ListenError> for CommandError {
    fn from(error: ListenError) -> Self {
        let hint = match &error {
            ListenError::Bind { source, .. } => match source.kind() {
                io::ErrorKind::AddrInUse => {
                    "another program listens there: end it, or give another port with --listen, 0 for a free one"
                }
                io::ErrorKind::AddrNotAvailable => {
                    "give an address of this machine with --listen, such as 127.0.0.1 or 0.0.0.0"
                }
                io::ErrorKind::PermissionDenied => {
                    "ports below 1024 take privileges: give a higher one with --listen"
                }
                _ => "give another address and port with --listen",
            },
            ListenError::Resources(_) => "raise the limit of open files, or end other programs",
        };
        Self {
            kind: ErrorKind::State,
            code: match &error {
                ListenError::Bind { .. } => Code::CannotListen,
                ListenError::Resources(_) => Code::NoResources,
            },
            hints: vec![hint.to_owned()],
            error: error.into(),
        }
    }
}

fn state_hint(error: &StateError) -> String {
    match error {
        StateError::Storage(error) => storage_hint(error),
        StateError::Malformed { .. } => {
            "it is left as it is: restore it from a backup, or move it away to begin anew".to_owned()
        }
        StateError::NewerSchema { .. } => {
            "it is left as it is: use the version of iscsiswiconfig that wrote it, or a newer one"
                .to_owned()
        }
        StateError::Sealed { .. } | StateError::SecretMissing { .. } => {
            "it is left as it is: restore the keystore directory from a backup of this machine, or move it away: the targets \
             concerned are then named, and can be given their secrets again"
                .to_owned()
        }
        StateError::Misplaced(_) => {
            "config.json was edited: put its references back, or take the \"chap\" of that target out and give it again with \
             -changetarget"
                .to_owned()
        }
        StateError::KeystoreInState { .. } => {
            "a copy of the state directory would take the KeyStore along: give another directory with --keystore-dir".to_owned()
        }
        StateError::KeystoreFull { .. } => {
            "give it more with partition set --keystore-size SIZE, or the credential -chapkeystore NONE".to_owned()
        }
    }
}

/// Returns what to do about a directory or a file that could not be used.
fn storage_hint(error: &StorageError) -> String {
    let naming = |what: &str| match what {
        "media" => "--media-dir",
        "keystore" => "--keystore-dir",
        _ => "--state-dir",
    };
    match error {
        StorageError::Io { source, path, .. } => match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => format!(
                "free some space on the file system of {}; what was stored before is unharmed",
                quoted(path)
            ),
            io::ErrorKind::FileTooLarge => {
                "raise the limit of file sizes (ulimit -f), or make the file smaller; what was stored before is unharmed"
                    .to_owned()
            }
            _ => "give another directory with --state-dir, or see to the cause; what was stored before is unharmed"
                .to_owned(),
        },
        StorageError::NotDurable { .. } => {
            "the edit is done and need not be made again; see to the disk, since a power failure now may undo it".to_owned()
        }
        StorageError::TooLong { path, .. } if path.ends_with("devices.json") => {
            "nothing has changed: partition set --forget-devices 10 forgets the devices that the last 10 re-IPLs did not see"
                .to_owned()
        }
        StorageError::TooLong { path, .. } => format!(
            "nothing has changed: take something out of {} first",
            quoted(path)
        ),
        StorageError::SharedFile { path, .. } => format!(
            "it may have been read or changed by others: look at it, then chmod 600 {}",
            quoted(path)
        ),
        StorageError::SymbolicLink { .. } => {
            "put the file itself in its place; the state directory may be a link, its files may not"
                .to_owned()
        }
        StorageError::SharedDirectory {
            path,
            what: "keystore",
            ..
        } => format!(
            "others may have read or put files in it: look at it, then chmod 700 {}",
            quoted(path)
        ),
        StorageError::SharedDirectory { path, .. } => format!(
            "others may have put files in it: look at it, then chmod go-w {}",
            quoted(path)
        ),
        StorageError::ForeignDirectory { what, .. } => format!(
            "run as its owner, or give a directory of your own with {}",
            naming(what)
        ),
        StorageError::ForeignHome { what, .. } => format!(
            "HOME is another user's: run as that user, with a HOME of your own (sudo -H), or give a directory with {}",
            naming(what)
        ),
        StorageError::ForeignFile { path, .. } => format!(
            "another user may have put it there: look at it, then chown it to yourself or move it away ({})",
            quoted(path)
        ),
        StorageError::Locked { pid, waited, .. } => format!(
            "waited {:.1} s: {}, or give a longer --lock-timeout",
            waited.as_secs_f64(),
            match pid {
                Some(_) => "wait for that process to end",
                None => "wait until whoever holds it lets go",
            }
        ),
    }
}
