//! What passes between this program and its peers, for people on stderr and for programs in files.

use std::cell::{Cell, RefCell};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::anyhow;

use super::terminal::Terminal;
use crate::cli::HostOptions;
use crate::error::{CommandError, ErrorKind};
use crate::iop::warning::Warning;
use crate::render::trace::pcapng::{self, Capture};
use crate::render::trace::{Dissector, Named, TraceLine, dump, elapsed, line, wire_bytes};
use crate::render::words::Code;
use crate::storage::{quoted, without_error_number};
use crate::transport::PduOnWire;

/// The files of `--trace` and `--pcap`, made when a command begins.
pub struct TraceFiles {
    trace: Option<TraceFile>,
    pcap: Option<(TraceFile, RefCell<Capture>)>,
}

/// A file that is written as things happen: what has passed is in it whatever becomes of this process.
struct TraceFile {
    path: PathBuf,
    file: File,
    /// Whether it could not be written any more, which is told once.
    has_failed: Cell<bool>,
}

impl TraceFiles {
    /// Makes the files that the host options name.
    ///
    /// # Errors
    /// [`CommandError`] when one is there already, or cannot be made.
    pub(super) fn make(host: &HostOptions) -> Result<Option<Rc<Self>>, CommandError> {
        if host.trace.is_none() && host.pcap.is_none() {
            return Ok(None);
        }
        let trace = host.trace.as_deref().map(TraceFile::make).transpose()?;
        let pcap = match host.pcap.as_deref() {
            None => None,
            Some(path) => {
                let capture = TraceFile::make(path)?;
                (&capture.file)
                    .write_all(&pcapng::header())
                    .map_err(|error| failure(error, path))?;
                Some((capture, RefCell::default()))
            }
        };
        Ok(Some(Rc::new(Self { trace, pcap })))
    }
}

impl TraceFile {
    fn make(path: &Path) -> Result<Self, CommandError> {
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(|error| failure(error, path))?;
        Ok(Self {
            path: path.to_owned(),
            file,
            has_failed: Cell::new(false),
        })
    }

    /// Writes whole lines or blocks. A full disk ends the trace and not the command.
    fn append(&self, bytes: &[u8], terminal: &Terminal) {
        if self.has_failed.get() {
            return;
        }
        if let Err(error) = (&self.file).write_all(bytes) {
            self.has_failed.set(true);
            terminal.warn(&Warning::TraceIncomplete {
                file: quoted(&self.path),
                detail: without_error_number(&error.to_string()).to_owned(),
            });
        }
    }
}

fn failure(error: std::io::Error, path: &Path) -> CommandError {
    match error.kind() {
        std::io::ErrorKind::AlreadyExists => CommandError {
            kind: ErrorKind::State,
            code: Code::FileExists,
            error: anyhow!("{} is there already", quoted(path)),
            hints: vec!["name a file that is not there: a trace overwrites none".to_owned()],
        },
        _ => CommandError::unwritable(path, &error),
    }
}

/// Tells what passes, as far as it is asked for.
pub(super) struct Tracer {
    started: Instant,
    verbosity: u8,
    terminal: Terminal,
    files: Option<Rc<TraceFiles>>,
    dissector: RefCell<Dissector>,
}

impl Tracer {
    pub(super) fn new(host: &HostOptions, terminal: &Terminal) -> Self {
        Self {
            started: terminal.started,
            verbosity: host.verbose,
            terminal: terminal.clone(),
            files: terminal.trace.clone(),
            dissector: RefCell::default(),
        }
    }

    /// Tells a step, from `-v` on.
    pub(super) fn step(&self, of: &str, words: &str) {
        if self.verbosity > 0 {
            self.note(self.started.elapsed(), of, words);
        }
    }

    /// Tells a PDU: from `-vv` on in words, from `-vvv` on with its bytes, and in the files.
    pub(super) fn pdu(&self, of: &str, target_name: &str, passing: &PduOnWire<'_>) {
        if self.verbosity < 2 && self.files.is_none() {
            return;
        }
        let (time, since_start) = (SystemTime::now(), self.started.elapsed());
        let named = self.dissector.borrow_mut().name(passing);
        let bytes = match self.verbosity >= 3 || self.files.is_some() {
            true => wire_bytes(passing),
            false => Vec::new(),
        };
        if self.verbosity >= 2 {
            let mut words = line(passing, &named);
            if self.verbosity >= 3 {
                words.push_str(&dump(&bytes));
            }
            self.note(since_start, of, &words);
        }
        if let Some(files) = &self.files {
            self.write(
                files,
                (time, since_start),
                target_name,
                passing,
                &named,
                &bytes,
            );
        }
    }

    fn write(
        &self,
        files: &TraceFiles,
        time: (SystemTime, Duration),
        target_name: &str,
        passing: &PduOnWire<'_>,
        named: &Named,
        bytes: &[u8],
    ) {
        if let Some(trace) = &files.trace {
            let line = TraceLine::new(time, target_name, passing.direction, named, bytes);
            // The line has neither maps with other keys than text nor numbers that are none.
            if let Ok(mut line) = serde_json::to_vec(&line) {
                line.push(b'\n');
                trace.append(&line, &self.terminal);
            }
        }
        if let Some((pcap, capture)) = &files.pcap
            && let Some(endpoints) = passing.endpoints
        {
            let packets = capture.borrow_mut().packets(
                time.0,
                endpoints,
                passing.direction,
                passing.is_first,
                bytes,
            );
            pcap.append(&packets, &self.terminal);
        }
    }

    fn note(&self, since_start: Duration, of: &str, words: &str) {
        let line = format!("{} {of}: {words}", elapsed(since_start));
        self.terminal.notes().line(&line);
    }
}
