//! What the measurements need of the machine.

use std::env;
use std::path::Path;
use std::process::{Command, ExitCode};

/// Every program that is run, with the Debian package that holds it.
const PROGRAMS: [(&str, &str); 9] = [
    ("iscsiadm", "open-iscsi"),
    ("iscsi-ls", "libiscsi-bin"),
    ("iscsi-inq", "libiscsi-bin"),
    ("tgtd", "tgt"),
    ("tgtadm", "tgt"),
    ("strace", "strace"),
    ("time", "time"),
    ("mount", "mount"),
    ("unshare", "util-linux"),
];

const MARK: &str = "ISCSISWICONFIG_BENCH_NAMESPACE";

/// Returns what keeps the measurements from being made.
pub fn check() -> Result<(), String> {
    if !rustix::process::geteuid().is_root() {
        return Err("iscsiadm and tgtd need root: run cargo bench as root".to_owned());
    }
    let mut packages: Vec<&str> = PROGRAMS
        .iter()
        .filter(|(program, _)| !is_there(program))
        .map(|(_, package)| *package)
        .collect();
    packages.dedup();
    if packages.is_empty() {
        Ok(())
    } else {
        Err(format!("install {}", packages.join(" ")))
    }
}

/// Returns whether this process has a mount namespace of its own.
pub fn in_own_namespace() -> bool {
    env::var_os(MARK).is_some()
}

/// Runs this program once more, in a mount namespace of its own, and returns its exit status.
pub fn again_in_own_namespace() -> ExitCode {
    let status = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "--"])
        .arg(env::current_exe().expect("the path of this program"))
        .env(MARK, "1")
        .env("PATH", search_path())
        .status()
        .expect("run unshare");
    if status.success() {
        ExitCode::SUCCESS
    } else {
        eprintln!("not everything was measured");
        ExitCode::FAILURE
    }
}

fn is_there(program: &str) -> bool {
    env::split_paths(&search_path()).any(|directory| Path::new(&directory).join(program).is_file())
}

/// The peers are administrators' programs, which a user's `PATH` may not show.
fn search_path() -> String {
    let path = env::var("PATH").unwrap_or_default();
    format!("{path}:/usr/sbin:/usr/bin:/sbin:/bin")
}
