//! The remote tape protocol, request by request, against a library that `vtl` serves. With the peers also tar, cpio and mt.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::thread;

use serde_json::Value;

use crate::common::TestEnvironment;
use crate::peers::vtl::{NAME, Vtl};

#[cfg(feature = "peers")]
mod programs;

const ENOENT: i32 = 2;
const EIO: i32 = 5;
const ENXIO: i32 = 6;
const EBADF: i32 = 9;
const ENOMEM: i32 = 12;
const EACCES: i32 = 13;
const EBUSY: i32 = 16;
const EINVAL: i32 = 22;
const ENOSPC: i32 = 28;
const ESPIPE: i32 = 29;
const EROFS: i32 = 30;
const ENOSYS: i32 = 38;
const ENOMEDIUM: i32 = 123;

/// A library that is served, an environment that has re-IPLed with it, and the first cartridge in TAP01.
struct Attached {
    environment: TestEnvironment,
    _vtl: Vtl,
}

impl Attached {
    fn new(arguments: &[&str]) -> Self {
        Self::by(arguments, |port| port)
    }

    /// Attaches the library by the port that `way` returns for its own.
    fn by(arguments: &[&str], way: impl FnOnce(u16) -> u16) -> Self {
        let environment = TestEnvironment::new();
        let vtl = Vtl::start(&environment, arguments);
        environment.add(NAME, "127.0.0.1", way(vtl.port()));
        environment.run(&["-reipliscsiop"]).assert_status(0);
        environment
            .run_line("library mount TAPMLB01 VOL001 --drive TAP01")
            .assert_status(0);
        Self {
            environment,
            _vtl: vtl,
        }
    }

    fn client(&self) -> Client {
        self.client_with(&["rmt"])
    }

