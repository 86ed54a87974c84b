//! The program on libiscsi, which is compiled here and asked line by line.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Once;
use std::time::Duration;

/// What the program writes and reads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Medium {
    Tape,
    Disk,
}

/// A session of libiscsi.
pub struct Libiscsi {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Libiscsi {
    /// Logs in.
    pub fn start(portal: SocketAddr, target_name: &str, lun: u16, medium: Medium) -> Self {
        static COMPILED: Once = Once::new();
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-libiscsi");
        COMPILED.call_once(|| {
            let status = Command::new("gcc")
                .args(["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-o"])
                .arg(&program)
                .arg(concat!(
                    env!("CARGO_MANIFEST_DIR"),
                    "/benches/tape/libiscsi.c"
                ))
                .arg("-liscsi")
                .status();
            assert!(
                status.expect("gcc").success(),
                "the headers are in Debian package libiscsi-dev"
            );
        });
        let medium = match medium {
            Medium::Tape => "tape",
            Medium::Disk => "disk",
        };
        let mut child = Command::new(program)
            .args([&portal.to_string(), target_name, &lun.to_string(), medium])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start the program");
        Self {
            input: child.stdin.take(),
            output: BufReader::new(child.stdout.take().expect("a pipe")),
            child,
        }
    }

    /// Writes or reads so many blocks, and returns the time and the processor time that this took.
    pub fn run(
        &mut self,
        direction: &str,
        length: usize,
        count: usize,
        depth: usize,
    ) -> (Duration, Duration) {
        let input = self.input.as_mut().expect("a pipe");
        writeln!(input, "{direction} {length} {count} {depth}").expect("it runs");
        let mut line = String::new();
        self.output.read_line(&mut line).expect("a line");
        let mut numbers = line.split_whitespace().map(str::parse);
        let mut time = || match numbers.next() {
            Some(Ok(microseconds)) => Duration::from_micros(microseconds),
            _ => panic!("no time in {line:?}"),
        };
        (time(), time())
    }
}

impl Drop for Libiscsi {
    fn drop(&mut self) {
        // The end of its input ends it.
        drop(self.input.take());
        let _ = self.child.wait();
    }
}
