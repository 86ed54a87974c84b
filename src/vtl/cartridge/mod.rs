//! Cartridges: barcode, write protection, and what is recorded on them.

use std::fmt;
use std::path::PathBuf;

use thiserror::Error;

use super::configuration::DriveType;

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
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

impl fmt::Display for Barcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text is no barcode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a barcode is 1 to 16 capital letters and digits")]
pub struct BarcodeError;
