//! How long the commands of a job took, in a bounded number of counters.

use std::time::Duration;

/// Counters for each power of two of microseconds, so that a value is kept with an error below 4 %.
const SHARES: u64 = 32;
const SHARE_BITS: u32 = 5;

/// Latencies of commands.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    /// By share; allocated with the first one.
    counts: Vec<u64>,
    total: u64,
    longest: Duration,
}

impl Latencies {
    /// Counts a command that took so long.
    pub fn record(&mut self, latency: Duration) {
        let index = index(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
        if self.counts.len() <= index {
            self.counts.resize(index.saturating_add(1), 0);
        }
        if let Some(count) = self.counts.get_mut(index) {
            *count = count.saturating_add(1);
        }
        self.total = self.total.saturating_add(1);
        self.longest = self.longest.max(latency);
    }

    /// Returns the latency that this share of the commands, in percent, did not exceed; none without commands. 100 is the longest
    /// one.
    #[must_use]
    pub fn percentile(&self, percent: u8) -> Option<Duration> {
        if self.total == 0 {
            return None;
        }
        if percent >= 100 {
            return Some(self.longest);
        }
        let wanted = u128::from(self.total)
            .saturating_mul(percent.into())
            .div_ceil(100)
            .max(1);
        let mut passed = 0_u128;
        for (index, count) in self.counts.iter().enumerate() {
            passed = passed.saturating_add((*count).into());
            if passed >= wanted {
                return Some(Duration::from_micros(longest_of(index)).min(self.longest));
            }
        }
        Some(self.longest)
    }
}

fn index(micros: u64) -> usize {
    let index = match micros.checked_ilog2() {
        Some(power) if power >= SHARE_BITS => {
            let shift = power.saturating_sub(SHARE_BITS);
            // The highest bit is the power's; the bits behind it say which share of the power.
            u64::from(shift)
                .saturating_add(1)
                .saturating_mul(SHARES)
                .saturating_add(micros >> shift)
                .saturating_sub(SHARES)
        }
        _ => micros,
    };
    usize::try_from(index).unwrap_or(usize::MAX)
}

/// Returns the most microseconds that are counted at an index.
fn longest_of(index: usize) -> u64 {
    let index = u64::try_from(index).unwrap_or(u64::MAX);
    if index < SHARES {
        return index;
    }
    let shift = index / SHARES - 1;
    let share = index % SHARES + SHARES;
    let next = share.saturating_add(1);
    next.checked_shl(u32::try_from(shift).unwrap_or(u32::MAX))
        .map_or(u64::MAX, |next| next.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_counted_where_it_belongs() {
        let mut last = None;
        for index in 0..1500 {
            let longest = longest_of(index);
            assert_eq!(super::index(longest), index);
            assert_eq!(super::index(longest + 1), index + 1);
            assert!(last < Some(longest), "{index}");
            last = Some(longest);
        }
        super::index(u64::MAX);
    }

    #[test]
    fn percentiles_are_those_of_the_commands() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.percentile(50), None);
        for millis in 1..=1000 {
            latencies.record(Duration::from_millis(millis));
        }
        for (percent, millis) in [(50, 500.0), (90, 900.0), (99, 990.0), (100, 1000.0)] {
            let found = latencies.percentile(percent).unwrap().as_secs_f64() * 1000.0;
            assert!(
                found >= millis && found <= millis * 1.04,
                "{percent}: {found}"
            );
        }
    }
}
