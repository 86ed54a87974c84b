//! The text of `config.json`, read and written so that an edit costs what it looks at, not what there is.
//!
//! ```text
//! {"schema":1,"record":{"last_revision":2,"staged":{"target_name":"vtl."},"targets":[
//! {"identity":{"target_name":"iqn.2000-03.com.xyz:vtl.demo-39","target_host_name":"10.1.1.5"},"revision":1}
//! ,{"identity":{"target_name":"inftst22","target_host_name":"10.1.1.6"},"revision":2,"chap":{"name":"N","secret":"S"}}
//! ]},"xxh3":"5ed738080b41d531"}
//! ```
//!
//! A line holds a target; the comma between two stands before the second, so that a line is the same whatever follows it. The
//! checksum is the sum, modulo 2^64, of those of the lines before the last, without commas and line ends: so an edit that takes
//! a line out, or puts one in, need not look at the others. Text that bears it was written by [`write()`], but for the order of
//! its targets, and is not damaged, so [`read()`] need not parse what is out of scope, and [`write()`] copies it. Any other
//! text, such as that of an editor, is for the caller to parse as a whole: that is also how damage gets its error.
//!
//! A line's checksum is XXH3, 64 bits: it needs none of the processor's extensions. To ask the processor for them, as a CRC32C
//! in hardware has to, takes longer than all of a small file where a hypervisor answers.

use std::io::{self, Write};

use twox_hash::XxHash3_64;
use zeroize::Zeroizing;

use super::directory::{Envelope, SCHEMA};
use super::file_system::{FileSystem, OpenFile};
use super::writer::PieceWriter;
use crate::iop::config::{Configuration, Run, Scope, Slot};

/// The end of the first line.
const TARGETS: &[u8] = b"\"targets\":[";
/// What the first line stands before in a whole text without targets.
const NO_TARGETS: &[u8] = b"\"targets\":[]}}";
/// What the last line begins with.
const END: &[u8] = b"]}";
/// The line of a target that logs in as `*GENERATE`: another name would stand first.
const GENERATED: &[u8] = b"{\"identity\":{\"target_name\":\"";

/// The longest line that is written, in bytes: a target whose values are as long as they may be takes less. Only a staged set
/// that an editor has made longer exceeds it; the checksum is wrong then, and the text is parsed as a whole.
const LONGEST_LINE: usize = 3 * 1024;
/// How much is read at a time; no line is longer.
const READ_PIECE: usize = 32 * 1024;

/// Returns about how long the text of a configuration is that is edited once, in bytes; `old` is the file with its text before.
pub(super) fn expected_length(old: Option<&OpenFile>) -> usize {
    let length = old.map_or(0, |old| usize::try_from(old.length).unwrap_or(usize::MAX));
    // Its first line grows at most to be the longest, and a target is added.
    length.saturating_add(2 * LONGEST_LINE)
}

/// Writes a configuration; `old` is the file that its unread targets were read from.
pub(super) fn write(
    writer: &mut PieceWriter<'_>,
    configuration: &Configuration,
    old: Option<&OpenFile>,
) -> io::Result<()> {
    let mut sum = writer.line(LONGEST_LINE, checksum, |writer| {
        let last_revision = configuration.last_revision;
        write!(
            writer,
            "{{\"schema\":{SCHEMA},\"record\":{{\"last_revision\":{last_revision},"
        )?;
        if !configuration.staged.is_empty() {
            writer.write_all(b"\"staged\":")?;
            serde_json::to_writer(&mut *writer, &configuration.staged)?;
            writer.write_all(b",")?;
        }
        writer.write_all(TARGETS)
    })?;
    for (index, slot) in configuration.targets.slots().iter().enumerate() {
        if index > 0 {
            writer.write_all(b",")?;
        }
        let checksum = match (slot, old) {
            (Slot::Target(target), _) => writer.line(LONGEST_LINE, checksum, |writer| {
                Ok(serde_json::to_writer(writer, target)?)
            })?,
            (Slot::Unread(run), Some(old)) => {
                writer.copy(old, run.text.clone())?;
                run.checksum
            }
            (Slot::Unread(_), None) => return Err(io::ErrorKind::NotFound.into()),
        };
        sum = sum.wrapping_add(checksum);
    }
    writer.write_all(&last_line(sum))?;
    writer.write_all(b"\n")
}

/// Reads a configuration in a scope; `secrets_stay` says that no secret moves to or from the Platform KeyStore. Returns none
/// when the scope is all of it, and when the text is not one that [`write()`] wrote.
pub(super) fn read(
    disk: &dyn FileSystem,
    file: &OpenFile,
    scope: Scope<'_>,
    secrets_stay: bool,
) -> io::Result<Option<Configuration>> {
    if let Scope::All = scope {
        return Ok(None);
    }
    let mut lines = Lines::new(disk, file);
    let Some(head) = lines.next()? else {
        return Ok(None);
    };
    let Some(mut configuration) = parse_head(head.text) else {
        return Ok(None);
    };
    let mut sum = checksum(head.text);
    let name = match scope {
        Scope::All | Scope::Staged => None,
        Scope::Named(name) => Some(name.as_str()),
        Scope::StagedName => configuration.staged.target_name(),
    };
    let wanted = name.map(json_text_behind_quote).transpose()?;
    let mut slots = Vec::new();
    // The targets that were passed over last.
    let mut passed_over: Option<Run> = None;
    while let Some(Line { start, text }) = lines.next()? {
        let next_start = start + text.len() as u64 + 1;
        if text.starts_with(END) {
            slots.extend(passed_over.take().map(Slot::Unread));
            configuration.targets = slots.into_iter().collect();
            let is_ours = text == last_line(sum) && next_start == file.length;
            return Ok(is_ours.then_some(configuration));
        }
        let is_first = slots.is_empty() && passed_over.is_none();
        let target = match text.strip_prefix(b",") {
            Some(target) if !is_first => target,
            None if is_first => text,
            _ => return Ok(None),
        };
        let checksum = checksum(target);
        sum = sum.wrapping_add(checksum);
        if is_out_of_scope(target, wanted.as_deref(), secrets_stay) {
            let target_start = next_start - 1 - target.len() as u64;
            let run = passed_over.get_or_insert(Run {
                text: target_start..target_start,
                checksum: 0,
                count: 0,
            });
            run.text.end = next_start;
            run.checksum = run.checksum.wrapping_add(checksum);
            run.count += 1;
        } else {
            let Ok(target) = serde_json::from_slice(target) else {
                return Ok(None);
            };
            slots.extend(passed_over.take().map(Slot::Unread));
            slots.push(Slot::Target(target));
        }
    }
    Ok(None)
}

