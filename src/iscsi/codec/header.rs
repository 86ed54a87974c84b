//! Header segments as bytes: the Basic Header Segment by offset, the Additional Header Segments by type.

use bytes::{BufMut, Bytes, BytesMut};

use super::{CodecError, EncodeError};
use crate::iscsi::pdu::{Opcode, Pdu};

/// The 48 bytes that start every PDU (RFC 7143 11.2.1).
///
/// An offset is a constant that the compiler checks, so that no access can miss the segment.
#[derive(Clone, Copy)]
pub(super) struct BasicHeaderSegment([u8; Self::LENGTH]);

impl BasicHeaderSegment {
    pub(super) const LENGTH: usize = 48;

    pub(super) const fn new(opcode: Opcode) -> Self {
        let mut bytes = [0; Self::LENGTH];
        bytes[0] = opcode.0;
        Self(bytes)
    }

    pub(super) const fn from_bytes(bytes: [u8; Self::LENGTH]) -> Self {
        Self(bytes)
    }

    pub(super) const fn into_bytes(self) -> [u8; Self::LENGTH] {
        self.0
    }

    /// Returns the opcode without the I bit (11.2.1.2).
    pub(super) const fn opcode(&self) -> Opcode {
        Opcode(self.0[0] & 0x3f)
    }

    /// Returns TotalAHSLength in bytes, at most 1020 (11.2.1.5).
    pub(super) fn total_ahs_length(&self) -> usize {
        usize::from(self.u8_at::<4>()).saturating_mul(4)
    }

    /// Returns DataSegmentLength in bytes (11.2.1.6).
    pub(super) fn data_segment_length(&self) -> u32 {
        self.u32_at::<4>() & 0x00ff_ffff
    }

    /// Sets TotalAHSLength and DataSegmentLength from lengths in bytes that are known to fit.
    pub(super) fn lengths(self, ahs: usize, data: u32) -> Self {
        let words = u8::try_from(ahs.div_ceil(4)).unwrap_or(u8::MAX);
        self.set_u32::<4>(u32::from(words) << 24 | data)
    }

    /// Returns the `N` bytes from `OFFSET` on.
    pub(super) fn array_at<const OFFSET: usize, const N: usize>(&self) -> [u8; N] {
        const { assert!(OFFSET + N <= Self::LENGTH) }
        let mut field = [0; N];
        field
            .iter_mut()
            .zip(self.0.iter().skip(OFFSET))
            .for_each(|(to, from)| *to = *from);
        field
    }

    pub(super) fn u8_at<const OFFSET: usize>(&self) -> u8 {
        u8::from_be_bytes(self.array_at::<OFFSET, 1>())
    }

    pub(super) fn u16_at<const OFFSET: usize>(&self) -> u16 {
        u16::from_be_bytes(self.array_at::<OFFSET, 2>())
    }

    pub(super) fn u32_at<const OFFSET: usize>(&self) -> u32 {
        u32::from_be_bytes(self.array_at::<OFFSET, 4>())
    }

    /// Returns the header with `field` in place from `OFFSET` on.
    pub(super) fn set<const OFFSET: usize, const N: usize>(mut self, field: [u8; N]) -> Self {
        const { assert!(OFFSET + N <= Self::LENGTH) }
        self.0
            .iter_mut()
            .skip(OFFSET)
            .zip(field)
            .for_each(|(to, from)| *to = from);
        self
    }

    pub(super) fn set_u8<const OFFSET: usize>(self, field: u8) -> Self {
        self.set::<OFFSET, 1>([field])
    }

    pub(super) fn set_u16<const OFFSET: usize>(self, field: u16) -> Self {
        self.set::<OFFSET, 2>(field.to_be_bytes())
    }

    pub(super) fn set_u32<const OFFSET: usize>(self, field: u32) -> Self {
        self.set::<OFFSET, 4>(field.to_be_bytes())
    }
}

/// The Additional Header Segments of a SCSI Command (RFC 7143 11.2.2).
#[derive(Default)]
pub(super) struct AdditionalHeaderSegments {
    /// The CDB from its 17th byte on; empty without the segment (11.2.2.3).
    pub(super) extended_cdb: Bytes,
    /// Bidirectional Read Expected Data Transfer Length (11.2.2.4).
    pub(super) bidirectional_read: Option<u32>,
}

impl AdditionalHeaderSegments {
    /// The most that TotalAHSLength can announce, in bytes.
    pub(super) const MAX_LENGTH: usize = 255 * 4;

    const EXTENDED_CDB: u8 = 1;
    const BIDIRECTIONAL_READ: u8 = 2;
    const BIDIRECTIONAL_READ_LENGTH: u16 = 5;

    pub(super) fn of(pdu: &Pdu) -> Self {
        match pdu {
            Pdu::ScsiCommand(command) => Self {
                extended_cdb: command.extended_cdb.clone(),
                bidirectional_read: command.bidirectional_read_expected_data_transfer_length,
            },
            _ => Self::default(),
        }
    }

