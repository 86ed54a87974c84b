//! A plain copy over TCP, what every protocol on top of it is measured by.
#![allow(dead_code, reason = "each bench copies in its own ways")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// A connection over loopback that lasts, as a session's does.
pub struct Copy {
    sender: TcpStream,
    receiver: TcpStream,
    recorded: Vec<u8>,
}

impl Copy {
    /// Makes the connection.
    pub fn connect() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind 127.0.0.1:0");
        let address = listener.local_addr().expect("the bound address");
        let sender = TcpStream::connect(address).expect("a connection");
        let (receiver, _) = listener.accept().expect("a connection");
        sender.set_nodelay(true).expect("TCP_NODELAY");
        Self {
            sender,
            receiver,
            recorded: Vec::new(),
        }
    }

    /// Sends so many bytes in blocks from one thread to another, and returns how long it took until all had come.
    pub fn run(&mut self, bytes: usize, block: usize) -> Duration {
        self.copy(&vec![0x5a; block], bytes, block, &mut vec![0; block])
    }

    /// As [`Copy::run`], out of memory that holds all of it, as a recorded tape does.
    pub fn run_from_memory(&mut self, bytes: usize, block: usize) -> Duration {
        let mut recorded = std::mem::take(&mut self.recorded);
        recorded.resize(bytes, 0x5a);
        let wall = self.copy(&recorded, bytes, block, &mut vec![0; block]);
        self.recorded = recorded;
        wall
    }

    /// As [`Copy::run`], into memory that is fresh from the system and holds all of it in the end, as a recorded tape does.
    pub fn run_and_keep(&mut self, bytes: usize, block: usize) -> Duration {
        self.copy(&vec![0x5a; block], bytes, block, &mut vec![0; bytes])
    }

    fn copy(&mut self, data: &[u8], bytes: usize, block: usize, buffer: &mut [u8]) -> Duration {
        let Self {
            sender, receiver, ..
        } = self;
        let started = Instant::now();
        thread::scope(|scope| {
            scope.spawn(|| {
                for data in data.chunks(block).cycle().take(bytes / block) {
                    sender.write_all(data).expect("the receiver takes it");
                }
            });
            let mut received = 0;
            while received < bytes {
                let at = received % buffer.len();
                let end = buffer.len().min(at + block);
                let count = receiver.read(&mut buffer[at..end]).expect("bytes");
                assert_ne!(count, 0, "the sender closed the connection");
                received += count;
            }
            started.elapsed()
        })
    }
}
