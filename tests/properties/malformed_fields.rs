//! Each field of each command with each kind of bad value.

use billing_engine::wire::Reason;
use serde_json::{Value, json};

use crate::read;

/// The columns of the table: what is put in the field's place, as JSON text; `None` leaves the field out.
pub fn kinds() -> Vec<Option<String>> {
    let text = |text: &str| Some(Value::from(text).to_string());
    vec![
        None,
        Some("null".into()),
        text(""),
        text(&"x".repeat(10_000)),
        text(&"9".repeat(10_000)),
        Some(r#""\u0000""#.into()),
        Some(r#""a\uD83D""#.into()),
        Some("5".into()),
        Some("5.5".into()),
        Some("1e400".into()),
        Some("99999999999999999999".into()),
        Some("-1".into()),
        Some("-0".into()),
        Some("true".into()),
        Some("[]".into()),
        Some("{}".into()),
        text("ä b"),
    ]
}

/// A command with every field, and for each field a verdict a column: `.` read, `m` malformed, `u` unknown type.
///
/// ```text
/// missing, null, "", 10 kB of x, 10 kB of 9, U+0000, half a pair, 5, 5.5, 1e400, 20 digits, -1, -0, true, [], {}, "ä b"
/// ```
const ENVELOPE: &[(&str, &str)] = &[
    ("/commandType", "mmuuummmmmmmmmmmu"),
    ("/commandId", "mmmmmmmmmmmmmmmmm"),
    ("/aggregateId", "mmmmmmmmmmmmmmmmm"),
    ("/correlationId", "..mmmmmmmmmmmmmmm"),
    ("/expectedVersion", "..mmmmm.mmmmmmmmm"),
    ("/data", "mmmmmmmmmmmmmmmmm"),
    ("/ignored", ".....mm.........."),
];

const POSTING: &[(&str, &str)] = &[
    ("/data/amount", "mmmm.mmmmmmmmmmmm"),
    ("/data/currency", "mm...mmmmmmmmmmm."),
    ("/data/reason", "mmmmmmmmmmmmmmmm."),
    ("/data/reference", "..mmmmmmmmmmmmmm."),
    ("/data/metadata", "..mmmmmmmmmmmmm.m"),
    ("/data/metadata/a", ".m.mmmm..m....mm."),
    ("/data/unknown", ".mmmmmmmmmmmmmmmm"),
];

const CREATE: &[(&str, &str)] = &[
    ("/data/ownerId", "mmmmmmmmmmmmmmmm."),
    ("/data/ownerType", "mmmmmmmmmmmmmmmm."),
    ("/data/accountType", "mmmmmmmmmmmmmmmmm"),
    ("/data/currency", "mm...mmmmmmmmmmm."),
    ("/data/minBalance", "..mm.mmmmmmmmmmmm"),
    ("/data/maxBalance", "..mm.mmmmmmmmmmmm"),
    ("/data/metadata", "..mmmmmmmmmmmmm.m"),
    ("/data/unknown", ".mmmmmmmmmmmmmmmm"),
];

const STATUS: &[(&str, &str)] = &[
    ("/data/status", "mmmmmmmmmmmmmmmmm"),
    ("/data/reason", "mmmmmmmmmmmmmmmm."),
    ("/data/unknown", ".mmmmmmmmmmmmmmmm"),
];

const LIMITS: &[(&str, &str)] = &[
    ("/data/minBalance", "..mm.mmmmmmmmmmmm"),
    ("/data/maxBalance", "..mm.mmmmmmmmmmmm"),
    ("/data/unknown", ".mmmmmmmmmmmmmmmm"),
];

fn command(command_type: &str, data: &Value) -> Value {
    json!({ "commandType": command_type, "commandId": "c-1", "aggregateId": "a-1", "correlationId": "s-1",
            "expectedVersion": 3, "data": data })
}

/// The text of `command` with `value` at `place`.
pub fn changed(command: &Value, place: &str, value: Option<&String>) -> String {
    let mut command = command.clone();
    let (parent, name) = place.rsplit_once('/').unwrap();
    let parent = command.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    parent.remove(name);
    match value {
        None => command.to_string(),
        Some(value) => {
            parent.insert(name.to_owned(), "HERE".into());
            command.to_string().replace("\"HERE\"", value)
        }
    }
}

fn check(command: &Value, rows: &[(&str, &str)]) {
    for (place, verdicts) in rows {
        let kinds = kinds();
        assert_eq!(kinds.len(), verdicts.len(), "{place}");
        for (kind, verdict) in kinds.iter().zip(verdicts.chars()) {
            let expected = match verdict {
                '.' => None,
                'm' => Some(Reason::Malformed),
                _ => Some(Reason::UnknownType),
            };
            let text = changed(command, place, kind.as_ref());
            let shown: String = text.chars().take(300).collect();
            assert_eq!(read(text.as_bytes()).err(), expected, "{place}: {shown}");
        }
    }
}

#[test]
fn each_field_takes_only_what_the_contract_allows() {
    let posting =
        json!({ "amount": "1.00", "currency": "USD", "reason": "r", "reference": "f", "metadata": { "a": 1, "b": 2 } });
    for command_type in ["Credit", "Debit"] {
        check(&command(command_type, &posting), ENVELOPE);
        check(&command(command_type, &posting), POSTING);
    }
    let create = json!({ "ownerId": "o", "ownerType": "t", "accountType": "USER", "currency": "USD", "minBalance": "1",
                         "maxBalance": "2", "metadata": {} });
    check(&command("CreateAccount", &create), ENVELOPE);
    check(&command("CreateAccount", &create), CREATE);
    check(&command("ChangeAccountStatus", &json!({ "status": "CLOSED", "reason": "r" })), STATUS);
    check(&command("ChangeAccountLimits", &json!({ "minBalance": "1", "maxBalance": null })), LIMITS);
}

#[test]
fn texts_are_counted_in_characters() {
    for (place, longest, data) in [
        ("/commandId", 128, json!({ "amount": "1", "currency": "USD", "reason": "r" })),
        ("/data/reason", 500, json!({ "amount": "1", "currency": "USD", "reason": "r" })),
        ("/data/reference", 500, json!({ "amount": "1", "currency": "USD", "reason": "r" })),
        ("/data/ownerId", 256, json!({ "ownerId": "o", "ownerType": "t", "accountType": "USER", "currency": "USD" })),
        ("/data/ownerType", 256, json!({ "ownerId": "o", "ownerType": "t", "accountType": "USER", "currency": "USD" })),
    ] {
        let command_type = if data.get("amount").is_some() { "Credit" } else { "CreateAccount" };
        let letters: &[&str] =
            if place == "/commandId" { &["x"] } else { &["x", "ä", "😀", "\\u00e4", "\\uD83D\\uDE00", "\\n"] };
        for letter in letters {
            let verdict = |count: usize| {
                let value = format!("\"{}\"", letter.repeat(count));
                read(changed(&command(command_type, &data), place, Some(&value)).as_bytes()).is_ok()
            };
            assert_eq!([verdict(longest), verdict(longest + 1)], [true, false], "{place}: {letter}");
        }
    }
}
