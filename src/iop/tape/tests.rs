//! Writer and reader against a tape that is a list, with a fault at any command.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::copy::{Copied, From, To, copy};
use super::count::{Counted, count};
use super::drive::{Drive, Reopen};
use super::exercise::{Trial, Tried, exercise};
use super::job::TapeError;
use super::read::{Object, ReadError, Reader};
use super::write::{Proof, WriteError, Writer};
use crate::iop::job::unit::{AnswerDeadlines, Unit, UnitError};
use crate::iscsi::pdu::Residual;
use crate::scsi::command::{Destination, SpaceCode};
use crate::scsi::data::inquiry::PeripheralDeviceType;
use crate::scsi::{AdditionalSenseCode, Command, Lun, SenseData, SenseKey, Status};
use crate::transport::block_on_paused as run;
use crate::transport::initiator::{
    Completed, DataDirection, Execute, ExecuteError, Initiator, SessionLost,
};

/// What happens to a READ, WRITE or WRITE FILEMARKS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Busy,
    TaskSetFull,
    /// A digest error that the target saw.
    Aborted,
    LostBefore,
    LostAfter,
    /// The tape is rewound; unit attention 29/00 for every command until one asks what is the matter.
    PowerCycle,
    /// The same behind a gateway that goes on with the commands that it holds.
    PowerCycleBehindGateway,
    Medium,
    /// GOOD, and half of the data did not pass.
    Half,
    /// GOOD, all of the data passed, and the target counts one byte as missing.
    Contradicted,
    /// GOOD, and half of the data of a READ came, as the residual says.
    HalfAsSaid,
    /// An earlier write failed: the last block is not on the tape.
    Deferred,
    MediumChanged,
}

const PASSING: [Fault; 6] = [
    Fault::Busy,
    Fault::TaskSetFull,
    Fault::Aborted,
    Fault::LostBefore,
    Fault::LostAfter,
    Fault::PowerCycle,
];

/// A tape: blocks, and `None` for filemarks.
#[derive(Default)]
struct Tape {
    objects: Vec<Option<Bytes>>,
    position: usize,
    /// Objects until early warning, and until there is no room; none without an end.
    early_warning: Option<usize>,
    full: Option<usize>,
    write_protected: bool,
    /// By the number of the command.
    faults: BTreeMap<usize, Fault>,
    commands: usize,
    attention: bool,
    lost: bool,
    reopened: usize,
    /// tgt's READ POSITION, and no LOCATE.
    counts_nothing: bool,
    /// tgt's READ of a block that is shorter than asked for: another part of it comes.
    delivers_a_wrong_part: bool,
    /// A drive that changes what it reads of the object at this position.
    changes: Option<usize>,
    reads: usize,
}

type Answer = Result<Completed, ExecuteError>;

fn completed(status: Status, sense: &[u8], data: Bytes) -> Answer {
    Ok(Completed {
        status: status.0,
        sense: Bytes::copy_from_slice(sense),
        transferred: u32::try_from(data.len()).unwrap(),
        data,
        residual: Residual::None,
    })
}

fn good(data: Bytes) -> Answer {
    completed(Status::GOOD, &[], data)
}

fn check(sense: SenseData, data: Bytes) -> Answer {
    completed(Status::CHECK_CONDITION, &sense.encode(), data)
}

fn sense(key: SenseKey, asc: u8, ascq: u8) -> SenseData {
    SenseData::new(key, AdditionalSenseCode { asc, ascq })
}

