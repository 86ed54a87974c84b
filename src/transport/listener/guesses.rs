//! Logins whose CHAP failed: the more of them, the longer the next proof waits before it is looked at.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use crate::iscsi::name::IscsiName;

/// Failures of one initiator that cost nothing: a mistyped secret is tried again.
const FREE_OF_NAME: u32 = 3;

/// Failures of one address, whatever name it gives, that cost nothing.
const FREE_OF_ADDRESS: u32 = 12;

/// The first delay, which doubles with every failure, and the longest.
const FIRST_DELAY: Duration = Duration::from_millis(250);
const LONGEST_DELAY: Duration = Duration::from_secs(8);

/// After so long without a failure a burst is over, and its delay forgotten.
const QUIET: Duration = Duration::from_secs(60);

/// The most origins that are remembered; beyond it the one that failed longest ago is forgotten.
const MAX_ORIGINS: usize = 1024;

/// Where logins come from: an address, or, of IPv6, the network of a host; and the name that is given there, `None` for all.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Origin {
    address: IpAddr,
    name: Option<IscsiName>,
}

#[derive(Clone, Debug)]
struct Failures {
    count: u32,
    last: Instant,
    /// When the next proof is looked at.
    next: Instant,
    /// Failures of which the observer was not told.
    untold: u64,
}

/// The failures that are remembered.
#[derive(Debug, Default)]
pub(super) struct Guesses {
    failures: BTreeMap<Origin, Failures>,
}

/// Failures that were counted, and not told one by one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountedFailures {
    /// Where they came from.
    pub address: IpAddr,
    /// InitiatorName.
    pub initiator_name: IscsiName,
    /// How many.
    pub count: u64,
}

/// Whether a failure is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Telling {
    /// It is.
    Told,
    /// It is, as the last one of a burst: those that follow are counted.
    BeginsBurst,
    /// It is counted.
    Counted,
}

impl Guesses {
    /// Returns how long the proof of a login has to wait. Proofs that come together wait one after the other.
    pub(super) fn delay(&mut self, address: IpAddr, name: &IscsiName, now: Instant) -> Duration {
        let mut longest = Duration::ZERO;
        for (origin, free) in origins(address, name) {
            let Some(failures) = self.failures.get_mut(&origin) else {
                continue;
            };
            let delay = delay_after(failures.count, free);
            if delay.is_zero() || now.saturating_duration_since(failures.last) >= QUIET {
                continue;
            }
            let due = failures.next.max(now);
            failures.next = due.checked_add(delay).unwrap_or(due);
            longest = longest.max(due.saturating_duration_since(now));
        }
        longest
    }

    /// Takes note of a login whose CHAP failed.
    pub(super) fn failed(&mut self, address: IpAddr, name: &IscsiName, now: Instant) -> Telling {
        let mut telling = Telling::Told;
        for (origin, free) in origins(address, name) {
            let is_of_name = origin.name.is_some();
            self.make_room_for(&origin);
            let failures = self.failures.entry(origin).or_insert(Failures {
                count: 0,
                last: now,
                next: now,
                untold: 0,
            });
            if now.saturating_duration_since(failures.last) >= QUIET {
                (failures.count, failures.next) = (0, now);
            }
            failures.count = failures.count.saturating_add(1);
            failures.last = now;
            let due = now.checked_add(delay_after(failures.count, free));
            failures.next = failures.next.max(due.unwrap_or(now));
            if is_of_name {
                let burst = free.saturating_add(1);
                telling = match failures.count {
                    count if count < burst => Telling::Told,
                    count if count == burst => Telling::BeginsBurst,
                    _ => Telling::Counted,
                };
                failures.untold = failures
                    .untold
                    .saturating_add(u64::from(telling == Telling::Counted));
            }
        }
        telling
    }

    /// Takes note of a login whose CHAP succeeded, and returns the failures before it that were not told.
    pub(super) fn succeeded(
        &mut self,
        address: IpAddr,
        name: &IscsiName,
    ) -> Option<CountedFailures> {
        let mut counted = None;
        for (origin, _) in origins(address, name) {
            if let Some(failures) = self.failures.remove(&origin) {
                counted = counted.or_else(|| counted_failures(&origin, &failures));
            }
        }
        counted
    }

    /// Returns when the next burst will be over, if nothing more comes.
    pub(super) fn next_end(&self) -> Option<Instant> {
        let ends = self.failures.values();
        ends.filter_map(|failures| failures.last.checked_add(QUIET))
            .min()
    }

    /// Forgets the bursts that are over, and returns what was not told of them; of all when `now` is not given.
    pub(super) fn ended(&mut self, now: Option<Instant>) -> Vec<CountedFailures> {
        let mut ended = Vec::new();
        self.failures.retain(|origin, failures| {
            let goes_on =
                now.is_some_and(|now| now.saturating_duration_since(failures.last) < QUIET);
            if !goes_on {
                ended.extend(counted_failures(origin, failures));
            }
            goes_on
        });
        ended
    }

