//! The text form of the active configuration, in the manner of a 5250 display: labels with dot leaders.

use super::json::{
    ActiveDocument, FailureDocument, Iop, LibraryDocument, ProblemDocument, TargetDocument,
};
use super::words;
use crate::iop::active::{DriveReport, Phase, SessionReport, StoredIn, TargetStatus};
use crate::iop::devices::resolve::recorded_lun;
use crate::iop::operation::{Edit, Edited, EditedTarget};
use crate::values::Subject;
use crate::values::amount;

/// The column in which the colon behind a label stands.
const COLON: usize = 40;

/// Returns the IOP and its initiators.
pub fn initiators(document: &ActiveDocument<'_>) -> String {
    let mut page = Page::default();
    page.iop(&document.iop);
    if document.initiators.is_empty() {
        page.0
            .push_str("\nNo iSCSI initiator is active, and this partition has no UUID to generate a name from.\n");
    }
    for initiator in &document.initiators {
        page.heading("iSCSI initiator");
        page.line("Initiator index", initiator.index);
        page.line("Initiator name", initiator.name);
        page.line("System generated", yes_no(initiator.generated));
    }
    page.0
}

/// Returns the IOP and its targets with their devices.
pub fn targets(document: &ActiveDocument<'_>) -> String {
    let mut page = Page::default();
    page.iop(&document.iop);
    if document.targets.is_empty() {
        page.0.push_str("\nNo iSCSI target is active.\n");
    }
    let count = document.targets.len();
    for (index, target) in document.targets.iter().enumerate() {
        page.heading(&format!("iSCSI target {} of {count}", index + 1));
        page.target(target, document.iop.resident);
    }
    if let Some(summary) = summary(document) {
        page.0.push('\n');
        page.0.push_str(&summary);
        page.0.push('\n');
    }
    page.0
}

/// Returns a page for a terminal of that width: lines that are longer go on below, at their value where there is room for it.
/// No word is broken, so that names and paths are copied whole. Without a width nothing changes.
#[must_use]
pub fn wrapped(page: &str, columns: Option<usize>) -> String {
    let Some(columns) = columns else {
        return page.to_owned();
    };
    let mut text = String::with_capacity(page.len());
    for line in page.split_inclusive('\n') {
        match line.trim_end().chars().count() <= columns {
            true => text.push_str(line),
            false => wrap_line(&mut text, line, columns),
        }
    }
    text
}

/// Where the value of a line begins.
const VALUE: usize = COLON + 3;

fn wrap_line(text: &mut String, line: &str, columns: usize) {
    let indent = line.len() - line.trim_start().len();
    let is_labelled = line.get(COLON..VALUE) == Some(":  ");
    let (label, rest) = line.split_at(if is_labelled { VALUE } else { indent });
    let longest = rest.split_whitespace().map(str::len).max();
    let has_room = columns.saturating_sub(VALUE) >= longest.unwrap_or_default().max(VALUE);
    let below = match is_labelled && has_room {
        true => VALUE,
        false => indent + 4,
    };
    text.push_str(label);
    let mut column = label.len();
    let mut separator = "";
    for word in rest.split(' ') {
        let length = word.trim_end().chars().count();
        if column + separator.len() + length > columns && column > below {
            // The label's end has blanks behind it where its value begins below.
            text.truncate(text.trim_end_matches(' ').len());
            text.push_str(&format!("\n{:below$}", ""));
            column = below;
            separator = "";
        }
        text.push_str(separator);
        text.push_str(word);
        column += separator.len() + length;
        separator = " ";
    }
}

/// Returns how many of how many targets are connected, and which are not; none before a re-IPL has used what is configured.
pub fn summary(document: &ActiveDocument<'_>) -> Option<String> {
    let count = document.targets.len();
    if count == 0 {
        return (document.configured == 0).then(|| "No iSCSI target is configured.".to_owned());
    }
    let failed: Vec<String> = document
        .targets
        .iter()
        .filter(|target| target.status != TargetStatus::Connected)
        .map(|target| {
            format!(
                "{} at {} port {}",
                target.target_name, target.target_host_name, target.target_port
            )
        })
        .collect();
    let connected = count - failed.len();
    let mut line = format!("iSCSI targets connected: {connected} of {count}.");
    if !failed.is_empty() {
        line.push_str(&format!(" Not connected: {}.", failed.join(", ")));
    }
    Some(line)
}

/// Returns a target as a line names it.
pub(super) fn target_line(target: &EditedTarget) -> String {
    format!(
        "target {} at {} port {}",
        target.target_name, target.target_host_name, target.target_port
    )
}

