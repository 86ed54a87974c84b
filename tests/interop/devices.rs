//! What a re-IPL finds and names, compared with what tgtd was told to be.

use serde_json::{Value, json};

use super::{NAME, attach, reipl_one, small, without_timings};
use crate::common::{TestEnvironment, keys, targets, text};
use crate::peers::tgtd::{DRIVE_ADDRESS, Target, Tgtd};

fn drive(index: u64, lun: u64, serial: &str, address: Option<u64>, volume: Option<&str>) -> Value {
    json!({
        "device": format!("TAP{index:02}"),
        "type_model": "3580-005",
        "vendor": "IBM",
        "product": "ULT3580-TD5",
        "revision": "E4J1",
        "serial": serial,
        "lun": lun,
        "element_address": address,
        "volume": volume,
    })
}

fn array(value: &Value) -> &Vec<Value> {
    value
        .as_array()
        .unwrap_or_else(|| panic!("not an array: {value:#}"))
}

/// The problems of a library as one text in lower case.
fn problems(library: &Value) -> String {
    array(&library["problems"])
        .iter()
        .map(|problem| text(&problem["message"]))
        .collect::<Vec<_>>()
        .join("\n")
        .to_lowercase()
}

#[test]
fn a_library_is_described_in_full() {
    let target = Target::library(NAME, "0000078A12340401", 4, 16, 1_000_000_001)
        .barcodes(&["VTA001L5", "VTA002L5", "VTA003L5"])
        .loaded(1, 0)
        .loaded(0, 2);
    let tgtd = Tgtd::serving(target);
    let mut target = attach(&tgtd, NAME);
    let library = &mut target["libraries"][0];
    // tgt cuts the last drive's serial number in its READ ELEMENT STATUS, and the report says so.
    let problems = library["problems"].take();
    assert_eq!(array(&problems).len(), 1, "{problems:#}");
    assert!(
        text(&problems[0]["message"]).contains("TAP04"),
        "{problems:#}"
    );
    let expected = json!([{
        "device": "TAPMLB01",
        "type_model": "3584-***",
        "derived": true,
        "vendor": "IBM",
        "product": "03584L32",
        "revision": "9350",
        "serial": "0000078A12340401",
        "lun": 5,
        "storage_elements": 16,
        "import_export_elements": 4,
        "transport_elements": 1,
        "drives": [
            drive(1, 1, "1000000001", Some(257), Some("VTA002L5")),
            drive(2, 2, "1000000002", Some(258), None),
            drive(3, 3, "1000000003", Some(259), Some("VTA001L5")),
            drive(4, 4, "1000000004", Some(260), None),
        ],
        "problems": null,
    }]);
    assert_eq!(target["libraries"], expected);
    assert_eq!(target["drives"], json!([]));
}

#[test]
fn a_changer_on_a_low_and_on_a_high_lun_is_found() {
    for lun in [1, 300] {
        let mut target = Target::empty(NAME)
            .lone_drive(2, "ULT3580-TD5", "1000000001")
            .lone_drive(301, "ULT3580-TD5", "1000000002");
        if lun == 300 {
            target =
                Target::library(NAME, "0000078A12340401", 2, 8, 1_000_000_001).changer_lun(300);
        }
        let tgtd = Tgtd::serving(target);
        let target = attach(&tgtd, NAME);
        if lun == 300 {
            assert_eq!(target["libraries"][0]["lun"], 300, "{target:#}");
            assert_eq!(
                array(&target["libraries"][0]["drives"]).len(),
                2,
                "{target:#}"
            );
        } else {
            let luns: Vec<_> = array(&target["drives"])
                .iter()
                .map(|drive| drive["lun"].clone())
                .collect();
            assert_eq!(luns, [2, 301], "{target:#}");
        }
    }
}

#[test]
fn drives_without_a_library_stand_alone() {
    let target = Target::empty(NAME)
        .lone_drive(1, "ULT3580-TD5", "1000000001")
        .lone_drive(2, "ULT3580-TD5", "1000000002");
    let tgtd = Tgtd::serving(target);
    let target = attach(&tgtd, NAME);
    assert_eq!(
        keys(&target["drives"][0]),
        [
            "device",
            "element_address",
            "lun",
            "product",
            "revision",
            "serial",
            "type_model",
            "vendor",
            "volume",
        ]
    );
    assert_eq!(target["libraries"], json!([]));
    let expected = json!([
        drive(1, 1, "1000000001", None, None),
        drive(2, 2, "1000000002", None, None),
    ]);
    assert_eq!(target["drives"], expected);
}

