//! Work that may take long, away from the thread that serves the sessions.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{spawn_blocking, spawn_local};

use super::BackendAnswer;

/// Has another thread do a job; none when the job panicked. It is done to its end, whether anybody waits for it or not.
pub fn off_thread<T: Send + 'static>(
    job: impl FnOnce() -> T + Send + 'static,
) -> BackendAnswer<Option<T>> {
    let done = spawn_blocking(job);
    Box::pin(async move { done.await.ok() })
}

/// Goes on with something to its end, whether anybody waits for it or not; none when it panicked.
pub fn detached<T: 'static>(work: impl Future<Output = T> + 'static) -> BackendAnswer<Option<T>> {
    let done = spawn_local(work);
    Box::pin(async move { done.await.ok() })
}

/// Turns at something that only one, or so many, can use at a time: first come, first served.
#[derive(Clone, Debug)]
pub struct Turns(Arc<Semaphore>);

/// A turn, which ends when it is dropped.
#[derive(Debug)]
pub struct Turn {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Default for Turns {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

impl Turns {
    /// Returns turns of which so many may be taken at a time, at least one.
    #[must_use]
    pub fn of(count: usize) -> Self {
        Self(Arc::new(Semaphore::new(
            count.clamp(1, Semaphore::MAX_PERMITS),
        )))
    }

    /// Waits for a turn. Whoever polled this first has the first turn.
    pub async fn take(self) -> Turn {
        Turn {
            // The semaphore is never closed.
            _permit: self.0.acquire_owned().await.ok(),
        }
    }
}
