//! A network of the test's own: addresses that exist only for what runs inside, so that a documented line can be tried
//! unchanged and nothing leaves this machine.

use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// A network namespace with a loopback interface, gone when this value is dropped.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// Creates a namespace in which the addresses are this machine's.
    #[must_use]
    pub fn with_addresses(addresses: &[Ipv4Addr]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let namespace = Self {
            name: format!("iscsiswiconfig-{}-{number}", std::process::id()),
        };
        let name = namespace.name.as_str();
        ip(&format!("netns add {name}"));
        ip(&format!("-n {name} link set lo up"));
        for address in addresses {
            ip(&format!("-n {name} addr add {address}/32 dev lo"));
        }
        namespace
    }

    /// Returns its name, as ip(8) takes it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the words that run a command inside, to stand before its own.
    #[must_use]
    pub fn prefix(&self) -> Vec<String> {
        ["ip", "netns", "exec", self.name.as_str()]
            .map(str::to_owned)
            .to_vec()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        ip(&format!("netns delete {}", self.name));
    }
}

/// Runs ip(8), which needs root.
///
/// # Panics
/// When it fails.
pub fn ip(line: &str) {
    let output = Command::new("ip")
        .args(line.split(' '))
        .output()
        .expect("run ip (Debian package iproute2)");
    assert!(
        output.status.success(),
        "ip {line}, which needs root: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
