//! A TCP relay between the initiator under test and a target: counts flights, delays, cuts, stalls, captures.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// A peer that has sent nothing for this long has sent all that it sends before it gets an answer.
const QUIET: Duration = Duration::from_millis(25);

/// How long one side is listened to before the other.
const POLL: Duration = Duration::from_millis(2);

/// No read waits longer, so that a test ends even when no side closes.
const LONGEST_WAIT: Duration = Duration::from_secs(120);

/// Who sent a chunk.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Direction {
    FromInitiator,
    FromTarget,
}

/// What a relay does to what passes through it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Conduct {
    /// Holds every chunk from the target back for so long.
    pub delay: Duration,
    /// Closes both sides after so many bytes from the target.
    pub drop_after: Option<usize>,
    /// Passes so many bytes from the target on, then no more, and keeps the connection open.
    pub stall_after: Option<usize>,
    /// Passes the target's bytes on one at a time with this pause between them.
    pub trickle: Option<Duration>,
}

/// A relay on its own port of 127.0.0.1. Every connection is relayed by threads that end with it.
#[derive(Debug)]
pub struct Relay {
    port: u16,
    captured: Arc<Mutex<Vec<Connection>>>,
}

/// What passed through one connection, in order; in a relay that counts flights, a chunk is a whole burst.
#[derive(Clone, Debug, Default)]
pub struct Connection {
    pub chunks: Vec<(Direction, Vec<u8>)>,
}

impl Relay {
    /// Starts a relay that passes bytes on as they come.
    #[must_use]
    pub fn start(target: u16, conduct: Conduct) -> Self {
        Self::listen(
            move |client, server, record| pass(client, server, conduct, record),
            target,
        )
    }

    /// Starts a relay that holds what the initiator sends until it falls silent, then what the target answers.
    ///
    /// What the initiator sends before it has been given any reply is one flight, whatever the packets.
    #[must_use]
    pub fn counting_flights(target: u16) -> Self {
        Self::listen(in_flights, target)
    }

    /// Returns the port to connect to.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns what passed so far, one entry for each connection in the order of their beginning.
    #[must_use]
    pub fn connections(&self) -> Vec<Connection> {
        self.captured.lock().unwrap().clone()
    }

    /// Returns the one connection that was made.
    #[must_use]
    pub fn connection(&self) -> Connection {
        let mut connections = self.connections();
        assert_eq!(connections.len(), 1, "connections made through the relay");
        connections.remove(0)
    }

    fn listen(
        relay: impl Fn(TcpStream, TcpStream, Record) + Send + Sync + 'static,
        target: u16,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind 127.0.0.1:0");
        let port = listener.local_addr().expect("the bound address").port();
        let captured = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::clone(&captured);
        let relay = Arc::new(relay);
        // The listener's thread ends with the test process; what it holds is one socket.
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.expect("accept");
                let target = SocketAddr::from((Ipv4Addr::LOCALHOST, target));
                let Ok(server) = TcpStream::connect_timeout(&target, LONGEST_WAIT) else {
                    continue;
                };
                client.set_nodelay(true).unwrap();
                server.set_nodelay(true).unwrap();
                let mut all = connections.lock().unwrap();
                all.push(Connection::default());
                let record = Record {
                    connections: Arc::clone(&connections),
                    index: all.len() - 1,
                };
                drop(all);
                let relay = Arc::clone(&relay);
                thread::spawn(move || relay(client, server, record));
            }
        });
        Self { port, captured }
    }
}

impl Connection {
    /// Returns every byte of one direction.
    #[must_use]
    pub fn bytes(&self, direction: Direction) -> Vec<u8> {
        self.chunks
            .iter()
            .filter(|chunk| chunk.0 == direction)
            .flat_map(|chunk| chunk.1.clone())
            .collect()
    }

    /// Returns the PDUs of one direction; only for a session that negotiated no digest.
    #[must_use]
    pub fn pdus(&self, direction: Direction) -> Vec<Pdu> {
        pdus(&self.bytes(direction))
    }

    /// Returns the flights of the initiator as the opcodes of their PDUs: what it sent between one answer and the next.
    #[must_use]
    pub fn flights(&self) -> Vec<Vec<u8>> {
        self.chunks
            .chunk_by(|one, next| one.0 == next.0)
            .filter(|flight| flight[0].0 == Direction::FromInitiator)
            .map(|flight| {
                let bytes: Vec<u8> = flight.iter().flat_map(|chunk| chunk.1.clone()).collect();
                pdus(&bytes).iter().map(Pdu::opcode).collect()
            })
            .collect()
    }

    /// Returns the value of a text key that one side sent in the login phase.
    #[must_use]
    pub fn login_key(&self, direction: Direction, key: &str) -> Option<String> {
        let login = |pdu: &&Pdu| matches!(pdu.opcode(), 0x03 | 0x23);
        let text: Vec<u8> = self
            .pdus(direction)
            .iter()
            .filter(login)
            .flat_map(|pdu| pdu.data.clone())
            .collect();
        let prefix = format!("{key}=");
        String::from_utf8_lossy(&text)
            .split('\0')
            .find_map(|pair| pair.strip_prefix(&prefix).map(str::to_owned))
    }
}

