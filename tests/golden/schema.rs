//! The published schemas say what the engine reads and writes: every fixture is valid, and what is no command is not.

use std::collections::BTreeSet;

use billing_engine::domain::account::Account;
use billing_engine::domain::transaction::Transaction;
use billing_engine::wire::{command, schema};
use regex::Regex;
use serde_json::{Map, Value, json};

use crate::record::Record;
use crate::{commands, events, fixture, replies, transaction_commands, transaction_events};

/// The fixture with what this file's parser cannot hold, a number beyond every double.
const OTHERWISE: &str = "credit-written-otherwise.json";

/// Whether `value` is valid by those keywords of JSON Schema that the published schemas use; panics at any other.
fn is_valid(root: &Value, schema: &Value, value: &Value) -> bool {
    let rules = match schema {
        Value::Bool(valid) => return *valid,
        Value::Object(rules) => rules,
        _ => panic!("no schema: {schema}"),
    };
    rules.iter().all(|(keyword, rule)| match keyword.as_str() {
        "$schema" | "title" | "description" | "$defs" => true,
        "$ref" => is_valid(root, root.pointer(rule.as_str().unwrap().strip_prefix('#').unwrap()).unwrap(), value),
        "oneOf" => list(rule).iter().filter(|schema| is_valid(root, schema, value)).count() == 1,
        "const" => rule == value,
        "enum" => list(rule).contains(value),
        "type" => match rule {
            Value::Array(types) => types.iter().any(|name| is_of_type(name, value)),
            name => is_of_type(name, value),
        },
        "items" => value.as_array().is_none_or(|items| items.iter().all(|item| is_valid(root, rule, item))),
        _ => match value {
            Value::String(text) => is_valid_string(keyword, rule, text),
            Value::Number(number) => is_valid_number(keyword, rule, number.as_f64().unwrap()),
            Value::Object(object) => is_valid_object(root, rules, keyword, object),
            _ => true,
        },
    })
}

fn list(rule: &Value) -> &Vec<Value> {
    rule.as_array().unwrap()
}

fn is_of_type(name: &Value, value: &Value) -> bool {
    match name.as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "object" => value.is_object(),
        "array" => value.is_array(),
        other => panic!("unexpected type {other}"),
    }
}

fn is_valid_string(keyword: &str, rule: &Value, text: &str) -> bool {
    let chars = text.chars().count() as u64;
    match keyword {
        "minLength" => chars >= rule.as_u64().unwrap(),
        "maxLength" => chars <= rule.as_u64().unwrap(),
        "pattern" => Regex::new(rule.as_str().unwrap()).unwrap().is_match(text),
        _ => for_another_type(keyword, &["minimum", "maximum"]),
    }
}

fn is_valid_number(keyword: &str, rule: &Value, number: f64) -> bool {
    match keyword {
        "minimum" => number >= rule.as_f64().unwrap(),
        "maximum" => number <= rule.as_f64().unwrap(),
        _ => for_another_type(keyword, &["minLength", "maxLength", "pattern"]),
    }
}

fn is_valid_object(root: &Value, rules: &Map<String, Value>, keyword: &str, object: &Map<String, Value>) -> bool {
    let rule = &rules[keyword];
    match keyword {
        "required" => list(rule).iter().all(|name| object.contains_key(name.as_str().unwrap())),
        "minProperties" => object.len() as u64 >= rule.as_u64().unwrap(),
        "properties" => {
            object.iter().all(|(name, value)| rule.get(name).is_none_or(|rule| is_valid(root, rule, value)))
        }
        "additionalProperties" => {
            let known = |name: &str| rules.get("properties").is_some_and(|known| known.get(name).is_some());
            object.iter().all(|(name, value)| known(name) || is_valid(root, rule, value))
        }
        _ => for_another_type(keyword, &["minLength", "maxLength", "pattern", "minimum", "maximum"]),
    }
}

fn for_another_type(keyword: &str, others: &[&str]) -> bool {
    let of_objects = ["required", "minProperties", "properties", "additionalProperties"];
    assert!(others.contains(&keyword) || of_objects.contains(&keyword), "unexpected keyword {keyword}");
    true
}

/// Every command but the one that this file's parser cannot hold.
fn command_names() -> Vec<&'static str> {
    let names = [commands::names(), transaction_commands::names()].concat();
    names.into_iter().filter(|name| *name != OTHERWISE).collect()
}

fn event_names() -> Vec<&'static str> {
    [events::names(), transaction_events::names()].concat()
}

fn valid(schema: &str, value: &[u8]) -> bool {
    let schema: Value = serde_json::from_str(schema).unwrap();
    is_valid(&schema, &schema, &serde_json::from_slice(value).unwrap())
}

