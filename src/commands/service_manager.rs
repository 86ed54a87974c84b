//! The service manager that started this process, told of its state as sd_notify(3) says.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The socket that the service manager receives on.
const SOCKET_VARIABLE: &str = "NOTIFY_SOCKET";

/// How long the service manager waits for a sign of life, in microseconds.
const WATCHDOG_VARIABLE: &str = "WATCHDOG_USEC";

/// The process whose signs of life it waits for.
const WATCHDOG_PID_VARIABLE: &str = "WATCHDOG_PID";

/// The service manager that started this process; where there is none, nobody is told. A message that the manager has no room
/// for is lost: a service never waits for its manager.
#[derive(Debug, Default)]
pub(super) struct ServiceManager {
    socket: Option<UnixDatagram>,
    watchdog: Option<Duration>,
}

impl ServiceManager {
    /// Returns the service manager that the environment names. One whose socket cannot be connected to is none: it may be that of
    /// another service, from which this process has its environment.
    pub(super) fn from_environment() -> Self {
        let variable = |name| env::var_os(name).filter(|value| !value.is_empty());
        let own_pid = std::process::id();
        let timeout = watchdog_timeout(
            variable(WATCHDOG_VARIABLE).as_deref(),
            variable(WATCHDOG_PID_VARIABLE).as_deref(),
            own_pid,
        );
        Self {
            socket: variable(SOCKET_VARIABLE).and_then(|name| connect(name).ok()),
            watchdog: timeout.map(|timeout| timeout / 2),
        }
    }

    /// Returns how often [`ServiceManager::alive`] is to be called: twice in the time after which the manager takes the service
    /// for hung; `None` where it does not watch.
    pub(super) fn watchdog(&self) -> Option<Duration> {
        self.watchdog.filter(|_| self.socket.is_some())
    }

    /// The service has started, or has been reloaded; `status` is what it does, on one line.
    pub(super) fn ready(&self, status: &str) {
        self.send(&format!("READY=1\nSTATUS={status}"));
    }

    /// The service reloads its configuration until it is ready again.
    pub(super) fn reloading(&self, status: &str) {
        // The manager tells a reload that it asked for by the time: one that began after it had asked.
        let now = clock_gettime(ClockId::Monotonic);
        let microseconds = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1_000;
        self.send(&format!(
            "RELOADING=1\nMONOTONIC_USEC={microseconds}\nSTATUS={status}"
        ));
    }

    /// The service goes on with another status.
    pub(super) fn status(&self, status: &str) {
        self.send(&format!("STATUS={status}"));
    }

    /// The service has begun to stop.
    pub(super) fn stopping(&self, status: &str) {
        self.send(&format!("STOPPING=1\nSTATUS={status}"));
    }

    /// The service works.
    pub(super) fn alive(&self) {
        self.send("WATCHDOG=1");
    }

    fn send(&self, message: &str) {
        if let Some(socket) = &self.socket {
            // A manager that does not listen any more misses nothing that it wanted.
            let _ = socket.send(message.as_bytes());
        }
    }
}

