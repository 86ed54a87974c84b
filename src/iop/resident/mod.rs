//! The resident IOP: one process per state directory that re-IPLs, then holds the sessions with the targets, so that a dump shows
//! what is now, and jobs on several devices share the one connection that a partition may have to a target.
//!
//! ```text
//!  iop status, iop stop, -reipliscsiop --control request--\
//!                                                          local socket -- resident IOP == held sessions == targets
//!  library, tape, mtx, rmt -- iSCSI behind an attach ------/
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | [`control`] | the versioned requests on the local socket, their answers, and the blocking handle that front ends use |
//! | [`event`] | what happens while the IOP runs, as plain data |
//! | [`status`] | what the IOP says of itself: targets, sessions, jobs, the last events |
//!
//! Who has sentences is `render`; who prints is `commands`. Nothing here writes to a terminal.
#![allow(
    clippy::disallowed_methods,
    reason = "a resident IOP notes when things happen"
)]

mod backoff;
pub mod control;
mod cut_off;
pub mod event;
mod forward;
mod held;
mod jobs;
mod server;
mod service;
pub mod status;
mod window;

use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use thiserror::Error;

use crate::iop::ipl::Settings;
use crate::iop::job::JobObserver;
use crate::iop::store::{StateError, Store};
use crate::transport::local::LocalListener;
use crate::transport::signals::{HeededSignal, Signals};
use crate::transport::{self, First, first};

use control::SOCKET;
use service::Iop;

pub use control::{ControlError, ControlHandle, connect};
pub use cut_off::CutOff;
pub use event::{IopEvent, ReIplReason, StopReason};
pub use status::IopStatus;

/// Settings of a resident IOP.
#[derive(Clone, Debug)]
pub struct ResidentSettings {
    /// Settings of its re-IPLs. The timeout is also how long a ping, and a peer that takes nothing, is waited for.
    pub re_ipl: Settings,
    /// How long running jobs are waited for by a re-IPL that a signal asks for, and when the IOP stops.
    pub lock_timeout: Duration,
    /// Whether a target that is lost, or failed, is tried again.
    pub reconnect: bool,
    /// How often [`IopEvent::Alive`] is told, for a watchdog; `None` for never. At most half of systemd's WATCHDOG_USEC.
    pub watchdog: Option<Duration>,
}

/// Is told each event as it happens, on the thread of the IOP: it must not block.
pub type EventSink = dyn Fn(&IopEvent);

/// Why there is no resident IOP, or why it could not go on. A target that fails is no reason.
#[derive(Debug, Error)]
pub enum IopError {
    /// The state could not be locked, read or written. Another IOP of the same state directory holds the lock `iop.lock`, and the
    /// error names its process.
    #[error(transparent)]
    State(#[from] StateError),
    /// The local socket cannot be had.
    #[error("cannot listen on the local socket {}", crate::storage::quoted(path))]
    Socket {
        /// Where it was to be.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system has no resources for sessions with the targets.
    #[error("cannot set up the network input and output")]
    Network(#[source] io::Error),
}

/// Runs a resident IOP on this thread: takes the lock, listens on the socket, re-IPLs, and holds the sessions until SIGTERM, SIGINT
/// or [`ControlHandle::stop`]; SIGHUP re-IPLs. `sink` is told the events ([`IopEvent::Ready`] once the first re-IPL is done),
/// `observer` the steps and PDUs of the sessions by the name of their target, for a trace.
///
/// # Errors
/// [`IopError`] when it cannot begin. What goes wrong later is an event.
pub fn run(
    store: Store,
    settings: ResidentSettings,
    sink: Rc<EventSink>,
    observer: Rc<JobObserver>,
) -> Result<StopReason, IopError> {
    let lock = store.lock_resident()?;
    let iop = Iop::new(store, settings, sink, observer)?;
    let run = async {
        let mut signals = Signals::heed().map_err(IopError::Network)?;
        let directory = lock.directory.try_clone().map_err(IopError::Network)?;
        let listener =
            LocalListener::bind(directory, SOCKET).map_err(|source| IopError::Socket {
                path: iop.store.directory().join(SOCKET),
                source,
            })?;
        let reason = serve(&iop, &listener, lock.owner, &mut signals).await;
        iop.tell(&IopEvent::Stopping { reason });
        // A second signal ends the process at once.
        let served = server::accept(&iop, &listener, lock.owner);
        let wound_up =
            async { if let First::Left(()) = first(iop.wind_up(), again(&mut signals)).await {} };
        let _ = first(wound_up, served).await;
        Ok(reason)
    };
    transport::block_on(run).map_err(IopError::Network)?
}

/// Serves the socket and re-IPLs until it is told to stop.
async fn serve(
    iop: &Rc<Iop>,
    listener: &LocalListener,
    owner: u32,
    signals: &mut Signals,
) -> StopReason {
    let heeded = heed(iop, signals);
    let beats = beat(iop);
    let accepted = server::accept(iop, listener, owner);
    let work = first(first(heeded, accepted), first(begin(iop), beats));
    match first(iop.changes.until(|| iop.stops()), work).await {
        First::Left(reason) => reason,
        // None of them ends.
        First::Right(_) => StopReason::Asked,
    }
}

/// Does the first re-IPL, and tells that jobs are taken.
async fn begin(iop: &Rc<Iop>) {
    let (settings, wait) = (&iop.settings.re_ipl, iop.settings.lock_timeout);
    // A failure has been told as an event, and the next re-IPL may do better.
    let _ = iop.re_ipl(ReIplReason::Start, settings, wait).await;
    if iop.stops().is_none() {
        let (active, _) = iop.active();
        iop.tell(&IopEvent::Ready {
            pid: std::process::id(),
            connected: service::connected(&active),
            targets: active.targets.len(),
        });
    }
    std::future::pending().await
}

/// Does what signals ask for.
async fn heed(iop: &Rc<Iop>, signals: &mut Signals) {
    loop {
        match signals.next().await {
            HeededSignal::Terminate => iop.stop(StopReason::Terminated),
            HeededSignal::Interrupt => iop.stop(StopReason::Interrupted),
            // One that has not begun reads the configuration when it does.
            HeededSignal::Hangup if iop.hangup_waits.replace(true) => {}
            HeededSignal::Hangup => {
                let this = Rc::clone(iop);
                transport::spawn(async move {
                    let (settings, wait) = (&this.settings.re_ipl, this.settings.lock_timeout);
                    // What came of it is told as an event.
                    let _ = this.re_ipl(ReIplReason::Hangup, settings, wait).await;
                    this.hangup_waits.set(false);
                });
            }
        }
    }
}

/// Waits for a second signal to stop.
async fn again(signals: &mut Signals) {
    while signals.next().await == HeededSignal::Hangup {}
}

/// Tells signs of life for a watchdog.
async fn beat(iop: &Rc<Iop>) {
    let Some(interval) = iop.settings.watchdog else {
        return std::future::pending().await;
    };
    loop {
        iop.tell(&IopEvent::Alive);
        transport::sleep(interval).await;
    }
}
