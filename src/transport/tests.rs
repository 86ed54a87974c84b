//! The talk with targets that listen on this machine.

use std::cell::Cell;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use bytes::BytesMut;

use super::*;
use crate::iscsi::codec::{Decoder, Encoder};
use crate::iscsi::ids::{
    Cid, CmdSn, InitiatorTaskTag, Isid, LoginStatus, StatSn, TargetTransferTag, Tsih,
};
use crate::iscsi::operational::{OperationalOffer, SessionType};
use crate::iscsi::pdu::{LoginResponse, NopIn, Stage};

const DEADLINES: Deadlines = Deadlines {
    phase: Duration::from_secs(5),
    whole: Duration::from_secs(20),
};

/// Asks nothing.
#[derive(Clone, Copy, Debug)]
enum NoInquiry {
    IsDone,
    Waits,
    /// When it is asked what to ask.
    Panics,
}

impl Inquiry for NoInquiry {
    fn next(&mut self, _now: Duration) -> Next {
        match self {
            Self::IsDone => Next::Done,
            Self::Waits => Next::WaitForAnswers,
            Self::Panics => panic!("a defect"),
        }
    }

    fn take(&mut self, _id: u32, _answer: Answer, _now: Duration) {}
}

fn attachment(port: u16, inquiry: NoInquiry) -> Attachment<NoInquiry> {
    Attachment {
        host: "127.0.0.1".to_owned(),
        port,
        login: LoginParameters {
            initiator_name: "iqn.2020-01.com.example:initiator".to_owned(),
            target_name: Some("iqn.2020-01.com.example:target".to_owned()),
            session_type: SessionType::Normal,
            isid: Isid::random([1; 5]),
            cid: Cid(0),
            cmd_sn: CmdSn(1),
            chap: None,
            offer: OperationalOffer::default(),
        },
        inquiry,
    }
}

/// Starts a target that lets every initiator in, sends it these PDUs, and closes the connection when something else than the
/// login comes.
fn target(behind: Vec<Pdu>) -> u16 {
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
            let response = LoginResponse {
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
            };
            let mut output = BytesMut::new();
            for pdu in [Pdu::LoginResponse(response)].iter().chain(&behind) {
                Encoder::new().encode(pdu, &mut output).unwrap();
            }
            stream.write_all(&output).unwrap();
            let _ = stream.read(&mut input);
        }
    });
    port
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
        if let Step::Received(Pdu::NopIn(_)) = step {
            counter.set(counter.get() + 1);
            // As a machine does that is busy with other things.
            thread::sleep(Duration::from_millis(5));
        }
    };
    let deadlines = Deadlines {
        phase: Duration::from_millis(100),
        whole: Duration::from_secs(20),
    };
    let attachments = vec![attachment(port, NoInquiry::Waits)];
    let mut outcomes = attach_all(attachments, deadlines, Rc::new(observer)).unwrap();
    let attached = outcomes.remove(0).unwrap();
    let interrupted = attached.interrupted.unwrap();
    assert!(
        matches!(interrupted, AttachError::AnswerTimeout(_)),
        "{interrupted}"
    );
    // At five milliseconds each there is time for twenty.
    assert!(taken.get() <= 21, "{} of {SENT}", taken.get());
}
