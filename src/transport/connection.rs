//! A connection that carries PDUs over any byte stream: framing, digests, back-pressure. Used by both roles.
//!
//! User data is copied by neither direction: a data segment to be sent stays where its owner has it until the system takes it,
//! and one that came is a part of the buffer that it was read into.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io::IoSlice;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use super::{ConnectionError, Direction, Endpoints, NoPdu, PduOnWire};
use crate::iscsi::buffers::Buffers;
use crate::iscsi::codec::{
    CodecError, Decoder, EncodeError, EncodedParts, Encoder, MalformedFrame, ReceivedPdu,
};
use crate::iscsi::operational::{Digest, OperationalParameters};
use crate::iscsi::pdu::{Opcode, Pdu};

/// How much is read at once, in the login and after it, until longer PDUs come. A listener has many logins under way.
const LOGIN_READ_SIZE: usize = 16 * 1024;
const READ_SIZE: usize = 64 * 1024;

/// What a buffer holds beside a data segment: the headers of some PDUs. So blocks of a power of two fill a buffer but for
/// that little, which is all that is moved to the next one.
const HEADROOM: usize = 4096;

/// How many buffers are remembered whose data is on its way to its reader, and how many where data is copied at once into the
/// medium; a listener has many connections.
const BUFFERS_OF_A_TARGET: usize = 16;
const BUFFERS_OF_AN_INITIATOR: usize = 2;

/// How much may wait to be sent before no more is taken from the session, and nothing more is read (back-pressure).
const MAX_UNSENT: usize = 2 * 1024 * 1024;

/// Data up to this length is copied behind its header: one buffer is cheaper than three.
const SMALL_DATA: usize = 4096;

/// The most buffers of one write; the system takes up to 1024.
const MAX_BUFFERS: usize = 64;

/// The most that is kept of what a peer sent that does not speak iSCSI.
const FIRST_BYTES: usize = 32;

/// A connection with what was received but not yet decoded, and what is not yet written.
#[derive(Debug)]
pub(crate) struct Connection<S> {
    stream: S,
    decoder: Decoder,
    encoder: Encoder,
    received: BytesMut,
    read_size: usize,
    /// Those that were read into before.
    buffers: Buffers,
    unsent: VecDeque<Bytes>,
    unsent_length: usize,
    last_received: Option<Opcode>,
    endpoints: Option<Endpoints>,
    /// Whether no PDU has passed.
    is_new: bool,
    /// Whether the first bytes of the peer have yet to show that it is a target.
    expects_target: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Takes a stream to a target, whose login has not begun; a data segment may have `max_data_segment_length` bytes.
    pub(crate) fn to_target(stream: S, max_data_segment_length: u32) -> Self {
        Self {
            expects_target: true,
            buffers: Buffers::up_to(BUFFERS_OF_A_TARGET),
            ..Self::to_initiator(stream, max_data_segment_length)
        }
    }

    /// Takes a stream to an initiator, likewise.
    pub(crate) fn to_initiator(stream: S, max_data_segment_length: u32) -> Self {
        Self {
            stream,
            decoder: Decoder::new(max_data_segment_length),
            encoder: Encoder::new(),
            received: BytesMut::new(),
            read_size: LOGIN_READ_SIZE,
            buffers: Buffers::up_to(BUFFERS_OF_AN_INITIATOR),
            unsent: VecDeque::new(),
            unsent_length: 0,
            last_received: None,
            endpoints: None,
            is_new: true,
            expects_target: false,
        }
    }

    /// Has observers told between whom the connection is.
    pub(crate) const fn between(mut self, endpoints: Option<Endpoints>) -> Self {
        self.endpoints = endpoints;
        self
    }

    /// Uses the digests and the length that the login settled from the next PDU on, in both directions.
    pub(crate) fn begin_full_feature_phase(&mut self, parameters: &OperationalParameters) {
        let header = parameters.header_digest == Digest::Crc32c;
        let data = parameters.data_digest == Digest::Crc32c;
        (self.decoder.header_digest, self.decoder.data_digest) = (header, data);
        (self.encoder.header_digest, self.encoder.data_digest) = (header, data);
        self.decoder.max_data_segment_length = parameters.max_recv_data_segment_length;
        self.read_size = READ_SIZE;
    }

    /// Returns whether more may be queued before what waits has to be written.
    pub(crate) const fn has_room(&self) -> bool {
        self.unsent_length < MAX_UNSENT
    }

