//! The macro's grammar as one table, in the order of IBM's document.
//!
//! The parser, the help texts, the man page, the completion scripts and their tests all walk [`OPTIONS`] and
//! [`PARAMETERS`]: a word that is not here does not exist, and a rule that is not here is not enforced.

/// An option of the macro: what one call is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MacroOption {
    /// `-dumpinitiators`
    DumpInitiators,
    /// `-dumptargets`
    DumpTargets,
    /// `-addtarget`
    AddTarget,
    /// `-reipliscsiop`, also `-reiplscsiop`
    ReIplIscsiIop,
    /// `-removetarget`
    RemoveTarget,
    /// `-changetarget`
    ChangeTarget,
    /// `-clearconfig`
    ClearConfig,
    /// `-newname`
    NewName,
    /// `-appendname`
    AppendName,
    /// `-setport`
    SetPort,
    /// `-setkeystore`
    SetKeystore,
    /// `-commit`
    Commit,
}

/// A parameter of an option: a word that is followed by its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Parameter {
    /// `-initiatorname`
    InitiatorName,
    /// `-targethostname`
    TargetHostName,
    /// `-targetname`
    TargetName,
    /// `-targetport`
    TargetPort,
    /// `-initiatorchapname`
    InitiatorChapName,
    /// `-initiatorchapsecret`
    InitiatorChapSecret,
    /// `-chapkeystore`
    ChapKeystore,
}

/// Every option, in the order of IBM's document.
pub static OPTIONS: [&OptionSpec; 12] = [
    &DUMP_INITIATORS,
    &DUMP_TARGETS,
    &ADD_TARGET,
    &RE_IPL_ISCSI_IOP,
    &REMOVE_TARGET,
    &CHANGE_TARGET,
    &CLEAR_CONFIG,
    &NEW_NAME,
    &APPEND_NAME,
    &SET_PORT,
    &SET_KEYSTORE,
    &COMMIT,
];

/// Every parameter, in the order of IBM's document.
pub static PARAMETERS: [&ParameterSpec; 7] = [
    &INITIATOR_NAME,
    &TARGET_HOST_NAME,
    &TARGET_NAME,
    &TARGET_PORT,
    &INITIATOR_CHAP_NAME,
    &INITIATOR_CHAP_SECRET,
    &CHAP_KEYSTORE,
];

/// The word that asks for help; it stands where an option or a parameter may stand.
pub const HELP_WORD: &str = "-help";

/// What the table says about one option.
#[derive(Debug)]
pub struct OptionSpec {
    /// Which option this is.
    pub option: MacroOption,
    /// The accepted words, dash included; the first is the documented one.
    pub spellings: &'static [&'static str],
    /// Where the help groups it.
    pub group: Group,
    /// Which parameters it takes.
    pub parameters: ParameterRule,
    /// What it does, in one line without a full stop.
    pub summary: &'static str,
    /// What there is to know before it is used: plain text, a paragraph each.
    pub help: &'static [&'static str],
}

/// What the table says about one parameter.
#[derive(Debug)]
pub struct ParameterSpec {
    /// Which parameter this is.
    pub parameter: Parameter,
    /// Its word, dash included.
    pub word: &'static str,
    /// What stands for its value in help texts.
    pub metavar: &'static str,
    /// What its value is, in one line without a full stop.
    pub summary: &'static str,
    /// What there is to know about its value: plain text, a paragraph each.
    pub help: &'static [&'static str],
    /// What a shell may offer as its value.
    pub completion: ValueCompletion,
    /// Whether its value must never be shown.
    pub secret: bool,
}

/// Which parameters an option takes, and which of them it needs.
#[derive(Debug)]
pub enum ParameterRule {
    /// All of `required`, and any of `optional`; both empty for an option without parameters.
    Each {
        /// Parameters that must be given.
        required: &'static [Parameter],
        /// Parameters that may be given.
        optional: &'static [Parameter],
    },
    /// One or more of these.
    OneOrMore(&'static [Parameter]),
    /// Exactly one of these.
    ExactlyOne(&'static [Parameter]),
}

/// The headings under which the help lists the options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Shows what is active.
    Show,
    /// Edits the configured targets in one call.
    Configure,
    /// Builds up one target over several calls.
    Stage,
    /// Makes the configuration active.
    Activate,
}

/// What a shell may offer as a parameter's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueCompletion {
    /// Nothing: the value is free, or secret.
    Nothing,
    /// The configured target names.
    TargetNames,
    /// The configured initiator names, and `*GENERATE`.
    InitiatorNames,
    /// The configured target host names.
    HostNames,
    /// One of these words.
    Choices(&'static [&'static str]),
}

