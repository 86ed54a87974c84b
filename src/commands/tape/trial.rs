//! `tape test`: tries a tape out.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::meter::Meter;
use super::{JobDocument, rounded, with_cartridge};
use crate::cli::host::TapeTest;
use crate::commands::library::Talk;
use crate::commands::schema::Documents;
use crate::commands::terminal::Terminal;
use crate::error::{CommandError, ErrorKind};
use crate::iop::tape::exercise::{Limit, Pass, Trial, Tried, exercise};
use crate::render::text::Page;
use crate::render::words::Code;

/// Adds what is printed here to the schema.
pub(super) fn describe(documents: &mut Documents) {
    documents.document::<TestDocument<'static>>();
}

/// What `tape test` prints with `--json`.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TapeTest")]
struct TestDocument<'a> {
    #[serde(flatten)]
    job: JobDocument<'a>,
    /// `passed`, `failed` or `not-tested`.
    verdict: &'static str,
    /// Length of a block, in bytes.
    block_size: u32,
    /// What the pattern was made from: 16 hexadecimal digits.
    seed: String,
    /// In seconds; null when the tape was not reached.
    round_trip: Option<f64>,
    /// The pass that wrote; null when it did not come to blocks.
    write: Option<PassDocument>,
    /// The pass that read and compared; null when it did not come to blocks.
    read: Option<PassDocument>,
    /// Blocks that were not read back as they were written.
    differing_blocks: u64,
}

/// A direction: bytes per second, latencies in seconds.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TestPass")]
struct PassDocument {
    /// Number of bytes.
    bytes: u64,
    /// How long the pass took, in seconds.
    seconds: f64,
    /// Throughput, in bytes per second.
    bytes_per_second: u64,
    /// How long a command took.
    latency: PercentilesDocument,
    /// The most commands that were outstanding at a time.
    outstanding: usize,
    /// What limited the throughput: `window`, `round-trip` or `target`; null when that is not known.
    limited_by: Option<&'static str>,
}

/// Percentiles of the time from a command to its status.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Percentiles")]
struct PercentilesDocument {
    /// Half of the commands took no longer, in seconds.
    p50: f64,
    /// Of a hundred, 90 took no longer, in seconds.
    p90: f64,
    /// Of a hundred, 99 took no longer, in seconds.
    p99: f64,
    /// The longest, in seconds.
    p100: f64,
}

impl PassDocument {
    fn new(pass: &Pass, round_trip: Duration) -> Option<Self> {
        let seconds = |percent| Some(micros(pass.latencies.percentile(percent)?));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a throughput is positive and below 2^64"
        )]
        let bytes_per_second = pass.throughput() as u64;
        Some(Self {
            bytes: pass.bytes,
            seconds: rounded(pass.duration.as_secs_f64()),
            bytes_per_second,
            latency: PercentilesDocument {
                p50: seconds(50)?,
                p90: seconds(90)?,
                p99: seconds(99)?,
                p100: seconds(100)?,
            },
            outstanding: pass.outstanding,
            limited_by: pass.limit(round_trip).map(word),
        })
    }
}

const fn word(limit: Limit) -> &'static str {
    match limit {
        Limit::Window => "window",
        Limit::RoundTrip => "round-trip",
        Limit::Target => "target",
    }
}

/// Returns seconds with microseconds.
fn micros(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e6
}

