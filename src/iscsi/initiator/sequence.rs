//! The numbers that a session keeps: CmdSN with its window, and StatSN.

use std::collections::BTreeSet;

use super::error::SessionError;
use crate::iscsi::departure::Departure;
use crate::iscsi::ids::{CmdSn, StatSn};
use crate::iscsi::pdu::Opcode;

/// CmdSN and the window that the target grants (RFC 7143 4.2.2.1).
#[derive(Clone, Copy, Debug)]
pub(super) struct CommandWindow {
    next: CmdSn,
    exp_cmd_sn: CmdSn,
    max_cmd_sn: CmdSn,
}

impl CommandWindow {
    pub(super) const fn new(next: CmdSn, exp_cmd_sn: CmdSn, max_cmd_sn: CmdSn) -> Self {
        Self {
            next,
            exp_cmd_sn,
            max_cmd_sn,
        }
    }

    /// Returns the number of the next command; an immediate one carries it without using it up.
    pub(super) const fn next(&self) -> CmdSn {
        self.next
    }

    /// Uses up and returns the next number; `None` while the window is closed.
    pub(super) fn take(&mut self) -> Option<CmdSn> {
        if self.max_cmd_sn.precedes(self.next) {
            return None;
        }
        let taken = self.next;
        self.next = taken.next();
        Some(taken)
    }

    /// Takes ExpCmdSN and MaxCmdSN of a PDU; those that do not advance are stale, and a MaxCmdSN below ExpCmdSN - 1 voids
    /// both.
    pub(super) fn update(&mut self, exp_cmd_sn: CmdSn, max_cmd_sn: CmdSn) {
        if max_cmd_sn.next().precedes(exp_cmd_sn) {
            return;
        }
        if self.max_cmd_sn.precedes(max_cmd_sn) {
            self.max_cmd_sn = max_cmd_sn;
        }
        if self.exp_cmd_sn.precedes(exp_cmd_sn) {
            self.exp_cmd_sn = exp_cmd_sn;
        }
    }

    /// Returns how many commands may be under way at a time: MaxCmdSN - ExpCmdSN + 1.
    pub(super) fn width(&self) -> u32 {
        match self.max_cmd_sn.next().precedes(self.exp_cmd_sn) {
            true => 0,
            false => self.max_cmd_sn.next().since(self.exp_cmd_sn),
        }
    }

    /// Returns how many commands the target has not acknowledged.
    pub(super) const fn unacknowledged(&self) -> u32 {
        self.next.since(self.exp_cmd_sn)
    }
}

/// How far a StatSN may be ahead of the one that is due: more responses than a target keeps back.
const MOST_AHEAD: u32 = 4096;

/// ExpStatSN of the connection (RFC 7143 4.2.2.2).
///
/// One connection delivers in order, so a number out of order is a target that takes its numbers before it takes its turn to
/// send. Nothing is lost by that as long as each number comes once: it is accepted and told (7.9 leaves the choice).
#[derive(Clone, Debug)]
pub(super) struct StatusSequence {
    exp_stat_sn: StatSn,
    /// The numbers behind `exp_stat_sn` that have come.
    ahead: BTreeSet<u32>,
}

impl StatusSequence {
    pub(super) const fn new(exp_stat_sn: StatSn) -> Self {
        Self {
            exp_stat_sn,
            ahead: BTreeSet::new(),
        }
    }

    /// Returns the lowest number that has not come, which acknowledges all before it.
    pub(super) const fn expected(&self) -> StatSn {
        self.exp_stat_sn
    }

    /// Takes the StatSN of a response: each number once, in any order. Returns the departure where an order ends.
    pub(super) fn accept(
        &mut self,
        opcode: Opcode,
        received: StatSn,
    ) -> Result<Option<Departure>, SessionError> {
        let expected = self.exp_stat_sn;
        if received == expected {
            self.exp_stat_sn = expected.next();
            while self.ahead.remove(&self.exp_stat_sn.0) {
                self.exp_stat_sn = self.exp_stat_sn.next();
            }
            return Ok(None);
        }
        let was_in_order = self.ahead.is_empty();
        if received.since(expected) > MOST_AHEAD || !self.ahead.insert(received.0) {
            return Err(SessionError::StatSn {
                opcode,
                expected,
                received,
            });
        }
        Ok(was_in_order.then_some(Departure::StatSnOutOfOrder { expected, received }))
    }

