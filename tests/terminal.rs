//! A passphrase asked for on a terminal, which script(1) makes, and what the terminal is like afterwards.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use crate::common::{Output, TestEnvironment, binary};

const PROMPT: &str = "Passphrase: ";
const AGAIN: &str = "Again: ";
const LONGEST_WAIT: Duration = Duration::from_secs(120);

/// Runs a command line of the binary on a terminal, and returns what the terminal showed. Each answer is typed once the
/// terminal shows what it answers; behind the call it shows the exit status and its own settings.
fn type_answers(environment: &TestEnvironment, call: &str, answers: &[(&str, &str)]) -> String {
    // The signal goes to the shell as well, which tells of it nevertheless.
    let shell = format!(
        "ulimit -c 0; trap : INT QUIT; '{}' {call}; echo status=$?; stty -a",
        binary().display()
    );
    type_on(environment, &shell, answers).0
}

/// Returns a command that runs a line of the shell on a terminal, which script(1) makes.
fn on_a_terminal(environment: &TestEnvironment, line: &str) -> Command {
    let mut command = environment.command_heeding_signals(Path::new("/usr/bin/script"));
    command.args(["-qec", line, "/dev/null"]);
    command
}

/// Runs a line of the shell on a terminal, and returns what the terminal showed and how the shell ended.
fn type_on(
    environment: &TestEnvironment,
    shell: &str,
    answers: &[(&str, &str)],
) -> (String, ExitStatus) {
    let mut command = on_a_terminal(environment, shell);
    command
        .env("SHELL", "/bin/sh")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = command.spawn().expect("script, of Debian's bsdutils");
    let mut keyboard = child.stdin.take().unwrap();
    let mut screen = child.stdout.take().unwrap();
    let (pieces, shown) = mpsc::channel();
    thread::spawn(move || {
        let mut piece = [0; 1024];
        while let Ok(count @ 1..) = screen.read(&mut piece) {
            if pieces.send(piece[..count].to_vec()).is_err() {
                break;
            }
        }
    });
    let mut text = String::new();
    let mut answered = 0;
    let mut answers = answers.iter();
    let mut next = answers.next();
    loop {
        match shown.recv_timeout(LONGEST_WAIT) {
            Ok(piece) => text.push_str(&String::from_utf8_lossy(&piece)),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                let _ = child.kill();
                panic!("nothing more was shown: {text}");
            }
        }
        while let Some((prompt, answer)) = next
            && let Some(at) = text[answered..].find(prompt)
        {
            answered += at + prompt.len();
            keyboard.write_all(answer.as_bytes()).unwrap();
            next = answers.next();
        }
    }
    drop(keyboard);
    assert!(next.is_none(), "not all was asked for: {text}");
    (text, child.wait().unwrap())
}

/// Expects a terminal that shows what is typed and sends signals, as it did before.
fn assert_restored(text: &str) {
    let (_, settings) = text.split_once("status=").unwrap();
    let words: Vec<_> = settings.split_whitespace().collect();
    let settings = words.join(" ");
    for setting in ["isig", "echo", "-echonl"] {
        assert!(words.contains(&setting), "{setting} in {text}");
    }
    for setting in ["eol = <undef>;", "eol2 = <undef>;"] {
        assert!(settings.contains(setting), "{setting} in {text}");
    }
}

/// Expects a call that was refused as misuse for a reason, and showed nothing of what was typed.
fn assert_refused(text: &str, reason: &str) {
    assert!(text.contains(reason), "{text}");
    assert!(text.contains("status=2"), "{text}");
    assert!(!text.contains("xyzzy"), "{text}");
    assert_restored(text);
}

fn with_a_target() -> TestEnvironment {
    let environment = TestEnvironment::new();
    environment.add("iqn.2000-03.com.example:vtl", "10.1.1.5", 3260);
    environment
}

