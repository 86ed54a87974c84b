//! What to do about an error of a command, a sentence each.

mod device;

use std::io;

use crate::cli::{CRLF_HINT, Parameter, quote};
use crate::iop::config::{ConfigurationError, PartitionError, TargetIdentity};
use crate::iop::keystore::PassphraseError;
use crate::iop::operation::ExportError;
use crate::iop::store::StateError;
use crate::storage::{StorageError, quoted};
use crate::transport::listener::ListenError;
use crate::values::{Form, Subject, ValueError};
use crate::vtl::LibraryError;

pub use device::{LOAD_AGAIN, of_job, of_library_failure, of_rmt, of_tape};

/// What to do where the system has no resources for sessions.
pub const NO_RESOURCES: &str = "raise the limit of open files, or end other programs";

/// What to do where the system has no memory for the engine of the views.
pub const NO_MEMORY: &str = "end other programs to free memory";

/// What to do about partition set with nothing to set.
pub const NO_SETTING: &str = "see iscsiswiconfig partition set --help";

/// What to do about a host without a list of targets.
pub const NO_LIST: &str =
    "configure the target by the name that the console of the VTL shows; -vv shows the exchange";

/// How to drop CHAP.
const DROP_CHAP: &str = "to drop CHAP: -removetarget, then -addtarget without CHAP parameters";

/// What a host name is, for a text that is none and cannot be corrected.
const HOST_NAME_FORM: &str = "a host name has labels of letters, digits and inner hyphens, each at most 63 characters long, joined by dots";

/// Returns what to do about a value that is none.
pub fn of_value(error: &ValueError) -> Vec<String> {
    match error {
        ValueError::Empty(_) | ValueError::TooLong { .. } => Vec::new(),
        ValueError::Character {
            subject,
            character,
            corrected,
        } => {
            let mut hints = Vec::new();
            if let Some(corrected) = corrected {
                hints.push(format!("write {corrected}"));
            } else if *subject == Subject::TargetHostName {
                hints.push(HOST_NAME_FORM.to_owned());
            }
            if *character == '\r' {
                hints.push(CRLF_HINT.to_owned());
            }
            hints
        }
        ValueError::NoneForChap(_) => vec![
            "for a target without CHAP, leave CHAP name and secret out".to_owned(),
            DROP_CHAP.to_owned(),
        ],
        ValueError::Form { form, .. } => vec![form_step(form)],
    }
}

fn form_step(form: &Form) -> String {
    match form {
        Form::NotAPort => "write the number alone, such as 860; the default is 3260".to_owned(),
        Form::NotAKeystore { meant: Some(meant) } => {
            format!("write {meant}, in upper case and without a star")
        }
        Form::NotAKeystore { meant: None } => {
            "AVAIL uses the Platform KeyStore where it is enabled, NONE stores plain text, \
                 PLATFORM accepts nothing but the Platform KeyStore"
                .to_owned()
        }
        Form::GenerateCase => {
            "write '*GENERATE' in upper case, quoted so that the shell does not expand it"
                .to_owned()
        }
        Form::GenerateAppended => {
            "the generated name is the default: leave -initiatorname out, or give it with \
                 -newname"
                .to_owned()
        }
        Form::NotAHostName => HOST_NAME_FORM.to_owned(),
        Form::NotAnAddress => {
            "an IPv4 address has four numbers from 0 to 255 without leading zeros".to_owned()
        }
        Form::TrailingDot => "leave the last dot out".to_owned(),
        Form::ZoneId => {
            "use an address that needs no zone: a link-local one cannot be configured".to_owned()
        }
        Form::Brackets {
            address,
            port: None,
        } => format!("write the address alone: {address}"),
        Form::Brackets {
            address: host,
            port: Some(port),
        }
        | Form::WithPort { host, port } => {
            format!("write -targethostname {host} -targetport {port}")
        }
        Form::Url => "give the host alone, the port with -targetport and the target with \
                          -targetname"
            .to_owned(),
    }
}

/// Returns what to do about a document that `apply` refuses, where that is not what an option of the macro would be told.
pub fn of_applied(error: &ConfigurationError) -> Option<Vec<String>> {
    let hint = match error {
        ConfigurationError::SecondPortal(_) => {
            "IBM i has one connection between a partition and a target: name one of the two in the document; --prune removes what \
             is configured and not named there"
        }
        ConfigurationError::KeystoreNotEnabled { .. } => {
            "enable it: iscsiswiconfig partition set --keystore-size 4096, or give \"keystore\": \"AVAIL\" or \"NONE\": the \
             credentials are then stored as plain text, readable by this user only"
        }
        ConfigurationError::KeystoreNotUsed { .. } => {
            "give \"keystore\": \"AVAIL\" or \"NONE\", or partition set --release 7.6"
        }
        ConfigurationError::NoGeneratedName => {
            "give \"initiator_name\", or the partition a UUID with partition set --uuid"
        }
        _ => return None,
    };
    Some(vec![hint.to_owned()])
}

/// Returns what to do about an edit that was refused.
pub fn of_configuration(error: &ConfigurationError) -> Vec<String> {
    let hint = match error {
        ConfigurationError::Exists(_) => {
            "use -changetarget to change its CHAP parameters, or -removetarget first"
        }
        ConfigurationError::SecondPortal(_) => {
            "IBM i has one connection between a partition and a target: -removetarget the other one first"
        }
        ConfigurationError::NoSuchTarget { namesakes, .. }
        | ConfigurationError::NoneSelected { namesakes, .. } => return namesake_hints(namesakes),
        ConfigurationError::SeveralSelected { found } => return namesake_hints(found),
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
        _ => of_value(value),
    }
}

