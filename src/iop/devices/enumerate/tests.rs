//! The enumeration against fake targets, in virtual time: its flights, identities, bounds, and arbitrary replies.

mod element_status;
mod no_reply;
mod waiting;

use proptest::prelude::*;

use super::super::fake::{CHANGER, FakeTarget, check, good, power_on, status};
use super::*;
use crate::scsi::SenseData;

const TIMEOUT: Duration = Duration::from_secs(15);

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
        let inventory = run(
            &mut |command: &EnumerationCommand| match command.cdb.as_bytes() {
                [0x12, 1, 0x00, ..] => refusal.clone(),
                _ => target.answer(command),
            },
        )
        .unwrap();
        assert_eq!(pages_asked(&target, 0), [0x83, 0x80]);
        let library = &inventory.logical_units[0];
        assert_eq!(library.serial, b"0000078A12340401");
        assert_eq!(library.changer.as_ref().unwrap().type_model, None);
    }
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
    assert_eq!(
        run(&mut |_| good(vec![0; 8])),
        Ok(TargetInventory::default())
    );
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
    let inventory = run(&mut |command: &EnumerationCommand| {
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
    let mut enumeration = Enumeration::new(Duration::ZERO, TIMEOUT);
    loop {
        match enumeration.poll(Duration::ZERO) {
            EnumerationStep::Send(commands) => {
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
            EnumerationStep::Done => break,
            step => panic!("{step:?}"),
        }
    }
    assert_eq!(enumeration.finish().unwrap().logical_units.len(), 200);
}

#[test]
fn an_enumeration_that_is_ended_early_says_what_was_missing() {
    let mut enumeration = Enumeration::new(Duration::ZERO, TIMEOUT);
    let EnumerationStep::Send(commands) = enumeration.poll(Duration::ZERO) else {
        panic!("REPORT LUNS is the first command");
    };
    assert_eq!(
        enumeration.poll(Duration::ZERO),
        EnumerationStep::WaitForReplies
    );
    assert_eq!(commands.len(), 1);
    assert_eq!(commands[0].lun, Lun::ZERO);
    assert_eq!(
        enumeration.finish(),
        Err(EnumerationError::Unfinished { unanswered: 1 })
    );
}

#[test]
fn a_reply_to_an_unknown_command_is_ignored() {
    let mut enumeration = Enumeration::new(Duration::ZERO, TIMEOUT);
    let _ = enumeration.poll(Duration::ZERO);
    enumeration.handle(EnumerationCommandId(77), &good(Vec::new()), Duration::ZERO);
    assert_eq!(
        enumeration.poll(Duration::ZERO),
        EnumerationStep::WaitForReplies
    );
}

/// Runs an enumeration with replies one by one, in virtual time.
fn run(
    answer: &mut dyn FnMut(&EnumerationCommand) -> EnumerationReply,
) -> Result<TargetInventory, EnumerationError> {
    let mut enumeration = Enumeration::new(Duration::ZERO, TIMEOUT);
    let mut now = Duration::ZERO;
    loop {
        match enumeration.poll(now) {
            EnumerationStep::Send(commands) => {
                for command in commands {
                    enumeration.handle(command.id, &answer(&command), now);
                }
            }
            EnumerationStep::WaitUntil(time) => {
                assert!(time > now);
                now = time;
            }
            EnumerationStep::WaitForReplies => panic!("no reply is missing"),
            EnumerationStep::Done => return enumeration.finish(),
        }
    }
}

fn any_reply() -> impl Strategy<Value = EnumerationReply> {
    let data = proptest::collection::vec(any::<u8>(), 0..120);
    prop_oneof![
        Just(power_on()),
        Just(status(Status::BUSY)),
        (0u8..16, any::<u8>(), any::<u8>()).prop_map(|(key, asc, ascq)| check(key, asc, ascq)),
        data.clone().prop_map(good),
        // A changer, a tape drive, or anything: INQUIRY data that leads to the later flights.
        (prop_oneof![Just(8u8), Just(1u8), any::<u8>()], data.clone())
            .prop_map(|(kind, data)| { good([&[kind, 0x80, 3, 2, 31][..], &data].concat()) }),
        (any::<u8>(), data.clone(), data).prop_map(|(code, sense, data)| EnumerationReply {
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
        let _ = run(&mut |command: &EnumerationCommand| {
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
        let _ = run(&mut |command: &EnumerationCommand| {
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
            EnumerationReply { data: data.into(), ..reply }
        });
    }
}
