//! Tries whether an address takes a connection, without logging in.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::task::spawn_local;
use tokio::time::timeout;

/// What became of a connection.
#[derive(Debug)]
pub enum Probed {
    /// It was taken, and closed again.
    Open {
        /// The most bytes of data in a TCP segment, by what the peer told and what is known of the path (TCP_MAXSEG).
        segment: Option<u32>,
    },
    /// It failed.
    Failed(io::Error),
    /// Nothing came back in time.
    Silent,
}

/// Connects to an address, and closes the connection at once.
pub async fn probe(address: SocketAddr, within: Duration) -> Probed {
    match timeout(within, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => Probed::Open {
            segment: SockRef::from(&stream).tcp_mss().ok(),
        },
        Ok(Err(error)) => Probed::Failed(error),
        Err(_) => Probed::Silent,
    }
}

/// Runs jobs at once, and returns what came of each, in their order; none for one that panicked.
pub async fn join_all<T: 'static>(
    jobs: impl IntoIterator<Item = impl Future<Output = T> + 'static>,
) -> Vec<Option<T>> {
    let running: Vec<_> = jobs.into_iter().map(spawn_local).collect();
    let mut outcomes = Vec::with_capacity(running.len());
    for job in running {
        outcomes.push(job.await.ok());
    }
    outcomes
}
