//! What is on a tape after writing, and what is proven of it.

use super::*;

#[test]
fn blocks_are_written_in_order_whatever_passing_fault_comes_between() {
    for fault in PASSING {
        for at in 0..20 {
            let shared = Rc::new(RefCell::new(Tape::default()));
            shared.borrow_mut().faults.insert(at, fault);
            let blocks = blocks(17, 100);
            let (written, proof) = run(write(&shared, &blocks));
            assert_eq!(proof.unwrap(), Proof::Position(18), "{fault:?} at {at}");
            assert_eq!(written, 17);
            assert_eq!(
                shared.borrow().objects,
                on_tape(&blocks),
                "{fault:?} at {at}"
            );
        }
    }
}

#[test]
fn a_fault_that_meets_what_is_drained_behind_another_is_mended_as_well() {
    for first in PASSING {
        for second in PASSING {
            for distance in 1..5 {
                let shared = Rc::new(RefCell::new(Tape::default()));
                shared.borrow_mut().faults = [(9, first), (9 + distance, second)].into();
                let blocks = blocks(17, 100);
                let (written, proof) = run(write(&shared, &blocks));
                let case = format!("{first:?}, {second:?} {distance} behind");
                assert_eq!(proof.unwrap(), Proof::Position(18), "{case}");
                assert_eq!(written, 17, "{case}");
                assert_eq!(shared.borrow().objects, on_tape(&blocks), "{case}");
            }
        }
    }
    // What follows a reset lands on the beginning of the tape, whatever was wrong before it.
    let shared = Rc::new(RefCell::new(Tape::default()));
    shared.borrow_mut().faults = [(9, Fault::Busy), (11, Fault::PowerCycleBehindGateway)].into();
    let error = run(write(&shared, &blocks(17, 100))).1.unwrap_err();
    assert!(matches!(error, WriteError::Overwritten), "{error:?}");
}

