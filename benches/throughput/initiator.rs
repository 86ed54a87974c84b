//! An initiator of the library's own protocol engine over one TCP connection, with several commands in flight.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use iscsiswiconfig::iscsi::codec::{Decoder, Encoder};
use iscsiswiconfig::iscsi::ids::{Cid, CmdSn, Isid, Lun};
use iscsiswiconfig::iscsi::initiator::{Completion, Event, Session, Task, Transfer};
use iscsiswiconfig::iscsi::login::{Login, LoginParameters, LoginStep};
use iscsiswiconfig::iscsi::operational::{OperationalOffer, SessionType};
use iscsiswiconfig::iscsi::pdu::{Pdu, TaskAttribute};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::{self, Runtime};

/// Commands under way at a time.
const IN_FLIGHT: usize = 8;

/// The most that one PDU brings: a block of the largest size that is measured.
const MAX_DATA_SEGMENT: u32 = 1 << 20;

/// A buffer holds a PDU and a little of the next one, which is all that is moved when it is full.
const READ_SIZE: usize = MAX_DATA_SEGMENT as usize + 4096;
const MAX_BUFFERS: usize = 64;

const GOOD: u8 = 0x00;
const CHECK_CONDITION: u8 = 0x02;

/// An initiator that has logged in.
pub struct Initiator {
    runtime: Runtime,
    link: Link,
}

struct Link {
    stream: TcpStream,
    decoder: Decoder,
    received: BytesMut,
    unsent: VecDeque<Bytes>,
    session: Option<Session>,
}

impl Initiator {
    /// Logs in without authentication.
    pub fn log_in(portal: SocketAddr, target_name: &str) -> Self {
        let runtime = runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .expect("a runtime");
        let offer = OperationalOffer {
            max_recv_data_segment_length: MAX_DATA_SEGMENT,
            first_burst_length: MAX_DATA_SEGMENT,
            ..OperationalOffer::default()
        };
        let parameters = LoginParameters {
            initiator_name: "iqn.2026-11.internal.iscsiswiconfig:bench".to_owned(),
            target_name: Some(target_name.to_owned()),
            session_type: SessionType::Normal,
            isid: Isid::random([1, 2, 3, 4, 5]),
            cid: Cid(0),
            cmd_sn: CmdSn(1),
            chap: None,
            offer,
        };
        let link = runtime.block_on(Link::log_in(portal, parameters));
        Self { runtime, link }
    }

    /// Executes a command that has no data, again as long as it meets a unit attention.
    pub fn execute(&mut self, lun: u16, cdb: &[u8]) {
        loop {
            let mut status = CHECK_CONDITION;
            let mut sense = Bytes::new();
            let once = (0..1).map(|_| task(lun, cdb, Transfer::None));
            self.run(once, |completion| {
                status = completion.status;
                sense = completion.sense;
            });
            let sense_key = sense.get(2).map(|byte| byte & 0x0f);
            match (status, sense_key) {
                (GOOD, _) => return,
                (CHECK_CONDITION, Some(6)) => {}
                _ => panic!("{cdb:02x?}: status {status:#04x}, sense {sense:02x?}"),
            }
        }
    }

    /// Executes commands, several under way at a time and each of them with status GOOD, and returns how long all of them
    /// took. `take` gets the data that was read, in the order of the answers.
    pub fn stream(
        &mut self,
        tasks: impl Iterator<Item = Task>,
        mut take: impl FnMut(Bytes),
    ) -> Duration {
        let started = Instant::now();
        self.run(tasks, |completion| {
            assert_eq!(completion.status, GOOD, "{completion:02x?}");
            take(completion.data);
        });
        started.elapsed()
    }

    fn run(&mut self, tasks: impl Iterator<Item = Task>, take: impl FnMut(Completion)) {
        self.runtime.block_on(self.link.run(tasks, take));
    }
}