/// Returns what an edit did, a line.
pub fn edit(edited: &Edited) -> String {
    edit_with(edited, NEXT_RE_IPL)
}

/// Returns what an edit did, a line that ends with when it takes effect.
pub(super) fn edit_with(edited: &Edited, next_re_ipl: &str) -> String {
    let name = target_line;
    let text = match &edited.edit {
        Edit::Changed(target) if !edited.changed => {
            format!(
                "Nothing has changed: {} had these values already.",
                name(target)
            )
        }
        Edit::Staged { subjects } if !edited.changed => {
            format!(
                "Nothing has changed: {} was staged so already.",
                parameters(subjects)
            )
        }
        Edit::Cleared { .. } if !edited.changed => {
            "Nothing has changed: no target was configured and none was staged.".to_owned()
        }
        Edit::Added(target) => format!("Added {}. {next_re_ipl}", name(target)),
        Edit::Committed(target) => format!(
            "Added {}: initiator name {}, {}. {next_re_ipl}",
            name(target),
            target.initiator_name,
            match &target.chap {
                None => "no CHAP".to_owned(),
                Some(chap) => format!(
                    "CHAP name {}, keystore {} ({})",
                    chap.name,
                    chap.keystore,
                    place(chap.stored_in)
                ),
            }
        ),
        Edit::Changed(target) => format!("Changed {}. {next_re_ipl}", name(target)),
        Edit::Removed(target) => format!("Removed {}. {next_re_ipl}", name(target)),
        Edit::Cleared { targets: 0, .. } => {
            "Cleared the configuration: the staged target is gone, and no target was configured."
                .to_owned()
        }
        Edit::Cleared { targets, staged } => format!(
            "Cleared the configuration: {} removed{}. {next_re_ipl}",
            amount(*targets, "target"),
            if *staged {
                ", and the staged target"
            } else {
                ""
            },
        ),
        Edit::Staged { subjects } => {
            format!(
                "Staged {}. -commit configures the target.",
                parameters(subjects)
            )
        }
        Edit::Appended { subjects } => {
            format!(
                "Appended to {}. -commit configures the target.",
                parameters(subjects)
            )
        }
    };
    text + "\n"
}

pub(super) const NEXT_RE_IPL: &str = "It takes effect at the next -reipliscsiop.";

fn parameters(subjects: &[Subject]) -> String {
    let words: Vec<&str> = subjects
        .iter()
        .map(|subject| words::warning::parameter(*subject).word())
        .collect();
    words.join(", ")
}

pub(super) fn place(stored_in: StoredIn) -> &'static str {
    match stored_in {
        StoredIn::Disk => "plain text on disk",
        StoredIn::Platform => "in the Platform KeyStore",
    }
}

/// Lines of text, each level of headings indented by two.
#[derive(Default)]
pub(crate) struct Page(String);

impl Page {
    pub(crate) fn title(&mut self, text: &str) {
        self.0.push_str(text);
        self.0.push('\n');
    }

    pub(crate) fn into_text(self) -> String {
        self.0
    }

    pub(crate) fn heading(&mut self, text: &str) {
        self.0.push('\n');
        self.0.push_str(text);
        self.0.push('\n');
    }

    /// Adds a line of its own, an empty one before it unless the page begins with it.
    pub(crate) fn part(&mut self, text: &str) {
        match self.0.is_empty() {
            true => self.title(text),
            false => self.heading(text),
        }
    }

    pub(crate) fn line(&mut self, label: &str, value: impl ToString) {
        self.indented(2, label, value);
    }

    pub(crate) fn indented(&mut self, indent: usize, label: &str, value: impl ToString) {
        let mut line = format!("{:indent$}{label} ", "");
        while line.len() < COLON {
            // The dots of all lines stand below each other.
            line.push(if line.len().is_multiple_of(2) {
                '.'
            } else {
                ' '
            });
        }
        self.0.push_str(&line);
        self.0.push_str(":  ");
        self.0.push_str(&value.to_string());
        self.0.push('\n');
    }

    fn iop(&mut self, iop: &Iop<'_>) {
        self.0.push_str("iSCSI IOP\n");
        self.line("Type-model", iop.type_model);
        self.line("Time of last IPL", iop.ipl_time.unwrap_or("*NONE"));
        self.line("Number of IPLs", iop.ipl_count);
    }

