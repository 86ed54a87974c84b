//! The table of what `check` looks at: each row has a stable id and its area. What a row is called, why IBM i cares and on
//! whose word stands in `render::words::check`.

use crate::iop::active::Phase;
use crate::iop::cause::{Authentication, Cause};
use crate::iop::devices::problem::Problem;
use crate::iop::finding::Area;

macro_rules! checks {
    ($($area:ident { $($name:ident = $id:literal;)* })*) => {
        /// What is looked at; the ids are stable once released.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum CheckId {
            $($(#[doc = concat!("`", $id, "`.")] $name,)*)*
        }

        /// Every row, in the order of reports.
        pub const TABLE: &[CheckRow] = &[
            $($(CheckRow { check: CheckId::$name, id: $id, area: Area::$area },)*)*
        ];

        impl CheckId {
            /// Returns its stable id, `login.chap-secret-case`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $($(Self::$name => $id,)*)* }
            }

            /// Returns what it is about.
            #[must_use]
            pub const fn area(self) -> Area {
                match self { $($(Self::$name => Area::$area,)*)* }
            }
        }
    };
}

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckRow {
    /// What is looked at.
    pub check: CheckId,
    /// Its stable id.
    pub id: &'static str,
    /// What it is about.
    pub area: Area,
}

checks! {
    Network {
        NameResolution = "network.name-resolution";
        HostUnreachable = "network.host-unreachable";
        PortFiltered = "network.port-filtered";
        PortRefused = "network.port-refused";
        NotIscsi = "network.not-iscsi";
        PathMtu = "network.path-mtu";
        RoundTrip = "network.round-trip";
    }
    Identity {
        InitiatorName = "identity.initiator-name";
        TargetName = "identity.target-name";
    }
    Login {
        Accepted = "login.accepted";
        SecretMissing = "login.secret-missing";
        ChapRequired = "login.chap-required";
        ChapNotAsked = "login.chap-not-asked";
        ChapCredentials = "login.chap-credentials";
        ChapSecretCase = "login.chap-secret-case";
        ChapNameCase = "login.chap-name-case";
        ChapAlgorithm = "login.chap-algorithm";
        MutualChap = "login.mutual-chap";
        InitiatorUnknown = "login.initiator-unknown";
        TargetUnknown = "login.target-unknown";
        Departures = "login.departures";
    }
    Library {
        Enumeration = "library.enumeration";
        LibraryCount = "library.one-library";
        TypeModel = "library.type-model";
        DriveTypes = "library.one-drive-type";
        DriveGeneration = "library.drive-generation";
        DriveElements = "library.drive-elements";
        LibraryReady = "library.ready";
        Barcodes = "library.barcodes";
    }
    Drives {
        DriveReady = "drives.ready";
        BlockLimits = "drives.block-limits";
        SavedValues = "drives.saved-values";
        ReservationCapabilities = "drives.reservation-capabilities";
        ReservationFullStatus = "drives.reservation-full-status";
        LogPages = "drives.log-pages";
        ReadPosition = "drives.read-position";
        Reserved = "drives.reserved";
        TapeAlert = "drives.tape-alert";
    }
    Security {
        ChapAbsent = "security.chap-absent";
        ChapMd5 = "security.chap-md5";
        DigestsOff = "security.digests-off";
        SecretPlain = "security.secret-plain-text";
        SecretShort = "security.secret-short";
    }
    Speed {
        WriteRate = "speed.write-rate";
    }
}

