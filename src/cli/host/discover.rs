//! `discover`, as typed.

use std::ffi::OsString;
use std::fmt;

use clap::builder::NonEmptyStringValueParser;
use clap::{Arg, ArgMatches, Command, ValueHint};
use zeroize::Zeroizing;

use super::{DEVICE_OPTIONS, with_host_options};
use crate::cli::grammar::Parameter;
use crate::cli::parse::{changed, changed_word};
use crate::cli::repair::{self, Known};
use crate::cli::shell::MASK;
use crate::cli::usage::UsageError;

/// The name of the command.
const NAME: &str = "discover";

/// The parameters of the macro that it takes.
const PARAMETERS: &[Parameter] = &[
    Parameter::InitiatorName,
    Parameter::InitiatorChapName,
    Parameter::InitiatorChapSecret,
];

/// What `discover` takes.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct DiscoverOptions {
    /// The host, with its port where one was typed; not looked at yet.
    pub host: String,
    /// Parameters of the macro, each at most once; a secret that is elsewhere is empty.
    pub arguments: Vec<(Parameter, Zeroizing<String>)>,
}

impl fmt::Debug for DiscoverOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arguments = self.arguments.iter().map(|(parameter, value)| {
            let value = if parameter.spec().secret { MASK } else { value };
            (parameter.word(), value)
        });
        f.debug_struct("DiscoverOptions")
            .field("host", &self.host)
            .field("arguments", &arguments.collect::<Vec<_>>())
            .finish()
    }
}

impl DiscoverOptions {
    pub(super) fn from_matches(matches: &ArgMatches) -> Self {
        Self {
            host: matches
                .get_one::<String>("host")
                .cloned()
                .unwrap_or_default(),
            arguments: Vec::new(),
        }
    }

    /// Returns the value of a parameter, as typed.
    #[must_use]
    pub fn value(&self, parameter: Parameter) -> Option<&str> {
        let mut arguments = self.arguments.iter();
        let (_, value) = arguments.find(|(given, _)| *given == parameter)?;
        Some(value)
    }
}

/// Returns clap's definition of `discover`.
pub(super) fn command() -> Command {
    let honoured: Vec<&str> = DEVICE_OPTIONS
        .iter()
        .copied()
        .chain(["secret-file"])
        .collect();
    with_host_options(Command::new(NAME), &honoured)
        .about("Ask a host which targets it has, and show the lines of the macro that configure them")
        .long_about(
            "Asks a host for its targets (SendTargets) and shows, for each, its portals and the -addtarget line to paste. It \
             stages nothing. -initiatorname, -initiatorchapname and -initiatorchapsecret are those of the macro; without \
             -initiatorname it asks as a target configured at that host does, else under the system generated name. With CHAP \
             the line has --secret-file FILE in the place of the secret. Status 0 also where there is no target for this \
             initiator.",
        )
        .arg(
            Arg::new("host")
                .value_name("HOST[:PORT]")
                .required(true)
                .value_hint(ValueHint::Hostname)
                .value_parser(NonEmptyStringValueParser::new())
                .help("Host name or address, an IPv6 address with a port in brackets [port: 3260]"),
        )
}

/// Returns the parameters of the macro that a command takes, by its path.
pub(in crate::cli) fn macro_parameters(path: &str) -> &'static [Parameter] {
    match path {
        NAME => PARAMETERS,
        _ => &[],
    }
}

/// Parameters of the macro with their values.
type GivenParameters = Vec<(Parameter, Zeroizing<String>)>;

/// Takes the macro's parameters off the line of `discover`: clap cannot parse words with one dash. Other lines stay as they
/// are.
///
/// # Errors
/// A parameter without its value, or given twice; a word of the macro that typing has changed.
pub(in crate::cli) fn take_parameters(
    words: &[OsString],
    secret_elsewhere: bool,
) -> Result<(Vec<OsString>, GivenParameters), UsageError> {
    let mut rest = Vec::with_capacity(words.len());
    let mut taken = GivenParameters::new();
    if !words.iter().any(|word| word == NAME) {
        return Ok((words.to_vec(), taken));
    }
    let mut words = words.iter().peekable();
    let mut is_behind = false;
    while let Some(word) = words.next() {
        let text = word.to_str().filter(|_| is_behind).unwrap_or_default();
        is_behind |= word == NAME;
        let Some(parameter) = Parameter::from_word(text).filter(|of| PARAMETERS.contains(of))
        else {
            let error = match text.strip_prefix('-') {
                Some(letters) if letters.starts_with('-') => repair::recognise(text)
                    .filter(|word| matches!(word.known, Known::Parameter(of) if PARAMETERS.contains(&of)))
                    .map(|word| changed(text, &word)),
                Some(_) => changed_word(text),
                None => None,
            };
            if let Some(error) = error {
                return Err(error);
            }
            rest.push(word.clone());
            continue;
        };
        let refused = |message: String| UsageError::Host {
            message,
            tips: Vec::new(),
            command: Some(NAME.to_owned()),
        };
        if taken.iter().any(|(given, _)| *given == parameter) {
            return Err(refused(format!("{} is given twice", parameter.word())));
        }
        let is_value = |next: &&OsString| {
            let next = next.to_string_lossy();
            !(repair::is_own_word(&next) || parameter.spec().secret && next.starts_with("--"))
        };
        let value = match words.next_if(is_value) {
            Some(value) => match value.to_str() {
                Some(value) => Zeroizing::new(value.to_owned()),
                None => {
                    return Err(refused(format!(
                        "the value of {} is not UTF-8",
                        parameter.word()
                    )));
                }
            },
            None if parameter.spec().secret && secret_elsewhere => Zeroizing::default(),
            None => return Err(refused(format!("{} has no value", parameter.word()))),
        };
        taken.push((parameter, value));
    }
    Ok((rest, taken))
}
