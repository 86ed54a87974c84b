//! `library` and `mtx` against a library that `vtl` serves.

use serde_json::Value;

use crate::common::{TestEnvironment, text};
use crate::peers::vtl::{NAME, Vtl};

/// Serves a library with three cartridges in four slots, and re-IPLs.
fn attached() -> (TestEnvironment, Vtl) {
    let environment = TestEnvironment::new();
    let vtl = Vtl::start(&environment, &["--cartridges", "3", "--slots", "4"]);
    environment.add(NAME, "127.0.0.1", vtl.port());
    environment.run(&["-reipliscsiop"]).assert_status(0);
    (environment, vtl)
}

/// The full elements of the only library: address and volume.
fn full(environment: &TestEnvironment) -> Vec<(u64, String)> {
    let document = environment
        .run(&["--json", "library"])
        .assert_status(0)
        .json();
    let elements = document["libraries"][0]["elements"].as_array().unwrap();
    elements
        .iter()
        .filter(|element| element["full"] == Value::Bool(true))
        .map(|element| {
            (
                element["address"].as_u64().unwrap(),
                text(&element["volume"]).to_owned(),
            )
        })
        .collect()
}

fn places(expected: &[(u64, &str)]) -> Vec<(u64, String)> {
    expected
        .iter()
        .map(|(address, volume)| (*address, (*volume).to_owned()))
        .collect()
}

#[test]
fn every_command_moves_what_it_says() {
    let (environment, vtl) = attached();
    let library = |words: &[&str], status: i32| {
        environment
            .run(&[&["library"], words].concat())
            .assert_status(status)
    };
    assert_eq!(
        full(&environment),
        places(&[(1025, "VOL001L8"), (1026, "VOL002L8"), (1027, "VOL003L8")])
    );
    library(&["mount", "tapmlb01", "vol002", "--drive", "tap02"], 0);
    library(&["mount", "TAPMLB01", "VOL001"], 0);
    library(&["mount", "TAPMLB01", "VOL001"], 0);
    assert_eq!(
        full(&environment),
        places(&[(257, "VOL001L8"), (258, "VOL002L8"), (1027, "VOL003L8")])
    );
    library(&["mount", "TAPMLB01", "VOL003"], 1).says(&["no free drive"]);
    library(&["mount", "TAPMLB01", "VOL003", "--drive", "TAP01"], 1).says(&["TAP01 is full"]);
    library(&["mount", "TAPMLB01", "VOL001", "--drive", "TAP02"], 1).says(&["is in TAP01"]);
    library(&["unmount", "TAPMLB01", "--drive", "TAP02"], 0);
    library(&["unmount", "TAPMLB01", "--drive", "TAP02"], 1).says(&["TAP02 is empty"]);
    library(&["move", "TAPMLB01", "VOL001L8", "1028"], 0);
    library(&["move", "TAPMLB01", "1028", "1027"], 1).says(&["element 1027"]);
    library(&["move", "TAPMLB01", "1025", "1028"], 1).says(&["element 1025"]);
    library(&["export", "TAPMLB01", "VOL001"], 0);
    library(&["export", "TAPMLB01", "VOL003"], 0);
    assert_eq!(
        full(&environment),
        places(&[(769, "VOL001L8"), (770, "VOL003L8"), (1026, "VOL002L8")])
    );
    library(&["import", "TAPMLB01"], 0);
    assert_eq!(
        full(&environment),
        places(&[(1025, "VOL001L8"), (1026, "VOL002L8"), (1027, "VOL003L8")])
    );
    library(&["import", "TAPMLB01"], 0);
    library(&["inventory", "TAPMLB01"], 0);
    library(&["export", "TAPMLB01", "NOPE"], 1).says(&["NOPE"]);
    library(&["TAPMLB07"], 1).says(&["TAPMLB07", "TAPMLB01, TAP01, TAP02"]);
    library(&["TAP01"], 1).says(&["TAP01 is a drive"]);
    vtl.stop();
    let output = environment.run(&["--timeout", "60", "library"]);
    output.assert_status(4);
}

/// Runs a command with --json, and returns the code of its error.
#[track_caller]
fn code_of(environment: &TestEnvironment, words: &[&str]) -> String {
    let output = environment.run(&[&["--json"], words].concat());
    let document = output.assert_status(1).json();
    text(&document["error"]["code"]).to_owned()
}

