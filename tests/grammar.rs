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
//! A command is one line for sh, run in the home directory; `$'..'` spells out what is not ASCII, as it does in bash. The
//! status is shown unless it is 0. What differs from run to run or from machine to machine is replaced: `$HOME`, `<uuid>` in the generated
//! initiator name, `<time>` of an IPL, and `$VTL_PORT`, the port of a portal of targets which is opened for a file that
//! speaks of it.
//!
//! A command that is refused is run once more with `--json`, and has to tell the same there.
//!
//! The files are the expectation and the list of commands at once: add a command to a file, run the tests with
//! `UPDATE_GOLDEN=1` in the environment, and read what came out before it is committed.

mod coverage;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread::{self, ScopedJoinHandle};

use iscsiswiconfig::render::words::{Code, CodeKind};

use crate::common::{Output, TestEnvironment, keys, text};
use crate::hostile::target::{self, Reply};
use crate::peers::embedded::{Portal, Target};
use crate::peers::iop::Iop;
use iscsiswiconfig::iscsi::chap::ChapAlgorithm;
use iscsiswiconfig::iscsi::pdu::Stage;
use iscsiswiconfig::vtl::DriveType;

/// The CHAP secret of every transcript, in any letter case: it may stand on a command's line and nowhere else.
const SECRET: &str = "NotToBeSeen12";

