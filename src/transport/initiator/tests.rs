//! The driver against a scripted target: two peers, no port, and a clock that only moves when both wait.

mod cost;

use std::cell::RefCell;
use std::rc::Rc;

use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
use tokio::runtime::Builder;
use tokio::task::{JoinHandle, LocalSet, spawn_local};
use tokio::time::{Instant, sleep};

use super::*;
use crate::iscsi::describe::describe;
use crate::iscsi::ids::{
    Cid, CmdSn, DataSn, InitiatorTaskTag, Isid, LoginStatus, R2tSn, StatSn, TargetTransferTag, Tsih,
};
use crate::iscsi::login::LoginParameters;
use crate::iscsi::operational::{OperationalOffer, SessionType};
use crate::iscsi::pdu::{
    AsyncEvent, AsyncMessage, LoginRequest, LoginResponse, LogoutResponse, NopIn, Pdu, R2t,
    ScsiCommand, ScsiResponse, Stage, TaskManagementResponse, TextResponse,
};
use crate::transport::connection::Connection;
use crate::transport::{AttachError, AttachPhase, Deadlines, Step};

const PHASE: Duration = Duration::from_secs(10);

/// Runs a test on a clock that stands still while a task can run.
fn run(test: impl Future<Output = ()>) {
    let runtime = Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, test);
}

fn parameters() -> LoginParameters {
    LoginParameters {
        initiator_name: "iqn.2026-11.com.example:initiator".parse().unwrap(),
        target_name: Some("iqn.2026-11.com.example:target".parse().unwrap()),
        session_type: SessionType::Normal,
        isid: Isid::random([1; 5]),
        cid: Cid(0),
        cmd_sn: CmdSn(1),
        chap: None,
        offer: OperationalOffer::default(),
    }
}

fn deadlines() -> Deadlines {
    Deadlines::of_phase(PHASE)
}

fn lun(number: u16) -> Lun {
    Lun::from_number(number).unwrap()
}

fn command(code: u8, data: DataDirection) -> Execute {
    Execute::new(lun(1), &[code], data).within(PHASE)
}

/// The target: its connection, and its numbers.
struct Target {
    connection: Connection<DuplexStream>,
    stat_sn: StatSn,
    max_cmd_sn: CmdSn,
}

impl Target {
    async fn next(&mut self) -> Pdu {
        self.connection.receive(&|_| {}).await.expect("a PDU")
    }

    async fn command(&mut self) -> ScsiCommand {
        match self.next().await {
            Pdu::ScsiCommand(command) => command,
            other => panic!("{}", describe(&other)),
        }
    }

    async fn send(&mut self, pdu: Pdu) {
        self.connection.send(&pdu, &|_| {}).unwrap();
        self.flush().await;
    }

    async fn flush(&mut self) {
        while !self.connection.is_flushed() {
            std::future::poll_fn(|context| self.connection.poll_transfer(context, false))
                .await
                .unwrap();
        }
    }

    fn take_stat_sn(&mut self) -> StatSn {
        let taken = self.stat_sn;
        self.stat_sn = taken.next();
        taken
    }

    fn response(&mut self, tag: InitiatorTaskTag, status: u8) -> ScsiResponse {
        ScsiResponse {
            bidirectional_read_residual: Residual::None,
            residual: Residual::None,
            response: ServiceResponse::COMMAND_COMPLETED,
            status,
            initiator_task_tag: tag,
            snack_tag: TargetTransferTag(0),
            stat_sn: self.take_stat_sn(),
            exp_cmd_sn: CmdSn(1),
            max_cmd_sn: self.max_cmd_sn,
            exp_data_sn: DataSn(0),
            data: Bytes::new(),
        }
    }

    async fn good(&mut self, tag: InitiatorTaskTag) {
        let response = self.response(tag, 0);
        self.send(Pdu::ScsiResponse(response)).await;
    }

    async fn pong(&mut self, tag: InitiatorTaskTag) {
        let stat_sn = self.take_stat_sn();
        let max_cmd_sn = self.max_cmd_sn;
        self.send(Pdu::NopIn(NopIn {
            lun: Lun::default(),
            initiator_task_tag: tag,
            target_transfer_tag: TargetTransferTag::RESERVED,
            stat_sn,
            exp_cmd_sn: CmdSn(1),
            max_cmd_sn,
            data: Bytes::new(),
        }))
        .await;
    }

