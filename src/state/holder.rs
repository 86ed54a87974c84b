//! Who holds a lock, as the kernel tells it in `/proc/locks` (proc_locks(5)): nobody has to write down that he does.

use std::fs::File;
use std::os::unix::fs::MetadataExt;

/// Where the kernel lists the locks that are held.
pub(super) const LOCKS: &str = "/proc/locks";

/// Returns the process that locked a file with flock(2), none when `locks` does not tell: the process has let go meanwhile, or
/// is not to be seen from here.
pub(super) fn holder_of(lock: &File, locks: &str) -> Option<u32> {
    let metadata = lock.metadata().ok()?;
    let device = metadata.dev();
    let place = format!(
        "{:02x}:{:02x}:{}",
        rustix::fs::major(device),
        rustix::fs::minor(device),
        metadata.ino()
    );
    find(&place, locks)
}

/// A line is `1: FLOCK  ADVISORY  WRITE 4711 fe:00:5308724 0 EOF`: process id, device and inode.
fn find(place: &str, locks: &str) -> Option<u32> {
    locks.lines().find_map(|line| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        match words[..] {
            [_, "FLOCK", _, _, pid, at, ..] if at == place => pid.parse().ok(),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use fs2::FileExt;

    use super::*;

    #[test]
    fn who_holds_a_lock_is_told_while_it_is_held() {
        let directory = tempfile::tempdir().unwrap();
        let lock = File::create(directory.path().join("lock")).unwrap();
        let told = || holder_of(&lock, &fs::read_to_string(LOCKS).unwrap());
        assert_eq!(told(), None);
        lock.lock_exclusive().unwrap();
        assert_eq!(told(), Some(std::process::id()));
        FileExt::unlock(&lock).unwrap();
        assert_eq!(told(), None);
    }

    #[test]
    fn locks_of_another_kind_or_place_and_waiters_are_not_the_holder() {
        let locks = "1: POSIX  ADVISORY  WRITE 11 fe:00:77 0 EOF\n\
                     2: FLOCK  ADVISORY  WRITE 12 fe:01:77 0 EOF\n\
                     3: FLOCK  ADVISORY  WRITE 13 fe:00:778 0 EOF\n\
                     4: FLOCK  ADVISORY  WRITE 14 fe:00:77 0 EOF\n\
                     4: -> FLOCK  ADVISORY  WRITE 15 fe:00:77 0 EOF\n";
        assert_eq!(find("fe:00:77", locks), Some(14));
        let (_, waiter) = locks.split_once("4: ->").unwrap();
        assert_eq!(find("fe:00:77", &format!("4: ->{waiter}")), None);
        assert_eq!(find("fe:00:77", "no list of locks"), None);
    }
}