    pub(super) fn encode(&self) -> Result<Bytes, EncodeError> {
        let mut output = BytesMut::new();
        if !self.extended_cdb.is_empty() {
            // AHSLength counts the reserved byte before the CDB.
            let length = self.extended_cdb.len().saturating_add(1);
            let too_long = EncodeError::AhsTooLong {
                length: length.saturating_add(3),
            };
            output.put_u16(u16::try_from(length).map_err(|_| too_long)?);
            output.put_u8(Self::EXTENDED_CDB);
            output.put_u8(0);
            output.put_slice(&self.extended_cdb);
            output.put_bytes(0, padding(output.len()));
        }
        if let Some(length) = self.bidirectional_read {
            output.put_u16(Self::BIDIRECTIONAL_READ_LENGTH);
            output.put_u8(Self::BIDIRECTIONAL_READ);
            output.put_u8(0);
            output.put_u32(length);
        }
        if output.len() > Self::MAX_LENGTH {
            return Err(EncodeError::AhsTooLong {
                length: output.len(),
            });
        }
        Ok(output.freeze())
    }

    pub(super) fn decode(mut input: &[u8]) -> Result<Self, CodecError> {
        let mut segments = Self::default();
        while !input.is_empty() {
            let [high, low, ahs_type] = take_array(&mut input)?;
            let length = u16::from_be_bytes([high, low]);
            let content = take(&mut input, usize::from(length))?;
            take(&mut input, padding(usize::from(length).saturating_add(3)))?;
            segments
                .add(ahs_type & 0x3f, length, content)
                .ok_or(CodecError::MalformedAhs { ahs_type, length })?;
        }
        Ok(segments)
    }

    /// Keeps one segment; `None` when it is of no known type, of the wrong length, or there already.
    fn add(&mut self, code: u8, length: u16, content: &[u8]) -> Option<()> {
        match (code, content) {
            (Self::EXTENDED_CDB, [_reserved, cdb @ ..])
                if !cdb.is_empty() && self.extended_cdb.is_empty() =>
            {
                self.extended_cdb = Bytes::copy_from_slice(cdb);
                Some(())
            }
            (Self::BIDIRECTIONAL_READ, [_reserved, a, b, c, d])
                if length == Self::BIDIRECTIONAL_READ_LENGTH
                    && self.bidirectional_read.is_none() =>
            {
                self.bidirectional_read = Some(u32::from_be_bytes([*a, *b, *c, *d]));
                Some(())
            }
            _ => None,
        }
    }
}

fn padding(length: usize) -> usize {
    length.next_multiple_of(4).saturating_sub(length)
}

fn take<'a>(input: &mut &'a [u8], length: usize) -> Result<&'a [u8], CodecError> {
    let truncated = CodecError::TruncatedAhs {
        expected: length,
        received: input.len(),
    };
    let (taken, rest) = input.split_at_checked(length).ok_or(truncated)?;
    *input = rest;
    Ok(taken)
}

fn take_array<const N: usize>(input: &mut &[u8]) -> Result<[u8; N], CodecError> {
    let truncated = CodecError::TruncatedAhs {
        expected: N,
        received: input.len(),
    };
    let (taken, rest) = input.split_first_chunk().ok_or(truncated)?;
    *input = rest;
    Ok(*taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments(extended_cdb: &[u8], read: Option<u32>) -> AdditionalHeaderSegments {
        AdditionalHeaderSegments {
            extended_cdb: Bytes::copy_from_slice(extended_cdb),
            bidirectional_read: read,
        }
    }

    #[test]
    fn an_extended_cdb_counts_its_reserved_byte_and_is_padded() {
        let bytes = segments(&[0xaa, 0xbb], Some(0x0102_0304)).encode().unwrap();
        assert_eq!(
            bytes[..],
            [0, 3, 1, 0, 0xaa, 0xbb, 0, 0, 0, 5, 2, 0, 1, 2, 3, 4] // CDBLength 18 - 15
        );
        let decoded = AdditionalHeaderSegments::decode(&bytes).unwrap();
        assert_eq!(decoded.extended_cdb[..], [0xaa, 0xbb]);
        assert_eq!(decoded.bidirectional_read, Some(0x0102_0304));
    }

    #[test]
    fn an_ahs_that_does_not_fit_its_length_field_is_refused() {
        assert!(segments(&[1; 1016], None).encode().is_ok());
        assert_eq!(
            segments(&[1; 1017], None).encode().err(),
            Some(EncodeError::AhsTooLong { length: 1024 })
        );
        assert!(segments(&[1; 70_000], None).encode().is_err());
    }

    #[test]
    fn an_ahs_past_the_end_is_truncated() {
        assert_eq!(
            AdditionalHeaderSegments::decode(&[0, 9, 1, 0]).err(),
            Some(CodecError::TruncatedAhs {
                expected: 9,
                received: 1
            })
        );
        assert_eq!(
            AdditionalHeaderSegments::decode(&[0, 2]).err(),
            Some(CodecError::TruncatedAhs {
                expected: 3,
                received: 2
            })
        );
    }

    #[test]
    fn unknown_wrongly_sized_and_repeated_segments_are_refused() {
        for bytes in [
            &[0, 1, 3, 0][..],
            &[0, 1, 1, 0],
            &[0, 6, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            &[0, 5, 2, 0, 0, 0, 0, 1, 0, 5, 2, 0, 0, 0, 0, 1],
        ] {
            assert!(
                matches!(
                    AdditionalHeaderSegments::decode(bytes),
                    Err(CodecError::MalformedAhs { .. })
                ),
                "{bytes:x?}"
            );
        }
    }
}
