//! What to do about a device, a library or a tape that a command was to use, a sentence each.

use std::io;

use crate::iop::devices::names::DeviceKind;
use crate::iop::devices::resolve::ResolveError;
use crate::iop::job::JobError;
use crate::iop::job::unit::{NotReopened, UnitError};
use crate::iop::library::LibraryFailure;
use crate::iop::rmt::error::RmtError;
use crate::iop::tape::job::TapeError;
use crate::iop::tape::read::ReadError;
use crate::iop::tape::write::WriteError;
use crate::render::words::failure::failure;
use crate::render::words::resident::cut_off;

use super::of_state;

const RE_IPL: &str = "re-IPL: iscsiswiconfig -reipliscsiop";

const STATE_OF_DEVICE: &str = "look at the state of the device on the VTL; -vv shows the exchange";

const STATE_OF_DRIVE: &str = "look at the state of the drive on the VTL; -vv shows the exchange";

const TAPE_FILES: &str = "tape list shows the files that it has";

const OTHER_USERS: &str = "see who else uses the library";

/// Returns what to do about a job that did not get to its devices.
pub fn of_job(error: &JobError) -> Vec<String> {
    let hint = match error {
        JobError::Resolve(error) => of_resolve(error),
        JobError::WrongKind { wanted, .. } => match wanted {
            DeviceKind::Library => "give the name of a library, TAPMLBnn".to_owned(),
            DeviceKind::Drive => "give the name of a drive, TAPnn".to_owned(),
        },
        JobError::State(error) => of_state(error),
        JobError::Resident(_) => return Vec::new(),
        JobError::OtherDevice { .. } => format!("it is another device now; {RE_IPL}"),
        JobError::Device { cause, .. } => of_unit(cause, STATE_OF_DEVICE),
        JobError::Login(_) | JobError::Attach { .. } => {
            let target = error.failed_target();
            let words = target.as_ref().and_then(failure);
            return words
                .and_then(|words| words.next_step)
                .into_iter()
                .collect();
        }
    };
    vec![hint]
}

/// Returns what to do about a command of a job that failed: what is to be done of a device, unless the device has no part in it.
fn of_unit(error: &UnitError, of_device: &str) -> String {
    match error {
        UnitError::CutOff(cause) => cut_off(cause).next_step,
        UnitError::NotReopened(NotReopened(cause)) => of_job(cause).into_iter().next(),
        _ => None,
    }
    .unwrap_or_else(|| of_device.to_owned())
}

fn of_resolve(error: &ResolveError) -> String {
    match error {
        ResolveError::Unknown { known, .. } => match known.is_empty() {
            true => format!("the last re-IPL found no device; {RE_IPL}"),
            false => format!("it has {}", known.join(", ")),
        },
        ResolveError::TargetFailed { .. }
        | ResolveError::TargetChanged { .. }
        | ResolveError::LunNotRecorded { .. } => RE_IPL.to_owned(),
    }
}

/// Returns what to do about what could not be done with a library.
pub fn of_library_failure(error: &LibraryFailure) -> Vec<String> {
    let see = |library: &str| format!("see iscsiswiconfig library {library}");
    let hint = match error {
        LibraryFailure::Job(error) => return of_job(error),
        LibraryFailure::Device { cause, .. } => of_unit(cause, STATE_OF_DEVICE),
        LibraryFailure::NoVolume { library, .. } => format!(
            "a volume is named by its barcode or the first six characters of it, one without a barcode by its element \
             address; {}",
            see(library)
        ),
        LibraryFailure::AmbiguousVolume { found, .. } => format!(
            "give the whole barcode, or move it by its element address: {}",
            found
                .iter()
                .map(|(volume, address)| format!("{volume} at element {address}"))
                .collect::<Vec<_>>()
                .join(", ")
        ),
        LibraryFailure::NoElement { library, .. } => {
            format!("give an element address, such as 1025; {}", see(library))
        }
        LibraryFailure::ElementEmpty { library, .. }
        | LibraryFailure::ElementFull { library, .. } => see(library),
        LibraryFailure::NotItsDrive { drives, .. } => match drives.is_empty() {
            true => "this partition has none of its drives".to_owned(),
            false => format!("its drives: {}", drives.join(", ")),
        },
        LibraryFailure::DriveEmpty { .. } => "there is nothing to unmount".to_owned(),
        LibraryFailure::DriveFull { .. } => {
            "unmount that first, or give another --drive".to_owned()
        }
        LibraryFailure::InAnotherDrive { .. } => {
            "unmount it first, or leave --drive out".to_owned()
        }
        LibraryFailure::UnknownDrive { .. } => {
            format!("configure the target that shows this drive; {RE_IPL}")
        }
        LibraryFailure::NoneFree { library, what } => match *what {
            "drive" => "unmount a volume first: library unmount".to_owned(),
            _ => see(library),
        },
    };
    vec![hint]
}

