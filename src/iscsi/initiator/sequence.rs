//! The numbers that a session keeps: CmdSN with its window, and StatSN.

use super::error::SessionError;
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

    /// Returns how many commands the target has not acknowledged.
    pub(super) const fn unacknowledged(&self) -> u32 {
        self.next.since(self.exp_cmd_sn)
    }
}

/// ExpStatSN of the connection (RFC 7143 4.2.2.2).
#[derive(Clone, Copy, Debug)]
pub(super) struct StatusSequence {
    exp_stat_sn: StatSn,
}

impl StatusSequence {
    pub(super) const fn new(exp_stat_sn: StatSn) -> Self {
        Self { exp_stat_sn }
    }

    pub(super) const fn expected(&self) -> StatSn {
        self.exp_stat_sn
    }

    /// Takes the StatSN of a response. One connection without recovery leaves no room for a gap.
    pub(super) fn accept(&mut self, opcode: Opcode, received: StatSn) -> Result<(), SessionError> {
        let expected = self.exp_stat_sn;
        if received != expected {
            return Err(SessionError::StatSn {
                opcode,
                expected,
                received,
            });
        }
        self.exp_stat_sn = received.next();
        Ok(())
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

    #[test]
    fn a_status_is_taken_once_and_in_order() {
        let mut sequence = StatusSequence::new(StatSn(u32::MAX));
        assert_eq!(sequence.accept(Opcode::NOP_IN, StatSn(u32::MAX)), Ok(()));
        assert_eq!(sequence.expected(), StatSn(0));
        for received in [StatSn(1), StatSn(u32::MAX)] {
            assert_eq!(
                sequence.accept(Opcode::NOP_IN, received),
                Err(SessionError::StatSn {
                    opcode: Opcode::NOP_IN,
                    expected: StatSn(0),
                    received
                })
            );
        }
    }
}
