//! PDUs to bytes and back: framing, padding and CRC32C digests (RFC 7143 11.1 and 11.2).
//!
//! ```text
//! | BHS 48 | AHS 0..=1020 | header digest 4, if on | data segment | padding 0..=3 | data digest 4, if on and data |
//! ```
//!
//! The header digest covers BHS and AHS, the data digest data and padding; the low byte of a CRC goes first (11.2.3).
//! Reserved fields are sent as zero and ignored when received.

mod fields;
mod header;

#[cfg(test)]
pub(super) mod arbitrary;
#[cfg(test)]
mod golden;

use bytes::{BufMut, Bytes, BytesMut};

use self::header::{AdditionalHeaderSegments, BasicHeaderSegment};
use super::pdu::{Opcode, Pdu};

/// The largest DataSegmentLength that its three bytes can carry (RFC 7143 11.2.1.6).
pub const MAX_DATA_SEGMENT_LENGTH: u32 = 0x00ff_ffff;

const DIGEST_LENGTH: usize = 4;

/// Why received bytes are no PDU: the fault of the peer or of the network between.
///
/// After any of these the byte stream cannot be followed further; at ErrorRecoveryLevel 0 the session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The header digest does not match (RFC 7143 7.7).
    #[error("header digest error: expected {expected:#010x}, received {received:#010x}")]
    HeaderDigest {
        /// CRC32C of the header received.
        expected: u32,
        /// Digest that came with it.
        received: u32,
    },
    /// The data digest does not match (RFC 7143 7.8).
    #[error("data digest error: expected {expected:#010x}, received {received:#010x}")]
    DataDigest {
        /// CRC32C of the data received.
        expected: u32,
        /// Digest that came with it.
        received: u32,
    },
    /// The data segment is longer than the MaxRecvDataSegmentLength that was declared (RFC 7143 13.12).
    #[error("{opcode} PDU announces {received} bytes of data, more than the {limit} allowed")]
    DataSegmentTooLong {
        /// Opcode of the PDU.
        opcode: Opcode,
        /// Bytes announced.
        received: u32,
        /// Bytes allowed.
        limit: u32,
    },
    /// The opcode is not one of RFC 7143 11.2.1.2.
    #[error("unknown opcode {opcode}")]
    UnknownOpcode {
        /// Opcode received.
        opcode: Opcode,
    },
    /// The PDU has a data segment where the standard allows none.
    #[error("{opcode} PDU must have no data, received DataSegmentLength {received}")]
    UnexpectedData {
        /// Opcode of the PDU.
        opcode: Opcode,
        /// Bytes received.
        received: usize,
    },
    /// The PDU has an additional header segment where the standard allows none (RFC 7143 11.2.1.5).
    #[error("{opcode} PDU must have no AHS, received {received} bytes")]
    UnexpectedAhs {
        /// Opcode of the PDU.
        opcode: Opcode,
        /// Bytes received.
        received: usize,
    },
    /// An additional header segment runs past TotalAHSLength (RFC 7143 11.2.2).
    #[error("AHS needs {expected} bytes, TotalAHSLength leaves {received}")]
    TruncatedAhs {
        /// Bytes needed.
        expected: usize,
        /// Bytes there.
        received: usize,
    },
    /// An additional header segment is of unknown type, of a length that its type does not have, or there twice
    /// (RFC 7143 11.2.2).
    #[error("AHS of type {ahs_type:#04x} and length {length} is unknown, malformed or repeated")]
    MalformedAhs {
        /// AHSType received.
        ahs_type: u8,
        /// AHSLength received.
        length: u16,
    },
    /// CSG or NSG holds the reserved value (RFC 7143 11.12.3).
    #[error("login stage {received} is reserved")]
    ReservedStage {
        /// Two-bit code received.
        received: u8,
    },
    /// Both the overflow and the underflow bit are set (RFC 7143 11.4.1).
    #[error("both residual overflow and residual underflow are set")]
    ConflictingResidual,
}

/// Why a PDU cannot be put on the wire: the fault of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The data does not fit DataSegmentLength.
    #[error("{length} bytes of data do not fit a PDU, at most {MAX_DATA_SEGMENT_LENGTH} do")]
    DataTooLong {
        /// Bytes given.
        length: usize,
    },
    /// The extended CDB does not fit TotalAHSLength.
    #[error(
        "an AHS of {length} bytes does not fit a PDU, at most {} do",
        AdditionalHeaderSegments::MAX_LENGTH
    )]
    AhsTooLong {
        /// Bytes that the additional header segments would take.
        length: usize,
    },
}

