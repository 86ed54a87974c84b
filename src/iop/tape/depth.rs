//! How many commands a job keeps outstanding at a drive.

use std::time::Duration;

/// How much may wait at the target, so that the drive always has a next command; more would take memory at both ends, and the
/// data would be out of the processors' caches when its turn comes.
const MAX_WAITING_BYTES: usize = 512 * 1024;
const MIN_WAITING: usize = 4;

/// Finds the queue depth that fills the way to a target and leaves little waiting there, from how long the commands take.
///
/// A command that takes as long as the shortest one did not wait. Of those outstanding when one was sent, the share
/// `shortest / latency` was on its way and the others waited: the estimate of TCP Vegas, of commands instead of segments.
#[derive(Debug)]
pub(super) struct QueueDepth {
    depth: usize,
    most: usize,
    /// The shortest that a command took.
    shortest: Duration,
}

impl QueueDepth {
    /// Returns one that begins with this depth and never exceeds `most`.
    pub(super) const fn starting_at(depth: usize, most: usize) -> Self {
        Self {
            depth,
            most,
            shortest: Duration::MAX,
        }
    }

    /// Returns the most commands to have outstanding.
    pub(super) fn get(&self) -> usize {
        self.depth.min(self.most).max(1)
    }

    /// Begins anew with one command.
    pub(super) const fn restart(&mut self) {
        self.depth = 1;
    }

    /// Never exceeds this depth any more.
    pub(super) fn limit(&mut self, most: usize) {
        self.most = self.most.min(most);
    }

    /// Takes note of a command for a block of so many bytes that was answered after `latency`; with it, so many were `outstanding`
    /// when it was sent.
    pub(super) fn answered(&mut self, outstanding: usize, length: usize, latency: Duration) {
        self.shortest = self.shortest.min(latency);
        let all = u128::try_from(outstanding).unwrap_or(u128::MAX);
        let moving = all
            .saturating_mul(self.shortest.as_nanos())
            .div_ceil(latency.as_nanos().max(1));
        let moving = usize::try_from(moving).unwrap_or(outstanding);
        let waiting = outstanding.saturating_sub(moving);
        let may_wait = (MAX_WAITING_BYTES / length.max(1)).max(MIN_WAITING);
        // Of commands that were sent together as many as the way holds wait for each other, too.
        if waiting > may_wait.max(moving) {
            self.depth = self.depth.min(moving.saturating_add(may_wait));
            return;
        }
        // Twice as many where nothing waits, and ever fewer the more does.
        let room = may_wait.saturating_sub(waiting);
        let step = room.saturating_mul(moving.max(may_wait)) / may_wait;
        let grown = outstanding.saturating_add(step);
        self.depth = self.depth.max(grown);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    const LENGTH: usize = 256 * 1024;

    /// A target that is so far away and takes so long for each command, one after the other; returns the depths after each answer.
    fn depths(
        depth: &mut QueueDepth,
        way: Duration,
        service: Duration,
        count: usize,
    ) -> Vec<usize> {
        let (mut now, mut idle_from) = (Duration::ZERO, Duration::ZERO);
        let mut outstanding = VecDeque::new();
        (0..count)
            .map(|_| {
                while outstanding.len() < depth.get() {
                    let begins = idle_from.max(now + way / 2);
                    idle_from = begins + service;
                    outstanding.push_back((now, outstanding.len() + 1, idle_from + way / 2));
                }
                let (sent, number, answered) = outstanding.pop_front().unwrap();
                now = now.max(answered);
                depth.answered(number, LENGTH, now - sent);
                depth.get()
            })
            .collect()
    }

    #[test]
    fn beside_the_target_a_few_wait() {
        for first in [1, usize::MAX] {
            let mut depth = QueueDepth::starting_at(first, 64);
            let found = depths(&mut depth, Duration::ZERO, Duration::from_micros(100), 200);
            let settled = &found[100..];
            assert!(
                settled.iter().all(|depth| (4..=6).contains(depth)),
                "{found:?}"
            );
        }
    }

    #[test]
    fn a_long_way_is_filled_from_the_first_answers_on() {
        let (way, service) = (Duration::from_millis(20), Duration::from_micros(100));
        let mut depth = QueueDepth::starting_at(1, 64);
        let found = depths(&mut depth, way, service, 200);
        assert_eq!((found[0], found[90]), (5, 64), "{found:?}");
        assert!(found[90..].iter().all(|depth| *depth == 64), "{found:?}");
        // What is there at first stays where nothing waits.
        let mut depth = QueueDepth::starting_at(usize::MAX, 64);
        let found = depths(&mut depth, way, service, 200);
        assert!(found.iter().all(|depth| *depth == 64), "{found:?}");
    }

    #[test]
    fn between_them_it_is_what_the_way_holds_and_a_few() {
        let (way, service) = (Duration::from_millis(2), Duration::from_micros(100));
        for first in [1, usize::MAX] {
            let mut depth = QueueDepth::starting_at(first, 64);
            let found = depths(&mut depth, way, service, 500);
            assert!(
                found[300..].iter().all(|depth| (21..=41).contains(depth)),
                "{found:?}"
            );
        }
    }

    #[test]
    fn short_blocks_wait_in_greater_number() {
        let mut depth = QueueDepth::starting_at(1, usize::MAX);
        depth.answered(1, 512, Duration::from_micros(20));
        assert_eq!(depth.get(), 1025);
        depth.answered(1, 1, Duration::ZERO);
        depth.answered(usize::MAX, 0, Duration::MAX);
        assert!(depth.get() > 0);
    }

    #[test]
    fn a_task_set_that_was_full_is_not_filled_again() {
        let mut depth = QueueDepth::starting_at(usize::MAX, usize::MAX);
        depth.limit(7);
        depth.answered(1, LENGTH, Duration::from_millis(1));
        depth.answered(64, LENGTH, Duration::from_millis(1));
        assert_eq!(depth.get(), 7);
        depth.limit(0);
        assert_eq!(depth.get(), 1);
        depth.restart();
        assert_eq!(depth.get(), 1);
    }
}
