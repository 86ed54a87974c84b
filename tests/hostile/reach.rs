use std::fs;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime;

use super::target::NAME;
use super::{TIMEOUT, assert_failed, failed, words};
use crate::common::{TestEnvironment, targets};

/// A port to which no more connections are accepted: each further attempt is dropped without a word.
struct FullPort {
    address: SocketAddr,
    _listener: TcpListener,
    _runtime: runtime::Runtime,
    _waiting: Vec<TcpStream>,
}

impl FullPort {
    fn new() -> Self {
        let runtime = runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .unwrap();
        let listener = {
            let _context = runtime.enter();
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
            socket.listen(1).unwrap()
        };
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
            waiting.push(stream);
        }
        Self {
            address,
            _listener: listener,
            _runtime: runtime,
            _waiting: waiting,
        }
    }
}

#[test]
fn a_host_that_does_not_answer_is_given_up() {
    let port = FullPort::new();
    let environment = TestEnvironment::new();
    environment.add(NAME, "127.0.0.1", port.address.port());
    let words = words(&failed(&environment, "connect"));
    assert!(words.contains("within 0.5 s"), "{words}");
    assert!(words.contains("firewall"), "{words}");
}

#[test]
fn a_name_service_that_does_not_answer_is_given_up() {
    // It takes what it is sent, on loopback, and never answers.
    let _silent = UdpSocket::bind(("127.0.0.77", 53)).expect("port 53, which needs root");
    let environment = TestEnvironment::new();
    let resolver = environment.home().join("resolv.conf");
    fs::write(&resolver, "nameserver 127.0.0.77\n").unwrap();
    environment.add(NAME, "vtl.example.com", 3260);
    // The file stands in the machine's place for this one process.
    let script = format!(
        "mount --bind {} /etc/resolv.conf && exec \"$@\"",
        resolver.display()
    );
    let prefix = ["unshare", "--mount", "sh", "-c", &script, "sh"].map(str::to_owned);
    let output = environment
        .run_behind(&prefix, &["--json", "--timeout", TIMEOUT, "-reipliscsiop"])
        .assert_status(4);
    assert!(
        output.elapsed < Duration::from_secs(5),
        "{:?}",
        output.elapsed
    );
    let document = output.json();
    let target = &targets(&document)[0];
    assert_failed(target, "resolve");
    let words = words(target);
    assert!(words.contains("vtl.example.com"), "{words}");
    assert!(words.contains("within 0.5 s"), "{words}");
}
