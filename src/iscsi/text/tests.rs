use proptest::prelude::*;

use super::*;

fn pairs(bytes: &[u8]) -> Vec<(String, String)> {
    TextPairs::decode(bytes)
        .unwrap()
        .iter()
        .map(|pair| (pair.key.clone(), pair.value.clone()))
        .collect()
}

fn error(bytes: &[u8]) -> TextError {
    TextPairs::decode(bytes).unwrap_err()
}

#[test]
fn encodes_each_pair_with_its_nul() {
    let mut text = TextPairs::new();
    text.push("InitialR2T", "No");
    text.push("TargetAlias", "");
    assert_eq!(&text.encode()[..], b"InitialR2T=No\0TargetAlias=\0");
}

#[test]
fn splits_at_the_first_equals_sign_only() {
    assert_eq!(
        pairs(b"X-a.b=c=d\0CHAP_N=\0"),
        [
            ("X-a.b".to_owned(), "c=d".to_owned()),
            ("CHAP_N".to_owned(), String::new())
        ]
    );
}

#[test]
fn accepts_empty_text_and_padding_counted_as_data() {
    assert!(TextPairs::decode(b"").unwrap().is_empty());
    assert!(TextPairs::decode(b"\0\0\0").unwrap().is_empty());
    assert_eq!(pairs(b"A=b\0\0\0").len(), 1);
}

#[test]
fn rejects_a_last_pair_without_nul() {
    assert_eq!(error(b"A=b\0C=d"), TextError::Unterminated);
    assert_eq!(error(b"A"), TextError::Unterminated);
}

#[test]
fn rejects_an_empty_pair_between_pairs() {
    assert_eq!(error(b"A=b\0\0C=d\0"), TextError::EmptyPair);
    assert_eq!(error(b"\0A=b\0"), TextError::EmptyPair);
}

#[test]
fn rejects_a_pair_without_equals_sign() {
    assert!(matches!(
        error(b"AuthMethod\0"),
        TextError::NoEqualsSign { .. }
    ));
}

#[test]
fn rejects_what_is_no_key_name() {
    let long = [vec![b'A'; MAX_KEY_LENGTH + 1], b"=1\0".to_vec()].concat();
    for bytes in [&b"=x\0"[..], b"1A=x\0", b"A B=x\0", b"A\x1b=x\0", &long] {
        assert!(
            matches!(error(bytes), TextError::IllegalKey { .. }),
            "{bytes:?}"
        );
    }
    let longest = [vec![b'A'; MAX_KEY_LENGTH], b"=1\0".to_vec()].concat();
    assert_eq!(pairs(&longest).len(), 1);
    assert_eq!(
        pairs(b"iSCSIProtocolLevel=1\0X#NodeArchitecture=a\0").len(),
        2
    );
}

#[test]
fn limits_a_value_to_255_bytes_unless_its_key_is_long() {
    let text = |key: &str, length: usize| format!("{key}={}\0", "v".repeat(length)).into_bytes();
    assert_eq!(pairs(&text("TargetAlias", 255)).len(), 1);
    assert_eq!(
        error(&text("TargetAlias", 256)),
        TextError::ValueTooLong {
            key: "TargetAlias".to_owned(),
            limit: 255,
            received: 256
        }
    );
    assert_eq!(pairs(&text("CHAP_C", 8192)).len(), 1);
    assert!(matches!(
        error(&text("CHAP_C", 8193)),
        TextError::ValueTooLong { .. }
    ));
}

#[test]
fn rejects_a_key_twice_but_for_the_records_of_send_targets() {
    assert_eq!(
        error(b"MaxBurstLength=512\0MaxBurstLength=512\0"),
        TextError::Duplicate {
            key: ReceivedText("MaxBurstLength".to_owned())
        }
    );
    assert_eq!(pairs(b"TargetAddress=a\0TargetAddress=b\0").len(), 2);
}

#[test]
fn bounds_the_text_and_the_number_of_pairs() {
    let many: Vec<u8> = (0..=MAX_PAIRS)
        .flat_map(|n| format!("K{n}=\0").into_bytes())
        .collect();
    assert_eq!(error(&many), TextError::TooManyPairs { limit: MAX_PAIRS });
    assert!(matches!(
        error(&vec![0; MAX_TEXT_LENGTH + 1]),
        TextError::TooLong { .. }
    ));
}

#[test]
fn escapes_received_text_and_cuts_it() {
    let shown = ReceivedText(format!("\x1b[31m\u{e9}\"{}", "a".repeat(100))).to_string();
    assert!(shown.is_ascii() && !shown.contains('\x1b'));
    assert!(shown.ends_with("...\"") && shown.contains("\\x1B"));
}

