//! The login phase at the target.

use bytes::{Bytes, BytesMut};
use iscsiswiconfig::iscsi::chap::{
    CHALLENGE_LENGTH, ChapAlgorithm, ChapChallenge, ChapCredentials,
};
use iscsiswiconfig::iscsi::codec::{Decoder, Encoder};
use iscsiswiconfig::iscsi::ids::{
    Cid, CmdSn, InitiatorTaskTag, Isid, LoginStatus, Lun, StatSn, TargetTransferTag, Tsih,
};
use iscsiswiconfig::iscsi::name::IscsiName;
use iscsiswiconfig::iscsi::operational::{Digest, OperationalOffer, SessionType};
use iscsiswiconfig::iscsi::pdu::{LoginRequest, LoginResponse, NopOut, Pdu, Stage};
use iscsiswiconfig::iscsi::target::{
    Accepted, Admission, LoginFailure, LoginStep, MAX_EXCHANGES, Question, Refusal, RequiredChap,
    TargetLogin,
};
use proptest::prelude::*;

const SECURITY: Stage = Stage::SecurityNegotiation;
const OPERATIONAL: Stage = Stage::LoginOperationalNegotiation;
const FULL_FEATURE: Stage = Stage::FullFeaturePhase;

const NAMES: &str =
    "InitiatorName=iqn.2026-11.test:i0\0TargetName=iqn.2026-11.test:vtl\0SessionType=Normal\0";
const SECRET: &[u8] = b"SECRETFORVTL1";

fn request(from: Stage, to: Option<Stage>, text: &str) -> LoginRequest {
    LoginRequest {
        transit: to.is_some(),
        continues: false,
        current_stage: from,
        next_stage: to.unwrap_or_default(),
        version_max: 0,
        version_min: 0,
        isid: Isid([0x80, 1, 2, 3, 4, 5]),
        tsih: Tsih(0),
        initiator_task_tag: InitiatorTaskTag(0x33),
        cid: Cid(4),
        cmd_sn: CmdSn(100),
        exp_stat_sn: StatSn(0),
        data: Bytes::copy_from_slice(text.as_bytes()),
    }
}

fn admission(chap: Option<RequiredChap>) -> Admission {
    Admission {
        tsih: Tsih(0x77),
        portal_group_tag: 3,
        target_alias: None,
        chap,
        offer: OperationalOffer::default(),
    }
}

fn credentials(name: &str, secret: &[u8]) -> ChapCredentials {
    ChapCredentials {
        name: name.to_owned(),
        secret: secret.to_vec().into(),
    }
}

fn chap() -> RequiredChap {
    RequiredChap {
        initiator: credentials("VTLUSER", SECRET),
        own: None,
        algorithms: ChapAlgorithm::ALL.to_vec(),
        challenge: ChapChallenge {
            identifier: 9,
            challenge: [0xab; CHALLENGE_LENGTH],
        },
    }
}

/// A login under way: what the target answered last.
struct Exchange {
    acceptor: TargetLogin,
    response: LoginResponse,
}

impl Exchange {
    fn text(&self) -> String {
        text(&self.response)
    }

    fn give(self, request: LoginRequest) -> LoginStep {
        give(self.acceptor, request)
    }
}

fn text(response: &LoginResponse) -> String {
    String::from_utf8(response.data.to_vec()).unwrap()
}

/// Gives the target a request over the wire.
fn give(acceptor: TargetLogin, request: LoginRequest) -> LoginStep {
    let mut stream = BytesMut::new();
    Encoder::new()
        .encode(&Pdu::LoginRequest(request), &mut stream)
        .unwrap();
    acceptor.handle(Decoder::new(8192).decode(&mut stream).unwrap().unwrap())
}

fn ask(request: LoginRequest) -> Box<Question> {
    match give(TargetLogin::new(32), request) {
        LoginStep::Ask(question) => question,
        other => panic!("{other:?}"),
    }
}

/// Starts a login, which is admitted.
fn start(request: LoginRequest, chap: Option<RequiredChap>) -> LoginStep {
    ask(request).admit(admission(chap))
}

fn goes_on(step: LoginStep) -> Exchange {
    match step {
        LoginStep::Send(acceptor, response) => Exchange {
            acceptor: *acceptor,
            response,
        },
        other => panic!("{other:?}"),
    }
}

fn accepted(step: LoginStep) -> Accepted {
    match step {
        LoginStep::Done(accepted) => *accepted,
        other => panic!("{other:?}"),
    }
}

