//! A name service that does not answer, which takes the place of the machine's for one process and so needs root.

use std::fs;
use std::net::UdpSocket;

use super::target::NAME;
use super::{SILENCE, assert_failed, words};
use crate::common::{TestEnvironment, targets};

#[test]
fn a_name_service_that_does_not_answer_is_given_up() {
    // It takes what it is sent, on loopback, and never answers.
    let _silent = UdpSocket::bind(("127.0.0.77", 53)).expect("port 53, which needs root");
    let environment = TestEnvironment::new();
    let resolver = environment.home().join("resolv.conf");
    fs::write(&resolver, "nameserver 127.0.0.77\n").unwrap();
    environment.add(NAME, "vtl.example.com", 3260);
    // The file stands in the machine's place for this one process.
    let script = format!(
        "mount --bind {} /etc/resolv.conf && exec \"$@\"",
        resolver.display()
    );
    let prefix = ["unshare", "--mount", "sh", "-c", &script, "sh"].map(str::to_owned);
    let output = environment
        .run_behind(&prefix, &["--json", "--timeout", SILENCE, "-reipliscsiop"])
        .assert_status(4);
    let document = output.json();
    let target = &targets(&document)[0];
    assert_failed(target, "resolve");
    let words = words(target);
    assert!(words.contains("vtl.example.com"), "{words}");
    assert!(words.contains("within 1 s"), "{words}");
}
