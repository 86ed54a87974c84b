//! The PDUs of the Login Phase.

use std::fmt;

use bytes::Bytes;

use crate::iscsi::ids::{Cid, CmdSn, InitiatorTaskTag, Isid, LoginStatus, StatSn, Tsih};

/// Stage of a connection, as in CSG and NSG (RFC 7143 11.12.3). Value 2 is reserved.
///
/// ```text
/// SecurityNegotiation (0) --> LoginOperationalNegotiation (1) --> FullFeaturePhase (3)
///            \___________________________________________________^
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Stage {
    /// 0: security keys are negotiated.
    #[default]
    SecurityNegotiation,
    /// 1: operational keys are negotiated.
    LoginOperationalNegotiation,
    /// 3: the login has ended.
    FullFeaturePhase,
}

impl Stage {
    /// Returns the two-bit code of the stage.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::SecurityNegotiation => 0,
            Self::LoginOperationalNegotiation => 1,
            Self::FullFeaturePhase => 3,
        }
    }

    /// Returns the stage of a two-bit code; `None` for 2 and above 3.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::SecurityNegotiation),
            1 => Some(Self::LoginOperationalNegotiation),
            3 => Some(Self::FullFeaturePhase),
            _ => None,
        }
    }
}

/// Login Request, opcode 0x03, always immediate (RFC 7143 11.12).
///
/// `Debug` shows the length of the text only: it may hold a CHAP response.
#[derive(Clone, PartialEq, Eq)]
pub struct LoginRequest {
    /// T: the initiator is ready to transit to `next_stage`. Byte 1, bit 0 (11.12.1).
    pub transit: bool,
    /// C: the text goes on in the next Login Request. Byte 1, bit 1 (11.12.2).
    pub continues: bool,
    /// CSG. Byte 1, bits 4-5 (11.12.3).
    pub current_stage: Stage,
    /// NSG; without `transit` it is reserved and reads as [`Stage::SecurityNegotiation`]. Byte 1, bits 6-7 (11.12.3).
    pub next_stage: Stage,
    /// Version-max. Byte 2 (11.12.4.1).
    pub version_max: u8,
    /// Version-min. Byte 3 (11.12.4.2).
    pub version_min: u8,
    /// ISID. Bytes 8-13 (11.12.5).
    pub isid: Isid,
    /// TSIH. Bytes 14-15 (11.12.6).
    pub tsih: Tsih,
    /// Initiator Task Tag. Bytes 16-19 (11.2.1.8).
    pub initiator_task_tag: InitiatorTaskTag,
    /// CID. Bytes 20-21 (11.12.7).
    pub cid: Cid,
    /// CmdSN. Bytes 24-27 (11.12.8).
    pub cmd_sn: CmdSn,
    /// ExpStatSN. Bytes 28-31 (11.12.9).
    pub exp_stat_sn: StatSn,
    /// Login parameters: text keys (11.12.10).
    pub data: Bytes,
}

impl fmt::Debug for LoginRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginRequest")
            .field("transit", &self.transit)
            .field("continues", &self.continues)
            .field("current_stage", &self.current_stage)
            .field("next_stage", &self.next_stage)
            .field("version_max", &self.version_max)
            .field("version_min", &self.version_min)
            .field("isid", &self.isid)
            .field("tsih", &self.tsih)
            .field("initiator_task_tag", &self.initiator_task_tag)
            .field("cid", &self.cid)
            .field("cmd_sn", &self.cmd_sn)
            .field("exp_stat_sn", &self.exp_stat_sn)
            .field("data", &format_args!("{} bytes", self.data.len()))
            .finish()
    }
}

/// Login Response, opcode 0x23 (RFC 7143 11.13).
///
/// `Debug` shows the length of the text only: it may hold a CHAP response.
#[derive(Clone, PartialEq, Eq)]
pub struct LoginResponse {
    /// T: the target is ready to transit to `next_stage`. Byte 1, bit 0 (11.13.6).
    pub transit: bool,
    /// C: the text goes on in the next Login Response. Byte 1, bit 1 (11.13.7).
    pub continues: bool,
    /// CSG. Byte 1, bits 4-5 (11.12.3).
    pub current_stage: Stage,
    /// NSG; without `transit` it is reserved and reads as [`Stage::SecurityNegotiation`]. Byte 1, bits 6-7 (11.12.3).
    pub next_stage: Stage,
    /// Version-max. Byte 2 (11.13.1).
    pub version_max: u8,
    /// Version-active. Byte 3 (11.13.2).
    pub version_active: u8,
    /// ISID. Bytes 8-13 (11.12.5).
    pub isid: Isid,
    /// TSIH. Bytes 14-15 (11.13.3).
    pub tsih: Tsih,
    /// Initiator Task Tag. Bytes 16-19 (11.2.1.8).
    pub initiator_task_tag: InitiatorTaskTag,
    /// StatSN. Bytes 24-27 (11.13.4).
    pub stat_sn: StatSn,
    /// ExpCmdSN. Bytes 28-31 (11.4.10).
    pub exp_cmd_sn: CmdSn,
    /// MaxCmdSN. Bytes 32-35 (11.4.11).
    pub max_cmd_sn: CmdSn,
    /// Status-Class and Status-Detail. Bytes 36-37 (11.13.5).
    pub status: LoginStatus,
    /// Login parameters: text keys (11.13.8).
    pub data: Bytes,
}

impl fmt::Debug for LoginResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginResponse")
            .field("transit", &self.transit)
            .field("continues", &self.continues)
            .field("current_stage", &self.current_stage)
            .field("next_stage", &self.next_stage)
            .field("version_max", &self.version_max)
            .field("version_active", &self.version_active)
            .field("isid", &self.isid)
            .field("tsih", &self.tsih)
            .field("initiator_task_tag", &self.initiator_task_tag)
            .field("stat_sn", &self.stat_sn)
            .field("exp_cmd_sn", &self.exp_cmd_sn)
            .field("max_cmd_sn", &self.max_cmd_sn)
            .field("status", &self.status)
            .field("data", &format_args!("{} bytes", self.data.len()))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stage_codes_are_those_of_csg_and_nsg() {
        assert_eq!(
            [0, 1, 2, 3, 4].map(Stage::from_code),
            [
                Some(Stage::SecurityNegotiation),
                Some(Stage::LoginOperationalNegotiation),
                None,
                Some(Stage::FullFeaturePhase),
                None
            ]
        );
        for code in [0, 1, 3] {
            assert_eq!(Stage::from_code(code).map(Stage::code), Some(code));
        }
    }
}
