//! CALL: the procedures of QSYS2 that configure the iSCSI initiator, from words to an operation.
//!
//! The parameters and their defaults are second-hand (a description of IBM's SQL reference); `CHAP_KEYSTORE` is ours.

use zeroize::Zeroizing;

use super::error::{Fault, SqlError};
use super::token::{ScriptPosition, Token, TokenKind};
use crate::iop::config::{ChapParameters, TargetIdentity, TargetSelector};
use crate::iop::operation::{Operation, folding_warnings};
use crate::iop::warning::Warning;
use crate::iscsi::name::IscsiName;
use crate::values::{
    ChapName, ChapSecret, HostName, InitiatorName, KeystoreChoice, Port, Subject, ValueError,
};

/// The shortest CHAP secret in characters that the services take.
pub const SECRET_MINIMUM: usize = 12;

/// The special value for what is to stay as it is.
const SAME: &str = "*SAME";

/// A procedure of QSYS2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Procedure {
    /// Configures a target.
    AddIscsiTarget,
    /// Changes the CHAP parameters of a target.
    ChangeIscsiTarget,
    /// Removes a target.
    RemoveIscsiTarget,
    /// Re-IPLs the IOP.
    ChangeIop,
}

/// A parameter of a procedure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcedureParameter {
    /// TARGET_NAME.
    TargetName,
    /// TARGET_HOST_NAME.
    TargetHostName,
    /// TARGET_PORT.
    TargetPort,
    /// INITIATOR_NAME.
    InitiatorName,
    /// INITIATOR_CHAP_NAME.
    ChapName,
    /// INITIATOR_CHAP_SECRET.
    ChapSecret,
    /// CHAP_KEYSTORE, ours until IBM's name is seen.
    ChapKeystore,
    /// IOP.
    Iop,
    /// OPTION.
    Option,
}

use ProcedureParameter as P;

impl Procedure {
    /// Every procedure.
    pub const ALL: [Self; 4] = [
        Self::AddIscsiTarget,
        Self::ChangeIscsiTarget,
        Self::RemoveIscsiTarget,
        Self::ChangeIop,
    ];

    /// Returns the name within QSYS2.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AddIscsiTarget => "ADD_ISCSI_TARGET",
            Self::ChangeIscsiTarget => "CHANGE_ISCSI_TARGET",
            Self::RemoveIscsiTarget => "REMOVE_ISCSI_TARGET",
            Self::ChangeIop => "CHANGE_IOP",
        }
    }

    /// Returns the parameters in the order of their positions.
    #[must_use]
    pub const fn parameters(self) -> &'static [ProcedureParameter] {
        match self {
            Self::AddIscsiTarget | Self::ChangeIscsiTarget => &[
                P::TargetName,
                P::TargetHostName,
                P::TargetPort,
                P::InitiatorName,
                P::ChapName,
                P::ChapSecret,
                P::ChapKeystore,
            ],
            Self::RemoveIscsiTarget => &[
                P::TargetName,
                P::TargetHostName,
                P::TargetPort,
                P::InitiatorName,
            ],
            Self::ChangeIop => &[P::Iop, P::Option],
        }
    }
}

impl ProcedureParameter {
    /// Returns the name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TargetName => "TARGET_NAME",
            Self::TargetHostName => "TARGET_HOST_NAME",
            Self::TargetPort => "TARGET_PORT",
            Self::InitiatorName => "INITIATOR_NAME",
            Self::ChapName => "INITIATOR_CHAP_NAME",
            Self::ChapSecret => "INITIATOR_CHAP_SECRET",
            Self::ChapKeystore => "CHAP_KEYSTORE",
            Self::Iop => "IOP",
            Self::Option => "OPTION",
        }
    }
}

/// A call that can be carried out.
#[derive(Debug)]
pub struct Call {
    /// What it asks for.
    pub operation: Operation,
    /// What is to be said of its values.
    pub warnings: Vec<Warning>,
    /// Where the name of the procedure stands.
    pub at: ScriptPosition,
}

