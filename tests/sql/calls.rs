//! The procedures.

use std::io;
use std::path::Path;

use iscsiswiconfig::commands::{self, Terminal};
use proptest::prelude::*;

use super::{rows, sql};
use crate::common::{TestEnvironment, text};
use crate::peers::vtl::{NAME, Vtl};

#[test]
fn every_attested_statement_can_be_pasted() {
    let environment = TestEnvironment::new();
    let empty = rows(&environment, "select * from iscsi_info");
    assert_eq!(empty.as_array().map(Vec::len), Some(1));
    assert_eq!(empty[0][0], serde_json::Value::Null);
    assert_eq!(empty[0][3], environment.default_initiator());
    for statement in [
        "CALL QSYS2.ADD_ISCSI_TARGET(TARGET_NAME=>'iqn.2000-03.com.falconstor:stvtl1003a.vs.target',\n      \
         TARGET_HOST_NAME=>'10.0.1.6', INITIATOR_NAME=>'iqn.1994-05.com.ibm:stvtl1003a.vs.target')",
        "CALL QSYS2.ADD_ISCSI_TARGET( TARGET_NAME=>'inftst22', TARGET_HOST_NAME=>'10.25.46.129')",
        // Secrets of 17 and 24 characters, a target name with upper-case letters, a removal with a port and no host name.
        "CALL QSYS2.ADD_ISCSI_TARGET(TARGET_NAME => 'iqn.2000-03.com.XYZ:vtl.ABC-XYB-ROCH.demo-1', TARGET_HOST_NAME => \
         '10.1.1.5', TARGET_PORT => 860, INITIATOR_CHAP_NAME => 'SOMECHAPNAME', INITIATOR_CHAP_SECRET => 'SEVENTEENSEVENTEE')",
        "CALL QSYS2.CHANGE_ISCSI_TARGET(TARGET_NAME => 'iqn.2000-03.com.XYZ:vtl.ABC-XYB-ROCH.demo-1', TARGET_HOST_NAME => \
         '10.1.1.5', TARGET_PORT => 860, INITIATOR_CHAP_SECRET => 'TWENTYFOURTWENTYFOURTWEN')",
        "CALL QSYS2.REMOVE_ISCSI_TARGET(TARGET_NAME => 'iqn.2000-03.com.XYZ:vtl.ABC-XYB-ROCH.demo-1', TARGET_PORT => 860)",
    ] {
        sql(&environment, statement).assert_status(0);
    }
    assert_eq!(
        environment.configured_targets(),
        [
            "iqn.2000-03.com.falconstor:stvtl1003a.vs.target",
            "inftst22"
        ]
    );
    let shown = rows(
        &environment,
        "SELECT TARGET_NAME, TARGET_STATUS FROM QSYS2.ISCSI_INFO ORDER BY 1",
    );
    assert_eq!(shown[0], serde_json::json!(["inftst22", null]));
}

#[test]
fn change_iop_re_ipls_and_the_views_show_what_it_found() {
    let environment = TestEnvironment::new();
    let vtl = Vtl::start(&environment, &["--drives", "2"]);
    let port = vtl.port();
    let script = format!(
        "CALL QSYS2.ADD_ISCSI_TARGET('{NAME}', '127.0.0.1', {port});
         CALL QSYS2.CHANGE_IOP(IOP => 'ISCSI', OPTION => 'IPL');
         SELECT TARGET_NAME, TARGET_STATUS, CONFIGURATION_CHANGED FROM QSYS2.ISCSI_INFO;
         SELECT DEVICE_NAME, DEVICE_STATUS, DEVICE_TYPE, DEVICE_MODEL, RESOURCE_NAME, RESOURCE_STATUS, TARGET_NAME FROM
         QSYS2.MEDIA_LIBRARY_INFO ORDER BY RESOURCE_NAME"
    );
    let document = environment
        .run(&["--json", "sql", &script])
        .assert_status(0)
        .json();
    let library = |drive: &str| {
        serde_json::json!([
            "TAPMLB01",
            "VARIED ON",
            "3584",
            "403",
            drive,
            "OPERATIONAL",
            NAME
        ])
    };
    let results = &document["results"];
    assert_eq!(results[0], serde_json::json!({"changed": true}));
    assert_eq!(results[1], serde_json::json!({"changed": true}));
    assert_eq!(
        results[2]["rows"],
        serde_json::json!([[NAME, "ACTIVE", "NO"]])
    );
    assert_eq!(
        results[3]["rows"],
        serde_json::json!([library("TAP01"), library("TAP02")])
    );
    vtl.stop();
    // A target that fails does not stop the script, and is what the status says.
    let output = environment.run(&[
        "--timeout",
        "5",
        "sql",
        "CALL QSYS2.CHANGE_IOP('ISCSI', 'IPL'); SELECT TARGET_STATUS FROM QSYS2.ISCSI_INFO",
    ]);
    let output = output.assert_status(4);
    assert!(
        output.stdout.contains("FAILED\n1 row."),
        "{}",
        output.stdout
    );
}