fn refused(step: LoginStep) -> Refusal {
    match step {
        LoginStep::Refused(refusal) => *refusal,
        other => panic!("{other:?}"),
    }
}

/// The status of a refusal as its response carries it.
fn status(step: LoginStep) -> String {
    let refusal = refused(step);
    let response = refusal.response.unwrap();
    assert_eq!(response.status, refusal.failure.status());
    assert!(!response.transit && response.tsih == Tsih(0));
    response.status.to_string()
}

fn operational(text: &str) -> LoginRequest {
    request(OPERATIONAL, Some(FULL_FEATURE), &format!("{NAMES}{text}"))
}

fn security(text: &str) -> LoginRequest {
    request(SECURITY, Some(OPERATIONAL), &format!("{NAMES}{text}"))
}

#[test]
fn one_exchange_is_enough_without_authentication() {
    // 6.3.1, 11.13
    let accepted = accepted(start(operational("MaxBurstLength=1024\0"), None));
    let response = &accepted.response;
    assert!(response.transit && !response.continues);
    assert_eq!(response.current_stage, OPERATIONAL);
    assert_eq!(response.next_stage, FULL_FEATURE);
    assert_eq!(response.tsih, Tsih(0x77));
    assert_eq!(response.isid, Isid([0x80, 1, 2, 3, 4, 5]));
    assert_eq!(response.initiator_task_tag, InitiatorTaskTag(0x33));
    assert_eq!(response.exp_cmd_sn, CmdSn(100));
    assert_eq!(response.max_cmd_sn, CmdSn(131));
    assert_eq!(
        text(response),
        "TargetPortalGroupTag=3\0MaxBurstLength=1024\0MaxRecvDataSegmentLength=1048576\0"
    );
    assert_eq!(accepted.parameters.max_burst_length, 1024);
    assert_eq!(accepted.parameters.max_recv_data_segment_length, 1 << 20);
    assert_eq!(accepted.parameters.peer_max_recv_data_segment_length, 8192);
    assert_eq!(accepted.cmd_sn, CmdSn(100));
    assert_eq!(accepted.stat_sn, response.stat_sn.next());
    assert_eq!(accepted.command_window, 32);
    assert_eq!(accepted.chap, None);
    assert_eq!(accepted.candidate.cid, Cid(4));
    assert_eq!(
        accepted.candidate.initiator_name.as_str(),
        "iqn.2026-11.test:i0"
    );
}

#[test]
fn the_question_names_who_logs_in_to_what() {
    // 6.3.1
    let question = ask(operational("InitiatorAlias=tape\0"));
    let candidate = question.candidate();
    assert_eq!(
        candidate.target_name.as_ref().map(IscsiName::as_str),
        Some("iqn.2026-11.test:vtl")
    );
    assert_eq!(candidate.session_type, SessionType::Normal);
    assert_eq!(candidate.initiator_alias.as_deref(), Some("tape"));
    let discovery = ask(request(
        OPERATIONAL,
        None,
        "InitiatorName=iqn.2026-11.test:i0\0SessionType=Discovery\0",
    ));
    assert_eq!(discovery.candidate().session_type, SessionType::Discovery);
    assert_eq!(discovery.candidate().target_name, None);
}

#[test]
fn a_discovery_session_has_no_keys_of_a_normal_one() {
    // section 13: Irrelevant when SessionType=Discovery
    let names = "InitiatorName=iqn.2026-11.test:i0\0SessionType=Discovery\0MaxBurstLength=1024\0";
    let accepted = accepted(start(request(OPERATIONAL, Some(FULL_FEATURE), names), None));
    assert!(text(&accepted.response).contains("MaxBurstLength=Irrelevant\0"));
    assert_eq!(accepted.parameters.max_burst_length, 262_144);
}

#[test]
fn missing_names_and_unknown_session_types_are_told() {
    // 11.13.5
    for (names, expected) in [
        ("TargetName=iqn.2026-11.test:vtl\0", "0x0207"),
        ("InitiatorName=iqn.2026-11.test:i0\0", "0x0207"),
        (
            "InitiatorName=\0TargetName=iqn.2026-11.test:vtl\0",
            "0x0207",
        ),
        ("", "0x0207"),
        (
            "InitiatorName=a\0TargetName=b\0SessionType=Other\0",
            "0x0209",
        ),
    ] {
        let step = give(
            TargetLogin::new(32),
            request(OPERATIONAL, Some(FULL_FEATURE), names),
        );
        assert_eq!(status(step), expected, "{names:?}");
    }
    let long = "a".repeat(224);
    for name in [&long, "iqn.\u{1b}[2J", "iqn. x", "iqn.\u{e9}"] {
        let names = format!("InitiatorName={name}\0TargetName=b\0");
        let step = give(TargetLogin::new(32), request(OPERATIONAL, None, &names));
        assert_eq!(status(step), "0x0200", "{name:?}");
    }
}