#[test]
fn masks_chap_r_in_debug() {
    let mut text = TextPairs::new();
    text.push("CHAP_R", "0x1234");
    assert_eq!(format!("{text:?}"), "[CHAP_R=********]");
}

#[test]
fn reads_numbers_as_the_standard_writes_them() {
    assert_eq!(numerical("0"), Some(0));
    assert_eq!(numerical("262144"), Some(262_144));
    assert_eq!(numerical("0x40000"), Some(262_144));
    assert_eq!(numerical("0XfF"), Some(255));
    assert_eq!(numerical("18446744073709551615"), Some(u64::MAX));
    for wrong in [
        "",
        "00",
        "01",
        "+1",
        "-1",
        "1 ",
        "0x",
        "0xg",
        "1e3",
        "18446744073709551616",
    ] {
        assert_eq!(numerical(wrong), None, "{wrong:?}");
    }
}

#[test]
fn reads_ranges_with_the_lower_bound_first() {
    assert_eq!(numerical_range("1~0x10"), Some((1, 16)));
    assert_eq!(numerical_range("2~2"), Some((2, 2)));
    assert_eq!(numerical_range("3~2"), None);
    assert_eq!(numerical_range("3"), None);
}

#[test]
fn reads_booleans_with_their_case() {
    assert_eq!(boolean("Yes"), Some(true));
    assert_eq!(boolean("No"), Some(false));
    assert_eq!(boolean("yes"), None);
    assert_eq!(boolean("1"), None);
}

#[test]
fn reads_binary_values_in_hex_of_any_case_and_in_base64() {
    let bytes = vec![0x0a, 0xbc, 0xde];
    for text in ["0x0abcde", "0X0ABCDE", "0xabcde", "0bCrze", "0BCrze"] {
        assert_eq!(binary(text, 3), Ok(bytes.clone()), "{text}");
    }
    assert_eq!(binary("0bCg==", 1), Ok(vec![0x0a]));
    assert_eq!(binary("0bCg", 1), Ok(vec![0x0a]));
}

#[test]
fn rejects_what_is_no_binary_value_or_too_long() {
    for wrong in ["", "0x", "0b", "12", "0xzz", "0b!!!!", "abcd", "0b="] {
        assert_eq!(binary(wrong, 10), Err(BinaryError::Malformed), "{wrong:?}");
    }
    let too_long = BinaryError::TooLong {
        limit: 2,
        received: 3,
    };
    assert_eq!(binary("0x0abcde", 2), Err(too_long));
    assert_eq!(binary("0bCrze", 2), Err(too_long));
}

#[test]
fn writes_hex_constants_in_lower_case() {
    assert_eq!(hex_constant(&[0x00, 0xab, 0x0f]), "0x00ab0f");
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        if let Ok(text) = TextPairs::decode(&bytes) {
            prop_assert_eq!(TextPairs::decode(&text.encode()), Ok(text));
        }
    }

    #[test]
    fn text_like_bytes_never_panic(bytes in "[A-C=\\x00,~0x]{0,60}") {
        if let Ok(text) = TextPairs::decode(bytes.as_bytes()) {
            prop_assert_eq!(TextPairs::decode(&text.encode()), Ok(text));
        }
    }

    #[test]
    fn what_is_right_is_read_from_a_target_as_from_anyone(bytes in "([ABX]=[a-c =]{0,3}[a-c]\\x00){0,5}|[A-C=\\x00 ]{0,60}") {
        let mut departures = Departures::default();
        let tolerant = TextPairs::decode_from_target(bytes.as_bytes(), &mut departures);
        if let Ok(text) = TextPairs::decode(bytes.as_bytes()) {
            prop_assert_eq!(tolerant, Ok(text));
            prop_assert_eq!(departures, Departures::default());
        }
    }

    #[test]
    fn what_is_encoded_is_decoded(values in prop::collection::vec("[^\\x00]{0,60}", 0..20)) {
        let mut text = TextPairs::new();
        for (n, value) in values.into_iter().enumerate() {
            text.push(&format!("Key{n}"), value);
        }
        prop_assert_eq!(TextPairs::decode(&text.encode()), Ok(text));
    }

    #[test]
    fn arbitrary_values_never_panic(text in "(0[xXbB])?\\PC{0,40}") {
        let _ = (numerical(&text), numerical_range(&text), boolean(&text), list(&text).count());
        let _ = binary(&text, 8);
    }

    #[test]
    fn binary_values_round_trip(bytes in prop::collection::vec(any::<u8>(), 1..200)) {
        prop_assert_eq!(binary(&hex_constant(&bytes), 200), Ok(bytes));
    }
}