/// Imports an export elsewhere with the passphrase in a file.
fn import(from: &TestEnvironment, passphrase: &str) -> Output {
    let elsewhere = TestEnvironment::new();
    let file = elsewhere.home().join("passphrase");
    fs::write(&file, passphrase).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(&file, mode).unwrap();
    let export = from.home().join("x.age");
    let [export, file] = [&export, &file].map(|path| path.to_str().unwrap());
    elsewhere.run(&["partition", "import", export, "--passphrase-file", file])
}

#[test]
fn a_passphrase_is_asked_for_twice_and_not_shown() {
    let environment = with_a_target();
    let answers = [
        (PROMPT, "pass phrase\txyzzy\n"),
        (AGAIN, "pass phrase\txyzzy\n"),
    ];
    let text = type_answers(&environment, "partition export x.age", &answers);
    assert!(text.contains("status=0"), "{text}");
    assert!(!text.contains("xyzzy"), "{text}");
    assert_restored(&text);
    import(&environment, "pass phrase\txyzzy\n").assert_status(0);

    // For an import once, since the file tells whether it is right.
    let call = "partition import x.age";
    let text = type_answers(&environment, call, &answers[..1]);
    assert!(text.contains("status=0"), "{text}");
    assert!(!text.contains("xyzzy") && !text.contains(AGAIN), "{text}");
    assert_restored(&text);
}

#[test]
fn two_passphrases_that_differ_export_nothing() {
    let environment = with_a_target();
    let answers = [(PROMPT, "xyzzy once\n"), (AGAIN, "xyzzy twice\n")];
    let text = type_answers(&environment, "partition export x.age", &answers);
    assert_refused(&text, "the two passphrases differ");
    assert!(!environment.home().join("x.age").exists());
}

#[test]
fn a_file_that_cannot_be_made_is_refused_before_anything_is_asked() {
    let environment = with_a_target();
    fs::write(environment.home().join("there"), "").unwrap();
    for file in [
        "there",
        "there/x.age",
        "x.age/",
        "none/x.age",
        "/proc/x.age",
    ] {
        let text = type_answers(&environment, &format!("partition export {file}"), &[]);
        assert!(text.contains(&format!("cannot write {file}")), "{text}");
        assert!(
            text.contains("status=3") && !text.contains(PROMPT),
            "{text}"
        );
    }
}

#[test]
fn a_call_that_is_interrupted_while_it_asks_leaves_the_terminal_as_it_was() {
    // Ctrl-C and Ctrl-\, and the signals that a shell tells of.
    for (key, status) in [("\u{3}", "status=130"), ("\u{1c}", "status=131")] {
        let environment = with_a_target();
        let answers = [(PROMPT, &*format!("xyzzy{key}"))];
        let text = type_answers(&environment, "partition export x.age", &answers);
        assert!(text.contains(status) && !text.contains("xyzzy"), "{text}");
        assert_restored(&text);
        assert!(!environment.home().join("x.age").exists());
    }
}

#[test]
fn the_script_that_asked_is_interrupted_as_well() {
    for key in ["\u{3}", "\u{1c}"] {
        let environment = with_a_target();
        let script = format!(
            "ulimit -c 0; '{}' partition export x.age; echo went on",
            binary().display()
        );
        let (text, status) = type_on(&environment, &script, &[(PROMPT, key)]);
        assert!(!status.success() && !text.contains("went on"), "{text}");
    }
}

#[test]
fn a_terminal_without_such_a_key_has_none() {
    let environment = with_a_target();
    let call = format!(
        "stty intr undef quit undef; '{}' partition export x.age; echo status=$?",
        binary().display()
    );
    let (text, _) = type_on(&environment, &call, &[(PROMPT, "xyzzy\0\u{3}\n")]);
    assert!(text.contains("has a control character"), "{text}");
    assert!(text.contains("status=2"), "{text}");
}

#[test]
fn a_key_that_the_terminal_would_have_taken_is_no_part_of_a_passphrase() {
    let environment = with_a_target();
    let text = type_answers(
        &environment,
        "partition export x.age",
        &[(PROMPT, "xyzzy\u{1a}\n")],
    );
    assert_refused(&text, "has a control character");
}

