//! `tape`: writes, reads and looks at the tapes of a library.

mod copy;
mod list;
mod meter;
mod status;
mod trial;

use std::fs::File;
use std::io;
use std::mem;
use std::path::Path;
use std::time::Instant;

use schemars::JsonSchema;
use serde::Serialize;

use super::descriptors;
use super::library::{Talk, run_job};
use super::schema::Documents;
use super::terminal::Terminal;
use crate::cli::HostOptions;
use crate::cli::host::{CartridgeArguments, TapeAction, TapeOptions, TapeRead, TapeWrite};
use crate::error::{CommandError, ErrorKind};
use crate::iop::devices::names::DeviceKind;
use crate::iop::job::{Again, Job};
use crate::iop::library::LibraryFailure;
use crate::iop::tape::drive::TapeDrive;
use crate::iop::tape::job::{self, TapeError, Transferred, WritePlacement};
use crate::iop::tape::mount::{mount, put_back};
use crate::render::json::ErrorBody;
use crate::render::words::Code;
use crate::storage::quoted;
use crate::transport::stream::{BlockSink, BlockSource};
use crate::values::amount;
use list::list;
use meter::Meter;
use status::status;

/// `tape`; returns the exit status.
pub(super) fn run(
    options: &TapeOptions,
    host: &HostOptions,
    terminal: &mut Terminal,
) -> Result<u8, CommandError> {
    descriptors::require(descriptors::RE_IPL)?;
    let talk = Talk::new(host, options.motion_timeout, terminal)?;
    match &options.action {
        TapeAction::Write(options) => write(options, &talk, terminal),
        TapeAction::Read(options) => read(options, &talk, terminal),
        TapeAction::List(cartridge) => list(cartridge, &talk, terminal),
        TapeAction::Initialize {
            cartridge,
            volume_id,
            overwrite,
        } => initialize(cartridge, volume_id, *overwrite, &talk, terminal),
        TapeAction::Erase {
            cartridge,
            overwrite,
        } => erase(cartridge, *overwrite, &talk, terminal),
        TapeAction::Copy(options) => copy::run(options, &talk, terminal),
        TapeAction::Test(options) => trial::run(options, &talk, terminal),
        TapeAction::Status { device } => status(device, false, &talk, terminal),
        TapeAction::Rewind { device } => status(device, true, &talk, terminal),
    }
}

/// Returns whether a command puts the data of a tape on stdout.
pub(super) fn has_data_on_stdout(options: &TapeOptions) -> bool {
    matches!(&options.action, TapeAction::Read(options) if options.file.is_none())
}

/// The cartridge of a job, and what became of it.
struct CartridgeJob {
    /// Device name of the library.
    device: String,
    /// Device name of the drive; none where the job came to none.
    drive: Option<String>,
    /// The cartridge: as the library has it where the job came to a drive, else as it was named.
    volume: String,
    seconds: f64,
    outcome: Result<(), CommandError>,
    /// Why the cartridge is still in the drive.
    left: Option<LibraryFailure>,
}

impl CartridgeJob {
    /// Returns the cartridge and the drive that it was in.
    fn place(&self) -> String {
        match &self.drive {
            Some(drive) => format!("{} in {drive}", self.volume),
            None => self.volume.clone(),
        }
    }

    /// Takes why the job failed, or why its cartridge is still in the drive.
    fn failure(&mut self) -> Option<CommandError> {
        let outcome = mem::replace(&mut self.outcome, Ok(()));
        match (outcome, self.left.take()) {
            (Err(error), _) => Some(error),
            (Ok(()), Some(left)) => {
                let drive = self.drive.as_deref().unwrap_or_default();
                let place = format!("{} is still in {drive}", self.volume);
                Some(CommandError::from(left).with_context(place))
            }
            (Ok(()), None) => None,
        }
    }
}

/// Returns whether an error is told with the fields of the job that it ended, also where the job came to no drive: that is so
/// for what exit statuses 1 and 4 stand for.
fn ends_a_job(error: &CommandError) -> bool {
    matches!(error.kind, ErrorKind::Refused | ErrorKind::Device)
}

/// Runs a job with a cartridge in a drive, and puts it back.
fn with_cartridge(
    talk: &Talk,
    cartridge: &CartridgeArguments,
    command: &str,
    job: impl AsyncFnOnce(&mut TapeDrive<Again>) -> Result<(), TapeError>,
) -> Result<CartridgeJob, CommandError> {
    let purpose = format!("tape {command} {} {}", cartridge.library, cartridge.volume);
    let drive = cartridge.drive.as_deref();
    let names: Vec<_> = std::iter::once((cartridge.library.as_str(), Some(DeviceKind::Library)))
        .chain(drive.map(|drive| (drive, Some(DeviceKind::Drive))))
        .collect();
    let outcome = run_job(async {
        let mut held = talk.open(&names, &purpose).await?;
        let outcome = used(&mut held, cartridge, job).await;
        held.close().await;
        outcome
    });
    match outcome {
        Err(error) if ends_a_job(&error) => Ok(CartridgeJob {
            device: cartridge.library.to_ascii_uppercase(),
            drive: None,
            volume: cartridge.volume.clone(),
            seconds: 0.0,
            outcome: Err(error),
            left: None,
        }),
        outcome => outcome,
    }
}

