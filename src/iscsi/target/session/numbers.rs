//! The numbers that the target keeps: ExpCmdSN and MaxCmdSN of the session, StatSN of its connection.

use crate::iscsi::ids::{CmdSn, StatSn};

/// Command window and status numbering (RFC 7143 4.2.2.1 and 4.2.2.2).
#[derive(Clone, Copy, Debug)]
pub(super) struct Numbers {
    exp_cmd_sn: CmdSn,
    stat_sn: StatSn,
    exp_stat_sn: StatSn,
    window: u32,
    /// Numbered commands that were taken and have no status yet.
    pending: u32,
}

/// What every PDU of a target carries.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp {
    pub(super) stat_sn: StatSn,
    pub(super) exp_cmd_sn: CmdSn,
    pub(super) max_cmd_sn: CmdSn,
}

impl Numbers {
    pub(super) const fn new(exp_cmd_sn: CmdSn, stat_sn: StatSn, window: u32) -> Self {
        Self {
            exp_cmd_sn,
            stat_sn,
            exp_stat_sn: stat_sn,
            window,
            pending: 0,
        }
    }

    pub(super) const fn expected(&self) -> CmdSn {
        self.exp_cmd_sn
    }

    /// Returns MaxCmdSN: it never falls, for a command that is taken advances ExpCmdSN by as much as it narrows the
    /// window.
    pub(super) const fn max(&self) -> CmdSn {
        let free = self.window.saturating_sub(self.pending);
        CmdSn(self.exp_cmd_sn.plus(free).0.wrapping_sub(1))
    }

    pub(super) const fn in_window(&self, cmd_sn: CmdSn) -> bool {
        !cmd_sn.precedes(self.exp_cmd_sn)
            && !self.max().precedes(cmd_sn)
            && cmd_sn.since(self.exp_cmd_sn) < 1 << 31
    }

    pub(super) const fn advance(&mut self) {
        self.exp_cmd_sn = self.exp_cmd_sn.next();
    }

    pub(super) const fn begin(&mut self) {
        self.pending = self.pending.saturating_add(1);
    }

    pub(super) const fn finish(&mut self) {
        self.pending = self.pending.saturating_sub(1);
    }

    /// Notes what the initiator has received; a number that was not sent yet, or is stale, means nothing.
    pub(super) const fn acknowledge(&mut self, exp_stat_sn: StatSn) {
        if self.exp_stat_sn.precedes(exp_stat_sn) && !self.stat_sn.precedes(exp_stat_sn) {
            self.exp_stat_sn = exp_stat_sn;
        }
    }

    pub(super) const fn unacknowledged(&self) -> u32 {
        self.stat_sn.since(self.exp_stat_sn)
    }

    /// Returns the numbers of a PDU that is no status: StatSN is the next to come (11.8.3).
    pub(super) const fn stamp(&self) -> Stamp {
        Stamp {
            stat_sn: self.stat_sn,
            exp_cmd_sn: self.exp_cmd_sn,
            max_cmd_sn: self.max(),
        }
    }

    /// Returns the numbers of a status and uses up its StatSN.
    pub(super) const fn stamp_status(&mut self) -> Stamp {
        let stamp = self.stamp();
        self.stat_sn = stamp.stat_sn.next();
        stamp
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_moves_with_commands_that_end_not_with_those_that_begin() {
        let mut numbers = Numbers::new(CmdSn(u32::MAX), StatSn(0), 2);
        assert_eq!(numbers.max(), CmdSn(0));
        numbers.advance();
        numbers.begin();
        assert_eq!(numbers.max(), CmdSn(0));
        numbers.advance();
        numbers.begin();
        assert_eq!(numbers.max(), CmdSn(0));
        assert_eq!(numbers.expected(), CmdSn(1));
        assert!(!numbers.in_window(CmdSn(1)));
        numbers.finish();
        assert_eq!(numbers.max(), CmdSn(1));
        assert!(numbers.in_window(CmdSn(1)));
        assert!(!numbers.in_window(CmdSn(0)));
        assert!(!numbers.in_window(CmdSn(2)));
    }

    #[test]
    fn a_request_that_ends_at_once_opens_the_window_by_one() {
        let mut numbers = Numbers::new(CmdSn(5), StatSn(0), 4);
        numbers.advance();
        assert_eq!(numbers.max(), CmdSn(9));
    }

    #[test]
    fn acknowledgments_ahead_of_what_was_sent_are_passed_over() {
        let mut numbers = Numbers::new(CmdSn(0), StatSn(u32::MAX), 1);
        assert_eq!(numbers.stamp_status().stat_sn, StatSn(u32::MAX));
        assert_eq!(numbers.stamp_status().stat_sn, StatSn(0));
        assert_eq!(numbers.unacknowledged(), 2);
        numbers.acknowledge(StatSn(7));
        assert_eq!(numbers.unacknowledged(), 2);
        numbers.acknowledge(StatSn(0));
        assert_eq!(numbers.unacknowledged(), 1);
        numbers.acknowledge(StatSn(u32::MAX));
        assert_eq!(numbers.unacknowledged(), 1);
    }
}
