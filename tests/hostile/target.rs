//! The scripted target: a TCP listener that runs a script for each connection, and a conforming library to depart from.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use bytes::{Bytes, BytesMut};
use iscsiswiconfig::iscsi::codec::{Decoder, Encoder};
use iscsiswiconfig::iscsi::ids::{
    CmdSn, DataSn, InitiatorTaskTag, LoginStatus, Lun, StatSn, TargetTransferTag, Tsih,
};
use iscsiswiconfig::iscsi::pdu::{
    DataIn, LoginRequest, LoginResponse, LogoutOutcome, LogoutRequest, LogoutResponse, NopIn, Pdu,
    Residual, ScsiCommand, ScsiResponse, ServiceResponse, Stage,
};

/// The name that a target of one's own is configured under.
pub const NAME: &str = "iqn.2020-01.com.example:hostile";

/// What a target answers to the operational keys.
pub const OPERATIONAL: &str = "HeaderDigest=None\0DataDigest=None\0MaxConnections=1\0InitialR2T=Yes\0\
    ImmediateData=Yes\0MaxRecvDataSegmentLength=8192\0MaxBurstLength=262144\0FirstBurstLength=65536\0\
    DefaultTime2Wait=2\0DefaultTime2Retain=0\0MaxOutstandingR2T=1\0DataPDUInOrder=Yes\0\
    DataSequenceInOrder=Yes\0ErrorRecoveryLevel=0\0";

/// The most that a Data-In carries.
const PIECE: usize = 128 * 1024;

/// A listener at 127.0.0.1; it lasts as long as the test process.
pub struct Target {
    pub port: u16,
    connections: Arc<AtomicUsize>,
}

impl Target {
    /// Runs the script for every connection, each in a thread of its own, until it fails, as it does when the initiator
    /// has closed the connection.
    pub fn start<S>(script: S) -> Self
    where
        S: Fn(&mut Peer) -> io::Result<()> + Send + Sync + 'static,
    {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        let (script, count) = (Arc::new(script), Arc::clone(&connections));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let number = count.fetch_add(1, Ordering::SeqCst);
                let script = Arc::clone(&script);
                let mut peer = Peer::new(stream.unwrap(), number);
                thread::spawn(move || script(&mut peer));
            }
        });
        Self { port, connections }
    }

    /// Returns how many connections there were.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// The target's side of one connection.
pub struct Peer {
    pub stream: TcpStream,
    /// Which connection of the target it is, from 0.
    pub number: usize,
    pub encoder: Encoder,
    pub stat_sn: StatSn,
    pub exp_cmd_sn: CmdSn,
    /// How many commands may be on their way.
    pub window: u32,
    /// With a seed, one PDU in four is damaged on its way.
    pub damage: Option<u64>,
    decoder: Decoder,
    input: BytesMut,
}

