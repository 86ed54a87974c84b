use proptest::prelude::*;

use super::super::fake::{CHANGER, FakeTarget, Quirk, check, good, power_on, status};
use super::super::inventory::LogicalUnit;
use super::*;
use crate::scsi::SenseData;

const PATIENCE: Duration = Duration::from_secs(15);

/// The failure of a command with this sense key, additional sense code and qualifier.
fn sense(key: u8, asc: u8, ascq: u8) -> CommandFailure {
    CommandFailure::Sense(SenseData::decode(&check(key, asc, ascq).sense).unwrap())
}

/// Operation codes that went to a logical unit.
fn sent_to(target: &FakeTarget, lun: u64) -> Vec<u8> {
    target
        .sent
        .iter()
        .filter(|(to, _)| *to == lun)
        .map(|(_, cdb)| cdb[0])
        .collect()
}

#[test]
fn a_3584_is_known_after_three_flights_in_spite_of_its_unit_attentions() {
    let mut target = FakeTarget::ibm_3584();
    let inventory = target.enumerate().unwrap();
    assert_eq!(target.flights, 3);
    assert_eq!(inventory.problems, []);
    assert_eq!(inventory.logical_units.len(), 3);
    let library = &inventory.logical_units[0];
    assert_eq!(library.problems, []);
    assert_eq!(library.serial, b"0000078A12340401");
    let changer = library.changer.as_ref().unwrap();
    assert_eq!(
        changer.type_model,
        Some(MachineTypeModel {
            machine_type: 3584,
            model: 403
        })
    );
    assert_eq!(changer.storage_elements, 40);
    assert_eq!(changer.import_export_elements, 4);
    assert_eq!(changer.transport_elements, 1);
    assert_eq!(changer.drives[0].address, 257);
    assert_eq!(changer.drives[0].volume.as_deref(), Some(&b"AB0001L5"[..]));
    assert_eq!(changer.drives[1].volume, None);
    assert!(inventory.logical_units[1].changer.is_none());
}

#[test]
fn no_device_is_sent_what_its_type_does_not_define() {
    let mut target = FakeTarget::tgt();
    target.enumerate().unwrap();
    assert_eq!(target.flights, 3);
    // REPORT LUNS, then the three of the second flight.
    assert_eq!(sent_to(&target, 0), [0xa0, 0x00, 0x12, 0x12]);
    assert_eq!(sent_to(&target, 1), [0x00, 0x12, 0x12, 0x12, 0x12]);
    assert_eq!(
        sent_to(&target, 5),
        [0x00, 0x12, 0x12, 0xb8, 0x1a, 0xb8, 0x12, 0x12]
    );
    assert!(
        target
            .sent
            .iter()
            .all(|(_, cdb)| cdb[0] != 0xb8 || cdb[1] & 0x0f != 0)
    );
}

#[test]
fn tgts_controller_is_left_out_and_its_padded_serials_are_trimmed() {
    let inventory = FakeTarget::tgt().enumerate().unwrap();
    let luns: Vec<u64> = inventory
        .logical_units
        .iter()
        .map(|unit| unit.lun.number())
        .collect();
    assert_eq!(luns, [1, 2, 5]);
    assert_eq!(inventory.logical_units[0].serial, b"1000000001");
    let changer = inventory.logical_units[2].changer.as_ref().unwrap();
    assert_eq!(changer.type_model, None);
    let last = changer.drives[1].identifier.as_ref().unwrap();
    assert_eq!(last.bytes, b"IBM     ULT3580-TD5     10");
}

#[test]
fn a_unit_attention_on_any_command_is_answered_by_sending_it_again() {
    let mut target = FakeTarget::ibm_3584();
    // More than TEST UNIT READY can take off.
    target.devices[0].first = vec![power_on(), check(6, 0x2a, 1), check(6, 0x3f, 0x0e)];
    let inventory = target.enumerate().unwrap();
    assert_eq!(
        inventory.logical_units[0]
            .changer
            .as_ref()
            .unwrap()
            .storage_elements,
        40
    );
    assert_eq!(inventory.logical_units[0].problems, []);
}

