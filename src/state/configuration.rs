//! The text of `config.json`, read and written so that an edit costs what it looks at, not what there is.
//!
//! ```text
//! {"schema":1,"record":{"last_revision":2,"staged":{"target_name":"vtl."},"targets":[
//! {"identity":{"target_name":"iqn.2000-03.com.xyz:vtl.demo-39","target_host_name":"10.1.1.5"},"revision":1}
//! ,{"identity":{"target_name":"inftst22","target_host_name":"10.1.1.6"},"revision":2,"chap":{"name":"N","secret":"S"}}
//! ]},"crc32c":"0c7d1a5e"}
//! ```
//!
//! A line holds a target; the comma between two stands before the second, so that a line is the same whatever follows it. The
//! checksum is that of all bytes before it. Text that bears it was written by [`write()`] and is not damaged, so [`read()`] need
//! not parse what is out of scope, and [`write()`] copies it. Any other text, such as that of an editor, is for the caller to
//! parse as a whole: that is also how damage gets its error.

use std::io::{self, Write};

use zeroize::Zeroizing;

use super::directory::{Envelope, SCHEMA};
use super::disk::{Disk, OpenFile};
use super::writer::PieceWriter;
use crate::config::{Configuration, Run, Scope, Slot, Target};

/// The end of the first line.
const TARGETS: &[u8] = b"\"targets\":[";
/// What the first line stands before in a whole text without targets.
const NO_TARGETS: &[u8] = b"\"targets\":[]}}";
/// What the last line begins with; the checksum covers it.
const END: &[u8] = b"]}";
/// What stands between that and the eight digits of the checksum.
const CHECKSUM: &[u8] = b",\"crc32c\":\"";
/// How long the text behind [`END`] is: that, the digits, a quote and a brace.
const CHECKSUM_LENGTH: usize = CHECKSUM.len() + 10;
/// The line of a target that logs in as `*GENERATE`: another name would stand first.
const GENERATED: &[u8] = b"{\"identity\":{\"target_name\":\"";

/// How much is read at a time; no line is longer.
const READ_PIECE: usize = 32 * 1024;

/// Writes a configuration; `old` is the file that its unread targets were read from.
pub(super) fn write(
    writer: &mut PieceWriter<'_>,
    configuration: &Configuration,
    old: Option<&OpenFile>,
) -> io::Result<()> {
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
    writer.write_all(TARGETS)?;
    writer.write_all(b"\n")?;
    for (index, slot) in configuration.targets.slots().iter().enumerate() {
        if index > 0 {
            writer.write_all(b",")?;
        }
        match (slot, old) {
            (Slot::Target(target), _) => {
                serde_json::to_writer(&mut *writer, target)?;
                writer.write_all(b"\n")?;
            }
            (Slot::Unread(run), Some(old)) => writer.copy(old, run.text.clone(), run.crc32c)?,
            (Slot::Unread(_), None) => return Err(io::ErrorKind::NotFound.into()),
        }
    }
    writer.write_all(END)?;
    let crc = writer.crc();
    writer.write_all(CHECKSUM)?;
    writeln!(writer, "{crc:08x}\"}}")
}

