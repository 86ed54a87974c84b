//! The options that edit the configuration.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::home::{Address, Home, Saved};
use crate::measure::{self, in_turn, milliseconds};
use crate::open_iscsi::{NodeDatabase, answer_for_the_daemon};
use crate::table;

const SMALLEST: usize = 1;
const SIZES: [usize; 3] = [SMALLEST, 10, 100];
const ROUNDS: usize = 31;

/// How many targets there are when what an option takes of the processor and of memory is measured.
const LIMITS_AT: usize = 100;
const MOST_CPU: Duration = Duration::from_millis(2);
const MOST_MEMORY_KIB: u64 = 8 * 1024;

/// -addtarget with more and more targets configured, `iscsiadm -m node -o new` with as many records, and a plain
/// write of our record's bytes.
pub fn against_iscsiadm(home: &Home) {
    answer_for_the_daemon();
    let mut database = NodeDatabase::begin(home);
    home.configure((0..SMALLEST).map(Address::number));
    let smallest = home.save("smallest.saved");
    for size in SIZES {
        let saved = home.configure((0..size).map(Address::number));
        database.grow(size);
        let added = Address::number(size);
        let add = [&["-addtarget"], &added.words()[..]].concat();
        let bytes = saved.bytes();

        let ours = |saved: &Saved| {
            saved.restore();
            home.settle();
            measure::run(&mut home.command(&add)).wall
        };
        let mut at_smallest = || ours(&smallest);
        let mut ours = || ours(&saved);
        let mut theirs = || {
            home.settle();
            let run = measure::run(&mut NodeDatabase::new_record(&added));
            database.remove(&added);
            run.wall
        };
        let mut write = || {
            home.settle();
            replace(&home.path("plain.json"), &bytes)
        };
        let [at_smallest, theirs, write, ours] = in_turn(
            ROUNDS,
            [&mut at_smallest, &mut theirs, &mut write, &mut ours],
        );
        assert_eq!(home.configured(), size + 1, "targets after -addtarget");

        table::ratio(
            &format!("-addtarget to {size}, {}", home.file_system),
            &ours.to_string(),
            &format!("iscsiadm -o new {theirs}"),
            ours.ratio(theirs),
            0.5,
        );
        // In memory a write costs next to nothing, so there the growth has nothing to be held to.
        if size > SMALLEST && home.is_on_disk() {
            let growth = ours.median.saturating_sub(at_smallest.median);
            table::ratio(
                &format!("  growth from {SMALLEST} to {size}"),
                &format!("+{}", milliseconds(growth)),
                &format!("one write of {} KiB {write}", bytes.len() / 1024),
                growth.as_secs_f64() / write.median.as_secs_f64(),
                1.0,
            );
        }
    }
}

/// Replaces a file as the state does: temporary file, fsync, rename, fsync of the directory.
fn replace(path: &Path, bytes: &[u8]) -> Duration {
    let temporary = path.with_extension("new");
    let started = Instant::now();
    let mut file = File::create_new(&temporary).expect("a temporary file");
    file.write_all(bytes).expect("write");
    file.sync_all().expect("fsync");
    fs::rename(&temporary, path).expect("rename");
    let directory = File::open(path.parent().expect("a parent")).expect("the directory");
    directory.sync_all().expect("fsync of the directory");
    started.elapsed()
}

/// What each option but the re-IPL takes of the processor and of memory, and whether it starts a thread or a runtime.
pub fn within_limits(home: &Home) {
    // There is no listener, so that the re-IPL that the dumps need is done at once.
    let address = |number| Address {
        host: "127.0.0.1".to_owned(),
        port: "1".to_owned(),
        ..Address::number(number)
    };
    home.configure((0..LIMITS_AT).map(address));
    let re_ipl = home.command(&["-reipliscsiop"]).output();
    let re_ipl = re_ipl.expect("run a re-IPL");
    assert_eq!(re_ipl.status.code(), Some(4), "{re_ipl:?}");
    let (present, absent) = (address(0), address(LIMITS_AT));
    let staged = [
        "-newname",
        "-targethostname",
        "vtl",
        "-targetname",
        "iqn.x:",
    ];
    measure::run(&mut home.command(&staged));
    let saved = home.save("config.saved");

    let lines: [Vec<&str>; 11] = [
        vec!["-dumpinitiators"],
        vec!["-dumptargets"],
        [&["-addtarget"], &absent.words()[..]].concat(),
        [&["-removetarget"], &present.words()[..]].concat(),
        [
            &["-changetarget"],
            &present.words()[..],
            &["-chapkeystore", "NONE"],
        ]
        .concat(),
        vec!["-clearconfig"],
        vec!["-newname", "-targetname", "iqn.y:"],
        vec!["-appendname", "-targetname", "vtl"],
        vec!["-setport", "-targetport", "860"],
        vec!["-setkeystore", "-chapkeystore", "NONE"],
        vec!["-commit"],
    ];
    let (mut cpu, mut memory, mut started) = (Vec::new(), Vec::new(), Vec::new());
    for line in &lines {
        let mut command = home.command(line);
        let [taken] = in_turn(
            ROUNDS,
            [&mut || {
                saved.restore();
                measure::run(&mut command).cpu
            }],
        );
        saved.restore();
        let peak = measure::peak_memory(&command, &home.path("peak-memory"));
        saved.restore();
        let calls = measure::threads_and_runtimes(&command, &home.path("calls"));
        cpu.push((taken.median, taken, line[0]));
        memory.push((peak, line[0]));
        started.push((calls, line[0]));
    }

    let at = |what: &str, option: &str| format!("{what} at {LIMITS_AT} targets, {option}");
    let (most, summary, option) = cpu.into_iter().max_by_key(|most| most.0).expect("options");
    table::limit(
        &at("most CPU", option),
        &summary.to_string(),
        "< 2 ms",
        most < MOST_CPU,
    );
    let (most, option) = memory.into_iter().max().expect("options");
    table::limit(
        &at("most memory", option),
        &format!("{:.1} MiB", most as f64 / 1024.0),
        "<= 8 MiB",
        most <= MOST_MEMORY_KIB,
    );
    let (most, option) = started.into_iter().max().expect("options");
    table::limit(
        &at("threads, runtimes", option),
        &most.to_string(),
        "0",
        most == 0,
    );
}
