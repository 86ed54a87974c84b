//! Persistent reservations (SPC-4 5.13): registrations and the reservation of one logical unit.
//!
//! They outlast sessions, not a power cycle: APTPL is not supported.

use std::collections::{BTreeMap, BTreeSet};

use super::operation::Access;
use super::reply::CommandRefusal;
use crate::iscsi::nexus::InitiatorPort;
use crate::scsi::command::{PersistentReserveOut, ReserveInAction, ReserveOutAction};
use crate::scsi::data::reservation::{
    HeldReservation, ReadReservation, RegisteredKeys, ReserveOutParameters, with_header,
};
use crate::scsi::{AdditionalSenseCode, Status};

/// The most initiator ports that may be registered, which bounds memory.
const MAX_REGISTRATIONS: usize = 256;

/// The registered I_T nexuses with their reservation keys, and the holder of the reservation.
#[derive(Debug, Default)]
pub(super) struct PersistentReservations {
    /// PRGENERATION.
    generation: u32,
    registrations: BTreeMap<InitiatorPort, u64>,
    reservation: Option<Reservation>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Reservation {
    /// The holder; for the types of all registrants, who made it.
    holder: InitiatorPort,
    kind: ReservationType,
}

/// TYPE of a reservation (SPC-4 table 60).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ReservationType(u8);

impl ReservationType {
    fn from_code(code: u8) -> Option<Self> {
        matches!(code, 1 | 3 | 5 | 6 | 7 | 8).then_some(Self(code))
    }

    fn is_exclusive_access(self) -> bool {
        matches!(self.0, 3 | 6 | 8)
    }

    fn is_for_registrants(self) -> bool {
        self.0 >= 5
    }

    fn is_held_by_all(self) -> bool {
        self.0 >= 7
    }
}

/// The unit attentions to establish after a PERSISTENT RESERVE OUT, and for which I_T nexuses.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) code: Option<AdditionalSenseCode>,
    pub(super) ports: BTreeSet<InitiatorPort>,
}

impl PersistentReservations {
    /// PERSISTENT RESERVE IN: returns the parameter data of a service action.
    pub(super) fn report(&self, action: ReserveInAction) -> Vec<u8> {
        let generation = self.generation;
        match action {
            ReserveInAction::ReadKeys => RegisteredKeys {
                generation,
                keys: self.registrations.values().copied().collect(),
            }
            .encode(),
            ReserveInAction::ReadReservation => ReadReservation {
                generation,
                held: self.reservation.as_ref().map(|held| self.described(held)),
            }
            .encode(),
            // No CRH, no SIP_C, no ATP_C, no PTPL; TMV, and all six types.
            ReserveInAction::ReportCapabilities => vec![0, 8, 0x00, 0x80, 0xea, 0x01, 0, 0],
            ReserveInAction::ReadFullStatus => {
                let descriptors = self
                    .registrations
                    .iter()
                    .flat_map(|(port, key)| self.full_status(port, *key));
                with_header(generation, descriptors.collect())
            }
        }
    }

    fn described(&self, held: &Reservation) -> HeldReservation {
        HeldReservation {
            key: match held.kind.is_held_by_all() {
                true => 0,
                false => self.registrations.get(&held.holder).copied().unwrap_or(0),
            },
            scope: 0,
            reservation_type: held.kind.0,
        }
    }

    fn full_status(&self, port: &InitiatorPort, key: u64) -> Vec<u8> {
        let held = self
            .reservation
            .as_ref()
            .filter(|held| held.holder == *port || held.kind.is_held_by_all());
        let transport_id = transport_id(port);
        let mut data = key.to_be_bytes().to_vec();
        data.extend([0; 4]);
        data.push(u8::from(held.is_some()));
        data.push(held.map_or(0, |held| held.kind.0));
        data.extend([0; 4]);
        // RELATIVE TARGET PORT IDENTIFIER.
        data.extend([0, 1]);
        let length = u32::try_from(transport_id.len()).unwrap_or(u32::MAX);
        data.extend(length.to_be_bytes());
        data.extend(transport_id);
        data
    }

