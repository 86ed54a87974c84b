//! One connection of an initiator, over TCP or a local socket, and the failures that it plays.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rustix::net::sockopt::{set_socket_keepalive, set_tcp_keepidle};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::fault::{DigestKind, TransportFaults};
use super::{Notice, NoticeObserver};
use crate::iscsi::codec::{CodecError, EncodeError, EncodedParts};
use crate::iscsi::operational::OperationalParameters;
use crate::iscsi::pdu::Pdu;
use crate::transport::{self, Endpoints, PduOnWire, connection};

/// The longest data segment before the login has settled another length (RFC 7143 13.12).
const LOGIN_DATA_SEGMENT_LENGTH: u32 = 8192;

/// How long a connection that is to be closed may take to send its last PDUs and to see the initiator close it.
const LINGER: Duration = Duration::from_secs(2);

/// After so many seconds of silence the system asks whether the initiator is still there. It does so below iSCSI, for an
/// initiator may well be busy between two blocks.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Why a connection carries nothing more.
#[derive(Debug, thiserror::Error)]
pub enum ServedConnectionError {
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

impl From<transport::ConnectionError> for ServedConnectionError {
    fn from(error: transport::ConnectionError) -> Self {
        use transport::ConnectionError as Error;
        match error {
            Error::Io(error) => Self::Io(error),
            // What an initiator sends first is not judged before it is decoded.
            Error::Closed | Error::ClosedUnanswered | Error::NotIscsi { .. } => Self::Closed,
            Error::Codec(error) => Self::Malformed(error),
            Error::Encode(error) => Self::Encode(error),
        }
    }
}

/// Bytes that are no PDU.
#[derive(Debug)]
pub(super) struct MalformedPdu {
    /// The Basic Header Segment as it came.
    pub(super) header: Bytes,
    pub(super) error: CodecError,
}

/// A connection with the faults that it plays, and the observer that it tells.
pub(super) struct FaultyConnection<S> {
    inner: connection::Connection<S>,
    pub(super) peer: SocketAddr,
    local: Option<SocketAddr>,
    /// The faults of the listener, and whether they have happened often enough.
    faults: Rc<RefCell<TransportFaults>>,
    /// A fault has it dropped.
    is_to_be_dropped: bool,
    /// Which of the wrong digests this connection has had, by their place among the faults.
    had_wrong: Vec<usize>,
    /// PDUs sent in the full feature phase; `None` before it.
    sent: Option<u64>,
    observer: Rc<NoticeObserver>,
}

impl FaultyConnection<TcpStream> {
    pub(super) fn new(
        stream: TcpStream,
        peer: SocketAddr,
        faults: Rc<RefCell<TransportFaults>>,
        observer: Rc<NoticeObserver>,
    ) -> io::Result<Self> {
        // Answers go out in one write each burst; waiting for more to send would only delay them.
        stream.set_nodelay(true)?;
        set_socket_keepalive(&stream, true)?;
        set_tcp_keepidle(&stream, KEEPALIVE)?;
        let endpoints = Endpoints::of(&stream);
        let local = stream.local_addr().ok();
        Ok(Self::over(stream, endpoints, peer, local, faults, observer))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> FaultyConnection<S> {
    /// Takes a stream that has no address of either end, such as a local socket.
    pub(super) fn over_local(stream: S, observer: Rc<NoticeObserver>) -> Self {
        let nowhere = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
        Self::over(
            stream,
            None,
            nowhere,
            Some(nowhere),
            Rc::default(),
            observer,
        )
    }

    fn over(
        stream: S,
        endpoints: Option<Endpoints>,
        peer: SocketAddr,
        local: Option<SocketAddr>,
        faults: Rc<RefCell<TransportFaults>>,
        observer: Rc<NoticeObserver>,
    ) -> Self {
        let inner = connection::Connection::to_initiator(stream, LOGIN_DATA_SEGMENT_LENGTH)
            .between(endpoints);
        Self {
            inner,
            peer,
            local,
            faults,
            is_to_be_dropped: false,
            had_wrong: Vec::new(),
            sent: None,
            observer,
        }
    }

    /// Returns the address that the initiator connected to; none when the system did not tell.
    pub(super) const fn local_address(&self) -> Option<SocketAddr> {
        self.local
    }

    /// Uses what the login settled, from the next PDU on and in both directions.
    pub(super) fn begin_full_feature_phase(&mut self, parameters: &OperationalParameters) {
        self.inner.begin_full_feature_phase(parameters);
        self.sent = Some(0);
        self.note_sent();
    }

    /// Returns whether more may be sent before what waits has to be written.
    pub(super) fn has_room(&self) -> bool {
        self.inner.has_room()
    }

    /// Returns whether nothing has come of a PDU that is not whole.
    pub(super) fn has_received_nothing(&self) -> bool {
        self.inner.received().is_empty()
    }

    /// Returns whether the connection is to be dropped as a fault demands.
    pub(super) fn is_to_be_dropped(&self) -> bool {
        self.is_to_be_dropped
    }

    /// Takes note of a fault that comes behind the PDUs sent so far.
    fn note_sent(&mut self) {
        if let Some(drop_after) = &mut self.faults.borrow_mut().drop_after
            && self.sent == Some(drop_after.what)
        {
            self.is_to_be_dropped = drop_after.take().is_some();
        }
    }

    fn is_stalled(&self) -> bool {
        let stall_after = self.faults.borrow().stall_after;
        matches!((self.sent, stall_after), (Some(sent), Some(limit)) if sent >= limit)
    }

    /// Queues a PDU, its data not copied when it is long; [`FaultyConnection::poll_transfer`] writes it.
    pub(super) fn send(&mut self, pdu: &Pdu) -> Result<(), EncodeError> {
        if self.is_to_be_dropped || self.is_stalled() {
            return Ok(());
        }
        let wrong = self.take_wrong_digest(pdu);
        let peer = self.peer;
        let observe = |passing: PduOnWire<'_>| (self.observer)(Notice::Pdu { peer, passing });
        match wrong {
            None => self.inner.send(pdu, &observe)?,
            Some(wrong) => {
                let mut parts: EncodedParts = self.inner.encoder().encode_parts(pdu)?;
                let digest = match wrong {
                    DigestKind::Header => &mut parts.header,
                    DigestKind::Data => &mut parts.trailer,
                };
                *digest = with_last_byte_wrong(digest);
                self.inner.send_parts(pdu, parts, &observe);
            }
        }
        self.sent = self.sent.map(|sent| sent.saturating_add(1));
        self.note_sent();
        Ok(())
    }

    /// Takes the next PDU from what was received; `None` when more has to come.
    pub(super) fn next_pdu(&mut self) -> Result<Option<Pdu>, MalformedPdu> {
        const HEADER_LENGTH: usize = 48;
        let header: Option<[u8; HEADER_LENGTH]> = self.inner.received().first_chunk().copied();
        let peer = self.peer;
        let observe = |passing: PduOnWire<'_>| (self.observer)(Notice::Pdu { peer, passing });
        match self.inner.decode(&observe) {
            Ok(pdu) => Ok(pdu),
            Err(error) => Err(MalformedPdu {
                header: header.map_or_else(Bytes::new, |header| Bytes::copy_from_slice(&header)),
                error,
            }),
        }
    }

    /// Waits for the next PDU while it writes what is queued.
    pub(super) async fn receive(&mut self) -> Result<Pdu, ServedConnectionError> {
        loop {
            let next = self.next_pdu().map_err(|malformed| malformed.error);
            if let Some(pdu) = next? {
                return Ok(pdu);
            }
            poll_fn(|context| self.poll_transfer(context, true)).await?;
        }
    }

    /// Writes what is queued, tells the initiator that this is all, and waits a little for it to close.
    pub(super) async fn close(self) {
        let _ = timeout(LINGER, self.inner.close()).await;
    }

    /// Reads or writes what can be now; reads only when it `listens`.
    pub(super) fn poll_transfer(
        &mut self,
        context: &mut Context<'_>,
        listens: bool,
    ) -> Poll<Result<(), ServedConnectionError>> {
        let transferred = self.inner.poll_transfer(context, listens);
        transferred.map(|result| result.map_err(ServedConnectionError::from))
    }

    /// Returns which digest of a PDU that is about to be sent has to be wrong, once.
    fn take_wrong_digest(&mut self, pdu: &Pdu) -> Option<DigestKind> {
        let sent = self.sent?;
        let encoder = self.inner.encoder();
        let has_data = pdu.data().is_some_and(|data| !data.is_empty());
        let (header, data) = (encoder.header_digest, encoder.data_digest && has_data);
        let mut faults = self.faults.borrow_mut();
        let wrong = faults.wrong_digests.iter_mut().enumerate();
        let mut due = wrong.filter(|(place, wrong)| {
            let has_digest = match wrong.what.digest {
                DigestKind::Header => header,
                DigestKind::Data => data,
            };
            has_digest && sent >= wrong.what.after && !self.had_wrong.contains(place)
        });
        let (place, wrong) = due.next()?;
        self.had_wrong.push(place);
        wrong.take().map(|wrong| wrong.digest)
    }
}

fn with_last_byte_wrong(bytes: &[u8]) -> Bytes {
    let mut wrong = BytesMut::from(bytes);
    if let Some(last) = wrong.last_mut() {
        *last ^= 0xff;
    }
    wrong.freeze()
}
