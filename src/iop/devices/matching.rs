//! Which drive of a target is in which data transfer element of its libraries.

use super::inventory::{DriveElement, DriveIdentifier, InquiredUnit};
use super::text::{hex, printable, trimmed};
use crate::scsi::data::vpd::CodeSet;

/// What a data transfer element's identifier leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum DriveMatch {
    /// The drive with this index.
    Drive(usize),
    /// The drive with this index, by an identifier that was cut short.
    ByPrefix(usize),
    /// The drive with this index, by an identifier that ends in its serial number, or differs from it in leading zeros.
    ByLikeness(usize),
    /// The drive with this index, which the element with this address has already.
    Twice(usize, u16),
    /// No drive of the target.
    Nothing,
    /// The library gives no identifier.
    Unnamed,
}

/// Returns for each library what each of its elements leads to. A drive is in one element at most.
///
/// Identifiers that name a drive in full come first, whatever library they are of. What is left is matched with the drives
/// that are left, and only when it fits exactly one: first those that end in the serial number or have other leading
/// zeros than it, as some libraries name drives, then those that are cut short: tgt cuts off the end of the last one.
pub(super) fn find_drives(
    libraries: &[&[DriveElement]],
    drives: &[&InquiredUnit],
) -> Vec<Vec<DriveMatch>> {
    let identities: Vec<DriveIdentity> = drives
        .iter()
        .map(|drive| DriveIdentity::new(drive))
        .collect();
    let mut taken_by: Vec<Option<u16>> = vec![None; drives.len()];
    let mut found: Vec<Vec<DriveMatch>> = Vec::with_capacity(libraries.len());
    for elements in libraries {
        let in_full = elements.iter().map(|element| {
            let Some(identifier) = &element.identifier else {
                return DriveMatch::Unnamed;
            };
            let fits = |identity: &DriveIdentity| identity.is_named_by(identifier);
            let Some(index) = identities.iter().position(fits) else {
                return DriveMatch::Nothing;
            };
            match taken_by.get_mut(index) {
                Some(Some(other)) => DriveMatch::Twice(index, *other),
                Some(free) => {
                    *free = Some(element.address);
                    DriveMatch::Drive(index)
                }
                None => DriveMatch::Nothing,
            }
        });
        found.push(in_full.collect());
    }
    let ways: [(Fits, DriveMatcher); 2] = [
        (
            |drive, identifier| drive.is_like(identifier),
            DriveMatch::ByLikeness,
        ),
        (
            |drive, identifier| drive.begins_with(identifier),
            DriveMatch::ByPrefix,
        ),
    ];
    for (fits, by) in ways {
        for (elements, found) in libraries.iter().zip(&mut found) {
            for (element, found) in elements.iter().zip(found) {
                let (DriveMatch::Nothing, Some(identifier)) = (&*found, &element.identifier) else {
                    continue;
                };
                let mut candidates =
                    identities.iter().zip(&mut taken_by).enumerate().filter(
                        |(_, (identity, taken))| taken.is_none() && fits(identity, identifier),
                    );
                if let (Some((index, (_, taken))), None) = (candidates.next(), candidates.next()) {
                    *taken = Some(element.address);
                    *found = by(index);
                }
            }
        }
    }
    found
}

/// Whether an identifier leads to a drive.
type Fits = fn(&DriveIdentity<'_>, &DriveIdentifier) -> bool;
/// What is found of the drive with this index.
type DriveMatcher = fn(usize) -> DriveMatch;

/// Returns an identifier for people: text where it is text, else hex digits; the first [`IDENTIFIER_SHOWN`] bytes.
pub(super) fn identifier_text(identifier: &DriveIdentifier) -> String {
    let is_text = identifier.code_set != CodeSet::BINARY;
    let bytes = match is_text {
        true => trimmed(&identifier.bytes),
        false => &identifier.bytes,
    };
    let shown = bytes.get(..IDENTIFIER_SHOWN).unwrap_or(bytes);
    let text = if is_text {
        printable(shown)
    } else {
        hex(shown)
    };
    if shown.len() < bytes.len() {
        text + "..."
    } else {
        text
    }
}

/// More than any form of identifier that libraries give: vendor, product and a serial number.
const IDENTIFIER_SHOWN: usize = 80;

/// The forms in which libraries name a drive.
struct DriveIdentity<'a> {
    drive: &'a InquiredUnit,
    /// The serial number alone: a 3584.
    serial: &'a [u8],
    /// VENDOR IDENTIFICATION, PRODUCT IDENTIFICATION, serial number: tgt, and others after SPC-4's T10 form.
    vendor_product_serial: Vec<u8>,
}

