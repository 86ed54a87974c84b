//! What `d-mode` prints: the verdict of the document's table, the findings, and what the HMC is to be given.

use std::net::Ipv4Addr;

use schemars::JsonSchema;
use serde::Serialize;

use super::finding::FindingDocument;
use super::json::SCHEMA;
use super::text::Page;
use super::words::d_mode::{finding, levels};
use super::words::finding::FindingWords;
use crate::cli::quote;
use crate::iop::d_mode::{BootValues, Finding, Support, System};
use crate::iop::finding::FindingResult;

/// What `d-mode` found.
pub struct DModeReport {
    /// The levels of the system.
    pub system: System,
    /// What the document's table says of them.
    pub support: Support,
    /// What was looked at.
    pub findings: Vec<Finding>,
    /// What the HMC is to be given.
    pub values: BootValues,
}

impl DModeReport {
    /// Returns whether nothing stands in the way, as far as that is known.
    #[must_use]
    pub fn is_clear(&self) -> bool {
        self.failures() == 0 && self.support != Support::NotSupported
    }

    fn failures(&self) -> usize {
        let results = self.findings.iter().map(Finding::result);
        results
            .filter(|result| *result == FindingResult::Failure)
            .count()
    }

    /// Returns the line that sums it up.
    #[must_use]
    pub fn summary(&self) -> String {
        let verdict = match self.support.supported() {
            Some(true) => "supported",
            Some(false) => "not supported",
            None => "not in the document's table",
        };
        match self.failures() {
            0 => format!("D-mode IPL from the VTL: {verdict}; no finding is a failure."),
            1 => format!("D-mode IPL from the VTL: {verdict}; 1 finding is a failure."),
            count => format!("D-mode IPL from the VTL: {verdict}; {count} findings are failures."),
        }
    }

    /// Returns the line for the HMC, each word quoted as a shell needs it.
    #[must_use]
    pub fn command(&self) -> String {
        let words: Vec<String> = self
            .values
            .chsysstate()
            .iter()
            .map(|word| quote(word))
            .collect();
        words.join(" ")
    }
}

/// The document of `d-mode`.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DMode")]
pub struct DModeDocument<'a> {
    /// Number of the schema.
    #[schemars(extend("const" = 1))]
    schema: u32,
    /// Whether the document's table has this combination as one that can IPL; null where it does not say.
    supported: Option<bool>,
    /// Whether the Platform KeyStore serves for iSCSI CHAP there; null where the table does not say.
    keystore_for_chap: Option<bool>,
    /// What was looked at.
    findings: Vec<FindingDocument>,
    /// What the HMC's Network Boot wizard asks for.
    values: ValuesDocument<'a>,
    /// The parameters of the HMC's REST job.
    rest: RestDocument<'a>,
    /// The chsysstate line for the HMC, with capitals where a value is missing. It has no CHAP secret.
    command: String,
}

/// What the wizard asks for.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DModeValues")]
struct ValuesDocument<'a> {
    /// Name of the managed system; null when it was not given.
    managed_system: Option<&'a str>,
    /// Name of the partition; null when it was not given.
    partition: Option<&'a str>,
    /// Name of the target.
    target_name: &'a str,
    /// The target's IPv4 address; null when it has none.
    target_ip_address: Option<Ipv4Addr>,
    /// TCP port of the target.
    target_port: u16,
    /// The initiator name; null when the partition has none.
    initiator_name: Option<&'a str>,
    /// The CHAP name; null without CHAP.
    chap_name: Option<&'a str>,
    /// Whether a CHAP secret is to be typed; it is never here.
    chap_secret: bool,
    /// The partition's IPv4 address; null when it was not given.
    ip_address: Option<Ipv4Addr>,
    /// The subnet mask; null when it was not given.
    subnet_mask: Option<Ipv4Addr>,
    /// IPv4 address of the gateway; null when it was not given.
    gateway: Option<Ipv4Addr>,
    /// VLAN id; null when it was not given.
    vlan: Option<u16>,
}

/// The parameters of the HMC's REST job PowerOn_LogicalPartition, by their names there; CHAPSecret is left out.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DModeRest")]
#[serde(rename_all = "PascalCase")]
struct RestDocument<'a> {
    /// Always netboot.
    operation_type: &'static str,
    /// Always iscsi.
    netboot_type: &'static str,
    /// The initiator name; null when the partition has none.
    initiator_name: Option<&'a str>,
    /// Name of the target.
    target_name: &'a str,
    /// The target's IPv4 address; null when it has none.
    #[serde(rename = "TargetIPAddress")]
    target_ip_address: Option<Ipv4Addr>,
    /// TCP port of the target, as text.
    target_port: String,
    /// The CHAP name; absent without CHAP.
    #[serde(rename = "CHAPName", skip_serializing_if = "Option::is_none")]
    chap_name: Option<&'a str>,
    /// The partition's IPv4 address; null when it was not given.
    #[serde(rename = "IPAddress")]
    ip_address: Option<Ipv4Addr>,
    /// The subnet mask; absent when it was not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    subnet_mask: Option<Ipv4Addr>,
    /// IPv4 address of the gateway; null when it was not given.
    gateway: Option<Ipv4Addr>,
    /// VLAN id, as text; absent when it was not given.
    #[serde(rename = "VLAN", skip_serializing_if = "Option::is_none")]
    vlan: Option<String>,
}

