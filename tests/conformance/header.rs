//! The header fields and the stages of the login phase (6.3, 11.12, 11.13).

use iscsiswiconfig::iscsi::ids::{CmdSn, InitiatorTaskTag, Isid, LoginStatus, StatSn, Tsih};
use iscsiswiconfig::iscsi::login::{ChapProgress, LoginError, LoginParameters, MAX_EXCHANGES};
use iscsiswiconfig::iscsi::operational::SessionType;

use super::target::{
    CHALLENGE, Exchange, FIRST_STAT_SN, FULL_FEATURE, OPERATIONAL, SECURITY, Step, chap_login,
    mutual_login, open_login, parameters, stay,
};

fn field(error: LoginError) -> &'static str {
    match error {
        LoginError::Field { field, .. } => field,
        other => panic!("{other}"),
    }
}

#[test]
fn a_login_without_security_takes_one_exchange() {
    // Login 1.1 Standard Login; RFC 7143 6.3.1.
    let exchange = open_login();
    let request = &exchange.request;
    assert_eq!(
        (request.current_stage, request.next_stage),
        (OPERATIONAL, FULL_FEATURE)
    );
    assert!(request.transit && !request.continues);
    assert_eq!((request.version_max, request.version_min), (0, 0));
    let result = exchange.succeeds(&["TargetPortalGroupTag=1"]);
    assert_eq!(result.tsih, Tsih(0x77));
    assert_eq!(result.target_portal_group_tag, Some(1));
}

#[test]
fn a_new_session_is_asked_for_with_tsih_0_in_every_request() {
    // Login 2.1 TSIH; RFC 7143 11.12.6.
    let exchange = open_login();
    assert_eq!(exchange.request.tsih, Tsih(0));
    assert_eq!(exchange.stays(&[]).request.tsih, Tsih(0));
}

#[test]
fn the_final_response_needs_a_tsih() {
    // Login 2.2 TSIH Invalid Value; RFC 7143 11.13.3.
    assert_eq!(
        open_login().fails_with(&[], |response| response.tsih = Tsih(0)),
        LoginError::NoTsih
    );
}

#[test]
fn the_initiator_keeps_asking_until_the_target_lets_it_go_on() {
    // Login 3.2 T-Bit Delay; RFC 7143 6.3.3.
    let mut exchange = open_login();
    for _ in 0..5 {
        exchange = exchange.stays(&[]);
        assert!(exchange.request.transit && exchange.pairs().is_empty());
        assert_eq!(exchange.request.next_stage, FULL_FEATURE);
    }
    exchange.succeeds(&[]);
}

#[test]
fn a_target_may_not_leave_the_stage_unasked() {
    // Login 3.1 T-Bit; RFC 7143 11.13.6.
    let error = chap_login(&[]).fails_with(&["AuthMethod=None"], |response| {
        response.transit = true;
        response.next_stage = OPERATIONAL;
    });
    assert_eq!(error, LoginError::TransitNotRequested);
}

#[test]
fn a_target_goes_to_the_stage_that_was_asked_for() {
    // RFC 7143 6.3, table of stage transitions.
    let error = open_login().fails_with(&[], |response| response.next_stage = SECURITY);
    assert_eq!(field(error), "NSG");
    let error = chap_login(&[])
        .goes_on(&["AuthMethod=None"])
        .fails_with(&[], |response| response.next_stage = FULL_FEATURE);
    assert_eq!(field(error), "NSG");
}

#[test]
fn a_response_belongs_to_the_stage_of_its_request() {
    // RFC 7143 6.3 and 11.12.3.
    let error = open_login().fails_with(&[], |response| response.current_stage = SECURITY);
    assert_eq!(field(error), "CSG");
}