/// Reads a configuration in a scope; `secrets_stay` says that no secret moves to or from the Platform KeyStore. Returns none
/// when the scope is all of it, and when the text is not one that [`write()`] wrote.
pub(super) fn read(
    disk: &dyn Disk,
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
    let name = match scope {
        Scope::All | Scope::Staged => None,
        Scope::Named(name) => Some(name.as_str()),
        Scope::StagedName => configuration.staged.target_name(),
    };
    let wanted = name.map(json_text_behind_quote).transpose()?;
    let mut slots = Vec::new();
    // Where the text of the targets begins that were passed over last, and how many they are.
    let mut passed_over: Option<(u64, usize)> = None;
    while let Some(Line { start, text }) = lines.next()? {
        let next_start = start + text.len() as u64 + 1;
        let is_first = slots.is_empty() && passed_over.is_none();
        let target = match text.strip_prefix(b",") {
            Some(target) if !is_first => target,
            None if is_first || text.starts_with(END) => text,
            _ => return Ok(None),
        };
        let target_start = next_start - 1 - target.len() as u64;
        let found = if let Some(checksum) = target.strip_prefix(END) {
            Found::End(checksum.try_into().ok())
        } else if is_out_of_scope(target, wanted.as_deref(), secrets_stay) {
            Found::OutOfScope
        } else {
            match serde_json::from_slice(target) {
                Ok(target) => Found::Target(target),
                Err(_) => return Ok(None),
            }
        };
        if let Found::OutOfScope = found {
            let (_, count) = passed_over.get_or_insert_with(|| {
                lines.mark(target_start);
                (target_start, 0)
            });
            *count += 1;
            continue;
        }
        if let Some((run_start, count)) = passed_over.take() {
            let (text, crc32c) = (run_start..start, lines.mark(start));
            slots.push(Slot::Unread(Run {
                text,
                crc32c,
                count,
            }));
        }
        match found {
            Found::Target(target) => slots.push(Slot::Target(target)),
            Found::End(checksum) => {
                lines.mark(start + END.len() as u64);
                let expected = [CHECKSUM, format!("{:08x}\"}}", lines.whole).as_bytes()].concat();
                let is_whole = checksum.is_some_and(|checksum| checksum == *expected);
                let is_ours = is_whole && next_start == file.length;
                configuration.targets = slots.into_iter().collect();
                return Ok(is_ours.then_some(configuration));
            }
            Found::OutOfScope => {}
        }
    }
    Ok(None)
}

/// What a line behind the first is.
enum Found {
    Target(Box<Target>),
    OutOfScope,
    /// The last line, with what stands behind [`END`] where that can be a checksum.
    End(Option<[u8; CHECKSUM_LENGTH]>),
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

/// A line of a file, its end left out.
struct Line<'a> {
    /// Where it begins in the file, in bytes.
    start: u64,
    text: &'a [u8],
}

/// The lines of a file. It may hold secrets, so no more of it is in memory than one piece, which is wiped.
struct Lines<'a> {
    disk: &'a dyn Disk,
    file: &'a OpenFile,
    piece: Zeroizing<Vec<u8>>,
    /// Where the piece begins in the file.
    offset: u64,
    /// Where the next line begins in the piece.
    next: usize,
    /// How much of the piece has been read.
    filled: usize,
    /// CRC32C of all bytes before the last mark.
    whole: u32,
    /// Where the last mark is in the file.
    marked: u64,
    /// CRC32C of the bytes from there to the piece.
    crc: u32,
}

impl<'a> Lines<'a> {
    fn new(disk: &'a dyn Disk, file: &'a OpenFile) -> Self {
        let length = usize::try_from(file.length).unwrap_or(READ_PIECE);
        Self {
            disk,
            file,
            piece: Zeroizing::new(vec![0; length.min(READ_PIECE)]),
            offset: 0,
            next: 0,
            filled: 0,
            whole: 0,
            marked: 0,
            crc: 0,
        }
    }

    /// Returns the next line; none at the end, and for what is no line: it has no end, or is longer than a piece.
    fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        loop {
            let read = self.piece.get(self.next..self.filled).unwrap_or_default();
            if let Some(length) = memchr::memchr(b'\n', read) {
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
        let place = self.offset + self.next as u64;
        self.crc = self.crc_up_to(place);
        self.offset = place;
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

    /// Returns the CRC32C of the bytes from the last mark to a place in the line that was returned last, and marks that.
    fn mark(&mut self, place: u64) -> u32 {
        let crc = self.crc_up_to(place);
        let length = usize::try_from(place - self.marked).unwrap_or(usize::MAX);
        self.whole = crc32c::crc32c_combine(self.whole, crc, length);
        self.marked = place;
        self.crc = 0;
        crc
    }

    /// Returns the CRC32C of the bytes from the last mark to a place in the piece.
    fn crc_up_to(&self, place: u64) -> u32 {
        let in_piece = |place: u64| usize::try_from(place - self.offset).unwrap_or(usize::MAX);
        let bytes = in_piece(self.marked.max(self.offset))..in_piece(place);
        crc32c::crc32c_append(self.crc, self.piece.get(bytes).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests;
