//! Both sides of a connection in memory: whatever they agree on, what is written is what is read back.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use iscsiswiconfig::iscsi::chap::{
    CHALLENGE_LENGTH, ChapAlgorithm, ChapChallenge, ChapCredentials, MutualChap,
};
use iscsiswiconfig::iscsi::codec::{Decoder, Encoder};
use iscsiswiconfig::iscsi::ids::{Cid, CmdSn, Isid, Lun, Tsih};
use iscsiswiconfig::iscsi::initiator::{Event, Session, Task, TaskTransfer};
use iscsiswiconfig::iscsi::login::{
    Login, LoginChap, LoginError, LoginParameters, LoginResult, LoginStep,
};
use iscsiswiconfig::iscsi::operational::{Digest, OperationalOffer, SessionType};
use iscsiswiconfig::iscsi::pdu::{LogoutOutcome, LogoutReason, Pdu, TaskManagementOutcome};
use iscsiswiconfig::iscsi::target::{
    Accepted, Decision, Event as TargetEvent, LoginPolicy, LoginStep as TargetStep,
    ReceivedCommand, ScsiReply, TargetLogin, TargetRecord, TargetSession, TargetSettings,
};
use proptest::prelude::*;

const TARGET: &str = "iqn.2026-11.test:vtl";
const READ: u8 = 0x08;
const WRITE: u8 = 0x0a;
const FAIL: u8 = 0x01;

/// One direction of the connection: bytes that arrive in pieces whose lengths come from a small generator.
struct Pipe {
    sent: BytesMut,
    received: BytesMut,
    encoder: Encoder,
    decoder: Decoder,
    pieces: u64,
}

impl Pipe {
    fn new(pieces: u64) -> Self {
        Self {
            sent: BytesMut::new(),
            received: BytesMut::new(),
            encoder: Encoder::new(),
            decoder: Decoder::new(8192),
            pieces,
        }
    }

    fn send(&mut self, pdu: &Pdu) {
        let parts = self.encoder.encode_parts(pdu).unwrap();
        for part in [parts.header, parts.data, parts.trailer] {
            self.sent.extend_from_slice(&part);
        }
    }

    /// Moves a piece of what was sent to the other end; `None` when nothing is on its way.
    fn arrive(&mut self) -> Option<()> {
        self.pieces = self
            .pieces
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let length = usize::try_from(self.pieces >> 33).unwrap() % 1500 + 1;
        if self.sent.is_empty() {
            return None;
        }
        let piece = self.sent.split_to(length.min(self.sent.len()));
        self.received.extend_from_slice(&piece);
        Some(())
    }

    fn receive(&mut self) -> Option<Pdu> {
        self.decoder.decode(&mut self.received).unwrap()
    }

    fn digests(&mut self, header: Digest, data: Digest, max_data_segment_length: u32) {
        let (header_digest, data_digest) = (header == Digest::Crc32c, data == Digest::Crc32c);
        self.encoder = Encoder {
            header_digest,
            data_digest,
        };
        self.decoder = Decoder {
            header_digest,
            data_digest,
            max_data_segment_length,
        };
    }
}

/// Both sides in the full feature phase.
struct Joined {
    initiator: Session,
    target: TargetSession,
    forth: Pipe,
    back: Pipe,
    now: Instant,
    result: LoginResult,
    accepted: Accepted,
    /// What was written, in order, the LUN's low byte with it.
    written: Vec<(u8, Bytes)>,
}

#[derive(Clone, Debug)]
struct Setup {
    initiator: OperationalOffer,
    policy: LoginPolicy,
    chap: Option<LoginChap>,
    session_type: SessionType,
    seed: u64,
    write_buffer: u64,
    command_window: u32,
}

fn setup() -> Setup {
    Setup {
        initiator: OperationalOffer::default(),
        policy: LoginPolicy {
            targets: vec![TargetRecord {
                name: TARGET.parse().unwrap(),
                alias: Some("VTL".to_owned()),
                addresses: Vec::new(),
            }],
            portal_group_tag: 1,
            allowed_initiators: None,
            chap: None,
            own_chap: None,
            algorithms: ChapAlgorithm::ALL.to_vec(),
            max_sessions: 8,
            forced: None,
            offer: OperationalOffer::default(),
        },
        chap: None,
        session_type: SessionType::Normal,
        seed: 1,
        write_buffer: 1 << 24,
        command_window: 8,
    }
}

