//! READ ELEMENT STATUS in all its forms: lengths, counts, VolTag, DVCID, and what is left out.

use super::super::super::fake::Quirk;
use super::super::super::inventory::InquiredUnit;
use super::*;

#[test]
fn without_page_1d_the_elements_are_counted_type_by_type() {
    let mut target = FakeTarget::ibm_3584();
    target.devices[0].counts = None;
    let inventory = target.enumerate().unwrap();
    assert_eq!(target.flights, 4);
    let library = &inventory.logical_units[0];
    let changer = library.changer.as_ref().unwrap();
    assert_eq!(changer.transport_elements, 71);
    assert_eq!(changer.storage_elements, 72);
    assert_eq!(changer.import_export_elements, 73);
    assert_eq!(library.problems, []);
    let allocation: Vec<&[u8]> = target
        .sent
        .iter()
        .filter(|(_, cdb)| cdb[0] == 0xb8)
        .map(|(_, cdb)| &cdb[6..10])
        .collect();
    assert_eq!(
        allocation,
        [
            &[1, 0, 0xff, 0xff],
            &[0, 0, 0xff, 0xff],
            &[0, 0, 0, 8],
            &[0, 0, 0, 8],
            &[0, 0, 0, 8]
        ]
    );
}

#[test]
fn element_status_that_does_not_fit_is_asked_for_once_more() {
    let mut target = FakeTarget::ibm_3584();
    target.devices[0].drives = many_drives();
    let inventory = target.enumerate().unwrap();
    assert_eq!(target.flights, 4);
    let library = &inventory.logical_units[0];
    assert_eq!(named(library), MAX_DRIVE_ELEMENTS);
    assert_eq!(library.problems, []);
}

/// As many drives as are kept, and more of their identifiers than fit in 65,535 bytes.
fn many_drives() -> Vec<(String, &'static str)> {
    (0..MAX_DRIVE_ELEMENTS)
        .map(|n| (format!("{n:0>60}"), "AB0001L5"))
        .collect()
}

/// Returns how many drive elements have both an identifier and a volume, each with its own address.
fn named(library: &InquiredUnit) -> usize {
    let drives = &library.changer.as_ref().unwrap().drives;
    let addresses: BTreeSet<u16> = drives.iter().map(|drive| drive.address).collect();
    assert_eq!(addresses.len(), drives.len());
    drives
        .iter()
        .filter(|drive| drive.identifier.is_some() && drive.volume.is_some())
        .count()
}

#[test]
fn a_library_that_takes_no_long_allocation_length_is_asked_piece_by_piece() {
    let mut target = FakeTarget::ibm_3584();
    target.devices[0].drives = many_drives();
    target.devices[0].quirk = Some(|cdb| {
        let is_long = cdb[0] == 0xb8 && cdb[7] != 0;
        is_long.then(|| check(5, 0x24, 0))
    });
    let inventory = target.enumerate().unwrap();
    let library = &inventory.logical_units[0];
    assert_eq!(named(library), MAX_DRIVE_ELEMENTS);
    assert_eq!(library.problems, []);
}

#[test]
fn a_library_that_is_not_asked_for_all_elements_is_asked_for_a_thousand_at_a_time() {
    let mut target = FakeTarget::ibm_3584();
    target.devices[0].drives = (0..1010)
        .map(|n| (format!("{n:010}"), "AB0001L5"))
        .collect();
    target.devices[0].quirk = Some(|cdb| {
        let is_all = cdb[0] == 0xb8 && u16::from_be_bytes([cdb[4], cdb[5]]) > 1000;
        is_all.then(|| check(5, 0x24, 0))
    });
    let inventory = target.enumerate().unwrap();
    let library = &inventory.logical_units[0];
    assert_eq!(named(library), 1010);
    assert_eq!(library.problems, []);
    let last = target.sent.iter().rfind(|(_, cdb)| cdb[0] == 0xb8).unwrap();
    // Behind the first thousand, which end with element 1256.
    assert_eq!(last.1[2..6], [0x04, 0xe9, 0x03, 0xe8]);
}

/// What a library with a quirk says of its two drives.
fn with_quirk(quirk: Quirk) -> (InquiredUnit, usize) {
    let mut target = FakeTarget::ibm_3584();
    target.devices[0].quirk = Some(quirk);
    let inventory = target.enumerate().unwrap();
    (inventory.logical_units[0].clone(), target.flights)
}

