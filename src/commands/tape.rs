//! `tape`: writes, reads and looks at the tapes of a library.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use serde::Serialize;
use serde_json::Value;

use super::descriptors;
use super::host::{chap_algorithms, open_store};
use super::narrator::Narrator;
use super::terminal::Terminal;
use crate::cli::HostOptions;
use crate::cli::host::{Cartridge, TapeAction, TapeOptions, TapeRead, TapeWrite};
use crate::error::{CommandError, ErrorKind};
use crate::iop::devices::names::DeviceKind;
use crate::iop::job::{Again, JobError, JobSettings};
use crate::iop::store::Store;
use crate::iop::tape::drive::Drive;
use crate::iop::tape::job::{self, Place, TapeError, TapeFile, Transferred};
use crate::iop::tape::label::{Content, Label};
use crate::iop::tape::mount::Job;
use crate::render::json::ErrorDocument;
use crate::render::text::Page;
use crate::render::words::Code;
use crate::storage::quoted;
use crate::transport::block_on;
use crate::transport::stream::{BlockSink, BlockSource};

/// `tape`; returns the exit status.
pub(super) fn run(
    options: &TapeOptions,
    host: &HostOptions,
    terminal: &mut Terminal,
) -> Result<u8, CommandError> {
    descriptors::require(descriptors::RE_IPL)?;
    let context = Context {
        store: open_store(host)?,
        settings: JobSettings {
            timeout: host.timeout,
            motion_timeout: options.motion_timeout,
            chap_algorithms: chap_algorithms(host)?,
        },
        host,
    };
    match &options.action {
        TapeAction::Write(options) => write(options, &context, terminal),
        TapeAction::Read(options) => read(options, &context, terminal),
        TapeAction::List(cartridge) => list(cartridge, &context, terminal),
        TapeAction::Initialize {
            cartridge,
            volume_id,
            overwrite,
        } => initialize(cartridge, volume_id, *overwrite, &context, terminal),
        TapeAction::Erase {
            cartridge,
            overwrite,
        } => erase(cartridge, *overwrite, &context, terminal),
        TapeAction::Status { device } => status(device, false, &context, terminal),
        TapeAction::Rewind { device } => status(device, true, &context, terminal),
    }
}

struct Context<'a> {
    store: Store,
    settings: JobSettings,
    host: &'a HostOptions,
}

/// The cartridge of a job, and what became of it.
struct Held<T> {
    device: String,
    drive: String,
    volume: String,
    seconds: f64,
    outcome: T,
    /// Why the cartridge is still in the drive.
    left: Option<JobError>,
}

impl Context<'_> {
    /// Runs a job with a cartridge in a drive, and puts it back.
    fn with_cartridge<T>(
        &self,
        cartridge: &Cartridge,
        command: &str,
        terminal: &Terminal,
        job: impl AsyncFnOnce(&mut Drive<Again>) -> T,
    ) -> Result<Held<T>, CommandError> {
        let observer = Narrator::new(self.host, terminal).observe_job();
        let purpose = format!("tape {command} {} {}", cartridge.library, cartridge.volume);
        block_on(async {
            let library = &cartridge.library;
            let opened =
                Job::open(&self.store, &self.settings, observer, library, &purpose).await?;
            let mounted = opened
                .mount(&cartridge.volume, cartridge.drive.as_deref())
                .await;
            let mut mounted = match mounted {
                Ok(mounted) => mounted,
                Err(error) => {
                    opened.close().await;
                    return Err(error.into());
                }
            };
            let started = Instant::now();
            let outcome = job(&mut mounted.drive).await;
            let seconds = started.elapsed().as_secs_f64();
            let device = opened.named(DeviceKind::Library)?.name;
            let (drive, volume) = (mounted.device.name.clone(), mounted.volume.clone());
            let left = opened.put_back(mounted).await.err();
            opened.close().await;
            Ok(Held {
                device,
                drive,
                volume,
                seconds,
                outcome,
                left,
            })
        })
        .map_err(no_runtime)?
    }
}

fn no_runtime(error: io::Error) -> CommandError {
    CommandError {
        kind: ErrorKind::State,
        code: Code::NoResources,
        error: anyhow::Error::new(error).context("cannot begin"),
        hints: vec!["raise the limit of open files, or end other programs".to_owned()],
    }
}

/// What a job prints with `--json`.
#[derive(Serialize)]
struct JobDocument<'a> {
    schema: u32,
    device: &'a str,
    drive: &'a str,
    volume: &'a str,
    file: u64,
    blocks: u64,
    bytes: u64,
    seconds: f64,
    end_of_medium: bool,
    proven: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Value>,
}

