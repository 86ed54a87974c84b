//! A peer that vanishes: no FIN, no RST, nothing. Target and IOP are in networks of their own, and the way back is taken away.

use super::jobs::BLOCK;
use super::*;
use crate::peers::namespace::{Namespace, ip};

const OF_THE_IOP: &str = "10.99.13.1";
const OF_THE_TARGET: &str = "10.99.13.2";

/// Two networks with a cable between them.
struct Networks {
    of_the_iop: Namespace,
    of_the_target: Namespace,
}

impl Networks {
    fn new() -> Self {
        let networks = Self {
            of_the_iop: Namespace::with_addresses(&[]),
            of_the_target: Namespace::with_addresses(&[]),
        };
        let (one, other) = (networks.of_the_iop.name(), networks.of_the_target.name());
        ip(&format!(
            "link add cable netns {one} type veth peer name cable netns {other}"
        ));
        for (name, address) in [(one, OF_THE_IOP), (other, OF_THE_TARGET)] {
            ip(&format!("-n {name} addr add {address}/24 dev cable"));
            ip(&format!("-n {name} link set cable up"));
        }
        networks
    }

    /// What the target sends goes nowhere from now on, acknowledgements included.
    fn vanish(&self) {
        let name = self.of_the_target.name();
        ip(&format!("-n {name} route add blackhole {OF_THE_IOP}/32"));
    }

    fn comes_back(&self) {
        let name = self.of_the_target.name();
        ip(&format!("-n {name} route del blackhole {OF_THE_IOP}/32"));
    }
}

fn held(networks: &Networks, of_iop: &[&str]) -> Held {
    let environment = TestEnvironment::new();
    let within = |namespace: &Namespace| {
        let prefix = namespace.prefix();
        let mut command = environment.command_of(std::path::Path::new(&prefix[0]));
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.args(&prefix[1..]).arg(crate::common::binary());
        command
    };
    let listen = format!("{OF_THE_TARGET}:3260");
    let of_vtl = ["--listen", listen.as_str()];
    let vtl = Vtl::start_by(within(&networks.of_the_target), &of_vtl);
    environment.add(NAME, OF_THE_TARGET, 3260);
    let iop = Iop::start_by(within(&networks.of_the_iop), of_iop);
    Held {
        environment,
        vtl: Some(vtl),
        iop: Some(iop),
    }
}

#[test]
fn an_idle_session_with_a_peer_that_vanishes_is_lost() {
    let networks = Networks::new();
    let mut held = held(&networks, &["--timeout", "2"]);
    networks.vanish();
    // The ping and the system look for it in the same seconds: either may find it first.
    let lost = held.iop().event("lost");
    let reason = lost["reason"].as_str().unwrap();
    assert!(
        ["no-answer", "connection-failed"].contains(&reason),
        "{lost:#}"
    );
    let target = held.dump();
    assert_eq!(target["status"], "LOST");
    assert_eq!(target["lost"]["code"], reason);
    networks.comes_back();
    let report = held
        .run("--json --timeout 10 -reipliscsiop")
        .assert_status(0)
        .json();
    assert_eq!(report["targets"][0]["status"], "CONNECTED", "{report:#}");
}

#[test]
fn the_system_finds_one_that_vanishes_while_a_tape_command_is_outstanding() {
    let networks = Networks::new();
    let mut held = held(&networks, &["--timeout", "2"]);
    let mut writer = held.job_at_work(&["VOL001"]);
    // A drive at work: its system acknowledges what comes, and it says nothing. It is not pinged.
    held.vtl().signal(Signal::STOP);
    writer.give(&pattern(2, 2 * BLOCK));
    networks.vanish();
    let lost = held.iop().event("lost");
    assert_eq!(lost["reason"], "connection-failed", "{lost:#}");
    let output = writer.finish();
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    assert_eq!(held.dump()["lost"]["code"], "connection-failed");
    held.vtl().signal(Signal::CONT);
}
