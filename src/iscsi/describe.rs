//! A PDU as one line for people, as `-vv` prints it.
//!
//! Flags stand as the standard's letters, fields under the standard's
//! names in lower case. Data is given by its length; only keys, CDBs and sense data are shown. What could be a CHAP
//! response is masked, and every byte that is not printable ASCII is escaped.

use std::fmt::{self, Display, Formatter};

use super::ids::{InitiatorTaskTag, TargetTransferTag};
use super::pdu::{
    AsyncMessage, DataIn, DataOut, LoginRequest, LoginResponse, LogoutRequest, LogoutResponse,
    NopIn, NopOut, Opcode, Pdu, R2t, Reject, Residual, ScsiCommand, ScsiResponse, ServiceResponse,
    SnackRequest, Stage, TaskManagementRequest, TaskManagementResponse, TextRequest, TextResponse,
};

/// The keys of a security negotiation whose values are not secret (RFC 7143 12.1 and section 13).
const PUBLIC_SECURITY_KEYS: [&[u8]; 12] = [
    b"AuthMethod",
    b"CHAP_A",
    b"CHAP_C",
    b"CHAP_I",
    b"CHAP_N",
    b"InitiatorAlias",
    b"InitiatorName",
    b"SessionType",
    b"TargetAddress",
    b"TargetAlias",
    b"TargetName",
    b"TargetPortalGroupTag",
];

const MASK: &str = "********";

/// The most bytes of sense data that are shown.
const SENSE_LIMIT: usize = 64;

/// Returns the PDU as one line of printable ASCII, without a line end.
#[must_use]
pub fn describe(pdu: &Pdu) -> impl Display + '_ {
    PduDescription(pdu)
}

/// Returns the data segment of a PDU with every byte overwritten by an asterisk that [`describe`] masks; `None` where there is
/// nothing to mask.
#[must_use]
pub fn mask_secrets(pdu: &Pdu) -> Option<Vec<u8>> {
    let (data, security) = match pdu {
        Pdu::LoginRequest(pdu) => (&pdu.data, is_security(pdu.current_stage)),
        Pdu::LoginResponse(pdu) => (&pdu.data, is_security(pdu.current_stage)),
        Pdu::TextRequest(pdu) => (&pdu.data, false),
        Pdu::TextResponse(pdu) => (&pdu.data, false),
        _ => return None,
    };
    let mut masked = false;
    let mut bytes = data.to_vec();
    for pair in bytes.split_mut(|byte| *byte == 0) {
        let shown = match Secrecy::of(pair, security) {
            Secrecy::Public => continue,
            Secrecy::Value => CHAP_RESPONSE_KEY.len().saturating_add(1),
            Secrecy::Whole => 0,
        };
        if let Some(secret) = pair.get_mut(shown..).filter(|secret| !secret.is_empty()) {
            secret.fill(b'*');
            masked = true;
        }
    }
    masked.then_some(bytes)
}

/// Returns bytes that came in the place of a PDU as they may be shown: the BHS as it is, and behind it every byte overwritten by an
/// asterisk that could be a CHAP response. As such bytes may be of any stage, a login PDU is masked as in the security negotiation.
#[must_use]
pub fn mask_malformed(bytes: &[u8]) -> Vec<u8> {
    const BHS_LENGTH: usize = 48;
    let login = [Opcode::LOGIN_REQUEST, Opcode::LOGIN_RESPONSE];
    let opcode = bytes.first().map(|first| Opcode(first & 0x3f));
    let security = opcode.is_some_and(|opcode| login.contains(&opcode));
    let mut shown = bytes.to_vec();
    let data = shown.get_mut(BHS_LENGTH..).unwrap_or_default();
    for pair in data.split_mut(|byte| *byte == 0) {
        // Digests and AHS may stand before a pair, without a NUL between.
        let key = pair
            .windows(CHAP_RESPONSE_KEY.len())
            .position(|key| key == CHAP_RESPONSE_KEY);
        let secret = match (key, Secrecy::of(pair, security)) {
            (Some(key), _) => key
                .saturating_add(CHAP_RESPONSE_KEY.len())
                .saturating_add(1),
            (None, Secrecy::Public) => continue,
            (None, Secrecy::Value | Secrecy::Whole) => 0,
        };
        pair.get_mut(secret..).unwrap_or_default().fill(b'*');
    }
    shown
}