/// Returns a finding's words; one that passes needs no next step.
fn words(of: &Finding) -> FindingWords {
    let words = finding(of);
    FindingWords {
        next_step: words
            .next_step
            .filter(|_| of.result() != FindingResult::Pass && !is_without_chap(of)),
        ..words
    }
}

fn is_without_chap(of: &Finding) -> bool {
    of.result() == FindingResult::Skipped && *of != Finding::PartitionState
}

impl<'a> DModeDocument<'a> {
    /// Makes the document.
    #[must_use]
    pub fn new(report: &'a DModeReport) -> Self {
        let values = &report.values;
        Self {
            schema: SCHEMA,
            supported: report.support.supported(),
            keystore_for_chap: report.support.keystore_for_chap(),
            findings: report
                .findings
                .iter()
                .map(|of| FindingDocument::new(of.result(), words(of)))
                .collect(),
            values: ValuesDocument {
                managed_system: values.managed_system.as_deref(),
                partition: values.partition.as_deref(),
                target_name: &values.target_name,
                target_ip_address: values.target_ip_address,
                target_port: values.target_port,
                initiator_name: values.initiator_name.as_deref(),
                chap_name: values.chap_name.as_deref(),
                chap_secret: values.chap_name.is_some(),
                ip_address: values.ip_address,
                subnet_mask: values.subnet_mask,
                gateway: values.gateway,
                vlan: values.vlan,
            },
            rest: RestDocument {
                operation_type: "netboot",
                netboot_type: "iscsi",
                initiator_name: values.initiator_name.as_deref(),
                target_name: &values.target_name,
                target_ip_address: values.target_ip_address,
                target_port: values.target_port.to_string(),
                chap_name: values.chap_name.as_deref(),
                ip_address: values.ip_address,
                subnet_mask: values.subnet_mask,
                gateway: values.gateway,
                vlan: values.vlan.map(|vlan| vlan.to_string()),
            },
            command: report.command(),
        }
    }
}

/// Returns the report as text.
#[must_use]
pub fn page(report: &DModeReport) -> String {
    let mut page = Page::default();
    let yes_no = |known: Option<bool>| match known {
        Some(true) => "Yes",
        Some(false) => "No",
        None => "Not in the document's table",
    };
    page.title("D-mode IPL from the iSCSI VTL");
    page.line("System", levels(&report.system));
    page.line("Supported", yes_no(report.support.supported()));
    page.line(
        "KeyStore serves for iSCSI CHAP",
        yes_no(report.support.keystore_for_chap()),
    );
    page.heading("Findings");
    for of in &report.findings {
        let words = words(of);
        let result = of.result().title();
        page.line(words.id, format!("{result}: {}", words.seen));
        if let Some(next_step) = &words.next_step {
            page.indented(4, "Why", words.why);
            page.indented(4, "Source", words.source);
            page.indented(4, "Next step", next_step);
        }
    }
    page.heading("Values for the HMC's Network Boot wizard");
    let values = &report.values;
    let address = |known: Option<Ipv4Addr>| known.map(|known| known.to_string());
    let lines = [
        ("Managed system", values.managed_system.clone()),
        ("Partition", values.partition.clone()),
        ("IP address", address(values.ip_address)),
        ("Subnet mask", address(values.subnet_mask)),
        ("Gateway", address(values.gateway)),
        ("VLAN", values.vlan.map(|vlan| vlan.to_string())),
        ("Initiator name", values.initiator_name.clone()),
        ("Target name", Some(values.target_name.clone())),
        ("Target IP address", address(values.target_ip_address)),
        ("Target port", Some(values.target_port.to_string())),
        ("CHAP name", values.chap_name.clone()),
    ];
    for (label, value) in lines {
        page.line(label, value.as_deref().unwrap_or("*NONE"));
    }
    if values.chap_name.is_some() {
        page.line("CHAP secret", "To be typed there; it is never shown");
    }
    page.heading("Command for the HMC");
    let mut text = page.into_text();
    text.push_str("  ");
    text.push_str(&report.command());
    text.push_str("\n\n");
    text.push_str(&report.summary());
    text.push('\n');
    text
}