/// The words that `-chapkeystore` takes.
pub const KEYSTORE_CHOICES: &[&str] = &["AVAIL", "NONE", "PLATFORM"];

impl MacroOption {
    /// Returns what the table says about this option.
    pub fn spec(self) -> &'static OptionSpec {
        match self {
            Self::DumpInitiators => &DUMP_INITIATORS,
            Self::DumpTargets => &DUMP_TARGETS,
            Self::AddTarget => &ADD_TARGET,
            Self::ReIplIscsiIop => &RE_IPL_ISCSI_IOP,
            Self::RemoveTarget => &REMOVE_TARGET,
            Self::ChangeTarget => &CHANGE_TARGET,
            Self::ClearConfig => &CLEAR_CONFIG,
            Self::NewName => &NEW_NAME,
            Self::AppendName => &APPEND_NAME,
            Self::SetPort => &SET_PORT,
            Self::SetKeystore => &SET_KEYSTORE,
            Self::Commit => &COMMIT,
        }
    }

    /// Returns the documented word, dash included: `-addtarget`.
    pub fn word(self) -> &'static str {
        self.spec().word()
    }

    /// Returns the option that `word` spells exactly.
    pub fn from_word(word: &str) -> Option<Self> {
        OPTIONS
            .iter()
            .find(|spec| spec.spellings.contains(&word))
            .map(|spec| spec.option)
    }
}

impl Parameter {
    /// Returns what the table says about this parameter.
    pub fn spec(self) -> &'static ParameterSpec {
        match self {
            Self::InitiatorName => &INITIATOR_NAME,
            Self::TargetHostName => &TARGET_HOST_NAME,
            Self::TargetName => &TARGET_NAME,
            Self::TargetPort => &TARGET_PORT,
            Self::InitiatorChapName => &INITIATOR_CHAP_NAME,
            Self::InitiatorChapSecret => &INITIATOR_CHAP_SECRET,
            Self::ChapKeystore => &CHAP_KEYSTORE,
        }
    }

    /// Returns its word, dash included: `-targetname`.
    pub fn word(self) -> &'static str {
        self.spec().word
    }

    /// Returns the parameter that `word` spells exactly.
    pub fn from_word(word: &str) -> Option<Self> {
        PARAMETERS
            .iter()
            .find(|spec| spec.word == word)
            .map(|spec| spec.parameter)
    }
}

impl OptionSpec {
    /// Returns the documented word, dash included.
    pub fn word(&self) -> &'static str {
        self.spellings.first().copied().unwrap_or_default()
    }

    /// Returns every parameter that the option takes, required ones first.
    pub fn parameters(&self) -> impl Iterator<Item = Parameter> + use<> {
        let (first, rest): (&[Parameter], &[Parameter]) = match self.parameters {
            ParameterRule::Each { required, optional } => (required, optional),
            ParameterRule::OneOrMore(any) | ParameterRule::ExactlyOne(any) => (any, &[]),
        };
        first.iter().chain(rest).copied()
    }

    /// Returns whether the option takes `parameter`.
    pub fn takes(&self, parameter: Parameter) -> bool {
        self.parameters().any(|taken| taken == parameter)
    }
}

impl Group {
    /// Every group, in the order in which the help shows them.
    pub const ALL: [Self; 4] = [Self::Show, Self::Configure, Self::Stage, Self::Activate];

    /// Returns the heading.
    pub fn heading(self) -> &'static str {
        match self {
            Self::Show => "Show the active configuration",
            Self::Configure => "Edit the configured targets",
            Self::Stage => "Build up one target over several calls",
            Self::Activate => "Make the configuration active",
        }
    }
}

