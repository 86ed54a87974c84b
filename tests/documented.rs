//! Every example of "IBM i Support for Attaching an iSCSI VTL", version 1.7, line by line as printed there.
//!
//! They are typed and committed as printed. For the re-IPL the embedded library serves the target that the example names, and
//! host and port are the only words that are not as printed; with the feature `peers` they are, too, in a network namespace
//! where tgtd serves the target at 10.1.1.5.

/// The re-IPL at the address that is printed.
#[cfg(feature = "peers")]
#[path = "documented/printed_address.rs"]
mod printed_address;

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::common::{TestEnvironment, targets, text};
use crate::peers::embedded::{Portal, Target};

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

/// Types an example with the host and the port of a portal of this machine in place of the printed ones.
fn type_in_for(environment: &TestEnvironment, example: &str, portal: &Portal) -> Value {
    let port = format!("iscsiswiconfig -setport -targetport {}", portal.port());
    let lines: Vec<String> = example
        .lines()
        .filter(|line| !line.contains("-setport"))
        .flat_map(|line| match line.trim_end() {
            "iscsiswiconfig -commit" => vec![port.clone(), line.to_owned()],
            line => vec![line.replace("10.1.1.5", "127.0.0.1")],
        })
        .collect();
    type_in(environment, &lines.join("\n"), 0)
}

/// Re-IPLs with the documented line in either spelling, and expects the library to be found; returns the dump.
fn reipl_and_dump(environment: &TestEnvironment, line: &str) -> Value {
    environment.run(&words(line)).assert_status(0);
    dump_with_library(environment)
}

/// Returns the dump, which has to show the one library.
fn dump_with_library(environment: &TestEnvironment) -> Value {
    let dump = environment.dump();
    let targets = targets(&dump);
    assert_eq!(targets.len(), 1, "{dump:#}");
    assert_eq!(targets[0]["status"], "CONNECTED", "{dump:#}");
    let library = &targets[0]["libraries"][0];
    assert_eq!(library["device"], "TAPMLB01", "{dump:#}");
    assert_eq!(library["drives"][0]["device"], "TAP01", "{dump:#}");
    assert_eq!(dump["iop"]["configuration_changed"], false, "{dump:#}");
    dump
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

/// What an example commits, at the host and the port that it prints, and how its target lets an initiator in.
struct Example {
    lines: &'static str,
    committed: Value,
    chap: bool,
}

/// Returns the examples that need no KeyStore, with what they commit in this environment.
fn examples(environment: &TestEnvironment) -> [Example; 3] {
    let identity = |target_name: &str, initiator_name: &str, chap: Value| {
        json!({
            "target_name": target_name,
            "target_host_name": "10.1.1.5",
            "target_port": 3260,
            "initiator_name": initiator_name,
            "chap": chap,
        })
    };
    let generated = environment.default_initiator();
    let supplied = "iqn.1924-02.com.ibm:ibmi:TEST-LPID-FFFFFFF-i0";
    let chap = json!({"name": "SOMECHAPNAME", "keystore": "AVAIL", "stored_in": "disk"});
    [
        Example {
            lines: GENERATED_NAME,
            committed: identity(
                "iqn.2000-03.com.xyz:vtl.vtltest.demo-39",
                &generated,
                Value::Null,
            ),
            chap: false,
        },
        Example {
            lines: SUPPLIED_NAME,
            committed: identity(
                "iqn.2000-03.com.XYZ:vtl.ABC-XYB-ROCH.demo-1",
                supplied,
                Value::Null,
            ),
            chap: false,
        },
        Example {
            lines: CHAP,
            committed: identity("iqn.2000-03.com.xyz:vtl.vtltest.chap", &generated, chap),
            chap: true,
        },
    ]
}

/// Fails unless the dump shows the target and its initiator as they were committed.
#[track_caller]
fn assert_attached(dump: &Value, committed: &Value) {
    assert_identity(dump, committed);
    let initiator = &dump["initiators"][0];
    assert_eq!(initiator["index"], 0, "{dump:#}");
    assert_eq!(initiator["name"], committed["initiator_name"], "{dump:#}");
    let method = match committed["chap"] {
        Value::Null => "None",
        _ => "CHAP",
    };
    let session = &dump["targets"][0]["session"];
    assert_eq!(session["auth_method"], method, "{dump:#}");
    assert!(!dump.to_string().contains("SOMECHAPSECRET"));
}

#[test]
fn an_example_commits_what_it_says() {
    for number in 0..3 {
        let environment = TestEnvironment::new();
        let example = &examples(&environment)[number];
        let committed = type_in(&environment, example.lines, 0);
        assert_eq!(commit_of(&committed), &example.committed);
    }
}

#[test]
fn an_example_attaches_the_target_that_it_names() {
    for (number, re_ipl) in [RE_IPL, "iscsiswiconfig -reipliscsiop", RE_IPL]
        .into_iter()
        .enumerate()
    {
        let environment = TestEnvironment::new();
        let example = &examples(&environment)[number];
        let mut target = Target::new(text(&example.committed["target_name"]));
        if example.chap {
            target = target.account("SOMECHAPNAME", "SOMECHAPSECRET");
        }
        let portal = Portal::serving([target]);
        let committed = type_in_for(&environment, example.lines, &portal);
        let dump = reipl_and_dump(&environment, re_ipl);
        assert_attached(&dump, commit_of(&committed));
    }
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
    assert_eq!(commit_of(&committed), &platform_identity("AVAIL", "disk"));
}

#[test]
fn the_platform_keystore_takes_the_credentials_once_it_is_enabled() {
    let environment = TestEnvironment::new();
    enable_keystore(&environment);
    let committed = type_in(&environment, PLATFORM, 0);
    assert_eq!(
        commit_of(&committed),
        &platform_identity("PLATFORM", "platform")
    );

    let name = text(&commit_of(&committed)["target_name"]);
    let portal = Portal::serving([Target::new(name).account("SOMECHAPNAME", "SOMECHAPSECRET")]);
    let environment = TestEnvironment::new();
    enable_keystore(&environment);
    let committed = type_in_for(&environment, PLATFORM, &portal);
    let dump = reipl_and_dump(&environment, RE_IPL);
    assert_attached(&dump, commit_of(&committed));
}

fn enable_keystore(environment: &TestEnvironment) {
    environment
        .run(&["partition", "set", "--keystore-size", "4096"])
        .assert_status(0);
}

/// What the fourth example commits.
fn platform_identity(keystore: &str, stored_in: &str) -> Value {
    json!({
        "target_name": "iqn.2000-03.com.xyz:vtl.vtltest.chap",
        "target_host_name": "10.1.1.5",
        "target_port": 860,
        "initiator_name": "iqn.1924-02.com.ibm:myinternetname.ibm.com-i0",
        "chap": {"name": "SOMECHAPNAME", "keystore": keystore, "stored_in": stored_in},
    })
}

/// The examples are pasted into a shell as well.
fn run_script(environment: &TestEnvironment, example: &str) -> String {
    let script = environment.home().join("example.sh");
    fs::write(
        &script,
        format!("set -x\n{example}echo \"status of the last line: $?\"\n"),
    )
    .unwrap();
    let mut command = environment.command_of(Path::new("sh"));
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
            // The man page breaks a long line as a shell takes it.
            .replace(" \\\\\n    ", " ")
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
