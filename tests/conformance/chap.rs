//! CHAP (9.2.1, 12.1.3).

use iscsiswiconfig::iscsi::chap::{ChapAlgorithm, ChapChallenge, ChapError, MutualChap};
use iscsiswiconfig::iscsi::login::{LoginChap, LoginError};
use iscsiswiconfig::iscsi::negotiation::NegotiationError;

use super::target::{
    CHALLENGE, Exchange, OPERATIONAL, OUR_CHALLENGE, OUR_IDENTIFIER, SECRET, SECURITY,
    TARGET_SECRET, chap_login, credentials, hex, mutual_login, parameters, stay,
};

fn md5(identifier: u8, secret: &[u8], challenge: &[u8]) -> String {
    hex(&ChapAlgorithm::Md5.response(identifier, secret, challenge))
}

/// An initiator with one-way CHAP over MD5 that waits for its challenge.
fn to_be_challenged() -> Exchange {
    chap_login(&[ChapAlgorithm::Md5]).goes_on(&["AuthMethod=CHAP"])
}

fn challenge_fails(pairs: &[&str]) -> ChapError {
    chap_error(to_be_challenged().fails(pairs))
}

fn chap_error(error: LoginError) -> ChapError {
    match error {
        LoginError::Chap(error) => error,
        other => panic!("{other}"),
    }
}

/// An initiator that waits for the target's own proof.
fn to_be_convinced() -> Exchange {
    let exchange = mutual_login();
    assert_eq!(exchange.sent("AuthMethod").as_deref(), Some("CHAP"));
    exchange.goes_on(&["AuthMethod=CHAP"]).goes_on(&CHALLENGE)
}

fn right_proof() -> String {
    format!(
        "CHAP_R={}",
        md5(OUR_IDENTIFIER, TARGET_SECRET, &OUR_CHALLENGE)
    )
}

#[test]
fn chap_takes_four_exchanges() {
    // CHAP 1.1 CHAP_A Valid, 2.1 CHAP_I Valid, 4.1 CHAP_N Valid; RFC 7143 12.1.3 and Appendix B.
    let exchange = chap_login(&[ChapAlgorithm::Md5]);
    assert!(!exchange.request.transit);
    let exchange = exchange.goes_on(&["AuthMethod=CHAP", "TargetPortalGroupTag=1"]);
    assert_eq!(exchange.pairs(), ["CHAP_A=5"]);
    assert!(!exchange.request.transit);
    let exchange = exchange.goes_on(&CHALLENGE);
    assert_eq!(
        exchange.pairs(),
        [
            "CHAP_N=VTLUSER",
            "CHAP_R=0x84f795bd59e3a565447d85f5e3b4be58"
        ]
    );
    assert!(exchange.request.transit);
    assert_eq!(
        (exchange.request.current_stage, exchange.request.next_stage),
        (SECURITY, OPERATIONAL)
    );
    let exchange = exchange.goes_on(&[]);
    assert_eq!(exchange.request.current_stage, OPERATIONAL);
    let result = exchange.succeeds(&[]);
    assert_eq!(result.auth_method.to_string(), "CHAP");
    assert_eq!(result.chap_algorithm, Some(ChapAlgorithm::Md5));
    assert!(!result.target_authenticated);
}

#[test]
fn algorithms_are_offered_in_order_and_each_one_works() {
    // CHAP 1.1 CHAP_A Valid; RFC 7143 12.1.3.
    for algorithm in ChapAlgorithm::ALL {
        let exchange = chap_login(&ChapAlgorithm::ALL).goes_on(&["AuthMethod=CHAP"]);
        assert_eq!(exchange.sent("CHAP_A").as_deref(), Some("5,6,7,8"));
        let selected = format!("CHAP_A={}", algorithm.number());
        let exchange = exchange.goes_on(&[&selected, "CHAP_I=1", "CHAP_C=0x11223344"]);
        let response = algorithm.response(1, SECRET, &[0x11, 0x22, 0x33, 0x44]);
        assert_eq!(exchange.sent("CHAP_R"), Some(hex(&response)));
        let result = exchange.goes_on(&[]).succeeds(&[]);
        assert_eq!(result.chap_algorithm, Some(algorithm));
    }
}

#[test]
fn an_algorithm_that_was_not_offered_ends_the_login() {
    // CHAP 1.2.1 CHAP_A Invalid Numeric, 1.2.2 Invalid Non-numeric; RFC 7143 12.1.3.
    for value in ["6", "0", "256", "MD5", "5,7", ""] {
        assert!(matches!(
            challenge_fails(&[&format!("CHAP_A={value}"), CHALLENGE[1], CHALLENGE[2]]),
            ChapError::AlgorithmNotOffered { .. }
        ));
    }
    assert!(matches!(
        challenge_fails(&["CHAP_A=Reject"]),
        ChapError::NoCommonAlgorithm { .. }
    ));
}