#[test]
fn a_drive_that_no_library_claims_stands_alone_and_the_library_says_so() {
    let tgtd = Tgtd::serving(small(NAME).lone_drive(9, "ULT3580-TD5", "9000000009"));
    let target = attach(&tgtd, NAME);
    assert_eq!(
        array(&target["libraries"][0]["drives"]).len(),
        2,
        "{target:#}"
    );
    assert_eq!(
        target["drives"],
        json!([drive(3, 9, "9000000009", None, None)])
    );
    assert!(
        problems(&target["libraries"][0]).contains("tap03 (lun 9)"),
        "{target:#}"
    );
}

#[test]
fn an_empty_target_connects_and_has_nothing() {
    let tgtd = Tgtd::serving(Target::empty(NAME));
    let target = attach(&tgtd, NAME);
    assert_eq!(target["libraries"], json!([]));
    assert_eq!(target["drives"], json!([]));
}

#[test]
fn forty_drives_and_a_thousand_slots_are_described() {
    let tgtd = Tgtd::serving(Target::library(
        NAME,
        "0000078A12340401",
        40,
        1000,
        1_000_000_001,
    ));
    let target = attach(&tgtd, NAME);
    let library = &target["libraries"][0];
    assert_eq!(library["storage_elements"], 1000);
    let drives = array(&library["drives"]);
    assert_eq!(drives.len(), 40);
    for (index, found) in (0..).zip(drives) {
        let serial = (1_000_000_001 + index).to_string();
        let address = u64::from(DRIVE_ADDRESS) + index;
        assert_eq!(
            *found,
            drive(index + 1, index + 1, &serial, Some(address), None)
        );
    }
    assert_eq!(target["drives"], json!([]));
}

#[test]
fn problems_of_a_library_are_told_and_do_not_fail_the_target() {
    let tgtd = Tgtd::serving(small(NAME).drive_product(1, "ULT3580-TD6"));
    let target = attach(&tgtd, NAME);
    let told = problems(&target["libraries"][0]);
    assert!(
        told.contains("3580-005") || told.contains("td5"),
        "no word about two types: {told}"
    );
    assert_eq!(
        target["libraries"][0]["drives"][1]["type_model"],
        "3580-006"
    );

    let old = small(NAME)
        .drive_product(0, "ULT3580-TD2")
        .drive_product(1, "ULT3580-TD2");
    let tgtd = Tgtd::serving(old);
    let target = attach(&tgtd, NAME);
    assert!(
        problems(&target["libraries"][0]).contains("lto3"),
        "{target:#}"
    );
    assert_eq!(
        target["libraries"][0]["drives"][0]["type_model"],
        "3580-002"
    );

    let tgtd = Tgtd::serving(small(NAME).product("3573-TL"));
    let target = attach(&tgtd, NAME);
    assert!(
        problems(&target["libraries"][0]).contains("3584"),
        "{target:#}"
    );
    assert_eq!(target["libraries"][0]["device"], "TAPMLB01");
}

#[test]
fn libraries_are_named_in_the_order_of_their_targets_and_keep_their_names() {
    let mut tgtd = Tgtd::serving(Target::library(
        "iqn.lab:a",
        "00000000A0000401",
        2,
        4,
        1_000_000_001,
    ));
    tgtd.add(Target::library(
        "iqn.lab:b",
        "00000000B0000401",
        1,
        4,
        2_000_000_001,
    ));
    let port = tgtd.port();
    let environment = TestEnvironment::new();
    environment.add("iqn.lab:b", "127.0.0.1", port);
    environment.add("iqn.lab:a", "127.0.0.1", port);
    assert_eq!(
        names(&environment),
        ["iqn.lab:b TAPMLB01 TAP01", "iqn.lab:a TAPMLB02 TAP02 TAP03"]
    );

    // The order changes, the names do not.
    let remove = |name: &str| {
        environment
            .run(&[
                "-removetarget",
                "-initiatorname",
                "*GENERATE",
                "-targethostname",
                "127.0.0.1",
                "-targetname",
                name,
                "-targetport",
                &port.to_string(),
            ])
            .assert_status(0);
    };
    remove("iqn.lab:b");
    environment.add("iqn.lab:b", "127.0.0.1", port);
    assert_eq!(
        names(&environment),
        ["iqn.lab:a TAPMLB02 TAP02 TAP03", "iqn.lab:b TAPMLB01 TAP01"]
    );

    // They are kept while their device is away, and through -clearconfig; a new device gets a new one.
    remove("iqn.lab:b");
    assert_eq!(names(&environment), ["iqn.lab:a TAPMLB02 TAP02 TAP03"]);
    environment.run(&["-clearconfig"]).assert_status(0);
    let _ = environment.reipl(0);
    tgtd.add(Target::library(
        "iqn.lab:c",
        "00000000C0000401",
        1,
        4,
        3_000_000_001,
    ));
    environment.add("iqn.lab:c", "127.0.0.1", port);
    environment.add("iqn.lab:b", "127.0.0.1", port);
    assert_eq!(
        names(&environment),
        ["iqn.lab:c TAPMLB03 TAP04", "iqn.lab:b TAPMLB01 TAP01"]
    );
}

