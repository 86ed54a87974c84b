//! Exchanges of the full feature phase: a scripted target against the initiator's session, every PDU through the codec.
//!
//! What the session sends is compared as the lines of `describe`, which name every field that matters.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

use bytes::{Bytes, BytesMut};
use iscsiswiconfig::iscsi::codec::{Decoder, Encoder};
use iscsiswiconfig::iscsi::describe::describe;
use iscsiswiconfig::iscsi::ids::{
    CmdSn, DataSn, InitiatorTaskTag, Lun, R2tSn, StatSn, TargetTransferTag,
};
use iscsiswiconfig::iscsi::pdu::{
    AsyncEvent, AsyncMessage, DataIn, DataInStatus, LogoutOutcome, LogoutResponse, NopIn, NopOut,
    Opcode, Pdu, R2t, Reject, RejectReason, RejectedHeader, Residual, ScsiResponse,
    ServiceResponse, TaskAttribute, TaskManagementOutcome, TaskManagementResponse,
};
use iscsiswiconfig::iscsi::session::{
    Completion, Event, Session, SessionError, SessionParameters, SubmitError, Task, Transfer,
};
use proptest::prelude::*;

const RESERVED_TTT: TargetTransferTag = TargetTransferTag::RESERVED;
const RESERVED_ITT: InitiatorTaskTag = InitiatorTaskTag::RESERVED;

/// Small lengths, so that every limit is met by twenty bytes.
const PARAMETERS: SessionParameters = SessionParameters {
    initial_r2t: true,
    immediate_data: false,
    target_max_recv_data_segment_length: 8,
    max_burst_length: 12,
    first_burst_length: 12,
    max_outstanding_r2t: 1,
};

/// The target's side: its numbers, and the session that it speaks to.
struct Peer {
    session: Session,
    encoder: Encoder,
    decoder: Decoder,
    stat_sn: StatSn,
    exp_cmd_sn: CmdSn,
    max_cmd_sn: CmdSn,
}

impl Peer {
    fn new(parameters: SessionParameters) -> Self {
        Self::with_window(parameters, 16)
    }

    /// A target whose window is `commands` wide at CmdSN 1 and whose next StatSN is 10.
    fn with_window(parameters: SessionParameters, commands: u32) -> Self {
        let (exp_cmd_sn, max_cmd_sn) = (CmdSn(1), CmdSn(commands));
        Self {
            session: Session::new(parameters, CmdSn(1), StatSn(10), exp_cmd_sn, max_cmd_sn),
            encoder: Encoder {
                header_digest: true,
                data_digest: true,
            },
            decoder: Decoder {
                header_digest: true,
                data_digest: true,
                max_data_segment_length: 8192,
            },
            stat_sn: StatSn(10),
            exp_cmd_sn,
            max_cmd_sn,
        }
    }

    /// Everything that the session has to send, decoded from its bytes.
    fn sent_pdus(&mut self) -> Vec<Pdu> {
        let mut stream = BytesMut::new();
        while let Some(pdu) = self.session.poll_transmit() {
            self.encoder.encode(&pdu, &mut stream).unwrap();
        }
        let mut pdus = Vec::new();
        while let Some(pdu) = self.decoder.decode(&mut stream).unwrap() {
            pdus.push(pdu);
        }
        assert!(stream.is_empty());
        pdus
    }

    fn sent(&mut self) -> Vec<String> {
        self.sent_pdus()
            .iter()
            .map(|pdu| describe(pdu).to_string())
            .collect()
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.session.poll_event()).collect()
    }

    /// Gives the session a PDU over the wire and returns what it reports.
    fn give(&mut self, pdu: &Pdu) -> Result<Vec<Event>, SessionError> {
        let mut stream = BytesMut::new();
        self.encoder.encode(pdu, &mut stream).unwrap();
        let received = self.decoder.decode(&mut stream).unwrap().unwrap();
        assert_eq!(&received, pdu);
        self.session.handle(received)?;
        Ok(self.events())
    }

    fn submit(&mut self, transfer: Transfer) -> InitiatorTaskTag {
        self.session.submit(task(transfer)).unwrap()
    }

    fn take_stat_sn(&mut self) -> StatSn {
        let taken = self.stat_sn;
        self.stat_sn = taken.next();
        taken
    }

    fn response(&mut self, tag: InitiatorTaskTag) -> ScsiResponse {
        ScsiResponse {
            bidirectional_read_residual: Residual::None,
            residual: Residual::None,
            response: ServiceResponse::COMMAND_COMPLETED,
            status: 0,
            initiator_task_tag: tag,
            snack_tag: TargetTransferTag(0),
            stat_sn: self.take_stat_sn(),
            exp_cmd_sn: self.exp_cmd_sn,
            max_cmd_sn: self.max_cmd_sn,
            exp_data_sn: DataSn(0),
            data: Bytes::new(),
        }
    }

    fn good(&mut self, tag: InitiatorTaskTag) -> Result<Vec<Event>, SessionError> {
        let response = self.response(tag);
        self.give(&Pdu::ScsiResponse(response))
    }

    fn data_in(&self, tag: InitiatorTaskTag, sn: u32, offset: u32, data: &[u8]) -> DataIn {
        DataIn {
            final_bit: false,
            acknowledge: false,
            status: None,
            lun: Lun::default(),
            initiator_task_tag: tag,
            target_transfer_tag: RESERVED_TTT,
            exp_cmd_sn: self.exp_cmd_sn,
            max_cmd_sn: self.max_cmd_sn,
            data_sn: DataSn(sn),
            buffer_offset: offset,
            data: Bytes::copy_from_slice(data),
        }
    }

    fn last_data_in(&mut self, data_in: DataIn, residual: Residual) -> Pdu {
        let status = DataInStatus {
            residual,
            status: 0,
            stat_sn: self.take_stat_sn(),
        };
        Pdu::DataIn(DataIn {
            final_bit: true,
            status: Some(status),
            ..data_in
        })
    }

    fn r2t(&self, tag: InitiatorTaskTag, sn: u32, offset: u32, length: u32) -> R2t {
        R2t {
            lun: lun(),
            initiator_task_tag: tag,
            target_transfer_tag: TargetTransferTag(0xa0 + sn),
            stat_sn: self.stat_sn,
            exp_cmd_sn: self.exp_cmd_sn,
            max_cmd_sn: self.max_cmd_sn,
            r2t_sn: R2tSn(sn),
            buffer_offset: offset,
            desired_data_transfer_length: length,
        }
    }

    fn give_r2t(
        &mut self,
        tag: InitiatorTaskTag,
        sn: u32,
        offset: u32,
        length: u32,
    ) -> Result<Vec<Event>, SessionError> {
        let r2t = self.r2t(tag, sn, offset, length);
        self.give(&Pdu::R2t(r2t))
    }

    fn nop_in(&self, itt: InitiatorTaskTag, ttt: TargetTransferTag, stat_sn: StatSn) -> Pdu {
        Pdu::NopIn(NopIn {
            lun: lun(),
            initiator_task_tag: itt,
            target_transfer_tag: ttt,
            stat_sn,
            exp_cmd_sn: self.exp_cmd_sn,
            max_cmd_sn: self.max_cmd_sn,
            data: Bytes::new(),
        })
    }

    fn async_message(&mut self, event: AsyncEvent, parameters: [u16; 3]) -> AsyncMessage {
        AsyncMessage {
            lun: Lun::default(),
            stat_sn: self.take_stat_sn(),
            exp_cmd_sn: self.exp_cmd_sn,
            max_cmd_sn: self.max_cmd_sn,
            async_event: event,
            async_vcode: 0,
            parameter1: parameters[0],
            parameter2: parameters[1],
            parameter3: parameters[2],
            data: Bytes::new(),
        }
    }

    fn task_management_response(
        &mut self,
        tag: InitiatorTaskTag,
        response: TaskManagementOutcome,
    ) -> Pdu {
        Pdu::TaskManagementResponse(TaskManagementResponse {
            response,
            initiator_task_tag: tag,
            stat_sn: self.take_stat_sn(),
            exp_cmd_sn: self.exp_cmd_sn,
            max_cmd_sn: self.max_cmd_sn,
        })
    }

    fn logout_response(&mut self, tag: InitiatorTaskTag, response: LogoutOutcome) -> Pdu {
        Pdu::LogoutResponse(LogoutResponse {
            response,
            initiator_task_tag: tag,
            stat_sn: self.take_stat_sn(),
            exp_cmd_sn: self.exp_cmd_sn,
            max_cmd_sn: self.max_cmd_sn,
            time2wait: 0,
            time2retain: 0,
        })
    }
}