fn is_security(stage: Stage) -> bool {
    stage == Stage::SecurityNegotiation
}

const CHAP_RESPONSE_KEY: &[u8] = b"CHAP_R";

/// What of a pair of a login text could be a CHAP response.
enum Secrecy {
    Public,
    /// The value of CHAP_R.
    Value,
    /// All of it: in a security negotiation a CHAP response may be spread over several PDUs, the later ones without its key.
    Whole,
}

impl Secrecy {
    fn of(pair: &[u8], security: bool) -> Self {
        let key = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
        if key == CHAP_RESPONSE_KEY {
            Self::Value
        } else if security && !PUBLIC_SECURITY_KEYS.contains(&key) {
            Self::Whole
        } else {
            Self::Public
        }
    }
}

struct PduDescription<'a>(&'a Pdu);

impl Display for PduDescription<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.opcode())?;
        match self.0 {
            Pdu::NopOut(pdu) => nop_out(pdu, f),
            Pdu::ScsiCommand(pdu) => scsi_command(pdu, f),
            Pdu::TaskManagementRequest(pdu) => task_management_request(pdu, f),
            Pdu::LoginRequest(pdu) => login_request(pdu, f),
            Pdu::TextRequest(pdu) => text_request(pdu, f),
            Pdu::DataOut(pdu) => data_out(pdu, f),
            Pdu::LogoutRequest(pdu) => logout_request(pdu, f),
            Pdu::SnackRequest(pdu) => snack_request(pdu, f),
            Pdu::NopIn(pdu) => nop_in(pdu, f),
            Pdu::ScsiResponse(pdu) => scsi_response(pdu, f),
            Pdu::TaskManagementResponse(pdu) => task_management_response(pdu, f),
            Pdu::LoginResponse(pdu) => login_response(pdu, f),
            Pdu::TextResponse(pdu) => text_response(pdu, f),
            Pdu::DataIn(pdu) => data_in(pdu, f),
            Pdu::LogoutResponse(pdu) => logout_response(pdu, f),
            Pdu::R2t(pdu) => r2t(pdu, f),
            Pdu::AsyncMessage(pdu) => async_message(pdu, f),
            Pdu::Reject(pdu) => reject(pdu, f),
        }
    }
}

fn nop_out(pdu: &NopOut, f: &mut Formatter<'_>) -> fmt::Result {
    flags(f, &[(pdu.immediate, "I")])?;
    tags(f, pdu.initiator_task_tag, Some(pdu.target_transfer_tag))?;
    write!(
        f,
        " lun={} cmdsn={} expstatsn={}",
        pdu.lun, pdu.cmd_sn, pdu.exp_stat_sn
    )?;
    data_length(f, pdu.data.len())
}

fn scsi_command(pdu: &ScsiCommand, f: &mut Formatter<'_>) -> fmt::Result {
    flags(
        f,
        &[
            (pdu.immediate, "I"),
            (pdu.final_bit, "F"),
            (pdu.read, "R"),
            (pdu.write, "W"),
        ],
    )?;
    tags(f, pdu.initiator_task_tag, None)?;
    write!(
        f,
        " lun={} cmdsn={} expstatsn={} attr={} edtl={}",
        pdu.lun, pdu.cmd_sn, pdu.exp_stat_sn, pdu.attribute, pdu.expected_data_transfer_length
    )?;
    if let Some(length) = pdu.bidirectional_read_expected_data_transfer_length {
        write!(f, " read-edtl={length}")?;
    }
    f.write_str(" cdb=")?;
    hex(f, pdu.cdb.iter().chain(&pdu.extended_cdb))?;
    data_length(f, pdu.data.len())
}