fn credentials(name: &str, secret: &str) -> ChapCredentials {
    ChapCredentials {
        name: name.to_owned(),
        secret: secret.as_bytes().to_vec().into(),
    }
}

fn challenge(byte: u8) -> ChapChallenge {
    ChapChallenge {
        identifier: byte,
        challenge: [byte; CHALLENGE_LENGTH],
    }
}

impl Joined {
    fn log_in(setup: Setup) -> Result<Self, LoginError> {
        let target_name =
            (setup.session_type == SessionType::Normal).then(|| TARGET.parse().unwrap());
        let (mut login, request) = Login::start(LoginParameters {
            initiator_name: "iqn.2026-11.test:i0".parse().unwrap(),
            target_name,
            session_type: setup.session_type,
            isid: Isid::random([1, 2, 3, 4, 5]),
            cid: Cid(0),
            cmd_sn: CmdSn(u32::MAX - 2),
            chap: setup.chap.clone(),
            offer: setup.initiator.clone(),
        });
        let mut forth = Pipe::new(setup.seed);
        let mut back = Pipe::new(setup.seed.wrapping_mul(31));
        forth.send(&Pdu::LoginRequest(request));
        let mut acceptor = TargetLogin::new(setup.command_window);
        let mut accepted = None;
        let result = loop {
            let request = next(&mut forth);
            let mut step = acceptor.handle(request);
            if let TargetStep::Ask(question) = step {
                let candidate = question.candidate();
                step = match setup
                    .policy
                    .decide(candidate, &[], Tsih(7), challenge(0x11))
                {
                    Decision::Admit(admission) => question.admit(*admission),
                    Decision::Refuse(status) => question.refuse(status),
                    Decision::Redirect { address, permanent } => {
                        question.redirect(&address, permanent)
                    }
                };
            }
            let mut spare = TargetLogin::new(1);
            match step {
                TargetStep::Send(next, response) => {
                    spare = *next;
                    back.send(&Pdu::LoginResponse(response));
                }
                TargetStep::Done(done) => {
                    back.send(&Pdu::LoginResponse(done.response.clone()));
                    accepted = Some(*done);
                }
                TargetStep::Refused(refusal) => {
                    back.send(&Pdu::LoginResponse(refusal.response.unwrap()));
                }
                TargetStep::Ask(_) => panic!("asked twice"),
            }
            acceptor = spare;
            let Pdu::LoginResponse(response) = next(&mut back) else {
                panic!("no login response")
            };
            match login.handle(response)? {
                LoginStep::Send(next, request) => {
                    login = *next;
                    forth.send(&Pdu::LoginRequest(request));
                }
                LoginStep::Done(result) => break *result,
                LoginStep::Redirect { .. } => panic!("redirected"),
            }
        };
        let accepted = accepted.expect("both sides are done");
        let (header, data) = (
            accepted.parameters.header_digest,
            accepted.parameters.data_digest,
        );
        forth.digests(
            header,
            data,
            accepted.parameters.max_recv_data_segment_length,
        );
        back.digests(header, data, result.parameters.max_recv_data_segment_length);
        let now = Instant::now();
        let targets = setup.policy.visible_targets(&accepted.candidate);
        Ok(Self {
            initiator: Session::new(
                result.session_parameters(),
                result.cmd_sn,
                result.exp_stat_sn,
                result.exp_cmd_sn,
                result.max_cmd_sn,
            ),
            target: TargetSession::new(
                TargetSettings {
                    write_buffer: setup.write_buffer,
                    ..TargetSettings::new(&accepted, targets)
                },
                now,
            ),
            forth,
            back,
            now,
            result,
            accepted,
            written: Vec::new(),
        })
    }