fn lun() -> Lun {
    Lun::from_number(1).unwrap()
}

fn task(transfer: Transfer) -> Task {
    let mut cdb = [0; 16];
    cdb[0] = 0xee;
    Task {
        lun: lun(),
        cdb,
        transfer,
        attribute: TaskAttribute::SIMPLE,
    }
}

const TWENTY: &[u8] = b"abcdefghijklmnopqrst";

fn write() -> Transfer {
    Transfer::Write(Bytes::from_static(TWENTY))
}

fn completed(tag: InitiatorTaskTag, residual: Residual, data: &[u8]) -> Vec<Event> {
    vec![Event::Completed(Completion {
        initiator_task_tag: tag,
        response: ServiceResponse::COMMAND_COMPLETED,
        status: 0,
        residual,
        sense: Bytes::new(),
        data: Bytes::copy_from_slice(data),
    })]
}

const CDB: &str = "cdb=ee 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00";

fn write_command(flags: &str, rest: &str) -> String {
    format!(
        "-> SCSI Command {flags} itt=0x1 lun=1 cmdsn=1 expstatsn=10 attr=simple edtl=20 {CDB}{rest}"
    )
}

#[test]
fn initial_r2t_and_no_immediate_data_send_a_bare_command() {
    // UNH-IOL FFP 16.2.1, 8.2, 12.1, 11.2.2, 11.3, 11.4; RFC 7143 11.8
    let mut peer = Peer::new(PARAMETERS);
    let tag = peer.submit(write());
    assert_eq!(peer.sent(), [write_command("F W", "")]);
    peer.give_r2t(tag, 0, 0, 12).unwrap();
    assert_eq!(
        peer.sent(),
        [
            "-> SCSI Data-Out itt=0x1 ttt=0xa0 expstatsn=10 datasn=0 offset=0 data=8 bytes",
            "-> SCSI Data-Out F itt=0x1 ttt=0xa0 expstatsn=10 datasn=1 offset=8 data=4 bytes",
        ]
    );
    peer.give_r2t(tag, 1, 12, 8).unwrap();
    let sent = peer.sent_pdus();
    let [Pdu::DataOut(data_out)] = &sent[..] else {
        panic!("{sent:?}")
    };
    assert!(data_out.final_bit);
    assert_eq!(data_out.lun, lun());
    assert_eq!(data_out.target_transfer_tag, TargetTransferTag(0xa1));
    assert_eq!((data_out.data_sn, data_out.buffer_offset), (DataSn(0), 12));
    assert_eq!(data_out.data, TWENTY[12..]);
    assert_eq!(peer.good(tag), Ok(completed(tag, Residual::None, b"")));
    assert!(peer.session.is_idle());
}

#[test]
fn initial_r2t_with_immediate_data_sends_what_one_pdu_takes() {
    // UNH-IOL FFP 16.2.2, 16.1.1; RFC 7143 11.3.4
    let mut peer = Peer::new(SessionParameters {
        immediate_data: true,
        ..PARAMETERS
    });
    let tag = peer.submit(write());
    assert_eq!(peer.sent(), [write_command("F W", " data=8 bytes")]);
    peer.give_r2t(tag, 0, 8, 12).unwrap();
    assert_eq!(
        peer.sent(),
        [
            "-> SCSI Data-Out itt=0x1 ttt=0xa0 expstatsn=10 datasn=0 offset=8 data=8 bytes",
            "-> SCSI Data-Out F itt=0x1 ttt=0xa0 expstatsn=10 datasn=1 offset=16 data=4 bytes",
        ]
    );
}

