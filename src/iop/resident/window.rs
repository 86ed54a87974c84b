//! How the jobs at the drives of a target share its command window.

use std::cell::RefCell;
use std::rc::Rc;

use crate::transport::listener::Turns;

/// The shares of the jobs that use a drive of one target.
#[derive(Debug, Default)]
pub(super) struct WindowShares(RefCell<Division>);

#[derive(Debug, Default)]
struct Division {
    /// How many commands the target takes at a time.
    window: usize,
    devices: usize,
    shares: Vec<(u64, Turns)>,
    next: u64,
}

/// The share of one job: it has as many commands outstanding as it has turns. The others get it when this is dropped.
#[derive(Debug)]
pub(super) struct WindowShare {
    shares: Rc<WindowShares>,
    number: u64,
    pub(super) turns: Turns,
}

impl WindowShares {
    /// Gives another job its share of a window of so many commands, of a target that has so many devices.
    pub(super) fn join(self: &Rc<Self>, window: usize, devices: usize) -> WindowShare {
        let turns = Turns::default();
        let mut division = self.0.borrow_mut();
        let number = division.next;
        division.next = number.saturating_add(1);
        (division.window, division.devices) = (window, devices);
        division.shares.push((number, turns.clone()));
        division.divide();
        drop(division);
        WindowShare {
            shares: Rc::clone(self),
            number,
            turns,
        }
    }
}

impl Division {
    /// Divides the window among the jobs, but for one command for each device that none of them uses: a changer needs no more, and a
    /// job that comes to a drive has that much until commands of the others have ended.
    fn divide(&self) {
        let jobs = self.shares.len();
        let unused = self.devices.saturating_sub(jobs);
        let window = self.window.saturating_sub(unused);
        let share = window.checked_div(jobs).unwrap_or(window);
        for (_, turns) in &self.shares {
            turns.resize(share);
        }
    }
}

impl Drop for WindowShare {
    fn drop(&mut self) {
        let mut division = self.shares.0.borrow_mut();
        division.shares.retain(|(number, _)| *number != self.number);
        division.divide();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::transport::{block_on_paused, within};

    /// Returns how many commands a job may have outstanding.
    async fn size(share: &WindowShare) -> usize {
        let mut taken = Vec::new();
        while let Some(turn) = within(Duration::ZERO, share.turns.clone().take()).await {
            taken.push(turn);
        }
        taken.len()
    }

    #[test]
    fn a_job_alone_has_the_window_and_others_have_theirs_of_it() {
        block_on_paused(async {
            let shares = Rc::<WindowShares>::default();
            // A changer and four drives.
            let first = shares.join(64, 5);
            assert_eq!(size(&first).await, 60);
            let second = shares.join(64, 5);
            assert_eq!(size(&first).await, 30);
            assert_eq!(size(&second).await, 30);
            let others = [shares.join(64, 5), shares.join(64, 5)];
            assert_eq!(size(&first).await, 15);
            drop((first, others));
            assert_eq!(size(&second).await, 60);
        });
    }

    #[test]
    fn a_window_that_is_smaller_than_the_devices_are_many_gives_each_job_a_command() {
        block_on_paused(async {
            let shares = Rc::<WindowShares>::default();
            let jobs = [shares.join(2, 9), shares.join(2, 9), shares.join(2, 9)];
            for job in &jobs {
                assert_eq!(size(job).await, 1);
            }
        });
    }

    #[test]
    fn a_job_that_holds_the_window_leaves_a_command_to_the_next() {
        block_on_paused(async {
            let shares = Rc::<WindowShares>::default();
            let first = shares.join(8, 3);
            let mut taken = Vec::new();
            while let Some(turn) = within(Duration::ZERO, first.turns.clone().take()).await {
                taken.push(turn);
            }
            assert_eq!(
                taken.len(),
                6,
                "one for the changer, one for the other drive"
            );
            let second = shares.join(8, 3);
            assert_eq!(size(&second).await, 3);
            // The first one has to come down to its own share.
            taken.truncate(3);
            assert_eq!(size(&first).await, 0);
            taken.pop();
            assert_eq!(size(&first).await, 1);
        });
    }
}