#[test]
fn a_library_that_two_targets_show_has_one_name() {
    let mut tgtd = Tgtd::serving(small("iqn.lab:a"));
    tgtd.add(small("iqn.lab:b"));
    let environment = TestEnvironment::new();
    environment.add("iqn.lab:a", "127.0.0.1", tgtd.port());
    environment.add("iqn.lab:b", "127.0.0.1", tgtd.port());
    assert_eq!(
        names(&environment),
        [
            "iqn.lab:a TAPMLB01 TAP01 TAP02",
            "iqn.lab:b TAPMLB01 TAP01 TAP02"
        ]
    );
}

/// Re-IPLs and returns target name, library name and drive names of every target.
fn names(environment: &TestEnvironment) -> Vec<String> {
    let document = environment.reipl(0);
    targets(&document)
        .iter()
        .map(|target| {
            let library = &target["libraries"][0];
            let drives = array(&library["drives"])
                .iter()
                .map(|drive| text(&drive["device"]));
            [text(&target["target_name"]), text(&library["device"])]
                .into_iter()
                .chain(drives)
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect()
}

#[test]
fn a_second_re_ipl_finds_the_same_and_the_dump_shows_it() {
    let tgtd = Tgtd::serving(small(NAME));
    let environment = TestEnvironment::new();
    environment.add(NAME, "127.0.0.1", tgtd.port());
    let first = reipl_one(&environment, 0);
    let second = reipl_one(&environment, 0);
    assert_eq!(without_timings(second.clone()), without_timings(first));
    assert_eq!(targets(&environment.dump())[0], second);
    // The dump is of the last re-IPL, whatever has become of the target.
    drop(tgtd);
    assert_eq!(targets(&environment.dump())[0], second);
}

#[test]
fn the_text_report_shows_the_devices() {
    let tgtd = Tgtd::serving(small(NAME).barcodes(&["VTA001L5"]).loaded(0, 1));
    let environment = TestEnvironment::new();
    environment.add(NAME, "127.0.0.1", tgtd.port());
    let report = environment.run(&["-reipliscsiop"]).assert_status(0);
    let dump = environment.run(&["-dumptargets"]).assert_status(0);
    for output in [&report, &dump] {
        for word in [
            NAME,
            "CONNECTED",
            "TAPMLB01",
            "TAP01",
            "TAP02",
            "3584-***",
            "3580-005",
            "VTA001L5",
            "0000078A12340401",
            "1000000001",
        ] {
            assert!(output.stdout.contains(word), "no {word}:\n{}", **output);
        }
    }
}

#[test]
fn text_from_a_device_is_escaped() {
    // An escape sequence in a serial number must not reach a terminal.
    let target = Target::empty(NAME).lone_drive(1, "ULT3580-TD5", "1\u{1b}[31m9");
    let tgtd = Tgtd::serving(target);
    let environment = TestEnvironment::new();
    environment.add(NAME, "127.0.0.1", tgtd.port());
    let target = reipl_one(&environment, 0);
    let serial = text(&target["drives"][0]["serial"]);
    assert!(
        serial.chars().all(|c| (' '..='~').contains(&c)) && serial.contains("[31m"),
        "{serial:?}"
    );
    for options in [
        &["-dumptargets"][..],
        &["-reipliscsiop"],
        &["-vv", "-reipliscsiop"],
    ] {
        let output = environment.run(options).to_string();
        assert!(!output.contains('\u{1b}'), "{output:?}");
    }
}