#[test]
fn a_statement_that_fails_stops_the_script_and_leaves_the_ones_before_done() {
    let environment = TestEnvironment::new();
    let script =
        "CALL QSYS2.ADD_ISCSI_TARGET('iqn.a', 'vtl'); CALL QSYS2.ADD_ISCSI_TARGET('iqn.a', 'vtl');
                  CALL QSYS2.ADD_ISCSI_TARGET('iqn.b', 'vtl')";
    let output = environment.run(&["--json", "sql", script]).assert_status(1);
    let document = output.json();
    assert_eq!(document["results"], serde_json::json!([{"changed": true}]));
    assert_eq!(document["error"]["code"], "target-exists");
    assert!(text(&document["error"]["message"]).starts_with("line 1, column 51: "));
    assert_eq!(environment.configured_targets(), ["iqn.a"]);
    let several = [
        "sql",
        "CALL QSYS2.ADD_ISCSI_TARGET('iqn.b', 'vtl')",
        "CALL QSYS2.ADD_ISCSI_TARGET('iqn.c')",
    ];
    environment
        .run(&several)
        .assert_status(2)
        .says(&["argument 2: line 1, column 6: ADD_ISCSI_TARGET needs TARGET_HOST_NAME"]);
    assert_eq!(environment.configured_targets(), ["iqn.a", "iqn.b"]);
}

#[test]
fn two_targets_that_fit_a_removal_without_a_host_are_both_named() {
    let environment = TestEnvironment::new();
    // By name and by the generated name that another UUID makes of it, one target is there twice.
    let uuid = "0123456789abcdef0123456789abcdef";
    let spelled_out = format!("iqn.1924-02.com.ibm:ibmi.{uuid}-i0");
    for statement in [
        format!("CALL QSYS2.ADD_ISCSI_TARGET('iqn.a', '10.1.1.5', DEFAULT, '{spelled_out}')"),
        "CALL QSYS2.ADD_ISCSI_TARGET('iqn.a', '10.1.1.6')".to_owned(),
    ] {
        environment.run(&["-q", "sql", &statement]).assert_status(0);
    }
    environment
        .run(&["-q", "partition", "set", "--uuid", uuid])
        .assert_status(0);
    sql(&environment, "CALL QSYS2.REMOVE_ISCSI_TARGET('iqn.a')")
        .assert_status(1)
        .says(&["more than one target"])
        .hints(&["10.1.1.5", "10.1.1.6"]);
    assert_eq!(environment.configured_targets().len(), 2);
    sql(
        &environment,
        "CALL QSYS2.REMOVE_ISCSI_TARGET('iqn.a', '10.1.1.6')",
    )
    .assert_status(0);
    sql(&environment, "CALL QSYS2.REMOVE_ISCSI_TARGET('IQN.A')").assert_status(0);
    assert_eq!(environment.configured_targets().len(), 0);
    sql(&environment, "CALL QSYS2.REMOVE_ISCSI_TARGET('iqn.a')").assert_status(1);
}

#[test]
fn the_secret_of_a_marker_comes_from_a_file_or_from_standard_input() {
    use std::os::unix::fs::PermissionsExt;
    let environment = TestEnvironment::new();
    let file = environment.home().join("secret");
    std::fs::write(&file, "SECRETOFAFILE\n").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let statement = "CALL QSYS2.ADD_ISCSI_TARGET('iqn.a', 'vtl', 860, DEFAULT, 'N', ?)";
    environment
        .run(&["--secret-file", file.to_str().unwrap(), "sql", statement])
        .assert_status(0);
    let config = std::fs::read_to_string(environment.state_file("config.json")).unwrap();
    assert!(config.contains("SECRETOFAFILE"));
    // A file that is not needed is not read.
    environment
        .run(&["--secret-file", "/no/such/file", "sql", "VALUES 1"])
        .assert_status(0);
    environment
        .run(&["--secret-file", "/no/such/file", "sql", statement])
        .assert_status(3);
    environment
        .run(&["--secret-file", "-", "sql"])
        .assert_status(2)
        .says(&["standard input holds the statements"]);
}