#[test]
fn chap_keys_before_their_turn_end_the_login() {
    // CHAP 1.3, 2.3, 3.5, 4.5 Out of Order; RFC 7143 12.1.3.
    for key in ["CHAP_A", "CHAP_I", "CHAP_C", "CHAP_N", "CHAP_R"] {
        let pair = format!("{key}=5");
        assert!(matches!(
            chap_login(&[]).fails(&["AuthMethod=CHAP", &pair]),
            LoginError::Negotiation(NegotiationError::OutOfPlace { .. })
        ));
    }
    for key in ["CHAP_N", "CHAP_R"] {
        let pair = format!("{key}=5");
        let pairs = [CHALLENGE[0], CHALLENGE[1], CHALLENGE[2], &pair];
        assert_eq!(challenge_fails(&pairs), ChapError::Unexpected { key });
    }
}

#[test]
fn chap_keys_after_their_turn_end_the_login() {
    // CHAP 1.3, 2.3, 3.5 Out of Order; RFC 7143 12.1.3.
    for key in ["CHAP_A", "CHAP_I", "CHAP_C"] {
        let pair = format!("{key}=5");
        let error = to_be_challenged().goes_on(&CHALLENGE).fails(&[&pair]);
        assert_eq!(chap_error(error), ChapError::Unexpected { key });
        let error = to_be_convinced().fails(&["CHAP_N=TGTUSER", &right_proof(), &pair]);
        assert_eq!(chap_error(error), ChapError::Unexpected { key });
    }
}

#[test]
fn a_challenge_has_all_its_keys() {
    // RFC 7143 12.1.3.
    for (pairs, key) in [
        ([CHALLENGE[1], CHALLENGE[2]], "CHAP_A"),
        ([CHALLENGE[0], CHALLENGE[2]], "CHAP_I"),
        ([CHALLENGE[0], CHALLENGE[1]], "CHAP_C"),
    ] {
        assert_eq!(challenge_fails(&pairs), ChapError::Missing { key });
    }
}

#[test]
fn an_identifier_that_is_no_byte_ends_the_login() {
    // CHAP 2.2 CHAP_I Invalid; RFC 1994 4.1, RFC 7143 12.1.3.
    for value in ["256", "-1", "0x100", "one", ""] {
        assert!(matches!(
            challenge_fails(&[CHALLENGE[0], &format!("CHAP_I={value}"), CHALLENGE[2]]),
            ChapError::Malformed { key: "CHAP_I", .. }
        ));
    }
}

#[test]
fn every_identifier_enters_the_response() {
    // CHAP 2.1 CHAP_I Valid, 2.4 Same Value, 2.6 Different; RFC 1994 4.1.
    for (value, identifier) in [("0", 0), ("255", 255), ("0xfF", 255), ("1", 1)] {
        let pair = format!("CHAP_I={value}");
        let exchange = to_be_challenged().goes_on(&[CHALLENGE[0], &pair, "CHAP_C=0x5a"]);
        assert_eq!(
            exchange.sent("CHAP_R"),
            Some(md5(identifier, SECRET, &[0x5a]))
        );
    }
}

#[test]
fn the_targets_identifier_may_equal_ours() {
    // CHAP 2.5 CHAP_I Reflected; RFC 1994 4.1: each direction numbers its own challenges.
    let pair = format!("CHAP_I={OUR_IDENTIFIER}");
    let exchange = mutual_login()
        .goes_on(&["AuthMethod=CHAP"])
        .goes_on(&[CHALLENGE[0], &pair, CHALLENGE[2]])
        .goes_on(&["CHAP_N=TGTUSER", &right_proof()]);
    assert!(exchange.succeeds(&[]).target_authenticated);
}

#[test]
fn challenges_of_1_to_1024_bytes_are_answered_whatever_their_encoding() {
    // CHAP 3.1 CHAP_C Big, 3.2 Small; RFC 7143 12.1.3 and 6.1.
    for length in [1, 2, 16, 1023, 1024] {
        let challenge = vec![0xab; length];
        let response = md5(42, SECRET, &challenge);
        for encoded in [hex(&challenge), hex(&challenge).to_uppercase()] {
            let pair = format!("CHAP_C={encoded}");
            let exchange = to_be_challenged().goes_on(&[CHALLENGE[0], CHALLENGE[1], &pair]);
            assert_eq!(exchange.sent("CHAP_R"), Some(response.clone()));
        }
    }
    let exchange = to_be_challenged().goes_on(&[CHALLENGE[0], CHALLENGE[1], "CHAP_C=0bq80="]);
    assert_eq!(
        exchange.sent("CHAP_R"),
        Some(md5(42, SECRET, &[0xab, 0xcd]))
    );
}