    async fn answer_logout(&mut self) {
        let request = match self.next().await {
            Pdu::LogoutRequest(request) => request,
            other => panic!("{}", describe(&other)),
        };
        let stat_sn = self.take_stat_sn();
        let response = LogoutResponse {
            response: LogoutOutcome::CLOSED,
            initiator_task_tag: request.initiator_task_tag,
            stat_sn,
            exp_cmd_sn: CmdSn(1),
            max_cmd_sn: self.max_cmd_sn,
            time2wait: 3,
            time2retain: 0,
        };
        self.send(Pdu::LogoutResponse(response)).await;
    }
}

fn accepts(request: &LoginRequest, max_cmd_sn: CmdSn) -> LoginResponse {
    LoginResponse {
        transit: true,
        continues: false,
        current_stage: request.current_stage,
        next_stage: Stage::FullFeaturePhase,
        version_max: 0,
        version_active: 0,
        isid: request.isid,
        tsih: Tsih(1),
        initiator_task_tag: request.initiator_task_tag,
        stat_sn: StatSn(1),
        exp_cmd_sn: CmdSn(1),
        max_cmd_sn,
        status: LoginStatus::SUCCESS,
        data: Bytes::from_static(b"TargetPortalGroupTag=1\0"),
    }
}

struct Session {
    initiator: Initiator,
    target: Target,
    driver: JoinHandle<SessionLost>,
    /// What the observer was told of.
    departures: Rc<RefCell<Vec<Departure>>>,
}

/// Logs in with a command window of so many commands.
async fn session(window: u32, deadlines: Deadlines) -> Session {
    let (ours, theirs) = duplex(256 * 1024);
    let mut connection = Connection::to_initiator(theirs, 1 << 20);
    let departures: Rc<RefCell<Vec<Departure>>> = Rc::default();
    let told = Rc::clone(&departures);
    let observe = move |step: Step<'_>| {
        if let Step::Departed(departure) = step {
            told.borrow_mut().push(departure.clone());
        }
    };
    let login = spawn_local(async move {
        log_in(ours, &parameters(), deadlines, observe)
            .await
            .expect("a login")
    });
    let Pdu::LoginRequest(request) = connection.receive(&|_| {}).await.unwrap() else {
        panic!("no login request");
    };
    let mut target = Target {
        connection,
        stat_sn: StatSn(2),
        max_cmd_sn: CmdSn(window),
    };
    let response = accepts(&request, CmdSn(window));
    target.send(Pdu::LoginResponse(response)).await;
    let (initiator, driver, _) = login.await.unwrap();
    Session {
        initiator,
        target,
        driver: spawn_local(driver.run()),
        departures,
    }
}

