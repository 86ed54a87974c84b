//! Which TAPMLBxx and TAPxx stands for which device: the record that outlives a re-IPL.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The device names that were ever given. A name stays with its device; it is never given to another one.
///
/// In JSON, as the state directory keeps it:
///
/// ```json
/// {
///   "libraries": {"TAPMLB01": {"serial": "0000078A12340401"}},
///   "drives": {"TAP01": {"serial": "1000000001"}, "TAP02": {"target": "iqn.2000-03.com.example:vtl", "lun": 3}}
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeviceNames {
    /// Libraries by name, `TAPMLB01` and up.
    pub libraries: BTreeMap<String, DeviceKey>,
    /// Drives by name, `TAP01` and up.
    pub drives: BTreeMap<String, DeviceKey>,
}

impl DeviceNames {
    /// Returns the device's name; the first time, the lowest number that was never given.
    pub fn name(&mut self, kind: DeviceKind, key: &DeviceKey) -> String {
        let (prefix, names) = match kind {
            DeviceKind::Library => ("TAPMLB", &mut self.libraries),
            DeviceKind::Drive => ("TAP", &mut self.drives),
        };
        if let Some((name, _)) = names.iter().find(|(_, known)| *known == key) {
            return name.clone();
        }
        let mut number = 1u64;
        let mut name = format!("{prefix}{number:02}");
        while names.contains_key(&name) {
            number = number.saturating_add(1);
            name = format!("{prefix}{number:02}");
        }
        names.insert(name.clone(), key.clone());
        name
    }
}

/// What kind of device a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeviceKind {
    /// TAPMLBxx.
    Library,
    /// TAPxx.
    Drive,
}

/// What tells a device from all others of its kind: the best that the device has, from the top down.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum DeviceKey {
    /// Unit serial number (VPD page 80h), escaped and trimmed.
    Serial {
        /// The serial number.
        serial: String,
    },
    /// A designator of VPD page 83h, for a device without a serial number.
    Designator {
        /// Type and bytes of the designator in hex digits.
        designator: String,
    },
    /// Where the device is, for one that has neither.
    Place {
        /// Target name in lower case.
        target: String,
        /// Logical unit number.
        lun: u64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serial(serial: &str) -> DeviceKey {
        DeviceKey::Serial {
            serial: serial.to_owned(),
        }
    }

    #[test]
    fn names_count_up_for_each_kind_and_stay_with_their_device() {
        let mut names = DeviceNames::default();
        assert_eq!(names.name(DeviceKind::Library, &serial("A")), "TAPMLB01");
        assert_eq!(names.name(DeviceKind::Library, &serial("B")), "TAPMLB02");
        assert_eq!(names.name(DeviceKind::Drive, &serial("A")), "TAP01");
        assert_eq!(names.name(DeviceKind::Library, &serial("A")), "TAPMLB01");
        assert_eq!(names.name(DeviceKind::Library, &serial("C")), "TAPMLB03");
    }

    #[test]
    fn the_next_name_is_the_lowest_that_was_never_given() {
        let mut names = DeviceNames::default();
        names.drives.insert("TAP01".to_owned(), serial("A"));
        names.drives.insert("TAP03".to_owned(), serial("C"));
        assert_eq!(names.name(DeviceKind::Drive, &serial("D")), "TAP02");
        assert_eq!(names.name(DeviceKind::Drive, &serial("E")), "TAP04");
    }

    #[test]
    fn numbers_grow_beyond_two_digits() {
        let mut names = DeviceNames::default();
        for number in 1..=100 {
            names.name(DeviceKind::Drive, &serial(&number.to_string()));
        }
        assert_eq!(names.name(DeviceKind::Drive, &serial("100")), "TAP100");
        assert_eq!(names.name(DeviceKind::Drive, &serial("9")), "TAP09");
    }

    #[test]
    fn the_record_reads_as_documented() {
        let text = concat!(
            r#"{"libraries":{"TAPMLB01":{"serial":"0000078A12340401"}},"#,
            r#""drives":{"TAP01":{"designator":"3:5005076300000001"},"#,
            r#""TAP02":{"target":"iqn.2000-03.com.example:vtl","lun":3}}}"#,
        );
        let names: DeviceNames = serde_json::from_str(text).unwrap();
        assert_eq!(names.libraries["TAPMLB01"], serial("0000078A12340401"));
        assert_eq!(
            names.drives["TAP02"],
            DeviceKey::Place {
                target: "iqn.2000-03.com.example:vtl".to_owned(),
                lun: 3
            }
        );
        assert_eq!(serde_json::to_string(&names).unwrap(), text);
    }

    #[test]
    fn a_key_of_an_unknown_form_is_refused() {
        let text = r#"{"libraries":{"TAPMLB01":{"serial":"A","extra":1}},"drives":{}}"#;
        assert!(serde_json::from_str::<DeviceNames>(text).is_err());
    }
}
