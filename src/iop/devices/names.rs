//! Which TAPMLBxx and TAPxx stands for which device: the record that outlives a re-IPL.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

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
    /// The devices that the last re-IPL did not see: the number of the first re-IPL that did not, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub absent_since: BTreeMap<String, u64>,
    #[serde(skip)]
    index: Index,
}

/// The names of each kind by key, made when the first device is named: a search through all names for each of many devices
/// would take their product.
#[derive(Clone, Debug, Default)]
struct Index(BTreeMap<DeviceKind, Lookup>);

/// Two records that hold the same are equal, whatever was looked up in them.
impl PartialEq for Index {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Index {}

#[derive(Clone, Debug, Default)]
struct Lookup {
    by_key: BTreeMap<DeviceKey, String>,
    /// Every number below this one is given.
    lowest: u64,
    /// How many names were looked at for a free one.
    #[cfg(test)]
    looked_at: u64,
}

impl DeviceNames {
    /// Returns the device's name; the first time, the lowest number that was never given.
    pub fn name(&mut self, kind: DeviceKind, key: &DeviceKey) -> String {
        let (prefix, names) = match kind {
            DeviceKind::Library => ("TAPMLB", &mut self.libraries),
            DeviceKind::Drive => ("TAP", &mut self.drives),
        };
        let lookup = self.index.0.entry(kind).or_insert_with(|| Lookup {
            // The first name of a key that an editor has given two of.
            by_key: names
                .iter()
                .rev()
                .map(|(name, key)| (key.clone(), name.clone()))
                .collect(),
            lowest: 1,
            #[cfg(test)]
            looked_at: 0,
        });
        if let Some(name) = lookup.by_key.get(key) {
            return name.clone();
        }
        let mut name = format!("{prefix}{:02}", lookup.lowest);
        while names.contains_key(&name) {
            #[cfg(test)]
            {
                lookup.looked_at += 1;
            }
            lookup.lowest = lookup.lowest.saturating_add(1);
            name = format!("{prefix}{:02}", lookup.lowest);
        }
        names.insert(name.clone(), key.clone());
        lookup.by_key.insert(key.clone(), name.clone());
        name
    }

    /// Notes which devices a re-IPL has seen, by name; `re_ipl` is its number.
    pub fn note_seen(&mut self, seen: &BTreeSet<&str>, re_ipl: u64) {
        for name in self.libraries.keys().chain(self.drives.keys()) {
            if seen.contains(name.as_str()) {
                self.absent_since.remove(name);
            } else if !self.absent_since.contains_key(name) {
                self.absent_since.insert(name.clone(), re_ipl);
            }
        }
    }