#[test]
fn a_version_that_is_too_new_is_not_supported() {
    // 11.12.4
    let mut new = operational("");
    new.version_max = 2;
    let step = start(new.clone(), None);
    assert_eq!(accepted(step).response.version_active, 0);
    new.version_min = 1;
    assert_eq!(status(give(TargetLogin::new(32), new)), "0x0205");
}

#[test]
fn the_caller_refuses_with_any_status_or_sends_elsewhere() {
    // 11.13.5
    let step = ask(operational("")).refuse(LoginStatus::new(3, 2));
    let refusal = refused(step);
    assert_eq!(
        refusal.failure,
        LoginFailure::Refused(LoginStatus::new(3, 2))
    );
    assert_eq!(
        refusal.candidate.unwrap().initiator_name.as_str(),
        "iqn.2026-11.test:i0"
    );
    for (permanent, expected) in [(false, "0x0101"), (true, "0x0102")] {
        let address = "[fe80::1]:3261".parse().unwrap();
        let refusal = refused(ask(operational("")).redirect(&address, permanent));
        let response = refusal.response.unwrap();
        assert_eq!(response.status.to_string(), expected);
        assert_eq!(text(&response), "TargetAddress=[fe80::1]:3261\0");
    }
}

#[test]
fn anything_but_a_login_request_ends_the_login() {
    // 4.2.3: at the very start without a word
    let nop_out = || {
        Pdu::NopOut(NopOut {
            immediate: true,
            lun: Lun::default(),
            initiator_task_tag: InitiatorTaskTag(1),
            target_transfer_tag: TargetTransferTag::RESERVED,
            cmd_sn: CmdSn(0),
            exp_stat_sn: StatSn(0),
            data: Bytes::new(),
        })
    };
    assert_eq!(
        refused(TargetLogin::new(32).handle(nop_out())).response,
        None
    );
    let exchange = goes_on(start(security(""), None));
    assert_eq!(status(exchange.acceptor.handle(nop_out())), "0x020b");
}

#[test]
fn security_may_be_skipped_where_it_is_not_required() {
    // 6.3.1: empty, offered with None, or not at all
    for offered in ["", "AuthMethod=None\0", "AuthMethod=CHAP,None\0"] {
        let exchange = goes_on(start(security(offered), None));
        assert!(exchange.response.transit);
        assert_eq!(exchange.response.next_stage, OPERATIONAL);
        assert_eq!(exchange.response.tsih, Tsih(0));
        assert_eq!(
            exchange.text().contains("AuthMethod=None\0"),
            !offered.is_empty()
        );
        assert!(exchange.text().starts_with("TargetPortalGroupTag=3\0"));
        let accepted = accepted(exchange.give(request(
            OPERATIONAL,
            Some(FULL_FEATURE),
            "MaxRecvDataSegmentLength=65536\0",
        )));
        assert_eq!(accepted.parameters.peer_max_recv_data_segment_length, 65536);
        assert!(!text(&accepted.response).contains("TargetPortalGroupTag"));
    }
    assert_eq!(status(start(security("AuthMethod=CHAP\0"), None)), "0x0201");
}

#[test]
fn from_the_security_stage_the_operational_one_is_next() {
    // 6.3: the stage selected may be lower than the one asked for
    let mut straight = security("AuthMethod=None\0");
    straight.next_stage = FULL_FEATURE;
    let exchange = goes_on(start(straight, None));
    assert!(exchange.response.transit);
    assert_eq!(exchange.response.next_stage, OPERATIONAL);
}

#[test]
fn a_login_that_skips_required_authentication_is_refused() {
    // 6.3.1, 11.13.5
    for first in [
        operational(""),
        security(""),
        security("AuthMethod=None\0"),
        security("AuthMethod=KRB5,None\0"),
    ] {
        assert_eq!(status(start(first, Some(chap()))), "0x0201");
    }
    let waiting = goes_on(start(request(SECURITY, None, NAMES), Some(chap())));
    assert!(!waiting.response.transit);
    let chosen = goes_on(waiting.give(request(SECURITY, None, "AuthMethod=CHAP\0")));
    assert_eq!(chosen.text(), "AuthMethod=CHAP\0");
}

