//! The man page of the documents, from their JSON Schema.

use roff::{Roff, bold, roman};
use serde_json::{Map, Value};

use super::man::{prose, section};

/// When the wording below last changed; the page must not differ from one build to the next.
const DATE: &str = "2026-11-26";

const DEFINITIONS: &str = "#/$defs/";

/// Returns the man page iscsiswiconfig-json(5), in roff: every document of a JSON Schema (draft 2020-12), every part of one, and
/// every field with its type and meaning. `input` are the definitions of documents that are read.
#[must_use]
pub fn page(schema: &Value, input: &[&str]) -> String {
    let version = concat!("iscsiswiconfig ", env!("CARGO_PKG_VERSION"));
    let mut page = Roff::new();
    page.control(
        "TH",
        [
            "ISCSISWICONFIG-JSON",
            "5",
            DATE,
            version,
            "File Formats Manual",
        ],
    );
    // As in iscsiswiconfig(1): a word that begins with a dash is never broken.
    page.control("nh", []);
    page.control("ad", ["l"]);
    page.control("SH", ["NAME"]);
    page.text([roman(
        "iscsiswiconfig-json - the documents that iscsiswiconfig prints and reads",
    )]);
    section(
        &mut page,
        "DESCRIPTION",
        &[
            "With --json, a call of iscsiswiconfig prints one JSON document on standard output, or on standard error where \
             standard output has the data of a tape or the replies of rmt. vtl and iop run, which go on until they are stopped, print a document on a \
             line for each event. \"iscsiswiconfig generate schema\" prints a JSON Schema of all of them; this page is made from it.",
            &text(schema),
            "In a document that is printed, a field is always there unless it is said to be absent at times; what is not known is null. Times are RFC 3339, in \
             UTC. Codes are listed in iscsiswiconfig(1). The exit status and standard error are the same with --json and \
             without. No document holds a secret.",
        ],
    );
    let definitions = schema.get("$defs").and_then(Value::as_object);
    let Some(definitions) = definitions else {
        return page.render();
    };
    let documents: Vec<&str> = members(schema, "anyOf").filter_map(referenced).collect();
    page.control("SH", ["DOCUMENTS"]);
    for name in &documents {
        definition(&mut page, name, definitions);
    }
    page.control("SH", ["DOCUMENTS THAT ARE READ"]);
    for name in input {
        definition(&mut page, name, definitions);
    }
    page.control("SH", ["PARTS OF DOCUMENTS"]);
    for name in definitions.keys() {
        if !documents.contains(&name.as_str()) && !input.contains(&name.as_str()) {
            definition(&mut page, name, definitions);
        }
    }
    page.control("SH", ["SEE ALSO"]);
    page.text([
        bold("iscsiswiconfig"),
        roman("(1), "),
        bold("jq"),
        roman("(1)"),
    ]);
    page.render()
}

/// Adds a document or a part of one: its meaning, then its fields, the fields of each of its forms, or its values.
fn definition(page: &mut Roff, name: &str, definitions: &Map<String, Value>) {
    let Some(definition) = definitions.get(name) else {
        return;
    };
    page.control("SS", [name]);
    prose(page, &text(definition));
    fields(page, definition);
    for form in members(definition, "oneOf").chain(members(definition, "anyOf")) {
        match form.get("const").and_then(Value::as_str) {
            Some(value) => {
                page.control("TP", []);
                page.text([bold(value)]);
                prose(page, &text(form));
            }
            None if form.get("properties").is_some() => {
                page.control("PP", []);
                prose(page, &format!("One form: {}", text(form)));
                page.control("RS", []);
                fields(page, form);
                page.control("RE", []);
            }
            None => {
                page.control("TP", []);
                page.text([bold(kind(form))]);
                prose(page, &text(form));
            }
        }
    }
    for value in members(definition, "enum").filter_map(Value::as_str) {
        page.control("TP", []);
        page.text([bold(value)]);
    }
}

