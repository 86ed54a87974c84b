//! What a block costs: copies of user data, and system calls.

use std::io::{self, IoSlice};
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::*;
use crate::iscsi::pdu::{DataIn, DataInStatus};

/// Blocks that are transferred, and their length; so many are under way at a time.
const BLOCKS: usize = 32;
const LENGTH: usize = 256 * 1024;
const DEPTH: usize = 8;

/// What a stream was asked for.
#[derive(Default)]
struct Calls {
    reads: usize,
    writes: usize,
    /// Where the bytes are that were read.
    read_into: Vec<Range<usize>>,
    /// Bytes that were written from where the user has them.
    written_in_place: usize,
    /// Where the user has what is written.
    user_data: Range<usize>,
}

/// A stream that counts; each call of it is a system call for a socket, those that have to wait too.
struct Counting {
    inner: DuplexStream,
    calls: Rc<RefCell<Calls>>,
}

impl AsyncRead for Counting {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.inner).poll_read(context, buffer);
        let mut calls = self.calls.borrow_mut();
        calls.reads += 1;
        calls.read_into.push(addresses(&buffer.filled()[before..]));
        outcome
    }
}

impl AsyncWrite for Counting {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write_vectored(context, parts);
        let mut calls = self.calls.borrow_mut();
        calls.writes += 1;
        if let Poll::Ready(Ok(mut left)) = outcome {
            for part in parts {
                let taken = part.len().min(left);
                left -= taken;
                if calls.user_data.contains(&addresses(part).start) {
                    calls.written_in_place += taken;
                }
            }
        }
        outcome
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

fn addresses(bytes: &[u8]) -> Range<usize> {
    let begin = bytes.as_ptr().addr();
    begin..begin + bytes.len()
}

/// Logs in with a target that takes whole blocks as immediate data, over a stream that takes everything at once.
async fn counted(calls: &Rc<RefCell<Calls>>) -> (Initiator, Target) {
    let (ours, theirs) = duplex(4 * BLOCKS * LENGTH);
    let ours = Counting {
        inner: ours,
        calls: Rc::clone(calls),
    };
    let mut connection = Connection::to_initiator(theirs, 1 << 20);
    let login = spawn_local(async move {
        log_in(ours, &parameters(), deadlines(), |_: Step<'_>| {})
            .await
            .expect("a login")
    });
    let Pdu::LoginRequest(request) = connection.receive(&|_| {}).await.unwrap() else {
        panic!("no login request");
    };
    let window = CmdSn(u32::try_from(2 * BLOCKS).unwrap());
    let mut target = Target {
        connection,
        stat_sn: StatSn(2),
        max_cmd_sn: window,
    };
    let response = LoginResponse {
        data: Bytes::from_static(
            b"TargetPortalGroupTag=1\0InitialR2T=No\0ImmediateData=Yes\0MaxRecvDataSegmentLength=262144\0\
              FirstBurstLength=262144\0MaxBurstLength=16776192\0",
        ),
        ..accepts(&request, window)
    };
    target.send(Pdu::LoginResponse(response)).await;
    let (initiator, driver, _) = login.await.unwrap();
    spawn_local(driver.run());
    calls.replace(Calls::default());
    (initiator, target)
}

#[test]
fn a_block_that_is_written_is_copied_by_nobody_and_takes_a_call_at_most() {
    let calls = Rc::default();
    run(async {
        let (initiator, mut target) = counted(&calls).await;
        let data = Bytes::from(vec![7; BLOCKS * LENGTH]);
        calls.borrow_mut().user_data = addresses(&data);
        let peer = spawn_local(async move {
            for _ in 0..BLOCKS {
                let command = target.command().await;
                assert_eq!(command.data.len(), LENGTH, "immediate data");
                target.good(command.initiator_task_tag).await;
            }
            target
        });
        let mut outstanding = std::collections::VecDeque::new();
        for number in 0..BLOCKS {
            if outstanding.len() == DEPTH {
                let oldest: Outstanding = outstanding.pop_front().unwrap();
                assert_eq!(oldest.await.unwrap().status, 0);
            }
            let block = data.slice(number * LENGTH..(number + 1) * LENGTH);
            let submitted = initiator
                .submit(command(0x0a, DataDirection::Out(block)))
                .await;
            outstanding.push_back(submitted.unwrap());
        }
        for outstanding in outstanding {
            assert_eq!(outstanding.await.unwrap().status, 0);
        }
        drop(peer.await.unwrap());
    });
    let calls = calls.borrow();
    assert_eq!(calls.written_in_place, BLOCKS * LENGTH);
    assert!(calls.writes <= BLOCKS, "{} writes", calls.writes);
    // A status for each block, and a call that finds no other.
    assert!(calls.reads <= 2 * BLOCKS + 2, "{} reads", calls.reads);
}

#[test]
fn a_block_that_is_read_stays_where_it_came_and_takes_two_calls_at_most() {
    let calls: Rc<RefCell<Calls>> = Rc::default();
    let mut in_place = 0;
    run(async {
        let (initiator, mut target) = counted(&calls).await;
        let peer = spawn_local(async move {
            let block = Bytes::from(vec![9; LENGTH]);
            for _ in 0..BLOCKS {
                let command = target.command().await;
                let stat_sn = target.take_stat_sn();
                let max_cmd_sn = target.max_cmd_sn;
                let data_in = whole_block(&command, stat_sn, max_cmd_sn, block.clone());
                target.send(Pdu::DataIn(data_in)).await;
            }
            target
        });
        let mut blocks = Vec::new();
        let mut outstanding = std::collections::VecDeque::new();
        for _ in 0..BLOCKS {
            if outstanding.len() == DEPTH {
                let oldest: Outstanding = outstanding.pop_front().unwrap();
                blocks.push(oldest.await.unwrap().data);
            }
            let read = command(0x08, DataDirection::In(u32::try_from(LENGTH).unwrap()));
            outstanding.push_back(initiator.submit(read).await.unwrap());
        }
        for outstanding in outstanding {
            blocks.push(outstanding.await.unwrap().data);
        }
        drop(peer.await.unwrap());
        let calls = calls.borrow();
        for block in &blocks {
            assert_eq!(block.len(), LENGTH);
            let found = addresses(block);
            let overlap = |read: &Range<usize>| {
                let end = read.end.min(found.end);
                end.saturating_sub(read.start.max(found.start))
            };
            in_place += calls
                .read_into
                .iter()
                .map(overlap)
                .sum::<usize>()
                .min(LENGTH);
        }
    });
    // What is moved is the beginning of a block that came behind the end of another one in the same buffer.
    let moved = BLOCKS * LENGTH - in_place;
    assert!(moved <= BLOCKS * LENGTH / 50, "{moved} bytes were moved");
    let calls = calls.borrow();
    assert!(calls.reads <= 2 * BLOCKS + 8, "{} reads", calls.reads);
    assert!(calls.writes <= BLOCKS, "{} writes", calls.writes);
}

/// The last Data-In PDU of a command, which has its status (RFC 7143 11.7).
fn whole_block(command: &ScsiCommand, stat_sn: StatSn, max_cmd_sn: CmdSn, data: Bytes) -> DataIn {
    DataIn {
        final_bit: true,
        acknowledge: false,
        status: Some(DataInStatus {
            residual: Residual::None,
            status: 0,
            stat_sn,
        }),
        lun: Lun::default(),
        initiator_task_tag: command.initiator_task_tag,
        target_transfer_tag: TargetTransferTag::RESERVED,
        exp_cmd_sn: CmdSn(1),
        max_cmd_sn,
        data_sn: DataSn(0),
        buffer_offset: 0,
        data,
    }
}
