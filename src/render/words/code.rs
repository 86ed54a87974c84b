//! The codes of failures, problems, warnings and errors: words with hyphens, stable once released.

use std::fmt;

use schemars::{Schema, SchemaGenerator, json_schema};

use crate::cli::man::CodeSection;

/// What a code is the code of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeKind {
    /// `failure.code` of a target.
    Failure,
    /// `lost.code` of a target.
    Loss,
    /// `code` of an entry of `problems`.
    Problem,
    /// `code` of an entry of `warnings`.
    Warning,
    /// `error.code`.
    Error,
}

impl CodeKind {
    /// Every kind, in the order of the man page.
    pub const ALL: [Self; 5] = [
        Self::Failure,
        Self::Loss,
        Self::Problem,
        Self::Warning,
        Self::Error,
    ];

    /// Returns the heading of its codes.
    pub const fn heading(self) -> &'static str {
        match self {
            Self::Failure => "Failures of a target",
            Self::Loss => "Losses of a session that a resident IOP held",
            Self::Problem => "Problems of a target or a library",
            Self::Warning => "Warnings",
            Self::Error => "Errors",
        }
    }
}

macro_rules! codes {
    ($($kind:ident { $($name:ident = $word:literal, $meaning:literal;)* })*) => {
        /// The stable name of a cause.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $($(#[doc = $meaning] $name,)*)*
        }

        impl Code {
            /// Every code, kind by kind.
            pub const ALL: &'static [Self] = &[$($(Self::$name,)*)*];

            /// Returns the code as documents have it.
            pub const fn as_str(self) -> &'static str {
                match self { $($(Self::$name => $word,)*)* }
            }

            /// Returns what it is the code of.
            pub const fn kind(self) -> CodeKind {
                match self { $($(Self::$name => CodeKind::$kind,)*)* }
            }

            /// Returns what it means, a sentence.
            pub const fn meaning(self) -> &'static str {
                match self { $($(Self::$name => $meaning,)*)* }
            }
        }
    };
}

