//! Golden transcripts of the whole command line: every option, every error and every warning, as a user sees them.
//!
//! A file under tests/golden is a session in an environment that begins empty, and reads as documentation:
//!
//! ```text
//! # What is to be seen.
//! $ iscsiswiconfig -appendname -targetname $'vtl\u2013'
//! ! a line on stderr, which is written before the result
//! a line on stdout
//! [status 2]
//! ```
//!
//! A command is one line for bash (`$'..'` spells out what is not ASCII), run in the home directory. The status is shown
//! unless it is 0. What differs from run to run or from machine to machine is replaced: `$HOME`, `<uuid>` in the generated
//! initiator name, `<time>` of an IPL, and `$VTL_PORT`, the port of a tgtd which is started for a file that speaks of it.
//!
//! A command that is refused is run once more with `--json`, and has to tell the same there.
//!
//! The files are the expectation and the list of commands at once: add a command to a file, run the tests with
//! `UPDATE_GOLDEN=1` in the environment, and read what came out before it is committed.

mod coverage;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{Output, TestEnvironment, keys, text};
use crate::peers::tgtd::{Access, Target, Tgtd};

/// The CHAP secret of every transcript, in any letter case: it may stand on a command's line and nowhere else.
const SECRET: &str = "NotToBeSeen12";

#[test]
fn every_transcript_is_what_the_commands_print() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut differences = String::new();
    for file in transcripts() {
        let expected = fs::read_to_string(&file).expect("a transcript in UTF-8");
        let printed = play(&expected);
        if printed == expected {
            continue;
        }
        if update {
            fs::write(&file, &printed).expect("the transcript is written");
        } else {
            let name = file.file_name().unwrap_or_default().display();
            writeln!(
                differences,
                "tests/golden/{name}:\n{}",
                difference(&expected, &printed)
            )
            .unwrap();
        }
    }
    assert!(
        differences.is_empty(),
        "- expected, + printed:\n\n{differences}\
         To make what is printed the expectation: UPDATE_GOLDEN=1 cargo test --test tests grammar::"
    );
}

/// Returns the files with the transcripts, sorted.
fn transcripts() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let entries = fs::read_dir(directory).expect("the directory of the transcripts");
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    files
}

/// Runs the commands of a transcript in an empty environment, and returns the transcript as it should be.
fn play(transcript: &str) -> String {
    let environment = TestEnvironment::new();
    let vtl = transcript.contains("$VTL_PORT").then(start_vtl);
    let mut printed = String::new();
    let mut line_before = "";
    for line in transcript.lines() {
        let command = line.strip_prefix("$ ");
        if command.is_none() && !line.starts_with('#') {
            continue;
        }
        if !printed.is_empty() && !line_before.starts_with('#') {
            printed.push('\n');
        }
        printed.push_str(line);
        printed.push('\n');
        line_before = line;
        if let Some(command) = command {
            printed.push_str(&run(command, &environment, vtl.as_ref()));
        }
    }
    printed
}

/// Runs a command, and returns its stderr, its stdout and its status as a transcript shows them.
fn run(line: &str, environment: &TestEnvironment, vtl: Option<&Tgtd>) -> String {
    let port = vtl.map(|vtl| vtl.port().to_string());
    let run_in_bash = |line: &str| {
        let mut command = environment.command_of(Path::new("bash"));
        command.args(["--norc", "--noprofile", "-c", line]);
        // bash needs a UTF-8 locale for $'\u2013'; the program itself looks at none.
        command.env("LC_ALL", "C.UTF-8");
        command.envs(port.as_ref().map(|port| ("VTL_PORT", port)));
        environment.finish(command)
    };
    let output = run_in_bash(line);
    let refused = matches!(output.status.code(), Some(1..=3))
        && output.stderr.starts_with("iscsiswiconfig: ");
    if let Some(words) = line
        .strip_prefix("iscsiswiconfig ")
        .filter(|_| refused && !line.contains("--json") && !line.contains('>'))
    {
        // What is refused changes nothing, so it can be asked for once more.
        assert_told_in_json(
            &output,
            &run_in_bash(&format!("iscsiswiconfig --json {words}")),
        );
    }

    let mut shown = String::new();
    for line in output.stderr.lines() {
        shown.push_str(format!("! {line}").trim_end());
        shown.push('\n');
    }
    for line in output.stdout.lines() {
        let misread = ["$ ", "#", "! ", "[status "]
            .iter()
            .any(|mark| line.starts_with(mark));
        assert!(
            !misread,
            "a line on stdout that reads as a mark of the transcript: {line}"
        );
        shown.push_str(line);
        shown.push('\n');
    }
    if !output.status.success() {
        let status = output.status.code().expect("an exit, not a signal");
        writeln!(shown, "[status {status}]").unwrap();
    }
    assert!(shown.is_ascii(), "the program prints ASCII only: {shown}");
    let mut shown = shown.replace("$TEST_ENV", "$HOME");
    if let Some(port) = port {
        shown = replace(&shown, &port, "$VTL_PORT");
    }
    let shown = replace(&shown, &"h".repeat(32), "<uuid>");
    let shown = without_number_behind(&shown, "locked by process ", "<pid>");
    replace(&shown, "dddd-dd-ddTdd:dd:ddZ", "<time>")
}