    fn client_with(&self, arguments: &[&str]) -> Client {
        let mut command = self.environment.command();
        let mut child = command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Client {
            input: child.stdin.take(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    /// Returns the blocks and the shortest and longest of each tape file of the cartridge, and whether a filemark ends it.
    fn files(&self) -> Vec<(u64, u64, u64, bool)> {
        let document = self
            .environment
            .run_line("--json tape list TAPMLB01 VOL001")
            .assert_status(0)
            .json();
        let number = |value: &Value| value.as_u64().unwrap();
        document["files"]
            .as_array()
            .unwrap()
            .iter()
            .map(|file| {
                (
                    number(&file["blocks"]),
                    number(&file["shortest_block"]),
                    number(&file["longest_block"]),
                    file["filemark"].as_bool().unwrap(),
                )
            })
            .collect()
    }
}

/// What a request is answered with.
#[derive(Debug, PartialEq, Eq)]
enum Reply {
    Done(u64),
    Failed(i32, String),
}

impl Reply {
    #[track_caller]
    fn failed(self, expected: i32) -> String {
        match self {
            Self::Failed(errno, text) if errno == expected => text,
            reply => panic!("expected E{expected}: {reply:?}"),
        }
    }
}

/// The other end of `rmt`.
struct Client {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Client {
    fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let input = self.input.as_mut().unwrap();
        input.write_all(bytes.as_ref()).unwrap();
        input.flush().unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        assert_eq!(line.pop(), Some('\n'), "the end of a line");
        line
    }

    fn ask(&mut self, request: impl AsRef<[u8]>) -> Reply {
        self.send(request);
        let line = self.line();
        let (letter, number) = line.split_at(1);
        match letter {
            "A" => Reply::Done(number.parse().unwrap()),
            "E" => Reply::Failed(number.parse().unwrap(), self.line()),
            _ => panic!("{line}"),
        }
    }

    #[track_caller]
    fn done(&mut self, request: impl AsRef<[u8]>) -> u64 {
        match self.ask(request) {
            Reply::Done(number) => number,
            reply => panic!("{reply:?}"),
        }
    }

    #[track_caller]
    fn open(&mut self, flags: u32) {
        assert_eq!(self.done(format!("OTAP01\n{flags}\n")), 0);
    }

    #[track_caller]
    fn write(&mut self, block: &[u8]) {
        let written = self.done([format!("W{}\n", block.len()).as_bytes(), block].concat());
        assert_eq!(written, block.len() as u64);
    }

    #[track_caller]
    fn read(&mut self, count: usize) -> Vec<u8> {
        let length = self.done(format!("R{count}\n"));
        self.data(length)
    }

    fn data(&mut self, length: u64) -> Vec<u8> {
        let mut data = vec![0; usize::try_from(length).unwrap()];
        self.output.read_exact(&mut data).unwrap();
        data
    }

    #[track_caller]
    fn operate(&mut self, operation: u32, count: u32) {
        assert_eq!(self.done(format!("I{operation}\n{count}\n")), 0);
    }

    /// Returns file and block number, and mt_gstat.
    fn status(&mut self) -> (i32, i32, u32) {
        let length = self.done("S");
        let status = self.data(length);
        assert_eq!(status.len(), 5 * size_of::<usize>() + 8, "struct mtget");
        let long = |index: usize| {
            let bytes = &status[index * size_of::<usize>()..][..size_of::<usize>()];
            usize::from_ne_bytes(bytes.try_into().unwrap())
        };
        let int = |index: usize| {
            let bytes = &status[5 * size_of::<usize>() + index * 4..][..4];
            i32::from_ne_bytes(bytes.try_into().unwrap())
        };
        assert_eq!(long(0), 0x72, "MT_ISSCSI2");
        (int(0), int(1), long(3) as u32)
    }

    /// Ends the input, and returns the status and what was said on stderr.
    fn end(mut self) -> (Option<i32>, String) {
        drop(self.input.take());
        let mut rest = Vec::new();
        self.output.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, b"");
        let mut stderr = String::new();
        let mut pipe = self.child.stderr.take().unwrap();
        pipe.read_to_string(&mut stderr).unwrap();
        (self.child.wait().unwrap().code(), stderr)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const READ: u32 = 0;
const WRITE: u32 = 1;
const BOTH: u32 = 2;
const NON_BLOCKING: u32 = 0o4000;

const FSF: u32 = 1;
const BSF: u32 = 2;
const FSR: u32 = 3;
const BSR: u32 = 4;
const WEOF: u32 = 5;
const REW: u32 = 6;
const OFFL: u32 = 7;
const BSFM: u32 = 10;
const FSFM: u32 = 11;
const EOM: u32 = 12;
const ERASE: u32 = 13;
const SETBLK: u32 = 20;
const SEEK: u32 = 22;
const LOAD: u32 = 30;

const AT_FILEMARK: u32 = 0x8000_0000;
const AT_BEGINNING: u32 = 0x4000_0000;
const AT_END_OF_TAPE: u32 = 0x2000_0000;
const AT_END_OF_DATA: u32 = 0x0800_0000;
const WRITE_PROTECTED: u32 = 0x0400_0000;
const ONLINE: u32 = 0x0100_0000;
const EMPTY: u32 = 0x0004_0000;
const BUFFERED: u32 = 0x0001_0000;

#[test]
fn blocks_are_written_and_read_where_the_tape_stands() {
    let attached = Attached::new(&[]);
    let mut client = attached.client();
    client.open(WRITE);
    assert_eq!(client.status(), (0, 0, AT_BEGINNING | ONLINE | BUFFERED));
    for block in [&[1_u8; 10_240][..], &[2; 1], &[3; 70_001]] {
        client.write(block);
    }
    assert_eq!(client.status(), (0, 3, ONLINE | BUFFERED));
    assert_eq!(client.done("C\n"), 0, "a filemark ends what was written");
    client.open(BOTH);
    client.write(&[4; 512]);
    assert_eq!(client.done("W0\n"), 0, "as st(4): no block at all");
    client.operate(REW, 1);
    assert_eq!(client.status().0, 0);
    assert_eq!(
        client.read(20_000),
        vec![1; 10_240],
        "a shorter block comes whole"
    );
    assert_eq!(client.read(1), [2]);
    let text = client.ask("R70000\n").failed(ENOMEM);
    assert!(text.contains("70001"), "{text}");
    assert_eq!(client.read(99), [0; 0], "the filemark");
    assert_eq!(client.status(), (1, 0, AT_FILEMARK | ONLINE | BUFFERED));
    assert_eq!(client.read(512), [4; 512]);
    assert_eq!(
        client.read(512),
        [0; 0],
        "the filemark that REWIND wrote, as st(4) does"
    );
    assert_eq!(client.read(512), [0; 0], "once behind the last filemark");
    assert_eq!(client.status().2 & AT_END_OF_DATA, AT_END_OF_DATA);
    client.ask("R512\n").failed(EIO);
    let (status, stderr) = client.end();
    assert_eq!(status, Some(0));
    assert!(
        stderr.contains("the block has 70001 bytes") && stderr.contains("hint:"),
        "{stderr}"
    );
    assert_eq!(
        attached.files(),
        [(3, 1, 70_001, true), (1, 512, 512, true)]
    );
}

#[test]
fn the_end_of_the_input_ends_what_was_written() {
    let attached = Attached::new(&[]);
    let mut client =
        attached.client_with(&["--json", "rmt", "127.0.0.1", "-l", "root", "/etc/rmt"]);
    client.open(WRITE);
    client.write(&[7; 1000]);
    client.send(b"W1000\nnot all of it");
    assert_eq!(client.end(), (Some(0), String::new()));
    assert_eq!(attached.files(), [(1, 1000, 1000, true)]);
    // Nothing was written, so there is no filemark.
    let mut client = attached.client();
    client.open(BOTH);
    assert_eq!(client.end(), (Some(0), String::new()));
    assert_eq!(attached.files(), [(1, 1000, 1000, true)]);
}

#[test]
fn an_error_of_the_command_line_is_not_among_the_replies() {
    let environment = TestEnvironment::new();
    for (line, status) in [
        ("--json rmt --timeout x", 2),
        ("--json --timeout 0 rmt host", 2),
        ("rmt --json --motion-timeout x", 2),
        ("--json rmt --chap-algorithms 9 host", 2),
        ("--json rmt --trace / host", 3),
        ("--json mtx -f", 1),
        ("--json mtx -f TAPMLB01 eject", 1),
    ] {
        let output = environment.run_line(line).assert_status(status);
        assert_eq!(output.stdout, "", "{line}");
        let at = output.stderr.find("\n{").expect("a document");
        let document: Value = serde_json::from_str(&output.stderr[at..]).unwrap();
        assert_eq!(document["error"]["status"], status, "{line}");
    }
    // A value of the macro is no command.
    let refused = environment.run_line("--json -addtarget -targetname rmt");
    let document = refused.assert_status(2).json();
    assert_eq!(document["error"]["code"], "missing-parameter");
}

#[test]
fn tape_operations_go_by_their_linux_numbers() {
    let attached = Attached::new(&[]);
    let mut client = attached.client();
    client.open(BOTH);
    for file in 1_u8..=3 {
        client.write(&[file; 100]);
        client.write(&[file + 10; 200]);
        client.operate(WEOF, 1);
    }
    let at = |client: &mut Client| (client.status().0, client.status().1);
    client.operate(REW, 1);
    client.operate(FSF, 2);
    assert_eq!(at(&mut client), (2, 0));
    assert_eq!(client.read(500), [3; 100]);
    client.operate(BSR, 1);
    assert_eq!(client.read(500), [3; 100]);
    client.operate(BSF, 2);
    assert_eq!(
        client.read(500),
        [0; 0],
        "before the filemark of the first file"
    );
    client.operate(BSFM, 1);
    assert_eq!(client.read(500), [2; 100], "behind that filemark");
    client.operate(REW, 1);
    client.operate(FSFM, 1);
    assert_eq!(client.read(500), [0; 0]);
    client.operate(FSR, 1);
    assert_eq!(client.read(500), [12; 200]);
    client.operate(SEEK, 4);
    assert_eq!(client.read(500), [12; 200], "objects count from 0");
    client.operate(SEEK, 0);
    assert_eq!(at(&mut client), (0, 0));
    client.ask(format!("I{FSR}\n9\n")).failed(EIO);
    assert_eq!(at(&mut client), (1, 0), "as st(4): behind the filemark");
    client.ask(format!("I{BSF}\n9\n")).failed(EIO);
    client.operate(EOM, 1);
    assert_eq!(client.status().2 & AT_END_OF_DATA, AT_END_OF_DATA);
    client.ask(format!("I{FSF}\n1\n")).failed(EIO);
    client.write(&[4; 300]);
    // A filemark, then back over it and the one before.
    client.operate(BSF, 1);
    assert_eq!(client.read(500), [0; 0], "at the filemark behind file 3");
    assert_eq!(client.read(500), [4; 300]);
    assert_eq!(client.read(500), [0; 0]);
    client.operate(REW, 1);
    client.operate(FSF, 1);
    client.operate(ERASE, 0);
    client.operate(SETBLK, 0);
    client.operate(8, 0);
    client.operate(28, 1);
    client.operate(29, 1);
    client.operate(9, 1);
    assert_eq!(at(&mut client), (0, 0));
    for (request, errno) in [
        ("I20\n512\n", EINVAL),
        ("I1\n-1\n", EINVAL),
        ("I-1\n0\n", ENOSYS),
        ("I21\n0\n", ENOSYS),
        ("i0\n1\n", ENOSYS),
        ("sT", ENOSYS),
        ("L0\n0\n", ESPIPE),
        ("L512\n1\n", ESPIPE),
        ("L1\n0\n", ESPIPE),
    ] {
        client.ask(request).failed(errno);
    }
    assert_eq!(client.done("L0\n1\n"), 0, "the offset comes first");
    client.operate(OFFL, 1);
    let text = client.ask("R1\n").failed(ENOMEDIUM);
    assert!(text.contains("not loaded"), "{text}");
    client.ask(format!("I{REW}\n1\n")).failed(ENOMEDIUM);
    assert_eq!(client.status().2 & (EMPTY | ONLINE), EMPTY);
    client.operate(LOAD, 1);
    assert_eq!(client.read(500), [1; 100]);
    assert_eq!(client.end().0, Some(0));
    assert_eq!(attached.files(), [(2, 100, 200, true)]);
}

#[test]
fn what_cannot_be_opened_has_its_error_number_and_is_told_to_the_user() {
    let attached = Attached::new(&["--write-protected=VOL002L8"]);
    let mut client = attached.client_with(&["--lock-timeout", "0", "rmt"]);
    client.ask("R1\n").failed(EBADF);
    client.ask("C\n").failed(EBADF);
    client.ask("W2\nab").failed(EBADF);
    let text = client.ask("OTAP09\n0\n").failed(ENOENT);
    assert!(text.contains("TAP09"), "{text}");
    client.ask("OTAPMLB01\n0\n").failed(ENXIO);
    client.ask("OTAP02\n0\n").failed(ENOMEDIUM);
    assert_eq!(client.done(format!("OTAP02\n{NON_BLOCKING}\n")), 0);
    client.ask("R1\n").failed(ENOMEDIUM);
    assert_eq!(client.status().2, EMPTY | BUFFERED);
    // Opening another one closes the first.
    client.open(READ);
    client.ask("W2\nab").failed(EBADF);
    let mut other = attached.client_with(&["--lock-timeout", "0", "rmt"]);
    let text = other.ask("OTAP01\n0\n").failed(EBUSY);
    assert!(text.contains("rmt TAP01"), "{text}");
    let (status, stderr) = other.end();
    assert_eq!(status, Some(0));
    assert!(
        stderr.contains("rmt TAP01") && stderr.contains("hint:"),
        "{stderr}"
    );
    assert_eq!(client.done("C\n"), 0);
    attached
        .environment
        .run_line("library mount TAPMLB01 VOL002 --drive TAP02")
        .assert_status(0);
    client.ask("OTAP02\n1\n").failed(EROFS);
    client.ask("OTAP02\n2\n").failed(EROFS);
    assert_eq!(client.done("Otap02\n0 O_RDONLY\n"), 0);
    assert_eq!(client.status().2 & WRITE_PROTECTED, WRITE_PROTECTED);
    client.ask(format!("I{WEOF}\n1\n")).failed(EACCES);
    client.ask(format!("I{ERASE}\n1\n")).failed(EACCES);
    let (status, stderr) = client.end();
    assert_eq!(status, Some(0));
    assert!(stderr.contains("the drive is empty"), "{stderr}");
}

#[test]
fn a_cartridge_that_is_not_loaded_is_told_with_what_to_do_about_it() {
    let attached = Attached::new(&[]);
    let mut client = attached.client();
    client.open(READ);
    client.operate(OFFL, 1);
    assert_eq!(client.done("C\n"), 0);
    let text = client.ask("OTAP01\n0\n").failed(ENOMEDIUM);
    assert!(text.contains("not loaded"), "{text}");
    let (_, stderr) = client.end();
    let rewound = attached.environment.run_line("tape rewind TAP01");
    let rewound = rewound.assert_status(1);
    let hint = rewound.stderr.lines().find(|line| line.contains("hint:"));
    let hint = hint.expect("a hint");
    assert!(
        stderr.contains(hint) && hint.contains("library unmount"),
        "{stderr}{hint}"
    );
}

#[test]
fn that_no_device_is_open_is_told_once_for_each_open_that_failed() {
    let attached = Attached::new(&[]);
    let mut client = attached.client();
    for _ in 0..2 {
        client.ask("OTAP02\n2\n").failed(ENOMEDIUM);
        client.ask("R1\n").failed(EBADF);
        client.ask("sT").failed(ENOSYS);
        client.ask("W2\nab").failed(EBADF);
        client.ask("C\n").failed(EBADF);
    }
    let (_, stderr) = client.end();
    let count = |text: &str| stderr.matches(text).count();
    assert_eq!(count("the drive is empty"), 2, "{stderr}");
    assert_eq!(count("no device is open"), 2, "{stderr}");
}

/// The longest block that the drives of the library take.
const LONGEST_BLOCK: usize = 8 << 20;

#[test]
fn a_block_that_the_drive_does_not_take_leaves_the_tape_where_it_is() {
    let attached = Attached::new(&[]);
    let mut client = attached.client();
    client.open(BOTH);
    client.write(b"abcde");
    let long = format!("W{}\n", LONGEST_BLOCK + 1);
    let long = [long.as_bytes(), &vec![0; LONGEST_BLOCK + 1]].concat();
    for _ in 0..2 {
        let text = client.ask(&long).failed(EINVAL);
        assert!(text.contains("8388608 at most"), "{text}");
    }
    assert_eq!(client.status().1, 1);
    client.write(b"fg");
    let text = client.ask(&long).failed(EINVAL);
    assert!(text.contains("8388609"), "{text}");
    assert_eq!(client.done("C\n"), 0);
    client.open(READ);
    let too_long = format!("R{}\n", LONGEST_BLOCK + 1);
    client.ask(too_long).failed(EINVAL);
    client.operate(REW, 1);
    assert_eq!(client.read(LONGEST_BLOCK), b"abcde");
    assert_eq!(client.end().0, Some(0));
    assert_eq!(attached.files(), [(2, 2, 5, true)]);
}

/// Starts a relay to a library which has READ BLOCK LIMITS say that there are none. No session has a digest.
fn without_block_limits(library: u16) -> u16 {
    fn pass(mut from: TcpStream, mut to: TcpStream) -> io::Result<()> {
        let mut header = [0; 48];
        let mut data = Vec::new();
        loop {
            from.read_exact(&mut header)?;
            let length = usize::from_be_bytes([0, 0, 0, 0, 0, header[5], header[6], header[7]]);
            let ahs = usize::from(header[4]) * 4;
            data.resize(ahs + length.next_multiple_of(4), 0);
            from.read_exact(&mut data)?;
            // Data-In of the limits: GRANULARITY, the longest block, the shortest one.
            if header[0] == 0x25 && length == 6 && data.starts_with(&[0, 0x80, 0, 0, 0, 1]) {
                data.fill(0);
            }
            to.write_all(&header)?;
            to.write_all(&data)?;
        }
    }

    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for client in listener.incoming() {
            let client = client.unwrap();
            let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, library)) else {
                continue;
            };
            let ways = [(&client, &server), (&server, &client)];
            for (from, to) in ways {
                let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                thread::spawn(move || {
                    let other = to.try_clone().unwrap();
                    let _ = pass(from, to);
                    let _ = other.shutdown(Shutdown::Both);
                });
            }
        }
    });
    port
}