impl CheckId {
    /// Returns which finding a failed attempt is: the re-IPL and `check` have one list of causes.
    #[must_use]
    pub const fn of_cause(cause: &Cause) -> Self {
        match cause {
            Cause::HostNotFound { .. } | Cause::NameServiceTimeout { .. } => Self::NameResolution,
            Cause::AddressUnusable { .. }
            | Cause::Unreachable { .. }
            | Cause::OpenFilesExhausted { .. }
            | Cause::ConnectFailed { .. } => Self::HostUnreachable,
            Cause::ConnectTimeout { .. } => Self::PortFiltered,
            Cause::ConnectionRefused { .. } => Self::PortRefused,
            Cause::ClosedAfterConnect | Cause::NotIscsi { .. } => Self::NotIscsi,
            Cause::NoInitiatorName => Self::InitiatorName,
            Cause::SecretNotHere => Self::SecretMissing,
            Cause::LoginRefused {
                class: 2,
                detail: 1,
                authentication: Authentication::NotConfigured,
            } => Self::ChapRequired,
            Cause::LoginRefused {
                class: 2,
                detail: 1,
                ..
            } => Self::ChapCredentials,
            Cause::LoginRefused {
                class: 2,
                detail: 2,
                ..
            } => Self::InitiatorUnknown,
            Cause::LoginRefused {
                class: 2,
                detail: 3,
                ..
            } => Self::TargetUnknown,
            Cause::ChapAlgorithmRefused { .. } | Cause::ChapAlgorithmNotOffered { .. } => {
                Self::ChapAlgorithm
            }
            Cause::MutualChapDemanded => Self::MutualChap,
            Cause::LoginRefused { .. }
            | Cause::LoginConnectionLost { .. }
            | Cause::LoginTimeout { .. }
            | Cause::TooManyRedirections { .. }
            | Cause::RedirectionUnusable { .. }
            | Cause::AuthMethodRefused { .. }
            | Cause::AuthMethodNotOffered { .. }
            | Cause::TargetProtocolError { .. }
            | Cause::Defect { .. }
            | Cause::Unknown { .. } => Self::Accepted,
            Cause::ConnectionLost { .. }
            | Cause::LogoutRequested
            | Cause::SessionEnded
            | Cause::PduRejected { .. }
            | Cause::TargetFailure { .. }
            | Cause::AnswerTimeout { .. }
            | Cause::ReportLunsRefused { .. }
            | Cause::ReportLunsMalformed { .. }
            | Cause::CommandsUnanswered { .. } => Self::Enumeration,
            Cause::GivenUp { during, .. } => match during {
                Phase::Resolve => Self::NameResolution,
                Phase::Connect => Self::PortFiltered,
                Phase::Login => Self::Accepted,
                Phase::Enumerate => Self::Enumeration,
            },
        }
    }

    /// Returns which finding a problem of a target or its devices is.
    #[must_use]
    pub const fn of_problem(problem: &Problem) -> Self {
        match problem {
            Problem::LogicalUnitsLeftOut { .. }
            | Problem::Unidentified { .. }
            | Problem::Unread { .. }
            | Problem::Unknown { .. } => Self::Enumeration,
            Problem::NoTapeDevice { .. } => Self::LibraryCount,
            Problem::Not3584 { .. } => Self::TypeModel,
            Problem::MixedDrives { .. } => Self::DriveTypes,
            Problem::OldDrive { .. } => Self::DriveGeneration,
            Problem::DriveElementsLeftOut { .. }
            | Problem::DriveIsNoLun { .. }
            | Problem::DriveUnnamed { .. }
            | Problem::DriveNamedTwice { .. }
            | Problem::DriveByPrefix { .. }
            | Problem::DriveByLikeness { .. }
            | Problem::DriveUnclaimed { .. }
            | Problem::SeenTwice { .. } => Self::DriveElements,
            Problem::NotAuthenticated => Self::ChapNotAsked,
            Problem::Departure { .. } => Self::Departures,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn an_id_begins_with_its_area_and_stands_once() {
        let mut seen = BTreeSet::new();
        for row in TABLE {
            let (area, name) = row.id.split_once('.').unwrap();
            assert_eq!(area, row.area.as_str());
            let is_word = |part: &str| {
                !part.is_empty()
                    && part
                        .bytes()
                        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
            };
            assert!(name.split('-').all(is_word), "{}", row.id);
            assert!(seen.insert(row.id), "{} twice", row.id);
            assert_eq!((row.check.as_str(), row.check.area()), (row.id, row.area));
        }
        assert!(TABLE.is_sorted_by_key(|row| row.area));
        assert_eq!(
            TABLE.iter().map(|row| row.area).collect::<BTreeSet<_>>(),
            Area::ALL.into()
        );
    }
}