/// The parameters that name a target, in every option that takes a whole one.
const TARGET_IDENTITY: &[Parameter] = &[
    Parameter::InitiatorName,
    Parameter::TargetHostName,
    Parameter::TargetName,
];

/// What may be added to a target's identity where CHAP can be given.
const PORT_AND_CHAP: &[Parameter] = &[
    Parameter::TargetPort,
    Parameter::InitiatorChapName,
    Parameter::InitiatorChapSecret,
    Parameter::ChapKeystore,
];

/// The parameters that are staged piece by piece.
const STAGED_NAMES: &[Parameter] = &[
    Parameter::InitiatorName,
    Parameter::TargetHostName,
    Parameter::TargetName,
    Parameter::InitiatorChapName,
    Parameter::InitiatorChapSecret,
];

const NO_PARAMETERS: ParameterRule = ParameterRule::Each {
    required: &[],
    optional: &[],
};

static DUMP_INITIATORS: OptionSpec = OptionSpec {
    option: MacroOption::DumpInitiators,
    spellings: &["-dumpinitiators"],
    group: Group::Show,
    parameters: NO_PARAMETERS,
    summary: "Show the iSCSI initiator as the IOP last used it",
    help: &[
        "Shows the configuration that the last re-IPL made active. A change made since then does not show until the \
         next re-IPL; a line on standard error says that there is one.",
        "Before the first re-IPL it shows the initiator name that the system generates, which is the name that the \
         administrator of the VTL needs.",
    ],
};

static DUMP_TARGETS: OptionSpec = OptionSpec {
    option: MacroOption::DumpTargets,
    spellings: &["-dumptargets"],
    group: Group::Show,
    parameters: NO_PARAMETERS,
    summary: "Show the iSCSI targets as the IOP last found them",
    help: &[
        "Shows the targets that the last re-IPL made active, what became of each connection, and the libraries and \
         drives that were found. A change made since then does not show until the next re-IPL; a line on standard \
         error says that there is one.",
    ],
};

static ADD_TARGET: OptionSpec = OptionSpec {
    option: MacroOption::AddTarget,
    spellings: &["-addtarget"],
    group: Group::Configure,
    parameters: ParameterRule::Each {
        required: TARGET_IDENTITY,
        optional: PORT_AND_CHAP,
    },
    summary: "Configure a new target",
    help: &[
        "Initiator name, target host name, target name and port together identify a target; one that exists is \
         refused. So is a second connection from the same initiator to the same target by another host name or port, \
         which the IBM i design does not allow.",
        "CHAP name and CHAP secret are given together or not at all.",
        "The target is contacted at the next re-IPL, not before.",
    ],
};

static RE_IPL_ISCSI_IOP: OptionSpec = OptionSpec {
    option: MacroOption::ReIplIscsiIop,
    spellings: &["-reipliscsiop", "-reiplscsiop"],
    group: Group::Activate,
    parameters: NO_PARAMETERS,
    summary: "Re-IPL the iSCSI IOP: connect to every configured target and report what is found",
    help: &[
        "Ends the current connections and makes new ones from the most recent configuration: logs in to every \
         configured target, finds the libraries and drives, names them TAPMLBxx and TAPxx, logs out and prints the \
         report. A target that fails is reported with its cause and does not stop the others; nothing that is \
         configured is lost, and the exit status is 4.",
        "A first login that the VTL refuses is a normal step of attaching: only then does the console of many VTLs \
         list the initiator name. Allow the name there, and re-IPL again.",
        "IBM's document spells this option in two ways; both are accepted.",
    ],
};

static REMOVE_TARGET: OptionSpec = OptionSpec {
    option: MacroOption::RemoveTarget,
    spellings: &["-removetarget"],
    group: Group::Configure,
    parameters: ParameterRule::Each {
        required: TARGET_IDENTITY,
        optional: &[Parameter::TargetPort],
    },
    summary: "Remove a configured target",
    help: &[
        "The four values must be those of a configured target: one on another port than 3260 needs -targetport here \
         too. Its CHAP name and secret are removed with it.",
    ],
};

