//! What findings have in common, those of `check` and those of `d-mode`.

use schemars::JsonSchema;
use serde::Serialize;

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Area {
    /// The way to the target: name service, addresses, ports, path.
    Network,
    /// Who the initiator and the target are.
    Identity,
    /// The iSCSI login.
    Login,
    /// The medium changer.
    Library,
    /// The tape drives.
    Drives,
    /// How well the sessions and the credentials are protected.
    Security,
    /// How fast data can pass.
    Speed,
}

impl Area {
    /// Every area, in the order of reports.
    pub const ALL: [Self; 7] = [
        Self::Network,
        Self::Identity,
        Self::Login,
        Self::Library,
        Self::Drives,
        Self::Security,
        Self::Speed,
    ];

    /// Returns the word for it as people read it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Network => "Network",
            Self::Identity => "Identity",
            Self::Login => "Login",
            Self::Library => "Library",
            Self::Drives => "Drives",
            Self::Security => "Security",
            Self::Speed => "Speed",
        }
    }

    /// Returns the word for it, `network`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Identity => "identity",
            Self::Login => "login",
            Self::Library => "library",
            Self::Drives => "drives",
            Self::Security => "security",
            Self::Speed => "speed",
        }
    }
}

/// What a finding comes to. Their order is from the harmless to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FindingResult {
    /// There is nothing to look at, or it cannot be seen from here.
    Skipped,
    /// As it has to be.
    Pass,
    /// It may stand in the way, or is not known.
    Warning,
    /// It stands in the way.
    Failure,
}

impl FindingResult {
    /// Returns the word for it as people read it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Skipped => "Skipped",
            Self::Pass => "Pass",
            Self::Warning => "Warning",
            Self::Failure => "Failure",
        }
    }
}