/// Prints what became of a job, to stderr where the data went to stdout, and returns the exit status.
fn tell(
    held: Held<Result<(), TapeError>>,
    transferred: Transferred,
    verb: &str,
    data_on_stdout: bool,
    terminal: &mut Terminal,
) -> Result<u8, CommandError> {
    let error = failure(&held.volume, &held.drive, held.outcome.err(), held.left);
    let document = JobDocument {
        schema: 1,
        device: &held.device,
        drive: &held.drive,
        volume: &held.volume,
        file: transferred.file,
        blocks: transferred.blocks,
        bytes: transferred.bytes,
        seconds: rounded(held.seconds),
        end_of_medium: transferred.end_of_medium,
        proven: transferred.proven,
        error: error.as_ref().map(error_body).transpose()?,
    };
    if let Some(error) = &error {
        terminal.error(error);
    }
    let text = format!(
        "{verb} {} blocks, {} bytes, file {} of {} in {}{}\n",
        transferred.blocks,
        transferred.bytes,
        transferred.file,
        held.volume,
        held.drive,
        match error.is_some() {
            true => format!(", {} blocks proven", transferred.proven),
            false => String::new(),
        }
    );
    match (terminal.json, data_on_stdout) {
        (true, true) => terminal.note_document(&document)?,
        (true, false) => terminal.print_document(&document)?,
        // A job that did nothing has said why.
        (false, _) if transferred.blocks == 0 && error.is_some() => {}
        (false, true) if terminal.quiet => {}
        (false, true) => terminal.notes().line(text.trim_end()),
        (false, false) => terminal.print(&text)?,
    }
    Ok(error.map_or(0, |error| error.kind.exit_status()))
}

fn failure(
    volume: &str,
    drive: &str,
    error: Option<TapeError>,
    left: Option<JobError>,
) -> Option<CommandError> {
    match (error, left) {
        (Some(error), _) => Some(error.into()),
        (None, Some(left)) => {
            let error = CommandError::from(left);
            Some(CommandError {
                error: error.error.context(format!("{volume} is still in {drive}")),
                ..error
            })
        }
        (None, None) => None,
    }
}

fn error_body(error: &CommandError) -> Result<Value, CommandError> {
    let document = serde_json::to_value(ErrorDocument::new(error))
        .map_err(|error| CommandError::output(error.into()))?;
    Ok(document.get("error").cloned().unwrap_or_default())
}

fn rounded(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

/// Says on a terminal how far a job is, twice a second.
struct Meter {
    terminal: Option<Terminal>,
    total: Option<u64>,
    started: Instant,
    told: Duration,
}

impl Meter {
    const INTERVAL: Duration = Duration::from_millis(500);

    fn new(terminal: &Terminal, total: Option<u64>) -> Self {
        Self {
            terminal: (terminal.interactive && !terminal.quiet).then(|| terminal.clone()),
            total,
            started: Instant::now(),
            told: Duration::ZERO,
        }
    }

    fn tell(&mut self, bytes: u64) {
        let Some(terminal) = &self.terminal else {
            return;
        };
        let elapsed = self.started.elapsed();
        if elapsed.saturating_sub(self.told) < Self::INTERVAL {
            return;
        }
        self.told = elapsed;
        terminal
            .notes()
            .progress(&progress(bytes, self.total, elapsed));
    }

    fn end(&self) {
        if let Some(terminal) = &self.terminal
            && !self.told.is_zero()
        {
            terminal.notes().line("");
        }
    }
}

/// Returns how far a job is: bytes, rate, and the time left where the total is known.
fn progress(bytes: u64, total: Option<u64>, elapsed: Duration) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    let rate = megabytes(bytes) / elapsed.as_secs_f64().max(0.001);
    let mut text = format!("{:.0} MB, {rate:.0} MB/s", megabytes(bytes));
    if let Some(left) = total.and_then(|total| total.checked_sub(bytes))
        && rate > 0.0
    {
        text.push_str(&format!(", {:.0} s left", megabytes(left) / rate));
    }
    text
}

fn file_failure(error: io::Error, operation: &str, path: &Path) -> CommandError {
    CommandError {
        kind: ErrorKind::State,
        code: Code::FileUnusable,
        error: anyhow::Error::new(error).context(format!("cannot {operation} {}", quoted(path))),
        hints: vec!["name another file, or put right what the message says".to_owned()],
    }
}

