//! What `show` and `apply` print: documents and text.

use schemars::JsonSchema;
use serde::Serialize;

use super::json::SCHEMA;
use super::text::{NEXT_RE_IPL, Page, place, target_line};
use super::words::warning::parameter;
use crate::iop::config::Action;
use crate::iop::operation::{
    Applied, Change, Configured, ConfiguredTarget, EditedTarget, PendingChange, Staged,
};

/// What is configured and staged.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Configured")]
pub struct ConfiguredDocument<'a> {
    /// Number of the schema.
    #[schemars(extend("const" = 1))]
    schema: u32,
    /// The configured targets, in the order in which they were added.
    configured: &'a [ConfiguredTarget],
    /// The targets that the last re-IPL used and that are no longer configured.
    removed: &'a [EditedTarget],
    /// What -newname, -appendname, -setport and -setkeystore have built up; null when nothing is staged.
    staged: Option<StagedDocument<'a>>,
    /// Whether the configured targets are no longer those that the last re-IPL used.
    configuration_changed: bool,
}

/// The staged target.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Staged")]
struct StagedDocument<'a> {
    /// The initiator name as joined so far; null when none is staged.
    initiator_name: Option<&'a str>,
    /// The target name as joined so far; null when none is staged.
    target_name: Option<&'a str>,
    /// The target host name as joined so far; null when none is staged.
    target_host_name: Option<&'a str>,
    /// The TCP port; null when none is staged.
    target_port: Option<u16>,
    /// The CHAP name as joined so far, upper-cased; null when none is staged.
    chap_name: Option<&'a str>,
    /// Whether a CHAP secret is staged. The secret itself is in no document.
    chap_secret: bool,
    /// `AVAIL`, `NONE` or `PLATFORM`; null when none is staged.
    keystore: Option<&'static str>,
    /// The parameters without which -commit is refused.
    missing: Vec<&'static str>,
}

impl<'a> ConfiguredDocument<'a> {
    /// Makes the document.
    pub fn new(configured: &'a Configured) -> Self {
        Self {
            schema: SCHEMA,
            configured: &configured.targets,
            removed: &configured.removed,
            staged: configured.staged.as_ref().map(|staged| StagedDocument {
                initiator_name: staged.initiator_name.as_deref(),
                target_name: staged.target_name.as_deref(),
                target_host_name: staged.target_host_name.as_deref(),
                target_port: staged.target_port,
                chap_name: staged.chap_name.as_deref(),
                chap_secret: staged.chap_secret,
                keystore: staged.keystore.map(|keystore| keystore.word()),
                missing: missing(staged),
            }),
            configuration_changed: configured.changed,
        }
    }
}

/// Returns the parameters that a commit misses.
fn missing(staged: &Staged) -> Vec<&'static str> {
    let missing = staged.missing.iter();
    missing.map(|subject| parameter(*subject).word()).collect()
}

/// What became of the targets of a document.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Applied")]
pub struct AppliedDocument<'a> {
    /// Number of the schema.
    #[schemars(extend("const" = 1))]
    schema: u32,
    /// Whether any target was added, changed or removed; with --dry-run: would be.
    changed: bool,
    /// A change for each target of the document, in its order, then for each that was removed.
    changes: &'a [Change],
}

impl<'a> AppliedDocument<'a> {
    /// Makes the document.
    pub fn new(applied: &'a Applied) -> Self {
        Self {
            schema: SCHEMA,
            changed: applied.changed(),
            changes: &applied.changes,
        }
    }
}

/// Returns what is configured and staged, in the manner of the dumps.
pub fn configured(configured: &Configured) -> String {
    let mut page = Page::default();
    let count = configured.targets.len();
    for (index, configured) in configured.targets.iter().enumerate() {
        page.part(&format!("Configured iSCSI target {} of {count}", index + 1));
        target(&mut page, &configured.target);
        let change = match configured.change {
            None => "No change",
            Some(PendingChange::New) => "New",
            Some(PendingChange::Changed) => "Changed",
        };
        page.line("At the next re-IPL", change);
    }
    if count == 0 {
        page.part("No iSCSI target is configured.");
    }
    for removed in &configured.removed {
        page.part("Removed iSCSI target");
        target(&mut page, removed);
        page.line("At the next re-IPL", "Removed");
    }
    if let Some(staged) = &configured.staged {
        page.part("Staged iSCSI target");
        self::staged(&mut page, staged);
    }
    let of = |change| {
        let targets = configured.targets.iter();
        targets
            .filter(|target| target.change == Some(change))
            .count()
    };
    page.part(&match configured.changed {
        false if count == 0 => "The next -reipliscsiop connects to no target.".to_owned(),
        false => "The next -reipliscsiop uses the same targets as the last one.".to_owned(),
        true => format!(
            "The next -reipliscsiop changes the active targets: {} new, {} changed, {} removed.",
            of(PendingChange::New),
            of(PendingChange::Changed),
            configured.removed.len(),
        ),
    });
    page.into_text()
}

fn target(page: &mut Page, target: &EditedTarget) {
    page.line("Target name", &target.target_name);
    page.line("Target host name", &target.target_host_name);
    page.line("Target port", target.target_port);
    page.line("Initiator name", &target.initiator_name);
    match &target.chap {
        None => page.line("CHAP name", "*NONE"),
        Some(chap) => {
            page.line("CHAP name", &chap.name);
            let keystore = format!("{} ({})", chap.keystore, place(chap.stored_in));
            page.line("CHAP keystore", keystore);
        }
    }
}

fn staged(page: &mut Page, staged: &Staged) {
    let port = staged.target_port.map(|port| port.to_string());
    let keystore = staged.keystore.map(|keystore| keystore.word());
    for (label, value) in [
        ("Target name", staged.target_name.as_deref()),
        ("Target host name", staged.target_host_name.as_deref()),
        ("Target port", port.as_deref()),
        ("Initiator name", staged.initiator_name.as_deref()),
        ("CHAP name", staged.chap_name.as_deref()),
        ("CHAP secret", staged.chap_secret.then_some("Staged")),
        ("CHAP keystore", keystore),
    ] {
        if let Some(value) = value {
            page.line(label, value);
        }
    }
    match missing(staged).as_slice() {
        [] => page.line("Next step", "-commit configures it."),
        missing => page.line("Missing", missing.join(", ")),
    }
}

/// Returns what became of the targets of a document, a line each.
pub fn applied(applied: &Applied) -> String {
    let mut text = String::new();
    for change in &applied.changes {
        let verb = match (change.action, applied.dry_run) {
            (Action::Added, false) => "Added",
            (Action::Added, true) => "Would add",
            (Action::Changed, false) => "Changed",
            (Action::Changed, true) => "Would change",
            (Action::Removed, false) => "Removed",
            (Action::Removed, true) => "Would remove",
            (Action::Unchanged, _) => "Unchanged:",
        };
        text.push_str(&format!("{verb} {}.\n", target_line(&change.target)));
    }
    text.push_str(match (applied.changed(), applied.dry_run) {
        (false, _) => "Nothing has changed: the configured targets are what the document says.",
        (true, true) => "Nothing has changed: this was a dry run.",
        (true, false) => NEXT_RE_IPL,
    });
    text.push('\n');
    text
}
