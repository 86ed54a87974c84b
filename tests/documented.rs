//! Every example of "IBM i Support for Attaching an iSCSI VTL", version 1.7, line by line as printed there.
//!
//! The host 10.1.1.5 exists only in a network namespace of the test, where tgtd serves the target that the example names.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use serde_json::{Value, json};

use crate::common::{TestEnvironment, targets, text};
use crate::peers::namespace::Namespace;
use crate::peers::tgtd::{Target, Tgtd};

/// Example using the system generated initiator name and no CHAP authentication.
const GENERATED_NAME: &str = "\
iscsiswiconfig -newname -targetname iqn.2000-03.com.xyz:vtl.vtltest.demo-39  
iscsiswiconfig -newname -targethostname 10.1.1.5  
iscsiswiconfig -commit
";

/// Example with a user supplied initiator name and no CHAP authentication.
const SUPPLIED_NAME: &str = "\
iscsiswiconfig -newname -initiatorname iqn.1924-02.com.ibm:ibmi:TEST-LPID-FFFFFFF-i0  
iscsiswiconfig -newname -targetname iqn.2000-03.com.XYZ:vtl.ABC-XYB-ROCH.demo-1  
iscsiswiconfig -newname -targethostname 10.1.1.5  
iscsiswiconfig -commit
";

/// Example using the system generated initiator name with CHAP authentication.
const CHAP: &str = "\
iscsiswiconfig -newname -targetname iqn.2000-03.com.xyz:vtl.vtltest.chap  
iscsiswiconfig -newname -targethostname 10.1.1.5  
iscsiswiconfig -newname -initiatorchapname SOMECHAPNAME  
iscsiswiconfig -newname -initiatorchapsecret SOMECHAPSECRET  
iscsiswiconfig -commit
";

/// Example with a user supplied initiator name using CHAP authentication, an alternate iSCSI TCP/IP port, and a
/// requirement to only store CHAP credentials in secure platform keystore.
const PLATFORM: &str = "\
iscsiswiconfig -newname -initiatorname iqn.1924-02.com.ibm:myinternetname.ibm.com-i0  
iscsiswiconfig -newname -targetname iqn.2000-03.com.xyz:vtl.vtltest.chap  
iscsiswiconfig -newname -targethostname 10.1.1.5  
iscsiswiconfig -newname -initiatorchapname SOMECHAPNAME  
iscsiswiconfig -newname -initiatorchapsecret SOMECHAPSECRET  
iscsiswiconfig -setport -targetport 860  
iscsiswiconfig -setkeystore -chapkeystore PLATFORM  
iscsiswiconfig -commit
";

/// IPL the IOP.
const RE_IPL: &str = "iscsiswiconfig -reiplscsiop";

/// The words of a line after the macro's name.
fn words(line: &str) -> Vec<&str> {
    let (name, words) = line.split_at("iscsiswiconfig".len());
    assert_eq!(name, "iscsiswiconfig");
    words.split_whitespace().collect()
}

/// Types an example; every line but the last must succeed, and the last is returned as `--json` shows it.
fn type_in(environment: &TestEnvironment, example: &str, last_status: i32) -> Value {
    let lines: Vec<_> = example.lines().collect();
    let (last, first) = lines.split_last().unwrap();
    for line in first {
        environment.run(&words(line)).assert_status(0);
    }
    environment
        .run(&[&["--json"], words(last).as_slice()].concat())
        .assert_status(last_status)
        .json()
}

