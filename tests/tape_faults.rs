//! Faults at every PDU and every command of a transfer: the medium holds the blocks that were acknowledged, in order, once.
//!
//! The library is in this process. Between it and the initiator is a relay that knows PDUs, and cuts the connection before one of
//! them or damages it, once. A loop puts the fault at the first PDU, the second, and so on, until the transfer has no more.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::Bytes;
use iscsiswiconfig::iop::job::unit::{AnswerDeadlines, Unit, UnitError};
use iscsiswiconfig::iop::tape::drive::{Reopen, TapeDrive};
use iscsiswiconfig::iop::tape::read::{Object, TapeReader};
use iscsiswiconfig::iop::tape::write::{MAX_BYTES_IN_FLIGHT, Proof, WriteError, Writer, Written};
use iscsiswiconfig::iscsi::ids::{Cid, CmdSn, Isid};
use iscsiswiconfig::iscsi::login::LoginParameters;
use iscsiswiconfig::iscsi::operational::{Digest, OperationalOffer, SessionType};
use iscsiswiconfig::scsi::command::MoveMedium;
use iscsiswiconfig::scsi::{AdditionalSenseCode, Command, Lun, SenseData, SenseKey, Status};
use iscsiswiconfig::transport::initiator::open;
use iscsiswiconfig::transport::listener::{Listener, ListenerSettings, Stopped, Stopper};
use iscsiswiconfig::transport::{Deadlines, block_on};
use iscsiswiconfig::vtl::{
    CommandFault, InjectedFailure, Library, LibraryConfiguration, LibraryFaults, serve,
};

const TARGET: &str = "iqn.2026-11.test.fixture:faults";
const DEADLINE: Duration = Duration::from_secs(120);

/// Length of a Basic Header Segment, and of a digest (RFC 7143 11.2).
const HEADER_LENGTH: usize = 48;
const DIGEST_LENGTH: usize = 4;

/// A library inside this process; stopped when it is dropped.
struct Served {
    portal: SocketAddr,
    stopper: Stopper,
    thread: Option<JoinHandle<Stopped>>,
}

impl Served {
    fn start(faults: LibraryFaults, offer: OperationalOffer) -> Self {
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut settings = ListenerSettings::new(anywhere, TARGET.parse().unwrap());
        settings.offer = offer;
        let listener = Listener::bind(settings).unwrap();
        let (portal, stopper) = (listener.portal(), listener.stopper());
        let thread = thread::spawn(move || {
            let library = Library::new(LibraryConfiguration {
                faults,
                ..LibraryConfiguration::default()
            });
            serve(listener, library.unwrap(), Rc::new(|_| {})).unwrap()
        });
        Self {
            portal,
            stopper,
            thread: Some(thread),
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stopper.stop();
        let stopped = self.thread.take().unwrap().join();
        assert!(stopped.is_ok() || thread::panicking());
    }
}

/// What happens to a PDU of the full feature phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Damage {
    /// The connection is closed before it.
    Cut,
    /// The connection is closed behind half of it.
    CutInside,
    /// A bit of its header is turned.
    Header,
    /// A bit of its data is turned; of the next PDU when it has none.
    Data,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    Initiator,
    Target,
}

/// A fault that is to happen once: at which PDU of one side, counted over all connections.
#[derive(Debug)]
struct Plan {
    from: From,
    passed: usize,
    at: usize,
    damage: Option<Damage>,
}

/// A relay on its own port. Its threads end with the connections.
fn relay(target: SocketAddr, digests: bool, plan: &Arc<Mutex<Plan>>) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let plan = Arc::clone(plan);
    thread::spawn(move || {
        for initiator in listener.incoming() {
            let (Ok(initiator), Ok(target)) = (initiator, TcpStream::connect(target)) else {
                return;
            };
            // A PDU must not wait for the acknowledgement of the one before it.
            initiator.set_nodelay(true).unwrap();
            target.set_nodelay(true).unwrap();
            let (from, to) = (initiator.try_clone().unwrap(), target.try_clone().unwrap());
            let of_initiator = Arc::clone(&plan);
            let of_target = Arc::clone(&plan);
            thread::spawn(move || pass(From::Initiator, from, to, digests, &of_initiator));
            thread::spawn(move || pass(From::Target, target, initiator, digests, &of_target));
        }
    });
    port
}

