//! Work that may take long, away from the thread that serves the sessions.

use std::sync::{Arc, Mutex, PoisonError};

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
pub struct Turns(Arc<TurnCount>);

#[derive(Debug)]
struct TurnCount {
    semaphore: Arc<Semaphore>,
    size: Mutex<TurnSize>,
}

#[derive(Debug)]
struct TurnSize {
    /// How many turns there are.
    turns: usize,
    /// How many more are taken, since there were more of them.
    surplus: usize,
}

/// A turn, which ends when it is dropped.
#[derive(Debug)]
pub struct Turn {
    turns: Turns,
    permit: Option<OwnedSemaphorePermit>,
}

impl Default for Turns {
    fn default() -> Self {
        Self::of(1)
    }
}

impl Turns {
    /// Returns turns of which so many may be taken at a time, at least one.
    #[must_use]
    pub fn of(count: usize) -> Self {
        let count = count.clamp(1, Semaphore::MAX_PERMITS);
        Self(Arc::new(TurnCount {
            semaphore: Arc::new(Semaphore::new(count)),
            size: Mutex::new(TurnSize {
                turns: count,
                surplus: 0,
            }),
        }))
    }

    /// Has another number of turns, at least one. Where more than that are taken already, the next ones begin when so many have
    /// ended that it holds.
    pub fn resize(&self, count: usize) {
        let wanted = count.clamp(1, Semaphore::MAX_PERMITS);
        let mut size = self.0.size.lock().unwrap_or_else(PoisonError::into_inner);
        match wanted.checked_sub(size.turns) {
            Some(more) => {
                let added = more.saturating_sub(size.surplus);
                self.0.semaphore.add_permits(added);
                size.surplus = size.surplus.saturating_sub(more);
            }
            None => {
                let fewer = size.turns.saturating_sub(wanted);
                let free = self.0.semaphore.forget_permits(fewer);
                let taken = fewer.saturating_sub(free);
                size.surplus = size.surplus.saturating_add(taken);
            }
        }
        size.turns = wanted;
    }

    /// Waits for a turn. Whoever polled this first has the first turn.
    pub async fn take(self) -> Turn {
        // The semaphore is never closed.
        let permit = Arc::clone(&self.0.semaphore).acquire_owned().await.ok();
        Turn {
            turns: self,
            permit,
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let size = &self.turns.0.size;
        let mut size = size.lock().unwrap_or_else(PoisonError::into_inner);
        if size.surplus > 0
            && let Some(permit) = self.permit.take()
        {
            size.surplus = size.surplus.saturating_sub(1);
            permit.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::{block_on_paused, within};
    use std::time::Duration;

    /// Takes turns as long as there are any.
    async fn take_all(turns: &Turns) -> Vec<Turn> {
        let mut taken = Vec::new();
        while let Some(turn) = within(Duration::ZERO, turns.clone().take()).await {
            taken.push(turn);
        }
        taken
    }

    #[test]
    fn fewer_turns_hold_as_soon_as_enough_have_ended() {
        block_on_paused(async {
            let turns = Turns::of(4);
            let mut taken = take_all(&turns).await;
            assert_eq!(taken.len(), 4);
            turns.resize(2);
            for left in [3, 2] {
                taken.pop();
                assert_eq!(taken.len(), left);
                assert!(take_all(&turns).await.is_empty());
            }
            taken.pop();
            taken.extend(take_all(&turns).await);
            assert_eq!(taken.len(), 2);
            turns.resize(0);
            drop(taken);
            assert_eq!(take_all(&turns).await.len(), 1, "at least one");
        });
    }

    #[test]
    fn more_turns_are_there_at_once() {
        block_on_paused(async {
            let turns = Turns::of(5);
            let mut taken = take_all(&turns).await;
            turns.resize(1);
            turns.resize(3);
            taken.truncate(3);
            assert!(take_all(&turns).await.is_empty(), "two were too many");
            turns.resize(6);
            assert_eq!(take_all(&turns).await.len(), 3);
        });
    }
}
