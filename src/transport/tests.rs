//! Sessions with targets that listen on this machine.

use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::pin::pin;
use std::task::{Context, Waker};
use std::thread;

use bytes::BytesMut;

use super::*;
use crate::iscsi::codec::{Decoder, Encoder};
use crate::iscsi::ids::{
    Cid, CmdSn, InitiatorTaskTag, Isid, LoginStatus, StatSn, TargetTransferTag, Tsih,
};
use crate::iscsi::operational::{OperationalOffer, SessionType};
use crate::iscsi::pdu::{LoginRequest, LoginResponse, NopIn, Stage};

const DEADLINES: Deadlines = Deadlines {
    phase: Duration::from_secs(60),
    whole: Duration::from_secs(240),
    ping_interval: None,
};

/// Asks nothing, or one thing.
#[derive(Clone, Copy, Debug)]
enum NoInquiry {
    IsDone,
    /// Sends a TEST UNIT READY, and waits for the answer.
    Asks,
    Waits,
    /// When it is asked what to ask.
    Panics,
}

impl TargetInquiry for NoInquiry {
    fn next(&mut self, _now: Duration) -> Next {
        match self {
            Self::IsDone => Next::Done,
            Self::Asks => {
                *self = Self::Waits;
                Next::Send(vec![InquiryCommand {
                    id: 0,
                    lun: Lun::default(),
                    cdb: Bytes::from_static(&[0; 6]),
                    expected_length: 0,
                }])
            }
            Self::Waits => Next::WaitForAnswers,
            Self::Panics => panic!("a defect"),
        }
    }

    fn take(&mut self, _id: u32, _answer: InquiryAnswer, _now: Duration) {}
}

fn attachment(port: u16, inquiry: NoInquiry) -> Attachment<NoInquiry> {
    Attachment {
        host: "127.0.0.1".to_owned(),
        port,
        login: LoginParameters {
            initiator_name: "iqn.2020-01.com.example:initiator".parse().unwrap(),
            target_name: Some("iqn.2020-01.com.example:target".parse().unwrap()),
            session_type: SessionType::Normal,
            isid: Isid::random([1; 5]),
            cid: Cid(0),
            cmd_sn: CmdSn(1),
            chap: None,
            offer: OperationalOffer::default(),
        },
        inquiry,
        keep: false,
        not_before: None,
    }
}

/// The opcode of a Logout Request (RFC 7143, 11.2.1.2), without the bit for immediate delivery.
const LOGOUT_REQUEST: u8 = 0x06;

/// Starts a target that does this with the first login request of every connection, takes whatever else comes, and closes the
/// connection at a Logout Request.
fn serve(answer: impl Fn(&LoginRequest, &mut TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut input = BytesMut::zeroed(4096);
            let length = stream.read(&mut input).unwrap();
            input.truncate(length);
            let Ok(Some(Pdu::LoginRequest(request))) = Decoder::new(8192).decode(&mut input) else {
                panic!("no login request");
            };
            answer(&request, &mut stream);
            let mut taken = [0; 4096];
            while stream.read(&mut taken).is_ok_and(|length| length > 0) {
                if taken[0] & 0x3f == LOGOUT_REQUEST {
                    break;
                }
            }
        }
    });
    port
}

fn accepts(request: &LoginRequest) -> LoginResponse {
    LoginResponse {
        transit: true,
        continues: false,
        current_stage: request.current_stage,
        next_stage: Stage::FullFeaturePhase,
        version_max: 0,
        version_active: 0,
        isid: request.isid,
        tsih: Tsih(1),
        initiator_task_tag: InitiatorTaskTag(0),
        stat_sn: StatSn(1),
        exp_cmd_sn: CmdSn(1),
        max_cmd_sn: CmdSn(8),
        status: LoginStatus::SUCCESS,
        data: Bytes::new(),
    }
}

/// Starts a target that lets every initiator in and sends it these PDUs.
fn target(behind: Vec<Pdu>) -> u16 {
    serve(move |request, stream| {
        let mut output = BytesMut::new();
        let response = Pdu::LoginResponse(accepts(request));
        for pdu in [response].iter().chain(&behind) {
            Encoder::new().encode(pdu, &mut output).unwrap();
        }
        stream.write_all(&output).unwrap();
    })
}

