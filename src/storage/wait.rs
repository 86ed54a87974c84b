//! What another process keeps this one waiting for, and who is told of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A wait for another process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// What is waited for.
    pub subject: WaitSubject,
    /// The process that has it, where it is known.
    pub pid: Option<u32>,
    /// What that process does, where it says so.
    pub purpose: Option<String>,
    /// How long it has been waited for.
    pub waited: Duration,
}

/// What is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WaitSubject {
    /// A lock, by the name of its file.
    Lock(String),
    /// The answer of a process that serves a local socket.
    Answer,
    /// A device that the process uses.
    Device(String),
}

/// Tells of a wait, or that it is over.
type Tell = dyn Fn(Option<&Wait>) + Send + Sync;

/// Who is told of waits: of each after a second and each second from then on, and when it is over (`None`).
#[derive(Clone, Default)]
pub struct WaitObserver(Option<Arc<Tell>>);

impl WaitObserver {
    /// Has a function told. It is called on the thread that waits, which may hold other locks, and must not wait itself.
    pub fn new(tell: impl Fn(Option<&Wait>) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(tell)))
    }

    /// Begins a wait, which is over when what is returned is dropped.
    #[must_use]
    pub fn begin(&self) -> ObservedWait<'_> {
        ObservedWait {
            observer: self,
            told: 0,
        }
    }
}

impl fmt::Debug for WaitObserver {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("WaitObserver")
    }
}

/// A wait that goes on.
#[derive(Debug)]
pub struct ObservedWait<'a> {
    observer: &'a WaitObserver,
    /// The seconds that were told last.
    told: u64,
}

impl ObservedWait<'_> {
    /// Tells of the wait, unless it did so within the same second.
    pub fn goes_on(&mut self, waited: Duration, wait: impl FnOnce() -> Wait) {
        if let Some(tell) = &self.observer.0
            && waited.as_secs() > self.told
        {
            self.told = waited.as_secs();
            tell(Some(&wait()));
        }
    }
}

impl Drop for ObservedWait<'_> {
    fn drop(&mut self) {
        if let Some(tell) = &self.observer.0
            && self.told > 0
        {
            tell(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn a_wait_is_told_each_second_and_its_end_where_it_was_told() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&told);
        let observer = WaitObserver::new(move |wait| {
            let mut seen = seen.lock().unwrap();
            seen.push(wait.map(|wait| wait.waited.as_millis()));
        });
        let wait_until = |millis: &[u64]| {
            let mut wait = observer.begin();
            for waited in millis.iter().copied().map(Duration::from_millis) {
                wait.goes_on(waited, || Wait {
                    subject: WaitSubject::Answer,
                    pid: None,
                    purpose: None,
                    waited,
                });
            }
        };
        wait_until(&[0, 500, 999]);
        assert_eq!(*told.lock().unwrap(), []);
        wait_until(&[999, 1001, 1500, 2100]);
        assert_eq!(*told.lock().unwrap(), [Some(1001), Some(2100), None]);
    }
}
