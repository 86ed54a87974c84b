//! `--fault` of `vtl`: what the library is to do wrong, as typed.

use std::fmt::Write;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

use crate::values::Size;

/// What `--fault` takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultArgument {
    /// `help`: the faults are listed.
    Help,
    /// One fault.
    Fault(FaultOption),
}

/// A fault, `NAME=VALUE[,times=N]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultOption {
    /// What goes wrong.
    pub fault: RequestedFault,
    /// How many times; `None` for ever.
    pub times: Option<u32>,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestedFault {
    /// `login-status=0x0302`: a login is refused with this Status-Class and Status-Detail.
    LoginStatus {
        /// Status-Class, not that of a success.
        class: u8,
        /// Status-Detail.
        detail: u8,
    },
    /// `delay=500ms`: the answer to a SCSI command comes so much later.
    Delay(Duration),
    /// `drop-after=N`: a session's connection is dropped behind so many PDUs of the target.
    DropAfter(u64),
    /// `corrupt-header-digest=N`: the header digest of a session's PDU number N is wrong, from 1 on.
    CorruptHeaderDigest(u64),
    /// `corrupt-data-digest=N`: the data digest of the first PDU with data from number N on is wrong.
    CorruptDataDigest(u64),
    /// `busy=N`: the first so many commands of a session end with BUSY.
    Busy(u32),
    /// `power-cycle=SECONDS`: the library loses power each time that so long has passed.
    PowerCycle(Duration),
    /// `early-warning=SIZE`: early warning comes when so many bytes of a cartridge are used.
    EarlyWarning(u64),
    /// `deferred-error=N`: so many blocks that were acknowledged are lost, which a deferred error reports.
    DeferredError(u32),
}

/// The name of each fault, its value, and what it does and how often.
const FAULTS: [(&str, &str, &str); 9] = [
    (
        "login-status",
        "0xCCDD",
        "Refuse a login with this Status-Class and Status-Detail, 0x0302 for one; N logins.",
    ),
    (
        "delay",
        "TIME",
        "Answer a SCSI command so much later, 500ms or 2s for one; N commands.",
    ),
    (
        "drop-after",
        "PDUS",
        "Drop the connection of a session behind so many PDUs of the target; N sessions.",
    ),
    (
        "corrupt-header-digest",
        "PDU",
        "Send PDU number PDU of a session with a wrong header digest, where one is in use; N sessions.",
    ),
    (
        "corrupt-data-digest",
        "PDU",
        "Send the first PDU with data from number PDU on with a wrong data digest, where one is in use; N sessions.",
    ),
    (
        "busy",
        "COMMANDS",
        "End the first so many commands of a session, INQUIRY, REPORT LUNS and REQUEST SENSE aside, with BUSY; N sessions.",
    ),
    (
        "power-cycle",
        "SECONDS",
        "Lose power whenever so many seconds have passed: the connections are gone, and tapes are rewound; N times.",
    ),
    (
        "early-warning",
        "SIZE",
        "Warn of the end of the medium when more than SIZE of a cartridge is used; N commands of each drive.",
    ),
    (
        "deferred-error",
        "BLOCKS",
        "Lose so many acknowledged blocks, once they are written in a row, and report it with a deferred error at the next \
         WRITE or WRITE FILEMARKS; N times.",
    ),
];

/// Why a text is no fault.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FaultError {
    /// Not `NAME=VALUE`.
    #[error("not NAME=VALUE or NAME=VALUE,times=N; --fault help lists the faults")]
    Malformed,
    /// There is no such fault.
    #[error("no fault has that name; --fault help lists them")]
    UnknownName,
    /// What follows the comma is not `times=N`.
    #[error("what follows the comma is not times=N with N from 1 to 4294967295")]
    Times,
    /// Not four hexadecimal digits behind 0x.
    #[error("not a login status such as 0x0302")]
    Status,
    /// The status of a login that succeeds.
    #[error("Status-Class 00 is that of a login that is not refused")]
    Success,
    /// Not a number of milliseconds or seconds.
    #[error("not a time such as 500ms or 2s, of at most 86400s")]
    Time,
    /// Not a whole number of seconds.
    #[error("not a whole number of seconds from 1 to 86400")]
    Seconds,
    /// Not a whole number.
    #[error("not a whole number from {smallest} to 4294967295")]
    Number {
        /// The smallest that makes sense.
        smallest: u32,
    },
    /// Not a size.
    #[error(transparent)]
    Size(#[from] crate::values::SizeError),
}

/// A day.
const LONGEST: Duration = Duration::from_secs(86_400);

impl FaultArgument {
    /// Returns the list that `--fault help` prints.
    #[must_use]
    pub fn help() -> String {
        let mut text =
            "Faults of vtl, as NAME=VALUE[,times=N]; without times=N for ever:\n".to_owned();
        for (name, value, meaning) in FAULTS {
            // Writing to a String does not fail.
            let _ = write!(text, "\n  {name}={value}\n      {meaning}\n");
        }
        text
    }
}

impl FromStr for FaultArgument {
    type Err = FaultError;

