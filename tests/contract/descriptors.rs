//! A low limit of open files: every command does its work or says why not, and none panics.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::common::TestEnvironment;

const DOCUMENT: &str =
    r#"{"schema": 1, "targets": [{"target_name": "z", "target_host_name": "127.0.0.1"}]}"#;

#[test]
fn a_low_limit_of_open_files_is_a_status_and_no_panic() {
    let identity = "-initiatorname x -targethostname 127.0.0.1 -targetport 1";
    let calls = [
        "-dumpinitiators".to_owned(),
        "-dumptargets".to_owned(),
        format!("-addtarget {identity} -targetname y"),
        format!("-changetarget {identity} -targetname x -chapkeystore NONE"),
        format!("-removetarget {identity} -targetname x"),
        "-newname -targetname y".to_owned(),
        "-commit".to_owned(),
        "-clearconfig".to_owned(),
        "-reipliscsiop".to_owned(),
        "show".to_owned(),
        "apply targets.json".to_owned(),
        "apply targets.json --dry-run".to_owned(),
        "library".to_owned(),
        "library inventory TAPMLB01".to_owned(),
        "tape status TAPMLB01".to_owned(),
        "tape list TAPMLB01 VOL001".to_owned(),
        "mtx -f TAPMLB01 status".to_owned(),
        "partition".to_owned(),
        "partition export new.age --passphrase-file passphrase".to_owned(),
        "partition import no.age --passphrase-file passphrase".to_owned(),
        "partition set --keystore-size 4KiB".to_owned(),
        "generate man".to_owned(),
        "complete target-names".to_owned(),
        "--help".to_owned(),
        "vtl --listen 127.0.0.1:0 --cartridges 1".to_owned(),
        "demo".to_owned(),
    ];
    for limit in [4, 5, 6, 7, 8, 9, 10, 12, 15, 20] {
        let environment = TestEnvironment::new();
        let add = format!("-addtarget {identity} -targetname x");
        let added = environment.run(&add.split(' ').collect::<Vec<_>>());
        added.assert_status(0);
        for (name, text) in [
            ("targets.json", DOCUMENT),
            ("passphrase", "a passphrase"),
            ("no.age", "no export"),
        ] {
            let file = environment.home().join(name);
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        }
        for call in &calls {
            // The library serves until it is told to end.
            let bounded = if call.starts_with("vtl") {
                "timeout --preserve-status 0.5"
            } else {
                ""
            };
            let line = format!("ulimit -n {limit} && exec {bounded} iscsiswiconfig {call}");
            let mut command = environment.command_of(Path::new("/bin/sh"));
            command.args(["-c", &line]);
            let output = environment.finish(command);
            let status = output.status.code();
            assert!(!output.stderr.contains("panicked"), "{line}\n{output}");
            let _ = fs::remove_file(environment.home().join("new.age"));
            // Nothing is staged, and the active configuration has no device.
            let refused = status == Some(1)
                && ["-commit", "library ", "tape ", "mtx "]
                    .iter()
                    .any(|word| call.starts_with(word));
            let unconnected = status == Some(4) && call == "-reipliscsiop" && limit >= 20;
            assert!(
                matches!(status, Some(0 | 3)) || refused || unconnected,
                "{line}\n{output}"
            );
            if status == Some(3) {
                assert!(output.stderr.contains("  hint: "), "{line}\n{output}");
            }
        }
    }
}
