//! What outlasts a power failure, and system calls that fail: seen, and made to fail, by strace.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::common::{Output, TestEnvironment, binary};

/// The calls that make, write, rename and sync files.
const CALLS: &str = "mkdir,mkdirat,open,openat,fsync,fdatasync,rename,renameat,renameat2";

/// Runs the binary under strace with options of strace's, and returns what it printed and the traced calls, one a line, each
/// descriptor with its path.
fn traced(environment: &TestEnvironment, options: &[&str], line: &str) -> (Output, Vec<String>) {
    let trace = environment.home().join("trace");
    let mut command = environment.command_of(Path::new("strace"));
    command
        .args(["-f", "-qq", "-y", "-s", "4096", "-o"])
        .arg(&trace)
        .args(options)
        .arg(binary())
        .args(line.split(' '));
    let output = environment.finish(command);
    let calls =
        fs::read_to_string(&trace).expect("strace (Debian package strace) writes its trace");
    // Each line begins with the process id.
    let calls = calls
        .lines()
        .filter_map(|line| Some(line.split_once(' ')?.1.trim().to_owned()));
    (output, calls.collect())
}

fn position(calls: &[String], what: &str, is: impl Fn(&str) -> bool) -> usize {
    let position = calls
        .iter()
        .rposition(|call| is(call) && !call.contains("= -1"));
    position.unwrap_or_else(|| panic!("{what} is not among\n{}", calls.join("\n")))
}

fn sync_of(calls: &[String], path: &Path) -> usize {
    let descriptor = format!("<{}>)", path.display());
    position(calls, &format!("fsync of {}", path.display()), |call| {
        call.starts_with("fsync(") && call.contains(&descriptor)
    })
}

#[test]
fn the_parent_of_each_new_directory_and_the_directory_of_each_record_are_synced() {
    let environment = TestEnvironment::new();
    let home = environment.home().canonicalize().unwrap();
    let state = home.join("a/b/state");
    let line = format!(
        "--state-dir {} -addtarget -initiatorname x -targethostname 127.0.0.1 -targetname y",
        state.display()
    );
    let (output, calls) = traced(&environment, &["-e", &format!("trace={CALLS}")], &line);
    output.assert_status(0);
    for made in [home.join("a"), home.join("a/b"), state.clone()] {
        let name = format!("\"{}\"", made.display());
        let mkdir = position(&calls, &name, |call| {
            call.starts_with("mkdir") && call.contains(&name)
        });
        assert!(mkdir < sync_of(&calls, made.parent().unwrap()), "{name}");
    }
    let rename = position(&calls, "rename", |call| {
        call.starts_with("rename") && call.contains("\"config.json\"")
    });
    let written = position(&calls, "fsync", |call| {
        call.starts_with("fsync(") && call.contains("config.json.new>")
    });
    assert!(written < rename && rename < sync_of(&calls, &state));
}

fn private(environment: &TestEnvironment, name: &str, text: &str) {
    let file = environment.home().join(name);
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn an_export_is_synced_with_its_directory_and_a_failure_of_that_has_its_own_code() {
    let environment = TestEnvironment::new();
    private(&environment, "passphrase", "a passphrase");
    let home = environment.home().canonicalize().unwrap();
    environment
        .run_line("partition set --keystore-size 4096")
        .assert_status(0);
    let export = |name: &str| {
        format!(
            "--json partition export {}/{name} --passphrase-file passphrase",
            home.display()
        )
    };
    let options = ["-e", &format!("trace={CALLS}")];
    let (output, calls) = traced(&environment, &options, &export("one.age"));
    output.assert_status(0);
    let file = sync_of(&calls, &home.join("one.age"));
    assert!(file < sync_of(&calls, &home), "{calls:#?}");

    let syncs = calls
        .iter()
        .filter(|call| call.starts_with("fsync("))
        .count();
    for (failing, code, is_there) in [
        (syncs, "not-durable", true),
        (syncs - 1, "file-unusable", false),
    ] {
        let name = format!("{code}.age");
        let inject = format!("inject=fsync:error=EIO:when={failing}");
        let (output, _) = traced(
            &environment,
            &["-e", "trace=fsync", "-e", &inject],
            &export(&name),
        );
        let output = output.assert_status(3);
        assert_eq!(output.json()["error"]["code"], code);
        assert_eq!(home.join(&name).exists(), is_there, "{code}");
    }
    environment
        .run_line("partition import not-durable.age --passphrase-file passphrase")
        .assert_status(0);
}

#[test]
fn an_edit_that_may_not_outlast_a_power_failure_is_told_as_done() {
    let environment = TestEnvironment::new();
    environment.add("first", "127.0.0.1", 1);
    let add = |name: &str| {
        format!("--json -addtarget -initiatorname x -targethostname 127.0.0.1 -targetname {name}")
    };
    let (output, calls) = traced(&environment, &["-e", "trace=fsync"], &add("second"));
    output.assert_status(0);
    let inject = format!("inject=fsync:error=EIO:when={}", calls.len());
    let (output, _) = traced(
        &environment,
        &["-e", "trace=fsync", "-e", &inject],
        &add("third"),
    );
    let output = output.assert_status(3);
    let document = output.json();
    assert_eq!(document["error"]["code"], "not-durable", "{document:#}");
    assert_eq!(
        environment.configured_targets(),
        ["first", "second", "third"]
    );
}

/// Every reason but "not there" is an error: another name, or a KeyStore that nothing ever opens, would come of it.
#[test]
fn an_identity_that_cannot_be_read_is_an_error_before_anything_is_written() {
    const GENERATED: &str =
        "-addtarget -initiatorname *GENERATE -targethostname 127.0.0.1 -targetname y";
    for file in ["/etc/machine-id", "/proc/device-tree/ibm,partition-uuid"] {
        for error in ["EIO", "EACCES", "ENFILE", "EMFILE"] {
            for line in ["partition set --keystore-size 4096", GENERATED] {
                let environment = TestEnvironment::new();
                let inject = format!("inject=openat:error={error}");
                let options = ["-P", file, "-e", "trace=openat", "-e", &inject];
                let (output, _) = traced(&environment, &options, line);
                let output = output.assert_status(3).says(&[file]);
                assert!(environment.snapshot().is_empty(), "{error}: {}", *output);
                assert!(!environment.home().join("keystore").exists(), "{error}");
            }
        }
    }
}