#[test]
fn every_golden_value_is_valid() {
    for name in command_names() {
        assert!(valid(schema::COMMAND, &fixture("commands", name)), "{name}");
    }
    for name in event_names() {
        assert!(valid(schema::EVENT, &Record::parse(&fixture("events", name)).value.unwrap()), "{name}");
    }
    for name in replies::names() {
        assert!(valid(schema::REPLY, &Record::parse(&fixture("replies", name)).value.unwrap()), "{name}");
    }
}

#[test]
fn every_type_of_the_schemas_has_a_golden_value() {
    let types = |schema: &str, name: &str| -> BTreeSet<String> {
        let schema: Value = serde_json::from_str(schema).unwrap();
        list(&schema["properties"][name]["enum"]).iter().map(|word| word.as_str().unwrap().to_owned()).collect()
    };
    let of = |value: Vec<u8>, name: &str| {
        serde_json::from_slice::<Map<String, Value>>(&value).unwrap()[name].as_str().unwrap().to_owned()
    };
    let found = command_names().into_iter().map(|name| of(fixture("commands", name), "commandType"));
    assert_eq!(found.collect::<BTreeSet<_>>(), types(schema::COMMAND, "commandType"));
    let value = |kind, name| Record::parse(&fixture(kind, name)).value.unwrap();
    let found = event_names().into_iter().map(|name| of(value("events", name), "eventType"));
    assert_eq!(found.collect::<BTreeSet<_>>(), types(schema::EVENT, "eventType"));
    let found = replies::names().into_iter().map(|name| of(value("replies", name), "outcome"));
    assert_eq!(found.collect::<BTreeSet<_>>(), types(schema::REPLY, "outcome"));
}

#[test]
fn a_value_of_one_schema_is_none_of_another() {
    let command = fixture("commands", "credit.json");
    let event = Record::parse(&fixture("events", "balance-changed-credit.record")).value.unwrap();
    let reply = Record::parse(&fixture("replies", "accepted.record")).value.unwrap();
    for (index, value) in [&command, &event, &reply].into_iter().enumerate() {
        let verdicts = [schema::COMMAND, schema::EVENT, schema::REPLY].map(|schema| valid(schema, value));
        assert_eq!(verdicts, [index == 0, index == 1, index == 2]);
    }
}

/// Every change of one field of a valid command to one of many values: the schema and the engine agree.
#[test]
fn the_schema_refuses_what_the_engine_refuses() {
    let long = |chars: usize| Value::String("x".repeat(chars));
    let values = [
        json!(null),
        json!(""),
        json!("x"),
        json!("1.5"),
        json!("-1"),
        json!("1."),
        json!("USER"),
        json!("CLOSED"),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(true),
        json!([]),
        json!({}),
        json!({"a": 1}),
        json!({"a": null}),
        json!("a b"),
        json!("Debit"),
        json!("2025-12-16T13:00:00.5+01:00"),
        json!("2025-12-16T13:00:60Z"),
        json!("2025-12-16 13:00:00Z"),
        long(128),
        long(129),
        long(256),
        long(257),
        long(500),
        long(501),
    ];
    let mut verdicts = [0, 0];
    for name in command_names() {
        let golden: Value = serde_json::from_slice(&fixture("commands", name)).unwrap();
        let mut places = vec!["/extra".to_owned(), "/data/extra".to_owned()];
        places.extend(golden.as_object().unwrap().keys().map(|name| format!("/{name}")));
        places.extend(golden["data"].as_object().unwrap().keys().map(|name| format!("/data/{name}")));
        for place in places {
            for value in values.iter().map(Some).chain([None]) {
                let changed = changed(&golden, &place, value).to_string();
                let bytes = Some(changed.as_bytes());
                let read = command::decode::<Account>(bytes, 10 << 20).is_ok()
                    || command::decode::<Transaction>(bytes, 10 << 20).is_ok();
                assert_eq!(valid(schema::COMMAND, changed.as_bytes()), read, "{changed}");
                verdicts[usize::from(read)] += 1;
            }
        }
    }
    assert!(verdicts.iter().all(|count| *count > 100), "both verdicts occur: {verdicts:?}");
}

fn changed(golden: &Value, place: &str, value: Option<&Value>) -> Value {
    let mut changed = golden.clone();
    let (parent, name) = place.rsplit_once('/').unwrap();
    let parent = changed.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    match value {
        Some(value) => parent.insert(name.to_owned(), value.clone()),
        None => parent.remove(name),
    };
    changed
}