#[test]
fn an_end_of_file_is_an_empty_passphrase() {
    let environment = with_a_target();
    let text = type_answers(
        &environment,
        "partition export x.age",
        &[(PROMPT, "\u{4}"), (AGAIN, "\u{4}")],
    );
    assert_refused(&text, "the passphrase is empty");
}

#[test]
fn a_secret_from_standard_input_is_asked_for_on_a_terminal() {
    let environment = TestEnvironment::new();
    let call = "--secret-file - -newname -initiatorchapsecret";
    let text = type_answers(&environment, call, &[("CHAP secret: ", "XYZZY-SECRET\n")]);
    assert!(
        text.contains("status=0") && !text.contains("XYZZY"),
        "{text}"
    );
    assert_restored(&text);
    let kept = fs::read_to_string(environment.state_file("config.json")).unwrap();
    assert!(kept.contains("XYZZY-SECRET"), "{kept}");

    let environment = with_a_target();
    let call = "partition export x.age --passphrase-file -";
    let text = type_answers(&environment, call, &[(PROMPT, "pass phrase xyzzy\n")]);
    assert!(
        text.contains("status=0") && !text.contains("xyzzy"),
        "{text}"
    );
    assert_restored(&text);
    import(&environment, "pass phrase xyzzy\n").assert_status(0);
}

#[test]
fn help_is_as_wide_as_the_terminal() {
    let environment = TestEnvironment::new();
    for width in [60, 100] {
        for call in [
            "--help",
            "-addtarget -help",
            "vtl --help",
            "partition set -h",
            "",
        ] {
            let shell = format!("stty cols {width}; '{}' {call}", binary().display());
            let (text, _) = type_on(&environment, &shell, &[]);
            let longest = text
                .lines()
                .map(|line| line.trim_end().len())
                .max()
                .unwrap();
            assert!(longest <= width, "{call} at {width}: {longest}\n{text}");
            assert!(longest > width - 20, "{call} at {width}: {longest}");
        }
    }
}

#[test]
fn a_report_is_as_wide_as_the_terminal_and_keeps_its_words() {
    let environment = TestEnvironment::new();
    environment.add("iqn.2026-01.a:b", "127.0.0.1", 1);
    let call = format!("'{}' --timeout 1 -reipliscsiop", binary().display());
    let (piped, _) = type_on(&environment, &format!("{call} | cat"), &[]);
    let cause = piped
        .lines()
        .find(|line| line.contains("Next step . ."))
        .unwrap();
    let words = |text: &str| {
        let words = text.split_whitespace().map(str::to_owned);
        words.collect::<Vec<_>>()
    };
    for width in [50, 60, 100] {
        assert!(cause.len() > width, "{cause}");
        let (text, _) = type_on(
            &environment,
            &format!("stty cols {width}; {call} 2>/dev/null"),
            &[],
        );
        for line in text.lines() {
            assert_eq!(line, line.trim_end(), "{width}");
            // A name is not broken.
            let fits = line.len() <= width || !line.trim_start().contains(' ');
            assert!(fits, "{width}: {line:?}");
        }
        let (found, expected) = (words(&text), words(cause));
        assert!(
            found
                .windows(expected.len())
                .any(|window| window == expected),
            "{width}: {text}"
        );
    }
}

#[test]
fn a_result_that_is_wider_than_the_terminal_is_shown_row_by_row() {
    let environment = TestEnvironment::new();
    let name = environment.default_initiator();
    let on = |width: usize| {
        let call = "sql 'SELECT TARGET_NAME, INITIATOR_NAME FROM QSYS2.ISCSI_INFO'";
        let shell = format!("stty cols {width}; '{}' {call}", binary().display());
        type_on(&environment, &shell, &[]).0
    };
    // The name of a column, two blanks, and the initiator name.
    let width = "TARGET_NAME".len() + 2 + name.len();
    let wide = on(width);
    assert!(wide.contains("TARGET_NAME  INITIATOR_NAME"), "{wide}");
    let narrow = on(width - 1);
    assert!(
        narrow.contains("Row 1 of 1") && narrow.contains(&name),
        "{narrow}"
    );
}