/// Logs in as far as the challenge, with the algorithms offered.
fn challenged(offered: &str, required: RequiredChap) -> Exchange {
    let chosen = goes_on(start(security("AuthMethod=CHAP,None\0"), Some(required)));
    assert!(!chosen.response.transit, "T is not granted before CHAP");
    assert!(chosen.text().contains("AuthMethod=CHAP\0"));
    goes_on(chosen.give(request(SECURITY, None, &format!("CHAP_A={offered}\0"))))
}

fn response_to(algorithm: ChapAlgorithm, secret: &[u8]) -> String {
    let response = algorithm.response(9, secret, &[0xab; CHALLENGE_LENGTH]);
    let hex: String = response.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("CHAP_N=VTLUSER\0CHAP_R=0x{hex}\0")
}

#[test]
fn chap_passes_with_every_algorithm_in_the_initiators_order() {
    // 12.1.3
    for (offered, algorithm) in [
        ("5", ChapAlgorithm::Md5),
        ("6,5", ChapAlgorithm::Sha1),
        ("99,7,5", ChapAlgorithm::Sha256),
        ("8,7,6,5", ChapAlgorithm::Sha3_256),
    ] {
        let exchange = challenged(offered, chap());
        assert_eq!(
            exchange.text(),
            format!(
                "CHAP_A={}\0CHAP_I=9\0CHAP_C=0x{}\0",
                algorithm.number(),
                "ab".repeat(CHALLENGE_LENGTH)
            )
        );
        let answer = response_to(algorithm, SECRET);
        let exchange = goes_on(exchange.give(request(SECURITY, Some(OPERATIONAL), &answer)));
        assert!(exchange.response.transit && exchange.response.data.is_empty());
        let accepted = accepted(exchange.give(request(OPERATIONAL, Some(FULL_FEATURE), "")));
        let outcome = accepted.chap.unwrap();
        assert_eq!(outcome.algorithm, algorithm);
        assert!(!outcome.mutual);
    }
}

#[test]
fn chap_proves_the_target_where_it_is_asked_to() {
    // 12.1.3
    let own = b"TARGETSECRET1234";
    let mutual = RequiredChap {
        own: Some(credentials("TGTUSER", own)),
        ..chap()
    };
    let answer = format!(
        "{}CHAP_I=1\0CHAP_C=0x0102\0",
        response_to(ChapAlgorithm::Md5, SECRET)
    );
    let exchange = challenged("5", mutual);
    let exchange = goes_on(exchange.give(request(SECURITY, Some(OPERATIONAL), &answer)));
    let proof: String = ChapAlgorithm::Md5
        .response(1, own, &[1, 2])
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(
        exchange.text(),
        format!("CHAP_N=TGTUSER\0CHAP_R=0x{proof}\0")
    );
    // A target without a secret of its own cannot do that.
    let exchange = challenged("5", chap());
    assert_eq!(
        status(exchange.give(request(SECURITY, Some(OPERATIONAL), &answer))),
        "0x0201"
    );
}

#[test]
fn wrong_chap_is_an_authentication_failure() {
    // 11.13.5, 9.2.1
    let wrong = response_to(ChapAlgorithm::Md5, b"SECRETFORVTL2");
    let other_name = response_to(ChapAlgorithm::Md5, SECRET).replace("VTLUSER", "OTHER");
    for answer in [&wrong[..], &other_name, "CHAP_N=VTLUSER\0", "CHAP_A=5\0"] {
        let exchange = challenged("5", chap());
        let step = exchange.give(request(SECURITY, Some(OPERATIONAL), answer));
        assert_eq!(status(step), "0x0201", "{answer:?}");
    }
    let only_md5 = RequiredChap {
        algorithms: vec![ChapAlgorithm::Md5],
        ..chap()
    };
    let chosen = goes_on(start(security("AuthMethod=CHAP\0"), Some(only_md5)));
    let step = chosen.give(request(SECURITY, None, "CHAP_A=7,8\0"));
    assert_eq!(status(step), "0x0201");
}

