//! A .tap file as one side of a copy: its objects are read and written by a thread of their own, a few megabytes ahead.

use std::fs::File;
use std::io::{self, BufWriter, Write};

use super::count::Counted;
use super::read::Object;
use crate::scsi::command::Read;
use crate::storage::tap::{self, FILEMARK, Found, Frame, Scanner};
use crate::transport::stream::{Sink, Source};
use crate::values::amount;

/// Bytes of objects that pass between the thread and the session at once: at least one object, however long.
const BATCH: usize = 2 << 20;

/// Batches that wait between them.
const BATCHES: usize = 2;

/// What an object takes of a batch beside its data.
const OBJECT: usize = 64;

/// Objects on their way, with their bytes.
#[derive(Debug, Default)]
struct Batch {
    objects: Vec<Object>,
    bytes: usize,
}

impl Batch {
    /// Takes an object in; returns whether the batch is full.
    fn take(&mut self, object: Object) -> bool {
        let length = match &object {
            Object::Block(block) => block.len(),
            Object::Filemark | Object::EndOfData => 0,
        };
        self.bytes = self.bytes.saturating_add(length).saturating_add(OBJECT);
        self.objects.push(object);
        self.bytes >= BATCH
    }

    fn replace(&mut self) -> Vec<Object> {
        std::mem::take(self).objects
    }
}

/// The objects of a .tap file, in order.
pub struct TapSource {
    batches: Source<io::Result<Vec<Object>>>,
    ready: std::vec::IntoIter<Object>,
}

impl TapSource {
    /// Begins to read a file.
    ///
    /// # Errors
    /// The system's, when it has no thread left.
    pub fn start(file: File) -> io::Result<Self> {
        Ok(Self {
            batches: Source::start(BATCHES, move |send| {
                let mut batch = Batch::default();
                let outcome = read(&file, &mut |object| {
                    !batch.take(object) || send(Ok(batch.replace()))
                });
                // What was read before an error counts.
                if send(Ok(batch.replace()))
                    && let Err(error) = outcome
                {
                    send(Err(error));
                }
            })?,
            ready: Vec::new().into_iter(),
        })
    }

    /// Returns the next object; the end of the data behind the last one.
    ///
    /// # Errors
    /// When the file cannot be read, or is no whole .tap file.
    pub async fn next(&mut self) -> io::Result<Object> {
        loop {
            if let Some(object) = self.ready.next() {
                return Ok(object);
            }
            match self.batches.next().await {
                Some(batch) => self.ready = batch?.into_iter(),
                None => return Ok(Object::EndOfData),
            }
        }
    }
}

/// Reads the objects of a file, until `take` wants no more.
fn read(file: &File, take: &mut dyn FnMut(Object) -> bool) -> io::Result<()> {
    let mut scanner = Scanner::new(file)?;
    while let Some(found) = scanner.next()? {
        match found {
            Found::Block { offset, length } => {
                if length > Read::MAX_LENGTH {
                    return Err(unusable(format!(
                        "the block at byte {offset} has {length} bytes, more than a tape command can carry"
                    )));
                }
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                let block = tap::read_block(file, offset, length)?;
                if !take(Object::Block(block.into())) {
                    return Ok(());
                }
            }
            Found::Filemarks { count, .. } => {
                for _ in 0..count {
                    if !take(Object::Filemark) {
                        return Ok(());
                    }
                }
            }
            found => return Err(not_whole(found)),
        }
    }
    Ok(())
}

fn not_whole(found: Found) -> io::Error {
    unusable(match found {
        Found::Unreadable { offset, .. } => {
            format!("it says that the block at byte {offset} could not be read from its tape")
        }
        Found::Torn { offset, length } => {
            format!(
                "it ends inside of the block of {} at byte {offset}",
                amount(length, "byte")
            )
        }
        Found::Block { offset, .. }
        | Found::Filemarks { offset, .. }
        | Found::Damage { offset } => format!("at byte {offset} it is no SIMH .tap file"),
    })
}

fn unusable(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

/// Counts the objects of a file, by a thread of its own.
///
/// # Errors
/// When the file cannot be read, or is no whole .tap file.
pub async fn count(file: File) -> io::Result<Counted> {
    let mut counted = Source::start(1, move |send| {
        send(count_objects(&file));
    })?;
    counted
        .next()
        .await
        .unwrap_or_else(|| Err(io::Error::other("the thread that counts has failed")))
}

fn count_objects(file: &File) -> io::Result<Counted> {
    let mut counted = Counted::default();
    count_into(&mut counted, file)?;
    Ok(counted)
}

/// Counts the objects up to the first one that is not whole, which is the error.
fn count_into(counted: &mut Counted, file: &File) -> io::Result<()> {
    let bytes = counted.bytes.insert(0);
    let mut scanner = Scanner::new(file)?;
    while let Some(found) = scanner.next()? {
        match found {
            Found::Block { length, .. } => {
                counted.blocks = counted.blocks.saturating_add(1);
                *bytes = bytes.saturating_add(length.into());
            }
            Found::Filemarks { count, .. } => {
                counted.filemarks = counted.filemarks.saturating_add(count.into());
            }
            found => return Err(not_whole(found)),
        }
    }
    Ok(())
}

/// A .tap file that is written.
pub struct TapSink {
    batches: Sink<Vec<Object>, Result<(), Unwritten>>,
    batch: Batch,
}

/// Why a .tap file could not be written to its end.
#[derive(Debug)]
pub struct Unwritten {
    /// The system's error.
    pub error: io::Error,
    /// The whole objects that it has.
    pub there: Counted,
}

impl TapSink {
    /// Begins to write an empty file.
    ///
    /// # Errors
    /// The system's, when it has no thread left.
    pub fn start(file: File) -> io::Result<Self> {
        Ok(Self {
            batches: Sink::start(BATCHES, move |batches| {
                Ok(write(&file, batches).map_err(|error| {
                    let mut there = Counted::default();
                    // It ends where it could not be written any more.
                    let _ = count_into(&mut there, &file);
                    Unwritten { error, there }
                }))
            })?,
            batch: Batch::default(),
        })
    }

    /// Writes an object behind those before it; false when nothing can be written any more, and [`TapSink::finish`] says why.
    #[must_use]
    pub async fn push(&mut self, object: Object) -> bool {
        !self.batch.take(object) || self.batches.push(self.batch.replace()).await
    }

    /// Waits until everything is on the disk.
    ///
    /// # Errors
    /// [`Unwritten`].
    pub async fn finish(mut self) -> Result<(), Unwritten> {
        // A closed channel has its cause in the outcome.
        let _ = self.batches.push(self.batch.replace()).await;
        self.batches.finish().await.unwrap_or_else(|error| {
            Err(Unwritten {
                error,
                there: Counted::default(),
            })
        })
    }
}

/// Writes objects to the disk.
fn write(file: &File, batches: &mut dyn Iterator<Item = Vec<Object>>) -> io::Result<()> {
    let mut output = BufWriter::new(file);
    for object in batches.flatten() {
        match object {
            Object::Block(block) => {
                let frame = Frame::new(&block).ok_or(io::ErrorKind::InvalidInput)?;
                for part in frame.parts() {
                    output.write_all(&part)?;
                }
            }
            Object::Filemark => output.write_all(&FILEMARK)?,
            Object::EndOfData => {}
        }
    }
    output.into_inner()?.sync_all()
}