/// Re-IPLs with the documented line in either spelling, while tgtd serves the target at the documented address, and
/// expects the library to be found.
fn reipl_and_dump(environment: &TestEnvironment, line: &str, port: u16, target: Target) -> Value {
    let host = Ipv4Addr::new(10, 1, 1, 5);
    let namespace = Namespace::with_addresses(&[host]);
    let mut tgtd = Tgtd::start_in(&namespace, host, port);
    tgtd.add(target);
    environment
        .run_behind(&namespace.prefix(), &words(line))
        .assert_status(0);
    let dump = environment.dump();
    let targets = targets(&dump);
    assert_eq!(targets.len(), 1, "{dump:#}");
    assert_eq!(targets[0]["status"], "CONNECTED", "{dump:#}");
    assert_eq!(
        targets[0]["session"]["portal"],
        format!("{host}:{port}"),
        "{dump:#}"
    );
    let library = &targets[0]["libraries"][0];
    assert_eq!(library["device"], "TAPMLB01", "{dump:#}");
    assert_eq!(library["drives"][0]["device"], "TAP01", "{dump:#}");
    assert_eq!(dump["iop"]["configuration_changed"], false, "{dump:#}");
    dump
}

fn library(target_name: &str) -> Target {
    Target::library(target_name, "0000078A12340401", 1, 4, 1_000_000_001)
}

fn commit_of(document: &Value) -> &Value {
    assert_eq!(document["schema"], 1, "{document:#}");
    assert_eq!(document["option"], "-commit", "{document:#}");
    &document["target"]
}

/// Fails unless the dump's target has these five fields and no other value in them.
#[track_caller]
fn assert_identity(dump: &Value, committed: &Value) {
    for (key, value) in committed.as_object().unwrap() {
        assert_eq!(&dump["targets"][0][key], value, "{key} in {dump:#}");
    }
}

#[test]
fn the_system_generated_name_without_chap() {
    let environment = TestEnvironment::new();
    let committed = type_in(&environment, GENERATED_NAME, 0);
    let expected = json!({
        "target_name": "iqn.2000-03.com.xyz:vtl.vtltest.demo-39",
        "target_host_name": "10.1.1.5",
        "target_port": 3260,
        "initiator_name": environment.default_initiator(),
        "chap": null,
    });
    assert_eq!(commit_of(&committed), &expected);
    let target = library("iqn.2000-03.com.xyz:vtl.vtltest.demo-39");
    let dump = reipl_and_dump(&environment, RE_IPL, 3260, target);
    assert_identity(&dump, &expected);
    let initiators = &dump["initiators"];
    assert_eq!(initiators[0]["generated"], true, "{initiators:#}");
    assert_eq!(initiators[0]["index"], 0, "{initiators:#}");
}

#[test]
fn a_user_supplied_name_without_chap() {
    let environment = TestEnvironment::new();
    let committed = type_in(&environment, SUPPLIED_NAME, 0);
    let expected = json!({
        "target_name": "iqn.2000-03.com.XYZ:vtl.ABC-XYB-ROCH.demo-1",
        "target_host_name": "10.1.1.5",
        "target_port": 3260,
        "initiator_name": "iqn.1924-02.com.ibm:ibmi:TEST-LPID-FFFFFFF-i0",
        "chap": null,
    });
    assert_eq!(commit_of(&committed), &expected);
    let target = library("iqn.2000-03.com.XYZ:vtl.ABC-XYB-ROCH.demo-1");
    let dump = reipl_and_dump(&environment, "iscsiswiconfig -reipliscsiop", 3260, target);
    assert_identity(&dump, &expected);
    assert_eq!(dump["initiators"][0]["name"], expected["initiator_name"]);
    assert_eq!(dump["initiators"][0]["generated"], false);
}

#[test]
fn the_system_generated_name_with_chap() {
    let environment = TestEnvironment::new();
    let committed = type_in(&environment, CHAP, 0);
    let expected = json!({
        "target_name": "iqn.2000-03.com.xyz:vtl.vtltest.chap",
        "target_host_name": "10.1.1.5",
        "target_port": 3260,
        "initiator_name": environment.default_initiator(),
        "chap": {"name": "SOMECHAPNAME", "keystore": "AVAIL", "stored_in": "disk"},
    });
    assert_eq!(commit_of(&committed), &expected);
    let target =
        library("iqn.2000-03.com.xyz:vtl.vtltest.chap").account("SOMECHAPNAME", "SOMECHAPSECRET");
    let dump = reipl_and_dump(&environment, RE_IPL, 3260, target);
    assert_identity(&dump, &expected);
    assert_eq!(dump["targets"][0]["session"]["auth_method"], "CHAP");
    assert!(!dump.to_string().contains("SOMECHAPSECRET"));
}

