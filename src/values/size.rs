//! Sizes in bytes with the units that people write.

use std::str::FromStr;

use thiserror::Error;

/// A number of bytes: `4096`, `256KiB`, `1MiB`, `10GB`; units with an i count by 1024, those without by 1000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(u64);

/// Why a text is no size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SizeError {
    /// Not a whole number with a unit behind it.
    #[error("not a size such as 4096, 64KiB, 1GiB or 100MB")]
    Malformed,
    /// More than a file can hold.
    #[error("a size of more than 8 EiB")]
    TooLarge,
    /// Nothing, where something is needed.
    #[error("it must be more than 0")]
    Zero,
}

impl Size {
    /// Returns the number of bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }

    /// Parses a size of at least one byte.
    ///
    /// # Errors
    /// [`SizeError`] when it is no size, or nothing.
    pub fn parse_some(typed: &str) -> Result<Self, SizeError> {
        match typed.parse()? {
            Self(0) => Err(SizeError::Zero),
            size => Ok(size),
        }
    }
}

impl FromStr for Size {
    type Err = SizeError;

    fn from_str(typed: &str) -> Result<Self, SizeError> {
        const UNITS: [(&str, u64); 11] = [
            ("", 1),
            ("B", 1),
            ("KiB", 1 << 10),
            ("MiB", 1 << 20),
            ("GiB", 1 << 30),
            ("TiB", 1 << 40),
            ("kB", 1000),
            ("KB", 1000),
            ("MB", 1_000_000),
            ("GB", 1_000_000_000),
            ("TB", 1_000_000_000_000),
        ];
        let digits = typed.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = typed.split_at_checked(digits).unwrap_or_default();
        let factor = UNITS.iter().find(|(name, _)| *name == unit);
        let (false, Some((_, factor))) = (number.is_empty(), factor) else {
            return Err(SizeError::Malformed);
        };
        number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(*factor))
            .filter(|bytes| i64::try_from(*bytes).is_ok())
            .map(Self)
            .ok_or(SizeError::TooLarge)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_binary_with_an_i_and_decimal_without() {
        for (typed, bytes) in [
            ("0", 0),
            ("1", 1),
            ("4096", 4096),
            ("512B", 512),
            ("64KiB", 65_536),
            ("10kB", 10_000),
            ("10KB", 10_000),
            ("100MB", 100_000_000),
            ("1GiB", 1 << 30),
            ("10GB", 10_000_000_000),
            ("8388607TiB", 8_388_607 << 40),
        ] {
            assert_eq!(typed.parse(), Ok(Size(bytes)), "{typed}");
        }
        for typed in ["", "GiB", "1gib", "1.5GiB", "-1", "+1", "1 GiB", "1G"] {
            assert_eq!(typed.parse::<Size>(), Err(SizeError::Malformed), "{typed}");
        }
        for typed in ["8388608TiB", "99999999999999999999"] {
            assert_eq!(typed.parse::<Size>(), Err(SizeError::TooLarge), "{typed}");
        }
        for typed in ["0", "0MiB"] {
            assert_eq!(Size::parse_some(typed), Err(SizeError::Zero), "{typed}");
        }
    }
}