#[test]
fn findings_are_in_colour_on_a_terminal_only_and_not_where_no_color_is_set() {
    let environment = TestEnvironment::new();
    environment.add("iqn.2026-01.a:b", "127.0.0.1", 1);
    let binary = binary().display();
    let line = format!("'{binary}' --timeout 1 check");
    for (shell, is_coloured) in [
        (line.clone(), true),
        // A terminal that does not know its width is one.
        (format!("stty cols 0 rows 0; {line}"), true),
        (format!("NO_COLOR=1 {line}"), false),
        (format!("NO_COLOR= {line}"), true),
        (format!("{line} | cat"), false),
    ] {
        let (text, _) = type_on(&environment, &shell, &[]);
        assert!(text.contains("network.port-refused"), "{shell}: {text}");
        assert_eq!(
            text.contains("\u{1b}[1;31mFailure"),
            is_coloured,
            "{shell}: {text}"
        );
    }
}

#[test]
fn progress_is_shown_on_a_terminal_only_and_not_when_quiet() {
    let environment = TestEnvironment::new();
    environment.add("iqn.2026-01.a:b", "127.0.0.1", 1);
    for (options, shown) in [("", true), ("-q", false)] {
        // script gives the command a terminal and prints what arrives there; stdout goes to a file.
        let line = format!("iscsiswiconfig {options} --timeout 1 -reipliscsiop > report");
        let script = on_a_terminal(&environment, &line);
        let terminal = environment.finish(script).assert_status(4);
        // The line that says what status 4 is about is neither progress nor a warning.
        let summary = "iSCSI targets connected: 0 of 1.";
        assert!(terminal.stdout.contains(summary), "{}", *terminal);
        assert_eq!(
            terminal
                .stdout
                .lines()
                .filter(|line| !line.contains(summary))
                .any(|line| line.contains("iqn.2026-01.a:b")),
            shown,
            "{options}: {}",
            *terminal
        );
        let report = fs::read_to_string(environment.home().join("report")).unwrap();
        assert!(
            report.contains("iqn.2026-01.a:b") && !report.contains('\u{1b}'),
            "{report}"
        );
    }
}

#[test]
fn what_a_re_ipl_waits_for_is_told_with_the_seconds_and_gone_when_it_is_done() {
    // It takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let environment = TestEnvironment::new();
    environment.add("iqn.2026-01.a:silent", "127.0.0.1", port);
    for (options, shown) in [("", true), ("-q", false), ("-v", false)] {
        let line =
            format!("stty cols 100; iscsiswiconfig {options} --timeout 2.5 -reipliscsiop > report");
        let script = on_a_terminal(&environment, &line);
        let terminal = environment.finish(script).assert_status(4);
        let waiting = "s: iqn.2026-01.a:silent, connected, logging in\u{1b}[K";
        assert_eq!(
            terminal.stdout.contains(waiting),
            shown,
            "{options}: {}",
            *terminal
        );
        if shown {
            // The line of the target takes its place, and the cursor is at the beginning behind it.
            let replaced = "\riqn.2026-01.a:silent: no login (1 of 1)\u{1b}[K";
            assert!(terminal.stdout.contains(replaced), "{}", *terminal);
        }
    }
}

/// Runs a line of the shell on a terminal, and returns what the terminal showed with the exit status of the line.
pub(crate) fn shown(environment: &TestEnvironment, line: &str) -> Output {
    let script = on_a_terminal(environment, line);
    environment.finish(script)
}