fn task_management_request(pdu: &TaskManagementRequest, f: &mut Formatter<'_>) -> fmt::Result {
    flags(f, &[(pdu.immediate, "I")])?;
    tags(f, pdu.initiator_task_tag, None)?;
    write!(
        f,
        " function={} lun={} task={} refcmdsn={} cmdsn={} expstatsn={}",
        pdu.function, pdu.lun, pdu.referenced_task_tag, pdu.ref_cmd_sn, pdu.cmd_sn, pdu.exp_stat_sn
    )
}

fn login_request(pdu: &LoginRequest, f: &mut Formatter<'_>) -> fmt::Result {
    stages(
        f,
        pdu.transit,
        pdu.continues,
        pdu.current_stage,
        pdu.next_stage,
    )?;
    tags(f, pdu.initiator_task_tag, None)?;
    write!(
        f,
        " isid={} tsih={} cid={} cmdsn={} expstatsn={}",
        pdu.isid, pdu.tsih, pdu.cid, pdu.cmd_sn, pdu.exp_stat_sn
    )?;
    keys(f, &pdu.data, is_security(pdu.current_stage))
}

fn text_request(pdu: &TextRequest, f: &mut Formatter<'_>) -> fmt::Result {
    flags(
        f,
        &[
            (pdu.immediate, "I"),
            (pdu.final_bit, "F"),
            (pdu.continues, "C"),
        ],
    )?;
    tags(f, pdu.initiator_task_tag, Some(pdu.target_transfer_tag))?;
    write!(f, " cmdsn={} expstatsn={}", pdu.cmd_sn, pdu.exp_stat_sn)?;
    keys(f, &pdu.data, false)
}

fn data_out(pdu: &DataOut, f: &mut Formatter<'_>) -> fmt::Result {
    flags(f, &[(pdu.final_bit, "F")])?;
    tags(f, pdu.initiator_task_tag, Some(pdu.target_transfer_tag))?;
    write!(
        f,
        " expstatsn={} datasn={} offset={}",
        pdu.exp_stat_sn, pdu.data_sn, pdu.buffer_offset
    )?;
    data_length(f, pdu.data.len())
}

fn logout_request(pdu: &LogoutRequest, f: &mut Formatter<'_>) -> fmt::Result {
    flags(f, &[(pdu.immediate, "I")])?;
    tags(f, pdu.initiator_task_tag, None)?;
    write!(
        f,
        " reason={} cid={} cmdsn={} expstatsn={}",
        pdu.reason, pdu.cid, pdu.cmd_sn, pdu.exp_stat_sn
    )
}

fn snack_request(pdu: &SnackRequest, f: &mut Formatter<'_>) -> fmt::Result {
    tags(f, pdu.initiator_task_tag, Some(pdu.target_transfer_tag))?;
    write!(
        f,
        " type={} lun={} expstatsn={} begrun={} runlength={}",
        pdu.snack_type, pdu.lun, pdu.exp_stat_sn, pdu.beg_run, pdu.run_length
    )
}

fn nop_in(pdu: &NopIn, f: &mut Formatter<'_>) -> fmt::Result {
    tags(f, pdu.initiator_task_tag, Some(pdu.target_transfer_tag))?;
    write!(
        f,
        " lun={} statsn={} expcmdsn={} maxcmdsn={}",
        pdu.lun, pdu.stat_sn, pdu.exp_cmd_sn, pdu.max_cmd_sn
    )?;
    data_length(f, pdu.data.len())
}

fn scsi_response(pdu: &ScsiResponse, f: &mut Formatter<'_>) -> fmt::Result {
    tags(f, pdu.initiator_task_tag, None)?;
    if pdu.response == ServiceResponse::COMMAND_COMPLETED {
        write!(f, " status={:#04x}", pdu.status)?;
    } else {
        write!(f, " response={}", pdu.response)?;
    }
    write!(
        f,
        " statsn={} expcmdsn={} maxcmdsn={} expdatasn={}",
        pdu.stat_sn, pdu.exp_cmd_sn, pdu.max_cmd_sn, pdu.exp_data_sn
    )?;
    residual(f, "", pdu.residual)?;
    residual(f, "read-", pdu.bidirectional_read_residual)?;
    if let Ok(sense) = pdu.sense()
        && !sense.data.is_empty()
    {
        f.write_str(" sense=")?;
        hex(f, sense.data.iter().take(SENSE_LIMIT))?;
    }
    Ok(())
}

