use proptest::prelude::*;

use super::enumerate::EnumerationError;
use super::fake::{CHANGER, Device, FakeTarget, TAPE};
use super::*;

const VTL: &str = "iqn.2000-03.com.example:vtl";

fn describe_one(target: &mut FakeTarget, names: &mut DeviceNames) -> Description {
    let inventory = target.enumerate().unwrap();
    let target = EnumeratedTarget {
        name: VTL,
        inventory: &inventory,
    };
    describe(&[target], names).remove(0)
}

fn described(target: &mut FakeTarget) -> Description {
    describe_one(target, &mut DeviceNames::default())
}

fn no_lun(address: u16, identifier: &str) -> Problem {
    Problem::DriveIsNoLun {
        address,
        identifier: identifier.to_owned(),
    }
}

fn unclaimed(device: &str, lun: u64) -> Problem {
    Problem::DriveUnclaimed {
        device: device.to_owned(),
        lun,
    }
}

fn mixed(products: [&str; 2]) -> Problem {
    Problem::MixedDrives {
        products: products.map(str::to_owned).to_vec(),
    }
}

#[test]
fn a_3584_becomes_a_library_with_its_drives() {
    let description = described(&mut FakeTarget::ibm_3584());
    assert_eq!(description.drives, []);
    assert_eq!(description.problems, []);
    let [library] = &description.libraries[..] else {
        panic!("one library");
    };
    assert_eq!(
        serde_json::to_value(library).unwrap(),
        serde_json::json!({
            "device": "TAPMLB01", "type_model": "3584-403", "derived": false, "vendor": "IBM",
            "product": "03584L32", "revision": "9350", "serial": "0000078A12340401", "lun": 0,
            "storage_elements": 40, "import_export_elements": 4, "transport_elements": 1,
            "drives": [
                {"device": "TAP01", "type_model": "3580-005", "vendor": "IBM", "product": "ULT3580-TD5",
                 "revision": "9350", "serial": "1068000001", "lun": 1, "element_address": 257,
                 "volume": "AB0001L5"},
                {"device": "TAP02", "type_model": "3580-005", "vendor": "IBM", "product": "ULT3580-TD5",
                 "revision": "9350", "serial": "1068000002", "lun": 2, "element_address": 258,
                 "volume": null}
            ],
            "problems": []
        })
    );
}

#[test]
fn tgts_cut_identifier_is_taken_for_the_one_drive_that_it_fits() {
    let description = described(&mut FakeTarget::tgt());
    let library = &description.libraries[0];
    assert_eq!(library.type_model, "3584-***");
    assert!(library.derived);
    let serials: Vec<&str> = library
        .drives
        .iter()
        .map(|drive| drive.serial.as_str())
        .collect();
    assert_eq!(serials, ["1000000001", "1000000002"]);
    assert_eq!(
        library.problems,
        [Problem::DriveByPrefix {
            address: 258,
            identifier: "IBM     ULT3580-TD5     10".to_owned(),
            device: "TAP02".to_owned(),
        }]
    );
}

#[test]
fn a_cut_identifier_that_fits_two_drives_is_taken_for_neither() {
    let mut target = FakeTarget::tgt();
    target.devices.insert(
        3,
        Device {
            lun: 3,
            serial: Some("1000000003".to_owned()),
            ..target.devices[1].clone()
        },
    );
    let description = described(&mut target);
    assert_eq!(description.libraries[0].drives.len(), 1);
    assert_eq!(description.drives.len(), 2);
    assert_eq!(
        description.libraries[0].problems,
        [
            no_lun(258, "IBM     ULT3580-TD5     10"),
            unclaimed("TAP02", 2),
            unclaimed("TAP03", 3),
        ]
    );
}

#[test]
fn a_drive_that_is_named_in_full_is_not_taken_by_prefix() {
    let mut target = FakeTarget::ibm_3584();
    target.devices[0].drives = vec![("10680000".to_owned(), ""), ("1068000001".to_owned(), "")];
    let description = described(&mut target);
    let addresses: Vec<(u64, Option<u16>)> = description.libraries[0]
        .drives
        .iter()
        .map(|drive| (drive.lun, drive.element_address))
        .collect();
    assert_eq!(addresses, [(2, Some(257)), (1, Some(258))]);
}

#[test]
fn a_drive_is_found_by_its_designator() {
    let mut target = FakeTarget::ibm_3584();
    // T10 designator of the drive, which the library repeats; it has neither form of the serial number.
    target.devices[1].designators = [&[2, 1, 0, 10][..], b"IBM  X-001"].concat();
    target.devices[0].drives[0].0 = "IBM  X-001".to_owned();
    let description = described(&mut target);
    assert_eq!(description.libraries[0].drives.len(), 2);
    assert_eq!(description.libraries[0].problems, []);
}

