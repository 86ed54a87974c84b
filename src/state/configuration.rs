//! The text of `config.json`, read and written so that an edit costs what it looks at, not what there is.
//!
//! ```text
//! {"schema":1,"record":{"last_revision":2,"staged":{"target_name":"vtl."},"targets":[
//! {"identity":{"target_name":"iqn.2000-03.com.xyz:vtl.demo-39","target_host_name":"10.1.1.5"},"revision":1},
//! {"identity":{"target_name":"inftst22","target_host_name":"10.1.1.6"},"revision":2,"chap":{"name":"N","secret":"S"}}
//! ]},"crc32c":"0c7d1a5e"}
//! ```
//!
//! A line holds a target, and the checksum is that of all bytes before it. Text that bears it was written by [`write`] and is
//! not damaged, so [`read`] need not parse what is out of scope, and [`write`] copies it. Any other text, such as that of an
//! editor, is for the caller to parse as a whole: that is also how damage gets its error.

use std::io::{self, Write};

use zeroize::Zeroizing;

use super::directory::{Envelope, SCHEMA};
use super::disk::{Disk, OpenFile};
use super::writer::PieceWriter;
use crate::config::{Configuration, Run, Scope, Slot};

/// The end of the first line.
const TARGETS: &[u8] = b"\"targets\":[";
/// What the first line stands before in a whole text without targets.
const NO_TARGETS: &[u8] = b"\"targets\":[]}}";
/// What the last line begins with; the checksum covers it.
const END: &[u8] = b"]}";
/// What stands between that and the eight digits of the checksum.
const CHECKSUM: &[u8] = b",\"crc32c\":\"";
/// The line of a target that logs in as `*GENERATE`: another name would stand first.
const GENERATED: &[u8] = b"{\"identity\":{\"target_name\":\"";

/// How many bytes one edit adds to the text at the most, in all but rare cases.
pub(super) const MOST_ADDED: u64 = 1024;

/// How much is read at a time; no line is longer.
const PIECE: usize = 32 * 1024;

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
    for (index, slot) in configuration.targets.slots().iter().enumerate() {
        writer.write_all(if index > 0 { b",\n" } else { b"\n" })?;
        match (slot, old) {
            (Slot::Target(target), _) => serde_json::to_writer(&mut *writer, target)?,
            (Slot::Unread(run), Some(old)) => writer.copy(old, run.text.clone())?,
            (Slot::Unread(_), None) => return Err(io::ErrorKind::NotFound.into()),
        }
    }
    writer.write_all(b"\n")?;
    writer.write_all(END)?;
    let crc = writer.crc();
    writer.write_all(CHECKSUM)?;
    writeln!(writer, "{crc:08x}\"}}")
}

/// Reads a configuration in a scope; `secrets_stay` says that no secret moves to or from the Platform KeyStore. Returns none
/// when the scope is all of it, and when the text is not one that [`write`] wrote.
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
    while let Some(Line { start, text }) = lines.next()? {
        if let Some(checksum) = text.strip_prefix(END) {
            let is_last = start + text.len() as u64 + 1 == file.length;
            let checksum = checksum.to_vec();
            let crc = lines.crc_before(start + END.len() as u64);
            let expected = [CHECKSUM, format!("{crc:08x}\"}}").as_bytes()].concat();
            configuration.targets = slots.into_iter().collect();
            return Ok((checksum == expected && is_last).then_some(configuration));
        }
        let text = text.strip_suffix(b",").unwrap_or(text);
        if !is_out_of_scope(text, wanted.as_deref(), secrets_stay) {
            match serde_json::from_slice(text) {
                Ok(target) => slots.push(Slot::Target(target)),
                Err(_) => return Ok(None),
            }
            continue;
        }
        let end = start + text.len() as u64;
        match slots.last_mut() {
            Some(Slot::Unread(run)) => {
                run.text.end = end;
                run.count += 1;
            }
            _ => slots.push(Slot::Unread(Run {
                text: start..end,
                count: 1,
            })),
        }
    }
    Ok(None)
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
    // Without keystore and CHAP the revision comes last.
    let has_no_secret = matches!(line, [.., b'0'..=b'9', b'}']);
    !is_wanted && (secrets_stay || has_no_secret)
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
    /// CRC32C of all bytes before the piece.
    crc: u32,
}

impl<'a> Lines<'a> {
    fn new(disk: &'a dyn Disk, file: &'a OpenFile) -> Self {
        let length = usize::try_from(file.length).unwrap_or(PIECE);
        Self {
            disk,
            file,
            piece: Zeroizing::new(vec![0; length.min(PIECE)]),
            offset: 0,
            next: 0,
            filled: 0,
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
        self.crc = self.crc_before(self.offset + self.next as u64);
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

    /// Returns the CRC32C of all bytes before a place in the piece.
    fn crc_before(&self, place: u64) -> u32 {
        let length = usize::try_from(place - self.offset).unwrap_or(usize::MAX);
        crc32c::crc32c_append(self.crc, self.piece.get(..length).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests;
