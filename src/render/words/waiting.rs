//! What another process keeps this one waiting for, on one line of a terminal.

use crate::iop::store::LockKind;
use crate::storage::{Wait, WaitSubject};

/// Returns the line of a wait, and shorter ones for a terminal that is too narrow for it.
#[must_use]
pub fn lines(wait: &Wait) -> [String; 3] {
    let seconds = wait.waited.as_secs();
    let pid = wait.pid;
    let (what, has) = match &wait.subject {
        WaitSubject::Lock(name) => (lock(name), "held"),
        WaitSubject::Device(device) => (device.as_str(), "used"),
        WaitSubject::Answer => ("the resident IOP", "run"),
    };
    let purpose = wait.purpose.as_ref();
    let purpose = purpose.map_or_else(String::new, |purpose| format!(" ({purpose})"));
    let by = match pid {
        Some(pid) => format!(", {has} by process {pid}{purpose}"),
        None => String::new(),
    };
    let who = match pid {
        Some(pid) => format!("process {pid}"),
        None => "a process".to_owned(),
    };
    [
        format!("{seconds} s: waiting for {what}{by}"),
        format!("{seconds} s: waiting for {who}"),
        format!("{seconds} s"),
    ]
}

fn lock(name: &str) -> &str {
    match LockKind::of(name) {
        Some(LockKind::Configuration) => "the configuration",
        Some(LockKind::ReIpl) => "another re-IPL",
        Some(LockKind::Resident) => "the resident IOP",
        Some(LockKind::Targets) => "the targets",
        Some(LockKind::Target) => "a target",
        Some(LockKind::Keystore) => "the KeyStore",
        None => name,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn whole(subject: WaitSubject, pid: Option<u32>, purpose: Option<&str>) -> String {
        let [whole, ..] = lines(&Wait {
            subject,
            pid,
            purpose: purpose.map(str::to_owned),
            waited: Duration::from_millis(3_900),
        });
        whole
    }

    #[test]
    fn what_is_waited_for_is_told_with_the_process_that_has_it() {
        let lock = |name: &str| WaitSubject::Lock(name.to_owned());
        let write = Some("tape write");
        for (subject, pid, purpose, expected) in [
            (
                lock("config.lock"),
                Some(47),
                None,
                "the configuration, held by process 47",
            ),
            (
                lock("keystore.lock"),
                Some(47),
                None,
                "the KeyStore, held by process 47",
            ),
            (lock("reipl.lock"), None, None, "another re-IPL"),
            (
                lock("iop.lock"),
                Some(47),
                Some("resident IOP"),
                "the resident IOP, held by process 47 (resident IOP)",
            ),
            (
                lock("jobs.lock"),
                Some(47),
                Some("re-IPL"),
                "the targets, held by process 47 (re-IPL)",
            ),
            (
                lock("target-01.lock"),
                Some(47),
                write,
                "a target, held by process 47 (tape write)",
            ),
            (
                WaitSubject::Device("TAP01".to_owned()),
                Some(47),
                write,
                "TAP01, used by process 47 (tape write)",
            ),
            (
                WaitSubject::Answer,
                Some(47),
                None,
                "the resident IOP, run by process 47",
            ),
            (WaitSubject::Answer, None, None, "the resident IOP"),
        ] {
            let expected = format!("3 s: waiting for {expected}");
            assert_eq!(whole(subject, pid, purpose), expected);
        }
    }
}