#[test]
fn every_transcript_is_what_the_commands_print() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut differences = String::new();
    let files = transcripts();
    let played: Vec<(String, String)> = thread::scope(|scope| {
        let players: Vec<_> = files
            .iter()
            .map(|file| {
                scope.spawn(move || {
                    let expected = fs::read_to_string(file).expect("a transcript in UTF-8");
                    let printed = play(&expected);
                    (expected, printed)
                })
            })
            .collect();
        let join = |player: ScopedJoinHandle<'_, _>| player.join().expect("a transcript is played");
        players.into_iter().map(join).collect()
    });
    for (file, (expected, printed)) in files.iter().zip(played) {
        if printed == expected {
            continue;
        }
        if update {
            fs::write(file, &printed).expect("the transcript is written");
        } else {
            writeln!(
                differences,
                "{}:\n{}",
                file.display(),
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
    assert_every_code_is_met();
}

/// The codes of the errors that the transcripts met.
static CODES: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// The codes that no line of a transcript meets when it is run once more with --json, and the test that meets each: an integration
/// test, or, in parentheses, a unit test.
const ELSEWHERE: &[(Code, &str)] = &[
    // Transcripts have these, on lines that cannot be run once more with --json.
    (
        Code::LockHeld,
        "tape::a_command_that_finds_its_target_in_use_names_the_process_and_what_it_does",
    ),
    (
        Code::NoResources,
        "contract::memory::a_passphrase_that_takes_more_memory_than_there_is_is_an_error_and_changes_nothing",
    ),
    // They take a resident IOP.
    (Code::DeviceInUse, RESIDENT),
    (Code::IopUnresponsive, RESIDENT),
    (Code::IopStopping, RESIDENT),
    (
        Code::JobCutOff,
        "resident::jobs::an_iop_that_is_killed_ends_a_job_with_what_is_proven",
    ),
    (Code::OtherVersion, RESIDENT),
    // It takes a host that speaks SendTargets its own way.
    (
        Code::DiscoveryFailed,
        "discover::a_list_without_an_end_or_out_of_order_ends_with_a_reason",
    ),
    // A transcript has one user, with a home directory.
    (
        Code::ForeignOwner,
        "contract::owner::a_record_of_another_user_is_refused_by_root_too",
    ),
    (
        Code::NoStateDirectory,
        "contract::owner::a_user_without_a_home_names_a_directory",
    ),
    // They take a fault of a disk or a drive.
    (Code::OutputFailed, DISKS_AND_DRIVES),
    (Code::NotDurable, DISKS_AND_DRIVES),
    (Code::DeviceError, DISKS_AND_DRIVES),
    (
        Code::MediumChanged,
        "tape::words::a_cartridge_that_is_changed_while_it_is_written",
    ),
    (
        Code::BlocksLost,
        "tape::words::blocks_that_were_acknowledged_and_are_lost",
    ),
    (Code::DataDiffers, DISKS_AND_DRIVES),
    // They take a library that is served, and its tapes.
    (Code::ReIplNeeded, "tape::words::devices_that_need_a_re_ipl"),
    (
        Code::OtherDevice,
        "tape::words::another_device_where_the_re_ipl_found_this_one",
    ),
    (
        Code::NoSuchElement,
        "library_command::a_movement_that_cannot_be_has_its_code",
    ),
    (
        Code::ElementFull,
        "library_command::a_movement_that_cannot_be_has_its_code",
    ),
    (
        Code::InAnotherDrive,
        "library_command::a_movement_that_cannot_be_has_its_code",
    ),
    (
        Code::ElementEmpty,
        "library_command::a_movement_that_cannot_be_has_its_code",
    ),
    (
        Code::NoneFree,
        "library_command::a_movement_that_cannot_be_has_its_code",
    ),
    (
        Code::NoSuchVolume,
        "library_command::a_movement_that_cannot_be_has_its_code",
    ),
    (
        Code::TargetUnreachable,
        "tape::a_target_that_is_not_there_is_status_4",
    ),
    (
        Code::AmbiguousVolume,
        "tape::volumes_with_one_name_and_tapes_without_a_filemark_are_told",
    ),
    (
        Code::NoFilemark,
        "tape::volumes_with_one_name_and_tapes_without_a_filemark_are_told",
    ),
    (
        Code::HoldsData,
        "tape::data_goes_only_with_overwrite_and_a_volume_label_stays",
    ),
    (
        Code::NoSuchTapeFile,
        "tape::tape_files_are_appended_replaced_and_listed",
    ),
    (
        Code::WriteProtected,
        "tape::what_does_not_fit_the_library_is_refused",
    ),
    (
        Code::EndOfMedium,
        "tape::limits::the_end_of_the_medium_says_what_is_on_the_tape",
    ),
    (
        Code::BlockLength,
        "tape::limits::a_block_that_no_drive_takes_is_refused_before_anything_is_written",
    ),
    (
        Code::BlockTooLong,
        "tape::a_block_that_is_too_long_is_an_error_that_names_its_length",
    ),
    (
        Code::SameCartridge,
        "tape::a_copy_has_every_block_and_filemark",
    ),
];

const RESIDENT: &str = "(render::words::resident::tests::every_error_names_the_process_where_it_is_known_and_a_next_step)";

const DISKS_AND_DRIVES: &str =
    "(render::words::error::tests::faults_of_disks_and_drives_have_their_codes)";

#[test]
#[cfg(feature = "peers")]
fn the_tests_that_meet_the_other_codes_exist() {
    let listed = std::process::Command::new(std::env::current_exe().unwrap())
        .arg("--list")
        .output()
        .expect("run this test binary");
    let listed = String::from_utf8(listed.stdout).unwrap();
    for (code, test) in ELSEWHERE.iter().filter(|(_, test)| !test.starts_with('(')) {
        let is_there = listed.lines().any(|line| line == format!("{test}: test"));
        assert!(is_there, "{}: {test}", code.as_str());
    }
}

/// Fails unless every code of an error is one that a user can meet. Those of failures, problems and warnings are met by unit tests
/// of their words, each by its cause.
fn assert_every_code_is_met() {
    let met = CODES.lock().unwrap();
    let missing: Vec<&str> = Code::ALL
        .iter()
        .filter(|code| code.kind() == CodeKind::Error)
        .filter(|code| !ELSEWHERE.iter().any(|(other, _)| other == *code))
        .map(|code| code.as_str())
        .filter(|code| !met.contains(*code))
        .collect();
    assert!(missing.is_empty(), "no transcript has {missing:?}");
}

/// Returns the files with the transcripts, sorted; those under `peers` need root.
fn transcripts() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut directories = vec![directory.clone()];
    if cfg!(feature = "peers") {
        directories.push(directory.join("peers"));
    }
    let mut files: Vec<_> = directories
        .iter()
        .flat_map(|directory| fs::read_dir(directory).expect("a directory of transcripts"))
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    files
}

/// The transcripts that re-IPL, and whose targets are reached or fail by themselves.
const OF_RE_IPLS: [&str; 3] = ["attached.txt", "reipl.txt", "targets.txt"];

/// What only a command that opens sessions itself prints, and a state directory that is another one's.
const OF_OWN_SESSIONS: [&str; 8] = [
    " -v ",
    " -vv ",
    " -vvv ",
    "--trace",
    "--pcap",
    "trace.jsonl",
    "capture.pcapng",
    "renamed",
];

#[test]
fn the_macro_prints_the_same_while_a_resident_iop_runs_but_for_the_rows_named() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    thread::scope(|scope| {
        for name in OF_RE_IPLS {
            let path = directory.join(name);
            scope.spawn(move || {
                let transcript = fs::read_to_string(path).expect("a transcript in UTF-8");
                let printed = play_by(&transcript, Player::ResidentIop);
                let expected = with_resident_iop(&transcript);
                let printed = only_shared(&printed);
                assert!(
                    printed == expected,
                    "{name}:\n{}",
                    difference(&expected, &printed)
                );
                assert!(expected.contains("\n  Status  . .") || name == "targets.txt");
            });
        }
    });
}

