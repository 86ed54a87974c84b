//! Why a target failed, as plain data; `render::words` has the sentences and the next steps.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::active::{Phase, Recorded};
use super::devices::problem::CommandFailure;
use crate::values::AddressKind;

/// Why a target could not be attached, or was lost before its devices were known.
///
/// All text in it that came from a target is escaped already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "cause", rename_all = "kebab-case")]
pub enum Cause {
    /// The host name has no address.
    HostNotFound {
        /// What the resolver said; none when it found nothing.
        detail: Option<String>,
    },
    /// No answer from the name service in time.
    NameServiceTimeout {
        /// How long was waited.
        after: Duration,
    },
    /// An address that no TCP connection can be made to.
    AddressUnusable {
        /// Address and port.
        portal: String,
        /// What sort of address it is.
        kind: AddressKind,
    },
    /// The host is there, and nothing listens on the port.
    ConnectionRefused {
        /// The address and port that were tried last.
        portal: String,
    },
    /// There is no way to the host.
    Unreachable {
        /// The address and port that were tried last.
        portal: String,
        /// What the system said.
        detail: String,
    },
    /// This process, or the system, had no file left for a connection.
    OpenFilesExhausted {
        /// The address and port that were tried last.
        portal: String,
    },
    /// No connection, for another reason.
    ConnectFailed {
        /// The address and port that were tried last.
        portal: String,
        /// What the system said.
        detail: String,
    },
    /// No answer from the host in time.
    ConnectTimeout {
        /// The address and port that were tried last.
        portal: String,
        /// How long was waited.
        after: Duration,
    },
    /// The peer took the connection and closed it before it answered the login.
    ClosedAfterConnect,
    /// What the peer sent is not iSCSI.
    NotIscsi {
        /// Its first bytes, escaped.
        first_bytes: String,
    },
    /// The connection failed during the login.
    LoginConnectionLost {
        /// What the system said.
        detail: String,
    },
    /// The login was not over in time.
    LoginTimeout {
        /// How long was waited.
        after: Duration,
    },
    /// The target refused the login (RFC 7143 section 11.13.5).
    LoginRefused {
        /// Status-Class.
        class: u8,
        /// Status-Detail.
        detail: u8,
        /// How far the authentication had come.
        #[serde(default)]
        authentication: Authentication,
    },
    /// The target sent the initiator from one portal to the next.
    TooManyRedirections {
        /// How often.
        count: usize,
    },
    /// The target redirects the login to nowhere that can be tried.
    RedirectionUnusable {
        /// What is wrong with it.
        detail: String,
    },
    /// The target accepts none of the authentication methods that were offered (RFC 7143 section 13.1).
    AuthMethodRefused {
        /// The list that was offered.
        offered: String,
    },
    /// The target selected an authentication method that was not offered (section 12.1).
    AuthMethodNotOffered {
        /// The list that was offered.
        offered: String,
        /// The method that the target selected, escaped.
        selected: String,
    },
    /// The target selected a CHAP algorithm that was not offered (section 12.1.3).
    ChapAlgorithmNotOffered {
        /// The list that was offered.
        offered: String,
        /// The algorithm that the target selected, escaped.
        selected: String,
    },
    /// The target accepts none of the CHAP algorithms that were offered (section 12.1.3).
    ChapAlgorithmRefused {
        /// The list that was offered.
        offered: String,
    },
    /// The target wants to be authenticated itself: mutual CHAP (section 12.1.3).
    MutualChapDemanded,
    /// The target broke a rule of RFC 7143.
    TargetProtocolError {
        /// The key or the PDU with which it did.
        subject: Option<String>,
        /// What it did.
        detail: String,
    },
    /// The credentials are in a Platform KeyStore that is not here, so the target was not tried.
    SecretNotHere,
    /// The initiator name is `*GENERATE` on a partition without a UUID, so the target was not tried.
    NoInitiatorName,
    /// The connection failed while the devices were asked.
    ConnectionLost {
        /// What the system said; none when the target closed the connection.
        detail: Option<String>,
    },
    /// The target asked the initiator to log out (section 11.9.1).
    LogoutRequested,
    /// The target ended the session.
    SessionEnded,
    /// The target rejected a PDU (section 11.17).
    PduRejected {
        /// The reason, by its name in the standard.
        reason: String,
    },
    /// The target could not carry out a command (section 11.4.3).
    TargetFailure {
        /// The response, by its name in the standard.
        response: String,
    },
    /// A command was not answered in time.
    AnswerTimeout {
        /// How long was waited.
        after: Duration,
    },
    /// The target was given up as a whole.
    GivenUp {
        /// The phase it had come to.
        during: Phase,
        /// How long it had taken.
        after: Duration,
    },
    /// REPORT LUNS was refused for good.
    ReportLunsRefused {
        /// What came instead.
        failure: CommandFailure,
    },
    /// The list of logical units makes no sense.
    ReportLunsMalformed {
        /// What is wrong with it.
        detail: String,
    },
    /// Commands were left without an answer.
    CommandsUnanswered {
        /// How many.
        count: usize,
    },
    /// A defect of this program.
    Defect {
        /// Where it showed.
        detail: String,
    },
    /// A cause of a record that this version cannot read, or that was kept as a sentence.
    Unknown {
        /// The sentence, where the record has one.
        message: Option<String>,
        /// The next step, where the record has one.
        #[serde(default)]
        hint: Option<String>,
    },
}

impl Recorded for Cause {
    fn unknown(message: Option<String>) -> Self {
        Self::Unknown {
            message,
            hint: None,
        }
    }
}

/// How far the authentication had come when a target refused the login.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Authentication {
    /// No CHAP name and secret are configured.
    NotConfigured,
    /// CHAP or its algorithms were offered, and no CHAP_R was sent.
    Offered,
    /// CHAP_N and CHAP_R were sent, or it is not known how far it had come.
    #[default]
    Answered,
}
