//! A network namespace of one's own, whose congestion control is cubic where the kernel has it: what Linux takes by default may
//! hold loopback back.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// Set in the namespace that this makes.
const INSIDE: &str = "ISCSISWICONFIG_BENCH_NAMESPACE";

/// Returns the parts of the bench that the command line names, all of them where it names none, once this process runs in a
/// namespace of its own. Media are kept in memory.
///
/// # Panics
/// On a word that is none of `parts`, and without the rights of root.
pub fn inside(parts: &[&'static str]) -> Vec<&'static str> {
    // cargo bench gives options of its own.
    let asked: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with("--"))
        .collect();
    for part in &asked {
        assert!(
            parts.contains(&part.as_str()),
            "{part} is none of {parts:?}"
        );
    }
    if std::env::var_os(INSIDE).is_none() {
        let script = "ip link set lo up; sysctl -q -w net.ipv4.tcp_congestion_control=cubic; exec \"$0\" \"$@\"";
        let error = Command::new("unshare")
            .args(["--net", "sh", "-c", script])
            .arg(std::env::current_exe().expect("the path of this program"))
            .args(&asked)
            .env(INSIDE, "1")
            .env("TMPDIR", "/dev/shm")
            .exec();
        panic!("unshare: {error}");
    }
    let control = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_congestion_control");
    println!("Congestion control: {}", control.unwrap_or_default().trim());
    let is_asked = |part: &&str| asked.is_empty() || asked.iter().any(|asked| asked == part);
    parts.iter().copied().filter(is_asked).collect()
}