impl<'a> DriveIdentity<'a> {
    fn new(drive: &'a InquiredUnit) -> Self {
        let serial = trimmed(&drive.serial);
        Self {
            drive,
            serial,
            vendor_product_serial: [&drive.inquiry.vendor[..], &drive.inquiry.product, serial]
                .concat(),
        }
    }

    fn is_named_by(&self, identifier: &DriveIdentifier) -> bool {
        let text = trimmed(&identifier.bytes);
        let has_serial = !self.serial.is_empty();
        has_serial && (text == self.serial || text == trimmed(&self.vendor_product_serial))
            || self.drive.designators.iter().any(|designator| {
                designator.designator_type == identifier.identifier_type
                    && designator.code_set == identifier.code_set
                    && !text.is_empty()
                    && (designator.bytes == identifier.bytes
                        || designator.code_set != CodeSet::BINARY
                            && trimmed(&designator.bytes) == text)
            })
    }

    fn is_like(&self, identifier: &DriveIdentifier) -> bool {
        let text = trimmed(&identifier.bytes);
        let serial = without_leading_zeros(self.serial);
        identifier.code_set != CodeSet::BINARY
            && !serial.is_empty()
            && (text.ends_with(self.serial) || without_leading_zeros(text) == serial)
    }

    fn begins_with(&self, identifier: &DriveIdentifier) -> bool {
        let text = trimmed(&identifier.bytes);
        identifier.code_set != CodeSet::BINARY
            && !text.is_empty()
            && !self.serial.is_empty()
            && (self.serial.starts_with(text) || self.vendor_product_serial.starts_with(text))
    }
}