#[test]
fn a_drive_that_does_not_count_is_never_sent_a_block_twice() {
    for fault in PASSING {
        for at in 0..8 {
            let shared = Rc::new(RefCell::new(Tape::default()));
            shared.borrow_mut().counts_nothing = true;
            shared.borrow_mut().faults.insert(at, fault);
            let blocks = blocks(6, 100);
            let (written, proof) = run(write(&shared, &blocks));
            let tape = shared.borrow();
            match proof {
                // In flight alone, BUSY means that nothing was done.
                Ok(proof) => {
                    assert_eq!(proof, Proof::Acknowledged);
                    assert!(tape.objects == on_tape(&blocks), "{fault:?} at {at}");
                }
                Err(WriteError::Failed { proof, .. }) => {
                    assert_eq!(proof, Proof::Acknowledged);
                    let written = usize::try_from(written).unwrap();
                    let kept = &tape.objects[..written.min(tape.objects.len())];
                    assert!(kept == &on_tape(&blocks)[..written], "{fault:?} at {at}");
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn a_shorter_block_waits_until_all_before_it_are_answered() {
    let shared = Rc::new(RefCell::new(Tape::default()));
    run(async {
        let mut drive = drive(&shared);
        drive.rewind().await.unwrap();
        let mut writer = Writer::begin(&mut drive).await.unwrap();
        for block in blocks(9, 100) {
            writer.push(block).await.unwrap();
        }
        assert_eq!(writer.held(), 9);
        writer.push(Bytes::from_static(b"short")).await.unwrap();
        assert_eq!(writer.held(), 1);
    });
    assert_eq!(shared.borrow().commands, 9);
}

#[test]
fn bytes_in_flight_are_bounded() {
    let shared = Rc::new(RefCell::new(Tape::default()));
    run(async {
        let mut drive = drive(&shared);
        drive.rewind().await.unwrap();
        let mut writer = Writer::begin(&mut drive).await.unwrap();
        let block = Bytes::from(vec![1; 1 << 20]);
        for _ in 0..64 {
            writer.push(block.clone()).await.unwrap();
            assert!(writer.held() <= 16);
        }
        writer.flush().await.unwrap();
        assert_eq!(writer.written().blocks, 64);
    });
}

#[test]
fn as_many_are_in_flight_as_the_way_holds() {
    for (way, expected) in NEAR_AND_FAR {
        let shared = Rc::new(RefCell::new(Tape {
            each: EACH,
            way,
            ..Tape::default()
        }));
        run(async {
            let mut drive = drive(&shared);
            drive.rewind().await.unwrap();
            let block = Bytes::from(vec![7; LARGE]);
            // The drive keeps what was found for the next file.
            for is_later in [false, true] {
                let mut writer = Writer::begin(&mut drive).await.unwrap();
                for number in 0..400 {
                    writer.push(block.clone()).await.unwrap();
                    let held = writer.held();
                    let is_settled = number >= 300 || is_later && number >= *expected.end();
                    assert!(!is_settled || expected.contains(&held), "{number}: {held}");
                }
                writer.filemark().await.unwrap();
            }
        });
    }
}

#[test]
fn early_warning_ends_the_tape_with_every_whole_block_and_a_filemark() {
    // So long that some hundred are in flight, not as many as fit.
    const LENGTH: usize = MAX_BYTES_IN_FLIGHT / 400;

    for warning in 0..7 {
        let shared = Rc::new(RefCell::new(Tape::default()));
        shared.borrow_mut().early_warning = Some(warning);
        run(async {
            let mut drive = drive(&shared);
            drive.rewind().await.unwrap();
            let mut writer = Writer::begin(&mut drive).await.unwrap();
            let mut pushed = 0;
            let error = loop {
                match writer.push(block(pushed, LENGTH)).await {
                    Ok(()) => pushed += 1,
                    Err(error) => break error,
                }
            };
            assert!(matches!(error, WriteError::EndOfMedium), "{error:?}");
            writer.filemark().await.unwrap();
            let written = writer.written();
            assert!(written.end_of_medium);
            assert_eq!(written.blocks, pushed as u64);
            writer.prove().await.unwrap();
            assert_eq!(shared.borrow().objects, on_tape(&blocks(pushed, LENGTH)));
        });
    }
}

#[test]
fn a_full_tape_holds_what_was_acknowledged() {
    let shared = Rc::new(RefCell::new(Tape::default()));
    shared.borrow_mut().full = Some(5);
    let blocks = blocks(9, 100);
    let (written, result) = run(write(&shared, &blocks));
    assert!(matches!(result, Err(WriteError::EndOfMedium)));
    assert_eq!(written, 5);
    assert_eq!(shared.borrow().objects.len(), 5);
}

#[test]
fn what_cannot_be_mended_is_told_with_what_is_proven() {
    let failed = |fault, at| {
        let shared = Rc::new(RefCell::new(Tape::default()));
        shared.borrow_mut().faults.insert(at, fault);
        run(write(&shared, &blocks(9, 100))).1.unwrap_err()
    };
    let error = failed(Fault::Medium, 4);
    assert!(
        matches!(
            &error,
            WriteError::Failed {
                proof: Proof::Position(4),
                ..
            }
        ),
        "{error:?}"
    );
    // The drive had acknowledged four blocks and lost the last one.
    let error = failed(Fault::Deferred, 4);
    assert!(
        matches!(
            &error,
            WriteError::Deferred {
                proof: Proof::Position(3),
                ..
            }
        ),
        "{error:?}"
    );
    assert!(matches!(
        failed(Fault::MediumChanged, 4),
        WriteError::MediumChanged
    ));
    // The blocks behind the reset landed at the beginning of the tape.
    let error = failed(Fault::PowerCycleBehindGateway, 4);
    assert!(matches!(error, WriteError::Overwritten), "{error:?}");
    let shared = Rc::new(RefCell::new(Tape::default()));
    shared.borrow_mut().write_protected = true;
    let error = run(write(&shared, &blocks(3, 10))).1.unwrap_err();
    assert!(matches!(error, WriteError::WriteProtected));
}

#[test]
fn good_for_a_block_that_was_not_transferred_whole_ends_the_job() {
    for fault in [Fault::Half, Fault::Contradicted, Fault::HalfAsSaid] {
        let shared = Rc::new(RefCell::new(Tape::default()));
        shared.borrow_mut().faults.insert(4, fault);
        let (written, result) = run(write(&shared, &blocks(9, 100)));
        assert!(
            matches!(
                result,
                Err(WriteError::Failed {
                    cause: UnitError::Transfer { expected: 100, .. },
                    ..
                })
            ),
            "{fault:?}: {result:?}"
        );
        assert_eq!(written, 4, "{fault:?}");

        let shared = Rc::new(RefCell::new(tape(&[Some(b"abcd"), Some(b"efgh")])));
        shared.borrow_mut().faults.insert(1, fault);
        let result = run(objects(&shared, 4));
        if fault == Fault::HalfAsSaid {
            // A drive that cuts nothing and reports what came is believed.
            let short = Some(Bytes::from_static(b"ef"));
            assert_eq!(result.unwrap()[1], short);
            continue;
        }
        assert!(
            matches!(
                result,
                Err(ReadError::Failed {
                    block: 1,
                    cause: UnitError::Transfer { expected: 4, .. },
                    ..
                })
            ),
            "{fault:?}: {result:?}"
        );
    }
}
