//! Exchanges of the full feature phase: a scripted target against the initiator's session, every PDU through the codec.
//!
//! What the session sends is compared as the lines of `describe`, which name every field that matters.

/// Writes and reads: R2T, data in either direction, status, residuals.
mod data;
/// What is not a task of its own: the command window, pings, messages, rejects, logout, task management.
mod session;
/// Whole conversations: cut anywhere, or spoilt anyhow.
mod stream;
/// Timers, in virtual time.
mod timers;

use std::time::Instant;

use bytes::{Bytes, BytesMut};
use iscsiswiconfig::iscsi::codec::{Decoder, Encoder};
use iscsiswiconfig::iscsi::departure::Departure;
use iscsiswiconfig::iscsi::describe::describe;
use iscsiswiconfig::iscsi::ids::{
    CmdSn, DataSn, InitiatorTaskTag, Lun, R2tSn, StatSn, TargetTransferTag,
};
use iscsiswiconfig::iscsi::initiator::{
    Completion, Event, Session, SessionError, SessionParameters, SubmitError, Task, TaskTransfer,
};
use iscsiswiconfig::iscsi::pdu::{
    AsyncEvent, AsyncMessage, DataIn, DataInStatus, LogoutOutcome, LogoutResponse, NopIn, NopOut,
    Opcode, Pdu, R2t, Reject, RejectReason, RejectedHeader, Residual, ScsiResponse,
    ServiceResponse, TaskManagementOutcome, TaskManagementResponse,
};

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

/// The target's side: its numbers, and the session under test.
struct Peer {
    session: Session,
    encoder: Encoder,
    decoder: Decoder,
    stat_sn: StatSn,
    exp_cmd_sn: CmdSn,
    max_cmd_sn: CmdSn,
    /// The time of this conversation.
    now: Instant,
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
            now: Instant::now(),
        }
    }

    /// Everything that the session has to send, decoded from its bytes.
    fn sent_pdus(&mut self) -> Vec<Pdu> {
        let mut stream = BytesMut::new();
        while let Some(pdu) = self.session.poll_transmit(self.now) {
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
        self.session.handle(received, self.now)?;
        Ok(self.events())
    }

    fn submit(&mut self, transfer: TaskTransfer) -> InitiatorTaskTag {
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

fn task(transfer: TaskTransfer) -> Task {
    let mut cdb = [0; 16];
    cdb[0] = 0xee;
    Task::new(lun(), cdb, transfer)
}

fn task_without_data() -> Task {
    task(TaskTransfer::None)
}

const TWENTY: &[u8] = b"abcdefghijklmnopqrst";

fn write() -> TaskTransfer {
    TaskTransfer::Write(Bytes::from_static(TWENTY))
}

/// A write of twenty bytes that were all sent.
fn written(tag: InitiatorTaskTag) -> Vec<Event> {
    let mut events = completed(tag, Residual::None, b"");
    if let Some(Event::Completed(completion)) = events.first_mut() {
        completion.transferred = 20;
    }
    events
}

fn completed(tag: InitiatorTaskTag, residual: Residual, data: &[u8]) -> Vec<Event> {
    vec![Event::Completed(Completion {
        transferred: data.len() as u32,
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
        "SCSI Command {flags} itt=0x1 lun=1 cmdsn=1 expstatsn=10 attr=simple edtl=20 {CDB}{rest}"
    )
}
