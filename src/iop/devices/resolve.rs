//! From a device name to where the device is: what every command that uses a device asks first.

use crate::iop::active::{TargetReport, TargetStatus};
use crate::scsi::Lun;

use super::names::{DeviceKey, DeviceKind, DeviceNames};

/// A target of the active configuration.
#[derive(Clone, Copy, Debug)]
pub struct ReportedTarget<'a> {
    /// What the last re-IPL found.
    pub report: &'a TargetReport,
    /// Whether it is still configured as it was then.
    pub is_configured: bool,
}

/// Where a device was at the last re-IPL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResolvedDevice<'a> {
    /// Its name, as the re-IPL gave it.
    pub name: &'a str,
    /// Library or drive.
    pub kind: DeviceKind,
    /// The target that shows it.
    pub target: &'a TargetReport,
    /// Its logical unit number, the eight bytes that REPORT LUNS gave.
    pub lun: Lun,
    /// The unit serial number (VPD page 80h) that the name stands for, escaped and trimmed; empty when the device has
    /// none.
    pub serial: &'a str,
    /// For a drive in a library: the library's name and the drive's data transfer element address.
    pub place: Option<(&'a str, u16)>,
}

/// Why a name leads to no device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResolveError {
    /// The active configuration has no device of that name.
    Unknown {
        /// The name, as typed.
        name: String,
        /// The names that it has: libraries first, each kind in order of target and LUN.
        known: Vec<String>,
    },
    /// The name was given to a device that the last re-IPL did not find, and the target that has it, or may have it,
    /// failed then. A re-IPL may bring it back.
    TargetFailed {
        /// The device name, as it was given.
        device: String,
        /// The target names that failed.
        targets: Vec<String>,
    },
    /// The device's target was edited, or removed, since the last re-IPL: what is configured is not what was found.
    TargetChanged {
        /// The device name.
        device: String,
        /// The target's name.
        target: String,
    },
    /// The record of the last re-IPL, of another version of this program, does not tell the logical unit.
    LunNotRecorded {
        /// The device name.
        device: String,
        /// The target's name.
        target: String,
    },
}

/// Returns the device of that name, letter case aside, in the active configuration. A device that is seen twice is the
/// one of the first target. `names` are those that were ever given.
///
/// # Errors
/// [`ResolveError`].
pub fn resolve<'a>(
    name: &str,
    targets: &[ReportedTarget<'a>],
    names: &DeviceNames,
) -> Result<ResolvedDevice<'a>, ResolveError> {
    let found = targets.iter().find_map(|target| {
        let device =
            devices(target.report).find(|device| device.name.eq_ignore_ascii_case(name))?;
        Some((target, device))
    });
    let Some((target, device)) = found else {
        return Err(not_found(name, targets, names));
    };
    let of_target = |error: fn(String, String) -> ResolveError| {
        error(device.name.to_owned(), target.report.target_name.clone())
    };
    if !target.is_configured {
        return Err(of_target(|device, target| ResolveError::TargetChanged {
            device,
            target,
        }));
    }
    let lun = recorded_lun(device.lun, device.lun_address).ok_or_else(|| {
        of_target(|device, target| ResolveError::LunNotRecorded { device, target })
    })?;
    Ok(ResolvedDevice {
        name: device.name,
        kind: device.kind,
        target: target.report,
        lun,
        serial: device.serial,
        place: device.place,
    })
}

/// A device as a report has it.
struct Reported<'a> {
    name: &'a str,
    kind: DeviceKind,
    lun: u64,
    lun_address: Option<&'a str>,
    serial: &'a str,
    place: Option<(&'a str, u16)>,
}

/// Returns the devices of a target, libraries first.
fn devices(report: &TargetReport) -> impl Iterator<Item = Reported<'_>> {
    let libraries = report.libraries.iter().map(|library| Reported {
        name: &library.device,
        kind: DeviceKind::Library,
        lun: library.lun,
        lun_address: library.lun_address.as_deref(),
        serial: &library.serial,
        place: None,
    });
    let in_libraries = report.libraries.iter().flat_map(|library| {
        library
            .drives
            .iter()
            .map(|drive| (drive, Some(library.device.as_str())))
    });
    let alone = report.drives.iter().map(|drive| (drive, None));
    let drives = in_libraries.chain(alone).map(|(drive, library)| Reported {
        name: &drive.device,
        kind: DeviceKind::Drive,
        lun: drive.lun,
        lun_address: drive.lun_address.as_deref(),
        serial: &drive.serial,
        place: library.zip(drive.element_address),
    });
    libraries.chain(drives)
}