    /// Runs both sides until nothing moves, and returns what the initiator was told.
    fn run(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        let mut quiet = false;
        while !quiet {
            quiet = true;
            while let Some(pdu) = self.initiator.poll_transmit(Instant::now()) {
                self.forth.send(&pdu);
            }
            while let Some(pdu) = self.target.poll_transmit() {
                self.back.send(&pdu);
            }
            if self.forth.arrive().is_some() {
                quiet = false;
                while let Some(pdu) = self.forth.receive() {
                    self.now += Duration::from_millis(1);
                    self.target.handle(pdu, self.now).unwrap();
                    self.execute();
                }
            }
            if self.back.arrive().is_some() {
                quiet = false;
                while let Some(pdu) = self.back.receive() {
                    self.initiator.handle(pdu, Instant::now()).unwrap();
                    events.extend(std::iter::from_fn(|| self.initiator.poll_event()));
                }
            }
        }
        events
    }

    /// A device: WRITE keeps the data, READ returns as many bytes as the CDB says, anything else fails.
    fn execute(&mut self) {
        while let Some(event) = self.target.poll_event() {
            match event {
                TargetEvent::Command(command) => {
                    let reply = self.answer(&command);
                    assert!(self.target.respond(command.id, reply));
                }
                TargetEvent::TaskManagement(management) => {
                    let done = TaskManagementOutcome::FUNCTION_COMPLETE;
                    assert!(self.target.respond_to_management(management.id, done));
                }
                TargetEvent::LoggedOut { reason, .. } => {
                    assert_eq!(reason, LogoutReason::CLOSE_SESSION);
                }
            }
        }
    }

    fn answer(&mut self, command: &ReceivedCommand) -> ScsiReply {
        match command.cdb[0] {
            WRITE => {
                assert_eq!(
                    command.data_out.len(),
                    command.expected_data_out_length as usize
                );
                self.written
                    .push((command.lun.0[1], command.data_out.clone()));
                ScsiReply::good()
            }
            READ => ScsiReply::data_in(pattern(length_of(&command.cdb))),
            _ => ScsiReply::check_condition(Bytes::from_static(&[0x70, 0, 5])),
        }
    }
}

/// Runs a pipe until a PDU has arrived.
fn next(pipe: &mut Pipe) -> Pdu {
    loop {
        if let Some(pdu) = pipe.receive() {
            return pdu;
        }
        pipe.arrive().expect("a PDU is on its way");
    }
}

fn pattern(length: usize) -> Bytes {
    (0..length)
        .map(|index| (index * 7 + index / 251) as u8)
        .collect()
}

fn length_of(cdb: &[u8; 16]) -> usize {
    u32::from_be_bytes([0, cdb[2], cdb[3], cdb[4]]) as usize
}

fn cdb(code: u8, length: usize) -> [u8; 16] {
    let [_, a, b, c] = u32::try_from(length).unwrap().to_be_bytes();
    let mut cdb = [0; 16];
    cdb[..5].copy_from_slice(&[code, 0, a, b, c]);
    cdb
}

fn task(lun: u16, code: u8, length: usize, transfer: TaskTransfer) -> Task {
    Task::new(Lun::from_number(lun).unwrap(), cdb(code, length), transfer)
}

fn write(lun: u16, data: &Bytes) -> Task {
    task(lun, WRITE, data.len(), TaskTransfer::Write(data.clone()))
}

fn read(lun: u16, length: usize) -> Task {
    let expected = u32::try_from(length).unwrap();
    task(lun, READ, length, TaskTransfer::Read(expected))
}

#[test]
fn a_tape_block_goes_there_and_back() {
    let mut joined = Joined::log_in(setup()).unwrap();
    let block = pattern(1 << 20);
    joined.initiator.submit(write(1, &block)).unwrap();
    joined.initiator.submit(read(1, 1 << 20)).unwrap();
    let events = joined.run();
    assert_eq!(joined.written, [(1, block.clone())]);
    assert_eq!(events.len(), 2);
    let Event::Completed(completion) = &events[1] else {
        panic!("{events:?}")
    };
    assert_eq!(completion.data, block);
    joined.initiator.logout().unwrap();
    assert_eq!(
        joined.run(),
        [Event::LoggedOut {
            outcome: LogoutOutcome::CLOSED
        }]
    );
    assert!(joined.target.is_ended());
}