impl Tape {
    fn serve(&mut self, execute: Execute) -> Answer {
        let lost = |sent| {
            Err(ExecuteError::Lost {
                sent,
                cause: SessionLost::Dropped,
            })
        };
        if self.lost {
            return lost(false);
        }
        let command =
            Command::parse(PeripheralDeviceType::SEQUENTIAL_ACCESS, &execute.cdb).unwrap();
        let counted = matches!(
            command,
            Command::Read(_) | Command::Write(_) | Command::WriteFilemarks(_)
        );
        let fault = match counted {
            true => {
                self.commands += 1;
                self.faults.remove(&(self.commands - 1))
            }
            false => None,
        };
        match fault {
            Some(Fault::Busy) => return completed(Status::BUSY, &[], Bytes::new()),
            Some(Fault::TaskSetFull) => return completed(Status::TASK_SET_FULL, &[], Bytes::new()),
            Some(Fault::Aborted) => {
                return check(sense(SenseKey::ABORTED_COMMAND, 0x47, 3), Bytes::new());
            }
            Some(Fault::Medium) => {
                return check(sense(SenseKey::MEDIUM_ERROR, 0x0c, 0), Bytes::new());
            }
            Some(Fault::MediumChanged) => {
                return check(sense(SenseKey::UNIT_ATTENTION, 0x28, 0), Bytes::new());
            }
            Some(Fault::Deferred) => {
                self.objects.pop();
                self.position = self.objects.len();
                let mut sense = sense(SenseKey::MEDIUM_ERROR, 0x0c, 0);
                sense.deferred = true;
                return check(sense, Bytes::new());
            }
            Some(Fault::PowerCycle | Fault::PowerCycleBehindGateway) => {
                self.position = 0;
                self.attention = fault == Some(Fault::PowerCycle);
                return check(sense(SenseKey::UNIT_ATTENTION, 0x29, 0), Bytes::new());
            }
            Some(Fault::LostBefore) => {
                self.lost = true;
                return lost(true);
            }
            Some(Fault::LostAfter | Fault::Half | Fault::Contradicted | Fault::HalfAsSaid)
            | None => {}
        }
        if self.attention {
            self.attention = command != Command::TestUnitReady;
            return check(sense(SenseKey::UNIT_ATTENTION, 0x29, 0), Bytes::new());
        }
        let written = match &execute.data {
            DataDirection::Out(data) => u32::try_from(data.len()).unwrap(),
            _ => 0,
        };
        let mut answer = self.execute(command, execute.data);
        if let Ok(completed) = &mut answer {
            completed.transferred += written;
            let half = completed.transferred / 2;
            match fault {
                Some(Fault::Half | Fault::HalfAsSaid) => {
                    completed.data.truncate(half as usize);
                    if fault == Some(Fault::HalfAsSaid) {
                        completed.residual = Residual::Underflow(completed.transferred - half);
                    }
                    completed.transferred = half;
                }
                Some(Fault::Contradicted) => completed.residual = Residual::Underflow(1),
                _ => {}
            }
        }
        if fault == Some(Fault::LostAfter) {
            self.lost = true;
            return lost(true);
        }
        answer
    }

    fn execute(&mut self, command: Command, data: DataDirection) -> Answer {
        match (command, data) {
            (Command::Write(_), DataDirection::Out(data)) => self.append(Some(data)),
            (Command::WriteFilemarks(_), _) => self.append(None),
            (Command::Read(read), _) => self.read(read.length),
            (Command::Rewind { .. }, _) => {
                self.position = 0;
                good(Bytes::new())
            }
            (Command::Locate(_) | Command::ReadPosition(_), _) if self.counts_nothing => {
                match command {
                    Command::Locate(_) => {
                        check(sense(SenseKey::ILLEGAL_REQUEST, 0x20, 0), Bytes::new())
                    }
                    _ => good([&[0x14][..], &[0; 19]].concat().into()),
                }
            }
            (Command::Locate(locate), _) => {
                let Destination::Object(object) = locate.destination else {
                    panic!();
                };
                self.position = usize::try_from(object).unwrap().min(self.objects.len());
                match self.position == usize::try_from(object).unwrap() {
                    true => good(Bytes::new()),
                    false => check(sense(SenseKey::BLANK_CHECK, 0, 5), Bytes::new()),
                }
            }
            (Command::ReadPosition(_), _) => {
                let position = u32::try_from(self.position).unwrap().to_be_bytes();
                let flags = if self.position == 0 { 0x80 } else { 0 };
                let data = [&[flags, 0, 0, 0], &position[..], &position, &[0; 8]].concat();
                good(data.into())
            }
            (Command::Space(_), _) if self.write_protected && self.counts_nothing => {
                // As tgt does.
                check(sense(SenseKey::DATA_PROTECT, 0x27, 0), Bytes::new())
            }
            (Command::Space(space), _) => self.space(space.code, space.count),
            (Command::TestUnitReady, _) => good(Bytes::new()),
            (other, _) => panic!("{other:?}"),
        }
    }

    fn append(&mut self, object: Option<Bytes>) -> Answer {
        if self.write_protected {
            return check(sense(SenseKey::DATA_PROTECT, 0x27, 0), Bytes::new());
        }
        if self.full.is_some_and(|full| self.position >= full) {
            let mut sense = sense(SenseKey::VOLUME_OVERFLOW, 0, 2);
            sense.end_of_medium = true;
            return check(sense, Bytes::new());
        }
        self.objects.truncate(self.position);
        self.objects.push(object);
        self.position += 1;
        if self
            .early_warning
            .is_some_and(|early| self.position > early)
        {
            let mut sense = sense(SenseKey::NO_SENSE, 0, 2);
            sense.end_of_medium = true;
            return check(sense, Bytes::new());
        }
        good(Bytes::new())
    }

