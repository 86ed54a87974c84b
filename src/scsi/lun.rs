//! Logical unit numbers (SAM-5 4.7).

use std::fmt;

/// A logical unit number: the eight bytes as the target gave them.
///
/// The bytes are kept because a target may be told only what it said itself: LUN 5 in peripheral and in flat space
/// addressing are different bytes. Prints as the number where there is one, else as the eight bytes in hexadecimal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lun(pub [u8; 8]);

impl Lun {
    /// LUN 0, to which REPORT LUNS goes.
    pub const ZERO: Self = Self([0; 8]);
    /// The REPORT LUNS well-known logical unit (SPC-4 8.2): answers REPORT LUNS where a target has no LUN 0.
    pub const REPORT_LUNS: Self = Self([0xc1, 0x01, 0, 0, 0, 0, 0, 0]);
    /// The largest number that [`Lun::from_number`] can encode.
    pub const MAX_NUMBER: u16 = 0x3fff;

    /// Returns the single-level LUN of that number: peripheral device addressing up to 255, flat space addressing up to
    /// 16383; `None` above.
    #[must_use]
    pub const fn from_number(number: u16) -> Option<Self> {
        let [high, low] = number.to_be_bytes();
        match number {
            0..=0xff => Some(Self([0, low, 0, 0, 0, 0, 0, 0])),
            0x100..=Self::MAX_NUMBER => Some(Self([0x40 | high, low, 0, 0, 0, 0, 0, 0])),
            _ => None,
        }
    }

    /// Returns the number of a single-level LUN: peripheral device addressing on bus 0, flat space, or extended flat
    /// space addressing of 24 bits (SAM-5 4.7.7); `None` for any other form.
    #[must_use]
    pub const fn single_level(self) -> Option<u32> {
        match self.0 {
            [0, low, 0, 0, 0, 0, 0, 0] => Some(low as u32),
            [high @ 0x40..=0x7f, low, 0, 0, 0, 0, 0, 0] => {
                Some(u32::from_be_bytes([0, 0, high & 0x3f, low]))
            }
            [0xd2, a, b, c, 0, 0, 0, 0] => Some(u32::from_be_bytes([0, a, b, c])),
            _ => None,
        }
    }

    /// Returns the number of a single-level LUN, or the eight bytes as one big-endian number for every other form.
    #[must_use]
    pub fn number(self) -> u64 {
        self.single_level()
            .map_or_else(|| u64::from_be_bytes(self.0), u64::from)
    }
}

impl fmt::Display for Lun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.single_level() {
            Some(number) => write!(f, "{number}"),
            None => write!(f, "{:#018x}", u64::from_be_bytes(self.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn luns_up_to_255_use_peripheral_and_above_flat_addressing() {
        assert_eq!(Lun::from_number(255), Some(Lun([0, 255, 0, 0, 0, 0, 0, 0])));
        assert_eq!(
            Lun::from_number(256),
            Some(Lun([0x41, 0, 0, 0, 0, 0, 0, 0]))
        );
        assert_eq!(
            Lun::from_number(16383),
            Some(Lun([0x7f, 0xff, 0, 0, 0, 0, 0, 0]))
        );
        assert_eq!(Lun::from_number(16384), None);
    }

    #[test]
    fn numbers_are_read_from_every_single_level_form() {
        assert_eq!(Lun([0, 5, 0, 0, 0, 0, 0, 0]).single_level(), Some(5));
        assert_eq!(Lun([0x40, 7, 0, 0, 0, 0, 0, 0]).single_level(), Some(7));
        assert_eq!(Lun([0x41, 0x2c, 0, 0, 0, 0, 0, 0]).number(), 300);
        assert_eq!(Lun([0xd2, 1, 0, 2, 0, 0, 0, 0]).number(), 0x1_0002);
        assert_eq!(
            Lun([0xd2, 1, 0, 2, 0, 0, 0, 0]).single_level(),
            Some(0x1_0002)
        );
        assert_eq!(
            Lun::from_number(300).map(|lun| lun.to_string()),
            Some("300".to_owned())
        );
    }

    #[test]
    fn other_forms_have_no_number_and_print_in_hexadecimal() {
        for other in [
            Lun([1, 7, 0, 0, 0, 0, 0, 0]),
            Lun([0, 7, 0, 1, 0, 0, 0, 0]),
            Lun::REPORT_LUNS,
        ] {
            assert_eq!(other.single_level(), None);
        }
        assert_eq!(Lun::REPORT_LUNS.to_string(), "0xc101000000000000");
        assert_eq!(Lun::REPORT_LUNS.number(), 0xc101_0000_0000_0000);
    }

    proptest! {
        #[test]
        fn a_number_survives_the_wire_form(number in 0..=Lun::MAX_NUMBER) {
            let lun = Lun::from_number(number).unwrap();
            prop_assert_eq!(lun.single_level(), Some(number.into()));
        }
    }
}