/// The value of an argument.
enum Given {
    Text(Zeroizing<String>),
    Number(String),
}

/// The arguments of a call, by their parameters; DEFAULT is left out.
struct Arguments {
    procedure: Procedure,
    /// Where the procedure is named: the place of what is missing.
    at: ScriptPosition,
    given: Vec<(ProcedureParameter, Given, ScriptPosition)>,
}

/// Parses a call, from the word behind CALL on. `secret` is the value of a parameter marker.
///
/// # Errors
/// [`SqlError`]; nothing has been carried out.
pub fn parse(tokens: &[Token], secret: Option<&Zeroizing<String>>) -> Result<Call, SqlError> {
    let mut words = CallWords { tokens, next: 0 };
    let arguments = arguments(&mut words, secret)?;
    let at = arguments.at;
    let (operation, warnings) = match arguments.procedure {
        Procedure::AddIscsiTarget => add(&arguments)?,
        Procedure::ChangeIscsiTarget => change(&arguments)?,
        Procedure::RemoveIscsiTarget => (remove(&arguments)?, Vec::new()),
        Procedure::ChangeIop => (change_iop(&arguments)?, Vec::new()),
    };
    Ok(Call {
        operation,
        warnings,
        at,
    })
}

/// The words of a call.
struct CallWords<'a> {
    tokens: &'a [Token],
    next: usize,
}

impl<'a> CallWords<'a> {
    fn peek(&self) -> Option<&'a TokenKind> {
        self.tokens.get(self.next).map(|token| &token.kind)
    }

    fn behind(&self) -> Option<&'a TokenKind> {
        let next = self.next.saturating_add(1);
        self.tokens.get(next).map(|token| &token.kind)
    }

    /// Returns the place of the next word; behind the last one, that of the last.
    fn at(&self) -> ScriptPosition {
        let token = self.tokens.get(self.next).or(self.tokens.last());
        token.map_or(ScriptPosition { line: 1, column: 1 }, |token| token.at)
    }

    fn bump(&mut self) -> Option<&'a TokenKind> {
        let kind = self.peek()?;
        self.next = self.next.saturating_add(1);
        Some(kind)
    }

    fn take_sign(&mut self, sign: &str) -> bool {
        let found = self.peek().is_some_and(|kind| kind.is_sign(sign));
        if found {
            self.bump();
        }
        found
    }

    fn expected(&self, wanted: &'static str) -> SqlError {
        let found = self
            .peek()
            .map_or_else(|| "the end".to_owned(), TokenKind::described);
        Fault::Expected { wanted, found }.at(self.at())
    }

    fn identifier(&mut self, wanted: &'static str) -> Result<&'a str, SqlError> {
        match self.peek() {
            Some(TokenKind::Word(name) | TokenKind::Delimited(name)) => {
                self.bump();
                Ok(name)
            }
            _ => Err(self.expected(wanted)),
        }
    }
}

fn arguments(
    words: &mut CallWords<'_>,
    secret: Option<&Zeroizing<String>>,
) -> Result<Arguments, SqlError> {
    let at = words.at();
    let mut name = words.identifier("the name of a procedure")?.to_owned();
    if words.take_sign(".") || words.take_sign("/") {
        let schema = name;
        name = words.identifier("the name of a procedure")?.to_owned();
        if schema != "QSYS2" {
            return Err(Fault::UnknownProcedure(format!("{schema}.{name}")).at(at));
        }
    }
    let procedure = Procedure::ALL
        .into_iter()
        .find(|procedure| procedure.name() == name)
        .ok_or_else(|| Fault::UnknownProcedure(format!("QSYS2.{name}")).at(at))?;
    let mut arguments = Arguments {
        procedure,
        at,
        given: Vec::new(),
    };
    if words.take_sign("(") && !words.take_sign(")") {
        let mut seen = Vec::new();
        let mut is_named = false;
        loop {
            argument(words, &mut arguments, &mut seen, &mut is_named, secret)?;
            if !words.take_sign(",") {
                break;
            }
        }
        if !words.take_sign(")") {
            return Err(words.expected("a comma or a closing parenthesis"));
        }
    }
    match words.peek() {
        None => Ok(arguments),
        Some(_) => Err(words.expected("the end of the statement")),
    }
}

