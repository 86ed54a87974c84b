//! Secrets from a file or from standard input.

use std::path::Path;
use std::process::Stdio;

use crate::common::binary;

use super::system::{SECRETS, System, set_mode, vtl, words};

/// The words of an -addtarget whose secret stands without a value, at the end or in the middle.
fn add_without<'a>(source: &'a str, port: &'a str, in_the_middle: bool) -> Vec<&'a str> {
    let mut all = vec!["--secret-file", source];
    all.extend(words("-addtarget", port, "iqn.lab:a"));
    if in_the_middle {
        all.extend(["-initiatorchapsecret", "-initiatorchapname", "iqn.lab:a"]);
    } else {
        all.extend(["-initiatorchapname", "iqn.lab:a", "-initiatorchapsecret"]);
    }
    all
}

#[test]
fn a_file_gives_the_secret_and_one_line_end_is_dropped() {
    let portal = vtl(&[("iqn.lab:a", SECRETS[0])]);
    let port = portal.port().to_string();
    for (end, in_the_middle) in [("", false), ("\n", false), ("\r\n", false), ("\n", true)] {
        let system = System::enabled();
        system.seal(SECRETS[0]);
        let file = system.private_file("secret", format!("{}{end}", SECRETS[0]).as_bytes());
        system
            .run(&add_without(&file, &port, in_the_middle))
            .assert_status(0);
        system.assert_connects();
        let system = System::enabled();
        system.seal(SECRETS[0]);
        system
            .run_with_input(
                &add_without("-", &port, in_the_middle),
                format!("{}{end}", SECRETS[0]).as_bytes(),
            )
            .assert_status(0);
        system.assert_connects();
    }
}

#[test]
fn a_secret_may_come_on_standard_input_in_pieces() {
    let portal = vtl(&[("iqn.lab:a", SECRETS[0])]);
    let system = System::enabled();
    system.seal(SECRETS[0]);
    let mut command = system.environment().command_of(Path::new("sh"));
    command
        .env("ISCSISWICONFIG_KEYSTORE_DIR", system.keystore())
        .env("FRONT", &SECRETS[0][..5])
        .env("BACK", &SECRETS[0][5..])
        .arg("-c")
        .arg("(printf %s \"$FRONT\"; sleep 0.3; printf '%s\\n' \"$BACK\") | \"$@\"")
        .arg("sh")
        .arg(binary())
        .args(add_without("-", &portal.port().to_string(), false));
    system.finish(command).assert_status(0);
    system.assert_connects();
}

#[test]
fn it_works_with_every_option_that_takes_a_secret() {
    let portal = vtl(&[("iqn.lab:a", SECRETS[0])]);
    let port = portal.port().to_string();
    let system = System::enabled();
    system.seal(SECRETS[0]);
    let front = system.private_file("front", &SECRETS[0].as_bytes()[..8]);
    let back = system.private_file("back", format!("{}\n", &SECRETS[0][8..]).as_bytes());
    for line in [
        &["--secret-file", &front, "-newname", "-initiatorchapsecret"][..],
        &[
            "--secret-file",
            &back,
            "-appendname",
            "-initiatorchapsecret",
        ],
        &["-newname", "-targetname", "iqn.lab:a"],
        &["-newname", "-targethostname", "127.0.0.1"],
        &["-newname", "-initiatorchapname", "iqn.lab:a"],
        &["-setport", "-targetport", &port],
        &["-commit"],
    ] {
        system.run(line).assert_status(0);
    }
    system.assert_connects();

    system
        .change_at(
            portal.port(),
            "iqn.lab:a",
            &["-initiatorchapsecret", SECRETS[1]],
        )
        .assert_status(0);
    system.run(&["-reipliscsiop"]).assert_status(4);
    let file = system.private_file("whole", SECRETS[0].as_bytes());
    let change = words("-changetarget", &port, "iqn.lab:a");
    system
        .run(
            &[
                &["--secret-file", &file],
                &change[..],
                &["-initiatorchapsecret"],
            ]
            .concat(),
        )
        .assert_status(0);
    system.assert_connects();
}

#[test]
fn a_lower_case_secret_is_folded_as_a_typed_one_is() {
    let portal = vtl(&[("iqn.lab:a", SECRETS[0])]);
    let port = portal.port().to_string();
    let system = System::enabled();
    system.seal(SECRETS[0]);
    let file = system.private_file("secret", SECRETS[0].to_ascii_lowercase().as_bytes());
    system
        .run(&add_without(&file, &port, false))
        .assert_status(0)
        .warns(&["upper"]);
    system.assert_connects();
}

