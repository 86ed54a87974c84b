//! IBM i types and models, such as `3584-403` and `3580-005`.

use super::text::printable;
use crate::scsi::data::vpd::MachineTypeModel;

/// The type and model of a library, and how it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LibraryTypeModel {
    /// `3584-403`; `3584-***` when only the type is known, `****-***` when neither is.
    pub text: String,
    /// Whether the type was taken from the product identification.
    pub derived: bool,
}

impl LibraryTypeModel {
    /// Returns the type and model of VPD page D0h, or the type that the product identification begins with: IBM
    /// libraries have `0` and the four digits of their type there (`03584L32`), some only the digits (`3573-TL`).
    pub fn new(reported: Option<MachineTypeModel>, product: &[u8]) -> Self {
        if let Some(reported) = reported {
            return Self {
                // Models have three digits ("040", "403"), four when the first of four is not 0.
                text: format!("{:04}-{:03}", reported.machine_type, reported.model),
                derived: false,
            };
        }
        let product = printable(product);
        let number = product.strip_prefix('0').unwrap_or(&product);
        // More digits than four are a number of another kind.
        let digits = number.get(..4).filter(|_| {
            let next = number.as_bytes().get(4);
            !next.is_some_and(u8::is_ascii_digit)
        });
        match digits {
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => Self {
                text: format!("{digits}-***"),
                derived: true,
            },
            _ => Self {
                text: UNKNOWN.to_owned(),
                derived: false,
            },
        }
    }

    /// Returns whether IBM i would take the library for a 3584.
    pub fn is_3584(&self) -> bool {
        self.text.starts_with("3584-")
    }
}

/// What is known of a drive from its product identification: `ULT3580-TDn`, `ULTRIUM-TDn` and the half height `HHn` of
/// both are LTO generation n.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DriveModel {
    generation: Option<u8>,
}

impl DriveModel {
    /// Returns the model that the product identification tells.
    pub fn new(product: &[u8]) -> Self {
        let product = printable(product);
        let generation = ["ULT3580-TD", "ULT3580-HH", "ULTRIUM-TD", "ULTRIUM-HH"]
            .iter()
            .find_map(|name| product.strip_prefix(name))
            .and_then(|digits| match digits.as_bytes() {
                [digit @ b'1'..=b'9'] => Some(digit - b'0'),
                [tens @ b'1'..=b'9', units @ b'0'..=b'9'] => {
                    Some((tens - b'0') * 10 + (units - b'0'))
                }
                _ => None,
            });
        Self { generation }
    }

    /// Returns the type and model: `3580-005`, or `****-***`.
    pub fn text(self) -> String {
        match self.generation {
            Some(generation) => format!("3580-{generation:03}"),
            None => UNKNOWN.to_owned(),
        }
    }

    /// Returns whether the product identification is of a form that tells the model.
    pub fn is_known(self) -> bool {
        self.generation.is_some()
    }

    /// Returns whether the drive is known to be older than LTO3, the first that IBM i takes here.
    pub fn is_older_than_lto3(self) -> bool {
        self.generation.is_some_and(|generation| generation < 3)
    }
}

const UNKNOWN: &str = "****-***";

#[cfg(test)]
mod tests {
    use super::*;

    fn library(reported: Option<(u16, u16)>, product: &[u8]) -> (String, bool) {
        let reported = reported.map(|(machine_type, model)| MachineTypeModel {
            machine_type,
            model,
        });
        let found = LibraryTypeModel::new(reported, product);
        (found.text, found.derived)
    }

    #[test]
    fn page_d0_wins_over_the_product() {
        assert_eq!(
            library(Some((3584, 403)), b"03573-TL"),
            ("3584-403".to_owned(), false)
        );
        assert_eq!(
            library(Some((3584, 40)), b""),
            ("3584-040".to_owned(), false)
        );
        assert_eq!(
            library(Some((3584, 1403)), b""),
            ("3584-1403".to_owned(), false)
        );
    }

    #[test]
    fn the_product_tells_the_type_alone_and_the_result_says_so() {
        assert_eq!(
            library(None, b"03584L32        "),
            ("3584-***".to_owned(), true)
        );
        assert_eq!(library(None, b"03573-TL"), ("3573-***".to_owned(), true));
        assert_eq!(
            library(None, b"3573-TL         "),
            ("3573-***".to_owned(), true)
        );
        for product in [
            &b"L700            "[..],
            b"0358",
            b"035841",
            b"35841L32",
            b"03A84L32",
            b"",
            b"\xff\xff",
        ] {
            assert_eq!(library(None, product), ("****-***".to_owned(), false));
        }
    }

    #[test]
    fn only_a_3584_is_a_3584() {
        assert!(LibraryTypeModel::new(None, b"03584L22").is_3584());
        assert!(!LibraryTypeModel::new(None, b"03573-TL").is_3584());
        assert!(!LibraryTypeModel::new(None, b"").is_3584());
    }

    #[test]
    fn lto_drives_have_their_generation_as_model() {
        for (product, text) in [
            (&b"ULT3580-TD5     "[..], "3580-005"),
            (b"ULT3580-HH9     ", "3580-009"),
            (b"ULT3580-TD10    ", "3580-010"),
            (b"ULTRIUM-TD4     ", "3580-004"),
            (b"ULTRIUM-HH10    ", "3580-010"),
            (b"ULT3580-TD05    ", "****-***"),
            (b"ULT3580-TD100   ", "****-***"),
            (b"ULT3580-TD      ", "****-***"),
            (b"ULT3580-TD0     ", "****-***"),
            (b"ULT3580-TDX     ", "****-***"),
            (b"03592E08        ", "****-***"),
            (b"", "****-***"),
        ] {
            assert_eq!(DriveModel::new(product).text(), text);
        }
    }

    #[test]
    fn lto2_is_too_old_and_an_unknown_drive_is_not_accused() {
        assert!(DriveModel::new(b"ULT3580-TD2").is_older_than_lto3());
        assert!(DriveModel::new(b"ULTRIUM-TD2").is_older_than_lto3());
        assert!(!DriveModel::new(b"ULT3580-TD3").is_older_than_lto3());
        assert!(!DriveModel::new(b"ULT3580-TD10").is_older_than_lto3());
        assert!(!DriveModel::new(b"Ultrium 2-SCSI").is_older_than_lto3());
    }
}