#[test]
fn unit_attentions_without_end_are_a_problem_and_end() {
    let mut target = FakeTarget::ibm_3584();
    target.devices[0].first = vec![check(6, 0x2a, 1); 200];
    let inventory = target.enumerate().unwrap();
    assert_eq!(target.now, Duration::ZERO, "no pause for a unit attention");
    // INQUIRY got nothing else either, so the changer is no device; the target says so.
    assert_eq!(inventory.logical_units.len(), 2);
    assert_eq!(
        inventory.problems[0],
        Problem::Unidentified {
            lun: 0,
            failure: sense(6, 0x2a, 1),
        }
    );
    assert_eq!(sent_to(&target, 0).len(), 1 + 1 + 2 * 9);
}

#[test]
fn a_busy_library_is_asked_again_after_growing_pauses() {
    let mut target = FakeTarget::ibm_3584();
    target.devices[0].first = vec![
        power_on(),
        status(Status::BUSY),
        status(Status::TASK_SET_FULL),
        check(2, 4, 1),
        check(2, 4, 1),
    ];
    // INQUIRY and VPD page 00h are busy first, then becoming ready.
    let inventory = target.enumerate().unwrap();
    assert_eq!(target.now, Duration::from_millis(50 + 100));
    assert_eq!(inventory.logical_units.len(), 3);
    assert_eq!(inventory.logical_units[0].problems, []);
}

#[test]
fn one_busy_device_does_not_hold_up_the_others() {
    let mut target = FakeTarget::ibm_3584();
    target.devices[1].first = vec![status(Status::BUSY); 8];
    let inventory = target.enumerate().unwrap();
    let describing = target
        .sent
        .iter()
        .position(|(_, cdb)| cdb[0] == 0xb8)
        .unwrap();
    let last_of_drive = target.sent.iter().rposition(|(lun, _)| *lun == 1).unwrap();
    assert!(describing < last_of_drive);
    assert_eq!(inventory.logical_units.len(), 3);
}

#[test]
fn patience_ends() {
    let mut target = FakeTarget::ibm_3584();
    target.devices[0].first = vec![status(Status::BUSY); 10_000];
    let inventory = target.enumerate().unwrap();
    assert!(target.now <= PATIENCE);
    assert!(target.now > PATIENCE - LONGEST_PAUSE);
    assert_eq!(
        inventory.problems[0],
        Problem::Unidentified {
            lun: 0,
            failure: CommandFailure::Status(Status::BUSY),
        }
    );
    assert!(target.sent.len() < 80);
}

#[test]
fn a_device_of_no_interest_is_not_waited_for() {
    let mut target = FakeTarget::tgt();
    let mut run = Enumeration::new(Duration::ZERO, PATIENCE);
    let mut waits = 0;
    loop {
        match run.poll(Duration::ZERO) {
            Step::Send(commands) => {
                for command in commands {
                    let is_page = command.cdb.as_bytes()[..2] == [0x12, 1];
                    let reply = match (command.lun.number(), is_page) {
                        (0, true) => status(Status::BUSY),
                        _ => target.answer(&command),
                    };
                    run.handle(command.id, &reply, Duration::ZERO);
                }
            }
            Step::Done => break,
            Step::WaitUntil(_) | Step::WaitForReplies => waits += 1,
        }
        assert!(waits == 0, "the controller's serial number is waited for");
    }
}

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

/// As many drives as are looked at, and more of their identifiers than fit in 65,535 bytes.
fn many_drives() -> Vec<(String, &'static str)> {
    (0..MAX_DRIVE_ELEMENTS)
        .map(|n| (format!("{n:0>60}"), "AB0001L5"))
        .collect()
}

