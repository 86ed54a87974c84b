//! The page of `check --report`: what it holds, and that no text from a target is anything but text in it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use iscsiswiconfig::iop::active::{TargetReport, TargetStatus};
use iscsiswiconfig::iop::check::{CheckId, CheckedTarget, Finding, Seen};
use iscsiswiconfig::iop::finding::FindingResult;
use iscsiswiconfig::render::check::CheckDocument;
use iscsiswiconfig::render::html::page;

use crate::common::{TestEnvironment, text};
use crate::peers::vtl::{NAME, Vtl};

/// What a hostile target would have for a name, were it to be taken for HTML.
const HOSTILE: &str = "</code><script>console.log('ran')</script><img src=x onerror=\"console.log('ran')\"><a href='javascript:1'>&amp;";

fn finding(check: CheckId, result: FindingResult, portal: &str) -> Finding {
    Finding {
        check,
        result,
        seen: Seen::LoggedIn {
            portal: portal.to_owned(),
        },
    }
}

fn report(name: &str) -> TargetReport {
    TargetReport {
        target_name: name.to_owned(),
        target_host_name: "vtl.example".to_owned(),
        target_port: 3260,
        initiator_name: "iqn.1924-02.com.ibm:0123456789abcdef0123456789abcdef.ibmi".to_owned(),
        chap: None,
        status: TargetStatus::Connected,
        failure: None,
        lost: None,
        session: None,
        libraries: Vec::new(),
        drives: Vec::new(),
        problems: Vec::new(),
    }
}

fn hostile_page() -> String {
    let target = |name: &str| CheckedTarget {
        report: report(name),
        findings: vec![
            finding(CheckId::Accepted, FindingResult::Pass, HOSTILE),
            finding(CheckId::InitiatorName, FindingResult::Warning, HOSTILE),
            finding(CheckId::RoundTrip, FindingResult::Failure, HOSTILE),
            finding(CheckId::PathMtu, FindingResult::Failure, &"x".repeat(400)),
            finding(CheckId::Departures, FindingResult::Skipped, HOSTILE),
        ],
    };
    let targets = [
        target("iqn.2026-11.com.example:vtl"),
        target(&format!("iqn.2026-11.com.example:{}", "y".repeat(200))),
    ];
    page(&CheckDocument::new(&targets), "2026-11-26T15:00:00Z")
}

#[test]
fn text_of_a_target_is_text_in_the_page() {
    let page = hostile_page();
    for element in ["<script", "<img", "<a "] {
        assert!(!page.contains(element), "{element} in {page}");
    }
    assert_eq!(page.matches("&lt;script&gt;").count(), 8);
}

#[test]
fn the_worst_findings_come_first_and_are_counted() {
    let page = hostile_page();
    let place = |text: &str| page.find(text).unwrap_or_else(|| panic!("no {text}"));
    assert!(page.contains("4 findings are failures."));
    assert!(place("network.round-trip") < place("identity.initiator-name"));
    assert!(place("identity.initiator-name") < place("login.accepted"));
    assert!(place("login.accepted") < place("login.departures"));
}

#[test]
fn the_page_fetches_and_runs_nothing() {
    let page = hostile_page();
    for reference in [
        "http:", "https:", "url(", "@import", " src=x ", "<link", "<script",
    ] {
        let found = page.replace("&lt;", "").matches(reference).count();
        let allowed = if reference == " src=x " { 8 } else { 0 };
        assert_eq!(found, allowed, "{reference}");
    }
    assert!(page.contains("content=\"default-src 'none'; style-src 'unsafe-inline';"));
}

#[test]
fn a_report_is_written_whole_and_replaces_the_one_before() {
    let environment = TestEnvironment::new();
    let vtl = Vtl::start(&environment, &[]);
    environment.add(NAME, "127.0.0.1", vtl.portal().port());
    let file = environment.home().join("vtl report.html");
    let path = file.to_str().expect("a path");
    fs::write(&file, "an earlier report").expect("write the file");
    let arguments = ["--json", "check", "--report", path];
    let document = environment.run(&arguments).assert_status(0).json();
    let page = fs::read_to_string(&file).expect("read the report");
    assert!(page.starts_with("<!DOCTYPE html>"), "{page}");
    assert!(page.ends_with("</html>"), "{page}");
    let findings = document["targets"][0]["findings"]
        .as_array()
        .expect("findings");
    assert!(findings.len() > 30);
    for finding in findings {
        let id = text(&finding["id"]);
        assert_eq!(
            page.matches(&format!("<code>{id}</code>")).count(),
            1,
            "{id}"
        );
    }
    let left: Vec<_> = fs::read_dir(environment.home())
        .expect("list the directory")
        .map(|entry| entry.expect("an entry").file_name())
        .filter(|name| name.to_string_lossy().contains("report"))
        .collect();
    assert_eq!(left, ["vtl report.html"]);
}