#[test]
fn both_sides_come_to_the_same_parameters() {
    let mut setup = setup();
    setup.initiator.header_digest = vec![Digest::Crc32c, Digest::None];
    setup.initiator.max_recv_data_segment_length = 65_536;
    setup.policy.offer.max_burst_length = 131_072;
    setup.policy.offer.initial_r2t = true;
    setup.policy.offer.max_outstanding_r2t = 3;
    let joined = Joined::log_in(setup).unwrap();
    let (initiator, target) = (&joined.result.parameters, &joined.accepted.parameters);
    assert_eq!(initiator.header_digest, Digest::Crc32c);
    assert_eq!(initiator.max_burst_length, 131_072);
    assert_eq!(initiator.max_outstanding_r2t, 3);
    assert!(initiator.initial_r2t);
    let mut mirrored = target.clone();
    mirrored.max_recv_data_segment_length = target.peer_max_recv_data_segment_length;
    mirrored.peer_max_recv_data_segment_length = target.max_recv_data_segment_length;
    assert_eq!(*initiator, mirrored);
    assert_eq!(joined.result.tsih, Tsih(7));
    assert_eq!(joined.result.target_portal_group_tag, Some(1));
    assert_eq!(joined.result.target_alias.as_deref(), Some("VTL"));
}

#[test]
fn chap_is_passed_in_both_directions_with_every_algorithm() {
    for algorithm in ChapAlgorithm::ALL {
        for mutual in [false, true] {
            let mut setup = setup();
            let (user, own) = (
                credentials("VTLUSER", "SECRETFORVTL1"),
                credentials("TGTUSER", "TARGETSECRET1234"),
            );
            setup.policy.chap = Some(user.clone());
            setup.policy.own_chap = Some(own.clone());
            setup.chap = Some(LoginChap {
                credentials: user,
                algorithms: vec![algorithm],
                mutual: mutual.then(|| MutualChap {
                    target: own,
                    challenge: challenge(0x22),
                }),
            });
            let joined = Joined::log_in(setup).unwrap();
            assert_eq!(joined.result.chap_algorithm, Some(algorithm));
            assert_eq!(joined.result.target_authenticated, mutual);
            let outcome = joined.accepted.chap.unwrap();
            assert_eq!((outcome.algorithm, outcome.mutual), (algorithm, mutual));
        }
    }
}

