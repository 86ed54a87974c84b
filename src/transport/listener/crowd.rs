//! The connections of a listener: how many there may be, and which one goes when there is no room for another.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// The most connections without a session. Each takes some 16 KiB, and those that connect and say nothing must not keep the
/// others out.
const MAX_WITHOUT_SESSION: usize = 256;

/// How far a connection has come; those that come first here go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ConnectionStage {
    /// It was told all that there was to say, and is to be closed by the initiator.
    Closing,
    /// No PDU has come.
    Silent,
    /// The login is under way.
    LoggingIn,
    /// It has a session. It stays: sessions have limits of their own.
    InSession,
}

/// All connections, with what ends each.
pub(super) struct Crowd<H> {
    limit: usize,
    members: RefCell<Members<H>>,
}

struct Members<H> {
    next: u64,
    /// The oldest first.
    of: BTreeMap<u64, (ConnectionStage, Option<H>)>,
}

/// A connection's place among the others, given up when it is dropped.
pub(super) struct CrowdPlace<H> {
    crowd: Rc<Crowd<H>>,
    number: u64,
}

/// What a new connection meets.
pub(super) enum Admittance<H> {
    /// There is a place.
    Free(CrowdPlace<H>),
    /// There is one when another connection has been ended by this.
    Instead(CrowdPlace<H>, H),
    /// All connections have sessions.
    Full,
}

impl<H> Crowd<H> {
    /// Returns an empty crowd of so many connections at most.
    pub(super) fn new(limit: usize) -> Rc<Self> {
        Rc::new(Self {
            limit: limit.max(1),
            members: RefCell::new(Members {
                next: 0,
                of: BTreeMap::new(),
            }),
        })
    }

    /// Takes a new connection in. Where there is no room, the one that has come least far goes, the oldest of those.
    pub(super) fn enter(self: &Rc<Self>) -> Admittance<H> {
        let mut members = self.members.borrow_mut();
        let without_session = || {
            let members = members.of.iter();
            members.filter(|(_, (stage, _))| *stage != ConnectionStage::InSession)
        };
        let is_full =
            members.of.len() >= self.limit || without_session().count() >= MAX_WITHOUT_SESSION;
        let mut instead = None;
        if is_full {
            let goes = without_session().min_by_key(|(number, (stage, _))| (*stage, **number));
            let Some(goes) = goes.map(|(number, _)| *number) else {
                return Admittance::Full;
            };
            instead = members.of.remove(&goes).and_then(|(_, handle)| handle);
        }
        let number = members.next;
        members.next = number.saturating_add(1);
        members.of.insert(number, (ConnectionStage::Silent, None));
        let place = CrowdPlace {
            crowd: Rc::clone(self),
            number,
        };
        match instead {
            Some(handle) => Admittance::Instead(place, handle),
            None => Admittance::Free(place),
        }
    }

    /// Says what ends the connection at a place.
    pub(super) fn ended_by(&self, number: u64, handle: H) {
        if let Some(member) = self.members.borrow_mut().of.get_mut(&number) {
            member.1 = Some(handle);
        }
    }
}

impl<H> CrowdPlace<H> {
    /// Returns the number of the place.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// Takes note of how far the connection has come.
    pub(super) fn becomes(&self, stage: ConnectionStage) {
        if let Some(member) = self.crowd.members.borrow_mut().of.get_mut(&self.number) {
            member.0 = stage;
        }
    }
}

impl<H> Drop for CrowdPlace<H> {
    fn drop(&mut self) {
        self.crowd.members.borrow_mut().of.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Enters a crowd, and returns the place and the number of the connection that goes.
    fn enter(crowd: &Rc<Crowd<u64>>) -> Option<(CrowdPlace<u64>, Option<u64>)> {
        let (place, goes) = match crowd.enter() {
            Admittance::Free(place) => (place, None),
            Admittance::Instead(place, handle) => (place, Some(handle)),
            Admittance::Full => return None,
        };
        crowd.ended_by(place.number(), place.number());
        Some((place, goes))
    }

    #[test]
    fn those_that_have_come_least_far_go_first() {
        let crowd = Crowd::new(4);
        let places: Vec<_> = [
            ConnectionStage::InSession,
            ConnectionStage::LoggingIn,
            ConnectionStage::Silent,
            ConnectionStage::Closing,
        ]
        .into_iter()
        .map(|stage| {
            let (place, goes) = enter(&crowd).unwrap();
            assert_eq!(goes, None);
            place.becomes(stage);
            place
        })
        .collect();
        let mut later = Vec::new();
        for expected in [3, 2] {
            let (place, goes) = enter(&crowd).unwrap();
            assert_eq!(goes, Some(expected));
            place.becomes(ConnectionStage::InSession);
            later.push(place);
        }
        let (last, goes) = enter(&crowd).unwrap();
        assert_eq!(goes, Some(1));
        last.becomes(ConnectionStage::InSession);
        assert!(enter(&crowd).is_none(), "sessions stay");
        drop(places);
        assert!(enter(&crowd).is_some());
    }

    #[test]
    fn the_oldest_of_many_silent_ones_goes_whatever_the_limit() {
        let crowd = Crowd::new(usize::MAX);
        let places: Vec<_> = (0..MAX_WITHOUT_SESSION)
            .map(|_| enter(&crowd).unwrap())
            .collect();
        assert!(places.iter().all(|(_, goes)| goes.is_none()));
        let (_place, goes) = enter(&crowd).unwrap();
        assert_eq!(goes, Some(0));
    }
}