#[test]
fn a_write_that_the_drive_refuses_leaves_the_tape_where_it_is() {
    let attached = Attached::by(&[], without_block_limits);
    let mut client = attached.client();
    client.open(WRITE);
    client.write(b"abcde");
    client.write(&vec![0; LONGEST_BLOCK + 1]);
    let text = client.ask("S").failed(EIO);
    assert!(text.contains("ILLEGAL REQUEST"), "{text}");
    assert_eq!(client.status().1, 1);
    client.write(b"fg");
    assert_eq!(client.done("C\n"), 0);
    assert_eq!(client.end().0, Some(0));
    assert_eq!(attached.files(), [(2, 2, 5, true)]);
}

#[test]
fn a_close_that_cannot_write_the_filemark_says_so() {
    let attached = Attached::new(&["--fault", "deferred-error=2,times=1"]);
    let mut client = attached.client();
    client.open(WRITE);
    for block in [b"abc", b"def", b"ghi"] {
        client.write(block);
    }
    client.ask("S").failed(EIO);
    let text = client.ask("C\n").failed(EIO);
    assert!(text.contains("no filemark ends what was written"), "{text}");
    assert_eq!(client.end().0, Some(0));
}

#[test]
fn what_is_no_request_ends_it() {
    let attached = Attached::new(&[]);
    let mut client = attached.client();
    client.open(WRITE);
    client.write(&[1; 600]);
    let text = client.ask("GET / HTTP/1.1\n").failed(EINVAL);
    assert!(text.contains("begins with 'G'"), "{text}");
    let (status, stderr) = client.end();
    assert_eq!(status, Some(2));
    assert!(stderr.contains("begins with 'G'"), "{stderr}");
    assert_eq!(attached.files(), [(1, 600, 600, true)]);
}

