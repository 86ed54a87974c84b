//! Questions that have no reply: silence, a Reject, a connection that is dropped.

use super::*;

/// Enumerates a target that has no reply to a question for which `no_reply` says why. Where that ends the session,
/// what is behind the question has none either. Returns the result and the number of sessions.
fn interrupted(
    target: &mut FakeTarget,
    no_reply: impl Fn(&EnumerationCommand) -> Option<NoReply>,
) -> (Option<TargetInventory>, usize) {
    let mut enumeration = Enumeration::new(Duration::ZERO, TIMEOUT);
    let mut sessions = 1;
    loop {
        match enumeration.poll(Duration::ZERO) {
            EnumerationStep::Send(commands) => {
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
            EnumerationStep::Done => return (Some(enumeration.finish().unwrap()), sessions),
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
            // No part of the description comes from TEST UNIT READY.
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
    assert!(!Enumeration::new(Duration::ZERO, TIMEOUT).reconnect());
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
