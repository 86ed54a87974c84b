//! Jobs over a whole tape: counting, a trial, a copy.

use super::*;

#[test]
fn blocks_of_any_length_come_whole_and_in_order() {
    let long = vec![9; 3 << 20];
    let mut objects: Vec<Option<&[u8]>> = vec![Some(b"label"), Some(&long), None];
    objects.extend([Some(&b"same length"[..]); 50]);
    objects.extend([
        Some(&b"short"[..]),
        None,
        Some(&long),
        Some(b"x"),
        None,
        None,
    ]);
    let expected: Vec<Object> = objects
        .iter()
        .map(|object| match object {
            Some(block) => Object::Block(Bytes::copy_from_slice(block)),
            None => Object::Filemark,
        })
        .collect();
    for is_tgt in [false, true] {
        let tape = Rc::new(RefCell::new(Tape {
            counts_nothing: is_tgt,
            delivers_a_wrong_part: is_tgt,
            ..tape(&objects)
        }));
        assert!(run(read_any(&tape)) == expected, "{is_tgt}");
        if is_tgt {
            // Once a length has settled, a block of it is asked for once.
            let reads = tape.borrow().reads;
            assert!(reads < 2 * objects.len(), "{reads}");
        }
    }
}

#[test]
fn a_tape_is_counted_by_its_position_or_by_reading_it() {
    let objects = [
        Some(&b"one"[..]),
        None,
        None,
        Some(b"four"),
        Some(b"five"),
        None,
    ];
    for (counts_nothing, bytes) in [(false, None), (true, Some(11))] {
        let tape = Rc::new(RefCell::new(Tape {
            counts_nothing,
            ..tape(&objects)
        }));
        let counted = run(async { count(&mut drive(&tape), &mut |_| {}).await }).unwrap();
        let expected = Counted {
            blocks: 3,
            filemarks: 3,
            bytes,
        };
        assert_eq!(counted, expected);
        assert_eq!(tape.borrow().reads == 0, bytes.is_none());
    }
}

#[test]
fn a_trial_finds_a_block_that_was_changed() {
    let trial = Trial {
        size: 10_500,
        block_length: 1000,
        seed: 5,
        overwrite: false,
    };
    for (changes, found) in [(None, None), (Some(7), Some((1, 7)))] {
        let tape = Rc::new(RefCell::new(Tape {
            changes,
            ..tape(&[])
        }));
        let mut tried = Tried::default();
        let outcome =
            run(async { exercise(&mut drive(&tape), &trial, &mut tried, &mut |_| {}).await });
        assert_eq!(tried.differing, found);
        assert_eq!(
            matches!(
                outcome,
                Err(TapeError::Differs {
                    blocks: 1,
                    first: 7
                })
            ),
            changes.is_some(),
            "{outcome:?}"
        );
        assert_eq!((tried.transferred.blocks, tried.read.bytes), (11, 10_500));
    }
}

/// A fault at any command of either side leaves a copy whole.
#[test]
fn a_copy_is_whole_whatever_passes_on_either_side() {
    let objects: Vec<Option<&[u8]>> = vec![
        Some(b"label"),
        Some(b"block one"),
        Some(b"block two"),
        None,
        Some(b"another block"),
        None,
    ];
    for at in 0..8 {
        for fault in PASSING {
            for is_source in [true, false] {
                let (from, to) = (tape(&objects), tape(&[]));
                let (from, to) = (Rc::new(RefCell::new(from)), Rc::new(RefCell::new(to)));
                let faulty = if is_source { &from } else { &to };
                faulty.borrow_mut().faults.insert(at, fault);
                let mut copied = Copied::default();
                let outcome = run(async {
                    let (mut source, mut target) = (drive(&from), drive(&to));
                    target.rewind().await.unwrap();
                    let reader = TapeReader::of_any_length(&mut source).await.unwrap();
                    let writer = Writer::begin(&mut target).await.unwrap();
                    let (reader, writer) = (From::Tape(reader), To::Tape(writer));
                    copy(reader, writer, &mut copied, &mut |_| {}).await
                });
                let case = (at, fault, is_source);
                assert!(outcome.is_ok(), "{case:?}: {outcome:?}");
                assert_eq!((copied.blocks, copied.filemarks, copied.proven), (4, 2, 4));
                assert!(from.borrow().objects == to.borrow().objects, "{case:?}");
            }
        }
    }
}
