//! The project's own session on a blocking socket: for commands that the binary never sends, such as WRITE.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use iscsiswiconfig::iscsi::codec::{Decoder, Encoder};
use iscsiswiconfig::iscsi::ids::{Cid, CmdSn, Isid, Lun};
use iscsiswiconfig::iscsi::initiator::{Completion, Event, Session, Task, Transfer};
use iscsiswiconfig::iscsi::login::{Login, LoginParameters, LoginStep};
use iscsiswiconfig::iscsi::operational::{Digest, OperationalOffer, SessionType};
use iscsiswiconfig::iscsi::pdu::{Pdu, TaskAttribute};

/// One session.
pub struct TapeInitiator {
    stream: TcpStream,
    encoder: Encoder,
    decoder: Decoder,
    received: BytesMut,
    session: Session,
}

impl TapeInitiator {
    /// Logs in with ISID qualifier `port`.
    #[must_use]
    pub fn login(portal: SocketAddr, target_name: &str, port: u8) -> Self {
        Self::login_with(portal, target_name, port, OperationalOffer::default())
    }

    /// Logs in with these operational keys.
    #[must_use]
    pub fn login_with(
        portal: SocketAddr,
        target_name: &str,
        port: u8,
        offer: OperationalOffer,
    ) -> Self {
        let mut stream = TcpStream::connect(portal).expect("connect");
        stream.set_nodelay(true).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let mut decoder = Decoder::new(offer.max_recv_data_segment_length);
        let mut encoder = Encoder::new();
        let mut received = BytesMut::new();
        let (mut login, mut request) = Login::start(LoginParameters {
            initiator_name: "iqn.2026-11.test.fixture:tape".to_owned(),
            target_name: Some(target_name.to_owned()),
            session_type: SessionType::Normal,
            isid: Isid([0x80, 0, 0, 0x7f, 1, port]),
            cid: Cid(0),
            cmd_sn: CmdSn(1),
            chap: None,
            offer,
        });
        loop {
            let mut bytes = BytesMut::new();
            encoder
                .encode(&Pdu::LoginRequest(request), &mut bytes)
                .unwrap();
            stream.write_all(&bytes).unwrap();
            let Pdu::LoginResponse(response) = receive(&mut stream, &mut decoder, &mut received)
            else {
                panic!("no Login Response");
            };
            match login.handle(response).expect("a login") {
                LoginStep::Send(next, following) => (login, request) = (*next, following),
                LoginStep::Redirect { .. } => panic!("redirected"),
                LoginStep::Done(result) => {
                    let header_digest = result.parameters.header_digest == Digest::Crc32c;
                    let data_digest = result.parameters.data_digest == Digest::Crc32c;
                    (encoder.header_digest, encoder.data_digest) = (header_digest, data_digest);
                    (decoder.header_digest, decoder.data_digest) = (header_digest, data_digest);
                    let session = Session::new(
                        result.session_parameters(),
                        result.cmd_sn,
                        result.exp_stat_sn,
                        result.exp_cmd_sn,
                        result.max_cmd_sn,
                    );
                    return Self {
                        stream,
                        encoder,
                        decoder,
                        received,
                        session,
                    };
                }
            }
        }
    }

    /// Sends commands, all at once, and returns how they ended, in their order.
    pub fn execute_all(&mut self, lun: u16, commands: Vec<(Vec<u8>, Transfer)>) -> Vec<Completion> {
        let tags: Vec<_> = commands
            .into_iter()
            .map(|(command, transfer)| {
                let mut cdb = [0; 16];
                cdb[..command.len()].copy_from_slice(&command);
                let task = Task {
                    lun: Lun::from_number(lun).unwrap(),
                    cdb,
                    transfer,
                    attribute: TaskAttribute::SIMPLE,
                };
                self.session.submit(task).unwrap()
            })
            .collect();
        let mut completions: Vec<Option<Completion>> = vec![None; tags.len()];
        while completions.iter().any(Option::is_none) {
            self.exchange();
            while let Some(event) = self.session.poll_event() {
                if let Event::Completed(completion) = event {
                    let tag = completion.initiator_task_tag;
                    let index = tags.iter().position(|own| *own == tag).unwrap();
                    completions[index] = Some(completion);
                }
            }
        }
        completions.into_iter().flatten().collect()
    }

    /// Sends one command and returns how it ended.
    pub fn execute(&mut self, lun: u16, cdb: &[u8], transfer: Transfer) -> Completion {
        self.execute_all(lun, vec![(cdb.to_vec(), transfer)])
            .remove(0)
    }

    /// Sends one command that has to end with status GOOD, and returns what it read.
    #[track_caller]
    pub fn good(&mut self, lun: u16, cdb: &[u8], transfer: Transfer) -> Bytes {
        let completion = self.execute(lun, cdb, transfer);
        assert_eq!(completion.status, 0, "{cdb:x?}: {completion:?}");
        completion.data
    }

    /// Resets a logical unit.
    pub fn reset(&mut self, lun: u16) {
        let tag = self
            .session
            .reset_logical_unit(Lun::from_number(lun).unwrap())
            .unwrap();
        loop {
            self.exchange();
            while let Some(event) = self.session.poll_event() {
                if let Event::TaskManagement {
                    initiator_task_tag, ..
                } = event
                    && initiator_task_tag == tag
                {
                    return;
                }
            }
        }
    }

    /// Logs out and closes.
    pub fn logout(mut self) {
        self.session.logout().unwrap();
        loop {
            self.exchange();
            while let Some(event) = self.session.poll_event() {
                if let Event::LoggedOut { .. } = event {
                    return;
                }
            }
        }
    }

    fn exchange(&mut self) {
        let mut bytes = BytesMut::new();
        while let Some(pdu) = self.session.poll_transmit() {
            self.encoder.encode(&pdu, &mut bytes).unwrap();
        }
        self.stream.write_all(&bytes).expect("send");
        let pdu = receive(&mut self.stream, &mut self.decoder, &mut self.received);
        self.session.handle(pdu).expect("a session");
    }
}

fn receive(stream: &mut TcpStream, decoder: &mut Decoder, received: &mut BytesMut) -> Pdu {
    let mut buffer = vec![0; 1 << 20];
    loop {
        if let Some(pdu) = decoder.decode(received).expect("a PDU") {
            return pdu;
        }
        let length = stream.read(&mut buffer).expect("receive");
        assert_ne!(length, 0, "the target closed the connection");
        received.extend_from_slice(&buffer[..length]);
    }
}