#[test]
fn challenges_beyond_1024_bytes_and_empty_ones_end_the_login() {
    // CHAP 3.3 CHAP_C Too Big, 3.4 Too Small; RFC 7143 12.1.3, RFC 1994 4.1.
    let too_big = format!("CHAP_C={}", hex(&[0xab; 1025]));
    for pair in [
        too_big.as_str(),
        "CHAP_C=0x",
        "CHAP_C=0b",
        "CHAP_C=",
        "CHAP_C=1234",
    ] {
        assert!(matches!(
            challenge_fails(&[CHALLENGE[0], CHALLENGE[1], pair]),
            ChapError::Binary { key: "CHAP_C", .. }
        ));
    }
}

#[test]
fn our_challenge_sent_back_ends_the_login() {
    // CHAP 3.7 Reflect, 3.8 Reflected; RFC 7143 9.2.1.
    let pair = format!("CHAP_C={}", hex(&OUR_CHALLENGE));
    let error =
        mutual_login()
            .goes_on(&["AuthMethod=CHAP"])
            .fails(&[CHALLENGE[0], CHALLENGE[1], &pair]);
    assert_eq!(chap_error(error), ChapError::ChallengeReflected);
}

#[test]
fn our_challenge_is_not_the_targets() {
    // CHAP 3.6.3 Same Value Parallel Offer, 3.6.4 Serial Offer; RFC 7143 9.2.1.
    let exchange = to_be_convinced();
    assert_eq!(exchange.sent("CHAP_C"), Some(hex(&OUR_CHALLENGE)));
    assert_ne!(
        exchange.sent("CHAP_C").as_deref(),
        CHALLENGE[2].strip_prefix("CHAP_C=")
    );
}

#[test]
fn a_name_of_1_to_255_bytes_is_compared() {
    // CHAP 4.2 CHAP_N Big, 4.3 Small, 4.6 Reflected, 4.8 Different; RFC 7143 12.1.3.
    let big = "N".repeat(255);
    for name in ["T", "VTLUSER", "tgtuser", big.as_str(), ""] {
        let error = to_be_convinced().fails(&[&format!("CHAP_N={name}"), &right_proof()]);
        assert!(matches!(chap_error(error), ChapError::WrongName { .. }));
    }
}

#[test]
fn a_name_beyond_255_bytes_ends_the_login() {
    // CHAP 4.4 CHAP_N Too Big; RFC 7143 6.1.
    let pair = format!("CHAP_N={}", "N".repeat(256));
    assert!(matches!(
        to_be_convinced().fails(&[&pair, &right_proof()]),
        LoginError::Text(_)
    ));
}

#[test]
fn the_same_name_for_both_sides_is_no_matter() {
    // CHAP 4.7 CHAP_N Same; RFC 7143 9.2.1 forbids one secret for both, and says nothing of names.
    let mut login = parameters();
    login.chap = Some(LoginChap {
        credentials: credentials("BOTH", SECRET),
        algorithms: Vec::new(),
        mutual: Some(MutualChap {
            target: credentials("BOTH", TARGET_SECRET),
            challenge: ChapChallenge {
                identifier: OUR_IDENTIFIER,
                challenge: OUR_CHALLENGE,
            },
        }),
    });
    let exchange = Exchange::start(login)
        .goes_on(&["AuthMethod=CHAP"])
        .goes_on(&CHALLENGE)
        .goes_on(&["CHAP_N=BOTH", &right_proof()]);
    assert!(exchange.succeeds(&[]).target_authenticated);
}

#[test]
fn a_wrong_proof_ends_the_login() {
    // CHAP 5.1 CHAP_R Invalid; RFC 7143 12.1.3.
    let wrong = format!(
        "CHAP_R={}",
        md5(OUR_IDENTIFIER, b"ANOTHERSECRET", &OUR_CHALLENGE)
    );
    let error = to_be_convinced().fails(&["CHAP_N=TGTUSER", &wrong]);
    assert_eq!(chap_error(error), ChapError::WrongResponse);
    for value in ["", "0x", "0xzz", "12345", "Reject"] {
        let error = to_be_convinced().fails(&["CHAP_N=TGTUSER", &format!("CHAP_R={value}")]);
        assert!(matches!(
            chap_error(error),
            ChapError::Binary { key: "CHAP_R", .. }
        ));
    }
}