/// Takes PDUs from a byte stream, in either direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoder {
    /// Whether HeaderDigest=CRC32C is in force.
    pub header_digest: bool,
    /// Whether DataDigest=CRC32C is in force.
    pub data_digest: bool,
    /// The largest data segment accepted, in bytes: the MaxRecvDataSegmentLength declared to the peer (RFC 7143 13.12).
    pub max_data_segment_length: u32,
}

impl Decoder {
    /// Returns a decoder without digests, as at the start of every connection.
    #[must_use]
    pub const fn new(max_data_segment_length: u32) -> Self {
        Self {
            header_digest: false,
            data_digest: false,
            max_data_segment_length,
        }
    }

    /// Takes the next PDU off the front of `input`; `None` when more bytes are needed.
    ///
    /// The data of the PDU shares the memory of `input`. Never waits for more than header, AHS and
    /// `max_data_segment_length` bytes.
    ///
    /// # Errors
    /// [`CodecError`] when the bytes are no PDU of RFC 7143; the stream cannot be followed further.
    pub fn decode(&mut self, input: &mut BytesMut) -> Result<Option<Pdu>, CodecError> {
        match self.decode_frame(input) {
            Ok(received) => Ok(received.map(|received| received.pdu)),
            Err(malformed) => Err(malformed.error),
        }
    }

    /// As [`Decoder::decode`], with the bytes that the PDU came in, which are not copied either.
    ///
    /// # Errors
    /// As [`Decoder::decode`], with the bytes that are no PDU.
    pub fn decode_frame(
        &mut self,
        input: &mut BytesMut,
    ) -> Result<Option<ReceivedPdu>, MalformedFrame> {
        let Some(bhs) = input
            .first_chunk()
            .copied()
            .map(BasicHeaderSegment::from_bytes)
        else {
            return Ok(None);
        };
        let header_length = BasicHeaderSegment::LENGTH.saturating_add(bhs.total_ahs_length());
        let header_end = header_length.saturating_add(digest_length(self.header_digest));
        let Some(header) = input.get(..header_end) else {
            return Ok(None);
        };
        if self.header_digest {
            let (expected, received) = digests(header);
            if expected != received {
                let error = CodecError::HeaderDigest { expected, received };
                return Err(MalformedFrame::new(error, header));
            }
        }
        let data_length = self
            .checked_data_segment_length(&bhs)
            .map_err(|error| MalformedFrame::new(error, header))?;
        let has_data_digest = self.data_digest && data_length > 0;
        let padded = data_length.next_multiple_of(4);
        let data_end = header_end.saturating_add(padded);
        let end = data_end.saturating_add(digest_length(has_data_digest));
        if input.len() < end {
            return Ok(None);
        }

        let mut frame = input.split_to(end).freeze();
        let whole = frame.clone();
        let malformed = |error| MalformedFrame {
            error,
            bytes: whole.clone(),
        };
        let trailer = frame.slice(header_end.saturating_add(data_length)..);
        let header = frame.split_to(header_end);
        if has_data_digest {
            let (expected, received) = digests(&frame);
            if expected != received {
                return Err(malformed(CodecError::DataDigest { expected, received }));
            }
        }
        frame.truncate(data_length);
        let ahs = header
            .get(BasicHeaderSegment::LENGTH..header_length)
            .unwrap_or_default();
        let pdu = fields::decode(&bhs, ahs, frame.clone()).map_err(malformed)?;
        Ok(Some(ReceivedPdu {
            pdu,
            parts: EncodedParts {
                header,
                data: frame,
                trailer,
            },
        }))
    }

    /// Returns the length of the PDU that `input` begins with; `None` where its BHS has not come whole, or is refused.
    pub(crate) fn length(&self, input: &[u8]) -> Option<usize> {
        let bhs = BasicHeaderSegment::from_bytes(*input.first_chunk()?);
        let data_length = self.checked_data_segment_length(&bhs).ok()?;
        let parts = [
            BasicHeaderSegment::LENGTH,
            bhs.total_ahs_length(),
            digest_length(self.header_digest),
            data_length.next_multiple_of(4),
            digest_length(self.data_digest && data_length > 0),
        ];
        Some(parts.into_iter().fold(0, usize::saturating_add))
    }