async fn used(
    held: &mut Job<'_>,
    cartridge: &CartridgeArguments,
    job: impl AsyncFnOnce(&mut TapeDrive<Again>) -> Result<(), TapeError>,
) -> Result<CartridgeJob, LibraryFailure> {
    let drive = cartridge.drive.as_deref();
    let mut loaded = mount(held, &cartridge.library, &cartridge.volume, drive).await?;
    let started = Instant::now();
    let outcome = job(&mut loaded.drive).await;
    let place = format!("{} in {}", loaded.volume, loaded.device);
    let outcome = outcome.map_err(|error| match error {
        // Not of the cartridge.
        TapeError::Input(_) | TapeError::NoInput(_) | TapeError::Output(_) => error.into(),
        error => CommandError::from(error).with_context(place),
    });
    Ok(CartridgeJob {
        device: loaded.library.clone(),
        drive: Some(loaded.device.clone()),
        volume: loaded.volume.clone(),
        seconds: started.elapsed().as_secs_f64(),
        outcome,
        left: put_back(held, loaded).await.err(),
    })
}

/// Adds what is printed here to the schema.
pub(super) fn describe(documents: &mut Documents) {
    documents.document::<JobDocument<'static>>();
    list::describe(documents);
    status::describe(documents);
    copy::describe(documents);
    trial::describe(documents);
}

/// What `tape write`, `read`, `initialize` and `erase` print with `--json`, and `test` with more behind it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TapeJob")]
struct JobDocument<'a> {
    /// Number of the schema.
    #[schemars(extend("const" = 1))]
    schema: u32,
    /// Device name of the library.
    device: &'a str,
    /// Device name of the drive; null where the job came to none.
    drive: Option<&'a str>,
    /// Barcode of the cartridge, or its element address; as it was named where the job came to no drive.
    volume: &'a str,
    /// Number of the tape file, from 1; null where it is not known, and for a job that is about none.
    file: Option<u64>,
    /// Number of blocks that were transferred.
    blocks: u64,
    /// Number of bytes in them.
    bytes: u64,
    /// How long the job took in the drive, in seconds.
    seconds: f64,
    /// Whether the end of the tape was reached.
    end_of_medium: bool,
    /// Number of blocks that are proven to be on the tape.
    proven: u64,
    /// Why the job failed; absent when it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorBody<'a>>,
}

impl<'a> JobDocument<'a> {
    fn new(
        held: &'a CartridgeJob,
        transferred: Transferred,
        error: Option<&'a CommandError>,
    ) -> Self {
        Self {
            schema: 1,
            device: &held.device,
            drive: held.drive.as_deref(),
            volume: &held.volume,
            file: (transferred.file > 0).then_some(transferred.file),
            blocks: transferred.blocks,
            bytes: transferred.bytes,
            seconds: rounded(held.seconds),
            end_of_medium: transferred.end_of_medium,
            proven: transferred.proven,
            error: error.map(ErrorBody::new),
        }
    }
}

/// Prints what became of a job, to stderr where the data went to stdout, and returns the exit status. `words` are what is said
/// of the cartridge and its drive when all went well; a job that transfers blocks says how many, also when it did not.
fn tell(
    mut held: CartridgeJob,
    transferred: Transferred,
    words: JobWords<'_>,
    terminal: &mut Terminal,
) -> Result<u8, CommandError> {
    let error = held.failure();
    let document = JobDocument::new(&held, transferred, error.as_ref());
    if let Some(error) = &error {
        terminal.error(error);
    }
    let place = held.place();
    let blocks = format!(
        "{}, {}",
        amount(transferred.blocks, "block"),
        amount(transferred.bytes, "byte")
    );
    let file = transferred.file;
    let mut text = match words {
        JobWords::Written => format!("Wrote {blocks} to file {file} of {place}"),
        JobWords::Read => format!("Read {blocks} from file {file} of {place}"),
        JobWords::Labelled(volume) => format!("Volume {place} is labelled {volume}"),
        JobWords::Erased => format!("Volume {place} is erased"),
    };
    if error.is_some() {
        text.push_str(&format!(
            "; proven: {}",
            amount(transferred.proven, "block")
        ));
    }
    text.push_str(".\n");
    match (terminal.json, terminal.has_data_on_stdout) {
        (true, _) => terminal.print_document(&document)?,
        // A job that did nothing has said why.
        (false, _) if error.is_some() && transferred.blocks == 0 && !transferred.end_of_medium => {}
        (false, true) if terminal.quiet => {}
        (false, true) => terminal.notes().line(text.trim_end()),
        (false, false) => terminal.print(&text)?,
    }
    Ok(error.map_or(0, |error| error.kind.exit_status()))
}

