//! Cartridges: barcode, write protection, and what is recorded on them.

mod shelf;
mod tap;
mod tape;

use std::fmt;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::configuration::DriveType;
pub(super) use shelf::{Placed, Shelf};
pub(super) use tape::{Kind, Tape, TapeError};

/// What a block costs of a cartridge's capacity beside its length, and a filemark as a whole, in bytes. It bounds the
/// memory that the records of a cartridge take, whatever is written on it.
pub const RECORD_COST: u64 = 64;

/// Where the recorded data is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Media {
    /// In memory, gone when the library is dropped.
    InMemory {
        /// The most that all cartridges together may hold, in bytes, counted as for a cartridge's capacity. A write
        /// beyond it meets the end of the medium.
        limit: u64,
    },
    /// As SIMH .tap files in this directory, which is made when it is not there. Nothing else may write there while the
    /// library exists.
    Directory(PathBuf),
}

/// The barcode of a cartridge: 1 to 16 capital letters and digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Barcode(String);

impl Barcode {
    /// Returns the barcode with this text.
    ///
    /// # Errors
    /// [`BarcodeError`] when it is not 1 to 16 capital letters and digits.
    pub fn parse(text: &str) -> Result<Self, BarcodeError> {
        let is_code = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
        if (1..=16).contains(&text.len()) && text.bytes().all(is_code) {
            Ok(Self(text.to_owned()))
        } else {
            Err(BarcodeError)
        }
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn numbered(number: u16, drive_type: DriveType) -> Self {
        let mut volume = format!("VOL{number:03}");
        // Six characters and the suffix of two: what IBM i takes for a volume identifier.
        while volume.len() > 6 {
            let letters = volume
                .bytes()
                .take_while(u8::is_ascii_alphabetic)
                .count()
                .saturating_sub(1);
            volume.remove(letters);
        }
        Self(format!("{volume}L{}", drive_type.generation()))
    }

    /// Returns the LTO generation that the suffix names, where there is one.
    pub(super) fn generation(&self) -> Option<u8> {
        match self.0.as_bytes() {
            [_, .., b'L', digit @ b'1'..=b'9'] if self.0.len() == 8 => {
                Some(digit.saturating_sub(b'0'))
            }
            _ => None,
        }
    }
}

impl TryFrom<String> for Barcode {
    type Error = BarcodeError;

    fn try_from(text: String) -> Result<Self, BarcodeError> {
        Self::parse(&text)
    }
}

impl From<Barcode> for String {
    fn from(barcode: Barcode) -> Self {
        barcode.0
    }
}

impl fmt::Display for Barcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text is no barcode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a barcode is 1 to 16 capital letters and digits")]
pub struct BarcodeError;

/// A cartridge, wherever it is.
#[derive(Debug)]
pub(super) struct Cartridge {
    pub(super) volume: Barcode,
    pub(super) write_protected: bool,
    /// Address of the storage or import/export element that it came from.
    pub(super) source: Option<u16>,
    /// What is recorded on it: always there in memory, opened by a drive when it is a file.
    tape: Option<Box<Tape>>,
}

impl Cartridge {
    pub(super) fn new(volume: Barcode, write_protected: bool) -> Self {
        Self {
            volume,
            write_protected,
            source: None,
            tape: None,
        }
    }

    /// Makes the tape accessible.
    ///
    /// # Errors
    /// When its file cannot be read.
    pub(super) fn open(&mut self, shelf: &Shelf) -> io::Result<()> {
        if self.tape.is_none() {
            self.tape = Some(Box::new(shelf.tape(&self.volume)?));
        }
        Ok(())
    }

    /// Makes sure that everything written stays, and closes the file.
    ///
    /// # Errors
    /// When the file cannot be synced; it stays open then.
    pub(super) fn close(&mut self) -> io::Result<()> {
        self.sync()?;
        if self.tape.as_deref().is_some_and(Tape::is_file) {
            self.tape = None;
        }
        Ok(())
    }

    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.tape.as_deref_mut().map_or(Ok(()), Tape::sync)
    }

    pub(super) fn tape(&self) -> Option<&Tape> {
        self.tape.as_deref()
    }

    pub(super) fn tape_mut(&mut self) -> Option<&mut Tape> {
        self.tape.as_deref_mut()
    }
}