#[test]
fn a_panic_ends_the_talk_with_one_target_and_no_other() {
    let port = target(Vec::new());
    let attachments = [NoInquiry::Panics, NoInquiry::IsDone];
    let attachments = attachments.map(|inquiry| attachment(port, inquiry)).into();
    let outcomes = attach_all(attachments, DEADLINES, Rc::new(|_, _| {})).unwrap();
    assert!(matches!(outcomes[0], Err(AttachError::Defect)));
    let attached = outcomes[1].as_ref().unwrap();
    assert!(attached.interrupted.is_none());
    assert_eq!(attached.login.portal.port(), port);
}

#[test]
fn a_phase_ends_in_time_while_there_is_always_one_more_pdu_to_take() {
    const SENT: usize = 1000;
    let news = NopIn {
        lun: Lun::default(),
        initiator_task_tag: InitiatorTaskTag::RESERVED,
        target_transfer_tag: TargetTransferTag::RESERVED,
        stat_sn: StatSn(2),
        exp_cmd_sn: CmdSn(1),
        max_cmd_sn: CmdSn(8),
        data: Bytes::new(),
    };
    let port = target(vec![Pdu::NopIn(news); SENT]);
    let taken = Rc::new(Cell::new(0));
    let counter = Rc::clone(&taken);
    let observer = move |_, step: Step<'_>| {
        if let Step::Pdu(PduOnWire {
            pdu: Ok(Pdu::NopIn(_)),
            ..
        }) = step
        {
            if counter.replace(counter.get() + 1) == 0 {
                tokio::time::pause();
            }
            // As on a machine that is busy with other things: twenty take all of the time there is.
            let passes = pin!(tokio::time::advance(DEADLINES.phase / 20));
            let _ = passes.poll(&mut Context::from_waker(Waker::noop()));
        }
    };
    let attachments = vec![attachment(port, NoInquiry::Asks)];
    let mut outcomes = attach_all(attachments, DEADLINES, Rc::new(observer)).unwrap();
    let attached = outcomes.remove(0).unwrap();
    let interrupted = attached.interrupted.unwrap();
    assert!(
        matches!(interrupted, AttachError::AnswerTimeout { .. }),
        "{interrupted}"
    );
    // There is time for twenty, and some for the turns that a task has.
    assert!(taken.get() <= 64, "{} of {SENT}", taken.get());
}

/// Starts a target that sends every initiator elsewhere.
fn redirects_to(addresses: &str) -> u16 {
    let data = Bytes::from(addresses.to_owned());
    serve(move |request, stream| {
        let response = LoginResponse {
            transit: false,
            next_stage: Stage::SecurityNegotiation,
            tsih: Tsih(0),
            status: LoginStatus::new(1, 1),
            data: data.clone(),
            ..accepts(request)
        };
        let mut output = BytesMut::new();
        Encoder::new()
            .encode(&Pdu::LoginResponse(response), &mut output)
            .unwrap();
        stream.write_all(&output).unwrap();
    })
}

/// Returns a port without a listener.
fn closed_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}

#[test]
fn every_address_of_a_redirection_is_tried() {
    let port = target(Vec::new());
    let closed = closed_port();
    let redirects = redirects_to(&format!(
        "TargetAddress=127.0.0.1:{closed}\0TargetAddress=127.0.0.1:{port},1\0"
    ));
    let attachments = vec![attachment(redirects, NoInquiry::IsDone)];
    let mut outcomes = attach_all(attachments, DEADLINES, Rc::new(|_, _| {})).unwrap();
    let attached = outcomes.remove(0).unwrap();
    assert_eq!(attached.login.portal.port(), port);

    let redirects = redirects_to(&format!("TargetAddress=127.0.0.1:{closed}\0"));
    let attachments = vec![attachment(redirects, NoInquiry::IsDone)];
    let mut outcomes = attach_all(attachments, DEADLINES, Rc::new(|_, _| {})).unwrap();
    let Err(AttachError::Redirected { to, source }) = outcomes.remove(0) else {
        panic!("no redirection");
    };
    assert_eq!(to.port, closed);
    assert!(matches!(*source, AttachError::Connect { .. }));
}

