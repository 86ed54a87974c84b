//! The page of `check --report`: one file with its style in it, for the administrator of the VTL.
//!
//! The page needs nothing from anywhere and runs nothing: its Content-Security-Policy refuses scripts, pictures, fonts and
//! connections. Text from the wire is escaped twice: control characters as for a terminal, where the words are made, and
//! HTML's own characters here, where maud escapes every value.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::check::{CheckDocument, CheckedTargetDocument};
use super::finding::FindingDocument;
use crate::iop::finding::FindingResult;

/// Refuses everything but the style of the page itself.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

const STYLE: &str = include_str!("page.css");

/// The results, worst first, as the page orders and counts them, with the name of their style and their heading.
const RESULTS: [(FindingResult, &str, &str); 4] = [
    (
        FindingResult::Failure,
        "failure",
        "To be fixed before the attach",
    ),
    (FindingResult::Warning, "warning", "To be looked at"),
    (FindingResult::Pass, "pass", "As it has to be"),
    (FindingResult::Skipped, "skipped", "Not looked at"),
];

/// Returns the page. `made_at` is the time of the check, RFC 3339.
#[must_use]
pub fn page(document: &CheckDocument<'_>, made_at: &str) -> String {
    let title = match document.targets.len() {
        1 => "iSCSI attach check of 1 target".to_owned(),
        count => format!("iSCSI attach check of {count} targets"),
    };
    let failures = document
        .targets
        .iter()
        .map(|target| count(target, FindingResult::Failure))
        .sum();
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="referrer" content="no-referrer";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (title) }
                    p { strong { (verdict(failures)) } }
                    p { "Made by iscsiswiconfig " (env!("CARGO_PKG_VERSION")) " at " time datetime=(made_at) { (made_at) } ". The check only reads: it moved and changed nothing." }
                }
                main {
                    @for target in &document.targets { (section(target)) }
                }
                footer {
                    p { "A failure is to be mended before IBM i can attach the library; a warning may stand in its way. The man page lists the findings by their ids." }
                }
            }
        }
    }
    .into_string()
}

fn verdict(failures: usize) -> String {
    match failures {
        0 => "No finding is a failure.".to_owned(),
        1 => "1 finding is a failure.".to_owned(),
        count => format!("{count} findings are failures."),
    }
}

fn count(target: &CheckedTargetDocument<'_>, result: FindingResult) -> usize {
    let findings = target.findings.iter();
    findings.filter(|finding| finding.result == result).count()
}

fn section(target: &CheckedTargetDocument<'_>) -> Markup {
    let facts = &target.target;
    html! {
        section aria-label=(facts.target_name) {
            h2 { code { (facts.target_name) } }
            dl {
                dt { "Portal" }
                dd { code { (facts.target_host_name) } " port " (facts.target_port) }
                dt { "Initiator name" }
                dd { code { (facts.initiator_name) } }
                dt { "CHAP name" }
                dd {
                    @match facts.chap {
                        Some(chap) => code { (chap.name) },
                        None => "no CHAP is configured",
                    }
                }
            }
            table {
                caption { "Findings by result" }
                thead {
                    tr { @for (result, style, _) in RESULTS { th scope="col" class=(style) { (result.title()) } } }
                }
                tbody {
                    tr { @for (result, ..) in RESULTS { td { (count(target, result)) } } }
                }
            }
            @for (result, style, heading) in RESULTS {
                @if count(target, result) > 0 {
                    h3 { (heading) }
                    ul {
                        @for finding in target.findings.iter().filter(|finding| finding.result == result) {
                            li class=(style) { (item(finding)) }
                        }
                    }
                }
            }
        }
    }
}

fn item(finding: &FindingDocument) -> Markup {
    html! {
        p { span.result { (finding.result.title()) } " " strong { (finding.seen) } }
        p { (finding.why) }
        @if let Some(next_step) = &finding.next_step {
            p { strong { "Next step:" } " " (next_step) }
        }
        p.quiet { (finding.area.as_str()) ", " code { (finding.id) } ", " (finding.source) }
    }
}