#[test]
fn keys_out_of_place_are_initiator_errors() {
    // 6.3: operational keys in the security stage, security keys outside of it, anything twice
    for first in [
        security("MaxBurstLength=1024\0"),
        operational("AuthMethod=None\0"),
        operational("MaxBurstLength=1024\0MaxBurstLength=1024\0"),
        operational("SendTargets=All\0"),
        operational("TargetAlias=x\0"),
        operational("MaxRecvDataSegmentLength=511\0"),
        operational("MaxBurstLength\0"),
        operational("HeaderDigest=NotUnderstood\0"),
    ] {
        assert_eq!(status(start_any(first)), "0x0200");
    }
    let exchange = goes_on(start(
        request(OPERATIONAL, None, &format!("{NAMES}MaxBurstLength=1024\0")),
        None,
    ));
    let again = request(OPERATIONAL, Some(FULL_FEATURE), "MaxBurstLength=1024\0");
    assert_eq!(status(exchange.give(again)), "0x0200");
}

/// Starts a login that may fail before the question.
fn start_any(request: LoginRequest) -> LoginStep {
    match give(TargetLogin::new(32), request) {
        LoginStep::Ask(question) => question.admit(admission(None)),
        other => other,
    }
}

#[test]
fn unknown_keys_are_not_understood_and_illegal_values_rejected() {
    // 6.2
    let accepted = accepted(start(
        operational("X-com.example.key=1\0MaxOutstandingR2T=0\0IFMarker=No\0"),
        None,
    ));
    let text = text(&accepted.response);
    assert!(text.contains("X-com.example.key=NotUnderstood\0"));
    assert!(text.contains("MaxOutstandingR2T=Reject\0"));
    assert!(text.contains("IFMarker=Reject\0"));
}

#[test]
fn digests_are_selected_in_the_initiators_order() {
    // 13.1, 6.2.1
    let offer = OperationalOffer {
        header_digest: vec![Digest::None, Digest::Crc32c],
        data_digest: vec![Digest::Crc32c],
        ..OperationalOffer::default()
    };
    let keys = "HeaderDigest=CRC32C,None\0DataDigest=None,CRC32C\0";
    let step = ask(operational(keys)).admit(Admission {
        offer: offer.clone(),
        ..admission(None)
    });
    let parameters = accepted(step).parameters;
    assert_eq!(parameters.header_digest, Digest::Crc32c);
    assert_eq!(parameters.data_digest, Digest::Crc32c);
    // A digest that is required and not agreed on ends the login.
    let step = ask(operational("")).admit(Admission {
        offer,
        ..admission(None)
    });
    assert_eq!(status(step), "0x0200");
}

#[test]
fn header_fields_stay_as_they_were() {
    // 11.12.5 to 11.12.7, 6.3
    let good = || request(OPERATIONAL, Some(FULL_FEATURE), "");
    let edits: [fn(&mut LoginRequest); 7] = [
        |request| request.isid = Isid::default(),
        |request| request.tsih = Tsih(1),
        |request| request.cid = Cid(5),
        |request| request.initiator_task_tag = InitiatorTaskTag(1),
        |request| request.current_stage = SECURITY,
        |request| request.next_stage = OPERATIONAL,
        |request| request.next_stage = SECURITY,
    ];
    for edit in edits {
        let exchange = goes_on(start(security(""), None));
        let mut request = good();
        edit(&mut request);
        assert_eq!(status(exchange.give(request)), "0x0200");
    }
    let exchange = goes_on(start(security(""), None));
    accepted(exchange.give(good()));
    let mut beyond = operational("");
    beyond.current_stage = FULL_FEATURE;
    assert_eq!(status(give(TargetLogin::new(32), beyond)), "0x0200");
}

#[test]
fn responses_are_numbered() {
    // 4.2.2.2, 11.13.4
    let first = goes_on(start(security("AuthMethod=CHAP\0"), Some(chap())));
    let stat_sn = first.response.stat_sn;
    let second = goes_on(first.give(request(SECURITY, None, "CHAP_A=5\0")));
    assert_eq!(second.response.stat_sn, stat_sn.next());
}

#[test]
fn text_of_the_initiator_goes_on_behind_the_c_bit() {
    // 11.12.2
    let (head, tail) = NAMES.split_at(20);
    let mut first = request(OPERATIONAL, None, head);
    first.continues = true;
    let exchange = goes_on(give(TargetLogin::new(32), first.clone()));
    assert!(exchange.response.data.is_empty() && !exchange.response.transit);
    let step = exchange.give(request(OPERATIONAL, Some(FULL_FEATURE), tail));
    let LoginStep::Ask(question) = step else {
        panic!("{step:?}")
    };
    let accepted = accepted(question.admit(admission(None)));
    assert!(text(&accepted.response).contains("TargetPortalGroupTag=3"));

    first.transit = true;
    first.next_stage = FULL_FEATURE;
    assert_eq!(status(give(TargetLogin::new(32), first)), "0x0200");
}

