//! `tape copy`: a whole tape, between cartridges and .tap files.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::anyhow;
use schemars::JsonSchema;
use serde::Serialize;

use super::meter::Meter;
use super::{ends_a_job, file_failure, of_output, rounded};
use crate::cli::host::{Side, TapeCopy};
use crate::commands::library::Talk;
use crate::commands::schema::Documents;
use crate::commands::terminal::Terminal;
use crate::error::{CommandError, ErrorKind};
use crate::iop::devices::names::DeviceKind;
use crate::iop::job::{Again, Job};
use crate::iop::library::{LibraryFailure, OpenLibrary};
use crate::iop::tape::copy::{Copied, From, To, copy};
use crate::iop::tape::count::{Counted, count};
use crate::iop::tape::job::{TapeError, require_no_data};
use crate::iop::tape::mount::{Loaded, mount, put_back};
use crate::iop::tape::read::TapeReader;
use crate::iop::tape::tap_file::{self, TapSink, TapSource};
use crate::iop::tape::write::Writer;
use crate::render::json::ErrorBody;
use crate::render::words::Code;
use crate::storage::quoted;
use crate::transport;
use crate::values::amount;

/// A side of a copy, as it was found; as it was named where the copy did not come to it.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[schemars(rename = "CopySide")]
struct End {
    /// Device name of the library; null for a file.
    device: Option<String>,
    /// Device name of the drive; null for a file.
    drive: Option<String>,
    /// The cartridge; null for a file.
    volume: Option<String>,
    /// The file; null for a cartridge.
    path: Option<String>,
    /// What was counted when all was copied; null when it was not.
    blocks: Option<u64>,
    /// The filemarks that were counted then.
    filemarks: Option<u64>,
}

impl End {
    /// Returns a side as it was named.
    fn of(side: &Side) -> Self {
        match side {
            Side::Cartridge { library, volume } => Self {
                device: Some(library.to_ascii_uppercase()),
                volume: Some(volume.clone()),
                ..Self::default()
            },
            Side::File(path) => Self::of_file(path),
        }
    }

    fn of_file(path: &Path) -> Self {
        Self {
            path: Some(path.to_string_lossy().into_owned()),
            ..Self::default()
        }
    }

    fn of_cartridge(loaded: &Loaded) -> Self {
        Self {
            device: Some(loaded.library.clone()),
            drive: Some(loaded.device.clone()),
            volume: Some(loaded.volume.clone()),
            ..Self::default()
        }
    }

    fn count(&mut self, counted: Counted) {
        (self.blocks, self.filemarks) = (Some(counted.blocks), Some(counted.filemarks));
    }

    fn name(&self) -> String {
        match (&self.volume, &self.drive, &self.path) {
            (Some(volume), Some(drive), _) => format!("{volume} in {drive}"),
            (_, _, Some(path)) => path.clone(),
            _ => "nothing".to_owned(),
        }
    }
}

/// Adds what is printed here to the schema.
pub(super) fn describe(documents: &mut Documents) {
    documents.document::<CopyDocument<'static>>();
}

/// What `tape copy` prints with `--json`.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TapeCopy")]
struct CopyDocument<'a> {
    /// Number of the schema.
    #[schemars(extend("const" = 1))]
    schema: u32,
    /// Device name of the library that was written to; null for a file.
    device: Option<&'a str>,
    /// Device name of the drive that was written to; null for a file.
    drive: Option<&'a str>,
    /// The cartridge that was written to; null for a file.
    volume: Option<&'a str>,
    /// Number of the tape file, from 1.
    file: u64,
    /// Number of blocks that were transferred.
    blocks: u64,
    /// Number of filemarks that were written.
    filemarks: u64,
    /// Number of bytes in them.
    bytes: u64,
    /// How long the job took in the drive, in seconds.
    seconds: f64,
    /// Whether the end of the tape was reached.
    end_of_medium: bool,
    /// Number of blocks that are proven to be on the tape.
    proven: u64,
    /// The side that was read.
    from: &'a End,
    /// The side that was written.
    to: &'a End,
    /// Why the job failed; absent when it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorBody<'a>>,
}

/// How far a copy came.
#[derive(Default)]
struct Report {
    from: End,
    to: End,
    copied: Copied,
    seconds: f64,
}

