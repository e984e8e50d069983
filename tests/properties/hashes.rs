//! The commandHash is equal exactly when type and data are.

use proptest::prelude::*;

use crate::json::{Json, Style, metadata, style, text};
use crate::read;

/// Type and data of a valid command.
pub type Content = (&'static str, Json);

/// A field of data.
pub type Member = BoxedStrategy<Option<(&'static str, Json)>>;

/// A field that may be absent or null.
pub fn optional(field: &'static str, value: impl Strategy<Value = Json> + 'static) -> Member {
    prop_oneof![Just(None), Just(Some(Json::Null)), value.prop_map(Some)]
        .prop_map(move |value| value.map(|value| (field, value)))
        .boxed()
}

pub fn required(field: &'static str, value: impl Strategy<Value = Json> + 'static) -> Member {
    value.prop_map(move |value| Some((field, value))).boxed()
}

pub fn words(words: &'static [&'static str]) -> impl Strategy<Value = Json> {
    proptest::sample::select(words).prop_map(Json::text)
}

pub fn amounts() -> impl Strategy<Value = Json> {
    words(&["50.0", "50.00", "50", "050", "-50", "0", "-0"])
}

pub fn texts() -> impl Strategy<Value = Json> {
    text().prop_map(Json::Text)
}

/// Data of these fields.
pub fn object(fields: Vec<Member>) -> impl Strategy<Value = Json> {
    fields.prop_map(|fields| {
        Json::Object(fields.into_iter().flatten().map(|(key, value)| (key.to_owned(), value)).collect())
    })
}

fn content() -> impl Strategy<Value = Content> {
    let posting = || {
        object(vec![
            required("amount", amounts()),
            required("currency", words(&["USD", "EUR"])),
            required("reason", texts()),
            optional("reference", texts()),
            optional("metadata", metadata()),
        ])
    };
    let create = object(vec![
        required("ownerId", texts()),
        required("ownerType", texts()),
        required("accountType", words(&["USER", "SYSTEM"])),
        required("currency", words(&["USD", "EUR"])),
        optional("minBalance", amounts()),
        optional("maxBalance", amounts()),
        optional("metadata", metadata()),
    ]);
    let status = object(vec![required("status", words(&["ACTIVE", "CLOSED"])), required("reason", texts())]);
    let limits = object(vec![optional("minBalance", amounts()), optional("maxBalance", amounts())])
        .prop_filter("at least one limit", |data| *data != Json::Object(vec![]));
    prop_oneof![
        posting().prop_map(|data| ("Credit", data)),
        posting().prop_map(|data| ("Debit", data)),
        create.prop_map(|data| ("CreateAccount", data)),
        status.prop_map(|data| ("ChangeAccountStatus", data)),
        limits.prop_map(|data| ("ChangeAccountLimits", data)),
    ]
}

/// A second content that differs from the first in little or nothing.
fn pair() -> impl Strategy<Value = (Content, Content)> {
    (content(), content(), any::<prop::sample::Index>(), 0..4u8).prop_map(|(one, other, index, how)| {
        let mixed = match how {
            0 => one.clone(),
            1 if one.0 == "Credit" => ("Debit", one.1.clone()),
            2 => other,
            _ => (one.0, with_one_member_of(&one, &other, index)),
        };
        (one, mixed)
    })
}

fn with_one_member_of(one: &Content, other: &Content, index: prop::sample::Index) -> Json {
    let (Json::Object(mine), Json::Object(others)) = (&one.1, &other.1) else { panic!("data are objects") };
    let mut members = mine.clone();
    let place = index.index(members.len());
    match others.iter().find(|(key, _)| *key == members[place].0) {
        Some((_, value)) => members[place].1 = value.clone(),
        None => members[place].1 = members[place].1.canonical(),
    }
    Json::Object(members)
}

/// What the hash stands for.
pub fn meaning((command_type, data): &Content) -> Content {
    let data = if *command_type == "ChangeAccountLimits" { data.clone() } else { data.without_nulls() };
    (command_type, data.canonical())
}

fn hash((command_type, data): &Content, style: u64) -> [u8; 16] {
    let data = data.write(&mut Style::new(style));
    let value = format!(r#"{{"commandType":"{command_type}","commandId":"c","aggregateId":"a","data":{data}}}"#);
    read(value.as_bytes()).unwrap_or_else(|reason| panic!("{reason:?}: {value}")).command.hash.0
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn hashes_are_equal_exactly_when_type_and_data_are((one, other) in pair(), styles in (style(), style())) {
        let equal = meaning(&one) == meaning(&other);
        prop_assert_eq!(hash(&one, styles.0) == hash(&other, styles.1), equal);
    }

    #[test]
    fn what_stands_around_the_data_does_not_count(content in content(), style in style()) {
        let data = content.1.write(&mut Style::new(style));
        let around = format!(
            r#"{{"data":{data},"aggregateId":"other","expectedVersion":3,"x":[],"commandId":"d","commandType":"{}"}}"#,
            content.0
        );
        prop_assert_eq!(read(around.as_bytes()).unwrap().command.hash.0, hash(&content, style));
    }
}