#[test]
fn a_drive_that_two_elements_name_is_in_the_first() {
    let mut target = FakeTarget::ibm_3584();
    target.devices[0].drives[1].0 = "1068000001".to_owned();
    let description = described(&mut target);
    assert_eq!(description.libraries[0].drives.len(), 1);
    assert_eq!(
        description.libraries[0].problems[0],
        Problem::DriveNamedTwice {
            address: 258,
            device: "TAP01".to_owned(),
            other: 257,
        }
    );
}

#[test]
fn drives_that_are_no_luns_and_luns_that_are_in_no_library_are_problems() {
    let mut target = FakeTarget::ibm_3584();
    target.devices[0].drives[1].0 = "\x1bOTHER".to_owned();
    let description = described(&mut target);
    assert_eq!(
        description.libraries[0].problems,
        [no_lun(258, "\\x1BOTHER"), unclaimed("TAP02", 2),]
    );
    assert_eq!(description.drives[0].serial, "1068000002");
    assert_eq!(description.drives[0].element_address, None);
}

#[test]
fn with_two_libraries_an_unclaimed_drive_is_the_targets_problem() {
    let mut target = FakeTarget::ibm_3584();
    target.devices[0].drives.pop();
    let second = Device {
        lun: 9,
        serial: Some("0000078A12340402".to_owned()),
        drives: Vec::new(),
        counts: Some([1, 1, 1, 0]),
        ..target.devices[0].clone()
    };
    target.devices.push(second);
    let description = described(&mut target);
    assert_eq!(description.libraries[1].device, "TAPMLB02");
    assert!(
        description
            .libraries
            .iter()
            .all(|library| library.problems.is_empty())
    );
    assert_eq!(description.problems, [unclaimed("TAP02", 2)]);
}

#[test]
fn a_drive_on_a_target_without_a_library_stands_alone_without_a_problem() {
    let mut target = FakeTarget::ibm_3584();
    target.devices.remove(0);
    let description = described(&mut target);
    assert_eq!(description.drives.len(), 2);
    assert_eq!(description.problems, []);
}

#[test]
fn what_ibm_i_would_not_take_is_a_problem() {
    let mut target = FakeTarget::ibm_3584();
    target.devices[0].product = "03573-TL";
    target.devices[0].type_model = None;
    target.devices[1].product = "ULT3580-TD2";
    let description = described(&mut target);
    assert_eq!(
        description.libraries[0].problems,
        [
            Problem::Not3584 {
                type_model: "3573-***".to_owned(),
            },
            mixed(["ULT3580-TD2", "ULT3580-TD5"]),
            Problem::OldDrive {
                device: "TAP01".to_owned(),
                product: "ULT3580-TD2".to_owned(),
            },
        ]
    );
}

#[test]
fn full_and_half_height_drives_are_one_type() {
    let mut target = FakeTarget::ibm_3584();
    target.devices[1].product = "ULT3580-HH5";
    let description = described(&mut target);
    assert_eq!(description.libraries[0].problems, []);
    target.devices[1].product = "Ultrium 5-SCSI";
    let description = described(&mut target);
    assert_eq!(
        description.libraries[0].problems,
        [mixed(["ULT3580-TD5", "Ultrium 5-SCSI"])]
    );
}

#[test]
fn names_stay_with_the_serial_numbers_when_luns_move() {
    let mut names = DeviceNames::default();
    describe_one(&mut FakeTarget::ibm_3584(), &mut names);
    let mut target = FakeTarget::ibm_3584();
    target.devices[1].lun = 7;
    let description = describe_one(&mut target, &mut names);
    let drives: Vec<(&str, u64)> = description.libraries[0]
        .drives
        .iter()
        .map(|drive| (drive.device.as_str(), drive.lun))
        .collect();
    assert_eq!(drives, [("TAP01", 7), ("TAP02", 2)]);
    assert_eq!(names.drives.len(), 2);
}

#[test]
fn names_go_by_target_and_then_by_lun() {
    let mut first = FakeTarget::tgt();
    let mut second = FakeTarget::ibm_3584();
    second.devices.reverse();
    let inventories = [first.enumerate().unwrap(), second.enumerate().unwrap()];
    let targets = [
        EnumeratedTarget {
            name: "iqn.a",
            inventory: &inventories[0],
        },
        EnumeratedTarget {
            name: "iqn.b",
            inventory: &inventories[1],
        },
    ];
    let mut names = DeviceNames::default();
    // tgt's changer has the serial number of the other: seen twice.
    let descriptions = describe(&targets, &mut names);
    assert_eq!(descriptions[0].libraries[0].device, "TAPMLB01");
    assert_eq!(descriptions[1].libraries[0].device, "TAPMLB01");
    assert_eq!(
        descriptions[1].libraries[0].problems,
        [Problem::SeenTwice {
            device: "TAPMLB01".to_owned(),
            identity: SharedIdentity::SerialNumber {
                serial: "0000078A12340401".to_owned(),
            },
            lun: 0,
            other_lun: 5,
            other_target: "iqn.a".to_owned(),
        }]
    );
    assert_eq!(descriptions[1].libraries[0].drives[0].device, "TAP03");
    assert_eq!(names.libraries.len(), 1);
}

