//! The completion scripts, each in its own shell.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use iscsiswiconfig::vtl::DriveType;
use tempfile::TempDir;

use crate::peers::embedded::{Portal, Target};

const TARGET_NAME: &str = "iqn.2000-03.com.xyz:vtl.demo:1";
const HOST_NAME: &str = "vtl.example.com";
const INITIATOR_NAME: &str = "iqn.1924-02.com.ibm:ibmi.test-i0";

const PAGE: &str = "man/iscsiswiconfig.1";
const BASH: &str = "completions/iscsiswiconfig.bash";
const ZSH: &str = "completions/_iscsiswiconfig";
const FISH: &str = "completions/iscsiswiconfig.fish";

fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A shell with the program on its path, and a state directory with one configured target.
struct Shells {
    home: TempDir,
}

impl Shells {
    fn new() -> Self {
        let shells = Self {
            home: TempDir::new().unwrap(),
        };
        let state = shells.state_dir();
        let output = shells
            .command(env!("CARGO_BIN_EXE_iscsiswiconfig"))
            .args([
                "-q",
                "--state-dir",
                &state,
                "-addtarget",
                "-initiatorname",
                INITIATOR_NAME,
            ])
            .args(["-targethostname", HOST_NAME, "-targetname", TARGET_NAME])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        shells
    }

    fn state_dir(&self) -> String {
        self.home.path().join("state").to_str().unwrap().to_owned()
    }

    fn command(&self, program: &str) -> Command {
        let binaries = Path::new(env!("CARGO_BIN_EXE_iscsiswiconfig"))
            .parent()
            .unwrap();
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", format!("{}:{path}", binaries.display()))
            .env("HOME", self.home.path())
            .env("LC_ALL", "C.UTF-8")
            .env("TERM", "dumb");
        command
    }

    /// Returns what bash is offered for a line with the cursor at its end.
    fn bash(&self, line: &str) -> Vec<String> {
        self.bash_with(line, " \t\n")
    }

