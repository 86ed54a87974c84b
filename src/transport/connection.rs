//! One TCP connection that carries PDUs.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::task::{Context, Poll};

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{ConnectionError, Step};
use crate::iscsi::codec::{Decoder, Encoder};
use crate::iscsi::pdu::Pdu;

/// How much is read from the socket at once.
const READ_SIZE: usize = 64 * 1024;

/// How much may wait to be sent before the target is no longer listened to: more than any flight of commands takes.
const MAX_UNSENT: usize = 1024 * 1024;

/// A connection with what was received but not yet decoded, and what is not yet written.
pub(super) struct Connection<'a> {
    stream: TcpStream,
    decoder: Decoder,
    encoder: Encoder,
    received: BytesMut,
    to_send: BytesMut,
    observe: &'a dyn Fn(Step<'_>),
}

impl<'a> Connection<'a> {
    pub(super) fn new(
        stream: TcpStream,
        decoder: Decoder,
        observe: &'a dyn Fn(Step<'_>),
    ) -> io::Result<Self> {
        // A flight goes out in one write; waiting for more to send would only delay it.
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            decoder,
            encoder: Encoder::new(),
            received: BytesMut::new(),
            to_send: BytesMut::new(),
            observe,
        })
    }

    /// Uses the digests from the next PDU on, in both directions.
    pub(super) fn use_digests(&mut self, header: bool, data: bool) {
        self.decoder.header_digest = header;
        self.decoder.data_digest = data;
        self.encoder.header_digest = header;
        self.encoder.data_digest = data;
    }

    /// Queues a PDU; [`Connection::receive`] sends it.
    pub(super) fn queue(&mut self, pdu: &Pdu) -> Result<(), ConnectionError> {
        (self.observe)(Step::Sent(pdu));
        Ok(self.encoder.encode(pdu, &mut self.to_send)?)
    }

    /// Sends what is queued while it waits for the next PDU. Can be cancelled: nothing is lost in either direction.
    pub(super) async fn receive(&mut self) -> Result<Pdu, ConnectionError> {
        loop {
            // Whoever takes nothing in is not listened to, or what it is answered would grow without bound.
            let listens = self.to_send.len() < MAX_UNSENT;
            if listens && let Some(pdu) = self.decoder.decode(&mut self.received)? {
                (self.observe)(Step::Received(&pdu));
                return Ok(pdu);
            }
            poll_fn(|context| self.poll_transfer(context, listens)).await?;
        }
    }

    /// Reads or writes what can be now. Reads first: what the target said before it closed the connection is worth more
    /// than the news that it takes no more. Waits for both at once: a target may have to be heard before it listens.
    fn poll_transfer(
        &mut self,
        context: &mut Context<'_>,
        listens: bool,
    ) -> Poll<Result<(), ConnectionError>> {
        if listens {
            self.received.reserve(READ_SIZE);
            let read = pin!(self.stream.read_buf(&mut self.received)).poll(context);
            if let Poll::Ready(length) = read {
                return Poll::Ready(match length? {
                    0 => Err(ConnectionError::Closed),
                    _ => Ok(()),
                });
            }
        }
        if self.to_send.is_empty() {
            return Poll::Pending;
        }
        let written = pin!(self.stream.write_buf(&mut self.to_send)).poll(context);
        written.map(|length| length.map(|_| ()).map_err(ConnectionError::Io))
    }
}
