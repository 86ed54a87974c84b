//! The library that is served, in the eyes of libiscsi's tools and of tshark.

use std::net::SocketAddr;
use std::process::Command;

use tempfile::TempDir;

use super::{CHAP_NAME, INITIATOR, SECRET, configured, reipl, start_with_chap};
use crate::common::TestEnvironment;
use crate::peers::judge;
use crate::peers::relay::{Conduct, Relay};
use crate::peers::vtl::{NAME, Vtl};

/// Runs a program of libiscsi.
fn libiscsi(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("{program} (Debian package libiscsi-bin): {error}"));
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    said
}

#[test]
fn libiscsi_lists_the_target_and_reads_every_page_of_every_unit() {
    let environment = TestEnvironment::new();
    for (listen, chap, options) in [
        ("127.0.0.1:0", false, ""),
        ("127.0.0.1:0", true, "?header_digest=crc32c"),
        ("[::1]:0", false, "?header_digest=crc32c"),
    ] {
        let vtl = if chap {
            start_with_chap(&environment, SECRET, &["--listen", listen])
        } else {
            Vtl::start(&environment, &["--listen", listen])
        };
        let user = if chap {
            format!("{CHAP_NAME}%{SECRET}@")
        } else {
            String::new()
        };
        let portal = format!("iscsi://{user}{}", vtl.portal());
        let listed = libiscsi("iscsi-ls", &["-s", &format!("{portal}/")]);
        assert!(listed.contains(NAME), "{listed}");
        assert_eq!(listed.matches("MEDIA_CHANGER").count(), 1, "{listed}");
        assert_eq!(listed.matches("SEQUENTIAL_ACCESS").count(), 2, "{listed}");
        for (lun, product, serial) in [
            (0, "03584L32", "0000078A12340401"),
            (1, "ULT3580-TD8", "8A12340001"),
            (2, "ULT3580-TD8", "8A12340002"),
        ] {
            let url = format!("{portal}/{NAME}/{lun}{options}");
            let inquiry = libiscsi("iscsi-inq", &[&url]);
            assert!(
                inquiry.contains(product) && inquiry.contains("IBM"),
                "{inquiry}"
            );
            let page = |code: &str| libiscsi("iscsi-inq", &["-e", "1", "-c", code, &url]);
            let supported = page("0");
            assert!(
                supported.contains("80") && supported.contains("83"),
                "{supported}"
            );
            assert!(page("128").contains(serial));
            assert!(page("131").contains(serial), "{}", page("131"));
        }
        vtl.stop();
    }
}

#[test]
fn a_whole_session_is_well_formed_in_the_eyes_of_tshark() {
    let environment = TestEnvironment::new();
    let vtl = start_with_chap(&environment, SECRET, &[]);
    let relay = Relay::start(vtl.port(), Conduct::default());
    let portal = SocketAddr::from(([127, 0, 0, 1], relay.port()));
    reipl(&configured(portal, INITIATOR, Some(SECRET)), &[], 0);
    let directory = TempDir::new().unwrap();
    judge::assert_wholly_well_formed(&relay.connection(), directory.path());
}
