//! SIMH .tap files, the format of a tape in a file: its objects are found and written.
//!
//! A file is a row of objects. Each begins with a 4-byte little-endian word, whose first hex digit is its class:
//!
//! | word | meaning |
//! |---|---|
//! | 00000000 | a filemark, nothing follows |
//! | 0nnnnnnn | a block of n bytes: data, a pad byte when n is odd, the word again |
//! | 8nnnnnnn | the same, of a block that could not be read when the tape was copied: a medium error |
//! | 1nnnnnnn to 6nnnnnnn, Ennnnnnn | private records and tape descriptions, framed like blocks: passed over |
//! | 7nnnnnnn | a private marker, nothing follows: passed over |
//! | 9nnnnnnn to Dnnnnnnn, other markers of class F | reserved: a medium error |
//! | FFFFFFFE | an erase gap, nothing follows: passed over |
//! | FFFEFFFF | half a gap, of which an overwritten record took the rest: the next word begins 2 bytes on |
//! | FFFFFFFF | the end of the medium |
//!
#![allow(clippy::disallowed_methods, reason = "files are read and written here")]

use std::fs::File;
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt;

/// How much of a file is read at once while its objects are looked for: many short ones, or both ends of a long one.
const WINDOW: usize = 32 * 1024;

const GAP: u32 = 0xffff_fffe;
const HALF_GAP: u32 = 0xfffe_ffff;
const END_OF_MEDIUM: u32 = 0xffff_ffff;

/// The part of an object's first word that is a length.
const LENGTH: u32 = 0x0fff_ffff;

/// The longest block that the format holds, in bytes.
pub const LONGEST_BLOCK: u32 = LENGTH;

/// An object of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// A block: where its first word is, and its bytes, which begin four bytes behind that.
    Block {
        /// Offset of its first word.
        offset: u64,
        /// Its length in bytes.
        length: u32,
    },
    /// A block that could not be read when the tape was copied, or a marker whose meaning is reserved.
    Unreadable {
        /// Offset of its first word.
        offset: u64,
        /// Bytes of it that are there.
        length: u32,
    },
    /// Filemarks in a row.
    Filemarks {
        /// Offset of the first one.
        offset: u64,
        /// How many.
        count: u32,
    },
    /// The file ends inside of a block: what a writer leaves that was killed. It is the last object.
    Torn {
        /// Offset of its first word.
        offset: u64,
        /// The length that the block was to have.
        length: u32,
    },
    /// What is here is not of the format. It is the last object.
    Damage {
        /// Where it begins.
        offset: u64,
    },
}

/// What a word at the beginning of an object means.
enum Word {
    Filemark,
    /// Data and the word again follow.
    Framed(Framed),
    /// The object has this many bytes and no meaning here.
    Passed(u64),
    /// A marker whose meaning is reserved.
    Reserved,
    EndOfMedium,
}

#[derive(Clone, Copy)]
enum Framed {
    Block,
    Unreadable,
    /// Another program's record.
    Foreign,
}

impl Word {
    fn new(word: u32) -> Self {
        match (word, word >> 28) {
            (0, _) => Self::Filemark,
            (GAP, _) | (_, 0x7) => Self::Passed(4),
            (HALF_GAP, _) => Self::Passed(2),
            (END_OF_MEDIUM, _) => Self::EndOfMedium,
            (_, 0xf) => Self::Reserved,
            (_, 0x0) => Self::Framed(Framed::Block),
            (_, 0x1..=0x6 | 0xe) => Self::Framed(Framed::Foreign),
            // 8 is a bad block, 9 to D are reserved classes.
            _ => Self::Framed(Framed::Unreadable),
        }
    }
}

/// Finds the objects of a file in order.
pub struct Scanner<'a> {
    words: WordReader<'a>,
    offset: u64,
    ended: bool,
}

impl<'a> Scanner<'a> {
    /// Begins at the beginning of a file, whose length counts as it is now.
    ///
    /// # Errors
    /// The system's.
    pub fn new(file: &'a File) -> io::Result<Self> {
        Ok(Self {
            words: WordReader::new(file)?,
            offset: 0,
            ended: false,
        })
    }

    /// Returns where the object behind the last one begins; behind the last object, where the next one would be written.
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// Returns the length of the file in bytes.
    pub const fn size(&self) -> u64 {
        self.words.size
    }

    /// Returns the next object; none behind the last one.
    ///
    /// # Errors
    /// The system's.
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator of results would go on behind an error"
    )]
    pub fn next(&mut self) -> io::Result<Option<Found>> {
        while !self.ended {
            let offset = self.offset;
            let Some(word) = self.words.at(offset)? else {
                break;
            };
            match Word::new(word) {
                Word::EndOfMedium => self.ended = true,
                Word::Passed(length) => self.offset = offset.saturating_add(length),
                Word::Reserved => {
                    self.offset = offset.saturating_add(4);
                    return Ok(Some(Found::Unreadable { offset, length: 0 }));
                }
                Word::Filemark => {
                    let count = self.words.zeros_from(offset)?;
                    self.offset = offset.saturating_add(u64::from(count).saturating_mul(4));
                    return Ok(Some(Found::Filemarks { offset, count }));
                }
                Word::Framed(framed) => {
                    if let Some(found) = self.framed(framed, word)? {
                        return Ok(Some(found));
                    }
                }
            }
        }
        Ok(None)
    }

    fn framed(&mut self, framed: Framed, word: u32) -> io::Result<Option<Found>> {
        let (offset, length) = (self.offset, word & LENGTH);
        let next = offset.saturating_add(framed_length(length));
        if next > self.words.size && matches!(framed, Framed::Block) {
            self.ended = true;
            return Ok(Some(Found::Torn { offset, length }));
        }
        if next > self.words.size || self.words.at(next.saturating_sub(4))? != Some(word) {
            self.ended = true;
            return Ok(Some(Found::Damage { offset }));
        }
        self.offset = next;
        Ok(match framed {
            Framed::Block => Some(Found::Block { offset, length }),
            Framed::Unreadable => Some(Found::Unreadable { offset, length }),
            Framed::Foreign => None,
        })
    }
}