codes! {
    Failure {
        HostNotFound = "host-not-found", "The host name has no address.";
        NameServiceTimeout = "name-service-timeout", "The name service did not answer in time.";
        AddressUnusable = "address-unusable", "The address is link-local, multicast or unspecified.";
        ConnectionRefused = "connection-refused", "The host is there, and nothing listens on the port.";
        Unreachable = "unreachable", "There is no way to the host.";
        OpenFilesExhausted = "open-files-exhausted", "The limit of open files leaves none for a connection.";
        ConnectFailed = "connect-failed", "The connection failed for another reason of the system.";
        ConnectTimeout = "connect-timeout", "The host did not answer in time.";
        ClosedAfterConnect = "closed-after-connect", "The connection was closed before the login was answered.";
        NotIscsi = "not-iscsi", "What answered on the port does not speak iSCSI.";
        LoginConnectionLost = "login-connection-lost", "The connection failed during the login.";
        LoginTimeout = "login-timeout", "The login was not answered in time.";
        LoginRefused = "login-refused", "The target refused the login; login_status says how.";
        ChapRefused = "chap-refused", "The target did not accept the CHAP name and secret.";
        ChapRequired = "chap-required", "The target wants CHAP, and none is configured.";
        ChapAlgorithmRefused = "chap-algorithm-refused", "The target accepts none of the CHAP algorithms offered.";
        ChapAlgorithmNotOffered = "chap-algorithm-not-offered", "The target selected a CHAP algorithm that was not offered.";
        AuthMethodNotOffered = "auth-method-not-offered", "The target selected an authentication method that was not offered.";
        MutualChapDemanded = "mutual-chap-demanded", "The target wants to be authenticated itself.";
        AuthMethodRefused = "auth-method-refused", "The target accepts none of the authentication methods offered.";
        NotAuthorized = "not-authorized", "The initiator name is not allowed at the target.";
        TargetNotFound = "target-not-found", "The target name is not known at the address.";
        TargetUnavailable = "target-unavailable", "The target is not in operation, or not of that name.";
        TargetOutOfResources = "target-out-of-resources", "The target has no sessions, connections or memory left.";
        TargetError = "target-error", "The target has a hardware or software error.";
        TooManyRedirections = "too-many-redirections", "The target redirects from portal to portal.";
        RedirectionUnusable = "redirection-unusable", "The target redirects to nowhere that can be tried.";
        TargetProtocolError = "target-protocol-error", "The target broke a rule of RFC 7143.";
        SecretNotHere = "secret-not-here", "Not tried: the CHAP secret is not in this machine's KeyStore.";
        NoInitiatorName = "no-initiator-name", "Not tried: *GENERATE on a partition without a UUID.";
        ConnectionLost = "connection-lost", "The connection failed while the devices were asked.";
        LogoutRequested = "logout-requested", "The target asked the initiator to log out.";
        SessionEnded = "session-ended", "The target ended the session.";
        PduRejected = "pdu-rejected", "The target rejected a PDU.";
        TargetFailure = "target-failure", "The target could not carry out a command.";
        AnswerTimeout = "answer-timeout", "A command was not answered in time.";
        GivenUp = "given-up", "The target took four times --timeout altogether.";
        ReportLunsRefused = "report-luns-refused", "The target does not list its logical units.";
        ReportLunsMalformed = "report-luns-malformed", "The list of logical units cannot be read.";
        CommandsUnanswered = "commands-unanswered", "The target left commands unanswered.";
        Defect = "defect", "A defect of this program.";
        UnknownFailure = "unknown-failure", "A failure that another version recorded.";
    }
    Loss {
        NoAnswer = "no-answer", "The target did not answer a ping, or another request that is no command.";
        ConnectionClosed = "connection-closed", "The target closed the connection.";
        ConnectionFailed = "connection-failed", "The connection failed.";
        LogoutWasRequested = "logout-requested", "The target asked the initiator to log out, which it did.";
        SessionDropped = "session-dropped", "The target dropped the connection or the session.";
        RequestRejected = "pdu-rejected", "The target rejected a PDU.";
        ProtocolBroken = "target-protocol-error", "The target broke a rule of RFC 7143.";
        HolderEnded = "holder-ended", "The IOP that held the session was killed, and the next one did not reach the target.";
        UnknownLoss = "unknown-loss", "A cause that another version recorded.";
    }
    Problem {
        LogicalUnitsLeftOut = "logical-units-left-out", "The target has more logical units than are asked.";
        DeviceUnidentified = "device-unidentified", "A logical unit does not say what kind of device it is.";
        DeviceDataUnread = "device-data-unread", "Something about a device could not be read.";
        DriveElementsLeftOut = "drive-elements-left-out", "The element status describes fewer drives than it announces.";
        Not3584 = "not-a-3584", "IBM i expects a 3584.";
        MixedDriveTypes = "mixed-drive-types", "The library has more than one drive type.";
        DriveTooOld = "drive-too-old", "A drive is older than LTO3.";
        DriveIsNoLun = "drive-is-no-lun", "The library names a drive that is no LUN of the target.";
        DriveUnnamed = "drive-unnamed", "The library does not say which drive is in an element.";
        DriveNamedTwice = "drive-named-twice", "Two elements name the same drive.";
        DriveIdentifierCut = "drive-identifier-cut", "The library's identifier of a drive is cut short.";
        DriveIdentifierUnlike = "drive-identifier-unlike", "The library's identifier of a drive is not its serial number.";
        DriveInNoLibrary = "drive-in-no-library", "No library of the target names a drive.";
        DeviceSeenTwice = "device-seen-twice", "Two logical units have the same identity.";
        NoTapeDevice = "no-tape-device", "The target shows this initiator no tape device.";
        NotAuthenticated = "not-authenticated", "CHAP is configured, and the target did not ask for it.";
        ProtocolDeparture = "protocol-departure", "The target departs from RFC 7143 where nothing is at stake.";
        UnknownProblem = "unknown-problem", "A problem that another version recorded.";
    }
    Warning {
        ConfigurationChanged = "configuration-changed", "The configured targets are not those that the last re-IPL used.";
        StagedNotCommitted = "staged-not-committed", "A target is staged, and the re-IPL does not use it.";
        GeneratedNameChanged = "generated-name-changed", "The generated initiator name is not that of the last re-IPL.";
        SecretsNotHere = "secrets-not-here", "CHAP secrets are not in this machine's KeyStore.";
        TargetProblem = "target-problem", "A target is connected and has a problem, which the report names.";
        SeveralParameters = "several-parameters", "Several parameters on one -newname are not accepted everywhere.";
        FirstPiece = "first-piece", "Nothing was staged to append to.";
        ChangedToUpperCase = "changed-to-upper-case", "A CHAP value was changed to upper case.";
        UncommonName = "uncommon-name", "A name does not begin with iqn., eui. or naa., or has no date behind iqn.";
        GenerateWithoutAsterisk = "generate-without-asterisk", "The initiator name is the word GENERATE.";
        UnusableAddress = "address-unusable", "The address is link-local, multicast, broadcast or unspecified.";
        HostNameWithPort = "host-name-with-port", "The staged host name holds a port, which -commit refuses.";
        ChapNameLength = "chap-name-length", "A CHAP name is longer than the HMC takes.";
        ConsoleCharacters = "console-characters", "A name has characters that VTL consoles refuse.";
        LowerCase = "lower-case", "A CHAP value of the virtual tape library has a lower-case letter.";
        SecretLength = "secret-length", "A CHAP secret is shorter or longer than others take.";
        SecondInitiator = "second-initiator", "Targets log in under different initiator names.";
        CredentialsOnDisk = "credentials-on-disk", "CHAP credentials went to disk in plain text.";
        CredentialsWithoutTarget = "credentials-without-target", "An import brought credentials that no target refers to.";
        SameInitiatorTwice = "same-initiator-twice", "Two entries log in to one target under one name.";
        TraceIncomplete = "trace-incomplete", "The file of a trace could not be written any more.";
        NoGeneratedNameNow = "no-generated-name", "Targets log in as *GENERATE, and the partition has no UUID.";
    }
    Error {
        Usage = "usage", "The command line is not of the grammar, for no reason of its own below.";
        MisspelledWord = "misspelled-word", "A word of the grammar has been changed by typing or pasting.";
        UnknownOption = "unknown-option", "There is no such option.";
        UnknownParameter = "unknown-parameter", "There is no such parameter.";
        StrayWord = "stray-word", "A word is neither a parameter nor the value of one.";
        UnknownCommand = "unknown-command", "There is no such command.";
        NotUtf8 = "not-utf8", "A word is not UTF-8 text.";
        MissingValue = "missing-value", "A parameter has no value.";
        ParameterNotTaken = "parameter-not-taken", "The option does not take the parameter.";
        ParameterTwice = "parameter-twice", "A parameter is given twice.";
        MissingParameter = "missing-parameter", "The option needs a parameter that is not there.";
        TooManyParameters = "too-many-parameters", "The option takes one of the parameters given.";
        SecondOption = "second-option", "One call takes one option.";
        ParameterBeforeOption = "parameter-before-option", "A parameter stands where the option belongs.";
        HostOptionBehind = "host-option-behind", "A host option follows the macro's option.";
        MacroNameTwice = "macro-name-twice", "The macro's name is given twice.";
        NothingToChange = "nothing-to-change", "The call changes something, and nothing is given.";
        EmptyValue = "empty-value", "A value is empty.";
        ValueTooLong = "value-too-long", "A value is longer than its limit.";
        InvalidCharacter = "invalid-character", "A value has a character that it cannot hold.";
        InvalidValue = "invalid-value", "A value is not of its form.";
        TargetExists = "target-exists", "The target is configured already.";
        TargetTwice = "target-twice", "A document names a target twice.";
        MalformedDocument = "malformed-document", "A document does not parse, or has an unknown field.";
        SecondConnection = "second-connection", "The initiator is configured for that target by another portal, or the resident IOP holds a session with it as it was before.";
        NoSuchTarget = "no-such-target", "No such target is configured.";
        HalfChap = "half-chap", "CHAP name and secret come together.";
        KeystoreNotEnabled = "keystore-not-enabled", "The Platform KeyStore is not enabled.";
        KeystoreNotUsed = "keystore-not-used", "The release does not use the Platform KeyStore for CHAP.";
        NoGeneratedName = "no-generated-name", "The partition has no UUID to generate an initiator name from.";
        CredentialNotHere = "secret-not-here", "The CHAP secret is not in this machine's KeyStore.";
        NothingStaged = "nothing-staged", "Nothing is staged to commit.";
        Incomplete = "incomplete", "The staged target lacks a name.";
        StagedValue = "staged-value", "What is staged does not make a value.";
        AppendToGenerate = "append-to-generate", "Nothing can be appended to *GENERATE.";
        KeystoreInUse = "keystore-in-use", "Credentials would lose their place in the KeyStore.";
        KeystoreDemanded = "keystore-demanded", "A credential with PLATFORM needs the KeyStore.";
        KeystoreFull = "keystore-full", "The credentials do not fit into the KeyStore.";
        KeystoreInState = "keystore-in-state", "The keystore directory is inside the state directory.";
        KeystoreMisplaced = "keystore-misplaced", "A reference to the KeyStore belongs to another target.";
        NotDurable = "not-durable", "The edit is done, and a power failure may undo it.";
        KeystoreSealed = "keystore-sealed", "The KeyStore cannot be opened.";
        StateUnusable = "state-unusable", "The state could not be read or written.";
        OpenToOthers = "open-to-others", "Group or others can read or write what is private.";
        SymbolicLink = "symbolic-link", "A record is a symbolic link.";
        ForeignOwner = "foreign-owner", "A file or a directory belongs to another user.";
        MalformedRecord = "malformed-record", "A record does not parse.";
        NewerSchema = "newer-schema", "A record was written by a newer version.";
        LockHeld = "lock-held", "Another process holds a lock.";
        DeviceInUse = "device-in-use", "A job of the resident IOP uses the device.";
        NoResidentIop = "no-resident-iop", "No resident IOP runs for the state directory.";
        IopUnresponsive = "iop-unresponsive", "The resident IOP does not answer, or not as it should.";
        IopStopping = "iop-stopping", "The resident IOP is stopping.";
        JobCutOff = "job-cut-off", "The resident IOP ended, or closed the connection of a job.";
        OtherVersion = "other-version", "The resident IOP is another version of this program.";
        NoStateDirectory = "no-state-directory", "There is no directory to keep the state in.";
        NoResources = "no-resources", "The system has no files, threads or random numbers left.";
        OutputFailed = "output-failed", "The output could not be written.";
        FileUnusable = "file-unusable", "A file could not be read or written.";
        FileExists = "file-exists", "A file that would be overwritten is there.";
        ExportUnusable = "export-unusable", "An exported file does not open with this passphrase.";
        NoTerminal = "no-terminal", "There is no terminal to ask on.";
        InvalidLibrary = "invalid-library", "There is no such virtual tape library.";
        CannotListen = "cannot-listen", "The address cannot be listened on.";
        NoSuchDevice = "no-such-device", "The active configuration has no such device, or none of that kind.";
        ReIplNeeded = "re-ipl-needed", "The device is not known as it is now: a re-IPL finds it again.";
        OtherDevice = "other-device", "Another device answers where the last re-IPL found this one.";
        TargetUnreachable = "target-unreachable", "There is no session with the target of a device.";
        DeviceError = "device-error", "A device reported an error, or did not answer.";
        NotSql = "not-sql", "A statement is not SQL.";
        NotAvailable = "not-available", "A statement has a part of SQL that is not available here.";
        UnknownName = "unknown-name", "A statement names a procedure, a view or a column that there is none of.";
        EvaluationFailed = "evaluation-failed", "A statement has a value that a function does not take.";
        StatementLimit = "statement-limit", "A statement takes more words, steps, time or memory than it may.";
        ShortSecret = "short-secret", "A CHAP secret is shorter than the SQL services take.";
        AmbiguousTarget = "ambiguous-target", "More than one configured target fits.";
        DiscoveryFailed = "discovery-failed", "A host gives no list of its targets.";
        NoSuchVolume = "no-such-volume", "The library has no such volume.";
        AmbiguousVolume = "ambiguous-volume", "Several volumes have the name.";
        NoSuchElement = "no-such-element", "The library has no such element for a cartridge.";
        ElementEmpty = "element-empty", "No cartridge is in the element or drive.";
        ElementFull = "element-full", "A cartridge is in the element or drive already.";
        NoneFree = "none-free", "The library has no free element of the kind.";
        InAnotherDrive = "in-another-drive", "The volume is in another drive than the one asked for.";
        HoldsData = "holds-data", "The cartridge holds data, and --overwrite is not given.";
        NoSuchTapeFile = "no-such-tape-file", "The cartridge has no such tape file.";
        NoFilemark = "no-filemark", "The data of a tape file ends without a filemark.";
        WriteProtected = "write-protected", "The cartridge or its drive is write-protected.";
        EndOfMedium = "end-of-medium", "The end of the tape is reached.";
        BlockLength = "block-length", "The drive takes no blocks that are so long.";
        BlockTooLong = "block-too-long", "A block of the tape is longer than was expected.";
        MediumChanged = "medium-changed", "Another cartridge was put into the drive.";
        DataDiffers = "data-differs", "What is on a tape is not what was written or copied.";
        SameCartridge = "same-cartridge", "A cartridge is named as both sides of a copy.";
        BlocksLost = "blocks-lost", "Blocks that the drive acknowledged may not be on the tape.";
        SameSecrets = "same-secrets", "One CHAP secret is given for both sides.";
    }
}

