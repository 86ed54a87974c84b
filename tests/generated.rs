//! The files under man/ and completions/ are what the code generates.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use iscsiswiconfig::cli::{complete, man};
use iscsiswiconfig::render::words::code;

const BASH: &str = "completions/iscsiswiconfig.bash";
const ZSH: &str = "completions/_iscsiswiconfig";
const FISH: &str = "completions/iscsiswiconfig.fish";

fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn assert_generated(path: &str, what: &str, generated: &str) {
    let file = in_repository(path);
    let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{path}: {error}"));
    assert!(
        text == generated,
        "{path} is not what the code generates; run: cargo run -q -- generate {what} > {path}"
    );
}

#[test]
fn the_man_page_is_what_the_code_generates() {
    assert_generated("man/iscsiswiconfig.1", "man", &man::page(&code::listed()));
}

#[test]
fn the_completion_scripts_are_what_the_code_generates() {
    assert_generated(BASH, "bash", &complete::bash());
    assert_generated(ZSH, "zsh", &complete::zsh());
    assert_generated(FISH, "fish", &complete::fish());
}

#[test]
fn generate_prints_the_checked_in_file() {
    let files = [
        ("man", "man/iscsiswiconfig.1"),
        ("bash", BASH),
        ("zsh", ZSH),
        ("fish", FISH),
    ];
    for (what, path) in files {
        let output = Command::new(env!("CARGO_BIN_EXE_iscsiswiconfig"))
            .args(["generate", what])
            .output()
            .unwrap();
        assert!(output.status.success(), "generate {what}: {output:?}");
        assert_eq!(
            output.stdout,
            fs::read(in_repository(path)).unwrap(),
            "generate {what}"
        );
    }
}