    /// Returns what bash is offered where the variable IFS has another value.
    fn bash_with(&self, line: &str, ifs: &str) -> Vec<String> {
        // Splits the line into COMP_WORDS as readline does, quotes included.
        const HARNESS: &str = r#"
            source "$1"
            COMP_LINE=$2 COMP_POINT=${#2} COMP_WORDS=() COMP_WORDBREAKS=$' \t\n"\'><=;|&(:'
            rest=$2
            word="'[^']*'?|[^[:space:]:='\"]+"
            while [[ $rest ]]; do
                if [[ $rest =~ ^[[:space:]]+ ]]; then
                    rest=${rest:${#BASH_REMATCH[0]}}
                    [[ $rest ]] || COMP_WORDS+=('')
                elif [[ $rest =~ ^($word|[:=]+) ]]; then
                    COMP_WORDS+=("${BASH_REMATCH[0]}")
                    rest=${rest:${#BASH_REMATCH[0]}}
                fi
            done
            COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
            IFS=$3
            _iscsiswiconfig
            printf '%s\n' "${COMPREPLY[@]}"
        "#;
        let output = self
            .command("bash")
            .args(["--norc", "--noprofile", "-c", HARNESS, "bash"])
            .arg(in_repository(BASH))
            .args([line, ifs])
            .output()
            .expect("bash is installed");
        candidates(&output)
    }

    /// Returns what fish is offered for a line with the cursor at its end, without the descriptions.
    fn fish(&self, line: &str) -> Vec<String> {
        let output = self
            .command("fish")
            .args(["--no-config", "-c", "source $argv[1]; complete -C $argv[2]"])
            .arg(in_repository(FISH))
            .arg(line)
            .output()
            .expect("fish is installed");
        let words = candidates(&output);
        words
            .iter()
            .map(|word| word.split('\t').next().unwrap().to_owned())
            .collect()
    }

    /// Returns what zsh is offered for a line with the cursor at its end, unfiltered: zsh itself compares the candidates
    /// with what is typed, and quotes them.
    fn zsh(&self, line: &str) -> Vec<String> {
        // The script is the body of a function; what it calls is replaced by functions that print.
        const HARNESS: &str = r#"
            compadd() { [[ $1 == -- ]] && shift; print -rl -- "$@" }
            _describe() { local array=$argv[-1]; print -rl -- ${${(P)array}%%:*} }
            _files() { print directories }
            _message() { : }
            words=(${(z)2}) CURRENT=$#words
            [[ $2 == *' ' ]] && { words+=(''); ((CURRENT++)) }
            _iscsiswiconfig() { source $1 }
            _iscsiswiconfig $1
        "#;
        let output = self
            .command("zsh")
            .args(["-f", "-c", HARNESS, "zsh"])
            .arg(in_repository(ZSH))
            .arg(line)
            .output()
            .expect("zsh is installed");
        candidates(&output)
    }
}

/// Returns whether a real zsh, given the line and a tab, shows `expected` on its terminal.
fn zsh_completes(shells: &Shells, line: &str, expected: &str) -> bool {
    // The prompt is spelled in two parts so that the echo of the line that sets it is not taken for it.
    const HARNESS: &str = r#"
        zmodload zsh/zpty
        zpty -b terminal zsh -f -i
        zpty -w terminal "PS1='REA''DY> ' fpath=(${1:h} \$fpath); autoload -U compinit; compinit -u -D"
        zpty -r terminal shown '*READY> *' || exit 1
        zpty -n -w terminal "$2"$'\t'
        zpty -r terminal shown "*${(b)3}*"
    "#;
    let status = shells
        .command("timeout")
        .args(["20", "zsh", "-f", "-c", HARNESS, "zsh"])
        .arg(in_repository(ZSH))
        .args([line, expected])
        .status()
        .expect("timeout is installed");
    assert_ne!(status.code(), Some(127), "zsh is installed");
    status.success()
}

fn candidates(output: &Output) -> Vec<String> {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.is_empty(), "{stderr}");
    let stdout = String::from_utf8(output.stdout.clone()).unwrap();
    stdout
        .lines()
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}

fn sorted(mut words: Vec<String>) -> Vec<String> {
    words.sort();
    words
}

#[test]
fn options_are_completed() {
    let shells = Shells::new();
    let line = "iscsiswiconfig -dump";
    let expected = ["-dumpinitiators", "-dumptargets"];
    assert_eq!(shells.bash(line), expected);
    assert_eq!(sorted(shells.fish(line)), expected);
    let offered = shells.zsh(line);
    assert!(
        expected
            .iter()
            .all(|word| offered.iter().any(|offered| offered == word)),
        "{offered:?}"
    );
    for offered in [
        shells.bash("iscsiswiconfig "),
        shells.fish("iscsiswiconfig "),
        shells.zsh("iscsiswiconfig "),
    ] {
        for word in ["-addtarget", "-commit", "-help", "generate"] {
            assert!(
                offered.iter().any(|offered| offered == word),
                "{word}: {offered:?}"
            );
        }
        assert!(
            !offered
                .iter()
                .any(|word| word == "-targetname" || word == "complete"),
            "{offered:?}"
        );
    }
}

#[test]
fn zsh_completes_on_a_terminal() {
    let shells = Shells::new();
    let state = shells.state_dir();
    assert!(zsh_completes(&shells, "iscsiswiconfig gen", "generate"));
    assert!(zsh_completes(
        &shells,
        "iscsiswiconfig -rem",
        "-removetarget"
    ));
    assert!(zsh_completes(
        &shells,
        "iscsiswiconfig -addtarget -initiatorname ",
        "\\*GENERATE"
    ));
    let line = format!("iscsiswiconfig --state-dir {state} -removetarget -targethostname v");
    assert!(zsh_completes(&shells, &line, HOST_NAME));
}

#[test]
fn only_parameters_that_the_option_takes_and_that_are_not_given_are_completed() {
    let shells = Shells::new();
    let line = "iscsiswiconfig --json -removetarget -targetname x -";
    let expected = ["-initiatorname", "-targethostname", "-targetport"];
    assert_eq!(sorted(shells.bash(line)), expected);
    assert_eq!(sorted(shells.fish(line)), expected);
    assert_eq!(sorted(shells.zsh(line)), expected);

    let line = "iscsiswiconfig -appendname -targetname x ";
    assert_eq!(shells.bash(line), [""; 0]);
    assert_eq!(shells.fish(line), [""; 0]);
    assert_eq!(shells.zsh(line), [""; 0]);

    let line = "iscsiswiconfig -reiplscsiop ";
    assert_eq!(shells.bash(line), [""; 0]);
    assert_eq!(shells.fish(line), [""; 0]);
    assert_eq!(shells.zsh(line), [""; 0]);
}

#[test]
fn keystore_choices_are_completed() {
    let shells = Shells::new();
    let line = "iscsiswiconfig -setkeystore -chapkeystore ";
    let expected = ["AVAIL", "NONE", "PLATFORM"];
    assert_eq!(shells.bash(line), expected);
    assert_eq!(sorted(shells.fish(line)), expected);
    assert_eq!(shells.zsh(line), expected);
}

#[test]
fn a_secret_is_never_completed() {
    let shells = Shells::new();
    let line = "iscsiswiconfig -newname -initiatorchapsecret ";
    assert_eq!(shells.bash(line), [""; 0]);
    assert_eq!(shells.fish(line), [""; 0]);
    assert_eq!(shells.zsh(line), [""; 0]);
}

#[test]
fn commands_and_host_options_are_completed() {
    let shells = Shells::new();
    assert_eq!(shells.bash("iscsiswiconfig gen"), ["generate"]);
    assert_eq!(shells.bash("iscsiswiconfig generate b"), ["bash"]);
    assert_eq!(shells.bash("iscsiswiconfig --st"), ["--state-dir"]);
    assert_eq!(shells.fish("iscsiswiconfig generate b"), ["bash"]);
    assert_eq!(shells.fish("iscsiswiconfig --st"), ["--state-dir"]);
    assert!(
        shells
            .zsh("iscsiswiconfig generate ")
            .contains(&"bash".to_owned())
    );
}

#[test]
fn bash_completes_alike_whatever_ifs_is() {
    let shells = Shells::new();
    let state = shells.state_dir();
    for line in [
        "iscsiswiconfig -dump".to_owned(),
        "iscsiswiconfig -removetarget -targetname x -".to_owned(),
        "iscsiswiconfig -setkeystore -chapkeystore ".to_owned(),
        "iscsiswiconfig partition set --".to_owned(),
        format!("iscsiswiconfig --state-dir {state} -removetarget -targetname iqn.2"),
    ] {
        let expected = shells.bash(&line);
        assert!(!expected.is_empty(), "{line}");
        for ifs in ["", ":", "-", "a", "\n"] {
            assert_eq!(shells.bash_with(&line, ifs), expected, "{line} {ifs:?}");
        }
    }
}

#[test]
fn a_command_of_a_command_has_its_own_options() {
    let shells = Shells::new();
    let line = "iscsiswiconfig --json partition ";
    for words in [shells.bash(line), shells.fish(line), shells.zsh(line)] {
        for word in ["show", "set", "export", "import", "--state-dir"] {
            assert!(
                words.iter().any(|offered| offered == word),
                "{word}: {words:?}"
            );
        }
        assert!(
            !words.iter().any(|offered| offered == "--uuid"),
            "{words:?}"
        );
    }
    let line = "iscsiswiconfig partition set --";
    for words in [shells.bash(line), shells.fish(line), shells.zsh(line)] {
        for word in [
            "--uuid",
            "--release",
            "--keystore-size",
            "--move-to-disk",
            "--json",
        ] {
            assert!(
                words.iter().any(|offered| offered == word),
                "{word}: {words:?}"
            );
        }
        for word in ["--passphrase-file", "--timeout"] {
            assert!(
                !words.iter().any(|offered| offered == word),
                "{word}: {words:?}"
            );
        }
    }
}

#[test]
fn values_of_options_are_completed() {
    let shells = Shells::new();
    for (line, expected) in [
        (
            "partition set --release ",
            &["7.2", "7.3", "7.4", "7.5", "7.6"][..],
        ),
        ("partition set --keystore-size ", &["4096", "64KiB"]),
        (
            "vtl --drive-type ",
            &["LTO5", "LTO6", "LTO7", "LTO8", "LTO9"],
        ),
        ("vtl --cartridge-size ", &["100MB", "10GiB", "1GiB"]),
    ] {
        let line = format!("iscsiswiconfig {line}");
        assert_eq!(sorted(shells.bash(&line)), expected, "bash: {line}");
        assert_eq!(sorted(shells.fish(&line)), expected, "fish: {line}");
        assert_eq!(sorted(shells.zsh(&line)), expected, "zsh: {line}");
    }
}

#[test]
fn files_are_completed_where_one_is_named() {
    let shells = Shells::new();
    let file = shells.home.path().join("moved.age");
    fs::write(&file, "").unwrap();
    let typed = shells.home.path().join("mov");
    for before in [
        "--secret-file",
        "partition export",
        "partition import --passphrase-file",
        "vtl --chap-secret-file",
    ] {
        let line = format!("iscsiswiconfig {before} {}", typed.display());
        let expected = [file.display().to_string()];
        assert_eq!(shells.bash(&line), expected, "bash: {line}");
        assert_eq!(shells.fish(&line), expected, "fish: {line}");
        assert_eq!(shells.zsh(&line), ["directories"], "zsh: {line}");
    }
}

#[test]
fn devices_and_volumes_of_the_last_re_ipl_are_completed_in_their_places() {
    let portal = Portal::serving([Target::new(TARGET_NAME).library(DriveType::Lto5, 2, 8, 2)]);
    let shells = Shells::new();
    let run = |line: &str| {
        let output = shells
            .command(env!("CARGO_BIN_EXE_iscsiswiconfig"))
            .args(["-q", "--state-dir", &shells.state_dir()])
            .args(line.split(' '))
            .output()
            .unwrap();
        assert!(output.status.success(), "{line}: {output:?}");
    };
    run("-clearconfig");
    run(&format!(
        "-addtarget -initiatorname {INITIATOR_NAME} -targethostname 127.0.0.1 -targetname {TARGET_NAME} -targetport {}",
        portal.port()
    ));
    run("-reipliscsiop");
    run("library mount TAPMLB01 VOL002 --drive TAP02");
    run("-reipliscsiop");
    let before = format!("iscsiswiconfig --state-dir {}", shells.state_dir());
    for (words, expected) in [
        ("tape status TAP", &["TAP01", "TAP02", "TAPMLB01"][..]),
        ("tape write TAP", &["TAPMLB01"]),
        ("tape write --overwrite TAP", &["TAPMLB01"]),
        ("library unmount TAPMLB01 V", &["VOL002L5"]),
        (
            "library mount TAPMLB01 VOL001 --drive TAP",
            &["TAP01", "TAP02"],
        ),
        ("library TAP", &["TAPMLB01"]),
        ("d-mode iqn", &[TARGET_NAME]),
        ("d-mode --mount TAP", &["TAPMLB01"]),
        ("d-mode --mount TAPMLB01 V", &["VOL002L5"]),
        ("d-mode --mount TAPMLB01 VOL002 --rel", &["--release"]),
        ("mtx -f TAP", &["TAPMLB01"]),
        ("mtx -f TAPMLB01 un", &["unload"]),
        ("tape copy TAPMLB01:", &["TAPMLB01:VOL002L5"]),
        ("tape copy old.tap TAP", &["TAPMLB01:VOL002L5"]),
    ] {
        let line = format!("{before} {words}");
        let typed = words.rsplit(' ').next().unwrap();
        let fitting = |offered: Vec<String>| -> Vec<String> {
            let mut offered: Vec<_> = offered
                .into_iter()
                .filter(|word| word.starts_with(typed))
                .collect();
            offered.sort();
            offered
        };
        assert_eq!(fitting(shells.fish(&line)), expected, "fish: {words}");
        assert_eq!(fitting(shells.zsh(&line)), expected, "zsh: {words}");
        if !expected.contains(&TARGET_NAME) && !typed.contains(':') {
            assert_eq!(fitting(shells.bash(&line)), expected, "bash: {words}");
        }
    }
    // Of a word with a colon readline replaces what is behind it.
    let line = format!("{before} tape copy TAPMLB01:V");
    assert_eq!(shells.bash(&line), ["VOL002L5"]);
    let line = format!("{before} mtx ");
    for offered in [shells.bash(&line), shells.fish(&line), shells.zsh(&line)] {
        for word in ["-f", "status", "transfer"] {
            assert!(
                offered.iter().any(|offered| offered == word),
                "{word}: {offered:?}"
            );
        }
    }
    // A side of a copy is a file as well.
    fs::write(shells.home.path().join("old.tap"), "").unwrap();
    let file = shells.home.path().join("old.tap").display().to_string();
    let line = format!("{before} tape copy {}", &file[..file.len() - 1]);
    assert_eq!(shells.bash(&line), [file.as_str()]);
    assert_eq!(shells.fish(&line), [file.as_str()]);
    assert_eq!(shells.zsh(&line)[0], "directories");
    // What is written comes from a file, behind library and volume.
    fs::write(shells.home.path().join("data"), "").unwrap();
    let file = shells.home.path().join("data").display().to_string();
    let line = format!(
        "{before} tape write TAPMLB01 VOL001 {}",
        &file[..file.len() - 1]
    );
    assert_eq!(shells.bash(&line), [file.as_str()]);
    assert_eq!(shells.fish(&line), [file.as_str()]);
    assert_eq!(shells.zsh(&line)[0], "directories");
}

/// Returns a page as a formatter shows it on a terminal of that width, without the marks of bold and italic type.
fn rendered(page: &str, program: &str, width: u32) -> String {
    let page = in_repository(page);
    let mut command = Command::new(program);
    match program {
        "groff" => command.args(["-man", "-Tascii", "-P-cbou", &format!("-rLL={width}n")]),
        _ => command.args(["-Tascii", "-O", &format!("width={width}")]),
    };
    let output = command
        .arg(page)
        .output()
        .expect("groff and mandoc are installed");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut plain = String::new();
    for character in text.chars() {
        match character {
            '\u{8}' => drop(plain.pop()),
            character => plain.push(character),
        }
    }
    plain
}

#[test]
fn no_word_that_begins_with_a_dash_is_broken_on_the_man_pages() {
    let words = |text: &str| -> Vec<String> {
        text.split_whitespace()
            .map(|word| {
                word.trim_matches(['[', ']', '{', '}', ',', '.', ';', ':', '"', '\'', '(', ')'])
            })
            .filter(|word| word.starts_with('-') && word.len() > 1)
            .map(str::to_owned)
            .collect()
    };
    for (page, least) in [(PAGE, 150), ("man/iscsiswiconfig-json.5", 10)] {
        for program in ["groff", "mandoc"] {
            // As wide as this nothing is broken.
            let mut whole = words(&rendered(page, program, 900));
            whole.sort();
            assert!(whole.len() > least, "{page}");
            for width in [60, 80, 120] {
                let text = rendered(page, program, width);
                let mut shown = words(&text);
                shown.sort();
                assert_eq!(shown, whole, "{page}: {program} at {width}");
            }
        }
    }
}

#[test]
fn the_examples_of_the_man_page_fit_80_columns() {
    for program in ["groff", "mandoc"] {
        let text = rendered(PAGE, program, 80);
        let (_, examples) = text.split_once("EXAMPLES").unwrap();
        let (examples, _) = examples.split_once("NOTES").unwrap();
        assert!(examples.contains("iscsiswiconfig -addtarget"), "{examples}");
        for line in examples.lines() {
            assert!(line.len() <= 80, "{program}: {line}");
        }
    }
}

#[test]
fn the_state_directory_is_completed_with_directories() {
    let shells = Shells::new();
    fs::create_dir(shells.home.path().join("elsewhere")).unwrap();
    let typed = shells.home.path().join("else");
    let line = format!("iscsiswiconfig --state-dir {}", typed.display());
    assert_eq!(shells.bash(&line), [format!("{}where", typed.display())]);
    assert_eq!(shells.fish(&line), [format!("{}where/", typed.display())]);
    assert_eq!(shells.zsh(&line), ["directories"]);
}

#[test]
fn configured_names_are_completed_from_the_state_directory_on_the_line() {
    let shells = Shells::new();
    let state = shells.state_dir();
    for option in [
        format!("--state-dir {state}"),
        format!("--state-dir={state}"),
    ] {
        let line = |words: &str| format!("iscsiswiconfig {option} -removetarget {words} ");
        for (word, name) in [("-targetname", TARGET_NAME), ("-targethostname", HOST_NAME)] {
            assert_eq!(shells.bash(&line(word)), [name]);
            assert_eq!(shells.fish(&line(word)), [name]);
            assert_eq!(shells.zsh(&line(word)), [name]);
        }
        let line = line("-initiatorname");
        assert_eq!(shells.bash(&line), ["\\*GENERATE", INITIATOR_NAME]);
        assert_eq!(sorted(shells.fish(&line)), ["*GENERATE", INITIATOR_NAME]);
        assert_eq!(shells.zsh(&line), ["*GENERATE", INITIATOR_NAME]);
    }
    assert_eq!(
        shells.bash("iscsiswiconfig -removetarget -targetname "),
        [""; 0]
    );
}

#[test]
fn bash_completes_a_name_behind_its_colons() {
    let shells = Shells::new();
    let state = shells.state_dir();
    let line = |typed: &str| {
        format!("iscsiswiconfig --state-dir {state} -removetarget -targetname {typed}")
    };
    assert_eq!(shells.bash(&line("iqn.2")), [TARGET_NAME]);
    assert_eq!(shells.bash(&line("iqn.2000-03.com.xyz:")), ["vtl.demo:1"]);
    assert_eq!(shells.bash(&line("iqn.2000-03.com.xyz:vt")), ["vtl.demo:1"]);
    assert_eq!(shells.bash(&line("iqn.2000-03.com.xyz:vtl.demo:")), ["1"]);
    assert_eq!(shells.bash(&line("'iqn.2000-03.com.xyz:vt")), [TARGET_NAME]);
    let next = format!("{} ", line(TARGET_NAME));
    assert_eq!(
        shells.bash(&next),
        ["-initiatorname", "-targethostname", "-targetport"]
    );
}

#[test]
fn bash_quotes_the_asterisk() {
    let shells = Shells::new();
    let line = "iscsiswiconfig -addtarget -initiatorname ";
    assert_eq!(shells.bash(line), ["\\*GENERATE"]);
    assert_eq!(shells.bash(&format!("{line}\\*G")), ["\\*GENERATE"]);
    assert_eq!(shells.bash(&format!("{line}'*G")), ["*GENERATE"]);
}
