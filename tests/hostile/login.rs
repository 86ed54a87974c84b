use std::collections::HashSet;
use std::io::Write;
use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use iscsiswiconfig::iscsi::ids::{InitiatorTaskTag, Isid, StatSn, TargetTransferTag, Tsih};
use iscsiswiconfig::iscsi::pdu::{LoginResponse, NopIn, Pdu, Reject, RejectReason, Stage};
use iscsiswiconfig::iscsi::status::LOGIN_STATUSES;

use super::target::{NAME, OPERATIONAL, Peer, Target, library};
use super::{
    SILENCE, assert_failed, attached, attached_with_chap, configure, connected, failed,
    failed_within, re_ipl, words,
};
use crate::common::{TestEnvironment, targets, text};

fn fails(script: impl Fn(&mut Peer) -> std::io::Result<()> + Send + Sync + 'static) -> String {
    words(&failed(&attached(&Target::start(script)), "login"))
}

fn fails_by_silence(
    script: impl Fn(&mut Peer) -> std::io::Result<()> + Send + Sync + 'static,
) -> String {
    let environment = attached(&Target::start(script));
    words(&failed_within(&environment, "login", SILENCE))
}

fn fails_with_chap(
    script: impl Fn(&mut Peer) -> std::io::Result<()> + Send + Sync + 'static,
) -> String {
    words(&failed(
        &attached_with_chap(&Target::start(script)),
        "login",
    ))
}

#[test]
fn a_target_that_says_nothing_is_given_up() {
    let words = fails_by_silence(Peer::stay_silent);
    assert!(words.contains("not answered within 1 s"), "{words}");
}

#[test]
fn a_target_that_hangs_up_at_once_is_reported() {
    let words = fails(|_| Ok(()));
    assert!(words.contains("connection"), "{words}");
}

#[test]
fn what_is_no_iscsi_target_is_reported() {
    let words = fails(|peer| {
        let page =
            "HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n";
        peer.stream.write_all(page.as_bytes())?;
        peer.stay_silent()
    });
    assert!(words.contains("iSCSI"), "{words}");
    for seed in 0..4u32 {
        fails(move |peer| {
            let noise: Vec<u8> = (0..4096u32)
                .map(|n| (n.wrapping_add(seed).wrapping_mul(2_654_435_761) >> 24) as u8)
                .collect();
            peer.stream.write_all(&noise)?;
            peer.stay_silent()
        });
    }
}

#[test]
fn what_a_target_sends_is_shown_as_received_whatever_its_opcode() {
    let target = Target::start(|peer| {
        peer.receive()?;
        // A NOP-Out, which only an initiator may send.
        peer.stream.write_all(&[0; 48])?;
        peer.stay_silent()
    });
    let environment = attached(&target);
    let output = environment.run(&["-vv", "--timeout", "0.5", "-reipliscsiop"]);
    assert!(output.stderr.contains(": -> Login Request"), "{output}");
    assert!(output.stderr.contains(": <- NOP-Out"), "{output}");
}

