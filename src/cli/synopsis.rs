//! How an option is called, from the table.

use super::grammar::{OptionSpec, Parameter, ParameterRule};

/// Returns how an option is called: `-setport -targetport PORT`.
pub fn synopsis(spec: &OptionSpec) -> String {
    synopsis_words(spec).join(" ")
}

/// Returns the parts of a synopsis that a line is not broken within.
pub(super) fn synopsis_words(spec: &OptionSpec) -> Vec<String> {
    let with_value = |parameter: &Parameter| {
        let spec = parameter.spec();
        format!("{} {}", spec.word, spec.metavar)
    };
    let one_of = |any: &[Parameter], behind: &str| -> Vec<String> {
        let last = any.len().saturating_sub(1);
        let words = any.iter().enumerate().map(|(index, parameter)| {
            let open = if index == 0 { "{" } else { "" };
            let close = if index == last {
                format!("}}{behind}")
            } else {
                " |".to_owned()
            };
            format!("{open}{}{close}", with_value(parameter))
        });
        words.collect()
    };
    let mut words = vec![spec.word().to_owned()];
    words.extend(match spec.parameters {
        ParameterRule::Each { required, optional } => {
            let optional = optional
                .iter()
                .map(|parameter| format!("[{}]", with_value(parameter)));
            required.iter().map(with_value).chain(optional).collect()
        }
        ParameterRule::OneOrMore(any) => one_of(any, "..."),
        ParameterRule::ExactlyOne(any) => one_of(any, ""),
    });
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::grammar::MacroOption;

    #[test]
    fn a_synopsis_brackets_what_is_optional_and_braces_what_is_a_choice() {
        assert_eq!(
            synopsis(MacroOption::SetPort.spec()),
            "-setport -targetport PORT"
        );
        assert_eq!(
            synopsis(MacroOption::RemoveTarget.spec()),
            "-removetarget -initiatorname NAME -targethostname HOST -targetname NAME [-targetport PORT]"
        );
        assert_eq!(
            synopsis(MacroOption::AppendName.spec()),
            "-appendname {-initiatorname NAME | -targethostname HOST | -targetname NAME | \
             -initiatorchapname NAME | -initiatorchapsecret SECRET}"
        );
        assert!(synopsis(MacroOption::NewName.spec()).ends_with("SECRET}..."));
    }
}
