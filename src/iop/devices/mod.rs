//! From what the LUNs of a target answered to libraries and drives with their IBM i names.
//!
//! | module | what it holds |
//! |---|---|
//! | [`enumerate`] | which commands to send to a target, and what its replies say |
//! | [`inventory`] | the result: the tape devices of one target |
//! | [`names`] | which TAPMLBxx and TAPxx stands for which device |
//! | [`resolve`] | from a device name to where the device was at the last re-IPL |
//! | [`problem`] | what IBM i would stumble over |
//! | [`type_model`] | IBM i types and models |

pub mod enumerate;
#[cfg(test)]
mod fake;
pub mod inventory;
mod matching;
pub mod names;
pub mod problem;
pub mod resolve;
pub(in crate::iop) mod text;
pub mod type_model;

use std::collections::BTreeMap;

use crate::iop::active::{DriveReport, LibraryReport};
use crate::scsi::Lun;
use inventory::{DriveElement, InquiredChanger, InquiredUnit, TargetInventory};
use matching::DriveMatch;
use names::{DeviceKey, DeviceKind, DeviceNames};
use problem::{Problem, SharedIdentity};
use text::{hex, printable};
use type_model::{DriveModel, LibraryTypeModel};

/// A target and what its enumeration found.
#[derive(Clone, Copy, Debug)]
pub struct EnumeratedTarget<'a> {
    /// The target's iSCSI name.
    pub name: &'a str,
    /// What it has.
    pub inventory: &'a TargetInventory,
}

/// The devices of one target, as the report has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// Its libraries, by logical unit number, each with its drives.
    pub libraries: Vec<LibraryReport>,
    /// The drives that no library claims, by logical unit number.
    pub drives: Vec<DriveReport>,
    /// Problems that belong to the target and to none of its libraries alone. With exactly one library there are none:
    /// they are that library's.
    pub problems: Vec<Problem>,
}

