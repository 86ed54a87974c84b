//! The barcode of a cartridge.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

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

    /// Returns the barcode of the cartridge with this number for drives of an LTO generation: VOL001L8 and so on.
    pub(super) fn numbered(number: u16, generation: u8) -> Self {
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
        Self(format!("{volume}L{generation}"))
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