#[test]
fn a_proof_that_is_not_as_long_as_the_digest_ends_the_login() {
    // CHAP 5.2 CHAP_R Too Big, 5.3 Too Small; RFC 7143 12.1.3.
    for (pair, received) in [
        (format!("{}00", right_proof()), 17),
        ("CHAP_R=0x00".to_owned(), 1),
        (format!("CHAP_R={}", hex(&[0; 1024])), 1024),
    ] {
        let error = to_be_convinced().fails(&["CHAP_N=TGTUSER", &pair]);
        assert_eq!(
            chap_error(error),
            ChapError::Length {
                key: "CHAP_R",
                expected: 16,
                received,
            }
        );
    }
    let too_big = format!("CHAP_R={}", hex(&[0; 1025]));
    assert!(matches!(
        chap_error(to_be_convinced().fails(&["CHAP_N=TGTUSER", &too_big])),
        ChapError::Binary { key: "CHAP_R", .. }
    ));
}

#[test]
fn our_own_response_sent_back_ends_the_login() {
    // RFC 7143 9.2.1: the response that we sent, and the one that we would have given to our own challenge.
    let exchange = to_be_convinced();
    let sent = format!("CHAP_R={}", exchange.sent("CHAP_R").unwrap());
    let would_be = format!("CHAP_R={}", md5(OUR_IDENTIFIER, SECRET, &OUR_CHALLENGE));
    let error = exchange.fails(&["CHAP_N=TGTUSER", &sent]);
    assert_eq!(chap_error(error), ChapError::ResponseReflected);
    let error = to_be_convinced().fails(&["CHAP_N=TGTUSER", &would_be]);
    assert_eq!(chap_error(error), ChapError::ResponseReflected);
}

#[test]
fn a_target_without_proof_is_not_believed() {
    // RFC 7143 12.1.3: consent alone does not authenticate the target.
    assert_eq!(
        chap_error(to_be_convinced().fails(&[])),
        ChapError::Missing { key: "CHAP_N" }
    );
    assert_eq!(
        chap_error(to_be_convinced().fails(&[&right_proof()])),
        ChapError::Missing { key: "CHAP_N" }
    );
    for method in ["None", "Reject"] {
        let error = mutual_login().fails(&[&format!("AuthMethod={method}")]);
        assert!(matches!(
            error,
            LoginError::AuthMethodNotOffered { .. } | LoginError::NoCommonAuthMethod { .. }
        ));
    }
}

#[test]
fn a_proof_may_come_before_the_consent() {
    // RFC 7143 6.3.3: the target may keep the T bit clear for another exchange.
    let exchange = to_be_convinced().stays(&["CHAP_N=TGTUSER", &right_proof()]);
    assert!(exchange.request.transit && exchange.pairs().is_empty());
    let result = exchange.goes_on(&[]).succeeds(&[]);
    assert!(result.target_authenticated);
    let late = to_be_convinced()
        .stays(&[])
        .goes_on(&["CHAP_N=TGTUSER", &right_proof()]);
    assert!(late.succeeds(&[]).target_authenticated);
}

#[test]
fn a_proof_that_was_not_asked_for_ends_the_login() {
    // CHAP 4.5 CHAP_N Out of Order; RFC 7143 12.1.3.
    let error = to_be_challenged()
        .goes_on(&CHALLENGE)
        .fails(&["CHAP_N=TGTUSER", &right_proof()]);
    assert_eq!(chap_error(error), ChapError::MutualDemanded);
    let error = to_be_challenged()
        .goes_on(&CHALLENGE)
        .fails(&[&right_proof()]);
    assert_eq!(chap_error(error), ChapError::Unexpected { key: "CHAP_R" });
}

#[test]
fn one_secret_for_both_directions_is_never_used() {
    // RFC 7143 9.2.1.
    let mut login = parameters();
    login.chap = Some(LoginChap {
        credentials: credentials("VTLUSER", SECRET),
        algorithms: Vec::new(),
        mutual: Some(MutualChap {
            target: credentials("TGTUSER", SECRET),
            challenge: ChapChallenge {
                identifier: OUR_IDENTIFIER,
                challenge: OUR_CHALLENGE,
            },
        }),
    });
    let error = Exchange::start(login)
        .goes_on(&["AuthMethod=CHAP"])
        .fails(&CHALLENGE);
    assert_eq!(chap_error(error), ChapError::SameSecret);
}

#[test]
fn an_empty_response_is_no_end() {
    // RFC 7143 6.2: at least six exchanges.
    let mut exchange = chap_login(&[ChapAlgorithm::Md5])
        .stays(&[])
        .goes_on(&["AuthMethod=CHAP"]);
    for _ in 0..2 {
        exchange = exchange.answer(&[], stay).unwrap().goes();
        assert!(exchange.pairs().is_empty());
    }
    let exchange = exchange.goes_on(&CHALLENGE).stays(&[]);
    assert!(exchange.request.transit && exchange.pairs().is_empty());
    exchange.goes_on(&[]).succeeds(&[]);
}