#[test]
fn a_bare_ipv6_address_of_a_redirection_is_told() {
    let redirects = redirects_to("TargetAddress=::1\0");
    let told: Rc<std::cell::RefCell<Vec<Departure>>> = Rc::default();
    let departures = Rc::clone(&told);
    let observer = move |_, step: Step<'_>| {
        if let Step::Departed(departure) = step {
            departures.borrow_mut().push(departure.clone());
        }
    };
    let attachments = vec![attachment(redirects, NoInquiry::IsDone)];
    let outcomes = attach_all(attachments, DEADLINES, Rc::new(observer)).unwrap();
    assert!(matches!(
        &outcomes[0],
        Err(AttachError::Redirected { to, .. }) if to.host == "::1" && to.port == 3260
    ));
    let received = "::1".to_owned();
    assert_eq!(*told.borrow(), [Departure::BareIpv6Address { received }]);
}

#[test]
fn a_departure_in_the_login_is_told() {
    let told: Rc<std::cell::RefCell<Vec<Departure>>> = Rc::default();
    let departures = Rc::clone(&told);
    let observer = move |_, step: Step<'_>| {
        if let Step::Departed(departure) = step {
            departures.borrow_mut().push(departure.clone());
        }
    };
    let attachments = vec![attachment(target(Vec::new()), NoInquiry::IsDone)];
    let outcomes = attach_all(attachments, DEADLINES, Rc::new(observer)).unwrap();
    assert!(outcomes[0].is_ok());
    assert_eq!(*told.borrow(), [Departure::MissingPortalGroupTag]);
}

#[test]
fn the_phases_of_a_login_are_measured() {
    const WAIT: Duration = Duration::from_millis(30);

    let slow_target = || {
        serve(|request, stream| {
            thread::sleep(WAIT);
            let mut output = BytesMut::new();
            let response = Pdu::LoginResponse(accepts(request));
            Encoder::new().encode(&response, &mut output).unwrap();
            stream.write_all(&output).unwrap();
            // It answers no logout.
            stream.shutdown(Shutdown::Write).unwrap();
        })
    };
    let named = Attachment {
        host: "localhost".to_owned(),
        ..attachment(slow_target(), NoInquiry::IsDone)
    };
    let attachments = vec![attachment(slow_target(), NoInquiry::IsDone), named];
    let began = std::time::Instant::now();
    let outcomes = attach_all(attachments, DEADLINES, Rc::new(|_, _| {})).unwrap();
    let took = began.elapsed();
    let [by_address, by_name] = &outcomes[..] else {
        panic!("two targets");
    };
    for outcome in [by_address, by_name] {
        let attached = outcome.as_ref().unwrap();
        let times = attached.login.times;
        assert!(times.login >= WAIT, "{times:?}");
        let parts = times.resolve.unwrap_or_default() + times.connect + times.login;
        assert!(parts + attached.asked <= took, "{times:?} of {took:?}");
    }
    let resolve = |outcome: &Result<Attached<NoInquiry>, _>| {
        let attached = outcome.as_ref().ok().unwrap();
        attached.login.times.resolve
    };
    assert_eq!(resolve(by_address), None);
    assert!(resolve(by_name).is_some_and(|resolve| resolve > Duration::ZERO));
}

#[test]
fn an_attachment_waits_until_the_target_may_be_connected_to() {
    let port = closed_port();
    for (wait, is_tried) in [(7, true), (DEADLINES.whole.as_secs(), false)] {
        let (elapsed, outcome, steps) = block_on_paused(async {
            let began = Instant::now();
            let steps = Rc::new(Cell::new(0));
            let counted = Rc::clone(&steps);
            let observe = move |step: Step<'_>| {
                if let Step::Connecting(_) = step {
                    counted.set(counted.get() + 1);
                }
            };
            let attachment = Attachment {
                not_before: Some(ReconnectTime(began + Duration::from_secs(wait))),
                ..attachment(port, NoInquiry::IsDone)
            };
            let outcome = attach::attach(attachment, DEADLINES, observe).await;
            (began.elapsed(), outcome, steps.get())
        });
        let error = outcome.err().unwrap();
        match is_tried {
            true => {
                assert!(elapsed >= Duration::from_secs(wait), "{elapsed:?}");
                assert_eq!(steps, 1);
            }
            // It would not be over within the whole, so it is not waited for.
            false => {
                assert_eq!((elapsed, steps), (Duration::ZERO, 0));
                assert!(matches!(error, AttachError::GivenUp { .. }), "{error:?}");
            }
        }
    }
}
