//! Who holds a lock, as the kernel tells it (proc(5)): nobody has to write down that he does.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// How often the list of all locks is read: the kernel may leave one out while others come and go.
const ATTEMPTS: usize = 3;

/// Returns a process that holds the flock(2) of a file; none when the kernel does not tell, or when there is none by now.
pub(super) fn holder_of(lock: &File) -> Option<u32> {
    // Whoever called flock(2) may have ended and left the file open to another process, so who has it open goes first.
    open_in_a_process(lock).or_else(|| {
        let place = place_of(lock)?;
        (0..ATTEMPTS).find_map(|_| {
            let locks = fs::read_to_string("/proc/locks").ok()?;
            let mut lines = locks.lines();
            lines.find_map(|line| locker_of(line, Some(&place)))
        })
    })
}

/// Looks into the open files of all processes that show them: one's own, and everybody's to root.
fn open_in_a_process(lock: &File) -> Option<u32> {
    // Paths are compared, since asking for the file behind one can take for ever.
    let own = format!("/proc/self/fd/{}", lock.as_raw_fd());
    let path = fs::read_link(own).ok()?;
    let mut holders = Vec::new();
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let name = process.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let Ok(files) = fs::read_dir(process.path().join("fd")) else {
            continue;
        };
        for file in files.flatten() {
            if fs::read_link(file.path()).is_ok_and(|open| open == path)
                && let Some(locker) = locker_by(&process.path(), Path::new(&file.file_name()))
            {
                if locker == pid {
                    return Some(pid);
                }
                holders.push(pid);
            }
        }
    }
    holders.first().copied()
}

/// Returns which process called flock(2) on an open file of a process; none when the file is not locked by way of that one.
fn locker_by(process: &Path, file: &Path) -> Option<u32> {
    let info = fs::read_to_string(process.join("fdinfo").join(file)).ok()?;
    info.lines()
        .filter_map(|line| line.strip_prefix("lock:"))
        .find_map(|line| locker_of(line, None))
}

/// Reads a line such as `1: FLOCK  ADVISORY  WRITE 4711 fe:00:5308724 0 EOF`: process id, device and inode.
fn locker_of(line: &str, place: Option<&str>) -> Option<u32> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    match words[..] {
        [_, "FLOCK", _, _, pid, at, ..] if place.is_none_or(|place| place == at) => {
            // Some kernels call a process that cannot be seen from here 0.
            pid.parse().ok().filter(|pid| *pid > 0)
        }
        _ => None,
    }
}

/// Returns how a file is named in a list of locks. Some file systems, such as btrfs, have another device there.
fn place_of(file: &File) -> Option<String> {
    let metadata = file.metadata().ok()?;
    let device = metadata.dev();
    Some(format!(
        "{:02x}:{:02x}:{}",
        rustix::fs::major(device),
        rustix::fs::minor(device),
        metadata.ino()
    ))
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    use fs2::FileExt;

    use super::*;

    #[test]
    fn who_holds_a_lock_is_told_while_it_is_held() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let lock = File::create(&path).unwrap();
        let waiter = File::open(&path).unwrap();
        assert_eq!(holder_of(&waiter), None);
        lock.lock_exclusive().unwrap();
        assert_eq!(holder_of(&waiter), Some(std::process::id()));
        FileExt::unlock(&lock).unwrap();
        assert_eq!(holder_of(&waiter), None);
    }

    #[test]
    fn a_shell_that_had_flock_lock_a_file_is_the_holder() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let mut shell = Command::new("sh")
            .args(["-c", "exec 9>\"$0\"; flock 9; echo locked; read -r _"])
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(shell.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert_eq!(line, "locked\n");
        let lock = File::open(&path).unwrap();
        let locks = fs::read_to_string("/proc/locks").unwrap();
        let caller = locks
            .lines()
            .find_map(|line| locker_of(line, place_of(&lock).as_deref()));
        // The program flock(1) called flock(2), and has ended.
        assert_ne!(caller, Some(shell.id()));
        assert_eq!(holder_of(&lock), Some(shell.id()));
        drop(shell.stdin.take());
        shell.wait().unwrap();
        assert_eq!(holder_of(&lock), None);
    }

    #[test]
    fn locks_of_another_kind_or_place_and_waiters_are_not_the_holder() {
        let place = Some("fe:00:77");
        for (line, expected) in [
            ("1: POSIX  ADVISORY  WRITE 11 fe:00:77 0 EOF", None),
            ("2: FLOCK  ADVISORY  WRITE 12 fe:01:77 0 EOF", None),
            ("3: FLOCK  ADVISORY  WRITE 13 fe:00:778 0 EOF", None),
            ("4: FLOCK  ADVISORY  WRITE 14 fe:00:77 0 EOF", Some(14)),
            ("4: -> FLOCK  ADVISORY  WRITE 15 fe:00:77 0 EOF", None),
            ("5: FLOCK  ADVISORY  WRITE 0 fe:00:77 0 EOF", None),
            ("", None),
        ] {
            assert_eq!(locker_of(line, place), expected, "{line}");
        }
    }
}