/// What is said of a job.
#[derive(Clone, Copy)]
enum JobWords<'a> {
    Written,
    Read,
    Labelled(&'a str),
    Erased,
}

fn rounded(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

/// Names the file where it is what could not be written.
fn of_output(error: CommandError, path: &Path) -> CommandError {
    match error.code {
        Code::OutputFailed => error.with_context(quoted(path).to_string()),
        _ => error,
    }
}

fn file_failure(error: io::Error, operation: &str, path: &Path) -> CommandError {
    CommandError {
        kind: ErrorKind::State,
        code: Code::FileUnusable,
        error: anyhow::Error::new(error).context(format!("cannot {operation} {}", quoted(path))),
        hints: vec!["name another file, or put right what the message says".to_owned()],
    }
}

fn write(options: &TapeWrite, talk: &Talk, terminal: &mut Terminal) -> Result<u8, CommandError> {
    let block_length = usize::try_from(options.block_size).unwrap_or(usize::MAX);
    // What cannot be opened is refused before a cartridge moves.
    let (input, total) = match &options.file {
        Some(path) => {
            let opened = File::open(path).and_then(|file| Ok((file.metadata()?, file)));
            let (data, file) = match opened {
                // It opens, and then cannot be read: by then a cartridge would have moved, and been written on.
                Ok((data, _)) if data.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
                opened => opened,
            }
            .map_err(|error| file_failure(error, "read", path))?;
            (Some(file), data.is_file().then_some(data.len()))
        }
        None => (None, None),
    };
    let place = match (options.number, options.append) {
        (Some(number), _) => WritePlacement::File(number),
        (None, true) => WritePlacement::End,
        (None, false) => WritePlacement::Beginning,
    };
    let mut transferred = Transferred {
        file: match place {
            WritePlacement::Beginning => 1,
            WritePlacement::File(file) => file,
            WritePlacement::End => 0,
        },
        ..Transferred::default()
    };
    let mut meter = Meter::new(terminal, total);
    let held = with_cartridge(talk, &options.cartridge, "write", async |drive| {
        job::require_block_length(drive, options.block_size).await?;
        let source = match input {
            Some(file) => BlockSource::start(file, block_length),
            None => BlockSource::start(io::stdin(), block_length),
        };
        let mut source = source.map_err(TapeError::Input)?;
        job::write(
            drive,
            place,
            options.overwrite,
            &mut source,
            &mut transferred,
            &mut |bytes| meter.tell(bytes),
        )
        .await
    })?;
    meter.end();
    tell(held, transferred, JobWords::Written, terminal)
}

fn read(options: &TapeRead, talk: &Talk, terminal: &mut Terminal) -> Result<u8, CommandError> {
    let block_length = usize::try_from(options.block_size).unwrap_or(usize::MAX);
    let mut transferred = Transferred {
        file: options.number,
        ..Transferred::default()
    };
    let mut meter = Meter::new(terminal, None);
    let path = options.file.clone();
    let open = move || match path {
        None => BlockSink::start(io::stdout(), block_length, |mut output| {
            io::Write::flush(&mut output)
        }),
        Some(path) => BlockSink::start(File::create(&path)?, block_length, |_| Ok(())),
    };
    let mut held = with_cartridge(talk, &options.cartridge, "read", async |drive| {
        job::read(
            drive,
            options.number,
            options.block_size,
            open,
            &mut transferred,
            &mut |bytes| meter.tell(bytes),
        )
        .await
    })?;
    meter.end();
    if let Some(path) = &options.file {
        held.outcome = held.outcome.map_err(|error| of_output(error, path));
    }
    tell(held, transferred, JobWords::Read, terminal)
}

fn initialize(
    cartridge: &CartridgeArguments,
    volume_id: &str,
    overwrite: bool,
    talk: &Talk,
    terminal: &mut Terminal,
) -> Result<u8, CommandError> {
    // An identifier that is none is refused before a cartridge moves.
    crate::iop::tape::label::volume_label(volume_id).map_err(TapeError::VolumeId)?;
    let mut transferred = Transferred {
        file: 1,
        ..Transferred::default()
    };
    let held = with_cartridge(talk, cartridge, "initialize", async |drive| {
        job::initialize(drive, volume_id, overwrite, &mut transferred).await
    })?;
    tell(held, transferred, JobWords::Labelled(volume_id), terminal)
}

fn erase(
    cartridge: &CartridgeArguments,
    overwrite: bool,
    talk: &Talk,
    terminal: &mut Terminal,
) -> Result<u8, CommandError> {
    let held = with_cartridge(talk, cartridge, "erase", async |drive| {
        job::erase(drive, overwrite).await
    })?;
    tell(held, Transferred::default(), JobWords::Erased, terminal)
}