#[test]
fn a_report_that_cannot_be_written_is_refused_before_any_login() {
    let environment = TestEnvironment::new();
    let vtl = Vtl::start(&environment, &["--json"]);
    environment.add(NAME, "127.0.0.1", vtl.portal().port());
    let directory = environment.home().to_str().expect("a path").to_owned();
    for (path, words) in [
        (directory.as_str(), "is there and no file"),
        ("/dev/null", "is there and no file"),
        ("nowhere/report.html", "No such file or directory"),
    ] {
        environment
            .run(&["check", "--report", path])
            .assert_status(3)
            .says(&[words])
            .hints(&["name"]);
    }
    let (_, events) = vtl.stop_and_read();
    assert!(
        !events
            .iter()
            .any(|line| line.contains("\"event\":\"login\"")),
        "{events:?}"
    );
}

#[test]
fn a_report_holds_no_secret() {
    let environment = TestEnvironment::new();
    let secret = environment.home().join("secret");
    fs::write(&secret, "SECRET-OF-CHAP-12").expect("write the secret");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).expect("keep it private");
    let secret = secret.to_str().expect("a path");
    let vtl = Vtl::start(
        &environment,
        &["--chap-name", "IBMI", "--chap-secret-file", secret],
    );
    environment.add_with(
        NAME,
        "127.0.0.1",
        vtl.portal().port(),
        &[
            "-initiatorchapname",
            "IBMI",
            "-initiatorchapsecret",
            "SECRET-OF-CHAP-12",
        ],
    );
    let file = environment.home().join("report.html");
    environment
        .run(&["check", "--report", file.to_str().expect("a path")])
        .assert_status(0);
    let page = fs::read_to_string(&file).expect("read the report");
    assert!(page.contains("<code>IBMI</code>"), "{page}");
    assert!(!page.to_lowercase().contains("secret-of-chap"), "{page}");
}

#[cfg(feature = "peers")]
mod in_a_browser {
    use std::fs;
    use std::path::PathBuf;
    use std::process::Command;

    use serde_json::Value;

    use super::hostile_page;
    use crate::peers::browser::Browser;

    const WIDE: u32 = 1280;
    const PHONE: u32 = 390;

    /// Returns the source of axe-core, which `.ci/peers` installs from the npm registry.
    fn axe_core() -> String {
        let root = Command::new("npm")
            .args(["root", "--global"])
            .output()
            .expect("run npm");
        let root = String::from_utf8(root.stdout).expect("a path");
        let file = PathBuf::from(root.trim()).join("axe-core/axe.min.js");
        fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    }

    #[test]
    fn it_fits_is_silent_and_is_accessible() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("report.html");
        fs::write(&file, hostile_page()).expect("write the page");
        let axe_core = axe_core();
        let mut browser = Browser::start();
        for (width, scheme) in [
            (WIDE, "light"),
            (WIDE, "dark"),
            (PHONE, "light"),
            (PHONE, "dark"),
        ] {
            let at = format!("{width} pixels, {scheme}");
            browser.open(&file, width, scheme);
            let overflow =
                browser.evaluate("document.documentElement.scrollWidth - window.innerWidth");
            assert!(
                overflow.as_i64().expect("pixels") <= 0,
                "{at}: {overflow} too wide"
            );
            assert_eq!(browser.complaints(), [""; 0], "{at}");
            browser.evaluate(&axe_core);
            let violations = browser.evaluate(
                "axe.run().then(found => found.violations.map(violation => \
                 violation.id + ': ' + violation.nodes.map(node => node.html).join(' ')))",
            );
            assert_eq!(violations, Value::Array(Vec::new()), "{at}");
            let passes = browser.evaluate("axe.run().then(found => found.passes.length)");
            assert!(
                passes.as_u64().expect("a number") > 10,
                "{at}: {passes} rules"
            );
        }
    }

    /// The browser complains of what it should, or the silence above would mean nothing.
    #[test]
    fn a_page_that_runs_a_script_and_fetches_is_noticed() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("bad.html");
        let page = "<!DOCTYPE html><img src=missing.png><script>console.log('ran')</script><p style='width:5000px'>";
        fs::write(&file, page).expect("write the page");
        let mut browser = Browser::start();
        browser.open(&file, PHONE, "light");
        let complaints = browser.complaints().join("\n");
        assert!(complaints.contains("missing.png"), "{complaints}");
        assert!(complaints.contains("ran"), "{complaints}");
        let violations = {
            browser.evaluate(&axe_core());
            browser.evaluate("axe.run().then(found => found.violations.length)")
        };
        assert_ne!(violations, 0);
    }
}
