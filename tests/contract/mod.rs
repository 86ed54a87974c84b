//! What the contract promises, checked from outside through the binary.
//!
//! Statuses, documents and key words are asserted, not whole sentences: the wording is free to get better.

/// Locks, many writers, and processes killed at any moment.
mod apply;
mod concurrency;
/// A low limit of open files.
mod descriptors;
/// -addtarget, -changetarget, -removetarget, -clearconfig and what makes two targets the same one.
mod edits;
/// One option per call, its parameters, the spelling of words, help.
mod grammar;
/// Text, JSON, secrets, exit statuses, broken pipes.
mod output;
/// The owner of the state directory.
#[cfg(feature = "peers")]
mod owner;
/// -reipliscsiop and the dumps: the active configuration, and whether the configured one has changed.
mod reipl;
/// -newname, -appendname, -setport, -setkeystore, -commit.
mod staging;
/// The files: permissions, links, schemas, garbage.
mod state;
/// Names, host names, ports, CHAP values; pasted text.
mod values;

/// A host on which nothing listens, so that a re-IPL fails at once.
const HOST: &str = "127.0.0.1";

/// The words of an -addtarget with the system generated name, at `HOST` and port 1, with more words behind.
fn add<'a>(target_name: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let words = [
        "-addtarget",
        "-initiatorname",
        "*GENERATE",
        "-targethostname",
        HOST,
        "-targetname",
        target_name,
    ];
    let port: &[&str] = if more.contains(&"-targetport") {
        &[]
    } else {
        &["-targetport", "1"]
    };
    [&words[..], port, more].concat()
}
