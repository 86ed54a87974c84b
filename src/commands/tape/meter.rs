//! How far a job is, on a terminal.

use std::time::{Duration, Instant};

use crate::commands::terminal::Terminal;

/// Says on a terminal how far a job is, twice a second.
pub(super) struct Meter {
    terminal: Option<Terminal>,
    total: Option<u64>,
    started: Instant,
    told: Duration,
}

impl Meter {
    const INTERVAL: Duration = Duration::from_millis(500);

    pub(super) fn new(terminal: &Terminal, total: Option<u64>) -> Self {
        Self {
            terminal: (terminal.interactive && !terminal.quiet).then(|| terminal.clone()),
            total,
            started: Instant::now(),
            told: Duration::ZERO,
        }
    }

    /// Begins anew, with another total.
    pub(super) fn begin(&mut self, total: Option<u64>) {
        self.end();
        self.total = total;
        self.started = Instant::now();
        self.told = Duration::ZERO;
    }

    pub(super) fn tell(&mut self, bytes: u64) {
        let Some(terminal) = &self.terminal else {
            return;
        };
        let elapsed = self.started.elapsed();
        if elapsed.saturating_sub(self.told) < Self::INTERVAL {
            return;
        }
        self.told = elapsed;
        terminal
            .notes()
            .progress(&progress(bytes, self.total, elapsed));
    }

    pub(super) fn end(&self) {
        if let Some(terminal) = &self.terminal
            && !self.told.is_zero()
        {
            terminal.notes().line("");
        }
    }
}

/// Returns how far a job is: bytes, rate, and the time left where the total is known.
fn progress(bytes: u64, total: Option<u64>, elapsed: Duration) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    let rate = megabytes(bytes) / elapsed.as_secs_f64().max(0.001);
    let mut text = format!("{:.0} MB, {rate:.0} MB/s", megabytes(bytes));
    if let Some(left) = total.and_then(|total| total.checked_sub(bytes))
        && rate > 0.0
    {
        text.push_str(&format!(", {:.0} s left", megabytes(left) / rate));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_tells_rate_and_time_left() {
        let second = Duration::from_secs(1);
        assert_eq!(progress(50_000_000, None, second), "50 MB, 50 MB/s");
        assert_eq!(
            progress(50_000_000, Some(200_000_000), second),
            "50 MB, 50 MB/s, 3 s left"
        );
    }
}
