//! What the IOP costs: memory, descriptors, wake-ups.

use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use iscsiswiconfig::transport::listener::{Listener, ListenerSettings, Stopper};
use iscsiswiconfig::vtl::{Library, LibraryConfiguration, serve};

use super::*;

/// How many targets there may be in so much memory (KiB).
const TARGETS: usize = 64;
const MEMORY: u64 = 16 << 10;

#[test]
fn a_hundred_jobs_leave_no_memory() {
    let mut held = Held::new(&[], &[]);
    // Buffers that are kept are made by the first ones.
    jobs(&held, 20);
    let memory = held.iop().memory();
    jobs(&held, 100);
    let grown = held.iop().memory().saturating_sub(memory);
    assert!(grown < 512, "{grown} KiB more");
}

/// Only root sees the descriptors of a process that leaves no core file.
#[cfg(feature = "peers")]
#[test]
fn jobs_leave_no_descriptors() {
    let mut held = Held::new(&[], &[]);
    jobs(&held, 2);
    let files = held.iop().open_files();
    jobs(&held, 20);
    // The last job's connection is closed a moment after the job has ended.
    let is_back = (0..2000).any(|_| {
        thread::sleep(Duration::from_millis(5));
        held.iop().open_files() <= files
    });
    assert!(is_back, "{} files, before {files}", held.iop().open_files());
}

/// Runs so many jobs and one that writes.
fn jobs(held: &Held, count: usize) {
    held.file("in", &pattern(1, 100_000));
    for _ in 0..count {
        held.run("tape status TAPMLB01").assert_status(0);
    }
    held.run("tape write TAPMLB01 VOL001 in --overwrite")
        .assert_status(0);
}

/// A library in a thread of this process.
fn serve_library() -> (SocketAddr, Stopper, thread::JoinHandle<()>) {
    let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let listener = Listener::bind(ListenerSettings::new(anywhere, NAME.parse().unwrap())).unwrap();
    let (portal, stopper) = (listener.portal(), listener.stopper());
    let served = thread::spawn(move || {
        let library = Library::new(LibraryConfiguration::default()).unwrap();
        serve(listener, library, Rc::new(|_| {})).unwrap();
    });
    (portal, stopper, served)
}

#[test]
fn many_idle_targets_take_little_memory_and_wake_nobody() {
    let environment = TestEnvironment::new();
    let served: Vec<_> = (0..TARGETS).map(|_| serve_library()).collect();
    let targets: Vec<Value> = served
        .iter()
        .enumerate()
        .map(|(index, (portal, ..))| {
            serde_json::json!({
                "target_name": NAME, "target_host_name": "127.0.0.1", "target_port": portal.port(),
                "initiator_name": format!("iqn.2026-11.test.fixture:{index}"),
            })
        })
        .collect();
    let document = serde_json::json!({"schema": 1, "targets": targets});
    let file = environment.home().join("targets.json");
    fs::write(&file, document.to_string()).unwrap();
    environment
        .run(&["-q", "apply", file.to_str().unwrap()])
        .assert_status(0);
    let iop = Iop::start(&environment, &[]);
    let report = environment.dump();
    let connected = report["targets"].as_array().unwrap().iter();
    let connected = connected.filter(|target| target["status"] == "CONNECTED");
    assert_eq!(connected.count(), TARGETS);
    let memory = iop.memory();
    assert!(memory < MEMORY, "{memory} KiB");
    // A ping and its answer wake it twice for each target in five seconds; a timer that ticks would do so far more often.
    let (woken, began) = (iop.wake_ups(), Instant::now());
    thread::sleep(Duration::from_secs(2));
    let woken = iop.wake_ups() - woken;
    let rounds = 1 + began.elapsed().as_secs() / 5;
    assert!(woken < rounds * 4 * TARGETS as u64, "woken {woken} times");
    iop.stop();
    for (_, stopper, thread) in served {
        stopper.stop();
        thread.join().unwrap();
    }
}
