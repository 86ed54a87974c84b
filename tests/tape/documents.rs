//! The documents of jobs that came to no drive, and where they go.

use std::fs::File;

use serde_json::{Value, json};

use super::Attached;
use crate::common::TestEnvironment;
use crate::peers::vtl::{NAME, Vtl};

/// Fails unless a document has the fields of a job that has done nothing, beside its error.
#[track_caller]
fn assert_nothing_done(document: &Value, status: i32) {
    assert_eq!(document["error"]["status"], status, "{document:#}");
    for (field, value) in [
        ("schema", json!(1)),
        ("device", json!("TAPMLB01")),
        ("drive", Value::Null),
        ("blocks", json!(0)),
        ("bytes", json!(0)),
        ("seconds", json!(0.0)),
        ("end_of_medium", json!(false)),
        ("proven", json!(0)),
    ] {
        assert_eq!(document[field], value, "{field}: {document:#}");
    }
}

#[test]
fn a_job_that_comes_to_no_drive_has_the_fields_of_a_job() {
    let environment = TestEnvironment::new();
    let vtl = Vtl::start(&environment, &[]);
    environment.add(NAME, "127.0.0.1", vtl.port());
    environment
        .run(&["--timeout", "60", "-reipliscsiop"])
        .assert_status(0);
    std::fs::write(environment.home().join("in"), b"x").unwrap();
    let lines = |volume: &str| {
        [
            format!("write TAPMLB01 {volume} in"),
            format!("read tapmlb01 {volume} out"),
            format!("copy out.tap TAPMLB01:{volume}"),
            format!("test TAPMLB01 {volume} --size 1"),
            format!("initialize TAPMLB01 {volume} --volume-id A"),
            format!("erase TAPMLB01 {volume}"),
        ]
    };
    std::fs::write(environment.home().join("out.tap"), b"").unwrap();
    let run = |line: &str, status: i32| {
        let output = environment.run_line(&format!("--json tape {line}"));
        output.assert_status(status).json()
    };
    for line in lines("VOL099") {
        let document = run(&line, 1);
        assert_nothing_done(&document, 1);
        assert_eq!(document["volume"], "VOL099", "{line}: {document:#}");
        assert_eq!(document["error"]["code"], "no-such-volume", "{line}");
        if line.starts_with("erase") {
            assert_eq!(document.get("file"), Some(&Value::Null), "{document:#}");
        }
    }
    assert_eq!(run("write TAPMLB01 VOL099 in --file 3", 1)["file"], 3);
    assert_eq!(
        run("write TAPMLB01 VOL099 in --append", 1)["file"],
        Value::Null,
        "not known"
    );
    vtl.stop();
    for line in lines("VOL001") {
        let document = run(&line, 4);
        assert_nothing_done(&document, 4);
        assert_eq!(document["error"]["code"], "target-unreachable", "{line}");
    }
    assert!(!environment.home().join("out").exists());
    let tried = run("test TAPMLB01 VOL001 --size 1", 4);
    assert_eq!(tried["verdict"], "not-tested", "{tried:#}");
}

#[test]
fn a_document_never_comes_among_the_data_of_a_tape() {
    let attached = Attached::new(&[]);
    for line in [
        "read TAPMLB01 VOL099",
        "read TAPMLB01 VOL001 -",
        "read TAPMLB09 VOL001",
        "read TAPMLB01 VOL001 --trace /",
        // These are not of the grammar.
        "read TAPMLB01 VOL001 --bogus",
        "read TAPMLB01 VOL001 --bogus VALUE",
        "read TAPMLB01 VOL001 - out",
        "read TAPMLB01",
        "read --block-size x TAPMLB01 VOL001",
        "read TAPMLB01 VOL001 --file=0",
        "read TAPMLB01 VOL001 --chap-algorithms 9",
        "--timeout x read TAPMLB01 VOL001",
    ] {
        let output = attached.run(line);
        assert_eq!(output.stdout, "", "{line}: {output}");
        let (_, document) = output.stderr.split_once("\n{").expect("a document");
        let document: Value = serde_json::from_str(&format!("{{{document}")).unwrap();
        assert_eq!(
            document["error"]["status"],
            output.status.code().unwrap(),
            "{line}"
        );
    }
    // To a file, stdout is free for the document.
    let document = attached.tape("read TAPMLB01 VOL001 out", 1);
    assert_eq!(document["error"]["code"], "no-such-tape-file");
    for line in [
        "read TAPMLB01 VOL001 out --bogus",
        "read --block-size 1 TAPMLB01 VOL001 out more",
        "write TAPMLB01 VOL001 --bogus",
    ] {
        let document = attached.tape(line, 2);
        assert_eq!(document["error"]["code"], "usage", "{line}");
    }
}

#[test]
fn an_input_that_cannot_be_read_at_all_leaves_the_cartridge_as_it_is() {
    let attached = Attached::new(&[]);
    attached.file("in", &[7; 3000]);
    attached.tape("write TAPMLB01 VOL001 in", 0);
    let before = attached.tape("list TAPMLB01 VOL001", 0)["files"].clone();
    for more in ["--append", "--overwrite"] {
        let mut command = attached.environment.command();
        command
            .args(["--json", "tape", "write", "TAPMLB01", "VOL001", more])
            .stdin(File::open(attached.environment.home()).unwrap());
        let refused = attached.environment.finish(command).assert_status(3);
        let refused = refused.hints(&["nothing was written"]);
        assert_eq!(refused.json()["error"]["code"], "file-unusable");
    }
    assert_eq!(
        attached.tape("list TAPMLB01 VOL001", 0)["files"],
        before,
        "nothing is overwritten for nothing"
    );
}

#[test]
fn a_tape_that_is_unloaded_in_its_drive_is_told_as_that() {
    let attached = Attached::new(&[]);
    let environment = &attached.environment;
    for volume in ["VOL001", "VOL002"] {
        environment
            .run_line(&format!("library mount TAPMLB01 {volume}"))
            .assert_status(0);
    }
    // MTOFFL, as mt offline.
    std::fs::write(attached.path("offline"), "OTAP01\n2\nI7\n1\nC\n").unwrap();
    let mut command = environment.command();
    command
        .arg("rmt")
        .stdin(File::open(attached.path("offline")).unwrap());
    let answered = environment.finish(command).assert_status(0);
    assert_eq!(answered.stdout, "A0\nA0\nA0\n");
    let alone = attached.tape("status TAP01", 0);
    assert_eq!(alone["drives"][0]["loaded"], false, "{alone:#}");
    assert_eq!(alone["drives"][0]["volume"], "VOL001L8", "{alone:#}");
    attached.prints("tape status TAP01", &["No", "VOL001L8"]);
    for command in ["status", "rewind"] {
        let loaded = attached.tape(&format!("{command} TAPMLB01"), 0);
        assert_eq!(loaded["drives"].as_array().unwrap().len(), 1, "{loaded:#}");
        assert_eq!(loaded["drives"][0]["drive"], "TAP02", "{loaded:#}");
    }
    environment
        .run_line("tape rewind TAP01")
        .assert_status(1)
        .says(&["VOL001L8 in TAP01 is not loaded"])
        .hints(&["library mount"]);
    // A job with the cartridge loads it again.
    attached.tape("list TAPMLB01 VOL001", 0);
    assert_eq!(
        attached.tape("status TAP01", 0)["drives"][0]["loaded"],
        true
    );
}