/// Returns a command for a logical unit.
pub fn task(lun: u16, cdb: &[u8], transfer: Transfer) -> Task {
    let mut padded = [0; 16];
    padded[..cdb.len()].copy_from_slice(cdb);
    Task {
        lun: Lun::from_number(lun).expect("a LUN"),
        cdb: padded,
        transfer,
        attribute: TaskAttribute::SIMPLE,
    }
}

impl Link {
    async fn log_in(portal: SocketAddr, parameters: LoginParameters) -> Self {
        let stream = TcpStream::connect(portal).await.expect("a connection");
        stream.set_nodelay(true).expect("TCP_NODELAY");
        let mut link = Self {
            stream,
            decoder: Decoder::new(parameters.offer.max_recv_data_segment_length),
            received: BytesMut::new(),
            unsent: VecDeque::new(),
            session: None,
        };
        let (mut login, mut request) = Login::start(parameters);
        loop {
            link.queue(&Pdu::LoginRequest(request));
            link.send().await;
            let Pdu::LoginResponse(response) = link.receive().await else {
                panic!("no Login Response");
            };
            match login.handle(response).expect("a login that goes on") {
                LoginStep::Send(next, following) => (login, request) = (*next, following),
                LoginStep::Redirect { address, .. } => panic!("redirected to {address:?}"),
                LoginStep::Done(result) => {
                    link.session = Some(Session::new(
                        result.session_parameters(),
                        result.cmd_sn,
                        result.exp_stat_sn,
                        result.exp_cmd_sn,
                        result.max_cmd_sn,
                    ));
                    return link;
                }
            }
        }
    }

    async fn run(
        &mut self,
        mut tasks: impl Iterator<Item = Task>,
        mut take: impl FnMut(Completion),
    ) {
        let mut session = self.session.take().expect("a session");
        for task in tasks.by_ref().take(IN_FLIGHT) {
            session.submit(task).expect("an open session");
        }
        while !session.is_idle() {
            while let Some(pdu) = session.poll_transmit() {
                self.queue(&pdu);
            }
            // All of it goes before anything is read: the target never waits for this side to read what it asked for.
            self.send().await;
            let mut pdu = Some(self.receive().await);
            while let Some(received) = pdu {
                session.handle(received).expect("a PDU of the protocol");
                pdu = self.next_pdu();
            }
            while let Some(event) = session.poll_event() {
                let Event::Completed(completion) = event else {
                    panic!("{event:?}");
                };
                take(completion);
                if let Some(task) = tasks.next() {
                    session.submit(task).expect("an open session");
                }
            }
        }
        self.session = Some(session);
    }

    /// Queues a PDU, its data not copied.
    fn queue(&mut self, pdu: &Pdu) {
        let parts = Encoder::new().encode_parts(pdu).expect("a PDU that fits");
        let parts = [parts.header, parts.data, parts.trailer];
        self.unsent
            .extend(parts.into_iter().filter(|part| !part.is_empty()));
    }

    async fn send(&mut self) {
        while !self.unsent.is_empty() {
            let mut slices = [IoSlice::new(&[]); MAX_BUFFERS];
            for (slice, bytes) in slices.iter_mut().zip(&self.unsent) {
                *slice = IoSlice::new(bytes);
            }
            let count = self.unsent.len().min(MAX_BUFFERS);
            let written = self.stream.write_vectored(&slices[..count]).await;
            self.written(written.expect("the target takes it"));
        }
    }

    fn written(&mut self, mut length: usize) {
        while let Some(front) = self.unsent.front_mut() {
            if length < front.len() {
                return front.advance(length);
            }
            length -= front.len();
            self.unsent.pop_front();
        }
    }

    async fn receive(&mut self) -> Pdu {
        loop {
            if let Some(pdu) = self.next_pdu() {
                return pdu;
            }
            if self.received.len() == self.received.capacity() {
                self.received.reserve(READ_SIZE - self.received.len());
            }
            let read = self.stream.read_buf(&mut self.received).await;
            assert_ne!(read.expect("bytes"), 0, "the target closed the connection");
        }
    }

    fn next_pdu(&mut self) -> Option<Pdu> {
        self.decoder.decode(&mut self.received).expect("a PDU")
    }
}