/// Connects to a socket: a path, or behind an `@` a name in the abstract namespace of Linux (unix(7)).
fn connect(name: OsString) -> io::Result<UnixDatagram> {
    let address = match name.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None if name.as_bytes().starts_with(b"/") => SocketAddr::from_pathname(&name)?,
        // vsock: of a manager outside of this virtual machine, which no local socket reaches.
        None => return Err(io::Error::from(io::ErrorKind::Unsupported)),
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Returns after what time the manager takes this process for hung, as sd_watchdog_enabled(3) has it; `None` where it does not
/// watch this process.
fn watchdog_timeout(
    microseconds: Option<&OsStr>,
    pid: Option<&OsStr>,
    own_pid: u32,
) -> Option<Duration> {
    if pid.is_some_and(|pid| pid != OsStr::new(&own_pid.to_string())) {
        return None;
    }
    let microseconds: u64 = microseconds?.to_str()?.parse().ok()?;
    (microseconds > 0).then(|| Duration::from_micros(microseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a manager with the socket that it is told by.
    fn manager(name: &str, at: &SocketAddr) -> (ServiceManager, UnixDatagram) {
        let receiver = UnixDatagram::bind_addr(at).unwrap();
        receiver.set_nonblocking(true).unwrap();
        let manager = ServiceManager {
            socket: Some(connect(OsString::from(name)).unwrap()),
            watchdog: Some(Duration::from_secs(5)),
        };
        (manager, receiver)
    }

    fn received(receiver: &UnixDatagram) -> String {
        let mut bytes = [0; 512];
        let count = receiver.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..count].to_vec()).unwrap()
    }

    #[test]
    fn a_manager_is_told_every_state_by_path_and_by_abstract_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let name = format!("iscsiswiconfig-test-{}", std::process::id());
        for (name, address) in [
            (
                path.to_str().unwrap().to_owned(),
                SocketAddr::from_pathname(&path).unwrap(),
            ),
            (
                format!("@{name}"),
                SocketAddr::from_abstract_name(name.as_bytes()).unwrap(),
            ),
        ] {
            let (manager, receiver) = manager(&name, &address);
            manager.ready("1 of 2 targets connected");
            assert_eq!(
                received(&receiver),
                "READY=1\nSTATUS=1 of 2 targets connected"
            );
            let before = clock_gettime(ClockId::Monotonic);
            manager.reloading("re-IPL");
            let after = clock_gettime(ClockId::Monotonic);
            let message = received(&receiver);
            let time = message
                .strip_prefix("RELOADING=1\nMONOTONIC_USEC=")
                .and_then(|rest| rest.strip_suffix("\nSTATUS=re-IPL"))
                .and_then(|time| time.parse::<i64>().ok())
                .unwrap_or_else(|| panic!("{message}"));
            let microseconds =
                |time: rustix::time::Timespec| time.tv_sec * 1_000_000 + time.tv_nsec / 1_000;
            assert!((microseconds(before)..=microseconds(after)).contains(&time));
            manager.status("2 of 2 targets connected");
            assert_eq!(received(&receiver), "STATUS=2 of 2 targets connected");
            manager.alive();
            assert_eq!(received(&receiver), "WATCHDOG=1");
            manager.stopping("stopping");
            assert_eq!(received(&receiver), "STOPPING=1\nSTATUS=stopping");
        }
    }

    #[test]
    fn a_manager_that_reads_nothing_or_has_gone_holds_nothing_up() {
        let name = format!("iscsiswiconfig-test-full-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(name.as_bytes()).unwrap();
        let (manager, receiver) = manager(&format!("@{name}"), &address);
        // More than any queue of datagrams holds.
        for _ in 0..100_000 {
            manager.alive();
        }
        assert_eq!(received(&receiver), "WATCHDOG=1");
        drop(receiver);
        manager.alive();
        ServiceManager::default().ready("nobody listens");
    }

    #[test]
    fn the_watchdog_is_that_of_this_process() {
        let timeout = |microseconds, pid: Option<&str>| {
            watchdog_timeout(Some(OsStr::new(microseconds)), pid.map(OsStr::new), 47)
        };
        let ten = Some(Duration::from_secs(10));
        assert_eq!(timeout("10000000", None), ten);
        assert_eq!(timeout("10000000", Some("47")), ten);
        assert_eq!(timeout("10000000", Some("48")), None);
        for none in ["0", "", "-1", "ten"] {
            assert_eq!(timeout(none, None), None, "{none}");
        }
        assert_eq!(watchdog_timeout(None, None, 47), None);
    }

    #[test]
    fn a_socket_that_cannot_be_reached_is_an_error() {
        for name in ["/nonexistent/notify", "vsock:2:1234", "relative"] {
            assert!(connect(OsString::from(name)).is_err(), "{name}");
        }
    }
}