fn task_management_response(pdu: &TaskManagementResponse, f: &mut Formatter<'_>) -> fmt::Result {
    tags(f, pdu.initiator_task_tag, None)?;
    write!(
        f,
        " response={} statsn={} expcmdsn={} maxcmdsn={}",
        pdu.response, pdu.stat_sn, pdu.exp_cmd_sn, pdu.max_cmd_sn
    )
}

fn login_response(pdu: &LoginResponse, f: &mut Formatter<'_>) -> fmt::Result {
    stages(
        f,
        pdu.transit,
        pdu.continues,
        pdu.current_stage,
        pdu.next_stage,
    )?;
    tags(f, pdu.initiator_task_tag, None)?;
    write!(
        f,
        " isid={} tsih={} statsn={} expcmdsn={} maxcmdsn={} status={}",
        pdu.isid, pdu.tsih, pdu.stat_sn, pdu.exp_cmd_sn, pdu.max_cmd_sn, pdu.status
    )?;
    keys(f, &pdu.data, is_security(pdu.current_stage))
}

fn text_response(pdu: &TextResponse, f: &mut Formatter<'_>) -> fmt::Result {
    flags(f, &[(pdu.final_bit, "F"), (pdu.continues, "C")])?;
    tags(f, pdu.initiator_task_tag, Some(pdu.target_transfer_tag))?;
    write!(
        f,
        " statsn={} expcmdsn={} maxcmdsn={}",
        pdu.stat_sn, pdu.exp_cmd_sn, pdu.max_cmd_sn
    )?;
    keys(f, &pdu.data, false)
}

fn data_in(pdu: &DataIn, f: &mut Formatter<'_>) -> fmt::Result {
    flags(
        f,
        &[
            (pdu.final_bit, "F"),
            (pdu.acknowledge, "A"),
            (pdu.status.is_some(), "S"),
        ],
    )?;
    tags(f, pdu.initiator_task_tag, None)?;
    if let Some(status) = pdu.status {
        write!(
            f,
            " status={:#04x} statsn={}",
            status.status, status.stat_sn
        )?;
        residual(f, "", status.residual)?;
    }
    write!(
        f,
        " expcmdsn={} maxcmdsn={} datasn={} offset={}",
        pdu.exp_cmd_sn, pdu.max_cmd_sn, pdu.data_sn, pdu.buffer_offset
    )?;
    data_length(f, pdu.data.len())
}

fn logout_response(pdu: &LogoutResponse, f: &mut Formatter<'_>) -> fmt::Result {
    tags(f, pdu.initiator_task_tag, None)?;
    write!(
        f,
        " response={} statsn={} expcmdsn={} maxcmdsn={} time2wait={} time2retain={}",
        pdu.response, pdu.stat_sn, pdu.exp_cmd_sn, pdu.max_cmd_sn, pdu.time2wait, pdu.time2retain
    )
}

fn r2t(pdu: &R2t, f: &mut Formatter<'_>) -> fmt::Result {
    tags(f, pdu.initiator_task_tag, Some(pdu.target_transfer_tag))?;
    write!(
        f,
        " lun={} statsn={} expcmdsn={} maxcmdsn={} r2tsn={} offset={} length={}",
        pdu.lun,
        pdu.stat_sn,
        pdu.exp_cmd_sn,
        pdu.max_cmd_sn,
        pdu.r2t_sn,
        pdu.buffer_offset,
        pdu.desired_data_transfer_length
    )
}

fn async_message(pdu: &AsyncMessage, f: &mut Formatter<'_>) -> fmt::Result {
    write!(
        f,
        " event={} vcode={} lun={} statsn={} expcmdsn={} maxcmdsn={} parameters={},{},{}",
        pdu.async_event,
        pdu.async_vcode,
        pdu.lun,
        pdu.stat_sn,
        pdu.exp_cmd_sn,
        pdu.max_cmd_sn,
        pdu.parameter1,
        pdu.parameter2,
        pdu.parameter3
    )?;
    data_length(f, pdu.data.len())
}

