use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime;

use super::target::NAME;
use super::{SILENCE, failed_within, words};
use crate::common::TestEnvironment;

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
    let words = words(&failed_within(&environment, "connect", SILENCE));
    assert!(words.contains("within 1 s"), "{words}");
    assert!(words.contains("firewall"), "{words}");
}
