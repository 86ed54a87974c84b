//! `d-mode` against a library that `vtl` serves: media is asked of the library, not remembered.

use serde_json::Value;

use crate::common::{TestEnvironment, text};
use crate::peers::vtl::{NAME, Vtl};

const SUPPORTED: [&str; 5] = ["d-mode", "--power", "10", "--firmware", "FW1060"];

/// Returns the finding of that id.
fn finding<'a>(document: &'a Value, id: &str) -> &'a Value {
    let findings = document["findings"].as_array().expect("findings");
    let found = findings.iter().find(|finding| finding["id"] == id);
    found.unwrap_or_else(|| panic!("no {id}: {document:#}"))
}

#[test]
fn the_media_is_asked_of_the_library_now() {
    let environment = TestEnvironment::new();
    let vtl = Vtl::start(&environment, &["--cartridges", "2", "--slots", "4"]);
    environment.add(NAME, "127.0.0.1", vtl.port());
    let d_mode = |more: &[&str], status: i32| {
        let words = [&["--json"], &SUPPORTED[..], more].concat();
        environment.run(&words).assert_status(status).json()
    };
    let seen = |document: &Value| {
        let media = finding(document, "d-mode.media");
        (
            text(&media["result"]).to_owned(),
            text(&media["seen"]).to_owned(),
        )
    };
    environment
        .run(&["partition", "set", "--keystore-size", "4096"])
        .assert_status(0);
    let (result, why) = seen(&d_mode(&[], 4));
    assert_eq!(result, "failure");
    assert!(why.contains("found no library"), "{why}");

    environment.run(&["-reipliscsiop"]).assert_status(0);
    let (result, why) = seen(&d_mode(&[], 4));
    assert_eq!(result, "failure");
    assert!(why.contains("No cartridge is in a drive"), "{why}");

    // The re-IPL saw empty drives; what is mounted since is seen all the same.
    let document = d_mode(&["--mount", "tapmlb01", "VOL002"], 0);
    let mounted = (
        "pass".to_owned(),
        "Mounted: volume VOL002L8 in TAP01 of TAPMLB01.".to_owned(),
    );
    assert_eq!(seen(&document), mounted);
    assert_eq!(document["supported"], true);
    assert_eq!(document["keystore_for_chap"], true);
    assert_eq!(seen(&d_mode(&[], 0)), mounted);
    environment
        .run(&["library", "unmount", "TAPMLB01", "VOL002"])
        .assert_status(0);
    assert_eq!(seen(&d_mode(&[], 4)).0, "failure");

    // A volume that there is none of is an error, not a finding.
    let words = [&SUPPORTED[..], &["--mount", "TAPMLB01", "NOPE"]].concat();
    environment.run(&words).assert_status(1).says(&["NOPE"]);
    let words = [&SUPPORTED[..], &["--mount", "TAPMLB02", "VOL001"]].concat();
    environment.run(&words).assert_status(1).says(&["TAPMLB02"]);

    // A target that was changed since is not taken for the one that was found.
    environment
        .run_line(&format!(
            "-changetarget -initiatorname *GENERATE -targethostname 127.0.0.1 -targetname {NAME} -targetport {} \
             -initiatorchapname NAME -initiatorchapsecret SECRETSECRET",
            vtl.port()
        ))
        .assert_status(0);
    let document = d_mode(&[], 4);
    let media = finding(&document, "d-mode.media");
    assert_eq!(media["result"], "failure");
    assert!(
        text(&media["next_step"]).contains("re-IPL")
            || text(&media["next_step"]).contains("Re-IPL")
    );
    vtl.stop();
}

#[test]
fn the_secret_is_measured_and_never_shown() {
    for (length, expected) in [(11, "failure"), (12, "pass"), (32, "pass"), (33, "failure")] {
        let environment = TestEnvironment::new();
        let secret = "Q".repeat(length);
        environment
            .run(&[
                "-addtarget",
                "-initiatorname",
                "*GENERATE",
                "-targethostname",
                "10.1.1.5",
                "-targetname",
                "iqn.2000-03.com.xyz:vtl.demo",
                "-initiatorchapname",
                &"N".repeat(length),
                "-initiatorchapsecret",
                &secret,
            ])
            .assert_status(0);
        let output = environment.run(&[&["--json"], &SUPPORTED[..]].concat());
        let output = output.assert_status(4);
        assert!(!output.stdout.contains("QQQQ") && !output.stderr.contains("QQQQ"));
        let document = output.json();
        assert_eq!(
            finding(&document, "d-mode.chap-secret")["result"],
            expected,
            "{length}"
        );
        let of_name = if length > 32 { "failure" } else { "pass" };
        assert_eq!(
            finding(&document, "d-mode.chap-name")["result"],
            of_name,
            "{length}"
        );
        assert_eq!(document["values"]["chap_secret"], true);
        assert!(!text(&document["command"]).contains("--chapsecret"));
    }
}
