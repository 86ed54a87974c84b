//! A smallest initiator: logs in without CHAP, sends one command at a time, logs out.
//!
//! It shares no line with the initiator under test, and fixtures need it because tgtd moves media only for an initiator.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

const LOGIN_REQUEST: u8 = 0x43;
const LOGOUT_REQUEST: u8 = 0x46;
const SCSI_COMMAND: u8 = 0x01;
const NOP_OUT_IMMEDIATE: u8 = 0x40;
const NOP_IN: u8 = 0x20;
const GOOD: u8 = 0x00;

/// One session with tgtd.
#[derive(Debug)]
pub struct RawInitiator {
    stream: TcpStream,
    cmd_sn: u32,
    exp_stat_sn: u32,
    task: u32,
}

impl RawInitiator {
    /// Logs in as `iqn.2026-11.test.fixture:raw`.
    #[must_use]
    pub fn login(port: u16, target_name: &str) -> Self {
        Self::login_as(port, target_name, 1)
    }

    /// As [`RawInitiator::login`], as another port of the initiator.
    #[must_use]
    pub fn login_as(port: u16, target_name: &str, qualifier: u8) -> Self {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("connect to tgtd");
        stream
            .set_read_timeout(Some(Duration::from_secs(120)))
            .unwrap();
        let mut initiator = Self {
            stream,
            cmd_sn: 1,
            exp_stat_sn: 0,
            task: 1,
        };
        let text = format!(
            "InitiatorName=iqn.2026-11.test.fixture:raw\0TargetName={target_name}\0SessionType=Normal\0\
             HeaderDigest=None\0DataDigest=None\0FirstBurstLength=262144\0"
        );
        let mut text = text.as_bytes();
        loop {
            let mut header = initiator.header(LOGIN_REQUEST, 0x87);
            header[8..14].copy_from_slice(&[0x80, 0, 0, 0x7f, 0, qualifier]);
            let response = initiator.exchange(header, text);
            assert_eq!(
                response[36..38],
                [0, 0],
                "the fixture's own login was refused"
            );
            if response[1] == 0x87 {
                return initiator;
            }
            // A target that declares something of its own asks once more.
            text = &[];
        }
    }

    /// Moves a cartridge between two elements.
    pub fn move_medium(&mut self, lun: u16, from: u16, to: u16) {
        let mut cdb = [0; 16];
        cdb[0] = 0xa5;
        cdb[4..6].copy_from_slice(&from.to_be_bytes());
        cdb[6..8].copy_from_slice(&to.to_be_bytes());
        // The first command of a session gets the unit attention of the power on.
        let _ = self.command(lun, [0; 16]);
        assert_eq!(
            self.command(lun, cdb),
            GOOD,
            "MOVE MEDIUM from {from} to {to}"
        );
    }

    /// Logs out and closes.
    pub fn logout(mut self) {
        let mut header = self.header(LOGOUT_REQUEST, 0x80);
        header[24..28].copy_from_slice(&self.cmd_sn.to_be_bytes());
        let _ = self.exchange(header, &[]);
    }

    /// Returns the header of the next PDU that comes without being asked for, or nothing when the connection is closed.
    pub fn hear(&mut self) -> Option<[u8; 48]> {
        let mut header = [0; 48];
        match self.stream.read_exact(&mut header) {
            Ok(()) => Some(header),
            Err(error) => {
                let closed = [ErrorKind::UnexpectedEof, ErrorKind::ConnectionReset];
                assert!(closed.contains(&error.kind()), "{error}");
                None
            }
        }
    }

    /// Sends a WRITE with this data and a CmdSN that is due only after so many other commands.
    /// Returns false when the connection has been closed.
    pub fn write_ahead(&mut self, ahead: u32, data: &[u8]) -> bool {
        let length = u32::try_from(data.len()).unwrap().to_be_bytes();
        let mut header = self.header(SCSI_COMMAND, 0xa1);
        header[5..8].copy_from_slice(&length[1..]);
        header[8..10].copy_from_slice(&1_u16.to_be_bytes());
        header[20..24].copy_from_slice(&length);
        header[24..28].copy_from_slice(&self.cmd_sn.wrapping_add(ahead).to_be_bytes());
        header[32] = 0x0a;
        header[34..37].copy_from_slice(&length[1..]);
        self.stream
            .write_all(&header)
            .and_then(|()| self.stream.write_all(data))
            .is_ok()
    }

    /// Returns whether the target drops the session: a request that it answers in any case comes to nothing.
    pub fn is_dropped(&mut self) -> bool {
        let mut header = self.header(NOP_OUT_IMMEDIATE, 0x80);
        header[20..24].copy_from_slice(&[0xff; 4]);
        if self.stream.write_all(&header).is_err() {
            return true;
        }
        self.hear().is_none_or(|answer| answer[0] & 0x3f != NOP_IN)
    }

    fn command(&mut self, lun: u16, cdb: [u8; 16]) -> u8 {
        let mut header = self.header(SCSI_COMMAND, 0x81);
        header[8..10].copy_from_slice(&lun.to_be_bytes());
        header[32..48].copy_from_slice(&cdb);
        let response = self.exchange(header, &[]);
        self.cmd_sn += 1;
        assert_eq!(response[0] & 0x3f, 0x21, "not a SCSI Response");
        response[3]
    }

    fn header(&mut self, opcode: u8, flags: u8) -> [u8; 48] {
        let mut header = [0; 48];
        header[0] = opcode;
        header[1] = flags;
        header[16..20].copy_from_slice(&self.task.to_be_bytes());
        self.task += 1;
        header[24..28].copy_from_slice(&self.cmd_sn.to_be_bytes());
        header[28..32].copy_from_slice(&self.exp_stat_sn.to_be_bytes());
        header
    }

    fn exchange(&mut self, mut header: [u8; 48], data: &[u8]) -> [u8; 48] {
        header[5..8].copy_from_slice(&u32::try_from(data.len()).unwrap().to_be_bytes()[1..]);
        let mut bytes = header.to_vec();
        bytes.extend_from_slice(data);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        self.stream.write_all(&bytes).expect("write to tgtd");
        let mut response = [0; 48];
        self.stream
            .read_exact(&mut response)
            .expect("an answer of tgtd");
        let length = u32::from_be_bytes([0, response[5], response[6], response[7]]) as usize;
        let mut segment = vec![0; length.next_multiple_of(4)];
        self.stream
            .read_exact(&mut segment)
            .expect("the data of tgtd's answer");
        let stat_sn = u32::from_be_bytes(response[24..28].try_into().unwrap());
        self.exp_stat_sn = stat_sn.wrapping_add(1);
        response
    }
}