#[test]
fn any_first_stat_sn_is_taken_and_acknowledged() {
    // Login 4.1 StatSN Zero, 4.2 StatSN Non-Zero, 5.1 ExpStatSN; RFC 7143 11.13.4 and 11.12.9.
    for first in [0, 1, 0x8000_0000, u32::MAX] {
        let exchange = open_login()
            .answer(&[], |response| {
                stay(response);
                response.stat_sn = StatSn(first);
            })
            .unwrap()
            .goes();
        assert_eq!(exchange.request.exp_stat_sn, StatSn(first).next());
        let result = exchange.succeeds(&[]);
        assert_eq!(result.exp_stat_sn, StatSn(first).plus(2));
    }
}

#[test]
fn a_stat_sn_that_skips_a_number_ends_the_login() {
    // RFC 7143 11.13.4.
    for wrong in [FIRST_STAT_SN - 1, FIRST_STAT_SN + 2] {
        let error = open_login()
            .stays(&[])
            .fails_with(&[], |response| response.stat_sn = StatSn(wrong));
        assert_eq!(
            error,
            LoginError::Field {
                field: "StatSN",
                expected: u64::from(FIRST_STAT_SN) + 1,
                received: u64::from(wrong),
            }
        );
    }
}

#[test]
fn the_task_tag_isid_cid_and_cmd_sn_stay_the_same_to_the_end() {
    // RFC 7143 6.3, 11.12.6 to 11.12.8.
    let first = chap_login(&[]);
    let request = first.request.clone();
    let second = first.goes_on(&["AuthMethod=None"]);
    let third = second.goes_on(&[]);
    let later = &third.request;
    assert_eq!(later.initiator_task_tag, request.initiator_task_tag);
    assert_eq!((later.isid, later.cid), (request.isid, request.cid));
    assert_eq!(later.cmd_sn, CmdSn(0xffff_fff0));
    assert_eq!(third.succeeds(&[]).cmd_sn, CmdSn(0xffff_fff0));
}

#[test]
fn a_response_to_another_login_ends_it() {
    // RFC 7143 6.3 (one task) and 11.13.
    let error = open_login().fails_with(&[], |response| {
        response.initiator_task_tag = InitiatorTaskTag(0x1234);
    });
    assert_eq!(field(error), "Initiator Task Tag");
    let error = open_login().fails_with(&[], |response| response.isid = Isid([0; 6]));
    assert_eq!(field(error), "ISID");
}

#[test]
fn another_version_ends_the_login() {
    // RFC 7143 11.13.1 and 11.13.2.
    let error = open_login().fails_with(&[], |response| response.version_active = 1);
    assert_eq!(field(error), "Version-active");
    let error = open_login()
        .stays(&[])
        .fails_with(&[], |response| response.version_max = 1);
    assert_eq!(field(error), "Version-max");
}

#[test]
fn a_response_that_goes_on_is_answered_with_an_empty_request() {
    // RFC 7143 6.2 and 11.13.7.
    let exchange = open_login()
        .answer(&[], |response| {
            stay(response);
            response.continues = true;
            response.data = "MaxBurst".into();
        })
        .unwrap()
        .goes();
    assert!(exchange.pairs().is_empty());
    let Step::Done(result) = exchange
        .answer(&[], |response| response.data = "Length=8192\0".into())
        .unwrap()
    else {
        panic!("the login did not end");
    };
    assert_eq!(result.parameters.max_burst_length, 8192);
}

#[test]
fn a_response_that_goes_on_may_not_leave_the_stage() {
    // RFC 7143 11.13.7.
    assert_eq!(
        open_login().fails_with(&[], |response| response.continues = true),
        LoginError::TransitWithContinue
    );
}

#[test]
fn a_login_is_given_up_after_a_bounded_number_of_exchanges_but_not_after_six() {
    // RFC 7143 6.2.
    let mut exchange = open_login();
    for _ in 1..MAX_EXCHANGES {
        exchange = exchange.stays(&[]);
    }
    assert_eq!(
        exchange.fails_with(&[], stay),
        LoginError::TooManyExchanges {
            limit: MAX_EXCHANGES
        }
    );
    const { assert!(MAX_EXCHANGES >= 6) };
}

