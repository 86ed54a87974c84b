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

/// What a device server can do for reservations: the data of REPORT CAPABILITIES (SPC-4 6.15.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReserveCapabilities {
    /// CRH, byte 2 bit 4: RESERVE and RELEASE are taken beside persistent reservations.
    pub compatible_reservation_handling: bool,
    /// PTPL_C, byte 2 bit 0: reservations can outlast a power loss.
    pub persists_through_power_loss: bool,
    /// TYPE MASK, bytes 4 and 5, where TMV says that it is valid: bits 15 to 9, 8 and 0 in the standard's table.
    pub type_mask: Option<u16>,
}

impl ReserveCapabilities {
    /// Decodes the parameter data.
    ///
    /// # Errors
    /// [`DecodeError`] when less came than the standard's eight bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("REPORT CAPABILITIES parameter data", bytes);
        let _length = reader.u16()?;
        let [flags, valid] = reader.array()?;
        let mask = reader.u16()?;
        let _reserved = reader.u16()?;
        Ok(Self {
            compatible_reservation_handling: flags & 0x10 != 0,
            persists_through_power_loss: flags & 0x01 != 0,
            type_mask: (valid & 0x80 != 0).then_some(mask),
        })
    }
}

/// A registration with its I_T nexus: a descriptor of READ FULL STATUS (SPC-4 6.15.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrationStatus {
    /// RESERVATION KEY.
    pub key: u64,
    /// R_HOLDER, byte 12 bit 0: it holds the reservation.
    pub is_holder: bool,
    /// SCOPE and TYPE of the reservation, where it holds one.
    pub reservation_type: Option<u8>,
    /// The initiator port: the iSCSI name with its ISID (`iqn.a,i,0x400001370000`) of an iSCSI TransportID, else the
    /// TransportID in hexadecimal; escaped.
    pub name: String,
}

/// Decodes the parameter data of READ FULL STATUS. A descriptor that is cut short ends it.
///
/// # Errors
/// [`DecodeError`] when there is no header.
pub fn full_status(bytes: &[u8]) -> Result<Vec<RegistrationStatus>, DecodeError> {
    const ITEM: &str = "READ FULL STATUS parameter data";

    let (_generation, mut body) = header(ITEM, bytes)?;
    let mut registrations = Vec::new();
    while let Ok(registration) = registration(&mut body) {
        registrations.push(registration);
    }
    Ok(registrations)
}

fn registration(body: &mut Reader<'_>) -> Result<RegistrationStatus, DecodeError> {
    let key = body.u64()?;
    let _reserved = body.u32()?;
    let [flags, scope_and_type] = body.array()?;
    let _reserved = body.u32()?;
    let _relative_target_port = body.u16()?;
    let length = usize::try_from(body.u32()?).unwrap_or(usize::MAX);
    let transport_id = body.take(length)?;
    let is_holder = flags & 0x01 != 0;
    Ok(RegistrationStatus {
        key,
        is_holder,
        reservation_type: is_holder.then_some(scope_and_type & 0x0f),
        name: port_name(transport_id),
    })
}

/// Returns the name of an initiator port by its TransportID (SPC-4 7.6.4).
fn port_name(transport_id: &[u8]) -> String {
    const ISCSI: u8 = 5;

    match transport_id {
        [protocol, _, _, _, name @ ..] if protocol & 0x0f == ISCSI => {
            let end = name.iter().position(|byte| *byte == 0);
            let name = name.get(..end.unwrap_or(name.len())).unwrap_or_default();
            name.escape_ascii().to_string()
        }
        other => other.iter().map(|byte| format!("{byte:02x}")).collect(),
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

    #[test]
    fn capabilities_and_registrations_are_read_as_the_standard_draws_them() {
        let data = [0, 8, 0x11, 0x80, 0xea, 0x01, 0, 0];
        let capabilities = ReserveCapabilities {
            compatible_reservation_handling: true,
            persists_through_power_loss: true,
            type_mask: Some(0xea01),
        };
        assert_eq!(ReserveCapabilities::decode(&data), Ok(capabilities));
        assert!(ReserveCapabilities::decode(&data[..7]).is_err());

        let mut body = vec![
            0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 1, 3, 0, 0, 0, 0, 0, 1, 0, 0, 0, 12,
        ];
        body.extend(b"\x45\0\0\x08iqn.a\0\0\0");
        body.extend([
            0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0x06, 0xff,
        ]);
        let data = with_header(1, body);
        let registered = |key, reservation_type: Option<u8>, name: &str| RegistrationStatus {
            key,
            is_holder: reservation_type.is_some(),
            reservation_type,
            name: name.to_owned(),
        };
        let both = vec![registered(7, Some(3), "iqn.a"), registered(8, None, "06ff")];
        assert_eq!(full_status(&data), Ok(both.clone()));
        assert_eq!(full_status(&data[..data.len() - 1]), Ok(both[..1].to_vec()));
        assert!(full_status(&data[..7]).is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = (ReserveCapabilities::decode(&bytes), full_status(&bytes));
            let _ = (RegisteredKeys::decode(&bytes), ReadReservation::decode(&bytes));
            let _ = ReserveOutParameters::decode(&bytes);
        }
    }
}
