//! A way that takes time: a relay that holds every byte for as long, however many there are.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// A relay whose threads end with its connections.
pub struct Relay {
    portal: SocketAddr,
}

impl Relay {
    /// Passes connections on to a target.
    pub fn start(target: SocketAddr, delay: Duration) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let portal = listener.local_addr().expect("the bound address");
        thread::spawn(move || {
            for initiator in listener.incoming() {
                let (Ok(initiator), Ok(target)) = (initiator, TcpStream::connect(target)) else {
                    return;
                };
                for (from, to) in [(&initiator, &target), (&target, &initiator)] {
                    from.set_nodelay(true).expect("TCP_NODELAY");
                    let from = from.try_clone().expect("a descriptor");
                    let to = to.try_clone().expect("a descriptor");
                    pass(from, to, delay);
                }
            }
        });
        Self { portal }
    }

    /// Returns where it listens.
    pub fn portal(&self) -> SocketAddr {
        self.portal
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, delay: Duration) {
    let (came, coming) = mpsc::channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        let mut buffer = vec![0; 256 << 10];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            if came
                .send((Instant::now(), buffer[..count].to_vec()))
                .is_err()
            {
                return;
            }
        }
    });
    thread::spawn(move || {
        for (came, bytes) in coming {
            thread::sleep((came + delay).saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                return;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
}
