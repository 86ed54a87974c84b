//! What `check` prints.

use std::cmp::Reverse;

use schemars::JsonSchema;
use serde::Serialize;

use super::finding::FindingDocument;
use super::json::{SCHEMA, TargetDocument};
use super::words::check::words;
use crate::iop::active::NegotiatedKey;
use crate::iop::check::{CheckedTarget, Finding};
use crate::iop::finding::{Area, FindingResult};

/// The document of `check`.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Check")]
pub struct CheckDocument<'a> {
    /// Number of the schema.
    #[schemars(extend("const" = 1))]
    pub schema: u32,
    /// The targets, in the order of the configuration.
    pub targets: Vec<CheckedTargetDocument<'a>>,
}

/// A target and what was found about it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CheckedTarget")]
pub struct CheckedTargetDocument<'a> {
    /// The target as a re-IPL reports it.
    #[serde(flatten)]
    pub target: TargetDocument<'a>,
    /// The findings: one for each id of the man page, in its order.
    pub findings: Vec<FindingDocument>,
}

impl<'a> CheckDocument<'a> {
    /// Makes the document.
    #[must_use]
    pub fn new(targets: &'a [CheckedTarget]) -> Self {
        Self {
            schema: SCHEMA,
            targets: targets
                .iter()
                .map(|target| CheckedTargetDocument {
                    target: TargetDocument::from(&target.report),
                    findings: target
                        .findings
                        .iter()
                        .map(|finding| FindingDocument::new(finding.result, words(finding)))
                        .collect(),
                })
                .collect(),
        }
    }
}

/// How the text form is to look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Whether results are in colour, beside their words.
    pub coloured: bool,
    /// Whether everything is told, what passed and what was skipped as well.
    pub everything: bool,
}

impl Look {
    /// Returns the word for a result, in its colour.
    fn title(self, result: FindingResult) -> String {
        let title = result.title();
        let colour = match result {
            FindingResult::Failure => "1;31",
            FindingResult::Warning => "33",
            FindingResult::Pass => "32",
            FindingResult::Skipped => "2",
        };
        match self.coloured {
            true => format!("\u{1b}[{colour}m{title:7}\u{1b}[0m"),
            false => format!("{title:7}"),
        }
    }
}

/// Returns the findings as text: by target and area, the worst first.
#[must_use]
pub fn page(targets: &[CheckedTarget], look: Look) -> String {
    let mut text = String::new();
    for target in targets {
        if !text.is_empty() {
            text.push('\n');
        }
        let report = &target.report;
        text.push_str(&format!(
            "Target {} at {} port {}\n",
            report.target_name, report.target_host_name, report.target_port
        ));
        if let Some(session) = report.session.as_ref().filter(|_| look.everything) {
            let keys: Vec<String> = session.keys.iter().map(key).collect();
            text.push_str(&format!("  Negotiated: {}\n", keys.join(", ")));
        }
        let mut areas: Vec<(FindingResult, Vec<&Finding>)> = Area::ALL
            .iter()
            .map(|area| {
                let mut findings: Vec<&Finding> = target
                    .findings
                    .iter()
                    .filter(|finding| finding.check.area() == *area)
                    .collect();
                findings.sort_by_key(|finding| Reverse(finding.result));
                let worst = findings.iter().map(|finding| finding.result).max();
                (worst.unwrap_or(FindingResult::Skipped), findings)
            })
            .collect();
        areas.sort_by_key(|(worst, _)| Reverse(*worst));
        for (_, findings) in areas {
            text.push_str(&area(&findings, look));
        }
    }
    if !text.is_empty() {
        text.push('\n');
        text.push_str(&summary(targets));
        text.push('\n');
    }
    text
}

fn key(key: &NegotiatedKey) -> String {
    let offered = key.offered.as_deref();
    match (offered, key.answered.as_deref()) {
        (Some(offered), Some(answered)) if offered != answered => {
            format!("{}={answered} (offered {offered})", key.key)
        }
        (_, Some(value)) => format!("{}={value}", key.key),
        (Some(offered), None) => format!("{}={offered} (not answered)", key.key),
        (None, None) => key.key.clone(),
    }
}