/// Returns the blocks of a transcript whose commands print the same by whichever sessions.
fn only_shared(transcript: &str) -> String {
    let blocks = format!("\n{transcript}");
    let shared = blocks.split("\n$ ").filter(|block| {
        let command = block.lines().next().unwrap_or_default();
        !OF_OWN_SESSIONS.iter().any(|words| command.contains(words))
    });
    let shared = shared.collect::<Vec<_>>().join("\n$ ");
    format!("{}\n", shared.trim_end())
}

/// Returns a transcript with what its commands print while a resident IOP runs, from the first re-IPL on.
fn with_resident_iop(transcript: &str) -> String {
    let transcript = only_shared(transcript);
    let Some(first) = first_re_ipl(&transcript) else {
        return transcript;
    };
    let (before, behind) = transcript.split_at(first);
    let status = |line: &str| match line.strip_prefix("  Status at last IPL  . .") {
        Some(_) => {
            let (_, value) = line.split_once(":  ").expect("a row");
            format!("  Status  . . . . . . . . . . . . . . . :  {value}\n")
        }
        None => format!("{line}\n").replace("\"resident\": false", "\"resident\": true"),
    };
    let behind: String = behind.lines().map(status).collect();
    format!("{before}{behind}")
}

/// Returns where the line of the first re-IPL begins.
fn first_re_ipl(transcript: &str) -> Option<usize> {
    let lines = transcript.split_inclusive('\n').scan(0, |at, line| {
        let begin = *at;
        *at += line.len();
        Some((begin, line))
    });
    let mut re_ipls = lines.filter(|(_, line)| is_re_ipl(line));
    re_ipls.next().map(|(begin, _)| begin)
}

fn is_re_ipl(line: &str) -> bool {
    let re_ipls = ["-reipliscsiop", "-reiplscsiop"];
    line.starts_with("$ ")
        && re_ipls.iter().any(|option| line.contains(option))
        && !line.contains("-help")
}

/// Who re-IPLs in a transcript.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Player {
    /// Each command by itself.
    Command,
    /// A resident IOP, which is started before the first re-IPL.
    ResidentIop,
}

/// Runs the commands of a transcript in an empty environment, and returns the transcript as it should be.
fn play(transcript: &str) -> String {
    play_by(transcript, Player::Command)
}

fn play_by(transcript: &str, player: Player) -> String {
    let environment = TestEnvironment::new();
    let vtl = transcript.contains("$VTL_PORT").then(start_vtl);
    let mut iop = None;
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
            if player == Player::ResidentIop && iop.is_none() && is_re_ipl(line) {
                iop = Some(Iop::start(&environment, &[]));
            }
            let shown = run(command, &environment, vtl.as_ref());
            // The IOP has re-IPLed once at its start.
            printed.push_str(&match &iop {
                Some(_) => with_one_ipl_less(&shown),
                None => shown,
            });
        }
    }
    printed
}

