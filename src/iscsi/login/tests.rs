use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::iscsi::chap::{CHALLENGE_LENGTH, ChapChallenge};
use crate::iscsi::ids::LoginStatus;

fn credentials(name: &str, secret: &str) -> ChapCredentials {
    ChapCredentials {
        name: name.to_owned(),
        secret: secret.as_bytes().to_vec().into(),
    }
}

fn parameters(chap: Option<LoginChap>) -> LoginParameters {
    LoginParameters {
        initiator_name: "iqn.1924-02.com.ibm:ibmi.1-i0".parse().unwrap(),
        target_name: Some("iqn.2020-01.com.example:vtl".parse().unwrap()),
        session_type: SessionType::Normal,
        isid: Isid([0x80, 1, 2, 3, 4, 5]),
        cid: Cid(7),
        cmd_sn: CmdSn(100),
        chap,
        offer: OperationalOffer::default(),
    }
}

fn chap(mutual: bool) -> LoginChap {
    LoginChap {
        credentials: credentials("VTLUSER", "SECRETFORVTL1"),
        algorithms: vec![ChapAlgorithm::Md5],
        mutual: mutual.then(|| MutualChap {
            target: credentials("TGTUSER", "TARGETSECRET1234"),
            challenge: ChapChallenge {
                identifier: 1,
                challenge: [0x22; CHALLENGE_LENGTH],
            },
        }),
    }
}

fn accepting(request: &LoginRequest, stat_sn: u32, data: &'static [u8]) -> LoginResponse {
    let is_final = request.transit && request.next_stage == Stage::FullFeaturePhase;
    LoginResponse {
        transit: request.transit,
        continues: false,
        current_stage: request.current_stage,
        next_stage: request.next_stage,
        version_max: 0,
        version_active: 0,
        isid: request.isid,
        tsih: Tsih(u16::from(is_final)),
        initiator_task_tag: request.initiator_task_tag,
        stat_sn: StatSn(stat_sn),
        exp_cmd_sn: request.cmd_sn,
        max_cmd_sn: request.cmd_sn.plus(31),
        status: LoginStatus::SUCCESS,
        data: Bytes::from_static(data),
    }
}

#[test]
fn without_chap_one_request_carries_all() {
    let (_, request) = Login::start(parameters(None));
    assert_eq!(
        String::from_utf8_lossy(&request.data)
            .split_terminator('\0')
            .collect::<Vec<_>>(),
        [
            "InitiatorName=iqn.1924-02.com.ibm:ibmi.1-i0",
            "TargetName=iqn.2020-01.com.example:vtl",
            "SessionType=Normal",
            "HeaderDigest=None,CRC32C",
            "DataDigest=None,CRC32C",
            "MaxConnections=1",
            "InitialR2T=No",
            "ImmediateData=Yes",
            "MaxRecvDataSegmentLength=1048576",
            "MaxBurstLength=16776192",
            "FirstBurstLength=262144",
            "DefaultTime2Wait=2",
            "DefaultTime2Retain=0",
            "MaxOutstandingR2T=8",
            "DataPDUInOrder=Yes",
            "DataSequenceInOrder=Yes",
            "ErrorRecoveryLevel=0",
        ]
    );
    assert_eq!(
        (request.transit, request.current_stage, request.next_stage),
        (
            true,
            Stage::LoginOperationalNegotiation,
            Stage::FullFeaturePhase
        )
    );
}

#[test]
fn the_result_carries_what_the_session_goes_on_with() {
    let (login, request) = Login::start(parameters(None));
    let response = accepting(
        &request,
        u32::MAX,
        b"TargetPortalGroupTag=3\0TargetAlias=VTL\0MaxRecvDataSegmentLength=65536\0",
    );
    let LoginStep::Done(result) = login.handle(response).unwrap() else {
        panic!("one exchange is enough");
    };
    assert_eq!(
        result.session_parameters(),
        SessionParameters {
            initial_r2t: true,
            immediate_data: true,
            target_max_recv_data_segment_length: 65_536,
            max_burst_length: 262_144,
            first_burst_length: 65_536,
            max_outstanding_r2t: 1,
        }
    );
    assert_eq!(
        (
            result.auth_method,
            result.chap_algorithm,
            result.target_authenticated
        ),
        (AuthMethod::None, None, false)
    );
    assert_eq!(result.tsih, Tsih(1));
    assert_eq!(result.target_portal_group_tag, Some(3));
    assert_eq!(result.target_alias.as_deref(), Some("VTL"));
    assert_eq!((result.cmd_sn, result.exp_stat_sn), (CmdSn(100), StatSn(0)));
    assert_eq!(
        (result.exp_cmd_sn, result.max_cmd_sn),
        (CmdSn(100), CmdSn(131))
    );
}

#[test]
fn an_error_names_field_expected_and_received() {
    let (login, request) = Login::start(parameters(None));
    let mut response = accepting(&request, 5, b"");
    response.isid = Isid([0x80, 1, 2, 3, 4, 6]);
    let error = login.handle(response).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the login response has ISID 0x800102030406, expected 0x800102030405"
    );
}

#[test]
fn a_refusal_shows_status_and_name() {
    let (login, request) = Login::start(parameters(None));
    let mut response = accepting(&request, 5, b"");
    response.status = LoginStatus::new(3, 2);
    let error = login.handle(response).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the target refused the login with status 0x0302 (Out of resources)"
    );
}

