//! Unit attention conditions: what happened to a logical unit since a nexus last asked it (SAM-5 5.14).

use std::collections::{BTreeMap, VecDeque};

use crate::iscsi::nexus::NexusId;
use crate::scsi::AdditionalSenseCode;

/// The conditions that are pending at one logical unit, per nexus. A condition is pending once at most.
#[derive(Debug, Default)]
pub(super) struct UnitAttentions {
    pending: BTreeMap<NexusId, VecDeque<AdditionalSenseCode>>,
}

impl UnitAttentions {
    /// A new nexus learns first of all that the logical unit was reset before it came.
    pub(super) fn add_nexus(&mut self, nexus: NexusId) {
        self.pending.insert(
            nexus,
            VecDeque::from([AdditionalSenseCode::POWER_ON_OR_RESET]),
        );
    }

    pub(super) fn remove_nexus(&mut self, nexus: NexusId) {
        self.pending.remove(&nexus);
    }

    /// A reset: it replaces everything that was pending before it.
    pub(super) fn reset(&mut self, code: AdditionalSenseCode) {
        for pending in self.pending.values_mut() {
            pending.clear();
            pending.push_back(code);
        }
    }

    pub(super) fn raise_for_all(&mut self, code: AdditionalSenseCode) {
        self.raise(code, |_| true);
    }

    pub(super) fn raise_for_others(&mut self, but: NexusId, code: AdditionalSenseCode) {
        self.raise(code, |nexus| nexus != but);
    }

    pub(super) fn raise(&mut self, code: AdditionalSenseCode, whom: impl Fn(NexusId) -> bool) {
        for (nexus, pending) in &mut self.pending {
            if whom(*nexus) && !pending.contains(&code) {
                pending.push_back(code);
            }
        }
    }

    /// Takes the oldest condition of the nexus: reporting it clears it.
    pub(super) fn take(&mut self, nexus: NexusId) -> Option<AdditionalSenseCode> {
        self.pending.get_mut(&nexus)?.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: NexusId = NexusId(1);
    const TWO: NexusId = NexusId(2);

    #[test]
    fn every_nexus_is_told_once_and_in_order() {
        let mut attentions = UnitAttentions::default();
        attentions.add_nexus(ONE);
        attentions.add_nexus(TWO);
        attentions.raise_for_others(ONE, AdditionalSenseCode::MODE_PARAMETERS_CHANGED);
        attentions.raise_for_all(AdditionalSenseCode::MEDIUM_MAY_HAVE_CHANGED);
        attentions.raise_for_all(AdditionalSenseCode::MEDIUM_MAY_HAVE_CHANGED);
        let all = |attentions: &mut UnitAttentions, nexus| {
            std::iter::from_fn(|| attentions.take(nexus)).collect::<Vec<_>>()
        };
        assert_eq!(
            all(&mut attentions, ONE),
            [
                AdditionalSenseCode::POWER_ON_OR_RESET,
                AdditionalSenseCode::MEDIUM_MAY_HAVE_CHANGED
            ]
        );
        assert_eq!(all(&mut attentions, TWO).len(), 3);
        assert_eq!(attentions.take(NexusId(3)), None);
    }

    #[test]
    fn a_reset_stands_for_what_came_before_it() {
        let mut attentions = UnitAttentions::default();
        attentions.add_nexus(ONE);
        attentions.reset(AdditionalSenseCode::BUS_DEVICE_RESET);
        assert_eq!(
            attentions.take(ONE),
            Some(AdditionalSenseCode::BUS_DEVICE_RESET)
        );
        assert_eq!(attentions.take(ONE), None);
    }
}
