//! An initiator made of single PDUs, and the session under test.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use iscsiswiconfig::iscsi::codec::{Decoder, Encoder};
use iscsiswiconfig::iscsi::describe::describe;
use iscsiswiconfig::iscsi::ids::{
    Cid, CmdSn, DataSn, InitiatorTaskTag, Lun, StatSn, TargetTransferTag,
};
use iscsiswiconfig::iscsi::operational::{OperationalParameters, SessionType};
use iscsiswiconfig::iscsi::pdu::{
    DataOut, LogoutReason, LogoutRequest, NopOut, Pdu, ScsiCommand, TaskAttribute,
    TaskManagementFunction, TaskManagementRequest, TextRequest,
};
use iscsiswiconfig::iscsi::target::{
    Event, ReceivedCommand, ScsiReply, TargetRecord, TargetSession, TargetSettings, TaskId,
};

pub const TARGET: &str = "iqn.2026-11.test:vtl";
pub const CDB: [u8; 16] = [0xee, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
pub const TWENTY: &[u8] = b"abcdefghijklmnopqrst";

/// Small lengths, so that every limit is met by twenty bytes: segments of 8 both ways, bursts of 12.
pub fn parameters() -> OperationalParameters {
    OperationalParameters {
        initial_r2t: true,
        immediate_data: false,
        max_recv_data_segment_length: 8,
        peer_max_recv_data_segment_length: 8,
        max_burst_length: 12,
        first_burst_length: 12,
        max_outstanding_r2t: 1,
        ..OperationalParameters::default()
    }
}

pub fn settings() -> TargetSettings {
    TargetSettings {
        session_type: SessionType::Normal,
        target_name: Some(TARGET.parse().unwrap()),
        targets: vec![TargetRecord {
            name: TARGET.parse().unwrap(),
            alias: None,
            addresses: vec!["10.1.1.5:3260,1".parse().unwrap()],
        }],
        cid: Cid(0),
        parameters: parameters(),
        cmd_sn: CmdSn(1),
        stat_sn: StatSn(10),
        command_window: 4,
        max_data_out_length: 1 << 20,
        write_buffer: 1 << 20,
        ping: None,
        drain_timeout: Duration::from_secs(2),
    }
}

pub struct Peer {
    pub session: TargetSession,
    pub start: Instant,
    pub now: Instant,
    pub cmd_sn: u32,
}

impl Peer {
    pub fn new(settings: TargetSettings) -> Self {
        let start = Instant::now();
        Self {
            session: TargetSession::new(settings, start),
            start,
            now: start,
            cmd_sn: 1,
        }
    }

    /// A session with these parameters changed.
    pub fn with(edit: impl FnOnce(&mut OperationalParameters)) -> Self {
        let mut settings = settings();
        edit(&mut settings.parameters);
        Self::new(settings)
    }

    pub fn wait(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    /// Gives the session a PDU over the wire.
    pub fn give(&mut self, pdu: &Pdu) {
        let mut stream = BytesMut::new();
        Encoder::new().encode(pdu, &mut stream).unwrap();
        let received = Decoder::new(8192).decode(&mut stream).unwrap().unwrap();
        assert_eq!(&received, pdu);
        self.session.handle(received, self.now).unwrap();
    }

    /// Everything that the session sends, decoded from its bytes.
    pub fn sent_pdus(&mut self) -> Vec<Pdu> {
        let mut stream = BytesMut::new();
        while let Some(pdu) = self.session.poll_transmit() {
            Encoder::new().encode(&pdu, &mut stream).unwrap();
        }
        let mut decoder = Decoder::new(8192);
        let pdus = std::iter::from_fn(|| decoder.decode(&mut stream).unwrap()).collect();
        assert!(stream.is_empty());
        pdus
    }

    pub fn sent(&mut self) -> Vec<String> {
        self.sent_pdus()
            .iter()
            .map(|pdu| describe(pdu).to_string())
            .collect()
    }

    /// The one PDU that the session sends.
    pub fn sent_one(&mut self) -> String {
        let mut sent = self.sent();
        assert_eq!(sent.len(), 1, "{sent:#?}");
        sent.remove(0)
    }

    pub fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.session.poll_event()).collect()
    }

    /// The one command that the session delivers.
    pub fn command(&mut self) -> ReceivedCommand {
        let mut events = self.events();
        assert_eq!(events.len(), 1, "{events:#?}");
        match events.remove(0) {
            Event::Command(command) => command,
            other => panic!("{other:?}"),
        }
    }

    pub fn commands(&mut self) -> Vec<ReceivedCommand> {
        self.events()
            .into_iter()
            .map(|event| match event {
                Event::Command(command) => command,
                other => panic!("{other:?}"),
            })
            .collect()
    }

    pub fn good(&mut self, id: TaskId) {
        assert!(self.session.respond(id, ScsiReply::good()));
    }

    fn take_cmd_sn(&mut self) -> CmdSn {
        let taken = CmdSn(self.cmd_sn);
        self.cmd_sn += 1;
        taken
    }

    /// A command without data, with the next CmdSN.
    pub fn bare(&mut self, tag: u32) -> ScsiCommand {
        ScsiCommand {
            immediate: false,
            final_bit: true,
            read: false,
            write: false,
            attribute: TaskAttribute::SIMPLE,
            lun: lun(1),
            initiator_task_tag: InitiatorTaskTag(tag),
            expected_data_transfer_length: 0,
            cmd_sn: self.take_cmd_sn(),
            exp_stat_sn: StatSn(10),
            cdb: CDB,
            extended_cdb: Bytes::new(),
            bidirectional_read_expected_data_transfer_length: None,
            data: Bytes::new(),
        }
    }

    pub fn read(&mut self, tag: u32, length: u32) -> ScsiCommand {
        ScsiCommand {
            read: true,
            expected_data_transfer_length: length,
            ..self.bare(tag)
        }
    }

    pub fn write(&mut self, tag: u32, length: u32) -> ScsiCommand {
        ScsiCommand {
            write: true,
            expected_data_transfer_length: length,
            ..self.bare(tag)
        }
    }

    pub fn give_command(&mut self, command: ScsiCommand) {
        self.give(&Pdu::ScsiCommand(command));
    }

    pub fn give_data_out(&mut self, data_out: DataOut) {
        self.give(&Pdu::DataOut(data_out));
    }

    /// Answers the R2T that was sent last with the bytes that it asks for, in segments of eight.
    pub fn answer_r2t(&mut self, data: &[u8]) {
        let sent = self.sent_pdus();
        let Some(Pdu::R2t(r2t)) = sent.last() else {
            panic!("{sent:?}")
        };
        let start = r2t.buffer_offset as usize;
        let end = start + r2t.desired_data_transfer_length as usize;
        let mut offset = start;
        for (sn, chunk) in data[start..end].chunks(8).enumerate() {
            let last = offset + chunk.len() == end;
            let mut pdu = data_out(r2t.initiator_task_tag.0, r2t.target_transfer_tag.0);
            pdu.data_sn = DataSn(u32::try_from(sn).unwrap());
            pdu.buffer_offset = u32::try_from(offset).unwrap();
            pdu.data = Bytes::copy_from_slice(chunk);
            pdu.final_bit = last;
            self.give_data_out(pdu);
            offset += chunk.len();
        }
    }

    pub fn manage(&self, tag: u32, function: TaskManagementFunction) -> TaskManagementRequest {
        TaskManagementRequest {
            immediate: true,
            function,
            lun: lun(1),
            initiator_task_tag: InitiatorTaskTag(tag),
            referenced_task_tag: InitiatorTaskTag::RESERVED,
            cmd_sn: CmdSn(self.cmd_sn),
            exp_stat_sn: StatSn(10),
            ref_cmd_sn: CmdSn(0),
            exp_data_sn: DataSn(0),
        }
    }

    pub fn text(&mut self, tag: u32, ttt: TargetTransferTag, text: &str) -> TextRequest {
        TextRequest {
            immediate: false,
            final_bit: true,
            continues: false,
            lun: Lun::default(),
            initiator_task_tag: InitiatorTaskTag(tag),
            target_transfer_tag: ttt,
            cmd_sn: self.take_cmd_sn(),
            exp_stat_sn: StatSn(10),
            data: Bytes::copy_from_slice(text.as_bytes()),
        }
    }

    pub fn nop_out(&self, tag: u32, ttt: u32, data: &[u8]) -> NopOut {
        NopOut {
            immediate: true,
            lun: Lun::default(),
            initiator_task_tag: InitiatorTaskTag(tag),
            target_transfer_tag: TargetTransferTag(ttt),
            cmd_sn: CmdSn(self.cmd_sn),
            exp_stat_sn: StatSn(10),
            data: Bytes::copy_from_slice(data),
        }
    }

    pub fn logout(&self, reason: LogoutReason, cid: u16) -> LogoutRequest {
        LogoutRequest {
            immediate: true,
            reason,
            initiator_task_tag: InitiatorTaskTag(0x99),
            cid: Cid(cid),
            cmd_sn: CmdSn(self.cmd_sn),
            exp_stat_sn: StatSn(10),
        }
    }
}

/// An empty Data-Out with the F bit, under a tag of the target.
pub fn data_out(tag: u32, ttt: u32) -> DataOut {
    DataOut {
        final_bit: true,
        lun: lun(1),
        initiator_task_tag: InitiatorTaskTag(tag),
        target_transfer_tag: TargetTransferTag(ttt),
        exp_stat_sn: StatSn(10),
        data_sn: DataSn(0),
        buffer_offset: 0,
        data: Bytes::new(),
    }
}

/// A piece of unsolicited data.
pub fn unsolicited(tag: u32, sn: u32, offset: u32, data: &[u8], final_bit: bool) -> DataOut {
    DataOut {
        final_bit,
        lun: Lun::default(),
        data_sn: DataSn(sn),
        buffer_offset: offset,
        data: Bytes::copy_from_slice(data),
        ..data_out(tag, TargetTransferTag::RESERVED.0)
    }
}

pub fn lun(number: u16) -> Lun {
    Lun::from_number(number).unwrap()
}
