//! That the transcripts leave nothing out: every word of both languages, every character that pasting leaves behind.

use std::fs;
use std::path::Path;

use iscsiswiconfig::cli::grammar::{OPTIONS, PARAMETERS};
use iscsiswiconfig::cli::host;
use iscsiswiconfig::values::characters;

use super::{SECRET, transcripts};
use crate::common::TestEnvironment;

#[test]
fn every_word_of_both_languages_is_used() {
    let text = all_text();
    let commands: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("$ "))
        .collect();
    let used = |words: &str| {
        commands
            .iter()
            .any(|command| format!("{command} ").contains(&format!(" {words} ")))
    };
    for spec in OPTIONS {
        for spelling in spec.spellings {
            for form in [
                (*spelling).to_owned(),
                format!("--json {spelling}"),
                format!("{} -help", spec.word()),
            ] {
                assert!(used(&form), "{form}");
            }
        }
        for parameter in spec.parameters() {
            let word = parameter.word();
            let with = |command: &&&str| {
                command.contains(spec.word()) && command.contains(&format!(" {word} "))
            };
            assert!(
                commands.iter().find(with).is_some(),
                "{} {word}",
                spec.word()
            );
        }
    }
    for option in host::definition().get_arguments() {
        let long = option
            .get_long()
            .expect("every host option has a long form");
        assert!(
            used(&format!("--{long}")) || text.contains(&format!(" --{long}=")),
            "--{long}"
        );
        let short = option.get_short();
        assert!(
            short.is_none_or(|short| used(&format!("-{short}"))),
            "{short:?}"
        );
    }
    for command in host::definition().get_subcommands() {
        assert!(used(command.get_name()), "{}", command.get_name());
    }
    assert_eq!(PARAMETERS.len(), 7, "the options above take them all");
}

#[test]
fn every_character_that_pasting_leaves_behind_is_named() {
    let pasted = fs::read_to_string(in_repository("tests/golden/pasted.txt")).unwrap();
    for character in ('\0'..=char::MAX).filter(|character| characters::name(*character).is_some()) {
        let described = characters::describe(character);
        assert!(pasted.contains(&described), "{described}");
    }
}

#[test]
fn every_line_that_a_hint_shows_is_of_the_grammar() {
    let text = all_text();
    let lines: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("!   hint: did you mean: "))
        .collect();
    assert!(lines.len() > 50, "the transcripts are full of such lines");
    for line in lines {
        let environment = TestEnvironment::new();
        let mut command = environment.command_of(Path::new("sh"));
        command.args(["-c", &line.replace("********", SECRET)]);
        let output = environment.finish(command);
        assert!(output.status.code() != Some(2), "{line}\n{output}");
    }
}

#[test]
fn the_secret_stands_on_command_lines_only() {
    let text = all_text().to_ascii_lowercase();
    let secret = SECRET.to_ascii_lowercase();
    let (first, second) = secret.split_at(7);
    for line in text.lines().filter(|line| !line.starts_with("$ ")) {
        assert!(!line.contains(first) && !line.contains(second), "{line}");
    }
}

fn all_text() -> String {
    transcripts()
        .iter()
        .map(|file| fs::read_to_string(file).unwrap())
        .collect()
}

fn in_repository(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