/// Returns how many drive elements have both an identifier and a volume, each with its own address.
fn named(library: &LogicalUnit) -> usize {
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
fn with_quirk(quirk: Quirk) -> (LogicalUnit, usize) {
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
fn a_target_without_lun_0_is_asked_at_the_report_luns_logical_unit() {
    let mut target = FakeTarget::ibm_3584();
    for device in &mut target.devices {
        device.lun += 1;
    }
    target.without_lun_0 = true;
    let inventory = target.enumerate().unwrap();
    assert_eq!(target.flights, 4);
    let luns: Vec<u64> = inventory
        .logical_units
        .iter()
        .map(|unit| unit.lun.number())
        .collect();
    assert_eq!(luns, [1, 2, 3]);
    assert_eq!(target.sent[1].0, 0xc101_0000_0000_0000);

    // It is asked once, and LUN 0 of a target that refuses for another reason is not replaced by it.
    let mut asked = Vec::new();
    let refusal = run(&mut |command| {
        asked.push(command.lun.number());
        check(5, 0x25, 0)
    });
    assert!(matches!(
        refusal,
        Err(EnumerationError::ReportLunsRefused(_))
    ));
    assert_eq!(asked, [0, 0xc101_0000_0000_0000]);
}

#[test]
fn every_not_ready_that_passes_is_waited_for() {
    for (ascq, passes) in [(0, true), (1, true), (2, false), (3, false), (7, true)] {
        let mut target = FakeTarget::ibm_3584();
        target.devices[0].first.clear();
        let mut refusals = 3;
        let mut enumeration = Enumeration::new(Duration::ZERO, PATIENCE);
        let mut now = Duration::ZERO;
        loop {
            match enumeration.poll(now) {
                Step::Send(commands) => {
                    for command in commands {
                        let is_page = command.cdb.as_bytes()[0] == 0x1a;
                        let reply = if is_page && refusals > 0 {
                            refusals -= 1;
                            check(2, 4, ascq)
                        } else {
                            target.answer(&command)
                        };
                        enumeration.handle(command.id, &reply, now);
                    }
                }
                Step::WaitUntil(time) => now = time,
                Step::Done => break,
                Step::WaitForReplies => panic!("no reply is missing"),
            }
        }
        let inventory = enumeration.finish().unwrap();
        let counts = inventory.logical_units[0].changer.as_ref().unwrap();
        // Mode page 1Dh says 40; the headers of element status, which a refusal leads to, say another number.
        assert_eq!(counts.storage_elements == 40, passes, "04/{ascq:02X}");
        assert_eq!(now > Duration::ZERO, passes, "04/{ascq:02X}");
    }
}

/// The VPD pages that were asked of a logical unit.
fn pages_asked(target: &FakeTarget, lun: u64) -> Vec<u8> {
    target
        .sent
        .iter()
        .filter(|(to, cdb)| *to == lun && cdb[..2] == [0x12, 1])
        .map(|(_, cdb)| cdb[2])
        .collect()
}

#[test]
fn a_vpd_page_is_asked_only_where_page_00_lists_it() {
    let mut target = FakeTarget::ibm_3584();
    target.devices[1].serial = None;
    target.enumerate().unwrap();
    assert_eq!(target.flights, 3);
    assert_eq!(pages_asked(&target, 0), [0x00, 0xd0, 0x83, 0x80]);
    assert_eq!(pages_asked(&target, 1), [0x00, 0x83]);
    assert_eq!(pages_asked(&target, 2), [0x00, 0x83, 0x80]);
}

#[test]
fn a_device_without_page_00_is_asked_for_its_serial_number_and_for_no_vendors_page() {
    for refusal in [check(5, 0x24, 0), good(Vec::new())] {
        let mut target = FakeTarget::ibm_3584();
        let inventory = run(&mut |command: &Command| match command.cdb.as_bytes() {
            [0x12, 1, 0x00, ..] => refusal.clone(),
            _ => target.answer(command),
        })
        .unwrap();
        assert_eq!(pages_asked(&target, 0), [0x83, 0x80]);
        let library = &inventory.logical_units[0];
        assert_eq!(library.serial, b"0000078A12340401");
        assert_eq!(library.changer.as_ref().unwrap().type_model, None);
    }
}

/// Enumerates a target that has no reply to a question for which `no_reply` says why. Where that ends the session,
/// what is behind the question has none either. Returns the result and the number of sessions.
fn interrupted(
    target: &mut FakeTarget,
    no_reply: impl Fn(&Command) -> Option<NoReply>,
) -> (Option<Inventory>, usize) {
    let mut enumeration = Enumeration::new(Duration::ZERO, PATIENCE);
    let mut sessions = 1;
    loop {
        match enumeration.poll(Duration::ZERO) {
            Step::Send(commands) => {
                let mut lost = Vec::new();
                let mut is_dropped = false;
                for command in commands {
                    if is_dropped {
                        continue;
                    }
                    let Some(reason) = no_reply(&command) else {
                        let reply = target.answer(&command);
                        enumeration.handle(command.id, &reply, Duration::ZERO);
                        continue;
                    };
                    let question = (command.lun.number(), command.cdb.as_bytes().to_vec());
                    target.sent.push(question);
                    is_dropped = reason == NoReply::ConnectionLost;
                    lost.push((command.id, reason));
                }
                if is_dropped {
                    if !enumeration.reconnect() {
                        return (None, sessions);
                    }
                    sessions += 1;
                    for device in &mut target.devices {
                        device.first = vec![power_on()];
                    }
                    continue;
                }
                for (id, reason) in lost {
                    if !enumeration.unanswered(id, reason) {
                        return (None, sessions);
                    }
                }
            }
            Step::Done => return (Some(enumeration.finish().unwrap()), sessions),
            step => panic!("{step:?}"),
        }
    }
}

const NO_REPLY: [NoReply; 3] = [NoReply::ConnectionLost, NoReply::Timeout, NoReply::Rejected];

#[test]
fn a_question_without_a_reply_is_not_asked_again_and_costs_its_answer_alone() {
    for reason in NO_REPLY {
        // Operation code, second and seventh byte of the CDB: page D0h, mode page 1Dh, volume tags, identifiers.
        for question in [
            [0x12, 0x01, 0xd0],
            [0x1a, 0x08, 0x1d],
            [0xb8, 0x14, 0x00],
            [0xb8, 0x04, 0x00],
            [0x12, 0x01, 0x00],
            [0x00, 0x00, 0x00],
        ] {
            let mut target = FakeTarget::ibm_3584();
            let (inventory, sessions) = interrupted(&mut target, |command| {
                let cdb = command.cdb.as_bytes();
                (command.lun.number() == 0 && cdb[..3] == question).then_some(reason)
            });
            let inventory = inventory.unwrap();
            let is_lost = reason == NoReply::ConnectionLost;
            assert_eq!(sessions, 1 + usize::from(is_lost), "{question:x?}");
            let asked = target
                .sent
                .iter()
                .filter(|(lun, cdb)| *lun == 0 && cdb[..3] == question)
                .count();
            assert_eq!(asked, 1, "{question:x?}");
            assert_eq!(inventory.logical_units.len(), 3, "{question:x?}");
            let library = &inventory.logical_units[0];
            let changer = library.changer.as_ref().unwrap();
            let is_page_00 = question == [0x12, 0x01, 0x00];
            assert_eq!(library.serial.is_empty(), is_page_00, "{question:x?}");
            assert_eq!(
                changer.type_model.is_none(),
                is_page_00 || question == [0x12, 0x01, 0xd0],
                "{question:x?}"
            );
            assert_eq!(
                changer.storage_elements == 0,
                question == [0x1a, 0x08, 0x1d],
                "{question:x?}"
            );
            assert_eq!(changer.drives.len(), 2, "{question:x?}");
            assert_eq!(
                changer.drives[0].volume.is_none(),
                question == [0xb8, 0x14, 0x00],
                "{question:x?}"
            );
            assert_eq!(
                changer.drives[0].identifier.is_none(),
                question == [0xb8, 0x04, 0x00],
                "{question:x?}"
            );
            // TEST UNIT READY is asked for nobody's sake.
            let problems = usize::from(question != [0x00, 0x00, 0x00]);
            assert_eq!(library.problems.len(), problems, "{:?}", library.problems);
            assert_eq!(inventory.problems, []);
            assert_eq!(inventory.logical_units[2].serial, b"1068000002");
        }
    }
}

#[test]
fn the_list_of_luns_and_an_inquiry_cannot_be_left_out() {
    for reason in NO_REPLY {
        for operation in [0xa0, 0x12] {
            let mut target = FakeTarget::ibm_3584();
            let (inventory, sessions) = interrupted(&mut target, |command| {
                let cdb = command.cdb.as_bytes();
                (cdb[0] == operation && cdb[1] == 0).then_some(reason)
            });
            assert_eq!((inventory, sessions), (None, 1));
        }
    }
    assert!(!Enumeration::new(Duration::ZERO, PATIENCE).reconnect());
}

#[test]
fn a_target_that_answers_nothing_of_a_flight_is_gone() {
    let mut target = FakeTarget::ibm_3584();
    let (inventory, _) = interrupted(&mut target, |command| {
        let cdb = command.cdb.as_bytes();
        let is_identifying = matches!(cdb, [0xa0 | 0x00, ..] | [0x12, 0, ..] | [0x12, 1, 0x00, ..]);
        (!is_identifying).then_some(NoReply::Timeout)
    });
    assert_eq!(inventory, None);
}

#[test]
fn a_second_session_that_is_lost_is_the_last() {
    let mut target = FakeTarget::ibm_3584();
    let (inventory, sessions) = interrupted(&mut target, |command| {
        let cdb = command.cdb.as_bytes();
        matches!(cdb, [0x12, 1, 0xd0, ..] | [0x1a, ..]).then_some(NoReply::ConnectionLost)
    });
    assert_eq!((inventory, sessions), (None, 2));
}

#[test]
fn a_long_vpd_page_is_asked_for_once_more() {
    let mut target = FakeTarget::ibm_3584();
    target.devices[1].designators = [[2, 1, 0, 200].as_slice(), &[b'x'; 200]].concat().repeat(3);
    let inventory = target.enumerate().unwrap();
    assert_eq!(inventory.logical_units[1].designators.len(), 3);
    assert_eq!(sent_to(&target, 1).len(), 6);
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
    let mut refusing = |command: &Command| match command.cdb.as_bytes()[0] {
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
    let mut refusing = |command: &Command| match command.cdb.as_bytes()[0] {
        0xb8 => check(5, 0x21, 1),
        _ => target.answer(command),
    };
    let inventory = run(&mut refusing).unwrap();
    assert_eq!(inventory.logical_units[0].problems, []);
}

#[test]
fn a_refused_list_of_luns_fails_the_enumeration() {
    let error = run(&mut |_| check(5, 0x20, 0)).unwrap_err();
    assert_eq!(
        error,
        EnumerationError::ReportLunsRefused(sense(5, 0x20, 0))
    );
    let error = run(&mut |_| good(vec![0; 3])).unwrap_err();
    assert!(
        matches!(error, EnumerationError::ReportLunsMalformed(_)),
        "{error:?}"
    );
    let error = run(&mut |_| status(Status::CHECK_CONDITION)).unwrap_err();
    assert_eq!(
        error,
        EnumerationError::ReportLunsRefused(CommandFailure::NoSense)
    );
}

#[test]
fn a_target_without_luns_has_an_empty_inventory() {
    assert_eq!(run(&mut |_| good(vec![0; 8])), Ok(Inventory::default()));
}

#[test]
fn more_luns_than_are_looked_at_are_a_problem() {
    let mut list = (2000u32 * 8).to_be_bytes().to_vec();
    list.extend([0; 4]);
    for lun in 0..2000u16 {
        list.extend((0x4000 | lun).to_be_bytes());
        list.extend([0; 6]);
    }
    let mut commands = 0;
    let inventory = run(&mut |command: &Command| {
        commands += 1;
        match command.cdb.as_bytes()[0] {
            0xa0 => good(list.clone()),
            _ => check(5, 0x25, 0),
        }
    });
    assert_eq!(commands, 1 + 3 * MAX_LOGICAL_UNITS);
    assert_eq!(
        inventory.unwrap().problems,
        [Problem::LogicalUnitsLeftOut {
            announced: 2000,
            looked_at: 1024
        }]
    );
}

#[test]
fn replies_on_their_way_never_exceed_the_bound() {
    let mut target = FakeTarget::ibm_3584();
    let changer = target.devices[0].clone();
    target.devices = (0..200)
        .map(|lun| {
            let mut changer = changer.clone();
            changer.lun = lun;
            changer.peripheral = CHANGER;
            changer
        })
        .collect();
    let mut enumeration = Enumeration::new(Duration::ZERO, PATIENCE);
    loop {
        match enumeration.poll(Duration::ZERO) {
            Step::Send(commands) => {
                let room: u32 = commands
                    .iter()
                    .map(|command| command.allocation_length)
                    .sum();
                assert!(room <= MAX_OUTSTANDING);
                for command in commands {
                    let reply = target.answer(&command);
                    enumeration.handle(command.id, &reply, Duration::ZERO);
                }
            }
            Step::Done => break,
            step => panic!("{step:?}"),
        }
    }
    assert_eq!(enumeration.finish().unwrap().logical_units.len(), 200);
}

#[test]
fn an_enumeration_that_is_ended_early_says_what_was_missing() {
    let mut enumeration = Enumeration::new(Duration::ZERO, PATIENCE);
    let Step::Send(commands) = enumeration.poll(Duration::ZERO) else {
        panic!("REPORT LUNS is the first command");
    };
    assert_eq!(enumeration.poll(Duration::ZERO), Step::WaitForReplies);
    assert_eq!(commands.len(), 1);
    assert_eq!(commands[0].lun, Lun::ZERO);
    assert_eq!(
        enumeration.finish(),
        Err(EnumerationError::Unfinished { unanswered: 1 })
    );
}

#[test]
fn a_reply_to_an_unknown_command_is_ignored() {
    let mut enumeration = Enumeration::new(Duration::ZERO, PATIENCE);
    let _ = enumeration.poll(Duration::ZERO);
    enumeration.handle(CommandId(77), &good(Vec::new()), Duration::ZERO);
    assert_eq!(enumeration.poll(Duration::ZERO), Step::WaitForReplies);
}

/// Runs an enumeration with replies one by one, in virtual time.
fn run(answer: &mut dyn FnMut(&Command) -> Reply) -> Result<Inventory, EnumerationError> {
    let mut enumeration = Enumeration::new(Duration::ZERO, PATIENCE);
    let mut now = Duration::ZERO;
    loop {
        match enumeration.poll(now) {
            Step::Send(commands) => {
                for command in commands {
                    enumeration.handle(command.id, &answer(&command), now);
                }
            }
            Step::WaitUntil(time) => {
                assert!(time > now);
                now = time;
            }
            Step::WaitForReplies => panic!("no reply is missing"),
            Step::Done => return enumeration.finish(),
        }
    }
}

fn any_reply() -> impl Strategy<Value = Reply> {
    let data = proptest::collection::vec(any::<u8>(), 0..120);
    prop_oneof![
        Just(power_on()),
        Just(status(Status::BUSY)),
        (0u8..16, any::<u8>(), any::<u8>()).prop_map(|(key, asc, ascq)| check(key, asc, ascq)),
        data.clone().prop_map(good),
        // A changer, a tape drive, or anything: INQUIRY data that leads to the later flights.
        (prop_oneof![Just(8u8), Just(1u8), any::<u8>()], data.clone())
            .prop_map(|(kind, data)| { good([&[kind, 0x80, 3, 2, 31][..], &data].concat()) }),
        (any::<u8>(), data.clone(), data).prop_map(|(code, sense, data)| Reply {
            status: Status(code),
            sense: sense.into(),
            data: data.into(),
        }),
    ]
}

proptest! {
    #[test]
    fn arbitrary_replies_end_after_a_bounded_number_of_commands(
        luns in 0u8..6,
        replies in proptest::collection::vec(any_reply(), 1..40),
    ) {
        let mut list = vec![0, 0, 0, luns * 8, 0, 0, 0, 0];
        for lun in 0..luns {
            list.extend([0, lun, 0, 0, 0, 0, 0, 0]);
        }
        let mut replies = replies.into_iter().cycle();
        let mut sent = 0usize;
        let _ = run(&mut |command: &Command| {
            sent += 1;
            match command.cdb.as_bytes()[0] {
                0xa0 => good(list.clone()),
                _ => replies.next().unwrap(),
            }
        });
        // 16 questions each, the forms of READ ELEMENT STATUS included; a question is sent at most once more for room,
        // 8 times at once, and 20 times after a pause.
        prop_assert!(sent <= 1 + usize::from(luns) * 16 * 30);
    }

    #[test]
    fn damaged_replies_of_a_library_never_panic(
        damage in proptest::collection::vec((0usize..400, any::<u8>()), 1..8),
        cut in 0usize..400,
    ) {
        let mut target = FakeTarget::tgt();
        let _ = run(&mut |command: &Command| {
            let reply = target.answer(command);
            let mut data = reply.data.to_vec();
            for (position, byte) in &damage {
                if let Some(place) = data.get_mut(*position) {
                    *place = *byte;
                }
            }
            if command.cdb.as_bytes()[0] != 0xa0 {
                data.truncate(cut);
            }
            Reply { data: data.into(), ..reply }
        });
    }
}