fn without_leading_zeros(text: &[u8]) -> &[u8] {
    let zeros = text.iter().take_while(|byte| **byte == b'0').count();
    text.get(zeros..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::scsi::Lun;
    use crate::scsi::data::inquiry::{InquiryData, PeripheralDeviceType};
    use crate::scsi::data::vpd::{Designator, DesignatorType};

    fn drive(serial: &str) -> InquiredUnit {
        InquiredUnit {
            lun: Lun::ZERO,
            inquiry: InquiryData {
                peripheral_qualifier: 0,
                device_type: PeripheralDeviceType::SEQUENTIAL_ACCESS,
                removable: true,
                version: 5,
                vendor: *b"IBM     ",
                product: *b"ULT3580-TD5     ",
                revision: *b"    ",
            },
            serial: serial.as_bytes().to_vec(),
            designators: Vec::new(),
            changer: None,
            problems: Vec::new(),
        }
    }

    fn element(code_set: CodeSet, identifier_type: DesignatorType, bytes: &[u8]) -> DriveElement {
        DriveElement {
            address: 257,
            identifier: Some(DriveIdentifier {
                code_set,
                identifier_type,
                bytes: bytes.to_vec(),
            }),
            volume: None,
        }
    }

    fn ascii(text: &str) -> DriveElement {
        element(
            CodeSet::ASCII,
            DesignatorType::VENDOR_SPECIFIC,
            text.as_bytes(),
        )
    }

    fn find(elements: &[DriveElement], drives: &[InquiredUnit]) -> Vec<DriveMatch> {
        let drives: Vec<&InquiredUnit> = drives.iter().collect();
        find_drives(&[elements], &drives).remove(0)
    }

    #[test]
    fn a_drive_is_known_by_its_naa_designator_of_the_same_code_set_and_type() {
        let naa = [0x50, 0x05, 0x07, 0x63, 0, 0, 0, 1];
        let mut known = drive("A");
        known.designators.push(Designator {
            code_set: CodeSet::BINARY,
            association: Designator::OF_LOGICAL_UNIT,
            designator_type: DesignatorType::NAA,
            bytes: naa.to_vec(),
        });
        let drives = [drive("B"), known];
        let by = |identifier_type, bytes| {
            find(&[element(CodeSet::BINARY, identifier_type, bytes)], &drives)
        };
        assert_eq!(by(DesignatorType::NAA, &naa), [DriveMatch::Drive(1)]);
        assert_eq!(by(DesignatorType::NAA, &naa[..7]), [DriveMatch::Nothing]);
        assert_eq!(by(DesignatorType::EUI_64, &naa), [DriveMatch::Nothing]);
    }

    #[test]
    fn a_blank_identifier_names_nothing() {
        let drives = [drive("A"), drive("")];
        assert_eq!(find(&[ascii("   ")], &drives), [DriveMatch::Nothing]);
    }

    #[test]
    fn an_identifier_is_compared_without_its_padding() {
        let drives = [drive("1068000001")];
        assert_eq!(
            find(&[ascii("  1068000001\0\0")], &drives),
            [DriveMatch::Drive(0)]
        );
        assert_eq!(
            find(&[ascii("IBM     ULT3580-TD5     1068000001  ")], &drives),
            [DriveMatch::Drive(0)]
        );
        assert_eq!(
            find(&[ascii("1068000001X")], &drives),
            [DriveMatch::Nothing]
        );
    }

    #[test]
    fn an_identifier_that_is_like_one_serial_number_is_taken_for_it() {
        let drives = [drive("1068000001"), drive("0000078002")];
        for (identifier, found) in [
            // Ends in it.
            ("IBM-1068000001", DriveMatch::ByLikeness(0)),
            (
                "HP      Ultrium 5-SCSI  0000078002",
                DriveMatch::ByLikeness(1),
            ),
            // Leading zeros, on either side.
            ("0001068000001", DriveMatch::ByLikeness(0)),
            ("78002", DriveMatch::ByLikeness(1)),
            ("1068000002", DriveMatch::Nothing),
            ("X78002", DriveMatch::Nothing),
        ] {
            assert_eq!(find(&[ascii(identifier)], &drives), [found], "{identifier}");
        }
        // Ends in both.
        let drives = [drive("8002"), drive("78002")];
        assert_eq!(find(&[ascii("X78002")], &drives), [DriveMatch::Nothing]);
        // A drive that is named in full is not there for another element.
        assert_eq!(
            find(&[ascii("8002"), ascii("X78002")], &drives),
            [DriveMatch::Drive(0), DriveMatch::ByLikeness(1)]
        );
        // Zeros alone are no likeness.
        assert_eq!(
            find(&[ascii("0")], &[drive("000")]),
            [DriveMatch::ByPrefix(0)]
        );
    }

    #[test]
    fn full_names_in_any_library_come_before_prefixes() {
        let drives = [drive("10"), drive("1000000002")];
        let drives: Vec<&InquiredUnit> = drives.iter().collect();
        let first = [ascii("1")];
        let second = [ascii("10")];
        assert_eq!(
            find_drives(&[&first, &second], &drives),
            [[DriveMatch::ByPrefix(1)], [DriveMatch::Drive(0)]]
        );
    }

    #[test]
    fn a_long_identifier_is_shown_in_part() {
        let identifier = |code_set, length| DriveIdentifier {
            code_set,
            identifier_type: DesignatorType::VENDOR_SPECIFIC,
            bytes: vec![b'1'; length],
        };
        assert_eq!(
            identifier_text(&identifier(CodeSet::ASCII, 80)),
            "1".repeat(80)
        );
        assert_eq!(
            identifier_text(&identifier(CodeSet::ASCII, 81)),
            "1".repeat(80) + "..."
        );
        assert_eq!(
            identifier_text(&identifier(CodeSet::BINARY, 255)),
            "31".repeat(80) + "..."
        );
    }

    proptest! {
        #[test]
        fn no_drive_is_in_two_elements(
            identifiers in proptest::collection::vec("[01]{0,3}", 0..6),
            serials in proptest::collection::vec("[01]{0,3}", 0..6),
        ) {
            let elements: Vec<_> = identifiers.iter().map(|text| ascii(text)).collect();
            let drives: Vec<_> = serials.iter().map(|serial| drive(serial)).collect();
            let found = find(&elements, &drives);
            prop_assert_eq!(found.len(), elements.len());
            let mut taken: Vec<usize> = found
                .iter()
                .filter_map(|found| match found {
                    DriveMatch::Drive(index) | DriveMatch::ByPrefix(index) | DriveMatch::ByLikeness(index) => {
                        Some(*index)
                    }
                    _ => None,
                })
                .collect();
            taken.sort_unstable();
            let count = taken.len();
            taken.dedup();
            prop_assert_eq!(taken.len(), count);
        }
    }
}