fn reject(pdu: &Reject, f: &mut Formatter<'_>) -> fmt::Result {
    write!(
        f,
        " reason={} statsn={} expcmdsn={} maxcmdsn={}",
        pdu.reason, pdu.stat_sn, pdu.exp_cmd_sn, pdu.max_cmd_sn
    )?;
    match pdu.rejected_header() {
        Some(header) => write!(f, " of {} itt={}", header.opcode, header.initiator_task_tag),
        None => Ok(()),
    }
}

fn flags(f: &mut Formatter<'_>, flags: &[(bool, &str)]) -> fmt::Result {
    flags
        .iter()
        .filter(|(set, _)| *set)
        .try_for_each(|(_, letter)| write!(f, " {letter}"))
}

/// Writes the flags and stages of a login PDU; the next stage only when it counts.
fn stages(
    f: &mut Formatter<'_>,
    transit: bool,
    continues: bool,
    current: Stage,
    next: Stage,
) -> fmt::Result {
    flags(f, &[(transit, "T"), (continues, "C")])?;
    write!(f, " csg={}", current.code())?;
    if transit {
        write!(f, " nsg={}", next.code())
    } else {
        Ok(())
    }
}

/// Writes the tags that name something.
fn tags(
    f: &mut Formatter<'_>,
    itt: InitiatorTaskTag,
    ttt: Option<TargetTransferTag>,
) -> fmt::Result {
    if itt != InitiatorTaskTag::RESERVED {
        write!(f, " itt={itt}")?;
    }
    match ttt {
        Some(ttt) if ttt != TargetTransferTag::RESERVED => write!(f, " ttt={ttt}"),
        _ => Ok(()),
    }
}

fn residual(f: &mut Formatter<'_>, prefix: &str, residual: Residual) -> fmt::Result {
    match residual {
        Residual::None => Ok(()),
        Residual::Underflow(count) => write!(f, " {prefix}underflow={count}"),
        Residual::Overflow(count) => write!(f, " {prefix}overflow={count}"),
    }
}

fn data_length(f: &mut Formatter<'_>, length: usize) -> fmt::Result {
    match length {
        0 => Ok(()),
        length => write!(f, " data={length} bytes"),
    }
}

fn hex<'a>(f: &mut Formatter<'_>, bytes: impl Iterator<Item = &'a u8>) -> fmt::Result {
    for (index, byte) in bytes.enumerate() {
        let space = if index == 0 { "" } else { " " };
        write!(f, "{space}{byte:02x}")?;
    }
    Ok(())
}

/// Writes text keys, those that could hold a CHAP response masked.
fn keys(f: &mut Formatter<'_>, data: &[u8], security: bool) -> fmt::Result {
    let mut separator = " keys: ";
    for pair in data
        .split(|byte| *byte == 0)
        .filter(|pair| !pair.is_empty())
    {
        f.write_str(separator)?;
        separator = ", ";
        match Secrecy::of(pair, security) {
            Secrecy::Public => escaped(f, pair)?,
            Secrecy::Value => write!(f, "CHAP_R={MASK}")?,
            Secrecy::Whole => f.write_str(MASK)?,
        }
    }
    Ok(())
}