fn area(findings: &[&Finding], look: Look) -> String {
    let Some(first) = findings.first() else {
        return String::new();
    };
    let counted: Vec<String> = [
        (FindingResult::Failure, "failed"),
        (FindingResult::Warning, "with a warning"),
        (FindingResult::Pass, "passed"),
        (FindingResult::Skipped, "skipped"),
    ]
    .into_iter()
    .filter_map(|(result, word)| {
        let of_result = findings.iter().filter(|finding| finding.result == result);
        let count = of_result.count();
        (count > 0).then(|| format!("{count} {word}"))
    })
    .collect();
    let mut text = format!("  {}: {}\n", first.check.area().title(), counted.join(", "));
    for finding in findings {
        if finding.result < FindingResult::Warning && !look.everything {
            continue;
        }
        let words = words(finding);
        let mut line = format!(
            "    {} {}: {}",
            look.title(finding.result),
            words.id,
            words.seen
        );
        if let Some(next_step) = &words.next_step {
            line.push_str(&format!(" Next step: {next_step}"));
        }
        text.push_str(&line);
        text.push('\n');
        if look.everything {
            text.push_str(&format!("            {} ({})\n", words.why, words.source));
        }
    }
    text
}

/// Returns the line that sums it up.
#[must_use]
pub fn summary(targets: &[CheckedTarget]) -> String {
    let count = |result| {
        let findings = targets.iter().flat_map(|target| &target.findings);
        findings.filter(|finding| finding.result == result).count()
    };
    let told = |count: usize, word: &str| match count {
        1 => format!("1 {word}"),
        count => format!("{count} {word}s"),
    };
    format!(
        "Checked {}: {}, {}.",
        told(targets.len(), "target"),
        told(count(FindingResult::Failure), "failure"),
        told(count(FindingResult::Warning), "warning")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iop::active::TargetReport;
    use crate::iop::check::{CheckId, Seen};

    fn checked() -> Vec<CheckedTarget> {
        let finding = |check, result, seen| Finding {
            check,
            result,
            seen,
        };
        vec![CheckedTarget {
            report: TargetReport {
                target_name: "iqn.a".to_owned(),
                target_host_name: "vtl".to_owned(),
                target_port: 3260,
                ..TargetReport::default()
            },
            findings: vec![
                finding(CheckId::PortRefused, FindingResult::Pass, Seen::NotMet),
                finding(
                    CheckId::ChapSecretCase,
                    FindingResult::Failure,
                    Seen::OtherCase,
                ),
                finding(
                    CheckId::SecretShort,
                    FindingResult::Warning,
                    Seen::SecretLength(8),
                ),
                finding(CheckId::ChapMd5, FindingResult::Pass, Seen::NotMet),
                finding(CheckId::WriteRate, FindingResult::Skipped, Seen::NotReached),
            ],
        }]
    }

    #[test]
    fn areas_and_findings_stand_with_the_worst_first_a_line_each() {
        let text = page(&checked(), Look::default());
        assert_eq!(
            text,
            "Target iqn.a at vtl port 3260\n\
             \x20 Login: 1 failed\n\
             \x20   Failure login.chap-secret-case: The target accepts the CHAP secret in lower case, and IBM i uses it in \
             upper case. Next step: Type the CHAP secret in upper case at the VTL.\n\
             \x20 Security: 1 with a warning, 1 passed\n\
             \x20   Warning security.secret-short: The CHAP secret has 8 characters. Next step: Use a random secret of 12 \
             characters or more at the VTL and here.\n\
             \x20 Network: 1 passed\n\
             \x20 Speed: 1 skipped\n\
             \n\
             Checked 1 target: 1 failure, 1 warning.\n"
        );
    }

    #[test]
    fn with_everything_what_passed_is_told_with_why_and_colour_is_beside_the_words() {
        let look = Look {
            coloured: true,
            everything: true,
        };
        let text = page(&checked(), look);
        assert!(text.contains("\u{1b}[1;31mFailure\u{1b}[0m login.chap-secret-case"));
        assert!(text.contains("\u{1b}[32mPass   \u{1b}[0m network.port-refused"));
        assert!(text.contains("\u{1b}[2mSkipped\u{1b}[0m speed.write-rate"));
        assert!(text.contains("IBM i changes the CHAP secret to upper case"));
        assert!(!page(&checked(), Look::default()).contains('\u{1b}'));
    }
}