impl Peer {
    fn new(stream: TcpStream, number: usize) -> Self {
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            number,
            encoder: Encoder::new(),
            stat_sn: StatSn(100),
            exp_cmd_sn: CmdSn(1),
            window: 64,
            damage: None,
            decoder: Decoder::new(65_536),
            input: BytesMut::new(),
        }
    }

    pub fn receive(&mut self) -> io::Result<Pdu> {
        loop {
            if let Some(pdu) = self
                .decoder
                .decode(&mut self.input)
                .expect("the initiator sends PDUs")
            {
                return Ok(pdu);
            }
            let mut bytes = [0; 8192];
            let length = self.stream.read(&mut bytes)?;
            if length == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.input.extend_from_slice(&bytes[..length]);
        }
    }

    pub fn send(&mut self, pdu: &Pdu) -> io::Result<()> {
        let mut bytes = self.encoded(pdu);
        if self.damage.is_some() && self.chance(4) == 0 {
            for _ in 0..=self.chance(4) {
                let place = self.chance(bytes.len());
                bytes[place] = self.chance(256) as u8;
            }
        }
        self.stream.write_all(&bytes)
    }

    /// Returns a number below the limit, from the seed of the damage (xorshift).
    pub fn chance(&mut self, limit: usize) -> usize {
        let mut state = self.damage.unwrap_or(0) | 1;
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        self.damage = Some(state);
        (state >> 33) as usize % limit
    }

    pub fn encoded(&self, pdu: &Pdu) -> BytesMut {
        let mut bytes = BytesMut::new();
        self.encoder.encode(pdu, &mut bytes).unwrap();
        bytes
    }

    /// Reads for as long as the initiator holds the connection, and says nothing.
    pub fn stay_silent(&mut self) -> io::Result<()> {
        loop {
            self.receive()?;
        }
    }

    pub fn login_request(&mut self) -> io::Result<LoginRequest> {
        match self.receive()? {
            Pdu::LoginRequest(request) => Ok(request),
            other => panic!("expected a login request, received {other:?}"),
        }
    }

    /// Returns the response that grants what the request asks for.
    pub fn grant(&self, request: &LoginRequest, text: &str) -> LoginResponse {
        let is_final = request.transit && request.next_stage == Stage::FullFeaturePhase;
        LoginResponse {
            transit: request.transit,
            continues: false,
            current_stage: request.current_stage,
            next_stage: request.next_stage,
            version_max: 0,
            version_active: 0,
            isid: request.isid,
            tsih: Tsih(u16::from(is_final)),
            initiator_task_tag: request.initiator_task_tag,
            stat_sn: self.stat_sn,
            exp_cmd_sn: self.exp_cmd_sn,
            max_cmd_sn: self.max_cmd_sn(),
            status: LoginStatus::SUCCESS,
            data: Bytes::copy_from_slice(text.as_bytes()),
        }
    }

    pub fn send_login(&mut self, response: LoginResponse) -> io::Result<()> {
        self.stat_sn = self.stat_sn.next();
        self.send(&Pdu::LoginResponse(response))
    }

    /// Refuses or redirects the login.
    pub fn send_status(&mut self, class: u8, detail: u8, text: &str) -> io::Result<()> {
        let request = self.login_request()?;
        let response = LoginResponse {
            transit: false,
            next_stage: Stage::SecurityNegotiation,
            tsih: Tsih(0),
            status: LoginStatus::new(class, detail),
            ..self.grant(&request, text)
        };
        self.send_login(response)
    }

    /// Lets an initiator without CHAP in; returns its request.
    pub fn log_in(&mut self) -> io::Result<LoginRequest> {
        self.log_in_with(OPERATIONAL)
    }

    pub fn log_in_with(&mut self, text: &str) -> io::Result<LoginRequest> {
        let request = self.login_request()?;
        let response = self.grant(&request, text);
        self.send_login(response)?;
        Ok(request)
    }

    /// Returns the next command; a logout before it is answered, and ends the script.
    pub fn command(&mut self) -> io::Result<ScsiCommand> {
        loop {
            match self.receive()? {
                Pdu::ScsiCommand(command) => {
                    self.exp_cmd_sn = command.cmd_sn.next();
                    return Ok(command);
                }
                Pdu::LogoutRequest(request) => {
                    self.log_out(&request)?;
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                _ => {}
            }
        }
    }

    pub fn log_out(&mut self, request: &LogoutRequest) -> io::Result<()> {
        let response = LogoutResponse {
            response: LogoutOutcome::CLOSED,
            initiator_task_tag: request.initiator_task_tag,
            stat_sn: self.next_stat_sn(),
            exp_cmd_sn: self.exp_cmd_sn,
            max_cmd_sn: self.max_cmd_sn(),
            time2wait: 0,
            time2retain: 0,
        };
        self.send(&Pdu::LogoutResponse(response))
    }

    pub fn max_cmd_sn(&self) -> CmdSn {
        self.exp_cmd_sn.plus(self.window.wrapping_sub(1))
    }

    /// Uses up and returns a StatSN.
    pub fn next_stat_sn(&mut self) -> StatSn {
        let stat_sn = self.stat_sn;
        self.stat_sn = stat_sn.next();
        stat_sn
    }

    /// Returns a NOP-In that wants an answer.
    pub fn ping(&self) -> Pdu {
        Pdu::NopIn(NopIn {
            lun: Lun::default(),
            initiator_task_tag: InitiatorTaskTag::RESERVED,
            target_transfer_tag: TargetTransferTag(1),
            stat_sn: self.stat_sn,
            exp_cmd_sn: self.exp_cmd_sn,
            max_cmd_sn: self.max_cmd_sn(),
            data: Bytes::new(),
        })
    }

    pub fn data_in(&self, command: &ScsiCommand, data: Vec<u8>) -> DataIn {
        DataIn {
            final_bit: true,
            acknowledge: false,
            status: None,
            lun: command.lun,
            initiator_task_tag: command.initiator_task_tag,
            target_transfer_tag: TargetTransferTag::RESERVED,
            exp_cmd_sn: self.exp_cmd_sn,
            max_cmd_sn: self.max_cmd_sn(),
            data_sn: DataSn(0),
            buffer_offset: 0,
            data: data.into(),
        }
    }

    pub fn response(&mut self, command: &ScsiCommand, reply: &Reply) -> ScsiResponse {
        let sense = match &reply.sense[..] {
            [] => Bytes::new(),
            sense => [&(sense.len() as u16).to_be_bytes(), sense].concat().into(),
        };
        let missing =
            (command.expected_data_transfer_length as usize).saturating_sub(reply.data.len());
        ScsiResponse {
            bidirectional_read_residual: Residual::None,
            residual: match missing {
                0 => Residual::None,
                missing => Residual::Underflow(missing as u32),
            },
            response: ServiceResponse::COMMAND_COMPLETED,
            status: reply.status,
            initiator_task_tag: command.initiator_task_tag,
            snack_tag: TargetTransferTag(0),
            stat_sn: self.next_stat_sn(),
            exp_cmd_sn: self.exp_cmd_sn,
            max_cmd_sn: self.max_cmd_sn(),
            exp_data_sn: DataSn(reply.data.len().div_ceil(PIECE) as u32),
            data: sense,
        }
    }

    pub fn answer(&mut self, command: &ScsiCommand, mut reply: Reply) -> io::Result<()> {
        reply
            .data
            .truncate(command.expected_data_transfer_length as usize);
        for (index, piece) in reply.data.chunks(PIECE).enumerate() {
            let mut data_in = self.data_in(command, piece.to_vec());
            data_in.data_sn = DataSn(index as u32);
            data_in.buffer_offset = (index * PIECE) as u32;
            data_in.final_bit = (index + 1) * PIECE >= reply.data.len();
            self.send(&Pdu::DataIn(data_in))?;
        }
        let response = self.response(command, &reply);
        self.send(&Pdu::ScsiResponse(response))
    }

    /// Answers commands until the initiator goes.
    pub fn serve(&mut self, mut device: impl FnMut(&ScsiCommand) -> Reply) -> io::Result<()> {
        loop {
            let command = self.command()?;
            self.answer(&command, device(&command))?;
        }
    }

    /// Logs in and answers as the library does, except where the device says something else.
    pub fn run(&mut self, mut device: impl FnMut(&ScsiCommand) -> Option<Reply>) -> io::Result<()> {
        self.log_in()?;
        self.serve(|command| device(command).unwrap_or_else(|| library(command)))
    }
}

