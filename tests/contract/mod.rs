//! What the contract promises, checked from outside through the binary.
//!
//! Statuses, documents and key words are asserted, not whole sentences: the wording is free to get better.

/// `apply`: what a transcript of it cannot show.
mod apply;
/// Locks, many writers, and processes killed at any moment.
mod concurrency;
/// A low limit of open files.
mod descriptors;
/// What outlasts a power failure, and system calls that fail.
#[cfg(feature = "peers")]
mod durability;
/// -addtarget, -changetarget, -removetarget, -clearconfig and what makes two targets the same one.
mod edits;
/// One option per call, its parameters, the spelling of words, help.
mod grammar;
/// A target whose session was lost.
mod lost;
/// Secrets in memory: core dumps, and a passphrase that takes more memory than there is.
mod memory;
/// Text, JSON, secrets, exit statuses, broken pipes.
mod output;
/// The owner of the state directory.
#[cfg(feature = "peers")]
mod owner;
/// -reipliscsiop and the dumps: the active configuration, and whether the configured one has changed.
mod reipl;
/// The judge of the soak.
mod soak;
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