#[test]
fn a_refusal_ends_the_login_with_its_status_at_every_step() {
    // RFC 7143 11.13.5.
    for (class, detail) in [
        (2, 0),
        (2, 1),
        (2, 2),
        (2, 3),
        (2, 7),
        (3, 0),
        (3, 2),
        (9, 9),
    ] {
        let status = LoginStatus::new(class, detail);
        let refuse = |exchange: Exchange| {
            exchange.fails_with(&[], |response| {
                stay(response);
                // The sequence numbers of a refusal mean nothing.
                response.stat_sn = StatSn(0);
                response.current_stage = SECURITY;
                response.status = status;
            })
        };
        let refused = |chap| LoginError::Refused { status, chap };
        let not_used = refused(ChapProgress::NotUsed);
        assert_eq!(refuse(open_login()), not_used);
        assert_eq!(refuse(open_login().stays(&[])), not_used);
        let method_offered = refused(ChapProgress::MethodOffered);
        assert_eq!(refuse(chap_login(&[])), method_offered);
        let exchange = chap_login(&[]).goes_on(&["AuthMethod=CHAP"]);
        assert_eq!(refuse(exchange), refused(ChapProgress::AlgorithmsOffered));
        for (login, mutual) in [(chap_login(&[]), false), (mutual_login(), true)] {
            let exchange = login.goes_on(&["AuthMethod=CHAP"]).goes_on(&CHALLENGE);
            let sent = refused(ChapProgress::ResponseSent { mutual });
            assert_eq!(refuse(exchange), sent);
        }
        let exchange = chap_login(&[]).goes_on(&["AuthMethod=None"]);
        assert_eq!(refuse(exchange), not_used);
    }
}

fn redirect(exchange: Exchange, detail: u8, pairs: &[&str]) -> Result<Step, LoginError> {
    exchange.answer(pairs, |response| {
        stay(response);
        response.status = LoginStatus::new(1, detail);
    })
}

#[test]
fn a_redirection_is_followed_before_and_after_authentication() {
    // RFC 7143 11.13.5 and 13.8.
    for (exchange, detail, permanent) in [
        (open_login(), 1, false),
        (open_login(), 2, true),
        (chap_login(&[]).goes_on(&["AuthMethod=CHAP"]), 1, false),
        (
            chap_login(&[]).goes_on(&["AuthMethod=None"]).goes_on(&[]),
            2,
            true,
        ),
    ] {
        let pairs = ["TargetAddress=[2001:db8::5]:3261", "TargetAddress=10.0.0.9"];
        match redirect(exchange, detail, &pairs) {
            Ok(Step::Redirect(address, moved)) => {
                let both = "[2001:db8::5]:3261 10.0.0.9:3260";
                assert_eq!((address.as_str(), moved), (both, permanent));
            }
            _ => panic!("not redirected"),
        }
    }
}

#[test]
fn a_redirection_without_a_usable_address_ends_the_login() {
    // RFC 7143 11.13.5 and 13.8.
    assert_eq!(
        redirect(open_login(), 1, &[]).err(),
        Some(LoginError::RedirectWithoutAddress {
            status: LoginStatus::new(1, 1)
        })
    );
    assert!(matches!(
        redirect(open_login(), 1, &["TargetAddress=:3260"]).err(),
        Some(LoginError::RedirectAddress(_))
    ));
}

#[test]
fn a_discovery_session_names_its_type_and_needs_no_target() {
    // Login 21.1 SessionType; RFC 7143 13.21.
    let exchange = Exchange::start(LoginParameters {
        session_type: SessionType::Discovery,
        target_name: None,
        ..parameters()
    });
    assert_eq!(exchange.sent("SessionType").as_deref(), Some("Discovery"));
    assert_eq!(exchange.sent("TargetName"), None);
    for irrelevant in [
        "MaxConnections",
        "InitialR2T",
        "MaxBurstLength",
        "DataPDUInOrder",
    ] {
        assert_eq!(exchange.sent(irrelevant), None);
    }
    exchange.succeeds(&["HeaderDigest=None", "DefaultTime2Wait=2"]);
}
