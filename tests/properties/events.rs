//! Any event is read as it was written.

use billing_engine::domain::Recorded;
use billing_engine::domain::account::{
    Account, AccountCreated, AccountEvent, AccountStatus, AccountType, BalanceChanged, ChangeType, LimitsChanged,
    Metadata, StatusChanged,
};
use billing_engine::domain::ids::{AggregateId, CommandHash, CommandId, CorrelationId, Timestamp, Version};
use billing_engine::domain::money::{Amount, Currency};
use billing_engine::wire::event::{self, StoredEvent};
use billing_engine::wire::{Source, Trace};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::json::{Style, metadata, text};

/// What one record of the event store holds: value and headers.
struct Written {
    value: Vec<u8>,
    headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

fn write(event: &StoredEvent<'_, AccountEvent>, trace: Trace<'_>) -> Written {
    let mut value = Vec::new();
    event::encode_value::<Account>(&mut value, &event.aggregate_id, &event.correlation_id, &event.recorded);
    let mut headers = Vec::new();
    event::encode_headers::<Account>(&event.recorded, event.source, trace, |name, value| {
        headers.push((name.to_vec(), value.map(<[u8]>::to_vec)));
    });
    Written { value, headers }
}

impl Written {
    fn headers(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.headers.iter().map(|(name, value)| (&**name, value.as_deref()))
    }

    fn read(&self) -> StoredEvent<'_, AccountEvent> {
        event::decode::<Account>(Some(&self.value), self.headers()).unwrap()
    }
}

/// The event after a way through the event store.
pub fn stored(event: &Recorded<AccountEvent>) -> Recorded<AccountEvent> {
    let event = StoredEvent {
        aggregate_id: AggregateId::parse("a").unwrap(),
        correlation_id: CorrelationId::parse("c").unwrap(),
        recorded: event.clone(),
        source: None,
    };
    write(&event, Trace::default()).read().recorded
}

/// An amount of that many decimals; up to 28 digits fit.
fn amount(decimals: u32) -> impl Strategy<Value = Amount> {
    let most = 10i128.pow(28) - 1;
    prop_oneof![-most..=most, -1000..=1000i128].prop_map(move |mantissa| {
        let width = decimals as usize + 1;
        let digits = format!("{:0width$}", mantissa.unsigned_abs());
        let (integer, fraction) = digits.split_at(digits.len() - decimals as usize);
        let point = if decimals > 0 { "." } else { "" };
        let sign = if mantissa < 0 { "-" } else { "" };
        Amount::parse(&format!("{sign}{integer}{point}{fraction}")).unwrap()
    })
}

fn carried() -> impl Strategy<Value = Option<Metadata>> {
    option::of(metadata().prop_map(|metadata| metadata.write(&mut Style::new(1)).into()))
}

fn owned<T: std::fmt::Debug>() -> impl Strategy<Value = T>
where
    String: Into<T>,
{
    text().prop_map(String::into)
}

fn body() -> impl Strategy<Value = AccountEvent> {
    (0..=10u32, "[A-Z]{3,6}").prop_flat_map(|(decimals, code)| {
        let currency = Currency::new(&code, decimals as u8).unwrap();
        let (amount, limit) = (move || amount(decimals), move || option::of(amount(decimals)));
        let (opened, posted) = (currency.clone(), currency);
        let owner = (owned(), owned(), select(AccountType::ALL));
        let created = (owner, select(AccountStatus::ALL), amount(), limit(), limit(), carried());
        let created =
            created.prop_map(move |((owner_id, owner_type, account_type), status, balance, min, max, metadata)| {
                let (currency, min_balance, max_balance) = (opened.clone(), min, max);
                AccountEvent::Created(AccountCreated {
                    owner_id,
                    owner_type,
                    account_type,
                    currency,
                    status,
                    balance,
                    min_balance,
                    max_balance,
                    metadata,
                })
            });
        let amounts = (amount(), amount(), amount(), select(ChangeType::ALL));
        let posted = (amounts, owned(), option::of(owned()), carried()).prop_map(
            move |(amounts, reason, reference, metadata)| {
                let (previous_balance, new_balance, change_amount, change_type) = amounts;
                let currency = posted.clone();
                AccountEvent::BalanceChanged(BalanceChanged {
                    previous_balance,
                    new_balance,
                    change_amount,
                    change_type,
                    reason,
                    currency,
                    reference,
                    metadata,
                })
            },
        );
        let status = (select(AccountStatus::ALL), select(AccountStatus::ALL), owned());
        let status = status.prop_map(|(previous_status, new_status, reason)| {
            AccountEvent::StatusChanged(StatusChanged { previous_status, new_status, reason })
        });
        let limits = (limit(), limit(), limit(), limit());
        let limits =
            limits.prop_map(|(previous_min_balance, previous_max_balance, new_min_balance, new_max_balance)| {
                AccountEvent::LimitsChanged(LimitsChanged {
                    previous_min_balance,
                    previous_max_balance,
                    new_min_balance,
                    new_max_balance,
                })
            });
        prop_oneof![created, posted, status, limits]
    })
}