/// Returns the devices of a target whose logical unit is recorded: name, kind and LUN.
pub fn named_devices(report: &TargetReport) -> Vec<(String, DeviceKind, Lun)> {
    devices(report)
        .filter_map(|device| {
            let lun = recorded_lun(device.lun, device.lun_address)?;
            Some((device.name.to_owned(), device.kind, lun))
        })
        .collect()
}

fn not_found(name: &str, targets: &[ReportedTarget<'_>], names: &DeviceNames) -> ResolveError {
    let given = names
        .libraries
        .iter()
        .chain(&names.drives)
        .find(|(given, _)| given.eq_ignore_ascii_case(name));
    if let Some((device, key)) = given {
        let failed: Vec<String> = targets
            .iter()
            .map(|target| target.report)
            .filter(|report| report.status == TargetStatus::Failed && may_have(report, key))
            .map(|report| report.target_name.clone())
            .collect();
        if !failed.is_empty() {
            return ResolveError::TargetFailed {
                device: device.clone(),
                targets: failed,
            };
        }
    }
    let mut known: Vec<(DeviceKind, &str)> = targets
        .iter()
        .flat_map(|target| devices(target.report))
        .map(|device| (device.kind, device.name))
        .collect();
    known.sort_by_key(|(kind, _)| *kind);
    let mut listed: Vec<String> = Vec::new();
    for (_, device) in known {
        if !listed.iter().any(|name| name == device) {
            listed.push(device.to_owned());
        }
    }
    ResolveError::Unknown {
        name: name.to_owned(),
        known: listed,
    }
}

/// Returns whether the device may be one of the target's: a serial number does not tell which target has it.
fn may_have(report: &TargetReport, key: &DeviceKey) -> bool {
    match key {
        DeviceKey::Place { target, .. } => target.eq_ignore_ascii_case(&report.target_name),
        DeviceKey::Serial { .. } | DeviceKey::Designator { .. } => true,
    }
}

/// Returns the logical unit number that a record has.
pub fn recorded_lun(number: u64, address: Option<&str>) -> Option<Lun> {
    let Some(address) = address else {
        return Lun::from_number(u16::try_from(number).ok()?);
    };
    let digits = address
        .strip_prefix("0x")
        .filter(|digits| digits.len() == 16)?;
    let bytes = u64::from_str_radix(digits, 16).ok()?;
    Some(Lun(bytes.to_be_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn device(device: &str, lun: u64, serial: &str) -> Value {
        json!({
            "device": device, "type_model": "", "derived": false, "vendor": "", "product": "", "revision": "",
            "serial": serial, "lun": lun, "storage_elements": 0, "import_export_elements": 0,
            "transport_elements": 0, "drives": [], "problems": [],
        })
    }

    fn drive(name: &str, lun: u64, element_address: Option<u16>) -> Value {
        json!({
            "device": name, "type_model": "", "vendor": "", "product": "", "revision": "",
            "serial": format!("SERIAL-{name}"), "lun": lun, "element_address": element_address, "volume": null,
        })
    }

    fn report(target_name: &str, status: &str, libraries: Value, drives: Value) -> TargetReport {
        serde_json::from_value(json!({
            "target_name": target_name, "target_host_name": "10.1.1.5", "target_port": 3260,
            "initiator_name": "iqn.i", "chap": null, "status": status, "failure": null, "session": null,
            "libraries": libraries, "drives": drives,
        }))
        .unwrap()
    }

    fn connected() -> TargetReport {
        let mut library = device("TAPMLB01", 5, "0000078A12340401");
        library["lun_address"] = json!("0x4005000000000000");
        library["drives"] = json!([drive("TAP02", 6, Some(257))]);
        let alone = json!([drive("TAP01", 300, None)]);
        report(
            "iqn.2020-01.com.example:vtl",
            "CONNECTED",
            json!([library]),
            alone,
        )
    }

    fn failed() -> TargetReport {
        report(
            "iqn.2020-01.com.example:other",
            "FAILED",
            json!([]),
            json!([]),
        )
    }

    fn active(report: &TargetReport) -> ReportedTarget<'_> {
        ReportedTarget {
            report,
            is_configured: true,
        }
    }

    #[test]
    fn a_name_leads_to_target_lun_and_serial_number_letter_case_aside() {
        let (report, failed) = (connected(), failed());
        let targets = [active(&failed), active(&report)];
        let names = DeviceNames::default();
        let library = resolve("tapmlb01", &targets, &names).unwrap();
        assert_eq!(library.name, "TAPMLB01");
        assert_eq!(library.kind, DeviceKind::Library);
        assert_eq!(library.target.target_name, report.target_name);
        // The bytes that the target gave, not those that its number would have.
        assert_eq!(library.lun.0, [0x40, 5, 0, 0, 0, 0, 0, 0]);
        assert_eq!(library.serial, "0000078A12340401");
        assert_eq!(library.place, None);
        let drive = resolve("Tap02", &targets, &names).unwrap();
        assert_eq!(drive.kind, DeviceKind::Drive);
        assert_eq!(drive.lun.0, [0, 6, 0, 0, 0, 0, 0, 0]);
        assert_eq!(drive.place, Some(("TAPMLB01", 257)));
        let drive = resolve("TAP01", &targets, &names).unwrap();
        assert_eq!(drive.lun.0, [0x41, 0x2c, 0, 0, 0, 0, 0, 0]);
        assert_eq!((drive.serial, drive.place), ("SERIAL-TAP01", None));
    }

    #[test]
    fn an_unknown_name_lists_those_that_there_are() {
        let (report, failed) = (connected(), failed());
        let targets = [active(&report), active(&failed)];
        let unknown = |name: &str, targets: &[ReportedTarget<'_>]| {
            resolve(name, targets, &DeviceNames::default()).unwrap_err()
        };
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(
            unknown("TAP1", &targets),
            ResolveError::Unknown {
                name: "TAP1".to_owned(),
                known: list(&["TAPMLB01", "TAP02", "TAP01"]),
            }
        );
        assert_eq!(
            unknown("TAPMLB01", &[]),
            ResolveError::Unknown {
                name: "TAPMLB01".to_owned(),
                known: Vec::new(),
            }
        );
    }

    #[test]
    fn a_name_whose_target_failed_is_told_as_that() {
        let (report, failed) = (connected(), failed());
        let mut names = DeviceNames::default();
        let serial = DeviceKey::Serial {
            serial: "A".to_owned(),
        };
        names.libraries.insert("TAPMLB02".to_owned(), serial);
        let place = |target: &TargetReport| DeviceKey::Place {
            target: target.target_name.to_ascii_uppercase(),
            lun: 0,
        };
        names.drives.insert("TAP08".to_owned(), place(&failed));
        names.drives.insert("TAP09".to_owned(), place(&report));
        let targets = [active(&report), active(&failed)];
        for device in ["TAPMLB02", "TAP08"] {
            assert_eq!(
                resolve(&device.to_ascii_lowercase(), &targets, &names),
                Err(ResolveError::TargetFailed {
                    device: device.to_owned(),
                    targets: vec![failed.target_name.clone()],
                })
            );
        }
        // Its target did not fail, and does not have it any more; nor did any other.
        for (device, targets) in [("TAP09", &targets[..]), ("TAPMLB02", &targets[..1])] {
            assert!(matches!(
                resolve(device, targets, &names),
                Err(ResolveError::Unknown { .. })
            ));
        }
    }

    #[test]
    fn a_target_that_was_edited_or_removed_since_is_not_talked_to() {
        let report = connected();
        let changed = ReportedTarget {
            is_configured: false,
            ..active(&report)
        };
        assert_eq!(
            resolve("TAPMLB01", &[changed], &DeviceNames::default()),
            Err(ResolveError::TargetChanged {
                device: "TAPMLB01".to_owned(),
                target: report.target_name.clone(),
            })
        );
    }

    #[test]
    fn a_record_that_does_not_tell_the_logical_unit_is_no_guess() {
        let mut report = connected();
        for (lun, address) in [
            (0x4000, None),
            (5, Some("5")),
            (5, Some("0x05")),
            (5, Some("0x400500000000000g")),
        ] {
            report.libraries[0].lun = lun;
            report.libraries[0].lun_address = address.map(str::to_owned);
            assert!(matches!(
                resolve("TAPMLB01", &[active(&report)], &DeviceNames::default()),
                Err(ResolveError::LunNotRecorded { .. })
            ));
        }
    }
}
