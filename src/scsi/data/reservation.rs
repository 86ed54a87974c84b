//! The parameter data of PERSISTENT RESERVE IN and OUT (SPC-4 6.15, 6.16).

use crate::scsi::DecodeError;
use crate::scsi::reader::Reader;

/// READ KEYS: the keys that are registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredKeys {
    /// PRGENERATION: counts the changes.
    pub generation: u32,
    /// The keys, one for each registered I_T nexus, as far as they came.
    pub keys: Vec<u64>,
}

impl RegisteredKeys {
    /// Returns the parameter data.
    pub fn encode(&self) -> Vec<u8> {
        let keys = self.keys.iter().flat_map(|key| key.to_be_bytes());
        with_header(self.generation, keys.collect())
    }

    /// Decodes the parameter data.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] when the 8-byte header is not whole.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (generation, mut body) = header("READ KEYS parameter data", bytes)?;
        let mut keys = Vec::new();
        while let Ok(key) = body.u64() {
            keys.push(key);
        }
        Ok(Self { generation, keys })
    }
}

/// READ RESERVATION: the reservation that is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadReservation {
    /// PRGENERATION.
    pub generation: u32,
    /// The reservation, if there is one.
    pub held: Option<HeldReservation>,
}

/// A reservation that is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldReservation {
    /// RESERVATION KEY of the holder; 0 for the types that all registrants hold.
    pub key: u64,
    /// SCOPE: 0h is the logical unit.
    pub scope: u8,
    /// TYPE (SPC-4 table 60).
    pub reservation_type: u8,
}

impl ReadReservation {
    /// Returns the parameter data.
    pub fn encode(&self) -> Vec<u8> {
        let body = self.held.map(|held| {
            let mut data = held.key.to_be_bytes().to_vec();
            let scope_and_type = held.scope << 4 | held.reservation_type & 0x0f;
            data.extend([0, 0, 0, 0, 0, scope_and_type, 0, 0]);
            data
        });
        with_header(self.generation, body.unwrap_or_default())
    }

    /// Decodes the parameter data.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] when the header, or the reservation that it announces, is not whole.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (generation, mut body) = header("READ RESERVATION parameter data", bytes)?;
        let held = if body.is_empty() {
            None
        } else {
            let key = body.u64()?;
            let [_, _, _, _, _, scope_and_type] = body.array()?;
            Some(HeldReservation {
                key,
                scope: scope_and_type >> 4,
                reservation_type: scope_and_type & 0x0f,
            })
        };
        Ok(Self { generation, held })
    }
}

/// The parameter list of PERSISTENT RESERVE OUT without TransportIDs (SPC-4 6.16.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReserveOutParameters {
    /// RESERVATION KEY: the sender's own.
    pub key: u64,
    /// SERVICE ACTION RESERVATION KEY: the new key, or the key of the registration that is acted on.
    pub service_action_key: u64,
    /// SPEC_I_PT: TransportIDs follow.
    pub specify_initiator_ports: bool,
    /// ALL_TG_PT: for all target ports.
    pub all_target_ports: bool,
    /// APTPL: registrations outlast a loss of power.
    pub activate_persist: bool,
}

impl ReserveOutParameters {
    /// Bytes of the list.
    pub const LENGTH: u32 = 24;

    /// Returns the parameter list.
    pub fn encode(&self) -> Vec<u8> {
        let flags = u8::from(self.specify_initiator_ports) << 3
            | u8::from(self.all_target_ports) << 2
            | u8::from(self.activate_persist);
        let mut list = self.key.to_be_bytes().to_vec();
        list.extend(self.service_action_key.to_be_bytes());
        list.extend([0, 0, 0, 0, flags, 0, 0, 0]);
        list
    }

    /// Decodes a parameter list.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] when fewer than 24 bytes came.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("PERSISTENT RESERVE OUT parameter list", bytes);
        let key = reader.u64()?;
        let service_action_key = reader.u64()?;
        let _obsolete = reader.u32()?;
        let [flags, _, _, _] = reader.array()?;
        Ok(Self {
            key,
            service_action_key,
            specify_initiator_ports: flags & 0x08 != 0,
            all_target_ports: flags & 0x04 != 0,
            activate_persist: flags & 0x01 != 0,
        })
    }
}

/// Returns PRGENERATION, ADDITIONAL LENGTH and what follows them.
pub(crate) fn with_header(generation: u32, body: Vec<u8>) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    let mut data = generation.to_be_bytes().to_vec();
    data.extend(length.to_be_bytes());
    data.extend(body);
    data
}

fn header<'a>(item: &'static str, bytes: &'a [u8]) -> Result<(u32, Reader<'a>), DecodeError> {
    let mut reader = Reader::new(item, bytes);
    let generation = reader.u32()?;
    let length = usize::try_from(reader.u32()?).unwrap_or(usize::MAX);
    Ok((generation, Reader::new(item, reader.take_up_to(length))))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_encoded_is_decoded() {
        let keys = RegisteredKeys {
            generation: 3,
            keys: vec![0x11, 0x22],
        };
        let data = keys.encode();
        assert_eq!(data[..8], [0, 0, 0, 3, 0, 0, 0, 16]);
        assert_eq!(RegisteredKeys::decode(&data), Ok(keys));
        for held in [
            None,
            Some(HeldReservation {
                key: 0x11,
                scope: 0,
                reservation_type: 3,
            }),
        ] {
            let read = ReadReservation {
                generation: 1,
                held,
            };
            assert_eq!(ReadReservation::decode(&read.encode()), Ok(read));
        }
        let list = ReserveOutParameters {
            key: 1,
            service_action_key: 2,
            activate_persist: true,
            ..ReserveOutParameters::default()
        };
        let data = list.encode();
        assert_eq!((data.len(), data[20]), (24, 0x01));
        assert_eq!(ReserveOutParameters::decode(&data), Ok(list));
        assert!(ReserveOutParameters::decode(&data[..23]).is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = (RegisteredKeys::decode(&bytes), ReadReservation::decode(&bytes));
            let _ = ReserveOutParameters::decode(&bytes);
        }
    }
}
