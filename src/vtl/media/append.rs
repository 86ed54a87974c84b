//! Writing at the end of a .tap file, by any thread.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSlice};
use std::sync::Arc;

use bytes::Bytes;

use crate::storage::tap;

/// What goes behind the records of a file.
#[derive(Clone, Debug)]
pub(in super::super) enum Objects {
    /// Blocks of 1 to 2^28 - 1 bytes.
    Blocks(Vec<Bytes>),
    /// So many filemarks, all or none.
    Filemarks(u32),
}

impl Objects {
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Blocks(blocks) => blocks.is_empty(),
            Self::Filemarks(count) => *count == 0,
        }
    }
}

/// What a command writes, before the command that does so is done.
#[derive(Debug)]
pub(in super::super) struct Append {
    pub(super) file: Arc<File>,
    /// Where the file is to end before that.
    pub(super) cut: Option<u64>,
    /// Where the objects go.
    pub(super) offset: u64,
    pub(super) objects: Objects,
}

/// What came of it.
#[derive(Debug, Default)]
pub(in super::super) struct Appended {
    cut: Option<(u64, io::Result<()>)>,
    /// For each block, or for all filemarks: where it begins and what is behind it. Nothing was written behind an error.
    written: VecDeque<(u64, io::Result<u64>)>,
}

impl Append {
    /// Does it, however long the disk takes.
    pub(in super::super) fn run(self) -> Appended {
        let Self {
            file,
            cut,
            mut offset,
            objects,
        } = self;
        let cut = cut.map(|end| (end, file.set_len(end)));
        let mut written = VecDeque::new();
        if !matches!(cut, Some((_, Err(_)))) {
            match objects {
                Objects::Blocks(blocks) => {
                    for block in blocks {
                        let end = write_block(&file, offset, &block);
                        let behind = end.as_ref().ok().copied();
                        written.push_back((offset, end));
                        match behind {
                            Some(behind) => offset = behind,
                            None => break,
                        }
                    }
                }
                Objects::Filemarks(0) => {}
                Objects::Filemarks(count) => {
                    written.push_back((offset, write_filemarks(&file, offset, count)));
                }
            }
        }
        Appended { cut, written }
    }
}

impl Appended {
    /// Returns whether nothing was done, or all of it was noted.
    pub(super) fn is_empty(&self) -> bool {
        self.cut.is_none() && self.written.is_empty()
    }

    /// Returns what came of ending the file here; none when that was not done.
    pub(super) fn take_cut(&mut self, end: u64) -> Option<io::Result<()>> {
        let (_, result) = self.cut.take_if(|(at, _)| *at == end)?;
        Some(result)
    }

    /// Returns what came of writing the next object, which begins here: what is behind it. None when it was not written.
    pub(super) fn take_written(&mut self, offset: u64) -> Option<io::Result<u64>> {
        let (begin, _) = self.written.front()?;
        match *begin == offset {
            true => self.written.pop_front().map(|(_, end)| end),
            false => None,
        }
    }
}

/// Writes a block, and returns what is behind it. After an error nothing of it counts.
pub(super) fn write_block(file: &File, offset: u64, data: &[u8]) -> io::Result<u64> {
    let frame = tap::Frame::new(data).ok_or(io::ErrorKind::InvalidInput)?;
    write(file, offset, &mut frame.parts()).inspect_err(|_| cut_again(file, offset))
}

/// Writes filemarks, and returns what is behind them. After an error none of them counts.
pub(super) fn write_filemarks(file: &File, offset: u64, count: u32) -> io::Result<u64> {
    const ZEROS: [u8; 16 * 1024] = [0; 16 * 1024];
    let mut left = usize::try_from(count)
        .unwrap_or(usize::MAX)
        .saturating_mul(4);
    let mut end = offset;
    while left > 0 {
        let piece = ZEROS.get(..left).unwrap_or(&ZEROS);
        end = write(file, end, &mut [IoSlice::new(piece)])
            .inspect_err(|_| cut_again(file, offset))?;
        left = left.saturating_sub(piece.len());
    }
    Ok(end)
}

/// Best effort: gives the room back when the disk is full. Whoever writes next tries again.
fn cut_again(file: &File, offset: u64) {
    let _ = file.set_len(offset);
}

fn write(file: &File, mut offset: u64, mut parts: &mut [IoSlice<'_>]) -> io::Result<u64> {
    IoSlice::advance_slices(&mut parts, 0);
    while !parts.is_empty() {
        match rustix::io::pwritev(file, parts, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                offset = offset.saturating_add(u64::try_from(written).unwrap_or(u64::MAX));
                IoSlice::advance_slices(&mut parts, written);
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(offset)
}