    /// Returns whether a reservation forbids `port` a command. An unregistered I_T nexus conflicts with every reservation.
    pub(super) fn conflicts(&self, port: Option<&InitiatorPort>, access: Access) -> bool {
        let Some(held) = &self.reservation else {
            return false;
        };
        let registered = port.is_some_and(|port| self.registrations.contains_key(port));
        if port == Some(&held.holder) || registered && held.kind.is_for_registrants() {
            return false;
        }
        // The write exclusive types let every I_T nexus read (SPC-4 table 60).
        match access {
            Access::Free | Access::Persistent => false,
            Access::Read => held.kind.is_exclusive_access(),
            Access::Write => true,
        }
    }

    /// Returns whether an I_T nexus is registered: RESERVE and RELEASE conflict then (SPC-4 5.13.2, CRH = 0).
    pub(super) fn is_in_use(&self) -> bool {
        !self.registrations.is_empty()
    }

    /// PERSISTENT RESERVE OUT for `port`.
    pub(super) fn change(
        &mut self,
        port: &InitiatorPort,
        command: PersistentReserveOut,
        list: ReserveOutParameters,
    ) -> Result<Told, CommandRefusal> {
        // REPORT CAPABILITIES says that SPEC_I_PT, ALL_TG_PT and APTPL are not supported.
        if list.specify_initiator_ports || list.all_target_ports || list.activate_persist {
            return Err(CommandRefusal::parameter(20));
        }
        let own = self.registrations.get(port).copied();
        // REGISTER and REGISTER AND IGNORE EXISTING KEY are for ports that are not registered, too.
        match (command.action, own) {
            (ReserveOutAction::RegisterAndIgnoreExistingKey, _) => {}
            (ReserveOutAction::Register, None) if list.key != 0 => return Err(conflict()),
            (ReserveOutAction::Register, None) => {}
            (_, Some(key)) if key == list.key => {}
            _ => return Err(conflict()),
        }
        let kind = || match (
            command.scope,
            ReservationType::from_code(command.reservation_type),
        ) {
            (0, Some(kind)) => Ok(kind),
            (0, None) => Err(CommandRefusal::field(2, 3)),
            _ => Err(CommandRefusal::field(2, 7)),
        };
        match command.action {
            ReserveOutAction::Register | ReserveOutAction::RegisterAndIgnoreExistingKey => {
                self.register(port, list.service_action_key)
            }
            ReserveOutAction::Reserve => self.reserve(port, kind()?),
            ReserveOutAction::Release => self.release(port, kind()?),
            ReserveOutAction::Clear => Ok(self.clear(port)),
            ReserveOutAction::Preempt => self.preempt(port, list.service_action_key, kind),
        }
    }

    fn register(&mut self, port: &InitiatorPort, key: u64) -> Result<Told, CommandRefusal> {
        let mut told = Told::default();
        if key == 0 {
            if self.registrations.remove(port).is_some() {
                told = self.unregistered(port);
            }
        } else {
            let is_new = !self.registrations.contains_key(port);
            if is_new && self.registrations.len() >= MAX_REGISTRATIONS {
                return Err(CommandRefusal::illegal(
                    AdditionalSenseCode::INSUFFICIENT_REGISTRATION_RESOURCES,
                ));
            }
            self.registrations.insert(port.clone(), key);
        }
        // PRGENERATION counts registrations, CLEAR and PREEMPT, and neither RESERVE nor RELEASE (SPC-4 6.15.2).
        self.generation = self.generation.wrapping_add(1);
        Ok(told)
    }

    /// Ends a reservation that `port`, which has just lost its registration, was the last to keep alive.
    fn unregistered(&mut self, port: &InitiatorPort) -> Told {
        let ends = self
            .reservation
            .as_ref()
            .is_some_and(|held| match held.kind.is_held_by_all() {
                true => self.registrations.is_empty(),
                false => held.holder == *port,
            });
        // Under the registrants' types others had access by their registration, which ends without a command of theirs.
        match self.reservation.take_if(|_| ends) {
            Some(held) if held.kind.is_for_registrants() => {
                self.tell_others(port, AdditionalSenseCode::RESERVATIONS_RELEASED)
            }
            _ => Told::default(),
        }
    }

    fn reserve(
        &mut self,
        port: &InitiatorPort,
        kind: ReservationType,
    ) -> Result<Told, CommandRefusal> {
        match &self.reservation {
            None => {
                self.reservation = Some(Reservation {
                    holder: port.clone(),
                    kind,
                });
                Ok(Told::default())
            }
            // The holder may repeat it. For another type it has to release the reservation first (SPC-4 5.13.9).
            Some(held) if self.holds(port, held) && held.kind == kind => Ok(Told::default()),
            Some(_) => Err(conflict()),
        }
    }