/// Reads bytes of the block whose first word is at an offset.
///
/// # Errors
/// The system's.
pub fn read_block(file: &File, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut data = vec![0; length];
    file.read_exact_at(&mut data, offset.saturating_add(4))?;
    Ok(data)
}

/// A block as it is written.
pub struct Frame<'a> {
    word: [u8; 4],
    data: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Frames a block; none for one that the format does not hold.
    #[must_use]
    pub fn new(data: &'a [u8]) -> Option<Self> {
        let length = u32::try_from(data.len())
            .ok()
            .filter(|length| (1..=LONGEST_BLOCK).contains(length))?;
        Some(Self {
            word: length.to_le_bytes(),
            data,
        })
    }

    /// Returns what is written: the length, the data, a pad byte where the length is odd, and the length again.
    #[must_use]
    pub fn parts(&self) -> [IoSlice<'_>; 4] {
        let pad: &[u8] = if self.data.len() % 2 == 1 { &[0] } else { &[] };
        [
            IoSlice::new(&self.word),
            IoSlice::new(self.data),
            IoSlice::new(pad),
            IoSlice::new(&self.word),
        ]
    }
}

/// A filemark as it is written.
pub const FILEMARK: [u8; 4] = [0; 4];

/// Bytes of a block's record: the two words, the data, and the pad byte of an odd length.
fn framed_length(length: u32) -> u64 {
    let length = u64::from(length);
    length.saturating_add(length % 2).saturating_add(8)
}

/// The words of a file, read a window at a time.
struct WordReader<'a> {
    file: &'a File,
    size: u64,
    window: Vec<u8>,
    begin: u64,
}

impl<'a> WordReader<'a> {
    fn new(file: &'a File) -> io::Result<Self> {
        Ok(Self {
            file,
            size: file.metadata()?.len(),
            window: Vec::new(),
            begin: 0,
        })
    }

    /// Returns the little-endian word at an offset; none when the file ends before it does.
    fn at(&mut self, offset: u64) -> io::Result<Option<u32>> {
        if offset.saturating_add(4) > self.size {
            return Ok(None);
        }
        if let Some(word) = self.in_window(offset) {
            return Ok(Some(word));
        }
        let left = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        self.window.resize(left.min(WINDOW), 0);
        self.begin = offset;
        self.file.read_exact_at(&mut self.window, offset)?;
        Ok(self.in_window(offset))
    }

    /// Returns how many words in a row are zero, the first one being so.
    fn zeros_from(&mut self, offset: u64) -> io::Result<u32> {
        let mut count = 1u32;
        loop {
            let next = offset.saturating_add(u64::from(count).saturating_mul(4));
            if count == u32::MAX || self.at(next)? != Some(0) {
                return Ok(count);
            }
            count = count.saturating_add(1);
        }
    }

    fn in_window(&self, offset: u64) -> Option<u32> {
        let start = usize::try_from(offset.checked_sub(self.begin)?).ok()?;
        let bytes = self.window.get(start..start.checked_add(4)?)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    #[test]
    fn what_is_framed_is_found() {
        let mut bytes = Vec::new();
        for block in [&b"odd"[..], b"even"] {
            for part in Frame::new(block).unwrap().parts() {
                bytes.extend_from_slice(&part);
            }
            bytes.extend(FILEMARK);
        }
        bytes.extend(b"\x09\0\0\0torn");
        assert!(Frame::new(b"").is_none(), "a length of 0 is a filemark");
        let file = file(&bytes);
        let mut scanner = Scanner::new(&file).unwrap();
        let mut found = Vec::new();
        while let Some(object) = scanner.next().unwrap() {
            found.push(object);
        }
        let expected = [
            Found::Block {
                offset: 0,
                length: 3,
            },
            Found::Filemarks {
                offset: 12,
                count: 1,
            },
            Found::Block {
                offset: 16,
                length: 4,
            },
            Found::Filemarks {
                offset: 28,
                count: 1,
            },
            Found::Torn {
                offset: 32,
                length: 9,
            },
        ];
        assert_eq!(found, expected);
        assert_eq!(scanner.offset(), 32);
        assert_eq!(read_block(&file, 16, 4).unwrap(), b"even");
    }

    #[test]
    fn a_scan_reads_short_objects_many_at_a_time() {
        let object = b"\x50\0\0\0".iter().copied();
        let object: Vec<u8> = object.clone().chain([7; 80]).chain(object).collect();
        let count = 10 * WINDOW / object.len();
        let file = file(&object.repeat(count));
        let mut scanner = Scanner::new(&file).unwrap();
        let (mut windows, mut begin) = (1, 0);
        let mut found = 0;
        while scanner.next().unwrap().is_some() {
            found += 1;
            windows += usize::from(scanner.words.begin != begin);
            begin = scanner.words.begin;
        }
        assert_eq!(found, count);
        assert!(windows <= 11, "{windows}");
    }
}