static CHANGE_TARGET: OptionSpec = OptionSpec {
    option: MacroOption::ChangeTarget,
    spellings: &["-changetarget"],
    group: Group::Configure,
    parameters: ParameterRule::Each {
        required: TARGET_IDENTITY,
        optional: PORT_AND_CHAP,
    },
    summary: "Change the CHAP parameters of a configured target",
    help: &[
        "Initiator name, target host name, target name and port say which target is meant and cannot be changed. The \
         CHAP parameters that are given replace the old ones, those that are not given stay, and at least one must be \
         given.",
        "To drop CHAP, remove the target and add it again without.",
    ],
};

static CLEAR_CONFIG: OptionSpec = OptionSpec {
    option: MacroOption::ClearConfig,
    spellings: &["-clearconfig"],
    group: Group::Configure,
    parameters: NO_PARAMETERS,
    summary: "Remove every configured target and everything that is staged",
    help: &[
        "Takes the configuration back to that of a new system, stored CHAP credentials included. The active \
         configuration stays until the next re-IPL, and device names are kept.",
    ],
};

static NEW_NAME: OptionSpec = OptionSpec {
    option: MacroOption::NewName,
    spellings: &["-newname"],
    group: Group::Stage,
    parameters: ParameterRule::OneOrMore(STAGED_NAMES),
    summary: "Stage a name, replacing the one that was staged before",
    help: &[
        "There is one staged target. Each call replaces the parameters that it names and leaves the others as they \
         are; -commit configures the result. A value that is too long for one call is continued with -appendname.",
        "IBM's document allows one or more parameters in one place and one in another: a portable script gives one.",
    ],
};

static APPEND_NAME: OptionSpec = OptionSpec {
    option: MacroOption::AppendName,
    spellings: &["-appendname"],
    group: Group::Stage,
    parameters: ParameterRule::ExactlyOne(STAGED_NAMES),
    summary: "Append to a staged name",
    help: &["Adds the value to the end of what is staged. Nothing can be appended to *GENERATE."],
};

static SET_PORT: OptionSpec = OptionSpec {
    option: MacroOption::SetPort,
    spellings: &["-setport"],
    group: Group::Stage,
    parameters: ParameterRule::Each {
        required: &[Parameter::TargetPort],
        optional: &[],
    },
    summary: "Stage the port number",
    help: &["Not needed for the default port, 3260."],
};

static SET_KEYSTORE: OptionSpec = OptionSpec {
    option: MacroOption::SetKeystore,
    spellings: &["-setkeystore"],
    group: Group::Stage,
    parameters: ParameterRule::Each {
        required: &[Parameter::ChapKeystore],
        optional: &[],
    },
    summary: "Stage the keystore for the CHAP credentials",
    help: &[
        "Not needed for the default, AVAIL. PLATFORM is staged even when there is no Platform KeyStore; -commit then \
         refuses it, so that a script never stores the credentials as plain text instead.",
    ],
};

static COMMIT: OptionSpec = OptionSpec {
    option: MacroOption::Commit,
    spellings: &["-commit"],
    group: Group::Stage,
    parameters: NO_PARAMETERS,
    summary: "Configure the staged target",
    help: &[
        "Needs a staged target name and target host name. The initiator name is *GENERATE, the port 3260 and the \
         keystore AVAIL where nothing else is staged. Then it follows the rules of -addtarget. When it is refused, \
         what is staged stays.",
    ],
};

static INITIATOR_NAME: ParameterSpec = ParameterSpec {
    parameter: Parameter::InitiatorName,
    word: "-initiatorname",
    metavar: "NAME",
    summary: "Initiator name of this system, or *GENERATE",
    help: &[
        "The iSCSI name that this system logs in with, at most 223 bytes. *GENERATE stands for the name that the \
         system generates, iqn.1924-02.com.ibm:ibmi.<uuid>-i0; quote it ('*GENERATE'), because a shell may expand the \
         asterisk.",
    ],
    completion: ValueCompletion::InitiatorNames,
    secret: false,
};

static TARGET_HOST_NAME: ParameterSpec = ParameterSpec {
    parameter: Parameter::TargetHostName,
    word: "-targethostname",
    metavar: "HOST",
    summary: "Host name or internet address of the iSCSI target",
    help: &["A host name, an IPv4 address or an IPv6 address, without a port, brackets or a zone."],
    completion: ValueCompletion::HostNames,
    secret: false,
};