/// Returns how a host and its port are staged, for a value that holds both.
fn staged_host_hint(value: &ValueError) -> Option<String> {
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

/// Returns what to do about an attribute of the partition that cannot be changed.
pub fn of_partition(error: &PartitionError) -> Vec<String> {
    let hint = match error {
        PartitionError::InUse { .. } => "--move-to-disk moves what is AVAIL to disk, in plain text",
        PartitionError::NotHere(_) => {
            "give the secret again with -changetarget -initiatorchapsecret, or remove the target with -removetarget"
        }
        PartitionError::Demanded { .. } => {
            "give it -chapkeystore AVAIL or NONE with -changetarget, or remove it with -removetarget; -commit or -clearconfig what is staged"
        }
    };
    vec![hint.to_owned()]
}

/// Returns what to do about a partition that is not exported or imported.
pub fn of_export(error: &ExportError) -> Vec<String> {
    let hint = match error {
        ExportError::Passphrase(PassphraseError::Memory { .. }) => {
            "nothing has changed: raise the limit of memory (ulimit -v), or end other programs"
        }
        ExportError::Passphrase(_) => {
            "nothing has changed: give the file and the passphrase of partition export"
        }
        ExportError::Content(_) => "nothing has changed: make the export anew",
    };
    vec![hint.to_owned()]
}

/// Returns what to do about -changetarget without a CHAP parameter.
pub fn of_nothing_to_change() -> Vec<String> {
    vec![
        "give -initiatorchapname, -initiatorchapsecret or -chapkeystore".to_owned(),
        DROP_CHAP.to_owned(),
    ]
}

/// Returns what to do about the state that could not be locked, read or written.
pub fn of_state(error: &StateError) -> String {
    match error {
        StateError::Storage(error) => of_storage(error),
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
pub fn of_storage(error: &StorageError) -> String {
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
            _ => "give another directory with --state-dir, or remove the cause; what was stored before is unharmed"
                .to_owned(),
        },
        StorageError::NotDurable { .. } => {
            "the edit is done and need not be made again; check the disk, since a power failure now may undo it".to_owned()
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
                None => "wait until it is released",
            }
        ),
    }
}

/// Returns what to do about a virtual library that cannot be made.
pub fn of_library(error: &LibraryError) -> Vec<String> {
    let hint = match error {
        LibraryError::Count { .. }
        | LibraryError::Serial { .. }
        | LibraryError::DuplicateVolume { .. }
        | LibraryError::UnknownVolume { .. } => "see iscsiswiconfig vtl --help",
        LibraryError::NoRoom { .. } => "give more --slots, or fewer --cartridges",
        LibraryError::InUse { .. } => {
            "end that process, or give another directory with --media-dir"
        }
        LibraryError::Storage(StorageError::Io { .. }) => {
            "give another directory with --media-dir, or remove the cause"
        }
        LibraryError::Storage(StorageError::SymbolicLink { .. }) => {
            "give the directory or file itself with --media-dir: it may not be a link"
        }
        LibraryError::Storage(storage) => return vec![of_storage(storage)],
        LibraryError::Malformed { .. } => {
            "it is left as it is: restore it from a backup, or move it away to fill the slots anew"
        }
        LibraryError::NewerSchema { .. } => {
            "it is left as it is: use the version of iscsiswiconfig that wrote it, or a newer one"
        }
    };
    vec![hint.to_owned()]
}

/// Returns what to do about a portal that cannot be served.
pub fn of_listener(error: &ListenError) -> Vec<String> {
    let hint = match error {
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
        ListenError::Resources(_) => NO_RESOURCES,
    };
    vec![hint.to_owned()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::{ChapName, HostName, InitiatorName, KeystoreChoice};

    fn steps<T: std::fmt::Debug>(parsed: Result<T, ValueError>) -> Vec<String> {
        of_value(&parsed.unwrap_err())
    }

    #[test]
    fn a_value_that_is_nearly_right_is_shown_corrected() {
        for (steps, expected) in [
            (
                steps("vtl:860".parse::<HostName>()),
                "write -targethostname vtl -targetport 860",
            ),
            (
                steps("[fd00::5]".parse::<HostName>()),
                "write the address alone: fd00::5",
            ),
            (
                steps("[fd00::5]:860".parse::<HostName>()),
                "write -targethostname fd00::5 -targetport 860",
            ),
            (
                steps("*none".parse::<KeystoreChoice>()),
                "write NONE, in upper case and without a star",
            ),
            (
                steps(Subject::TargetName.iscsi_name("iqn\u{2013}x")),
                "write iqn-x",
            ),
            (
                steps("*Generate".parse::<InitiatorName>()),
                "write '*GENERATE' in upper case, quoted so that the shell does not expand it",
            ),
        ] {
            assert_eq!(steps, [expected]);
        }
    }

    #[test]
    fn none_as_a_credential_is_answered_with_the_way_to_drop_chap() {
        assert_eq!(steps(ChapName::parse("*none"))[1], DROP_CHAP);
    }

    #[test]
    fn a_staged_host_with_its_port_is_staged_in_two_steps() {
        let error = "vtl:860".parse::<HostName>().unwrap_err();
        assert_eq!(
            of_configuration(&ConfigurationError::Value(error)),
            ["write -newname -targethostname vtl, then -setport -targetport 860"]
        );
    }

    #[test]
    fn a_script_with_crlf_line_ends_is_told_so() {
        assert_eq!(steps("vtl\r".parse::<HostName>())[1], CRLF_HINT);
    }
}
