//! Dead letters: whole, and as much as fits.

use billing_engine::wire::dead_letter::{Failed, Reason};
use billing_engine::wire::{Source, record_size};

use crate::assert_golden;
use crate::record::{Header, Record};

struct Golden {
    name: &'static str,
    original: Record,
    reason: Reason,
    error: &'static str,
    max_bytes: usize,
}

fn text(text: &str) -> Option<Vec<u8>> {
    Some(text.as_bytes().to_vec())
}

fn headers(headers: &[(&str, Option<&str>)]) -> Vec<Header> {
    headers.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.and_then(text))).collect()
}

fn table() -> Vec<Golden> {
    let upstreams = headers(&[("traceparent", Some("00-4bf9-01")), ("x", None), ("x", Some("")), ("x", Some("twice"))]);
    let whole = Record { key: text("acc-1"), headers: upstreams, value: text(r#"{"commandType":"Credit""#) };
    let large = Record { value: text(&"v".repeat(3000)), ..whole.clone() };
    let earlier = [
        ("a", Some("1")),
        ("billing.dlq.reason", Some("PANIC")),
        ("billing.dlq.error", Some("old")),
        ("billing.dlq.value-omitted", Some("9")),
        ("b", Some("2")),
    ];
    let mut heavy = large.clone();
    heavy.headers.push((b"heavy".to_vec(), text(&"h".repeat(3000))));
    let long_key = Record { key: text(&"k".repeat(3000)), ..heavy.clone() };
    let malformed = |name, original, max_bytes| Golden {
        name,
        original,
        reason: Reason::Malformed,
        error: "not JSON: EOF while parsing an object at line 1 column 23",
        max_bytes,
    };
    vec![
        malformed("malformed.record", whole.clone(), 2000),
        malformed("without-value.record", large, 2000),
        malformed("without-headers.record", heavy, 2000),
        malformed("with-part-of-its-key.record", long_key, 2000),
        Golden {
            name: "nothing-there.record",
            original: Record::default(),
            reason: Reason::Malformed,
            error: "no value",
            max_bytes: 2000,
        },
        Golden {
            name: "redriven.record",
            original: Record { headers: headers(&earlier), ..whole },
            reason: Reason::UnknownType,
            error: "commandType \"Kredit\" is unknown here",
            max_bytes: 2000,
        },
    ]
}

pub fn names() -> Vec<&'static str> {
    table().iter().map(|golden| golden.name).collect()
}

fn letter(golden: &Golden) -> Record {
    let failed = Failed {
        key: golden.original.key.as_deref(),
        value: golden.original.value.as_deref(),
        headers: golden.original.headers(),
        source: Source { topic: "billing-engine.account.commands", partition: 1, offset: 77 },
        timestamp: 1_765_281_600_000,
        reason: golden.reason,
        error: golden.error,
    };
    let letter = failed.letter(golden.max_bytes);
    let headers = letter.headers.iter().map(|(name, value)| (name.to_vec(), value.as_deref().map(<[u8]>::to_vec)));
    Record { key: letter.key.map(<[u8]>::to_vec), value: letter.value.map(<[u8]>::to_vec), headers: headers.collect() }
}

#[test]
fn dead_letters_are_written_as_they_were() {
    for mut golden in table() {
        // The version of the engine is the one thing that may change.
        let mut written = letter(&golden);
        let version = written.headers.iter_mut().find(|(name, _)| name == b"billing.dlq.engine-version").unwrap();
        assert_eq!(version.1, text(env!("CARGO_PKG_VERSION")));
        version.1 = text("VERSION");
        assert_golden("dead-letters", golden.name, &written);

        golden.max_bytes = usize::MAX;
        let whole = letter(&golden);
        assert_eq!((whole.key, whole.value), (golden.original.key, golden.original.value), "{}", golden.name);
    }
}

#[test]
fn dead_letters_fit() {
    for golden in table() {
        let letter = letter(&golden);
        let size = record_size(letter.key.as_deref(), letter.value.as_deref(), letter.headers());
        assert!(size <= golden.max_bytes, "{} has {size} bytes", golden.name);
    }
}