fn argument(
    words: &mut CallWords<'_>,
    arguments: &mut Arguments,
    seen: &mut Vec<ProcedureParameter>,
    is_named: &mut bool,
    secret: Option<&Zeroizing<String>>,
) -> Result<(), SqlError> {
    let procedure = arguments.procedure;
    let at = words.at();
    let has_name = words.behind().is_some_and(|kind| kind.is_sign("=>"));
    let parameter = if has_name {
        let name = words.identifier("the name of a parameter")?;
        words.bump();
        *is_named = true;
        let mut all = procedure.parameters().iter().copied();
        all.find(|parameter| parameter.name() == name)
            .ok_or_else(|| {
                Fault::UnknownParameter {
                    procedure: procedure.name(),
                    name: name.to_owned(),
                    known: procedure.parameters().iter().map(|of| of.name()).collect(),
                }
                .at(at)
            })?
    } else if *is_named {
        return Err(Fault::PositionBehindName.at(at));
    } else {
        let parameter = procedure.parameters().get(seen.len()).copied();
        parameter.ok_or_else(|| {
            Fault::TooManyArguments {
                procedure: procedure.name(),
                count: procedure.parameters().len(),
            }
            .at(at)
        })?
    };
    if seen.contains(&parameter) {
        return Err(Fault::ParameterTwice(parameter.name()).at(at));
    }
    seen.push(parameter);
    let at = words.at();
    if let Some(given) = value(words, parameter, secret)? {
        arguments.given.push((parameter, given, at));
    }
    match words.peek() {
        None => Ok(()),
        Some(kind) if kind.is_sign(",") || kind.is_sign(")") => Ok(()),
        // An expression: what it would come to is never guessed at.
        Some(TokenKind::Sign(sign)) => Err(Fault::NotAvailable(format!(
            "an expression with {sign} as an argument"
        ))
        .at(words.at())),
        Some(kind) if kind.is_word("CONCAT") => Err(Fault::NotAvailable(
            "an expression with CONCAT as an argument".to_owned(),
        )
        .at(words.at())),
        Some(_) => Err(words.expected("a comma or a closing parenthesis")),
    }
}

/// Returns the value of an argument; none for DEFAULT.
fn value(
    words: &mut CallWords<'_>,
    parameter: ProcedureParameter,
    secret: Option<&Zeroizing<String>>,
) -> Result<Option<Given>, SqlError> {
    let at = words.at();
    match words.peek() {
        Some(TokenKind::Text(text)) => {
            words.bump();
            Ok(Some(Given::Text(text.clone())))
        }
        Some(TokenKind::Number(number)) => {
            words.bump();
            Ok(Some(Given::Number(number.clone())))
        }
        Some(TokenKind::Sign(sign @ ("-" | "+")))
            if matches!(words.behind(), Some(TokenKind::Number(_))) =>
        {
            words.bump();
            match words.bump() {
                Some(TokenKind::Number(number)) => {
                    Ok(Some(Given::Number(format!("{sign}{number}"))))
                }
                _ => Err(words.expected("a number")),
            }
        }
        Some(TokenKind::Marker) if parameter != ProcedureParameter::ChapSecret => {
            Err(Fault::MarkerElsewhere.at(at))
        }
        Some(TokenKind::Marker) => {
            words.bump();
            let secret = secret.ok_or_else(|| Fault::MarkerWithoutValue.at(at))?;
            Ok(Some(Given::Text(secret.clone())))
        }
        Some(TokenKind::Word(word)) if word == "DEFAULT" => {
            words.bump();
            Ok(None)
        }
        Some(TokenKind::Word(word)) if word == "NULL" => {
            Err(Fault::NotAvailable(format!("NULL for {}", parameter.name())).at(at))
        }
        _ => Err(words.expected("a character literal, a number or DEFAULT")),
    }
}