/// Fails unless the error is the same with --json, and the document on stdout says what stderr says.
fn assert_told_in_json(plain: &Output, with_json: &Output) {
    assert_eq!(plain.status, with_json.status, "{plain}{with_json}");
    let document = with_json.json();
    let error = &document["error"];
    let mut told = format!("iscsiswiconfig: {}\n", text(&error["message"]));
    for hint in error["hints"].as_array().expect("an array of hints") {
        writeln!(told, "  hint: {}", text(hint)).unwrap();
    }
    assert_eq!(told, with_json.stderr);
    // The option stands in the line that a hint shows, and is counted as an argument.
    let told = told.replace("iscsiswiconfig --json ", "iscsiswiconfig ");
    let told = told.replace("argument 2 is", "argument 1 is");
    assert_eq!(told, plain.stderr);
    assert_eq!(error["status"], plain.status.code().unwrap_or_default());
    assert_eq!(
        (document["schema"].as_u64(), keys(&document)),
        (Some(1), vec!["error", "schema"])
    );
}

/// Replaces each word of a shape; in a shape `h` is a hexadecimal digit, `d` a decimal one, and all else is itself.
fn replace(text: &str, shape: &str, placeholder: &str) -> String {
    let fits = |(shape, character): (char, char)| match shape {
        'h' => character.is_ascii_hexdigit(),
        'd' => character.is_ascii_digit(),
        _ => character == shape,
    };
    let in_a_word = |character: char| character.is_ascii_alphanumeric();
    let mut replaced = String::new();
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let length = shape.len();
        let found = length <= rest.len()
            && shape.chars().zip(rest.chars()).all(fits)
            && !rest[length..].starts_with(in_a_word)
            && !replaced.ends_with(in_a_word);
        if found {
            replaced.push_str(placeholder);
            rest = &rest[length..];
        } else {
            replaced.push(character);
            rest = &rest[1..];
        }
    }
    replaced
}

/// Replaces each number that stands behind a text.
fn without_number_behind(text: &str, before: &str, placeholder: &str) -> String {
    let mut parts = text.split(before);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |shown, part| {
        let rest = part.trim_start_matches(|character: char| character.is_ascii_digit());
        assert_ne!(rest, part, "no number behind {before}");
        shown + before + placeholder + rest
    })
}

/// Returns the commands whose output differs, with the lines that do. Both sides hold the same commands.
fn difference(expected: &str, printed: &str) -> String {
    let mut difference = String::new();
    let blocks = |text: &str| -> Vec<String> {
        format!("\n{text}")
            .split("\n$ ")
            .map(str::to_owned)
            .collect()
    };
    for (expected, printed) in blocks(expected).iter().zip(&blocks(printed)) {
        if expected == printed {
            continue;
        }
        let (old, new): (Vec<_>, Vec<_>) = (expected.lines().collect(), printed.lines().collect());
        let alike = |(old, new): &(&&str, &&str)| old == new;
        let head = old.iter().zip(&new).take_while(alike).count();
        let longest = old.len().min(new.len()) - head;
        let tail = old
            .iter()
            .rev()
            .zip(new.iter().rev())
            .take(longest)
            .take_while(alike)
            .count();
        writeln!(difference, "  $ {}", old.first().unwrap_or(&"")).unwrap();
        for line in &old[head..old.len() - tail] {
            writeln!(difference, "  - {line}").unwrap();
        }
        for line in &new[head..new.len() - tail] {
            writeln!(difference, "  + {line}").unwrap();
        }
    }
    difference
}

/// Starts the virtual tape libraries of a transcript.
fn start_vtl() -> Tgtd {
    let name = |last: &str| format!("iqn.2000-03.com.xyz:vtl.{last}");
    let mut vtl = Tgtd::start();
    vtl.add(
        Target::library(&name("demo"), "0000078123400000", 2, 8, 1_013_000_001)
            .barcodes(&["AB0001L5"])
            .loaded(0, 1),
    );
    vtl.add(Target::empty(&name("empty")));
    vtl.add(Target::empty(&name("closed")).access(Access::Nobody));
    vtl.add(Target::empty(&name("chap")).account("SOMENAME", &SECRET.to_ascii_uppercase()));
    vtl
}
