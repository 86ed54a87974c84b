//! `generate schema`: one JSON Schema of every document, derived from the types that are printed.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Value, json};

use super::configured::WantedDocument;
use super::iop_event::IopLine;
use super::vtl_event::VtlEvent;
use crate::render::check::CheckDocument;
use crate::render::configured::{AppliedDocument, ConfiguredDocument};
use crate::render::d_mode::DModeDocument;
use crate::render::discover::DiscoveredDocument;
use crate::render::iop::{IopStatusDocument, IopStoppedDocument};
use crate::render::json::{ActiveDocument, EditDocument, ErrorDocument, WithWarnings};
use crate::render::library::LibrariesDocument;
use crate::render::partition::PartitionDocument;
use crate::render::sql::ResultsDocument;
use crate::render::trace::TraceLine;

/// What schema 1 promises.
const PROMISE: &str = "What iscsiswiconfig prints with --json: a document is one of these. WantedTargets is what apply reads. Schema 1 only gains fields and codes: a reader \
     ignores fields that it does not know, and takes a code that it does not know for one more of its kind. What is here keeps its \
     name, type, unit and meaning.";

/// The definitions of the documents that are read and never printed.
pub const INPUT_DOCUMENTS: [&str; 1] = ["WantedTargets"];

/// The documents, and the definitions that they are made of.
pub(super) struct Documents {
    generator: SchemaGenerator,
    references: Vec<Value>,
}

impl Documents {
    /// Adds a document that is printed with its warnings.
    pub(super) fn document<T: JsonSchema + 'static>(&mut self) {
        self.line::<WithWarnings<'static, T>>();
    }

    /// Adds a document that is a line of its own, without warnings.
    pub(super) fn line<T: JsonSchema>(&mut self) {
        let reference = self.generator.subschema_for::<T>();
        self.references.push(reference.to_value());
    }
}

/// Returns the JSON Schema (draft 2020-12) of every document: a definition for each, any of which a document may be.
#[must_use]
pub fn schema() -> Value {
    let mut documents = Documents {
        generator: SchemaSettings::draft2020_12()
            .for_serialize()
            .into_generator(),
        references: Vec::new(),
    };
    documents.document::<ActiveDocument<'static>>();
    documents.document::<EditDocument<'static>>();
    documents.document::<ErrorDocument<'static>>();
    documents.document::<ConfiguredDocument<'static>>();
    documents.document::<AppliedDocument<'static>>();
    documents.document::<PartitionDocument<'static>>();
    documents.document::<DModeDocument<'static>>();
    documents.document::<DiscoveredDocument>();
    documents.document::<CheckDocument<'static>>();
    documents.document::<LibrariesDocument<'static>>();
    documents.document::<IopStatusDocument<'static>>();
    documents.document::<IopStoppedDocument>();
    super::tape::describe(&mut documents);
    documents.document::<ResultsDocument<'static>>();
    documents.line::<VtlEvent>();
    documents.line::<IopLine<'static>>();
    documents.line::<TraceLine<'static>>();
    let mut definitions = documents.generator.take_definitions(true);
    // A field that may be left out of what is read is always there in what is printed, so the contract is another.
    let mut read = SchemaSettings::draft2020_12()
        .for_deserialize()
        .into_generator();
    read.subschema_for::<WantedDocument>();
    definitions.extend(read.take_definitions(true));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "iscsiswiconfig, schema 1",
        "description": PROMISE,
        "anyOf": documents.references,
        "$defs": definitions,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls the function with every schema that is one of a property, and with its path.
    fn for_each_property(schema: &Value, path: &str, check: &mut dyn FnMut(&str, &Value)) {
        match schema {
            Value::Object(members) => {
                for (key, member) in members {
                    let path = format!("{path}/{key}");
                    if key == "properties" {
                        for (name, property) in member.as_object().unwrap() {
                            check(&format!("{path}/{name}"), property);
                        }
                    }
                    for_each_property(member, &path, check);
                }
            }
            Value::Array(members) => {
                for (index, member) in members.iter().enumerate() {
                    for_each_property(member, &format!("{path}/{index}"), check);
                }
            }
            _ => {}
        }
    }

    #[test]
    fn every_field_has_a_meaning_in_plain_text() {
        let mut lacking = Vec::new();
        for_each_property(&schema(), "", &mut |path, property| {
            let description = property["description"].as_str().unwrap_or_default();
            // The tag of a variant is told by the variant.
            let is_plain = description.is_ascii() && !description.contains('[');
            if (description.is_empty() && property.get("const").is_none()) || !is_plain {
                lacking.push(path.to_owned());
            }
        });
        assert!(lacking.is_empty(), "{lacking:#?}");
    }

    #[test]
    fn every_definition_has_a_name_of_its_own_and_a_meaning() {
        let schema = schema();
        for (name, definition) in schema["$defs"].as_object().unwrap() {
            let description = definition["description"].as_str().unwrap_or_default();
            assert!(!description.is_empty(), "{name}");
            // Two types of one name have numbers behind it.
            assert!(
                name.chars()
                    .all(|character| character.is_ascii_alphabetic()),
                "{name}"
            );
        }
        assert_eq!(
            schema["$defs"]["Active"]["properties"]["schema"]["const"],
            1
        );
    }

    #[test]
    fn a_document_that_is_read_may_leave_fields_out_and_has_no_other_ones() {
        let schema = schema();
        assert!(
            INPUT_DOCUMENTS
                .iter()
                .all(|name| schema["$defs"].get(name).is_some())
        );
        let target = &schema["$defs"]["WantedTarget"];
        assert_eq!(
            target["required"],
            json!(["target_name", "target_host_name"])
        );
        assert_eq!(target["additionalProperties"], false);
        let printed = schema["anyOf"].to_string();
        assert!(!INPUT_DOCUMENTS.iter().any(|name| printed.contains(name)));
    }

    #[test]
    fn a_document_has_warnings_and_a_line_has_none() {
        let schema = schema();
        let warnings = |name: &str| {
            schema["$defs"][name]["properties"]
                .get("warnings")
                .is_some()
        };
        assert!(warnings("Active") && warnings("Error"));
        assert!(!warnings("VtlEvent"));
    }
}