    fn target(&mut self, target: &TargetDocument<'_>, resident: bool) {
        self.line("Target name", target.target_name);
        self.line("Target host name", target.target_host_name);
        self.line("Target port", target.target_port);
        self.line("Initiator name", target.initiator_name);
        match target.chap {
            None => self.line("CHAP name", "*NONE"),
            Some(chap) => {
                self.line("CHAP name", &chap.name);
                self.line(
                    "CHAP keystore",
                    format!("{} ({})", chap.keystore, place(chap.stored_in)),
                );
            }
        }
        let status = match target.status {
            TargetStatus::Connected => "CONNECTED",
            TargetStatus::Failed => "FAILED",
            TargetStatus::Lost => "LOST",
        };
        // What is lost was connected at the last IPL.
        let label = match resident || target.status == TargetStatus::Lost {
            true => "Status",
            false => "Status at last IPL",
        };
        self.line(label, status);
        if let Some(failure) = &target.failure {
            self.failure(failure);
        }
        if let Some(lost) = &target.lost {
            self.line("Time of loss", lost.time);
            self.line("Cause", &lost.message);
            if let Some(hint) = &lost.hint {
                self.line("Next step", hint);
            }
        }
        if let Some(session) = target.session {
            self.session(session);
        }
        if target.status == TargetStatus::Connected
            && target.libraries.is_empty()
            && target.drives.is_empty()
        {
            self.line("Tape devices", "*NONE");
        }
        self.problems(2, &target.problems);
        for library in &target.libraries {
            self.library(library);
        }
        for drive in target.drives {
            self.drive(2, drive);
        }
    }

    fn failure(&mut self, failure: &FailureDocument) {
        let phase = match failure.phase {
            Phase::Resolve => "Resolving the host name",
            Phase::Connect => "Connecting",
            Phase::Login => "Login",
            Phase::Enumerate => "Finding the devices",
        };
        self.line("Failed at", phase);
        if let Some(status) = &failure.login_status {
            self.line("Login status", status);
        }
        self.line("Cause", &failure.message);
        if let Some(hint) = &failure.hint {
            self.line("Next step", hint);
        }
    }

    fn problems(&mut self, indent: usize, problems: &[ProblemDocument]) {
        for problem in problems {
            self.indented(indent, "Problem", &problem.message);
            if let Some(next_step) = &problem.next_step {
                self.indented(indent, "Next step", next_step);
            }
        }
    }

    fn session(&mut self, session: &SessionReport) {
        self.line("Portal", &session.portal);
        let authentication = match &session.chap_algorithm {
            Some(algorithm) => format!("{} ({algorithm})", session.auth_method),
            None => session.auth_method.clone(),
        };
        self.line("Authentication", authentication);
        self.line("Header digest", &session.header_digest);
        self.line("Data digest", &session.data_digest);
        self.line("Maximum burst length", session.max_burst_length);
    }

    fn library(&mut self, library: &LibraryDocument<'_>) {
        self.0
            .push_str(&format!("\n  Tape library {}\n", library.device));
        let derived = if library.derived {
            " (derived from the product)"
        } else {
            ""
        };
        self.indented(4, "Type-model", format!("{}{derived}", library.type_model));
        self.device(
            4,
            [
                library.vendor,
                library.product,
                library.revision,
                library.serial,
            ],
            lun(library.lun, library.lun_address),
        );
        self.indented(4, "Storage elements", library.storage_elements);
        self.indented(4, "Import/export elements", library.import_export_elements);
        self.indented(4, "Transport elements", library.transport_elements);
        self.problems(4, &library.problems);
        for drive in library.drives {
            self.drive(4, drive);
        }
    }

    fn drive(&mut self, indent: usize, drive: &DriveReport) {
        self.0
            .push_str(&format!("\n{:indent$}Tape drive {}\n", "", drive.device));
        let indent = indent + 2;
        self.indented(indent, "Type-model", &drive.type_model);
        self.device(
            indent,
            [
                &drive.vendor,
                &drive.product,
                &drive.revision,
                &drive.serial,
            ],
            lun(drive.lun, drive.lun_address.as_deref()),
        );
        if let Some(address) = drive.element_address {
            self.indented(indent, "Element address", address);
        }
        if let Some(volume) = &drive.volume {
            self.indented(indent, "Volume", volume);
        }
    }

    fn device(
        &mut self,
        indent: usize,
        [vendor, product, revision, serial]: [&str; 4],
        lun: String,
    ) {
        self.indented(indent, "Vendor and product", format!("{vendor} {product}"));
        self.indented(indent, "Revision", revision);
        self.indented(indent, "Serial number", serial);
        self.indented(indent, "Logical unit number", lun);
    }
}

/// Returns a logical unit number of a record: the number, or its bytes where it has none.
fn lun(number: u64, address: Option<&str>) -> String {
    recorded_lun(number, address).map_or_else(|| number.to_string(), |lun| lun.to_string())
}

fn yes_no(value: bool) -> &'static str {
    if value { "Yes" } else { "No" }
}
