//! GNU tar, cpio and mt with the script that `generate rsh` prints.
//!
//! tar 1.34 runs its --rsh-command as root only, and only for a host whose name resolves; cpio and mt do neither.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Attached;
use crate::common::{Asserted, Output};

const DEVICE: &str = "127.0.0.1:TAP01";

impl Attached {
    fn path(&self, name: &str) -> PathBuf {
        self.environment.home().join(name)
    }

    /// Has the script made by a shell, as a user does. (A file that this process wrote cannot always be executed at once.)
    fn make_script(&self) {
        let line = "iscsiswiconfig generate rsh > rsh && chmod +x rsh";
        let mut command = self.environment.command_of(Path::new("/bin/sh"));
        command.args(["-c", line]);
        self.environment.finish(command).assert_status(0);
    }

    /// Runs a line of the shell in the home directory, `$D` being the device with what tells the program how to reach it.
    fn shell(&self, line: &str) -> Output {
        let mut command: Command = self.environment.command_of(Path::new("/bin/sh"));
        let rsh = self.path("rsh");
        command
            .env("D", format!("{DEVICE} --rsh-command={}", rsh.display()))
            .args(["-ec", line]);
        self.environment.finish(command)
    }

    #[track_caller]
    fn runs(&self, line: &str) -> Asserted {
        self.shell(line).assert_status(0)
    }

    /// Makes a tree of files, empty ones, long names and a symbolic link among them.
    fn tree(&self, name: &str, seed: u8) {
        let tree = self.path(name);
        for (path, length) in [
            ("empty".to_owned(), 0),
            ("one".to_owned(), 1),
            (
                format!("deep/{}/{}", "d".repeat(90), "f".repeat(90)),
                10_239,
            ),
            ("deep/large".to_owned(), 1_500_001),
            ("deep/exact".to_owned(), 10_240),
        ] {
            let path = tree.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let byte = |index: usize| (index * 31 / 7) as u8 ^ seed;
            fs::write(path, (0..length).map(byte).collect::<Vec<u8>>()).unwrap();
        }
        symlink("deep/large", tree.join("link")).unwrap();
    }

    /// Fails unless two trees are equal.
    #[track_caller]
    fn equal(&self, one: &str, other: &str) {
        self.runs(&format!("diff -r --no-dereference {one} {other}"));
    }
}

#[test]
fn tar_saves_and_restores_several_tape_files() {
    let attached = Attached::new(&[]);
    attached.make_script();
    attached.tree("first", 1);
    attached.tree("second", 2);
    attached.runs("tar -c -f $D first && tar -c -b 512 -f $D second");
    let files = attached.files();
    assert_eq!(files.len(), 2, "{files:?}");
    assert_eq!((files[0].2, files[0].3), (10_240, true));
    assert_eq!((files[1].2, files[1].3), (262_144, true));
    attached.runs(
        "mt-gnu -f $D rewind; mkdir out; tar -x -C out -f $D; mt-gnu -f $D fsf 1; tar -x -C out -b 512 -f $D",
    );
    attached.equal("first", "out/first");
    attached.equal("second", "out/second");
    // What tar appends goes over its own end of archive, which takes a step back.
    attached.runs("mt-gnu -f $D rewind; tar -r -f $D second/one; mt-gnu -f $D rewind");
    let listed = attached.runs("tar -t -f $D").stdout.clone();
    assert!(listed.ends_with("second/one\n"), "{listed}");
    assert_eq!(attached.files().len(), 1, "writing ends the data");
    // Read with blocks that are too small for it.
    attached.runs("mt-gnu -f $D rewind; tar -c -b 64 -f $D first; mt-gnu -f $D rewind");
    attached
        .shell("tar -t -b 20 -f $D")
        .assert_status(2)
        .says(&[
            "the block has 32768 bytes, and 10240 were asked for",
            "Cannot allocate memory",
        ]);
}

#[test]
fn tar_goes_on_with_another_cartridge() {
    let attached = Attached::new(&["--cartridge-size", "1MB"]);
    attached.make_script();
    attached.tree("first", 3);
    let change = "#!/bin/sh -e\n\
        iscsiswiconfig -q library unmount TAPMLB01 --drive TAP01 >/dev/null\n\
        iscsiswiconfig -q library mount TAPMLB01 VOL00$TAR_VOLUME --drive TAP01 >/dev/null\n";
    fs::write(attached.path("change"), change).unwrap();
    attached.runs("tar -c -M -F \"sh $PWD/change\" -f $D first");
    attached
        .runs("TAR_VOLUME=1 sh ./change; mkdir out; tar -x -M -C out -F \"sh $PWD/change\" -f $D");
    attached.equal("first", "out/first");
}

#[test]
fn cpio_saves_and_restores() {
    let attached = Attached::new(&[]);
    attached.make_script();
    attached.tree("first", 4);
    attached.runs("find first | cpio -o -H newc -O $D; mt-gnu -f $D rewind");
    attached.runs("mkdir out; cd out; cpio -i -d -I $D");
    attached.equal("first", "out/first");
    let files = attached.files();
    assert_eq!(
        (files.len(), files[0].1, files[0].2),
        (1, 512, 512),
        "{files:?}"
    );
}

#[test]
fn mt_winds_and_marks() {
    let attached = Attached::new(&[]);
    attached.make_script();
    attached.tree("first", 5);
    attached.tree("second", 6);
    attached.runs("tar -c -f $D first; tar -c -f $D second; mt-gnu -f $D weof 2");
    assert_eq!(attached.files().len(), 4);
    let file = |line: &str| {
        let listed = attached
            .runs(&format!("{line}; tar -t -f $D"))
            .stdout
            .clone();
        listed.lines().next().unwrap_or_default().to_owned()
    };
    assert_eq!(file("mt-gnu -f $D rewind; mt-gnu -f $D fsf"), "second/");
    assert_eq!(
        file("mt-gnu -f $D rewind; mt-gnu -f $D fsf 2; mt-gnu -f $D bsfm 2"),
        "second/"
    );
    assert_eq!(file("mt-gnu -f $D asf 1"), "second/");
    assert_eq!(
        file("mt-gnu -f $D rewind; mt-gnu -f $D fsf 2; mt-gnu -f $D bsf 2; mt-gnu -f $D fsf 1"),
        "second/"
    );
    attached.runs("mt-gnu -f $D eom; tar -c -f $D first/one; mt-gnu -f $D rewind");
    assert_eq!(file("mt-gnu -f $D fsf 4"), "first/one");
    attached.runs("mt-gnu -f $D rewind; mt-gnu -f $D eof 1");
    assert_eq!(attached.files().len(), 1);
    attached.runs("mt-gnu -f $D erase; mt-gnu -f $D offline");
    attached
        .shell("mt-gnu -f $D rewind")
        .assert_status(1)
        .says(&[
            "the cartridge in the drive is not loaded",
            "No medium found",
        ]);
    attached
        .environment
        .run_line("library unmount TAPMLB01 VOL001")
        .assert_status(0);
}

#[test]
fn a_drive_in_use_is_busy_for_tar() {
    let attached = Attached::new(&[]);
    attached.tree("first", 7);
    let mut holder = attached.client();
    holder.open(super::READ);
    attached
        .shell(
            "iscsiswiconfig --lock-timeout 0 generate rsh > rsh; chmod +x rsh; tar -c -f $D first",
        )
        .assert_status(2)
        .says(&["rmt TAP01", "Cannot open", "resource busy"]);
}