/// `tape copy`
pub(super) fn run(
    options: &TapeCopy,
    talk: &Talk,
    terminal: &mut Terminal,
) -> Result<u8, CommandError> {
    let mut report = Report {
        from: End::of(&options.from),
        to: End::of(&options.to),
        ..Report::default()
    };
    let total = match &options.from {
        Side::File(path) => fs::metadata(path).ok().map(|data| data.len()),
        Side::Cartridge { .. } => None,
    };
    let mut meter = Meter::new(terminal, total);
    let outcome = match check(options) {
        Ok(()) => transport::block_on(copy_sides(options, talk, &mut report, &mut meter))
            .map_err(CommandError::no_runtime)?,
        Err(error) => Err(error),
    };
    meter.end();
    let error = match outcome {
        Ok(()) => None,
        // Something was copied, or was about to be.
        Err(error) if report.seconds > 0.0 || ends_a_job(&error) => Some(error),
        Err(error) => return Err(error),
    };
    if let Some(error) = &error {
        terminal.error(error);
    }
    let copied = report.copied;
    if terminal.json {
        terminal.print_document(&CopyDocument {
            schema: 1,
            device: report.to.device.as_deref(),
            drive: report.to.drive.as_deref(),
            volume: report.to.volume.as_deref(),
            file: 1,
            blocks: copied.blocks,
            filemarks: copied.filemarks,
            bytes: copied.bytes,
            seconds: rounded(report.seconds),
            end_of_medium: copied.end_of_medium,
            proven: copied.proven,
            from: &report.from,
            to: &report.to,
            error: error.as_ref().map(ErrorBody::new),
        })?;
    } else if error.is_none() || copied.blocks > 0 || copied.end_of_medium {
        terminal.print(&format!(
            "Copied {}, {}, {} from {} to {}{}.\n",
            amount(copied.blocks, "block"),
            amount(copied.filemarks, "filemark"),
            amount(copied.bytes, "byte"),
            report.from.name(),
            report.to.name(),
            match error.is_some() {
                true => format!("; proven: {}", amount(copied.proven, "block")),
                false => "; both sides were counted".to_owned(),
            }
        ))?;
    }
    Ok(error.map_or(0, |error| error.kind.exit_status()))
}

/// Refuses what needs no device to be refused.
fn check(options: &TapeCopy) -> Result<(), CommandError> {
    let is_file = |side: &Side| matches!(side, Side::File(_));
    if is_file(&options.from) && is_file(&options.to) {
        return Err(CommandError::usage(
            "FROM and TO are both files".to_owned(),
            vec!["one of them is a cartridge, TAPMLBnn:VOLUME; cp copies a file".to_owned()],
        ));
    }
    if let Some(via) = &options.via {
        if is_file(&options.from) || is_file(&options.to) {
            return Err(CommandError::usage(
                "--via is for a copy from cartridge to cartridge".to_owned(),
                vec!["leave --via out".to_owned()],
            ));
        }
        if fs::symlink_metadata(via).is_ok() {
            return Err(exists(via, "give --via a name that is not taken"));
        }
    }
    if let Side::File(path) = &options.to
        && !options.overwrite
        && fs::symlink_metadata(path).is_ok()
    {
        return Err(exists(path, "--overwrite replaces it"));
    }
    if let Side::File(path) = &options.from {
        File::open(path).map_err(|error| file_failure(error, "read", path))?;
    }
    Ok(())
}

fn exists(path: &Path, hint: &str) -> CommandError {
    CommandError {
        kind: ErrorKind::Refused,
        code: Code::FileExists,
        error: anyhow!("{} exists", quoted(path)),
        hints: vec![hint.to_owned()],
    }
}

/// Makes a file that is its owner's alone.
fn create(path: &Path, overwrite: bool) -> Result<File, CommandError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    match overwrite {
        true => options.create(true).truncate(true),
        false => options.create_new(true),
    };
    options
        .open(path)
        .map_err(|error| file_failure(error, "create", path))
}

/// Opens the libraries of both sides together, so that their locks are taken in the order of target names.
async fn copy_sides(
    options: &TapeCopy,
    talk: &Talk,
    report: &mut Report,
    meter: &mut Meter,
) -> Result<(), CommandError> {
    let libraries: Vec<_> = [&options.from, &options.to]
        .into_iter()
        .filter_map(|side| match side {
            Side::Cartridge { library, .. } => Some((library.as_str(), Some(DeviceKind::Library))),
            Side::File(_) => None,
        })
        .collect();
    let purpose = format!("tape copy {} {}", options.from, options.to);
    let mut job = talk.open(&libraries, &purpose).await?;
    let outcome = copy_between(options, &mut job, report, meter).await;
    job.close().await;
    outcome
}