/// Returns the text with the number of IPLs as it is without that of the start of an IOP.
fn with_one_ipl_less(text: &str) -> String {
    let line = |line: &str| {
        for label in [
            "  Number of IPLs  . . . . . . . . . . . :  ",
            "    \"ipl_count\": ",
        ] {
            if let Some(rest) = line.strip_prefix(label) {
                let (number, end) = match rest.strip_suffix(',') {
                    Some(number) => (number, ","),
                    None => (rest, ""),
                };
                let number: u64 = number.parse().expect("a number of IPLs");
                return format!("{label}{}{end}\n", number - 1);
            }
        }
        format!("{line}\n")
    };
    text.lines().map(line).collect()
}

/// Runs a command, and returns its stderr, its stdout and its status as a transcript shows them.
fn run(line: &str, environment: &TestEnvironment, vtl: Option<&Portal>) -> String {
    let port = vtl.map(|vtl| vtl.port().to_string());
    let run_in_shell = |line: &str| {
        let mut command = environment.command_of(Path::new("sh"));
        command.arg("-c").arg(spelled_out(line));
        command.envs(port.as_ref().map(|port| ("VTL_PORT", port)));
        environment.finish(command)
    };
    let output = run_in_shell(line);
    let refused = matches!(output.status.code(), Some(1..=3))
        && output.stderr.starts_with("iscsiswiconfig: ");
    if let Some(words) = line
        .strip_prefix("iscsiswiconfig ")
        .filter(|_| refused && !line.contains("--json") && !line.contains('>'))
    {
        // What is refused changes nothing, so it can be asked for once more.
        let with_json = run_in_shell(&format!("iscsiswiconfig --json {words}"));
        assert_told_in_json(words, &output, &with_json);
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
    let shown = replace(&shown, "dddd-dd-ddTdd:dd:ddZ", "<time>");
    let shown = replace(&shown, "[d.ddd]", "[<elapsed>]");
    let shown = replace(&shown, "0xhhhhhhhhhhhh", "<isid>");
    ["resolve", "connect", "login", "enumerate"]
        .iter()
        .fold(shown, |shown, phase| without_seconds(&shown, phase))
}

/// Replaces how long a phase took, where it was measured.
fn without_seconds(text: &str, phase: &str) -> String {
    let before = format!("\"{phase}\": ");
    let mut parts = text.split(&before);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |shown, part| {
        let digits = |character: char| character.is_ascii_digit() || character == '.';
        let rest = part.trim_start_matches(digits);
        let placeholder = if rest == part { "" } else { "<seconds>" };
        shown + &before + placeholder + rest
    })
}