    fn read(&mut self, asked: u32) -> Answer {
        let stale = Bytes::from(vec![0xee; usize::try_from(asked).unwrap()]);
        let Some(object) = self.objects.get(self.position).cloned() else {
            return check(sense(SenseKey::BLANK_CHECK, 0, 5), stale);
        };
        self.position += 1;
        self.reads += 1;
        let object = match (object, self.changes) {
            (Some(block), Some(at)) if at + 1 == self.position => {
                let mut changed = block.to_vec();
                changed[0] ^= 1;
                Some(changed.into())
            }
            (object, _) => object,
        };
        let Some(block) = object else {
            let mut sense = sense(SenseKey::NO_SENSE, 0, 1);
            sense.filemark = true;
            return check(sense, stale);
        };
        let length = u32::try_from(block.len()).unwrap();
        if length == asked {
            return good(block);
        }
        let mut sense = sense(SenseKey::NO_SENSE, 0, 0);
        sense.incorrect_length = true;
        sense.information = Some(asked.wrapping_sub(length).into());
        let came = match self.delivers_a_wrong_part {
            true if length < asked => block.slice(..block.len().min((asked - length) as usize)),
            true => Bytes::new(),
            false => block.slice(..block.len().min(asked as usize)),
        };
        check(sense, came)
    }

    fn space(&mut self, code: SpaceCode, count: i64) -> Answer {
        match code {
            SpaceCode::EndOfData => self.position = self.objects.len(),
            SpaceCode::Blocks => self.position += usize::try_from(count).unwrap(),
            SpaceCode::Filemarks => {
                for _ in 0..count {
                    let rest = &self.objects[self.position..];
                    match rest.iter().position(Option::is_none) {
                        Some(before) => self.position += before + 1,
                        None => {
                            self.position = self.objects.len();
                            // tgt's end of data.
                            let key = match self.counts_nothing {
                                true => SenseKey::NO_SENSE,
                                false => SenseKey::BLANK_CHECK,
                            };
                            return check(sense(key, 0, 5), Bytes::new());
                        }
                    }
                }
            }
        }
        good(Bytes::new())
    }
}

type Shared = Rc<RefCell<Tape>>;

fn unit(tape: &Shared) -> Unit {
    let tape = Rc::clone(tape);
    let initiator = Initiator::served_by(move |execute| tape.borrow_mut().serve(execute));
    let second = Duration::from_secs(1);
    let deadlines = AnswerDeadlines {
        answer: second,
        motion: second,
    };
    Unit::new(initiator, Lun::ZERO, deadlines)
}

struct LogInAgain(Shared);

impl Reopen for LogInAgain {
    async fn reopen(&mut self) -> Result<Unit, UnitError> {
        let mut tape = self.0.borrow_mut();
        tape.lost = false;
        tape.reopened += 1;
        drop(tape);
        Ok(unit(&self.0))
    }
}

fn drive(tape: &Shared) -> Drive<LogInAgain> {
    Drive::new(unit(tape), LogInAgain(Rc::clone(tape)))
}

fn tape(objects: &[Option<&[u8]>]) -> Tape {
    Tape {
        objects: objects
            .iter()
            .map(|object| object.map(Bytes::copy_from_slice))
            .collect(),
        ..Tape::default()
    }
}

/// Writes the blocks and a filemark from the beginning of a tape; returns the proof.
async fn write(tape: &Shared, blocks: &[Bytes]) -> (u64, Result<Proof, WriteError>) {
    let mut drive = drive(tape);
    drive.rewind().await.unwrap();
    let mut writer = Writer::begin(&mut drive).await.unwrap();
    let result = async {
        for block in blocks {
            writer.push(block.clone()).await?;
        }
        writer.filemark().await?;
        writer.prove().await
    }
    .await;
    (writer.written().blocks, result)
}

fn blocks(count: usize, length: usize) -> Vec<Bytes> {
    (0..count)
        .map(|number| Bytes::from(vec![u8::try_from(number % 251).unwrap(); length]))
        .collect()
}

