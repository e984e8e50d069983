//! Any command reads as what it says, and any bytes at all read or do not, but never more than that.

use billing_engine::domain::account::{
    AccountCommand, AccountStatus, AccountType, Change, CreateAccount, Metadata, Posting, Text,
};
use billing_engine::domain::money::RequestedAmount;
use billing_engine::wire::Reason;
use proptest::prelude::*;

use crate::json::{Json, Style, metadata, style, text};
use crate::read;

/// An amount as it is sent.
fn amount() -> impl Strategy<Value = String> {
    "-?[0-9]{1,30}(\\.[0-9]{1,12})?"
}

fn requested(amount: &str) -> RequestedAmount {
    RequestedAmount::parse(amount).unwrap()
}

/// The data of a posting and the posting that they mean.
fn posting() -> impl Strategy<Value = (Json, Posting)> {
    (amount(), text(), text(), proptest::option::of(text()), proptest::option::of(metadata())).prop_map(
        |(amount, currency, reason, reference, free)| {
            let mut members = vec![
                ("amount", Json::text(&amount)),
                ("currency", Json::text(&currency)),
                ("reason", Json::text(&reason)),
            ];
            members.extend(reference.as_deref().map(|reference| ("reference", Json::text(reference))));
            let posting = Posting {
                amount: requested(&amount),
                currency: currency.into(),
                reason: reason.into(),
                reference: reference.map(Text::from),
                metadata: free.as_ref().map(carried),
            };
            members.extend(free.map(|free| ("metadata", free)));
            (object(members), posting)
        },
    )
}

fn object(members: Vec<(&str, Json)>) -> Json {
    Json::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// Metadata as events carry them; numbers are written in one way here, so that they can be compared.
fn carried(metadata: &Json) -> Metadata {
    let Json::Object(members) = metadata else { panic!("metadata are an object") };
    let plain = |text: &str| serde_json::to_string(text).unwrap();
    let members = members.iter().map(|(key, value)| match value {
        Json::Text(text) => format!("{}:{}", plain(key), plain(text)),
        Json::Number { mantissa, exponent } => format!("{}:{mantissa}e{exponent}", plain(key)),
        other => format!("{}:{}", plain(key), other.write(&mut Style::new(0))),
    });
    format!("{{{}}}", members.collect::<Vec<_>>().join(",")).into()
}

/// Data written in their order, so that metadata can be compared as text.
fn written(data: &Json, style: &mut Style) -> String {
    let Json::Object(members) = data else { panic!("data are an object") };
    let members = members.iter().map(|(key, value)| match value {
        Json::Object(_) => format!("\"{key}\":{}", carried(value)),
        other => format!("\"{key}\":{}", other.write(style)),
    });
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

fn creation() -> impl Strategy<Value = (Json, AccountCommand)> {
    let types = proptest::sample::select(AccountType::ALL);
    (text(), text(), types, text(), proptest::option::of(amount()), proptest::option::of(amount())).prop_map(
        |(owner_id, owner_type, account_type, currency, min, max)| {
            let mut members = vec![
                ("ownerId", Json::text(&owner_id)),
                ("ownerType", Json::text(&owner_type)),
                ("accountType", Json::text(account_type.as_str())),
                ("currency", Json::text(&currency)),
            ];
            members.extend(min.as_deref().map(|min| ("minBalance", Json::text(min))));
            members.extend(max.as_deref().map(|max| ("maxBalance", Json::text(max))));
            let create = CreateAccount {
                owner_id: owner_id.into(),
                owner_type: owner_type.into(),
                account_type,
                currency: currency.into(),
                min_balance: min.as_deref().map(requested),
                max_balance: max.as_deref().map(requested),
                metadata: None,
            };
            (object(members), AccountCommand::Create(create))
        },
    )
}

fn change() -> impl Strategy<Value = (Json, AccountCommand)> {
    let limit =
        || prop_oneof![Just(None), Just(Some(Json::Null)), amount().prop_map(|amount| Some(Json::Text(amount)))];
    let meant = |limit: &Option<Json>| match limit {
        None => Change::Keep,
        Some(Json::Text(amount)) => Change::Set(requested(amount)),
        Some(_) => Change::Clear,
    };
    let limits = (limit(), limit()).prop_filter("at least one", |(min, max)| min.is_some() || max.is_some());
    let limits = limits.prop_map(move |(min, max)| {
        let command = AccountCommand::ChangeLimits { min_balance: meant(&min), max_balance: meant(&max) };
        let members = [min.map(|min| ("minBalance", min)), max.map(|max| ("maxBalance", max))];
        (object(members.into_iter().flatten().collect()), command)
    });
    let status = (proptest::sample::select(AccountStatus::ALL), text()).prop_map(|(status, reason)| {
        let members = vec![("status", Json::text(status.as_str())), ("reason", Json::text(&reason))];
        (object(members), AccountCommand::ChangeStatus { status, reason: reason.into() })
    });
    prop_oneof![limits, status]
}

fn command() -> impl Strategy<Value = (&'static str, Json, AccountCommand)> {
    prop_oneof![
        posting().prop_map(|(data, posting)| ("Credit", data, AccountCommand::Credit(posting))),
        posting().prop_map(|(data, posting)| ("Debit", data, AccountCommand::Debit(posting))),
        creation().prop_map(|(data, create)| ("CreateAccount", data, create)),
        change().prop_map(|(data, change)| {
            let limits = matches!(change, AccountCommand::ChangeLimits { .. });
            (if limits { "ChangeAccountLimits" } else { "ChangeAccountStatus" }, data, change)
        }),
    ]
}

fn value(command_type: &str, data: &str) -> String {
    format!(r#"{{"commandType":"{command_type}","commandId":"c-1","aggregateId":"a-1","data":{data}}}"#)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn commands_read_as_what_they_say((command_type, data, meant) in command(), style in style()) {
        let request = read(value(command_type, &written(&data, &mut Style::new(style))).as_bytes()).unwrap();
        prop_assert_eq!(request.command_type, command_type);
        prop_assert_eq!(request.command.body, meant);
    }

    #[test]
    fn any_bytes_are_a_command_or_a_dead_letter(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert_eq!(read(&bytes).err(), Some(Reason::Malformed));
    }

    #[test]
    fn a_damaged_command_is_read_only_if_it_is_json(
        (command_type, data, _) in command(),
        style in style(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), 0..3u8, any::<u8>()), 1..4),
    ) {
        let mut bytes = value(command_type, &data.write(&mut Style::new(style))).into_bytes();
        for (place, how, byte) in damage {
            let place = place.index(bytes.len());
            match how {
                0 => bytes[place] = byte,
                1 => bytes.insert(place, byte),
                _ => _ = bytes.remove(place),
            }
        }
        let is_json = serde_json::from_slice::<serde_json::Value>(&bytes).is_ok();
        prop_assert!(read(&bytes).is_err() || is_json, "{}", String::from_utf8_lossy(&bytes));
    }
}
