//! The OpenAPI document as a judge of answers.

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::Value;

use crate::server::{Answer, Server};

/// Where the document lies for the validator.
const PLACE: &str = "http://engine/openapi.json";

/// The document as it is served, and the validator of its schemas.
pub struct Document {
    pub json: Value,
    schemas: Schemas,
    compiler: Compiler,
}

impl Document {
    pub async fn of(server: &Server) -> Document {
        Document::new(server.found("/openapi.json").await)
    }

    pub fn new(json: Value) -> Document {
        let mut compiler = Compiler::new();
        compiler.set_default_draft(boon::Draft::V2020_12);
        compiler.add_resource(PLACE, json.clone()).unwrap();
        Document { json, schemas: Schemas::new(), compiler }
    }

    /// Every method and path.
    pub fn operations(&self) -> Vec<(String, String)> {
        let paths = self.json["paths"].as_object().unwrap();
        let of = |(path, methods): (&String, &Value)| {
            let path = path.clone();
            let methods: Vec<String> = methods.as_object().unwrap().keys().map(|name| name.to_uppercase()).collect();
            methods.into_iter().map(move |method| (method, path.clone()))
        };
        paths.iter().flat_map(of).collect()
    }

    /// Demands that the answer is one that the document promises for that operation.
    pub fn check(&mut self, method: &str, path: &str, answer: &Answer) {
        let told = format!("{method} {path}: {} {}", answer.status, answer.body);
        let mut place = format!("/paths/{}/{}/responses/{}", escaped(path), method.to_lowercase(), answer.status);
        let response = self.json.pointer(&place).unwrap_or_else(|| panic!("a status that is not promised: {told}"));
        if let Some(elsewhere) = response["$ref"].as_str() {
            place = elsewhere.strip_prefix('#').unwrap().to_owned();
        }
        let media_type = answer.media_type();
        place = format!("{place}/content/{}/schema", escaped(media_type));
        assert!(self.json.pointer(&place).is_some(), "{media_type} is not promised: {told}");
        let body = if media_type.ends_with("json") { answer.json() } else { Value::String(answer.body.clone()) };
        let schema = self.compiled(&place);
        let verdict = self.schemas.validate(&body, schema).map_err(|error| format!("{error:#}"));
        assert_eq!(verdict, Ok(()), "{told}");
    }

    /// Compiles every schema of the document, whether or not anything is checked against it.
    pub fn compile_all(&mut self) {
        let names: Vec<String> = self.json["components"]["schemas"].as_object().unwrap().keys().cloned().collect();
        for name in names {
            self.compiled(&format!("/components/schemas/{name}"));
        }
    }

    fn compiled(&mut self, pointer: &str) -> SchemaIndex {
        // In a fragment, a slash that was escaped is escaped once more, and braces are no characters of a URL.
        let fragment = pointer.replace('{', "%7B").replace('}', "%7D");
        let compiled = self.compiler.compile(&format!("{PLACE}#{fragment}"), &mut self.schemas);
        compiled.unwrap_or_else(|error| panic!("{pointer}: {error:#}"))
    }
}

/// As a token of a JSON pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