#[test]
fn no_initial_r2t_sends_a_first_burst_unasked() {
    // UNH-IOL FFP 16.2.3, 8.3, 11.2.1, 16.3.1; RFC 7143 11.7.1
    let mut peer = Peer::new(SessionParameters {
        initial_r2t: false,
        ..PARAMETERS
    });
    let tag = peer.submit(write());
    assert_eq!(
        peer.sent(),
        [
            write_command("W", ""),
            "-> SCSI Data-Out itt=0x1 expstatsn=10 datasn=0 offset=0 data=8 bytes".to_owned(),
            "-> SCSI Data-Out F itt=0x1 expstatsn=10 datasn=1 offset=8 data=4 bytes".to_owned(),
        ]
    );
    peer.give_r2t(tag, 0, 12, 8).unwrap();
    assert_eq!(
        peer.sent(),
        ["-> SCSI Data-Out F itt=0x1 ttt=0xa0 expstatsn=10 datasn=0 offset=12 data=8 bytes"]
    );
}

#[test]
fn no_initial_r2t_with_immediate_data_counts_it_in_the_first_burst() {
    // UNH-IOL FFP 16.2.4, 8.1; RFC 7143 11.3.4: the most that FirstBurstLength allows
    let parameters = SessionParameters {
        initial_r2t: false,
        immediate_data: true,
        ..PARAMETERS
    };
    let mut peer = Peer::new(parameters);
    let tag = peer.submit(write());
    let sent = peer.sent_pdus();
    let lines: Vec<String> = sent.iter().map(|pdu| describe(pdu).to_string()).collect();
    assert_eq!(
        lines,
        [
            write_command("W", " data=8 bytes"),
            "-> SCSI Data-Out F itt=0x1 expstatsn=10 datasn=0 offset=8 data=4 bytes".to_owned(),
        ]
    );
    let Pdu::DataOut(data_out) = &sent[1] else {
        panic!()
    };
    assert_eq!(
        data_out.lun,
        Lun::default(),
        "reserved without a tag (11.7.4)"
    );
    peer.give_r2t(tag, 0, 12, 8).unwrap();
    assert_eq!(peer.sent().len(), 1);
}

#[test]
fn a_write_that_fits_the_command_has_the_f_bit_and_nothing_behind_it() {
    // RFC 7143 11.3.4
    let parameters = SessionParameters {
        initial_r2t: false,
        immediate_data: true,
        ..PARAMETERS
    };
    let mut peer = Peer::new(parameters);
    peer.submit(Transfer::Write(Bytes::from_static(b"12345678")));
    let sent = peer.sent();
    assert_eq!(sent.len(), 1);
    assert!(sent[0].starts_with("-> SCSI Command F W ") && sent[0].ends_with("data=8 bytes"));
}