/// `tape test`
pub(super) fn run(
    options: &TapeTest,
    talk: &Talk,
    terminal: &mut Terminal,
) -> Result<u8, CommandError> {
    let trial = Trial {
        size: options.size,
        block_length: options.block_size,
        seed: seed()?,
        overwrite: options.overwrite,
    };
    let mut tried = Tried::default();
    tried.transferred.file = 1;
    let mut meter = Meter::new(terminal, Some(options.size.saturating_mul(2)));
    let mut held = with_cartridge(talk, &options.cartridge, "test", async |drive| {
        exercise(drive, &trial, &mut tried, &mut |bytes| meter.tell(bytes)).await
    })?;
    meter.end();
    let has_passed = held.outcome.is_ok();
    let error = held.failure();
    // What does not depend on the tape is no verdict on it.
    let is_refused = held.drive.is_none()
        || error.as_ref().is_some_and(|error| {
            matches!(
                error.code,
                Code::HoldsData
                    | Code::WriteProtected
                    | Code::BlockLength
                    | Code::FileUnusable
                    | Code::OutputFailed
            )
        });
    if let Some(error) = &error {
        terminal.error(error);
    }
    let verdict = match (has_passed, is_refused) {
        (true, _) => "passed",
        (false, true) => "not-tested",
        (false, false) => "failed",
    };
    let transferred = tried.transferred;
    if terminal.json {
        terminal.print_document(&TestDocument {
            job: JobDocument::new(&held, transferred, error.as_ref()),
            verdict,
            block_size: trial.block_length,
            seed: format!("{:016x}", trial.seed),
            round_trip: tried.round_trip.map(micros),
            write: PassDocument::new(&tried.write, tried.round_trip.unwrap_or_default()),
            read: PassDocument::new(&tried.read, tried.round_trip.unwrap_or_default()),
            differing_blocks: tried.differing.map_or(0, |(blocks, _)| blocks),
        })?;
    } else if held.drive.is_some() {
        terminal.print(&page(&held.place(), &trial, &tried, verdict))?;
    }
    Ok(error.map_or(0, |error| error.kind.exit_status()))
}

fn seed() -> Result<u64, CommandError> {
    let mut seed = [0; 8];
    #[expect(
        clippy::disallowed_methods,
        reason = "the pattern must not be that of an earlier test"
    )]
    getrandom::fill(&mut seed).map_err(|error| CommandError {
        kind: ErrorKind::State,
        code: Code::NoResources,
        error: anyhow::Error::from(error).context("no random numbers for the pattern"),
        hints: vec!["try again".to_owned()],
    })?;
    Ok(u64::from_le_bytes(seed))
}

fn page(place: &str, trial: &Trial, tried: &Tried, verdict: &str) -> String {
    let mut page = Page::default();
    page.title(&format!("Test of {place}"));
    page.line(
        "Verdict",
        match verdict {
            "passed" => "passed: what was read is what was written",
            "failed" => "FAILED",
            _ => "not tested",
        },
    );
    let transferred = tried.transferred;
    page.line("Blocks", transferred.blocks);
    page.line("Bytes", transferred.bytes);
    page.line("Block length", trial.block_length);
    if let Some((blocks, first)) = tried.differing {
        page.line("Blocks that differ", format!("{blocks}, first {first}"));
    }
    let round_trip = tried.round_trip.unwrap_or_default();
    if tried.round_trip.is_some() {
        page.line("Round trip", millis(round_trip));
    }
    for (name, pass) in [("Write", &tried.write), ("Read", &tried.read)] {
        let Some(median) = pass.latencies.percentile(50) else {
            continue;
        };
        page.heading(name);
        page.line("Throughput", format!("{:.1} MB/s", pass.throughput() / 1e6));
        page.line("Time", format!("{:.3} s", pass.duration.as_secs_f64()));
        page.line("Latency, 50 %", millis(median));
        for percent in [90, 99, 100] {
            let latency = pass.latencies.percentile(percent).unwrap_or_default();
            page.line(&format!("Latency, {percent} %"), millis(latency));
        }
        page.line(
            "Commands outstanding",
            format!("{} at most", pass.outstanding),
        );
        if let Some(limit) = pass.limit(round_trip) {
            page.line(
                "Limited by",
                match limit {
                    Limit::Window => "the command window: more commands at a time would be faster",
                    Limit::RoundTrip => "the round trip: few commands are outstanding",
                    Limit::Target => "the target, or the way to it: commands wait there",
                },
            );
        }
    }
    page.into_text()
}

fn millis(duration: Duration) -> String {
    format!("{:.3} ms", duration.as_secs_f64() * 1e3)
}
