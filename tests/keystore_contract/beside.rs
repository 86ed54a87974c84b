//! A re-IPL beside changes, with a target that knows two accounts.

use super::system::{SECRETS, System, words};
use crate::peers::tgtd::{Target, Tgtd};

/// A system with one credential in the KeyStore, and a VTL that knows the old name with the old secret and the new
/// name with the new one: a mixture does not connect.
fn either_of_two() -> (System, Tgtd) {
    let system = System::enabled();
    let name = "iqn.lab:a";
    let tgtd = Tgtd::serving(Target::empty(name).account(&name.to_ascii_uppercase(), SECRETS[0]));
    let account = ["--mode", "account", "--user", "SECOND"];
    tgtd.admin(&[&account[..], &["--op", "new", "--password", SECRETS[1]]].concat());
    tgtd.admin(&[&account[..], &["--op", "bind", "--tid", "1"]].concat());
    for secret in &SECRETS[..2] {
        system.seal(secret);
    }
    system.add_at(tgtd.port(), "iqn.lab:a", SECRETS[0], "PLATFORM");
    (system, tgtd)
}

/// A re-IPL reads the configuration and the KeyStore while another process changes both.
#[test]
fn a_re_ipl_beside_changes_uses_the_old_credential_or_the_new_one() {
    let (system, tgtd) = either_of_two();
    let keystore = system.keystore();
    let port = tgtd.port().to_string();
    let change = words("-changetarget", &port, "iqn.lab:a");
    let directory = ["--keystore-dir", keystore.to_str().unwrap()];
    for _ in 0..30 {
        for (name, secret) in [("SECOND", SECRETS[1]), ("iqn.lab:a", SECRETS[0])] {
            let credential = ["-initiatorchapname", name, "-initiatorchapsecret", secret];
            let mut writer = system
                .environment()
                .start(&[&directory[..], &change, &credential].concat());
            system.assert_connects();
            writer.wait().unwrap().assert_status(0);
        }
    }
    // And while the credential moves between disk and KeyStore.
    for secret in &SECRETS[..2] {
        system.unseal(secret);
    }
    for round in 0..60 {
        let keystore = [
            "-chapkeystore",
            if round % 2 == 0 { "NONE" } else { "AVAIL" },
        ];
        let mut writer = system
            .environment()
            .start(&[&directory[..], &change, &keystore].concat());
        system.assert_connects();
        writer.wait().unwrap().assert_status(0);
    }
}