    /// Checks that no number is missing, once every request has its response.
    pub(super) fn check_complete(&self) -> Result<(), SessionError> {
        match self.ahead.is_empty() {
            true => Ok(()),
            false => Err(SessionError::StatSnMissing {
                expected: self.exp_stat_sn,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_closes_behind_max_cmd_sn() {
        let mut window = CommandWindow::new(CmdSn(u32::MAX), CmdSn(u32::MAX), CmdSn(0));
        assert_eq!(window.take(), Some(CmdSn(u32::MAX)));
        assert_eq!(window.take(), Some(CmdSn(0)));
        assert_eq!(window.take(), None);
        assert_eq!(window.unacknowledged(), 2);
        window.update(CmdSn(0), CmdSn(1));
        assert_eq!(window.unacknowledged(), 1);
        assert_eq!(window.take(), Some(CmdSn(1)));
    }

    #[test]
    fn stale_numbers_are_ignored() {
        let mut window = CommandWindow::new(CmdSn(10), CmdSn(10), CmdSn(10));
        window.update(CmdSn(9), CmdSn(9));
        assert_eq!(window.take(), Some(CmdSn(10)));
        assert_eq!(window.unacknowledged(), 1);
    }

    #[test]
    fn a_max_cmd_sn_below_exp_cmd_sn_less_one_voids_both() {
        let mut window = CommandWindow::new(CmdSn(10), CmdSn(10), CmdSn(9));
        window.update(CmdSn(20), CmdSn(18));
        assert_eq!(window.unacknowledged(), 0);
        assert_eq!(window.take(), None);
        window.update(CmdSn(10), CmdSn(9));
        assert_eq!(window.take(), None);
    }

    fn accept(
        sequence: &mut StatusSequence,
        received: u32,
    ) -> Result<Option<Departure>, SessionError> {
        sequence.accept(Opcode::NOP_IN, StatSn(received))
    }

    #[test]
    fn a_status_is_taken_once() {
        let mut sequence = StatusSequence::new(StatSn(u32::MAX));
        assert_eq!(accept(&mut sequence, u32::MAX), Ok(None));
        assert_eq!(sequence.expected(), StatSn(0));
        let refused = |received| {
            Err(SessionError::StatSn {
                opcode: Opcode::NOP_IN,
                expected: StatSn(0),
                received: StatSn(received),
            })
        };
        assert_eq!(accept(&mut sequence, u32::MAX), refused(u32::MAX));
        assert!(accept(&mut sequence, 2).is_ok());
        assert_eq!(accept(&mut sequence, 2), refused(2));
        assert_eq!(accept(&mut sequence, 4097), refused(4097));
    }

    #[test]
    fn numbers_out_of_order_are_taken_told_once_and_acknowledged_when_all_are_there() {
        let mut sequence = StatusSequence::new(StatSn(u32::MAX));
        let (expected, received) = (StatSn(u32::MAX), StatSn(1));
        let told = Departure::StatSnOutOfOrder { expected, received };
        assert_eq!(accept(&mut sequence, 1), Ok(Some(told)));
        assert_eq!(accept(&mut sequence, 0), Ok(None));
        assert_eq!(sequence.expected(), StatSn(u32::MAX));
        assert_eq!(
            sequence.check_complete(),
            Err(SessionError::StatSnMissing {
                expected: StatSn(u32::MAX)
            })
        );
        assert_eq!(accept(&mut sequence, u32::MAX), Ok(None));
        assert_eq!(sequence.expected(), StatSn(2));
        assert_eq!(sequence.check_complete(), Ok(()));
    }
}