/// Returns every code with its meaning, as the man page lists them.
pub fn listed() -> Vec<CodeSection> {
    CodeKind::ALL
        .iter()
        .map(|kind| CodeSection {
            heading: kind.heading(),
            codes: Code::ALL
                .iter()
                .filter(|code| code.kind() == *kind)
                .map(|code| (code.as_str(), code.meaning()))
                .collect(),
        })
        .collect()
}

impl CodeKind {
    /// Returns the schema of a code: the codes are examples, since later versions may have more of them.
    fn schema(self) -> Schema {
        let codes = Code::ALL.iter().filter(|code| code.kind() == self);
        let words: Vec<&str> = codes.map(|code| code.as_str()).collect();
        json_schema!({"type": "string", "examples": words})
    }
}

/// Returns the schema of the code of a failure.
pub(in crate::render) fn failure(_: &mut SchemaGenerator) -> Schema {
    CodeKind::Failure.schema()
}

/// Returns the schema of the code of a loss.
pub(in crate::render) fn loss(_: &mut SchemaGenerator) -> Schema {
    CodeKind::Loss.schema()
}

/// Returns the schema of the code of a problem.
pub(in crate::render) fn problem(_: &mut SchemaGenerator) -> Schema {
    CodeKind::Problem.schema()
}

/// Returns the schema of the code of a warning.
pub(in crate::render) fn warning(_: &mut SchemaGenerator) -> Schema {
    CodeKind::Warning.schema()
}

/// Returns the schema of the code of an error.
pub(in crate::render) fn error(_: &mut SchemaGenerator) -> Schema {
    CodeKind::Error.schema()
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl serde::Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_code_is_words_with_hyphens_and_means_one_thing() {
        let mut seen = BTreeSet::new();
        for code in Code::ALL {
            let word = code.as_str();
            assert!(
                word.split('-').all(|part| !part.is_empty()
                    && part
                        .chars()
                        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())),
                "{word}"
            );
            assert!(seen.insert((code.kind().heading(), word)), "{word} twice");
            assert!(code.meaning().ends_with('.') && code.meaning().is_ascii());
        }
    }
}
