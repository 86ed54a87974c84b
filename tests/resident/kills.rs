//! The IOP killed at each phase of a job: status 4, and what is proven is on the cartridge.
//!
//! A job is run once to see the commands that it sends. Then, for the first and the last command of each kind, the answer is
//! withheld and the IOP killed: the target has carried the command out, and nobody has heard of it.

use std::collections::BTreeMap;

use super::jobs::{BLOCK, assert_cut_off_by};
use super::*;
use crate::peers::interposer::Withheld;

/// Commands that ask, and change nothing.
const ASKING: [u8; 5] = [0x00, 0x03, 0x12, 0xb8, 0x1a];

/// READ(6). How many are sent ahead is a matter of time; those of four blocks and of the filemark behind them are certain.
const READ: u8 = 0x08;
const CERTAIN_READS: usize = 5;

/// Returns the commands at which a job is to be disturbed: the first and the last of each kind that it sent.
fn phases(interposer: &Interposer) -> Vec<Withheld> {
    let mut counts = BTreeMap::<u8, usize>::new();
    for (_, operation_code) in interposer.commands() {
        if !ASKING.contains(&operation_code) {
            *counts.entry(operation_code).or_default() += 1;
        }
    }
    let mut phases = Vec::new();
    for (operation_code, count) in counts {
        let last = match operation_code {
            READ => (count - 1).min(CERTAIN_READS - 1),
            _ => count - 1,
        };
        for after in [0, last] {
            phases.push(Withheld {
                lun: None,
                operation_code,
                after,
            });
            if count == 1 {
                break;
            }
        }
    }
    phases
}

/// Runs a job once, then has the IOP killed at each of its phases, and returns its documents. `prepare` comes before each run and is
/// given its number; `check` is given the document, too.
fn at_each_phase(
    held: &mut Held,
    interposer: &Interposer,
    line: &str,
    prepare: impl Fn(&Held, u64),
    check: impl Fn(&Held, &Value, u64),
) -> Vec<Value> {
    let words: Vec<&str> = ["--json"].into_iter().chain(line.split(' ')).collect();
    prepare(held, 0);
    interposer.forget();
    held.environment.run(&words).assert_status(0);
    let phases = phases(interposer);
    assert!(phases.len() > 2, "{phases:?}");
    let mut documents = Vec::new();
    for (phase, number) in phases.into_iter().zip(1..) {
        println!("killed at {phase:?}");
        prepare(held, number);
        interposer.withhold(phase);
        let document = killed(held, interposer, &words);
        assert_eq!(document["error"]["status"], 4, "{document:#}");
        check(held, &document, number);
        documents.push(document);
    }
    documents
}

/// Runs a job, kills the IOP once an answer is withheld, and starts another one; returns the job's document.
#[track_caller]
fn killed(held: &mut Held, interposer: &Interposer, words: &[&str]) -> Value {
    let mut running = held.environment.start(words);
    interposer.wait_for_withheld(1);
    let pid = held.iop().id();
    held.kill_iop();
    let output = running.wait().expect("a job ends with its IOP");
    let document = output.assert_status(4).json();
    assert_cut_off_by(&document, pid);
    interposer.pass_all();
    held.iop = Some(Iop::start(&held.environment, &[]));
    document
}

/// Reads what is on a cartridge, as far as it goes.
fn on_cartridge(held: &Held, volume: &str) -> Vec<u8> {
    let _ = fs::remove_file(held.environment.home().join("there"));
    let output = held.run(&format!(
        "tape read TAPMLB01 {volume} there --block-size 64KiB"
    ));
    match fs::read(held.environment.home().join("there")) {
        Ok(bytes) => bytes,
        // A tape without a filemark ends with its data; one without data has nothing.
        Err(_) => {
            assert!(matches!(output.status.code(), Some(1 | 4)), "{output}");
            Vec::new()
        }
    }
}

/// Returns a number of a document.
#[track_caller]
fn number_of(document: &Value, field: &str) -> usize {
    let number = document[field].as_u64().expect("a number");
    usize::try_from(number).unwrap()
}

/// Returns the bytes that a document says are proven.
#[track_caller]
fn proven(document: &Value) -> usize {
    number_of(document, "proven") * BLOCK
}

/// Fails unless a job was killed before anything of its four blocks was proven, and behind it.
#[track_caller]
fn assert_proven_late(documents: &[Value]) {
    for expected in [0, 4 * BLOCK] {
        let is_there = documents.iter().any(|of| proven(of) == expected);
        assert!(is_there, "{expected} bytes proven: {documents:#?}");
    }
}

fn put_back(held: &Held, volumes: &[&str]) {
    for volume in volumes {
        held.run(&format!("library unmount TAPMLB01 {volume}"))
            .assert_status(0);
    }
}

#[test]
fn at_each_phase_of_a_write_what_is_proven_is_on_the_cartridge() {
    let (mut held, interposer) = Held::behind_interposer(&["--drives", "1"], &[]);
    let content = |number: u64| pattern(number + 1, 4 * BLOCK);
    let documents = at_each_phase(
        &mut held,
        &interposer,
        "tape write TAPMLB01 VOL001 in --block-size 64KiB --overwrite",
        |held, number| {
            held.file("in", &content(number));
            put_back(held, &["VOL001"]);
        },
        |held, document, number| {
            let proven = proven(document);
            let there = on_cartridge(held, "VOL001");
            assert!(there.len() >= proven, "{document:#}: {}", there.len());
            assert!(there[..proven] == content(number)[..proven]);
        },
    );
    assert_proven_late(&documents);
}