#[test]
fn a_secret_is_in_no_output_whatever_is_wrong_with_its_statement() {
    let environment = TestEnvironment::new();
    let secret = "QQZZQQZZQQZZ";
    let call =
        format!("CALL QSYS2.ADD_ISCSI_TARGET('iqn.a', 'vtl', 860, DEFAULT, 'N', '{secret}')");
    for broken in [
        call.clone(),
        // Configured already.
        call.clone(),
        call.replace("860", "0"),
        call.replace("DEFAULT", "DEFAULT,"),
        call.replace("'N', ", "'N' "),
        call.replace("')", "' ')"),
        call.replace("')", "'"),
        call.replace("')", ")"),
        call.replace("')", "\u{e9}')"),
        call.replace("CALL", "CAL"),
        call.replace("CALL", "SELECT"),
        call.replace("CALL QSYS2.ADD_ISCSI_TARGET", "VALUES"),
        call.replace(
            "CALL QSYS2.ADD_ISCSI_TARGET",
            "SELECT 1 FROM ISCSI_INFO WHERE 'x'",
        ),
        call.replace("'iqn.a'", "'iqn.a', NO_SUCH => 'x'"),
        format!("{call} {call}"),
        format!("SELECT '{secret}' '{secret}'"),
        format!("SELECT {secret}"),
    ] {
        let output = environment.run(&["-vv", "--json", "sql", &broken]);
        let shown = format!("{}{}", output.stdout, output.stderr);
        let is_name = broken.starts_with("SELECT QQ") || broken.starts_with("VALUES");
        assert!(is_name || !shown.contains("QQZZ"), "{broken}: {shown}");
    }
}

/// One edit, in both languages.
#[derive(Clone, Debug)]
struct Edit {
    verb: usize,
    target: usize,
    host: usize,
    port: usize,
    initiator: usize,
    chap_name: Option<usize>,
    chap_secret: Option<usize>,
    keystore: Option<usize>,
}

const TARGETS: [&str; 3] = ["iqn.2000-03.com.xyz:a", "iqn.2000-03.com.XYZ:A", "it's"];
const HOSTS: [&str; 3] = ["10.1.1.5", "vtl", "VTL"];
const PORTS: [&str; 2] = ["3260", "860"];
const INITIATORS: [&str; 2] = ["*GENERATE", "iqn.1994-05.com.ibm:i"];
const CHAP_NAMES: [&str; 3] = ["NAME", "name", "two words"];
const SECRETS: [&str; 2] = ["SECRETSECRET", "quote'quote'quote"];
const KEYSTORES: [&str; 3] = ["AVAIL", "NONE", "PLATFORM"];

impl Edit {
    fn is_removal(&self) -> bool {
        self.verb == 2
    }