#[test]
fn a_full_tape_is_told_before_a_block_that_does_not_fit() {
    let attached = Attached::new(&["--cartridge-size", "4MiB"]);
    let block = vec![5; 64 << 10];
    let mut client = attached.client();
    client.open(WRITE);
    let request = [format!("W{}\n", block.len()).as_bytes(), &block].concat();
    let mut written = 0;
    let text = loop {
        match client.ask(&request) {
            Reply::Done(_) => written += 1,
            Reply::Failed(errno, text) => {
                assert_eq!(errno, ENOSPC, "{text}");
                break text;
            }
        }
        assert!(written < 1000);
    };
    assert!(text.contains("end of the medium"), "{text}");
    assert_eq!(client.status().2 & AT_END_OF_TAPE, AT_END_OF_TAPE);
    assert_eq!(client.done("C\n"), 0);
    assert_eq!(client.end(), (Some(0), String::new()));
    let length = block.len() as u64;
    assert_eq!(attached.files(), [(written, length, length, true)]);
}

#[test]
fn the_script_runs_this_program_with_the_options_that_were_given() {
    let environment = TestEnvironment::new();
    let state = environment.home().join("a state's directory");
    let mut command = environment.command();
    command.env_remove("ISCSISWICONFIG_STATE_DIR").args([
        "--state-dir",
        "a state's directory",
        "--lock-timeout=0.5",
        "generate",
        "rsh",
    ]);
    let script = command.output().unwrap().stdout;
    let file = environment.home().join("rsh");
    fs::write(&file, &script).unwrap();
    // The script is given to a shell, since a file that was just written cannot always be executed at once.
    let mut command = environment.command_of(std::path::Path::new("/bin/sh"));
    command
        .env_remove("ISCSISWICONFIG_STATE_DIR")
        .current_dir("/")
        .args([
            file.to_str().unwrap(),
            "-l",
            "user",
            "127.0.0.1",
            "/etc/rmt",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"OTAP01\n0\n").unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    let reply = String::from_utf8(output.stdout).unwrap();
    assert!(reply.starts_with("E2\nthere is no device TAP01"), "{reply}");
    assert!(output.status.success());
    assert!(!state.exists(), "an open that fails makes no state");
    let script = String::from_utf8(script).unwrap();
    let expected = format!(
        "--state-dir '{0}/a state'\\''s directory' --keystore-dir {0}/keystore --lock-timeout 0.5 rmt -- \"$@\"",
        environment.home().display()
    );
    let line = script.lines().last().unwrap();
    assert!(line.ends_with(&expected), "{line}");
}
