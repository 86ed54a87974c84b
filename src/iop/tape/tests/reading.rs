//! Reading: where it stops, and what it says of blocks that do not come.

use super::*;

#[test]
fn reading_ahead_stops_behind_the_filemark() {
    let shared = Rc::new(RefCell::new(tape(&[
        Some(b"one"),
        Some(b"two"),
        None,
        Some(b"3"),
        None,
    ])));
    run(async {
        let mut drive = drive(&shared);
        let mut reader = TapeReader::at_file(&mut drive, 1, 3).await.unwrap();
        while reader.next().await.unwrap() != Object::Filemark {}
        assert!(reader.outstanding() > 0);
        let place = reader.stop().await.unwrap();
        assert_eq!((place.file, place.block, place.object), (2, 0, Some(3)));
        assert_eq!(shared.borrow().position, 3);
        assert!(matches!(
            TapeReader::at_file(&mut drive, 4, 3).await,
            Err(ReadError::NoSuchFile { file: 4 })
        ));
    });
}

/// tgt reports the end of the data also where SPACE ends before it and not at it.
#[test]
fn reading_stops_at_the_last_block_before_the_end_of_the_data() {
    for counts_nothing in [false, true] {
        let shared = Rc::new(RefCell::new(Tape {
            counts_nothing,
            ..tape(&[Some(b"0"), None, Some(b"1"), Some(b"2"), Some(b"3")])
        }));
        run(async {
            let mut drive = drive(&shared);
            let mut reader = TapeReader::at_file(&mut drive, 2, 1).await.unwrap();
            for block in [b"1", b"2", b"3"] {
                let expected = Object::Block(Bytes::from_static(block));
                assert_eq!(reader.next().await.unwrap(), expected);
            }
            assert!(reader.outstanding() > 0);
            let place = reader.stop().await.unwrap();
            assert_eq!((place.file, place.block), (2, 3));
            assert_eq!(shared.borrow().position, 5);
        });
    }
}

#[test]
fn a_block_that_is_longer_than_expected_is_named_by_its_length() {
    let shared = Rc::new(RefCell::new(tape(&[Some(b"abc"), Some(b"abcdefgh")])));
    let error = run(objects(&shared, 3)).unwrap_err();
    assert!(
        matches!(
            error,
            ReadError::TooLong {
                file: 1,
                block: 1,
                length: 8,
                limit: 3
            }
        ),
        "{error:?}"
    );
}

/// tgt takes SPACE for a command that writes, and says that the data ends with another sense key.
#[test]
fn the_files_of_a_write_protected_tape_are_found_without_space() {
    let objects = [Some(&b"one"[..]), Some(b"x"), None, Some(b"two"), None];
    for write_protected in [false, true] {
        let shared = Rc::new(RefCell::new(Tape {
            write_protected,
            counts_nothing: true,
            ..tape(&objects)
        }));
        run(async {
            let mut drive = drive(&shared);
            let mut reader = TapeReader::at_file(&mut drive, 2, 100).await.unwrap();
            let two = Object::Block(Bytes::from_static(b"two"));
            assert_eq!(reader.next().await.unwrap(), two);
            let Err(error) = TapeReader::at_file(&mut drive, 4, 100).await else {
                panic!("there are two files");
            };
            assert!(
                matches!(error, ReadError::NoSuchFile { file: 4 }),
                "{error:?}"
            );
            drive.count_to(1, 2).await.unwrap();
            assert!(drive.next_file().await.unwrap());
            assert!(drive.next_file().await.unwrap());
            assert!(!drive.next_file().await.unwrap());
        });
    }
}

#[test]
fn a_medium_error_ends_the_reading_at_its_block() {
    let shared = Rc::new(RefCell::new(tape(&[Some(b"abc"), Some(b"def")])));
    shared.borrow_mut().faults.insert(1, Fault::Medium);
    let error = run(objects(&shared, 3)).unwrap_err();
    assert!(
        matches!(error, ReadError::Failed { block: 1, .. }),
        "{error:?}"
    );
    let shared = Rc::new(RefCell::new(tape(&[Some(b"abc")])));
    shared.borrow_mut().faults.insert(0, Fault::MediumChanged);
    let error = run(objects(&shared, 3)).unwrap_err();
    assert!(matches!(error, ReadError::MediumChanged), "{error:?}");
}

#[test]
fn as_many_are_asked_for_ahead_as_the_way_holds() {
    for (way, expected) in NEAR_AND_FAR {
        let block = Bytes::from(vec![7; LARGE]);
        let shared = Rc::new(RefCell::new(Tape {
            objects: vec![Some(block); 500],
            each: EACH,
            way,
            ..Tape::default()
        }));
        run(async {
            let mut drive = drive(&shared);
            let limit = u32::try_from(LARGE).unwrap();
            let mut reader = TapeReader::at_file(&mut drive, 1, limit).await.unwrap();
            assert_eq!(reader.outstanding(), 0);
            for number in 0..400 {
                reader.next().await.unwrap();
                let ahead = reader.outstanding() + 1;
                assert!(ahead <= *expected.end(), "{number}: {ahead}");
                assert!(
                    number < 300 || expected.contains(&ahead),
                    "{number}: {ahead}"
                );
            }
        });
    }
}
