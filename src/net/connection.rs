//! One TCP connection that carries PDUs.

use std::io;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{ConnectionError, Step};
use crate::iscsi::codec::{Decoder, Encoder};
use crate::iscsi::pdu::Pdu;

/// How much is read from the socket at once.
const READ_SIZE: usize = 64 * 1024;

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

    /// Puts a PDU behind those that the next [`Connection::flush`] sends.
    pub(super) fn queue(&mut self, pdu: &Pdu) -> Result<(), ConnectionError> {
        (self.observe)(Step::Sent(pdu));
        Ok(self.encoder.encode(pdu, &mut self.to_send)?)
    }

    /// Sends what is queued. Can be cancelled: what is not sent yet stays queued.
    pub(super) async fn flush(&mut self) -> Result<(), ConnectionError> {
        while !self.to_send.is_empty() {
            if self.stream.write_buf(&mut self.to_send).await? == 0 {
                return Err(ConnectionError::Closed);
            }
        }
        Ok(())
    }

    /// Returns the next PDU. Can be cancelled: nothing that was received is lost.
    pub(super) async fn receive(&mut self) -> Result<Pdu, ConnectionError> {
        loop {
            if let Some(pdu) = self.decoder.decode(&mut self.received)? {
                (self.observe)(Step::Received(&pdu));
                return Ok(pdu);
            }
            self.received.reserve(READ_SIZE);
            if self.stream.read_buf(&mut self.received).await? == 0 {
                return Err(ConnectionError::Closed);
            }
        }
    }
}
