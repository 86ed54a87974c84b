//! -dumpinitiators and -dumptargets: what the IOP runs since the last re-IPL, and nothing else.

use super::document::ActiveDocument;
use super::terminal::Terminal;
use super::text;
use crate::error::CommandError;
use crate::state::Store;

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
    let changed = active.differs_from(&store.configuration()?);
    if changed {
        terminal.warn(
            "the configuration has changed since the last re-IPL; \
             -reipliscsiop makes it the active one",
        );
    }
    let document = ActiveDocument::new(&active, &generated, changed);
    print(terminal, &document, render)
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