/// Returns the checksum of a line.
fn checksum(line: &[u8]) -> u64 {
    XxHash3_64::oneshot(line)
}

/// Returns the last line, its end left out, of a text whose other lines have this sum.
fn last_line(sum: u64) -> Vec<u8> {
    [END, format!(",\"xxh3\":\"{sum:016x}\"}}").as_bytes()].concat()
}

/// Reads the first line, which tells everything but the targets.
fn parse_head(line: &[u8]) -> Option<Configuration> {
    let mut text = Zeroizing::new(Vec::with_capacity(line.len() + NO_TARGETS.len()));
    text.extend_from_slice(line.strip_suffix(TARGETS)?);
    text.extend_from_slice(NO_TARGETS);
    let envelope: Envelope<Configuration> = serde_json::from_slice(&text).ok()?;
    (envelope.schema == SCHEMA).then_some(envelope.record)
}

/// Returns what stands behind the opening quote of a string.
fn json_text_behind_quote(text: &str) -> io::Result<Vec<u8>> {
    let mut json = serde_json::to_vec(text)?;
    json.remove(0);
    Ok(json)
}

/// Returns whether a target is none that an edit has to look at.
fn is_out_of_scope(line: &[u8], wanted: Option<&[u8]>, secrets_stay: bool) -> bool {
    let Some(name) = line.strip_prefix(GENERATED) else {
        return false;
    };
    let is_wanted = wanted.is_some_and(|wanted| {
        name.get(..wanted.len())
            .is_some_and(|name| name.eq_ignore_ascii_case(wanted))
    });
    // Credentials come last.
    let has_secret = line.ends_with(b"}}");
    !is_wanted && line.ends_with(b"}") && (secrets_stay || !has_secret)
}

/// Returns where a line ends. On x86-64 `memchr::memchr` would ask the processor what it has beside SSE2.
fn line_end(text: &[u8]) -> Option<usize> {
    #[cfg(target_arch = "x86_64")]
    return memchr::arch::x86_64::sse2::memchr::One::new(b'\n')?.find(text);
    #[cfg(not(target_arch = "x86_64"))]
    memchr::memchr(b'\n', text)
}

/// A line of a file, its end left out.
struct Line<'a> {
    /// Where it begins in the file, in bytes.
    start: u64,
    text: &'a [u8],
}

/// The lines of a file. It may hold secrets, so no more of it is in memory than one piece, which is wiped.
struct Lines<'a> {
    disk: &'a dyn FileSystem,
    file: &'a OpenFile,
    piece: Zeroizing<Vec<u8>>,
    /// Where the piece begins in the file.
    offset: u64,
    /// Where the next line begins in the piece.
    next: usize,
    /// How much of the piece has been read.
    filled: usize,
}

impl<'a> Lines<'a> {
    fn new(disk: &'a dyn FileSystem, file: &'a OpenFile) -> Self {
        let length = usize::try_from(file.length).unwrap_or(READ_PIECE);
        Self {
            disk,
            file,
            piece: Zeroizing::new(vec![0; length.min(READ_PIECE)]),
            offset: 0,
            next: 0,
            filled: 0,
        }
    }

    /// Returns the next line; none at the end, and for what is no line: it has no end, or is longer than a piece.
    fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        loop {
            let read = self.piece.get(self.next..self.filled).unwrap_or_default();
            if let Some(length) = line_end(read) {
                let start = self.next;
                self.next += length + 1;
                return Ok(Some(Line {
                    start: self.offset + start as u64,
                    text: self.piece.get(start..start + length).unwrap_or_default(),
                }));
            }
            if !self.read_on()? {
                return Ok(None);
            }
        }
    }

    /// Puts the next bytes of the file behind those that are no line yet. Returns false when there are none, or no room.
    fn read_on(&mut self) -> io::Result<bool> {
        self.offset += self.next as u64;
        self.piece.copy_within(self.next..self.filled, 0);
        self.filled -= self.next;
        self.next = 0;
        let from = self.offset + self.filled as u64;
        let room = self.piece.get_mut(self.filled..).unwrap_or_default();
        let count = usize::try_from(self.file.length - from)
            .unwrap_or(usize::MAX)
            .min(room.len());
        let (space, _) = room.split_at_mut(count);
        self.disk.read_at(&self.file.file, space, from)?;
        self.filled += count;
        Ok(count > 0)
    }
}

#[cfg(test)]
mod tests;