#[test]
fn the_platform_keystore_is_refused_and_the_staged_set_stays() {
    let environment = TestEnvironment::new();
    let refused = type_in(&environment, PLATFORM, 1);
    assert_eq!(refused["error"]["status"], 1, "{refused:#}");
    let message = text(&refused["error"]["message"]).to_lowercase();
    assert!(message.contains("keystore"), "{refused:#}");
    assert_eq!(environment.configured_targets(), [""; 0]);

    // What was staged is still there: only the keystore has to change.
    environment
        .run(&["-setkeystore", "-chapkeystore", "AVAIL"])
        .assert_status(0);
    let committed = environment
        .run(&["--json", "-commit"])
        .assert_status(0)
        .json();
    let expected = json!({
        "target_name": "iqn.2000-03.com.xyz:vtl.vtltest.chap",
        "target_host_name": "10.1.1.5",
        "target_port": 860,
        "initiator_name": "iqn.1924-02.com.ibm:myinternetname.ibm.com-i0",
        "chap": {"name": "SOMECHAPNAME", "keystore": "AVAIL", "stored_in": "disk"},
    });
    assert_eq!(commit_of(&committed), &expected);
    let target =
        library("iqn.2000-03.com.xyz:vtl.vtltest.chap").account("SOMECHAPNAME", "SOMECHAPSECRET");
    assert_identity(
        &reipl_and_dump(&environment, RE_IPL, 860, target),
        &expected,
    );
}

/// The examples are pasted into a shell as well.
fn run_script(environment: &TestEnvironment, example: &str) -> String {
    let script = environment.home().join("example.sh");
    fs::write(
        &script,
        format!("set -x\n{example}echo \"status of the last line: $?\"\n"),
    )
    .unwrap();
    let mut command = environment.command_of(Path::new("/bin/sh"));
    command.arg(&script);
    let output = environment.finish(command).assert_status(0);
    output.to_string()
}

#[test]
fn the_examples_work_as_a_shell_script() {
    for example in [GENERATED_NAME, SUPPLIED_NAME, CHAP] {
        let environment = TestEnvironment::new();
        let transcript = run_script(&environment, example);
        assert!(
            transcript.contains("status of the last line: 0"),
            "{transcript}"
        );
        assert_eq!(environment.configured_targets().len(), 1, "{transcript}");
    }
    let environment = TestEnvironment::new();
    let transcript = run_script(&environment, PLATFORM);
    assert!(
        transcript.contains("status of the last line: 1"),
        "{transcript}"
    );
    assert_eq!(environment.configured_targets().len(), 0, "{transcript}");
}

#[test]
fn the_readme_and_the_man_page_show_every_example_line_by_line() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let man = fs::read_to_string(root.join("man/iscsiswiconfig.1")).unwrap();
    for (name, page) in [("README.md", readme), ("the man page", man)] {
        let page: String = page
            .replace("\\-", "-")
            .lines()
            .map(|line| format!("{}\n", line.trim()))
            .collect();
        for example in [GENERATED_NAME, SUPPLIED_NAME, CHAP, PLATFORM] {
            let example: String = example
                .lines()
                .map(|line| format!("{}\n", line.trim()))
                .collect();
            assert!(page.contains(&example), "{name} lacks:\n{example}");
        }
    }
}

#[test]
fn the_examples_can_be_typed_one_after_the_other() {
    let environment = TestEnvironment::new();
    for example in [GENERATED_NAME, SUPPLIED_NAME, CHAP] {
        type_in(&environment, example, 0);
    }
    assert_eq!(
        environment.configured_targets(),
        [
            "iqn.2000-03.com.xyz:vtl.vtltest.demo-39",
            "iqn.2000-03.com.XYZ:vtl.ABC-XYB-ROCH.demo-1",
            "iqn.2000-03.com.xyz:vtl.vtltest.chap",
        ]
    );
}