/// Holds a lock of the state as this process, for a purpose.
fn hold(
    environment: &TestEnvironment,
    name: &str,
    purpose: &str,
    operation: FlockOperation,
) -> File {
    let path = environment.state_file(name);
    let mut lock = File::create(&path).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(&path, mode).unwrap();
    flock(&lock, operation).unwrap();
    if operation == FlockOperation::LockExclusive {
        writeln!(lock, "{}\n{purpose}", std::process::id()).unwrap();
    }
    lock
}

#[test]
fn a_lock_that_is_waited_for_is_told_with_its_holder_and_gone_when_the_wait_ends() {
    let environment = with_a_target();
    let pid = std::process::id();
    let edit = "-setport -targetport 3261";
    let lock = hold(
        &environment,
        "config.lock",
        "",
        FlockOperation::LockExclusive,
    );
    let waiting = format!("\r1 s: waiting for the configuration, held by process {pid}\u{1b}[K");
    let ended = format!("{waiting}\r\u{1b}[Kiscsiswiconfig: ");
    for (options, end, is_shown) in [("", "", true), ("-q", "", false), ("", "2>told", false)] {
        let line =
            format!("stty cols 100; iscsiswiconfig {options} --lock-timeout 1.9 {edit} {end}");
        let output = shown(&environment, &line).assert_status(3);
        assert_eq!(output.stdout.contains(&ended), is_shown, "{}", *output);
        assert_eq!(output.stdout.contains("\u{1b}"), is_shown, "{}", *output);
    }
    let told = fs::read_to_string(environment.home().join("told")).unwrap();
    assert!(told.starts_with("iscsiswiconfig: "), "{told}");
    drop(lock);

    // Jobs share a lock that has no name, and hold their target's.
    let _jobs = hold(&environment, "jobs.lock", "", FlockOperation::LockShared);
    let purpose = "tape write TAP01";
    let target = "target-0123456789abcdef.lock";
    let _target = hold(&environment, target, purpose, FlockOperation::LockExclusive);
    let line = "stty cols 100; iscsiswiconfig --lock-timeout 1.9 -reipliscsiop";
    let output = shown(&environment, line).assert_status(3);
    let waiting = format!("\r1 s: waiting for a target, held by process {pid} ({purpose})\u{1b}[K");
    assert!(output.stdout.contains(&waiting), "{}", *output);
}

#[test]
fn what_is_waited_for_is_shorter_than_a_narrow_terminal_is_wide() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let environment = TestEnvironment::new();
    environment.add("iqn.2026-01.a:silent", "127.0.0.1", port);
    let line = "stty cols 20; iscsiswiconfig --timeout 1.9 -reipliscsiop > report";
    let output = shown(&environment, line).assert_status(4);
    assert!(output.stdout.contains("\r1 s\u{1b}[K"), "{}", *output);
    let _lock = hold(
        &environment,
        "config.lock",
        "",
        FlockOperation::LockExclusive,
    );
    let line = "stty cols 20; iscsiswiconfig --lock-timeout 1.9 -setport -targetport 3261 > report";
    let output = shown(&environment, line).assert_status(3);
    assert!(output.stdout.contains("\r1 s\u{1b}[K"), "{}", *output);
}

#[test]
fn an_interrupt_erases_what_is_waited_for() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let environment = TestEnvironment::new();
    environment.add("iqn.2026-01.a:silent", "127.0.0.1", port);
    let _lock = hold(
        &environment,
        "config.lock",
        "",
        FlockOperation::LockExclusive,
    );
    for (call, waiting) in [
        ("--timeout 60 -reipliscsiop", "connected, logging in"),
        (
            "--lock-timeout 60 -setport -targetport 3261",
            "waiting for the configuration",
        ),
    ] {
        let text = type_answers(&environment, call, &[(waiting, "\u{3}")]);
        let (before, _) = text.split_once("status=130").expect(&text);
        let before = before.trim_end_matches(['\r', '\n']);
        assert!(before.ends_with("\r\u{1b}[K"), "{text:?}");
    }
}