static TARGET_NAME: ParameterSpec = ParameterSpec {
    parameter: Parameter::TargetName,
    word: "-targetname",
    metavar: "NAME",
    summary: "iSCSI name of the target",
    help: &[
        "The name that the administrator of the VTL has given to the target, at most 223 bytes. It is kept and sent \
         as typed; names are compared in lower case.",
    ],
    completion: ValueCompletion::TargetNames,
    secret: false,
};

static TARGET_PORT: ParameterSpec = ParameterSpec {
    parameter: Parameter::TargetPort,
    word: "-targetport",
    metavar: "PORT",
    summary: "TCP port of the target, 3260 unless given",
    help: &["A decimal number from 1 to 65535."],
    completion: ValueCompletion::Nothing,
    secret: false,
};

static INITIATOR_CHAP_NAME: ParameterSpec = ParameterSpec {
    parameter: Parameter::InitiatorChapName,
    word: "-initiatorchapname",
    metavar: "NAME",
    summary: "CHAP name, translated to upper case",
    help: &[
        "At most 255 printable ASCII characters. Lower case letters are translated to upper case, so the VTL must \
         hold the name in upper case.",
    ],
    completion: ValueCompletion::Nothing,
    secret: false,
};

static INITIATOR_CHAP_SECRET: ParameterSpec = ParameterSpec {
    parameter: Parameter::InitiatorChapSecret,
    word: "-initiatorchapsecret",
    metavar: "SECRET",
    summary: "CHAP secret, translated to upper case",
    help: &[
        "At most 255 printable ASCII characters; RFC 7143 wants 12 at least, and the HMC takes 32 at most for a D-mode IPL. Lower case letters are translated to upper \
         case, so the VTL must hold the secret in upper case. It is never shown.",
        "As with the original, the secret stands on the command line, where other users of this host may see it in \
         the list of processes while the command runs.",
    ],
    completion: ValueCompletion::Nothing,
    secret: true,
};

static CHAP_KEYSTORE: ParameterSpec = ParameterSpec {
    parameter: Parameter::ChapKeystore,
    word: "-chapkeystore",
    metavar: "AVAIL|NONE|PLATFORM",
    summary: "Where the CHAP credentials are stored, AVAIL unless given",
    help: &[
        "AVAIL stores them in the Platform KeyStore where it is enabled, and as plain text on disk where it is not. \
         NONE stores them as plain text on disk. PLATFORM stores them only in the Platform KeyStore and is refused \
         while that is not enabled, which it never is on a new system.",
    ],
    completion: ValueCompletion::Choices(KEYSTORE_CHOICES),
    secret: false,
};

#[cfg(test)]
mod tests {
    use super::*;