    fn from_str(typed: &str) -> Result<Self, FaultError> {
        if typed == "help" {
            return Ok(Self::Help);
        }
        let (fault, times) = match typed.split_once(',') {
            Some((fault, times)) => (fault, Some(self::times(times)?)),
            None => (typed, None),
        };
        let (name, value) = fault.split_once('=').ok_or(FaultError::Malformed)?;
        let fault = match name {
            "login-status" => status(value)?,
            "delay" => RequestedFault::Delay(time(value)?),
            "drop-after" => RequestedFault::DropAfter(number(value, 0)?.into()),
            "corrupt-header-digest" => {
                RequestedFault::CorruptHeaderDigest(number(value, 1)?.into())
            }
            "corrupt-data-digest" => RequestedFault::CorruptDataDigest(number(value, 1)?.into()),
            "busy" => RequestedFault::Busy(number(value, 1)?),
            "power-cycle" => RequestedFault::PowerCycle(seconds(value)?),
            "early-warning" => RequestedFault::EarlyWarning(value.parse::<Size>()?.bytes()),
            "deferred-error" => RequestedFault::DeferredError(number(value, 1)?),
            _ => return Err(FaultError::UnknownName),
        };
        Ok(Self::Fault(FaultOption { fault, times }))
    }
}

fn digits<T: FromStr>(typed: &str) -> Option<T> {
    let are_digits = !typed.is_empty() && typed.bytes().all(|byte| byte.is_ascii_digit());
    typed.parse().ok().filter(|_| are_digits)
}

fn number(typed: &str, smallest: u32) -> Result<u32, FaultError> {
    digits(typed)
        .filter(|number| *number >= smallest)
        .ok_or(FaultError::Number { smallest })
}

fn times(typed: &str) -> Result<u32, FaultError> {
    let count = typed.strip_prefix("times=").ok_or(FaultError::Times)?;
    number(count, 1).map_err(|_| FaultError::Times)
}

fn status(typed: &str) -> Result<RequestedFault, FaultError> {
    let digits = typed
        .strip_prefix("0x")
        .filter(|digits| digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let code = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok());
    match code.ok_or(FaultError::Status)?.to_be_bytes() {
        [0, _] => Err(FaultError::Success),
        [class, detail] => Ok(RequestedFault::LoginStatus { class, detail }),
    }
}

fn time(typed: &str) -> Result<Duration, FaultError> {
    let time = match (typed.strip_suffix("ms"), typed.strip_suffix('s')) {
        (Some(count), _) => digits(count).map(Duration::from_millis),
        (None, Some(count)) => digits(count).map(Duration::from_secs),
        (None, None) => None,
    };
    time.filter(|time| *time <= LONGEST && !time.is_zero())
        .ok_or(FaultError::Time)
}

fn seconds(typed: &str) -> Result<Duration, FaultError> {
    digits(typed)
        .map(Duration::from_secs)
        .filter(|time| *time <= LONGEST && !time.is_zero())
        .ok_or(FaultError::Seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn fault(typed: &str) -> FaultOption {
        match typed.parse() {
            Ok(FaultArgument::Fault(fault)) => fault,
            other => panic!("{typed}: {other:?}"),
        }
    }

    #[test]
    fn each_fault_is_parsed_with_its_value() {
        let expected = [
            (
                "login-status=0x03fF",
                RequestedFault::LoginStatus {
                    class: 3,
                    detail: 255,
                },
            ),
            (
                "delay=500ms",
                RequestedFault::Delay(Duration::from_millis(500)),
            ),
            ("delay=2s", RequestedFault::Delay(Duration::from_secs(2))),
            ("drop-after=0", RequestedFault::DropAfter(0)),
            (
                "corrupt-header-digest=1",
                RequestedFault::CorruptHeaderDigest(1),
            ),
            (
                "corrupt-data-digest=7",
                RequestedFault::CorruptDataDigest(7),
            ),
            ("busy=3", RequestedFault::Busy(3)),
            (
                "power-cycle=60",
                RequestedFault::PowerCycle(Duration::from_secs(60)),
            ),
            ("early-warning=1MiB", RequestedFault::EarlyWarning(1 << 20)),
            ("deferred-error=4", RequestedFault::DeferredError(4)),
        ];
        for (typed, expected) in expected {
            let times = None;
            let for_ever = FaultOption {
                fault: expected,
                times,
            };
            assert_eq!(fault(typed), for_ever);
            let times = Some(2);
            let twice = FaultOption {
                fault: expected,
                times,
            };
            assert_eq!(fault(&format!("{typed},times=2")), twice);
        }
        assert_eq!("help".parse(), Ok(FaultArgument::Help));
    }

    #[test]
    fn every_fault_is_listed_once() {
        let help = FaultArgument::help();
        for (name, value, _) in FAULTS {
            assert_eq!(help.matches(&format!("\n  {name}={value}\n")).count(), 1);
            let error = format!("{name}=?").parse::<FaultArgument>().unwrap_err();
            assert_ne!(error, FaultError::UnknownName, "{name}");
        }
    }

    #[test]
    fn what_is_no_fault_is_told_why() {
        use FaultError::*;
        for (typed, expected) in [
            ("", Malformed),
            ("busy", Malformed),
            ("HELP", Malformed),
            ("lazy=1", UnknownName),
            ("busy=1,2", Times),
            ("busy=1,times=0", Times),
            ("busy=1,times=1,times=1", Times),
            ("login-status=302", Status),
            ("login-status=0x30", Status),
            ("login-status=0x+302", Status),
            ("login-status=0x0000", Success),
            ("delay=500", Time),
            ("delay=0ms", Time),
            ("delay=86401s", Time),
            ("power-cycle=0", Seconds),
            ("power-cycle=1s", Seconds),
            ("drop-after=-1", Number { smallest: 0 }),
            ("drop-after=+1", Number { smallest: 0 }),
            ("busy=0", Number { smallest: 1 }),
            ("deferred-error=4294967296", Number { smallest: 1 }),
        ] {
            assert_eq!(typed.parse::<FaultArgument>(), Err(expected), "{typed}");
        }
        assert!(matches!(
            "early-warning=much".parse::<FaultArgument>(),
            Err(Size(_))
        ));
    }
}
