//! One TCP connection that carries PDUs, and the failures that it plays.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice};
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use rustix::net::sockopt::{set_socket_keepalive, set_tcp_keepidle};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{MAX_DATA_SEGMENT_LENGTH, Notice, Observer};
use crate::iscsi::codec::{CodecError, Decoder, EncodeError, Encoder};
use crate::iscsi::operational::{Digest, OperationalParameters};
use crate::iscsi::pdu::Pdu;
use crate::vtl::fault::{DigestKind, TransportFaults};

/// The longest data segment before the login has settled another length (RFC 7143 13.12).
const LOGIN_DATA_SEGMENT_LENGTH: u32 = 8192;

/// The size of the buffers that are read into, in the login and after it.
///
/// The latter holds the largest data segment that is negotiated with its header, and a little of what follows. So blocks of a
/// power of two fill a buffer but for that little, which is all that has to be moved to the next one.
const LOGIN_READ_SIZE: usize = 16 * 1024;
const READ_SIZE: usize = MAX_DATA_SEGMENT_LENGTH as usize + 4096;

/// How much may wait to be sent before nothing more is read or executed: an initiator that takes nothing in must not have
/// answers piled up for it.
const MAX_UNSENT: usize = 2 * 1024 * 1024;

/// Data up to this length is copied behind its header: one buffer is cheaper than three.
const SMALL_DATA: usize = 4096;

/// The most buffers of one write; the system takes up to 1024.
const MAX_BUFFERS: usize = 64;

/// How long a connection that is to be closed may take to send its last PDUs and to see the initiator close it.
const LINGER: Duration = Duration::from_secs(2);

