use iscsiswiconfig::scsi::SenseKey;
use proptest::prelude::*;

use super::*;

/// A tape as a plain list: blocks, and `None` for filemarks.
#[derive(Default)]
struct Model {
    records: Vec<Option<Vec<u8>>>,
    position: usize,
}

#[derive(Clone, Debug)]
enum Step {
    Write(Vec<u8>),
    Filemarks(u8),
    Read(u32),
    SpaceBlocks(i32),
    SpaceFilemarks(i32),
    Locate(u8),
    Rewind,
    EndOfData,
    Reload,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => proptest::collection::vec(any::<u8>(), 1..40).prop_map(Step::Write),
        2 => (0u8..4).prop_map(Step::Filemarks),
        4 => (1u32..40).prop_map(Step::Read),
        2 => (-6i32..6).prop_map(Step::SpaceBlocks),
        2 => (-4i32..4).prop_map(Step::SpaceFilemarks),
        1 => (0u8..12).prop_map(Step::Locate),
        1 => Just(Step::Rewind),
        1 => Just(Step::EndOfData),
        1 => Just(Step::Reload),
    ];
    proptest::collection::vec(step, 0..40)
}

impl Model {
    /// Moves over one record towards the end or the beginning, and returns it.
    fn pass(&mut self, forward: bool) -> Option<&Option<Vec<u8>>> {
        if forward {
            let record = self.records.get(self.position)?;
            self.position += 1;
            Some(record)
        } else {
            self.position = self.position.checked_sub(1)?;
            self.records.get(self.position)
        }
    }

    /// Spaces one record at a time; returns what is left when something stops it.
    fn space(&mut self, count: i32, over_filemarks: bool) -> Option<u32> {
        let mut left = count.unsigned_abs();
        while left > 0 {
            match (self.pass(count > 0), over_filemarks) {
                (None, _) => return Some(left),
                (Some(None), true) | (Some(Some(_)), false) => left -= 1,
                (Some(Some(_)), true) => {}
                (Some(None), false) => return Some(left),
            }
        }
        None
    }
}

fn play(desk: &mut Desk, steps: &[Step]) {
    let mut model = Model::default();
    for step in steps {
        match step {
            Step::Write(data) => {
                desk.write(data).good();
                model.records.truncate(model.position);
                model.records.push(Some(data.clone()));
                model.position += 1;
            }
            Step::Filemarks(count) => {
                desk.write_filemarks(*count).good();
                if *count > 0 {
                    model.records.truncate(model.position);
                    for _ in 0..*count {
                        model.records.push(None);
                        model.position += 1;
                    }
                }
            }
            Step::Read(length) => {
                let answer = desk.read(*length);
                match model.pass(true) {
                    None => {
                        answer.is(8, 0x00, 0x05);
                    }
                    Some(None) => assert!(answer.is(0, 0x00, 0x01).filemark),
                    Some(Some(block)) => {
                        let shared = block.len().min(*length as usize);
                        assert_eq!(answer.reply.data_in, block[..shared]);
                        let wrong = block.len() != *length as usize;
                        assert_eq!(answer.sense().is_some(), wrong);
                    }
                }
            }
            Step::SpaceBlocks(count) => {
                let answer = desk.space(0, *count);
                assert_left(&answer, model.space(*count, false));
            }
            Step::SpaceFilemarks(count) => {
                let answer = desk.space(1, *count);
                assert_left(&answer, model.space(*count, true));
            }
            Step::Locate(object) => {
                let answer = desk.send(DRIVE, &[0x2b, 0, 0, 0, 0, 0, *object]);
                let there = usize::from(*object) <= model.records.len();
                assert_eq!(answer.sense().is_none(), there);
                model.position = usize::from(*object).min(model.records.len());
            }
            Step::Rewind => {
                desk.rewind();
                model.position = 0;
            }
            Step::EndOfData => {
                desk.space(3, 0).good();
                model.position = model.records.len();
            }
            Step::Reload => {
                desk.move_medium(257, 1025).good();
                desk.load();
                model.position = 0;
            }
        }
        let files = model.records[..model.position]
            .iter()
            .filter(|record| record.is_none())
            .count();
        assert_eq!(desk.position(), (model.position as u64, files as u64));
    }
}

#[track_caller]
fn assert_left(answer: &Answer, left: Option<u32>) {
    let sense = answer.sense();
    assert_eq!(
        sense.and_then(|sense| sense.information),
        left.map(u64::from)
    );
    assert_eq!(sense.is_some(), left.is_some());
}

fn sense_is_whole(answer: &Answer) {
    match answer.reply.status {
        Status::CHECK_CONDITION => {
            let sense = answer.sense().unwrap();
            assert_ne!(sense.key, SenseKey::HARDWARE_ERROR);
        }
        _ => assert!(answer.reply.sense.is_empty()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_tape_in_memory_behaves_as_the_model(steps in steps()) {
        let mut desk = Desk::new();
        desk.load();
        play(&mut desk, &steps);
    }

    #[test]
    fn any_command_with_any_data_is_answered(
        commands in proptest::collection::vec(
            (
                0u16..5,
                prop_oneof![
                    any::<[u8; 16]>(),
                    // Known operation codes, few bits set.
                    (
                        proptest::sample::select(&[
                            0x00u8, 0x01, 0x03, 0x05, 0x07, 0x08, 0x0a, 0x10, 0x11, 0x12, 0x15, 0x16,
                            0x17, 0x19, 0x1a, 0x1b, 0x1d, 0x1e, 0x2b, 0x34, 0x37, 0x44, 0x4d, 0x55,
                            0x56, 0x57, 0x5a, 0x5e, 0x5f, 0x8c, 0x8d, 0x91, 0x92, 0xa0, 0xa3, 0xa5, 0xa6, 0xb8, 0xe7,
                        ][..]),
                        0u8..32,
                        any::<[u8; 8]>(),
                    ).prop_map(|(code, second, rest)| {
                        let mut cdb = [0; 16];
                        cdb[0] = code;
                        cdb[1] = second;
                        cdb[2..10].copy_from_slice(&rest.map(|byte| if byte < 128 { 0 } else { byte }));
                        cdb
                    }),
                ],
                proptest::collection::vec(any::<u8>(), 0..64),
            ),
            0..60,
        )
    ) {
        let mut desk = Desk::with(|wish| wish.media = Media::InMemory { limit: 1 << 20 });
        desk.load();
        for (lun, cdb, data) in commands {
            let answer = desk.send_with(lun, &cdb, &data);
            sense_is_whole(&answer);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn a_tape_on_disk_behaves_as_the_model(steps in steps()) {
        let directory = tempfile::tempdir().unwrap();
        let mut desk = Desk::on(directory.path());
        desk.load();
        play(&mut desk, &steps);
    }
}
