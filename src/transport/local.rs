//! A local socket in a directory: bound and connected to by the directory's descriptor, so that its path may have any length.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;
use std::time::Duration;

use rustix::fs::{AtFlags, Mode, unlinkat};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{Instant, sleep, timeout_at};

/// How long to wait before another attempt at a socket whose backlog is full.
const PAUSE: Duration = Duration::from_millis(20);

/// What a connection that carries blocks takes unread, in bytes; the system counts twice as much with its own overhead.
const SEND_BUFFER: usize = 1 << 20;

/// A connection over a local socket.
pub type LocalStream = UnixStream;

/// Who is at the other end of a local socket, as the system says (unix(7), SO_PEERCRED).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalPeer {
    /// Its effective user id when it connected.
    pub uid: u32,
    /// Its process; none when it is in another namespace.
    pub pid: Option<u32>,
}

/// A local socket that takes connections.
#[derive(Debug)]
pub struct LocalListener {
    listener: UnixListener,
    directory: File,
    name: String,
}

impl LocalListener {
    /// Binds a socket of this name in a directory, with mode 0600. What has the name already, such as the socket that a killed
    /// process left, is removed: the caller holds a lock that makes it the only one. Called on a runtime, before any thread is
    /// started: the umask of the process is another one meanwhile.
    ///
    /// # Errors
    /// Those of unlink(2), bind(2), listen(2) and chmod(2).
    pub fn bind(directory: File, name: &str) -> io::Result<Self> {
        match unlinkat(&directory, name, AtFlags::empty()) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        // A directory that another thread makes meanwhile can be entered by its owner all the same.
        let umask = rustix::process::umask(Mode::RWXG | Mode::RWXO);
        let listener = UnixListener::bind(path_in(&directory, name));
        rustix::process::umask(umask);
        let listener = listener?;
        let mode = Mode::RUSR | Mode::WUSR;
        rustix::fs::chmodat(&directory, name, mode, AtFlags::empty())?;
        Ok(Self {
            listener,
            directory,
            name: name.to_owned(),
        })
    }

    /// Waits for a connection.
    ///
    /// # Errors
    /// Those of accept(2): too many open files, which pass.
    pub async fn accept(&self) -> io::Result<LocalStream> {
        Ok(self.listener.accept().await?.0)
    }
}

impl Drop for LocalListener {
    /// Removes the socket. Best effort: the next process replaces one that stays.
    fn drop(&mut self) {
        let _ = unlinkat(&self.directory, self.name.as_str(), AtFlags::empty());
    }
}

/// Connects to the socket of this name in a directory.
///
/// # Errors
/// Those of connect(2), `ConnectionRefused` also when the listener ends before it takes the connection; `TimedOut` when the backlog
/// stays full for that long, as it does when the process is stopped.
pub async fn connect(
    directory: impl AsFd,
    name: &str,
    timeout: Duration,
) -> io::Result<LocalStream> {
    let end = Instant::now() + timeout;
    loop {
        match UnixStream::connect(path_in(&directory, name)).await {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if Instant::now() >= end {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                sleep(PAUSE).await;
            }
            // A process that is killed closes its descriptors one by one: it was in the backlog of a listener that is closed now.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            connected => return connected,
        }
    }
}

/// Returns who is at the other end.
///
/// # Errors
/// Those of getsockopt(2).
pub fn peer(stream: &LocalStream) -> io::Result<LocalPeer> {
    let credentials = stream.peer_cred()?;
    Ok(LocalPeer {
        uid: credentials.uid(),
        pid: credentials.pid().and_then(|pid| u32::try_from(pid).ok()),
    })
}

/// Has a connection take whole blocks of a tape before its sender has to wait for the receiver. The system has 208 KiB unless told
/// otherwise, and wakes the sender when most of that is taken: of a longer block each piece would wait for the other process. Best
/// effort: the system's limit (net.core.wmem_max) holds.
pub fn enlarge_send_buffer(stream: &LocalStream) {
    let _ = rustix::net::sockopt::set_socket_send_buffer_size(stream, SEND_BUFFER);
}

/// Sends a line.
///
/// # Errors
/// Those of write(2); `TimedOut` when the peer does not take it in time.
pub async fn send_line(stream: &mut LocalStream, line: &[u8], timeout: Duration) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(line.len().saturating_add(1));
    bytes.extend_from_slice(line);
    bytes.push(b'\n');
    let sent = tokio::time::timeout(timeout, stream.write_all(&bytes)).await;
    sent.map_err(|_| io::ErrorKind::TimedOut)?
}

