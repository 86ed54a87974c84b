//! An exclusive lock whose file names the process that holds it.

use std::fs::File;
use std::io::Read;
use std::io::Seek;
use std::time::{Duration, Instant};

use super::directory::{LockHolder, OpenDirectory};
use super::error::StorageError;
use super::wait::{Wait, WaitSubject};

/// The pause between two attempts at a lock that another process holds: long enough to leave the holder the processor, short
/// against the fsync that it waits for.
const PAUSE: Duration = Duration::from_millis(1);

/// A lock that is held until this is dropped.
#[derive(Debug)]
pub struct Lock {
    file: File,
    sharing: Sharing,
}

/// How a lock is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sharing {
    /// Exclusive; the file names the holder.
    Exclusive,
    /// With others that share it.
    Shared,
}

impl Lock {
    /// Takes a lock in a directory, and writes this process's id into its file. `users` finds the lock that says who has this
    /// one, where its own file does not.
    pub(super) fn take(
        directory: &OpenDirectory,
        name: &str,
        purpose: &str,
        sharing: Sharing,
        timeout: Duration,
        users: impl Fn() -> Option<LockHolder>,
    ) -> Result<Self, StorageError> {
        let file = directory.open_lock(name)?;
        let started = Instant::now();
        let holder = || {
            users().unwrap_or_else(|| {
                let (pid, purpose) = holder(&file).unzip();
                LockHolder {
                    lock: name.to_owned(),
                    pid,
                    purpose: purpose.flatten(),
                }
            })
        };
        let mut wait = directory.wait_observer().begin();
        while !directory.try_lock(&file, name, sharing)? {
            let waited = started.elapsed();
            if waited >= timeout {
                let holder = holder();
                return Err(StorageError::Locked {
                    path: directory.path_of(&holder.lock),
                    pid: holder.pid,
                    purpose: holder.purpose,
                    waited,
                });
            }
            wait.goes_on(waited, || {
                let holder = holder();
                Wait {
                    subject: WaitSubject::Lock(holder.lock),
                    pid: holder.pid,
                    purpose: holder.purpose,
                    waited,
                }
            });
            std::thread::sleep(PAUSE.min(timeout - waited));
        }
        drop(wait);
        let lock = Self { file, sharing };
        if sharing == Sharing::Exclusive {
            directory.note_holder(&lock.file, name, purpose)?;
        }
        Ok(lock)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if self.sharing == Sharing::Exclusive {
            // Best effort: a name that stays is that of a process that holds nothing, and is read only while the lock is held.
            let _ = self.file.set_len(0);
        }
        // A process that was forked meanwhile, and is not another program yet, would hold the lock on.
        let _ = fs2::FileExt::unlock(&self.file);
    }
}

/// Returns the process that a lock file names, if there is such a process: one that was killed leaves its id behind, and a
/// program that takes the lock by other means, such as flock(1), writes none. With it comes what it holds the lock for.
pub(super) fn holder(mut file: &File) -> Option<(u32, Option<String>)> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(80).read_to_string(&mut text).ok()?;
    let mut lines = text.lines().map(str::trim);
    let id: u32 = lines.next()?.parse().ok()?;
    let purpose = lines.next().filter(|purpose| !purpose.is_empty());
    let process = rustix::process::Pid::from_raw(id.try_into().ok()?)?;
    let exists = rustix::process::test_kill_process(process) != Err(rustix::io::Errno::SRCH);
    exists.then(|| (id, purpose.map(str::to_owned)))
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};
    use std::sync::Arc;

    use super::super::{Directory, Links, SystemFileSystem, WaitObserver};
    use super::*;

    fn directory(root: &tempfile::TempDir) -> OpenDirectory {
        let directory = Directory {
            path: root.path().join("state"),
            what: "state",
            forbidden: 0o022,
            forbidden_of_files: 0o077,
            links: Links::Followed,
            from_home: false,
            lock_timeout: Duration::ZERO,
            wait_observer: WaitObserver::default(),
            disk: Arc::new(SystemFileSystem),
        };
        directory.prepare().unwrap()
    }

    fn refused(directory: &OpenDirectory) -> Option<u32> {
        match directory.lock("x.lock") {
            Err(StorageError::Locked { pid, .. }) => pid,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_holder_is_named_while_it_holds_the_lock() {
        let root = tempfile::tempdir().unwrap();
        let directory = directory(&root);
        let held = directory.lock("x.lock").unwrap();
        assert_eq!(refused(&directory), Some(std::process::id()));
        drop(held);
        let file = root.path().join("state/x.lock");
        assert_eq!(std::fs::read(&file).unwrap(), b"");
        drop(directory.lock("x.lock").unwrap());
    }

    #[test]
    fn the_holder_says_what_it_holds_the_lock_for() {
        let root = tempfile::tempdir().unwrap();
        let directory = directory(&root);
        let purpose = |directory: &OpenDirectory| match directory.lock("x.lock") {
            Err(StorageError::Locked { purpose, .. }) => purpose,
            other => panic!("{other:?}"),
        };
        let held = directory
            .lock_for("x.lock", &"tape write TAPMLB01 ".repeat(9))
            .unwrap();
        assert_eq!(purpose(&directory).unwrap().len(), 64);
        drop(held);
        let _held = directory.lock_for("x.lock", "re-IPL").unwrap();
        assert_eq!(purpose(&directory).as_deref(), Some("re-IPL"));
    }

    #[test]
    fn a_lock_that_was_taken_by_other_means_has_no_name_nor_that_of_a_dead_process() {
        let root = tempfile::tempdir().unwrap();
        let directory = directory(&root);
        let file = root.path().join("state/x.lock");
        let mut dead = Command::new("true").spawn().unwrap();
        dead.wait().unwrap();
        for left in [String::new(), dead.id().to_string(), "no pid".to_owned()] {
            std::fs::write(&file, left).unwrap();
            let mut shell = Command::new("sh")
                .args(["-c", "exec 9<>\"$0\"; flock 9; echo locked; read -r _"])
                .arg(&file)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut line = String::new();
            let out = shell.stdout.as_mut().unwrap();
            BufReader::new(out).read_line(&mut line).unwrap();
            assert_eq!(line, "locked\n");
            assert_eq!(refused(&directory), None);
            drop(shell.stdin.take());
            shell.wait().unwrap();
        }
    }
}
