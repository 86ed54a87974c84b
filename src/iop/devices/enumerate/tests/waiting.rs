//! Unit attentions, BUSY and NOT READY: what is asked again, after which pauses, and for how long.

use super::*;

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
    assert!(target.now <= TIMEOUT);
    assert!(target.now > TIMEOUT - LONGEST_PAUSE);
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
    let mut run = Enumeration::new(Duration::ZERO, TIMEOUT);
    let mut waits = 0;
    loop {
        match run.poll(Duration::ZERO) {
            EnumerationStep::Send(commands) => {
                for command in commands {
                    let is_page = command.cdb.as_bytes()[..2] == [0x12, 1];
                    let reply = match (command.lun.number(), is_page) {
                        (0, true) => status(Status::BUSY),
                        _ => target.answer(&command),
                    };
                    run.handle(command.id, &reply, Duration::ZERO);
                }
            }
            EnumerationStep::Done => break,
            EnumerationStep::WaitUntil(_) | EnumerationStep::WaitForReplies => waits += 1,
        }
        assert!(waits == 0, "the controller's serial number is waited for");
    }
}

#[test]
fn every_not_ready_that_passes_is_waited_for() {
    for (ascq, passes) in [(0, true), (1, true), (2, false), (3, false), (7, true)] {
        let mut target = FakeTarget::ibm_3584();
        target.devices[0].first.clear();
        let mut refusals = 3;
        let mut enumeration = Enumeration::new(Duration::ZERO, TIMEOUT);
        let mut now = Duration::ZERO;
        loop {
            match enumeration.poll(now) {
                EnumerationStep::Send(commands) => {
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
                EnumerationStep::WaitUntil(time) => now = time,
                EnumerationStep::Done => break,
                EnumerationStep::WaitForReplies => panic!("no reply is missing"),
            }
        }
        let inventory = enumeration.finish().unwrap();
        let counts = inventory.logical_units[0].changer.as_ref().unwrap();
        // Mode page 1Dh says 40; the headers of element status, which a refusal leads to, say another number.
        assert_eq!(counts.storage_elements == 40, passes, "04/{ascq:02X}");
        assert_eq!(now > Duration::ZERO, passes, "04/{ascq:02X}");
    }
}