impl Arguments {
    fn find(&self, parameter: ProcedureParameter) -> Option<(&Given, ScriptPosition)> {
        self.given
            .iter()
            .find(|(of, _, _)| *of == parameter)
            .map(|(_, given, at)| (given, *at))
    }

    fn text(
        &self,
        parameter: ProcedureParameter,
    ) -> Result<Option<(&str, ScriptPosition)>, SqlError> {
        match self.find(parameter) {
            None => Ok(None),
            Some((Given::Text(text), at)) => Ok(Some((text.as_str(), at))),
            Some((Given::Number(_), at)) => Err(Fault::WrongType {
                parameter: parameter.name(),
                wanted: "a character literal",
            }
            .at(at)),
        }
    }

    fn required(&self, parameter: ProcedureParameter) -> Result<(&str, ScriptPosition), SqlError> {
        self.text(parameter)?.ok_or_else(|| {
            Fault::MissingParameter {
                procedure: self.procedure.name(),
                parameter: parameter.name(),
            }
            .at(self.at)
        })
    }

    fn target_name(&self) -> Result<IscsiName, SqlError> {
        let (text, at) = self.required(P::TargetName)?;
        Subject::TargetName
            .iscsi_name(text)
            .map_err(|error| Fault::Value(error).at(at))
    }

    fn target_host_name(&self) -> Result<Option<HostName>, SqlError> {
        let parsed = self.text(P::TargetHostName)?.map(|(text, at)| {
            text.parse::<HostName>()
                .map_err(|error| Fault::Value(error).at(at))
        });
        parsed.transpose()
    }

    /// A number, or a literal of digits, which Db2 casts.
    fn target_port(&self) -> Result<Port, SqlError> {
        match self.find(P::TargetPort) {
            None => Ok(Port::DEFAULT),
            Some((Given::Number(digits), at)) => {
                digits.parse().map_err(|error| Fault::Value(error).at(at))
            }
            Some((Given::Text(digits), at)) => {
                digits.parse().map_err(|error| Fault::Value(error).at(at))
            }
        }
    }

    fn initiator_name(&self) -> Result<InitiatorName, SqlError> {
        match self.text(P::InitiatorName)? {
            None => Ok(InitiatorName::Generated),
            Some((text, at)) => text.parse().map_err(|error| Fault::Value(error).at(at)),
        }
    }

    fn identity(&self) -> Result<TargetIdentity, SqlError> {
        let target_name = self.target_name()?;
        // Its absence is told before other values are looked at.
        self.required(P::TargetHostName)?;
        let Some(target_host_name) = self.target_host_name()? else {
            return Err(Fault::MissingParameter {
                procedure: self.procedure.name(),
                parameter: P::TargetHostName.name(),
            }
            .at(self.at));
        };
        Ok(TargetIdentity {
            initiator_name: self.initiator_name()?,
            target_host_name,
            target_name,
            target_port: self.target_port()?,
        })
    }

    /// Returns a value that may be *SAME where a target is changed; none for what stays.
    fn changing(
        &self,
        parameter: ProcedureParameter,
    ) -> Result<Option<(&str, ScriptPosition)>, SqlError> {
        let given = self.text(parameter)?;
        let Some((text, at)) = given.filter(|(text, _)| text.eq_ignore_ascii_case(SAME)) else {
            return Ok(given);
        };
        match self.procedure {
            Procedure::ChangeIscsiTarget if text == SAME => Ok(None),
            _ => Err(Fault::SameCase(parameter.name()).at(at)),
        }
    }

