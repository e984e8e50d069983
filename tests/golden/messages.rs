//! Commands sent home through the inbox.

use billing_engine::wire::Source;
use billing_engine::wire::message::{Error, SentHome};

use crate::record::Record;
use crate::{assert_golden, fixture};

const ORIGIN: Source<'static> = Source { topic: "billing-engine.account.commands", partition: 1, offset: 77 };

const SENT_AT: i64 = 1_765_281_600_123;

/// The command as upstream wrote it.
fn table() -> Vec<(&'static str, Record)> {
    let text = |text: &str| Some(text.as_bytes().to_vec());
    let value = text(r#"{"commandType":"Credit","aggregateId":"acc-1"}"#);
    let headers = vec![(b"traceparent".to_vec(), text("00-4bf9-01")), (b"x".to_vec(), None)];
    // Upstream cannot make its own headers pass for the engine's.
    let forged = vec![
        (b"billing.message.key".to_vec(), text("forged")),
        (b"billing.message.format".to_vec(), text("2")),
        (b"billing.message.origin".to_vec(), text("other:0:0")),
    ];
    vec![
        ("command.record", Record { key: text("some key"), headers, value: value.clone() }),
        ("command-without-key.record", Record { key: None, headers: forged, value }),
    ]
}

pub fn names() -> Vec<&'static str> {
    table().iter().map(|(name, _)| *name).collect()
}

#[test]
fn messages_are_written_as_they_were() {
    for (name, original) in table() {
        let sent = SentHome {
            key: original.key.as_deref(),
            value: original.value.as_deref(),
            headers: original.headers(),
            origin: ORIGIN,
            sent_at: SENT_AT,
        };
        let mut headers = Vec::new();
        sent.encode_headers(|name, value| headers.push((name.to_vec(), value.map(<[u8]>::to_vec))));
        let value = sent.value.map(<[u8]>::to_vec);
        assert_golden("messages", name, &Record { key: Some(b"acc-1".to_vec()), headers, value });
    }
}

#[test]
fn a_command_comes_home_as_upstream_wrote_it() {
    for (name, original) in table() {
        let record = Record::parse(&fixture("messages", name));
        let read = SentHome::decode(record.value.as_deref(), record.headers()).unwrap();
        assert_eq!((read.origin, read.sent_at), (ORIGIN, SENT_AT));
        let headers = read.headers.map(|(name, value)| (name.to_vec(), value.map(<[u8]>::to_vec))).collect();
        let read = Record { key: read.key.map(<[u8]>::to_vec), value: read.value.map(<[u8]>::to_vec), headers };
        assert_eq!(read, original, "{name}");
    }
}

#[test]
fn a_message_that_would_not_fit_goes_without_what_no_decision_needs() {
    let (bulk, key) = (vec![b'v'; 100_000], vec![b'k'; 100_000]);
    let headers = [(&b"x"[..], Some(&bulk[..])), (b"traceparent", Some(b"00-4bf9-01"))];
    let sent = SentHome {
        key: Some(&key),
        value: Some(b"{}"),
        headers: headers.into_iter(),
        origin: ORIGIN,
        sent_at: SENT_AT,
    };
    assert!(sent.size(b"acc-1") > 200_000);
    let lean = sent.lean(9);
    assert!(lean.size(b"acc-1") < 1_000);
    assert_eq!((lean.key, lean.value, lean.origin), (Some(&b"kkkkkkkkk"[..]), Some(&b"{}"[..]), ORIGIN));
    assert_eq!(lean.headers.collect::<Vec<_>>(), headers[1..]);
}

#[test]
fn a_message_that_cannot_be_read_says_what_it_needs() {
    let read = |index: usize, text: Option<&str>| {
        let mut record = Record::parse(&fixture("messages", "command.record"));
        record.headers[index].1 = text.map(|text| text.as_bytes().to_vec());
        SentHome::decode(record.value.as_deref(), record.headers()).map(|read| read.origin.to_string())
    };
    assert_eq!(read(0, Some("1")), Ok(ORIGIN.to_string()));
    assert_eq!(read(0, Some("2")), Err(Error::NewerFormat { needed: 2 }));
    assert_eq!(read(0, Some("one")), Err(Error::Damaged("billing.message.format")));
    assert_eq!(read(0, None), Err(Error::Damaged("billing.message.format")));
    assert_eq!(read(1, Some("leg")), Err(Error::NewerType { message_type: "leg".to_owned() }));
    assert_eq!(read(1, None), Err(Error::Damaged("billing.message.type")));
    assert_eq!(read(2, Some("topic:1")), Err(Error::Damaged("billing.message.origin")));
    let foreign = SentHome::decode(None, [(&b"x"[..], None)].into_iter()).map(|read| read.origin);
    assert_eq!(foreign, Err(Error::Damaged("billing.message.format")));
    assert!(read(0, Some("2")).unwrap_err().to_string().contains("reads format 2"));
}
