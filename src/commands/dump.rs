//! -dumpinitiators and -dumptargets: what the IOP runs since the last re-IPL, and nothing else.

use super::document::ActiveDocument;
use super::terminal::Terminal;
use super::text;
use crate::error::CommandError;
use crate::iop::config::Configuration;
use crate::iop::ipl;
use crate::iop::store::Store;

/// What turns the document into its text form.
type Render = fn(&ActiveDocument<'_>) -> String;

/// `-dumpinitiators`
pub(super) fn initiators(store: &Store, terminal: &mut Terminal) -> Result<(), CommandError> {
    dump(store, terminal, text::initiators)
}

/// `-dumptargets`
pub(super) fn targets(store: &Store, terminal: &mut Terminal) -> Result<(), CommandError> {
    dump(store, terminal, text::targets)
}

fn dump(store: &Store, terminal: &mut Terminal, render: Render) -> Result<(), CommandError> {
    let generated = store.generated_name()?;
    let active = store.active()?;
    let configuration = store.revealed_configuration()?;
    let changed = active.differs_from(&configuration);
    if changed {
        terminal.warn(
            "the configuration has changed since the last re-IPL; \
             -reipliscsiop makes it the active one",
        );
    }
    warn_of_missing_secrets(&configuration, terminal);
    let document = ActiveDocument::new(&active, generated.as_ref(), changed);
    print(terminal, &document, render)
}

/// Names the targets whose secrets are in a Platform KeyStore that is not here, and what IBM's document says to do.
pub(super) fn warn_of_missing_secrets(configuration: &Configuration, terminal: &Terminal) {
    let missing: Vec<String> = configuration
        .targets
        .iter()
        .filter(|target| target.lacks_secret())
        .map(|target| target.identity.to_string())
        .collect();
    if !missing.is_empty() {
        terminal.warn(&format!(
            "the CHAP secret is not in this machine's Platform KeyStore, which storage replication does not copy, of {}. {}",
            missing.join(", "),
            ipl::REMEDIES
        ));
    }
}

/// Prints the active configuration in the form that was asked for.
pub(super) fn print(
    terminal: &mut Terminal,
    document: &ActiveDocument<'_>,
    render: Render,
) -> Result<(), CommandError> {
    if terminal.json {
        terminal.print_json(document)
    } else {
        terminal.print(&render(document))
    }
}
