//! Every document that a test sees is one of the schema's, with no field and no code that the schema does not have.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use iscsiswiconfig::commands::schema::schema;
use jsonschema::Validator;
use serde_json::{Deserializer, Value, json};

const DEFINITIONS: &str = "#/$defs/";

/// The documents by their names, closed: what the schema does not name is an error.
static DOCUMENTS: LazyLock<Vec<(String, Validator)>> = LazyLock::new(|| {
    let schema = closed(schema());
    let references = schema["anyOf"].as_array().expect("references to documents");
    references
        .iter()
        .map(|reference| {
            let document = json!({
                "$schema": schema["$schema"],
                "$ref": reference["$ref"],
                "$defs": schema["$defs"],
            });
            let validator = jsonschema::validator_for(&document).expect("a JSON Schema");
            let name = reference["$ref"].as_str().expect("a reference");
            (name.replace(DEFINITIONS, ""), validator)
        })
        .collect()
});

/// Fails unless each document in the text is one of the schema's.
pub fn assert_documents(text: &str) {
    for document in documents(text) {
        if let Err(faults) = check(&document) {
            panic!("not what `generate schema` has: {faults}\n{document:#}");
        }
    }
}

/// Returns the name of the document, or what is wrong with it by the definition that it is most like.
pub fn check(document: &Value) -> Result<&'static str, String> {
    let mut nearest: Option<(&str, Vec<String>)> = None;
    for (name, validator) in DOCUMENTS.iter() {
        let faults: Vec<String> = validator
            .iter_errors(document)
            .map(|fault| format!("{}: {fault}", fault.instance_path()))
            .collect();
        if faults.is_empty() {
            return Ok(name);
        }
        if nearest
            .as_ref()
            .is_none_or(|(_, least)| faults.len() < least.len())
        {
            nearest = Some((name, faults));
        }
    }
    let (name, faults) = nearest.expect("the schema has documents");
    Err(format!("as {name}: {}", faults.join("; ")))
}

/// Returns the documents of a stream, each at the beginning of a line; records of the state have another form.
fn documents(text: &str) -> Vec<Value> {
    let mut found = Vec::new();
    let mut rest = text;
    loop {
        match rest.find('{') {
            Some(0) => {}
            Some(_) => match rest.find("\n{") {
                Some(end) => rest = &rest[end + 1..],
                None => return found,
            },
            None => return found,
        }
        let mut stream = Deserializer::from_str(rest).into_iter::<Value>();
        let behind = match stream.next() {
            Some(Ok(document)) => {
                if document["schema"].is_u64() && document.get("record").is_none() {
                    found.push(document);
                }
                stream.byte_offset()
            }
            _ => 1,
        };
        rest = &rest[behind..];
    }
}

/// Closes every object, and makes the examples of a code all that there are.
fn closed(mut schema: Value) -> Value {
    let mut extended = BTreeSet::new();
    find_extended(&schema, &mut extended);
    let definitions = schema["$defs"].as_object_mut().expect("definitions");
    for (name, definition) in definitions {
        close(definition, extended.contains(name));
    }
    schema
}

/// Finds the definitions that are part of an object with more fields: the whole is closed, and not the part.
fn find_extended(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(members) => {
            if let (Some(Value::String(reference)), true) =
                (members.get("$ref"), members.contains_key("properties"))
            {
                found.insert(reference.replace(DEFINITIONS, ""));
            }
            for member in members.values() {
                find_extended(member, found);
            }
        }
        Value::Array(members) => {
            for member in members {
                find_extended(member, found);
            }
        }
        _ => {}
    }
}

fn close(schema: &mut Value, is_part: bool) {
    let Value::Object(members) = schema else {
        return;
    };
    if let Some(codes) = members.remove("examples") {
        members.insert("enum".to_owned(), codes);
    }
    let has_fields = members.contains_key("properties");
    for (key, member) in members.iter_mut() {
        match (key.as_str(), member) {
            ("oneOf" | "anyOf" | "allOf", Value::Array(forms)) => {
                for form in forms {
                    close(form, is_part || has_fields);
                }
            }
            ("properties", Value::Object(properties)) => {
                for property in properties.values_mut() {
                    close(property, false);
                }
            }
            ("items", items) => close(items, false),
            _ => {}
        }
    }
    if has_fields && !is_part {
        members.insert("unevaluatedProperties".to_owned(), Value::Bool(false));
    }
}

#[test]
fn a_field_or_a_code_without_a_schema_is_found() {
    let document = json!({"schema": 1, "error": {"status": 2, "code": "missing-value", "message": "", "hints": []},
        "warnings": []});
    assert_eq!(check(&document), Ok("Error"));
    for (pointer, key, value) in [
        ("", "colour", json!("blue")),
        ("", "schema", json!(2)),
        ("/error", "colour", json!("blue")),
        ("/error", "code", json!("struck-by-lightning")),
        ("/error", "status", json!("2")),
    ] {
        let mut document = document.clone();
        document.pointer_mut(pointer).unwrap()[key] = value;
        assert!(check(&document).is_err(), "{document}");
    }
    let mut document = document.clone();
    document.as_object_mut().unwrap().remove("warnings");
    assert!(check(&document).is_err());
}

#[test]
fn the_schema_is_one_and_no_document_is_two() {
    jsonschema::meta::validate(&schema()).unwrap();
    let error = json!({"schema": 1, "error": {"status": 1, "code": "lock-held", "message": "", "hints": []},
        "warnings": []});
    let fitting = DOCUMENTS
        .iter()
        .filter(|(_, validator)| validator.is_valid(&error));
    assert_eq!(fitting.count(), 1);
}

#[test]
fn documents_are_found_among_other_lines() {
    let text = "! a {line}\n{\"schema\": 1,\n \"a\": {}}\n{\"schema\": 2, \"record\": {}}\nx\n{\"schema\": 3}\n{broken\n";
    let schemas: Vec<_> = documents(text)
        .iter()
        .map(|document| document["schema"].clone())
        .collect();
    assert_eq!(schemas, [json!(1), json!(3)]);
}