fn pass(side: From, mut from: TcpStream, mut to: TcpStream, digests: bool, plan: &Mutex<Plan>) {
    // However a connection ends, both of its sides end.
    let _ = pass_pdus(side, &mut from, &mut to, digests, plan);
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

fn pass_pdus(
    side: From,
    from: &mut TcpStream,
    to: &mut TcpStream,
    digests: bool,
    plan: &Mutex<Plan>,
) -> io::Result<()> {
    let ended = || io::Error::from(io::ErrorKind::ConnectionAborted);
    loop {
        let mut pdu = vec![0; HEADER_LENGTH];
        from.read_exact(&mut pdu)?;
        let is_login = matches!(pdu[0] & 0x3f, 0x03 | 0x23);
        let digest = if digests && !is_login {
            DIGEST_LENGTH
        } else {
            0
        };
        let length = u32::from_be_bytes([0, pdu[5], pdu[6], pdu[7]]) as usize;
        let data = match length {
            0 => 0,
            length => length.next_multiple_of(4) + digest,
        };
        let data_begins = HEADER_LENGTH + usize::from(pdu[4]) * 4 + digest;
        pdu.resize(data_begins + data, 0);
        from.read_exact(&mut pdu[HEADER_LENGTH..])?;
        if !is_login {
            let mut plan = plan.lock().unwrap();
            if plan.from == side {
                plan.passed += 1;
                let due = plan.passed > plan.at;
                match plan.damage.filter(|_| due) {
                    Some(Damage::Cut) => {
                        plan.damage = None;
                        return Err(ended());
                    }
                    Some(Damage::CutInside) => {
                        plan.damage = None;
                        to.write_all(&pdu[..pdu.len() / 2])?;
                        return Err(ended());
                    }
                    Some(Damage::Header) => {
                        plan.damage = None;
                        pdu[20] ^= 0x10;
                    }
                    Some(Damage::Data) if length > 0 => {
                        plan.damage = None;
                        pdu[data_begins] ^= 0x10;
                    }
                    _ => {}
                }
            }
        }
        to.write_all(&pdu)?;
    }
}

/// How to log in, again too.
#[derive(Clone)]
struct Contact {
    port: u16,
    parameters: LoginParameters,
}

impl Contact {
    fn new(port: u16, offer: OperationalOffer) -> Self {
        Self {
            port,
            parameters: LoginParameters {
                initiator_name: "iqn.2026-11.test.fixture:initiator".parse().unwrap(),
                target_name: Some(TARGET.parse().unwrap()),
                session_type: SessionType::Normal,
                isid: Isid([0x80, 0, 0, 0x7f, 1, 1]),
                cid: Cid(0),
                cmd_sn: CmdSn(1),
                chap: None,
                offer,
            },
        }
    }

    async fn unit(&self, lun: u16) -> Result<Unit, UnitError> {
        let deadlines = Deadlines::of_phase(DEADLINE);
        let opened = open("127.0.0.1", self.port, &self.parameters, deadlines, |_| {}).await;
        let opened = opened.map_err(|_| UnitError::NoSense)?;
        let answers = AnswerDeadlines {
            answer: DEADLINE,
            motion: DEADLINE,
        };
        Ok(Unit::new(
            opened.spawn(),
            Lun::from_number(lun).unwrap(),
            answers,
        ))
    }

    /// Opens the drive; a fault may come as early as this.
    async fn drive(&self) -> TapeDrive<Self> {
        let mut contact = self.clone();
        loop {
            if let Ok(unit) = contact.reopen().await {
                return TapeDrive::new(unit, contact);
            }
        }
    }
}

impl Reopen for Contact {
    async fn reopen(&mut self) -> Result<Unit, UnitError> {
        let unit = self.unit(1).await?;
        unit.take_unit_attentions(false).await?;
        Ok(unit)
    }
}

/// Puts the first cartridge into the first drive, past the relay.
async fn load(portal: SocketAddr) {
    let changer = Contact::new(portal.port(), OperationalOffer::default())
        .unit(0)
        .await
        .unwrap();
    changer.take_unit_attentions(false).await.unwrap();
    let movement = MoveMedium {
        transport: 1,
        source: 1025,
        destination: 257,
    };
    changer
        .execute(&Command::MoveMedium(movement))
        .await
        .unwrap();
}

/// Returns what is on the tape, past the relay: blocks, and `None` for filemarks.
async fn recorded(portal: SocketAddr) -> Vec<Option<Bytes>> {
    let mut drive = Contact::new(portal.port(), OperationalOffer::default())
        .drive()
        .await;
    let mut reader = TapeReader::at_file(&mut drive, 1, 1 << 20).await.unwrap();
    let mut objects = Vec::new();
    loop {
        match reader.next().await.unwrap() {
            Object::Block(block) => objects.push(Some(block)),
            Object::Filemark => objects.push(None),
            Object::EndOfData => return objects,
        }
    }
}

/// Blocks of two lengths, each with bytes of its own.
fn blocks() -> Vec<Bytes> {
    (1_u8..=3)
        .map(|number| vec![number; 5000].into())
        .chain([Bytes::from_static(&[99; 101])])
        .collect()
}

/// Writes the blocks and a filemark, and proves it.
async fn write(drive: &mut TapeDrive<Contact>) -> (Result<Proof, WriteError>, Written) {
    if let Err(cause) = drive.rewind().await {
        // Before the first block there is nothing to lose: the tape is where it was.
        assert!(cause.is_lost(), "{cause}");
        drive.reopen().await.unwrap();
        drive.rewind().await.unwrap();
    }
    let mut writer = match Writer::begin(drive).await {
        Ok(writer) => writer,
        Err(cause) => {
            assert!(cause.is_lost(), "{cause}");
            return Box::pin(again(drive)).await;
        }
    };
    let outcome = async {
        for block in blocks() {
            writer.push(block).await?;
        }
        writer.filemark().await?;
        writer.prove().await
    };
    let outcome = outcome.await;
    (outcome, writer.written())
}

async fn again(drive: &mut TapeDrive<Contact>) -> (Result<Proof, WriteError>, Written) {
    drive.reopen().await.unwrap();
    write(drive).await
}

/// The data goes out in several PDUs: immediate, unsolicited and solicited, or solicited only.
fn small_pdus(digests: bool, solicited_only: bool) -> OperationalOffer {
    let digest = match digests {
        true => vec![Digest::Crc32c],
        false => vec![Digest::None],
    };
    OperationalOffer {
        header_digest: digest.clone(),
        data_digest: digest,
        initial_r2t: solicited_only,
        immediate_data: !solicited_only,
        max_recv_data_segment_length: 2048,
        first_burst_length: 4096,
        max_burst_length: 4096,
        ..OperationalOffer::default()
    }
}

/// Runs a transfer with a fault at each PDU of one side in turn; `transfer` is done in a session through the relay.
fn at_every_pdu(
    from: From,
    damage: Damage,
    solicited_only: bool,
    transfer: impl AsyncFn(SocketAddr, Contact, usize),
) -> usize {
    let digests = matches!(damage, Damage::Header | Damage::Data);
    let offer = small_pdus(digests, solicited_only);
    let mut at = 0;
    loop {
        let plan = Arc::new(Mutex::new(Plan {
            from,
            passed: 0,
            at,
            damage: Some(damage),
        }));
        let served = Served::start(LibraryFaults::default(), offer.clone());
        block_on(async {
            load(served.portal).await;
            let port = relay(served.portal, digests, &plan);
            transfer(served.portal, Contact::new(port, offer.clone()), at).await;
        })
        .unwrap();
        if plan.lock().unwrap().damage.is_some() {
            return at;
        }
        at += 1;
    }
}

/// The longest block that a read expects: four of them are asked for ahead, so that few are behind the end of the data.
const LONGEST: u32 = 4 << 20;

const EVERYWHERE: [(From, Damage); 8] = [
    (From::Initiator, Damage::Cut),
    (From::Initiator, Damage::CutInside),
    (From::Initiator, Damage::Header),
    (From::Initiator, Damage::Data),
    (From::Target, Damage::Cut),
    (From::Target, Damage::CutInside),
    (From::Target, Damage::Header),
    (From::Target, Damage::Data),
];

fn expected() -> Vec<Option<Bytes>> {
    blocks().into_iter().map(Some).chain([None]).collect()
}

fn every_block_is_written_once(solicited_only: bool, places: &[(From, Damage)]) {
    for (from, damage) in places.iter().copied() {
        let places = at_every_pdu(from, damage, solicited_only, async |portal, contact, at| {
            let mut drive = contact.drive().await;
            let (outcome, written) = write(&mut drive).await;
            let tape = recorded(portal).await;
            let case = format!("{damage:?} at PDU {at} from the {from:?}");
            assert_eq!(outcome.unwrap(), Proof::Position(5), "{case}");
            assert_eq!((written.blocks, written.filemarks), (4, 1), "{case}");
            assert!(tape == expected(), "{case}: {} objects", tape.len());
        });
        assert!(places > 6, "{damage:?}: {places} places");
    }
}

#[test]
fn a_connection_that_fails_at_any_pdu_of_a_write_costs_no_block() {
    every_block_is_written_once(false, &EVERYWHERE);
}

#[test]
fn nor_does_it_where_all_data_is_solicited() {
    every_block_is_written_once(
        true,
        &[(From::Initiator, Damage::Cut), (From::Target, Damage::Cut)],
    );
}

#[test]
fn a_connection_that_fails_at_any_pdu_of_a_read_costs_no_block() {
    // A read has no data of the initiator's.
    for (from, damage) in EVERYWHERE
        .into_iter()
        .filter(|place| *place != (From::Initiator, Damage::Data))
    {
        let places = at_every_pdu(from, damage, false, async |portal, contact, at| {
            let mut direct = Contact::new(portal.port(), OperationalOffer::default())
                .drive()
                .await;
            write(&mut direct).await.0.unwrap();
            let mut drive = contact.drive().await;
            let mut objects = Vec::new();
            let case = format!("{damage:?} at PDU {at} from the {from:?}");
            let mut reader = match TapeReader::at_file(&mut drive, 1, LONGEST).await {
                Ok(reader) => reader,
                // Before the first READ.
                Err(_) => {
                    drive.reopen().await.unwrap();
                    TapeReader::at_file(&mut drive, 1, LONGEST).await.unwrap()
                }
            };
            loop {
                match reader.next().await {
                    Ok(Object::Block(block)) => objects.push(Some(block)),
                    Ok(Object::Filemark) => objects.push(None),
                    Ok(Object::EndOfData) => break,
                    Err(error) => panic!("{case}: {error}"),
                }
            }
            assert!(objects == expected(), "{case}: {} objects", objects.len());
        });
        assert!(places > 6, "{damage:?}: {places} places");
    }
}

/// The command behind `after` others of that operation code fails.
fn at_command(operation_code: u8, after: u32, failure: InjectedFailure) -> LibraryFaults {
    LibraryFaults {
        commands: vec![CommandFault {
            operation_code: Some(operation_code),
            after,
            times: 1,
            failure,
        }],
        ..LibraryFaults::default()
    }
}

/// Writes with a fault of the library, and returns what came of it and what is on the tape.
fn written_with(faults: LibraryFaults) -> (Result<Proof, WriteError>, Written, Vec<Option<Bytes>>) {
    let offer = small_pdus(false, false);
    let served = Served::start(faults, offer.clone());
    block_on(async {
        load(served.portal).await;
        let mut drive = Contact::new(served.portal.port(), offer).drive().await;
        let (outcome, written) = write(&mut drive).await;
        (outcome, written, recorded(served.portal).await)
    })
    .unwrap()
}

const WRITE: u8 = 0x0a;
const WRITE_FILEMARKS: u8 = 0x10;

/// Every WRITE of the transfer, and its WRITE FILEMARKS.
fn commands() -> impl Iterator<Item = (u8, u32)> {
    (0..4)
        .map(|after| (WRITE, after))
        .chain([(WRITE_FILEMARKS, 0)])
}

#[test]
fn what_passes_at_any_command_costs_no_block() {
    let aborted = SenseData::new(
        SenseKey::ABORTED_COMMAND,
        AdditionalSenseCode { asc: 0x47, ascq: 3 },
    );
    for failure in [
        InjectedFailure::Status(Status::BUSY),
        InjectedFailure::Status(Status::TASK_SET_FULL),
        InjectedFailure::UnitAttention(AdditionalSenseCode::MODE_PARAMETERS_CHANGED),
        InjectedFailure::CheckCondition(aborted),
    ] {
        for (code, after) in commands() {
            let (outcome, written, tape) = written_with(at_command(code, after, failure));
            let case = format!("{failure:?} at {code:02X}h behind {after}");
            assert_eq!(outcome.unwrap(), Proof::Position(5), "{case}");
            assert_eq!(written.blocks, 4, "{case}");
            assert!(tape == expected(), "{case}: {} objects", tape.len());
        }
    }
}

#[test]
fn what_does_not_pass_leaves_what_is_proven() {
    let hardware = SenseData::new(SenseKey::HARDWARE_ERROR, AdditionalSenseCode::WRITE_ERROR);
    for failure in [
        InjectedFailure::CheckCondition(hardware),
        InjectedFailure::DeferredError { blocks: 2 },
    ] {
        for (code, after) in commands() {
            let (outcome, written, tape) = written_with(at_command(code, after, failure));
            let case = format!("{failure:?} at {code:02X}h behind {after}: {outcome:?}");
            let (Err(WriteError::Failed {
                proof: Proof::Position(proven),
                ..
            })
            | Err(WriteError::Deferred {
                proof: Proof::Position(proven),
                ..
            })) = outcome
            else {
                panic!("{case}");
            };
            let proven = usize::try_from(proven).unwrap();
            assert!(proven as u64 <= written.blocks, "{case}");
            let lost = match failure {
                InjectedFailure::DeferredError { blocks } => blocks,
                _ => 0,
            };
            assert!(proven as u64 + u64::from(lost) >= written.blocks, "{case}");
            assert!(tape.len() >= proven, "{case}: {} objects", tape.len());
            assert!(tape[..proven] == expected()[..proven], "{case}");
        }
    }
}

#[test]
fn a_power_cycle_at_any_command_is_made_good_or_told() {
    for (code, after) in commands() {
        let (outcome, written, tape) =
            written_with(at_command(code, after, InjectedFailure::PowerCycle));
        let case = format!("at {code:02X}h behind {after}: {outcome:?}");
        match outcome {
            Ok(proof) => {
                assert_eq!(proof, Proof::Position(5), "{case}");
                assert!(tape == expected(), "{case}: {} objects", tape.len());
            }
            // Blocks that were on their way came to the beginning of the tape, over those that were acknowledged.
            Err(WriteError::Overwritten) => {
                assert!(code == WRITE && written.blocks < 3, "{case}");
                let count = written.blocks as usize;
                assert!(tape.get(..count) != Some(&expected()[..count]), "{case}");
            }
            Err(_) => panic!("{case}"),
        }
    }
}

#[test]
fn early_warning_anywhere_leaves_whole_blocks_and_a_filemark() {
    for used in (0..15_000).step_by(1501) {
        let faults = LibraryFaults {
            early_warning_after: Some(used),
            ..LibraryFaults::default()
        };
        let offer = small_pdus(false, false);
        let served = Served::start(faults, offer.clone());
        let (written, tape) = block_on(async {
            load(served.portal).await;
            let mut drive = Contact::new(served.portal.port(), offer).drive().await;
            drive.rewind().await.unwrap();
            let mut writer = Writer::begin(&mut drive).await.unwrap();
            let mut pushed = Ok(());
            for block in blocks() {
                if pushed.is_ok() {
                    pushed = writer.push(block).await;
                }
            }
            assert!(
                matches!(pushed, Ok(()) | Err(WriteError::EndOfMedium)),
                "{pushed:?}"
            );
            writer.filemark().await.unwrap();
            assert!(matches!(writer.prove().await, Ok(Proof::Position(_))));
            let written = writer.written();
            (written, recorded(served.portal).await)
        })
        .unwrap();
        assert!(written.end_of_medium, "{used}");
        let count = usize::try_from(written.blocks).unwrap();
        assert_eq!(tape.len(), count + 1, "{used}");
        assert!(
            tape[..count] == expected()[..count] && tape[count].is_none(),
            "{used}"
        );
    }
}

/// Counts the buffers that somebody holds.
struct Counted(Vec<u8>, Arc<AtomicUsize>);

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn a_target_that_answers_nothing_holds_a_bounded_number_of_buffers() {
    const LENGTH: usize = 1 << 20;
    let offer = OperationalOffer::default();
    let served = Served::start(LibraryFaults::default(), offer.clone());
    let (told, answers) = mpsc::channel::<()>();
    let target = served.portal;
    // Takes in everything, and holds back what the target answers to it until the test lets go.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let writing = Arc::new(AtomicUsize::new(0));
    let is_writing = Arc::clone(&writing);
    thread::spawn(move || {
        let (mut initiator, _) = listener.accept().unwrap();
        let mut target = TcpStream::connect(target).unwrap();
        let (mut from, mut to) = (initiator.try_clone().unwrap(), target.try_clone().unwrap());
        thread::spawn(move || io::copy(&mut from, &mut to));
        let mut buffer = vec![0; 1 << 16];
        while let Ok(count @ 1..) = target.read(&mut buffer) {
            if is_writing.load(Ordering::SeqCst) == 1 {
                let _ = answers.recv();
                is_writing.store(2, Ordering::SeqCst);
            }
            if initiator.write_all(&buffer[..count]).is_err() {
                return;
            }
        }
    });
    let held = Arc::new(AtomicUsize::new(0));
    let most = block_on(async {
        load(served.portal).await;
        let mut drive = Contact::new(port, offer).drive().await;
        drive.rewind().await.unwrap();
        let mut writer = Writer::begin(&mut drive).await.unwrap();
        writing.store(1, Ordering::SeqCst);
        let mut most = 0;
        for _ in 0..64 {
            let block = Counted(vec![7; LENGTH], Arc::clone(&held));
            most = most.max(held.fetch_add(1, Ordering::SeqCst) + 1);
            if most > MAX_BYTES_IN_FLIGHT / LENGTH {
                // Nothing more is taken before an answer comes.
                let _ = told.send(());
            }
            writer.push(Bytes::from_owner(block)).await.unwrap();
            assert!(writer.held() <= MAX_BYTES_IN_FLIGHT / LENGTH);
        }
        writer.filemark().await.unwrap();
        assert_eq!(writer.written().blocks, 64);
        most
    })
    .unwrap();
    // As many as may be on their way, and the one that waits.
    assert_eq!(most, MAX_BYTES_IN_FLIGHT / LENGTH + 1);
    assert_eq!(held.load(Ordering::SeqCst), 0);
}