    /// Forgets the devices that the last `count` re-IPLs did not see, and returns their names; `last_re_ipl` is the number of the
    /// last one. Another device can be given such a name then.
    pub fn forget(&mut self, count: u64, last_re_ipl: u64) -> Vec<String> {
        let is_forgotten =
            |since: &u64| last_re_ipl.saturating_add(1).saturating_sub(*since) >= count;
        let forgotten: Vec<String> = self
            .absent_since
            .iter()
            .filter(|(_, since)| is_forgotten(since))
            .map(|(name, _)| name.clone())
            .collect();
        for name in &forgotten {
            self.absent_since.remove(name);
            self.libraries.remove(name);
            self.drives.remove(name);
        }
        self.index = Index::default();
        forgotten
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

/// The longest text that a key holds whole. A serial number has 20 characters or fewer, a page of a target that means harm a
/// thousand when it is escaped.
const KEY_LENGTH: usize = 64;

impl DeviceKey {
    /// Returns the key of a serial number. Of one that is longer than 64 characters it keeps 32 and a digest, so that
    /// no target makes the record grow without bounds.
    pub fn serial(serial: &str) -> Self {
        Self::Serial {
            serial: bounded(serial),
        }
    }

    /// Returns the key of a designator, its type and bytes in hex digits; a long one is kept as a long serial number is.
    pub fn designator(designator: &str) -> Self {
        Self::Designator {
            designator: bounded(designator),
        }
    }
}

fn bounded(text: &str) -> String {
    if text.len() <= KEY_LENGTH {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(31).collect();
    short.push('#');
    for byte in Sha256::digest(text).iter().take(16) {
        // Writing to a String cannot fail.
        let _ = write!(short, "{byte:02x}");
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::MAX_LENGTH;

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
    fn a_device_that_so_many_re_ipls_did_not_see_is_forgotten_and_its_name_given_again() {
        let mut names = DeviceNames::default();
        names.name(DeviceKind::Drive, &serial("A"));
        names.name(DeviceKind::Drive, &serial("B"));
        names.name(DeviceKind::Library, &serial("A"));
        names.note_seen(&BTreeSet::from(["TAP01", "TAP02", "TAPMLB01"]), 1);
        assert!(names.absent_since.is_empty());
        for re_ipl in 2..=4 {
            names.note_seen(&BTreeSet::from(["TAP02", "TAPMLB01"]), re_ipl);
        }
        let before = names.clone();
        names.note_seen(&BTreeSet::from(["TAP02", "TAPMLB01"]), 5);
        assert_eq!(names, before, "nothing new is nothing to write");
        assert!(names.clone().forget(5, 5).is_empty());
        assert_eq!(names.forget(4, 5), ["TAP01"]);
        assert!(names.forget(1, 5).is_empty());
        assert_eq!(names.name(DeviceKind::Drive, &serial("B")), "TAP02");
        assert_eq!(names.name(DeviceKind::Drive, &serial("C")), "TAP01");
        // A device that comes back in time is not absent any more.
        names.note_seen(&BTreeSet::from(["TAP01"]), 6);
        names.note_seen(&BTreeSet::from(["TAP01", "TAP02", "TAPMLB01"]), 7);
        assert!(names.absent_since.is_empty());
    }

    #[test]
    fn a_hundred_thousand_names_are_neither_searched_nor_counted_through_for_each_device() {
        let mut names = DeviceNames::default();
        // Ten of these took minutes when each device was looked for among all names.
        for number in 0..100_000 {
            names.name(DeviceKind::Drive, &serial(&number.to_string()));
        }
        assert_eq!(names.name(DeviceKind::Drive, &serial("99999")), "TAP100000");
        assert_eq!(names.name(DeviceKind::Drive, &serial("new")), "TAP100001");
    }

    #[test]
    fn a_target_of_a_thousand_new_drives_at_each_of_a_hundred_re_ipls_slows_and_blocks_none() {
        const DRIVES: u64 = 1024;
        const RE_IPLS: u64 = 100;
        let mut names = DeviceNames::default();
        for re_ipl in 1..=RE_IPLS {
            // A record that has just been read has looked up nothing; each tenth one stands for all.
            if re_ipl % 10 == 0 {
                names.index = Index::default();
            }
            let looked_at = |names: &DeviceNames| {
                let lookup = names.index.0.get(&DeviceKind::Drive);
                lookup.map_or(0, |lookup| lookup.looked_at)
            };
            let before = looked_at(&names);
            let given: Vec<String> = (0..DRIVES)
                .map(|drive| {
                    // As long as one is kept, and full of escapes, which double in the record.
                    let serial = "\\x1B".repeat(12) + &format!("{re_ipl:08}{drive:08}");
                    names.name(DeviceKind::Drive, &DeviceKey::serial(&serial))
                })
                .collect();
            // At most every name once, and each new one.
            let bound = names.drives.len() as u64 + DRIVES;
            assert!(looked_at(&names) - before <= bound, "re-IPL {re_ipl}");
            // The early ones, which are forgotten whichever re-IPL missed them first, are noted by tens.
            if re_ipl % 10 == 0 || re_ipl > RE_IPLS - 10 {
                names.note_seen(&given.iter().map(String::as_str).collect(), re_ipl);
            }
        }
        assert_eq!(names.drives.len() as u64, DRIVES * RE_IPLS);
        assert!(names.drives.contains_key("TAP102400"));
        let text = serde_json::to_vec(&names).unwrap();
        assert!(text.len() < MAX_LENGTH / 4, "{} bytes", text.len());
        let read: DeviceNames = serde_json::from_slice(&text).unwrap();
        assert_eq!(read, names);
        // Nine re-IPLs before the last did not see what the tenth before it saw.
        let forgotten = names.forget(10, RE_IPLS).len() as u64;
        assert_eq!(forgotten, DRIVES * (RE_IPLS - 10));
    }

    #[test]
    fn long_keys_are_short_and_stay_apart() {
        let long = |last: char| "A".repeat(300) + &last.to_string();
        let (one, other) = (DeviceKey::serial(&long('1')), DeviceKey::serial(&long('2')));
        assert_ne!(one, other);
        assert_eq!(one, DeviceKey::serial(&long('1')));
        let DeviceKey::Serial { serial } = one else {
            panic!("{one:?}")
        };
        assert_eq!(serial.len(), KEY_LENGTH);
        let whole = "A".repeat(KEY_LENGTH);
        assert_eq!(DeviceKey::serial(&whole), super::tests::serial(&whole));
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