#[test]
fn unsolicited_data_goes_in_the_order_of_its_commands() {
    // RFC 7143 4.2.5.2
    let mut peer = Peer::new(SessionParameters {
        initial_r2t: false,
        ..PARAMETERS
    });
    peer.submit(write());
    peer.submit(write());
    let order: Vec<(Opcode, u32)> = peer
        .sent_pdus()
        .iter()
        .map(|pdu| match pdu {
            Pdu::ScsiCommand(pdu) => (Opcode::SCSI_COMMAND, pdu.initiator_task_tag.0),
            Pdu::DataOut(pdu) => (Opcode::DATA_OUT, pdu.initiator_task_tag.0),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        order,
        [
            (Opcode::SCSI_COMMAND, 1),
            (Opcode::DATA_OUT, 1),
            (Opcode::DATA_OUT, 1),
            (Opcode::SCSI_COMMAND, 2),
            (Opcode::DATA_OUT, 2),
            (Opcode::DATA_OUT, 2),
        ]
    );
}

#[test]
fn outstanding_r2ts_are_answered_in_their_order() {
    // RFC 7143 11.8
    let mut peer = Peer::new(SessionParameters {
        max_outstanding_r2t: 2,
        ..PARAMETERS
    });
    let tag = peer.submit(write());
    peer.sent();
    peer.give_r2t(tag, 0, 0, 8).unwrap();
    peer.give_r2t(tag, 1, 8, 8).unwrap();
    assert_eq!(
        peer.sent(),
        [
            "-> SCSI Data-Out F itt=0x1 ttt=0xa0 expstatsn=10 datasn=0 offset=0 data=8 bytes",
            "-> SCSI Data-Out F itt=0x1 ttt=0xa1 expstatsn=10 datasn=0 offset=8 data=8 bytes",
        ]
    );
}

#[test]
fn r2ts_that_break_the_rules_end_the_session() {
    // UNH-IOL FFP 12.2, 12.3; RFC 7143 11.8.2, 11.8.4, 11.8.5, 13.17, 13.19
    let task = InitiatorTaskTag(1);
    type Case = (fn(&mut R2t), SessionError);
    let cases: [Case; 8] = [
        (
            |r2t| r2t.desired_data_transfer_length = 13,
            SessionError::R2tLength {
                task,
                limit: 12,
                received: 13,
            },
        ),
        (
            |r2t| r2t.desired_data_transfer_length = 0,
            SessionError::R2tLength {
                task,
                limit: 12,
                received: 0,
            },
        ),
        (
            |r2t| r2t.buffer_offset = 13,
            SessionError::TransferTooLong {
                task,
                limit: 20,
                received: 21,
            },
        ),
        (
            |r2t| r2t.buffer_offset = u32::MAX,
            SessionError::TransferTooLong {
                task,
                limit: 20,
                received: u64::from(u32::MAX) + 8,
            },
        ),
        (
            |r2t| r2t.buffer_offset = 4,
            SessionError::BufferOffset {
                task,
                expected: 0,
                received: 4,
            },
        ),
        (
            |r2t| r2t.r2t_sn = R2tSn(1),
            SessionError::R2tSn {
                task,
                expected: R2tSn(0),
                received: R2tSn(1),
            },
        ),
        (
            |r2t| r2t.target_transfer_tag = RESERVED_TTT,
            SessionError::ReservedTransferTag { task },
        ),
        (
            |r2t| r2t.initiator_task_tag = InitiatorTaskTag(77),
            SessionError::UnknownTask {
                opcode: Opcode::R2T,
                received: InitiatorTaskTag(77),
            },
        ),
    ];
    for (spoil, error) in cases {
        let mut peer = Peer::new(PARAMETERS);
        let tag = peer.submit(write());
        peer.sent();
        let mut r2t = peer.r2t(tag, 0, 0, 8);
        spoil(&mut r2t);
        assert_eq!(peer.give(&Pdu::R2t(r2t)), Err(error));
        assert_eq!(
            peer.session.submit(task_without_data()),
            Err(SubmitError::NotOpen)
        );
        assert!(peer.sent().is_empty());
    }
}

fn task_without_data() -> Task {
    task(Transfer::None)
}

#[test]
fn more_r2ts_than_negotiated_end_the_session() {
    // RFC 7143 13.17
    let mut peer = Peer::new(PARAMETERS);
    let tag = peer.submit(write());
    peer.sent();
    peer.give_r2t(tag, 0, 0, 8).unwrap();
    assert_eq!(
        peer.give_r2t(tag, 1, 8, 8),
        Err(SessionError::TooManyR2ts {
            task: tag,
            limit: 1
        })
    );
}

#[test]
fn an_r2t_for_a_read_ends_the_session() {
    // RFC 7143 11.8
    let mut peer = Peer::new(PARAMETERS);
    let tag = peer.submit(Transfer::Read(20));
    peer.sent();
    assert_eq!(
        peer.give_r2t(tag, 0, 0, 8),
        Err(SessionError::UnknownTask {
            opcode: Opcode::R2T,
            received: tag
        })
    );
}

#[test]
fn a_response_before_all_data_was_asked_for_drops_what_is_left() {
    // UNH-IOL FFP 16.4.4; RFC 7143 11.4.2
    let mut peer = Peer::new(PARAMETERS);
    let tag = peer.submit(write());
    peer.sent();
    peer.give_r2t(tag, 0, 0, 8).unwrap();
    assert_eq!(peer.good(tag).unwrap().len(), 1);
    assert!(peer.sent().is_empty());
}

#[test]
fn a_read_is_put_together_and_ends_with_the_status_in_the_last_data_in() {
    // UNH-IOL FFP 10.1, 6.1; RFC 7143 11.7.3
    let mut peer = Peer::new(PARAMETERS);
    let tag = peer.submit(Transfer::Read(20));
    assert_eq!(
        peer.sent(),
        [format!(
            "-> SCSI Command F R itt=0x1 lun=1 cmdsn=1 expstatsn=10 attr=simple edtl=20 {CDB}"
        )]
    );
    let first = peer.data_in(tag, 0, 0, b"hello ");
    assert_eq!(peer.give(&Pdu::DataIn(first)), Ok(vec![]));
    let last = peer.data_in(tag, 1, 6, b"world");
    let last = peer.last_data_in(last, Residual::Underflow(9));
    assert_eq!(
        peer.give(&last),
        Ok(completed(tag, Residual::Underflow(9), b"hello world"))
    );
    peer.submit(Transfer::None);
    assert!(
        peer.sent()[0].contains("expstatsn=11"),
        "the status is acknowledged (4.2.2.2)"
    );
}

#[test]
fn a_read_may_end_with_a_response_of_its_own() {
    // RFC 7143 11.7.3; UNH-IOL FFP 11.1.2: a Data-In without data
    let mut peer = Peer::new(PARAMETERS);
    let tag = peer.submit(Transfer::Read(4));
    peer.sent();
    let data = peer.data_in(tag, 0, 0, b"abcd");
    peer.give(&Pdu::DataIn(data)).unwrap();
    let empty = peer.data_in(tag, 1, 0, b"");
    peer.give(&Pdu::DataIn(DataIn {
        final_bit: true,
        ..empty
    }))
    .unwrap();
    let response = ScsiResponse {
        exp_data_sn: DataSn(2),
        ..peer.response(tag)
    };
    assert_eq!(
        peer.give(&Pdu::ScsiResponse(response)),
        Ok(completed(tag, Residual::None, b"abcd"))
    );
}

#[test]
fn the_a_bit_is_ignored() {
    // UNH-IOL FFP 10.2; RFC 7143 11.7.2: at ErrorRecoveryLevel 0
    let mut peer = Peer::new(PARAMETERS);
    let tag = peer.submit(Transfer::Read(4));
    peer.sent();
    let data = DataIn {
        acknowledge: true,
        ..peer.data_in(tag, 0, 0, b"abcd")
    };
    peer.give(&Pdu::DataIn(data)).unwrap();
    assert!(peer.sent().is_empty());
}

#[test]
fn data_ins_that_break_the_rules_end_the_session() {
    // RFC 7143 11.7.5, 11.7.6, 11.2.1.8
    let task = InitiatorTaskTag(1);
    type Case = (fn(&mut DataIn), SessionError);
    let cases: [Case; 6] = [
        (
            |data| data.data_sn = DataSn(2),
            SessionError::DataSn {
                task,
                expected: DataSn(1),
                received: DataSn(2),
            },
        ),
        (
            |data| data.data_sn = DataSn(0),
            SessionError::DataSn {
                task,
                expected: DataSn(1),
                received: DataSn(0),
            },
        ),
        (
            |data| data.buffer_offset = 8,
            SessionError::BufferOffset {
                task,
                expected: 4,
                received: 8,
            },
        ),
        (
            |data| data.buffer_offset = 0,
            SessionError::BufferOffset {
                task,
                expected: 4,
                received: 0,
            },
        ),
        (
            |data| data.data = Bytes::from_static(&[0; 9]),
            SessionError::TransferTooLong {
                task,
                limit: 12,
                received: 13,
            },
        ),
        (
            |data| data.initiator_task_tag = InitiatorTaskTag(77),
            SessionError::UnknownTask {
                opcode: Opcode::DATA_IN,
                received: InitiatorTaskTag(77),
            },
        ),
    ];
    for (spoil, error) in cases {
        let mut peer = Peer::new(PARAMETERS);
        let tag = peer.submit(Transfer::Read(12));
        peer.sent();
        let first = peer.data_in(tag, 0, 0, b"abcd");
        peer.give(&Pdu::DataIn(first)).unwrap();
        let mut second = peer.data_in(tag, 1, 4, b"efgh");
        spoil(&mut second);
        assert_eq!(peer.give(&Pdu::DataIn(second)), Err(error));
    }
}

#[test]
fn data_for_a_task_that_has_not_been_sent_ends_the_session() {
    // RFC 7143 11.2.1.8
    let mut peer = Peer::with_window(PARAMETERS, 0);
    let tag = peer.submit(Transfer::Read(12));
    let early = peer.data_in(tag, 0, 0, b"abcd");
    assert_eq!(
        peer.give(&Pdu::DataIn(early)),
        Err(SessionError::UnknownTask {
            opcode: Opcode::DATA_IN,
            received: tag
        })
    );
}

#[test]
fn data_ins_that_did_not_come_end_the_session() {
    // RFC 7143 11.4.8
    let mut peer = Peer::new(PARAMETERS);
    let tag = peer.submit(Transfer::Read(12));
    peer.sent();
    let response = ScsiResponse {
        exp_data_sn: DataSn(1),
        ..peer.response(tag)
    };
    assert_eq!(
        peer.give(&Pdu::ScsiResponse(response)),
        Err(SessionError::MissingData {
            task: tag,
            expected: DataSn(0),
            received: DataSn(1)
        })
    );
}

#[test]
fn check_condition_brings_its_sense_data() {
    // UNH-IOL FFP 16.4.1; RFC 7143 11.4.7
    let mut peer = Peer::new(PARAMETERS);
    let tag = peer.submit(Transfer::Read(12));
    peer.sent();
    let response = ScsiResponse {
        status: 2,
        residual: Residual::Underflow(12),
        data: Bytes::from_static(&[0, 3, 0x70, 0, 6, 0xff]),
        ..peer.response(tag)
    };
    let events = peer.give(&Pdu::ScsiResponse(response)).unwrap();
    let [Event::Completed(completion)] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(completion.status, 2);
    assert_eq!(completion.sense[..], [0x70, 0, 6]);
    assert_eq!(completion.residual, Residual::Underflow(12));
}

#[test]
fn sense_data_cut_short_ends_the_session() {
    // RFC 7143 11.4.7.1
    for (data, expected, received) in [(&[0, 9, 0x70][..], 9, 1), (&[0], 2, 1)] {
        let mut peer = Peer::new(PARAMETERS);
        let tag = peer.submit(Transfer::None);
        peer.sent();
        let response = ScsiResponse {
            data: Bytes::from_static(data),
            ..peer.response(tag)
        };
        assert_eq!(
            peer.give(&Pdu::ScsiResponse(response)),
            Err(SessionError::SenseLength {
                task: tag,
                expected,
                received
            })
        );
    }
}

#[test]
fn residuals_are_reported_and_an_impossible_one_ends_the_session() {
    // RFC 7143 11.4.5
    let mut peer = Peer::new(PARAMETERS);
    let tag = peer.submit(write());
    peer.sent();
    let response = ScsiResponse {
        residual: Residual::Overflow(4),
        ..peer.response(tag)
    };
    assert_eq!(
        peer.give(&Pdu::ScsiResponse(response)),
        Ok(completed(tag, Residual::Overflow(4), b""))
    );
    let tag = peer.submit(write());
    peer.sent();
    let response = ScsiResponse {
        residual: Residual::Underflow(21),
        ..peer.response(tag)
    };
    assert_eq!(
        peer.give(&Pdu::ScsiResponse(response)),
        Err(SessionError::Residual {
            task: tag,
            limit: 20,
            received: 21
        })
    );
}

#[test]
fn a_target_failure_completes_the_task_without_a_status() {
    // RFC 7143 11.4.3
    let mut peer = Peer::new(PARAMETERS);
    let tag = peer.submit(Transfer::None);
    peer.sent();
    let response = ScsiResponse {
        response: ServiceResponse::TARGET_FAILURE,
        ..peer.response(tag)
    };
    let events = peer.give(&Pdu::ScsiResponse(response)).unwrap();
    let [Event::Completed(completion)] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(completion.response, ServiceResponse::TARGET_FAILURE);
}

#[test]
fn commands_wait_for_the_window_and_go_as_it_grows() {
    // UNH-IOL FFP 3.1, 3.3, 1.1, 16.5; RFC 7143 4.2.2.1
    let mut peer = Peer::with_window(PARAMETERS, 2);
    let tags: Vec<_> = (0..5).map(|_| peer.submit(Transfer::None)).collect();
    assert_eq!(cmd_sns(&peer.sent_pdus()), [1, 2]);
    assert_eq!(peer.session.unacknowledged_commands(), 2);
    (peer.exp_cmd_sn, peer.max_cmd_sn) = (CmdSn(3), CmdSn(2));
    peer.good(tags[0]).unwrap();
    assert!(peer.sent().is_empty(), "still closed");
    assert_eq!(peer.session.unacknowledged_commands(), 0);
    peer.max_cmd_sn = CmdSn(4);
    peer.good(tags[1]).unwrap();
    assert_eq!(cmd_sns(&peer.sent_pdus()), [3, 4]);
    // Stale numbers: RFC 7143 4.2.2.1 has them ignored.
    (peer.exp_cmd_sn, peer.max_cmd_sn) = (CmdSn(3), CmdSn(3));
    peer.good(tags[2]).unwrap();
    assert!(peer.sent().is_empty());
    // A NOP-In opens the window as well, its StatSN not used up.
    (peer.exp_cmd_sn, peer.max_cmd_sn) = (CmdSn(5), CmdSn(20));
    let nop = peer.nop_in(RESERVED_ITT, RESERVED_TTT, peer.stat_sn);
    peer.give(&nop).unwrap();
    assert_eq!(cmd_sns(&peer.sent_pdus()), [5]);
    peer.good(tags[3]).unwrap();
    peer.good(tags[4]).unwrap();
    assert!(peer.session.is_idle());
}

fn cmd_sns(pdus: &[Pdu]) -> Vec<u32> {
    pdus.iter()
        .map(|pdu| match pdu {
            Pdu::ScsiCommand(pdu) => pdu.cmd_sn.0,
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn a_stat_sn_out_of_order_ends_the_session() {
    // UNH-IOL FFP 5.1; RFC 7143 4.2.2.2
    let mut peer = Peer::new(PARAMETERS);
    let tag = peer.submit(Transfer::None);
    peer.sent();
    peer.take_stat_sn();
    assert_eq!(
        peer.good(tag),
        Err(SessionError::StatSn {
            opcode: Opcode::SCSI_RESPONSE,
            expected: StatSn(10),
            received: StatSn(11)
        })
    );
}

#[test]
fn a_response_for_an_unknown_task_ends_the_session() {
    // RFC 7143 11.2.1.8
    let mut peer = Peer::new(PARAMETERS);
    let tag = peer.submit(Transfer::None);
    peer.sent();
    peer.good(tag).unwrap();
    assert_eq!(
        peer.good(tag),
        Err(SessionError::UnknownTask {
            opcode: Opcode::SCSI_RESPONSE,
            received: tag
        })
    );
}

#[test]
fn pdus_that_have_no_place_end_the_session() {
    // RFC 7143 11.2.1.2: a target must not use an initiator's opcode
    let mut peer = Peer::new(PARAMETERS);
    let nop_out = Pdu::NopOut(NopOut {
        immediate: true,
        lun: lun(),
        initiator_task_tag: InitiatorTaskTag(1),
        target_transfer_tag: RESERVED_TTT,
        cmd_sn: CmdSn(1),
        exp_stat_sn: StatSn(1),
        data: Bytes::new(),
    });
    assert_eq!(
        peer.give(&nop_out),
        Err(SessionError::UnexpectedPdu {
            opcode: Opcode::NOP_OUT
        })
    );
}

#[test]
fn a_ping_of_the_target_is_answered_with_its_tag_and_lun() {
    // UNH-IOL FFP 15.1, 2.1; RFC 7143 11.18.2
    let mut peer = Peer::with_window(PARAMETERS, 0);
    let ping = peer.nop_in(RESERVED_ITT, TargetTransferTag(0x77), peer.stat_sn);
    assert_eq!(peer.give(&ping), Ok(vec![]));
    assert_eq!(
        peer.sent(),
        ["-> NOP-Out I ttt=0x77 lun=1 cmdsn=1 expstatsn=10"]
    );
    let quiet = peer.nop_in(RESERVED_ITT, RESERVED_TTT, peer.stat_sn);
    peer.give(&quiet).unwrap();
    assert!(peer.sent().is_empty(), "no answer is wanted (11.18)");
}

#[test]
fn a_ping_of_the_initiator_takes_a_stat_sn_and_no_cmd_sn() {
    // UNH-IOL FFP 15.2, 15.3; RFC 7143 11.18.1, 11.19.2
    let mut peer = Peer::with_window(PARAMETERS, 0);
    let tag = peer.session.ping().unwrap();
    assert_eq!(
        peer.sent(),
        ["-> NOP-Out I itt=0x1 lun=0 cmdsn=1 expstatsn=10"]
    );
    let stat_sn = peer.take_stat_sn();
    let pong = peer.nop_in(tag, RESERVED_TTT, stat_sn);
    assert_eq!(
        peer.give(&pong),
        Ok(vec![Event::PingAnswered {
            initiator_task_tag: tag
        }])
    );
    peer.max_cmd_sn = CmdSn(1);
    let opened = peer.nop_in(RESERVED_ITT, RESERVED_TTT, peer.stat_sn);
    peer.give(&opened).unwrap();
    peer.submit(Transfer::None);
    assert!(peer.sent()[0].contains("itt=0x2 lun=1 cmdsn=1 expstatsn=11"));
}

#[test]
fn asynchronous_messages_are_reported() {
    // UNH-IOL FFP 14.1, 20.1, 20.4; RFC 7143 11.9.1
    let mut peer = Peer::new(PARAMETERS);
    for event in [AsyncEvent::LOGOUT_REQUEST, AsyncEvent::NEGOTIATION_REQUEST] {
        let message = peer.async_message(event, [0, 0, 5]);
        assert_eq!(
            peer.give(&Pdu::AsyncMessage(message)),
            Ok(vec![Event::LogoutRequested { parameter3: 5 }])
        );
    }
    let message = peer.async_message(AsyncEvent::SCSI, [0; 3]);
    let message = AsyncMessage {
        data: Bytes::from_static(&[0, 1, 0x70]),
        ..message
    };
    assert_eq!(
        peer.give(&Pdu::AsyncMessage(message.clone())),
        Ok(vec![Event::AsyncMessage(message)])
    );
    peer.submit(Transfer::None);
    assert!(
        peer.sent()[0].contains("expstatsn=13"),
        "each took a StatSN"
    );
}

#[test]
fn a_dropped_connection_ends_the_session() {
    // UNH-IOL FFP 20.2, 20.3; RFC 7143 11.9.1
    for event in [
        AsyncEvent::DROP_CONNECTION,
        AsyncEvent::DROP_ALL_CONNECTIONS,
    ] {
        let mut peer = Peer::new(PARAMETERS);
        peer.submit(Transfer::None);
        let message = peer.async_message(event, [0, 3, 20]);
        assert_eq!(
            peer.give(&Pdu::AsyncMessage(message)),
            Ok(vec![Event::Dropped { time2wait: 3 }])
        );
        assert!(peer.sent().is_empty());
        assert_eq!(peer.session.logout(), Err(SubmitError::NotOpen));
    }
}

#[test]
fn a_reject_is_reported_with_the_header_that_it_names() {
    // RFC 7143 11.17, 7.3
    let mut peer = Peer::new(PARAMETERS);
    let tag = peer.submit(Transfer::None);
    let sent = peer.sent_pdus();
    let header = Encoder::new().encode_parts(&sent[0]).unwrap().header;
    let reject = Pdu::Reject(Reject {
        reason: RejectReason::INVALID_PDU_FIELD,
        stat_sn: peer.take_stat_sn(),
        exp_cmd_sn: peer.exp_cmd_sn,
        max_cmd_sn: peer.max_cmd_sn,
        data_sn: 0,
        data: header,
    });
    assert_eq!(
        peer.give(&reject),
        Ok(vec![Event::Rejected {
            reason: RejectReason::INVALID_PDU_FIELD,
            header: Some(RejectedHeader {
                opcode: Opcode::SCSI_COMMAND,
                initiator_task_tag: tag
            })
        }])
    );
}

#[test]
fn a_logout_closes_the_session_and_nothing_follows_it() {
    // UNH-IOL FFP 17.1, 2.1; RFC 7143 11.14
    let mut peer = Peer::with_window(PARAMETERS, 1);
    peer.submit(Transfer::None);
    peer.submit(Transfer::None);
    peer.sent();
    let tag = peer.session.logout().unwrap();
    assert_eq!(
        peer.sent(),
        ["-> Logout Request I itt=0x3 reason=close the session cid=0 cmdsn=2 expstatsn=10"]
    );
    peer.max_cmd_sn = CmdSn(9);
    let ping = peer.nop_in(RESERVED_ITT, TargetTransferTag(7), peer.stat_sn);
    peer.give(&ping).unwrap();
    assert!(
        peer.sent().is_empty(),
        "nothing new on a closing connection"
    );
    assert_eq!(
        peer.session.submit(task_without_data()),
        Err(SubmitError::NotOpen)
    );
    let response = peer.logout_response(tag, LogoutOutcome::CLOSED);
    assert_eq!(
        peer.give(&response),
        Ok(vec![Event::LoggedOut {
            outcome: LogoutOutcome::CLOSED
        }])
    );
    let late = peer.nop_in(RESERVED_ITT, RESERVED_TTT, peer.stat_sn);
    assert_eq!(
        peer.give(&late),
        Err(SessionError::UnexpectedPdu {
            opcode: Opcode::NOP_IN
        })
    );
}

#[test]
fn an_unsuccessful_logout_is_reported_as_such() {
    // RFC 7143 11.15.1
    let mut peer = Peer::new(PARAMETERS);
    let tag = peer.session.logout().unwrap();
    peer.sent();
    let response = peer.logout_response(tag, LogoutOutcome::CLEANUP_FAILED);
    assert_eq!(
        peer.give(&response),
        Ok(vec![Event::LoggedOut {
            outcome: LogoutOutcome::CLEANUP_FAILED
        }])
    );
}

#[test]
fn a_logout_response_that_nobody_asked_for_ends_the_session() {
    // RFC 7143 11.15
    let mut peer = Peer::new(PARAMETERS);
    let tag = peer.submit(Transfer::None);
    peer.sent();
    let response = peer.logout_response(tag, LogoutOutcome::CLOSED);
    assert_eq!(
        peer.give(&response),
        Err(SessionError::UnknownTask {
            opcode: Opcode::LOGOUT_RESPONSE,
            received: tag
        })
    );
}

#[test]
fn abort_task_names_the_task_and_ends_it_when_performed() {
    // UNH-IOL FFP 2.2, 19.1, 19.2, 19.3; RFC 7143 11.5
    let mut peer = Peer::with_window(PARAMETERS, 1);
    let task = peer.submit(write());
    peer.sent();
    let abort = peer.session.abort_task(task).unwrap();
    assert_eq!(
        peer.sent(),
        [
            "-> Task Management Function Request I itt=0x2 function=ABORT TASK lun=1 task=0x1 \
          refcmdsn=1 cmdsn=2 expstatsn=10"
        ]
    );
    // UNH-IOL FFP 19.4.1: R2Ts are answered until the response.
    peer.give_r2t(task, 0, 0, 8).unwrap();
    assert_eq!(peer.sent().len(), 1);
    let response = peer.task_management_response(abort, TaskManagementOutcome::FUNCTION_COMPLETE);
    assert_eq!(
        peer.give(&response),
        Ok(vec![Event::TaskManagement {
            initiator_task_tag: abort,
            outcome: TaskManagementOutcome::FUNCTION_COMPLETE,
            ended: vec![task],
        }])
    );
    assert!(peer.session.is_idle());
}

#[test]
fn a_refused_abort_leaves_the_task() {
    // RFC 7143 11.6.1
    let mut peer = Peer::new(PARAMETERS);
    let task = peer.submit(Transfer::None);
    peer.sent();
    let abort = peer.session.abort_task(task).unwrap();
    peer.sent();
    let response =
        peer.task_management_response(abort, TaskManagementOutcome::FUNCTION_NOT_SUPPORTED);
    let events = peer.give(&response).unwrap();
    assert!(matches!(&events[..], [Event::TaskManagement { ended, .. }] if ended.is_empty()));
    assert_eq!(peer.good(task).unwrap().len(), 1);
}

#[test]
fn a_task_that_waits_for_the_window_is_aborted_without_a_word_to_the_target() {
    let mut peer = Peer::with_window(PARAMETERS, 0);
    let task = peer.submit(Transfer::None);
    let other = peer.submit(Transfer::None);
    peer.session.abort_task(task).unwrap();
    let events = peer.events();
    assert!(matches!(&events[..], [Event::TaskManagement { ended, .. }] if ended == &[task]));
    peer.max_cmd_sn = CmdSn(9);
    let nop = peer.nop_in(RESERVED_ITT, RESERVED_TTT, peer.stat_sn);
    peer.give(&nop).unwrap();
    let sent = peer.sent_pdus();
    assert!(matches!(&sent[..], [Pdu::ScsiCommand(command)]
        if command.initiator_task_tag == other && command.cmd_sn == CmdSn(1)));
    assert_eq!(
        peer.session.abort_task(task),
        Err(SubmitError::UnknownTask { task })
    );
}

#[test]
fn a_logical_unit_reset_ends_the_tasks_sent_before_it_to_that_unit() {
    // RFC 7143 11.5.1, 4.2.3.2
    let mut peer = Peer::new(PARAMETERS);
    let first = peer.submit(Transfer::None);
    let elsewhere = peer
        .session
        .submit(Task {
            lun: Lun::from_number(2).unwrap(),
            ..task_without_data()
        })
        .unwrap();
    peer.sent();
    let reset = peer.session.reset_logical_unit(lun()).unwrap();
    let later = peer.submit(Transfer::None);
    assert_eq!(
        peer.sent()[0],
        "-> Task Management Function Request I itt=0x3 function=LOGICAL UNIT RESET lun=1 \
         task=0xffffffff refcmdsn=0 cmdsn=3 expstatsn=10"
    );
    let response = peer.task_management_response(reset, TaskManagementOutcome::FUNCTION_COMPLETE);
    assert_eq!(
        peer.give(&response),
        Ok(vec![Event::TaskManagement {
            initiator_task_tag: reset,
            outcome: TaskManagementOutcome::FUNCTION_COMPLETE,
            ended: vec![first],
        }])
    );
    assert_eq!(peer.good(elsewhere).unwrap().len(), 1);
    assert_eq!(peer.good(later).unwrap().len(), 1);
}

/// A whole conversation as the target's bytes: a read in pieces, a ping, a write that fails, a logout.
fn conversation() -> (Peer, Vec<u8>) {
    let mut peer = Peer::new(PARAMETERS);
    let read = peer.submit(Transfer::Read(12));
    let other = peer.submit(write());
    let first = peer.data_in(read, 0, 0, b"abcdefg");
    let last = peer.data_in(read, 1, 7, b"hijkl");
    let pdus = [
        Pdu::DataIn(first),
        peer.nop_in(RESERVED_ITT, TargetTransferTag(5), peer.stat_sn),
        peer.last_data_in(last, Residual::None),
        Pdu::R2t(peer.r2t(other, 0, 0, 12)),
        Pdu::ScsiResponse(ScsiResponse {
            status: 2,
            data: Bytes::from_static(&[0, 2, 0x70, 0]),
            ..peer.response(other)
        }),
    ];
    peer.sent();
    let mut stream = BytesMut::new();
    for pdu in &pdus {
        peer.encoder.encode(pdu, &mut stream).unwrap();
    }
    (peer, stream.to_vec())
}

fn play(mut peer: Peer, parts: impl Iterator<Item = Vec<u8>>) -> (Vec<Event>, Vec<String>) {
    let mut input = BytesMut::new();
    let (mut events, mut sent) = (Vec::new(), Vec::new());
    for part in parts {
        input.extend_from_slice(&part);
        while let Some(pdu) = peer.decoder.decode(&mut input).unwrap() {
            peer.session.handle(pdu).unwrap();
            events.append(&mut peer.events());
            sent.append(&mut peer.sent());
        }
    }
    (events, sent)
}

proptest! {
    #[test]
    fn however_the_stream_is_cut_the_conversation_is_the_same(
        cuts in prop::collection::vec(1usize..97, 1..40),
    ) {
        let (peer, stream) = conversation();
        let whole = play(peer, std::iter::once(stream));
        prop_assert_eq!(whole.0.len(), 2);
        prop_assert_eq!(whole.1.len(), 3, "{:?}", whole.1);

        let (peer, stream) = conversation();
        let mut rest = &stream[..];
        let mut cuts = cuts.into_iter().cycle();
        let parts = std::iter::from_fn(|| {
            let (part, after) = rest.split_at(cuts.next()?.min(rest.len()));
            rest = after;
            (!part.is_empty()).then(|| part.to_vec())
        });
        prop_assert_eq!(play(peer, parts), whole);
    }

    #[test]
    fn a_target_that_sends_anything_is_an_error_and_never_a_panic(
        pdus in prop::collection::vec((0usize..10, any::<[u32; 3]>(), any::<u8>()), 1..30),
    ) {
        let mut peer = Peer::new(SessionParameters { max_outstanding_r2t: 2, ..PARAMETERS });
        for (kind, [a, b, c], byte) in pdus {
            let _ = peer.session.submit(task(write()));
            let _ = peer.session.submit(task(Transfer::Read(20)));
            let _ = peer.session.ping();
            peer.sent();
            let tag = InitiatorTaskTag(a % 12);
            let small = |number: u32| number % 24;
            let pdu = match kind {
                0 => Pdu::R2t(peer.r2t(tag, b % 3, small(c), small(b))),
                1 => Pdu::R2t(peer.r2t(tag, b, c, a)),
                2 => Pdu::DataIn(peer.data_in(tag, b % 3, small(c), &vec![byte; small(b) as usize])),
                3 => {
                    let data = peer.data_in(tag, b % 3, c, &[byte]);
                    peer.last_data_in(data, Residual::Underflow(c))
                }
                4 => Pdu::ScsiResponse(ScsiResponse {
                    data: Bytes::from(vec![byte; small(b) as usize]),
                    exp_data_sn: DataSn(c),
                    ..peer.response(tag)
                }),
                5 => peer.task_management_response(tag, TaskManagementOutcome(byte)),
                6 => peer.nop_in(tag, TargetTransferTag(b), StatSn(c)),
                7 => Pdu::AsyncMessage(peer.async_message(AsyncEvent(byte % 8), [1, 2, 3])),
                8 => peer.logout_response(tag, LogoutOutcome(byte)),
                _ => Pdu::ScsiResponse(peer.response(tag)),
            };
            if peer.give(&pdu).is_err() {
                prop_assert!(peer.session.is_idle());
                break;
            }
        }
    }
}