/// After so many seconds of silence the system asks whether the initiator is still there. It does so below iSCSI, for an
/// initiator may well be busy between two blocks.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Why a connection carries nothing more.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The system says so.
    #[error("the connection failed")]
    Io(#[from] io::Error),
    /// The initiator closed it.
    #[error("the initiator closed the connection")]
    Closed,
    /// What came is no PDU.
    #[error("the initiator sent bytes that are no PDU: {0}")]
    Malformed(#[from] CodecError),
    /// A PDU of this side cannot be put on the wire, a fault in this program.
    #[error("a PDU could not be encoded: {0}")]
    Encode(#[from] EncodeError),
}

/// Bytes that are no PDU.
#[derive(Debug)]
pub(super) struct MalformedPdu {
    /// The Basic Header Segment as it came.
    pub(super) header: Bytes,
    pub(super) error: CodecError,
}

/// A connection with what was received but not yet decoded, and what is not yet written.
pub(super) struct Connection {
    stream: TcpStream,
    pub(super) peer: SocketAddr,
    decoder: Decoder,
    encoder: Encoder,
    received: BytesMut,
    read_size: usize,
    unsent: VecDeque<Bytes>,
    unsent_length: usize,
    faults: TransportFaults,
    /// PDUs sent in the full feature phase; `None` before it.
    sent: Option<u64>,
    observer: Rc<Observer>,
}

impl Connection {
    pub(super) fn new(
        stream: TcpStream,
        peer: SocketAddr,
        faults: TransportFaults,
        observer: Rc<Observer>,
    ) -> io::Result<Self> {
        // Answers go out in one write each burst; waiting for more to send would only delay them.
        stream.set_nodelay(true)?;
        set_socket_keepalive(&stream, true)?;
        set_tcp_keepidle(&stream, KEEPALIVE)?;
        Ok(Self {
            stream,
            peer,
            decoder: Decoder::new(LOGIN_DATA_SEGMENT_LENGTH),
            encoder: Encoder::new(),
            received: BytesMut::new(),
            read_size: LOGIN_READ_SIZE,
            unsent: VecDeque::new(),
            unsent_length: 0,
            faults,
            sent: None,
            observer,
        })
    }

    /// Returns the address that the initiator connected to.
    pub(super) fn local_address(&self) -> io::Result<SocketAddr> {
        self.stream.local_addr()
    }

    /// Uses what the login settled, from the next PDU on and in both directions.
    pub(super) fn begin_full_feature_phase(&mut self, parameters: &OperationalParameters) {
        let header_digest = parameters.header_digest == Digest::Crc32c;
        let data_digest = parameters.data_digest == Digest::Crc32c;
        self.decoder.header_digest = header_digest;
        self.decoder.data_digest = data_digest;
        self.decoder.max_data_segment_length = parameters.max_recv_data_segment_length;
        self.encoder.header_digest = header_digest;
        self.encoder.data_digest = data_digest;
        self.read_size = READ_SIZE;
        self.sent = Some(0);
    }

    /// Returns whether more may be sent before what waits has to be written.
    pub(super) fn has_room(&self) -> bool {
        self.unsent_length < MAX_UNSENT
    }

    /// Returns whether nothing has come of a PDU that is not whole.
    pub(super) fn has_received_nothing(&self) -> bool {
        self.received.is_empty()
    }

    /// Returns whether the connection is to be dropped as a fault demands.
    pub(super) fn is_to_be_dropped(&self) -> bool {
        reached(self.sent, self.faults.drop_after)
    }

    /// Queues a PDU, its data not copied when it is long; [`Connection::poll_transfer`] writes it.
    pub(super) fn send(&mut self, pdu: &Pdu) -> Result<(), EncodeError> {
        if self.is_to_be_dropped() || reached(self.sent, self.faults.stall_after) {
            return Ok(());
        }
        (self.observer)(Notice::Sent {
            peer: self.peer,
            pdu,
        });
        let wrong_digest = self.take_wrong_digest(pdu);
        let is_small = pdu.data().is_none_or(|data| data.len() <= SMALL_DATA);
        if is_small && wrong_digest.is_none() {
            let mut whole = BytesMut::with_capacity(64 + pdu.data().map_or(0, Bytes::len));
            self.encoder.encode(pdu, &mut whole)?;
            self.queue(whole.freeze());
        } else {
            let parts = self.encoder.encode_parts(pdu)?;
            let damage = |kind, bytes| match wrong_digest {
                Some(wrong) if wrong == kind => with_last_byte_wrong(bytes),
                _ => bytes,
            };
            self.queue(damage(DigestKind::Header, parts.header));
            self.queue(parts.data);
            self.queue(damage(DigestKind::Data, parts.trailer));
        }
        self.sent = self.sent.map(|sent| sent.saturating_add(1));
        Ok(())
    }

    /// Takes the next PDU from what was received; `None` when more has to come.
    pub(super) fn next_pdu(&mut self) -> Result<Option<Pdu>, MalformedPdu> {
        const HEADER_LENGTH: usize = 48;
        let header: Option<[u8; HEADER_LENGTH]> = self.received.first_chunk().copied();
        match self.decoder.decode(&mut self.received) {
            Ok(pdu) => {
                if let Some(pdu) = &pdu {
                    (self.observer)(Notice::Received {
                        peer: self.peer,
                        pdu,
                    });
                }
                Ok(pdu)
            }
            Err(error) => Err(MalformedPdu {
                header: header.map_or_else(Bytes::new, |header| Bytes::copy_from_slice(&header)),
                error,
            }),
        }
    }

    /// Waits for the next PDU while it writes what is queued.
    pub(super) async fn receive(&mut self) -> Result<Pdu, ConnectionError> {
        loop {
            if let Some(pdu) = self.next_pdu().map_err(|malformed| malformed.error)? {
                return Ok(pdu);
            }
            poll_fn(|context| self.poll_transfer(context, true)).await?;
        }
    }

    /// Writes what is queued, tells the initiator that this is all, and waits a little for it to close: what it still sends
    /// would otherwise have the system take back what is on its way.
    pub(super) async fn close(mut self) {
        let closing = async {
            while self.unsent_length > 0 {
                poll_fn(|context| self.poll_transfer(context, false)).await?;
            }
            rustix::net::shutdown(&self.stream, rustix::net::Shutdown::Write)
                .map_err(io::Error::from)?;
            loop {
                self.received.clear();
                poll_fn(|context| self.poll_read(context)).await?;
            }
        };
        let _: Result<Result<(), ConnectionError>, _> = timeout(LINGER, closing).await;
    }

    /// Reads or writes what can be now; reads only when it `listens`.
    pub(super) fn poll_transfer(
        &mut self,
        context: &mut Context<'_>,
        listens: bool,
    ) -> Poll<Result<(), ConnectionError>> {
        let written = self.poll_write(context)?;
        if listens && self.poll_read(context)?.is_ready() {
            return Poll::Ready(Ok(()));
        }
        written.map(Ok)
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ConnectionError>> {
        // The decoder has made room already for the rest of a PDU that has begun to come.
        if self.received.len() == self.received.capacity() {
            let rest = self.received.len();
            self.received
                .reserve(self.read_size.saturating_sub(rest).max(1));
        }
        loop {
            match self.stream.poll_read_ready(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(ready) => ready?,
            }
            match self.stream.try_read_buf(&mut self.received) {
                Ok(0) => return Poll::Ready(Err(ConnectionError::Closed)),
                Ok(_) => return Poll::Ready(Ok(())),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    /// Writes once; pending too when there is nothing to write.
    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ConnectionError>> {
        if self.unsent.is_empty() {
            return Poll::Pending;
        }
        loop {
            match self.stream.poll_write_ready(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(ready) => ready?,
            }
            match self.try_write() {
                Ok(length) => {
                    self.written(length);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    fn try_write(&self) -> io::Result<usize> {
        let mut slices = [IoSlice::new(&[]); MAX_BUFFERS];
        let mut count = 0_usize;
        for (slice, bytes) in slices.iter_mut().zip(&self.unsent) {
            *slice = IoSlice::new(bytes);
            count = count.saturating_add(1);
        }
        self.stream
            .try_write_vectored(slices.get(..count).unwrap_or_default())
    }

    fn written(&mut self, mut length: usize) {
        self.unsent_length = self.unsent_length.saturating_sub(length);
        while let Some(front) = self.unsent.front_mut() {
            if length < front.len() {
                return front.advance(length);
            }
            length = length.saturating_sub(front.len());
            self.unsent.pop_front();
        }
    }

    fn queue(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.unsent_length = self.unsent_length.saturating_add(bytes.len());
            self.unsent.push_back(bytes);
        }
    }

    /// Returns which digest of a PDU that is about to be sent has to be wrong, once.
    fn take_wrong_digest(&mut self, pdu: &Pdu) -> Option<DigestKind> {
        let wrong = self.faults.wrong_digest?;
        let is_due = self.sent.is_some_and(|sent| sent >= wrong.after);
        let has_digest = match wrong.digest {
            DigestKind::Header => self.encoder.header_digest,
            DigestKind::Data => {
                self.encoder.data_digest && pdu.data().is_some_and(|data| !data.is_empty())
            }
        };
        if !is_due || !has_digest {
            return None;
        }
        self.faults.wrong_digest = None;
        Some(wrong.digest)
    }
}

fn reached(sent: Option<u64>, limit: Option<u64>) -> bool {
    matches!((sent, limit), (Some(sent), Some(limit)) if sent >= limit)
}

fn with_last_byte_wrong(bytes: Bytes) -> Bytes {
    let mut wrong = BytesMut::from(&*bytes);
    if let Some(last) = wrong.last_mut() {
        *last ^= 0xff;
    }
    wrong.freeze()
}