/// What a device answers to a command.
#[derive(Clone, Default)]
pub struct Reply {
    pub status: u8,
    pub sense: Vec<u8>,
    pub data: Vec<u8>,
}

pub fn good(data: impl Into<Vec<u8>>) -> Reply {
    Reply {
        data: data.into(),
        ..Reply::default()
    }
}

pub fn status(status: u8) -> Reply {
    Reply {
        status,
        ..Reply::default()
    }
}

/// CHECK CONDITION with sense data of fixed format.
pub fn check(key: u8, code: u8, qualifier: u8) -> Reply {
    let sense = [
        0x70, 0, key, 0, 0, 0, 0, 10, 0, 0, 0, 0, code, qualifier, 0, 0, 0, 0,
    ];
    Reply {
        status: 2,
        sense: sense.to_vec(),
        ..Reply::default()
    }
}

pub const REPORT_LUNS: u8 = 0xa0;
pub const INQUIRY: u8 = 0x12;
pub const READ_ELEMENT_STATUS: u8 = 0xb8;

/// What the library answers: a changer at LUN 0 with a drive, and the drive at LUN 1.
pub fn library(command: &ScsiCommand) -> Reply {
    let is_changer = command.lun == Lun::ZERO;
    let peripheral = if is_changer { 8 } else { 1 };
    match command.cdb {
        [REPORT_LUNS, ..] => luns(2),
        [0, ..] => good([]),
        [INQUIRY, 0, ..] if is_changer => good(inquiry(8, b"03584L32")),
        [INQUIRY, 0, ..] => good(inquiry(1, b"ULT3580-TD5")),
        [INQUIRY, 1, 0x00, ..] => good(page(peripheral, 0x00, &[0x00, 0x80, 0x83])),
        [INQUIRY, 1, 0x80, ..] if is_changer => good(page(8, 0x80, b"0000078A12340401")),
        [INQUIRY, 1, 0x80, ..] => good(page(1, 0x80, b"1068000001")),
        [INQUIRY, 1, 0x83, ..] => good(page(peripheral, 0x83, b"")),
        [0x1a, _, 0x1d, ..] if is_changer => good([
            23, 0, 0, 0, 0x1d, 18, 0, 1, 0, 1, 4, 1, 0, 40, 3, 1, 0, 4, 1, 1, 0, 1, 0, 0,
        ]),
        [READ_ELEMENT_STATUS, ..] if is_changer => good(element_status()),
        _ => check(5, 0x24, 0),
    }
}

/// REPORT LUNS data with logical units 0 to `count` - 1.
pub fn luns(count: u16) -> Reply {
    let mut data = (u32::from(count) * 8).to_be_bytes().to_vec();
    data.extend([0; 4]);
    for lun in 0..count {
        data.extend(Lun::from_number(lun).unwrap().0);
    }
    good(data)
}

pub fn inquiry(peripheral: u8, product: &[u8]) -> Vec<u8> {
    let mut data = vec![peripheral, 0x80, 3, 2, 31, 0, 0, 0];
    data.extend(b"IBM     ");
    data.extend(product);
    data.resize(32, b' ');
    data.extend(b"9350");
    data
}

pub fn page(peripheral: u8, code: u8, contents: &[u8]) -> Vec<u8> {
    let mut data = vec![peripheral, code];
    data.extend((contents.len() as u16).to_be_bytes());
    data.extend(contents);
    data
}

/// One drive at element 257, with its serial number and a cartridge.
pub fn element_status() -> Vec<u8> {
    let mut data = vec![1, 1, 0, 1, 0, 0, 0, 70, 4, 0x80, 0, 62, 0, 0, 0, 62];
    data.extend([1, 1, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    data.extend(format!("{:<32}", "AB0001L5").bytes());
    data.extend([0, 0, 0, 0, 2, 0, 0, 10]);
    data.extend(b"1068000001");
    data
}