    fn checked_data_segment_length(&self, bhs: &BasicHeaderSegment) -> Result<usize, CodecError> {
        let length = bhs.data_segment_length();
        if length > self.max_data_segment_length {
            return Err(CodecError::DataSegmentTooLong {
                opcode: bhs.opcode(),
                received: length,
                limit: self.max_data_segment_length,
            });
        }
        Ok(usize::try_from(length).unwrap_or(usize::MAX))
    }
}

/// Bytes that came in the place of a PDU, and why they are none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MalformedFrame {
    /// Why.
    pub error: CodecError,
    /// The whole PDU with its digests; only up to the header digest where the header already is wrong.
    pub bytes: Bytes,
}

impl MalformedFrame {
    fn new(error: CodecError, bytes: &[u8]) -> Self {
        Self {
            error,
            bytes: Bytes::copy_from_slice(bytes),
        }
    }
}

/// A PDU and the bytes that it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedPdu {
    /// The PDU.
    pub pdu: Pdu,
    /// As it was on the wire.
    pub parts: EncodedParts,
}

/// Puts PDUs on the wire, in either direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Encoder {
    /// Whether HeaderDigest=CRC32C is in force.
    pub header_digest: bool,
    /// Whether DataDigest=CRC32C is in force.
    pub data_digest: bool,
}

impl Encoder {
    /// Returns an encoder without digests, as at the start of every connection.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            header_digest: false,
            data_digest: false,
        }
    }

    /// Appends the PDU to `output`, its data copied.
    ///
    /// # Errors
    /// [`EncodeError`] when the PDU does not fit its length fields; `output` is as before.
    pub fn encode(&self, pdu: &Pdu, output: &mut BytesMut) -> Result<(), EncodeError> {
        let data = pdu.data().map_or(&[][..], |data| data);
        self.write_header(pdu, output)?;
        output.put_slice(data);
        self.write_trailer(data, output);
        Ok(())
    }

    /// Returns the PDU in three parts to be written one after the other, its data not copied.
    ///
    /// # Errors
    /// [`EncodeError`] when the PDU does not fit its length fields.
    pub fn encode_parts(&self, pdu: &Pdu) -> Result<EncodedParts, EncodeError> {
        let mut header = BytesMut::with_capacity(BasicHeaderSegment::LENGTH + DIGEST_LENGTH);
        self.write_header(pdu, &mut header)?;
        let data = pdu.data().cloned().unwrap_or_default();
        let mut trailer = BytesMut::new();
        self.write_trailer(&data, &mut trailer);
        Ok(EncodedParts {
            header: header.freeze(),
            data,
            trailer: trailer.freeze(),
        })
    }

    fn write_header(&self, pdu: &Pdu, output: &mut BytesMut) -> Result<(), EncodeError> {
        let data_length = pdu.data().map_or(0, Bytes::len);
        let data_segment_length = u32::try_from(data_length)
            .ok()
            .filter(|length| *length <= MAX_DATA_SEGMENT_LENGTH)
            .ok_or(EncodeError::DataTooLong {
                length: data_length,
            })?;
        let ahs = AdditionalHeaderSegments::of(pdu).encode()?;
        let bhs = fields::encode(pdu)
            .lengths(ahs.len(), data_segment_length)
            .into_bytes();
        output.put_slice(&bhs);
        output.put_slice(&ahs);
        if self.header_digest {
            output.put_u32_le(crc32c::crc32c_append(crc32c::crc32c(&bhs), &ahs));
        }
        Ok(())
    }

    fn write_trailer(&self, data: &[u8], output: &mut BytesMut) {
        let padding: &[u8] = match data.len() % 4 {
            0 => &[],
            1 => &[0; 3],
            2 => &[0; 2],
            _ => &[0; 1],
        };
        output.put_slice(padding);
        if self.data_digest && !data.is_empty() {
            output.put_u32_le(crc32c::crc32c_append(crc32c::crc32c(data), padding));
        }
    }
}

/// A PDU on the wire in three parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedParts {
    /// BHS, AHS and header digest.
    pub header: Bytes,
    /// Data segment without padding.
    pub data: Bytes,
    /// Padding and data digest, at most 7 bytes.
    pub trailer: Bytes,
}

const fn digest_length(present: bool) -> usize {
    if present { DIGEST_LENGTH } else { 0 }
}