    /// Returns how PDUs are put on the wire.
    pub(crate) const fn encoder(&self) -> Encoder {
        self.encoder
    }

    /// Returns what was received and is not decoded yet.
    pub(crate) fn received(&self) -> &[u8] {
        &self.received
    }

    /// Returns whether all that was queued has been written.
    pub(crate) const fn is_flushed(&self) -> bool {
        self.unsent_length == 0
    }

    /// Returns the opcode of the last PDU that came; `None` before the first.
    pub(crate) const fn last_received(&self) -> Option<Opcode> {
        self.last_received
    }

    /// Queues a PDU, its data not copied when it is long, and tells `observe`; [`Connection::poll_transfer`] writes it.
    pub(crate) fn send(
        &mut self,
        pdu: &Pdu,
        observe: &impl Fn(PduOnWire<'_>),
    ) -> Result<(), EncodeError> {
        let length = pdu.data().map_or(0, Bytes::len);
        if length > SMALL_DATA {
            self.send_parts(pdu, self.encoder.encode_parts(pdu)?, observe);
            return Ok(());
        }
        let mut whole = BytesMut::with_capacity(64 + length);
        self.encoder.encode(pdu, &mut whole)?;
        let whole = whole.freeze();
        // Padding and data digest, which belong to data only.
        let padding = length.next_multiple_of(4).saturating_sub(length);
        let digest = if self.encoder.data_digest && length > 0 {
            4
        } else {
            0
        };
        let trailer = whole.len().saturating_sub(padding).saturating_sub(digest);
        let (rest, trailer) = whole.split_at_checked(trailer).unwrap_or_default();
        let header = rest.len().saturating_sub(length);
        let (header, data) = rest.split_at_checked(header).unwrap_or_default();
        self.tell(Direction::Sent, Ok(pdu), [header, data, trailer], observe);
        self.queue(whole);
        Ok(())
    }

    /// Queues a PDU that has been encoded by [`Connection::encoder`], and tells `observe`.
    pub(crate) fn send_parts(
        &mut self,
        pdu: &Pdu,
        parts: EncodedParts,
        observe: &impl Fn(PduOnWire<'_>),
    ) {
        let bytes: [&[u8]; 3] = [&parts.header, &parts.data, &parts.trailer];
        self.tell(Direction::Sent, Ok(pdu), bytes, observe);
        self.queue(parts.header);
        self.queue(parts.data);
        self.queue(parts.trailer);
    }

    fn tell(
        &mut self,
        direction: Direction,
        pdu: Result<&Pdu, NoPdu>,
        parts: [&[u8]; 3],
        observe: &impl Fn(PduOnWire<'_>),
    ) {
        observe(PduOnWire {
            direction,
            pdu,
            parts,
            endpoints: self.endpoints,
            is_first: std::mem::take(&mut self.is_new),
        });
    }

    /// Writes what is queued, tells the peer that this is all, and waits until it closes: the system would otherwise take back
    /// what is on its way as soon as more comes. The caller sets a limit to it.
    pub(crate) async fn close(mut self) -> Result<(), ConnectionError> {
        while !self.is_flushed() {
            poll_fn(|context| self.poll_transfer(context, false)).await?;
        }
        poll_fn(|context| Pin::new(&mut self.stream).poll_shutdown(context)).await?;
        loop {
            self.received.clear();
            poll_fn(|context| self.poll_read(context)).await?;
        }
    }

    /// Takes the next PDU from what was received, and tells `observe`; `None` when more has to come.
    pub(crate) fn next_pdu(
        &mut self,
        observe: &impl Fn(PduOnWire<'_>),
    ) -> Result<Option<Pdu>, ConnectionError> {
        if self.expects_target && !may_be_iscsi(&self.received) {
            let first = self.received.get(..FIRST_BYTES).unwrap_or(&self.received);
            let received = Bytes::copy_from_slice(first);
            let parts = [&received[..], &[], &[]];
            self.tell(Direction::Received, Err(NoPdu::NotIscsi), parts, observe);
            return Err(ConnectionError::NotIscsi { received });
        }
        Ok(self.decode(observe)?)
    }

    /// As [`Connection::next_pdu`], without regard to what the peer may be.
    pub(crate) fn decode(
        &mut self,
        observe: &impl Fn(PduOnWire<'_>),
    ) -> Result<Option<Pdu>, CodecError> {
        let ReceivedPdu { pdu, parts } = match self.decoder.decode_frame(&mut self.received) {
            Ok(Some(received)) => received,
            Ok(None) => return Ok(None),
            Err(MalformedFrame { error, bytes }) => {
                let no_pdu = NoPdu::Malformed(error);
                self.tell(
                    Direction::Received,
                    Err(no_pdu),
                    [&bytes, &[], &[]],
                    observe,
                );
                return Err(error);
            }
        };
        self.last_received = Some(pdu.opcode());
        // A ping comes when nothing else does.
        if matches!(pdu, Pdu::NopIn(_) | Pdu::NopOut(_)) {
            self.buffers.clear();
        }
        self.expects_target = false;
        self.read_size = self
            .read_size
            .max(parts.data.len().saturating_add(HEADROOM));
        let bytes: [&[u8]; 3] = [&parts.header, &parts.data, &parts.trailer];
        self.tell(Direction::Received, Ok(&pdu), bytes, observe);
        Ok(Some(pdu))
    }

    /// Waits for the next PDU while it writes what is queued. Can be cancelled: nothing is lost in either direction.
    pub(crate) async fn receive(
        &mut self,
        observe: &impl Fn(PduOnWire<'_>),
    ) -> Result<Pdu, ConnectionError> {
        loop {
            let listens = self.has_room();
            if listens && let Some(pdu) = self.next_pdu(observe)? {
                return Ok(pdu);
            }
            poll_fn(|context| self.poll_transfer(context, listens)).await?;
        }
    }

    /// Reads or writes what can be now, and waits for both at once: a peer may have to send before it receives. Reads
    /// first, when it `listens` at all: what the peer sent before it closed the connection counts before the error that
    /// it takes no more.
    pub(crate) fn poll_transfer(
        &mut self,
        context: &mut Context<'_>,
        listens: bool,
    ) -> Poll<Result<(), ConnectionError>> {
        if listens && let Poll::Ready(read) = self.poll_read(context) {
            // A peer that never stops sending is answered all the same. An error is met again when all has been read.
            let _ = self.poll_write(context);
            return Poll::Ready(read);
        }
        self.poll_write(context)
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ConnectionError>> {
        let length = self.received.len();
        // All of a PDU that has begun to come has to fit.
        let needed = match self.decoder.length(&self.received) {
            Some(begun) => begun,
            None if length == 0 => self.read_size / 2,
            None => 0,
        };
        let capacity = self.received.capacity();
        if length == capacity || capacity < needed {
            self.make_room(needed.max(self.read_size));
        }
        // What comes behind a long PDU would have to be moved into the next buffer.
        let most = match needed.saturating_sub(length) {
            rest @ 1.. if length > 0 && needed > LOGIN_READ_SIZE => rest,
            _ => usize::MAX,
        };
        let was_silent = self.last_received.is_none() && self.received.is_empty();
        let mut room = (&mut self.received).limit(most);
        let read = pin!(self.stream.read_buf(&mut room)).poll(context);
        read.map(|length| match length? {
            0 if was_silent => Err(ConnectionError::ClosedUnanswered),
            0 => Err(ConnectionError::Closed),
            _ => Ok(()),
        })
    }

    /// Moves what is not decoded yet into another buffer of so many bytes.
    fn make_room(&mut self, size: usize) {
        if self.received.is_empty() {
            self.buffers.lend(std::mem::take(&mut self.received));
            self.received = self.buffers.take(size);
            return;
        }
        let size = size.max(self.received.len().saturating_add(HEADROOM));
        let mut buffer = self.buffers.take(size);
        buffer.extend_from_slice(&self.received);
        let rest = std::mem::replace(&mut self.received, buffer);
        self.buffers.lend(rest);
    }

    /// Writes once; pending too when there is nothing to write.
    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ConnectionError>> {
        if self.unsent.is_empty() {
            return Poll::Pending;
        }
        let mut slices = [IoSlice::new(&[]); MAX_BUFFERS];
        let mut count = 0_usize;
        for (slice, bytes) in slices.iter_mut().zip(&self.unsent) {
            *slice = IoSlice::new(bytes);
            count = count.saturating_add(1);
        }
        let slices = slices.get(..count).unwrap_or_default();
        match Pin::new(&mut self.stream).poll_write_vectored(context, slices) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(0)) => Poll::Ready(Err(ConnectionError::Closed)),
            Poll::Ready(Ok(length)) => {
                self.written(length);
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error.into())),
        }
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
}

/// Returns whether a stream that begins so may carry PDUs: it begins with an opcode (RFC 7143 11.2.1.2), and what follows is
/// no text. Many services greet with a line of text as soon as they are connected to.
fn may_be_iscsi(received: &[u8]) -> bool {
    let is_text = |byte: &u8| matches!(byte, b'\r' | b'\n' | b' '..=b'~');
    match received {
        [] => true,
        [first, ..] if !matches!(first & 0x3f, 0..=6 | 0x10 | 0x20..=0x26 | 0x31 | 0x32 | 0x3f) => {
            false
        }
        [a, b, c, d, ..] => ![a, b, c, d].into_iter().all(is_text),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use tokio::io::duplex;

    use super::*;
    use crate::iscsi::ids::{DataSn, InitiatorTaskTag, Lun, StatSn, TargetTransferTag};
    use crate::iscsi::pdu::DataOut;

    fn data_out(data: Bytes) -> Pdu {
        Pdu::DataOut(DataOut {
            final_bit: true,
            lun: Lun::default(),
            initiator_task_tag: InitiatorTaskTag(1),
            target_transfer_tag: TargetTransferTag::RESERVED,
            exp_stat_sn: StatSn(2),
            data_sn: DataSn(0),
            buffer_offset: 0,
            data,
        })
    }

    #[test]
    fn data_to_be_sent_stays_where_its_owner_has_it() {
        let (stream, _peer) = duplex(64);
        let mut connection = Connection::to_target(stream, 8192);
        let data = Bytes::from(vec![7; 256 * 1024]);
        connection.send(&data_out(data.clone()), &|_| {}).unwrap();
        let queued: Vec<*const u8> = connection.unsent.iter().map(|part| part.as_ptr()).collect();
        assert!(queued.contains(&data.as_ptr()));
    }

    #[test]
    fn an_observer_sees_each_pdu_as_it_is_on_the_wire() {
        let endpoints = Endpoints {
            local: ([10, 0, 0, 1], 50000).into(),
            peer: ([10, 0, 0, 2], 3260).into(),
        };
        for length in [0, 1, 6, SMALL_DATA, SMALL_DATA + 1] {
            for digests in [false, true] {
                let pdu = data_out(Bytes::from(vec![7; length]));
                let (stream, peer) = duplex(64 * 1024);
                let mut sender = Connection::to_target(stream, 8192).between(Some(endpoints));
                let mut receiver = Connection::to_initiator(peer, 8192);
                for digest in [
                    &mut sender.encoder.header_digest,
                    &mut sender.encoder.data_digest,
                    &mut receiver.decoder.header_digest,
                    &mut receiver.decoder.data_digest,
                ] {
                    *digest = digests;
                }
                let mut expected = BytesMut::new();
                sender.encoder.encode(&pdu, &mut expected).unwrap();
                let seen: RefCell<Vec<(Direction, Vec<u8>, bool)>> = RefCell::default();
                let observe = |passing: PduOnWire<'_>| {
                    assert_eq!(passing.pdu, Ok(&pdu));
                    assert_eq!(passing.parts[1].len(), length);
                    let of = match passing.direction {
                        Direction::Sent => Some(endpoints),
                        Direction::Received => None,
                    };
                    assert_eq!(passing.endpoints, of);
                    let bytes = passing.parts.concat();
                    seen.borrow_mut()
                        .push((passing.direction, bytes, passing.is_first));
                };
                crate::transport::block_on_paused(async {
                    for _ in 0..2 {
                        sender.send(&pdu, &observe).unwrap();
                        while !sender.is_flushed() {
                            poll_fn(|context| sender.poll_transfer(context, false))
                                .await
                                .unwrap();
                        }
                        receiver.receive(&observe).await.unwrap();
                    }
                });
                let all = [
                    (Direction::Sent, expected.to_vec(), true),
                    (Direction::Received, expected.to_vec(), true),
                    (Direction::Sent, expected.to_vec(), false),
                    (Direction::Received, expected.to_vec(), false),
                ];
                assert_eq!(seen.take(), all, "{length} {digests}");
            }
        }
    }

    #[test]
    fn no_more_is_taken_while_so_much_is_unsent() {
        let (stream, _peer) = duplex(64);
        let mut connection = Connection::to_target(stream, 8192);
        let data = Bytes::from(vec![7; MAX_UNSENT / 2]);
        connection.send(&data_out(data.clone()), &|_| {}).unwrap();
        assert!(connection.has_room());
        connection.send(&data_out(data), &|_| {}).unwrap();
        assert!(!connection.has_room());
    }
}
