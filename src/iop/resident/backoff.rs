//! When a target that is lost is tried again: sans-IO, so that a test needs no clock.

use std::time::Duration;

/// The longest pause between two attempts, in seconds.
const LONGEST: u64 = 60;

/// The pauses between the attempts to have a session again: 1, 2, 4 ... 60 s, and Time2Wait at least before the first
/// (RFC 7143 13.15).
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff {
    next: u64,
    time2wait: Duration,
}

impl Backoff {
    /// Returns the pauses behind a session that has ended; `time2wait` is what its target demands.
    pub(super) const fn after(time2wait: Duration) -> Self {
        Self { next: 1, time2wait }
    }

    /// Returns how long to wait before the next attempt.
    pub(super) fn next(&mut self) -> Duration {
        let pause = Duration::from_secs(self.next);
        self.next = self.next.saturating_mul(2).min(LONGEST);
        pause.max(std::mem::take(&mut self.time2wait))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(mut backoff: Backoff, count: usize) -> Vec<u64> {
        let pauses = std::iter::repeat_with(|| backoff.next().as_secs());
        pauses.take(count).collect()
    }

    #[test]
    fn pauses_double_up_to_a_minute() {
        let pauses = seconds(Backoff::after(Duration::ZERO), 9);
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    }

    #[test]
    fn the_first_pause_is_time2wait_at_least() {
        let long = Backoff::after(Duration::from_secs(20));
        assert_eq!(seconds(long, 4), [20, 2, 4, 8]);
        let short = Backoff::after(Duration::from_millis(500));
        assert_eq!(seconds(short, 2), [1, 2]);
    }
}