#[test]
fn a_library_without_dvcid_has_its_drives_and_volumes_and_names_no_drive() {
    let (library, flights) = with_quirk(|cdb| {
        let has_dvcid = cdb[0] == 0xb8 && cdb[6] & 1 != 0;
        has_dvcid.then(|| check(5, 0x24, 0))
    });
    // One more for a count below all.
    assert_eq!(flights, 4);
    assert_eq!(library.problems, []);
    let drives = &library.changer.as_ref().unwrap().drives;
    assert_eq!(drives.len(), 2);
    assert!(drives.iter().all(|drive| drive.identifier.is_none()));
    assert_eq!(drives[0].volume.as_deref(), Some(&b"AB0001L5"[..]));
}

#[test]
fn a_library_without_volume_tags_names_its_drives() {
    let (library, flights) = with_quirk(|cdb| {
        let has_voltag = cdb[0] == 0xb8 && cdb[1] & 0x10 != 0;
        has_voltag.then(|| check(5, 0x24, 0))
    });
    assert_eq!(flights, 4);
    assert_eq!(library.problems, []);
    let drives = &library.changer.as_ref().unwrap().drives;
    assert_eq!(drives.len(), 2);
    assert!(
        drives
            .iter()
            .all(|drive| drive.identifier.is_some() && drive.volume.is_none())
    );
}

#[test]
fn element_status_that_is_refused_in_every_form_is_one_problem() {
    let (library, _) = with_quirk(|cdb| (cdb[0] == 0xb8).then(|| check(5, 0x24, 0)));
    assert_eq!(library.changer.as_ref().unwrap().drives, []);
    assert!(
        matches!(library.problems[..], [Problem::Unread { .. }]),
        "{:?}",
        library.problems
    );
}

#[test]
fn identifiers_that_the_library_leaves_out_cost_the_identifiers_alone() {
    let mut target = FakeTarget::ibm_3584();
    for drive in &mut target.devices[0].drives {
        drive.0.clear();
    }
    let inventory = target.enumerate().unwrap();
    let library = &inventory.logical_units[0];
    assert_eq!(target.flights, 3);
    assert_eq!(library.problems, []);
    let drives = &library.changer.as_ref().unwrap().drives;
    assert!(drives.iter().all(|drive| drive.identifier.is_none()));
    assert_eq!(drives[0].volume.as_deref(), Some(&b"AB0001L5"[..]));

    // As many blanks as the identifier would have.
    target.devices[0].drives[0].0 = " ".repeat(10);
    target.devices[0].first.clear();
    let inventory = target.enumerate().unwrap();
    let drives = &inventory.logical_units[0].changer.as_ref().unwrap().drives;
    assert!(drives.iter().all(|drive| drive.identifier.is_none()));
}

#[test]
fn a_bay_without_a_drive_is_no_drive_element_and_no_problem() {
    let mut target = FakeTarget::ibm_3584();
    target.devices[0].empty_bays = vec![259, 260];
    let inventory = target.enumerate().unwrap();
    let library = &inventory.logical_units[0];
    assert_eq!(library.changer.as_ref().unwrap().drives.len(), 2);
    assert_eq!(library.problems, []);
}

#[test]
fn drive_elements_that_never_came_are_a_problem() {
    let mut target = FakeTarget::ibm_3584();
    // The second drive's descriptor with a volume tag, and both of those with an identifier.
    target.devices[0].cut = 52;
    let inventory = target.enumerate().unwrap();
    let library = &inventory.logical_units[0];
    assert_eq!(library.changer.as_ref().unwrap().drives.len(), 1);
    assert_eq!(
        library.problems,
        [Problem::DriveElementsLeftOut {
            announced: 2,
            described: 1
        }]
    );
}

#[test]
fn a_changer_that_refuses_element_status_has_a_problem_and_the_target_does_not_fail() {
    let mut target = FakeTarget::ibm_3584();
    let mut refusing = |command: &EnumerationCommand| match command.cdb.as_bytes()[0] {
        0xb8 => check(4, 0x44, 0),
        _ => target.answer(command),
    };
    let inventory = run(&mut refusing).unwrap();
    assert_eq!(
        inventory.logical_units[0].problems[0],
        Problem::Unread {
            lun: 0,
            what: "element status".to_owned(),
            failure: sense(4, 0x44, 0),
        }
    );
}

#[test]
fn a_changer_without_drives_may_refuse_their_status() {
    let mut target = FakeTarget::ibm_3584();
    target.devices[0].counts = Some([1, 40, 4, 0]);
    let mut refusing = |command: &EnumerationCommand| match command.cdb.as_bytes()[0] {
        0xb8 => check(5, 0x21, 1),
        _ => target.answer(command),
    };
    let inventory = run(&mut refusing).unwrap();
    assert_eq!(inventory.logical_units[0].problems, []);
}