/// Returns what to do about a job with a tape that failed.
pub fn of_tape(error: &TapeError) -> Vec<String> {
    let hint = match error {
        TapeError::HoldsData => "nothing was written; --overwrite replaces what it holds",
        TapeError::FileExists { .. } => {
            "nothing was written; --overwrite replaces it and removes all files behind it"
        }
        TapeError::NoSuchFile { .. } => TAPE_FILES,
        TapeError::NotEnded { file } => {
            return vec![format!(
                "nothing was written; --file {file} --overwrite writes in its place"
            )];
        }
        TapeError::NoFilemark { .. } => {
            "whatever wrote it did not end it: compare its length with what it should be"
        }
        TapeError::BlockLength { longest, .. } => {
            return vec![format!(
                "nothing was written; give --block-size {longest}, or less"
            )];
        }
        TapeError::VolumeId(_) => "give another --volume-id",
        TapeError::Unit(error) => return vec![of_unit(error, STATE_OF_DRIVE)],
        TapeError::NoInput(_) => "nothing was written",
        TapeError::Input(_) => "what was read before is on the tape, with a filemark behind it",
        TapeError::TapFile(_) => "what was read before that is on the tape",
        TapeError::NoTapFile(_) => {
            "nothing was written; tape copy takes SIMH .tap files, and tape write any file"
        }
        TapeError::Uncounted(_) => "another program may have changed it: copy once more",
        TapeError::Differs { .. } => {
            "the cartridge, the drive or the way to it changes data: keep nothing on it, and try another one"
        }
        TapeError::CountsDiffer { .. } => {
            "another job may have written there: look with tape list, and copy once more"
        }
        TapeError::Output(error) => match error.kind() {
            io::ErrorKind::StorageFull => "free some space, or name another file",
            _ => "name another file, or put right what the message says",
        },
        TapeError::Write(error) => return vec![of_write(error)],
        TapeError::Read(error) => match error {
            ReadError::TooLong { length, .. } => {
                return vec![format!("give --block-size {length}, or more")];
            }
            ReadError::NoSuchFile { .. } => TAPE_FILES,
            ReadError::MediumChanged => OTHER_USERS,
            ReadError::Failed { cause, .. } => return vec![of_unit(cause, STATE_OF_DRIVE)],
        },
    };
    vec![hint.to_owned()]
}

fn of_write(error: &WriteError) -> String {
    let hint = match error {
        WriteError::WriteProtected => "use another cartridge, or set its write-protect tab free",
        WriteError::EndOfMedium => {
            "the blocks and bytes that are on the tape end with a filemark: go on with another cartridge behind them"
        }
        WriteError::MediumChanged => OTHER_USERS,
        WriteError::Deferred { .. } | WriteError::Position { .. } | WriteError::Overwritten => {
            "what is proven to be on the tape is said; write it again, on another cartridge"
        }
        WriteError::Failed { cause, .. } => return of_unit(cause, STATE_OF_DRIVE),
    };
    hint.to_owned()
}

/// What to do about a cartridge that is in a drive and not loaded.
pub const LOAD_AGAIN: &str = "library unmount brings it to its slot, and library mount loads it";

/// Returns what to do about a request of the remote tape protocol that failed.
pub fn of_rmt(error: &RmtError) -> Vec<String> {
    let hint = match error {
        RmtError::Job(error) => return of_job(error),
        RmtError::Write(error) => return vec![of_write(error)],
        RmtError::Empty => "mount a cartridge first: iscsiswiconfig library mount TAPMLBnn VOLUME",
        RmtError::NotLoaded => LOAD_AGAIN,
        RmtError::Unended => {
            "see what is on the tape, and write it again: iscsiswiconfig tape list TAPMLBnn VOLUME"
        }
        RmtError::BlockLength { .. } => {
            "write and read with a block size that the drive takes, such as tar -b with its number of 512 bytes"
        }
        RmtError::ReadOnly | RmtError::WriteProtected => {
            "use another cartridge, or take the write protection off on the VTL"
        }
        RmtError::EndOfMedium | RmtError::NoRoom { .. } => "go on with another cartridge",
        RmtError::LongBlock { .. } => {
            "read with that block size, such as tar -b with its number of 512 bytes"
        }
        RmtError::NotOpen
        | RmtError::WrongAccess
        | RmtError::BlockTooLong(_)
        | RmtError::NotSeekable
        | RmtError::NoOperation(_)
        | RmtError::BadCount { .. }
        | RmtError::Extension(_) => {
            "what the program at the other end asks for is not done by a tape here"
        }
        RmtError::Malformed(_) => {
            "rmt is run by tar, cpio, mt or dump, by way of the script that generate rsh prints"
        }
        RmtError::EndOfData | RmtError::PositionLost => {
            "rewind the tape: iscsiswiconfig tape rewind TAPnn"
        }
        RmtError::Unit(error) => return vec![of_unit(error, STATE_OF_DRIVE)],
    };
    vec![hint.to_owned()]
}