    fn release(
        &mut self,
        port: &InitiatorPort,
        kind: ReservationType,
    ) -> Result<Told, CommandRefusal> {
        match &self.reservation {
            Some(held) if self.holds(port, held) => {
                if held.kind != kind {
                    return Err(CommandRefusal::illegal(
                        AdditionalSenseCode::INVALID_RELEASE,
                    ));
                }
                self.reservation = None;
                Ok(match kind.is_for_registrants() {
                    true => self.tell_others(port, AdditionalSenseCode::RESERVATIONS_RELEASED),
                    false => Told::default(),
                })
            }
            // Nothing to release is no error (SPC-4 5.13.11.2).
            _ => Ok(Told::default()),
        }
    }

    fn clear(&mut self, port: &InitiatorPort) -> Told {
        let told = self.tell_others(port, AdditionalSenseCode::RESERVATIONS_PREEMPTED);
        self.registrations.clear();
        self.reservation = None;
        self.generation = self.generation.wrapping_add(1);
        told
    }

    fn preempt(
        &mut self,
        port: &InitiatorPort,
        key: u64,
        kind: impl Fn() -> Result<ReservationType, CommandRefusal>,
    ) -> Result<Told, CommandRefusal> {
        let by_all = self
            .reservation
            .as_ref()
            .is_some_and(|held| held.kind.is_held_by_all());
        let holder_key = self
            .reservation
            .as_ref()
            .and_then(|held| self.registrations.get(&held.holder).copied());
        // With another key than the holder's, registrations are preempted and the reservation stays.
        let takes_reservation = match by_all {
            true => key == 0,
            false => holder_key == Some(key),
        };
        if key == 0 && !by_all {
            // Key 0 is for a reservation of all registrants; the field is SERVICE ACTION RESERVATION KEY.
            return Err(CommandRefusal::parameter(8));
        }
        let removed: BTreeSet<InitiatorPort> = self
            .registrations
            .iter()
            .filter(|(other, other_key)| {
                *other != port && (**other_key == key || key == 0 && takes_reservation)
            })
            .map(|(other, _)| other.clone())
            .collect();
        let own_key_preempted = self.registrations.get(port) == Some(&key);
        if removed.is_empty() && !takes_reservation && !own_key_preempted {
            return Err(conflict());
        }
        if takes_reservation {
            let kind = kind()?;
            self.reservation = Some(Reservation {
                holder: port.clone(),
                kind,
            });
        }
        for other in &removed {
            self.registrations.remove(other);
        }
        if self.registrations.is_empty() {
            self.reservation = None;
        }
        self.generation = self.generation.wrapping_add(1);
        Ok(Told {
            code: Some(AdditionalSenseCode::REGISTRATIONS_PREEMPTED),
            ports: removed,
        })
    }

    fn holds(&self, port: &InitiatorPort, held: &Reservation) -> bool {
        held.holder == *port || held.kind.is_held_by_all() && self.registrations.contains_key(port)
    }

    fn tell_others(&self, port: &InitiatorPort, code: AdditionalSenseCode) -> Told {
        Told {
            code: Some(code),
            ports: self
                .registrations
                .keys()
                .filter(|other| *other != port)
                .cloned()
                .collect(),
        }
    }
}

fn conflict() -> CommandRefusal {
    CommandRefusal::Status(Status::RESERVATION_CONFLICT)
}

/// Returns the TransportID of an iSCSI initiator port (SPC-4 7.6.4.6), format 01b: name, `,i,0x`, ISID.
fn transport_id(port: &InitiatorPort) -> Vec<u8> {
    let mut name = port.name.as_str().to_ascii_lowercase().into_bytes();
    name.extend(b",i,0x");
    for byte in port.isid {
        name.extend(format!("{byte:02x}").bytes());
    }
    // Terminated by at least one NUL, of a length that is a multiple of four, and not below twenty.
    let length = name.len().saturating_add(4) & !3;
    name.resize(length.max(20), 0);
    let mut id = vec![0x45, 0];
    id.extend(u16::try_from(name.len()).unwrap_or(u16::MAX).to_be_bytes());
    id.extend(name);
    id
}