#[test]
fn a_device_without_a_serial_number_is_known_by_its_designator_and_then_by_its_place() {
    let mut target = FakeTarget::ibm_3584();
    target.devices[0].serial = None;
    target.devices[1].serial = Some(" \0 ".to_owned());
    target.devices[1].designators = vec![
        2, 1, 0, 1, b'X', // T10
        1, 3, 0, 8, 0x50, 0x05, 0x07, 0x63, 0, 0, 0, 1, // NAA
        1, 0x13, 0, 2, 9, 9, // of the port
    ];
    let mut names = DeviceNames::default();
    let description = describe_one(&mut target, &mut names);
    assert_eq!(description.libraries[0].serial, "");
    assert_eq!(
        names.libraries["TAPMLB01"],
        DeviceKey::Place {
            target: VTL.to_owned(),
            lun: 0
        }
    );
    assert_eq!(
        names.drives["TAP01"],
        DeviceKey::Designator {
            designator: "3:5005076300000001".to_owned()
        }
    );
}

#[test]
fn what_a_drive_did_not_tell_is_said_on_its_library() {
    let mut target = FakeTarget::ibm_3584();
    let mut inventory = target.enumerate().unwrap();
    inventory.problems.push(Problem::LogicalUnitsLeftOut {
        announced: 4,
        looked_at: 3,
    });
    inventory.logical_units[1]
        .problems
        .push(Problem::DriveUnnamed { address: 1 });
    let target = EnumeratedTarget {
        name: VTL,
        inventory: &inventory,
    };
    let description = describe(&[target], &mut DeviceNames::default()).remove(0);
    assert_eq!(
        description.libraries[0].problems,
        [
            Problem::DriveUnnamed { address: 1 },
            Problem::LogicalUnitsLeftOut {
                announced: 4,
                looked_at: 3,
            },
        ]
    );
    assert_eq!(description.problems, []);
}

fn any_device() -> impl Strategy<Value = Device> {
    (
        0u8..8,
        prop_oneof![Just(CHANGER), Just(TAPE)],
        proptest::option::of("[ -~]{0,12}"),
        proptest::collection::vec(any::<u8>(), 0..40),
        proptest::collection::vec("[ 0-9]{0,12}", 0..4),
    )
        .prop_map(|(lun, peripheral, serial, designators, drives)| Device {
            lun,
            peripheral,
            vendor: "IBM",
            product: "ULT3580-TD5",
            serial,
            designators,
            drives: drives
                .into_iter()
                .map(|serial| (format!("{serial:<12}"), ""))
                .collect(),
            ..Device::default()
        })
}

proptest! {
    #[test]
    fn every_device_is_described_once_and_again_by_the_same_name(
        devices in proptest::collection::vec(any_device(), 0..8),
    ) {
        let mut target = FakeTarget::new(devices);
        let inventory: Result<TargetInventory, EnumerationError> = target.enumerate();
        let inventory = inventory.unwrap();
        let targets = [EnumeratedTarget { name: VTL, inventory: &inventory }];
        let mut names = DeviceNames::default();
        let first = describe(&targets, &mut names);
        let drives = first[0].drives.len()
            + first[0].libraries.iter().map(|library| library.drives.len()).sum::<usize>();
        prop_assert_eq!(drives + first[0].libraries.len(), inventory.logical_units.len());
        let known = names.clone();
        prop_assert_eq!(describe(&targets, &mut names), first);
        prop_assert_eq!(names, known);
    }
}

#[test]
fn a_logical_unit_number_is_recorded_so_that_its_bytes_are_known_and_53_bits_hold_it() {
    for (bytes, number, address, text) in [
        ([0, 5, 0, 0, 0, 0, 0, 0], 5, None, "5"),
        ([0x41, 0x2c, 0, 0, 0, 0, 0, 0], 300, None, "300"),
        // Flat space addressing of a small number, and extended flat space addressing.
        (
            [0x40, 5, 0, 0, 0, 0, 0, 0],
            5,
            Some("0x4005000000000000"),
            "5",
        ),
        (
            [0xd2, 1, 0, 2, 0, 0, 0, 0],
            0x1_0002,
            Some("0xd201000200000000"),
            "65538",
        ),
        // Two levels, four levels.
        (
            [1, 7, 0, 3, 0, 0, 0, 0],
            0x0107_0003_0000,
            Some("0x0107000300000000"),
            "0x0107000300000000",
        ),
        (
            [0xff; 8],
            0xffff_ffff_ffff,
            Some("0xffffffffffffffff"),
            "0xffffffffffffffff",
        ),
    ] {
        let lun = Lun(bytes);
        let recorded = recorded_lun(lun);
        assert_eq!(recorded, (number, address.map(str::to_owned)), "{bytes:x?}");
        assert!(recorded.0 < 1 << 53);
        assert_eq!(lun.to_string(), text, "{bytes:x?}");
        let read = resolve::recorded_lun(recorded.0, recorded.1.as_deref());
        assert_eq!(read, Some(lun));
    }
}
