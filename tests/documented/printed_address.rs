//! The examples with every word as printed: 10.1.1.5 exists in a network namespace, where tgtd serves the target.

use std::net::Ipv4Addr;

use super::{
    PLATFORM, RE_IPL, assert_attached, dump_with_library, enable_keystore, examples,
    platform_identity, type_in, words,
};
use crate::common::{TestEnvironment, text};
use crate::peers::namespace::Namespace;
use crate::peers::tgtd::{Target, Tgtd};

/// Re-IPLs while tgtd serves the target that was committed, and expects the library to be found as it was committed.
fn attach(environment: &TestEnvironment, committed: &serde_json::Value) {
    let host = Ipv4Addr::new(10, 1, 1, 5);
    let port = u16::try_from(committed["target_port"].as_u64().unwrap()).unwrap();
    let namespace = Namespace::with_addresses(&[host]);
    let mut tgtd = Tgtd::start_in(&namespace, host, port);
    let name = text(&committed["target_name"]);
    let mut target = Target::library(name, "0000078A12340401", 1, 4, 1_000_000_001);
    if committed["chap"].is_object() {
        target = target.account("SOMECHAPNAME", "SOMECHAPSECRET");
    }
    tgtd.add(target);
    environment
        .run_behind(&namespace.prefix(), &words(RE_IPL))
        .assert_status(0);
    let dump = dump_with_library(environment);
    assert_attached(&dump, committed);
    assert_eq!(
        dump["targets"][0]["session"]["portal"],
        format!("{host}:{port}"),
        "{dump:#}"
    );
}

#[test]
fn an_example_attaches_the_target_at_the_address_that_is_printed() {
    for number in 0..3 {
        let environment = TestEnvironment::new();
        let example = &examples(&environment)[number];
        type_in(&environment, example.lines, 0);
        attach(&environment, &example.committed);
    }
}

#[test]
fn the_fourth_example_does_with_the_keystore_that_it_demands() {
    let environment = TestEnvironment::new();
    enable_keystore(&environment);
    type_in(&environment, PLATFORM, 0);
    attach(&environment, &platform_identity("PLATFORM", "platform"));
}