async fn copy_between(
    options: &TapeCopy,
    job: &mut Job<'_>,
    report: &mut Report,
    meter: &mut Meter,
) -> Result<(), CommandError> {
    // Before anything moves: the targets of all drives are held, and the cartridges are there.
    let mut places = Vec::new();
    for side in [&options.from, &options.to] {
        if let Side::Cartridge { library, volume } = side {
            let mut open = OpenLibrary::new(job, library).await?;
            let inventory = open.reach_drives().await?;
            let place = inventory.find_volume(volume)?;
            places.push((open.name().to_owned(), place.address));
        }
    }
    if let [from, to] = places.as_slice()
        && from == to
    {
        return Err(CommandError {
            kind: ErrorKind::Refused,
            code: Code::SameCartridge,
            error: anyhow!("{} and {} are one cartridge", options.from, options.to),
            hints: vec!["give another cartridge to copy to".to_owned()],
        });
    }
    match &options.via {
        Some(via) => copy_via(options, via, job, report, meter).await,
        None => {
            let from = taken(job, &options.from, report, ReportedEnd::from).await?;
            let to = match taken(job, &options.to, report, ReportedEnd::to).await {
                Ok(to) => to,
                Err(error) => {
                    // The first failure is the one to report.
                    let _ = give_back(job, from).await;
                    return Err(with_via(error));
                }
            };
            let mut sides = (from, to);
            let outcome = copy_taken(options, &mut sides, report, meter).await;
            let (from, to) = sides;
            let (from, to) = (give_back(job, from).await, give_back(job, to).await);
            outcome.and(from).and(to)
        }
    }
}

fn with_via(mut error: CommandError) -> CommandError {
    if error.code == Code::NoneFree {
        error.hints = vec![
            "a copy takes two drives: unmount a volume, or give --via FILE to copy through a temporary file".to_owned(),
        ];
    }
    error
}

/// Which side of the report a side is told in.
struct ReportedEnd;

impl ReportedEnd {
    fn from(report: &mut Report) -> &mut End {
        &mut report.from
    }

    fn to(report: &mut Report) -> &mut End {
        &mut report.to
    }
}

/// A side that is ready.
enum ReadySide {
    Cartridge(Box<Loaded>),
    /// A file by its path, and the file itself where it was made for this copy.
    File(PathBuf, Option<File>),
}

async fn taken(
    job: &mut Job<'_>,
    side: &Side,
    report: &mut Report,
    end: fn(&mut Report) -> &mut End,
) -> Result<ReadySide, CommandError> {
    Ok(match side {
        Side::Cartridge { library, volume } => {
            let loaded = mount(job, library, volume, None).await?;
            *end(report) = End::of_cartridge(&loaded);
            ReadySide::Cartridge(Box::new(loaded))
        }
        Side::File(path) => {
            *end(report) = End::of_file(path);
            ReadySide::File(path.clone(), None)
        }
    })
}

async fn give_back(job: &mut Job<'_>, taken: ReadySide) -> Result<(), CommandError> {
    let ReadySide::Cartridge(loaded) = taken else {
        return Ok(());
    };
    let place = format!("{} is still in {}", loaded.volume, loaded.device);
    put_back(job, *loaded)
        .await
        .map_err(|left: LibraryFailure| CommandError::from(left).with_context(place))
}

/// Copies between two sides, and counts them.
async fn copy_taken(
    options: &TapeCopy,
    sides: &mut (ReadySide, ReadySide),
    report: &mut Report,
    meter: &mut Meter,
) -> Result<(), CommandError> {
    if let (_, ReadySide::Cartridge(loaded)) = sides
        && !options.overwrite
    {
        let blank = require_no_data(&mut loaded.drive).await;
        blank.map_err(|error| of_side(error, report))?;
    }
    let started = Instant::now();
    let outcome = transferred(sides, options.overwrite, report, meter).await;
    report.seconds += started.elapsed().as_secs_f64();
    outcome?;
    let from = counted(&mut sides.0, report.from.name(), report.copied, meter).await?;
    report.from.count(from);
    let to = counted(&mut sides.1, report.to.name(), report.copied, meter).await?;
    report.to.count(to);
    Ok(())
}

async fn transferred(
    sides: &mut (ReadySide, ReadySide),
    overwrite: bool,
    report: &mut Report,
    meter: &mut Meter,
) -> Result<(), CommandError> {
    report.copied = Copied::default();
    let from = match &mut sides.0 {
        ReadySide::Cartridge(loaded) => From::Tape(
            TapeReader::of_any_length(&mut loaded.drive)
                .await
                .map_err(TapeError::from)?,
        ),
        ReadySide::File(path, _) => {
            let file = File::open(&*path).map_err(|error| file_failure(error, "read", path))?;
            From::File(TapSource::start(file).map_err(TapeError::Input)?)
        }
    };
    let to = match &mut sides.1 {
        ReadySide::Cartridge(loaded) => {
            loaded.drive.rewind().await.map_err(TapeError::Unit)?;
            let writer = Writer::begin(&mut loaded.drive).await;
            To::Tape(writer.map_err(TapeError::Unit)?)
        }
        ReadySide::File(path, made) => {
            let file = match made.take() {
                Some(file) => file,
                None => create(path, overwrite)?,
            };
            To::File(TapSink::start(file).map_err(TapeError::Output)?)
        }
    };
    let progress = &mut |bytes| meter.tell(bytes);
    let outcome = copy::<Again, Again>(from, to, &mut report.copied, progress).await;
    outcome.map_err(|error| {
        let error = of_side(error, report);
        match &sides.1 {
            ReadySide::File(path, _) => of_output(error, path),
            ReadySide::Cartridge(_) => error,
        }
    })
}