#[test]
fn a_response_that_trickles_ends_with_its_phase() {
    let words = fails_by_silence(|peer| {
        let request = peer.login_request()?;
        let response = peer.encoded(&Pdu::LoginResponse(peer.grant(&request, OPERATIONAL)));
        for byte in &response {
            peer.stream.write_all(&[*byte])?;
            thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    });
    assert!(words.contains("not answered within 1 s"), "{words}");
}

/// What is wrong with a response, and the word that has to be in the message.
type Fault = (&'static str, fn(&mut LoginResponse));

#[test]
fn a_response_with_a_wrong_field_names_the_field() {
    let faults: [Fault; 7] = [
        ("Initiator Task Tag", |r| {
            r.initiator_task_tag = InitiatorTaskTag(7)
        }),
        ("ISID", |r| r.isid = Isid([9; 6])),
        ("Version-active", |r| r.version_active = 1),
        ("CSG", |r| r.current_stage = Stage::SecurityNegotiation),
        ("NSG", |r| r.next_stage = Stage::SecurityNegotiation),
        ("TSIH", |r| r.tsih = Tsih(0)),
        ("leaves its stage while", |r| r.continues = true),
    ];
    for (word, fault) in faults {
        let words = fails(move |peer| {
            let request = peer.login_request()?;
            let mut response = peer.grant(&request, OPERATIONAL);
            fault(&mut response);
            peer.send_login(response)?;
            peer.stay_silent()
        });
        assert!(words.contains(word), "{word}: {words}");
    }
    let words = fails(|peer| {
        let request = peer.login_request()?;
        let response = LoginResponse {
            transit: false,
            tsih: Tsih(0),
            next_stage: Stage::default(),
            ..peer.grant(&request, "")
        };
        peer.send_login(response)?;
        peer.stat_sn = StatSn(7);
        peer.log_in()?;
        Ok(())
    });
    assert!(words.contains("StatSN"), "{words}");
}

#[test]
fn another_pdu_than_a_login_response_is_named() {
    let words = fails(|peer| {
        peer.login_request()?;
        let nop_in = NopIn {
            lun: Default::default(),
            initiator_task_tag: InitiatorTaskTag::RESERVED,
            target_transfer_tag: TargetTransferTag::RESERVED,
            stat_sn: StatSn(1),
            exp_cmd_sn: peer.exp_cmd_sn,
            max_cmd_sn: peer.max_cmd_sn(),
            data: Bytes::new(),
        };
        peer.send(&Pdu::NopIn(nop_in))?;
        peer.stay_silent()
    });
    assert!(words.contains("NOP-In"), "{words}");
    let words = fails(|peer| {
        peer.login_request()?;
        let reject = Reject {
            reason: RejectReason::PROTOCOL_ERROR,
            stat_sn: StatSn(1),
            exp_cmd_sn: peer.exp_cmd_sn,
            max_cmd_sn: peer.max_cmd_sn(),
            data_sn: 0,
            data: Bytes::from_static(&[3; 48]),
        };
        peer.send(&Pdu::Reject(reject))?;
        peer.stay_silent()
    });
    assert!(words.contains("Reject"), "{words}");
}

fn goes_on(peer: &mut Peer, continues: bool, text: &str) -> std::io::Result<()> {
    loop {
        let request = peer.login_request()?;
        let response = LoginResponse {
            transit: false,
            next_stage: Stage::SecurityNegotiation,
            tsih: Tsih(0),
            continues,
            ..peer.grant(&request, text)
        };
        peer.send_login(response)?;
    }
}

#[test]
fn text_without_an_end_has_one() {
    let full = "x".repeat(8192);
    let words = fails(move |peer| goes_on(peer, true, &full));
    assert!(words.contains("longer than 65536 bytes"), "{words}");
    let words = fails(|peer| goes_on(peer, true, ""));
    assert!(words.contains("did not end within"), "{words}");
}

#[test]
fn a_login_that_never_ends_is_ended() {
    let words = fails(|peer| goes_on(peer, false, ""));
    assert!(words.contains("did not end within"), "{words}");
}

#[test]
fn a_response_of_sixteen_megabytes_is_refused_by_its_header() {
    let words = fails(|peer| {
        let request = peer.login_request()?;
        let mut bytes = peer.encoded(&Pdu::LoginResponse(peer.grant(&request, "")));
        bytes[5..8].fill(0xff);
        peer.stream.write_all(&bytes)?;
        peer.stay_silent()
    });
    assert!(words.contains("16777215 bytes of data"), "{words}");
}

#[test]
fn text_from_the_target_is_escaped_and_cut() {
    let words = fails(|peer| {
        let request = peer.login_request()?;
        let text = format!("HeaderDigest=\u{1b}[2J\u{e4}\n{}\0", "x".repeat(4000));
        peer.send_login(peer.grant(&request, &text))?;
        peer.stay_silent()
    });
    assert!(words.len() < 600, "{words}");
}

#[test]
fn every_login_status_has_its_own_sentence() {
    let refusals: Vec<_> = LOGIN_STATUSES
        .iter()
        .map(|row| row.status)
        .filter(|status| status.class > 1)
        .collect();
    assert_eq!(refusals.len(), 15);
    let running: Vec<_> = refusals
        .iter()
        .map(|status| {
            let (class, detail) = (status.class, status.detail);
            let target = Target::start(move |peer| peer.send_status(class, detail, ""));
            (
                format!("iqn.2020-01.com.example:status-{class:02x}{detail:02x}"),
                target.port,
            )
        })
        .collect();
    let environment = TestEnvironment::new();
    configure(&environment, &running);
    let output = re_ipl(&environment).assert_status(4);
    let mut causes = HashSet::new();
    for (target, status) in targets(&output.json()).iter().zip(&refusals) {
        assert_failed(target, "login");
        let expected = format!("0x{:02x}{:02x}", status.class, status.detail);
        assert_eq!(target["failure"]["login_status"], expected);
        let cause = text(&target["failure"]["message"]).replace(text(&target["target_name"]), "");
        assert!(causes.insert(cause), "{target:#}");
    }
    assert_eq!(causes.len(), refusals.len());
}

#[test]
fn a_status_that_no_standard_knows_is_reported_in_hex() {
    let target = Target::start(|peer| peer.send_status(9, 0x77, ""));
    let report = failed(&attached(&target), "login");
    assert_eq!(report["failure"]["login_status"], "0x0977");
}

#[test]
fn a_redirection_in_a_circle_is_left() {
    let port = Arc::new(AtomicU16::new(0));
    let own = Arc::clone(&port);
    let target = Target::start(move |peer| {
        let address = format!("TargetAddress=127.0.0.1:{}\0", own.load(Ordering::SeqCst));
        peer.send_status(1, 1, &address)
    });
    port.store(target.port, Ordering::SeqCst);
    let words = words(&failed(&attached(&target), "login"));
    assert!(words.contains("redirected the login"), "{words}");
    assert!(target.connections() <= 8, "{}", target.connections());
}

#[test]
fn a_redirection_that_says_no_address_is_reported() {
    let words = fails(|peer| peer.send_status(1, 1, ""));
    assert!(words.contains("TargetAddress"), "{words}");
    let words = fails(|peer| peer.send_status(1, 2, "TargetAddress=\u{1b}[2J:99999,x\0"));
    assert!(words.contains("cannot be read"), "{words}");
}

fn challenges(peer: &mut Peer, text: &str) -> std::io::Result<()> {
    let request = peer.login_request()?;
    peer.send_login(peer.grant(&request, "AuthMethod=CHAP\0"))?;
    let request = peer.login_request()?;
    peer.send_login(peer.grant(&request, text))?;
    peer.stay_silent()
}

#[test]
fn a_challenge_that_chap_does_not_allow_is_refused() {
    let long = format!("CHAP_A=5\0CHAP_I=1\0CHAP_C=0x{}\0", "ab".repeat(1025));
    let words = fails_with_chap(move |peer| challenges(peer, &long));
    assert!(words.contains("CHAP_C"), "{words}");
    for text in [
        "CHAP_A=5\0CHAP_I=1\0CHAP_C=0x\0",
        "CHAP_A=5\0CHAP_I=1\0CHAP_C=hello\0",
        "CHAP_A=5\0CHAP_I=1\0",
    ] {
        let words = fails_with_chap(move |peer| challenges(peer, text));
        assert!(words.contains("CHAP_C"), "{words}");
    }
    for text in [
        "CHAP_A=5\0CHAP_I=256\0CHAP_C=0x0123456789abcdef\0",
        "CHAP_A=5\0CHAP_C=0x0123456789abcdef\0",
    ] {
        let words = fails_with_chap(move |peer| challenges(peer, text));
        assert!(words.contains("CHAP_I"), "{words}");
    }
}

#[test]
fn a_target_that_picks_no_authentication_is_connected_and_reported() {
    let target = Target::start(|peer| {
        let request = peer.login_request()?;
        peer.send_login(peer.grant(&request, "AuthMethod=None\0"))?;
        let request = peer.login_request()?;
        peer.send_login(peer.grant(&request, ""))?;
        peer.log_in()?;
        peer.serve(library)
    });
    let report = connected(&attached_with_chap(&target));
    assert_eq!(report["session"]["auth_method"], "None");
}

#[test]
fn departures_without_consequence_do_not_fail_a_target() {
    let target = Target::start(|peer| {
        let text = format!(
            "{}IFMarker=No\0OFMarker=No\0X-com.example.speed=11\0TargetName={NAME}\0SessionType=Normal\0\
             MaxConnections=1 \0\0TargetPortalGroupTag=x\0TargetAlias=",
            OPERATIONAL.replace("DefaultTime2Retain=0", "DefaultTime2Retain=20")
        );
        let request = peer.login_request()?;
        let mut first = peer.grant(&request, &text);
        (first.transit, first.next_stage) = (false, Stage::SecurityNegotiation);
        first.tsih = Tsih(9);
        first.data = [text.as_bytes(), b"V\xe9L"].concat().into();
        peer.send(&Pdu::LoginResponse(first))?;
        let request = peer.login_request()?;
        // The last response has the StatSN of the first.
        let last = peer.grant(&request, "iSCSIProtocolLevel=1\0MaxBurstLength=262144\0");
        peer.send_login(last)?;
        peer.serve(library)
    });
    let report = connected(&attached(&target));
    assert_eq!(report["session"]["target_alias"], "V\\u{fffd}L");
}

#[test]
fn a_target_that_is_given_up_between_redirections_failed_at_the_login() {
    let port = Arc::new(AtomicU16::new(0));
    let own = Arc::clone(&port);
    let target = Target::start(move |peer| {
        thread::sleep(Duration::from_millis(1750));
        let address = format!("TargetAddress=127.0.0.1:{}\0", own.load(Ordering::SeqCst));
        peer.send_status(1, 1, &address)
    });
    port.store(target.port, Ordering::SeqCst);
    let words = words(&failed_within(&attached(&target), "login", "2"));
    assert!(words.contains("given up after 8 s"), "{words}");
}

/// Returns a port on which nothing listens.
fn closed_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}

#[test]
fn a_redirection_that_leads_nowhere_is_blamed_on_where_it_leads() {
    let port = closed_port();
    let target = Target::start(move |peer| {
        peer.send_status(1, 2, &format!("TargetAddress=127.0.0.1:{port}\0"))
    });
    let said = words(&failed(&attached(&target), "connect"));
    assert!(
        said.contains(&format!("redirected the login to 127.0.0.1:{port}")),
        "{said}"
    );
    assert!(said.contains("sends initiators"), "{said}");
    assert!(!said.contains(&format!("port {}", target.port)), "{said}");

    let refusing = Target::start(|peer| peer.send_status(2, 2, ""));
    let port = refusing.port;
    let target = Target::start(move |peer| {
        peer.send_status(1, 1, &format!("TargetAddress=127.0.0.1:{port}\0"))
    });
    let report = failed(&attached(&target), "login");
    assert_eq!(report["failure"]["login_status"], "0x0202");
    let said = words(&report);
    assert!(said.contains(&format!("127.0.0.1:{port}")), "{said}");
}

#[test]
fn a_redirection_to_a_good_portal_connects_there() {
    let good = Target::start(|peer| peer.run(|_| None));
    let port = good.port;
    let target = Target::start(move |peer| {
        peer.send_status(1, 1, &format!("TargetAddress=127.0.0.1:{port}\0"))
    });
    let report = connected(&attached(&target));
    assert_eq!(report["session"]["portal"], format!("127.0.0.1:{port}"));
}

#[test]
fn an_algorithm_or_method_that_was_not_offered_has_its_own_next_step() {
    for answer in [
        "CHAP_A=Reject\0",
        "CHAP_A=7\0CHAP_I=1\0CHAP_C=0x0123456789abcdef\0",
    ] {
        let words = fails_with_chap(move |peer| challenges(peer, answer));
        assert!(words.contains("--chap-algorithms"), "{words}");
    }
    for method in ["AuthMethod=Reject\0", "AuthMethod=KRB5\0"] {
        let words = fails_with_chap(move |peer| {
            let request = peer.login_request()?;
            peer.send_login(peer.grant(&request, method))?;
            peer.stay_silent()
        });
        assert!(words.contains("which authentication"), "{words}");
    }
}

#[test]
fn nothing_that_is_printed_lets_the_secret_be_guessed() {
    let sent = Arc::new(Mutex::new(String::new()));
    let seen = Arc::clone(&sent);
    let target = Target::start(move |peer| {
        let request = peer.login_request()?;
        peer.send_login(peer.grant(&request, "AuthMethod=CHAP\0"))?;
        let request = peer.login_request()?;
        let challenge = "CHAP_A=5\0CHAP_I=1\0CHAP_C=0x0123456789abcdef\0";
        peer.send_login(peer.grant(&request, challenge))?;
        let request = peer.login_request()?;
        let text = String::from_utf8_lossy(&request.data).into_owned();
        let response = text
            .split('\0')
            .find_map(|pair| pair.strip_prefix("CHAP_R=0x"));
        seen.lock()
            .unwrap()
            .push_str(response.expect("a response in hex"));
        // A target that sends it back does not make it public.
        let echo = format!("CHAP_R=0x{}\0X-Echo={text}", response.unwrap());
        peer.send_login(peer.grant(&request, &echo))?;
        peer.stay_silent()
    });
    let environment = attached_with_chap(&target);
    let arguments = ["--json", "--timeout", "0.5", "-vv", "-reipliscsiop"];
    let output = super::outcome(environment.start(&arguments)).assert_status(4);
    let response = sent.lock().unwrap();
    assert_eq!(response.len(), 32, "{}", *output);
    for stream in [&output.stdout, &output.stderr] {
        assert!(
            !stream.to_lowercase().contains(&response.to_lowercase()),
            "{}",
            *output
        );
    }
    assert!(output.stderr.contains("CHAP_N=SOMECHAPNAME"), "{}", *output);
}