#[test]
fn a_call_that_has_no_use_for_it_ignores_it() {
    let system = System::new();
    let file = system.private_file("secret", SECRETS[0].as_bytes());
    let given = ["--secret-file", file.as_str()];
    let nowhere = ["--secret-file", "nowhere"];
    let add = words("-addtarget", "1", "iqn.lab:a");
    let name = ["-initiatorchapname", "NAME"];
    for line in [
        &[&nowhere[..], &["-dumptargets"]].concat()[..],
        &[&nowhere[..], &["partition"]].concat(),
        &[&nowhere[..], &["-newname", "-targetname", "a"]].concat(),
        &[
            &nowhere[..],
            &["-newname", "-initiatorchapsecret", SECRETS[1]],
        ]
        .concat(),
        &[&nowhere[..], &add].concat(),
        // The file given twice: the last counts.
        &[&nowhere[..], &given, &["-newname", "-initiatorchapsecret"]].concat(),
    ] {
        system.run(line).assert_status(0);
    }
    // Half of a CHAP pair stays one, and a secret without a file has no value.
    for line in [
        &[&given[..], &add, &name].concat()[..],
        &[&add[..], &name, &["-initiatorchapsecret"]].concat(),
    ] {
        let output = system.run(line);
        assert_eq!(output.status.code(), Some(2), "{line:?}:\n{output}");
    }
}

#[test]
fn a_file_that_others_can_read_is_refused() {
    let system = System::new();
    let file = system.private_file("secret", SECRETS[0].as_bytes());
    for wrong in [0o644, 0o604, 0o666] {
        set_mode(Path::new(&file), wrong);
        let output = system.run(&add_without(&file, "1", false));
        let refused = matches!(output.status.code(), Some(1..=3));
        assert!(refused, "mode {wrong:o}:\n{output}");
        assert!(output.stderr.contains("secret"), "{output}");
    }
    assert!(!system.state().exists(), "nothing was written");
    for right in [0o600, 0o400] {
        set_mode(Path::new(&file), right);
        let system = System::new();
        system.run(&add_without(&file, "1", false)).assert_status(0);
    }
}

#[test]
fn what_is_no_secret_is_refused_and_not_shown() {
    let system = System::new();
    let long = vec![b'A'; 1 << 20];
    let secret = SECRETS[0].as_bytes();
    for content in [
        &b""[..],
        b"\n",
        b"\r\n",
        &[secret, b"\n\n"].concat(),
        &[secret, b"\n", secret].concat(),
        &[secret, b"\0"].concat(),
        &[secret, b"\xff"].concat(),
        &[secret, "\u{e9}".as_bytes()].concat(),
        &[b"\xef\xbb\xbf", secret].concat(),
        &long,
    ] {
        let file = system.private_file("secret", content);
        let output = system.run(&add_without(&file, "1", false));
        let shown = String::from_utf8_lossy(&content[..content.len().min(20)]);
        assert_eq!(output.status.code(), Some(2), "{shown:?}:\n{output}");
        let output = system.run_with_input(&add_without("-", "1", false), content);
        assert_eq!(output.status.code(), Some(2), "{shown:?}:\n{output}");
    }
    for wrong in ["/nonexistent/secret", "/", ""] {
        let output = system.run(&add_without(wrong, "1", false));
        let refused = matches!(output.status.code(), Some(1..=3));
        assert!(refused, "{wrong:?}:\n{output}");
    }
    assert!(!system.state().exists(), "nothing was written");
    system
        .run_with_input(&add_without("-", "1", false), secret)
        .assert_status(0);
}

#[test]
fn a_pipe_without_an_end_is_given_up() {
    let system = System::new();
    system
        .run_with_input(&add_without("-", "2", false), SECRETS[0].as_bytes())
        .assert_status(0);
    let mut command = system.command(&add_without("-", "1", false));
    command.stdin(Stdio::from(std::fs::File::open("/dev/zero").unwrap()));
    let output = system.finish(command);
    assert_eq!(output.status.code(), Some(2), "{output}");
}

#[test]
fn a_password_manager_can_give_it_through_the_shell() {
    let portal = vtl(&[("iqn.lab:a", SECRETS[0])]);
    let port = portal.port().to_string();
    let add = words("-addtarget", &port, "iqn.lab:a")
        .join(" ")
        .replace('*', "'*'");
    let chap = "-initiatorchapname iqn.lab:a -initiatorchapsecret";
    for script in [
        format!("cat secret | iscsiswiconfig --secret-file - {add} {chap}"),
        format!("cat secret | iscsiswiconfig --secret-file /dev/stdin {add} {chap}"),
    ] {
        let system = System::enabled();
        system.seal(SECRETS[0]);
        system.private_file("secret", format!("{}\n", SECRETS[0]).as_bytes());
        let mut shell = system.environment().command_of(Path::new("sh"));
        shell
            .env("ISCSISWICONFIG_KEYSTORE_DIR", system.keystore())
            .args(["-c", &script]);
        let output = system.finish(shell);
        assert_eq!(output.status.code(), Some(0), "{script}\n{output}");
        system.assert_connects();
    }
}