fn event() -> impl Strategy<Value = StoredEvent<'static, AccountEvent>> {
    let id = || "[A-Za-z0-9._:-]{1,128}";
    let ids = (id(), id(), id(), any::<[u8; 16]>());
    // From year 0 to 9999.
    let at = -62_167_219_200_000..253_402_300_800_000i64;
    let source = option::of((any::<u32>(), 0..i64::MAX));
    (ids, 1..=u64::MAX >> 1, at, body(), source).prop_map(
        |((aggregate, command, correlation, hash), version, at, body, source)| StoredEvent {
            aggregate_id: AggregateId::parse(&aggregate).unwrap(),
            correlation_id: CorrelationId::parse(&correlation).unwrap(),
            recorded: Recorded {
                version: Version(version),
                at: Timestamp(at),
                command_id: CommandId::parse(&command).unwrap(),
                command_hash: CommandHash(hash),
                body,
            },
            source: source.map(|(partition, offset)| Source { topic: "p.account.inbox", partition, offset }),
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn events_are_read_as_they_were_written(event in event()) {
        let written = write(&event, Trace::default());
        prop_assert_eq!(written.read(), event);
    }

    #[test]
    fn the_trace_of_upstream_stands_behind_the_headers_of_the_engine(
        event in event(),
        parent in option::of(proptest::collection::vec(any::<u8>(), 0..100)),
        state in option::of(proptest::collection::vec(any::<u8>(), 0..600)),
    ) {
        let upstream = [(&b"tracestate"[..], state.as_deref()), (b"other", None), (b"traceparent", parent.as_deref())];
        let written = write(&event, Trace::of(upstream.into_iter()));
        let own = if event.source.is_some() { 4 } else { 3 };
        let parent = parent.filter(|parent| parent.len() <= 64).map(|parent| (b"traceparent".to_vec(), Some(parent)));
        let state = state.filter(|state| state.len() <= 512).map(|state| (b"tracestate".to_vec(), Some(state)));
        prop_assert_eq!(&written.headers[own..], parent.into_iter().chain(state).collect::<Vec<_>>());
        prop_assert_eq!(written.read(), event);
    }

    #[test]
    fn a_damaged_event_is_an_error_or_an_event_but_no_panic(event in event(), place in any::<prop::sample::Index>(), byte: u8) {
        let mut written = write(&event, Trace::default());
        let place = place.index(written.value.len());
        written.value[place] = byte;
        let read = event::decode::<Account>(Some(&written.value), written.headers());
        prop_assert!(read.is_err() || serde_json::from_slice::<serde::de::IgnoredAny>(&written.value).is_ok());
    }
}

#[test]
fn what_a_newer_engine_wrote_is_told_from_what_is_damaged() {
    let value = |event_type: &str, top: &str, data: &str| {
        format!(
            r#"{{"eventType":"{event_type}","aggregateId":"a","aggregateVersion":1,"timestamp":"2025-12-09T12:00:00.000Z",
                "correlationId":"c","causationId":"c"{top},"data":{{"previousStatus":"ACTIVE","newStatus":"CLOSED","reason":"r"{data}}}}}"#
        )
    };
    let read = |value: &str, hash: &str| {
        let headers = [(&b"commandHash"[..], Some(hash.as_bytes())), (b"x", None)];
        event::decode::<Account>(Some(value.as_bytes()), headers.into_iter()).map(|event| event.recorded.version)
    };
    let hash = "00112233445566778899aabbccddeeff";
    assert_eq!(read(&value("AccountStatusChanged", "", ""), hash).unwrap(), Version(1));
    for (event_type, top, data, named) in [
        ("HoldPlaced", "", "", "HoldPlaced"),
        ("AccountStatusChanged", r#","format":2"#, "", "format"),
        ("AccountStatusChanged", "", r#","forced":true"#, "forced"),
    ] {
        let error = read(&value(event_type, top, data), hash).unwrap_err();
        assert!(matches!(error, event::Error::Newer(_)), "{error}");
        assert!(error.to_string().contains(named) && error.to_string().contains(env!("CARGO_PKG_VERSION")), "{error}");
    }
    for (value, hash) in [
        (value("AccountStatusChanged", "", ""), "0011"),
        (value("AccountStatusChanged", "", "").replace("ACTIVE", "ASLEEP"), hash),
        (value("AccountStatusChanged", "", "").replace("2025-12", "2025-13"), hash),
        (value("AccountStatusChanged", "", "").replace("\"previousStatus\":\"ACTIVE\",", ""), hash),
        (String::new(), hash),
    ] {
        let error = read(&value, hash).unwrap_err();
        assert!(matches!(error, event::Error::Damaged(_)), "{error}");
    }
}