#[test]
fn a_refusal_reaches_the_initiator_with_its_status() {
    let chap = |secret| LoginChap {
        credentials: credentials("VTLUSER", secret),
        algorithms: Vec::new(),
        mutual: None,
    };
    let mut wrong_secret = setup();
    wrong_secret.policy.chap = Some(credentials("VTLUSER", "SECRETFORVTL1"));
    wrong_secret.chap = Some(chap("SECRETFORVTL2"));
    let mut no_chap = setup();
    no_chap.policy.chap = Some(credentials("VTLUSER", "SECRETFORVTL1"));
    let mut not_allowed = setup();
    not_allowed.policy.allowed_initiators = Some(Vec::new());
    let mut unknown_target = setup();
    unknown_target.policy.targets.clear();
    let mut full = setup();
    full.policy.max_sessions = 0;
    for (setup, expected) in [
        (wrong_secret, "0x0201"),
        (no_chap, "0x0201"),
        (not_allowed, "0x0202"),
        (unknown_target, "0x0203"),
        (full, "0x0302"),
    ] {
        match Joined::log_in(setup).err() {
            Some(LoginError::Refused { status, .. }) => assert_eq!(status.to_string(), expected),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn sense_data_and_residual_counts_arrive() {
    let mut joined = Joined::log_in(setup()).unwrap();
    joined
        .initiator
        .submit(task(1, FAIL, 0, TaskTransfer::Read(64)))
        .unwrap();
    joined
        .initiator
        .submit(task(1, READ, 40, TaskTransfer::Read(64)))
        .unwrap();
    let events = joined.run();
    let [Event::Completed(failed), Event::Completed(short)] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!((failed.status, &failed.sense[..]), (2, &[0x70, 0, 5][..]));
    assert_eq!(short.data, pattern(40));
    assert_eq!(
        short.residual,
        iscsiswiconfig::iscsi::pdu::Residual::Underflow(24)
    );
}

#[test]
fn an_abort_and_a_reset_end_what_waits() {
    let mut joined = Joined::log_in(setup()).unwrap();
    let tag = joined
        .initiator
        .submit(write(1, &pattern(4 << 20)))
        .unwrap();
    // The command and its first burst are on their way, the rest has not been asked for.
    while let Some(pdu) = joined.initiator.poll_transmit(Instant::now()) {
        joined.forth.send(&pdu);
    }
    joined.initiator.abort_task(tag).unwrap();
    let events = joined.run();
    let [Event::TaskManagement { outcome, ended, .. }] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(*outcome, TaskManagementOutcome::FUNCTION_COMPLETE);
    assert_eq!(ended, &[tag]);
    assert_eq!(joined.target.buffered(), 0);

    let tag = joined
        .initiator
        .submit(write(1, &pattern(4 << 20)))
        .unwrap();
    while let Some(pdu) = joined.initiator.poll_transmit(Instant::now()) {
        joined.forth.send(&pdu);
    }
    let reset = joined
        .initiator
        .reset_logical_unit(Lun::from_number(1).unwrap())
        .unwrap();
    let events = joined.run();
    assert!(
        matches!(&events[..], [Event::TaskManagement { initiator_task_tag, ended, .. }]
            if *initiator_task_tag == reset && ended == &[tag]),
        "{events:?}"
    );
    assert!(joined.initiator.is_idle() && joined.target.is_idle());
    assert_eq!(joined.written, []);
}

#[test]
fn a_discovery_session_logs_in_and_out() {
    let mut discovery = setup();
    discovery.session_type = SessionType::Discovery;
    let mut joined = Joined::log_in(discovery).unwrap();
    joined.initiator.logout().unwrap();
    assert_eq!(joined.run().len(), 1);
    assert!(joined.target.is_ended());
}

fn offers() -> impl Strategy<Value = OperationalOffer> {
    let digests = || {
        prop_oneof![
            Just(vec![Digest::None, Digest::Crc32c]),
            Just(vec![Digest::Crc32c, Digest::None]),
        ]
    };
    (
        (digests(), digests()),
        any::<(bool, bool)>(),
        512u32..4096,
        512u32..20_000,
        512u32..20_000,
        1u32..5,
    )
        .prop_map(
            |(digests, flags, segment, burst, first, r2ts)| OperationalOffer {
                header_digest: digests.0,
                data_digest: digests.1,
                initial_r2t: flags.0,
                immediate_data: flags.1,
                max_recv_data_segment_length: segment,
                max_burst_length: burst,
                first_burst_length: first,
                max_outstanding_r2t: r2ts,
                ..OperationalOffer::default()
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_agreed_on_the_data_arrives(
        initiator in offers(),
        target in offers(),
        seed: u64,
        write_buffer in 0u64..100_000,
        command_window in 1u32..6,
        tasks in proptest::collection::vec((1u16..3, any::<bool>(), 0usize..60_000), 1..8),
    ) {
        let mut setup = setup();
        setup.initiator = initiator;
        setup.policy.offer = target;
        setup.seed = seed;
        setup.write_buffer = write_buffer;
        setup.command_window = command_window;
        let mut joined = Joined::log_in(setup).unwrap();
        let mut expected = Vec::new();
        for (lun, is_write, length) in &tasks {
            let task = if *is_write {
                let data = pattern(*length);
                expected.push((u8::try_from(*lun).unwrap(), data.clone()));
                write(*lun, &data)
            } else {
                read(*lun, *length)
            };
            joined.initiator.submit(task).unwrap();
        }
        let events = joined.run();
        prop_assert_eq!(events.len(), tasks.len());
        for event in events {
            let Event::Completed(completion) = event else {
                panic!("{event:?}")
            };
            prop_assert_eq!(completion.status, 0);
            prop_assert_eq!(&completion.data, &pattern(completion.data.len()));
        }
        for lun in 1..3 {
            let of_unit = |writes: &[(u8, Bytes)]| -> Vec<Bytes> {
                writes.iter().filter(|(unit, _)| *unit == lun).map(|(_, data)| data.clone()).collect()
            };
            prop_assert_eq!(of_unit(&joined.written), of_unit(&expected));
        }
        prop_assert!(joined.target.is_idle() && joined.initiator.is_idle());
        prop_assert_eq!(joined.target.buffered(), 0);
    }
}
