//! Tape blocks of the largest size, 1 MiB: how many PDUs each takes, and that its data stays where it is.

use std::net::SocketAddr;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use iscsiswiconfig::iscsi::codec::{Decoder, Encoder};
use iscsiswiconfig::iscsi::ids::{CmdSn, StatSn};
use iscsiswiconfig::iscsi::initiator::{
    Completion, Event, Session, SessionParameters, Task, TaskTransfer,
};
use iscsiswiconfig::iscsi::operational::{OperationalOffer, OperationalParameters};
use iscsiswiconfig::iscsi::pdu::Pdu;
use iscsiswiconfig::iscsi::target::{
    Event as TargetEvent, ReceivedCommand, ScsiReply, TargetSession, TargetSettings,
};
use iscsiswiconfig::transport::listener::ListenerSettings;

use super::peer::{CDB, lun, settings};

const BLOCK: usize = 1 << 20;

/// The offer of the embedded library.
fn library() -> OperationalOffer {
    ListenerSettings::new(
        SocketAddr::from(([127, 0, 0, 1], 0)),
        "iqn.2026-11.test:vtl".parse().unwrap(),
    )
    .offer
}

/// An initiator that takes and gives whole blocks.
fn whole_blocks() -> OperationalOffer {
    OperationalOffer {
        max_recv_data_segment_length: 1 << 20,
        first_burst_length: 1 << 20,
        ..OperationalOffer::default()
    }
}

/// Both sides of a session between an initiator and the library, PDUs handed over as they are.
struct Direct {
    initiator: Session,
    target: TargetSession,
    pdus: usize,
}

impl Direct {
    fn new(initiator: &OperationalOffer) -> Self {
        let target = library();
        let first_burst_length = initiator.first_burst_length.min(target.first_burst_length);
        let parameters = OperationalParameters {
            initial_r2t: initiator.initial_r2t || target.initial_r2t,
            immediate_data: initiator.immediate_data && target.immediate_data,
            max_recv_data_segment_length: target.max_recv_data_segment_length,
            peer_max_recv_data_segment_length: initiator.max_recv_data_segment_length,
            max_burst_length: initiator.max_burst_length.min(target.max_burst_length),
            first_burst_length,
            ..OperationalParameters::default()
        };
        let ours = SessionParameters {
            initial_r2t: parameters.initial_r2t,
            immediate_data: parameters.immediate_data,
            target_max_recv_data_segment_length: parameters.max_recv_data_segment_length,
            max_burst_length: parameters.max_burst_length,
            first_burst_length,
            max_outstanding_r2t: parameters.max_outstanding_r2t,
        };
        let settings = TargetSettings {
            parameters,
            ..settings()
        };
        let (first, last) = (CmdSn(1), CmdSn(4));
        Self {
            initiator: Session::new(ours, first, StatSn(10), first, last),
            target: TargetSession::new(settings, Instant::now()),
            pdus: 0,
        }
    }

    /// Executes one command, which the target answers as it is told.
    fn run(
        &mut self,
        transfer: TaskTransfer,
        mut answer: impl FnMut(ReceivedCommand) -> ScsiReply,
    ) -> Completion {
        let task = Task::new(lun(1), CDB, transfer);
        self.initiator.submit(task).unwrap();
        loop {
            while let Some(pdu) = self.initiator.poll_transmit(Instant::now()) {
                self.pdus += 1;
                self.target.handle(pdu, Instant::now()).unwrap();
            }
            while let Some(event) = self.target.poll_event() {
                let TargetEvent::Command(command) = event else {
                    panic!("{event:?}");
                };
                let id = command.id;
                let reply = answer(command);
                assert!(self.target.respond(id, reply));
            }
            while let Some(pdu) = self.target.poll_transmit() {
                self.pdus += 1;
                self.initiator.handle(pdu, Instant::now()).unwrap();
            }
            if let Some(event) = self.initiator.poll_event() {
                let Event::Completed(completion) = event else {
                    panic!("{event:?}");
                };
                assert_eq!(completion.status, 0);
                return completion;
            }
        }
    }

    /// Writes a block, and returns what the target got.
    fn write(&mut self, block: &Bytes) -> Bytes {
        let mut written = Bytes::new();
        self.run(TaskTransfer::Write(block.clone()), |command| {
            written = command.data_out;
            ScsiReply::good()
        });
        written
    }

    fn read(&mut self, block: &Bytes) -> Bytes {
        let length = u32::try_from(block.len()).unwrap();
        let answer = |_| ScsiReply::data_in(block.clone());
        self.run(TaskTransfer::Read(length), answer).data
    }
}

fn block() -> Bytes {
    (0..BLOCK).map(|index| (index % 251) as u8).collect()
}

#[test]
fn a_block_that_fits_a_pdu_is_written_with_two_and_not_copied() {
    let mut direct = Direct::new(&whole_blocks());
    let block = block();
    let written = direct.write(&block);
    assert_eq!(direct.pdus, 2, "command with data, response");
    assert_eq!((written.as_ptr(), written.len()), (block.as_ptr(), BLOCK));
}

#[test]
fn a_block_that_fits_a_pdu_is_read_with_two_and_not_copied() {
    let mut direct = Direct::new(&whole_blocks());
    let block = block();
    let read = direct.read(&block);
    assert_eq!(direct.pdus, 2, "command, data with status");
    assert_eq!((read.as_ptr(), read.len()), (block.as_ptr(), BLOCK));
}

#[test]
fn an_initiator_with_common_limits_writes_a_block_with_four_pdus() {
    let mut direct = Direct::new(&OperationalOffer::default());
    let block = block();
    assert_eq!(direct.write(&block), block);
    assert_eq!(
        direct.pdus, 4,
        "command with 256 KiB, R2T, the rest, response"
    );
}

#[test]
fn an_initiator_with_common_limits_reads_a_block_with_five_pdus() {
    let mut direct = Direct::new(&OperationalOffer {
        max_recv_data_segment_length: 262_144,
        ..OperationalOffer::default()
    });
    let block = block();
    assert_eq!(direct.read(&block), block);
    assert_eq!(
        direct.pdus, 5,
        "command, four times 256 KiB, the last with status"
    );
}

#[test]
fn a_small_answer_does_not_keep_what_it_was_received_with() {
    let mut direct = Direct::new(&whole_blocks());
    let received = Bytes::from_static(b"an answer in a buffer that is large");
    let read = direct.read(&received);
    assert_eq!(read, received);
    assert_ne!(read.as_ptr(), received.as_ptr());
}

#[test]
fn the_codec_copies_no_data() {
    let mut direct = Direct::new(&whole_blocks());
    let block = block();
    let task = Task::new(lun(1), CDB, TaskTransfer::Write(block.clone()));
    direct.initiator.submit(task).unwrap();
    let command = direct.initiator.poll_transmit(Instant::now()).unwrap();
    let parts = Encoder::new().encode_parts(&command).unwrap();
    assert_eq!(parts.data.as_ptr(), block.as_ptr());

    let mut received = BytesMut::new();
    Encoder::new().encode(&command, &mut received).unwrap();
    let behind_the_header = received[parts.header.len()..].as_ptr();
    let decoded = Decoder::new(1 << 20).decode(&mut received).unwrap();
    let Some(Pdu::ScsiCommand(decoded)) = decoded else {
        panic!("{decoded:?}");
    };
    assert_eq!(decoded.data.as_ptr(), behind_the_header);
}