/// Fails unless the error is the same with --json, and the document on stdout says what stderr says. That of `mtx`, whose stdout
/// is in the words of another program, follows on stderr.
fn assert_told_in_json(words: &str, plain: &Output, with_json: &Output) {
    assert_eq!(plain.status, with_json.status, "{plain}{with_json}");
    let (said, document) = match words.starts_with("mtx") {
        true => {
            assert_eq!(with_json.stdout, "", "{with_json}");
            let at = with_json.stderr.find("\n{").expect("a document on stderr");
            let (said, document) = with_json.stderr.split_at(at + 1);
            (said, serde_json::from_str(document).expect("a document"))
        }
        false => (with_json.stderr.as_str(), with_json.json()),
    };
    let error = &document["error"];
    let mut told = format!("iscsiswiconfig: {}\n", text(&error["message"]));
    for hint in error["hints"].as_array().expect("an array of hints") {
        writeln!(told, "  hint: {}", text(hint)).unwrap();
    }
    assert_eq!(told, said);
    // The option stands in the line that a hint shows, and is counted as an argument.
    let told = told.replace("iscsiswiconfig --json ", "iscsiswiconfig ");
    let told = told.replace("argument 2 is", "argument 1 is");
    assert_eq!(told, plain.stderr);
    assert_eq!(error["status"], plain.status.code().unwrap_or_default());
    let code = text(&error["code"]).to_owned();
    let listed = Code::ALL.iter().any(|of| of.as_str() == code);
    assert!(listed, "{code} is not listed");
    CODES.lock().unwrap().insert(code);
    assert_eq!(document["schema"], 1);
    let jobs = ["write", "read", "copy", "test", "initialize", "erase"];
    let is_job = words
        .strip_prefix("tape ")
        .is_some_and(|rest| jobs.iter().any(|job| rest.starts_with(job)));
    if is_job && matches!(plain.status.code(), Some(1 | 4)) {
        for field in ["blocks", "bytes", "end_of_medium", "proven", "warnings"] {
            assert!(!document[field].is_null(), "{field}: {document:#}");
        }
    } else {
        assert_eq!(keys(&document), ["error", "schema", "warnings"]);
    }
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

/// Returns the line with each `$'..'` as the quoted word that it stands for, which a POSIX shell does not do.
fn spelled_out(line: &str) -> OsString {
    let mut bytes = Vec::new();
    let mut parts = line.split("$'");
    bytes.extend(parts.next().unwrap_or_default().bytes());
    for part in parts {
        let (mut word, rest) = part.split_once('\'').expect("the end of a $'..'");
        bytes.push(b'\'');
        while let Some((plain, escape)) = word.split_once('\\') {
            bytes.extend(plain.bytes());
            let mut characters = escape.chars();
            let kind = characters.next().expect("an escape");
            word = characters.as_str();
            let digits = match kind {
                'x' => 2,
                'u' => 4,
                'U' => 8,
                _ => 0,
            };
            let end = word
                .find(|character: char| !character.is_ascii_hexdigit())
                .unwrap_or(word.len())
                .min(digits);
            let (number, behind) = word.split_at(end);
            word = behind;
            let code = || u32::from_str_radix(number, 16).expect("hexadecimal digits");
            match kind {
                'n' => bytes.push(b'\n'),
                'r' => bytes.push(b'\r'),
                't' => bytes.push(b'\t'),
                'e' => bytes.push(0x1b),
                'x' => bytes.push(code() as u8),
                'u' | 'U' => {
                    let character = char::from_u32(code()).expect("a character");
                    bytes.extend(character.to_string().bytes());
                }
                other => panic!("\\{other} in {line}"),
            }
        }
        bytes.extend(word.bytes());
        bytes.push(b'\'');
        bytes.extend(rest.bytes());
    }
    OsString::from_vec(bytes)
}

/// Serves the targets of a transcript: a library, one without tape devices, one that refuses every initiator, and one with CHAP.
fn start_vtl() -> Portal {
    let name = |last: &str| format!("iqn.2000-03.com.xyz:vtl.{last}");
    let disk = target::Target::start(|peer| {
        let mut is_first = true;
        loop {
            let request = peer.login_request()?;
            let text = match request.current_stage {
                Stage::SecurityNegotiation if is_first => "AuthMethod=None\0",
                Stage::SecurityNegotiation => "",
                _ => target::OPERATIONAL,
            };
            let response = peer.grant(&request, text);
            let is_last = response.transit && response.next_stage == Stage::FullFeaturePhase;
            peer.send_login(response)?;
            if is_last {
                break;
            }
            is_first = false;
        }
        peer.serve(|command| match command.cdb {
            [target::REPORT_LUNS, ..] => target::luns(1),
            [target::INQUIRY, 0, ..] => target::good(target::inquiry(0, b"DISK")),
            [0, ..] => Reply::default(),
            _ => target::check(5, 0x24, 0),
        })
    });
    let library = Target::new(&name("demo")).library(DriveType::Lto5, 2, 8, 1);
    let closed = Target::new(&name("closed")).only("iqn.2000-03.com.xyz:somebody");
    let chap = Target::new(&name("chap"))
        .account("SOMENAME", &SECRET.to_ascii_uppercase())
        .algorithms(&[ChapAlgorithm::Md5]);
    Portal::serving_beside([library, closed, chap], &[(&name("empty"), disk.port)])
}