    fn words() -> Vec<&'static str> {
        let options = OPTIONS
            .iter()
            .flat_map(|spec| spec.spellings.iter().copied());
        options
            .chain(PARAMETERS.iter().map(|spec| spec.word))
            .collect()
    }

    #[test]
    fn no_word_occurs_twice() {
        let mut words = words();
        words.push(HELP_WORD);
        let count = words.len();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), count);
    }

    #[test]
    fn every_word_is_one_dash_and_lower_case_letters() {
        for word in words() {
            let letters = word.strip_prefix('-').unwrap();
            assert!(letters.len() > 1, "{word}");
            assert!(letters.bytes().all(|b| b.is_ascii_lowercase()), "{word}");
        }
    }

    #[test]
    fn the_table_and_the_enums_name_each_other() {
        for spec in OPTIONS {
            assert!(std::ptr::eq(spec, spec.option.spec()));
            for spelling in spec.spellings {
                assert_eq!(MacroOption::from_word(spelling), Some(spec.option));
            }
        }
        for spec in PARAMETERS {
            assert!(std::ptr::eq(spec, spec.parameter.spec()));
            assert_eq!(Parameter::from_word(spec.word), Some(spec.parameter));
        }
    }

    #[test]
    fn the_documented_spelling_of_the_re_ipl_option_comes_first() {
        assert_eq!(MacroOption::ReIplIscsiIop.word(), "-reipliscsiop");
        assert_eq!(
            MacroOption::from_word("-reiplscsiop"),
            Some(MacroOption::ReIplIscsiIop)
        );
    }

    #[test]
    fn no_option_names_a_parameter_twice_and_every_parameter_has_an_option() {
        for spec in OPTIONS {
            let parameters: Vec<_> = spec.parameters().collect();
            for (index, parameter) in parameters.iter().enumerate() {
                assert!(!parameters[..index].contains(parameter), "{}", spec.word());
            }
        }
        for spec in PARAMETERS {
            assert!(
                OPTIONS.iter().any(|option| option.takes(spec.parameter)),
                "{}",
                spec.word
            );
        }
    }

    #[test]
    fn a_choice_of_parameters_is_a_choice() {
        for spec in OPTIONS {
            match spec.parameters {
                ParameterRule::Each { .. } => {}
                ParameterRule::OneOrMore(any) | ParameterRule::ExactlyOne(any) => {
                    assert!(any.len() > 1, "{}", spec.word());
                }
            }
        }
    }

    #[test]
    fn every_group_has_an_option_and_is_listed_once() {
        for group in Group::ALL {
            assert!(OPTIONS.iter().any(|spec| spec.group == group), "{group:?}");
        }
        for spec in OPTIONS {
            assert_eq!(
                Group::ALL
                    .iter()
                    .filter(|group| **group == spec.group)
                    .count(),
                1
            );
        }
    }

    #[test]
    fn only_the_secret_is_secret_and_it_is_never_completed() {
        let secret: Vec<_> = PARAMETERS.iter().filter(|spec| spec.secret).collect();
        assert_eq!(secret.len(), 1);
        assert_eq!(secret[0].parameter, Parameter::InitiatorChapSecret);
        assert_eq!(secret[0].completion, ValueCompletion::Nothing);
    }

    #[test]
    fn summaries_are_lines_and_help_is_ascii_sentences() {
        let options = OPTIONS
            .iter()
            .map(|spec| (spec.word(), spec.summary, spec.help));
        let parameters = PARAMETERS
            .iter()
            .map(|spec| (spec.word, spec.summary, spec.help));
        for (word, summary, help) in options.chain(parameters) {
            assert!(!summary.is_empty() && !summary.ends_with('.'), "{word}");
            assert!(!help.is_empty(), "{word}");
            for paragraph in help {
                assert!(
                    paragraph.is_ascii() && paragraph.ends_with('.'),
                    "{word}: {paragraph}"
                );
                assert!(!paragraph.contains("  "), "{word}: {paragraph}");
            }
        }
    }

    #[test]
    fn the_table_is_that_of_the_document() {
        let grammar: Vec<String> = OPTIONS
            .iter()
            .map(|spec| {
                let words = |list: &[Parameter]| {
                    list.iter().map(|p| p.word()).collect::<Vec<_>>().join(" ")
                };
                let rule = match spec.parameters {
                    ParameterRule::Each { required, optional } => {
                        format!("{}|{}", words(required), words(optional))
                    }
                    ParameterRule::OneOrMore(any) => format!("1+ {}", words(any)),
                    ParameterRule::ExactlyOne(any) => format!("1 {}", words(any)),
                };
                format!("{} {rule}", spec.spellings.join(" "))
            })
            .collect();
        let identity = "-initiatorname -targethostname -targetname";
        let chap = "-initiatorchapname -initiatorchapsecret";
        assert_eq!(
            grammar,
            [
                "-dumpinitiators |".to_owned(),
                "-dumptargets |".to_owned(),
                format!("-addtarget {identity}|-targetport {chap} -chapkeystore"),
                "-reipliscsiop -reiplscsiop |".to_owned(),
                format!("-removetarget {identity}|-targetport"),
                format!("-changetarget {identity}|-targetport {chap} -chapkeystore"),
                "-clearconfig |".to_owned(),
                format!("-newname 1+ {identity} {chap}"),
                format!("-appendname 1 {identity} {chap}"),
                "-setport -targetport|".to_owned(),
                "-setkeystore -chapkeystore|".to_owned(),
                "-commit |".to_owned(),
            ]
        );
    }
}
