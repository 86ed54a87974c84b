//! The text form of the active configuration, in the manner of a 5250 display: labels with dot leaders.

use super::document::{ActiveDocument, Iop};
use crate::iop::active::{
    Drive, Failure, Library, Phase, SessionReport, StoredIn, TargetReport, TargetStatus,
};
use crate::iop::devices::resolve::recorded_lun;

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
        page.target(target);
    }
    page.0
}

/// Lines of text, each level of headings indented by two.
#[derive(Default)]
pub(super) struct Page(String);

impl Page {
    pub(super) fn title(&mut self, text: &str) {
        self.0.push_str(text);
        self.0.push('\n');
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }

    pub(super) fn heading(&mut self, text: &str) {
        self.0.push('\n');
        self.0.push_str(text);
        self.0.push('\n');
    }

    pub(super) fn line(&mut self, label: &str, value: impl ToString) {
        self.indented(2, label, value);
    }

    fn indented(&mut self, indent: usize, label: &str, value: impl ToString) {
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

    fn target(&mut self, target: &TargetReport) {
        self.line("Target name", &target.target_name);
        self.line("Target host name", &target.target_host_name);
        self.line("Target port", target.target_port);
        self.line("Initiator name", &target.initiator_name);
        match &target.chap {
            None => self.line("CHAP name", "*NONE"),
            Some(chap) => {
                self.line("CHAP name", &chap.name);
                let place = match chap.stored_in {
                    StoredIn::Disk => "plain text on disk",
                    StoredIn::Platform => "in the Platform KeyStore",
                };
                self.line("CHAP keystore", format!("{} ({place})", chap.keystore));
            }
        }
        let status = match target.status {
            TargetStatus::Connected => "CONNECTED",
            TargetStatus::Failed => "FAILED",
        };
        self.line("Status at last IPL", status);
        if let Some(failure) = &target.failure {
            self.failure(failure);
        }
        if let Some(session) = &target.session {
            self.session(session);
        }
        if target.status == TargetStatus::Connected
            && target.libraries.is_empty()
            && target.drives.is_empty()
        {
            self.line("Tape devices", "*NONE");
        }
        for library in &target.libraries {
            self.library(library);
        }
        for drive in &target.drives {
            self.drive(2, drive);
        }
    }

    fn failure(&mut self, failure: &Failure) {
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

    fn library(&mut self, library: &Library) {
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
                &library.vendor,
                &library.product,
                &library.revision,
                &library.serial,
            ],
            lun(library.lun, library.lun_address.as_deref()),
        );
        self.indented(4, "Storage elements", library.storage_elements);
        self.indented(4, "Import/export elements", library.import_export_elements);
        self.indented(4, "Transport elements", library.transport_elements);
        for problem in &library.problems {
            self.indented(4, "Problem", problem);
        }
        for drive in &library.drives {
            self.drive(4, drive);
        }
    }

    fn drive(&mut self, indent: usize, drive: &Drive) {
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
        [vendor, product, revision, serial]: [&String; 4],
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
