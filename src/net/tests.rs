//! The talk with targets that listen on this machine.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use bytes::BytesMut;

use super::*;
use crate::iscsi::codec::{Decoder, Encoder};
use crate::iscsi::ids::{Cid, CmdSn, InitiatorTaskTag, Isid, LoginStatus, StatSn, Tsih};
use crate::iscsi::operational::{OperationalOffer, SessionType};
use crate::iscsi::pdu::{LoginResponse, Stage};

const DEADLINES: Deadlines = Deadlines {
    phase: Duration::from_secs(5),
    whole: Duration::from_secs(20),
};

/// Asks nothing, or panics when it is asked what to ask.
#[derive(Debug)]
struct NoInquiry {
    panics: bool,
}

impl Inquiry for NoInquiry {
    fn next(&mut self, _now: Duration) -> Next {
        assert!(!self.panics, "a defect");
        Next::Done
    }

    fn take(&mut self, _id: u32, _answer: Answer, _now: Duration) {}
}

fn attachment(port: u16, panics: bool) -> Attachment<NoInquiry> {
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
        inquiry: NoInquiry { panics },
    }
}

/// Starts a target that lets every initiator in, and closes the connection when something else than the login comes.
fn target() -> u16 {
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
            Encoder::new()
                .encode(&Pdu::LoginResponse(response), &mut output)
                .unwrap();
            stream.write_all(&output).unwrap();
            let _ = stream.read(&mut input);
        }
    });
    port
}

#[test]
fn a_panic_ends_the_talk_with_one_target_and_no_other() {
    let port = target();
    let attachments = vec![attachment(port, true), attachment(port, false)];
    let outcomes = attach_all(attachments, DEADLINES, Rc::new(|_, _| {})).unwrap();
    assert!(matches!(outcomes[0], Err(AttachError::Defect)));
    let attached = outcomes[1].as_ref().unwrap();
    assert!(attached.interrupted.is_none());
    assert_eq!(attached.login.portal.port(), port);
}