#[test]
fn at_each_phase_of_a_read_what_came_is_the_beginning() {
    const BEFORE: &[u8] = b"what was there before";

    let (mut held, interposer) = Held::behind_interposer(&["--drives", "1"], &[]);
    let content = pattern(1, 4 * BLOCK);
    held.file("in", &content);
    held.run("tape write TAPMLB01 VOL001 in --block-size 64KiB")
        .assert_status(0);
    let documents = at_each_phase(
        &mut held,
        &interposer,
        "tape read TAPMLB01 VOL001 out --block-size 64KiB",
        |held, _| {
            held.file("out", BEFORE);
            put_back(held, &["VOL001"]);
        },
        |held, document, _| {
            // The file is replaced when the first block comes.
            let expected = match number_of(document, "bytes") {
                0 => BEFORE,
                bytes => &content[..bytes],
            };
            assert!(held.read("out") == expected, "{document:#}");
            assert!(on_cartridge(held, "VOL001") == content);
        },
    );
    let is_part = |of: &Value| (1..content.len()).contains(&number_of(of, "bytes"));
    assert!(documents.iter().any(is_part), "{documents:#?}");
}

#[test]
fn at_each_phase_of_a_copy_what_is_proven_is_on_the_copy() {
    let (mut held, interposer) = Held::behind_interposer(&["--drives", "2"], &[]);
    let content = pattern(1, 4 * BLOCK);
    held.file("in", &content);
    held.run("tape write TAPMLB01 VOL001 in --block-size 64KiB")
        .assert_status(0);
    let documents = at_each_phase(
        &mut held,
        &interposer,
        "tape copy TAPMLB01:VOL001 TAPMLB01:VOL002 --overwrite",
        |held, _| {
            // What is there before is not what is copied.
            held.file("other", &pattern(9, BLOCK));
            held.run("tape write TAPMLB01 VOL002 other --block-size 64KiB --overwrite")
                .assert_status(0);
            put_back(held, &["VOL001", "VOL002"]);
        },
        |held, document, _| {
            let proven = proven(document);
            put_back(held, &["VOL001", "VOL002"]);
            let there = on_cartridge(held, "VOL002");
            assert!(there.len() >= proven, "{document:#}: {}", there.len());
            assert!(there[..proven] == content[..proven], "{document:#}");
            assert!(on_cartridge(held, "VOL001") == content);
        },
    );
    assert_proven_late(&documents);
}

#[test]
fn in_the_middle_of_a_mount_the_cartridge_is_where_the_library_says() {
    let (mut held, interposer) = Held::behind_interposer(&["--drives", "1"], &[]);
    interposer.withhold(Withheld {
        lun: None,
        operation_code: 0xa5,
        after: 0,
    });
    let words = ["--json", "library", "mount", "TAPMLB01", "VOL001"];
    killed(&mut held, &interposer, &words);
    let document = held.run("--json library TAPMLB01").assert_status(0).json();
    let elements = document["libraries"][0]["elements"].as_array().unwrap();
    let drive = elements
        .iter()
        .find(|element| element["type"] == "drive")
        .unwrap();
    assert_eq!(drive["volume"], "VOL001L8", "it was moved");
    held.run("library mount TAPMLB01 VOL001").assert_status(0);
}

#[test]
fn a_reader_that_stalls_holds_up_no_other_and_takes_no_memory() {
    let mut held = Held::new(&["--drives", "2"], &[]);
    let (long, other) = (pattern(1, 64 << 20), pattern(2, 24 << 20));
    for (volume, bytes) in [("VOL001", &long), ("VOL002", &other)] {
        held.file("in", bytes);
        held.run(&format!("tape write TAPMLB01 {volume} in"))
            .assert_status(0);
    }
    let memory = held.iop().memory();
    let mut command = held.environment.command();
    command
        .args([
            "tape", "read", "TAPMLB01", "VOL001", "-", "--drive", "TAP01",
        ])
        .stdout(Stdio::piped());
    let mut stalled = command.spawn().unwrap();
    let mut output = stalled.stdout.take().unwrap();
    let mut came = vec![0; 1 << 20];
    std::io::Read::read_exact(&mut output, &mut came).unwrap();
    // The whole of another job passes while it takes nothing.
    for _ in 0..2 {
        held.run("tape read TAPMLB01 VOL002 out --drive TAP02")
            .assert_status(0);
        assert!(held.read("out") == other);
    }
    let status = held.status();
    let mut jobs = status["jobs"].as_array().unwrap().iter();
    assert!(jobs.any(|job| job["device"] == "TAP01"), "{status:#}");
    assert!(
        status["bytes_received"].as_u64().unwrap() < (long.len() + 2 * other.len()) as u64,
        "the stalled one has not got it all: {status:#}"
    );
    let grown = held.iop().memory().saturating_sub(memory);
    assert!(grown < 16 << 10, "{grown} KiB more");
    std::io::Read::read_to_end(&mut output, &mut came).unwrap();
    assert!(came == long);
    assert_eq!(stalled.wait().unwrap().code(), Some(0));
}