#[test]
fn text_without_an_end_is_refused() {
    // 6.1, 7.12
    let mut endless = request(OPERATIONAL, None, &"x".repeat(8192));
    endless.continues = true;
    let mut exchange = goes_on(give(TargetLogin::new(32), endless.clone()));
    for _ in 0..7 {
        exchange = goes_on(exchange.give(endless.clone()));
    }
    assert_eq!(status(exchange.give(endless)), "0x0200");
    let idle = || request(SECURITY, None, "");
    let mut exchange = goes_on(start(request(SECURITY, None, NAMES), None));
    for _ in 1..MAX_EXCHANGES {
        exchange = goes_on(exchange.give(idle()));
    }
    assert_eq!(status(exchange.give(idle())), "0x0200");
}

#[test]
fn an_answer_longer_than_a_response_is_fetched_in_parts() {
    // 6.2, 11.13.7: 8192 bytes, T only behind the end
    let keys: String = (0..900).map(|number| format!("X-k{number}=1\0")).collect();
    let keys = format!("{NAMES}{keys}");
    let (first, second) = keys.split_at(8000);
    let mut continued = request(OPERATIONAL, None, first);
    continued.continues = true;
    let exchange = goes_on(give(TargetLogin::new(32), continued));
    let step = exchange.give(request(OPERATIONAL, Some(FULL_FEATURE), second));
    let LoginStep::Ask(question) = step else {
        panic!("{step:?}")
    };
    let mut exchange = goes_on(question.admit(admission(None)));
    let mut received = exchange.text();
    assert_eq!(received.len(), 8192);
    while exchange.response.continues {
        assert!(!exchange.response.transit);
        exchange = goes_on(exchange.give(request(OPERATIONAL, None, "")));
        received.push_str(&exchange.text());
    }
    assert_eq!(received.matches("=NotUnderstood\0").count(), 900);
    accepted(exchange.give(request(OPERATIONAL, Some(FULL_FEATURE), "")));
}

#[test]
fn secrets_do_not_show_in_debug_output() {
    let exchange = challenged("5", chap());
    let shown = format!("{:?}", exchange.acceptor);
    assert!(!shown.contains("SECRET") && !shown.contains("83, 69, 67"));
    let wrong = response_to(ChapAlgorithm::Md5, b"SECRETFORVTL2");
    let refusal = refused(exchange.give(request(SECURITY, Some(OPERATIONAL), &wrong)));
    assert!(!refusal.failure.to_string().contains("SECRET"));
}

proptest! {
    #[test]
    fn arbitrary_requests_never_panic(
        requests in proptest::collection::vec(
            (any::<bool>(), any::<bool>(), 0usize..3, 0usize..3, 0usize..9, any::<bool>()),
            1..8,
        ),
        required: bool,
    ) {
        const STAGES: [Stage; 3] = [SECURITY, OPERATIONAL, FULL_FEATURE];
        const TEXTS: [&str; 9] = [
            "", NAMES, "AuthMethod=CHAP,None\0", "CHAP_A=5\0", "CHAP_N=x\0CHAP_R=0x00\0",
            "MaxBurstLength=1024\0", "junk", "InitialR2T=No\0", "InitiatorName=a\0TargetName=b\0AuthMethod=CHAP\0",
        ];
        let mut acceptor = TargetLogin::new(1);
        for (transit, continues, from, to, text, long) in requests {
            let mut request = request(STAGES[from], transit.then_some(STAGES[to]), TEXTS[text]);
            request.continues = continues;
            if long {
                request.data = Bytes::from(TEXTS[text].repeat(60));
            }
            let step = match give(acceptor, request) {
                LoginStep::Ask(question) => question.admit(admission(required.then(chap))),
                step => step,
            };
            match step {
                LoginStep::Send(next, response) => {
                    prop_assert!(response.data.len() <= 8192);
                    prop_assert_eq!(response.status, LoginStatus::SUCCESS);
                    acceptor = *next;
                }
                LoginStep::Done(accepted) => {
                    prop_assert!(!required, "a login without the secret");
                    prop_assert_eq!(accepted.response.tsih, Tsih(0x77));
                    break;
                }
                LoginStep::Refused(_) => break,
                LoginStep::Ask(_) => panic!("asked twice"),
            }
        }
    }
}
