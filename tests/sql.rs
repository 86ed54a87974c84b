//! `sql`: calls that come to the same as the macro's lines, views that answer as the engine does, statements that mean harm.

mod calls;
mod hostile;
mod views;

use std::io::Write;
use std::process::Stdio;

use serde_json::Value;

use crate::common::{Output, TestEnvironment};

/// Runs statements of the command line.
fn sql(environment: &TestEnvironment, statement: &str) -> Output {
    environment.run(&["sql", statement])
}

/// Runs a query, and returns its rows.
#[track_caller]
fn rows(environment: &TestEnvironment, query: &str) -> Value {
    let document = environment
        .run(&["--json", "sql", query])
        .assert_status(0)
        .json();
    document["results"][0]["rows"].clone()
}

/// Runs a script from standard input behind a prefix of words, in a shell that bounds its memory.
fn piped(environment: &TestEnvironment, script: &str) -> Output {
    let file = environment.home().join("script.sql");
    let mut to = std::fs::File::create(&file).expect("a script");
    to.write_all(script.as_bytes()).expect("a script");
    let mut command = environment.command_of(std::path::Path::new("sh"));
    // Address space in KiB: what the program maps for itself, and a few hundred MiB at most for a statement.
    command.args(["-c", "ulimit -v 600000; exec iscsiswiconfig sql"]);
    command.stdin(Stdio::from(std::fs::File::open(&file).expect("a script")));
    environment.finish(command)
}