/// Adds the fields of an object: those that are always there in the order in which they are printed, then the others.
fn fields(page: &mut Roff, object: &Value) {
    let Some(properties) = object.get("properties").and_then(Value::as_object) else {
        return;
    };
    let required: Vec<&str> = members(object, "required")
        .filter_map(Value::as_str)
        .collect();
    let others = properties
        .keys()
        .map(String::as_str)
        .filter(|name| !required.contains(name));
    for name in required.iter().copied().chain(others) {
        let Some(property) = properties.get(name) else {
            continue;
        };
        let absent = match required.contains(&name) {
            true => "",
            false => "; absent at times",
        };
        page.control("TP", []);
        page.text([bold(name), roman(format!(" ({}{absent})", kind(property)))]);
        let meaning = text(property);
        if !meaning.is_empty() {
            prose(page, &meaning);
        }
    }
    // What an object of another definition has beside these.
    if let Some(name) = referenced(object) {
        page.control("PP", []);
        prose(page, &format!("and the fields of {name}."));
    }
}

/// Returns the type of a value in words.
fn kind(schema: &Value) -> String {
    if let Some(value) = schema.get("const") {
        return match value.as_str() {
            Some(text) => format!("always {text}"),
            None => format!("always {value}"),
        };
    }
    if let Some(name) = referenced(schema) {
        return name.to_owned();
    }
    let forms: Vec<String> = members(schema, "anyOf").map(kind).collect();
    if !forms.is_empty() {
        return forms.join(" or ");
    }
    let one = |word: &str| match word {
        "array" => match schema.get("items") {
            Some(items) => format!("array of {}", kind(items)),
            None => "array".to_owned(),
        },
        "boolean" => "true or false".to_owned(),
        word => word.to_owned(),
    };
    match schema.get("type") {
        Some(Value::String(word)) => one(word),
        Some(Value::Array(words)) => {
            let words = words.iter().filter_map(Value::as_str).map(one);
            words.collect::<Vec<_>>().join(" or ")
        }
        _ => "any value".to_owned(),
    }
}

/// Returns the name of the definition that a schema refers to.
fn referenced(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()?.strip_prefix(DEFINITIONS)
}

fn members<'a>(schema: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    schema
        .get(key)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

/// Returns the description of a schema as running text.
fn text(schema: &Value) -> String {
    let description = schema.get("description").and_then(Value::as_str);
    let words: Vec<&str> = description.unwrap_or_default().split_whitespace().collect();
    words.join(" ").replace('`', "")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_type_is_told_in_words() {
        for (schema, words) in [
            (json!({"type": "boolean"}), "true or false"),
            (
                json!({"type": ["integer", "null"], "minimum": 0}),
                "integer or null",
            ),
            (
                json!({"type": "array", "items": {"$ref": "#/$defs/Drive"}}),
                "array of Drive",
            ),
            (
                json!({"anyOf": [{"$ref": "#/$defs/Chap"}, {"type": "null"}]}),
                "Chap or null",
            ),
            (json!({"type": "integer", "const": 1}), "always 1"),
            (json!(true), "any value"),
        ] {
            assert_eq!(kind(&schema), words);
        }
    }

    #[test]
    fn documents_come_before_their_parts_and_say_which_fields_may_be_absent() {
        let schema = json!({
            "description": "It only gains fields.",
            "anyOf": [{"$ref": "#/$defs/Zebra"}],
            "$defs": {
                "Animal": {"description": "A part.", "oneOf": [{"const": "cat", "description": "Purrs."}]},
                "Zebra": {
                    "description": "A document.",
                    "properties": {
                        "stripes": {"type": "integer", "description": "How many."},
                        "friend": {"$ref": "#/$defs/Animal", "description": "Its friend."}
                    },
                    "required": ["stripes"]
                },
                "Meadow": {"description": "What is read."}
            }
        });
        let page = page(&schema, &["Meadow"]);
        let places: Vec<usize> = [
            "It only gains fields.",
            ".SS Zebra",
            "\\fBstripes\\fR (integer)",
            "\\fBfriend\\fR (Animal; absent at times)",
            ".SH \"DOCUMENTS THAT ARE READ\"",
            ".SS Meadow",
            ".SH \"PARTS OF DOCUMENTS\"",
            ".SS Animal",
            "\\fBcat\\fR",
            "Purrs.",
        ]
        .iter()
        .map(|text| page.find(text).unwrap_or_else(|| panic!("{text}: {page}")))
        .collect();
        assert!(places.is_sorted(), "{places:?}: {page}");
    }
}
