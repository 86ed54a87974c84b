//! Writer and reader against a tape that is a list, with a fault at any command.

mod reading;
mod whole;
mod writing;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::copy::{Copied, From, To, copy};
use super::count::{Counted, count};
use super::drive::{Reopen, TapeDrive};
use super::exercise::{Trial, Tried, exercise};
use super::job::TapeError;
use super::read::{Object, ReadError, TapeReader};
use super::write::{MAX_BYTES_IN_FLIGHT, Proof, WriteError, Writer};
use crate::iop::job::unit::{AnswerDeadlines, Unit, UnitError};
use crate::iscsi::pdu::Residual;
use crate::scsi::command::{Destination, SpaceCode};
use crate::scsi::data::block_limits::BlockLimits;
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
    /// How long a command takes, and its answer to come.
    each: Duration,
    way: Duration,
}

/// A target beside the initiator, and one that is far away; how many commands for blocks of [`LARGE`] bytes to have outstanding.
const NEAR_AND_FAR: [(Duration, std::ops::RangeInclusive<usize>); 2] = [
    (Duration::ZERO, 4..=6),
    (Duration::from_millis(100), 64..=64),
];
const EACH: Duration = Duration::from_millis(1);
const LARGE: usize = 256 * 1024;

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
            (Command::ReadBlockLimits, _) => {
                let limits = BlockLimits {
                    granularity: 0,
                    longest: 8 << 20,
                    shortest: 1,
                };
                good(limits.encode().into())
            }
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
            SpaceCode::Blocks => {
                self.position += usize::try_from(count).unwrap();
                // tgt's end of data, also where the last block is moved over and no more is asked for.
                if self.counts_nothing && self.position >= self.objects.len() {
                    return check(sense(SenseKey::NO_SENSE, 0, 5), Bytes::new());
                }
            }
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
    let (each, way) = (tape.borrow().each, tape.borrow().way);
    let serve = move |execute| tape.borrow_mut().serve(execute);
    let initiator = Initiator::served_in(each, way, serve);
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

fn drive(tape: &Shared) -> TapeDrive<LogInAgain> {
    TapeDrive::new(unit(tape), LogInAgain(Rc::clone(tape)))
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
    (0..count).map(|number| block(number, length)).collect()
}

fn block(number: usize, length: usize) -> Bytes {
    Bytes::from(vec![u8::try_from(number % 251).unwrap(); length])
}

fn on_tape(blocks: &[Bytes]) -> Vec<Option<Bytes>> {
    blocks.iter().cloned().map(Some).chain([None]).collect()
}

/// Reads a tape to its end.
async fn objects(tape: &Shared, limit: u32) -> Result<Vec<Option<Bytes>>, ReadError> {
    let mut drive = drive(tape);
    let mut reader = TapeReader::at_file(&mut drive, 1, limit).await?;
    let mut objects = Vec::new();
    loop {
        match reader.next().await? {
            Object::Block(block) => objects.push(Some(block)),
            Object::Filemark => objects.push(None),
            Object::EndOfData => return Ok(objects),
        }
    }
}

/// Reads a whole tape, blocks of any length.
async fn read_any(tape: &Shared) -> Vec<Object> {
    let mut drive = drive(tape);
    let mut reader = TapeReader::of_any_length(&mut drive).await.unwrap();
    let mut objects = Vec::new();
    loop {
        match reader.next().await.unwrap() {
            Object::EndOfData => return objects,
            object => objects.push(object),
        }
    }
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