/// One PDU as it was on the wire.
#[derive(Clone, Debug)]
pub struct Pdu {
    pub header: [u8; 48],
    pub data: Vec<u8>,
}

impl Pdu {
    /// Returns the opcode without the immediate bit.
    #[must_use]
    pub fn opcode(&self) -> u8 {
        self.header[0] & 0x3f
    }
}

fn pdus(mut bytes: &[u8]) -> Vec<Pdu> {
    let mut pdus = Vec::new();
    while let Some((header, rest)) = bytes.split_first_chunk::<48>() {
        let additional = usize::from(header[4]) * 4;
        let length = u32::from_be_bytes([0, header[5], header[6], header[7]]) as usize;
        let end = additional + length.next_multiple_of(4);
        let Some(data) = rest.get(additional..additional + length) else {
            break;
        };
        pdus.push(Pdu {
            header: *header,
            data: data.to_vec(),
        });
        bytes = rest.get(end..).unwrap_or_default();
    }
    pdus
}

#[derive(Clone)]
struct Record {
    connections: Arc<Mutex<Vec<Connection>>>,
    index: usize,
}

impl Record {
    fn add(&self, direction: Direction, bytes: &[u8]) {
        self.connections.lock().unwrap()[self.index]
            .chunks
            .push((direction, bytes.to_vec()));
    }
}

/// Reads what a peer sends until it has been quiet for a while: nothing where it is quiet already, `None` at the end of the stream.
fn burst(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let wait = if bytes.is_empty() { POLL } else { QUIET };
        stream.set_read_timeout(Some(wait)).unwrap();
        match stream.read(&mut buffer) {
            Ok(0) if bytes.is_empty() => return None,
            Ok(0) => return Some(bytes),
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Some(bytes);
            }
            Err(_) => return None,
        }
    }
}

/// Passes what each side sends in bursts; a side that is slow may take several for what belongs together.
fn in_flights(mut client: TcpStream, mut server: TcpStream, record: Record) {
    loop {
        let Some(request) = burst(&mut client) else {
            let _ = server.shutdown(Shutdown::Both);
            return;
        };
        if !request.is_empty() {
            record.add(Direction::FromInitiator, &request);
            let _ = server.write_all(&request);
        }
        let reply = burst(&mut server);
        let passed = reply.is_some_and(|reply| {
            if !reply.is_empty() {
                record.add(Direction::FromTarget, &reply);
            }
            client.write_all(&reply).is_ok()
        });
        if !passed {
            let _ = client.shutdown(Shutdown::Both);
            return;
        }
    }
}

fn pass(client: TcpStream, server: TcpStream, conduct: Conduct, record: Record) {
    let upstream = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let upstream_record = record.clone();
    thread::spawn(move || {
        let (mut from, mut to) = upstream;
        let mut buffer = vec![0; 1 << 16];
        from.set_read_timeout(Some(LONGEST_WAIT)).unwrap();
        while let Ok(count) = from.read(&mut buffer) {
            upstream_record.add(Direction::FromInitiator, &buffer[..count]);
            if count == 0 || to.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    });
    downstream(client, server, conduct, record);
}

fn downstream(mut client: TcpStream, mut server: TcpStream, conduct: Conduct, record: Record) {
    let mut buffer = vec![0; 1 << 16];
    let mut passed = 0;
    server.set_read_timeout(Some(LONGEST_WAIT)).unwrap();
    while let Ok(count) = server.read(&mut buffer) {
        if count == 0 {
            break;
        }
        thread::sleep(conduct.delay);
        let left = |limit: Option<usize>| limit.map_or(count, |limit| count.min(limit - passed));
        let bytes = &buffer[..left(conduct.drop_after).min(left(conduct.stall_after))];
        record.add(Direction::FromTarget, bytes);
        passed += bytes.len();
        let written = match conduct.trickle {
            None => client.write_all(bytes),
            Some(pause) => bytes.iter().try_for_each(|byte| {
                thread::sleep(pause);
                client.write_all(&[*byte])
            }),
        };
        if written.is_err() || conduct.drop_after == Some(passed) {
            break;
        }
        if conduct.stall_after == Some(passed) {
            wait_for_close(&mut client);
            break;
        }
    }
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
}

/// Waits until the other thread's peer has closed, with a bound.
fn wait_for_close(stream: &mut TcpStream) {
    let started = Instant::now();
    stream.set_nonblocking(false).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_millis(50)))
        .unwrap();
    while started.elapsed() < LONGEST_WAIT {
        match stream.peek(&mut [0]) {
            Ok(0) => return,
            Ok(_) => thread::sleep(Duration::from_millis(20)),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return,
        }
    }
}