fn on_tape(blocks: &[Bytes]) -> Vec<Option<Bytes>> {
    blocks.iter().cloned().map(Some).chain([None]).collect()
}

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
fn early_warning_ends_the_tape_with_every_whole_block_and_a_filemark() {
    for warning in 0..7 {
        let shared = Rc::new(RefCell::new(Tape::default()));
        shared.borrow_mut().early_warning = Some(warning);
        run(async {
            let blocks = blocks(200_000, 100);
            let mut drive = drive(&shared);
            drive.rewind().await.unwrap();
            let mut writer = Writer::begin(&mut drive).await.unwrap();
            let mut pushed = 0;
            let error = loop {
                match writer.push(blocks[pushed].clone()).await {
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
            assert_eq!(shared.borrow().objects, on_tape(&blocks[..pushed]));
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

/// Reads a tape to its end.
async fn objects(tape: &Shared, limit: u32) -> Result<Vec<Option<Bytes>>, ReadError> {
    let mut drive = drive(tape);
    let mut reader = Reader::at_file(&mut drive, 1, limit).await?;
    let mut objects = Vec::new();
    loop {
        match reader.next().await? {
            Object::Block(block) => objects.push(Some(block)),
            Object::Filemark => objects.push(None),
            Object::EndOfData => return Ok(objects),
        }
    }
}

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
        let mut reader = Reader::at_file(&mut drive, 1, 3).await.unwrap();
        while reader.next().await.unwrap() != Object::Filemark {}
        assert!(reader.outstanding() > 0);
        let place = reader.stop().await.unwrap();
        assert_eq!((place.file, place.block, place.object), (2, 0, Some(3)));
        assert_eq!(shared.borrow().position, 3);
        assert!(matches!(
            Reader::at_file(&mut drive, 4, 3).await,
            Err(ReadError::NoSuchFile { file: 4 })
        ));
    });
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
            let mut reader = Reader::at_file(&mut drive, 2, 100).await.unwrap();
            let two = Object::Block(Bytes::from_static(b"two"));
            assert_eq!(reader.next().await.unwrap(), two);
            let Err(error) = Reader::at_file(&mut drive, 4, 100).await else {
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever passes, on a drive that counts and on one that does not: what is read is what is on the tape.
    #[test]
    fn what_is_read_is_what_is_on_the_tape(
        lengths in proptest::collection::vec(0usize..40, 0..60),
        faults in proptest::collection::btree_map(
            0usize..80,
            proptest::sample::select(PASSING.to_vec()),
            0..4,
        ),
        counts_nothing: bool,
        delivers_a_wrong_part: bool,
    ) {
        // Length 0 is a filemark.
        let objects_there: Vec<_> = (0u8..)
            .zip(&lengths)
            .map(|(number, length)| (*length > 0).then(|| Bytes::from(vec![number; *length])))
            .collect();
        let shared = Rc::new(RefCell::new(Tape {
            objects: objects_there.clone(),
            faults,
            counts_nothing,
            delivers_a_wrong_part,
            ..Tape::default()
        }));
        let read = run(objects(&shared, 40)).unwrap();
        prop_assert_eq!(read, objects_there);
    }

    /// Several faults in a job: the tape has every block once, in order.
    #[test]
    fn several_faults_leave_every_block_on_the_tape_once(
        lengths in proptest::collection::vec(1usize..4, 0..60),
        faults in proptest::collection::btree_map(
            0usize..120,
            proptest::sample::select(PASSING.to_vec()),
            0..6,
        ),
    ) {
        let blocks: Vec<Bytes> = (0u8..)
            .zip(&lengths)
            .map(|(number, length)| Bytes::from(vec![number; *length]))
            .collect();
        let shared = Rc::new(RefCell::new(Tape { faults, ..Tape::default() }));
        let (written, proof) = run(write(&shared, &blocks));
        prop_assert_eq!(proof.unwrap(), Proof::Position(blocks.len() as u64 + 1));
        prop_assert_eq!(written, blocks.len() as u64);
        prop_assert_eq!(&shared.borrow().objects, &on_tape(&blocks));
    }
}

/// Reads a whole tape, blocks of any length.
async fn read_any(tape: &Shared) -> Vec<Object> {
    let mut drive = drive(tape);
    let mut reader = Reader::of_any_length(&mut drive).await.unwrap();
    let mut objects = Vec::new();
    loop {
        match reader.next().await.unwrap() {
            Object::EndOfData => return objects,
            object => objects.push(object),
        }
    }
}

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
                    let reader = Reader::of_any_length(&mut source).await.unwrap();
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