    fn chap(&self) -> Result<(ChapParameters, Vec<Warning>), SqlError> {
        let name = self.changing(P::ChapName)?;
        let secret = self.changing(P::ChapSecret)?;
        let keystore = self.changing(P::ChapKeystore)?;
        let value = |at| move |error: ValueError| Fault::Value(error).at(at);
        let chap = ChapParameters {
            name: name
                .map(|(text, at)| ChapName::parse(text).map_err(value(at)))
                .transpose()?,
            secret: secret
                .map(|(text, at)| match text.len() {
                    length @ 1..SECRET_MINIMUM if text.is_ascii() => {
                        Err(Fault::ShortSecret { length }.at(at))
                    }
                    _ => ChapSecret::parse(text).map_err(value(at)),
                })
                .transpose()?,
            keystore: keystore
                .map(|(text, at)| keystore_choice(text, at))
                .transpose()?,
        };
        let warnings = folding_warnings(name.map(|(text, _)| text), secret.map(|(text, _)| text));
        Ok((chap, warnings))
    }
}

/// The special values have an asterisk, as IBM's have.
fn keystore_choice(text: &str, at: ScriptPosition) -> Result<KeystoreChoice, SqlError> {
    KeystoreChoice::ALL
        .into_iter()
        .find(|choice| text.strip_prefix('*') == Some(choice.word()))
        .ok_or_else(|| {
            Fault::NotASpecialValue {
                parameter: P::ChapKeystore.name(),
                wanted: "'*AVAIL', '*NONE' or '*PLATFORM'",
            }
            .at(at)
        })
}

fn add(arguments: &Arguments) -> Result<(Operation, Vec<Warning>), SqlError> {
    // A name may have any characters, and *SAME is none of a target that is not there yet.
    for (parameter, given, at) in &arguments.given {
        if matches!(given, Given::Text(text) if text.eq_ignore_ascii_case(SAME)) {
            return Err(Fault::SameInAdd {
                parameter: parameter.name(),
                is_required: matches!(parameter, P::TargetName | P::TargetHostName),
            }
            .at(*at));
        }
    }
    let identity = arguments.identity()?;
    let (chap, warnings) = arguments.chap()?;
    if let Some(half) = chap.missing_half() {
        return Err(Fault::HalfChap(half).at(arguments.at));
    }
    Ok((Operation::Add { identity, chap }, warnings))
}

fn change(arguments: &Arguments) -> Result<(Operation, Vec<Warning>), SqlError> {
    let identity = arguments.identity()?;
    let (chap, warnings) = arguments.chap()?;
    Ok((Operation::Change { identity, chap }, warnings))
}

fn remove(arguments: &Arguments) -> Result<Operation, SqlError> {
    let target_name = arguments.target_name()?;
    let target_port = arguments.target_port()?;
    let initiator_name = arguments.initiator_name()?;
    Ok(match arguments.target_host_name()? {
        Some(target_host_name) => Operation::Remove {
            identity: TargetIdentity {
                initiator_name,
                target_host_name,
                target_name,
                target_port,
            },
        },
        None => Operation::RemoveSelected {
            selector: TargetSelector {
                initiator_name,
                target_name,
                target_port,
            },
        },
    })
}

fn change_iop(arguments: &Arguments) -> Result<Operation, SqlError> {
    for (parameter, special, wanted) in [(P::Iop, "ISCSI", "'ISCSI'"), (P::Option, "IPL", "'IPL'")]
    {
        let (text, at) = arguments.required(parameter)?;
        if text != special {
            return Err(Fault::NotASpecialValue {
                parameter: parameter.name(),
                wanted,
            }
            .at(at));
        }
    }
    Ok(Operation::ReIpl)
}

#[cfg(test)]
mod tests;
