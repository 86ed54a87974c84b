//! The files under man/ and completions/ are what the code generates.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use iscsiswiconfig::cli::{complete, man, man_json};
use iscsiswiconfig::commands::schema::{INPUT_DOCUMENTS, schema};
use iscsiswiconfig::render::words::{check, code};

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
    assert_generated(
        "man/iscsiswiconfig.1",
        "man",
        &man::page(&code::listed(), &check::listed()),
    );
}

#[test]
fn the_man_page_of_the_documents_is_made_from_their_schema() {
    let page = man_json::page(&schema(), &INPUT_DOCUMENTS);
    assert_generated("man/iscsiswiconfig-json.5", "man-json", &page);
    assert!(page.is_ascii());
    for definition in schema()["$defs"].as_object().unwrap().values() {
        for name in definition["properties"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, _)| name)
        {
            assert!(page.contains(&format!("\\fB{name}\\fR (")), "{name}");
        }
    }
}

#[test]
fn generate_prints_the_schema() {
    let output = Command::new(env!("CARGO_BIN_EXE_iscsiswiconfig"))
        .args(["generate", "schema"])
        .output()
        .unwrap();
    let printed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(printed, schema());
}

#[test]
fn the_completion_scripts_are_what_the_code_generates() {
    assert_generated(BASH, "bash", &complete::bash());
    assert_generated(ZSH, "zsh", &complete::zsh());
    assert_generated(FISH, "fish", &complete::fish());
}

#[test]
fn the_changelog_has_this_version_and_the_package_and_readme_have_every_file() {
    let read = |path: &str| fs::read_to_string(in_repository(path)).unwrap();
    let heading = format!("## {}", env!("CARGO_PKG_VERSION"));
    assert!(read("CHANGELOG.md").lines().any(|line| line == heading));
    let (readme, manifest) = (read("README.md"), read("Cargo.toml"));
    for directory in ["man", "completions"] {
        for entry in fs::read_dir(in_repository(directory)).unwrap() {
            let name = entry.unwrap().file_name();
            let file = format!("{directory}/{}", name.to_str().unwrap());
            assert!(readme.contains(&format!(" {file} /usr/local/")), "{file}");
            assert!(
                manifest.contains(&format!("[\"{file}\", \"usr/share/")),
                "{file}"
            );
        }
    }
}

#[test]
fn generate_prints_the_checked_in_file() {
    let files = [
        ("man", "man/iscsiswiconfig.1"),
        ("man-json", "man/iscsiswiconfig-json.5"),
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
