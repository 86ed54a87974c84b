//! A low limit of open files: every command does its work or says why not, and none panics.

use std::path::Path;

use crate::common::TestEnvironment;

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
        "partition".to_owned(),
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
            let refused = status == Some(1) && call == "-commit";
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