/// Receives a line, at most so many bytes, and nothing that follows it; none when the peer has closed the connection before one
/// began.
///
/// # Errors
/// Those of read(2); `TimedOut` when it is not complete in time, `InvalidData` when it is too long or is cut short.
pub async fn receive_line(
    stream: &mut LocalStream,
    limit: usize,
    timeout: Duration,
) -> io::Result<Option<Vec<u8>>> {
    let end = Instant::now() + timeout;
    let mut line = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let readable = timeout_at(end, stream.readable()).await;
        readable.map_err(|_| io::ErrorKind::TimedOut)??;
        // What comes behind the line stays in the socket: it is looked at before it is taken.
        let flags = rustix::net::RecvFlags::PEEK | rustix::net::RecvFlags::DONTWAIT;
        let peeked = stream.try_io(tokio::io::Interest::READABLE, || {
            Ok(rustix::net::recv(&*stream, &mut chunk, flags)?)
        });
        let length = match peeked {
            Ok((_, length)) => length,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error),
        };
        let come = chunk.get(..length).unwrap_or_default();
        let end_of_line = come.iter().position(|byte| *byte == b'\n');
        let taken = end_of_line.map_or(length, |at| at.saturating_add(1));
        line.extend_from_slice(
            come.get(..end_of_line.unwrap_or(length))
                .unwrap_or_default(),
        );
        if line.len() > limit || (length == 0 && !line.is_empty()) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if length == 0 {
            return Ok(None);
        }
        let mut taking = chunk.get_mut(..taken).unwrap_or_default();
        let mut left = taking.len();
        while left > 0 {
            let read = stream.read(taking).await?;
            left = left.saturating_sub(read.max(1));
            taking = taking.get_mut(read..).unwrap_or_default();
        }
        if end_of_line.is_some() {
            return Ok(Some(line));
        }
    }
}

fn path_in(directory: &impl AsFd, name: &str) -> PathBuf {
    let descriptor = directory.as_fd().as_raw_fd();
    PathBuf::from(format!("/proc/self/fd/{descriptor}/{name}"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::transport::{First, block_on, first};

    const SHORT: Duration = Duration::from_secs(5);

    /// Runs a test in a directory whose path is longer than an address of a local socket may be.
    fn in_deep_directory<T>(test: impl AsyncFnOnce(&std::path::Path, File) -> T) -> T {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("deep/".repeat(40));
        std::fs::create_dir_all(&path).unwrap();
        assert!(path.as_os_str().len() > 108);
        let directory = File::open(&path).unwrap();
        block_on(test(&path, directory)).unwrap()
    }

    #[test]
    fn a_socket_is_private_whatever_the_length_of_its_path() {
        in_deep_directory(async |path, directory| {
            let clone = directory.try_clone().unwrap();
            let listener = LocalListener::bind(clone, "x.sock").unwrap();
            let socket = path.join("x.sock");
            let mode = std::fs::symlink_metadata(&socket).unwrap().permissions();
            assert_eq!(mode.mode() & 0o777, 0o600);
            let client = connect(&directory, "x.sock", SHORT).await.unwrap();
            let served = listener.accept().await.unwrap();
            let us = LocalPeer {
                uid: rustix::process::getuid().as_raw(),
                pid: Some(std::process::id()),
            };
            assert_eq!(peer(&served).unwrap(), us);
            assert_eq!(peer(&client).unwrap(), us);
            drop(listener);
            assert!(!socket.exists());
        });
    }

    #[test]
    fn a_socket_that_a_killed_process_left_is_replaced() {
        in_deep_directory(async |path, directory| {
            let clone = || directory.try_clone().unwrap();
            let listener = LocalListener::bind(clone(), "x.sock").unwrap();
            // A kill removes nothing.
            std::fs::hard_link(path.join("x.sock"), path.join("left.sock")).unwrap();
            drop(listener);
            let refused = connect(&directory, "left.sock", SHORT).await.unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
            let listener = LocalListener::bind(clone(), "left.sock").unwrap();
            connect(&directory, "left.sock", SHORT).await.unwrap();
            listener.accept().await.unwrap();
        });
    }

    #[test]
    fn a_listener_that_ends_before_it_takes_a_connection_refuses_it() {
        in_deep_directory(async |_, directory| {
            let clone = directory.try_clone().unwrap();
            let listener = LocalListener::bind(clone, "x.sock").unwrap();
            let mut connecting = std::pin::pin!(connect(&directory, "x.sock", SHORT));
            // Once polled it is in the backlog, and does not know yet.
            let polled = first(connecting.as_mut(), std::future::ready(())).await;
            assert!(matches!(polled, First::Right(())));
            drop(listener);
            let refused = connecting.await.unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        });
    }

    #[test]
    fn a_line_is_taken_and_nothing_behind_it() {
        in_deep_directory(async |_, directory| {
            let clone = directory.try_clone().unwrap();
            let listener = LocalListener::bind(clone, "x.sock").unwrap();
            let mut client = connect(&directory, "x.sock", SHORT).await.unwrap();
            let mut served = listener.accept().await.unwrap();
            let long = vec![b'a'; 10_000];
            send_line(&mut client, &long, SHORT).await.unwrap();
            client.write_all(b"\x03binary").await.unwrap();
            let line = receive_line(&mut served, 20_000, SHORT).await.unwrap();
            assert_eq!(line, Some(long));
            let mut behind = [0; 7];
            served.read_exact(&mut behind).await.unwrap();
            assert_eq!(&behind, b"\x03binary");
            client.write_all(b"never").await.unwrap();
            let wait = Duration::from_millis(20);
            let late = receive_line(&mut served, 100, wait).await.unwrap_err();
            assert_eq!(late.kind(), io::ErrorKind::TimedOut);
            drop(client);
            let end = receive_line(&mut served, 100, SHORT).await.unwrap();
            assert_eq!(end, None);
        });
    }
}