/// Names and describes what was found in one re-IPL; `targets` are those that answered, in the order of the
/// configuration.
///
/// Names go by target, then logical unit number. A device that is seen a second time has the same name, and a
/// problem.
pub fn describe(targets: &[EnumeratedTarget<'_>], names: &mut DeviceNames) -> Vec<Description> {
    let mut seen = Seen::new();
    targets
        .iter()
        .map(|target| describe_target(*target, names, &mut seen))
        .collect()
}

/// Where a device was first seen in this re-IPL: target name and logical unit number.
type Seen = BTreeMap<(DeviceKind, DeviceKey), (String, u64)>;

fn describe_target(
    target: EnumeratedTarget<'_>,
    names: &mut DeviceNames,
    seen: &mut Seen,
) -> Description {
    let mut units: Vec<&InquiredUnit> = target.inventory.logical_units.iter().collect();
    units.sort_by_key(|unit| unit.lun.number());
    let drive_units: Vec<&InquiredUnit> = units
        .iter()
        .copied()
        .filter(|unit| unit.changer.is_none())
        .collect();
    let changers: Vec<(&InquiredUnit, &InquiredChanger)> = units
        .iter()
        .filter_map(|unit| Some((*unit, unit.changer.as_ref()?)))
        .collect();
    let elements: Vec<&[DriveElement]> = changers
        .iter()
        .map(|(_, changer)| changer.drives.as_slice())
        .collect();

    let mut problems = target.inventory.problems.clone();
    let mut libraries: Vec<(LibraryReport, Vec<Problem>)> = changers
        .iter()
        .map(|(unit, changer)| {
            let mut own = unit.problems.clone();
            let device = name(
                DeviceKind::Library,
                unit,
                target.name,
                names,
                seen,
                &mut own,
            );
            own.extend(not_3584(unit, changer));
            (library(unit, changer, device), own)
        })
        .collect();
    let mut drives: Vec<Option<(DriveReport, Vec<Problem>)>> = drive_units
        .iter()
        .map(|unit| {
            let mut own = unit.problems.clone();
            let device = name(DeviceKind::Drive, unit, target.name, names, seen, &mut own);
            Some((drive(unit, device), own))
        })
        .collect();
    let device_names: Vec<String> = drives
        .iter()
        .flatten()
        .map(|(drive, _)| drive.device.clone())
        .collect();

    let found = matching::find_drives(&elements, &drive_units);
    for (((library, own), elements), found) in libraries.iter_mut().zip(&elements).zip(&found) {
        for (element, found) in elements.iter().zip(found) {
            own.extend(element_problem(element, found, &device_names));
            let (DriveMatch::Drive(index)
            | DriveMatch::ByPrefix(index)
            | DriveMatch::ByLikeness(index)) = found
            else {
                continue;
            };
            // A drive is in one element at most, so it is still there.
            if let Some((mut drive, drive_problems)) = drives.get_mut(*index).and_then(Option::take)
            {
                drive.element_address = Some(element.address);
                drive.volume = element.volume.as_deref().map(printable);
                own.extend(drive_problems);
                library.drives.push(drive);
            }
        }
        library.drives.sort_by_key(|drive| drive.element_address);
        own.extend(drive_type_problems(&library.drives));
    }

    let mut alone = Vec::new();
    for (drive, drive_problems) in drives.into_iter().flatten() {
        problems.extend(drive_problems);
        problems.extend(old_drive(&drive));
        if !libraries.is_empty() {
            problems.push(Problem::DriveUnclaimed {
                device: drive.device.clone(),
                lun: drive.lun,
            });
        }
        alone.push(drive);
    }
    if let [(_, own)] = libraries.as_mut_slice() {
        own.append(&mut problems);
    }
    Description {
        libraries: libraries
            .into_iter()
            .map(|(library, own)| LibraryReport {
                problems: own,
                ..library
            })
            .collect(),
        drives: alone,
        problems,
    }
}

fn library(unit: &InquiredUnit, changer: &InquiredChanger, device: String) -> LibraryReport {
    let LibraryTypeModel { text, derived } =
        LibraryTypeModel::new(changer.type_model, &unit.inquiry.product);
    let (lun, lun_address) = recorded_lun(unit.lun);
    LibraryReport {
        device,
        type_model: text,
        derived,
        vendor: printable(&unit.inquiry.vendor),
        product: printable(&unit.inquiry.product),
        revision: printable(&unit.inquiry.revision),
        serial: printable(&unit.serial),
        lun,
        lun_address,
        storage_elements: changer.storage_elements,
        import_export_elements: changer.import_export_elements,
        transport_elements: changer.transport_elements,
        drives: Vec::new(),
        problems: Vec::new(),
    }
}

/// Returns a logical unit number as records have it: the number, and its bytes where the number does not tell them.
pub(in crate::iop) fn recorded_lun(lun: Lun) -> (u64, Option<String>) {
    let bytes = u64::from_be_bytes(lun.0);
    let usual = |number: &u64| {
        u16::try_from(*number).is_ok_and(|number| Lun::from_number(number) == Some(lun))
    };
    match lun.number() {
        number if usual(&number) => (number, None),
        // The forms that have no number of their own have their bytes as number.
        number if number == bytes => (bytes >> 16, Some(lun.to_string())),
        number => (number, Some(format!("{bytes:#018x}"))),
    }
}

fn not_3584(unit: &InquiredUnit, changer: &InquiredChanger) -> Option<Problem> {
    let type_model = LibraryTypeModel::new(changer.type_model, &unit.inquiry.product);
    (!type_model.is_3584()).then_some(Problem::Not3584 {
        type_model: type_model.text,
    })
}

fn drive(unit: &InquiredUnit, device: String) -> DriveReport {
    let (lun, lun_address) = recorded_lun(unit.lun);
    DriveReport {
        device,
        type_model: DriveModel::new(&unit.inquiry.product).text(),
        vendor: printable(&unit.inquiry.vendor),
        product: printable(&unit.inquiry.product),
        revision: printable(&unit.inquiry.revision),
        serial: printable(&unit.serial),
        lun,
        lun_address,
        element_address: None,
        volume: None,
    }
}

fn name(
    kind: DeviceKind,
    unit: &InquiredUnit,
    target: &str,
    names: &mut DeviceNames,
    seen: &mut Seen,
    problems: &mut Vec<Problem>,
) -> String {
    let (key, identity) = key(unit, target);
    let device = names.name(kind, &key);
    let lun = unit.lun.number();
    match seen.get(&(kind, key.clone())) {
        Some((other_target, other_lun)) => problems.push(Problem::SeenTwice {
            device: device.clone(),
            identity,
            lun,
            other_lun: *other_lun,
            other_target: other_target.clone(),
        }),
        None => {
            seen.insert((kind, key), (target.to_owned(), lun));
        }
    }
    device
}

/// Returns what tells the device from others, and what it would share with one that has the same.
fn key(unit: &InquiredUnit, target: &str) -> (DeviceKey, SharedIdentity) {
    let serial = printable(&unit.serial);
    if !serial.is_empty() {
        let shared = SharedIdentity::SerialNumber {
            serial: serial.clone(),
        };
        return (DeviceKey::serial(&serial), shared);
    }
    let of_logical_unit = unit
        .designators
        .iter()
        // NAA (3) and EUI-64 (2) are unique by rule, T10 (1) and vendor specific (0) ones by habit.
        .filter(|designator| designator.designator_type.0 <= 3)
        .max_by_key(|designator| designator.designator_type.0);
    if let Some(best) = of_logical_unit {
        let designator = format!("{}:{}", best.designator_type.0, hex(&best.bytes));
        let shared = SharedIdentity::Designator {
            designator: designator.clone(),
        };
        return (DeviceKey::designator(&designator), shared);
    }
    let place = DeviceKey::Place {
        target: target.to_ascii_lowercase(),
        lun: unit.lun.number(),
    };
    (place, SharedIdentity::Place)
}

fn element_problem(
    element: &DriveElement,
    found: &DriveMatch,
    devices: &[String],
) -> Option<Problem> {
    let address = element.address;
    let identifier = element
        .identifier
        .as_ref()
        .map(matching::identifier_text)
        .unwrap_or_default();
    let device = |index: &usize| devices.get(*index).cloned().unwrap_or_default();
    match found {
        DriveMatch::Drive(_) => None,
        DriveMatch::ByPrefix(index) => Some(Problem::DriveByPrefix {
            address,
            identifier,
            device: device(index),
        }),
        DriveMatch::ByLikeness(index) => Some(Problem::DriveByLikeness {
            address,
            identifier,
            device: device(index),
        }),
        DriveMatch::Twice(index, other) => Some(Problem::DriveNamedTwice {
            address,
            device: device(index),
            other: *other,
        }),
        DriveMatch::Nothing => Some(Problem::DriveIsNoLun {
            address,
            identifier,
        }),
        DriveMatch::Unnamed => Some(Problem::DriveUnnamed { address }),
    }
}

/// Returns what IBM i would not like about the drives of one library.
fn drive_type_problems(drives: &[DriveReport]) -> Vec<Problem> {
    let mut problems = Vec::new();
    // Full and half height drives of one generation are one type; a drive of no known model is one by its product.
    let types: BTreeMap<&str, &str> = drives
        .iter()
        .map(
            |drive| match DriveModel::new(drive.product.as_bytes()).is_known() {
                true => (drive.type_model.as_str(), drive.product.as_str()),
                false => (drive.product.as_str(), drive.product.as_str()),
            },
        )
        .collect();
    if types.len() > 1 {
        problems.push(Problem::MixedDrives {
            products: types.into_values().map(str::to_owned).collect(),
        });
    }
    problems.extend(drives.iter().filter_map(old_drive));
    problems
}

fn old_drive(drive: &DriveReport) -> Option<Problem> {
    DriveModel::new(drive.product.as_bytes())
        .is_older_than_lto3()
        .then(|| Problem::OldDrive {
            device: drive.device.clone(),
            product: drive.product.clone(),
        })
}

#[cfg(test)]
mod tests;
