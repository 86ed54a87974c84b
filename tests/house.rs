//! The import rule, held against the code: who may import whom, between the modules of the crate and inside of them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Returns the rule as src/lib.rs draws it: who may import whom.
fn rule() -> Vec<(String, BTreeSet<String>)> {
    let text = fs::read_to_string(Path::new(ROOT).join("src/lib.rs")).unwrap();
    let drawing = text
        .split("```text\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .expect("src/lib.rs draws the import rule in a text block");
    drawing
        .lines()
        .map(|line| line.trim_start_matches("//!").trim())
        .filter(|line| !line.is_empty())
        .flat_map(|line| {
            let (from, to) = line.split_once("->").expect(line);
            let to: BTreeSet<String> = match to.trim() {
                "nothing else in the crate" => BTreeSet::new(),
                list => names(list),
            };
            names(from).into_iter().map(move |from| (from, to.clone()))
        })
        .collect()
}

fn names(list: &str) -> BTreeSet<String> {
    list.split(',').map(|name| name.trim().to_owned()).collect()
}

fn sources(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let mut files: Vec<PathBuf> = fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir() || path.extension().is_some_and(|kind| kind == "rs"))
        .flat_map(|path| sources(&path))
        .collect();
    files.sort();
    files
}

/// Returns the modules of the crate that a file names behind `crate::` or `iscsiswiconfig::`, in braces too.
fn imported(source: &str) -> BTreeSet<String> {
    let code: String = source
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n");
    let mut found = BTreeSet::new();
    for start in ["crate::", "iscsiswiconfig::"] {
        for rest in code.split(start).skip(1) {
            let rest = rest.trim_start();
            if let Some(group) = rest.strip_prefix('{') {
                // The first word of each member of the outermost braces.
                let (mut depth, mut member) = (1, String::new());
                for character in group.chars() {
                    match character {
                        '{' => depth += 1,
                        '}' => depth -= 1,
                        ',' if depth == 1 => {
                            found.insert(first_word(&member));
                            member.clear();
                            continue;
                        }
                        _ => {}
                    }
                    if depth == 0 {
                        break;
                    }
                    member.push(character);
                }
                found.insert(first_word(&member));
            } else {
                found.insert(first_word(rest));
            }
        }
    }
    found.remove("");
    found
}

fn first_word(text: &str) -> String {
    text.trim()
        .chars()
        .take_while(|character| character.is_alphanumeric() || *character == '_')
        .collect()
}

fn room(module: &str) -> PathBuf {
    let source = Path::new(ROOT).join("src");
    let file = source.join(format!("{module}.rs"));
    if file.exists() {
        file
    } else {
        source.join(module)
    }
}

#[test]
fn every_module_imports_only_what_the_drawing_allows() {
    let mut broken = Vec::new();
    for (module, allowed) in rule() {
        for file in sources(&room(&module)) {
            for import in imported(&fs::read_to_string(&file).unwrap()) {
                if import != module && !allowed.contains(&import) {
                    broken.push(format!("{} imports {import}", file.display()));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// Modules inside of one module that never import each other: the two roles share what lies beside them.
const APART: [(&str, &str); 3] = [
    ("iscsi/initiator", "iscsi::target"),
    ("iscsi/target", "iscsi::initiator"),
    ("iop/config", "iop::store"),
];

#[test]
fn what_is_apart_inside_of_a_module_stays_apart() {
    for (module, other) in APART {
        let (parent, name) = other.split_once("::").unwrap();
        for file in sources(&room(module)) {
            let code = code_of(&file);
            for path in [
                format!("crate::{other}"),
                format!("super::{name}"),
                format!("crate::{parent}::{{{name}"),
            ] {
                assert!(!code.contains(&path), "{} imports {path}", file.display());
            }
        }
    }
}

/// The listener knows what a command is, and not what executes it; the library knows no listener outside of its backend.
#[test]
fn the_listener_and_the_library_meet_in_the_backend_alone() {
    for file in sources(&room("transport")) {
        assert!(
            !code_of(&file).contains("crate::vtl"),
            "{} imports vtl",
            file.display()
        );
    }
    for file in sources(&room("vtl")) {
        let code = code_of(&file);
        assert!(
            file.ends_with("vtl/backend.rs") || !code.contains("transport::"),
            "{} imports the transport",
            file.display()
        );
    }
}

/// Returns a file without its comments.
fn code_of(file: &Path) -> String {
    fs::read_to_string(file)
        .unwrap()
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn the_drawing_has_every_module_of_the_crate_once() {
    let text = fs::read_to_string(Path::new(ROOT).join("src/lib.rs")).unwrap();
    let modules: BTreeSet<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .map(str::to_owned)
        .chain(["main".to_owned()])
        .collect();
    let drawn: Vec<String> = rule().into_iter().map(|(module, _)| module).collect();
    assert_eq!(drawn.iter().cloned().collect::<BTreeSet<_>>(), modules);
    assert_eq!(drawn.len(), modules.len(), "drawn twice: {drawn:?}");
    for module in modules {
        assert!(
            module == "main" || text.contains(&format!("| [`{module}`] |")),
            "{module} is missing in the table"
        );
    }
}

#[test]
fn the_network_runtime_is_named_in_transport_only() {
    let transport = Path::new(ROOT).join("src/transport");
    for file in sources(&Path::new(ROOT).join("src")) {
        let inside = file.starts_with(&transport);
        let text = code_of(&file);
        assert!(
            inside || !text.contains("tokio::"),
            "{} uses tokio",
            file.display()
        );
    }
}

#[test]
fn an_import_is_found_in_every_form() {
    let source = "use crate::iop::store::Store;\nuse crate::{\n    cli::{self, Help},\n    error,\n};\n// crate::transport\nlet x = crate::scsi::Cdb;";
    let found: Vec<String> = imported(source).into_iter().collect();
    assert_eq!(found, ["cli", "error", "iop", "scsi"]);
}