#[test]
fn text_beyond_64_kib_ends_the_login() {
    let (mut login, mut request) = Login::start(parameters(None));
    for stat_sn in 0.. {
        let mut response = accepting(&request, stat_sn, &[b'A'; 8192]);
        (response.transit, response.continues) = (false, true);
        response.tsih = Tsih(0);
        match login.handle(response) {
            Ok(LoginStep::Send(next, sent)) => {
                assert!(sent.data.is_empty());
                (login, request) = (*next, sent);
            }
            Ok(step) => panic!("{step:?}"),
            Err(error) => {
                assert!(matches!(error, LoginError::Text(TextError::TooLong { .. })));
                assert_eq!(stat_sn, 8);
                return;
            }
        }
    }
}

#[test]
fn answers_that_do_not_fit_in_one_request_end_the_login() {
    let (login, request) = Login::start(parameters(None));
    let keys: Vec<u8> = (0..600)
        .flat_map(|n| format!("K{n}=\0").into_bytes())
        .collect();
    let mut response = accepting(&request, 0, b"");
    response.transit = false;
    response.tsih = Tsih(0);
    response.data = keys.into();
    assert!(matches!(
        login.handle(response).unwrap_err(),
        LoginError::TooMuchToAnswer {
            limit: MAX_LOGIN_DATA,
            ..
        }
    ));
}

#[test]
fn debug_of_a_login_shows_no_secret() {
    let (login, request) = Login::start(parameters(Some(chap(true))));
    let response = accepting(&request, 0, b"AuthMethod=CHAP\0");
    let LoginStep::Send(next, request) = login.handle(response).unwrap() else {
        panic!("a challenge is still to come");
    };
    let shown = format!("{:?} {next:?} {request:?}", parameters(Some(chap(true))));
    assert!(
        !shown.contains("SECRET") && !shown.contains("83, 69, 67"),
        "{shown}"
    );
}

fn any_text() -> impl Strategy<Value = Vec<u8>> {
    let pair = prop_oneof![
        Just("AuthMethod=CHAP".to_owned()),
        Just("AuthMethod=None".to_owned()),
        Just("CHAP_A=5".to_owned()),
        Just("CHAP_I=1".to_owned()),
        Just("CHAP_C=0x0102".to_owned()),
        Just("CHAP_N=TGTUSER".to_owned()),
        Just("CHAP_R=0x00112233445566778899aabbccddeeff".to_owned()),
        Just("TargetAddress=10.0.0.1".to_owned()),
        "(MaxBurstLength|InitialR2T|HeaderDigest|TargetAlias|IFMarker)=(Yes|No|512|None|Reject|X)",
        "[A-Z][a-z]{0,3}=[a-z]{0,3}",
    ];
    prop_oneof![
        8 => prop::collection::vec(pair, 0..6).prop_map(|pairs| {
            pairs.iter().flat_map(|pair| [pair.as_bytes(), b"\0"].concat()).collect()
        }),
        1 => prop::collection::vec(any::<u8>(), 0..40),
    ]
}

#[derive(Clone, Debug)]
struct AnyResponse {
    text: Vec<u8>,
    transit: bool,
    continues: bool,
    class: u8,
    wrong_field: u8,
}

fn any_response() -> impl Strategy<Value = AnyResponse> {
    (
        any_text(),
        prop::bool::weighted(0.6),
        prop::bool::weighted(0.1),
        prop_oneof![20 => Just(0u8), 1 => 0..4u8],
        prop_oneof![20 => Just(0u8), 1 => 1..8u8],
    )
        .prop_map(
            |(text, transit, continues, class, wrong_field)| AnyResponse {
                text,
                transit,
                continues,
                class,
                wrong_field,
            },
        )
}

proptest! {
    #[test]
    fn arbitrary_responses_never_panic_and_the_login_ends(
        with_chap: bool,
        mutual: bool,
        responses in prop::collection::vec(any_response(), 1..40)
    ) {
        let (mut login, mut request) = Login::start(parameters(with_chap.then(|| chap(mutual))));
        let mut requests = 1;
        for (given, stat_sn) in responses.into_iter().cycle().zip(0..) {
            prop_assert!(requests <= MAX_EXCHANGES);
            let mut response = accepting(&request, stat_sn, b"");
            response.data = given.text.into();
            response.transit &= given.transit && !given.continues;
            response.continues = given.continues;
            response.status = LoginStatus::new(given.class, given.class);
            if !response.transit {
                response.tsih = Tsih(0);
            }
            match given.wrong_field {
                1 => response.stat_sn = StatSn(77),
                2 => response.tsih = Tsih(9),
                3 => response.current_stage = Stage::FullFeaturePhase,
                4 => response.next_stage = Stage::SecurityNegotiation,
                5 => response.version_active = 1,
                6 => response.version_max = 3,
                7 => response.transit = true,
                _ => {}
            }
            match login.handle(response) {
                Ok(LoginStep::Send(next, sent)) => {
                    (login, request) = (*next, sent);
                    requests += 1;
                    prop_assert!(request.data.len() <= MAX_LOGIN_DATA);
                }
                Ok(LoginStep::Done(result)) => {
                    prop_assert!(!mutual || !with_chap, "no target here knows its secret");
                    prop_assert_ne!(result.tsih, Tsih(0));
                    return Ok(());
                }
                Ok(LoginStep::Redirect { .. }) | Err(_) => return Ok(()),
            }
        }
    }
}
