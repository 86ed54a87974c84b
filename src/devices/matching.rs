//! Which drive of a target is in which data transfer element of its libraries.

use super::inventory::{DriveElement, DriveIdentifier, LogicalUnit};
use super::text::{hex, printable, trimmed};
use crate::scsi::vpd::CodeSet;

/// What a data transfer element's identifier leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The drive with this index.
    Drive(usize),
    /// The drive with this index, by an identifier that was cut short.
    ByPrefix(usize),
    /// The drive with this index, which the element with this address has already.
    Twice(usize, u16),
    /// No drive of the target.
    Nothing,
    /// The library gives no identifier.
    Unnamed,
}

/// Returns for each library what each of its elements leads to. A drive is in one element at most.
///
/// Identifiers that name a drive in full come first, whatever library they are of; what is left is matched by prefix with
/// the drives that are left, and only when it fits exactly one: tgt cuts off the end of the last identifier.
pub(super) fn find_drives(
    libraries: &[&[DriveElement]],
    drives: &[&LogicalUnit],
) -> Vec<Vec<Found>> {
    let identities: Vec<Identity> = drives.iter().map(|drive| Identity::new(drive)).collect();
    let mut taken_by: Vec<Option<u16>> = vec![None; drives.len()];
    let mut found: Vec<Vec<Found>> = Vec::with_capacity(libraries.len());
    for elements in libraries {
        let in_full = elements.iter().map(|element| {
            let Some(identifier) = &element.identifier else {
                return Found::Unnamed;
            };
            let fits = |identity: &Identity| identity.is_named_by(identifier);
            let Some(index) = identities.iter().position(fits) else {
                return Found::Nothing;
            };
            match taken_by.get_mut(index) {
                Some(Some(other)) => Found::Twice(index, *other),
                Some(free) => {
                    *free = Some(element.address);
                    Found::Drive(index)
                }
                None => Found::Nothing,
            }
        });
        found.push(in_full.collect());
    }
    for (elements, found) in libraries.iter().zip(&mut found) {
        for (element, found) in elements.iter().zip(found) {
            let (Found::Nothing, Some(identifier)) = (&*found, &element.identifier) else {
                continue;
            };
            let mut candidates = identities.iter().zip(&mut taken_by).enumerate().filter(
                |(_, (identity, taken))| taken.is_none() && identity.begins_with(identifier),
            );
            if let (Some((index, (_, taken))), None) = (candidates.next(), candidates.next()) {
                *taken = Some(element.address);
                *found = Found::ByPrefix(index);
            }
        }
    }
    found
}

/// Returns an identifier for people: text where it is text, else hex digits.
pub(super) fn identifier_text(identifier: &DriveIdentifier) -> String {
    if identifier.code_set == CodeSet::BINARY {
        hex(&identifier.bytes)
    } else {
        printable(&identifier.bytes)
    }
}

/// The forms in which libraries name a drive.
struct Identity<'a> {
    drive: &'a LogicalUnit,
    /// The serial number alone: a 3584.
    serial: &'a [u8],
    /// VENDOR IDENTIFICATION, PRODUCT IDENTIFICATION, serial number: tgt, and others after SPC-4's T10 form.
    vendor_product_serial: Vec<u8>,
}

impl<'a> Identity<'a> {
    fn new(drive: &'a LogicalUnit) -> Self {
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
                designator.association == LOGICAL_UNIT
                    && designator.designator_type == identifier.identifier_type
                    && designator.code_set == identifier.code_set
                    && !text.is_empty()
                    && (designator.bytes == identifier.bytes
                        || designator.code_set != CodeSet::BINARY
                            && trimmed(&designator.bytes) == text)
            })
    }

    fn begins_with(&self, identifier: &DriveIdentifier) -> bool {
        let text = trimmed(&identifier.bytes);
        identifier.code_set != CodeSet::BINARY
            && !text.is_empty()
            && !self.serial.is_empty()
            && (self.serial.starts_with(text) || self.vendor_product_serial.starts_with(text))
    }
}

/// ASSOCIATION of a designator that names the logical unit, not its port or target.
const LOGICAL_UNIT: u8 = 0;