fn write(
    options: &TapeWrite,
    context: &Context<'_>,
    terminal: &mut Terminal,
) -> Result<u8, CommandError> {
    let block_length = usize::try_from(options.block_size).unwrap_or(usize::MAX);
    // What cannot be opened is refused before a cartridge moves.
    let (input, total) = match &options.file {
        Some(path) => {
            let file = File::open(path).map_err(|error| file_failure(error, "read", path))?;
            let total = file.metadata().ok().filter(|data| data.is_file());
            (Some(file), total.map(|data| data.len()))
        }
        None => (None, None),
    };
    let place = match (options.number, options.append) {
        (Some(number), _) => Place::File(number),
        (None, true) => Place::End,
        (None, false) => Place::Beginning,
    };
    let mut transferred = Transferred::default();
    let mut meter = Meter::new(terminal, total);
    let held = context.with_cartridge(&options.cartridge, "write", terminal, async |drive| {
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
    tell(held, transferred, "Wrote", false, terminal)
}

fn read(
    options: &TapeRead,
    context: &Context<'_>,
    terminal: &mut Terminal,
) -> Result<u8, CommandError> {
    let block_length = usize::try_from(options.block_size).unwrap_or(usize::MAX);
    let mut transferred = Transferred::default();
    let mut meter = Meter::new(terminal, None);
    let path = options.file.clone();
    let to_stdout = path.is_none();
    let open = move || match path {
        None => BlockSink::start(io::stdout(), block_length, |mut output| {
            io::Write::flush(&mut output)
        }),
        Some(path) => BlockSink::start(File::create(path)?, block_length, |_| Ok(())),
    };
    let held = context.with_cartridge(&options.cartridge, "read", terminal, async |drive| {
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
    tell(held, transferred, "Read", to_stdout, terminal)
}

fn initialize(
    cartridge: &Cartridge,
    volume_id: &str,
    overwrite: bool,
    context: &Context<'_>,
    terminal: &mut Terminal,
) -> Result<u8, CommandError> {
    // An identifier that is none is refused before a cartridge moves.
    crate::iop::tape::label::volume_label(volume_id).map_err(TapeError::VolumeId)?;
    let mut transferred = Transferred::default();
    let held = context.with_cartridge(cartridge, "initialize", terminal, async |drive| {
        job::initialize(drive, volume_id, overwrite, &mut transferred).await
    })?;
    tell(held, transferred, "Labelled:", false, terminal)
}

fn erase(
    cartridge: &Cartridge,
    overwrite: bool,
    context: &Context<'_>,
    terminal: &mut Terminal,
) -> Result<u8, CommandError> {
    let held = context.with_cartridge(cartridge, "erase", terminal, async |drive| {
        job::erase(drive, overwrite).await
    })?;
    tell(held, Transferred::default(), "Erased:", false, terminal)
}

/// What `tape list` prints.
#[derive(Serialize)]
struct ListDocument<'a> {
    schema: u32,
    device: &'a str,
    drive: &'a str,
    volume: &'a str,
    seconds: f64,
    files: &'a [TapeFile],
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Value>,
}

fn list(
    cartridge: &Cartridge,
    context: &Context<'_>,
    terminal: &mut Terminal,
) -> Result<u8, CommandError> {
    let mut files = Vec::new();
    let mut meter = Meter::new(terminal, None);
    let held = context.with_cartridge(cartridge, "list", terminal, async |drive| {
        job::list(drive, &mut files, &mut |bytes| meter.tell(bytes)).await
    })?;
    meter.end();
    let error = failure(&held.volume, &held.drive, held.outcome.err(), held.left);
    if let Some(error) = &error {
        terminal.error(error);
    }
    if terminal.json {
        terminal.print_document(&ListDocument {
            schema: 1,
            device: &held.device,
            drive: &held.drive,
            volume: &held.volume,
            seconds: rounded(held.seconds),
            files: &files,
            error: error.as_ref().map(error_body).transpose()?,
        })?;
    } else {
        terminal.print(&listing(&held.volume, &files))?;
    }
    Ok(error.map_or(0, |error| error.kind.exit_status()))
}

fn listing(volume: &str, files: &[TapeFile]) -> String {
    let mut page = Page::default();
    page.title(&format!("Volume {volume}"));
    page.line("Tape files", files.len());
    for file in files {
        page.heading(&format!("File {}", file.file));
        page.line("Blocks", file.blocks);
        page.line("Bytes", file.bytes);
        if file.blocks > 0 {
            page.line(
                "Block length",
                match file.shortest_block == file.longest_block {
                    true => file.longest_block.to_string(),
                    false => format!("{} to {}", file.shortest_block, file.longest_block),
                },
            );
        }
        if !file.filemark {
            page.line("End", "without a filemark");
        }
        for label in &file.labels {
            let (name, text) = labelled(label);
            page.line(&format!("Label {name}"), text);
        }
    }
    page.into_text()
}

fn labelled(label: &Label) -> (&'static str, String) {
    match &label.content {
        Content::Vol1 { volume, owner } => ("VOL1", format!("volume {volume}, owner '{owner}'")),
        Content::Hdr1(file) | Content::Eof1(file) | Content::Eov1(file) => {
            let name = match &label.content {
                Content::Hdr1(_) => "HDR1",
                Content::Eof1(_) => "EOF1",
                _ => "EOV1",
            };
            let number = |value: Option<u32>| value.map_or("*".to_owned(), |n| n.to_string());
            let text = format!(
                "{}, volume {} of {}, file {}, created {}, expires {}, blocks {}, system {}",
                file.file_identifier,
                number(file.volume_sequence),
                file.file_set,
                number(file.file_sequence),
                file.created.as_deref().unwrap_or("*NONE"),
                file.expires.as_deref().unwrap_or("*NONE"),
                file.block_count.map_or("*".to_owned(), |n| n.to_string()),
                file.system
            );
            (name, text)
        }
        Content::Hdr2(format) | Content::Eof2(format) | Content::Eov2(format) => {
            let name = match &label.content {
                Content::Hdr2(_) => "HDR2",
                Content::Eof2(_) => "EOF2",
                _ => "EOV2",
            };
            let length = |value: Option<u64>| value.map_or("*".to_owned(), |n| n.to_string());
            let text = format!(
                "record format {}{}, block length {}, record length {}",
                format.record_format,
                format.block_attribute,
                length(format.block_length),
                length(format.record_length)
            );
            (name, text)
        }
    }
}

/// What `tape status` and `tape rewind` print.
#[derive(Serialize)]
struct StatusDocument {
    schema: u32,
    drives: Vec<DriveStatus>,
}

/// A drive, and where its tape stands.
#[derive(Serialize)]
struct DriveStatus {
    drive: String,
    loaded: bool,
    /// The tape is at its beginning; none when the drive does not say.
    beginning: Option<bool>,
    /// Blocks and filemarks before the position; none when the drive does not say.
    object: Option<u64>,
}

fn status(
    device: &str,
    rewind: bool,
    context: &Context<'_>,
    terminal: &mut Terminal,
) -> Result<u8, CommandError> {
    let observer = Narrator::new(context.host, terminal).observe_job();
    let command = if rewind { "rewind" } else { "status" };
    let purpose = format!("tape {command} {device}");
    let settings = &context.settings;
    let drives: Result<Vec<DriveStatus>, CommandError> = block_on(async {
        let opened = Job::open(&context.store, settings, observer, device, &purpose).await?;
        let is_library = opened.named(DeviceKind::Library).is_ok();
        let mut found = Vec::new();
        for device in opened.drives() {
            let mut drive = opened.drive(&device).await?;
            match status_of(&mut drive, &device.name, rewind).await {
                Ok(status) if status.loaded || !is_library => found.push(status),
                Ok(_) => {}
                Err(cause) => {
                    opened.close().await;
                    let device = device.name.clone();
                    return Err(JobError::Device { device, cause }.into());
                }
            }
        }
        opened.close().await;
        Ok(found)
    })
    .map_err(no_runtime)?;
    let drives = drives?;
    if rewind && let Some(empty) = drives.iter().find(|drive| !drive.loaded) {
        return Err(CommandError {
            kind: ErrorKind::Refused,
            code: Code::ElementEmpty,
            error: anyhow!("{} is empty", empty.drive),
            hints: vec!["there is no tape to rewind".to_owned()],
        });
    }
    if terminal.json {
        terminal.print_document(&StatusDocument { schema: 1, drives })?;
        return Ok(0);
    }
    let mut page = Page::default();
    if drives.is_empty() {
        page.title("No drive is loaded.");
    }
    for drive in drives {
        page.title(&format!("Drive {}", drive.drive));
        page.line("Loaded", if drive.loaded { "Yes" } else { "No" });
        if drive.loaded {
            let position = match (drive.beginning, drive.object) {
                (Some(true), _) => "beginning of the tape".to_owned(),
                (_, Some(object)) => format!("behind {object} blocks and filemarks"),
                _ => "not told by the drive".to_owned(),
            };
            page.line("Position", position);
        }
    }
    terminal.print(&page.into_text())?;
    Ok(0)
}

async fn status_of(
    drive: &mut Drive<Again>,
    name: &str,
    rewind: bool,
) -> Result<DriveStatus, crate::iop::job::unit::UnitError> {
    let mut status = DriveStatus {
        drive: name.to_owned(),
        loaded: drive.is_loaded().await?,
        beginning: None,
        object: None,
    };
    if !status.loaded {
        return Ok(status);
    }
    if rewind {
        drive.rewind().await?;
    }
    // A drive that does not know says so; tgt says nothing of use.
    if let Ok(position) = drive.read_position().await {
        status.beginning = Some(position.beginning);
        status.object = position
            .object
            .filter(|object| position.beginning || *object > 0);
    }
    Ok(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_tells_rate_and_time_left() {
        let second = Duration::from_secs(1);
        assert_eq!(progress(50_000_000, None, second), "50 MB, 50 MB/s");
        assert_eq!(
            progress(50_000_000, Some(200_000_000), second),
            "50 MB, 50 MB/s, 3 s left"
        );
    }
}