/// A handle can be used from any thread, and a driver can be spawned on any runtime.
#[test]
fn handle_and_driver_can_be_sent_to_other_threads() {
    fn is_send<T: Send>(_: &T) {}
    fn is_handle<T: Send + Sync + Clone>() {}
    fn check(driver: Driver<DuplexStream, fn(Step<'_>)>) {
        is_send(&driver.run());
    }
    is_handle::<Initiator>();
    let _ = check;
}

#[test]
fn commands_of_several_tasks_go_out_in_their_order_and_end_each_by_itself() {
    run(async {
        let mut session = session(8, deadlines()).await;
        let tasks: Vec<_> = (0..4_u8)
            .map(|code| {
                let initiator = session.initiator.clone();
                spawn_local(async move {
                    let execute = command(code, DataDirection::None);
                    initiator.execute(execute).await.unwrap().status
                })
            })
            .collect();
        let mut tags = Vec::new();
        for code in 0..4 {
            let command = session.target.command().await;
            assert_eq!(command.cdb[0], code);
            tags.push(command.initiator_task_tag);
        }
        for (code, tag) in tags.into_iter().enumerate().rev() {
            let status = u8::try_from(code * 2).unwrap();
            let response = session.target.response(tag, status);
            session.target.send(Pdu::ScsiResponse(response)).await;
        }
        for (code, task) in tasks.into_iter().enumerate() {
            assert_eq!(usize::from(task.await.unwrap()), code * 2);
        }
    });
}

#[test]
fn the_target_s_window_holds_commands_back_and_a_closed_one_times_out() {
    run(async {
        let Session {
            initiator,
            mut target,
            ..
        } = session(1, deadlines()).await;
        let first = initiator
            .submit(command(0, DataDirection::None))
            .await
            .unwrap();
        let second = initiator
            .submit(command(1, DataDirection::None))
            .await
            .unwrap();
        let tag = target.command().await.initiator_task_tag;
        target.good(tag).await;
        first.await.unwrap();
        let started = Instant::now();
        let error = second.await.unwrap_err();
        assert!(matches!(
            error,
            ExecuteError::Timeout { after, last_received: Some(Opcode::SCSI_RESPONSE) } if after == PHASE
        ));
        assert_eq!(started.elapsed(), PHASE);
        // It was never sent, so there is nothing to abort: what comes next is the logout.
        let logout = spawn_local(async move { initiator.logout().await.unwrap() });
        target.answer_logout().await;
        assert_eq!(logout.await.unwrap(), LogoutOutcome::CLOSED);
    });
}

#[test]
fn a_silent_command_fails_alone_and_is_aborted() {
    run(async {
        let Session {
            initiator,
            mut target,
            ..
        } = session(8, deadlines()).await;
        let silent = initiator
            .submit(command(0, DataDirection::In(64)))
            .await
            .unwrap();
        let slow = Execute::new(lun(2), &[1], DataDirection::None).within(PHASE * 30);
        let slow = initiator.submit(slow).await.unwrap();
        let silent_tag = target.command().await.initiator_task_tag;
        let slow_tag = target.command().await.initiator_task_tag;
        assert!(matches!(
            silent.await,
            Err(ExecuteError::Timeout { after, last_received: None }) if after == PHASE
        ));
        let Pdu::TaskManagementRequest(abort) = target.next().await else {
            panic!("no abort");
        };
        assert_eq!(abort.referenced_task_tag, silent_tag);
        let response = TaskManagementResponse {
            response: TaskManagementOutcome::FUNCTION_COMPLETE,
            initiator_task_tag: abort.initiator_task_tag,
            stat_sn: target.take_stat_sn(),
            exp_cmd_sn: CmdSn(1),
            max_cmd_sn: CmdSn(8),
        };
        target.send(Pdu::TaskManagementResponse(response)).await;
        target.good(slow_tag).await;
        assert_eq!(slow.await.unwrap().status, 0);
    });
}

#[test]
fn a_silent_target_is_pinged_but_not_while_a_tape_command_is_outstanding() {
    run(async {
        let pinging = Deadlines {
            ping_interval: Some(Duration::from_secs(30)),
            ..deadlines()
        };
        let Session {
            initiator,
            mut target,
            driver,
            ..
        } = session(8, pinging).await;
        let started = Instant::now();
        let Pdu::NopOut(ping) = target.next().await else {
            panic!("no ping");
        };
        assert_eq!(started.elapsed(), Duration::from_secs(30));
        target.pong(ping.initiator_task_tag).await;

        let rewind = Execute {
            suppresses_pings: true,
            ..Execute::new(lun(1), &[1], DataDirection::None)
        };
        let rewind = initiator.submit(rewind).await.unwrap();
        let tag = target.command().await.initiator_task_tag;
        let answered = spawn_local(async move {
            sleep(Duration::from_secs(600)).await;
            target.good(tag).await;
            // The next ping is not answered.
            let silent = target.next().await;
            assert!(matches!(silent, Pdu::NopOut(_)));
            let _ = target.connection.receive(&|_| {}).await;
        });
        rewind.await.unwrap();
        assert!(started.elapsed() >= Duration::from_secs(630));
        let lost = driver.await.unwrap();
        assert!(
            matches!(
                &lost,
                SessionLost::Protocol(SessionError::NoAnswer {
                    request: Opcode::NOP_OUT,
                    after,
                    last_received: Some(Opcode::SCSI_RESPONSE),
                }) if *after == PHASE
            ),
            "{lost:?}"
        );
        answered.await.unwrap();
    });
}

#[test]
fn a_lost_connection_tells_each_command_whether_it_was_sent() {
    run(async {
        let Session {
            initiator,
            mut target,
            driver,
            ..
        } = session(1, deadlines()).await;
        let sent = initiator
            .submit(command(0, DataDirection::None))
            .await
            .unwrap();
        let waiting = initiator
            .submit(command(1, DataDirection::None))
            .await
            .unwrap();
        target.command().await;
        drop(target);
        let was_sent = |error| match error {
            ExecuteError::Lost {
                sent,
                cause: SessionLost::Connection(cause),
            } if matches!(*cause, ConnectionError::Closed) => sent,
            other => panic!("{other:?}"),
        };
        assert!(was_sent(sent.await.unwrap_err()));
        assert!(!was_sent(waiting.await.unwrap_err()));
        driver.await.unwrap();
        let late = initiator.execute(command(2, DataDirection::None)).await;
        assert!(!was_sent(late.unwrap_err()));
        // DefaultTime2Wait as both sides propose it.
        assert_eq!(initiator.time2wait(), Some(Duration::from_secs(2)));
    });
}

#[test]
fn a_dropped_driver_fails_what_is_outstanding() {
    run(async {
        let session = session(8, deadlines()).await;
        let outstanding = session
            .initiator
            .submit(command(0, DataDirection::None))
            .await
            .unwrap();
        session.driver.abort();
        assert!(matches!(
            outstanding.await,
            Err(ExecuteError::Lost {
                cause: SessionLost::GivenUp,
                ..
            })
        ));
    });
}

#[test]
fn the_last_handle_logs_out_when_its_command_is_done() {
    run(async {
        let Session {
            initiator,
            mut target,
            driver,
            ..
        } = session(8, deadlines()).await;
        let outstanding = initiator
            .submit(command(0, DataDirection::None))
            .await
            .unwrap();
        drop(initiator);
        let tag = target.command().await.initiator_task_tag;
        target.good(tag).await;
        outstanding.await.unwrap();
        target.answer_logout().await;
        assert!(matches!(driver.await.unwrap(), SessionLost::LoggedOut));
    });
}

#[test]
fn a_write_that_the_target_does_not_take_yet_waits_and_arrives_whole() {
    run(async {
        const LENGTH: usize = 16 << 20;
        let Session {
            initiator,
            mut target,
            ..
        } = session(8, deadlines()).await;
        let data = Bytes::from_iter((0..LENGTH).map(|index| (index % 251) as u8));
        let execute = command(0x0a, DataDirection::Out(data.clone())).within(PHASE * 100);
        let write = initiator.submit(execute).await.unwrap();
        let command = target.command().await;
        let mut received = command.data.to_vec();
        assert!(command.final_bit || command.data.is_empty() || received.len() < LENGTH);
        let mut r2t_sn = 0;
        if !command.final_bit {
            loop {
                let Pdu::DataOut(data_out) = target.next().await else {
                    panic!("no data");
                };
                received.extend_from_slice(&data_out.data);
                if data_out.final_bit {
                    break;
                }
            }
        }
        while received.len() < LENGTH {
            let r2t = R2t {
                lun: lun(1),
                initiator_task_tag: command.initiator_task_tag,
                target_transfer_tag: TargetTransferTag(7),
                stat_sn: target.stat_sn,
                exp_cmd_sn: CmdSn(2),
                max_cmd_sn: CmdSn(8),
                r2t_sn: R2tSn(r2t_sn),
                buffer_offset: u32::try_from(received.len()).unwrap(),
                desired_data_transfer_length: u32::try_from(
                    (LENGTH - received.len()).min(256 * 1024),
                )
                .unwrap(),
            };
            r2t_sn += 1;
            target.send(Pdu::R2t(r2t)).await;
            loop {
                let Pdu::DataOut(data_out) = target.next().await else {
                    panic!("no data");
                };
                received.extend_from_slice(&data_out.data);
                if data_out.final_bit {
                    break;
                }
            }
            sleep(Duration::from_millis(1)).await;
        }
        target.good(command.initiator_task_tag).await;
        assert_eq!(write.await.unwrap().status, 0);
        assert!(received == data, "what arrived is what was given");
    });
}

#[test]
fn discovery_puts_several_responses_together() {
    run(async {
        let Session {
            initiator,
            mut target,
            departures: _,
            ..
        } = session(8, deadlines()).await;
        let asked = spawn_local(async move { initiator.send_targets().await });
        let parts: [&[u8]; 2] = [
            b"TargetName=iqn.2026-11.com.example:one\0TargetAddress=192.0.2.1:3260,1\0Targ",
            b"etAddress=2001:db8::1,1\0TargetName=iqn.2026-11.com.example:two\0",
        ];
        for (index, part) in parts.into_iter().enumerate() {
            let Pdu::TextRequest(request) = target.next().await else {
                panic!("no text request");
            };
            assert!(request.final_bit);
            match index {
                0 => assert_eq!(&request.data[..], b"SendTargets=All\0"),
                _ => {
                    assert_eq!(request.target_transfer_tag, TargetTransferTag(9));
                    assert!(request.data.is_empty());
                }
            }
            let is_last = index == 1;
            let response = TextResponse {
                final_bit: is_last,
                continues: !is_last,
                lun: Lun::default(),
                initiator_task_tag: request.initiator_task_tag,
                target_transfer_tag: match is_last {
                    true => TargetTransferTag::RESERVED,
                    false => TargetTransferTag(9),
                },
                stat_sn: target.take_stat_sn(),
                exp_cmd_sn: CmdSn(1),
                max_cmd_sn: CmdSn(8),
                data: Bytes::from_static(part),
            };
            target.send(Pdu::TextResponse(response)).await;
        }
        let found = asked.await.unwrap().unwrap();
        let names: Vec<&str> = found.iter().map(|target| target.name.as_str()).collect();
        assert_eq!(
            names,
            ["iqn.2026-11.com.example:one", "iqn.2026-11.com.example:two"]
        );
        let addresses: Vec<String> = found[0].addresses.iter().map(ToString::to_string).collect();
        assert_eq!(addresses, ["192.0.2.1:3260", "[2001:db8::1]:3260"]);
        assert_eq!(found[0].departures.len(), 1);
        assert!(found[1].addresses.is_empty());
    });
}

#[test]
fn responses_out_of_the_order_of_their_numbers_are_taken_and_told() {
    run(async {
        let mut session = session(8, deadlines()).await;
        let mut outstanding = Vec::new();
        let mut tags = Vec::new();
        for code in 0..3 {
            let submitted = session.initiator.submit(command(code, DataDirection::None));
            outstanding.push(submitted.await.unwrap());
            tags.push(session.target.command().await.initiator_task_tag);
        }
        let mut responses: Vec<_> = tags
            .into_iter()
            .map(|tag| session.target.response(tag, 0))
            .collect();
        responses.rotate_left(1);
        for response in responses {
            session.target.send(Pdu::ScsiResponse(response)).await;
        }
        for command in outstanding {
            assert_eq!(command.await.unwrap().status, 0);
        }
        let (expected, received) = (StatSn(2), StatSn(3));
        assert_eq!(
            *session.departures.borrow(),
            [Departure::StatSnOutOfOrder { expected, received }]
        );
    });
}

#[test]
fn a_number_that_never_comes_ends_the_session_when_all_is_answered() {
    run(async {
        let mut session = session(8, deadlines()).await;
        let submitted = session.initiator.submit(command(0, DataDirection::None));
        let outstanding = submitted.await.unwrap();
        let tag = session.target.command().await.initiator_task_tag;
        session.target.take_stat_sn();
        session.target.good(tag).await;
        // The answer itself is whole, but what was left out is not known.
        let lost = session.driver.await.unwrap();
        assert!(matches!(
            lost,
            SessionLost::Protocol(SessionError::StatSnMissing {
                expected: StatSn(2)
            })
        ));
        drop(outstanding);
    });
}

#[test]
fn a_target_that_asks_for_a_logout_gets_one_and_the_commands_fail_by_it() {
    run(async {
        let mut session = session(8, deadlines()).await;
        let submitted = session.initiator.submit(command(0, DataDirection::None));
        let outstanding = submitted.await.unwrap();
        session.target.command().await;
        let message = AsyncMessage {
            lun: Lun::default(),
            stat_sn: session.target.take_stat_sn(),
            exp_cmd_sn: CmdSn(2),
            max_cmd_sn: CmdSn(8),
            async_event: AsyncEvent::LOGOUT_REQUEST,
            async_vcode: 0,
            parameter1: 0,
            parameter2: 0,
            parameter3: 5,
            data: Bytes::new(),
        };
        session.target.send(Pdu::AsyncMessage(message)).await;
        session.target.answer_logout().await;
        assert!(matches!(
            outstanding.await,
            Err(ExecuteError::Lost {
                sent: true,
                cause: SessionLost::LogoutRequested
            })
        ));
        let lost = session.driver.await.unwrap();
        assert!(matches!(lost, SessionLost::LogoutRequested));
        // The target named a Time2Wait of its own.
        let time2wait = session.initiator.time2wait();
        assert_eq!(time2wait, Some(Duration::from_secs(3)));
    });
}

async fn login_error(greeting: &[u8], keeps_open: bool) -> AttachError {
    let (ours, mut theirs) = duplex(4096);
    theirs.write_all(greeting).await.unwrap();
    let kept = keeps_open.then_some(theirs);
    let outcome = log_in(ours, &parameters(), deadlines(), |_| {}).await;
    drop(kept);
    outcome.err().expect("no login")
}

#[test]
fn a_peer_that_does_not_speak_iscsi_is_known_by_its_first_bytes() {
    run(async {
        let greetings: [&[u8]; 4] = [
            b"SSH-2.0-OpenSSH_9.6\r\n",
            b"220 ftp ready\r\n",
            b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
            &[0x15, 3, 3, 0, 2, 2, 70],
        ];
        for greeting in greetings {
            let started = Instant::now();
            let error = login_error(greeting, true).await;
            let AttachError::LoginConnection(ConnectionError::NotIscsi { received }) = error else {
                panic!("{error:?}");
            };
            assert_eq!(received, greeting[..greeting.len().min(32)]);
            assert_eq!(started.elapsed(), Duration::ZERO);
        }
    });
}

#[test]
fn a_peer_that_closes_or_is_silent_says_how_far_it_came() {
    run(async {
        assert!(matches!(
            login_error(b"", false).await,
            AttachError::LoginConnection(ConnectionError::ClosedUnanswered)
        ));
        assert!(matches!(
            login_error(&[0x23, 0, 0, 0, 0], false).await,
            AttachError::LoginConnection(ConnectionError::Closed)
        ));
        assert!(matches!(
            login_error(b"", true).await,
            AttachError::LoginTimeout { after, last_received: None } if after == PHASE
        ));
    });
}

#[test]
fn a_lost_session_is_opened_again_when_it_is_over_and_time2wait_has_passed() {
    run(async {
        let mut session = session(8, deadlines()).await;
        let message = AsyncMessage {
            lun: Lun::default(),
            stat_sn: session.target.take_stat_sn(),
            exp_cmd_sn: CmdSn(1),
            max_cmd_sn: CmdSn(8),
            async_event: AsyncEvent::LOGOUT_REQUEST,
            async_vcode: 0,
            parameter1: 0,
            parameter2: 0,
            parameter3: 5,
            data: Bytes::new(),
        };
        session.target.send(Pdu::AsyncMessage(message)).await;
        let began = Instant::now();
        let connecting: Rc<RefCell<Option<Duration>>> = Rc::default();
        let told = Rc::clone(&connecting);
        let observe = move |step: Step<'_>| {
            if let Step::Connecting(_) = step {
                told.replace(Some(began.elapsed()));
            }
        };
        let ended = session.initiator.clone();
        let reopened = spawn_local(async move {
            // Port 0 has no listener: what counts is when it is tried.
            reopen(&ended, "127.0.0.1", 0, &parameters(), deadlines(), observe).await
        });
        sleep(Duration::from_secs(4)).await;
        assert_eq!(*connecting.borrow(), None, "the old session goes on");
        session.target.answer_logout().await;
        assert!(reopened.await.unwrap().is_err());
        // The target named a Time2Wait of three seconds in its answer.
        assert_eq!(*connecting.borrow(), Some(Duration::from_secs(4 + 3)));
    });
}

#[test]
fn a_session_that_may_not_be_opened_again_in_time_is_given_up_at_once() {
    run(async {
        let Session {
            initiator, target, ..
        } = session(8, deadlines()).await;
        drop(target);
        initiator.ended().await;
        let began = Instant::now();
        // Time2Wait is two seconds.
        let short = Deadlines::of_phase(Duration::from_millis(500));
        let outcome = reopen(&initiator, "127.0.0.1", 0, &parameters(), short, |_| {}).await;
        assert!(matches!(
            outcome.err().unwrap(),
            AttachError::GivenUp {
                during: AttachPhase::Connect,
                ..
            }
        ));
        assert_eq!(began.elapsed(), Duration::ZERO);
    });
}