fn escaped(f: &mut Formatter<'_>, text: &[u8]) -> fmt::Result {
    text.iter().try_for_each(|byte| match byte {
        b'\\' => f.write_str("\\\\"),
        b' '..=b'~' => write!(f, "{}", char::from(*byte)),
        _ => write!(f, "\\x{byte:02x}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iscsi::codec::{Decoder, arbitrary};
    use crate::iscsi::ids::{Cid, CmdSn, Isid, LoginStatus, Lun, StatSn, Tsih};
    use crate::iscsi::pdu::{RejectReason, TaskAttribute};
    use bytes::{Bytes, BytesMut};
    use proptest::prelude::*;

    fn login_request(stage: Stage, data: &'static [u8]) -> String {
        describe(&login_request_pdu(stage, data)).to_string()
    }

    fn login_request_pdu(stage: Stage, data: &'static [u8]) -> Pdu {
        Pdu::LoginRequest(LoginRequest {
            transit: false,
            continues: false,
            current_stage: stage,
            next_stage: Stage::default(),
            version_max: 0,
            version_min: 0,
            isid: Isid::random([1, 2, 3, 4, 5]),
            tsih: Tsih(0),
            initiator_task_tag: InitiatorTaskTag(1),
            cid: Cid(0),
            cmd_sn: CmdSn(1),
            exp_stat_sn: StatSn(0),
            data: Bytes::from_static(data),
        })
    }

    #[test]
    fn a_command_shows_its_cdb_and_only_the_length_of_its_data() {
        let pdu = Pdu::ScsiCommand(ScsiCommand {
            immediate: false,
            final_bit: true,
            read: false,
            write: true,
            attribute: TaskAttribute::SIMPLE,
            lun: Lun::from_number(1).unwrap(),
            initiator_task_tag: InitiatorTaskTag(0x10),
            expected_data_transfer_length: 5,
            cmd_sn: CmdSn(5),
            exp_stat_sn: StatSn(7),
            cdb: [0x12, 1, 0x80, 0, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            extended_cdb: Bytes::new(),
            bidirectional_read_expected_data_transfer_length: None,
            data: Bytes::from_static(b"data!"),
        });
        assert_eq!(
            describe(&pdu).to_string(),
            "SCSI Command F W itt=0x10 lun=1 cmdsn=5 expstatsn=7 attr=simple edtl=5 \
             cdb=12 01 80 00 ff 00 00 00 00 00 00 00 00 00 00 00 data=5 bytes"
        );
    }

    #[test]
    fn a_login_response_shows_stages_status_and_keys() {
        let pdu = Pdu::LoginResponse(LoginResponse {
            transit: true,
            continues: false,
            current_stage: Stage::LoginOperationalNegotiation,
            next_stage: Stage::FullFeaturePhase,
            version_max: 0,
            version_active: 0,
            isid: Isid([0x80, 0, 0, 0, 0, 1]),
            tsih: Tsih(9),
            initiator_task_tag: InitiatorTaskTag(1),
            stat_sn: StatSn(3),
            exp_cmd_sn: CmdSn(1),
            max_cmd_sn: CmdSn(2),
            status: LoginStatus::SUCCESS,
            data: Bytes::from_static(b"A=b\0C=d\0"),
        });
        assert_eq!(
            describe(&pdu).to_string(),
            "Login Response T csg=1 nsg=3 itt=0x1 isid=0x800000000001 tsih=0x9 statsn=3 expcmdsn=1 \
             maxcmdsn=2 status=0x0000 keys: A=b, C=d"
        );
    }

    #[test]
    fn a_chap_response_is_masked_and_a_challenge_is_not() {
        let line = login_request(
            Stage::SecurityNegotiation,
            b"CHAP_N=ME\0CHAP_R=0x5ec2e7\0CHAP_I=1\0CHAP_C=0xc0ffee\0",
        );
        assert!(
            line.ends_with("keys: CHAP_N=ME, CHAP_R=********, CHAP_I=1, CHAP_C=0xc0ffee"),
            "{line}"
        );
        let operational = login_request(
            Stage::LoginOperationalNegotiation,
            b"CHAP_R=0x5ec2e7\0MaxBurstLength=512\0",
        );
        assert!(
            operational.ends_with("keys: CHAP_R=********, MaxBurstLength=512"),
            "{operational}"
        );
    }

    #[test]
    fn what_is_masked_in_words_is_masked_in_the_bytes() {
        let masked = |stage, data: &'static [u8]| {
            let pdu = login_request_pdu(stage, data);
            mask_secrets(&pdu).map(|bytes| String::from_utf8(bytes).unwrap())
        };
        let security = Stage::SecurityNegotiation;
        assert_eq!(
            masked(security, b"CHAP_N=ME\0CHAP_R=0x5ec2e7\0CHAP_I=1\0").as_deref(),
            Some("CHAP_N=ME\0CHAP_R=********\0CHAP_I=1\0")
        );
        assert_eq!(masked(security, b"5ec2e7\0").as_deref(), Some("******\0"));
        assert_eq!(masked(security, b"CHAP_N=ME\0CHAP_C=0xc0ffee\0"), None);
        let operational = Stage::LoginOperationalNegotiation;
        assert_eq!(
            masked(operational, b"CHAP_R=1\0X=2\0").as_deref(),
            Some("CHAP_R=*\0X=2\0")
        );
        assert_eq!(masked(operational, b"5ec2e7\0"), None);
    }

    #[test]
    fn the_rest_of_a_chap_response_in_a_later_pdu_is_masked() {
        for rest in [&b"5ec2e7\0"[..], b"R=0x5ec2e7\0", b"5ec2e7==\0"] {
            let line = login_request(Stage::SecurityNegotiation, rest);
            assert!(line.ends_with("keys: ********"), "{line}");
        }
    }

    #[test]
    fn control_and_non_ascii_bytes_of_a_key_are_escaped() {
        let line = login_request(
            Stage::LoginOperationalNegotiation,
            b"TargetAlias=a\x1b[2J\xc3\xa9\\\0",
        );
        assert!(
            line.ends_with(r"keys: TargetAlias=a\x1b[2J\xc3\xa9\\"),
            "{line}"
        );
    }

    #[test]
    fn what_could_be_a_chap_response_is_masked_in_bytes_that_are_no_pdu() {
        let masked = |opcode: u8, data: &[u8]| {
            let mut bytes = vec![0; 48];
            bytes[0] = opcode;
            bytes.extend_from_slice(data);
            let shown = mask_malformed(&bytes);
            assert_eq!(shown[..48], bytes[..48]);
            String::from_utf8(shown[48..].to_vec()).unwrap()
        };
        assert_eq!(
            masked(0x43, b"CHAP_N=A\0CHAP_R=0x0102\0"),
            "CHAP_N=A\0CHAP_R=******\0"
        );
        assert_eq!(masked(0x23, b"the rest\0"), "********\0");
        assert_eq!(masked(0x3f, b"1234CHAP_R=0x0102\0"), "1234CHAP_R=******\0");
        assert_eq!(masked(0x25, b"data"), "data");
        assert_eq!(mask_malformed(b"SSH-2.0"), b"SSH-2.0");
    }

    #[test]
    fn a_reject_names_what_it_rejects() {
        let mut header = vec![0; 48];
        header[0] = 0x01;
        header[19] = 7;
        let pdu = Pdu::Reject(Reject {
            reason: RejectReason::COMMAND_NOT_SUPPORTED,
            stat_sn: StatSn(1),
            exp_cmd_sn: CmdSn(2),
            max_cmd_sn: CmdSn(3),
            data_sn: 0,
            data: Bytes::from(header),
        });
        assert_eq!(
            describe(&pdu).to_string(),
            "Reject reason=command not supported statsn=1 expcmdsn=2 maxcmdsn=3 of SCSI Command itt=0x7"
        );
    }

    #[test]
    fn a_response_shows_residual_and_sense() {
        let mut bytes = BytesMut::from(&[0; 56][..]);
        bytes[..4].copy_from_slice(&[0x21, 0x82, 0, 2]);
        bytes[7] = 5;
        bytes[47] = 9;
        bytes[48..53].copy_from_slice(&[0, 3, 0x70, 0, 5]);
        let pdu = Decoder::new(64).decode(&mut bytes).unwrap().unwrap();
        assert_eq!(
            describe(&pdu).to_string(),
            "SCSI Response itt=0x0 status=0x02 statsn=0 expcmdsn=0 maxcmdsn=0 expdatasn=0 underflow=9 \
             sense=70 00 05"
        );
    }

    proptest! {
        #[test]
        fn every_pdu_is_one_line_of_printable_ascii(pdu in arbitrary::pdu()) {
            let line = describe(&pdu).to_string();
            prop_assert!(line.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{}", line);
        }
    }
}
