//! What was accepted or done and will probably not work as meant, as plain data; `render::words` has the sentences.

use serde::{Deserialize, Serialize};

use crate::iop::devices::problem::Problem;
use crate::values::{Subject, ValueWarning};

/// What is to be said beside a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Warning {
    /// The configured targets are not those that the last re-IPL used.
    ConfigurationChanged,
    /// A target is staged, and a re-IPL uses what is configured only.
    StagedNotCommitted {
        /// Its name as joined so far.
        target_name: Option<String>,
    },
    /// The generated initiator name is not that of the last re-IPL.
    GeneratedNameChanged {
        /// The name that the last re-IPL used.
        before: String,
        /// The name that this one used.
        now: String,
    },
    /// CHAP secrets are in a Platform KeyStore that is not here.
    SecretsNotHere {
        /// The targets concerned.
        targets: Vec<String>,
    },
    /// A target is connected and has a problem.
    TargetProblem {
        /// Its name.
        target_name: String,
        /// The problem.
        problem: Problem,
    },
    /// `-newname` has several parameters.
    SeveralParameters,
    /// Nothing was staged that `-appendname` could append to.
    FirstPiece {
        /// What was appended to.
        subject: Subject,
    },
    /// Upper-casing changed a CHAP name or secret.
    ChangedToUpperCase {
        /// Which of the two.
        subject: Subject,
    },
    /// A value that a VTL may not take.
    Value(ValueWarning),
    /// The staged host name holds a port, which `-commit` refuses.
    HostNameWithPort {
        /// The part before the colon.
        host: String,
        /// The part behind it.
        port: String,
    },
    /// Another configured target logs in under another initiator name; IBM i has one initiator.
    SecondInitiator {
        /// The name of this target.
        used: String,
        /// The name of the other one.
        other: String,
    },
    /// Credentials went from the Platform KeyStore to disk.
    CredentialsOnDisk {
        /// How many.
        count: usize,
    },
    /// An import brought credentials that no configured target refers to.
    CredentialsWithoutTarget {
        /// How many.
        count: usize,
    },
    /// Two entries for one target log in under one initiator name.
    SameInitiatorTwice {
        /// The target.
        target: String,
    },
    /// Targets log in as `*GENERATE`, and the partition has no UUID.
    NoGeneratedName,
    /// The file of a trace could not be written any more.
    TraceIncomplete {
        /// The file, as a shell takes it.
        file: String,
        /// What the system said.
        detail: String,
    },
    /// A CHAP name or secret of the virtual tape library has a lower-case letter, and the macro sends none.
    LibraryLowerCase {
        /// Which of the two.
        subject: Subject,
    },
    /// A CHAP secret of the virtual tape library is shorter than 12 characters.
    ShortLibrarySecret {
        /// Whether it is the library's own, for mutual CHAP.
        of_target: bool,
    },
}
