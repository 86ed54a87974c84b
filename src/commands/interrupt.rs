//! An interrupt from the terminal, which ends the process, but not in the middle of a line.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::{fs, thread};

use signal_hook::consts::SIGINT;
use signal_hook::low_level;

/// Has something done before SIGINT ends the process, from now on. Where it is ignored, or heeded already, it stays so.
///
/// # Errors
/// The system's, when it has no thread or no file left.
pub(super) fn before_end(act: impl FnOnce() + Send + 'static) -> io::Result<()> {
    if !ends_the_process(&fs::read_to_string("/proc/self/status")?) {
        return Ok(());
    }
    let (mut interrupted, signal) = UnixStream::pair()?;
    thread::Builder::new()
        .name("interrupt".to_owned())
        .spawn(move || {
            if let Ok(1..) = interrupted.read(&mut [0]) {
                act();
                let _ = low_level::emulate_default_handler(SIGINT);
            }
        })?;
    low_level::pipe::register(SIGINT, signal)?;
    Ok(())
}

/// Returns whether SIGINT is neither ignored nor caught, by the status of the process (proc_pid_status(5)).
fn ends_the_process(status: &str) -> bool {
    let is_in = |set: &str| {
        let mask = status.lines().find_map(|line| line.strip_prefix(set));
        let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        mask.is_none_or(|mask| mask >> (SIGINT - 1) & 1 == 1)
    };
    !is_in("SigIgn:") && !is_in("SigCgt:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupt_that_is_ignored_or_heeded_does_not_end_the_process() {
        for (ignored, caught, ends) in [
            ("0000000000001000", "0000000000000440", true),
            ("0000000000001002", "0000000000000440", false),
            ("0000000000001000", "0000000000000442", false),
        ] {
            let status = format!("Name:\tx\nSigIgn:\t{ignored}\nSigCgt:\t{caught}\n");
            assert_eq!(ends_the_process(&status), ends, "{status}");
        }
        assert!(!ends_the_process(""));
    }
}