    fn make_room_for(&mut self, origin: &Origin) {
        if self.failures.len() < MAX_ORIGINS || self.failures.contains_key(origin) {
            return;
        }
        let oldest = self
            .failures
            .iter()
            .min_by_key(|(_, failures)| failures.last);
        if let Some(oldest) = oldest.map(|(origin, _)| origin.clone()) {
            self.failures.remove(&oldest);
        }
    }
}

/// Returns the origins that a login counts for, with the failures of each that cost nothing.
fn origins(address: IpAddr, name: &IscsiName) -> [(Origin, u32); 2] {
    let address = network(address);
    let name = Some(name.clone());
    [
        (Origin { address, name }, FREE_OF_NAME),
        (
            Origin {
                address,
                name: None,
            },
            FREE_OF_ADDRESS,
        ),
    ]
}

/// A host has every address of its IPv6 network of 64 bits.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let bits = address.to_bits() >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from_bits(bits))
        }
        address => address,
    }
}

fn delay_after(failures: u32, free: u32) -> Duration {
    match failures.checked_sub(free) {
        None | Some(0) => Duration::ZERO,
        Some(beyond) => {
            let doublings = beyond.saturating_sub(1).min(16);
            FIRST_DELAY
                .saturating_mul(1 << doublings)
                .min(LONGEST_DELAY)
        }
    }
}

fn counted_failures(origin: &Origin, failures: &Failures) -> Option<CountedFailures> {
    let initiator_name = origin.name.clone()?;
    (failures.untold > 0).then_some(CountedFailures {
        address: origin.address,
        initiator_name,
        count: failures.untold,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: u32) -> IscsiName {
        format!("iqn.2026-11.test:{number}").parse().unwrap()
    }

    const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn seconds(count: f64) -> Duration {
        Duration::from_secs_f64(count)
    }

    #[test]
    fn the_delay_grows_with_every_failure_up_to_a_limit_and_ends_with_a_success() {
        let (mut guesses, mut now) = (Guesses::default(), Instant::now());
        let mut delays = Vec::new();
        for _ in 0..12 {
            let delay = guesses.delay(ADDRESS, &name(1), now);
            delays.push(delay.as_secs_f64());
            now += delay;
            guesses.failed(ADDRESS, &name(1), now);
        }
        assert_eq!(
            delays,
            [0.0, 0.0, 0.0, 0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]
        );
        guesses.succeeded(ADDRESS, &name(1));
        assert_eq!(guesses.delay(ADDRESS, &name(1), now), Duration::ZERO);
    }

    #[test]
    fn guesses_that_come_together_wait_one_after_the_other() {
        let (mut guesses, now) = (Guesses::default(), Instant::now());
        for _ in 0..5 {
            guesses.failed(ADDRESS, &name(1), now);
        }
        let delays: Vec<_> = (0..3)
            .map(|_| guesses.delay(ADDRESS, &name(1), now))
            .collect();
        assert_eq!(delays, [seconds(0.5), seconds(1.0), seconds(1.5)]);
        // Others do not wait.
        assert_eq!(guesses.delay(ADDRESS, &name(2), now), Duration::ZERO);
        let elsewhere = "192.0.2.2".parse().unwrap();
        assert_eq!(guesses.delay(elsewhere, &name(1), now), Duration::ZERO);
    }

    #[test]
    fn another_name_for_every_guess_is_of_no_use_nor_another_address_of_the_same_network() {
        let (mut guesses, now) = (Guesses::default(), Instant::now());
        for number in 0..14 {
            let address = format!("2001:db8::{number}").parse().unwrap();
            guesses.failed(address, &name(number), now);
        }
        let address = "2001:db8::ffff".parse().unwrap();
        assert_eq!(guesses.delay(address, &name(99), now), seconds(0.5));
    }

    #[test]
    fn a_burst_is_told_once_and_its_size_when_it_is_over() {
        let (mut guesses, mut now) = (Guesses::default(), Instant::now());
        let telling: Vec<_> = (0..6)
            .map(|_| guesses.failed(ADDRESS, &name(1), now))
            .collect();
        use Telling::{BeginsBurst, Counted, Told};
        assert_eq!(telling, [Told, Told, Told, BeginsBurst, Counted, Counted]);
        assert_eq!(guesses.next_end(), Some(now + QUIET));
        now += QUIET / 2;
        assert_eq!(guesses.ended(Some(now)), []);
        now += QUIET / 2;
        let counted = CountedFailures {
            address: ADDRESS,
            initiator_name: name(1),
            count: 2,
        };
        assert_eq!(guesses.ended(Some(now)), [counted]);
        assert_eq!(guesses.failed(ADDRESS, &name(1), now), Told);
    }

    #[test]
    fn the_table_is_bounded_and_forgets_the_oldest() {
        let (mut guesses, mut now) = (Guesses::default(), Instant::now());
        for number in 0..3000_u32 {
            now += Duration::from_millis(1);
            let address = IpAddr::V4(std::net::Ipv4Addr::from_bits(number));
            guesses.failed(address, &name(number), now);
        }
        assert_eq!(guesses.failures.len(), MAX_ORIGINS);
    }
}
