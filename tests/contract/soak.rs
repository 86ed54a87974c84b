//! The judge of the soak in benches/soak: it finds every loss, and takes nothing else for one.

use std::time::Duration;

use iscsiswiconfig::iop::store::Store;

use crate::common::TestEnvironment;

/// What the judge asks its bench for.
const TARGETS: u64 = 5;

#[path = "../../benches/soak/state.rs"]
#[allow(dead_code, reason = "the bench uses more of it")]
mod state;

use state::{Own, Step};

const FIRST: &str = "00000000000000A1";
const SECOND: &str = "00000000000000B2";

/// A writer, and the state that it edits.
struct Writer {
    environment: TestEnvironment,
    own: Own,
}

impl Writer {
    fn new() -> Self {
        Self {
            environment: TestEnvironment::new(),
            own: Own::new(3),
        }
    }

    fn run(&self, step: &Step) {
        self.environment.run(&step.words()).assert_status(0);
    }

    /// Runs a step and notes that it was acknowledged.
    fn acknowledged(&mut self, number: u64, secret: &str) -> Step {
        let step = self.own.step(number, secret, false);
        self.run(&step);
        self.own.done(&step);
        step
    }

    fn losses(&self) -> Vec<String> {
        let store = Store::new(self.environment.state(), Duration::ZERO);
        let configuration = store.revealed_configuration().unwrap();
        self.own.losses(&self.own.find(&configuration))
    }
}

#[test]
fn an_acknowledged_edit_that_is_not_there_is_a_loss() {
    let mut writer = Writer::new();
    for number in [0, 4] {
        writer.acknowledged(number, FIRST);
    }
    assert_eq!(writer.losses(), Vec::<String>::new());
    // Somebody takes a target away, and the writer is not told.
    writer.run(&writer.own.step(4, FIRST, true));
    let losses = writer.losses();
    assert_eq!(losses.len(), 1, "{losses:?}");
    assert!(losses[0].contains(":3-4: None is there"), "{losses:?}");
}

#[test]
fn an_old_secret_and_a_target_that_was_removed_are_losses() {
    let mut writer = Writer::new();
    writer.acknowledged(1, FIRST);
    // The change of the secret was acknowledged and is not there.
    let change = writer.own.step(1, SECOND, false);
    writer.own.done(&change);
    let losses = writer.losses();
    assert!(losses[0].contains(FIRST) && losses.len() == 1, "{losses:?}");
    writer.run(&change);
    assert_eq!(writer.losses(), Vec::<String>::new());
    // The removal was acknowledged and the target is there.
    let remove = writer.own.step(1, SECOND, true);
    writer.own.done(&remove);
    assert_eq!(writer.losses().len(), 1);
    writer.run(&remove);
    assert_eq!(writer.losses(), Vec::<String>::new());
}

#[test]
fn a_call_that_was_killed_happened_whole_or_not_at_all() {
    for happened in [false, true] {
        let mut writer = Writer::new();
        writer.acknowledged(2, FIRST);
        let killed = writer.own.step(2, SECOND, false);
        if happened {
            writer.run(&killed);
        }
        writer.own.perhaps(&killed);
        assert_eq!(writer.losses(), Vec::<String>::new(), "{happened}");
    }
    // A third secret is neither.
    let mut writer = Writer::new();
    writer.acknowledged(2, FIRST);
    writer.own.perhaps(&writer.own.step(2, SECOND, false));
    writer.run(&writer.own.step(2, "00000000000000C3", false));
    assert_eq!(writer.losses().len(), 1);
}