/// Returns the CRC32C of all but the last four bytes, and the digest that those four hold.
fn digests(bytes: &[u8]) -> (u32, u32) {
    match bytes.split_last_chunk() {
        Some((covered, digest)) => (crc32c::crc32c(covered), u32::from_le_bytes(*digest)),
        None => (0, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iscsi::ids::{CmdSn, DataSn, InitiatorTaskTag, Lun, StatSn, TargetTransferTag};
    use crate::iscsi::pdu::{DataOut, NopIn};
    use proptest::prelude::*;

    fn data_out(data: &[u8]) -> Pdu {
        Pdu::DataOut(DataOut {
            final_bit: true,
            lun: Lun::default(),
            initiator_task_tag: InitiatorTaskTag(1),
            target_transfer_tag: TargetTransferTag::RESERVED,
            exp_stat_sn: StatSn(2),
            data_sn: DataSn(3),
            buffer_offset: 0,
            data: Bytes::copy_from_slice(data),
        })
    }

    fn nop_in() -> Pdu {
        Pdu::NopIn(NopIn {
            lun: Lun::default(),
            initiator_task_tag: InitiatorTaskTag::RESERVED,
            target_transfer_tag: TargetTransferTag::RESERVED,
            stat_sn: StatSn(1),
            exp_cmd_sn: CmdSn(2),
            max_cmd_sn: CmdSn(3),
            data: Bytes::new(),
        })
    }

    fn encoded(encoder: Encoder, pdu: &Pdu) -> BytesMut {
        let mut output = BytesMut::new();
        encoder.encode(pdu, &mut output).unwrap();
        output
    }

    const BOTH: Encoder = Encoder {
        header_digest: true,
        data_digest: true,
    };

    fn decoder(encoder: Encoder) -> Decoder {
        Decoder {
            header_digest: encoder.header_digest,
            data_digest: encoder.data_digest,
            max_data_segment_length: 8192,
        }
    }

    #[test]
    fn a_digest_goes_low_byte_first_and_covers_the_padding() {
        // RFC 7143 A.4: 32 bytes of zeros give aa 36 91 8a.
        let bytes = encoded(BOTH, &data_out(&[0; 32]));
        assert_eq!(bytes[48 + 4 + 32..], [0xaa, 0x36, 0x91, 0x8a]);
        let padded = encoded(BOTH, &data_out(&[0; 29]));
        assert_eq!(padded[48 + 4 + 29..], [0, 0, 0, 0xaa, 0x36, 0x91, 0x8a]);
    }

    #[test]
    fn the_header_digest_follows_the_header() {
        let bytes = encoded(BOTH, &data_out(b"abcd"));
        assert_eq!(bytes[48..52], crc32c::crc32c(&bytes[..48]).to_le_bytes());
        assert_eq!(bytes.len(), 48 + 4 + 4 + 4);
    }

    #[test]
    fn a_pdu_without_data_has_no_data_digest() {
        assert_eq!(encoded(BOTH, &nop_in()).len(), 48 + 4);
    }

    #[test]
    fn a_damaged_header_is_a_header_digest_error_even_when_its_length_is_hit() {
        for byte in 0..48 {
            let mut bytes = encoded(BOTH, &data_out(b"abcd"));
            if byte == 4 {
                continue; // TotalAHSLength moves the digest: the decoder waits for more bytes.
            }
            bytes[byte] ^= 0x80;
            assert!(
                matches!(
                    decoder(BOTH).decode(&mut bytes),
                    Err(CodecError::HeaderDigest { .. })
                ),
                "byte {byte}"
            );
        }
    }

    #[test]
    fn damaged_data_or_padding_is_a_data_digest_error() {
        for byte in 52..52 + 4 + 4 {
            let mut bytes = encoded(BOTH, &data_out(b"abc"));
            bytes[byte] ^= 1;
            assert!(matches!(
                decoder(BOTH).decode(&mut bytes),
                Err(CodecError::DataDigest { .. })
            ));
        }
    }

    #[test]
    fn too_long_a_data_segment_is_refused_before_it_has_come() {
        let mut bytes = encoded(Encoder::new(), &data_out(&[7; 9]));
        bytes.truncate(48);
        assert_eq!(
            Decoder::new(8).decode(&mut bytes),
            Err(CodecError::DataSegmentTooLong {
                opcode: Opcode(5),
                received: 9,
                limit: 8
            })
        );
        assert_eq!(Decoder::new(9).decode(&mut bytes), Ok(None));
    }

    #[test]
    fn data_beyond_the_length_field_is_refused_and_nothing_is_written() {
        let length = MAX_DATA_SEGMENT_LENGTH as usize + 1;
        let pdu = data_out(&vec![0; length]);
        let mut output = BytesMut::new();
        assert_eq!(
            Encoder::new().encode(&pdu, &mut output),
            Err(EncodeError::DataTooLong { length })
        );
        assert!(output.is_empty());
    }

    #[test]
    fn an_unknown_opcode_is_refused() {
        let mut bytes = BytesMut::from(&[0x3e; 48][..]);
        bytes[4..8].fill(0);
        assert_eq!(
            Decoder::new(0).decode(&mut bytes),
            Err(CodecError::UnknownOpcode {
                opcode: Opcode(0x3e)
            })
        );
    }

    #[test]
    fn an_ahs_or_data_where_none_may_be_is_refused() {
        let mut bytes = BytesMut::from(&[0; 52][..]);
        bytes[0] = 0x20;
        bytes[4] = 1;
        assert_eq!(
            Decoder::new(8).decode(&mut bytes),
            Err(CodecError::UnexpectedAhs {
                opcode: Opcode(0x20),
                received: 4
            })
        );
        let mut bytes = BytesMut::from(&[0; 52][..]);
        bytes[0] = 0x31;
        bytes[7] = 2;
        assert_eq!(
            Decoder::new(8).decode(&mut bytes),
            Err(CodecError::UnexpectedData {
                opcode: Opcode(0x31),
                received: 2
            })
        );
    }

    #[test]
    fn the_data_shares_the_memory_of_the_input() {
        let mut bytes = encoded(Encoder::new(), &data_out(b"payload"));
        let place = bytes[48..].as_ptr();
        let pdu = Decoder::new(8192).decode(&mut bytes).unwrap().unwrap();
        assert_eq!(pdu.data().unwrap().as_ptr(), place);
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(
            pdus in prop::collection::vec(arbitrary::pdu(), 1..6),
            header_digest: bool,
            data_digest: bool,
            step in 1usize..200,
        ) {
            let encoder = Encoder { header_digest, data_digest };
            let mut stream = BytesMut::new();
            for pdu in &pdus {
                encoder.encode(pdu, &mut stream).unwrap();
            }
            let mut decoder = decoder(encoder);
            let mut input = BytesMut::new();
            let mut received = Vec::new();
            for part in stream.chunks(step) {
                input.extend_from_slice(part);
                while let Some(pdu) = decoder.decode(&mut input).unwrap() {
                    received.push(pdu);
                }
            }
            prop_assert_eq!(received, pdus);
            prop_assert!(input.is_empty());
        }

        #[test]
        fn the_parts_are_the_whole(pdu in arbitrary::pdu(), header_digest: bool, data_digest: bool) {
            let encoder = Encoder { header_digest, data_digest };
            let parts = encoder.encode_parts(&pdu).unwrap();
            let joined = [parts.header, parts.data, parts.trailer].concat();
            prop_assert_eq!(&joined[..], &encoded(encoder, &pdu)[..]);
        }

        #[test]
        fn any_bytes_are_an_error_or_pdus_and_never_a_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..400),
            opcode in any::<u8>(),
            header_digest: bool,
        ) {
            let mut input = BytesMut::from(&bytes[..]);
            if let Some([first, _, _, _, ahs, high, middle, _]) = input.first_chunk_mut() {
                *first = opcode;
                *ahs &= 0x0f;
                (*high, *middle) = (0, 0);
            }
            let mut decoder = Decoder { header_digest, data_digest: false, max_data_segment_length: 256 };
            while let Ok(Some(_)) = decoder.decode(&mut input) {}
        }

        #[test]
        fn what_is_decoded_is_encoded_to_the_same_pdu(
            mut bytes in prop::collection::vec(any::<u8>(), 48),
            opcode in prop::sample::select(&[
                0u8, 1, 2, 3, 4, 5, 6, 0x10, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x31, 0x32, 0x3f,
            ][..]),
        ) {
            bytes[0] = bytes[0] & 0xc0 | opcode;
            bytes[4..8].fill(0);
            if let Ok(pdu) = Decoder::new(0).decode(&mut BytesMut::from(&bytes[..])) {
                let pdu = pdu.unwrap();
                let again = Decoder::new(0).decode(&mut encoded(Encoder::new(), &pdu));
                prop_assert_eq!(again, Ok(Some(pdu)));
            }
        }
    }
}