    fn macro_line(&self) -> Vec<&'static str> {
        let mut words = vec![
            ["-addtarget", "-changetarget", "-removetarget"][self.verb],
            "-initiatorname",
            INITIATORS[self.initiator],
            "-targethostname",
            HOSTS[self.host],
            "-targetname",
            TARGETS[self.target],
            "-targetport",
            PORTS[self.port],
        ];
        if !self.is_removal() {
            let mut push = |word, value: Option<&'static str>| {
                words.extend(value.into_iter().flat_map(|value| [word, value]));
            };
            push(
                "-initiatorchapname",
                self.chap_name.map(|of| CHAP_NAMES[of]),
            );
            push(
                "-initiatorchapsecret",
                self.chap_secret.map(|of| SECRETS[of]),
            );
            push("-chapkeystore", self.keystore.map(|of| KEYSTORES[of]));
        }
        words
    }

    fn statement(&self) -> String {
        let literal = |text: &str| format!("'{}'", text.replace('\'', "''"));
        let procedure = [
            "ADD_ISCSI_TARGET",
            "CHANGE_ISCSI_TARGET",
            "REMOVE_ISCSI_TARGET",
        ][self.verb];
        let mut arguments = vec![
            format!("TARGET_PORT => {}", PORTS[self.port]),
            format!("TARGET_NAME => {}", literal(TARGETS[self.target])),
            format!("TARGET_HOST_NAME => {}", literal(HOSTS[self.host])),
        ];
        if self.initiator > 0 {
            arguments.push(format!(
                "INITIATOR_NAME => {}",
                literal(INITIATORS[self.initiator])
            ));
        }
        if !self.is_removal() {
            let mut push = |name: &str, value: Option<String>| {
                arguments.extend(value.map(|value| format!("{name} => {value}")));
            };
            push(
                "INITIATOR_CHAP_NAME",
                self.chap_name.map(|of| literal(CHAP_NAMES[of])),
            );
            push(
                "INITIATOR_CHAP_SECRET",
                self.chap_secret.map(|of| literal(SECRETS[of])),
            );
            push(
                "CHAP_KEYSTORE",
                self.keystore
                    .map(|of| literal(&format!("*{}", KEYSTORES[of]))),
            );
        }
        format!("CALL QSYS2.{procedure}({})", arguments.join(", "))
    }

    /// Whether nothing but what stays is given for a change, which the macro refuses and SQL accepts.
    fn changes_nothing(&self) -> bool {
        self.verb == 1
            && self.chap_name.is_none()
            && self.chap_secret.is_none()
            && self.keystore.is_none()
    }

    /// Whether a change is given only one of CHAP name and secret.
    fn changes_half_a_pair(&self) -> bool {
        self.verb == 1 && self.chap_name.is_some() != self.chap_secret.is_some()
    }
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let edit = (
        0..3_usize,
        0..TARGETS.len(),
        0..HOSTS.len(),
        0..PORTS.len(),
        0..INITIATORS.len(),
        proptest::option::of(0..CHAP_NAMES.len()),
        proptest::option::of(0..SECRETS.len()),
        proptest::option::of(0..KEYSTORES.len()),
    );
    let edit = edit.prop_map(
        |(verb, target, host, port, initiator, chap_name, chap_secret, keystore)| Edit {
            verb,
            target,
            host,
            port,
            initiator,
            chap_name,
            chap_secret,
            keystore,
        },
    );
    proptest::collection::vec(edit, 1..10)
}

/// Runs a line in this process, on a state of its own.
fn run_in(state: &Path, words: &[&str]) -> u8 {
    let state = state.to_str().expect("a path in UTF-8");
    let keystore = format!("{state}-keystore");
    let options = ["--state-dir", state, "--keystore-dir", &keystore, "-q"];
    let line = options.iter().chain(words).map(std::ffi::OsString::from);
    commands::run(
        line,
        Terminal::new(Box::new(io::sink()), Box::new(io::sink())),
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn calls_and_lines_of_the_macro_lead_to_the_same_configuration(edits in edits(), sealed: bool) {
        let home = tempfile::tempdir().expect("a temporary directory");
        let (by_macro, by_sql) = (home.path().join("macro"), home.path().join("sql"));
        if sealed {
            for state in [&by_macro, &by_sql] {
                let set = ["partition", "set", "--keystore-size", "4096"];
                prop_assert_eq!(run_in(state, &set), 0);
            }
        }
        for edit in &edits {
            let line = run_in(&by_macro, &edit.macro_line());
            let call = run_in(&by_sql, &["sql", &edit.statement()]);
            if edit.changes_nothing() {
                prop_assert_eq!(line, 2);
                prop_assert!(call < 2);
            } else if edit.changes_half_a_pair() && call == 2 {
                // The result would have only one of the two: the services call that a wrong parameter.
                prop_assert_eq!(line, 1, "{:?} {}", edit, edit.statement());
            } else {
                prop_assert_eq!(line, call, "{:?} {}", edit, edit.statement());
            }
        }
        let config = |state: &Path| {
            let text = std::fs::read_to_string(state.join("config.json")).ok()?;
            let mut record: serde_json::Value = serde_json::from_str(&text).ok()?;
            // Where a secret is in a KeyStore, the reference to it is a random number.
            for target in record["record"]["targets"].as_array_mut().into_iter().flatten() {
                if let Some(secret) = target.pointer_mut("/chap/sealed") {
                    *secret = serde_json::Value::Null;
                }
            }
            Some(record)
        };
        prop_assert_eq!(config(&by_macro), config(&by_sql));
    }
}