#[test]
fn a_movement_that_cannot_be_has_its_code() {
    let (environment, vtl) = attached();
    for volume in ["VOL001", "VOL002"] {
        environment
            .run(&["library", "mount", "TAPMLB01", volume])
            .assert_status(0);
    }
    for (words, code) in [
        (&["mount", "TAPMLB01", "VOL003"][..], "none-free"),
        (
            &["mount", "TAPMLB01", "VOL003", "--drive", "TAP01"],
            "element-full",
        ),
        (
            &["mount", "TAPMLB01", "VOL001", "--drive", "TAP02"],
            "in-another-drive",
        ),
        (&["move", "TAPMLB01", "VOL003", "257"], "element-full"),
        (&["move", "TAPMLB01", "1025", "1028"], "element-empty"),
        (&["move", "TAPMLB01", "VOL003", "4000"], "no-such-element"),
        (&["export", "TAPMLB01", "NOPE"], "no-such-volume"),
    ] {
        assert_eq!(
            code_of(&environment, &[&["library"], words].concat()),
            code,
            "{words:?}"
        );
    }
    vtl.stop();
}

#[test]
fn mtx_prints_what_mtx_prints() {
    let (environment, vtl) = attached();
    let mtx = |words: &[&str], status: i32| {
        environment
            .run(&[&["mtx", "-f", "TAPMLB01"], words].concat())
            .assert_status(status)
    };
    assert_eq!(
        mtx(&["load", "2", "1"], 0).stdout,
        "Loading media from Storage Element 2 into drive 1...done\n"
    );
    let padded = |volume: &str| format!("{volume:<32}");
    let expected = [
        "  Storage Changer TAPMLB01:2 Drives, 8 Slots ( 4 Import/Export )".to_owned(),
        "Data Transfer Element 0:Empty".to_owned(),
        format!(
            "Data Transfer Element 1:Full (Storage Element 2 Loaded):VolumeTag = {}",
            padded("VOL002L8")
        ),
        format!(
            "      Storage Element 1:Full :VolumeTag={}",
            padded("VOL001L8")
        ),
        "      Storage Element 2:Empty".to_owned(),
        format!(
            "      Storage Element 3:Full :VolumeTag={}",
            padded("VOL003L8")
        ),
        "      Storage Element 4:Empty".to_owned(),
        "      Storage Element 5 IMPORT/EXPORT:Empty".to_owned(),
        "      Storage Element 6 IMPORT/EXPORT:Empty".to_owned(),
        "      Storage Element 7 IMPORT/EXPORT:Empty".to_owned(),
        "      Storage Element 8 IMPORT/EXPORT:Empty\n".to_owned(),
    ]
    .join("\n");
    assert_eq!(mtx(&["status"], 0).stdout, expected);
    mtx(&["load", "1", "1"], 1).says(&["mtx: Drive 1 Full (Storage Element 2 loaded)"]);
    mtx(&["unload", "3", "1"], 1).says(&["mtx: Storage Element 3 is Already Full"]);
    mtx(&["unload"], 1).says(&["mtx: Data Transfer Element 0 is Empty"]);
    mtx(&["load", "9"], 1)
        .says(&["mtx: Invalid <storage-element-number> argument '9' to 'load' command"]);
    mtx(&["load", "1", "2"], 1)
        .says(&["mtx: illegal <drive-number> argument '2' to 'load' command"]);
    assert_eq!(
        mtx(&["unload", "2", "1"], 0).stdout,
        "Unloading drive 1 into Storage Element 2...done\n"
    );
    assert_eq!(mtx(&["transfer", "1", "5"], 0).stdout, "");
    mtx(&["transfer", "1", "6"], 1).says(&["mtx: Source Element Address 1025 is Empty"]);
    mtx(&["transfer", "2", "5"], 1).says(&["mtx: Destination Element Address 769 is Already Full"]);
    mtx(&["inventory"], 0);
    // With --json, too, stdout has the words of mtx only.
    let output = mtx(&["status", "load", "9", "--json"], 1);
    assert_eq!(output.stdout, mtx(&["status"], 0).stdout);
    let at = output.stderr.find("\n{").expect("a document");
    let document: Value = serde_json::from_str(&output.stderr[at..]).unwrap();
    assert_eq!(document["error"]["code"], "no-such-element");
    // What is done for one library is done before another one is looked for.
    let output = mtx(&["load", "3", "-f", "TAPMLB02", "status"], 1).says(&["TAPMLB02"]);
    assert_eq!(
        output.stdout,
        "Loading media from Storage Element 3 into drive 0...done\n"
    );
    vtl.stop();
}
