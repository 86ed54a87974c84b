//! Signals that a process of long life heeds instead of ending by them.

use std::future::poll_fn;
use std::io;
use std::task::Poll;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// A signal that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeededSignal {
    /// SIGHUP.
    Hangup,
    /// SIGINT.
    Interrupt,
    /// SIGTERM.
    Terminate,
}

/// SIGHUP, SIGINT and SIGTERM, heeded from when this is made.
#[derive(Debug)]
pub struct Signals([(Signal, HeededSignal); 3]);

impl Signals {
    /// Heeds the signals from now on. Called on a runtime.
    ///
    /// # Errors
    /// The system's.
    pub fn heed() -> io::Result<Self> {
        Ok(Self([
            (signal(SignalKind::terminate())?, HeededSignal::Terminate),
            (signal(SignalKind::interrupt())?, HeededSignal::Interrupt),
            (signal(SignalKind::hangup())?, HeededSignal::Hangup),
        ]))
    }

    /// Waits for the next one.
    pub async fn next(&mut self) -> HeededSignal {
        poll_fn(|context| {
            for (signal, heeded) in &mut self.0 {
                if signal.poll_recv(context).is_ready() {
                    return Poll::Ready(*heeded);
                }
            }
            Poll::Pending
        })
        .await
    }
}