/// Says of which side a failure is.
fn of_side(error: TapeError, report: &Report) -> CommandError {
    let side = match &error {
        // What reads has errors of its own: a bare one is of the side that was to be emptied.
        TapeError::HoldsData | TapeError::Write(_) | TapeError::Unit(_) => &report.to,
        TapeError::Read(_) | TapeError::TapFile(_) | TapeError::NoTapFile(_) => &report.from,
        _ => return error.into(),
    };
    CommandError::from(error).with_context(side.name())
}

/// Counts a side, and compares it with what was copied.
async fn counted(
    side: &mut ReadySide,
    name: String,
    copied: Copied,
    meter: &mut Meter,
) -> Result<Counted, CommandError> {
    let counted = match side {
        ReadySide::Cartridge(loaded) => {
            count(&mut loaded.drive, &mut |bytes| meter.tell(bytes)).await?
        }
        ReadySide::File(path, _) => {
            let file = File::open(&*path).map_err(|error| file_failure(error, "read", path))?;
            let counted = tap_file::count(file).await;
            counted.map_err(|error| {
                CommandError::from(TapeError::Uncounted(error)).with_context(name.clone())
            })?
        }
    };
    match copied.agrees(&counted) {
        true => Ok(counted),
        false => Err(TapeError::CountsDiffer {
            side: name,
            counted,
            blocks: copied.blocks,
            filemarks: copied.filemarks,
        }
        .into()),
    }
}

/// Copies to a temporary file with one cartridge in a drive, and from it with the other.
async fn copy_via(
    options: &TapeCopy,
    via: &Path,
    job: &mut Job<'_>,
    report: &mut Report,
    meter: &mut Meter,
) -> Result<(), CommandError> {
    if !options.overwrite {
        // What would be refused at the end is refused before the long way there.
        let mut to = taken(job, &options.to, report, ReportedEnd::to).await?;
        let blank = match &mut to {
            ReadySide::Cartridge(loaded) => require_no_data(&mut loaded.drive).await,
            ReadySide::File(..) => Ok(()),
        };
        let blank = blank.map_err(|error| of_side(error, report));
        let given_back = give_back(job, to).await;
        blank?;
        given_back?;
    }
    let kept = |error: CommandError| {
        let mut error = error;
        error.hints.push(format!(
            "{} has what was read, and stays: remove it when it is of no more use",
            quoted(via)
        ));
        error
    };
    let made = create(via, false)?;
    let from = taken(job, &options.from, report, ReportedEnd::from).await;
    let from = from.map_err(|error| unused(via, error))?;
    let mut sides = (from, ReadySide::File(via.to_owned(), Some(made)));
    report.to = End::of_file(via);
    let outcome = through(options, &mut sides, report, meter, Half::First).await;
    let given_back = give_back(job, sides.0).await;
    outcome.and(given_back).map_err(kept)?;
    let to = taken(job, &options.to, report, ReportedEnd::to)
        .await
        .map_err(kept)?;
    let mut sides = (ReadySide::File(via.to_owned(), None), to);
    let outcome = through(options, &mut sides, report, meter, Half::Second).await;
    let given_back = give_back(job, sides.1).await;
    outcome.and(given_back).map_err(kept)?;
    fs::remove_file(via).map_err(|error| file_failure(error, "remove", via))
}

/// Takes back a temporary file into which nothing was read.
fn unused(via: &Path, error: CommandError) -> CommandError {
    // The failure before it is the one to report.
    let _ = fs::remove_file(via);
    error
}

/// A half of a copy through a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Half {
    First,
    Second,
}

async fn through(
    options: &TapeCopy,
    sides: &mut (ReadySide, ReadySide),
    report: &mut Report,
    meter: &mut Meter,
    half: Half,
) -> Result<(), CommandError> {
    meter.begin(match half {
        Half::First => None,
        Half::Second => Some(report.copied.bytes),
    });
    if half == Half::Second
        && !options.overwrite
        && let ReadySide::Cartridge(loaded) = &mut sides.1
    {
        let blank = require_no_data(&mut loaded.drive).await;
        blank.map_err(|error| of_side(error, report))?;
    }
    let started = Instant::now();
    let outcome = transferred(sides, false, report, meter).await;
    report.seconds += started.elapsed().as_secs_f64();
    outcome?;
    let from = counted(&mut sides.0, report.from.name(), report.copied, meter).await?;
    if half == Half::First {
        report.from.count(from);
    }
    let to = counted(&mut sides.1, report.to.name(), report.copied, meter).await?;
    report.to.count(to);
    Ok(())
}
